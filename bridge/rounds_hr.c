#include "bridge/rounds_hr.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/stamp.h"
#include "hr/judge.h"
#include "model/snapshot.h"
#include "store/cursors.h"
#include "store/sources.h"
#include "store/writer.h"

/* People that go to the writer at once, as from directories. */
#define HR_BATCH 256
#define HR_ABSENT_PAGE 1000

struct hr_entry {
	char *key, *unknown;
	json_t *doc;
};

struct round {
	struct app *app;
	const struct config_source *source;
	const struct hr_options *o;
	const atomic_bool *cancel;
	bool dry_run;
	struct source_row row;
	struct hr_drop drop;
	struct hr_verdict verdict, before;
	bool had_before;
	bool same;  /* the bytes that were accepted last */
	bool again; /* the same, but by other settings: other people may come of them */
	struct hr_reasons reasons;
	struct read_run *run;
	struct hr_entry batch[HR_BATCH];
	size_t n;
	struct read_counts counts;
	bool accepted;
	bool stands; /* there is no export to read, and what was accepted before stands */
	int64_t absent_long;
	char why[ERR_TEXT_BYTES];
	/* of the exports that were read before this one by the same call */
	struct {
		int64_t drops, fresh, changed;
	} earlier;
};

static void batch_clear(struct round *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->batch[i].key);
		free(x->batch[i].unknown);
		json_decref(x->batch[i].doc);
	}
	x->n = 0;
}

static void round_done(struct round *x)
{
	batch_clear(x);
	read_run_free(x->run);
	hr_reasons_free(&x->reasons);
	hr_verdict_done(&x->verdict);
	hr_verdict_done(&x->before);
	hr_drop_done(&x->drop);
	source_row_done(&x->row);
}

/* --- what stands ---------------------------------------------------------------------------
 */

static int verdict_kept(struct db *db, const char *source, const char *name,
			struct hr_verdict *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(free_at) char *text = NULL;
	int r = cursors_get(db, source, name, &text, NULL, err);

	if (r == 0)
		r = jx_parse(str_of(text), JX_LENIENT, &doc, err);
	return r == 0 ? hr_verdict_from_json(doc, ret, err) : r;
}

static int verdict_before(struct app *app, const struct config_source *source,
			  struct hr_verdict *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = verdict_kept(db, source->name, "verdict", ret, err);
	return r == -ERR_PROTOCOL || r > 0 ? 0 : r;
}

static int look_back(struct round *x, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(x->app->store, &db, err);

	if (r == 0)
		r = sources_get(db, x->source->name, &x->row, err);
	if (r > 0)
		return err_set(err, ERR_INTERNAL, "source %s was not declared",
			       x->source->name);
	if (r == 0)
		r = verdict_kept(db, x->source->name, "verdict", &x->before, err);
	/* a source that was a directory before has none of ours */
	x->had_before = r == 0;
	return r == -ERR_PROTOCOL || r > 0 ? 0 : r;
}

/* Which drop of a folder was read last. A source that never read one has no name there. */
static struct hr_drop_last last_of(const struct hr_verdict *before)
{
	return (struct hr_drop_last){
		.date_ms = before->drop_ms,
		.name = before->drop,
		.over = before->drop && before->name && strcmp(before->drop, before->name) != 0,
	};
}

/* The place in a folder: this drop, or, of what came on stdin, where it was. */
static int note_place(struct round *x, struct err *err)
{
	bool here = x->drop.path && x->o->folder;
	const char *name = here ? x->drop.name : x->before.drop;

	x->verdict.drop_ms = here ? x->drop.date_ms : x->before.drop_ms;
	if (name && str_utf8(str_of(name), NULL)) {
		x->verdict.drop = str_dup(str_of(name));
		return x->verdict.drop ? 0 : err_nomem(err);
	}
	return 0;
}

static int keep_verdict(struct db *db, const struct round *x, const char *name, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, 1 << 20);
	r = hr_verdict_json(&x->verdict, &doc, err);
	if (r == 0)
		r = jx_canonical(doc, &text, err);
	if (r == 0)
		r = buf_fault(&text, err, "an export's verdict");
	if (r == 0)
		r = cursors_set(db, x->source->name, name, text.p, stamp_now_ms(), err);
	return r < 0 ? r : 0;
}

