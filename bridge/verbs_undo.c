/* The verb undo: a plan that gives back what applied actions took, and a bar against the same
 * rules doing it again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/ask.h"
#include "bridge/planner.h"
#include "reconcile/undo.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/writer.h"

#define UNDO_DEEDS_MOST 10000 /* actions that one order may undo */
#define UNDO_PLANS_MOST 200   /* plans that they may be of */
#define UNDO_DAYS 30          /* how far back WHO goes; how long the bar stands */

struct deed_ref {
	uint64_t plan;
	int64_t n;
};
VEC(vec_deed_ref, struct deed_ref);
VEC(vec_deed, struct undo_deed);
VEC(vec_plan_held, struct plan *);

/* What was asked for, and what of it was found. */
struct undo {
	struct app *app;
	const struct who *who;
	const char *only; /* organisation, or NULL */
	const char *reason;
	int64_t since_ms, until_ms;
	uint64_t plan;
	int64_t action; /* 0: all of the plan */
	struct vec_deed_ref refs;
	struct vec_plan_held plans; /* owned, as deeds point into them */
	uint64_t plan_numbers[UNDO_PLANS_MOST];
};

static void undo_done(struct undo *u)
{
	for (size_t i = 0; i < u->plans.n; i++)
		plan_free(u->plans.v[i]);
	vec_plan_held_done(&u->plans);
	vec_deed_ref_done(&u->refs);
}

/* --- which actions --- */

static int ref_add(struct undo *u, uint64_t plan, int64_t n, struct err *err)
{
	struct deed_ref ref = { plan, n };

	if (u->refs.n == UNDO_DEEDS_MOST)
		return err_set(err, ERR_LIMIT,
			       "undo: more than %d actions; undo one after the other with "
			       "--action",
			       UNDO_DEEDS_MOST);
	return vec_deed_ref_add(&u->refs, ref) < 0 ? err_nomem(err) : 0;
}

/* Something of it may be there: it was begun, and is not known to have changed nothing. */
static bool was_begun(enum action_state state)
{
	return state == ACTION_DONE || state == ACTION_HELD || state == ACTION_FAILED;
}

static int subject_row(void *ctx, int64_t plan, const struct action_row *row, struct err *err)
{
	struct undo *u = ctx;

	if (!was_begun(row->state) || row->state_ms < u->since_ms)
		return 0;
	return ref_add(u, (uint64_t)plan, row->n, err);
}

static int plan_action_row(void *ctx, const struct action_row *row, struct err *err)
{
	struct undo *u = ctx;

	if ((u->action && row->n != u->action) || !was_begun(row->state))
		return 0;
	return ref_add(u, u->plan, row->n, err);
}

/* A person by any name; else an account that nobody explains, by Atlassian's id. */
static int refs_of_who(struct undo *u, const char *text, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct err unknown;
	int64_t person = 0, account = 0;
	int r = ask_person(u->app, text, &person, &unknown);

	if (r < 0 && ask_account(u->app, u->only, text, &account, err) < 0) {
		*err = unknown;
		return r;
	}
	r = store_read_begin(u->app->store, &db, err);
	if (r < 0)
		return r;
	if (person)
		return plans_of_person(db, person, UNDO_DEEDS_MOST, subject_row, u, err);
	return plans_of_account(db, account, UNDO_DEEDS_MOST, subject_row, u, err);
}

static int refs_of_plan(struct undo *u, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(u->app->store, &db, err);

	return r < 0 ? r : plans_actions(db, (int64_t)u->plan, plan_action_row, u, err);
}

/* --- what of them was done --- */

struct journal_steps {
	const struct action *action;
	bool *done;
	size_t n;
	int64_t at_ms;
};

static int journal_line_read(void *ctx, const struct journal_line *line, struct err *err)
{
	struct journal_steps *s = ctx;

	(void)err;
	s->at_ms = line->ms > s->at_ms ? line->ms : s->at_ms;
	if (line->step < 1 || (size_t)line->step > s->n)
		return 0;
	/* a gift that was refused, or of which nothing came back, was given in part perhaps:
	 * the receiver gives back what is theirs now, and nothing where nothing came */
	if (step_gifts[s->action->steps[line->step - 1].op])
		s->done[line->step - 1] = true;
	else if (line->kind == JOURNAL_OUTCOME)
		s->done[line->step - 1] = str_eq(line->result, STR("ok"));
	return 0;
}

static int plan_at(struct undo *u, uint64_t number, const struct plan **ret, struct err *err)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	int r;

	for (size_t i = 0; i < u->plans.n; i++)
		if (u->plan_numbers[i] == number) {
			*ret = u->plans.v[i];
			return 0;
		}
	if (u->plans.n == UNDO_PLANS_MOST)
		return err_set(err, ERR_LIMIT,
			       "undo: actions of more than %d plans; undo one plan after the "
			       "other with --plan",
			       UNDO_PLANS_MOST);
	r = planner_load(u->app, number, &plan, NULL, err);
	if (r < 0)
		return r;
	if (vec_plan_held_add(&u->plans, plan) < 0)
		return err_nomem(err);
	u->plan_numbers[u->plans.n - 1] = number;
	*ret = TAKE(plan);
	return 0;
}

