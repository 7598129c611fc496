#include "tests/lib/test.h"

#include "base/str.h"
#include "base/vec.h"

static void assert_str(struct str s, const char *text)
{
	if (!str_eq(s, str_of(text)))
		fail_msg("\"" STR_FMT "\" is not \"%s\"", STR_ARG(s), text);
}

static void test_texts_are_compared_by_bytes_or_letters(void **state)
{
	const struct str none = { NULL, 0 };

	(void)state;
	assert_true(str_eq(none, STR("")));
	assert_true(str_eq(str_n("a\0b", 3), str_n("a\0b", 3)));
	assert_false(str_eq(str_n("a\0b", 3), str_n("a\0c", 3)));
	assert_false(str_eq(STR("a"), STR("ab")));
	assert_true(str_ieq(STR("userName"), STR("USERNAME")));
	assert_false(str_ieq(STR("\xC3\xA9"), STR("\xC3\x89"))); /* ASCII letters only */
	assert_false(str_ieq(STR("@"), STR("`")));               /* 32 apart, but no letters */
	assert_false(str_ieq(STR("[k"), STR("{k")));
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("ab"), STR("a")) > 0);
	assert_true(str_cmp(STR("\xFF"), STR("a")) > 0); /* bytes are unsigned */
	assert_int_equal(str_cmp(none, STR("")), 0);
	assert_true(str_starts(STR("abc"), STR("ab")));
	assert_true(str_starts(STR("abc"), none));
	assert_false(str_starts(STR("a"), STR("ab")));
	assert_true(str_istarts(STR("Bearer x"), STR("bearer ")));
	assert_true(str_ends(STR("abc"), STR("bc")));
	assert_true(str_ends(none, none));
	assert_false(str_ends(STR("c"), STR("bc")));
}

static void test_texts_are_trimmed_found_and_cut(void **state)
{
	struct str head, rest;

	(void)state;
	assert_str(str_trim(STR(" \t\r\n a b \n")), "a b");
	assert_str(str_trim(STR(" \t ")), "");
	assert_str(str_trim(str_of(NULL)), "");
	assert_int_equal(str_find(STR("a=b"), '='), 1);
	assert_int_equal(str_find(STR("ab"), '='), 2);
	assert_int_equal(str_find(str_of(NULL), '='), 0);
	assert_int_equal(str_find_any(STR("ab;c,"), ",;"), 2);
	assert_int_equal(str_find_any(str_n("a\0b", 3), ",;"), 3); /* NUL is in no set */
	assert_true(str_cut(STR("k=v=w"), '=', &head, &rest));
	assert_str(head, "k");
	assert_str(rest, "v=w");
	assert_true(str_cut(STR("="), '=', &head, &rest));
	assert_str(head, "");
	assert_str(rest, "");
	assert_false(str_cut(STR("kv"), '=', &head, &rest));
	assert_str(head, "kv");
	assert_str(rest, "");
	assert_false(str_cut(str_of(NULL), '=', &head, &rest));
}

static void test_numbers_are_whole_or_nothing(void **state)
{
	static const struct {
		const char *text;
		bool ok, ok_unsigned;
		int64_t value;
	} cases[] = {
		{ "0", true, true, 0 },
		{ "007", true, true, 7 },
		{ "9223372036854775807", true, true, INT64_MAX },
		{ "-9223372036854775808", true, false, INT64_MIN },
		{ "9223372036854775808", false, true, INT64_MIN }, /* as its bits */
		{ "18446744073709551615", false, true, -1 },
		{ "-9223372036854775809", false, false, 0 },
		{ "18446744073709551616", false, false, 0 },
		{ "99999999999999999999999", false, false, 0 },
		{ "-1", true, false, -1 },
		{ "-0", true, false, 0 },
		{ "", false, false, 0 },
		{ "-", false, false, 0 },
		{ "+1", false, false, 0 },
		{ " 1", false, false, 0 },
		{ "1 ", false, false, 0 },
		{ "1.0", false, false, 0 },
		{ "0x1", false, false, 0 },
		{ "--1", false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str s = str_of(cases[i].text);
		uint64_t u = 42;
		int64_t v = 42;

		if (str_int64(s, &v) != cases[i].ok ||
		    str_uint64(s, &u) != cases[i].ok_unsigned)
			fail_msg("\"%s\" is read wrongly", cases[i].text);
		assert_true(v == (cases[i].ok ? cases[i].value : 42)); /* else untouched */
		assert_true(u == (cases[i].ok_unsigned ? (uint64_t)cases[i].value : 42));
	}
}

static void test_durations_have_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
		{ "0", 0 },
		{ "0d", 0 },
		{ "500ms", 500 },
		{ "30s", 30000 },
		{ "10min", 600000 },
		{ "24h", 86400000 },
		{ "90d", 7776000000 },
		{ "2w", 1209600000 },
		{ "30", -1 },
		{ "", -1 },
		{ "s", -1 },
		{ "-1s", -1 },
		{ "1.5h", -1 },
		{ "10 min", -1 },
		{ "1m", -1 }, /* a minute or a month */
		{ "5S", -1 },
		{ "106751991168d", -1 },
		{ "106751991167d", 106751991167 * 86400000 },
		{ "1h30min", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t ms = -1;

		if (str_duration_ms(str_of(cases[i].text), &ms) != (cases[i].ms >= 0) ||
		    ms != cases[i].ms)
			fail_msg("\"%s\" is %lld", cases[i].text, (long long)ms);
	}
}

