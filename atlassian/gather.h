/*
 * What the files of collecting share: the state of one collection, and what it does with lists.
 * collect.c is the door, gather_groups.c and gather_accounts.c read the two great lists,
 * gather_tokens.c the third, which goes on beside them.
 */
#ifndef ATLASSIAN_GATHER_H
#define ATLASSIAN_GATHER_H

#include "atlassian/collect.h"
#include "atlassian/page.h"
#include "atlassian/row.h"
#include "base/map.h"

#define GATHER_WINDOW_MOST 32
#define GATHER_HELD_MOST 1024 /* resources of one account; more is not believed */
/* Accounts that wait, as text, for the list of tokens to end; more are not read before it has.
 */
#define GATHER_WAIT_BYTES (16 << 20)
/* Of those who waited, so many are handed out for each one more that comes: all at once would
 * leave the network idle while they are written. */
#define GATHER_WAIT_STEP 4
/* Pages of tokens for each page of accounts, whose answer takes a round trip just so; twice as
 * many while more than half of the room for those who wait is taken. */
#define GATHER_TOKEN_PAGES 1
/* Requests of a kind that fail in a row: then it is not asked again. */
#define GATHER_FAILURES_MOST 10

/* A product on a site, by the id that grants use. */
struct gather_product {
	char *id, *key, *site;
	int64_t capacity;
	bool counted;
	UT_hash_handle hh;
};

struct gather_grant {
	struct gather_product *resource;
	char *role;
	bool is_default;
};
VEC(vec_gather_grant, struct gather_grant);

struct gather_group {
	char *id, *name, *directory;
	enum tri synced, modifiable, admin;
	bool roles_read;
	struct vec_gather_grant grants;
	UT_hash_handle hh;
};

/* When the tokens of an account were last used. */
struct gather_token {
	char *account;
	int64_t last_ms; /* ATL_ABSENT: it has tokens, none was used */
	UT_hash_handle hh;
};

/* A group whose roles were asked for. */
struct gather_group_ask {
	struct gather_group *group;
	struct atl_pages pages;
	char what[200];
};

/* An account whose roles were asked for. */
struct gather_user_ask {
	json_t *row;
	struct str directory; /* of c->directories */
	struct atl_pages pages;
	char what[200];
};

/* An account read while the list of tokens, which its row tells of, was not at its end. */
struct gather_waiting {
	char *row;            /* JSON: what atl_user_read() looks at */
	char *roles;          /* JSON: pages of its roles; NULL: not asked for */
	bool roles_whole;     /* all of these pages came */
	struct str directory; /* of c->directories */
	size_t bytes;
};
VEC(vec_gather_waiting, struct gather_waiting);

/* What an account may use, by way of its groups. */
struct gather_held {
	struct gather_product *resource;
	enum tri billable; /* of its best role */
	bool shown;        /* by the account's own role assignments too */
};

struct gather {
	struct atl_client *client;
	const struct atl_options *o;
	const struct atl_sink *sink;
	struct atl_result *result;
	int64_t now_ms;
	struct vec_atl_id directories;
	struct gather_product *resources; /* by id */
	struct gather_group *groups;      /* by id */
	struct gather_token *tokens;      /* by account */
	struct atl_pages token_pages;
	bool tokens_open; /* their list goes on beside the others */
	bool tokens_told; /* all of it */
	struct vec_gather_waiting waiting;
	size_t waiting_at, waiting_bytes; /* the first that still waits; texts of all that do */
	struct atl_seen *seen, *seen_here;
	struct gather_group_ask group_asks[GATHER_WINDOW_MOST];
	struct gather_user_ask user_asks[GATHER_WINDOW_MOST];
	unsigned window, first, asked; /* a ring: first..first+asked */
	struct gather_held held[GATHER_HELD_MOST];
	size_t held_count, held_any; /* billable or not */
	bool held_known;             /* every group of it is known */
	unsigned group_failures, role_failures, active_failures; /* in a row */
	int64_t expected;
	/* whether the next read may go on where this one stopped (atlassian/kept.h) */
	bool stale;  /* a cursor that was kept is not taken any more */
	bool paused; /* a great list broke off because Atlassian was away or busy */
	bool unfit;  /* something came that is not as it should be: to be read anew */
};

