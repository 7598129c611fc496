#include "atlassian/collect.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/gather.h"
#include "atlassian/org.h"

/*
 * The order of reading: the organisation, its directories and products; per directory its
 * groups with what they grant (kept: there are few); then users page by page, of which nothing
 * is kept but a digest of each id. What users/search tells of an account is its groups and when
 * it used what; seats follow from the groups' grants. Direct roles take a request an account,
 * so they are asked for where they may matter (options.roles), a few at a time, while pages go
 * on: those accounts wait in a short queue until their answer is here. The list of API tokens,
 * whose pages come one after the other, goes on beside all that; accounts read before its end
 * wait for it, as texts.
 */

/* --- organisation, directories, products -------------------------------------------------- */

static int domain_row(struct gather *c, const json_t *row, struct err *err)
{
	const json_t *a = json_object_get(row, "attributes");
	struct atl_domain d = {
		.name = atl_text(a, "name"),
		.verified = str_eq(atl_text(json_object_get(a, "claim"), "status"),
				   STR("verified")),
	};

	return d.name.len ? c->sink->domain(c->sink->ctx, &d, err) : 0;
}

static int read_domains(struct gather *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	int r;

	if (!c->sink->domain)
		return 0;
	r = atl_org_domains(&p, c->client, &why);
	return gather_walk_opened(c, &p, r, &why, 0, domain_row, err);
}

static bool directory_wanted(const struct gather *c, struct str id)
{
	for (size_t i = 0; i < c->o->directories.n; i++)
		if (str_eq(str_of(c->o->directories.v[i]), id))
			return true;
	return c->o->directories.n == 0;
}

static int directory_row(struct gather *c, const json_t *row, struct err *err)
{
	struct atl_directory d = { atl_text(row, "directoryId"), atl_text(row, "name") };
	char *id;

	if (!d.id.len) {
		gather_lack(c, ATL_PART_ALL, "directories: a row has no \"directoryId\"");
		return 0;
	}
	if (!directory_wanted(c, d.id))
		return 0;
	for (size_t i = 0; i < c->directories.n; i++)
		if (str_eq(str_of(c->directories.v[i]), d.id))
			return 0;
	id = str_dup(d.id);
	if (!id || vec_atl_id_add(&c->directories, id) < 0) {
		free(id);
		return err_nomem(err);
	}
	return c->sink->directory ? c->sink->directory(c->sink->ctx, &d, err) : 0;
}

static int read_directories(struct gather *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	char text[200];
	int r = atl_org_directories(&p, c->client, &why);

	r = gather_walk_opened(c, &p, r, &why, ATL_PART_ALL, directory_row, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->o->directories.n; i++) {
		bool found = false;

		for (size_t k = 0; k < c->directories.n; k++)
			found |= !strcmp(c->o->directories.v[i], c->directories.v[k]);
		if (found)
			continue;
		snprintf(text, sizeof(text),
			 "directory %.80s is configured, and the API key does not see it",
			 c->o->directories.v[i]);
		gather_lack(c, ATL_PART_ALL, text);
	}
	if (!c->directories.n)
		gather_lack(c, ATL_PART_ALL, "the API key sees no directory");
	if (c->result->whole != ATL_PART_ALL || c->o->directories.n)
		return 0;
	return atl_client_directories_are(c->client, c->directories.n,
					  str_of(c->directories.n ? c->directories.v[0] : NULL),
					  err);
}

static struct str host_of(struct str url)
{
	struct str head, rest = url;

	for (size_t i = 0; i + 2 < url.len; i++)
		if (!memcmp(url.p + i, "://", 3)) {
			rest = str_n(url.p + i + 3, url.len - i - 3);
			break;
		}
	str_cut(rest, '/', &head, &rest);
	return head;
}

static int workspace_row(struct gather *c, const json_t *row, struct err *err)
{
	const json_t *a = json_object_get(row, "attributes");
	const json_t *capacity = json_object_get(a, "capacity");
	struct str id = atl_text(row, "id"), key = atl_text(a, "typeKey"), site, ari_key, bare;
	struct gather_product *r;

	if (!id.len) {
		gather_lack(c, ATL_PART_GRANTS | ATL_PART_SEATS,
			    "products: a row has no \"id\"");
		return 0;
	}
	if (gather_product_find(c, id))
		return 0;
	if (!key.len)
		key = atl_text(a, "type");
	if (atl_ari_cut(id, &ari_key, &bare) && !key.len)
		key = ari_key;
	site = host_of(atl_text(a, "hostUrl"));
	if (!site.len)
		site = bare.len ? bare : id;
	return gather_product_add(
		c, id, key, site,
		json_is_integer(capacity) ? json_integer_value(capacity) : ATL_ABSENT, &r, err);
}