/* Deeds of one organisation. deeds[].done are owned: free() each. */
static int deeds_of_org(struct undo *u, const char *org, struct vec_deed *into, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < u->refs.n && r == 0; i++) {
		CLEANUP(store_read_end_at) struct db *db = NULL;
		CLEANUP(free_at) bool *done = NULL;
		const struct deed_ref *ref = &u->refs.v[i];
		struct journal_steps steps = { 0 };
		const struct plan *plan = NULL;
		struct undo_deed deed = { .plan = ref->plan };

		r = plan_at(u, ref->plan, &plan, err);
		if (r < 0 || strcmp(plan->org, org) != 0)
			continue;
		if (ref->n < 1 || (size_t)ref->n > plan->actions.n)
			return err_set(err, ERR_DAMAGED,
				       "plan %" PRIu64 " has no action %" PRId64, ref->plan,
				       ref->n);
		deed.action = &plan->actions.v[ref->n - 1];
		done = calloc(deed.action->step_count + 1, sizeof(*done));
		if (!done)
			return err_nomem(err);
		steps = (struct journal_steps){ deed.action, done, deed.action->step_count, 0 };
		r = store_read_begin(u->app->store, &db, err);
		if (r == 0)
			r = plans_journal_of(db, (int64_t)ref->plan, ref->n, journal_line_read,
					     &steps, err);
		if (r < 0)
			return r;
		deed.done = done;
		deed.at_ms = steps.at_ms;
		if (vec_deed_add(into, deed) < 0)
			return err_nomem(err);
		(void)TAKE(done);
	}
	return r;
}

static void deeds_done(struct vec_deed *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i].done);
	vec_deed_done(v);
}

/* --- bars: the same rule shall not do it again tonight --- */

struct bars_write {
	const struct undo *undo;
	const struct vec_deed *deeds;
	const struct plan *plan; /* the restoring one, while it is saved */
	json_t *out;             /* rows for the answer */
};

static bool gives_back_to(const struct plan *plan, uint64_t account)
{
	for (size_t i = 0; i < plan->actions.n; i++)
		if (plan->actions.v[i].account == account)
			return true;
	return false;
}

/* The same rule and subject was barred for an earlier deed of this order. */
static bool barred_before(const struct bars_write *w, size_t i)
{
	const struct action *a = w->deeds->v[i].action;

	for (size_t k = 0; k < i; k++) {
		const struct action *b = w->deeds->v[k].action;

		if (a->person == b->person && (a->person || a->account == b->account) &&
		    strcmp(a->rule, b->rule) == 0 && gives_back_to(w->plan, b->account))
			return true;
	}
	return false;
}

static int bar_one(struct db *db, const struct bars_write *w, const struct action *a,
		   int64_t now_ms, struct err *err)
{
	const struct bar bar = {
		.person = (int64_t)a->person,
		.account = a->person ? 0 : (int64_t)a->account,
		.rule = str_of(a->rule),
		.who = str_of(w->undo->who->name),
		.reason = str_of(w->undo->reason),
		.until_ms = w->undo->until_ms,
	};
	int64_t id;
	int r = persons_bar(db, &bar, now_ms, &id, err);

	if (r < 0)
		return r;
	return jx_add(w->out,
		      json_pack("{s:I,s:I,s:s,s:I}", "number", (json_int_t)id, "person",
				(json_int_t)a->person, "rule", a->rule, "until_ms",
				(json_int_t)w->undo->until_ms),
		      err);
}

/* A ladder that was undone begins anew when its bar ends: whoever was warned is warned again.
 */
static int ladder_clear(struct db *db, const struct action *a, struct err *err)
{
	const struct progress progress = {
		.account = (int64_t)a->account,
		.product = str_of(a->product),
		.site = str_of(a->site),
		.rule = str_of(a->rule),
	};
	int r = persons_progress_clear(db, &progress, err);

	return r < 0 ? r : 0;
}

/* In the plan's own transaction: a plan without its bars would give back what tonight's round
 * takes again. */
static int bars_run(void *ctx, struct db *db, const struct plan *plan, struct err *err)
{
	struct bars_write *w = ctx;
	int64_t now_ms = stamp_now_ms();
	int r = 0;

	w->plan = plan;
	json_array_clear(w->out);
	for (size_t i = 0; i < w->deeds->n && r == 0; i++) {
		const struct action *a = w->deeds->v[i].action;

		if (a->class == PLAN_RESTORE || !gives_back_to(w->plan, a->account))
			continue;
		r = ladder_clear(db, a, err);
		/* an order is no rule: it does nothing again by itself */
		if (r == 0 && strcmp(a->rule, ORDER_BLOCK) != 0 &&
		    strcmp(a->rule, ORDER_BULK) != 0 && !barred_before(w, i))
			r = bar_one(db, w, a, now_ms, err);
	}
	return r;
}

