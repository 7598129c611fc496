/* Waves and renewals: what is taken of a backlog, in which order, and what cannot be. */
#include "base/zone.h"
#include "reconcile/renewal.h"
#include "tests/unit/plan_world.h"

#define HEAD                                                                                   \
	"now 2026-03-02T09:00:00Z\nround org=acme zone=UTC\nsource hr role=hr\n"               \
	"source corp role=directory\nproduct jira@acme\ngroup g1\ngrant g1 jira@acme\n"

/* Persons 1 to 6 whom HR ended, 3 the longest ago; of 6 only the directory says so. */
#define LEAVERS                                                                                \
	HEAD "record hr 1 person=1 employment.lastWorkingDay=2026-02-27\n"                     \
	     "record hr 2 person=2 employment.lastWorkingDay=2026-02-26\n"                     \
	     "record hr 3 person=3 employment.lastWorkingDay=2026-01-15\n"                     \
	     "record hr 4 person=4 employment.lastWorkingDay=2026-02-25\n"                     \
	     "record hr 5 person=5 employment.lastWorkingDay=2026-02-24\n"                     \
	     "record corp c6 person=6 state=disabled since=2026-01-01\n"                       \
	     "account a1 number=101 person=1\naccount a2 number=102 person=2\n"                \
	     "account a3 number=103 person=3\naccount a4 number=104 person=4\n"                \
	     "account a5 number=105 person=5\naccount a6 number=106 person=6\n"

/* Seats that nobody uses: never, warned long ago, idle but not yet warned, in use, protected.
 */
#define SEATS                                                                                  \
	HEAD "record hr 1 person=1\nrecord hr 2 person=2\nrecord hr 3 person=3\n"              \
	     "record hr 4 person=4\nrecord hr 5 person=5\nrecord hr 6 person=6\n"              \
	     "account a1 number=101 person=1\nmember a1 g1\n"                                  \
	     "seat a1 jira@acme last=never added=2025-06-01\n"                                 \
	     "account a2 number=102 person=2\nmember a2 g1\n"                                  \
	     "seat a2 jira@acme last=2025-08-01 added=2025-01-01\n"                            \
	     "progress a2 inactive-jira warn product=jira@acme at=2026-02-01T09:00:00Z\n"      \
	     "account a3 number=103 person=3\nmember a3 g1\n"                                  \
	     "seat a3 jira@acme last=2025-07-01 added=2025-01-01\n"                            \
	     "protect exemption person=3 owner=ops reason=asked\n"                             \
	     "account a4 number=104 person=4\nmember a4 g1\n"                                  \
	     "seat a4 jira@acme last=2026-01-01 added=2025-01-01\n"                            \
	     "account a5 number=105 person=5\nmember a5 g1\n"                                  \
	     "seat a5 jira@acme last=2026-03-01 added=2025-01-01\n"                            \
	     "account a6 number=106 person=6\nmember a6 g1\n"                                  \
	     "seat a6 jira@acme last=? added=2025-01-01\n"

struct scene {
	struct plan_world world;
	struct policy_conf conf;
	struct policy *policy;
	struct facts *facts;
};

static void scene_make(struct scene *s, const char *world, const char *policy)
{
	struct conf_faults faults = { 0 };
	struct err err;

	*s = (struct scene){ .policy = NULL };
	world_read(&s->world, world);
	assert_ok(
		conf_read_text("p.yaml", str_of(policy), policy_keys, &s->conf, &faults, &err),
		&err);
	assert_ok(policy_bind(&s->conf, &faults, &s->policy, &err), &err);
	conf_faults_free(&faults);
	world_facts(&s->world, s->policy, &s->facts);
}

static void scene_done(struct scene *s)
{
	facts_free(s->facts);
	policy_free(s->policy);
	conf_free(policy_keys, &s->conf);
	world_free(&s->world);
}

/* "103 105 | taken 2 left 4 no-room 0 held 0 passes" */
static void wave_text(const char *policy, size_t most, char ret[256])
{
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	const struct wave_request request = { .most = most };
	struct wave_answer answers[PLAN_URGENCY_COUNT], *a = &answers[PLAN_URGENT];
	const struct plan *plan;
	uint64_t before = 0;
	struct scene s;
	struct err err;
	size_t at = 0;

	scene_make(&s, LEAVERS, policy);
	assert_ok(reconcile_wave(s.facts, s.policy, &request, answers, &result, &err), &err);
	plan = result->plans[PLAN_URGENT];
	ret[0] = '\0';
	for (size_t i = 0; plan && i < plan->actions.n; i++) {
		if (plan->actions.v[i].account != before)
			at += (size_t)snprintf(ret + at, 256 - at, "%llu ",
					       (unsigned long long)plan->actions.v[i].account);
		before = plan->actions.v[i].account;
	}
	(void)snprintf(ret + at, 256 - at, "| taken %zu left %zu no-room %zu held %zu%s",
		       a->taken, a->left, a->no_room, a->held,
		       plan && plan->held ? " WHOLE" : "");
	scene_done(&s);
}

