/*
 * What the applier's tests live in: an organisation with lag, a journal, and a clock, all in
 * memory. The organisation counts what really changed; the journal refuses lines that are not
 * in order, as the store does. Each port call has two points at which it can be killed: before
 * its effect and after.
 *
 * Groups are "g0" to "g3": g0 and g1 give jira, g2 gives jira and jsm, g3 gives jsm. There is
 * one role, on jira.
 */
#ifndef TESTS_UNIT_APPLY_WORLD_H
#define TESTS_UNIT_APPLY_WORLD_H

#include "reconcile/apply.h"
#include "reconcile/policy.h"
#include "tests/lib/test.h"

#define WORLD_ACTIONS 20
#define WORLD_STEPS 4
#define WORLD_GROUPS 4
#define WORLD_LINES 128
#define WORLD_LAG_MS (25 * STAMP_SECOND_MS)
#define WORLD_START_MS 1792400400000LL /* a Monday, 09:00 UTC: 2026-10-19 */
#define WORLD_ROLE "atlassian/user"

enum { JIRA = 1, JSM = 2 };
static const int group_gives[WORLD_GROUPS] = { JIRA, JIRA, JIRA | JSM, JSM };

/* A fact of the organisation: shown as it was until the lag has passed. */
struct cell {
	int now, before;
	int64_t at_ms;
	unsigned changes; /* that came through us */
};

struct world_account {
	struct cell status, tokens, role, groups[WORLD_GROUPS];
	bool inferred;   /* an administrator's role implies jira */
	bool gone;       /* no such account */
	bool impossible; /* may not be changed */
};

struct world_line {
	char kind; /* b i o e */
	size_t step;
	enum step_mark mark;
	enum apply_outcome outcome;
	int64_t at_ms;
	char text[ERR_TEXT_BYTES];
};

/* An action with its place in the world. */
struct world_action {
	struct world_line lines[WORLD_LINES];
	size_t line_count;
	unsigned effects[WORLD_STEPS];  /* how often a step really changed something */
	unsigned repeated[WORLD_STEPS]; /* how often it was asked for although it had */
	char key[WORLD_STEPS][64];      /* of the notice that was sent */
	int64_t again_ms;
	bool finished; /* finish() told an outcome */
	enum apply_outcome outcome;
	struct judgement judgement; /* all zero: wanted */
};

struct world {
	int64_t now_ms;
	struct plan plan;
	struct action actions[WORLD_ACTIONS];
	struct action_step steps[WORLD_ACTIONS][WORLD_STEPS];
	struct world_action kept[WORLD_ACTIONS];
	struct world_account accounts[WORLD_ACTIONS];
	struct apply_item item; /* what next() hands out, but for the action */
	const char *released[4];
	struct policy *policy;
	struct reconcile_ports ports;

	/* what goes wrong */
	unsigned points, kill_at; /* from 1; 0: never */
	bool killed;
	unsigned target_calls, fault_nth; /* from 1: that call to the organisation faults */
	bool fault_after;                 /* after its effect */
	int read_fault, act_fault, verify_fault, judge_fault; /* as long as they are set */
	bool act_happens; /* an act_fault comes after the effect */
	bool verify_unknown, paths_untold, status_untold, seat_untold, seat_sticks;
	unsigned reads, acts, verifies, judges;
	bool stop;
};

/* --- points ---------------------------------------------------------------------------------
 */

/* One of the two points of a port call. Nothing may come after a kill. */
static int point(struct world *w, struct err *err)
{
	if (w->killed)
		fail_msg("a port was called after the run had been ended by a fault");
	if (++w->points != w->kill_at)
		return 0;
	w->killed = true;
	return err_set(err, ERR_CANCELLED, "killed at point %u", w->points);
}

static int network(struct world *w, bool after, struct err *err)
{
	if (!after)
		w->target_calls++;
	if (w->fault_nth != w->target_calls || w->fault_after != after)
		return 0;
	return err_set(err, ERR_NETWORK, "connection reset");
}

/* --- the organisation -----------------------------------------------------------------------
 */

static int shown(const struct world *w, const struct cell *c)
{
	return w->now_ms - c->at_ms >= WORLD_LAG_MS ? c->now : c->before;
}

