#include "reconcile/guard.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "reconcile/bulk.h"
#include "reconcile/provision.h"

const struct guard_row guards[GUARD_COUNT] = {
#define X(symbol, name, holds, release, way)                                                   \
	[GUARD_##symbol] = { name, GUARD_HOLD_##holds, RELEASE_##release, way },
	GUARD_LIST(X)
#undef X
};

int guard_of(struct str name)
{
	for (int i = 0; i < GUARD_COUNT; i++)
		if (str_eq(name, str_of(guards[i].name)))
			return i;
	return -1;
}

int guard_hit(struct guard_hits *hits, struct plan_arena *arena, enum guard_id guard,
	      struct err *err, const char *format, ...)
{
	char saw[ERR_TEXT_BYTES];
	struct guard_hit hit = { .guard = (uint8_t)guard };
	size_t at = hits->n;
	va_list args;
	int r;

	while (at > 0 && hits->v[at - 1].guard > guard)
		at--;
	if (at > 0 && hits->v[at - 1].guard == guard)
		return 0;
	va_start(args, format);
	(void)vsnprintf(saw, sizeof(saw), format, args);
	va_end(args);
	r = arena_textf(arena, &hit.text, err, "%s; released by %s", saw, guards[guard].way);
	if (r < 0)
		return r;
	memmove(&hits->v[at + 1], &hits->v[at], (hits->n - at) * sizeof(hit));
	hits->v[at] = hit;
	hits->n++;
	return 0;
}

bool candidate_is_urgent(const struct candidate *c)
{
	if (c->class == PLAN_RESTORE) /* somebody waits for it */
		return true;
	return c->class == PLAN_LEAVER &&
	       (c->kind == ACTION_SUSPEND || c->kind == ACTION_REVOKE_TOKENS);
}

/* --- sources and the organisation --- */

static const struct {
	enum source_doubt doubt;
	enum guard_id guard;
	const char *saw;
} source_guards[] = {
	{ DOUBT_INCOMPLETE, GUARD_SOURCE_INCOMPLETE, "its newest read did not reach its end" },
	{ DOUBT_IMPLAUSIBLE, GUARD_SOURCE_IMPLAUSIBLE, "its newest read is implausible" },
	{ DOUBT_STALE, GUARD_SOURCE_STALE, "its newest accepted read is too old" },
	{ DOUBT_SCHEMA, GUARD_SOURCE_SCHEMA, "attributes vanished or changed their form" },
	{ DOUBT_CANARY, GUARD_CANARY, "a canary was not seen" },
};

static unsigned doubts_of(const struct facts_source *s)
{
	return s->accepted || s->doubts ? s->doubts : DOUBT_INCOMPLETE;
}

/* What holds what rests on a source. An incomplete read doubts only what it did not show. */
static int source_judge(const struct world *w, const struct candidate *c,
			struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < w->f->sources.n && i < 64; i++) {
		const struct facts_source *s = &w->f->sources.v[i].in;
		unsigned doubts = doubts_of(s);
		uint64_t bit = UINT64_C(1) << i;

		if (!(c->basis.sources & bit))
			continue;
		for (size_t g = 0; g < COUNT_OF(source_guards) && r == 0; g++) {
			bool rests = source_guards[g].doubt != DOUBT_INCOMPLETE ||
				     (c->basis.absent & bit);

			if ((doubts & source_guards[g].doubt) && rests)
				r = guard_hit(hits, arena, source_guards[g].guard, err,
					      "rests on source " STR_FMT ": %s%s" STR_FMT,
					      STR_ARG(s->name), source_guards[g].saw,
					      s->doubt_text.len ? ": " : "",
					      STR_ARG(s->doubt_text));
		}
	}
	if (r == 0 && c->basis.org && w->f->round.org_stale)
		r = guard_hit(hits, arena, GUARD_ORG_STALE, err,
			      "rests on what the organisation told, too long ago%s" STR_FMT,
			      w->f->round.org_doubt.len ? ": " : "",
			      STR_ARG(w->f->round.org_doubt));
	if (r == 0 && c->basis.org && !w->f->round.org_complete)
		r = guard_hit(hits, arena, GUARD_ORG_INCOMPLETE, err,
			      "rests on what the organisation told, which was not read "
			      "completely%s" STR_FMT,
			      w->f->round.org_doubt.len ? ": " : "",
			      STR_ARG(w->f->round.org_doubt));
	return r;
}

/* --- protections --- */

static const enum guard_id protection_guards[PROTECT_KIND_COUNT] = {
	[PROTECT_EXEMPTION] = GUARD_EXEMPTION,
	[PROTECT_SERVICE_ACCOUNT] = GUARD_SERVICE_ACCOUNT,
	[PROTECT_OPERATOR] = GUARD_OPERATOR,
	[PROTECT_SOLE_ROLE] = GUARD_SOLE_ROLE,
	[PROTECT_LEGAL_HOLD] = GUARD_LEGAL_HOLD,
	[PROTECT_LEAVE] = GUARD_LEAVE,
};

bool guard_takes_back(const struct candidate *c)
{
	return c->class == PLAN_RESTORE && c->kind == ACTION_REMOVE_GROUPS;
}

/* A legal hold stops deletion and anonymisation; leave stops inactivity; the rest stops
 * everything that takes away or announces it. */
static bool protection_stops(enum protection_kind kind, const struct candidate *c)
{
	if (kind == PROTECT_LEGAL_HOLD)
		return c->kind == ACTION_DELETE;
	if (kind == PROTECT_LEAVE)
		return c->class == PLAN_INACTIVE;
	if (c->class == PLAN_PROVISION || c->class == PLAN_ASKED)
		return action_kinds[c->kind].destructive;
	return c->class != PLAN_RESTORE || guard_takes_back(c);
}

static bool rule_is(const struct candidate *c, struct str rule)
{
	return !rule.len || str_eq(rule, STR("*")) ||
	       (c->rule && str_eq(rule, str_of(c->rule->name)));
}

/* A confirmed leaver whom something protects is for two people, not for silence. */
static bool leaver_needs_two(const struct candidate *c)
{
	return c->class == PLAN_LEAVER || c->class == PLAN_ABSENCE;
}

/* Texts of the row that comes first among equals, so that the order of rows does not matter. */
static bool row_before(const struct facts *f, const struct row_protection *a,
		       const struct row_protection *b)
{
	int c;

	if (a->kind != b->kind)
		return a->kind < b->kind;
	c = str_cmp(pool_str(&f->pool, a->owner), pool_str(&f->pool, b->owner));
	if (c)
		return c < 0;
	c = str_cmp(pool_str(&f->pool, a->reason), pool_str(&f->pool, b->reason));
	return c ? c < 0 : a->until_ms < b->until_ms;
}

static bool row_stands(const struct facts *f, const struct row_protection *p,
		       const struct candidate *c)
{
	int64_t now = f->round.now_ms;

	return protection_stops((enum protection_kind)p->kind, c) &&
	       rule_is(c, pool_str(&f->pool, p->rule)) &&
	       (p->from_ms <= 0 || p->from_ms <= now) &&
	       (p->until_ms <= 0 || p->until_ms > now);
}

/*
 * Rows about this account or this person, in an array sorted by account, then person (those of
 * persons have FACTS_NONE for an account): [*from, *to) of round 0, then of round 1.
 */
