/*
 * Seats over time and what they cost: `leaverd ledger`. Counts are of days on which an
 * organisation was read whole; money is of the prices in `billing`, and saved only from the day
 * on which the next billing period begins.
 */
#include "bridge/verb.h"

#include <string.h>

#include "base/stamp.h"
#include "base/vec.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/report_table.h"
#include "store/accounts.h"
#include "store/ledger.h"
#include "store/store.h"

#define LEDGER_DAYS 90

/* One product on one site. Its texts are ours. */
struct line {
	struct str product, site;
	int64_t first_day, last_day;
	int64_t before, held, idle, never, capacity;
	int64_t freed, again;
	int64_t paying, later; /* of those that stayed free */
	int64_t pays_ms;       /* the soonest day of the later ones */
};
VEC(lines, struct line);

struct ledger {
	struct app *app;
	const struct config_org *org;
	int64_t from_ms, now_ms;
	struct lines lines;
};

static void ledger_done(struct ledger *l)
{
	for (size_t i = 0; i < l->lines.n; i++) {
		free((char *)l->lines.v[i].product.p);
		free((char *)l->lines.v[i].site.p);
	}
	lines_done(&l->lines);
}

static int own(struct str s, struct str *ret, struct err *err)
{
	char *copy = str_dup(s);

	if (!copy)
		return err_nomem(err);
	*ret = str_n(copy, s.len);
	return 0;
}

/* The line of a product, made where there is none. Few: a scan. */
static int line_of(struct ledger *l, struct str product, struct str site, struct line **ret,
		   struct err *err)
{
	struct line fresh = { 0 };
	int r;

	for (size_t i = 0; i < l->lines.n; i++) {
		*ret = &l->lines.v[i];
		if (str_eq((*ret)->product, product) && str_eq((*ret)->site, site))
			return 0;
	}
	r = lines_add(&l->lines, fresh) < 0 ? err_nomem(err) : 0;
	if (r == 0) {
		*ret = &l->lines.v[l->lines.n - 1];
		r = own(product, &(*ret)->product, err);
	}
	return r == 0 ? own(site, &(*ret)->site, err) : r;
}

static int on_day(void *ctx, const struct ledger_day *row, struct err *err)
{
	struct line *line;
	int r = line_of(ctx, row->product, row->site, &line, err);

	if (r < 0)
		return r;
	if (!line->last_day) {
		line->first_day = row->day;
		line->before = row->held;
	}
	line->last_day = row->day;
	line->held = row->held;
	line->idle = row->idle;
	line->never = row->never;
	line->capacity = row->capacity;
	return 0;
}

static int on_freed(void *ctx, const struct ledger_freed *row, struct err *err)
{
	struct ledger *l = ctx;
	const struct config_billing *b = config_billing_of(l->org, row->product, row->site);
	const struct config *c = &l->app->config;
	struct line *line;
	int64_t pays_ms;
	int r = line_of(l, row->product, row->site, &line, err);

	if (r < 0)
		return r;
	line->freed++;
	line->again += row->again;
	if (row->again || !b)
		return 0;
	pays_ms = billing_next(&b->billing, config_day(c, row->at_ms) * STAMP_DAY_MS);
	if (pays_ms <= config_day(c, l->now_ms) * STAMP_DAY_MS) {
		line->paying++;
		return 0;
	}
	line->later++;
	if (!line->pays_ms || pays_ms < line->pays_ms)
		line->pays_ms = pays_ms;
	return 0;
}

/* --- the answer ----------------------------------------------------------------------------
 */

static int money_out(json_t *row, const char *name, int64_t money, struct err *err)
{
	char text[BILLING_TEXT_BYTES];

	billing_text(money, text);
	return jx_set(row, name, json_string(text), err);
}

/* What the seats cost a month; what of it is for idle ones; what those that were freed and
 * stayed free would cost on top. */
static int costs_out(const struct ledger *l, const struct line *line, json_t *row,
		     struct err *err)
{
	const struct config_billing *b = config_billing_of(l->org, line->product, line->site);
	const struct billing *bill = b ? &b->billing : NULL;
	int64_t held = line->held, unused = line->idle + line->never, now, saved;
	int r;

