#include "base/cron.h"

#define DAY_MINUTES 1440
#define SEARCH_DAYS (9 * 366)

/* --- reading --------------------------------------------------------------------------------
 */

struct field {
	const char *what;
	int least, most;
	const char *names; /* of three letters each, from the first value; NULL: none */
	int first;         /* the value of the first name */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
	[MINUTE] = { "minute", 0, 59, NULL, 0 },
	[HOUR] = { "hour", 0, 23, NULL, 0 },
	[DAY] = { "day of the month", 1, 31, NULL, 0 },
	[MONTH] = { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", 1 },
	[WEEKDAY] = { "weekday", 0, 7, "sunmontuewedthufrisat", 0 },
};

static const struct {
	const char *name, *text;
} shorts[] = {
	{ "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },   { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

static bool value_read(const struct field *f, struct str s, int *ret)
{
	uint64_t n;

	if (str_uint64(s, &n)) {
		*ret = n <= 100 ? (int)n : 100;
		return *ret >= f->least && *ret <= f->most;
	}
	for (int i = 0; f->names && s.len == 3 && f->names[3 * i]; i++)
		if (str_ieq(s, str_n(f->names + 3 * i, 3))) {
			*ret = f->first + i;
			return true;
		}
	return false;
}

/* One element of a list: "*", 5, 1-5, and any of these with a step behind a "/". */
static bool part_read(const struct field *f, struct str part, uint64_t *bits)
{
	struct str range, steps = { 0 }, from, to = { 0 };
	uint64_t step = 1;
	int first = f->least, last = f->most;
	bool stepped = str_find(part, '/') < part.len;

	str_cut(part, '/', &range, &steps);
	if (stepped && (!str_uint64(steps, &step) || step < 1 || step > 60))
		return false;
	if (!str_eq(range, STR("*"))) {
		bool two = str_find(range, '-') < range.len;

		str_cut(range, '-', &from, &to);
		if (!value_read(f, from, &first))
			return false;
		if (!two)
			last = stepped ? f->most : first;
		else if (!value_read(f, to, &last) || last < first)
			return false;
	}
	for (int i = first; i <= last; i += (int)step)
		*bits |= (uint64_t)1 << i;
	return true;
}

static int field_read(int which, struct str text, struct str whole, uint64_t *bits,
		      struct err *err)
{
	const struct field *f = &fields[which];
	struct str rest = text, part;

	*bits = 0;
	do {
		struct str tail = { 0 };
		bool more = str_find(rest, ',') < rest.len;

		str_cut(rest, ',', &part, &tail);
		if (!part_read(f, part, bits))
			return err_set(err, ERR_INVALID_VALUE,
				       "\"" STR_FMT "\": the %s \"" STR_FMT
				       "\" is none: expected %d to %d%s, *, a range such as "
				       "%d-%d, a step such as */2, or a list of these",
				       STR_ARG(whole), f->what, STR_ARG(part), f->least,
				       f->most, f->names ? " or a name of three letters" : "",
				       f->least, f->most);
		rest = tail;
		if (!more)
			return 0;
	} while (true);
}

/* The next field and what is behind it, with blanks of any length between. */
static struct str field_take(struct str *rest)
{
	size_t end = str_find_any(*rest, " \t");
	struct str field = str_n(rest->p, end);

	*rest = str_trim(str_n(rest->p + end, rest->len - end));
	return field;
}

int cron_read(struct str text, struct cron *ret, struct err *err)
{
	struct str whole = str_trim(text), rest = whole, f[FIELDS];
	uint64_t bits[FIELDS];
	int n = 0;

	for (size_t i = 0; i < COUNT_OF(shorts); i++)
		if (str_ieq(whole, str_of(shorts[i].name)))
			rest = str_of(shorts[i].text);
	while (rest.len && n < FIELDS)
		f[n++] = field_take(&rest);
	if (n < FIELDS || rest.len)
		return err_set(err, ERR_INVALID_VALUE,
			       "\"" STR_FMT "\": expected five fields, minute hour day month "
			       "weekday, such as \"0 6 * * mon-fri\", or @hourly, @daily, "
			       "@weekly, @monthly",
			       STR_ARG(whole));
	for (int i = 0; i < FIELDS; i++) {
		int r = field_read(i, f[i], whole, &bits[i], err);

		if (r < 0)
			return r;
	}
	*ret = (struct cron){
		.minutes = bits[MINUTE],
		.hours = (uint32_t)bits[HOUR],
		.days = (uint32_t)bits[DAY],
		.months = (uint32_t)bits[MONTH],
		.weekdays = (uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
		.any_day = f[DAY].p[0] == '*',
		.any_weekday = f[WEEKDAY].p[0] == '*',
		.any_hour = f[HOUR].p[0] == '*',
	};
	return 0;
}

bool cron_given(const struct cron *c)
{
	return c->minutes != 0;
}

/* --- the next time --------------------------------------------------------------------------
 */

static bool day_is(const struct cron *c, int64_t date_ms)
{
	int year, month, day;
	/* the first of January 1970 was a Thursday */
	int weekday = (int)((date_ms / STAMP_DAY_MS + 4) % 7);
	bool by_day, by_weekday;

	stamp_civil(date_ms, &year, &month, &day);
	if (!(c->months >> month & 1))
		return false;
	by_day = c->days >> day & 1;
	by_weekday = c->weekdays >> weekday & 1;
	if (c->any_day || c->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

static bool minute_is(const struct cron *c, int minute)
{
	return (c->hours >> minute / 60 & 1) && (c->minutes >> minute % 60 & 1);
}

/* Whether one of the minutes from first up to, not with, last is asked for. */
static bool any_of(const struct cron *c, int first, int last)
{
	for (int i = first; i < last; i++)
		if (minute_is(c, i))
			return true;
	return false;
}

/*
 * The first time of that civil day after the instant; STAMP_NEVER. Walks the day minute by
 * minute, as a clock on a wall of that zone shows them: `next` is the first that it has not
 * shown yet.
 */
static int64_t next_of_day(const struct cron *c, const struct zone *z, int64_t date_ms,
			   int64_t after_ms)
{
	int64_t end = zone_day_end_ms(z, date_ms);
	int next = 0;

	for (int64_t at = zone_day_start_ms(z, date_ms); at < end; at += STAMP_MINUTE_MS) {
		int weekday, minute;
		bool due;

		zone_local(z, at, &weekday, &minute);
		due = minute_is(c, minute);
		if (!c->any_hour)
			due = minute >= next && (due || any_of(c, next, minute));
		if (minute >= next)
			next = minute + 1;
		if (due && at > after_ms)
			return at;
	}
	/* the day's end was skipped, or all of it (Samoa, 2011) */
	if (!c->any_hour && any_of(c, next, DAY_MINUTES) && end > after_ms)
		return end;
	return STAMP_NEVER;
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_ms)
{
	int64_t local = after_ms + zone_offset_s(z, after_ms) * STAMP_SECOND_MS;
	/* a day before: the offset may have been another one when its date began */
	int64_t date = local - local % STAMP_DAY_MS - STAMP_DAY_MS;

	for (int i = 0; cron_given(c) && i < SEARCH_DAYS; i++, date += STAMP_DAY_MS) {
		int64_t at = day_is(c, date) ? next_of_day(c, z, date, after_ms) : STAMP_NEVER;

		if (at != STAMP_NEVER)
			return at;
	}
	return STAMP_NEVER;
}
