/*
 * Facts: everything that a round knows when it judges, frozen at one moment.
 *
 * The store fills them row by row (facts_new, facts_add_..., facts_seal); reconcile reads them
 * and nothing else. Rows may come in any order: the same rows make the same plan, byte for
 * byte. A million persons, a million accounts and eight million memberships fit into one GiB.
 *
 * ZERO IS UNKNOWN, everywhere: a field that nobody filled is unknown, and unknown never acts.
 * Absent must be said: FACT_ABSENT for times, TRI_NO, facts_set_absent() for cells.
 *
 * Texts handed in are copied (interned). Row numbers are returned in *ret and name the row in
 * later calls. Every builder faults with NOMEM, LIMIT, or INTERNAL for a row that names another
 * which does not exist. One thread while filling; after facts_seal() immutable and shareable.
 */
#ifndef MODEL_SNAPSHOT_H
#define MODEL_SNAPSHOT_H

#include "base/stamp.h"
#include "model/frame.h"
#include "model/owned.h"
#include "model/path.h"
#include "model/plan.h"
#include "model/provision.h"
#include "model/query.h"

#define FACTS_NONE UINT32_MAX /* no row */
#define FACTS_SALT_BYTES 16

/* Times are wall ms. 0 (unknown) and -1 (known not to be) are no times. */
#define FACT_UNKNOWN 0LL
#define FACT_ABSENT (-1LL)

/* --- columns: the attributes of records that rules, matching and protections name --------- */

enum column_type {
	COLUMN_TEXT,
	COLUMN_BOOL,
	COLUMN_INT,  /* integers and decimals (decimals cut) */
	COLUMN_TIME, /* dateTime in ms */
	COLUMN_DATE, /* a civil date as its midnight UTC in ms */
};

struct facts_column {
	char *text; /* canonical path: "userName", "emails.value", "urn:...:User:department" */
	char *urn;  /* of an extension, else NULL */
	char *name; /* "emails" */
	char *sub;  /* "value" or NULL */
	enum column_type type;
	bool multi; /* name is multi-valued: cells are lists, one entry per element,
		       FRAME_ABSENT where an element lacks sub; columns of the same name are
		       aligned */
};
VEC(facts_columns, struct facts_column);

/*
 * Made by policy_bind() (reconcile/policy.h) and handed to facts_new(); slot numbers in bound
 * queries are indexes into it. facts_columns_want() returns the index of an equal column if
 * there is one. path must have been resolved against the User schemas (attr set) or is taken as
 * text.
 */
int facts_columns_want(struct facts_columns *c, const struct path *path, uint32_t *ret,
		       struct err *err) MUST_USE;
/* By canonical text, ASCII case ignored; FACTS_NONE if it is not projected. */
uint32_t facts_columns_find(const struct facts_columns *c, struct str text);
int facts_columns_copy(struct facts_columns *ret, const struct facts_columns *from,
		       struct err *err) MUST_USE;
void facts_columns_free(struct facts_columns *c);

/* --- the round ---------------------------------------------------------------------------- */

enum org_mode { ORG_OBSERVE, ORG_PROPOSE, ORG_ACT };

struct facts_round {
	struct str org;  /* the organisation's name in the config: stands in plans */
	struct str zone; /* the instance's time zone; empty is UTC */
	int64_t now_ms;
	enum org_mode mode;
	uint64_t next_person;   /* the first free ledger number for persons */
	int64_t armed_ms;       /* first arm; FACT_ABSENT if never */
	bool org_complete;      /* users, groups, roles were all read to their end */
	bool org_stale;         /* the newest of these reads is too old */
	bool org_plausible;     /* counts within bounds of the last accepted read */
	bool org_identity_same; /* the organisation's id is the one we were armed for */
	bool foreign_write;     /* a write under our key that our journal does not know */
	bool hand_approval;     /* restored or told so: nothing is automatic */
	uint64_t org_admins;    /* active administrators of the whole organisation, where these
				   facts are of one person only; 0: count those of these facts */
	struct str org_doubt;   /* a sentence for whichever of these is bad */
};

/* --- sources -------------------------------------------------------------------------------
 */

enum source_role { SOURCE_HR, SOURCE_DIRECTORY, SOURCE_IDP, SOURCE_ROLE_COUNT };
enum source_kind { SOURCE_PULL, SOURCE_PUSH };

