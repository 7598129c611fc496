/*
 * Key sets and tokens. A first byte below 128: the rest is a JWK Set. Otherwise it is a token,
 * held against a fixed key whose private half exists nowhere: nothing may open.
 */
#include <stdlib.h>

#include "scim/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 7515 appendix A.3.1 and A.2.1: their public halves, under other names. */
static const char set[] = "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\","
			  "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			  "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static char *audiences[] = { (char *)"api://leaverd" }, *wanted[] = { (char *)"a=b" };

static void check(struct str token, struct jwt_keys *keys)
{
	const struct conf_list audience = { .v = audiences, .n = 1 },
			       claims = { .v = wanted, .n = 1 };
	const struct jwt_rules rules = { .issuer = "https://idp.example/",
					 .audience = &audience,
					 .claims = &claims,
					 .scopes = &claims,
					 .algorithms = 0x1ff,
					 .skew_ms = 1000 };
	struct jwt_said said = { 0 };
	struct err err = { 0 };
	int r = jwt_check(token, keys, &rules, 1800000000000LL, &said, &err);

	if (r == 0 || (r < 0 && !err.text[0]) || (r >= 0 && !jwt_shaped(token)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwt_keys *fixed;
	struct jwt_keys *keys = NULL;
	struct err err;
	struct str text;

	if (!fixed && jwt_keys_read(str_of(set), &fixed, &err) != 0)
		abort();
	if (!size)
		return 0;
	text = str_n((const char *)data + 1, size - 1);
	if (data[0] >= 128) {
		check(text, fixed);
	} else if (jwt_keys_read(text, &keys, &err) == 0) {
		if (!jwt_keys_count(keys) || jwt_keys_count(keys) > JWT_KEYS_MOST)
			abort();
		check(STR("eyJhbGciOiJSUzI1NiJ9.e30.AAAA"), keys);
		check(STR("eyJhbGciOiJFUzI1NiJ9.e30.AAAA"), keys);
		jwt_keys_drop(keys);
	}
	return 0;
}
