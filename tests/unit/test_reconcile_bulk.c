/* Bulk: rows become candidates of one plan, or answers that say why not. */
#include "reconcile/bulk.h"
#include "tests/unit/plan_world.h"

#define HEAD                                                                                   \
	"now 2026-03-03T09:00:00Z\n"                                                           \
	"source hr role=hr\nround org=acme mode=propose\n"

#define WORLD                                                                                  \
	HEAD "record hr 1 person=1 userName=ada\n"                                             \
	     "record hr 2 person=2 userName=bob employment.legalHold=true\n"                   \
	     "record hr 3 person=3 userName=cyd\n"                                             \
	     "account a1 number=101 person=1 email=ada@x.example name=Ada tokens=yes\n"        \
	     "account a2 number=102 person=2 email=bob@x.example status=suspended\n"           \
	     "account a3 number=103 person=3 email=cyd@x.example status=deactivated\n"         \
	     "account a4 number=104 person=3 email=two@x.example\n"                            \
	     "account a5 number=105 email=same@x.example\n"                                    \
	     "account a6 number=106 email=Same@X.example\n"                                    \
	     "account a7 number=107 managed=no\n"                                              \
	     "account a8 number=108 type=app email=robot@x.example\n"                          \
	     "account a9 number=109 admin=yes org_admin=yes\n"                                 \
	     "account b1 number=110 status=for_deletion\n"                                     \
	     "product jira@acme\nproduct confluence@acme\n"                                    \
	     "product jira@other\n"                                                            \
	     "group g1 name=Builders\ngroup g2 name=People synced=yes\n"                       \
	     "group g3 name=Twin\ngroup g4 name=twin\ngroup g5 name=Admins admin=yes\n"        \
	     "group g6 name=Empty\ngroup g7 name=Old\n"                                        \
	     "grant g1 jira@acme\n"                                                            \
	     "seat a1 jira@acme last=2026-03-01T00:00:00Z\nmember a1 g1\nmember a4 g7\n"

#define ROWS_MOST 16

struct scene {
	struct policy *policy;
	struct facts *facts;
	struct reconcile_result *result;
	const struct plan *plan; /* NULL where nothing is to be done */
	struct bulk_row rows[ROWS_MOST];
	struct bulk_answer answers[ROWS_MOST];
	struct bulk_request request;
};

static void scene_done(struct scene *s)
{
	reconcile_result_free(s->result);
	facts_free(s->facts);
	policy_free(s->policy);
}

static struct bulk_row row_of(enum bulk_op op, const char *who)
{
	struct bulk_row row = { .op = op };

	row.cells[BULK_WHO] = str_of(who);
	return row;
}

static struct bulk_row row_with(enum bulk_op op, const char *who, enum bulk_cell cell,
				const char *text)
{
	struct bulk_row row = row_of(op, who);

	row.cells[cell] = str_of(text);
	return row;
}

static void begin(struct scene *s, const char *text)
{
	struct plan_world w;
	struct err err;

	memset(s, 0, sizeof(*s));
	assert_ok(policy_bind(NULL, NULL, &s->policy, &err), &err);
	world_read(&w, text);
	world_facts(&w, s->policy, &s->facts);
	world_free(&w);
	s->request = (struct bulk_request){
		.rows = s->rows, .answers = s->answers, .reason = "closing", .by = "uid:ida"
	};
}

static void ask(struct scene *s, const struct bulk_row *rows, size_t n)
{
	struct err err;

	assert_true(n <= ROWS_MOST);
	if (n)
		memcpy(s->rows, rows, n * sizeof(*rows));
	for (size_t i = 0; i < n; i++)
		s->answers[i] = (struct bulk_answer){ .status = BULK_ELSEWHERE };
	s->request.n = n;
	reconcile_result_free(s->result);
	s->result = NULL;
	assert_ok(reconcile_bulk(s->facts, s->policy, &s->request, &s->result, &err), &err);
	assert_null(s->result->plans[PLAN_URGENT]);
	s->plan = s->result->plans[PLAN_ROUTINE];
}