/* What is wrong with a source's newest read; each is a guard of reconcile/guard.h. */
enum source_doubt {
	DOUBT_INCOMPLETE = 1,  /* the read did not reach its end */
	DOUBT_IMPLAUSIBLE = 2, /* below the minimum, dropped too far, empty */
	DOUBT_STALE = 4,       /* the newest accepted read is too old */
	DOUBT_SCHEMA = 8,      /* attributes vanished or changed their form */
	DOUBT_CANARY = 16,     /* a canary was not seen */
	DOUBT_IDENTITY = 32,   /* another directory answers under the same address */
};

struct facts_source {
	struct str name; /* unique */
	enum source_role role;
	enum source_kind kind;
	bool ready;    /* push: declared ready; pull: has an accepted read. Not ready: does not
			  count, as if it did not exist */
	bool accepted; /* the newest read was accepted; a push source: true */
	unsigned doubts; /* enum source_doubt, ored; not accepted with 0 counts as INCOMPLETE */
	struct str doubt_text; /* a sentence: "page 3 of ou=people was cut off" */
	int64_t accepted_ms;   /* when the newest accepted read ended; push: the last event */
};

/* Sources are added in the order of trust: the first is believed first. */

/* --- records: one source's view of somebody ------------------------------------------------
 */

enum record_state {
	RECORD_UNKNOWN,
	RECORD_ACTIVE,   /* also while missing from one or two reads: not yet gone */
	RECORD_DISABLED, /* the source says so; stays so if it is deleted afterwards */
	RECORD_GONE,     /* pull: absent as law 1 demands */
	RECORD_ENDED,    /* push: active:false or DELETE */
};

struct facts_record {
	uint32_t source;        /* row of facts_add_source() */
	struct str key;         /* immutable id within the source */
	struct str issuer;      /* whose id .external_id is; empty: the source's name */
	struct str external_id; /* SCIM externalId; matched only within issuer */
	uint64_t person;        /* ledger number; 0: not linked yet */
	enum record_state state;
	int64_t since_ms;      /* since when .state holds (disabled_since, absent_since, ...) */
	uint32_t absent_reads; /* for findings */
	bool doubtful;         /* sits in the doubt queue, unresolved */
	uint64_t name;         /* facts_name() by which entries of its source mean it (of a
				  directory: its DN); 0: none */
};

/* Names of entries are long, and only compared: this much of a digest stands for one. Never 0.
 */
uint64_t facts_name(struct str name);

/* --- persons -------------------------------------------------------------------------------
 */

struct facts_person {
	uint64_t number;                      /* the ledger's, > 0 */
	unsigned char salt[FACTS_SALT_BYTES]; /* of this person, random, erasable */
};

/* --- Atlassian -----------------------------------------------------------------------------
 */

struct facts_account {
	struct str id;   /* accountId */
	uint64_t number; /* the ledger's number for it, > 0: what plans name */
	unsigned char salt[FACTS_SALT_BYTES]; /* for plans about accounts without a person */
	struct str directory;   /* directoryId in which it is suspended and restored */
	struct str email, name; /* empty: not told */
	struct str external_id; /* of Atlassian's SCIM directory; empty: none */
	struct str issuer;      /* the source whose ids .external_id holds; empty: not known */
	enum account_status status;
	int64_t status_since_ms; /* when we first saw this status */
	enum account_type type;
	enum tri managed;        /* claimStatus */
	enum tri synced;         /* managementSource synced: belongs to an external directory */
	enum tri can_disable;    /* lifecycle.enablement.allowed; UNKNOWN: judge by .synced, and
				    the    applier asks before it acts */
	enum tri accepted;       /* TRI_NO: invited and never accepted */
	enum tri admin;          /* any platform role, or in an admin group */
	enum tri org_admin;      /* counts for "the last admin" */
	enum tri paths_known;    /* all its groups and roles were read: TRI_YES to free seats */
	int64_t added_ms;        /* addedToOrg */
	int64_t token_active_ms; /* newest use of an API token; FACT_ABSENT: none, or tokens are
				    not collected; UNKNOWN: collecting failed */
	enum tri tokens;         /* has live API tokens; UNKNOWN is fine: the applier lists */
	bool own_credential;     /* the creator of the key we use, or the account itself */
	uint64_t person;         /* linked by the ledger; 0: not */
	struct str linked_by;    /* name of the match rule, or "hand" */
	bool adopted;            /* by hand, or by a match rule that a person approved */
	bool doubtful;           /* sits in the doubt queue, unresolved */
};

