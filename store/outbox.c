#include "store/outbox.h"

#include <stdio.h>

#include "base/stamp.h"
#include "store/audit.h"

const char *const outbox_state_words[] = {
	[OUTBOX_QUEUED] = "queued",  [OUTBOX_SENDING] = "sending",  [OUTBOX_GIVEN] = "given",
	[OUTBOX_SENT] = "sent",      [OUTBOX_MAYBE] = "maybe sent", [OUTBOX_FAILED] = "failed",
	[OUTBOX_STATE_COUNT] = NULL,
};

#define COLUMNS                                                                                \
	"id, key, channel, kind, receiver, letter, says, state, repeats, person, account,"     \
	" tries, queued_ms, state_ms, next_ms, expires_ms"

static struct outbox_row row_of(struct stmt *q)
{
	return (struct outbox_row){
		.id = db_int(q, 0),
		.key = db_text(q, 1),
		.channel = db_text(q, 2),
		.kind = db_text(q, 3),
		.to = db_text(q, 4),
		.letter = db_text(q, 5),
		.says = db_text(q, 6),
		.state = (enum outbox_state)db_int(q, 7),
		.repeats = db_int(q, 8) != 0,
		.person = db_int(q, 9),
		.account = db_int(q, 10),
		.tries = db_int(q, 11),
		.queued_ms = db_int(q, 12),
		.state_ms = db_int(q, 13),
		.next_ms = db_int(q, 14),
		.expires_ms = db_int(q, 15),
	};
}

int outbox_has(struct db *db, struct str key, struct err *err)
{
	int64_t id;

	return db_one(db, &id, err, "SELECT id FROM outbox WHERE key = ?1", DB_S(key));
}

int outbox_standing(struct db *db, struct str key, enum outbox_state *ret, struct err *err)
{
	int64_t state = 0;
	int r = db_one(db, &state, err, "SELECT state FROM outbox WHERE key = ?1", DB_S(key));

	if (r == 0)
		*ret = (enum outbox_state)state;
	return r;
}

int outbox_put(struct db *db, const struct outbox_new *in, int64_t *ret, struct err *err)
{
	int64_t waiting = 0;
	int r;

	if (in->letter.len > OUTBOX_LETTER_MAX)
		return err_set(err, ERR_LIMIT, "a notice is longer than %d bytes",
			       OUTBOX_LETTER_MAX);
	r = outbox_has(db, in->key, err);
	if (r != STORE_NOT_FOUND)
		return r < 0 ? r : STORE_UNCHANGED;
	r = db_one(db, &waiting, err, "SELECT count(*) FROM outbox WHERE state < ?1",
		   DB_I(OUTBOX_SENT));
	if (r < 0)
		return r;
	if (waiting >= OUTBOX_MOST)
		return err_set(err, ERR_BUSY,
			       "%lld notices wait to be sent: no more are taken until some are "
			       "(`leaverd notices`)",
			       (long long)waiting);
	r = db_run(
		db, err,
		"INSERT INTO outbox (key, step, channel, kind, receiver, letter, says, state,"
		" repeats, person, account, product, site, rule, ladder, tries, queued_ms,"
		" state_ms, next_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, '', 0, ?7,"
		" ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14, ?14, ?16, ?15)",
		DB_S(in->key), DB_S(in->step), DB_S(in->channel), DB_S(in->kind), DB_S(in->to),
		DB_S(in->letter), DB_I(in->repeats), DB_I(in->person), DB_I(in->account),
		DB_S(in->product), DB_S(in->site), DB_S(in->rule), DB_I(in->ladder),
		DB_I(in->now_ms), DB_I(in->expires_ms), DB_I(in->first ? 0 : in->now_ms));
	if (r == 0 && ret)
		*ret = db_last_id(db);
	return r;
}

/* --- the ladder ----------------------------------------------------------------------------
 */

/* The ladder of a notice that ended. */
static int ladder_end(struct db *db, int64_t id, enum outbox_state state, int64_t now_ms,
		      struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct progress p = { .done_ms = now_ms };
	int r = db_query(db, &q, err,
			 "SELECT account, product, site, rule, person FROM outbox"
			 " WHERE id = ?1 AND ladder = 1 AND account <> 0",
			 DB_I(id));

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r;
	p.account = db_int(q, 0);
	p.product = db_text(q, 1);
	p.site = db_text(q, 2);
	p.rule = db_text(q, 3);
	p.person = db_int(q, 4);
	/* a warning without a product was about the account */
	p.kind = p.product.len ? STR("warn") : STR("warn-account");
	r = state == OUTBOX_SENT ? persons_progress_set(db, &p, err)
				 : persons_progress_clear(db, &p, err);
	return r < 0 ? r : 0;
}

int outbox_progress(struct db *db, struct str step, const struct progress *in, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct progress p = *in;
	int r = db_query(db, &q, err,
			 "SELECT state, state_ms FROM outbox WHERE step = ?1 AND ladder = 1",
			 DB_S(step));

	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r == DB_ROW && db_int(q, 0) > OUTBOX_SENT)
		return 0;
	if (r == DB_ROW)
		p.done_ms = db_int(q, 0) == OUTBOX_SENT ? db_int(q, 1)
							: in->done_ms + OUTBOX_PENDING_MS;
	return persons_progress_set(db, &p, err);
}