/* --- telling what is missing -------------------------------------------------------------- */

/* parts (ATL_PART_*) are not whole, for that reason. */
void gather_lack(struct gather *c, unsigned parts, const char *why);
/* A read failed: the parts that rest on it are not whole. What ends everything (lost memory,
 * a client that stops) is passed on in *ret; else 0. */
int gather_failed(struct gather *c, unsigned parts, int r, const struct err *err,
		  struct err *ret) MUST_USE;
/* ATL_STALE of a list: the collection ends, and is to begin anew. Returns the fault. */
int gather_stale(struct gather *c, const struct err *why, struct err *err) MUST_USE;
int gather_stopped(const struct gather *c, struct err *err) MUST_USE;
enum tri gather_tri(const json_t *j, const char *key);

/* --- lists -------------------------------------------------------------------------------- */

typedef int (*gather_row_fn)(struct gather *c, const json_t *row, struct err *err);
/* Reads p to its end; a failed page makes parts incomplete, and is the end. */
int gather_walk(struct gather *c, struct atl_pages *p, unsigned parts, gather_row_fn fn,
		struct err *err) MUST_USE;
/* As gather_walk(), and the list is ended; opened is what opening it answered. */
int gather_walk_opened(struct gather *c, struct atl_pages *p, int opened, const struct err *why,
		       unsigned parts, gather_row_fn fn, struct err *err) MUST_USE;
/* What Atlassian counts, before the list is read; -1 when it could not be asked for, which
 * makes parts incomplete. */
int gather_count_first(struct gather *c, struct str directory, const char *things,
		       const char *query, unsigned parts, int64_t *ret, struct err *err)
	MUST_USE;
/* Holds the rows that were read against it, asking again where they differ. */
int gather_counted(struct gather *c, struct str directory, const char *things,
		   const char *query, int64_t before, int64_t rows, unsigned parts,
		   struct err *err) MUST_USE;
/* Where the list itself tells how many rows it has. */
void gather_total_check(struct gather *c, const struct atl_pages *p, unsigned parts);

/* --- products ----------------------------------------------------------------------------- */

/* A resource that was not told yet; *ret is the gather's. capacity: ATL_ABSENT where untold. */
int gather_product_add(struct gather *c, struct str id, struct str key, struct str site,
		       int64_t capacity, struct gather_product **ret, struct err *err) MUST_USE;
/* NULL if no list had it. */
struct gather_product *gather_product_find(struct gather *c, struct str id);
/* The product that a group grants; one that no list knew is added. NULL for what is no product
 * (the organisation, the platform). */
int gather_product_of_grant(struct gather *c, struct str id, struct gather_product **ret,
			    struct err *err) MUST_USE;
void gather_product_free(struct gather_product *r);
OWNED(struct gather_product, gather_product_free)

/* --- API tokens --------------------------------------------------------------------------- */

/* Asks for the first page of the list of every token. */
int gather_tokens_open(struct gather *c, struct err *err) MUST_USE;
/* Takes its next page; after the last one, or a failed one, it is no longer open. */
int gather_tokens_step(struct gather *c, struct err *err) MUST_USE;
/* tokens and token_active_ms of an account's row. The list is not open. */
void gather_tokens_of(const struct gather *c, struct atl_account *row);
void gather_tokens_done(struct gather *c);

/* --- groups and accounts ------------------------------------------------------------------ */

/* Reads the groups of a directory and what each gives. A list that breaks off is no fault: its
 * parts are not whole. */
int gather_groups_of(struct gather *c, struct str directory, struct err *err) MUST_USE;
int gather_groups_emit(struct gather *c, struct err *err) MUST_USE;
void gather_group_free(struct gather_group *g);
OWNED(struct gather_group, gather_group_free)
/* Members of users/search that are looked at; NULL ends them. */
extern const char *const gather_user_members[];
int gather_users_of(struct gather *c, struct str directory, struct err *err) MUST_USE;
/* So many more pages of tokens; SIZE_MAX: all, and then everybody who waited. */
int gather_beside(struct gather *c, size_t pages, struct err *err) MUST_USE;
void gather_waiting_done(struct gather *c);
/* Managed accounts that are in no directory. */
int gather_outside(struct gather *c, struct err *err) MUST_USE;

#endif
