/*
 * Budgets: which of Atlassian's API families a call belongs to, and how fast each may be asked
 * until the answers' headers say otherwise (reference: "Rate limits" of Atlassian's admin
 * APIs). One budget per family and organisation, since Atlassian counts per key; families whose
 * requests Atlassian counts together (organisations, API access) spend one, or each would take
 * the whole window for its own.
 */
#ifndef ATLASSIAN_LIMITS_H
#define ATLASSIAN_LIMITS_H

#include "atlassian/options.h"
#include "net/httpc.h"

enum atl_family {
	ATL_ORG_READ,    /* organisations API: directories, users, groups, roles */
	ATL_ORG_WRITE,   /* suspend, restore, memberships, roles */
	ATL_LAST_ACTIVE, /* one request an account: about 200 a minute were measured */
	ATL_MANAGE,      /* user management: privileges, lifecycle, an account's tokens */
	ATL_TOKENS,      /* API access: every token of the organisation */
	ATL_EVENTS,      /* audit events, as a stream */
	ATL_FAMILY_COUNT
};

/* Each starts with the options' per_second and at_once. */
struct atl_limit {
	const char *name;       /* for people */
	double most_per_second; /* whatever headers say; more if the options say more */
	double at_first;        /* not faster than this before headers tell; 0: the options' */
	int of; /* the family whose budget it spends; its own, or one above it */
};
extern const struct atl_limit atl_limits[ATL_FAMILY_COUNT];

/* Makes the budgets of one organisation in the client. */
int atl_limits_register(struct httpc *http, const struct atl_options *o,
			unsigned ret[ATL_FAMILY_COUNT], struct err *err) MUST_USE;
/* No call of theirs may be under way. */
void atl_limits_drop(struct httpc *http, const unsigned budgets[ATL_FAMILY_COUNT]);

#endif
