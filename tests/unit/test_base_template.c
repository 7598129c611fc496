/* base/template: variables in place, parts that come and go, and faults with line and column.
 */
#include "tests/lib/test.h"

#include "base/template.h"

static const char *const names[] = { "name", "link", "until", NULL };

static const struct {
	const char *text, *name, *link, *plain, *html;
} fills[] = {
	{ "Hello {{name}}!", "Ada", "", "Hello Ada!", "Hello Ada!" },
	{ "{{ name }}", "Ada", "", "Ada", "Ada" },
	{ "", "Ada", "", "", "" },
	{ "{ {name} }", "Ada", "", "{ {name} }", "{ {name} }" },
	{ "<b>{{name}}</b>", "<i>\"&'", "", "<b><i>\"&'</b>",
	  "<b>&lt;i&gt;&quot;&amp;&#39;</b>" },
	{ "{{name}}", "a\r\tb\nc\x7f", "", "a  b\nc ", "a  b\nc " },
	{ "a{{#link}} {{link}}{{/link}}b", "", "x", "a xb", "a xb" },
	{ "a{{#link}} {{link}}{{/link}}b", "", "", "ab", "ab" },
	{ "a{{^link}}none{{/link}}b", "", "", "anoneb", "anoneb" },
	{ "a{{^link}}none{{/link}}b", "", "x", "ab", "ab" },
	/* a mark alone on its line takes the line along */
	{ "1\n{{#link}}\n2\n{{/link}}\n3\n", "", "x", "1\n2\n3\n", "1\n2\n3\n" },
	{ "1\n{{#link}}\n2\n{{/link}}\n3\n", "", "", "1\n3\n", "1\n3\n" },
	{ "1\n  {{#link}}  \r\n2\n{{/link}}", "", "x", "1\n2\n", "1\n2\n" },
	{ "{{#link}}{{#name}}both{{/name}}{{/link}}", "n", "x", "both", "both" },
	{ "{{#link}}{{#name}}both{{/name}}one{{/link}}", "", "x", "one", "one" },
};

static void test_a_template_is_filled(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(fills); i++) {
		const struct str values[] = { str_of(fills[i].name),
					      str_of(fills[i].link),
					      { 0 } };
		CLEANUP(template_free_at) struct template *t = NULL;
		CLEANUP(buf_done) struct buf out;
		struct err err = { 0 };

		buf_init(&out, 1000);
		assert_ok(template_parse(&t, str_of(fills[i].text), names, NULL, &err), &err);
		template_fill(t, values, TEMPLATE_PLAIN, &out);
		assert_string_equal(out.p ? out.p : "", fills[i].plain);
		buf_clear(&out);
		template_fill(t, values, TEMPLATE_HTML, &out);
		assert_string_equal(out.p ? out.p : "", fills[i].html);
	}
}

static const struct {
	const char *text;
	size_t line, column;
	const char *says;
} faults[] = {
	{ "{{nam}}", 1, 1, "1:1: there is no variable \"nam\"" },
	{ "Hello\n  {{naem}}", 2, 3, "2:3: there is no variable \"naem\"" },
	{ "{{}}", 1, 1, "there is no variable \"\"" },
	{ "a\nb {{name\n}}", 2, 3, "{{ without }}" },
	{ "{{name", 1, 1, "{{ without }}" },
	{ "{{name}", 1, 1, "{{ without }}" },
	{ "{{", 1, 1, "{{ without }}" },
	{ "x{{#link}}", 1, 2, "never closed" },
	{ "{{/link}}", 1, 1, "closes nothing" },
	{ "{{#link}}\n{{/name}}", 2, 1, "what is open here is \"link\"" },
	{ "ab\xff", 1, 3, "not UTF-8" },
	{ "{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}",
	  1, 73, "inside each other" },
};

static void test_a_fault_of_a_template_says_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct template *t = NULL;
		struct template_place at = { 0 };
		struct err err = { 0 };
		int r = template_parse(&t, str_of(faults[i].text), names, &at, &err);

		assert_fault(r, ERR_INVALID_SYNTAX, &err, faults[i].says);
		assert_null(t);
		assert_int_equal(at.line, faults[i].line);
		assert_int_equal(at.column, faults[i].column);
	}
}

static void test_a_template_that_is_too_long_is_refused(void **state)
{
	CLEANUP(free_at) char *text = malloc(TEMPLATE_MAX_BYTES + 1);
	struct template *t = NULL;
	struct err err = { 0 };

	(void)state;
	memset(text, 'x', TEMPLATE_MAX_BYTES + 1);
	assert_fault(template_parse(&t, str_n(text, TEMPLATE_MAX_BYTES + 1), names, NULL, &err),
		     ERR_LIMIT, &err, "longer than");
	assert_null(t);
}

static void test_parse_survives_each_lost_allocation(void **state)
{
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(template_free_at) struct template *t = NULL;
		struct err err = { 0 };

		fault_at(++nth);
		r = template_parse(&t, STR("a{{#link}}{{name}}{{/link}}b{{until}}c"), names,
				   NULL, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
	} while (fired);
	assert_int_equal(r, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_template_is_filled),
		cmocka_unit_test(test_a_fault_of_a_template_says_where),
		cmocka_unit_test(test_a_template_that_is_too_long_is_refused),
		cmocka_unit_test(test_parse_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
