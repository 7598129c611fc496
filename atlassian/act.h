/*
 * Steps of plans as calls to Atlassian: a table of step_op to the call that does it and the
 * question that verifies it. In mode observe every step is REFUSED before anything is sent.
 */
#ifndef ATLASSIAN_ACT_H
#define ATLASSIAN_ACT_H

#include "atlassian/collect.h"
#include "model/plan.h"

enum { ATL_IMPOSSIBLE = 4 };

/*
 * Does one step to one account. 0: done, or it was so already. ATL_IMPOSSIBLE: may not be done
 * to this account, err says why (an external directory owns it, a synced group, a licence limit
 * when giving back, ...); nothing was changed and nothing stronger was tried. A fault does not
 * mean that nothing happened. STEP_REVOKE_TOKEN revokes one token after the other until none is
 * left. STEP_NOTIFY is not ours: INTERNAL.
 */
int atl_act(struct atl_client *c, struct str account, const struct action_step *step,
	    bool urgent, struct err *err) MUST_USE;

enum atl_verified { ATL_VERIFY_UNKNOWN, ATL_VERIFY_DONE, ATL_VERIFY_NOT_DONE };
/* Whether the step's effect is there now. Answer: ATL_GONE (no such account). */
int atl_verify(struct atl_client *c, struct str account, const struct action_step *step,
	       enum atl_verified *ret, struct err *err) MUST_USE;

#endif
