/* The applier, one action at a time: what keeps it from starting, how it ends, when it comes
 * back. What crashes do to it: tests/crash/test_reconcile_apply.c. */
#include "tests/unit/apply_world.h"

/* --- one offer ------------------------------------------------------------------------------
 */

static struct apply_result offer(struct world *w, size_t i)
{
	struct apply_result ret = { .again_ms = -1 };
	struct apply_item item = w->item;
	struct err err;

	item.action = &w->actions[i];
	assert_ok(apply_action(&w->ports, w->policy, &item, &ret, &err), &err);
	if (ret.outcome == OUTCOME_NONE)
		assert_true(ret.again_ms > w->now_ms);
	return ret;
}

/* Offers the first action, at its time, until it ends. */
static struct apply_result carry(struct world *w)
{
	for (int offers = 0; offers < 200; offers++) {
		struct apply_result ret = offer(w, 0);

		if (ret.outcome != OUTCOME_NONE)
			return ret;
		w->now_ms = ret.again_ms;
	}
	fail_msg("it does not come to an end");
	return (struct apply_result){ 0 };
}

static void assert_said(const char *what, const struct apply_result *ret,
			enum apply_outcome outcome, const char *says)
{
	if (ret->outcome != outcome || !strstr(ret->text, says))
		fail_msg("%s: %s: \"%s\", not %s: \"...%s...\"", what,
			 apply_outcome_word(ret->outcome), ret->text,
			 apply_outcome_word(outcome), says);
}

/* --- never begun ----------------------------------------------------------------------------
 */

static const char *const admin_guard[] = { "admin" };
static const char *const last_admin_guard[] = { "last-admin" };
static const char *const strange_guard[] = { "moon" };

static void observe(struct world *w)
{
	w->item.mode = ORG_OBSERVE;
}

static void other_bytes(struct world *w)
{
	w->item.approval.digest.b[7] ^= 1;
}

static void nobody(struct world *w)
{
	w->item.approval.persons = 0;
}

static void one_of_two(struct world *w)
{
	w->actions[0].needs = 2;
}

static void policy_alone(struct world *w)
{
	w->item.approval.persons = 0;
	w->item.approval.policy = true;
}

static void policy_in_propose(struct world *w)
{
	policy_alone(w);
	w->actions[0].automatic = true;
	w->item.mode = ORG_PROPOSE;
}

static void policy_for_two(struct world *w)
{
	policy_alone(w);
	w->actions[0].automatic = true;
	w->actions[0].needs = 2;
}

static void hold(struct world *w, const char *const *by)
{
	w->actions[0].verdict = VERDICT_HELD;
	w->actions[0].held_by = by;
	w->actions[0].held_count = 1;
}

static void held(struct world *w)
{
	hold(w, admin_guard);
}

static void policy_for_held(struct world *w)
{
	policy_alone(w);
	w->actions[0].automatic = true;
	hold(w, admin_guard);
	w->released[0] = "admin";
	w->item.approval.released_count = 1;
}

static void held_and_another_released(struct world *w)
{
	hold(w, admin_guard);
	w->released[0] = "operator";
	w->item.approval.released_count = 1;
}

/* No approval takes the last administrator away, whatever its row says. */
static void last_admin_released(struct world *w)
{
	hold(w, last_admin_guard);
	w->released[0] = "last-admin";
	w->item.approval.released_count = 1;
}

static void held_by_what_we_do_not_know(struct world *w)
{
	hold(w, strange_guard);
	w->released[0] = "moon";
	w->item.approval.released_count = 1;
}

static void held_by_nothing(struct world *w)
{
	w->actions[0].verdict = VERDICT_HELD;
}

static struct plan_guard over_limit = { "limit-leavers-day", GUARD_HOLD_PLAN, "4 of 3", 1 };

static void plan_over_limit(struct world *w)
{
	w->plan.held = true;
	w->plan.guards = (struct vec_guard){ &over_limit, 1, 1 };
}

static void approved_after_72h(struct world *w)
{
	w->plan.now_ms = w->item.approval.approved_ms - PLAN_APPROVE_MS - 1;
}

static void later_than_approval_and_24h(struct world *w)
{
	w->now_ms = w->item.approval.approved_ms + PLAN_NOT_AFTER_MS + 1;
}

static void judged(struct world *w, enum judge_verdict verdict, const char *guard)
{
	struct judgement *j = &w->kept[0].judgement;

	j->verdict = verdict;
	j->guards[0] = guard;
	j->guard_count = guard != NULL;
}

static void judged_unknown(struct world *w)
{
	judged(w, JUDGE_UNKNOWN, NULL);
	snprintf(w->kept[0].judgement.text, ERR_TEXT_BYTES, "leaveDate is unknown");
}

static void judged_not_wanted(struct world *w)
{
	judged(w, JUDGE_NOT_WANTED, NULL);
}

static void judged_held(struct world *w)
{
	judged(w, JUDGE_HELD, "leave");
}

static void judged_held_by_nothing(struct world *w)
{
	judged(w, JUDGE_HELD, NULL);
}

static void judged_last_admin(struct world *w)
{
	judged(w, JUDGE_HELD, "last-admin");
	w->released[0] = "last-admin";
	w->item.approval.released_count = 1;
}

/* The release was of one exemption; since then another was given. */
static void judged_held_by_another_of_that_name(struct world *w)
{
	judged(w, JUDGE_HELD, "exemption");
	w->kept[0].judgement.fresh[0] = true;
	w->released[0] = "exemption";
	w->item.approval.released_count = 1;
}

