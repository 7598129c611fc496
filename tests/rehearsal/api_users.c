/* Users: search, details, counts, role assignments, last activity. */
#include <inttypes.h>

#include "base/jx.h"
#include "tests/rehearsal/user_query.h"

/* --- shapes ---------------------------------------------------------------------------- */

static void roles_write(struct jw *w, const char *key, uint16_t roles)
{
	jw_open(w, key, '[');
	for (int i = 0; i < ROLE_COUNT; i++) {
		if (roles & ROLE_BIT(i))
			jw_text(w, NULL, role_id((enum role)i));
	}
	jw_close(w, ']');
}

static unsigned resources_held(struct call *c, const struct view *view)
{
	unsigned n = 0;

	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		struct held held = org_held(c->org, view, r);

		n += (held.direct | held.group | held.inferred) != 0;
	}
	return n;
}

static void name_write(struct jw *w, const struct account *a, int64_t now_ms)
{
	if (org_life(a, now_ms) == LIFE_ACTIVE)
		jw_text(w, "name", a->name);
	else
		jw_textf(w, "name", "%s (Deactivated)", a->name);
}

static void user_core(struct call *c, struct jw *w, const struct account *a)
{
	static const char *const sources[] = { NULL, "invited", "synced" };

	jw_text(w, "accountId", a->id);
	jw_text(w, "accountType", account_type_text((enum account_type)a->type));
	jw_text(w, "accountStatus", account_life_text(org_life(a, c->now_ms)));
	jw_text(w, "membershipStatus", membership_text(org_membership(c->org, a)));
	jw_text(w, "status", status_text(org_status(c->org, a, c->now_ms)));
	jw_text(w, "claimStatus", a->managed ? "managed" : "unmanaged");
	jw_text_or_null(w, "managementSource", a->managed ? sources[a->source] : NULL);
	name_write(w, a, c->now_ms);
	jw_text(w, "nickname", a->nickname);
	if (!a->hidden)
		jw_text(w, "email", a->email);
	jw_bool(w, "emailVerified", a->verified);
	jw_time(w, "addedToOrg", a->added_ms);
	if (a->managed)
		jw_bool(w, "mfaEnabled", a->mfa);
	if (*a->job)
		jw_text(w, "jobTitle", a->job);
	if (*a->department)
		jw_text(w, "department", a->department);
	jw_textf(w, "picture", "https://avatar.example.com/%s.png", a->id);
	jw_textf(w, "avatar", "https://avatar.example.com/%s.png", a->id);
}

