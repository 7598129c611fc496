/* Provisioning, judged again just before it is told: addresses, seats and the day's limit move
 * while a plan is carried out, and beside it. */
#include "base/conf.h"
#include "reconcile/policy_keys.h"
#include "tests/unit/plan_world.h"

#define HEAD                                                                                   \
	"now 2026-03-02T09:00:00Z\nround org=acme zone=UTC\n"                                  \
	"source hr role=hr\nsource corp role=directory\n"                                      \
	"provisioning dir-5 issuer=hr\nteam jira-users when=\"title pr\"\n"                    \
	"record hr 1 person=1 externalId=e1 userName=ada@x.example "                           \
	"emails.value=ada@x.example title=Clerk\n"                                             \
	"record hr 2 person=2 externalId=e2 userName=bob@x.example "                           \
	"emails.value=bob@x.example title=Clerk\n"                                             \
	"person 1\nperson 2\n"                                                                 \
	"account a1 number=101 person=1 synced=yes\n"                                          \
	"account a2 number=102 person=2 synced=yes\n"                                          \
	"account a3 number=103 managed=no\naccount a4 number=104 managed=no\n"                 \
	"product jira@acme capacity=2\n"                                                       \
	"group g1 name=jira-users synced=yes modifiable=no\ngrant g1 jira@acme\n"              \
	"scim-group t1 name=jira-users\n"                                                      \
	"seat a3 jira@acme last=2026-03-01 added=2026-01-01\n"
#define KNOWN                                                                                  \
	"scim-user s1 account=a1 externalId=e1 userName=ada@x.example email=ada@x.example "    \
	"title=Clerk\n"                                                                        \
	"scim-user s2 account=a2 externalId=e2 userName=bob@x.example email=bob@x.example "    \
	"title=Clerk\n"
#define FULL "seat a4 jira@acme last=2026-03-01 added=2026-01-01\n"
#define DRIFTED                                                                                \
	"scim-user s1 account=a1 externalId=e1 userName=ada@old.example "                      \
	"email=ada@old.example title=Clerk\nscim-member s1 t1\n"                               \
	"scim-user s2 account=a2 externalId=e2 userName=bob@x.example email=bob@x.example "    \
	"title=Clerk\n"

static void world_policy(const struct plan_world *w, struct policy **ret)
{
	CLEANUP(free_at) struct policy_provision_group_conf *groups = NULL;
	struct policy_provision_conf provision;
	struct policy_conf conf = { 0 };
	struct conf_faults faults = { 0 };
	struct err err;

	assert_true(world_provision_conf(w, &provision, &groups));
	assert_ok(conf_read_text("test", STR("{}\n"), policy_keys, &conf, &faults, &err), &err);
	conf.provision = &provision;
	conf.provision_count = 1;
	assert_ok(policy_bind(&conf, &faults, ret, &err), &err);
	conf_free(policy_keys, &conf);
	conf_faults_free(&faults);
}

/* Twenty others who were told of today. */
static void many(char *into, size_t room)
{
	size_t at = (size_t)snprintf(into, room, "%s%s", HEAD, KNOWN);

	for (int i = 0; i < 20; i++)
		at += (size_t)snprintf(
			into + at, room - at,
			"record hr p%d person=%d\nperson %d\n"
			"account p%d number=%d person=%d\n"
			"counted provision %d person=%d at=2026-03-02T08:00:00Z\n",
			i, 500 + i, 500 + i, i, 700 + i, 500 + i, 700 + i, 500 + i);
}

struct row {
	const char *text; /* NULL: many() */
	enum action_kind kind;
	bool beside;
	const char *released; /* it was held by that, and somebody released it */
	enum judge_verdict verdict;
	const char *guard;
};

