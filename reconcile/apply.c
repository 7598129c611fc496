#include "reconcile/apply.h"

#include <stdarg.h>
#include <stdio.h>

#include "reconcile/calendar.h"
#include "reconcile/guard.h"
#include "reconcile/policy.h"

static const char *const outcome_words[OUTCOME_COUNT] = {
	[OUTCOME_NONE] = "waiting",          [OUTCOME_DONE] = "done",
	[OUTCOME_FREED] = "freed",           [OUTCOME_ALREADY] = "already",
	[OUTCOME_SKIPPED] = "skipped",       [OUTCOME_FAILED] = "failed",
	[OUTCOME_STILL_HELD] = "still-held", [OUTCOME_UNVERIFIABLE] = "held-unverifiable",
};

const char *apply_outcome_word(enum apply_outcome outcome)
{
	return (unsigned)outcome < OUTCOME_COUNT ? outcome_words[outcome] : "unknown";
}

void vec_text_free(struct vec_text *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	vec_text_done(v);
}

void target_state_done(struct target_state *s)
{
	if (!s)
		return;
	vec_text_free(&s->groups);
	vec_text_free(&s->roles);
	vec_text_free(&s->others);
	*s = (struct target_state){ 0 };
}

/* --- one action on its way ------------------------------------------------------------------
 */

/*
 * Functions below return 0 to go on, SETTLED when *ret says what became of the action (or when
 * it is to be offered again), and a fault when the journal failed.
 */
enum { SETTLED = 1 };

struct doing {
	const struct reconcile_ports *ports;
	const struct policy *policy;
	const struct apply_item *item;
	const struct action *action;
	struct journal_state state;
	struct apply_result *ret;
	struct err *err;
};

static int64_t now(const struct doing *d)
{
	return d->ports->work.now_ms(d->ports->work.ctx);
}

/* Put back: nothing is decided yet. */
static int again(struct doing *d, int64_t at_ms, const char *format, ...) PRINTF(3, 4);
static int again(struct doing *d, int64_t at_ms, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(d->ret->text, sizeof(d->ret->text), format, args);
	va_end(args);
	d->ret->outcome = OUTCOME_NONE;
	d->ret->again_ms = at_ms;
	return SETTLED;
}

/* The last line of an action in the journal. */
static int end(struct doing *d, enum apply_outcome outcome, const char *format, ...)
	PRINTF(3, 4);
static int end(struct doing *d, enum apply_outcome outcome, const char *format, ...)
{
	const struct reconcile_journal *j = &d->ports->journal;
	va_list args;
	int r;

	va_start(args, format);
	(void)vsnprintf(d->ret->text, sizeof(d->ret->text), format, args);
	va_end(args);
	d->ret->outcome = outcome;
	r = j->end(j->ctx, d->item->plan_id, d->action, outcome, d->ret->text, now(d), d->err);
	return r < 0 ? r : SETTLED;
}

static size_t steps_done(const struct doing *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->action->step_count; i++)
		n += d->state.steps[i].mark == STEP_MARK_DONE;
	return n;
}

/* What may not be done (any more): skipped if nothing happened yet, else it stops half-way. */
static int stop_because(struct doing *d, const char *format, ...) PRINTF(2, 3);
static int stop_because(struct doing *d, const char *format, ...)
{
	char why[ERR_TEXT_BYTES - 64];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (steps_done(d) == 0)
		return end(d, OUTCOME_SKIPPED, "%s", why);
	return end(d, OUTCOME_FAILED, "stopped after %zu of %zu steps: %s", steps_done(d),
		   d->action->step_count, why);
}

/* --- may it start: what the rows of people say ----------------------------------------------
 */

static bool is_released(const struct apply_approval *a, const char *guard)
{
	int id = guard_of(str_of(guard));

	/* what only another cause can lift, no approval lifts */
	if (id < 0 || guards[id].release != RELEASE_PERSON)
		return false;
	for (size_t i = 0; i < a->released_count; i++)
		if (strcmp(a->released[i], guard) == 0)
			return true;
	return false;
}

