/* Undo: what deeds took is followed back, what somebody changed since is left alone. */
#include "reconcile/undo.h"
#include "tests/unit/plan_world.h"

#define HEAD                                                                                   \
	"now 2026-03-02T09:00:00Z\n"                                                           \
	"source hr role=hr\nround org=acme mode=propose\n"                                     \
	"record hr 1 person=1\n"                                                               \
	"account a1 number=101 person=1 adopted=yes admin=yes org_admin=yes\n"                 \
	"product jira@acme\n"                                                                  \
	"group g1\ngroup g2\ngroup g3\ngroup lead admin=yes\ngroup far synced=yes\n"

/* A deed: an action with one step for each letter of `done` ('x': done, '-': not). */
struct deed {
	struct action action;
	struct action_step steps[4];
	bool done[4];
};

static const char *const two_groups[] = { "g1", "g2" };
static const char *const one_group[] = { "g1" };
static const char *const one_role[] = { "atlassian/user" };

static struct undo_deed status_deed(struct deed *d, enum action_kind kind, enum step_op op,
				    enum account_status before, enum account_status after,
				    uint64_t plan, int64_t at_ms)
{
	*d = (struct deed){
		.action = { .n = 1,
			    .kind = kind,
			    .rule = "leaver-hr",
			    .class = PLAN_LEAVER,
			    .person = 1,
			    .account = 101,
			    .before = { .status = before },
			    .after = { .status = after },
			    .step_count = 1 },
		.steps = { { .op = op, .directory = "d1" } },
		.done = { true },
	};
	d->action.steps = d->steps;
	return (struct undo_deed){ plan, &d->action, d->done, at_ms };
}

/* A free-seat that was to take two groups and a role away. */
static struct undo_deed seat_deed(struct deed *d, const bool done[3], uint64_t plan,
				  int64_t at_ms)
{
	*d = (struct deed){
		.action = { .n = 2,
			    .kind = ACTION_FREE_SEAT,
			    .rule = "inactive-jira",
			    .class = PLAN_INACTIVE,
			    .person = 1,
			    .account = 101,
			    .product = "jira",
			    .site = "acme",
			    .before = { .groups = two_groups,
					.group_count = 2,
					.roles = one_role,
					.role_count = 1,
					.paths = true },
			    .after = { .paths = true },
			    .step_count = 3 },
		.steps = { { .op = STEP_REMOVE_GROUP, .group = "g1", .directory = "d1" },
			   { .op = STEP_REMOVE_GROUP, .group = "g2", .directory = "d1" },
			   { .op = STEP_REVOKE_ROLE,
			     .role = "atlassian/user",
			     .resource = "r" } },
	};
	memcpy(d->done, done, 3 * sizeof(*done));
	d->action.steps = d->steps;
	return (struct undo_deed){ plan, &d->action, d->done, at_ms };
}

struct scene {
	struct policy *policy;
	struct facts *facts;
	struct reconcile_result *result;
	const struct plan *plan; /* NULL where nothing comes back */
};

static void scene_done(struct scene *s)
{
	reconcile_result_free(s->result);
	facts_free(s->facts);
	policy_free(s->policy);
}

static void undo_in(struct scene *s, const char *world, const struct undo_deed *deeds, size_t n)
{
	struct undo_request request = {
		.deeds = deeds, .n = n, .reason = "wrong date", .by = "uid:ida"
	};
	struct plan_world w;
	struct err err;

	memset(s, 0, sizeof(*s));
	assert_ok(policy_bind(NULL, NULL, &s->policy, &err), &err);
	world_read(&w, world);
	world_facts(&w, s->policy, &s->facts);
	world_free(&w);
	assert_ok(reconcile_undo(s->facts, s->policy, &request, &s->result, &err), &err);
	assert_null(s->result->plans[PLAN_ROUTINE]);
	s->plan = s->result->plans[PLAN_URGENT];
}

static void undo(struct scene *s, const struct undo_deed *deeds, size_t n)
{
	undo_in(s, HEAD, deeds, n);
}

static bool left_says(const struct scene *s, const char *text)
{
	for (size_t i = 0; i < s->result->findings.n; i++)
		if (strcmp(s->result->findings.v[i].kind, UNDO_LEFT) == 0 &&
		    strstr(s->result->findings.v[i].text, text))
			return true;
	return false;
}

