/* When days end, when steps may start. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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

/*
 * The days around each change of clocks in 2025 and 2026 (and the day that Samoa left out), in
 * zones that changed theirs of late or are not whole hours from UTC: as date(1) has it.
 */
static const char *const date_zones[] = { "Australia/Melbourne", "Pacific/Apia",
					  "Asia/Kathmandu",      "America/New_York",
					  "Africa/Cairo",        "Asia/Almaty",
					  "America/Asuncion",    "America/Mexico_City",
					  "America/Nuuk" };
static const char *const date_days[] = {
	"2011-12-29", "2011-12-31",                             /* Apia crosses the date line */
	"2023-04-27", "2023-04-28", "2023-10-26", "2023-10-27", /* Cairo has summer time again
								 */
	"2023-03-24", "2023-03-25", "2023-03-26", "2024-03-30", "2024-03-31", /* Nuuk's new zone
									       */
	"2024-02-29", "2024-03-01",                             /* Almaty's new zone */
	"2024-10-05", "2024-10-06", "2025-03-22", "2025-03-23", /* Asuncion stays in summer */
	"2022-10-29", "2022-10-30", "2023-04-02", /* Mexico City has no summer time any more */
	"2025-03-08", "2025-03-09", "2025-03-29", "2025-03-30", "2025-04-05", "2025-04-06",
	"2025-04-24", "2025-04-25", "2025-10-04", "2025-10-05", "2025-10-25", "2025-10-26",
	"2025-10-30", "2025-10-31", "2025-11-01", "2025-11-02", "2025-12-31", "2026-03-08",
	"2026-03-29", "2026-04-05", "2026-04-24", "2026-10-04", "2026-10-25", "2026-10-30",
	"2026-11-01",
};

/* Lines for date(1), and what it made of each. */
struct asking {
	char path[40];
	FILE *lines, *answers;
};

static void asking_begin(struct asking *a)
{
	int fd;

	(void)snprintf(a->path, sizeof(a->path), "/tmp/leaverd-dates-XXXXXX");
	fd = mkstemp(a->path);
	assert_true(fd >= 0);
	a->lines = fdopen(fd, "w");
	a->answers = tmpfile();
	assert_non_null(a->lines);
	assert_non_null(a->answers);
}

