#include "reconcile/reconcile.h"

#include <stdio.h>
#include <stdlib.h>

#include "reconcile/bulk.h"
#include "reconcile/compose.h"
#include "reconcile/diff.h"
#include "reconcile/provision.h"
#include "reconcile/renewal.h"
#include "reconcile/undo.h"
#include "reconcile/wave.h"

void reconcile_result_free(struct reconcile_result *r)
{
	if (!r)
		return;
	for (int i = 0; i < PLAN_URGENCY_COUNT; i++) {
		plan_free(r->plans[i]);
		plan_values_free(&r->values[i]);
	}
	vec_match_link_done(&r->links);
	vec_match_doubt_done(&r->doubts);
	vec_finding_done(&r->findings);
	vec_guard_done(&r->guards);
	vec_u64_done(&r->inventories);
	vec_provision_stay_done(&r->stays);
	arena_done(&r->arena);
	free(r);
}

static int facts_check(const struct facts *f, const struct policy *p, struct err *err)
{
	if (!f->sealed)
		return err_set(err, ERR_INTERNAL, "facts were not sealed");
	if (f->columns.n != p->columns.n)
		return err_set(err, ERR_INTERNAL,
			       "facts have %zu columns, the policy asks for %zu", f->columns.n,
			       p->columns.n);
	for (size_t i = 0; i < f->columns.n; i++)
		if (strcmp(f->columns.v[i].text, p->columns.v[i].text) != 0)
			return err_set(err, ERR_INTERNAL,
				       "facts have column %s where the policy has %s",
				       f->columns.v[i].text, p->columns.v[i].text);
	if (f->sources.n > 64)
		return err_set(err, ERR_LIMIT, "more than 64 sources");
	return 0;
}

/* --- a round --------------------------------------------------------------------------------
 */

static int finding_cmp(const void *pa, const void *pb)
{
	const struct finding *a = pa, *b = pb;
	int c = strcmp(a->kind, b->kind);

	if (!c)
		c = strcmp(a->rule ? a->rule : "", b->rule ? b->rule : "");
	if (!c && a->account != b->account)
		c = a->account < b->account ? -1 : 1;
	if (!c && a->person != b->person)
		c = a->person < b->person ? -1 : 1;
	return c ? c : strcmp(a->text, b->text);
}

static int u64_cmp(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* Several rules may say that somebody leaves. */
static void inventories_take(struct round *round, struct reconcile_result *result)
{
	struct vec_u64 v = round->inventories;
	size_t kept = 0;

	round->inventories = (struct vec_u64){ 0 };
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), u64_cmp);
	for (size_t i = 0; i < v.n; i++)
		if (!kept || v.v[kept - 1] != v.v[i])
			v.v[kept++] = v.v[i];
	v.n = kept;
	result->inventories = v;
}

/* What is left of the candidates that stand. */
struct cut {
	int (*fn)(struct round *round, void *ctx, struct err *err);
	void *ctx;
};

/* From candidates to plans. cut may be NULL. */
static int round_finish(struct round *round, const struct compose_order *order,
			const struct cut *cut, struct reconcile_result *result, struct err *err)
{
	int r = guard_candidates(round, err);

	if (r == 0)
		r = order_choose(round, err);
	if (r == 0 && (!order || order->once))
		order_pending(round);
	if (r == 0 && !(order && order->given))
		r = diff_all(round, err);
	if (r == 0 && cut)
		r = cut->fn(round, cut->ctx, err);
	for (int i = 0; i < PLAN_URGENCY_COUNT && r == 0; i++)
		r = compose_plan(round, i == PLAN_URGENT, order, &result->plans[i],
				 &result->values[i], err);
	if (r == 0)
		r = guard_round(round->w, &result->guards, &result->arena, err);
	if (r < 0)
		return r;
	if (round->findings.n)
		qsort(round->findings.v, round->findings.n, sizeof(*round->findings.v),
		      finding_cmp);
	result->findings = round->findings;
	round->findings = (struct vec_finding){ 0 };
	result->stays = round->stays;
	round->stays = (struct vec_provision_stay){ 0 };
	result->counts = round->counts;
	inventories_take(round, result);
	return 0;
}

