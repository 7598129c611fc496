/*
 * What a provisioning directory holds of a person: the attributes that are sent to it and
 * compared with it. One table for rules, store, client and reports.
 */
#ifndef MODEL_PROVISION_H
#define MODEL_PROVISION_H

#include "base/str.h"

enum provision_attr {
	PROVISION_USER_NAME, /* the e-mail address: an Atlassian account is known by it */
	PROVISION_EMAIL,
	PROVISION_DISPLAY_NAME,
	PROVISION_GIVEN_NAME,
	PROVISION_FAMILY_NAME,
	PROVISION_TITLE,
	PROVISION_DEPARTMENT,
	PROVISION_TIME_ZONE,
	PROVISION_LANGUAGE,
	PROVISION_ATTR_COUNT
};

struct provision_attr_row {
	const char *word;   /* in values, tables and sentences */
	const char *from;   /* path of a person's record; NULL: see the enum */
	const char *object; /* SCIM: the object that holds it, or NULL */
	const char *member; /* SCIM: its name there */
	bool fold;          /* compared as addresses are: A@B is a@b */
};
extern const struct provision_attr_row provision_attrs[PROVISION_ATTR_COUNT];

#define PROVISION_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define PROVISION_ATLASSIAN "urn:scim:schemas:extension:atlassian-external:1.0"

/* By word; false if it is none. */
bool provision_attr_of(struct str word, enum provision_attr *ret);

#endif
