/*
 * The applier is killed at every point of its work, before and after the effect of each port
 * call, and started anew on what the journal kept. The end must be that of the run which nobody
 * disturbed, and each effect must have happened once, by the organisation's own count.
 */
#include "tests/unit/apply_world.h"

#define ROUNDS_MOST 1000

/* One action of every kind and end, one to four steps. */
static struct world *story(void)
{
	struct world *w = world_new();
	struct action *a, *b;

	world_suspend(w);
	world_status(w, ACTION_DEACTIVATE, STEP_DISABLE, PLAN_LEAVER, ACCOUNT_SUSPENDED);
	a = world_add(w, ACTION_REVOKE_TOKENS, PLAN_LEAVER);
	world_step(a, STEP_REVOKE_TOKEN);
	cell_is(&w->accounts[a->account].tokens, 3);
	world_step(world_add(w, ACTION_WARN, PLAN_INACTIVE), STEP_NOTIFY);
	world_free_seat(w, "jira", 0, 3, true);
	world_status(w, ACTION_RESTORE, STEP_RESTORE, PLAN_RESTORE, ACCOUNT_SUSPENDED);
	world_status(w, ACTION_ENABLE, STEP_ENABLE, PLAN_RESTORE, ACCOUNT_DEACTIVATED);

	/* two seats by one group: only together */
	a = world_free_seat(w, "jira", 1, 3, false);
	b = world_free_seat(w, "jsm", 2, 4, false);
	w->accounts[a->account].groups[3] = w->accounts[b->account].groups[3];
	b->account = a->account;
	a->with = &b->n;
	b->with = &a->n;
	a->with_count = b->with_count = 1;

	/* a seat is given back */
	a = world_free_seat(w, "jira", 0, 2, true);
	a->class = PLAN_RESTORE;
	a->after = a->before;
	a->before.group_count = a->before.role_count = 0;
	a->steps[0].op = a->steps[1].op = STEP_ADD_GROUP;
	a->steps[2].op = STEP_ASSIGN_ROLE;
	cell_is(&w->accounts[a->account].groups[0], 0);
	cell_is(&w->accounts[a->account].groups[1], 0);
	cell_is(&w->accounts[a->account].role, 0);

	/* ends that are not as hoped */
	a = world_free_seat(w, "jira", 0, 1, false);
	w->accounts[a->account].inferred = true;
	a = world_suspend(w);
	w->accounts[a->account].impossible = true;
	a = world_suspend(w);
	cell_is(&w->accounts[a->account].status, ACCOUNT_SUSPENDED);
	a = world_suspend(w);
	w->kept[a->n - 1].judgement.verdict = JUDGE_NOT_WANTED;
	return w;
}

static const enum apply_outcome story_ends[] = {
	OUTCOME_DONE,       OUTCOME_DONE,   OUTCOME_DONE,    OUTCOME_DONE,    OUTCOME_FREED,
	OUTCOME_DONE,       OUTCOME_DONE,   OUTCOME_FREED,   OUTCOME_FREED,   OUTCOME_DONE,
	OUTCOME_STILL_HELD, OUTCOME_FAILED, OUTCOME_ALREADY, OUTCOME_SKIPPED,
};

/* --- living through it ----------------------------------------------------------------------
 */

/* What a new process knows: nothing but the journal. */
static void reborn(struct world *w, unsigned kill_after)
{
	w->killed = false;
	w->kill_at = kill_after ? w->points + kill_after : 0;
	for (size_t i = 0; i < w->plan.actions.n; i++) {
		w->kept[i].again_ms = 0;
		w->kept[i].finished = false;
	}
}

/* To the time of whatever waits; false when nothing does. */
static bool wait_for_next(struct world *w)
{
	int64_t next_ms = STAMP_NEVER;

	for (size_t i = 0; i < w->plan.actions.n; i++)
		if (!w->kept[i].finished && w->kept[i].again_ms < next_ms)
			next_ms = w->kept[i].again_ms;
	if (next_ms == STAMP_NEVER)
		return false;
	if (next_ms > w->now_ms)
		w->now_ms = next_ms;
	return true;
}

/* Until everything has ended. After the first kill pause_ms pass; kill_again: a second kill
 * comes that many points after it. */
