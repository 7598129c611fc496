#include "base/stamp.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#ifdef LEAVERD_VIRTUAL_CLOCK

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_once_t clock_once = PTHREAD_ONCE_INIT;
static const uint64_t *clock_offset; /* NULL while $LEAVERD_CLOCK is not set */

/*
 * Ends the program where the file cannot be had: a test whose clock silently stands at real
 * time would wait for weeks, or pass for the wrong reason.
 */
static void clock_map(void)
{
	const char *path = getenv("LEAVERD_CLOCK");
	struct stat st;
	void *map;
	int fd;

	if (!path)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	map = fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(*clock_offset)
		      ? mmap(NULL, sizeof(*clock_offset), PROT_READ, MAP_SHARED, fd, 0)
		      : MAP_FAILED;
	if (map == MAP_FAILED) {
		fprintf(stderr, "LEAVERD_CLOCK=%s: not a readable file of 8 bytes\n", path);
		abort();
	}
	clock_offset = map;
	close(fd);
}

static int64_t clock_shift_ms(void)
{
	pthread_once(&clock_once, clock_map);
	if (!clock_offset)
		return 0;
	return (int64_t)le64toh(__atomic_load_n(clock_offset, __ATOMIC_RELAXED));
}

bool stamp_is_virtual(void)
{
	return true;
}

#else

static int64_t clock_shift_ms(void)
{
	return 0;
}

bool stamp_is_virtual(void)
{
	return false;
}

#endif

static int64_t system_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now); /* cannot fail for the clocks asked here */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t stamp_now_ms(void)
{
	return system_ms(CLOCK_REALTIME) + clock_shift_ms();
}

int64_t stamp_mono_ms(void)
{
	return system_ms(CLOCK_MONOTONIC);
}

