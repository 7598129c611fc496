#include "bridge/rounds.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "ldap/groups.h"
#include "store/membership.h"
#include "store/writer.h"

#define NAMES_AT_ONCE 256

VEC(vec_text, char *);

struct grouping {
	struct app *app;
	const struct config_source *source;
	int64_t id; /* of the source */
	bool dry_run, doubted;
	struct vec_text keys, names;
	size_t named; /* of keys, already in the store */
	const struct membership_group *at;
	struct membership_counts counts;
	int64_t changed, gone;
	char why[ERR_TEXT_BYTES]; /* not known; else empty */
};

static void texts_drop(struct vec_text *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	vec_text_done(v);
}

static int text_keep(struct vec_text *v, const char *text, struct err *err)
{
	char *copy = str_dup(str_of(text));

	if (copy && vec_text_add(v, copy) == 0)
		return 0;
	free(copy);
	return err_nomem(err);
}

/* --- writing --------------------------------------------------------------------------------
 *
 * While lists are being set, what a person is in is half old and half new: until the end it is
 * unknown. A read that changes nothing writes nothing.
 */

static int doubt_now(struct grouping *g, struct db *db, struct err *err)
{
	int r = 0;

	if (!g->doubted)
		r = membership_doubt_set(db, g->source->name, "its groups are being read",
					 stamp_now_ms(), err);
	g->doubted = r >= 0;
	return r < 0 ? r : 0;
}

static int names_write(void *ctx, struct db *db, struct err *err)
{
	struct grouping *g = ctx;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < NAMES_AT_ONCE && g->named < g->keys.n; i++) {
		r = membership_name(db, g->id, str_of(g->keys.v[g->named]),
				    str_of(g->names.v[g->named]), stamp_now_ms(), err);
		g->changed += r == 0;
		g->named++;
	}
	return r < 0 ? r : 0;
}

static int members_write(void *ctx, struct db *db, struct err *err)
{
	struct grouping *g = ctx;
	int r = doubt_now(g, db, err);

	if (r == 0)
		r = membership_set(db, g->id, g->at, false, stamp_now_ms(), &g->counts, err);
	g->changed += r == 0;
	return r < 0 ? r : 0;
}

/* --- what comes -----------------------------------------------------------------------------
 */

static int on_name(void *ctx, const char *key, const char *name, struct err *err)
{
	struct grouping *g = ctx;
	int r = text_keep(&g->keys, key, err);

	return r < 0 ? r : text_keep(&g->names, name, err);
}

static int names_flush(struct grouping *g, struct err *err)
{
	int r = 0;

	while (r == 0 && !g->dry_run && g->named < g->keys.n)
		r = writer_call(g->app->writer, names_write, g, err);
	return r;
}

static int look(struct grouping *g, struct membership_counts *counts, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(g->app->store, &db, err);

	return r < 0 ? r : membership_set(db, g->id, g->at, true, 0, counts, err);
}

static int on_group(void *ctx, const struct dir_group *group, struct err *err)
{
	struct grouping *g = ctx;
	struct membership_counts would = { 0 };
	struct membership_group row = { .key = str_of(group->key),
					.name = str_of(group->name),
					.members = group->members,
					.people_n = group->people_n,
					.groups_n = group->groups_n };
	int r = names_flush(g, err);

	if (!group->known && !g->why[0])
		snprintf(g->why, sizeof(g->why), "group %.80s: %s", group->key, group->why);
	/* of a group that is not known what was last known stays */
	if (r < 0 || !group->known)
		return r;
	g->at = &row;
	r = look(g, &would, err);
	if (r == STORE_UNCHANGED)
		g->counts.nobody += would.nobody;
	if (r == 0 && !g->dry_run)
		r = writer_call(g->app->writer, members_write, g, err);
	g->at = NULL;
	return r < 0 ? r : 0;
}

/* --- the end --------------------------------------------------------------------------------
 */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* How many groups may vanish at once: as with people. */
static int64_t most_gone(const struct grouping *g, int64_t of)
{
	const struct dir_options *o = &g->source->ldap;
	int64_t share = (int64_t)((double)of * o->drop_share);

	return share > o->drop_count ? share : o->drop_count;
}

