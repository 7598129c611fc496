/* Reports about seats: how many are used, what keeps them, what they cost. */
#include "bridge/report_table.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/map.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/listing.h"
#include "model/path.h"
#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/marks.h"
#include "store/persons.h"
#include "store/records.h"
#include "store/store.h"
#include "store/walk.h"

#define PAGE 2000
#define LAG_MS STAMP_DAY_MS /* Atlassian tells of activity up to so much later */
#define HUNDREDTH 10000     /* of a currency's unit, in the millionths of model/billing.h */

/* What is counted of a product on a site. */
struct product_tally {
	int64_t id;
	char *key, *site;
	int64_t capacity, seats, used, inactive, never, unknown, guarded;
	UT_hash_handle hh;
};

struct seat_count {
	struct report_run *run;
	const char *org;
	int64_t org_id, before_ms; /* last use before that: inactive */
	struct product_tally *products;
	struct marks guarded; /* accounts that somebody protects */
	int64_t account, product;
	bool any;
};

static void seat_count_done(struct seat_count *c)
{
	struct product_tally *p, *next;

	HASH_ITER (hh, c->products, p, next) {
		HASH_DEL(c->products, p);
		free(p->key);
		free(p->site);
		free(p);
	}
	marks_done(&c->guarded);
}

static int product_note(void *ctx, const struct product_row *row, struct err *err)
{
	struct seat_count *c = ctx;
	struct product_tally *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	*p = (struct product_tally){ .id = row->id,
				     .key = str_dup(row->key),
				     .site = str_dup(row->site),
				     .capacity = row->capacity };
	if (p->key && p->site)
		HASH_ADD(hh, c->products, id, sizeof(p->id), p);
	if (p->key && p->site && MAP_ADDED(p))
		return 0;
	free(p->key);
	free(p->site);
	free(p);
	return err_nomem(err);
}

static struct product_tally *tally_of(struct seat_count *c, int64_t product)
{
	struct product_tally *p;

	HASH_FIND(hh, c->products, &product, sizeof(product), p);
	return p;
}

static int guard_account(void *ctx, const struct account_link *link, struct err *err)
{
	struct seat_count *c = ctx;

	return marks_set(&c->guarded, link->account, err);
}

struct guarding {
	struct seat_count *c;
	struct db *db;
};

static int guard_note(void *ctx, const struct protection *p, struct err *err)
{
	struct guarding *g = ctx;

	if (p->account)
		return marks_set(&g->c->guarded, p->account, err);
	return persons_accounts(g->db, p->person, guard_account, g->c, err);
}

static enum {
	SEAT_USED,
	SEAT_INACTIVE,
	SEAT_NEVER,
	SEAT_UNKNOWN
} seat_state(int64_t last_active_ms, int64_t before_ms)
{
	if (last_active_ms == FACT_ABSENT)
		return SEAT_NEVER;
	if (last_active_ms == FACT_UNKNOWN)
		return SEAT_UNKNOWN;
	return last_active_ms < before_ms ? SEAT_INACTIVE : SEAT_USED;
}

static int seat_note(void *ctx, const struct seat_row *row, struct err *err)
{
	struct seat_count *c = ctx;
	struct product_tally *p = tally_of(c, row->product);

	(void)err;
	c->any = true;
	c->account = row->account;
	c->product = row->product;
	if (!p)
		return 0;
	p->seats++;
	p->guarded += marks_has(&c->guarded, row->account);
	switch (seat_state(row->last_active_ms, c->before_ms)) {
	case SEAT_USED:
		p->used++;
		break;
	case SEAT_INACTIVE:
		p->inactive++;
		break;
	case SEAT_NEVER:
		p->never++;
		break;
	default:
		p->unknown++;
	}
	return 0;
}

