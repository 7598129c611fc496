#include "bridge/business.h"

/* Local midnight after an instant, in steps of the zone: days with a jump are longer or
 * shorter. */
static int64_t next_midnight(const struct zone *zone, int64_t at_ms)
{
	int64_t local_ms = at_ms + zone_offset_s(zone, at_ms) * STAMP_SECOND_MS;
	int64_t day_ms = local_ms - ((local_ms % STAMP_DAY_MS) + STAMP_DAY_MS) % STAMP_DAY_MS;

	return zone_day_end_ms(zone, day_ms);
}

int64_t business_ms(const struct zone *zone, int64_t from_ms, int64_t until_ms)
{
	int64_t sum = 0;

	while (from_ms < until_ms) {
		int64_t next = next_midnight(zone, from_ms);
		int weekday, minute;

		if (next <= from_ms) /* a day that the zone left out */
			next = from_ms + STAMP_HOUR_MS;
		if (next > until_ms)
			next = until_ms;
		zone_local(zone, from_ms, &weekday, &minute);
		if (weekday >= 1 && weekday <= 5)
			sum += next - from_ms;
		from_ms = next;
	}
	return sum;
}
