/*
 * What the rules want: every subject is judged once per rule, and each step that is due within
 * the plan's horizon becomes a candidate. What is held, impossible or over a limit is decided
 * afterwards.
 */
#ifndef RECONCILE_DESIRE_H
#define RECONCILE_DESIRE_H

#include "reconcile/stage.h"

/* A guard that holds a candidate (reconcile/guard.h), and what it saw. */
struct guard_hit {
	uint8_t guard; /* enum guard_id */
	const char *text;
};

struct provision_wish; /* reconcile/provision.h */
struct bulk_profile;   /* reconcile/bulk.h */

/* An action that may come to be. Texts live in the round's arena. */
struct candidate {
	const struct rule *rule; /* NULL: a person's order, block or undo */
	const char *note;        /* an order's own words about it; NULL where there are none */
	enum action_kind kind;
	enum plan_class class;
	struct subject s; /* of the rule; .account is set but for records of the provisioning
			     directory that belong to no account yet */
	uint32_t product; /* row, or FACTS_NONE */
	size_t step;      /* of the rule's ladder */
	int64_t due_ms, anchor_ms;
	struct basis basis;
	const struct guard_hit *hits; /* sorted by guard */
	size_t hit_count;
	bool two;     /* needs two persons */
	bool gone;    /* not chosen: another rule's candidate stands for the same thing */
	bool pending; /* gone because an open plan is about to do it: limits count it */
	struct action_fields before, after;
	const struct action_step *steps;
	size_t step_count;
	const char *const *kept;
	size_t kept_count;
	const size_t *with; /* candidates that take the same group away */
	size_t with_count;
	const struct provision_wish *wish; /* NULL: not through the provisioning directory */
	/* Asked for by a person (reconcile/bulk.h): the groups of its steps, rows of facts; the
	 * profile that is wanted; a name for what is about no account, and its number there */
	const uint32_t *groups;
	size_t group_count;
	const struct bulk_profile *profile;
	const char *thing;
	uint32_t thing_number;
	uint32_t n; /* in its plan */
};
VEC(vec_candidate, struct candidate);

struct round {
	const struct world *w;
	struct plan_arena *arena;
	struct vec_candidate candidates;
	struct vec_finding findings;
	struct reconcile_counts counts;
	struct vec_u64 inventories; /* accounts (ledger numbers) of which what they own is to be
				       read */
	struct vec_provision_stay stays;
	uint64_t not_ours; /* findings of what others switched off */
	bool *leaving;     /* per account: a person rule says that its owner leaves */
	uint64_t scope_leavers, scope_managed, scope_seats, scope_provision,
		scope_asked; /* subjects that rules can be about */
	bool sources_whole;  /* every source is ready, accepted and undoubted: orphans can be
				told */
};

#define DESIRE_FINDINGS_EACH 100 /* unknown judgements told one by one for each rule */

int desire_all(struct round *r, struct err *err) MUST_USE;
/* Only the seats of one account, by every seat rule: for one judged again. */
int desire_seats(struct round *r, uint32_t account, struct err *err) MUST_USE;
void round_done(struct round *r);

/* Whether the rule acts on the subject: its filter, its pilot, and, where only the first rule
 * acts, those before it. *why (a part of a sentence) where it does not; *outside: but for the
 * pilot it would. */
enum truth desire_truth(const struct world *w, const struct rule *rule, const struct subject *s,
			const char **why, bool *outside);
/* A rule about the person or the account that takes something away holds, within the horizon:
 * nothing is given back to whom it is taken from. One of class inactive counts only where it
 * was what took: else it begins with its warning. */
enum truth desire_leaves(const struct world *w, const struct subject *s);
/* What that judgement rests on. */
void desire_basis(const struct world *w, const struct rule *rule, const struct subject *s,
		  struct basis *ret);

/* Whether an account can be a subject at all: a person's, and no service account. */
bool desire_is_subject(const struct world *w, uint32_t account);
/* Nobody explains it: managed, linked to nobody, in no doubt, its address new to us. */
bool desire_is_orphan(const struct round *r, uint32_t account);
/* Every source is ready, accepted, undoubted, and tells its addresses. */
bool desire_sources_whole(const struct world *w);

/* What rules took from the account and nothing gives back, as the beginning of the reason for
 * giving back the rest: "not given back: ..."; NULL where there is nothing. */
int desire_lost(struct round *r, const struct rule *rule, uint32_t account, const char **ret,
		struct err *err) MUST_USE;

int finding_add(struct round *r, const char *kind, const char *rule, uint64_t person,
		uint64_t account, struct err *err, const char *format, ...) PRINTF(7, 8)
	MUST_USE;

#endif