static void asking_run(struct asking *a, const char *zone, const char *format)
{
	int status = -1;
	pid_t pid;

	assert_int_equal(fclose(a->lines), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setenv("TZ", zone, 1) == 0 && dup2(fileno(a->answers), STDOUT_FILENO) >= 0)
			(void)execlp("date", "date", "-f", a->path, format, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	rewind(a->answers);
}

static void asking_end(struct asking *a)
{
	assert_int_equal(unlink(a->path), 0);
	assert_int_equal(fclose(a->answers), 0);
}

static void answer(struct asking *a, char line[64])
{
	assert_non_null(fgets(line, 64, a->answers));
	line[strcspn(line, "\n")] = '\0';
}

static int64_t day_time(const char *zone, const char *day, int minute)
{
	int64_t date, ret;

	assert_true(stamp_parse_date(str_of(day), &date));
	assert_true(calendar_day_time_in(str_of(zone), date, minute, &ret));
	return ret / STAMP_SECOND_MS;
}

static void test_five_in_the_afternoon_is_when_date_says(void **state)
{
	struct asking a;
	char line[64];

	(void)state;
	asking_begin(&a);
	for (size_t z = 0; z < COUNT_OF(date_zones); z++)
		for (size_t d = 0; d < COUNT_OF(date_days); d++)
			(void)fprintf(a.lines, "TZ=\"%s\" %s 17:00\n", date_zones[z],
				      date_days[d]);
	asking_run(&a, "UTC", "+%s");
	for (size_t z = 0; z < COUNT_OF(date_zones); z++)
		for (size_t d = 0; d < COUNT_OF(date_days); d++) {
			int64_t have = day_time(date_zones[z], date_days[d], 17 * 60), want;

			answer(&a, line);
			assert_true(str_int64(str_of(line), &want));
			if (have != want)
				fail_msg("17:00 in %s on %s is %lld, date says %lld",
					 date_zones[z], date_days[d], (long long)have,
					 (long long)want);
		}
	asking_end(&a);
}

static void test_a_day_is_over_when_date_shows_another(void **state)
{
	(void)state;
	for (size_t z = 0; z < COUNT_OF(date_zones); z++) {
		struct asking a;
		char line[64];

		asking_begin(&a);
		for (size_t d = 0; d < COUNT_OF(date_days); d++) {
			int64_t end = day_time(date_zones[z], date_days[d], CALENDAR_DAY_END);

			(void)fprintf(a.lines, "@%lld\n@%lld\n", (long long)end - 1,
				      (long long)end);
		}
		asking_run(&a, date_zones[z], "+%F");
		for (size_t d = 0; d < COUNT_OF(date_days); d++) {
			answer(&a, line);
			if (strcmp(line, date_days[d]) != 0)
				fail_msg("in %s the second before the end of %s is on %s",
					 date_zones[z], date_days[d], line);
			answer(&a, line);
			if (strcmp(line, date_days[d]) == 0)
				fail_msg("in %s it is still %s at its end", date_zones[z],
					 line);
		}
		asking_end(&a);
	}
}

static void test_a_minute_that_comes_twice_or_never(void **state)
{
	static const struct {
		const char *zone, *day;
		int minute;
		const char *at;
	} cases[] = {
		/* half past two twice: the later; never: by the clock of before */
		{ "Europe/Berlin", "2026-10-25", 150, "2026-10-25T01:30:00Z" },
		{ "Europe/Berlin", "2026-03-29", 150, "2026-03-29T01:30:00Z" },
		/* the last hour of a Thursday in Cairo comes twice; midnight of Friday never */
		{ "Africa/Cairo", "2025-10-30", 23 * 60 + 30, "2025-10-30T21:30:00Z" },
		{ "Africa/Cairo", "2025-04-25", 30, "2025-04-24T22:30:00Z" },
		/* a day that was not: it is over when it would have begun */
		{ "Pacific/Apia", "2011-12-30", 17 * 60, "2011-12-30T10:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[STAMP_TEXT_BYTES];

		stamp_text(day_time(cases[i].zone, cases[i].day, cases[i].minute) *
				   STAMP_SECOND_MS,
			   text);
		if (strcmp(text, cases[i].at) != 0)
			fail_msg("minute %d of %s in %s is at %s", cases[i].minute,
				 cases[i].day, cases[i].zone, text);
	}
}

static void test_a_freeze_holds_from_the_first_day_to_the_last(void **state)
{
	static const struct {
		const char *at, *open;
	} cases[] = {
		{ "2026-12-22T22:59:59Z", "2026-12-22T22:59:59Z" },
		/* to the end of the sixth of January in Berlin, a Wednesday */
		{ "2026-12-22T23:00:00Z", "2027-01-06T23:00:00Z" },
		{ "2027-01-06T22:59:59Z", "2027-01-06T23:00:00Z" },
		{ "2027-01-06T23:00:00Z", "2027-01-06T23:00:00Z" },
		/* the freeze of a Friday ends in the quiet hours, and those on Monday, which is
		   frozen, too */
		{ "2026-03-06T09:00:00Z", "2026-03-09T23:00:00Z" },
	};
	struct calendar_freeze freezes[3];
	struct calendar c = calendar_in("Europe/Berlin");

	(void)state;
	assert_true(calendar_freeze_of(STR("2026-12-23..2027-01-06"), &freezes[0]));
	assert_true(calendar_freeze_of(STR("2026-03-09"), &freezes[1]));
	assert_true(calendar_freeze_of(STR(" 2026-03-06 .. 2026-03-06 "), &freezes[2]));
	c.freezes = freezes;
	c.freeze_count = COUNT_OF(freezes);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		same_time(calendar_open(&c, at(cases[i].at)), cases[i].open);
		assert_int_equal(calendar_is_open(&c, at(cases[i].at)),
				 strcmp(cases[i].at, cases[i].open) == 0);
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
		cmocka_unit_test(test_five_in_the_afternoon_is_when_date_says),
		cmocka_unit_test(test_a_day_is_over_when_date_shows_another),
		cmocka_unit_test(test_a_minute_that_comes_twice_or_never),
		cmocka_unit_test(test_a_freeze_holds_from_the_first_day_to_the_last),
		cmocka_unit_test(test_quiet_hours_end_on_monday),
		cmocka_unit_test(test_no_quiet_hours_are_always_open),
		cmocka_unit_test(test_business_days_leave_weekends_and_holidays_out),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	zone_done();
	return r;
}
