#include "tests/lib/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/stamp.h"

static char clock_file[] = "/tmp/leaverd-clock-XXXXXX";
static int clock_fd = -1;

/* Before anybody asks for the time: the file is looked at once. */
static int with_clock(void **state)
{
	const unsigned char zero[8] = { 0 };

	(void)state;
	clock_fd = mkstemp(clock_file);
	return clock_fd < 0 || write(clock_fd, zero, 8) != 8 ||
	       setenv("LEAVERD_CLOCK", clock_file, 1) != 0;
}

static int without_clock(void **state)
{
	(void)state;
	close(clock_fd);
	return unlink(clock_file);
}

static void test_only_test_builds_have_a_clock_that_can_be_moved(void **state)
{
	const int64_t moved = 14 * STAMP_DAY_MS;
	unsigned char bytes[8];
	int64_t before, after, mono;

	(void)state;
	before = stamp_now_ms();
	mono = stamp_mono_ms();
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)((uint64_t)moved >> (8 * i)); /* little-endian */
	assert_int_equal(pwrite(clock_fd, bytes, 8, 0), 8);
	after = stamp_now_ms();
	if (stamp_is_virtual())
		assert_in_range(after - before, moved, moved + STAMP_HOUR_MS);
	else
		assert_in_range(after - before, 0, STAMP_HOUR_MS);
	assert_in_range(stamp_mono_ms() - mono, 0, STAMP_HOUR_MS); /* never virtual */
}

static void test_now_is_after_this_was_written(void **state)
{
	(void)state;
	assert_true(stamp_now_ms() > stamp_from_civil(2024, 1, 1, 0, 0, 0));
	assert_true(stamp_now_ms() < stamp_from_civil(2200, 1, 1, 0, 0, 0));
}

/* Seconds by date(1) -u. */
static const struct {
	int64_t s;
	const char *text;
} instants[] = {
	{ 0, "1970-01-01T00:00:00Z" },
	{ -1, "1969-12-31T23:59:59Z" },
	{ 784111777, "1994-11-06T08:49:37Z" },
	{ 1709251199, "2024-02-29T23:59:59Z" },
	{ -11670998400, "1600-02-29T00:00:00Z" },
	{ 4107542400, "2100-03-01T00:00:00Z" },
	{ -62135596800, "0001-01-01T00:00:00Z" },
	{ -62167219200, "0000-01-01T00:00:00Z" },
	{ 253402300799, "9999-12-31T23:59:59Z" },
	{ -11644473600, "1601-01-01T00:00:00Z" },
};

static void test_instants_are_printed_and_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(instants); i++) {
		char text[STAMP_TEXT_BYTES];
		int64_t ms;

		stamp_text(instants[i].s * 1000, text);
		assert_string_equal(text, instants[i].text);
		assert_true(stamp_parse(str_of(text), &ms));
		assert_true(ms == instants[i].s * 1000);
		stamp_date_text(instants[i].s * 1000, text);
		assert_true(str_starts(str_of(instants[i].text), str_of(text)));
		assert_int_equal(strlen(text), 10);
	}
}

static void test_every_day_of_800_years_follows_the_one_before(void **state)
{
	int year = 1599, month = 12, day = 31;

	(void)state;
	for (int64_t ms = stamp_from_civil(1600, 1, 1, 0, 0, 0);
	     ms < stamp_from_civil(2400, 1, 1, 0, 0, 0); ms += STAMP_DAY_MS) {
		int y, m, d;

		stamp_civil(ms, &y, &m, &d);
		if (d != day + 1) { /* a month began */
			assert_true(day >= 28 && d == 1);
			assert_int_equal(m, month % 12 + 1);
			assert_int_equal(y, year + (m == 1));
		}
		assert_true(stamp_from_civil(y, m, d, 0, 0, 0) == ms);
		stamp_civil(ms + STAMP_DAY_MS - 1, &year, &month, &day);
		assert_true(year == y && month == m && day == d);
	}
}

