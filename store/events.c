#include "store/events.h"

#include <stdio.h>

#include "base/buf.h"
#include "store/audit.h"
#include "store/plans.h"

/* Atlassian's clock beside ours, and how long a change may have been under way after its intent
 * was written (all tries of it). */
#define SKEW_MS (5 * 60 * 1000LL)
#define UNDER_WAY_MS (20 * 60 * 1000LL)
#define JOURNAL_BACK 20000 /* lines looked at for what is about no account */

const char *const event_doubt_texts[] = {
	[EVENT_PLAIN] = "",
	[EVENT_NO_INTENT] = "our journal has nothing of it",
	[EVENT_OTHER_KIND] = "our journal has a change then, but not of this kind",
	[EVENT_NO_SUBJECT] = "it names no account and no group that we know",
	[EVENT_OTHER_KEY] = "our journal has it, but nothing proves its key to be ours",
};

void event_reading_done(struct event_reading *r)
{
	free(r->cursor);
	free(r->why);
	*r = (struct event_reading){ 0 };
}

/* A text column, NULL where it is empty. */
static int text_take(struct stmt *q, int column, char **ret, struct err *err)
{
	if (!db_text(q, column).len)
		return 0;
	*ret = db_text_dup(q, column);
	return *ret ? 0 : err_nomem(err);
}

int events_reading(struct db *db, int64_t org, struct event_reading *ret, struct err *err)
{
	CLEANUP(event_reading_done) struct event_reading row = { 0 };
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT since_ms, cursor, newest_ms, read_ms, why, gap_from_ms, gap_to_ms"
		     " FROM org_event_read WHERE org = ?1",
		     DB_I(org));
	if (r == 0)
		r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? r : STORE_NOT_FOUND;
	row.since_ms = db_int(q, 0);
	row.newest_ms = db_int(q, 2);
	row.read_ms = db_int(q, 3);
	row.gap_from_ms = db_int(q, 5);
	row.gap_to_ms = db_int(q, 6);
	r = text_take(q, 1, &row.cursor, err);
	if (r == 0)
		r = text_take(q, 4, &row.why, err);
	if (r < 0)
		return r;
	*ret = row;
	row = (struct event_reading){ 0 }; /* it is the caller's now */
	return 0;
}

int events_reading_set(struct db *db, int64_t org, const struct event_reading *in,
		       struct err *err)
{
	return db_run(db, err,
		      "INSERT OR REPLACE INTO org_event_read (org, since_ms, cursor, newest_ms,"
		      " read_ms, why, gap_from_ms, gap_to_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
		      " ?7, ?8)",
		      DB_I(org), DB_I(in->since_ms), DB_T(in->cursor), DB_I(in->newest_ms),
		      DB_I(in->read_ms), DB_T(in->why), DB_I(in->gap_from_ms),
		      DB_I(in->gap_to_ms));
}

int events_reading_end(struct db *db, int64_t org, const struct event_reading *in,
		       struct err *err)
{
	return db_run(db, err,
		      "INSERT INTO org_event_read (org, since_ms, cursor, newest_ms, read_ms,"
		      " why, gap_from_ms, gap_to_ms) VALUES (?1, ?2, '', 0, ?3, ?4, ?5, ?6)"
		      " ON CONFLICT (org) DO UPDATE SET read_ms = excluded.read_ms,"
		      " why = excluded.why, gap_from_ms = excluded.gap_from_ms,"
		      " gap_to_ms = excluded.gap_to_ms",
		      DB_I(org), DB_I(in->since_ms), DB_I(in->read_ms), DB_T(in->why),
		      DB_I(in->gap_from_ms), DB_I(in->gap_to_ms));
}

/* --- ours or not ----------------------------------------------------------------------------
 */

