#include "tests/lib/test.h"

#include "bridge/atonce.h"

static void test_a_flood_of_immediate_ends_takes_half_of_the_time_at_most(void **state)
{
	struct atonce a = { 0 };
	int64_t now_ms = 1000, busy_ms = 0;
	const int64_t begun_ms = now_ms;

	(void)state;
	assert_true(atonce_rested(&a, now_ms)); /* the first waits for nothing */
	/* there is always another one, looked for each beat of 50 ms; a round takes 700 ms */
	for (int i = 0; i < 400; i++, now_ms += 50) {
		if (!atonce_rested(&a, now_ms))
			continue;
		atonce_rest(&a, now_ms, now_ms + 700);
		assert_false(atonce_rested(&a, now_ms + 700));
		assert_true(atonce_rested(&a, now_ms + 1400)); /* and no longer than that */
		busy_ms += 700;
		now_ms += 700;
	}
	assert_true(busy_ms * 2 <= now_ms - begun_ms + 700);
	assert_true(busy_ms * 3 >= now_ms - begun_ms);
	atonce_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flood_of_immediate_ends_takes_half_of_the_time_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
