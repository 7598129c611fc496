/* Verbs of sources that have nobody to ask by id: people whom exports lack. */
#include "bridge/verb.h"

#include <inttypes.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/rounds_hr.h"
#include "store/audit.h"
#include "store/sources.h"
#include "store/writer.h"

#define GONE_PAGE 500

VEC(numbers, int64_t);

struct gone {
	const struct config_source *source;
	const char *who, *why;
	const json_t *keys;     /* whom to confirm; empty: everybody is listed */
	json_t *rows;           /* of those who are absent long enough */
	struct numbers records; /* of the keys that were found */
	int64_t last;
	size_t page;
};

static bool wanted(const json_t *keys, struct str key)
{
	for (size_t i = 0; i < json_array_size(keys); i++)
		if (str_eq(str_of(json_string_value(json_array_get(keys, i))), key))
			return true;
	return false;
}

static int on_absent(void *ctx, const struct absent_row *row, struct err *err)
{
	struct gone *g = ctx;

	g->last = row->record;
	g->page++;
	if (json_array_size(g->keys)) {
		if (wanted(g->keys, row->key) && numbers_add(&g->records, row->record) < 0)
			return err_nomem(err);
		return 0;
	}
	return jx_add(g->rows,
		      json_pack("{s:s%,s:I,s:I}", "key", row->key.p, row->key.len, "reads",
				(json_int_t)row->absent_reads, "since_ms",
				(json_int_t)row->absent_since_ms),
		      err);
}

static int absent_page(struct gone *g, struct db *db, int64_t source, struct err *err)
{
	g->page = 0;
	return sources_gone_candidates(db, source, g->source->gone_reads,
				       stamp_now_ms() - g->source->gone_after_ms, g->last,
				       GONE_PAGE, on_absent, g, err);
}

static int confirm(struct gone *g, struct db *db, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(buf_done) struct buf text;
	struct audit_new entry = { .who = g->who,
				   .what = "source.gone",
				   .target = g->source->name,
				   .now_ms = stamp_now_ms() };
	int r = 0;

	buf_init(&text, 65536);
	for (size_t i = 0; r >= 0 && i < g->records.n; i++)
		r = sources_gone(db, g->records.v[i], entry.now_ms, err);
	if (r < 0)
		return r;
	body = json_pack("{s:s,s:I}", "reason", g->why, "people", (json_int_t)g->records.n);
	r = body ? jx_canonical(body, &text, err) : err_nomem(err);
	if (r == 0)
		r = buf_fault(&text, err, "the reason");
	entry.body = buf_str(&text);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

/* In one transaction: who is absent long enough is looked up where it is confirmed. */
static int write_gone(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct gone *g = ctx;
	int r = sources_get(db, g->source->name, &row, err);

	do
		r = r == 0 ? absent_page(g, db, row.id, err) : r;
	while (r == 0 && g->page == GONE_PAGE);
	if (r < 0)
		return r;
	if (g->records.n != json_array_size(g->keys))
		return err_set(
			err, ERR_NOT_FOUND,
			"of the %zu keys only %zu are absent from %lld exports that span "
			"gone_after: nothing was confirmed (`leaverd source gone %s` lists "
			"them)",
			json_array_size(g->keys), g->records.n,
			(long long)g->source->gone_reads, g->source->name);
	return confirm(g, db, err);
}

static int list_gone(struct app *app, struct gone *g, struct err *err)
{
	int r = 0;

	do {
		CLEANUP(store_read_end_at) struct db *db = NULL;
		CLEANUP(source_row_done) struct source_row row = { 0 };

		g->page = 0;
		r = store_read_begin(app->store, &db, err);
		if (r == 0)
			r = sources_get(db, g->source->name, &row, err);
		if (r == 0)
			r = absent_page(g, db, row.id, err);
	} while (r == 0 && g->page == GONE_PAGE);
	return r < 0 ? r : 0;
}

static int run_source_gone(struct app *app, const struct who *who, const json_t *in,
			   json_t *out, struct err *err)
{
	struct gone g = { .who = who->name,
			  .why = jx_get_text(in, "reason"),
			  .keys = json_object_get(in, "keys") };
	int r = ask_source(app, jx_get_text(in, "source"), &g.source, err);

	if (r < 0)
		return r;
	if (g.source->kind != CONFIG_FILE)
		return err_set(
			err, ERR_USAGE,
			"source %s is no export: a directory is asked by id who is gone, and "
			"a push source never says so by silence",
			g.source->name);
	r = jx_set(out, "absent", g.rows = json_array(), err);
	if (r < 0)
		return r;
	if (!json_array_size(g.keys)) {
		r = list_gone(app, &g, err);
		numbers_done(&g.records);
		return r == 0 ? ask_note_read(app, who, "absent people",
					      (int64_t)json_array_size(g.rows), err)
			      : r;
	}
	if (!g.why)
		return err_set(err, ERR_USAGE, "who is gone is confirmed with --reason");
	r = writer_call(app->writer, write_gone, &g, err);
	if (r == 0)
		r = ask_say(out, err, "%zu of %s are gone: confirmed by %s.", g.records.n,
			    g.source->name, who->name);
	numbers_done(&g.records);
	return r;
}

const struct verb verbs_hr[] = {
	{ "source.gone", VERB_STORE, run_source_gone },
	{ 0 },
};
