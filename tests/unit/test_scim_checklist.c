/*
 * The checklist of RFC 7643, 7644 and of the clients we know: tests/data/scim/checklist.rows
 * names for each rule the cases that hold it. A line of it:
 *
 *     RULE WORD SOURCE  what the rule says      at the first column
 *     	FILE: NAME                               behind a tab: a case, at least one for each
 * rule
 *
 * FILE is below tests/; NAME is a "case" or "row" of a .json, or a test function of a .c or
 * .py.
 *
 * The cases of filter.json are run here: a document, and filters to which it answers "yes" or
 * "no", or which are "refused" with a part of the sentence.
 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/jx.h"
#include "model/filter.h"
#include "model/validate.h"
#include "scim/profile.h"
#include "scim/reference.h"

#define LIST_FILE "tests/data/scim/checklist.rows"
#define FILTER_FILE "tests/data/scim/filter.json"
#define BASE "https://leaverd.example.com/scim/v2/idp"
#define FILE_BYTES (4 * 1024 * 1024)
#define FILES_MAX 40

static json_t *json_of(const char *path)
{
	json_error_t error;
	json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!j)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return j;
}

/* --- filters --------------------------------------------------------------------------------
 */

static enum path_dialect dialect_of(const char *type)
{
	return strcmp(type, "User") == 0    ? PATH_SCIM_USER
	       : strcmp(type, "Group") == 0 ? PATH_SCIM_GROUP
					    : PATH_SCIM_ANY;
}

static int read_filter(const json_t *one, const char *text, struct query **ret, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	int r = filter_parse(str_of(text), dialect_of(jx_get_text(one, "type")), &q, err);

	if (r == 0)
		r = reference_bind(q, BASE, err);
	if (r == 0)
		*ret = TAKE(q);
	return r;
}

static void each_filter(const json_t *one, const char *which, enum truth want)
{
	const json_t *filter, *doc = json_object_get(one, "doc");
	size_t i;

	json_array_foreach (json_object_get(one, which), i, filter) {
		CLEANUP(query_free_at) struct query *q = NULL;
		const char *text = json_string_value(filter);
		struct err err;

		if (read_filter(one, text, &q, &err) < 0)
			fail_msg("%s: %s: %s", jx_get_text(one, "row"), text, err.text);
		if (query_eval(q, &query_json_reader, NULL, (struct query_node){ doc, 0 },
			       QUERY_SCIM, 0) != want)
			fail_msg("%s: %s is not \"%s\"", jx_get_text(one, "row"), text, which);
	}
}

static void each_refused(const json_t *one)
{
	const char *text;
	json_t *says;

	json_object_foreach (json_object_get(one, "refused"), text, says) {
		CLEANUP(query_free_at) struct query *q = NULL;
		struct err err;
		int r = read_filter(one, text, &q, &err);

		if (r != -ERR_INVALID_FILTER)
			fail_msg("%s: %s is not refused: %d", jx_get_text(one, "row"), text, r);
		if (!strstr(err.text, json_string_value(says)))
			fail_msg("%s: %s: \"%s\" does not say \"%s\"", jx_get_text(one, "row"),
				 text, err.text, json_string_value(says));
	}
}

static void test_each_filter_answers_as_its_row_says(void **state)
{
	CLEANUP(json_decref_at) json_t *rows = json_of(FILTER_FILE);
	const json_t *one;
	size_t i;

	(void)state;
	json_array_foreach (rows, i, one) {
		assert_true(json_array_size(json_object_get(one, "yes")) +
				    json_array_size(json_object_get(one, "no")) +
				    json_object_size(json_object_get(one, "refused")) >
			    0);
		each_filter(one, "yes", TRUTH_TRUE);
		each_filter(one, "no", TRUTH_FALSE);
		each_refused(one);
	}
	assert_true(i > 30);
}

static void test_binding_survives_each_lost_allocation(void **state)
{
	static const char *const filters[] = {
		"manager.$ref eq \"../Users/m1\" or groups.$ref eq \"/v2/Groups/g\"",
		"meta.location eq \"" BASE "/Users/u\" and emails.value pr",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(filters); i++) {
		int nth = 0, r;
		bool fired;

		do {
			CLEANUP(query_free_at) struct query *q = NULL;
			struct err err;

			assert_ok(filter_parse(str_of(filters[i]), PATH_SCIM_USER, &q, &err),
				  &err);
			fault_at(++nth);
			r = reference_bind(q, BASE, &err);
			fired = fault_fired();
			assert_int_equal(r, fired ? -ERR_NOMEM : 0);
		} while (fired);
		assert_true(nth > 1);
	}
}

/* --- the list -------------------------------------------------------------------------------
 */

/* A file that cases stand in, read once. */
struct source {
	char path[200];
	json_t *cases; /* of a .json */
	struct buf text;
};

static struct source sources[FILES_MAX];
static size_t source_count;

static void file_read(const char *path, struct buf *into)
{
	FILE *f = fopen(path, "r");
	char block[4096];
	size_t n;

	if (!f)
		fail_msg("%s: there is no such file", path);
	buf_init(into, FILE_BYTES);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_add(into, block, n);
	fclose(f);
	assert_int_equal(into->fault, 0);
}

static struct source *source_of(struct str file)
{
	char path[200];
	struct source *s;

	snprintf(path, sizeof(path), "tests/" STR_FMT, STR_ARG(file));
	for (size_t i = 0; i < source_count; i++)
		if (strcmp(sources[i].path, path) == 0)
			return &sources[i];
	assert_true(source_count < FILES_MAX);
	s = &sources[source_count++];
	memcpy(s->path, path, sizeof(path));
	if (str_ends(file, STR(".json")))
		s->cases = json_of(path);
	else
		file_read(path, &s->text);
	return s;
}