static void test_the_status_comes_back_by_one_action_however_many_deeds_led_to_it(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed suspend, disable;
	/* given in another order than they happened */
	const struct undo_deed deeds[] = {
		status_deed(&suspend, ACTION_SUSPEND, STEP_SUSPEND, ACCOUNT_ACTIVE,
			    ACCOUNT_SUSPENDED, 12, 1000),
		status_deed(&disable, ACTION_DEACTIVATE, STEP_DISABLE, ACCOUNT_SUSPENDED,
			    ACCOUNT_DEACTIVATED, 15, 2000),
	};
	const struct action *a;

	(void)state;
	undo(&s, deeds, 2);
	assert_non_null(s.plan);
	assert_int_equal(s.plan->actions.n, 1);
	a = &s.plan->actions.v[0];
	assert_int_equal(a->kind, ACTION_ENABLE);
	assert_int_equal(a->class, PLAN_RESTORE);
	assert_int_equal(a->before.status, ACCOUNT_DEACTIVATED);
	assert_int_equal(a->after.status, ACCOUNT_ACTIVE);
	assert_int_equal(a->step_count, 2);
	assert_int_equal(a->steps[0].op, STEP_ENABLE);
	assert_int_equal(a->steps[1].op, STEP_RESTORE);
	assert_string_equal(a->steps[1].directory, "d1");
	/* an admin, and yet one approver is enough, and nothing holds it */
	assert_int_equal(a->verdict, VERDICT_PASS);
	assert_int_equal(a->needs, 1);
	assert_false(a->automatic);
	assert_string_equal(
		a->reason, "undone by uid:ida: wrong date; plan 15, action 1 (deactivate, rule "
			   "leaver-hr); plan 12, action 1 (suspend, rule leaver-hr)");
	assert_int_equal(s.result->findings.n, 0);
}

static void test_a_seat_comes_back_by_what_was_taken_and_no_more(void **state)
{
	static const bool some[] = { false, true, true };
	CLEANUP(scene_done) struct scene s;
	struct deed free_seat;
	const struct undo_deed deeds[] = { seat_deed(&free_seat, some, 7, 1000) };
	const struct action *a;

	(void)state;
	undo(&s, deeds, 1);
	assert_non_null(s.plan);
	a = &s.plan->actions.v[0];
	assert_int_equal(a->kind, ACTION_FREE_SEAT);
	assert_string_equal(a->product, "jira");
	/* what was left: the group that could not be taken */
	assert_int_equal(a->before.group_count, 1);
	assert_string_equal(a->before.groups[0], one_group[0]);
	assert_int_equal(a->before.role_count, 0);
	assert_int_equal(a->after.group_count, 2);
	assert_int_equal(a->after.role_count, 1);
	assert_int_equal(a->step_count, 2);
	assert_int_equal(a->steps[0].op, STEP_ASSIGN_ROLE);
	assert_string_equal(a->steps[0].resource, "r");
	assert_int_equal(a->steps[1].op, STEP_ADD_GROUP);
	assert_string_equal(a->steps[1].group, "g2");
}

/* Exempt from the limits of what takes, not from the seats that there are: at the border. */
static void test_what_comes_back_needs_a_seat_that_is_left(void **state)
{
	static const bool all[] = { true, true, true };
	char world[2048];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		CLEANUP(scene_done) struct scene s;
		struct deed deed;
		bool seat = i < 2;
		unsigned capacity = 1 + i % 2; /* one is taken: none, or one is left */
		struct undo_deed d =
			seat ? seat_deed(&deed, all, 7, 1000)
			     : status_deed(&deed, ACTION_SUSPEND, STEP_SUSPEND, ACCOUNT_ACTIVE,
					   ACCOUNT_SUSPENDED, 12, 1000);
		const struct action *a;

		(void)snprintf(world, sizeof(world),
			       "now 2026-03-02T09:00:00Z\nsource hr role=hr\n"
			       "round org=acme mode=propose\nrecord hr 1 person=1\n"
			       "account a1 number=101 person=1 adopted=yes%s\n"
			       "account a2 number=102 person=2 adopted=yes\n"
			       "product jira@acme capacity=%u\ngroup g1\ngrant g1 jira@acme\n"
			       "group g2\nmember a2 g1\nseat a2 jira@acme last=2026-02-01\n%s",
			       seat ? "" : " status=suspended", capacity,
			       seat ? "" : "member a1 g1\n");
		undo_in(&s, world, &d, 1);
		assert_non_null(s.plan);
		a = &s.plan->actions.v[0];
		assert_int_equal(a->verdict, capacity == 1 ? VERDICT_HELD : VERDICT_PASS);
		assert_int_equal(a->held_count, capacity == 1);
		if (capacity > 1)
			continue;
		assert_string_equal(a->held_by[0], "seats-out");
		assert_non_null(strstr(a->says[0], "1 of 1 seats of jira at acme are taken"));
		assert_non_null(strstr(a->says[0], "an approval that names it"));
	}
}

