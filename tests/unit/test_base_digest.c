#include "tests/lib/test.h"

#include "base/digest.h"
#include "base/enc.h"

static void key_of(struct secret *key, size_t len)
{
	unsigned char raw[64];
	struct err err;

	for (size_t i = 0; i < len; i++)
		raw[i] = (unsigned char)i;
	assert_ok(secret_set(key, raw, len, &err), &err);
}

/* Computed by Python's hashlib.blake2b(digest_size=32). */
static void test_digests_are_blake2b(void **state)
{
	CLEANUP(secret_done) struct secret key32 = { 0 };
	CLEANUP(secret_done) struct secret key64 = { 0 };
	struct digest_run run;
	struct digest d;
	char hex[DIGEST_HEX_BYTES];

	(void)state;
	key_of(&key32, 32);
	key_of(&key64, 64);
	digest_of(&d, NULL, str_of(NULL));
	digest_hex(&d, hex);
	assert_string_equal(hex, "0e5751c026e543b2e8ab2eb06099daa1"
				 "d1e5df47778f7787faab45cdf12fe3a8");
	digest_of(&d, NULL, STR("abc"));
	digest_hex(&d, hex);
	assert_string_equal(hex, "bddd813c634239723171ef3fee98579b"
				 "94964e3bb1cb3e427262c8c068d52319");
	digest_of(&d, &key32, STR("abc"));
	digest_hex(&d, hex);
	assert_string_equal(hex, "d63a32d3e44738d7907f964316c241ad"
				 "aba0abfeabc32349677578a15a203f7f");
	digest_begin(&run, &key64);
	for (int i = 0; i < 1000; i++)
		digest_add(&run, "abc", 3);
	digest_add(&run, NULL, 0);
	digest_end(&run, &d);
	digest_hex(&d, hex);
	assert_string_equal(hex, "4eb7b9cff5155c1e060e7dd4e616b4f8"
				 "90210962d4059fefe3773af19ee7cfc5");
}

static void test_digests_go_through_hex(void **state)
{
	struct digest a, b;
	char hex[DIGEST_HEX_BYTES];

	(void)state;
	digest_of(&a, NULL, STR("abc"));
	digest_hex(&a, hex);
	assert_true(digest_unhex(str_of(hex), &b));
	assert_true(digest_equal(&a, &b));
	assert_false(digest_unhex(str_n(hex, 62), &b));
	hex[0] ^= 1;
	assert_true(digest_unhex(str_of(hex), &b));
	assert_false(digest_equal(&a, &b));
}

static void test_signatures_are_ed25519(void **state)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	unsigned char raw[32], pub[DIGEST_PUB_BYTES], sig[DIGEST_SIG_BYTES];
	char hex[2 * DIGEST_SIG_BYTES + 1];
	struct err err;

	(void)state;
	/* RFC 8032 section 7.1, test 2 */
	assert_true(enc_unhex(STR("4ccd089b28ff96da9db6c346ec114e0f"
				  "5b8a319f35aba624da8cf6ed4fb8a6fb"),
			      raw, 32));
	assert_ok(secret_set(&seed, raw, 32, &err), &err);
	assert_ok(digest_public(pub, &seed, &err), &err);
	enc_hex(pub, 32, hex);
	assert_string_equal(hex, "3d4017c3e843895a92b70aa74d1b7ebc"
				 "9c982ccf2ec4968cc0cd55f12af4660c");
	assert_ok(digest_sign(sig, &seed, STR("\x72"), &err), &err);
	enc_hex(sig, 64, hex);
	assert_string_equal(hex, "92a009a9f0d4cab8720e820b5f642540"
				 "a2b27b5416503f8fb3762223ebdb69da"
				 "085ac1e43e15996e458f3613d0f11d8c"
				 "387b2eaeb4302aeeb00d291612bb0c00");
	assert_true(digest_verify(sig, pub, STR("\x72")));
	assert_false(digest_verify(sig, pub, STR("\x73")));
	sig[0] ^= 1;
	assert_false(digest_verify(sig, pub, STR("\x72")));
	sig[0] ^= 1;
	pub[0] ^= 1;
	assert_false(digest_verify(sig, pub, STR("\x72")));
}

static void test_a_seed_of_another_length_signs_nothing(void **state)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	unsigned char pub[DIGEST_PUB_BYTES], sig[DIGEST_SIG_BYTES];
	struct err err;

	(void)state;
	assert_fault(digest_public(pub, &seed, &err), ERR_SECRET, &err, "32 bytes, not 0");
	key_of(&seed, 31);
	assert_fault(digest_sign(sig, &seed, STR("a"), &err), ERR_SECRET, &err, "not 31");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests_are_blake2b),
		cmocka_unit_test(test_digests_go_through_hex),
		cmocka_unit_test(test_signatures_are_ed25519),
		cmocka_unit_test(test_a_seed_of_another_length_signs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
