/* A site's Confluence: the groups that give it, their members, its spaces. */
#include "base/jx.h"
#include "tests/rehearsal/works.h"

enum { CONFLUENCE = 2 }; /* of org_products */

static unsigned resource_of(unsigned site)
{
	return site * ORG_PRODUCTS + CONFLUENCE;
}

static const char *managed_word(const struct usergroup *g)
{
	return g->synced ? "EXTERNAL" : "ADMINS";
}

/* A page of Confluence's first API; rows are stolen. */
static int page_send(struct call *c, unsigned site, json_t *rows)
{
	size_t from = works_number(c, "start", 0), limit = works_number(c, "limit", 200);
	size_t total = json_array_size(rows), to;
	json_t *page = json_array(), *links = json_object();

	if (limit > 200)
		limit = 200;
	to = from + limit < total ? from + limit : total;
	for (size_t i = from; i < to; i++)
		json_array_append(page, json_array_get(rows, i));
	json_decref(rows);
	json_object_set_new(
		links, "base",
		json_sprintf("%s/ex/confluence/%s/wiki", c->re->base, c->org->sites[site].id));
	if (to < total)
		json_object_set_new(
			links, "next",
			json_sprintf("/rest/api/group?start=%zu&limit=%zu", to, limit));
	return works_send(c, 200,
			  json_pack("{s:o,s:I,s:I,s:I,s:o}", "results", page, "start",
				    (json_int_t)from, "limit", (json_int_t)limit, "size",
				    (json_int_t)(to - from), "_links", links));
}

static int groups_get(struct call *c)
{
	CLEANUP(buf_done) struct buf access;
	json_t *rows;
	unsigned site;
	int status = works_site(c, 2, &site);

	buf_init(&access, 64);
	if (status)
		return status;
	(void)call_query(c, "accessType", &access);
	rows = json_array();
	for (size_t i = 0; i < c->org->groups.n; i++) {
		const struct usergroup *g = c->org->groups.v[i];
		uint16_t roles = g->roles[resource_of(site)];

		if (g->gone ||
		    (str_eq(buf_str(&access), STR("user")) && !(roles & ROLES_BILLED)) ||
		    (str_eq(buf_str(&access), STR("admin")) && !(roles & ROLE_BIT(ROLE_ADMIN))))
			continue;
		json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "group",
						      "name", g->name, "id", g->id, "usageType",
						      "USERBASE_GROUP", "managedBy",
						      managed_word(g)));
	}
	return page_send(c, site, rows);
}

static int members_get(struct call *c)
{
	uint32_t group;
	unsigned site;
	json_t *rows;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	if (!org_group_by_id(c->org, call_segment(c, 7), &group))
		return works_send(c, 404,
				  json_pack("{s:i,s:s}", "statusCode", 404, "message",
					    "No group with that id"));
	rows = json_array();
	for (uint32_t i = 0; i < c->org->accounts.n; i++) {
		const struct account *a = c->org->accounts.v[i];

		if (!works_member(c, i, group) || !works_active(c, i) ||
		    a->type == TYPE_CUSTOMER)
			continue;
		json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "known",
						      "accountId", a->id, "accountType",
						      account_type_text(a->type), "publicName",
						      a->nickname, "displayName", a->name));
	}
	return page_send(c, site, rows);
}

static int spaces_get(struct call *c)
{
	CLEANUP(buf_done) struct buf cursor;
	json_t *page = json_array(), *links = json_object(), *row;
	size_t limit = works_number(c, "limit", 25), from = 0, i, n = 0;
	uint64_t at = 0;
	unsigned site;
	int status = works_site(c, 2, &site);

	buf_init(&cursor, 64);
	if (call_query(c, "cursor", &cursor) && str_uint64(buf_str(&cursor), &at))
		from = at;
	json_array_foreach (works_of(c, "spaces"), i, row) {
		if (status || !works_at(c, row, site) || n++ < from)
			continue;
		if (n > from + limit)
			break;
		json_array_append_new(page,
				      json_pack("{s:O,s:O,s:O,s:s,s:s,s:O,s:O}", "id",
						json_object_get(row, "id"), "key",
						json_object_get(row, "key"), "name",
						json_object_get(row, "name"), "type", "global",
						"status", "current", "authorId",
						json_object_get(row, "owner"), "spaceOwnerId",
						json_object_get(row, "owner")));
	}
	if (!status && n > from + limit)
		json_object_set_new(links, "next",
				    json_sprintf("/ex/confluence/%s/wiki/api/v2/"
						 "spaces?cursor=%zu&limit=%zu",
						 c->org->sites[site].id, from + limit, limit));
	if (status) {
		json_decref(page);
		json_decref(links);
		return status;
	}
	return works_send(c, 200, json_pack("{s:o,s:o}", "results", page, "_links", links));
}

/* clang-format off */
const struct endpoint endpoints_confluence[] = {
	{ "GET", "/ex/confluence/{cloud}/wiki/rest/api/group", groups_get, 0 },
	{ "GET", "/ex/confluence/{cloud}/wiki/rest/api/group/{group}/membersByGroupId", members_get, 0 },
	{ "GET", "/ex/confluence/{cloud}/wiki/api/v2/spaces", spaces_get, 0 },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
