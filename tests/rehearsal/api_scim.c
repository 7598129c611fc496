/*
 * User provisioning: the SCIM directory of the organisation's identity provider, with
 * Atlassian's ways. Lists are pages by startIndex of at most 100, whatever is asked; a filter
 * is one eq on userName or externalId (displayName of groups). POST of an address that has a
 * managed account links it; an address of no verified domain is refused; a second record of a
 * userName or address is a 409. active follows into the account; DELETE unlinks for ever.
 * Groups are pushed: each has a synced group of the same name, whose members follow; it cannot
 * be renamed. Lists and filters see what was made only after the organisation's lag.
 *
 * State is one document: {"users":[…],"groups":[…]}; members with an underscore are ours.
 */
#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

#define SCIM_PAGE_MOST 100
#define URN_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define URN_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"
#define URN_LIST "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define URN_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define URN_ATLASSIAN "urn:scim:schemas:extension:atlassian-external:1.0"

/* --- answers --------------------------------------------------------------------------- */

static int scim_error(struct call *c, int status, const char *type, const char *detail)
{
	struct jw w = { .b = &c->out };

	jw_open(&w, NULL, '{');
	jw_open(&w, "schemas", '[');
	jw_text(&w, NULL, URN_ERROR);
	jw_close(&w, ']');
	jw_textf(&w, "status", "%d", status);
	if (type)
		jw_text(&w, "scimType", type);
	jw_text(&w, "detail", detail);
	jw_close(&w, '}');
	return status;
}

int scim_failure(struct call *c, int status, const char *error)
{
	struct jw w = { .b = &c->out };

	jw_open(&w, NULL, '{');
	jw_text(&w, "error", error);
	jw_close(&w, '}');
	return status;
}

static int send_doc(struct call *c, int status, json_t *doc)
{
	struct err err;
	int r = doc ? jx_text(doc, &c->out, &err) : -1;

	json_decref(doc);
	return r < 0 ? scim_error(c, 500, NULL, "Out of memory") : status;
}

static json_t *things(const struct call *c, const char *kind)
{
	return json_object_get(c->re->scim, kind);
}

/* 0, or the refusal: the directory of the path is ours. */
static int directory_check(struct call *c)
{
	if (c->re->scim_directory && str_eq(call_segment(c, 2), str_of(c->re->scim_directory)))
		return 0;
	return scim_error(c, 404, NULL, "Directory not found");
}

static void stamp_set(struct call *c, json_t *doc, const char *key)
{
	char text[STAMP_TEXT_BYTES];

	stamp_text(c->now_ms, text);
	json_object_set_new(doc, key, json_string(text));
}

/* What is sent of a thing: without what is ours, with meta. */
static json_t *shown(struct call *c, const json_t *thing, bool user)
{
	json_t *doc = json_object(), *value;
	const char *key, *kind = user ? "Users" : "Groups";
	const char *id = json_string_value(json_object_get(thing, "id"));
	char location[256];

	json_object_foreach ((json_t *)(uintptr_t)thing, key, value)
		if (key[0] != '_')
			json_object_set(doc, key, value);
	snprintf(location, sizeof(location),
		 "https://api.atlassian.com/scim/directory/%s/%s/%s", c->re->scim_directory,
		 kind, id);
	json_object_set_new(doc, "meta",
			    json_pack("{s:s,s:s,s:O,s:O}", "resourceType",
				      user ? "USER" : "GROUP", "location", location, "created",
				      json_object_get(thing, "_created"), "lastModified",
				      json_object_get(thing, "_modified")));
	return doc;
}

/* --- finding --------------------------------------------------------------------------- */

static json_t *find_by(const struct call *c, const char *kind, const char *key,
		       struct str value, bool fold)
{
	json_t *thing;
	size_t i;

	json_array_foreach (things(c, kind), i, thing) {
		struct str has = str_of(json_string_value(json_object_get(thing, key)));

		if (has.len && (fold ? str_ieq(has, value) : str_eq(has, value)))
			return thing;
	}
	return NULL;
}

