#include "reconcile/handover.h"

#include <stdlib.h>

#define HANDOVER_STEPS_MOST 200 /* of one action; the rest comes with the next plan */
#define HANDOVER_KEPT_MOST 64

static const char *const rung_words[RUNG_COUNT + 1] = {
	[RUNG_NAMED] = "named",
	[RUNG_MANAGER] = "manager",
	[RUNG_THEIRS] = "manager's manager",
	[RUNG_LEAD] = "project lead",
	[RUNG_QUEUE] = "queue user",
	[RUNG_COUNT] = "nobody",
};

const char *handover_rung_word(enum handover_rung rung)
{
	return rung_words[(unsigned)rung <= RUNG_COUNT ? rung : RUNG_COUNT];
}

/* --- when ----------------------------------------------------------------------------------
 */

/* Read so late that it counts: since the day before the end, or in the last days ahead of it.
 */
static bool is_fresh(const struct world *w, const struct row_inventory *v, int64_t anchor_ms)
{
	int64_t now = w->f->round.now_ms, from = anchor_ms - STAMP_DAY_MS;

	if (!v)
		return false;
	return v->read_ms >= (now >= from ? from : now - 3 * STAMP_DAY_MS);
}

struct stage handover_stage(const struct world *w, uint32_t account, int64_t anchor_ms)
{
	const struct facts *f = w->f;
	const struct row_inventory *v = facts_inventory_of(f, account);
	const struct row_owned *owned;
	size_t n;

	if (!f->sites.n)
		return (struct stage){ STAGE_OFF, 0 };
	owned = facts_owned_of(f, account, &n);
	for (size_t i = 0; i < n; i++)
		if (owned_kinds[owned[i].kind].given && !owned[i].unseen)
			return (struct stage){ STAGE_WAITS, 0 };
	if (is_fresh(w, v, anchor_ms) && v->whole)
		return (struct stage){ STAGE_DONE, v->read_ms };
	return (struct stage){ STAGE_WAITS, 0 };
}

bool handover_wants_inventory(const struct world *w, uint32_t account, int64_t anchor_ms)
{
	const struct facts *f = w->f;
	const struct row_inventory *v = facts_inventory_of(f, account);
	int64_t now = f->round.now_ms;

	if (!f->sites.n || anchor_ms > now + HANDOVER_EARLY_MS)
		return false;
	if (!is_fresh(w, v, anchor_ms))
		return true;
	return !v->whole && now - v->read_ms >= STAMP_HOUR_MS;
}

/* --- who -----------------------------------------------------------------------------------
 */

/* What a record calls its manager is an id of its own source, or a name there. */
static bool is_called(const struct world *w, uint32_t record, uint32_t called, uint64_t name)
{
	const struct facts *f = w->f;
	const struct row_record *x = &f->records.v[record];
	uint32_t cell;

	if (x->key == called || x->external_id == called || x->name == name)
		return true;
	return facts_cell(f, record, w->p->fixed[COL_USER_NAME], &cell) == VALUE_PRESENT &&
	       cell == called;
}

/* *why: what is amiss where somebody is named and nobody found; else NULL. */
static uint32_t manager_of(const struct world *w, uint32_t person, const char **why)
{
	const struct facts *f = w->f;
	uint32_t called, record, found = FACTS_NONE;
	uint64_t name;
	int state;

	*why = NULL;
	if (person == FACTS_NONE)
		return FACTS_NONE;
	state = view_cell(w, person, w->p->fixed[COL_MANAGER], &called, &record);
	if (state == VALUE_UNKNOWN)
		*why = "could not be read";
	if (state != VALUE_PRESENT)
		return FACTS_NONE;
	name = facts_name(pool_str(&f->pool, called));
	for (uint32_t i = 0; i < f->records.n; i++) {
		uint32_t who = w->record_person[i];

		if (f->records.v[i].source != f->records.v[record].source ||
		    who == FACTS_NONE || !is_called(w, i, called, name))
			continue;
		if (found != FACTS_NONE && found != who) {
			*why = "is a name that several people of its source have";
			return FACTS_NONE;
		}
		found = who;
	}
	if (found == FACTS_NONE)
		*why = "is a name that its source shows nobody of";
	return found == person ? FACTS_NONE : found;
}

