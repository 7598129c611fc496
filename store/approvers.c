#include "store/approvers.h"

#include <stdio.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "store/audit.h"
#include "store/store.h"

#define BODY_MAX_BYTES (1u << 20)
#define NAME_PREFIX "approver:"

#define APPROVER_COLUMNS                                                                       \
	"id, name, login, key, enrolled_by, enrolled_ms, from_ms, expires_ms, retired_ms"

static void approver_take(struct stmt *q, struct approver *a)
{
	struct str key = db_blob(q, 3);

	*a = (struct approver){ .id = db_int(q, 0),
				.name = db_text(q, 1),
				.login = db_text(q, 2),
				.by = db_text(q, 4),
				.enrolled_ms = db_int(q, 5),
				.from_ms = db_int(q, 6),
				.expires_ms = db_int(q, 7),
				.retired_ms = db_int(q, 8) };
	if (key.len == DIGEST_PUB_BYTES)
		memcpy(a->key, key.p, DIGEST_PUB_BYTES);
}

int approvers_list(struct db *db, approver_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct approver row;
	int r;

	r = db_query(db, &q, err, "SELECT " APPROVER_COLUMNS " FROM approver ORDER BY id");
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		approver_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

int approvers_count(struct db *db, int64_t now_ms, struct approvers_count *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT count(*), coalesce(sum(retired_ms = 0 AND expires_ms > ?1), 0),"
		     " coalesce(sum(retired_ms <> 0), 0) FROM approver",
		     DB_I(now_ms));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	*ret = (struct approvers_count){ .ever = db_int(q, 0),
					 .live = db_int(q, 1),
					 .retired = db_int(q, 2) };
	return 0;
}

int approvers_get(struct db *db, struct str name, int64_t now_ms, approver_fn fn, void *ctx,
		  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct approver row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " APPROVER_COLUMNS " FROM approver WHERE name = ?1 AND"
		     " retired_ms = 0 AND expires_ms > ?2 AND from_ms <= ?2",
		     DB_S(name), DB_I(now_ms));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	approver_take(q, &row);
	return fn(ctx, &row, err);
}

/* --- taking statements ----------------------------------------------------------------------
 */

int approvers_authority(struct store *store, char ret[2 * DIGEST_PUB_BYTES + 1],
			struct err *err)
{
	const struct store_keys *keys = store_keys(store);
	unsigned char public_key[DIGEST_PUB_BYTES];
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET,
			       "the vault is not open, so this instance cannot say who it is: "
			       "give the master key");
	r = digest_public(public_key, &keys->head_seed, err);
	if (r == 0)
		enc_hex(public_key, sizeof(public_key), ret);
	return r;
}

static int is_ours(struct db *db, const struct statement_want *want, const struct statement *s,
		   struct err *err)
{
	char authority[2 * DIGEST_PUB_BYTES + 1];
	int r = approvers_authority(db_store(db), authority, err);

	if (r < 0)
		return r;
	if (!s->signed_bytes)
		return err_set(err, ERR_REFUSED,
			       "the statement is not signed: `leaverd sign FILE --key KEY` "
			       "does that");
	if (!statement_is(s, STATEMENT_INSTANCE, want->instance))
		return err_set(err, ERR_REFUSED,
			       "the statement was made for instance " STR_FMT
			       ", and this is %s: nothing that is signed there counts here",
			       STR_ARG(s->field[STATEMENT_INSTANCE]), want->instance);
	if (!statement_is(s, STATEMENT_AUTHORITY, authority))
		return err_set(err, ERR_REFUSED,
			       "the statement was made for another instance of the name %s: "
			       "its audit key is not ours",
			       want->instance);
	return 0;
}

int approvers_wants(const struct statement_want *want, const struct statement *s,
		    struct err *err)
{
	if (statement_is(s, STATEMENT_ABOUT, want->about) &&
	    statement_is(s, STATEMENT_DECISION, want->decision) &&
	    statement_is(s, STATEMENT_TARGET, want->target))
		return 0;
	return err_set(err, ERR_CONFLICT,
		       "the statement says: " STR_FMT " " STR_FMT " " STR_FMT
		       ". What was asked for is: %s %s %s",
		       STR_ARG(s->field[STATEMENT_DECISION]),
		       STR_ARG(s->field[STATEMENT_ABOUT]), STR_ARG(s->field[STATEMENT_TARGET]),
		       want->decision, want->about, want->target);
}