static void cell_is(struct cell *c, int value)
{
	c->now = c->before = value;
	c->at_ms = 0;
}

/* True if that changed something. */
static bool cell_set(struct world *w, struct cell *c, int value)
{
	if (c->now == value)
		return false;
	c->before = c->now;
	c->now = value;
	c->at_ms = w->now_ms;
	c->changes++;
	return true;
}

static struct cell *cell_of(struct world *w, const struct action *action,
			    const struct action_step *step, int *wanted)
{
	static const int to[STEP_OP_COUNT] = {
		[STEP_SUSPEND] = ACCOUNT_SUSPENDED,
		[STEP_RESTORE] = ACCOUNT_ACTIVE,
		[STEP_DISABLE] = ACCOUNT_DEACTIVATED,
		[STEP_ENABLE] = ACCOUNT_ACTIVE,
		[STEP_ADD_GROUP] = 1,
		[STEP_ASSIGN_ROLE] = 1,
	};
	struct world_account *a = &w->accounts[action->account];

	*wanted = to[step->op];
	switch (step->op) {
	case STEP_REMOVE_GROUP:
	case STEP_ADD_GROUP:
		return &a->groups[step->group[1] - '0'];
	case STEP_REVOKE_ROLE:
	case STEP_ASSIGN_ROLE:
		return &a->role;
	case STEP_REVOKE_TOKEN:
		return &a->tokens;
	default:
		return &a->status;
	}
}

static void add_text(struct vec_text *into, const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	assert_int_equal(vec_text_add(into, copy), 0);
}

static void show_paths(struct world *w, const struct world_account *a, int product,
		       struct target_state *ret)
{
	for (int g = 0; g < WORLD_GROUPS; g++) {
		char id[] = { 'g', (char)('0' + g), '\0' };

		if ((group_gives[g] & product) && shown(w, &a->groups[g]))
			add_text(&ret->groups, id);
	}
	if (product == JIRA && shown(w, &a->role))
		add_text(&ret->roles, WORLD_ROLE);
	if (product == JIRA && a->inferred)
		add_text(&ret->others, "role admin, implied by an administrator's role");
	ret->paths = true;
	ret->seat = tri_of(w->seat_sticks || ret->groups.n || ret->roles.n || ret->others.n);
	if (w->seat_untold)
		ret->seat = TRI_UNKNOWN;
}

static int world_read(void *ctx, const struct action *action, struct target_state *ret,
		      struct err *err)
{
	struct world *w = ctx;
	const struct world_account *a = &w->accounts[action->account];
	int r = point(w, err);

	w->reads++;
	if (r == 0)
		r = network(w, false, err);
	if (r == 0 && w->read_fault)
		r = err_set(err, -w->read_fault, "reading faulted");
	if (r < 0)
		return r;
	if (!a->gone && !w->status_untold)
		ret->status = (enum account_status)shown(w, &a->status);
	if (!a->gone && action_kinds[action->kind].seat && !w->paths_untold)
		show_paths(w, a, strcmp(action->product, "jira") == 0 ? JIRA : JSM, ret);
	r = point(w, err);
	if (r == 0)
		r = network(w, true, err);
	return r < 0 ? r : a->gone ? TARGET_GONE : 0;
}

static enum step_mark mark_now(const struct world_action *k, size_t step);

static void happen(struct world *w, const struct action *action, size_t step, const char *key)
{
	struct world_action *k = &w->kept[action->n - 1];
	struct cell *c;
	int wanted;

	if (action->steps[step].op == STEP_NOTIFY) {
		/* an outbox takes the same key once */
		if (strcmp(k->key[step], key) != 0)
			k->effects[step]++;
		snprintf(k->key[step], sizeof(k->key[step]), "%s", key);
		return;
	}
	k->repeated[step] += k->effects[step] > 0;
	c = cell_of(w, action, &action->steps[step], &wanted);
	k->effects[step] += cell_set(w, c, wanted);
}

