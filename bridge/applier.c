#include "bridge/applier.h"

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/hands.h"
#include "bridge/planner.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/writer.h"

#define APPLIER_PLANS_MOST 64    /* approved plans of one organisation at once */
#define APPLIER_RELEASED_MOST 32 /* guards of a plan, and as many of one action */

/* A plan that may run, with what happened to its actions so far. */
struct live_plan {
	uint64_t id;
	struct plan *plan;
	struct digest digest;      /* of the stored bytes, computed when they were read */
	enum action_state *states; /* by place in the plan */
	int64_t *again_ms;         /* not before; 0: at once */
	int64_t run;               /* row of its run; 0: not begun by us */
};

struct applier {
	struct app *app;
	const struct config_org *org;
	const atomic_bool *stop;
	struct hands *hands;
	struct reconcile_ports ports;
	struct live_plan plans[APPLIER_PLANS_MOST];
	size_t plan_count;
	struct live_plan *current; /* plan of the item that is being worked on */
	size_t current_at;         /* its place there */
	const char *released[2 * APPLIER_RELEASED_MOST]; /* of that item; static or the plan's
							    texts */
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

static void live_plan_done(struct live_plan *p)
{
	plan_free(p->plan);
	free(p->states);
	free(p->again_ms);
	*p = (struct live_plan){ 0 };
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

static int live_plan_load(struct applier *a, uint64_t id, struct live_plan *ret,
			  struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	size_t n;
	int r;

	ret->id = id;
	r = planner_load(a->app, id, &ret->plan, &ret->digest, err);
	if (r < 0)
		return err_context(err, r, "plan %llu", (unsigned long long)id);
	n = ret->plan->actions.n ? ret->plan->actions.n : 1;
	ret->states = calloc(n, sizeof(*ret->states));
	ret->again_ms = calloc(n, sizeof(*ret->again_ms));
	if (!ret->states || !ret->again_ms)
		return err_nomem(err);
	r = store_read_begin(a->app->store, &db, err);
	return r == 0 ? plans_actions(db, (int64_t)id, state_of_action, ret, err) : r;
}

struct ids {
	uint64_t v[APPLIER_PLANS_MOST];
	size_t n;
};

static int note_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	struct ids *ids = ctx;

	(void)err;
	if (ids->n < APPLIER_PLANS_MOST)
		ids->v[ids->n++] = (uint64_t)row->id;
	return 0;
}

static struct live_plan *live_plan_find(struct applier *a, uint64_t id)
{
	for (size_t i = 0; i < a->plan_count; i++)
		if (a->plans[i].id == id)
			return &a->plans[i];
	return NULL;
}

static bool ids_hold(const struct ids *ids, uint64_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return true;
	return false;
}

/* Brings the list up to what the store says: new approvals come in, finished plans go. */
static int refresh_plans(struct applier *a, struct err *err)
{
	struct db *db = NULL;
	struct ids ids = { 0 };
	size_t kept = 0;
	int r;

	r = store_read_begin(a->app->store, &db, err);
	if (r == 0)
		r = plans_list(db, a->org->name, 1u << PLAN_APPROVED | 1u << PLAN_RUNNING, 0,
			       APPLIER_PLANS_MOST, note_plan, &ids, err);
	store_read_end(db);
	if (r < 0)
		return r;
	for (size_t i = 0; i < a->plan_count; i++) {
		if (ids_hold(&ids, a->plans[i].id))
			a->plans[kept++] = a->plans[i];
		else
			live_plan_done(&a->plans[i]);
	}
	a->plan_count = kept;
	/* newest first in ids: walked backwards, so that older plans of an urgency go first */
	for (size_t i = ids.n; i-- > 0;) {
		if (live_plan_find(a, ids.v[i]))
			continue;
		r = live_plan_load(a, ids.v[i], &a->plans[a->plan_count], err);
		if (r < 0) {
			live_plan_done(&a->plans[a->plan_count]);
			return r;
		}
		a->plan_count++;
	}
	return 0;
}

/* --- approvals -----------------------------------------------------------------------------
 */

#define APPROVERS_MOST 16

struct approvers {
	char names[APPROVERS_MOST][96];
	bool person[APPROVERS_MOST];
	size_t n;
};

static void approver_add(struct approvers *a, const struct decision *d)
{
	char name[96];

	snprintf(name, sizeof(name), STR_FMT, STR_ARG(d->who));
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->names[i], name) == 0)
			return;
	if (a->n == APPROVERS_MOST)
		return;
	memcpy(a->names[a->n], name, sizeof(name));
	a->person[a->n++] = d->person;
}

