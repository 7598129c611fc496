/*
 * The SCIM server's backend over the store: fills scim/backend.h. Reads run on the caller's
 * thread with a connection of their own; writes are handed to the writer, which loads, lets the
 * SCIM room judge, writes record, members and audit entry in one savepoint, and replies after
 * the commit.
 */
#ifndef BRIDGE_KEEPER_H
#define BRIDGE_KEEPER_H

#include "bridge/app.h"
#include "scim/backend.h"

struct keeper;

/* app must outlive it. Sources of the config must have been declared (rounds_declare()). */
int keeper_new(struct keeper **ret, struct app *app, struct err *err) MUST_USE;
void keeper_free(struct keeper *k); /* when no write is under way */
OWNED(struct keeper, keeper_free)

/* Borrowed; lives as long as k. */
const struct scim_backend *keeper_backend(const struct keeper *k);

/* The key of cursors: always the same for one vault. *ret must be empty. */
int keeper_cursor_key(const struct keeper *k, struct secret *ret, struct err *err) MUST_USE;

/* Answers all requests that wait for the keys of an issuer, and lets none wait any more: before
 * the server is drained. NULL is fine. */
void keeper_quiesce(struct keeper *k);
/* Reads what it keeps of others (keys of issuers) again, soon. NULL is fine. */
void keeper_reread(struct keeper *k);

/* Called on the writer's thread after a write that changed something about people: the source's
 * name. One listener, set before the first request. */
void keeper_on_change(struct keeper *k, void (*fn)(void *ctx, const char *source), void *ctx);

#endif