int rounds_hr_accepted(struct db *db, const char *source, struct err *err)
{
	CLEANUP(free_at) char *text = NULL;
	int r = cursors_get(db, source, "aside", &text, NULL, err);

	if (r == 0)
		r = cursors_set(db, source, "verdict", text, stamp_now_ms(), err);
	if (r >= 0 && text)
		r = cursors_set(db, source, "aside", NULL, stamp_now_ms(), err);
	return r < 0 ? r : 0;
}

/* --- the people of an export ---------------------------------------------------------------
 */

static int begin_write(void *ctx, struct db *db, struct err *err)
{
	struct round *x = ctx;
	bool whole = x->o->kind == HR_FULL && !x->same;

	return sources_read_begin(db, x->row.id, whole ? READ_FULL : READ_PART, stamp_now_ms(),
				  &x->run, err);
}

static int put_write(void *ctx, struct db *db, struct err *err)
{
	struct round *x = ctx;
	struct read_entry entries[HR_BATCH];

	for (size_t i = 0; i < x->n; i++)
		entries[i] = (struct read_entry){ .key = str_of(x->batch[i].key),
						  .doc = x->batch[i].doc,
						  .unknown = str_of(x->batch[i].unknown) };
	return sources_read_put(db, x->run, entries, x->n, stamp_now_ms(), err);
}

static int flush(struct round *x, struct err *err)
{
	int r = x->n ? writer_call(x->app->writer, put_write, x, err) : 0;

	batch_clear(x);
	return r < 0 ? r : 0;
}

static int on_person(void *ctx, const struct hr_person *p, struct err *err)
{
	struct round *x = ctx;
	struct hr_entry *e = &x->batch[x->n];
	CLEANUP(buf_done) struct buf unknown;
	int r;

	buf_init(&unknown, 65536);
	for (size_t i = 0; i < p->map.unknown_n; i++)
		buf_addf(&unknown, "%s%s", unknown.len ? " " : "", p->map.unknown[i]);
	r = buf_fault(&unknown, err, "the unknown attributes of a row");
	if (r < 0)
		return r;
	e->key = str_dup(str_of(p->key));
	e->unknown = unknown.len ? buf_take(&unknown, NULL) : str_dup(STR(""));
	e->doc = json_incref(p->map.doc);
	x->n++;
	if (!e->key || !e->unknown)
		return err_nomem(err);
	return x->n == HR_BATCH ? flush(x, err) : 0;
}

/* --- the end -------------------------------------------------------------------------------
 */

static void why_add(struct round *x, const char *text)
{
	size_t at = strlen(x->why);

	snprintf(x->why + at, sizeof(x->why) - at, "%s%s", at ? "; " : "", text);
}

static int judge(struct round *x, struct err *err)
{
	int r = hr_judge(&x->verdict, x->had_before ? &x->before : NULL, x->o, stamp_now_ms(),
			 &x->reasons, err);

	for (size_t i = 0; r == 0 && i < x->reasons.n; i++)
		if (hr_reason_traits[x->reasons.v[i].kind].doubt)
			why_add(x, x->reasons.v[i].text);
	return r;
}

/* What the store counted, beside what the file showed by itself. */
static int judge_counts(struct round *x, unsigned *doubts, struct err *err)
{
	const struct hr_options *o = x->o;
	const struct read_bounds bounds = {
		.drop_most = o->drop_count,
		.drop_permille = (int64_t)(o->drop_share * 1000 + 0.5),
		.disabled_most = -1,
		.unknown_permille = -1,
	};
	char why[ERR_TEXT_BYTES] = "";
	size_t before = x->reasons.n;
	int r;

	*doubts = hr_reasons_doubts(&x->reasons);
	if (!x->verdict.complete || (x->same && !x->again))
		return 0;
	r = hr_judge_changes(x->counts.before, x->counts.changed, o, &x->reasons, err);
	if (r == 0 && x->reasons.n > before)
		why_add(x, x->reasons.v[before].text);
	*doubts = hr_reasons_doubts(&x->reasons);
	if (r == 0 && o->kind == HR_FULL && !x->same &&
	    sources_read_judge(&x->counts, &bounds, why, sizeof(why)) &&
	    !(*doubts & DOUBT_IMPLAUSIBLE)) {
		why_add(x, why);
		*doubts |= DOUBT_IMPLAUSIBLE;
	} else if (r == 0 && *doubts) {
		why_add(x, "if that is right, say so with `leaverd source accept`");
	}
	return r;
}

