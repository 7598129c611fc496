#include "tests/lib/test.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/worker.h"
#include "base/zone.h"

static const struct zone *zone(const char *name)
{
	const struct zone *z = NULL;
	struct err err;

	assert_ok(zone_get(str_of(name), &z, &err), &err);
	return z;
}

static int64_t date(const char *text)
{
	int64_t ms = 0;

	assert_true(stamp_parse_date(str_of(text), &ms));
	return ms;
}

/* Seconds by date(1) and zdump(8) of tzdata 2025b. */
static const struct {
	const char *zone, *date;
	int64_t start_s, end_s;
} days[] = {
	{ "UTC", "2026-11-22", 1795305600, 1795392000 },
	/* 23 and 25 hours */
	{ "America/New_York", "2026-03-08", 1772946000, 1773028800 },
	{ "America/New_York", "2026-11-01", 1793505600, 1793595600 },
	{ "America/New_York", "2026-11-22", 1795323600, 1795410000 },
	{ "Australia/Melbourne", "2026-04-05", 1775307600, 1775397600 },
	{ "Australia/Melbourne", "2026-10-04", 1791036000, 1791118800 },
	/* by the footer's rule, after the table */
	{ "America/New_York", "2050-03-13", 2530760400, 2530843200 },
	{ "America/New_York", "2050-11-06", 2551320000, 2551410000 },
	{ "Australia/Melbourne", "2060-10-03", 2863951200, 2864034000 },
	/* the clock jumps from midnight to 1:00 */
	{ "Africa/Cairo", "2026-04-24", 1776981600, 1777064400 },
	{ "Africa/Cairo", "2055-04-30", 2692648800, 2692731600 },
	/* ... and at 24:00 back to 23:00 of the same day */
	{ "Africa/Cairo", "2026-10-29", 1793221200, 1793311200 },
	{ "Africa/Cairo", "2026-10-30", 1793311200, 1793397600 },
	{ "Africa/Cairo", "2026-04-25", 1777064400, 1777150800 },
	/* the day that Samoa left out begins and ends with the jump */
	{ "Pacific/Apia", "2011-12-29", 1325152800, 1325239200 },
	{ "Pacific/Apia", "2011-12-30", 1325239200, 1325239200 },
	{ "Pacific/Apia", "2011-12-31", 1325239200, 1325325600 },
	/* by a quarter of an hour, at midnight */
	{ "Asia/Kathmandu", "1986-01-01", 504901800, 504987300 },
	{ "Asia/Kathmandu", "2026-05-05", 1777918500, 1778004900 },
	/* one minute of the 29th, then 59 minutes of the 28th again */
	{ "America/St_Johns", "2006-10-28", 1162002600, 1162092600 },
	{ "America/St_Johns", "2006-10-29", 1162089000, 1162179000 },
	/* DST is the winter's, by the names */
	{ "Europe/Dublin", "2026-03-29", 1774742400, 1774825200 },
	{ "Europe/Dublin", "2040-01-15", 2210198400, 2210284800 },
	/* on the evening before, by a negative time */
	{ "America/Nuuk", "2026-03-28", 1774663200, 1774746000 },
	{ "America/Nuuk", "2045-03-25", 2374020000, 2374102800 },
};

static void test_days_begin_and_end_where_date_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(days); i++) {
		const struct zone *z = zone(days[i].zone);
		int64_t start = zone_day_start_ms(z, date(days[i].date));
		int64_t end = zone_day_end_ms(z, date(days[i].date));

		if (start != days[i].start_s * 1000 || end != days[i].end_s * 1000)
			fail_msg("%s %s is %lld to %lld", days[i].zone, days[i].date,
				 (long long)start / 1000, (long long)end / 1000);
	}
}

static int64_t civil_day(const struct zone *z, int64_t at_ms)
{
	int64_t local = at_ms + zone_offset_s(z, at_ms) * 1000LL;

	return local / STAMP_DAY_MS - (local % STAMP_DAY_MS < 0);
}

