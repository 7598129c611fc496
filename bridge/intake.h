/*
 * What a collection of an organisation brings, and its way into the store: the rows come as
 * atl_collect() tells them, and go to the writer in batches while the next pages are read.
 *
 * A page never waits for the disk, unless INTAKE_UNDER_WAY batches are not stored yet. All of a
 * read counts or nothing: a batch that could not be stored ends the read with its fault, and
 * only intake_end() says that everything is stored; before it the read is not ended with
 * accounts_end(), and what it wrote belongs to no generation that anybody sees.
 *
 * Memory: of the accounts that are to be stored INTAKE_UNDER_WAY + 1 batches (some 200 KiB
 * each); of the whole organisation 28 bytes an account, 8 a membership, and its groups.
 * One thread; the batches run on the writer's.
 */
#ifndef BRIDGE_INTAKE_H
#define BRIDGE_INTAKE_H

#include <stdatomic.h>

#include "atlassian/collect.h"
#include "bridge/app.h"
#include "store/accounts.h"

#define INTAKE_BATCH 200 /* accounts that go to the writer together */
#define INTAKE_ROWS_MOST                                                                       \
	8192 /* seats, roles and memberships of a batch, beyond the last account's */
#define INTAKE_UNDER_WAY 4 /* batches that wait for the writer, or that it works at */

struct intake;

/*
 * Begins a generation (accounts_begin()). kept (may be NULL) is where pages of this read are
 * kept; it and cancel (may be NULL) must outlive it, the organisation's name is its
 * configuration's.
 */
int intake_new(struct intake **ret, struct app *app, int64_t org_id, const char *org,
	       struct atl_kept *kept, const atomic_bool *cancel, struct err *err) MUST_USE;
/* Waits for the batches under way. */
void intake_free(struct intake *in);
OWNED(struct intake, intake_free)

/* Where rows go; also progress and stop. */
struct atl_sink intake_sink(struct intake *in);
/* Hands over what is left, with the groups' members, and waits until all is stored. whole:
 * ATL_PART_* of the result. */
int intake_end(struct intake *in, unsigned whole, struct err *err) MUST_USE;

/* The generation, the intake's own. */
struct org_run *intake_run(struct intake *in);
/* The organisation's id as Atlassian told it; "" before it did. */
const char *intake_identity(const struct intake *in);

#endif