static int world_act(void *ctx, const struct action *action, const struct action_step *step,
		     const char *key, struct err *err)
{
	struct world *w = ctx;
	size_t i = (size_t)(step - action->steps);
	int r = point(w, err);

	w->acts++;
	if (r == 0 && w->item.mode == ORG_OBSERVE)
		fail_msg("something was changed in mode observe");
	if (r == 0 && mark_now(&w->kept[action->n - 1], i) != STEP_MARK_INTENT)
		fail_msg("action %u step %zu: acted without an intent", action->n, i);
	if (r == 0)
		r = network(w, false, err);
	if (r < 0)
		return r;
	if (w->accounts[action->account].impossible) {
		(void)err_set(err, ERR_FORBIDDEN, "an external directory owns the account");
		r = point(w, err);
		return r < 0 ? r : TARGET_IMPOSSIBLE;
	}
	if (!w->act_fault || w->act_happens)
		happen(w, action, i, key);
	if (w->act_fault)
		return err_set(err, -w->act_fault, "acting faulted");
	r = point(w, err);
	return r < 0 ? r : network(w, true, err);
}

static int world_verify(void *ctx, const struct action *action, const struct action_step *step,
			enum verify *ret, struct err *err)
{
	struct world *w = ctx;
	int wanted, r = point(w, err);

	w->verifies++;
	assert_true(step_ops[step->op].verifiable);
	if (r == 0)
		r = network(w, false, err);
	if (r == 0 && w->verify_fault)
		r = err_set(err, -w->verify_fault, "verifying faulted");
	if (r < 0)
		return r;
	*ret = shown(w, cell_of(w, action, step, &wanted)) == wanted ? VERIFY_DONE
								     : VERIFY_NOT_DONE;
	if (w->verify_unknown)
		*ret = VERIFY_UNKNOWN;
	r = point(w, err);
	if (r == 0)
		r = network(w, true, err);
	return r < 0 ? r : w->accounts[action->account].gone ? TARGET_GONE : 0;
}

/* --- the journal ----------------------------------------------------------------------------
 */

static bool has_line(const struct world_action *k, char kind)
{
	for (size_t i = 0; i < k->line_count; i++)
		if (k->lines[i].kind == kind)
			return true;
	return false;
}

static enum step_mark mark_now(const struct world_action *k, size_t step)
{
	enum step_mark mark = STEP_MARK_NONE;

	for (size_t i = 0; i < k->line_count; i++) {
		const struct world_line *l = &k->lines[i];

		if (l->kind == 'i' && l->step == step)
			mark = STEP_MARK_INTENT;
		else if (l->kind == 'o' && l->step == step)
			mark = l->mark;
	}
	return mark;
}

static int world_state(void *ctx, uint64_t plan, const struct action *action,
		       struct journal_state *ret, struct err *err)
{
	struct world *w = ctx;
	const struct world_action *k = &w->kept[action->n - 1];
	int r = point(w, err);

	assert_int_equal(plan, w->item.plan_id);
	if (r < 0)
		return r;
	for (size_t i = 0; i < k->line_count; i++) {
		const struct world_line *l = &k->lines[i];

		ret->begun |= l->kind == 'b';
		if (l->kind == 'e')
			ret->ended = l->outcome;
		if (l->kind == 'o')
			ret->ended_ms = l->at_ms;
		if (l->kind == 'i')
			ret->steps[l->step].attempts++;
		if (l->kind != 'i' && l->kind != 'o')
			continue;
		ret->steps[l->step].mark = l->kind == 'i' ? STEP_MARK_INTENT : l->mark;
		ret->steps[l->step].at_ms = l->at_ms;
	}
	return point(w, err);
}

static int line_add(struct world *w, const struct action *action, struct world_line line,
		    const char *text, struct err *err)
{
	struct world_action *k = &w->kept[action->n - 1];
	int r = point(w, err);

	if (r < 0)
		return r;
	assert_int_equal(line.at_ms, w->now_ms);
	assert_in_range(k->line_count, 0, WORLD_LINES - 1);
	if (has_line(k, 'e'))
		fail_msg("action %u: a line '%c' after its end", action->n, line.kind);
	snprintf(line.text, sizeof(line.text), "%s", text);
	k->lines[k->line_count++] = line;
	return point(w, err);
}

static int world_begin(void *ctx, uint64_t plan, const struct action *action, int64_t at_ms,
		       struct err *err)
{
	struct world *w = ctx;