static int round_make(const struct facts *facts, const struct policy *policy,
		      const struct cut *cut, struct reconcile_result **ret, struct err *err)
{
	CLEANUP(reconcile_result_free_at)
	struct reconcile_result *result = calloc(1, sizeof(*result));
	struct world w = { 0 };
	struct round round = { .w = &w };
	int r = result ? facts_check(facts, policy, err) : err_nomem(err);

	if (r < 0)
		return r;
	round.arena = &result->arena;
	r = match_people(facts, policy, &result->arena, &w, err);
	if (r == 0)
		r = desire_all(&round, err);
	if (r == 0)
		r = round_finish(&round, NULL, cut, result, err);
	if (r == 0) {
		result->links = w.links;
		result->doubts = w.doubts;
		w.links = (struct vec_match_link){ 0 };
		w.doubts = (struct vec_match_doubt){ 0 };
		*ret = TAKE(result);
	}
	round_done(&round);
	match_done(&w);
	return r;
}

int reconcile(const struct facts *facts, const struct policy *policy,
	      struct reconcile_result **ret, struct err *err)
{
	return round_make(facts, policy, NULL, ret, err);
}

/* --- a wave, a renewal ----------------------------------------------------------------------
 */

struct waving {
	const struct wave_request *request;
	struct wave_answer *answers;
};

static int waving_cut(struct round *round, void *ctx, struct err *err)
{
	struct waving *w = ctx;

	return wave_cut(round, w->request, w->answers, err);
}

int reconcile_wave(const struct facts *facts, const struct policy *policy,
		   const struct wave_request *request, struct wave_answer *answers,
		   struct reconcile_result **ret, struct err *err)
{
	struct waving waving = { request, answers };
	const struct cut cut = { waving_cut, &waving };

	return round_make(facts, policy, &cut, ret, err);
}

static int renewing_cut(struct round *round, void *ctx, struct err *err)
{
	return renewal_cut(round, ctx, err);
}

int reconcile_renewal(const struct facts *facts, const struct policy *policy,
		      struct renewal *renewal, struct reconcile_result **ret, struct err *err)
{
	const struct cut cut = { renewing_cut, renewal };

	return round_make(facts, policy, &cut, ret, err);
}

/* --- what a person orders -------------------------------------------------------------------
 */

/* How an order is made into a plan; ended (may be NULL) looks at what became of it. */
struct ordering {
	int (*desire)(struct round *round, const void *request, struct err *err);
	void (*ended)(const struct round *round, const void *request);
};

static int order_make(const struct facts *facts, const struct policy *policy,
		      const struct compose_order *order, const struct ordering *how,
		      const void *request, struct reconcile_result **ret, struct err *err)
{
	CLEANUP(reconcile_result_free_at)
	struct reconcile_result *result = calloc(1, sizeof(*result));
	struct world w = { 0 };
	struct round round = { .w = &w };
	int r = result ? facts_check(facts, policy, err) : err_nomem(err);

	if (r < 0)
		return r;
	round.arena = &result->arena;
	r = match_people(facts, policy, &result->arena, &w, err);
	if (r == 0)
		r = how->desire(&round, request, err);
	if (r == 0)
		r = round_finish(&round, order, NULL, result, err);
	if (r == 0 && how->ended)
		how->ended(&round, request);
	round_done(&round);
	match_done(&w);
	if (r == 0)
		*ret = TAKE(result);
	return r;
}

/* --- block ----------------------------------------------------------------------------------
 */