static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct grouping *g = ctx;
	int64_t now_ms = stamp_now_ms(), before = 0, most;
	int r = membership_count(db, g->id, &before, err);

	if (r < 0)
		return r;
	most = most_gone(g, before);
	if (g->keys.n)
		qsort(g->keys.v, g->keys.n, sizeof(g->keys.v[0]), by_text);
	r = membership_keep(db, g->id, (const char *const *)g->keys.v, g->keys.n, most, now_ms,
			    &g->gone, err);
	if (r == STORE_STALE && !g->why[0])
		snprintf(g->why, sizeof(g->why),
			 "%" PRId64 " of %" PRId64 " groups are gone at once, at most %" PRId64
			 " may be (drop_count, drop_share)",
			 g->gone, before, most);
	if (r < 0)
		return r;
	r = membership_doubt_set(db, g->source->name, g->why[0] ? g->why : NULL, now_ms, err);
	return r < 0 ? r : 0;
}

static int doubt_write(void *ctx, struct db *db, struct err *err)
{
	struct grouping *g = ctx;
	int r = membership_doubt_set(db, g->source->name, g->why, stamp_now_ms(), err);

	return r < 0 ? r : 0;
}

/* The settings do not name groups (any more): whoever asks finds nothing, as with any attribute
 * that the map leaves out. */
static int none_write(void *ctx, struct db *db, struct err *err)
{
	struct grouping *g = ctx;
	int r = membership_keep(db, g->id, NULL, 0, INT64_MAX, stamp_now_ms(), &g->gone, err);

	if (r >= 0)
		r = membership_doubt_set(db, g->source->name, NULL, stamp_now_ms(), err);
	return r < 0 ? r : 0;
}

static int none_left(struct grouping *g, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t n = 0;
	int r = store_read_begin(g->app->store, &db, err);

	if (r == 0)
		r = membership_count(db, g->id, &n, err);
	if (r == 0 && n == 0)
		r = membership_doubt(db, g->source->name, NULL, err);
	if (r < 0)
		return r;
	store_read_end_at(&db);
	return n > 0 || r == 0 ? writer_call(g->app->writer, none_write, g, err) : 0;
}

static int groups_out(const struct grouping *g, const struct dir_groups_verdict *v, json_t *out,
		      struct err *err)
{
	json_t *row =
		json_pack("{s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "complete", v->complete,
			  "known", !g->why[0], "groups", (json_int_t)v->groups, "memberships",
			  (json_int_t)v->memberships, "added", (json_int_t)g->counts.added,
			  "removed", (json_int_t)g->counts.removed, "gone", (json_int_t)g->gone,
			  "strangers", (json_int_t)v->strangers, "odd", (json_int_t)v->odd,
			  "unknown", (json_int_t)v->unknown);
	int r = jx_set(out, "groups", row, err);

	return r < 0 ? r
		     : jx_set(row, "why", g->why[0] ? json_string(g->why) : json_null(), err);
}

static int groups_read(struct grouping *g, const struct secret *password,
		       const atomic_bool *cancel, json_t *out, struct err *err)
{
	const struct dir_group_sink sink = { g, on_name, on_group };
	struct dir_groups_verdict v;
	int r = dir_groups_read(&g->source->ldap, password, &sink, cancel, &v, err);

	if (r < 0)
		return r;
	if (!v.complete)
		snprintf(g->why, sizeof(g->why), "%s", v.why);
	if (!g->dry_run)
		r = writer_call(g->app->writer, v.complete ? end_write : doubt_write, g, err);
	if (r < 0)
		return r;
	if (v.odd)
		log_warn(
			"groups.odd", LOG_T("source", g->source->name), LOG_U("members", v.odd),
			LOG_T("text", "members of groups have names that the server itself "
				      "calls none (invalidDNSyntax): they are nobody, and left "
				      "out; take them out of the groups"));
	if (g->why[0])
		log_warn("groups.unknown", LOG_T("source", g->source->name),
			 LOG_T("text", g->why));
	else
		log_info("groups.done", LOG_T("source", g->source->name),
			 LOG_U("groups", v.groups), LOG_U("memberships", v.memberships),
			 LOG_I("added", g->counts.added), LOG_I("removed", g->counts.removed),
			 LOG_I("ms", v.duration_ms));
	return groups_out(g, &v, out, err);
}

int rounds_groups(struct app *app, const struct config_source *source, int64_t source_id,
		  bool dry_run, const struct secret *password, const atomic_bool *cancel,
		  json_t *out, struct err *err)
{
	struct grouping g = {
		.app = app, .source = source, .id = source_id, .dry_run = dry_run
	};
	int r;

	if (!source->ldap.groups_base)
		r = dry_run ? 0 : none_left(&g, err);
	else
		r = groups_read(&g, password, cancel, out, err);
	texts_drop(&g.keys);
	texts_drop(&g.names);
	return r;
}
