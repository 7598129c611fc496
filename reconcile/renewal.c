#include "reconcile/renewal.h"

#include <stdlib.h>

#define LESS(a, b) ((a) < (b) ? -1 : (a) > (b))
#define FREES(kind)                                                                            \
	((kind) == ACTION_FREE_SEAT || (kind) == ACTION_SUSPEND || (kind) == ACTION_DEACTIVATE)

const char *renewal_sort_word(enum renewal_sort sort)
{
	static const char *const words[] = { "orphan", "never used", "idle" };

	return words[sort];
}

const char *renewal_state_word(enum renewal_state state)
{
	static const char *const words[] = {
		[RENEWAL_PLANNED] = "planned", [RENEWAL_PENDING] = "approved",
		[RENEWAL_LATER] = "later",     [RENEWAL_NO_ROOM] = "over the limit",
		[RENEWAL_HELD] = "held",       [RENEWAL_TOO_LATE] = "too late",
		[RENEWAL_NO_RULE] = "no rule", [RENEWAL_UNKNOWN] = "unknown",
	};

	return words[state];
}

bool renewal_makes_it(enum renewal_state state)
{
	return state == RENEWAL_PLANNED || state == RENEWAL_PENDING || state == RENEWAL_LATER;
}

/* --- ranking --- */

static int row_cmp(const void *pa, const void *pb)
{
	const struct renewal_row *a = pa, *b = pb;
	int c = LESS(a->sort, b->sort);

	if (!c)
		c = LESS(a->last_ms, b->last_ms);
	return c ? c : LESS(a->seat, b->seat);
}

static int rank(const struct round *r, struct renewal *q, struct err *err)
{
	const struct facts *f = r->w->f;

	for (uint32_t i = 0; i < f->seats.n; i++) {
		const struct row_product *p = &f->products.v[f->seats.v[i].product];
		struct moment last = view_last_active(r->w, i);
		struct renewal_row row = { .seat = i,
					   .sort = RENEWAL_IDLE,
					   .last_ms = last.ms };

		if (!str_eq(pool_str(&f->pool, p->key), q->product) ||
		    (q->site.len && !str_eq(pool_str(&f->pool, p->site), q->site)) ||
		    !desire_is_subject(r->w, f->seats.v[i].account))
			continue;
		q->seats++;
		if (last.state == VALUE_ABSENT)
			row.sort = RENEWAL_NEVER;
		if (r->sources_whole && desire_is_orphan(r, f->seats.v[i].account))
			row.sort = RENEWAL_ORPHAN;
		else if (last.state == VALUE_UNKNOWN) {
			q->unknown++;
			continue;
		}
		if (last.state != VALUE_PRESENT)
			row.last_ms = 0;
		if (vec_renewal_row_add(&q->rows, row) < 0)
			return err_nomem(err);
	}
	if (q->rows.n)
		qsort(q->rows.v, q->rows.n, sizeof(*q->rows.v), row_cmp);
	return 0;
}

/* --- when a rule would free a seat --- */

/* The world as it is, at another time: what is not used stays unused. */
struct ahead {
	struct world w;
	struct facts f;
};

static void ahead_at(struct ahead *a, const struct world *w, int64_t now_ms)
{
	a->w = *w;
	a->f = *w->f;
	a->f.round.now_ms = now_ms;
	a->w.f = &a->f;
}

static enum truth truth_at(const struct world *w, const struct rule *rule,
			   const struct subject *s, int64_t at_ms)
{
	struct ahead a;
	const char *why;
	bool outside = false;

	ahead_at(&a, w, at_ms);
	return desire_truth(&a.w, rule, s, &why, &outside);
}

/* The first day on which the rule holds, which it does at most_ms and not yet at least_ms. */
static int64_t holds_from(const struct world *w, const struct rule *rule,
			  const struct subject *s, int64_t least_ms, int64_t most_ms)
{
	while (most_ms - least_ms > STAMP_DAY_MS) {
		int64_t middle = least_ms + (most_ms - least_ms) / 2;

		if (truth_at(w, rule, s, middle) == TRUTH_TRUE)
			most_ms = middle;
		else
			least_ms = middle;
	}
	return most_ms;
}

/* When the rule, true at at_ms, has freed the seat at the earliest; 0: it does not, INT64_MAX:
 * it cannot be told. */
