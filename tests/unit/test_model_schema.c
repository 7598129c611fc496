/* The schema tables, held against rows that were typed from RFC 7643 and its errata apart. */
#include "tests/lib/test.h"

#include "model/schema.h"

#define ROWS_FILE "tests/data/scim/attributes.rows"

/* The row of "name" or "name.sub" in a table. */
static const struct schema_attr *find(const struct schema_attr *table, const char *name)
{
	struct str top, sub;
	bool has_sub = str_cut(str_of(name), '.', &top, &sub);
	const struct schema_attr *attr = schema_attr(table, top);

	return attr && has_sub ? schema_attr(attr->sub, sub) : attr;
}

static size_t count_rows(const struct schema_attr *table)
{
	size_t n = 0;

	for (; table->name; table++)
		n += 1 + (table->sub ? count_rows(table->sub) : 0);
	return n;
}

static void words_text(const struct schema_attr *attr, char *into, size_t room)
{
	into[0] = '\0';
	for (size_t i = 0; attr->words && attr->words[i]; i++)
		snprintf(into + strlen(into), room - strlen(into), "%s%s", i ? "," : "",
			 attr->words[i]);
}

/* "-" stands where a characteristic does not apply. */
static void assert_flag(const char *line, const char *want, bool have)
{
	if (strcmp(want, "-") != 0 && have != (want[0] == '1'))
		fail_msg("%s: %s wanted, %d found", line, want, have);
}

static void assert_word(const char *line, const char *want, const char *have)
{
	if (strcmp(want, "-") != 0 && strcmp(want, have) != 0)
		fail_msg("%s: %s wanted, %s found", line, want, have);
}

static void assert_row(const struct schema_attr *table, char *line)
{
	static const char *const mutability[] = { [ATTR_READ_WRITE] = "rw",
						  [ATTR_READ_ONLY] = "ro",
						  [ATTR_IMMUTABLE] = "im",
						  [ATTR_WRITE_ONLY] = "wo" };
	static const char *const returned[] = { [ATTR_DEFAULT] = "d",
						[ATTR_ALWAYS] = "a",
						[ATTR_REQUEST] = "r",
						[ATTR_NEVER] = "n" };
	char *cell[9], *rest = line, words[200], whole[300];
	const struct schema_attr *attr;

	snprintf(whole, sizeof(whole), "%s", line);
	for (size_t i = 0; i < 9; i++) {
		cell[i] = strsep(&rest, ";");
		assert_non_null(cell[i]);
	}
	attr = find(table, cell[0]);
	if (!attr)
		fail_msg("%s: not in the table", whole);
	assert_word(whole, cell[1], schema_type_word(attr->type));
	assert_flag(whole, cell[2], attr->multi);
	assert_flag(whole, cell[3], attr->required);
	assert_flag(whole, cell[4], attr->case_exact);
	assert_word(whole, cell[5], mutability[attr->mutability]);
	assert_word(whole, cell[6], returned[attr->returned]);
	assert_word(whole, cell[7], schema_uniqueness_word(attr->uniqueness));
	words_text(attr, words, sizeof(words));
	assert_string_equal(words, cell[8]);
	assert_true(attr->description && attr->description[0]);
}

static void test_tables_say_what_the_rfc_says_and_nothing_more(void **state)
{
	const struct schema_attr *table = NULL;
	size_t rows = 0, want = 0;
	char line[300];
	FILE *f = fopen(ROWS_FILE, "r");

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#') {
			const struct schema *s = schema_by_urn(str_of(line + 2));

			table = s ? s->attrs : schema_common;
			want += count_rows(table);
			continue;
		}
		assert_row(table, line);
		rows++;
	}
	fclose(f);
	assert_int_equal(rows, want);
}

static void test_urns_and_names_are_found_in_any_case(void **state)
{
	(void)state;
	assert_ptr_equal(schema_by_urn(STR("URN:IETF:params:scim:schemas:core:2.0:user")),
			 &schema_user);
	assert_null(schema_by_urn(STR("urn:ietf:params:scim:api:messages:2.0:Error")));
	assert_null(schema_by_urn(STR("")));
	assert_string_equal(schema_attr(schema_user.attrs, STR("USERNAME"))->name, "userName");
	assert_null(schema_attr(schema_user.attrs, STR("userNam")));
	assert_null(schema_attr(NULL, STR("x")));
}

/* Law of the tables: parents that mean something to every reader of them. */
static void assert_sane(const struct schema_attr *table, bool published)
{
	for (; table->name; table++) {
		assert_true((table->type == ATTR_COMPLEX) == (table->sub != NULL));
		if (!table->sub)
			continue;
		for (const struct schema_attr *s = table->sub; s->name; s++)
			if (published && s->type == ATTR_COMPLEX)
				fail_msg("%s.%s: complex in complex", table->name, s->name);
		assert_sane(table->sub, published);
	}
}

static void test_no_published_complex_attribute_holds_another(void **state)
{
	(void)state;
	for (size_t i = 0; schema_all[i]; i++)
		assert_sane(schema_all[i]->attrs, true);
	assert_sane(schema_common, true);
	assert_sane(subject_person, false);
	assert_sane(subject_account, false);
	assert_sane(subject_seat, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_say_what_the_rfc_says_and_nothing_more),
		cmocka_unit_test(test_urns_and_names_are_found_in_any_case),
		cmocka_unit_test(test_no_published_complex_attribute_holds_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
