/*
 * Dates as HR systems write them. A form is declared for each column: which of 03/04 is the
 * month is never guessed.
 *
 * A form is made of yyyy, mm and dd (two digits), m and d (one or two), mmm (Jan, in English,
 * any case), hh, mi, ss, and other characters that stand for themselves. Two words are forms of
 * their own: `instant`, an RFC 3339 time with its offset, of which the day in the zone counts;
 * `excel`, days since 30 December 1899. Several forms of one column stand with `|` between;
 * they may not read one text as two days.
 */
#ifndef HR_DATE_H
#define HR_DATE_H

#include "base/zone.h"

#define HR_DATE_FORMS_MAX 4

struct hr_dates {
	char form[HR_DATE_FORMS_MAX][32];
	size_t n;
};

/* Fault: CONFIG saying what is no form, or which two cannot be told apart. */
int hr_dates_parse(struct str text, struct hr_dates *ret, struct err *err) MUST_USE;

/* A day as its midnight in UTC. False when no form fits or there is no such day. */
bool hr_dates_read(const struct hr_dates *d, const struct zone *zone, struct str text,
		   int64_t *ret_ms);

#endif
