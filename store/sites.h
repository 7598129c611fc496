/*
 * Sites of organisations: what each said of its products when it was last read, and what
 * accounts own there, with who is to receive it.
 *
 * Titles of what is owned are personal: persons_forget() takes the rows away with everything
 * else.
 */
#ifndef STORE_SITES_H
#define STORE_SITES_H

#include "store/db.h"

/* --- what a site says --- */

struct site_product_row {
	struct str site, product;
	int64_t seats, left, used; /* -1: unlimited, -2: not told */
	struct str plan;           /* "" not told */
	int64_t members;           /* distinct accounts in granting groups; -2: not read */
	int64_t customers;         /* of service desks, who are no members; -2: not read */
};
struct site_group_row {
	struct str site, product, group_id, name;
	bool is_default;
};
/* A difference between the site's view and the organisation's. */
struct site_finding_row {
	struct str site, product;
	struct str kind; /* "seat-count", "group-not-known", ... */
	struct str text; /* a sentence without personal values */
};
struct site_read_row {
	struct str site;
	bool whole;
	struct str why; /* "" when whole */
	int64_t read_ms;
};

/* Everything of one reading, in place of the one before; .site of the rows is that of read. */
struct site_reading {
	const struct site_read_row *read;
	const struct site_product_row *products;
	size_t product_count;
	const struct site_group_row *groups;
	size_t group_count;
	const struct site_finding_row *findings;
	size_t finding_count;
};
int sites_put(struct db *db, int64_t org, const struct site_reading *in, struct err *err)
	MUST_USE;
typedef int (*site_product_fn)(void *ctx, const struct site_product_row *row, struct err *err);
typedef int (*site_finding_fn)(void *ctx, const struct site_finding_row *row, struct err *err);
typedef int (*site_read_fn)(void *ctx, const struct site_read_row *row, struct err *err);
int sites_products(struct db *db, int64_t org, site_product_fn fn, void *ctx, struct err *err)
	MUST_USE;
int sites_findings(struct db *db, int64_t org, site_finding_fn fn, void *ctx, struct err *err)
	MUST_USE;
int sites_reads(struct db *db, int64_t org, site_read_fn fn, void *ctx, struct err *err)
	MUST_USE;

/* --- what accounts own --- */

struct owned_row {
	int64_t account;
	struct str site, kind, id;
	struct str label;   /* "OPS-12" */
	struct str title;   /* personal */
	struct str project; /* key */
	struct str lead;    /* account id of the project's lead */
	bool unseen;        /* out: not shown to us when it was to be given */
};
struct inventory_row {
	int64_t account;
	bool whole;
	struct str why; /* "" when whole */
	int64_t read_ms, rows;
};
/* The inventory of one account, in place of the one before. */
int inventory_put(struct db *db, const struct inventory_row *in, const struct owned_row *rows,
		  size_t count, struct err *err) MUST_USE;
typedef int (*inventory_fn)(void *ctx, const struct inventory_row *row, struct err *err);
typedef int (*owned_fn)(void *ctx, const struct owned_row *row, struct err *err);
/* account 0: all of the organisation. */
int inventory_each(struct db *db, int64_t org, int64_t account, inventory_fn fn, void *ctx,
		   struct err *err) MUST_USE;
int inventory_owned(struct db *db, int64_t org, int64_t account, owned_fn fn, void *ctx,
		    struct err *err) MUST_USE;
/* Some of it is somebody else's now. */
int inventory_given(struct db *db, int64_t account, const char *site, const char *kind,
		    const char *const *ids, size_t count, struct err *err) MUST_USE;

/* That one was not shown to us when it was to be given: gone, or hidden. */
int inventory_unseen(struct db *db, int64_t account, const char *site, const char *kind,
		     const char *id, struct err *err) MUST_USE;
/* Atlassian does not let that receiver have it. Naming a receiver anew forgets it. */
int inventory_refused(struct db *db, int64_t account, const char *site, const char *kind,
		      const char *id, int64_t receiver, const char *why, int64_t now_ms,
		      struct err *err) MUST_USE;
struct gift_refusal {
	int64_t account, receiver;
	struct str site, kind, id, why;
	int64_t ms;
};
typedef int (*gift_refusal_fn)(void *ctx, const struct gift_refusal *row, struct err *err);
/* account 0: all of the organisation. */
int inventory_refusals(struct db *db, int64_t org, int64_t account, int64_t since_ms,
		       gift_refusal_fn fn, void *ctx, struct err *err) MUST_USE;

/* --- who is to receive it --- */

/* Audited. account 0: nobody is named any more; STORE_UNCHANGED. What receivers were refused is
 * forgotten for that person's accounts: somebody looked at it. */
int heir_set(struct db *db, int64_t person, int64_t account, const char *who, const char *why,
	     int64_t now_ms, struct err *err) MUST_USE;
struct heir_row {
	int64_t person, account;
	int64_t heir;          /* the person whose account that is; 0: not known */
	struct str account_id; /* the same in every organisation */
};
typedef int (*heir_fn)(void *ctx, const struct heir_row *row, struct err *err);
/* person 0: all. */
int heirs_each(struct db *db, int64_t person, heir_fn fn, void *ctx, struct err *err) MUST_USE;

#endif
