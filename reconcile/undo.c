#include "reconcile/undo.h"

#include <stdlib.h>

#include "reconcile/bulk.h"
#include "reconcile/ports.h"

VEC(vec_step, struct action_step);

/* One account or one of its seats, followed back in time. */
struct trail {
	struct round *round;
	const struct undo_deed *const *deeds; /* of one thing, newest first */
	size_t n;
	struct candidate c;
	struct vec_step steps;
	struct action_fields now; /* what is there once all that was taken so far is undone */
	bool known;               /* .now is told */
	struct buf note;
};

/* --- words --- */

static int say_left(struct round *r, const struct undo_deed *d, struct err *err,
		    const char *why)
{
	const struct action *a = d->action;

	return finding_add(r, UNDO_LEFT, a->rule, a->person, a->account, err,
			   "plan %llu, action %u, %s: %s", (unsigned long long)d->plan, a->n,
			   action_kinds[a->kind].word, why);
}

static void note_add(struct trail *t, const struct undo_deed *d)
{
	buf_addf(&t->note, "%splan %llu, action %u (%s, rule %s)", t->note.len ? "; " : "",
		 (unsigned long long)d->plan, d->action->n, action_kinds[d->action->kind].word,
		 d->action->rule);
}

/* --- one deed --- */

static bool is_status(const struct action *a)
{
	return a->before.status != ACCOUNT_UNKNOWN || a->after.status != ACCOUNT_UNKNOWN;
}

static bool is_paths(const struct action *a)
{
	return a->before.paths || a->after.paths;
}

/* What a leaver owned went to somebody else. */
static bool is_gift(const struct action *a)
{
	return a->kind == ACTION_HAND_OVER;
}

static bool is_membership(const struct action *a)
{
	return a->kind == ACTION_ADD_GROUPS || a->kind == ACTION_REMOVE_GROUPS;
}

/* What is followed back by itself: the status and the seats, memberships, gifts. */
static int facet_of(const struct action *a)
{
	return is_gift(a) ? 2 : is_membership(a);
}

static bool any_done(const struct undo_deed *d)
{
	for (size_t i = 0; i < d->action->step_count; i++)
		if (d->done[i])
			return true;
	return false;
}

static bool list_has(const char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

static bool lists_alike(const char *const *a, size_t n, const char *const *b, size_t m)
{
	if (n != m)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!list_has(b, m, a[i]))
			return false;
	return true;
}

static bool fields_alike(const struct action_fields *a, const struct action_fields *b)
{
	return a->status == b->status && a->paths == b->paths &&
	       lists_alike(a->groups, a->group_count, b->groups, b->group_count) &&
	       lists_alike(a->roles, a->role_count, b->roles, b->role_count);
}

/* A step of the deed took this group (or role) away. */
static bool step_took(const struct undo_deed *d, enum step_op op, const char *what)
{
	for (size_t i = 0; i < d->action->step_count; i++) {
		const struct action_step *s = &d->action->steps[i];
		const char *named = op == STEP_REMOVE_GROUP ? s->group : s->role;

		if (d->done[i] && s->op == op && named && strcmp(named, what) == 0)
			return true;
	}
	return false;
}

static int without_taken(struct trail *t, const struct undo_deed *d, enum step_op op,
			 const char *const *from, size_t n, const char *const **ret,
			 size_t *count, struct err *err)
{
	const char **kept = NULL;
	int r = n ? arena_alloc(t->round->arena, n * sizeof(*kept), &kept, err) : 0;

	*count = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		if (!step_took(d, op, from[i]))
			kept[(*count)++] = from[i];
	*ret = kept;
	return r;
}

/* What the deed left, by the steps that were done: a part of what it wanted, perhaps. */
static int left_by(struct trail *t, const struct undo_deed *d, struct action_fields *ret,
		   struct err *err)
{
	const struct action_fields *before = &d->action->before;
	int r;

	*ret = (struct action_fields){ .status = d->action->after.status,
				       .paths = is_paths(d->action) };
	if (!ret->paths)
		return 0;
	r = without_taken(t, d, STEP_REMOVE_GROUP, before->groups, before->group_count,
			  &ret->groups, &ret->group_count, err);
	return r < 0 ? r
		     : without_taken(t, d, STEP_REVOKE_ROLE, before->roles, before->role_count,
				     &ret->roles, &ret->role_count, err);
}

