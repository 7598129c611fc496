#include "store/issues.h"

#define COLUMNS "id, channel, org, about, plan, action, name, made_ms, ended_ms"

static struct issue_row row_of(struct stmt *q)
{
	return (struct issue_row){
		.id = db_int(q, 0),
		.channel = db_text(q, 1),
		.org = db_text(q, 2),
		.about = db_text(q, 3),
		.plan = db_int(q, 4),
		.action = db_int(q, 5),
		.name = db_text(q, 6),
		.made_ms = db_int(q, 7),
		.ended_ms = db_int(q, 8),
	};
}

int issues_open(struct db *db, const struct issue_row *in, int64_t *ret, struct err *err)
{
	int64_t old = 0;
	int r = db_one(db, &old, err,
		       "SELECT id FROM issue WHERE channel = ?1 AND about = ?2 AND"
		       " ended_ms = 0",
		       DB_S(in->channel), DB_S(in->about));

	if (r == 0)
		r = db_run(db, err, "UPDATE issue SET plan = ?2, action = ?3 WHERE id = ?1",
			   DB_I(old), DB_I(in->plan), DB_I(in->action));
	if (r == 0)
		*ret = old;
	if (r != STORE_NOT_FOUND)
		return r < 0 ? r : STORE_UNCHANGED;
	r = db_run(db, err,
		   "INSERT INTO issue (channel, org, about, plan, action, name, made_ms,"
		   " ended_ms) VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, 0)",
		   DB_S(in->channel), DB_S(in->org), DB_S(in->about), DB_I(in->plan),
		   DB_I(in->action), DB_I(in->made_ms));
	if (r == 0)
		*ret = db_last_id(db);
	return r;
}

int issues_get(struct db *db, const struct issue_row *of, issue_fn fn, void *ctx,
	       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct issue_row row;
	int r = db_query(db, &q, err,
			 "SELECT " COLUMNS " FROM issue WHERE channel = ?1 AND about = ?2 AND"
			 " made_ms = ?3",
			 DB_S(of->channel), DB_S(of->about), DB_I(of->made_ms));

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	row = row_of(q);
	return fn(ctx, &row, err);
}

int issues_list(struct db *db, struct str channel, issue_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT " COLUMNS " FROM issue WHERE channel = ?1 AND ended_ms = 0"
			 " ORDER BY id",
			 DB_S(channel));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct issue_row row = row_of(q);

		r = fn(ctx, &row, err);
	}
	return r;
}

int issues_name(struct db *db, const struct issue_row *of, struct str name, struct err *err)
{
	return db_run(db, err,
		      "UPDATE issue SET name = ?4 WHERE channel = ?1 AND about = ?2 AND"
		      " made_ms = ?3 AND name = ''",
		      DB_S(of->channel), DB_S(of->about), DB_I(of->made_ms), DB_S(name));
}

int issues_end(struct db *db, const struct issue_row *of, int64_t now_ms, struct err *err)
{
	int r = db_run(db, err,
		       "UPDATE issue SET ended_ms = ?4 WHERE channel = ?1 AND about = ?2 AND"
		       " made_ms = ?3 AND ended_ms = 0",
		       DB_S(of->channel), DB_S(of->about), DB_I(of->made_ms), DB_I(now_ms));

	return r < 0 ? r : db_changes(db) ? 0 : STORE_UNCHANGED;
}

int issues_retain(struct db *db, int64_t before_ms, struct err *err)
{
	return db_run(db, err, "DELETE FROM issue WHERE ended_ms BETWEEN 1 AND ?1",
		      DB_I(before_ms - 1));
}
