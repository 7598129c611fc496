#include "reconcile/compose.h"

#include <stdlib.h>

#include "reconcile/bulk.h"
#include "reconcile/provision.h"

#define EVIDENCE_MAX 32 /* of one action; a rule asks for less */
#define REASON_BYTES 4096

/* One action being made. */
struct making {
	struct round *r;
	struct plan *plan;
	const struct candidate *c;
	struct action *a;
	struct action_evidence evidence[EVIDENCE_MAX];
	struct seen personal[EVIDENCE_MAX]; /* what stands in the values instead */
	size_t evidence_count, personal_count;
	struct buf reason;
};

static int text(struct making *m, struct str s, const char **ret, struct err *err)
{
	return arena_text(&m->plan->arena, s, ret, err);
}

static int copy(struct making *m, const char *from, const char **ret, struct err *err)
{
	*ret = NULL;
	return from ? text(m, str_of(from), ret, err) : 0;
}

/* --- evidence and reason --- */

static int seen_add(void *ctx, const struct seen *seen, struct err *err)
{
	struct making *m = ctx;
	const struct facts *f = m->r->w->f;
	struct action_evidence *e = &m->evidence[m->evidence_count];
	struct str source =
		seen->source == FACTS_NONE ? f->round.org : f->sources.v[seen->source].in.name;
	int r;

	if (m->evidence_count == EVIDENCE_MAX)
		return 0;
	r = copy(m, seen->path, &e->path, err);
	if (r == 0)
		r = text(m, source, &e->source, err);
	e->value = NULL;
	if (r == 0 && !seen->personal && seen->value[0])
		r = copy(m, seen->value, &e->value, err);
	if (r < 0)
		return r;
	m->evidence_count++;
	if (seen->personal && seen->value[0])
		m->personal[m->personal_count++] = *seen;
	buf_addf(&m->reason, "%s%s ", m->reason.len ? "; " : "", seen->path);
	if (e->value)
		buf_addf(&m->reason, "is %s (" STR_FMT ")", e->value, STR_ARG(source));
	else
		buf_addf(&m->reason, "is %s (" STR_FMT ")",
			 seen->personal ? "as the rule says" : seen->state, STR_ARG(source));
	return 0;
}

/* The sentence that people read first. */
static int reason_make(struct making *m, const struct compose_order *order, struct err *err)
{
	const struct candidate *c = m->c;
	int r = 0;

	buf_init(&m->reason, REASON_BYTES);
	if (!order && c->note) /* what does not come back is said first */
		buf_add_text(&m->reason, c->note);
	if (order) {
		buf_addf(&m->reason, "%s by %s: %s", order->begin, order->by, order->reason);
		if (c->note)
			buf_addf(&m->reason, "; %s", c->note);
	} else if (!c->rule->when && !c->wish) {
		buf_add_text(&m->reason,
			     "no source explains this account of a verified domain");
	} else if (c->rule->when) {
		r = view_seen(m->r->w, c->rule->when, &c->s, seen_add, m, err);
	}
	if (r == 0 && c->wish)
		buf_addf(&m->reason, "%s%s", m->reason.len ? "; " : "", c->wish->because);
	if (r == 0)
		r = buf_fault(&m->reason, err, "the reason of an action");
	if (r == 0)
		r = text(m, buf_str(&m->reason), &m->a->reason, err);
	buf_done(&m->reason);
	if (r < 0 || !m->evidence_count)
		return r;
	r = arena_alloc(&m->plan->arena, m->evidence_count * sizeof(*m->evidence),
			&m->a->evidence, err);
	if (r < 0)
		return r;
	memcpy(m->a->evidence, m->evidence, m->evidence_count * sizeof(*m->evidence));
	m->a->evidence_count = m->evidence_count;
	return 0;
}

/* --- values: what identifies the subject, and the digest that stands for it --- */

static int seen_cmp(const void *pa, const void *pb)
{
	const struct seen *a = pa, *b = pb;

	return strcmp(a->path, b->path);
}

/* It is told to our provisioning directory, by which record stands in its values. */
static bool goes_through_directory(const struct facts *f, const struct candidate *c)
{
	bool does = c->kind == ACTION_DEACTIVATE;

	if (c->wish)
		return true;
	for (size_t i = 0; i < c->step_count && c->class == PLAN_RESTORE; i++)
		does = does || c->steps[i].op == STEP_SCIM_ACTIVATE;
	return does && provision_lever(f, c->s.account) != LEVER_ACCOUNT;
}