	(void)plan;
	assert_false(has_line(&w->kept[action->n - 1], 'b'));
	return line_add(w, action, (struct world_line){ .kind = 'b', .at_ms = at_ms }, "", err);
}

static int world_intent(void *ctx, uint64_t plan, const struct action *action, size_t step,
			int64_t at_ms, struct err *err)
{
	struct world *w = ctx;

	(void)plan;
	assert_true(has_line(&w->kept[action->n - 1], 'b'));
	assert_int_not_equal(mark_now(&w->kept[action->n - 1], step), STEP_MARK_DONE);
	return line_add(w, action,
			(struct world_line){ .kind = 'i', .step = step, .at_ms = at_ms }, "",
			err);
}

static int world_outcome(void *ctx, uint64_t plan, const struct action *action, size_t step,
			 enum step_mark mark, const char *text, int64_t at_ms, struct err *err)
{
	struct world *w = ctx;

	(void)plan;
	/* the store refuses an outcome that answers no open intent */
	assert_int_equal(mark_now(&w->kept[action->n - 1], step), STEP_MARK_INTENT);
	assert_in_range(mark, STEP_MARK_DONE, STEP_MARK_REFUSED);
	return line_add(
		w, action,
		(struct world_line){ .kind = 'o', .step = step, .mark = mark, .at_ms = at_ms },
		text, err);
}

static int world_end(void *ctx, uint64_t plan, const struct action *action,
		     enum apply_outcome outcome, const char *text, int64_t at_ms,
		     struct err *err)
{
	(void)plan;
	assert_int_not_equal(outcome, OUTCOME_NONE);
	return line_add(ctx, action,
			(struct world_line){ .kind = 'e', .outcome = outcome, .at_ms = at_ms },
			text, err);
}

/* --- what to do next ------------------------------------------------------------------------
 */

static bool offered(const struct world *w, size_t i, bool begun)
{
	const struct world_action *k = &w->kept[i];

	return !k->finished && has_line(k, 'b') == begun && k->again_ms <= w->now_ms;
}

static int world_next(void *ctx, struct apply_item *ret, struct err *err)
{
	struct world *w = ctx;
	int r = point(w, err);

	if (r < 0)
		return r;
	for (int begun = 1; begun >= 0; begun--) {
		for (size_t i = 0; i < w->plan.actions.n; i++) {
			if (!offered(w, i, begun))
				continue;
			*ret = w->item;
			ret->action = &w->actions[i];
			return point(w, err);
		}
	}
	r = point(w, err);
	return r < 0 ? r : APPLY_IDLE;
}

static int world_finish(void *ctx, const struct apply_item *item, enum apply_outcome outcome,
			const char *text, int64_t again_ms, struct err *err)
{
	struct world *w = ctx;
	struct world_action *k = &w->kept[item->action->n - 1];
	int r = point(w, err);

	(void)text;
	if (r < 0)
		return r;
	k->again_ms = again_ms;
	k->outcome = outcome;
	k->finished = outcome != OUTCOME_NONE;
	assert_int_equal(k->finished, has_line(k, 'e'));
	if (!k->finished && again_ms <= w->now_ms)
		fail_msg("action %u would be offered again at once", item->action->n);
	return point(w, err);
}

static int world_judge(void *ctx, const struct apply_item *item, struct judgement *ret,
		       struct err *err)
{
	struct world *w = ctx;
	const struct judgement *told = &w->kept[item->action->n - 1].judgement;
	int r = point(w, err);

	w->judges++;
	if (r == 0 && w->judge_fault)
		r = err_set(err, -w->judge_fault, "judging faulted");
	if (r < 0)
		return r;
	*ret = *told;
	if (told->verdict == JUDGE_UNKNOWN && !told->text[0])
		ret->verdict = JUDGE_WANTED;
	return point(w, err);
}

