#include "atlassian/org.h"

#include <stdio.h>

#include "base/enc.h"

#define ORG_V1 "/admin/v1/orgs/{}"
#define ORG_V2 "/admin/v2/orgs/{}"
#define DIRECTORY ORG_V2 "/directories/{}"

static struct str org_id(const struct atl_client *c)
{
	return str_of(atl_client_options(c)->org_id);
}

/* --- the organisation --------------------------------------------------------------------- */

static int get(struct atl_client *c, enum atl_family family, const char *template,
	       const struct str *args, size_t count, json_t **ret, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	struct atl_request q = { .method = "GET", .family = family };
	int r;

	buf_init(&path, 65536);
	r = atl_path(&path, template, args, count, err);
	if (r < 0)
		return r;
	q.path = path.p;
	return atl_call(c, &q, ret, NULL, err);
}

int atl_org_get(struct atl_client *c, char ret_id[80], char ret_name[128], struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	const struct atl_options *o = atl_client_options(c);
	const struct str args[] = { org_id(c) };
	const char *id, *name;
	const json_t *data;
	int r = get(c, ATL_ORG_READ, ORG_V1, args, 1, &j, err);

	if (r < 0)
		return r;
	data = json_object_get(j, "data");
	id = json_string_value(json_object_get(data, "id"));
	name = json_string_value(json_object_get(json_object_get(data, "attributes"), "name"));
	if (!id)
		return err_set(err, ERR_PROTOCOL,
			       "the answer about organisation %s has no \"data.id\"",
			       o->org_id);
	if (strcmp(id, o->org_id) != 0)
		return err_set(
			err, ERR_FOREIGN,
			"organisation %.64s answers where %s is configured: check org_id "
			"and base_url",
			id, o->org_id);
	if (ret_id)
		snprintf(ret_id, 80, "%s", id);
	if (ret_name)
		snprintf(ret_name, 128, "%.120s", name ? name : "");
	return 0;
}

/* --- lists -------------------------------------------------------------------------------- */

static int list(struct atl_pages *p, struct atl_client *c, enum atl_dialect dialect,
		const char *template, const struct str *args, size_t count, const char *query,
		json_t *body, const char *what, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, 65536);
	r = atl_path(&path, template, args, count, err);
	if (r < 0) {
		*p = (struct atl_pages){ 0 };
		json_decref(body);
		return r;
	}
	return atl_pages_init(p, c, dialect, ATL_ORG_READ, buf_str(&path), query, body, what,
			      err);
}

int atl_org_domains(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	const struct str args[] = { org_id(c) };

	return list(p, c, ATL_PAGES_QUERY, ORG_V1 "/domains", args, 1, NULL, NULL, "domains",
		    err);
}

int atl_org_directories(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	const struct str args[] = { org_id(c) };

	return list(p, c, ATL_PAGES_QUERY, ORG_V2 "/directories", args, 1, "limit=100", NULL,
		    "directories", err);
}

int atl_org_directories_of(struct atl_pages *p, struct atl_client *c, struct str account,
			   struct err *err)
{
	const struct str args[] = { org_id(c) };
	CLEANUP(buf_done) struct buf query;
	int r;

	*p = (struct atl_pages){ 0 };
	buf_init(&query, 4096);
	buf_add_text(&query, "limit=100&accountId=");
	enc_percent(&query, account);
	r = buf_fault(&query, err, "a query");
	if (r < 0)
		return r;
	return list(p, c, ATL_PAGES_QUERY, ORG_V2 "/directories", args, 1, query.p, NULL,
		    "the directories of an account", err);
}

int atl_org_workspaces(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	const struct str args[] = { org_id(c) };
	json_t *body = json_pack("{s:i}", "limit", 100);

	*p = (struct atl_pages){ 0 };
	if (!body)
		return err_nomem(err);
	return list(p, c, ATL_PAGES_BODY_ALONE, ORG_V2 "/workspaces", args, 1, NULL, body,
		    "products", err);
}

