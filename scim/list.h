/*
 * Lists: RFC 7644 section 3.4.2 (GET with a query) and 3.4.3 (POST .search): filter, sorting,
 * paging by index or, where the parameter cursor is there, by cursor (RFC 9865), projections,
 * ListResponse.
 */
#ifndef SCIM_LIST_H
#define SCIM_LIST_H

#include "scim/call.h"
#include "scim/codec.h"
#include "scim/cursor.h"

#define LIST_URN "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define SEARCH_URN "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

struct list_request {
	unsigned types;      /* SCIM_USER, SCIM_GROUP, SCIM_ANY */
	struct query *where; /* NULL: all */
	struct path sort_by; /* name NULL: by id */
	bool descending;
	uint64_t start_index, count;
	bool count_given;
	char *cursor;                  /* NULL: by index; empty: the first page */
	char *filter_text, *sort_text; /* as sent; NULL: not sent */
	struct codec_projection projection;
};

/*
 * From a raw query string, or from a SearchRequest. count is clipped to max_results.
 * Faults: INVALID_FILTER, INVALID_VALUE (numbers, sortBy, sortOrder), INVALID_SYNTAX; by
 * cursor INVALID_COUNT (not from 0 to max_results).
 */
int list_from_query(struct list_request *ret, struct str query, unsigned types,
		    unsigned max_results, struct err *err) MUST_USE;
int list_from_search(struct list_request *ret, const json_t *body, unsigned types,
		     unsigned max_results, struct err *err) MUST_USE;
void list_request_done(struct list_request *l); /* NULL and twice are fine */

/* Answers a list: HTTP_DONE or a fault (TOO_MANY: the page would be too long to send;
 * INVALID_CURSOR, EXPIRED_CURSOR, INVALID_COUNT: not that of the first page). */
int list_answer(struct scim_call *call, const struct list_request *list, struct err *err)
	MUST_USE;

/* Elements of "members" or "groups" of one resource, as codec_send() takes them. */
int list_linked(struct scim_call *call, enum scim_type type, struct str id, struct buf *into,
		struct err *err) MUST_USE;

#endif
