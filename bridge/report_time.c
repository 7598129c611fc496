/* Reports about time: how long deprovisioning took, and what was done when. */
#include "bridge/report_table.h"

#include <inttypes.h>

#include "base/stamp.h"
#include "base/vec.h"
#include "base/zone.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/business.h"
#include "bridge/planner.h"
#include "model/plan.h"
#include "reconcile/policy.h"
#include "store/accounts.h"
#include "store/plans.h"
#include "store/store.h"
#include "store/walk.h"

#define PAGE 1000
#define EARLIER_MOST 1000      /* actions of one account that are looked at */
#define WITHIN_MS STAMP_DAY_MS /* a breach is longer, where the request says nothing */
#define HUNDREDTHS(ms) ((ms)*100 / STAMP_HOUR_MS)

typedef int (*effect_fn)(void *ctx, const struct walk_effect *e, struct err *err);

struct effects {
	effect_fn fn;
	void *ctx;
	int64_t after;
	bool any;
};

static int pass_on(void *ctx, const struct walk_effect *e, struct err *err)
{
	struct effects *all = ctx;

	all->after = e->id;
	all->any = true;
	return all->fn(all->ctx, e, err);
}

/* What began in the last days of the request. */
static int each_effect(struct report_run *run, effect_fn fn, void *ctx, struct err *err)
{
	struct effects all = { .fn = fn, .ctx = ctx, .any = true };
	int r = 0;

	while (r == 0 && all.any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(run->app))
			return err_set(err, ERR_CANCELLED, "the report was interrupted");
		all.any = false;
		r = store_read_begin(run->app->store, &db, err);
		if (r == 0)
			r = walk_effects(db, run->now_ms - run->days * STAMP_DAY_MS,
					 run->now_ms + 1, all.after, PAGE, pass_on, &all, err);
	}
	return r;
}

/* --- deprovisioning
 * ----------------------------------------------------------------------------
 */

VEC(vec_ms, int64_t);

/* A block that is due and was not done. Its texts are ours. */
struct late {
	const char *org;
	char *rule;
	enum action_kind kind;
	int64_t plan, n, person, account, due_ms;
};
VEC(vec_late, struct late);

struct took {
	struct report_run *run;
	struct plan *plan; /* the newest one that was read */
	int64_t plan_id;
	struct business business_days;
	int64_t within_ms, breaches;
	struct vec_ms hours, business;
	struct vec_late late;
	int64_t waiting, longest_ms; /* of whom nobody blocked yet */
};

static int known_note(void *ctx, const struct plan_row *plan, struct err *err)
{
	int64_t *known = ctx;

	(void)err;
	*known = plan->created_ms;
	return 0;
}

static int known_of(struct took *t, int64_t plan, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(t->run->app->store, &db, err);

	if (r == 0)
		r = plans_get(db, plan, known_note, ret, err);
	return r < 0 ? r : 0;
}

/* When the person's end was, as the plan has it: what its ladder counts from. */
static int ended_of(struct took *t, const struct walk_effect *e, int64_t *ret, struct err *err)
{
	int r = 0;

	if (t->plan_id != e->plan) {
		plan_free(TAKE(t->plan));
		r = planner_load(t->run->app, (uint64_t)e->plan, &t->plan, NULL, err);
		t->plan_id = r == 0 ? e->plan : 0;
	}
	if (r == 0 && e->n >= 1 && (size_t)e->n <= t->plan->actions.n)
		*ret = t->plan->actions.v[e->n - 1].anchor_ms;
	return r;
}

/* Whether an account was out already when a deed was done: what was newest of its status
 * before, however long ago. */
struct earlier {
	const struct walk_effect *e;
	int64_t ms, plan, n;
	bool out;
	int64_t first; /* the first plan that named this very step */
};

static bool is_block(struct str kind)
{
	return str_eq(kind, STR("suspend")) || str_eq(kind, STR("deactivate"));
}

static bool came_before(int64_t ms, int64_t plan, int64_t n, int64_t than_ms, int64_t than_plan,
			int64_t than_n)
{
	if (ms != than_ms)
		return ms < than_ms;
	return plan != than_plan ? plan < than_plan : n < than_n;
}

