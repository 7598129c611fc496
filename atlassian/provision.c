#include "atlassian/provision.h"

#include <stdio.h>

#include "atlassian/act.h"
#include "atlassian/page.h"
#include "atlassian/provision_doc.h"
#include "base/enc.h"

#define PATH_ALL "/scim/directory/{}/{}"
#define PATH_ONE "/scim/directory/{}/{}/{}"
#define EMPTY_PAGES 3 /* in a row: then a list does not go on */

/* --- one call ------------------------------------------------------------------------------
 */

/* what: "Users", "Groups", ...; id empty: the list; query NULL: none. body is taken over. */
static int call(struct atl_client *c, const char *method, struct str directory,
		const char *what, struct str id, const char *query, json_t *body, bool urgent,
		json_t **ret, struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *sent = body;
	CLEANUP(buf_done) struct buf path;
	CLEANUP(buf_done) struct buf text;
	struct str kind = str_of(what);
	struct str args[3] = { directory, kind, id };
	struct atl_request request = { .method = method,
				       .family = strcmp(method, "GET") == 0 ? ATL_ORG_READ
									    : ATL_ORG_WRITE,
				       .write = strcmp(method, "GET") != 0,
				       .urgent = urgent };
	int r;

	buf_init(&path, 8192);
	buf_init(&text, 1 << 20);
	r = atl_path(&path, id.len ? PATH_ONE : PATH_ALL, args, id.len ? 3 : 2, err);
	if (r == 0 && query)
		buf_addf(&path, "?%s", query);
	if (r == 0 && body)
		r = jx_text(body, &text, err);
	if (r == 0)
		r = buf_fault(&path, err, "the path of a SCIM call");
	if (r == 0)
		r = buf_fault(&text, err, "the body of a SCIM call");
	if (r < 0)
		return r;
	request.path = path.p;
	request.body = buf_str(&text);
	return atl_call(c, &request, ret, problem, err);
}

/* filter=ATTRIBUTE eq "VALUE", encoded. */
static int filter_query(const char *attribute, struct str value, struct buf *into,
			struct err *err)
{
	CLEANUP(buf_done) struct buf plain;
	int r;

	buf_init(&plain, 4096);
	buf_addf(&plain, "%s eq \"", attribute);
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_add_char(&plain, '\\');
		buf_add_char(&plain, value.p[i]);
	}
	buf_add_char(&plain, '"');
	r = buf_fault(&plain, err, "a SCIM filter");
	if (r < 0)
		return r;
	buf_add_text(into, "filter=");
	enc_percent(into, buf_str(&plain));
	return buf_fault(into, err, "a SCIM filter");
}

/* --- reading it whole -----------------------------------------------------------------------
 */

struct reading {
	struct atl_client *c;
	const struct atl_provision_options *o;
	const struct atl_provision_sink *sink;
	struct atl_provision_result *ret;
	struct atl_seen *seen;
	struct vec_str members;
	const char *what; /* "Users" or "Groups" */
	uint64_t rows;    /* of this list, each once */
	struct err *err;
};

static void incomplete(struct reading *in, const char *why)
{
	if (!in->ret->why[0])
		(void)snprintf(in->ret->why, sizeof(in->ret->why),
			       "%.20s of the provisioning directory: %.400s", in->what, why);
}

static int user_row(struct reading *in, const json_t *doc)
{
	struct atl_scim_user row;
	char why[128];

	if (!provision_user_read(doc, &row, why, sizeof(why))) {
		incomplete(in, why);
		return 0;
	}
	in->ret->users++;
	return in->sink->user ? in->sink->user(in->sink->ctx, &row, in->err) : 0;
}

static int group_row(struct reading *in, const json_t *doc)
{
	struct atl_scim_group row;
	bool whole = false;
	int r = provision_group_read(doc, &in->members, &row, &whole, in->err);

	if (r < 0)
		return r;
	if (!whole) {
		incomplete(in, "a group without id, name or readable members");
		return 0;
	}
	in->ret->groups++;
	in->ret->members += row.member_count;
	return in->sink->group ? in->sink->group(in->sink->ctx, &row, in->err) : 0;
}

