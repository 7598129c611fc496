#include "bridge/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/export.h"
#include "bridge/pack.h"
#include "bridge/sealed.h"
#include "bridge/stamps.h"
#include "bridge/verb.h"
#include "model/plan.h"
#include "store/audit.h"
#include "store/reviews.h"
#include "store/walk.h"
#include "store/writer.h"

#define FOLDER_START "evidence."
#define FOLDER_END 6                       /* characters that mkdtemp() draws */
#define FOLDER_KEPT_MS (1 * STAMP_HOUR_MS) /* one that nobody fetched goes after so long */
#define PAGE 500
#define FLUSH_BYTES (256u << 10)
#define FILE_BUF_MOST (PLAN_MAX_BYTES)
#define PLANS_MOST 10000

VEC(vec_number, int64_t);

struct making {
	struct app *app;
	const struct evidence_scope *scope;
	const char *who;
	struct buf folder;
	char about[80];
	int64_t now_ms, from_ms, until_ms;
	struct vec_number plans, runs;
	struct pack_files files;
	int64_t first, last, entries, withheld; /* of the extract */
	struct audit_report chain;
	int64_t stamps; /* copied; and whether one is of an entry behind the extract */
	bool stamped_behind;
};

static void making_done(struct making *m)
{
	buf_done(&m->folder);
	vec_number_done(&m->plans);
	vec_number_done(&m->runs);
	pack_files_free(&m->files);
}

/* --- the key
 * -----------------------------------------------------------------------------------
 */

static int seed_of(struct app *app, struct secret *ret, struct err *err)
{
	const struct store_keys *keys = store_keys(app->store);
	struct digest d;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET,
			       "the vault is not open: nothing can be signed without its key");
	digest_of(&d, &keys->head_seed, STR("leaverd evidence key 1"));
	r = secret_set(ret, d.b, sizeof(d.b), err);
	secret_wipe(&d, sizeof(d));
	return r;
}

int evidence_key(struct app *app, unsigned char ret[DIGEST_PUB_BYTES], struct err *err)
{
	struct secret seed = { 0 };
	int r = seed_of(app, &seed, err);

	if (r == 0)
		r = digest_public(ret, &seed, err);
	secret_done(&seed);
	return r;
}

/* --- files of the pack
 * -------------------------------------------------------------------------
 */

struct sink {
	struct making *m;
	char name[PACK_NAME_MOST + 1];
	int fd;
	struct buf text;
};

static void sink_done(struct sink *s)
{
	buf_done(&s->text);
	fd_close_at(&s->fd);
}

static int sink_open(struct sink *s, struct making *m, struct err *err, const char *format, ...)
	PRINTF(4, 5);
static int sink_open(struct sink *s, struct making *m, struct err *err, const char *format, ...)
{
	CLEANUP(buf_done) struct buf path;
	va_list args;
	int r;

	*s = (struct sink){ .m = m, .fd = -1 };
	buf_init(&s->text, FILE_BUF_MOST);
	buf_init(&path, 8192);
	va_start(args, format);
	vsnprintf(s->name, sizeof(s->name), format, args);
	va_end(args);
	buf_addf(&path, "%s/%s", m->folder.p, s->name);
	r = buf_fault(&path, err, "the path of a file");
	if (r < 0)
		return r;
	s->fd = open(path.p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return s->fd < 0 ? err_errno(err, ERR_IO, errno, "%s", path.p) : 0;
}

static int sink_flush(struct sink *s, struct err *err)
{
	struct str left = buf_str(&s->text);
	int r = buf_fault(&s->text, err, s->name);

	while (r == 0 && left.len) {
		ssize_t n = write(s->fd, left.p, left.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno == ENOSPC ? ERR_FULL : ERR_IO, errno, "%s",
					 s->name);
		left.p += n;
		left.len -= (size_t)n;
	}
	buf_clear(&s->text);
	return r;
}

static int sink_more(struct sink *s, struct err *err)
{
	return s->text.len >= FLUSH_BYTES || s->text.fault ? sink_flush(s, err) : 0;
}

/* The file is whole: its checksums go into the manifest. */
static int sink_end(struct sink *s, struct err *err)
{
	struct pack_file f = { 0 };
	struct digest_file d;
	int r = sink_flush(s, err);

	if (r == 0 && fsync(s->fd) < 0)
		r = err_errno(err, ERR_IO, errno, "%s", s->name);
	if (r == 0)
		r = digest_file(s->fd, INT64_MAX, &d, err);
	if (r < 0)
		return r;
	memcpy(f.sha256, d.sha256, sizeof(f.sha256));
	memcpy(f.blake2b, d.blake2b_512, sizeof(f.blake2b));
	f.bytes = d.bytes;
	f.name = str_dup(str_of(s->name));
	if (f.name && pack_files_add(&s->m->files, f) == 0)
		return 0;
	free(f.name);
	return err_nomem(err);
}

static int make_folder(struct making *m, const char *name, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, 8192);
	buf_addf(&path, "%s/%s", m->folder.p, name);
	r = buf_fault(&path, err, "a folder of the pack");
	if (r == 0 && mkdir(path.p, 0700) < 0)
		r = err_errno(err, ERR_IO, errno, "%s", path.p);
	return r;
}

/* --- a plan
 * ------------------------------------------------------------------------------------
 */

static void add_member(struct buf *b, const char *name, struct str value)
{
	buf_addf(b, "\"%s\":", name);
	buf_add_json(b, value);
	buf_add_char(b, ',');
}

static void add_time(struct buf *b, const char *name, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	if (ms <= 0) {
		buf_addf(b, "\"%s\":null,", name);
		return;
	}
	stamp_text(ms, text);
	add_member(b, name, str_of(text));
}

