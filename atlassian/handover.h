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

/* What a gift left where it was: arrays of ids. */
struct atl_left {
	json_t *refused; /* Atlassian does not let the receiver have them */
	json_t *unseen;  /* not shown to our credential: gone, or hidden from it */
};
/* Frees both arrays. */
void atl_left_done(struct atl_left *l);

/*
 * Gives. The receiver is asked for first: active on that site, and permitted to be assigned in
 * each project that issues are of; those of projects that are closed to them are left. 0: done,
 * or accepted (a bulk change goes on at Atlassian; atl_give_verify() tells), or somebody else
 * has it all. ATL_IMPOSSIBLE: err says why, *left which; what could be given was given. Fault:
 * as atl_call(); FORBIDDEN where our own credential lacks the right to give such things, which
 * err names: whoever receives is not the reason, and nobody else is to be tried. *left is
 * zeroed by the caller, who calls atl_left_done(), whatever comes back.
 */
int atl_give(struct atl_site *s, const struct atl_gift *gift, struct atl_left *left,
	     struct err *err) MUST_USE;

/* DONE: none of the objects that are shown to us is the giver's; those that still are, are in
 * left->refused. Those that are not shown are in left->unseen: of them nothing is known. */
int atl_give_verify(struct atl_site *s, const struct atl_gift *gift, struct atl_left *left,
		    enum atl_verified *ret, struct err *err) MUST_USE;

#endif