/* --- on its way ----------------------------------------------------------------------------
 */

int outbox_claim(struct db *db, struct str channel, int64_t now_ms, outbox_fn fn, void *ctx,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct outbox_row row;
	int r = db_query(db, &q, err,
			 "SELECT " COLUMNS " FROM outbox WHERE state = 0 AND channel = ?1 AND"
			 " next_ms <= ?2 ORDER BY next_ms, id LIMIT 1",
			 DB_S(channel), DB_I(now_ms));

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	row = row_of(q);
	row.state = OUTBOX_SENDING;
	row.tries++;
	r = fn(ctx, &row, err);
	return r < 0 ? r
		     : db_run(db, err,
			      "UPDATE outbox SET state = 1, state_ms = ?2, tries = tries + 1"
			      " WHERE id = ?1",
			      DB_I(row.id), DB_I(now_ms));
}

static int moved(struct db *db, int r)
{
	return r < 0 ? r : db_changes(db) ? 0 : STORE_STALE;
}

int outbox_given(struct db *db, int64_t id, int64_t now_ms, struct err *err)
{
	return moved(db, db_run(db, err,
				"UPDATE outbox SET state = 2, state_ms = ?2 WHERE id = ?1 AND"
				" state = 1",
				DB_I(id), DB_I(now_ms)));
}

int outbox_end(struct db *db, int64_t id, enum outbox_state state, struct str says,
	       int64_t now_ms, struct err *err)
{
	int r = moved(db, db_run(db, err,
				 "UPDATE outbox SET state = ?2, state_ms = ?3, says = ?4,"
				 " letter = '' WHERE id = ?1 AND state IN (0, 1, 2)",
				 DB_I(id), DB_I(state), DB_I(now_ms), DB_S(says)));

	return r == 0 ? ladder_end(db, id, state, now_ms, err) : r;
}

int outbox_again(struct db *db, int64_t id, int64_t next_ms, bool counts, struct str says,
		 int64_t now_ms, struct err *err)
{
	return moved(db,
		     db_run(db, err,
			    "UPDATE outbox SET state = 0, state_ms = ?2, next_ms = ?3,"
			    " says = ?4, tries = tries - ?5 WHERE id = ?1 AND state IN (1, 2)",
			    DB_I(id), DB_I(now_ms), DB_I(next_ms), DB_S(says), DB_I(!counts)));
}

/* Ends all that a statement finds, one after the other: few. */
static int end_all(struct db *db, const char *sql, int64_t bound, enum outbox_state state,
		   const char *says, int64_t now_ms, int64_t *ret, struct err *err)
{
	int64_t id = 0;
	int r;

	for (;;) {
		r = db_one_binds(db, &id, err, str_of(sql), DB_BINDS(DB_I(bound)));
		if (r != 0)
			return r < 0 ? r : 0;
		r = outbox_end(db, id, state, str_of(says), now_ms, err);
		if (r != 0)
			return r < 0 ? r : 0;
		*ret += 1;
	}
}

int outbox_recover(struct db *db, int64_t now_ms, int64_t *ret, struct err *err)
{
	int r = db_run(db, err,
		       "UPDATE outbox SET state = 0, next_ms = ?1, state_ms = ?1 WHERE"
		       " state = 1 OR (state = 2 AND repeats = 1)",
		       DB_I(now_ms));

	*ret = 0;
	return r < 0 ? r
		     : end_all(db, "SELECT id FROM outbox WHERE state = ?1 LIMIT 1",
			       OUTBOX_GIVEN, OUTBOX_MAYBE,
			       "leaverd ended while it was given over: it may have arrived, "
			       "and "
			       "is not sent again",
			       now_ms, ret, err);
}

int outbox_expire(struct db *db, int64_t now_ms, int64_t *ret, struct err *err)
{
	*ret = 0;
	return end_all(db, "SELECT id FROM outbox WHERE state = 0 AND expires_ms <= ?1 LIMIT 1",
		       now_ms, OUTBOX_FAILED, "it could not be sent in time", now_ms, ret, err);
}

int outbox_retain(struct db *db, int64_t before_ms, int64_t now_ms, struct err *err)
{
	int r = db_run(db, err,
		       "UPDATE outbox SET receiver = '', letter = '', says = '' WHERE state > 2"
		       " AND state_ms < ?1 AND receiver <> ''",
		       DB_I(before_ms));

	if (r == 0)
		r = db_run(db, err, "DELETE FROM outbox WHERE state > 2 AND state_ms < ?1",
			   DB_I(now_ms - OUTBOX_ROW_MS));
	return r < 0 ? r
		     : db_run(db, err, "DELETE FROM keep WHERE end_ms < ?1",
			      DB_I(now_ms - OUTBOX_ROW_MS));
}

/* --- asking --------------------------------------------------------------------------------
 */

