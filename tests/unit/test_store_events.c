/* What others changed, and what was done under our key that the journal does not know. */
#include "tests/lib/store_world.h"

#include "store/events.h"
#include "store/plans.h"

#define ORG 1

/* A plan of ours with one intent at NOW: remove account 70 of person 7 from group g-1; with its
 * outcome a second later, if there is one. *ret: the intent's line. */
static int64_t acted_as(struct world *w, const char *op, const char *args, int64_t account,
			const char *outcome)
{
	static const struct action_row one[] = { { .n = 1,
						   .kind = STR("free-seat"),
						   .rule = STR("inactive-jira"),
						   .class_ = STR("inactive"),
						   .person = 7,
						   .account = 70,
						   .due_ms = NOW } };
	static const struct plan_value value[] = { { STR("0123456789abcdef"), STR("{}") } };
	struct action_row action = one[0];
	int64_t seq = 0;
	struct plan_new in = { .org = "acme",
			       .urgency = "routine",
			       .bytes = STR("{}"),
			       .who = "round",
			       .expires_ms = NOW + STAMP_DAY_MS,
			       .actions = &action,
			       .action_count = 1,
			       .values = value,
			       .now_ms = NOW };
	struct journal_line line = { .n = 1, .step = 1, .op = str_of(op), .ms = NOW };
	struct err err = { 0 };

	action.account = account;
	WRITE(w, plans_save(db, &in, &line.plan, &err));
	line.epoch = store_epoch(w->store);
	WRITE(w, plans_run_begin(db, line.plan, line.epoch, "round", NOW, &line.run, &err));
	line.kind = JOURNAL_BEGIN;
	WRITE(w, plans_journal(db, &line, "round", NULL, &err));
	line.kind = JOURNAL_INTENT;
	line.args = str_of(args);
	WRITE(w, plans_journal(db, &line, "round", &seq, &err));
	if (outcome) {
		line.kind = JOURNAL_OUTCOME;
		line.result = str_of(outcome);
		line.ms = NOW + 1000;
		WRITE(w, plans_journal(db, &line, "round", NULL, &err));
	}
	return seq;
}

static int64_t acted(struct world *w, const char *op)
{
	return acted_as(w, op, "{\"group\":\"g-1\"}", 70, NULL);
}

struct found {
	int n;
	struct event_intent last;
	char op[32];
};

static int count(void *ctx, const struct event_intent *row, struct err *err)
{
	struct found *f = ctx;

	(void)err;
	f->n++;
	f->last = *row;
	snprintf(f->op, sizeof(f->op), STR_FMT, STR_ARG(row->op));
	return 0;
}

static void test_an_intent_fits_by_account_group_and_time(void **state)
{
	static const struct {
		int64_t account;
		const char *group;
		int64_t at_ms;
		bool others;
		int n;
	} cases[] = {
		{ 70, "g-1", NOW, false, 1 },
		{ 70, "", NOW + 20 * STAMP_MINUTE_MS, false, 1 }, /* under way for long */
		{ 70, "", NOW - 5 * STAMP_MINUTE_MS, false, 1 },  /* clocks differ */
		{ 70, "", NOW - 6 * STAMP_MINUTE_MS, false, 0 },  /* before our intent */
		{ 70, "", NOW + 26 * STAMP_MINUTE_MS, false, 0 },
		{ 70, "g-2", NOW, false, 0 }, /* another group */
		{ 70, "g-", NOW, false, 0 },  /* an id that only begins so */
		{ 71, "g-1", NOW, false, 0 }, /* another account */
		{ 71, "", NOW, false, 0 },
		{ 0, "g-1", NOW, false, 1 }, /* the group alone was told */
		{ 0, "g-1", NOW, true, 0 },  /* beside somebody whom we do not know */
		{ 0, "g-2", NOW, false, 0 },
		{ 0, "", NOW, false, 0 }, /* of nobody: of no change in particular */
		{ 0, "", NOW, true, 0 },
	};
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	acted(&w, "remove-group");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct event_subject of = { cases[i].account, str_of(cases[i].group),
						  cases[i].others, cases[i].at_ms };
		struct found found = { 0 };
		struct err err = { 0 };

		READ(&w, events_intents(db, "acme", ORG, &of, count, &found, &err));
		if (found.n != cases[i].n)
			fail_msg("case %zu: %d", i, found.n);
	}
	world_close(&w);
}

