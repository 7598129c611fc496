#include "atlassian/gather.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/org.h"

/* --- telling what is missing -------------------------------------------------------------- */

static void lack(struct gather *c, unsigned parts, const char *why)
{
	c->result->whole &= ~parts;
	if (parts && !c->result->why[0])
		snprintf(c->result->why, sizeof(c->result->why), "%s", why);
}

void gather_lack(struct gather *c, unsigned parts, const char *why)
{
	c->unfit |= parts != 0;
	lack(c, parts, why);
}

/* Asked again later, the same request may be answered. */
static bool is_away(int r)
{
	return r == -ERR_RATE_LIMIT || r == -ERR_TIMEOUT || r == -ERR_UNAVAILABLE ||
	       r == -ERR_NETWORK;
}

int gather_stale(struct gather *c, const struct err *why, struct err *err)
{
	c->stale = true;
	return err_set(err, ERR_EXPIRED_CURSOR, "%s", why->text);
}

int gather_failed(struct gather *c, unsigned parts, int r, const struct err *err,
		  struct err *ret)
{
	if (r == -ERR_NOMEM || r == -ERR_CANCELLED) {
		if (ret)
			*ret = *err;
		return r;
	}
	if (is_away(r))
		lack(c, parts, err->text);
	else
		gather_lack(c, parts, err->text);
	return 0;
}

int gather_stopped(const struct gather *c, struct err *err)
{
	if (c->sink->stop && c->sink->stop(c->sink->ctx))
		return err_set(err, ERR_CANCELLED, "collecting organisation %s was stopped",
			       c->o->name ? c->o->name : "");
	return 0;
}

enum tri gather_tri(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return json_is_boolean(value) ? tri_of(json_is_true(value)) : TRI_UNKNOWN;
}

/* --- products ----------------------------------------------------------------------------- */

static bool site_counts(const struct gather *c, struct str site)
{
	for (size_t i = 0; i < c->o->sites.n; i++)
		if (str_ieq(str_of(c->o->sites.v[i]), site))
			return true;
	return c->o->sites.n == 0;
}

void gather_product_free(struct gather_product *r)
{
	free(r->id);
	free(r->key);
	free(r->site);
	free(r);
}

int gather_product_add(struct gather *c, struct str id, struct str key, struct str site,
		       int64_t capacity, struct gather_product **ret, struct err *err)
{
	CLEANUP(gather_product_free_at) struct gather_product *r = calloc(1, sizeof(*r));

	if (!r)
		return err_nomem(err);
	r->id = str_dup(id);
	r->key = str_dup(atl_product_key(key));
	r->site = str_dup(site);
	r->capacity = capacity;
	r->counted = site_counts(c, site);
	if (!r->id || !r->key || !r->site)
		return err_nomem(err);
	HASH_ADD_KEYPTR(hh, c->resources, r->id, strlen(r->id), r);
	if (!MAP_ADDED(r))
		return err_nomem(err);
	*ret = TAKE(r);
	return 0;
}

struct gather_product *gather_product_find(struct gather *c, struct str id)
{
	struct gather_product *r;

	HASH_FIND(hh, c->resources, id.p, id.len, r);
	return r;
}

/* Workspaces may be listed by bare ids where grants say ARIs: then the ARI is the name. */
static int product_rename(struct gather *c, struct str ari, struct gather_product **ret,
			  struct err *err)
{
	struct gather_product *r, *next;
	struct str key, id;
	char *name;

	*ret = NULL;
	if (!atl_ari_cut(ari, &key, &id))
		return 0;
	HASH_ITER (hh, c->resources, r, next) {
		if (!str_eq(str_of(r->id), id) || !str_eq(str_of(r->key), atl_product_key(key)))
			continue;
		name = str_dup(ari);
		if (!name)
			return err_nomem(err);
		HASH_DEL(c->resources, r);
		free(r->id);
		r->id = name;
		HASH_ADD_KEYPTR(hh, c->resources, r->id, strlen(r->id), r);
		if (!MAP_ADDED(r)) {
			gather_product_free(r);
			return err_nomem(err);
		}
		*ret = r;
		return 0;
	}
	return 0;
}

