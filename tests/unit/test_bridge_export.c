/* Rows in three forms: what a spreadsheet, a program and a person get. */
#include "tests/lib/test.h"

#include "bridge/export.h"
#include "bridge/sealed.h"

#define S(text) str_n("" text, sizeof(text) - 1)

static void test_a_cell_is_quoted_where_rfc_4180_wants_it(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{ { "", 0 }, "" },
		{ { "ada", 3 }, "ada" },
		{ { "a,b", 3 }, "\"a,b\"" },
		{ { "say \"hi\"", 8 }, "\"say \"\"hi\"\"\"" },
		{ { "\"", 1 }, "\"\"\"\"" },
		{ { "two\nlines", 9 }, "\"two\nlines\"" },
		{ { " ada", 4 }, "\" ada\"" },
		{ { "ada ", 4 }, "\"ada \"" },
		{ { "O'Hara", 6 }, "O'Hara" },
		/* with a semicolon between cells this would end the line as a formula */
		{ { "a; =1+1", 7 }, "\"a; =1+1\"" },
		{ { "\xef\xbc\xa1", 3 }, "\xef\xbc\xa1" }, /* U+FF21: a letter */
		{ { "'quoted'", 8 }, "'quoted'" },
		{ { "Zo\xc3\xab", 4 }, "Zo\xc3\xab" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;

		buf_init(&b, 100);
		export_csv_cell(&b, rows[i].in);
		assert_string_equal(b.p ? b.p : "", rows[i].out);
		buf_done(&b);
	}
}

/* What doc/leaverd-report.7 tells a reader to do. */
static struct str taken_back(struct str cell, char *room)
{
	size_t n = 0, quotes = 0, at;

	for (size_t i = 1; i + 1 < cell.len; i++) {
		if (cell.p[i] == '"')
			i++;
		room[n++] = cell.p[i];
	}
	while (quotes < n && room[quotes] == '\'')
		quotes++;
	at = quotes;
	while (at < n && room[at] == ' ')
		at++;
	room[n] = '\0';
	return quotes && at < n &&
			       (memchr("=+-@\t\r\n", room[at], 7) ||
				!strncmp(room + at, "\xef\xbc\x9d", 3) ||
				!strncmp(room + at, "\xef\xbc\x8b", 3) ||
				!strncmp(room + at, "\xef\xbc\x8d", 3) ||
				!strncmp(room + at, "\xef\xbc\xa0", 3))
		       ? str_n(room + 1, n - 1)
		       : str_n(room, n);
}

static void test_no_cell_begins_a_formula_and_each_can_be_taken_back(void **state)
{
	static const struct str rows[] = {
		{ "=1+1", 4 },
		{ "=HYPERLINK(\"http://x\",\"y\")", 26 },
		{ "+49 30 1234", 11 },
		{ "-2", 2 },
		{ "@SUM(A1)", 8 },
		{ "\t=1", 3 },
		{ "\r=1", 3 },
		{ "\n=1", 3 },
		{ "'=1", 3 },
		{ "''=1", 4 },
		{ "'@x\"y", 5 },
		{ " =1+1", 5 },
		{ "'  =1", 5 },
		{ "\xef\xbc\x9d"
		  "1+1",
		  6 },
		{ "\xef\xbc\x8b"
		  "1",
		  4 },
		{ "\xef\xbc\x8d"
		  "1",
		  4 },
		{ " \xef\xbc\xa0"
		  "SUM",
		  7 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;
		char room[64];

		buf_init(&b, 100);
		export_csv_cell(&b, rows[i]);
		assert_memory_equal(b.p, "\"'", 2);
		assert_true(str_eq(taken_back(buf_str(&b), room), rows[i]));
		buf_done(&b);
	}
}

static const struct export_column columns[] = {
	{ "who", EXPORT_TEXT, 8, "" },    { "n", EXPORT_INT, 4, "" },
	{ "ok", EXPORT_BOOL, 5, "" },     { "at", EXPORT_TIME, 20, "" },
	{ "paths", EXPORT_LIST, 10, "" }, { 0 },
};

static void write_rows(enum export_form form, bool bom, struct buf *into)
{
	const struct str paths[] = { S("group a;b"), S("role \"x\"") };
	struct export_line l;

	export_head(form, columns, bom, into);
	export_begin(&l, form, columns, into);
	export_text(&l, S("a\x1b[31mb"));
	export_int(&l, -5);
	export_bool(&l, true);
	export_time(&l, 1795338000000);
	export_list(&l, paths, 2);
	export_end(&l);
	export_none(&l);
	export_none(&l);
	export_none(&l);
	export_none(&l);
	export_list(&l, NULL, 0);
	export_end(&l);
}

static void test_each_form_has_its_head_its_line_ends_and_its_way_to_say_nothing(void **state)
{
	static const char *const wanted[] = {
		"\xef\xbb\xbfwho,n,ok,at,paths\r\n"
		"a\x1b[31mb,-5,true,2026-11-22T09:00:00Z,\"group a;b; role \"\"x\"\"\"\r\n"
		",,,,\r\n",
		"{\"who\":\"a\\u001B[31mb\",\"n\":-5,\"ok\":true,\"at\":\"2026-11-22T09:00:"
		"00Z\","
		"\"paths\":[\"group a;b\",\"role \\\"x\\\"\"]}\n"
		"{\"who\":null,\"n\":null,\"ok\":null,\"at\":null,\"paths\":[]}\n",
		"who       n     ok     at                    paths\n"
		"a [31mb   -5    true   2026-11-22T09:00:00Z  group a;b; role \"x\"\n"
		"                                             \n",
	};

	(void)state;
	for (unsigned form = 0; form < EXPORT_FORM_COUNT; form++) {
		struct buf b;

		buf_init(&b, 2000);
		write_rows((enum export_form)form, form == EXPORT_CSV, &b);
		assert_int_equal(b.fault, 0);
		assert_string_equal(b.p, wanted[form]);
		buf_done(&b);
	}
}

static void test_a_list_of_any_length_is_whole(void **state)
{
	enum { MANY = 700 };
	CLEANUP(json_decref_at) json_t *list = json_array();
	struct buf csv, lines, words, text;
	struct export_line l;
	char one[16];

	(void)state;
	buf_init(&text, 1 << 16);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(one, sizeof(one), "g%d", i);
		json_array_append_new(list, json_string(one));
		buf_addf(&text, "%s%s", i ? " " : "", one);
	}
	buf_init(&csv, 1 << 16);
	buf_init(&lines, 1 << 16);
	buf_init(&words, 1 << 16);
	export_begin(&l, EXPORT_CSV, columns + 4, &csv);
	export_json(&l, list);
	export_begin(&l, EXPORT_CSV, columns + 4, &words);
	export_words(&l, buf_str(&text));
	export_begin(&l, EXPORT_JSONL, columns + 4, &lines);
	export_json(&l, list);
	assert_true(str_ends(buf_str(&csv), S("; g699\"")));
	assert_true(str_eq(buf_str(&csv), buf_str(&words)));
	assert_true(str_ends(buf_str(&lines), S(",\"g699\"]")));
	buf_done(&csv);
	buf_done(&lines);
	buf_done(&words);
	buf_done(&text);
}