struct key {
	uint32_t account;
	uint64_t person;
};

static size_t lower(const void *v, size_t n, size_t size, size_t account_at, size_t person_at,
		    struct key key)
{
	const char *p = v;
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t account = *(const uint32_t *)(p + middle * size + account_at);
		uint64_t person = *(const uint64_t *)(p + middle * size + person_at);

		if (account < key.account || (account == key.account && person < key.person))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#define RANGE(vec, type, key_from, key_to, from, to)                                           \
	do {                                                                                   \
		*(from) = lower((vec).v, (vec).n, sizeof(type), offsetof(type, account),       \
				offsetof(type, person), (key_from));                           \
		*(to) = lower((vec).v, (vec).n, sizeof(type), offsetof(type, account),         \
			      offsetof(type, person), (key_to));                               \
	} while (0)

static void keys_of(const struct world *w, const struct candidate *c, int round,
		    struct key *from, struct key *to)
{
	uint64_t person = c->s.person == FACTS_NONE ? 0 : w->numbers[c->s.person];

	if (round == 0) {
		*from = (struct key){ c->s.account, 0 };
		*to = (struct key){ c->s.account + 1, 0 };
		return;
	}
	*from = (struct key){ FACTS_NONE, person };
	*to = (struct key){ FACTS_NONE, person ? person + 1 : 0 };
}

static int rows_judge(const struct world *w, const struct candidate *c,
		      struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct facts *f = w->f;
	const struct row_protection *best[PROTECT_KIND_COUNT] = { NULL };
	size_t stand[PROTECT_KIND_COUNT] = { 0 };
	char until[STAMP_TEXT_BYTES], more[32];
	size_t from, to;
	int r = 0;

	for (int round = 0; round < 2; round++) {
		struct key a, b;

		keys_of(w, c, round, &a, &b);
		RANGE(f->protections, struct row_protection, a, b, &from, &to);
		for (size_t i = from; i < to; i++) {
			const struct row_protection *p = &f->protections.v[i];

			if (!row_stands(f, p, c))
				continue;
			stand[p->kind]++;
			if (!best[p->kind] || row_before(f, p, best[p->kind]))
				best[p->kind] = p;
		}
	}
	for (int kind = 0; kind < PROTECT_KIND_COUNT && r == 0; kind++) {
		const struct row_protection *p = best[kind];

		if (!p)
			continue;
		stamp_text(p->until_ms, until);
		(void)snprintf(more, sizeof(more), ", and %zu more", stand[kind] - 1);
		hits->two = hits->two || leaver_needs_two(c);
		r = guard_hit(hits, arena, protection_guards[kind], err,
			      "protected by " STR_FMT " (" STR_FMT ")%s%s%s",
			      STR_ARG(pool_str(&f->pool, p->owner)),
			      STR_ARG(pool_str(&f->pool, p->reason)),
			      p->until_ms > 0 ? " until " : "", p->until_ms > 0 ? until : "",
			      stand[kind] > 1 ? more : "");
	}
	return r;
}

/* Filters of the policy: whom they are unknown for is protected too. */
static int filters_judge(const struct world *w, const struct candidate *c,
			 struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < w->p->protection_count && r == 0; i++) {
		const struct policy_protection *p = &w->p->protections[i];
		struct subject s = { p->subject, c->s.person, c->s.account, FACTS_NONE };
		enum truth t;

		if (p->subject == SUBJECT_ACCOUNT && c->s.account == FACTS_NONE)
			continue;
		if (!protection_stops(p->kind, c) || !rule_is(c, str_of(p->rule)) ||
		    (p->subject == SUBJECT_PERSON && c->s.person == FACTS_NONE) ||
		    (p->until_ms > 0 && p->until_ms <= w->f->round.now_ms))
			continue;
		t = view_eval(w, p->when, &s);
		if (t == TRUTH_FALSE)
			continue;
		hits->two = hits->two || leaver_needs_two(c);
		r = guard_hit(hits, arena, protection_guards[p->kind], err,
			      "%s protection %s of %s (%s)",
			      t == TRUTH_TRUE ? "falls under" : "may fall under", p->name,
			      p->owner, p->reason);
	}
	return r;
}

/* Leave as HR tells it: from the first day to the end of the last, in UTC and a bit more. */
static int leave_judge(const struct world *w, const struct candidate *c,
		       struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	int64_t now = w->f->round.now_ms, from = 0, until = 0;
	enum value_state has_from, has_until;
	uint32_t cell;

	if (c->class != PLAN_INACTIVE || c->s.person == FACTS_NONE)
		return 0;
	has_from = view_cell(w, c->s.person, w->p->fixed[COL_LEAVE_FROM], &cell, NULL);
	if (has_from == VALUE_PRESENT)
		from = w->f->numbers.v[cell - FRAME_FIRST];
	has_until = view_cell(w, c->s.person, w->p->fixed[COL_LEAVE_UNTIL], &cell, NULL);
	if (has_until == VALUE_PRESENT)
		until = w->f->numbers.v[cell - FRAME_FIRST];
	if (has_from == VALUE_UNKNOWN || has_until == VALUE_UNKNOWN)
		return guard_hit(hits, arena, GUARD_UNKNOWN, err,
				 "whether the person is on leave is not known");
	if (has_from == VALUE_ABSENT && has_until == VALUE_ABSENT)
		return 0;
	if ((has_from == VALUE_PRESENT && from - 14 * STAMP_HOUR_MS > now) ||
	    (has_until == VALUE_PRESENT && until + 36 * STAMP_HOUR_MS <= now))
		return 0;
	return guard_hit(hits, arena, GUARD_LEAVE, err, "the person is on leave");
}

/* A legal hold that any record of the person tells stops deletion, and so does one that was not
 * read: what is deleted does not come back. */
static int hold_judge(const struct world *w, const struct candidate *c,
		      struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	uint32_t column = w->p->fixed[COL_LEGAL_HOLD];
	bool held = false, unknown = false;

	if (c->kind != ACTION_DELETE || c->class == PLAN_RESTORE)
		return 0;
	/* whose data goes for good is for two people to say */
	hits->two = true;
	if (c->s.person == FACTS_NONE)
		return 0;
	for (uint32_t i = w->record_at[c->s.person]; i < w->record_at[c->s.person + 1]; i++) {
		int64_t value = 0;
		enum value_state state = facts_number(w->f, w->record_rows[i], column, &value);

		held = held || (state == VALUE_PRESENT && value);
		unknown = unknown || state == VALUE_UNKNOWN;
	}
	if (held)
		return guard_hit(hits, arena, GUARD_LEGAL_HOLD, err,
				 "a source says that the person is under a legal hold");
	return unknown ? guard_hit(hits, arena, GUARD_UNKNOWN, err,
				   "whether the person is under a legal hold was not read")
		       : 0;
}

