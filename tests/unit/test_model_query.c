/* The one evaluator: truth tables of both logics, types, parts, and the reader over JSON. */
#include "tests/lib/test.h"

#include "base/jx.h"
#include "base/stamp.h"
#include "model/filter.h"
#include "model/schema.h"

/* --- a reader that says what the case wants: one value for every path -----------------------
 */

struct fake {
	enum value_state state;
	const char *value;
};

static enum value_state fake_count(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const struct fake *f = ctx;

	(void)node;
	(void)path;
	*count = f->state == VALUE_PRESENT;
	return f->state;
}

static void fake_value(void *ctx, struct query_node node, const struct path *path, size_t i,
		       struct value *ret, bool *folded)
{
	const struct fake *f = ctx;

	(void)node;
	(void)path;
	(void)i;
	*ret = (struct value){ .type = VALUE_TEXT, .text = str_of(f->value) };
	*folded = false;
}

static const struct query_reader fake_reader = { fake_count, fake_value, NULL, NULL };

#define T TRUTH_TRUE
#define F TRUTH_FALSE
#define U TRUTH_UNKNOWN

/* clang-format off */
static const struct {
	const char *op;
	/*            have "m"  have "a"  have "z"  absent  unknown: SCIM, then policy */
	enum truth scim[5], policy[5];
} ops[] = {
	{ "eq \"m\"", { T, F, F, F, F }, { T, F, F, F, U } },
	{ "ne \"m\"", { F, T, T, T, T }, { F, T, T, F, U } },
	{ "co \"m\"", { T, F, F, F, F }, { T, F, F, F, U } },
	{ "sw \"m\"", { T, F, F, F, F }, { T, F, F, F, U } },
	{ "ew \"m\"", { T, F, F, F, F }, { T, F, F, F, U } },
	{ "gt \"m\"", { F, F, T, F, F }, { F, F, T, F, U } },
	{ "ge \"m\"", { T, F, T, F, F }, { T, F, T, F, U } },
	{ "lt \"m\"", { F, T, F, F, F }, { F, T, F, F, U } },
	{ "le \"m\"", { T, T, F, F, F }, { T, T, F, F, U } },
	{ "pr",       { T, T, T, F, F }, { T, T, T, F, U } },
	{ "eq null",  { F, F, F, T, T }, { F, F, F, T, U } }, /* not (a pr) */
	{ "ne null",  { T, T, T, F, F }, { T, T, T, F, U } },
};

static const struct fake haves[5] = {
	{ VALUE_PRESENT, "m" }, { VALUE_PRESENT, "a" }, { VALUE_PRESENT, "z" },
	{ VALUE_ABSENT, NULL }, { VALUE_UNKNOWN, NULL },
};
/* clang-format on */

static void assert_truth(const char *text, enum path_dialect dialect,
			 const struct query_reader *reader, void *ctx, const void *node,
			 enum query_logic logic, enum truth want)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	struct err err;
	enum truth t;

	if (filter_parse(str_of(text), dialect, &q, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	t = query_eval(q, reader, ctx, (struct query_node){ node, 0 }, logic, 0);
	if (t != want)
		fail_msg("%s: %d, not %d (logic %d)", text, t, want, logic);
}

static void test_each_operator_in_each_state_and_both_logics(void **state)
{
	char text[100];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		snprintf(text, sizeof(text), "title %s", ops[i].op);
		for (size_t h = 0; h < 5; h++) {
			struct fake have = haves[h];

			assert_truth(text, PATH_SCIM_USER, &fake_reader, &have, NULL,
				     QUERY_SCIM, ops[i].scim[h]);
			assert_truth(text, PATH_POLICY, &fake_reader, &have, NULL, QUERY_POLICY,
				     ops[i].policy[h]);
		}
	}
}

/* --- a reader whose attributes are named after what a test of them yields -------------------
 */

static enum value_state logic_count(void *ctx, struct query_node node, const struct path *path,
				    size_t *count)
{
	(void)ctx;
	(void)node;
	*count = 1;
	return strcmp(path->name, "nickName") == 0 ? VALUE_UNKNOWN : VALUE_PRESENT;
}

static void logic_value(void *ctx, struct query_node node, const struct path *path, size_t i,
			struct value *ret, bool *folded)
{
	bool yes = strcmp(path->name, "title") == 0;

