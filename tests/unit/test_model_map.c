/* Maps: rows to a document, and unknown staying unknown. */
#include "tests/lib/test.h"

#include "base/jx.h"
#include "model/map.h"

#define ENT SCHEMA_ENTERPRISE
#define EMP SCHEMA_EMPLOYMENT
#define USER "{\"schemas\":[\"" SCHEMA_USER "\"]"

/* An entry: attributes by name; no values: unknown; not listed: absent. */
struct attribute {
	const char *name;
	const char *values[3];
};

struct entry {
	const struct attribute *attributes; /* ended by a NULL name */
	struct str texts[3];
};

static enum value_state entry_get(void *ctx, struct str name, const struct str **ret, size_t *n)
{
	struct entry *e = ctx;

	for (const struct attribute *a = e->attributes; a->name; a++) {
		if (!str_ieq(str_of(a->name), name))
			continue;
		for (*n = 0; *n < 3 && a->values[*n]; (*n)++)
			e->texts[*n] = str_of(a->values[*n]);
		*ret = e->texts;
		return *n ? VALUE_PRESENT : VALUE_UNKNOWN;
	}
	return VALUE_ABSENT;
}

static const struct attribute babs[] = {
	{ "uid", { "bjensen" } },
	{ "givenName", { "Barbara" } },
	{ "sn", { "Jensen" } },
	{ "mail", { "babs@example.com", "b.jensen@example.com" } },
	{ "manager", { "uid=jsmith,ou=people,dc=example" } },
	{ "employeeType", { "Intern" } },
	{ "street", { "100 Universal City Plaza" } },
	{ "l", { "Hollywood" } },
	{ "leaves", { "20261120230000Z" } },
	{ "contract", { "2026-11-21T00:30:00+01:00" } },
	{ "flag", { "YES" } },
	{ "broken", { "\xff" } },
	{ "hidden", { NULL } },
	{ "empty", { "" } },
	{ "odd", { "Zo\xc3\xab \"Q\" \\ / \t\n\x01\x7f \xf0\x9f\x98\x80" } },
	{ NULL, { NULL } },
};

static const struct map_word kinds[] = { { "intern", "temporary" },
					 { "gone", NULL },
					 { NULL, NULL } };