static void test_utf8_names_the_byte_that_is_wrong(void **state)
{
	static const struct {
		struct str s;
		size_t at; /* SIZE_MAX: fine */
	} cases[] = {
		{ { NULL, 0 }, SIZE_MAX },
		{ STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), SIZE_MAX },
		{ STR("a\0b"), 1 },
		{ STR("ab\xFF"), 2 },
		{ STR("\x80"), 0 },
		{ STR("a\xC3"), 1 },            /* cut off */
		{ STR("\xC0\xAF"), 0 },         /* overlong */
		{ STR("\xED\xA0\x80"), 0 },     /* a surrogate */
		{ STR("\xF4\x90\x80\x80"), 0 }, /* above U+10FFFF */
		{ STR("a\0b\xFF"), 1 },         /* the first of two */
		{ STR("a\xFF\0"), 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t at = SIZE_MAX;

		assert_int_equal(str_utf8(cases[i].s, &at), cases[i].at == SIZE_MAX);
		assert_true(at == cases[i].at);
		assert_int_equal(str_utf8(cases[i].s, NULL), cases[i].at == SIZE_MAX);
	}
}

static const struct {
	const char *text, *fold, *nfc;
} forms[] = {
	{ "", "", "" },
	{ "BJensen@Example.COM", "bjensen@example.com", "BJensen@Example.COM" },
	{ "Z\xC3\xBCrich", "z\xC3\xBCrich", "Z\xC3\xBCrich" },
	{ "Zu\xCC\x88rich", "z\xC3\xBCrich", "Z\xC3\xBCrich" }, /* u + combining ¨ */
	{ "STRASSE", "strasse", "STRASSE" },
	{ "Stra\xC3\x9F"
	  "e",
	  "strasse",
	  "Stra\xC3\x9F"
	  "e" },                                                          /* full folding */
	{ "\xEF\xBC\xA1\xEF\xBC\xA2", "ab", "\xEF\xBC\xA1\xEF\xBC\xA2" }, /* full width AB */
	{ "\xE2\x84\xA1", "tel", "\xE2\x84\xA1" }, /* folds only after NFKC */
	{ "\xCE\xA3\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x82",
	  "\xCF\x83\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x83", /* both sigmas */
	  "\xCE\xA3\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x82" },
	{ "\xEF\xAC\x81", "fi", "\xEF\xAC\x81" },   /* ligature */
	{ "\xE2\x84\xAB", "\xC3\xA5", "\xC3\x85" }, /* ANGSTROM SIGN */
	{ "I\xC4\xB0", "ii\xCC\x87", "I\xC4\xB0" }, /* no locale: İ keeps its dot */
};

static void test_texts_that_a_person_calls_the_same_fold_to_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		CLEANUP(free_at) char *fold = NULL;
		CLEANUP(free_at) char *nfc = NULL;
		size_t len;
		struct err err;

		assert_ok(str_fold(str_of(forms[i].text), &fold, &len, &err), &err);
		assert_string_equal(fold, forms[i].fold);
		assert_int_equal(len, strlen(fold));
		assert_ok(str_nfc(str_of(forms[i].text), &nfc, &len, &err), &err);
		assert_string_equal(nfc, forms[i].nfc);
		assert_int_equal(len, strlen(nfc));
	}
}

static size_t utf8_put(uint32_t c, char out[5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3F));
	out[0] = (char)(n == 1 ? c : (0xF0 << (4 - n) & 0xFF) | c);
	out[n] = '\0';
	return n;
}

/* Else a name stored folded would not be found by a name folded again. */
static void test_folding_twice_is_folding_once_for_every_character(void **state)
{
	(void)state;
	for (uint32_t c = 1; c <= 0x10FFFF; c += c < 0x30000 ? 1 : 997) {
		CLEANUP(free_at) char *once = NULL;
		CLEANUP(free_at) char *twice = NULL;
		char text[5];
		size_t len = utf8_put(c, text), len1, len2;
		struct err err;

		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		assert_ok(str_fold(str_n(text, len), &once, &len1, &err), &err);
		assert_ok(str_fold(str_n(once, len1), &twice, &len2, &err), &err);
		if (strcmp(once, twice) != 0)
			fail_msg("U+%04X folds to \"%s\", then to \"%s\"", c, once, twice);
	}
}

