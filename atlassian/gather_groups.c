#include "atlassian/gather.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/org.h"

/* --- groups ------------------------------------------------------------------------------- */

void gather_group_free(struct gather_group *g)
{
	for (size_t i = 0; i < g->grants.n; i++)
		free(g->grants.v[i].role);
	vec_gather_grant_done(&g->grants);
	free(g->id);
	free(g->name);
	free(g->directory);
	free(g);
}

static int grant_add(struct gather *c, struct gather_group *g, struct str role,
		     struct str resource, bool is_default, struct err *err)
{
	struct gather_grant one = { .is_default = is_default };
	int r;

	if (atl_role_admin(role))
		g->admin = TRI_YES;
	r = gather_product_of_grant(c, resource, &one.resource, err);
	if (r < 0 || !one.resource)
		return r;
	one.role = str_dup(role);
	if (one.role && vec_gather_grant_add(&g->grants, one) == 0)
		return 0;
	free(one.role);
	return err_nomem(err);
}

static int grant_row(struct gather *c, struct gather_group *g, const json_t *row,
		     struct err *err)
{
	const json_t *roles = json_object_get(row, "roles");
	struct str resource = atl_text(row, "resourceId"), given = atl_text(row, "defaultRole");
	json_t *role;
	size_t i;
	int r = 0;

	if (!resource.len || !json_is_array(roles)) {
		gather_lack(c, ATL_PART_GRANTS,
			    "a group's role assignment has no resource or roles");
		g->roles_read = false;
		return 0;
	}
	json_array_foreach ((json_t *)(uintptr_t)roles, i, role) {
		struct str name = str_n(json_string_value(role), json_string_length(role));

		if (r == 0 && name.len)
			r = grant_add(c, g, name, resource, str_eq(name, given), err);
	}
	return r;
}

/* Takes the oldest group's answer. */
static int group_answer(struct gather *c, struct err *err)
{
	struct gather_group_ask *ask = &c->group_asks[c->first];
	struct gather_group *g = ask->group;
	struct err why;
	int r = 0;

	g->roles_read = true;
	g->admin = TRI_NO;
	while (r == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;

		r = atl_pages_next(&ask->pages, &page, &rows, &why);
		if (r != 0)
			break;
		json_array_foreach (rows, i, row)
			if (r == 0)
				r = grant_row(c, g, row, &why);
	}
	atl_pages_done(&ask->pages);
	c->first = (c->first + 1) % GATHER_WINDOW_MOST;
	c->asked--;
	if (r == ATL_STALE)
		return gather_stale(c, &why, err);
	if (r >= 0) {
		c->group_failures = 0;
		return 0;
	}
	c->group_failures++;
	g->roles_read = false;
	if (g->admin != TRI_YES)
		g->admin = TRI_UNKNOWN;
	return gather_failed(c, ATL_PART_GRANTS, r, &why, err);
}

static int group_ask(struct gather *c, struct gather_group *g, struct err *err)
{
	struct gather_group_ask *ask;
	struct err why;
	int r = 0;

	while (r == 0 && c->asked >= c->window) {
		r = group_answer(c, err);
		if (r == 0)
			r = gather_beside(c, 1, err);
	}
	if (r < 0 || c->group_failures >= GATHER_FAILURES_MOST)
		return r; /* the grants are incomplete anyway */
	ask = &c->group_asks[(c->first + c->asked) % GATHER_WINDOW_MOST];
	ask->group = g;
	snprintf(ask->what, sizeof(ask->what), "the roles of group %.100s", g->id);
	r = atl_org_group_roles(&ask->pages, c->client, str_of(g->directory), str_of(g->id),
				ask->what, &why);
	ask->pages.kept = c->sink->kept;
	if (r == 0)
		r = atl_pages_start(&ask->pages, &why);
	if (r < 0) {
		atl_pages_done(&ask->pages);
		return gather_failed(c, ATL_PART_GRANTS, r, &why, err);
	}
	c->asked++;
	return 0;
}