/* The definitions, minute by minute, around each jump of some years. */
static void test_days_are_what_their_minutes_say(void **state)
{
	static const char *const names[] = { "Africa/Cairo",        "Pacific/Apia",
					     "America/St_Johns",    "America/Nuuk",
					     "Australia/Lord_Howe", "Asia/Gaza",
					     "Africa/Casablanca",   "America/Sao_Paulo" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct zone *z = zone(names[i]);
		int64_t from = date("2005-01-01"), until = date("2013-01-01");

		for (int64_t day = from; day < until; day += STAMP_DAY_MS) {
			int64_t first = 0, last = 0, number = day / STAMP_DAY_MS;

			if (zone_offset_s(z, day - STAMP_DAY_MS) ==
				    zone_offset_s(z, day + 2 * STAMP_DAY_MS) &&
			    number % 97 != 0)
				continue; /* a plain day: a few are enough */
			for (int64_t at = day - 27 * STAMP_HOUR_MS;
			     at < day + 51 * STAMP_HOUR_MS; at += STAMP_MINUTE_MS) {
				if (!first && civil_day(z, at) >= number)
					first = at;
				if (civil_day(z, at) <= number)
					last = at;
			}
			if (zone_day_start_ms(z, day) != first ||
			    zone_day_end_ms(z, day) != last + STAMP_MINUTE_MS)
				fail_msg("%s, day %lld", names[i], (long long)number);
		}
	}
}

static void test_a_day_ends_where_the_next_begins_or_later(void **state)
{
	const struct zone *z = zone("Europe/Berlin");

	(void)state;
	for (int64_t day = date("1945-01-01"); day < date("2101-01-01"); day += STAMP_DAY_MS)
		assert_true(zone_day_end_ms(z, day) ==
			    zone_day_start_ms(z, day + STAMP_DAY_MS));
}

/* The C library reads the same files: offsets of each zone over two centuries. */
static void test_offsets_are_those_of_the_c_library(void **state)
{
	char line[512];
	unsigned zones = 0;
	FILE *list = fopen("/usr/share/zoneinfo/zone1970.tab", "re");

	(void)state;
	assert_non_null(list);
	while (fgets(line, sizeof(line), list)) {
		struct str rest, name, piece;
		char text[80];
		const struct zone *z;

		if (line[0] == '#')
			continue;
		str_cut(str_trim(str_of(line)), '\t', &piece, &rest);
		str_cut(rest, '\t', &piece, &rest);
		str_cut(rest, '\t', &name, &rest);
		snprintf(text, sizeof(text), STR_FMT, STR_ARG(name));
		z = zone(text);
		assert_int_equal(setenv("TZ", text, 1), 0);
		tzset();
		/* a step that walks through days, hours and seasons */
		for (time_t at = -4000000000; at < 4000000000; at += 3601 * 313) {
			struct tm tm;

			assert_non_null(localtime_r(&at, &tm));
			if (zone_offset_s(z, (int64_t)at * 1000) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %d, not %ld", text, (long long)at,
					 zone_offset_s(z, (int64_t)at * 1000), tm.tm_gmtoff);
		}
		zones++;
	}
	fclose(list);
	unsetenv("TZ");
	assert_true(zones > 250);
}

static void test_weekday_and_minute_are_local(void **state)
{
	static const struct {
		const char *zone, *at;
		int weekday, minute;
	} cases[] = {
		{ "UTC", "1970-01-01T00:00:00Z", 4, 0 },
		{ "UTC", "1969-12-31T23:59:59.999Z", 3, 1439 },
		{ "America/New_York", "2026-11-22T04:30:00Z", 6, 23 * 60 + 30 }, /* Saturday */
		{ "Asia/Kathmandu", "2026-11-22T18:15:00Z", 1, 0 },              /* Monday */
		{ "Pacific/Apia", "2011-12-30T09:59:59Z", 4, 1439 }, /* Thursday, ... */
		{ "Pacific/Apia", "2011-12-30T10:00:00Z", 6, 0 },    /* ... then Saturday */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int weekday, minute;
		int64_t at;

		assert_true(stamp_parse(str_of(cases[i].at), &at));
		zone_local(zone(cases[i].zone), at, &weekday, &minute);
		assert_int_equal(weekday, cases[i].weekday);
		assert_int_equal(minute, cases[i].minute);
	}
}

