/*
 * What an Atlassian organisation holds: accounts, groups and what they grant, memberships,
 * seats with the paths that keep them. Written by collecting, in generations.
 *
 * A generation is collected beside the current one: what differs is staged, what is equal costs
 * no write, and all takes effect in one transaction when the generation ends. Ended complete,
 * what was not seen is removed; ended incomplete, nothing is removed and the parts that were
 * not read whole are named; thrown away, nothing happened. Only the first generation, which
 * nobody reads before it ends, is written in place.
 */
#ifndef STORE_ACCOUNTS_H
#define STORE_ACCOUNTS_H

#include "model/account.h"
#include "store/db.h"

#define ACCOUNT_SALT_BYTES 16

struct org_row {
	int64_t id;
	char *name;
	char *identity;     /* Atlassian's organisation id, as first seen */
	int64_t generation; /* newest that ended, 0: none */
	int64_t ended_ms;
	bool complete, plausible; /* of that one */
	char *reason;             /* why not, for people; NULL when both */
	int64_t accounts, seats;
	bool other; /* another organisation answered under our key */
};
void org_row_done(struct org_row *o);

int accounts_org_declare(struct db *db, const char *name, int64_t now_ms, int64_t *ret,
			 struct err *err) MUST_USE;
int accounts_org_get(struct db *db, const char *name, struct org_row *ret, struct err *err)
	MUST_USE;
/* As sources_identity(); STORE_STALE is remembered (org_row.other) until it is replaced or the
 * known one answers again. */
int accounts_org_identity(struct db *db, int64_t org, const char *identity, bool replace,
			  struct err *err) MUST_USE;

/*
 * Rows as collected. Words, three-valued answers and times are those of model/account.h and
 * model/snapshot.h: zero is unknown, FACT_ABSENT is known not to be.
 */
struct account_row {
	int64_t id;                     /* out: the store's number, what plans name; stable */
	int64_t org;                    /* out */
	struct str account_id;          /* Atlassian's, opaque */
	struct str directory;           /* directoryId in which it is suspended and restored */
	struct str email, name;         /* empty: not told */
	struct str external_id, issuer; /* of Atlassian's SCIM directory; empty: none */
	enum account_status status;
	int64_t status_since_ms; /* out: when we first saw this status */
	enum account_type type;
	enum tri managed, synced, can_disable, accepted, admin, org_admin, paths_known, tokens;
	int64_t added_ms, token_active_ms, last_active_ms;
	bool own_credential;
	struct str roles; /* platform roles, separated by blanks, sorted; for people */
	struct str extra; /* JSON object for people; "" none */
	unsigned char salt[ACCOUNT_SALT_BYTES]; /* out: random, erasable */
	int64_t person;                         /* out: linked person or 0 */
	struct str linked_by;                   /* out: the rule that linked it; empty */
	bool adopted;                           /* out: by hand; else as its rule is */
	int64_t first_ms;                       /* out: first collected */
	int64_t change;                         /* out */
};

/* A product on a site. */
struct product_row {
	int64_t id;           /* out */
	struct str key, site; /* "jira", "acme.atlassian.net" */
	struct str resource;  /* ARI or workspace id, for role calls */
	int64_t capacity;     /* seats in the licence; 0: not told */
};

struct seat_row {
	int64_t account, product; /* numbers */
	int64_t last_active_ms;   /* FACT_ABSENT: known never used */
	int64_t added_ms;
	int64_t change; /* out */
};

struct org_group_row {
	int64_t id; /* out */
	struct str group_id, name, directory;
	enum tri synced, modifiable, admin;
};

/* What a group grants. */
struct grant_row {
	int64_t group, product; /* numbers */
	struct str role;
	enum tri is_default, billable;
};

/* A role of an account itself. */
struct role_row {
	int64_t account, product; /* numbers */
	struct str role;
	bool inferred; /* implied by an admin role, cannot be revoked */
	enum tri billable;
};