struct found_approver {
	struct approver a;
	char name[STATEMENT_NAME_MOST + 1], login[72];
};

static int find_by_key(struct db *db, const struct statement *s, struct found_approver *ret,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT " APPROVER_COLUMNS " FROM approver WHERE key = ?1",
		     DB_B(s->key, DIGEST_PUB_BYTES));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	approver_take(q, &ret->a);
	(void)snprintf(ret->name, sizeof(ret->name), STR_FMT, STR_ARG(ret->a.name));
	(void)snprintf(ret->login, sizeof(ret->login), STR_FMT, STR_ARG(ret->a.login));
	return 0;
}

static int counts_now(const struct found_approver *f, const struct statement *s, int64_t now_ms,
		      struct err *err)
{
	char when[STAMP_TEXT_BYTES];

	if (!statement_is(s, STATEMENT_WHO, f->name))
		return err_set(err, ERR_REFUSED,
			       "the statement names " STR_FMT
			       " and is signed with the key of %s: nobody signs for another",
			       STR_ARG(s->field[STATEMENT_WHO]), f->name);
	if (f->a.retired_ms) {
		stamp_date_text(f->a.retired_ms, when);
		return err_set(err, ERR_REFUSED,
			       "the key of %s was retired on %s: what it signs counts no more",
			       f->name, when);
	}
	if (f->a.expires_ms <= now_ms) {
		stamp_date_text(f->a.expires_ms, when);
		return err_set(err, ERR_REFUSED, "the key of %s expired on %s: enrol a new one",
			       f->name, when);
	}
	if (f->a.from_ms > now_ms) {
		stamp_text(f->a.from_ms, when);
		return err_set(err, ERR_REFUSED,
			       "the key of %s counts only from %s: it was enrolled by the "
			       "operator after all others were gone",
			       f->name, when);
	}
	return 0;
}

static int is_fresh(const struct statement *s, int64_t now_ms, struct err *err)
{
	if (s->at_ms > now_ms + STATEMENT_SKEW_MS)
		return err_set(err, ERR_REFUSED,
			       "the statement was signed at " STR_FMT
			       ", which is to come: one of the two clocks is wrong",
			       STR_ARG(s->field[STATEMENT_AT]));
	if (s->expires_ms <= now_ms ||
	    s->expires_ms > s->at_ms + STATEMENT_FRESH_MS + STATEMENT_SKEW_MS)
		return err_set(err, ERR_EXPIRED,
			       "the statement could be used until " STR_FMT
			       ": let a new one be made and sign that",
			       STR_ARG(s->field[STATEMENT_EXPIRES]));
	return 0;
}

