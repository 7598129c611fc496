#include "store/plans.h"

#include <stdio.h>

#include "base/buf.h"
#include "store/audit.h"
#include "store/lease.h"

#define BODY_MAX_BYTES (1u << 20)

const char *const plan_standing_words[] = { "open",     "approved", "running",    "done",
					    "rejected", "expired",  "superseded", NULL };
const char *const action_state_words[] = { "planned", "started",    "done",
					   "already", "skipped",    "held",
					   "failed",  "superseded", NULL };
const char *const decision_words[] = { "approve", "reject", "release", NULL };
const char *const journal_kind_words[] = { "begin", "intent", "outcome", "end", NULL };

#define STANDING_ALIVE "(0, 1, 2)" /* open, approved, running */

static int audit_plan(struct db *db, const char *what, int64_t plan, int64_t n, const char *who,
		      struct str body, int64_t person, int64_t now_ms, struct err *err)
{
	struct audit_new entry = {
		.who = who, .what = what, .person = person, .body = body, .now_ms = now_ms
	};
	char target[64];

	if (n > 0)
		(void)snprintf(target, sizeof(target), "plan %lld action %lld", (long long)plan,
			       (long long)n);
	else
		(void)snprintf(target, sizeof(target), "plan %lld", (long long)plan);
	entry.target = target;
	return audit_add(db, &entry, NULL, err);
}

/* --- saving ---------------------------------------------------------------------------------
 */

/* A plan of many actions is mostly rows: so many go in by one statement. */
#define TOGETHER 16
#define FOUR_TIMES(row) row ", " row ", " row ", " row

#define ACTION_INSERT                                                                          \
	"INSERT INTO action (plan, n, kind, rule, class, person, account, product, site,"      \
	" due_ms, held, automatic, state, state_ms, result) VALUES "
#define ACTION_VALUES "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, '')"
#define ACTION_BINDS 13
#define VALUE_INSERT "INSERT INTO plan_value (plan, n, salt, json) VALUES "
#define VALUE_VALUES "(?, ?, ?, ?)"
#define VALUE_BINDS 4

/* From row `from` on, count of them: TOGETHER or 1. */
static int save_rows(struct db *db, int64_t plan, const struct plan_new *in, size_t from,
		     size_t count, struct err *err)
{
	const char *sql = count == 1 ? ACTION_INSERT ACTION_VALUES
				     : ACTION_INSERT FOUR_TIMES(FOUR_TIMES(ACTION_VALUES));
	struct db_bind binds[TOGETHER * ACTION_BINDS];
	size_t n = 0;

	for (size_t i = from; i < from + count; i++) {
		const struct action_row *a = &in->actions[i];
		const struct db_bind row[ACTION_BINDS] = {
			DB_I(plan),       DB_I(a->n),      DB_S(a->kind),    DB_S(a->rule),
			DB_S(a->class_),  DB_I(a->person), DB_I(a->account), DB_S(a->product),
			DB_S(a->site),    DB_I(a->due_ms), DB_I(a->held),    DB_I(a->automatic),
			DB_I(in->now_ms),
		};

		memcpy(binds + n, row, sizeof(row));
		n += ACTION_BINDS;
	}
	return db_run_binds(db, err, str_of(sql), binds, n);
}

static int save_values(struct db *db, int64_t plan, const struct plan_new *in, size_t from,
		       size_t count, struct err *err)
{
	const char *sql = count == 1 ? VALUE_INSERT VALUE_VALUES
				     : VALUE_INSERT FOUR_TIMES(FOUR_TIMES(VALUE_VALUES));
	struct db_bind binds[TOGETHER * VALUE_BINDS];
	size_t n = 0;

	for (size_t i = from; i < from + count; i++) {
		const struct plan_value *v = &in->values[i];

		binds[n++] = DB_I(plan);
		binds[n++] = DB_I(in->actions[i].n);
		binds[n++] = DB_B(v->salt.p, v->salt.len);
		binds[n++] = DB_S(v->json);
	}
	return db_run_binds(db, err, str_of(sql), binds, n);
}

