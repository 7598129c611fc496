#include "reconcile/stage.h"

#include "reconcile/former.h"
#include "reconcile/handover.h"

#define STAGE_SEEN_MS                                                                          \
	(36 * STAMP_HOUR_MS) /* a state is seen so long after it came, at most                 \
			      */

/* Who comes back does so on a first day, which may be ahead. */
static struct moment not_before_start(const struct world *w, uint32_t person, struct moment m)
{
	struct moment start = view_start(w, person, 0);

	if (start.state == VALUE_UNKNOWN)
		return start;
	if (start.state == VALUE_PRESENT && start.ms > m.ms)
		return start;
	return m;
}

struct moment stage_anchor(const struct world *w, const struct rule *rule,
			   const struct subject *s)
{
	struct moment m = { VALUE_PRESENT, w->f->round.now_ms };

	if (rule->anchor.name)
		m = view_moment(w, &rule->anchor, s);
	m.ms += rule->anchor_ms;
	if (rule->class == PLAN_RESTORE && rule->subject == SUBJECT_PERSON &&
	    m.state == VALUE_PRESENT)
		return not_before_start(w, s->person, m);
	return m;
}

size_t stage_progress(const struct facts *f, uint32_t account)
{
	size_t low = 0, high = f->progress.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->progress.v[middle].account < account)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * When the rule did that to the account (and product) for this cause; 0 if it did not. A
 * warning counts whichever rule sent it: nobody is warned twice of losing one seat.
 */
static int64_t done_at(const struct world *w, const struct rule *rule, enum action_kind kind,
		       uint32_t account, uint32_t product, int64_t since_ms)
{
	const struct facts *f = w->f;
	size_t low = stage_progress(f, account);
	int64_t newest = 0;

	for (; low < f->progress.n && f->progress.v[low].account == account; low++) {
		const struct row_progress *p = &f->progress.v[low];

		if (p->product == product && p->kind == kind && p->done_ms > newest &&
		    (!rule->anchor.name || p->done_ms >= since_ms) &&
		    (kind == ACTION_WARN || kind == ACTION_WARN_ACCOUNT ||
		     str_eq(pool_str(&f->pool, p->rule), str_of(rule->name))))
			newest = p->done_ms;
	}
	return newest;
}

static struct stage done(int64_t at_ms)
{
	return (struct stage){ STAGE_DONE, at_ms };
}

/* When something of that kind was last done to the account; 0: never. *ordered: by a person's
 * order. */
static int64_t newest_deed(const struct facts *f, uint32_t account, enum action_kind kind,
			   bool *ordered)
{
	int64_t newest = 0;

	*ordered = false;
	for (size_t i = stage_progress(f, account);
	     i < f->progress.n && f->progress.v[i].account == account; i++) {
		const struct row_progress *p = &f->progress.v[i];
		struct str rule = pool_str(&f->pool, p->rule);

		if (p->kind != kind || p->done_ms <= newest)
			continue;
		newest = p->done_ms;
		*ordered = str_eq(rule, STR(ORDER_BLOCK)) || str_eq(rule, STR(ORDER_UNDO)) ||
			   str_eq(rule, STR(ORDER_BULK));
	}
	return newest;
}

/*
 * To give back what a rule of ours took: it was the newest to do so, and the state is the one
 * it left. We see states when we read them: one that is newer than the deed by more than a day
 * and a half was made by somebody else. What a person ordered (block, bulk) no rule lifts.
 */
static struct stage return_stage(const struct world *w, enum action_kind kind, uint32_t account,
				 int64_t anchor_ms)
{
	const struct facts *f = w->f;
	const struct row_account *a = &f->accounts.v[account];
	enum action_kind took = action_kinds[kind].undo;
	bool ordered;
	int64_t newest = newest_deed(f, account, took, &ordered);

	/* of whom nothing was taken, nothing can be given back, whatever the state is */
	if (a->status == ACCOUNT_UNKNOWN)
		return newest ? (struct stage){ STAGE_UNKNOWN, 0 } : done(anchor_ms);
	if (a->status != action_kinds[took].to)
		return done(anchor_ms);
	if (!newest || ordered || a->status_since_ms <= 0 ||
	    a->status_since_ms > newest + STAGE_SEEN_MS)
		return (struct stage){ STAGE_NOT_OURS, 0 };
	return (struct stage){ STAGE_WAITS, 0 };
}