static void test_an_outcome_ends_the_time_and_a_refusal_is_no_change(void **state)
{
	static const struct {
		const char *outcome;
		int64_t at_ms;
		int n;
		bool done;
	} cases[] = {
		{ "ok", NOW, 1, true },
		{ "ok", NOW + 1000 + 5 * STAMP_MINUTE_MS, 1, true },
		{ "ok", NOW + 2000 + 5 * STAMP_MINUTE_MS, 0, false }, /* it was done by then */
		{ "unknown", NOW, 1, false },
		{ "refused", NOW, 0, false }, /* then somebody else did it */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w = { 0 };
		const struct event_subject of = { 70, STR(""), false, cases[i].at_ms };
		struct found found = { 0 };
		struct err err = { 0 };
		int64_t seq;

		world_open(&w);
		seq = acted_as(&w, "suspend", "{}", 70, cases[i].outcome);
		READ(&w, events_intents(db, "acme", ORG, &of, count, &found, &err));
		if (found.n != cases[i].n || (found.n && found.last.done != cases[i].done))
			fail_msg("case %zu: %d", i, found.n);
		if (found.n)
			assert_int_equal(found.last.seq, seq);
		world_close(&w);
	}
}

static void test_a_group_as_such_fits_by_its_id_or_the_name_we_gave_it(void **state)
{
	static const struct {
		const char *op, *args, *group;
		int64_t account;
		int n;
	} cases[] = {
		{ "make-group", "{\"name\":\"Staff\"}", "g-new", 0, 1 },
		{ "make-group", "{\"name\":\"Others\"}", "g-new", 0, 0 },
		{ "make-group", "{\"name\":\"Staff\"}", "g-far", 0, 0 }, /* not collected yet */
		{ "drop-group", "{\"group\":\"g-new\"}", "g-new", 0, 1 },
		{ "drop-group", "{\"group\":\"g-old\"}", "g-new", 0, 0 },
		{ "add-group", "{\"group\":\"g-1\"}", "g-new", 0, 0 },
		{ "scim-make-group", "{\"name\":\"Staff\"}", "g-new", 0, 1 },
		/* groups of the provisioning directory have ids of their own */
		{ "scim-join", "{\"group\":\"s-9\"}", "g-1", 70, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w = { 0 };
		const struct event_subject of = { cases[i].account, str_of(cases[i].group),
						  false, NOW };
		struct found found = { 0 };
		struct err err = { 0 };

		world_open(&w);
		acted_as(&w, cases[i].op, cases[i].args, cases[i].account, NULL);
		WRITE(&w, db_run(db, &err,
				 "INSERT INTO org_group (org, group_id, name, directory,"
				 " synced, modifiable, admin, live) VALUES (?1, 'g-new',"
				 " 'Staff', '', 0, 0, 0, 1)",
				 DB_I(ORG)));
		READ(&w, events_intents(db, "acme", ORG, &of, count, &found, &err));
		if (found.n != cases[i].n)
			fail_msg("case %zu: %d", i, found.n);
		if (found.n)
			assert_string_equal(found.op, cases[i].op);
		world_close(&w);
	}
}

/* --- whose key --- */

static int key_note(void *ctx, const struct event_key *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "%s%s/%lld/%lld ", STR_ARG(row->token), row->proved ? "+" : "-",
		 row->directory ? "d" : "", (long long)row->claims, (long long)row->disputed);
	return 0;
}

static void keys_are(struct world *w, const char *expected)
{
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };

	buf_init(&b, 4096);
	READ(w, events_keys(db, ORG, key_note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, expected);
}

static void claims(struct world *w, const char *token, int64_t seq, bool directory)
{
	struct err err = { 0 };

	WRITE(w, events_claim(db, ORG, str_of(token), seq, directory, NOW, &err));
	WRITE(w, events_keys_judge(db, ORG, NOW, &err));
}

