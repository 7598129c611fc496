/*
 * One resource: GET, POST, PUT, PATCH, DELETE (RFC 7644 sections 3.3 to 3.6) with its
 * entity-tag (3.14).
 *
 * Reads answer at once. Writes check all that needs no stored resource, hand a struct
 * scim_write to the backend and answer HTTP_PARKED; its apply() merges on the writer thread,
 * its done() completes the response.
 */
#ifndef SCIM_RESOURCE_H
#define SCIM_RESOURCE_H

#include "scim/call.h"

int resource_get(struct scim_call *call, enum scim_type type, struct str id, struct err *err)
	MUST_USE;
int resource_create(struct scim_call *call, enum scim_type type, struct err *err) MUST_USE;
int resource_replace(struct scim_call *call, enum scim_type type, struct str id,
		     struct err *err) MUST_USE;
int resource_patch(struct scim_call *call, enum scim_type type, struct str id, struct err *err)
	MUST_USE;
int resource_delete(struct scim_call *call, enum scim_type type, struct str id, struct err *err)
	MUST_USE;

/*
 * If-Match and If-None-Match hold entity-tags or "*", in lists whose empty elements say nothing
 * (RFC 9110 section 5.6.1). 1: the tag is among them, compared weakly (SCIM's tags are weak,
 * and its samples send them in If-Match); 0: it is not. own: the resource's own version alone
 * is compared, whatever either says of groups: who changes a user changes none of them. Fault:
 * INVALID_SYNTAX, also of a list without any.
 */
int resource_tag_matches(const char *header, struct codec_tag tag, bool own, struct err *err)
	MUST_USE;

/*
 * The ETag of a read, and 304 where the client has it: then *answered. Faults: PRECONDITION
 * (If-Match), INVALID_SYNTAX.
 */
int resource_read_tag(struct scim_call *call, enum scim_type type, struct codec_tag tag,
		      bool *answered, struct err *err) MUST_USE;

#endif