/* What is deleted with its owner, shared filters and dashboards too, is handed over before. */
static int owns_judge(const struct world *w, const struct candidate *c,
		      struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct facts *f = w->f;
	const struct row_inventory *read;
	const struct row_owned *owned;
	size_t n = 0, given = 0;

	/* an order of a person where no site is known: they say what they know */
	if (c->kind != ACTION_DELETE || c->class == PLAN_RESTORE || (!c->rule && !f->sites.n))
		return 0;
	owned = facts_owned_of(f, c->s.account, &n);
	for (size_t i = 0; i < n; i++)
		given += owned_kinds[owned[i].kind].given;
	if (given)
		return guard_hit(hits, arena, GUARD_OWNS, err,
				 "it owns %zu things that should be handed over first: filters "
				 "and dashboards, shared ones too, are deleted with it",
				 given);
	read = facts_inventory_of(f, c->s.account);
	if (read && read->whole)
		return 0;
	return guard_hit(hits, arena, GUARD_OWNS, err, "what it owns was not read%s",
			 f->sites.n ? " wholly" : ", for no site is configured");
}

/* The newest; among equals the one whose texts come first. */
static bool bar_before(const struct facts *f, const struct row_bar *a, const struct row_bar *b)
{
	int c;

	if (a->at_ms != b->at_ms)
		return a->at_ms > b->at_ms;
	c = str_cmp(pool_str(&f->pool, a->reason), pool_str(&f->pool, b->reason));
	return c ? c < 0 : str_cmp(pool_str(&f->pool, a->by), pool_str(&f->pool, b->by)) < 0;
}

/* Whether it is about all that the rule does, or about this very seat. */
static bool bar_is_about(const struct facts *f, const struct row_bar *b,
			 const struct candidate *c)
{
	const struct row_product *p;

	if (pool_str(&f->pool, b->product).len == 0)
		return true;
	if (c->product == FACTS_NONE)
		return false;
	p = &f->products.v[c->product];
	return p->key == b->product && p->site == b->site;
}

static int bars_judge(const struct world *w, const struct candidate *c,
		      struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct facts *f = w->f;
	const struct row_bar *newest = NULL;
	char at[STAMP_TEXT_BYTES];
	size_t from, to;

	if (!c->rule) /* a person's own order is no rule */
		return 0;
	for (int round = 0; round < 2; round++) {
		struct key a, z;

		keys_of(w, c, round, &a, &z);
		RANGE(f->bars, struct row_bar, a, z, &from, &to);
		for (size_t i = from; i < to; i++) {
			const struct row_bar *b = &f->bars.v[i];

			if (rule_is(c, pool_str(&f->pool, b->rule)) && bar_is_about(f, b, c) &&
			    (!newest || bar_before(f, b, newest)))
				newest = b;
		}
	}
	if (!newest)
		return 0;
	stamp_text(newest->at_ms, at);
	return guard_hit(hits, arena, GUARD_BAR, err,
			 "barred by " STR_FMT " on %s (" STR_FMT ")",
			 STR_ARG(pool_str(&f->pool, newest->by)), at,
			 STR_ARG(pool_str(&f->pool, newest->reason)));
}

/* --- the account --- */

bool guard_is_last_admin(const struct world *w, uint32_t account)
{
	const struct facts *f = w->f;
	const struct row_account *a = &f->accounts.v[account];
	uint64_t others = f->round.org_admins;

	if (a->org_admin != TRI_YES)
		return false;
	if (others)
		return others == 1 && a->status == ACCOUNT_ACTIVE;
	for (uint32_t i = 0; i < f->accounts.n; i++)
		others += i != account && f->accounts.v[i].org_admin == TRI_YES &&
			  f->accounts.v[i].status == ACCOUNT_ACTIVE;
	return others == 0;
}

static int admin_judge(const struct world *w, const struct candidate *c,
		       struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct row_account *a;
	int r = 0;

	if (action_kinds[c->kind].group)
		return 0;
	/* whose access is taken has to be known: it may be an administrator's */
	if (c->s.account == FACTS_NONE)
		return action_kinds[c->kind].destructive
			       ? guard_hit(hits, arena, GUARD_UNKNOWN, err,
					   "which account its record in the provisioning "
					   "directory is of was not told")
			       : 0;
	a = &w->f->accounts.v[c->s.account];

	/* what gives, or says who somebody is, takes nothing from an administrator */
	if (c->class == PLAN_PROVISION && !action_kinds[c->kind].destructive)
		return 0;
	/* but who has an administrator's address has the account */
	if (c->class == PLAN_ASKED && !action_kinds[c->kind].destructive &&
	    c->kind != ACTION_CHANGE_PROFILE)
		return 0;
	if (a->own_credential)
		r = guard_hit(hits, arena, GUARD_OWN_CREDENTIAL, err,
			      "made the key that we work with");
	if (r == 0 && (a->admin == TRI_YES || a->org_admin == TRI_YES)) {
		hits->two = true;
		r = guard_hit(hits, arena, GUARD_ADMIN, err, "administers the organisation");
	} else if (r == 0 && (a->admin == TRI_UNKNOWN || a->org_admin == TRI_UNKNOWN)) {
		r = guard_hit(hits, arena, GUARD_UNKNOWN, err,
			      "whether it administers something was not read");
	}
	return r;
}

/* The tokens of an account. */
static int tokens_judge(const struct world *w, const struct candidate *c,
			struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	enum tri managed = (enum tri)w->f->accounts.v[c->s.account].managed;

	if (c->kind == ACTION_REVOKE_TOKENS && managed == TRI_NO)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "the tokens of an unmanaged account are out of our reach");
	if (c->kind == ACTION_REVOKE_TOKENS && managed == TRI_UNKNOWN)
		return guard_hit(hits, arena, GUARD_UNKNOWN, err,
				 "whether it is a managed account was not read");
	return 0;
}

/* What only a person asks for, of the population that the account belongs to. */
static int asked_lever_judge(const struct world *w, const struct candidate *c,
			     enum account_class class, struct plan_arena *arena,
			     struct guard_hits *hits, struct err *err)
{
	if (c->group_count)
		return bulk_groups_judge(w, c, arena, hits, err);
	if (!action_kinds[c->kind].managed_only || c->kind == ACTION_REVOKE_TOKENS)
		return tokens_judge(w, c, arena, hits, err);
	if (class == CLASS_UNMANAGED)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "an unmanaged account is its owner's: only they can do this");
	if (class == CLASS_SYNCED)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "an account of an external directory is changed there");
	return class == CLASS_MANAGED
		       ? 0
		       : guard_hit(hits, arena, GUARD_UNKNOWN, err,
				   "whether we may change the account was not read");
}

