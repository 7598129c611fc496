/*
 * Applying: runs actions of approved plans, one at a time, through ports (law 2 and law 3).
 *
 * For each action: the approval is held against the bytes, the rule is judged again, the
 * account is read again and must still look like `before`; then per step: intent, act, outcome;
 * then the result is read back. Nothing here sleeps: where Atlassian's lag must be waited out
 * the action is put back with again_ms, so that an urgent plan can overtake. Putting back and
 * crashing are the same to the journal, and apply_action() goes on after both.
 */
#ifndef RECONCILE_APPLY_H
#define RECONCILE_APPLY_H

#include "reconcile/ports.h"

#define APPLY_MAX_ATTEMPTS 5                  /* intents of one step */
#define APPLY_RETRY_MS (30 * STAMP_SECOND_MS) /* times 2, 4, 8 ... */
#define APPLY_LATER_MS (2 * STAMP_MINUTE_MS)  /* what something else comes before */
#define APPLY_UNVERIFIED_MS                                                                    \
	(1 * STAMP_HOUR_MS) /* then an open intent is given up to people                       \
			     */

struct policy;

struct apply_result {
	enum apply_outcome outcome; /* OUTCOME_NONE: offer again at again_ms */
	int64_t again_ms;
	char text[ERR_TEXT_BYTES]; /* why, for skipped, failed, still-held, unverifiable */
};

/* One action, as far as it goes now. policy: change hours. Fault: as of the journal; then
 * nothing may be done until the journal was read again. */
int apply_action(const struct reconcile_ports *ports, const struct policy *policy,
		 const struct apply_item *item, struct apply_result *ret, struct err *err)
	MUST_USE;

struct apply_counts {
	uint64_t outcomes[OUTCOME_COUNT]; /* [OUTCOME_NONE]: put back */
};

/* Takes actions from work.next until there is none (0) or work.stop says so (APPLY_STOPPED). */
int apply_run(const struct reconcile_ports *ports, const struct policy *policy,
	      struct apply_counts *counts, struct err *err) MUST_USE;

#endif
