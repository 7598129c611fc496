/*
 * The guard limit-run-time: a routine plan that is applied for longer than limits.run_time at a
 * stretch is held, for something is wrong: Atlassian, the network, or the plan. It stands in
 * the store, so that a restart does not lift it; a release of the plan does, and begins the
 * time anew. What nobody released within a day ends, and the next round plans it afresh. Urgent
 * plans are not held by it: nobody's block waits for a clock.
 */
#ifndef BRIDGE_RUN_TIME_H
#define BRIDGE_RUN_TIME_H

#include "base/jx.h"
#include "bridge/app.h"
#include "bridge/approvals.h"

#define RUN_TIME_GUARD "limit-run-time"

enum run_time {
	RUN_TIME_GOES,
	RUN_TIME_HOLDS,
	RUN_TIME_ENDS, /* held, and nobody released it in time: what is left of it is over */
};

/* began_ms: of the run; 0: it has not begun. Holds the plan where it went on too long, and
 * lifts what was released. Writes through the app's writer. */
int run_time_judge(struct app *app, const char *org, uint64_t plan, int64_t began_ms,
		   const struct approvals *approvals, enum run_time *ret, struct err *err)
	MUST_USE;

/* Adds the guard to the guards of a plan's answer where it holds. */
int run_time_show(struct db *db, const char *org, uint64_t plan, json_t *guards,
		  struct err *err) MUST_USE;

#endif