/* clang-format off */
static const struct {
	struct map_row rows[3];
	const char *doc;     /* behind USER; NULL: as the whole of doc_whole */
	const char *unknown; /* joined by blanks */
	const char *bad;     /* part of its sentence */
} cases[] = {
	{ { { .to = "userName", .from = { "uid" } } }, ",\"userName\":\"bjensen\"}", "", NULL },
	{ { { .to = "USERNAME", .from = { "nothing", "MAIL", "uid" } } }, ",\"userName\":\"babs@example.com\"}", "", NULL },
	{ { { .to = "userName", .from = { "nothing" } } }, "}", "", NULL },
	{ { { .to = "userName", .from = { "empty", "uid" } } }, ",\"userName\":\"bjensen\"}", "", NULL },
	{ { { .to = "externalId", .from = { "uid" } } }, ",\"externalId\":\"bjensen\"}", "", NULL },
	{ { { .to = "userType", .constant = "Employee" } }, ",\"userType\":\"Employee\"}", "", NULL },
	{ { { .to = "displayName", .from = { "givenName", "nothing", "sn" }, .how = MAP_JOIN } }, ",\"displayName\":\"Barbara Jensen\"}", "", NULL },
	{ { { .to = "displayName", .from = { "sn", "givenName" }, .how = MAP_JOIN, .glue = ", " } }, ",\"displayName\":\"Jensen, Barbara\"}", "", NULL },
	{ { { .to = "name.familyName", .from = { "sn" } }, { .to = "name.givenName", .from = { "givenName" } } },
	  ",\"name\":{\"givenName\":\"Barbara\",\"familyName\":\"Jensen\"}}", "", NULL },
	{ { { .to = "emails", .from = { "mail" } } }, ",\"emails\":[{\"value\":\"babs@example.com\"}]}", "", NULL },
	{ { { .to = "emails", .from = { "mail" }, .how = MAP_EACH } }, ",\"emails\":[{\"value\":\"babs@example.com\"},{\"value\":\"b.jensen@example.com\"}]}", "", NULL },
	{ { { .to = "emails[type eq \"work\"]", .from = { "mail" }, .how = MAP_EACH } },
	  ",\"emails\":[{\"type\":\"work\",\"value\":\"babs@example.com\"},{\"type\":\"work\",\"value\":\"b.jensen@example.com\"}]}", "", NULL },
	{ { { .to = "emails[type eq \"work\" and primary eq true].value", .from = { "mail" } } }, ",\"emails\":[{\"type\":\"work\",\"primary\":true,\"value\":\"babs@example.com\"}]}", "", NULL },
	{ { { .to = "addresses[type eq \"work\"].streetAddress", .from = { "street" } }, { .to = "addresses[type eq \"work\"].locality", .from = { "l" } } },
	  ",\"addresses\":[{\"type\":\"work\",\"streetAddress\":\"100 Universal City Plaza\",\"locality\":\"Hollywood\"}]}", "", NULL },
	{ { { .to = "userType", .from = { "employeeType" }, .words = kinds } }, ",\"userType\":\"temporary\"}", "", NULL },
	{ { { .to = "userType", .from = { "uid" }, .words = kinds } }, "}", "", NULL },
	{ { { .to = "userType", .from = { "uid" }, .words = kinds, .otherwise = "staff" } }, ",\"userType\":\"staff\"}", "", NULL },
	{ { { .to = "nickName", .from = { "mail" }, .pattern = "@.*$", .with = "" } }, ",\"nickName\":\"babs\"}", "", NULL },
	{ { { .to = "nickName", .from = { "uid" }, .pattern = "@.*$", .with = "" } }, "}", "", NULL },
	{ { { .to = "nickName", .from = { "uid" }, .pattern = "@.*$", .with = "", .keep_unmatched = true } }, ",\"nickName\":\"bjensen\"}", "", NULL },
	{ { { .to = "active", .from = { "flag" } } }, ",\"active\":true}", "", NULL },
	{ { { .to = "title", .from = { "odd" } } }, ",\"title\":\"Zo\xc3\xab \\\"Q\\\" \\\\ / \\t\\n\\u0001\x7f \xf0\x9f\x98\x80\"}", "", NULL },
	{ { { .to = "emails", .from = { "mail" }, .how = MAP_EACH }, { .to = "emails[type eq \"home\"].value", .from = { "uid" } }, { .to = "emails[type eq \"home\"].display", .from = { "sn" } } },
	  ",\"emails\":[{\"value\":\"babs@example.com\"},{\"value\":\"b.jensen@example.com\"},{\"type\":\"home\",\"value\":\"bjensen\",\"display\":\"Jensen\"}]}", "", NULL },
	{ { { .to = "name.givenName", .from = { "hidden" } }, { .to = "employment.leave.from", .from = { "hidden" } }, { .to = "emails", .from = { "mail" } } },
	  ",\"emails\":[{\"value\":\"babs@example.com\"}]}", "name.givenName " EMP ":leave.from", NULL },
	/* law 1: unknown is neither absent nor present, and a lower row does not stand in for it */
	{ { { .to = "title", .from = { "hidden" } } }, "}", "title", NULL },
	{ { { .to = "title", .from = { "hidden", "uid" } } }, "}", "title", NULL },
	{ { { .to = "title", .from = { "uid", "hidden" } } }, ",\"title\":\"bjensen\"}", "", NULL },
	{ { { .to = "title", .from = { "hidden" } }, { .to = "title", .from = { "uid" } } }, "}", "title", NULL },
	{ { { .to = "title", .from = { "nothing" } }, { .to = "title", .from = { "uid" } } }, ",\"title\":\"bjensen\"}", "", NULL },
	{ { { .to = "title", .from = { "uid" } }, { .to = "title", .from = { "hidden" } } }, ",\"title\":\"bjensen\"}", "", NULL },
	{ { { .to = "displayName", .from = { "sn", "hidden" }, .how = MAP_JOIN } }, "}", "displayName", NULL },
	{ { { .to = "name.givenName", .from = { "hidden" } }, { .to = "name.familyName", .from = { "sn" } } }, ",\"name\":{\"familyName\":\"Jensen\"}}", "name.givenName", NULL },
	{ { { .to = "emails[type eq \"home\"].value", .from = { "hidden" } }, { .to = "emails[type eq \"work\"].value", .from = { "mail" } }, { .to = "title", .from = { "hidden" } } }, "}", "emails title", NULL },
	{ { { .to = "enterprise.department", .from = { "hidden" } } }, "}", ENT ":department", NULL },
	/* what the type refuses is not known either */
	{ { { .to = "active", .from = { "uid" } } }, "}", "active", "active: a value is not of the attribute's type" },
	{ { { .to = "title", .from = { "broken" } } }, "}", "title", "title: a value is not" },
	{ { { .to = "employment.startDate", .from = { "uid" } } }, "}", EMP ":startDate", ":startDate: a value is not" },
};

