/*
 * The writer: the one thread that writes. Requests are parked in a bounded queue; it takes what
 * is there, runs each in a savepoint of its own inside one BEGIN IMMEDIATE, commits once, and
 * only then replies. So a reply means: durable. The signed head of the audit chain follows,
 * within 100 ms. A request that faults undoes itself and nobody else; a commit that fails
 * answers UNAVAILABLE to all of its batch.
 *
 * The contract of a request: fn reads and writes through db, does no other I/O and takes
 * milliseconds. It may be run once only. done is called on the writer's thread, exactly once,
 * after the commit or with a fault, and must not block (it resumes a connection, posts to an
 * inbox).
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "store/store.h"

#define WRITER_QUEUE_MOST 1024 /* parked requests; above, submit answers BUSY */
#define WRITER_BATCH_MOST 256  /* requests in one commit */
#define WRITER_BATCH_MS 100    /* a batch takes no new request after that long */

struct writer;

/* Below zero a fault told in *err, which undoes what it wrote; 0 or above is kept. */
typedef int (*writer_fn)(void *ctx, struct db *db, struct err *err);
/* r is what fn returned, or the fault of the commit; err tells it when below zero. */
typedef void (*writer_done)(void *ctx, int r, const struct err *err);

int writer_start(struct store *store, struct writer **ret, struct err *err) MUST_USE;
/* Takes no more, finishes what is parked, replies to all, ends the thread, frees. */
void writer_stop(struct writer *writer);
OWNED(struct writer, writer_stop)

/*
 * Parks a request; ctx belongs to the writer until done(ctx) is called. Fault: BUSY when the
 * queue is full, UNAVAILABLE when stopping, NOMEM; done is not called then.
 */
int writer_submit(struct writer *writer, writer_fn fn, writer_done done, void *ctx,
		  struct err *err) MUST_USE;
/* As writer_submit(), but waits for room in the queue: for threads that may block. */
int writer_park(struct writer *writer, writer_fn fn, writer_done done, void *ctx,
		struct err *err) MUST_USE;
/* Parks and waits: for threads that may block (not http handlers, never the writer itself).
 * Returns what fn returned, durable. Waits for room in the queue. */
int writer_call(struct writer *writer, writer_fn fn, void *ctx, struct err *err) MUST_USE;

/* Called on the writer's thread after each commit that changed something: to wake a planner,
 * to resend a page. One listener; before any request. */
void writer_on_commit(struct writer *writer, void (*fn)(void *ctx, int64_t change), void *ctx);

struct writer_stats {
	int64_t commits, requests, failed_commits, largest_batch;
};
void writer_stats(struct writer *writer, struct writer_stats *ret);

#endif
