/* When days end, when steps may start. */
#include "reconcile/calendar.h"
#include "tests/lib/test.h"

static int64_t at(const char *text)
{
	int64_t ms;

	if (!stamp_parse(str_of(text), &ms))
		fail_msg("%s is no time", text);
	return ms;
}

static void same_time(int64_t have, const char *want)
{
	char text[STAMP_TEXT_BYTES];

	stamp_text(have, text);
	assert_string_equal(text, want);
}

static struct calendar calendar_in(const char *zone)
{
	struct calendar c = { .quiet = true,
			      .quiet_from = 5 * 1440 + 15 * 60,
			      .quiet_until = 1440 + 7 * 60 };
	struct err err;

	assert_ok(zone_get(str_of(zone), &c.zone, &err), &err);
	return c;
}

static void test_minutes_of_the_week_are_read(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int minute;
	} cases[] = {
		{ "Sun 00:00", true, 0 },
		{ "Fri 15:00", true, 8100 },
		{ "monday 07:00", true, 1860 },
		{ " Saturday  23:59 ", true, 10079 },
		{ "Fri", false, 0 },
		{ "Fr 15:00", false, 0 },
		{ "Fri 24:00", false, 0 },
		{ "Fri 7:00", false, 0 },
		{ "Fri 07:60", false, 0 },
		{ "Someday 07:00", false, 0 },
		{ "Frisday 07:00", false, 0 },
		{ "", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int minute = -1;

		if (calendar_week_minute(str_of(cases[i].text), &minute) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		assert_int_equal(minute, cases[i].ok ? cases[i].minute : -1);
	}
}

static void test_a_day_ends_where_the_person_is(void **state)
{
	static const struct {
		const char *zone, *date, *end;
		bool known;
	} cases[] = {
		{ "Europe/Berlin", "2026-03-29", "2026-03-29T22:00:00Z", true }, /* 23 hours */
		{ "Europe/Berlin", "2026-10-25", "2026-10-25T23:00:00Z", true }, /* 25 hours */
		{ "Australia/Melbourne", "2026-03-02", "2026-03-02T13:00:00Z", true },
		{ "Asia/Kathmandu", "2026-03-02", "2026-03-02T18:15:00Z", true },
		{ "UTC", "2026-12-31", "2027-01-01T00:00:00Z", true },
		{ "No/Where", "2026-03-02", "2026-03-03T12:00:00Z", false },
		{ "../etc/passwd", "2026-03-02", "2026-03-03T12:00:00Z", false },
		{ "", "2026-03-02", "2026-03-03T12:00:00Z", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t date, end;

		assert_true(stamp_parse_date(str_of(cases[i].date), &date));
		assert_int_equal(calendar_day_time_in(str_of(cases[i].zone), date,
						      CALENDAR_DAY_END, &end),
				 cases[i].known);
		same_time(end, cases[i].end);
	}
}

static void test_quiet_hours_end_on_monday(void **state)
{
	static const struct {
		const char *zone, *at, *open;
	} cases[] = {
		{ "UTC", "2026-03-06T14:59:59Z", "2026-03-06T14:59:59Z" },
		{ "UTC", "2026-03-06T15:00:00Z", "2026-03-09T07:00:00Z" },
		{ "UTC", "2026-03-08T12:34:56Z", "2026-03-09T07:00:00Z" },
		{ "UTC", "2026-03-09T06:59:59Z", "2026-03-09T07:00:00Z" },
		{ "UTC", "2026-03-09T07:00:00Z", "2026-03-09T07:00:00Z" },
		{ "America/New_York", "2026-03-06T19:59:00Z", "2026-03-06T19:59:00Z" },
		/* over the night in which the clocks go forward, and back */
		{ "Europe/Berlin", "2026-03-27T15:00:00Z", "2026-03-30T05:00:00Z" },
		{ "Europe/Berlin", "2026-10-23T14:00:00Z", "2026-10-26T06:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct calendar c = calendar_in(cases[i].zone);

		same_time(calendar_open(&c, at(cases[i].at)), cases[i].open);
		assert_int_equal(calendar_is_open(&c, at(cases[i].at)),
				 strcmp(cases[i].at, cases[i].open) == 0);
	}
}

static void test_no_quiet_hours_are_always_open(void **state)
{
	struct calendar c = calendar_in("UTC");

	(void)state;
	c.quiet_until = c.quiet_from;
	assert_true(calendar_is_open(&c, at("2026-03-07T00:00:00Z")));
	c = calendar_in("UTC");
	c.quiet = false;
	assert_true(calendar_is_open(&c, at("2026-03-07T00:00:00Z")));
}

static void test_business_days_leave_weekends_and_holidays_out(void **state)
{
	static const struct {
		const char *from;
		int64_t wait_ms;
		const char *after;
	} cases[] = {
		{ "2026-03-06T10:00:00Z", STAMP_DAY_MS,
		  "2026-03-09T10:00:00Z" }, /* over a weekend */
		{ "2026-03-07T10:00:00Z", STAMP_DAY_MS, "2026-03-09T10:00:00Z" },
		{ "2026-03-09T10:00:00Z", 2 * STAMP_DAY_MS,
		  "2026-03-12T10:00:00Z" }, /* the 10th */
		{ "2026-03-06T10:00:00Z", 7 * STAMP_DAY_MS, "2026-03-18T10:00:00Z" },
		{ "2026-03-06T10:00:00Z", 5 * STAMP_HOUR_MS, "2026-03-06T15:00:00Z" },
		{ "2026-03-06T10:00:00Z", 0, "2026-03-06T10:00:00Z" },
	};
	int64_t holiday;
	struct calendar c = calendar_in("UTC");

	(void)state;
	assert_true(stamp_parse_date(STR("2026-03-10"), &holiday));
	c.holidays = &holiday;
	c.holiday_count = 1;
	c.business_days = true;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		same_time(calendar_after(&c, at(cases[i].from), cases[i].wait_ms),
			  cases[i].after);
	c.business_days = false;
	same_time(calendar_after(&c, at("2026-03-06T10:00:00Z"), STAMP_DAY_MS),
		  "2026-03-07T10:00:00Z");
	/* the time of day is kept over a change of clocks */
	c = calendar_in("Europe/Berlin");
	c.business_days = true;
	same_time(calendar_after(&c, at("2026-03-27T08:00:00Z"), STAMP_DAY_MS),
		  "2026-03-30T07:00:00Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minutes_of_the_week_are_read),
		cmocka_unit_test(test_a_day_ends_where_the_person_is),
		cmocka_unit_test(test_quiet_hours_end_on_monday),
		cmocka_unit_test(test_no_quiet_hours_are_always_open),
		cmocka_unit_test(test_business_days_leave_weekends_and_holidays_out),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	zone_done();
	return r;
}
