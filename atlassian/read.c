/* One account, asked for now: before acting, and to see what came of it. */
#include "atlassian/collect.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/org.h"
#include "atlassian/row.h"
#include "atlassian/users.h"

struct reader {
	struct atl_client *client;
	struct str account;
	struct str resource; /* empty: every product */
	unsigned with;
	bool urgent;
	struct atl_reading *ret;
	json_t *page; /* keeps the row's texts alive */
	struct atl_user user;
};

static void reader_done(struct reader *r)
{
	json_decref(r->page);
}

static void path_done(struct atl_path_row *p)
{
	free(p->resource);
	free(p->role);
	free(p->group);
	free(p->group_name);
}

void atl_reading_done(struct atl_reading *r)
{
	free(r->id);
	free(r->email);
	free(r->name);
	free(r->directory);
	free(r->platform_roles);
	for (size_t i = 0; i < r->groups.n; i++)
		free(r->groups.v[i]);
	vec_atl_id_done(&r->groups);
	for (size_t i = 0; i < r->products.n; i++) {
		free(r->products.v[i].resource);
		free(r->products.v[i].key);
		free(r->products.v[i].site);
	}
	vec_atl_product_done(&r->products);
	for (size_t i = 0; i < r->paths.n; i++)
		path_done(&r->paths.v[i]);
	vec_atl_path_done(&r->paths);
	*r = (struct atl_reading){ 0 };
}

/* --- the account -------------------------------------------------------------------------- */

static const json_t *row_find(json_t *rows, struct str account)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (str_eq(atl_text(row, "accountId"), account))
			return row;
	return NULL;
}

static int account_find(struct reader *r, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	json_t *body, *rows;
	const json_t *row = NULL;
	char why[100];
	int rc;

	body = json_pack("{s:[s%]}", "accountIds", r->account.p, r->account.len);
	if (!body)
		return err_nomem(err);
	rc = atl_org_users(&p, r->client, STR("-"), body, "one account", err);
	if (rc == 0)
		p.urgent = r->urgent;
	/* a page without the row does not say that it is gone: only the end of the list does */
	while (rc == 0 && !row) {
		json_decref(TAKE(r->page));
		rc = atl_pages_next(&p, &r->page, &rows, err);
		row = rc == 0 ? row_find(rows, r->account) : NULL;
	}
	if (rc < 0)
		return rc;
	if (!row)
		return ATL_GONE;
	if (!atl_user_read(row, &r->user, why, sizeof(why)))
		return err_set(err, ERR_PROTOCOL, "one account: %s", why);
	if (r->user.row.status == ACCOUNT_UNKNOWN)
		return err_set(err, ERR_PROTOCOL,
			       "one account: its status was not told, or is a new one");
	return 0;
}

static int take(char **into, struct str s, struct err *err)
{
	*into = str_dup(s);
	return *into ? 0 : err_nomem(err);
}

static int row_take(struct reader *r, struct err *err)
{
	struct atl_reading *ret = r->ret;
	const struct atl_options *o = atl_client_options(r->client);
	CLEANUP(buf_done) struct buf platform;
	int rc;

	buf_init(&platform, 4096);
	rc = atl_platform_read(r->user.platform, &r->user.row, &platform, err);
	if (rc == 0)
		rc = take(&ret->id, r->user.row.id, err);
	if (rc == 0)
		rc = take(&ret->email, r->user.row.email, err);
	if (rc == 0)
		rc = take(&ret->name, r->user.row.name, err);
	if (rc == 0)
		rc = take(&ret->platform_roles, buf_str(&platform), err);
	if (rc < 0)
		return rc;
	ret->row = r->user.row;
	ret->row.id = str_of(ret->id);
	ret->row.email = str_of(ret->email);
	ret->row.name = str_of(ret->name);
	ret->row.roles = str_of(ret->platform_roles);
	ret->row.token_active_ms = o->tokens ? ATL_UNKNOWN_MS : ATL_ABSENT;
	ret->row.own = atl_client_is_own(r->client, ret->row.id, ret->row.email);
	ret->suspended = tri_of(r->user.suspended);
	ret->disabled = tri_of(r->user.disabled);
	return 0;
}

static int groups_take(struct reader *r, struct err *err)
{
	json_t *row;
	size_t i;

	if (!r->user.groups)
		return err_set(err, ERR_PROTOCOL, "one account: its groups were not told");
	json_array_foreach ((json_t *)(uintptr_t)r->user.groups, i, row) {
		char *id = str_dup(atl_group_id(atl_text(row, "id")));

		if (id && vec_atl_id_add(&r->ret->groups, id) == 0)
			continue;
		free(id);
		return err_nomem(err);
	}
	return 0;
}

/* The directory in which the account can be suspended: the only one there is, or the first that
 * holds it. */
