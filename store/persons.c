#include "store/persons.h"

#include <stdio.h>

#include "base/secret.h"
#include "base/stamp.h"
#include "store/audit.h"
#include "store/plans.h"

#define BODY_MAX_BYTES (64u << 10)
#define SEQS_MAX_BYTES (16u << 20)
#define PROGRESS_TIMES_MS (180 * STAMP_DAY_MS) /* how far back deeds are counted */

const char *const doubt_state_words[] = { "open", "confirmed", "refused", "settled", NULL };
const char *const protection_words[] = { "exemption", "service-account", "operator",
					 "sole-role", "legal-hold",      "leave",
					 NULL };

/* The entry of a decision: who, what, about whom, why, and what it was about. */
struct decided {
	const char *what, *target, *who, *why;
	int64_t person, now_ms;
};

static int audit_decided(struct db *db, const struct decided *d, const char *before,
			 const char *after, struct err *err)
{
	struct audit_new entry = { .who = d->who,
				   .what = d->what,
				   .target = d->target,
				   .person = d->person,
				   .now_ms = d->now_ms };
	struct buf body;
	int r;

	buf_init(&body, BODY_MAX_BYTES);
	r = audit_body(&body, d->why, before, after, err);
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	return r;
}

#define TARGET_BYTES 64
static const char *target(char room[TARGET_BYTES], const char *noun, int64_t number)
{
	(void)snprintf(room, TARGET_BYTES, "%s %lld", noun, (long long)number);
	return room;
}

/* --- persons --------------------------------------------------------------------------------
 */

int persons_create(struct db *db, int64_t now_ms, int64_t *ret, struct err *err)
{
	unsigned char salt[PERSON_SALT_BYTES];
	int r;

	secret_random_bytes(salt, sizeof(salt));
	r = db_run(db, err,
		   "INSERT INTO person (salt, state, created_ms, change)"
		   " VALUES (?1, 0, ?2, ?3)",
		   DB_B(salt, sizeof(salt)), DB_I(now_ms), DB_I(db_next_change(db)));
	if (r == 0)
		*ret = db_last_id(db);
	return r;
}

static void person_take(struct stmt *q, struct person_row *p)
{
	struct str salt = db_blob(q, 1);

	*p = (struct person_row){ .id = db_int(q, 0),
				  .state = (enum person_state)db_int(q, 2),
				  .created_ms = db_int(q, 3),
				  .change = db_int(q, 4) };
	if (salt.len == PERSON_SALT_BYTES)
		memcpy(p->salt, salt.p, PERSON_SALT_BYTES);
}

int persons_get(struct db *db, int64_t person, struct person_row *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, salt, state, created_ms, change FROM person WHERE id = ?1",
		     DB_I(person));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	person_take(q, ret);
	return 0;
}

int persons_page(struct db *db, int64_t after, size_t most, person_fn fn, void *ctx,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct person_row row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, salt, state, created_ms, change FROM person WHERE id > ?1"
		     " ORDER BY id LIMIT ?2",
		     DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		person_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

int persons_without(struct db *db, int64_t org, int64_t *after, size_t most,
		    person_without_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	bool any = false;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT p.id, r.id IS NOT NULL, ifnull(r.user_name, ''), ifnull(r.display, '')"
		" FROM (SELECT id FROM person WHERE id > ?1 AND state = 0 ORDER BY id LIMIT ?2)"
		" p LEFT JOIN record r ON r.id = (SELECT min(x.id) FROM record x"
		" WHERE x.person = p.id AND x.active = 2 AND x.deleted = 0 AND x.gone = 0"
		" AND NOT EXISTS (SELECT 1 FROM account_link l JOIN account a"
		"  ON a.id = l.account WHERE l.person = p.id AND a.live = 1"
		"  AND (?3 = 0 OR a.org = ?3))) ORDER BY p.id",
		DB_I(*after), DB_I(most), DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct person_without row = { .person = db_int(q, 0),
						    .user_name = db_text(q, 2),
						    .display = db_text(q, 3) };

		any = true;
		*after = row.person;
		r = db_int(q, 1) ? fn(ctx, &row, err) : 0;
	}
	return r < 0 ? r : any ? 0 : STORE_NOT_FOUND;
}

int persons_find(struct db *db, struct str who, int64_t *ret, size_t room, size_t *count,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(free_at) char *folded = NULL;
	int64_t number = 0;
	size_t len = 0, n = 0;
	int r;

	who = str_trim(who);
	if (!str_int64(who, &number))
		number = 0;
	r = str_fold(who, &folded, &len, err);
	if (r == 0)
		r = db_query(db, &q, err,
			     "SELECT id FROM person WHERE id = ?1"
			     " UNION SELECT person FROM address WHERE fold = ?2"
			     " UNION SELECT r.person FROM record_address a JOIN record r"
			     "  ON r.id = a.record WHERE a.fold = ?2 AND r.person > 0"
			     " UNION SELECT r.person FROM source s JOIN record r"
			     "  ON r.source = s.id AND r.key = ?3 WHERE r.person > 0"
			     " UNION SELECT l.person FROM org o JOIN account a ON a.org = o.id"
			     "  AND (a.account_id = ?3 OR (a.email_fold = ?2 AND ?2 <> ''))"
			     "  JOIN account_link l ON l.account = a.id ORDER BY 1",
			     DB_I(number), DB_S(str_n(folded, len)), DB_S(who));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		if (n < room)
			ret[n] = db_int(q, 0);
		n++;
		r = 0;
	}
	if (r == 0)
		*count = n;
	return r;
}

/* --- records and persons --------------------------------------------------------------------
 */

