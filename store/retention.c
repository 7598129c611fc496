#include "store/retention.h"

#include "base/vec.h"
#include "store/persons.h"

const char *const retention_words[] = { "journal", "reads", "activity", "tombstones" };

/* --- rows that go by a statement
 * --------------------------------------------------------------
 */

/* Plans that ended, and nothing of which is under way, before what is theirs: few plans, found
 * once, and of these what an index finds. The other way round each line would ask for its plan.
 */
#define OF_ENDED(table)                                                                        \
	" FROM plan p CROSS JOIN " table " ON x.plan = p.id WHERE p.standing >= 3"             \
	" AND p.state_ms < ?1 AND p.id NOT IN (SELECT o.plan FROM journal o WHERE o.open = 1)"

/* Each: what would go (its count), and its going. ?1 before, ?2 at most so many. */
static const struct by_sql {
	enum retention_kind kind;
	const char *count, *remove;
} by_sql[] = {
	{ RETENTION_JOURNAL,
	  "SELECT count(*) FROM (SELECT 1" OF_ENDED("journal x") " LIMIT ?2)",
	  "DELETE FROM journal WHERE seq IN (SELECT x.seq" OF_ENDED("journal x") " LIMIT ?2)" },
	{ RETENTION_JOURNAL,
	  "SELECT count(*) FROM (SELECT 1" OF_ENDED("plan_value x") " AND x.json <> '' LIMIT "
								    "?2)",
	  "UPDATE plan_value SET json = '', salt = x'' WHERE (plan, n) IN (SELECT x.plan,"
	  " x.n" OF_ENDED("plan_value x") " AND x.json <> '' LIMIT ?2)" },
	/* what somebody asked for waits for an answer, however long */
	{ RETENTION_JOURNAL,
	  "SELECT count(*) FROM (SELECT 1 FROM request WHERE max(end_ms, state_ms) < ?1"
	  " AND state <> 1 LIMIT ?2)",
	  "DELETE FROM request WHERE id IN (SELECT id FROM request"
	  " WHERE max(end_ms, state_ms) < ?1 AND state <> 1 LIMIT ?2)" },
	{ RETENTION_READS,
	  "SELECT count(*) FROM (SELECT 1 FROM source_read r JOIN source s ON s.id = r.source"
	  " WHERE r.begun_ms < ?1 AND r.no <> s.read_no AND r.no <> s.accepted_read LIMIT ?2)",
	  "DELETE FROM source_read WHERE (source, no) IN (SELECT r.source, r.no"
	  " FROM source_read r JOIN source s ON s.id = r.source WHERE r.begun_ms < ?1"
	  " AND r.no <> s.read_no AND r.no <> s.accepted_read LIMIT ?2)" },
	{ RETENTION_READS,
	  "SELECT count(*) FROM (SELECT 1 FROM org_read r JOIN org o ON o.id = r.org"
	  " WHERE r.begun_ms < ?1 AND r.generation < o.generation LIMIT ?2)",
	  "DELETE FROM org_read WHERE (org, generation) IN (SELECT r.org, r.generation"
	  " FROM org_read r JOIN org o ON o.id = r.org WHERE r.begun_ms < ?1"
	  " AND r.generation < o.generation LIMIT ?2)" },
	/* what holds plans stays until a person explained it */
	{ RETENTION_READS,
	  "SELECT count(*) FROM (SELECT 1 FROM org_event WHERE at_ms < ?1 AND standing <> 1"
	  " LIMIT ?2)",
	  "DELETE FROM org_event WHERE (org, event, account) IN (SELECT org, event, account"
	  " FROM org_event WHERE at_ms < ?1 AND standing <> 1 LIMIT ?2)" },
	/* no hash: should the account come back, it is read as a new one */
	{ RETENTION_ACTIVITY,
	  "SELECT count(*) FROM (SELECT 1 FROM account WHERE live = 0"
	  " AND (last_active_ms BETWEEN 1 AND ?1 - 1 OR token_active_ms BETWEEN 1 AND ?1 - 1)"
	  " LIMIT ?2)",
	  "UPDATE account SET last_active_ms = 0, token_active_ms = 0, hash = x'' WHERE id IN"
	  " (SELECT id FROM account WHERE live = 0 AND (last_active_ms BETWEEN 1 AND ?1 - 1"
	  " OR token_active_ms BETWEEN 1 AND ?1 - 1) LIMIT ?2)" },
};

static int count_sql(struct db *db, const struct by_sql *s, struct retention_page *page,
		     int64_t *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query_binds(db, &q, err, str_of(s->count),
			       DB_BINDS(DB_I(page->before_ms), DB_I(page->most)));

	if (r == 0)
		r = db_step(q, err);
	if (r == DB_ROW)
		*ret = db_int(q, 0);
	return r < 0 ? r : 0;
}