/* Products and protections of an organisation; then all of its seats, in short transactions. */
static int count_begin(struct seat_count *c, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct guarding g = { .c = c };
	int r = store_read_begin(c->run->app->store, &db, err);

	g.db = db;
	if (r == 0)
		r = accounts_org_get(db, c->org, &row, err);
	c->org_id = row.id;
	if (r == 0)
		r = accounts_products(db, c->org_id, product_note, c, err);
	return r < 0 ? r : persons_protections(db, false, c->run->now_ms, guard_note, &g, err);
}

static int count_seats(struct seat_count *c, seat_fn fn, void *ctx, struct err *err)
{
	int r = 0;

	c->account = c->product = 0;
	do {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(c->run->app))
			return err_set(err, ERR_CANCELLED, "the report was interrupted");
		c->any = false;
		r = store_read_begin(c->run->app->store, &db, err);
		if (r == 0)
			r = accounts_seats_page(db, c->org_id, c->account, c->product, PAGE, fn,
						ctx, err);
	} while (r == 0 && c->any);
	return r;
}

static int each_org(struct report_run *run, int (*fn)(struct seat_count *c, struct err *err),
		    struct err *err)
{
	const struct config *config = &run->app->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->organisations.n; i++) {
		CLEANUP(seat_count_done)
		struct seat_count c = {
			.run = run,
			.org = config_org_at(config, i)->name,
			.before_ms = run->now_ms - run->days * STAMP_DAY_MS - LAG_MS,
		};

		if (!report_wants(run, c.org))
			continue;
		r = count_begin(&c, err);
		if (r == 0)
			r = fn(&c, err);
	}
	return r;
}

/* Of so few holders nobody is told how they use it: each would be seen. */
static bool is_small(const struct product_tally *p)
{
	return p->seats < REPORT_SMALL;
}

static json_t *of_many(const struct product_tally *p, int64_t count)
{
	return p->seats && is_small(p) ? json_null() : json_integer(count);
}

static int small_note(struct report_run *run, size_t small, struct err *err)
{
	return small ? report_note(run, err,
				   "Products with fewer than %d seats (%zu): how they are used "
				   "is not told, nor is it in the sums.",
				   REPORT_SMALL, small)
		     : 0;
}

/* --- seats
 * -------------------------------------------------------------------------------------
 */

static int seats_of_org(struct seat_count *c, struct err *err)
{
	struct product_tally *p, *next;
	int r = count_seats(c, seat_note, c, err);
	size_t small = 0;

	HASH_ITER (hh, c->products, p, next) {
		if (r < 0)
			return r;
		small += p->seats && is_small(p);
		r = report_row(c->run,
			       json_pack("[s,s,s,I,o,o,o,o,o,o,o]", c->org, p->key, p->site,
					 (json_int_t)p->seats, of_many(p, p->used),
					 of_many(p, p->inactive), of_many(p, p->never),
					 of_many(p, p->unknown), of_many(p, p->guarded),
					 p->capacity ? json_integer(p->capacity) : json_null(),
					 p->capacity ? json_integer(p->capacity - p->seats)
						     : json_null()),
			       err);
	}
	return r < 0 ? r : small_note(c->run, small, err);
}

int report_seats(struct report_run *run, struct err *err)
{
	int r = report_note(run, err,
			    "Inactive: last used more than %" PRId64
			    " days ago, and 24 hours of lag.",
			    run->days);

	return r < 0 ? r : each_org(run, seats_of_org, err);
}

/* --- paths
 * -------------------------------------------------------------------------------------
 */

struct path_tally {
	char *name; /* product number, then the path's text */
	int64_t product, seats, alone;
	const char *path;
	UT_hash_handle hh;
};

struct path_count {
	struct seat_count *c;
	struct db *db;
	struct path_tally *paths;
	struct path_tally *only; /* of the seat that is looked at */
	unsigned count;
	int64_t product;
};

static void path_count_done(struct path_count *c)
{
	struct path_tally *p, *next;

	HASH_ITER (hh, c->paths, p, next) {
		HASH_DEL(c->paths, p);
		free(p->name);
		free(p);
	}
}

