#include "tests/lib/store_world.h"

#include "store/reviews.h"

static int64_t review_of_two(struct world *w)
{
	const struct review_new in = { .org = "acme",
				       .why = "yearly",
				       .who = "uid:ada",
				       .due_ms = NOW + 1000,
				       .now_ms = NOW };
	struct review_item item = { .product = STR("jira-software"),
				    .site = STR("acme.example") };
	struct err err = { 0 };
	int64_t review = 0;

	WRITE(w, reviews_start(db, &in, &review, &err));
	item.review = review;
	for (item.n = 1; item.n <= 2; item.n++)
		WRITE(w, reviews_add(db, &item, &err));
	return review;
}

static int answer(struct world *w, int64_t review, int64_t n, enum review_answer a, int64_t ms)
{
	const struct review_said said = { .review = review,
					  .n = n,
					  .answer = a,
					  .why = STR("she said so"),
					  .by = STR("bob"),
					  .now_ms = ms };
	struct err err = { 0 };

	return TRY_WRITE(w, reviews_answer(db, &said, &err));
}

static int close_on(struct world *w, int64_t review, int64_t remove, int64_t newest_ms)
{
	const struct review_close in = { .review = review,
					 .who = "uid:ada",
					 .why = "done",
					 .plans = "[7]",
					 .remove = remove,
					 .newest_ms = newest_ms,
					 .now_ms = NOW + 9 };
	struct err err = { 0 };

	return TRY_WRITE(w, reviews_close(db, &in, &err));
}

static void test_a_review_is_closed_on_the_answers_that_its_plans_rest_on(void **state)
{
	struct world w = { 0 };
	int64_t review;

	(void)state;
	world_open(&w);
	review = review_of_two(&w);
	assert_int_equal(answer(&w, review, 1, REVIEW_REMOVE, NOW + 1), 0);
	/* of what was read, one answer was taken back, and another came */
	assert_int_equal(answer(&w, review, 1, REVIEW_KEEP, NOW + 2), 0);
	assert_int_equal(close_on(&w, review, 1, NOW + 1), STORE_STALE);
	assert_int_equal(answer(&w, review, 2, REVIEW_REMOVE, NOW + 3), 0);
	assert_int_equal(close_on(&w, review, 1, NOW + 1), STORE_STALE);
	assert_int_equal(world_number(&w, "SELECT closed_ms FROM review"), 0);
	assert_int_equal(close_on(&w, review, 1, NOW + 3), 0);
	assert_int_equal(world_number(&w, "SELECT closed_ms FROM review"), NOW + 9);
	/* and then once, and for good */
	assert_int_equal(close_on(&w, review, 1, NOW + 3), STORE_UNCHANGED);
	assert_int_equal(answer(&w, review, 2, REVIEW_KEEP, NOW + 10), STORE_STALE);
	assert_int_equal(close_on(&w, review + 1, 0, 0), STORE_NOT_FOUND);
	world_close(&w);
}

static void test_a_review_that_nobody_answered_is_closed_too(void **state)
{
	struct world w = { 0 };
	int64_t review;

	(void)state;
	world_open(&w);
	review = review_of_two(&w);
	assert_int_equal(close_on(&w, review, 0, 0), 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_review_is_closed_on_the_answers_that_its_plans_rest_on),
		cmocka_unit_test(test_a_review_that_nobody_answered_is_closed_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
