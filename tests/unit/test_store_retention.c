#include "tests/lib/store_world.h"

#include "store/persons.h"
#include "store/retention.h"

#define DAY 86400000LL
#define SQL_OLD "1"             /* 1970 */
#define SQL_NEW "1795338000000" /* now */
#define BEFORE (NOW - 100 * DAY)

/* One page after another, at most so many rows each; how many went or were counted. */
static int64_t run(struct world *w, enum retention_kind kind, bool remove, size_t most)
{
	struct retention_page page = { .kind = kind,
				       .before_ms = BEFORE,
				       .now_ms = NOW,
				       .most = most,
				       .remove = remove,
				       .more = true };
	struct err err = { 0 };
	int64_t all = 0;
	int guard = 0;

	while (page.more) {
		if (remove)
			WRITE(w, retention_page(db, &page, &err));
		else
			READ(w, retention_page(db, &page, &err));
		all += page.rows;
		assert_true(++guard < 1000);
	}
	return all;
}

/* --- plans ----------------------------------------------------------------------------------
 */

#define PLAN(id, standing, state_ms)                                                           \
	"INSERT INTO plan (id, org, urgency, who, digest, standing, complete, held, "          \
	"created_ms,"                                                                          \
	" expires_ms, state_ms, actions, bytes) VALUES (" id ", 'acme', 'routine', 'round',"   \
	" x'00', " standing ", 1, 0, 1, 1, " state_ms ", 1, x'00');"                           \
	"INSERT INTO plan_value VALUES (" id ", 1, x'01', '{\"email\":\"ada@x\"}');"           \
	"INSERT INTO journal (org, plan, n, run, epoch, step, kind, open, op, args, key, "     \
	"result,"                                                                              \
	" text, ms) SELECT 'acme', " id ", 1, 1, 1, value, 0, 0, 'suspend', '{}', '', '', "    \
	"'', 1"                                                                                \
	" FROM json_each('[1,2,3,4,5]');"