	(void)ctx;
	(void)node;
	(void)i;
	*ret = (struct value){ .type = VALUE_TEXT, .text = yes ? STR("y") : STR("n") };
	*folded = false;
}

static const struct query_reader logic_reader = { logic_count, logic_value, NULL, NULL };

static void test_and_or_not_are_kleenes(void **state)
{
	/* locale is false, title true, nickName unknown */
	static const char *const term[] = {
		[F] = "locale eq \"y\"", [T] = "title eq \"y\"", [U] = "nickName eq \"y\""
	};
	static const enum truth and[3][3] = {
		[F] = { [F] = F, [T] = F, [U] = F },
		[T] = { [F] = F, [T] = T, [U] = U },
		[U] = { [F] = F, [T] = U, [U] = U },
	};
	static const enum truth or [3][3] = {
		[F] = { [F] = F, [T] = T, [U] = U },
		[T] = { [F] = T, [T] = T, [U] = T },
		[U] = { [F] = U, [T] = T, [U] = U },
	};
	static const enum truth not [3] = { [F] = T, [T] = F, [U] = U };
	char text[200];

	(void)state;
	for (int a = 0; a < 3; a++) {
		for (int b = 0; b < 3; b++) {
			snprintf(text, sizeof(text), "%s and %s", term[a], term[b]);
			assert_truth(text, PATH_POLICY, &logic_reader, NULL, NULL, QUERY_POLICY,
				     and[a][b]);
			snprintf(text, sizeof(text), "%s or %s", term[a], term[b]);
			assert_truth(text, PATH_POLICY, &logic_reader, NULL, NULL, QUERY_POLICY,
				     or [a][b]);
		}
		snprintf(text, sizeof(text), "not (%s)", term[a]);
		assert_truth(text, PATH_POLICY, &logic_reader, NULL, NULL, QUERY_POLICY,
			     not [a]);
	}
}

static void test_scim_logic_has_two_values(void **state)
{
	(void)state;
	assert_truth("not (nickName eq \"y\")", PATH_SCIM_USER, &logic_reader, NULL, NULL,
		     QUERY_SCIM, T);
	assert_truth("nickName eq \"y\" or nickName pr", PATH_SCIM_USER, &logic_reader, NULL,
		     NULL, QUERY_SCIM, F);
}

/* --- parts: three elements, each unknown, false or true -------------------------------------
 */

struct parts {
	enum value_state list;
	const enum truth *is;
	size_t n;
};

static enum value_state parts_count(void *ctx, struct query_node node, const struct path *path,
				    size_t *count)
{
	const struct parts *p = ctx;

	(void)path;
	*count = 1;
	return p->is[node.i] == U ? VALUE_UNKNOWN : VALUE_PRESENT;
}

static void parts_value(void *ctx, struct query_node node, const struct path *path, size_t i,
			struct value *ret, bool *folded)
{
	const struct parts *p = ctx;

	(void)path;
	(void)i;
	*ret = (struct value){ .type = VALUE_TEXT,
			       .text = p->is[node.i] == T ? STR("jira") : STR("jsm") };
	*folded = true;
}

static enum value_state parts_parts(void *ctx, struct query_node node, const struct path *path,
				    size_t *count)
{
	const struct parts *p = ctx;

	(void)node;
	(void)path;
	*count = p->n;
	return p->list;
}

static struct query_node parts_part(void *ctx, struct query_node node, const struct path *path,
				    size_t i)
{
	(void)ctx;
	(void)node;
	(void)path;
	return (struct query_node){ NULL, i };
}

static const struct query_reader parts_reader = { parts_count, parts_value, parts_parts,
						  parts_part };

static void test_a_part_is_true_if_one_element_is(void **state)
{
	static const enum truth fff[] = { F, F, F }, ftf[] = { F, T, F }, fuf[] = { F, U, F },
				utf[] = { U, T, F };
	static const struct {
		enum value_state list;
		const enum truth *is;
		size_t n;
		enum truth policy, scim;
	} rows[] = {
		{ VALUE_PRESENT, fff, 3, F, F }, { VALUE_PRESENT, ftf, 3, T, T },
		{ VALUE_PRESENT, fuf, 3, U, F }, { VALUE_PRESENT, utf, 3, T, T },
		{ VALUE_ABSENT, fff, 0, F, F },  { VALUE_UNKNOWN, fff, 0, U, F },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct parts p = { rows[i].list, rows[i].is, rows[i].n };

		assert_truth("seats[product eq \"jira\"]", PATH_POLICY_ACCOUNT, &parts_reader,
			     &p, NULL, QUERY_POLICY, rows[i].policy);
		assert_truth("seats[product eq \"jira\"]", PATH_POLICY_ACCOUNT, &parts_reader,
			     &p, NULL, QUERY_SCIM, rows[i].scim);
	}
}