static int write_about(void *ctx, const struct plan_row *p, struct err *err)
{
	struct sink *s = ctx;
	char hex[DIGEST_HEX_BYTES];

	(void)err;
	digest_hex(&p->digest, hex);
	buf_addf(&s->text, "{\"plan\":%" PRId64 ",", p->id);
	add_member(&s->text, "org", p->org);
	add_member(&s->text, "urgency", p->urgency);
	add_member(&s->text, "who", p->who);
	add_member(&s->text, "state", str_of(plan_standing_words[p->state]));
	add_time(&s->text, "created", p->created_ms);
	add_time(&s->text, "expires", p->expires_ms);
	add_time(&s->text, "stateAt", p->state_ms);
	add_member(&s->text, "digest", str_of(hex));
	buf_addf(&s->text, "\"actions\":%" PRId64 ",\"complete\":%s,\"held\":%s}\n", p->actions,
		 p->complete ? "true" : "false", p->held ? "true" : "false");
	return 0;
}

static int write_bytes(void *ctx, const struct plan_row *p, struct err *err)
{
	struct sink *s = ctx;

	(void)err;
	buf_add_str(&s->text, p->bytes);
	return 0;
}

static int one_plan_file(struct making *m, int64_t plan, const char *name, plan_fn fn,
			 struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(sink_done) struct sink s;
	int r = sink_open(&s, m, err, "plan-%" PRId64 "/%s", plan, name);

	if (r == 0)
		r = store_read_begin(m->app->store, &db, err);
	if (r == 0)
		r = plans_get(db, plan, fn, &s, err);
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no plan %" PRId64, plan);
	return r < 0 ? r : sink_end(&s, err);
}

static int write_decision(void *ctx, const struct decision *d, struct err *err)
{
	struct sink *s = ctx;
	char hex[DIGEST_HEX_BYTES];

	digest_hex(&d->digest, hex);
	buf_addf(&s->text, "{\"decision\":%" PRId64 ",\"plan\":%" PRId64 ",", d->id, d->plan);
	add_member(&s->text, "kind", str_of(decision_words[d->kind]));
	add_member(&s->text, "who", d->who);
	buf_addf(&s->text, "\"person\":%s,", d->person ? "true" : "false");
	add_member(&s->text, "digest", str_of(hex));
	add_member(&s->text, "actions", d->actions);
	add_member(&s->text, "guards", d->guards);
	add_member(&s->text, "why", d->why);
	add_time(&s->text, "at", d->ms);
	buf_cut(&s->text, s->text.len ? s->text.len - 1 : 0);
	buf_add_text(&s->text, "}\n");
	return sink_more(s, err);
}

static int decisions_file(struct making *m, int64_t plan, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(sink_done) struct sink s;
	int r = sink_open(&s, m, err, "plan-%" PRId64 "/decisions.jsonl", plan);

	if (r == 0)
		r = store_read_begin(m->app->store, &db, err);
	if (r == 0)
		r = plans_decisions(db, plan, write_decision, &s, err);
	return r < 0 ? r : sink_end(&s, err);
}

static const struct export_column outcome_columns[] = {
	{ "n", EXPORT_INT, 0, "" },
	{ "kind", EXPORT_TEXT, 0, "" },
	{ "rule", EXPORT_TEXT, 0, "" },
	{ "person", EXPORT_INT, 0, "" },
	{ "account", EXPORT_INT, 0, "" },
	{ "accountId", EXPORT_TEXT, 0, "" },
	{ "email", EXPORT_TEXT, 0, "" },
	{ "name", EXPORT_TEXT, 0, "" },
	{ "product", EXPORT_TEXT, 0, "" },
	{ "site", EXPORT_TEXT, 0, "" },
	{ "dueAt", EXPORT_TIME, 0, "" },
	{ "before", EXPORT_TEXT, 0, "" },
	{ "after", EXPORT_TEXT, 0, "" },
	{ "state", EXPORT_TEXT, 0, "" },
	{ "stateAt", EXPORT_TIME, 0, "" },
	{ "result", EXPORT_TEXT, 0, "" },
	{ 0 },
};

struct outcomes {
	const struct plan *plan;
	struct sink values, table;
	struct export_line line;
	int64_t number, last;
};

static int sealed_fault(const struct outcomes *o, const struct action_row *a, struct err *err)
{
	char due[STAMP_TEXT_BYTES];

	stamp_text(a->due_ms, due);
	return err_set(
		err, ERR_FORBIDDEN,
		"plan %" PRId64 " has steps about leavers that lie ahead (one until %s): "
		"whom they are about, only role hr-confidential sees. Bring a token of it "
		"(--token-file), ask again when they are due, or leave that plan out",
		o->number, due);
}

static void put_fields(struct export_line *l, const struct action_fields *fields)
{
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, 1 << 20);
	plan_write_fields(fields, &text);
	export_text(l, buf_str(&text));
}

static void put_time(struct export_line *l, int64_t ms)
{
	if (ms > 0)
		export_time(l, ms);
	else
		export_none(l);
}

static void put_outcome(struct outcomes *o, const struct action_row *a, const json_t *values)
{
	static const char *const names[] = { "account_id", "email", "name" };
	const struct action *planned = &o->plan->actions.v[a->n - 1];
	struct export_line *l = &o->line;

	export_int(l, a->n);
	export_text(l, a->kind);
	export_text(l, a->rule);
	export_int(l, a->person);
	export_int(l, a->account);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		export_text(l, str_of(jx_get_text(values, names[i])));
	export_text(l, a->product);
	export_text(l, a->site);
	put_time(l, a->due_ms);
	put_fields(l, &planned->before);
	put_fields(l, &planned->after);
	export_text(l, str_of(action_state_words[a->state]));
	put_time(l, a->state_ms);
	export_text(l, a->result);
	export_end(l);
}

