#include "store/announced.h"

#include <stdio.h>

#include "store/audit.h"

#define BODY_MAX_BYTES (1u << 20)

const char *const announced_words[] = { "waits", "stands", "withdrawn", NULL };

#define ANNOUNCED_COLUMNS "id, who, why, detail, persons, from_ms, until_ms, made_ms, state"

static void announced_take(struct stmt *q, struct announced *a)
{
	*a = (struct announced){ .id = db_int(q, 0),
				 .who = db_text(q, 1),
				 .why = db_text(q, 2),
				 .detail = db_text(q, 3),
				 .persons = db_int(q, 4),
				 .from_ms = db_int(q, 5),
				 .until_ms = db_int(q, 6),
				 .made_ms = db_int(q, 7),
				 .state = (enum announced_state)db_int(q, 8) };
}

int announced_get(struct db *db, int64_t id, announced_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct announced row;
	int r;

	r = db_query(db, &q, err, "SELECT " ANNOUNCED_COLUMNS " FROM announced WHERE id = ?1",
		     DB_I(id));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	announced_take(q, &row);
	return fn(ctx, &row, err);
}

int announced_list(struct db *db, size_t most, announced_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct announced row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ANNOUNCED_COLUMNS " FROM announced ORDER BY id DESC LIMIT ?1",
		     DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		announced_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

static int audit_list_of(struct db *db, const char *what, int64_t id, const char *who,
			 const struct buf *body, int64_t now_ms, struct err *err)
{
	char target[48];
	struct audit_new entry = {
		.who = who, .what = what, .target = target, .now_ms = now_ms
	};
	int r = buf_fault(body, err, "the audit entry");

	(void)snprintf(target, sizeof(target), "expect %lld", (long long)id);
	entry.body = buf_str(body);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

int announced_put(struct db *db, const struct announced *in, int64_t *ret, struct err *err)
{
	CLEANUP(free_at) char *who = str_dup(in->who);
	CLEANUP(buf_done) struct buf body;
	int64_t id;
	int r;

	buf_init(&body, BODY_MAX_BYTES);
	if (!who)
		return err_nomem(err);
	r = db_run(db, err,
		   "INSERT INTO announced (who, why, detail, persons, from_ms, until_ms,"
		   " made_ms, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		   DB_S(in->who), DB_S(in->why), DB_S(in->detail), DB_I(in->persons),
		   DB_I(in->from_ms), DB_I(in->until_ms), DB_I(in->made_ms),
		   DB_I(ANNOUNCED_WAITS));
	if (r < 0)
		return r;
	id = db_last_id(db);
	buf_add_text(&body, "{\"list\":");
	buf_add_str(&body, in->detail);
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, in->why);
	buf_add_char(&body, '}');
	r = audit_list_of(db, "expect.announce", id, who, &body, in->made_ms, err);
	if (r == 0)
		*ret = id;
	return r;
}

static int copied_row(void *ctx, const struct announced *row, struct err *err)
{
	struct announced *copy = ctx;

	(void)err;
	copy->from_ms = row->from_ms;
	copy->until_ms = row->until_ms;
	copy->state = row->state;
	return 0;
}

static int let_pass(struct db *db, const struct announced_word *in,
		    const struct announced *list, const int64_t *persons, size_t count,
		    struct err *err)
{
	int64_t from_ms = list->from_ms > in->alone_ms ? list->from_ms : in->alone_ms;
	int r;

	r = db_run(db, err, "UPDATE announced SET state = ?2 WHERE id = ?1", DB_I(in->id),
		   DB_I(ANNOUNCED_STANDS));
	for (size_t i = 0; r == 0 && i < count; i++)
		r = db_run(db, err,
			   "INSERT INTO expected (person, who, why, set_ms, from_ms, until_ms,"
			   " announced) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
			   " ON CONFLICT (person) DO UPDATE SET who = excluded.who,"
			   " why = excluded.why, set_ms = excluded.set_ms,"
			   " from_ms = excluded.from_ms, until_ms = excluded.until_ms,"
			   " announced = excluded.announced",
			   DB_I(persons[i]), DB_T(in->signer ? in->signer->who : in->who),
			   DB_T(in->why), DB_I(in->now_ms), DB_I(from_ms), DB_I(list->until_ms),
			   DB_I(in->id));
	(void)db_next_change(db);
	return r;
}

int announced_approve(struct db *db, const struct announced_word *in, const int64_t *persons,
		      size_t count, struct err *err)
{
	struct announced list = { .state = ANNOUNCED_WITHDRAWN };
	CLEANUP(buf_done) struct buf body;
	int r;

	buf_init(&body, BODY_MAX_BYTES);
	r = announced_get(db, in->id, copied_row, &list, err);
	if (r == 0 && list.state != ANNOUNCED_WAITS)
		r = STORE_NOT_FOUND;
	if (r == 0 && in->stands)
		r = let_pass(db, in, &list, persons, count, err);
	if (r != 0)
		return r;
	buf_addf(&body, "{\"person\":%s", in->signer ? "true" : "false");
	if (in->alone_ms)
		buf_addf(&body, ",\"alone\":%lld", (long long)in->alone_ms);
	buf_addf(&body, ",\"stands\":%s", in->stands ? "true" : "false");
	if (in->signer)
		buf_addf(&body, ",\"statement\":%lld", (long long)in->signer->entry);
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, str_of(in->why));
	buf_add_char(&body, '}');
	return audit_list_of(db, "expect.approve", in->id,
			     in->signer ? in->signer->who : in->who, &body, in->now_ms, err);
}

int announced_withdraw(struct db *db, int64_t id, const char *who, const char *why,
		       int64_t now_ms, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	int r;

	buf_init(&body, BODY_MAX_BYTES);
	r = db_run(db, err, "UPDATE announced SET state = ?2 WHERE id = ?1 AND state <> ?2",
		   DB_I(id), DB_I(ANNOUNCED_WITHDRAWN));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_NOT_FOUND;
	r = db_run(db, err, "DELETE FROM expected WHERE announced = ?1", DB_I(id));
	(void)db_next_change(db);
	buf_add_text(&body, "{\"why\":");
	buf_add_json(&body, str_of(why));
	buf_add_char(&body, '}');
	return r < 0 ? r : audit_list_of(db, "expect.withdraw", id, who, &body, now_ms, err);
}
