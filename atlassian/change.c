#include "atlassian/change.h"

#include <stdio.h>

#include "atlassian/users.h"

#define DIRECTORY "/admin/v2/orgs/{}/directories/{}"

static struct str org_id(const struct atl_client *c)
{
	return str_of(atl_client_options(c)->org_id);
}

/* What one request wants. */
struct order {
	const char *method, *template;
	json_t *body; /* stolen; NULL: none */
	enum atl_family family;
	bool once; /* must not be made twice */
};

/* args: those of the template. ret may be NULL. */
static int order_send(struct atl_client *c, const struct order *o, const struct str *args,
		      size_t count, json_t **ret, struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = o->body;
	CLEANUP(buf_done) struct buf path, text;
	struct atl_request q = {
		.method = o->method, .family = o->family, .write = true, .once = o->once
	};
	int r;

	*problem = (struct atl_problem){ 0 };
	buf_init(&path, 65536);
	buf_init(&text, 1 << 20);
	r = atl_path(&path, o->template, args, count, err);
	if (r == 0 && body)
		r = jx_text(body, &text, err);
	if (r < 0)
		return r;
	q.path = path.p;
	q.body = buf_str(&text);
	return atl_call(c, &q, ret, problem, err);
}

static json_t *text_new(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.len);
}

/* --- people ------------------------------------------------------------------------------- */

int atl_change_remove(struct atl_client *c, struct str directory, struct str account,
		      struct err *err)
{
	static const struct order o = { .method = "DELETE",
					.template = DIRECTORY "/users/{}",
					.family = ATL_ORG_WRITE };
	const struct str args[] = { org_id(c), directory, account };
	struct atl_problem p;
	int r = order_send(c, &o, args, 3, NULL, &p, err);

	return r == -ERR_NOT_FOUND ? 0 : r;
}

void atl_invited_done(struct vec_atl_invited *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->v[i].email);
		free(v->v[i].account);
		free(v->v[i].why);
	}
	vec_atl_invited_done(v);
}

static int texts_into(json_t *body, const char *key, const struct str *texts, size_t count,
		      struct err *err)
{
	json_t *list = json_array();
	int r = jx_set(body, key, list, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = jx_add(list, text_new(texts[i]), err);
	return r;
}

static int invite_body(const struct atl_invite *in, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = json_object();
	json_t *rules = json_array();
	int r = body ? jx_set(body, "permissionRules", rules, err) : err_nomem(err);

	if (!body)
		json_decref(rules);
	for (size_t i = 0; r == 0 && i < in->role_count; i++)
		r = jx_add(rules,
			   json_pack("{s:o, s:o}", "role", text_new(in->roles[i].role),
				     "resource", text_new(in->roles[i].resource)),
			   err);
	if (r == 0)
		r = texts_into(body, "emails", in->emails, in->email_count, err);
	if (r == 0)
		r = texts_into(body, "additionalGroups", in->groups, in->group_count, err);
	if (r == 0)
		r = jx_set(body, "sendNotification", json_boolean(in->notify), err);
	if (r == 0 && in->text.len)
		r = jx_set(body, "notificationText", text_new(in->text), err);
	if (r == 0)
		*ret = TAKE(body);
	return r;
}

/* The first thing that was not given, out of one result's lists. */
static const char *refusal_of(const json_t *result)
{
	static const char *const lists[] = { "roleAssignmentResult", "groupAssignmentResult" };
	const json_t *one;
	size_t i;

	for (size_t k = 0; k < COUNT_OF(lists); k++) {
		json_array_foreach (json_object_get(result, lists[k]), i, one) {
			const char *status = json_string_value(json_object_get(one, "status"));
			const char *why =
				json_string_value(json_object_get(one, "statusReason"));

			if (!status || strcmp(status, "INVITED") != 0)
				return why && *why ? why : "Atlassian does not say why";
		}
	}
	return NULL;
}

static int invited_row(const json_t *row, struct vec_atl_invited *ret, struct err *err)
{
	struct atl_invited one = { 0 };
	struct str id = str_of(json_string_value(json_object_get(row, "id")));
	const json_t *result;
	const char *why = NULL;
	size_t i;

	json_array_foreach (json_object_get(row, "results"), i, result)
		if (!why)
			why = refusal_of(result);
	one.email = str_dup(str_of(json_string_value(json_object_get(row, "email"))));
	one.account = id.len ? str_dup(id) : NULL;
	one.why = why ? str_dup(str_of(why)) : NULL;
	if (one.email && (one.account || !id.len) && (one.why || !why) &&
	    vec_atl_invited_add(ret, one) == 0)
		return 0;
	free(one.email);
	free(one.account);
	free(one.why);
	return err_nomem(err);
}

int atl_change_invite(struct atl_client *c, const struct atl_invite *invite,
		      struct vec_atl_invited *ret, struct err *err)
{
	struct order o = { .method = "POST",
			   .template = "/admin/v2/orgs/{}/users/invite",
			   .family = ATL_ORG_WRITE,
			   .once = true };
	const struct str args[] = { org_id(c) };
	CLEANUP(json_decref_at) json_t *j = NULL;
	json_t *rows, *row;
	struct atl_problem p;
	size_t i;
	int r;