static void test_what_was_given_back_or_changed_since_is_not_undone_again(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed suspend, back;
	struct undo_deed deeds[] = {
		status_deed(&suspend, ACTION_SUSPEND, STEP_SUSPEND, ACCOUNT_ACTIVE,
			    ACCOUNT_SUSPENDED, 12, 1000),
		status_deed(&back, ACTION_RESTORE, STEP_RESTORE, ACCOUNT_SUSPENDED,
			    ACCOUNT_ACTIVE, 13, 2000),
	};

	(void)state;
	back.action.class = PLAN_RESTORE;
	back.action.rule = "undo";
	undo(&s, deeds, 2);
	assert_null(s.plan);
	assert_true(left_says(&s,
			      "plan 12, action 1, suspend: what it left was changed since, or "
			      "given back already"));
}

static void test_a_deed_of_which_nothing_was_done_is_passed_over(void **state)
{
	static const bool none[] = { false, false, false };
	CLEANUP(scene_done) struct scene s;
	struct deed free_seat;
	const struct undo_deed deeds[] = { seat_deed(&free_seat, none, 7, 1000) };

	(void)state;
	undo(&s, deeds, 1);
	assert_null(s.plan);
	assert_int_equal(s.result->findings.n, 0);
}

static void test_what_was_handed_over_goes_back_after_the_account(void **state)
{
	static const char *const items[] = { "10001" };
	CLEANUP(scene_done) struct scene s;
	struct deed suspend, gift;
	struct undo_deed deeds[] = {
		status_deed(&suspend, ACTION_SUSPEND, STEP_SUSPEND, ACCOUNT_ACTIVE,
			    ACCOUNT_SUSPENDED, 12, 1000),
		status_deed(&gift, ACTION_HAND_OVER, STEP_GIVE_ISSUES, ACCOUNT_UNKNOWN,
			    ACCOUNT_UNKNOWN, 13, 2000),
	};
	const struct action_step *step;

	(void)state;
	gift.steps[0] = (struct action_step){ .op = STEP_GIVE_ISSUES,
					      .site = "acme",
					      .name = "manager",
					      .items = items,
					      .item_count = 1,
					      .from = 101,
					      .to = 102 };
	undo(&s, deeds, 2);
	assert_non_null(s.plan);
	assert_int_equal(s.plan->actions.n, 2);
	assert_int_equal(s.plan->actions.v[0].kind, ACTION_RESTORE);
	assert_int_equal(s.plan->actions.v[1].kind, ACTION_HAND_OVER);
	step = &s.plan->actions.v[1].steps[0];
	assert_int_equal(step->from, 102);
	assert_int_equal(step->to, 101);
	assert_string_equal(step->items[0], "10001");
	assert_string_equal(step->name, "former-owner");
}

static void test_what_cannot_return_is_said(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed tokens, warn, strange;
	struct undo_deed deeds[] = {
		status_deed(&tokens, ACTION_REVOKE_TOKENS, STEP_REVOKE_TOKEN, ACCOUNT_UNKNOWN,
			    ACCOUNT_UNKNOWN, 12, 1000),
		status_deed(&warn, ACTION_WARN, STEP_NOTIFY, ACCOUNT_UNKNOWN, ACCOUNT_UNKNOWN,
			    13, 1000),
		status_deed(&strange, ACTION_SUSPEND, STEP_SUSPEND, ACCOUNT_ACTIVE,
			    ACCOUNT_SUSPENDED, 14, 1000),
	};

	(void)state;
	strange.action.account = 999;
	undo(&s, deeds, 3);
	assert_null(s.plan);
	assert_int_equal(s.result->findings.n, 3);
	assert_true(left_says(&s, "revoked tokens do not come back"));
	assert_true(left_says(&s, "a message that was sent stays sent"));
	assert_true(left_says(&s, "the account or the product is not there any more"));
}