static const char *email_of(const json_t *user)
{
	const json_t *emails = json_object_get(user, "emails"), *each;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)emails, i, each)
		if (json_is_true(json_object_get(each, "primary")))
			return json_string_value(json_object_get(each, "value"));
	return NULL;
}

static bool is_shown(const struct call *c, const json_t *thing)
{
	return json_integer_value(json_object_get(thing, "_shown")) <= c->now_ms;
}

/* userName eq "ada": attribute and value, or false. */
static bool filter_read(struct str text, struct str *attribute, struct str *value)
{
	struct str rest, op;

	if (!str_cut(text, ' ', attribute, &rest) || !str_cut(rest, ' ', &op, value) ||
	    !str_ieq(op, STR("eq")) || value->len < 2 || value->p[0] != '"' ||
	    value->p[value->len - 1] != '"')
		return false;
	*value = str_n(value->p + 1, value->len - 2);
	return true;
}

static int64_t number_of(struct call *c, const char *name, int64_t preset)
{
	CLEANUP(buf_done) struct buf text;
	int64_t n = preset;

	buf_init(&text, 64);
	if (call_query(c, name, &text) && !str_int64(buf_str(&text), &n))
		n = preset;
	return n;
}

/* --- lists ----------------------------------------------------------------------------- */

struct filter {
	bool on;
	struct str attribute, value;
};

static bool passes(const struct call *c, const json_t *thing, const struct filter *f)
{
	char key[32];
	struct str has;

	if (!is_shown(c, thing))
		return false;
	if (!f->on)
		return true;
	snprintf(key, sizeof(key), STR_FMT, STR_ARG(f->attribute));
	has = str_of(json_string_value(json_object_get(thing, key)));
	return strcmp(key, "externalId") == 0 ? str_eq(has, f->value) : str_ieq(has, f->value);
}

static bool may_filter(struct str attribute, bool users)
{
	if (!users)
		return str_eq(attribute, STR("displayName"));
	return str_eq(attribute, STR("userName")) || str_eq(attribute, STR("externalId"));
}

static int list(struct call *c, const char *kind, bool users)
{
	int64_t start = number_of(c, "startIndex", 1), count = number_of(c, "count", 100);
	json_t *rows = json_array(), *thing;
	CLEANUP(buf_done) struct buf text;
	struct filter f = { 0 };
	int64_t total = 0;
	size_t i;

	buf_init(&text, 8192);
	f.on = call_query(c, "filter", &text);
	if (f.on && (!filter_read(buf_str(&text), &f.attribute, &f.value) ||
		     !may_filter(f.attribute, users))) {
		json_decref(rows);
		return scim_error(c, 400, "invalidFilter", "Unsupported filter");
	}
	start = start < 1 ? 1 : start;
	count = count > SCIM_PAGE_MOST ? SCIM_PAGE_MOST : count < 0 ? 0 : count;
	json_array_foreach (things(c, kind), i, thing) {
		if (!passes(c, thing, &f))
			continue;
		total++;
		if (total >= start && total < start + count)
			json_array_append_new(rows, shown(c, thing, users));
	}
	return send_doc(c, 200,
			json_pack("{s:[s],s:I,s:I,s:I,s:o}", "schemas", URN_LIST,
				  "totalResults", (json_int_t)total, "startIndex",
				  (json_int_t)start, "itemsPerPage",
				  (json_int_t)json_array_size(rows), "Resources", rows));
}

/* --- users ----------------------------------------------------------------------------- */

/* The attributes that a client may set. */
static const char *const writable[] = {
	"userName",   "externalId", "displayName",       "nickName",     "title",
	"department", "timezone",   "preferredLanguage", "organization", "active",
	"name",       "emails",     "phoneNumbers",      URN_ENTERPRISE,
};

static bool is_writable(const char *key)
{
	for (size_t i = 0; i < COUNT_OF(writable); i++)
		if (strcmp(writable[i], key) == 0)
			return true;
	return false;
}

