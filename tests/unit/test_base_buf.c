#include "tests/lib/test.h"

#include <jansson.h>

#include "base/buf.h"

static void test_pieces_become_one_text(void **state)
{
	CLEANUP(buf_done) struct buf b;
	struct err err;

	(void)state;
	buf_init(&b, 1000);
	assert_null(b.p);
	buf_add_text(&b, NULL);
	assert_null(b.p);
	buf_add_text(&b, "a");
	buf_add_char(&b, 'b');
	buf_add_str(&b, STR("cd"));
	buf_add(&b, "e\0f", 3);
	buf_addf(&b, "-%d-%s", 42, "x");
	assert_int_equal(b.len, 12);
	assert_memory_equal(b.p, "abcde\0f-42-x", 13);
	assert_ok(buf_fault(&b, &err, "it"), &err);
	buf_cut(&b, 99);
	assert_int_equal(b.len, 12);
	buf_cut(&b, 2);
	assert_string_equal(b.p, "ab");
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.p, "");
	assert_true(str_eq(buf_str(&b), STR("")));
}

static void test_printing_grows_from_nothing_and_from_the_brim(void **state)
{
	char expected[400];

	(void)state;
	for (int before = 0; before < 200; before++) {
		for (int width = 0; width < 140; width += 7) {
			CLEANUP(buf_done) struct buf b;

			buf_init(&b, 400);
			for (int i = 0; i < before; i++)
				buf_add_char(&b, 'x');
			buf_addf(&b, "%*s", width, "");
			assert_int_equal(b.len, before + width);
			assert_int_equal(b.fault, 0);
			memset(expected, 'x', (size_t)before);
			memset(expected + before, ' ', (size_t)width);
			assert_memory_equal(b.p, expected, (size_t)(before + width));
			assert_int_equal(b.p[b.len], 0);
		}
	}
}

static void test_the_ceiling_is_a_fault_and_never_a_cut(void **state)
{
	(void)state;
	for (size_t max = 0; max < 130; max++) {
		CLEANUP(buf_done) struct buf b;
		struct err err;

		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			buf_add_char(&b, 'x');
		assert_int_equal(b.fault, 0);
		if (max % 2)
			buf_add_char(&b, 'y');
		else
			buf_addf(&b, "%d", 7);
		assert_int_equal(b.fault, ERR_LIMIT);
		assert_int_equal(b.len, max);
		buf_add_text(&b, "");
		buf_cut(&b, 0);
		buf_add_text(&b, "z"); /* remembered: nothing is added any more */
		assert_int_equal(b.len, 0);
		assert_fault(buf_fault(&b, &err, "the SCIM body"), ERR_LIMIT, &err,
			     "the SCIM body would be longer than ");
		assert_null(buf_take(&b, NULL));
		buf_clear(&b);
		assert_int_equal(b.fault, 0);
	}
}

static void test_a_huge_addition_does_not_wrap_round(void **state)
{
	CLEANUP(buf_done) struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	buf_add_char(&b, 'x');
	buf_add(&b, "y", SIZE_MAX - 1); /* refused before anything is read */
	assert_int_equal(b.fault, ERR_LIMIT);
	assert_string_equal(b.p, "x");
}

static void test_the_text_is_given_away_once(void **state)
{
	struct buf b;
	size_t len = 99;

	(void)state;
	buf_init(&b, 10);
	CLEANUP(free_at) char *empty = buf_take(&b, &len);
	assert_string_equal(empty, ""); /* the empty text is a text */
	assert_int_equal(len, 0);
	buf_add_text(&b, "abc");
	CLEANUP(free_at) char *text = buf_take(&b, &len);
	assert_string_equal(text, "abc");
	assert_int_equal(len, 3);
	assert_null(b.p);
	buf_done(&b);
	buf_done(&b);
	buf_done(NULL);
}

static void test_json_strings_are_those_of_jansson(void **state)
{
	static const char *const texts[] = {
		"",
		"plain",
		"\"\\/",
		"\b\f\n\r\t",
		"\x01\x1F\x7F",
		"\xC3\xA9\xF0\x9F\x98\x80",
		"\xE2\x80\xA8",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		CLEANUP(buf_done) struct buf b;
		CLEANUP(free_at) char *theirs = NULL;
		json_t *j = json_string(texts[i]);

		theirs = json_dumps(j, JSON_ENCODE_ANY);
		json_decref(j);
		buf_init(&b, 1000);
		buf_add_json(&b, str_of(texts[i]));
		assert_string_equal(b.p, theirs);
	}
}

