/*
 * The schema tables: every attribute of User, Enterprise User, Group and our Employment
 * extension with its RFC 7643 section 7 characteristics, and, for policy, the attributes of
 * account, seat and person subjects. /Schemas, validation, filters, PATCH and maps all read
 * these rows.
 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include "base/str.h"
#include "model/path.h" /* the URNs */

enum attr_type {
	ATTR_STRING,
	ATTR_BOOLEAN,
	ATTR_DECIMAL,
	ATTR_INTEGER,
	ATTR_DATETIME,
	ATTR_DATE, /* a civil date, "2026-11-20"; published over SCIM as a string */
	ATTR_BINARY,
	ATTR_REFERENCE,
	ATTR_COMPLEX
};
enum attr_mutability { ATTR_READ_WRITE, ATTR_READ_ONLY, ATTR_IMMUTABLE, ATTR_WRITE_ONLY };
enum attr_returned { ATTR_DEFAULT, ATTR_ALWAYS, ATTR_REQUEST, ATTR_NEVER };
enum attr_uniqueness { ATTR_NONE, ATTR_SERVER, ATTR_GLOBAL };

struct schema_attr {
	const char *name; /* without its parent's */
	enum attr_type type;
	bool multi, required, case_exact;
	enum attr_mutability mutability;
	enum attr_returned returned;
	enum attr_uniqueness uniqueness;
	const char *const
		*words; /* canonicalValues or referenceTypes, NULL-terminated, or NULL */
	const struct schema_attr *sub; /* COMPLEX: rows ended by a NULL name */
	const char *description;
};

struct schema {
	const char *urn, *name, *description;
	const struct schema_attr *attrs; /* ended by a NULL name */
	bool extension;                  /* of User */
};

extern const struct schema schema_user, schema_enterprise, schema_employment, schema_group;
extern const struct schema_attr
	schema_common[]; /* schemas, id, externalId, meta: of no schema */

/*
 * Subjects of rules, in the same form (policy dialect only; see leaverd-policy(5)).
 *
 * subject_person   hr, directory, idp: complex {status, since}: what that role's sources say,
 *                  status active | disabled | gone | ended | absent, since dateTime;
 *                  leaveDate dateTime (end of the last working day, else of the termination
 *                  date, in the person's zone); parts accounts[...] (subject_account). Besides
 *                  these, a person has every attribute of User and its extensions.
 * subject_account  accountId, email, emailVerified, name, accountType, accountStatus,
 *                  membershipStatus, status, claimStatus, managementSource, addedToOrg,
 *                  lastActive (newest over its seats), admin, platformRoles, groups;
 *                  parts seats[...] (subject_seat).
 * subject_seat     product, site, resource, lastActive, added, invited, paths.
 */
extern const struct schema_attr subject_account[], subject_seat[], subject_person[];

/* All published schemas, ended by NULL. */
extern const struct schema *const schema_all[];

/* By URN, ASCII case ignored; NULL if unknown. */
const struct schema *schema_by_urn(struct str urn);
/* By name in a table, ASCII case ignored; NULL if unknown. */
const struct schema_attr *schema_attr(const struct schema_attr *table, struct str name);

/* "string", "readWrite" and so on, as RFC 7643 section 7 spells them (dates are strings). */
const char *schema_type_word(enum attr_type type);
const char *schema_mutability_word(enum attr_mutability mutability);
const char *schema_returned_word(enum attr_returned returned);
const char *schema_uniqueness_word(enum attr_uniqueness uniqueness);

#endif