/* An intent, and when its outcome was seen: until then Atlassian may have done it. */
#define INTENT(from)                                                                           \
	"SELECT j.seq, j.op, o.result FROM " from                                              \
	" LEFT JOIN journal o ON o.plan = j.plan AND o.n = j.n AND o.step = j.step"            \
	" AND o.kind = ?6 AND o.seq = (SELECT min(x.seq) FROM journal x WHERE"                 \
	" x.plan = j.plan AND x.n = j.n AND x.step = j.step AND x.kind = ?6"                   \
	" AND x.seq > j.seq) WHERE j.org = ?1 AND j.kind = ?5 AND ?4 >= j.ms - ?7"             \
	" AND ?4 <= coalesce(o.ms, j.ms + ?8) + ?7 AND coalesce(o.result, '') <> 'refused'"

/* Each finds intents by an index of its own: of the account; of the person, where the action
 * names no account. ?2 is whom, ?3 the group as it stands in a line's arguments: groups of the
 * provisioning directory have ids of their own. */
#define IN_ARGS "instr(j.args, '\"group\":\"' || ?3 || '\"') > 0"
#define OF_GROUP " AND (?3 = '' OR " IN_ARGS " OR j.op LIKE 'scim-%') ORDER BY j.seq"
#define OF_ACTION "action a CROSS JOIN journal j ON j.plan = a.plan AND j.n = a.n"

static const char *const by_account[] = {
	INTENT(OF_ACTION) " AND a.account > 0 AND a.account = ?2" OF_GROUP,
	INTENT(OF_ACTION) " AND a.person > 0 AND a.account = 0 AND a.person ="
			  " (SELECT person FROM account_link WHERE account = ?2)" OF_GROUP,
};

/* About a group as such: its id, or the name under which we made it; or, where the event names
 * nothing else (?10), whoever was put in or taken out. */
static const char by_group[] =
	INTENT("journal j") " AND j.seq > (SELECT coalesce(max(seq), 0) - ?9 FROM journal)"
			    " AND (?10 = 1 OR j.op IN ('make-group', 'drop-group',"
			    " 'scim-make-group')) AND (" IN_ARGS
			    " OR (j.op IN ('make-group', 'scim-make-group') AND"
			    " json_extract(j.args, '$.name') = (SELECT name FROM org_group"
			    " WHERE org = ?11 AND group_id = ?3))) ORDER BY j.seq";