static void test_each_byte_at_each_place_of_a_json_string_is_as_jansson_has_it(void **state)
{
	(void)state;
	for (int c = 1; c < 0x80; c++)
		for (size_t at = 0; at < 19; at++) {
			CLEANUP(buf_done) struct buf b;
			CLEANUP(free_at) char *theirs = NULL;
			char text[20] = "two words of eight.";
			json_t *j;

			text[at] = (char)c;
			j = json_string(text);
			theirs = json_dumps(j, JSON_ENCODE_ANY);
			json_decref(j);
			buf_init(&b, 1000);
			buf_add_json(&b, str_of(text));
			assert_string_equal(b.p, theirs);
			assert_int_equal(b.len, strlen(theirs));
		}
}

static void test_a_json_string_takes_all_of_the_room_and_no_more(void **state)
{
	(void)state;
	for (size_t max = 0; max < 8; max++) {
		CLEANUP(buf_done) struct buf b;

		buf_init(&b, max);
		buf_add_json(&b, STR("four"));
		assert_int_equal(b.fault, max < 6 ? ERR_LIMIT : 0);
	}
}

static void test_bytes_that_are_no_text_still_make_json(void **state)
{
	CLEANUP(buf_done) struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_add_json(&b, STR("a\xFF"
			     "b\0c\xC3"));
	assert_string_equal(b.p, "\"a\\uFFFDb\\u0000c\\uFFFD\"");
}

/* The room behind len is ours: what was cut off a secret must be gone from it. */
static void test_a_secret_is_wiped_when_cut_or_cleared(void **state)
{
	CLEANUP(buf_done) struct buf b;

	(void)state;
	buf_init_secret(&b, 1000);
	buf_add_text(&b, "0123456789");
	buf_cut(&b, 4);
	for (size_t i = 4; i < 10; i++)
		assert_int_equal(b.p[i], 0);
	buf_clear(&b);
	for (size_t i = 0; i < b.room; i++)
		assert_int_equal(b.p[i], 0);
	for (int i = 0; i < 500; i++) /* it moves and keeps its bytes */
		buf_add_char(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 500);
	assert_int_equal(b.p[27], 'b');
}

static void test_each_lost_allocation_is_remembered(void **state)
{
	(void)state;
	for (int secret = 0; secret <= 1; secret++) {
		int nth = 0;
		bool fired;

		do {
			CLEANUP(buf_done) struct buf b;
			struct err err;

			if (secret)
				buf_init_secret(&b, 10000);
			else
				buf_init(&b, 10000);
			fault_at(++nth);
			for (int i = 0; i < 100; i++)
				buf_addf(&b, "%d,", i);
			fired = fault_fired();
			assert_int_equal(b.fault, fired ? ERR_NOMEM : 0);
			if (fired)
				assert_fault(buf_fault(&b, &err, "numbers"), ERR_NOMEM, &err,
					     "out of memory for numbers");
			else
				assert_int_equal(b.len, 290);
		} while (fired);
		assert_true(nth > 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_become_one_text),
		cmocka_unit_test(test_printing_grows_from_nothing_and_from_the_brim),
		cmocka_unit_test(test_the_ceiling_is_a_fault_and_never_a_cut),
		cmocka_unit_test(test_a_huge_addition_does_not_wrap_round),
		cmocka_unit_test(test_the_text_is_given_away_once),
		cmocka_unit_test(test_json_strings_are_those_of_jansson),
		cmocka_unit_test(
			test_each_byte_at_each_place_of_a_json_string_is_as_jansson_has_it),
		cmocka_unit_test(test_a_json_string_takes_all_of_the_room_and_no_more),
		cmocka_unit_test(test_bytes_that_are_no_text_still_make_json),
		cmocka_unit_test(test_a_secret_is_wiped_when_cut_or_cleared),
		cmocka_unit_test(test_each_lost_allocation_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
