#include "tests/lib/test.h"

#include "net/rate.h"
#include "net/retry.h"

static const struct rate_rule three = { .name = "test",
					.per_second = 3,
					.most_per_second = 50 };

/* How many calls pass in ms, asked each time the bucket says so. */
static int pass(struct rate *r, int64_t from_ms, int64_t ms)
{
	int64_t now = from_ms;
	int n = 0;

	while (now < from_ms + ms) {
		int64_t wait = rate_take(r, now);

		if (wait == 0)
			n++;
		else
			now += wait;
	}
	return n;
}

static void test_without_headers_the_rule_holds(void **state)
{
	struct rate r;

	(void)state;
	rate_init(&r, &three, 1000);
	assert_int_equal(pass(&r, 1000, 10000), 30);
}

static void test_silence_saves_up_no_more_than_the_burst(void **state)
{
	struct rate_rule rule = three;
	struct rate r;

	(void)state;
	rule.burst = 5;
	rate_init(&r, &rule, 0);
	assert_int_equal(pass(&r, 3600000, 1), 5);
}

static void test_a_told_window_is_spread_over_its_time(void **state)
{
	struct rate_told told = { 200, 1000, 600, 60000, -1, false, 0 };
	struct rate r;
	int n;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 0);
	n = pass(&r, 0, 60000);
	assert_in_range(n, 595, 602);
}

static void test_no_header_makes_it_faster_than_it_may_be(void **state)
{
	struct rate_told told = { 200, 100000, 99999, 1000, -1, false, 0 };
	struct rate r;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 0);
	assert_in_range(pass(&r, 0, 1000), 45, 51);
}

static void test_nothing_left_waits_for_the_reset(void **state)
{
	struct rate_told told = { 200, 100, 0, 5000, -1, false, 0 };
	struct rate r;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 0);
	assert_int_equal(rate_take(&r, 100), 4900);
	assert_int_equal(rate_take(&r, 4999), 1);
	assert_true(pass(&r, 5000, 1000) > 0);
}

static void test_what_is_under_way_counts_against_the_window(void **state)
{
	struct rate_told told = { 200, 100, 10, 1000, -1, false, 6 };
	struct rate r;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 0);
	assert_int_equal(pass(&r, 0, 999), 4); /* 10 are left, 6 of them on their way */
	told.under_way = 10;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 0);
	assert_int_equal(rate_take(&r, 100), 900);
	assert_true(rate_now(&r, 100) == 0);
	assert_int_equal(rate_take(&r, 1000), 0);
}

static void test_a_refusal_closes_for_as_long_as_it_says(void **state)
{
	struct rate_told told = { 429, -1, -1, -1, 7000, false, 0 };
	struct rate r;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 1000);
	assert_int_equal(rate_take(&r, 1000), 7000);
	assert_true(rate_now(&r, 1000) == 0);
	assert_true(rate_now(&r, 8000) < 3); /* and slower afterwards */
}

static void test_refusals_without_a_word_wait_longer_each_time(void **state)
{
	struct rate_told told = RATE_TOLD_NOTHING, good = RATE_TOLD_NOTHING;
	int64_t before = 0, wait;
	struct rate r;

	(void)state;
	told.status = 429;
	good.status = 200;
	rate_init(&r, &three, 0);
	for (int i = 0; i < 5; i++) {
		int64_t now = i * 1000000;

		rate_learn(&r, &told, now);
		wait = rate_take(&r, now);
		assert_true(wait > before);
		before = wait;
	}
	assert_true(before <= 30000);
	for (int i = 0; i < 40; i++)
		rate_learn(&r, &good, 9000000);
	assert_int_equal(pass(&r, 9000000, 10000), 30); /* the speed came back */
}

static void test_a_far_or_passed_reset_is_not_believed(void **state)
{
	struct rate_told far = { 200, 10, 0, INT64_MAX / 2, -1, false, 0 };
	struct rate_told past = { 200, 10, 0, 0, -1, false, 0 };
	struct rate r;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &far, 0);
	assert_int_equal(rate_take(&r, 0), 900000);
	rate_init(&r, &three, 0);
	rate_learn(&r, &past, 0);
	assert_int_equal(rate_take(&r, 0), 0);
}

static void test_near_the_limit_it_slows_down(void **state)
{
	struct rate_told told = { 200, -1, -1, -1, -1, true, 0 };
	struct rate r;

	(void)state;
	rate_init(&r, &three, 0);
	rate_learn(&r, &told, 0);
	assert_int_equal(pass(&r, 0, 10000), 15);
}

