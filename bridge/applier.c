#include "bridge/applier.h"

#include <stdio.h>

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/anchors.h"
#include "bridge/approvals.h"
#include "bridge/hands.h"
#include "bridge/hands_gift.h"
#include "bridge/planner.h"
#include "bridge/run_time.h"
#include "store/accounts.h"
#include "store/approvers.h"
#include "store/facts.h"
#include "store/outbox.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/writer.h"

#define APPLIER_LISTED_MOST 1000 /* approved plans of one organisation at once */
#define APPLIER_LOADED_MOST 64   /* of these in memory */
#define APPLIER_TRIES_MOST 64    /* a plan that moved under us is looked at again so often */
#define APPLIER_WITH_MOST 64     /* actions that go with one */
#define RUN_TIME_LOOK_MS (10 * STAMP_MINUTE_MS) /* whether a held plan is over */
#define APPLIER_LAPSE_BATCH 500                 /* actions in one request to the writer */

/* A plan that may run, with what happened to its actions so far. */
struct live_plan {
	uint64_t id;
	enum plan_urgency urgency;
	int64_t expires_ms;    /* nobody can approve any of it after that */
	int64_t decision;      /* the newest that there is about it */
	int64_t run;           /* row of its run; 0: not begun by us */
	int64_t run_ms;        /* since when */
	bool ends;             /* held for too long: what is left of it is given up */
	bool begun;            /* the journal has an action of it without an end */
	bool finished;         /* no action of it is left to start */
	bool idle;             /* nothing can be done before idle_until_ms, or a new decision */
	int64_t idle_until_ms; /* 0: whatever the time */

	/* Only while it is in memory: NULL else. */
	struct plan *plan;
	struct digest digest;        /* of the stored bytes, computed when they were read */
	enum action_state *states;   /* by place in the plan */
	int64_t *again_ms;           /* not before; 0: at once */
	struct approvals *approvals; /* up to decided; as many had retired then */
	int64_t decided, retired;
	size_t first; /* all before it are over */
};
VEC(vec_live_plan, struct live_plan);

struct applier {
	struct app *app;
	const struct config_org *org;
	const atomic_bool *stop;
	struct hands *hands;
	struct reconcile_ports ports;
	struct vec_live_plan plans; /* urgent ones first, then by age */
	struct live_plan *current;  /* plan of the item that is being worked on */
	size_t current_at;          /* its place there */
	int64_t retired;            /* approvers, so far: what they approved counts no more */
	enum org_mode mode;
	int64_t again_ms; /* earliest of those that wait */
};

/* What an outcome leaves behind in the store. */
static const enum action_state outcome_states[OUTCOME_COUNT] = {
	[OUTCOME_DONE] = ACTION_DONE,         [OUTCOME_FREED] = ACTION_DONE,
	[OUTCOME_ALREADY] = ACTION_ALREADY,   [OUTCOME_SKIPPED] = ACTION_SKIPPED,
	[OUTCOME_FAILED] = ACTION_FAILED,     [OUTCOME_STILL_HELD] = ACTION_HELD,
	[OUTCOME_UNVERIFIABLE] = ACTION_HELD,
};

/* --- plans that may run --------------------------------------------------------------------
 */

/* Out of memory; what is known of it stays. */
static void live_plan_unload(struct live_plan *p)
{
	plan_free(TAKE(p->plan));
	approvals_free(TAKE(p->approvals));
	free(TAKE(p->states));
	free(TAKE(p->again_ms));
}

static int state_of_action(void *ctx, const struct action_row *row, struct err *err)
{
	struct live_plan *p = ctx;

	if (row->n < 1 || (size_t)row->n > p->plan->actions.n)
		return err_set(err, ERR_DAMAGED, "plan %llu: action %lld is not in its bytes",
			       (unsigned long long)p->id, (long long)row->n);
	p->states[row->n - 1] = row->state;
	return 0;
}

static bool is_over(enum action_state state)
{
	return state != ACTION_PLANNED && state != ACTION_STARTED;
}

static bool plan_finished(struct live_plan *p)
{
	while (p->first < p->plan->actions.n && is_over(p->states[p->first]))
		p->first++;
	for (size_t i = p->first; i < p->plan->actions.n; i++)
		if (!is_over(p->states[i]))
			return false;
	return true;
}

static int live_plan_read(struct applier *a, struct live_plan *p, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	size_t n;
	int r = planner_load(a->app, p->id, &p->plan, &p->digest, err);

	if (r < 0)
		return err_context(err, r, "plan %llu", (unsigned long long)p->id);
	n = p->plan->actions.n ? p->plan->actions.n : 1;
	p->first = 0;
	p->states = calloc(n, sizeof(*p->states));
	p->again_ms = calloc(n, sizeof(*p->again_ms));
	if (!p->states || !p->again_ms)
		return err_nomem(err);
	r = store_read_begin(a->app->store, &db, err);
	return r == 0 ? plans_actions(db, (int64_t)p->id, state_of_action, p, err) : r;
}

