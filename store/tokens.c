#include "store/tokens.h"

#include <stdio.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "store/audit.h"

#define PREFIX "lvd_"
#define RANDOM_BYTES 32
#define TEXT_CHARS (sizeof(PREFIX) - 1 + 43) /* 43: base64url of 32 bytes */

const char *const token_scope_words[] = { "source", "role", NULL };

static int hash_in(struct store *store, struct str text, struct digest *ret, struct err *err)
{
	const struct store_keys *keys = store_keys(store);

	if (!keys)
		return err_set(err, ERR_SECRET,
			       "the vault is not open, so no token can be made or checked: "
			       "give the master key");
	digest_of(ret, &keys->token, text);
	return 0;
}

static int hash_of(struct db *db, struct str text, struct digest *ret, struct err *err)
{
	return hash_in(db_store(db), text, ret, err);
}

static bool is_token(struct str presented)
{
	return presented.len == TEXT_CHARS && str_starts(presented, STR(PREFIX));
}

static int may_make(struct db *db, const char *name, enum token_scope scope, const char *of,
		    int64_t now_ms, struct err *err)
{
	int64_t n = 0;
	int r;

	if (!name[0] || strlen(name) >= sizeof(((struct token_found *)0)->name) || !of[0] ||
	    strlen(of) >= sizeof(((struct token_found *)0)->of))
		return err_set(err, ERR_INVALID_VALUE,
			       "names of tokens, sources and roles have 1 to 127 bytes");
	r = db_one(db, &n, err,
		   "SELECT count(*) FROM token WHERE name = ?1 AND revoked_ms = 0"
		   " AND expires_ms > ?2",
		   DB_T(name), DB_I(now_ms));
	if (r == 0 && n > 0)
		return err_set(
			err, ERR_CONFLICT,
			"a token with the name %s is alive: take another name, or revoke "
			"it first",
			name);
	if (r < 0 || scope != TOKEN_SOURCE)
		return r;
	r = db_one(db, &n, err,
		   "SELECT count(*) FROM token WHERE scope = ?1 AND of = ?2"
		   " AND revoked_ms = 0 AND expires_ms > ?3",
		   DB_I(scope), DB_T(of), DB_I(now_ms));
	if (r == 0 && n >= TOKEN_ALIVE_MOST)
		return err_set(err, ERR_LIMIT,
			       "source %s has %d tokens alive (the old and the new one of a "
			       "rotation): revoke one first",
			       of, TOKEN_ALIVE_MOST);
	return r;
}

static int draw(struct secret *ret, struct err *err)
{
	unsigned char raw[RANDOM_BYTES];
	struct buf text;
	int r;

	buf_init_secret(&text, 2 * TEXT_CHARS);
	secret_random_bytes(raw, sizeof(raw));
	buf_add_text(&text, PREFIX);
	enc_base64url(&text, raw, sizeof(raw));
	secret_wipe(raw, sizeof(raw));
	r = buf_fault(&text, err, "a new token");
	if (r == 0)
		r = secret_set(ret, text.p, text.len, err);
	buf_done(&text);
	return r;
}

static int audit_token(struct db *db, const char *what, const char *name, const char *why,
		       const char *who, int64_t now_ms, struct err *err)
{
	struct audit_new entry = { .who = who, .what = what, .target = name, .now_ms = now_ms };
	struct buf body;
	int r;

	buf_init(&body, 4096);
	r = audit_body(&body, why, NULL, NULL, err);
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	return r;
}

static void copy_text(char *into, size_t room, struct str s)
{
	size_t n = s.len < room ? s.len : room - 1;

	memcpy(into, s.p ? s.p : "", n);
	into[n] = '\0';
}

int tokens_new(struct db *db, const char *name, enum token_scope scope, const char *of,
	       int64_t expires_ms, const char *who, int64_t now_ms, struct secret *ret,
	       struct err *err)
{
	CLEANUP(secret_done) struct secret text = { 0 };
	struct digest hash;
	char why[200];
	int r;

	if (expires_ms <= now_ms)
		return err_set(err, ERR_INVALID_VALUE, "token %s would be expired at once",
			       name);
	r = may_make(db, name, scope, of, now_ms, err);
	if (r == 0)
		r = draw(&text, err);
	if (r == 0)
		r = hash_of(db, str_n((const char *)text.p, text.len), &hash, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO token (hash, name, scope, of, who, made_ms, expires_ms)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			   DB_B(hash.b, DIGEST_BYTES), DB_T(name), DB_I(scope), DB_T(of),
			   DB_T(who), DB_I(now_ms), DB_I(expires_ms));
	if (r < 0)
		return r;
	(void)snprintf(why, sizeof(why), "for %s %s", token_scope_words[scope], of);
	r = audit_token(db, "token.new", name, why, who, now_ms, err);
	if (r < 0)
		return r;
	*ret = text;
	text = (struct secret){ 0 };
	return 0;
}