static void judging_is_broken(struct world *w)
{
	w->judge_fault = ERR_DAMAGED;
}

static void reading_is_forbidden(struct world *w)
{
	w->read_fault = ERR_FORBIDDEN;
}

static void status_changed(struct world *w)
{
	cell_is(&w->accounts[0].status, ACCOUNT_DEACTIVATED);
}

static void status_not_told(struct world *w)
{
	w->status_untold = true;
}

static void no_steps(struct world *w)
{
	w->actions[0].step_count = 0;
}

static void too_many_steps(struct world *w)
{
	w->actions[0].step_count = APPLY_MAX_STEPS + 1;
}

static void paths_not_told(struct world *w)
{
	w->paths_untold = true;
}

static void group_came(struct world *w)
{
	cell_is(&w->accounts[0].groups[2], 1);
}

static void group_went(struct world *w)
{
	cell_is(&w->accounts[0].groups[0], 0);
}

static void role_went(struct world *w)
{
	cell_is(&w->accounts[0].role, 0);
}

static void role_came(struct world *w)
{
	w->actions[0].before.role_count = 0;
}

static void companions_not_approved(struct world *w)
{
	static const uint32_t with[] = { 2 };

	w->actions[0].with = with;
	w->actions[0].with_count = 1;
	w->item.with_approved = false;
}

static void companion_not_there(struct world *w)
{
	companions_not_approved(w);
	w->item.with_approved = true;
}

static void gone(struct world *w)
{
	w->accounts[0].gone = true;
}

static void gone_before_restore(struct world *w)
{
	gone(w);
	w->actions[0].kind = ACTION_RESTORE;
	w->actions[0].steps[0].op = STEP_RESTORE;
	w->actions[0].class = PLAN_RESTORE;
}

static void already_suspended(struct world *w)
{
	cell_is(&w->accounts[0].status, ACCOUNT_SUSPENDED);
}

static void already_freed(struct world *w)
{
	w->accounts[0] = (struct world_account){ 0 };
}

/* No group and no role, but the product counts the seat: that is not "already free". */
static void no_path_but_a_seat(struct world *w)
{
	already_freed(w);
	w->seat_sticks = true;
}

static const struct {
	const char *what;
	bool seat; /* frees a seat of two groups and a role; else suspends */
	void (*with)(struct world *w);
	enum apply_outcome outcome;
	const char *says;
} never_begun[] = {
	{ "observe", 0, observe, OUTCOME_SKIPPED, "mode observe" },
	{ "other bytes", 0, other_bytes, OUTCOME_SKIPPED, "approve it again" },
	{ "nobody approved", 0, nobody, OUTCOME_SKIPPED, "1 person and has 0" },
	{ "one of two", 0, one_of_two, OUTCOME_SKIPPED, "2 persons and has 1" },
	{ "policy, not automatic", 0, policy_alone, OUTCOME_SKIPPED, "may not approve" },
	{ "policy in propose", 0, policy_in_propose, OUTCOME_SKIPPED, "not in mode act" },
	{ "policy for two", 0, policy_for_two, OUTCOME_SKIPPED, "may not approve" },
	{ "policy for held", 0, policy_for_held, OUTCOME_SKIPPED, "may not approve" },
	{ "held", 0, held, OUTCOME_SKIPPED, "guard admin holds it" },
	{ "another released", 0, held_and_another_released, OUTCOME_SKIPPED, "guard admin" },
	{ "last admin", 0, last_admin_released, OUTCOME_SKIPPED, "guard last-admin" },
	{ "strange guard", 0, held_by_what_we_do_not_know, OUTCOME_SKIPPED, "guard moon" },
	{ "held by nothing", 0, held_by_nothing, OUTCOME_SKIPPED, "the plan holds it" },
	{ "plan held", 0, plan_over_limit, OUTCOME_SKIPPED, "holds the whole plan" },
	{ "approved late", 0, approved_after_72h, OUTCOME_SKIPPED, "more than 72 h" },
	{ "expired", 0, later_than_approval_and_24h, OUTCOME_SKIPPED, "2026-10-20T08:59:00Z" },
	{ "unknown", 0, judged_unknown, OUTCOME_SKIPPED, "leaveDate is unknown" },
	{ "not wanted", 0, judged_not_wanted, OUTCOME_SKIPPED, "does not hold any more" },
	{ "judged held", 0, judged_held, OUTCOME_SKIPPED, "a guard holds it now" },
	{ "judged held by none", 0, judged_held_by_nothing, OUTCOME_SKIPPED, "a guard" },
	{ "judged last admin", 0, judged_last_admin, OUTCOME_SKIPPED, "a guard" },
	{ "judged another", 0, judged_held_by_another_of_that_name, OUTCOME_SKIPPED,
	  "a guard holds it now" },
	{ "judging broken", 0, judging_is_broken, OUTCOME_SKIPPED, "judging faulted" },
	{ "reading forbidden", 0, reading_is_forbidden, OUTCOME_SKIPPED, "reading faulted" },
	{ "status changed", 0, status_changed, OUTCOME_SKIPPED, "is deactivated, not active" },
	{ "status untold", 0, status_not_told, OUTCOME_SKIPPED, "could not be read again" },
	{ "no steps", 0, no_steps, OUTCOME_SKIPPED, "0 steps" },
	{ "257 steps", 0, too_many_steps, OUTCOME_SKIPPED, "257 steps" },
	{ "paths untold", 1, paths_not_told, OUTCOME_SKIPPED, "did not tell its groups" },
	{ "group came", 1, group_came, OUTCOME_SKIPPED, "group g2 gives the seat now" },
	{ "group went", 1, group_went, OUTCOME_SKIPPED, "group jira-users does not give" },
	{ "role went", 1, role_went, OUTCOME_SKIPPED, "role atlassian/user does not give" },
	{ "role came", 1, role_came, OUTCOME_SKIPPED, "role atlassian/user gives" },
	{ "seat not free", 1, no_path_but_a_seat, OUTCOME_SKIPPED, "changed since" },
	{ "alone", 1, companions_not_approved, OUTCOME_SKIPPED, "only together" },
	{ "strange companion", 1, companion_not_there, OUTCOME_SKIPPED, "action 2" },
	{ "gone", 0, gone, OUTCOME_ALREADY, "gone from Atlassian" },
	{ "gone with a seat", 1, gone, OUTCOME_ALREADY, "gone from Atlassian" },
	{ "gone, to restore", 0, gone_before_restore, OUTCOME_SKIPPED, "gone" },
	{ "suspended already", 0, already_suspended, OUTCOME_ALREADY, "was so before" },
	{ "freed already", 1, already_freed, OUTCOME_ALREADY, "was so before" },
};