bool stage_suspended_by_us(const struct world *w, uint32_t account)
{
	static const enum action_kind gives[] = { ACTION_RESTORE, ACTION_ENABLE,
						  ACTION_REPROVISION };
	enum account_status status = (enum account_status)w->f->accounts.v[account].status;
	bool ordered, other;
	int64_t newest;

	if (status == ACCOUNT_SUSPENDED)
		return return_stage(w, ACTION_RESTORE, account, 0).state == STAGE_WAITS;
	newest = newest_deed(w->f, account, ACTION_SUSPEND, &ordered);
	if (status != ACCOUNT_DEACTIVATED || !newest || ordered)
		return false;
	for (size_t i = 0; i < COUNT_OF(gives); i++)
		if (newest_deed(w->f, account, gives[i], &other) > newest)
			return false;
	return true;
}

uint32_t stage_group(const struct facts *f, const struct rule_step *step, uint32_t account)
{
	uint32_t directory = f->accounts.v[account].directory, found = FACTS_NONE;
	size_t n = 0;

	for (uint32_t i = 0; i < f->groups.n; i++) {
		const struct row_group *g = &f->groups.v[i];

		if (!str_ieq(pool_str(&f->pool, g->name), str_of(step->group)))
			continue;
		if (directory >= FRAME_FIRST && g->directory >= FRAME_FIRST &&
		    g->directory != directory)
			continue;
		found = i;
		n++;
	}
	return n == 1 ? found : FACTS_NONE;
}

static bool is_member(const struct facts *f, uint32_t account, uint32_t group)
{
	for (uint32_t m = f->member_at[account]; m < f->member_at[account + 1]; m++)
		if (f->members.v[m].b == group)
			return true;
	return false;
}

/* A tag, or a group to be left: which groups the account is in says whether it is done. */
static struct stage group_stage(const struct world *w, const struct rule *rule,
				const struct rule_step *step, uint32_t account,
				int64_t anchor_ms)
{
	const struct facts *f = w->f;
	uint32_t group = stage_group(f, step, account);
	int64_t did;

	if (group == FACTS_NONE)
		return (struct stage){ STAGE_OFF, 0 };
	if (f->accounts.v[account].paths_known != TRI_YES)
		return (struct stage){ STAGE_UNKNOWN, 0 };
	if (is_member(f, account, group) != (step->kind == ACTION_ADD_GROUPS))
		return (struct stage){ STAGE_WAITS, 0 };
	did = done_at(w, rule, step->kind, account, FACTS_NONE, anchor_ms);
	return done(did ? did : anchor_ms);
}

/* A warning that was sent before the account came back was about a time in which nobody could
 * have used it: it is sent anew, and the whole wait is given. */
static bool still_warns(const struct row_account *a, int64_t did)
{
	return did && (a->status != ACCOUNT_ACTIVE || did >= a->status_since_ms);
}

/* Done, or not (WAITS), as the account shows it. */
static struct stage account_stage(const struct world *w, const struct rule *rule,
				  enum action_kind kind, uint32_t account, int64_t anchor_ms)
{
	const struct row_account *a = &w->f->accounts.v[account];
	int64_t did = done_at(w, rule, kind, account, FACTS_NONE, anchor_ms);
	int64_t since = did ? did : a->status_since_ms;
	bool gone = a->status == ACCOUNT_DEACTIVATED || a->status == ACCOUNT_DELETING;

	/* a state that came we do not know when counts from now: the whole wait is given */
	if (since <= 0)
		since = w->f->round.now_ms;
	if (kind == ACTION_HAND_OVER)
		return handover_stage(w, account, anchor_ms);
	if (kind == ACTION_RESTORE || kind == ACTION_ENABLE)
		return return_stage(w, kind, account, anchor_ms);
	if (kind == ACTION_WARN_ACCOUNT)
		return still_warns(a, did) ? done(did) : (struct stage){ STAGE_WAITS, 0 };
	if (kind == ACTION_REVOKE_TOKENS && (a->tokens == TRI_NO || did))
		return done(did ? did : anchor_ms);
	if (kind == ACTION_REVOKE_TOKENS)
		return (struct stage){ STAGE_WAITS, 0 };
	if (a->status == ACCOUNT_UNKNOWN)
		return (struct stage){ STAGE_UNKNOWN, 0 };
	if (kind == ACTION_DELETE)
		return a->status == ACCOUNT_DELETING ? done(since)
						     : (struct stage){ STAGE_WAITS, 0 };
	if (gone)
		return done(since);
	if (kind == ACTION_SUSPEND && a->status == ACCOUNT_SUSPENDED)
		return done(since);
	if (kind == ACTION_SUSPEND && a->status == ACCOUNT_NOT_INVITED)
		return done(anchor_ms); /* no membership: no access to suspend */
	return (struct stage){ STAGE_WAITS, 0 };
}

