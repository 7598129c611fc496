#include "tests/lib/test.h"

#include "base/jx.h"

static const struct {
	struct str text;
	enum jx_mode mode;
	const char *says; /* NULL: read */
} texts[] = {
	{ STR("{}"), JX_STRICT, NULL },
	{ STR(" [1, 2.5, \"a\", true, null] \n"), JX_STRICT, NULL },
	{ STR("\"text\""), JX_STRICT, NULL },
	{ STR("17"), JX_STRICT, NULL },
	{ STR("{\"a\":{\"x\":1},\"b\":{\"X\":1}}"), JX_STRICT, NULL }, /* of two objects */
	{ STR("[\"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\"]"), JX_STRICT, NULL },
	{ STR("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"), JX_STRICT, NULL },
	{ STR("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"), JX_STRICT, NULL },
	{ STR(""), JX_STRICT, "JSON at byte 0" },
	{ STR("{"), JX_STRICT, "JSON at byte 1" },
	{ STR("{} x"), JX_STRICT, "JSON at byte 4" },
	{ STR("{\"a\":1,}"), JX_STRICT, "JSON at byte 8" },
	{ STR("{\"a\":1,\"a\":2}"), JX_STRICT, "duplicate" },
	{ STR("{\"a\":1,\"a\":2}"), JX_LENIENT, "duplicate" },
	{ STR("{\"a\":1,\"\\u0061\":2}"), JX_LENIENT, "duplicate" },
	{ STR("{\"userName\":1,\"username\":2}"), JX_STRICT, "the same name" },
	{ STR("{\"userName\":1,\"username\":2}"), JX_LENIENT, NULL },
	{ STR("[[{\"B\":1,\"a\":0,\"b\":2}]]"), JX_STRICT, "the same name" },
	{ STR("{\"x\":[{\"B\":1},{\"b\":2}]}"), JX_STRICT, NULL },
	{ STR("{\"@\":1,\"`\":2,\"[\":3,\"{\":4}"), JX_STRICT, NULL }, /* no letters */
	{ STR("\"a\0b\""), JX_STRICT, "JSON at byte 2: a NUL" },
	{ STR("{\"a\":1\0,\"b\":2}"), JX_STRICT, "JSON at byte 6: a NUL" },
	{ STR("[true\0]"), JX_LENIENT, "JSON at byte 5: a NUL" },
	{ STR("{}\0"), JX_LENIENT, "JSON at byte 2: a NUL" },
	{ STR("\"a\\u0000b\""), JX_STRICT, "JSON at byte" },
	{ STR("{\"a\\u0000b\":1}"), JX_STRICT, "JSON at byte" },
	{ STR("\"\xFF\""), JX_STRICT, "JSON at byte" },
	{ STR("\"\xC3\""), JX_STRICT, "JSON at byte" },
	{ STR("\"\\ud800\""), JX_STRICT, "JSON at byte" },
	{ STR("9223372036854775808"), JX_STRICT, "too big integer" },
	{ STR("1e999"), JX_STRICT, "overflow" },
	{ STR("NaN"), JX_STRICT, "JSON at byte" },
	{ STR("'a'"), JX_STRICT, "JSON at byte" },
};

static void test_documents_are_read_or_refused_with_their_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		CLEANUP(json_decref_at) json_t *j = NULL;
		struct err err;
		int r = jx_parse(texts[i].text, texts[i].mode, &j, &err);

		if (!texts[i].says) {
			assert_ok(r, &err);
			assert_non_null(j);
			continue;
		}
		assert_fault(r, ERR_INVALID_SYNTAX, &err, texts[i].says);
		assert_null(j);
	}
}

static void test_depth_is_counted_before_anything_recurses(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth < 100000; depth += depth < 40 ? 1 : 33333) {
		CLEANUP(json_decref_at) json_t *j = NULL;
		CLEANUP(buf_done) struct buf text;
		struct err err;
		int r;

		buf_init(&text, SIZE_MAX);
		for (unsigned i = 0; i < depth; i++)
			buf_add_text(&text, i % 2 ? "{\"a\":" : "[");
		buf_add_text(&text, "0");
		for (unsigned i = depth; i-- > 0;)
			buf_add_char(&text, i % 2 ? '}' : ']');
		r = jx_parse(buf_str(&text), JX_STRICT, &j, &err);
		if (depth <= JX_MAX_DEPTH)
			assert_ok(r, &err);
		else
			assert_fault(r, ERR_INVALID_SYNTAX, &err, "deeper than 32 at byte 96");
	}
}