static int directory_take(struct reader *r, struct err *err)
{
	const struct atl_options *o = atl_client_options(r->client);
	const char *only = atl_client_only_directory(r->client);
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	CLEANUP(json_decref_at) json_t *page = NULL;
	struct str found = str_of(only);
	json_t *rows = NULL, *row;
	size_t i;
	int rc = 0;

	if (o->directories.n == 1)
		found = str_of(o->directories.v[0]);
	if (!found.len) {
		rc = atl_org_directories_of(&p, r->client, r->account, err);
		if (rc == 0) {
			p.urgent = r->urgent;
			rc = atl_pages_next(&p, &page, &rows, err);
		}
	}
	if (rc < 0)
		return rc;
	json_array_foreach (rows, i, row) {
		struct str id = atl_text(row, "directoryId");
		bool wanted = o->directories.n == 0;

		for (size_t k = 0; k < o->directories.n; k++)
			wanted |= str_eq(str_of(o->directories.v[k]), id);
		if (!found.len && wanted)
			found = id;
	}
	rc = take(&r->ret->directory, found, err);
	r->ret->row.directory = str_of(r->ret->directory);
	return rc;
}

/* --- paths -------------------------------------------------------------------------------- */

struct path_made {
	enum atl_path_kind kind;
	struct str resource, role, group, group_name;
	enum tri modifiable;
};

static int path_add(struct reader *r, const struct path_made *m, struct err *err)
{
	struct atl_path_row row = {
		.kind = m->kind,
		.modifiable = m->modifiable,
		.billable = atl_role_billable(m->role),
	};
	int rc = take(&row.resource, m->resource, err);

	if (rc == 0)
		rc = take(&row.role, m->role, err);
	if (rc == 0 && m->group.len)
		rc = take(&row.group, m->group, err);
	if (rc == 0 && m->group_name.len)
		rc = take(&row.group_name, m->group_name, err);
	if (rc == 0 && vec_atl_path_add(&r->ret->paths, row) == 0)
		return 0;
	path_done(&row);
	return rc < 0 ? rc : err_nomem(err);
}

static int group_paths_row(struct reader *r, const json_t *row, struct str resource,
			   struct str role, struct err *err)
{
	const json_t *modifiable =
		json_object_get(json_object_get(row, "managementAccess"), "modifiable");
	struct path_made m = {
		.kind = ATL_PATH_GROUP,
		.resource = resource,
		.role = role,
		.group = atl_group_id(atl_text(row, "id")),
		.group_name = atl_text(row, "name"),
	};

	if (!m.group.len)
		return err_set(err, ERR_PROTOCOL, "a group of the account has no id");
	if (json_is_boolean(modifiable))
		m.modifiable = tri_of(json_is_true(modifiable));
	if (json_is_true(json_object_get(row, "externalSynced")))
		m.modifiable = TRI_NO;
	return path_add(r, &m, err);
}

/* Which of the account's groups give this role on this product. */
static int group_paths(struct reader *r, struct str resource, struct str role, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	json_t *body;
	size_t before = r->ret->paths.n;
	int rc;

	body = json_pack("{s:[s%], s:[s%], s:[s%]}", "accountIds", r->account.p, r->account.len,
			 "resourceIds", resource.p, resource.len, "roleIds", role.p, role.len);
	if (!body)
		return err_nomem(err);
	rc = atl_org_groups(&p, r->client, STR("-"), body, "the groups that give a product",
			    err);
	p.urgent = r->urgent;
	while (rc == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;

		rc = atl_pages_next(&p, &page, &rows, err);
		if (rc != 0)
			break;
		json_array_foreach (rows, i, row)
			if (rc == 0)
				rc = group_paths_row(r, row, resource, role, err);
	}
	if (rc < 0)
		return rc;
	/* Atlassian says that a group gives it and does not say which: nothing is sure. */
	if (r->ret->paths.n == before)
		r->ret->row.paths_known = TRI_NO;
	return 0;
}

static int assignment_row(struct reader *r, struct str resource, const json_t *assignment,
			  struct err *err)
{
	struct path_made m = { .resource = resource,
			       .role = atl_text(assignment, "role"),
			       .modifiable = TRI_YES };
	int rc = 0;

	if (!m.role.len)
		return err_set(err, ERR_PROTOCOL, "a role of the account has no name");
	if (atl_has_method(assignment, "direct")) {
		m.kind = ATL_PATH_DIRECT;
		rc = path_add(r, &m, err);
	}
	if (rc == 0 && atl_has_method(assignment, "inferred")) {
		m.kind = ATL_PATH_INFERRED;
		m.modifiable = TRI_NO;
		rc = path_add(r, &m, err);
	}
	if (rc == 0 && atl_has_method(assignment, "group_direct"))
		rc = group_paths(r, resource, m.role, err);
	return rc;
}

