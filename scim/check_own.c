/*
 * Scim/check: what we made on somebody's server, and how it goes away again.
 *
 * Before anything is sent that may make a resource, its name is written down; what comes back
 * adds the id. So a resource whose answer was lost is found again by its name. Nothing is
 * changed or removed unless it bears a name of this run: before each removal it is read and
 * looked at, whatever the server had said about it.
 */
#include "scim/check_run.h"

#include "base/enc.h"

#define BULK_PATH "Bulk"

static const char *const endpoints[] = { "Users", "Groups" };

/* "Users" or "Groups" if the target is that endpoint; *id what follows it, may be empty. */
static const char *endpoint_of(struct str target, struct str *id)
{
	struct str path, rest, name;

	str_cut(target, '?', &path, &rest);
	if (!str_cut(path, '/', &name, id))
		*id = (struct str){ 0 };
	for (size_t i = 0; i < COUNT_OF(endpoints); i++)
		if (str_ieq(name, str_of(endpoints[i])))
			return endpoints[i];
	return NULL;
}

static bool is_search(struct str id)
{
	return str_eq(id, STR(".search"));
}

/* --- writing down ---------------------------------------------------------------------------
 */

static int own_add(struct check *c, const char *endpoint, const char *name, struct err *err)
{
	struct check_own own = { .endpoint = endpoint };

	if (name && !(own.name = str_dup(str_of(name))))
		return err_nomem(err);
	if (check_owns_add(&c->own, own) < 0) {
		free(own.name);
		return err_nomem(err);
	}
	return 0;
}

static const char *name_in(const json_t *resource)
{
	static const char *const members[] = { "userName", "displayName", "externalId" };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		const json_t *v = jx_get_i(resource, str_of(members[i]));

		if (json_is_string(v))
			return json_string_value(v);
	}
	return NULL;
}

/* True if one of its names begins with this run's. */
static bool bears_name(const struct check *c, const json_t *resource)
{
	static const char *const members[] = { "userName", "displayName", "externalId" };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		const json_t *v = json_is_object(resource)
					  ? jx_get_i(resource, str_of(members[i]))
					  : NULL;

		if (json_is_string(v) &&
		    !strncasecmp(json_string_value(v), c->run, strlen(c->run)))
			return true;
	}
	return false;
}

static int expect_bulk(struct check *c, const json_t *bulk, struct err *err)
{
	const json_t *operations = json_object_get(bulk, "Operations"), *op;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)operations, i, op) {
		const char *method = jx_get_text(op, "method"), *path = jx_get_text(op, "path");
		struct str id;
		const char *endpoint =
			path ? endpoint_of(str_of(path + (*path == '/')), &id) : NULL;

		if (r == 0 && endpoint && method && !strcasecmp(method, "POST"))
			r = own_add(c, endpoint, name_in(json_object_get(op, "data")), err);
	}
	return r;
}

int check_own_expect(struct check *c, const char *method, struct str target, const char *body,
		     size_t *mark, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct err unused;
	const char *endpoint;
	struct str id;

	*mark = c->own.n;
	if (strcmp(method, "POST"))
		return 0;
	if (body && jx_parse(str_of(body), JX_LENIENT, &doc, &unused) == -ERR_NOMEM)
		return err_nomem(err);
	if (str_ieq(target, STR(BULK_PATH)))
		return json_is_object(doc) ? expect_bulk(c, doc, err) : 0;
	endpoint = endpoint_of(target, &id);
	if (!endpoint || is_search(id))
		return 0;
	return own_add(c, endpoint, json_is_object(doc) ? name_in(doc) : NULL, err);
}

/* --- learning from the answer ---------------------------------------------------------------
 */

static char *id_of_location(const struct check *c)
{
	struct str location;
	size_t at;

	if (!httpc_header(&c->answer, "Location", &location))
		return NULL;
	at = location.len;
	while (at && location.p[at - 1] != '/')
		at--;
	return at < location.len ? str_dup(str_n(location.p + at, location.len - at)) : NULL;
}

static int learn_one(struct check *c, struct check_own *own, struct err *err)
{
	const json_t *id = json_is_object(c->doc) ? jx_get_i(c->doc, STR("id")) : NULL;

	if (c->answer.status >= 400) {
		own->refused = true;
		return 0;
	}
	if (json_is_string(id) && json_string_length(id)) {
		if (!bears_name(c, c->doc) && name_in(c->doc))
			return 0; /* that is somebody else */
		own->id = str_dup(str_of(json_string_value(id)));
		return own->id ? 0 : err_nomem(err);
	}
	own->id = id_of_location(c);
	return 0;
}