/* A product on a site; few. */
struct facts_product {
	struct str key;      /* "jira", "confluence", "jira-servicedesk" */
	struct str site;     /* "acme" or its host name */
	struct str resource; /* ARI or workspace id, for role calls */
	int64_t capacity;    /* seats in the licence; 0: not told */
};

struct facts_seat {
	uint32_t account, product;
	int64_t last_active_ms; /* FACT_ABSENT: known never used; UNKNOWN: 429, not read */
	int64_t added_ms;       /* when the seat began; UNKNOWN: the account's is taken */
};

struct facts_group {
	struct str id, name;
	struct str directory; /* directoryId */
	enum tri synced;      /* managed outside: read-only */
	enum tri modifiable;  /* managementAccess.modifiable */
	enum tri admin;       /* gives a platform role */
};

struct facts_grant {
	uint32_t group, product;
	struct str role;     /* "atlassian/user" */
	enum tri is_default; /* the product's default group: joiners are put back */
	enum tri billable;   /* TRI_NO for customer, basic, ...: gives no seat */
};

enum role_method { ROLE_DIRECT, ROLE_INFERRED };

struct facts_role {
	uint32_t account, product;
	struct str role;
	enum role_method method; /* INFERRED: implied by an admin role, cannot be revoked */
	enum tri billable;
};

/* --- the provisioning directory: what the organisation has been told by SCIM ---------------
 */

struct facts_provision {
	struct str directory; /* its id at Atlassian */
	struct str issuer;    /* the source whose ids its externalIds are; empty: not told */
	bool read;            /* the newest read was complete: else it says nothing */
	struct str doubt;     /* a sentence, where it was not */
};

struct facts_scim_user {
	struct str id;          /* of the record: address for changes */
	struct str external_id; /* as whoever provisions gave it; empty: none */
	struct str account;     /* accountId that the record is linked to; empty: none */
	enum tri active;
	struct str attrs[PROVISION_ATTR_COUNT]; /* empty: has none */
};

struct facts_scim_group {
	struct str id, name;
};

/* --- what people decided -------------------------------------------------------------------
 */

enum protection_kind {
	PROTECT_EXEMPTION,
	PROTECT_SERVICE_ACCOUNT,
	PROTECT_OPERATOR,
	PROTECT_SOLE_ROLE,
	PROTECT_LEGAL_HOLD, /* stops deletion and anonymisation only */
	PROTECT_LEAVE,      /* stops inactivity rules */
	PROTECT_KIND_COUNT
};

struct facts_protection {
	enum protection_kind kind;
	uint64_t person;  /* or 0 */
	uint32_t account; /* or FACTS_NONE; one of the two */
	struct str rule;  /* only against this rule; empty: every rule */
	struct str owner, reason;
	int64_t from_ms, until_ms; /* FACT_ABSENT: no bound on that side */
};

/* A bar: this rule may not act on this person (set by undo, by hand, by an appeal). */
struct facts_bar {
	uint64_t person;          /* or 0 */
	uint32_t account;         /* or FACTS_NONE */
	struct str rule;          /* empty: every rule */
	struct str product, site; /* only about this seat; empty: about all */
	struct str by, reason;
	int64_t at_ms;
};

/* --- what happened before ------------------------------------------------------------------
 */

/* A step of a rule's ladder that was done (also: a warning that was sent). */
struct facts_progress {
	uint32_t account;
	uint32_t product; /* seats; else FACTS_NONE */
	struct str rule;
	enum action_kind kind;
	int64_t done_ms;
	uint32_t times; /* how often we did it; 0: it was so already */
};

/* A group that a rule about leavers took from an account. */
struct facts_former {
	uint32_t account;
	struct str group; /* its id; the group need not be there any more */
	int64_t taken_ms;
};

/* A subject that an applied (or approved and running) action counted in a window. */
struct facts_counted {
	enum plan_class class;
	uint64_t person;          /* ledger number; 0: nobody's */
	uint64_t account;         /* ledger number */
	struct str product, site; /* seats; else empty */
	struct str rule;          /* that it was done by; may be empty */
	int64_t at_ms;            /* rows of the last seven days are enough */
};

/*
 * Two that a person told apart: a record, and another record or (account set) an account. What
 * they have in common does not make them one, nor a doubt. Who is not in the facts is passed
 * over.
 */
