/*
 * Troubles by name, put over a population that was made: what an operator may want to rehearse.
 *
 *   synced-groups  an identity provider owns every group that grants a product: no member can
 *                  be taken out
 *   last-admin     one organisation administrator is left
 *   hidden-mail    every third person's profile hides the address: a search for it finds the
 *                  account, no row shows it
 *   guard-lapsed   the subscription ended: no provisioning, and nobody lists the tokens of the
 *                  whole organisation
 *   flaky          one request in eight meets a fault: 5xx, resets, truncated answers, 429,
 *                  three seconds of silence
 */
#ifndef REHEARSAL_SCENARIO_H
#define REHEARSAL_SCENARIO_H

#include "tests/rehearsal/rehearsal.h"

/* name NULL: nothing is done. Fault: USAGE naming the scenarios there are; NOMEM. */
int scenario_apply(struct rehearsal *re, const char *name, int64_t seed, int64_t now_ms,
		   struct err *err) MUST_USE;

#endif