/* Its steps the other way round, last one first. */
static int steps_back(struct trail *t, const struct undo_deed *d, struct err *err)
{
	int r = 0;

	for (size_t i = d->action->step_count; i-- > 0 && r == 0;) {
		struct action_step s = d->action->steps[i];

		if (!d->done[i])
			continue;
		if (step_ops[s.op].undo == s.op) {
			r = say_left(t->round, d, err,
				     "it is of a kind that nothing gives back");
			continue;
		}
		s.op = step_ops[s.op].undo;
		r = vec_step_add(&t->steps, s) < 0 ? err_nomem(err) : 0;
	}
	return r;
}

/* A person asked for it or approved it, and it gave access: taking that again is for bulk,
 * whose guards and limits look at it. */
static bool gave_access(const struct action *a)
{
	if (a->kind == ACTION_REPROVISION)
		return true;
	return a->class == PLAN_ASKED &&
	       (a->kind == ACTION_RESTORE || a->kind == ACTION_ENABLE ||
		a->kind == ACTION_CANCEL_DELETE);
}

static int deed_undo(struct trail *t, const struct undo_deed *d, struct err *err)
{
	struct action_fields left;
	size_t steps = t->steps.n;
	int r;

	if (!any_done(d))
		return 0;
	if (gave_access(d->action)) {
		t->known = true;
		t->now = d->action->after;
		return say_left(
			t->round, d, err,
			"it gave access, which undo takes from nobody: leaverd bulk does");
	}
	r = left_by(t, d, &left, err);
	if (r < 0)
		return r;
	if (d->action->class == PLAN_RESTORE) {
		t->now = left;
		t->known = true;
		return 0;
	}
	if (t->known && !fields_alike(&t->now, &left))
		return say_left(t->round, d, err,
				"what it left was changed since, or given back already");
	r = steps_back(t, d, err);
	if (r < 0)
		return r;
	if (!t->known)
		t->c.before = left;
	t->now = d->action->before;
	t->known = true;
	t->c.after = t->now;
	/* the status comes back by the kind that undoes the strongest of the deeds */
	if (is_status(d->action) && t->steps.n > steps && t->c.kind != ACTION_ENABLE)
		t->c.kind = action_kinds[d->action->kind].undo;
	note_add(t, d);
	return 0;
}

/* The receiver gives what is still theirs to who had it; the giver of before takes. */
static int gift_undo(struct trail *t, const struct undo_deed *d, struct err *err)
{
	int r = 0;

	if (!any_done(d))
		return 0;
	if (d->action->class == PLAN_RESTORE) {
		t->known = true;
		return 0;
	}
	if (t->known)
		return say_left(t->round, d, err, "it was given back already");
	for (size_t i = d->action->step_count; i-- > 0 && r == 0;) {
		struct action_step s = d->action->steps[i];

		s.from = d->action->steps[i].to;
		s.to = d->action->steps[i].from;
		s.name = "former-owner";
		if (d->done[i] && vec_step_add(&t->steps, s) < 0)
			r = err_nomem(err);
	}
	t->c.step = 1; /* after the account itself: who is suspended receives nothing */
	note_add(t, d);
	return r;
}

/* --- one account, or one seat --- */

static int trail_end(struct trail *t, struct err *err)
{
	struct action_step *steps = NULL;
	int r;

	if (t->steps.n == 0)
		return 0;
	if (t->steps.n > APPLY_MAX_STEPS)
		return err_set(err, ERR_LIMIT,
			       "undo: one account would need %zu steps, %d are the most: undo "
			       "run by run",
			       t->steps.n, APPLY_MAX_STEPS);
	r = buf_fault(&t->note, err, "what an action gives back");
	if (r == 0)
		r = arena_alloc(t->round->arena, t->steps.n * sizeof(*steps), &steps, err);
	if (r == 0)
		r = arena_text(t->round->arena, buf_str(&t->note), &t->c.note, err);
	if (r < 0)
		return r;
	memcpy(steps, t->steps.v, t->steps.n * sizeof(*steps));
	t->c.steps = steps;
	t->c.step_count = t->steps.n;
	return vec_candidate_add(&t->round->candidates, t->c) < 0 ? err_nomem(err) : 0;
}

/* Where it stands in the facts; false when it is not there any more. */
static bool trail_place(struct trail *t)
{
	const struct world *w = t->round->w;
	const struct action *a = t->deeds[0]->action;
	uint32_t account = facts_account_by_number(w->f, a->account);

	t->c = (struct candidate){
		.kind = a->kind,
		.class = PLAN_RESTORE,
		.s = { SUBJECT_ACCOUNT, FACTS_NONE, account, FACTS_NONE },
		.product = FACTS_NONE,
		.due_ms = w->f->round.now_ms,
		.anchor_ms = w->f->round.now_ms,
	};
	if (account == FACTS_NONE)
		return false;
	t->c.s.person = w->account_person[account];
	if (a->product)
		t->c.product = facts_product_find(w->f, str_of(a->product), str_of(a->site));
	return !a->product || t->c.product != FACTS_NONE;
}

