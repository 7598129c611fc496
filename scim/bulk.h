/*
 * Bulk (RFC 7644 section 3.7): many writes in one request, each of them atomic, all of them
 * not.
 *
 * The whole body is looked at before the first operation runs: a body that is not a BulkRequest
 * changes nothing. Then operations run in the order of the request, through the same routes and
 * the same writer as requests of their own; some at a time are handed to the writer, so that
 * they share its commits. An operation whose references are not known yet waits; POSTs that
 * refer to each other in a circle are created without these references, which a PUT then fills
 * in: where that fails, what was created is deleted again and the operation answers 409.
 *
 * Between two batches the request is parked; no operation is under way when it is called again,
 * so that it may be thrown away at any such time.
 */
#ifndef SCIM_BULK_H
#define SCIM_BULK_H

#include "scim/call.h"

#define BULK_RESPONSE_URN "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
#define BULK_ID_MAX_BYTES 255

struct bulk;

/*
 * Begins with the call's body. HTTP_DONE: call->res is complete. HTTP_PARKED: call->res->bulk
 * is set, and res->go_on() is called once when bulk_go_on() has something to do. Faults:
 * MEDIA_TYPE, those of bulk_read().
 */
int bulk_begin(struct scim_call *call, struct err *err) MUST_USE;
/* HTTP_DONE (res->bulk is NULL again) or HTTP_PARKED, as above; or a fault. */
int bulk_go_on(struct bulk *b, struct err *err) MUST_USE;
struct scim_call bulk_call(const struct bulk *b);
void bulk_free(struct bulk *b); /* not between HTTP_PARKED and go_on() */
OWNED(struct bulk, bulk_free)

#endif
