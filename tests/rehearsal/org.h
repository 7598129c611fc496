/*
 * The rehearsal organisation in memory: directories, sites, products, groups, accounts, seats.
 *
 * Roles say what an account may do with a resource (a product on a site). It has them directly,
 * through its groups, or inferred from an administrator's role. A *seat* is taken in a resource
 * by an account that is active, not suspended in the resource's directory, no app, and has the
 * role user or admin there by any of the three ways.
 *
 * Writes change the truth at once. What reads see of roles and memberships follows lag_ms later
 * (Atlassian: up to 30 s), on the wall clock of base/stamp: org_view() gives the accounts as a
 * reader sees them now. One lock above (rehearsal.c) guards all of it.
 */
#ifndef REHEARSAL_ORG_H
#define REHEARSAL_ORG_H

#include "base/enc.h"
#include "base/map.h"
#include "base/stamp.h"
#include "base/vec.h"

#define ORG_DIRECTORIES 4
#define ORG_SITES 4
#define ORG_PRODUCTS 3
#define ORG_RESOURCES (ORG_SITES * ORG_PRODUCTS)
#define ORG_DOMAINS 8
#define ORG_GRACE_MS (14 * STAMP_DAY_MS) /* between the order to delete and the end */

/* clang-format off */
#define ROLE_LIST(X)                        \
	X(USER, "atlassian/user")               \
	X(ADMIN, "atlassian/admin")             \
	X(GUEST, "atlassian/guest")             \
	X(CUSTOMER, "atlassian/customer")       \
	X(ACCESS_ADMIN, "atlassian/user-access-admin") \
	X(CONTRIBUTOR, "atlassian/contributor") \
	X(BASIC, "atlassian/basic")             \
	X(STAKEHOLDER, "atlassian/stakeholder") \
	X(ORG_ADMIN, "atlassian/org-admin")     \
	X(SITE_ADMIN, "atlassian/site-admin")   \
	X(AI_ACCESS, "atlassian/ai-access")
/* clang-format on */

enum role {
#define X(symbol, id) ROLE_##symbol,
	ROLE_LIST(X)
#undef X
		ROLE_COUNT
};

#define ROLE_BIT(role) ((uint16_t)(1u << (role)))
#define ROLES_BILLED (ROLE_BIT(ROLE_USER) | ROLE_BIT(ROLE_ADMIN))

const char *role_id(enum role role);
bool role_by_id(struct str id, enum role *ret);

enum account_type { TYPE_ATLASSIAN, TYPE_APP, TYPE_CUSTOMER };
enum account_life { LIFE_ACTIVE, LIFE_INACTIVE, LIFE_CLOSED };
enum membership { MEMBER_NONE, MEMBER_ACTIVE, MEMBER_SUSPENDED };
enum status {
	STATUS_ACTIVE,
	STATUS_SUSPENDED,
	STATUS_NOT_INVITED,
	STATUS_DEACTIVATED,
	STATUS_FOR_DELETION,
	STATUS_COUNT
};
enum source { SOURCE_UNKNOWN, SOURCE_INVITED, SOURCE_SYNCED };

const char *account_type_text(enum account_type type);
const char *account_life_text(enum account_life life);
const char *membership_text(enum membership m);
const char *status_text(enum status status);

/* Bits of account.platform. */
#define PLATFORM_ORG_ADMIN 0x01
#define PLATFORM_ACCESS_ADMIN 0x02
#define PLATFORM_AI_ACCESS 0x04
#define PLATFORM_SITE_ADMIN(site) ((uint8_t)(0x10u << (site)))
#define PLATFORM_SITE_ADMINS 0xf0

VEC(vec_u32, uint32_t);

struct account {
	const char *id;    /* all texts live in org.texts */
	const char *email; /* lower-case */
	const char *name;
	const char *nickname;
	const char *department;
	const char *job;
	const char *label; /* why it is in the population: "never-active", "orphan" ... */
	int64_t added_ms;
	int64_t deactivated_ms;            /* 0: is not */
	int64_t delete_ms;                 /* when deletion was ordered; 0: was not */
	int64_t last_ms[ORG_RESOURCES];    /* last activity; 0: never */
	uint16_t direct[ORG_RESOURCES];    /* role bits */
	struct vec_u32 groups;             /* indices, in the order they came */
	uint32_t number;                   /* its index */
	uint32_t tokens;                   /* first of its API tokens + 1; 0: none */
	uint16_t seats;                    /* bits of resources, kept by org_recount() */
	uint16_t lagging;                  /* changes that readers do not see yet */
	uint8_t member[ORG_DIRECTORIES];   /* enum membership */
	uint8_t platform;                  /* PLATFORM_ bits */
	uint8_t type, life, source;        /* enums above */
	bool managed, verified, mfa, gone; /* gone: taken away by a test */
	bool hidden; /* its profile hides the address: searches match it, no row shows it */
	UT_hash_handle hh_id, hh_email;
};

