/*
 * Words about an Atlassian account, and the three answers to a yes-or-no question. Zero is
 * unknown in each, so that a field which nobody filled never acts.
 */
#ifndef MODEL_ACCOUNT_H
#define MODEL_ACCOUNT_H

#include "base/str.h"

enum tri { TRI_UNKNOWN, TRI_NO, TRI_YES };

static inline enum tri tri_of(bool yes)
{
	return yes ? TRI_YES : TRI_NO;
}

enum account_status {
	ACCOUNT_UNKNOWN,
	ACCOUNT_ACTIVE,
	ACCOUNT_SUSPENDED,   /* in all directories that we see */
	ACCOUNT_NOT_INVITED, /* an active account without membership (no access) */
	ACCOUNT_DEACTIVATED,
	ACCOUNT_DELETING, /* in the 14 days' grace */
	ACCOUNT_STATUS_COUNT
};

enum account_type {
	ACCOUNT_TYPE_UNKNOWN,
	ACCOUNT_PERSON, /* accountType atlassian */
	ACCOUNT_APP,
	ACCOUNT_CUSTOMER,
	ACCOUNT_TYPE_COUNT
};

/* The population of reference/atlassian-api.md section 11: what may be done to an account. */
enum account_class {
	CLASS_UNKNOWN, /* not enough is known: nothing */
	CLASS_MANAGED, /* everything */
	CLASS_SYNCED,  /* managed, but its external directory must deactivate it: suspend, seats
			*/
	CLASS_UNMANAGED, /* suspend and seats; cannot be deactivated */
	CLASS_APP,       /* never a subject */
	CLASS_CUSTOMER,  /* never a subject */
	CLASS_COUNT
};

enum account_class account_class_of(enum account_type type, enum tri managed, enum tri synced,
				    enum tri can_disable);

/* Words as in plans, tables and filters; "unknown" for 0. */
const char *account_status_word(enum account_status status);
const char *account_type_word(enum account_type type);
const char *account_class_word(enum account_class class);
/* By word; false if it is none. */
bool account_status_of(struct str word, enum account_status *ret);

#endif