static int earlier_note(void *ctx, int64_t plan, const struct action_row *a, struct err *err)
{
	struct earlier *x = ctx;

	(void)err;
	if (str_eq(a->kind, x->e->kind) && a->due_ms == x->e->due_ms && plan < x->first)
		x->first = plan;
	if (a->state != ACTION_DONE ||
	    (!is_block(a->kind) && !str_eq(a->kind, STR("restore")) &&
	     !str_eq(a->kind, STR("enable"))) ||
	    !came_before(a->state_ms, plan, a->n, x->e->state_ms, x->e->plan, x->e->n) ||
	    came_before(a->state_ms, plan, a->n, x->ms, x->plan, x->n))
		return 0;
	x->ms = a->state_ms;
	x->plan = plan;
	x->n = a->n;
	x->out = is_block(a->kind);
	return 0;
}

static int out_before(struct took *t, const struct walk_effect *e, bool *ret, int64_t *first,
		      struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct earlier x = { .e = e, .first = e->plan };
	int r = store_read_begin(t->run->app->store, &db, err);

	if (r == 0)
		r = plans_of_account(db, e->account, EARLIER_MOST, earlier_note, &x, err);
	*ret = x.out;
	*first = x.first;
	return r < 0 ? r : 0;
}

static int took_note(void *ctx, const struct walk_effect *e, struct err *err)
{
	struct took *t = ctx;
	int64_t took_ms, business, first = 0, known_ms = 0, ended_ms = e->due_ms;
	bool breach, out = false;
	int r;

	if (e->state != ACTION_DONE || !report_wants(t->run, e->org.p ? e->org.p : "") ||
	    !is_block(e->kind) ||
	    (!str_eq(e->class_, str_of(plan_class_word(PLAN_LEAVER))) &&
	     !str_eq(e->class_, str_of(plan_class_word(PLAN_ABSENCE)))))
		return 0;
	r = out_before(t, e, &out, &first, err);
	if (r < 0 || out)
		return r;
	r = known_of(t, first, &known_ms, err);
	if (r == 0)
		r = ended_of(t, e, &ended_ms, err);
	if (r < 0)
		return r;
	took_ms = e->state_ms > ended_ms ? e->state_ms - ended_ms : 0;
	breach = took_ms > t->within_ms;
	t->breaches += breach;
	business = business_ms(&t->business_days, ended_ms, ended_ms + took_ms);
	if (vec_ms_add(&t->hours, took_ms) < 0 || vec_ms_add(&t->business, business) < 0)
		return err_nomem(err);
	return report_row(t->run,
			  json_pack("[s%,I,I,o,s%,s%,o,o,o,I,I,I,b]", ASK_S(e->org),
				    (json_int_t)e->plan, (json_int_t)e->n, report_ms(e->person),
				    ASK_S(e->kind), ASK_S(e->rule), report_ms(ended_ms),
				    report_ms(known_ms), report_ms(e->state_ms),
				    (json_int_t)HUNDREDTHS(took_ms),
				    (json_int_t)HUNDREDTHS(e->state_ms - known_ms),
				    (json_int_t)HUNDREDTHS(business), breach),
			  err);
}

/* --- of whom nobody blocked yet
 * ----------------------------------------------------------------
 */

static void vec_late_free_all(struct vec_late *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i].rule);
	vec_late_done(v);
}

struct looking {
	struct took *t;
	const char *org;
};

/* The first step of each account's ladder that blocks it. */
static int late_note(void *ctx, const struct plan_row *plan, const struct action_row *a,
		     struct err *err)
{
	struct looking *l = ctx;
	struct vec_late *v = &l->t->late;
	struct late fresh = { .org = l->org,
			      .plan = plan->id,
			      .n = a->n,
			      .person = a->person,
			      .account = a->account,
			      .due_ms = a->due_ms };
	size_t at = 0;

	if (!is_block(a->kind) || !a->account || a->due_ms > l->t->run->now_ms ||
	    !action_kind_of(a->kind, &fresh.kind) ||
	    (!str_eq(a->class_, str_of(plan_class_word(PLAN_LEAVER))) &&
	     !str_eq(a->class_, str_of(plan_class_word(PLAN_ABSENCE)))))
		return 0;
	while (at < v->n && v->v[at].account != a->account)
		at++;
	if (at < v->n && v->v[at].due_ms <= a->due_ms)
		return 0;
	fresh.rule = str_dup(a->rule);
	if (!fresh.rule)
		return err_nomem(err);
	if (at < v->n) {
		free(v->v[at].rule);
		v->v[at] = fresh;
		return 0;
	}
	if (vec_late_add(v, fresh) < 0) {
		free(fresh.rule);
		return err_nomem(err);
	}
	return 0;
}