/* --- the JSON reader ------------------------------------------------------------------------
 */

static const char person[] =
	"{\"schemas\":[\"" SCHEMA_USER "\",\"" SCHEMA_ENTERPRISE "\"],"
	"\"id\":\"2819c223\",\"externalId\":\"AbC\",\"userName\":\"J\xc3\xb6rg.Weiss@Example."
	"com\","
	"\"name\":{\"familyName\":\"Weiss\",\"givenName\":\"\"},\"active\":false,"
	"\"title\":\"\",\"profileUrl\":\"https://x/Y\","
	"\"emails\":[{\"value\":\"jw@example.com\",\"type\":\"work\",\"primary\":true},"
	"{\"value\":\"babs@jensen.org\",\"type\":\"home\"},{\"display\":\"none\"}],"
	"\"x509Certificates\":[{\"value\":\"MIID/w==\"}],"
	"\"" SCHEMA_ENTERPRISE
	"\":{\"employeeNumber\":\"0701\",\"manager\":{\"value\":\"m1\"}},"
	"\"" SCHEMA_EMPLOYMENT "\":{\"terminationDate\":\"2026-11-20\",\"startDate\":\"soon\"},"
	"\"meta\":{\"lastModified\":\"2026-11-22T10:00:00.500+01:00\",\"resourceType\":"
	"\"User\"},"
	"\"odd\":7,\"ratio\":0.5}";

/* clang-format off */
static const struct { const char *filter; enum truth want; } documents[] = {
	{ "userName eq \"J\xc3\x96RG.WEISS@example.COM\"",            T }, /* caseExact false: folded */
	{ "userName eq \"jorg.weiss@example.com\"",                   F },
	{ "userName sw \"j\xc3\xb6\" and userName ew \".COM\"",       T },
	{ "userName co \"weis\"",                                     T },
	{ "externalId eq \"AbC\"",                                    T },
	{ "externalId eq \"abc\"",                                    F }, /* caseExact true */
	{ "profileUrl eq \"https://x/y\"",                            F },
	{ "active eq false",                                          T },
	{ "active ne false",                                          F },
	{ "active pr",                                                T }, /* false is a value */
	{ "title pr",                                                 F }, /* "" is none */
	{ "title eq \"\"",                                            T },
	{ "nickName eq \"x\"",                                        F },
	{ "nickName ne \"x\"",                                        T },
	{ "name pr",                                                  T },
	{ "name.givenName pr",                                        F },
	{ "addresses pr",                                             F },
	{ "emails pr",                                                T },
	{ "emails.type pr",                                           T },
	{ "emails eq \"babs@jensen.org\"",                            T },
	{ "emails.type eq \"work\" and emails.value co \"jensen\"",   T }, /* may be different elements */
	{ "emails[type eq \"work\" and value co \"jensen\"]",         F }, /* the same element */
	{ "emails[type eq \"home\" and value co \"jensen\"]",         T },
	{ "emails[type eq \"home\"].value eq \"babs@jensen.org\"",    T },
	{ "emails[not (type pr)]",                                    T },
	{ "emails.value ne \"jw@example.com\"",                       T }, /* one element differs */
	{ "not (emails.value eq \"jw@example.com\")",                 F },
	{ "emails.primary eq \"True\"",                               T },
	{ "phoneNumbers[type eq \"work\"]",                           F },
	{ "x509Certificates eq \"MIID_w\"",                           T },
	{ "x509Certificates ne \"MIID_w\"",                           F },
	{ SCHEMA_ENTERPRISE ":employeeNumber eq 0",                   F },
	{ SCHEMA_ENTERPRISE ":employeeNumber eq \"0701\"",            T },
	{ "manager eq \"m1\"",                                        T },
	{ "manager eq \"M1\"",                                        F }, /* caseExact: erratum 8472 */
	{ SCHEMA_ENTERPRISE ":manager[value eq \"m1\"]",              T },
	{ SCHEMA_ENTERPRISE " pr",                                    T },
	{ SCHEMA_USER " pr",                                          T },
	{ SCHEMA_EMPLOYMENT ":terminationDate eq \"2026-11-20\"",     T },
	{ SCHEMA_EMPLOYMENT ":terminationDate gt \"2026-11-19\"",     T },
	{ SCHEMA_EMPLOYMENT ":startDate gt \"2000-01-01\"",           F }, /* malformed data compares with nothing */
	{ SCHEMA_EMPLOYMENT ":startDate pr",                          F },
	{ "meta.lastModified eq \"2026-11-22T09:00:00.5Z\"",          T }, /* the same instant */
	{ "meta.lastModified lt \"2026-11-22T09:00:00Z\"",            F },
	{ "schemas eq \"" SCHEMA_ENTERPRISE "\"",                     T },
	{ "meta.resourceType eq \"User\" and id eq \"2819c223\"",     T },
};