/* What is wrong with a record; NULL nothing. *status and *type say how to tell. */
static const char *user_wrong(const struct call *c, const json_t *user, const json_t *self,
			      int *status, const char **type)
{
	const char *name = json_string_value(json_object_get(user, "userName"));
	const char *email = email_of(user);
	json_t *other;
	size_t i;

	*status = 400;
	*type = "invalidValue";
	if (!name || !*name)
		return "userName is required";
	if (!email || !*email)
		return "One email must be marked as primary";
	if (!org_domain_verified(c->org, str_of(email)))
		return "The email address is not on a verified domain";
	*status = 409;
	*type = "uniqueness";
	json_array_foreach (things(c, "users"), i, other) {
		if (other == self)
			continue;
		if (str_ieq(str_of(json_string_value(json_object_get(other, "userName"))),
			    str_of(name)))
			return "A user with this userName exists already";
		if (str_ieq(str_of(email_of(other)), str_of(email)))
			return "A user with this email exists already";
	}
	return NULL;
}

static struct account *account_of(const struct call *c, const json_t *user)
{
	return c->org->accounts.v[json_integer_value(json_object_get(user, "_account"))];
}

static const char *name_of(const json_t *user, char room[256])
{
	const json_t *name = json_object_get(user, "name");
	const char *display = json_string_value(json_object_get(user, "displayName"));
	const char *given = json_string_value(json_object_get(name, "givenName"));
	const char *family = json_string_value(json_object_get(name, "familyName"));

	if (display && *display)
		return display;
	snprintf(room, 256, "%s%s%s", given ? given : "", given && family ? " " : "",
		 family ? family : "");
	return *room ? room : json_string_value(json_object_get(user, "userName"));
}

/* The account follows its record. */
static int account_follow(struct call *c, json_t *user, struct err *err)
{
	struct account *a = account_of(c, user);
	const json_t *enterprise = json_object_get(user, URN_ENTERPRISE);
	const char *department = json_string_value(json_object_get(enterprise, "department"));
	const char *title = json_string_value(json_object_get(user, "title"));
	bool active = !json_is_false(json_object_get(user, "active"));
	char room[256];
	int r = org_email_set(c->org, a->number, email_of(user), err);

	if (r < 0)
		return r;
	a->name = org_text(c->org, str_of(name_of(user, room)));
	a->department = org_text(c->org, str_of(department ? department : ""));
	a->job = org_text(c->org, str_of(title ? title : ""));
	org_life_set(c->org, a->number, active ? LIFE_ACTIVE : LIFE_INACTIVE, c->now_ms);
	org_recount(c->org, a->number);
	return 0;
}

/* The managed account of the address, or a new one. */
static int account_link(struct call *c, json_t *user, struct err *err)
{
	const char *email = email_of(user);
	struct account *a;
	char room[256];
	uint32_t number;
	int r = 0;

	if (!org_account_by_email(c->org, str_of(email), &number)) {
		r = org_account_add(c->org, email, name_of(user, room), c->now_ms, &number,
				    err);
		if (r < 0)
			return r;
		org_member_set(c->org, number, 0, MEMBER_ACTIVE);
	}
	a = c->org->accounts.v[number];
	a->managed = true;
	a->source = SOURCE_SYNCED;
	json_object_set_new(user, "_account", json_integer((json_int_t)number));
	json_object_set_new(user, URN_ATLASSIAN,
			    json_pack("{s:s}", "atlassianAccountId", a->id));
	return 0;
}

static int users_get(struct call *c)
{
	int status = directory_check(c);

	return status ? status : list(c, "users", true);
}

static int user_get(struct call *c)
{
	int status = directory_check(c);
	json_t *user = find_by(c, "users", "id", call_segment(c, 4), false);

	if (status)
		return status;
	return user ? send_doc(c, 200, shown(c, user, true))
		    : scim_error(c, 404, NULL, "User not found");
}