static int check_approval(struct doing *d)
{
	const struct apply_approval *a = &d->item->approval;
	const struct action *action = d->action;
	bool by_policy = a->policy && action->automatic && action->needs < 2 &&
			 action->held_count == 0 && d->item->mode == ORG_ACT;

	if (!digest_equal(&d->item->digest, &a->digest))
		return stop_because(d, "what was approved are not the bytes of this plan");
	if (d->item->mode == ORG_OBSERVE)
		return stop_because(d, "the organisation is in mode observe");
	if (a->persons < action->needs && !by_policy)
		return stop_because(d, "approved by %u persons where %u are needed", a->persons,
				    action->needs);
	if (!d->item->with_approved)
		return stop_because(d, "it takes a group away together with another action, "
				       "which is not approved");
	for (size_t i = 0; i < d->item->plan->guards.n; i++) {
		const struct plan_guard *g = &d->item->plan->guards.v[i];

		if (g->verdict == GUARD_HOLD_PLAN && !is_released(a, g->name))
			return stop_because(d, "the plan is held by %s: %s", g->name, g->text);
	}
	for (size_t i = 0; i < action->held_count; i++)
		if (!is_released(a, action->held_by[i]))
			return stop_because(d, "held by %s: %s", action->held_by[i],
					    action->says[i]);
	return 0;
}

/* --- may it start now ------------------------------------------------------------------------
 */

static int check_hours(struct doing *d, int64_t now_ms)
{
	struct calendar c = { .quiet = d->policy->quiet,
			      .quiet_from = d->policy->quiet_from,
			      .quiet_until = d->policy->quiet_until };
	struct str zone = d->item->zone.len ? d->item->zone : STR("UTC");
	struct err why;

	if (!action_kinds[d->action->kind].destructive || d->action->class == PLAN_LEAVER)
		return 0;
	if (zone_get(zone, &c.zone, &why) < 0)
		return stop_because(d, "change hours: %s", why.text);
	if (calendar_is_open(&c, now_ms))
		return 0;
	return again(d, calendar_open(&c, now_ms), "waits for the change hours");
}

static int check_time(struct doing *d)
{
	const struct action *a = d->action;
	int64_t now_ms = now(d), from = d->item->approval.approved_ms;

	if (d->item->approval.approved_ms > d->item->plan->now_ms + PLAN_APPROVE_MS)
		return stop_because(d, "the plan was approved after its time");
	if (now_ms < a->due_ms)
		return again(d, a->due_ms, "is not due yet");
	if (a->due_ms > from)
		from = a->due_ms;
	if (now_ms > from + a->not_after_ms)
		return stop_because(d, "expired: it was to start within %lld hours",
				    (long long)(a->not_after_ms / STAMP_HOUR_MS));
	return check_hours(d, now_ms);
}

/* A fault of somebody else: again where that may help, else unknown, and unknown never acts. */
static int not_known(struct doing *d, const char *what, const struct err *why)
{
	if (err_class(why->code)->retry == RETRY_LATER || why->code == ERR_CANCELLED)
		return again(d, now(d) + APPLY_RETRY_MS, "%s: %s", what, why->text);
	return stop_because(d, "unknown: %s: %s", what, why->text);
}

static int check_judgement(struct doing *d)
{
	const struct reconcile_work *w = &d->ports->work;
	struct judgement j = { .verdict = JUDGE_UNKNOWN };
	struct err why = { 0 };
	int r = w->judge(w->ctx, d->item, &j, &why);

	if (r < 0)
		return not_known(d, "judging it again", &why);
	switch (j.verdict) {
	case JUDGE_WANTED:
		return 0;
	case JUDGE_NOT_WANTED:
		return stop_because(d, "not wanted any more: %s", j.text);
	case JUDGE_UNKNOWN:
		return stop_because(d, "unknown: %s", j.text);
	case JUDGE_HELD:
		break;
	}
	for (size_t i = 0; i < j.guard_count; i++)
		if (!is_released(&d->item->approval, j.guards[i]))
			return stop_because(d, "held by %s: %s", j.guards[i], j.text);
	return 0;
}

/* --- what Atlassian shows --------------------------------------------------------------------
 */

static bool is_among(const char *text, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], text) == 0)
			return true;
	return false;
}

static bool all_among(const struct vec_text *texts, const char *const *v, size_t n)
{
	for (size_t i = 0; i < texts->n; i++)
		if (!is_among(texts->v[i], v, n))
			return false;
	return true;
}

static bool same_texts(const struct vec_text *texts, const char *const *v, size_t n)
{
	return texts->n == n && all_among(texts, v, n);
}

/* The fields that the kind touches look like that. */
static bool looks_like(const struct target_state *s, const struct action_fields *f)
{
	if (f->status != ACCOUNT_UNKNOWN && s->status != f->status)
		return false;
	return !f->paths || (s->paths && same_texts(&s->groups, f->groups, f->group_count) &&
			     same_texts(&s->roles, f->roles, f->role_count) && !s->others.n);
}

