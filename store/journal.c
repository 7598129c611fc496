/*
 * The second half of store/plans.h: runs, the journal, and what limits count.
 *
 * A line never changes but for `open`, which is 1 on a begin or an intent until its end or
 * outcome is written in the same transaction as that line. What is open after a crash is what
 * nobody knows the outcome of.
 */
#include "store/plans.h"

#include <stdio.h>

#include "base/buf.h"
#include "store/audit.h"
#include "store/lease.h"

#define BODY_MAX_BYTES (256u << 10)

/* --- runs -----------------------------------------------------------------------------------
 */

static int audit_run(struct db *db, const char *what, int64_t run, int64_t plan,
		     const char *word, const char *who, int64_t now_ms, struct err *err)
{
	char target[64], body[160];
	struct audit_new entry = {
		.who = who, .what = what, .target = target, .now_ms = now_ms
	};

	(void)snprintf(target, sizeof(target), "run %lld", (long long)run);
	(void)snprintf(body, sizeof(body), "{\"how\":\"%s\",\"plan\":%lld}", word,
		       (long long)plan);
	entry.body = str_of(body);
	return audit_add(db, &entry, NULL, err);
}

int plans_run_begin(struct db *db, int64_t plan, int64_t epoch, const char *who, int64_t now_ms,
		    int64_t *ret, struct err *err)
{
	int64_t run;
	int r;

	r = lease_check_epoch(db, epoch, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO run (plan, org, epoch, who, begun_ms)"
			   " SELECT id, org, ?2, ?3, ?4 FROM plan WHERE id = ?1",
			   DB_I(plan), DB_I(epoch), DB_T(who), DB_I(now_ms));
	if (r == 0 && db_changes(db) == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no plan %lld", (long long)plan);
	if (r < 0)
		return r;
	run = db_last_id(db);
	r = audit_run(db, "run.begin", run, plan, "begun", who, now_ms, err);
	if (r == 0)
		*ret = run;
	return r;
}

int plans_run_end(struct db *db, int64_t run, int64_t epoch, const char *how, int64_t now_ms,
		  struct err *err)
{
	int64_t plan = 0;
	int r;

	r = lease_check_epoch(db, epoch, err);
	if (r == 0)
		r = db_one(db, &plan, err, "SELECT plan FROM run WHERE id = ?1", DB_I(run));
	if (r != 0)
		return r;
	r = db_run(db, err,
		   "UPDATE run SET ended_ms = ?2, ended_how = ?3 WHERE id = ?1"
		   " AND ended_ms = 0",
		   DB_I(run), DB_I(now_ms), DB_T(how));
	if (r < 0)
		return r;
	return db_changes(db) == 0
		       ? STORE_UNCHANGED
		       : audit_run(db, "run.end", run, plan, how, "daemon", now_ms, err);
}

#define RUN_COLUMNS                                                                            \
	"id, plan, epoch, org, who, ended_how, begun_ms, ended_ms, done, already, skipped,"    \
	" held, failed"

static int each_run(struct stmt *q, run_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct run_row row = { .id = db_int(q, 0),
				       .plan = db_int(q, 1),
				       .epoch = db_int(q, 2),
				       .org = db_text(q, 3),
				       .who = db_text(q, 4),
				       .ended_how = db_text(q, 5),
				       .begun_ms = db_int(q, 6),
				       .ended_ms = db_int(q, 7),
				       .done = db_int(q, 8),
				       .already = db_int(q, 9),
				       .skipped = db_int(q, 10),
				       .held = db_int(q, 11),
				       .failed = db_int(q, 12) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int plans_runs(struct db *db, const char *org, int64_t before, size_t most, run_fn fn,
	       void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RUN_COLUMNS " FROM run WHERE (?1 = '' OR org = ?1)"
		     " AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3",
		     DB_T(org), DB_I(before), DB_I(most));
	return r < 0 ? r : each_run(q, fn, ctx, err);
}

struct one_run {
	run_fn fn;
	void *ctx;
	bool there;
};

static int on_one_run(void *ctx, const struct run_row *row, struct err *err)
{
	struct one_run *one = ctx;

	one->there = true;
	return one->fn(one->ctx, row, err);
}

int plans_run_get(struct db *db, int64_t run, run_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct one_run one = { fn, ctx, false };
	int r;

	r = db_query(db, &q, err, "SELECT " RUN_COLUMNS " FROM run WHERE id = ?1", DB_I(run));
	if (r == 0)
		r = each_run(q, on_one_run, &one, err);
	return r == 0 && !one.there ? STORE_NOT_FOUND : r;
}

/* --- the journal ----------------------------------------------------------------------------
 */

static bool state_of(struct str word, enum action_state *ret)
{
	int i;

	for (i = ACTION_DONE; action_state_words[i]; i++)
		if (str_eq(word, str_of(action_state_words[i]))) {
			*ret = (enum action_state)i;
			return true;
		}
	return false;
}

/* BEGIN: the action becomes started, and is counted in the windows of its class if it takes
 * something away: a warning uses up no limit. An undo that takes counts as asked for. */
static int begin_action(struct db *db, const struct journal_line *l, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE action SET state = 1, state_ms = ?3 WHERE plan = ?1 AND n = ?2"
		   " AND state = 0",
		   DB_I(l->plan), DB_I(l->n), DB_I(l->ms));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_STALE;
	return db_run(db, err,
		      "INSERT INTO effect (org, class, person, account, product, site, plan, n,"
		      " ms) SELECT p.org, CASE WHEN a.class = 'restore' AND"
		      " a.kind = 'remove-groups' THEN 'asked' ELSE a.class END, a.person, "
		      "a.account, a.product, a.site,"
		      " a.plan, a.n, ?3 FROM action a JOIN plan p ON p.id = a.plan"
		      " WHERE a.plan = ?1 AND a.n = ?2"
		      " AND a.kind NOT IN ('warn', 'warn-account', 'restore', 'enable', "
		      "'cancel-delete',"
		      " 'add-groups', 'change-profile', 'create-group', 'drop-group')",
		      DB_I(l->plan), DB_I(l->n), DB_I(l->ms));
}

/* The line that this one answers is no longer open; CONFLICT when there is none. */
static int close_line(struct db *db, const struct journal_line *l, enum journal_kind kind,
		      struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE journal SET open = 0 WHERE plan = ?1 AND n = ?2 AND step = ?3"
		   " AND kind = ?4 AND open = 1",
		   DB_I(l->plan), DB_I(l->n), DB_I(kind == JOURNAL_BEGIN ? 0 : l->step),
		   DB_I(kind));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return err_set(err, ERR_CONFLICT,
			       "plan %lld action %lld step %lld: the journal has no open %s "
			       "for this %s",
			       (long long)l->plan, (long long)l->n, (long long)l->step,
			       journal_kind_words[kind], journal_kind_words[l->kind]);
	return 0;
}