static void test_a_ceiling_is_a_fault_and_never_a_cut_row(void **state)
{
	(void)state;
	for (unsigned form = 0; form < EXPORT_FORM_COUNT; form++) {
		struct err err;
		struct buf b;

		buf_init(&b, 60);
		write_rows((enum export_form)form, false, &b);
		assert_fault(buf_fault(&b, &err, "the chunk"), ERR_LIMIT, &err, "the chunk");
		buf_done(&b);
	}
}

static void test_every_export_has_columns_with_names_of_their_own(void **state)
{
	(void)state;
	for (const struct export_kind *k = export_kinds; k->name; k++) {
		assert_ptr_equal(export_kind_of(str_of(k->name)), k);
		for (const struct export_column *a = k->columns; a->name; a++)
			for (const struct export_column *b = a + 1; b->name; b++)
				assert_string_not_equal(a->name, b->name);
	}
	assert_null(export_kind_of(S("secrets")));
}

static void test_an_end_is_sealed_until_its_day_is_over_everywhere(void **state)
{
	static const struct {
		const char *employment;
		bool sealed; /* on 2026-11-22 at 09:00 */
	} rows[] = {
		{ "{}", false },
		{ "{\"lastWorkingDay\":\"2026-11-20\"}", false },
		{ "{\"lastWorkingDay\":\"2026-11-21\"}",
		  true }, /* at the date line it is that day */
		{ "{\"lastWorkingDay\":\"2026-11-22\"}", true },
		{ "{\"terminationDate\":\"2027-01-31\"}", true },
		{ "{\"lastWorkingDay\":\"2026-11-01\",\"terminationDate\":\"2026-12-31\"}",
		  true },
		{ "{\"lastWorkingDay\":\"soon\"}", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *j = json_loads(rows[i].employment, 0, NULL);

		assert_int_equal(sealed_ends(j, 1795338000000), rows[i].sealed);
		json_decref(j);
	}
	assert_false(sealed_ends(NULL, 1795338000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cell_is_quoted_where_rfc_4180_wants_it),
		cmocka_unit_test(test_no_cell_begins_a_formula_and_each_can_be_taken_back),
		cmocka_unit_test(
			test_each_form_has_its_head_its_line_ends_and_its_way_to_say_nothing),
		cmocka_unit_test(test_a_list_of_any_length_is_whole),
		cmocka_unit_test(test_a_ceiling_is_a_fault_and_never_a_cut_row),
		cmocka_unit_test(test_every_export_has_columns_with_names_of_their_own),
		cmocka_unit_test(test_an_end_is_sealed_until_its_day_is_over_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