/* Half-way: nothing may have come that the plan does not know, some may have gone. */
static bool is_between(const struct target_state *s, const struct action_fields *before)
{
	if (before->status != ACCOUNT_UNKNOWN)
		return s->status == before->status;
	return !before->paths ||
	       (s->paths && all_among(&s->groups, before->groups, before->group_count) &&
		all_among(&s->roles, before->roles, before->role_count) && !s->others.n);
}

/* Status or paths that the kind needs and that were not told. */
static bool is_told(const struct target_state *s, const struct action_fields *f)
{
	return (f->status == ACCOUNT_UNKNOWN || s->status != ACCOUNT_UNKNOWN) &&
	       (!f->paths || s->paths);
}

/* Kinds that touch no field (a warning, tokens) have nothing to compare. */
static bool touches(const struct action_fields *f)
{
	return f->status != ACCOUNT_UNKNOWN || f->paths;
}

static int check_account(struct doing *d)
{
	const struct reconcile_target *t = &d->ports->target;
	const struct action *a = d->action;
	CLEANUP(target_state_done) struct target_state s = { 0 };
	struct err why = { 0 };
	int r = t->read(t->ctx, a, &s, &why);

	if (r == TARGET_GONE)
		return stop_because(d, "the account is gone from the organisation");
	if (r < 0)
		return not_known(d, "reading the account", &why);
	if (!is_told(&s, &a->before))
		return stop_because(d, "unknown: Atlassian does not tell the state of the "
				       "account");
	if (!touches(&a->before))
		return 0;
	if (!d->state.begun && looks_like(&s, &a->after))
		return end(d, OUTCOME_ALREADY, "was so before");
	if (d->state.begun ? is_between(&s, &a->before) || looks_like(&s, &a->after)
			   : looks_like(&s, &a->before))
		return 0;
	if (a->before.status != ACCOUNT_UNKNOWN)
		return stop_because(d, "the account changed: it was %s and is %s",
				    account_status_word(a->before.status),
				    account_status_word(s.status));
	return stop_because(d, "the paths to the seat changed since it was planned");
}

/* Everything that must hold just before something is done (law 2). */
static int check_all(struct doing *d)
{
	static int (*const checks[])(struct doing * d) = { check_approval, check_time,
							   check_judgement, check_account };
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(checks) && r == 0; i++)
		r = checks[i](d);
	return r;
}

/* --- steps -----------------------------------------------------------------------------------
 */

static int mark(struct doing *d, size_t step, enum step_mark mark, const char *text)
{
	const struct reconcile_journal *j = &d->ports->journal;
	int64_t at = now(d);
	int r = j->outcome(j->ctx, d->item->plan_id, d->action, step, mark, text, at, d->err);

	if (r < 0)
		return r;
	d->state.steps[step].mark = mark;
	d->state.steps[step].at_ms = at;
	d->state.ended_ms = at;
	return 0;
}

/* How long to wait before a step is looked at again: 30 s, 1 min, 2 min, ... */
static int64_t patience(const struct doing *d, size_t step)
{
	unsigned attempts = d->state.steps[step].attempts;
	int64_t lag = step_ops[d->action->steps[step].op].lag_ms;
	int64_t wait = APPLY_RETRY_MS << (attempts > 6 ? 6 : attempts ? attempts - 1 : 0);

	return wait > lag ? wait : lag;
}

/* The other side said no, for good. */
static int refused(struct doing *d, size_t step, const char *text, bool nothing_done)
{
	int r = mark(d, step, STEP_MARK_REFUSED, text);

	if (r < 0)
		return r;
	if (nothing_done && steps_done(d) == 0)
		return end(d, OUTCOME_SKIPPED, "%s", text);
	return end(d, OUTCOME_FAILED, "step %zu of %zu: %s", step + 1, d->action->step_count,
		   text);
}

/* Intent, act, outcome (law 3). */
static int step_do(struct doing *d, size_t step)
{
	const struct reconcile_journal *j = &d->ports->journal;
	const struct reconcile_target *t = &d->ports->target;
	struct err why = { 0 };
	char key[96];
	int64_t at = now(d);
	int r;

	if (d->state.steps[step].attempts >= APPLY_MAX_ATTEMPTS)
		return refused(d, step, "done again and again without effect", false);
	r = j->intent(j->ctx, d->item->plan_id, d->action, step, at, d->err);
	if (r < 0)
		return r;
	d->state.steps[step].mark = STEP_MARK_INTENT;
	d->state.steps[step].at_ms = at;
	d->state.steps[step].attempts++;

	(void)snprintf(key, sizeof(key), "plan-%llu-action-%u-step-%zu",
		       (unsigned long long)d->item->plan_id, d->action->n, step + 1);
	r = t->act(t->ctx, d->action, &d->action->steps[step], key, &why);
	if (r == 0)
		return mark(d, step, STEP_MARK_DONE, "");
	if (r == TARGET_IMPOSSIBLE)
		return refused(d, step, why.text[0] ? why.text : "Atlassian does not allow it",
			       false);
	if (r == -ERR_REFUSED)
		return refused(d, step, why.text, true);
	/* it may have happened all the same: the intent stays open and is verified */
	if (err_class(r)->retry == RETRY_LATER || r == -ERR_CANCELLED)
		return again(d, now(d) + patience(d, step), "step %zu: %s", step + 1, why.text);
	return refused(d, step, why.text, false);
}