static const char *const count_sql[] = {
	[ACTION_DONE] = "UPDATE run SET done = done + 1 WHERE id = ?1",
	[ACTION_ALREADY] = "UPDATE run SET already = already + 1 WHERE id = ?1",
	[ACTION_SKIPPED] = "UPDATE run SET skipped = skipped + 1 WHERE id = ?1",
	[ACTION_HELD] = "UPDATE run SET held = held + 1 WHERE id = ?1",
	[ACTION_FAILED] = "UPDATE run SET failed = failed + 1 WHERE id = ?1",
};

static int settle_action(struct db *db, int64_t plan, int64_t n, int64_t run,
			 enum action_state state, struct str text, int64_t ms, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE action SET state = ?3, state_ms = ?4, result = ?5"
		   " WHERE plan = ?1 AND n = ?2",
		   DB_I(plan), DB_I(n), DB_I(state), DB_I(ms), DB_S(text));
	if (r == 0 && (size_t)state < COUNT_OF(count_sql) && count_sql[state])
		r = db_run(db, err, count_sql[state], DB_I(run));
	return r;
}

static int end_action(struct db *db, const struct journal_line *l, struct err *err)
{
	enum action_state state = ACTION_FAILED;
	int r;

	if (!state_of(l->result, &state))
		return err_set(err, ERR_INTERNAL, "\"" STR_FMT "\" is no end of an action",
			       STR_ARG(l->result));
	r = close_line(db, l, JOURNAL_BEGIN, err);
	return r < 0 ? r : settle_action(db, l->plan, l->n, l->run, state, l->text, l->ms, err);
}

static int effect_of(struct db *db, const struct journal_line *l, struct err *err)
{
	switch (l->kind) {
	case JOURNAL_BEGIN:
		return begin_action(db, l, err);
	case JOURNAL_INTENT:
		return 0;
	case JOURNAL_OUTCOME:
		return close_line(db, l, JOURNAL_INTENT, err);
	case JOURNAL_END:
		return end_action(db, l, err);
	}
	return err_set(err, ERR_INTERNAL, "no such journal line");
}

