#include "store/keys.h"

#include "store/shape.h"

int keys_page(struct db *db, int64_t source, int64_t after, size_t most, key_fn fn, void *ctx,
	      struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t from = after >= SHAPE_FIRST(source) ? after + 1 : SHAPE_FIRST(source);
	int r = db_query(db, &q, err,
			 "SELECT id, key, absent_reads > 0 FROM record WHERE id BETWEEN ?1 AND"
			 " ?2 AND deleted = 0 AND gone = 0 ORDER BY id LIMIT ?3",
			 DB_I(from), DB_I(SHAPE_LAST(source)), DB_I(most));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_int(q, 0), db_text(q, 1), db_int(q, 2) != 0, err);
	return r;
}
