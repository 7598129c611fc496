/* The organisation itself: its name, domains, directories, workspaces. */
#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

static void org_write(struct call *c, struct jw *w)
{
	static const char *const related[] = { "domains", "users" };

	jw_open(w, NULL, '{');
	jw_text(w, "id", c->org->id);
	jw_text(w, "type", "orgs");
	jw_open(w, "attributes", '{');
	jw_text(w, "name", c->org->name);
	jw_close(w, '}');
	jw_open(w, "relationships", '{');
	for (size_t i = 0; i < COUNT_OF(related); i++) {
		jw_open(w, related[i], '{');
		jw_open(w, "links", '{');
		jw_textf(w, "related", "%s/admin/v1/orgs/%s/%s", c->re->base, c->org->id,
			 related[i]);
		jw_close(w, '}');
		jw_close(w, '}');
	}
	jw_close(w, '}');
	jw_open(w, "links", '{');
	jw_textf(w, "self", "%s/admin/v1/orgs/%s", c->re->base, c->org->id);
	jw_close(w, '}');
	jw_close(w, '}');
}

static int org_get(struct call *c)
{
	struct jw w = { .b = &c->out };
	int status = call_org(c);

	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_key(&w, "data");
	w.more = false;
	org_write(c, &w);
	jw_close(&w, '}');
	return 200;
}

/* An organisation key sees no organisations in the list (ACCESS-966). */
static int orgs_list(struct call *c)
{
	buf_add_text(&c->out, "{\"data\":[],\"links\":{}}");
	return 200;
}

/* --- domains --------------------------------------------------------------------------- */

static void domain_write(struct call *c, struct jw *w, const struct domain *d)
{
	jw_open(w, NULL, '{');
	jw_text(w, "id", d->id);
	jw_text(w, "type", "domains");
	jw_open(w, "attributes", '{');
	jw_text(w, "name", d->name);
	jw_open(w, "claim", '{');
	jw_text(w, "type", "dns");
	jw_text(w, "status", d->verified ? "verified" : "unverified");
	jw_close(w, '}');
	jw_close(w, '}');
	jw_open(w, "links", '{');
	jw_textf(w, "self", "%s/admin/v1/orgs/%s/domains/%s", c->re->base, c->org->id, d->id);
	jw_close(w, '}');
	jw_close(w, '}');
}