static int block_account(struct round *round, uint32_t account, struct err *err)
{
	const struct world *w = round->w;
	const struct row_account *a = &w->f->accounts.v[account];
	bool off = a->status == ACCOUNT_SUSPENDED || a->status == ACCOUNT_DEACTIVATED ||
		   a->status == ACCOUNT_DELETING || a->status == ACCOUNT_NOT_INVITED;
	struct candidate c = {
		.class = PLAN_LEAVER,
		.s = { SUBJECT_ACCOUNT, w->account_person[account], account, FACTS_NONE },
		.product = FACTS_NONE,
		.due_ms = w->f->round.now_ms,
		.anchor_ms = w->f->round.now_ms,
	};

	if (!desire_is_subject(w, account))
		return 0;
	c.kind = ACTION_SUSPEND;
	if (!off && vec_candidate_add(&round->candidates, c) < 0)
		return err_nomem(err);
	c.kind = ACTION_REVOKE_TOKENS;
	c.step = 1;
	if (a->tokens != TRI_NO && vec_candidate_add(&round->candidates, c) < 0)
		return err_nomem(err);
	return 0;
}

static int block_desire(struct round *round, const void *asked, struct err *err)
{
	const struct block_request *request = asked;
	const struct world *w = round->w;
	uint32_t account, person;
	int r = 0;

	if (request->account) {
		account = facts_account_by_number(w->f, request->account);
		if (account == FACTS_NONE)
			return err_set(err, ERR_NOT_FOUND, "block: there is no account %llu",
				       (unsigned long long)request->account);
		return block_account(round, account, err);
	}
	person = world_person(w, request->person);
	if (person == FACTS_NONE || w->account_at[person] == w->account_at[person + 1])
		return err_set(err, ERR_NOT_FOUND,
			       "block: person %llu has no account in this organisation",
			       (unsigned long long)request->person);
	for (uint32_t i = w->account_at[person]; i < w->account_at[person + 1] && r == 0; i++)
		r = block_account(round, w->account_rows[i], err);
	return r;
}

static const struct ordering block_ordering = { .desire = block_desire };

int reconcile_block(const struct facts *facts, const struct policy *policy,
		    const struct block_request *request, struct reconcile_result **ret,
		    struct err *err)
{
	const struct compose_order order = { .word = ORDER_BLOCK,
					     .begin = "blocked",
					     .reason = request->reason,
					     .by = request->by };

	if (facts->round.mode == ORG_OBSERVE)
		return err_set(err, ERR_REFUSED,
			       "block: organisation " STR_FMT " is in mode observe, in which "
			       "nothing is changed; block the account at Atlassian by hand, or "
			       "leaverd arm first",
			       STR_ARG(facts->round.org));
	return order_make(facts, policy, &order, &block_ordering, request, ret, err);
}

/* --- undo -----------------------------------------------------------------------------------
 */

static int undo_wants(struct round *round, const void *request, struct err *err)
{
	const struct undo_request *in = request;

	return undo_desire(round, in->deeds, in->n, err);
}

static const struct ordering undo_ordering = { .desire = undo_wants };

int reconcile_undo(const struct facts *facts, const struct policy *policy,
		   const struct undo_request *request, struct reconcile_result **ret,
		   struct err *err)
{
	const struct compose_order order = { .word = ORDER_UNDO,
					     .begin = "undone",
					     .reason = request->reason,
					     .by = request->by,
					     .given = true };

	return order_make(facts, policy, &order, &undo_ordering, request, ret, err);
}

/* --- bulk -----------------------------------------------------------------------------------
 */

static int bulk_wants(struct round *round, const void *request, struct err *err)
{
	return bulk_desire(round, request, err);
}

static void bulk_ended(const struct round *round, const void *request)
{
	bulk_answer(round, request);
}

static const struct ordering bulk_ordering = { bulk_wants, bulk_ended };

