/* Business time: Monday to Friday in a zone. Pure. */
#ifndef BRIDGE_BUSINESS_H
#define BRIDGE_BUSINESS_H

#include "base/zone.h"

/* How much of [from, until) lies on working days there. */
int64_t business_ms(const struct zone *zone, int64_t from_ms, int64_t until_ms);

#endif
