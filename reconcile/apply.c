#include "reconcile/apply.h"

#include <stdio.h>

#include "reconcile/calendar.h"
#include "reconcile/guard.h"
#include "reconcile/policy.h"
#include "reconcile/stage.h"

/*
 * How one action goes, over as many offers as it takes. All that is remembered between two
 * offers is the journal, so that a put-back and a crash are the same thing:
 *
 *   not begun    checks[], in order, each of which may end the action (skipped, already) or put
 *                it back; when none does, `begin` is written. From there on the action is
 *                carried to its end, and nothing is judged again.
 *   begun        each step, in order, by its newest mark:
 *                  none     intent, act, outcome
 *                  intent   open: the effect may be there. Asked where Atlassian can be asked
 *                           (still not seen before the lag has passed: put back); done again
 *                           only when it is known not to be there, or where a repetition with
 *                           the same key changes nothing
 *                  done     nothing
 *                  refused  no further step: nothing else is tried instead
 *                then the result is read back, again waiting out the lag, and `end` is written.
 *   ended        nothing: the crash came between `end` and finish()
 *
 * A step whose call faults in a way that may pass keeps its open intent. A fault of ours (lost
 * lease, cancelled) ends the run at once and writes nothing more.
 */

#define APPLY_MAX_WITH 64 /* other actions that take the same group away */

/* What the parts of a pass answer when it is over: .result says how. */
enum { GO_ON = 0, OVER = 1 };

struct applying {
	const struct reconcile_ports *ports;
	const struct policy *policy;
	const struct apply_item *item;
	const struct action *action;
	struct journal_state state;
	uint64_t with_begun; /* bit i: action->with[i] was begun, and its groups may be gone */
	bool unwanted;       /* the rule does not hold any more, after one of those was begun */
	struct judgement judgement;
	char refusal[ERR_TEXT_BYTES]; /* why a step was refused in this pass */
	struct apply_result result;
	struct err said;
};

/* --- words and small questions --------------------------------------------------------------
 */

static const char *const outcome_words[OUTCOME_COUNT] = {
	[OUTCOME_NONE] = "not-ended",        [OUTCOME_DONE] = "done",
	[OUTCOME_FREED] = "freed",           [OUTCOME_ALREADY] = "already",
	[OUTCOME_SKIPPED] = "skipped",       [OUTCOME_FAILED] = "failed",
	[OUTCOME_STILL_HELD] = "still-held", [OUTCOME_UNVERIFIABLE] = "unverifiable",
};

const char *apply_outcome_word(enum apply_outcome outcome)
{
	return (unsigned)outcome < OUTCOME_COUNT ? outcome_words[outcome] : "unknown";
}

void vec_text_free(struct vec_text *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	vec_text_done(v);
}

void target_state_done(struct target_state *s)
{
	vec_text_free(&s->groups);
	vec_text_free(&s->roles);
	vec_text_free(&s->others);
}

static int64_t now_ms(const struct applying *a)
{
	return a->ports->work.now_ms(a->ports->work.ctx);
}

/* Takes something away: what an undo gives back is of the same kind, but does not. */
static bool takes_away(const struct action *action)
{
	return action_kinds[action->kind].destructive &&
	       (action->class != PLAN_RESTORE || action->kind == ACTION_REMOVE_GROUPS);
}

static bool frees_seat(const struct action *action)
{
	return action->kind == ACTION_FREE_SEAT && action->class != PLAN_RESTORE;
}

static bool touches_status(const struct action *action)
{
	return action->before.status != ACCOUNT_UNKNOWN ||
	       action->after.status != ACCOUNT_UNKNOWN;
}

static bool touches_record(const struct action *action)
{
	return action->after.provision != PROVISION_UNKNOWN;
}

static bool touches_paths(const struct action *action)
{
	return action->before.paths || action->after.paths;
}

/* Our own troubles: whoever goes on after them reads the journal first. */
static bool ends_run(int r)
{
	return r == -ERR_LEASE || r == -ERR_CANCELLED;
}

static bool may_pass(int r)
{
	return err_class(r)->retry == RETRY_LATER;
}

static size_t steps_done(const struct applying *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->action->step_count; i++)
		n += a->state.steps[i].mark == STEP_MARK_DONE;
	return n;
}

static int64_t longest_lag_ms(const struct action *action)
{
	int64_t lag = 0;

	for (size_t i = 0; i < action->step_count; i++)
		if (step_ops[action->steps[i].op].lag_ms > lag)
			lag = step_ops[action->steps[i].op].lag_ms;
	return lag;
}

#define STEP_WORDS_BYTES 200