static void test_the_ends_of_time_do_no_harm(void **state)
{
	static const int64_t ends[] = { INT64_MAX, INT64_MIN, INT64_MAX - 5 * STAMP_DAY_MS,
					INT64_MIN + 5 * STAMP_DAY_MS };
	static const char *const names[] = { "UTC", "America/New_York", "Pacific/Apia" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		for (size_t j = 0; j < COUNT_OF(names); j++) {
			const struct zone *z = zone(names[j]);
			int weekday, minute;

			assert_in_range(zone_offset_s(z, ends[i]) + 90000, 0, 180000);
			assert_true(zone_day_start_ms(z, ends[i]) <=
				    zone_day_end_ms(z, ends[i]));
			zone_local(z, ends[i], &weekday, &minute);
			assert_in_range(weekday, 0, 6);
			assert_in_range(minute, 0, 1439);
		}
	}
	assert_true(zone_day_end_ms(zone("America/New_York"), STAMP_NEVER) == STAMP_NEVER);
}

static void test_names_that_are_no_zones_are_refused(void **state)
{
	static const char *const names[] = {
		"",
		"/etc/passwd",
		"../../etc/passwd",
		"Europe/../UTC",
		"Europe//Berlin",
		"Europe/",
		"Europe",
		"Nowhere/City",
		"Europe/Ber lin",
		"Europe/Berlin\n",
		"zone.tab",
		"tzdata.zi",
		"leapseconds",
		"right/UTC",
		"/UTC",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct zone *z = NULL;
		struct err err;

		assert_fault(zone_get(str_of(names[i]), &z, &err), ERR_INVALID_VALUE, &err,
			     "time zone");
		assert_null(z);
	}
}

/* --- files of our own ----------------------------------------------------------------------
 */

static char folder[] = "/tmp/leaverd-zone-XXXXXX";

static void put_number(struct buf *b, uint64_t value, int bytes)
{
	while (bytes-- > 0)
		buf_add_char(b, (char)(value >> (8 * bytes)));
}

/* A file without transitions, only with a footer. */
static void tzif_of(struct buf *b, const char *footer)
{
	for (int block = 0; block < 2; block++) {
		buf_add_text(b, "TZif2");
		for (int i = 0; i < 15; i++)
			buf_add_char(b, 0);
		put_number(b, 0, 4); /* isut */
		put_number(b, 0, 4); /* isstd */
		put_number(b, 0, 4); /* leap */
		put_number(b, 0, 4); /* time */
		put_number(b, 1, 4); /* type */
		put_number(b, 4, 4); /* chars */
		put_number(b, 0, 6); /* UTC */
		buf_add(b, "XXX", 4);
	}
	buf_addf(b, "\n%s\n", footer);
}

static void file_put(const char *name, struct str bytes)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_int_equal(write(fd, bytes.p, bytes.len), bytes.len);
	close(fd);
}

static int with_folder(void **state)
{
	(void)state;
	return !mkdtemp(folder) || setenv("TZDIR", folder, 1) != 0;
}

static int without_folder(void **state)
{
	char path[PATH_MAX];

	(void)state;
	zone_done();
	unsetenv("TZDIR");
	snprintf(path, sizeof(path), "%s/Own", folder);
	unlink(path);
	return rmdir(folder);
}

