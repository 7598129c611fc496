/*
 * When days end and when steps may start. Pure but for the zone rules, which base/zone reads
 * from the system's tzdata.
 */
#ifndef RECONCILE_CALENDAR_H
#define RECONCILE_CALENDAR_H

#include "base/zone.h"

#define CALENDAR_WEEK_MINUTES (7 * 24 * 60)
#define CALENDAR_DAY_END (24 * 60) /* a minute of the day: when the day is over */

/* Days in which no destructive step starts: from the start of one to the end of the other.
 * Dates as midnights UTC, in the instance's zone. */
struct calendar_freeze {
	int64_t first_ms, last_ms;
};

struct calendar {
	const struct zone *zone; /* the instance's */
	bool quiet;              /* change hours are kept */
	int quiet_from,
		quiet_until; /* minutes since Sunday 00:00, local; from == until: never */
	bool business_days;
	const int64_t *holidays; /* midnights UTC of local dates, sorted; borrowed */
	size_t holiday_count;
	const struct calendar_freeze *freezes; /* borrowed */
	size_t freeze_count;
};

/* "17:00" to minutes since midnight; "24:00" is CALENDAR_DAY_END. */
bool calendar_day_minute(struct str text, int *ret);
/* "2026-12-20..2027-01-06", or one date alone. */
bool calendar_freeze_of(struct str text, struct calendar_freeze *ret);

/*
 * The instant at which clocks of the zone show that minute of that day; CALENDAR_DAY_END is the
 * first instant after it. A minute that comes twice is the later one, one that is left out
 * comes by the clock of before: never too early, and never after the end of the day.
 */
int64_t calendar_day_time(const struct zone *zone, int64_t date_ms, int minute);

/* "Fri 15:00" (three letters or more of the day, any case) to minutes since Sunday 00:00. */
bool calendar_week_minute(struct str text, int *ret);

/*
 * The same in the zone named. False where the name is empty or no zone is known by it: *ret is
 * then the instant at which that day is over everywhere on earth (12:00 UTC of the day after),
 * so that nothing comes too early.
 */
bool calendar_day_time_in(struct str zone_name, int64_t date_ms, int minute, int64_t *ret);

/*
 * from + wait. With business_days the whole days of wait count only business days of the
 * instance's zone (the time of day is kept); a rest shorter than a day is added as it is.
 */
int64_t calendar_after(const struct calendar *c, int64_t from_ms, int64_t wait_ms);

/* Whether a destructive step may start then. */
bool calendar_is_open(const struct calendar *c, int64_t at_ms);
/* The first such instant not before at_ms. */
int64_t calendar_open(const struct calendar *c, int64_t at_ms);

#endif