/* "step 2, remove-group jira-users" */
static const char *step_words(const struct action *action, size_t i, char ret[STEP_WORDS_BYTES])
{
	const struct action_step *step = &action->steps[i];
	const char *what = step->name ? step->name : step->group ? step->group : step->role;

	(void)snprintf(ret, STEP_WORDS_BYTES, "step %zu, %s%s%s", i + 1,
		       step_ops[step->op].word, what ? " " : "", what ? what : "");
	return ret;
}

/* --- ending a pass --------------------------------------------------------------------------
 */

static PRINTF(2, 0) void tell(char ret[ERR_TEXT_BYTES], const char *format, va_list args)
{
	struct err sentence = { 0 };

	(void)err_vset(&sentence, ERR_HELD, format, args);
	memcpy(ret, sentence.text, ERR_TEXT_BYTES);
}

/* The action is over. */
static PRINTF(3, 4) int end(struct applying *a, enum apply_outcome outcome, const char *format,
			    ...)
{
	const struct reconcile_journal *j = &a->ports->journal;
	va_list args;
	int r;

	va_start(args, format);
	tell(a->result.text, format, args);
	va_end(args);
	a->result.outcome = outcome;
	a->result.again_ms = 0;
	r = j->end(j->ctx, a->item->plan_id, a->action, outcome, a->result.text, now_ms(a),
		   &a->said);
	return r == 0 ? OVER : r;
}

/* To be offered again; always ahead, lest the run turns on the spot. */
static PRINTF(3, 4) int put_back(struct applying *a, int64_t at_ms, const char *format, ...)
{
	int64_t now = now_ms(a);
	va_list args;

	va_start(args, format);
	tell(a->result.text, format, args);
	va_end(args);
	a->result.outcome = OUTCOME_NONE;
	a->result.again_ms = at_ms > now ? at_ms : now + 1;
	return OVER;
}

/* A fault before anything was begun. One that may pass is tried again until the action's time
 * is over; what cannot be known is skipped. */
static int trouble(struct applying *a, int r, const char *what)
{
	if (ends_run(r))
		return r;
	if (may_pass(r))
		return put_back(a, now_ms(a) + APPLY_RETRY_MS, "%s: %s", what, a->said.text);
	return end(a, OUTCOME_SKIPPED, "%s: %s", what, a->said.text);
}

/* --- before it begins: approval -------------------------------------------------------------
 */

static int check_mode(struct applying *a)
{
	if (a->item->mode != ORG_OBSERVE)
		return GO_ON;
	return end(a, OUTCOME_SKIPPED,
		   "organisation %s is in mode observe: nothing may be changed there",
		   a->item->plan->org);
}

static int check_bytes(struct applying *a)
{
	if (digest_equal(&a->item->approval.digest, &a->item->digest))
		return GO_ON;
	return end(a, OUTCOME_SKIPPED,
		   "what was approved are other bytes than those of the stored plan: look at "
		   "the plan and approve it again");
}

static int check_approval(struct applying *a)
{
	const struct apply_approval *given = &a->item->approval;
	unsigned needs = a->action->needs ? a->action->needs : 1;

	if (given->persons >= needs)
		return GO_ON;
	if (given->policy && a->action->automatic && needs == 1 &&
	    a->action->verdict == VERDICT_PASS) {
		if (a->item->mode == ORG_ACT)
			return GO_ON;
		return end(a, OUTCOME_SKIPPED,
			   "only the policy approved it, and organisation %s is not in mode "
			   "act: a person must approve it",
			   a->item->plan->org);
	}
	if (given->policy)
		return end(a, OUTCOME_SKIPPED,
			   "the policy may not approve it: it needs the approval of %u "
			   "person%s and has %u",
			   needs, needs == 1 ? "" : "s", given->persons);
	return end(a, OUTCOME_SKIPPED, "it needs the approval of %u person%s and has %u", needs,
		   needs == 1 ? "" : "s", given->persons);
}

static bool is_released(const struct applying *a, const char *guard)
{
	const struct apply_approval *given = &a->item->approval;
	int row = guard_of(str_of(guard));

	if (row < 0 || guards[row].release == RELEASE_NEVER)
		return false;
	for (size_t i = 0; i < given->released_count; i++)
		if (strcmp(given->released[i], guard) == 0)
			return true;
	return false;
}

static int check_guards(struct applying *a)
{
	const struct vec_guard *of_plan = &a->item->plan->guards;
	const struct action *action = a->action;

	if (action->verdict == VERDICT_HELD && action->held_count == 0)
		return end(a, OUTCOME_SKIPPED, "the plan holds it");
	for (size_t i = 0; action->verdict == VERDICT_HELD && i < action->held_count; i++)
		if (!is_released(a, action->held_by[i]))
			return end(a, OUTCOME_SKIPPED,
				   "guard %s holds it, and was not released",
				   action->held_by[i]);
	for (size_t i = 0; i < of_plan->n; i++)
		if (of_plan->v[i].verdict == GUARD_HOLD_PLAN &&
		    !is_released(a, of_plan->v[i].name))
			return end(a, OUTCOME_SKIPPED,
				   "guard %s holds the whole plan, and was not released",
				   of_plan->v[i].name);
	return GO_ON;
}

