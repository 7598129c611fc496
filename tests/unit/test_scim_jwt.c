/* JSON Web Tokens: what opens the door, and each way in which it must not. Keys are made here.
 */
#include "tests/lib/test.h"

#include <cjose/cjose.h>
#include <pthread.h>

#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "scim/jwt.h"

#define NOW_S 1800000000LL
#define NOW_MS (NOW_S * 1000)
#define GOOD                                                                                   \
	"{\"iss\":\"https://idp.example/\",\"aud\":[\"other\",\"api://leaverd\"],"             \
	"\"exp\":1800000600,\"nbf\":1799999990,\"azp\":\"client-7\",\"tid\":\"t-1\","          \
	"\"ver\":2,\"scope\":\"openid scim.write\",\"sub\":\"s\"}"

static struct {
	cjose_jwk_t *rsa, *other, *ec, *ec384, *small, *secret;
	struct jwt_keys *keys;
	char *set;
} k;

static char *member_of(const cjose_jwk_t *jwk, const char *kid, const char *more)
{
	char *json = cjose_jwk_to_json(jwk, false, NULL), *all = malloc(8192);

	assert_true(json && all);
	snprintf(all, 8192, "{\"kid\":\"%s\"%s,%s", kid, more, json + 1);
	free(json);
	return all;
}

static int keys_make(void **state)
{
	const uint8_t e[] = { 1, 0, 1 };
	char *a, *b, *c, *d;
	struct err err;

	(void)state;
	k.rsa = cjose_jwk_create_RSA_random(2048, e, sizeof(e), NULL);
	k.other = cjose_jwk_create_RSA_random(2048, e, sizeof(e), NULL);
	k.small = cjose_jwk_create_RSA_random(1024, e, sizeof(e), NULL);
	k.ec = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL);
	k.ec384 = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, NULL);
	assert_true(k.rsa && k.other && k.small && k.ec && k.ec384);
	a = member_of(k.rsa, "r1", ",\"use\":\"sig\",\"x5t\":\"ignored\"");
	b = member_of(k.ec, "e1", "");
	c = member_of(k.small, "tiny", "");
	d = member_of(k.ec384, "e3", "");
	k.set = malloc(32768);
	assert_non_null(k.set);
	/* A symmetric key and one for encryption: neither may ever check a signature. */
	snprintf(k.set, 32768,
		 "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"o1\",\"k\":"
		 "\"c2VjcmV0c2VjcmV0c2VjcmV0\"},"
		 "%s,%s,%s,%s,{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"},7]}",
		 a, b, c, d);
	/* Signed under the set's own text for RSA: what an attacker can read of the issuer. */
	k.secret = cjose_jwk_create_oct_spec((const uint8_t *)a, strlen(a), NULL);
	free(a);
	free(b);
	free(c);
	free(d);
	assert_non_null(k.secret);
	assert_ok(jwt_keys_read(str_of(k.set), &k.keys, &err), &err);
	assert_int_equal(jwt_keys_count(k.keys), 3);
	return 0;
}

static int keys_end(void **state)
{
	(void)state;
	cjose_jwk_release(k.rsa);
	cjose_jwk_release(k.other);
	cjose_jwk_release(k.small);
	cjose_jwk_release(k.ec);
	cjose_jwk_release(k.ec384);
	cjose_jwk_release(k.secret);
	jwt_keys_drop(k.keys);
	free(k.set);
	return 0;
}

static char *signed_with(const cjose_jwk_t *jwk, const char *header, const char *claims)
{
	CLEANUP(json_decref_at) json_t *h = json_loads(header, 0, NULL);
	cjose_jws_t *jws = cjose_jws_sign(jwk, (cjose_header_t *)h, (const uint8_t *)claims,
					  strlen(claims), NULL);
	const char *text = NULL;
	char *copy;

	assert_non_null(jws);
	assert_true(cjose_jws_export(jws, &text, NULL));
	copy = str_dup(str_of(text));
	cjose_jws_release(jws);
	assert_non_null(copy);
	return copy;
}

static char *audiences[] = { (char *)"urn:else", (char *)"api://leaverd" };
static char *claims_wanted[] = { (char *)"tid=t-1", (char *)"ver = 2", (char *)"aud=other" };
static char *scopes_wanted[] = { (char *)"scim.write" };
static const struct conf_list audience = { .v = audiences, .n = 2 },
			      claims = { .v = claims_wanted, .n = 3 },
			      scopes = { .v = scopes_wanted, .n = 1 };