int reconcile_bulk(const struct facts *facts, const struct policy *policy,
		   const struct bulk_request *request, struct reconcile_result **ret,
		   struct err *err)
{
	const struct compose_order order = { .word = ORDER_BULK,
					     .begin = "asked for",
					     .reason = request->reason,
					     .by = request->by,
					     .once = true };

	return order_make(facts, policy, &order, &bulk_ordering, request, ret, err);
}

/* --- one action, judged again ---------------------------------------------------------------
 */

/* What has to be known to judge one action. */
struct judging {
	struct world w;
	struct round round;
	struct plan_arena arena;
	const struct action_identity *action;
	const struct rule *rule; /* NULL for an order */
	struct candidate c;
	struct judgement *ret;
};

static void say(struct judgement *j, enum judge_verdict verdict, const char *format, ...)
	PRINTF(3, 4);
static void say(struct judgement *j, enum judge_verdict verdict, const char *format, ...)
{
	va_list args;

	j->verdict = verdict;
	va_start(args, format);
	(void)vsnprintf(j->text, sizeof(j->text), format, args);
	va_end(args);
}

/* Finds account, person, seat, rule and step; false when the verdict is given already. */
static bool subject_find(struct judging *j)
{
	const struct action_identity *a = j->action;
	const struct world *w = &j->w;
	struct subject *s = &j->c.s;

	*s = (struct subject){ SUBJECT_ACCOUNT, FACTS_NONE,
			       facts_account_by_number(w->f, a->account), FACTS_NONE };
	j->c.product = FACTS_NONE;
	if (s->account == FACTS_NONE) {
		say(j->ret, JUDGE_UNKNOWN, "the account is not in the newest facts");
		return false;
	}
	s->person = w->account_person[s->account];
	if ((s->person == FACTS_NONE ? 0 : w->numbers[s->person]) != a->person) {
		say(j->ret, JUDGE_NOT_WANTED,
		    a->person ? "the account is no longer linked to that person"
			      : "the account belongs to somebody now");
		return false;
	}
	if (!desire_is_subject(w, s->account)) {
		say(j->ret, JUDGE_NOT_WANTED, "the account is nobody's: an app or a customer");
		return false;
	}
	/* a seat that is given back need not be there */
	if (!a->product || strcmp(a->rule, ORDER_UNDO) == 0)
		return true;
	j->c.product = facts_product_find(w->f, str_of(a->product), str_of(a->site));
	for (uint32_t i = w->f->seat_at[s->account]; i < w->f->seat_at[s->account + 1]; i++)
		if (w->f->seats.v[i].product == j->c.product)
			s->seat = i;
	if (s->seat == FACTS_NONE)
		say(j->ret, JUDGE_NOT_WANTED, "the account does not hold that seat any more");
	return s->seat != FACTS_NONE;
}

/* Who gets back what was handed over has to have the account back first. */
static bool order_judge(struct judging *j)
{
	if (j->c.class != PLAN_RESTORE || j->action->kind != ACTION_HAND_OVER ||
	    j->w.f->accounts.v[j->c.s.account].status == ACCOUNT_ACTIVE)
		return true;
	say(j->ret, JUDGE_LATER, "the account is not active yet: then what it owned goes back");
	return false;
}

/* Of steps of one kind about groups, the one about the action's. */
static bool is_step(const struct judging *j, const struct rule_step *step)
{
	uint32_t group;

	if (step->kind != j->action->kind || !step->group)
		return step->kind == j->action->kind;
	group = stage_group(j->w.f, step, j->c.s.account);
	return group != FACTS_NONE && j->action->step_count == 1 &&
	       str_eq(pool_str(&j->w.f->pool, j->w.f->groups.v[group].id),
		      str_of(j->action->steps[0].group));
}