void stamp_sleep_ms(int64_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	if (ms <= 0)
		return;
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* --- civil dates ----------------------------------------------------------------------- */

static int64_t div_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int64_t year, int month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/*
 * Years begin in March here, so that the leap day is the last of its year: then the days before
 * a month are a straight line (153 days in each five months), and 400 years are 146097 days.
 */
#define DAYS_400_YEARS 146097
#define DAYS_MARCH_0_TO_1970 719468

static int64_t days_from_civil(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = div_floor(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t month_from_march = (month + 9) % 12;
	int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

	return era * DAYS_400_YEARS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - DAYS_MARCH_0_TO_1970;
}

void stamp_civil(int64_t ms, int *year, int *month, int *day)
{
	int64_t days = div_floor(ms, STAMP_DAY_MS) + DAYS_MARCH_0_TO_1970;
	int64_t era = div_floor(days, DAYS_400_YEARS);
	int64_t day_of_era = days - era * DAYS_400_YEARS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			       day_of_era / (DAYS_400_YEARS - 1)) /
			      365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	*month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

int64_t stamp_from_civil(int year, int month, int day, int hour, int minute, int second)
{
	return days_from_civil(year, month, day) * STAMP_DAY_MS + hour * STAMP_HOUR_MS +
	       minute * STAMP_MINUTE_MS + second * STAMP_SECOND_MS;
}

/* --- printing -------------------------------------------------------------------------- */

/* Digits without printf: each answer of the SCIM server holds two times. */
static char *digits(char *at, unsigned value, unsigned count)
{
	for (unsigned i = count; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + count;
}

/* Ends at the NUL. */
static char *date_put(int64_t ms, char ret[STAMP_TEXT_BYTES])
{
	int year, month, day;
	char *p = ret;

	stamp_civil(ms, &year, &month, &day);
	if (year < 0 || year > 9999)
		return ret +
		       snprintf(ret, STAMP_TEXT_BYTES, "%04d-%02d-%02d", year, month, day);
	p = digits(p, (unsigned)year, 4);
	*p++ = '-';
	p = digits(p, (unsigned)month, 2);
	*p++ = '-';
	p = digits(p, (unsigned)day, 2);
	*p = '\0';
	return p;
}

void stamp_date_text(int64_t ms, char ret[STAMP_TEXT_BYTES])
{
	(void)date_put(ms, ret);
}

void stamp_text(int64_t ms, char ret[STAMP_TEXT_BYTES])
{
	int64_t in_day = ms % STAMP_DAY_MS + (ms % STAMP_DAY_MS < 0 ? STAMP_DAY_MS : 0);
	const struct {
		char before;
		unsigned value, count;
	} parts[] = {
		{ 'T', (unsigned)(in_day / STAMP_HOUR_MS), 2 },
		{ ':', (unsigned)(in_day / STAMP_MINUTE_MS % 60), 2 },
		{ ':', (unsigned)(in_day / STAMP_SECOND_MS % 60), 2 },
		{ '.', (unsigned)(in_day % STAMP_SECOND_MS), 3 },
	};
	size_t n = COUNT_OF(parts) - (parts[COUNT_OF(parts) - 1].value == 0);
	char *p = date_put(ms, ret);

	if (p + sizeof("T00:00:00.000Z") > ret + STAMP_TEXT_BYTES)
		return; /* the date alone: a year of which there is no time */
	for (size_t i = 0; i < n; i++) {
		*p++ = parts[i].before;
		p = digits(p, parts[i].value, parts[i].count);
	}
	*p++ = 'Z';
	*p = '\0';
}

/* --- reading --------------------------------------------------------------------------- */

/* What a date and time says before it is known to exist. */
struct civil {
	int year, month, day, hour, minute, second;
	int64_t extra_ms; /* the fraction */
	int offset_min;   /* east of UTC */
};

/* Takes exactly count digits off the front. */
static bool take_digits(struct str *s, size_t count, int *ret)
{
	int value = 0;

	if (s->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	*s = str_n(s->p + count, s->len - count);
	*ret = value;
	return true;
}

static bool take_char(struct str *s, const char *set)
{
	if (s->len == 0 || !s->p[0] || !strchr(set, s->p[0]))
		return false;
	*s = str_n(s->p + 1, s->len - 1);
	return true;
}

static bool take_text(struct str *s, struct str text)
{
	if (!str_starts(*s, text))
		return false;
	*s = str_n(s->p + text.len, s->len - text.len);
	return true;
}

/* The digits after a point as a part of unit_ms, cut to whole ms. At least one digit. */
static bool take_fraction(struct str *s, int64_t unit_ms, int64_t *ret)
{
	int64_t part = 0, scale = 1;
	size_t n = 0;

	for (; n < s->len && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
		if (n >= 9) /* below a nanosecond, or 4 µs of an hour: cut anyway */
			continue;
		part = part * 10 + (s->p[n] - '0');
		scale *= 10;
	}
	*s = str_n(s->p + n, s->len - n);
	*ret = part * unit_ms / scale;
	return n > 0;
}

/* The last part of every form: does it exist, and what is it in ms. Years 0 to 9999. */
static bool civil_ms(const struct civil *c, int64_t *ret)
{
	bool midnight = c->hour == 24 && c->minute == 0 && c->second == 0 && c->extra_ms == 0;
	int64_t ms;

	if (c->month < 1 || c->month > 12 || c->day < 1 ||
	    c->day > days_in_month(c->year, c->month))
		return false;
	if ((c->hour > 23 && !midnight) || c->minute > 59 || c->second > 60)
		return false;
	ms = stamp_from_civil(c->year, c->month, c->day, c->hour, c->minute,
			      c->second == 60 ? 59 : c->second) +
	     c->extra_ms - c->offset_min * STAMP_MINUTE_MS;
	if (ms < stamp_from_civil(0, 1, 1, 0, 0, 0) ||
	    ms >= stamp_from_civil(10000, 1, 1, 0, 0, 0))
		return false; /* an offset at the edge: it could not be printed and read again
			       */
	*ret = ms;
	return true;
}

static bool take_date(struct str *s, struct civil *c)
{
	return take_digits(s, 4, &c->year) && take_char(s, "-") &&
	       take_digits(s, 2, &c->month) && take_char(s, "-") && take_digits(s, 2, &c->day);
}

static bool take_time(struct str *s, struct civil *c)
{
	return take_digits(s, 2, &c->hour) && take_char(s, ":") &&
	       take_digits(s, 2, &c->minute) && take_char(s, ":") &&
	       take_digits(s, 2, &c->second);
}

/* +hh:mm; sign was taken already. */
static bool take_offset(struct str *s, bool minus, struct civil *c)
{
	int hours, minutes;

	if (!take_digits(s, 2, &hours) || !take_char(s, ":") || !take_digits(s, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	c->offset_min = (minus ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

bool stamp_parse(struct str s, int64_t *ret_ms)
{
	struct civil c = { 0 };

	if (!take_date(&s, &c) || !take_char(&s, "Tt") || !take_time(&s, &c))
		return false;
	if (take_char(&s, ".") && !take_fraction(&s, STAMP_SECOND_MS, &c.extra_ms))
		return false;
	if (!take_char(&s, "Zz")) {
		bool minus = s.len > 0 && s.p[0] == '-';

		if (take_char(&s, "+-") && !take_offset(&s, minus, &c))
			return false;
	}
	return s.len == 0 && civil_ms(&c, ret_ms);
}

bool stamp_parse_date(struct str s, int64_t *ret_ms)
{
	struct civil c = { 0 };

	return take_date(&s, &c) && s.len == 0 && civil_ms(&c, ret_ms);
}

bool stamp_parse_generalized(struct str s, int64_t *ret_ms)
{
	struct civil c = { 0 };
	int64_t unit_ms = STAMP_HOUR_MS;
	int hours, minutes = 0;
	bool minus;

	if (!take_digits(&s, 4, &c.year) || !take_digits(&s, 2, &c.month) ||
	    !take_digits(&s, 2, &c.day) || !take_digits(&s, 2, &c.hour) || c.hour > 23)
		return false;
	if (take_digits(&s, 2, &c.minute)) {
		unit_ms = STAMP_MINUTE_MS;
		if (take_digits(&s, 2, &c.second))
			unit_ms = STAMP_SECOND_MS;
	}
	if (take_char(&s, ".,") && !take_fraction(&s, unit_ms, &c.extra_ms))
		return false;
	if (take_char(&s, "Z"))
		return s.len == 0 && civil_ms(&c, ret_ms);
	minus = s.len > 0 && s.p[0] == '-';
	if (!take_char(&s, "+-") || !take_digits(&s, 2, &hours) || hours > 23)
		return false;
	if (s.len > 0 && (!take_digits(&s, 2, &minutes) || minutes > 59))
		return false;
	c.offset_min = (minus ? -1 : 1) * (hours * 60 + minutes);
	return s.len == 0 && civil_ms(&c, ret_ms);
}

bool stamp_parse_filetime(struct str s, int64_t *ret_ms)
{
	int64_t ticks;

	if (!str_int64(s, &ticks) || ticks < 0)
		return false;
	if (ticks == 0 || ticks == INT64_MAX)
		*ret_ms = STAMP_NEVER;
	else
		*ret_ms = ticks / 10000 + stamp_from_civil(1601, 1, 1, 0, 0, 0);
	return true;
}

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const weekdays[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
					"Thursday", "Friday", "Saturday" };

static bool take_month(struct str *s, int *ret)
{
	for (int month = 1; month <= 12; month++) {
		if (!take_text(s, str_n(month_names + (month - 1) * 3, 3)))
			continue;
		*ret = month;
		return true;
	}
	return false;
}

/* "Sun" or, if whole, "Sunday"; which day it was is not held against the date. */
static bool take_weekday(struct str *s, bool whole)
{
	for (size_t i = 0; i < COUNT_OF(weekdays); i++)
		if (take_text(s, whole ? str_of(weekdays[i]) : str_n(weekdays[i], 3)))
			return true;
	return false;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool take_imf(struct str s, struct civil *c)
{
	return take_weekday(&s, false) && take_text(&s, STR(", ")) &&
	       take_digits(&s, 2, &c->day) && take_char(&s, " ") && take_month(&s, &c->month) &&
	       take_char(&s, " ") && take_digits(&s, 4, &c->year) && take_char(&s, " ") &&
	       take_time(&s, c) && str_eq(s, STR(" GMT"));
}

/* Sunday, 06-Nov-94 08:49:37 GMT; a year more than 50 ahead is the last one past (RFC 9110). */
static bool take_rfc850(struct str s, struct civil *c)
{
	int now_year, month, day;

	if (!take_weekday(&s, true) || !take_text(&s, STR(", ")) ||
	    !take_digits(&s, 2, &c->day) || !take_char(&s, "-") || !take_month(&s, &c->month) ||
	    !take_char(&s, "-") || !take_digits(&s, 2, &c->year) || !take_char(&s, " ") ||
	    !take_time(&s, c) || !str_eq(s, STR(" GMT")))
		return false;
	stamp_civil(stamp_now_ms(), &now_year, &month, &day);
	c->year += now_year / 100 * 100 + 100;
	while (c->year > now_year + 50)
		c->year -= 100;
	return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool take_asctime(struct str s, struct civil *c)
{
	return take_weekday(&s, false) && take_char(&s, " ") && take_month(&s, &c->month) &&
	       take_char(&s, " ") &&
	       (take_char(&s, " ") ? take_digits(&s, 1, &c->day)
				   : take_digits(&s, 2, &c->day)) &&
	       take_char(&s, " ") && take_time(&s, c) && take_char(&s, " ") &&
	       take_digits(&s, 4, &c->year) && s.len == 0;
}

bool stamp_parse_http(struct str s, int64_t *ret_ms)
{
	static bool (*const forms[])(struct str, struct civil *) = { take_imf, take_rfc850,
								     take_asctime };

	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct civil c = { 0 };

		if (forms[i](s, &c))
			return c.hour < 24 && civil_ms(&c, ret_ms);
	}
	return false;
}