	if (!invite->email_count)
		return err_set(err, ERR_INTERNAL, "an invitation without an address");
	r = invite_body(invite, &o.body, err);
	if (r == 0)
		r = order_send(c, &o, args, 1, &j, &p, err);
	if (r == -ERR_CONFLICT)
		return ATL_LIMIT_REACHED;
	if (r < 0)
		return r;
	rows = json_object_get(j, "data");
	if (!json_is_array(rows))
		return err_set(err, ERR_PROTOCOL,
			       "the answer to an invitation has no list \"data\": whom it "
			       "reached is not known");
	json_array_foreach (rows, i, row)
		if (r == 0)
			r = invited_row(row, ret, err);
	return r;
}

/* --- groups ------------------------------------------------------------------------------- */

int atl_change_group_find(struct atl_client *c, struct str directory, struct str name,
			  char ret[80], struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	json_t *body = json_pack("{s:[s%]}", "groupNames", name.p, name.len);
	int r = body ? 0 : err_nomem(err);

	if (r == 0)
		r = atl_org_groups(&p, c, directory, body, "groups of a name", err);
	while (r == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;

		r = atl_pages_next(&p, &page, &rows, err);
		if (r != 0)
			break;
		json_array_foreach (rows, i, row) {
			struct str id = atl_group_id(
				str_of(json_string_value(json_object_get(row, "id"))));
			const char *called = json_string_value(json_object_get(row, "name"));

			if (!called || !str_ieq(str_of(called), name) || !id.len ||
			    id.len >= 80)
				continue;
			snprintf(ret, 80, STR_FMT, STR_ARG(id));
			return 0;
		}
	}
	return r < 0 ? r : ATL_GONE;
}

int atl_change_group_new(struct atl_client *c, struct str directory, struct str name,
			 struct str description, struct err *err)
{
	struct order o = { .method = "POST",
			   .template = DIRECTORY "/groups",
			   .family = ATL_ORG_WRITE };
	const struct str args[] = { org_id(c), directory };
	struct atl_problem p;
	int r = 0;

	o.body = json_pack("{s:o, s:o}", "name", text_new(name), "description",
			   text_new(description));
	if (!o.body)
		return err_nomem(err);
	r = order_send(c, &o, args, 2, NULL, &p, err);
	return r == -ERR_CONFLICT ? ATL_EXISTS : r;
}

int atl_change_group_drop(struct atl_client *c, struct str directory, struct str group,
			  struct err *err)
{
	static const struct order o = { .method = "DELETE",
					.template = DIRECTORY "/groups/{}",
					.family = ATL_ORG_WRITE };
	const struct str args[] = { org_id(c), directory, group };
	struct atl_problem p;
	int r = order_send(c, &o, args, 3, NULL, &p, err);

	return r == -ERR_NOT_FOUND ? 0 : r;
}

static int group_role(struct atl_client *c, const char *template, const struct str args[3],
		      struct str role, struct str resource, struct atl_problem *p,
		      struct err *err)
{
	const struct order o = { .method = "POST",
				 .template = template,
				 .body = json_pack("{s:o, s:o}", "resourceId",
						   text_new(resource), "roleId",
						   text_new(role)),
				 .family = ATL_ORG_WRITE };

	return o.body ? order_send(c, &o, args, 3, NULL, p, err) : err_nomem(err);
}

/* As with an account's roles: which form of the resource is wanted differs. */
static int group_role_change(struct atl_client *c, const char *template,
			     const struct str args[3], struct str role, struct str resource,
			     struct err *err)
{
	struct str bare = atl_bare_resource(resource);
	struct atl_problem p;
	struct err again;
	int r = group_role(c, template, args, role, resource, &p, err), second;

	if (r < 0 && (p.status == 400 || p.status == 404) && bare.len) {
		second = group_role(c, template, args, role, bare, &p, &again);
		if (second >= 0 || (p.status != 400 && p.status != 404)) {
			r = second;
			if (second < 0 && err)
				*err = again;
		}
	}
	return r == -ERR_CONFLICT ? ATL_LIMIT_REACHED : r;
}

int atl_change_group_assign(struct atl_client *c, struct str directory, struct str group,
			    struct str role, struct str resource, struct err *err)
{
	const struct str args[] = { org_id(c), directory, group };