static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct round *x = ctx;
	struct read_verdict verdict = { .now_ms = stamp_now_ms() };
	int r = x->run ? 0 : begin_write(x, db, err);

	if (r == 0)
		r = sources_read_weigh(db, x->run, &x->counts, err);
	if (r == 0)
		r = judge_counts(x, &verdict.doubts, err);
	verdict.complete = x->verdict.complete;
	/* a file that changed under the reading is not the one that was verified and judged */
	verdict.discard = !verdict.complete;
	verdict.reason = x->why[0] ? x->why : NULL;
	if (r == 0)
		r = sources_read_end(db, x->run, &verdict, &x->accepted, err);
	if (r < 0 || !x->verdict.complete)
		return r;
	return keep_verdict(db, x, x->accepted ? "verdict" : "aside", err);
}

/* --- who was absent long enough ------------------------------------------------------------
 */

struct absentees {
	int64_t n, last;
};

static int on_absent(void *ctx, const struct absent_row *row, struct err *err)
{
	struct absentees *a = ctx;

	(void)err;
	a->n++;
	a->last = row->record;
	return 0;
}

static int count_absent(struct round *x, struct err *err)
{
	struct absentees a = { 0 };
	int64_t before;
	int r;

	do {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		before = a.n;
		r = store_read_begin(x->app->store, &db, err);
		if (r == 0)
			r = sources_gone_candidates(db, x->row.id, x->source->gone_reads,
						    stamp_now_ms() - x->source->gone_after_ms,
						    a.last, HR_ABSENT_PAGE, on_absent, &a, err);
	} while (r == 0 && a.n - before == HR_ABSENT_PAGE);
	x->absent_long = a.n;
	return r < 0 ? r : 0;
}

/* --- the answer ----------------------------------------------------------------------------
 */

static int set_all(json_t *into, const char *const *names, json_t **values, size_t n,
		   struct err *err)
{
	int r = into ? 0 : err_nomem(err);

	for (size_t i = 0; i < n; i++) {
		int set = jx_set(into, names[i], values[i], err);

		r = r < 0 ? r : set;
	}
	return r;
}

static int file_out(const struct round *x, json_t *out, struct err *err)
{
	const struct hr_verdict *v = &x->verdict;
	static const char *const names[] = { "name", "date_ms",   "digest", "encoding",
					     "how",  "delimiter", "seal",   "bytes",
					     "rows", "doubled",   "bad",    "first_bad" };
	json_t *values[] = {
		json_string(v->name ? v->name : ""),
		v->date_ms ? json_integer(v->date_ms) : json_null(),
		json_string(v->digest),
		json_string(v->encoding),
		json_string(v->how),
		json_string(v->delimiter),
		json_string(v->seal),
		json_integer((json_int_t)v->bytes),
		json_integer((json_int_t)v->rows),
		json_integer((json_int_t)v->doubled),
		json_integer((json_int_t)v->bad),
		v->first_bad[0] ? json_string(v->first_bad) : json_null(),
	};
	json_t *file = json_object();
	int r = set_all(file, names, values, COUNT_OF(values), err);
	int set = jx_set(out, "file", file, err);

	return r < 0 ? r : set;
}

static int reasons_out(const struct round *x, json_t *out, struct err *err)
{
	json_t *list = json_array();
	int r = jx_set(out, "reasons", list, err);

	for (size_t i = 0; r == 0 && i < x->reasons.n; i++) {
		const struct hr_reason *reason = &x->reasons.v[i];
		const struct hr_reason_trait *trait = &hr_reason_traits[reason->kind];

		r = jx_add(list,
			   json_pack("{s:s,s:s,s:b,s:s}", "reason", trait->word, "guard",
				     trait->guard, "refuses", trait->doubt != 0, "text",
				     reason->text),
			   err);
	}
	return r;
}