static void test_no_allocation_that_fails_is_lost(void **state)
{
	static const bool all[] = { true, true, true };
	struct deed suspend, free_seat;
	const struct undo_deed deeds[] = {
		status_deed(&suspend, ACTION_SUSPEND, STEP_SUSPEND, ACCOUNT_ACTIVE,
			    ACCOUNT_SUSPENDED, 12, 1000),
		seat_deed(&free_seat, all, 7, 1000),
	};
	struct undo_request request = {
		.deeds = deeds, .n = 2, .reason = "wrong date", .by = "uid:ida"
	};
	struct plan_world w;
	struct policy *policy;
	struct facts *facts;
	bool fired = true;
	struct err err;

	(void)state;
	assert_ok(policy_bind(NULL, NULL, &policy, &err), &err);
	world_read(&w, HEAD);
	world_facts(&w, policy, &facts);
	world_free(&w);
	for (unsigned long n = 1; fired; n++) {
		struct reconcile_result *result = NULL;
		int r;

		fault_at(n);
		r = reconcile_undo(facts, policy, &request, &result, &err);
		fired = fault_fired();
		if (fired)
			assert_int_equal(r, -ERR_NOMEM);
		else
			assert_ok(r, &err);
		reconcile_result_free(result);
	}
	facts_free(facts);
	policy_free(policy);
}

/* A person asked for groups to be joined or left. */
static struct undo_deed group_deed(struct deed *d, enum step_op op, const char *g,
				   enum plan_class class, uint64_t plan, int64_t at_ms)
{
	bool add = op == STEP_ADD_GROUP;

	*d = (struct deed){
		.action = { .n = 1,
			    .kind = add ? ACTION_ADD_GROUPS : ACTION_REMOVE_GROUPS,
			    .rule = class == PLAN_RESTORE ? ORDER_UNDO : ORDER_BULK,
			    .class = class,
			    .person = 1,
			    .account = 101,
			    .before = { .paths = true },
			    .after = { .paths = true },
			    .step_count = 1 },
		.steps = { { .op = op, .group = g, .directory = "d1" } },
		.done = { true },
	};
	d->action.steps = d->steps;
	return (struct undo_deed){ plan, &d->action, d->done, at_ms };
}

static void test_groups_go_back_to_how_the_oldest_deed_found_them(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed a, b, c, d;
	const struct undo_deed deeds[] = {
		group_deed(&a, STEP_ADD_GROUP, "g1", PLAN_ASKED, 3, 3000),
		group_deed(&b, STEP_REMOVE_GROUP, "g2", PLAN_ASKED, 4, 4000),
		/* joined, then left again: as it was */
		group_deed(&c, STEP_ADD_GROUP, "g3", PLAN_ASKED, 5, 5000),
		group_deed(&d, STEP_REMOVE_GROUP, "g3", PLAN_ASKED, 6, 6000),
	};

	(void)state;
	undo(&s, deeds, COUNT_OF(deeds));
	assert_non_null(s.plan);
	assert_int_equal(s.plan->actions.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct action *x = &s.plan->actions.v[i];
		bool add = x->kind == ACTION_ADD_GROUPS;

		assert_true(add || x->kind == ACTION_REMOVE_GROUPS);
		assert_int_equal(x->class, PLAN_RESTORE);
		assert_int_equal(x->step_count, 1);
		assert_string_equal(x->steps[0].group, add ? "g2" : "g1");
		assert_int_equal(x->before.group_count, add ? 0 : 1);
		assert_int_equal(x->after.group_count, add ? 1 : 0);
	}
}