/* --- before it begins: time -----------------------------------------------------------------
 */

static int check_time(struct applying *a)
{
	const struct action *action = a->action;
	int64_t approved = a->item->approval.approved_ms, now = now_ms(a);
	int64_t from = approved > action->due_ms ? approved : action->due_ms;
	char when[STAMP_TEXT_BYTES];

	if (approved > a->item->plan->now_ms + PLAN_APPROVE_MS) {
		stamp_text(a->item->plan->now_ms, when);
		return end(a, OUTCOME_SKIPPED,
			   "the plan is of %s and was approved more than %lld h later: its "
			   "evidence is too old, a new plan must be made",
			   when, PLAN_APPROVE_MS / STAMP_HOUR_MS);
	}
	if (now < action->due_ms)
		return put_back(a, action->due_ms, "it is not due yet");
	if (now - from <= action->not_after_ms)
		return GO_ON;
	stamp_text(from + action->not_after_ms, when);
	return end(a, OUTCOME_SKIPPED,
		   "it was to start before %s: its time is over, a new plan must be made",
		   when);
}

static int check_change_hours(struct applying *a)
{
	const struct policy *p = a->policy;
	struct calendar c = { .quiet = p->quiet,
			      .quiet_from = p->quiet_from,
			      .quiet_until = p->quiet_until,
			      .freezes = p->freezes,
			      .freeze_count = p->freeze_count };
	int64_t now = now_ms(a);
	int r;

	if ((!p->quiet && !p->freeze_count) ||
	    !stage_keeps_hours(a->action->kind, a->action->class) ||
	    strcmp(a->action->rule, ORDER_BLOCK) == 0)
		return GO_ON;
	r = zone_get(a->item->zone.len ? a->item->zone : STR("UTC"), &c.zone, &a->said);
	if (r < 0)
		return trouble(a, r, "whether these are change hours cannot be told");
	if (calendar_is_open(&c, now))
		return GO_ON;
	return put_back(a, calendar_open(&c, now), "it waits for change hours");
}

/* --- before it begins: judgement ------------------------------------------------------------
 */

static bool judged_wanted(const struct applying *a)
{
	const struct judgement *j = &a->judgement;
	bool free = j->guard_count > 0 && j->guard_count <= JUDGE_MAX_GUARDS;

	if (j->verdict != JUDGE_HELD)
		return j->verdict == JUDGE_WANTED;
	for (size_t i = 0; free && i < j->guard_count; i++)
		free = !j->fresh[i] && is_released(a, j->guards[i]);
	return free;
}

/* Judges this action or one of those that go with it. */
static int judge(struct applying *a, const struct action *action)
{
	const struct reconcile_work *work = &a->ports->work;
	struct apply_item item = *a->item;
	int r;

	item.action = action;
	a->judgement = (struct judgement){ .verdict = JUDGE_UNKNOWN };
	r = work->judge(work->ctx, &item, &a->judgement, &a->said);
	return r < 0 ? trouble(a, r, "it could not be judged again") : GO_ON;
}

static const char *judgement_words(const struct applying *a)
{
	static const char *const words[] = {
		[JUDGE_UNKNOWN] = "something that it rests on is unknown now",
		[JUDGE_WANTED] = "it is wanted",
		[JUDGE_NOT_WANTED] = "its rule does not hold any more",
		[JUDGE_HELD] = "a guard holds it now, and was not released",
		[JUDGE_LATER] = "something comes before it",
	};

	if (a->judgement.text[0])
		return a->judgement.text;
	return words[(unsigned)a->judgement.verdict < COUNT_OF(words) ? a->judgement.verdict
								      : JUDGE_UNKNOWN];
}

/* What takes a group away for two products may do so only if both are to lose it: each of the
 * others was begun, or is wanted now too. */
static int check_companion(struct applying *a, size_t i)
{
	const struct vec_action *actions = &a->item->plan->actions;
	const struct reconcile_journal *j = &a->ports->journal;
	struct journal_state state = { 0 };
	uint32_t n = a->action->with[i];
	int r;

	if (n < 1 || n > actions->n)
		return end(a, OUTCOME_SKIPPED, "it goes with action %u, which is not there", n);
	r = j->state(j->ctx, a->item->plan_id, &actions->v[n - 1], &state, &a->said);
	if (r < 0)
		return r;
	if (state.begun || state.ended == OUTCOME_ALREADY) {
		a->with_begun |= (uint64_t)1 << i;
		return GO_ON;
	}
	if (state.ended != OUTCOME_NONE)
		return end(a, OUTCOME_SKIPPED,
			   "it goes with action %u, which takes the same group away and was "
			   "not done",
			   n);
	if (now_ms(a) < actions->v[n - 1].due_ms)
		return put_back(a, actions->v[n - 1].due_ms,
				"it goes with action %u, which is not due yet", n);
	r = judge(a, &actions->v[n - 1]);
	if (r != GO_ON || judged_wanted(a))
		return r;
	return end(a, OUTCOME_SKIPPED,
		   "it goes with action %u, which takes the same group away: %s", n,
		   judgement_words(a));
}

