/*
 * The hands' part for what only a person asks for (leaverd bulk): membership of groups,
 * profiles, groups as such. As the rest of the hands it reads again, makes the one change of a
 * step, and says whether its effect is there. Used by one applier's thread.
 */
#ifndef BRIDGE_HANDS_ASKED_H
#define BRIDGE_HANDS_ASKED_H

#include "atlassian/collect.h"
#include "base/jx.h"
#include "reconcile/ports.h"

/* Fills the fields that an action of these kinds touches, out of a fresh reading of the
 * account. Other kinds: nothing. values: the plan's row, for profiles. */
int hands_asked_fields(const struct action *action, const struct atl_reading *reading,
		       const json_t *values, struct target_state *ret, struct err *err)
	MUST_USE;

/* Of a group as such: whether it is there; PROVISION_OTHER where it is, and is used. */
int hands_asked_group(struct atl_client *c, const struct action *action,
		      enum provision_state *ret, struct err *err) MUST_USE;

/* Whether a step is one of these, rather than of atlassian/act.h. */
bool hands_asked_is(enum step_op op);
/* As reconcile_target.act and .verify. account: empty for groups as such. */
int hands_asked_act(struct atl_client *c, struct str account, const struct action_step *step,
		    const json_t *values, struct err *err) MUST_USE;
int hands_asked_verify(struct atl_client *c, struct str account, const struct action_step *step,
		       const json_t *values, enum verify *ret, struct err *err) MUST_USE;

#endif