static void test_groups_that_were_given_back_stay_so(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed a, b;
	const struct undo_deed deeds[] = {
		group_deed(&a, STEP_ADD_GROUP, "g1", PLAN_ASKED, 3, 3000),
		group_deed(&b, STEP_REMOVE_GROUP, "g1", PLAN_RESTORE, 4, 4000),
	};

	(void)state;
	undo(&s, deeds, COUNT_OF(deeds));
	assert_null(s.plan);
	assert_true(left_says(&s, "given back already"));
}

/* Somebody who administers nothing beside the administrator of HEAD. */
#define AND_BEN                                                                                \
	"record hr 2 person=2\n"                                                               \
	"account a2 number=102 person=2 adopted=yes admin=no org_admin=no\n"

static bool is_held_by(const struct action *a, const char *guard)
{
	for (size_t i = 0; i < a->held_count; i++)
		if (strcmp(a->held_by[i], guard) == 0)
			return true;
	return false;
}

static void test_groups_go_back_under_the_guards_that_held_the_order(void **state)
{
	static const struct {
		const char *world;
		enum step_op op; /* of the deed */
		const char *group, *guard;
		uint64_t account;
		unsigned needs;
	} rows[] = {
		{ HEAD AND_BEN, STEP_ADD_GROUP, "g1", NULL, 102, 1 },
		{ HEAD AND_BEN, STEP_ADD_GROUP, "lead", "admin", 102, 2 },
		{ HEAD AND_BEN, STEP_REMOVE_GROUP, "lead", "admin", 102, 2 },
		{ HEAD AND_BEN, STEP_REMOVE_GROUP, "far", "impossible", 102, 1 },
		/* what is taken from an administrator is for two people */
		{ HEAD AND_BEN, STEP_ADD_GROUP, "g1", "admin", 101, 2 },
		{ HEAD AND_BEN, STEP_ADD_GROUP, "lead", "last-admin", 101, 2 },
		/* and what is given to one is not */
		{ HEAD AND_BEN, STEP_REMOVE_GROUP, "g1", NULL, 101, 1 },
		{ HEAD AND_BEN "protect exemption account=a2\n", STEP_ADD_GROUP, "g1",
		  "exemption", 102, 1 },
		{ HEAD AND_BEN "protect exemption account=a2\n", STEP_REMOVE_GROUP, "g1", NULL,
		  102, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(scene_done) struct scene s;
		struct deed d;
		struct undo_deed deed =
			group_deed(&d, rows[i].op, rows[i].group, PLAN_ASKED, 3, 3000);
		const struct action *a;

		d.action.account = rows[i].account;
		d.action.person = rows[i].account - 100;
		undo_in(&s, rows[i].world, &deed, 1);
		assert_non_null(s.plan);
		assert_int_equal(s.plan->actions.n, 1);
		a = &s.plan->actions.v[0];
		if (rows[i].guard)
			assert_true(is_held_by(a, rows[i].guard));
		else
			assert_int_equal(a->held_count, 0);
		if (rows[i].guard && strcmp(rows[i].guard, "impossible") != 0)
			assert_int_equal(a->needs, rows[i].needs);
	}
}

static void test_a_group_that_is_gone_is_not_joined_again(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed d;
	struct undo_deed deed =
		group_deed(&d, STEP_REMOVE_GROUP, "dropped", PLAN_ASKED, 3, 3000);

	(void)state;
	undo(&s, &deed, 1);
	assert_null(s.plan);
	assert_true(left_says(&s, "the group is not there any more"));
}

#define MANY 27 /* the limit is 25 */

static void test_what_undo_takes_out_of_groups_is_counted_by_the_limit_of_bulk(void **state)
{
	CLEANUP(scene_done) struct scene out, in;
	struct deed d[MANY], e[MANY];
	struct undo_deed taken[MANY], given[MANY];
	char world[8192] = HEAD;
	bool held = false;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		size_t len = strlen(world);

		(void)snprintf(world + len, sizeof(world) - len,
			       "record hr %d person=%d\naccount b%d number=%d person=%d "
			       "adopted=yes admin=no org_admin=no\n",
			       10 + i, 10 + i, i, 110 + i, 10 + i);
		taken[i] = group_deed(&d[i], STEP_ADD_GROUP, "g1", PLAN_ASKED, 3, 3000);
		given[i] = group_deed(&e[i], STEP_REMOVE_GROUP, "g1", PLAN_ASKED, 3, 3000);
		d[i].action.account = e[i].action.account = (uint64_t)(110 + i);
		d[i].action.person = e[i].action.person = (uint64_t)(10 + i);
	}
	undo_in(&out, world, taken, MANY);
	undo_in(&in, world, given, MANY);
	assert_true(out.plan && in.plan && out.plan->held && !in.plan->held);
	for (size_t i = 0; i < out.plan->guards.n; i++)
		held = held || (strcmp(out.plan->guards.v[i].name, "limit-asked-day") == 0 &&
				out.plan->guards.v[i].verdict == GUARD_HOLD_PLAN);
	assert_true(held);
}