static int path_add(struct path_count *c, const char *name, struct path_tally **ret,
		    struct err *err)
{
	struct path_tally *p = calloc(1, sizeof(*p));

	if (p)
		p->name = str_dup(str_of(name));
	if (p && p->name)
		HASH_ADD_KEYPTR(hh, c->paths, p->name, strlen(p->name), p);
	if (!p || !p->name || !MAP_ADDED(p)) {
		if (p)
			free(p->name);
		free(p);
		return err_nomem(err);
	}
	p->product = c->product;
	p->path = strchr(p->name, ' ') + 1;
	*ret = p;
	return 0;
}

static int path_note(void *ctx, const struct org_group_row *group,
		     const struct grant_row *grant, const struct role_row *role,
		     struct err *err)
{
	struct path_count *c = ctx;
	struct path_tally *p;
	char name[1200];
	int r = 0;

	(void)grant;
	snprintf(name, sizeof(name), "%" PRId64 " %s " STR_FMT, c->product,
		 group            ? "group"
		 : role->inferred ? "implied role"
				  : "role",
		 STR_ARG(group ? group->name : role->role));
	HASH_FIND_STR(c->paths, name, p);
	if (!p)
		r = path_add(c, name, &p, err);
	if (r < 0)
		return r;
	p->seats++;
	c->count++;
	c->only = p;
	return 0;
}

static int path_seat(void *ctx, const struct seat_row *row, struct err *err)
{
	struct path_count *c = ctx;
	int r;

	c->c->any = true;
	c->c->account = row->account;
	c->c->product = row->product;
	c->product = row->product;
	c->count = 0;
	{
		CLEANUP(store_read_end_at) struct db *db = NULL;

		r = store_read_begin(c->c->run->app->store, &db, err);
		if (r == 0)
			r = accounts_seat_paths(db, row->account, row->product, path_note, c,
						err);
	}
	if (r == 0 && c->count == 1)
		c->only->alone++;
	return r;
}

static int paths_of_org(struct seat_count *seats, struct err *err)
{
	CLEANUP(path_count_done) struct path_count c = { .c = seats };
	struct path_tally *p, *next;
	int r = count_seats(seats, path_seat, &c, err);

	HASH_ITER (hh, c.paths, p, next) {
		const struct product_tally *of = tally_of(seats, p->product);

		if (r == 0 && of)
			r = report_row(seats->run,
				       json_pack("[s,s,s,s,I,I]", seats->org, of->key, of->site,
						 p->path, (json_int_t)p->seats,
						 (json_int_t)p->alone),
				       err);
	}
	return r;
}

int report_paths(struct report_run *run, struct err *err)
{
	int r = report_note(run, err,
			    "A seat with several paths counts for each of them; alone: "
			    "nothing else keeps it.");

	return r < 0 ? r : each_org(run, paths_of_org, err);
}

/* --- savings
 * -----------------------------------------------------------------------------------
 */

/* What a month costs with so many seats held, less what it costs with fewer: of a year in tiers
 * that is often nothing. */
static int64_t saved_by(const struct config_billing *price, int64_t held, int64_t fewer)
{
	return billing_month(&price->billing, held) -
	       billing_month(&price->billing, held > fewer ? held - fewer : 0);
}

static int savings_row(struct seat_count *c, const char *product, const char *site,
		       const char *what, int64_t seats, int64_t held,
		       const struct config_billing *price, bool forecast, int64_t from_ms,
		       struct err *err)
{
	int64_t pays_ms = billing_next(&price->billing, from_ms);
	char from[STAMP_TEXT_BYTES];

	stamp_date_text(pays_ms, from);
	/* until it pays, what was freed may be given again */
	forecast = forecast || pays_ms > c->run->now_ms;
	return report_row(
		c->run,
		json_pack("[s,s,s,s,I,I,I,s,s,b]", c->org, product, site, what,
			  (json_int_t)seats,
			  (json_int_t)(billing_seat(&price->billing, held) / HUNDREDTH),
			  (json_int_t)(saved_by(price, held, seats) / HUNDREDTH),
			  price->currency, from, forecast),
		err);
}