/* Signed approvals count each; all that are not attributed to a person count as one together,
 * so that two logins of one administrator are never two people. */
static unsigned approvers_count(const struct approvers *a)
{
	unsigned signed_ones = 0, bare = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (a->person[i])
			signed_ones++;
		else
			bare = 1;
	}
	return signed_ones + bare;
}

struct approval_read {
	const struct live_plan *plan;
	const struct action *action;
	struct approvers action_by;
	struct approvers guard_by[APPLIER_RELEASED_MOST]; /* by place in the plan's guards */
	struct approvers held_by[APPLIER_RELEASED_MOST];  /* by place in the action's */
	struct digest digest;
	bool any, policy;
	int64_t approved_ms;
};

static bool names_action(struct str list, uint32_t n)
{
	struct str item, rest = list;
	uint64_t number;

	if (str_eq(list, STR("*")))
		return true;
	while (rest.len) {
		str_cut(rest, ',', &item, &rest);
		if (str_uint64(str_trim(item), &number) && number == n)
			return true;
	}
	return false;
}

static bool names_guard(struct str list, const char *guard)
{
	struct str item, rest = list;

	while (rest.len) {
		str_cut(rest, ' ', &item, &rest);
		if (str_eq(str_trim(item), str_of(guard)))
			return true;
	}
	return false;
}

static int approval_row(void *ctx, const struct decision *d, struct err *err)
{
	struct approval_read *read = ctx;
	const struct vec_guard *guards = &read->plan->plan->guards;
	bool names = names_action(d->actions, read->action->n);

	(void)err;
	if (d->kind == DECISION_REJECT || !digest_equal(&d->digest, &read->plan->digest)) {
		/* a decision about other bytes is handed on: the applier refuses by its digest
		 */
		if (d->kind == DECISION_APPROVE && names && !read->any) {
			read->digest = d->digest;
			read->any = true;
		}
		return 0;
	}
	if (names || d->kind == DECISION_RELEASE)
		for (size_t i = 0; i < guards->n && i < APPLIER_RELEASED_MOST; i++)
			if (names_guard(d->guards, guards->v[i].name))
				approver_add(&read->guard_by[i], d);
	if (d->kind != DECISION_APPROVE || !names)
		return 0;
	/* what holds one action is released only by an approval that names both */
	for (size_t i = 0; i < read->action->held_count && i < APPLIER_RELEASED_MOST; i++)
		if (names_guard(d->guards, read->action->held_by[i]))
			approver_add(&read->held_by[i], d);
	read->digest = d->digest;
	read->any = true;
	if (str_eq(d->who, STR("policy")))
		read->policy = true;
	else
		approver_add(&read->action_by, d);
	if (d->ms > read->approved_ms)
		read->approved_ms = d->ms;
	return 0;
}

/* Each guard of this name has as many persons as it needs: two sources may be over the same
 * limit, one of them so far that it takes two. */
static bool guard_released(const struct approval_read *read, const char *name)
{
	const struct vec_guard *guards = &read->plan->plan->guards;

	for (size_t i = 0; i < guards->n; i++) {
		const struct plan_guard *g = &guards->v[i];

		if (strcmp(g->name, name) != 0 || g->verdict == GUARD_PASS)
			continue;
		if (!g->needs || i >= APPLIER_RELEASED_MOST ||
		    approvers_count(&read->guard_by[i]) < g->needs)
			return false;
	}
	return true;
}

