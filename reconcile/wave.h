/*
 * Waves: a part of what the rules want, surest first, within what the limits leave now.
 *
 * A plan over a limit is held whole; nothing is cut by itself. A person may ask for a wave of
 * it instead. Subjects (a person, or an account without one) stand in the order of their
 * surest action: the class as in plans (leavers, absence, inactive, orphans); stated before
 * concluded from silence; HR before directory, identity provider and what Atlassian alone
 * tells; what has stood longest; ledger number. What a guard holds is in no wave. A subject is
 * taken with all of its actions or not at all, and one that no limit has room for is passed by.
 */
#ifndef RECONCILE_WAVE_H
#define RECONCILE_WAVE_H

#include "reconcile/guard.h"

/* Only what is about these: an account's seat of a product, or the account as such. */
struct wave_pick {
	uint32_t account, product; /* rows of facts; product FACTS_NONE: the account */
};

struct wave_request {
	size_t most; /* subjects, of each urgency */
	/* NULL: whoever the rules name, and no wave where all of it fits in one. */
	const struct wave_pick *picks; /* by account, then product */
	size_t pick_count;
};

struct wave_answer {
	size_t taken, left; /* subjects */
	size_t no_room;     /* of left: because of a limit */
	size_t held;        /* actions that guards hold */
};

/* After guards and paths were judged: marks gone whatever is not in the wave. */
int wave_cut(struct round *r, const struct wave_request *request,
	     struct wave_answer ret[PLAN_URGENCY_COUNT], struct err *err) MUST_USE;

#endif