static int save_actions(struct db *db, int64_t plan, const struct plan_new *in, struct err *err)
{
	int r = 0;

	for (size_t i = 0, count; r == 0 && i < in->action_count; i += count) {
		count = in->action_count - i < TOGETHER ? 1 : TOGETHER;
		r = save_rows(db, plan, in, i, count, err);
		if (r == 0 && in->values)
			r = save_values(db, plan, in, i, count, err);
	}
	return r;
}

/* STORE_UNCHANGED with the number of an open plan of the same bytes. */
static int same_open(struct db *db, const struct plan_new *in, const struct digest *d,
		     int64_t *ret, struct err *err)
{
	int r;

	r = db_one(db, ret, err,
		   "SELECT id FROM plan WHERE org = ?1 AND urgency = ?2 AND standing = 0"
		   " AND digest = ?3 ORDER BY id DESC LIMIT 1",
		   DB_T(in->org), DB_T(in->urgency), DB_B(d->b, DIGEST_BYTES));
	return r == 0 ? STORE_UNCHANGED : r == STORE_NOT_FOUND ? 0 : r;
}

static int supersede_open(struct db *db, const struct plan_new *in, int64_t by, struct err *err)
{
	int r;

	if (in->apart == PLAN_OF_ORDER)
		return 0;
	r = db_run(db, err,
		   "UPDATE action SET state = ?5, state_ms = ?4 WHERE state = 0 AND plan IN"
		   " (SELECT id FROM plan WHERE org = ?1 AND urgency = ?2 AND standing = 0"
		   " AND id <> ?3 AND apart = ?6)",
		   DB_T(in->org), DB_T(in->urgency), DB_I(by), DB_I(in->now_ms),
		   DB_I(ACTION_SUPERSEDED), DB_I(in->apart));
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE plan SET standing = ?5, superseded_by = ?3, state_ms = ?4"
			   " WHERE org = ?1 AND urgency = ?2 AND standing = 0 AND id <> ?3"
			   " AND apart = ?6",
			   DB_T(in->org), DB_T(in->urgency), DB_I(by), DB_I(in->now_ms),
			   DB_I(PLAN_SUPERSEDED), DB_I(in->apart));
	return r;
}

static int save_audit(struct db *db, const struct plan_new *in, const struct digest *d,
		      int64_t plan, struct err *err)
{
	char hex[DIGEST_HEX_BYTES], body[256];

	digest_hex(d, hex);
	(void)snprintf(body, sizeof(body),
		       "{\"actions\":%zu,\"complete\":%s,\"digest\":\"%s\",\"held\":%s}",
		       in->action_count, in->complete ? "true" : "false", hex,
		       in->held ? "true" : "false");
	return audit_plan(db, "plan.save", plan, 0, in->who, str_of(body), 0, in->now_ms, err);
}

int plans_save(struct db *db, const struct plan_new *in, int64_t *ret, struct err *err)
{
	struct digest d;
	int64_t plan = 0;
	int r;

	digest_of(&d, NULL, in->bytes);
	r = same_open(db, in, &d, ret, err);
	if (r != 0)
		return r;
	r = db_run(db, err,
		   "INSERT INTO plan (org, urgency, who, digest, standing, complete, held,"
		   " created_ms, expires_ms, state_ms, actions, bytes, apart)"
		   " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?7, ?9, ?10, ?11)",
		   DB_T(in->org), DB_T(in->urgency), DB_T(in->who), DB_B(d.b, DIGEST_BYTES),
		   DB_I(in->complete), DB_I(in->held), DB_I(in->now_ms), DB_I(in->expires_ms),
		   DB_I(in->action_count), DB_B(in->bytes.p, in->bytes.len), DB_I(in->apart));
	if (r < 0)
		return r;
	plan = db_last_id(db);
	r = save_actions(db, plan, in, err);
	if (r == 0)
		r = supersede_open(db, in, plan, err);
	if (r == 0)
		r = save_audit(db, in, &d, plan, err);
	(void)db_next_change(db);
	if (r == 0)
		*ret = plan;
	return r;
}

/* --- reading --------------------------------------------------------------------------------
 */