static void values_json(struct making *m, struct buf *b)
{
	const struct facts *f = m->r->w->f;
	static const struct row_account nobody;
	const struct row_account *a =
		m->c->s.account == FACTS_NONE ? &nobody : &f->accounts.v[m->c->s.account];
	struct str name = pool_str(&f->pool, a->name);

	qsort(m->personal, m->personal_count, sizeof(*m->personal), seen_cmp);
	buf_add_text(b, "{\"account_id\":");
	buf_add_json(b, pool_str(&f->pool, a->id));
	buf_add_text(b, ",\"email\":");
	buf_add_json(b, pool_str(&f->pool, a->email));
	buf_add_text(b, ",\"evidence\":{");
	for (size_t i = 0; i < m->personal_count; i++) {
		if (i)
			buf_add_char(b, ',');
		buf_add_json(b, str_of(m->personal[i].path));
		buf_add_char(b, ':');
		buf_add_json(b, str_of(m->personal[i].value));
	}
	buf_add_text(b, "},\"name\":");
	if (!name.len && m->c->thing)
		name = str_of(m->c->thing);
	buf_add_json(b, name.len ? name : view_name(m->r->w, m->c->s.person));
	if (m->c->profile)
		bulk_values(m->c, b);
	if (goes_through_directory(f, m->c))
		provision_values(m->r, m->c, b);
	buf_add_char(b, '}');
}

/* The person's salt; the account's where there is no person in the ledger yet. A group is
 * nobody: nothing of it is to be hidden. */
static const unsigned char *salt_of(const struct world *w, const struct candidate *c)
{
	static const unsigned char none[FACTS_SALT_BYTES];
	uint32_t row = c->s.person == FACTS_NONE
			       ? FACTS_NONE
			       : facts_person_by_number(w->f, w->numbers[c->s.person]);

	if (c->thing)
		return none;
	return row == FACTS_NONE ? w->f->accounts.v[c->s.account].salt
				 : w->f->persons.v[row].salt;
}

static int values_make(struct making *m, struct vec_values *into, struct err *err)
{
	struct plan_values v = { .n = m->a->n };
	struct buf b;
	size_t len;
	int r;

	memcpy(v.salt, salt_of(m->r->w, m->c), sizeof(v.salt));
	buf_init(&b, 65536);
	values_json(m, &b);
	r = buf_fault(&b, err, "the values of an action");
	if (r == 0) {
		v.json = buf_take(&b, &len);
		r = v.json ? 0 : err_nomem(err);
	}
	if (r == 0) {
		plan_subject_digest(v.salt, str_n(v.json, len), &m->a->subject);
		if (vec_values_add(into, v) < 0)
			r = err_nomem(err);
	}
	if (r < 0)
		free(v.json);
	buf_done(&b);
	return r;
}

/* --- the rest of an action: texts move from the round's memory into the plan's --- */

static int texts_copy(struct making *m, const char *const *from, size_t n,
		      const char *const **ret, struct err *err)
{
	const char **to = NULL;
	int r;

	*ret = NULL;
	if (n == 0)
		return 0;
	r = arena_alloc(&m->plan->arena, n * sizeof(*to), &to, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = copy(m, from[i], &to[i], err);
	*ret = to;
	return r;
}

static int fields_copy(struct making *m, const struct action_fields *from,
		       struct action_fields *to, struct err *err)
{
	int r;

	*to = *from;
	r = texts_copy(m, from->groups, from->group_count, &to->groups, err);
	return r < 0 ? r : texts_copy(m, from->roles, from->role_count, &to->roles, err);
}

static int steps_copy(struct making *m, struct err *err)
{
	size_t n = m->c->step_count;
	struct action_step *to = NULL;
	int r = n ? arena_alloc(&m->plan->arena, n * sizeof(*to), &to, err) : 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct action_step *from = &m->c->steps[i];

		to[i].op = from->op;
		r = copy(m, from->directory, &to[i].directory, err);
		if (r == 0)
			r = copy(m, from->group, &to[i].group, err);
		if (r == 0)
			r = copy(m, from->name, &to[i].name, err);
		if (r == 0)
			r = copy(m, from->role, &to[i].role, err);
		if (r == 0)
			r = copy(m, from->resource, &to[i].resource, err);
		if (r == 0)
			r = copy(m, from->site, &to[i].site, err);
		if (r == 0)
			r = texts_copy(m, from->items, from->item_count, &to[i].items, err);
		to[i].item_count = from->item_count;
		to[i].from = from->from;
		to[i].to = from->to;
	}
	m->a->steps = to;
	m->a->step_count = n;
	return r;
}

