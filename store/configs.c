#include "store/configs.h"

#include <stdio.h>

#include "store/audit.h"

#define BODY_MAX_BYTES (1u << 20)

const char *const config_load_words[] = { "waits", "stands", "passed over", NULL };

#define LOAD_COLUMNS "id, ms, state, digest, author, wider, text"

static void load_take(struct stmt *q, struct config_load *c)
{
	struct str digest = db_blob(q, 3);

	*c = (struct config_load){ .id = db_int(q, 0),
				   .ms = db_int(q, 1),
				   .state = (enum config_load_state)db_int(q, 2),
				   .author = db_text(q, 4),
				   .wider = db_text(q, 5),
				   .text = db_text(q, 6) };
	if (digest.len == DIGEST_BYTES)
		memcpy(c->digest.b, digest.p, DIGEST_BYTES);
}

static int one_load(struct stmt *q, config_load_fn fn, void *ctx, struct err *err)
{
	struct config_load row;
	int r = db_step(q, err);

	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	load_take(q, &row);
	return fn(ctx, &row, err);
}

int configs_newest(struct db *db, enum config_load_state state, config_load_fn fn, void *ctx,
		   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " LOAD_COLUMNS " FROM config_load WHERE state = ?1"
		     " ORDER BY id DESC LIMIT 1",
		     DB_I(state));
	return r < 0 ? r : one_load(q, fn, ctx, err);
}

int configs_get(struct db *db, int64_t id, config_load_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT " LOAD_COLUMNS " FROM config_load WHERE id = ?1",
		     DB_I(id));
	return r < 0 ? r : one_load(q, fn, ctx, err);
}

int configs_list(struct db *db, size_t most, config_load_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct config_load row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " LOAD_COLUMNS " FROM config_load ORDER BY id DESC LIMIT ?1",
		     DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		load_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

static int audit_config(struct db *db, const char *what, int64_t id, const char *who,
			const struct buf *body, int64_t now_ms, struct err *err)
{
	char target[48];
	struct audit_new entry = {
		.who = who, .what = what, .target = target, .now_ms = now_ms
	};
	int r = buf_fault(body, err, "the audit entry");

	(void)snprintf(target, sizeof(target), "config %lld", (long long)id);
	entry.body = buf_str(body);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

/* What stood or waited before is so no more. */
static int pass_over(struct db *db, int64_t but, bool standing_too, struct err *err)
{
	return db_run(db, err,
		      "UPDATE config_load SET state = ?2 WHERE id <> ?1 AND"
		      " (state = ?3 OR (?4 AND state = ?5))",
		      DB_I(but), DB_I(CONFIG_PASSED), DB_I(CONFIG_WAITS), DB_I(standing_too),
		      DB_I(CONFIG_STANDS));
}

int configs_put(struct db *db, const struct config_load_new *in, int64_t *ret, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	struct digest d;
	int64_t id;
	int r;

	buf_init(&body, BODY_MAX_BYTES);
	digest_of(&d, NULL, in->text);
	r = db_run(db, err,
		   "INSERT INTO config_load (ms, state, digest, author, wider, text)"
		   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		   DB_I(in->now_ms), DB_I(in->stands ? CONFIG_STANDS : CONFIG_WAITS),
		   DB_B(d.b, DIGEST_BYTES), DB_S(in->author), DB_S(in->wider), DB_S(in->text));
	if (r < 0)
		return r;
	id = db_last_id(db);
	r = pass_over(db, id, in->stands, err);
	buf_add_text(&body, "{\"author\":");
	buf_add_json(&body, in->author);
	buf_add_text(&body, ",\"differs\":");
	buf_add_str(&body, in->diff);
	buf_addf(&body, ",\"stands\":%s,\"text\":", in->stands ? "true" : "false");
	buf_add_json(&body, in->text);
	buf_add_text(&body, ",\"wider\":");
	buf_add_str(&body, in->wider);
	buf_add_char(&body, '}');
	if (r == 0)
		r = audit_config(db, "config.load", id, in->who, &body, in->now_ms, err);
	if (r == 0)
		*ret = id;
	return r;
}

int configs_stand(struct db *db, int64_t id, const char *who, const struct signer *signer,
		  const char *why, int64_t now_ms, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	int r;

	buf_init(&body, BODY_MAX_BYTES);
	r = db_run(db, err, "UPDATE config_load SET state = ?2 WHERE id = ?1 AND state = ?3",
		   DB_I(id), DB_I(CONFIG_STANDS), DB_I(CONFIG_WAITS));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_NOT_FOUND;
	r = pass_over(db, id, true, err);
	buf_addf(&body, "{\"person\":%s", signer ? "true" : "false");
	if (signer)
		buf_addf(&body, ",\"statement\":%lld", (long long)signer->entry);
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, str_of(why));
	buf_add_char(&body, '}');
	return r < 0 ? r
		     : audit_config(db, "config.approve", id, signer ? signer->who : who, &body,
				    now_ms, err);
}

int configs_withdraw(struct db *db, const char *who, int64_t now_ms, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	int64_t id = 0;
	int r;

	buf_init(&body, 64);
	r = db_one(db, &id, err, "SELECT id FROM config_load WHERE state = ?1 LIMIT 1",
		   DB_I(CONFIG_WAITS));
	if (r != 0)
		return r < 0 ? r : 0;
	r = pass_over(db, 0, false, err);
	buf_add_text(&body, "{}");
	return r < 0 ? r : audit_config(db, "config.withdraw", id, who, &body, now_ms, err);
}
