/*
 * Who asks: from an Authorization header to a struct scim_client (RFC 7644 section 2, RFC
 * 6750).
 */
#ifndef SCIM_AUTH_H
#define SCIM_AUTH_H

#include "scim/backend.h"

/* Value of WWW-Authenticate on every 401. */
#define SCIM_AUTH_CHALLENGE "Bearer realm=\"leaverd\""

/*
 * Asks the backend about a bearer token. header may be NULL. Scheme in any case, blanks around
 * the token trimmed. Fault: UNAUTHORIZED (no header, another scheme, unknown token; the
 * sentence names which but never the token), or the backend's own.
 */
int scim_auth_client(const struct scim_backend *backend, const char *header,
		     struct scim_client *ret, struct err *err) MUST_USE;

/* Fault: FORBIDDEN naming the right that the token lacks (SCIM_MAY_x). */
int scim_auth_may(const struct scim_client *client, unsigned right, struct err *err) MUST_USE;

#endif
