#include "tests/rehearsal/works.h"

#include "base/jx.h"

static const char *const account_keys[] = { "lead",   "assignee", "reporter", "owner",
					    "author", "actor",    "account" };

int works_site(struct call *c, unsigned n, unsigned *ret)
{
	for (unsigned i = 0; i < c->org->site_count; i++) {
		if (!str_eq(call_segment(c, n), str_of(c->org->sites[i].id)))
			continue;
		*ret = i;
		return 0;
	}
	return answer_proxy(c, 404, "Site not found");
}

json_t *works_of(const struct call *c, const char *kind)
{
	return json_object_get(c->re->works, kind);
}

bool works_at(const struct call *c, const json_t *row, unsigned site)
{
	const char *name = json_string_value(json_object_get(row, "site"));

	return name && strcmp(name, c->org->sites[site].name) == 0;
}

json_t *works_find(const struct call *c, const char *kind, unsigned site, const char *key,
		   struct str value)
{
	json_t *row;
	size_t i;

	json_array_foreach (works_of(c, kind), i, row) {
		const char *text = json_string_value(json_object_get(row, key));

		if (works_at(c, row, site) && text && str_eq(value, str_of(text)))
			return row;
	}
	return NULL;
}

int works_send(struct call *c, int status, json_t *document)
{
	int r;

	buf_clear(&c->out);
	r = document ? jx_text(document, &c->out, NULL) : -1;
	json_decref(document);
	return r < 0 ? answer_proxy(c, 500, "out of memory") : status;
}

int works_refuse(struct call *c, int status, const char *message)
{
	return works_send(c, status,
			  json_pack("{s:[s],s:{}}", "errorMessages", message, "errors"));
}

bool works_active(const struct call *c, uint32_t account)
{
	const struct account *a = c->org->accounts.v[account];

	return !a->gone && org_life(a, c->now_ms) == LIFE_ACTIVE &&
	       org_membership(c->org, a) != MEMBER_SUSPENDED;
}

json_t *works_user(const struct call *c, unsigned site, const char *id)
{
	const struct account *a;
	uint32_t account;

	if (!id || !org_account_by_id(c->org, str_of(id), &account))
		return NULL;
	a = c->org->accounts.v[account];
	return json_pack("{s:s,s:s,s:b,s:s,s:o}", "accountId", a->id, "accountType",
			 account_type_text(a->type), "active", works_active(c, account),
			 "displayName", a->name, "self",
			 json_sprintf("%s/ex/jira/%s/rest/api/3/user?accountId=%s", c->re->base,
				      c->org->sites[site].id, a->id));
}

size_t works_number(const struct call *c, const char *name, size_t preset)
{
	CLEANUP(buf_done) struct buf text;
	uint64_t n = preset;

	buf_init(&text, 64);
	if (call_query(c, name, &text) && !str_uint64(buf_str(&text), &n))
		n = preset;
	return n;
}

int works_page(struct call *c, json_t *rows, size_t most)
{
	size_t from = works_number(c, "startAt", 0), limit = works_number(c, "maxResults", 50);
	size_t total = json_array_size(rows), to;
	json_t *values = json_array();

	if (limit > most)
		limit = most;
	to = from + limit < total ? from + limit : total;
	for (size_t i = from; i < to; i++)
		json_array_append(values, json_array_get(rows, i));
	json_decref(rows);
	return works_send(c, 200,
			  json_pack("{s:I,s:I,s:I,s:b,s:o}", "startAt", (json_int_t)from,
				    "maxResults", (json_int_t)limit, "total", (json_int_t)total,
				    "isLast", to >= total, "values", values));
}

bool works_member(const struct call *c, uint32_t account, uint32_t group)
{
	const struct account *a = c->org->accounts.v[account];

	return !a->gone && org_is_member(c->org, account, group) &&
	       org_membership(c->org, a) != MEMBER_SUSPENDED;
}

/* --- control ---------------------------------------------------------------------------- */

/* Addresses become ids. */
static bool accounts_resolve(struct call *c, json_t *row)
{
	for (size_t i = 0; i < COUNT_OF(account_keys); i++) {
		const char *text = json_string_value(json_object_get(row, account_keys[i]));
		uint32_t account;

		if (!text || !strchr(text, '@'))
			continue;
		if (!org_account_by_email(c->org, str_of(text), &account))
			return false;
		json_object_set_new(row, account_keys[i],
				    json_string(c->org->accounts.v[account]->id));
	}
	return true;
}

static bool closed_resolve(struct call *c, json_t *row)
{
	json_t *closed = json_object_get(row, "closed"), *one;
	size_t i;

	json_array_foreach (closed, i, one) {
		uint32_t account;

		if (!org_account_by_email(c->org, str_of(json_string_value(one)), &account))
			return false;
		json_array_set_new(closed, i, json_string(c->org->accounts.v[account]->id));
	}
	return true;
}

static int works_post(struct call *c)
{
	const char *kind;
	json_t *rows, *row;
	size_t i;

	json_object_foreach (c->body, kind, rows) {
		json_array_foreach (rows, i, row)
			if (!accounts_resolve(c, row) || !closed_resolve(c, row))
				return answer_bad_body(c, "%s %zu names no account", kind, i);
	}
	json_decref(c->re->works);
	c->re->works = json_deep_copy(c->body);
	return works_send(c, 200, json_object());
}

static int works_get(struct call *c)
{
	return works_send(c, 200, c->re->works ? json_incref(c->re->works) : json_object());
}

const struct endpoint endpoints_works[] = {
	{ "POST", "/_rehearsal/works", works_post, ENDPOINT_OBJECT },
	{ "GET", "/_rehearsal/works", works_get, 0 },
	{ NULL, NULL, NULL, 0 },
};
