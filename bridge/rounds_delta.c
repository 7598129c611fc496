/*
 * Between two full reads: what changed. The full read is the truth; whatever a delta cannot be
 * sure of ends in one.
 */
#include "bridge/rounds.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "ldap/idset.h"
#include "ldap/source.h"
#include "model/snapshot.h"
#include "store/cursors.h"
#include "store/keys.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/writer.h"

#define CURSOR "delta"
#define KEYS_AT_ONCE 5000
/* So many read again, and an attribute that half of all have shows in none. */
#define COLLAPSE_LEAST 5
#define MOST_LEAST 100

struct changed {
	char *key, *unknown, *doc;
	uint64_t name;
};
VEC(vec_changed, struct changed);

struct delta_run {
	struct app *app;
	const struct config_source *source;
	struct source_row row;
	struct dir_delta delta;
	struct dir_verdict before;
	struct vec_changed changed;
	struct dir_idset known, seen; /* of a sweep */
	bool swept;                   /* known is filled */
	bool missing;                 /* somebody whom we know is not there any more */
	int64_t last;
	size_t rows;
	struct read_counts counts;
	char *cursor;
	char why[ERR_TEXT_BYTES]; /* for the full read */
};

static void run_done(struct delta_run *d)
{
	for (size_t i = 0; i < d->changed.n; i++) {
		free(d->changed.v[i].key);
		free(d->changed.v[i].unknown);
		free(d->changed.v[i].doc);
	}
	vec_changed_done(&d->changed);
	dir_idset_done(&d->known);
	dir_idset_done(&d->seen);
	dir_delta_done(&d->delta);
	dir_verdict_done(&d->before);
	source_row_done(&d->row);
	free(d->cursor);
}

/* --- whom we know ---------------------------------------------------------------------------
 */

/* Who is absent already needs no full read to be missed once more. */
static int on_known(void *ctx, int64_t record, struct str key, bool absent, struct err *err)
{
	struct delta_run *d = ctx;

	d->last = record;
	d->rows++;
	return !absent && dir_idset_add(&d->known, key, 0) < 0 ? err_nomem(err) : 0;
}

static int on_unseen(void *ctx, int64_t record, struct str key, bool absent, struct err *err)
{
	struct delta_run *d = ctx;

	(void)err;
	d->last = record;
	d->rows++;
	d->missing |= !absent && !dir_idset_has(&d->seen, key);
	return 0;
}

static int all_keys(struct delta_run *d, key_fn fn, struct err *err)
{
	int r;

	d->last = 0;
	do {
		struct db *db = NULL;

		d->rows = 0;
		r = store_read_begin(d->app->store, &db, err);
		if (r == 0)
			r = keys_page(db, d->row.id, d->last, KEYS_AT_ONCE, fn, d, err);
		store_read_end(db);
	} while (r == 0 && d->rows == KEYS_AT_ONCE);
	return r;
}

/* --- what comes -----------------------------------------------------------------------------
 */

static int unknown_text(const struct delta_run *d, const struct dir_person *p, char **ret,
			struct err *err)
{
	CLEANUP(buf_done) struct buf text = { 0 };
	int r;

	buf_init(&text, 65536);
	for (size_t i = 0; i < p->unknown_n; i++)
		buf_addf(&text, "%s%s", text.len ? " " : "", p->unknown[i]);
	/* what was hidden in the last full read is so still */
	for (size_t i = 0; i < d->before.attrs.n; i++)
		for (size_t k = 0;
		     d->before.attrs.v[i].unknown && k < d->before.attrs.v[i].paths.n; k++)
			buf_addf(&text, "%s%s", text.len ? " " : "",
				 d->before.attrs.v[i].paths.v[k]);
	r = buf_fault(&text, err, "the unknown attributes of an entry");
	if (r < 0)
		return r;
	*ret = text.len ? buf_take(&text, NULL) : str_dup(STR(""));
	return *ret ? 0 : err_nomem(err);
}

static int on_person(void *ctx, const struct dir_person *person, struct err *err)
{
	struct delta_run *d = ctx;
	struct changed c = { .key = str_dup(str_of(person->key)),
			     .name = facts_name(str_of(person->dn)) };
	int r = c.key ? unknown_text(d, person, &c.unknown, err) : err_nomem(err);

	if (r == 0) {
		c.doc = str_dup(person->doc);
		if (c.doc && vec_changed_add(&d->changed, c) == 0)
			return 0;
		free(c.doc);
		r = err_nomem(err);
	}
	free(c.key);
	free(c.unknown);
	return r;
}

static int on_seen(void *ctx, const char *key, struct err *err)
{
	struct delta_run *d = ctx;
	int r = d->swept ? 0 : all_keys(d, on_known, err);

	d->swept = true;
	if (r < 0)
		return r;
	if (dir_idset_add(&d->seen, str_of(key), 0) < 0)
		return err_nomem(err);
	return dir_idset_has(&d->known, str_of(key)) ? 0 : DIR_LOOK;
}

