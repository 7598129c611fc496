/* Reports about what came in the course of time: how many seats were in use, day by day, and
 * what managers answered to access reviews. Totals: nobody's activity. */
#include "bridge/report_table.h"

#include "base/map.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "store/accounts.h"
#include "store/ledger.h"
#include "store/reviews.h"
#include "store/store.h"

#define PAGE 1000

/* --- activity
 * ----------------------------------------------------------------------------------
 */

struct activity {
	struct report_run *run;
	const char *org;
	int64_t small; /* days on which so few held one that each would be seen */
};

static int day_row(void *ctx, const struct ledger_day *d, struct err *err)
{
	struct activity *a = ctx;
	bool small = d->held < REPORT_SMALL;
	char day[STAMP_TEXT_BYTES];

	stamp_date_text(d->day * STAMP_DAY_MS, day);
	a->small += small && d->held > 0;
	return report_row(
		a->run,
		json_pack("[s,s,s%,s%,I,o,o,o]", day, a->org, ASK_S(d->product), ASK_S(d->site),
			  (json_int_t)d->held,
			  small ? json_null() : json_integer(d->held - d->idle - d->never),
			  small ? json_null() : json_integer(d->idle),
			  small ? json_null() : json_integer(d->never)),
		err);
}

static int activity_of(struct activity *a, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int64_t from_ms = a->run->now_ms - a->run->days * STAMP_DAY_MS;
	int r = store_read_begin(a->run->app->store, &db, err);

	if (r == 0)
		r = accounts_org_get(db, a->org, &row, err);
	if (r == 0 && row.id)
		r = ledger_days(db, row.id, config_day(&a->run->app->config, from_ms), day_row,
				a, err);
	return r < 0 ? r : 0;
}

int report_activity(struct report_run *run, struct err *err)
{
	const struct config *config = &run->app->config;
	struct activity a = { .run = run };
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->organisations.n; i++) {
		a.org = config_org_at(config, i)->name;
		if (report_wants(run, a.org))
			r = activity_of(&a, err);
	}
	if (r == 0 && a.small)
		r = report_note(run, err,
				"Products with fewer than %d seats: how they are used is not "
				"told.",
				REPORT_SMALL);
	return r < 0 ? r
		     : report_note(run, err,
				   "Of days on which an organisation was read whole, in %s. "
				   "Idle: used before, but not in the %d days up to then. What "
				   "is neither idle nor never used was used, or its use is not "
				   "known. Kept are these totals, no person's activity.",
				   config->instance.zone, LEDGER_IDLE_DAYS);
}

/* --- reviews
 * -----------------------------------------------------------------------------------
 */

struct answers {
	char *manager;
	int64_t seats, answered[3]; /* by enum review_answer */
	int64_t newest_ms;
	UT_hash_handle hh;
};

/* One review; its texts are ours. */
struct asked {
	char *org;
	int64_t id, made_ms, due_ms, closed_ms;
};
VEC(vec_asked, struct asked);

struct reviewing {
	struct report_run *run;
	struct vec_asked reviews;
	struct answers *managers;
	int64_t after;
	bool any;
};

static void managers_clear(struct reviewing *v)
{
	struct answers *a, *next;

	HASH_ITER (hh, v->managers, a, next) {
		HASH_DEL(v->managers, a);
		free(a->manager);
		free(a);
	}
}

static void reviewing_done(struct reviewing *v)
{
	managers_clear(v);
	for (size_t i = 0; i < v->reviews.n; i++)
		free(v->reviews.v[i].org);
	vec_asked_done(&v->reviews);
}

static int review_note(void *ctx, const struct review_row *row, struct err *err)
{
	struct reviewing *v = ctx;
	struct asked a = { .id = row->id,
			   .made_ms = row->made_ms,
			   .due_ms = row->due_ms,
			   .closed_ms = row->closed_ms };

	if (row->made_ms < v->run->now_ms - v->run->days * STAMP_DAY_MS && row->closed_ms)
		return 0;
	a.org = str_dup(row->org);
	if (!a.org)
		return err_nomem(err);
	if (!report_wants(v->run, a.org)) {
		free(a.org);
		return 0;
	}
	if (vec_asked_add(&v->reviews, a) < 0) {
		free(a.org);
		return err_nomem(err);
	}
	return 0;
}

static int manager_get(struct reviewing *v, struct str name, struct answers **ret,
		       struct err *err)
{
	struct answers *a;

	HASH_FIND(hh, v->managers, name.p, name.len, a);
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (a)
			a->manager = str_dup(name);
		if (a && a->manager)
			HASH_ADD_KEYPTR(hh, v->managers, a->manager, name.len, a);
		if (!a || !a->manager || !MAP_ADDED(a)) {
			if (a)
				free(a->manager);
			free(a);
			return err_nomem(err);
		}
	}
	*ret = a;
	return 0;
}

static int item_note(void *ctx, const struct review_item *item, struct err *err)
{
	struct reviewing *v = ctx;
	struct answers *a = NULL;
	int r = manager_get(v, item->manager, &a, err);

	v->after = item->n;
	v->any = true;
	if (r < 0)
		return r;
	a->seats++;
	a->answered[item->answer]++;
	if (item->answered_ms > a->newest_ms)
		a->newest_ms = item->answered_ms;
	return 0;
}

static int items_read(struct reviewing *v, int64_t review, struct err *err)
{
	int r = 0;

	v->after = 0;
	do {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(v->run->app))
			return err_set(err, ERR_CANCELLED, "the report was interrupted");
		v->any = false;
		r = store_read_begin(v->run->app->store, &db, err);
		if (r == 0)
			r = reviews_items(db, review, str_of(NULL), v->after, PAGE, item_note,
					  v, err);
	} while (r == 0 && v->any);
	return r < 0 ? r : 0;
}

static int review_rows(struct reviewing *v, const struct asked *of, struct err *err)
{
	struct answers *a, *next;
	int r = items_read(v, of->id, err);

	HASH_ITER (hh, v->managers, a, next) {
		if (r < 0)
			return r;
		r = report_row(v->run,
			       json_pack("[I,s,s,I,I,I,I,o,o,o,o]", (json_int_t)of->id, of->org,
					 a->manager, (json_int_t)a->seats,
					 (json_int_t)a->answered[REVIEW_KEEP],
					 (json_int_t)a->answered[REVIEW_REMOVE],
					 (json_int_t)a->answered[REVIEW_NONE],
					 report_ms(of->made_ms), report_ms(of->due_ms),
					 report_ms(a->newest_ms), report_ms(of->closed_ms)),
			       err);
	}
	managers_clear(v);
	return r;
}

static int reviews_read(struct reviewing *v, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(v->run->app->store, &db, err);

	return r < 0 ? r : reviews_list(db, review_note, v, err);
}

int report_reviews(struct report_run *run, struct err *err)
{
	CLEANUP(reviewing_done) struct reviewing v = { .run = run };
	int r = reviews_read(&v, err);

	for (size_t i = 0; r >= 0 && i < v.reviews.n; i++)
		r = review_rows(&v, &v.reviews.v[i], err);
	return r < 0 ? r
		     : report_note(
			       run, err,
			       "Reviews that are open, and those of the last %lld days. "
			       "Each seat with its answer: `leaverd review list N`; signed: "
			       "`leaverd evidence`.",
			       (long long)run->days);
}