/* All statements of a kind, each its page; a count begins anew each time, so it has one page.
 */
static int page_sql(struct db *db, struct retention_page *page, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(by_sql); i++) {
		int64_t n = 0;

		if (by_sql[i].kind != page->kind)
			continue;
		if (page->remove) {
			r = db_run_binds(db, err, str_of(by_sql[i].remove),
					 DB_BINDS(DB_I(page->before_ms), DB_I(page->most)));
			n = r == 0 ? db_changes(db) : 0;
		} else {
			r = count_sql(db, &by_sql[i], page, &n, err);
		}
		page->rows += n;
		page->more = page->more || (page->remove && n == (int64_t)page->most);
	}
	return r;
}

/* --- people who left
 * --------------------------------------------------------------------------
 */

VEC(vec_person, int64_t);

/*
 * Nobody's record names them as here, none of it is newer, no account of theirs is at Atlassian
 * any more, no legal hold, and no step of a plan about them is under way or may still start.
 */
static const char tombstones[] =
	"SELECT p.id, p.state = 0"
	" AND EXISTS (SELECT 1 FROM record r WHERE r.person = p.id)"
	" AND NOT EXISTS (SELECT 1 FROM record r WHERE r.person = p.id"
	"  AND (r.deleted = 0 AND r.gone = 0"
	"   OR max(r.modified_ms, r.ended_ms, r.absent_since_ms) >= ?3))"
	" AND NOT EXISTS (SELECT 1 FROM account_link l JOIN account a ON a.id = l.account"
	"  WHERE l.person = p.id AND a.live = 1)"
	" AND NOT EXISTS (SELECT 1 FROM protection t WHERE t.kind = 'legal-hold'"
	"  AND t.lifted_ms = 0 AND (t.until_ms = 0 OR t.until_ms > ?4) AND (t.person = p.id"
	"  OR t.account IN (SELECT account FROM account_link WHERE person = p.id)))"
	" AND NOT EXISTS (SELECT 1 FROM action x JOIN plan y ON y.id = x.plan"
	"  WHERE x.person = p.id AND y.standing < 3)"
	" FROM (SELECT id, state FROM person WHERE id > ?1 ORDER BY id LIMIT ?2) p";

static int find_tombstones(struct db *db, struct retention_page *page, struct vec_person *found,
			   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	size_t seen = 0;
	int r = db_query_binds(db, &q, err, str_of(tombstones),
			       DB_BINDS(DB_I(page->cursor), DB_I(page->most),
					DB_I(page->before_ms), DB_I(page->now_ms)));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		r = 0;
		seen++;
		page->cursor = db_int(q, 0);
		if (db_int(q, 1) && vec_person_add(found, db_int(q, 0)) < 0)
			r = err_nomem(err);
	}
	page->more = seen == page->most;
	return r;
}

static int page_tombstones(struct db *db, struct retention_page *page, struct err *err)
{
	struct vec_person found = { 0 };
	int r = find_tombstones(db, page, &found, err);

	page->rows += r == 0 ? (int64_t)found.n : 0;
	for (size_t i = 0; r == 0 && page->remove && i < found.n; i++)
		r = persons_expire(db, found.v[i], page->now_ms, err);
	vec_person_done(&found);
	return r;
}

int retention_page(struct db *db, struct retention_page *page, struct err *err)
{
	page->rows = 0;
	page->more = false;
	return page->kind == RETENTION_TOMBSTONES ? page_tombstones(db, page, err)
						  : page_sql(db, page, err);
}

/* --- what is held ----------------------------------------------------------------------------
 */

#define FROM(table, time, where) "SELECT count(*), min(" time ") FROM " table " " where

