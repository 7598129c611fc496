/*
 * What we are: ServiceProviderConfig, ResourceTypes, Schemas (RFC 7644 section 4, RFC 7643
 * sections 5 to 7), written from the same tables that read requests. Only true claims: what is
 * not served is not published.
 */
#ifndef SCIM_DISCOVERY_H
#define SCIM_DISCOVERY_H

#include "scim/call.h"

int discovery_config(struct scim_call *call, struct err *err) MUST_USE;
/* name empty: the list. Faults: NOT_FOUND; FORBIDDEN for a list with a filter. */
int discovery_types(struct scim_call *call, struct str name, struct err *err) MUST_USE;
int discovery_schemas(struct scim_call *call, struct str urn, struct err *err) MUST_USE;

#endif