static int is_new(struct db *db, const struct digest *d, struct err *err)
{
	int64_t ms = 0;
	char when[STAMP_TEXT_BYTES];
	int r = db_one(db, &ms, err, "SELECT ms FROM signature WHERE digest = ?1",
		       DB_B(d->b, DIGEST_BYTES));

	if (r == STORE_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	stamp_text(ms, when);
	return err_set(err, ERR_CONFLICT,
		       "this statement was taken already, at %s: it counts once", when);
}

static int keep(struct db *db, const struct statement_want *want, const struct statement *s,
		struct signer *signer, struct err *err)
{
	char target[160];
	struct audit_new entry = { .who = signer->who,
				   .what = "statement.take",
				   .target = target,
				   .now_ms = want->now_ms };
	struct digest d;
	struct buf body;
	int r;

	statement_digest(s, &d);
	(void)snprintf(target, sizeof(target), "%s %s", want->about, want->target);
	buf_init(&body, BODY_MAX_BYTES);
	buf_add_text(&body, "{\"by\":");
	buf_add_json(&body, str_of(want->by));
	buf_add_text(&body, ",\"statement\":");
	buf_add_json(&body, s->text);
	buf_add_char(&body, '}');
	entry.body = buf_str(&body);
	r = buf_fault(&body, err, "the audit entry");
	if (r == 0)
		r = audit_add(db, &entry, &signer->entry, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO signature (digest, about, decision, target, who, key,"
			   " entry, ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			   DB_B(d.b, DIGEST_BYTES), DB_T(want->about), DB_T(want->decision),
			   DB_T(want->target), DB_T(signer->who),
			   DB_B(signer->key, DIGEST_PUB_BYTES), DB_I(signer->entry),
			   DB_I(want->now_ms));
	buf_done(&body);
	return r;
}

int approvers_take(struct db *db, const struct statement_want *want, const struct statement *s,
		   struct signer *ret, struct err *err)
{
	struct found_approver found = { .name = "" };
	struct signer signer = { .entry = 0 };
	struct digest d;
	int r;

	r = is_ours(db, want, s, err);
	if (r == 0)
		r = approvers_wants(want, s, err);
	if (r == 0)
		r = find_by_key(db, s, &found, err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_REFUSED,
			       "nobody is enrolled with the key that this statement names: "
			       "`leaverd approver list` shows who is");
	if (r == 0)
		r = counts_now(&found, s, want->now_ms, err);
	if (r == 0 && !statement_signed(s))
		r = err_set(err, ERR_REFUSED,
			    "the signature does not fit: the statement was changed after it "
			    "was signed, or another key signed it");
	if (r == 0)
		r = is_fresh(s, want->now_ms, err);
	if (r < 0)
		return r;
	statement_digest(s, &d);
	(void)snprintf(signer.who, sizeof(signer.who), NAME_PREFIX "%s", found.name);
	(void)snprintf(signer.login, sizeof(signer.login), "%s", found.login);
	memcpy(signer.key, s->key, DIGEST_PUB_BYTES);
	r = is_new(db, &d, err);
	if (r == 0)
		r = keep(db, want, s, &signer, err);
	if (r == 0)
		*ret = signer;
	return r;
}

int approvers_signatures(struct db *db, const char *about, const char *decision,
			 const char *target, int64_t now_ms, signature_fn fn, void *ctx,
			 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT s.who, a.login, min(s.ms) FROM signature s JOIN approver a"
		     " ON a.key = s.key WHERE s.about = ?1 AND s.decision = ?2 AND"
		     " s.target = ?3 AND a.retired_ms = 0 AND a.from_ms <= ?4"
		     " GROUP BY s.who ORDER BY min(s.ms)",
		     DB_T(about), DB_T(decision), DB_T(target), DB_I(now_ms));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_text(q, 0), db_text(q, 1), db_int(q, 2), err);
	return r;
}

/* --- enrolling and retiring -----------------------------------------------------------------
 */

/* One human is one of two people whatever their names are. STORE_NOT_FOUND: it is. */
static int login_is_free(struct db *db, const struct approver_new *in, struct err *err)
{
	int64_t there = 0;
	int r = db_one(db, &there, err,
		       "SELECT id FROM approver WHERE login = ?1 AND retired_ms = 0"
		       " AND expires_ms > ?2",
		       DB_S(in->login), DB_I(in->now_ms));

	if (r != 0)
		return r;
	return err_set(err, ERR_CONFLICT,
		       "the login " STR_FMT
		       " is another approver's already: one person has one "
		       "key (`leaverd approver list`)",
		       STR_ARG(in->login));
}

static int may_enrol(struct db *db, const struct approver_new *in, int64_t *from_ms,
		     struct err *err)
{
	struct approvers_count n = { 0 };
	int64_t there = 0;
	int r;

	if (!statement_name(in->name) || in->login.len > 63)
		return err_set(err, ERR_INVALID_VALUE,
			       "\"" STR_FMT "\" is no name for an approver: small letters, "
			       "digits and . _ @ -, from a letter or digit, at most %d",
			       STR_ARG(in->name), STATEMENT_NAME_MOST);
	if (in->expires_ms <= in->now_ms || in->expires_ms > in->now_ms + APPROVERS_LONGEST_MS)
		return err_set(err, ERR_INVALID_VALUE,
			       "a key is good for two years at most, and its end is to come");
	r = approvers_count(db, in->now_ms, &n, err);
	if (r < 0)
		return r;
	if (n.live && !in->signer)
		return err_set(err, ERR_HELD,
			       "there are approvers already, so one of them signs who joins "
			       "them: add --sign KEYFILE, or --statement to sign elsewhere");
	*from_ms = n.ever && !n.live ? in->now_ms + APPROVERS_AGAIN_MS : in->now_ms;
	r = db_one(db, &there, err,
		   "SELECT id FROM approver WHERE name = ?1 AND retired_ms = 0"
		   " AND expires_ms > ?2",
		   DB_S(in->name), DB_I(in->now_ms));
	if (r == 0)
		return err_set(err, ERR_CONFLICT,
			       STR_FMT " is enrolled already: retire the old key first",
			       STR_ARG(in->name));
	if (r == STORE_NOT_FOUND && in->login.len)
		r = login_is_free(db, in, err);
	if (r == STORE_NOT_FOUND)
		r = db_one(db, &there, err, "SELECT id FROM approver WHERE key = ?1",
			   DB_B(in->key, DIGEST_PUB_BYTES));
	if (r == 0)
		return err_set(err, ERR_CONFLICT,
			       "this key was enrolled before: each person, and each time, has "
			       "a new one");
	return r == STORE_NOT_FOUND ? 0 : r;
}