static void test_fractions_stand_when_there_are_any(void **state)
{
	char text[STAMP_TEXT_BYTES];

	(void)state;
	stamp_text(784111777007, text);
	assert_string_equal(text, "1994-11-06T08:49:37.007Z");
	stamp_text(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void test_the_ends_of_time_have_a_text_too(void **state)
{
	char text[STAMP_TEXT_BYTES];

	(void)state;
	stamp_text(STAMP_NEVER, text);
	assert_string_equal(text, "292278994-08-17T07:12:55.807Z");
	stamp_text(INT64_MIN, text);
	assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
}

#define NO INT64_MIN /* refused */

struct reading {
	const char *text;
	int64_t ms;
};

static void assert_read(bool (*parse)(struct str, int64_t *), const struct reading *cases,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t ms = NO;
		bool ok = parse(str_of(cases[i].text), &ms);

		if (ok != (cases[i].ms != NO) || ms != cases[i].ms)
			fail_msg("\"%s\" is %lld", cases[i].text, (long long)ms);
	}
}

static void test_rfc3339_and_xsd_are_read(void **state)
{
	static const struct reading cases[] = {
		{ "1985-04-12T23:20:50.52Z", 482196050520 }, /* RFC 3339 section 5.8 */
		{ "1996-12-19T16:39:57-08:00", 851042397000 },
		{ "1990-12-31T23:59:60Z", 662687999000 }, /* a leap second counts as :59 */
		{ "1990-12-31T15:59:60-08:00", 662687999000 },
		{ "1937-01-01T12:00:27.87+00:20", -1041337172130 },
		{ "1994-11-06t08:49:37z", 784111777000 },
		{ "1994-11-06T08:49:37", 784111777000 },       /* no zone is UTC */
		{ "1994-11-06T08:49:37.0009Z", 784111777000 }, /* cut, not rounded */
		{ "1994-11-06T08:49:37.1234567890123456789Z", 784111777123 },
		{ "1994-11-06T24:00:00Z", 784166400000 }, /* xsd: the end of that day */
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "2023-02-29T00:00:00Z", NO },
		{ "1900-02-29T00:00:00Z", NO },
		{ "2024-02-30T00:00:00Z", NO },
		{ "2024-04-31T00:00:00Z", NO },
		{ "2024-13-01T00:00:00Z", NO },
		{ "2024-00-01T00:00:00Z", NO },
		{ "2024-01-00T00:00:00Z", NO },
		{ "1994-11-06T24:00:01Z", NO },
		{ "1994-11-06T24:00:00.001Z", NO },
		{ "1994-11-06T25:00:00Z", NO },
		{ "1994-11-06T08:60:00Z", NO },
		{ "1994-11-06T08:49:61Z", NO },
		{ "1994-11-06T08:49:37.Z", NO },
		{ "1994-11-06 08:49:37Z", NO },
		{ "1994-11-06T08:49Z", NO },
		{ "1994-11-06", NO },
		{ "1994-11-06T08:49:37+0100", NO },
		{ "1994-11-06T08:49:37+24:00", NO },
		{ "1994-11-06T08:49:37+01:60", NO },
		{ "1994-11-06T08:49:37Zx", NO },
		{ " 1994-11-06T08:49:37Z", NO },
		{ "+994-11-06T08:49:37Z", NO },
		{ "11994-11-06T08:49:37Z", NO },
		{ "9999-12-31T23:59:59-00:01", NO }, /* could not be printed again */
		{ "0000-01-01T00:00:00+00:01", NO },
		{ "", NO },
	};

	(void)state;
	assert_read(stamp_parse, cases, COUNT_OF(cases));
}

static void test_dates_are_dates_only(void **state)
{
	static const struct reading cases[] = {
		{ "2026-11-22", 1795305600000 },
		{ "1970-01-01", 0 },
		{ "2026-11-31", NO },
		{ "2026-11-22T00:00:00Z", NO },
		{ "2026-1-22", NO },
		{ "22.11.2026", NO },
		{ "", NO },
	};

	(void)state;
	assert_read(stamp_parse_date, cases, COUNT_OF(cases));
}