/* What Atlassian allows for the population that the account belongs to. */
static int lever_judge(const struct world *w, const struct candidate *c,
		       struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct row_account *a;
	enum account_class class;

	if (action_kinds[c->kind].provision || action_kinds[c->kind].group)
		return 0;
	a = &w->f->accounts.v[c->s.account];
	class = account_class_of(a->type, a->managed, a->synced, a->can_disable);

	if (a->type == ACCOUNT_TYPE_UNKNOWN)
		return guard_hit(hits, arena, GUARD_UNKNOWN, err,
				 "what kind of account it is was not read");
	if (a->status == ACCOUNT_UNKNOWN)
		return guard_hit(hits, arena, GUARD_UNKNOWN, err,
				 "the state of the account was not read");
	switch (c->kind == ACTION_DEACTIVATE ? provision_lever(w->f, c->s.account)
					     : LEVER_ACCOUNT) {
	case LEVER_RECORD:
		return 0;
	case LEVER_UNREAD:
		return guard_hit(hits, arena, GUARD_PROVISION_UNREAD, err,
				 "it is deactivated through the provisioning directory, which "
				 "was not read completely");
	case LEVER_SPENT:
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "its record in the provisioning directory is off already, and "
				 "the account is not: somebody switched it on at Atlassian");
	case LEVER_ACCOUNT:
		break;
	}
	if ((c->class == PLAN_ASKED && c->kind != ACTION_DEACTIVATE) ||
	    (c->kind == ACTION_DELETE && c->rule))
		return asked_lever_judge(w, c, class, arena, hits, err);
	/* an undo of what was asked for */
	if (c->group_count)
		return bulk_groups_judge(w, c, arena, hits, err);
	if (c->kind == ACTION_ENABLE && c->rule &&
	    provision_lever(w->f, c->s.account) != LEVER_ACCOUNT)
		return guard_hit(
			hits, arena, GUARD_IMPOSSIBLE, err,
			"the account follows its record in the provisioning directory: "
			"it comes back with that (rule provision-return), or by undo");
	if (c->kind == ACTION_DEACTIVATE && class == CLASS_UNMANAGED)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "an unmanaged account cannot be deactivated");
	if (c->kind == ACTION_DEACTIVATE && class == CLASS_SYNCED)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "an account of an external directory is deactivated there");
	if (c->kind == ACTION_DEACTIVATE && class != CLASS_MANAGED)
		return guard_hit(hits, arena, GUARD_UNKNOWN, err,
				 "whether it may be deactivated was not read");
	return tokens_judge(w, c, arena, hits, err);
}

/* An orphan that no person ever used while its API tokens are in use, or that automation rules
 * run as: it may be a program's. */
static int service_judge(const struct world *w, const struct candidate *c,
			 struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct facts *f = w->f;
	const struct row_owned *owned;
	const struct row_account *a;
	char day[STAMP_TEXT_BYTES];
	size_t n = 0, rules = 0;
	bool used;

	if (c->class != PLAN_ORPHAN || c->s.account == FACTS_NONE ||
	    !action_kinds[c->kind].destructive)
		return 0;
	a = &f->accounts.v[c->s.account];
	used = a->token_active_ms != FACT_ABSENT && a->token_active_ms != FACT_UNKNOWN;
	for (uint32_t i = f->seat_at[c->s.account]; i < f->seat_at[c->s.account + 1]; i++)
		if (f->seats.v[i].last_active_ms != FACT_ABSENT)
			return 0;
	owned = facts_owned_of(f, c->s.account, &n);
	for (size_t i = 0; i < n; i++)
		rules += owned[i].kind == OWNED_RULE;
	if (!used && !rules)
		return 0;
	if (!used)
		return guard_hit(hits, arena, GUARD_SERVICE_ACCOUNT, err,
				 GUARD_SUSPECTED
				 "nobody ever used it, and %zu automation rules run as it; ask "
				 "their owner",
				 rules);
	stamp_text(a->token_active_ms, day);
	return guard_hit(hits, arena, GUARD_SERVICE_ACCOUNT, err,
			 GUARD_SUSPECTED "nobody ever used it, but its API tokens are in use, "
					 "last on %.10s; ask who owns it",
			 day);
}

static int ownership_judge(const struct world *w, const struct candidate *c,
			   struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	uint8_t flags = c->s.account == FACTS_NONE ? (uint8_t)MATCH_ADOPTED
						   : w->account_flags[c->s.account];
	bool doubt = (flags & MATCH_DOUBT) ||
		     (c->s.person != FACTS_NONE && w->person_doubt[c->s.person]);
	int r = 0;

	if (doubt)
		r = guard_hit(hits, arena, GUARD_AMBIGUOUS, err, "who this is, is in doubt");
	/* a person's own order names the account: that is hand enough */
	if (r == 0 && c->rule && c->class != PLAN_ORPHAN && !(flags & MATCH_ADOPTED))
		r = guard_hit(hits, arena, GUARD_NOT_ADOPTED, err,
			      c->s.person == FACTS_NONE
				      ? "nobody gave us this account"
				      : "linked by a rule that nobody approved");
	return r;
}

/* --- flapping: we take, somebody else gives, round and round --- */

#define FLAPPING_MS (180 * STAMP_DAY_MS) /* what was taken longer ago is forgotten */

/* How often that was taken from the account, and when last. */
static unsigned taken_before(const struct world *w, const struct candidate *c,
			     enum action_kind kind, int64_t *last_ms)
{
	const struct facts *f = w->f;
	unsigned times = 0;

	for (size_t i = stage_progress(f, c->s.account);
	     i < f->progress.n && f->progress.v[i].account == c->s.account; i++) {
		const struct row_progress *p = &f->progress.v[i];

		if (p->kind != kind || p->product != c->product ||
		    p->done_ms <= f->round.now_ms - FLAPPING_MS)
			continue;
		if (!p->times) /* it was so already: nobody gave anything back */
			continue;
		times += p->times;
		*last_ms = p->done_ms > *last_ms ? p->done_ms : *last_ms;
	}
	return times;
}

/* How often that was given back to the account, as Atlassian's events tell; the newest. */
static unsigned given_back(const struct world *w, const struct candidate *c,
			   enum action_kind kind, const struct facts_return **last)
{
	const struct facts *f = w->f;
	unsigned times = 0;

	for (size_t i = 0; i < f->returns.n; i++) {
		const struct facts_return *x = &f->returns.v[i];

		if (x->account != c->s.account || x->kind != kind || x->product != c->product ||
		    x->taken_ms <= f->round.now_ms - FLAPPING_MS)
			continue;
		times++;
		if (!*last || x->at_ms > (*last)->at_ms)
			*last = x;
	}
	return times;
}

/* By whom: an account's number, for a plan names nobody. */
static int giver_text(struct plan_arena *arena, const struct facts_return *last, unsigned back,
		      const char **ret, struct err *err)
{
	char when[STAMP_TEXT_BYTES];

	*ret = "";
	if (!last)
		return 0;
	stamp_text(last->at_ms, when);
	if (!last->by)
		return arena_textf(arena, ret, err,
				   "; seen in the audit events %u time%s, last on %s by "
				   "somebody who is no account here",
				   back, back == 1 ? "" : "s", when);
	return arena_textf(arena, ret, err,
			   "; seen in the audit events %u time%s, last on %s by account %llu "
			   "(`leaverd events` names it)",
			   back, back == 1 ? "" : "s", when, (unsigned long long)last->by);
}

/* The group that gives the seat now: one that somebody else fills, before others. */
static const struct row_group *giving_group(const struct facts *f, const struct candidate *c)
{
	const struct row_group *ret = NULL;

	for (uint32_t m = f->member_at[c->s.account];
	     c->product != FACTS_NONE && m < f->member_at[c->s.account + 1]; m++) {
		const struct row_group *group = &f->groups.v[f->members.v[m].b];

		for (uint32_t g = f->grant_at[f->members.v[m].b];
		     g < f->grant_at[f->members.v[m].b + 1]; g++)
			if (f->grants.v[g].product == c->product &&
			    (!ret || (group->synced == TRI_YES && ret->synced != TRI_YES) ||
			     (group->synced == ret->synced &&
			      str_cmp(pool_str(&f->pool, group->id),
				      pool_str(&f->pool, ret->id)) < 0)))
				ret = group;
	}
	return ret;
}

