/*
 * Handing over: what a leaver owns on sites goes to somebody who can look after it. Pure, as
 * all of planning.
 *
 * Receivers are tried in this order, for each object: who was named (`leaverd handover`), the
 * leaver's manager, theirs, the lead of the object's project, the queue user of the site. Each
 * must be active, a person's account, not leaving, and hold a seat of the product on that site;
 * that they may do it in a project is asked of Atlassian just before. Objects for whom nobody
 * is found, and kinds that no API gives away, become a finding and a sentence in the action: a
 * task for people. No block waits for any of it.
 */
#ifndef RECONCILE_HANDOVER_H
#define RECONCILE_HANDOVER_H

#include "reconcile/diff.h"

#define HANDOVER_EARLY_MS (14 * STAMP_DAY_MS) /* before the end: inventories are read */

enum handover_rung {
	RUNG_NAMED,
	RUNG_MANAGER,
	RUNG_THEIRS,
	RUNG_LEAD,
	RUNG_QUEUE,
	RUNG_COUNT /* nobody */
};
const char *handover_rung_word(enum handover_rung rung);

/* Whether there is something to hand over: DONE, WAITS (not done; due by its ladder), or OFF
 * where no site is configured. */
struct stage handover_stage(const struct world *w, uint32_t account, int64_t anchor_ms);

/* Whether the inventory of an account is to be read (again) for a leaver whose end is then. */
bool handover_wants_inventory(const struct world *w, uint32_t account, int64_t anchor_ms);

/* The manager by the person's records: their person; FACTS_NONE. */
uint32_t handover_manager(const struct world *w, uint32_t person);

/* Who receives one object; FACTS_NONE with RUNG_COUNT: nobody. */
uint32_t handover_receiver(const struct round *r, uint32_t account, const struct row_owned *o,
			   enum handover_rung *rung);

/* Steps of a hand-over, its sentences and findings. A candidate with nothing to do is gone. */
int handover_diff(struct round *r, struct candidate *c, struct err *err) MUST_USE;

#endif
