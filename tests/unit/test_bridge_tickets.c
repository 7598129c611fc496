/* Which issues are put into the outbox to be opened and closed, as plans come and go. */
#include "tests/unit/bridge_house.h"

#include "bridge/tickets.h"
#include "store/plans.h"

#define CONFIG                                                                                 \
	HOUSE_INSTANCE HOUSE_SOURCE HOUSE_ORG                                                  \
		"    sites:\n      - { host: acme.atlassian.net, token: t }\n"                 \
		"notices:\n  issues:\n    - name: plans\n      site: acme.atlassian.net\n"     \
		"      project: OPS\n"
#define BY_ACTION CONFIG "      per: action\n      most: 3\n"

static int propose(void *ctx, struct db *db, struct err *err)
{
	(void)ctx;
	return store_mode_set(db, "acme", STORE_PROPOSE, "uid:test", "a test", NOW, err);
}

/* observe: as it is when nobody said otherwise. */
static void begin(struct house *h, const char *text, bool observe)
{
	struct err err = { 0 };

	house_open(h, text);
	if (!observe)
		assert_ok(writer_call(h->app.writer, propose, NULL, &err), &err);
}

struct saving {
	const char *bytes;
	size_t count; /* actions, about accounts 1.. */
	int64_t id;
};

static int save_run(void *ctx, struct db *db, struct err *err)
{
	struct saving *s = ctx;
	struct action_row actions[8];
	struct plan_value values[8];
	struct plan_new in = { .org = "acme",
			       .urgency = "urgent",
			       .bytes = str_of(s->bytes),
			       .who = "round",
			       .complete = true,
			       .expires_ms = NOW + 72 * STAMP_HOUR_MS,
			       .actions = actions,
			       .action_count = s->count,
			       .values = values,
			       .now_ms = NOW };

	for (size_t i = 0; i < s->count; i++) {
		actions[i] = (struct action_row){ .n = (int64_t)i + 1,
						  .kind = STR("suspend"),
						  .rule = STR("leaver-hr"),
						  .class_ = STR("leaver"),
						  .account = (int64_t)i + 1,
						  .person = 70,
						  .due_ms = NOW };
		values[i] = (struct plan_value){ STR("0123456789abcdef"),
						 STR("{\"name\":\"Lea Lovelace\"}") };
	}
	return plans_save(db, &in, &s->id, err);
}

static int64_t plan(struct house *h, const char *bytes, size_t count)
{
	struct saving s = { bytes, count, 0 };
	struct err err = { 0 };

	assert_ok(writer_call(h->app.writer, save_run, &s, &err), &err);
	return s.id;
}

static void look(struct house *h, int64_t now_ms)
{
	struct err err = { 0 };

	assert_ok(tickets_look(&h->app, now_ms, &err), &err);
}

static int64_t put(struct house *h, const char *key)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM outbox WHERE kind = 'issue' AND key LIKE '%s'", key);
	return world_number(&h->w, sql);
}

static void test_a_plan_has_one_issue_and_one_word_that_it_is_over(void **state)
{
	struct house h;
	int64_t first;

	(void)state;
	begin(&h, CONFIG, false);
	look(&h, NOW);
	assert_int_equal(put(&h, "%"), 0);
	first = plan(&h, "{\"a\":1}", 2);
	for (int i = 0; i < 3; i++)
		look(&h, NOW + i * STAMP_MINUTE_MS);
	assert_int_equal(put(&h, "issues:plans/plan/1/%/open"), 1);
	assert_int_equal(put(&h, "%"), 1);
	/* who it is about stands nowhere in it; how to see more does */
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%Lovelace%'"),
			 0);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%leaverd approve 1 %' AND letter LIKE"
					    " '%waits for approval%'"),
			 1);
	plan(&h, "{\"a\":2}", 2);
	for (int i = 0; i < 3; i++)
		look(&h, NOW + i * STAMP_MINUTE_MS);
	assert_int_equal(put(&h, "issues:plans/plan/1/%/close"), 1);
	assert_int_equal(put(&h, "issues:plans/plan/2/%/open"), 1);
	assert_int_equal(put(&h, "%"), 3);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%Plan 1 was superseded by plan 2%'"),
			 1);
	assert_int_equal(first, 1);
	house_close(&h);
}