static const struct jwt_rules rules = {
	.issuer = "https://idp.example/",
	.audience = &audience,
	.claims = &claims,
	.scopes = &scopes,
	.skew_ms = 30000,
};

static int check_at(const char *token, int64_t now_ms, struct err *err)
{
	struct jwt_said said;

	return jwt_check(str_of(token), k.keys, &rules, now_ms, &said, err);
}

static void test_a_token_of_the_issuer_opens(void **state)
{
	static const struct {
		const char *header;
		bool ec;
	} heads[] = {
		{ "{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"JWT\"}", false },
		{ "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", false }, /* no kid: by its type */
		{ "{\"alg\":\"ES256\",\"kid\":\"e1\"}", true },
	};
	struct jwt_said said;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		char *token = signed_with(heads[i].ec ? k.ec : k.rsa, heads[i].header, GOOD);

		assert_true(jwt_shaped(str_of(token)));
		assert_ok(jwt_check(str_of(token), k.keys, &rules, NOW_MS, &said, &err), &err);
		assert_string_equal(said.who, "client-7");
		assert_int_equal(said.expires_ms, 1800000600000LL);
		free(token);
	}
}

static void test_algorithms_open_only_where_they_are_let_in(void **state)
{
	static const char *const all[] = {
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"
	};
	struct jwt_rules wide = rules;
	struct jwt_said said;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		char head[100], *token;

		snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"kid\":\"r1\"}", all[i]);
		token = signed_with(k.rsa, head, GOOD);
		wide.algorithms = jwt_algorithm(str_of(all[i]));
		assert_ok(jwt_check(str_of(token), k.keys, &wide, NOW_MS, &said, &err), &err);
		wide.algorithms = JWT_ALGORITHMS_USUAL & ~wide.algorithms;
		assert_fault(jwt_check(str_of(token), k.keys, &wide, NOW_MS, &said, &err),
			     ERR_UNAUTHORIZED, &err, "algorithm");
		free(token);
	}
	for (size_t i = 0; jwt_algorithm_words[i]; i++)
		assert_int_equal(jwt_algorithm(str_of(jwt_algorithm_words[i])), 1u << i);
	assert_int_equal(jwt_algorithm(STR("none")), 0);
	assert_int_equal(jwt_algorithm(STR("HS256")), 0);
	assert_int_equal(JWT_ALGORITHMS_USUAL,
			 jwt_algorithm(STR("RS256")) | jwt_algorithm(STR("ES256")));
}

static char *by_hand(const char *header, const char *body, const char *signature)
{
	struct buf b;
	char *text;

	buf_init(&b, 100000);
	enc_base64url(&b, header, strlen(header));
	buf_add_char(&b, '.');
	enc_base64url(&b, body, strlen(body));
	buf_addf(&b, ".%s", signature);
	text = buf_take(&b, NULL);
	assert_non_null(text);
	return text;
}

static void test_what_nobody_signed_with_the_issuers_key_never_opens(void **state)
{
	struct err err;
	char *t;

	(void)state;
	t = by_hand("{\"alg\":\"none\"}", GOOD, "");
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "no signed JWT");
	free(t);
	t = by_hand("{\"alg\":\"none\",\"kid\":\"r1\"}", GOOD, "AAAA");
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "algorithm");
	free(t);
	/* The public key taken for a shared secret. */
	t = signed_with(k.secret, "{\"alg\":\"HS256\",\"kid\":\"r1\"}", GOOD);
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "algorithm");
	free(t);
	/* Somebody else's key under the issuer's name for its own. */
	t = signed_with(k.other, "{\"alg\":\"RS256\",\"kid\":\"r1\"}", GOOD);
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "signature");
	free(t);
	/* A key that the token brings along counts for nothing. */
	t = signed_with(k.other,
			"{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"RSA\"},\"jku\":\"http://x\"}",
			GOOD);
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "signature");
	free(t);
	/* The set's key of that name is of the other type. */
	t = signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"e1\"}", GOOD);
	assert_int_equal(check_at(t, NOW_MS, &err), JWT_NO_KEY);
	free(t);
	/* Too small a key, though the set lists it. */
	t = signed_with(k.small, "{\"alg\":\"RS256\",\"kid\":\"tiny\"}", GOOD);
	assert_int_equal(check_at(t, NOW_MS, &err), JWT_NO_KEY);
	free(t);
	t = signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"r2\"}", GOOD);
	assert_int_equal(check_at(t, NOW_MS, &err), JWT_NO_KEY);
	assert_int_equal(jwt_check(str_of(t), NULL, &rules, NOW_MS,
				   &(struct jwt_said){ .expires_ms = 0 }, &err),
			 JWT_NO_KEY);
	free(t);
	t = signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"r1\",\"crit\":[\"exp\"]}", GOOD);
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "critical");
	free(t);
	t = signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"logout+jwt\"}",
			GOOD);
	assert_fault(check_at(t, NOW_MS, &err), ERR_UNAUTHORIZED, &err, "type");
	free(t);
}