static int note_addresses_of_record(struct db *db, int64_t record, int64_t person,
				    int64_t now_ms, struct err *err)
{
	/* only what looks like an address: the index holds user names too */
	return db_run(db, err,
		      "INSERT INTO address (fold, person, first_ms, last_ms)"
		      " SELECT fold, ?2, ?3, ?3 FROM record_address WHERE record = ?1"
		      " AND instr(fold, '@') > 0 AND length(CAST(fold AS BLOB)) <= ?4"
		      " ON CONFLICT (fold, person) DO UPDATE SET last_ms = excluded.last_ms",
		      DB_I(record), DB_I(person), DB_I(now_ms), DB_I(STORE_KEY_BYTES));
}

int persons_link_record(struct db *db, int64_t record, int64_t person, const char *rule,
			const char *evidence, int64_t now_ms, struct err *err)
{
	int64_t linked = 0;
	int r;

	r = db_one(db, &linked, err, "SELECT person FROM record WHERE id = ?1", DB_I(record));
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_INTERNAL, "no record has the number %lld",
			       (long long)record);
	if (r == 0 && linked == person)
		return STORE_UNCHANGED;
	if (r == 0)
		r = db_run(db, err, "UPDATE record SET person = ?2, change = ?3 WHERE id = ?1",
			   DB_I(record), DB_I(person), DB_I(db_next_change(db)));
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO record_link (record, person, rule, evidence, since_ms)"
			   " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (record) DO UPDATE SET"
			   " person = excluded.person, rule = excluded.rule,"
			   " evidence = excluded.evidence, since_ms = excluded.since_ms",
			   DB_I(record), DB_I(person), DB_T(rule), DB_T(evidence),
			   DB_I(now_ms));
	if (r == 0)
		r = note_addresses_of_record(db, record, person, now_ms, err);
	return r;
}

int persons_unlink_record(struct db *db, int64_t record, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE record SET person = 0, change = ?2 WHERE id = ?1 AND person > 0",
		   DB_I(record), DB_I(db_next_change(db)));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_UNCHANGED;
	return db_run(db, err, "DELETE FROM record_link WHERE record = ?1", DB_I(record));
}

int persons_record_link(struct db *db, int64_t record, record_link_fn fn, void *ctx,
			struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT person, rule, evidence, since_ms FROM record_link"
		     " WHERE record = ?1",
		     DB_I(record));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	return fn(ctx, db_int(q, 0), db_text(q, 1), db_text(q, 2), db_int(q, 3), err);
}

/* --- accounts and persons -------------------------------------------------------------------
 */

static int account_touch(struct db *db, int64_t account, struct err *err)
{
	return db_run(db, err, "UPDATE account SET change = ?2 WHERE id = ?1", DB_I(account),
		      DB_I(db_next_change(db)));
}

static int note_address_of_account(struct db *db, int64_t account, int64_t person,
				   int64_t now_ms, struct err *err)
{
	return db_run(db, err,
		      "INSERT INTO address (fold, person, first_ms, last_ms)"
		      " SELECT email_fold, ?2, ?3, ?3 FROM account WHERE id = ?1"
		      " AND email_fold <> '' AND length(CAST(email_fold AS BLOB)) <= ?4"
		      " ON CONFLICT (fold, person) DO UPDATE SET last_ms = excluded.last_ms",
		      DB_I(account), DB_I(person), DB_I(now_ms), DB_I(STORE_KEY_BYTES));
}

int persons_link_account(struct db *db, int64_t account, int64_t person, const char *rule,
			 const char *evidence, int64_t now_ms, struct err *err)
{
	int64_t linked = 0;
	int r;

	r = db_one(db, &linked, err, "SELECT person FROM account_link WHERE account = ?1",
		   DB_I(account));
	if (r < 0)
		return r;
	if (r == 0 && linked == person)
		return STORE_UNCHANGED;
	/* another person: what was adopted was adopted for the one before */
	r = db_run(
		db, err,
		"INSERT INTO account_link (account, person, rule, evidence, since_ms, change)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account) DO UPDATE SET"
		" person = excluded.person, rule = excluded.rule,"
		" evidence = excluded.evidence, since_ms = excluded.since_ms, adopted = 0,"
		" adopted_how = '', adopted_by = '', adopted_ms = 0,"
		" change = excluded.change",
		DB_I(account), DB_I(person), DB_T(rule), DB_T(evidence), DB_I(now_ms),
		DB_I(db_next_change(db)));
	if (r == 0)
		r = account_touch(db, account, err);
	if (r == 0)
		r = note_address_of_account(db, account, person, now_ms, err);
	return r;
}

int persons_unlink_account(struct db *db, int64_t account, struct err *err)
{
	int r;

	r = db_run(db, err, "DELETE FROM account_link WHERE account = ?1", DB_I(account));
	if (r < 0)
		return r;
	return db_changes(db) == 0 ? STORE_UNCHANGED : account_touch(db, account, err);
}

#define LINK_COLUMNS                                                                           \
	"account, person, rule, evidence, adopted, adopted_how, adopted_by, since_ms,"         \
	" adopted_ms, change"

static void link_take(struct stmt *q, struct account_link *l)
{
	*l = (struct account_link){ .account = db_int(q, 0),
				    .person = db_int(q, 1),
				    .rule = db_text(q, 2),
				    .evidence = db_text(q, 3),
				    .adopted = db_int(q, 4) != 0,
				    .adopted_how = db_text(q, 5),
				    .adopted_by = db_text(q, 6),
				    .since_ms = db_int(q, 7),
				    .adopted_ms = db_int(q, 8),
				    .change = db_int(q, 9) };
}

int persons_account_link(struct db *db, int64_t account, account_link_fn fn, void *ctx,
			 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct account_link row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " LINK_COLUMNS " FROM account_link WHERE account = ?1",
		     DB_I(account));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	link_take(q, &row);
	return fn(ctx, &row, err);
}

int persons_accounts(struct db *db, int64_t person, account_link_fn fn, void *ctx,
		     struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct account_link row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " LINK_COLUMNS " FROM account_link WHERE person = ?1"
		     " ORDER BY account",
		     DB_I(person));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		link_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