struct facts_apart {
	struct str source, key;
	uint64_t account;                   /* ledger number; 0: another record */
	struct str other_source, other_key; /* of that record */
};

/* An action of a plan that is not finished: approved and not yet done, or only planned. */
struct facts_open {
	uint64_t plan;
	uint32_t n; /* the action's n within it */
	enum plan_urgency urgency;
	enum action_kind kind;
	struct str rule;
	uint64_t person;          /* ledger number; 0: nobody's */
	uint64_t account;         /* ledger number; 0: a provisioning record alone */
	struct str product, site; /* seats; else empty */
	bool approved;            /* approved, unexpired */
	bool started;
};

/* --- what accounts own on sites, and who may receive it ------------------------------------
 */

/* A site on which hand-over is possible: it is configured. */
struct facts_site {
	struct str host;
	uint32_t queue; /* account that gets what nobody else can have, or FACTS_NONE */
};

/* That the inventory of an account was read; without a row it is unknown. */
struct facts_inventory {
	uint32_t account;
	int64_t read_ms;
	bool whole;
};

struct facts_owned {
	uint32_t account;
	enum owned_kind kind;
	struct str site; /* host */
	struct str id;
	struct str project; /* key; empty: in none */
	uint32_t lead;      /* account that leads that project, or FACTS_NONE */
	bool unseen;        /* was not shown to us when it was to be given */
};

/* Atlassian does not let that account have one thing of another's. */
struct facts_refusal {
	uint32_t account, receiver;
	enum owned_kind kind;
	struct str site, id;
};

/* What we took and somebody else gave back: one row for each deed of ours. */
struct facts_return {
	uint32_t account;
	uint32_t product; /* or FACTS_NONE */
	enum action_kind kind;
	int64_t taken_ms, at_ms;
	uint64_t by; /* the store's number of the account that gave it; 0: not known */
};

/* Who was named to receive what a person owns: an account of this organisation, the person
 * whose accounts are meant, or both. */
struct facts_heir {
	uint64_t person;  /* ledger number */
	uint32_t account; /* of this organisation, or FACTS_NONE */
	uint64_t heir;    /* ledger number; 0: not known */
};

struct facts; /* fields below, for reconcile; the store needs only these: */

/* columns is copied. *ret is new and the caller's to facts_free(). */
int facts_new(const struct facts_columns *columns, const struct facts_round *round,
	      struct facts **ret, struct err *err) MUST_USE;
void facts_free(struct facts *f);
OWNED(struct facts, facts_free)

int facts_add_source(struct facts *f, const struct facts_source *row, uint32_t *ret,
		     struct err *err) MUST_USE;

/* A new record's cells are all unknown. */
int facts_add_record(struct facts *f, const struct facts_record *row, uint32_t *ret,
		     struct err *err) MUST_USE;
/* The row says something newer; its cells are all unknown again. Before sealing. */
int facts_replace_record(struct facts *f, uint32_t record, const struct facts_record *row,
			 struct err *err) MUST_USE;
/* The row says nothing any more and goes when the facts are sealed; it is not named again. */
void facts_drop_record(struct facts *f, uint32_t record);
int facts_set_absent(struct facts *f, uint32_t record, uint32_t column, struct err *err)
	MUST_USE;
int facts_set_text(struct facts *f, uint32_t record, uint32_t column, struct str value,
		   struct err *err) MUST_USE;
/* BOOL 0 or 1, INT, TIME and DATE in ms. */
int facts_set_number(struct facts *f, uint32_t record, uint32_t column, int64_t value,
		     struct err *err) MUST_USE;
/* For multi columns: n texts; one with p NULL is an element that lacks the sub-attribute. */
int facts_set_list(struct facts *f, uint32_t record, uint32_t column, const struct str *values,
		   size_t n, struct err *err) MUST_USE;
/* The same out of ready cells (facts_number_cell, pool numbers), for lists of numbers. */
int facts_set_cells(struct facts *f, uint32_t record, uint32_t column, const uint32_t *cells,
		    size_t n, struct err *err) MUST_USE;
int facts_number_cell(struct facts *f, int64_t value, uint32_t *ret, struct err *err) MUST_USE;
/* All cells of a record out of its SCIM document: model/project.h. */

int facts_add_person(struct facts *f, const struct facts_person *row, struct err *err) MUST_USE;
/* An address (any case) that belongs or once belonged to a person. */
int facts_add_address(struct facts *f, struct str address, uint64_t person, struct err *err)
	MUST_USE;