static int held_copy(struct making *m, struct err *err)
{
	size_t n = m->c->hit_count;
	const char **names = NULL, **says = NULL;
	int r;

	m->a->verdict = n ? VERDICT_HELD : VERDICT_PASS;
	if (n == 0)
		return 0;
	r = arena_alloc(&m->plan->arena, n * sizeof(*names), &names, err);
	if (r == 0)
		r = arena_alloc(&m->plan->arena, n * sizeof(*says), &says, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		names[i] = guards[m->c->hits[i].guard].name;
		r = copy(m, m->c->hits[i].text, &says[i], err);
	}
	m->a->held_by = names;
	m->a->says = says;
	m->a->held_count = n;
	return r;
}

static int with_copy(struct making *m, struct err *err)
{
	size_t n = m->c->with_count;
	uint32_t *to = NULL;
	int r = n ? arena_alloc(&m->plan->arena, n * sizeof(*to), &to, err) : 0;

	for (size_t i = 0; i < n && r == 0; i++)
		to[i] = m->r->candidates.v[m->c->with[i]].n;
	for (size_t i = 1; i < n && r == 0; i++) /* few: by insertion */
		for (size_t k = i; k > 0 && to[k - 1] > to[k]; k--) {
			uint32_t swap = to[k];

			to[k] = to[k - 1];
			to[k - 1] = swap;
		}
	m->a->with = to;
	m->a->with_count = n;
	return r;
}

/* Whether the policy may approve it: only what nobody has to look at, once hands are off. */
static bool is_automatic(const struct round *r, const struct candidate *c)
{
	const struct facts_round *f = &r->w->f->round;

	return c->rule && c->rule->automatic && c->class != PLAN_ORPHAN && !c->hit_count &&
	       !c->two && f->mode == ORG_ACT && !f->hand_approval && f->armed_ms > 0 &&
	       f->now_ms - f->armed_ms >= r->w->p->hand_approval_ms;
}

static void plain_fields(const struct making *m)
{
	const struct world *w = m->r->w;
	const struct candidate *c = m->c;

	*m->a = (struct action){
		.n = c->n,
		.kind = c->kind,
		.class = c->class,
		.person = c->s.person == FACTS_NONE ? 0 : w->numbers[c->s.person],
		.account =
			c->s.account == FACTS_NONE ? 0 : w->f->accounts.v[c->s.account].number,
		.due_ms = c->due_ms,
		.anchor_ms = c->anchor_ms,
		.not_after_ms = PLAN_NOT_AFTER_MS,
		.automatic = is_automatic(m->r, c),
		.needs = c->two ? 2 : 1,
	};
}

static int action_make(struct making *m, const struct compose_order *order,
		       struct vec_values *values, struct err *err)
{
	const struct facts *f = m->r->w->f;
	const struct candidate *c = m->c;
	int r;

	plain_fields(m);
	r = copy(m, c->rule ? c->rule->name : order->word, &m->a->rule, err);
	if (r == 0 && c->product != FACTS_NONE)
		r = text(m, pool_str(&f->pool, f->products.v[c->product].key), &m->a->product,
			 err);
	if (r == 0 && c->product != FACTS_NONE)
		r = text(m, pool_str(&f->pool, f->products.v[c->product].site), &m->a->site,
			 err);
	if (r == 0)
		r = reason_make(m, order, err);
	if (r == 0)
		r = fields_copy(m, &c->before, &m->a->before, err);
	if (r == 0)
		r = fields_copy(m, &c->after, &m->a->after, err);
	if (r == 0)
		r = steps_copy(m, err);
	if (r == 0)
		r = texts_copy(m, c->kept, c->kept_count, &m->a->kept, err);
	m->a->kept_count = c->kept_count;
	if (r == 0)
		r = held_copy(m, err);
	if (r == 0)
		r = with_copy(m, err);
	return r < 0 ? r : values_make(m, values, err);
}