/* Seats that were freed, by product and site. */
struct freed {
	char *key, *site;
	int64_t seats, last_ms;
	struct freed *next;
};

struct freed_count {
	struct seat_count *c;
	struct freed *list;
	int64_t after;
	bool any;
};

static int freed_note(void *ctx, const struct walk_effect *e, struct err *err)
{
	struct freed_count *f = ctx;
	struct freed *at;

	f->after = e->id;
	f->any = true;
	if (e->state != ACTION_DONE || !str_eq(e->kind, STR("free-seat")) ||
	    !str_eq(e->org, str_of(f->c->org)))
		return 0;
	for (at = f->list; at; at = at->next)
		if (str_eq(e->product, str_of(at->key)) && str_eq(e->site, str_of(at->site)))
			break;
	if (!at) {
		at = calloc(1, sizeof(*at));
		if (!at)
			return err_nomem(err);
		at->next = f->list;
		f->list = at;
		at->key = str_dup(e->product);
		at->site = str_dup(e->site);
		if (!at->key || !at->site)
			return err_nomem(err);
	}
	at->seats++;
	if (e->state_ms > at->last_ms)
		at->last_ms = e->state_ms;
	return 0;
}

static void freed_count_done(struct freed_count *f)
{
	while (f->list) {
		struct freed *next = f->list->next;

		free(f->list->key);
		free(f->list->site);
		free(f->list);
		f->list = next;
	}
}

static int freed_read(struct freed_count *f, struct err *err)
{
	int r = 0;

	f->any = true;
	while (r == 0 && f->any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		f->any = false;
		r = store_read_begin(f->c->run->app->store, &db, err);
		if (r == 0)
			r = walk_effects(db, f->c->run->now_ms - 365 * STAMP_DAY_MS,
					 f->c->run->now_ms + 1, f->after, PAGE, freed_note, f,
					 err);
	}
	return r;
}

static int64_t held_of(const struct seat_count *c, const char *product, const char *site)
{
	for (const struct product_tally *p = c->products; p; p = p->hh.next)
		if (!strcmp(p->key, product) && !strcmp(p->site, site))
			return p->seats;
	return 0;
}

static int freed_rows(struct seat_count *c, struct err *err)
{
	CLEANUP(freed_count_done) struct freed_count f = { .c = c };
	int r = freed_read(&f, err);

	for (const struct freed *at = f.list; r == 0 && at; at = at->next) {
		const struct config_billing *price =
			config_billing_of(config_org(&c->run->app->config, c->org),
					  str_of(at->key), str_of(at->site));

		if (price)
			r = savings_row(c, at->key, at->site, "freed in the last 365 days",
					at->seats, at->seats + held_of(c, at->key, at->site),
					price, false, at->last_ms, err);
	}
	return r;
}

static int savings_of_org(struct seat_count *c, struct err *err)
{
	const struct config_org *org = config_org(&c->run->app->config, c->org);
	struct product_tally *p, *next;
	int r = count_seats(c, seat_note, c, err);
	size_t small = 0;

	HASH_ITER (hh, c->products, p, next) {
		const struct config_billing *price =
			config_billing_of(org, str_of(p->key), str_of(p->site));
		bool told = !is_small(p);

		small += price && p->seats && !told;
		if (r == 0 && !price && p->seats)
			r = report_note(c->run, err,
					"%s on %s has no price in the configuration: no money "
					"is told for its %" PRId64 " seats.",
					p->key, p->site, p->seats);
		if (r == 0 && price && told && p->inactive)
			r = savings_row(c, p->key, p->site, "inactive", p->inactive, p->seats,
					price, true, c->run->now_ms, err);
		if (r == 0 && price && told && p->never)
			r = savings_row(c, p->key, p->site, "never used", p->never, p->seats,
					price, true, c->run->now_ms, err);
	}
	if (r == 0)
		r = small_note(c->run, small, err);
	return r < 0 ? r : freed_rows(c, err);
}