/* A match rule that a person approved (`leaverd match approve RULE`). */
int facts_add_match_approved(struct facts *f, struct str rule, struct err *err) MUST_USE;

int facts_add_account(struct facts *f, const struct facts_account *row, uint32_t *ret,
		      struct err *err) MUST_USE;
int facts_add_product(struct facts *f, const struct facts_product *row, uint32_t *ret,
		      struct err *err) MUST_USE;
int facts_add_seat(struct facts *f, const struct facts_seat *row, uint32_t *ret,
		   struct err *err) MUST_USE;
int facts_add_group(struct facts *f, const struct facts_group *row, uint32_t *ret,
		    struct err *err) MUST_USE;
int facts_add_grant(struct facts *f, const struct facts_grant *row, struct err *err) MUST_USE;
int facts_add_membership(struct facts *f, uint32_t account, uint32_t group, struct err *err)
	MUST_USE;
/* All at once, (account, group) each, in any order: v is taken over, and is empty then. Only
 * where none was added. */
int facts_take_memberships(struct facts *f, struct vec_pair *v, struct err *err) MUST_USE;
int facts_add_role(struct facts *f, const struct facts_role *row, struct err *err) MUST_USE;
/*
 * Accounts, products, seats, groups, grants and roles of part, which another thread may have
 * filled, become those of f, with the numbers that they have there. Only where f has none yet
 * and neither is sealed. part is good for nothing but facts_free() then, whatever came of it.
 */
int facts_take_org(struct facts *f, struct facts *part, struct err *err) MUST_USE;

/* Without it there is no provisioning directory. */
int facts_set_provision(struct facts *f, const struct facts_provision *row, struct err *err)
	MUST_USE;
int facts_add_scim_user(struct facts *f, const struct facts_scim_user *row, uint32_t *ret,
			struct err *err) MUST_USE;
int facts_add_scim_group(struct facts *f, const struct facts_scim_group *row, uint32_t *ret,
			 struct err *err) MUST_USE;
int facts_add_scim_member(struct facts *f, uint32_t user, uint32_t group, struct err *err)
	MUST_USE;
/* A member whose group was first seen then not to want it any more. */
int facts_add_scim_ceased(struct facts *f, uint32_t user, uint32_t group, int64_t ceased_ms,
			  struct err *err) MUST_USE;

int facts_add_protection(struct facts *f, const struct facts_protection *row, struct err *err)
	MUST_USE;
int facts_add_bar(struct facts *f, const struct facts_bar *row, struct err *err) MUST_USE;
/* An announced leaver (`leaverd expect`): not counted by limits. */
int facts_add_expected(struct facts *f, uint64_t person, struct err *err) MUST_USE;

int facts_add_progress(struct facts *f, const struct facts_progress *row, struct err *err)
	MUST_USE;
int facts_add_former(struct facts *f, const struct facts_former *row, struct err *err) MUST_USE;
int facts_add_counted(struct facts *f, const struct facts_counted *row, struct err *err)
	MUST_USE;
int facts_add_apart(struct facts *f, const struct facts_apart *row, struct err *err) MUST_USE;
int facts_add_open(struct facts *f, const struct facts_open *row, struct err *err) MUST_USE;

int facts_add_site(struct facts *f, const struct facts_site *row, struct err *err) MUST_USE;
int facts_add_inventory(struct facts *f, const struct facts_inventory *row, struct err *err)
	MUST_USE;
int facts_add_owned(struct facts *f, const struct facts_owned *row, struct err *err) MUST_USE;
int facts_add_refusal(struct facts *f, const struct facts_refusal *row, struct err *err)
	MUST_USE;
int facts_add_return(struct facts *f, const struct facts_return *row, struct err *err) MUST_USE;
int facts_add_heir(struct facts *f, const struct facts_heir *row, struct err *err) MUST_USE;

/*
 * Sorts, removes equal memberships, grants and roles, and indexes. Fault: INVALID_VALUE naming
 * two rows that claim the same key (an accountId, an account number, a person number, a record
 * key of one source, a group id, a product on a site), and NOMEM. Call once, last.
 */
int facts_seal(struct facts *f, struct err *err) MUST_USE;

/* Bytes held, for the bench and `doctor`. */
size_t facts_bytes(const struct facts *f);