static bool rule_find(struct judging *j)
{
	const struct rule *rule = policy_rule(j->w.p, str_of(j->action->rule));
	size_t i = 0;

	j->c.kind = j->action->kind;
	if (strcmp(j->action->rule, ORDER_BLOCK) == 0) {
		j->c.class = PLAN_LEAVER;
		return true;
	}
	if (strcmp(j->action->rule, ORDER_UNDO) == 0) {
		j->c.class = PLAN_RESTORE;
		return true;
	}
	if (strcmp(j->action->rule, ORDER_BULK) == 0) {
		j->c.class = PLAN_ASKED;
		return true;
	}
	while (rule && i < rule->step_count && !is_step(j, &rule->steps[i]))
		i++;
	if (!rule || i == rule->step_count) {
		say(j->ret, JUDGE_NOT_WANTED,
		    "the policy has no rule %s with a step %s any more", j->action->rule,
		    action_kinds[j->action->kind].word);
		return false;
	}
	j->rule = j->c.rule = rule;
	j->c.class = rule->class;
	j->c.step = i;
	j->c.s.kind = rule->subject;
	if ((rule->subject == SUBJECT_SEAT) != (j->c.s.seat != FACTS_NONE) ||
	    (rule->subject == SUBJECT_PERSON && j->c.s.person == FACTS_NONE)) {
		say(j->ret, JUDGE_NOT_WANTED, "rule %s is about something else now",
		    rule->name);
		return false;
	}
	return true;
}

static bool truth_judge(struct judging *j)
{
	const struct rule *rule = j->rule;
	const char *why;
	bool outside;

	switch (desire_truth(&j->w, rule, &j->c.s, &why, &outside)) {
	case TRUTH_FALSE:
		say(j->ret, JUDGE_NOT_WANTED, "rule %s does not hold any more%s", rule->name,
		    outside ? ": they are not in its pilot" : "");
		return false;
	case TRUTH_UNKNOWN:
		say(j->ret, JUDGE_UNKNOWN, "whether rule %s still holds is not known: %s",
		    rule->name, why);
		return false;
	case TRUTH_TRUE:
		break;
	}
	if (rule->class != PLAN_RESTORE || desire_leaves(&j->w, &j->c.s) == TRUTH_FALSE)
		return true;
	say(j->ret, JUDGE_NOT_WANTED, "another rule says, or may say, that they leave");
	return false;
}

/* Rule and ladder, as they stand now. */
static bool rule_judge(struct judging *j)
{
	const struct world *w = &j->w;
	const struct rule *rule = j->rule;
	struct stage stages[POLICY_MAX_STEPS];
	char due[STAMP_TEXT_BYTES];
	struct moment anchor;

	if (!truth_judge(j))
		return false;
	if (rule->subject == SUBJECT_ORPHAN && !desire_is_orphan(&j->round, j->c.s.account)) {
		say(j->ret, desire_sources_whole(w) ? JUDGE_NOT_WANTED : JUDGE_UNKNOWN,
		    "the account is no orphan any more, or a source is not whole");
		return false;
	}
	anchor = stage_anchor(w, rule, &j->c.s);
	if (anchor.state != VALUE_PRESENT) {
		say(j->ret, JUDGE_UNKNOWN, "the time from which rule %s counts is not known",
		    rule->name);
		return false;
	}
	stage_ladder(w, rule, &j->c.s, anchor.ms, stages);
	if (stages[j->c.step].state == STAGE_UNKNOWN) {
		say(j->ret, JUDGE_UNKNOWN, "the state of the account is not known");
		return false;
	}
	if (stages[j->c.step].state == STAGE_WAITS ||
	    (stages[j->c.step].state == STAGE_DUE &&
	     stages[j->c.step].at_ms > w->f->round.now_ms)) {
		stamp_text(stages[j->c.step].at_ms, due);
		say(j->ret, JUDGE_NOT_WANTED, "by rule %s it is due only %s%s", rule->name,
		    stages[j->c.step].state == STAGE_WAITS ? "after the step before it" : "at ",
		    stages[j->c.step].state == STAGE_WAITS ? "" : due);
		return false;
	}
	if (stages[j->c.step].state == STAGE_NOT_OURS) {
		say(j->ret, JUDGE_NOT_WANTED,
		    "the account was not switched off by a rule of ours");
		return false;
	}
	if (stages[j->c.step].state == STAGE_OFF) {
		say(j->ret, JUDGE_NOT_WANTED, "no site is configured any more");
		return false;
	}
	if (j->action->kind == ACTION_ADD_GROUPS && rule->class == PLAN_RESTORE &&
	    w->f->accounts.v[j->c.s.account].status != ACCOUNT_ACTIVE) {
		say(j->ret, JUDGE_LATER,
		    "the account is not active yet: then it gets its groups back");
		return false;
	}
	if (j->action->kind == ACTION_HAND_OVER &&
	    w->f->accounts.v[j->c.s.account].status == ACCOUNT_ACTIVE) {
		say(j->ret, JUDGE_LATER,
		    "the account is not blocked yet: that comes before what it owns is handed "
		    "over");
		return false;
	}
	j->c.due_ms = stages[j->c.step].at_ms;
	j->c.anchor_ms = anchor.ms;
	desire_basis(w, rule, &j->c.s, &j->c.basis);
	j->c.basis.org = j->c.basis.org || rule->subject == SUBJECT_ORPHAN;
	return true;
}