static int write_outcome(void *ctx, const struct action_row *a, struct str json,
			 struct str salt, struct err *err)
{
	CLEANUP(json_decref_at) json_t *values = NULL;
	struct outcomes *o = ctx;
	char hex[2 * 64 + 1] = "";
	int r = 0;

	o->last = a->n;
	if (a->n < 1 || (size_t)a->n > o->plan->actions.n)
		return err_set(err, ERR_DAMAGED, "the plan has no action %" PRId64, a->n);
	if (!o->table.m->scope->may_see_ends && sealed_action(a, o->table.m->now_ms))
		return sealed_fault(o, a, err);
	if (json.len)
		r = jx_parse(json, JX_LENIENT, &values, err);
	if (r < 0)
		return r;
	put_outcome(o, a, values);
	buf_addf(&o->values.text, "{\"n\":%" PRId64 ",", a->n);
	if (json.len && salt.len <= 64) {
		enc_hex(salt.p, salt.len, hex);
		add_member(&o->values.text, "json", json);
		buf_addf(&o->values.text, "\"salt\":\"%s\"}\n", hex);
	} else {
		buf_add_text(&o->values.text, "\"erased\":true}\n");
	}
	r = sink_more(&o->values, err);
	return r < 0 ? r : sink_more(&o->table, err);
}

static int outcome_pages(struct making *m, int64_t plan, struct outcomes *o, struct err *err)
{
	int64_t before = -1;
	int r = 0;

	while (r == 0 && o->last != before) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(m->app))
			return err_set(err, ERR_CANCELLED, "the evidence was interrupted");
		before = o->last;
		r = store_read_begin(m->app->store, &db, err);
		if (r == 0)
			r = walk_actions(db, plan, o->last, PAGE, write_outcome, o, err);
	}
	return r;
}

struct plan_text {
	struct buf text;
};

static int take_bytes(void *ctx, const struct plan_row *p, struct err *err)
{
	struct buf *into = ctx;

	buf_add_str(into, p->bytes);
	return buf_fault(into, err, "the plan");
}

static int read_plan(struct making *m, int64_t plan, struct plan **ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(buf_done) struct buf bytes;
	int r;

	buf_init(&bytes, PLAN_MAX_BYTES);
	r = store_read_begin(m->app->store, &db, err);
	if (r == 0)
		r = plans_get(db, plan, take_bytes, &bytes, err);
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no plan %" PRId64, plan);
	return r < 0 ? r : plan_parse(buf_str(&bytes), ret, err);
}

static int outcome_files(struct making *m, int64_t plan, struct err *err)
{
	CLEANUP(plan_free_at) struct plan *p = NULL;
	struct outcomes o = { .values = { .fd = -1 }, .table = { .fd = -1 } };
	int r = read_plan(m, plan, &p, err);

	if (r < 0)
		return r;
	o.plan = p;
	o.number = plan;
	r = sink_open(&o.values, m, err, "plan-%" PRId64 "/values.jsonl", plan);
	if (r == 0)
		r = sink_open(&o.table, m, err, "plan-%" PRId64 "/before-after.csv", plan);
	if (r == 0) {
		export_head(EXPORT_CSV, outcome_columns, false, &o.table.text);
		export_begin(&o.line, EXPORT_CSV, outcome_columns, &o.table.text);
		r = outcome_pages(m, plan, &o, err);
	}
	if (r == 0)
		r = sink_end(&o.table, err);
	if (r == 0)
		r = sink_end(&o.values, err);
	sink_done(&o.table);
	sink_done(&o.values);
	return r;
}

/* --- runs and the journal
 * ----------------------------------------------------------------------
 */

struct run_files {
	struct making *m;
	struct sink *s;
	int64_t last;
	bool any;
};

static int write_run(void *ctx, const struct run_row *run, struct err *err)
{
	struct run_files *f = ctx;
	struct buf *b = &f->s->text;

	f->last = run->id;
	f->any = true;
	if (f->m->scope->run && run->id != f->m->scope->run)
		return 0;
	if (vec_number_add(&f->m->runs, run->id) < 0)
		return err_nomem(err);
	buf_addf(b, "{\"run\":%" PRId64 ",\"plan\":%" PRId64 ",\"epoch\":%" PRId64 ",", run->id,
		 run->plan, run->epoch);
	add_member(b, "org", run->org);
	add_member(b, "who", run->who);
	add_member(b, "ended_how", run->ended_how);
	add_time(b, "begun", run->begun_ms);
	add_time(b, "ended", run->ended_ms);
	buf_addf(b,
		 "\"done\":%" PRId64 ",\"already\":%" PRId64 ",\"skipped\":%" PRId64
		 ",\"held\":%" PRId64 ",\"failed\":%" PRId64 "}\n",
		 run->done, run->already, run->skipped, run->held, run->failed);
	return sink_more(f->s, err);
}

static int runs_file(struct making *m, int64_t plan, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	struct run_files f = { .m = m, .s = &s, .any = true };
	int r = sink_open(&s, m, err, "plan-%" PRId64 "/runs.jsonl", plan);

	while (r == 0 && f.any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		f.any = false;
		r = store_read_begin(m->app->store, &db, err);
		if (r == 0)
			r = walk_runs(db, plan, f.last, PAGE, write_run, &f, err);
	}
	return r < 0 ? r : sink_end(&s, err);
}

