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

bool calendar_day_end(struct str zone_name, int64_t date_ms, int64_t *ret)
{
	const struct zone *zone;

	*ret = date_ms + STAMP_DAY_MS + 12 * STAMP_HOUR_MS;
	if (!zone_name.len || zone_get(zone_name, &zone, NULL) < 0)
		return false;
	*ret = zone_day_end_ms(zone, date_ms);
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

bool calendar_is_open(const struct calendar *c, int64_t at_ms)
{
	int now;

	if (!c->quiet || c->quiet_from == c->quiet_until)
		return true;
	now = week_minute_at(c, at_ms);
	return ahead(c->quiet_from, now) >= ahead(c->quiet_from, c->quiet_until);
}

int64_t calendar_open(const struct calendar *c, int64_t at_ms)
{
	int64_t t = at_ms, minute_start, earlier;
	int over;

	/* twice at most: a zone that sets its clocks back leaves an hour of quiet */
	for (int i = 0; i < 4 && !calendar_is_open(c, t); i++) {
		minute_start = t - ((t % STAMP_MINUTE_MS) + STAMP_MINUTE_MS) % STAMP_MINUTE_MS;
		t = minute_start +
		    ahead(week_minute_at(c, t), c->quiet_until) * STAMP_MINUTE_MS;
	}
	if (t == at_ms)
		return t;
	/* and one that sets them forward makes us an hour late */
	over = ahead(c->quiet_until, week_minute_at(c, t));
	earlier = t - over * STAMP_MINUTE_MS;
	return over > 0 && over <= 3 * 60 && earlier >= at_ms && calendar_is_open(c, earlier)
		       ? earlier
		       : t;
}
