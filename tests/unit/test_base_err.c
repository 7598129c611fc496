#include "tests/lib/test.h"

#include <errno.h>

#include "base/str.h"

static void test_each_row_is_found_by_its_code_and_its_word(void **state)
{
	(void)state;
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++) {
		const struct err_class *c = err_class(code);

		assert_non_null(c->symbol);
		assert_ptr_equal(c, err_class(-code));
		assert_int_equal(err_by_word(c->word), code); /* so no word stands twice */
		assert_in_range(c->http_status, 400, 599);
		assert_true(c->retry == RETRY_NEVER || c->retry == RETRY_LATER);
	}
	assert_int_equal(err_by_word("no-such-word"), 0);
	assert_int_equal(err_by_word(NULL), 0);
}

static void test_scim_types_are_those_of_the_rfc(void **state)
{
	/* RFC 7644 table 9, and RFC 9865 for cursors */
	static const char *const types[] = {
		"invalidFilter", "tooMany",     "uniqueness",    "mutability",
		"invalidSyntax", "invalidPath", "noTarget",      "invalidValue",
		"invalidVers",   "sensitive",   "invalidCursor", "expiredCursor",
		"invalidCount",
	};
	unsigned seen = 0;

	(void)state;
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++) {
		bool known = !err_class(code)->scim_type;

		for (size_t i = 0; !known && i < COUNT_OF(types); i++)
			if (strcmp(err_class(code)->scim_type, types[i]) == 0)
				known = ++seen > 0;
		assert_true(known);
	}
	assert_int_equal(seen, COUNT_OF(types));
}

static void test_a_strange_code_is_internal_and_never_a_success(void **state)
{
	static const int strange[] = { 0, ERR_CODE_COUNT, -ERR_CODE_COUNT, 9999, -9999 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(strange); i++) {
		assert_string_equal(err_class(strange[i])->symbol, "INTERNAL");
		assert_int_equal(err_set(&err, strange[i], "x"), -ERR_INTERNAL);
		assert_int_equal(err.code, ERR_INTERNAL);
	}
	assert_int_equal(err_set(&err, -ERR_BUSY, "x"), -ERR_BUSY);
	assert_string_equal(err_class(INT32_MIN)->symbol, "INTERNAL");
}

static void test_the_sentence_is_outermost_first(void **state)
{
	struct err err;
	int r;

	(void)state;
	r = err_set(&err, ERR_BUSY, "search: %s", "Server is busy");
	assert_int_equal(r, -ERR_BUSY);
	r = err_context(&err, r, "page %d of %s", 7, "ou=people");
	r = err_context(&err, r, "directory corp");
	assert_int_equal(r, -ERR_BUSY);
	assert_int_equal(err.code, ERR_BUSY);
	assert_string_equal(err.text,
			    "directory corp: page 7 of ou=people: search: Server is busy");
	assert_int_equal(err_context(&err, 0, "never"), 0);
	assert_int_equal(err_context(&err, 2, "never"), 2);
	assert_null(strstr(err.text, "never"));
}

static void test_a_sentence_may_be_made_of_the_one_before(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_IO, "inner");
	err_set(&err, ERR_CONFLICT, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
	err_context(&err, -ERR_CONFLICT, "about %s", err.text);
	assert_string_equal(err.text, "about outer (inner): outer (inner)");
}

static void test_the_systems_words_come_last(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_errno(&err, ERR_IO, ENOENT, "cannot open %s", "/x"), -ERR_IO);
	assert_string_equal(err.text, "cannot open /x: No such file or directory");
}

static void test_nobody_need_listen(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_IO, "x"), -ERR_IO);
	assert_int_equal(err_errno(NULL, ERR_IO, ENOENT, "x"), -ERR_IO);
	assert_int_equal(err_context(NULL, -ERR_IO, "x"), -ERR_IO);
	assert_int_equal(err_nomem(NULL), -ERR_NOMEM);
}

/* Every length around the bound, with characters of 1 to 4 bytes. */
static void test_a_long_sentence_is_cut_at_a_character(void **state)
{
	static const char *const letters[] = { "a", "\xC3\xA9", "\xE2\x82\xAC",
					       "\xF0\x9F\x98\x80" };
	char text[2 * ERR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(letters); i++) {
		for (size_t len = ERR_TEXT_BYTES - 16; len < ERR_TEXT_BYTES + 16; len++) {
			struct err err;
			size_t n = 0;

			while (n < len % 4) /* each phase against the bound */
				text[n++] = 'x';
			while (n + 4 < len) {
				memcpy(text + n, letters[i], strlen(letters[i]));
				n += strlen(letters[i]);
			}
			text[n] = '\0';
			memset(&err, 'Z', sizeof(err));
			err_set(&err, ERR_IO, "%s", text);
			assert_true(str_utf8(str_of(err.text), NULL));
			if (n < ERR_TEXT_BYTES)
				assert_string_equal(err.text, text);
			else
				assert_true(str_ends(str_of(err.text), STR("...")));
			err_context(&err, -ERR_IO, "%s", letters[i]);
			assert_true(strlen(err.text) < ERR_TEXT_BYTES);
			assert_true(str_utf8(str_of(err.text), NULL));
			err_errno(&err, ERR_IO, ENOENT, "%s", text);
			assert_true(str_utf8(str_of(err.text), NULL));
			err_context(&err, -ERR_IO, "%s", text);
			assert_true(str_ends(str_of(err.text), STR("...")));
			assert_true(str_utf8(str_of(err.text), NULL));
		}
	}
}

static void test_lost_memory_is_told_without_memory(void **state)
{
	struct err err;

	(void)state;
	fault_at(1);
	assert_int_equal(err_nomem(&err), -ERR_NOMEM);
	assert_false(fault_fired());
	assert_string_equal(err.text, "out of memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_row_is_found_by_its_code_and_its_word),
		cmocka_unit_test(test_scim_types_are_those_of_the_rfc),
		cmocka_unit_test(test_a_strange_code_is_internal_and_never_a_success),
		cmocka_unit_test(test_the_sentence_is_outermost_first),
		cmocka_unit_test(test_a_sentence_may_be_made_of_the_one_before),
		cmocka_unit_test(test_the_systems_words_come_last),
		cmocka_unit_test(test_nobody_need_listen),
		cmocka_unit_test(test_a_long_sentence_is_cut_at_a_character),
		cmocka_unit_test(test_lost_memory_is_told_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