/* A licence that the account takes: some billable role, and it is active there. */
static int product_add(struct reader *r, struct str resource, struct err *err)
{
	struct atl_product p = { .last_active_ms = atl_user_last(&r->user, resource) };
	struct str key, id;
	int rc;

	atl_ari_cut(resource, &key, &id);
	rc = take(&p.resource, resource, err);
	if (rc == 0)
		rc = take(&p.key, atl_product_key(key), err);
	if (rc == 0)
		rc = take(&p.site, id, err);
	if (rc == 0 && vec_atl_product_add(&r->ret->products, p) == 0)
		return 0;
	free(p.resource);
	free(p.key);
	free(p.site);
	return rc < 0 ? rc : err_nomem(err);
}

static int assignments_row(struct reader *r, const json_t *row, struct err *err)
{
	struct str resource = atl_text(row, "resourceId"), key, id;
	const json_t *list = json_object_get(row, "roleAssignments");
	bool active = !str_eq(atl_text(row, "userDirectoryStatus"), STR("suspended")) &&
		      r->user.row.status == ACCOUNT_ACTIVE;
	bool billed = false;
	json_t *one;
	size_t i;
	int rc = 0;

	if (!resource.len || !json_is_array(list))
		return err_set(err, ERR_PROTOCOL,
			       "a role assignment of the account has no resource or roles");
	atl_ari_cut(resource, &key, &id);
	if (str_eq(key, STR("platform")) || str_eq(key, STR("identity")))
		return 0; /* a role on the organisation: no product */
	json_array_foreach ((json_t *)(uintptr_t)list, i, one) {
		if (rc < 0)
			break;
		billed |= atl_role_billable(atl_text(one, "role")) == TRI_YES;
		rc = assignment_row(r, resource, one, err);
	}
	if (rc == 0 && billed && active)
		rc = product_add(r, resource, err);
	return rc;
}

static int paths_take(struct reader *r, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	int rc = atl_org_user_roles(&p, r->client, STR("-"), r->account, r->resource,
				    "the roles of an account", err);

	r->ret->row.paths_known = r->resource.len ? TRI_UNKNOWN : TRI_YES;
	p.urgent = r->urgent;
	while (rc == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;

		rc = atl_pages_next(&p, &page, &rows, err);
		if (rc != 0)
			break;
		json_array_foreach (rows, i, row)
			if (rc == 0)
				rc = assignments_row(r, row, err);
	}
	if (rc < 0)
		return rc;
	r->ret->paths_told = r->ret->products_told = true;
	return 0;
}

/* --- the rest ----------------------------------------------------------------------------- */

static int manage_take(struct reader *r, struct err *err)
{
	struct atl_privileges may = { 0 };
	int rc = 0;

	if (r->user.row.managed == TRI_NO) {
		r->ret->row.can_disable = TRI_NO;
		snprintf(r->ret->manage_reason, sizeof(r->ret->manage_reason),
			 "managedAccount");
		return 0;
	}
	rc = atl_users_privileges(r->client, r->account, r->urgent, &may, err);
	if (rc < 0)
		return rc;
	if (!may.enablement.told)
		return 0;
	r->ret->row.can_disable = tri_of(may.enablement.allowed);
	snprintf(r->ret->manage_reason, sizeof(r->ret->manage_reason), "%s",
		 may.enablement.reason);
	return 0;
}

static int tokens_take(struct reader *r, struct err *err)
{
	CLEANUP(atl_tokens_done) struct vec_atl_token tokens = { 0 };
	int rc;

	if (r->user.row.managed == TRI_NO)
		return 0; /* nobody may list the tokens of a stranger */
	rc = atl_users_tokens(r->client, r->account, r->urgent, &tokens, err);
	if (rc < 0)
		return rc;
	r->ret->live_tokens = tokens.n;
	r->ret->row.tokens = tri_of(tokens.n > 0);
	r->ret->row.token_active_ms = ATL_ABSENT;
	for (size_t i = 0; i < tokens.n; i++)
		if (tokens.v[i].last_ms > r->ret->row.token_active_ms)
			r->ret->row.token_active_ms = tokens.v[i].last_ms;
	return 0;
}

int atl_read_account(struct atl_client *c, struct str account, unsigned with,
		     struct str resource, bool urgent, struct atl_reading *ret, struct err *err)
{
	CLEANUP(reader_done)
	struct reader r = { .client = c,
			    .account = account,
			    .resource = resource,
			    .with = with,
			    .urgent = urgent,
			    .ret = ret };
	int rc = account_find(&r, err);

	if (rc == 0)
		rc = row_take(&r, err);
	if (rc == 0)
		rc = groups_take(&r, err);
	if (rc == 0)
		rc = directory_take(&r, err);
	if (rc == 0 && (with & ATL_WITH_PATHS))
		rc = paths_take(&r, err);
	if (rc == 0 && (with & ATL_WITH_MANAGE))
		rc = manage_take(&r, err);
	if (rc == 0 && (with & ATL_WITH_TOKENS))
		rc = tokens_take(&r, err);
	return rc;
}