int compose_subject(struct round *r, const struct candidate *c, struct digest *ret,
		    struct err *err)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	CLEANUP(free_at) struct making *m = malloc(sizeof(*m));
	struct vec_values values = { 0 };
	struct action action = { .n = 1 };
	int done = m ? plan_new(&plan, err) : err_nomem(err);

	if (done < 0)
		return done;
	*m = (struct making){ .r = r, .plan = plan, .c = c, .a = &action };
	done = reason_make(m, NULL, err);
	if (done == 0)
		done = values_make(m, &values, err);
	plan_values_free(&values);
	if (done == 0)
		*ret = action.subject;
	return done;
}

/* --- what an urgent plan replaces --- */

static int superseded_cmp(const void *pa, const void *pb)
{
	const struct plan_superseded *a = pa, *b = pb;

	if (a->plan != b->plan)
		return a->plan < b->plan ? -1 : 1;
	return a->n < b->n ? -1 : a->n > b->n;
}

static int u64_cmp(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* Unstarted actions about the same accounts in routine plans. */
static int supersede(struct plan *plan, const struct facts *f, struct err *err)
{
	size_t n = plan->actions.n;
	CLEANUP(free_at) uint64_t *accounts = calloc(n + 1, sizeof(*accounts));

	if (!accounts)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		accounts[i] = plan->actions.v[i].account;
	qsort(accounts, n, sizeof(*accounts), u64_cmp);
	for (size_t i = 0; i < f->open.n; i++) {
		const struct row_open *o = &f->open.v[i];
		struct plan_superseded s = { o->plan, o->n };

		if (o->started || o->urgency == PLAN_URGENT ||
		    !bsearch(&o->account, accounts, n, sizeof(*accounts), u64_cmp))
			continue;
		if (vec_superseded_add(&plan->supersedes, s) < 0)
			return err_nomem(err);
	}
	if (plan->supersedes.n)
		qsort(plan->supersedes.v, plan->supersedes.n, sizeof(*plan->supersedes.v),
		      superseded_cmp);
	return 0;
}

/* --- a plan --- */

static int plan_begin(const struct round *r, bool urgent, struct plan **ret, struct err *err)
{
	const struct facts_round *f = &r->w->f->round;
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	int done = plan_new(&plan, err);

	if (done < 0)
		return done;
	plan->urgency = urgent ? PLAN_URGENT : PLAN_ROUTINE;
	plan->now_ms = f->now_ms;
	plan->complete = f->org_complete;
	done = arena_text(&plan->arena, f->org, &plan->org, err);
	if (done == 0)
		done = guard_plan(r, urgent, plan, err);
	if (done == 0)
		*ret = TAKE(plan);
	return done;
}

int compose_plan(struct round *r, bool urgent, const struct compose_order *order,
		 struct plan **ret, struct vec_values *values, struct err *err)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	CLEANUP(free_at) struct making *m = NULL;
	CLEANUP(free_at) size_t *v = NULL;
	size_t n;
	int done = order_plan(r, urgent, &v, &n, err);

	*ret = NULL;
	if (done < 0 || n == 0)
		return done;
	if (n > PLAN_MAX_ACTIONS)
		return err_set(err, ERR_LIMIT,
			       "the round would make a plan of %zu actions; %d are "
			       "the most: look at the rules first",
			       n, PLAN_MAX_ACTIONS);
	done = plan_begin(r, urgent, &plan, err);
	m = done == 0 ? malloc(sizeof(*m)) : NULL;
	if (done == 0 && (!m || vec_action_reserve(&plan->actions, n) < 0))
		done = err_nomem(err);
	for (size_t i = 0; i < n && done == 0; i++) {
		plan->actions.n = i + 1;
		m->r = r;
		m->plan = plan;
		m->c = &r->candidates.v[v[i]];
		m->a = &plan->actions.v[i];
		m->evidence_count = m->personal_count = 0;
		done = action_make(m, order, values, err);
	}
	if (done == 0 && urgent)
		done = supersede(plan, r->w->f, err);
	if (done == 0)
		*ret = TAKE(plan);
	return done;
}