/* --- inside: for reconcile -----------------------------------------------------------------
 */

struct row_source {
	struct facts_source in; /* texts borrowed from the pool */
	uint32_t name, doubt_text;
};

struct row_record {
	uint64_t person, name;
	int64_t since_ms;
	uint32_t source, key, issuer, external_id, absent_reads;
	uint8_t state;
	bool doubtful;
};

struct row_person {
	uint64_t number;
	unsigned char salt[FACTS_SALT_BYTES];
};

struct row_account {
	uint64_t number, person;
	int64_t status_since_ms, added_ms, token_active_ms;
	uint32_t id, directory, email, name, external_id, issuer, linked_by;
	uint8_t status, type;
	uint8_t managed, synced, can_disable, accepted, admin, org_admin, paths_known, tokens;
	uint32_t scim_user; /* sealed: row of its record in the provisioning directory + 1; 0 */
	bool own_credential, adopted, doubtful;
	unsigned char salt[FACTS_SALT_BYTES];
};

struct row_product {
	int64_t capacity;
	uint32_t key, site, resource;
};

struct row_seat {
	int64_t last_active_ms, added_ms;
	uint32_t account, product;
};

struct row_group {
	uint32_t id, name, directory;
	uint8_t synced, modifiable, admin;
};

struct row_grant {
	uint32_t group, product, role;
	uint8_t is_default, billable;
};

struct row_role {
	uint32_t account, product, role;
	uint8_t method, billable;
};

struct row_scim_user {
	uint32_t id, external_id, account_id;
	uint32_t account; /* sealed: row, or FACTS_NONE */
	uint32_t attrs[PROVISION_ATTR_COUNT];
	uint8_t active;
};

struct row_scim_group {
	uint32_t id, name;
};

struct row_scim_ceased {
	int64_t ceased_ms;
	uint32_t user, group;
};

struct row_protection {
	uint64_t person;
	int64_t from_ms, until_ms;
	uint32_t account, rule, owner, reason;
	uint8_t kind;
};

struct row_bar {
	uint64_t person;
	int64_t at_ms;
	uint32_t account, rule, by, reason;
	uint32_t product, site; /* texts; of a product that is empty: not about a seat */
};

struct row_progress {
	int64_t done_ms;
	uint32_t account, product, rule, times;
	uint8_t kind;
};

struct row_former {
	int64_t taken_ms;
	uint32_t account, group; /* group: a text of the pool */
};

struct row_counted {
	uint64_t person, account;
	int64_t at_ms;
	uint32_t product, site, rule;
	uint8_t class;
};

struct row_open {
	uint64_t plan, person, account;
	uint32_t n, rule, product, site;
	uint8_t urgency, kind;
	bool approved, started;
};

struct row_address {
	uint64_t person;
	uint32_t folded;
};

struct row_apart {
	uint64_t account;
	uint32_t source, key, other_source, other_key;
};

struct row_site {
	uint32_t host, queue;
};

struct row_inventory {
	int64_t read_ms;
	uint32_t account;
	bool whole;
};

struct row_owned {
	uint32_t account, site, id, project, lead;
	uint8_t kind;
	bool unseen;
};

struct row_refusal {
	uint32_t account, receiver, site, id;
	uint8_t kind;
};

struct row_heir {
	uint64_t person, heir;
	uint32_t account;
};

VEC(vec_row_site, struct row_site);
VEC(vec_row_inventory, struct row_inventory);
VEC(vec_row_owned, struct row_owned);
VEC(vec_row_refusal, struct row_refusal);
VEC(vec_row_return, struct facts_return);
VEC(vec_row_heir, struct row_heir);
VEC(vec_row_source, struct row_source);
VEC(vec_row_record, struct row_record);
VEC(vec_row_person, struct row_person);
VEC(vec_row_account, struct row_account);
VEC(vec_row_product, struct row_product);
VEC(vec_row_seat, struct row_seat);
VEC(vec_row_group, struct row_group);
VEC(vec_row_grant, struct row_grant);
VEC(vec_row_role, struct row_role);
VEC(vec_row_scim_user, struct row_scim_user);
VEC(vec_row_scim_group, struct row_scim_group);
VEC(vec_row_scim_ceased, struct row_scim_ceased);
VEC(vec_row_protection, struct row_protection);
VEC(vec_row_bar, struct row_bar);
VEC(vec_row_progress, struct row_progress);
VEC(vec_row_former, struct row_former);
VEC(vec_row_counted, struct row_counted);
VEC(vec_row_open, struct row_open);
VEC(vec_row_address, struct row_address);
VEC(vec_row_apart, struct row_apart);
VEC(vec_u64, uint64_t);