int gather_product_of_grant(struct gather *c, struct str id, struct gather_product **ret,
			    struct err *err)
{
	struct str key = { 0 }, bare = { 0 };
	int r;

	*ret = gather_product_find(c, id);
	if (*ret || !id.len)
		return 0;
	r = product_rename(c, id, ret, err);
	if (r < 0 || *ret)
		return r;
	if (!atl_ari_cut(id, &key, &bare) || str_eq(key, STR("platform")) ||
	    str_eq(key, STR("identity")))
		return 0;
	return gather_product_add(c, id, key, bare, ATL_ABSENT, ret, err);
}

/* --- a list, row by row ------------------------------------------------------------------- */

int gather_walk(struct gather *c, struct atl_pages *p, unsigned parts, gather_row_fn fn,
		struct err *err)
{
	struct err why;

	p->kept = c->sink->kept;
	for (;;) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;
		int r = gather_stopped(c, err);

		if (r < 0)
			return r;
		r = atl_pages_next(p, &page, &rows, &why);
		if (r == ATL_END)
			return 0;
		if (r == ATL_STALE)
			return gather_stale(c, &why, err);
		c->paused |= parts && is_away(r);
		if (r < 0)
			return gather_failed(c, parts, r, &why, err);
		json_array_foreach (rows, i, row) {
			r = fn(c, row, err);
			if (r < 0)
				return r;
		}
		r = gather_beside(c,
				  c->waiting_bytes > GATHER_WAIT_BYTES / 2
					  ? 2 * GATHER_TOKEN_PAGES
					  : GATHER_TOKEN_PAGES,
				  err);
		if (r < 0)
			return r;
		if (c->sink->progress)
			c->sink->progress(c->sink->ctx, c->result->accounts,
					  c->expected > 0 ? c->expected : -1);
	}
}

int gather_walk_opened(struct gather *c, struct atl_pages *p, int opened, const struct err *why,
		       unsigned parts, gather_row_fn fn, struct err *err)
{
	int r = opened < 0 ? gather_failed(c, parts, opened, why, err)
			   : gather_walk(c, p, parts, fn, err);

	atl_pages_done(p);
	return r;
}

/* --- counts ------------------------------------------------------------------------------- */

/* Somebody may have come or gone since the first count. */
int gather_counted(struct gather *c, struct str directory, const char *things,
		   const char *query, int64_t before, int64_t rows, unsigned parts,
		   struct err *err)
{
	int64_t after = before;
	struct err why;
	char text[200];
	int r;

	if (rows == before || before < 0)
		return 0;
	r = atl_org_count(c->client, directory, things, query, &after, &why);
	if (r < 0)
		return gather_failed(c, parts, r, &why, err);
	if ((rows >= before && rows <= after) || (rows <= before && rows >= after))
		return 0;
	snprintf(text, sizeof(text),
		 "%s of directory %.40s: %lld rows came, Atlassian counts %lld: the list was "
		 "not whole",
		 things, str_eq(directory, STR("-")) ? "-" : directory.p, (long long)rows,
		 (long long)after);
	gather_lack(c, parts, text);
	return 0;
}

int gather_count_first(struct gather *c, struct str directory, const char *things,
		       const char *query, unsigned parts, int64_t *ret, struct err *err)
{
	struct err why;
	int r = atl_org_count(c->client, directory, things, query, ret, &why);

	if (r == 0)
		return 0;
	*ret = -1;
	return gather_failed(c, parts, r, &why, err);
}

void gather_total_check(struct gather *c, const struct atl_pages *p, unsigned parts)
{
	char text[160];

	if ((c->result->whole & parts) != parts || p->total < 0 ||
	    (uint64_t)p->total == p->rows)
		return;
	snprintf(text, sizeof(text),
		 "%s: %llu rows came, Atlassian counts %lld: the list was not whole", p->what,
		 (unsigned long long)p->rows, (long long)p->total);
	gather_lack(c, parts, text);
}