static const struct { struct map_row row; const char *doc; } extensions[] = {
	{ { .to = "enterprise.manager", .from = { "manager" }, .pattern = "^uid=([^,]+),.*$", .with = "$1" }, "\"" ENT "\":{\"manager\":{\"value\":\"jsmith\"}}" },
	{ { .to = ENT ":manager.value", .from = { "uid" } }, "\"" ENT "\":{\"manager\":{\"value\":\"bjensen\"}}" },
	{ { .to = "employment.lastWorkingDay", .from = { "leaves" } }, "\"" EMP "\":{\"lastWorkingDay\":\"2026-11-20\"}" },
	{ { .to = "employment.terminationDate", .from = { "contract" } }, "\"" EMP "\":{\"terminationDate\":\"2026-11-21\"}" },
	{ { .to = "employment.leave.from", .constant = "2026-01-02" }, "\"" EMP "\":{\"leave\":{\"from\":\"2026-01-02\"}}" },
};

static const struct { struct map_row row; const char *says; } refused[] = {
	{ { .to = "userName" },                                     "map row 1 (userName): a row needs to" },
	{ { .from = { "uid" } },                                    "map row 1 (no target)" },
	{ { .to = "shoeSize", .from = { "uid" } },                  "no attribute shoeSize" },
	{ { .to = "id", .from = { "uid" } },                        "may not write" },
	{ { .to = "meta.created", .from = { "uid" } },              "may not write" },
	{ { .to = "groups", .from = { "uid" } },                    "may not write" },
	{ { .to = "password", .from = { "uid" } },                  "may not write" },
	{ { .to = "hr.status", .from = { "uid" } },                 "may not write" },
	{ { .to = "person.userName", .from = { "uid" } },           "may not write" },
	{ { .to = "enterprise.manager.displayName", .from = { "uid" } }, "may not write" },
	{ { .to = SCHEMA_USER, .from = { "uid" } },                 "may not write" },
	{ { .to = "name", .from = { "uid" } },                      "name has parts" },
	{ { .to = "addresses[type eq \"work\"]", .from = { "uid" } }, "addresses has parts" },
	{ { .to = "emails.type", .from = { "uid" } },               "name it by a bracket" },
	{ { .to = "emails[type ne \"work\"].value", .from = { "uid" } }, "the bracket must be eq" },
	{ { .to = "emails[type eq \"work\" or type eq \"home\"].value", .from = { "uid" } }, "the bracket must be eq" },
	{ { .to = "emails[type eq work].value", .from = { "uid" } }, "a value was expected" },
	{ { .to = "enterprise.manager[value eq \"x\"]", .from = { "uid" } }, "single value and takes no bracket" },
	{ { .to = "userName", .from = { "uid" }, .how = MAP_EACH }, "it cannot take each" },
	{ { .to = "userName", .from = { "uid" }, .pattern = "(" },  "map row 1 (userName): " },
};
/* clang-format on */