static int adopt(struct db *db, int64_t account, bool adopted, const char *who, const char *why,
		 int64_t now_ms, struct err *err)
{
	char room[TARGET_BYTES];
	struct decided d = { adopted ? "account.adopt" : "account.disown",
			     target(room, "account", account),
			     who,
			     why,
			     0,
			     now_ms };
	int64_t is = 0;
	int r;

	r = db_one(db, &d.person, err, "SELECT person FROM account_link WHERE account = ?1",
		   DB_I(account));
	if (r == 0)
		r = db_one(db, &is, err, "SELECT adopted FROM account_link WHERE account = ?1",
			   DB_I(account));
	if (r != 0)
		return r;
	if ((is != 0) == adopted)
		return STORE_UNCHANGED;
	r = db_run(db, err,
		   "UPDATE account_link SET adopted = ?2, adopted_how = ?3, adopted_by = ?4,"
		   " adopted_ms = ?5, change = ?6 WHERE account = ?1",
		   DB_I(account), DB_I(adopted), DB_T(adopted ? "hand" : ""),
		   DB_T(adopted ? who : ""), DB_I(adopted ? now_ms : 0),
		   DB_I(db_next_change(db)));
	if (r == 0)
		r = account_touch(db, account, err);
	return r < 0 ? r : audit_decided(db, &d, NULL, NULL, err);
}

int persons_adopt(struct db *db, int64_t account, const char *who, const char *why,
		  int64_t now_ms, struct err *err)
{
	return adopt(db, account, true, who, why, now_ms, err);
}

int persons_disown(struct db *db, int64_t account, const char *who, const char *why,
		   int64_t now_ms, struct err *err)
{
	return adopt(db, account, false, who, why, now_ms, err);
}

/* --- match rules ----------------------------------------------------------------------------
 */

int persons_rule_approve(struct db *db, const char *org, const char *rule, const char *who,
			 int64_t now_ms, struct err *err)
{
	struct decided d = { "match.approve", rule, who, NULL, 0, now_ms };
	int r;

	(void)db_next_change(db);
	r = db_run(db, err,
		   "INSERT OR IGNORE INTO rule_approval (org, rule, who, ms)"
		   " VALUES (?1, ?2, ?3, ?4)",
		   DB_T(org), DB_T(rule), DB_T(who), DB_I(now_ms));
	if (r < 0)
		return r;
	return db_changes(db) == 0 ? STORE_UNCHANGED : audit_decided(db, &d, NULL, NULL, err);
}

int persons_rule_revoke(struct db *db, const char *org, const char *rule, const char *who,
			int64_t now_ms, struct err *err)
{
	struct decided d = { "match.revoke", rule, who, NULL, 0, now_ms };
	int r;

	(void)db_next_change(db);
	r = db_run(db, err, "DELETE FROM rule_approval WHERE org = ?1 AND rule = ?2", DB_T(org),
		   DB_T(rule));
	if (r < 0)
		return r;
	return db_changes(db) == 0 ? STORE_UNCHANGED : audit_decided(db, &d, NULL, NULL, err);
}

int persons_rules_approved(struct db *db, rule_approval_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT org, rule, who, ms FROM rule_approval ORDER BY org, rule");
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_text(q, 0), db_text(q, 1), db_text(q, 2), db_int(q, 3), err);
	return r;
}

/* --- doubts ---------------------------------------------------------------------------------
 */

int persons_doubt_raise(struct db *db, enum doubt_kind kind, int64_t left, int64_t right,
			const char *rule, const char *evidence, int64_t now_ms, int64_t *ret_id,
			struct err *err)
{
	int64_t id = 0;
	int r;

	/* a settled one stands for facts that changed: it may be asked again */
	r = db_run(db, err,
		   "INSERT INTO doubt (kind, left_id, right_id, rule, evidence, state,"
		   " raised_ms) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)"
		   " ON CONFLICT (kind, left_id, right_id) DO UPDATE SET state = 0,"
		   " rule = excluded.rule, evidence = excluded.evidence,"
		   " raised_ms = excluded.raised_ms WHERE state = ?7",
		   DB_I(kind), DB_I(left), DB_I(right), DB_T(rule), DB_T(evidence),
		   DB_I(now_ms), DB_I(DOUBT_SETTLED));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_UNCHANGED;
	(void)db_next_change(db);
	r = db_one(db, &id, err,
		   "SELECT id FROM doubt WHERE kind = ?1 AND left_id = ?2 AND right_id = ?3",
		   DB_I(kind), DB_I(left), DB_I(right));
	if (r == 0 && ret_id)
		*ret_id = id;
	return r;
}

#define DOUBT_COLUMNS                                                                          \
	"id, kind, left_id, right_id, rule, evidence, who, state, raised_ms, decided_ms"

static void doubt_take(struct stmt *q, struct doubt *d)
{
	*d = (struct doubt){ .id = db_int(q, 0),
			     .kind = (enum doubt_kind)db_int(q, 1),
			     .left = db_int(q, 2),
			     .right = db_int(q, 3),
			     .rule = db_text(q, 4),
			     .evidence = db_text(q, 5),
			     .who = db_text(q, 6),
			     .state = (enum doubt_state)db_int(q, 7),
			     .raised_ms = db_int(q, 8),
			     .decided_ms = db_int(q, 9) };
}

/* The person of the left record; made where it has none yet. */
static int person_of(struct db *db, int64_t record, int64_t now_ms, int64_t *ret,
		     struct err *err)
{
	int r;

	r = db_one(db, ret, err, "SELECT person FROM record WHERE id = ?1", DB_I(record));
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "the record of this doubt is no more");
	if (r < 0 || *ret > 0)
		return r;
	r = persons_create(db, now_ms, ret, err);
	if (r == 0)
		r = persons_link_record(db, record, *ret, "hand", "", now_ms, err);
	return r;
}