static void test_each_changed_character_closes(void **state)
{
	char *t = signed_with(k.ec, "{\"alg\":\"ES256\",\"kid\":\"e1\"}", GOOD);
	size_t len = strlen(t);
	struct err err;

	(void)state;
	/* The last character of a part may hold bits that mean nothing. */
	for (size_t i = 0; i + 1 < len; i++) {
		char kept = t[i];

		if (t[i + 1] == '.' || kept == '.')
			continue;
		t[i] = kept == 'A' ? 'B' : 'A';
		assert_true(check_at(t, NOW_MS, &err) != 0);
		t[i] = kept;
	}
	assert_int_equal(check_at(t, NOW_MS, &err), 0);
	free(t);
}

/* clang-format off */
static const struct { const char *claims; int64_t at_s; int r; const char *says; } said[] = {
	{ GOOD, NOW_S, 0, NULL },
	{ GOOD, 1800000629, 0, NULL },                                    /* within the skew */
	{ GOOD, 1800000630, -ERR_UNAUTHORIZED, "ended at 2027-01-15T08:10:00Z" },
	{ GOOD, 1799999960, 0, NULL },
	{ GOOD, 1799999959, -ERR_UNAUTHORIZED, "begins at" },
	{ "{}", NOW_S, -ERR_UNAUTHORIZED, "issuer" },
	{ "{\"iss\":\"https://idp.example\"}", NOW_S, -ERR_UNAUTHORIZED, "issuer" },
	{ "{\"iss\":[\"https://idp.example/\"]}", NOW_S, -ERR_UNAUTHORIZED, "issuer" },
	{ "{\"iss\":\"https://idp.example/\"}", NOW_S, -ERR_UNAUTHORIZED, "audience" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd/\"}", NOW_S, -ERR_UNAUTHORIZED, "audience" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":{\"api://leaverd\":1}}", NOW_S, -ERR_UNAUTHORIZED, "audience" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd\"}", NOW_S, -ERR_UNAUTHORIZED, "exp" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd\",\"exp\":\"1800000600\"}", NOW_S, -ERR_UNAUTHORIZED, "exp" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd\",\"exp\":1e300}", NOW_S, -ERR_UNAUTHORIZED, "exp" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd\",\"exp\":-1}", NOW_S, -ERR_UNAUTHORIZED, "exp" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd\",\"exp\":1800000600.5,\"nbf\":\"x\"}", NOW_S, -ERR_UNAUTHORIZED, "begins" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":\"api://leaverd\",\"exp\":1800000600.5}", NOW_S, -ERR_UNAUTHORIZED, "tid=t-1" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":[\"other\",\"api://leaverd\"],\"exp\":1800000600,\"tid\":\"t-1\",\"ver\":2}", NOW_S, -ERR_FORBIDDEN, "scim.write" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":[\"other\",\"api://leaverd\"],\"exp\":1800000600,\"tid\":\"t-1\",\"ver\":2,\"scope\":\"scim.writes\"}", NOW_S, -ERR_FORBIDDEN, "scim.write" },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":[\"other\",\"api://leaverd\"],\"exp\":1800000600,\"tid\":\"t-1\",\"ver\":2,\"roles\":[\"scim.write\"]}", NOW_S, 0, NULL },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":[\"other\",\"api://leaverd\"],\"exp\":1800000600,\"tid\":\"t-1\",\"ver\":2,\"scp\":\"a scim.write b\"}", NOW_S, 0, NULL },
	{ "{\"iss\":\"https://idp.example/\",\"aud\":[\"other\",\"api://leaverd\"],\"exp\":1800000600,\"tid\":\"t-1\",\"ver\":\"3\",\"scp\":\"scim.write\"}", NOW_S, -ERR_UNAUTHORIZED, "ver = 2" },
	{ "[]", NOW_S, -ERR_UNAUTHORIZED, "no JSON object" },
	{ "{\"iss\":\"a\",\"iss\":\"https://idp.example/\"}", NOW_S, -ERR_UNAUTHORIZED, "no JSON object" },
};
/* clang-format on */