/* Adds limit and expand to a search; steals body, gives it back in *ret. */
static int search_body(struct atl_client *c, json_t *body, const char *const *expand,
		       json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = body ? body : json_object();
	CLEANUP(json_decref_at) json_t *names = json_array();
	int64_t limit = atl_client_options(c)->page_size;
	int r = 0;

	if (!j || !names)
		return err_nomem(err);
	for (; *expand && r == 0; expand++)
		r = jx_add(names, json_string(*expand), err);
	if (r == 0)
		r = jx_set(j, "expand", json_incref(names), err);
	if (r == 0)
		r = jx_set(j, "limit", json_integer(limit ? limit : 100), err);
	if (r < 0)
		return r;
	*ret = TAKE(j);
	return 0;
}

static int search(struct atl_pages *p, struct atl_client *c, const char *template,
		  struct str directory, json_t *body, const char *const *expand,
		  const char *what, struct err *err)
{
	const struct str args[] = { org_id(c), directory };
	json_t *whole = NULL;
	int r;

	*p = (struct atl_pages){ 0 };
	r = search_body(c, body, expand, &whole, err);
	if (r < 0)
		return r;
	return list(p, c, ATL_PAGES_BODY, template, args, 2, NULL, whole, what, err);
}

int atl_org_users(struct atl_pages *p, struct atl_client *c, struct str directory, json_t *body,
		  const char *what, struct err *err)
{
	static const char *const expand[] = { "productAccess", "groups", "platformRoles",
					      "counts.resources", NULL };

	return search(p, c, DIRECTORY "/users/search", directory, body, expand, what, err);
}

int atl_org_groups(struct atl_pages *p, struct atl_client *c, struct str directory,
		   json_t *body, const char *what, struct err *err)
{
	static const char *const expand[] = { "counts.resources", NULL };

	return search(p, c, DIRECTORY "/groups/search", directory, body, expand, what, err);
}

int atl_org_group_roles(struct atl_pages *p, struct atl_client *c, struct str directory,
			struct str group, const char *what, struct err *err)
{
	const struct str args[] = { org_id(c), directory, group };

	return list(p, c, ATL_PAGES_QUERY, DIRECTORY "/groups/{}/role-assignments", args, 3,
		    "limit=100", NULL, what, err);
}

int atl_org_user_roles(struct atl_pages *p, struct atl_client *c, struct str directory,
		       struct str account, struct str resource, const char *what,
		       struct err *err)
{
	const struct str args[] = { org_id(c), directory, account };
	CLEANUP(buf_done) struct buf query;
	int r;

	*p = (struct atl_pages){ 0 };
	buf_init(&query, 8192);
	buf_add_text(&query, "limit=100");
	if (resource.len) {
		buf_add_text(&query, "&resourceIds=");
		enc_percent(&query, resource);
	}
	r = buf_fault(&query, err, "a query");
	if (r < 0)
		return r;
	return list(p, c, ATL_PAGES_QUERY, DIRECTORY "/users/{}/role-assignments", args, 3,
		    query.p, NULL, what, err);
}

int atl_org_count(struct atl_client *c, struct str directory, const char *things,
		  const char *query, int64_t *ret, struct err *err)
{
	const struct str args[] = { org_id(c), directory, str_of(things) };
	CLEANUP(json_decref_at) json_t *j = NULL;
	CLEANUP(buf_done) struct buf template;
	const json_t *count;
	int r;

	buf_init(&template, 4096);
	buf_addf(&template, DIRECTORY "/{}/count%s%s", query ? "?" : "", query ? query : "");
	r = buf_fault(&template, err, "a query");
	if (r == 0)
		r = get(c, ATL_ORG_READ, template.p, args, 3, &j, err);
	if (r < 0)
		return r;
	count = json_object_get(j, "count");
	if (!json_is_integer(count) || json_integer_value(count) < 0)
		return err_set(err, ERR_PROTOCOL, "the count of %s is no number", things);
	*ret = json_integer_value(count);
	return 0;
}

