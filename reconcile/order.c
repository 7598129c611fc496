#include "reconcile/order.h"

#include <stdlib.h>

#define LESS(a, b) ((a) < (b) ? -1 : (a) > (b))

static unsigned rule_order(const struct candidate *c)
{
	return c->rule ? c->rule->order : 0;
}

/* The one group that a rule's step is about; what a person orders is about all it names. */
static uint32_t group_row(const struct candidate *c)
{
	return c->rule && c->group_count ? c->groups[0] : FACTS_NONE;
}

/* What it is about. */
static int thing_cmp(const struct candidate *a, const struct candidate *b)
{
	int c = LESS(a->s.account, b->s.account);

	if (!c && a->s.account == FACTS_NONE)
		c = LESS(a->s.person, b->s.person);
	if (!c)
		c = LESS(a->product, b->product);
	if (!c)
		c = LESS(a->thing_number, b->thing_number);
	if (!c)
		c = LESS(group_row(a), group_row(b));
	return c ? c : LESS(a->kind, b->kind);
}

static int worth_cmp(const struct candidate *a, const struct candidate *b)
{
	int c = LESS(a->hit_count > 0, b->hit_count > 0);

	if (!c)
		c = LESS(guard_may_run(b), guard_may_run(a));
	if (!c)
		c = LESS(a->class, b->class);
	if (!c)
		c = LESS(a->due_ms, b->due_ms);
	return c ? c : LESS(rule_order(a), rule_order(b));
}

static int choice_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct candidate *v = ctx;
	const struct candidate *a = &v[*(const size_t *)pa], *b = &v[*(const size_t *)pb];
	int c = thing_cmp(a, b);

	return c ? c : worth_cmp(a, b);
}

static int indexes(const struct round *r, size_t **ret, struct err *err)
{
	size_t *v = calloc(r->candidates.n + 1, sizeof(*v));

	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < r->candidates.n; i++)
		v[i] = i;
	*ret = v;
	return 0;
}

int order_choose(struct round *r, struct err *err)
{
	CLEANUP(free_at) size_t *v = NULL;
	struct candidate *c = r->candidates.v;
	int ret = indexes(r, &v, err);

	if (ret < 0)
		return ret;
	qsort_r(v, r->candidates.n, sizeof(*v), choice_cmp, c);
	for (size_t i = 1; i < r->candidates.n; i++)
		c[v[i]].gone = thing_cmp(&c[v[i - 1]], &c[v[i]]) == 0;
	return 0;
}

/* 0 for a record of the provisioning directory that is no account yet. */
static uint64_t account_number(const struct facts *f, const struct candidate *c)
{
	return c->s.account == FACTS_NONE ? 0 : f->accounts.v[c->s.account].number;
}

/* --- what other plans are about to do --- */

static size_t open_first(const struct facts *f, uint64_t account)
{
	size_t low = 0, high = f->open.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->open.v[middle].account < account)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* An open action about the same thing that is as urgent and will be done. */
static bool covers(const struct facts *f, const struct row_open *o, const struct candidate *c)
{
	struct str product = STR(""), site = STR("");

	if (c->product != FACTS_NONE) {
		product = pool_str(&f->pool, f->products.v[c->product].key);
		site = pool_str(&f->pool, f->products.v[c->product].site);
	}
	if (c->group_count && !str_eq(pool_str(&f->pool, o->rule), str_of(c->rule->name)))
		return false;
	return (o->approved || o->started) && o->kind == c->kind &&
	       (o->started ||
		o->urgency <= (candidate_is_urgent(c) ? PLAN_URGENT : PLAN_ROUTINE)) &&
	       str_eq(pool_str(&f->pool, o->product), product) &&
	       str_eq(pool_str(&f->pool, o->site), site);
}

/* Steps of the same kind, about groups, that the same rule wants of the same account: those of
 * one ladder stand beside each other. */