/* The seat that was asked for, and those that were asked for with it. */
static int asked_seats(struct judging *j, struct err *err)
{
	const struct action_identity *a = j->action;
	struct candidate c = j->c;

	if (vec_candidate_add(&j->round.candidates, c) < 0)
		return err_nomem(err);
	for (size_t i = 0; i < a->with_count; i++) {
		if (!a->with[i].product)
			continue;
		c.product = facts_product_find(j->w.f, str_of(a->with[i].product),
					       str_of(a->with[i].site));
		if (c.product != FACTS_NONE && vec_candidate_add(&j->round.candidates, c) < 0)
			return err_nomem(err);
	}
	return 0;
}

/* A seat is judged with its neighbours: one group may give several. */
static int seat_guards(struct judging *j, struct guard_hits *hits, struct err *err)
{
	int r;

	if (j->action->kind != ACTION_FREE_SEAT || j->c.class == PLAN_RESTORE)
		return 0;
	r = j->c.class == PLAN_ASKED ? asked_seats(j, err)
				     : desire_seats(&j->round, j->c.s.account, err);
	if (r == 0)
		r = guard_candidates(&j->round, err);
	if (r == 0)
		r = diff_all(&j->round, err);
	for (size_t i = 0; i < j->round.candidates.n && r == 0; i++) {
		const struct candidate *c = &j->round.candidates.v[i];

		if (c->kind != ACTION_FREE_SEAT || c->product != j->c.product ||
		    c->rule != j->rule)
			continue;
		for (size_t h = 0; h < c->hit_count && r == 0; h++)
			r = guard_hit(hits, &j->arena, (enum guard_id)c->hits[h].guard, err,
				      "%s", c->hits[h].text);
	}
	return r;
}

/* What holds whole plans and came up since; limits are the plan's. */
static int round_guards(struct judging *j, struct guard_hits *hits, struct err *err)
{
	const struct facts_round *f = &j->w.f->round;
	int r = 0;

	if (!f->org_identity_same)
		r = guard_hit(hits, &j->arena, GUARD_IDENTITY_CHANGED, err,
			      "the organisation is another one");
	if (r == 0 && f->foreign_write)
		r = guard_hit(hits, &j->arena, GUARD_FOREIGN_WRITE, err,
			      "something was changed under our key");
	for (size_t i = 0; i < j->w.f->sources.n && r == 0; i++)
		if (j->w.f->sources.v[i].in.doubts & DOUBT_IDENTITY)
			r = guard_hit(hits, &j->arena, GUARD_IDENTITY_CHANGED, err,
				      "a source is another system than before");
	return r;
}