/* Once for each new decision, not for each action. */
static int live_plan_decisions(struct applier *a, struct live_plan *p, struct err *err)
{
	CLEANUP(approvals_free_at) struct approvals *fresh = NULL;
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = approvals_new(&fresh, p->plan, &p->digest, err);

	if (r == 0 && app_acting(a->app)->approvals.is_signed == CONFIG_SIGNED_ALWAYS)
		approvals_signed_only(fresh);
	if (r == 0 && app_acting(a->app)->approvals.single_admin)
		approvals_single_admin(fresh, app_acting(a->app)->approvals.single_delay_ms);
	if (r == 0)
		r = store_read_begin(a->app->store, &db, err);
	if (r == 0)
		r = plans_decisions(db, (int64_t)p->id, approvals_add, fresh, err);
	if (r < 0)
		return r;
	approvals_free(p->approvals);
	p->approvals = TAKE(fresh);
	p->decided = p->decision;
	p->retired = a->retired;
	return 0;
}

/* Room for one more: of those where nothing can be done now, one goes. */
static void make_room(struct applier *a)
{
	struct live_plan *idle = NULL;
	size_t loaded = 0;

	for (size_t i = 0; i < a->plans.n; i++) {
		loaded += a->plans.v[i].plan != NULL;
		if (a->plans.v[i].plan && a->plans.v[i].idle)
			idle = &a->plans.v[i];
	}
	if (loaded >= APPLIER_LOADED_MOST && idle)
		live_plan_unload(idle);
}

/* --- what can start no more ----------------------------------------------------------------
 */

struct lapse_write {
	struct live_plan *p;
	const struct plan_lapse *v;
	size_t count;
	bool finished;
};

static int lapse_run(void *ctx, struct db *db, struct err *err)
{
	struct lapse_write *w = ctx;
	int64_t now_ms = stamp_now_ms();
	int r = plans_lapse(db, (int64_t)w->p->id, w->v, w->count, "applier", now_ms, NULL,
			    err);

	if (r == 0 && w->finished)
		r = plans_state_set(db, (int64_t)w->p->id, PLAN_DONE, "applier", now_ms, err);
	return r < 0 ? r : 0;
}

#define LAPSE_TEXT_BYTES 256

/* Why an action can start no more; false where it still may. The plan's time to be approved is
 * over. */
static bool has_lapsed(struct live_plan *p, size_t i, char text[LAPSE_TEXT_BYTES])
{
	const struct action *action = &p->plan->actions.v[i];
	struct apply_approval approval;
	char when[STAMP_TEXT_BYTES];
	const char *guard;

	if (p->states[i] != ACTION_PLANNED)
		return false;
	stamp_text(p->expires_ms, when);
	if (!approvals_of(p->approvals, action, &approval)) {
		snprintf(text, LAPSE_TEXT_BYTES,
			 "nobody approved it until %s: where it is still wanted, a new plan "
			 "has it",
			 when);
		return true;
	}
	guard = approvals_lack(p->approvals, &approval, action);
	if (guard)
		snprintf(text, LAPSE_TEXT_BYTES,
			 "guard %s held it, and was not released by enough people until %s",
			 guard, when);
	else if (!approvals_enough(p->approvals, &approval, action))
		snprintf(text, LAPSE_TEXT_BYTES,
			 "it needs the approval of %u people and had %u until %s",
			 action->needs, approval.persons, when);
	else
		return false;
	return true;
}

struct lapses {
	struct plan_lapse v[APPLIER_LAPSE_BATCH];
	char texts[APPLIER_LAPSE_BATCH][LAPSE_TEXT_BYTES];
	size_t n;
};

static int lapses_flush(struct applier *a, struct live_plan *p, struct lapses *l,
			struct err *err)
{
	struct lapse_write w = { p, l->v, l->n, false };
	int r = l->n ? writer_call(a->app->writer, lapse_run, &w, err) : 0;

	for (size_t i = 0; i < l->n && r == 0; i++)
		p->states[l->v[i].n - 1] = ACTION_SKIPPED;
	l->n = 0;
	return r;
}

static int lapse_actions(struct applier *a, struct live_plan *p, struct err *err)
{
	CLEANUP(free_at) struct lapses *l = calloc(1, sizeof(*l));
	int r = l ? 0 : err_nomem(err);

	for (size_t i = p->first; r == 0 && i < p->plan->actions.n; i++) {
		if (!has_lapsed(p, i, l->texts[l->n]))
			continue;
		l->v[l->n] = (struct plan_lapse){ (int64_t)i + 1, str_of(l->texts[l->n]) };
		if (++l->n == APPLIER_LAPSE_BATCH)
			r = lapses_flush(a, p, l, err);
	}
	return r == 0 ? lapses_flush(a, p, l, err) : r;
}

/* Ends what nobody can approve any more, and the plan if that was all: it would wait for ever.
 */
static int live_plan_lapse(struct applier *a, struct live_plan *p, struct err *err)
{
	struct lapse_write w = { p, NULL, 0, true };
	int r = 0;

	if (stamp_now_ms() >= p->expires_ms)
		r = lapse_actions(a, p, err);
	p->finished = r == 0 && plan_finished(p);
	if (p->finished && !p->run)
		r = writer_call(a->app->writer, lapse_run, &w, err);
	return r;
}