/* Which parts were read whole. */
enum { /* bits */
       ORG_PART_ACCOUNTS = 1,
       ORG_PART_GROUPS = 2,
       ORG_PART_GRANTS = 4,
       ORG_PART_MEMBERS = 8,
       ORG_PART_SEATS = 16,
       ORG_PART_ROLES = 32,
       ORG_PART_ALL = 63,
};

/* One collection, in memory from begin to end: marks of what was seen. Writer's thread only. */
struct org_run;
int accounts_begin(struct db *db, int64_t org, int64_t now_ms, struct org_run **ret,
		   struct err *err) MUST_USE;
void org_run_free(struct org_run *run); /* without an end: nothing of it counts */
OWNED(struct org_run, org_run_free)
int64_t org_run_generation(const struct org_run *run);

/* *numbers (may be NULL) receives count numbers, stable over generations. */
int accounts_put(struct db *db, struct org_run *run, const struct account_row *rows,
		 size_t count, int64_t now_ms, int64_t *numbers, struct err *err) MUST_USE;
int accounts_put_groups(struct db *db, struct org_run *run, const struct org_group_row *rows,
			size_t count, int64_t *numbers, struct err *err) MUST_USE;
int accounts_put_products(struct db *db, struct org_run *run, const struct product_row *rows,
			  size_t count, int64_t *numbers, struct err *err) MUST_USE;
int accounts_put_grants(struct db *db, struct org_run *run, const struct grant_row *rows,
			size_t count, struct err *err) MUST_USE;
/* While the first generation is collected: writes a membership at once, so that little is left
 * for accounts_put_members(), which still is told of it. Does nothing in any later one. */
int accounts_put_member_early(struct db *db, struct org_run *run, int64_t group,
			      int64_t account, struct err *err) MUST_USE;
/* All members of one group, as account numbers in any order; whole: nobody is missing. */
int accounts_put_members(struct db *db, struct org_run *run, int64_t group,
			 const uint32_t *accounts, size_t count, bool whole, struct err *err)
	MUST_USE;
int accounts_put_seats(struct db *db, struct org_run *run, const struct seat_row *rows,
		       size_t count, struct err *err) MUST_USE;

/* All roles of one account. */
int accounts_put_roles(struct db *db, struct org_run *run, int64_t account,
		       const struct role_row *rows, size_t count, struct err *err) MUST_USE;

struct org_counts {
	int64_t accounts, accounts_changed, accounts_missing;
	int64_t groups, grants, members, seats, seats_changed, seats_missing;
	int64_t accounts_before, seats_before;
};
/* What stands so far, for a judgement of plausibility before the end. */
int accounts_weigh(struct db *db, struct org_run *run, struct org_counts *ret, struct err *err)
	MUST_USE;
/* whole: bits of the parts read whole. Complete when it is ORG_PART_ALL and plausible. reason
 * (NULL when complete) is kept for people. Of an implausible read nothing is taken for absent;
 * while another organisation answers (accounts_org_identity()) nothing of it is kept. */
int accounts_end(struct db *db, struct org_run *run, unsigned whole, bool plausible,
		 const char *reason, int64_t now_ms, struct err *err) MUST_USE;

/* --- reading, by key in short pages --- */

/* The store's number of an account; STORE_NOT_FOUND. */
int accounts_number(struct db *db, int64_t org, struct str account_id, int64_t *ret,
		    struct err *err) MUST_USE;
int accounts_group_number(struct db *db, int64_t org, struct str group_id, int64_t *ret,
			  struct err *err) MUST_USE;
typedef int (*account_fn)(void *ctx, const struct account_row *row, struct err *err);
typedef int (*seat_fn)(void *ctx, const struct seat_row *row, struct err *err);
typedef int (*org_group_fn)(void *ctx, const struct org_group_row *row, struct err *err);
typedef int (*product_fn)(void *ctx, const struct product_row *row, struct err *err);
typedef int (*role_fn)(void *ctx, const struct role_row *row, struct err *err);
typedef int (*grant_fn)(void *ctx, const struct grant_row *row, struct err *err);
typedef int (*membership_fn)(void *ctx, uint32_t group, uint32_t account, struct err *err);
/* fn may stop by returning > 0, which is passed on. */
int accounts_get(struct db *db, int64_t account, account_fn fn, void *ctx, struct err *err)
	MUST_USE; /* STORE_NOT_FOUND */