static int check_companions(struct applying *a)
{
	int r = GO_ON;

	if (a->action->with_count == 0)
		return GO_ON;
	if (a->action->with_count > APPLY_MAX_WITH)
		return end(a, OUTCOME_SKIPPED, "it goes with more than %d other actions",
			   APPLY_MAX_WITH);
	if (!a->item->with_approved)
		return end(a, OUTCOME_SKIPPED,
			   "other actions take the same group away, and are not all approved: "
			   "they can be done only together");
	for (size_t i = 0; i < a->action->with_count && r == GO_ON; i++)
		r = check_companion(a, i);
	return r;
}

static int check_judgement(struct applying *a)
{
	int r = judge(a, a->action);

	if (r != GO_ON || judged_wanted(a))
		return r;
	if (a->judgement.verdict == JUDGE_LATER)
		return put_back(a, now_ms(a) + APPLY_LATER_MS, "%s", judgement_words(a));
	/* the shared group may have gone with the other action: then it is so already */
	a->unwanted = a->with_begun != 0;
	return a->unwanted ? GO_ON : end(a, OUTCOME_SKIPPED, "%s", judgement_words(a));
}

/* --- the account as it is -------------------------------------------------------------------
 */

enum likeness { LIKE, UNLIKE, UNTOLD };

#define DIFFERENCE_BYTES 300

static bool list_has(const char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static bool texts_have(const struct vec_text *v, const char *text)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i], text) == 0)
			return true;
	return false;
}

/* One of those that go with this action was begun and takes the group away. */
static bool taken_along(const struct applying *a, const char *group)
{
	for (size_t i = 0; i < a->action->with_count; i++) {
		const struct action *other;

		if (!(a->with_begun >> i & 1))
			continue;
		other = &a->item->plan->actions.v[a->action->with[i] - 1];
		for (size_t s = 0; s < other->step_count; s++)
			if (other->steps[s].op == STEP_REMOVE_GROUP && other->steps[s].group &&
			    strcmp(other->steps[s].group, group) == 0)
				return true;
	}
	return false;
}

/* The group's name where a step tells it, else its id. */
static const char *group_name(const struct action *action, const char *id)
{
	for (size_t i = 0; i < action->step_count; i++)
		if (action->steps[i].group && action->steps[i].name &&
		    strcmp(action->steps[i].group, id) == 0)
			return action->steps[i].name;
	return id;
}

static enum likeness groups_alike(const struct applying *a, const struct action_fields *fields,
				  const struct target_state *s, char text[DIFFERENCE_BYTES])
{
	for (size_t i = 0; i < s->groups.n; i++) {
		if (list_has(fields->groups, fields->group_count, s->groups.v[i]))
			continue;
		(void)snprintf(text, DIFFERENCE_BYTES, "group %s gives the seat now",
			       group_name(a->action, s->groups.v[i]));
		return UNLIKE;
	}
	for (size_t i = 0; i < fields->group_count; i++) {
		if (texts_have(&s->groups, fields->groups[i]) ||
		    taken_along(a, fields->groups[i]))
			continue;
		(void)snprintf(text, DIFFERENCE_BYTES, "group %s does not give the seat now",
			       group_name(a->action, fields->groups[i]));
		return UNLIKE;
	}
	return LIKE;
}

static enum likeness roles_alike(const struct action_fields *fields,
				 const struct target_state *s, char text[DIFFERENCE_BYTES])
{
	for (size_t i = 0; i < s->roles.n; i++) {
		if (list_has(fields->roles, fields->role_count, s->roles.v[i]))
			continue;
		(void)snprintf(text, DIFFERENCE_BYTES, "role %s gives the seat now",
			       s->roles.v[i]);
		return UNLIKE;
	}
	for (size_t i = 0; i < fields->role_count; i++) {
		if (texts_have(&s->roles, fields->roles[i]))
			continue;
		(void)snprintf(text, DIFFERENCE_BYTES, "role %s does not give the seat now",
			       fields->roles[i]);
		return UNLIKE;
	}
	return LIKE;
}

