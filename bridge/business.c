#include "bridge/business.h"

#include <stdlib.h>

#include "base/stamp.h"

/* Local midnight after an instant, in steps of the zone: days with a jump are longer or
 * shorter. */
static int64_t next_midnight(const struct zone *zone, int64_t at_ms)
{
	int64_t local_ms = at_ms + zone_offset_s(zone, at_ms) * STAMP_SECOND_MS;
	int64_t day_ms = local_ms - ((local_ms % STAMP_DAY_MS) + STAMP_DAY_MS) % STAMP_DAY_MS;

	return zone_day_end_ms(zone, day_ms);
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_working(const struct business *b, int64_t at_ms)
{
	int64_t local_ms = at_ms + zone_offset_s(b->zone, at_ms) * STAMP_SECOND_MS;
	int64_t date_ms = local_ms - ((local_ms % STAMP_DAY_MS) + STAMP_DAY_MS) % STAMP_DAY_MS;
	int weekday, minute;

	zone_local(b->zone, at_ms, &weekday, &minute);
	return weekday >= 1 && weekday <= 5 &&
	       !(b->holiday_count && bsearch(&date_ms, b->holidays, b->holiday_count,
					     sizeof(*b->holidays), by_time));
}

int64_t business_ms(const struct business *b, int64_t from_ms, int64_t until_ms)
{
	int64_t sum = 0;

	while (from_ms < until_ms) {
		int64_t next = next_midnight(b->zone, from_ms);

		if (next <= from_ms) /* a day that the zone left out */
			next = from_ms + STAMP_HOUR_MS;
		if (next > until_ms)
			next = until_ms;
		if (is_working(b, from_ms))
			sum += next - from_ms;
		from_ms = next;
	}
	return sum;
}
