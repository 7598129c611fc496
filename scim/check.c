#include "scim/check.h"

#include "base/enc.h"
#include "base/stamp.h"
#include "scim/check_run.h"

#define SHOWN_MAX 8192
#define CLEAN_MS (3 * 60 * 1000)
#define LEAST_TIMEOUT_MS 100

const char *const check_groups[] = { "discovery", "wire",  "errors", "lists", "filter", "crud",
				     "put",       "patch", "groups", "etag",  "bulk",   NULL };

static const struct check_case *const tables[] = {
	check_cases_discovery, check_cases_read,   check_cases_filter, check_cases_users,
	check_cases_patch,     check_cases_groups, check_cases_more,
};

static const char *const level_words[] = { "MUST", "SHOULD", "client" };
static const char *const level_keys[] = { "must", "should", "client" };
static const char *const outcome_words[] = { "passed",  "failed",  "not_claimed",
					     "not_run", "blocked", "deviates" };

static bool in_group(const struct check_case *k, const char *group)
{
	size_t n = strcspn(k->name, ".");

	return !group || (strlen(group) == n && !strncmp(k->name, group, n));
}

size_t check_count(const char *group)
{
	size_t n = 0;

	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (const struct check_case *k = tables[t]; k->name; k++)
			n += in_group(k, group);
	return n;
}

/* --- the report -----------------------------------------------------------------------------
 */

static int put_text(json_t *row, const char *key, struct str value, struct err *err)
{
	return value.len ? jx_set(row, key, json_stringn(value.p, value.len), err) : 0;
}

static int report(struct check *c, const struct check_case *k, enum check_outcome outcome,
		  struct str why, struct err *err)
{
	json_t *row = json_object();
	int r = jx_add(c->cases, row, err);

	c->counts[k->level][outcome]++;
	if (r == 0)
		r = put_text(row, "name", str_of(k->name), err);
	if (r == 0)
		r = put_text(row, "group", str_n(k->name, strcspn(k->name, ".")), err);
	if (r == 0)
		r = put_text(row, "section", str_of(k->section), err);
	if (r == 0)
		r = put_text(row, "level", str_of(level_words[k->level]), err);
	if (r == 0)
		r = put_text(row, "outcome", str_of(outcome_words[outcome]), err);
	if (r == 0)
		r = put_text(row, "wants", str_of(k->wants), err);
	if (r == 0)
		r = put_text(row, "why", why, err);
	if (r < 0 || (outcome != CHECK_FAILED && outcome != CHECK_BLOCKED))
		return r;
	check_show_answer(c);
	r = put_text(row, "hurts", str_of(k->hurts), err);
	if (r == 0)
		r = put_text(row, "sent", buf_str(&c->sent), err);
	return r == 0 ? put_text(row, "came", buf_str(&c->came), err) : r;
}

/* --- steps ----------------------------------------------------------------------------------
 */

static int keep_one(struct check *c, struct str pair, struct buf *why, struct err *err)
{
	CLEANUP(json_decref_at) json_t *value = NULL;
	CLEANUP(buf_done) struct buf text;
	CLEANUP(free_at) char *path = NULL;
	struct str name, from;
	char key[24];
	int r;

	buf_init(&text, 1024 * 1024);
	str_cut(pair, '=', &name, &from);
	snprintf(key, sizeof(key), STR_FMT, STR_ARG(name));
	path = str_dup(from);
	if (!path)
		return err_nomem(err);
	value = check_at(c, path);
	if (!value) {
		buf_addf(why, "%s is not there", path);
		return 1;
	}
	if (json_is_string(value))
		return check_var(c, true, key, json_string_value(value), err);
	r = jx_text(value, &text, err);
	return r < 0 ? r : check_var(c, true, key, text.p, err);
}

static int keep(struct check *c, const char *pairs, struct buf *why, struct err *err)
{
	struct str rest = str_of(pairs), one;
	int r = 0;

	while (r == 0 && rest.len) {
		struct str next;

		str_cut(rest, ' ', &one, &next);
		r = keep_one(c, one, why, err);
		rest = next;
	}
	return r;
}

enum { STEP_FINE, STEP_WRONG, STEP_ABSENT };

/* The answer of a step against what it wants. */
static int step_judge(struct check *c, const struct check_step *s, struct buf *why,
		      struct err *err)
{
	int status = c->answer.status, r = 0;

