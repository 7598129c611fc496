#include "atlassian/collect.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/org.h"
#include "atlassian/row.h"
#include "atlassian/users.h"
#include "base/map.h"

/*
 * The order of reading: the organisation, its directories and products; per directory its
 * groups with what they grant (kept: there are few); then users page by page, of which nothing
 * is kept but a digest of each id. What users/search tells of an account is its groups and when
 * it used what; seats follow from the groups' grants. Direct roles take a request an account,
 * so they are asked for where they may matter (options.roles), a few at a time, while pages go
 * on: those accounts wait in a short queue until their answer is here.
 */

#define WINDOW_MOST 32
#define HELD_MOST 1024 /* resources of one account; more is not believed */
#define FAILURES_MOST                                                                          \
	10 /* requests of a kind that fail in a row: then it is not asked again                \
	    */

struct resource {
	char *id, *key, *site;
	int64_t capacity;
	bool counted;
	UT_hash_handle hh;
};
VEC(vec_resource, struct resource *);

struct granted {
	struct resource *resource;
	char *role;
	bool is_default;
};
VEC(vec_granted, struct granted);

struct usergroup {
	char *id, *name, *directory;
	enum tri synced, modifiable, admin;
	bool roles_read;
	struct vec_granted grants;
	UT_hash_handle hh;
};

/* When the tokens of an account were last used. */
struct token_use {
	char *account;
	int64_t last_ms; /* ATL_ABSENT: it has tokens, none was used */
	UT_hash_handle hh;
};

/* A group whose roles were asked for. */
struct group_ask {
	struct usergroup *group;
	struct atl_pages pages;
	char what[200];
};

/* An account whose roles were asked for. */
struct user_ask {
	json_t *row;
	struct str directory; /* of c->directories */
	struct atl_pages pages;
	char what[200];
};

/* What an account may use, by way of its groups. */
struct held {
	struct resource *resource;
	enum tri billable; /* of its best role */
	bool shown;        /* by the account's own role assignments too */
};

struct collect {
	struct atl_client *client;
	const struct atl_options *o;
	const struct atl_sink *sink;
	struct atl_result *result;
	int64_t now_ms;
	struct vec_atl_id directories;
	struct resource *resources; /* by id */
	struct usergroup *groups;   /* by id */
	struct token_use *tokens;   /* by account */
	bool tokens_told;
	struct atl_seen *seen, *seen_here;
	struct group_ask group_asks[WINDOW_MOST];
	struct user_ask user_asks[WINDOW_MOST];
	unsigned window, first, asked; /* a ring: first..first+asked */
	struct held held[HELD_MOST];
	size_t held_count, held_any; /* billable or not */
	bool held_known;             /* every group of it is known */
	unsigned group_failures, role_failures, active_failures; /* in a row */
	int64_t expected;
};

/* --- telling what is missing -------------------------------------------------------------- */

static void lack(struct collect *c, unsigned parts, const char *why)
{
	c->result->whole &= ~parts;
	if (parts && !c->result->why[0])
		snprintf(c->result->why, sizeof(c->result->why), "%s", why);
}

/* A read failed: the parts that rest on it are not whole. What ends everything is passed on. */
static int failed(struct collect *c, unsigned parts, int r, const struct err *err,
		  struct err *ret)
{
	if (r == -ERR_NOMEM || r == -ERR_CANCELLED) {
		*ret = *err;
		return r;
	}
	lack(c, parts, err->text);
	return 0;
}

static int stopped(const struct collect *c, struct err *err)
{
	if (c->sink->stop && c->sink->stop(c->sink->ctx))
		return err_set(err, ERR_CANCELLED, "collecting organisation %s was stopped",
			       c->o->name ? c->o->name : "");
	return 0;
}

static struct str text_of(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return str_n(json_string_value(value), json_string_length(value));
}

static enum tri tri_at(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return json_is_boolean(value) ? tri_of(json_is_true(value)) : TRI_UNKNOWN;
}

/* --- products ----------------------------------------------------------------------------- */

/* "ari:cloud:KEY::site/ID" */
static bool ari_cut(struct str ari, struct str *key, struct str *id)
{
	struct str rest;

	if (!str_starts(ari, STR("ari:cloud:")))
		return false;
	if (!str_cut(str_n(ari.p + 10, ari.len - 10), ':', key, &rest))
		return false;
	return str_cut(rest, '/', &rest, id) && id->len;
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

static bool site_counts(const struct collect *c, struct str site)
{
	for (size_t i = 0; i < c->o->sites.n; i++)
		if (str_ieq(str_of(c->o->sites.v[i]), site))
			return true;
	return c->o->sites.n == 0;
}

static void resource_free(struct resource *r)
{
	free(r->id);
	free(r->key);
	free(r->site);
	free(r);
}
OWNED(struct resource, resource_free)

static int resource_add(struct collect *c, struct str id, struct str key, struct str site,
			int64_t capacity, struct resource **ret, struct err *err)
{
	CLEANUP(resource_free_at) struct resource *r = calloc(1, sizeof(*r));

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

static struct resource *resource_find(struct collect *c, struct str id)
{
	struct resource *r;

	HASH_FIND(hh, c->resources, id.p, id.len, r);
	return r;
}

/* Workspaces may be listed by bare ids where grants say ARIs: then the ARI is the name. */
static int resource_rename(struct collect *c, struct str ari, struct resource **ret,
			   struct err *err)
{
	struct resource *r, *next;
	struct str key, id;
	char *name;

	*ret = NULL;
	if (!ari_cut(ari, &key, &id))
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
			resource_free(r);
			return err_nomem(err);
		}
		*ret = r;
		return 0;
	}
	return 0;
}

