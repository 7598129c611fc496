/*
 * Undo: what actions that were done took away is given back, from the states before that their
 * plans hold. No rule is asked: it is a person's order, and what it gives is exempt from
 * limits, but for the seats that there are (guard seats-out). Who was put into groups by order
 * is taken out of them again: that takes, so protections, the guards of groups and the limit of
 * what is asked for hold it as they hold bulk.
 *
 * Newest first, each account and each of its seats is followed back in time: a deed is undone
 * only if it left the state that is there when all later ones are undone. What somebody else
 * changed since stays as it is. The status of an account comes back by one action, whatever
 * number of deeds led to it; each seat by one; groups that a person asked for by one or two;
 * what was handed over goes back after them.
 * Whether the present still is what we left is asked of Atlassian just before acting, as for
 * every action (reconcile/apply.h).
 *
 * Pure, as the rest of reconcile/.
 */
#ifndef RECONCILE_UNDO_H
#define RECONCILE_UNDO_H

#include "reconcile/order.h"

/* An action that was done, as its plan and the journal tell it. Borrowed. */
struct undo_deed {
	uint64_t plan;
	const struct action *action;
	bool *done;    /* by step: whether its effect is there */
	int64_t at_ms; /* when it ended */
};

/* What cannot be given back, and why: findings of this kind, in the round. */
#define UNDO_LEFT "cannot-return"

/* Candidates for what `deeds` (any order) took away, and findings for what stays. The actions'
 * texts are copied. Fault: NOMEM, LIMIT. */
int undo_desire(struct round *round, const struct undo_deed *deeds, size_t n, struct err *err)
	MUST_USE;

#endif