#define PLAN_COLUMNS                                                                           \
	"id, org, urgency, who, digest, standing, complete, held, created_ms, expires_ms,"     \
	" state_ms, actions, superseded_by,"                                                   \
	" (SELECT coalesce(max(d.id), 0) FROM decision d WHERE d.plan = plan.id), apart"

static void plan_take(struct stmt *q, struct plan_row *p)
{
	struct str digest = db_blob(q, 4);

	*p = (struct plan_row){ .id = db_int(q, 0),
				.org = db_text(q, 1),
				.urgency = db_text(q, 2),
				.who = db_text(q, 3),
				.state = (enum plan_standing)db_int(q, 5),
				.complete = db_int(q, 6) != 0,
				.held = db_int(q, 7) != 0,
				.created_ms = db_int(q, 8),
				.expires_ms = db_int(q, 9),
				.state_ms = db_int(q, 10),
				.actions = db_int(q, 11),
				.superseded_by = db_int(q, 12),
				.decision = db_int(q, 13),
				.apart = (enum plan_apart)db_int(q, 14) };
	if (digest.len == DIGEST_BYTES)
		memcpy(p->digest.b, digest.p, DIGEST_BYTES);
}

int plans_get(struct db *db, int64_t plan, plan_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct plan_row row;
	struct digest d;
	int r;

	r = db_query(db, &q, err, "SELECT " PLAN_COLUMNS ", bytes FROM plan WHERE id = ?1",
		     DB_I(plan));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	plan_take(q, &row);
	row.bytes = db_blob(q, 15);
	digest_of(&d, NULL, row.bytes);
	if (!digest_equal(&d, &row.digest))
		return err_set(
			err, ERR_DAMAGED,
			"plan %lld was changed after it was saved: its bytes do not have "
			"its digest; nothing of it may be done",
			(long long)plan);
	return fn(ctx, &row, err);
}

int plans_list(struct db *db, const char *org, unsigned states, int64_t before, size_t most,
	       plan_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct plan_row row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " PLAN_COLUMNS " FROM plan WHERE (?1 = '' OR org = ?1)"
		     " AND (?2 = 0 OR (?2 >> standing) & 1) AND (?3 = 0 OR id < ?3)"
		     " ORDER BY id DESC LIMIT ?4",
		     DB_T(org), DB_I(states), DB_I(before), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		plan_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

#define ACTION_COLUMNS                                                                         \
	"a.n, a.kind, a.rule, a.class, a.product, a.site, a.person, a.account, a.due_ms,"      \
	" a.held, a.automatic, a.state, a.state_ms, a.result, a.plan"

static void action_take(struct stmt *q, struct action_row *a, int64_t *plan)
{
	*a = (struct action_row){ .n = db_int(q, 0),
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
	*plan = db_int(q, 14);
}

int plans_actions(struct db *db, int64_t plan, plan_action_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct action_row row;
	int64_t of;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACTION_COLUMNS " FROM action a WHERE a.plan = ?1 ORDER BY a.n",
		     DB_I(plan));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		action_take(q, &row, &of);
		r = fn(ctx, &row, err);
	}
	return r;
}

static int each_action(struct stmt *q, plan_subject_fn fn, void *ctx, struct err *err)
{
	struct action_row row;
	int64_t plan;
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		action_take(q, &row, &plan);
		r = fn(ctx, plan, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int plans_of_person(struct db *db, int64_t person, size_t most, plan_subject_fn fn, void *ctx,
		    struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACTION_COLUMNS " FROM action a WHERE a.person = ?1"
		     " AND a.person > 0 ORDER BY a.plan DESC, a.n LIMIT ?2",
		     DB_I(person), DB_I(most));
	return r < 0 ? r : each_action(q, fn, ctx, err);
}

int plans_of_account(struct db *db, int64_t account, size_t most, plan_subject_fn fn, void *ctx,
		     struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACTION_COLUMNS " FROM action a WHERE a.account = ?1"
		     " AND a.account > 0 ORDER BY a.plan DESC, a.n LIMIT ?2",
		     DB_I(account), DB_I(most));
	return r < 0 ? r : each_action(q, fn, ctx, err);
}

