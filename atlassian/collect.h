/*
 * What an organisation holds now: read whole as a stream (atl_collect), or one account
 * (atl_read_account).
 *
 * Rows are plain data; their texts are borrowed and live for the callback only. Zero is unknown
 * in every field, as in model/account.h; times are wall ms, ATL_ABSENT is known not to be.
 * Group ids are bare (without "ari:cloud:identity::group/"), product keys in one spelling
 * (atl_product_key), sites are host names.
 *
 * A part is whole only when every page of it was read, no page came twice, no row was
 * malformed, and the count that Atlassian tells agrees. What is missing is said in a sentence;
 * nothing is guessed.
 */
#ifndef ATLASSIAN_COLLECT_H
#define ATLASSIAN_COLLECT_H

#include "atlassian/client.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "model/account.h"

#define ATL_UNKNOWN_MS 0LL
#define ATL_ABSENT (-1LL)

struct atl_org {
	struct str id, name;
};

struct atl_directory {
	struct str id, name;
};

struct atl_domain {
	struct str name;
	bool verified;
};

/* A product on a site. */
struct atl_resource {
	struct str id;    /* ARI, or workspace id where no ARI is told: for role calls */
	struct str key;   /* "jira", "jira-servicedesk", "confluence", ... */
	struct str site;  /* "acme.atlassian.net"; the id's last part where no host is told */
	int64_t capacity; /* seats in the licence; ATL_ABSENT: not told */
	bool counted;     /* within options.sites */
};

struct atl_group {
	struct str id, name, directory;
	enum tri synced, modifiable;
	enum tri admin; /* gives a platform role (atl_role_admin) */
};

struct atl_grant {
	struct str group, resource, role;
	enum tri is_default, billable;
};

struct atl_account {
	struct str id, email, name;
	struct str directory; /* the first in which it was seen; empty: in none */
	enum account_status status;
	enum account_type type;
	enum tri managed, synced, can_disable, accepted, admin, org_admin;
	enum tri paths_known; /* groups and roles below were all read */
	enum tri tokens;
	int64_t added_ms, last_active_ms, token_active_ms;
	bool own;         /* of options.own */
	struct str roles; /* platform roles, separated by blanks, sorted */
};

/* A licence taken: a billable role, by a group or otherwise, of an account that is active. */
struct atl_seat {
	struct str account, resource;
	int64_t last_active_ms; /* ATL_ABSENT: known never */
};

struct atl_role {
	struct str account, resource, role;
	bool inferred; /* implied by another role; else given directly */
	enum tri billable;
};

/* Parts of a collection, bits; the store's ORG_PART_* are the same. */
enum {
	ATL_PART_ACCOUNTS = 1,
	ATL_PART_GROUPS = 2,
	ATL_PART_GRANTS = 4,
	ATL_PART_MEMBERS = 8,
	ATL_PART_SEATS = 16,
	ATL_PART_ROLES = 32,
	ATL_PART_ALL = 63,
};

struct atl_result {
	unsigned whole;           /* ATL_PART_* */
	bool complete;            /* whole is ATL_PART_ALL */
	char why[ERR_TEXT_BYTES]; /* the first thing that went wrong; "" when complete */
	uint64_t accounts, groups, grants, members, seats, roles;
	uint64_t repeated; /* rows that came twice */
	uint64_t calls;    /* requests */
	uint64_t kept;     /* pages that an earlier read had brought */
	uint64_t not_read; /* accounts whose direct roles were not asked for */
};

/*
 * Where rows go; a NULL callback is skipped. A fault of one ends the collection with that
 * fault. Order: org, directories, resources, groups with their grants, then per account its
 * row, members, seats, roles. An account of a second directory comes as also_in and with the
 * groups and seats it has there; the same pair may then come twice.
 */
struct atl_sink {
	void *ctx;
	int (*org)(void *ctx, const struct atl_org *row, struct err *err);
	int (*domain)(void *ctx, const struct atl_domain *row, struct err *err);
	int (*directory)(void *ctx, const struct atl_directory *row, struct err *err);
	int (*resource)(void *ctx, const struct atl_resource *row, struct err *err);
	int (*group)(void *ctx, const struct atl_group *row, struct err *err);
	int (*grant)(void *ctx, const struct atl_grant *row, struct err *err);
	int (*account)(void *ctx, const struct atl_account *row, struct err *err);
	int (*also_in)(void *ctx, struct str account, struct str directory, struct err *err);
	int (*member)(void *ctx, struct str account, struct str group, struct err *err);
	int (*seat)(void *ctx, const struct atl_seat *row, struct err *err);
	int (*role)(void *ctx, const struct atl_role *row, struct err *err);
	/* Now and then: accounts read so far, and how many there should be (-1: not told). */
	void (*progress)(void *ctx, uint64_t accounts, int64_t of);
	/* Where pages are kept for the next read, and taken from (atlassian/kept.h); NULL:
	 * nowhere. Dropped when the read ends, but for one that was stopped or found Atlassian
	 * away. */
	struct atl_kept *kept;
	/* Asked between two requests; true ends the collection as CANCELLED. */
	bool (*stop)(void *ctx);
};

