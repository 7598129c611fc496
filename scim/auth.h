/*
 * Who asks: from an Authorization header to a struct scim_client (RFC 7644 section 2, RFC
 * 6750).
 */
#ifndef SCIM_AUTH_H
#define SCIM_AUTH_H

#include "scim/backend.h"

/* Value of WWW-Authenticate on every 401. */
#define SCIM_AUTH_CHALLENGE "Bearer realm=\"leaverd\""

/* The same where a token was shown that does not open, and where it may not do this. */
#define SCIM_AUTH_INVALID                                                                      \
	SCIM_AUTH_CHALLENGE ", error=\"invalid_token\", error_description=\"the token is "     \
			    "unknown, expired, revoked or not for this source\""
#define SCIM_AUTH_SCOPE SCIM_AUTH_CHALLENGE ", error=\"insufficient_scope\""

/*
 * Asks the backend about a bearer token. header is the Authorization header and may be NULL;
 * asker holds all but the token, which is filled in. Scheme in any case, blanks around the
 * token trimmed. 0, or SCIM_LATER where asker->again is set. Fault: UNAUTHORIZED (no header,
 * another scheme, unknown token; the sentence names which but never the token), or the
 * backend's own. On a fault *challenge is the value of WWW-Authenticate, or NULL: none.
 */
int scim_auth_client(const struct scim_backend *backend, const char *header,
		     struct scim_asker *asker, struct scim_client *ret, const char **challenge,
		     struct err *err) MUST_USE;

/* Fault: FORBIDDEN naming the right that the token lacks (SCIM_MAY_x), with its *challenge. */
int scim_auth_may(const struct scim_client *client, unsigned right, const char **challenge,
		  struct err *err) MUST_USE;

#endif
