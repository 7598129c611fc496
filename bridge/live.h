/*
 * What SIGHUP changes while serve runs: the log's level and the schedule, and what is read anew
 * from files that the configuration names (certificates, key sets). All else of the file needs
 * a restart, and a reload says so.
 */
#ifndef BRIDGE_LIVE_H
#define BRIDGE_LIVE_H

#include <stdatomic.h>

#include "bridge/app.h"

/* Read by the threads that keep to them, each time they look at the clock. */
struct live {
	_Atomic int64_t sync_every_ms, collect_every_ms, plan_every_ms;
};

void live_init(struct live *l, const struct config *c);
/* Reads the file again. A file with a fault changes nothing: it is told, and why. On the main
 * thread. */
void live_reload(struct live *l, struct app *app);

#endif