static const struct {
	const char *kind, *what, *why, *sql;
} held[RETENTION_HELD] = {
	{ "people",
	  "records of people in sources: names, addresses, employment; of directories a digest "
	  "of each one's name there (DN), by which managers are found",
	  "who has left is judged by them; as long as the source has them",
	  FROM("record", "nullif(first_seen_ms, 0)", "WHERE deleted = 0 AND gone = 0") },
	{ "tombstones", "records of people who left their sources",
	  "a leaver is acted on after the source forgot them",
	  FROM("record", "nullif(max(modified_ms, ended_ms, absent_since_ms), 0)",
	       "WHERE (deleted = 1 OR gone = 1) AND doc <> '{}'") },
	{ "addresses", "mail addresses that somebody had, folded",
	  "an address never stands for another person later",
	  FROM("address", "nullif(first_ms, 0)", "") },
	{ "accounts", "accounts at Atlassian: name, address, state",
	  "they are what is acted on; as long as Atlassian has them",
	  FROM("account", "nullif(first_ms, 0)", "WHERE live = 1") },
	{ "left-accounts", "accounts that Atlassian has no longer",
	  "what plans did about them is explained by them",
	  FROM("account", "nullif(first_ms, 0)", "WHERE live = 0 AND email <> ''") },
	{ "activity", "newest day of activity, by seat and account; no history of it",
	  "unused seats are found by it",
	  "SELECT (SELECT count(*) FROM seat WHERE last_active_ms > 0) +"
	  " (SELECT count(*) FROM account WHERE last_active_ms > 0 OR token_active_ms > 0),"
	  " (SELECT min(last_active_ms) FROM account WHERE last_active_ms > 0)" },
	{ "plan-values", "names and addresses beside actions of plans",
	  "a person reads in a plan whom it is about",
	  "SELECT count(*), min(p.created_ms) FROM plan_value v JOIN plan p ON p.id = v.plan"
	  " WHERE v.json <> ''" },
	{ "journal", "what was done to accounts, by Atlassian's ids",
	  "nothing is done twice, and it can be undone", FROM("journal", "ms", "") },
	{ "audit", "audit entries about people, with their bodies", "who decided what, and why",
	  FROM("audit", "ms", "WHERE person > 0 AND forgotten = 0") },
	{ "notices", "letters and receivers of notices", "each is told once",
	  FROM("outbox", "queued_ms", "WHERE letter <> '' OR receiver <> ''") },
	{ "links", "links that keep a seat or ask for it again, and what became of them",
	  "each is good once",
	  "SELECT (SELECT count(*) FROM keep) + (SELECT count(*) FROM request),"
	  " (SELECT min(made_ms) FROM keep)" },
	{ "reviews", "access reviews: managers' addresses, answers and reasons",
	  "who let whom keep what is shown by them",
	  FROM("review_item", "nullif(answered_ms, 0)", "WHERE manager <> '' OR answer > 0") },
	{ "protections",
	  "leave, legal holds, exemptions and bars of rules, with owner and reason, lifted "
	  "ones too",
	  "what is not to be done to somebody, and who answers for it",
	  "SELECT (SELECT count(*) FROM protection) + (SELECT count(*) FROM bar),"
	  " (SELECT min(set_ms) FROM (SELECT set_ms FROM protection UNION ALL SELECT set_ms"
	  "  FROM bar))" },
	{ "expected", "who was announced to leave with many others",
	  "limits let exactly these pass", FROM("expected", "set_ms", "") },
	{ "doubts", "pairs that may be one person, and what was decided",
	  "what was decided is not asked again", FROM("doubt", "raised_ms", "") },
	{ "provisioned", "users as Atlassian's provisioning directory has them",
	  "what is sent there is the difference", FROM("scim_user", "NULL", "") },
	{ "approvers", "names and public keys of who may approve, retired ones too",
	  "a signature is held against the key of its day",
	  FROM("approver", "nullif(enrolled_ms, 0)", "") },
	{ "owned", "titles of what leavers own on sites", "it is handed over before they go",
	  FROM("owned", "NULL", "") },
	{ "events", "what others changed in organisations, and who",
	  "a change under our key that we did not make is found",
	  FROM("org_event", "nullif(at_ms, 0)", "") },
	{ "reads", "notes of reads of sources: counts and reasons, nobody's data",
	  "a read is judged by those before it",
	  FROM("source_read", "nullif(begun_ms, 0)", "") },
	{ "forgotten", "people who were forgotten: a number, and nothing else",
	  "plans and the audit chain name the number",
	  FROM("person", "NULL", "WHERE state = 1") },
};

int retention_held(struct db *db, size_t i, struct retention_held *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query_binds(db, &q, err, str_of(held[i].sql), NULL, 0);

	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	*ret = (struct retention_held){ .kind = held[i].kind,
					.what = held[i].what,
					.why = held[i].why,
					.count = db_int(q, 0),
					.oldest_ms = db_int(q, 1) };
	return 0;
}

int retention_readers(struct db *db, int64_t since_ms, retention_reader_fn fn, void *ctx,
		      struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(
		db, &q, err,
		"SELECT who, what || CASE WHEN person > 0 THEN '' ELSE ' ' || target END,"
		" count(*), max(ms) FROM audit WHERE ms >= ?1 AND"
		" what IN ('people.read', 'person.read') GROUP BY 1, 2 ORDER BY 1, 2",
		DB_I(since_ms));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct retention_reader row = { .who = db_text(q, 0),
						      .what = db_text(q, 1),
						      .times = db_int(q, 2),
						      .last_ms = db_int(q, 3) };

		r = fn(ctx, &row, err);
	}
	return r;
}
