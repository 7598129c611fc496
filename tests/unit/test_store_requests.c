/* store/requests: a link is used once and before its end, a request answered once; all audited.
 */
#include "tests/lib/store_world.h"

#include "store/persons.h"
#include "store/requests.h"

#define DAY STAMP_DAY_MS

static const struct request_row offered = {
	.org = { "acme", 4 },
	.plan = 7,
	.action = 3,
	.person = 9,
	.account = 40,
	.product = { "jira", 4 },
	.site = { "acme", 4 },
	.rule = { "inactive-jira", 13 },
	.made_ms = NOW,
	.end_ms = NOW + DAY,
};

struct seen {
	enum request_state state;
	int64_t id, back;
	int rows;
};

static int see(void *ctx, const struct request_row *row, struct err *err)
{
	struct seen *s = ctx;

	(void)err;
	assert_true(str_eq(row->rule, STR("inactive-jira")) && row->plan == 7);
	*s = (struct seen){ row->state, row->id, row->back, s->rows + 1 };
	return 0;
}

static struct seen listed(struct world *w, unsigned states)
{
	struct seen s = { 0 };
	struct err err;

	READ(w, requests_list(db, states, 10, see, &s, &err));
	return s;
}

static void test_a_step_is_offered_once_and_asked_for_once_before_its_end(void **state)
{
	struct world w = { 0 };
	struct err err;
	int64_t id = 0, same = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, requests_offer(db, STR("acme/7/3/end"), &offered, &id, &err));
	assert_int_equal(
		TRY_WRITE(&w, requests_offer(db, STR("acme/7/3/end"), &offered, &same, &err)),
		STORE_UNCHANGED);
	assert_int_equal(id, same);
	assert_int_equal(TRY_WRITE(&w, requests_ask(db, id + 1, NOW, &err)), STORE_NOT_FOUND);
	assert_int_equal(TRY_WRITE(&w, requests_ask(db, id, NOW + DAY, &err)), STORE_STALE);
	assert_int_equal(listed(&w, 1u << REQUEST_ASKED).rows, 0);
	WRITE(&w, requests_ask(db, id, NOW + DAY - 1, &err));
	assert_int_equal(TRY_WRITE(&w, requests_ask(db, id, NOW, &err)), STORE_UNCHANGED);
	assert_int_equal(listed(&w, 1u << REQUEST_ASKED).id, id);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what = 'seat.ask'"),
			 1);
	world_close(&w);
}

static void test_a_request_is_answered_once_and_only_when_it_was_asked(void **state)
{
	struct request_answer answer = { .state = REQUEST_GRANTED,
					 .back = 12,
					 .who = "uid:ada",
					 .why = "back on the project",
					 .now_ms = NOW };
	struct world w = { 0 };
	struct err err;

	(void)state;
	world_open(&w);
	assert_int_equal(TRY_WRITE(&w, requests_answer(db, &answer, &err)), STORE_NOT_FOUND);
	WRITE(&w, requests_offer(db, STR("s"), &offered, &answer.id, &err));
	assert_int_equal(TRY_WRITE(&w, requests_answer(db, &answer, &err)), STORE_STALE);
	WRITE(&w, requests_ask(db, answer.id, NOW, &err));
	WRITE(&w, requests_answer(db, &answer, &err));
	answer.state = REQUEST_REFUSED;
	assert_int_equal(TRY_WRITE(&w, requests_answer(db, &answer, &err)), STORE_UNCHANGED);
	assert_int_equal(listed(&w, ~0u).state, REQUEST_GRANTED);
	assert_int_equal(listed(&w, ~0u).back, 12);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM audit WHERE what LIKE 'request.%'"), 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_is_offered_once_and_asked_for_once_before_its_end),
		cmocka_unit_test(test_a_request_is_answered_once_and_only_when_it_was_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