/* The product that a group grants; one that no list knew is added. NULL for what is no product
 * (the organisation, the platform). */
static int resource_of_grant(struct collect *c, struct str id, struct resource **ret,
			     struct err *err)
{
	struct str key = { 0 }, bare = { 0 };
	int r;

	*ret = resource_find(c, id);
	if (*ret || !id.len)
		return 0;
	r = resource_rename(c, id, ret, err);
	if (r < 0 || *ret)
		return r;
	if (!ari_cut(id, &key, &bare) || str_eq(key, STR("platform")) ||
	    str_eq(key, STR("identity")))
		return 0;
	return resource_add(c, id, key, bare, ATL_ABSENT, ret, err);
}

static int workspace_row(struct collect *c, const json_t *row, struct err *err)
{
	const json_t *a = json_object_get(row, "attributes");
	const json_t *capacity = json_object_get(a, "capacity");
	struct str id = text_of(row, "id"), key = text_of(a, "typeKey"), site, ari_key, bare;
	struct resource *r;

	if (!id.len) {
		lack(c, ATL_PART_GRANTS | ATL_PART_SEATS, "products: a row has no \"id\"");
		return 0;
	}
	if (resource_find(c, id))
		return 0;
	if (!key.len)
		key = text_of(a, "type");
	if (ari_cut(id, &ari_key, &bare) && !key.len)
		key = ari_key;
	site = host_of(text_of(a, "hostUrl"));
	if (!site.len)
		site = bare.len ? bare : id;
	return resource_add(
		c, id, key, site,
		json_is_integer(capacity) ? json_integer_value(capacity) : ATL_ABSENT, &r, err);
}

/* --- a list, row by row ------------------------------------------------------------------- */

typedef int (*row_fn)(struct collect *c, const json_t *row, struct err *err);

/* Reads p to its end; a failed page makes parts incomplete, and is the end. */
static int walk(struct collect *c, struct atl_pages *p, unsigned parts, row_fn fn,
		struct err *err)
{
	struct err why;

	for (;;) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;
		int r = stopped(c, err);

		if (r < 0)
			return r;
		r = atl_pages_next(p, &page, &rows, &why);
		if (r == ATL_END)
			return 0;
		if (r < 0)
			return failed(c, parts, r, &why, err);
		json_array_foreach (rows, i, row) {
			r = fn(c, row, err);
			if (r < 0)
				return r;
		}
		if (c->sink->progress)
			c->sink->progress(c->sink->ctx, c->result->accounts,
					  c->expected > 0 ? c->expected : -1);
	}
}

/* As walk(), and the list is ended; opened is what opening it answered. */
static int walk_opened(struct collect *c, struct atl_pages *p, int opened,
		       const struct err *why, unsigned parts, row_fn fn, struct err *err)
{
	int r = opened < 0 ? failed(c, parts, opened, why, err) : walk(c, p, parts, fn, err);

	atl_pages_done(p);
	return r;
}

static int domain_row(struct collect *c, const json_t *row, struct err *err)
{
	const json_t *a = json_object_get(row, "attributes");
	struct atl_domain d = {
		.name = text_of(a, "name"),
		.verified =
			str_eq(text_of(json_object_get(a, "claim"), "status"), STR("verified")),
	};

	return d.name.len ? c->sink->domain(c->sink->ctx, &d, err) : 0;
}

static int read_domains(struct collect *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	int r;

	if (!c->sink->domain)
		return 0;
	r = atl_org_domains(&p, c->client, &why);
	return walk_opened(c, &p, r, &why, 0, domain_row, err);
}

static bool directory_wanted(const struct collect *c, struct str id)
{
	for (size_t i = 0; i < c->o->directories.n; i++)
		if (str_eq(str_of(c->o->directories.v[i]), id))
			return true;
	return c->o->directories.n == 0;
}

