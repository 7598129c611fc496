/*
 * What an organisation's provisioning directory holds, as it was read: rows of records, groups
 * and members. A read writes what differs as it comes; each row is what Atlassian said last.
 * Only the end of a complete read removes what it did not show, and while the newest read is
 * not complete, whoever plans sees that (complete).
 */
#ifndef STORE_PROVISION_H
#define STORE_PROVISION_H

#include "model/account.h"
#include "model/provision.h"
#include "store/db.h"
#include "store/marks.h"

struct provision_row {
	char *directory; /* id at Atlassian */
	int64_t read_ms; /* when the newest read ended */
	bool complete;
	char *reason; /* why not; "" */
	int64_t users, groups;
};
void provision_row_done(struct provision_row *r);
/* org: the store's number. STORE_NOT_FOUND: never read. *ret is zeroed by the caller. */
int provision_get(struct db *db, int64_t org, struct provision_row *ret, struct err *err)
	MUST_USE;

struct scim_user_row {
	int64_t id; /* out: the store's number */
	struct str scim_id, external_id, account_id;
	enum tri active;
	struct str attrs[PROVISION_ATTR_COUNT];
};
struct scim_group_row {
	int64_t id; /* out */
	struct str scim_id, name;
};

/* One read, in memory from begin to end: what was seen. Writer's thread only. */
struct provision_run {
	int64_t org;
	struct marks users, groups;
	int64_t user_count, group_count, changed;
};
/* Rows of another directory than this are thrown away: they are not its. */
int provision_begin(struct db *db, int64_t org, const char *directory,
		    struct provision_run *ret, struct err *err) MUST_USE;
void provision_run_done(struct provision_run *run);
int provision_put_user(struct db *db, struct provision_run *run,
		       const struct scim_user_row *row, struct err *err) MUST_USE;
/* Members by the scim_id of their records; those of no record are left out. */
int provision_put_group(struct db *db, struct provision_run *run,
			const struct scim_group_row *row, const struct str *members,
			size_t count, struct err *err) MUST_USE;
/* reason NULL: complete, and what was not seen is removed. */
int provision_end(struct db *db, struct provision_run *run, const char *directory,
		  const char *reason, int64_t now_ms, struct err *err) MUST_USE;

/* What applying saw by reading back, outside a read. */
int provision_seen_user(struct db *db, int64_t org, const struct scim_user_row *row,
			struct err *err) MUST_USE;
int provision_seen_member(struct db *db, int64_t org, struct str user,
			  const struct scim_group_row *group, bool in, struct err *err)
	MUST_USE;

/* A round saw that a group does not want a member any more, or (0) wants it again. Who is no
 * member has nothing to be remembered; who was seen before keeps that time. Nothing that a
 * round waits for: the change counter stays. */
int provision_ceased(struct db *db, int64_t org, struct str user, struct str group,
		     int64_t ceased_ms, struct err *err) MUST_USE;

/* --- reading, by key in short pages --- */

typedef int (*scim_user_fn)(void *ctx, const struct scim_user_row *row, struct err *err);
typedef int (*scim_group_fn)(void *ctx, const struct scim_group_row *row, struct err *err);
/* ceased_ms: when a round first saw that the group does not want the member any more; 0. */
typedef int (*scim_member_fn)(void *ctx, int64_t group, int64_t user, int64_t ceased_ms,
			      struct err *err);
int provision_users(struct db *db, int64_t org, int64_t after, size_t most, scim_user_fn fn,
		    void *ctx, struct err *err) MUST_USE;
/* Those that may be one person's: by its accounts, by ids of its records, by its addresses. */
int provision_users_of(struct db *db, int64_t org, int64_t person, scim_user_fn fn, void *ctx,
		       struct err *err) MUST_USE;
int provision_groups(struct db *db, int64_t org, scim_group_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* Groups of records whose numbers lie in a page: user after, most members. */
int provision_members(struct db *db, int64_t org, int64_t after_user, int64_t after_group,
		      size_t most, scim_member_fn fn, void *ctx, struct err *err) MUST_USE;
int provision_members_of(struct db *db, int64_t user, scim_member_fn fn, void *ctx,
			 struct err *err) MUST_USE;

#endif
