/* Limits at their border: in a house of ten and in one of ten thousand, just as many as are
 * allowed pass, and one more holds the plan whole. */
#include "base/zone.h"
#include "reconcile/guard.h"
#include "tests/unit/plan_world.h"

#define HEAD                                                                                   \
	"now 2026-03-02T09:00:00Z\nround org=acme zone=UTC mode=propose\n"                     \
	"source hr role=hr\nsource corp role=directory\nsource okta role=idp kind=push\n"      \
	"product jira@acme\ngroup g1\ngrant g1 jira@acme\n"

#define OTHERS "record hr $ person=$\naccount a$ number=# person=$\n"

/* Whom the rule is about ($ is the number of a person, # of their account), everybody else,
 * and whom it was about already within the window. */
struct border {
	const char *guard;
	int urgency;
	const char *acted, *others, *past;
	unsigned most_of_ten, most_of_many, past_of_ten, past_of_many;
	const char *policy; /* lines of the section; NULL: as shipped */
};

#define LEAVES                                                                                 \
	"record hr $ person=$ employment.lastWorkingDay=2026-02-27\n"                          \
	"account a$ number=# person=$\n"
#define SEAT "seat a$ jira@acme last=2025-08-01 added=2025-01-01\nmember a$ g1\n"
#define WIDE_LEAVERS                                                                           \
	"limits:\n  leavers_day: { count: 9, share: 9 % }\n"                                   \
	"  leavers_week: { count: 9, share: 9 % }\n"

static const struct border borders[] = {
	{ "limit-leavers-day", PLAN_URGENT, LEAVES, OTHERS, NULL, 3, 200, 0, 0, NULL },
	{ "limit-leavers-week", PLAN_URGENT, LEAVES, OTHERS,
	  "counted leaver # person=$ at=2026-02-27T09:00:00Z\n", 6, 300, 3, 150, NULL },
	{ "limit-absence-day", PLAN_ROUTINE,
	  "record corp c$ person=$ state=gone since=2026-02-28T06:00:00Z\n"
	  "account a$ number=# person=$\n",
	  "record corp c$ person=$\naccount a$ number=# person=$\n", NULL, 2, 50, 0, 0, NULL },
	{ "limit-orphans-week", PLAN_ROUTINE, "account a$ number=# email=o$@x.example\n",
	  OTHERS, "counted orphan # at=2026-02-27T09:00:00Z\n", 3, 100, 1, 40, NULL },
	{ "limit-inactive-week", PLAN_ROUTINE,
	  OTHERS SEAT
	  "progress a$ inactive-jira warn product=jira@acme at=2026-02-01T09:00:00Z\n",
	  OTHERS "seat a$ jira@acme last=2026-03-01 added=2025-01-01\nmember a$ g1\n",
	  "counted inactive # person=$ at=2026-02-27T09:00:00Z product=jira@acme\n", 5, 500, 2,
	  100, NULL },
	{ "limit-push-hour", PLAN_URGENT,
	  "record okta u$ person=$ state=ended since=2026-03-02T08:30:00Z\n"
	  "account a$ number=# person=$\n",
	  "record okta u$ person=$\naccount a$ number=# person=$\n", NULL, 3, 50, 0, 0,
	  WIDE_LEAVERS },
	{ "limit-rule", PLAN_URGENT, LEAVES, OTHERS,
	  "counted leaver # person=$ rule=leaver-hr at=2026-03-01T12:00:00Z\n", 2, 100, 1, 30,
	  WIDE_LEAVERS "rules:\n- name: leaver-hr\n  limit: 2 or 1 % in 2d\n" },
	{ "limit-plan", PLAN_URGENT, LEAVES, OTHERS, NULL, 4, 120, 0, 0,
	  WIDE_LEAVERS "  plan: { count: 4, share: 1.2 % }\n" },
};

static void policy_of(const char *text, struct policy **ret)
{
	struct policy_conf conf = { 0 };
	struct conf_faults faults = { 0 };
	struct err err;

	assert_ok(conf_read_text("policy", str_of(text ? text : "{}\n"), policy_keys, &conf,
				 &faults, &err),
		  &err);
	assert_ok(policy_bind(&conf, &faults, ret, &err), &err);
	conf_free(policy_keys, &conf);
	conf_faults_free(&faults);
}

/* Lines of the table above, for so many people. */
static void lines_add(struct buf *into, const char *lines, unsigned from, unsigned n)
{
	for (unsigned i = from; lines && i < from + n; i++)
		for (const char *p = lines; *p; p++)
			if (*p == '$' || *p == '#')
				buf_addf(into, "%u", *p == '$' ? i : 100000 + i);
			else
				buf_add(into, p, 1);
}

/* In a house of so many, of whom so many are acted on now. */
static const struct plan_guard *limit_told(const struct border *b, unsigned house,
					   unsigned acted, unsigned past,
					   struct reconcile_result **result)
{
	CLEANUP(policy_free_at) struct policy *policy = NULL;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	CLEANUP(buf_done) struct buf text;
	struct plan_world w;
	struct err err;
	const struct plan *plan;

	buf_init(&text, 16 << 20);
	buf_add_text(&text, HEAD);
	lines_add(&text, b->acted, 1, acted);
	lines_add(&text, b->others, 1 + acted, house - acted);
	/* of the last: none of those that are acted on now */
	lines_add(&text, b->past, 1 + house - past, past);
	assert_int_equal(buf_fault(&text, &err, "a world"), 0);
	policy_of(b->policy, &policy);
	world_read(&w, text.p);
	world_facts(&w, policy, &facts);
	assert_ok(reconcile(facts, policy, result, &err), &err);
	world_free(&w);
	plan = (*result)->plans[b->urgency];
	assert_non_null(plan);
	for (size_t i = 0; i < plan->guards.n; i++)
		if (strcmp(plan->guards.v[i].name, b->guard) == 0)
			return &plan->guards.v[i];
	return NULL;
}

