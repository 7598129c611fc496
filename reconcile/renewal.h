/*
 * Renewal: so many seats of a product are to be free by a date. Which can be, which cannot, and
 * why. Ranked: accounts that nobody explains, seats never used, then those idle longest.
 *
 * Nothing is made quicker for a date: a seat is freed by the rule that frees it anyway, after
 * its waits (a warning's fourteen days, change hours), held by the guards that hold it anyway.
 * Of those that make it, what is due now becomes a plan within what the limits leave.
 */
#ifndef RECONCILE_RENEWAL_H
#define RECONCILE_RENEWAL_H

#include "reconcile/wave.h"

#define RENEWAL_ROWS_MOST 2000 /* looked at one by one */

enum renewal_sort { RENEWAL_ORPHAN, RENEWAL_NEVER, RENEWAL_IDLE };
const char *renewal_sort_word(enum renewal_sort sort);

enum renewal_state {
	RENEWAL_PLANNED,  /* its next step stands in this plan */
	RENEWAL_PENDING,  /* an approved plan is about to do its next step */
	RENEWAL_LATER,    /* makes it, but nothing is due yet */
	RENEWAL_NO_ROOM,  /* the limits leave no room for its step now: not counted on */
	RENEWAL_HELD,     /* a guard holds it */
	RENEWAL_TOO_LATE, /* its waits end after the date */
	RENEWAL_NO_RULE,  /* no rule frees it by then */
	RENEWAL_UNKNOWN,  /* whether a rule frees it is not known */
};
const char *renewal_state_word(enum renewal_state state);
/* Whether it is counted on. */
bool renewal_makes_it(enum renewal_state state);

struct renewal_row {
	uint32_t seat; /* row of facts */
	enum renewal_sort sort;
	enum renewal_state state;
	const struct rule *rule; /* the rule that would free it; NULL */
	int64_t last_ms;         /* of RENEWAL_IDLE: last used */
	int64_t free_ms;         /* when it is free at the earliest; 0: not by any rule */
	const char *why;         /* a sentence, where it does not make it; in the result */
};
VEC(vec_renewal_row, struct renewal_row);

struct renewal {
	size_t free;                 /* in: so many seats */
	struct str product, site;    /* in: site empty: all */
	int64_t by_ms;               /* in */
	struct vec_renewal_row rows; /* out, ranked; vec_renewal_row_done() */
	size_t seats, unknown; /* out: seats of the product, of which so many are not ranked:
				  when they were used is not known */
	size_t in_use;         /* out: not looked at, since enough come before them */
};

/* Fills the rows, and cuts the round to what is due of those that make it. */
int renewal_cut(struct round *r, struct renewal *renewal, struct err *err) MUST_USE;

#endif