#define ASK(s, ...)                                                                            \
	ask((s), (const struct bulk_row[]){ __VA_ARGS__ },                                     \
	    COUNT_OF(((const struct bulk_row[]){ __VA_ARGS__ })))

static const struct action *only(const struct scene *s)
{
	assert_non_null(s->plan);
	assert_int_equal(s->plan->actions.n, 1);
	return &s->plan->actions.v[0];
}

/* The plan's bytes must be read again as they were written. */
static void reads_again(const struct scene *s)
{
	CLEANUP(plan_free_at) struct plan *again = NULL;
	CLEANUP(buf_done) struct buf bytes;
	struct err err;

	buf_init(&bytes, PLAN_MAX_BYTES);
	assert_ok(plan_write(s->plan, &bytes, &err), &err);
	assert_ok(plan_parse(buf_str(&bytes), &again, &err), &err);
}

static bool held_by(const struct action *a, const char *guard)
{
	for (size_t i = 0; i < a->held_count; i++)
		if (strcmp(a->held_by[i], guard) == 0)
			return true;
	return false;
}

/* --- whom --- */

static void test_whoever_is_named_in_any_way_is_the_same_account(void **state)
{
	static const char *const names[] = { "a1", "ada@x.example", "ADA@X.EXAMPLE", "ada", "1",
					     "#1" };
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		ASK(&s, row_of(BULK_SUSPEND, names[i]));
		if (s.answers[0].status != BULK_PLANNED)
			fail_msg("%s: %s", names[i], s.answers[0].text);
		assert_int_equal(only(&s)->account, 101);
		assert_int_equal(only(&s)->person, 1);
	}
	assert_string_equal(plan_class_word(only(&s)->class), "asked");
	assert_string_equal(only(&s)->rule, ORDER_BULK);
	assert_non_null(strstr(only(&s)->reason, "closing"));
	reads_again(&s);
}

static void test_a_row_that_names_nobody_or_two_is_a_fault_that_says_where(void **state)
{
	static const struct {
		enum bulk_cell cell;
		const char *text, *says;
	} rows[] = {
		{ BULK_WHO, "nobody@x.example", "no account" },
		{ BULK_EMAIL, "same@x.example", "several accounts" },
		{ BULK_PERSON, "3", "2 accounts" },
		{ BULK_PERSON, "ada", "ledger's number" },
		{ BULK_ACCOUNT_ID, "A1", "no account" },
		{ BULK_WHO, "robot@x.example", "app's" },
		{ BULK_GROUP, "Builders", "names nobody" },
	};
	CLEANUP(scene_done) struct scene s;
	struct bulk_row two;

	(void)state;
	begin(&s, WORLD);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ASK(&s, row_with(BULK_SUSPEND, NULL, rows[i].cell, rows[i].text));
		assert_int_equal(s.answers[0].status, BULK_FAULTY);
		if (!strstr(s.answers[0].text, rows[i].says))
			fail_msg("%s: %s", rows[i].text, s.answers[0].text);
		assert_null(s.plan);
	}
	two = row_with(BULK_SUSPEND, NULL, BULK_ACCOUNT_ID, "a1");
	two.cells[BULK_EMAIL] = STR("bob@x.example");
	ASK(&s, two);
	assert_int_equal(s.answers[0].status, BULK_FAULTY);
	assert_int_equal(s.answers[0].cell, BULK_EMAIL);
}