/* The rows of a page that were not there before. */
static int page_rows(struct reading *in, const json_t *rows, bool users)
{
	const json_t *doc;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)(uintptr_t)rows, i, doc) {
		const char *id = jx_get_text(doc, "id");

		if (!id || !*id) {
			incomplete(in, "a row without an id");
			continue;
		}
		r = atl_seen_add(in->seen, str_of(id), in->err);
		if (r < 0)
			return r;
		if (r == ATL_SEEN) {
			in->ret->repeated++;
			continue;
		}
		in->rows++;
		r = users ? user_row(in, doc) : group_row(in, doc);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * One list to its end. startIndex moves by what came, not by what was asked: Atlassian sends
 * fewer. While others write, rows move between pages: then rows are missing or come twice, the
 * count does not agree, and the read is not complete.
 */
static int list_read(struct reading *in, bool users)
{
	int64_t at = 1, total = 0;
	int empty = 0, r = 0;

	do {
		CLEANUP(json_decref_at) json_t *doc = NULL;
		const json_t *rows;
		char query[96];

		if (in->sink->stop && in->sink->stop(in->sink->ctx))
			return err_set(in->err, ERR_CANCELLED, "stopped");
		(void)snprintf(query, sizeof(query), "startIndex=%lld&count=%lld",
			       (long long)at, (long long)in->o->page_size);
		r = call(in->c, "GET", str_of(in->o->directory), in->what, STR(""), query, NULL,
			 false, &doc, NULL, in->err);
		in->ret->calls++;
		if (r < 0)
			return r;
		rows = json_object_get(doc, "Resources");
		if (!json_is_integer(json_object_get(doc, "totalResults")) ||
		    (rows && !json_is_array(rows))) {
			incomplete(in, "an answer that is no SCIM list");
			return 0;
		}
		total = json_integer_value(json_object_get(doc, "totalResults"));
		r = page_rows(in, rows, users);
		at += (int64_t)json_array_size(rows);
		empty = json_array_size(rows) ? 0 : empty + 1;
	} while (r == 0 && at <= total && empty < EMPTY_PAGES);
	if (r == 0 && in->rows != (uint64_t)total) {
		char why[128];

		(void)snprintf(why, sizeof(why),
			       "%llu came of %lld that were told: it changed while it was read",
			       (unsigned long long)in->rows, (long long)total);
		incomplete(in, why);
	}
	return r;
}

/* What a later page's fault makes of the read; that of the first says that we may not read. */
static int list_end(struct reading *in, int r, bool first)
{
	if (r == 0 || r == -ERR_CANCELLED || r == -ERR_NOMEM || (first && in->ret->calls <= 1))
		return r;
	incomplete(in, in->err->text);
	return 0;
}

static int lists_read(struct reading *in)
{
	int r;

	in->what = "Users";
	r = list_end(in, list_read(in, true), true);
	if (r < 0)
		return r;
	/* ids of groups and records are told apart by the kind of the list */
	atl_seen_free(in->seen);
	in->seen = NULL;
	r = atl_seen_new(&in->seen, in->err);
	if (r < 0)
		return r;
	in->what = "Groups";
	in->rows = 0;
	return list_end(in, list_read(in, false), false);
}

int atl_provision_read(struct atl_client *c, const struct atl_provision_options *o,
		       const struct atl_provision_sink *sink, struct atl_provision_result *ret,
		       struct err *err)
{
	struct reading in = { .c = c, .o = o, .sink = sink, .ret = ret, .err = err };
	int r;

	*ret = (struct atl_provision_result){ 0 };
	r = atl_seen_new(&in.seen, err);
	if (r == 0)
		r = lists_read(&in);
	ret->complete = r == 0 && !ret->why[0];
	atl_seen_free(in.seen);
	vec_str_done(&in.members);
	return r;
}

int atl_provision_check(struct atl_client *c, const struct atl_provision_options *o,
			int64_t *ret_users, struct err *err)
{
	CLEANUP(json_decref_at) json_t *config = NULL;
	CLEANUP(json_decref_at) json_t *users = NULL;
	int r = call(c, "GET", str_of(o->directory), "ServiceProviderConfig", STR(""), NULL,
		     NULL, false, &config, NULL, err);

	if (r == 0 &&
	    !json_is_true(json_object_get(json_object_get(config, "patch"), "supported")))
		return err_set(err, ERR_PROTOCOL,
			       "the provisioning directory does not support PATCH: records "
			       "could not be switched off");
	if (r == 0)
		r = call(c, "GET", str_of(o->directory), "Users", STR(""),
			 "startIndex=1&count=1", NULL, false, &users, NULL, err);
	if (r == 0 && ret_users)
		*ret_users = json_integer_value(json_object_get(users, "totalResults"));
	return r;
}

/* --- one record -----------------------------------------------------------------------------
 */

/* Whether the row is one that was asked for: a directory that does not know the question
 * answers everything. Names and addresses are compared as Atlassian does, ids as they are. */
static bool was_asked_for(const json_t *row, const char *attribute, struct str value)
{
	struct str has = str_of(jx_get_text(row, attribute));

	return strcmp(attribute, "externalId") == 0 ? str_eq(has, value) : str_ieq(has, value);
}

/* That there is none is believed only of a list that says so. */
static int find_check(const json_t *list, const char *what, const char *attribute,
		      struct str value, struct err *err)
{
	const json_t *rows = json_object_get(list, "Resources"), *row;
	const json_t *total = json_object_get(list, "totalResults");
	size_t n = json_array_size(rows), i;

	if ((rows && !json_is_array(rows)) || !json_is_integer(total) ||
	    (n == 0 && json_integer_value(total) != 0))
		return err_set(err, ERR_PROTOCOL,
			       "the provisioning directory was asked for %s by %s, and its "
			       "answer is no whole SCIM list",
			       what, attribute);
	json_array_foreach ((json_t *)(uintptr_t)rows, i, row)
		if (!was_asked_for(row, attribute, value))
			return err_set(err, ERR_PROTOCOL,
				       "the provisioning directory was asked for %s by %s, and "
				       "answered another one",
				       what, attribute);
	return 0;
}

/* The one resource that a filter finds: *ret is new; ATL_GONE for none. */
static int find_one(struct atl_client *c, struct str directory, const char *what,
		    const char *attribute, struct str value, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *list = NULL;
	CLEANUP(buf_done) struct buf query;
	const json_t *rows;
	int r;

	buf_init(&query, 8192);
	r = filter_query(attribute, value, &query, err);
	if (r == 0)
		r = call(c, "GET", directory, what, STR(""), query.p, NULL, false, &list, NULL,
			 err);
	if (r == 0)
		r = find_check(list, what, attribute, value, err);
	if (r < 0)
		return r;
	rows = json_object_get(list, "Resources");
	if (json_array_size(rows) > 1)
		return err_set(err, ERR_CONFLICT,
			       "%zu %s of the provisioning directory have "
			       "the same %s: which is meant cannot be told",
			       json_array_size(rows), what, attribute);
	if (!json_array_size(rows))
		return ATL_GONE;
	*ret = json_incref(json_array_get(rows, 0));
	return 0;
}

/* The record of a deed: by id, else by externalId, else by userName. ATL_GONE: none. */
static int record_find(struct atl_client *c, const struct atl_deed *deed, bool urgent,
		       json_t **ret, struct err *err)
{
	int r = ATL_GONE;

	if (deed->record.len) {
		r = call(c, "GET", deed->directory, "Users", deed->record, NULL, NULL, urgent,
			 ret, NULL, err);
		return r == -ERR_NOT_FOUND ? ATL_GONE : r;
	}
	if (deed->external_id.len)
		r = find_one(c, deed->directory, "Users", "externalId", deed->external_id, ret,
			     err);
	if (r == ATL_GONE && deed->wanted[PROVISION_USER_NAME].len)
		r = find_one(c, deed->directory, "Users", "userName",
			     deed->wanted[PROVISION_USER_NAME], ret, err);
	return r;
}

static int group_find(struct atl_client *c, const struct atl_deed *deed, struct str name,
		      json_t **ret, struct err *err)
{
	return find_one(c, deed->directory, "Groups", "displayName", name, ret, err);
}

/* Whether the record is a member; a group that is not there has none. */
static int member_told(struct atl_client *c, const struct atl_deed *deed, struct str group,
		       struct str record, const struct atl_provision_seen *seen, bool *ret,
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(vec_str_done) struct vec_str members = { 0 };
	struct atl_scim_group row;
	bool whole = false;
	int r = group_find(c, deed, group, &doc, err);

	*ret = false;
	if (r != 0)
		return r == ATL_GONE ? 0 : r;
	r = provision_group_read(doc, &members, &row, &whole, err);
	if (r == 0 && !whole)
		r = err_set(err, ERR_PROTOCOL,
			    "the provisioning directory sent a group without id, name or "
			    "readable members");
	if (r < 0)
		return r;
	for (size_t i = 0; i < row.member_count; i++)
		*ret = *ret || str_eq(row.members[i], record);
	row = (struct atl_scim_group){ .id = row.id, .name = group };
	return seen && seen->member && row.id.len
		       ? seen->member(seen->ctx, record, &row, *ret, err)
		       : 0;
}

/* --- held against a deed --------------------------------------------------------------------
 */

static bool alike(enum provision_attr attr, struct str a, struct str b)
{
	return provision_attrs[attr].fold ? str_ieq(a, b) : str_eq(a, b);
}

/* Whether the attributes that are touched are these. */
static bool attrs_are(const struct atl_deed *deed, const struct atl_scim_user *now,
		      const struct str *these)
{
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		if (deed->wanted[i].len &&
		    !alike((enum provision_attr)i, now->attrs[i], these[i]))
			return false;
	return true;
}

/* How many of the deed's groups the record is in. */
static int groups_in(struct atl_client *c, const struct atl_deed *deed, struct str record,
		     const struct atl_provision_seen *seen, size_t *ret, struct err *err)
{
	int r = 0;

	*ret = 0;
	for (size_t i = 0; i < deed->group_count && r == 0; i++) {
		bool in = false;

		r = member_told(c, deed, deed->groups[i], record, seen, &in, err);
		*ret += in;
	}
	return r;
}

static enum provision_state state_by(bool wanted, bool planned)
{
	return wanted ? PROVISION_WANTED : planned ? PROVISION_PLANNED : PROVISION_OTHER;
}

static bool id_is(const struct atl_deed *deed, const struct atl_scim_user *now)
{
	return !deed->external_id.len || str_eq(deed->external_id, now->external_id);
}

/* An id may be given where none is, never over one that somebody else gave meanwhile. */
static bool id_is_free(const struct atl_deed *deed, const struct atl_scim_user *now)
{
	return !now->external_id.len || id_is(deed, now);
}

static enum provision_state judge(const struct atl_deed *deed, enum action_kind kind,
				  const struct atl_scim_user *now, size_t in)
{
	bool all = in == deed->group_count;

	switch (kind) {
	case ACTION_PROVISION:
		return state_by(id_is(deed, now) && now->active == TRI_YES && all &&
					attrs_are(deed, now, deed->wanted),
				false);
	case ACTION_REPROVISION:
		return now->active == TRI_UNKNOWN ? PROVISION_UNKNOWN
						  : state_by(now->active == TRI_YES, true);
	case ACTION_UPDATE_PROFILE:
		return state_by(id_is(deed, now) && attrs_are(deed, now, deed->wanted),
				id_is_free(deed, now) && attrs_are(deed, now, deed->held));
	case ACTION_JOIN_GROUPS:
		return state_by(all, in == 0);
	case ACTION_LEAVE_GROUPS:
		return state_by(in == 0, all);
	default:
		return PROVISION_UNKNOWN;
	}
}

int atl_provision_state(struct atl_client *c, const struct atl_deed *deed,
			enum action_kind kind, const struct atl_provision_seen *seen,
			enum provision_state *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct atl_scim_user now;
	char why[128];
	size_t in = 0;
	int r = record_find(c, deed, false, &doc, err);

	if (r == ATL_GONE) {
		*ret = PROVISION_NONE;
		return 0;
	}
	if (r < 0)
		return r;
	*ret = PROVISION_UNKNOWN;
	if (!provision_user_read(doc, &now, why, sizeof(why)))
		return 0;
	r = groups_in(c, deed, now.id, seen, &in, err);
	if (r == 0 && seen && seen->user)
		r = seen->user(seen->ctx, &now, err);
	if (r == 0)
		*ret = judge(deed, kind, &now, in);
	return r;
}

/* --- doing ----------------------------------------------------------------------------------
 */

/* 400, 409 and a record that is not there are refusals for good: nothing was changed. */
static int refusal(int r, const struct atl_problem *problem, const char *what, struct err *err)
{
	struct err said = *err;

	if (r == -ERR_CONFLICT || problem->status == 400 || r == -ERR_NOT_FOUND) {
		(void)err_set(err, r == -ERR_CONFLICT ? ERR_CONFLICT : ERR_REFUSED,
			      "%s: %.400s", what, said.text);
		return ATL_IMPOSSIBLE;
	}
	return r;
}

static int send(struct atl_client *c, const struct atl_deed *deed, const char *method,
		const char *things, struct str id, json_t *body, bool urgent, const char *what,
		struct err *err)
{
	struct atl_problem problem = { 0 };
	int r = call(c, method, deed->directory, things, id, NULL, body, urgent, NULL, &problem,
		     err);

	return r < 0 ? refusal(r, &problem, what, err) : r;
}

static int do_create(struct atl_client *c, const struct atl_deed *deed, struct err *err)
{
	CLEANUP(json_decref_at) json_t *there = NULL;
	struct atl_scim_user now;
	char why[128];
	json_t *doc = NULL;
	int r = record_find(c, deed, false, &there, err);

	if (r == 0 && provision_user_read(there, &now, why, sizeof(why)) && id_is(deed, &now) &&
	    attrs_are(deed, &now, deed->wanted))
		return 0;
	if (r == 0) {
		(void)err_set(err, ERR_CONFLICT,
			      "the provisioning directory has a record of that id or address "
			      "already, and it is another one: nothing was changed");
		return ATL_IMPOSSIBLE;
	}
	if (r < 0)
		return r;
	r = provision_user_doc(deed, &doc, err);
	return r < 0 ? r
		     : send(c, deed, "POST", "Users", STR(""), doc, false,
			    "the record cannot be made (an address has one account, and its "
			    "domain must be a verified one)",
			    err);
}

static int do_update(struct atl_client *c, const struct atl_deed *deed, struct err *err)
{
	json_t *doc = NULL;
	int r = provision_update_doc(deed, &doc, err);

	return r < 0 ? r
		     : send(c, deed, "PATCH", "Users", deed->record, doc, false,
			    "the record cannot be changed", err);
}

static int do_active(struct atl_client *c, const struct atl_deed *deed, bool active,
		     bool urgent, struct err *err)
{
	json_t *doc = NULL;
	int r = provision_active_doc(active, &doc, err);

	return r < 0 ? r
		     : send(c, deed, "PATCH", "Users", deed->record, doc, urgent,
			    active ? "the record cannot be switched on"
				   : "the record cannot be switched off",
			    err);
}

static int do_make_group(struct atl_client *c, const struct atl_deed *deed, struct str name,
			 struct err *err)
{
	CLEANUP(json_decref_at) json_t *there = NULL;
	json_t *doc = NULL;
	int r = group_find(c, deed, name, &there, err);

	if (r != ATL_GONE)
		return r;
	r = provision_group_doc(name, &doc, err);
	return r < 0 ? r
		     : send(c, deed, "POST", "Groups", STR(""), doc, false,
			    "the group cannot be made", err);
}

/* The id of the deed's record, also where it was made a moment ago. */
static int record_id(struct atl_client *c, const struct atl_deed *deed, json_t **doc,
		     struct str *ret, struct err *err)
{
	int r = 0;

	*ret = deed->record;
	if (ret->len)
		return 0;
	r = record_find(c, deed, false, doc, err);
	if (r == 0)
		*ret = str_of(jx_get_text(*doc, "id"));
	if (r == ATL_GONE || (r == 0 && !ret->len))
		return err_set(err, ERR_UNAVAILABLE,
			       "the record is not seen yet in the provisioning directory");
	return r;
}

static int do_member(struct atl_client *c, const struct atl_deed *deed,
		     const struct action_step *step, bool add, struct err *err)
{
	CLEANUP(json_decref_at) json_t *group = NULL;
	CLEANUP(json_decref_at) json_t *record = NULL;
	struct str id = str_of(step->group), who;
	json_t *doc = NULL;
	int r = record_id(c, deed, &record, &who, err);

	if (r == 0 && !id.len) {
		r = group_find(c, deed, str_of(step->name), &group, err);
		if (r == ATL_GONE)
			return err_set(err, ERR_UNAVAILABLE,
				       "group %.200s is not seen yet in the provisioning "
				       "directory",
				       step->name);
		id = str_of(jx_get_text(group, "id"));
	}
	if (r == 0)
		r = provision_member_doc(add, who, &doc, err);
	return r < 0 ? r
		     : send(c, deed, "PATCH", "Groups", id, doc, false,
			    "the members of the group cannot be changed", err);
}

int atl_provision_act(struct atl_client *c, const struct atl_deed *deed,
		      const struct action_step *step, bool urgent, struct err *err)
{
	if (step->op != STEP_SCIM_CREATE && step->op != STEP_SCIM_MAKE_GROUP &&
	    step->op != STEP_SCIM_JOIN && !deed->record.len)
		return err_set(err, ERR_INTERNAL, "%s without a record",
			       step_ops[step->op].word);
	switch (step->op) {
	case STEP_SCIM_CREATE:
		return do_create(c, deed, err);
	case STEP_SCIM_UPDATE:
		return do_update(c, deed, err);
	case STEP_SCIM_ACTIVATE:
		return do_active(c, deed, true, urgent, err);
	case STEP_SCIM_DEACTIVATE:
		return do_active(c, deed, false, urgent, err);
	case STEP_SCIM_MAKE_GROUP:
		return do_make_group(c, deed, str_of(step->name), err);
	case STEP_SCIM_JOIN:
		return do_member(c, deed, step, true, err);
	case STEP_SCIM_LEAVE:
		return do_member(c, deed, step, false, err);
	default:
		return err_set(err, ERR_INTERNAL, "%s is no step of provisioning",
			       step_ops[step->op].word);
	}
}

/* --- verifying ------------------------------------------------------------------------------
 */

/* Of the record itself. */
static bool effect_is(const struct atl_deed *deed, enum step_op op,
		      const struct atl_scim_user *now)
{
	switch (op) {
	case STEP_SCIM_ACTIVATE:
		return now->active == TRI_YES;
	case STEP_SCIM_DEACTIVATE:
		return now->active == TRI_NO;
	default:
		return id_is(deed, now) && attrs_are(deed, now, deed->wanted);
	}
}

int atl_provision_verify(struct atl_client *c, const struct atl_deed *deed,
			 const struct action_step *step, bool *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	bool member = step->op == STEP_SCIM_JOIN || step->op == STEP_SCIM_LEAVE;
	struct atl_scim_user now;
	char why[128];
	int r;

	if (step->op == STEP_SCIM_MAKE_GROUP) {
		r = group_find(c, deed, str_of(step->name), &doc, err);
		*ret = r == 0;
		return r == ATL_GONE ? 0 : r;
	}
	r = record_find(c, deed, false, &doc, err);
	/* what is made in the same action may not be seen yet: then nothing came after it */
	if (r == ATL_GONE && (step->op == STEP_SCIM_CREATE || !deed->record.len)) {
		*ret = false;
		return 0;
	}
	if (r != 0)
		return r;
	if (!provision_user_read(doc, &now, why, sizeof(why)))
		return err_set(err, ERR_PROTOCOL, "the provisioning directory sent %s", why);
	if (!member) {
		*ret = effect_is(deed, step->op, &now);
		return 0;
	}
	r = member_told(c, deed, str_of(step->name), now.id, NULL, ret, err);
	*ret = step->op == STEP_SCIM_JOIN ? *ret : !*ret;
	return r;
}
