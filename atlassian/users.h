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
};
/* Fault: FORBIDDEN where the account is not managed by this organisation. */
int atl_users_privileges(struct atl_client *c, struct str account, bool urgent,
			 struct atl_privileges *ret, struct err *err) MUST_USE;
/* What a reason key means, as words for a sentence; the key itself if it is unknown. */
const char *atl_reason_words(const char *key);

/* message may be empty. */
int atl_users_disable(struct atl_client *c, struct str account, struct str message,
		      struct err *err) MUST_USE;
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