static size_t peers(const struct round *r, const struct candidate *c)
{
	const struct candidate *v = r->candidates.v, *from = c;
	size_t n = 0;

	while (from > v && from[-1].rule == c->rule && from[-1].s.account == c->s.account)
		from--;
	for (; from < v + r->candidates.n && from->rule == c->rule &&
	       from->s.account == c->s.account;
	     from++)
		n += from->kind == c->kind && (!from->gone || from->pending);
	return n;
}

/*
 * Which groups an open action is about is not told: as long as there are fewer of them than
 * steps that are due, each of those is planned. One that was on its way already finds that it
 * is so when it is done, and does nothing.
 */
static bool is_new_group(const struct round *r, const struct candidate *c)
{
	const struct facts *f = r->w->f;
	uint64_t account = account_number(f, c);
	size_t open = 0;

	if (!c->rule || !c->group_count)
		return false;
	for (size_t o = open_first(f, account);
	     o < f->open.n && f->open.v[o].account == account; o++)
		open += covers(f, &f->open.v[o], c);
	return open && open < peers(r, c);
}

void order_pending(struct round *r)
{
	const struct facts *f = r->w->f;

	if (f->open.n == 0)
		return;
	for (size_t i = 0; i < r->candidates.n; i++) {
		struct candidate *c = &r->candidates.v[i];
		uint64_t account = account_number(f, c);

		/* which groups, which profile, is not told of open actions */
		if (c->gone || (c->step_count && !c->rule) || action_kinds[c->kind].group ||
		    is_new_group(r, c))
			continue;
		for (size_t o = open_first(f, account);
		     o < f->open.n && f->open.v[o].account == account && !c->gone; o++)
			c->gone = (account ||
				   f->open.v[o].person == r->w->numbers[c->s.person]) &&
				  covers(f, &f->open.v[o], c);
		c->pending = c->gone;
		r->counts.pending += c->gone;
	}
}

/* --- the order of a plan --- */

static int text_cmp(const struct facts *f, uint32_t a, uint32_t b, bool site)
{
	if (a == FACTS_NONE || b == FACTS_NONE)
		return (a != FACTS_NONE) - (b != FACTS_NONE);
	return str_cmp(pool_str(&f->pool, site ? f->products.v[a].site : f->products.v[a].key),
		       pool_str(&f->pool, site ? f->products.v[b].site : f->products.v[b].key));
}

static int plan_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct round *r = ctx;
	const struct facts *f = r->w->f;
	const struct candidate *a = &r->candidates.v[*(const size_t *)pa];
	const struct candidate *b = &r->candidates.v[*(const size_t *)pb];
	uint64_t person_a = a->s.person == FACTS_NONE ? 0 : r->w->numbers[a->s.person];
	uint64_t person_b = b->s.person == FACTS_NONE ? 0 : r->w->numbers[b->s.person];
	int c = LESS(a->class, b->class);

	if (!c)
		c = LESS(rule_order(a), rule_order(b));
	if (!c)
		c = LESS(person_a, person_b);
	if (!c)
		c = LESS(account_number(f, a), account_number(f, b));
	if (!c)
		c = text_cmp(f, a->product, b->product, false);
	if (!c)
		c = text_cmp(f, a->product, b->product, true);
	if (!c)
		c = LESS(a->step, b->step);
	if (!c && a->thing && b->thing)
		c = strcmp(a->thing, b->thing);
	return c ? c : LESS(a->kind, b->kind);
}

int order_plan(struct round *r, bool urgent, size_t **ret, size_t *count, struct err *err)
{
	size_t *v = NULL, n = 0;
	int done = indexes(r, &v, err);

	if (done < 0)
		return done;
	for (size_t i = 0; i < r->candidates.n; i++)
		if (!r->candidates.v[i].gone &&
		    candidate_is_urgent(&r->candidates.v[i]) == urgent)
			v[n++] = i;
	qsort_r(v, n, sizeof(*v), plan_cmp, r);
	for (size_t i = 0; i < n; i++)
		r->candidates.v[v[i]].n = (uint32_t)i + 1;
	*ret = v;
	*count = n;
	return 0;
}
