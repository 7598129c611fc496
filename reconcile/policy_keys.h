/* What is shipped: rules and match rules as texts, for policy.c alone. */
#ifndef RECONCILE_POLICY_KEYS_H
#define RECONCILE_POLICY_KEYS_H

#include "reconcile/policy.h"

struct shipped_rule {
	const char *name, *subject, *when, *anchor, *class; /* when NULL: always */
	const char *then[POLICY_MAX_STEPS + 1];             /* ended by NULL */
	bool settle, automatic;
	const char *kept_when; /* with logins_keep_seats: and not this */
};

extern const struct shipped_rule shipped_rules[]; /* ended by a NULL name */
extern const struct policy_match_conf shipped_match[];
extern const size_t shipped_match_count;

#endif
