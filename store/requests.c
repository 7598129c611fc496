#include "store/requests.h"

#include <stdio.h>

#include "base/jx.h"
#include "store/audit.h"

const char *const request_state_words[] = {
	[REQUEST_OFFERED] = "offered", [REQUEST_ASKED] = "asked",
	[REQUEST_GRANTED] = "granted", [REQUEST_REFUSED] = "refused",
	[REQUEST_STATE_COUNT] = NULL,
};

#define COLUMNS                                                                                \
	"id, org, plan, action, person, account, product, site, rule, made_ms, end_ms, state," \
	" state_ms, back, who"

static struct request_row row_of(struct stmt *q)
{
	return (struct request_row){
		.id = db_int(q, 0),
		.org = db_text(q, 1),
		.plan = db_int(q, 2),
		.action = db_int(q, 3),
		.person = db_int(q, 4),
		.account = db_int(q, 5),
		.product = db_text(q, 6),
		.site = db_text(q, 7),
		.rule = db_text(q, 8),
		.made_ms = db_int(q, 9),
		.end_ms = db_int(q, 10),
		.state = (enum request_state)db_int(q, 11),
		.state_ms = db_int(q, 12),
		.back = db_int(q, 13),
		.who = db_text(q, 14),
	};
}

int requests_offer(struct db *db, struct str step, const struct request_row *in, int64_t *ret,
		   struct err *err)
{
	int64_t old = 0;
	int r = db_one(db, &old, err, "SELECT id FROM request WHERE step = ?1", DB_S(step));

	if (r == 0)
		*ret = old;
	if (r != STORE_NOT_FOUND)
		return r < 0 ? r : STORE_UNCHANGED;
	r = db_run(db, err,
		   "INSERT INTO request (step, org, plan, action, person, account, product,"
		   " site, rule, made_ms, end_ms, state, state_ms, back, who) VALUES (?1, ?2,"
		   " ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?10, 0, '')",
		   DB_S(step), DB_S(in->org), DB_I(in->plan), DB_I(in->action),
		   DB_I(in->person), DB_I(in->account), DB_S(in->product), DB_S(in->site),
		   DB_S(in->rule), DB_I(in->made_ms), DB_I(in->end_ms));
	if (r == 0)
		*ret = db_last_id(db);
	return r;
}

/* r: of db_query(). */
static int one_row(int r, struct stmt *q, request_fn fn, void *ctx, struct err *err)
{
	struct request_row row;

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	row = row_of(q);
	return fn(ctx, &row, err);
}

int requests_get(struct db *db, int64_t id, request_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err, "SELECT " COLUMNS " FROM request WHERE id = ?1",
			 DB_I(id));

	return one_row(r, q, fn, ctx, err);
}

int requests_offered(struct db *db, const struct request_row *of, int64_t now_ms, request_fn fn,
		     void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT " COLUMNS " FROM request WHERE person = ?1 AND account = ?2"
			 " AND org = ?3 AND product = ?4 AND site = ?5 AND made_ms >= ?6 AND"
			 " end_ms > ?7 AND state = 0 ORDER BY id DESC LIMIT 1",
			 DB_I(of->person), DB_I(of->account), DB_S(of->org), DB_S(of->product),
			 DB_S(of->site), DB_I(of->made_ms), DB_I(now_ms));

	return one_row(r, q, fn, ctx, err);
}

int requests_list(struct db *db, unsigned states, size_t most, request_fn fn, void *ctx,
		  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT " COLUMNS " FROM request WHERE ?1 & (1 << state)"
			 " ORDER BY id LIMIT ?2",
			 DB_I(states), DB_I((int64_t)most));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct request_row row = row_of(q);

		r = fn(ctx, &row, err);
	}
	return r;
}

static int note(struct db *db, const struct request_row *row, const char *what, const char *who,
		const char *why, int64_t back, int64_t now_ms, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(buf_done) struct buf text;
	char target[64];
	struct audit_new entry = { .who = who,
				   .what = what,
				   .target = target,
				   .person = row->person,
				   .now_ms = now_ms };
	int r;

	buf_init(&text, 8192);
	(void)snprintf(target, sizeof(target), "request %lld", (long long)row->id);
	body = json_pack("{s:I,s:I,s:I,s:s*,s:I}", "plan", (json_int_t)row->plan, "action",
			 (json_int_t)row->action, "account", (json_int_t)row->account, "reason",
			 why, "back", (json_int_t)back);
	r = body ? jx_text(body, &text, err) : err_nomem(err);
	entry.body = buf_str(&text);
	return r == 0 ? audit_add(db, &entry, NULL, err) : r;
}

struct change {
	struct db *db;
	const struct request_answer *answer; /* NULL: it is asked for */
	int64_t now_ms;
};

static int ask_row(void *ctx, const struct request_row *row, struct err *err)
{
	const struct change *c = ctx;
	int r;

	if (row->state != REQUEST_OFFERED)
		return STORE_UNCHANGED;
	if (c->now_ms >= row->end_ms)
		return STORE_STALE;
	r = note(c->db, row, "seat.ask", "again-link", NULL, 0, c->now_ms, err);
	return r == 0 ? db_run(c->db, err,
			       "UPDATE request SET state = 1, state_ms = ?2 WHERE id = ?1",
			       DB_I(row->id), DB_I(c->now_ms))
		      : r;
}

int requests_ask(struct db *db, int64_t id, int64_t now_ms, struct err *err)
{
	struct change c = { db, NULL, now_ms };

	return requests_get(db, id, ask_row, &c, err);
}

static int answer_row(void *ctx, const struct request_row *row, struct err *err)
{
	const struct change *c = ctx;
	const struct request_answer *a = c->answer;
	int r;

	if (row->state != REQUEST_ASKED)
		return row->state == REQUEST_OFFERED ? STORE_STALE : STORE_UNCHANGED;
	r = note(c->db, row, a->state == REQUEST_GRANTED ? "request.grant" : "request.refuse",
		 a->who, a->why, a->back, a->now_ms, err);
	return r == 0 ? db_run(c->db, err,
			       "UPDATE request SET state = ?2, state_ms = ?3, back = ?4,"
			       " who = ?5 WHERE id = ?1",
			       DB_I(row->id), DB_I(a->state), DB_I(a->now_ms), DB_I(a->back),
			       DB_S(str_of(a->who)))
		      : r;
}

int requests_answer(struct db *db, const struct request_answer *in, struct err *err)
{
	struct change c = { db, in, in->now_ms };

	return requests_get(db, in->id, answer_row, &c, err);
}