struct usergroup {
	char id[ENC_UUID_CHARS + 1];
	const char *name;
	const char *description;
	const char *managed_by;         /* external | admins | team-members | open */
	const char *type;               /* TEAM | GROUP | USERBASE_GROUP */
	uint16_t roles[ORG_RESOURCES];  /* role bits granted to members */
	int8_t defaults[ORG_RESOURCES]; /* enum role for which it is the default, or -1 */
	uint16_t billed;                /* bits of resources where it grants a seat */
	uint32_t number;                /* its index */
	uint32_t members;
	uint8_t directory;
	bool synced, modifiable, deletable, gone;
	int64_t shown_ms; /* from when searches find it */
	UT_hash_handle hh_id;
};

struct token {
	char id[24];
	const char *label;
	int64_t created_ms, used_ms, expires_ms; /* used 0: never */
	uint32_t account, next;                  /* next of the account + 1, or 0 */
	bool revoked;
};

struct product {
	const char *key;    /* in v2 answers and ARIs */
	const char *key_v1; /* in v1 answers */
	const char *name;
};
extern const struct product org_products[ORG_PRODUCTS];

struct site {
	char id[ENC_UUID_CHARS + 1];
	char name[32]; /* NAME.atlassian.net */
	uint8_t directory;
};

/* A product on a site: its number is site * ORG_PRODUCTS + product. */
struct resource {
	char ari[96];
	char label[48];   /* "jira@acme" */
	int64_t capacity; /* seats in the licence; 0: no limit */
	uint32_t used;
};

struct directory {
	char id[ENC_UUID_CHARS + 1];
	char name[48];
};

struct domain {
	char id[ENC_UUID_CHARS + 1];
	char name[128];
	bool verified;
};

/* A change that readers do not see yet. */
enum lag_kind { LAG_GROUP, LAG_ROLE, LAG_PLATFORM };
struct lag {
	int64_t shown_ms;
	uint32_t account;
	uint32_t what; /* a group, resource << 8 | role, or a platform bit */
	uint8_t kind;
	bool added;
};

VEC(vec_account, struct account *);
VEC(vec_group, struct usergroup *);
VEC(vec_token, struct token);
VEC(vec_lag, struct lag);
VEC(vec_text, char *);

struct org {
	char id[ENC_UUID_CHARS + 1];
	char name[64];
	unsigned directory_count, site_count, domain_count;
	struct directory directories[ORG_DIRECTORIES];
	struct site sites[ORG_SITES];
	struct resource resources[ORG_RESOURCES];
	struct domain domains[ORG_DOMAINS];
	struct vec_account accounts; /* never reordered; indices are for ever */
	struct vec_group groups;
	struct vec_token tokens;
	struct vec_lag lags;
	struct account *by_id, *by_email;
	struct usergroup *group_by_id;
	struct vec_text texts;
	size_t text_used; /* bytes of the last block of texts */
	int64_t lag_ms;
	uint32_t key_owner; /* the account that made the API key: cannot act on itself */
	uint32_t admin_group;
	uint64_t chance; /* state of the generator of ids */
	bool unpaid;     /* invites are answered 402 */
};

/* --- life ------------------------------------------------------------------------------ */

/* An empty organisation with its directories, sites and products. */
void org_init(struct org *org, const char *id, unsigned directories, unsigned sites,
	      uint64_t seed);
void org_done(struct org *org);

/* Copies a text into the organisation; NULL when memory is lost. "" is shared. */
const char *org_text(struct org *org, struct str text);

/* The next number of the organisation's own generator (splitmix64): same seed, same ids. */
uint64_t org_chance(struct org *org);
void org_uuid(struct org *org, char ret[ENC_UUID_CHARS + 1]);

