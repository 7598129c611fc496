/*
 * The hands' part that reaches into a provisioning directory: what an action's values say of a
 * record, and the calls that make it so. What is seen goes into the store, so that plans made
 * later start from it. Used by one applier's thread.
 */
#ifndef BRIDGE_HANDS_PROVISION_H
#define BRIDGE_HANDS_PROVISION_H

#include "atlassian/provision.h"
#include "base/jx.h"
#include "bridge/app.h"
#include "model/snapshot.h"

#define HANDS_GROUPS_MOST 256

struct hands_provision {
	struct app *app;
	const struct config_org *org;
	struct atl_client *client;
	json_t *values; /* texts of the deed; owned */
	struct atl_deed deed;
	struct str groups[HANDS_GROUPS_MOST];
};

/* Takes over "provision" of an action's values. Fault: DAMAGED where it does not say what it
 * should, CONFIG where the directory is not the configured one any more. */
int hands_provision_aim(struct hands_provision *h, struct app *app,
			const struct config_org *org, const json_t *values, bool writes,
			struct err *err) MUST_USE;
void hands_provision_done(struct hands_provision *h); /* zeroed is fine */

int hands_provision_state(struct hands_provision *h, enum action_kind kind,
			  enum provision_state *ret, struct err *err) MUST_USE;

/* Whether a step is one of these. */
bool hands_provision_is(enum step_op op);

#endif
