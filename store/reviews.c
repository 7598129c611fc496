#include "store/reviews.h"

#include <stdio.h>

#include "base/buf.h"
#include "store/audit.h"

#define BODY_MAX (64 * 1024)

const char *const review_answer_words[] = { "", "keep", "remove", NULL };

static int note(struct db *db, int64_t review, const char *what, const char *who,
		struct str body, int64_t now_ms, struct err *err)
{
	char target[40];
	const struct audit_new entry = {
		.who = who, .what = what, .target = target, .body = body, .now_ms = now_ms
	};

	(void)snprintf(target, sizeof(target), "review %lld", (long long)review);
	return audit_add(db, &entry, NULL, err);
}

int reviews_start(struct db *db, const struct review_new *in, int64_t *ret, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	int64_t id;
	int r;

	buf_init(&body, BODY_MAX);
	r = db_run(db, err,
		   "INSERT INTO review (org, why, who, made_ms, due_ms, closed_ms, closed_by,"
		   " plans) VALUES (?1, ?2, ?3, ?4, ?5, 0, '', '[]')",
		   DB_T(in->org), DB_T(in->why), DB_T(in->who), DB_I(in->now_ms),
		   DB_I(in->due_ms));
	if (r < 0)
		return r;
	id = db_last_id(db);
	buf_addf(&body, "{\"due\":%lld,\"org\":", (long long)in->due_ms);
	buf_add_json(&body, str_of(in->org));
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, str_of(in->why));
	buf_add_char(&body, '}');
	r = buf_fault(&body, err, "the audit entry");
	if (r == 0)
		r = note(db, id, "review.start", in->who, buf_str(&body), in->now_ms, err);
	if (r == 0)
		*ret = id;
	return r;
}

int reviews_add(struct db *db, const struct review_item *i, struct err *err)
{
	return db_run(db, err,
		      "INSERT INTO review_item (review, n, person, account, product, site,"
		      " manager, answer, why, by, answered_ms)"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, '', '', 0)",
		      DB_I(i->review), DB_I(i->n), DB_I(i->person), DB_I(i->account),
		      DB_S(i->product), DB_S(i->site), DB_S(i->manager));
}

/* 0: open. STORE_NOT_FOUND, STORE_STALE. */
static int is_open(struct db *db, int64_t review, struct err *err)
{
	int64_t closed_ms = 0;
	int r = db_one(db, &closed_ms, err, "SELECT closed_ms FROM review WHERE id = ?1",
		       DB_I(review));

	return r == 0 && closed_ms ? STORE_STALE : r;
}

int reviews_answer(struct db *db, const struct review_said *s, struct err *err)
{
	int64_t there = 0;
	int r = is_open(db, s->review, err);

	if (r == 0)
		r = db_one(db, &there, err,
			   "SELECT 1 FROM review_item WHERE review = ?1 AND n = ?2",
			   DB_I(s->review), DB_I(s->n));
	if (r != 0)
		return r;
	r = db_run(db, err,
		   "UPDATE review_item SET answer = ?3, why = ?4, by = ?5, answered_ms = ?6"
		   " WHERE review = ?1 AND n = ?2 AND (answer <> ?3 OR why <> ?4 OR by <> ?5)",
		   DB_I(s->review), DB_I(s->n), DB_I(s->answer), DB_S(s->why), DB_S(s->by),
		   DB_I(s->now_ms));
	if (r == 0 && db_changes(db) == 0)
		return STORE_UNCHANGED;
	return r;
}

int reviews_answers_note(struct db *db, int64_t review, int64_t count, const char *who,
			 int64_t now_ms, struct err *err)
{
	char body[48];
	int n = snprintf(body, sizeof(body), "{\"answers\":%lld}", (long long)count);

	return note(db, review, "review.answer", who, str_n(body, (size_t)n), now_ms, err);
}

/* --- asking ----------------------------------------------------------------------------------
 */

#define REVIEW_SQL                                                                             \
	"SELECT v.id, v.org, v.why, v.who, v.closed_by, v.made_ms, v.due_ms, v.closed_ms,"     \
	" count(i.n), sum(i.answer = 1), sum(i.answer = 2), sum(i.answer = 0), v.plans"        \
	" FROM review v LEFT JOIN review_item i ON i.review = v.id"