	if (s->absent && check_status_among(s->absent, status)) {
		buf_addf(why, "the server answers %d: it has no such thing", status);
		return STEP_ABSENT;
	}
	if (s->status && !check_status_among(s->status, status)) {
		buf_addf(why, "the status is %d, wanted %s", status, s->status);
		return STEP_WRONG;
	}
	if ((s->judge || (s->expect && strncmp(s->expect, "header:", 7))) &&
	    c->doc_fault.code) {
		buf_add_text(why, "the body is not JSON: ");
		check_show_text(c, str_of(c->doc_fault.text), 200, why);
		return STEP_WRONG;
	}
	if (s->expect)
		r = check_expect(c, s->expect, why, err);
	if (r == 0 && s->judge)
		r = s->judge(c, why);
	if (r == 0 && s->keep)
		r = keep(c, s->keep, why, err);
	return r;
}

static int step_run(struct check *c, const struct check_step *s, struct buf *why,
		    struct err *err)
{
	struct err said = { 0 };
	int r = check_send(c, s, &said);

	if (r == CHECK_NO_ANSWER) {
		check_show_text(c, str_of(said.text), ERR_TEXT_BYTES, why);
		return STEP_WRONG;
	}
	if (r < 0) {
		*err = said;
		return r;
	}
	return step_judge(c, s, why, err);
}

/* --- what cases stand on --------------------------------------------------------------------
 */

#define USER_BODY(me, given)                                                                   \
	"{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'],"                           \
	"'userName':'<" me ">@example.com','externalId':'<" me ">-Ext',"                       \
	"'displayName':'<" me "> Check','title':'Tester',"                                     \
	"'name':{'givenName':'" given "','familyName':'Check'},"                               \
	"'emails':[{'type':'work','value':'<" me ">@example.com','primary':true},"             \
	"{'type':'home','value':'<" me ">.home@example.com'}],'active':true}"

static const struct check_step make_user = { "POST Users", USER_BODY("me", "Zoë"),
					     .status = "201", .expect = "id is string",
					     .keep = "user=id" };
static const struct check_step make_other = { "POST Users", USER_BODY("you", "Ada"),
					      .status = "201", .expect = "id is string",
					      .keep = "other=id" };
static const struct check_step make_group = {
	"POST Groups",
	"{'schemas':['urn:ietf:params:scim:schemas:core:2.0:Group'],'displayName':'<me> group',"
	"'externalId':'<me>-Ext','members':[{'value':'<user>'}]}",
	.status = "201", .expect = "id is string", .keep = "group=id"
};

static bool all_of(unsigned needs, unsigned with)
{
	return (needs & with) == with;
}

static int names_new(struct check *c, struct err *err)
{
	char name[64];
	int r;

	json_object_clear(c->locals);
	snprintf(name, sizeof(name), "%s-%u", c->run, ++c->numbered);
	r = check_var(c, true, "me", name, err);
	snprintf(name, sizeof(name), "%s-%u", c->run, ++c->numbered);
	return r < 0 ? r : check_var(c, true, "you", name, err);
}

static int made(struct check *c, const struct check_step *s, struct buf *why, struct err *err)
{
	int r = step_run(c, s, why, err);

	if (r == 0 && !c->own.v[c->own.n - 1].id) {
		buf_add_text(why, "the answer is not about the resource that was sent");
		return STEP_WRONG;
	}
	return r;
}

static int stand_on(struct check *c, unsigned needs, struct buf *why, struct err *err)
{
	int r = names_new(c, err);

	if (r == 0 && all_of(needs, WITH_USER))
		r = made(c, &make_user, why, err);
	if (r == 0 && all_of(needs, WITH_OTHER))
		r = made(c, &make_other, why, err);
	if (r == 0 && all_of(needs, WITH_GROUP))
		r = made(c, &make_group, why, err);
	return r;
}

/* --- one case -------------------------------------------------------------------------------
 */