static void test_the_same_document_is_the_same_bytes(void **state)
{
	static const char *const same[] = {
		"{\"b\":[1,{\"d\":null,\"c\":\"\\u00e9\"}],\"a\":true}",
		" { \"a\" : true, \"b\" : [ 1, { \"c\" : \"\xC3\xA9\", \"d\" : null } ] } ",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		CLEANUP(json_decref_at) json_t *j = NULL;
		CLEANUP(buf_done) struct buf text;
		struct err err;

		buf_init(&text, 1000);
		assert_ok(jx_parse(str_of(same[i]), JX_STRICT, &j, &err), &err);
		assert_ok(jx_canonical(j, &text, &err), &err);
		assert_string_equal(text.p,
				    "{\"a\":true,\"b\":[1,{\"c\":\"\xC3\xA9\",\"d\":null}]}");
		buf_clear(&text);
		assert_ok(jx_text(j, &text, &err), &err);
		assert_int_equal(text.p[2], i == 0 ? 'b' : 'a'); /* in their order */
	}
}

static void test_a_text_that_does_not_fit_leaves_nothing_half_done(void **state)
{
	CLEANUP(json_decref_at) json_t *j = json_pack("{s:[i,i,i]}", "a", 1, 2, 3);
	CLEANUP(buf_done) struct buf text;
	struct err err;

	(void)state;
	buf_init(&text, 10);
	buf_add_text(&text, "x");
	assert_fault(jx_text(j, &text, &err), ERR_LIMIT, &err, "JSON text");
	assert_string_equal(text.p, "x");
}

struct person {
	char *name;
	struct str nick;
	bool active;
	int64_t age, born_ms;
	json_t *address, *mails, *extra;
};

#define ROW(field, kind, must)                                                                 \
	{                                                                                      \
#field, kind, offsetof(struct person, field), must                             \
	}
static const struct jx_row person_rows[] = {
	ROW(name, JX_TEXT, true),
	ROW(nick, JX_STR, false),
	ROW(active, JX_BOOL, false),
	ROW(age, JX_INT, false),
	{ "born", JX_TIME, offsetof(struct person, born_ms), false },
	ROW(address, JX_OBJECT, false),
	ROW(mails, JX_ARRAY, false),
	ROW(extra, JX_ANY, false),
	{ 0 },
};

static int read_person(const char *text, json_t **doc, struct person *p, struct err *err)
{
	assert_ok(jx_parse(str_of(text), JX_STRICT, doc, err), err);
	return jx_read(*doc, person_rows, p, err);
}

static void test_members_go_where_their_rows_say(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct person p = { .name = strdup("before") };
	struct err err;

	(void)state;
	assert_ok(read_person("{\"name\":\"Ada\",\"nick\":\"a\",\"active\":true,\"age\":-7,"
			      "\"born\":\"1994-11-06T08:49:37Z\",\"address\":{\"x\":1},"
			      "\"mails\":[1,2],\"extra\":null,\"unknown\":0}",
			      &doc, &p, &err),
		  &err);
	assert_string_equal(p.name, "Ada"); /* and "before" was freed */
	assert_true(str_eq(p.nick, STR("a")));
	assert_true(p.active);
	assert_int_equal(p.age, -7);
	assert_true(p.born_ms == 784111777000);
	assert_int_equal(json_object_size(p.address), 1);
	assert_int_equal(json_array_size(p.mails), 2);
	assert_true(json_is_null(p.extra));
	free(p.name);
}

static void test_what_is_missing_or_null_leaves_its_field(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct person p = { .age = 5, .active = true };
	struct err err;

	(void)state;
	assert_ok(read_person("{\"name\":\"A\",\"age\":null,\"mails\":null}", &doc, &p, &err),
		  &err);
	assert_int_equal(p.age, 5);
	assert_true(p.active);
	assert_null(p.mails);
	free(p.name);
}

static void test_an_optional_text_that_is_null_becomes_null(void **state)
{
	static const struct jx_row rows[] = { ROW(name, JX_TEXT, false), { 0 } };
	CLEANUP(json_decref_at) json_t *doc = json_pack("{s:n}", "name");
	struct person p = { .name = strdup("before") };
	struct err err;

	(void)state;
	assert_ok(jx_read(doc, rows, &p, &err), &err);
	assert_null(p.name);
}