/* The text of the same document: jansson's own, byte for byte; twice, since memory is used
 * again. */
static void same_text(const struct map *m, const struct map_result *want)
{
	CLEANUP(map_work_free_at) struct map_work *w = NULL;
	CLEANUP(buf_done) struct buf text;
	struct err err;

	buf_init(&text, 65536);
	assert_ok(jx_canonical(want->doc, &text, &err), &err);
	assert_ok(map_work_new(&w, m, &err), &err);
	for (int i = 0; i < 2; i++) {
		CLEANUP(map_result_done) struct map_result got = { 0 };
		struct entry e = { .attributes = babs };

		assert_ok(map_write(w, &(struct map_source){ entry_get, &e }, &got, &err),
			  &err);
		if (!str_eq(got.text, buf_str(&text)))
			fail_msg(STR_FMT "\nnot\n%s", STR_ARG(got.text), text.p);
		assert_int_equal(got.unknown_n, want->unknown_n);
		for (size_t k = 0; k < got.unknown_n; k++)
			assert_string_equal(got.unknown[k], want->unknown[k]);
		assert_int_equal(got.bad_n, want->bad_n);
	}
}

static void apply(const struct map_row *rows, size_t n, struct map_result *ret)
{
	CLEANUP(map_free_at) struct map *m = NULL;
	struct entry e = { .attributes = babs };
	struct err err;

	assert_ok(map_new(&m, rows, n, &err), &err);
	assert_ok(map_apply(m, &(struct map_source){ entry_get, &e }, ret, &err), &err);
	same_text(m, ret);
}

static void assert_doc(const json_t *doc, const char *want)
{
	CLEANUP(json_decref_at) json_t *j = json_loads(want, 0, NULL);
	char *text = json_dumps(doc, JSON_COMPACT);

	if (!j || !json_equal(doc, j))
		fail_msg("%s, not %s", text, want);
	free(text);
}

static void test_rows_make_a_document_and_name_what_is_unknown(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(map_result_done) struct map_result result = { 0 };
		char want[1000], unknown[200] = "";
		size_t n = 0;

		while (n < 3 && cases[i].rows[n].to)
			n++;
		apply(cases[i].rows, n, &result);
		snprintf(want, sizeof(want), "%s%s", USER, cases[i].doc);
		assert_doc(result.doc, want);
		for (size_t u = 0; u < result.unknown_n; u++)
			snprintf(unknown + strlen(unknown), sizeof(unknown) - strlen(unknown),
				 "%s%s", u ? " " : "", result.unknown[u]);
		assert_string_equal(unknown, cases[i].unknown);
		assert_int_equal(result.bad_n, cases[i].bad != NULL);
		if (cases[i].bad)
			assert_non_null(strstr(result.bad[0], cases[i].bad));
	}
}

static void test_extensions_are_listed_in_schemas(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(extensions); i++) {
		CLEANUP(map_result_done) struct map_result result = { 0 };
		char want[1000];
		const char *urn = strstr(extensions[i].doc, ENT) ? ENT : EMP;

		apply(&extensions[i].row, 1, &result);
		snprintf(want, sizeof(want), "{\"schemas\":[\"%s\",\"%s\"],%s}", SCHEMA_USER,
			 urn, extensions[i].doc);
		assert_doc(result.doc, want);
	}
}

static void test_rows_that_mean_nothing_are_refused_by_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct map *m = NULL;
		struct err err = { 0 };
		int r = map_new(&m, &refused[i].row, 1, &err);

		if (r != -ERR_CONFIG || !strstr(err.text, refused[i].says))
			fail_msg("row %zu: %d %s", i, r, err.text);
		assert_null(m);
	}
}