int accounts_page(struct db *db, int64_t org, int64_t after, size_t most, account_fn fn,
		  void *ctx, struct err *err) MUST_USE;
/* Administrators of the organisation, whatever their state, by number. */
int accounts_org_admins(struct db *db, int64_t org, account_fn fn, void *ctx, struct err *err)
	MUST_USE;
int accounts_by_email(struct db *db, int64_t org, struct str folded, account_fn fn, void *ctx,
		      struct err *err) MUST_USE;
int accounts_changed(struct db *db, int64_t org, int64_t after_change, size_t most,
		     account_fn fn, void *ctx, struct err *err) MUST_USE;
int accounts_seats(struct db *db, int64_t account, seat_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* Pages by (account, product): numbers of the last row handed out. */
int accounts_seats_page(struct db *db, int64_t org, int64_t after_account,
			int64_t after_product, size_t most, seat_fn fn, void *ctx,
			struct err *err) MUST_USE;
int accounts_groups(struct db *db, int64_t org, org_group_fn fn, void *ctx, struct err *err)
	MUST_USE;
int accounts_products(struct db *db, int64_t org, product_fn fn, void *ctx, struct err *err)
	MUST_USE;
int accounts_roles(struct db *db, int64_t account, role_fn fn, void *ctx, struct err *err)
	MUST_USE;
int accounts_roles_page(struct db *db, int64_t org, int64_t after_account,
			int64_t after_product, struct str after_role, size_t most, role_fn fn,
			void *ctx, struct err *err) MUST_USE;
/* The paths that keep a seat: each group of the account that grants the product (role_row
 * NULL), and each role of its own (group and grant NULL). */
typedef int (*seat_path_fn)(void *ctx, const struct org_group_row *group,
			    const struct grant_row *grant, const struct role_row *role,
			    struct err *err);
int accounts_seat_paths(struct db *db, int64_t account, int64_t product, seat_path_fn fn,
			void *ctx, struct err *err) MUST_USE;
int accounts_grants(struct db *db, int64_t org, grant_fn fn, void *ctx, struct err *err)
	MUST_USE;
int accounts_members_page(struct db *db, int64_t org, uint32_t after_group,
			  uint32_t after_account, size_t most, membership_fn fn, void *ctx,
			  struct err *err) MUST_USE;
int accounts_groups_of(struct db *db, int64_t account, membership_fn fn, void *ctx,
		       struct err *err) MUST_USE;

/*
 * What applying saw by reading back (law 10): sets one account's row, and all of its
 * memberships, roles and seats (each NULL: left as they are), at once, outside a generation.
 */
struct account_seen {
	const struct account_row *row; /* account_id names it */
	const uint32_t *groups;        /* group numbers */
	size_t group_count;
	const struct role_row *roles;
	size_t role_count;
	const struct seat_row *seats;
	size_t seat_count;
};
int accounts_seen(struct db *db, int64_t org, const struct account_seen *seen, int64_t now_ms,
		  struct err *err) MUST_USE; /* STORE_NOT_FOUND */

/* History of generations, newest first. */
struct org_read_row {
	int64_t generation, begun_ms, ended_ms;
	bool complete, plausible;
	unsigned whole; /* ORG_PART_x read to their end */
	struct str reason;
	int64_t accounts, seats;
};
typedef int (*org_read_fn)(void *ctx, const struct org_read_row *row, struct err *err);
int accounts_reads(struct db *db, int64_t org, size_t most, org_read_fn fn, void *ctx,
		   struct err *err) MUST_USE;
/* Seats by product: for `seats before and after`. */
typedef int (*seat_count_fn)(void *ctx, const struct product_row *product, int64_t count,
			     struct err *err);
int accounts_seat_counts(struct db *db, int64_t org, seat_count_fn fn, void *ctx,
			 struct err *err) MUST_USE;

#endif
