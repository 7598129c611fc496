/*
 * Addresses of our own resources in filters (RFC 7643 sections 2.3.7 and 2.4): relative or
 * absolute, with or without the version's segment, they mean the same resource.
 */
#ifndef SCIM_REFERENCE_H
#define SCIM_REFERENCE_H

#include "model/query.h"

/*
 * Turns what a filter asks of an address that is made when a resource is sent (members.$ref,
 * groups.$ref, meta.location) into a question for the id behind it, and spells the literal of a
 * $ref that is kept (manager.$ref) as our own absolute address, if it is one. base:
 * "https://host/scim/v2/idp". q may be NULL; its nodes may be others afterwards.
 * Faults: INVALID_FILTER (co, sw, ew of an address that is made), NOMEM.
 */
int reference_bind(struct query *q, const char *base, struct err *err) MUST_USE;

#endif