static void test_undo_takes_from_nobody_what_was_asked_for_them(void **state)
{
	static const struct {
		enum action_kind kind;
		enum step_op op;
		enum account_status before;
	} rows[] = {
		{ ACTION_RESTORE, STEP_RESTORE, ACCOUNT_SUSPENDED },
		{ ACTION_ENABLE, STEP_ENABLE, ACCOUNT_DEACTIVATED },
		{ ACTION_CANCEL_DELETE, STEP_CANCEL_DELETE, ACCOUNT_DELETING },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(scene_done) struct scene s;
		struct deed d;
		struct undo_deed deed = status_deed(&d, rows[i].kind, rows[i].op,
						    rows[i].before, ACCOUNT_ACTIVE, 3, 3000);

		d.action.class = PLAN_ASKED;
		d.action.rule = ORDER_BULK;
		undo(&s, &deed, 1);
		assert_null(s.plan);
		assert_true(left_says(&s, "takes from nobody"));
	}
}

static void test_a_deletion_that_was_asked_for_is_cancelled(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed d;
	struct undo_deed deed = status_deed(&d, ACTION_DELETE, STEP_DELETE, ACCOUNT_ACTIVE,
					    ACCOUNT_DELETING, 3, 3000);

	(void)state;
	d.action.class = PLAN_ASKED;
	undo(&s, &deed, 1);
	assert_int_equal(s.plan->actions.n, 1);
	assert_int_equal(s.plan->actions.v[0].kind, ACTION_CANCEL_DELETE);
	assert_int_equal(s.plan->actions.v[0].steps[0].op, STEP_CANCEL_DELETE);
	assert_int_equal(s.plan->actions.v[0].needs, 1);
}

static void test_a_record_that_was_switched_on_again_stays_on(void **state)
{
	CLEANUP(scene_done) struct scene s;
	struct deed back;
	struct undo_deed deed = status_deed(&back, ACTION_REPROVISION, STEP_SCIM_ACTIVATE,
					    ACCOUNT_DEACTIVATED, ACCOUNT_ACTIVE, 12, 1000);

	(void)state;
	back.action.class = PLAN_PROVISION;
	undo(&s, &deed, 1);
	assert_null(s.plan);
	assert_true(left_says(&s, "undo takes from nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_go_back_to_how_the_oldest_deed_found_them),
		cmocka_unit_test(test_groups_that_were_given_back_stay_so),
		cmocka_unit_test(test_groups_go_back_under_the_guards_that_held_the_order),
		cmocka_unit_test(test_a_group_that_is_gone_is_not_joined_again),
		cmocka_unit_test(
			test_what_undo_takes_out_of_groups_is_counted_by_the_limit_of_bulk),
		cmocka_unit_test(test_undo_takes_from_nobody_what_was_asked_for_them),
		cmocka_unit_test(test_a_deletion_that_was_asked_for_is_cancelled),
		cmocka_unit_test(test_a_record_that_was_switched_on_again_stays_on),
		cmocka_unit_test(
			test_the_status_comes_back_by_one_action_however_many_deeds_led_to_it),
		cmocka_unit_test(test_a_seat_comes_back_by_what_was_taken_and_no_more),
		cmocka_unit_test(test_what_comes_back_needs_a_seat_that_is_left),
		cmocka_unit_test(test_what_was_given_back_or_changed_since_is_not_undone_again),
		cmocka_unit_test(test_a_deed_of_which_nothing_was_done_is_passed_over),
		cmocka_unit_test(test_what_was_handed_over_goes_back_after_the_account),
		cmocka_unit_test(test_what_cannot_return_is_said),
		cmocka_unit_test(test_no_allocation_that_fails_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