/* Who leaves is not kept in: only what may come back for good reasons is left alone. */
static int flapping_judge(const struct world *w, const struct candidate *c,
			  struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	enum action_kind kind = c->kind == ACTION_WARN ? ACTION_FREE_SEAT : c->kind;
	const struct row_group *group;
	const struct facts_return *giver = NULL;
	const char *given = "";
	char last[STAMP_TEXT_BYTES];
	int64_t last_ms = 0;
	unsigned times, back;
	int r;

	if (!w->p->flapping || !c->rule || c->s.account == FACTS_NONE ||
	    c->class == PLAN_LEAVER || !action_kinds[kind].destructive ||
	    action_kinds[kind].provision)
		return 0;
	times = taken_before(w, c, kind, &last_ms);
	back = given_back(w, c, kind, &giver);
	if (times < back)
		times = back;
	if (times < w->p->flapping)
		return 0;
	if (giver && giver->taken_ms > last_ms)
		last_ms = giver->taken_ms;
	r = giver_text(arena, giver, back, &given, err);
	if (r < 0)
		return r;
	group = giving_group(w->f, c);
	stamp_text(last_ms, last);
	return guard_hit(hits, arena, GUARD_FLAPPING, err,
			 "taken %u times already, last on %s, and given back since%s" STR_FMT
			 "%s%s",
			 times, last, group ? ": by group " : " by somebody else",
			 STR_ARG(group ? pool_str(&w->f->pool, group->name) : STR("")),
			 group && group->synced == TRI_YES
				 ? ", whose members come from the identity provider"
				 : "",
			 given);
}

int guard_judge(const struct world *w, const struct candidate *c, struct plan_arena *arena,
		struct guard_hits *hits, struct err *err)
{
	static int (*const judges[])(const struct world *w, const struct candidate *c,
				     struct plan_arena *arena, struct guard_hits *hits,
				     struct err *err) = {
		source_judge,   rows_judge,  filters_judge, leave_judge,
		bars_judge,     admin_judge, lever_judge,   ownership_judge,
		flapping_judge, hold_judge,  owns_judge,    service_judge,
	};
	int r = 0;

	/* what gives back is a person's order about our own deed: only the account, and the
	 * groups that it comes back to, can object */
	if (c->class == PLAN_RESTORE && !c->rule && !guard_takes_back(c))
		return lever_judge(w, c, arena, hits, err);
	for (size_t i = 0; i < COUNT_OF(judges) && r == 0; i++)
		r = judges[i](w, c, arena, hits, err);
	return r;
}

bool guard_may_run(const struct candidate *c)
{
	for (size_t i = 0; i < c->hit_count; i++)
		if (guards[c->hits[i].guard].release == RELEASE_NEVER)
			return false;
	return true;
}

/* --- all candidates --- */

static int hits_keep(struct round *r, struct candidate *c, const struct guard_hits *hits,
		     struct err *err)
{
	struct guard_hit *kept = NULL;
	int ret = 0;

	if (hits->n)
		ret = arena_alloc(r->arena, hits->n * sizeof(*kept), &kept, err);
	if (ret < 0)
		return ret;
	if (hits->n)
		memcpy(kept, hits->v, hits->n * sizeof(*kept));
	c->hits = kept;
	c->hit_count = hits->n;
	c->two = c->two || hits->two;
	return 0;
}

bool guard_takes_admin(const struct world *w, const struct candidate *c)
{
	if (c->kind == ACTION_SUSPEND || c->kind == ACTION_DEACTIVATE ||
	    c->kind == ACTION_DELETE)
		return true;
	for (size_t i = 0; c->kind == ACTION_REMOVE_GROUPS && i < c->group_count; i++)
		if (w->f->groups.v[c->groups[i]].admin == TRI_YES)
			return true;
	return false;
}

/*
 * Two admins who leave in one round: neither is the last, together they are. So those are
 * counted who would be left when all that is planned has been done.
 */
static int admins_left(const struct round *r, bool *ret, struct err *err)
{
	const struct facts *f = r->w->f;
	CLEANUP(free_at) uint8_t *taken = calloc(f->accounts.n + 1, 1);
	bool left = false;

	if (!taken)
		return err_nomem(err);
	for (size_t i = 0; i < r->candidates.n; i++)
		if (guard_takes_admin(r->w, &r->candidates.v[i]))
			taken[r->candidates.v[i].s.account] = 1;
	for (uint32_t i = 0; i < f->accounts.n && !left; i++)
		left = f->accounts.v[i].org_admin == TRI_YES &&
		       f->accounts.v[i].status == ACCOUNT_ACTIVE && !taken[i];
	*ret = left;
	return 0;
}

int guard_add(struct round *r, struct candidate *c, enum guard_id guard, struct err *err,
	      const char *format, ...)
{
	struct guard_hits hits = { .n = c->hit_count };
	char saw[ERR_TEXT_BYTES];
	va_list args;
	int ret;

	va_start(args, format);
	(void)vsnprintf(saw, sizeof(saw), format, args);
	va_end(args);
	if (c->hit_count)
		memcpy(hits.v, c->hits, c->hit_count * sizeof(*c->hits));
	ret = guard_hit(&hits, r->arena, guard, err, "%s", saw);
	return ret < 0 ? ret : hits_keep(r, c, &hits, err);
}

int guard_candidates(struct round *r, struct err *err)
{
	const struct facts *f = r->w->f;
	bool left = false;
	int ret = admins_left(r, &left, err);

	for (size_t i = 0; i < r->candidates.n && ret == 0; i++) {
		struct candidate *c = &r->candidates.v[i];
		struct guard_hits hits = { .n = 0 };

		ret = guard_judge(r->w, c, r->arena, &hits, err);
		if (ret == 0 && !left && guard_takes_admin(r->w, c) &&
		    f->accounts.v[c->s.account].org_admin == TRI_YES)
			ret = guard_hit(&hits, r->arena, GUARD_LAST_ADMIN, err,
					"no other active administrator of the organisation "
					"would be left");
		if (ret == 0)
			ret = hits_keep(r, c, &hits, err);
	}
	return ret < 0 ? ret : provision_guards(r, err);
}

/* --- whole plans --- */

static int plan_guard_add(struct vec_guard *into, struct plan_arena *arena, enum guard_id id,
			  enum guard_verdict verdict, unsigned needs, struct err *err,
			  const char *format, ...) PRINTF(7, 8);
static int plan_guard_add(struct vec_guard *into, struct plan_arena *arena, enum guard_id id,
			  enum guard_verdict verdict, unsigned needs, struct err *err,
			  const char *format, ...)
{
	struct plan_guard g = { guards[id].name, verdict, NULL, needs };
	va_list args;
	int r;

	va_start(args, format);
	r = arena_vtextf(arena, &g.text, err, format, args);
	va_end(args);
	if (r < 0)
		return r;
	return vec_guard_add(into, g) < 0 ? err_nomem(err) : 0;
}

int guard_round(const struct world *w, struct vec_guard *into, struct plan_arena *arena,
		struct err *err)
{
	const struct facts_round *round = &w->f->round;
	int r = 0;