static void test_generalized_time_is_read(void **state)
{
	static const struct reading cases[] = {
		{ "199412161032Z", 787573920000 }, /* RFC 4517 section 3.3.13 */
		{ "199412160532-0500", 787573920000 },
		{ "19941106084937Z", 784111777000 },
		{ "19941106084937.0Z", 784111777000 }, /* Active Directory */
		{ "19941106084937.25Z", 784111777250 },
		{ "19941106084937,25Z", 784111777250 },
		{ "1994110608Z", 784108800000 },
		{ "1994110608.5Z", 784110600000 },   /* half an hour */
		{ "199411060849.5Z", 784111770000 }, /* half a minute */
		{ "19941106084937+01", 784108177000 },
		{ "19941106084937+0130", 784106377000 },
		{ "20161231235960Z", 1483228799000 },
		{ "19941106084937", NO }, /* the zone is not optional */
		{ "19941106Z", NO },
		{ "1994110624Z", NO },
		{ "19941106084937.Z", NO },
		{ "1994110608493Z", NO },
		{ "19941106084937+24", NO },
		{ "19941106084937+0160", NO },
		{ "19941106084937+013", NO },
		{ "19940230084937Z", NO },
		{ "19941106084937Z ", NO },
		{ "", NO },
	};

	(void)state;
	assert_read(stamp_parse_generalized, cases, COUNT_OF(cases));
}

static void test_filetime_is_read(void **state)
{
	static const struct reading cases[] = {
		{ "116444736000000000", 0 },
		{ "116444736000009999", 0 },
		{ "116444736000010000", 1 },
		{ "133485408000000000", 1704067200000 }, /* 2024-01-01 */
		{ "0", STAMP_NEVER },
		{ "9223372036854775807", STAMP_NEVER },
		{ "1", -11644473600000 },
		{ "9223372036854775808", NO },
		{ "-1", NO },
		{ "", NO },
	};

	(void)state;
	assert_read(stamp_parse_filetime, cases, COUNT_OF(cases));
}

static void test_http_dates_are_read_in_three_forms(void **state)
{
	static const struct reading cases[] = {
		/* RFC 9110 section 5.6.7 */
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777000 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777000 },
		{ "Sun Nov  6 08:49:37 1994", 784111777000 },
		{ "Wed Nov 16 08:49:37 1994", 784975777000 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:37 UTC", NO },
		{ "Sun, 06 Nov 1994 08:49:37", NO },
		{ "Sun, 31 Nov 1994 08:49:37 GMT", NO },
		{ "Sun, 06 nov 1994 08:49:37 GMT", NO },
		{ "Xyz, 06 Nov 1994 08:49:37 GMT", NO },
		{ "Sun, 06 Nov 1994 24:00:00 GMT", NO },
		{ "Sun Nov 6 08:49:37 1994", NO },
		{ "120", NO },
		{ "", NO },
	};

	(void)state;
	assert_read(stamp_parse_http, cases, COUNT_OF(cases));
}

static void test_sleeping_lasts_and_not_sleeping_does_not(void **state)
{
	int64_t before = stamp_mono_ms();

	(void)state;
	stamp_sleep_ms(0);
	stamp_sleep_ms(-5);
	stamp_sleep_ms(2);
	assert_true(stamp_mono_ms() - before >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_test_builds_have_a_clock_that_can_be_moved),
		cmocka_unit_test(test_now_is_after_this_was_written),
		cmocka_unit_test(test_instants_are_printed_and_read),
		cmocka_unit_test(test_every_day_of_800_years_follows_the_one_before),
		cmocka_unit_test(test_fractions_stand_when_there_are_any),
		cmocka_unit_test(test_the_ends_of_time_have_a_text_too),
		cmocka_unit_test(test_rfc3339_and_xsd_are_read),
		cmocka_unit_test(test_dates_are_dates_only),
		cmocka_unit_test(test_generalized_time_is_read),
		cmocka_unit_test(test_filetime_is_read),
		cmocka_unit_test(test_http_dates_are_read_in_three_forms),
		cmocka_unit_test(test_sleeping_lasts_and_not_sleeping_does_not),
	};

	return cmocka_run_group_tests(tests, with_clock, without_clock);
}