/* Two records of one human: those of the person on the right go over to the one on the left. */
static int merge(struct db *db, int64_t into, int64_t record, int64_t now_ms, struct err *err)
{
	int64_t other = 0;
	int r;

	r = db_one(db, &other, err, "SELECT person FROM record WHERE id = ?1", DB_I(record));
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "the record of this doubt is no more");
	if (r < 0 || other == into)
		return r;
	if (other == 0) {
		r = persons_link_record(db, record, into, "hand", "", now_ms, err);
		return r < 0 ? r : 0;
	}
	r = db_run(db, err, "UPDATE record SET person = ?2, change = ?3 WHERE person = ?1",
		   DB_I(other), DB_I(into), DB_I(db_next_change(db)));
	if (r == 0)
		r = db_run(
			db, err,
			"UPDATE record_link SET person = ?2, rule = 'hand' WHERE person = ?1",
			DB_I(other), DB_I(into));
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE account_link SET person = ?2, change = ?3 WHERE person = ?1",
			   DB_I(other), DB_I(into), DB_I(db_next_change(db)));
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO address (fold, person, first_ms, last_ms) SELECT fold,"
			   " ?2, first_ms, last_ms FROM address WHERE person = ?1"
			   " ON CONFLICT (fold, person) DO NOTHING",
			   DB_I(other), DB_I(into));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM address WHERE person = ?1", DB_I(other));
	if (r == 0)
		r = db_run(db, err, "UPDATE bar SET person = ?2 WHERE person = ?1", DB_I(other),
			   DB_I(into));
	if (r == 0)
		r = db_run(db, err, "UPDATE protection SET person = ?2 WHERE person = ?1",
			   DB_I(other), DB_I(into));
	if (r == 0)
		r = db_run(db, err, "UPDATE person SET state = ?2, change = ?3 WHERE id = ?1",
			   DB_I(other), DB_I(PERSON_MERGED), DB_I(db_next_change(db)));
	return r;
}

static int confirm(struct db *db, const struct doubt *d, const char *who, const char *why,
		   int64_t now_ms, int64_t *person, struct err *err)
{
	int r;

	r = person_of(db, d->left, now_ms, person, err);
	if (r < 0)
		return r;
	if (d->kind == DOUBT_RECORDS)
		return merge(db, *person, d->right, now_ms, err);
	r = persons_link_account(db, d->right, *person, "hand", "", now_ms, err);
	if (r >= 0)
		r = persons_adopt(db, d->right, who, why, now_ms, err);
	return r < 0 ? r : 0;
}

int persons_doubt_decide(struct db *db, int64_t doubt, bool same, const char *who,
			 const char *why, int64_t now_ms, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	char room[TARGET_BYTES];
	struct decided d = { same ? "doubt.confirm" : "doubt.refuse",
			     target(room, "doubt", doubt),
			     who,
			     why,
			     0,
			     now_ms };
	struct doubt row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " DOUBT_COLUMNS " FROM doubt WHERE id = ?1"
		     " AND (state = ?2 OR (state = ?3 AND ?4))",
		     DB_I(doubt), DB_I(DOUBT_OPEN), DB_I(DOUBT_REFUSED), DB_I(same));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	doubt_take(q, &row);
	r = same ? confirm(db, &row, who, why, now_ms, &d.person, err) : 0;
	stmt_done_at(&q);
	(void)db_next_change(db);
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE doubt SET state = ?2, who = ?3, decided_ms = ?4"
			   " WHERE id = ?1",
			   DB_I(doubt), DB_I(same ? DOUBT_CONFIRMED : DOUBT_REFUSED), DB_T(who),
			   DB_I(now_ms));
	return r < 0 ? r : audit_decided(db, &d, NULL, NULL, err);
}

int persons_doubt_settle(struct db *db, int64_t doubt, int64_t now_ms, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE doubt SET state = ?2, decided_ms = ?3 WHERE id = ?1 AND state = 0",
		   DB_I(doubt), DB_I(DOUBT_SETTLED), DB_I(now_ms));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_UNCHANGED;
	(void)db_next_change(db);
	return 0;
}

int persons_doubts(struct db *db, int state, int64_t after, size_t most, doubt_fn fn, void *ctx,
		   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct doubt row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " DOUBT_COLUMNS " FROM doubt WHERE (?1 < 0 OR state = ?1)"
		     " AND id > ?2 ORDER BY id LIMIT ?3",
		     DB_I(state), DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		doubt_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

int persons_told_apart(struct db *db, int64_t after, size_t most, apart_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT d.id, s.name, a.key, CASE d.kind WHEN ?4 THEN d.right_id ELSE 0 END,"
		" coalesce(t.name, ''), coalesce(b.key, '') FROM doubt d"
		" JOIN record a ON a.id = d.left_id JOIN source s ON s.id = a.source"
		" LEFT JOIN record b ON d.kind <> ?4 AND b.id = d.right_id"
		" LEFT JOIN source t ON t.id = b.source"
		" WHERE d.state = ?1 AND d.id > ?2 ORDER BY d.id LIMIT ?3",
		DB_I(DOUBT_REFUSED), DB_I(after), DB_I(most), DB_I(DOUBT_ACCOUNT));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct apart_pair row = { .id = db_int(q, 0),
					  .source = db_text(q, 1),
					  .key = db_text(q, 2),
					  .account = db_int(q, 3),
					  .other_source = db_text(q, 4),
					  .other_key = db_text(q, 5) };

		r = fn(ctx, &row, err);
	}
	return r;
}

/* --- addresses ------------------------------------------------------------------------------
 */

int persons_address_note(struct db *db, int64_t person, struct str folded, int64_t now_ms,
			 struct err *err)
{
	if (folded.len > STORE_KEY_BYTES)
		return 0; /* no address is that long */
	return db_run(db, err,
		      "INSERT INTO address (fold, person, first_ms, last_ms)"
		      " VALUES (?1, ?2, ?3, ?3)"
		      " ON CONFLICT (fold, person) DO UPDATE SET last_ms = excluded.last_ms",
		      DB_S(folded), DB_I(person), DB_I(now_ms));
}