static int read_workspaces(struct gather *c, struct err *err)
{
	const unsigned parts = ATL_PART_GRANTS | ATL_PART_SEATS | ATL_PART_ROLES;
	struct atl_pages p = { 0 };
	struct err why;
	int r = atl_org_workspaces(&p, c->client, &why);

	r = r < 0 ? gather_failed(c, parts, r, &why, err)
		  : gather_walk(c, &p, parts, workspace_row, err);
	if (r == 0)
		gather_total_check(c, &p, parts);
	atl_pages_done(&p);
	return r;
}

static int emit_resources(struct gather *c, struct err *err)
{
	struct gather_product *r, *next;
	int rc = 0;

	HASH_ITER (hh, c->resources, r, next) {
		struct atl_resource row = { str_of(r->id), str_of(r->key), str_of(r->site),
					    r->capacity, r->counted };

		if (rc == 0 && c->sink->resource)
			rc = c->sink->resource(c->sink->ctx, &row, err);
	}
	return rc;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void asks_drop(struct gather *c)
{
	for (; c->asked; c->asked--, c->first = (c->first + 1) % GATHER_WINDOW_MOST) {
		atl_pages_done(&c->group_asks[c->first].pages);
		atl_pages_done(&c->user_asks[c->first].pages);
		json_decref(TAKE(c->user_asks[c->first].row));
	}
}

static void collect_free(struct gather *c)
{
	struct gather_product *r, *next_r;
	struct gather_group *g, *next_g;

	asks_drop(c);
	HASH_ITER (hh, c->groups, g, next_g) {
		HASH_DEL(c->groups, g);
		gather_group_free(g);
	}
	HASH_ITER (hh, c->resources, r, next_r) {
		HASH_DEL(c->resources, r);
		gather_product_free(r);
	}
	gather_tokens_done(c);
	gather_waiting_done(c);
	for (size_t i = 0; i < c->directories.n; i++)
		free(c->directories.v[i]);
	vec_atl_id_done(&c->directories);
	atl_seen_free(c->seen);
	atl_seen_free(c->seen_here);
	free(c);
}
OWNED(struct gather, collect_free)

static int read_org(struct gather *c, struct err *err)
{
	char id[80], name[128];
	struct atl_org row;
	int r = atl_org_get(c->client, id, name, err);

	if (r < 0 || !c->sink->org)
		return r;
	row = (struct atl_org){ str_of(id), str_of(name) };
	return c->sink->org(c->sink->ctx, &row, err);
}

/* Each directory in turn stands last in the list while it is read, which is where the rows'
 * functions look for it. */
static int each_directory(struct gather *c,
			  int (*fn)(struct gather *, struct str, struct err *), struct err *err)
{
	size_t n = c->directories.n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		char *first = c->directories.v[0];

		memmove(c->directories.v, c->directories.v + 1, (n - 1) * sizeof(first));
		c->directories.v[n - 1] = first;
		r = fn(c, str_of(first), err);
	}
	return r;
}

/* Whether the next read may go on from the pages of this one, which ended so. */
static bool is_resumable(const struct gather *c, int r)
{
	if (c->stale || c->unfit)
		return false;
	if (r == 0)
		return !c->result->complete && c->paused;
	return r == -ERR_CANCELLED || r == -ERR_NOMEM || r == -ERR_IO || r == -ERR_FULL ||
	       r == -ERR_UNAVAILABLE;
}

int atl_collect(struct atl_client *client, const struct atl_sink *sink, int64_t now_ms,
		struct atl_result *ret, struct err *err)
{
	CLEANUP(collect_free_at) struct gather *c = calloc(1, sizeof(*c));
	struct atl_result result = { .whole = ATL_PART_ALL };
	uint64_t calls = atl_client_calls(client);
	int r;

	if (!c)
		return err_nomem(err);
	c->client = client;
	c->o = atl_client_options(client);
	c->sink = sink;
	c->result = &result;
	c->now_ms = now_ms;
	c->window = c->o->at_once < 1                    ? 1
		    : c->o->at_once > GATHER_WINDOW_MOST ? GATHER_WINDOW_MOST
							 : (unsigned)c->o->at_once;
	r = atl_seen_new(&c->seen, err);
	if (r == 0)
		r = read_org(c, err);
	if (r == 0)
		r = gather_tokens_open(c, err);
	if (r == 0)
		r = read_domains(c, err);
	if (r == 0)
		r = read_directories(c, err);
	if (r == 0)
		r = read_workspaces(c, err);
	if (r == 0)
		r = each_directory(c, gather_groups_of, err);
	if (r == 0)
		r = emit_resources(c, err);
	if (r == 0)
		r = gather_groups_emit(c, err);
	if (r == 0)
		r = each_directory(c, gather_users_of, err);
	if (r == 0)
		r = gather_outside(c, err);
	result.complete = r == 0 && result.whole == ATL_PART_ALL;
	if (sink->kept && !is_resumable(c, r))
		atl_kept_drop(sink->kept);
	if (r < 0)
		return c->stale ? ATL_AGAIN : r;
	if (sink->kept)
		result.kept = atl_kept_used(sink->kept);
	result.calls = atl_client_calls(client) - calls;
	*ret = result;
	return 0;
}
