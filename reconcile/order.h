/*
 * Which candidates stand, and in which order: one action for one thing, whichever rule states
 * it best; urgency of the class, then the policy's order, then ledger numbers.
 */
#ifndef RECONCILE_ORDER_H
#define RECONCILE_ORDER_H

#include "reconcile/guard.h"

/*
 * Where several rules want the same of the same account or seat, one stands: what nothing holds
 * before what is held, then the more urgent class, the earlier time, the order of rules. The
 * others are marked gone.
 */
int order_choose(struct round *r, struct err *err) MUST_USE;

/* Marks gone what an approved action of another plan is about to do already. */
void order_pending(struct round *r);

/* Candidates of one plan in its order: *ret (new) holds *count indexes. Numbers them from 1. */
int order_plan(struct round *r, bool urgent, size_t **ret, size_t *count, struct err *err)
	MUST_USE;

#endif
