/*
 * Boundaries of tiers (`billing:` of an organisation that is bought by the year): which product
 * is about to cross one, and which fell below one and so costs less from the next renewal on.
 */
#ifndef BRIDGE_BOUNDARIES_H
#define BRIDGE_BOUNDARIES_H

#include "bridge/app.h"

#define BOUNDARIES_NEAR 2  /* so few seats before the next tier are told of */
#define BOUNDARIES_DAYS 60 /* so far back the highest count is looked for */

/* key: its own until the next renewal. Texts without names of people. */
typedef int (*boundaries_fn)(void *ctx, const char *key, const char *title, const char *line,
			     struct err *err);
/* By the newest day on which the organisation was read whole. */
int boundaries_look(struct app *app, const struct config_org *org, int64_t now_ms,
		    boundaries_fn fn, void *ctx, struct err *err) MUST_USE;

#endif
