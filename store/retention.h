/*
 * Retention: what is older than somebody said goes, in short steps, and what is held of each
 * kind is counted (leaverd privacy). The audit chain has its own way: store/audit_cut.h.
 *
 * What goes is no longer found; its bytes are overwritten when SQLite uses their pages again,
 * and at once only by store_scrub().
 */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include "store/db.h"

enum retention_kind {
	RETENTION_JOURNAL,    /* of plans that ended before: journal and values; requests whose
				 link is over and that nobody waits for */
	RETENTION_READS,      /* notes of reads that are not the newest; events of others */
	RETENTION_ACTIVITY,   /* older last activity, of accounts that are not there any more */
	RETENTION_TOMBSTONES, /* people without live record and account, all of it older */
	RETENTION_KINDS
};
extern const char *const retention_words[]; /* "journal", ... as in the configuration */

/*
 * Looks at the next page after *cursor (0 at first). On the writer with remove: takes away what
 * there is older than before_ms; else only counts. *rows is how many it found in this page,
 * *more whether another page may have some. Tombstones leave an audit entry each, in the name
 * of "retention".
 */
struct retention_page {
	enum retention_kind kind;
	int64_t before_ms, now_ms;
	size_t most;
	bool remove;
	int64_t cursor, rows;
	bool more;
};
int retention_page(struct db *db, struct retention_page *page, struct err *err) MUST_USE;

/* --- what is held --- */

struct retention_held {
	const char *kind, *what, *why; /* static */
	int64_t count, oldest_ms;      /* oldest 0: none, or not dated */
};
#define RETENTION_HELD 21
/* The i-th of RETENTION_HELD; each in a read transaction of its own, for it counts rows. */
int retention_held(struct db *db, size_t i, struct retention_held *ret, struct err *err)
	MUST_USE;

/* Who read people's data since then: times and rows by who and what. */
struct retention_reader {
	struct str who, what;
	int64_t times, last_ms;
};
typedef int (*retention_reader_fn)(void *ctx, const struct retention_reader *row,
				   struct err *err);
int retention_readers(struct db *db, int64_t since_ms, retention_reader_fn fn, void *ctx,
		      struct err *err) MUST_USE;

#endif