/* Names of the guards that the decisions release for this action. */
static size_t released_list(const struct approval_read *read,
			    const char *ret[2 * APPLIER_RELEASED_MOST])
{
	const struct vec_guard *guards = &read->plan->plan->guards;
	const struct action *action = read->action;
	size_t n = 0;

	for (size_t i = 0; i < guards->n && i < APPLIER_RELEASED_MOST; i++)
		if (guards->v[i].needs && guard_released(read, guards->v[i].name))
			ret[n++] = guards->v[i].name;
	for (size_t i = 0; i < action->held_count && i < APPLIER_RELEASED_MOST; i++)
		if (approvers_count(&read->held_by[i]) >= (action->needs ? action->needs : 1))
			ret[n++] = action->held_by[i];
	return n;
}

/* What the rows say about one action: false in *ret->any where nobody approved it. */
static int approval_read(struct applier *a, const struct live_plan *p,
			 const struct action *action, struct apply_approval *ret, bool *any,
			 struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct approval_read read = { .plan = p, .action = action };
	int r;

	r = store_read_begin(a->app->store, &db, err);
	if (r == 0)
		r = plans_decisions(db, (int64_t)p->id, approval_row, &read, err);
	if (r < 0)
		return r;
	*any = read.any;
	*ret = (struct apply_approval){
		.digest = read.digest,
		.persons = approvers_count(&read.action_by),
		.policy = read.policy,
		.approved_ms = read.approved_ms,
		.released = a->released,
		.released_count = released_list(&read, a->released),
	};
	return 0;
}

/* --- what to do next -----------------------------------------------------------------------
 */

static bool may_start(struct applier *a, const struct live_plan *p, size_t i,
		      enum action_state state, int64_t now_ms)
{
	const struct action *action = &p->plan->actions.v[i];
	int64_t from_ms = p->again_ms[i];

	if (p->states[i] != state)
		return false;
	if (state == ACTION_PLANNED && action->due_ms > from_ms)
		from_ms = action->due_ms;
	if (from_ms <= now_ms)
		return true;
	if (from_ms != STAMP_NEVER && (a->again_ms == 0 || from_ms < a->again_ms))
		a->again_ms = from_ms;
	return false;
}

static bool covers(const struct apply_approval *approval, const struct action *action)
{
	if (action->verdict != VERDICT_HELD)
		return true;
	for (size_t g = 0; g < action->held_count; g++) {
		bool released = false;

		for (size_t i = 0; i < approval->released_count; i++)
			released |= strcmp(approval->released[i], action->held_by[g]) == 0;
		if (!released)
			return false;
	}
	return true;
}

/* A group that several actions take away goes only when all of them may. */
static int with_approved(struct applier *a, const struct live_plan *p,
			 const struct action *action, bool *ret, struct err *err)
{
	*ret = true;
	for (size_t i = 0; *ret && i < action->with_count; i++) {
		struct apply_approval approval;
		uint32_t n = action->with[i];
		bool any;
		int r;

		if (n < 1 || n > p->plan->actions.n)
			return err_set(err, ERR_DAMAGED, "plan %llu: action %u names action %u",
				       (unsigned long long)p->id, action->n, n);
		r = approval_read(a, p, &p->plan->actions.v[n - 1], &approval, &any, err);
		if (r < 0)
			return r;
		*ret = any && digest_equal(&approval.digest, &p->digest) &&
		       (approval.policy ||
			approval.persons >= p->plan->actions.v[n - 1].needs) &&
		       covers(&approval, &p->plan->actions.v[n - 1]);
	}
	return 0;
}

/* Answers 0 with the item, or APPLY_IDLE where this plan has none in that state. An action that
 * nobody approved is passed over in silence: it waits for its decision. */
static int next_of_plan(struct applier *a, struct live_plan *p, enum action_state state,
			struct apply_item *ret, struct err *err)
{
	int64_t now_ms = stamp_now_ms();