static void judge(const struct row *row, struct judgement *ret)
{
	CLEANUP(policy_free_at) struct policy *policy = NULL;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	static const char *const said[] = { "as it was when it was planned" };
	static char text[32768];
	struct plan_world w;
	struct err err;
	struct action_identity action = {
		.kind = row->kind,
		.rule = row->kind == ACTION_UPDATE_PROFILE ? "provision-update"
							   : "provision-groups",
		.person = 1,
		.account = 101,
		.beside = row->beside,
		.held_by = &row->released,
		.says = said,
		.held_count = row->released != NULL,
	};

	many(text, sizeof(text));
	world_read(&w, row->text ? row->text : text);
	world_policy(&w, &policy);
	world_facts(&w, policy, &facts);
	world_free(&w);
	assert_ok(reconcile_judge(facts, policy, &action, ret, &err), &err);
}

static void test_seats_limit_and_addresses_are_judged_again(void **state)
{
	static const struct row rows[] = {
		{ HEAD KNOWN, ACTION_JOIN_GROUPS, true, NULL, JUDGE_WANTED, NULL },
		/* the last seat went to somebody else since */
		{ HEAD KNOWN FULL, ACTION_JOIN_GROUPS, true, NULL, JUDGE_HELD, "seats-out" },
		{ HEAD KNOWN FULL, ACTION_JOIN_GROUPS, true, "seats-out", JUDGE_HELD,
		  "seats-out" },
		/* whose facts are of one person only cannot tell */
		{ HEAD KNOWN FULL, ACTION_JOIN_GROUPS, false, NULL, JUDGE_WANTED, NULL },
		/* twenty were told of today: the limit is 20 */
		{ NULL, ACTION_JOIN_GROUPS, true, NULL, JUDGE_HELD, "provision-limit" },
		{ HEAD DRIFTED, ACTION_UPDATE_PROFILE, true, NULL, JUDGE_WANTED, NULL },
		/* another record took the address meanwhile: who is who is not known any more
		 */
		{ HEAD DRIFTED "scim-user s9 externalId=x9 userName=ada@x.example "
			       "email=ada@x.example\n",
		  ACTION_UPDATE_PROFILE, true, NULL, JUDGE_UNKNOWN, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct judgement judged;
		bool there = false;

		judge(&rows[i], &judged);
		if (judged.verdict != rows[i].verdict)
			fail_msg("row %zu: verdict %d: %s", i, judged.verdict, judged.text);
		for (size_t g = 0; g < judged.guard_count; g++) {
			if (!rows[i].guard || strcmp(judged.guards[g], rows[i].guard) != 0)
				continue;
			there = true;
			/* whoever released seats or the limit knew that numbers move */
			assert_int_equal(judged.fresh[g], rows[i].released == NULL);
		}
		assert_int_equal(there, rows[i].guard != NULL);
	}
}

#define STAYING                                                                                \
	"now 2026-03-17T09:00:00Z\nround org=acme zone=UTC\nsource hr role=hr\n"               \
	"provisioning dir-5 issuer=hr\nteam sales when=\"title pr\" overlap=336\n"             \
	"record hr 1 person=1 externalId=e1 userName=ada@x.example "                           \
	"emails.value=ada@x.example "
#define STAYER                                                                                 \
	"\nperson 1\naccount a1 number=101 person=1 synced=yes\nscim-group t1 name=sales\n"    \
	"scim-user s1 account=a1 externalId=e1 userName=ada@x.example email=ada@x.example "    \
	"title=Clerk\nscim-member s1 t1 "
#define CLERK "title=Clerk"
#define TITLE_UNKNOWN "title=?"

#define STAY_NOW 1773738000000LL /* 2026-03-17T09:00:00Z */
#define STAY_BEFORE (STAY_NOW - STAMP_DAY_MS)

/* The member of sales: title, what is remembered, and what there is to remember. */
static const struct {
	const char *text;
	size_t stays;
	bool news;
	int64_t ceased_ms;
} stays[] = {
	{ STAYING CLERK STAYER, 0, false, 0 },
	{ STAYING STAYER, 1, true, STAY_NOW },
	{ STAYING STAYER "ceased=2026-03-16T09:00:00Z", 1, false, STAY_BEFORE },
	/* it holds again: forgotten */
	{ STAYING CLERK STAYER "ceased=2026-03-16T09:00:00Z", 1, true, 0 },
	/* unknown neither begins nor ends it */
	{ STAYING TITLE_UNKNOWN STAYER "ceased=2026-03-16T09:00:00Z", 0, false, 0 },
	{ STAYING TITLE_UNKNOWN STAYER, 0, false, 0 },
};

static void stays_reconcile(const char *text, struct facts **facts, struct policy **policy,
			    struct reconcile_result **ret)
{
	struct plan_world w;
	struct err err;

	world_read(&w, text);
	world_policy(&w, policy);
	world_facts(&w, *policy, facts);
	world_free(&w);
	assert_ok(reconcile(*facts, *policy, ret, &err), &err);
}

static void test_a_round_says_what_is_to_be_remembered_of_who_stays_in_a_group(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(stays); i++) {
		CLEANUP(policy_free_at) struct policy *policy = NULL;
		CLEANUP(facts_free_at) struct facts *facts = NULL;
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
		const struct provision_stay *s;

		stays_reconcile(stays[i].text, &facts, &policy, &result);
		assert_int_equal(result->stays.n, stays[i].stays);
		assert_null(result->plans[PLAN_ROUTINE]);
		s = result->stays.v;
		if (!result->stays.n)
			continue;
		assert_int_equal(s->news, stays[i].news);
		assert_int_equal(s->ceased_ms, stays[i].ceased_ms);
		assert_int_equal(s->ends_ms,
				 s->ceased_ms ? s->ceased_ms + 14 * STAMP_DAY_MS : 0);
		assert_true(str_eq(s->user, STR("s1")) && str_eq(s->group, STR("t1")));
	}
}