uint32_t handover_manager(const struct world *w, uint32_t person)
{
	const char *why;

	return manager_of(w, person, &why);
}

static bool holds_seat(const struct facts *f, uint32_t account, uint32_t site, bool jira)
{
	for (uint32_t i = f->seat_at[account]; i < f->seat_at[account + 1]; i++) {
		const struct row_product *p = &f->products.v[f->seats.v[i].product];
		bool of_jira = str_istarts(pool_str(&f->pool, p->key), STR("jira"));

		if (of_jira == jira &&
		    str_ieq(pool_str(&f->pool, p->site), pool_str(&f->pool, site)))
			return true;
	}
	return false;
}

static bool may_receive(const struct round *r, uint32_t account, uint32_t to,
			const struct row_owned *o)
{
	const struct world *w = r->w;
	const struct row_account *a;

	if (to == FACTS_NONE || to == account)
		return false;
	a = &w->f->accounts.v[to];
	if (a->status != ACCOUNT_ACTIVE || a->type != ACCOUNT_PERSON || a->own_credential ||
	    (r->leaving && r->leaving[to]))
		return false;
	if (w->account_person[to] != FACTS_NONE &&
	    w->account_person[to] == w->account_person[account])
		return false; /* another account of who leaves */
	if (facts_refused(w->f, o, to))
		return false;
	return holds_seat(w->f, to, o->site, owned_kinds[o->kind].jira);
}

/* The first account of a person that may have it. */
static uint32_t account_of(const struct round *r, uint32_t account, uint32_t person,
			   const struct row_owned *o)
{
	const struct world *w = r->w;

	if (person == FACTS_NONE)
		return FACTS_NONE;
	for (uint32_t i = w->account_at[person]; i < w->account_at[person + 1]; i++)
		if (may_receive(r, account, w->account_rows[i], o))
			return w->account_rows[i];
	return FACTS_NONE;
}

static uint32_t queue_of(const struct facts *f, uint32_t site)
{
	for (size_t i = 0; i < f->sites.n; i++)
		if (str_ieq(pool_str(&f->pool, f->sites.v[i].host), pool_str(&f->pool, site)))
			return f->sites.v[i].queue;
	return FACTS_NONE;
}

/* People who come before the object's own, found once for a leaver. */
struct heirs {
	uint32_t named;           /* account */
	uint32_t named_person;    /* whose other accounts are meant, too */
	uint32_t manager, theirs; /* persons */
	const char *manager_why, *theirs_why;
};

/* The person of a ledger number; they stand in its order. */
static uint32_t person_of(const struct world *w, uint64_t number)
{
	size_t low = 0, high = w->persons;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return number && low < w->persons && w->numbers[low] == number ? (uint32_t)low
								       : FACTS_NONE;
}

static struct heirs heirs_of(const struct world *w, uint32_t account)
{
	uint32_t person = w->account_person[account];
	struct heirs h = { FACTS_NONE, FACTS_NONE, FACTS_NONE, FACTS_NONE, NULL, NULL };
	const struct row_heir *heir;

	if (person == FACTS_NONE)
		return h;
	heir = facts_heir_of(w->f, w->numbers[person]);
	if (heir) {
		h.named = heir->account;
		h.named_person = person_of(w, heir->heir);
	}
	h.manager = manager_of(w, person, &h.manager_why);
	h.theirs = manager_of(w, h.manager, &h.theirs_why);
	return h;
}

static uint32_t receiver(const struct round *r, const struct heirs *h, uint32_t account,
			 const struct row_owned *o, enum handover_rung *rung)
{
	const uint32_t tried[RUNG_COUNT] = {
		[RUNG_NAMED] = may_receive(r, account, h->named, o)
				       ? h->named
				       : account_of(r, account, h->named_person, o),
		[RUNG_MANAGER] = account_of(r, account, h->manager, o),
		[RUNG_THEIRS] = account_of(r, account, h->theirs, o),
		[RUNG_LEAD] = owned_kinds[o->kind].by_lead ? o->lead : FACTS_NONE,
		[RUNG_QUEUE] = queue_of(r->w->f, o->site),
	};

	for (int i = 0; i < RUNG_COUNT; i++) {
		*rung = (enum handover_rung)i;
		if (may_receive(r, account, tried[i], o))
			return tried[i];
	}
	*rung = RUNG_COUNT;
	return FACTS_NONE;
}

