#include "bridge/config_billing.h"

#include <stddef.h>

#include "bridge/config.h"

static const char *const terms[] = { "monthly", "annual", NULL };

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = n, .type = t, .offset = offsetof(struct st, f), __VA_ARGS__ }
#define WITHIN(l, m) .least = (l), .most = (m)

const struct conf_key config_billing_keys[] = {
	ROW("product", CONF_TEXT, config_billing, product, .preset = "!", WITHIN(1, 64),
	    .help = "as leaverd seats has it: jira, jsm, confluence"),
	ROW("site", CONF_TEXT, config_billing, site,
	    .help = "host of one site; left out: of every site without an item of its own"),
	ROW("price", CONF_TEXT, config_billing, price,
	    .help = "what a seat costs a month, such as 7.91"),
	ROW("apps", CONF_TEXT, config_billing, apps,
	    .help = "what the Marketplace apps that are billed by these seats cost beside it, a seat and month; with tiers: each seat of the tier"),
	ROW("currency", CONF_TEXT, config_billing, currency, .preset = "USD", WITHIN(3, 3),
	    .help = "of three letters, as on the invoice"),
	ROW("term", CONF_ENUM, config_billing, term, .preset = "monthly", .words = terms,
	    .help = "monthly: what is held on the last day sets the next period; annual: paid up front"),
	ROW("renews", CONF_TEXT, config_billing, renews,
	    .help = "a day on which a period begins, such as 2026-03-14; left out: the first of the month, or of January"),
	ROW("tiers", CONF_MAP, config_billing, tiers,
	    .help = "of annual: up to so many seats a year costs so much, as in 100: 9120"),
	{ 0 }
};
/* clang-format on */

static int64_t money(const struct config_billing *b, const char *key, const char *text,
		     struct conf_faults *faults)
{
	int64_t n = 0;

	if (text && !billing_read(str_of(text), &n))
		conf_fault(faults, &b->mark, key,
			   "\"%s\": expected an amount such as 7.91, with a point and at most "
			   "six places",
			   text);
	return n;
}

static void check_tiers(struct config_billing *b, struct conf_faults *faults)
{
	size_t n = b->tiers.n;
	uint64_t before = 0;

	if (!n)
		return;
	if (b->term != BILLING_ANNUAL)
		conf_fault(faults, &b->mark, "tiers",
			   "by the month each seat counts: expected term: annual, or no tiers");
	if (n > CONFIG_TIERS_MAX) {
		conf_fault(faults, &b->mark, "tiers", "%zu of them: expected at most %d", n,
			   CONFIG_TIERS_MAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct conf_pair *pair = &b->tiers.v[i];
		uint64_t seats = 0;
		int64_t price = 0;

		if (!str_uint64(str_of(pair->key), &seats) || seats <= before ||
		    seats > 10000000)
			conf_fault(faults, &b->mark, "tiers",
				   "line %zu: \"%s\": expected seats, each more than the one "
				   "before",
				   pair->line, pair->key);
		else if (!billing_read(str_of(pair->value), &price))
			conf_fault(faults, &b->mark, "tiers",
				   "line %zu: \"%s\": expected what a year costs, such as 9120",
				   pair->line, pair->value);
		before = seats;
		b->bounds[i] = (struct billing_tier){ (int64_t)seats, price };
	}
	b->billing.tiers = b->bounds;
	b->billing.tier_count = n;
}

static void check_one(struct config_billing *b, struct conf_faults *faults)
{
	int64_t begins = stamp_from_civil(2000, 1, 1, 0, 0, 0), apps;

	if (b->renews && !stamp_parse_date(str_of(b->renews), &begins))
		conf_fault(faults, &b->mark, "renews",
			   "\"%s\": expected a date such as 2026-03-14", b->renews);
	if (!b->price && !b->tiers.n)
		conf_fault(faults, &b->mark, "price",
			   "found nothing, expected what a seat costs a month, or tiers");
	apps = money(b, "apps", b->apps, faults);
	b->billing = (struct billing){ .term = (enum billing_term)b->term,
				       .renews_ms = begins,
				       .price = money(b, "price", b->price, faults) + apps,
				       .apps = apps };
	check_tiers(b, faults);
}

static struct config_billing *at(const struct config_org *org, size_t i)
{
	return (struct config_billing *)org->billing.v + i;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

void config_billing_check(struct config_org *org, struct conf_faults *faults)
{
	for (size_t i = 0; i < org->billing.n; i++) {
		struct config_billing *b = at(org, i);

		check_one(b, faults);
		for (size_t k = 0; k < i; k++)
			if (same(at(org, k)->product, b->product) &&
			    same(at(org, k)->site, b->site))
				conf_fault(faults, &b->mark, "product",
					   "%s%s%s is named twice: expected one item for each "
					   "product and site",
					   b->product, b->site ? " on " : "",
					   b->site ? b->site : "");
	}
}

const struct config_billing *config_billing_of(const struct config_org *org, struct str product,
					       struct str site)
{
	const struct config_billing *all = NULL;

	for (size_t i = 0; i < org->billing.n; i++) {
		const struct config_billing *b = at(org, i);

		if (!str_eq(product, str_of(b->product)))
			continue;
		if (b->site && str_eq(site, str_of(b->site)))
			return b;
		if (!b->site)
			all = b;
	}
	return all;
}