static unsigned live(struct world *w, unsigned kill_again, int64_t pause_ms)
{
	unsigned kills = 0;

	for (int rounds = 0; rounds < ROUNDS_MOST; rounds++) {
		struct apply_counts counts = { 0 };
		struct err err;
		int r = apply_run(&w->ports, w->policy, &counts, &err);

		if (w->killed) {
			assert_fault(r, ERR_CANCELLED, &err, "killed");
			reborn(w, kills++ ? 0 : kill_again);
			w->now_ms += pause_ms;
			pause_ms = 0;
			continue;
		}
		assert_ok(r, &err);
		if (!wait_for_next(w))
			return kills;
	}
	fail_msg("it does not come to an end");
	return kills;
}

static enum apply_outcome ended(const struct world *w, size_t i)
{
	const struct world_action *k = &w->kept[i];

	if (k->line_count == 0 || k->lines[k->line_count - 1].kind != 'e')
		return OUTCOME_NONE;
	assert_int_equal(k->lines[k->line_count - 1].outcome, k->outcome);
	return k->outcome;
}

static void assert_cell(const char *when, size_t account, const struct cell *is,
			const struct cell *was)
{
	if (is->now != was->now || is->changes != was->changes)
		fail_msg("%s: account %zu: %d after %u changes, not %d after %u", when, account,
			 is->now, is->changes, was->now, was->changes);
}

static void assert_account(const char *when, size_t i, const struct world_account *is,
			   const struct world_account *was)
{
	assert_cell(when, i, &is->status, &was->status);
	assert_cell(when, i, &is->tokens, &was->tokens);
	assert_cell(when, i, &is->role, &was->role);
	for (int g = 0; g < WORLD_GROUPS; g++)
		assert_cell(when, i, &is->groups[g], &was->groups[g]);
}

static void assert_not_repeated(const char *when, const struct world *w, size_t i)
{
	for (size_t s = 0; s < WORLD_STEPS; s++)
		if (w->kept[i].repeated[s])
			fail_msg("%s: action %zu step %zu was repeated blindly", when, i + 1,
				 s + 1);
}

/* The same ends, the same organisation, each change made once, each notice sent once. */
static void assert_same_end(const char *when, const struct world *is, const struct world *was)
{
	for (size_t i = 0; i < was->plan.actions.n; i++) {
		if (ended(is, i) != ended(was, i))
			fail_msg("%s: action %zu ended %s, not %s: %s", when, i + 1,
				 apply_outcome_word(ended(is, i)),
				 apply_outcome_word(ended(was, i)),
				 world_text(is, &is->actions[i]));
		assert_account(when, i, &is->accounts[i], &was->accounts[i]);
		assert_not_repeated(when, is, i);
		if (is->actions[i].kind != ACTION_WARN)
			continue;
		assert_int_equal(is->kept[i].effects[0], was->kept[i].effects[0]);
		assert_string_equal(is->kept[i].key[0], was->kept[i].key[0]);
	}
}

static struct world *undisturbed(void)
{
	struct world *w = story();

	assert_int_equal(live(w, 0, 0), 0);
	return w;
}

/* --- tests ----------------------------------------------------------------------------------
 */

static void test_undisturbed_everything_ends_as_it_should(void **state)
{
	CLEANUP(world_free_at) struct world *w = undisturbed();

	(void)state;
	assert_int_equal(w->plan.actions.n, COUNT_OF(story_ends));
	for (size_t i = 0; i < COUNT_OF(story_ends); i++) {
		if (ended(w, i) != story_ends[i])
			fail_msg("action %zu ended %s: %s", i + 1,
				 apply_outcome_word(ended(w, i)),
				 world_text(w, &w->actions[i]));
		assert_not_repeated("undisturbed", w, i);
	}
	assert_int_equal(w->accounts[0].status.now, ACCOUNT_SUSPENDED);
	assert_int_equal(w->accounts[1].status.now, ACCOUNT_DEACTIVATED);
	assert_int_equal(w->accounts[2].tokens.now, 0);
	assert_int_equal(w->kept[3].effects[0], 1);
	assert_string_equal(w->kept[3].key[0], "acme/41/4/1");
	for (int g = 0; g < WORLD_GROUPS; g++) {
		assert_int_equal(w->accounts[4].groups[g].now, 0);
		assert_int_equal(w->accounts[4].groups[g].changes, g < 3);
		assert_int_equal(w->accounts[7].groups[g].now, 0);
		assert_int_equal(w->accounts[7].groups[g].changes, g > 0);
		assert_int_equal(w->accounts[9].groups[g].now, g < 2);
	}
	assert_int_equal(w->accounts[4].role.changes, 1);
	assert_int_equal(w->accounts[5].status.now, ACCOUNT_ACTIVE);
	assert_int_equal(w->accounts[6].status.now, ACCOUNT_ACTIVE);
	assert_int_equal(w->accounts[9].role.now, 1);
	assert_int_equal(w->accounts[11].status.now, ACCOUNT_ACTIVE);
	assert_int_equal(w->accounts[12].status.changes, 0);
	assert_int_equal(w->accounts[13].status.changes, 0);
}