static struct world *suspend_or_free(bool seat)
{
	struct world *w = world_new();

	if (seat)
		world_free_seat(w, "jira", 0, 2, true);
	else
		world_suspend(w);
	return w;
}

static void test_what_may_not_start_is_ended_with_its_reason_and_nothing_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(never_begun); i++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(never_begun[i].seat);
		struct apply_result ret;

		never_begun[i].with(w);
		ret = offer(w, 0);
		assert_said(never_begun[i].what, &ret, never_begun[i].outcome,
			    never_begun[i].says);
		assert_int_equal(w->acts, 0);
		/* one line, the end, and it says the same */
		assert_int_equal(w->kept[0].line_count, 1);
		assert_int_equal(w->kept[0].lines[0].kind, 'e');
		assert_int_equal(w->kept[0].lines[0].outcome, ret.outcome);
		assert_string_equal(w->kept[0].lines[0].text, ret.text);
	}
}

/* --- may start ------------------------------------------------------------------------------
 */

static void as_it_is(struct world *w)
{
	(void)w;
}

static void two_of_two(struct world *w)
{
	w->actions[0].needs = w->item.approval.persons = 2;
}

static void policy_in_act(struct world *w)
{
	policy_alone(w);
	w->actions[0].automatic = true;
}

static void held_and_released(struct world *w)
{
	held(w);
	w->released[0] = "admin";
	w->item.approval.released_count = 1;
}

static void judged_held_and_released(struct world *w)
{
	judged_held(w);
	w->released[0] = "admin";
	w->released[1] = "leave";
	w->item.approval.released_count = 2;
}

static void plan_over_limit_released(struct world *w)
{
	plan_over_limit(w);
	w->released[0] = "limit-leavers-day";
	w->item.approval.released_count = 1;
}

static void person_in_propose(struct world *w)
{
	w->item.mode = ORG_PROPOSE;
}

static void at_the_last_moment(struct world *w)
{
	w->now_ms = w->item.approval.approved_ms + PLAN_NOT_AFTER_MS;
}

/* Due after the approval: the 24 hours count from then. */
static void due_a_day_after_approval(struct world *w)
{
	w->actions[0].due_ms = w->item.approval.approved_ms + 20 * STAMP_HOUR_MS;
	w->now_ms = w->actions[0].due_ms + PLAN_NOT_AFTER_MS;
}

static const struct {
	const char *what;
	void (*with)(struct world *w);
} may_start[] = {
	{ "as it is", as_it_is },
	{ "two of two", two_of_two },
	{ "policy in act", policy_in_act },
	{ "held and released", held_and_released },
	{ "judged held, released", judged_held_and_released },
	{ "plan held, released", plan_over_limit_released },
	{ "person in propose", person_in_propose },
	{ "last moment", at_the_last_moment },
	{ "due later", due_a_day_after_approval },
};

static void test_what_is_approved_and_released_is_done_with_all_its_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(may_start); i++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
		const struct world_line *l = w->kept[0].lines;
		struct apply_result ret;

		may_start[i].with(w);
		ret = carry(w);
		assert_said(may_start[i].what, &ret, OUTCOME_DONE, "read back");
		assert_int_equal(w->accounts[0].status.now, ACCOUNT_SUSPENDED);
		assert_int_equal(w->kept[0].line_count, 4);
		assert_true(l[0].kind == 'b' && l[1].kind == 'i' && l[2].kind == 'o' &&
			    l[3].kind == 'e');
		assert_int_equal(l[2].mark, STEP_MARK_DONE);
	}
}

/* --- put back -------------------------------------------------------------------------------
 */

#define FRIDAY_MS (WORLD_START_MS + 4 * STAMP_DAY_MS)                       /* 09:00 UTC */
#define MONDAY_7_MS (WORLD_START_MS + 7 * STAMP_DAY_MS - 2 * STAMP_HOUR_MS) /* 07:00 UTC */