static int group_add(struct gather *c, const json_t *row, struct str id, struct str directory,
		     struct gather_group **ret, struct err *err)
{
	CLEANUP(gather_group_free_at) struct gather_group *g = calloc(1, sizeof(*g));
	struct str managed = atl_text(row, "managedBy");

	if (!g)
		return err_nomem(err);
	g->id = str_dup(id);
	g->name = str_dup(atl_text(row, "name"));
	g->directory = str_dup(directory);
	if (!g->id || !g->name || !g->directory)
		return err_nomem(err);
	g->synced = gather_tri(row, "externalSynced");
	if (g->synced == TRI_UNKNOWN && managed.len)
		g->synced = tri_of(str_eq(managed, STR("external")));
	g->modifiable = gather_tri(json_object_get(row, "managementAccess"), "modifiable");
	HASH_ADD_KEYPTR(hh, c->groups, g->id, strlen(g->id), g);
	if (!MAP_ADDED(g))
		return err_nomem(err);
	*ret = TAKE(g);
	return 0;
}

static int group_row(struct gather *c, const json_t *row, struct err *err)
{
	struct str id = atl_group_id(atl_text(row, "id")),
		   directory = atl_text(row, "directoryId");
	const json_t *count = json_object_get(json_object_get(row, "counts"), "resources");
	struct gather_group *g;
	int r;

	if (!id.len) {
		gather_lack(c, ATL_PART_GROUPS, "groups: a row has no \"id\"");
		return 0;
	}
	HASH_FIND(hh, c->groups, id.p, id.len, g);
	if (g) {
		c->result->repeated++;
		return 0;
	}
	if (!directory.len)
		directory = str_of(c->directories.v[c->directories.n - 1]);
	r = group_add(c, row, id, directory, &g, err);
	if (r < 0)
		return r;
	c->result->groups++;
	if (json_is_integer(count) && json_integer_value(count) == 0) {
		g->roles_read = true;
		g->admin = TRI_NO;
		return 0;
	}
	return group_ask(c, g, err);
}

int gather_groups_of(struct gather *c, struct str directory, struct err *err)
{
	const unsigned parts = ATL_PART_GROUPS | ATL_PART_GRANTS | ATL_PART_MEMBERS;
	uint64_t before = c->result->groups;
	struct atl_pages p = { 0 };
	char what[120];
	struct err why;
	int64_t count;
	int r;

	snprintf(what, sizeof(what), "groups of directory " STR_FMT, STR_ARG(directory));
	r = gather_count_first(c, directory, "groups", NULL, parts, &count, err);
	if (r < 0)
		return r;
	r = atl_org_groups(&p, c->client, directory, NULL, what, &why);
	r = gather_walk_opened(c, &p, r, &why, parts, group_row, err);
	while (r == 0 && c->asked)
		r = group_answer(c, err);
	if (r == 0 && (c->result->whole & ATL_PART_GROUPS))
		r = gather_counted(c, directory, "groups", NULL, count,
				   (int64_t)(c->result->groups - before), parts, err);
	return r;
}

/* --- handing out what does not belong to one account -------------------------------------- */

static int emit_grants(struct gather *c, const struct gather_group *g, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->grants.n; i++) {
		const struct gather_grant *one = &g->grants.v[i];
		struct atl_grant row = {
			.group = str_of(g->id),
			.resource = str_of(one->resource->id),
			.role = str_of(one->role),
			.is_default = tri_of(one->is_default),
			.billable = atl_role_billable(str_of(one->role)),
		};

		c->result->grants++;
		if (c->sink->grant)
			r = c->sink->grant(c->sink->ctx, &row, err);
	}
	return r;
}

int gather_groups_emit(struct gather *c, struct err *err)
{
	struct gather_group *g, *next;
	int r = 0;

	HASH_ITER (hh, c->groups, g, next) {
		struct atl_group row = {
			.id = str_of(g->id),
			.name = str_of(g->name),
			.directory = str_of(g->directory),
			.synced = g->synced,
			.modifiable = g->modifiable,
			.admin = g->admin,
		};

		if (r == 0 && c->sink->group)
			r = c->sink->group(c->sink->ctx, &row, err);
		if (r == 0)
			r = emit_grants(c, g, err);
	}
	return r;
}
