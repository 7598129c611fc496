#include "store/ledger.h"

#include "model/snapshot.h"
#include "store/plans.h"

int ledger_note(struct db *db, int64_t org, int64_t day, int64_t idle_before_ms,
		struct err *err)
{
	int r = db_run(db, err,
		       "DELETE FROM seat_day WHERE org = ?1 AND (day = ?2 OR day < ?3)",
		       DB_I(org), DB_I(day), DB_I(day - LEDGER_KEEP_DAYS));

	if (r < 0)
		return r;
	return db_run(db, err,
		      "INSERT INTO seat_day (org, product, day, held, idle, never, capacity)"
		      " SELECT p.org, p.id, ?2, count(s.id),"
		      " coalesce(sum(s.last_active_ms > 0 AND s.last_active_ms < ?3), 0),"
		      " coalesce(sum(s.last_active_ms = ?4), 0), p.capacity"
		      " FROM product p LEFT JOIN seat s ON s.product = p.id AND s.org = p.org"
		      " WHERE p.org = ?1 GROUP BY p.id",
		      DB_I(org), DB_I(day), DB_I(idle_before_ms), DB_I(FACT_ABSENT));
}

int ledger_days(struct db *db, int64_t org, int64_t from_day, ledger_day_fn fn, void *ctx,
		struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT p.key, p.site, d.day, d.held, d.idle, d.never, d.capacity"
			 " FROM seat_day d JOIN product p ON p.id = d.product"
			 " WHERE d.org = ?1 AND d.day >= ?2 ORDER BY p.key, p.site, d.day",
			 DB_I(org), DB_I(from_day));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct ledger_day row = { .product = db_text(q, 0),
					  .site = db_text(q, 1),
					  .day = db_int(q, 2),
					  .held = db_int(q, 3),
					  .idle = db_int(q, 4),
					  .never = db_int(q, 5),
					  .capacity = db_int(q, 6) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int ledger_freed(struct db *db, const char *name, int64_t org, int64_t from_ms,
		 ledger_freed_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT a.product, a.site, a.state_ms,"
			 " EXISTS (SELECT 1 FROM product p JOIN seat s ON s.product = p.id"
			 "  WHERE p.org = ?2 AND p.key = a.product AND p.site = a.site"
			 "  AND s.account = a.account)"
			 " OR EXISTS (SELECT 1 FROM action b WHERE b.account = a.account AND "
			 "b.account > 0"
			 "  AND b.product = a.product AND b.site = a.site AND b.kind = a.kind"
			 "  AND b.state = a.state AND b.state_ms > a.state_ms)"
			 " FROM plan l JOIN action a ON a.plan = l.id"
			 " WHERE l.org = ?1 AND a.kind = 'free-seat' AND a.state = ?3 AND "
			 "a.state_ms >= ?4"
			 " ORDER BY a.product, a.site, a.state_ms",
			 DB_T(name), DB_I(org), DB_I(ACTION_DONE), DB_I(from_ms));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct ledger_freed row = { .product = db_text(q, 0),
					    .site = db_text(q, 1),
					    .at_ms = db_int(q, 2),
					    .again = db_int(q, 3) != 0 };

		r = fn(ctx, &row, err);
	}
	return r;
}