/* A moment after noon on Friday, with a fresh approval. */
static void friday(struct world *w, int64_t after_9_ms)
{
	w->policy->quiet = true;
	w->policy->quiet_from = 5 * 24 * 60 + 15 * 60;
	w->policy->quiet_until = 1 * 24 * 60 + 7 * 60;
	w->now_ms = FRIDAY_MS + after_9_ms;
	w->item.approval.approved_ms = w->plan.now_ms = w->now_ms - STAMP_MINUTE_MS;
	w->actions[0].due_ms = w->now_ms - STAMP_MINUTE_MS;
	w->actions[0].class = PLAN_INACTIVE;
}

static void friday_evening(struct world *w)
{
	friday(w, 6 * STAMP_HOUR_MS);
}

static void friday_evening_in_berlin(struct world *w)
{
	/* 13:00 UTC is 15:00 there; on Monday it is winter time: 07:00 is 06:00 UTC */
	friday(w, 4 * STAMP_HOUR_MS);
	w->item.zone = STR("Europe/Berlin");
}

static void not_due(struct world *w)
{
	w->actions[0].due_ms = w->now_ms + STAMP_HOUR_MS;
}

static void judging_is_busy(struct world *w)
{
	w->judge_fault = ERR_BUSY;
}

static void reading_is_lost(struct world *w)
{
	w->read_fault = ERR_NETWORK;
}

static const struct {
	const char *what;
	void (*with)(struct world *w);
	int64_t again_ms;
} put_back[] = {
	{ "change hours", friday_evening, MONDAY_7_MS },
	{ "change hours, local", friday_evening_in_berlin, MONDAY_7_MS - STAMP_HOUR_MS },
	{ "not due", not_due, WORLD_START_MS + STAMP_HOUR_MS },
	{ "busy", judging_is_busy, WORLD_START_MS + APPLY_RETRY_MS },
	{ "lost", reading_is_lost, WORLD_START_MS + APPLY_RETRY_MS },
};

static void test_what_must_wait_is_put_back_unbegun(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(put_back); i++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
		struct apply_result ret;

		put_back[i].with(w);
		ret = offer(w, 0);
		assert_said(put_back[i].what, &ret, OUTCOME_NONE, "");
		if (ret.again_ms != put_back[i].again_ms)
			fail_msg("%s: again %lld ms later than it should", put_back[i].what,
				 (long long)(ret.again_ms - put_back[i].again_ms));
		assert_int_equal(w->acts, 0);
		assert_int_equal(w->kept[0].line_count, 0);
	}
}

static void open_hours(struct world *w)
{
	friday(w, 6 * STAMP_HOUR_MS - 1);
}

static void leaver(struct world *w)
{
	friday_evening(w);
	w->actions[0].class = PLAN_LEAVER;
}

static void block(struct world *w)
{
	friday_evening(w);
	w->actions[0].rule = "block";
}

static void hours_off(struct world *w)
{
	friday_evening(w);
	w->policy->quiet = false;
}

static void giving_back(struct world *w)
{
	friday_evening(w);
	w->actions[0].class = PLAN_RESTORE;
}

static void begun_before(struct world *w)
{
	friday(w, 6 * STAMP_HOUR_MS - 1);
	w->read_fault = 0;
	w->act_fault = ERR_NETWORK;
	assert_int_equal(offer(w, 0).outcome, OUTCOME_NONE);
	w->act_fault = 0;
	w->now_ms += APPLY_RETRY_MS;
}

static void test_change_hours_hold_neither_leavers_nor_what_was_begun(void **state)
{
	static void (*const with[])(struct world * w) = {
		open_hours, leaver, block, hours_off, giving_back, begun_before
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(with); i++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(false);

		with[i](w);
		assert_int_equal(carry(w).outcome, OUTCOME_DONE);
		assert_true(w->now_ms < FRIDAY_MS + 7 * STAMP_HOUR_MS);
	}
}

static void test_a_zone_that_nobody_knows_is_no_reason_to_start(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	struct apply_result ret;

	(void)state;
	friday(w, 0);
	w->item.zone = STR("Mars/Olympus");
	ret = offer(w, 0);
	assert_said("zone", &ret, OUTCOME_SKIPPED, "Mars/Olympus");
}

/* --- faults of a step -----------------------------------------------------------------------
 */

static void test_a_step_is_tried_five_times_ever_later_and_then_failed(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	struct apply_result ret;

	(void)state;
	w->act_fault = ERR_UNAVAILABLE;
	for (int n = 0; n < APPLY_MAX_ATTEMPTS; n++) {
		ret = offer(w, 0);
		assert_said("put back", &ret, OUTCOME_NONE, "acting faulted");
		assert_int_equal(ret.again_ms - w->now_ms, APPLY_RETRY_MS << n);
		assert_int_equal(w->acts, n + 1);
		assert_int_equal(w->verifies, n); /* before it is tried again */
		w->now_ms = ret.again_ms;
	}
	ret = offer(w, 0);
	assert_said("given up", &ret, OUTCOME_FAILED, "tried 5 times");
	assert_int_equal(w->acts, APPLY_MAX_ATTEMPTS);
}

static void test_a_step_whose_answer_was_lost_is_seen_and_not_repeated(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);

	(void)state;
	w->act_fault = ERR_TIMEOUT;
	w->act_happens = true;
	assert_int_equal(carry(w).outcome, OUTCOME_DONE);
	assert_int_equal(w->acts, 1);
	assert_int_equal(w->kept[0].effects[0], 1);
}