	if (!b)
		return 0;
	now = billing_month(bill, held);
	saved = billing_month(bill, held + line->later + line->paying);
	r = jx_set(row, "currency", json_string(b->currency), err);
	if (r == 0)
		r = money_out(row, "month", now, err);
	if (r == 0 && line->held >= REPORT_SMALL)
		r = money_out(row, "unused_month",
			      now - billing_month(bill, held > unused ? held - unused : 0),
			      err);
	if (r == 0)
		r = money_out(row, "saved_month",
			      billing_month(bill, held + line->paying) - now, err);
	if (r == 0)
		r = money_out(row, "later_month",
			      saved - billing_month(bill, held + line->paying), err);
	/* what is not saved yet: if these seats stay free */
	if (r == 0)
		r = jx_set(row, "later_is_forecast", json_boolean(line->later > 0), err);
	if (r == 0)
		r = jx_set(row, "period_ends_ms",
			   ask_ms(billing_next(bill, config_day(&l->app->config, l->now_ms) *
							     STAMP_DAY_MS)),
			   err);
	return r;
}

/* Of fewer than five people nobody is told how many were idle: each would be seen. */
static bool is_small(const struct line *line)
{
	return line->held < REPORT_SMALL;
}

static json_t *of_many(const struct line *line, int64_t count)
{
	return is_small(line) ? json_null() : json_integer((json_int_t)count);
}

static int line_out(const struct ledger *l, const struct line *line, json_t *rows,
		    struct err *err)
{
	json_t *row = json_pack(
		"{s:s, s:s%, s:s%, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o}",
		"org", l->org->name, "product", ASK_S(line->product), "site", ASK_S(line->site),
		"since_ms", ask_ms(line->first_day * STAMP_DAY_MS), "as_of_ms",
		ask_ms(line->last_day * STAMP_DAY_MS), "before", (json_int_t)line->before,
		"held", (json_int_t)line->held, "idle", of_many(line, line->idle), "never",
		of_many(line, line->never), "capacity",
		line->capacity ? json_integer((json_int_t)line->capacity) : json_null(),
		"freed", (json_int_t)line->freed, "again", (json_int_t)line->again, "paying",
		(json_int_t)line->paying, "later", (json_int_t)line->later, "pays_from_ms",
		ask_ms(line->pays_ms));
	int r = row ? costs_out(l, line, row, err) : err_nomem(err);

	if (r < 0) {
		json_decref(row);
		return r;
	}
	return json_array_append_new(rows, row) < 0 ? err_nomem(err) : 0;
}

static int one_org(struct ledger *l, json_t *rows, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row org = { 0 };
	int64_t from_day = config_day(&l->app->config, l->from_ms);
	int r = store_read_begin(l->app->store, &db, err);

	if (r == 0)
		r = accounts_org_get(db, l->org->name, &org, err);
	if (r != 0)
		return r < 0 ? r : 0; /* it was never read */
	r = ledger_days(db, org.id, from_day, on_day, l, err);
	if (r == 0)
		r = ledger_freed(db, l->org->name, org.id, l->from_ms, on_freed, l, err);
	for (size_t i = 0; r == 0 && i < l->lines.n; i++)
		r = line_out(l, &l->lines.v[i], rows, err);
	return r;
}

static int verb_ledger(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	const char *only = jx_get_text(in, "org");
	const json_t *given = json_object_get(in, "days");
	int64_t days = given ? json_integer_value(given) : LEDGER_DAYS;
	int64_t now_ms = stamp_now_ms();
	const struct config_org *one = NULL;
	json_t *rows = json_array();
	int r = jx_set(out, "ledger", rows, err);

	(void)who;
	if (r == 0 && (days < 1 || days > LEDGER_KEEP_DAYS))
		r = err_set(err, ERR_INVALID_VALUE, "%lld days: expected 1 to %d",
			    (long long)days, LEDGER_KEEP_DAYS);
	if (r == 0 && only)
		r = ask_org(app, only, &one, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		CLEANUP(ledger_done)
		struct ledger l = { .app = app,
				    .org = config_org_at(&app->config, i),
				    .from_ms = now_ms - days * STAMP_DAY_MS,
				    .now_ms = now_ms };

		if (!one || one == l.org)
			r = one_org(&l, rows, err);
	}
	return r == 0 ? jx_set(out, "days", json_integer((json_int_t)days), err) : r;
}

const struct verb verbs_ledger[] = {
	{ "ledger", VERB_STORE, verb_ledger },
	{ NULL, 0, NULL },
};