static const struct { const char *filter; enum truth want; } unknown_names[] = {
	{ "ODD eq 7",       T }, { "odd gt 6.5", T }, { "odd eq \"7\"", F }, { "ratio lt 1", T },
	{ "shade eq \"x\"", F }, { "shade ne \"x\"", T }, { "odd eq true", F },
};
/* clang-format on */

static void test_documents_are_asked_by_their_schema(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = json_loads(person, 0, NULL);

	(void)state;
	assert_non_null(doc);
	for (size_t i = 0; i < COUNT_OF(documents); i++)
		assert_truth(documents[i].filter, PATH_SCIM_USER, &query_json_reader, NULL, doc,
			     QUERY_SCIM, documents[i].want);
	for (size_t i = 0; i < COUNT_OF(unknown_names); i++)
		assert_truth(unknown_names[i].filter, PATH_SCIM_ANY, &query_json_reader, NULL,
			     doc, QUERY_SCIM, unknown_names[i].want);
}

static void test_now_is_an_input(void **state)
{
	static const struct {
		const char *filter;
		int64_t now_ms;
		enum truth want;
	} rows[] = {
		{ "employment.terminationDate lt now", 0, F },
		{ "employment.terminationDate lt now-1d", STAMP_DAY_MS, F },
		{ "employment.terminationDate lt now+2h", -STAMP_HOUR_MS, T },
		{ "employment.terminationDate gt now+90d", INT64_MAX, F },
		{ "employment.terminationDate lt now-90d", INT64_MIN, F },
	};
	CLEANUP(json_decref_at) json_t *doc = json_loads(person, 0, NULL);
	struct err err;
	int64_t day;

	(void)state;
	assert_true(stamp_parse_date(STR("2026-11-20"), &day));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(query_free_at) struct query *q = NULL;
		int64_t now = rows[i].now_ms;

		if (now > INT64_MIN && now < INT64_MAX)
			now += day;
		assert_ok(filter_parse(str_of(rows[i].filter), PATH_POLICY_PERSON, &q, &err),
			  &err);
		assert_int_equal(query_eval(q, &query_json_reader, NULL,
					    (struct query_node){ doc, 0 }, QUERY_POLICY, now),
				 rows[i].want);
	}
}

static void test_an_owner_that_a_document_does_not_know_is_unknown(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = json_loads(person, 0, NULL);

	(void)state;
	assert_truth("account.email pr", PATH_POLICY, &query_json_reader, NULL, doc,
		     QUERY_POLICY, U);
}

static void test_lost_memory_makes_a_test_unknown(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = json_loads(person, 0, NULL);
	CLEANUP(query_free_at) struct query *q = NULL;
	struct err err;
	enum truth t;

	(void)state;
	assert_ok(filter_parse(STR("userName co \"x\""), PATH_SCIM_USER, &q, &err), &err);
	fault_at(1);
	t = query_eval(q, &query_json_reader, NULL, (struct query_node){ doc, 0 }, QUERY_SCIM,
		       0);
	assert_true(fault_fired());
	assert_int_equal(t, TRUTH_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_operator_in_each_state_and_both_logics),
		cmocka_unit_test(test_and_or_not_are_kleenes),
		cmocka_unit_test(test_scim_logic_has_two_values),
		cmocka_unit_test(test_a_part_is_true_if_one_element_is),
		cmocka_unit_test(test_documents_are_asked_by_their_schema),
		cmocka_unit_test(test_now_is_an_input),
		cmocka_unit_test(test_an_owner_that_a_document_does_not_know_is_unknown),
		cmocka_unit_test(test_lost_memory_makes_a_test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
