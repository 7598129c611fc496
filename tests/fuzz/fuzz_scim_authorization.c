/*
 * Authorization headers. Whatever is sent: either the one good token is in it as RFC 6750
 * writes it, or the answer is 401 with a challenge, and a sentence that does not repeat what
 * was sent.
 */
#include <stdlib.h>

#include "scim/auth.h"

#define GOOD "lvd_good-token.~+/9=="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int client(void *ctx, const struct scim_asker *asker, struct scim_client *ret,
		  struct err *err)
{
	struct str t = asker->token;

	(void)ctx;
	(void)err;
	if (t.len == 0 || memchr(t.p, ' ', t.len) || memchr(t.p, '\t', t.len))
		abort();
	*ret = (struct scim_client){ .source = "idp" };
	return str_eq(t, STR(GOOD)) ? 0 : SCIM_ABSENT;
}

static const struct scim_backend backend = { .client = client };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(free_at) char *header = str_dup(str_n((const char *)data, size));
	struct scim_asker asker = { .source = STR("idp") };
	struct scim_client got = { 0 };
	const char *challenge = NULL;
	struct err err = { 0 };
	int r;

	if (!header)
		return 0;
	r = scim_auth_client(&backend, header, &asker, &got, &challenge, &err);
	if (r == 0 && !strstr(header, GOOD))
		abort();
	if (r != 0 &&
	    (r != -ERR_UNAUTHORIZED || !challenge || !str_utf8(str_of(err.text), NULL)))
		abort();
	return 0;
}