static int late_of_org(struct took *t, const char *org, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct looking l = { t, org };
	int r = store_read_begin(t->run->app->store, &db, err);

	return r < 0 ? r : plans_unfinished(db, org, late_note, &l, err);
}

static int is_in(void *ctx, const struct account_row *row, struct err *err)
{
	(void)err;
	*(bool *)ctx = row->status == ACCOUNT_ACTIVE;
	return 0;
}

static int late_row(struct took *t, const struct late *l, struct err *err)
{
	const struct walk_effect e = { .plan = l->plan,
				       .n = l->n,
				       .account = l->account,
				       .kind = str_of(action_kinds[l->kind].word),
				       .due_ms = l->due_ms,
				       .state_ms = t->run->now_ms };
	int64_t first = 0, known_ms = 0, ended_ms = l->due_ms, passed_ms;
	bool out = false, in = false;
	struct db *db = NULL;
	int r = store_read_begin(t->run->app->store, &db, err);

	if (r == 0)
		r = accounts_get(db, l->account, is_in, &in, err);
	store_read_end(db);
	if (r >= 0)
		r = out_before(t, &e, &out, &first, err);
	if (r < 0 || out || !in)
		return r < 0 ? r : 0;
	r = known_of(t, first, &known_ms, err);
	if (r == 0)
		r = ended_of(t, &e, &ended_ms, err);
	if (r < 0)
		return r;
	passed_ms = t->run->now_ms > ended_ms ? t->run->now_ms - ended_ms : 0;
	t->waiting++;
	t->breaches += passed_ms > t->within_ms;
	if (passed_ms > t->longest_ms)
		t->longest_ms = passed_ms;
	return report_row(t->run,
			  json_pack("[s,I,I,o,s,s,o,o,n,I,I,I,b]", l->org, (json_int_t)l->plan,
				    (json_int_t)l->n, report_ms(l->person),
				    action_kinds[l->kind].word, l->rule, report_ms(ended_ms),
				    report_ms(known_ms), (json_int_t)HUNDREDTHS(passed_ms),
				    (json_int_t)HUNDREDTHS(t->run->now_ms - known_ms),
				    (json_int_t)HUNDREDTHS(business_ms(
					    &t->business_days, ended_ms, ended_ms + passed_ms)),
				    passed_ms > t->within_ms),
			  err);
}

/* They come first: a report of what was done says nothing of what was not. */
static int late_rows(struct took *t, struct err *err)
{
	const struct config *config = &t->run->app->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->organisations.n; i++) {
		const char *org = config_org_at(config, i)->name;

		if (report_wants(t->run, org))
			r = late_of_org(t, org, err);
	}
	for (size_t i = 0; r == 0 && i < t->late.n; i++)
		r = late_row(t, &t->late.v[i], err);
	return r < 0 ? r : 0;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int took_note_all(struct took *t, struct err *err)
{
	static const unsigned percents[] = { 50, 90, 95, 100 };
	size_t n = t->hours.n;
	int r = 0;

	if (t->waiting)
		r = report_note(
			t->run, err,
			"%" PRId64 " whose end has passed are not blocked yet (doneAt is "
			"empty), one for %.2f hours: they are in the breaches, and in no "
			"percentile. Why: `leaverd overdue`.",
			t->waiting, (double)t->longest_ms / (double)STAMP_HOUR_MS);
	if (r < 0 || !n)
		return r < 0 ? r
			     : report_note(t->run, err,
					   "Nobody was blocked in the last %" PRId64 " days.",
					   t->run->days);
	qsort(t->hours.v, n, sizeof(*t->hours.v), by_size);
	qsort(t->business.v, n, sizeof(*t->business.v), by_size);
	r = report_note(
		t->run, err,
		"%zu blocks in %" PRId64 " days; %" PRId64 " took longer than %.4g hours.", n,
		t->run->days, t->breaches, (double)t->within_ms / (double)STAMP_HOUR_MS);
	for (size_t i = 0; r == 0 && i < COUNT_OF(percents); i++) {
		size_t at = (n * percents[i] + 99) / 100; /* nearest rank */

		r = report_note(
			t->run, err,
			"%u %% were done within %.2f hours of their end (%.2f on working "
			"days).",
			percents[i], (double)t->hours.v[at - 1] / (double)STAMP_HOUR_MS,
			(double)t->business.v[at - 1] / (double)STAMP_HOUR_MS);
	}
	return r;
}