static int directory_row(struct collect *c, const json_t *row, struct err *err)
{
	struct atl_directory d = { text_of(row, "directoryId"), text_of(row, "name") };
	char *id;

	if (!d.id.len) {
		lack(c, ATL_PART_ALL, "directories: a row has no \"directoryId\"");
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

static int read_directories(struct collect *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	char text[200];
	int r = atl_org_directories(&p, c->client, &why);

	r = walk_opened(c, &p, r, &why, ATL_PART_ALL, directory_row, err);
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
		lack(c, ATL_PART_ALL, text);
	}
	if (!c->directories.n)
		lack(c, ATL_PART_ALL, "the API key sees no directory");
	if (c->result->whole != ATL_PART_ALL || c->o->directories.n)
		return 0;
	return atl_client_directories_are(c->client, c->directories.n,
					  str_of(c->directories.n ? c->directories.v[0] : NULL),
					  err);
}

/* Where the list itself tells how many rows it has. */
static void total_check(struct collect *c, const struct atl_pages *p, unsigned parts)
{
	char text[160];

	if ((c->result->whole & parts) != parts || p->total < 0 ||
	    (uint64_t)p->total == p->rows)
		return;
	snprintf(text, sizeof(text),
		 "%s: %llu rows came, Atlassian counts %lld: the list was not whole", p->what,
		 (unsigned long long)p->rows, (long long)p->total);
	lack(c, parts, text);
}

static int read_workspaces(struct collect *c, struct err *err)
{
	const unsigned parts = ATL_PART_GRANTS | ATL_PART_SEATS | ATL_PART_ROLES;
	struct atl_pages p = { 0 };
	struct err why;
	int r = atl_org_workspaces(&p, c->client, &why);

	r = r < 0 ? failed(c, parts, r, &why, err) : walk(c, &p, parts, workspace_row, err);
	if (r == 0)
		total_check(c, &p, parts);
	atl_pages_done(&p);
	return r;
}

/* --- API tokens --------------------------------------------------------------------------- */

static int token_row(struct collect *c, const json_t *row, struct err *err)
{
	struct str account = text_of(json_object_get(row, "user"), "id");
	struct str last = text_of(row, "lastActiveAt");
	struct token_use *use;
	int64_t ms = ATL_ABSENT;

	if (!account.len || (last.len && !stamp_parse(last, &ms))) {
		c->tokens_told = false;
		return 0;
	}
	HASH_FIND(hh, c->tokens, account.p, account.len, use);
	if (!use) {
		use = calloc(1, sizeof(*use));
		if (use)
			use->account = str_dup(account);
		if (!use || !use->account) {
			free(use);
			return err_nomem(err);
		}
		use->last_ms = ATL_ABSENT;
		HASH_ADD_KEYPTR(hh, c->tokens, use->account, account.len, use);
		if (!MAP_ADDED(use)) {
			free(use->account);
			free(use);
			return err_nomem(err);
		}
	}
	if (ms > use->last_ms)
		use->last_ms = ms;
	return 0;
}

/* No part rests on tokens: where they cannot be read, their use is unknown. */
static int read_tokens(struct collect *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	int r;

	if (!c->o->tokens)
		return 0;
	c->tokens_told = true;
	r = atl_users_all_tokens(&p, c->client, &why);
	while (r == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;

		r = stopped(c, &why);
		if (r == 0)
			r = atl_pages_next(&p, &page, &rows, &why);
		if (r != 0)
			break;
		json_array_foreach (rows, i, row)
			if (r == 0)
				r = token_row(c, row, &why);
	}
	atl_pages_done(&p);
	if (r >= 0)
		return 0;
	c->tokens_told = false;
	return failed(c, 0, r, &why, err);
}

/* --- groups ------------------------------------------------------------------------------- */

static void group_free(struct usergroup *g)
{
	for (size_t i = 0; i < g->grants.n; i++)
		free(g->grants.v[i].role);
	vec_granted_done(&g->grants);
	free(g->id);
	free(g->name);
	free(g->directory);
	free(g);
}
OWNED(struct usergroup, group_free)

static int grant_add(struct collect *c, struct usergroup *g, struct str role,
		     struct str resource, bool is_default, struct err *err)
{
	struct granted one = { .is_default = is_default };
	int r;

	if (atl_role_admin(role))
		g->admin = TRI_YES;
	r = resource_of_grant(c, resource, &one.resource, err);
	if (r < 0 || !one.resource)
		return r;
	one.role = str_dup(role);
	if (one.role && vec_granted_add(&g->grants, one) == 0)
		return 0;
	free(one.role);
	return err_nomem(err);
}

static int grant_row(struct collect *c, struct usergroup *g, const json_t *row, struct err *err)
{
	const json_t *roles = json_object_get(row, "roles");
	struct str resource = text_of(row, "resourceId"), given = text_of(row, "defaultRole");
	json_t *role;
	size_t i;
	int r = 0;

	if (!resource.len || !json_is_array(roles)) {
		lack(c, ATL_PART_GRANTS, "a group's role assignment has no resource or roles");
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
static int group_answer(struct collect *c, struct err *err)
{
	struct group_ask *ask = &c->group_asks[c->first];
	struct usergroup *g = ask->group;
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
	c->first = (c->first + 1) % WINDOW_MOST;
	c->asked--;
	if (r >= 0) {
		c->group_failures = 0;
		return 0;
	}
	c->group_failures++;
	g->roles_read = false;
	if (g->admin != TRI_YES)
		g->admin = TRI_UNKNOWN;
	return failed(c, ATL_PART_GRANTS, r, &why, err);
}

static int group_ask(struct collect *c, struct usergroup *g, struct err *err)
{
	struct group_ask *ask;
	struct err why;
	int r = 0;

	while (r == 0 && c->asked >= c->window)
		r = group_answer(c, err);
	if (r < 0 || c->group_failures >= FAILURES_MOST)
		return r; /* the grants are incomplete anyway */
	ask = &c->group_asks[(c->first + c->asked) % WINDOW_MOST];
	ask->group = g;
	snprintf(ask->what, sizeof(ask->what), "the roles of group %.100s", g->id);
	r = atl_org_group_roles(&ask->pages, c->client, str_of(g->directory), str_of(g->id),
				ask->what, &why);
	if (r == 0)
		r = atl_pages_start(&ask->pages, &why);
	if (r < 0) {
		atl_pages_done(&ask->pages);
		return failed(c, ATL_PART_GRANTS, r, &why, err);
	}
	c->asked++;
	return 0;
}

static int group_add(struct collect *c, const json_t *row, struct str id, struct str directory,
		     struct usergroup **ret, struct err *err)
{
	CLEANUP(group_free_at) struct usergroup *g = calloc(1, sizeof(*g));
	struct str managed = text_of(row, "managedBy");

	if (!g)
		return err_nomem(err);
	g->id = str_dup(id);
	g->name = str_dup(text_of(row, "name"));
	g->directory = str_dup(directory);
	if (!g->id || !g->name || !g->directory)
		return err_nomem(err);
	g->synced = tri_at(row, "externalSynced");
	if (g->synced == TRI_UNKNOWN && managed.len)
		g->synced = tri_of(str_eq(managed, STR("external")));
	g->modifiable = tri_at(json_object_get(row, "managementAccess"), "modifiable");
	HASH_ADD_KEYPTR(hh, c->groups, g->id, strlen(g->id), g);
	if (!MAP_ADDED(g))
		return err_nomem(err);
	*ret = TAKE(g);
	return 0;
}

static int group_row(struct collect *c, const json_t *row, struct err *err)
{
	struct str id = atl_group_id(text_of(row, "id")),
		   directory = text_of(row, "directoryId");
	const json_t *count = json_object_get(json_object_get(row, "counts"), "resources");
	struct usergroup *g;
	int r;

	if (!id.len) {
		lack(c, ATL_PART_GROUPS, "groups: a row has no \"id\"");
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

/* --- counts ------------------------------------------------------------------------------- */

/* Holds the rows that were read against what Atlassian counts. The count is asked for again
 * where they differ: somebody may have come or gone meanwhile. */
static int counted(struct collect *c, struct str directory, const char *things,
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
		return failed(c, parts, r, &why, err);
	if ((rows >= before && rows <= after) || (rows <= before && rows >= after))
		return 0;
	snprintf(text, sizeof(text),
		 "%s of directory %.40s: %lld rows came, Atlassian counts %lld: the list was "
		 "not whole",
		 things, str_eq(directory, STR("-")) ? "-" : directory.p, (long long)rows,
		 (long long)after);
	lack(c, parts, text);
	return 0;
}

/* -1 when it could not be asked for, which makes parts incomplete. */
static int count_first(struct collect *c, struct str directory, const char *things,
		       const char *query, unsigned parts, int64_t *ret, struct err *err)
{
	struct err why;
	int r = atl_org_count(c->client, directory, things, query, ret, &why);

	if (r == 0)
		return 0;
	*ret = -1;
	return failed(c, parts, r, &why, err);
}

static int read_groups_of(struct collect *c, struct str directory, struct err *err)
{
	const unsigned parts = ATL_PART_GROUPS | ATL_PART_GRANTS | ATL_PART_MEMBERS;
	uint64_t before = c->result->groups;
	struct atl_pages p = { 0 };
	char what[120];
	struct err why;
	int64_t count;
	int r;

	snprintf(what, sizeof(what), "groups of directory " STR_FMT, STR_ARG(directory));
	r = count_first(c, directory, "groups", NULL, parts, &count, err);
	if (r < 0)
		return r;
	r = atl_org_groups(&p, c->client, directory, NULL, what, &why);
	r = walk_opened(c, &p, r, &why, parts, group_row, err);
	while (r == 0 && c->asked)
		r = group_answer(c, err);
	if (r == 0 && (c->result->whole & ATL_PART_GROUPS))
		r = counted(c, directory, "groups", NULL, count,
			    (int64_t)(c->result->groups - before), parts, err);
	return r;
}

/* --- handing out what does not belong to one account -------------------------------------- */

static int emit_resources(struct collect *c, struct err *err)
{
	struct resource *r, *next;
	int rc = 0;

	HASH_ITER (hh, c->resources, r, next) {
		struct atl_resource row = { str_of(r->id), str_of(r->key), str_of(r->site),
					    r->capacity, r->counted };

		if (rc == 0 && c->sink->resource)
			rc = c->sink->resource(c->sink->ctx, &row, err);
	}
	return rc;
}

static int emit_grants(struct collect *c, const struct usergroup *g, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->grants.n; i++) {
		const struct granted *one = &g->grants.v[i];
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

static int emit_groups(struct collect *c, struct err *err)
{
	struct usergroup *g, *next;
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

/* --- accounts ----------------------------------------------------------------------------- */

static struct held *held_find(struct collect *c, const struct resource *resource)
{
	for (size_t i = 0; i < c->held_count; i++)
		if (c->held[i].resource == resource)
			return &c->held[i];
	return NULL;
}

/* Adds a product to what the account may use; YES before UNKNOWN before NO. */
static void held_add(struct collect *c, struct resource *resource, enum tri billable)
{
	struct held *h = held_find(c, resource);

	if (!h) {
		if (c->held_count == HELD_MOST) {
			c->held_known = false;
			return;
		}
		h = &c->held[c->held_count++];
		*h = (struct held){ resource, TRI_NO, false };
	}
	if (billable == TRI_YES || (billable == TRI_UNKNOWN && h->billable == TRI_NO))
		h->billable = billable;
}

/* Admin by way of a group. */
static void admin_add(struct atl_account *row, enum tri admin)
{
	if (admin == TRI_YES)
		row->admin = TRI_YES;
	else if (admin == TRI_UNKNOWN && row->admin == TRI_NO)
		row->admin = TRI_UNKNOWN;
}

/* What the account's groups grant. */
static void hold_by_groups(struct collect *c, struct atl_user *u)
{
	json_t *row;
	size_t i;

	c->held_count = 0;
	c->held_known = u->groups != NULL;
	json_array_foreach ((json_t *)(uintptr_t)u->groups, i, row) {
		struct str id = atl_group_id(text_of(row, "id"));
		struct usergroup *g = NULL;

		if (id.len)
			HASH_FIND(hh, c->groups, id.p, id.len, g);
		if (!g) {
			c->held_known = false;
			admin_add(&u->row, TRI_UNKNOWN);
			if (!c->o->directories.n)
				lack(c, ATL_PART_GROUPS | ATL_PART_GRANTS | ATL_PART_SEATS,
				     "an account is in a group that the list of groups did not "
				     "have");
			continue;
		}
		c->held_known &= g->roles_read;
		admin_add(&u->row, g->admin);
		for (size_t k = 0; k < g->grants.n; k++)
			held_add(c, g->grants.v[k].resource,
				 atl_role_billable(str_of(g->grants.v[k].role)));
	}
	c->held_any = c->held_count;
}

static bool takes_seats(const struct atl_user *u)
{
	return (u->row.status == ACCOUNT_ACTIVE || u->row.status == ACCOUNT_UNKNOWN) &&
	       u->row.type != ACCOUNT_APP && u->row.type != ACCOUNT_CUSTOMER;
}

static bool seat_idle(const struct collect *c, const struct atl_user *u)
{
	for (size_t i = 0; i < c->held_count; i++) {
		int64_t last;

		if (c->held[i].billable == TRI_NO || !c->held[i].resource->counted)
			continue;
		last = atl_user_last(u, str_of(c->held[i].resource->id));
		if (last == ATL_ABSENT || (last > 0 && last < c->now_ms - c->o->idle_after_ms))
			return true;
	}
	return false;
}

/* Some access that no group explains, or an account whose paths a plan may soon rest on. */
static bool roles_needed(struct collect *c, const struct atl_user *u)
{
	json_t *row;
	size_t i;

	if (u->row.type == ACCOUNT_APP || u->row.type == ACCOUNT_CUSTOMER)
		return false;
	if (c->o->roles == ATL_ROLES_ALL)
		return true;
	if (!takes_seats(u))
		return false;
	if (u->row.admin == TRI_YES || json_array_size(u->platform) || seat_idle(c, u))
		return true;
	if (u->resources >= 0)
		return (uint64_t)u->resources != c->held_any;
	json_array_foreach ((json_t *)(uintptr_t)u->products, i, row) {
		struct resource *used = resource_find(c, text_of(row, "id"));

		if (used && !held_find(c, used))
			return true;
	}
	return false;
}

static bool is_own(const struct collect *c, const struct atl_account *row)
{
	for (size_t i = 0; i < c->o->own.n; i++) {
		struct str own = str_of(c->o->own.v[i]);

		if (str_eq(own, row->id) || (row->email.len && str_ieq(own, row->email)))
			return true;
	}
	return false;
}

static void tokens_of(const struct collect *c, struct atl_account *row)
{
	struct token_use *use;

	row->tokens = TRI_UNKNOWN;
	row->token_active_ms = c->o->tokens ? ATL_UNKNOWN_MS : ATL_ABSENT;
	if (!c->tokens_told)
		return;
	HASH_FIND(hh, c->tokens, row->id.p, row->id.len, use);
	row->token_active_ms = use ? use->last_ms : ATL_ABSENT;
	/* The list holds the tokens of managed accounts only. */
	if (use)
		row->tokens = TRI_YES;
	else if (row->managed == TRI_YES)
		row->tokens = TRI_NO;
}

/* --- an account's roles --- */

VEC(vec_role, struct atl_role);

struct roles {
	struct vec_role rows; /* texts of the pages below */
	json_t *pages;        /* array, keeps the texts alive */
	bool known;
};

static void roles_done(struct roles *r)
{
	vec_role_done(&r->rows);
	json_decref(r->pages);
}

static bool has_method(const json_t *assignment, const char *method)
{
	json_t *one;
	size_t i;

	json_array_foreach (json_object_get(assignment, "roleAssignmentMethods"), i, one)
		if (str_eq(str_n(json_string_value(one), json_string_length(one)),
			   str_of(method)))
			return true;
	return false;
}

static int role_add(struct roles *into, struct str account, const struct resource *resource,
		    struct str role, bool inferred, struct err *err)
{
	struct atl_role row = {
		.account = account,
		.resource = str_of(resource->id),
		.role = role,
		.inferred = inferred,
		.billable = atl_role_billable(role),
	};

	return vec_role_add(&into->rows, row) < 0 ? err_nomem(err) : 0;
}

/* One role of the account on one product, and the ways it came. */
static int role_row(struct collect *c, struct str account, struct resource *resource,
		    const json_t *assignment, bool suspended, struct roles *into,
		    struct err *err)
{
	struct str role = text_of(assignment, "role");
	enum tri billable = atl_role_billable(role);
	bool direct = has_method(assignment, "direct");
	bool inferred = has_method(assignment, "inferred");
	struct held *h = held_find(c, resource);
	int r = 0;

	if (h)
		h->shown = true;
	if (!role.len || (!direct && !inferred && !has_method(assignment, "group_direct"))) {
		into->known = false;
		return 0;
	}
	/* By a group that the account's list of groups did not show. */
	if (has_method(assignment, "group_direct") && billable != TRI_NO &&
	    (!h || h->billable == TRI_NO))
		into->known = false;
	if (direct)
		r = role_add(into, account, resource, role, false, err);
	if (r == 0 && inferred)
		r = role_add(into, account, resource, role, true, err);
	if (r == 0 && !suspended)
		held_add(c, resource, billable);
	return r;
}

static int roles_row(struct collect *c, struct str account, const json_t *row,
		     struct roles *into, struct err *err)
{
	struct str id = text_of(row, "resourceId"), key, bare;
	bool suspended = str_eq(text_of(row, "userDirectoryStatus"), STR("suspended"));
	const json_t *list = json_object_get(row, "roleAssignments");
	struct resource *resource = resource_find(c, id);
	json_t *one;
	size_t i;
	int r = 0;

	if (!resource && ari_cut(id, &key, &bare) &&
	    (str_eq(key, STR("platform")) || str_eq(key, STR("identity"))))
		return 0; /* a role on the organisation: platformRoles told it */
	if (!resource || !json_is_array(list)) {
		into->known = false;
		lack(c, ATL_PART_ROLES | ATL_PART_SEATS,
		     "an account has a role on something that the list of products did not "
		     "have");
		return 0;
	}
	json_array_foreach ((json_t *)(uintptr_t)list, i, one)
		if (r == 0)
			r = role_row(c, account, resource, one, suspended, into, err);
	return r;
}

/* Reads the answer about an account's roles into *into; what fails makes roles incomplete. */
static int roles_read(struct collect *c, struct str account, struct atl_pages *p,
		      struct roles *into, struct err *err)
{
	struct err why;
	int r = 0;

	into->known = true;
	into->pages = json_array();
	if (!into->pages)
		return err_nomem(err);
	while (r == 0) {
		json_t *page = NULL, *rows, *row;
		size_t i;

		r = atl_pages_next(p, &page, &rows, &why);
		if (r != 0)
			break;
		r = jx_add(into->pages, page, &why);
		json_array_foreach (rows, i, row)
			if (r == 0)
				r = roles_row(c, account, row, into, &why);
	}
	/* What its groups grant must be among them; where it is not (a change shows up to 30 s
	 * later) other roles may be missing too. */
	for (size_t i = 0; i < c->held_any && i < c->held_count; i++)
		into->known &= c->held[i].shown;
	if (r >= 0) {
		c->role_failures = 0;
		return 0;
	}
	c->role_failures++;
	into->known = false;
	return failed(c, ATL_PART_ROLES, r, &why, err);
}

/* --- handing out an account --- */

static int emit_members(struct collect *c, const struct atl_user *u, struct err *err)
{
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)(uintptr_t)u->groups, i, row) {
		struct str id = atl_group_id(text_of(row, "id"));

		if (!id.len || r < 0)
			continue;
		c->result->members++;
		if (c->sink->member)
			r = c->sink->member(c->sink->ctx, u->row.id, id, err);
	}
	return r;
}

static int emit_seats(struct collect *c, const struct atl_user *u, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->held_count && takes_seats(u); i++) {
		const struct resource *resource = c->held[i].resource;
		struct atl_seat row = {
			.account = u->row.id,
			.resource = str_of(resource->id),
			.last_active_ms = atl_user_last(u, str_of(resource->id)),
		};

		if (c->held[i].billable != TRI_YES || !resource->counted)
			continue;
		c->result->seats++;
		if (c->sink->seat)
			r = c->sink->seat(c->sink->ctx, &row, err);
	}
	return r;
}

static int emit_roles(struct collect *c, const struct roles *roles, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < roles->rows.n; i++) {
		c->result->roles++;
		if (c->sink->role)
			r = c->sink->role(c->sink->ctx, &roles->rows.v[i], err);
	}
	return r;
}

/* What the row did not tell, and whether it can be asked for otherwise. *own keeps the answer
 * alive. */
static int last_active_ask(struct collect *c, struct atl_user *u, json_t **own, struct err *err)
{
	struct err why;
	json_t *row, *told;
	size_t i;
	int r;

	if (c->active_failures >= FAILURES_MOST)
		return 0; /* seats are incomplete anyway */
	r = atl_org_last_active(c->client, u->row.id, own, &why);
	if (r == -ERR_NOT_FOUND)
		return 0; /* gone since the page was made */
	c->active_failures = r < 0 ? c->active_failures + 1 : 0;
	if (r < 0)
		return failed(c, ATL_PART_SEATS, r, &why, err);
	told = json_object_get(*own, "product_access");
	json_array_foreach (told, i, row) {
		json_t *at = json_object_get(row, "last_active_timestamp");

		if (!at)
			at = json_object_get(row, "last_active");
		if (at && jx_set(row, "lastActiveTimestamp", json_incref(at), err) < 0)
			return err_nomem(err);
	}
	u->products = told;
	u->row.last_active_ms = atl_user_newest(told);
	if (u->row.last_active_ms > 0)
		u->row.accepted = TRI_YES;
	return 0;
}

/* The account with all that is known of it; p is the answer about its roles, or NULL. */
static int emit_account(struct collect *c, struct atl_user *u, struct str directory,
			struct atl_pages *p, struct err *err)
{
	CLEANUP(roles_done) struct roles roles = { 0 };
	CLEANUP(json_decref_at) json_t *last = NULL;
	CLEANUP(buf_done) struct buf platform;
	int r = 0;

	buf_init(&platform, 4096);
	r = atl_platform_read(u->platform, &u->row, &platform, err);
	hold_by_groups(c, u); /* after it: admin by groups comes on top of platform roles */
	if (r == 0 && p)
		r = roles_read(c, u->row.id, p, &roles, err);
	if (r == 0 && !u->products && takes_seats(u) && c->held_count)
		r = last_active_ask(c, u, &last, err);
	if (r < 0)
		return r;
	u->row.directory = directory;
	u->row.roles = buf_str(&platform);
	u->row.own = is_own(c, &u->row);
	tokens_of(c, &u->row);
	if (p)
		u->row.paths_known = tri_of(roles.known && c->held_known);
	else
		c->result->not_read++;
	c->result->accounts++;
	if (c->sink->account)
		r = c->sink->account(c->sink->ctx, &u->row, err);
	if (r == 0)
		r = emit_members(c, u, err);
	if (r == 0)
		r = emit_seats(c, u, err);
	return r == 0 ? emit_roles(c, &roles, err) : r;
}

/* --- the queue of accounts whose roles were asked for --- */

static int user_answer(struct collect *c, struct err *err)
{
	struct user_ask *ask = &c->user_asks[c->first];
	struct atl_user u;
	char why[100];
	int r = 0;

	if (atl_user_read(ask->row, &u, why, sizeof(why))) /* it was fine when it was queued */
		r = emit_account(c, &u, ask->directory, &ask->pages, err);
	atl_pages_done(&ask->pages);
	json_decref(TAKE(ask->row));
	c->first = (c->first + 1) % WINDOW_MOST;
	c->asked--;
	return r;
}

/* 0: queued. NOT_ASKED: the request could not be sent, or too many failed: roles are
 * incomplete. */
enum { NOT_ASKED = 1 };
static int user_ask(struct collect *c, const json_t *row, const struct atl_user *u,
		    struct str directory, struct err *err)
{
	struct user_ask *ask;
	struct err why;
	int r = 0;

	while (r == 0 && c->asked >= c->window)
		r = user_answer(c, err);
	if (r < 0)
		return r;
	if (c->role_failures >= FAILURES_MOST)
		return NOT_ASKED;
	ask = &c->user_asks[(c->first + c->asked) % WINDOW_MOST];
	snprintf(ask->what, sizeof(ask->what), "the roles of an account");
	ask->directory = directory;
	r = atl_org_user_roles(&ask->pages, c->client, STR("-"), u->row.id, (struct str){ 0 },
			       ask->what, &why);
	if (r == 0)
		r = atl_pages_start(&ask->pages, &why);
	if (r == 0) {
		ask->row = json_incref((json_t *)(uintptr_t)row);
		c->asked++;
		return 0;
	}
	atl_pages_done(&ask->pages);
	r = failed(c, ATL_PART_ROLES, r, &why, err);
	return r < 0 ? r : NOT_ASKED;
}

/* --- rows of users --- */

/* 0: new. ATL_SEEN: seen in this very list. 2: new here, known from another directory. */
enum { SEEN_ELSEWHERE = 2 };
static int seen_before(struct collect *c, struct str id, struct err *err)
{
	int known = atl_seen_add(c->seen, id, err), here = 0;

	if (known < 0 || !c->seen_here)
		return known;
	here = atl_seen_add(c->seen_here, id, err);
	if (here != 0)
		return here;
	return known == ATL_SEEN ? SEEN_ELSEWHERE : 0;
}

/* What the row should have told and did not. */
static void row_lacks(struct collect *c, const struct atl_user *u)
{
	if (!u->groups)
		lack(c, ATL_PART_MEMBERS | ATL_PART_SEATS,
		     "users/search did not tell the groups of an account");
	if (!u->platform)
		lack(c, ATL_PART_ROLES,
		     "users/search did not tell the platform roles of an account");
	if (u->row.status == ACCOUNT_UNKNOWN)
		lack(c, ATL_PART_ACCOUNTS,
		     "users/search did not tell the status of an account, or a new one");
}

static int also_in(struct collect *c, struct atl_user *u, struct str directory, struct err *err)
{
	int r = 0;

	hold_by_groups(c, u);
	if (c->sink->also_in)
		r = c->sink->also_in(c->sink->ctx, u->row.id, directory, err);
	if (r == 0)
		r = emit_members(c, u, err);
	return r == 0 ? emit_seats(c, u, err) : r;
}

static int user_row(struct collect *c, const json_t *row, struct str directory, struct err *err)
{
	struct atl_user u;
	char why[100];
	int r;

	if (!atl_user_read(row, &u, why, sizeof(why))) {
		lack(c, ATL_PART_ALL & ~(ATL_PART_GROUPS | ATL_PART_GRANTS), why);
		return 0;
	}
	r = seen_before(c, u.row.id, err);
	if (r < 0)
		return r;
	if (r == ATL_SEEN) {
		c->result->repeated++;
		return 0;
	}
	row_lacks(c, &u);
	if (r == SEEN_ELSEWHERE)
		return also_in(c, &u, directory, err);
	hold_by_groups(c, &u);
	if (directory.len && roles_needed(c, &u)) {
		r = user_ask(c, row, &u, directory, err);
		if (r != NOT_ASKED)
			return r;
	}
	return emit_account(c, &u, directory, NULL, err);
}

static int user_row_here(struct collect *c, const json_t *row, struct err *err)
{
	return user_row(c, row, str_of(c->directories.v[c->directories.n - 1]), err);
}

static int user_row_outside(struct collect *c, const json_t *row, struct err *err)
{
	return user_row(c, row, (struct str){ 0 }, err);
}

static int managed_row(struct collect *c, const json_t *row, struct err *err)
{
	struct atl_user u;
	char why[100];
	int r;

	if (!atl_managed_read(row, &u, why, sizeof(why))) {
		lack(c, ATL_PART_ACCOUNTS, why);
		return 0;
	}
	r = seen_before(c, u.row.id, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return emit_account(c, &u, (struct str){ 0 }, NULL, err);
}

#define USER_PARTS (ATL_PART_ACCOUNTS | ATL_PART_MEMBERS | ATL_PART_SEATS | ATL_PART_ROLES)

static int read_users_of(struct collect *c, struct str directory, struct err *err)
{
	struct atl_pages p = { 0 };
	size_t before;
	char what[120];
	struct err why;
	int64_t count;
	int r;

	snprintf(what, sizeof(what), "users of directory " STR_FMT, STR_ARG(directory));
	if (c->directories.n > 1) {
		atl_seen_free(TAKE(c->seen_here));
		r = atl_seen_new(&c->seen_here, err);
		if (r < 0)
			return r;
	}
	before = atl_seen_count(c->seen_here ? c->seen_here : c->seen);
	r = count_first(c, directory, "users", NULL, USER_PARTS, &count, err);
	if (r < 0)
		return r;
	if (count > 0)
		c->expected += count;
	r = atl_org_users(&p, c->client, directory, NULL, what, &why);
	r = walk_opened(c, &p, r, &why, USER_PARTS, user_row_here, err);
	while (r == 0 && c->asked)
		r = user_answer(c, err);
	if (r == 0 && (c->result->whole & ATL_PART_ACCOUNTS))
		r = counted(c, directory, "users", NULL, count,
			    (int64_t)(atl_seen_count(c->seen_here ? c->seen_here : c->seen) -
				      before),
			    USER_PARTS, err);
	return r;
}

/* Organisations of the older kind do not know the search over everything: the list of managed
 * accounts takes its place. */
static int read_managed(struct collect *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	int r = atl_users_managed(&p, c->client, &why);

	r = r < 0 ? failed(c, ATL_PART_ACCOUNTS, r, &why, err)
		  : walk(c, &p, ATL_PART_ACCOUNTS, managed_row, err);
	if (r == 0)
		total_check(c, &p, ATL_PART_ACCOUNTS);
	atl_pages_done(&p);
	return r;
}

static const char outside[] = "claimStatus=managed&membershipStatus=no_membership";

static int read_outside(struct collect *c, struct err *err)
{
	struct atl_pages p = { 0 };
	size_t before = atl_seen_count(c->seen);
	json_t *body;
	struct err why;
	int64_t count;
	int r;

	atl_seen_free(TAKE(c->seen_here));
	r = atl_org_count(c->client, STR("-"), "users", outside, &count, &why);
	if (r == -ERR_REMOTE || r == -ERR_NOT_FOUND)
		return read_managed(c, err);
	if (r < 0)
		return failed(c, ATL_PART_ACCOUNTS, r, &why, err);
	body = json_pack("{s:s, s:[s]}", "claimStatus", "managed", "membershipStatus",
			 "no_membership");
	if (!body)
		return err_nomem(err);
	r = atl_org_users(&p, c->client, STR("-"), body,
			  "managed accounts outside the directories", &why);
	r = walk_opened(c, &p, r, &why, ATL_PART_ACCOUNTS, user_row_outside, err);
	/* One that left a directory meanwhile was seen before: only fewer rows than seen are
	 * certain to lack something. */
	if (r == 0 && (c->result->whole & ATL_PART_ACCOUNTS))
		r = counted(c, STR("-"), "users", outside, count,
			    (int64_t)(atl_seen_count(c->seen) - before), ATL_PART_ACCOUNTS,
			    err);
	return r;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void asks_drop(struct collect *c)
{
	for (; c->asked; c->asked--, c->first = (c->first + 1) % WINDOW_MOST) {
		atl_pages_done(&c->group_asks[c->first].pages);
		atl_pages_done(&c->user_asks[c->first].pages);
		json_decref(TAKE(c->user_asks[c->first].row));
	}
}

static void collect_free(struct collect *c)
{
	struct resource *r, *next_r;
	struct usergroup *g, *next_g;
	struct token_use *t, *next_t;

	asks_drop(c);
	HASH_ITER (hh, c->groups, g, next_g) {
		HASH_DEL(c->groups, g);
		group_free(g);
	}
	HASH_ITER (hh, c->resources, r, next_r) {
		HASH_DEL(c->resources, r);
		resource_free(r);
	}
	HASH_ITER (hh, c->tokens, t, next_t) {
		HASH_DEL(c->tokens, t);
		free(t->account);
		free(t);
	}
	for (size_t i = 0; i < c->directories.n; i++)
		free(c->directories.v[i]);
	vec_atl_id_done(&c->directories);
	atl_seen_free(c->seen);
	atl_seen_free(c->seen_here);
	free(c);
}
OWNED(struct collect, collect_free)

static int read_org(struct collect *c, struct err *err)
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
static int each_directory(struct collect *c,
			  int (*fn)(struct collect *, struct str, struct err *),
			  struct err *err)
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

int atl_collect(struct atl_client *client, const struct atl_sink *sink, int64_t now_ms,
		struct atl_result *ret, struct err *err)
{
	CLEANUP(collect_free_at) struct collect *c = calloc(1, sizeof(*c));
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
	c->window = c->o->at_once < 1             ? 1
		    : c->o->at_once > WINDOW_MOST ? WINDOW_MOST
						  : (unsigned)c->o->at_once;
	r = atl_seen_new(&c->seen, err);
	if (r == 0)
		r = read_org(c, err);
	if (r == 0)
		r = read_domains(c, err);
	if (r == 0)
		r = read_directories(c, err);
	if (r == 0)
		r = read_workspaces(c, err);
	if (r == 0)
		r = read_tokens(c, err);
	if (r == 0)
		r = each_directory(c, read_groups_of, err);
	if (r == 0)
		r = emit_resources(c, err);
	if (r == 0)
		r = emit_groups(c, err);
	if (r == 0)
		r = each_directory(c, read_users_of, err);
	if (r == 0)
		r = read_outside(c, err);
	if (r < 0)
		return r;
	result.complete = result.whole == ATL_PART_ALL;
	result.calls = atl_client_calls(client) - calls;
	*ret = result;
	return 0;
}