static int insert_line(struct db *db, const struct journal_line *l, struct err *err)
{
	bool open = l->kind == JOURNAL_BEGIN || l->kind == JOURNAL_INTENT;

	return db_run(db, err,
		      "INSERT INTO journal (org, plan, n, run, epoch, step, kind, open, op,"
		      " args, key, result, text, ms) SELECT org, ?1, ?2, ?3, ?4, ?5, ?6, ?7,"
		      " ?8, ?9, ?10, ?11, ?12, ?13 FROM plan WHERE id = ?1",
		      DB_I(l->plan), DB_I(l->n), DB_I(l->run), DB_I(l->epoch), DB_I(l->step),
		      DB_I(l->kind), DB_I(open), DB_S(l->op), DB_S(l->args), DB_S(l->key),
		      DB_S(l->result), DB_S(l->text), DB_I(l->ms));
}

static int audit_line(struct db *db, const struct journal_line *l, const char *who,
		      struct err *err)
{
	char what[32], target[96];
	struct audit_new entry = {
		.who = who, .what = what, .target = target, .now_ms = l->ms
	};
	struct buf body;
	int r;

	(void)snprintf(what, sizeof(what), "action.%s", journal_kind_words[l->kind]);
	(void)snprintf(target, sizeof(target), "plan %lld action %lld step %lld",
		       (long long)l->plan, (long long)l->n, (long long)l->step);
	buf_init(&body, BODY_MAX_BYTES);
	buf_add_text(&body, "{\"args\":");
	buf_add_str(&body, l->args.len > 0 ? l->args : STR("null"));
	buf_add_text(&body, ",\"op\":");
	buf_add_json(&body, l->op);
	buf_add_text(&body, ",\"result\":");
	buf_add_json(&body, l->result);
	buf_add_text(&body, ",\"text\":");
	buf_add_json(&body, l->text);
	buf_add_char(&body, '}');
	r = db_one(db, &entry.person, err,
		   "SELECT person FROM action WHERE plan = ?1 AND n = ?2", DB_I(l->plan),
		   DB_I(l->n));
	if (r >= 0)
		r = buf_fault(&body, err, "the audit entry");
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	return r;
}

int plans_journal(struct db *db, const struct journal_line *line, const char *who,
		  int64_t *ret_seq, struct err *err)
{
	int64_t seq;
	int r;

	r = lease_check_epoch(db, line->epoch, err);
	if (r == 0)
		r = effect_of(db, line, err);
	if (r != 0)
		return r;
	r = insert_line(db, line, err);
	if (r == 0 && db_changes(db) == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no plan %lld",
			       (long long)line->plan);
	if (r < 0)
		return r;
	seq = db_last_id(db);
	(void)db_next_change(db);
	r = audit_line(db, line, who, err);
	if (r == 0 && ret_seq)
		*ret_seq = seq;
	return r;
}

int plans_skip(struct db *db, int64_t plan, int64_t n, int64_t run, int64_t epoch,
	       enum action_state state, struct str text, const char *who, int64_t now_ms,
	       struct err *err)
{
	struct journal_line line = { .plan = plan,
				     .n = n,
				     .run = run,
				     .epoch = epoch,
				     .kind = JOURNAL_END,
				     .result = str_of(action_state_words[state]),
				     .text = text,
				     .ms = now_ms };
	int64_t planned = 0;
	int r;

	r = lease_check_epoch(db, epoch, err);
	if (r == 0)
		r = db_one(db, &planned, err,
			   "SELECT 1 FROM action WHERE plan = ?1 AND n = ?2 AND state = 0",
			   DB_I(plan), DB_I(n));
	if (r == STORE_NOT_FOUND)
		return STORE_STALE;
	if (r == 0)
		r = settle_action(db, plan, n, run, state, text, now_ms, err);
	if (r == 0)
		r = insert_line(db, &line, err);
	(void)db_next_change(db);
	return r < 0 ? r : audit_line(db, &line, who, err);
}

#define JOURNAL_COLUMNS "seq, plan, n, run, epoch, step, kind, op, args, key, result, text, ms"