/* As long as the overlap lasts, or while what the group wants is unknown, nobody is taken out
 * by a plan that was made before. */
static void test_who_leaves_a_group_is_judged_again_by_its_overlap(void **state)
{
	static const struct row rows[] = {
		{ STAYING STAYER, ACTION_LEAVE_GROUPS, false, NULL, JUDGE_NOT_WANTED, NULL },
		{ STAYING STAYER "ceased=2026-03-03T09:00:01Z", ACTION_LEAVE_GROUPS, false,
		  NULL, JUDGE_NOT_WANTED, NULL },
		{ STAYING STAYER "ceased=2026-03-03T09:00:00Z", ACTION_LEAVE_GROUPS, false,
		  NULL, JUDGE_WANTED, NULL },
		{ STAYING CLERK STAYER "ceased=2026-03-03T09:00:00Z", ACTION_LEAVE_GROUPS,
		  false, NULL, JUDGE_NOT_WANTED, NULL },
		{ STAYING TITLE_UNKNOWN STAYER "ceased=2026-03-03T09:00:00Z",
		  ACTION_LEAVE_GROUPS, false, NULL, JUDGE_UNKNOWN, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct judgement judged;

		judge(&rows[i], &judged);
		if (judged.verdict != rows[i].verdict)
			fail_msg("row %zu: verdict %d: %s", i, judged.verdict, judged.text);
	}
}

static void test_every_fault_of_memory_is_told(void **state)
{
	CLEANUP(policy_free_at) struct policy *policy = NULL;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	const struct action_identity action = { .kind = ACTION_JOIN_GROUPS,
						.rule = "provision-groups",
						.person = 1,
						.account = 101,
						.beside = true };
	struct plan_world w;
	bool done = false;

	(void)state;
	world_read(&w, HEAD KNOWN FULL);
	world_policy(&w, &policy);
	world_facts(&w, policy, &facts);
	world_free(&w);
	for (int at = 1; !done; at++) {
		struct judgement judged;
		struct err err;
		int r;

		fault_at(at);
		r = reconcile_judge(facts, policy, &action, &judged, &err);
		done = !fault_fired();
		assert_int_equal(r, done ? 0 : -ERR_NOMEM);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seats_limit_and_addresses_are_judged_again),
		cmocka_unit_test(
			test_a_round_says_what_is_to_be_remembered_of_who_stays_in_a_group),
		cmocka_unit_test(test_who_leaves_a_group_is_judged_again_by_its_overlap),
		cmocka_unit_test(test_every_fault_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