static int write_line(void *ctx, const struct journal_line *l, struct err *err)
{
	struct run_files *f = ctx;
	struct buf *b = &f->s->text;

	f->last = l->seq;
	f->any = true;
	buf_addf(b,
		 "{\"seq\":%" PRId64 ",\"plan\":%" PRId64 ",\"n\":%" PRId64 ",\"run\":%" PRId64
		 ",\"epoch\":%" PRId64 ",\"step\":%" PRId64 ",",
		 l->seq, l->plan, l->n, l->run, l->epoch, l->step);
	add_member(b, "kind", str_of(journal_kind_words[l->kind]));
	add_member(b, "op", l->op);
	add_member(b, "args", l->args);
	add_member(b, "key", l->key);
	add_member(b, "result", l->result);
	add_member(b, "text", l->text);
	add_time(b, "at", l->ms);
	buf_cut(b, b->len ? b->len - 1 : 0);
	buf_add_text(b, "}\n");
	return sink_more(f->s, err);
}

static int journal_file(struct making *m, int64_t plan, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	struct run_files f = { .m = m, .s = &s, .any = true };
	int r = sink_open(&s, m, err, "plan-%" PRId64 "/journal.jsonl", plan);

	while (r == 0 && f.any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(m->app))
			return err_set(err, ERR_CANCELLED, "the evidence was interrupted");
		f.any = false;
		r = store_read_begin(m->app->store, &db, err);
		if (r == 0)
			r = walk_journal(db, plan, m->scope->run, f.last, PAGE, write_line, &f,
					 err);
	}
	return r < 0 ? r : sink_end(&s, err);
}

static int plan_files(struct making *m, int64_t plan, struct err *err)
{
	char folder[40];
	int r;

	snprintf(folder, sizeof(folder), "plan-%" PRId64, plan);
	r = make_folder(m, folder, err);
	if (r == 0)
		r = one_plan_file(m, plan, "plan.json", write_bytes, err);
	if (r == 0)
		r = one_plan_file(m, plan, "about.json", write_about, err);
	if (r == 0)
		r = decisions_file(m, plan, err);
	if (r == 0)
		r = outcome_files(m, plan, err);
	if (r == 0)
		r = runs_file(m, plan, err);
	return r < 0 ? r : journal_file(m, plan, err);
}

/* --- the audit chain
 * ---------------------------------------------------------------------------
 */

/* "plan 7", "plan 7 action 3", "run 2". */
static bool names_one_of(const char *target, const char *word, const struct vec_number *numbers)
{
	struct str head, rest, number;
	int64_t n;

	if (!target || !str_cut(str_of(target), ' ', &head, &rest) ||
	    !str_eq(head, str_of(word)))
		return false;
	str_cut(rest, ' ', &number, &rest);
	if (!str_int64(number, &n))
		return false;
	for (size_t i = 0; i < numbers->n; i++)
		if (numbers->v[i] == n)
			return true;
	return false;
}

/* Entries about other people stand in the chain, without what they say: the extract shows that
 * they are there and keeps their link, and no more than is needed leaves the house. */
static int write_entry(struct making *m, struct sink *s, struct str line, struct err *err)
{
	CLEANUP(json_decref_at) json_t *row = NULL;
	const char *target;
	int r = jx_parse(line, JX_LENIENT, &row, err);

	if (r < 0)
		return err_context(err, r, "the audit chain");
	if (json_integer_value(json_object_get(row, "seq")) > m->last)
		return 1;
	m->entries++;
	target = jx_get_text(row, "target");
	if (json_integer_value(json_object_get(row, "person")) &&
	    json_is_string(json_object_get(row, "body")) &&
	    !names_one_of(target, "plan", &m->plans) &&
	    !names_one_of(target, "run", &m->runs)) {
		m->withheld++;
		r = jx_set(row, "body", json_null(), err);
		if (r == 0)
			r = jx_set(row, "salt", json_string(""), err);
		if (r == 0)
			r = jx_set(row, "withheld", json_true(), err);
	}
	if (r == 0)
		r = jx_text(row, &s->text, err);
	buf_add_char(&s->text, '\n');
	return r < 0 ? r : sink_more(s, err);
}

/* Above zero: the extract is whole. */
static int audit_page(struct making *m, struct sink *s, int64_t *after, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(buf_done) struct buf lines;
	struct str line, rest;
	int r;

	buf_init(&lines, 256u << 20);
	r = store_read_begin(m->app->store, &db, err);
	if (r == 0)
		r = audit_export(db, *after, PAGE, &lines, after, err);
	store_read_end(TAKE(db));
	rest = buf_str(&lines);
	if (r == 0 && !rest.len)
		return 1;
	while (r == 0 && rest.len) {
		str_cut(rest, '\n', &line, &rest);
		r = write_entry(m, s, line, err);
	}
	return r;
}

static int audit_file(struct making *m, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(sink_done) struct sink s;
	int64_t after;
	int r = sink_open(&s, m, err, "audit.jsonl");

	if (r == 0)
		r = store_read_begin(m->app->store, &db, err);
	if (r == 0)
		r = walk_audit_range(db, m->from_ms, m->until_ms, &m->first, &m->last, err);
	store_read_end(TAKE(db));
	after = m->first - 1;
	while (r == 0 && m->first) {
		if (verb_cancelled(m->app))
			return err_set(err, ERR_CANCELLED, "the evidence was interrupted");
		r = audit_page(m, &s, &after, err);
	}
	return r < 0 ? r : sink_end(&s, err);
}