static void test_in_mode_observe_nothing_is_put_in(void **state)
{
	struct house h;

	(void)state;
	begin(&h, CONFIG, true);
	plan(&h, "{\"a\":1}", 2);
	look(&h, NOW);
	assert_int_equal(put(&h, "%"), 0);
	house_close(&h);
}

static void test_an_action_keeps_its_issue_over_plans_and_many_have_one_together(void **state)
{
	struct house h;

	(void)state;
	begin(&h, BY_ACTION, false);
	plan(&h, "{\"a\":1}", 2);
	look(&h, NOW);
	assert_int_equal(put(&h, "issues:plans/action/%/open"), 2);
	plan(&h, "{\"a\":2}", 3);
	look(&h, NOW + STAMP_HOUR_MS);
	assert_int_equal(put(&h, "issues:plans/action/%/open"), 3);
	assert_int_equal(put(&h, "%/close"), 0);
	plan(&h, "{\"a\":3}", 1); /* two are planned no more */
	look(&h, NOW + 2 * STAMP_HOUR_MS);
	assert_int_equal(put(&h, "issues:plans/action/%/close"), 2);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%It is planned no more%'"),
			 2);
	plan(&h, "{\"a\":4}", 4); /* more than `most` */
	look(&h, NOW + 3 * STAMP_HOUR_MS);
	assert_int_equal(put(&h, "issues:plans/plan/4/%/open"), 1);
	assert_int_equal(put(&h, "issues:plans/action/%/open"), 3);
	house_close(&h);
}

static void test_an_action_that_failed_keeps_its_issue_for_the_next_round(void **state)
{
	struct house h;
	char sql[200];

	(void)state;
	begin(&h, BY_ACTION, false);
	plan(&h, "{\"a\":1}", 1);
	look(&h, NOW);
	snprintf(sql, sizeof(sql), "UPDATE action SET state = %d, state_ms = %lld",
		 ACTION_FAILED, (long long)NOW);
	house_meddle(&h, sql);
	look(&h, NOW + 20 * STAMP_HOUR_MS);
	assert_int_equal(put(&h, "%/close"), 0);
	look(&h, NOW + 30 * STAMP_HOUR_MS);
	assert_int_equal(put(&h, "%/close"), 1);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%Action 1 of plan 1 failed%'"),
			 1);
	house_close(&h);
}

/* Whatever is lost, the next look puts in what is missing, and nothing twice. */
static void test_a_look_survives_each_lost_allocation(void **state)
{
	struct house h;
	int nth = 0, r;
	bool again;

	(void)state;
	fault_install();
	begin(&h, BY_ACTION, false);
	plan(&h, "{\"a\":1}", 3);
	do {
		struct err err = { 0 };

		house_meddle(&h, "DELETE FROM issue");
		house_meddle(&h, "DELETE FROM outbox");
		fault_at(++nth);
		r = tickets_look(&h.app, NOW, &err);
		again = fault_fired();
		assert_true(again ? r == -ERR_NOMEM : r == 0);
		look(&h, NOW);
		assert_int_equal(put(&h, "%/open"), 3);
		assert_int_equal(put(&h, "%"), 3);
	} while (again);
	assert_true(nth > 10);
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_has_one_issue_and_one_word_that_it_is_over),
		cmocka_unit_test(test_in_mode_observe_nothing_is_put_in),
		cmocka_unit_test(
			test_an_action_keeps_its_issue_over_plans_and_many_have_one_together),
		cmocka_unit_test(test_an_action_that_failed_keeps_its_issue_for_the_next_round),
		cmocka_unit_test(test_a_look_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