static void thing_begin(struct call *c, json_t *thing)
{
	char id[ENC_UUID_CHARS + 1];

	org_uuid(c->org, id);
	json_object_set_new(thing, "id", json_string(id));
	json_object_set_new(thing, "_shown", json_integer(c->now_ms + c->org->lag_ms));
	stamp_set(c, thing, "_created");
	stamp_set(c, thing, "_modified");
}

static int users_post(struct call *c)
{
	json_t *user = json_object(), *value;
	const char *key, *wrong, *type;
	int status = directory_check(c);
	struct err err;

	if (status) {
		json_decref(user);
		return status;
	}
	json_object_set_new(user, "schemas", json_pack("[s]", URN_USER));
	json_object_foreach (c->body, key, value)
		if (is_writable(key))
			json_object_set_new(user, key, json_deep_copy(value));
	if (!json_object_get(user, "active"))
		json_object_set_new(user, "active", json_true());
	wrong = user_wrong(c, user, NULL, &status, &type);
	if (wrong) {
		json_decref(user);
		return scim_error(c, status, type, wrong);
	}
	thing_begin(c, user);
	if (account_link(c, user, &err) < 0 || account_follow(c, user, &err) < 0) {
		json_decref(user);
		return scim_error(c, 409, "uniqueness", "The email address is taken");
	}
	json_array_append_new(things(c, "users"), user);
	call_effect(c, "scim-create", account_of(c, user)->id, true, "%s",
		    json_string_value(json_object_get(user, "userName")));
	return send_doc(c, 201, shown(c, user, true));
}

/* The object and member that a path of PATCH names: "title", "name.givenName", "urn…:User:x".
 */
static json_t *path_target(json_t *user, const char *path, char member[64])
{
	const char *cut =
		strncmp(path, "urn:", 4) == 0 ? strrchr(path, ':') : strchr(path, '.');
	char object[160];
	json_t *in;

	if (!cut || strcmp(path, URN_ENTERPRISE) == 0) {
		snprintf(member, 64, "%.63s", path);
		return is_writable(path) ? user : NULL;
	}
	snprintf(object, sizeof(object), "%.*s", (int)(cut - path), path);
	snprintf(member, 64, "%.63s", cut + 1);
	if (!is_writable(object))
		return NULL;
	in = json_object_get(user, object);
	if (!in) {
		json_object_set_new(user, object, json_object());
		in = json_object_get(user, object);
	}
	return in;
}

static const json_t *operations_of(const struct call *c)
{
	const json_t *list = json_object_get(c->body, "Operations");

	return list ? list : json_object_get(c->body, "operations");
}

static const char *user_patch_one(json_t *user, const json_t *operation)
{
	const char *op = json_string_value(json_object_get(operation, "op"));
	const char *path = json_string_value(json_object_get(operation, "path"));
	json_t *value = json_object_get(operation, "value"), *in;
	char member[64];

	if (!op || !path)
		return "op and path are required";
	in = path_target(user, path, member);
	if (!in)
		return "The path names no attribute that can be changed";
	if (strcasecmp(op, "remove") == 0)
		json_object_del(in, member);
	else if (value && (strcasecmp(op, "replace") == 0 || strcasecmp(op, "add") == 0))
		json_object_set_new(in, member, json_deep_copy(value));
	else
		return "The operation is unknown, or has no value";
	return NULL;
}

