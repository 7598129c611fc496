/* A part of what a round would plan, because a person asks for it: `leaverd plan --wave`, and
 * `leaverd plan --free`. Under the gate of planning, like a round. */
#ifndef BRIDGE_WAVES_H
#define BRIDGE_WAVES_H

#include "base/jx.h"
#include "bridge/app.h"

/*
 * A wave of at most so many subjects of each urgency (reconcile/wave.h). out gets "waves":
 * [{urgency, plan, actions, taken, left, no_room, held, waves_left}]; plan null where none was
 * cut. Fault: INCOMPLETE where people are still being matched.
 */
int waves_plan(struct app *app, const struct config_org *org, size_t most, const char *who,
	       json_t *out, struct err *err) MUST_USE;

struct waves_renewal {
	size_t free;
	const char *product, *site; /* site NULL: of every site */
	int64_t by_ms;
};

/*
 * Which seats can be free by a date (reconcile/renewal.h). out gets "renewal": {product, free,
 * by, seats, unknown, in_use, makes, rows: [{rank, sort, state, makes, email, account,
 * account_id, product, site, last_active, rule, free_at, why}], plan}. Fault: INCOMPLETE.
 */
int waves_renew(struct app *app, const struct config_org *org, const struct waves_renewal *in,
		const char *who, json_t *out, struct err *err) MUST_USE;

#endif
