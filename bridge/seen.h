/*
 * Up to which change of people an organisation's rounds have looked: what came in before the
 * daemon ended, and was still waiting to settle, is told from what was judged already.
 */
#ifndef BRIDGE_SEEN_H
#define BRIDGE_SEEN_H

#include "bridge/app.h"

/* The newest change to any record of any source, as it is now; 0: there is none. */
int seen_newest(struct app *app, int64_t *ret, struct err *err) MUST_USE;

/* A round that began at that change was made; nothing is written where that was known. */
int seen_keep(struct app *app, const char *org, int64_t change, struct err *err) MUST_USE;

/* The change at which the organisation's last round began. STORE_NOT_FOUND: it had none. */
int seen_last(struct app *app, const char *org, int64_t *ret, struct err *err) MUST_USE;

#endif