static void test_one_fault_keeps_all_from_being_planned_unless_it_is_skipped(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct bulk_counts counts;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_of(BULK_SUSPEND, "a1"), row_of(BULK_SUSPEND, "nobody"),
	    row_of(BULK_SUSPEND, "a4"));
	assert_null(s.plan);
	bulk_count(&s.request, &counts);
	assert_int_equal(counts.v[BULK_FAULTY], 1);
	assert_int_equal(s.answers[0].n, 0);
	s.request.skip_faulty = true;
	ASK(&s, row_of(BULK_SUSPEND, "a1"), row_of(BULK_SUSPEND, "nobody"),
	    row_of(BULK_SUSPEND, "a4"));
	assert_int_equal(s.plan->actions.n, 2);
	assert_int_equal(s.answers[0].n, 1);
	assert_int_equal(s.answers[2].n, 2);
	s.request.dry = true;
	ASK(&s, row_of(BULK_SUSPEND, "a1"));
	assert_null(s.plan);
	assert_int_equal(s.answers[0].status, BULK_PLANNED);
}

static void test_nobody_here_is_no_fault_while_other_organisations_are_asked(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	s.request.others = true;
	ASK(&s, row_of(BULK_SUSPEND, "elsewhere"), row_of(BULK_SUSPEND, "a1"),
	    row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "theirs"));
	assert_int_equal(s.answers[0].status, BULK_ELSEWHERE);
	assert_int_equal(s.answers[1].status, BULK_PLANNED);
	assert_int_equal(s.answers[2].status, BULK_ELSEWHERE);
	assert_int_equal(s.answers[2].cell, BULK_GROUP);
	(void)only(&s);
}

/* --- what --- */

static void test_what_is_so_already_makes_no_action(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_of(BULK_SUSPEND, "a2"), row_of(BULK_DEACTIVATE, "a3"),
	    row_of(BULK_RESTORE, "a4"), row_of(BULK_ACTIVATE, "a1"),
	    row_of(BULK_REVOKE_TOKENS, "a4"), row_of(BULK_DELETE, "b1"),
	    row_with(BULK_FREE_SEAT, "a4", BULK_PRODUCT, "confluence"),
	    row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "builders"),
	    row_with(BULK_REMOVE_GROUP, "a4", BULK_GROUP, "g1"),
	    row_with(BULK_CHANGE_PROFILE, "a1", BULK_NAME, "Ada"),
	    row_with(BULK_CREATE_GROUP, NULL, BULK_GROUP, "BUILDERS"),
	    row_with(BULK_DROP_GROUP, NULL, BULK_GROUP, "gone"));
	for (size_t i = 0; i < s.request.n; i++)
		if (s.answers[i].status != BULK_ALREADY)
			fail_msg("row %zu: %s %s", i, bulk_status_word(s.answers[i].status),
				 s.answers[i].text ? s.answers[i].text : "");
	assert_null(s.plan);
}

static void
test_the_wrong_operation_for_a_status_is_a_fault_that_names_the_right_one(void **state)
{
	static const struct {
		enum bulk_op op;
		const char *who, *says;
	} rows[] = {
		{ BULK_ACTIVATE, "a2", "restored" },
		{ BULK_RESTORE, "a3", "activate" },
		{ BULK_ACTIVATE, "b1", "cancel-delete" },
	};
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ASK(&s, row_of(rows[i].op, rows[i].who));
		assert_int_equal(s.answers[0].status, BULK_FAULTY);
		assert_int_equal(s.answers[0].cell, BULK_OP);
		assert_non_null(strstr(s.answers[0].text, rows[i].says));
	}
}

static void test_rows_that_cannot_be_meant_together_are_faults(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_of(BULK_SUSPEND, "a1"), row_of(BULK_DEACTIVATE, "ada@x.example"));
	assert_int_equal(s.answers[0].status + s.answers[1].status, BULK_PLANNED + BULK_FAULTY);
	ASK(&s, row_with(BULK_CHANGE_PROFILE, "a1", BULK_NAME, "Ada B"),
	    row_with(BULK_CHANGE_PROFILE, "a1", BULK_NAME, "Ada C"));
	assert_int_equal(s.answers[1].status, BULK_FAULTY);
	ASK(&s, row_with(BULK_CREATE_GROUP, NULL, BULK_GROUP, "New"),
	    row_with(BULK_CREATE_GROUP, NULL, BULK_GROUP, "NEW"));
	assert_int_equal(s.answers[1].status, BULK_FAULTY);
	/* the same twice is one */
	ASK(&s, row_of(BULK_SUSPEND, "a1"), row_of(BULK_SUSPEND, "ada@x.example"));
	assert_int_equal(only(&s)->n, 1);
	assert_int_equal(s.answers[0].n, s.answers[1].n);
}