/* Nobody can tell: a person must look. */
static int give_up(struct doing *d, size_t step, const char *why)
{
	return end(
		d, OUTCOME_UNVERIFIABLE,
		"whether step %zu of %zu happened cannot be told: %s; look at the account and "
		"say what is so",
		step + 1, d->action->step_count, why);
}

/* An open intent is verified, after Atlassian's lag, never blindly repeated. */
static int intent_settle(struct doing *d, size_t step)
{
	const struct reconcile_target *t = &d->ports->target;
	const struct step_op_row *op = &step_ops[d->action->steps[step].op];
	int64_t since = d->state.steps[step].at_ms;
	enum verify verify = VERIFY_UNKNOWN;
	struct err why = { 0 };
	int r;

	if (!op->verifiable)
		return op->idempotent ? 0 : give_up(d, step, "it cannot be asked");
	r = t->verify(t->ctx, d->action, &d->action->steps[step], &verify, &why);
	if (r == TARGET_GONE || (r == 0 && verify == VERIFY_DONE))
		return mark(d, step, STEP_MARK_DONE, "verified");
	if (r == 0 && verify == VERIFY_NOT_DONE) {
		if (now(d) < since + op->lag_ms)
			return again(d, since + op->lag_ms, "waits out Atlassian's lag");
		return 0;
	}
	if (now(d) >= since + APPLY_UNVERIFIED_MS)
		return give_up(d, step, r < 0 ? why.text : "Atlassian does not tell");
	return again(d, now(d) + APPLY_RETRY_MS, "verifying step %zu: %s", step + 1,
		     r < 0 ? why.text : "Atlassian does not tell");
}

static int intents_settle(struct doing *d)
{
	int r = 0;

	for (size_t i = 0; i < d->action->step_count && r == 0; i++) {
		if (d->state.steps[i].mark == STEP_MARK_REFUSED)
			return end(d, OUTCOME_FAILED, "step %zu of %zu was refused", i + 1,
				   d->action->step_count);
		if (d->state.steps[i].mark == STEP_MARK_INTENT)
			r = intent_settle(d, i);
	}
	return r;
}

static int steps_run(struct doing *d)
{
	const struct reconcile_journal *j = &d->ports->journal;
	int r = 0;

	if (steps_done(d) == d->action->step_count && d->state.begun)
		return 0;
	r = check_all(d);
	if (r != 0)
		return r;
	if (!d->state.begun)
		r = j->begin(j->ctx, d->item->plan_id, d->action, now(d), d->err);
	if (r < 0)
		return r;
	d->state.begun = true;
	for (size_t i = 0; i < d->action->step_count && r == 0; i++)
		if (d->state.steps[i].mark != STEP_MARK_DONE)
			r = step_do(d, i);
	return r;
}

/* --- reading back ----------------------------------------------------------------------------
 */

static int64_t longest_lag(const struct action *a)
{
	int64_t lag = 0;

	for (size_t i = 0; i < a->step_count; i++)
		if (step_ops[a->steps[i].op].lag_ms > lag)
			lag = step_ops[a->steps[i].op].lag_ms;
	return lag;
}

/* Not as wanted: perhaps only not yet. */
static int not_yet(struct doing *d)
{
	int64_t until = d->state.ended_ms + longest_lag(d->action);

	return now(d) < until ? again(d, until, "waits out Atlassian's lag") : 0;
}

static int still_held(struct doing *d, const struct target_state *s)
{
	const char *kind = "a path that Atlassian does not name", *name = "";

	if (s->groups.n) {
		kind = "group ";
		name = s->groups.v[0];
	} else if (s->roles.n) {
		kind = "role ";
		name = s->roles.v[0];
	} else if (s->others.n) {
		kind = "";
		name = s->others.v[0];
	}
	return end(d, OUTCOME_STILL_HELD, "the seat is still held by %s%s", kind, name);
}