int report_savings(struct report_run *run, struct err *err)
{
	int r = report_note(
		run, err,
		"Prices are those of billing in the configuration. Forecast: what would "
		"be saved each month if all of these seats were free before the period "
		"that paysFrom begins; nothing is saved before it, and of a year in "
		"tiers only below a boundary. Seats that were freed and given again are "
		"not taken off: `leaverd ledger` does.");

	return r < 0 ? r : each_org(run, savings_of_org, err);
}

/* --- inactive
 * ----------------------------------------------------------------------------------
 */

static int inactive_row(void *ctx, const json_t *row, struct err *err)
{
	static const char *const names[] = {
		"org", "email", "name", "person", "product", "site"
	};
	struct report_run *run = ctx;
	const json_t *last = json_object_get(row, "last_active_ms");
	json_t *out = json_array();
	int r = out ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(names); i++)
		r = jx_add(out, json_incref(json_object_get(row, names[i])), err);
	if (r == 0)
		r = jx_add(out, report_ms(json_integer_value(last)), err);
	if (r == 0)
		r = jx_add(out, json_incref(json_object_get(row, "never_used")), err);
	if (r == 0)
		r = jx_add(out,
			   json_is_integer(last)
				   ? json_integer((run->now_ms - json_integer_value(last)) /
						  STAMP_DAY_MS)
				   : json_null(),
			   err);
	if (r == 0)
		r = jx_add(out, json_incref(json_object_get(row, "paths")), err);
	if (r < 0) {
		json_decref(out);
		return r;
	}
	return report_row(run, out, err);
}

static bool is_idle(const struct report_run *run, const json_t *row)
{
	const json_t *last = json_object_get(row, "last_active_ms");

	if (json_is_true(json_object_get(row, "never_used")))
		return true;
	return json_is_integer(last) &&
	       json_integer_value(last) < run->now_ms - run->days * STAMP_DAY_MS - LAG_MS;
}

static int inactive_note(void *ctx, const json_t *row, struct err *err)
{
	return is_idle(ctx, row) ? inactive_row(ctx, row, err) : 0;
}

int report_inactive(struct report_run *run, struct err *err)
{
	struct listing_place place = { 0 };
	int r = report_note(run, err,
			    "Last used more than %" PRId64
			    " days ago, and 24 hours of lag; or known never to have been "
			    "used. Seats of unknown use are not here.",
			    run->days);

	return r < 0 ? r
		     : listing_walk(run->app, run->in, true, &place, inactive_note, run, err);
}

/* --- charge-back
 * -------------------------------------------------------------------------------
 */

struct department {
	char *name;
	int64_t people, seats, inactive, cost; /* cost: millionths a month */
	int64_t account; /* the last one that was counted: seats come account by account */
	char currency[4];
	bool mixed; /* currencies */
	UT_hash_handle hh;
};

struct charge {
	struct report_run *run;
	const char *org;
	struct seat_count seats; /* of each product: few holders are not told of here either */
	struct department *all;
	int64_t person; /* whose department is known */
	char *department;
	const char *(*by)(const json_t *enterprise); /* what a record says of it; NULL */
	const char *what;                            /* "department" */
	struct marks people;                         /* counted: who has two accounts is one */
};

static void charge_clear(struct charge *c)
{
	struct department *d, *next;

	HASH_ITER (hh, c->all, d, next) {
		HASH_DEL(c->all, d);
		free(d->name);
		free(d);
	}
	free(c->department);
	seat_count_done(&c->seats);
	marks_done(&c->people);
	c->department = NULL;
	c->person = 0;
}

