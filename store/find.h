/*
 * Finding: pages of live users and groups of one source, as SCIM lists and bulk selections ask
 * for them. SQL narrows (store/query_sql.h), the one evaluator decides over the document, with
 * meta, groups and members spliced in where the query names them.
 */
#ifndef STORE_FIND_H
#define STORE_FIND_H

#include "model/query.h"
#include "store/db.h"

#define FIND_SORT_MOST 200000 /* more matches than that are not sorted: LIMIT */

enum { FIND_USERS = 1, FIND_GROUPS = 2, FIND_BOTH = 3 };

struct find {
	unsigned types;             /* FIND_x */
	const struct query *where;  /* NULL: all; logic QUERY_SCIM */
	const struct path *sort_by; /* NULL: by number, users first. Multi-valued: the primary,
				       else the first value; without one: last ascending, first
				       descending; then by number */
	bool descending;
	int64_t after;   /* rows with a greater number only (keyset pages; not with sort_by, one
			    type) */
	uint64_t start;  /* matching rows passed over first */
	uint64_t count;  /* most rows handed out; 0: only the total */
	bool want_total; /* else *total is undefined, and the search ends with the page */
	int64_t now_ms;
};

struct find_row {
	unsigned type; /* FIND_USERS or FIND_GROUPS */
	int64_t id;    /* the store's number */
	struct str key, doc;
	int64_t version, created_ms, modified_ms;
};
/* Borrowed inside the call. Below zero ends with that fault. fn may not read through db. */
typedef int (*find_fn)(void *ctx, const struct find_row *row, struct err *err);

/* *total (may be NULL) as wanted; *more (may be NULL): there is at least one further row. */
int find_run(struct db *db, int64_t source, const struct find *find, uint64_t *total,
	     bool *more, find_fn fn, void *ctx, struct err *err) MUST_USE;

#endif