static int each_address(struct stmt *q, address_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct address_row row = { .folded = db_text(q, 0),
					   .person = db_int(q, 1),
					   .first_ms = db_int(q, 2),
					   .last_ms = db_int(q, 3) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int persons_addresses(struct db *db, int64_t person, address_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT fold, person, first_ms, last_ms FROM address WHERE person = ?1"
		     " ORDER BY fold",
		     DB_I(person));
	return r < 0 ? r : each_address(q, fn, ctx, err);
}

int persons_address_owners(struct db *db, struct str folded, address_fn fn, void *ctx,
			   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT fold, person, first_ms, last_ms FROM address WHERE fold = ?1"
		     " ORDER BY person",
		     DB_S(folded));
	return r < 0 ? r : each_address(q, fn, ctx, err);
}

int persons_addresses_page(struct db *db, struct str after, int64_t after_person, size_t most,
			   address_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT fold, person, first_ms, last_ms FROM address"
		     " WHERE (fold, person) > (?1, ?2) ORDER BY fold, person LIMIT ?3",
		     DB_S(after), DB_I(after_person), DB_I(most));
	return r < 0 ? r : each_address(q, fn, ctx, err);
}

/* --- bars, protections, expected ------------------------------------------------------------
 */

static int one_of(const char *what, int64_t person, int64_t account, struct err *err)
{
	if ((person > 0) != (account > 0))
		return 0;
	return err_set(err, ERR_INVALID_VALUE, "%s is about one person or one account", what);
}

int persons_bar(struct db *db, const struct bar *in, int64_t now_ms, int64_t *ret_id,
		struct err *err)
{
	CLEANUP(free_at) char *who = str_dup(in->who), *reason = str_dup(in->reason);
	char room[TARGET_BYTES];
	struct decided d = { "bar.set", NULL, who, reason, in->person, now_ms };
	int r;

	if (!who || !reason)
		return err_nomem(err);
	d.target = in->person ? target(room, "person", in->person)
			      : target(room, "account", in->account);
	r = one_of("a bar", in->person, in->account, err);
	(void)db_next_change(db);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO bar (person, account, rule, who, reason, set_ms,"
			   " until_ms, product, site)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			   DB_I(in->person), DB_I(in->account), DB_S(in->rule), DB_S(in->who),
			   DB_S(in->reason), DB_I(now_ms), DB_I(in->until_ms),
			   DB_S(in->product), DB_S(in->site));
	if (r < 0)
		return r;
	if (ret_id)
		*ret_id = db_last_id(db);
	return audit_decided(db, &d, NULL, NULL, err);
}

int persons_bar_lift(struct db *db, int64_t bar, const char *who, int64_t now_ms,
		     struct err *err)
{
	char room[TARGET_BYTES];
	struct decided d = { "bar.lift", target(room, "bar", bar), who, NULL, 0, now_ms };
	int r;

	(void)db_next_change(db);
	r = db_run(db, err, "UPDATE bar SET lifted_ms = ?2 WHERE id = ?1 AND lifted_ms = 0",
		   DB_I(bar), DB_I(now_ms));
	if (r < 0)
		return r;
	return db_changes(db) == 0 ? STORE_NOT_FOUND : audit_decided(db, &d, NULL, NULL, err);
}

int persons_bars(struct db *db, int64_t person, bool all, int64_t now_ms, bar_fn fn, void *ctx,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT id, person, account, rule, who, reason, set_ms, until_ms,"
		" lifted_ms, product, site FROM bar WHERE (?1 = 0 OR person = ?1) AND (?2 OR"
		" (lifted_ms = 0 AND (until_ms = 0 OR until_ms > ?3))) ORDER BY id",
		DB_I(person), DB_I(all), DB_I(now_ms));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct bar row = { .id = db_int(q, 0),
				   .person = db_int(q, 1),
				   .account = db_int(q, 2),
				   .rule = db_text(q, 3),
				   .who = db_text(q, 4),
				   .reason = db_text(q, 5),
				   .set_ms = db_int(q, 6),
				   .until_ms = db_int(q, 7),
				   .lifted_ms = db_int(q, 8),
				   .product = db_text(q, 9),
				   .site = db_text(q, 10) };

		r = fn(ctx, &row, err);
	}
	return r;
}

static bool known_protection(struct str kind)
{
	size_t i;

	for (i = 0; protection_words[i]; i++)
		if (str_eq(kind, str_of(protection_words[i])))
			return true;
	return false;
}

static int good_protection(const struct protection *in, struct err *err)
{
	if (!known_protection(in->kind))
		return err_set(err, ERR_INVALID_VALUE,
			       "no such protection: exemption, service-account, operator, "
			       "sole-role, legal-hold and leave are");
	if (in->owner.len == 0 || in->reason.len == 0 || in->who.len == 0)
		return err_set(err, ERR_INVALID_VALUE,
			       "a protection needs an owner and a reason");
	return one_of("a protection", in->person, in->account, err);
}

int persons_protect(struct db *db, const struct protection *in, int64_t now_ms, int64_t *ret_id,
		    struct err *err)
{
	CLEANUP(free_at) char *who = str_dup(in->who), *reason = str_dup(in->reason);
	char room[TARGET_BYTES];
	struct decided d = { "protection.set", NULL, who, reason, in->person, now_ms };
	struct buf after;
	int r;

	if (!who || !reason)
		return err_nomem(err);
	r = good_protection(in, err);
	if (r < 0)
		return r;
	d.target = in->person ? target(room, "person", in->person)
			      : target(room, "account", in->account);
	(void)db_next_change(db);
	r = db_run(db, err,
		   "INSERT INTO protection (kind, person, account, rule, owner, reason, who,"
		   " set_ms, from_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
		   " ?10)",
		   DB_S(in->kind), DB_I(in->person), DB_I(in->account), DB_S(in->rule),
		   DB_S(in->owner), DB_S(in->reason), DB_S(in->who), DB_I(now_ms),
		   DB_I(in->from_ms), DB_I(in->until_ms));
	if (r < 0)
		return r;
	if (ret_id)
		*ret_id = db_last_id(db);
	buf_init(&after, 256);
	buf_add_json(&after, in->kind);
	r = buf_fault(&after, err, "the audit entry");
	if (r == 0)
		r = audit_decided(db, &d, NULL, after.p, err);
	buf_done(&after);
	return r;
}