/* --- deletion --- */

static void test_deletion_takes_two_people_and_stops_at_a_hold(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD "protect legal-hold person=3 owner=law reason=case\n");
	ASK(&s, row_of(BULK_DELETE, "a1"));
	assert_int_equal(only(&s)->needs, 2);
	assert_int_equal(only(&s)->verdict, VERDICT_PASS);
	assert_int_equal(only(&s)->before.status, ACCOUNT_ACTIVE);
	assert_int_equal(only(&s)->after.status, ACCOUNT_DELETING);
	reads_again(&s);
	/* what a source tells, and what a person set */
	ASK(&s, row_of(BULK_DELETE, "a2"), row_of(BULK_DELETE, "a4"));
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(s.answers[i].status, BULK_HELD);
		assert_true(held_by(&s.plan->actions.v[i], "legal-hold"));
	}
	/* a hold stops nothing but deletion */
	ASK(&s, row_of(BULK_SUSPEND, "a4"));
	assert_int_equal(only(&s)->verdict, VERDICT_PASS);
}

static void test_a_deletion_is_judged_again_with_its_hold(void **state)
{
	static const struct {
		const char *more;
		uint64_t person, account;
		enum judge_verdict verdict;
	} rows[] = {
		{ "", 1, 101, JUDGE_WANTED },
		{ "protect legal-hold person=1 owner=law reason=case\n", 1, 101, JUDGE_HELD },
		{ "", 2, 102, JUDGE_HELD },
		{ "", 1, 104, JUDGE_NOT_WANTED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(scene_done) struct scene s;
		struct judgement judged;
		char text[8192];
		struct err err;
		const struct action_identity action = { .kind = ACTION_DELETE,
							.rule = ORDER_BULK,
							.person = rows[i].person,
							.account = rows[i].account };

		snprintf(text, sizeof(text), "%s%s", WORLD, rows[i].more);
		begin(&s, text);
		assert_ok(reconcile_judge(s.facts, s.policy, &action, &judged, &err), &err);
		assert_int_equal(judged.verdict, rows[i].verdict);
	}
}

/* --- groups --- */

static void test_groups_of_one_account_are_one_action_with_the_states_around_it(void **state)
{
	CLEANUP(scene_done) struct scene s;
	const struct action *a;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "Old"),
	    row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "Empty"),
	    row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "g7"));
	a = only(&s);
	assert_int_equal(a->kind, ACTION_ADD_GROUPS);
	assert_int_equal(a->step_count, 2);
	assert_int_equal(a->before.group_count, 0);
	assert_int_equal(a->after.group_count, 2);
	assert_true(a->before.paths && a->after.paths);
	assert_string_equal(a->steps[0].directory, "dir-1");
	reads_again(&s);
	ASK(&s, row_with(BULK_REMOVE_GROUP, "a1", BULK_GROUP, "Builders"));
	a = only(&s);
	assert_int_equal(a->before.group_count, 1);
	assert_int_equal(a->after.group_count, 0);
}

static void test_groups_that_are_not_ours_to_change_hold_the_action(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "People"));
	assert_true(held_by(only(&s), "impossible"));
	ASK(&s, row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "Admins"));
	assert_true(held_by(only(&s), "admin"));
	assert_int_equal(only(&s)->needs, 2);
	ASK(&s, row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "Twin"));
	assert_int_equal(s.answers[0].status, BULK_FAULTY);
	ASK(&s, row_with(BULK_ADD_GROUP, "a1", BULK_GROUP, "g3"));
	assert_int_equal(s.answers[0].status, BULK_PLANNED);
}