static int64_t frees_at(const struct world *w, const struct rule *rule, const struct subject *s,
			int64_t at_ms)
{
	struct stage stages[POLICY_MAX_STEPS];
	struct moment anchor;
	struct ahead a;
	int64_t t = at_ms;

	ahead_at(&a, w, at_ms);
	anchor = stage_anchor(&a.w, rule, s);
	if (anchor.state != VALUE_PRESENT)
		return INT64_MAX;
	stage_ladder(&a.w, rule, s, anchor.ms, stages);
	for (size_t i = 0; i < rule->step_count; i++) {
		enum action_kind kind = rule->steps[i].kind;
		int64_t wait = i ? rule->steps[i].after_ms - rule->steps[i - 1].after_ms : 0;

		if (stages[i].state == STAGE_UNKNOWN)
			return INT64_MAX;
		if (stages[i].state == STAGE_DUE && stages[i].at_ms > t)
			t = stages[i].at_ms;
		if (stages[i].state == STAGE_WAITS)
			t = calendar_after(&w->calendar, t, wait);
		if (stages[i].state == STAGE_DUE || stages[i].state == STAGE_WAITS) {
			struct ahead then;
			int64_t opens;

			ahead_at(&then, w, t);
			opens = stage_opens(&then.w, kind, rule->class, t);
			t = opens > t ? opens : t;
		}
		if (FREES(kind))
			return t;
	}
	return 0;
}

static bool rule_frees(const struct rule *rule, enum renewal_sort sort)
{
	bool about = rule->subject == SUBJECT_SEAT ||
		     (rule->subject == SUBJECT_ORPHAN && sort == RENEWAL_ORPHAN);

	for (size_t i = 0; about && i < rule->step_count; i++)
		if (FREES(rule->steps[i].kind))
			return true;
	return false;
}

static struct subject subject_of(const struct round *r, const struct rule *rule, uint32_t seat)
{
	uint32_t account = r->w->f->seats.v[seat].account;

	return (struct subject){ rule->subject, r->w->account_person[account], account,
				 rule->subject == SUBJECT_SEAT ? seat : FACTS_NONE };
}

/* The rule that frees it first: sets rule, free_ms and state (LATER, TOO_LATE, NO_RULE,
 * UNKNOWN). */
static void rule_find(const struct round *r, const struct renewal *q, struct renewal_row *row)
{
	int64_t now = r->w->f->round.now_ms;

	row->state = RENEWAL_NO_RULE;
	for (size_t i = 0; i < r->w->p->rule_count; i++) {
		const struct rule *rule = &r->w->p->rules[i];
		struct subject s = subject_of(r, rule, row->seat);
		int64_t from = now, at;
		enum truth t;

		if (!rule_frees(rule, row->sort))
			continue;
		t = truth_at(r->w, rule, &s, now);
		if (t == TRUTH_FALSE) {
			t = truth_at(r->w, rule, &s, q->by_ms);
			if (t == TRUTH_TRUE)
				from = holds_from(r->w, rule, &s, now, q->by_ms);
		}
		at = t == TRUTH_TRUE ? frees_at(r->w, rule, &s, from) : 0;
		if (t == TRUTH_UNKNOWN || at == INT64_MAX) {
			row->state = row->rule ? row->state : RENEWAL_UNKNOWN;
			continue;
		}
		if (!at || (row->rule && row->free_ms <= at))
			continue;
		row->rule = rule;
		row->free_ms = at;
		row->state = at <= q->by_ms ? RENEWAL_LATER : RENEWAL_TOO_LATE;
	}
}

/* --- what stands in the round for it --- */

static int by_account(const void *pa, const void *pb, void *ctx)
{
	const struct candidate *v = ctx;
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	int c = LESS(v[a].s.account, v[b].s.account);

	return c ? c : LESS(a, b);
}

struct lookup {
	size_t *v, n; /* candidates that stand or are pending, by account */
};

static int lookup_make(const struct round *r, struct lookup *ret, struct err *err)
{
	ret->v = calloc(r->candidates.n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_nomem(err);
	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct candidate *c = &r->candidates.v[i];

		if ((!c->gone || c->pending) && c->s.account != FACTS_NONE)
			ret->v[ret->n++] = i;
	}
	qsort_r(ret->v, ret->n, sizeof(*ret->v), by_account, r->candidates.v);
	return 0;
}

/* The next step towards it: a candidate about the seat, or the orphan's account; NULL. */
static const struct candidate *step_of(const struct round *r, const struct lookup *l,
				       const struct renewal_row *row)
{
	const struct row_seat *seat = &r->w->f->seats.v[row->seat];
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->candidates.v[l->v[middle]].s.account < seat->account)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < l->n; low++) {
		const struct candidate *c = &r->candidates.v[l->v[low]];

		if (c->s.account != seat->account)
			break;
		if (c->product == seat->product ||
		    (c->product == FACTS_NONE && c->class == PLAN_ORPHAN))
			return c;
	}
	return NULL;
}

