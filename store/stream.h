/*
 * Writes that one thread hands over without waiting for each, so that it reads on while they
 * are stored. They run in the order in which they came; after one that failed, or whose commit
 * did, none is run any more, and whoever hands over hears that fault. What was handed over is
 * stored for certain only when stream_end() answered 0.
 *
 * Bounded: at most `most` are under way, stream_put() waits for one to end. One thread hands
 * over; the writer's thread works them off.
 */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store/writer.h"

struct stream;

/* writer must outlive it. most: 1 or more. */
int stream_new(struct stream **ret, struct writer *writer, unsigned most, struct err *err)
	MUST_USE;
/*
 * ctx is the stream's from here on, whatever is answered, until drop(ctx), which runs on either
 * thread, after the commit or without one. Faults: that of an earlier write; those of
 * writer_park(). fn's answers above zero are lost.
 */
int stream_put(struct stream *s, writer_fn fn, void (*drop)(void *ctx), void *ctx,
	       struct err *err) MUST_USE;
/* Waits for all that were handed over. Fault: of the first that was not stored. More may be put
 * after it. */
int stream_end(struct stream *s, struct err *err) MUST_USE;
/* Waits as well, and tells nothing. */
void stream_free(struct stream *s);
OWNED(struct stream, stream_free)

#endif
