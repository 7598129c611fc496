/* SCIM documents of Atlassian's provisioning API: rows out of them, requests into them. */
#ifndef ATLASSIAN_PROVISION_DOC_H
#define ATLASSIAN_PROVISION_DOC_H

#include "atlassian/provision.h"
#include "base/jx.h"

/* False, with a sentence in why, where the document is no record. Borrowed from it. */
bool provision_user_read(const json_t *doc, struct atl_scim_user *ret, char *why, size_t room);
VEC(vec_str, struct str);
/* Members into *members (cleared first), which *ret then borrows. */
int provision_group_read(const json_t *doc, struct vec_str *members, struct atl_scim_group *ret,
			 bool *whole, struct err *err) MUST_USE;

/* A whole User for POST; *ret is new. */
int provision_user_doc(const struct atl_deed *deed, json_t **ret, struct err *err) MUST_USE;
/* PatchOp: one replace for each wanted attribute, and externalId where there is one. */
int provision_update_doc(const struct atl_deed *deed, json_t **ret, struct err *err) MUST_USE;
int provision_active_doc(bool active, json_t **ret, struct err *err) MUST_USE;
/* add or remove one member. */
int provision_member_doc(bool add, struct str record, json_t **ret, struct err *err) MUST_USE;
int provision_group_doc(struct str name, json_t **ret, struct err *err) MUST_USE;

#endif