static int answer(struct round *x, json_t *out, struct err *err)
{
	static const char *const names[] = { "source",   "read",     "complete", "plausible",
					     "accepted", "same",     "why",      "server",
					     "entries",  "fresh",    "changed",  "unchanged",
					     "missing",  "disabled", "gone",     "absent_long",
					     "waiting",  "ms",       "stands",   "earlier",
					     "behind" };
	json_t *values[] = {
		json_string(x->source->name),
		json_integer(x->run ? read_run_no(x->run) : 0),
		json_boolean(x->verdict.complete),
		json_boolean(x->verdict.complete && !hr_reasons_doubts(&x->reasons)),
		json_boolean(x->accepted),
		json_boolean(x->same),
		x->why[0] ? json_string(x->why) : json_null(),
		json_string(""),
		json_integer((json_int_t)x->verdict.people),
		json_integer(x->counts.fresh + x->earlier.fresh),
		json_integer(x->counts.changed + x->earlier.changed),
		json_integer(x->counts.unchanged),
		/* a refused export lacks nobody: it was not read */
		json_integer(x->verdict.complete ? x->counts.missing : 0),
		json_integer(x->counts.disabled),
		json_integer(0),
		json_integer(x->absent_long),
		json_integer((json_int_t)x->drop.waiting),
		json_integer(x->verdict.duration_ms),
		json_boolean(x->stands),
		json_integer(x->earlier.drops),
		json_integer((json_int_t)x->drop.behind),
	};
	int r = set_all(out, names, values, COUNT_OF(values), err);

	if (r == 0 && x->verdict.name)
		r = file_out(x, out, err);
	return r == 0 ? reasons_out(x, out, err) : r;
}

static void tell_log(const struct round *x)
{
	if (x->accepted && !x->verdict.name)
		return; /* no newer file is there */
	if (x->accepted)
		log_info("sync.done", LOG_T("source", x->source->name),
			 LOG_U("entries", x->verdict.people),
			 LOG_I("changed", x->counts.changed),
			 LOG_I("missing", x->counts.missing), LOG_B("same", x->same),
			 LOG_I("ms", x->verdict.duration_ms));
	else
		log_warn("sync.not_accepted", LOG_T("source", x->source->name),
			 LOG_B("complete", x->verdict.complete), LOG_T("text", x->why));
}

/* --- the round -----------------------------------------------------------------------------
 */

/* The bytes that were accepted last, and not newer than they were: nothing to do, unless
 * another file came between, which this one puts aside, or the settings are others. */
static bool nothing_new(const struct round *x)
{
	/* of those that are read in order each is passed, whatever is in it */
	if (hr_drop_in_order(x->o) && x->drop.path &&
	    (!x->before.drop || strcmp(x->drop.name, x->before.drop) != 0))
		return false;
	return x->same && !x->again && x->row.accepted_read == x->row.read_no &&
	       x->verdict.date_ms <= x->before.date_ms;
}

static int take_in(struct round *x, struct hr_feed *feed, struct err *err)
{
	int r = 0;

	if (x->verdict.complete && (!x->same || x->again)) {
		r = writer_call(x->app->writer, begin_write, x, err);
		if (r == 0)
			r = hr_feed_read(feed, x->cancel, on_person, x, err);
		if (r == 0)
			r = flush(x, err);
		if (r == -ERR_INCOMPLETE || r == -ERR_IO) {
			x->verdict.complete = false;
			why_add(x, err->text);
			r = 0;
		}
	}
	return r == 0 ? writer_call(x->app->writer, end_write, x, err) : r;
}