static void take_review(struct stmt *q, struct review_row *row)
{
	*row = (struct review_row){
		.id = db_int(q, 0),
		.org = db_text(q, 1),
		.why = db_text(q, 2),
		.who = db_text(q, 3),
		.closed_by = db_text(q, 4),
		.made_ms = db_int(q, 5),
		.due_ms = db_int(q, 6),
		.closed_ms = db_int(q, 7),
		.items = db_int(q, 8),
		.keep = db_int(q, 9),
		.remove = db_int(q, 10),
		.unanswered = db_int(q, 11),
		.plans = db_text(q, 12),
	};
}

int reviews_list(struct db *db, review_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct review_row row;
	int r = db_query(db, &q, err,
			 REVIEW_SQL " GROUP BY v.id ORDER BY v.id DESC LIMIT 1000");

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		take_review(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

int reviews_get(struct db *db, int64_t review, review_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct review_row row;
	int r = db_query(db, &q, err, REVIEW_SQL " WHERE v.id = ?1 GROUP BY v.id",
			 DB_I(review));

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	take_review(q, &row);
	return fn(ctx, &row, err);
}

int reviews_items(struct db *db, int64_t review, struct str manager, int64_t after_n,
		  size_t most, review_item_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(
		db, &q, err,
		"SELECT i.n, i.person, i.account, i.product, i.site, i.manager, i.answer,"
		" i.why, i.by, i.answered_ms, coalesce(a.account_id, ''),"
		" coalesce(a.email, ''), coalesce(a.name, '') FROM review_item i"
		" LEFT JOIN account a ON a.id = i.account WHERE i.review = ?1"
		" AND i.n > ?2 AND (?3 = '' OR i.manager = ?3) ORDER BY i.n LIMIT ?4",
		DB_I(review), DB_I(after_n), DB_S(manager), DB_I(most));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct review_item item = {
			.review = review,
			.n = db_int(q, 0),
			.person = db_int(q, 1),
			.account = db_int(q, 2),
			.product = db_text(q, 3),
			.site = db_text(q, 4),
			.manager = db_text(q, 5),
			.answer = (enum review_answer)db_int(q, 6),
			.why = db_text(q, 7),
			.by = db_text(q, 8),
			.answered_ms = db_int(q, 9),
			.account_id = db_text(q, 10),
			.email = db_text(q, 11),
			.name = db_text(q, 12),
		};

		r = fn(ctx, &item, err);
	}
	return r;
}

/* --- the end ---------------------------------------------------------------------------------
 */

struct counts {
	int64_t keep, remove, unanswered;
};

static int count(void *ctx, const struct review_row *row, struct err *err)
{
	struct counts *c = ctx;

	(void)err;
	*c = (struct counts){ row->keep, row->remove, row->unanswered };
	return 0;
}

int reviews_close(struct db *db, const struct review_close *in, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	struct counts c = { 0 };
	int64_t newest_ms = 0;
	int r = is_open(db, in->review, err);

	buf_init(&body, BODY_MAX);
	if (r != 0)
		return r == STORE_STALE ? STORE_UNCHANGED : r;
	r = reviews_get(db, in->review, count, &c, err);
	if (r == 0)
		r = db_one(db, &newest_ms, err,
			   "SELECT coalesce(max(answered_ms), 0) FROM review_item"
			   " WHERE review = ?1",
			   DB_I(in->review));
	if (r == 0 && (c.remove != in->remove || newest_ms != in->newest_ms))
		return STORE_STALE;
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE review SET closed_ms = ?2, closed_by = ?3, plans = ?4"
			   " WHERE id = ?1",
			   DB_I(in->review), DB_I(in->now_ms), DB_T(in->who), DB_T(in->plans));
	buf_addf(&body,
		 "{\"keep\":%lld,\"plans\":%s,\"remove\":%lld,\"unanswered\":%lld,\"why\":",
		 (long long)c.keep, in->plans, (long long)c.remove, (long long)c.unanswered);
	buf_add_json(&body, str_of(in->why));
	buf_add_char(&body, '}');
	if (r == 0)
		r = buf_fault(&body, err, "the audit entry");
	return r == 0 ? note(db, in->review, "review.close", in->who, buf_str(&body),
			     in->now_ms, err)
		      : r;
}
