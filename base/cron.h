/*
 * Times of day by cron's five fields: minute, hour, day of the month, month, weekday, as
 * crontab(5) has them: lists, ranges, steps, names of months and weekdays, 0 and 7 for Sunday,
 * and @hourly, @daily, @weekly, @monthly. Where both days are restricted, either will do.
 *
 * On days on which the clock jumps, as crond(8) does it: what is skipped comes at the jump,
 * what is repeated comes once; but where the hour is free ("*" or a step of it), neither: the
 * clock's own minutes count.
 *
 * Pure; any thread.
 */
#ifndef BASE_CRON_H
#define BASE_CRON_H

#include "base/zone.h"

struct cron {
	uint64_t minutes;             /* bits 0 to 59 */
	uint32_t hours, days, months; /* bits 0 to 23; 1 to 31; 1 to 12 */
	uint8_t weekdays;             /* bits 0, Sunday, to 6 */
	bool any_day, any_weekday;    /* began with "*" */
	bool any_hour;
};

/* Fault: INVALID_VALUE with what was found, and which field wants what. */
int cron_read(struct str text, struct cron *ret, struct err *err) MUST_USE;
/* Zeroed: it never comes. */
bool cron_given(const struct cron *c);
/* The first such time after that instant; STAMP_NEVER if there is none within nine years (the
 * 30th of February; any 29th comes within eight). */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_ms);

#endif
