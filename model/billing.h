/*
 * When a seat that was given back stops costing, and what it costs. Pure; any thread.
 *
 * Atlassian Cloud bills what is held, by periods: what is freed pays from the first day of the
 * next period, not before ("maximum quantity billing"), and where a year was bought in tiers
 * only if the count at renewal falls below a boundary. Prices are the customer's own; none is
 * known here. Money is int64 millionths of a currency's unit.
 */
#ifndef MODEL_BILLING_H
#define MODEL_BILLING_H

#include "base/stamp.h"

#define BILLING_TEXT_BYTES 32

enum billing_term { BILLING_MONTHLY, BILLING_ANNUAL };

/* Up to so many seats a year costs so much; a count over the last one costs the last one, and
 * its price a seat. */
struct billing_tier {
	int64_t seats, price;
};

struct billing {
	enum billing_term term;
	int64_t renews_ms; /* a day on which a period begins, as midnight UTC */
	int64_t price;     /* a seat and month, with all that is billed by the same seats */
	int64_t apps; /* of it: Marketplace apps. Of a year in tiers they are beside it: apps
			 are bought by the same tier */
	const struct billing_tier *tiers; /* ascending; of BILLING_ANNUAL alone. Borrowed */
	size_t tier_count;
};

/* The first day of the period after that day (both midnight UTC): the 31st of a short month is
 * its last day, the 29th of February the 28th. */
int64_t billing_next(const struct billing *b, int64_t day_ms);
/* The tier that so many seats fall into; tier_count when they are more than its last, or there
 * is none. */
size_t billing_tier_at(const struct billing *b, int64_t seats);
/* What so many seats cost a month. */
int64_t billing_month(const struct billing *b, int64_t seats);
/* What one of so many costs: its share of the whole. 0 where there is none. */
int64_t billing_seat(const struct billing *b, int64_t seats);

/* "7.91": at most six places; false on all else, and on more than nine digits before the point.
 */
bool billing_read(struct str s, int64_t *ret);
/* "7.91", "9100.00", "-0.05": two places, rounded half away from zero. */
void billing_text(int64_t money, char ret[BILLING_TEXT_BYTES]);

#endif