/* Why a case is not for this server or this run; CHECK_PASSED: it is to be run. */
static enum check_outcome excused(const struct check *c, const struct check_case *k,
				  struct buf *why)
{
	const struct check_claims *has = &c->claims;
	const struct {
		unsigned need;
		bool there;
		const char *name;
	} claims[] = {
		{ NEED_PATCH, has->patch, "PATCH" },
		{ NEED_FILTER, has->filter, "filters" },
		{ NEED_SORT, has->sort, "sorting" },
		{ NEED_ETAG, has->etag, "ETags" },
		{ NEED_BULK, has->bulk, "bulk" },
		{ NEED_CURSOR, has->cursor, "cursors" },
		{ NEED_GROUPS, has->groups, "groups" },
		{ NEED_ENTERPRISE, has->enterprise, "the enterprise extension" },
	};
	char missing[64];

	for (size_t i = 0; i < COUNT_OF(claims); i++)
		if ((k->needs & claims[i].need) && !claims[i].there) {
			buf_addf(why, "the server does not claim %s", claims[i].name);
			return CHECK_NOT_CLAIMED;
		}
	if (k->uses && !check_declares(c, k->uses, missing)) {
		buf_addf(why, "the server's schema of User has no %s", missing);
		return CHECK_NOT_CLAIMED;
	}
	if ((k->needs & NEED_WRITE) && !c->o->write) {
		buf_add_text(why, "it needs --write");
		return CHECK_NOT_RUN;
	}
	if ((k->needs & NEED_SAMPLE) && !json_object_get(c->vars, "id")) {
		buf_add_text(why, "the server shows no user to look at");
		return CHECK_NOT_RUN;
	}
	if ((k->needs & NEED_MANY) && !json_object_get(c->vars, "many")) {
		buf_add_text(why, "a bulk may hold more operations than are sent here");
		return CHECK_NOT_RUN;
	}
	if (c->stopped.code) {
		check_show_text(c, str_of(c->stopped.text), 300, why);
		return CHECK_BLOCKED;
	}
	return CHECK_PASSED;
}

/* Whether what failed is what some servers do on purpose: then that is said, by its name. */
static int deviation_run(struct check *c, const struct check_case *k,
			 enum check_outcome *outcome, struct buf *why, struct err *err)
{
	const struct check_deviation *d = check_deviations;
	CLEANUP(buf_done) struct buf unlike;
	int r = 0;

	buf_init(&unlike, SHOWN_MAX);
	while (d->name && strcmp(d->name, k->name) != 0)
		d++;
	if (!d->name)
		return 0;
	for (const struct check_step *s = d->steps; r == 0 && s->send; s++)
		r = step_run(c, s, &unlike, err);
	if (r != 0)
		return r < 0 ? r : 0;
	*outcome = CHECK_DEVIATES;
	buf_clear(why);
	buf_add_text(why, d->says);
	return buf_fault(why, err, "the name of a deviation");
}

static int steps_run(struct check *c, const struct check_case *k, enum check_outcome *outcome,
		     struct buf *why, struct err *err)
{
	int r = stand_on(c, k->needs, why, err);

	if (r == STEP_WRONG)
		*outcome = CHECK_BLOCKED;
	for (const struct check_step *s = k->steps; r == 0 && s->send; s++) {
		r = step_run(c, s, why, err);
		if (r == STEP_WRONG)
			*outcome = s->flags & STEP_SETUP ? CHECK_BLOCKED : CHECK_FAILED;
		else if (r == STEP_ABSENT)
			*outcome = CHECK_NOT_CLAIMED;
	}
	if (r == STEP_WRONG && *outcome == CHECK_FAILED)
		r = deviation_run(c, k, outcome, why, err);
	return r < 0 ? r : 0;
}

static int case_run(struct check *c, const struct check_case *k, struct err *err)
{
	CLEANUP(buf_done) struct buf why;
	enum check_outcome outcome;
	size_t mark = c->own.n;
	struct err unused;
	int r = 0;

	buf_init(&why, SHOWN_MAX);
	buf_clear(&c->sent);
	check_answer_done(c);
	outcome = excused(c, k, &why);
	if (outcome == CHECK_PASSED)
		r = steps_run(c, k, &outcome, &why, err);
	if (r == 0)
		r = report(c, k, outcome, buf_str(&why), err);
	if (r < 0) /* the reason is kept; what was made goes all the same */
		(void)!check_own_clean(c, mark, &unused);
	else
		r = check_own_clean(c, mark, err);
	return r;
}