static void test_no_more_join_a_group_than_there_are_seats(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, HEAD "account a1 number=101\naccount a2 number=102\naccount a3 number=103\n"
		       "product jira@acme capacity=2\ngroup g1\ngrant g1 jira@acme\n"
		       "seat a1 jira@acme\nmember a1 g1\n");
	ASK(&s, row_with(BULK_ADD_GROUP, "a2", BULK_GROUP, "g1"));
	assert_int_equal(only(&s)->verdict, VERDICT_PASS);
	ASK(&s, row_with(BULK_ADD_GROUP, "a2", BULK_GROUP, "g1"),
	    row_with(BULK_ADD_GROUP, "a3", BULK_GROUP, "g1"));
	for (size_t i = 0; i < 2; i++)
		assert_true(held_by(&s.plan->actions.v[i], "seats-out"));
}

static void test_only_a_group_that_nobody_uses_is_dropped(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_with(BULK_DROP_GROUP, NULL, BULK_GROUP, "Empty"));
	assert_int_equal(only(&s)->kind, ACTION_DROP_GROUP);
	assert_int_equal(only(&s)->account, 0);
	assert_string_equal(only(&s)->steps[0].group, "g6");
	reads_again(&s);
	ASK(&s, row_with(BULK_DROP_GROUP, NULL, BULK_GROUP, "Old"));
	assert_non_null(strstr(s.answers[0].text, "members"));
	ASK(&s, row_with(BULK_DROP_GROUP, NULL, BULK_GROUP, "Builders"));
	assert_int_equal(s.answers[0].status, BULK_FAULTY);
	s.request.unused_groups = true;
	ask(&s, NULL, 0);
	assert_int_equal(s.plan->actions.n, 3); /* Empty, Twin, twin */
	assert_string_equal(s.plan->actions.v[0].steps[0].name, "Empty");
}

static void test_nobody_is_seen_in_a_group_of_which_not_all_was_read(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, "now 2026-03-03T09:00:00Z\nsource hr role=hr\n"
		  "round org=acme mode=propose complete=no doubt=\"page 3\"\ngroup g6\n");
	ASK(&s, row_with(BULK_DROP_GROUP, NULL, BULK_GROUP, "g6"));
	assert_true(held_by(only(&s), "org-incomplete"));
}

static void test_a_group_is_made_in_the_only_directory_that_there_is(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD);
	ASK(&s, row_with(BULK_CREATE_GROUP, NULL, BULK_GROUP, "New"),
	    row_with(BULK_CREATE_GROUP, NULL, BULK_GROUP, "Another"));
	assert_int_equal(s.plan->actions.n, 2);
	assert_string_equal(s.plan->actions.v[0].steps[0].name, "Another");
	assert_string_equal(s.plan->actions.v[0].steps[0].directory, "dir-1");
	assert_int_equal(s.answers[0].n, 2);
	reads_again(&s);
}

/* --- profiles --- */

