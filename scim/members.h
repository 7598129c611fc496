/*
 * Membership changes: what PUT and PATCH of a group want of its members, gathered op by op into
 * two lists of ids and folded as they come (added, then removed: removed). Ids keep the order
 * in which they were first named. One thread at a time.
 */
#ifndef SCIM_MEMBERS_H
#define SCIM_MEMBERS_H

#include <jansson.h>

#include "scim/backend.h"

struct member_wish;

struct membership {
	bool all;                   /* the list starts empty: all others go */
	struct member_wish *wishes; /* uthash, by id */
	struct str *add, *remove;   /* made by membership_lists() */
};

void membership_done(struct membership *m); /* NULL and twice are fine */

/* Forgets all wishes; what stands there goes. */
void membership_clear(struct membership *m);
/* Copies the id. */
int membership_wish(struct membership *m, struct str id, bool member, struct err *err) MUST_USE;
/* What is wished for id: 1 a member, 0 not, -1 nothing is said (then m->all means not). */
int membership_of(const struct membership *m, struct str id);

/*
 * A "members" value: an array, one object or one id, as validate_value() cleans it. Adds each
 * id (or removes it). self: the group's own id, which may not be its member; its p may be NULL.
 * Fault: INVALID_VALUE (an element without an id; the group itself).
 */
int membership_take(struct membership *m, const json_t *members, bool member, struct str self,
		    struct err *err) MUST_USE;

/* Fills *ret with lists that live as long as m and are not changed meanwhile. */
int membership_lists(struct membership *m, struct scim_members *ret, struct err *err) MUST_USE;

#endif