uint32_t handover_receiver(const struct round *r, uint32_t account, const struct row_owned *o,
			   enum handover_rung *rung)
{
	struct heirs h = heirs_of(r->w, account);

	return receiver(r, &h, account, o, rung);
}

/* --- steps ---------------------------------------------------------------------------------
 */

/* One action being made. */
struct handing {
	struct round *r;
	struct candidate *c;
	const struct row_owned *owned;
	size_t n;
	uint32_t *to; /* per object: account, or FACTS_NONE */
	uint8_t *rung;
	struct action_step *steps;
	size_t step_count;
	bool more; /* than fit */
	const char **kept;
	size_t kept_count;
};

static bool alike(const struct row_owned *a, const struct row_owned *b)
{
	return a->site == b->site && a->kind == b->kind;
}

/* A task for people: a sentence in the action, and a finding that stays without one. */
static int task(struct handing *h, struct err *err, const char *format, ...) PRINTF(3, 4);
static int task(struct handing *h, struct err *err, const char *format, ...)
{
	const struct world *w = h->r->w;
	uint32_t person = w->account_person[h->c->s.account];
	const char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = arena_vtextf(h->r->arena, &text, err, format, args);
	va_end(args);
	if (r == 0 && h->kept_count < HANDOVER_KEPT_MOST)
		h->kept[h->kept_count++] = text;
	return r < 0 ? r
		     : finding_add(h->r, "hand-over-task", h->c->rule->name,
				   person == FACTS_NONE ? 0 : w->numbers[person],
				   w->f->accounts.v[h->c->s.account].number, err, "%s", text);
}

/* One step of at most so many objects of one kind on one site for one receiver. */
static int step_add(struct handing *h, const struct row_owned *like, uint32_t to, uint8_t rung,
		    const size_t *at, size_t n, struct err *err)
{
	const struct facts *f = h->r->w->f;
	struct action_step *s = &h->steps[h->step_count];
	const char **items = NULL;
	int r;

	if (h->step_count == HANDOVER_STEPS_MOST) {
		h->more = true;
		return 0;
	}
	*s = (struct action_step){
		.op = owned_kinds[like->kind].give,
		.from = f->accounts.v[h->c->s.account].number,
		.to = f->accounts.v[to].number,
		.item_count = n,
	};
	r = arena_text(h->r->arena, str_of(handover_rung_word((enum handover_rung)rung)),
		       &s->name, err);
	if (r == 0)
		r = arena_text(h->r->arena, pool_str(&f->pool, like->site), &s->site, err);
	if (r == 0)
		r = arena_alloc(h->r->arena, n * sizeof(*items), &items, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = arena_text(h->r->arena, pool_str(&f->pool, h->owned[at[i]].id), &items[i],
			       err);
	s->items = items;
	h->step_count++;
	return r;
}

/* All of one kind on one site, owned[from .. to): receiver after receiver. */
static int run_steps(struct handing *h, size_t from, size_t to, size_t *at, struct err *err)
{
	const struct row_owned *like = &h->owned[from];
	size_t most = step_gifts[owned_kinds[like->kind].give], nobody = 0, unseen = 0;
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++) {
		uint32_t who = h->to[i];
		uint8_t rung = h->rung[i];
		size_t n = 0;

		if (h->owned[i].unseen) {
			unseen++;
			continue;
		}
		if (rung > RUNG_COUNT) /* given in a step already */
			continue;
		if (who == FACTS_NONE) {
			nobody++;
			continue;
		}
		for (size_t k = i; r == 0 && k < to; k++) {
			if (h->to[k] != who || h->rung[k] != rung || h->owned[k].unseen)
				continue;
			h->rung[k] = UINT8_MAX;
			at[n++] = k;
			if (n < most)
				continue;
			r = step_add(h, like, who, rung, at, n, err);
			n = 0;
		}
		if (r == 0 && n)
			r = step_add(h, like, who, rung, at, n, err);
	}
	if (r == 0 && unseen)
		r = task(h, err,
			 "%zu %s at " STR_FMT " not seen when %s to be given: gone, or hidden "
			 "from the site's token; look there",
			 unseen,
			 unseen == 1 ? owned_kinds[like->kind].one
				     : owned_kinds[like->kind].many,
			 STR_ARG(pool_str(&h->r->w->f->pool, like->site)),
			 unseen == 1 ? "it was" : "they were");
	if (r < 0 || !nobody)
		return r;
	return task(
		h, err,
		"%zu %s at " STR_FMT ": nobody is found who is active, has access and was not "
		"refused by Atlassian to receive %s (named, manager, their manager, project "
		"lead, queue user); name somebody with `leaverd handover`",
		nobody,
		nobody == 1 ? owned_kinds[like->kind].one : owned_kinds[like->kind].many,
		STR_ARG(pool_str(&h->r->w->f->pool, like->site)), nobody == 1 ? "it" : "them");
}