static void user_groups(struct call *c, struct jw *w, const struct view *view, int directory)
{
	jw_open(w, "groups", '[');
	for (size_t i = 0; i < view->group_count; i++) {
		const struct usergroup *g = c->org->groups.v[view->groups[i]];

		if (directory >= 0 && g->directory != directory)
			continue;
		jw_open(w, NULL, '{');
		jw_textf(w, "id", "ari:cloud:identity::group/%s", g->id);
		jw_text(w, "name", g->name);
		jw_text(w, "description", g->description);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void user_products(struct call *c, struct jw *w, const struct account *a, int directory)
{
	jw_open(w, "productAccess", '[');
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		if (a->last_ms[r] == 0 ||
		    (directory >= 0 && (int)org_resource_directory(c->org, r) != directory))
			continue;
		jw_open(w, NULL, '{');
		jw_text(w, "id", c->org->resources[r].ari);
		jw_text(w, "key", org_resource_product(r)->key);
		jw_time(w, "lastActiveTimestamp", a->last_ms[r]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void user_row(struct call *c, struct jw *w, uint32_t account, const struct user_query *q)
{
	const struct account *a = c->org->accounts.v[account];
	struct view view;

	org_view(c->org, account, c->now_ms, &view);
	jw_open(w, NULL, '{');
	user_core(c, w, a);
	if (q->expand & EXPAND_ROLES)
		roles_write(w, "platformRoles", platform_roles(view.platform));
	if (q->expand & EXPAND_COUNTS) {
		jw_open(w, "counts", '{');
		jw_int(w, "resources", resources_held(c, &view));
		jw_close(w, '}');
	}
	if (q->expand & EXPAND_GROUPS)
		user_groups(c, w, &view, q->directory);
	if (q->expand & EXPAND_PRODUCTS)
		user_products(c, w, a, q->directory);
	jw_open(w, "links", '{');
	jw_textf(w, "self", "u-%s", a->id);
	jw_close(w, '}');
	jw_close(w, '}');
	org_view_done(&view);
}

static void links_write(struct jw *w, const char *next)
{
	jw_open(w, "links", '{');
	if (next)
		jw_text(w, "next", next);
	jw_close(w, '}');
}

/* --- search ---------------------------------------------------------------------------- */

static const struct org *sort_org; /* qsort() hands no context; all is under the lock */

static int by_nickname(const void *a, const void *b)
{
	const struct account *x = sort_org->accounts.v[*(const uint32_t *)a];
	const struct account *y = sort_org->accounts.v[*(const uint32_t *)b];
	int r = strcmp(x->nickname, y->nickname);

	if (r == 0)
		r = x->number < y->number ? -1 : x->number > y->number;
	return r;
}

/* The order in which the list is walked; NULL: as they came. */
static uint32_t *search_order(const struct call *c, const struct user_query *q)
{
	uint32_t *order = q->sort ? malloc(c->org->accounts.n * sizeof(*order)) : NULL;

	if (!order)
		return NULL;
	for (uint32_t i = 0; i < c->org->accounts.n; i++)
		order[i] = i;
	sort_org = c->org;
	qsort(order, c->org->accounts.n, sizeof(*order), by_nickname);
	for (size_t i = 0, n = c->org->accounts.n; q->sort < 0 && i < n / 2; i++) {
		uint32_t t = order[i];

		order[i] = order[n - 1 - i];
		order[n - 1 - i] = t;
	}
	return order;
}

/* Few named ones are found by map, not by walking all. */
static void search_named(struct call *c, struct jw *w, const struct user_query *q)
{
	const json_t *names = q->accounts ? q->accounts : q->emails, *name;
	CLEANUP(vec_u32_done) struct vec_u32 sent = { 0 };
	size_t i;

	json_array_foreach ((json_t *)names, i, name) {
		struct str text = str_of(json_string_value(name));
		uint32_t account;
		size_t k;

		if (!(q->accounts ? org_account_by_id(c->org, text, &account)
				  : org_account_by_email(c->org, text, &account)) ||
		    !user_matches(c, q, account))
			continue;
		for (k = 0; k < sent.n && sent.v[k] != account; k++)
			;
		if (k == sent.n && vec_u32_add(&sent, account) == 0)
			user_row(c, w, account, q);
	}
}

static void search_walk(struct call *c, struct jw *w, const struct user_query *q,
			struct page *page)
{
	CLEANUP(free_at) uint32_t *order = search_order(c, q);
	size_t sent = 0;

	for (size_t i = page->from; i < c->org->accounts.n; i++) {
		uint32_t account = order ? order[i] : (uint32_t)i;

		if (!user_matches(c, q, account))
			continue;
		if (sent == page->limit) {
			page->next = i;
			return;
		}
		sent++;
		if (!page->lost)
			user_row(c, w, account, q);
	}
}

static int users_search(struct call *c)
{
	CLEANUP(user_query_done) struct user_query q = { 0 };
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	int directory, status = call_directory(c, true, &directory);

	if (status)
		return status;
	status = page_open(c, &page, "users", c->body, 50, 100);
	if (status)
		return status;
	status = user_query_read(c, page.asked, directory, &q);
	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	/* At most 100 names: one page holds them all if the limit does. */
	if ((q.accounts || q.emails) && page.from == 0 && !page.lost &&
	    json_array_size(q.accounts ? q.accounts : q.emails) <= page.limit)
		search_named(c, &w, &q);
	else
		search_walk(c, &w, &q, &page);
	jw_close(&w, ']');
	next = page_next(c, &page);
	links_write(&w, next);
	jw_close(&w, '}');
	return 200;
}

static int users_count(struct call *c)
{
	static const char *const lists[] = { "accountIds", "directoryIds", "resourceIds",
					     "groupIds",   "status",       "accountStatus",
					     "roleIds",    "emailDomains", "membershipStatus",
					     NULL };
	CLEANUP(user_query_done) struct user_query q = { 0 };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, lists);
	struct jw w = { .b = &c->out };
	int64_t n = 0;
	int directory, status = call_directory(c, true, &directory);

	if (status == 0)
		status = user_query_read(c, asked, directory, &q);
	if (status)
		return status;
	for (size_t i = 0; i < c->org->accounts.n; i++)
		n += user_matches(c, &q, (uint32_t)i);
	jw_open(&w, NULL, '{');
	jw_int(&w, "count", n);
	jw_close(&w, '}');
	return 200;
}

static int users_stats(struct call *c)
{
	int64_t lives[3] = { 0 }, roles[ROLE_COUNT] = { 0 };
	struct user_query q = { 0 };
	struct jw w = { .b = &c->out };
	int directory, status = call_directory(c, true, &directory);

	if (status)
		return status;
	q.directory = directory;
	q.managed = q.mfa = -1;
	for (size_t i = 0; i < c->org->accounts.n; i++) {
		uint16_t held = 0;
		struct view view;

		if (!user_matches(c, &q, (uint32_t)i))
			continue;
		lives[org_life(c->org->accounts.v[i], c->now_ms)]++;
		org_view(c->org, (uint32_t)i, c->now_ms, &view);
		held = platform_roles(view.platform);
		for (unsigned r = 0; r < org_resource_count(c->org); r++) {
			struct held h = org_held(c->org, &view, r);

			held |= h.direct | h.group | h.inferred;
		}
		org_view_done(&view);
		for (int r = 0; r < ROLE_COUNT; r++)
			roles[r] += (held & ROLE_BIT(r)) != 0;
	}
	jw_open(&w, NULL, '{');
	jw_open(&w, "roles", '[');
	for (int r = 0; r < ROLE_COUNT; r++) {
		if (roles[r] == 0)
			continue;
		jw_open(&w, NULL, '{');
		jw_text(&w, "roleId", role_id((enum role)r));
		jw_int(&w, "count", roles[r]);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_open(&w, "accountStatus", '[');
	for (int i = 0; i < 3; i++) {
		jw_open(&w, NULL, '{');
		jw_text(&w, "status", account_life_text((enum account_life)i));
		jw_int(&w, "count", lives[i]);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	return 200;
}

/* --- one user -------------------------------------------------------------------------- */

/* The account, if the caller can see it: a member somewhere (there), or managed. */
static int seen_account(struct call *c, int directory, uint32_t *ret)
{
	int status = call_account(c, 7, ret);
	const struct account *a = status ? NULL : c->org->accounts.v[*ret];
	struct user_query q = { .directory = directory, .managed = -1, .mfa = -1 };

	if (status)
		return status;
	if (!user_in_scope(c, &q, a) && !a->managed)
		return answer_error(c, 404, "ADMIN-404-8", "User not found");
	return 0;
}

static int user_get(struct call *c)
{
	struct jw w = { .b = &c->out };
	const struct account *a;
	struct view view;
	uint32_t account;
	int directory, status = call_directory(c, true, &directory);

	if (status == 0)
		status = seen_account(c, directory, &account);
	if (status)
		return status;
	a = c->org->accounts.v[account];
	org_view(c->org, account, c->now_ms, &view);
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '{');
	user_core(c, &w, a);
	roles_write(&w, "platformRoles", platform_roles(view.platform));
	jw_open(&w, "counts", '{');
	jw_int(&w, "resources", resources_held(c, &view));
	jw_close(&w, '}');
	if (a->deactivated_ms)
		jw_time(&w, "deactivatedOn", a->deactivated_ms);
	jw_close(&w, '}');
	jw_close(&w, '}');
	org_view_done(&view);
	return 200;
}

/* A line of role assignments: what is held on one resource. */
struct assignment {
	char resource[96];
	const char *owner;
	int directory; /* -1: none */
	struct held held;
};
VEC(vec_assignment, struct assignment);

static int assignments_of(struct call *c, uint32_t account, struct vec_assignment *into)
{
	struct assignment row = { .owner = "platform", .directory = -1 };
	struct view view;
	int r = 0;

	org_view(c->org, account, c->now_ms, &view);
	for (unsigned i = 0; r == 0 && i < org_resource_count(c->org); i++) {
		struct assignment p = { .owner = org_resource_product(i)->key,
					.directory = (int)org_resource_directory(c->org, i),
					.held = org_held(c->org, &view, i) };

		snprintf(p.resource, sizeof(p.resource), "%s", c->org->resources[i].ari);
		if (p.held.direct | p.held.group | p.held.inferred)
			r = vec_assignment_add(into, p);
	}
	for (unsigned s = 0; r == 0 && s < c->org->site_count; s++) {
		if (!(view.platform & PLATFORM_SITE_ADMIN(s)))
			continue;
		row.held.direct = ROLE_BIT(ROLE_SITE_ADMIN);
		snprintf(row.resource, sizeof(row.resource), "ari:cloud:platform::site/%s",
			 c->org->sites[s].id);
		r = vec_assignment_add(into, row);
	}
	row.held.direct = platform_roles(view.platform) & (uint16_t)~ROLE_BIT(ROLE_SITE_ADMIN);
	if (r == 0 && row.held.direct) {
		snprintf(row.resource, sizeof(row.resource), "ari:cloud:platform::org/%s",
			 c->org->id);
		r = vec_assignment_add(into, row);
	}
	org_view_done(&view);
	return r;
}

static void assignment_write(struct call *c, struct jw *w, const struct assignment *row,
			     const struct account *a)
{
	uint16_t all = row->held.direct | row->held.group | row->held.inferred;

	jw_open(w, NULL, '{');
	jw_text(w, "resourceId", row->resource);
	jw_text(w, "resourceOwner", row->owner);
	if (row->directory < 0) {
		jw_null(w, "directoryId");
		jw_null(w, "userDirectoryStatus");
	} else {
		jw_text(w, "directoryId", c->org->directories[row->directory].id);
		jw_text(w, "userDirectoryStatus",
			membership_text((enum membership)a->member[row->directory]));
	}
	roles_write(w, "roles", all);
	jw_open(w, "roleAssignments", '[');
	for (int i = 0; i < ROLE_COUNT; i++) {
		if (!(all & ROLE_BIT(i)))
			continue;
		jw_open(w, NULL, '{');
		jw_text(w, "role", role_id((enum role)i));
		jw_open(w, "roleAssignmentMethods", '[');
		if (row->held.inferred & ROLE_BIT(i))
			jw_text(w, NULL, "inferred");
		if (row->held.direct & ROLE_BIT(i))
			jw_text(w, NULL, "direct");
		if (row->held.group & ROLE_BIT(i))
			jw_text(w, NULL, "group_direct");
		jw_close(w, ']');
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

/* Whether a line is among what the filters of role-assignments ask for. */
static bool assignment_asked(struct call *c, const json_t *asked, const struct assignment *row)
{
	const json_t *resources = json_object_get(asked, "resourceIds");
	const json_t *owners = json_object_get(asked, "resourceOwners");
	const json_t *directories = json_object_get(asked, "directoryIds");
	const json_t *roles = json_object_get(asked, "roleIds"), *id;
	uint16_t all = row->held.direct | row->held.group | row->held.inferred, wanted = 0;
	size_t i;

	if ((resources && !list_has(resources, row->resource)) ||
	    (owners && !list_has(owners, row->owner)))
		return false;
	if (directories && (row->directory < 0 ||
			    !list_has(directories, c->org->directories[row->directory].id)))
		return false;
	json_array_foreach ((json_t *)roles, i, id) {
		enum role role;

		if (role_by_id(str_of(json_string_value(id)), &role))
			wanted |= ROLE_BIT(role);
	}
	return !roles || (all & wanted);
}

static int user_assignments(struct call *c)
{
	static const char *const lists[] = { "resourceOwners", "resourceIds", "roleIds",
					     "directoryIds", NULL };
	CLEANUP(vec_assignment_done) struct vec_assignment rows = { 0 };
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, lists);
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	size_t sent = 0;
	uint32_t account;
	int directory, status = call_directory(c, true, &directory);

	if (status == 0)
		status = seen_account(c, directory, &account);
	if (status == 0)
		status = page_open(c, &page, "user-roles", asked, 20, 100);
	if (status)
		return status;
	if (assignments_of(c, account, &rows) < 0)
		return answer_error(c, 500, "ADMIN-500-1", "Out of memory");
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = page.from; i < rows.n && page.next == SIZE_MAX; i++) {
		if ((directory >= 0 && rows.v[i].directory >= 0 &&
		     rows.v[i].directory != directory) ||
		    !assignment_asked(c, page.asked, &rows.v[i]))
			continue;
		if (sent == page.limit) {
			page.next = i;
			break;
		}
		sent++;
		if (!page.lost)
			assignment_write(c, &w, &rows.v[i], c->org->accounts.v[account]);
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	links_write(&w, next);
	jw_close(&w, '}');
	return 200;
}

static int last_active(struct call *c)
{
	struct jw w = { .b = &c->out };
	const struct account *a;
	uint32_t account;
	int status = call_org(c);

	if (status == 0)
		status = call_account(c, 6, &account);
	if (status)
		return status;
	a = c->org->accounts.v[account];
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '{');
	jw_open(&w, "product_access", '[');
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		/* whole seconds here, unlike users/search */
		int64_t ms = a->last_ms[r] / 1000 * 1000;

		if (ms == 0)
			continue;
		jw_open(&w, NULL, '{');
		jw_text(&w, "id", c->org->resources[r].ari);
		jw_text(&w, "key", org_resource_product(r)->key_v1);
		jw_date(&w, "last_active", ms);
		jw_time(&w, "last_active_timestamp", ms);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	if (org_membership(c->org, a) == MEMBER_NONE) {
		jw_null(&w, "added_to_org");
		jw_null(&w, "added_to_org_timestamp");
	} else {
		jw_date(&w, "added_to_org", a->added_ms);
		jw_time(&w, "added_to_org_timestamp", a->added_ms / 1000 * 1000);
	}
	jw_close(&w, '}');
	jw_open(&w, "links", '{');
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

/* --- the managed accounts of v1 -------------------------------------------------------- */

static void managed_products(struct call *c, struct jw *w, const struct account *a)
{
	jw_open(w, "product_access", '[');
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		if (!(a->seats & (1u << r)) && a->last_ms[r] == 0)
			continue;
		jw_open(w, NULL, '{');
		jw_text(w, "key", org_resource_product(r)->key_v1);
		jw_text(w, "name", org_resource_product(r)->name);
		jw_textf(w, "url", "https://%s.atlassian.net%s",
			 c->org->sites[r / ORG_PRODUCTS].name,
			 r % ORG_PRODUCTS == 2 ? "/wiki" : "");
		if (a->last_ms[r])
			jw_time(w, "last_active", a->last_ms[r]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void managed_row(struct call *c, struct jw *w, const struct account *a)
{
	int64_t last = 0;

	for (unsigned r = 0; r < ORG_RESOURCES; r++)
		last = a->last_ms[r] > last ? a->last_ms[r] : last;
	jw_open(w, NULL, '{');
	jw_text(w, "account_id", a->id);
	jw_text(w, "account_type", account_type_text((enum account_type)a->type));
	jw_text(w, "account_status", account_life_text(org_life(a, c->now_ms)));
	name_write(w, a, c->now_ms);
	jw_textf(w, "picture", "https://avatar.example.com/%s.png", a->id);
	if (!a->hidden)
		jw_text(w, "email", a->email);
	jw_bool(w, "access_billable", a->seats != 0);
	if (last)
		jw_time(w, "last_active", last);
	managed_products(c, w, a);
	jw_open(w, "links", '{');
	jw_textf(w, "self", "%s/users/%s/manage/profile", c->re->base, a->id);
	jw_close(w, '}');
	jw_close(w, '}');
}

/* Managed accounts, and the machines and customers that belong to the organisation. */
static bool is_listed(const struct account *a)
{
	return !a->gone && (a->managed || a->type != TYPE_ATLASSIAN);
}

static int users_managed(struct call *c)
{
	static const char *const no_lists[] = { NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, no_lists);
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	int64_t total = 0;
	size_t sent = 0;
	int status = call_org(c);

	json_object_del(asked, "limit"); /* the server's own */
	if (status == 0)
		status = page_open(c, &page, "managed", asked, (size_t)c->re->page_v1,
				   (size_t)c->re->page_v1);
	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = 0; i < c->org->accounts.n; i++) {
		if (!is_listed(c->org->accounts.v[i]))
			continue;
		total++;
		if (i < page.from || sent > page.limit)
			continue;
		if (sent == page.limit)
			page.next = i;
		else if (!page.lost)
			managed_row(c, &w, c->org->accounts.v[i]);
		sent++;
	}
	jw_close(&w, ']');
	jw_open(&w, "meta", '{');
	jw_int(&w, "total", total);
	jw_close(&w, '}');
	next = page_next(c, &page);
	jw_open(&w, "links", '{');
	if (next) {
		jw_key(&w, "next");
		buf_addf(&c->out, "\"%s/admin/v1/orgs/%s/users?cursor=%s\"", c->re->base,
			 c->org->id, next);
	}
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

/* clang-format off */
const struct endpoint endpoints_users[] = {
	{ "GET",  "/admin/v1/orgs/{org}/users", users_managed, 0 },
	{ "GET",  "/admin/v1/orgs/{org}/directory/users/{account}/last-active-dates", last_active, 0 },
	{ "POST", "/admin/v2/orgs/{org}/directories/{dir}/users/search", users_search, 0 },
	{ "GET",  "/admin/v2/orgs/{org}/directories/{dir}/users/count", users_count, 0 },
	{ "GET",  "/admin/v2/orgs/{org}/directories/{dir}/users/stats", users_stats, 0 },
	{ "GET",  "/admin/v2/orgs/{org}/directories/{dir}/users/{account}", user_get, 0 },
	{ "GET",  "/admin/v2/orgs/{org}/directories/{dir}/users/{account}/role-assignments", user_assignments, 0 },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
