/*
 * Secrets whose owner leaves: the key of somebody whose account ends stops working with it, so
 * it is rotated first.
 */
#ifndef BRIDGE_OWNERS_H
#define BRIDGE_OWNERS_H

#include "bridge/app.h"

#define OWNERS_AHEAD_MS (14 * STAMP_DAY_MS)

/*
 * Adds to list each secret whose owner, as `leaverd secret set --owner ADDRESS` named them, has
 * a last day within OWNERS_AHEAD_MS, or behind now_ms: {secret, owner, leaves_ms, todo}. The
 * last day is what a source says of any record with that address: lastWorkingDay, else
 * terminationDate, to the end of the day in UTC; and of a record that ended, when it did.
 * Those whose last day lies ahead are told to whoever may_see; to others it is one row without
 * a name: {secret, owner, leaves_ms: null, sealed: true, todo}.
 */
int owners_leaving(struct app *app, int64_t now_ms, bool may_see, json_t *list, struct err *err)
	MUST_USE;

#endif