int persons_protect_lift(struct db *db, int64_t protection, const char *who, const char *why,
			 int64_t now_ms, struct err *err)
{
	char room[TARGET_BYTES];
	struct decided d = {
		"protection.lift", target(room, "protection", protection), who, why, 0, now_ms
	};
	int r;

	(void)db_next_change(db);
	r = db_run(db, err,
		   "UPDATE protection SET lifted_ms = ?2 WHERE id = ?1 AND lifted_ms = 0",
		   DB_I(protection), DB_I(now_ms));
	if (r < 0)
		return r;
	return db_changes(db) == 0 ? STORE_NOT_FOUND : audit_decided(db, &d, NULL, NULL, err);
}

int persons_protections(struct db *db, bool all, int64_t now_ms, protection_fn fn, void *ctx,
			struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, kind, person, account, rule, owner, reason, who, set_ms,"
		     " from_ms, until_ms, lifted_ms FROM protection WHERE ?1 OR"
		     " (lifted_ms = 0 AND (until_ms = 0 OR until_ms > ?2)) ORDER BY id",
		     DB_I(all), DB_I(now_ms));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct protection row = { .id = db_int(q, 0),
					  .kind = db_text(q, 1),
					  .person = db_int(q, 2),
					  .account = db_int(q, 3),
					  .rule = db_text(q, 4),
					  .owner = db_text(q, 5),
					  .reason = db_text(q, 6),
					  .who = db_text(q, 7),
					  .set_ms = db_int(q, 8),
					  .from_ms = db_int(q, 9),
					  .until_ms = db_int(q, 10),
					  .lifted_ms = db_int(q, 11) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int persons_expect(struct db *db, int64_t person, const char *who, const char *why,
		   int64_t until_ms, int64_t now_ms, struct err *err)
{
	char room[TARGET_BYTES];
	struct decided d = { "leaver.expect", target(room, "person", person), who, why, person,
			     now_ms };
	int r;

	(void)db_next_change(db);
	r = db_run(db, err,
		   "INSERT INTO expected (person, who, why, set_ms, until_ms)"
		   " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (person) DO UPDATE SET"
		   " who = excluded.who, why = excluded.why, set_ms = excluded.set_ms,"
		   " until_ms = excluded.until_ms",
		   DB_I(person), DB_T(who), DB_T(why), DB_I(now_ms), DB_I(until_ms));
	return r < 0 ? r : audit_decided(db, &d, NULL, NULL, err);
}

int persons_expected(struct db *db, int64_t now_ms, expected_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT person, who, until_ms FROM expected WHERE until_ms > ?1"
		     " AND from_ms <= ?1"
		     " ORDER BY person",
		     DB_I(now_ms));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_int(q, 0), db_text(q, 1), db_int(q, 2), err);
	return r;
}

/* --- ladders --------------------------------------------------------------------------------
 */

int persons_progress_set(struct db *db, const struct progress *in, struct err *err)
{
	(void)db_next_change(db);
	return db_run(db, err,
		      "INSERT INTO progress (account, product, site, rule, kind, person,"
		      " done_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
		      " ON CONFLICT (account, product, site, rule, kind) DO UPDATE SET"
		      " person = excluded.person, done_ms = excluded.done_ms",
		      DB_I(in->account), DB_S(in->product), DB_S(in->site), DB_S(in->rule),
		      DB_S(in->kind), DB_I(in->person), DB_I(in->done_ms));
}

int persons_progress_clear(struct db *db, const struct progress *in, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "DELETE FROM progress WHERE account = ?1 AND product = ?2 AND site = ?3"
		   " AND rule = ?4",
		   DB_I(in->account), DB_S(in->product), DB_S(in->site), DB_S(in->rule));
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_UNCHANGED;
	(void)db_next_change(db);
	return 0;
}

#define PROGRESS_COLUMNS                                                                       \
	"p.account, p.product, p.site, p.rule, p.kind, p.person, p.done_ms,"                   \
	" CASE WHEN p.kind IN ('free-seat', 'suspend', 'deactivate') THEN"                     \
	" (SELECT count(*) FROM action d WHERE d.account = p.account"                          \
	" AND d.account > 0 AND d.kind = p.kind AND d.product = p.product"                     \
	" AND d.site = p.site AND d.rule = p.rule AND d.state = ?1"                            \
	" AND d.state_ms > p.done_ms - ?2) ELSE 1 END"
#define PROGRESS_ORDER " ORDER BY p.account, p.product, p.site, p.rule, p.done_ms"

static int each_progress(struct stmt *q, progress_fn fn, void *ctx, struct err *err)
{
	int r = 0;

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct progress row = { .account = db_int(q, 0),
					.product = db_text(q, 1),
					.site = db_text(q, 2),
					.rule = db_text(q, 3),
					.kind = db_text(q, 4),
					.person = db_int(q, 5),
					.done_ms = db_int(q, 6),
					.times = db_int(q, 7) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int persons_progress(struct db *db, int64_t org, int64_t after_account, size_t most,
		     progress_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " PROGRESS_COLUMNS
		     " FROM (SELECT DISTINCT g.account FROM progress g JOIN account a"
		     " ON a.id = g.account AND a.org = ?3 WHERE g.account > ?4"
		     " ORDER BY g.account LIMIT ?5) k JOIN progress p ON p.account = "
		     "k.account" PROGRESS_ORDER,
		     DB_I(ACTION_DONE), DB_I(PROGRESS_TIMES_MS), DB_I(org), DB_I(after_account),
		     DB_I(most));
	return r < 0 ? r : each_progress(q, fn, ctx, err);
}

int persons_progress_of(struct db *db, int64_t account, progress_fn fn, void *ctx,
			struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " PROGRESS_COLUMNS
		     " FROM progress p WHERE p.account = ?3" PROGRESS_ORDER,
		     DB_I(ACTION_DONE), DB_I(PROGRESS_TIMES_MS), DB_I(account));
	return r < 0 ? r : each_progress(q, fn, ctx, err);
}

