#include "scim/auth.h"

int scim_auth_client(const struct scim_backend *backend, const char *header,
		     struct scim_client *ret, struct err *err)
{
	struct str scheme, token;
	int r;

	if (!header || !*header)
		return err_set(err, ERR_UNAUTHORIZED,
			       "a bearer token is required: Authorization: Bearer TOKEN");
	str_cut(str_trim(str_of(header)), ' ', &scheme, &token);
	token = str_trim(token);
	if (!str_ieq(scheme, STR("Bearer")) || token.len == 0)
		return err_set(err, ERR_UNAUTHORIZED,
			       "the Authorization header must be of scheme Bearer, with a "
			       "token");
	r = backend->client(backend->ctx, token, ret, err);
	if (r == SCIM_ABSENT)
		return err_set(err, ERR_UNAUTHORIZED,
			       "the bearer token is unknown, expired or revoked");
	return r;
}

int scim_auth_may(const struct scim_client *client, unsigned right, struct err *err)
{
	const char *word = right == SCIM_MAY_READ    ? "read"
			   : right == SCIM_MAY_WRITE ? "write"
						     : "delete";

	if (client->rights & right)
		return 0;
	return err_set(err, ERR_FORBIDDEN, "this token may not %s", word);
}