static bool is_word(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* A test that is run: in C one that main() lists, in Python one that is defined. */
static bool is_test(const struct source *s, struct str name)
{
	const char *before =
		str_ends(str_of(s->path), STR(".py")) ? "def " : "cmocka_unit_test(";
	char want[300];
	const char *at;

	snprintf(want, sizeof(want), "%s" STR_FMT, before, STR_ARG(name));
	for (at = s->text.p; at && (at = strstr(at, want)); at += strlen(want))
		if (!is_word(at[strlen(want)]))
			return true;
	return false;
}

static bool is_case(const struct source *s, struct str name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (s->cases, i, one) {
		const char *is = jx_get_text(one, "case");

		is = is ? is : jx_get_text(one, "row");
		if (is && str_eq(str_of(is), name))
			return true;
	}
	return false;
}

static void check_case(struct str rule, struct str line)
{
	struct str file, name;
	const struct source *s;

	if (!str_cut(line, ':', &file, &name))
		fail_msg(STR_FMT ": no file in \"" STR_FMT "\"", STR_ARG(rule), STR_ARG(line));
	name = str_trim(name);
	s = source_of(file);
	if (name.len == 0 || !(s->cases ? is_case(s, name) : is_test(s, name)))
		fail_msg(STR_FMT ": %s has no case \"" STR_FMT "\"", STR_ARG(rule), s->path,
			 STR_ARG(name));
}

/* The rule of a line; a rule stands in the list once. */
static struct str rule_of(struct str line, json_t *rules)
{
	struct str rule, rest;
	char name[40];

	str_cut(line, ' ', &rule, &rest);
	snprintf(name, sizeof(name), STR_FMT, STR_ARG(rule));
	if (rule.len > 30 || str_trim(rest).len < 10 || json_object_get(rules, name))
		fail_msg("rule \"%s\" says nothing, or twice", name);
	json_object_set_new(rules, name, json_true());
	return rule;
}

static void test_each_rule_of_the_checklist_has_its_cases(void **state)
{
	/* the dossier's chapters that are walked here */
	static const char *const chapters[] = { "A1.",  "A2.",  "A3.",  "A4.",  "A5.",  "A6.",
						"A7.",  "A8.",  "A9.",  "A11.", "A12.", "A13.",
						"A15.", "A16.", "A17.", "A18.", "A20.", "A21.",
						"A22.", "B1.",  "B2.",  "B3.",  "B4.",  "C." };
	CLEANUP(json_decref_at) json_t *rules = json_object();
	CLEANUP(buf_done) struct buf list;
	struct str line, rest, rule = STR("");
	size_t cases = 1;
	bool more = true;

	(void)state;
	file_read(LIST_FILE, &list);
	rest = buf_str(&list);
	while (more) {
		more = str_cut(rest, '\n', &line, &rest);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		if (line.p[0] == '\t') {
			check_case(rule, str_trim(line));
			cases++;
			continue;
		}
		if (cases == 0)
			fail_msg(STR_FMT ": has no case", STR_ARG(rule));
		rule = rule_of(line, rules);
		cases = 0;
	}
	if (cases == 0)
		fail_msg(STR_FMT ": has no case", STR_ARG(rule));
	for (size_t i = 0; i < COUNT_OF(chapters); i++) {
		const char *name;
		json_t *value;
		size_t n = 0;

		json_object_foreach (rules, name, value)
			n += str_starts(str_of(name), str_of(chapters[i]));
		if (n == 0)
			fail_msg("chapter %s has no rule", chapters[i]);
	}
	for (size_t i = 0; i < source_count; i++) {
		json_decref(sources[i].cases);
		buf_done(&sources[i].text);
	}
	source_count = 0;
}

/* --- the manual -----------------------------------------------------------------------------
 */

static void assert_in_manual(const struct buf *page, const char *before, const char *word)
{
	char want[100];
	const char *at;

	snprintf(want, sizeof(want), "%s%s", before, word);
	for (at = page->p; (at = strstr(at, want)); at += strlen(want))
		if (!is_word(at[strlen(want)]) && at[strlen(want)] != '-')
			return;
	fail_msg("leaverd-scim(7) does not tell of \"%s\"", want);
}

static void test_the_manual_tells_of_each_tolerance_and_profile(void **state)
{
	static const char *const bits[] = {
		"SCIM_EMPTY_PATCH",   "SCIM_REPLACE_CREATES", "SCIM_JSON_TEXT",
		"SCIM_UNIQUE_GROUPS", "SCIM_KEEP_EXTENSIONS", "SCIM_OLD_URNS",
		"SCIM_KEEP_MEMBERS",
	};
	CLEANUP(buf_done) struct buf page;
	unsigned all = 0;

	(void)state;
	file_read("doc/leaverd-scim.7", &page);
	for (size_t i = 0; i < COERCION_COUNT; i++)
		if (i != COERCION_JSON_TEXT) /* a profile's own */
			assert_in_manual(&page, "Pq ", coercion_words[i]);
	for (size_t i = 0; i < COUNT_OF(bits); i++)
		assert_in_manual(&page, ".It ", bits[i]);
	for (size_t i = 0; scim_profile_names[i]; i++) {
		unsigned own = 0;

		assert_in_manual(&page, " ", scim_profile_names[i]);
		assert_true(scim_profile(str_of(scim_profile_names[i]), &own));
		all |= own;
	}
	assert_int_equal(all, (1u << COUNT_OF(bits)) - 1); /* no bit without its row */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_filter_answers_as_its_row_says),
		cmocka_unit_test(test_binding_survives_each_lost_allocation),
		cmocka_unit_test(test_each_rule_of_the_checklist_has_its_cases),
		cmocka_unit_test(test_the_manual_tells_of_each_tolerance_and_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