static void test_a_wrong_member_is_named(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "{}", "member \"name\" is missing, expected a string" },
		{ "{\"name\":null}", "member \"name\" is null, expected a string" },
		{ "{\"name\":1}", "member \"name\" is an integer, expected a string" },
		{ "{\"name\":\"a\",\"nick\":[]}", "\"nick\" is an array, expected a string" },
		{ "{\"name\":\"a\",\"active\":\"true\"}",
		  "\"active\" is a string, expected true or false" },
		{ "{\"name\":\"a\",\"age\":1.5}",
		  "\"age\" is a fraction, expected an integer" },
		{ "{\"name\":\"a\",\"born\":\"yesterday\"}",
		  "\"born\" is a string, expected a dateTime" },
		{ "{\"name\":\"a\",\"address\":true}",
		  "\"address\" is true, expected an object" },
		{ "{\"name\":\"a\",\"mails\":{}}",
		  "\"mails\" is an object, expected an array" },
		{ "[]", "the JSON is an array, expected an object" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(json_decref_at) json_t *doc = NULL;
		struct person p = { 0 };
		struct err err;

		assert_fault(read_person(cases[i].text, &doc, &p, &err), ERR_PROTOCOL, &err,
			     cases[i].says);
		free(p.name);
	}
}

static void test_members_are_found_by_name(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = json_pack("{s:s,s:i}", "userName", "a", "n", 1);

	(void)state;
	assert_string_equal(jx_get_text(doc, "userName"), "a");
	assert_null(jx_get_text(doc, "username"));
	assert_null(jx_get_text(doc, "n"));
	assert_null(jx_get_text(NULL, "n"));
	assert_string_equal(json_string_value(jx_get_i(doc, STR("USERNAME"))), "a");
	assert_null(jx_get_i(doc, STR("user")));
	assert_null(jx_get_i(NULL, STR("user")));
}

static void test_building_tells_of_lost_memory(void **state)
{
	CLEANUP(json_decref_at) json_t *object = json_object();
	CLEANUP(json_decref_at) json_t *array = json_array();
	struct err err;

	(void)state;
	assert_ok(jx_set(object, "a", json_integer(1), &err), &err);
	assert_ok(jx_add(array, json_integer(1), &err), &err);
	assert_fault(jx_set(object, "b", NULL, &err), ERR_NOMEM, &err, NULL);
	assert_fault(jx_add(array, NULL, &err), ERR_NOMEM, &err, NULL);
	assert_int_equal(json_object_size(object), 1);
}

static void test_each_lost_allocation_is_told(void **state)
{
	static const char text[] =
		"{\"name\":\"Ada\",\"b\":[1,{\"c\":\"d\",\"C2\":2.5}],\"a\":{}}";
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(json_decref_at) json_t *j = NULL;
		CLEANUP(buf_done) struct buf out;
		struct person p = { 0 };
		struct err err = { 0 };

		buf_init(&out, 1000);
		fault_at(++nth);
		r = jx_parse(str_of(text), JX_STRICT, &j, &err);
		if (r == 0)
			r = jx_canonical(j, &out, &err);
		if (r == 0)
			r = jx_read(j, person_rows, &p, &err);
		if (r == 0)
			r = jx_set(j, "new", json_string("x"), &err);
		fired = fault_fired();
		if (fired && r != -ERR_NOMEM)
			fail_msg("allocation %d: %d: %s", nth, r, err.text);
		free(p.name);
	} while (fired);
	assert_int_equal(r, 0);
	assert_true(nth > 15);
}

/* jansson drops the byte that its scanner has no room for and goes on; the numbers behind it
 * reset errno. The closing quotes stand where no room is needed. */
static void test_a_byte_lost_before_a_number_is_told(void **state)
{
	static const char text[] = "{\"name\":\"Augusta Ada, Countess of Lovelace, of London\","
				   "\"born\":1815,\"share\":0.5}";
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(json_decref_at) json_t *j = NULL;
		struct err err = { 0 };

		fault_at(++nth);
		r = jx_parse(str_of(text), JX_STRICT, &j, &err);
		fired = fault_fired();
		if (r != (fired ? -ERR_NOMEM : 0))
			fail_msg("allocation %d: %d: %s", nth, r, err.text);
	} while (fired);
	assert_true(nth > 8);
}

static int with_faults(void **state)
{
	(void)state;
	fault_install();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents_are_read_or_refused_with_their_byte),
		cmocka_unit_test(test_depth_is_counted_before_anything_recurses),
		cmocka_unit_test(test_the_same_document_is_the_same_bytes),
		cmocka_unit_test(test_a_text_that_does_not_fit_leaves_nothing_half_done),
		cmocka_unit_test(test_members_go_where_their_rows_say),
		cmocka_unit_test(test_what_is_missing_or_null_leaves_its_field),
		cmocka_unit_test(test_an_optional_text_that_is_null_becomes_null),
		cmocka_unit_test(test_a_wrong_member_is_named),
		cmocka_unit_test(test_members_are_found_by_name),
		cmocka_unit_test(test_building_tells_of_lost_memory),
		cmocka_unit_test(test_each_lost_allocation_is_told),
		cmocka_unit_test(test_a_byte_lost_before_a_number_is_told),
	};

	return cmocka_run_group_tests(tests, with_faults, NULL);
}
