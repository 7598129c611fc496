/* Counts of filters hold for the state of the store that they were counted in. */
#include "tests/lib/test.h"

#include "bridge/counts.h"

static void test_a_count_is_known_for_its_question_and_its_state_alone(void **state)
{
	struct digest a, b, c, d;
	struct counts counts;
	uint64_t total = 0;

	(void)state;
	counts_init(&counts);
	counts_question(&a, 1, 1, STR("title pr"));
	counts_question(&b, 2, 1, STR("title pr"));
	counts_question(&c, 1, 2, STR("title pr"));
	counts_question(&d, 1, 1, STR("title PR"));
	assert_false(counts_find(&counts, &a, 0, &total));
	counts_keep(&counts, &a, 7, 42);
	assert_true(counts_find(&counts, &a, 7, &total));
	assert_int_equal(total, 42);
	assert_false(counts_find(&counts, &a, 8, &total));
	assert_false(counts_find(&counts, &b, 7, &total));
	assert_false(counts_find(&counts, &c, 7, &total));
	assert_false(counts_find(&counts, &d, 7, &total));
	counts_keep(&counts, &a, 8, 43); /* in its place */
	assert_false(counts_find(&counts, &a, 7, &total));
	assert_true(counts_find(&counts, &a, 8, &total));
	assert_int_equal(total, 43);
	assert_int_equal(counts.next, 1);
	counts_done(&counts);
}

static void test_the_oldest_goes_when_there_is_no_room(void **state)
{
	struct counts counts;
	struct digest q;
	uint64_t total = 0;

	(void)state;
	counts_init(&counts);
	for (unsigned i = 0; i <= COUNTS_MOST; i++) {
		counts_question(&q, i, 1, STR(""));
		counts_keep(&counts, &q, 1, i);
	}
	for (unsigned i = 0; i <= COUNTS_MOST; i++) {
		counts_question(&q, i, 1, STR(""));
		assert_int_equal(counts_find(&counts, &q, 1, &total), i > 0);
		if (i > 0)
			assert_int_equal(total, i);
	}
	counts_done(&counts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_count_is_known_for_its_question_and_its_state_alone),
		cmocka_unit_test(test_the_oldest_goes_when_there_is_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
