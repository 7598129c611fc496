/*
 * Ends that lie ahead are sealed: who is to leave, and when, is shown to role hr-confidential
 * alone. That role is a token's (`leaverd token new NAME --role hr-confidential`): a request
 * that brings one may see.
 */
#ifndef BRIDGE_SEALED_H
#define BRIDGE_SEALED_H

#include "base/jx.h"
#include "bridge/app.h"
#include "model/query.h"
#include "store/plans.h"

/* Whether the request's "token" (may be missing: then no) opens what is sealed. Fault:
 * UNAUTHORIZED for a token that opens nothing, FORBIDDEN for one of another role. */
int sealed_may_see(struct app *app, const json_t *in, bool *ret, struct err *err) MUST_USE;

/* An employment extension (may be NULL) with a last day or a termination after now. A date
 * counts as ahead until the day is over everywhere. */
bool sealed_ends(const json_t *employment, int64_t now_ms);

/* Refuses a filter (may be NULL) that asks for employment: whoever may not see an end must not
 * find it out by asking for it either. */
int sealed_filter(struct query *query, struct err *err) MUST_USE;

/* A row of a plan's answer about a leaver whose end lies ahead. */
bool sealed_row(const json_t *row, int64_t now_ms);

/* A step about a leaver that is not due yet, and was not begun: also one that another plan took
 * over, or that was skipped. */
bool sealed_action(const struct action_row *a, int64_t now_ms);

/* Rows of a plan's answer (actions, or changes since) about a leaver whose end lies ahead: who
 * it is and why become null, and "sealed": true is put in. *ret counts them. */
int sealed_rows(json_t *rows, int64_t now_ms, size_t *ret, struct err *err) MUST_USE;
/* The same for an answer of planner_show(), with "since": adds "sealed", how many actions. */
int sealed_plan(json_t *plan, int64_t now_ms, struct err *err) MUST_USE;

#endif
