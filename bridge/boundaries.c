#include "bridge/boundaries.h"

#include <stdio.h>

#include "base/stamp.h"
#include "base/vec.h"
#include "bridge/notices.h"
#include "store/accounts.h"
#include "store/ledger.h"
#include "store/store.h"

#define KEY_BYTES 256
#define SITE_BYTES 256

/* One product on one site that is bought in tiers. */
struct count {
	const struct config_billing *billing;
	char product[64], site[SITE_BYTES];
	int64_t held, most; /* on the newest day; on any */
};
VEC(vec_count, struct count);

struct counting {
	const struct config_org *org;
	struct vec_count v;
};

/* Days come by product and site, the oldest first. */
static int on_day(void *ctx, const struct ledger_day *row, struct err *err)
{
	struct counting *c = ctx;
	const struct config_billing *b = config_billing_of(c->org, row->product, row->site);
	struct count *last = c->v.n ? &c->v.v[c->v.n - 1] : NULL;
	struct count fresh = { .billing = b, .held = row->held, .most = row->held };

	if (!b || !b->billing.tier_count || b->billing.term != BILLING_ANNUAL)
		return 0;
	if (last && str_eq(row->product, str_of(last->product)) &&
	    str_eq(row->site, str_of(last->site))) {
		last->held = row->held;
		if (row->held > last->most)
			last->most = row->held;
		return 0;
	}
	(void)snprintf(fresh.product, sizeof(fresh.product), STR_FMT, STR_ARG(row->product));
	(void)snprintf(fresh.site, sizeof(fresh.site), STR_FMT, STR_ARG(row->site));
	return vec_count_add(&c->v, fresh) < 0 ? err_nomem(err) : 0;
}

struct saying {
	const struct config_org *org;
	boundaries_fn fn;
	void *ctx;
	int64_t renews_ms;
	char renews[STAMP_TEXT_BYTES];
};

static int say(const struct saying *s, const struct count *c, const char *what, int64_t bound,
	       const char *title, const char *line, struct err *err)
{
	char key[KEY_BYTES];

	(void)snprintf(key, sizeof(key), "tier/%.40s/%.40s/%.80s/%s/%lld/%s", s->org->name,
		       c->product, c->site, what, (long long)bound, s->renews);
	return s->fn(s->ctx, key, title, line, err);
}

static int say_near(const struct saying *s, const struct count *c, size_t tier, struct err *err)
{
	const struct billing *b = &c->billing->billing;
	int64_t bound = b->tiers[tier].seats, more = bound - c->held;
	char product[NOTICES_PRODUCT_BYTES], price[BILLING_TEXT_BYTES];
	char title[300], line[700], next[200] = "";

	notices_product_say(str_of(c->product), product);
	if (tier + 1 < b->tier_count) {
		billing_text(b->tiers[tier + 1].price, price);
		(void)snprintf(next, sizeof(next), ", %s %s a year", price,
			       c->billing->currency);
	}
	billing_text(b->tiers[tier].price, price);
	(void)snprintf(title, sizeof(title), "%s on %.100s is %lld seat%s before the next tier",
		       product, c->site, (long long)more, more == 1 ? "" : "s");
	(void)snprintf(
		line, sizeof(line),
		"%s on %.100s holds %lld seats; up to %lld cost %s %s a year. What goes "
		"above that when it renews on %s is the next tier%s: leaverd ledger %.60s",
		product, c->site, (long long)c->held, (long long)bound, price,
		c->billing->currency, s->renews, next, s->org->name);
	return say(s, c, "near", bound, title, line, err);
}

static int say_below(const struct saying *s, const struct count *c, size_t tier,
		     struct err *err)
{
	const struct billing *b = &c->billing->billing;
	int64_t bound = b->tiers[tier].seats;
	char product[NOTICES_PRODUCT_BYTES], saved[BILLING_TEXT_BYTES];
	char title[300], line[700];

	notices_product_say(str_of(c->product), product);
	billing_text(12 * (billing_month(b, c->most) - billing_month(b, c->held)), saved);
	(void)snprintf(title, sizeof(title), "%s on %.100s fell below %lld seats", product,
		       c->site, (long long)bound + 1);
	(void)snprintf(
		line, sizeof(line),
		"%s on %.100s holds %lld seats, and held %lld within %d days. If it is at "
		"most %lld when it renews, a year costs %s %s less, from %s on: leaverd "
		"ledger %.60s",
		product, c->site, (long long)c->held, (long long)c->most, BOUNDARIES_DAYS,
		(long long)bound, saved, c->billing->currency, s->renews, s->org->name);
	return say(s, c, "below", bound, title, line, err);
}

static int say_count(struct saying *s, const struct count *c, int64_t today_ms, struct err *err)
{
	const struct billing *b = &c->billing->billing;
	size_t now = billing_tier_at(b, c->held), most = billing_tier_at(b, c->most);
	int r = 0;

	s->renews_ms = billing_next(b, today_ms);
	stamp_date_text(s->renews_ms, s->renews);
	if (now < most)
		r = say_below(s, c, now, err);
	if (r == 0 && now < b->tier_count && c->held > 0 &&
	    b->tiers[now].seats - c->held <= BOUNDARIES_NEAR)
		r = say_near(s, c, now, err);
	return r;
}

int boundaries_look(struct app *app, const struct config_org *org, int64_t now_ms,
		    boundaries_fn fn, void *ctx, struct err *err)
{
	int64_t today = config_day(&app->config, now_ms);
	struct counting counting = { .org = org };
	struct saying s = { .org = org, .fn = fn, .ctx = ctx };
	struct org_row row = { 0 };
	struct db *db = NULL;
	int r;

	if (!org->billing.n)
		return 0;
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, org->name, &row, err);
	if (r == 0)
		r = ledger_days(db, row.id, today - BOUNDARIES_DAYS, on_day, &counting, err);
	store_read_end(db);
	org_row_done(&row);
	for (size_t i = 0; r == 0 && i < counting.v.n; i++)
		r = say_count(&s, &counting.v.v[i], today * STAMP_DAY_MS, err);
	vec_count_done(&counting.v);
	return r < 0 ? r : 0;
}