static int why_not(struct round *r, const struct renewal *q, const struct candidate *step,
		   struct renewal_row *row, struct err *err)
{
	char free_at[STAMP_TEXT_BYTES], by[STAMP_TEXT_BYTES];

	stamp_text(row->free_ms, free_at);
	stamp_text(q->by_ms, by);
	switch (row->state) {
	case RENEWAL_HELD:
		return arena_textf(r->arena, &row->why, err, "%s: %s",
				   guards[step->hits[0].guard].name, step->hits[0].text);
	case RENEWAL_TOO_LATE:
		return arena_textf(r->arena, &row->why, err,
				   "rule %s has it free on %s at the earliest, after its waits",
				   row->rule->name, free_at);
	case RENEWAL_NO_RULE:
		return arena_textf(r->arena, &row->why, err,
				   "no rule frees it, also if nobody uses it until %s", by);
	case RENEWAL_UNKNOWN:
		return arena_textf(r->arena, &row->why, err,
				   "what a rule asks for is not known");
	case RENEWAL_NO_ROOM:
		return arena_textf(r->arena, &row->why, err,
				   "the limits leave no room for its step now");
	default:
		return 0;
	}
}

static int row_judge(struct round *r, const struct renewal *q, const struct lookup *l,
		     struct renewal_row *row, const struct candidate **step, struct err *err)
{
	*step = step_of(r, l, row);
	rule_find(r, q, row);
	if (row->state == RENEWAL_LATER && *step) {
		row->state = (*step)->pending     ? RENEWAL_PENDING
			     : (*step)->hit_count ? RENEWAL_HELD
						  : RENEWAL_PLANNED;
	}
	return why_not(r, q, *step, row, err);
}

/* --- the plan --- */

static int pick_cmp(const void *pa, const void *pb)
{
	const struct wave_pick *a = pa, *b = pb;
	int c = LESS(a->account, b->account);

	return c ? c : LESS(a->product, b->product);
}

struct picking {
	struct lookup lookup;
	const struct candidate **steps; /* of each row; NULL */
	struct wave_pick *picks;
	size_t n;
};

static void picking_done(struct picking *p)
{
	free(p->lookup.v);
	free(p->steps);
	free(p->picks);
}

/* Rows are judged until enough make it. */
static int rows_judge(struct round *r, struct renewal *q, struct picking *p, struct err *err)
{
	size_t n = 0, made = 0;
	int done = 0;

	while (n < q->rows.n && n < RENEWAL_ROWS_MOST && made < q->free && done == 0) {
		struct renewal_row *row = &q->rows.v[n];

		done = row_judge(r, q, &p->lookup, row, &p->steps[n], err);
		made += renewal_makes_it(row->state);
		if (row->state == RENEWAL_PLANNED)
			p->picks[p->n++] = (struct wave_pick){ p->steps[n]->s.account,
							       p->steps[n]->product };
		n++;
	}
	q->in_use = q->rows.n - n;
	q->rows.n = n;
	if (p->n)
		qsort(p->picks, p->n, sizeof(*p->picks), pick_cmp);
	return done;
}

int renewal_cut(struct round *r, struct renewal *renewal, struct err *err)
{
	CLEANUP(picking_done) struct picking p = { .n = 0 };
	struct wave_answer answers[PLAN_URGENCY_COUNT];
	struct wave_request wave = { .most = SIZE_MAX };
	int done = rank(r, renewal, err);

	if (done == 0)
		done = lookup_make(r, &p.lookup, err);
	if (done == 0) {
		p.steps = calloc(renewal->rows.n + 1, sizeof(*p.steps));
		p.picks = calloc(renewal->rows.n + 1, sizeof(*p.picks));
		done = p.steps && p.picks ? rows_judge(r, renewal, &p, err) : err_nomem(err);
	}
	wave.picks = p.picks;
	wave.pick_count = p.n;
	if (done == 0)
		done = wave_cut(r, &wave, answers, err);
	for (size_t i = 0; i < renewal->rows.n && done == 0; i++) {
		struct renewal_row *row = &renewal->rows.v[i];

		if (row->state != RENEWAL_PLANNED || !p.steps[i]->gone)
			continue;
		row->state = RENEWAL_NO_ROOM;
		done = why_not(r, renewal, p.steps[i], row, err);
	}
	return done;
}
