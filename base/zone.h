/*
 * Named time zones from the system's tzdata (TZif, RFC 9636), read again when a file changes.
 * Names come from people and directories: they are checked ([A-Za-z0-9_+-] and '/', no "..")
 * before a path is made of them. Thread-safe; zones are cached and never freed before
 * zone_done().
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/stamp.h"

struct zone;

/* Fault: INVALID_VALUE naming the zone. *ret is borrowed. "UTC" always works. */
int zone_get(struct str name, const struct zone **ret, struct err *err) MUST_USE;

/* Offset from UTC in seconds at that instant. */
int zone_offset_s(const struct zone *z, int64_t at_ms);

/*
 * The instant at which the civil day (its date given as midnight UTC, see stamp_parse_date)
 * begins in z: the first instant of that date. Right on days with a jump, and on days that do
 * not exist.
 */
int64_t zone_day_start_ms(const struct zone *z, int64_t date_ms);
/* The first instant after that civil day: when "the end of the last working day" has come. */
int64_t zone_day_end_ms(const struct zone *z, int64_t date_ms);

/* Weekday (0 Sunday) and minutes since local midnight at an instant. */
void zone_local(const struct zone *z, int64_t at_ms, int *weekday, int *minute);

void zone_done(void);

#endif