/* RFC 8265 section 3.3, which RFC 7644 section 5 asks for. */
static void test_user_names_are_prepared_by_their_profile(void **state)
{
	static const struct {
		const char *text, *name;
	} rows[] = {
		{ "BJensen", "bjensen" },
		{ " bjensen\t", " bjensen\t" },
		{ "\xEF\xBC\xA2jensen", "bjensen" }, /* full-width B */
		{ "\xE3\x80\x80", " " },             /* ideographic space: a blank */
		{ "\xEF\xBD\xB6", "\xE3\x82\xAB" },  /* half-width katakana */
		{ "STRASSE", "strasse" },            /* no folding: */
		{ "Stra\xC3\x9F"
		  "e",
		  "stra\xC3\x9F"
		  "e" },                            /* another name */
		{ "JOSE\xCC\x81", "jos\xC3\xA9" },  /* composed */
		{ "\xE2\x84\xA1", "\xE2\x84\xA1" }, /* TEL: no compatibility form */
		{ "", "" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int nth = 0, r;

		do {
			CLEANUP(free_at) char *name = NULL;
			size_t len = 99;

			fault_at(++nth);
			r = str_user_name(str_of(rows[i].text), &name, &len, &err);
			if (fault_fired()) {
				assert_int_equal(r, -ERR_NOMEM);
				assert_null(name);
				continue;
			}
			assert_ok(r, &err);
			assert_string_equal(name, rows[i].name);
			assert_int_equal(len, strlen(name));
		} while (fault_fired());
	}
}

static void test_white_space_is_blank_in_every_script(void **state)
{
	static const char *const blank[] = { "", " \t", "\xC2\xA0", "\xE3\x80\x80 " };
	static const char *const text[] = { "a", " a ", "\xC2\xA0x", "\xE3\x82\xAB" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(blank); i++)
		assert_true(str_is_blank(str_of(blank[i])));
	for (size_t i = 0; i < COUNT_OF(text); i++)
		assert_false(str_is_blank(str_of(text[i])));
}

static void test_what_is_not_utf8_is_not_folded(void **state)
{
	CLEANUP(free_at) char *text = NULL;
	size_t len;
	struct err err;

	(void)state;
	assert_fault(str_fold(STR("ab\xFF"), &text, &len, &err), ERR_INVALID_VALUE, &err,
		     "not UTF-8 at byte 2");
	assert_fault(str_nfc(STR("a\0"), &text, &len, &err), ERR_INVALID_VALUE, &err,
		     "at byte 1");
	assert_null(text);
}

static void test_folding_survives_each_lost_allocation(void **state)
{
	static const char *const texts[] = { "Abc", "Z\xC3\xBCrich" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		int nth = 0, r;

		do {
			CLEANUP(free_at) char *fold = NULL;
			CLEANUP(free_at) char *nfc = NULL;
			size_t len;
			struct err err;

			fault_at(++nth);
			r = str_fold(str_of(texts[i]), &fold, &len, &err);
			if (r == 0)
				r = str_nfc(str_of(texts[i]), &nfc, &len, &err);
			assert_true(r == 0 || r == -ERR_NOMEM);
		} while (fault_fired());
		assert_int_equal(r, 0);
		assert_int_equal(nth, 3);
	}
	fault_at(1);
	assert_null(str_dup(STR("a")));
	assert_true(fault_fired());
}

static void test_a_copy_ends_in_nul(void **state)
{
	CLEANUP(free_at) char *copy = str_dup(str_n("abcdef", 3));
	CLEANUP(free_at) char *none = str_dup(str_of(NULL));

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(none, "");
}

VEC(numbers, int);

static void test_arrays_grow_and_survive_lost_memory(void **state)
{
	struct numbers a = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(numbers_add(&a, i), 0);
	assert_int_equal(a.n, 100);
	assert_int_equal(a.v[99], 99);
	assert_int_equal(numbers_reserve(&a, 50), 0);
	assert_true(a.room >= 100);
	fault_at(1);
	assert_int_equal(numbers_reserve(&a, 1000), -ERR_NOMEM);
	assert_true(fault_fired());
	assert_int_equal(a.v[99], 99);
	numbers_done(&a);
	assert_null(a.v);
	numbers_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_are_compared_by_bytes_or_letters),
		cmocka_unit_test(test_texts_are_trimmed_found_and_cut),
		cmocka_unit_test(test_numbers_are_whole_or_nothing),
		cmocka_unit_test(test_durations_have_a_unit),
		cmocka_unit_test(test_utf8_names_the_byte_that_is_wrong),
		cmocka_unit_test(test_texts_that_a_person_calls_the_same_fold_to_the_same),
		cmocka_unit_test(test_folding_twice_is_folding_once_for_every_character),
		cmocka_unit_test(test_user_names_are_prepared_by_their_profile),
		cmocka_unit_test(test_white_space_is_blank_in_every_script),
		cmocka_unit_test(test_what_is_not_utf8_is_not_folded),
		cmocka_unit_test(test_folding_survives_each_lost_allocation),
		cmocka_unit_test(test_a_copy_ends_in_nul),
		cmocka_unit_test(test_arrays_grow_and_survive_lost_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