/* A server may name ids that were never ours, at every question (trap 10). */
static int on_absent(void *ctx, const char *key, struct err *err)
{
	struct delta_run *d = ctx;
	struct record record = { 0 };
	struct db *db = NULL;
	int r = store_read_begin(d->app->store, &db, err);

	if (r == 0)
		r = records_get(db, d->row.id, str_of(key), &record, err);
	store_read_end(db);
	d->missing |= r == 0 && !record.absent_reads && !record.gone;
	record_done(&record);
	return r < 0 ? r : 0;
}

/* --- judging --------------------------------------------------------------------------------
 */

static void want_full(struct delta_run *d, const char *why)
{
	if (!d->why[0])
		snprintf(d->why, sizeof(d->why), "%s", why);
}

/* A few entries cannot show by their share that an attribute was hidden; that none of them has
 * what half of all had, can. */
static void collapse_look(struct delta_run *d)
{
	const struct dir_attr_stats *now = &d->delta.attrs, *then = &d->before.attrs;

	if (d->delta.read < COLLAPSE_LEAST)
		return;
	for (size_t i = 0; i < now->n; i++)
		for (size_t k = 0; now->v[i].with == 0 && k < then->n; k++)
			if (strcmp(now->v[i].name, then->v[k].name) == 0 &&
			    then->v[k].base_with * 2 > then->v[k].base_entries)
				want_full(d, "an attribute that most people had is missing "
					     "from all who changed");
}

static void judge(struct delta_run *d)
{
	for (size_t i = 0; i < d->delta.canaries.n; i++) {
		if (!d->delta.canaries.v[i].seen)
			want_full(d, "a canary is not to be seen");
		else if (d->delta.canaries.v[i].lacks)
			want_full(d, "a canary does not show what it has");
	}
	collapse_look(d);
	/* slapd answers half a cookie with everybody, and shows nobody who left */
	if (d->delta.named > MOST_LEAST && (int64_t)d->delta.named * 2 > d->row.users)
		want_full(d, "most people are said to have changed");
	if (d->missing)
		want_full(d, "somebody is not there any more");
}

static int batch_write(void *ctx, struct db *db, struct err *err)
{
	struct delta_run *d = ctx;
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_verdict verdict = { .complete = true, .now_ms = stamp_now_ms() };
	struct remembered *m = rounds_remembered(d->app, d->source);
	bool agrees = false;
	int r = 0;

	if (d->changed.n)
		r = sources_read_begin(db, d->row.id, READ_DELTA, verdict.now_ms, &run, err);
	if (r == 0 && run)
		agrees = m->memory && read_run_newest(run) == m->newest;
	for (size_t i = 0; r == 0 && i < d->changed.n; i++) {
		struct read_entry e = { .key = str_of(d->changed.v[i].key),
					.name = d->changed.v[i].name,
					.bytes = str_of(d->changed.v[i].doc),
					.unknown = str_of(d->changed.v[i].unknown) };

		r = sources_read_put(db, run, &e, 1, verdict.now_ms, err);
		if (agrees)
			dir_memory_mark(m->memory, e.key, 0);
	}
	if (r == 0 && run)
		r = sources_read_weigh(db, run, &d->counts, err);
	if (r == 0 && run)
		r = sources_read_end(db, run, &verdict, NULL, err);
	if (r == 0 && agrees)
		m->newest = read_run_newest(run);
	if (r >= 0)
		r = cursors_set(db, d->source->name, CURSOR, d->delta.cursor, verdict.now_ms,
				err);
	return r < 0 ? r : 0;
}

/* --- the round ------------------------------------------------------------------------------
 */

/* A delta builds on the last read only if that one stands. */
static int begin(struct delta_run *d, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(free_at) char *verdict = NULL;
	struct db *db = NULL;
	int r = store_read_begin(d->app->store, &db, err);

	if (r == 0)
		r = sources_get(db, d->source->name, &d->row, err);
	if (r == 0)
		r = cursors_get(db, d->source->name, CURSOR, &d->cursor, NULL, err);
	if (r >= 0)
		r = cursors_get(db, d->source->name, "verdict", &verdict, NULL, err);
	store_read_end(db);
	if (r < 0)
		return r;
	if (r > 0 || !d->row.accepted_read)
		want_full(d, "nothing was read yet");
	else if (d->row.doubts)
		want_full(d, "the last full read was not accepted");
	if (!verdict)
		return 0;
	r = jx_parse(str_of(verdict), JX_LENIENT, &doc, err);
	return r < 0 ? r : dir_verdict_from_json(doc, &d->before, err);
}

static int ask(struct delta_run *d, const struct secret *password, const atomic_bool *cancel,
	       struct err *err)
{
	const struct dir_delta_sink sink = { d, on_person, on_seen, on_absent };
	int r = dir_delta(&d->source->ldap, password, d->cursor, &sink, cancel, &d->delta, err);

	if (r == DIR_DELTA_FULL) {
		want_full(d, d->delta.reason);
		return 0;
	}
	if (r == 0 && d->delta.swept)
		r = all_keys(d, on_unseen, err);
	if (r == 0)
		judge(d);
	return r;
}

