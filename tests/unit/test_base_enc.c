#include "tests/lib/test.h"

#include "base/enc.h"

static void test_hex_goes_there_and_back(void **state)
{
	static const unsigned char raw[] = { 0x00, 0x0F, 0xA5, 0xFF };
	unsigned char back[4] = { 0 };
	char text[9];

	(void)state;
	enc_hex(raw, sizeof(raw), text);
	assert_string_equal(text, "000fa5ff");
	assert_true(enc_unhex(STR("000FA5ff"), back, 4));
	assert_memory_equal(back, raw, 4);
	enc_hex(raw, 0, text);
	assert_string_equal(text, "");
	assert_true(enc_unhex(STR(""), back, 0));
	assert_false(enc_unhex(STR("000fa5f"), back, 4));
	assert_false(enc_unhex(STR("000fa5ff00"), back, 4));
	assert_false(enc_unhex(STR("000fa5fg"), back, 4));
	assert_false(enc_unhex(STR("000fa5f "), back, 4));
	assert_memory_equal(back, raw, 4); /* a refusal leaves it alone */
}

static const struct {
	const char *plain, *base64, *base64url;
} vectors[] = {
	/* RFC 4648 section 10 */
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xFB\xEF\xBE", "++++", "----" },
	{ "\xFF\xFF\xFF", "////", "____" },
};

static void test_base64_follows_its_rfc(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		const char *const texts[] = { vectors[i].base64, vectors[i].base64url };
		CLEANUP(buf_done) struct buf b;
		struct str plain = str_of(vectors[i].plain);

		buf_init(&b, 100);
		enc_base64(&b, plain.p, plain.len);
		assert_true(str_eq(buf_str(&b), str_of(vectors[i].base64)));
		buf_clear(&b);
		enc_base64url(&b, plain.p, plain.len);
		assert_true(str_eq(buf_str(&b), str_of(vectors[i].base64url)));
		for (size_t j = 0; j < COUNT_OF(texts); j++) {
			buf_clear(&b);
			assert_true(enc_unbase64(&b, str_of(texts[j])));
			assert_true(str_eq(buf_str(&b), plain));
		}
	}
}

static void test_base64_has_one_text_for_the_same_bytes(void **state)
{
	static const char *const wrong[] = {
		"Z",    "Zg=", "Zg===", "=",     "====",   "Zm9=v", "Zm9v=",
		"Zh==", "Zh",  "Zm9",   "Zm 9v", "Zm9v\n", "Zm9v!", "=Zg=",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		CLEANUP(buf_done) struct buf b;

		buf_init(&b, 100);
		buf_add_text(&b, "kept");
		if (enc_unbase64(&b, str_of(wrong[i])))
			fail_msg("\"%s\" was read", wrong[i]);
		assert_string_equal(b.p, "kept");
	}
}

static void test_percent_keeps_the_unreserved_only(void **state)
{
	CLEANUP(buf_done) struct buf b;

	(void)state;
	buf_init(&b, 1000);
	enc_percent(&b, STR("aZ09-._~ /?#%+&=\xC3\xA9\0"));
	assert_string_equal(b.p, "aZ09-._~%20%2F%3F%23%25%2B%26%3D%C3%A9%00");
}

static void test_percent_is_decoded_once(void **state)
{
	static const struct {
		const char *text;
		bool plus;
		const char *plain; /* NULL: refused */
	} cases[] = {
		{ "", false, "" },
		{ "a%20b", false, "a b" },
		{ "a+b", false, "a+b" },
		{ "a+b", true, "a b" },
		{ "a%2Bb", true, "a+b" },
		{ "%2520", false, "%20" }, /* once */
		{ "%c3%A9", false, "\xC3\xA9" },
		{ "%", false, NULL },
		{ "a%2", false, NULL },
		{ "%zz", false, NULL },
		{ "%0", false, NULL },
		{ "a%00b", false, NULL }, /* would end a C string */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(buf_done) struct buf b;
		bool ok;

		buf_init(&b, 100);
		buf_add_char(&b, '>');
		ok = enc_unpercent(&b, str_of(cases[i].text), cases[i].plus);
		if (ok != (cases[i].plain != NULL))
			fail_msg("\"%s\" was %s", cases[i].text, ok ? "read" : "refused");
		assert_string_equal(b.p + 1, ok ? cases[i].plain : "");
	}
}

static void test_uuid_and_guid_order_their_bytes_differently(void **state)
{
	unsigned char raw[16], back[16];
	char text[ENC_UUID_CHARS + 1];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		raw[i] = (unsigned char)(i * 0x11);
	enc_uuid(raw, text);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
	enc_guid(raw, text);
	assert_string_equal(text, "33221100-5544-7766-8899-aabbccddeeff");
	assert_true(enc_unguid(str_of(text), back));
	assert_memory_equal(back, raw, 16);
	assert_true(enc_unguid(STR("33221100-5544-7766-8899-AABBCCDDEEFF"), back));
	assert_false(enc_unguid(STR("33221100-5544-7766-8899-aabbccddeef"), back));
	assert_false(enc_unguid(STR("33221100-5544-7766-8899-aabbccddeeffa"), back));
	assert_false(enc_unguid(STR("3322110005544-7766-8899-aabbccddeeff"), back));
	assert_false(enc_unguid(STR("33221100-5544-7766-8899-aabbccddeegf"), back));
	assert_false(enc_unguid(STR("{3221100-5544-7766-8899-aabbccddeeff"), back));
	assert_memory_equal(back, raw, 16);
}

static void test_a_new_uuid_is_version_4_and_new(void **state)
{
	char a[ENC_UUID_CHARS + 1], b[ENC_UUID_CHARS + 1];

	(void)state;
	for (int i = 0; i < 100; i++) {
		enc_uuid_new(a);
		enc_uuid_new(b);
		assert_int_equal(strlen(a), ENC_UUID_CHARS);
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
		assert_string_not_equal(a, b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex_goes_there_and_back),
		cmocka_unit_test(test_base64_follows_its_rfc),
		cmocka_unit_test(test_base64_has_one_text_for_the_same_bytes),
		cmocka_unit_test(test_percent_keeps_the_unreserved_only),
		cmocka_unit_test(test_percent_is_decoded_once),
		cmocka_unit_test(test_uuid_and_guid_order_their_bytes_differently),
		cmocka_unit_test(test_a_new_uuid_is_version_4_and_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