static int user_patch(struct call *c)
{
	int status = directory_check(c);
	json_t *user = find_by(c, "users", "id", call_segment(c, 4), false);
	const json_t *operations = operations_of(c), *each;
	const char *wrong = NULL, *type = "invalidSyntax";
	json_t *copy;
	struct err err;
	size_t i;
	bool was;

	if (status)
		return status;
	if (!user)
		return scim_error(c, 404, NULL, "User not found");
	if (!json_is_array(operations) || !json_array_size(operations))
		return scim_error(c, 400, "invalidSyntax", "Operations are required");
	was = json_is_true(json_object_get(user, "active"));
	copy = json_deep_copy(user);
	json_array_foreach ((json_t *)(uintptr_t)operations, i, each)
		wrong = wrong ? wrong : user_patch_one(copy, each);
	status = 400;
	if (!wrong)
		wrong = user_wrong(c, copy, user, &status, &type);
	if (!wrong && account_follow(c, copy, &err) < 0) {
		wrong = "The email address is taken";
		status = 409;
		type = "uniqueness";
	}
	if (wrong) {
		json_decref(copy);
		return scim_error(c, status, type, wrong);
	}
	stamp_set(c, copy, "_modified");
	json_object_clear(user);
	json_object_update(user, copy);
	json_decref(copy);
	call_effect(c,
		    was == json_is_true(json_object_get(user, "active")) ? "scim-update"
		    : was                                                ? "scim-deactivate"
									 : "scim-activate",
		    account_of(c, user)->id, true, "%zu operations",
		    json_array_size(operations));
	return send_doc(c, 200, shown(c, user, true));
}

/* Unlinks; the account is deactivated, and the record cannot come back. */
static int user_delete(struct call *c)
{
	int status = directory_check(c);
	json_t *user = find_by(c, "users", "id", call_segment(c, 4), false), *each;
	struct account *a;
	size_t i;

	if (status)
		return status;
	if (!user)
		return scim_error(c, 404, NULL, "User not found");
	a = account_of(c, user);
	a->source = SOURCE_UNKNOWN;
	org_life_set(c->org, a->number, LIFE_INACTIVE, c->now_ms);
	org_recount(c->org, a->number);
	call_effect(c, "scim-delete", a->id, true, "unlinked");
	json_array_foreach (things(c, "users"), i, each)
		if (each == user)
			break;
	json_array_remove(things(c, "users"), i);
	return 204;
}

/* --- groups ---------------------------------------------------------------------------- */

static int groups_get(struct call *c)
{
	int status = directory_check(c);

	return status ? status : list(c, "groups", false);
}

static int group_get(struct call *c)
{
	int status = directory_check(c);
	json_t *group = find_by(c, "groups", "id", call_segment(c, 4), false);

	if (status)
		return status;
	return group ? send_doc(c, 200, shown(c, group, false))
		     : scim_error(c, 404, NULL, "Group not found");
}

static int groups_post(struct call *c)
{
	const char *name = json_string_value(json_object_get(c->body, "displayName"));
	int status = directory_check(c);
	struct usergroup *g;
	struct err err;
	uint32_t number;
	json_t *group;

	if (status)
		return status;
	if (!name || !*name)
		return scim_error(c, 400, "invalidValue", "displayName is required");
	if (find_by(c, "groups", "displayName", str_of(name), true) ||
	    org_group_add(c->org, 0, name, "pushed by the identity provider", &number, &err) <
		    0)
		return scim_error(c, 409, "uniqueness", "A group of that name exists already");
	g = c->org->groups.v[number];
	g->synced = true;
	g->modifiable = g->deletable = false;
	g->managed_by = "external";
	g->shown_ms = c->now_ms + c->org->lag_ms;
	group = json_pack("{s:[s],s:s,s:[]}", "schemas", URN_GROUP, "displayName", name,
			  "members");
	thing_begin(c, group);
	json_object_set_new(group, "_group", json_integer((json_int_t)number));
	json_array_append_new(things(c, "groups"), group);
	call_effect(c, "scim-make-group", "", true, "%s", name);
	return send_doc(c, 201, shown(c, group, false));
}

static size_t member_at(const json_t *members, const char *id)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)members, i, each)
		if (strcmp(json_string_value(json_object_get(each, "value")), id) == 0)
			return i;
	return SIZE_MAX;
}

