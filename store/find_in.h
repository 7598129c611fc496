/*
 * A search under way: what the files of store/find.h share. find.c walks by number,
 * find_index.c along the index of a column, find_sort.c makes lists of what no index has in
 * order.
 */
#ifndef STORE_FIND_IN_H
#define STORE_FIND_IN_H

#include <jansson.h>

#include "store/find.h"
#include "store/find_key.h"
#include "store/query_sql.h"

/* Of each statement that reads rows: what find_row_take() expects. */
#define FIND_COLUMNS "r.id, r.key, r.version, r.created_ms, r.modified_ms, r.doc"

struct search {
	struct store *store;
	int64_t source;
	const struct find *find;
	find_fn fn;
	void *ctx;
	bool id, meta, groups, members; /* what the query or the order names */
	bool exact;                     /* the statement alone decides */
	uint64_t matched, handed;
	/* Instead of handing rows out, with their documents; or NULL. */
	int (*gather)(struct search *s, const struct find_row *row, const json_t *doc,
		      struct err *err);
	struct sorter *sorter; /* find_sort.c's own */
	bool beyond;           /* likewise: there are further ones */
	int64_t most_ms;       /* how long it may take */
	int64_t until_ms;      /* monotonic */
	bool ended;            /* the page is full and nothing more is wanted */
};

/* A row of a statement that selects FIND_COLUMNS first. */
void find_row_take(struct stmt *q, unsigned type, struct find_row *row);
/* The document with all that the query and the order name spliced in. *ret is new. */
int find_document(struct search *s, struct db *db, const struct find_row *row, json_t **ret,
		  struct err *err) MUST_USE;
/* Judges a row, counts it, hands it out if it is of the page. */
int find_look_at(struct search *s, struct db *db, const struct find_row *row, struct err *err)
	MUST_USE;
int find_hand(struct search *s, struct db *db, const struct find_row *row, struct err *err)
	MUST_USE;
/* Fault: TOO_MANY, once the search has taken its time. */
int find_in_time(const struct search *s, struct err *err) MUST_USE;
/* Looks at all rows of both types, by number. */
int find_walk(struct search *s, struct err *err) MUST_USE;

/* Whether the order asked for is that of an index, and the search walks along it. */
bool find_index_fits(const struct search *s);
int find_index_walk(struct search *s, struct err *err) MUST_USE;

/* All matches in order, from a list that is made for it or kept; hands out the page. */
int find_sort_run(struct search *s, struct err *err) MUST_USE;

#endif
