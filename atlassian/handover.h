/*
 * Gifts: the steps that give what one account owns to another one, and whether they took
 * effect. Objects that are no longer the giver's are left as they are: somebody was faster.
 * Mail is asked for nowhere (sendBulkNotification: false).
 */
#ifndef ATLASSIAN_HANDOVER_H
#define ATLASSIAN_HANDOVER_H

#include "atlassian/act.h"
#include "atlassian/site.h"

/* Account ids of the step's `from` and `to`. */
struct atl_gift {
	const struct action_step *step;
	struct str from, to;
};

/*
 * Gives. The receiver is asked for first: active on that site, and permitted to be assigned in
 * each project that issues are of. 0: done, or accepted (a bulk change goes on at Atlassian;
 * atl_give_verify() tells), or nothing was left to give. ATL_IMPOSSIBLE: err says why; what
 * could be given was given.
 */
int atl_give(struct atl_site *s, const struct atl_gift *gift, struct err *err) MUST_USE;

/* DONE: none of the objects is the giver's. An object that is gone counts as given. */
int atl_give_verify(struct atl_site *s, const struct atl_gift *gift, enum atl_verified *ret,
		    struct err *err) MUST_USE;

#endif