static void test_a_key_is_proved_by_a_claim_that_no_other_key_disputes(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	keys_are(&w, "");
	claims(&w, "key-1", 10, false);
	claims(&w, "key-1", 10, false); /* told twice is claimed once */
	keys_are(&w, "key-1+/1/0 ");
	claims(&w, "key-2", 10,
	       false); /* somebody else did the same: neither is proved by it */
	keys_are(&w, "key-1-/1/1 key-2-/1/1 ");
	claims(&w, "key-1", 11, false);
	keys_are(&w, "key-1+/2/1 key-2-/1/1 ");
	claims(&w, "key-s", 12, false); /* the standby key */
	claims(&w, "scim", 13, true);
	keys_are(&w, "key-1+/2/1 key-2-/1/1 key-s+/1/0 scim+d/1/0 ");
	/* a proof outlives its claims */
	WRITE(&w, events_prune(db, ORG, NOW + 1, 100, &err));
	WRITE(&w, events_keys_judge(db, ORG, NOW, &err));
	keys_are(&w, "key-1+/0/0 key-s+/0/0 scim+d/0/0 ");
	world_close(&w);
}

static struct event_row event(const char *id, int64_t account, int64_t at_ms, const char *token)
{
	return (struct event_row){ .event = str_of(id),
				   .account = account,
				   .at_ms = at_ms,
				   .action = STR("user_suspended"),
				   .actor = STR("a-boss"),
				   .token = str_of(token) };
}

static int note(void *ctx, const struct event_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "/%lld/%d/" STR_FMT " ", STR_ARG(row->event),
		 (long long)row->account, (int)row->by, STR_ARG(row->actor));
	return 0;
}

static void shows(struct world *w, bool foreign, const char *expected)
{
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };

	buf_init(&b, 65536);
	READ(w, events_list(db, ORG, foreign, 100, note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, expected);
}

static int64_t foreign(struct world *w)
{
	struct err err = { 0 };
	int64_t n = -1;

	READ(w, events_foreign(db, ORG, &n, &err));
	return n;
}

