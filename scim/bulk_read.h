/*
 * The body of a Bulk request (RFC 7644 section 3.7), found out without holding it: first where
 * each operation stands, each one looked at and let go again, then one operation at a time.
 * Memory follows the number of operations and the longest of them, not the body.
 *
 * Pure but for reading the spool. One thread at a time.
 */
#ifndef SCIM_BULK_READ_H
#define SCIM_BULK_READ_H

#include <jansson.h>

#include "base/vec.h"
#include "net/spool.h"

#define BULK_URN "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

/* Where the body is: in a spool, or without one in memory. Borrowed. */
struct bulk_text {
	struct str text;
	const struct spool *spool; /* NULL: text */
};

struct bulk_extent {
	int64_t at;
	size_t len;
};
VEC(bulk_extents, struct bulk_extent);

struct bulk_limits {
	size_t operations;      /* maxOperations */
	int64_t payload_bytes;  /* maxPayloadSize */
	size_t operation_bytes; /* of one operation's text */
};

struct bulk_envelope {
	struct bulk_extents operations;
	uint64_t fail_on_errors; /* end after so many errors; 0: go on */
};
void bulk_envelope_done(struct bulk_envelope *e); /* NULL and twice are fine */

/* Called with each operation, in order, borrowed: what is wrong with one is wrong with all.
 * NULL: nobody looks. */
typedef int (*bulk_look_fn)(void *ctx, size_t index, const json_t *operation, struct err *err);

/*
 * Reads the envelope and looks at each operation. *ret is the caller's to bulk_envelope_done()
 * in any case. Faults: INVALID_SYNTAX (not JSON, not a BulkRequest, no operation), TOO_LARGE
 * naming the limit, INVALID_VALUE (failOnErrors), those of look.
 */
int bulk_read(const struct bulk_text *text, const struct bulk_limits *limits, bulk_look_fn look,
	      void *ctx, struct bulk_envelope *ret, struct err *err) MUST_USE;

/* One operation. *ret is new. */
int bulk_read_operation(const struct bulk_text *text, struct bulk_extent at, json_t **ret,
			struct err *err) MUST_USE;

#endif