static void test_of_plans_that_ended_long_ago_journal_and_values_go(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	world_meddle(&w, PLAN("1", "3", SQL_OLD)); /* done, old: goes */
	world_meddle(&w, PLAN("2", "3", SQL_NEW)); /* done, new */
	world_meddle(&w, PLAN("3", "2", SQL_OLD)); /* it runs */
	world_meddle(&w, PLAN("4", "6", SQL_OLD)); /* superseded, old: goes */
	world_meddle(&w, PLAN("5", "3", SQL_OLD)); /* with an intent that nothing answered */
	world_meddle(&w, "UPDATE journal SET open = 1 WHERE plan = 5 AND step = 1");
	assert_int_equal(run(&w, RETENTION_JOURNAL, false, 1000), 12);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM journal"), 25);
	assert_int_equal(run(&w, RETENTION_JOURNAL, true, 3), 12); /* in steps */
	assert_int_equal(run(&w, RETENTION_JOURNAL, false, 1000), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM journal WHERE plan IN (1, 4)"),
			 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM journal"), 15);
	assert_int_equal(world_number(&w, "SELECT sum(plan) FROM plan_value WHERE json <> ''"),
			 2 + 3 + 5);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM plan"), 5); /* digests stay */
	world_close(&w);
}

/* id, end of the link, state, since when. */
#define REQUEST(id, end, state, since)                                                         \
	"INSERT INTO request VALUES (" id ", 'step" id "', 'acme', 1, 1, 7, 50, 'jira', '',"   \
	" 'idle', 1, " end ", " state ", " since ", 0, '');"

static void test_requests_that_are_over_go_with_the_journal(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	world_meddle(&w, REQUEST("1", SQL_OLD, "0", SQL_OLD));  /* never used: goes */
	world_meddle(&w, REQUEST("2", SQL_NEW, "0", SQL_OLD));  /* its link is good still */
	world_meddle(&w, REQUEST("4", SQL_OLD, "1", SQL_OLD));  /* somebody waits */
	world_meddle(&w, REQUEST("8", SQL_OLD, "2", SQL_OLD));  /* granted: goes */
	world_meddle(&w, REQUEST("16", SQL_OLD, "3", SQL_OLD)); /* refused: goes */
	world_meddle(&w, REQUEST("32", SQL_OLD, "2", SQL_NEW)); /* not long ago */
	assert_int_equal(run(&w, RETENTION_READS, true, 1000), 0);
	assert_int_equal(run(&w, RETENTION_JOURNAL, false, 1000), 3);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM request"), 6);
	assert_int_equal(run(&w, RETENTION_JOURNAL, true, 2), 3); /* in steps */
	assert_int_equal(world_number(&w, "SELECT sum(id) FROM request"), 2 + 4 + 32);
	assert_int_equal(run(&w, RETENTION_JOURNAL, false, 1000), 0);
	world_close(&w);
}

/* As long as a reading may last, which is too short for a look at each line by each line. */
static void test_a_long_journal_is_not_looked_through_for_each_of_its_lines(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	world_meddle(&w, PLAN("1", "3", SQL_OLD));
	world_meddle(&w, "INSERT INTO journal (org, plan, n, run, epoch, step, kind, open, op,"
			 " args, key, result, text, ms) WITH RECURSIVE many(i) AS (SELECT 1"
			 " UNION ALL SELECT i + 1 FROM many WHERE i < 80000) SELECT 'acme', 1,"
			 " i, 1, 1, 0, 0, 0, 'suspend', '{}', '', '', '', 1 FROM many");
	assert_int_equal(run(&w, RETENTION_JOURNAL, false, 2000), 2001);
	world_close(&w);
}

/* --- reads, events, activity
 * ------------------------------------------------------------------
 */

static void test_notes_of_reads_go_but_for_the_newest_and_the_accepted(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	world_meddle(&w,
		     "INSERT INTO source (id, name, kind, role, rank, state, state_ms,"
		     " read_no, accepted_read) VALUES (1, 's', 'ldap', 'directory', 0, 1, 1,"
		     " 9, 7)");
	world_meddle(&w, "INSERT INTO source_read (source, no, kind, begun_ms)"
			 " SELECT 1, value, 0, " SQL_OLD " FROM json_each('[5,6,7,8,9]')");
	world_meddle(&w, "INSERT INTO source_read (source, no, kind, begun_ms)"
			 " VALUES (1, 4, 0, " SQL_NEW ")");
	world_meddle(&w, "INSERT INTO org_event (org, event, account, at_ms, action,"
			 " actor, grp, token, standing) VALUES"
			 " (1, 'a', 0, " SQL_OLD ", 'x', 'bob', '', '', 0),"
			 " (1, 'b', 0, " SQL_OLD ", 'x', 'bob', '', '', 1)," /* holds plans */
			 " (1, 'c', 0, " SQL_NEW ", 'x', 'bob', '', '', 0)");
	assert_int_equal(run(&w, RETENTION_READS, false, 1000), 4);
	assert_int_equal(run(&w, RETENTION_READS, true, 2), 4);
	assert_int_equal(world_number(&w, "SELECT sum(no) FROM source_read"), 4 + 7 + 9);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM org_event WHERE event IN"
					  " ('b', 'c')"),
			 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM org_event"), 2);
	world_close(&w);
}

#define ACCOUNT(id, live, active)                                                              \
	"INSERT INTO account SELECT " id ", 1, 'acc" id "', '', 'a@x', 'a@x', 'A', '', '', "   \
	"1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, " active ", " active ", 0, '', '', x'aa', " live  \
	", x'01', 1, 1"

