#include "reconcile/calendar.h"

bool calendar_week_minute(struct str text, int *ret)
{
	static const char *const days[] = { "sunday",   "monday", "tuesday", "wednesday",
					    "thursday", "friday", "saturday" };
	struct str day, time, hour, minute;
	int64_t h, m;

	if (!str_cut(str_trim(text), ' ', &day, &time) || day.len < 3)
		return false;
	if (!str_cut(str_trim(time), ':', &hour, &minute) || hour.len != 2 || minute.len != 2)
		return false;
	if (!str_int64(hour, &h) || !str_int64(minute, &m) || h < 0 || h > 23 || m < 0 ||
	    m > 59)
		return false;
	for (int i = 0; i < 7; i++) {
		if (!str_istarts(str_of(days[i]), day))
			continue;
		*ret = i * 24 * 60 + (int)h * 60 + (int)m;
		return true;
	}
	return false;
}

bool calendar_day_minute(struct str text, int *ret)
{
	struct str hour, minute;
	int64_t h, m;

	if (!str_cut(str_trim(text), ':', &hour, &minute) || hour.len != 2 || minute.len != 2 ||
	    !str_int64(hour, &h) || !str_int64(minute, &m) || h < 0 || m < 0 || m > 59 ||
	    h * 60 + m > CALENDAR_DAY_END)
		return false;
	*ret = (int)(h * 60 + m);
	return true;
}

bool calendar_freeze_of(struct str text, struct calendar_freeze *ret)
{
	struct calendar_freeze f;
	struct str first, last = str_trim(text);

	str_cut(last, '.', &first, &last);
	if (!stamp_parse_date(str_trim(first), &f.first_ms))
		return false;
	f.last_ms = f.first_ms;
	if (last.len &&
	    (last.p[0] != '.' ||
	     !stamp_parse_date(str_trim(str_n(last.p + 1, last.len - 1)), &f.last_ms)))
		return false;
	if (f.last_ms < f.first_ms)
		return false;
	*ret = f;
	return true;
}

int64_t calendar_day_time(const struct zone *zone, int64_t date_ms, int minute)
{
	int64_t end = zone_day_end_ms(zone, date_ms), local, before, after, ret;
	bool is_before, is_after;

	if (minute >= CALENDAR_DAY_END)
		return end;
	/* by the clocks of the day before and the day after: they may differ */
	local = date_ms + minute * STAMP_MINUTE_MS;
	before = local - zone_offset_s(zone, local - STAMP_DAY_MS) * STAMP_SECOND_MS;
	after = local - zone_offset_s(zone, local + STAMP_DAY_MS) * STAMP_SECOND_MS;
	is_before = before + zone_offset_s(zone, before) * STAMP_SECOND_MS == local;
	is_after = after + zone_offset_s(zone, after) * STAMP_SECOND_MS == local;
	if (is_before == is_after)
		ret = before > after ? before : after;
	else
		ret = is_before ? before : after;
	return ret < end ? ret : end;
}

bool calendar_day_time_in(struct str zone_name, int64_t date_ms, int minute, int64_t *ret)
{
	const struct zone *zone;

	*ret = date_ms + STAMP_DAY_MS + 12 * STAMP_HOUR_MS;
	if (!zone_name.len || zone_get(zone_name, &zone, NULL) < 0)
		return false;
	*ret = calendar_day_time(zone, date_ms, minute);
	return true;
}

static int64_t floor_day(int64_t ms)
{
	int64_t rest = ms % STAMP_DAY_MS;

	return ms - (rest < 0 ? rest + STAMP_DAY_MS : rest);
}

static bool is_business_day(const struct calendar *c, int64_t date_ms)
{
	/* 1970-01-01 was a Thursday */
	int64_t weekday = ((date_ms / STAMP_DAY_MS) % 7 + 7 + 4) % 7;
	size_t low = 0, high = c->holiday_count;

	if (weekday == 0 || weekday == 6)
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->holidays[middle] < date_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low == c->holiday_count || c->holidays[low] != date_ms;
}

int64_t calendar_after(const struct calendar *c, int64_t from_ms, int64_t wait_ms)
{
	int64_t days = wait_ms / STAMP_DAY_MS, local, date, time_of_day;

	if (!c->business_days || days == 0)
		return from_ms + wait_ms;
	local = from_ms + zone_offset_s(c->zone, from_ms) * STAMP_SECOND_MS;
	date = floor_day(local);
	time_of_day = local - date;
	while (days > 0) {
		date += STAMP_DAY_MS;
		days -= is_business_day(c, date);
	}
	return zone_day_start_ms(c->zone, date) + time_of_day + wait_ms % STAMP_DAY_MS;
}

static int week_minute_at(const struct calendar *c, int64_t at_ms)
{
	int weekday, minute;

	zone_local(c->zone, at_ms, &weekday, &minute);
	return weekday * 24 * 60 + minute;
}

/* Minutes from a to b, going forward through the week. */
static int ahead(int a, int b)
{
	return (b - a + CALENDAR_WEEK_MINUTES) % CALENDAR_WEEK_MINUTES;
}

/* The end of the freeze that the instant is in; 0: it is in none. */
static int64_t frozen_until(const struct calendar *c, int64_t at_ms)
{
	for (size_t i = 0; i < c->freeze_count; i++) {
		int64_t until = zone_day_end_ms(c->zone, c->freezes[i].last_ms);

		if (at_ms < until &&
		    at_ms >= zone_day_start_ms(c->zone, c->freezes[i].first_ms))
			return until;
	}
	return 0;
}

static bool week_is_open(const struct calendar *c, int64_t at_ms)
{
	int now;

	if (!c->quiet || c->quiet_from == c->quiet_until)
		return true;
	now = week_minute_at(c, at_ms);
	return ahead(c->quiet_from, now) >= ahead(c->quiet_from, c->quiet_until);
}

bool calendar_is_open(const struct calendar *c, int64_t at_ms)
{
	return week_is_open(c, at_ms) && !frozen_until(c, at_ms);
}

static int64_t week_open(const struct calendar *c, int64_t at_ms)
{
	int64_t t = at_ms, minute_start, earlier;
	int over;

	/* twice at most: a zone that sets its clocks back leaves an hour of quiet */
	for (int i = 0; i < 4 && !week_is_open(c, t); i++) {
		minute_start = t - ((t % STAMP_MINUTE_MS) + STAMP_MINUTE_MS) % STAMP_MINUTE_MS;
		t = minute_start +
		    ahead(week_minute_at(c, t), c->quiet_until) * STAMP_MINUTE_MS;
	}
	if (t == at_ms)
		return t;
	/* and one that sets them forward makes us an hour late */
	over = ahead(c->quiet_until, week_minute_at(c, t));
	earlier = t - over * STAMP_MINUTE_MS;
	return over > 0 && over <= 3 * 60 && earlier >= at_ms && week_is_open(c, earlier)
		       ? earlier
		       : t;
}

int64_t calendar_open(const struct calendar *c, int64_t at_ms)
{
	int64_t t = week_open(c, at_ms), until;

	/* each freeze is left once at most: its end is later than all of it */
	for (size_t i = 0; i <= c->freeze_count && (until = frozen_until(c, t)) > 0; i++)
		t = week_open(c, until);
	return t;
}