static int each_unfinished(struct stmt *q, plan_open_fn fn, void *ctx, struct err *err)
{
	struct action_row row;
	struct plan_row plan;
	int64_t of;
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		action_take(q, &row, &of);
		plan = (struct plan_row){ .id = of,
					  .urgency = db_text(q, 15),
					  .state = (enum plan_standing)db_int(q, 16) };
		r = fn(ctx, &plan, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

#define UNFINISHED                                                                             \
	" p.org = ?1 AND p.standing < 3 AND p.standing IN " STANDING_ALIVE                     \
	" AND a.state IN (0, 1) ORDER BY p.id, a.n"

int plans_unfinished(struct db *db, const char *org, plan_open_fn fn, void *ctx,
		     struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACTION_COLUMNS ", p.urgency, p.standing FROM plan p"
		     " JOIN action a ON a.plan = p.id WHERE" UNFINISHED,
		     DB_T(org));
	return r < 0 ? r : each_unfinished(q, fn, ctx, err);
}

int plans_unfinished_of(struct db *db, const char *org, int64_t person, plan_open_fn fn,
			void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	/* by the two indices of action, whatever else is planned */
	r = db_query(
		db, &q, err,
		"SELECT " ACTION_COLUMNS ", p.urgency, p.standing FROM action a"
		" CROSS JOIN plan p ON p.id = a.plan WHERE ((a.person = ?2 AND a.person > 0)"
		" OR (a.account IN (SELECT account FROM account_link WHERE person = ?2)"
		" AND a.account > 0)) AND" UNFINISHED,
		DB_T(org), DB_I(person));
	return r < 0 ? r : each_unfinished(q, fn, ctx, err);
}

int plans_value(struct db *db, int64_t plan, int64_t n, struct buf *json, struct buf *salt,
		struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT json, salt FROM plan_value WHERE plan = ?1 AND n = ?2", DB_I(plan),
		     DB_I(n));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	buf_add_str(json, db_text(q, 0));
	r = buf_fault(json, err, "the values of an action");
	if (r == 0 && salt) {
		buf_add_str(salt, db_blob(q, 1));
		r = buf_fault(salt, err, "the salt of an action");
	}
	return r;
}

/* --- states ---------------------------------------------------------------------------------
 */

int plans_state_set(struct db *db, int64_t plan, enum plan_standing state, const char *who,
		    int64_t now_ms, struct err *err)
{
	char body[128];
	int64_t was = 0;
	int r;

	r = db_one(db, &was, err, "SELECT standing FROM plan WHERE id = ?1", DB_I(plan));
	if (r != 0)
		return r;
	if (was == (int64_t)state)
		return STORE_UNCHANGED;
	(void)db_next_change(db);
	r = db_run(db, err, "UPDATE plan SET standing = ?2, state_ms = ?3 WHERE id = ?1",
		   DB_I(plan), DB_I(state), DB_I(now_ms));
	(void)snprintf(body, sizeof(body), "{\"after\":\"%s\",\"before\":\"%s\"}",
		       plan_standing_words[state], plan_standing_words[was]);
	return r < 0 ? r
		     : audit_plan(db, "plan.state", plan, 0, who, str_of(body), 0, now_ms, err);
}

/* Plans that nobody approved in time. Of those that were approved in part the applier ends what
 * can start no more (plans_lapse()). */
int plans_expire(struct db *db, int64_t now_ms, int64_t *count, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t n = 0;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id FROM plan WHERE standing = 0 AND expires_ms <= ?1 ORDER BY id",
		     DB_I(now_ms));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		r = plans_state_set(db, db_int(q, 0), PLAN_EXPIRED, "daemon", now_ms, err);
		n++;
	}
	if (r == 0 && count)
		*count = n;
	return r;
}

static int lapse_one(struct db *db, int64_t plan, const struct plan_lapse *lapse,
		     int64_t now_ms, struct err *err)
{
	return db_run(db, err,
		      "UPDATE action SET state = ?3, state_ms = ?4, result = ?5"
		      " WHERE plan = ?1 AND n = ?2 AND state = ?6",
		      DB_I(plan), DB_I(lapse->n), DB_I(ACTION_SKIPPED), DB_I(now_ms),
		      DB_S(lapse->text), DB_I(ACTION_PLANNED));
}