static void test_killed_at_every_point_it_goes_on_to_the_same_end(void **state)
{
	CLEANUP(world_free_at) struct world *was = undisturbed();

	(void)state;
	assert_true(was->points > 300);
	for (unsigned k = 1; k <= was->points; k++) {
		CLEANUP(world_free_at) struct world *w = story();
		char when[64];

		snprintf(when, sizeof(when), "killed at point %u", k);
		w->kill_at = k;
		assert_int_equal(live(w, 0, 0), 1);
		assert_same_end(when, w, was);
	}
}

static void test_killed_again_soon_after_it_goes_on_to_the_same_end(void **state)
{
	CLEANUP(world_free_at) struct world *was = undisturbed();

	(void)state;
	for (unsigned k = 1; k <= was->points; k++) {
		for (unsigned again = 1; again <= 12; again++) {
			CLEANUP(world_free_at) struct world *w = story();
			char when[64];

			snprintf(when, sizeof(when), "killed at point %u and %u later", k,
				 again);
			w->kill_at = k;
			assert_in_range(live(w, again, 0), 1, 2);
			assert_same_end(when, w, was);
		}
	}
}

/* What was begun is carried to its end although the plan expired; nothing else starts. */
static void test_killed_and_restarted_days_later_only_what_was_begun_goes_on(void **state)
{
	CLEANUP(world_free_at) struct world *was = undisturbed();

	(void)state;
	for (unsigned k = 1; k <= was->points; k++) {
		CLEANUP(world_free_at) struct world *w = story();
		char when[64];

		snprintf(when, sizeof(when), "killed at point %u for days", k);
		w->kill_at = k;
		assert_int_equal(live(w, 0, 3 * STAMP_DAY_MS), 1);
		for (size_t i = 0; i < w->plan.actions.n; i++) {
			bool begun = has_line(&w->kept[i], 'b');

			assert_not_repeated(when, w, i);
			if (begun && ended(w, i) != ended(was, i))
				fail_msg("%s: action %zu ended %s: %s", when, i + 1,
					 apply_outcome_word(ended(w, i)),
					 world_text(w, &w->actions[i]));
			if (begun || ended(w, i) == OUTCOME_ALREADY)
				continue;
			assert_int_equal(ended(w, i), OUTCOME_SKIPPED);
			for (size_t s = 0; s < WORLD_STEPS; s++)
				assert_int_equal(w->kept[i].effects[s], 0);
		}
	}
}

static void lose_each_answer(bool after, unsigned kill_at_step)
{
	CLEANUP(world_free_at) struct world *was = undisturbed();

	for (unsigned n = 1; n <= was->target_calls; n++) {
		for (unsigned k = 0; k <= was->points; k += kill_at_step) {
			CLEANUP(world_free_at) struct world *w = story();
			char when[96];

			snprintf(when, sizeof(when), "call %u lost %s its effect, killed at %u",
				 n, after ? "after" : "before", k);
			w->fault_nth = n;
			w->fault_after = after;
			w->kill_at = k;
			assert_int_equal(live(w, 0, 0), k > 0);
			assert_same_end(when, w, was);
			if (kill_at_step > was->points)
				break;
		}
	}
}

static void test_each_call_that_never_arrives_is_made_again(void **state)
{
	(void)state;
	lose_each_answer(false, UINT32_MAX);
}

static void test_each_answer_that_is_lost_is_verified_not_repeated(void **state)
{
	(void)state;
	lose_each_answer(true, UINT32_MAX);
}

static void test_lost_answers_and_kills_together_change_nothing(void **state)
{
	(void)state;
	/* a step that shares no factor with the two points of a call: both are met */
	lose_each_answer(false, 37);
	lose_each_answer(true, 37);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undisturbed_everything_ends_as_it_should),
		cmocka_unit_test(test_killed_at_every_point_it_goes_on_to_the_same_end),
		cmocka_unit_test(test_killed_again_soon_after_it_goes_on_to_the_same_end),
		cmocka_unit_test(
			test_killed_and_restarted_days_later_only_what_was_begun_goes_on),
		cmocka_unit_test(test_each_call_that_never_arrives_is_made_again),
		cmocka_unit_test(test_each_answer_that_is_lost_is_verified_not_repeated),
		cmocka_unit_test(test_lost_answers_and_kills_together_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
