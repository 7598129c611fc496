#include "reconcile/wave.h"

#include <stdlib.h>

#define LESS(a, b) ((a) < (b) ? -1 : (a) > (b))

/* Whom a wave takes or leaves, with candidates at..at + n of the sorted list. */
struct subject_group {
	uint64_t key;
	size_t at, n;
	enum plan_class class;
	bool absence;
	unsigned role; /* of the best source: enum source_role; the organisation alone last */
	int64_t since_ms;
};

/* Persons by row, accounts of nobody behind them. */
static uint64_t key_of(const struct candidate *c)
{
	return c->s.person != FACTS_NONE ? c->s.person : (UINT64_C(1) << 32) + c->s.account;
}

static int candidate_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct candidate *v = ctx;
	const struct candidate *a = &v[*(const size_t *)pa], *b = &v[*(const size_t *)pb];
	int c = LESS(key_of(a), key_of(b));

	if (!c)
		c = LESS(a->class, b->class);
	if (!c)
		c = LESS(a->s.account, b->s.account);
	return c ? c : LESS(a->product, b->product);
}

static int group_cmp(const void *pa, const void *pb)
{
	const struct subject_group *a = pa, *b = pb;
	int c = LESS(a->class, b->class);

	if (!c)
		c = LESS(a->absence, b->absence);
	if (!c)
		c = LESS(a->role, b->role);
	if (!c)
		c = LESS(a->since_ms, b->since_ms);
	return c ? c : LESS(a->key, b->key);
}

static unsigned best_role(const struct round *r, const struct basis *basis)
{
	unsigned best = SOURCE_ROLE_COUNT;

	for (size_t i = 0; i < r->w->f->sources.n; i++) {
		unsigned role = r->w->f->sources.v[i].in.role;

		if ((basis->sources & UINT64_C(1) << i) && role < best)
			best = role;
	}
	return best;
}

static void group_add(struct subject_group *g, const struct round *r, const struct candidate *c)
{
	unsigned role = best_role(r, &c->basis);
	bool absence = c->basis.absent != 0;

	if (g->n == 0 || c->class < g->class)
		g->class = c->class;
	g->absence = g->n ? g->absence && absence : absence;
	g->role = g->n && g->role < role ? g->role : role;
	g->since_ms = g->n && g->since_ms < c->anchor_ms ? g->since_ms : c->anchor_ms;
	g->n++;
}

static int pick_cmp(const void *pa, const void *pb)
{
	const struct wave_pick *a = pa, *b = pb;
	int c = LESS(a->account, b->account);

	return c ? c : LESS(a->product, b->product);
}

static bool is_picked(const struct wave_request *q, const struct candidate *c)
{
	const struct wave_pick pick = { c->s.account, c->product };

	return !q->picks || (q->pick_count &&
			     bsearch(&pick, q->picks, q->pick_count, sizeof(pick), pick_cmp));
}

/* How many more subjects each limit counts when the group goes. Actions of a class stand
 * together, and those about one seat. */
static void costs_of(const struct round *r, const struct subject_group *g, const size_t *v,
		     uint64_t ret[PLAN_CLASS_COUNT])
{
	const struct candidate *last = NULL;

	memset(ret, 0, PLAN_CLASS_COUNT * sizeof(*ret));
	for (size_t i = g->at; i < g->at + g->n; i++) {
		const struct candidate *c = &r->candidates.v[v[i]];
		bool same = last && last->class == c->class &&
			    (c->class != PLAN_INACTIVE ||
			     (last->s.account == c->s.account && last->product == c->product));

		if (!action_kinds[c->kind].destructive)
			continue;
		ret[c->class] += !same;
		last = c;
	}
}

static bool take_room(uint64_t room[PLAN_CLASS_COUNT], const uint64_t costs[PLAN_CLASS_COUNT])
{
	for (int i = 0; i < PLAN_CLASS_COUNT; i++)
		if (costs[i] > room[i])
			return false;
	for (int i = 0; i < PLAN_CLASS_COUNT; i++)
		room[i] -= costs[i];
	return true;
}

/* One urgency's candidates that may go, and how many guards hold. */
struct cutting {
	struct round *r;
	const struct wave_request *q;
	size_t *v, n;
	struct subject_group *groups;
	size_t group_count;
};

static void cutting_done(struct cutting *c)
{
	free(c->v);
	free(c->groups);
}

static int cutting_read(struct cutting *c, bool urgent, size_t *held, struct err *err)
{
	struct candidate *v = c->r->candidates.v;
	size_t room = c->r->candidates.n + 1;

	c->v = calloc(room, sizeof(*c->v));
	c->groups = calloc(room, sizeof(*c->groups));
	if (!c->v || !c->groups)
		return err_nomem(err);
	for (size_t i = 0; i < c->r->candidates.n; i++) {
		if (v[i].gone || candidate_is_urgent(&v[i]) != urgent)
			continue;
		v[i].gone = true;
		if (!is_picked(c->q, &v[i]))
			continue;
		*held += v[i].hit_count > 0;
		if (!v[i].hit_count)
			c->v[c->n++] = i;
	}
	qsort_r(c->v, c->n, sizeof(*c->v), candidate_cmp, v);
	for (size_t i = 0; i < c->n; i++) {
		const struct candidate *one = &v[c->v[i]];

		if (i == 0 || key_of(one) != c->groups[c->group_count - 1].key)
			c->groups[c->group_count++] =
				(struct subject_group){ .key = key_of(one), .at = i };
		group_add(&c->groups[c->group_count - 1], c->r, one);
	}
	qsort(c->groups, c->group_count, sizeof(*c->groups), group_cmp);
	return 0;
}

/* Nothing of the candidates stands: what is taken stands again. */
static int cutting_take(struct cutting *c, struct wave_answer *ret, struct err *err)
{
	uint64_t room[PLAN_CLASS_COUNT];
	int r = 0;

	for (int i = 0; i < PLAN_CLASS_COUNT && r == 0; i++)
		r = guard_room(c->r, (enum plan_class)i, &room[i], err);
	for (size_t i = 0; i < c->group_count && r == 0; i++) {
		const struct subject_group *g = &c->groups[i];
		uint64_t costs[PLAN_CLASS_COUNT];
		bool fits;

		costs_of(c->r, g, c->v, costs);
		fits = ret->taken < c->q->most && take_room(room, costs);
		ret->no_room += ret->taken < c->q->most && !fits;
		ret->taken += fits;
		ret->left += !fits;
		for (size_t k = g->at; fits && k < g->at + g->n; k++)
			c->r->candidates.v[c->v[k]].gone = false;
	}
	return r;
}

/* All of it fits: that is the plan which the round makes anyway. */
static void cutting_drop(struct cutting *c, struct wave_answer *ret)
{
	for (size_t i = 0; i < c->n; i++)
		c->r->candidates.v[c->v[i]].gone = true;
	ret->taken = 0;
}

int wave_cut(struct round *r, const struct wave_request *request,
	     struct wave_answer ret[PLAN_URGENCY_COUNT], struct err *err)
{
	int done = 0;

	for (int u = 0; u < PLAN_URGENCY_COUNT && done == 0; u++) {
		CLEANUP(cutting_done) struct cutting c = { .r = r, .q = request };

		ret[u] = (struct wave_answer){ 0 };
		done = cutting_read(&c, u == PLAN_URGENT, &ret[u].held, err);
		if (done == 0)
			done = cutting_take(&c, &ret[u], err);
		if (done == 0 && !request->picks && !ret[u].left)
			cutting_drop(&c, &ret[u]);
	}
	return done;
}