/* --- one organisation --- */

static int left_out(const struct reconcile_result *result, json_t *left, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < result->findings.n && r == 0; i++) {
		const struct finding *f = &result->findings.v[i];

		if (strcmp(f->kind, UNDO_LEFT) == 0)
			r = jx_add(left,
				   json_pack("{s:I,s:I,s:s}", "person", (json_int_t)f->person,
					     "account", (json_int_t)f->account, "text",
					     f->text),
				   err);
	}
	return r;
}

static int plan_out(struct undo *u, uint64_t number, json_t *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *shown = NULL;
	int r = planner_show(u->app, number, &shown, err);

	if (r < 0)
		return r;
	return json_object_update(row, shown) == 0 ? 0 : err_nomem(err);
}

static int undo_org(struct undo *u, const struct config_org *org, json_t *list, struct err *err)
{
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	CLEANUP(deeds_done) struct vec_deed deeds = { 0 };
	json_t *row = json_object(), *left = json_array(), *bars = json_array();
	struct bars_write w = { u, &deeds, NULL, bars };
	const struct planner_beside beside = { bars_run, &w };
	struct undo_request request = { .reason = u->reason, .by = u->who->name };
	uint64_t number = 0;
	int r = jx_set(row, "left", left, err);

	if (r == 0)
		r = jx_set(row, "bars", bars, err);
	else
		json_decref(bars);
	if (r == 0)
		r = jx_set(row, "org", json_string(org->name), err);
	if (r == 0)
		r = deeds_of_org(u, org->name, &deeds, err);
	if (r == 0 && deeds.n) {
		request.deeds = deeds.v;
		request.n = deeds.n;
		r = planner_undo(u->app, org, &request, &beside, u->who->name, &number, &result,
				 err);
	}
	if (r == 0 && result)
		r = left_out(result, left, err);
	if (r == 0 && number)
		r = plan_out(u, number, row, err);
	if (r < 0 || deeds.n == 0) {
		json_decref(row);
		return r;
	}
	return jx_add(list, row, err);
}

/* --- the verb --- */

static int undo_read(struct undo *u, const json_t *in, struct err *err)
{
	const char *who = jx_get_text(in, "who");
	const json_t *until = json_object_get(in, "until_ms");
	int64_t days = json_integer_value(json_object_get(in, "days"));
	int64_t now_ms = stamp_now_ms();

	u->only = jx_get_text(in, "org");
	u->reason = jx_get_text(in, "reason");
	u->plan = (uint64_t)json_integer_value(json_object_get(in, "plan"));
	u->action = json_integer_value(json_object_get(in, "action"));
	if (days < 0 || days > 36500)
		return err_set(err, ERR_USAGE, "--days takes 1 to 36500");
	u->since_ms = now_ms - (days > 0 ? days : UNDO_DAYS) * STAMP_DAY_MS;
	u->until_ms = json_is_integer(until) ? json_integer_value(until)
					     : now_ms + UNDO_DAYS * STAMP_DAY_MS;
	if (u->until_ms <= now_ms)
		return err_set(err, ERR_USAGE, "--until: that time is over");
	if ((who != NULL) == (u->plan != 0))
		return err_set(err, ERR_USAGE,
			       "undo what? Give WHO, or --plan N (with --action N: one of it)");
	if (u->action && !u->plan)
		return err_set(err, ERR_USAGE, "--action names an action of a --plan");
	return who ? refs_of_who(u, who, err) : refs_of_plan(u, err);
}

static int nothing_done(const struct undo *u, struct err *err)
{
	if (u->plan)
		return err_set(err, ERR_NOT_FOUND,
			       "nothing that was done by plan %" PRIu64
			       " is there to be undone",
			       u->plan);
	return err_set(err, ERR_NOT_FOUND,
		       "nothing was done there in that time; --days N looks further back");
}

static int verb_undo(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	CLEANUP(undo_done) struct undo u = { .app = app, .who = who };
	json_t *list = json_array();
	int r = jx_set(out, "plans", list, err);

	if (r == 0)
		r = undo_read(&u, in, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);

		if (!u.only || strcmp(u.only, org->name) == 0)
			r = undo_org(&u, org, list, err);
	}
	if (r == 0 && json_array_size(list) == 0)
		r = nothing_done(&u, err);
	return r;
}

const struct verb verbs_undo[] = {
	{ "undo", VERB_STORE, verb_undo },
	{ NULL, 0, NULL },
};