static int scan(struct round *x, struct hr_feed *feed, struct err *err)
{
	int r = hr_feed_scan(feed, stamp_now_ms(), x->cancel, &x->verdict, err);

	if (r < 0)
		return r;
	if (!x->verdict.complete) {
		why_add(x, x->verdict.why);
		return 0;
	}
	x->same = x->had_before && strcmp(x->verdict.digest, x->before.digest) == 0;
	x->again = x->same && strcmp(x->verdict.question, x->before.question) != 0;
	r = note_place(x, err);
	return r == 0 ? judge(x, err) : r;
}

/* There is no file to be read now: said, and nothing is concluded from it. */
static int no_file(struct round *x, const struct err *said)
{
	x->same = x->row.accepted_read > 0 && x->row.accepted_read == x->row.read_no;
	x->accepted = x->stands = x->same;
	why_add(x, said->text);
	if (x->stands)
		why_add(x, "what was accepted before stands");
	return 0;
}

/* A file that is refused before a byte of it was read: it cannot be opened, its signature is
 * wrong. */
static int refused(struct round *x, const struct err *said, struct err *err)
{
	why_add(x, said->text);
	return x->dry_run ? 0 : writer_call(x->app->writer, end_write, x, err);
}

static int run(struct round *x, int fd, struct err *err)
{
	CLEANUP(hr_feed_free_at) struct hr_feed *feed = NULL;
	struct hr_drop_last last;
	struct err said;
	int r = look_back(x, err);

	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	last = last_of(&x->before);
	r = hr_drop_open(x->o, fd, &last, stamp_now_ms(), &x->drop, &said);
	if (r == HR_DROP_NONE)
		return no_file(x, &said);
	if (r == -ERR_NOMEM || r == -ERR_USAGE || r == -ERR_CONFIG)
		return err_set(err, -r, "%s", said.text);
	if (r < 0)
		return refused(x, &said, err);
	r = hr_feed_new(x->o, &x->drop, &feed, err);
	if (r == 0)
		r = scan(x, feed, err);
	if (r < 0 || x->dry_run)
		return r;
	if (nothing_new(x)) {
		x->accepted = true;
		return count_absent(x, err);
	}
	r = take_in(x, feed, err);
	if (r == 0 && x->accepted)
		r = count_absent(x, err);
	return r;
}

static struct round *round_new(struct app *app, const struct config_source *source,
			       const atomic_bool *cancel, struct err *err)
{
	struct round *x = calloc(1, sizeof(*x));

	if (!x) {
		(void)!err_nomem(err);
		return NULL;
	}
	x->app = app;
	x->source = source;
	x->o = &source->file;
	x->cancel = cancel;
	x->drop.fd = -1;
	return x;
}

/* Of exports that are read in order: whether the next is to be read at once. *x is then as new.
 */
static bool goes_on(struct round *x)
{
	char waits[96];

	if (!x->drop.behind || x->dry_run)
		return false;
	if (!x->accepted) {
		snprintf(waits, sizeof(waits), "%llu that come after it in the folder wait",
			 (unsigned long long)x->drop.behind);
		why_add(x, waits);
		return false;
	}
	x->earlier.drops++;
	x->earlier.fresh += x->counts.fresh;
	x->earlier.changed += x->counts.changed;
	round_done(x);
	*x = (struct round){ .app = x->app,
			     .source = x->source,
			     .o = x->o,
			     .cancel = x->cancel,
			     .earlier = x->earlier,
			     .drop = { .fd = -1 } };
	return true;
}

int rounds_hr(struct app *app, const struct config_source *source, int fd, bool dry_run,
	      const atomic_bool *cancel, json_t *out, struct err *err)
{
	struct round *x = round_new(app, source, cancel, err);
	bool more = true;
	int r = 0;

	if (!x) {
		if (fd >= 0)
			close(fd);
		return -ERR_NOMEM;
	}
	x->dry_run = dry_run;
	for (; r == 0 && more; fd = -1) {
		r = run(x, fd, err);
		if (r == 0 && !dry_run)
			tell_log(x);
		more = r == 0 && goes_on(x);
	}
	if (r == 0)
		r = answer(x, out, err);
	round_done(x);
	free(x);
	return r < 0 ? err_context(err, r, "source %s", source->name) : 0;
}

/* --- what the map makes of a row -----------------------------------------------------------
 */

