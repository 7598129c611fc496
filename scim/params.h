/* What a request's query string says: RFC 7644 section 3.4.2. Pure. */
#ifndef SCIM_PARAMS_H
#define SCIM_PARAMS_H

#include "scim/codec.h"

/*
 * Adds the decoded value of the first parameter of that name (ASCII case ignored). 1: it is
 * there, perhaps empty; 0: it is not. '+' is a blank unless the query holds "%20" (clients
 * that write %20 for blanks may send a raw plus). Fault: INVALID_SYNTAX, a broken escape.
 */
int params_get(struct str query, const char *name, struct buf *into, struct err *err) MUST_USE;

/* attributes or excludedAttributes. *ret is zeroed by the caller and its to
 * codec_projection_done(). Fault: INVALID_VALUE when both are given. */
int params_projection(struct str query, enum path_dialect dialect, struct codec_projection *ret,
		      struct err *err) MUST_USE;

#endif