int outbox_list(struct db *db, unsigned states, int64_t before, size_t most, outbox_fn fn,
		void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT " COLUMNS " FROM outbox WHERE (?1 = 0 OR id < ?1) AND"
			 " (?2 = 0 OR (?2 >> state & 1)) ORDER BY id DESC LIMIT ?3",
			 DB_I(before), DB_I(states), DB_I(most));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct outbox_row row = row_of(q);

		r = fn(ctx, &row, err);
	}
	return r;
}

int outbox_counts(struct db *db, int64_t ret[OUTBOX_STATE_COUNT], struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err, "SELECT state, count(*) FROM outbox GROUP BY state");

	memset(ret, 0, OUTBOX_STATE_COUNT * sizeof(*ret));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		int64_t state = db_int(q, 0);

		if (state >= 0 && state < OUTBOX_STATE_COUNT)
			ret[state] = db_int(q, 1);
		r = 0;
	}
	return r;
}

int outbox_waiting(struct db *db, struct str channel, int64_t *ret, struct err *err)
{
	return db_one(db, ret, err,
		      "SELECT count(*) FROM outbox WHERE state < 3 AND channel = ?1",
		      DB_S(channel));
}

/* --- links that keep a seat ----------------------------------------------------------------
 */

int keep_put(struct db *db, struct str step, const struct keep_row *in, int64_t *ret,
	     struct err *err)
{
	int64_t old = 0;
	int r = db_one(db, &old, err, "SELECT id FROM keep WHERE step = ?1", DB_S(step));

	if (r == 0)
		*ret = old;
	if (r != STORE_NOT_FOUND)
		return r < 0 ? r : STORE_UNCHANGED;
	r = db_run(db, err,
		   "INSERT INTO keep (step, org, person, account, product, site, rule, made_ms,"
		   " end_ms, used_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)",
		   DB_S(step), DB_S(in->org), DB_I(in->person), DB_I(in->account),
		   DB_S(in->product), DB_S(in->site), DB_S(in->rule), DB_I(in->made_ms),
		   DB_I(in->end_ms));
	if (r == 0)
		*ret = db_last_id(db);
	return r;
}

int keep_get(struct db *db, int64_t id, keep_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(
		db, &q, err,
		"SELECT id, org, person, account, product, site, rule, made_ms, end_ms,"
		" used_ms FROM keep WHERE id = ?1",
		DB_I(id));

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	return fn(ctx,
		  &(struct keep_row){
			  .id = db_int(q, 0),
			  .org = db_text(q, 1),
			  .person = db_int(q, 2),
			  .account = db_int(q, 3),
			  .product = db_text(q, 4),
			  .site = db_text(q, 5),
			  .rule = db_text(q, 6),
			  .made_ms = db_int(q, 7),
			  .end_ms = db_int(q, 8),
			  .used_ms = db_int(q, 9),
		  },
		  err);
}

struct keep_using {
	struct db *db;
	int64_t until_ms, now_ms;
};

static int keep_bar(const struct keep_using *u, const struct keep_row *row, struct err *err)
{
	char reason[300];
	struct bar bar = {
		.account = row->account,
		.who = STR("keep-link"),
		.product = row->product,
		.site = row->site,
		.until_ms = u->until_ms,
	};

	(void)snprintf(reason, sizeof(reason),
		       "the person keeps the seat: " STR_FMT " on " STR_FMT
		       ", by the link of a warning",
		       STR_ARG(row->product), STR_ARG(row->site));
	bar.reason = str_of(reason);
	return persons_bar(u->db, &bar, u->now_ms, NULL, err);
}

/* All ladders of the seat, whichever rule warned: nobody loses it without a new warning. */
static int keep_row_use(void *ctx, const struct keep_row *row, struct err *err)
{
	const struct keep_using *u = ctx;
	char target[64];
	const struct audit_new entry = {
		.who = "keep-link",
		.what = "seat.keep",
		.target = target,
		.person = row->person,
		.body = STR("{}"),
		.now_ms = u->now_ms,
	};
	int r;

	if (row->used_ms)
		return STORE_UNCHANGED;
	if (u->now_ms >= row->end_ms)
		return STORE_STALE;
	(void)snprintf(target, sizeof(target), "account %lld", (long long)row->account);
	r = db_run(u->db, err,
		   "DELETE FROM progress WHERE account = ?1 AND product = ?2 AND site = ?3",
		   DB_I(row->account), DB_S(row->product), DB_S(row->site));
	if (r == 0)
		r = keep_bar(u, row, err);
	if (r == 0)
		r = audit_add(u->db, &entry, NULL, err);
	return r == 0 ? db_run(u->db, err, "UPDATE keep SET used_ms = ?2 WHERE id = ?1",
			       DB_I(row->id), DB_I(u->now_ms))
		      : r;
}

int keep_use(struct db *db, int64_t id, int64_t until_ms, int64_t now_ms, struct err *err)
{
	struct keep_using u = { db, until_ms, now_ms };

	return keep_get(db, id, keep_row_use, &u, err);
}