/* In memory, with all decisions about it, and without what has lapsed. */
static int live_plan_ready(struct applier *a, struct live_plan *p, struct err *err)
{
	bool fresh = !p->plan;
	int r = 0;

	if (fresh) {
		make_room(a);
		r = live_plan_read(a, p, err);
	}
	if (r == 0 && (fresh || p->decided != p->decision || p->retired != a->retired))
		r = live_plan_decisions(a, p, err);
	if (r == 0 && fresh)
		r = live_plan_lapse(a, p, err);
	if (r < 0)
		live_plan_unload(p);
	return r;
}

/* --- the list ------------------------------------------------------------------------------
 */

static int note_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	struct vec_live_plan *v = ctx;
	struct live_plan p = { .id = (uint64_t)row->id,
			       .urgency = str_eq(row->urgency, STR("urgent")) ? PLAN_URGENT
									      : PLAN_ROUTINE,
			       .expires_ms = row->expires_ms,
			       .decision = row->decision };

	return vec_live_plan_add(v, p) < 0 ? err_nomem(err) : 0;
}

static int by_urgency_and_age(const void *x, const void *y)
{
	const struct live_plan *a = x, *b = y;

	if (a->urgency != b->urgency)
		return a->urgency < b->urgency ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* What is known of a plan goes over to its new place. */
static void take_over(struct applier *a, struct live_plan *into)
{
	struct live_plan seen = *into, *old = NULL;

	if (a->plans.n)
		old = bsearch(into, a->plans.v, a->plans.n, sizeof(*into), by_urgency_and_age);
	if (!old)
		return;
	*into = *old;
	into->decision = seen.decision;
	into->idle = old->idle && old->decision == seen.decision;
	*old = (struct live_plan){ 0 };
}

/* An action that a crash left begun. */
static int note_begun(void *ctx, int64_t plan, const struct action_row *row, struct err *err)
{
	struct vec_live_plan *v = ctx;

	(void)row;
	(void)err;
	for (size_t i = 0; i < v->n; i++)
		v->v[i].begun = v->v[i].begun || v->v[i].id == (uint64_t)plan;
	return 0;
}

static void plans_drop(struct vec_live_plan *v)
{
	for (size_t i = 0; i < v->n; i++)
		live_plan_unload(&v->v[i]);
	vec_live_plan_done(v);
	*v = (struct vec_live_plan){ 0 };
}

/* Brings the list up to what the store says: new approvals come in, finished plans go. */
static int refresh_plans(struct applier *a, struct err *err)
{
	struct vec_live_plan now = { 0 };
	struct approvers_count approvers = { 0 };
	struct db *db = NULL;
	int r;

	r = store_read_begin(a->app->store, &db, err);
	if (r == 0)
		r = approvers_count(db, stamp_now_ms(), &approvers, err);
	if (r == 0)
		r = plans_list(db, a->org->name, 1u << PLAN_APPROVED | 1u << PLAN_RUNNING, 0,
			       APPLIER_LISTED_MOST, note_plan, &now, err);
	/* later ones are begun by us, and noted then */
	if (r == 0 && a->plans.n == 0)
		r = plans_open_actions(db, a->org->name, note_begun, &now, err);
	store_read_end(db);
	if (r < 0) {
		plans_drop(&now);
		return r;
	}
	if (now.n)
		qsort(now.v, now.n, sizeof(*now.v), by_urgency_and_age);
	for (size_t i = 0; i < now.n; i++)
		take_over(a, &now.v[i]);
	plans_drop(&a->plans);
	a->plans = now;
	a->current = NULL;
	a->retired = approvers.retired;
	return 0;
}

/* --- what to do next -----------------------------------------------------------------------
 */

static void wait_until(struct applier *a, struct live_plan *p, int64_t ms)
{
	if (ms == STAMP_NEVER)
		return;
	if (p->idle_until_ms == 0 || ms < p->idle_until_ms)
		p->idle_until_ms = ms;
	if (a->again_ms == 0 || ms < a->again_ms)
		a->again_ms = ms;
}

static bool may_start(struct applier *a, struct live_plan *p, size_t i, int64_t now_ms)
{
	int64_t from_ms = p->again_ms[i];

	if (p->states[i] == ACTION_PLANNED && p->plan->actions.v[i].due_ms > from_ms)
		from_ms = p->plan->actions.v[i].due_ms;
	if (from_ms <= now_ms)
		return true;
	wait_until(a, p, from_ms);
	return false;
}

/* A group that several actions take away goes only when all of them may. */
static int with_approved(struct live_plan *p, const struct action *action, bool *ret,
			 struct err *err)
{
	*ret = true;
	for (size_t i = 0; *ret && i < action->with_count; i++) {
		struct apply_approval approval;
		const struct action *other;
		uint32_t n = action->with[i];

		if (n < 1 || n > p->plan->actions.n)
			return err_set(err, ERR_DAMAGED, "plan %llu: action %u names action %u",
				       (unsigned long long)p->id, action->n, n);
		other = &p->plan->actions.v[n - 1];
		*ret = approvals_of(p->approvals, other, &approval) &&
		       digest_equal(&approval.digest, &p->digest) &&
		       (approval.policy || approval.persons >= other->needs) &&
		       approvals_cover(p->approvals, &approval, other);
	}
	return 0;
}

static int item_fill(struct applier *a, struct live_plan *p, size_t i, struct apply_item *ret,
		     struct err *err)
{
	const struct action *action = &p->plan->actions.v[i];
	struct apply_approval approval = { .persons = 0 };
	bool with;
	int r = with_approved(p, action, &with, err);

	if (r < 0)
		return r;
	/* last: what it lists is good until the next question */
	(void)approvals_of(p->approvals, action, &approval);
	a->current = p;
	a->current_at = i;
	*ret = (struct apply_item){
		.plan_id = p->id,
		.plan = p->plan,
		.digest = p->digest,
		.action = action,
		.approval = approval,
		.with_approved = with,
		.mode = a->mode,
		.zone = str_of(a->app->config.instance.zone),
	};
	return 0;
}

/* Answers 0 with the item, or APPLY_IDLE where this plan has none in that state. An action that
 * nobody approved is passed over in silence: it waits for its decision, until it lapses. */
static int next_of_plan(struct applier *a, struct live_plan *p, enum action_state state,
			struct apply_item *ret, struct err *err)
{
	int64_t now_ms = stamp_now_ms();
	enum run_time clock = RUN_TIME_GOES;
	bool waits = false;
	int r = 0;

	if (state == ACTION_STARTED)
		p->begun = false; /* unless one is found */
	else if (p->urgency != PLAN_URGENT)
		r = run_time_judge(a->app, a->org->name, p->id, p->run ? p->run_ms : 0,
				   p->approvals, &clock, err);
	p->ends = clock == RUN_TIME_ENDS;
	if (r == 0 && clock == RUN_TIME_HOLDS)
		wait_until(a, p, now_ms + RUN_TIME_LOOK_MS);
	if (r < 0 || clock == RUN_TIME_HOLDS)
		return r < 0 ? r : APPLY_IDLE;
	while (p->first < p->plan->actions.n && is_over(p->states[p->first]))
		p->first++;
	for (size_t i = p->first; i < p->plan->actions.n; i++) {
		const struct action *action = &p->plan->actions.v[i];
		struct apply_approval approval;

		if (p->states[i] != state)
			continue;
		p->begun = p->begun || state == ACTION_STARTED;
		if (!approvals_of(p->approvals, action, &approval) ||
		    (state == ACTION_PLANNED &&
		     !approvals_enough(p->approvals, &approval, action))) {
			waits = true;
			continue;
		}
		if (state == ACTION_PLANNED &&
		    approvals_wait_all_ms(p->approvals, action) > now_ms) {
			wait_until(a, p, approvals_wait_all_ms(p->approvals, action));
			continue;
		}
		if (may_start(a, p, i, now_ms))
			return item_fill(a, p, i, ret, err);
	}
	if (waits && now_ms < p->expires_ms)
		wait_until(a, p, p->expires_ms);
	return APPLY_IDLE;
}

static int read_mode(struct applier *a, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	enum store_mode mode;
	int r;

	r = store_read_begin(a->app->store, &db, err);
	if (r == 0)
		r = store_mode_get(db, a->org->name, &mode, err);
	if (r < 0)
		return r;
	a->mode = mode == STORE_ACT       ? ORG_ACT
		  : mode == STORE_PROPOSE ? ORG_PROPOSE
					  : ORG_OBSERVE;
	return 0;
}

static int run_begin_write(void *ctx, struct db *db, struct err *err)
{
	struct applier *a = ctx;

	a->current->run_ms = stamp_now_ms();
	return plans_run_begin(db, (int64_t)a->current->id, store_epoch(a->app->store),
			       "applier", stamp_now_ms(), &a->current->run, err);
}

/* Plans of one urgency, actions of one state. */
static int pick_of(struct applier *a, enum plan_urgency urgency, enum action_state state,
		   struct apply_item *ret, struct err *err)
{
	for (size_t i = 0; i < a->plans.n; i++) {
		struct live_plan *p = &a->plans.v[i];
		int r;

		if (p->urgency != urgency || p->finished ||
		    (state == ACTION_STARTED && !p->begun))
			continue;
		if (p->idle && (p->idle_until_ms == 0 || p->idle_until_ms > stamp_now_ms())) {
			if (p->idle_until_ms)
				wait_until(a, p, p->idle_until_ms);
			continue;
		}
		p->idle = false;
		if (state == ACTION_STARTED || !p->begun)
			p->idle_until_ms = 0;
		r = live_plan_ready(a, p, err);
		if (r == 0 && !p->finished)
			r = next_of_plan(a, p, state, ret, err);
		else if (r == 0)
			r = APPLY_IDLE;
		if (r != APPLY_IDLE)
			return r;
		/* those that were begun were asked for first: neither sort has anything */
		p->idle = state == ACTION_PLANNED;
	}
	return APPLY_IDLE;
}

/* The first action that may start: by urgency; of one urgency those that were begun (after a
 * crash) before the others. Answers APPLY_IDLE. */
static int pick(struct applier *a, struct apply_item *ret, struct err *err)
{
	static const enum action_state order[] = { ACTION_STARTED, ACTION_PLANNED };

	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		for (size_t s = 0; s < COUNT_OF(order); s++) {
			int r = pick_of(a, (enum plan_urgency)u, order[s], ret, err);

			if (r != APPLY_IDLE)
				return r;
		}
	}
	return APPLY_IDLE;
}

