/* Deciding about a plan: bridge/verbs_decide.c. */
#ifndef BRIDGE_DECIDE_H
#define BRIDGE_DECIDE_H

#include "bridge/verb.h"

/* The verb approve, for verbs that approve what they made themselves. With "statement": true it
 * answers with what there is to sign, and decides nothing. */
int decide_approve(struct app *app, const struct who *who, const json_t *in, json_t *out,
		   struct err *err) MUST_USE;

#endif
