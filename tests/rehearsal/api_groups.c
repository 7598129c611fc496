/* Groups: search, details, their roles, their members. */
#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

/* --- search ---------------------------------------------------------------------------- */

struct group_query {
	int directory;
	const json_t *names, *ids, *accounts, *resources, *owners, *directories, *roles;
	const char *term;
	bool count_resources, count_users;
	bool descending;
};

static int expand_read(struct call *c, const json_t *from, struct group_query *q)
{
	const json_t *list, *item;
	size_t i;
	int status = call_list(c, from, "expand", 2, &list);

	json_array_foreach ((json_t *)(status ? NULL : list), i, item) {
		const char *text = json_string_value(item);

		if (strcmp(text, "counts.resources") == 0)
			q->count_resources = true;
		else if (strcmp(text, "counts.users") == 0)
			q->count_users = true;
		else
			return answer_bad_body(c, "expand: %s is not a known value", text);
	}
	return status;
}

static int group_query_read(struct call *c, const json_t *from, int directory,
			    struct group_query *q)
{
	const json_t *term = json_object_get(from, "searchTerm");
	const char *way = json_string_value(json_object_get(
		json_array_get(json_object_get(from, "sortBy"), 0), "direction"));
	int status;

	*q = (struct group_query){ .directory = directory, .term = json_string_value(term) };
	q->descending = way && strcmp(way, "desc") == 0;
	status = call_list(c, from, "groupNames", 100, &q->names);
	if (status == 0)
		status = call_list(c, from, "groupIds", 10, &q->ids);
	if (status == 0)
		status = call_list(c, from, "accountIds", 10, &q->accounts);
	if (status == 0)
		status = call_list(c, from, "resourceIds", 20, &q->resources);
	if (status == 0)
		status = call_list(c, from, "resourceOwners", 10, &q->owners);
	if (status == 0)
		status = call_list(c, from, "directoryIds", 10, &q->directories);
	if (status == 0)
		status = call_list(c, from, "roleIds", 10, &q->roles);
	if (status == 0)
		status = expand_read(c, from, q);
	if (status == 0 && term && !json_is_string(term))
		status = answer_bad_body(c, "searchTerm must be a string");
	if (status == 0 && q->names && (q->term || q->ids))
		status = answer_bad_body(c, "groupNames excludes searchTerm and groupIds");
	return status;
}

static bool matches_access(struct call *c, const struct group_query *q,
			   const struct usergroup *g)
{
	uint16_t wanted = q->roles ? 0 : UINT16_MAX;

	if (!q->resources && !q->owners && !q->roles)
		return true;
	for (int i = 0; i < ROLE_COUNT; i++) {
		if (list_has(q->roles, role_id((enum role)i)))
			wanted |= ROLE_BIT(i);
	}
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		if ((q->resources && !list_has(q->resources, c->org->resources[r].ari)) ||
		    (q->owners && !list_has(q->owners, org_resource_product(r)->key)))
			continue;
		if (g->roles[r] & wanted)
			return true;
	}
	return false;
}

static bool matches_accounts(struct call *c, const struct group_query *q, uint32_t group)
{
	const json_t *item;
	bool is = false;
	size_t i;

	json_array_foreach ((json_t *)q->accounts, i, item) {
		struct view view;
		uint32_t account;

		if (is || !org_account_by_id(c->org, str_of(json_string_value(item)), &account))
			continue;
		org_view(c->org, account, c->now_ms, &view);
		is = org_view_has_group(&view, group);
		org_view_done(&view);
	}
	return is || !q->accounts;
}

static bool id_asked(const json_t *ids, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *)ids, i, item) {
		struct str s = str_of(json_string_value(item));

		if (str_ends(s, str_of(id)))
			return true;
	}
	return !ids;
}