static int seat_read_back(struct doing *d, const struct target_state *s)
{
	bool left = s->groups.n || s->roles.n || s->others.n;
	int r;

	if (s->seat == TRI_NO || (s->seat == TRI_UNKNOWN && s->paths && !left))
		return end(d, OUTCOME_FREED, "the product shows no path to the seat any more");
	r = not_yet(d);
	return r ? r : still_held(d, s);
}

static int unread(struct doing *d, const char *why)
{
	if (now(d) >= d->state.ended_ms + APPLY_UNVERIFIED_MS)
		return end(d, OUTCOME_UNVERIFIABLE,
			   "done, but what became of it cannot be read: %s", why);
	return again(d, now(d) + APPLY_RETRY_MS, "reading back: %s", why);
}

static int tokens_read_back(struct doing *d)
{
	const struct reconcile_target *t = &d->ports->target;
	enum verify verify = VERIFY_UNKNOWN;
	struct err why = { 0 };
	int r = t->verify(t->ctx, d->action, &d->action->steps[0], &verify, &why);

	if (r == TARGET_GONE || (r == 0 && verify == VERIFY_DONE))
		return end(d, OUTCOME_DONE, "no live token is left");
	if (r < 0 || verify == VERIFY_UNKNOWN)
		return unread(d, r < 0 ? why.text : "Atlassian does not tell");
	r = not_yet(d);
	return r ? r : end(d, OUTCOME_FAILED, "there are still live tokens");
}

static int read_back(struct doing *d)
{
	const struct reconcile_target *t = &d->ports->target;
	const struct action *a = d->action;
	CLEANUP(target_state_done) struct target_state s = { 0 };
	struct err why = { 0 };
	int r;

	if (a->kind == ACTION_WARN)
		return end(d, OUTCOME_DONE, "the notice is on its way");
	if (a->kind == ACTION_REVOKE_TOKENS)
		return tokens_read_back(d);
	r = t->read(t->ctx, a, &s, &why);
	if (r == TARGET_GONE)
		return end(d, a->kind == ACTION_FREE_SEAT ? OUTCOME_FREED : OUTCOME_DONE,
			   "the account is gone from the organisation");
	if (r < 0)
		return unread(d, why.text);
	if (!is_told(&s, &a->after))
		return unread(d, "Atlassian does not tell");
	if (a->kind == ACTION_FREE_SEAT)
		return seat_read_back(d, &s);
	if (looks_like(&s, &a->after))
		return end(d, OUTCOME_DONE, "read back: %s", account_status_word(s.status));
	r = not_yet(d);
	return r ? r
		 : end(d, OUTCOME_FAILED, "Atlassian accepted it, but the account is still %s",
		       account_status_word(s.status));
}

/* --- the whole -------------------------------------------------------------------------------
 */

int apply_action(const struct reconcile_ports *ports, const struct policy *policy,
		 const struct apply_item *item, struct apply_result *ret, struct err *err)
{
	CLEANUP(free_at) struct doing *d = calloc(1, sizeof(*d));
	int r;

	*ret = (struct apply_result){ 0 };
	if (!d)
		return err_nomem(err);
	*d = (struct doing){ .ports = ports,
			     .policy = policy,
			     .item = item,
			     .action = item->action,
			     .ret = ret,
			     .err = err };
	if (item->action->step_count > APPLY_MAX_STEPS)
		return err_set(err, ERR_LIMIT, "action %u has more than %d steps",
			       item->action->n, APPLY_MAX_STEPS);
	r = ports->journal.state(ports->journal.ctx, item->plan_id, item->action, &d->state,
				 err);
	if (r < 0)
		return r;
	ret->outcome = d->state.ended;
	if (d->state.ended != OUTCOME_NONE)
		return 0;
	r = intents_settle(d);
	if (r == 0)
		r = steps_run(d);
	if (r == 0)
		r = read_back(d);
	return r < 0 ? r : 0;
}

int apply_run(const struct reconcile_ports *ports, const struct policy *policy,
	      struct apply_counts *counts, struct err *err)
{
	const struct reconcile_work *w = &ports->work;
	struct apply_counts none;
	int r;

	if (!counts)
		counts = &none;
	*counts = (struct apply_counts){ { 0 } };
	for (;;) {
		struct apply_item item = { 0 };
		struct apply_result result;

		if (w->stop(w->ctx))
			return APPLY_STOPPED;
		r = w->next(w->ctx, &item, err);
		if (r != 0)
			return r == APPLY_IDLE ? 0 : r;
		r = apply_action(ports, policy, &item, &result, err);
		if (r < 0)
			return r;
		counts->outcomes[result.outcome]++;
		r = w->finish(w->ctx, &item, result.outcome, result.text, result.again_ms, err);
		if (r < 0)
			return r;
	}
}