static void test_a_wave_takes_the_surest_within_the_limits(void **state)
{
	static const struct {
		const char *policy;
		size_t most;
		const char *says;
	} cases[] = {
		/* HR before the directory, the longest ago first; numbers in the plan's order
		 */
		{ "limits: { leavers_day: { count: 3 }, leavers_week: { count: 6 } }\n", 2,
		  "103 105 | taken 2 left 4 no-room 0 held 0" },
		{ "limits: { leavers_day: { count: 3 }, leavers_week: { count: 6 } }\n", 9,
		  "103 104 105 | taken 3 left 3 no-room 3 held 0" },
		/* a limit that leaves nothing takes nobody */
		{ "limits: { leavers_day: { count: 0, share: 0 % }, leavers_week: { count: 6 } "
		  "}\n",
		  9, "| taken 0 left 6 no-room 6 held 0" },
		/* all of it fits in one plan: that is the round's */
		{ "limits: { leavers_day: { count: 9 }, leavers_week: { count: 9 } }\n", 9,
		  "| taken 0 left 0 no-room 0 held 0" },
		/* what is held is in no wave */
		{ "limits: { leavers_day: { count: 3 }, leavers_week: { count: 6 } }\n"
		  "protections: [{ name: x, for: person, when: leaveDate lt "
		  "\"2026-02-01T00:00:00Z\", owner: i, reason: r }]\n",
		  1, "105 | taken 1 left 4 no-room 0 held 1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[256];

		wave_text(cases[i].policy, cases[i].most, text);
		if (strcmp(text, cases[i].says) != 0)
			fail_msg("wave of %zu under %s is \"%s\", not \"%s\"", cases[i].most,
				 cases[i].policy, text, cases[i].says);
	}
}

static void renewal_text(size_t seats, const char *by, char ret[512])
{
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	struct renewal q = { .free = seats, .product = STR("jira"), .site = STR("") };
	const struct plan *plan;
	struct scene s;
	struct err err;
	size_t at = 0;

	assert_true(stamp_parse(str_of(by), &q.by_ms));
	scene_make(&s, SEATS, "change_hours: { on: false }\n");
	assert_ok(reconcile_renewal(s.facts, s.policy, &q, &result, &err), &err);
	for (size_t i = 0; i < q.rows.n; i++) {
		const struct renewal_row *row = &q.rows.v[i];
		const struct row_seat *seat = &s.facts->seats.v[row->seat];
		char day[STAMP_TEXT_BYTES] = "never";

		if (row->free_ms)
			stamp_text(row->free_ms, day);
		at += (size_t)snprintf(
			ret + at, 512 - at, "%llu %s %s %.10s; ",
			(unsigned long long)s.facts->accounts.v[seat->account].number,
			renewal_sort_word(row->sort), renewal_state_word(row->state), day);
		assert_true(renewal_makes_it(row->state) != (row->why != NULL));
	}
	plan = result->plans[PLAN_ROUTINE];
	at += (size_t)snprintf(ret + at, 512 - at, "unknown %zu, not looked at %zu:", q.unknown,
			       q.in_use);
	for (size_t i = 0; plan && i < plan->actions.n; i++)
		at += (size_t)snprintf(ret + at, 512 - at, " %s %llu",
				       action_kinds[plan->actions.v[i].kind].word,
				       (unsigned long long)plan->actions.v[i].account);
	assert_null(result->plans[PLAN_URGENT]);
	vec_renewal_row_done(&q.rows);
	scene_done(&s);
}

static void test_a_renewal_says_which_seats_make_it_and_which_cannot(void **state)
{
	static const struct {
		size_t free;
		const char *by, *says;
	} cases[] = {
		/* enough is enough */
		{ 1, "2026-04-30T00:00:00Z",
		  "101 never used planned 2026-03-16; unknown 1, not looked at 4: warn 101" },
		/* a warning's fourteen days are not made shorter */
		{ 2, "2026-03-10T00:00:00Z",
		  "101 never used too late 2026-03-16; 103 idle too late 2026-03-16; "
		  "102 idle planned 2026-03-02; 104 idle no rule never; 105 idle no rule "
		  "never; "
		  "unknown 1, not looked at 0: free-seat 102" },
		/* idle long enough on April 2, warned then, free on April 16 */
		{ 9, "2026-04-30T00:00:00Z",
		  "101 never used planned 2026-03-16; 103 idle held 2026-03-16; "
		  "102 idle planned 2026-03-02; 104 idle later 2026-04-16; "
		  "105 idle no rule never; unknown 1, not looked at 0: free-seat 102 warn "
		  "101" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[512];

		renewal_text(cases[i].free, cases[i].by, text);
		if (strcmp(text, cases[i].says) != 0)
			fail_msg("%zu by %s:\n%s\nnot\n%s", cases[i].free, cases[i].by, text,
				 cases[i].says);
	}
}

static void test_lost_memory_ends_a_wave_and_a_renewal(void **state)
{
	const struct wave_request request = { .most = 2 };
	struct scene s, t;

	(void)state;
	scene_make(&s, LEAVERS, "limits: { leavers_day: { count: 3 } }\n");
	scene_make(&t, SEATS, "change_hours: { on: false }\n");
	for (long at = 1;; at++) {
		CLEANUP(reconcile_result_free_at) struct reconcile_result *wave = NULL;
		CLEANUP(reconcile_result_free_at) struct reconcile_result *renewal = NULL;
		struct renewal q = { .free = 9,
				     .product = STR("jira"),
				     .by_ms = t.facts->round.now_ms + 60 * STAMP_DAY_MS };
		struct wave_answer answers[PLAN_URGENCY_COUNT];
		struct err err;
		int r;

		fault_at(at);
		r = reconcile_wave(s.facts, s.policy, &request, answers, &wave, &err);
		if (r == 0)
			r = reconcile_renewal(t.facts, t.policy, &q, &renewal, &err);
		vec_renewal_row_done(&q.rows);
		if (!fault_fired()) {
			assert_int_equal(r, 0);
			break;
		}
		assert_true(r == -ERR_NOMEM || r == 0);
	}
	fault_at(0);
	scene_done(&s);
	scene_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wave_takes_the_surest_within_the_limits),
		cmocka_unit_test(test_a_renewal_says_which_seats_make_it_and_which_cannot),
		cmocka_unit_test(test_lost_memory_ends_a_wave_and_a_renewal),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	zone_done();
	return r;
}
