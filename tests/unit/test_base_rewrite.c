#include "tests/lib/test.h"

#include "base/rewrite.h"

static const struct {
	const char *pattern, *with, *value;
	const char *result; /* NULL: no match */
} cases[] = {
	{ "^(.+)@old\\.example$", "$1@new.example", "ada@old.example", "ada@new.example" },
	{ "^(.+)@old\\.example$", "$1@new.example", "ada@other.example", NULL },
	{ "(?<last>\\w+), (?<first>\\w+)", "${first} ${last}", "Lovelace, Ada",
	  "Ada Lovelace" },
	{ "(a)(b)?", "[$1|$2]", "xay", "x[a|]y" }, /* a group that took no part is empty */
	{ "a", "b", "aaa", "baa" },                /* the first match */
	{ "x*", "-", "abc", "-abc" },
	{ "a", "", "abc", "bc" },
	{ "a", "$$1", "a", "$1" },
	{ "\xC3\xA9", "e", "caf\xC3\xA9", "cafe" },
	{ "(?i)\xC3\x89", "e", "caf\xC3\xA9", "cafe" }, /* letters, not bytes */
	{ "^.$", "one", "\xF0\x9F\x98\x80", "one" },
	{ "^$", "empty", "", "empty" },
	{ "(?<n>a)|(?<m>b)", "${n}${m}!", "b", "b!" },
};

static void test_values_are_rewritten_where_they_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(rewrite_free_at) struct rewrite *r = NULL;
		CLEANUP(buf_done) struct buf out;
		struct err err;
		int rc;

		buf_init(&out, 1000);
		buf_add_char(&out, '>');
		assert_ok(rewrite_new(&r, cases[i].pattern, cases[i].with, &err), &err);
		rc = rewrite_apply(r, str_of(cases[i].value), &out, &err);
		if (!cases[i].result) {
			assert_int_equal(rc, REWRITE_NO_MATCH);
			assert_string_equal(out.p, ">");
			continue;
		}
		assert_ok(rc, &err);
		assert_string_equal(out.p + 1, cases[i].result);
	}
}

static void test_a_matcher_only_says_whether(void **state)
{
	CLEANUP(rewrite_free_at) struct rewrite *r = NULL;
	CLEANUP(buf_done) struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 0);
	assert_ok(rewrite_new(&r, "^adm-", NULL, &err), &err);
	assert_int_equal(rewrite_apply(r, STR("adm-ada"), &out, &err), 0);
	assert_int_equal(rewrite_apply(r, STR("ada"), &out, &err), REWRITE_NO_MATCH);
	assert_int_equal(rewrite_apply(r, str_of(NULL), &out, &err), REWRITE_NO_MATCH);
	assert_null(out.p);
}

static void test_a_wrong_pattern_is_told_with_its_byte(void **state)
{
	static const struct {
		const char *pattern, *with, *says;
	} wrong[] = {
		{ "a(b", "", "at byte 3: missing closing parenthesis" },
		{ "[z-a]", "", "at byte 3: range out of order" },
		{ "a\\C", "", "at byte 3:" }, /* half a character */
		{ "\xFF", "", "at byte 0: UTF-8" },
		{ "a", "$1", "\"$1\" at byte 0: the pattern has no such group" },
		{ "(a)", "x$2", "at byte 1: the pattern has no such group" },
		{ "(a)", "$", "at byte 0" },
		{ "(a)", "${1", "at byte 0" },
		{ "(a)", "${}", "at byte 0" },
		{ "(?<n>a)", "${m}", "at byte 0" },
		{ "a", "\xFF", "not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct rewrite *r = NULL;
		struct err err;

		assert_fault(rewrite_new(&r, wrong[i].pattern, wrong[i].with, &err), ERR_CONFIG,
			     &err, wrong[i].says);
		assert_null(r);
	}
}

static void test_lengths_are_bounded(void **state)
{
	CLEANUP(rewrite_free_at) struct rewrite *r = NULL;
	CLEANUP(buf_done) struct buf text;
	CLEANUP(buf_done) struct buf out;
	struct rewrite *none = NULL;
	struct err err;

	(void)state;
	buf_init(&text, SIZE_MAX);
	buf_init(&out, SIZE_MAX);
	for (int i = 0; i < 70000; i++)
		buf_add_char(&text, 'a');
	assert_fault(rewrite_new(&none, text.p, NULL, &err), ERR_CONFIG, &err,
		     "longer than the limit");
	assert_fault(rewrite_new(&none, "a", text.p, &err), ERR_CONFIG, &err, "at most");
	assert_ok(rewrite_new(&r, "^(.*)$", "$1$1$1", &err), &err);
	assert_fault(rewrite_apply(r, buf_str(&text), &out, &err), ERR_LIMIT, &err, "too long");
	buf_cut(&text, 30000);
	assert_fault(rewrite_apply(r, buf_str(&text), &out, &err), ERR_LIMIT, &err,
		     "longer than 65536");
	buf_cut(&text, 20000); /* longer than the first room for a result */
	assert_ok(rewrite_apply(r, buf_str(&text), &out, &err), &err);
	assert_int_equal(out.len, 60000);
}

static void test_a_pattern_that_would_burn_the_processor_gives_up(void **state)
{
	static const char *const evil[] = { "^(a+)+$", "^(a|aa)+$", "^(a|a)*$" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(evil); i++) {
		CLEANUP(rewrite_free_at) struct rewrite *r = NULL;
		CLEANUP(buf_done) struct buf out;
		struct err err;

		buf_init(&out, 100);
		assert_ok(rewrite_new(&r, evil[i], "x", &err), &err);
		assert_fault(
			rewrite_apply(r,
				      STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaxyaaaaaaaaaaaaaaaa!"),
				      &out, &err),
			ERR_LIMIT, &err, "takes too long");
	}
}

static void test_a_value_that_is_no_text_is_a_fault_and_not_a_mismatch(void **state)
{
	CLEANUP(rewrite_free_at) struct rewrite *r = NULL;
	CLEANUP(buf_done) struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 100);
	assert_ok(rewrite_new(&r, "a", "b", &err), &err);
	assert_fault(rewrite_apply(r, STR("\xFF"), &out, &err), ERR_INVALID_VALUE, &err,
		     "UTF-8");
}

static void test_each_lost_allocation_is_told(void **state)
{
	int nth = 0, rc;
	bool fired;

	(void)state;
	do {
		CLEANUP(rewrite_free_at) struct rewrite *r = NULL;
		CLEANUP(buf_done) struct buf out;
		struct err err = { 0 };

		buf_init(&out, 10000);
		fault_at(++nth);
		rc = rewrite_new(&r, "^((?:a|b)+)(x)?$", "${1}1234567890$1", &err);
		if (rc == 0)
			rc = rewrite_apply(r, STR("abababababababababababababababababababab"),
					   &out, &err);
		fired = fault_fired();
		if (fired && rc != -ERR_NOMEM)
			fail_msg("allocation %d: %d: %s", nth, rc, err.text);
	} while (fired);
	assert_int_equal(rc, 0);
	assert_true(nth > 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_rewritten_where_they_match),
		cmocka_unit_test(test_a_matcher_only_says_whether),
		cmocka_unit_test(test_a_wrong_pattern_is_told_with_its_byte),
		cmocka_unit_test(test_lengths_are_bounded),
		cmocka_unit_test(test_a_pattern_that_would_burn_the_processor_gives_up),
		cmocka_unit_test(test_a_value_that_is_no_text_is_a_fault_and_not_a_mismatch),
		cmocka_unit_test(test_each_lost_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