struct sample {
	json_t *rows;
	size_t most;
	const char *key; /* NULL: of all */
};

static int cells_out(const struct hr_cell *raw, const struct str *cooked, size_t n,
		     json_t *into, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct str text = str_utf8(raw[i].text, NULL) ? raw[i].text : STR("(not text)");

		if (raw[i].name.len == 0)
			continue;
		r = jx_add(into,
			   json_pack("{s:s%,s:s%,s:o,s:I,s:I}", "column", raw[i].name.p,
				     raw[i].name.len, "text", text.p, text.len, "read",
				     cooked[i].p ? json_stringn(cooked[i].p, cooked[i].len)
						 : json_null(),
				     "line", (json_int_t)raw[i].line, "at",
				     (json_int_t)raw[i].column),
			   err);
	}
	return r;
}

static int on_sample(void *ctx, const struct hr_cell *raw, const struct str *cooked, size_t n,
		     const struct hr_person *person, struct err *err)
{
	struct sample *s = ctx;
	json_t *row, *cells, *unknown;
	int r, set;

	if (s->key && strcmp(s->key, person->key) != 0)
		return 0;
	r = jx_add(s->rows, row = json_object(), err);
	set = jx_set(row, "cells", cells = json_array(), err);

	r = r < 0 ? r : set;
	set = jx_set(row, "unknown", unknown = json_array(), err);
	r = r < 0 ? r : set;
	if (r == 0)
		r = jx_set(row, "line", json_integer((json_int_t)person->line), err);
	if (r == 0)
		r = jx_set(row, "key", json_string(person->key), err);
	if (r == 0)
		r = jx_set(row, "document", json_incref(person->map.doc), err);
	if (r == 0)
		r = jx_set(row, "bad", person->bad[0] ? json_string(person->bad) : json_null(),
			   err);
	for (size_t i = 0; r == 0 && i < person->map.unknown_n; i++)
		r = jx_add(unknown, json_string(person->map.unknown[i]), err);
	if (r == 0)
		r = cells_out(raw, cooked, n, cells, err);
	return r < 0 ? r : json_array_size(s->rows) >= s->most;
}

int rounds_hr_sample(struct app *app, const struct config_source *source, int fd, size_t rows,
		     const char *key, const atomic_bool *cancel, json_t *out, struct err *err)
{
	CLEANUP(hr_feed_free_at) struct hr_feed *feed = NULL;
	struct sample sample = { json_array(), rows, key };
	struct hr_drop drop = { .fd = -1 };
	struct hr_verdict before = { 0 };
	struct hr_drop_last last;
	struct err said;
	int r = jx_set(out, "sample", sample.rows, err);

	if (r == 0)
		r = verdict_before(app, source, &before, err);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		hr_verdict_done(&before);
		return r;
	}
	last = last_of(&before);
	r = hr_drop_open(&source->file, fd, &last, stamp_now_ms(), &drop, &said);
	if (r == 0)
		r = hr_feed_new(&source->file, &drop, &feed, err);
	/* why a file is not read is told by rounds_hr(); what came before the fault is shown */
	if (r == 0)
		r = hr_feed_sample(feed, cancel, on_sample, &sample, &said);
	if (r == -ERR_NOMEM)
		r = err_nomem(err);
	else
		r = 0;
	hr_feed_free(TAKE(feed));
	hr_drop_done(&drop);
	hr_verdict_done(&before);
	return r;
}

/* --- stdin ---------------------------------------------------------------------------------
 */

int rounds_hr_spool_open(const struct app *app, const char *name, int *ret, struct err *err)
{
	char path[4096];
	int fd;

	if (!*name || name[0] == '.' || strchr(name, '/'))
		return err_set(err, ERR_USAGE, "%s is no spool of stdin", name);
	if (snprintf(path, sizeof(path), "%s/%s/%s", app->config.instance.state_dir,
		     ROUNDS_HR_SPOOL, name) >= (int)sizeof(path))
		return err_set(err, ERR_IO, "%s: the path of the spool is too long", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "opening %s", path);
	(void)unlink(path);
	*ret = fd;
	return 0;
}
