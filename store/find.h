/*
 * Finding: pages of live users and groups of one source, as SCIM lists and bulk selections ask
 * for them. SQL narrows (store/query_sql.h), the one evaluator decides over the document, with
 * meta, groups and members spliced in where the query names them.
 *
 * A search takes read transactions of its own, one after the other, each short: what it shows
 * is right row by row, not of one moment.
 */
#ifndef STORE_FIND_H
#define STORE_FIND_H

#include "model/query.h"
#include "store/store.h"

#define FIND_MOST_MS 20000 /* a search that takes longer is ended: TOO_MANY */
#define FIND_LIST_MS 60000 /* likewise, while a list is made */

enum { FIND_USERS = 1, FIND_GROUPS = 2, FIND_BOTH = 3 };

#define FIND_MARK_BYTES 1024 /* texts are sorted by so many bytes of them */

/* Where a row stands in the order it was asked for: what it is sorted by (unsorted: nothing),
 * then its number, which is never used again. So a page begins where the last one ended,
 * whatever was written meanwhile. */
struct find_mark {
	unsigned type; /* FIND_USERS or FIND_GROUPS */
	int64_t id;
	int kind;        /* find.c's own */
	double number;   /* by kind */
	struct str text; /* likewise; borrowed */
};

/*
 * Lists in an order that no index has (that of id, userName, displayName, externalId and meta's
 * times is an index's, for one type): made of all matches at once, with at most 16 MiB of
 * memory and the rest on disk; at most two at a time go there (BUSY). What is kept is 8 bytes a
 * row, until the store changes. Any thread.
 */
#define FIND_LISTS_MOST 8          /* kept */
#define FIND_LISTS_ROWS (8u << 20) /* in all of them: 64 MiB. A longer one is not kept */
struct find_lists;
/* sort_bytes: memory for the keys of one list under way; 0: 16 MiB. NULL: no memory. */
struct find_lists *find_lists_new(size_t sort_bytes);
void find_lists_free(struct find_lists *l); /* NULL is fine */

struct find {
	unsigned types;             /* FIND_x */
	const struct query *where;  /* NULL: all; logic QUERY_SCIM */
	const struct path *sort_by; /* NULL: by number, users first. Multi-valued: the primary,
				       else the first value; without one: last; then by
				       number. Descending is all of that from the end */
	bool descending;
	int64_t after; /* rows with a greater number only, in keyset pages; with one type and
			  without sort_by */
	const struct find_mark *from; /* rows behind that place only; NULL: all. start is 0 */
	bool backwards;  /* rows before it instead, the nearest first; all: the last first */
	uint64_t start;  /* matching rows passed over first */
	uint64_t count;  /* most rows handed out; 0: only the total */
	bool want_total; /* else the search ends with the page. Without where it costs nothing
			  */
	struct find_lists *lists; /* NULL: lists are made and forgotten */
	struct str where_text;    /* with lists: the same text is the same filter */
	/* Monotonic, with after: a walk that takes until then pauses instead of being ended
	 * TOO_MANY, once it is further than it was. *reached is the number up to which all rows
	 * were looked at, to go on behind (*more is true then); 0: it did not pause. */
	int64_t pause_ms;
	int64_t *reached;
	int64_t now_ms;
};

struct find_row {
	unsigned type; /* FIND_USERS or FIND_GROUPS */
	int64_t id;    /* the store's number */
	struct str key, doc;
	int64_t version, created_ms, modified_ms;
	bool in_groups; /* users: at least one */
	struct find_mark mark;
};
/* Borrowed inside the call. Below zero ends with that fault. */
typedef int (*find_fn)(void *ctx, const struct find_row *row, struct err *err);

/* *total (may be NULL) where wanted; *more (may be NULL): at least one further row matches. */
int find_run(struct store *store, int64_t source, const struct find *find, uint64_t *total,
	     bool *more, find_fn fn, void *ctx, struct err *err) MUST_USE;

#endif