/* The plan did not say this of the guard, so nobody who released it saw it. How many there are
 * by now changes with every one that is done: whoever released seats or the limit knew. */
static bool is_fresh(const struct action_identity *action, const struct guard_hit *hit)
{
	bool counts = hit->guard == GUARD_SEATS_OUT || hit->guard == GUARD_LIMIT_PROVISION;

	for (size_t i = 0; i < action->held_count; i++)
		if (strcmp(action->held_by[i], guards[hit->guard].name) == 0)
			return !counts && strcmp(action->says[i], hit->text) != 0;
	return true;
}

/* What holds a candidate of the round, as it was said there. */
static void hits_take(struct guard_hits *hits, const struct candidate *c)
{
	for (size_t i = 0; i < c->hit_count; i++) {
		bool there = false;

		for (size_t k = 0; k < hits->n; k++)
			there = there || hits->v[k].guard == c->hits[i].guard;
		if (!there && hits->n < COUNT_OF(hits->v))
			hits->v[hits->n++] = c->hits[i];
	}
}

/* Only the person's own candidates: the others were or will be judged for themselves. */
static void candidates_keep(struct round *round, uint32_t person)
{
	size_t kept = 0;

	for (size_t i = 0; i < round->candidates.n; i++)
		if (round->candidates.v[i].s.person == person)
			round->candidates.v[kept++] = round->candidates.v[i];
	round->candidates.n = kept;
}

/*
 * Whether the address is another record's by now, a seat is left, and the day's limit has room
 * for one more: all of it moves while a plan is carried out, and beside it.
 */
static int beside_guards(struct judging *j, struct guard_hits *hits, struct err *err)
{
	struct round all = { .w = &j->w,
			     .arena = &j->arena,
			     .sources_whole = j->round.sources_whole };
	int r;

	if (!j->action->beside || !action_kinds[j->action->kind].provision)
		return 0;
	r = provision_desire(&all, err);
	candidates_keep(&all, j->c.s.person);
	if (r == 0)
		r = provision_guards(&all, err);
	for (size_t i = 0; i < all.candidates.n && r == 0; i++)
		if (all.candidates.v[i].kind == j->action->kind)
			hits_take(hits, &all.candidates.v[i]);
	round_done(&all);
	return r;
}

static int guards_judge(struct judging *j, struct err *err)
{
	struct guard_hits hits = { .n = 0 };
	struct judgement *ret = j->ret;
	int r = guard_judge(&j->w, &j->c, &j->arena, &hits, err);

	if (r == 0 && j->c.s.account != FACTS_NONE && guard_takes_admin(&j->w, &j->c) &&
	    guard_is_last_admin(&j->w, j->c.s.account))
		r = guard_hit(
			&hits, &j->arena, GUARD_LAST_ADMIN, err,
			"no other active administrator of the organisation would be left");
	if (r == 0)
		r = seat_guards(j, &hits, err);
	if (r == 0)
		r = round_guards(j, &hits, err);
	if (r == 0)
		r = beside_guards(j, &hits, err);
	if (r < 0)
		return r;
	say(ret, hits.n ? JUDGE_HELD : JUDGE_WANTED, "%s", hits.n ? hits.v[0].text : "");
	for (size_t i = 0; i < hits.n && i < JUDGE_MAX_GUARDS; i++) {
		ret->fresh[ret->guard_count] = is_fresh(j->action, &hits.v[i]);
		ret->guards[ret->guard_count++] = guards[hits.v[i].guard].name;
		if (hits.v[i].guard == GUARD_UNKNOWN)
			ret->verdict = JUDGE_UNKNOWN;
	}
	return 0;
}

/* --- what a person asked for, judged again --- */

/* A group is looked at just before it is changed; an account's groups must be ours to change.
 */