/* Whether the fields that the action touches are as told in `fields`; text: what is not. */
static enum likeness alike(const struct applying *a, const struct action_fields *fields,
			   const struct target_state *s, char text[DIFFERENCE_BYTES])
{
	enum likeness like = LIKE;

	if (touches_status(a->action)) {
		if (s->status == ACCOUNT_UNKNOWN)
			like = UNTOLD;
		else if (s->status != fields->status)
			like = UNLIKE;
		(void)snprintf(text, DIFFERENCE_BYTES, "its status is %s, not %s",
			       account_status_word(s->status),
			       account_status_word(fields->status));
	}
	if (like == LIKE && touches_record(a->action)) {
		if (s->provision == PROVISION_UNKNOWN)
			like = UNTOLD;
		else if (s->provision != fields->provision)
			like = UNLIKE;
		(void)snprintf(text, DIFFERENCE_BYTES,
			       "its record in the provisioning directory is %s, not %s",
			       provision_state_word(s->provision),
			       provision_state_word(fields->provision));
	}
	if (like != LIKE || !touches_paths(a->action))
		return like;
	if (!s->paths) {
		(void)snprintf(text, DIFFERENCE_BYTES,
			       "Atlassian did not tell its groups and roles");
		return UNTOLD;
	}
	like = groups_alike(a, fields, s, text);
	return like == LIKE ? roles_alike(fields, s, text) : like;
}

/* As wanted: for a seat that is to be free, no path of any sort may be left, and the product
 * must not say that it is held. */
static enum likeness as_wanted(const struct applying *a, const struct target_state *s,
			       char text[DIFFERENCE_BYTES])
{
	enum likeness like = alike(a, &a->action->after, s, text);

	if (!frees_seat(a->action) || like == UNTOLD)
		return like;
	if (s->groups.n)
		(void)snprintf(text, DIFFERENCE_BYTES, "group %s",
			       group_name(a->action, s->groups.v[0]));
	else if (s->roles.n)
		(void)snprintf(text, DIFFERENCE_BYTES, "role %s", s->roles.v[0]);
	else if (s->others.n)
		(void)snprintf(text, DIFFERENCE_BYTES, "%s", s->others.v[0]);
	else if (s->seat == TRI_YES)
		(void)snprintf(text, DIFFERENCE_BYTES,
			       "a path that Atlassian does not show: the product still counts "
			       "it");
	else
		return LIKE;
	return UNLIKE;
}

static int account_gone(struct applying *a)
{
	if (takes_away(a->action))
		return end(a, OUTCOME_ALREADY, "the account is gone from Atlassian");
	return end(a, OUTCOME_SKIPPED, "the account is gone from Atlassian");
}

static int check_account(struct applying *a)
{
	CLEANUP(target_state_done) struct target_state now = { 0 };
	const struct reconcile_target *target = &a->ports->target;
	char text[DIFFERENCE_BYTES] = "";
	int r = target->read(target->ctx, a->action, &now, &a->said);

	if (r < 0)
		return trouble(a, r, "the account could not be read again");
	if (r == TARGET_GONE)
		return account_gone(a);
	if ((touches_status(a->action) || touches_paths(a->action) ||
	     touches_record(a->action)) &&
	    as_wanted(a, &now, text) == LIKE)
		return end(a, OUTCOME_ALREADY, "it was so before we did anything");
	if (a->unwanted)
		return end(a, OUTCOME_SKIPPED, "%s", judgement_words(a));
	switch (alike(a, &a->action->before, &now, text)) {
	case LIKE:
		return GO_ON;
	case UNLIKE:
		return end(a, OUTCOME_SKIPPED, "the account changed since it was planned: %s",
			   text);
	case UNTOLD:
		break;
	}
	return end(a, OUTCOME_SKIPPED, "the account could not be read again: %s", text);
}

static int start(struct applying *a)
{
	/* cheap ones first; what asks Atlassian last, so that it is fresh when we act */
	static int (*const checks[])(struct applying * a) = {
		check_mode,       check_bytes,     check_approval,
		check_guards,     check_time,      check_change_hours,
		check_companions, check_judgement, check_account,
	};
	const struct reconcile_journal *j = &a->ports->journal;
	int r = GO_ON;

	for (size_t i = 0; i < COUNT_OF(checks) && r == GO_ON; i++)
		r = checks[i](a);
	if (r != GO_ON)
		return r;
	r = j->begin(j->ctx, a->item->plan_id, a->action, now_ms(a), &a->said);
	a->state.begun = r == 0;
	return r;
}

/* --- steps ----------------------------------------------------------------------------------
 */

static int mark(struct applying *a, size_t i, enum step_mark mark, const char *text)
{
	const struct reconcile_journal *j = &a->ports->journal;
	int64_t now = now_ms(a);
	int r = j->outcome(j->ctx, a->item->plan_id, a->action, i, mark, text, now, &a->said);

	if (r < 0)
		return r;
	a->state.steps[i].mark = mark;
	a->state.steps[i].at_ms = now;
	a->state.ended_ms = now;
	return GO_ON;
}

