/*
 * Failures of authentication, counted by address: after a burst whoever goes on failing is told
 * to wait. A good token opens all the same (at 256 random bits and with signatures nobody
 * guesses one), so that nobody can lock out a client whose address he shares.
 *
 * Bounded: the addresses that failed last are remembered, IPv6 by their network of 64 bits.
 * Nothing here sleeps, waits or does I/O. Any thread.
 */
#ifndef SCIM_THROTTLE_H
#define SCIM_THROTTLE_H

#include "base/str.h"

#define THROTTLE_BURST 20     /* failures at once */
#define THROTTLE_EACH_MS 3000 /* then one each */
#define THROTTLE_MOST 4096    /* addresses */

struct throttle;

int throttle_new(struct throttle **ret, struct err *err) MUST_USE;
void throttle_free(struct throttle *t);
OWNED(struct throttle, throttle_free)

/* Notes a failure of peer (an address as text; anything else, such as "unix" or NULL, is never
 * slowed). 0: within the burst; else the seconds after which to come again. */
int throttle_fail(struct throttle *t, const char *peer, int64_t mono_ms);
size_t throttle_count(struct throttle *t); /* addresses remembered */

#endif
