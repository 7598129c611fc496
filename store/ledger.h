/*
 * Seats by product over time: how many are held, how many of them nobody uses, and which of
 * those that plans of ours freed are held again. Totals a day and product; nobody's activity is
 * kept here.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/db.h"

#define LEDGER_KEEP_DAYS 1100 /* older ones go when a new one comes */
#define LEDGER_IDLE_DAYS 30   /* what is not used for so long is idle */

/* Days are numbers since 1970 in the instance's zone. */
struct ledger_day {
	struct str product, site; /* "jira", "acme.atlassian.net" */
	int64_t day;
	int64_t held;
	int64_t idle;     /* of them: used before, but not since so long ago; known */
	int64_t never;    /* of them: known never used */
	int64_t capacity; /* seats in the licence; 0: not told */
};

/* Counts the seats as they are stored now, as that day's, in place of what it had. On the
 * writer, when an organisation was read whole. */
int ledger_note(struct db *db, int64_t org, int64_t day, int64_t idle_before_ms,
		struct err *err) MUST_USE;

typedef int (*ledger_day_fn)(void *ctx, const struct ledger_day *row, struct err *err);
/* By product and site, oldest day first. fn may stop by returning > 0, which is passed on. */
int ledger_days(struct db *db, int64_t org, int64_t from_day, ledger_day_fn fn, void *ctx,
		struct err *err) MUST_USE;

/* A seat that an action of ours freed and the product confirmed. */
struct ledger_freed {
	struct str product, site;
	int64_t at_ms;
	bool again; /* the account holds it now, or it had to be freed once more */
};
typedef int (*ledger_freed_fn)(void *ctx, const struct ledger_freed *row, struct err *err);
/* By product and site, oldest first. name, org: of the organisation, by name and number. */
int ledger_freed(struct db *db, const char *name, int64_t org, int64_t from_ms,
		 ledger_freed_fn fn, void *ctx, struct err *err) MUST_USE;

#endif
