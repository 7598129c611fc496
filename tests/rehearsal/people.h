/*
 * The population of the rehearsal organisation: made of a file of people, or of invented names,
 * always the same for the same input and seed; dates count back from the wall clock of
 * base/stamp.
 *
 * A file of people holds one JSON object a line. Only "email" is needed ("mail" and
 * "userName" are understood where it is missing); people without an address get no account.
 *
 *   name (displayName, cn)   department   title
 *   case        one of the cases of people.c ("long-inactive", "three-paths", ...) instead of
 *               a drawn one
 *   account     false: no account is made
 *   admin       "org", "site" or "product"; without any such line two people become org
 *               admins, one a site admin, two product admins
 *   status      active | suspended | deactivated | for_deletion | not_invited
 *   synced      true: from an identity provider, in synced groups only
 *   addedDays   days since it was added
 *   lastActive  {"jira": 3.5, "confluence": null}: days since, or never
 *   groups      names of groups, instead of drawn ones
 *   tokens      how many API tokens
 */
#ifndef REHEARSAL_PEOPLE_H
#define REHEARSAL_PEOPLE_H

#include <jansson.h>

#include "tests/rehearsal/org.h"

struct people_options {
	const char *file; /* NULL: `users` invented ones */
	uint64_t users;
	uint64_t orphans; /* accounts of the verified domain that nobody in the file explains */
	uint64_t seed;
	const char *domain; /* the verified one; NULL: the most frequent of the file */
	const char *mix;    /* "case=permille,..." over the drawn shares; NULL: none */
	bool plain;         /* only people: no externals, guests, apps, customers */
};

/* Fills an org_init()ed organisation. Fault: CONFIG naming file and line, NOMEM. */
int people_make(struct org *org, const struct people_options *options, int64_t now_ms,
		struct err *err) MUST_USE;

/* Makes an account an administrator: "org", "site", "product", or "none" any more. */
int people_admin(struct org *org, uint32_t account, const char *what, int64_t now_ms,
		 struct err *err) MUST_USE;

/* Applies the members of a line (see above; also those of POST /_rehearsal/set) to an account
 * that exists. */
int people_apply(struct org *org, uint32_t account, const json_t *line, int64_t now_ms,
		 struct err *err) MUST_USE;

#endif