static const char *member_change(struct call *c, json_t *group, const char *id, bool add)
{
	json_t *members = json_object_get(group, "members");
	json_t *user = id ? find_by(c, "users", "id", str_of(id), false) : NULL;
	uint32_t number = (uint32_t)json_integer_value(json_object_get(group, "_group"));
	size_t at;

	if (!user)
		return "A member is no user of this directory";
	at = member_at(members, id);
	if (add && at == SIZE_MAX) {
		json_array_append_new(members,
				      json_pack("{s:s,s:s,s:O}", "type", "User", "value", id,
						"display", json_object_get(user, "userName")));
		org_join(c->org, account_of(c, user)->number, number, c->now_ms);
	} else if (!add && at != SIZE_MAX) {
		json_array_remove(members, at);
		org_leave(c->org, account_of(c, user)->number, number, c->now_ms);
	}
	call_effect(c, add ? "scim-join" : "scim-leave", account_of(c, user)->id,
		    add == (at == SIZE_MAX), "%s",
		    json_string_value(json_object_get(group, "displayName")));
	return NULL;
}

static const char *group_patch_one(struct call *c, json_t *group, const json_t *operation)
{
	const char *op = json_string_value(json_object_get(operation, "op"));
	const char *path = json_string_value(json_object_get(operation, "path"));
	const json_t *value = json_object_get(operation, "value"), *each;
	const char *wrong = NULL;
	size_t i;

	if (!op || !path || strcmp(path, "members") != 0 || !json_is_array(value))
		return "Only members can be added and removed";
	if (strcasecmp(op, "add") != 0 && strcasecmp(op, "remove") != 0)
		return "Only add and remove are supported";
	json_array_foreach ((json_t *)(uintptr_t)value, i, each)
		if (!wrong)
			wrong = member_change(c, group,
					      json_string_value(json_object_get(each, "value")),
					      strcasecmp(op, "add") == 0);
	return wrong;
}

static int group_patch(struct call *c)
{
	int status = directory_check(c);
	json_t *group = find_by(c, "groups", "id", call_segment(c, 4), false);
	const json_t *operations = operations_of(c), *each;
	const char *wrong = NULL;
	size_t i;

	if (status)
		return status;
	if (!group)
		return scim_error(c, 404, NULL, "Group not found");
	if (!json_is_array(operations) || !json_array_size(operations))
		return scim_error(c, 400, "invalidSyntax", "Operations are required");
	json_array_foreach ((json_t *)(uintptr_t)operations, i, each)
		wrong = wrong ? wrong : group_patch_one(c, group, each);
	if (wrong)
		return scim_error(c, 400, "invalidValue", wrong);
	stamp_set(c, group, "_modified");
	return send_doc(c, 200, shown(c, group, false));
}

/* --- what it can do -------------------------------------------------------------------- */

static int config_get(struct call *c)
{
	static const char can[] =
		"{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig\"]"
		","
		"\"patch\":{\"supported\":true},"
		"\"bulk\":{\"supported\":false,\"maxOperations\":0,\"maxPayloadSize\":0},"
		"\"filter\":{\"supported\":true,\"maxResults\":100},"
		"\"changePassword\":{\"supported\":false},\"sort\":{\"supported\":false},"
		"\"etag\":{\"supported\":false},\"authenticationSchemes\":[]}";
	int status = directory_check(c);

	if (status)
		return status;
	buf_add_text(&c->out, can);
	return 200;
}

#define DIRECTORY "/scim/directory/{directory}/"
const struct endpoint endpoints_scim[] = {
	{ "GET", DIRECTORY "ServiceProviderConfig", config_get, 0 },
	{ "GET", DIRECTORY "Users", users_get, 0 },
	{ "POST", DIRECTORY "Users", users_post, ENDPOINT_OBJECT },
	{ "GET", DIRECTORY "Users/{id}", user_get, 0 },
	{ "PATCH", DIRECTORY "Users/{id}", user_patch, ENDPOINT_OBJECT },
	{ "DELETE", DIRECTORY "Users/{id}", user_delete, 0 },
	{ "GET", DIRECTORY "Groups", groups_get, 0 },
	{ "POST", DIRECTORY "Groups", groups_post, ENDPOINT_OBJECT },
	{ "GET", DIRECTORY "Groups/{id}", group_get, 0 },
	{ "PATCH", DIRECTORY "Groups/{id}", group_patch, ENDPOINT_OBJECT },
	{ 0 },
};