int tokens_link(struct db *db, const char *name, const char *key, const char *who,
		int64_t now_ms, struct err *err)
{
	char why[TOKEN_SELF_BYTES + 32];
	int r = db_run(db, err, "UPDATE token SET self = ?2 WHERE name = ?1 AND revoked_ms = 0",
		       DB_T(name), DB_T(key));

	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_NOT_FOUND;
	(void)snprintf(why, sizeof(why), "is the record %s", key);
	return audit_token(db, "token.link", name, why, who, now_ms, err);
}

const char *const token_by_words[] = { "id", "userName", "externalId", "emails.value", NULL };

#define LIVING_OF_SOURCE                                                                       \
	"SELECT key FROM record r WHERE r.source = (SELECT id FROM source WHERE name = ?1)"    \
	" AND r.deleted = 0 AND r.gone = 0 AND "

int tokens_self(struct db *db, const char *source, enum token_by by, struct str value,
		char ret[TOKEN_SELF_BYTES], struct err *err)
{
	static const char *const sql[] = {
		[TOKEN_BY_ID] = LIVING_OF_SOURCE "r.key = ?2",
		[TOKEN_BY_USER_NAME] = LIVING_OF_SOURCE "r.user_fold = ?2 LIMIT 2",
		[TOKEN_BY_EXTERNAL_ID] = LIVING_OF_SOURCE "r.external_id = ?2 LIMIT 2",
		[TOKEN_BY_MAIL] = LIVING_OF_SOURCE
		"r.id IN (SELECT record FROM record_address WHERE fold = ?2) LIMIT 2",
	};
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(free_at) char *folded = NULL;
	char key[TOKEN_SELF_BYTES] = "";
	size_t len;
	int r = 0, rows = 0;

	if (value.len == 0)
		return STORE_NOT_FOUND;
	if (by == TOKEN_BY_USER_NAME || by == TOKEN_BY_MAIL)
		r = str_fold(value, &folded, &len, err);
	if (r == -ERR_INVALID_VALUE)
		return STORE_NOT_FOUND;
	if (r == 0)
		r = db_query(db, &q, err, sql[by], DB_T(source),
			     DB_S(folded ? str_n(folded, len) : value));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		copy_text(key, sizeof(key), db_text(q, 0));
		rows++;
		r = 0;
	}
	if (r < 0 || rows != 1)
		return r < 0 ? r : STORE_NOT_FOUND;
	memcpy(ret, key, sizeof(key));
	return 0;
}

int tokens_revoke(struct db *db, const char *name, const char *who, const char *why,
		  int64_t now_ms, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE token SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms = 0",
		   DB_T(name), DB_I(now_ms));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_NOT_FOUND;
	return audit_token(db, "token.revoke", name, why, who, now_ms, err);
}

int tokens_list(struct db *db, token_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT id, name, scope, of, who, made_ms, expires_ms, revoked_ms, used_ms,"
		" self FROM token ORDER BY id");
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct token_row row = {
			.id = db_int(q, 0),
			.name = db_text(q, 1),
			.scope = db_int(q, 2) == TOKEN_ROLE ? TOKEN_ROLE : TOKEN_SOURCE,
			.of = db_text(q, 3),
			.who = db_text(q, 4),
			.made_ms = db_int(q, 5),
			.expires_ms = db_int(q, 6),
			.revoked_ms = db_int(q, 7),
			.used_ms = db_int(q, 8),
			.self = db_text(q, 9),
		};

		r = fn(ctx, &row, err);
	}
	return r;
}

int tokens_find(struct db *db, struct str presented, int64_t now_ms, struct token_found *ret,
		struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct token_found found = { 0 };
	struct digest hash;
	int r;

	if (!is_token(presented))
		return STORE_NOT_FOUND;
	r = hash_of(db, presented, &hash, err);
	if (r == 0)
		r = db_query(db, &q, err,
			     "SELECT id, name, scope, of, expires_ms, used_ms, self FROM token"
			     " WHERE hash = ?1 AND revoked_ms = 0 AND expires_ms > ?2",
			     DB_B(hash.b, DIGEST_BYTES), DB_I(now_ms));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	found.id = db_int(q, 0);
	copy_text(found.name, sizeof(found.name), db_text(q, 1));
	found.scope = db_int(q, 2) == TOKEN_ROLE ? TOKEN_ROLE : TOKEN_SOURCE;
	copy_text(found.of, sizeof(found.of), db_text(q, 3));
	found.expires_ms = db_int(q, 4);
	found.touch = db_int(q, 5) + STAMP_HOUR_MS <= now_ms;
	copy_text(found.self, sizeof(found.self), db_text(q, 6));
	*ret = found;
	return 0;
}

int tokens_used(struct db *db, int64_t id, int64_t now_ms, struct err *err)
{
	int r;

	r = db_run(db, err, "UPDATE token SET used_ms = ?2 WHERE id = ?1 AND used_ms <= ?3",
		   DB_I(id), DB_I(now_ms), DB_I(now_ms - STAMP_HOUR_MS));
	if (r < 0)
		return r;
	return db_changes(db) > 0 ? 0 : STORE_UNCHANGED;
}
