#include "reconcile/policy_diff.h"

#include <stdio.h>
#include <stdlib.h>

const char *policy_change_word(enum policy_change change)
{
	static const char *const words[] = { "new", "gone", "changed" };

	return words[change];
}

#define LESS(a, b) ((a) < (b) ? -1 : (a) > (b))

static int text_cmp(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* What an action is about, whatever rule wants it. */
static int thing_cmp(const struct action *a, const struct action *b)
{
	int c = LESS(a->account, b->account);

	if (!c && !a->account)
		c = LESS(a->person, b->person);
	if (!c)
		c = LESS(a->kind, b->kind);
	if (!c)
		c = text_cmp(a->product, b->product);
	return c ? c : text_cmp(a->site, b->site);
}

static int entry_cmp(const void *pa, const void *pb)
{
	const struct action *const *a = pa, *const *b = pb;

	return thing_cmp(*a, *b);
}

/* The actions of those plans (NULL: none), by what they are about. */
static int entries(struct plan *const *plans, size_t plan_count, const struct action ***ret,
		   size_t *count, struct err *err)
{
	const struct action **v;
	size_t n = 0;

	for (size_t u = 0; u < plan_count; u++)
		n += plans[u] ? plans[u]->actions.n : 0;
	v = calloc(n + 1, sizeof(*v));
	if (!v)
		return err_nomem(err);
	n = 0;
	for (size_t u = 0; u < plan_count; u++)
		for (size_t i = 0; plans[u] && i < plans[u]->actions.n; i++)
			v[n++] = &plans[u]->actions.v[i];
	qsort(v, n, sizeof(*v), entry_cmp);
	*ret = v;
	*count = n;
	return 0;
}

static void held_text(const struct action *a, char *ret, size_t room)
{
	size_t at = (size_t)snprintf(ret, room, "%s", a->held_count ? "" : "nothing");

	for (size_t i = 0; i < a->held_count && at < room; i++)
		at += (size_t)snprintf(ret + at, room - at, "%s%s", i ? ", " : "",
				       a->held_by[i]);
}

/* Whether the same remote changes are made. */
static bool same_steps(const struct action *a, const struct action *b)
{
	bool same = a->step_count == b->step_count;

	for (size_t i = 0; same && i < a->step_count; i++) {
		const struct action_step *x = &a->steps[i], *y = &b->steps[i];

		same = x->op == y->op && text_cmp(x->directory, y->directory) == 0 &&
		       text_cmp(x->group, y->group) == 0 && text_cmp(x->role, y->role) == 0 &&
		       text_cmp(x->resource, y->resource) == 0 &&
		       text_cmp(x->site, y->site) == 0 && x->item_count == y->item_count &&
		       x->to == y->to;
	}
	return same;
}

/* How they differ, as a clause; empty where they do not. */
static void how_of(const struct action *was, const struct action *is, int64_t now_ms, char *ret,
		   size_t room)
{
	char before[96], after[96], due[STAMP_TEXT_BYTES];
	size_t at = 0;

	held_text(was, before, sizeof(before));
	held_text(is, after, sizeof(after));
	ret[0] = '\0';
	if (strcmp(was->rule, is->rule) != 0)
		at += (size_t)snprintf(ret, room, "by rule %s before", was->rule);
	if (strcmp(before, after) != 0 && at < room)
		at += (size_t)snprintf(ret + at, room - at, "%sheld by %s before",
				       at ? "; " : "", before);
	if (was->automatic != is->automatic && at < room)
		at += (size_t)snprintf(ret + at, room - at, "%s%s", at ? "; " : "",
				       was->automatic ? "approved by policy before"
						      : "approved by hand before");
	if (was->needs != is->needs && at < room)
		at += (size_t)snprintf(ret + at, room - at, "%sneeded %u before",
				       at ? "; " : "", was->needs);
	if (!same_steps(was, is) && at < room)
		at += (size_t)snprintf(ret + at, room - at, "%sother steps before",
				       at ? "; " : "");
	if (was->due_ms == is->due_ms || (was->due_ms <= now_ms && is->due_ms <= now_ms) ||
	    at >= room)
		return;
	stamp_text(was->due_ms, due);
	(void)snprintf(ret + at, room - at, "%sdue %s before", at ? "; " : "", due);
}

static int difference_add(struct vec_policy_difference *ret, const struct action *was,
			  const struct action *is, int64_t now_ms, struct err *err)
{
	struct policy_difference d = { .was = was, .is = is };

	d.change = !was ? POLICY_NEW : !is ? POLICY_GONE : POLICY_CHANGED;
	if (was && is)
		how_of(was, is, now_ms, d.how, sizeof(d.how));
	if (was && is && !d.how[0])
		return 0;
	return vec_policy_difference_add(ret, d) < 0 ? err_nomem(err) : 0;
}

static int difference_cmp(const void *pa, const void *pb)
{
	const struct policy_difference *a = pa, *b = pb;
	const struct action *x = a->is ? a->is : a->was, *y = b->is ? b->is : b->was;
	int c = strcmp(x->rule, y->rule);

	if (!c)
		c = LESS(a->change, b->change);
	if (!c)
		c = LESS(x->person, y->person);
	return c ? c : thing_cmp(x, y);
}

/* Two lists by what they are about, walked side by side. */
static int walk(const struct action *const *a, size_t an, const struct action *const *b,
		size_t bn, int64_t now_ms, struct vec_policy_difference *ret, struct err *err)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r == 0 && (i < an || k < bn)) {
		int c = i == an ? 1 : k == bn ? -1 : thing_cmp(a[i], b[k]);

		r = difference_add(ret, c <= 0 ? a[i] : NULL, c >= 0 ? b[k] : NULL, now_ms,
				   err);
		i += c <= 0;
		k += c >= 0;
	}
	return r;
}

static int differences(struct plan *const *was, struct plan *const *is, size_t n,
		       int64_t now_ms, int (*cmp)(const void *, const void *),
		       struct vec_policy_difference *ret, struct err *err)
{
	CLEANUP(free_at) const struct action **a = NULL;
	CLEANUP(free_at) const struct action **b = NULL;
	size_t an = 0, bn = 0;
	int r = entries(was, n, &a, &an, err);

	if (r == 0)
		r = entries(is, n, &b, &bn, err);
	if (r == 0)
		r = walk(a, an, b, bn, now_ms, ret, err);
	if (r == 0 && ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), cmp);
	return r;
}

int policy_differences(const struct reconcile_result *was, const struct reconcile_result *is,
		       int64_t now_ms, struct vec_policy_difference *ret, struct err *err)
{
	return differences(was->plans, is->plans, PLAN_URGENCY_COUNT, now_ms, difference_cmp,
			   ret, err);
}

static int change_cmp(const void *pa, const void *pb)
{
	const struct policy_difference *a = pa, *b = pb;
	int c = LESS(a->change, b->change);

	return c ? c : difference_cmp(pa, pb);
}

int plan_differences(struct plan *was, struct plan *is, int64_t now_ms,
		     struct vec_policy_difference *ret, struct err *err)
{
	return differences(&was, &is, 1, now_ms, change_cmp, ret, err);
}