static const char *by_department(const json_t *enterprise)
{
	return jx_get_text(enterprise, "department");
}

static const char *by_manager(const json_t *enterprise)
{
	const json_t *manager = json_object_get(enterprise, "manager");
	const char *name = jx_get_text(manager, "displayName");

	return name && *name ? name : jx_get_text(manager, "value");
}

static int department_note(void *ctx, const struct record *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct charge *c = ctx;
	const char *text;
	int r;

	if (row->deleted || c->department)
		return 0;
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0)
		return r;
	text = c->by(json_object_get(doc, SCHEMA_ENTERPRISE));
	if (!text || !*text)
		return 0;
	c->department = str_dup(str_of(text));
	return c->department ? 0 : err_nomem(err);
}

static int department_of(struct charge *c, int64_t person, const char **ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = 0;

	if (person && person != c->person) {
		free(TAKE(c->department));
		c->person = person;
		r = store_read_begin(c->run->app->store, &db, err);
		if (r == 0)
			r = records_of_person(db, person, department_note, c, err);
	}
	*ret = !person               ? "(nobody explains the account)"
	       : c->department       ? c->department
	       : c->by == by_manager ? "(no manager)"
				     : "(no department)";
	return r < 0 ? r : 0;
}

static int department_get(struct charge *c, const char *name, struct department **ret,
			  struct err *err)
{
	struct department *d;

	HASH_FIND_STR(c->all, name, d);
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (d)
			d->name = str_dup(str_of(name));
		if (d && d->name)
			HASH_ADD_KEYPTR(hh, c->all, d->name, strlen(d->name), d);
		if (!d || !d->name || !MAP_ADDED(d)) {
			if (d)
				free(d->name);
			free(d);
			return err_nomem(err);
		}
	}
	*ret = d;
	return 0;
}

static int charge_seat(void *ctx, const json_t *row, struct err *err)
{
	struct charge *c = ctx;
	const char *org = jx_get_text(row, "org"), *name;
	int64_t person = json_integer_value(json_object_get(row, "person"));
	int64_t account = json_integer_value(json_object_get(row, "account"));
	const struct config_billing *price = config_billing_of(
		config_org(&c->run->app->config, c->org), str_of(jx_get_text(row, "product")),
		str_of(jx_get_text(row, "site")));
	struct department *d = NULL;
	int r;

	if (!org || strcmp(org, c->org) != 0)
		return 0;
	r = department_of(c, person, &name, err);
	if (r == 0)
		r = department_get(c, name, &d, err);
	if (r < 0)
		return r;
	if (person ? !marks_has(&c->people, person) : d->account != account)
		d->people++;
	d->account = account;
	if (person && marks_set(&c->people, person, err) < 0)
		return -err->code;
	d->seats++;
	/* else what is told here, less what is told of the other products, would tell it */
	if (held_of(&c->seats, jx_get_text(row, "product"), jx_get_text(row, "site")) >=
	    REPORT_SMALL)
		d->inactive += is_idle(c->run, row);
	if (!price)
		return 0;
	d->cost += billing_seat(&price->billing, held_of(&c->seats, jx_get_text(row, "product"),
							 jx_get_text(row, "site")));
	d->mixed |= d->currency[0] && strcmp(d->currency, price->currency) != 0;
	snprintf(d->currency, sizeof(d->currency), "%s", price->currency);
	return 0;
}

static int charge_row(struct charge *c, const struct department *d, struct err *err)
{
	bool money = d->currency[0] && !d->mixed;

	return report_row(c->run,
			  json_pack("[s,s,I,I,I,o,o]", c->org, d->name, (json_int_t)d->people,
				    (json_int_t)d->seats, (json_int_t)d->inactive,
				    money ? json_integer(d->cost / HUNDREDTH) : json_null(),
				    money ? json_string(d->currency) : json_null()),
			  err);
}