static void test_a_profile_stands_in_the_values_never_in_the_bytes(void **state)
{
	CLEANUP(scene_done) struct scene s;
	CLEANUP(buf_done) struct buf bytes;
	struct bulk_row row;
	struct err err;

	(void)state;
	begin(&s, WORLD);
	row = row_with(BULK_CHANGE_PROFILE, "a1", BULK_NAME, "Ada Byron");
	row.cells[BULK_NEW_EMAIL] = STR("byron@x.example");
	ASK(&s, row);
	assert_int_equal(only(&s)->step_count, 2);
	assert_int_equal(only(&s)->after.provision, PROVISION_WANTED);
	buf_init(&bytes, PLAN_MAX_BYTES);
	assert_ok(plan_write(s.plan, &bytes, &err), &err);
	assert_null(memmem(bytes.p, bytes.len, "yron", 4));
	assert_non_null(strstr(s.result->values[PLAN_ROUTINE].v[0].json,
			       "\"wanted\":{\"email\":\"byron@x.example\","
			       "\"name\":\"Ada Byron\"}"));
	/* an address that somebody has, and one that is none */
	ASK(&s, row_with(BULK_CHANGE_PROFILE, "a1", BULK_NEW_EMAIL, "BOB@x.example"));
	assert_int_equal(s.answers[0].status, BULK_FAULTY);
	ASK(&s, row_with(BULK_CHANGE_PROFILE, "a1", BULK_NEW_EMAIL, "bob"));
	assert_int_equal(s.answers[0].status, BULK_FAULTY);
	/* whose address changes hands changes hands */
	ASK(&s, row_with(BULK_CHANGE_PROFILE, "a9", BULK_NEW_EMAIL, "new@x.example"));
	assert_true(held_by(only(&s), "admin"));
	ASK(&s, row_with(BULK_CHANGE_PROFILE, "a7", BULK_NAME, "Other"));
	assert_true(held_by(only(&s), "impossible"));
}

/* --- seats --- */

static void test_a_seat_is_freed_as_a_rule_would_and_judged_again_as_asked(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct action_identity action = { .kind = ACTION_FREE_SEAT,
					  .rule = ORDER_BULK,
					  .person = 1,
					  .account = 101,
					  .product = "jira",
					  .site = "acme" };
	const struct identity_seat with = { "confluence", "acme" };
	struct judgement judged;
	struct err err;

	(void)state;
	begin(&s, WORLD "grant g1 confluence@acme\nseat a1 confluence@acme\n");
	/* one alone cannot be freed: the group gives the other */
	ASK(&s, row_with(BULK_FREE_SEAT, "a1", BULK_PRODUCT, "confluence"));
	assert_true(held_by(only(&s), "impossible"));
	ASK(&s, row_with(BULK_FREE_SEAT, "a1", BULK_PRODUCT, "jira"));
	assert_int_equal(s.answers[0].status, BULK_FAULTY); /* which site? */
	assert_int_equal(s.answers[0].cell, BULK_SITE);
	s.request.skip_faulty = false;
	{
		struct bulk_row jira = row_with(BULK_FREE_SEAT, "a1", BULK_PRODUCT, "jira");

		jira.cells[BULK_SITE] = STR("acme");
		ASK(&s, jira, row_with(BULK_FREE_SEAT, "a1", BULK_PRODUCT, "confluence"));
	}
	assert_int_equal(s.plan->actions.n, 2);
	assert_int_equal(s.plan->actions.v[0].verdict, VERDICT_PASS);
	assert_int_equal(s.plan->actions.v[0].with_count, 1);
	assert_ok(reconcile_judge(s.facts, s.policy, &action, &judged, &err), &err);
	assert_int_equal(judged.verdict, JUDGE_HELD); /* alone, it takes the other along */
	action.with = &with;
	action.with_count = 1;
	assert_ok(reconcile_judge(s.facts, s.policy, &action, &judged, &err), &err);
	assert_int_equal(judged.verdict, JUDGE_WANTED);
}

/* --- limits and what is under way --- */

static void test_a_limit_of_its_own_holds_what_takes_and_not_what_gives(void **state)
{
	CLEANUP(scene_done) struct scene s;
	char text[16384];
	size_t at = (size_t)snprintf(text, sizeof(text), "%s", HEAD);
	struct bulk_row rows[3];

	(void)state;
	for (int i = 0; i < 40; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "account a%d number=%d status=%s\n", i, 200 + i,
				       i < 3 ? "active" : "suspended");
	for (int i = 0; i < 25; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "counted asked %d at=2026-03-02T20:00:00Z\n", 203 + i);
	begin(&s, text);
	rows[0] = row_of(BULK_SUSPEND, "a0");
	ask(&s, rows, 1);
	assert_true(s.plan->held);
	rows[0] = row_of(BULK_RESTORE, "a5");
	ask(&s, rows, 1);
	assert_false(s.plan->held);
}