static int delta_out(const struct delta_run *d, json_t *out, struct err *err)
{
	json_t *row = json_pack(
		"{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "strategy",
		dir_strategy_traits[d->delta.strategy].word, "why", d->delta.why, "named",
		(json_int_t)d->delta.named, "read", (json_int_t)d->delta.read, "swept",
		(json_int_t)d->delta.swept, "fresh", (json_int_t)d->counts.fresh, "changed",
		(json_int_t)d->counts.changed, "ms", (json_int_t)d->delta.duration_ms);
	int r = jx_set(out, "delta", row, err);

	if (r == 0)
		r = jx_set(row, "full", d->why[0] ? json_string(d->why) : json_null(), err);
	return r;
}

/* What a full read says, too, so that whoever waits for a change sees it. */
static int as_a_read(const struct delta_run *d, json_t *out, struct err *err)
{
	int r = jx_set(out, "source", json_string(d->source->name), err);

	if (r == 0)
		r = jx_set(out, "accepted", json_true(), err);
	if (r == 0)
		r = jx_set(out, "complete", json_true(), err);
	if (r == 0)
		r = jx_set(out, "entries", json_integer((json_int_t)d->delta.read), err);
	if (r == 0)
		r = jx_set(out, "fresh", json_integer(d->counts.fresh), err);
	if (r == 0)
		r = jx_set(out, "changed", json_integer(d->counts.changed), err);
	return r;
}

static int delta_round(struct delta_run *d, const struct secret *password,
		       const atomic_bool *cancel, json_t *out, struct err *err)
{
	int r = begin(d, err);

	if (r == 0 && !d->why[0])
		r = ask(d, password, cancel, err);
	if (r == 0 && !d->why[0]) {
		r = writer_call(d->app->writer, batch_write, d, err);
		if (r < 0) /* the number may be given again, to somebody else's change */
			rounds_remembered(d->app, d->source)->newest = -1;
	}
	/* lists name people by their names: a rename changes who is in what, too */
	if (r == 0 && !d->why[0] && (d->delta.groups_changed || d->delta.read > 0))
		r = rounds_groups(d->app, d->source, d->row.id, false, password, cancel, out,
				  err);
	if (r == 0)
		r = delta_out(d, out, err);
	if (r < 0)
		return r;
	if (d->why[0]) {
		log_info("delta.full", LOG_T("source", d->source->name), LOG_T("text", d->why));
		return ROUNDS_FULL;
	}
	if (d->counts.fresh + d->counts.changed > 0)
		log_info("delta.done", LOG_T("source", d->source->name),
			 LOG_U("named", d->delta.named), LOG_I("changed", d->counts.changed),
			 LOG_I("fresh", d->counts.fresh), LOG_I("ms", d->delta.duration_ms));
	return as_a_read(d, out, err);
}

int rounds_delta(struct app *app, const struct config_source *source, const atomic_bool *cancel,
		 json_t *out, struct err *err)
{
	CLEANUP(secret_done) struct secret password = { 0 };
	struct delta_run d = { .app = app, .source = source };
	int r = rounds_directory_secrets(app, &source->ldap, &password, err);

	if (r == 0)
		r = delta_round(&d, &password, cancel, out, err);
	run_done(&d);
	if (r == ROUNDS_FULL)
		return rounds_sync(app, source, false, cancel, out, err);
	return r < 0 ? err_context(err, r, "source %s", source->name) : 0;
}

/* --- beside a full read ---------------------------------------------------------------------
 */

int rounds_mark(struct app *app, const struct config_source *source,
		const struct secret *password, const atomic_bool *cancel, char **ret,
		struct err *err)
{
	CLEANUP(dir_delta_done) struct dir_delta delta = { 0 };
	CLEANUP(free_at) char *cursor = NULL;
	struct db *db = NULL;
	struct err fault = { 0 };
	int r;

	*ret = NULL;
	if (!source->ldap.delta_every_ms)
		return 0;
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = cursors_get(db, source->name, CURSOR, &cursor, NULL, err);
	store_read_end(db);
	if (r < 0)
		return r;
	r = dir_delta(&source->ldap, password, cursor, NULL, cancel, &delta, &fault);
	if (r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_INTERNAL) {
		*err = fault;
		return r;
	}
	if (r == -ERR_UNAUTHORIZED) {
		*err = fault;
		return ROUNDS_REFUSED;
	}
	if (r != 0)
		log_info("delta.none", LOG_T("source", source->name),
			 LOG_T("text", r < 0 ? fault.text : delta.reason));
	*ret = r == 0 ? TAKE(delta.cursor) : NULL;
	return 0;
}

int rounds_mark_keep(struct db *db, const struct config_source *source, const char *cursor,
		     struct err *err)
{
	int r = cursors_set(db, source->name, CURSOR, cursor, stamp_now_ms(), err);

	return r < 0 ? r : 0;
}
