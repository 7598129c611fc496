/* `leaverd privacy`: what is held about people, why, how long, and who looked at it (law 11).
 */
#include "bridge/verb.h"

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/prune.h"
#include "store/retention.h"
#include "store/store.h"

#define PRIVACY_DAYS 90
#define PRIVACY_DAYS_MOST 3660

/* Which key of the configuration says how long: as long as it is there, where there is none. */
static const struct {
	const char *kind, *key;
} keys[] = {
	{ "tombstones", "retention.tombstones" },
	{ "addresses", "retention.tombstones" },
	{ "left-accounts", "retention.tombstones" },
	{ "activity", "retention.activity" },
	{ "plan-values", "retention.journal" },
	{ "journal", "retention.journal" },
	{ "audit", "retention.audit" },
	{ "notices", "notices.retention" },
	{ "events", "retention.reads" },
	{ "reads", "retention.reads" },
};

static const char *key_of(const char *kind)
{
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (!strcmp(keys[i].kind, kind))
			return keys[i].key;
	return NULL;
}

static int64_t keep_of(const struct config *c, const char *key)
{
	const struct config_retention *r = &c->retention;
	const struct {
		const char *key;
		int64_t ms;
	} all[] = {
		{ "retention.tombstones", r->tombstones_ms },
		{ "retention.activity", r->activity_ms },
		{ "retention.journal", r->journal_ms },
		{ "retention.audit", r->audit_ms },
		{ "retention.reads", r->reads_ms },
		{ "notices.retention", c->notices.retention_ms },
	};

	for (size_t i = 0; key && i < COUNT_OF(all); i++)
		if (!strcmp(all[i].key, key))
			return all[i].ms;
	return 0;
}

static int held_out(struct app *app, json_t *rows, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < RETENTION_HELD; i++) {
		CLEANUP(store_read_end_at) struct db *db = NULL;
		struct retention_held h = { 0 };
		const char *key;
		int64_t keep_ms;

		r = store_read_begin(app->store, &db, err);
		if (r == 0)
			r = retention_held(db, i, &h, err);
		if (r < 0)
			return r;
		key = key_of(h.kind);
		keep_ms = keep_of(&app->config, key);
		r = jx_add(rows,
			   json_pack("{s:s,s:s,s:s,s:I,s:o,s:s?,s:o}", "kind", h.kind, "what",
				     h.what, "why", h.why, "count", (json_int_t)h.count,
				     "oldest_ms", ask_ms(h.oldest_ms), "key", key, "keep_ms",
				     keep_ms ? json_integer(keep_ms) : json_null()),
			   err);
	}
	return r;
}

static int due_out(struct app *app, json_t *rows, struct err *err)
{
	struct prune_due due = { .kind = "" };
	int r = 0;

	for (size_t i = 0; r == 0 && due.kind; i++) {
		r = prune_due(app, i, &due, err);
		if (r == 0 && due.kind && due.keep_ms)
			r = jx_add(rows,
				   json_pack("{s:s,s:I,s:I,s:b}", "kind", due.kind, "keep_ms",
					     (json_int_t)due.keep_ms, "rows",
					     (json_int_t)due.rows, "more",
					     due.rows >= PRUNE_COUNT_MOST),
				   err);
	}
	return r;
}

static int reader_out(void *ctx, const struct retention_reader *row, struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:s%,s:s%,s:I,s:o}", "who", ASK_S(row->who), "what",
				ASK_S(row->what), "times", (json_int_t)row->times, "last_ms",
				ask_ms(row->last_ms)),
		      err);
}

static int readers_out(struct app *app, int64_t days, json_t *rows, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r
		     : retention_readers(db, stamp_now_ms() - days * STAMP_DAY_MS, reader_out,
					 rows, err);
}

static int run_privacy(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	const json_t *given = json_object_get(in, "days");
	int64_t days = given ? json_integer_value(given) : PRIVACY_DAYS;
	json_t *held = NULL, *due = NULL, *readers = NULL;
	int r = jx_set(out, "held", held = json_array(), err);

	(void)who;
	if (r == 0)
		r = jx_set(out, "due", due = json_array(), err);
	if (r == 0)
		r = jx_set(out, "readers", readers = json_array(), err);
	if (r == 0 && (days < 1 || days > PRIVACY_DAYS_MOST))
		r = err_set(err, ERR_INVALID_VALUE, "%lld days: expected 1 to %d",
			    (long long)days, PRIVACY_DAYS_MOST);
	if (r == 0)
		r = held_out(app, held, err);
	if (r == 0)
		r = due_out(app, due, err);
	if (r == 0)
		r = readers_out(app, days, readers, err);
	return r == 0 ? jx_set(out, "days", json_integer((json_int_t)days), err) : r;
}

const struct verb verbs_privacy[] = {
	{ "privacy", VERB_STORE | VERB_LONG, run_privacy },
	{ NULL, 0, NULL },
};