static void test_names_are_listed_once_and_writes_are_known(void **state)
{
	static const struct map_row rows[] = {
		{ .to = "userName", .from = { "uid", "mail" } },
		{ .to = "emails[type eq \"work\"].value", .from = { "MAIL", "other" } },
	};
	CLEANUP(map_free_at) struct map *m = NULL;
	struct err err;

	(void)state;
	assert_ok(map_new(&m, rows, 2, &err), &err);
	assert_string_equal(map_names(m)[0], "uid");
	assert_string_equal(map_names(m)[1], "mail");
	assert_string_equal(map_names(m)[2], "other");
	assert_null(map_names(m)[3]);
	assert_true(map_writes(m, "username") && map_writes(m, "emails"));
	assert_false(map_writes(m, "active"));
}

static int told(void *ctx, const struct map_step *step, struct err *err)
{
	struct buf *all = ctx;
	const char *p = step->texts;

	(void)err;
	buf_addf(all, "%s %s", step->row->to, map_outcome_words[step->outcome]);
	for (size_t i = 0; i < step->n; i++, p += strlen(p) + 1)
		buf_addf(all, " [%s]", p);
	buf_add_char(all, '\n');
	return 0;
}

static void test_each_row_tells_what_it_made(void **state)
{
	static const struct map_row rows[] = {
		{ .to = "userName", .from = { "nothing", "uid" } },
		{ .to = "userName", .from = { "mail" } },
		{ .to = "emails", .from = { "mail" }, .how = MAP_EACH },
		{ .to = "userType", .from = { "employeeType" }, .words = kinds },
		{ .to = "active", .from = { "uid" } },
		{ .to = "title", .from = { "hidden" } },
		{ .to = "displayName", .from = { "nothing" } },
	};
	CLEANUP(map_free_at) struct map *m = NULL;
	CLEANUP(map_result_done) struct map_result result = { 0 };
	CLEANUP(buf_done) struct buf all;
	struct entry e = { .attributes = babs };
	struct err err;

	(void)state;
	buf_init(&all, 4096);
	assert_ok(map_new(&m, rows, COUNT_OF(rows), &err), &err);
	assert_ok(map_apply_told(m, &(struct map_source){ entry_get, &e }, told, &all, &result,
				 &err),
		  &err);
	assert_string_equal(all.p, "userName taken [bjensen]\n"
				   "userName settled\n"
				   "emails taken [babs@example.com] [b.jensen@example.com]\n"
				   "userType taken [temporary]\n"
				   "active refused [bjensen]\n"
				   "title unknown\n"
				   "displayName nothing\n");
}

static void test_mapping_survives_each_lost_allocation(void **state)
{
	static const struct map_row rows[] = {
		{ .to = "displayName", .from = { "givenName", "sn" }, .how = MAP_JOIN },
		{ .to = "emails[type eq \"work\"].value", .from = { "mail" } },
		{ .to = "enterprise.manager",
		  .from = { "manager" },
		  .pattern = "^uid=([^,]+),.*$",
		  .with = "$1" },
		{ .to = "userType", .from = { "employeeType" }, .words = kinds },
		{ .to = "active", .from = { "uid" } },
		{ .to = "title", .from = { "hidden" } },
	};
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	fault_install();
	do {
		CLEANUP(map_free_at) struct map *m = NULL;
		CLEANUP(map_result_done) struct map_result result = { 0 };
		struct entry e = { .attributes = babs };

		fault_at(++nth);
		r = map_new(&m, rows, COUNT_OF(rows), &err);
		if (r == 0)
			r = map_apply(m, &(struct map_source){ entry_get, &e }, &result, &err);
		fired = fault_fired();
		if (!(fired ? r == -ERR_NOMEM : r == 0))
			fail_msg("allocation %d: %d %s", nth, r, r ? err.text : "");
	} while (fired);
	assert_true(nth > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_make_a_document_and_name_what_is_unknown),
		cmocka_unit_test(test_extensions_are_listed_in_schemas),
		cmocka_unit_test(test_rows_that_mean_nothing_are_refused_by_number),
		cmocka_unit_test(test_names_are_listed_once_and_writes_are_known),
		cmocka_unit_test(test_each_row_tells_what_it_made),
		cmocka_unit_test(test_mapping_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
