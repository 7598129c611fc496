#include "store/walk.h"

int walk_actions(struct db *db, int64_t plan, int64_t after_n, size_t most, walk_action_fn fn,
		 void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT a.n, a.kind, a.rule, a.class, a.product, a.site, a.person, a.account,"
		" a.due_ms, a.held, a.automatic, a.state, a.state_ms, a.result, v.json, v.salt"
		" FROM action a LEFT JOIN plan_value v ON v.plan = a.plan AND v.n = a.n"
		" WHERE a.plan = ?1 AND a.n > ?2 ORDER BY a.n LIMIT ?3",
		DB_I(plan), DB_I(after_n), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct action_row row = { .n = db_int(q, 0),
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

		r = fn(ctx, &row, db_text(q, 14), db_blob(q, 15), err);
	}
	return r;
}

int walk_journal(struct db *db, int64_t plan, int64_t run, int64_t after_seq, size_t most,
		 walk_line_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT seq, plan, n, run, epoch, step, kind, op, args, key, result, text, ms"
		" FROM journal WHERE plan = ?1 AND seq > ?3 AND (?2 = 0 OR run = ?2)"
		" ORDER BY seq LIMIT ?4",
		DB_I(plan), DB_I(run), DB_I(after_seq), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct journal_line line = { .seq = db_int(q, 0),
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

		r = fn(ctx, &line, err);
	}
	return r;
}

int walk_plans(struct db *db, int64_t from_ms, int64_t until_ms, int64_t after, size_t most,
	       walk_plan_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT id FROM plan p WHERE id > ?3 AND (created_ms >= ?1 AND created_ms < ?2"
		" OR EXISTS (SELECT 1 FROM decision d WHERE d.plan = p.id AND d.ms >= ?1"
		" AND d.ms < ?2)"
		" OR EXISTS (SELECT 1 FROM run r WHERE r.plan = p.id AND r.begun_ms < ?2"
		" AND (r.ended_ms = 0 OR r.ended_ms >= ?1))) ORDER BY id LIMIT ?4",
		DB_I(from_ms), DB_I(until_ms), DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_int(q, 0), err);
	return r;
}

int walk_runs(struct db *db, int64_t plan, int64_t after, size_t most, run_fn fn, void *ctx,
	      struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, plan, epoch, org, who, ended_how, begun_ms, ended_ms, done, "
		     "already,"
		     " skipped, held, failed FROM run WHERE plan = ?1 AND id > ?2 ORDER BY id"
		     " LIMIT ?3",
		     DB_I(plan), DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct run_row row = { .id = db_int(q, 0),
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
	}
	return r;
}

/* Times in the chain go up but for corrections of the clock, so the range is looked for by its
 * ends: the first entry of the span, and the last. */
int walk_audit_range(struct db *db, int64_t from_ms, int64_t until_ms, int64_t *first,
		     int64_t *last, struct err *err)
{
	int64_t lo = 0, hi = 0;
	int r;

	r = db_one(db, &lo, err, "SELECT seq FROM audit WHERE ms >= ?1 ORDER BY seq LIMIT 1",
		   DB_I(from_ms));
	if (r >= 0)
		r = db_one(db, &hi, err,
			   "SELECT seq FROM audit WHERE ms < ?1 ORDER BY seq DESC LIMIT 1",
			   DB_I(until_ms));
	if (r < 0)
		return r;
	*first = lo && hi >= lo ? lo : 0;
	*last = lo && hi >= lo ? hi : 0;
	return 0;
}

int walk_record_person(struct db *db, int64_t record, int64_t *ret, struct err *err)
{
	int64_t person = 0;
	int r = db_one(db, &person, err, "SELECT person FROM record WHERE id = ?1",
		       DB_I(record));

	*ret = person;
	return r < 0 ? r : 0;
}

int walk_group_members(struct db *db, int64_t group, int64_t *ret, struct err *err)
{
	int64_t count = 0;
	int r = db_one(db, &count, err, "SELECT count(*) FROM member WHERE grp = ?1",
		       DB_I(group));

	*ret = count;
	return r < 0 ? r : 0;
}

int walk_org_groups(struct db *db, int64_t org, int64_t after, size_t most, walk_group_fn fn,
		    void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT g.id, g.group_id, g.name, g.directory, g.synced, g.modifiable, g.admin,"
		" (SELECT count(*) FROM org_member m WHERE m.org = g.org AND m.grp = g.id),"
		" (SELECT group_concat(x, ' ') FROM (SELECT DISTINCT p.key ||"
		" CASE p.site WHEN '' THEN '' ELSE '@' || p.site END AS x FROM org_grant t"
		" JOIN product p ON p.id = t.product WHERE t.org = g.org AND t.grp = g.id"
		" ORDER BY x)) FROM org_group g WHERE g.org = ?1 AND g.live = 1 AND g.id > ?2"
		" ORDER BY g.id LIMIT ?3",
		DB_I(org), DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct org_group_row row = { .id = db_int(q, 0),
						   .group_id = db_text(q, 1),
						   .name = db_text(q, 2),
						   .directory = db_text(q, 3),
						   .synced = (enum tri)db_int(q, 4),
						   .modifiable = (enum tri)db_int(q, 5),
						   .admin = (enum tri)db_int(q, 6) };

		r = fn(ctx, &row, db_int(q, 7), db_text(q, 8), err);
	}
	return r;
}

int walk_effects(struct db *db, int64_t from_ms, int64_t until_ms, int64_t after, size_t most,
		 walk_effect_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT e.id, e.plan, e.n, e.person, e.account, e.ms, a.due_ms, e.org, e.class,"
		" a.kind, a.rule, e.product, e.site, a.state, a.state_ms FROM effect e"
		" JOIN action a ON a.plan = e.plan AND a.n = e.n"
		" WHERE e.id > ?3 AND e.ms >= ?1 AND e.ms < ?2 ORDER BY e.id LIMIT ?4",
		DB_I(from_ms), DB_I(until_ms), DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct walk_effect row = { .id = db_int(q, 0),
						 .plan = db_int(q, 1),
						 .n = db_int(q, 2),
						 .person = db_int(q, 3),
						 .account = db_int(q, 4),
						 .ms = db_int(q, 5),
						 .due_ms = db_int(q, 6),
						 .org = db_text(q, 7),
						 .class_ = db_text(q, 8),
						 .kind = db_text(q, 9),
						 .rule = db_text(q, 10),
						 .product = db_text(q, 11),
						 .site = db_text(q, 12),
						 .state = (enum action_state)db_int(q, 13),
						 .state_ms = db_int(q, 14) };

		r = fn(ctx, &row, err);
	}
	return r;
}