static int each_line(struct stmt *q, journal_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct journal_line row = { .seq = db_int(q, 0),
					    .plan = db_int(q, 1),
					    .n = db_int(q, 2),
					    .run = db_int(q, 3),
					    .epoch = db_int(q, 4),
					    .step = db_int(q, 5),
					    .kind = (enum journal_kind)db_int(q, 6),
					    .op = db_text(q, 7),
					    .args = db_text(q, 8),
					    .key = db_text(q, 9),
					    .result = db_text(q, 10),
					    .text = db_text(q, 11),
					    .ms = db_int(q, 12) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int plans_journal_of(struct db *db, int64_t plan, int64_t n, journal_fn fn, void *ctx,
		     struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " JOURNAL_COLUMNS " FROM journal WHERE plan = ?1"
		     " AND (?2 = 0 OR n = ?2) ORDER BY seq",
		     DB_I(plan), DB_I(n));
	return r < 0 ? r : each_line(q, fn, ctx, err);
}

int plans_open_intents(struct db *db, const char *org, journal_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " JOURNAL_COLUMNS " FROM journal WHERE org = ?1 AND open = 1"
		     " AND kind = ?2 ORDER BY seq",
		     DB_T(org), DB_I(JOURNAL_INTENT));
	return r < 0 ? r : each_line(q, fn, ctx, err);
}

#define ACTION_COLUMNS                                                                         \
	"a.n, a.kind, a.rule, a.class, a.product, a.site, a.person, a.account, a.due_ms,"      \
	" a.held, a.automatic, a.state, a.state_ms, a.result, a.plan"

static int each_action(struct stmt *q, plan_subject_fn fn, void *ctx, bool one, struct err *err)
{
	int r, n = 0;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct action_row a = { .n = db_int(q, 0),
					.kind = db_text(q, 1),
					.rule = db_text(q, 2),
					.class_ = db_text(q, 3),
					.product = db_text(q, 4),
					.site = db_text(q, 5),
					.person = db_int(q, 6),
					.account = db_int(q, 7),
					.due_ms = db_int(q, 8),
					.held = db_int(q, 9) != 0,
					.automatic = db_int(q, 10) != 0,
					.state = (enum action_state)db_int(q, 11),
					.state_ms = db_int(q, 12),
					.result = db_text(q, 13) };

		n++;
		r = fn(ctx, db_int(q, 14), &a, err);
		if (r != 0)
			return r;
	}
	return r == 0 && one && n == 0 ? STORE_NOT_FOUND : r;
}

int plans_open_actions(struct db *db, const char *org, plan_subject_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACTION_COLUMNS " FROM journal j JOIN action a ON a.plan = j.plan"
		     " AND a.n = j.n WHERE j.org = ?1 AND j.open = 1 AND j.kind = ?2"
		     " ORDER BY j.seq",
		     DB_T(org), DB_I(JOURNAL_BEGIN));
	return r < 0 ? r : each_action(q, fn, ctx, false, err);
}

int plans_next_actions(struct db *db, const char *org, int64_t now_ms, size_t most,
		       plan_subject_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACTION_COLUMNS " FROM plan p JOIN action a ON a.plan = p.id"
		     " WHERE p.org = ?1 AND p.standing < 3 AND p.standing IN (1, 2)"
		     " AND a.state = 0 AND a.due_ms <= ?2"
		     " ORDER BY p.urgency <> 'urgent', p.id, a.n LIMIT ?3",
		     DB_T(org), DB_I(now_ms), DB_I(most));
	return r < 0 ? r : each_action(q, fn, ctx, true, err);
}

/* --- what limits count ----------------------------------------------------------------------
 */

int plans_window_count(struct db *db, const char *org, const char *class_, int64_t since_ms,
		       int64_t *ret, struct err *err)
{
	/* a person with two accounts is one subject; an orphan is its account */
	return db_one(db, ret, err,
		      "SELECT count(*) FROM (SELECT DISTINCT CASE WHEN person > 0 THEN person"
		      " ELSE -account END FROM effect WHERE org = ?1 AND class = ?2"
		      " AND ms >= ?3)",
		      DB_T(org), DB_T(class_), DB_I(since_ms));
}

int plans_window(struct db *db, const char *org, int64_t since_ms, window_fn fn, void *ctx,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT e.class, e.person, e.account, e.product, e.site, e.ms,"
		     " coalesce(a.rule, '') FROM effect e"
		     " LEFT JOIN action a ON a.plan = e.plan AND a.n = e.n"
		     " WHERE e.org = ?1 AND e.ms >= ?2 ORDER BY e.id",
		     DB_T(org), DB_I(since_ms));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct window_row row = { .class_ = db_text(q, 0),
					  .person = db_int(q, 1),
					  .account = db_int(q, 2),
					  .product = db_text(q, 3),
					  .site = db_text(q, 4),
					  .ms = db_int(q, 5),
					  .rule = db_text(q, 6) };

		r = fn(ctx, &row, err);
	}
	return r;
}
