/*
 * What people (and the policy) decided about one plan, read once and then asked for each of its
 * actions: an approval names the digest of the plan's bytes, actions, and the guards that it
 * releases.
 *
 * A guard that holds one action is released for the actions that the same approval names, and
 * for no other; one that holds the whole plan by a release of the plan, or for the actions of
 * an approval that names it. Nothing is released beyond the plan whose digest was decided on.
 *
 * Who counts. A signed decision is a person's: its signature is verified here, against the key
 * that was enrolled and not retired since, and the statement must say what the row says. One
 * that is not signed is somebody's at this machine: all of them together are one, never the
 * second person, and none where signatures are required (but for `leaverd block`, which cannot
 * wait). Where two are needed both are signed; or, in a shop with one administrator
 * (approvals.single_admin), one word stands for both from a later time on.
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

/* From now on nothing counts that is not signed. Before the first question. */
void approvals_signed_only(struct approvals *a);
/*
 * From now on one word that was given for two stands for them (approvals.single_admin), at the
 * earliest delay_ms after it was signed; without this, what a row says of it says nothing. Of a
 * signed word its statement must say so, too (the count that was typed). Before the first
 * question.
 */
void approvals_single_admin(struct approvals *a, int64_t delay_ms);

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

/* Whether as many people as it takes approved the action and released what holds it, so that it
 * may be offered to the applier (also to refuse what was approved as other bytes). */
bool approvals_enough(const struct approvals *a, const struct apply_approval *approval,
		      const struct action *action);

/* Before this time the action does not start: one administrator's word stands for two from then
 * on. 0: nothing of the kind. */
int64_t approvals_wait_ms(const struct approvals *a, const struct action *action);

/* The same for the action and all that go with it: one group is taken for all of them at once,
 * so the first waits for the last. */
int64_t approvals_wait_all_ms(const struct approvals *a, const struct action *action);

/* When that guard of the whole plan was released last, by whose word counts; 0: never. */
int64_t approvals_released_ms(const struct approvals *a, const char *guard);

/* Whether every guard that holds the action, or the whole plan, is released by it: until then
 * the action keeps its place, and what is missing can still be said. */
bool approvals_cover(const struct approvals *a, const struct apply_approval *approval,
		     const struct action *action);
/* The first guard that is not; NULL if it covers. */
const char *approvals_lack(const struct approvals *a, const struct apply_approval *approval,
			   const struct action *action);

#endif