static void test_footers_are_read_in_every_form(void **state)
{
	static const struct {
		const char *footer, *at;
		int offset_s; /* -1: refused */
	} cases[] = {
		{ "", "2026-07-01T00:00:00Z", 0 },
		{ "<+0545>-5:45", "2026-07-01T00:00:00Z", 20700 },
		{ "ABC+1:02:03", "2026-07-01T00:00:00Z", -3723 },
		{ "EST5EDT,M3.2.0,M11.1.0", "2026-07-01T00:00:00Z", -14400 },
		{ "EST5EDT4,M3.2.0/2,M11.1.0/2", "2026-12-01T00:00:00Z", -18000 },
		/* all year: RFC 9636 section 3.3.2 */
		{ "XXX3EDT4,0/0,J365/23", "2026-01-01T00:00:00Z", -14400 },
		{ "XXX3EDT4,0/0,J365/23", "2027-01-01T03:30:00Z", -14400 },
		/* J60 is the first of March, in leap years too; 59 is it in others */
		{ "AAA0BBB,J60/0,J300", "2024-02-29T23:59:59Z", 0 },
		{ "AAA0BBB,J60/0,J300", "2024-03-01T00:00:00Z", 3600 },
		{ "AAA0BBB,59/0,J300", "2024-02-29T00:00:00Z", 3600 },
		{ "AAA0BBB,59/0,J300", "2025-02-28T23:59:59Z", 0 },
		{ "AAA0BBB,59/0,J300", "2025-03-01T00:00:00Z", 3600 },
		{ "AAA0BBB,M12.5.4/0,M1.1.5/0", "2026-12-31T12:00:00Z", 3600 },
		{ "AAA0BBB,M12.5.4/0,M1.1.5/0", "2026-12-30T12:00:00Z", 0 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600 },
		{ "AA0", "", -1 },
		{ "AAA", "", -1 },
		{ "AAA25", "", -1 },
		{ "AAA0:60", "", -1 },
		{ "<AAA0", "", -1 },
		{ "AAA0BBB", "", -1 }, /* DST without its rules */
		{ "AAA0BBB,M3.2.0", "", -1 },
		{ "AAA0BBB,M13.2.0,M11.1.0", "", -1 },
		{ "AAA0BBB,M3.6.0,M11.1.0", "", -1 },
		{ "AAA0BBB,M3.2.7,M11.1.0", "", -1 },
		{ "AAA0BBB,J0,J2", "", -1 },
		{ "AAA0BBB,366,J2", "", -1 },
		{ "AAA0BBB,M3.2.0/168,M11.1.0", "", -1 },
		{ "AAA0BBB,M3.2.0,M11.1.0 ", "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(buf_done) struct buf bytes;
		const struct zone *z;
		struct err err;
		int64_t at;
		int r;

		zone_done();
		buf_init(&bytes, SIZE_MAX);
		tzif_of(&bytes, cases[i].footer);
		file_put("Own", buf_str(&bytes));
		r = zone_get(STR("Own"), &z, &err);
		if (cases[i].offset_s == -1) {
			assert_fault(r, ERR_INVALID_VALUE, &err, "time zone Own");
			continue;
		}
		assert_ok(r, &err);
		assert_true(stamp_parse(str_of(cases[i].at), &at));
		if (zone_offset_s(z, at) != cases[i].offset_s)
			fail_msg("%s at %s: %d", cases[i].footer, cases[i].at,
				 zone_offset_s(z, at));
	}
}

static void bytes_of(const char *path, struct buf *into)
{
	int fd = open(path, O_RDONLY);
	char piece[8192];
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	close(fd);
	assert_int_equal(into->fault, 0);
}

/* Cut anywhere, and each byte of the headers turned: a fault or a zone, never harm. */
static void test_damaged_files_are_refused_or_harmless(void **state)
{
	CLEANUP(buf_done) struct buf bytes;
	unsigned refused = 0;

	(void)state;
	buf_init(&bytes, SIZE_MAX);
	bytes_of("/usr/share/zoneinfo/America/New_York", &bytes);
	for (size_t len = 0; len + 24 < bytes.len; len += 7) {
		const struct zone *z;
		struct err err;

		zone_done();
		file_put("Own", str_n(bytes.p, len));
		assert_fault(zone_get(STR("Own"), &z, &err), ERR_INVALID_VALUE, &err, "Own");
	}
	for (size_t at = 0; at < bytes.len; at += at < 64 ? 1 : 29) {
		const struct zone *z;
		struct err err;

		zone_done();
		bytes.p[at] = (char)~bytes.p[at];
		file_put("Own", buf_str(&bytes));
		if (zone_get(STR("Own"), &z, &err) < 0)
			refused++;
		else
			assert_true(zone_day_start_ms(z, date("2026-11-22")) <=
				    zone_day_end_ms(z, date("2026-11-22")));
		bytes.p[at] = (char)~bytes.p[at];
	}
	assert_true(refused > 20);
}

static void test_a_zone_in_use_outlives_a_new_file(void **state)
{
	CLEANUP(buf_done) struct buf bytes;
	const struct zone *before, *now;
	struct err err;

	(void)state;
	zone_done();
	buf_init(&bytes, SIZE_MAX);
	tzif_of(&bytes, "AAA-1");
	file_put("Own", buf_str(&bytes));
	assert_ok(zone_get(STR("Own"), &before, &err), &err);
	assert_ok(zone_get(STR("Own"), &now, &err), &err);
	assert_ptr_equal(before, now);
	buf_clear(&bytes);
	tzif_of(&bytes, "AAAA-2");
	file_put("Own", buf_str(&bytes));
	/* it is looked at once a second at most: wait for the event, not for a time */
	do {
		assert_ok(zone_get(STR("Own"), &now, &err), &err);
	} while (now == before);
	assert_int_equal(zone_offset_s(before, 0), 3600);
	assert_int_equal(zone_offset_s(now, 0), 7200);
}

static void ask_zones(struct worker *self, void *arg)
{
	static const char *const names[] = { "Asia/Tokyo", "Europe/Paris", "America/Lima",
					     "Africa/Lagos" };
	_Atomic unsigned *right = arg;

	(void)self;
	for (int i = 0; i < 400; i++) {
		const struct zone *z;

		if (zone_get(str_of(names[i % 4]), &z, NULL) == 0 && zone_offset_s(z, 0) != 1)
			++*right;
	}
}

static void test_many_threads_may_ask(void **state)
{
	_Atomic unsigned right = 0;
	struct worker *w[4];
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_ok(worker_start(&w[i], "asker", ask_zones, (void *)&right, &err), &err);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		worker_join(w[i]);
	assert_int_equal(right, 4 * 400);
}

static void test_loading_survives_each_lost_allocation(void **state)
{
	CLEANUP(buf_done) struct buf bytes;
	int nth = 0, r;

	(void)state;
	buf_init(&bytes, SIZE_MAX);
	bytes_of("/usr/share/zoneinfo/Pacific/Apia", &bytes);
	file_put("Own", buf_str(&bytes));
	do {
		const struct zone *z = NULL;
		struct err err;

		zone_done();
		fault_at(++nth);
		r = zone_get(STR("Own"), &z, &err);
		assert_true(r == 0 ? z != NULL : r == -ERR_NOMEM && !z);
	} while (fault_fired());
	assert_int_equal(r, 0);
	assert_true(nth > 4);
}

int main(void)
{
	const struct CMUnitTest systems[] = {
		cmocka_unit_test(test_days_begin_and_end_where_date_says),
		cmocka_unit_test(test_days_are_what_their_minutes_say),
		cmocka_unit_test(test_a_day_ends_where_the_next_begins_or_later),
		cmocka_unit_test(test_offsets_are_those_of_the_c_library),
		cmocka_unit_test(test_weekday_and_minute_are_local),
		cmocka_unit_test(test_many_threads_may_ask),
		cmocka_unit_test(test_the_ends_of_time_do_no_harm),
		cmocka_unit_test(test_names_that_are_no_zones_are_refused),
	};
	const struct CMUnitTest ours[] = {
		cmocka_unit_test(test_footers_are_read_in_every_form),
		cmocka_unit_test(test_damaged_files_are_refused_or_harmless),
		cmocka_unit_test(test_a_zone_in_use_outlives_a_new_file),
		cmocka_unit_test(test_loading_survives_each_lost_allocation),
	};
	int failed = cmocka_run_group_tests(systems, NULL, NULL);

	zone_done();
	return failed + cmocka_run_group_tests(ours, with_folder, without_folder);
}