/* --- last activity of one account --------------------------------------------------------- */

#define LAST_ACTIVE_PAGES 100

static int last_active_page(struct atl_client *c, struct str account, const char *cursor,
			    json_t **ret, struct err *err)
{
	const struct str args[] = { org_id(c), account, str_of(cursor) };

	return get(c, ATL_LAST_ACTIVE,
		   cursor ? ORG_V1 "/directory/users/{}/last-active-dates?cursor={}"
			  : ORG_V1 "/directory/users/{}/last-active-dates",
		   args, cursor ? 3 : 2, ret, err);
}

int atl_org_last_active(struct atl_client *c, struct str account, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *all = NULL;
	CLEANUP(free_at) char *cursor = NULL;

	for (int page = 1;; page++) {
		CLEANUP(json_decref_at) json_t *j = NULL;
		json_t *data, *rows;
		const char *next;
		int r = last_active_page(c, account, cursor, &j, err);

		if (r < 0)
			return r;
		data = json_object_get(j, "data");
		rows = json_object_get(data, "product_access");
		if (!json_is_array(rows))
			return err_set(err, ERR_PROTOCOL,
				       "last active dates: no list \"product_access\"");
		if (!all)
			all = json_incref(data);
		else if (json_array_extend(json_object_get(all, "product_access"), rows) < 0)
			return err_nomem(err);
		next = json_string_value(json_object_get(json_object_get(j, "links"), "next"));
		if (!next || !*next)
			break;
		if ((cursor && !strcmp(cursor, next)) || page == LAST_ACTIVE_PAGES)
			return err_set(err, ERR_INCOMPLETE,
				       "last active dates: the list does not end");
		free(cursor);
		cursor = str_dup(str_of(next));
		if (!cursor)
			return err_nomem(err);
	}
	*ret = TAKE(all);
	return 0;
}

/* --- writes ------------------------------------------------------------------------------- */

static int write_call(struct atl_client *c, const char *method, const char *template,
		      const struct str *args, size_t count, json_t *body, bool urgent,
		      struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *owned = body;
	CLEANUP(buf_done) struct buf path, text;
	struct atl_request q = {
		.method = method, .family = ATL_ORG_WRITE, .write = true, .urgent = urgent
	};
	int r;

	buf_init(&path, 65536);
	buf_init(&text, 65536);
	r = atl_path(&path, template, args, count, err);
	if (r == 0 && owned)
		r = jx_text(owned, &text, err);
	if (r < 0)
		return r;
	q.path = path.p;
	q.body = buf_str(&text);
	return atl_call(c, &q, NULL, problem, err);
}

int atl_org_suspend(struct atl_client *c, struct str directory, struct str account,
		    struct err *err)
{
	const struct str args[] = { org_id(c), directory, account };

	return write_call(c, "POST", DIRECTORY "/users/{}/suspend", args, 3, NULL, true, NULL,
			  err);
}

int atl_org_restore(struct atl_client *c, struct str directory, struct str account,
		    struct err *err)
{
	const struct str args[] = { org_id(c), directory, account };
	struct atl_problem p;
	int r = write_call(c, "POST", DIRECTORY "/users/{}/restore", args, 3, NULL, false, &p,
			   err);

	return r < 0 && !strcmp(p.code, "ADMIN-400-32") ? ATL_LIMIT_REACHED : r;
}

static bool says_already(const char *text)
{
	for (; *text; text++)
		if (str_istarts(str_of(text), STR("already")))
			return true;
	return false;
}

int atl_org_join(struct atl_client *c, struct str directory, struct str group,
		 struct str account, struct err *err)
{
	const struct str args[] = { org_id(c), directory, group };
	json_t *body = json_pack("{s:s%}", "accountId", account.p, account.len);
	struct atl_problem p;
	int r;