int plans_lapse(struct db *db, int64_t plan, const struct plan_lapse *v, size_t count,
		const char *who, int64_t now_ms, int64_t *ret_count, struct err *err)
{
	int64_t lapsed = 0;
	char body[64];
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = lapse_one(db, plan, &v[i], now_ms, err);
		lapsed += r == 0 ? db_changes(db) : 0;
	}
	if (r == 0 && lapsed > 0) {
		(void)db_next_change(db);
		(void)snprintf(body, sizeof(body), "{\"actions\":%lld}", (long long)lapsed);
		r = audit_plan(db, "plan.lapse", plan, 0, who, str_of(body), 0, now_ms, err);
	}
	if (r == 0 && ret_count)
		*ret_count = lapsed;
	return r;
}

int plans_supersede_person(struct db *db, const char *org, int64_t person, int64_t by_plan,
			   int64_t now_ms, int64_t *count, struct err *err)
{
	int r;

	(void)db_next_change(db);
	r = db_run(db, err,
		   "UPDATE action SET state = ?4, state_ms = ?5, result = ?6"
		   " WHERE person = ?2 AND plan <> ?3 AND state = 0 AND plan IN"
		   " (SELECT id FROM plan WHERE org = ?1 AND standing < 3)",
		   DB_T(org), DB_I(person), DB_I(by_plan), DB_I(ACTION_SUPERSEDED),
		   DB_I(now_ms), DB_T("an urgent plan took this person"));
	if (r == 0 && count)
		*count = db_changes(db);
	return r;
}

/* --- decisions ------------------------------------------------------------------------------
 */

/* Each number of "1,2,5" is an action of the plan. */
static int check_actions(struct db *db, int64_t plan, struct str actions, struct err *err)
{
	struct str rest = actions, word;
	int64_t n, there;
	int r = 0;

	if (str_eq(actions, STR("*")))
		return 0;
	if (actions.len == 0)
		return err_set(err, ERR_INVALID_VALUE, "no action was named");
	while (r == 0 && rest.len > 0) {
		(void)str_cut(rest, ',', &word, &rest);
		if (!str_int64(str_trim(word), &n))
			return err_set(err, ERR_INVALID_VALUE,
				       "\"" STR_FMT "\" is not the number of an action",
				       STR_ARG(word));
		r = db_one(db, &there, err, "SELECT n FROM action WHERE plan = ?1 AND n = ?2",
			   DB_I(plan), DB_I(n));
		if (r == STORE_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND, "plan %lld has no action %lld",
				       (long long)plan, (long long)n);
	}
	return r;
}

struct found_plan {
	enum plan_standing standing;
	int64_t expires_ms;
	struct digest digest;
};

static int find_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	struct found_plan *f = ctx;

	(void)err;
	f->standing = row->state;
	f->expires_ms = row->expires_ms;
	f->digest = row->digest;
	return 0;
}

static int may_decide(const struct decision *in, const struct found_plan *f, struct err *err)
{
	bool open = f->standing == PLAN_OPEN || f->standing == PLAN_APPROVED ||
		    f->standing == PLAN_RUNNING;

	if (!digest_equal(&f->digest, &in->digest))
		return err_set(err, ERR_CONFLICT,
			       "plan %lld is not the one that was shown: its digest differs; "
			       "look at it again",
			       (long long)in->plan);
	if (!open || (in->kind == DECISION_REJECT && f->standing == PLAN_RUNNING &&
		      str_eq(in->actions, STR("*"))))
		return err_set(err, f->standing == PLAN_EXPIRED ? ERR_EXPIRED : ERR_HELD,
			       "plan %lld is %s: it takes no such decision any more",
			       (long long)in->plan, plan_standing_words[f->standing]);
	if (in->kind == DECISION_APPROVE && in->ms >= f->expires_ms)
		return err_set(
			err, ERR_EXPIRED,
			"plan %lld could be approved until an earlier time: let the next "
			"round make a new one",
			(long long)in->plan);
	return 0;
}