static int cases_run(struct check *c, struct err *err)
{
	int r = 0;

	for (size_t g = 0; check_groups[g]; g++)
		for (size_t t = 0; t < COUNT_OF(tables); t++)
			for (const struct check_case *k = tables[t]; k->name && r == 0; k++)
				if (in_group(k, check_groups[g]) && in_group(k, c->o->only))
					r = case_run(c, k, err);
	return r;
}

/* --- before and after -----------------------------------------------------------------------
 */

static bool supported(const json_t *config, const char *feature)
{
	const json_t *v = json_is_object(config) ? jx_get_i(config, str_of(feature)) : NULL;

	return json_is_object(v) && json_is_true(jx_get_i(v, STR("supported")));
}

static int64_t number_at(const struct check *c, const char *path)
{
	CLEANUP(json_decref_at) json_t *v = check_at(c, path);

	return json_integer_value(v);
}

static int not_to_be_asked(struct check *c, struct err *err)
{
	if (c->answer.status == 401 || c->answer.status == 403)
		return err_set(err, ERR_UNAUTHORIZED,
			       "the server refuses the token: it answers %d to the "
			       "ServiceProviderConfig; renew the secret in the vault",
			       c->answer.status);
	return 0;
}

/* What cannot be read is claimed: the discovery cases say what is wrong with it. */
static int claims_read(struct check *c, struct err *err)
{
	static const struct check_step config = { .send = "GET ServiceProviderConfig" };
	CLEANUP(json_decref_at) json_t *cursor = NULL;
	struct check_claims *has = &c->claims;
	bool readable;
	int r = check_send(c, &config, err);

	if (r == CHECK_NO_ANSWER)
		return -err->code;
	if (r == 0)
		r = not_to_be_asked(c, err);
	if (r < 0)
		return r;
	readable = c->answer.status == 200 && json_is_object(c->doc);
	has->patch = !readable || supported(c->doc, "patch");
	has->filter = !readable || supported(c->doc, "filter");
	has->sort = supported(c->doc, "sort");
	has->etag = supported(c->doc, "etag");
	has->bulk = supported(c->doc, "bulk");
	cursor = check_at(c, "pagination/cursor");
	has->cursor = json_is_true(cursor);
	has->max_results = number_at(c, "filter/maxResults");
	has->max_operations = number_at(c, "bulk/maxOperations");
	return 0;
}

static int types_read(struct check *c, struct err *err)
{
	static const struct check_step types = { .send = "GET ResourceTypes" };
	static const struct check_step schemas = { .send = "GET Schemas" };
	CLEANUP(json_decref_at) json_t *list = NULL;
	CLEANUP(json_decref_at) json_t *group = NULL;
	CLEANUP(json_decref_at) json_t *enterprise = NULL;
	int r = check_send(c, &types, err);

	if (r < 0)
		return r;
	list = check_at(c, "Resources");
	group = check_at(c, "Resources/name=Group");
	enterprise = check_at(c, "Resources/name=User/schemaExtensions/schema=urn:ietf:params:"
				 "scim:schemas:extension:enterprise:2.0:User");
	c->claims.groups = !json_is_array(list) || group;
	c->claims.enterprise = !json_is_array(list) || enterprise;
	r = check_send(c, &schemas, err);
	if (r == 0 && json_is_object(c->doc) &&
	    json_is_array(jx_get_i(c->doc, STR("Resources"))))
		c->schemas = json_incref(c->doc);
	return r < 0 ? r : 0;
}

static int sample_keep(struct check *c, const char *id, const char *name, struct err *err)
{
	char upper[256];
	size_t n = 0;
	int r = check_var(c, false, "id", id, err);

	for (; name[n] && n + 1 < sizeof(upper); n++)
		upper[n] = name[n] >= 'a' && name[n] <= 'z' ? (char)(name[n] - 32) : name[n];
	upper[n] = '\0';
	if (r == 0)
		r = check_var(c, false, "name", name, err);
	return r < 0 ? r : check_var(c, false, "NAME", upper, err);
}

/* Somebody to look at: one of ours where we may write, else the first that the server shows. */
static int sample_read(struct check *c, struct err *err)
{
	static const struct check_step first = { .send = "GET Users?count=1" };
	CLEANUP(json_decref_at) json_t *id = NULL;
	CLEANUP(json_decref_at) json_t *name = NULL;
	int r = check_send(c, &first, err);

	if (r != 0)
		return r < 0 ? r : 0;
	id = check_at(c, "Resources/0/id");
	name = check_at(c, "Resources/0/userName");
	if (!json_is_string(id) || !json_is_string(name) || json_string_length(name) > 200)
		return 0;
	c->foreign = true;
	return sample_keep(c, json_string_value(id), json_string_value(name), err);
}

