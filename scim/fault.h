/*
 * Faults on the wire: RFC 7644 section 3.12. Names are scim_fault_: fault_ belongs to the
 * tests.
 */
#ifndef SCIM_FAULT_H
#define SCIM_FAULT_H

#include "base/buf.h"

#define SCIM_ERROR_URN "urn:ietf:params:scim:api:messages:2.0:Error"

/*
 * Adds an Error body: status as a string, scimType where the table of RFC 7644 has one, the
 * fault's sentence as detail. Faults of ours (status 500 and above) are not told to strangers:
 * the detail then names request_id only, which may be NULL.
 */
void scim_fault_body(struct buf *into, const struct err *err, const char *request_id);

/* The HTTP status of a fault, and the seconds after which trying again may help (0: never). */
int scim_fault_status(const struct err *err);
int scim_fault_retry_s(const struct err *err);

#endif