/* --- what leavers were taken ---------------------------------------------------------------
 */

#define FORMER_KINDS "('remove-groups', 'free-seat')"
#define FORMER_OF(accounts)                                                                    \
	"SELECT k.account, json_extract(j.args, '$.group'), j.ms FROM (" accounts ") k"        \
	" LEFT JOIN action a ON a.account = k.account AND a.account > 0"                       \
	" AND a.kind IN " FORMER_KINDS " AND a.class IN ('leaver', 'absence')"                 \
	" LEFT JOIN journal j ON j.plan = a.plan AND j.n = a.n AND j.kind = ?1"                \
	" AND j.op = 'remove-group' AND j.result = 'ok' ORDER BY k.account, j.seq"

static int each_former(struct stmt *q, former_fn fn, void *ctx, struct err *err)
{
	int r = 0;

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct former_row row = { .account = db_int(q, 0),
					  .group = db_text(q, 1),
					  .taken_ms = db_int(q, 2) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int persons_former(struct db *db, int64_t org, int64_t after_account, size_t most, former_fn fn,
		   void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     FORMER_OF("SELECT DISTINCT g.account FROM progress g JOIN account c"
			       " ON c.id = g.account AND c.org = ?2 WHERE g.account > ?3"
			       " AND g.kind IN " FORMER_KINDS " ORDER BY g.account LIMIT ?4"),
		     DB_I(JOURNAL_OUTCOME), DB_I(org), DB_I(after_account), DB_I(most));
	return r < 0 ? r : each_former(q, fn, ctx, err);
}

int persons_former_of(struct db *db, int64_t account, former_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, FORMER_OF("SELECT ?2 AS account"), DB_I(JOURNAL_OUTCOME),
		     DB_I(account));
	return r < 0 ? r : each_former(q, fn, ctx, err);
}

/* --- forgetting -----------------------------------------------------------------------------
 */

/* Each statement empties what one table knows of person ?1 (?2: a change number). */
static const char *const forget_sql[] = {
	/* first, by what the others empty; the row stays, for Atlassian has it still */
	"UPDATE scim_user SET external_id = '', user_fold = '', user_name = '', email = '',"
	" display_name = '', given_name = '', family_name = '', title = '', department = '',"
	" time_zone = '', language = '' WHERE id IN (SELECT u.id FROM account_link l"
	" JOIN account a ON a.id = l.account JOIN scim_user u ON u.org = a.org"
	" AND u.account_id = a.account_id WHERE l.person = ?1 AND a.account_id <> ''"
	" UNION SELECT u.id FROM record r JOIN scim_directory d JOIN scim_user u"
	" ON u.org = d.org AND u.external_id = r.external_id"
	" WHERE r.person = ?1 AND r.external_id <> ''"
	" UNION SELECT u.id FROM record r JOIN scim_directory d JOIN scim_user u"
	" ON u.org = d.org AND u.external_id = r.key WHERE r.person = ?1"
	" UNION SELECT u.id FROM record r JOIN record_address e ON e.record = r.id"
	" JOIN scim_directory d JOIN scim_user u ON u.org = d.org AND u.user_fold = e.fold"
	" WHERE r.person = ?1)",
	"UPDATE review_item SET manager = CASE WHEN manager IN (SELECT fold FROM address"
	" WHERE person = ?1) THEN '' ELSE manager END, by = CASE WHEN lower(by) IN (SELECT fold"
	" FROM address WHERE person = ?1) THEN '' ELSE by END, why = CASE WHEN person = ?1"
	" THEN '' ELSE why END WHERE person = ?1 OR manager IN (SELECT fold FROM address"
	" WHERE person = ?1) OR lower(by) IN (SELECT fold FROM address WHERE person = ?1)",
	/* what was told to them, about anybody; what waits to be told still is */
	"UPDATE outbox SET receiver = '', letter = '', says = '' WHERE state > 2 AND"
	" receiver <> '' AND lower(receiver) IN (SELECT fold FROM address WHERE person = ?1)",
	"DELETE FROM record_address WHERE record IN (SELECT id FROM record WHERE person = ?1)",
	"DELETE FROM record_name WHERE record IN (SELECT id FROM record WHERE person = ?1)",
	"DELETE FROM member WHERE kind = 1 AND member IN"
	" (SELECT id FROM record WHERE person = ?1)",
	"UPDATE doubt SET evidence = '', state = 3 WHERE left_id IN"
	" (SELECT id FROM record WHERE person = ?1) OR (kind = 0 AND right_id IN"
	" (SELECT id FROM record WHERE person = ?1)) OR (kind = 1 AND right_id IN"
	" (SELECT account FROM account_link WHERE person = ?1))",

	"UPDATE record SET doc = '{}', user_name = '', user_fold = '', display = '',"
	" display_fold = '', external_id = '', hash = x'', unknown = '', deleted = 1,"
	" change = ?2 WHERE person = ?1",
	"DELETE FROM address WHERE person = ?1",
	"UPDATE bar SET reason = '' WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"UPDATE protection SET reason = '', owner = '' WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM expected WHERE person = ?1",
	"DELETE FROM progress WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"UPDATE account SET email = '', email_fold = '', name = '', external_id = '',"
	" extra = '', salt = x'', hash = x'', change = ?2 WHERE id IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"UPDATE plan_value SET json = '', salt = x'' WHERE (plan, n) IN"
	" (SELECT plan, n FROM action WHERE person = ?1 UNION SELECT a.plan, a.n FROM"
	" account_link l JOIN action a ON a.account = l.account WHERE l.person = ?1)",
	"DELETE FROM owned WHERE account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM inventory WHERE account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	/* what waits to be told about them is not told any more */
	"UPDATE outbox SET receiver = '', letter = '', says = '', state = CASE WHEN state < 3"
	" THEN 5 ELSE state END WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM keep WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM request WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM gift_refused WHERE account IN (SELECT account FROM account_link WHERE"
	" person = ?1) OR receiver IN (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM heir WHERE person = ?1 OR account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"UPDATE org_event SET actor = '' WHERE (org, actor) IN (SELECT a.org, a.account_id FROM"
	" account_link l JOIN account a ON a.id = l.account WHERE l.person = ?1)",
	/* a key without an id is called by whose it is */
	"UPDATE org_event SET token = '' WHERE (org, token) IN (SELECT a.org, 'actor:' ||"
	" a.account_id FROM account_link l JOIN account a ON a.id = l.account"
	" WHERE l.person = ?1)",
	"DELETE FROM org_key WHERE (org, token) IN (SELECT a.org, 'actor:' || a.account_id FROM"
	" account_link l JOIN account a ON a.id = l.account WHERE l.person = ?1)",
	"DELETE FROM org_key_claim WHERE (org, token) IN (SELECT a.org, 'actor:' ||"
	" a.account_id FROM account_link l JOIN account a ON a.id = l.account"
	" WHERE l.person = ?1)",
	/* what holds plans goes on holding them, of nobody */
	"UPDATE OR REPLACE org_event SET account = 0 WHERE standing = 1 AND account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"DELETE FROM org_event WHERE account IN"
	" (SELECT account FROM account_link WHERE person = ?1)",
	"UPDATE account_link SET evidence = '' WHERE person = ?1",
	"UPDATE person SET salt = x'', state = 1, change = ?2 WHERE id = ?1",
};

static int forget_tables(struct db *db, int64_t person, int64_t *erased, struct err *err)
{
	int64_t change = db_next_change(db);
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < COUNT_OF(forget_sql); i++) {
		/* the statement's own count of parameters: ?2 is used by some only */
		if (strstr(forget_sql[i], "?2"))
			r = db_run(db, err, forget_sql[i], DB_I(person), DB_I(change));
		else
			r = db_run(db, err, forget_sql[i], DB_I(person));
		*erased += r == 0 ? db_changes(db) : 0;
	}
	return r;
}

