#include "tests/lib/test.h"

#include "model/billing.h"

static int64_t date(const char *text)
{
	int64_t ms = 0;

	assert_true(stamp_parse_date(str_of(text), &ms));
	return ms;
}

static int64_t money(const char *text)
{
	int64_t n = 0;

	assert_true(billing_read(str_of(text), &n));
	return n;
}

static void test_a_freed_seat_pays_from_the_next_period(void **state)
{
	static const struct {
		enum billing_term term;
		const char *renews, *day, *next;
	} rows[] = {
		{ BILLING_MONTHLY, "2025-03-14", "2026-11-22", "2026-12-14" },
		{ BILLING_MONTHLY, "2025-03-14", "2026-12-13", "2026-12-14" },
		/* the day itself belongs to the new period */
		{ BILLING_MONTHLY, "2025-03-14", "2026-12-14", "2027-01-14" },
		{ BILLING_MONTHLY, "2025-01-31", "2026-02-01", "2026-02-28" },
		{ BILLING_MONTHLY, "2025-01-31", "2026-02-28", "2026-03-31" },
		{ BILLING_MONTHLY, "2025-01-31", "2028-01-31", "2028-02-29" },
		{ BILLING_MONTHLY, "2025-01-01", "2026-12-31", "2027-01-01" },
		{ BILLING_ANNUAL, "2025-03-14", "2026-11-22", "2027-03-14" },
		{ BILLING_ANNUAL, "2025-03-14", "2026-03-13", "2026-03-14" },
		{ BILLING_ANNUAL, "2025-03-14", "2026-03-14", "2027-03-14" },
		{ BILLING_ANNUAL, "2024-02-29", "2026-01-01", "2026-02-28" },
		{ BILLING_ANNUAL, "2024-02-29", "2027-03-01", "2028-02-29" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct billing b = { .term = rows[i].term, .renews_ms = date(rows[i].renews) };
		char text[STAMP_TEXT_BYTES];

		stamp_date_text(billing_next(&b, date(rows[i].day)), text);
		if (strcmp(text, rows[i].next) != 0)
			fail_msg("renews %s, day %s: %s", rows[i].renews, rows[i].day, text);
	}
}

static void test_a_year_in_tiers_costs_less_only_below_a_boundary(void **state)
{
	/* the 8 of a month are with the 1.10 of its apps; the tiers are without */
	const struct billing_tier tiers[] = { { 100, money("9120") }, { 200, money("17520") } };
	struct billing b = { .term = BILLING_ANNUAL,
			     .price = money("8"),
			     .tiers = tiers,
			     .tier_count = COUNT_OF(tiers) };

	(void)state;
	assert_true(billing_month(&b, 0) == 0);
	assert_true(billing_month(&b, 1) == money("760"));
	assert_true(billing_month(&b, 100) == money("760"));
	assert_true(billing_month(&b, 101) == money("1460"));
	assert_true(billing_month(&b, 150) == billing_month(&b, 101));
	assert_true(billing_month(&b, 400) == money("2920"));
	assert_true(billing_seat(&b, 95) == money("8") && billing_seat(&b, 0) == 0);
	assert_true(billing_seat(&b, 400) == money("7.3"));
	/* apps are bought by the same tier: 90 pay for 100, and going below 101 pays for both
	 */
	b.apps = money("1.10");
	assert_true(billing_month(&b, 90) == money("870"));
	assert_true(billing_month(&b, 110) - billing_month(&b, 90) == money("810"));
	assert_true(billing_month(&b, 400) == money("3360"));
	/* by the month each seat counts, and a year without tiers likewise */
	b.tier_count = 0;
	assert_true(billing_month(&b, 3) == money("24"));
	b.term = BILLING_MONTHLY;
	assert_true(billing_month(&b, 3) == money("24"));
}

static void test_a_count_falls_into_the_first_tier_that_holds_it(void **state)
{
	static const struct billing_tier tiers[] = { { 100, 1 }, { 200, 2 } };
	static const struct billing bought = { .tiers = tiers, .tier_count = 2 };
	static const struct billing none = { 0 };
	static const struct {
		int64_t seats;
		size_t tier;
	} rows[] = { { 0, 0 }, { 1, 0 }, { 100, 0 }, { 101, 1 }, { 200, 1 }, { 201, 2 } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(billing_tier_at(&bought, rows[i].seats), rows[i].tier);
	assert_int_equal(billing_tier_at(&none, 5), 0);
}

static void test_money_is_read_and_shown_without_floating_point(void **state)
{
	static const struct {
		const char *text;
		int64_t money;
		const char *shown;
	} rows[] = {
		{ "7.91", 7910000, "7.91" },
		{ "0.65", 650000, "0.65" },
		{ "9100", 9100000000, "9100.00" },
		{ "0.125", 125000, "0.13" },
		{ "0.000001", 1, "0.00" },
		{ "0.999999", 999999, "1.00" },
		{ "999999999.99", 999999999990000, "999999999.99" },
	};
	static const char *const bad[] = { "",           ".",         "7.",  ".5",
					   "-1",         "7,91",      "1e3", "7.9x",
					   "1234567890", "0.1234567", " 7",  "7.91 USD" };
	char text[BILLING_TEXT_BYTES];
	int64_t n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(money(rows[i].text) == rows[i].money);
		billing_text(rows[i].money, text);
		assert_string_equal(text, rows[i].shown);
	}
	billing_text(-7910000, text);
	assert_string_equal(text, "-7.91");
	billing_text(-1, text);
	assert_string_equal(text, "0.00");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (billing_read(str_of(bad[i]), &n))
			fail_msg("\"%s\" was read as %lld", bad[i], (long long)n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_freed_seat_pays_from_the_next_period),
		cmocka_unit_test(test_a_year_in_tiers_costs_less_only_below_a_boundary),
		cmocka_unit_test(test_a_count_falls_into_the_first_tier_that_holds_it),
		cmocka_unit_test(test_money_is_read_and_shown_without_floating_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
