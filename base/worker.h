/*
 * Named threads with all signals blocked. A worker ends when its function returns;
 * worker_stop() sets a flag and wakes worker_wait()ers, worker_join() waits for the end.
 */
#ifndef BASE_WORKER_H
#define BASE_WORKER_H

#include "base/stamp.h"

struct worker;

typedef void (*worker_fn)(struct worker *self, void *arg);

/* name: at most 15 characters (what top and gdb show). */
int worker_start(struct worker **ret, const char *name, worker_fn fn, void *arg,
		 struct err *err) MUST_USE;
bool worker_stopping(const struct worker *w);
/*
 * Sleeps at most ms, or until worker_wake()/worker_stop(); true when stopping. In builds with
 * the virtual clock never longer than 50 ms: who waits for a time looks whether it has come.
 */
bool worker_wait(struct worker *w, int64_t ms);
void worker_wake(struct worker *w);
void worker_stop(struct worker *w);
/* Stops, joins, frees. NULL is fine. */
void worker_join(struct worker *w);

#endif