/* The whole chain was walked with its key just now; and its head, signed, as it stands. */
static int chain_files(struct making *m, struct err *err)
{
	CLEANUP(fd_close_at) int in = -1;
	CLEANUP(sink_done) struct sink s = { .fd = -1 };
	CLEANUP(sink_done) struct sink head;
	char text[4096];
	ssize_t n;
	int r;

	buf_init(&s.text, 0);
	r = sink_open(&head, m, err, "audit.head");
	if (r < 0)
		return r;
	in = open(store_head_path(m->app->store), O_RDONLY | O_CLOEXEC);
	n = in < 0 ? -1 : read(in, text, sizeof(text));
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "%s", store_head_path(m->app->store));
	buf_add(&head.text, text, (size_t)n);
	r = sink_end(&head, err);
	if (r == 0)
		r = sink_open(&s, m, err, "chain.json");
	if (r < 0)
		return r;
	buf_addf(&s.text,
		 "{\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"entries\":%" PRId64
		 ",\"withheld\":%" PRId64 ",\"chain_entries\":%" PRId64
		 ",\"chain_forgotten\":%" PRId64 ",\"chain_last\":%" PRId64 ",",
		 m->first, m->last, m->entries, m->withheld, m->chain.entries,
		 m->chain.forgotten, m->chain.last);
	add_time(&s.text, "verified", m->now_ms);
	add_member(&s.text, "text", str_of(m->chain.text));
	buf_cut(&s.text, s.text.len ? s.text.len - 1 : 0);
	buf_add_text(&s.text, "}\n");
	return sink_end(&s, err);
}

/* --- access reviews
 * ----------------------------------------------------------------------------
 */

struct review_ids {
	const struct making *m;
	struct vec_number v;
};

static bool has_plan(const struct making *m, struct str plans)
{
	CLEANUP(json_decref_at) json_t *list = NULL;
	const json_t *plan;
	struct err ignored;
	size_t i;

	if (jx_parse(plans, JX_STRICT, &list, &ignored) < 0)
		return false;
	json_array_foreach (list, i, plan)
		for (size_t k = 0; k < m->plans.n; k++)
			if (m->plans.v[k] == json_integer_value(plan))
				return true;
	return false;
}

/* Those that were begun or closed then, and those from which one of the plans came. */
static int note_review(void *ctx, const struct review_row *row, struct err *err)
{
	struct review_ids *ids = ctx;
	const struct making *m = ids->m;
	bool then = !m->scope->run &&
		    ((row->made_ms >= m->from_ms && row->made_ms < m->until_ms) ||
		     (row->closed_ms >= m->from_ms && row->closed_ms < m->until_ms));

	if (!then && !has_plan(m, row->plans))
		return 0;
	return vec_number_add(&ids->v, row->id) < 0 ? err_nomem(err) : 0;
}

static int write_review(void *ctx, const struct review_row *row, struct err *err)
{
	struct sink *s = ctx;
	struct buf *b = &s->text;

	buf_addf(b, "{\"review\":%" PRId64 ",", row->id);
	add_member(b, "organisation", row->org);
	add_member(b, "why", row->why);
	add_member(b, "who", row->who);
	add_time(b, "madeAt", row->made_ms);
	add_time(b, "dueAt", row->due_ms);
	add_time(b, "closedAt", row->closed_ms);
	add_member(b, "closedBy", row->closed_by);
	buf_addf(b,
		 "\"items\":%" PRId64 ",\"keep\":%" PRId64 ",\"remove\":%" PRId64
		 ",\"unanswered\":%" PRId64 ",\"plans\":" STR_FMT "}\n",
		 row->items, row->keep, row->remove, row->unanswered, STR_ARG(row->plans));
	return sink_more(s, err);
}

struct review_lines {
	struct sink *s;
	int64_t last;
	bool any;
};

static int write_item(void *ctx, const struct review_item *i, struct err *err)
{
	struct review_lines *l = ctx;
	struct buf *b = &l->s->text;

	l->last = i->n;
	l->any = true;
	buf_addf(b, "{\"item\":%" PRId64 ",\"person\":%" PRId64 ",", i->n, i->person);
	add_member(b, "manager", i->manager);
	add_member(b, "accountId", i->account_id);
	add_member(b, "email", i->email);
	add_member(b, "product", i->product);
	add_member(b, "site", i->site);
	add_member(b, "answer",
		   str_of(i->answer ? review_answer_words[i->answer] : "unanswered"));
	add_member(b, "reason", i->why);
	add_member(b, "by", i->by);
	add_time(b, "answeredAt", i->answered_ms);
	buf_cut(b, b->len ? b->len - 1 : 0);
	buf_add_text(b, "}\n");
	return sink_more(l->s, err);
}

static int review_file(struct making *m, int64_t review, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	struct review_lines l = { .s = &s, .any = true };
	int r = sink_open(&s, m, err, "reviews/%" PRId64 ".jsonl", review);
	bool first = true;

	while (r == 0 && l.any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		l.any = false;
		r = store_read_begin(m->app->store, &db, err);
		if (r == 0 && first)
			r = reviews_get(db, review, write_review, &s, err);
		first = false;
		if (r == 0)
			r = reviews_items(db, review, STR(""), l.last, PAGE, write_item, &l,
					  err);
	}
	return r < 0 ? r : sink_end(&s, err);
}

static int review_files(struct making *m, struct err *err)
{
	struct review_ids ids = { .m = m };
	struct db *db = NULL;
	int r = store_read_begin(m->app->store, &db, err);

	if (r == 0)
		r = reviews_list(db, note_review, &ids, err);
	store_read_end(db);
	if (r == 0 && ids.v.n)
		r = make_folder(m, "reviews", err);
	for (size_t i = 0; r == 0 && i < ids.v.n; i++)
		r = review_file(m, ids.v.v[i], err);
	vec_number_done(&ids.v);
	return r;
}

