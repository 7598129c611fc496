/*
 * A query narrowed by SQL. The tree's evaluator (model/query.h) over the document is the truth;
 * what is made here may only leave out rows of which it is certain that they do not match. A
 * column table says which paths have a column and which operators it may answer.
 */
#ifndef STORE_QUERY_SQL_H
#define STORE_QUERY_SQL_H

#include "model/query.h"
#include "store/db.h"

#define QUERY_SQL_BINDS_MOST 24

enum query_sql_of { QUERY_SQL_USER, QUERY_SQL_GROUP };

/* A bound that must hold: a column of table r, how it is compared, and with which bind. */
#define QUERY_SQL_RANGES_MOST 6
struct query_sql_range {
	const char *column, *op;
	size_t bind;
};

struct query_sql {
	struct buf where; /* a condition over table r, "1" when nothing narrows; ?1 is the
			     source's number, parameters from `first` on are binds */
	struct db_bind binds[QUERY_SQL_BINDS_MOST]; /* texts borrowed from the query, or own */
	size_t count;
	char *own[QUERY_SQL_BINDS_MOST];
	size_t own_count;
	bool indexed; /* an index answers it: few rows */
	bool exact;   /* the condition is the query itself: no document need be looked at */
	bool equal; /* exact, and made of eq alone: an index gives its rows by their numbers */
	/* Bounds that an index answers as well; whether in few rows, only a look can tell. */
	struct query_sql_range ranges[QUERY_SQL_RANGES_MOST];
	size_t ranges_count;
};

/* q may be NULL. *ret must be done in any case. */
int query_sql_make(const struct query *q, enum query_sql_of of, int first,
		   struct query_sql *ret, struct err *err) MUST_USE;
void query_sql_done(struct query_sql *s);

#endif