static const struct plan_guard *limit_seen(const struct border *b, unsigned house,
					   unsigned acted, unsigned past,
					   struct reconcile_result **result)
{
	const struct plan_guard *g = limit_told(b, house, acted, past, result);

	if (!g)
		fail_msg("%s says nothing", b->guard);
	return g;
}

static void border_walk(const struct border *b, unsigned house, unsigned most, unsigned past)
{
	for (unsigned more = 0; more <= 1; more++) {
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
		const struct plan_guard *g =
			limit_seen(b, house, most - past + more, past, &result);
		char count[32], allowed[32];

		(void)snprintf(count, sizeof(count), "%u ", most + more);
		(void)snprintf(allowed, sizeof(allowed), "allowed are %u ", most);
		if (g->verdict != (more ? GUARD_HOLD_PLAN : GUARD_PASS) ||
		    result->plans[b->urgency]->held != (more == 1) ||
		    strncmp(g->text, count, strlen(count)) != 0 || !strstr(g->text, allowed))
			fail_msg("%s, a house of %u, %u of %u: %s", b->guard, house,
				 most + more, most, g->text);
		/* what it saw, and what would release it */
		assert_true(!more == !strstr(g->text, guards[guard_of(str_of(b->guard))].way));
		assert_int_equal(g->needs, more);
	}
}

static void test_in_a_house_of_ten_each_limit_lets_as_many_pass_and_not_one_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(borders); i++)
		border_walk(&borders[i], 10, borders[i].most_of_ten, borders[i].past_of_ten);
}

static void test_in_a_house_of_ten_thousand_the_share_is_the_border(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(borders); i++)
		border_walk(&borders[i], 10000, borders[i].most_of_many,
			    borders[i].past_of_many);
}

static void test_every_limit_of_the_table_has_a_border(void **state)
{
	/* bulk's has its own world, and a run its own clock: test_reconcile_bulk,
	 * test_bridge_applier */
	static const char *const elsewhere[] = { "limit-asked-day", "limit-run-time" };

	(void)state;
	for (int i = 0; i < GUARD_COUNT; i++) {
		bool there = strncmp(guards[i].name, "limit-", 6) != 0;

		for (size_t k = 0; k < COUNT_OF(borders); k++)
			there = there || strcmp(borders[k].guard, guards[i].name) == 0;
		for (size_t k = 0; k < COUNT_OF(elsewhere); k++)
			there = there || strcmp(elsewhere[k], guards[i].name) == 0;
		if (!there)
			fail_msg("%s has no border here", guards[i].name);
	}
}

static void
test_what_was_done_by_another_rule_or_too_long_ago_uses_no_limit_of_a_rule(void **state)
{
	struct border b = borders[6];

	(void)state;
	for (int i = 0; i < 2; i++) {
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;

		b.past = i ? "counted leaver # person=$ rule=leaver-push "
			     "at=2026-03-01T12:00:00Z\n"
			   : "counted leaver # person=$ rule=leaver-hr "
			     "at=2026-02-28T08:00:00Z\n";
		assert_int_equal(limit_seen(&b, 10, 2, 1, &result)->verdict, GUARD_PASS);
	}
}

/* Who was announced passes, and is not counted beside the others either. */
static void test_announced_people_use_up_neither_the_limit_of_a_rule_nor_of_a_plan(void **state)
{
	static const size_t rows[] = { 0, 6, 7 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
		struct border b = borders[rows[i]];
		const struct plan_guard *g;

		b.past = NULL;
		b.acted = "record hr $ person=$ employment.lastWorkingDay=2026-02-27\n"
			  "account a$ number=# person=$\nexpected $\n";
		g = limit_told(&b, 10, 8, 0, &result);
		assert_true(!g || (g->verdict == GUARD_PASS && strncmp(g->text, "0 ", 2) == 0));
		assert_false(result->plans[b.urgency]->held);
	}
}

static void test_a_limit_of_a_rule_that_is_none_is_refused_with_its_line(void **state)
{
	static const char *const wrong[] = {
		"five in 24h",      "5",    "5 in 8d",  "5 or 2 in 24h", "5 or % in 2d",
		"5 or 101 % in 1d", "5 in", "-1 in 1d", "5 within 2d"
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct policy_conf conf = { 0 };
		struct conf_faults faults = { 0 };
		struct policy *policy = NULL;
		struct err err;
		char text[160];

		(void)snprintf(text, sizeof(text),
			       "rules:\n- name: leaver-hr\n  limit: \"%s\"\n", wrong[i]);
		assert_ok(conf_read_text("p.yaml", str_of(text), policy_keys, &conf, &faults,
					 &err),
			  &err);
		assert_int_equal(policy_bind(&conf, &faults, &policy, &err), -ERR_CONFIG);
		assert_int_equal(faults.n, 1);
		assert_non_null(strstr(faults.v[0], "limit"));
		assert_non_null(strstr(faults.v[0], wrong[i]));
		conf_free(policy_keys, &conf);
		conf_faults_free(&faults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_in_a_house_of_ten_each_limit_lets_as_many_pass_and_not_one_more),
		cmocka_unit_test(test_in_a_house_of_ten_thousand_the_share_is_the_border),
		cmocka_unit_test(test_every_limit_of_the_table_has_a_border),
		cmocka_unit_test(
			test_what_was_done_by_another_rule_or_too_long_ago_uses_no_limit_of_a_rule),
		cmocka_unit_test(
			test_announced_people_use_up_neither_the_limit_of_a_rule_nor_of_a_plan),
		cmocka_unit_test(test_a_limit_of_a_rule_that_is_none_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