static int trail_walk(struct round *round, const struct undo_deed *const *deeds, size_t n,
		      struct err *err)
{
	struct trail t = { .round = round, .deeds = deeds, .n = n };
	bool there = trail_place(&t);
	int r = 0;

	buf_init(&t.note, 16384);
	for (size_t i = 0; i < n && r == 0; i++)
		if (there)
			r = is_gift(deeds[i]->action) ? gift_undo(&t, deeds[i], err)
						      : deed_undo(&t, deeds[i], err);
		else if (any_done(deeds[i]))
			r = say_left(round, deeds[i], err,
				     "the account or the product is not there any more");
	if (r == 0)
		r = trail_end(&t, err);
	vec_step_done(&t.steps);
	buf_done(&t.note);
	return r;
}

/* --- memberships of one account --- */

/* What deeds did to the membership in one group, followed back. */
struct member {
	const struct undo_deed *deed;   /* the oldest */
	const struct action_step *step; /* of it */
	bool in, was_in;                /* now, and before the oldest */
	bool given_back;                /* an undo did something about it since */
};
VEC(vec_member, struct member);

static struct member *member_of(struct vec_member *v, const char *group)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i].step->group, group) == 0)
			return &v->v[i];
	return NULL;
}

static int member_note(struct round *round, struct vec_member *v, const struct undo_deed *d,
		       const struct action_step *step, struct err *err)
{
	struct member *m = member_of(v, step->group);
	bool added = step->op == STEP_ADD_GROUP;
	struct member fresh = { d, step, added, !added, d->action->class == PLAN_RESTORE };

	if (!m)
		return vec_member_add(v, fresh) < 0 ? err_nomem(err) : 0;
	if (m->given_back)
		return d->action->class == PLAN_RESTORE
			       ? 0
			       : say_left(round, d, err, "it was given back already");
	m->deed = d;
	m->step = step;
	m->was_in = !added;
	return 0;
}

static int members_read(struct round *round, struct vec_member *v,
			const struct undo_deed *const *deeds, size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		for (size_t s = 0; s < deeds[i]->action->step_count && r == 0; s++)
			if (deeds[i]->done[s] && deeds[i]->action->steps[s].group)
				r = member_note(round, v, deeds[i], &deeds[i]->action->steps[s],
						err);
	return r;
}

/* The groups that are to be joined again, or left again, as one action. */
static int members_back(struct trail *t, const struct vec_member *v, bool join, struct err *err)
{
	struct plan_arena *arena = t->round->arena;
	struct action_fields fields = { .paths = true };
	const char **groups = NULL;
	uint32_t *rows = NULL;
	int r = arena_alloc(arena, (v->n + 1) * sizeof(*groups), &groups, err);

	if (r == 0)
		r = arena_alloc(arena, (v->n + 1) * sizeof(*rows), &rows, err);
	t->steps.n = 0;
	for (size_t i = 0; i < v->n && r == 0; i++) {
		struct action_step step = *v->v[i].step;
		uint32_t row = bulk_group_row(t->round->w->f, step.group);

		if (v->v[i].given_back || v->v[i].in == v->v[i].was_in ||
		    v->v[i].was_in != join)
			continue;
		if (row == FACTS_NONE) {
			r = say_left(t->round, v->v[i].deed, err,
				     "the group is not there any more, as last collected");
			continue;
		}
		step.op = join ? STEP_ADD_GROUP : STEP_REMOVE_GROUP;
		rows[fields.group_count] = row;
		groups[fields.group_count++] = step.group;
		r = vec_step_add(&t->steps, step) < 0 ? err_nomem(err) : 0;
	}
	fields.groups = groups;
	t->c.groups = rows;
	t->c.group_count = fields.group_count;
	t->c.kind = join ? ACTION_ADD_GROUPS : ACTION_REMOVE_GROUPS;
	t->c.step = join ? 2 : 3;
	t->c.before = join ? (struct action_fields){ .paths = true } : fields;
	t->c.after = join ? fields : (struct action_fields){ .paths = true };
	return r < 0 ? r : trail_end(t, err);
}