	for (size_t i = 0; i < w->f->sources.n; i++) {
		const struct facts_source *s = &w->f->sources.v[i].in;
		unsigned doubts = s->ready ? doubts_of(s) : 0;
		struct str text = s->doubt_text;

		for (size_t g = 0; g < COUNT_OF(source_guards) && r == 0; g++)
			if (doubts & source_guards[g].doubt)
				r = plan_guard_add(into, arena, source_guards[g].guard,
						   GUARD_HOLD_ACTION, 0, err,
						   "source " STR_FMT ": %s%s" STR_FMT
						   "; held is what rests on it; released by %s",
						   STR_ARG(s->name), source_guards[g].saw,
						   text.len ? ": " : "", STR_ARG(text),
						   guards[source_guards[g].guard].way);
		if (r == 0 && (s->doubts & DOUBT_IDENTITY))
			r = plan_guard_add(
				into, arena, GUARD_IDENTITY_CHANGED, GUARD_HOLD_PLAN, 0, err,
				"source " STR_FMT " is another system than before%s" STR_FMT
				"; released by %s",
				STR_ARG(s->name), text.len ? ": " : "", STR_ARG(text),
				guards[GUARD_IDENTITY_CHANGED].way);
	}
	if (r == 0 && !round->org_complete)
		r = plan_guard_add(into, arena, GUARD_ORG_INCOMPLETE, GUARD_HOLD_ACTION, 0, err,
				   "the organisation was not read completely%s" STR_FMT
				   "; held is what rests on it; released by %s",
				   round->org_doubt.len ? ": " : "", STR_ARG(round->org_doubt),
				   guards[GUARD_ORG_INCOMPLETE].way);
	if (r == 0 && round->org_stale)
		r = plan_guard_add(into, arena, GUARD_ORG_STALE, GUARD_HOLD_ACTION, 0, err,
				   "the organisation was not read lately%s" STR_FMT
				   "; held is what rests on it; released by %s",
				   round->org_doubt.len ? ": " : "", STR_ARG(round->org_doubt),
				   guards[GUARD_ORG_STALE].way);
	if (r == 0 && !round->org_plausible)
		r = plan_guard_add(into, arena, GUARD_ORG_IMPLAUSIBLE, GUARD_HOLD_PLAN, 1, err,
				   "what the organisation told is implausible%s" STR_FMT
				   "; released by %s",
				   round->org_doubt.len ? ": " : "", STR_ARG(round->org_doubt),
				   guards[GUARD_ORG_IMPLAUSIBLE].way);
	if (r == 0 && !round->org_identity_same)
		r = plan_guard_add(into, arena, GUARD_IDENTITY_CHANGED, GUARD_HOLD_PLAN, 0, err,
				   "the organisation is another one than the one we were armed "
				   "for; released by leaverd arm for the new one");
	if (r == 0 && round->foreign_write)
		r = plan_guard_add(into, arena, GUARD_FOREIGN_WRITE, GUARD_HOLD_PLAN, 0, err,
				   "something was changed under our key that our journal does "
				   "not know; released by %s",
				   guards[GUARD_FOREIGN_WRITE].way);
	return r;
}

/* --- limits --- */

static const struct {
	enum guard_id guard;
	enum plan_class class;
	int64_t window_ms;
	const char *subjects, *window;
} limit_rows[LIMIT_KIND_COUNT] = {
	[LIMIT_LEAVERS_DAY] = { GUARD_LIMIT_LEAVERS_DAY, PLAN_LEAVER, STAMP_DAY_MS, "leavers",
				"24 hours" },
	[LIMIT_LEAVERS_WEEK] = { GUARD_LIMIT_LEAVERS_WEEK, PLAN_LEAVER, 7 * STAMP_DAY_MS,
				 "leavers", "7 days" },
	[LIMIT_ABSENCE_DAY] = { GUARD_LIMIT_ABSENCE_DAY, PLAN_ABSENCE, STAMP_DAY_MS,
				"people gone from a source", "24 hours" },
	[LIMIT_ORPHANS_WEEK] = { GUARD_LIMIT_ORPHANS_WEEK, PLAN_ORPHAN, 7 * STAMP_DAY_MS,
				 "orphans", "7 days" },
	[LIMIT_INACTIVE_WEEK] = { GUARD_LIMIT_INACTIVE_WEEK, PLAN_INACTIVE, 7 * STAMP_DAY_MS,
				  "seats", "7 days" },
	[LIMIT_PUSH_HOUR] = { GUARD_LIMIT_PUSH_HOUR, PLAN_LEAVER, STAMP_HOUR_MS,
			      "people ended by the push source", "an hour" },
	/* holds what is told to the directory, not the plan: reconcile/provision.c */
	[LIMIT_PROVISION_DAY] = { .guard = GUARD_LIMIT_PROVISION, .class = PLAN_PROVISION },
	[LIMIT_ASKED_DAY] = { GUARD_LIMIT_ASKED_DAY, PLAN_ASKED, STAMP_DAY_MS,
			      "people asked for by hand", "24 hours" },
	[LIMIT_PLAN] = { .guard = GUARD_LIMIT_PLAN },
};

/* Who is counted: a person, or an account without one, or a seat. */
struct counted {
	uint64_t who;
	struct str product, site;
};

static int counted_cmp(const void *pa, const void *pb)
{
	const struct counted *a = pa, *b = pb;
	int c;

	if (a->who != b->who)
		return a->who < b->who ? -1 : 1;
	c = str_cmp(a->product, b->product);
	return c ? c : str_cmp(a->site, b->site);
}

#define COUNTED_ACCOUNT (UINT64_C(1) << 63) /* account numbers beside person numbers */

static uint64_t counted_who(const struct world *w, enum plan_class class, uint32_t account)
{
	uint32_t person = w->account_person[account];

	if (class == PLAN_INACTIVE || person == FACTS_NONE)
		return w->f->accounts.v[account].number | COUNTED_ACCOUNT;
	return w->numbers[person];
}

static bool is_expected(const struct facts *f, uint64_t person)
{
	size_t low = 0, high = f->expected.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->expected.v[middle] < person)
			low = middle + 1;
		else
			high = middle;
	}
	return low < f->expected.n && f->expected.v[low] == person;
}

/* The class whose limit an action uses up: what undo takes is asked for, as by bulk. */
static enum plan_class limit_class(const struct candidate *c)
{
	return guard_takes_back(c) ? PLAN_ASKED : c->class;
}

/* Subjects of a class, of one rule (empty: of all), that were acted on within the window. */
static size_t past_count_of(const struct world *w, enum plan_class class, struct str rule,
			    int64_t window_ms, struct counted *v)
{
	const struct facts *f = w->f;
	size_t n = 0;

	for (size_t i = 0; i < f->counted.n; i++) {
		const struct row_counted *c = &f->counted.v[i];
		uint32_t account;

		if (c->class != class || c->at_ms <= f->round.now_ms - window_ms ||
		    (rule.len && !str_eq(pool_str(&f->pool, c->rule), rule)))
			continue;
		account = facts_account_by_number(f, c->account);
		if (account != FACTS_NONE && w->account_person[account] != FACTS_NONE &&
		    is_expected(f, w->numbers[w->account_person[account]]))
			continue;
		v[n].who = account == FACTS_NONE ? c->account | COUNTED_ACCOUNT
						 : counted_who(w, class, account);
		v[n].product = pool_str(&f->pool, c->product);
		v[n++].site = pool_str(&f->pool, c->site);
	}
	return n;
}