/* --- time stamps
 * ---------------------------------------------------------------------------
 */

static int stamp_file(struct making *m, const char *name, const char *end, struct str bytes,
		      struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	int r = sink_open(&s, m, err, "stamps/%s%s", name, end);

	if (r < 0)
		return r;
	buf_add_str(&s.text, bytes);
	return sink_end(&s, err);
}

/* Of entries of the extract, and the first behind it: that one covers all of them. */
static int copy_stamp(void *ctx, const char *name, struct str text, struct str answer,
		      struct err *err)
{
	unsigned char key[DIGEST_PUB_BYTES];
	const struct stamps_terms terms = { .anchor_key = key };
	struct making *m = ctx;
	struct tsp_stamp stamp;
	struct anchor a;
	int r = digest_public(key, &store_keys(m->app->store)->head_seed, err);

	if (r == 0)
		r = stamps_check(text, answer, &terms, &a, &stamp, err);
	if (r < 0)
		return err_context(err, r, "no evidence is made with the time stamp %s", name);
	if (!m->first || a.seq < m->first || (a.seq > m->last && m->stamped_behind))
		return 0;
	m->stamped_behind = a.seq > m->last;
	r = m->stamps++ ? 0 : make_folder(m, "stamps", err);
	if (r == 0)
		r = stamp_file(m, name, STAMPS_TEXT_END, text, err);
	return r < 0 ? r : stamp_file(m, name, STAMPS_END, answer, err);
}

/* What waits is asked for once; what is not there then is not waited for. */
static int stamp_files(struct making *m, struct err *err)
{
	CLEANUP(buf_done) struct buf folder;
	struct tsp_stamp stamp;
	struct err why;
	int64_t seq;
	int r;

	buf_init(&folder, 4096);
	if (m->app->config.anchors.stamps.url && stamps_begin(m->app)) {
		if (stamps_ask(m->app, &seq, &stamp, &why) < 0)
			log_warn("anchor.stamp", LOG_E(&why));
		stamps_end(m->app);
	}
	r = stamps_folder(&m->app->config, &folder, err);
	if (r == 0 && access(folder.p, F_OK) == 0)
		r = stamps_walk(folder.p, copy_stamp, m, err);
	return r;
}

/* --- the rest
 * ----------------------------------------------------------------------------------
 */

static int config_file(struct making *m, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	int r = sink_open(&s, m, err, "configuration.yaml");

	if (r == 0)
		r = config_show(&m->app->config, &s.text, err);
	return r < 0 ? r : sink_end(&s, err);
}

static int readme_file(struct making *m, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	char text[STAMP_TEXT_BYTES];
	int r = sink_open(&s, m, err, "README.txt");

	if (r < 0)
		return r;
	stamp_text(m->now_ms, text);
	buf_addf(&s.text,
		 "Evidence of leaverd, instance %s, about %s, made %s by %s.\n\n"
		 "plan-N/plan.json          the plan, byte for byte as it was approved\n"
		 "plan-N/about.json         its digest (BLAKE2b-256 of plan.json), state, "
		 "times\n"
		 "plan-N/decisions.jsonl    approvals, rejections, releases: who, when, why, "
		 "of which digest\n"
		 "plan-N/values.jsonl       who the actions are about; erased for forgotten "
		 "people\n"
		 "plan-N/before-after.csv   each action: state before, state wanted, what came "
		 "of it\n"
		 "plan-N/runs.jsonl         runs of the plan\n"
		 "plan-N/journal.jsonl      each remote change: intent, outcome\n"
		 "reviews/N.jsonl           an access review, then each seat with its answer\n"
		 "audit.jsonl               the audit chain of that time, without gaps; what "
		 "entries about\n"
		 "                          other people say is withheld, their digests and "
		 "links are not\n"
		 "audit.head                the signed head of the chain when this was made\n"
		 "stamps/N.tsr              time stamps (RFC 3161) of the anchors beside them: "
		 "`openssl ts\n"
		 "                          -verify -data N.anchor -in N.tsr -CAfile CA.pem`\n"
		 "chain.json                what walking the whole chain with its key said\n"
		 "configuration.yaml        configuration and policy in force when this was "
		 "made\n"
		 "SHA256SUMS, B2SUMS        for sha256sum -c and b2sum -c\n"
		 "MANIFEST, MANIFEST.sig    all files with checksums, signed with Ed25519\n\n"
		 "To verify it: leaverd evidence verify FOLDER --key FILE, with the public key "
		 "that\n"
		 "`leaverd evidence key` prints and that you got by another way than this "
		 "pack.\n"
		 "What that proves and what not: leaverd-report(7).\n",
		 m->app->config.instance.name, m->about, text, m->who);
	return sink_end(&s, err);
}