static int members_walk(struct round *round, const struct undo_deed *const *deeds, size_t n,
			struct err *err)
{
	CLEANUP(vec_member_done) struct vec_member members = { 0 };
	struct trail t = { .round = round, .deeds = deeds, .n = n };
	bool there = trail_place(&t);
	int r = 0;

	buf_init(&t.note, 16384);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!any_done(deeds[i]) || deeds[i]->action->class == PLAN_RESTORE)
			continue;
		if (there)
			note_add(&t, deeds[i]);
		else
			r = say_left(round, deeds[i], err, "the account is not there any more");
	}
	if (r == 0 && there)
		r = members_read(round, &members, deeds, n, err);
	if (r == 0 && there)
		r = members_back(&t, &members, true, err);
	if (r == 0 && there)
		r = members_back(&t, &members, false, err);
	vec_step_done(&t.steps);
	buf_done(&t.note);
	return r;
}

/* --- all --- */

/* Beside each other: what is about one thing; then newest first. */
static int deed_cmp(const void *pa, const void *pb)
{
	const struct undo_deed *x = *(const struct undo_deed *const *)pa;
	const struct undo_deed *y = *(const struct undo_deed *const *)pb;
	const struct action *a = x->action, *b = y->action;
	int c;

	if (a->account != b->account)
		return a->account < b->account ? -1 : 1;
	c = strcmp(a->product ? a->product : "", b->product ? b->product : "");
	if (!c)
		c = strcmp(a->site ? a->site : "", b->site ? b->site : "");
	if (!c)
		c = facet_of(a) - facet_of(b);
	if (!c && x->at_ms != y->at_ms)
		c = x->at_ms > y->at_ms ? -1 : 1;
	if (!c && x->plan != y->plan)
		c = x->plan > y->plan ? -1 : 1;
	return c ? c : (a->n < b->n) - (a->n > b->n);
}

static bool same_thing(const struct action *a, const struct action *b)
{
	return a->account == b->account &&
	       strcmp(a->product ? a->product : "", b->product ? b->product : "") == 0 &&
	       strcmp(a->site ? a->site : "", b->site ? b->site : "") == 0 &&
	       facet_of(a) == facet_of(b);
}

/* Neither a status nor paths: tokens, warnings, what provisioning did. Nothing of it comes back
 * by a state before. */
static int plain_left(struct round *round, const struct undo_deed *d, struct err *err)
{
	if (!any_done(d) || d->action->class == PLAN_RESTORE)
		return 0;
	if (d->action->kind == ACTION_WARN || d->action->kind == ACTION_WARN_ACCOUNT)
		return say_left(round, d, err, "a message that was sent stays sent");
	if (d->action->kind == ACTION_CHANGE_PROFILE)
		return say_left(
			round, d, err,
			"a profile is changed back by leaverd bulk (change-profile); what it "
			"said before stands beside the plan");
	if (action_kinds[d->action->kind].group)
		return say_left(
			round, d, err,
			d->action->kind == ACTION_DROP_GROUP
				? "a group that was dropped is made anew by leaverd bulk "
				  "(create-group), under another id"
				: "a group that was made is dropped by leaverd bulk "
				  "(drop-group), once nobody uses it");
	if (d->action->kind == ACTION_REVOKE_TOKENS)
		return say_left(round, d, err,
				"revoked tokens do not come back: their owner makes new ones");
	return say_left(round, d, err, "it is of a kind that undo does not give back");
}

int undo_desire(struct round *round, const struct undo_deed *deeds, size_t n, struct err *err)
{
	CLEANUP(free_at) const struct undo_deed **v = calloc(n + 1, sizeof(*v));
	size_t count = 0;
	int r = 0;

	if (!v)
		return err_nomem(err);
	for (uint32_t i = 0; i < round->w->f->accounts.n; i++)
		round->scope_asked += desire_is_subject(round->w, i);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (is_status(deeds[i].action) || is_paths(deeds[i].action) ||
		    is_gift(deeds[i].action) || is_membership(deeds[i].action))
			v[count++] = &deeds[i];
		else
			r = plain_left(round, &deeds[i], err);
	}
	qsort(v, count, sizeof(*v), deed_cmp);
	for (size_t i = 0, to; i < count && r == 0; i = to) {
		for (to = i + 1; to < count; to++)
			if (!same_thing(v[i]->action, v[to]->action))
				break;
		r = is_membership(v[i]->action) ? members_walk(round, v + i, to - i, err)
						: trail_walk(round, v + i, to - i, err);
	}
	return r;
}