static void test_old_activity_of_accounts_that_left_goes(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	world_meddle(&w, ACCOUNT("1", "0", SQL_OLD)); /* goes */
	world_meddle(&w, ACCOUNT("2", "1", SQL_OLD)); /* is there: rules ask for it */
	world_meddle(&w, ACCOUNT("3", "0", SQL_NEW));
	world_meddle(&w, ACCOUNT("4", "0", "-1")); /* known to be absent */
	assert_int_equal(run(&w, RETENTION_ACTIVITY, true, 10), 1);
	assert_int_equal(world_number(&w, "SELECT last_active_ms FROM account WHERE id = 1"),
			 0);
	assert_int_equal(world_number(&w, "SELECT length(hash) FROM account WHERE id = 1"), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account"
					  " WHERE last_active_ms <> 0 AND length(hash) > 0"),
			 3);
	world_close(&w);
}

/* --- people
 * -----------------------------------------------------------------------------------
 */

/* A person with one record. */
static void person(struct world *w, const char *id, const char *record)
{
	char sql[1000];

	(void)snprintf(
		sql, sizeof(sql),
		"INSERT INTO person VALUES (%s, x'01', 0, 1, 1);"
		"INSERT INTO record (source, key, external_id, user_name, user_fold,"
		" display, version, created_ms, first_seen_ms, hash, unknown, doc, change,"
		" person, active, gone, deleted, modified_ms, absent_since_ms)"
		" SELECT 1, 'k%s', '', 'needle', 'needle', 'N', 1, 1, 1, x'01', '',"
		" '{\"a\":1}', 1, %s, column1, column2, column3, column4, column5"
		" FROM (VALUES %s)",
		id, id, id, record);
	world_meddle(w, sql);
}

static void test_people_who_left_long_ago_are_emptied_and_nobody_else(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct audit_report report;

	(void)state;
	world_open(&w);
	world_meddle(&w, "INSERT INTO source (id, name, kind, role, rank, state, state_ms)"
			 " VALUES (1, 's', 'scim', 'idp', 0, 1, 1)");
	/*              active gone deleted modified absent */
	person(&w, "1", "(1, 1, 0, " SQL_OLD ", " SQL_OLD ")"); /* gone: goes */
	person(&w, "2", "(0, 0, 1, " SQL_OLD ", 0)");           /* DELETE: goes */
	person(&w, "3", "(0, 0, 1, " SQL_NEW ", 0)");           /* not long ago */
	person(&w, "4", "(0, 0, 0, " SQL_OLD ", 0)");           /* still named by the source */
	person(&w, "5", "(0, 0, 1, " SQL_OLD ", 0)");           /* has an account */
	world_meddle(&w, ACCOUNT("50", "1", "1"));
	world_meddle(&w, "INSERT INTO account_link (account, person, rule, evidence, since_ms,"
			 " change) VALUES (50, 5, 'r', 'e', 1, 1)");
	person(&w, "6", "(0, 0, 1, " SQL_OLD ", 0)"); /* legal hold */
	world_meddle(&w, "INSERT INTO protection (kind, person, account, rule, owner, reason,"
			 " who, set_ms, from_ms, until_ms) VALUES ('legal-hold', 6, 0, '', 'o',"
			 " 'r', 'w', 1, 0, 0)");
	person(&w, "7", "(0, 0, 1, " SQL_OLD ", 0)"); /* a plan is about to act on them */
	world_meddle(&w, PLAN("1", "1", SQL_OLD));
	world_meddle(&w, "INSERT INTO action VALUES (1, 1, 'suspend', 'r', 'leaver', 7, 0, '',"
			 " '', 1, 0, 0, 0, 1, '')");
	person(&w, "8", "(0, 0, 1, " SQL_OLD ", 0)"); /* two records, one of them new */
	world_meddle(&w,
		     "INSERT INTO record (source, key, external_id, user_name, user_fold,"
		     " display, version, created_ms, first_seen_ms, hash, unknown, doc,"
		     " change, person, active, gone, deleted, modified_ms) VALUES (1, 'k8b',"
		     " '', 'n', 'n', 'N', 1, 1, 1, x'01', '', '{}', 1, 8, 1, 0, 0, 1)");
	world_meddle(&w,
		     "INSERT INTO person VALUES (9, x'01', 0, 1, 1)"); /* no record at all */

	assert_int_equal(run(&w, RETENTION_TOMBSTONES, false, 2), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM person WHERE state = 1"), 0);
	assert_int_equal(run(&w, RETENTION_TOMBSTONES, true, 2), 2);
	assert_int_equal(world_number(&w, "SELECT sum(id) FROM person WHERE state = 1"), 1 + 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record WHERE doc = '{}'"
					  " AND key IN ('k1', 'k2')"),
			 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit"
					  " WHERE what = 'person.expire'"),
			 2);
	assert_int_equal(run(&w, RETENTION_TOMBSTONES, true, 100), 0); /* once */
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	world_close(&w);
}