static void test_what_an_approved_plan_is_about_to_do_is_left_to_it(void **state)
{
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, WORLD "open 7 1 urgency=urgent kind=suspend rule=leaver-hr person=1 "
			"account=101 approved=yes\n");
	ASK(&s, row_of(BULK_SUSPEND, "a1"));
	assert_int_equal(s.answers[0].status, BULK_PENDING);
	assert_null(s.plan);
}

static void test_every_fault_of_memory_is_told_and_nothing_is_lost(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct bulk_row rows[4];
	bool done = false;

	(void)state;
	begin(&s, WORLD);
	rows[0] = row_of(BULK_SUSPEND, "a1");
	rows[1] = row_with(BULK_ADD_GROUP, "a4", BULK_GROUP, "Empty");
	rows[2] = row_with(BULK_CHANGE_PROFILE, "a4", BULK_NAME, "New");
	rows[3] = row_with(BULK_CREATE_GROUP, NULL, BULK_GROUP, "New");
	memcpy(s.rows, rows, sizeof(rows));
	s.request.n = COUNT_OF(rows);
	for (int at = 1; !done; at++) {
		struct err err;
		int r;

		memset(s.answers, 0, sizeof(s.answers));
		fault_at(at);
		r = reconcile_bulk(s.facts, s.policy, &s.request, &s.result, &err);
		done = !fault_fired();
		if (!done)
			assert_int_equal(r, -ERR_NOMEM);
		else
			assert_int_equal(r, 0);
	}
	assert_int_equal(s.result->plans[PLAN_ROUTINE]->actions.n, 4);
}

/* --- as somebody else --- */

#define TEAM                                                                                   \
	HEAD "record hr 1 person=1 userName=ada\nrecord hr 2 person=2 userName=new\n"          \
	     "account a1 number=101 person=1 email=ada@x.example\n"                            \
	     "account a2 number=102 person=2 email=new@x.example\n"                            \
	     "account a3 number=103 email=idle@x.example\n"                                    \
	     "account a4 number=104 type=app email=robot@x.example\n"                          \
	     "product jira@acme\n"                                                             \
	     "group g1 name=Builders\ngroup g2 name=People synced=yes\n"                       \
	     "group g3 name=Admins admin=yes\ngroup g4 name=Choir\n"                           \
	     "group g5 name=Both\ngrant g1 jira@acme\n"                                        \
	     "member a1 g1\nmember a1 g2\nmember a1 g3\nmember a1 g4\nmember a1 g5\n"          \
	     "member a2 g5\n"

static void test_groups_are_copied_without_those_that_nobody_copies(void **state)
{
	CLEANUP(scene_done) struct scene s;
	const struct action *a;

	(void)state;
	begin(&s, TEAM);
	ASK(&s, row_with(BULK_COPY_GROUPS, "new@x.example", BULK_LIKE, "ada@x.example"));
	assert_int_equal(s.answers[0].status, BULK_PLANNED);
	a = only(&s);
	assert_int_equal(a->kind, ACTION_ADD_GROUPS);
	assert_int_equal(a->account, 102);
	assert_int_equal(a->verdict, VERDICT_PASS);
	assert_int_equal(a->step_count, 2);
	assert_string_equal(a->steps[0].name, "Builders");
	assert_string_equal(a->steps[1].name, "Choir");
	assert_string_equal(a->reason,
			    "asked for by uid:ida: closing; groups as of account 101, but not "
			    "Admins (it gives administrators their right), People (its members "
			    "come from the identity provider)");
	reads_again(&s);
	/* beside other rows about the same account, one action */
	ASK(&s, row_with(BULK_COPY_GROUPS, "a2", BULK_LIKE, "ada"),
	    row_with(BULK_ADD_GROUP, "a2", BULK_GROUP, "Builders"));
	assert_int_equal(only(&s)->step_count, 2);
	ASK(&s, row_with(BULK_COPY_GROUPS, "a2", BULK_LIKE, "a1"),
	    row_with(BULK_REMOVE_GROUP, "a2", BULK_GROUP, "Both"));
	assert_int_equal(s.plan->actions.n, 2);
}