static int each_intent(struct stmt *q, event_intent_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		const struct event_intent row = { .seq = db_int(q, 0),
						  .op = db_text(q, 1),
						  .done = str_eq(db_text(q, 2), STR("ok")) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

static int intents_ask(struct db *db, const char *sql, const char *org, int64_t org_id,
		       const struct event_subject *of, event_intent_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = of->account ? db_query(db, &q, err, sql, DB_T(org), DB_I(of->account),
				   DB_S(of->group), DB_I(of->at_ms), DB_I(JOURNAL_INTENT),
				   DB_I(JOURNAL_OUTCOME), DB_I(SKEW_MS), DB_I(UNDER_WAY_MS))
			: db_query(db, &q, err, sql, DB_T(org), DB_I(0), DB_S(of->group),
				   DB_I(of->at_ms), DB_I(JOURNAL_INTENT), DB_I(JOURNAL_OUTCOME),
				   DB_I(SKEW_MS), DB_I(UNDER_WAY_MS), DB_I(JOURNAL_BACK),
				   DB_I(!of->others), DB_I(org_id));
	return r < 0 ? r : each_intent(q, fn, ctx, err);
}

int events_intents(struct db *db, const char *org, int64_t org_id,
		   const struct event_subject *of, event_intent_fn fn, void *ctx,
		   struct err *err)
{
	int r = 0;

	for (size_t i = 0; of->account && r == 0 && i < COUNT_OF(by_account); i++)
		r = intents_ask(db, by_account[i], org, org_id, of, fn, ctx, err);
	if (!of->account && of->group.len)
		r = intents_ask(db, by_group, org, org_id, of, fn, ctx, err);
	return r;
}

/* --- whose key ------------------------------------------------------------------------------
 */

int events_claim(struct db *db, int64_t org, struct str token, int64_t seq, bool directory,
		 int64_t at_ms, struct err *err)
{
	return db_run(db, err,
		      "INSERT OR IGNORE INTO org_key_claim (org, seq, token, directory, at_ms)"
		      " VALUES (?1, ?2, ?3, ?4, ?5)",
		      DB_I(org), DB_I(seq), DB_S(token), DB_I(directory), DB_I(at_ms));
}

#define DISPUTED                                                                               \
	"EXISTS (SELECT 1 FROM org_key_claim d WHERE d.org = c.org AND d.seq = c.seq AND "     \
	"d.token <> c.token)"

/* A proof outlives the claims that age has taken. */
static const char *const judge_sql[] = {
	"DELETE FROM org_key WHERE org = ?1 AND EXISTS (SELECT 1 FROM org_key_claim c WHERE"
	" c.org = ?1 AND c.token = org_key.token) AND NOT EXISTS (SELECT 1 FROM org_key_claim "
	"c"
	" WHERE c.org = ?1 AND c.token = org_key.token AND NOT " DISPUTED ")",
	"INSERT INTO org_key (org, token, directory, proved_ms) SELECT c.org, c.token,"
	" min(c.directory), ?2 FROM org_key_claim c WHERE c.org = ?1 AND NOT " DISPUTED
	" GROUP BY c.token ON CONFLICT (org, token) DO UPDATE SET directory ="
	" min(directory, excluded.directory)",
};

int events_keys_judge(struct db *db, int64_t org, int64_t now_ms, struct err *err)
{
	int r = db_run(db, err, judge_sql[0], DB_I(org));

	return r < 0 ? r : db_run(db, err, judge_sql[1], DB_I(org), DB_I(now_ms));
}

int events_keys(struct db *db, int64_t org, event_key_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT t.token, k.token IS NOT NULL, coalesce(k.directory, (SELECT"
		     " min(c.directory) FROM org_key_claim c WHERE c.org = ?1 AND c.token ="
		     " t.token)), (SELECT count(*) FROM org_key_claim c WHERE c.org = ?1 AND"
		     " c.token = t.token), (SELECT count(*) FROM org_key_claim c WHERE c.org ="
		     " ?1 AND c.token = t.token AND " DISPUTED ") FROM (SELECT token FROM"
		     " org_key WHERE org = ?1 UNION SELECT token FROM org_key_claim WHERE org ="
		     " ?1) t LEFT JOIN org_key k ON k.org = ?1 AND k.token = t.token ORDER BY"
		     " t.token",
		     DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct event_key row = { .token = db_text(q, 0),
					       .proved = db_int(q, 1) != 0,
					       .directory = db_int(q, 2) != 0,
					       .claims = db_int(q, 3),
					       .disputed = db_int(q, 4) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int events_put(struct db *db, int64_t org, const struct event_row *row, struct err *err)
{
	int r = db_run(db, err,
		       "INSERT OR IGNORE INTO org_event (org, event, account, at_ms, action,"
		       " actor, grp, token, standing, doubt, gives) VALUES (?1, ?2, ?3, ?4,"
		       " ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
		       DB_I(org), DB_S(row->event), DB_I(row->account), DB_I(row->at_ms),
		       DB_S(row->action), DB_S(row->actor), DB_S(row->group), DB_S(row->token),
		       DB_I(row->by), DB_I(row->doubt), DB_I(row->gives));

	if (r < 0)
		return r;
	if (!db_changes(db))
		return STORE_UNCHANGED;
	if (row->by == EVENT_FOREIGN)
		(void)db_next_change(db); /* plans are held by it */
	return 0;
}

int events_token_is(struct db *db, int64_t org, struct str token, int64_t since_ms,
		    int64_t *ret, struct err *err)
{
	int r = db_run(db, err,
		       "UPDATE org_event SET standing = ?4 WHERE org = ?1 AND token = ?2 AND"
		       " at_ms >= ?3 AND standing = ?5",
		       DB_I(org), DB_S(token), DB_I(since_ms), DB_I(EVENT_FOREIGN),
		       DB_I(EVENT_BY_OTHERS));

	if (r < 0)
		return r;
	*ret = db_changes(db);
	if (*ret)
		(void)db_next_change(db);
	return db_run(db, err,
		      "DELETE FROM org_event WHERE org = ?1 AND token = ?2 AND standing = ?3",
		      DB_I(org), DB_S(token), DB_I(EVENT_UNPROVED));
}

int events_prune(struct db *db, int64_t org, int64_t before_ms, size_t most, struct err *err)
{
	int r = db_run(db, err,
		       "DELETE FROM org_event WHERE org = ?1 AND at_ms < ?2 AND standing <> ?3",
		       DB_I(org), DB_I(before_ms), DB_I(EVENT_FOREIGN));

	if (r == 0)
		r = db_run(db, err, "DELETE FROM org_key_claim WHERE org = ?1 AND at_ms < ?2",
			   DB_I(org), DB_I(before_ms));
	if (r < 0)
		return r;
	return db_run(db, err,
		      "DELETE FROM org_event WHERE org = ?1 AND standing <> ?3 AND at_ms <"
		      " (SELECT at_ms FROM org_event WHERE org = ?1 ORDER BY at_ms DESC LIMIT 1"
		      " OFFSET ?2)",
		      DB_I(org), DB_I(most), DB_I(EVENT_FOREIGN));
}

/* --- what nobody knows of -------------------------------------------------------------------
 */

int events_foreign(struct db *db, int64_t org, int64_t *ret, struct err *err)
{
	int r = db_one(db, ret, err,
		       "SELECT count(*) FROM org_event WHERE org = ?1 AND standing = 1",
		       DB_I(org));

	return r < 0 ? r : 0;
}

int events_explain(struct db *db, int64_t org, const char *name, const char *who,
		   const char *why, int64_t now_ms, int64_t *ret, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	char target[200];
	struct audit_new entry = {
		.who = who, .what = "events.explain", .target = target, .now_ms = now_ms
	};
	int64_t count;
	int r;

	buf_init(&body, 65536);
	r = db_run(db, err,
		   "UPDATE org_event SET standing = ?2 WHERE org = ?1 AND standing = 1",
		   DB_I(org), DB_I(EVENT_EXPLAINED));
	if (r < 0)
		return r;
	count = db_changes(db);
	if (!count)
		return err_set(err, ERR_NOT_FOUND,
			       "organisation %s: nothing was done under our key that our "
			       "journal does not know",
			       name);
	(void)db_next_change(db);
	(void)snprintf(target, sizeof(target), "organisation %.180s", name);
	buf_addf(&body, "{\"events\":%lld,\"why\":", (long long)count);
	buf_add_json(&body, str_of(why));
	buf_add_char(&body, '}');
	r = buf_fault(&body, err, "the audit entry");
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	if (r == 0)
		*ret = count;
	return r;
}

/* --- what others give back ------------------------------------------------------------------
 */

/* A seat comes back by a role, or by a group that gives its product; access by being restored.
 * Of a group that is not told any may be meant. */
static const char returns_sql[] =
	"SELECT d.account, d.kind, d.product, d.site, d.state_ms, max(e.at_ms),"
	" coalesce((SELECT a.id FROM account a WHERE a.org = ?1 AND a.account_id = e.actor), 0)"
	" FROM org_event e CROSS JOIN action d ON d.account = e.account AND d.account > 0"
	" WHERE e.org = ?1 AND e.account BETWEEN ?5 AND ?6 AND e.gives > 0 AND e.standing <> ?3"
	" AND d.state = ?4 AND d.state_ms >= ?2 AND d.state_ms < e.at_ms"
	" AND ((e.gives = 2 AND d.kind IN ('suspend', 'deactivate'))"
	" OR (e.gives = 1 AND d.kind = 'free-seat' AND (e.grp = '' OR EXISTS (SELECT 1 FROM"
	" org_group g JOIN org_grant t ON t.org = ?1 AND t.grp = g.id JOIN product o ON"
	" o.id = t.product WHERE g.org = ?1 AND g.group_id = e.grp AND o.key = d.product AND"
	" o.site = d.site))))"
	" AND NOT EXISTS (SELECT 1 FROM action n WHERE n.account = d.account AND n.account > 0"
	" AND n.kind = d.kind AND n.product = d.product AND n.site = d.site AND n.state = ?4"
	" AND n.state_ms > d.state_ms AND n.state_ms < e.at_ms)"
	" GROUP BY d.plan, d.n ORDER BY d.account, d.kind, d.product, d.site, d.state_ms, "
	"d.plan,"
	" d.n";

int events_returns(struct db *db, int64_t org, int64_t account, int64_t since_ms,
		   event_return_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err, returns_sql, DB_I(org), DB_I(since_ms),
			 DB_I(EVENT_UNPROVED), DB_I(ACTION_DONE), DB_I(account ? account : 1),
			 DB_I(account ? account : INT64_MAX));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct event_return row = { .account = db_int(q, 0),
						  .kind = db_text(q, 1),
						  .product = db_text(q, 2),
						  .site = db_text(q, 3),
						  .taken_ms = db_int(q, 4),
						  .at_ms = db_int(q, 5),
						  .by = db_int(q, 6) };

		r = fn(ctx, &row, err);
	}
	return r;
}

/* --- reading --------------------------------------------------------------------------------
 */

#define COLUMNS                                                                                \
	"SELECT e.event, e.account, e.at_ms, e.action, e.actor, e.grp, e.token, e.standing,"   \
	" e.doubt, (SELECT a.email FROM account a WHERE a.org = e.org AND a.account_id = "     \
	"e.actor),"                                                                            \
	" (SELECT g.name FROM org_group g WHERE g.org = e.org AND g.group_id = e.grp)"         \
	" FROM org_event e "

static int each(struct stmt *q, event_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct event_row row = { .event = db_text(q, 0),
					 .account = db_int(q, 1),
					 .at_ms = db_int(q, 2),
					 .action = db_text(q, 3),
					 .actor = db_text(q, 4),
					 .group = db_text(q, 5),
					 .token = db_text(q, 6),
					 .by = (enum event_by)db_int(q, 7),
					 .doubt = (enum event_doubt)db_int(q, 8),
					 .email = db_text(q, 9),
					 .name = db_text(q, 10) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int events_list(struct db *db, int64_t org, bool foreign_only, size_t most, event_fn fn,
		void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     COLUMNS "WHERE e.org = ?1 AND (?2 = 0 OR e.standing = 1)"
			     " ORDER BY e.at_ms DESC, e.event, e.account LIMIT ?3",
		     DB_I(org), DB_I(foreign_only),
		     DB_I(most > INT32_MAX ? -1 : (int64_t)most));
	return r < 0 ? r : each(q, fn, ctx, err);
}

int events_of(struct db *db, int64_t person, int64_t account, size_t most, event_fn fn,
	      void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     COLUMNS "WHERE e.account > 0 AND e.account IN (SELECT ?2 WHERE ?1 = 0"
			     " UNION SELECT account FROM account_link WHERE person = ?1 AND"
			     " ?1 > 0) ORDER BY e.at_ms DESC, e.event, e.account LIMIT ?3",
		     DB_I(person), DB_I(account), DB_I(most));
	return r < 0 ? r : each(q, fn, ctx, err);
}