static bool group_matches(struct call *c, const struct group_query *q, uint32_t group)
{
	const struct usergroup *g = c->org->groups.v[group];

	if (g->gone || g->shown_ms > c->now_ms ||
	    (q->directory >= 0 && g->directory != q->directory))
		return false;
	if ((q->directories &&
	     !list_has(q->directories, c->org->directories[g->directory].id)) ||
	    (q->names && !list_has(q->names, g->name)) || !id_asked(q->ids, g->id) ||
	    (q->term && !text_has(g->name, q->term)))
		return false;
	return matches_access(c, q, g) && matches_accounts(c, q, group);
}

static int64_t resources_granted(struct call *c, const struct usergroup *g)
{
	int64_t n = 0;

	for (unsigned r = 0; r < org_resource_count(c->org); r++)
		n += g->roles[r] != 0;
	return n;
}

static void group_write(struct call *c, struct jw *w, const struct usergroup *g,
			bool count_resources, bool count_users)
{
	jw_open(w, NULL, '{');
	jw_text(w, "id", g->id);
	jw_text(w, "name", g->name);
	jw_text(w, "description", g->description);
	jw_text(w, "directoryId", c->org->directories[g->directory].id);
	jw_bool(w, "externalSynced", g->synced);
	jw_text(w, "managedBy", g->managed_by);
	jw_open(w, "managementAccess", '{');
	jw_bool(w, "readable", true);
	jw_bool(w, "modifiable", g->modifiable);
	jw_bool(w, "deletable", g->deletable);
	jw_close(w, '}');
	if (count_resources || count_users) {
		jw_open(w, "counts", '{');
		if (count_resources)
			jw_int(w, "resources", resources_granted(c, g));
		if (count_users)
			jw_int(w, "users", g->members);
		jw_close(w, '}');
	}
	jw_open(w, "links", '{');
	jw_textf(w, "self", "g-%s", g->id);
	jw_close(w, '}');
	jw_close(w, '}');
}

static void links_write(struct jw *w, const char *next)
{
	jw_open(w, "links", '{');
	if (next)
		jw_text(w, "next", next);
	jw_close(w, '}');
}

/* Backwards is the order of creation turned round: names carry no other order here. */
static uint32_t nth(const struct call *c, const struct group_query *q, size_t i)
{
	return (uint32_t)(q->descending ? c->org->groups.n - 1 - i : i);
}

static int groups_search(struct call *c)
{
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct group_query q;
	struct jw w = { .b = &c->out };
	size_t sent = 0;
	int directory, status = call_directory(c, true, &directory);

	if (status == 0)
		status = page_open(c, &page, "groups", c->body, 20, 100);
	if (status == 0)
		status = group_query_read(c, page.asked, directory, &q);
	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = page.from; i < c->org->groups.n; i++) {
		if (!group_matches(c, &q, nth(c, &q, i)))
			continue;
		if (sent++ == page.limit) {
			page.next = i;
			break;
		}
		if (!page.lost)
			group_write(c, &w, c->org->groups.v[nth(c, &q, i)], q.count_resources,
				    q.count_users);
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	links_write(&w, next);
	jw_close(&w, '}');
	return 200;
}

static int groups_count(struct call *c)
{
	static const char *const lists[] = {
		"directoryIds", "accountIds", "groupIds", "resourceOwners",
		"resourceIds",  "roleIds",    NULL
	};
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, lists);
	struct group_query q;
	struct jw w = { .b = &c->out };
	int64_t n = 0;
	int directory, status = call_directory(c, true, &directory);

	if (status == 0)
		status = group_query_read(c, asked, directory, &q);
	if (status)
		return status;
	for (size_t i = 0; i < c->org->groups.n; i++)
		n += group_matches(c, &q, (uint32_t)i);
	jw_open(&w, NULL, '{');
	jw_int(&w, "count", n);
	jw_close(&w, '}');
	return 200;
}