/* Three users that stand through the whole run: <run>-fix1, -fix2, -fix3. */
static int sample_make(struct check *c, struct err *err)
{
	CLEANUP(buf_done) struct buf why;
	char name[64], mail[80];
	int r = 0;

	buf_init(&why, SHOWN_MAX);
	for (int i = 1; i <= 3 && r == 0; i++) {
		snprintf(name, sizeof(name), "%s-fix%d", c->run, i);
		r = check_var(c, true, "me", name, err);
		if (r == 0)
			r = made(c, &make_user, &why, err);
		if (r != 0 || i != 1)
			continue;
		snprintf(mail, sizeof(mail), "%s@example.com", name);
		r = sample_keep(c, jx_get_text(c->locals, "user"), mail, err);
	}
	return r < 0 ? r : 0; /* cases that need them say what is wrong */
}

/* bulk.too-many needs one operation more than the server takes. */
static int many_make(struct check *c, struct err *err)
{
	static const char one[] = "{\"method\":\"DELETE\",\"path\":\"/Users/%s\"}";
	CLEANUP(buf_done) struct buf many;

	buf_init(&many, 1024 * 1024);
	if (!c->claims.bulk || c->claims.max_operations < 1 || c->claims.max_operations > 5000)
		return 0;
	for (int64_t i = 0; i <= c->claims.max_operations; i++) {
		if (i)
			buf_add_char(&many, ',');
		buf_addf(&many, one, jx_get_text(c->vars, "nobody"));
	}
	if (buf_fault(&many, err, "a bulk request") < 0)
		return -err->code;
	return check_var(c, false, "many", many.p, err);
}

static int url_check(const char *url, struct err *err)
{
	struct str s = str_of(url);

	if (!str_istarts(s, STR("https://")) && !str_istarts(s, STR("http://")))
		return err_set(err, ERR_USAGE,
			       "the URL begins with https:// (or http:// on this machine)");
	if (str_find_any(s, "?#@ \"<>") < s.len)
		return err_set(err, ERR_USAGE,
			       "the URL is the SCIM base alone: no query, no login, no blanks; "
			       "such as https://scim.example.com/scim/v2/idp");
	return 0;
}

int check_valid(const struct check_options *options, struct err *err)
{
	bool known = !options->only;
	int r = url_check(options->url, err);

	if (r < 0)
		return r;
	for (size_t i = 0; check_groups[i]; i++)
		known |= options->only && !strcmp(check_groups[i], options->only);
	if (!known)
		return err_set(err, ERR_USAGE, "there is no group of cases %s", options->only);
	if (options->timeout_ms && options->timeout_ms < LEAST_TIMEOUT_MS)
		return err_set(err, ERR_USAGE, "a request needs at least %d ms",
			       LEAST_TIMEOUT_MS);
	return 0;
}

static int run_init(struct check *c, struct err *err)
{
	char uuid[ENC_UUID_CHARS + 1];
	struct str url = str_of(c->o->url);
	int r = check_valid(c->o, err);

	if (r < 0)
		return r;
	while (url.len && url.p[url.len - 1] == '/')
		url.len--;
	c->url = str_dup(url);
	c->vars = json_object();
	c->locals = json_object();
	if (!c->url || !c->vars || !c->locals)
		return err_nomem(err);
	enc_uuid_new(uuid);
	snprintf(c->run, sizeof(c->run), CHECK_PREFIX "%.8s", uuid);
	c->until_ms = stamp_mono_ms() + CHECK_TOTAL_MS;
	r = check_var(c, false, "run", c->run, err);
	enc_uuid_new(uuid);
	return r < 0 ? r : check_var(c, false, "nobody", uuid, err);
}

/* --- the end --------------------------------------------------------------------------------
 */

static int put_counts(struct check *c, json_t *out, struct err *err)
{
	json_t *counts = json_object();
	int r = jx_set(out, "counts", counts, err);

	for (size_t l = 0; r == 0 && l < COUNT_OF(level_keys); l++) {
		json_t *row = json_object();

		r = jx_set(counts, level_keys[l], row, err);
		for (size_t o = 0; r == 0 && o < CHECK_OUTCOMES; o++)
			r = jx_set(row, outcome_words[o], json_integer(c->counts[l][o]), err);
	}
	return r;
}