static struct stage step_stage(const struct world *w, const struct rule *rule,
			       const struct rule_step *step, const struct subject *s,
			       int64_t anchor_ms)
{
	enum action_kind kind = step->kind;
	int64_t did;

	if (kind == ACTION_ADD_GROUPS && !step->group)
		return former_stage(w, rule, s->account, anchor_ms);
	if (step->group)
		return group_stage(w, rule, step, s->account, anchor_ms);
	if (!action_kinds[kind].seat)
		return account_stage(w, rule, kind, s->account, anchor_ms);
	did = done_at(w, rule, kind, s->account, w->f->seats.v[s->seat].product, anchor_ms);
	/* a seat that is still there has not been freed, whatever was done */
	if (kind == ACTION_WARN && still_warns(&w->f->accounts.v[s->account], did))
		return done(did);
	return (struct stage){ STAGE_WAITS, 0 };
}

/* Tokens, what is owned and groups may be out of our reach: nothing waits for them. */
static bool is_gate(const struct rule_step *step)
{
	return step->kind != ACTION_REVOKE_TOKENS && step->kind != ACTION_HAND_OVER &&
	       step->kind != ACTION_ADD_GROUPS && !step->group;
}

/* The step before that a step waits for: the last one with a shorter wait. SIZE_MAX: none. */
static size_t gate_of(const struct rule *rule, size_t i)
{
	size_t gate = i;

	while (gate-- > 0)
		if (rule->steps[gate].after_ms < rule->steps[i].after_ms &&
		    is_gate(&rule->steps[gate]))
			break;
	return gate;
}

void stage_ladder(const struct world *w, const struct rule *rule, const struct subject *s,
		  int64_t anchor_ms, struct stage ret[POLICY_MAX_STEPS])
{
	const struct calendar *c = &w->calendar;
	int64_t settle = rule->settle ? w->p->settle_ms : 0;

	for (size_t i = 0; i < rule->step_count; i++) {
		const struct rule_step *step = &rule->steps[i];
		size_t gate = gate_of(rule, i);
		int64_t due = calendar_after(c, anchor_ms, step->after_ms), after;

		ret[i] = step_stage(w, rule, step, s, anchor_ms);
		if (ret[i].state == STAGE_DONE || ret[i].state == STAGE_OFF ||
		    ret[i].state == STAGE_NOT_OURS)
			continue;
		if (gate != SIZE_MAX && ret[gate].state != STAGE_DONE) {
			ret[i] = (struct stage){ STAGE_WAITS, 0 };
		} else if (ret[i].state == STAGE_UNKNOWN) {
			continue;
		} else if (gate == SIZE_MAX) {
			ret[i] = (struct stage){ STAGE_DUE, due + settle };
		} else {
			after = calendar_after(c, ret[gate].at_ms,
					       step->after_ms - rule->steps[gate].after_ms);
			ret[i] = (struct stage){ STAGE_DUE, after > due ? after : due };
		}
	}
}

bool stage_keeps_hours(enum action_kind kind, enum plan_class class)
{
	return action_kinds[kind].destructive && class != PLAN_LEAVER && class != PLAN_RESTORE;
}

int64_t stage_opens(const struct world *w, enum action_kind kind, enum plan_class class,
		    int64_t due_ms)
{
	int64_t now = w->f->round.now_ms, from = due_ms > now ? due_ms : now;

	if (!stage_keeps_hours(kind, class) || calendar_is_open(&w->calendar, from))
		return due_ms;
	return calendar_open(&w->calendar, from);
}
