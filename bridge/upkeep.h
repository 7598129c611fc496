/*
 * What the daemon does for its own sake, on a named thread: each hour it keeps an anchor of the
 * audit chain where one is due (bridge/anchors.h), and what is older than the configuration
 * lets it be goes (bridge/prune.h).
 */
#ifndef BRIDGE_UPKEEP_H
#define BRIDGE_UPKEEP_H

#include "bridge/app.h"

struct upkeep;

/* app must outlive it. */
int upkeep_start(struct upkeep **ret, struct app *app, struct err *err) MUST_USE;
void upkeep_stop(struct upkeep *u); /* NULL is fine */

#endif