static int decision_audit(struct db *db, const struct decision *in, struct err *err)
{
	CLEANUP(free_at) char *who = str_dup(in->who);
	char what[32];
	struct buf body;
	int r;

	if (!who)
		return err_nomem(err);
	buf_init(&body, BODY_MAX_BYTES);
	buf_add_text(&body, "{\"actions\":");
	buf_add_json(&body, in->actions);
	buf_add_text(&body, ",\"guards\":");
	buf_add_json(&body, in->guards);
	buf_addf(&body, ",\"person\":%s", in->person ? "true" : "false");
	if (in->alone_ms)
		buf_addf(&body, ",\"alone\":%lld", (long long)in->alone_ms);
	if (in->person)
		buf_addf(&body, ",\"statement\":%lld", (long long)in->entry);
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, in->why);
	buf_add_char(&body, '}');
	(void)snprintf(what, sizeof(what), "plan.%s", decision_words[in->kind]);
	r = buf_fault(&body, err, "the audit entry");
	if (r == 0)
		r = audit_plan(db, what, in->plan, 0, who, buf_str(&body), 0, in->ms, err);
	buf_done(&body);
	return r;
}

static int move_plan(struct db *db, const struct decision *in, const struct found_plan *f,
		     struct err *err)
{
	if (in->kind == DECISION_APPROVE && f->standing == PLAN_OPEN)
		return plans_state_set(db, in->plan, PLAN_APPROVED, "decision", in->ms, err);
	if (in->kind == DECISION_REJECT && str_eq(in->actions, STR("*")))
		return plans_state_set(db, in->plan, PLAN_REJECTED, "decision", in->ms, err);
	return 0;
}

int plans_decide(struct db *db, const struct decision *in, int64_t *ret, struct err *err)
{
	struct found_plan f = { 0 };
	int64_t id = 0;
	int r;

	r = plans_get(db, in->plan, find_plan, &f, err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no plan %lld",
			       (long long)in->plan);
	if (r == 0)
		r = may_decide(in, &f, err);
	if (r == 0)
		r = check_actions(db, in->plan, in->actions, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO decision (plan, kind, who, person, digest, actions,"
			   " guards, why, ms, statement, key, alone_ms) VALUES (?1, ?2, ?3, ?4,"
			   " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
			   DB_I(in->plan), DB_I(in->kind), DB_S(in->who), DB_I(in->person),
			   DB_B(in->digest.b, DIGEST_BYTES), DB_S(in->actions),
			   DB_S(in->guards), DB_S(in->why), DB_I(in->ms), DB_S(in->statement),
			   DB_B(in->key.p ? in->key.p : "", in->key.len), DB_I(in->alone_ms));
	if (r < 0)
		return r;
	id = db_last_id(db);
	(void)db_next_change(db);
	r = decision_audit(db, in, err);
	if (r == 0)
		r = move_plan(db, in, &f, err);
	if (r >= 0 && ret)
		*ret = id;
	return r < 0 ? r : 0;
}

int plans_decisions(struct db *db, int64_t plan, decision_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT d.id, d.plan, d.kind, d.who, d.person, d.digest, d.actions,"
		     " d.guards, d.why, d.ms, d.statement, d.key, d.alone_ms, EXISTS (SELECT 1"
		     " FROM approver a WHERE a.key = d.key AND a.retired_ms = 0"
		     " AND 'approver:' || a.name = d.who)"
		     " FROM decision d WHERE d.plan = ?1 ORDER BY d.id",
		     DB_I(plan));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct str digest = db_blob(q, 5);
		struct decision row = { .id = db_int(q, 0),
					.plan = db_int(q, 1),
					.kind = (enum decision_kind)db_int(q, 2),
					.who = db_text(q, 3),
					.person = db_int(q, 4) != 0,
					.actions = db_text(q, 6),
					.guards = db_text(q, 7),
					.why = db_text(q, 8),
					.ms = db_int(q, 9),
					.statement = db_text(q, 10),
					.key = db_blob(q, 11),
					.alone_ms = db_int(q, 12),
					.stands = db_int(q, 13) != 0 };

		if (digest.len == DIGEST_BYTES)
			memcpy(row.digest.b, digest.p, DIGEST_BYTES);
		r = fn(ctx, &row, err);
	}
	return r;
}
