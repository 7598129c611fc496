/*
 * Wanted against held: what an action changes, step by step, what it was before, and which
 * paths to a seat cannot be taken away and why.
 */
#ifndef RECONCILE_DIFF_H
#define RECONCILE_DIFF_H

#include "reconcile/guard.h"

/* A way by which an account holds a product. */
struct seat_path {
	bool by_group;
	uint32_t row;    /* of the membership's group, or of the role */
	bool removable;  /* by us */
	bool unknown;    /* whether it is removable was not read */
	const char *why; /* not: why not */
};
VEC(vec_seat_path, struct seat_path);

/* Another guard holds a candidate: what it saw. */
int diff_hold(struct round *r, struct candidate *c, enum guard_id guard, const char *saw,
	      struct err *err) MUST_USE;

/* The directory that an account's step is about; none where it is not told. */
int diff_directory(struct round *r, uint32_t account, struct action_step *step, struct err *err)
	MUST_USE;

/* All paths of an account to a product, groups by id, then roles by name. Clears *ret first. */
int diff_paths(const struct facts *f, uint32_t account, uint32_t product,
	       struct vec_seat_path *ret, struct err *err) MUST_USE;

/*
 * Fills before, after, steps, kept and with of every candidate that stands, and adds the guards
 * impossible and unknown where a seat cannot be freed.
 */
int diff_all(struct round *r, struct err *err) MUST_USE;

#endif