static void
test_the_key_once_known_makes_what_was_done_under_it_foreign_until_explained(void **state)
{
	struct world w = { 0 };
	struct event_row e[] = { event("e-1", 70, NOW, "key-1"),
				 event("e-2", 70, NOW - STAMP_DAY_MS, "key-1"),
				 event("e-3", 71, NOW, "key-2"), event("e-4", 71, NOW, ""),
				 event("e-5", 71, NOW, "key-1") };
	struct err err = { 0 };
	int64_t n = 0;

	(void)state;
	world_open(&w);
	e[4].by = EVENT_UNPROVED; /* the journal has it: it goes when the key is ours */
	for (size_t i = 0; i < COUNT_OF(e); i++)
		WRITE(&w, events_put(db, ORG, &e[i], &err));
	assert_int_equal(TRY_WRITE(&w, events_put(db, ORG, &e[0], &err)), STORE_UNCHANGED);
	assert_int_equal(foreign(&w), 0);
	WRITE(&w, events_token_is(db, ORG, STR("key-1"), NOW - STAMP_HOUR_MS, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(foreign(&w), 1);
	shows(&w, true, "e-1/70/1/a-boss ");
	/* what holds plans is not thrown away with what is old */
	WRITE(&w, events_prune(db, ORG, NOW + STAMP_DAY_MS, 10, &err));
	shows(&w, false, "e-1/70/1/a-boss ");
	WRITE(&w, events_explain(db, ORG, "acme", "uid:ada", "a script", NOW, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(foreign(&w), 0);
	shows(&w, false, "e-1/70/2/a-boss ");
	assert_fault(
		TRY_WRITE(&w, events_explain(db, ORG, "acme", "uid:ada", "x", NOW, &n, &err)),
		ERR_NOT_FOUND, &err, "acme");
	world_close(&w);
}

static void test_only_so_many_and_only_so_old_are_kept(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	char id[8];

	(void)state;
	world_open(&w);
	for (int i = 0; i < 6; i++) {
		struct event_row e;

		snprintf(id, sizeof(id), "e-%d", i);
		e = event(id, 70, NOW + i, "");
		WRITE(&w, events_put(db, ORG, &e, &err));
	}
	WRITE(&w, events_prune(db, ORG, NOW + 1, 100, &err));
	shows(&w, false,
	      "e-5/70/0/a-boss e-4/70/0/a-boss e-3/70/0/a-boss e-2/70/0/a-boss "
	      "e-1/70/0/a-boss ");
	WRITE(&w, events_prune(db, ORG, 0, 2, &err));
	shows(&w, false, "e-5/70/0/a-boss e-4/70/0/a-boss e-3/70/0/a-boss ");
	world_close(&w);
}

static void test_where_the_reading_stands_survives_a_restart(void **state)
{
	struct world w = { 0 };
	CLEANUP(event_reading_done) struct event_reading back = { 0 };
	struct event_reading at = { .since_ms = 1,
				    .cursor = (char *)(uintptr_t) "c-1",
				    .newest_ms = 2,
				    .read_ms = 3,
				    .gap_from_ms = 4,
				    .gap_to_ms = 5 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_int_equal(TRY_READ(&w, events_reading(db, ORG, &back, &err)), STORE_NOT_FOUND);
	WRITE(&w, events_reading_set(db, ORG, &at, &err));
	world_shut(&w);
	world_again(&w);
	READ(&w, events_reading(db, ORG, &back, &err));
	assert_string_equal(back.cursor, "c-1");
	assert_null(back.why);
	assert_true(back.since_ms == 1 && back.newest_ms == 2 && back.read_ms == 3 &&
		    back.gap_from_ms == 4 && back.gap_to_ms == 5);
	world_close(&w);
}

static void test_the_end_of_a_reading_moves_no_cursor_that_no_page_brought(void **state)
{
	struct world w = { 0 };
	CLEANUP(event_reading_done) struct event_reading first = { 0 };
	CLEANUP(event_reading_done) struct event_reading back = { 0 };
	struct event_reading page = { .since_ms = 1,
				      .cursor = (char *)(uintptr_t) "c-1",
				      .newest_ms = 2 };
	/* the page after it was read, and not stored */
	struct event_reading end = { .since_ms = 1,
				     .cursor = (char *)(uintptr_t) "c-2",
				     .newest_ms = 9,
				     .read_ms = 3,
				     .why = (char *)(uintptr_t) "the disk is full",
				     .gap_from_ms = 4,
				     .gap_to_ms = 5 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	WRITE(&w, events_reading_end(db, ORG, &end, &err));
	READ(&w, events_reading(db, ORG, &first, &err));
	assert_null(first.cursor);
	assert_true(first.since_ms == 1 && !first.newest_ms && first.read_ms == 3);
	WRITE(&w, events_reading_set(db, ORG, &page, &err));
	WRITE(&w, events_reading_end(db, ORG, &end, &err));
	READ(&w, events_reading(db, ORG, &back, &err));
	assert_string_equal(back.cursor, "c-1");
	assert_string_equal(back.why, "the disk is full");
	assert_true(back.since_ms == 1 && back.newest_ms == 2 && back.read_ms == 3 &&
		    back.gap_from_ms == 4 && back.gap_to_ms == 5);
	world_close(&w);
}

/* Each statement that fails leaves what was there, and the fault is told. */
static void test_each_statement_that_fails_is_told_and_keeps_nothing(void **state)
{
	struct world w = { 0 };
	struct event_row e = event("e-1", 70, NOW, "key-1");
	struct err err = { 0 };
	int64_t n;
	int nth = 0, r;
	bool fired;

	(void)state;
	world_open(&w);
	WRITE(&w, events_put(db, ORG, &e, &err));
	WRITE(&w, events_token_is(db, ORG, STR("key-1"), 0, &n, &err));
	do {
		struct db *db = NULL;

		driver_sqlite_fault_at(++nth);
		r = store_write_begin(w.store, &db, &err);
		if (r == 0) {
			r = events_explain(db, ORG, "acme", "uid:ada", "why", NOW, &n, &err);
			r = store_write_end(db, r, &err);
		}
		fired = driver_sqlite_fault_fired();
		if (r < 0)
			assert_int_equal(foreign(&w), 1);
	} while (fired && r < 0); /* one that fails after its commit fails nobody */
	assert_int_equal(r, 0);
	assert_true(nth > 3);
	assert_int_equal(foreign(&w), 0);
	world_close(&w);
}

static int return_note(void *ctx, const struct event_return *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld " STR_FMT " +%lld +%lld ", (long long)row->account,
		 STR_ARG(row->kind), (long long)(row->taken_ms - NOW),
		 (long long)(row->at_ms - NOW));
	return 0;
}

/* A seat of account 70 was freed at NOW; somebody gives it back, or something else. */
static void test_what_others_give_back_is_told_for_each_deed_of_ours(void **state)
{
	static const struct {
		const char *group;
		enum event_gives gives;
		enum event_by by;
		int64_t account, at_ms;
		enum action_state was;
		const char *told;
	} cases[] = {
		{ "", EVENT_GIVES_SEAT, EVENT_BY_OTHERS, 70, NOW + 5, ACTION_DONE,
		  "70 free-seat +0 +5 " },
		{ "", EVENT_GIVES_SEAT, EVENT_FOREIGN, 70, NOW + 5, ACTION_DONE,
		  "70 free-seat +0 +5 " },
		{ "", EVENT_GIVES_SEAT, EVENT_UNPROVED, 70, NOW + 5, ACTION_DONE,
		  "" }, /* we? */
		{ "", EVENT_GIVES_SEAT, EVENT_BY_OTHERS, 70, NOW + 5, ACTION_ALREADY, "" },
		{ "", EVENT_GIVES_SEAT, EVENT_BY_OTHERS, 70, NOW - 5, ACTION_DONE, "" },
		{ "", EVENT_GIVES_SEAT, EVENT_BY_OTHERS, 71, NOW + 5, ACTION_DONE, "" },
		{ "", EVENT_GIVES_ACCESS, EVENT_BY_OTHERS, 70, NOW + 5, ACTION_DONE, "" },
		{ "", EVENT_GIVES_NOTHING, EVENT_BY_OTHERS, 70, NOW + 5, ACTION_DONE, "" },
		/* a group that gives no such product */
		{ "g-9", EVENT_GIVES_SEAT, EVENT_BY_OTHERS, 70, NOW + 5, ACTION_DONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(buf_done) struct buf b;
		struct world w = { 0 };
		struct err err = { 0 };
		struct event_row e = event("e-1", cases[i].account, cases[i].at_ms, "");

		buf_init(&b, 4096);
		world_open(&w);
		acted(&w, "remove-group");
		WRITE(&w, db_run(db, &err, "UPDATE action SET state = ?1, state_ms = ?2",
				 DB_I(cases[i].was), DB_I(NOW)));
		e.gives = cases[i].gives;
		e.by = cases[i].by;
		e.group = str_of(cases[i].group);
		WRITE(&w, events_put(db, ORG, &e, &err));
		READ(&w, events_returns(db, ORG, i % 2 ? 0 : 70, NOW - STAMP_DAY_MS,
					return_note, &b, &err));
		buf_add_char(&b, '\0');
		if (strcmp(b.p, cases[i].told) != 0)
			fail_msg("case %zu: \"%s\"", i, b.p);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_intent_fits_by_account_group_and_time),
		cmocka_unit_test(test_an_outcome_ends_the_time_and_a_refusal_is_no_change),
		cmocka_unit_test(test_a_group_as_such_fits_by_its_id_or_the_name_we_gave_it),
		cmocka_unit_test(test_a_key_is_proved_by_a_claim_that_no_other_key_disputes),
		cmocka_unit_test(
			test_the_key_once_known_makes_what_was_done_under_it_foreign_until_explained),
		cmocka_unit_test(test_what_others_give_back_is_told_for_each_deed_of_ours),
		cmocka_unit_test(test_only_so_many_and_only_so_old_are_kept),
		cmocka_unit_test(test_where_the_reading_stands_survives_a_restart),
		cmocka_unit_test(
			test_the_end_of_a_reading_moves_no_cursor_that_no_page_brought),
		cmocka_unit_test(test_each_statement_that_fails_is_told_and_keeps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