static int journal_end(void *ctx, uint64_t plan, const struct action *action,
		       enum apply_outcome outcome, const char *text, int64_t at_ms,
		       struct err *err);

/* Whom it is about was erased, or the product is gone: this action ends here, the others go on.
 */
static int give_up(struct applier *a, const struct apply_item *item, const char *why,
		   struct err *err)
{
	bool begun = a->current->states[a->current_at] == ACTION_STARTED;
	enum apply_outcome outcome = begun ? OUTCOME_FAILED : OUTCOME_SKIPPED;
	int r = journal_end(a, item->plan_id, item->action, outcome, why, stamp_now_ms(), err);

	if (r == 0)
		a->current->states[a->current_at] = outcome_states[outcome];
	return r;
}

static int next_aimed(struct applier *a, struct apply_item *ret, struct err *err)
{
	struct err why;
	int r;

	for (;;) {
		r = pick(a, ret, err);
		if (r == 0 && !a->current->run)
			r = writer_call(a->app->writer, run_begin_write, a, err);
		if (r != 0)
			return r;
		if (a->current->ends && a->current->states[a->current_at] == ACTION_PLANNED) {
			r = give_up(a, ret,
				    "guard " RUN_TIME_GUARD " held it, and nobody released it "
				    "within a day",
				    err);
			if (r < 0)
				return r;
			continue;
		}
		r = hands_aim(a->hands, ret->plan_id, ret->action, a->mode, &why);
		if (r != -ERR_DAMAGED && r != -ERR_NOT_FOUND)
			break;
		r = give_up(a, ret, why.text, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return err_set(err, -r, "%s", why.text);
	return 0;
}

static int work_next(void *ctx, struct apply_item *ret, struct err *err)
{
	struct applier *a = ctx;
	int r;

	r = refresh_plans(a, err);
	if (r == 0)
		r = read_mode(a, err);
	if (r < 0)
		return r;
	a->again_ms = 0;
	return next_aimed(a, ret, err);
}

static int work_finish(void *ctx, const struct apply_item *item, enum apply_outcome outcome,
		       const char *text, int64_t again_ms, struct err *err)
{
	struct applier *a = ctx;

	(void)err;
	if (outcome == OUTCOME_NONE) {
		a->current->again_ms[a->current_at] = again_ms;
		/* whether it was begun is what the journal says: it may stand between two steps
		 */
		log_debug("action.again", LOG_U("plan", item->plan_id),
			  LOG_U("n", item->action->n));
		return 0;
	}
	a->current->states[a->current_at] = outcome_states[outcome];
	if (outcome == OUTCOME_FAILED || outcome == OUTCOME_UNVERIFIABLE)
		log_error("action.end", LOG_U("plan", item->plan_id),
			  LOG_U("n", item->action->n),
			  LOG_T("kind", action_kinds[item->action->kind].word),
			  LOG_T("outcome", apply_outcome_word(outcome)), LOG_T("text", text));
	else
		log_info("action.end", LOG_U("plan", item->plan_id),
			 LOG_U("n", item->action->n),
			 LOG_T("kind", action_kinds[item->action->kind].word),
			 LOG_T("outcome", apply_outcome_word(outcome)));
	return 0;
}

/* Seats of the actions that go with one. */
static size_t seats_with(const struct apply_item *item, struct identity_seat *into, size_t most)
{
	size_t n = item->action->with_count < most ? item->action->with_count : most;

	for (size_t i = 0; i < n; i++) {
		uint32_t at = item->action->with[i];
		const struct action *other = at >= 1 && at <= item->plan->actions.n
						     ? &item->plan->actions.v[at - 1]
						     : item->action;

		into[i] = (struct identity_seat){ other->product, other->site };
	}
	return n;
}

static int newest_read(void *ctx, const struct org_read_row *row, struct err *err)
{
	int64_t *begun_ms = ctx;

	(void)err;
	if (!row->complete)
		return 0;
	*begun_ms = row->begun_ms;
	return 1;
}

/*
 * A seat that was not used goes only on what was read after its time: who used the product
 * until then keeps it, however long ago the plan was made.
 */
static int seen_since(struct applier *a, int64_t due_ms, bool *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row org = { 0 };
	int64_t begun_ms = 0;
	int r = store_read_begin(a->app->store, &db, err);

	if (r == 0)
		r = accounts_org_get(db, a->org->name, &org, err);
	if (r == 0)
		r = accounts_reads(db, org.id, 8, newest_read, &begun_ms, err);
	*ret = begun_ms >= due_ms;
	return r < 0 ? r : 0;
}

static int work_judge(void *ctx, const struct apply_item *item, struct judgement *ret,
		      struct err *err)
{
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	const struct action *action = item->action;
	struct applier *a = ctx;
	const struct policy *policy = app_acting(a->app)->policy;
	struct identity_seat with[APPLIER_WITH_MOST];
	struct action_identity identity = {
		.kind = action->kind,
		.rule = action->rule,
		.person = action->person,
		.account = action->account,
		.product = action->product,
		.site = action->site,
		.due_ms = action->due_ms,
		.held_by = action->held_by,
		.says = action->says,
		.held_count = action->held_count,
		.subject = &action->subject,
		.steps = action->steps,
		.step_count = action->step_count,
		.with = with,
	};
	bool asked = strcmp(action->rule, ORDER_BULK) == 0;
	/* what was asked for is about one account, or a group: no orphan, for which everybody
	 * must be known */
	uint64_t person = asked && !action->person ? FACTS_NOBODY : action->person;
	bool seen = true;
	int r = 0;

	/* and who is to get something must not be in the way of anybody */
	identity.beside =
		action_kinds[action->kind].provision && action->kind != ACTION_LEAVE_GROUPS;
	if (identity.beside)
		person = 0;

	if (action_kinds[action->kind].destructive && action->class == PLAN_INACTIVE && !asked)
		r = seen_since(a, action->due_ms, &seen, err);
	if (r < 0)
		return r;
	if (!seen) {
		ret->verdict = JUDGE_LATER;
		snprintf(ret->text, sizeof(ret->text),
			 "whether it was used until its time is not read yet: it waits for a "
			 "read of the organisation");
		return 0;
	}
	identity.with_count = seats_with(item, with, COUNT_OF(with));
	r = planner_facts_for(a->app, a->org, policy, person,
			      action->person ? 0 : action->account, &facts, err);
	if (r < 0)
		return r;
	return reconcile_judge(facts, policy, &identity, ret, err);
}

static int64_t work_now(void *ctx)
{
	(void)ctx;
	return stamp_now_ms();
}

static bool work_stop(void *ctx)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct applier *a = ctx;
	bool paused = false;
	struct err err;

	/* that the lease is still ours each journal line finds out by its epoch */
	if (a->stop && atomic_load(a->stop))
		return true;
	if (store_read_begin(a->app->store, &db, &err) < 0)
		return true;
	if (store_paused(db, a->org->name, &paused, &err) < 0)
		return true;
	return paused;
}

/* --- journal -------------------------------------------------------------------------------
 */

struct journal_write {
	struct applier *a;
	struct journal_line line;
	const struct action *action;
	bool progress; /* the ladder's step was done: kept in the same transaction */
	bool skip;     /* an end without a begin */
	enum action_state state;
};

/* A warning counts from when it was sent, which the outbox knows. */
static int warning_progress(const struct journal_write *w, struct db *db,
			    const struct progress *progress, struct err *err)
{
	char step[96];

	snprintf(step, sizeof(step), "%s/%lld/%u/1", w->a->org->name, (long long)w->line.plan,
		 w->action->n);
	return outbox_progress(db, str_of(step), progress, err);
}

static int journal_write_run(void *ctx, struct db *db, struct err *err)
{
	struct journal_write *w = ctx;
	const struct action *action = w->action;
	struct progress progress = {
		.account = (int64_t)action->account,
		.product = str_of(action->product),
		.site = str_of(action->site),
		.rule = str_of(action->rule),
		.kind = str_of(action_kinds[action->kind].word),
		.person = (int64_t)action->person,
		.done_ms = w->line.ms,
	};
	int r;

	if (w->skip)
		r = plans_skip(db, w->line.plan, w->line.n, w->line.run, w->line.epoch,
			       w->state, w->line.text, "applier", w->line.ms, err);
	else
		r = plans_journal(db, &w->line, "applier", NULL, err);
	if (r == STORE_STALE)
		return err_set(
			err, ERR_CONFLICT,
			"plan %lld: action %lld is no longer waiting: another plan took it",
			(long long)w->line.plan, (long long)w->line.n);
	/* a record that is no account yet has no ladder */
	if (r == 0 && w->progress && action->account)
		r = action->kind == ACTION_WARN || action->kind == ACTION_WARN_ACCOUNT
			    ? warning_progress(w, db, &progress, err)
			    : persons_progress_set(db, &progress, err);
	return r < 0 ? r : 0;
}

static int journal_put(struct applier *a, uint64_t plan, const struct action *action,
		       size_t step, enum journal_kind kind, const char *result,
		       const char *text, bool progress, int64_t at_ms, struct err *err)
{
	const struct action_step *s = step ? &action->steps[step - 1] : NULL;
	CLEANUP(buf_done) struct buf args;
	char key[96];
	struct journal_write w = { .a = a, .action = action, .progress = progress };

	buf_init(&args, 65536);
	if (s && (s->group || s->role)) {
		buf_addf(&args, "{\"%s\":", s->group ? "group" : "role");
		buf_add_json(&args, str_of(s->group ? s->group : s->role));
		if (s->resource) {
			buf_addf(&args, ",\"resource\":");
			buf_add_json(&args, str_of(s->resource));
		}
		buf_add_char(&args, '}');
	}
	if (s && hands_gift_is(s->op))
		hands_gift_args(s, &args);
	if (s && (s->op == STEP_MAKE_GROUP || s->op == STEP_SCIM_MAKE_GROUP)) {
		buf_add_text(&args, "{\"name\":");
		buf_add_json(&args, str_of(s->name));
		buf_add_char(&args, '}');
	}
	if (buf_fault(&args, err, "a journal line") < 0)
		return -err->code;
	snprintf(key, sizeof(key), "%s/%llu/%u/%zu", a->org->name, (unsigned long long)plan,
		 action->n, step);
	w.line = (struct journal_line){
		.plan = (int64_t)plan,
		.n = action->n,
		.run = a->current ? a->current->run : 0,
		.epoch = store_epoch(a->app->store),
		.step = (int64_t)step,
		.kind = kind,
		.op = str_of(s ? step_ops[s->op].word : action_kinds[action->kind].word),
		.args = args.len ? buf_str(&args) : STR("{}"),
		.key = str_of(key),
		.result = str_of(result),
		.text = str_of(text),
		.ms = at_ms,
	};
	return writer_call(a->app->writer, journal_write_run, &w, err);
}

/* The end of an action that was never begun: skipped, or so already. */
static int journal_skip(struct applier *a, uint64_t plan, const struct action *action,
			enum action_state state, const char *text, bool progress, int64_t at_ms,
			struct err *err)
{
	struct journal_write w = {
		.a = a,
		.action = action,
		.progress = progress,
		.skip = true,
		.state = state,
		.line = {
			.plan = (int64_t)plan,
			.n = action->n,
			.run = a->current->run,
			.epoch = store_epoch(a->app->store),
			.text = str_of(text),
			.ms = at_ms,
		},
	};

	return writer_call(a->app->writer, journal_write_run, &w, err);
}

struct journal_read {
	struct journal_state *state;
};

static enum step_mark mark_of(struct str result)
{
	if (str_eq(result, STR("refused")))
		return STEP_MARK_REFUSED;
	/* "unknown": the call's end was not seen; it stays an intent to be verified */
	return str_eq(result, STR("unknown")) ? STEP_MARK_INTENT : STEP_MARK_DONE;
}

static enum apply_outcome outcome_of(struct str result)
{
	static const struct {
		const char *word;
		enum apply_outcome outcome;
	} words[] = {
		{ "done", OUTCOME_DONE },       { "already", OUTCOME_ALREADY },
		{ "skipped", OUTCOME_SKIPPED }, { "failed", OUTCOME_FAILED },
		{ "held", OUTCOME_STILL_HELD },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (str_eq(result, str_of(words[i].word)))
			return words[i].outcome;
	return OUTCOME_SKIPPED;
}

static int journal_row(void *ctx, const struct journal_line *line, struct err *err)
{
	struct journal_read *read = ctx;
	struct journal_state *s = read->state;
	size_t step = line->step ? (size_t)line->step - 1 : 0;

	if (line->step > APPLY_MAX_STEPS)
		return err_set(err, ERR_DAMAGED, "journal line %lld names step %lld",
			       (long long)line->seq, (long long)line->step);
	switch (line->kind) {
	case JOURNAL_BEGIN:
		s->begun = true;
		break;
	case JOURNAL_INTENT:
		s->steps[step].mark = STEP_MARK_INTENT;
		s->steps[step].at_ms = line->ms;
		s->steps[step].attempts++;
		break;
	case JOURNAL_OUTCOME:
		s->steps[step].mark = mark_of(line->result);
		s->steps[step].at_ms = line->ms;
		s->ended_ms = line->ms;
		break;
	case JOURNAL_END:
		s->ended = outcome_of(line->result);
		break;
	}
	return 0;
}

static int journal_state_read(void *ctx, uint64_t plan, const struct action *action,
			      struct journal_state *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct applier *a = ctx;
	struct journal_read read = { ret };
	int r;

	r = store_read_begin(a->app->store, &db, err);
	if (r < 0)
		return r;
	return plans_journal_of(db, (int64_t)plan, action->n, journal_row, &read, err);
}

static int journal_begin(void *ctx, uint64_t plan, const struct action *action, int64_t at_ms,
			 struct err *err)
{
	struct applier *a = ctx;
	int r = journal_put(a, plan, action, 0, JOURNAL_BEGIN, "", "", false, at_ms, err);

	if (r == 0) {
		a->current->states[a->current_at] = ACTION_STARTED;
		a->current->begun = true;
	}
	return r;
}

static int journal_intent(void *ctx, uint64_t plan, const struct action *action, size_t step,
			  int64_t at_ms, struct err *err)
{
	return journal_put(ctx, plan, action, step + 1, JOURNAL_INTENT, "", "", false, at_ms,
			   err);
}

static int journal_outcome(void *ctx, uint64_t plan, const struct action *action, size_t step,
			   enum step_mark mark, const char *text, int64_t at_ms,
			   struct err *err)
{
	const char *result = mark == STEP_MARK_DONE      ? "ok"
			     : mark == STEP_MARK_REFUSED ? "refused"
							 : "unknown";

	return journal_put(ctx, plan, action, step + 1, JOURNAL_OUTCOME, result, text, false,
			   at_ms, err);
}

static int journal_end(void *ctx, uint64_t plan, const struct action *action,
		       enum apply_outcome outcome, const char *text, int64_t at_ms,
		       struct err *err)
{
	struct applier *a = ctx;
	bool done = outcome == OUTCOME_DONE || outcome == OUTCOME_FREED ||
		    outcome == OUTCOME_ALREADY;
	CLEANUP(buf_done) struct buf said;

	buf_init(&said, 4096);
	buf_add_text(&said, apply_outcome_word(outcome));
	if (text && *text)
		buf_addf(&said, ": %s", text);
	if (buf_fault(&said, err, "an outcome") < 0)
		return -err->code;
	if (outcome == OUTCOME_FREED)
		hands_freed(a->hands, action);
	if (a->current->states[a->current_at] == ACTION_PLANNED)
		return journal_skip(a, plan, action, outcome_states[outcome], said.p, done,
				    at_ms, err);
	return journal_put(a, plan, action, 0, JOURNAL_END,
			   action_state_words[outcome_states[outcome]], said.p, done, at_ms,
			   err);
}

/* --- runs ----------------------------------------------------------------------------------
 */

struct run_close {
	struct applier *a;
	struct live_plan *plan;
	const char *how;
	bool finished; /* nothing of the plan is left to start */
};

static int run_close_write(void *ctx, struct db *db, struct err *err)
{
	struct run_close *c = ctx;
	int64_t now_ms = stamp_now_ms();
	int r;

	r = plans_run_end(db, c->plan->run, store_epoch(c->a->app->store), c->how, now_ms, err);
	if (r >= 0)
		r = plans_state_set(db, (int64_t)c->plan->id,
				    c->finished ? PLAN_DONE : PLAN_APPROVED, "applier", now_ms,
				    err);
	return r < 0 ? r : 0;
}

/* Between two passes: a plan with nothing left is done; one that waits (for a due time, for a
 * further approval) keeps its place. */
static int close_runs(struct applier *a, bool stopped, struct err *err)
{
	int64_t last = 0;
	char about[32];
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->plans.n; i++) {
		struct live_plan *p = &a->plans.v[i];
		struct run_close c = { a, p, stopped ? "stopped" : "done",
				       p->plan ? plan_finished(p) : p->finished };

		if (!p->run)
			continue;
		r = writer_call(a->app->writer, run_close_write, &c, err);
		if (r == 0)
			last = p->run;
		p->run = 0;
	}
	/* the newest entry covers all runs that ended here */
	(void)snprintf(about, sizeof(about), "run-%lld", (long long)last);
	if (last)
		anchors_keep_after(a->app, about);
	return r;
}

struct ids {
	uint64_t v[APPLIER_LISTED_MOST];
	size_t n;
};

static int recover_run(void *ctx, const struct run_row *row, struct err *err)
{
	struct ids *ids = ctx;

	(void)err;
	if (row->ended_ms == 0 && ids->n < APPLIER_LISTED_MOST)
		ids->v[ids->n++] = (uint64_t)row->id;
	return 0;
}

struct recover_write {
	struct ids ids;
	int64_t epoch;
};

static int recover_write(void *ctx, struct db *db, struct err *err)
{
	struct recover_write *w = ctx;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < w->ids.n; i++)
		r = plans_run_end(db, (int64_t)w->ids.v[i], w->epoch, "crashed", stamp_now_ms(),
				  err);
	return r < 0 ? r : 0;
}