int report_deprovisioning(struct report_run *run, struct err *err)
{
	const json_t *within = json_object_get(run->in, "within_ms");
	struct took t = { .run = run,
			  .within_ms = json_is_integer(within) ? json_integer_value(within)
							       : WITHIN_MS };
	const struct policy *policy = app_acting(run->app)->policy;
	int r = zone_get(str_of(run->app->config.instance.zone), &t.business_days.zone, err);

	t.business_days.holidays = policy->holidays;
	t.business_days.holiday_count = policy->holiday_count;
	if (r == 0)
		r = late_rows(&t, err);
	if (r == 0)
		r = each_effect(run, took_note, &t, err);
	if (r == 0)
		r = took_note_all(&t, err);
	if (r == 0)
		r = report_note(run, err,
				"Ended: the end that HR or a directory says, as the plan has "
				"it. Known: when the "
				"first plan was made that named it. Only the first block of an "
				"account counts. Business hours: Monday to Friday in %s, "
				"all day long, without the %zu holidays of the policy.",
				run->app->config.instance.zone, policy->holiday_count);
	vec_late_free_all(&t.late);
	vec_ms_done(&t.hours);
	vec_ms_done(&t.business);
	plan_free(t.plan);
	return r;
}

/* --- trend
 * -------------------------------------------------------------------------------------
 */

struct day {
	int64_t leaver, inactive, other, done, not_done;
};

struct trend {
	struct report_run *run;
	int64_t first_ms;
	struct day *days;
	size_t count;
};

static int trend_note(void *ctx, const struct walk_effect *e, struct err *err)
{
	struct trend *t = ctx;
	int64_t at = (e->ms - t->first_ms) / STAMP_DAY_MS;
	struct day *d;

	(void)err;
	if (e->ms < t->first_ms || at >= (int64_t)t->count ||
	    !report_wants(t->run, e->org.p ? e->org.p : ""))
		return 0;
	d = &t->days[at];
	if (str_eq(e->class_, str_of(plan_class_word(PLAN_LEAVER))))
		d->leaver++;
	else if (str_eq(e->class_, str_of(plan_class_word(PLAN_INACTIVE))))
		d->inactive++;
	else
		d->other++;
	if (e->state == ACTION_DONE || e->state == ACTION_ALREADY)
		d->done++;
	else
		d->not_done++;
	return 0;
}

int report_trend(struct report_run *run, struct err *err)
{
	struct trend t = { .run = run, .count = (size_t)(run->days < 1 ? 1 : run->days) + 1 };
	int r;

	if (t.count > REPORT_ROWS_MOST)
		t.count = REPORT_ROWS_MOST;
	t.first_ms = (run->now_ms / STAMP_DAY_MS - (int64_t)t.count + 1) * STAMP_DAY_MS;
	t.days = calloc(t.count, sizeof(*t.days));
	if (!t.days)
		return err_nomem(err);
	r = each_effect(run, trend_note, &t, err);
	for (size_t i = 0; r == 0 && i < t.count; i++) {
		const struct day *d = &t.days[i];
		char text[STAMP_TEXT_BYTES];

		if (!d->done && !d->not_done)
			continue;
		stamp_date_text(t.first_ms + (int64_t)i * STAMP_DAY_MS, text);
		r = report_row(run,
			       json_pack("[s,I,I,I,I,I]", text, (json_int_t)d->leaver,
					 (json_int_t)d->inactive, (json_int_t)d->other,
					 (json_int_t)d->done, (json_int_t)d->not_done),
			       err);
	}
	free(t.days);
	return r < 0 ? r
		     : report_note(run, err,
				   "Days in UTC on which something was begun; totals only, no "
				   "person's activity is kept.");
}