static void test_offered_too_early_after_a_lost_answer_it_waits_out_the_lag(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	int64_t acted_ms = w->now_ms;
	struct apply_result ret;

	(void)state;
	w->act_fault = ERR_TIMEOUT;
	w->act_happens = true;
	(void)offer(w, 0);
	w->now_ms += STAMP_SECOND_MS;
	ret = offer(w, 0);
	assert_said("early", &ret, OUTCOME_NONE, "state before");
	assert_int_equal(ret.again_ms, acted_ms + step_ops[STEP_SUSPEND].lag_ms);
	assert_int_equal(w->acts, 1);
}

static void test_what_cannot_be_verified_for_an_hour_is_given_to_people(void **state)
{
	static const struct {
		int fault;
		bool unknown;
		const char *says;
	} rows[] = {
		{ ERR_FORBIDDEN, false, "verifying faulted" },
		{ ERR_NETWORK, false, "verifying faulted" },
		{ 0, true, "does not tell" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
		int64_t acted_ms = w->now_ms;
		struct apply_result ret;

		w->act_fault = ERR_TIMEOUT;
		w->verify_fault = rows[i].fault;
		w->verify_unknown = rows[i].unknown;
		ret = carry(w);
		assert_said("unverifiable", &ret, OUTCOME_UNVERIFIABLE, rows[i].says);
		assert_int_equal(w->now_ms, acted_ms + APPLY_UNVERIFIED_MS);
		assert_int_equal(w->acts, 1);
	}
}

static void test_a_notice_is_sent_again_with_its_key_and_counts_once(void **state)
{
	CLEANUP(world_free_at) struct world *w = world_new();
	struct apply_result ret;

	(void)state;
	world_step(world_add(w, ACTION_WARN, PLAN_INACTIVE), STEP_NOTIFY);
	w->act_fault = ERR_TIMEOUT;
	w->act_happens = true;
	ret = offer(w, 0);
	assert_int_equal(ret.outcome, OUTCOME_NONE);
	w->now_ms = ret.again_ms;
	w->act_fault = 0;
	ret = offer(w, 0);
	assert_said("sent", &ret, OUTCOME_DONE, "acknowledged");
	assert_int_equal(w->acts, 2);
	assert_int_equal(w->kept[0].effects[0], 1);
	assert_string_equal(w->kept[0].key[0], "acme/41/1/1");
}

static void test_a_notice_without_any_answer_is_unverifiable_after_five(void **state)
{
	CLEANUP(world_free_at) struct world *w = world_new();
	struct apply_result ret;

	(void)state;
	world_step(world_add(w, ACTION_WARN, PLAN_INACTIVE), STEP_NOTIFY);
	w->act_fault = ERR_TIMEOUT;
	ret = carry(w);
	assert_said("notice", &ret, OUTCOME_UNVERIFIABLE, "tried 5 times");
	assert_int_equal(w->acts, APPLY_MAX_ATTEMPTS);
}

static void test_a_refusal_is_not_tried_again_and_says_why(void **state)
{
	CLEANUP(world_free_at) struct world *impossible = suspend_or_free(false);
	CLEANUP(world_free_at) struct world *forbidden = suspend_or_free(false);
	struct apply_result ret;

	(void)state;
	impossible->accounts[0].impossible = true;
	ret = offer(impossible, 0);
	assert_said("impossible", &ret, OUTCOME_FAILED, "an external directory owns");
	assert_int_equal(impossible->acts, 1);
	assert_int_equal(impossible->kept[0].lines[2].mark, STEP_MARK_REFUSED);

	forbidden->act_fault = ERR_FORBIDDEN;
	ret = offer(forbidden, 0);
	assert_said("forbidden", &ret, OUTCOME_FAILED, "acting faulted");
	assert_int_equal(forbidden->acts, 1);
}

/* Refused, killed before the end was written; what was wanted came about otherwise, or did not.
 */
static void test_after_a_restart_a_refusal_ends_by_what_is_read(void **state)
{
	static const struct world_line lines[] = {
		{ .kind = 'b', .at_ms = WORLD_START_MS },
		{ .kind = 'i', .at_ms = WORLD_START_MS },
		{ .kind = 'o', .mark = STEP_MARK_REFUSED, .at_ms = WORLD_START_MS },
	};

	(void)state;
	for (int so = 0; so < 2; so++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
		struct apply_result ret;

		memcpy(w->kept[0].lines, lines, sizeof(lines));
		w->kept[0].line_count = COUNT_OF(lines);
		if (so)
			cell_is(&w->accounts[0].status, ACCOUNT_SUSPENDED);
		ret = offer(w, 0);
		if (so)
			assert_said("so", &ret, OUTCOME_DONE, "read back");
		else
			assert_said("not so", &ret, OUTCOME_FAILED, "the journal's line");
		assert_int_equal(w->acts, 0);
	}
}

static void test_a_refused_group_leaves_the_rest_alone_and_names_what_holds(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(true);
	struct apply_result ret;

	(void)state;
	w->accounts[0].impossible = true;
	ret = offer(w, 0);
	assert_said("refused", &ret, OUTCOME_STILL_HELD, "remove-group jira-users was refused");
	assert_said("refused", &ret, OUTCOME_STILL_HELD, "0 of 3 steps");
	assert_said("refused", &ret, OUTCOME_STILL_HELD, "held by group jira-users");
	assert_int_equal(w->acts, 1);
}

/* --- reading back ---------------------------------------------------------------------------
 */

static void inferred(struct world *w)
{
	w->accounts[0].inferred = true;
}

static void seat_sticks(struct world *w)
{
	w->seat_sticks = true;
}

static void seat_untold(struct world *w)
{
	w->seat_untold = true;
}

static void test_a_seat_is_freed_only_when_the_product_says_so(void **state)
{
	static const struct {
		const char *what;
		void (*with)(struct world *w);
		enum apply_outcome outcome;
		const char *says;
	} rows[] = {
		{ "freed", as_it_is, OUTCOME_FREED, "the product says" },
		{ "not told", seat_untold, OUTCOME_DONE, "does not say" },
		{ "inferred", inferred, OUTCOME_STILL_HELD, "implied by an administrator" },
		{ "sticks", seat_sticks, OUTCOME_STILL_HELD, "still counts it" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(world_free_at) struct world *w = suspend_or_free(true);
		struct apply_result ret;

		rows[i].with(w);
		ret = carry(w);
		assert_said(rows[i].what, &ret, rows[i].outcome, rows[i].says);
		assert_int_equal(w->acts, 3);
	}
}

static void test_the_result_is_read_until_the_lag_has_passed(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	int64_t acted_ms = w->now_ms;
	struct apply_result ret = offer(w, 0);

	(void)state;
	assert_said("lag", &ret, OUTCOME_NONE, "state before");
	assert_int_equal(ret.again_ms, acted_ms + step_ops[STEP_SUSPEND].lag_ms);
	assert_int_equal(w->accounts[0].status.now, ACCOUNT_SUSPENDED);
	/* somebody gives it back meanwhile: then it is not done, and we say so */
	cell_is(&w->accounts[0].status, ACCOUNT_ACTIVE);
	w->now_ms = ret.again_ms;
	ret = offer(w, 0);
	assert_said("given back", &ret, OUTCOME_FAILED, "is active, not suspended");
	assert_int_equal(w->acts, 1);
}

static void test_a_result_that_cannot_be_read_for_an_hour_is_given_to_people(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	int64_t acted_ms = w->now_ms;
	struct apply_result ret = offer(w, 0);

	(void)state;
	assert_int_equal(ret.outcome, OUTCOME_NONE);
	w->now_ms = ret.again_ms;
	w->read_fault = ERR_FORBIDDEN;
	ret = carry(w);
	assert_said("not read", &ret, OUTCOME_UNVERIFIABLE, "reading faulted");
	assert_int_equal(w->now_ms, acted_ms + APPLY_UNVERIFIED_MS);
}

static void test_tokens_are_asked_for_before_they_are_said_to_be_revoked(void **state)
{
	CLEANUP(world_free_at) struct world *w = world_new();
	struct apply_result ret;

	(void)state;
	world_step(world_add(w, ACTION_REVOKE_TOKENS, PLAN_LEAVER), STEP_REVOKE_TOKEN);
	cell_is(&w->accounts[0].tokens, 2);
	ret = offer(w, 0);
	assert_said("lag", &ret, OUTCOME_NONE, "state before");
	/* somebody makes a new one */
	cell_is(&w->accounts[0].tokens, 1);
	w->now_ms = ret.again_ms;
	ret = offer(w, 0);
	assert_said("a new one", &ret, OUTCOME_FAILED, "revoke-token is not there");
}

static void test_an_account_that_goes_meanwhile_is_done_with(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	CLEANUP(world_free_at) struct world *back = world_new();
	struct apply_result ret;

	(void)state;
	w->now_ms = offer(w, 0).again_ms;
	w->accounts[0].gone = true;
	ret = offer(w, 0);
	assert_said("suspend", &ret, OUTCOME_DONE, "gone");

	world_status(back, ACTION_RESTORE, STEP_RESTORE, PLAN_RESTORE, ACCOUNT_SUSPENDED);
	back->now_ms = offer(back, 0).again_ms;
	back->accounts[0].gone = true;
	ret = offer(back, 0);
	assert_said("restore", &ret, OUTCOME_FAILED, "gone");
}

/* --- begun is carried to its end ------------------------------------------------------------
 */

static void test_what_was_begun_is_not_judged_again_and_outlives_the_plan(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(true);
	unsigned judges;

	(void)state;
	w->fault_nth = 3; /* the second group's call */
	assert_int_equal(offer(w, 0).outcome, OUTCOME_NONE);
	judges = w->judges;
	judged(w, JUDGE_NOT_WANTED, NULL);
	nobody(w);
	w->now_ms += 7 * STAMP_DAY_MS;
	assert_int_equal(carry(w).outcome, OUTCOME_FREED);
	assert_int_equal(w->judges, judges);
	for (int g = 0; g < 2; g++)
		assert_int_equal(w->accounts[0].groups[g].changes, 1);
}

static void test_in_observe_what_was_begun_stops_where_it_stands(void **state)
{
	CLEANUP(world_free_at) struct world *stopped = suspend_or_free(true);
	CLEANUP(world_free_at) struct world *whole = suspend_or_free(false);
	CLEANUP(world_free_at) struct world *notice = world_new();
	struct apply_result ret;

	(void)state;
	stopped->fault_nth = 3;
	stopped->now_ms = offer(stopped, 0).again_ms;
	stopped->item.mode = ORG_OBSERVE;
	ret = carry(stopped);
	assert_said("stopped", &ret, OUTCOME_FAILED, "after 1 of 3 steps");
	assert_int_equal(stopped->acts, 2);

	/* reading is allowed: what happened is found out */
	whole->act_fault = ERR_TIMEOUT;
	whole->act_happens = true;
	whole->now_ms = offer(whole, 0).again_ms;
	whole->item.mode = ORG_OBSERVE;
	assert_int_equal(carry(whole).outcome, OUTCOME_DONE);

	world_step(world_add(notice, ACTION_WARN, PLAN_INACTIVE), STEP_NOTIFY);
	notice->act_fault = ERR_TIMEOUT;
	notice->now_ms = offer(notice, 0).again_ms;
	notice->item.mode = ORG_OBSERVE;
	ret = carry(notice);
	assert_said("notice", &ret, OUTCOME_UNVERIFIABLE, "may have happened");
}

static void test_what_has_ended_is_only_told_again(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);

	(void)state;
	assert_int_equal(carry(w).outcome, OUTCOME_DONE);
	w->reads = w->acts = w->judges = 0;
	assert_int_equal(offer(w, 0).outcome, OUTCOME_DONE);
	assert_int_equal(w->reads + w->acts + w->judges, 0);
}

/* --- one group for two products -------------------------------------------------------------
 */

/* Actions 1 (jira by g1, g2) and 2 (jsm by g2, g3) of one account. */
static struct world *companions(void)
{
	static const uint32_t one[] = { 1 }, two[] = { 2 };
	struct world *w = world_new();
	struct action *a = world_free_seat(w, "jira", 1, 3, false);
	struct action *b = world_free_seat(w, "jsm", 2, 4, false);

	cell_is(&w->accounts[0].groups[3], 1);
	b->account = 0;
	a->with = two;
	b->with = one;
	a->with_count = b->with_count = 1;
	return w;
}

static void test_a_shared_group_goes_only_if_the_other_seat_is_to_go_too(void **state)
{
	CLEANUP(world_free_at) struct world *w = companions();
	struct apply_result ret;

	(void)state;
	w->kept[1].judgement.verdict = JUDGE_NOT_WANTED;
	ret = offer(w, 0);
	assert_said("first", &ret, OUTCOME_SKIPPED, "it goes with action 2");
	ret = offer(w, 1);
	assert_said("second", &ret, OUTCOME_SKIPPED, "it goes with action 1");
	assert_int_equal(w->acts, 0);
}

static void test_a_shared_group_waits_for_the_later_of_the_two(void **state)
{
	CLEANUP(world_free_at) struct world *w = companions();
	struct apply_result ret;

	(void)state;
	w->actions[1].due_ms = w->now_ms + STAMP_HOUR_MS;
	ret = offer(w, 0);
	assert_said("first", &ret, OUTCOME_NONE, "action 2");
	assert_int_equal(ret.again_ms, w->actions[1].due_ms);
	assert_int_equal(w->acts, 0);
}

static void test_when_the_other_was_skipped_the_shared_group_stays(void **state)
{
	CLEANUP(world_free_at) struct world *w = companions();
	struct apply_result ret;

	(void)state;
	w->actions[0].verdict = VERDICT_HELD;
	assert_int_equal(offer(w, 0).outcome, OUTCOME_SKIPPED);
	ret = offer(w, 1);
	assert_said("second", &ret, OUTCOME_SKIPPED, "was not done");
	assert_int_equal(w->acts, 0);
}

static void test_the_second_knows_that_the_first_took_the_shared_group(void **state)
{
	CLEANUP(world_free_at) struct world *w = companions();

	(void)state;
	assert_int_equal(carry(w).outcome, OUTCOME_FREED);
	/* g2 is gone: not a change by somebody else */
	w->now_ms += STAMP_MINUTE_MS;
	w->now_ms = offer(w, 1).again_ms;
	assert_int_equal(offer(w, 1).outcome, OUTCOME_FREED);
	assert_int_equal(w->accounts[0].groups[2].changes, 1);
	assert_int_equal(w->accounts[0].groups[3].changes, 1);
}

static void test_the_second_is_already_free_where_the_shared_group_was_all(void **state)
{
	CLEANUP(world_free_at) struct world *w = companions();
	struct apply_result ret;

	(void)state;
	w->actions[1].step_count = w->actions[1].before.group_count = 1;
	cell_is(&w->accounts[0].groups[3], 0);
	assert_int_equal(carry(w).outcome, OUTCOME_FREED);
	w->now_ms += STAMP_MINUTE_MS;
	/* a seat that is not there any more is no subject of its rule */
	w->kept[1].judgement.verdict = JUDGE_NOT_WANTED;
	ret = offer(w, 1);
	assert_said("second", &ret, OUTCOME_ALREADY, "was so before");
}

static void test_the_second_still_must_be_wanted_for_what_is_its_own(void **state)
{
	CLEANUP(world_free_at) struct world *w = companions();
	struct apply_result ret;

	(void)state;
	assert_int_equal(carry(w).outcome, OUTCOME_FREED);
	w->now_ms += STAMP_MINUTE_MS;
	w->kept[1].judgement.verdict = JUDGE_NOT_WANTED;
	ret = offer(w, 1);
	assert_said("second", &ret, OUTCOME_SKIPPED, "does not hold any more");
	assert_int_equal(w->accounts[0].groups[3].now, 1);
}

/* --- a run ----------------------------------------------------------------------------------
 */

static void test_a_run_counts_ends_until_nothing_is_left(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	struct apply_counts counts = { 0 };
	struct err err;

	(void)state;
	world_suspend(w);
	world_suspend(w);
	cell_is(&w->accounts[1].status, ACCOUNT_SUSPENDED);
	w->kept[2].judgement.verdict = JUDGE_NOT_WANTED;
	assert_ok(apply_run(&w->ports, w->policy, &counts, &err), &err);
	assert_int_equal(counts.outcomes[OUTCOME_NONE], 1);
	assert_int_equal(counts.outcomes[OUTCOME_ALREADY], 1);
	assert_int_equal(counts.outcomes[OUTCOME_SKIPPED], 1);
	w->now_ms += STAMP_MINUTE_MS;
	assert_ok(apply_run(&w->ports, w->policy, &counts, &err), &err);
	assert_int_equal(counts.outcomes[OUTCOME_DONE], 1);
}

static void test_a_run_stops_between_two_actions(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	struct apply_counts counts = { 0 };
	struct err err;

	(void)state;
	w->stop = true;
	assert_int_equal(apply_run(&w->ports, w->policy, &counts, &err), APPLY_STOPPED);
	assert_int_equal(w->points, 0);
}

static void test_our_own_trouble_ends_the_run_and_writes_nothing_more(void **state)
{
	static const int ours[] = { ERR_LEASE, ERR_CANCELLED };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ours); i++) {
		for (int which = 0; which < 3; which++) {
			CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
			struct apply_counts counts = { 0 };
			struct err err;
			size_t lines;

			*(which == 0   ? &w->judge_fault
			  : which == 1 ? &w->read_fault
				       : &w->act_fault) = ours[i];
			assert_fault(apply_run(&w->ports, w->policy, &counts, &err), ours[i],
				     &err, "faulted");
			lines = which == 2 ? 2 : 0; /* begin and intent */
			assert_int_equal(w->kept[0].line_count, lines);
			assert_false(w->kept[0].finished);
		}
	}
}

