/*
 * User provisioning: an organisation's SCIM directory at Atlassian, read whole and changed
 * record by record. leaverd is its identity provider: the key belongs to this directory alone.
 *
 * Atlassian's SCIM: lists are pages by startIndex, of which at most 100 come whatever is asked;
 * the only filters are one eq on userName or externalId, and displayName of groups. PATCH takes
 * "Operations". A group cannot be renamed. POST of an address with a managed account links that
 * account. There is no DELETE here: it unlinks for ever, where active:false is meant.
 *
 * A client (atl_client) of its own is used, made with the directory's key. Faults as
 * atl_call(); writes are REFUSED in mode observe. Blocking; safe on every thread.
 */
#ifndef ATLASSIAN_PROVISION_H
#define ATLASSIAN_PROVISION_H

#include "atlassian/client.h"
#include "base/vec.h"
#include "model/plan.h"
#include "model/provision.h"

/* Keys of an organisation's `provisioning:` section that are about the directory. */
struct atl_provision_options {
	char *directory;   /* id in the directory base URL of the IdP connection */
	char *key;         /* name of a secret: the directory's SCIM key */
	char *base_url;    /* NULL: as for the organisation */
	int64_t page_size; /* asked for; what comes is what Atlassian sends */
};

/* --- reading -------------------------------------------------------------------------------
 */

/* Texts are borrowed for the callback. */
struct atl_scim_user {
	struct str id, external_id, account; /* account: accountId it is linked to; "" none */
	enum tri active;
	struct str attrs[PROVISION_ATTR_COUNT]; /* "" none */
};

struct atl_scim_group {
	struct str id, name;
	const struct str *members; /* ids of records */
	size_t member_count;
};

struct atl_provision_sink {
	void *ctx;
	int (*user)(void *ctx, const struct atl_scim_user *row, struct err *err);
	int (*group)(void *ctx, const struct atl_scim_group *row, struct err *err);
	bool (*stop)(void *ctx); /* asked between two pages; true: CANCELLED */
};

struct atl_provision_result {
	bool complete;            /* both lists to their ends, every row once, as counted */
	char why[ERR_TEXT_BYTES]; /* the first thing that went wrong; "" */
	uint64_t users, groups, members;
	uint64_t repeated; /* rows that came twice */
	uint64_t calls;
};

/* 0: *ret says how whole. Fault: of the sink, CANCELLED, NOMEM, and UNAUTHORIZED, FORBIDDEN,
 * NOT_FOUND where not even the first page may be read. */
int atl_provision_read(struct atl_client *c, const struct atl_provision_options *o,
		       const struct atl_provision_sink *sink, struct atl_provision_result *ret,
		       struct err *err) MUST_USE;

/* A harmless look for `doctor`: ServiceProviderConfig, and one record. *ret_users (may be NULL)
 * is how many there are. */
int atl_provision_check(struct atl_client *c, const struct atl_provision_options *o,
			int64_t *ret_users, struct err *err) MUST_USE;

/* --- changing ------------------------------------------------------------------------------
 */

/* What an action's values say ("provision" of reconcile/provision.h). Borrowed texts. */
struct atl_deed {
	struct str directory, record, external_id; /* record "": to be found, or made */
	struct str held[PROVISION_ATTR_COUNT];
	struct str wanted[PROVISION_ATTR_COUNT]; /* "": left as it is */
	const struct str *groups;
	size_t group_count;
};

/* What was seen by looking; each may be NULL. Borrowed texts. */
struct atl_provision_seen {
	void *ctx;
	int (*user)(void *ctx, const struct atl_scim_user *row, struct err *err);
	int (*member)(void *ctx, struct str record, const struct atl_scim_group *group, bool in,
		      struct err *err);
};

/* The record as it is now, held against the deed of an action of that kind: PROVISION_UNKNOWN
 * where Atlassian's answer does not tell. */
int atl_provision_state(struct atl_client *c, const struct atl_deed *deed,
			enum action_kind kind, const struct atl_provision_seen *seen,
			enum provision_state *ret, struct err *err) MUST_USE;

/*
 * One STEP_SCIM_ of an action. What would make something twice is searched for first. 0: done,
 * or so already. ATL_IMPOSSIBLE (atlassian/act.h): refused for good, err says why: the address
 * is another record's (409), its domain is not verified (400), the record is gone.
 */
int atl_provision_act(struct atl_client *c, const struct atl_deed *deed,
		      const struct action_step *step, bool urgent, struct err *err) MUST_USE;
/* Whether the step's effect is there: 0 with *ret told; ATL_GONE: there is no such record. */
int atl_provision_verify(struct atl_client *c, const struct atl_deed *deed,
			 const struct action_step *step, bool *ret, struct err *err) MUST_USE;

#endif