	return group_role_change(c, DIRECTORY "/groups/{}/role-assignments/assign", args, role,
				 resource, err);
}

int atl_change_group_revoke(struct atl_client *c, struct str directory, struct str group,
			    struct str role, struct str resource, struct err *err)
{
	const struct str args[] = { org_id(c), directory, group };

	return group_role_change(c, DIRECTORY "/groups/{}/role-assignments/revoke", args, role,
				 resource, err);
}

/* --- managed accounts --------------------------------------------------------------------- */

/* 0: may be. ATL_IMPOSSIBLE: may not, or nobody says; err tells. */
static int may_be(const struct atl_privilege *p, const char *what, struct err *err)
{
	if (p->told && p->allowed)
		return 0;
	(void)err_set(err, ERR_REFUSED, "Atlassian does not let us %s: %s", what,
		      !p->told       ? "it does not say whether we may"
		      : p->reason[0] ? atl_reason_words(p->reason)
				     : "it does not say why");
	return ATL_IMPOSSIBLE;
}

/* One call of user management, after asking for its privilege. */
static int managed_change(struct atl_client *c, struct str account, struct order *o,
			  size_t privilege_at, const char *what, struct err *err)
{
	struct atl_privileges may = { 0 };
	struct atl_problem p;
	int r = atl_users_privileges(c, account, false, &may, err);

	if (r == 0)
		r = may_be((const struct atl_privilege *)((const char *)&may + privilege_at),
			   what, err);
	if (r != 0) {
		json_decref(TAKE(o->body));
		return r;
	}
	return order_send(c, o, &account, 1, NULL, &p, err);
}

int atl_change_delete(struct atl_client *c, struct str account, struct err *err)
{
	struct order o = { .method = "POST",
			   .template = "/users/{}/manage/lifecycle/delete",
			   .family = ATL_MANAGE };

	return managed_change(c, account, &o, offsetof(struct atl_privileges, deletion),
			      "delete the account", err);
}

int atl_change_delete_cancel(struct atl_client *c, struct str account, struct err *err)
{
	struct order o = { .method = "POST",
			   .template = "/users/{}/manage/lifecycle/cancel-delete",
			   .family = ATL_MANAGE };

	return managed_change(c, account, &o, offsetof(struct atl_privileges, deletion),
			      "keep the account that is to be deleted", err);
}

int atl_change_email(struct atl_client *c, struct str account, struct str email,
		     struct err *err)
{
	struct order o = { .method = "PUT",
			   .template = "/users/{}/manage/email",
			   .body = json_pack("{s:o}", "email", text_new(email)),
			   .family = ATL_MANAGE };

	if (!o.body)
		return err_nomem(err);
	return managed_change(c, account, &o, offsetof(struct atl_privileges, email_set),
			      "change the account's address", err);
}

static int field_into(json_t *body, const char *key, struct str text, struct err *err)
{
	return text.len ? jx_set(body, key, text_new(text), err) : 0;
}

static int profile_body(const struct atl_profile *in, json_t **ret, struct err *err)
{
	const struct {
		const char *key;
		struct str text;
		bool extended;
	} rows[] = {
		{ "name", in->name, false },
		{ "nickname", in->nickname, false },
		{ "zoneinfo", in->zoneinfo, false },
		{ "locale", in->locale, false },
		{ "job_title", in->job_title, true },
		{ "department", in->department, true },
		{ "organization", in->organization, true },
		{ "location", in->location, true },
	};
	CLEANUP(json_decref_at) json_t *body = json_object();
	CLEANUP(json_decref_at) json_t *extended = json_object();
	int r = body && extended ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(rows); i++)
		r = field_into(rows[i].extended ? extended : body, rows[i].key, rows[i].text,
			       err);
	if (r == 0 && json_object_size(extended))
		r = jx_set(body, "extended_profile", json_incref(extended), err);
	if (r == 0)
		*ret = TAKE(body);
	return r;
}

int atl_change_profile(struct atl_client *c, struct str account,
		       const struct atl_profile *profile, struct err *err)
{
	struct order o = { .method = "PATCH",
			   .template = "/users/{}/manage/profile",
			   .family = ATL_MANAGE };
	int r = profile_body(profile, &o.body, err);

	if (r < 0)
		return r;
	return managed_change(c, account, &o, offsetof(struct atl_privileges, profile_write),
			      "change the account's profile", err);
}