int org_domain_add(struct org *org, const char *name, bool verified, struct err *err) MUST_USE;
bool org_domain_verified(const struct org *org, struct str email);

/* A new account, in no directory, with an id. Fault: CONFLICT if the address is taken. */
int org_account_add(struct org *org, const char *email, const char *name, int64_t now_ms,
		    uint32_t *ret, struct err *err) MUST_USE;
int org_email_set(struct org *org, uint32_t account, const char *email, struct err *err)
	MUST_USE;
int org_group_add(struct org *org, unsigned directory, const char *name,
		  const char *description, uint32_t *ret, struct err *err) MUST_USE;
void org_group_drop(struct org *org, uint32_t group); /* members leave it */
int org_token_add(struct org *org, uint32_t account, const char *label, int64_t created_ms,
		  int64_t used_ms, int64_t expires_ms, struct err *err) MUST_USE;

/* --- asking ---------------------------------------------------------------------------- */

bool org_account_by_id(const struct org *org, struct str id, uint32_t *ret);
bool org_account_by_email(const struct org *org, struct str email, uint32_t *ret);
/* Bare id, or with "ari:cloud:identity::group/" before it. */
bool org_group_by_id(const struct org *org, struct str id, uint32_t *ret);
bool org_group_by_name(const struct org *org, struct str name, uint32_t *ret);
bool org_directory_by_id(const struct org *org, struct str id, unsigned *ret);
bool org_resource_by_ari(const struct org *org, struct str ari, unsigned *ret);
/* By label "jira@acme", by ARI, or by product key on the first site. */
bool org_resource_by_label(const struct org *org, struct str label, unsigned *ret);
unsigned org_resource_count(const struct org *org);
unsigned org_resource_directory(const struct org *org, unsigned resource);
const struct product *org_resource_product(unsigned resource);

enum account_life org_life(const struct account *a, int64_t now_ms); /* grace over: closed */
enum membership org_membership(const struct org *org, const struct account *a);
enum status org_status(const struct org *org, const struct account *a, int64_t now_ms);
uint32_t org_admin_count(const struct org *org);

/* --- as readers see it ----------------------------------------------------------------- */

struct view {
	const uint32_t *groups;
	size_t group_count;
	uint16_t direct[ORG_RESOURCES];
	uint8_t platform;
	struct vec_u32 own; /* storage, where the truth is ahead */
};
/* Ends with org_view_done(). Lost memory shows the truth. */
void org_view(struct org *org, uint32_t account, int64_t now_ms, struct view *ret);
void org_view_done(struct view *view);

struct held {
	uint16_t direct, group, inferred; /* role bits */
};
/* The roles on one resource and how they came. */
struct held org_held(const struct org *org, const struct view *view, unsigned resource);
bool org_view_has_group(const struct view *view, uint32_t group);
/* Everything whose time has come is shown from now on. */
void org_lag_settle(struct org *org, int64_t now_ms);

/* --- changing: true when something changed --------------------------------------------- */

bool org_join(struct org *org, uint32_t account, uint32_t group, int64_t now_ms);
bool org_leave(struct org *org, uint32_t account, uint32_t group, int64_t now_ms);
bool org_is_member(const struct org *org, uint32_t account, uint32_t group); /* truth */
bool org_role(struct org *org, uint32_t account, unsigned resource, enum role role, bool on,
	      int64_t now_ms);
bool org_platform(struct org *org, uint32_t account, uint8_t bits, bool on, int64_t now_ms);
bool org_member_set(struct org *org, uint32_t account, unsigned directory, enum membership m);
bool org_life_set(struct org *org, uint32_t account, enum account_life life, int64_t now_ms);
bool org_group_role(struct org *org, uint32_t group, unsigned resource, enum role role,
		    bool on);
/* Takes the account out of a directory with its groups and direct roles there. */
bool org_remove(struct org *org, uint32_t account, unsigned directory, int64_t now_ms);

/* Counts this account's seats again. */
void org_recount(struct org *org, uint32_t account);
/* The seats it would take as it stands, were it active and in its directories. */
uint16_t org_seats_wanted(const struct org *org, const struct account *a);
/* The seats of resources in `mask` that it does not hold yet fit into the licences. On false
 * *resource is the first that does not. */
bool org_fits(const struct org *org, const struct account *a, uint16_t mask,
	      unsigned *resource);

#endif