static int put_claims(struct check *c, json_t *out, struct err *err)
{
	const struct check_claims *has = &c->claims;
	json_t *claims = json_pack("{s:b,s:b,s:b,s:b,s:b,s:b,s:b,s:b}", "patch", has->patch,
				   "filter", has->filter, "sort", has->sort, "etag", has->etag,
				   "bulk", has->bulk, "cursor", has->cursor, "groups",
				   has->groups, "enterprise", has->enterprise);

	return jx_set(out, "claims", claims, err);
}

static unsigned sum(const struct check *c, enum check_outcome outcome)
{
	return c->counts[CHECK_MUST][outcome] + c->counts[CHECK_SHOULD][outcome] +
	       c->counts[CHECK_CLIENT][outcome];
}

/* What the whole run comes to. */
static int verdict(struct check *c, struct err *err)
{
	const unsigned *must = c->counts[CHECK_MUST];

	if (json_array_size(c->left))
		return err_set(
			err, ERR_INCOMPLETE,
			"%zu resources of this run could not be removed from the server: "
			"remove them by hand (their names begin with %s)",
			json_array_size(c->left), c->run);
	if (c->stopped.code) {
		*err = c->stopped;
		return err_context(err, -err->code, "the check was ended early");
	}
	if (must[CHECK_FAILED])
		return err_set(err, ERR_NOT_SUPPORTED,
			       "%u of the %u MUST cases that were run failed",
			       must[CHECK_FAILED], must[CHECK_FAILED] + must[CHECK_PASSED]);
	if (sum(c, CHECK_BLOCKED))
		return err_set(
			err, ERR_INCOMPLETE,
			"%u cases could not be run: what they stand on could not be made",
			sum(c, CHECK_BLOCKED));
	return 0;
}

static int clean_all(struct check *c, struct err *err)
{
	int r;

	if (!c->o->write)
		return 0;
	c->until_ms = stamp_mono_ms() + CLEAN_MS;
	r = check_own_clean(c, 0, err);
	return r == 0 && !c->stopped.code ? check_own_sweep(c, err) : r;
}

static int run_whole(struct check *c, struct err *err)
{
	int r = claims_read(c, err);

	if (r == 0)
		r = types_read(c, err);
	if (r == 0)
		r = c->o->write ? sample_make(c, err) : sample_read(c, err);
	if (r == 0)
		r = many_make(c, err);
	return r == 0 ? cases_run(c, err) : r;
}

static void run_done(struct check *c)
{
	check_own_done(c);
	check_answer_done(c);
	buf_done(&c->sent);
	buf_done(&c->came);
	json_decref(c->schemas);
	json_decref(c->vars);
	json_decref(c->locals);
	free(c->url);
}

static int put_all(struct check *c, json_t *out, struct err *err)
{
	int r = put_counts(c, out, err);

	if (r == 0)
		r = put_claims(c, out, err);
	return r == 0 ? jx_set(out, "requests", json_integer(c->requests), err) : r;
}

int check_run(struct httpc *http, const struct check_options *options, json_t *out,
	      struct err *err)
{
	CLEANUP(run_done) struct check c = { .http = http, .o = options };
	struct err later;
	int r, cleaned;

	buf_init(&c.sent, SHOWN_MAX);
	buf_init(&c.came, SHOWN_MAX);
	r = run_init(&c, err);
	if (r == 0)
		r = jx_set(out, "cases", c.cases = json_array(), err);
	if (r == 0)
		r = jx_set(out, "left", c.left = json_array(), err);
	if (r == 0)
		r = jx_set(out, "url", json_string(c.url), err);
	if (r == 0)
		r = jx_set(out, "run", json_string(c.run), err);
	if (r == 0)
		r = jx_set(out, "write", json_boolean(options->write), err);
	if (r < 0)
		return r;
	r = run_whole(&c, err);
	cleaned = clean_all(&c, r < 0 ? &later : err);
	if (r == 0)
		r = cleaned;
	cleaned = put_all(&c, out, r < 0 ? &later : err);
	if (r == 0)
		r = cleaned;
	return r == 0 ? verdict(&c, err) : r;
}