static int asked_judge(struct judging *j, struct err *err)
{
	bool there = true;
	int r = 0;

	if (action_kinds[j->action->kind].group) {
		j->c = (struct candidate){ .kind = j->action->kind,
					   .class = PLAN_ASKED,
					   .s = { SUBJECT_ACCOUNT, FACTS_NONE, FACTS_NONE,
						  FACTS_NONE },
					   .product = FACTS_NONE };
		return guards_judge(j, err);
	}
	r = bulk_again(&j->round, j->action->steps, j->action->step_count, &j->c, &there, err);
	if (r == 0 && !there)
		say(j->ret, JUDGE_NOT_WANTED,
		    "a group that it is about is not there any more, as last collected");
	return r == 0 && there ? guards_judge(j, err) : r;
}

/* --- provisioning, judged again --- */

static const struct candidate *provision_find(const struct judging *j)
{
	for (size_t i = 0; i < j->round.candidates.n; i++)
		if (j->round.candidates.v[i].kind == j->action->kind)
			return &j->round.candidates.v[i];
	return NULL;
}

/* What is wanted now, against what was planned. */
static int provision_wanted(struct judging *j, bool *yes, struct err *err)
{
	const struct candidate *c = provision_find(j);
	struct digest subject;
	int r = 0;

	*yes = false;
	if (!c) {
		say(j->ret, j->round.findings.n ? JUDGE_UNKNOWN : JUDGE_NOT_WANTED, "%s",
		    j->round.findings.n ? j->round.findings.v[0].text
					: "the provisioning directory needs it no more");
		return 0;
	}
	if (c->due_ms > j->w.f->round.now_ms) {
		say(j->ret, JUDGE_NOT_WANTED, "it is not due yet");
		return 0;
	}
	if (j->action->subject)
		r = compose_subject(&j->round, c, &subject, err);
	if (r == 0 && j->action->subject && !digest_equal(&subject, j->action->subject)) {
		say(j->ret, JUDGE_NOT_WANTED,
		    "what is to be told changed since it was planned: the next plan has it");
		return 0;
	}
	j->c = *c;
	*yes = r == 0;
	return r;
}

static int provision_judge(struct judging *j, struct err *err)
{
	uint32_t person = world_person(&j->w, j->action->person);
	bool yes = false;
	int r;

	if (person == FACTS_NONE) {
		say(j->ret, JUDGE_UNKNOWN, "the person is not in the newest facts");
		return 0;
	}
	r = provision_desire_person(&j->round, person, err);
	if (r == 0)
		r = provision_wanted(j, &yes, err);
	return r == 0 && yes ? guards_judge(j, err) : r;
}

int reconcile_judge(const struct facts *facts, const struct policy *policy,
		    const struct action_identity *action, struct judgement *ret,
		    struct err *err)
{
	struct judging j = { .action = action, .ret = ret };
	int r = facts_check(facts, policy, err);

	*ret = (struct judgement){ .verdict = JUDGE_UNKNOWN };
	if (r < 0)
		return r;
	r = match_people(facts, policy, &j.arena, &j.w, err);
	if (r == 0) {
		j.round = (struct round){ .w = &j.w,
					  .arena = &j.arena,
					  .sources_whole = desire_sources_whole(&j.w) };
		if (action_kinds[action->kind].provision)
			r = provision_judge(&j, err);
		else if (action_kinds[action->kind].group)
			r = asked_judge(&j, err);
		else if (strcmp(action->rule, ORDER_BULK) == 0 ||
			 action->kind == ACTION_ADD_GROUPS ||
			 action->kind == ACTION_REMOVE_GROUPS)
			r = subject_find(&j) && rule_find(&j) && (!j.rule || rule_judge(&j))
				    ? asked_judge(&j, err)
				    : 0;
		else if (subject_find(&j) && rule_find(&j) &&
			 (j.rule ? rule_judge(&j) : order_judge(&j)))
			r = guards_judge(&j, err);
	}
	round_done(&j.round);
	match_done(&j.w);
	arena_done(&j.arena);
	return r;
}