int applier_recover(struct app *app, const struct config_org *org, struct err *err)
{
	struct recover_write w = { .epoch = store_epoch(app->store) };
	struct db *db = NULL;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = plans_runs(db, org->name, 0, APPLIER_LISTED_MOST, recover_run, &w.ids, err);
	store_read_end(db);
	if (r < 0 || w.ids.n == 0)
		return r;
	log_warn("run.crashed", LOG_T("org", org->name), LOG_U("runs", w.ids.n));
	return writer_call(app->writer, recover_write, &w, err);
}

/* --- birth, work, death --------------------------------------------------------------------
 */

int applier_new(struct applier **ret, struct app *app, const struct config_org *org,
		const atomic_bool *stop, struct err *err)
{
	CLEANUP(applier_free_at) struct applier *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_nomem(err);
	a->app = app;
	a->org = org;
	a->stop = stop;
	r = hands_new(&a->hands, app, org, err);
	if (r < 0)
		return r;
	a->ports = (struct reconcile_ports){
		.target = hands_target(a->hands),
		.journal = { a, journal_state_read, journal_begin, journal_intent,
			     journal_outcome, journal_end },
		.work = { a, work_next, work_finish, work_judge, work_now, work_stop },
	};
	*ret = TAKE(a);
	return 0;
}

void applier_free(struct applier *a)
{
	if (!a)
		return;
	plans_drop(&a->plans);
	hands_free(a->hands);
	free(a);
}

/* What was kept in memory may no longer be so: read again from the store. */
static void forget_plans(struct applier *a)
{
	plans_drop(&a->plans);
	a->current = NULL;
}

int applier_run(struct applier *a, struct apply_counts *counts, int64_t *again_ms,
		struct err *err)
{
	struct err second;
	int r, closed;

	/* Another plan may take an action between its choice and its begin: then look again. */
	for (int tries = 0; tries < APPLIER_TRIES_MOST; tries++) {
		r = apply_run(&a->ports, app_acting(a->app)->policy, counts, err);
		if (r != -ERR_CONFLICT)
			break;
		forget_plans(a);
	}
	*again_ms = a->again_ms;
	closed = close_runs(a, r != 0, r < 0 ? &second : err);
	forget_plans(a);
	if (r < 0)
		return err_context(err, r, "applying for %s", a->org->name);
	return closed < 0 ? closed : r;
}