static int refuse(struct applying *a, size_t i, const char *text)
{
	/* text may be a->said's, which the journal may write over */
	char words[sizeof(a->refusal)];

	(void)snprintf(words, sizeof(words), "%s", text);
	if (!a->refusal[0]) /* the first is what the end tells of */
		(void)snprintf(a->refusal, sizeof(a->refusal), "%s", words);
	return mark(a, i, STEP_MARK_REFUSED, words);
}

/* Whether it happened cannot be told now: asked again, then given up to people. The intent
 * stays open in the journal: nobody knows. */
static int not_verified(struct applying *a, size_t i, const char *why)
{
	int64_t until = a->state.steps[i].at_ms + APPLY_UNVERIFIED_MS, now = now_ms(a);
	int64_t again = now + APPLY_RETRY_MS < until ? now + APPLY_RETRY_MS : until;
	char words[STEP_WORDS_BYTES];

	if (now < until)
		return put_back(a, again, "%s: whether it happened is not known yet: %s",
				step_words(a->action, i, words), why);
	return end(a, OUTCOME_UNVERIFIABLE,
		   "%s: whether it happened could not be found out (%s), and it may not be "
		   "repeated: look at the account",
		   step_words(a->action, i, words), why);
}

/* An open intent. Afterwards the step is marked done, or may be done again (GO_ON), or the
 * pass is over. */
static int settle(struct applying *a, size_t i)
{
	const struct step_op_row *op = &step_ops[a->action->steps[i].op];
	const struct reconcile_target *target = &a->ports->target;
	int64_t seen_at = a->state.steps[i].at_ms + op->lag_ms;
	enum verify seen = VERIFY_UNKNOWN;
	int r;

	if (!op->verifiable && op->idempotent)
		return GO_ON;
	if (!op->verifiable)
		return not_verified(a, i, "it cannot be asked for");
	r = target->verify(target->ctx, a->action, &a->action->steps[i], &seen, &a->said);
	if (ends_run(r))
		return r;
	if (r < 0)
		return not_verified(a, i, a->said.text);
	if (r == TARGET_GONE || seen == VERIFY_DONE)
		return mark(a, i, STEP_MARK_DONE,
			    r == TARGET_GONE ? "the account is gone from Atlassian"
					     : "seen when it was verified");
	if (seen == VERIFY_UNKNOWN)
		return not_verified(a, i, "Atlassian does not tell");
	if (now_ms(a) < seen_at)
		return put_back(a, seen_at, "Atlassian may still show the state before");
	return GO_ON;
}

/* Not done, or not known to be, and not to be tried any more. */
static int give_up(struct applying *a, size_t i)
{
	char words[STEP_WORDS_BYTES], text[ERR_TEXT_BYTES];

	(void)step_words(a->action, i, words);
	if (!step_ops[a->action->steps[i].op].verifiable)
		return end(a, OUTCOME_UNVERIFIABLE,
			   "%s: tried %d times, and whether it happened is not known", words,
			   APPLY_MAX_ATTEMPTS);
	(void)snprintf(text, sizeof(text), "tried %d times, and not done", APPLY_MAX_ATTEMPTS);
	return refuse(a, i, text);
}

static int act(struct applying *a, size_t i)
{
	const struct reconcile_target *target = &a->ports->target;
	unsigned tried = a->state.steps[i].attempts;
	char key[256], words[STEP_WORDS_BYTES];
	int n, r;

	n = snprintf(key, sizeof(key), "%s/%llu/%u/%zu", a->item->plan->org,
		     (unsigned long long)a->item->plan_id, a->action->n, i + 1);
	if (n < 0 || (size_t)n >= sizeof(key))
		return refuse(a, i, "the organisation's name is too long for a key");
	r = target->act(target->ctx, a->action, &a->action->steps[i], key, &a->said);
	if (r == 0)
		return mark(a, i, STEP_MARK_DONE, "");
	if (ends_run(r))
		return r;
	if (r > 0 || !may_pass(r))
		return refuse(a, i, a->said.text);
	return put_back(a, now_ms(a) + (APPLY_RETRY_MS << (tried ? tried - 1 : 0)),
			"%s: attempt %u of %d: %s", step_words(a->action, i, words), tried,
			APPLY_MAX_ATTEMPTS, a->said.text);
}

static int attempt(struct applying *a, size_t i)
{
	const struct reconcile_journal *j = &a->ports->journal;
	int64_t now = now_ms(a);
	int r;

	if (a->state.steps[i].attempts >= APPLY_MAX_ATTEMPTS)
		return give_up(a, i);
	r = j->intent(j->ctx, a->item->plan_id, a->action, i, now, &a->said);
	if (r < 0)
		return r;
	a->state.steps[i].mark = STEP_MARK_INTENT;
	a->state.steps[i].at_ms = now;
	a->state.steps[i].attempts++;
	return act(a, i);
}

