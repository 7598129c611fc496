/*
 * Administrators of an organisation who left: the API keys of the organisation that they made
 * work on without them, and Atlassian tells of no key who made it.
 */
#ifndef BRIDGE_ADMINS_LEFT_H
#define BRIDGE_ADMINS_LEFT_H

#include "bridge/app.h"

#define ADMINS_LEFT_MS (90 * STAMP_DAY_MS) /* so long they are named */

/*
 * Adds {org, account, email, left_ms, todo} for each, from the end of the last engagement on
 * that the most trusted source which knows them tells of, for ADMINS_LEFT_MS. Not before: ends
 * that lie ahead are not for everybody.
 */
int admins_left(struct app *app, int64_t now_ms, json_t *list, struct err *err) MUST_USE;

#endif