static int domains_list(struct call *c)
{
	static const char *const no_lists[] = { NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, no_lists);
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	int status = call_org(c);

	if (status)
		return status;
	json_object_del(asked, "limit");
	status = page_open(c, &page, "domains", asked, (size_t)c->re->page_v1,
			   (size_t)c->re->page_v1);
	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = page.from; i < c->org->domain_count; i++) {
		if (i == page.from + page.limit) {
			page.next = i;
			break;
		}
		if (!page.lost)
			domain_write(c, &w, &c->org->domains[i]);
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	jw_open(&w, "links", '{');
	if (next) {
		jw_key(&w, "next");
		buf_addf(&c->out, "\"%s/admin/v1/orgs/%s/domains?cursor=%s\"", c->re->base,
			 c->org->id, next);
	}
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

static int domain_get(struct call *c)
{
	struct jw w = { .b = &c->out };
	int status = call_org(c);

	if (status)
		return status;
	for (unsigned i = 0; i < c->org->domain_count; i++) {
		if (!str_eq(call_segment(c, 5), str_of(c->org->domains[i].id)))
			continue;
		jw_open(&w, NULL, '{');
		jw_key(&w, "data");
		w.more = false;
		domain_write(c, &w, &c->org->domains[i]);
		jw_close(&w, '}');
		return 200;
	}
	return answer_error(c, 404, "ADMIN-404-3", "Domain not found");
}

/* --- directories ----------------------------------------------------------------------- */

static bool directory_asked(struct call *c, const json_t *asked, unsigned d)
{
	const char *account = json_string_value(json_object_get(asked, "accountId"));
	const json_t *ids = json_object_get(asked, "directoryIds"), *id;
	bool found = !ids;
	uint32_t n;
	size_t i;

	if (account && (!org_account_by_id(c->org, str_of(account), &n) ||
			c->org->accounts.v[n]->member[d] == MEMBER_NONE))
		return false;
	json_array_foreach ((json_t *)ids, i, id) {
		found |= str_eq(str_of(json_string_value(id)),
				str_of(c->org->directories[d].id));
	}
	return found;
}

static int directories_list(struct call *c)
{
	static const char *const lists[] = { "directoryIds", NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, lists);
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	size_t sent = 0;
	int status = call_org(c);

	if (status == 0)
		status = page_open(c, &page, "directories", asked, 20, 100);
	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = page.from; i < c->org->directory_count; i++) {
		if (!directory_asked(c, page.asked, (unsigned)i))
			continue;
		if (sent++ == page.limit) {
			page.next = i;
			break;
		}
		if (page.lost)
			continue;
		jw_open(&w, NULL, '{');
		jw_text(&w, "directoryId", c->org->directories[i].id);
		jw_text(&w, "name", c->org->directories[i].name);
		jw_text(&w, "icon", "https://icon.example.com/directory.png");
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	jw_open(&w, "links", '{');
	if (next)
		jw_text(&w, "next", next);
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

/* --- workspaces ------------------------------------------------------------------------ */

static const char *workspace_field(struct call *c, unsigned r, const char *name, char *into,
				   size_t room)
{
	const struct site *site = &c->org->sites[r / ORG_PRODUCTS];

	if (strcmp(name, "id") == 0)
		return c->org->resources[r].ari;
	if (strcmp(name, "attributes.type") == 0 || strcmp(name, "attributes.typeKey") == 0)
		return org_resource_product(r)->key;
	if (strcmp(name, "attributes.status") == 0)
		return "online";
	if (strcmp(name, "attributes.name") == 0)
		return site->name;
	if (strcmp(name, "attributes.hostUrl") == 0) {
		snprintf(into, room, "https://%s.atlassian.net", site->name);
		return into;
	}
	return NULL;
}

/* {"field"}, {"searchWorkspaces"}, {"and"}, {"nor"}; what is not known says true. */
static bool workspace_matches(struct call *c, const json_t *query, unsigned r, unsigned depth)
{
	const json_t *field = json_object_get(query, "field"), *item;
	const char *term = json_string_value(json_object_get(query, "searchWorkspaces"));
	const json_t *values = json_object_get(field, "values");
	const char *name = json_string_value(json_object_get(field, "name"));
	char room[96];
	size_t i;

	if (!json_is_object(query) || depth > 8)
		return true;
	if (term && !strstr(c->org->sites[r / ORG_PRODUCTS].name, term))
		return false;
	if (name && json_array_size(values)) {
		const char *is = workspace_field(c, r, name, room, sizeof(room));
		bool found = false;

		json_array_foreach ((json_t *)values, i, item) {
			found |= is &&
				 strcmp(is, json_string_value(item) ? json_string_value(item)
								    : "") == 0;
		}
		if (!found)
			return false;
	}
	json_array_foreach (json_object_get(query, "and"), i, item) {
		if (!workspace_matches(c, item, r, depth + 1))
			return false;
	}
	json_array_foreach (json_object_get(query, "nor"), i, item) {
		if (workspace_matches(c, item, r, depth + 1))
			return false;
	}
	return true;
}

static void workspace_write(struct call *c, struct jw *w, unsigned r)
{
	const struct site *site = &c->org->sites[r / ORG_PRODUCTS];
	const struct resource *res = &c->org->resources[r];

	jw_open(w, NULL, '{');
	jw_text(w, "id", res->ari);
	jw_text(w, "type", "workspaces");
	jw_open(w, "attributes", '{');
	jw_text(w, "name", site->name);
	jw_text(w, "typeKey", org_resource_product(r)->key);
	jw_text(w, "type", org_resource_product(r)->key);
	jw_text(w, "status", "online");
	jw_open(w, "statusDetails", '[');
	jw_close(w, ']');
	jw_open(w, "labels", '[');
	jw_close(w, ']');
	jw_textf(w, "hostUrl", "https://%s.atlassian.net", site->name);
	jw_text(w, "realm", "EU");
	jw_open(w, "sandbox", '{');
	jw_text(w, "type", "NONE");
	jw_close(w, '}');
	if (res->capacity)
		jw_int(w, "capacity", res->capacity);
	else
		jw_null(w, "capacity");
	jw_null(w, "usage");
	jw_close(w, '}');
	jw_open(w, "links", '{');
	jw_textf(w, "self", "%s/admin/v2/orgs/%s/workspaces", c->re->base, c->org->id);
	jw_close(w, '}');
	jw_open(w, "relationships", '{');
	jw_open(w, "entitlement", '[');
	jw_open(w, NULL, '{');
	jw_textf(w, "id", "entitlement-%u", r + 1);
	jw_text(w, "type", "entitlement");
	jw_open(w, "attributes", '{');
	jw_text(w, "key", org_resource_product(r)->key);
	jw_text(w, "plan", "STANDARD");
	jw_text(w, "planKey", "STANDARD");
	jw_close(w, '}');
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
	jw_close(w, '}');
}

/* The cursor may come in the body, or in the query of the URL that links.next is. */
static int workspaces_open(struct call *c, struct page *page)
{
	CLEANUP(buf_done) struct buf cursor;
	json_t *body = c->body;
	int status;

	buf_init(&cursor, 65536);
	if (body && json_object_get(body, "cursor") &&
	    !json_is_null(json_object_get(body, "cursor")) && json_object_size(body) > 1)
		return answer_bad_body(c, "with a cursor no other property may be present");
	if (call_query(c, "cursor", &cursor)) {
		CLEANUP(json_decref_at)
		json_t *asked = json_pack("{s:s}", "cursor", cursor.p ? cursor.p : "");

		return page_open(c, page, "workspaces", asked, 20, 1000);
	}
	status = page_open(c, page, "workspaces", body, 20, 1000);
	return status;
}

static int workspaces_search(struct call *c)
{
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	const json_t *query;
	size_t sent = 0;
	int64_t total = 0;
	int status = call_org(c);

	if (status == 0)
		status = workspaces_open(c, &page);
	if (status)
		return status;
	query = json_object_get(page.asked, "query");
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		if (!workspace_matches(c, query, r, 0))
			continue;
		total++;
		if (r < page.from || sent > page.limit)
			continue;
		if (sent == page.limit)
			page.next = r;
		else if (!page.lost)
			workspace_write(c, &w, r);
		sent++;
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	jw_open(&w, "links", '{');
	if (next) {
		jw_key(&w, "next");
		buf_addf(&c->out, "\"%s/admin/v2/orgs/%s/workspaces?cursor=%s\"", c->re->base,
			 c->org->id, next);
	}
	jw_close(&w, '}');
	jw_open(&w, "meta", '{');
	jw_int(&w, "pageSize", (int64_t)page.limit);
	jw_int(&w, "total", total);
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

/* clang-format off */
const struct endpoint endpoints_org[] = {
	{ "GET",  "/admin/v1/orgs", orgs_list, 0 },
	{ "GET",  "/admin/v1/orgs/{org}", org_get, 0 },
	{ "GET",  "/admin/v1/orgs/{org}/domains", domains_list, 0 },
	{ "GET",  "/admin/v1/orgs/{org}/domains/{domain}", domain_get, 0 },
	{ "GET",  "/admin/v2/orgs/{org}/directories", directories_list, 0 },
	{ "POST", "/admin/v2/orgs/{org}/workspaces", workspaces_search, 0 },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