static int run_task(struct handing *h, size_t from, size_t to, struct err *err)
{
	const struct owned_kind_row *kind = &owned_kinds[h->owned[from].kind];

	if (!kind->task)
		return 0;
	return task(h, err, "%zu %s at " STR_FMT " cannot be given by any API: %s", to - from,
		    to - from == 1 ? kind->one : kind->many,
		    STR_ARG(pool_str(&h->r->w->f->pool, h->owned[from].site)), kind->task);
}

/* Who was passed over because nobody knows who it is: something of theirs goes to a lower rung
 * for it, or to nobody. */
static int passed_over(struct handing *h, const struct heirs *heirs, struct err *err)
{
	const char *whose = heirs->manager_why ? "the manager" : "the manager's manager";
	const char *why = heirs->manager_why ? heirs->manager_why : heirs->theirs_why;
	enum handover_rung least = heirs->manager_why ? RUNG_MANAGER : RUNG_THEIRS;
	size_t n = 0;

	for (size_t i = 0; why && i < h->n; i++)
		n += owned_kinds[h->owned[i].kind].given && h->rung[i] > least;
	return n ? task(h, err,
			"%s %s: passed over for %zu of what is handed over; name somebody with "
			"`leaverd handover`",
			whose, why, n)
		 : 0;
}

static int steps_make(struct handing *h, struct err *err)
{
	struct heirs heirs = heirs_of(h->r->w, h->c->s.account);
	CLEANUP(free_at) size_t *at = calloc(h->n + 1, sizeof(*at));
	size_t from, to;
	int r = at ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < h->n; i++) {
		enum handover_rung rung;

		h->to[i] = receiver(h->r, &heirs, h->c->s.account, &h->owned[i], &rung);
		h->rung[i] = (uint8_t)rung;
	}
	if (r == 0)
		r = passed_over(h, &heirs, err);
	for (from = 0; r == 0 && from < h->n; from = to) {
		for (to = from; to < h->n && alike(&h->owned[from], &h->owned[to]);)
			to++;
		r = owned_kinds[h->owned[from].kind].given ? run_steps(h, from, to, at, err)
							   : run_task(h, from, to, err);
	}
	return r;
}

int handover_diff(struct round *r, struct candidate *c, struct err *err)
{
	const struct world *w = r->w;
	struct handing h = { .r = r, .c = c };
	CLEANUP(free_at) uint32_t *to = NULL;
	CLEANUP(free_at) uint8_t *rung = NULL;
	int ret;

	if (!is_fresh(w, facts_inventory_of(w->f, c->s.account), c->anchor_ms))
		return diff_hold(r, c, GUARD_UNKNOWN, "what it owns was not read yet", err);
	h.owned = facts_owned_of(w->f, c->s.account, &h.n);
	h.to = to = calloc(h.n + 1, sizeof(*to));
	h.rung = rung = calloc(h.n + 1, sizeof(*rung));
	if (!to || !rung)
		return err_nomem(err);
	ret = arena_alloc(r->arena, HANDOVER_STEPS_MOST * sizeof(*h.steps), &h.steps, err);
	if (ret == 0)
		ret = arena_alloc(r->arena, (HANDOVER_KEPT_MOST + 1) * sizeof(*h.kept), &h.kept,
				  err);
	if (ret == 0)
		ret = steps_make(&h, err);
	if (ret < 0)
		return ret;
	if (h.more)
		h.kept[h.kept_count++] = "more than one plan hands over: the rest comes with "
					 "the next one";
	c->steps = h.steps;
	c->step_count = h.step_count;
	c->kept = h.kept;
	c->kept_count = h.kept_count;
	c->gone = h.step_count == 0;
	return 0;
}
