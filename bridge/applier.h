/*
 * Applying approved plans of one organisation: fills reconcile/ports.h from the store (journal,
 * approvals, judgement) and from atlassian (bridge/hands.h), and lets reconcile/apply run.
 *
 * One applier per organisation: a struct applier belongs to one thread. Urgent plans come
 * before routine ones, looked at again between any two actions.
 */
#ifndef BRIDGE_APPLIER_H
#define BRIDGE_APPLIER_H

#include <stdatomic.h>

#include "bridge/app.h"
#include "reconcile/apply.h"

struct applier;

/* stop: the process ends or the lease is lost; looked at between two actions. May be NULL. */
int applier_new(struct applier **ret, struct app *app, const struct config_org *org,
		const atomic_bool *stop, struct err *err) MUST_USE;
void applier_free(struct applier *a);
OWNED(struct applier, applier_free)

/*
 * Runs what may run now: 0 when nothing is left to do now, APPLY_STOPPED after a pause or stop.
 * *counts is added to. *again_ms (wall) is when something is to be tried again, 0: nothing
 * waits. Fault: of the journal or the store; nothing may be done before the next call, which
 * reads everything anew.
 */
int applier_run(struct applier *a, struct apply_counts *counts, int64_t *again_ms,
		struct err *err) MUST_USE;

/* Ends runs that a crash left open. Once, before the first applier_run() of a process. */
int applier_recover(struct app *app, const struct config_org *org, struct err *err) MUST_USE;

#endif
