#include "scim/auth.h"

#include <ctype.h>

#define TOKEN_MAX_BYTES 16384

/* RFC 6750 section 2.1: b64token; and not so long that nobody would have made it. */
static bool is_token(struct str s)
{
	size_t i = 0;

	while (i < s.len && (isalnum((unsigned char)s.p[i]) || strchr("-._~+/", s.p[i])))
		i++;
	if (i == 0)
		return false;
	while (i < s.len && s.p[i] == '=')
		i++;
	return i == s.len && s.len <= TOKEN_MAX_BYTES;
}

int scim_auth_client(const struct scim_backend *backend, const char *header,
		     struct scim_asker *asker, struct scim_client *ret, const char **challenge,
		     struct err *err)
{
	struct str scheme, token;
	int r;

	/* RFC 6750 section 3.1: who shows nothing is told nothing but how to ask. */
	*challenge = SCIM_AUTH_CHALLENGE;
	if (!header || !*header)
		return err_set(err, ERR_UNAUTHORIZED,
			       "a bearer token is required: Authorization: Bearer TOKEN");
	str_cut(str_trim(str_of(header)), ' ', &scheme, &token);
	token = str_trim(token);
	if (!str_ieq(scheme, STR("Bearer")) || token.len == 0)
		return err_set(err, ERR_UNAUTHORIZED,
			       "the Authorization header must be of scheme Bearer, with a "
			       "token");
	*challenge = SCIM_AUTH_INVALID;
	if (!is_token(token))
		return err_set(err, ERR_UNAUTHORIZED,
			       "the bearer token holds characters that no token has, or is "
			       "longer than %d bytes",
			       TOKEN_MAX_BYTES);
	asker->token = token;
	r = backend->client(backend->ctx, asker, ret, err);
	if (r == SCIM_ABSENT)
		return err_set(err, ERR_UNAUTHORIZED,
			       "the bearer token is unknown, expired or revoked");
	if (r == -ERR_FORBIDDEN)
		*challenge = SCIM_AUTH_SCOPE;
	else if (r < 0 && r != -ERR_UNAUTHORIZED)
		*challenge = NULL;
	return r;
}

int scim_auth_may(const struct scim_client *client, unsigned right, const char **challenge,
		  struct err *err)
{
	const char *word = right == SCIM_MAY_READ    ? "read"
			   : right == SCIM_MAY_WRITE ? "write"
						     : "delete";

	if (client->rights & right)
		return 0;
	*challenge = SCIM_AUTH_SCOPE;
	return err_set(err, ERR_FORBIDDEN, "this token may not %s", word);
}