	for (size_t i = 0; i < p->plan->actions.n; i++) {
		const struct action *action = &p->plan->actions.v[i];
		struct apply_approval approval;
		bool any, with;
		int r;

		if (!may_start(a, p, i, state, now_ms))
			continue;
		r = approval_read(a, p, action, &approval, &any, err);
		if (r < 0)
			return r;
		if (!any || (state == ACTION_PLANNED && !covers(&approval, action)))
			continue;
		/* before its own approval is read last: the released guards are the item's */
		r = with_approved(a, p, action, &with, err);
		if (r == 0)
			r = approval_read(a, p, action, &approval, &any, err);
		if (r < 0)
			return r;
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

	return plans_run_begin(db, (int64_t)a->current->id, store_epoch(a->app->store),
			       "applier", stamp_now_ms(), &a->current->run, err);
}

/* The first action that may start: by urgency; of one urgency those that were begun (after a
 * crash) before the others. Answers APPLY_IDLE. */
static int pick(struct applier *a, struct apply_item *ret, struct err *err)
{
	static const enum action_state order[] = { ACTION_STARTED, ACTION_PLANNED };

	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		for (size_t s = 0; s < COUNT_OF(order); s++) {
			for (size_t i = 0; i < a->plan_count; i++) {
				int r = APPLY_IDLE;

				if (a->plans[i].plan->urgency == (enum plan_urgency)u)
					r = next_of_plan(a, &a->plans[i], order[s], ret, err);
				if (r != APPLY_IDLE)
					return r;
			}
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

static int work_judge(void *ctx, const struct apply_item *item, struct judgement *ret,
		      struct err *err)
{
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	const struct action *action = item->action;
	struct applier *a = ctx;
	struct action_identity identity = {
		.kind = action->kind,
		.rule = action->rule,
		.person = action->person,
		.account = action->account,
		.product = action->product,
		.site = action->site,
		.due_ms = action->due_ms,
	};
	int r;

	r = planner_facts(a->app, a->org, action->person, action->person ? 0 : action->account,
			  &facts, err);
	if (r < 0)
		return r;
	return reconcile_judge(facts, a->app->config.policy, &identity, ret, err);
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
	if (r == 0 && w->progress)
		r = persons_progress_set(db, &progress, err);
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

	if (r == 0)
		a->current->states[a->current_at] = ACTION_STARTED;
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

static bool plan_finished(const struct live_plan *p)
{
	for (size_t i = 0; i < p->plan->actions.n; i++)
		if (p->states[i] == ACTION_PLANNED || p->states[i] == ACTION_STARTED)
			return false;
	return true;
}

/* Between two passes: a plan with nothing left is done; one that waits (for a due time, for a
 * further approval) keeps its place. */
static int close_runs(struct applier *a, bool stopped, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->plan_count; i++) {
		struct live_plan *p = &a->plans[i];
		struct run_close c = { a, p, stopped ? "stopped" : "done", plan_finished(p) };

		if (!p->run)
			continue;
		r = writer_call(a->app->writer, run_close_write, &c, err);
		p->run = 0;
	}
	return r;
}

static int recover_run(void *ctx, const struct run_row *row, struct err *err)
{
	struct ids *ids = ctx;

	(void)err;
	if (row->ended_ms == 0 && ids->n < APPLIER_PLANS_MOST)
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
		r = plans_runs(db, org->name, 0, APPLIER_PLANS_MOST, recover_run, &w.ids, err);
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
	for (size_t i = 0; i < a->plan_count; i++)
		live_plan_done(&a->plans[i]);
	hands_free(a->hands);
	free(a);
}

/* What was kept in memory may no longer be so: read again from the store. */
static void forget_plans(struct applier *a)
{
	for (size_t i = 0; i < a->plan_count; i++)
		live_plan_done(&a->plans[i]);
	a->plan_count = 0;
	a->current = NULL;
}

int applier_run(struct applier *a, struct apply_counts *counts, int64_t *again_ms,
		struct err *err)
{
	struct err second;
	int r, closed;

	/* Another plan may take an action between its choice and its begin: then look again. */
	for (int tries = 0; tries < APPLIER_PLANS_MOST; tries++) {
		r = apply_run(&a->ports, a->app->config.policy, counts, err);
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

int applier_counts_out(const struct apply_counts *counts, json_t *out, struct err *err)
{
	int r = 0;

	for (int i = OUTCOME_NONE + 1; r == 0 && i < OUTCOME_COUNT; i++)
		r = jx_set(out, apply_outcome_word((enum apply_outcome)i),
			   json_integer((json_int_t)counts->outcomes[i]), err);
	return r;
}
