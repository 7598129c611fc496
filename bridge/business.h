/* Business time: Monday to Friday in a zone, without its holidays. Pure. */
#ifndef BRIDGE_BUSINESS_H
#define BRIDGE_BUSINESS_H

#include "base/zone.h"

/* Borrowed. holidays: midnights UTC of local dates, in order; may be NULL with 0 of them. */
struct business {
	const struct zone *zone;
	const int64_t *holidays;
	size_t holiday_count;
};

/* How much of [from, until) lies on working days there. */
int64_t business_ms(const struct business *b, int64_t from_ms, int64_t until_ms);

#endif