int check_own_learn(struct check *c, size_t mark, bool answered, struct err *err)
{
	/* A bulk's resources are found by their names when they are to go. */
	if (!answered || c->own.n != mark + 1)
		return 0;
	return learn_one(c, &c->own.v[mark], err);
}

bool check_own_may(const struct check *c, const char *method, struct str target)
{
	const char *nobody = jx_get_text(c->vars, "nobody"), *endpoint;
	struct str id, rest;

	if (!strcmp(method, "GET"))
		return true;
	if (!c->o->write)
		return false;
	endpoint = endpoint_of(target, &id);
	if (!strcmp(method, "POST"))
		return true;
	if (!endpoint) /* discovery takes no writes; whole collections are never written to */
		return false;
	str_cut(id, '/', &id, &rest);
	if (nobody && str_eq(id, str_of(nobody)))
		return true;
	for (size_t i = 0; i < c->own.n; i++)
		if (c->own.v[i].id) {
			CLEANUP(buf_done) struct buf encoded;

			buf_init(&encoded, 4096);
			enc_percent(&encoded, str_of(c->own.v[i].id));
			if (str_eq(buf_str(&encoded), id))
				return true;
		}
	return false;
}

/* --- removing -------------------------------------------------------------------------------
 */

static int left_add(struct check *c, const struct check_own *own, const char *why,
		    struct err *err)
{
	json_t *row = json_object();
	int r = jx_add(c->left, row, err);

	if (r == 0)
		r = jx_set(row, "endpoint", json_string(own->endpoint), err);
	if (r == 0 && own->name)
		r = jx_set(row, "name", json_string(own->name), err);
	if (r == 0 && own->id) {
		CLEANUP(buf_done) struct buf shown;

		buf_init(&shown, 1024);
		check_show_text(c, str_of(own->id), 200, &shown);
		r = jx_set(row, "id", json_string(shown.p ? shown.p : ""), err);
	}
	return r == 0 ? jx_set(row, "why", json_string(why), err) : r;
}

static int send_for(struct check *c, const char *method, const struct check_own *own,
		    struct err *err)
{
	char send[32];
	struct check_step step = { .send = send };
	int r = check_var(c, true, "own", own->id, err);

	snprintf(send, sizeof(send), "%s %s/<own>", method, own->endpoint);
	return r < 0 ? r : check_send(c, &step, err);
}

/* Servers that answer 200 for what is not there are told by what they show. */
static bool is_gone(const struct check *c, const struct check_own *own)
{
	const json_t *id = json_is_object(c->doc) ? jx_get_i(c->doc, STR("id")) : NULL;

	if (c->answer.status == 404 || c->answer.status == 410)
		return true;
	return c->answer.status == 200 && json_is_object(c->doc) &&
	       !(json_is_string(id) && !strcmp(json_string_value(id), own->id)) &&
	       !bears_name(c, c->doc);
}

/* The id of a resource whose answer we never saw, by its name. 1: there is none. */
static int find_by_name(struct check *c, struct check_own *own, struct err *err)
{
	char send[80];
	struct check_step step = { .send = send };
	json_t *list, *each;
	size_t i;
	int r = check_var(c, true, "own", own->name, err);

	snprintf(send, sizeof(send), "GET %s?filter=%s eq \"<own>\"", own->endpoint,
		 own->endpoint[0] == 'U' ? "userName" : "displayName");
	if (r == 0)
		r = check_send(c, &step, err);
	if (r != 0)
		return r < 0 ? r : err_set(err, ERR_INCOMPLETE, "it could not be looked for");
	list = json_is_object(c->doc) ? jx_get_i(c->doc, STR("Resources")) : NULL;
	json_array_foreach (list, i, each) {
		const char *name = json_is_object(each) ? name_in(each) : NULL;
		const json_t *id = json_is_object(each) ? jx_get_i(each, STR("id")) : NULL;

		if (!name || strcasecmp(name, own->name) || !json_is_string(id))
			continue;
		own->id = str_dup(str_of(json_string_value(id)));
		return own->id ? 0 : err_nomem(err);
	}
	if (c->answer.status != 200)
		return err_set(err, ERR_INCOMPLETE, "looking for it by its name gave %d",
			       c->answer.status);
	return 1;
}