struct facts {
	struct facts_round round; /* its texts are copies of its own */
	struct facts_columns columns;
	struct pool pool;
	struct vec_u32 *cells; /* columns.n of them, each one cell per record: FRAME_UNKNOWN,
				  FRAME_ABSENT, else FRAME_FIRST + ... of a text (its pool
				  number itself), a number (index in numbers), a list (index in
				  lists: n, then the elements' cells) */
	struct vec_i64 numbers;
	struct vec_u32 lists;

	struct vec_row_source sources;    /* in order of trust */
	struct vec_row_record records;    /* in order of adding: cells go by row */
	struct vec_row_person persons;    /* sealed: by number */
	struct vec_row_address addresses; /* sealed: by folded text's number, then person */
	struct vec_u32 match_approved;

	struct vec_row_account accounts; /* in order of adding */
	struct vec_row_product products;
	struct vec_row_seat seats; /* sealed: by account, product */
	struct vec_row_group groups;
	struct vec_row_grant grants; /* sealed: by group, product */
	struct vec_pair members;     /* (account, group); sealed: sorted, no doubles */
	struct vec_row_role roles;   /* sealed: by account, product */

	bool provisioned, provision_read;
	uint32_t provision_directory, provision_issuer, provision_doubt;
	struct vec_row_scim_user scim_users;
	struct vec_row_scim_group scim_groups;
	struct vec_pair scim_members;           /* (user, group); sealed: sorted, no doubles */
	struct vec_row_scim_ceased scim_ceased; /* sealed: by user, group */

	struct vec_row_protection protections; /* sealed: by account, person */
	struct vec_row_bar bars;               /* sealed: by account, person */
	struct vec_u64 expected;               /* sealed: sorted */
	struct vec_row_progress progress;      /* sealed: by account */
	struct vec_row_former former;          /* sealed: by account, group, the newest first */
	struct vec_row_counted counted;
	struct vec_row_open open; /* sealed: by account */
	struct vec_row_apart apart;

	struct vec_row_site sites;          /* sealed: by host */
	struct vec_row_inventory inventory; /* sealed: by account */
	struct vec_row_owned owned;         /* sealed: by account, site, kind, id */
	struct vec_row_refusal refusals;    /* sealed: by their numbers */
	struct vec_row_return returns;      /* sealed: by account, kind, product, time */
	struct vec_row_heir heirs;          /* sealed: by person */

	/* sealed: where the rows of an account (a group) begin; n + 1 entries each */
	uint32_t *seat_at, *member_at, *role_at, *grant_at;
	uint32_t *account_by_number; /* account rows, sorted by ledger number */
	bool sealed;
};

/* Row of an account by ledger number, of a person by number, of a product; FACTS_NONE. */
uint32_t facts_account_by_number(const struct facts *f, uint64_t number);
uint32_t facts_person_by_number(const struct facts *f, uint64_t number);
uint32_t facts_product_find(const struct facts *f, struct str key, struct str site);
/* The inventory of an account, NULL: unknown; who is named for a person, NULL: nobody. */
const struct row_inventory *facts_inventory_of(const struct facts *f, uint32_t account);
const struct row_heir *facts_heir_of(const struct facts *f, uint64_t person);
/* When that group was first seen not to want that member any more; 0: it was not. */
int64_t facts_scim_ceased(const struct facts *f, uint32_t user, uint32_t group);
/* Whether Atlassian refused that receiver one thing of an account. */
bool facts_refused(const struct facts *f, const struct row_owned *o, uint32_t receiver);
/* First row of what an account owns, and how many there are. */
const struct row_owned *facts_owned_of(const struct facts *f, uint32_t account, size_t *count);

/*
 * What a record says in a column: its state, and for a single value its text or number. A list
 * tells its length in *count (and state PRESENT also when it is 0 long).
 */
enum value_state facts_cell(const struct facts *f, uint32_t record, uint32_t column,
			    uint32_t *ret);
enum value_state facts_text(const struct facts *f, uint32_t record, uint32_t column,
			    struct str *ret);
enum value_state facts_number(const struct facts *f, uint32_t record, uint32_t column,
			      int64_t *ret);

#endif