static void department_join(struct department *into, const struct department *d)
{
	into->people += d->people;
	into->seats += d->seats;
	into->inactive += d->inactive;
	into->cost += d->cost;
	into->mixed |= d->mixed || (into->currency[0] && d->currency[0] &&
				    strcmp(into->currency, d->currency) != 0);
	if (d->currency[0])
		snprintf(into->currency, sizeof(into->currency), "%s", d->currency);
}

/* The one with the fewest people of those that are shown; NULL: none is. */
static const struct department *smallest_shown(const struct charge *c)
{
	const struct department *least = NULL;

	for (const struct department *d = c->all; d; d = d->hh.next)
		if (d->people >= REPORT_SMALL &&
		    (!least || d->people < least->people ||
		     (d->people == least->people && strcmp(d->name, least->name) < 0)))
			least = d;
	return least;
}

/*
 * Small departments are one row. Where all of them are still few people, what is left between
 * the rows and the sums of the organisation, which other reports tell, would be theirs: so the
 * smallest of the others joins them.
 */
static int charge_rows(struct charge *c, struct err *err)
{
	CLEANUP(buf_done) struct buf name;
	struct department small = { 0 };
	const struct department *with = NULL;
	int r = 0;

	buf_init(&name, 4096);
	for (const struct department *d = c->all; d; d = d->hh.next)
		if (d->people < REPORT_SMALL)
			department_join(&small, d);
	if (small.people && small.people < REPORT_SMALL)
		with = smallest_shown(c);
	for (const struct department *d = c->all; r == 0 && d; d = d->hh.next)
		if (d->people >= REPORT_SMALL && d != with)
			r = charge_row(c, d, err);
	if (r < 0 || !small.people)
		return r;
	if (small.people < REPORT_SMALL && !with)
		return report_note(c->run, err,
				   "%s: fewer than %d people have seats: %ss are not told.",
				   c->org, REPORT_SMALL, c->what);
	buf_addf(&name,
		 c->by == by_manager ? "(managers of under %d people"
				     : "(departments under %d people",
		 REPORT_SMALL);
	if (with) {
		department_join(&small, with);
		buf_addf(&name, ", and %.200s", with->name);
	}
	buf_add_char(&name, ')');
	r = buf_fault(&name, err, "the name of a department");
	small.name = name.p;
	return r < 0 ? r : charge_row(c, &small, err);
}

static int charge_org(struct charge *c, size_t at, struct err *err)
{
	struct listing_place place = { .org = at };
	CLEANUP(json_decref_at) json_t *in = json_pack("{s:s}", "org", c->org);
	int r = in ? count_begin(&c->seats, err) : err_nomem(err);

	if (r == 0)
		r = count_seats(&c->seats, seat_note, &c->seats, err);
	if (r == 0)
		r = listing_walk(c->run->app, in, true, &place, charge_seat, c, err);
	return r < 0 ? r : charge_rows(c, err);
}

static int charge_back(struct report_run *run, const char *(*by)(const json_t *enterprise),
		       const char *what, struct err *err)
{
	const struct config *config = &run->app->config;
	int r = report_note(run, err,
			    "By the first record of a person that says a %s. "
			    "Money where the configuration has prices of one currency; of a "
			    "year in tiers each seat has its share. "
			    "Inactive: of products that at least %d people hold.",
			    what, REPORT_SMALL);

	for (size_t i = 0; r == 0 && i < config->organisations.n; i++) {
		const char *org = config_org_at(config, i)->name;
		struct charge c = { .run = run,
				    .org = org,
				    .by = by,
				    .what = what,
				    .seats = { .run = run, .org = org } };

		if (!report_wants(run, org))
			continue;
		r = charge_org(&c, i, err);
		charge_clear(&c);
	}
	return r;
}

int report_departments(struct report_run *run, struct err *err)
{
	return charge_back(run, by_department, "department", err);
}

int report_managers(struct report_run *run, struct err *err)
{
	return charge_back(run, by_manager, "manager", err);
}
