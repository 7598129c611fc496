/*
 * Two policies on one day's facts, or a plan and the one before it: which actions are new in
 * the second, which are gone, and which are still there but otherwise. Pure.
 */
#ifndef RECONCILE_POLICY_DIFF_H
#define RECONCILE_POLICY_DIFF_H

#include "reconcile/reconcile.h"

enum policy_change { POLICY_NEW, POLICY_GONE, POLICY_CHANGED };

struct policy_difference {
	enum policy_change change;
	const struct action *was, *is; /* of the results given; NULL of NEW, of GONE */
	char how[160]; /* of CHANGED: "rule leaver-gone before; held by admin before" */
};
VEC(vec_policy_difference, struct policy_difference);

const char *policy_change_word(enum policy_change change);

/*
 * Adds to *ret what differs between the plans of both, by rule, then person, account, product
 * and kind. An action is the same where kind, account (person, where there is none), product
 * and site are; when it was due matters only while it is ahead. Both results must outlive *ret.
 * Fault: NOMEM.
 */
int policy_differences(const struct reconcile_result *was, const struct reconcile_result *is,
		       int64_t now_ms, struct vec_policy_difference *ret, struct err *err)
	MUST_USE;

/* The same between two plans, neither of which is changed: what is new first, then what is
 * gone, then what changed. */
int plan_differences(struct plan *was, struct plan *is, int64_t now_ms,
		     struct vec_policy_difference *ret, struct err *err) MUST_USE;

#endif
