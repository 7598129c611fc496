/*
 * Bounded queues of pointers between threads, with an owner on each side: an item belongs to
 * the sender until queue_put() returns 0, to the queue until queue_get() returns it, then to
 * the receiver. Any number of threads on both sides.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/stamp.h"

struct queue;

enum { QUEUE_TIMEOUT = 1, QUEUE_CLOSED = 2, QUEUE_FULL = 3 };

int queue_new(struct queue **ret, size_t most, struct err *err) MUST_USE;
/* Items still inside are given to drop (may be NULL). No thread may be waiting. */
void queue_free(struct queue *q, void (*drop)(void *item));

/* Waits for room at most wait_ms (0: not at all, answers QUEUE_FULL; -1: for ever). */
int queue_put(struct queue *q, void *item, int64_t wait_ms) MUST_USE;
/* Waits for an item; after queue_close() drains what is left, then answers QUEUE_CLOSED. */
int queue_get(struct queue *q, void **item, int64_t wait_ms) MUST_USE;
/* No more puts (QUEUE_CLOSED); wakes everybody. */
void queue_close(struct queue *q);
size_t queue_count(struct queue *q);
/* An eventfd that is readable while items (or the close) wait; for poll loops. Owned by q. */
int queue_fd(struct queue *q);

#endif