static int groups_stats(struct call *c)
{
	static const char *const types[] = { "TEAM", "GROUP", "USERBASE_GROUP" };
	int64_t all = 0, synced = 0, managed = 0, count[COUNT_OF(types)] = { 0 };
	struct jw w = { .b = &c->out };
	int directory, status = call_directory(c, true, &directory);

	if (status)
		return status;
	for (size_t i = 0; i < c->org->groups.n; i++) {
		const struct usergroup *g = c->org->groups.v[i];

		if (g->gone || (directory >= 0 && g->directory != directory))
			continue;
		all++;
		synced += g->synced;
		managed += strcmp(g->managed_by, "external") == 0;
		for (size_t k = 0; k < COUNT_OF(types); k++)
			count[k] += strcmp(g->type, types[k]) == 0;
	}
	jw_open(&w, NULL, '{');
	jw_open(&w, "totals", '{');
	jw_int(&w, "all", all);
	jw_int(&w, "managed", managed);
	jw_int(&w, "synced", synced);
	jw_close(&w, '}');
	jw_open(&w, "types", '[');
	for (size_t k = 0; k < COUNT_OF(types); k++) {
		jw_open(&w, NULL, '{');
		jw_text(&w, "type", types[k]);
		jw_int(&w, "count", count[k]);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	return 200;
}

/* --- one group ------------------------------------------------------------------------- */

/* Segment 7 as a group of the directory, or of any when the path says "-". */
static int group_read(struct call *c, uint32_t *ret)
{
	int directory, status = call_directory(c, true, &directory);

	if (status)
		return status;
	if (org_group_by_id(c->org, call_segment(c, 7), ret) &&
	    (directory < 0 || c->org->groups.v[*ret]->directory == directory) &&
	    c->org->groups.v[*ret]->shown_ms <= c->now_ms)
		return 0;
	return answer_error(c, 404, "ADMIN-404-10", "Group not found");
}

static int group_get(struct call *c)
{
	struct jw w = { .b = &c->out };
	uint32_t group;
	int status = group_read(c, &group);

	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_key(&w, "data");
	w.more = false;
	group_write(c, &w, c->org->groups.v[group], true, true);
	jw_close(&w, '}');
	return 200;
}

static void granted_write(struct call *c, struct jw *w, const struct usergroup *g, unsigned r)
{
	jw_open(w, NULL, '{');
	jw_text(w, "resourceId", c->org->resources[r].ari);
	jw_text(w, "resourceOwner", org_resource_product(r)->key);
	jw_open(w, "roles", '[');
	for (int i = 0; i < ROLE_COUNT; i++) {
		if (g->roles[r] & ROLE_BIT(i))
			jw_text(w, NULL, role_id((enum role)i));
	}
	jw_close(w, ']');
	jw_text_or_null(w, "defaultRole",
			g->defaults[r] < 0 ? NULL : role_id((enum role)g->defaults[r]));
	jw_close(w, '}');
}

static int group_assignments(struct call *c)
{
	static const char *const lists[] = { "resourceOwners", "resourceIds", "roleIds",
					     "directoryIds", NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, lists);
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	const struct usergroup *g;
	size_t sent = 0;
	uint32_t group;
	int status = group_read(c, &group);

	if (status == 0)
		status = page_open(c, &page, "group-roles", asked, 20, 100);
	if (status)
		return status;
	g = c->org->groups.v[group];
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (unsigned r = (unsigned)page.from; r < org_resource_count(c->org); r++) {
		const json_t *resources = json_object_get(page.asked, "resourceIds");

		if (g->roles[r] == 0 ||
		    (resources && !list_has(resources, c->org->resources[r].ari)))
			continue;
		if (sent++ == page.limit) {
			page.next = r;
			break;
		}
		if (!page.lost)
			granted_write(c, &w, g, r);
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	links_write(&w, next);
	jw_close(&w, '}');
	return 200;
}

/* --- writes ---------------------------------------------------------------------------- */

static int group_create(struct call *c)
{
	const char *name = json_string_value(json_object_get(c->body, "name"));
	const char *description = json_string_value(json_object_get(c->body, "description"));
	uint32_t group;
	struct err err;
	int directory, status = call_directory(c, false, &directory);

	if (status)
		return status;
	if (!name || !*name || strlen(name) > 255)
		return answer_bad_body(c, "name must hold 1 to 255 characters");
	if (org_group_by_name(c->org, str_of(name), &group))
		return answer_error(c, 409, "ADMIN-409-28",
				    "A group with this name already exists");
	if (org_group_add(c->org, (unsigned)directory, name, description ? description : "",
			  &group, &err) < 0)
		return answer_error(c, 500, "ADMIN-500-1", "%s", err.text);
	c->org->groups.v[group]->shown_ms = c->now_ms + (c->org->lag_ms ? 2000 : 0);
	call_effect(c, "create-group", "", true, "%s", name);
	return 201;
}

/* Whether this group may be changed by us; 0 or the refusal. */
static int group_changeable(struct call *c, const struct usergroup *g)
{
	if (g->synced)
		return answer_error(c, 403, "ADMIN-403-5",
				    "The group is synced from an identity provider: manage it "
				    "there");
	if (!g->modifiable)
		return answer_error(c, 403, "ADMIN-403-5", "Not allowed to manage the group %s",
				    g->name);
	return 0;
}

static int group_delete(struct call *c)
{
	struct usergroup *g;
	uint32_t group;
	int directory, status = call_directory(c, false, &directory);

	if (status == 0)
		status = call_group(c, 7, (unsigned)directory, &group);
	if (status == 0)
		status = group_changeable(c, c->org->groups.v[group]);
	if (status)
		return status;
	g = c->org->groups.v[group];
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		if (g->defaults[r] >= 0)
			return answer_error(c, 403, "ADMIN-403-6",
					    "A group with a default role cannot be deleted");
		if (g->roles[r] & ROLE_BIT(ROLE_ADMIN))
			return answer_error(c, 403, "ADMIN-403-7",
					    "A group that grants admin access cannot be "
					    "deleted");
	}
	org_group_drop(c->org, group);
	call_effect(c, "delete-group", "", true, "%s", g->name);
	return 204;
}

static int member_add(struct call *c)
{
	const char *id = json_string_value(json_object_get(c->body, "accountId"));
	const struct account *a;
	const struct usergroup *g;
	uint32_t account, group;
	unsigned resource;
	int directory, status = call_directory(c, false, &directory);

	if (status == 0)
		status = call_group(c, 7, (unsigned)directory, &group);
	if (status)
		return status;
	if (!id)
		return answer_bad_body(c, "accountId is required");
	if (!org_account_by_id(c->org, str_of(id), &account))
		return answer_error(c, 404, "ADMIN-404-8", "User not found");
	a = c->org->accounts.v[account];
	g = c->org->groups.v[group];
	status = group_changeable(c, g);
	if (status)
		return status;
	if (a->member[directory] == MEMBER_NONE)
		return answer_error(c, 404, "ADMIN-404-8",
				    "The user is not in the directory of the group");
	if (org_is_member(c->org, account, group))
		return answer_error(c, 409, "ADMIN-409-28", "The user is already in the group");
	if (a->member[directory] == MEMBER_ACTIVE && a->life == LIFE_ACTIVE &&
	    !org_fits(c->org, a, g->billed, &resource))
		return answer_error(c, 409, "ADMIN-409-3", "The user limit of %s is exceeded",
				    c->org->resources[resource].label);
	org_join(c->org, account, group, c->now_ms);
	call_effect(c, "add-group", a->id, true, "%s", g->name);
	return 204;
}

static int member_remove(struct call *c)
{
	const struct usergroup *g;
	uint32_t account, group;
	int directory, status = call_directory(c, false, &directory);

	if (status == 0)
		status = call_group(c, 7, (unsigned)directory, &group);
	if (status == 0)
		status = call_account(c, 9, &account);
	if (status)
		return status;
	g = c->org->groups.v[group];
	status = group_changeable(c, g);
	if (status)
		return status;
	if (!org_leave(c->org, account, group, c->now_ms))
		return answer_error(c, 404, "ADMIN-404-8", "The user is not in the group");
	call_effect(c, "remove-group", c->org->accounts.v[account]->id, true, "%s", g->name);
	return 204;
}

/* The members who would take a new seat in the resource must fit. */
static bool grant_fits(struct call *c, uint32_t group, unsigned resource)
{
	const struct resource *res = &c->org->resources[resource];
	int64_t more = 0;

	for (size_t i = 0; res->capacity && i < c->org->accounts.n; i++) {
		const struct account *a = c->org->accounts.v[i];

		more += org_is_member(c->org, (uint32_t)i, group) &&
			!(a->seats & (1u << resource)) && a->type == TYPE_ATLASSIAN &&
			a->life == LIFE_ACTIVE;
	}
	return res->capacity == 0 || res->used + more <= res->capacity;
}

static int grant_read(struct call *c, uint32_t *group, unsigned *resource, enum role *role)
{
	const char *ari = json_string_value(json_object_get(c->body, "resourceId"));
	const char *id = json_string_value(json_object_get(c->body, "roleId"));
	int directory, status = call_directory(c, false, &directory);

	if (status == 0)
		status = call_group(c, 7, (unsigned)directory, group);
	if (status == 0)
		status = group_changeable(c, c->org->groups.v[*group]);
	if (status)
		return status;
	if (!ari || !id || !role_by_id(str_of(id), role))
		return answer_bad_body(c, "resourceId and a known roleId are required");
	if (!org_resource_by_ari(c->org, str_of(ari), resource))
		return answer_error(c, 404, "ADMIN-404-1", "Resource not found");
	return 0;
}

static int group_assign(struct call *c)
{
	enum role role;
	unsigned resource;
	uint32_t group;
	bool changed;
	int status = grant_read(c, &group, &resource, &role);

	if (status)
		return status;
	if ((ROLE_BIT(role) & ROLES_BILLED) && !grant_fits(c, group, resource))
		return answer_error(c, 409, "ADMIN-409-3", "The user limit of %s is exceeded",
				    c->org->resources[resource].label);
	changed = org_group_role(c->org, group, resource, role, true);
	call_effect(c, "group-assign-role", "", changed, "%s %s %s",
		    c->org->groups.v[group]->name, c->org->resources[resource].label,
		    role_id(role));
	return 200;
}

static int group_revoke(struct call *c)
{
	enum role role;
	unsigned resource;
	uint32_t group;
	bool changed;
	int status = grant_read(c, &group, &resource, &role);

	if (status)
		return status;
	changed = org_group_role(c->org, group, resource, role, false);
	call_effect(c, "group-revoke-role", "", changed, "%s %s %s",
		    c->org->groups.v[group]->name, c->org->resources[resource].label,
		    role_id(role));
	return 204;
}

/* clang-format off */
#define GROUPS "/admin/v2/orgs/{org}/directories/{dir}/groups"
const struct endpoint endpoints_groups[] = {
	{ "POST",   GROUPS "/search", groups_search, 0 },
	{ "GET",    GROUPS "/count", groups_count, 0 },
	{ "GET",    GROUPS "/stats", groups_stats, 0 },
	{ "GET",    GROUPS "/{group}", group_get, 0 },
	{ "GET",    GROUPS "/{group}/role-assignments", group_assignments, 0 },
	{ "POST",   GROUPS, group_create, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "DELETE", GROUPS "/{group}", group_delete, ENDPOINT_WRITE },
	{ "POST",   GROUPS "/{group}/memberships", member_add, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "DELETE", GROUPS "/{group}/memberships/{account}", member_remove, ENDPOINT_WRITE },
	{ "POST",   GROUPS "/{group}/role-assignments/assign", group_assign, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "POST",   GROUPS "/{group}/role-assignments/revoke", group_revoke, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
