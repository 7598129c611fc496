#include "model/billing.h"

#include <stdio.h>

#define UNIT 1000000
#define PLACES 6
#define WHOLE_DIGITS 9

static int month_days(int year, int month)
{
	int64_t first = stamp_from_civil(year, month, 1, 0, 0, 0);
	int64_t next = stamp_from_civil(year + month / 12, month % 12 + 1, 1, 0, 0, 0);

	return (int)((next - first) / STAMP_DAY_MS);
}

/* That day of the month, or its last one. */
static int64_t day_in(int year, int month, int day)
{
	int most = month_days(year, month);

	return stamp_from_civil(year, month, day < most ? day : most, 0, 0, 0);
}

int64_t billing_next(const struct billing *b, int64_t day_ms)
{
	int year, month, day, own_month, own_day, own_year;
	int64_t at;

	stamp_civil(b->renews_ms, &own_year, &own_month, &own_day);
	stamp_civil(day_ms, &year, &month, &day);
	if (b->term == BILLING_ANNUAL) {
		at = day_in(year, own_month, own_day);
		return at > day_ms ? at : day_in(year + 1, own_month, own_day);
	}
	at = day_in(year, month, own_day);
	return at > day_ms ? at : day_in(year + month / 12, month % 12 + 1, own_day);
}

size_t billing_tier_at(const struct billing *b, int64_t seats)
{
	size_t tier = 0;

	while (tier < b->tier_count && seats > b->tiers[tier].seats)
		tier++;
	return tier;
}

int64_t billing_month(const struct billing *b, int64_t seats)
{
	const struct billing_tier *last;
	size_t tier;

	if (b->term != BILLING_ANNUAL || !b->tier_count)
		return seats * b->price;
	tier = billing_tier_at(b, seats);
	if (tier < b->tier_count)
		return seats > 0 ? b->tiers[tier].price / 12 + b->apps * b->tiers[tier].seats
				 : 0;
	last = &b->tiers[b->tier_count - 1];
	return last->price / 12 * seats / last->seats + b->apps * seats;
}

int64_t billing_seat(const struct billing *b, int64_t seats)
{
	return seats > 0 ? billing_month(b, seats) / seats : 0;
}

bool billing_read(struct str s, int64_t *ret)
{
	struct str whole, part = { 0 };
	bool point = str_cut(s, '.', &whole, &part);
	uint64_t units, rest = 0;

	if (whole.len > WHOLE_DIGITS || !str_uint64(whole, &units) ||
	    (point && (part.len > PLACES || !str_uint64(part, &rest))))
		return false;
	for (size_t i = part.len; i < PLACES; i++)
		rest *= 10;
	*ret = (int64_t)(units * UNIT + rest);
	return true;
}

void billing_text(int64_t money, char ret[BILLING_TEXT_BYTES])
{
	uint64_t size = money < 0 ? (uint64_t)-money : (uint64_t)money;
	uint64_t cents = (size + UNIT / 200) / (UNIT / 100);

	(void)snprintf(ret, BILLING_TEXT_BYTES, "%s%llu.%02llu", money < 0 && cents ? "-" : "",
		       (unsigned long long)(cents / 100), (unsigned long long)(cents % 100));
}