static void test_whoever_is_away_is_asked_by_one_call_at_a_time(void **state)
{
	const struct rate_rule rule = { .name = "t", .per_second = 100, .at_once = 16 };
	static const int mends[] = { 200, 404, 429, 499 };
	struct rate_told away = RATE_TOLD_NOTHING, back = RATE_TOLD_NOTHING;
	struct rate r;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(mends); k++) {
		int64_t now = 0;

		rate_init(&r, &rule, now);
		for (int i = 0; i < RATE_BROKEN_AFTER; i++) {
			assert_false(rate_is_broken(&r));
			assert_int_equal(rate_at_once(&r), 16);
			away.status = i % 2 ? 503 : 0; /* no answer is none, too */
			rate_learn(&r, &away, now);
		}
		assert_true(rate_is_broken(&r));
		assert_int_equal(rate_at_once(&r), 1);
		assert_int_equal(pass(&r, now, 1000), 1000 / RATE_BROKEN_MS);
		rate_learn(&r, &away, now += 1000); /* still away */
		assert_true(rate_is_broken(&r));
		assert_int_equal(pass(&r, now, 1000), 1000 / RATE_BROKEN_MS);
		back.status = mends[k];
		rate_learn(&r, &back, now += 1000);
		assert_false(rate_is_broken(&r));
		assert_int_equal(rate_at_once(&r), 16);
		if (mends[k] != 429) /* which waits for its own reason */
			assert_true(pass(&r, now + 1000, 1000) > 90);
	}
}

/* Seldom troubles, however many, are none of that sort. */
static void test_a_good_answer_between_bad_ones_keeps_it_whole(void **state)
{
	struct rate_told bad = RATE_TOLD_NOTHING, good = RATE_TOLD_NOTHING;
	struct rate r;

	(void)state;
	bad.status = 500;
	good.status = 200;
	rate_init(&r, &three, 0);
	for (int i = 0; i < 100; i++) {
		rate_learn(&r, i % RATE_BROKEN_AFTER ? &bad : &good, 0);
		assert_false(rate_is_broken(&r));
	}
}

/* --- retry -------------------------------------------------------------------------------- */

static const struct {
	enum retry_class class;
	int status, fault;
	bool connected, again;
} verdicts[] = {
	{ RETRY_IDEMPOTENT, 429, 0, true, true },
	{ RETRY_IDEMPOTENT, 500, 0, true, true },
	{ RETRY_IDEMPOTENT, 502, 0, true, true },
	{ RETRY_IDEMPOTENT, 503, 0, true, true },
	{ RETRY_IDEMPOTENT, 504, 0, true, true },
	{ RETRY_IDEMPOTENT, 200, 0, true, false },
	{ RETRY_IDEMPOTENT, 400, 0, true, false },
	{ RETRY_IDEMPOTENT, 401, 0, true, false },
	{ RETRY_IDEMPOTENT, 403, 0, true, false },
	{ RETRY_IDEMPOTENT, 404, 0, true, false },
	{ RETRY_IDEMPOTENT, 409, 0, true, false },
	{ RETRY_IDEMPOTENT, 415, 0, true, false },
	{ RETRY_IDEMPOTENT, 501, 0, true, false },
	{ RETRY_IDEMPOTENT, 0, ERR_NETWORK, true, true },
	{ RETRY_IDEMPOTENT, 0, ERR_TIMEOUT, true, true },
	{ RETRY_IDEMPOTENT, 0, ERR_TLS, false, false },
	{ RETRY_IDEMPOTENT, 0, ERR_LIMIT, true, false },
	{ RETRY_IDEMPOTENT, 0, ERR_NOMEM, false, false },
	/* what may have arrived is not sent twice */
	{ RETRY_IF_NOT_SENT, 0, ERR_NETWORK, false, true },
	{ RETRY_IF_NOT_SENT, 0, ERR_NETWORK, true, false },
	{ RETRY_IF_NOT_SENT, 503, 0, true, false },
	{ RETRY_IF_NOT_SENT, 429, 0, true, true },
	{ RETRY_NOT, 429, 0, true, false },
	{ RETRY_NOT, 0, ERR_NETWORK, false, false },
};

