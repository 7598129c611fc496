/*
 * When serve does something next: by the clock (cron's five fields in the instance's zone), or
 * so long after the last time. What comes by the clock comes for each source and organisation a
 * little later, by a part of schedule.jitter that is always the same one, so that not all
 * instances of a company ask at the stroke of the hour.
 *
 * Any thread; a struct due belongs to one.
 */
#ifndef BRIDGE_DUE_H
#define BRIDGE_DUE_H

#include "base/cron.h"
#include "bridge/config.h"

struct due {
	struct cron at;          /* zeroed: by how long it is ago */
	const struct zone *zone; /* borrowed */
	int64_t shift_ms;
};

/* own before all, where they are given. what: "sync", "collect", "plan"; name: of the source or
 * organisation. config outlives it not. */
void due_init(struct due *d, const struct config *c, const struct cron *own,
	      const struct cron *all, const char *what, const char *name);
/* STAMP_NEVER: only when asked. every_ms 0: never, unless by the clock. */
int64_t due_next(const struct due *d, int64_t every_ms, int64_t after_ms);

#endif
