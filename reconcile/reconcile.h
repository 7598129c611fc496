/*
 * The one door: facts and policy in, at most two plans out, with the links that were made, the
 * doubts that people must settle, and findings. Pure: no clock, no chance; the same rows, in
 * any order, make the same bytes.
 *
 * Unknown never acts: a rule that is unknown about somebody makes a finding, never an action.
 */
#ifndef RECONCILE_RECONCILE_H
#define RECONCILE_RECONCILE_H

#include "model/plan.h"
#include "model/snapshot.h"
#include "reconcile/policy.h"

/* A record or an account that belongs to a person, newly found. Texts are borrowed from facts.
 */
struct match_link {
	bool account;      /* an account; else a record */
	uint32_t row;      /* of the account or the record in facts */
	struct str source; /* record: its source */
	struct str key;    /* record: its key; account: the accountId */
	uint64_t person;
	bool new_person; /* number taken from round.next_person on */
	struct str rule; /* "first-seen", "person-id", "employee-number", "email", or the name
			    of the policy's match rule */
	bool adopted;    /* account: the rule is approved */
};
VEC(vec_match_link, struct match_link);

/* Two that may be one, or one that may be two: both are shown side by side. */
struct match_doubt {
	bool a_account, b_account;
	uint32_t a_row, b_row; /* records or accounts of facts; b_row may be FACTS_NONE */
	const char *kind;      /* "shared-address", "former-address", "two-accounts",
				  "two-persons", "person-id-clash", "number-clash",
				  "shared-number", "shared-person-id",
				  "shared-external-id" */
	const char *text;      /* a sentence without personal values */
};
VEC(vec_match_doubt, struct match_doubt);

/* Something worth knowing that is no action. */
struct finding {
	const char *kind;         /* "unknown", "sources-disagree", "not-heard-of", "returned",
				     "impossible", "leave-date-unreadable", "placeholder",
				     "end-date-not-believed" */
	const char *rule;         /* or NULL */
	uint64_t person, account; /* ledger numbers or 0 */
	const char *text;         /* a sentence without personal values */
};
VEC(vec_finding, struct finding);

/* Somebody is in a group of the provisioning directory whose filter holds no more, or again: to
 * be remembered. Texts are borrowed from facts and policy. */
struct provision_stay {
	uint64_t person;        /* ledger number */
	struct str user, group; /* ids of record and group */
	const char *name;       /* of the group */
	int64_t ceased_ms;      /* first seen not to hold; 0: it holds again, forget that */
	int64_t ends_ms;        /* its overlap; 0 */
	bool news;              /* the facts do not have it so */
};
VEC(vec_provision_stay, struct provision_stay);

struct reconcile_counts {
	uint64_t records, persons, accounts, linked, adopted, orphans, seats;
	uint64_t true_rules, unknown_rules; /* judgements, over all subjects */
	uint64_t later;                     /* steps due after the plan's horizon */
	uint64_t pending;                   /* actions that an approved plan already holds */
};

struct reconcile_result {
	struct plan_arena arena;                      /* texts of doubts and findings */
	struct plan *plans[PLAN_URGENCY_COUNT];       /* NULL where nothing is to be done */
	struct vec_values values[PLAN_URGENCY_COUNT]; /* by action, same order */
	struct vec_match_link links;
	struct vec_match_doubt doubts;
	struct vec_finding findings;
	struct vec_u64 inventories; /* accounts of leavers of which what they own is to be read:
				       ledger numbers, ascending */
	struct vec_provision_stay stays; /* where groups have an overlap: by person */
	struct vec_guard guards; /* what is doubted this round, also where no plan came of it */
	struct reconcile_counts counts;
};

/*
 * facts must be sealed and built on policy->columns; both outlive *ret. Fault: NOMEM, LIMIT,
 * INTERNAL (columns differ).
 */
int reconcile(const struct facts *facts, const struct policy *policy,
	      struct reconcile_result **ret, struct err *err) MUST_USE;
void reconcile_result_free(struct reconcile_result *r);
OWNED(struct reconcile_result, reconcile_result_free)

/* --- one action, judged again just before it is done ----------------------------------------
 */

enum judge_verdict {
	JUDGE_UNKNOWN,    /* something it rests on is unknown now: skip and report */
	JUDGE_WANTED,     /* the rule holds for this subject, and the step is due */
	JUDGE_NOT_WANTED, /* it does not hold any more */
	JUDGE_HELD,       /* it holds, and guards hold the action: see .guards */
	JUDGE_LATER,      /* it holds, but something comes before it: ask again */
};

#define JUDGE_MAX_GUARDS 48 /* more than there are */

