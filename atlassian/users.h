/*
 * The user management API (managed accounts only) and the organisation's API tokens.
 */
#ifndef ATLASSIAN_USERS_H
#define ATLASSIAN_USERS_H

#include "atlassian/page.h"
#include "base/vec.h"

/* GET /v1/orgs/{org}/users: managed accounts, also those in no directory. */
int atl_users_managed(struct atl_pages *p, struct atl_client *c, struct err *err) MUST_USE;

struct atl_privilege {
	bool told; /* the answer spoke of it */
	bool allowed;
	char reason[96]; /* "externalDirectory.scim"; "" */
};
struct atl_privileges {
	struct atl_privilege enablement;    /* lifecycle.enablement: deactivate, activate */
	struct atl_privilege tokens_read;   /* apiToken.read */
	struct atl_privilege tokens_delete; /* apiToken.delete */
	struct atl_privilege deletion;      /* lifecycle.delete: delete, and keep after all */
	struct atl_privilege email_set;     /* email.set */
	struct atl_privilege
		profile_write; /* profile.write: of its name, where told by field */
};
/* What we may do to an account: GET /users/{id}/manage. Fault: FORBIDDEN where it is not
 * managed by this organisation. */
int atl_users_privileges(struct atl_client *c, struct str account, bool urgent,
			 struct atl_privileges *ret, struct err *err) MUST_USE;
/* What a reason key means, as words for a sentence; the key itself if it is unknown. */
const char *atl_reason_words(const char *key);

/* Deactivates a managed account, everywhere and at once; the person is mailed, with message
 * (may be empty). Fault CONFLICT: it is not eligible. */
int atl_users_disable(struct atl_client *c, struct str account, struct str message,
		      struct err *err) MUST_USE;
/* Activates it again. Fault CONFLICT: not eligible, as one that is to be deleted. */
int atl_users_enable(struct atl_client *c, struct str account, struct err *err) MUST_USE;

struct atl_token {
	char *id, *label;
	int64_t last_ms; /* last use; -1: never */
};
VEC(vec_atl_token, struct atl_token);
void atl_tokens_done(struct vec_atl_token *v);
/* One account's API tokens. *ret is zeroed by the caller. */
int atl_users_tokens(struct atl_client *c, struct str account, bool urgent,
		     struct vec_atl_token *ret, struct err *err) MUST_USE;
/* One token; an empty id is refused before anything is sent. One that is gone is 0. */
int atl_users_token_revoke(struct atl_client *c, struct str account, struct str token,
			   struct err *err) MUST_USE;
/* Every token of the organisation, for the newest use: GET /admin/api-access/v1/.../api-tokens.
 */
int atl_users_all_tokens(struct atl_pages *p, struct atl_client *c, struct err *err) MUST_USE;

#endif