static int by_name(const void *a, const void *b)
{
	const struct pack_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int sums_file(struct making *m, const char *name, bool wide, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	char hex[2 * 64 + 1];
	int r = sink_open(&s, m, err, "%s", name);

	for (size_t i = 0; r == 0 && i < m->files.n; i++) {
		const struct pack_file *f = &m->files.v[i];

		if (wide)
			enc_hex(f->blake2b, sizeof(f->blake2b), hex);
		else
			enc_hex(f->sha256, sizeof(f->sha256), hex);
		buf_addf(&s.text, "%s  %s\n", hex, f->name);
	}
	return r < 0 ? r : sink_end(&s, err);
}

static int plain_file(struct making *m, const char *name, struct str text, struct err *err)
{
	CLEANUP(sink_done) struct sink s;
	int r = sink_open(&s, m, err, "%s", name);

	if (r == 0)
		buf_add_str(&s.text, text);
	return r < 0 ? r : sink_flush(&s, err);
}

static int sign(struct making *m, struct digest *ret, struct err *err)
{
	struct pack_manifest manifest = { .instance = m->app->config.instance.name,
					  .about = m->about,
					  .made_ms = m->now_ms / 1000 * 1000,
					  .files = m->files };
	unsigned char sig[DIGEST_SIG_BYTES];
	struct secret seed = { 0 };
	CLEANUP(buf_done) struct buf text;
	CLEANUP(buf_done) struct buf signed_text;
	int r;

	buf_init(&text, PACK_MANIFEST_MOST);
	buf_init(&signed_text, 1024);
	r = evidence_key(m->app, manifest.key, err);
	if (r == 0)
		r = pack_manifest_write(&manifest, &text, err);
	if (r == 0)
		r = seed_of(m->app, &seed, err);
	if (r == 0)
		r = digest_sign(sig, &seed, buf_str(&text), err);
	secret_done(&seed);
	if (r == 0) {
		pack_signature_write(manifest.key, sig, &signed_text);
		r = buf_fault(&signed_text, err, "the signature");
	}
	if (r == 0)
		r = plain_file(m, PACK_MANIFEST, buf_str(&text), err);
	if (r == 0)
		r = plain_file(m, PACK_SIGNATURE, buf_str(&signed_text), err);
	if (r == 0)
		digest_of(ret, NULL, buf_str(&text));
	return r;
}

/* --- the scope
 * ---------------------------------------------------------------------------------
 */

static int note_run(void *ctx, const struct run_row *run, struct err *err)
{
	struct making *m = ctx;

	m->until_ms = run->ended_ms ? run->ended_ms + 1 : m->now_ms + 1;
	return vec_number_add(&m->plans, run->plan) < 0 ? err_nomem(err) : 0;
}

static int note_created(void *ctx, const struct plan_row *p, struct err *err)
{
	struct making *m = ctx;

	(void)err;
	m->from_ms = p->created_ms;
	return 0;
}

static int note_plan(void *ctx, int64_t plan, struct err *err)
{
	struct making *m = ctx;

	return vec_number_add(&m->plans, plan) < 0 ? err_nomem(err) : 0;
}

static int scope_of_run(struct making *m, struct db *db, struct err *err)
{
	int r = plans_run_get(db, m->scope->run, note_run, m, err);

	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no run %" PRId64, m->scope->run);
	if (r == 0)
		r = plans_get(db, m->plans.v[0], note_created, m, err);
	snprintf(m->about, sizeof(m->about), "run %" PRId64, m->scope->run);
	return r;
}

static int scope_read(struct making *m, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	char from[STAMP_TEXT_BYTES], until[STAMP_TEXT_BYTES];
	int r = store_read_begin(m->app->store, &db, err);

	if (r < 0 || m->scope->run)
		return r < 0 ? r : scope_of_run(m, db, err);
	m->from_ms = m->scope->from_ms;
	m->until_ms = m->scope->until_ms;
	if (m->from_ms >= m->until_ms)
		return err_set(err, ERR_USAGE, "--from must be before --to");
	stamp_text(m->from_ms, from);
	stamp_text(m->until_ms, until);
	snprintf(m->about, sizeof(m->about), "%s to %s", from, until);
	r = walk_plans(db, m->from_ms, m->until_ms, 0, PLANS_MOST + 1, note_plan, m, err);
	if (r == 0 && m->plans.n > PLANS_MOST)
		return err_set(err, ERR_LIMIT,
			       "more than %d plans in that time: ask for a shorter one",
			       PLANS_MOST);
	return r;
}

/* --- folders
 * -----------------------------------------------------------------------------------
 */

static int remove_tree(const char *path, unsigned depth)
{
	const struct dirent *e;
	DIR *dir = opendir(path);

	if (!dir)
		return -1;
	while ((e = readdir(dir))) {
		char under[4096];
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(under, sizeof(under), "%s/%s", path, e->d_name) >=
			    (int)sizeof(under) ||
		    lstat(under, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth)
			(void)remove_tree(under, depth - 1);
		else
			unlink(under);
	}
	closedir(dir);
	return rmdir(path);
}

/* Folders that nobody came for. */
static void sweep(const char *state_dir, int64_t now_ms)
{
	const struct dirent *e;
	DIR *dir = opendir(state_dir);

	while (dir && (e = readdir(dir))) {
		char path[4096];
		struct stat st;

		if (!str_starts(str_of(e->d_name), STR(FOLDER_START)) ||
		    snprintf(path, sizeof(path), "%s/%s", state_dir, e->d_name) >=
			    (int)sizeof(path) ||
		    lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (now_ms - (int64_t)st.st_mtim.tv_sec * 1000 > FOLDER_KEPT_MS)
			(void)remove_tree(path, 2);
	}
	if (dir)
		closedir(dir);
}

/* The folder of an id that we gave out, and of nothing else. */
static int folder_of(struct app *app, const char *id, struct buf *into, struct err *err)
{
	struct str end = str_of(id);

	if (str_starts(end, STR(FOLDER_START)))
		end = str_n(end.p + strlen(FOLDER_START), end.len - strlen(FOLDER_START));
	else
		end.len = 0;
	if (end.len != FOLDER_END || str_find_any(end, "/.") != end.len)
		return err_set(err, ERR_NOT_FOUND, "there is no such evidence under way");
	buf_addf(into, "%s/%s", app->config.instance.state_dir, id);
	return buf_fault(into, err, "the folder of the evidence");
}

/* --- making
 * ------------------------------------------------------------------------------------
 */

struct making_note {
	struct making *m;
	struct digest manifest;
};

static int note_made(void *ctx, struct db *db, struct err *err)
{
	struct making_note *n = ctx;
	char hex[DIGEST_HEX_BYTES], body[200];
	struct audit_new entry = { .who = n->m->who,
				   .what = "evidence.make",
				   .target = n->m->about,
				   .now_ms = n->m->now_ms,
				   .body = { body, 0 } };

	digest_hex(&n->manifest, hex);
	entry.body.len = (size_t)snprintf(body, sizeof(body),
					  "{\"files\":%zu,\"manifest\":\"%s\",\"plans\":%zu}",
					  n->m->files.n, hex, n->m->plans.n);
	return audit_add(db, &entry, NULL, err);
}

static int make_files(struct making *m, struct err *err)
{
	struct making_note note = { .m = m };
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->plans.n; i++)
		r = plan_files(m, m->plans.v[i], err);
	if (r == 0)
		r = review_files(m, err);
	if (r == 0)
		r = audit_file(m, err);
	if (r == 0)
		r = stamp_files(m, err);
	if (r == 0)
		r = chain_files(m, err);
	if (r == 0)
		r = config_file(m, err);
	if (r == 0)
		r = readme_file(m, err);
	if (r < 0)
		return r;
	qsort(m->files.v, m->files.n, sizeof(*m->files.v), by_name);
	r = sums_file(m, "B2SUMS", true, err);
	if (r == 0) /* not of B2SUMS itself */
		r = sums_file(m, "SHA256SUMS", false, err);
	if (r < 0)
		return r;
	qsort(m->files.v, m->files.n, sizeof(*m->files.v), by_name);
	r = sign(m, &note.manifest, err);
	return r < 0 ? r : writer_call(m->app->writer, note_made, &note, err);
}

static int tell(const struct making *m, json_t *out, struct err *err)
{
	char name[200], day[STAMP_TEXT_BYTES], until[STAMP_TEXT_BYTES];
	json_t *files;
	int r;

	if (m->scope->run) {
		snprintf(name, sizeof(name), "evidence-%s-run-%" PRId64,
			 m->app->config.instance.name, m->scope->run);
	} else {
		stamp_date_text(m->from_ms, day);
		stamp_date_text(m->until_ms, until);
		snprintf(name, sizeof(name), "evidence-%s-%s-%s", m->app->config.instance.name,
			 day, until);
	}
	r = jx_set(out, "name", json_string(name), err);
	if (r == 0)
		r = jx_set(out, "about", json_string(m->about), err);
	if (r == 0)
		r = jx_set(out, "id", json_string(strrchr(m->folder.p, '/') + 1), err);
	if (r == 0)
		r = jx_set(out, "plans", json_integer((json_int_t)m->plans.n), err);
	if (r == 0)
		r = jx_set(out, "audit_entries", json_integer(m->entries), err);
	if (r == 0)
		r = jx_set(out, "stamps", json_integer(m->stamps), err);
	if (r == 0)
		r = jx_set(out, "chain", json_string(m->chain.text), err);
	if (r == 0)
		r = jx_set(out, "files", files = json_array(), err);
	for (size_t i = 0; r == 0 && i < m->files.n; i++)
		r = jx_add(files, json_string(m->files.v[i].name), err);
	return r;
}

int evidence_make(struct app *app, const struct evidence_scope *scope, const char *who,
		  json_t *out, struct err *err)
{
	CLEANUP(making_done)
	struct making m = { .app = app, .scope = scope, .who = who, .now_ms = stamp_now_ms() };
	int r;

	buf_init(&m.folder, 4096);
	sweep(app->config.instance.state_dir, m.now_ms);
	r = audit_verify(app->store, true, &m.chain, err);
	if (r < 0)
		return err_context(err, r, "no evidence is made while the chain is not whole");
	r = scope_read(&m, err);
	if (r < 0)
		return r;
	buf_addf(&m.folder, "%s/" FOLDER_START "XXXXXX", app->config.instance.state_dir);
	r = buf_fault(&m.folder, err, "the folder of the evidence");
	if (r < 0)
		return r;
	if (!mkdtemp(m.folder.p))
		return err_errno(err, ERR_IO, errno, "%s", m.folder.p);
	r = make_files(&m, err);
	if (r == 0)
		r = tell(&m, out, err);
	if (r < 0)
		(void)remove_tree(m.folder.p, 2);
	return r;
}

int evidence_read(struct app *app, const char *id, const char *file, int64_t offset,
		  size_t most, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(buf_done) struct buf path;
	char piece[16384];
	ssize_t n = 1;
	int r;

	buf_init(&path, 8192);
	if (!pack_name_ok(str_of(file)) || offset < 0)
		return err_set(err, ERR_USAGE, "a pack has no such file");
	r = folder_of(app, id, &path, err);
	if (r < 0)
		return r;
	buf_addf(&path, "/%s", file);
	r = buf_fault(&path, err, "the path of a file");
	if (r < 0)
		return r;
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s",
				 file);
	while (n > 0 && into->len < most) {
		size_t want =
			most - into->len < sizeof(piece) ? most - into->len : sizeof(piece);

		n = pread(fd, piece, want, offset + (int64_t)into->len);
		if (n < 0)
			return err_errno(err, ERR_IO, errno, "%s", file);
		buf_add(into, piece, (size_t)n);
		if (into->fault)
			break;
	}
	return buf_fault(into, err, file);
}

int evidence_drop(struct app *app, const char *id, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, 8192);
	r = folder_of(app, id, &path, err);
	if (r == 0 && remove_tree(path.p, 2) < 0)
		r = err_errno(err, ERR_IO, errno, "%s", path.p);
	return r;
}
