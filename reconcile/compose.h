/* Composing: a plan out of the candidates that stand, with reasons, evidence and values. */
#ifndef RECONCILE_COMPOSE_H
#define RECONCILE_COMPOSE_H

#include "reconcile/order.h"

/* What a person ordered, without a rule: `leaverd block`, `leaverd undo`, `leaverd bulk`. */
struct compose_order {
	const char *word;  /* stands where a rule's name does: ORDER_BLOCK, ORDER_UNDO, ... */
	const char *begin; /* of the reason: "blocked" */
	const char *reason, *by;
	bool given; /* its candidates come with their steps */
	bool once;  /* what an approved plan is about to do is left to it */
};

/* The digest of whom a candidate is about, as its action would have it. */
int compose_subject(struct round *r, const struct candidate *c, struct digest *ret,
		    struct err *err) MUST_USE;

/* *ret is NULL where nothing is to be done. *values gets a row an action. order: NULL for a
 * round. */
int compose_plan(struct round *r, bool urgent, const struct compose_order *order,
		 struct plan **ret, struct vec_values *values, struct err *err) MUST_USE;

#endif
