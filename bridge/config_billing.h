/*
 * The `billing:` items of an organisation: what a seat costs, and when what is freed pays.
 * Prices are the customer's own.
 */
#ifndef BRIDGE_CONFIG_BILLING_H
#define BRIDGE_CONFIG_BILLING_H

#include "base/conf.h"
#include "model/billing.h"

#define CONFIG_TIERS_MAX 32

struct config_org; /* bridge/config.h */

struct config_billing {
	struct conf_mark mark;
	char *product, *site; /* site NULL: of all sites */
	char *price, *apps;   /* a seat and month; NULL: nothing */
	char *currency;
	int term;                /* enum billing_term */
	char *renews;            /* a date; NULL: the first of a month, or of January */
	struct conf_pairs tiers; /* seats: what a year costs */
	/* Made of these by config_billing_check(). */
	struct billing billing; /* its tiers are bounds */
	struct billing_tier bounds[CONFIG_TIERS_MAX];
};

extern const struct conf_key config_billing_keys[];

/* What rows cannot say: money, dates, tiers that go up. */
void config_billing_check(struct config_org *org, struct conf_faults *faults);
/* That of a product on a site; NULL: no price is known. */
const struct config_billing *config_billing_of(const struct config_org *org, struct str product,
					       struct str site);

#endif
