/* Groups of organisations as rows, and what the parts of an export share. */
#include "bridge/export_chunk.h"

#include "base/stamp.h"
#include "bridge/verb.h"
#include "store/store.h"
#include "store/walk.h"

#define CHUNK_BYTES (1u << 20) /* a chunk ends behind the page that reaches it */
#define PAGE_GROUPS 20         /* each is counted: of 100,000 members that takes milliseconds */

void export_look_at_time(struct export_chunk *c)
{
	c->full |= stamp_mono_ms() >= c->until_ms;
}

int export_row_done(struct export_chunk *c, struct err *err)
{
	export_end(&c->line);
	c->rows++;
	export_look_at_time(c);
	c->full |= c->text.len >= CHUNK_BYTES || (c->left >= 0 && c->rows >= c->left);
	return buf_fault(&c->text, err, "a chunk of the export");
}

bool export_has_all(const struct export_chunk *c)
{
	return c->left >= 0 && c->rows >= c->left;
}

bool export_matches(const struct export_chunk *c, const json_t *row)
{
	struct query_node node = { row, 0 };

	return !c->query || query_eval(c->query, &query_json_reader, NULL, node, QUERY_SCIM,
				       c->now_ms) == TRUTH_TRUE;
}

/* --- groups of organisations -----------------------------------------------------------------
 */

struct group_page {
	struct export_chunk *c;
	const char *org;
	bool any;
};

/* As reconcile/bulk.c judges it, which asks once more before anything is dropped. */
static bool is_unused(const struct org_group_row *g, int64_t members, struct str products)
{
	return !members && !products.len && g->admin == TRI_NO && g->synced == TRI_NO &&
	       g->modifiable != TRI_NO;
}

static json_t *tri_json(enum tri t)
{
	return t == TRI_UNKNOWN ? json_null() : json_boolean(t == TRI_YES);
}

static int products_seen(struct str products, json_t *list, struct err *err)
{
	struct str word, rest;
	int r = 0;

	for (; r == 0 && products.len; products = rest) {
		if (!str_cut(products, ' ', &word, &rest))
			rest = (struct str){ 0 };
		r = jx_add(list, json_stringn(word.p, word.len), err);
	}
	return r;
}

/* The row as a filter sees it, and as it is written: in the order of the columns. */
static int group_seen(const struct group_page *page, const struct org_group_row *g,
		      int64_t members, struct str products, json_t *row, struct err *err)
{
	json_t *list = json_array();
	const struct {
		const char *name;
		json_t *value;
	} cells[] = {
		{ "org", json_string(page->org) },
		{ "group", json_stringn(g->group_id.p, g->group_id.len) },
		{ "displayName", json_stringn(g->name.p, g->name.len) },
		{ "directory", json_stringn(g->directory.p, g->directory.len) },
		{ "memberCount", json_integer(members) },
		{ "products", list },
		{ "synced", tri_json(g->synced) },
		{ "modifiable", tri_json(g->modifiable) },
		{ "admin", tri_json(g->admin) },
		{ "unused", json_boolean(is_unused(g, members, products)) },
	};
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(cells); i++) {
		int set = jx_set(row, cells[i].name, cells[i].value, err);

		r = r < 0 ? r : set;
	}
	return r < 0 ? r : products_seen(products, list, err);
}

static int group_line(void *ctx, const struct org_group_row *g, int64_t members,
		      struct str products, struct err *err)
{
	CLEANUP(json_decref_at) json_t *row = json_object();
	struct group_page *page = ctx;
	struct export_chunk *c = page->c;
	int r;

	if (c->full || export_has_all(c))
		return 1;
	page->any = true;
	c->after = g->id;
	export_look_at_time(c);
	r = row ? group_seen(page, g, members, products, row, err) : err_nomem(err);
	if (r < 0 || !export_matches(c, row))
		return r;
	for (const struct export_column *column = c->kind->columns; column->name; column++)
		export_json(&c->line, json_object_get(row, column->name));
	return export_row_done(c, err);
}

static int page_of(struct group_page *page, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row org = { 0 };
	struct export_chunk *c = page->c;
	int r = store_read_begin(c->app->store, &db, err);

	page->any = false;
	if (r == 0)
		r = accounts_org_get(db, page->org, &org, err);
	if (r == 0)
		r = walk_org_groups(db, org.id, c->after, PAGE_GROUPS, group_line, page, err);
	return r;
}

int export_org_groups(struct export_chunk *c, struct err *err)
{
	const char *only = jx_get_text(c->in, "org");
	const struct config *config = &c->app->config;
	int r = 0;

	while (r >= 0 && !c->full && (size_t)c->place < config->organisations.n) {
		struct group_page page = {
			.c = c, .org = config_org_at(config, (size_t)c->place)->name
		};

		if (verb_cancelled(c->app))
			return err_set(err, ERR_CANCELLED, "the export was interrupted");
		if (!only || !strcmp(only, page.org))
			r = page_of(&page, err);
		if (r >= 0 && !page.any && !c->full) {
			c->place++;
			c->after = 0;
		}
	}
	c->ended = (size_t)c->place >= config->organisations.n;
	return r < 0 ? r : 0;
}