static size_t past_count(const struct world *w, enum plan_class class, int64_t window_ms,
			 struct counted *v)
{
	return past_count_of(w, class, STR(""), window_ms, v);
}

/* What the round, or an open plan of before, would act on: limits add up over plans. */
static bool is_planned(const struct candidate *c)
{
	return (!c->gone || c->pending) && action_kinds[c->kind].destructive &&
	       guard_may_run(c);
}

static bool is_announced(const struct round *r, const struct candidate *c)
{
	return c->s.person != FACTS_NONE && is_expected(r->w->f, r->w->numbers[c->s.person]);
}

/* rule: one, or NULL for all of the class. */
static size_t count_of(const struct round *r, enum plan_class class, const struct rule *rule,
		       bool pending, struct counted *v)
{
	const struct facts *f = r->w->f;
	size_t n = 0;

	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct candidate *c = &r->candidates.v[i];

		if (limit_class(c) != class || !is_planned(c) || (pending && !c->pending) ||
		    (rule && c->rule != rule) || is_announced(r, c))
			continue;
		v[n] = (struct counted){ counted_who(r->w, class, c->s.account), STR(""),
					 STR("") };
		if (class == PLAN_INACTIVE && c->product != FACTS_NONE) {
			v[n].product = pool_str(&f->pool, f->products.v[c->product].key);
			v[n].site = pool_str(&f->pool, f->products.v[c->product].site);
		}
		n++;
	}
	return n;
}

static size_t count_those(const struct round *r, enum plan_class class, bool pending,
			  struct counted *v)
{
	return count_of(r, class, NULL, pending, v);
}

static size_t planned_count(const struct round *r, enum plan_class class, struct counted *v)
{
	return count_those(r, class, false, v);
}

static size_t pending_count(const struct round *r, enum plan_class class, struct counted *v)
{
	return count_those(r, class, true, v);
}

static size_t distinct(struct counted *v, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(v, n, sizeof(*v), counted_cmp);
	for (size_t i = 0; i < n; i++)
		if (!kept || counted_cmp(&v[kept - 1], &v[i]) != 0)
			v[kept++] = v[i];
	return kept;
}

static uint64_t limit_of(const struct policy_limit_conf *l, uint64_t scope)
{
	uint64_t share = (uint64_t)(l->share * (double)scope + 1e-9);

	return share > (uint64_t)l->count ? share : (uint64_t)l->count;
}

static uint64_t scope_of(const struct round *r, enum plan_class class)
{
	if (class == PLAN_INACTIVE)
		return r->scope_seats;
	if (class == PLAN_ASKED)
		return r->scope_asked;
	return class == PLAN_ORPHAN ? r->scope_managed : r->scope_leavers;
}

/* What was counted, and how many of it may be. */
struct reckoning {
	enum guard_id guard;
	uint64_t count, most, scope;
};

/* words: "3 leavers within 24 hours" without the number. */
static int reckoning_tell(struct plan *plan, const struct reckoning *k, const char *words,
			  struct err *err)
{
	bool over = k->count > k->most;

	return plan_guard_add(&plan->guards, &plan->arena, k->guard,
			      over ? GUARD_HOLD_PLAN : GUARD_PASS,
			      !over                    ? 0
			      : k->count > 2 * k->most ? 2
						       : 1,
			      err, "%llu %s, allowed are %llu (%llu in scope)%s%s",
			      (unsigned long long)k->count, words, (unsigned long long)k->most,
			      (unsigned long long)k->scope,
			      over ? "; the plan is held whole; released by " : "",
			      over ? guards[k->guard].way : "");
}

static int limit_tell(struct plan *plan, int limit, uint64_t count, uint64_t most,
		      uint64_t scope, struct err *err)
{
	const struct reckoning k = { limit_rows[limit].guard, count, most, scope };
	char words[80];

	(void)snprintf(words, sizeof(words), "%s within %s", limit_rows[limit].subjects,
		       limit_rows[limit].window);
	return reckoning_tell(plan, &k, words, err);
}

/* A limit over subjects, for a plan that acts on some of them. */
static int class_limit(const struct round *r, int limit, struct plan *plan, struct err *err)
{
	enum plan_class class = limit_rows[limit].class;
	size_t room = r->w->f->counted.n + r->candidates.n, n;
	CLEANUP(free_at) struct counted *v = calloc(room + 1, sizeof(*v));
	uint64_t scope = scope_of(r, class);

	if (!v)
		return err_nomem(err);
	n = past_count(r->w, class, limit_rows[limit].window_ms, v);
	n += planned_count(r, class, v + n);
	return limit_tell(plan, limit, distinct(v, n), limit_of(&r->w->p->limits[limit], scope),
			  scope, err);
}

static uint64_t accounts_in_scope(const struct round *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->w->f->accounts.n; i++)
		n += desire_is_subject(r->w, i);
	return n;
}

/* The subjects that a rule can be about. */
static uint64_t rule_scope(const struct round *r, const struct rule *rule)
{
	switch (rule->subject) {
	case SUBJECT_PERSON:
		return r->scope_leavers;
	case SUBJECT_SEAT:
		return r->scope_seats;
	case SUBJECT_ORPHAN:
		return r->scope_managed;
	default:
		return accounts_in_scope(r);
	}
}

/* How much of a rule's own limit is used up; v has room for all. */
static struct reckoning rule_reckon(const struct round *r, const struct rule *rule,
				    bool pending, struct counted *v)
{
	struct reckoning k = { .guard = GUARD_LIMIT_RULE, .scope = rule_scope(r, rule) };
	size_t n = past_count_of(r->w, rule->class, str_of(rule->name), rule->limit_ms, v);

	n += count_of(r, rule->class, rule, pending, v + n);
	k.count = distinct(v, n);
	k.most = limit_of(&rule->limit, k.scope);
	return k;
}

/* The limits that rules state for themselves, of those that a plan of this urgency acts by. */
static int rule_limits(const struct round *r, bool urgent, struct plan *plan, struct err *err)
{
	size_t room = r->w->f->counted.n + r->candidates.n;
	CLEANUP(free_at) struct counted *v = calloc(room + 1, sizeof(*v));
	char words[160];
	int ret = v ? 0 : err_nomem(err);

	for (size_t i = 0; i < r->w->p->rule_count && ret == 0; i++) {
		const struct rule *rule = &r->w->p->rules[i];
		struct reckoning k;
		bool acts = false;

		for (size_t n = 0; rule->limit_ms && n < r->candidates.n && !acts; n++) {
			const struct candidate *c = &r->candidates.v[n];

			acts = c->rule == rule && !c->gone && guard_may_run(c) &&
			       action_kinds[c->kind].destructive &&
			       candidate_is_urgent(c) == urgent;
		}
		if (!acts)
			continue;
		k = rule_reckon(r, rule, false, v);
		(void)snprintf(words, sizeof(words), "by rule %.80s within %g hours",
			       rule->name, (double)rule->limit_ms / STAMP_HOUR_MS);
		ret = reckoning_tell(plan, &k, words, err);
	}
	return ret;
}