static void test_what_is_no_example_is_not_copied(void **state)
{
	static const struct {
		const char *who, *like, *says;
	} rows[] = {
		{ "a2", "", "copy-groups takes whose" },
		{ "a2", "nobody@x.example", "no account of this organisation" },
		{ "a2", "a2", "nobody is like themselves" },
		{ "a2", "a4", "no example for people" },
	};
	CLEANUP(scene_done) struct scene s;

	(void)state;
	begin(&s, TEAM);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ASK(&s, row_with(BULK_COPY_GROUPS, rows[i].who, BULK_LIKE, rows[i].like));
		assert_int_equal(s.answers[0].status, BULK_FAULTY);
		assert_int_equal(s.answers[0].cell, BULK_LIKE);
		if (!strstr(s.answers[0].text, rows[i].says))
			fail_msg("%s: %s", rows[i].like, s.answers[0].text);
		assert_null(s.plan);
	}
	/* nothing to copy, and nothing that is not there already */
	ASK(&s, row_with(BULK_COPY_GROUPS, "a2", BULK_LIKE, "a3"));
	assert_int_equal(s.answers[0].status, BULK_ALREADY);
	ASK(&s, row_with(BULK_COPY_GROUPS, "a1", BULK_LIKE, "a2"));
	assert_int_equal(s.answers[0].status, BULK_ALREADY);
	assert_null(s.plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_are_copied_without_those_that_nobody_copies),
		cmocka_unit_test(test_what_is_no_example_is_not_copied),
		cmocka_unit_test(test_whoever_is_named_in_any_way_is_the_same_account),
		cmocka_unit_test(
			test_a_row_that_names_nobody_or_two_is_a_fault_that_says_where),
		cmocka_unit_test(
			test_one_fault_keeps_all_from_being_planned_unless_it_is_skipped),
		cmocka_unit_test(
			test_nobody_here_is_no_fault_while_other_organisations_are_asked),
		cmocka_unit_test(test_what_is_so_already_makes_no_action),
		cmocka_unit_test(
			test_the_wrong_operation_for_a_status_is_a_fault_that_names_the_right_one),
		cmocka_unit_test(test_rows_that_cannot_be_meant_together_are_faults),
		cmocka_unit_test(test_deletion_takes_two_people_and_stops_at_a_hold),
		cmocka_unit_test(test_a_deletion_is_judged_again_with_its_hold),
		cmocka_unit_test(
			test_groups_of_one_account_are_one_action_with_the_states_around_it),
		cmocka_unit_test(test_groups_that_are_not_ours_to_change_hold_the_action),
		cmocka_unit_test(test_no_more_join_a_group_than_there_are_seats),
		cmocka_unit_test(test_only_a_group_that_nobody_uses_is_dropped),
		cmocka_unit_test(test_nobody_is_seen_in_a_group_of_which_not_all_was_read),
		cmocka_unit_test(test_a_group_is_made_in_the_only_directory_that_there_is),
		cmocka_unit_test(test_a_profile_stands_in_the_values_never_in_the_bytes),
		cmocka_unit_test(
			test_a_seat_is_freed_as_a_rule_would_and_judged_again_as_asked),
		cmocka_unit_test(test_a_limit_of_its_own_holds_what_takes_and_not_what_gives),
		cmocka_unit_test(test_what_an_approved_plan_is_about_to_do_is_left_to_it),
		cmocka_unit_test(test_every_fault_of_memory_is_told_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