/* 0: it is gone. 1: not, *err says why. Below zero: our own fault. */
static int remove_one(struct check *c, struct check_own *own, struct err *err)
{
	int r;

	if (!own->id) {
		r = own->name ? find_by_name(c, own, err) : 1;
		if (r == 1)
			return 0;
		if (r < 0)
			return r == -ERR_INCOMPLETE ? 1 : r;
	}
	r = send_for(c, "GET", own, err);
	if (r != 0)
		return r;
	if (is_gone(c, own))
		return 0;
	if (c->answer.status != 200 || !bears_name(c, c->doc)) {
		err_set(err, ERR_REFUSED, "reading it gave %d and not our name: not touched",
			c->answer.status);
		return 1;
	}
	r = send_for(c, "DELETE", own, err);
	if (r == 0)
		r = send_for(c, "GET", own, err);
	if (r != 0)
		return r;
	if (is_gone(c, own))
		return 0;
	err_set(err, ERR_REMOTE, "it can be read after its DELETE: status %d",
		c->answer.status);
	return 1;
}

/* One of ours away, or into the list of what is left. A fault of ours is met with a second try:
 * what it interrupts would stay on somebody's server. */
static int clean_one(struct check *c, struct check_own *own, unsigned *faults, struct err *err)
{
	struct err why = { 0 };
	int r;

	if (*faults >= CHECK_FAULTS_MAX) {
		own->gone = true;
		return left_add(c, own, "the server stopped answering", err);
	}
	r = remove_one(c, own, &why);
	if (r < 0)
		r = remove_one(c, own, &why);
	*faults = r == 1 && !c->answer.status ? *faults + 1 : 0;
	own->gone = true; /* or said, once */
	if (r == 0)
		return 0;
	if (left_add(c, own, why.text, err) < 0)
		return -err->code;
	if (r < 0)
		*err = why;
	return r < 0 ? r : 0;
}

int check_own_clean(struct check *c, size_t from, struct err *err)
{
	bool cleaning = c->cleaning;
	unsigned faults = 0;
	struct err why;
	int first = 0;

	c->cleaning = true;
	for (size_t i = c->own.n; i > from; i--) {
		struct check_own *own = &c->own.v[i - 1];
		int r;

		if (own->gone || own->refused)
			continue;
		r = clean_one(c, own, &faults, &why);
		if (r < 0 && first == 0) {
			first = r;
			*err = why;
		}
	}
	c->cleaning = cleaning;
	return first;
}

/* --- the last look --------------------------------------------------------------------------
 */

static bool known_id(const struct check *c, const char *id)
{
	for (size_t i = 0; i < c->own.n; i++)
		if (c->own.v[i].id && !strcmp(c->own.v[i].id, id))
			return true;
	return false;
}

/* Whatever bears this run's name and was not removed: made behind our back, or by a request
 * that the server said it refused. */
static int sweep_page(struct check *c, const char *endpoint, struct err *err)
{
	json_t *list = json_is_object(c->doc) ? jx_get_i(c->doc, STR("Resources")) : NULL;
	json_t *each;
	size_t i;
	int r = 0;

	json_array_foreach (list, i, each) {
		const json_t *id = json_is_object(each) ? jx_get_i(each, STR("id")) : NULL;

		if (r < 0 || !json_is_string(id) || !bears_name(c, each) ||
		    known_id(c, json_string_value(id)))
			continue;
		r = own_add(c, endpoint, name_in(each), err);
		if (r == 0 &&
		    !(c->own.v[c->own.n - 1].id = str_dup(str_of(json_string_value(id)))))
			r = err_nomem(err);
	}
	return r;
}

int check_own_sweep(struct check *c, struct err *err)
{
	static const char *const steps[] = {
		"GET Users?filter=userName sw \"<run>\"",
		"GET Groups?filter=displayName sw \"<run>\"",
	};
	size_t known = c->own.n;
	struct err why;
	int r = 0;

	c->cleaning = true;
	for (size_t i = 0; i < COUNT_OF(steps) && r == 0; i++) {
		struct check_step step = { .send = steps[i] };

		if (i == 1 && !c->claims.groups)
			continue;
		r = check_send(c, &step, &why);
		if (r == 0)
			r = sweep_page(c, endpoints[i], err);
		else if (r < 0)
			*err = why;
		else
			r = 0; /* what is known by id was looked at one by one */
	}
	return r < 0 ? r : check_own_clean(c, known, err);
}

void check_own_done(struct check *c)
{
	for (size_t i = 0; i < c->own.n; i++) {
		free(c->own.v[i].name);
		free(c->own.v[i].id);
	}
	check_owns_done(&c->own);
}
