/*
 * What people (and the policy) decided about one plan, read once and then asked for each of its
 * actions: an approval names the digest of the plan's bytes, actions, and the guards that it
 * releases.
 *
 * A guard that holds one action is released for the actions that the same approval names, and
 * for no other; one that holds the whole plan by a release of the plan, or for the actions of
 * an approval that names it. Nothing is released beyond the plan whose digest was decided on.
 *
 * Used by one thread. Plan and its texts outlive it.
 */
#ifndef BRIDGE_APPROVALS_H
#define BRIDGE_APPROVALS_H

#include "reconcile/ports.h"
#include "store/plans.h"

struct approvals;

int approvals_new(struct approvals **ret, const struct plan *plan, const struct digest *digest,
		  struct err *err) MUST_USE;
void approvals_free(struct approvals *a);
OWNED(struct approvals, approvals_free)

/* One decision more, in their order: a decision_fn whose ctx is the struct approvals. Fault:
 * NOMEM. */
int approvals_add(void *ctx, const struct decision *d, struct err *err) MUST_USE;

/* Whether any approval names the action. Cheap: asked of thousands that nobody approved. */
bool approvals_name(const struct approvals *a, const struct action *action);

/*
 * What they say about one action; false where none names it. *ret borrows: what it lists lives
 * until the next call. Of an approval of other bytes it has their digest, for the applier to
 * refuse.
 */
bool approvals_of(struct approvals *a, const struct action *action, struct apply_approval *ret);

/* Whether every guard that holds the action is released by it. */
bool approvals_cover(const struct apply_approval *approval, const struct action *action);
/* The first guard that is not; NULL if it covers. */
const char *approvals_lack(const struct apply_approval *approval, const struct action *action);

#endif
