/* Composing: a plan out of the candidates that stand, with reasons, evidence and values. */
#ifndef RECONCILE_COMPOSE_H
#define RECONCILE_COMPOSE_H

#include "reconcile/order.h"

/* What `leaverd block` adds to the reason; NULL for a round. */
struct compose_block {
	const char *reason, *by;
};

/* The digest of whom a candidate is about, as its action would have it. */
int compose_subject(struct round *r, const struct candidate *c, struct digest *ret,
		    struct err *err) MUST_USE;

/* *ret is NULL where nothing is to be done. *values gets a row an action. */
int compose_plan(struct round *r, bool urgent, const struct compose_block *block,
		 struct plan **ret, struct vec_values *values, struct err *err) MUST_USE;

#endif