static int enrol_audit(struct db *db, const struct approver_new *in, int64_t from_ms,
		       struct err *err)
{
	char target[STATEMENT_NAME_MOST + 16], hex[2 * DIGEST_PUB_BYTES + 1];
	struct audit_new entry = { .who = in->signer ? in->signer->who : in->by,
				   .what = "approver.enrol",
				   .target = target,
				   .now_ms = in->now_ms };
	struct buf body;
	int r;

	(void)snprintf(target, sizeof(target), "approver " STR_FMT, STR_ARG(in->name));
	enc_hex(in->key, DIGEST_PUB_BYTES, hex);
	buf_init(&body, BODY_MAX_BYTES);
	buf_addf(&body, "{\"expires\":%lld,\"from\":%lld,\"key\":\"%s\",\"login\":",
		 (long long)in->expires_ms, (long long)from_ms, hex);
	buf_add_json(&body, in->login);
	buf_add_text(&body, ",\"name\":");
	buf_add_json(&body, in->name);
	if (in->signer)
		buf_addf(&body, ",\"statement\":%lld", (long long)in->signer->entry);
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, str_of(in->why));
	buf_add_char(&body, '}');
	entry.body = buf_str(&body);
	r = buf_fault(&body, err, "the audit entry");
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	return r;
}

int approvers_enrol(struct db *db, const struct approver_new *in, int64_t *ret_from_ms,
		    struct err *err)
{
	int64_t from_ms = 0;
	int r;

	r = may_enrol(db, in, &from_ms, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO approver (name, login, key, enrolled_by, enrolled_ms,"
			   " from_ms, expires_ms, retired_ms, retired_by)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, '')",
			   DB_S(in->name), DB_S(in->login), DB_B(in->key, DIGEST_PUB_BYTES),
			   DB_T(in->signer ? in->signer->who : in->by), DB_I(in->now_ms),
			   DB_I(from_ms), DB_I(in->expires_ms));
	if (r == 0)
		r = enrol_audit(db, in, from_ms, err);
	(void)db_next_change(db);
	if (r == 0)
		*ret_from_ms = from_ms;
	return r;
}

int approvers_retire(struct db *db, struct str name, const char *who, const char *why,
		     int64_t now_ms, struct err *err)
{
	char target[STATEMENT_NAME_MOST + 16];
	struct audit_new entry = {
		.who = who, .what = "approver.retire", .target = target, .now_ms = now_ms
	};
	struct buf body;
	int r;

	if (!statement_name(name))
		return STORE_NOT_FOUND;
	(void)db_next_change(db);
	r = db_run(db, err,
		   "UPDATE approver SET retired_ms = ?2, retired_by = ?3 WHERE name = ?1 AND"
		   " retired_ms = 0",
		   DB_S(name), DB_I(now_ms), DB_T(who));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_NOT_FOUND;
	(void)snprintf(target, sizeof(target), "approver " STR_FMT, STR_ARG(name));
	buf_init(&body, BODY_MAX_BYTES);
	buf_add_text(&body, "{\"name\":");
	buf_add_json(&body, name);
	buf_add_text(&body, ",\"why\":");
	buf_add_json(&body, str_of(why));
	buf_add_char(&body, '}');
	entry.body = buf_str(&body);
	r = buf_fault(&body, err, "the audit entry");
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	return r;
}
