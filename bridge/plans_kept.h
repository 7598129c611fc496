/*
 * Plans that were read lately, for who reads them again: a command that shows a plan, and the
 * next one that finds it unchanged. The stored bytes are read and digested each time; what is
 * kept is only what they mean. So a byte that changed in the store is seen as ever.
 *
 * Whoever takes one has it alone, and gives it back. Any thread.
 */
#ifndef BRIDGE_PLANS_KEPT_H
#define BRIDGE_PLANS_KEPT_H

#include "base/digest.h"
#include "model/plan.h"

#define PLANS_KEPT_MOST 4        /* of one organisation: two, and what each is compared with */
#define PLANS_KEPT_ACTIONS 20000 /* of all of them: some 20 MiB */

struct plans_kept;

int plans_kept_new(struct plans_kept **ret, struct err *err) MUST_USE;
void plans_kept_free(struct plans_kept *k);

/* The plan whose bytes have that digest, now the caller's; NULL: it is not kept. */
struct plan *plans_kept_take(struct plans_kept *k, const struct digest *digest);

/* plan (NULL is fine) becomes the keep's, which frees it where it has no room. It is as it was
 * read. k may be NULL: then it is freed. */
void plans_kept_give(struct plans_kept *k, const struct digest *digest, struct plan *plan);

#endif