/* Whom this one plan takes something from, once each, however many rules or seats. Without a
 * limit of its own (100 %) nothing is said of it. */
static int plan_limit(const struct round *r, bool urgent, struct plan *plan, struct err *err)
{
	const struct policy_limit_conf *limit = &r->w->p->limits[LIMIT_PLAN];
	struct reckoning k = { .guard = GUARD_LIMIT_PLAN };
	CLEANUP(free_at) struct counted *v = NULL;
	size_t n = 0;

	if (limit->share >= 1)
		return 0;
	v = calloc(r->candidates.n + 1, sizeof(*v));
	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct candidate *c = &r->candidates.v[i];

		if (!c->gone && (c->rule || limit_class(c) == PLAN_ASKED) &&
		    action_kinds[c->kind].destructive && guard_may_run(c) &&
		    c->s.account != FACTS_NONE && candidate_is_urgent(c) == urgent &&
		    !is_announced(r, c))
			v[n++] = (struct counted){ counted_who(r->w, PLAN_LEAVER, c->s.account),
						   STR(""), STR("") };
	}
	k.count = distinct(v, n);
	k.scope = accounts_in_scope(r);
	k.most = limit_of(limit, k.scope);
	return n ? reckoning_tell(plan, &k, "people and accounts in this plan", err) : 0;
}

/* What the limits of rules of a class, and that of a plan, leave to a wave. */
static uint64_t own_room(const struct round *r, enum plan_class class, struct counted *v)
{
	const struct policy_limit_conf *limit = &r->w->p->limits[LIMIT_PLAN];
	uint64_t least = limit->share >= 1 ? UINT64_MAX : limit_of(limit, accounts_in_scope(r));

	for (size_t i = 0; i < r->w->p->rule_count; i++) {
		const struct rule *rule = &r->w->p->rules[i];
		struct reckoning k;

		if (!rule->limit_ms || rule->class != class)
			continue;
		k = rule_reckon(r, rule, true, v);
		if (k.most - (k.count < k.most ? k.count : k.most) < least)
			least = k.most - (k.count < k.most ? k.count : k.most);
	}
	return least;
}

int guard_room(const struct round *r, enum plan_class class, uint64_t *ret, struct err *err)
{
	size_t room = r->w->f->counted.n + r->candidates.n;
	CLEANUP(free_at) struct counted *v = calloc(room + 1, sizeof(*v));
	uint64_t least = UINT64_MAX;

	if (!v)
		return err_nomem(err);
	least = own_room(r, class, v);
	for (int i = 0; i < LIMIT_KIND_COUNT; i++) {
		uint64_t most, used;
		size_t n;

		if (limit_rows[i].class != class || !limit_rows[i].subjects ||
		    i == LIMIT_PUSH_HOUR)
			continue;
		n = past_count(r->w, class, limit_rows[i].window_ms, v);
		n += pending_count(r, class, v + n);
		used = distinct(v, n);
		most = limit_of(&r->w->p->limits[i], scope_of(r, class));
		if (most - (used < most ? used : most) < least)
			least = most - (used < most ? used : most);
	}
	*ret = least;
	return 0;
}

static int time_cmp(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

/* The most that came within one hour. */
static uint64_t burst(int64_t *times, size_t n)
{
	uint64_t most = 0;
	size_t from = 0;

	if (n)
		qsort(times, n, sizeof(*times), time_cmp);
	for (size_t i = 0; i < n; i++) {
		while (times[i] - times[from] >= STAMP_HOUR_MS)
			from++;
		most = i - from + 1 > most ? i - from + 1 : most;
	}
	return most;
}

/* Persons about whom something is planned that rests on the source. */
static int rests_mark(const struct round *r, uint32_t source, bool **ret, struct err *err)
{
	bool *rests = calloc(r->w->persons + 1, sizeof(*rests));

	if (!rests)
		return err_nomem(err);
	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct candidate *c = &r->candidates.v[i];

		if (c->s.person != FACTS_NONE && is_planned(c) &&
		    (c->basis.sources & UINT64_C(1) << source))
			rests[c->s.person] = true;
	}
	*ret = rests;
	return 0;
}

/* One push source: who was ended of late, or is still to be acted on. A burst that was held
 * does not become plausible by waiting an hour. */
static int source_limit(const struct round *r, uint32_t source, struct plan *plan,
			struct err *err)
{
	const struct facts *f = r->w->f;
	CLEANUP(free_at) int64_t *times = calloc(f->records.n + 1, sizeof(*times));
	CLEANUP(free_at) bool *rests = NULL;
	uint64_t scope = 0;
	size_t n = 0;
	int ret = times ? rests_mark(r, source, &rests, err) : err_nomem(err);

	for (size_t k = 0; k < f->records.n && ret == 0; k++) {
		const struct row_record *row = &f->records.v[k];
		uint32_t person = r->w->record_person[k];
		bool counts = row->state == RECORD_ENDED &&
			      (row->since_ms > f->round.now_ms - STAMP_HOUR_MS ||
			       (person != FACTS_NONE && rests[person]));

		if (row->source != source)
			continue;
		scope += counts || row->state == RECORD_ACTIVE;
		if (counts && !(row->person && is_expected(f, row->person)))
			times[n++] = row->since_ms;
	}
	return ret < 0 ? ret
		       : limit_tell(plan, LIMIT_PUSH_HOUR, burst(times, n),
				    limit_of(&r->w->p->limits[LIMIT_PUSH_HOUR], scope), scope,
				    err);
}

/* A push source that ends many within an hour holds the plan that believes it. */
static int push_limit(const struct round *r, uint64_t sources, struct plan *plan,
		      struct err *err)
{
	const struct facts *f = r->w->f;
	int ret = 0;

	for (uint32_t i = 0; i < f->sources.n && i < 64 && ret == 0; i++)
		if ((sources & UINT64_C(1) << i) && f->sources.v[i].in.kind == SOURCE_PUSH)
			ret = source_limit(r, i, plan, err);
	return ret;
}

int guard_plan(const struct round *r, bool urgent, struct plan *plan, struct err *err)
{
	bool has[PLAN_CLASS_COUNT] = { false };
	uint64_t sources = 0;
	int ret = guard_round(r->w, &plan->guards, &plan->arena, err);

	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct candidate *c = &r->candidates.v[i];

		/* block, and what undo gives back, are held by no limit */
		if (c->gone || (!c->rule && limit_class(c) != PLAN_ASKED) ||
		    candidate_is_urgent(c) != urgent)
			continue;
		if (!action_kinds[c->kind].destructive || !guard_may_run(c))
			continue;
		has[limit_class(c)] = true;
		sources |= c->basis.sources;
	}
	for (int i = 0; i < LIMIT_KIND_COUNT && ret == 0; i++)
		if (limit_rows[i].subjects && i != LIMIT_PUSH_HOUR && has[limit_rows[i].class])
			ret = class_limit(r, i, plan, err);
	if (ret == 0)
		ret = rule_limits(r, urgent, plan, err);
	if (ret == 0)
		ret = plan_limit(r, urgent, plan, err);
	if (ret == 0)
		ret = push_limit(r, sources, plan, err);
	for (size_t i = 0; i < plan->guards.n; i++)
		plan->held = plan->held || plan->guards.v[i].verdict == GUARD_HOLD_PLAN;
	return ret;
}