/* The organisation was put into mode observe after the action was begun. */
static int stop_in_observe(struct applying *a, size_t i)
{
	bool known = step_ops[a->action->steps[i].op].verifiable;
	bool open = a->state.steps[i].mark == STEP_MARK_INTENT;
	int r = GO_ON;

	if (open && !known)
		return end(a, OUTCOME_UNVERIFIABLE,
			   "organisation %s is in mode observe: step %zu may have happened",
			   a->item->plan->org, i + 1);
	if (open)
		r = mark(a, i, STEP_MARK_REFUSED, "not done, and the mode is observe now");
	if (r < 0)
		return r;
	return end(a, OUTCOME_FAILED,
		   "organisation %s is in mode observe: nothing more was changed after %zu of "
		   "%zu steps",
		   a->item->plan->org, steps_done(a), a->action->step_count);
}

/* GO_ON: no step is left to do, or one was refused. */
static int do_steps(struct applying *a)
{
	int r = GO_ON;

	for (size_t i = 0; i < a->action->step_count && r == GO_ON; i++) {
		if (a->state.steps[i].mark == STEP_MARK_INTENT)
			r = settle(a, i);
		if (r != GO_ON || a->state.steps[i].mark == STEP_MARK_DONE)
			continue;
		if (a->state.steps[i].mark != STEP_MARK_REFUSED)
			r = a->item->mode == ORG_OBSERVE ? stop_in_observe(a, i)
							 : attempt(a, i);
		/* a gift that is refused does not stop the others: each is somebody's work */
		if (a->state.steps[i].mark == STEP_MARK_REFUSED &&
		    !step_gifts[a->action->steps[i].op])
			break;
	}
	return r;
}

/* --- reading back ---------------------------------------------------------------------------
 */

static bool was_refused(const struct applying *a, size_t *step)
{
	for (size_t i = 0; i < a->action->step_count; i++) {
		*step = i;
		if (a->state.steps[i].mark == STEP_MARK_REFUSED)
			return true;
	}
	return false;
}

/* A step was refused: where it stands. left: what keeps the seat, or "". */
static int end_refused(struct applying *a, size_t step, const char *left)
{
	const char *why = a->refusal[0] ? a->refusal : "the journal's line of it says why";
	char words[STEP_WORDS_BYTES];

	(void)step_words(a->action, step, words);
	if (frees_seat(a->action) && *left)
		return end(a, OUTCOME_STILL_HELD,
			   "%s was refused: %s; %zu of %zu steps were done; the seat is still "
			   "held by %s",
			   words, why, steps_done(a), a->action->step_count, left);
	return end(a, OUTCOME_FAILED, "%s was refused: %s; %zu of %zu steps were done", words,
		   why, steps_done(a), a->action->step_count);
}

/* The steps were acknowledged, but what they came to could not be read. */
static int not_read(struct applying *a, const char *why)
{
	int64_t until = a->state.ended_ms + APPLY_UNVERIFIED_MS, now = now_ms(a);
	int64_t again = now + APPLY_RETRY_MS < until ? now + APPLY_RETRY_MS : until;
	size_t step;

	if (was_refused(a, &step))
		return end_refused(a, step, "");
	if (now < until)
		return put_back(a, again, "the result could not be read back yet: %s", why);
	return end(a, OUTCOME_UNVERIFIABLE,
		   "every step was acknowledged, but the result could not be read back: %s; "
		   "look at the account",
		   why);
}

/* Not as wanted: perhaps not yet. */
static int not_as_wanted(struct applying *a, const char *left)
{
	int64_t seen_at = a->state.ended_ms + longest_lag_ms(a->action);
	size_t step;

	if (was_refused(a, &step))
		return end_refused(a, step, left);
	if (now_ms(a) < seen_at)
		return put_back(a, seen_at, "Atlassian may still show the state before");
	if (frees_seat(a->action))
		return end(a, OUTCOME_STILL_HELD, "the seat is still held by %s", left);
	return end(a, OUTCOME_FAILED, "every step was acknowledged, but %s", left);
}

static int ended_gone(struct applying *a)
{
	if (takes_away(a->action))
		return end(a, OUTCOME_DONE, "the account is gone from Atlassian");
	return end(a, OUTCOME_FAILED, "the account is gone from Atlassian");
}

static int ended_as_wanted(struct applying *a, const struct target_state *now)
{
	if (!frees_seat(a->action))
		return end(a, OUTCOME_DONE, "read back as wanted");
	/* freed is what the product says, not what we conclude from the paths */
	if (now->seat == TRI_NO)
		return end(a, OUTCOME_FREED, "the product says that the seat is free");
	return end(a, OUTCOME_DONE,
		   "no path to the seat is left; whether it is free the product does not say");
}