struct judgement {
	enum judge_verdict verdict;
	const char *guards[JUDGE_MAX_GUARDS]; /* names of those that hold, static texts */
	/* It is not what the plan said of that guard: another protection, say. What was
	 * released then does not release it. */
	bool fresh[JUDGE_MAX_GUARDS];
	size_t guard_count;
	char text[ERR_TEXT_BYTES]; /* why, for the report */
};

/* What says which action it is. */
struct action_identity {
	enum action_kind kind;
	const char *rule;           /* or ORDER_x */
	uint64_t person, account;   /* ledger numbers */
	const char *product, *site; /* or NULL */
	int64_t due_ms;
	/* What held it when it was planned, and what each guard saw: as in struct action. */
	const char *const *held_by, *const *says;
	size_t held_count;
	/* Of provisioning: what is wanted must be what was planned. NULL: not compared */
	const struct digest *subject;
	bool beside; /* of provisioning: judge addresses, seats and the day's limit, too; takes
			the whole round's facts */
	/* Of what was asked for by leaverd bulk: the groups that it is about, and the actions
	 * that take a group away together with it. */
	const struct action_step *steps;
	size_t step_count;
	const struct identity_seat {
		const char *product, *site; /* NULL: no seat */
	} * with;
	size_t with_count;
};

/*
 * facts may be the whole round's or just those of this person and the organisation's few rows
 * (sources, groups, products, protections; then round.org_admins tells how many administrators
 * there are). An orphan takes the whole round's. Limits are not judged here. Fault: NOMEM,
 * INTERNAL.
 */
int reconcile_judge(const struct facts *facts, const struct policy *policy,
		    const struct action_identity *action, struct judgement *ret,
		    struct err *err) MUST_USE;

/* --- leaverd block WHO ----------------------------------------------------------------------
 */

struct block_request {
	uint64_t person;    /* or 0 */
	uint64_t account;   /* ledger number; 0: every account of the person */
	const char *reason; /* as the caller gave it; no personal values */
	const char *by;     /* who asks: role or ledger name, stands in the reason */
};

/*
 * The urgent plan that suspends and revokes tokens, now. Never held by limits or change hours;
 * an admin needs two persons; the last admin is held. Fault: REFUSED in mode observe (with the
 * sentence to show), NOT_FOUND, NOMEM.
 */
int reconcile_block(const struct facts *facts, const struct policy *policy,
		    const struct block_request *request, struct reconcile_result **ret,
		    struct err *err) MUST_USE;

/* --- leaverd undo ---------------------------------------------------------------------------
 */

struct undo_deed; /* reconcile/undo.h */

struct undo_request {
	const struct undo_deed *deeds; /* of this organisation, in any order */
	size_t n;
	const char *reason; /* as the caller gave it; no personal values */
	const char *by;
};

/*
 * The urgent plan that gives back what those actions took (class restore), for one approver,
 * held by no limit on what is taken and by no protection; NULL in the result where nothing
 * comes back. Findings of kind UNDO_LEFT say what does not, and why. Fault: NOMEM, LIMIT.
 */
int reconcile_undo(const struct facts *facts, const struct policy *policy,
		   const struct undo_request *request, struct reconcile_result **ret,
		   struct err *err) MUST_USE;

/* --- leaverd bulk ---------------------------------------------------------------------------
 */

struct bulk_request; /* reconcile/bulk.h */

/*
 * The routine plan of what a person asked for (class asked), held like any other by guards and
 * by a limit of its own; NULL in the result where nothing is to be done, or where a row is
 * faulty and faulty ones are not to be skipped. What became of each row stands in the request's
 * answers, whose texts are the result's. Fault: NOMEM, LIMIT.
 */
int reconcile_bulk(const struct facts *facts, const struct policy *policy,
		   const struct bulk_request *request, struct reconcile_result **ret,
		   struct err *err) MUST_USE;

/* --- leaverd plan --wave, --free -----------------------------------------------------------
 */

struct wave_request; /* reconcile/wave.h */
struct wave_answer;
struct renewal; /* reconcile/renewal.h */

/* A round of which only a wave is planned; what no wave is cut from has no plan. answers: one
 * an urgency. Fault: NOMEM, LIMIT, INTERNAL. */
int reconcile_wave(const struct facts *facts, const struct policy *policy,
		   const struct wave_request *request, struct wave_answer *answers,
		   struct reconcile_result **ret, struct err *err) MUST_USE;

/* Seats of a product that can be free by a date, ranked, and the plan that begins with them. */
int reconcile_renewal(const struct facts *facts, const struct policy *policy,
		      struct renewal *renewal, struct reconcile_result **ret, struct err *err)
	MUST_USE;

#endif
