#include "store/cursors.h"

int cursors_get(struct db *db, const char *owner, const char *name, char **ret, int64_t *ret_ms,
		struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	char *text;
	int r;

	r = db_query(db, &q, err, "SELECT value, ms FROM cursor WHERE owner = ?1 AND name = ?2",
		     DB_T(owner), DB_T(name));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	text = db_text_dup(q, 0);
	if (!text)
		return err_nomem(err);
	if (ret_ms)
		*ret_ms = db_int(q, 1);
	*ret = text;
	return 0;
}

int cursors_set(struct db *db, const char *owner, const char *name, const char *text,
		int64_t now_ms, struct err *err)
{
	int r;

	if (!text)
		r = db_run(db, err, "DELETE FROM cursor WHERE owner = ?1 AND name = ?2",
			   DB_T(owner), DB_T(name));
	else
		r = db_run(db, err,
			   "INSERT INTO cursor (owner, name, value, ms) VALUES (?1, ?2, ?3, ?4)"
			   " ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value,"
			   " ms = excluded.ms WHERE value <> excluded.value",
			   DB_T(owner), DB_T(name), DB_T(text), DB_I(now_ms));
	if (r < 0)
		return r;
	return db_changes(db) > 0 ? 0 : STORE_UNCHANGED;
}