static void test_only_what_may_fare_better_is_tried_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
		struct retry_fact fact = { .status = verdicts[i].status,
					   .fault = verdicts[i].fault,
					   .connected = verdicts[i].connected,
					   .asked_wait_ms = -1,
					   .tries = 1 };
		int64_t wait;

		if (retry_again(verdicts[i].class, 4, &fact, 0.5, &wait) != verdicts[i].again)
			fail_msg("row %zu", i);
		fact.tries = 4;
		assert_false(retry_again(verdicts[i].class, 4, &fact, 0.5, &wait));
	}
}

static void test_backoff_doubles_to_a_cap_and_is_jittered(void **state)
{
	static const int64_t middle[] = { 2000, 4000, 8000, 16000, 30000, 30000 };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(middle); i++) {
		assert_int_equal(retry_backoff_ms(0, i + 1, 0.5), middle[i]);
		assert_int_equal(retry_backoff_ms(0, i + 1, 0), middle[i] * 7 / 10);
		assert_in_range(retry_backoff_ms(0, i + 1, 0.999999), middle[i] * 129 / 100,
				middle[i] * 13 / 10);
	}
	assert_int_equal(retry_backoff_ms(0, 4000000000u, 0.5), 30000);
	assert_int_equal(retry_backoff_ms(10, 3, 0.5), 40);
}

static void test_what_the_answer_asks_comes_before_our_backoff(void **state)
{
	struct retry_fact fact = { .status = 503, .asked_wait_ms = 11000, .tries = 1 };
	int64_t wait;

	(void)state;
	assert_true(retry_again(RETRY_IDEMPOTENT, 4, &fact, 0, &wait));
	assert_int_equal(wait, 11000);
}

#define NOV 1795341600000LL /* 2026-11-22T10:00:00Z */

static const struct {
	const char *text;
	int64_t after, reset;
} times[] = {
	{ "120", 120000, 120000 },
	{ " 7 ", 7000, 7000 },
	{ "0", 0, 0 },
	{ "-5", -1, -1 },
	{ "soon", -1, -1 },
	{ "", -1, -1 },
	{ "Sun, 22 Nov 2026 10:00:30 GMT", 30000, -1 },
	{ "Sunday, 22-Nov-26 10:00:30 GMT", 30000, -1 }, /* RFC 850 */
	{ "Sun, 22 Nov 2026 09:00:00 GMT", 0, -1 },
	{ "2026-11-22T10:01:00Z", -1, 60000 },
	{ "2026-11-22T11:01:00+01:00", -1, 60000 },
	{ "2026-11-22T09:00:00Z", -1, 0 },
	{ "1795341660", INT64_MIN, 60000 },    /* epoch seconds */
	{ "1795341660000", INT64_MIN, 60000 }, /* epoch ms */
};

static void test_every_spelling_of_a_wait_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(times); i++) {
		struct str s = str_of(times[i].text);

		if (times[i].after != INT64_MIN && retry_after_ms(s, NOV) != times[i].after)
			fail_msg("Retry-After %s: %lld", times[i].text,
				 (long long)retry_after_ms(s, NOV));
		if (retry_reset_ms(s, NOV) != times[i].reset)
			fail_msg("Reset %s: %lld", times[i].text,
				 (long long)retry_reset_ms(s, NOV));
	}
	assert_true(retry_after_ms(STR("18446744073709551615"), 0) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_headers_the_rule_holds),
		cmocka_unit_test(test_silence_saves_up_no_more_than_the_burst),
		cmocka_unit_test(test_a_told_window_is_spread_over_its_time),
		cmocka_unit_test(test_no_header_makes_it_faster_than_it_may_be),
		cmocka_unit_test(test_nothing_left_waits_for_the_reset),
		cmocka_unit_test(test_what_is_under_way_counts_against_the_window),
		cmocka_unit_test(test_a_refusal_closes_for_as_long_as_it_says),
		cmocka_unit_test(test_refusals_without_a_word_wait_longer_each_time),
		cmocka_unit_test(test_a_far_or_passed_reset_is_not_believed),
		cmocka_unit_test(test_near_the_limit_it_slows_down),
		cmocka_unit_test(test_whoever_is_away_is_asked_by_one_call_at_a_time),
		cmocka_unit_test(test_a_good_answer_between_bad_ones_keeps_it_whole),
		cmocka_unit_test(test_only_what_may_fare_better_is_tried_again),
		cmocka_unit_test(test_backoff_doubles_to_a_cap_and_is_jittered),
		cmocka_unit_test(test_what_the_answer_asks_comes_before_our_backoff),
		cmocka_unit_test(test_every_spelling_of_a_wait_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