	if (!body)
		return err_nomem(err);
	r = write_call(c, "POST", DIRECTORY "/groups/{}/memberships", args, 3, body, false, &p,
		       err);
	if (r != -ERR_CONFLICT)
		return r;
	/* One status, two meanings: only the words tell them apart. */
	return says_already(p.text) ? 0 : ATL_LIMIT_REACHED;
}

int atl_org_is_member(struct atl_client *c, struct str group, struct str account, bool *ret,
		      struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	CLEANUP(json_decref_at) json_t *page = NULL;
	json_t *rows, *body, *row;
	size_t i;
	int r;

	body = json_pack("{s:[s%], s:[s%]}", "accountIds", account.p, account.len, "groupIds",
			 group.p, group.len);
	if (!body)
		return err_nomem(err);
	r = atl_org_users(&p, c, STR("-"), body, "members of a group", err);
	if (r == 0)
		r = atl_pages_next(&p, &page, &rows, err);
	if (r < 0)
		return r;
	*ret = false;
	json_array_foreach (rows, i, row) {
		const char *id = json_string_value(json_object_get(row, "accountId"));

		if (id && str_eq(str_of(id), account))
			*ret = true;
	}
	return 0;
}

int atl_org_leave(struct atl_client *c, struct str directory, struct str group,
		  struct str account, struct err *err)
{
	const struct str args[] = { org_id(c), directory, group, account };
	struct err why;
	bool member;
	int r = write_call(c, "DELETE", DIRECTORY "/groups/{}/memberships/{}", args, 4, NULL,
			   false, NULL, err);

	if (r != -ERR_NOT_FOUND)
		return r;
	/* No such member, or no such account or group: reading tells. */
	if (atl_org_is_member(c, group, account, &member, &why) < 0)
		return r;
	return member ? r : 0;
}

static int role_call(struct atl_client *c, const char *verb, struct str account,
		     struct str role, struct str resource, struct atl_problem *p,
		     struct err *err)
{
	bool level = str_eq(role, STR("atlassian/org-admin"));
	const struct str args[] = { org_id(c), account, str_of(verb) };
	json_t *body = json_pack("{s:s%}", "role", role.p, role.len);

	if (body && !level && resource.len &&
	    jx_set(body, "resource", json_stringn(resource.p, resource.len), err) < 0) {
		json_decref(body);
		body = NULL;
	}
	if (!body)
		return err_nomem(err);
	return write_call(c, "POST",
			  level ? ORG_V1 "/users/{}/role-assignments/{}"
				: ORG_V1 "/users/{}/roles/{}",
			  args, 3, body, false, p, err);
}

struct str atl_bare_resource(struct str ari)
{
	size_t at = ari.len;

	while (at && ari.p[at - 1] != '/')
		at--;
	return str_n(ari.p + at, at ? ari.len - at : 0);
}

/* Which form of the resource is wanted differs: the ARI first, else its bare id. */
static int role_change(struct atl_client *c, const char *verb, struct str account,
		       struct str role, struct str resource, struct err *err)
{
	struct str bare = atl_bare_resource(resource);
	struct atl_problem p = { 0 };
	struct err again;
	int r = role_call(c, verb, account, role, resource, &p, err), r2;

	if ((p.status == 400 || p.status == 404) && r < 0 && bare.len) {
		r2 = role_call(c, verb, account, role, bare, &p, &again);
		if (r2 >= 0 || (p.status != 400 && p.status != 404)) {
			r = r2;
			if (r2 < 0 && err)
				*err = again;
		}
	}
	return r == -ERR_CONFLICT ? ATL_LIMIT_REACHED : r;
}

int atl_org_assign(struct atl_client *c, struct str account, struct str role,
		   struct str resource, struct err *err)
{
	return role_change(c, "assign", account, role, resource, err);
}

int atl_org_revoke(struct atl_client *c, struct str account, struct str role,
		   struct str resource, struct err *err)
{
	return role_change(c, "revoke", account, role, resource, err);
}
