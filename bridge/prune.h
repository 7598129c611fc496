/*
 * Retention as the configuration says (`retention:`): what is older goes, in short steps of the
 * writer between everybody else's, and is looked at each hour by the daemon.
 *
 * The audit chain is cut at most once a day, only where it verifies as it stands, only what a
 * log server that is configured has taken, and only after an anchor was kept in each place of
 * `anchors:`.
 */
#ifndef BRIDGE_PRUNE_H
#define BRIDGE_PRUNE_H

#include <stdatomic.h>

#include "bridge/app.h"

/* What goes now. Ends between two steps once *stop (may be NULL) is true. The fault of one kind
 * does not keep the others: each is logged, the first returned. */
int prune_run(struct app *app, const atomic_bool *stop, struct err *err) MUST_USE;

/* How long a kind stays (0: for ever) and how many rows would go now, "audit" too. Counts at
 * most PRUNE_COUNT_MOST. ret->kind is static, and NULL after the last. */
#define PRUNE_COUNT_MOST 100000
struct prune_due {
	const char *kind;
	int64_t keep_ms, rows;
};
int prune_due(struct app *app, size_t i, struct prune_due *ret, struct err *err) MUST_USE;

#endif