static int64_t world_now(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static bool world_stop(void *ctx)
{
	return ((struct world *)ctx)->stop;
}

/* --- making one -----------------------------------------------------------------------------
 */

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err;

	assert_non_null(w);
	assert_ok(policy_bind(NULL, NULL, &w->policy, &err), &err);
	w->policy->quiet = false;
	w->now_ms = WORLD_START_MS;
	w->plan.org = "acme";
	w->plan.now_ms = WORLD_START_MS - STAMP_HOUR_MS;
	w->plan.complete = true;
	w->plan.actions = (struct vec_action){ w->actions, 0, WORLD_ACTIONS };
	w->item = (struct apply_item){
		.plan_id = 41,
		.plan = &w->plan,
		.approval = { .persons = 1,
			      .approved_ms = WORLD_START_MS - STAMP_MINUTE_MS,
			      .released = w->released },
		.with_approved = true,
		.mode = ORG_ACT,
	};
	w->ports = (struct reconcile_ports){
		.target = { w, world_read, world_act, world_verify },
		.journal = { w, world_state, world_begin, world_intent, world_outcome,
			     world_end },
		.work = { w, world_next, world_finish, world_judge, world_now, world_stop },
	};
	return w;
}

static void world_free(struct world *w)
{
	if (!w)
		return;
	policy_free(w->policy);
	free(w);
}
OWNED(struct world, world_free)

/* Adds an action about an account of its own. */
static struct action *world_add(struct world *w, enum action_kind kind, enum plan_class class)
{
	size_t i = w->plan.actions.n++;
	struct action *action = &w->actions[i];

	assert_in_range(i, 0, WORLD_ACTIONS - 1);
	*action = (struct action){
		.n = (uint32_t)i + 1,
		.kind = kind,
		.rule = "leaver-hr",
		.class = class,
		.person = 100 + i,
		.account = i,
		.product = action_kinds[kind].seat ? "jira" : NULL,
		.site = action_kinds[kind].seat ? "acme.atlassian.net" : NULL,
		.reason = "the last working day is over",
		.steps = w->steps[i],
		.due_ms = WORLD_START_MS - 2 * STAMP_MINUTE_MS,
		.not_after_ms = PLAN_NOT_AFTER_MS,
		.needs = 1,
	};
	cell_is(&w->accounts[i].status, ACCOUNT_ACTIVE);
	return action;
}

static struct action_step *world_step(struct action *action, enum step_op op)
{
	struct action_step *step = &action->steps[action->step_count++];

	assert_in_range(action->step_count, 1, WORLD_STEPS);
	step->op = op;
	step->directory = "dir-1";
	return step;
}

/* An action about the status: one step. */
static struct action *world_status(struct world *w, enum action_kind kind, enum step_op op,
				   enum plan_class class, enum account_status before)
{
	struct action *action = world_add(w, kind, class);

	world_step(action, op);
	action->before.status = before;
	action->after.status = action_kinds[kind].to;
	cell_is(&w->accounts[action->account].status, before);
	return action;
}

static struct action *world_suspend(struct world *w)
{
	return world_status(w, ACTION_SUSPEND, STEP_SUSPEND, PLAN_LEAVER, ACCOUNT_ACTIVE);
}

static const char *const group_ids[WORLD_GROUPS] = { "g0", "g1", "g2", "g3" };
static const char *const role_ids[] = { WORLD_ROLE };

/* An action that frees the seat that groups [from, to) give; for jira the role too. */
static struct action *world_free_seat(struct world *w, const char *product, int from, int to,
				      bool role)
{
	struct action *action = world_add(w, ACTION_FREE_SEAT, PLAN_INACTIVE);

	action->product = product;
	action->before.paths = action->after.paths = true;
	action->before.groups = group_ids + from;
	action->before.group_count = (size_t)(to - from);
	action->before.roles = role_ids;
	action->before.role_count = role;
	for (int g = from; g < to; g++) {
		struct action_step *step = world_step(action, STEP_REMOVE_GROUP);

		step->group = group_ids[g];
		step->name = g == 0 ? "jira-users" : NULL;
		cell_is(&w->accounts[action->account].groups[g], 1);
	}
	if (role) {
		world_step(action, STEP_REVOKE_ROLE)->role = WORLD_ROLE;
		cell_is(&w->accounts[action->account].role, 1);
	}
	return action;
}

/* The text of an action's last line. */
static UNUSED const char *world_text(const struct world *w, const struct action *action)
{
	const struct world_action *k = &w->kept[action->n - 1];

	return k->line_count ? k->lines[k->line_count - 1].text : "";
}

#endif