/*
 * Reads the organisation. 0: the end was reached and *ret says how whole; what was not read is
 * no fault. Fault: of the sink, CANCELLED, or NOMEM; and UNAUTHORIZED, FORBIDDEN, NOT_FOUND,
 * FOREIGN when not even the organisation itself could be read.
 * now_ms is the wall time that idle seats are held against.
 *
 * A read that goes on from kept pages is complete by the same tests as any: each list to its
 * end, and as many rows as Atlassian counts *now*. So what came or went meanwhile in a part
 * that was read already makes it incomplete, unless as many came as went: then it holds what
 * was so when that page was read, which is not longer ago than pages are kept, and each action
 * reads its account again anyway. Answer: ATL_AGAIN, Atlassian does not take a kept cursor any
 * more: nothing of this read counts, the pages are dropped, and it is to be begun anew.
 */
enum { ATL_AGAIN = 7 };
int atl_collect(struct atl_client *c, const struct atl_sink *sink, int64_t now_ms,
		struct atl_result *ret, struct err *err) MUST_USE;

/* --- one account, now --------------------------------------------------------------------- */

enum {                      /* what to read beside the account's row and groups; bits */
       ATL_WITH_PATHS = 1,  /* its roles, and which groups give which */
       ATL_WITH_MANAGE = 2, /* whether we may deactivate it */
       ATL_WITH_TOKENS = 4, /* whether it has live API tokens */
};

enum atl_path_kind { ATL_PATH_GROUP, ATL_PATH_DIRECT, ATL_PATH_INFERRED };

/* Why an account may use a product; a suspended account's paths stay. */
struct atl_path_row {
	enum atl_path_kind kind;
	char *resource, *role;
	char *group, *group_name; /* ATL_PATH_GROUP: which */
	enum tri modifiable;      /* of the group; TRI_YES for direct roles */
	enum tri billable;
};
VEC(vec_atl_path, struct atl_path_row);

struct atl_product {
	char *resource, *key, *site;
	int64_t last_active_ms;
};
VEC(vec_atl_product, struct atl_product);
VEC(vec_atl_id, char *);

struct atl_reading {
	char *id, *email, *name, *directory, *platform_roles;
	struct atl_account row; /* its texts are those above */
	struct vec_atl_id groups;
	struct vec_atl_product products; /* where it holds a seat, as its roles say */
	bool products_told;              /* with ATL_WITH_PATHS */
	struct vec_atl_path paths;       /* ATL_WITH_PATHS, of billable and other roles alike */
	bool paths_told;
	enum tri suspended, disabled; /* in every directory that we see; the account itself */
	char manage_reason[96];       /* why it may not be deactivated; "" */
	size_t live_tokens;           /* ATL_WITH_TOKENS */
};
/* Frees what an account was read into. */
void atl_reading_done(struct atl_reading *r);

enum { ATL_GONE = 2 };
/*
 * Asks Atlassian for one account. resource limits paths to one product (empty: all). *ret is
 * zeroed by the caller, who calls atl_reading_done(). Answer: ATL_GONE, there is no such
 * account any more.
 */
int atl_read_account(struct atl_client *c, struct str account, unsigned with,
		     struct str resource, bool urgent, struct atl_reading *ret, struct err *err)
	MUST_USE;

/* --- words -------------------------------------------------------------------------------- */

/* One spelling for a product: "jira-software" is "jira"; unknown keys stay. Static or s. */
struct str atl_product_key(struct str s);
/* Whether a role takes a seat: user and admin do, customer, guest and the like do not; UNKNOWN
 * for one we never heard of. */
enum tri atl_role_billable(struct str role);
/* org-admin, site-admin, admin, user-access-admin. */
bool atl_role_admin(struct str role);
/* Without "ari:cloud:identity::group/". */
struct str atl_group_id(struct str s);

#endif
