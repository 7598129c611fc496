/*
 * One row of users/search, read from its document; what collecting and reading one account have
 * in common. Borrowed texts live as long as the document.
 */
#ifndef ATLASSIAN_ROW_H
#define ATLASSIAN_ROW_H

#include "atlassian/collect.h"

/* Text of a member; empty where there is none. Borrowed. */
struct str atl_text(const json_t *j, const char *key);
/* "ari:cloud:KEY::site/ID": false, and both empty, for what is no such name. */
bool atl_ari_cut(struct str ari, struct str *key, struct str *id);
/* Whether a role was given that way: "direct", "group_direct", "inferred". */
bool atl_has_method(const json_t *assignment, const char *method);

struct atl_user {
	struct atl_account row; /* directory, paths_known, tokens, own, roles: not filled */
	const json_t *groups;   /* arrays; NULL where the answer did not tell */
	const json_t *products;
	const json_t *platform;
	int64_t resources; /* how many it may use, as told; -1: not told */
	bool suspended;    /* membership */
	bool disabled;     /* the account itself */
};

/* False with a sentence in why when the row is not what it should be. */
bool atl_user_read(const json_t *json, struct atl_user *ret, char *why, size_t room);
/* A row of v1 /users: managed accounts. */
bool atl_managed_read(const json_t *json, struct atl_user *ret, char *why, size_t room);

/* Last use of a product: ATL_ABSENT where the list is told and does not hold it, 0 where no
 * list was told or its time is no time. */
int64_t atl_user_last(const struct atl_user *u, struct str resource);
/* The newest of all; as above. */
int64_t atl_user_newest(const json_t *products);

/* Platform roles into *into: sorted, separated by blanks; sets admin and org_admin of row. */
int atl_platform_read(const json_t *platform, struct atl_account *row, struct buf *into,
		      struct err *err) MUST_USE;

#endif