static void test_a_fault_may_be_told_to_nobody(void **state)
{
	CLEANUP(world_free_at) struct world *w = suspend_or_free(false);
	struct apply_item item = w->item;
	struct apply_result ret = { .again_ms = 17 };

	(void)state;
	item.action = &w->actions[0];
	w->kill_at = 1;
	assert_int_equal(apply_action(&w->ports, w->policy, &item, &ret, NULL), -ERR_CANCELLED);
	assert_int_equal(ret.again_ms, 17);
}

static void test_every_outcome_has_its_word(void **state)
{
	(void)state;
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		assert_non_null(apply_outcome_word((enum apply_outcome)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(apply_outcome_word((enum apply_outcome)i),
						apply_outcome_word((enum apply_outcome)k));
	}
	assert_string_equal(apply_outcome_word(OUTCOME_COUNT), "unknown");
	assert_string_equal(apply_outcome_word(OUTCOME_STILL_HELD), "still-held");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_what_may_not_start_is_ended_with_its_reason_and_nothing_done),
		cmocka_unit_test(test_what_is_approved_and_released_is_done_with_all_its_lines),
		cmocka_unit_test(test_what_must_wait_is_put_back_unbegun),
		cmocka_unit_test(test_change_hours_hold_neither_leavers_nor_what_was_begun),
		cmocka_unit_test(test_a_zone_that_nobody_knows_is_no_reason_to_start),
		cmocka_unit_test(test_a_step_is_tried_five_times_ever_later_and_then_failed),
		cmocka_unit_test(test_a_step_whose_answer_was_lost_is_seen_and_not_repeated),
		cmocka_unit_test(
			test_offered_too_early_after_a_lost_answer_it_waits_out_the_lag),
		cmocka_unit_test(test_what_cannot_be_verified_for_an_hour_is_given_to_people),
		cmocka_unit_test(test_a_notice_is_sent_again_with_its_key_and_counts_once),
		cmocka_unit_test(test_a_notice_without_any_answer_is_unverifiable_after_five),
		cmocka_unit_test(test_a_refusal_is_not_tried_again_and_says_why),
		cmocka_unit_test(test_after_a_restart_a_refusal_ends_by_what_is_read),
		cmocka_unit_test(
			test_a_refused_group_leaves_the_rest_alone_and_names_what_holds),
		cmocka_unit_test(test_a_seat_is_freed_only_when_the_product_says_so),
		cmocka_unit_test(test_the_result_is_read_until_the_lag_has_passed),
		cmocka_unit_test(
			test_a_result_that_cannot_be_read_for_an_hour_is_given_to_people),
		cmocka_unit_test(test_tokens_are_asked_for_before_they_are_said_to_be_revoked),
		cmocka_unit_test(test_an_account_that_goes_meanwhile_is_done_with),
		cmocka_unit_test(test_what_was_begun_is_not_judged_again_and_outlives_the_plan),
		cmocka_unit_test(test_in_observe_what_was_begun_stops_where_it_stands),
		cmocka_unit_test(test_what_has_ended_is_only_told_again),
		cmocka_unit_test(test_a_shared_group_goes_only_if_the_other_seat_is_to_go_too),
		cmocka_unit_test(test_a_shared_group_waits_for_the_later_of_the_two),
		cmocka_unit_test(test_when_the_other_was_skipped_the_shared_group_stays),
		cmocka_unit_test(test_the_second_knows_that_the_first_took_the_shared_group),
		cmocka_unit_test(
			test_the_second_is_already_free_where_the_shared_group_was_all),
		cmocka_unit_test(test_the_second_still_must_be_wanted_for_what_is_its_own),
		cmocka_unit_test(test_a_run_counts_ends_until_nothing_is_left),
		cmocka_unit_test(test_a_run_stops_between_two_actions),
		cmocka_unit_test(test_our_own_trouble_ends_the_run_and_writes_nothing_more),
		cmocka_unit_test(test_a_fault_may_be_told_to_nobody),
		cmocka_unit_test(test_every_outcome_has_its_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
