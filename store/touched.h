/*
 * What commits changed, remembered so that what was read can be known to be so still without
 * reading it again: for caches of what is sent.
 *
 * The engine tells of every row that the writing connection changes (driver.watch), so that no
 * statement can be forgotten. Rows fall into slots by a hash; a slot holds the number of the
 * last commit that touched one of its rows. Two rows in one slot make a reader read once more
 * than he must, never less. Memory: half a MiB.
 *
 * Watched are rows of record, by their number and by the user name that they have now, and
 * memberships, by the member; and whether any group was renamed or deleted.
 */
#ifndef STORE_TOUCHED_H
#define STORE_TOUCHED_H

#include "store/db.h"

struct touched;

/* What was read of one record, and when: plain data. All zeroed: nothing is known. */
struct store_seen {
	bool known;
	int64_t commit;    /* what the reading connection showed */
	uint64_t record;   /* its number; 0: no record */
	uint64_t name;     /* touched_name() of the user name asked for; 0: none was */
	bool names_groups; /* what was read holds names of groups */
};

/* Begins to watch the writing connection. *ret is NULL where its engine does not tell. */
int touched_new(struct touched **ret, struct db *writer, struct err *err) MUST_USE;
void touched_free(struct touched *t); /* after the connection was closed */
OWNED(struct touched, touched_free)

/* folded: as table record keeps user names. Never 0. */
uint64_t touched_name(struct str folded);

/* On the writer, after a COMMIT and before commits is counted up: what this transaction touched
 * is that of a later commit than any reader has whose transaction began before it. */
void touched_commit(struct touched *t, int64_t commits);
/* Whether nothing of it was touched since. Any thread. */
bool touched_still(const struct touched *t, const struct store_seen *seen);

#endif
