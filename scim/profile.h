/*
 * Profiles: what we know of how a client deviates from RFC 7643 and 7644, by its name. Each
 * bit is a tolerance that other clients do not get; leaverd-scim(7) tells of each.
 */
#ifndef SCIM_PROFILE_H
#define SCIM_PROFILE_H

#include "base/str.h"

enum {
	SCIM_EMPTY_PATCH = 1,      /* Operations: [] is a no-op, not a fault */
	SCIM_REPLACE_CREATES = 2,  /* replace emails[f].value without a match creates it */
	SCIM_JSON_TEXT = 4,        /* unwraps an object inside a string */
	SCIM_UNIQUE_GROUPS = 8,    /* displayName of groups is unique */
	SCIM_KEEP_EXTENSIONS = 16, /* PUT that leaves out an extension keeps it */
	SCIM_OLD_URNS = 32,        /* SCIM 1 URNs are the core ones */
	SCIM_KEEP_MEMBERS = 64,    /* PUT of a group that leaves out members keeps them */
};

/* Bits of a named profile. False: no such name. */
bool scim_profile(struct str name, unsigned *ret);
/* The names, ended by NULL: for configuration. "generic", which has no bits, is the first. */
#define SCIM_PROFILE_COUNT 10
extern const char *const scim_profile_names[SCIM_PROFILE_COUNT + 1];

#endif
