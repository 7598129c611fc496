#include "tests/lib/test.h"

#include "base/stamp.h"
#include "ldap/entry.h"
#include "tests/unit/entries.h"

static const unsigned char guid[16] = { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
					0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF };

static void test_ids_have_one_text_form_each(void **state)
{
	static const struct {
		enum dir_id_form form;
		const char *raw;  /* NULL: the 16 bytes above */
		const char *text; /* NULL: refused */
	} cases[] = {
		{ DIR_ID_UUID, "5F0C2F6E-6C39-4B0E-9D77-0A8F1A5C0DE1",
		  "5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1" },
		{ DIR_ID_UUID, "5f0c2f6e6c394b0e9d770a8f1a5c0de1", NULL },
		{ DIR_ID_UUID, "5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0deg", NULL },
		{ DIR_ID_UUID, "5f0c2f6e-6c39-4b0e-9d770-a8f1a5c0de1", NULL },
		{ DIR_ID_UUID, "", NULL },
		/* Microsoft's order: the first three groups are little-endian */
		{ DIR_ID_GUID, NULL, "00112233-4455-6677-8899-aabbccddeeff" },
		{ DIR_ID_GUID, "short", NULL },
		{ DIR_ID_RAW, NULL, "33221100-5544-7766-8899-aabbccddeeff" },
		{ DIR_ID_UNIQ, "66446001-1dd211b2-66225011-2EE211DB",
		  "66446001-1dd211b2-66225011-2ee211db" },
		{ DIR_ID_UNIQ, "66446001-1dd211b2-66225011-2ee211d", NULL },
		{ DIR_ID_UNIQ, "66446001x1dd211b2-66225011-2ee211db", NULL },
		{ DIR_ID_TEXT, "E 1234", "E 1234" },
		{ DIR_ID_TEXT, "", NULL },
		{ DIR_ID_TEXT, "line\x01", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str raw = cases[i].raw ? str_of(cases[i].raw)
					      : str_n((const char *)guid, sizeof(guid));
		char text[DIR_ID_BYTES];
		bool ok = dir_id_text(cases[i].form, raw, text);

		if (ok != (cases[i].text != NULL))
			fail_msg("case %zu: %d", i, ok);
		if (ok)
			assert_string_equal(text, cases[i].text);
	}
}

static void test_an_id_becomes_a_filter_that_finds_it_and_nothing_else(void **state)
{
	static const struct {
		enum dir_id_form form;
		const char *text, *filter; /* NULL: refused */
	} cases[] = {
		{ DIR_ID_UUID, "5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1",
		  "(id=5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1)" },
		{ DIR_ID_UUID, "*", NULL },
		{ DIR_ID_GUID, "00112233-4455-6677-8899-aabbccddeeff",
		  "(id=\\33\\22\\11\\00\\55\\44\\77\\66\\88\\99\\aa\\bb\\cc\\dd\\ee\\ff)" },
		{ DIR_ID_RAW, "33221100-5544-7766-8899-aabbccddeeff",
		  "(id=\\33\\22\\11\\00\\55\\44\\77\\66\\88\\99\\aa\\bb\\cc\\dd\\ee\\ff)" },
		{ DIR_ID_GUID, "00112233-4455-6677-8899-aabbccddee", NULL },
		{ DIR_ID_RAW, "33221100-5544-7766-8899-aabbccddeexx", NULL },
		{ DIR_ID_TEXT, "a*)(uid=\\", "(id=a\\2a\\29\\28uid=\\5c)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf b;
		bool ok;

		buf_init(&b, 1000);
		ok = dir_id_filter(cases[i].form, "id", str_of(cases[i].text), &b);
		if (ok != (cases[i].filter != NULL))
			fail_msg("case %zu: %d", i, ok);
		if (ok)
			assert_string_equal(b.p, cases[i].filter);
		buf_done(&b);
	}
}

static void test_flags_are_true_or_false_in_any_case_and_nothing_else(void **state)
{
	static const struct {
		const char *raw;
		bool ok, value;
	} cases[] = {
		{ "TRUE", true, true },   { "true", true, true },   { "True ", true, true },
		{ "FALSE", true, false }, { "false", true, false }, { "1", false, false },
		{ "yes", false, false },  { "", false, false },     { "TRUEE", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool value = !cases[i].value;

		assert_int_equal(dir_flag(str_of(cases[i].raw), &value), cases[i].ok);
		if (cases[i].ok)
			assert_int_equal(value, cases[i].value);
	}
}

static void test_bits_are_signed_or_unsigned_decimals_of_32_bits(void **state)
{
	static const struct {
		const char *raw;
		bool ok;
		uint32_t value;
	} cases[] = {
		{ "512", true, 512 },
		{ "514", true, 514 },
		{ "-2147483646", true, 0x80000002U }, /* as AD writes groupType */
		{ "4294967295", true, 0xFFFFFFFFU },
		{ "4294967296", false, 0 },
		{ "0x200", false, 0 },
		{ "", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint32_t value = 0;

		assert_int_equal(dir_bits(str_of(cases[i].raw), &value), cases[i].ok);
		assert_int_equal(value, cases[i].value);
	}
}

static void test_shadow_days_are_days_since_1970_with_two_special_values(void **state)
{
	int64_t at;

	(void)state;
	assert_true(dir_shadow_day(STR("1"), &at));
	assert_int_equal(at, 86400000);
	assert_true(dir_shadow_day(STR("-1"), &at));
	assert_true(at == STAMP_NEVER);
	assert_true(dir_shadow_day(STR("20454"), &at));
	assert_int_equal(at, 20454 * 86400000LL);
	assert_false(dir_shadow_day(STR("0"), &at)); /* shadow(5): its meaning is not defined */
	assert_false(dir_shadow_day(STR("-2"), &at));
	assert_false(dir_shadow_day(STR("99999999999"), &at));
}

static void test_sids_are_printed_as_windows_prints_them(void **state)
{
	static const unsigned char sid[] = { 1, 5, 0,    0,    0,    0,    0, 5, 21, 0,
					     0, 0, 0x15, 0xCD, 0x5B, 0x07, 0, 0, 0,  0x10,
					     1, 0, 0,    0,    0xF4, 1,    0, 0 };
	char text[DIR_SID_BYTES];
	unsigned char most[68] = { 1, 15 };

	(void)state;
	assert_true(dir_sid_text(str_n((const char *)sid, sizeof(sid)), text));
	assert_string_equal(text, "S-1-5-21-123456789-268435456-1-500");
	assert_false(dir_sid_text(str_n((const char *)sid, sizeof(sid) - 1), text));
	assert_false(dir_sid_text(str_n((const char *)sid, 7), text));
	memset(most + 2, 0xFF, sizeof(most) - 2);
	assert_true(dir_sid_text(str_n((const char *)most, sizeof(most)), text));
	most[1] = 16;
	assert_false(dir_sid_text(str_n((const char *)most, sizeof(most)), text));
}

static void test_a_value_with_control_characters_or_broken_utf8_is_no_text(void **state)
{
	static const struct {
		const char *raw;
		size_t len;
		bool ok;
	} cases[] = {
		{ "Zo\xc3\xab", 4, true }, { "two\nlines\tand a tab", 19, true },
		{ "bell\x07", 5, false },  { "del\x7f", 4, false },
		{ "half \xc3", 6, false }, { "nul\0inside", 10, false },
		{ "", 0, true },
	};
	char *big = malloc(DIR_VALUE_MAX_BYTES + 1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(dir_text_ok(str_n(cases[i].raw, cases[i].len)), cases[i].ok);
	memset(big, 'x', DIR_VALUE_MAX_BYTES + 1);
	assert_true(dir_text_ok(str_n(big, DIR_VALUE_MAX_BYTES)));
	assert_false(dir_text_ok(str_n(big, DIR_VALUE_MAX_BYTES + 1)));
	free(big);
}

static void test_filter_values_are_escaped_so_that_they_stay_values(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	dir_filter_escape(str_n("a*(b)\\\0\xc3\xab", 9), &b);
	assert_string_equal(b.p, "a\\2a\\28b\\29\\5c\\00\\c3\\ab");
	buf_done(&b);
}

static void test_filters_are_checked_whole(void **state)
{
	static const struct {
		const char *text;
		int at; /* -1: fine */
	} cases[] = {
		{ "(objectClass=person)", -1 },
		{ "(&(objectCategory=person)(objectClass=user))", -1 },
		{ "(&(a=b)(!(c=*))(|(d>=1)(e<=2)(f~=x)))", -1 },
		{ "(userAccountControl:1.2.840.113556.1.4.803:=2)", -1 },
		{ "(cn;lang-de=*M\\c3\\bcller*)", -1 },
		{ "(&)", -1 }, /* RFC 4526: true */
		{ "(cn=)", -1 },
		{ "(!(a=b))", -1 },
		{ "", 0 },
		{ "objectClass=person", 0 },
		{ "(objectClass=person", 19 },
		{ "(objectClass=person))", 20 },
		{ "(!(a=b)(c=d))", 12 },
		{ "(a=(b))", 3 },
		{ "(a=\\4)", 3 },
		{ "(a=\\zz)", 3 },
		{ "(=b)", 1 },
		{ "(a b=c)", 2 },
		{ "(a>b)", 3 },
	};
	char deep[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = { 0 };
		char says[40];
		int r = dir_filter_check(str_of(cases[i].text), &err);

		snprintf(says, sizeof(says), "byte %d:", cases[i].at);
		if (cases[i].at < 0)
			assert_ok(r, &err);
		else if (r != -ERR_CONFIG ||
			 (cases[i].at > 0 && i != 12 && !strstr(err.text, says)))
			fail_msg("%s: %d: %s", cases[i].text, r, err.text);
	}
	memset(deep, '(', 100);
	memcpy(deep + 100, "(a=b)", 6);
	for (int i = 0; i < 100; i += 2)
		deep[i + 1] = '!';
	assert_int_equal(dir_filter_check(str_of(deep), NULL), -ERR_CONFIG);
}

static void test_attribute_names_are_names_or_oids(void **state)
{
	(void)state;
	assert_true(dir_attr_name_ok(STR("ms-DS-User-Account-Control-Computed")));
	assert_true(dir_attr_name_ok(STR("2.5.4.3")));
	assert_true(dir_attr_name_ok(STR("o")));
	assert_false(dir_attr_name_ok(STR("")));
	assert_false(dir_attr_name_ok(STR("-a")));
	assert_false(dir_attr_name_ok(STR("a b")));
	assert_false(dir_attr_name_ok(STR("a)(b=*")));
	assert_false(dir_attr_name_ok(STR("2.5.4.a")));
	assert_false(dir_attr_name_ok(STR("cn;lang-de")));
}

static void test_attributes_are_found_in_any_case_and_plain_ones_first(void **state)
{
	static const char *const lines[] = { "cn;lang-de: Käthe",     "CN: Kate",
					     "cn;lang-fr: Catherine", "member;range=0-1: a",
					     "member;range=0-1: b",   NULL };
	struct dir_entry e = { 0 };
	const struct str *values;
	const struct dir_attr *a;
	struct str first;

	(void)state;
	entry_make(&e, "cn=x", lines);
	a = dir_entry_attr(&e, STR("cN"), &values);
	assert_non_null(a);
	assert_int_equal(a->options.len, 0);
	assert_true(str_eq(values[0], STR("Kate")));
	a = dir_entry_attr(&e, STR("member"), &values);
	assert_int_equal(a->n, 2);
	assert_true(str_eq(a->options, STR("range=0-1")));
	assert_true(str_eq(values[1], STR("b")));
	assert_false(dir_entry_first(&e, "sn", &first));
	dir_entry_done(&e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_have_one_text_form_each),
		cmocka_unit_test(test_an_id_becomes_a_filter_that_finds_it_and_nothing_else),
		cmocka_unit_test(test_flags_are_true_or_false_in_any_case_and_nothing_else),
		cmocka_unit_test(test_bits_are_signed_or_unsigned_decimals_of_32_bits),
		cmocka_unit_test(test_shadow_days_are_days_since_1970_with_two_special_values),
		cmocka_unit_test(test_sids_are_printed_as_windows_prints_them),
		cmocka_unit_test(
			test_a_value_with_control_characters_or_broken_utf8_is_no_text),
		cmocka_unit_test(test_filter_values_are_escaped_so_that_they_stay_values),
		cmocka_unit_test(test_filters_are_checked_whole),
		cmocka_unit_test(test_attribute_names_are_names_or_oids),
		cmocka_unit_test(test_attributes_are_found_in_any_case_and_plain_ones_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