static int read_account(struct applying *a)
{
	CLEANUP(target_state_done) struct target_state now = { 0 };
	const struct reconcile_target *target = &a->ports->target;
	char text[DIFFERENCE_BYTES] = "";
	int r = target->read(target->ctx, a->action, &now, &a->said);

	if (ends_run(r))
		return r;
	if (r < 0)
		return not_read(a, a->said.text);
	if (r == TARGET_GONE)
		return ended_gone(a);
	switch (as_wanted(a, &now, text)) {
	case LIKE:
		return ended_as_wanted(a, &now);
	case UNLIKE:
		return not_as_wanted(a, text);
	case UNTOLD:
		break;
	}
	return not_read(a, text);
}

/* Where no field of the account tells, the steps are asked for one by one. */
static int read_steps(struct applying *a)
{
	const struct reconcile_target *target = &a->ports->target;
	char words[STEP_WORDS_BYTES], text[DIFFERENCE_BYTES];
	size_t refused;

	for (size_t i = 0; i < a->action->step_count; i++) {
		enum verify seen = VERIFY_UNKNOWN;
		int r;

		if (!step_ops[a->action->steps[i].op].verifiable)
			continue;
		r = target->verify(target->ctx, a->action, &a->action->steps[i], &seen,
				   &a->said);
		if (ends_run(r))
			return r;
		/* part of a gift may be refused: what was given all the same is seen now */
		if (a->state.steps[i].mark == STEP_MARK_REFUSED &&
		    step_gifts[a->action->steps[i].op])
			continue;
		if (r == TARGET_GONE)
			return ended_gone(a);
		if (r < 0 || seen == VERIFY_UNKNOWN)
			return not_read(a, r < 0 ? a->said.text : "Atlassian does not tell");
		(void)snprintf(text, sizeof(text), "the effect of %s is not there",
			       step_words(a->action, i, words));
		if (seen == VERIFY_NOT_DONE)
			return not_as_wanted(a, text);
	}
	if (was_refused(a, &refused) && step_gifts[a->action->steps[refused].op])
		return end_refused(a, refused, "");
	return end(a, OUTCOME_DONE, "every step was acknowledged");
}

static int read_back(struct applying *a)
{
	size_t step;

	if (touches_status(a->action) || touches_paths(a->action) || touches_record(a->action))
		return read_account(a);
	if (was_refused(a, &step) && !step_ops[a->action->steps[step].op].verifiable)
		return end_refused(a, step, "");
	return read_steps(a);
}

/* --- an action, a run -----------------------------------------------------------------------
 */

static int go(struct applying *a)
{
	const struct reconcile_journal *j = &a->ports->journal;
	size_t steps = a->action->step_count;
	int r = j->state(j->ctx, a->item->plan_id, a->action, &a->state, &a->said);

	if (r < 0)
		return r;
	if (a->state.ended != OUTCOME_NONE) {
		a->result = (struct apply_result){ .outcome = a->state.ended };
		return OVER;
	}
	if (steps < 1 || steps > APPLY_MAX_STEPS)
		return end(a, a->state.begun ? OUTCOME_FAILED : OUTCOME_SKIPPED,
			   "it has %zu steps: 1 to %d can be done", steps, APPLY_MAX_STEPS);
	if (!a->state.begun)
		r = start(a);
	if (r == GO_ON)
		r = do_steps(a);
	return r == GO_ON ? read_back(a) : r;
}

int apply_action(const struct reconcile_ports *ports, const struct policy *policy,
		 const struct apply_item *item, struct apply_result *ret, struct err *err)
{
	struct applying a = {
		.ports = ports, .policy = policy, .item = item, .action = item->action
	};
	int r = go(&a);

	if (r < 0) {
		if (err)
			*err = a.said;
		return r;
	}
	*ret = a.result;
	return 0;
}

int apply_run(const struct reconcile_ports *ports, const struct policy *policy,
	      struct apply_counts *counts, struct err *err)
{
	const struct reconcile_work *work = &ports->work;

	while (!work->stop(work->ctx)) {
		struct apply_item item = { 0 };
		struct apply_result result = { 0 };
		int r = work->next(work->ctx, &item, err);

		if (r != 0)
			return r == APPLY_IDLE ? 0 : r;
		r = apply_action(ports, policy, &item, &result, err);
		if (r == 0)
			r = work->finish(work->ctx, &item, result.outcome, result.text,
					 result.again_ms, err);
		if (r < 0)
			return r;
		counts->outcomes[result.outcome]++;
	}
	return APPLY_STOPPED;
}