static int recount_sources(struct db *db, int64_t person, struct err *err)
{
	return db_run(db, err,
		      "UPDATE source SET users = (SELECT count(*) FROM record r WHERE"
		      " r.source = source.id AND r.deleted = 0 AND r.gone = 0),"
		      " active = (SELECT count(*) FROM record r WHERE r.source = source.id"
		      " AND r.deleted = 0 AND r.gone = 0 AND r.active = 2)"
		      " WHERE id IN (SELECT source FROM record WHERE person = ?1)",
		      DB_I(person));
}

static int forget_audit(struct db *db, int64_t person, const char *who, const char *why,
			int64_t now_ms, int64_t *erased, struct err *err)
{
	char room[TARGET_BYTES];
	struct audit_new entry = { .who = who,
				   .what = "forget",
				   .target = target(room, "person", person),
				   .now_ms = now_ms };
	struct buf seqs, body;
	int64_t count = 0;
	int r;

	buf_init(&seqs, SEQS_MAX_BYTES);
	buf_init(&body, SEQS_MAX_BYTES);
	r = audit_erase(db, person, &seqs, &count, err);
	if (r == 0) {
		buf_add_text(&body, "{\"audit\":");
		buf_add_str(&body, buf_str(&seqs));
		buf_add_text(&body, ",\"why\":");
		buf_add_json(&body, str_of(why));
		buf_add_char(&body, '}');
		r = buf_fault(&body, err, "the entry that names what was forgotten");
	}
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&seqs);
	buf_done(&body);
	*erased += count;
	return r;
}

/* All but the audit chain. */
static int forget_rows(struct db *db, int64_t person, int64_t *n, struct err *err)
{
	int r = forget_tables(db, person, n, err);

	if (r == 0)
		r = recount_sources(db, person, err);
	/* whoever still names them makes a new person: this number is nobody's any more */
	if (r == 0)
		r = db_run(db, err, "DELETE FROM record_link WHERE person = ?1", DB_I(person));
	return r == 0 ? db_run(db, err, "UPDATE record SET person = 0 WHERE person = ?1",
			       DB_I(person))
		      : r;
}

int persons_expire(struct db *db, int64_t person, int64_t now_ms, struct err *err)
{
	char room[TARGET_BYTES];
	const struct audit_new entry = { .who = "retention",
					 .what = "person.expire",
					 .target = target(room, "person", person),
					 .now_ms = now_ms };
	int64_t n = 0;
	int r = forget_rows(db, person, &n, err);

	return r == 0 ? audit_add(db, &entry, NULL, err) : r;
}

int persons_forget(struct db *db, int64_t person, const char *who, const char *why,
		   int64_t now_ms, int64_t *erased, struct err *err)
{
	struct person_row row;
	int64_t held = 0, n = 0;
	int r;

	r = persons_get(db, person, &row, err);
	if (r != 0)
		return r;
	r = db_one(db, &held, err,
		   "SELECT id FROM protection WHERE kind = 'legal-hold' AND lifted_ms = 0"
		   " AND (until_ms = 0 OR until_ms > ?2) AND (person = ?1 OR account IN"
		   " (SELECT account FROM account_link WHERE person = ?1)) LIMIT 1",
		   DB_I(person), DB_I(now_ms));
	if (r == 0)
		return err_set(err, ERR_HELD,
			       "person %lld is under a legal hold (protection %lld): nothing "
			       "may be forgotten until it is lifted",
			       (long long)person, (long long)held);
	if (r < 0)
		return r;
	r = forget_rows(db, person, &n, err);
	if (r == 0)
		r = forget_audit(db, person, who, why, now_ms, &n, err);
	if (r == 0 && erased)
		*erased = n;
	return r;
}
