/*
 * Gifts: the hands' part that works on sites. Ledger numbers of a step become account ids here,
 * and what was seen to be somebody else's leaves the giver's inventory.
 */
#ifndef BRIDGE_HANDS_GIFT_H
#define BRIDGE_HANDS_GIFT_H

#include "bridge/app.h"
#include "reconcile/ports.h"

bool hands_gift_is(enum step_op op);
/* As reconcile_target.act. writes: false refuses everything (mode observe). What Atlassian did
 * not let the receiver have, and what it did not show us, is kept in the store: the next plan
 * tries whoever comes next, and takes for given only what was seen to be. */
int hands_gift_act(struct app *app, const struct config_org *org,
		   const struct action_step *step, bool writes, struct err *err) MUST_USE;
/* As reconcile_target.verify; a fault (NOT_FOUND) where some of it is not shown to us. */
int hands_gift_verify(struct app *app, const struct config_org *org,
		      const struct action_step *step, enum verify *ret, struct err *err)
	MUST_USE;
/* {"from":17,"items":[...],"site":"...","to":4}: what a journal line keeps, and an undo needs.
 */
void hands_gift_args(const struct action_step *step, struct buf *into);

#endif