/* --- what is held
 * -----------------------------------------------------------------------------
 */

static int count_reader(void *ctx, const struct retention_reader *row, struct err *err)
{
	int64_t *sum = ctx;

	(void)err;
	assert_true(str_eq(row->who, STR("uid:ada")));
	*sum += row->times * (str_eq(row->what, STR("people.read seats")) ? 100 : 1);
	return 0;
}

static void test_each_kind_is_counted_and_who_read_is_told(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t sum = 0;

	(void)state;
	world_open(&w);
	world_meddle(&w, "INSERT INTO source (id, name, kind, role, rank, state, state_ms)"
			 " VALUES (1, 's', 'scim', 'idp', 0, 1, 1)");
	person(&w, "1", "(1, 0, 0, 5, 0)");
	world_meddle(&w,
		     "INSERT INTO protection (kind, person, account, rule, owner, reason, who,"
		     " set_ms, from_ms, until_ms) VALUES ('leave', 1, 0, '', 'HR', 'ill',"
		     " 'uid:ada', 7, 0, 0)");
	world_meddle(&w,
		     "INSERT INTO bar (person, account, rule, who, reason, set_ms, until_ms)"
		     " VALUES (1, 0, 'r', 'uid:ada', 'undone', 3, 0)");
	for (size_t i = 0; i < RETENTION_HELD; i++) {
		struct retention_held h = { 0 };

		READ(&w, retention_held(db, i, &h, &err));
		assert_true(h.kind && h.what && h.why);
		if (!strcmp(h.kind, "people")) {
			assert_int_equal(h.count, 1);
			assert_int_equal(h.oldest_ms, 1);
		} else if (!strcmp(h.kind, "protections")) {
			assert_int_equal(h.count, 2);
			assert_int_equal(h.oldest_ms, 3);
		} else {
			assert_int_equal(h.count, 0);
			assert_int_equal(h.oldest_ms, 0);
		}
	}
	for (int i = 0; i < 5; i++) {
		struct audit_new in = { .who = "uid:ada",
					.what = i < 3 ? "people.read" : "person.read",
					.target = i < 3 ? "seats" : "person 7",
					.person = i < 3 ? 0 : 7,
					.now_ms = i == 4 ? BEFORE : NOW };

		WRITE(&w, audit_add(db, &in, NULL, &err));
	}
	READ(&w, retention_readers(db, NOW - DAY, count_reader, &sum, &err));
	assert_int_equal(sum, 301);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_plans_that_ended_long_ago_journal_and_values_go),
		cmocka_unit_test(test_requests_that_are_over_go_with_the_journal),
		cmocka_unit_test(
			test_a_long_journal_is_not_looked_through_for_each_of_its_lines),
		cmocka_unit_test(test_notes_of_reads_go_but_for_the_newest_and_the_accepted),
		cmocka_unit_test(test_old_activity_of_accounts_that_left_goes),
		cmocka_unit_test(test_people_who_left_long_ago_are_emptied_and_nobody_else),
		cmocka_unit_test(test_each_kind_is_counted_and_who_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