static void test_claims_must_be_what_the_source_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(said); i++) {
		char *t = signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"r1\"}",
				      said[i].claims);
		struct err err = { 0 };
		int r = check_at(t, said[i].at_s * 1000, &err);

		if (r != said[i].r || (said[i].says && !strstr(err.text, said[i].says)))
			fail_msg("%s at %lld: %d %s", said[i].claims, (long long)said[i].at_s,
				 r, err.text);
		free(t);
	}
}

static void test_what_has_not_the_form_of_a_token_is_none(void **state)
{
	static const char *const forms[] = {
		"",
		".",
		"..",
		"a.b",
		"ab.cd",
		"ab.cd.ef.gh",
		"ab.c d.ef",
		"ab.cd.ef=",
		"ab..ef",
		"=.=.=",
		"lvd_abc",
		"abcde.ab.ab",
		"bm8.bm8.bm8.",
		"b\xC3\xA4.ab.ab",
	};
	struct err err;
	char *long_one = malloc(20000);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		assert_false(jwt_shaped(str_of(forms[i])));
		assert_fault(check_at(forms[i], NOW_MS, &err), ERR_UNAUTHORIZED, &err,
			     "no signed JWT");
	}
	assert_non_null(long_one);
	memset(long_one, 'a', 20000);
	memcpy(long_one + 4, ".", 1);
	memcpy(long_one + 19000, ".", 1);
	assert_false(jwt_shaped(str_n(long_one, 20000)));
	free(long_one);
	assert_fault(check_at("YQ.YQ.YQ", NOW_MS, &err), ERR_UNAUTHORIZED, &err, "header");
}

static void test_a_key_set_without_a_key_of_use_is_refused(void **state)
{
	static const char *const sets[] = {
		"",
		"[]",
		"{}",
		"{\"keys\":{}}",
		"{\"keys\":[]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}]}",
		/* libcjose ends the process over these */
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAAA\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA=A\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"A\",\"y\":\"A A\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}]}",
	};
	struct jwt_keys *keys = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sets); i++) {
		int r = jwt_keys_read(str_of(sets[i]), &keys, &err);

		if (r != -ERR_PROTOCOL)
			fail_msg("%s: %d", sets[i], r);
		assert_null(keys);
	}
}

static void test_reading_and_checking_survive_each_lost_allocation(void **state)
{
	char *t = signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"r1\"}", GOOD);
	struct jwt_said got;
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(jwt_keys_drop_at) struct jwt_keys *keys = NULL;

		fault_at(++nth);
		r = jwt_keys_read(str_of(k.set), &keys, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM || (r == 0 && keys));
	} while (fired);
	assert_int_equal(r, 0);
	assert_true(nth > 3);
	nth = 0;
	do {
		fault_at(++nth);
		r = jwt_check(str_of(t), k.keys, &rules, NOW_MS, &got, &err);
		fired = fault_fired();
		assert_true(fired ? r < 0 : r == 0); /* never opened by accident */
	} while (fired);
	assert_true(nth > 3);
	free(t);
}

static void *check_many(void *arg)
{
	struct err err;

	for (int i = 0; i < 50; i++) {
		struct jwt_keys *held = jwt_keys_hold(k.keys);
		struct jwt_said got;

		if (jwt_check(str_of(arg), held, &rules, NOW_MS, &got, &err) != 0)
			abort();
		jwt_keys_drop(held);
	}
	return NULL;
}

static void test_many_threads_check_with_the_same_keys(void **state)
{
	char *tokens[2] = { signed_with(k.rsa, "{\"alg\":\"RS256\",\"kid\":\"r1\"}", GOOD),
			    signed_with(k.ec, "{\"alg\":\"ES256\",\"kid\":\"e1\"}", GOOD) };
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, check_many, tokens[i % 2]),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	free(tokens[0]);
	free(tokens[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_of_the_issuer_opens),
		cmocka_unit_test(test_algorithms_open_only_where_they_are_let_in),
		cmocka_unit_test(test_what_nobody_signed_with_the_issuers_key_never_opens),
		cmocka_unit_test(test_each_changed_character_closes),
		cmocka_unit_test(test_claims_must_be_what_the_source_says),
		cmocka_unit_test(test_what_has_not_the_form_of_a_token_is_none),
		cmocka_unit_test(test_a_key_set_without_a_key_of_use_is_refused),
		cmocka_unit_test(test_reading_and_checking_survive_each_lost_allocation),
		cmocka_unit_test(test_many_threads_check_with_the_same_keys),
	};

	return cmocka_run_group_tests(tests, keys_make, keys_end);
}
