/*
 * Bulk: what a person asks for, account by account or group by group, becomes candidates of
 * class asked: one plan with guards, limits, approval and read-back like any other.
 *
 * A row names one thing. What is so already makes no action; what cannot be meant (nobody of
 * that name, two of it, the opposite of another row) is a fault of that row. Rows about one
 * account that want the same kind of thing become one action.
 *
 * Values of a change-profile, erasable beside the plan:
 *   "profile":{"held":{"email":"..","name":".."},"wanted":{"email":"..","name":".."}}
 * where an empty text is left as it is. Pure, as the rest of reconcile/.
 */
#ifndef RECONCILE_BULK_H
#define RECONCILE_BULK_H

#include "reconcile/order.h"

enum bulk_op {
	BULK_ACTIVATE,
	BULK_DEACTIVATE,
	BULK_SUSPEND,
	BULK_RESTORE,
	BULK_DELETE,
	BULK_CANCEL_DELETE,
	BULK_REVOKE_TOKENS,
	BULK_FREE_SEAT,
	BULK_ADD_GROUP,
	BULK_REMOVE_GROUP,
	BULK_COPY_GROUPS, /* those of a reference account, without what nobody copies */
	BULK_CHANGE_PROFILE,
	BULK_CREATE_GROUP,
	BULK_DROP_GROUP,
	BULK_OP_COUNT
};

struct bulk_op_row {
	const char *word;
	enum action_kind kind;
	bool status; /* wants a status: one such of an account in one file */
};
extern const struct bulk_op_row bulk_ops[BULK_OP_COUNT];
bool bulk_op_of(struct str word, enum bulk_op *ret);

/* The values of a row. */
enum bulk_cell {
	BULK_OP,
	BULK_WHO,        /* any of the three below */
	BULK_ACCOUNT_ID, /* Atlassian's */
	BULK_EMAIL,
	BULK_PERSON, /* the ledger's number */
	BULK_GROUP,  /* name or id */
	BULK_PRODUCT,
	BULK_SITE,
	BULK_NAME, /* wanted */
	BULK_NEW_EMAIL,
	BULK_DIRECTORY, /* of a group to be made: its id */
	BULK_LIKE,      /* copy-groups: whose, named as BULK_WHO is */
	BULK_CELL_COUNT
};

struct bulk_row {
	enum bulk_op op;
	uint64_t account; /* ledger number of a selected account, 0: as the cells say */
	struct str cells[BULK_CELL_COUNT]; /* empty: not told */
};

enum bulk_status {
	BULK_FAULTY,    /* text says why, cell where */
	BULK_ELSEWHERE, /* nobody of that name in this organisation */
	BULK_ALREADY,
	BULK_PENDING, /* an approved plan is about to do it */
	BULK_PLANNED,
	BULK_HELD, /* planned, and a guard holds it: text says which */
	BULK_STATUS_COUNT
};
const char *bulk_status_word(enum bulk_status status);

/* What became of a row. */
struct bulk_answer {
	enum bulk_status status;
	enum bulk_cell cell;
	uint32_t n;       /* the action of its plan; 0: none */
	const char *text; /* a sentence; in the result's arena, or static; may be NULL */
	size_t candidate; /* for bulk.c */
};

struct bulk_request {
	const struct bulk_row *rows;
	size_t n;
	struct bulk_answer *answers; /* n of them, the caller's, filled */
	bool others; /* other organisations are asked too: ELSEWHERE is no fault */
	bool skip_faulty;
	bool unused_groups; /* besides: drop every group without members that gives nothing */
	bool dry;           /* judge the rows, make no plan */
	const char *reason, *by;
};

/* Counts of answers, by status. */
struct bulk_counts {
	uint64_t v[BULK_STATUS_COUNT];
};
void bulk_count(const struct bulk_request *request, struct bulk_counts *ret);

/* Candidates of all rows; none where a row is faulty, unless those are skipped. */
int bulk_desire(struct round *round, const struct bulk_request *request, struct err *err)
	MUST_USE;
/* Once the plan is made: what became of the candidates. */
void bulk_answer(const struct round *round, const struct bulk_request *request);

/* The candidate of one asked action, to be judged again. *c has kind, class and subject. False:
 * it names a group that is not there any more. */
int bulk_again(struct round *round, const struct action_step *steps, size_t n,
	       struct candidate *c, bool *ret, struct err *err) MUST_USE;

/* The candidate of a rule's step about groups (tag, remove-group, former-groups): its steps and
 * fields. */
int bulk_rule_groups(struct round *round, struct candidate *c, const uint32_t *groups, size_t n,
		     struct err *err) MUST_USE;

/* The group of that id, or FACTS_NONE. */
uint32_t bulk_group_row(const struct facts *f, const char *id);

/* What Atlassian allows for the groups of a candidate. */
int bulk_groups_judge(const struct world *w, const struct candidate *c,
		      struct plan_arena *arena, struct guard_hits *hits, struct err *err)
	MUST_USE;
/* Whether it would take a seat of that product. */
bool bulk_takes_seat(const struct facts *f, const struct candidate *c, uint32_t product);

struct bulk_profile {
	struct str held_email, held_name;
	struct str email, name; /* wanted; empty: left as it is */
};
void bulk_values(const struct candidate *c, struct buf *into);

#endif
