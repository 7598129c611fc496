/* Documents against the tables: what is taken, what is put right and counted, what is refused.
 */
#include "tests/lib/test.h"

#include "base/jx.h"
#include "model/validate.h"

#define USER "\"schemas\":[\"" SCHEMA_USER "\"],"
#define GROUP "\"schemas\":[\"" SCHEMA_GROUP "\"],"
#define ENT SCHEMA_ENTERPRISE
#define EMP SCHEMA_EMPLOYMENT
#define BOTH "\"schemas\":[\"" SCHEMA_USER "\",\"" ENT "\"],"

/* clang-format off */
static const struct {
	const struct schema *base;
	unsigned tolerate;
	const char *in, *out;         /* out NULL: refused */
	int fault; const char *says;
	int counted;                  /* the one coercion that is counted; -1: none */
} cases[] = {
	/* RFC 7643 section 8.1 */
	{ &schema_user, 0, "{" USER "\"id\":\"2819c223\",\"userName\":\"bjensen@example.com\",\"meta\":{\"resourceType\":\"User\"}}",
	  "{" USER "\"userName\":\"bjensen@example.com\"}", 0, NULL, COERCION_READ_ONLY },
	/* order, spelling, unassigned */
	{ &schema_user, 0, "{\"active\":true,\"userName\":\"b\",\"externalId\":\"E\"," USER "\"title\":null,\"emails\":[],\"name\":{},\"nickName\":\"\"}",
	  "{" USER "\"externalId\":\"E\",\"userName\":\"b\",\"nickName\":\"\",\"active\":true}", 0, NULL, -1 },
	{ &schema_user, 0, "{" USER "\"USERNAME\":\"b\"}", "{" USER "\"userName\":\"b\"}", 0, NULL, COERCION_NAME_CASE },
	{ &schema_user, 0, "{\"SCHEMAS\":[\"URN:ietf:params:scim:schemas:core:2.0:user\"],\"userName\":\"b\"}", "{" USER "\"userName\":\"b\"}", 0, NULL, -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"password\":\"secret\"}", "{" USER "\"userName\":\"b\"}", 0, NULL, -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"groups\":[]}", "{" USER "\"userName\":\"b\"}", 0, NULL, COERCION_READ_ONLY },   /* Okta */
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"department\":\"IT\"}", "{" USER "\"userName\":\"b\"}", 0, NULL, COERCION_UNKNOWN_NAME }, /* Entra */
	/* values of each type */
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"active\":\"False\"}", "{" USER "\"userName\":\"b\",\"active\":false}", 0, NULL, COERCION_BOOLEAN }, /* Entra */
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"active\":\"no\"}", NULL, ERR_INVALID_VALUE, "active: true or false", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"active\":0}", NULL, ERR_INVALID_VALUE, "active", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":7}", "{" USER "\"userName\":\"7\"}", 0, NULL, COERCION_NUMBER },
	{ &schema_user, 0, "{" USER "\"userName\":true}", NULL, ERR_INVALID_VALUE, "userName: a string", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":{\"value\":\"b\"}}", NULL, ERR_INVALID_VALUE, "userName: a string", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":[\"b\"]}", NULL, ERR_INVALID_VALUE, "userName: a string", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"profileUrl\":7}", NULL, ERR_INVALID_VALUE, "profileUrl: a reference", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"x509Certificates\":[{\"value\":\"MIID/w==\"}]}", "{" USER "\"userName\":\"b\",\"x509Certificates\":[{\"value\":\"MIID/w==\"}]}", 0, NULL, -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"x509Certificates\":[{\"value\":\"?\"}]}", NULL, ERR_INVALID_VALUE, "x509Certificates.value: a text in base64", -1 },
	/* one and many */
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"emails\":{\"value\":\"a@x\"}}", "{" USER "\"userName\":\"b\",\"emails\":[{\"value\":\"a@x\"}]}", 0, NULL, COERCION_ARRAY },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"emails\":[\"a@x\"]}", "{" USER "\"userName\":\"b\",\"emails\":[{\"value\":\"a@x\"}]}", 0, NULL, COERCION_SCALAR },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"emails\":[null,{\"TYPE\":\"w\",\"value\":\"a@x\",\"primary\":null},{\"value\":\"a@x\",\"type\":\"w\"}]}",
	  "{" USER "\"userName\":\"b\",\"emails\":[{\"value\":\"a@x\",\"type\":\"w\"}]}", 0, NULL, -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"emails\":[{\"value\":\"a\",\"primary\":true},{\"value\":\"b\",\"primary\":true}]}", NULL, ERR_INVALID_VALUE, "emails: more than one is primary", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"emails\":[[\"a\"]]}", NULL, ERR_INVALID_VALUE, "emails: an object", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"name\":\"Babs\"}", NULL, ERR_INVALID_VALUE, "name: an object", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"name\":[{\"givenName\":\"B\"}]}", "{" USER "\"userName\":\"b\",\"name\":{\"givenName\":\"B\"}}", 0, NULL, COERCION_ARRAY },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"name\":{\"nose\":\"B\"}}", "{" USER "\"userName\":\"b\"}", 0, NULL, COERCION_UNKNOWN_NAME },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"addresses\":[{\"primary\":\"TRUE\",\"type\":\"work\"}]}", "{" USER "\"userName\":\"b\",\"addresses\":[{\"type\":\"work\",\"primary\":true}]}", 0, NULL, COERCION_BOOLEAN },
	/* extensions */
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"" ENT "\":{\"employeeNumber\":701,\"manager\":\"m\"}}",
	  "{" BOTH "\"userName\":\"b\",\"" ENT "\":{\"employeeNumber\":\"701\",\"manager\":{\"value\":\"m\"}}}", 0, NULL, COERCION_NUMBER }, /* URN not listed: added */
	{ &schema_user, 0, "{" BOTH "\"userName\":\"b\",\"" ENT "\":{\"manager\":{\"managerId\":\"m\",\"$ref\":null}}}",
	  "{" BOTH "\"userName\":\"b\",\"" ENT "\":{\"manager\":{\"value\":\"m\"}}}", 0, NULL, COERCION_ALIAS }, /* OneLogin */
	{ &schema_user, 0, "{" BOTH "\"userName\":\"b\",\"" ENT "\":{\"manager\":[{\"value\":\"m\",\"displayName\":\"M\"}]}}",
	  "{" BOTH "\"userName\":\"b\",\"" ENT "\":{\"manager\":{\"value\":\"m\"}}}", 0, NULL, COERCION_ARRAY },
	{ &schema_user, 0, "{" BOTH "\"userName\":\"b\",\"" ENT "\":{}}", "{" USER "\"userName\":\"b\"}", 0, NULL, -1 }, /* URN without data goes */
	{ &schema_user, 0, "{" BOTH "\"userName\":\"b\",\"" ENT "\":null}", "{" USER "\"userName\":\"b\"}", 0, NULL, -1 },
	{ &schema_user, 0, "{" BOTH "\"userName\":\"b\",\"" ENT "\":\"x\"}", NULL, ERR_INVALID_VALUE, ENT ": an object", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"" EMP "\":{\"terminationDate\":\"2026-11-20T00:00:00+01:00\"}}",
	  "{\"schemas\":[\"" SCHEMA_USER "\",\"" EMP "\"],\"userName\":\"b\",\"" EMP "\":{\"terminationDate\":\"2026-11-20\"}}", 0, NULL, COERCION_DATE },
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"" EMP "\":{\"terminationDate\":\"20.11.2026\"}}", NULL, ERR_INVALID_VALUE, "terminationDate: a date such as", -1 },
	/* schemas */
	{ &schema_user, 0, "{\"userName\":\"b\"}", NULL, ERR_INVALID_SYNTAX, "schemas: " SCHEMA_USER " was expected", -1 },
	{ &schema_user, 0, "{\"schemas\":[],\"userName\":\"b\"}", NULL, ERR_INVALID_SYNTAX, "schemas", -1 },
	{ &schema_user, 0, "{\"schemas\":[7],\"userName\":\"b\"}", NULL, ERR_INVALID_SYNTAX, "schemas", -1 },
	{ &schema_user, 0, "{\"schemas\":\"" SCHEMA_USER "\",\"userName\":\"b\"}", "{" USER "\"userName\":\"b\"}", 0, NULL, -1 },
	{ &schema_user, 0, "{" GROUP "\"userName\":\"b\"}", NULL, ERR_INVALID_SYNTAX, SCHEMA_GROUP " is not a schema of a User", -1 },
	{ &schema_group, 0, "{" USER "\"displayName\":\"g\"}", NULL, ERR_INVALID_SYNTAX, "is not a schema of a Group", -1 },
	{ &schema_group, 0, "{\"schemas\":[\"" SCHEMA_GROUP "\",\"http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group\"],\"displayName\":\"g\"}",
	  "{" GROUP "\"displayName\":\"g\"}", 0, NULL, COERCION_UNKNOWN_URN }, /* Entra */
	{ &schema_user, 0, "{\"schemas\":[\"urn:scim:schemas:core:1.0\"],\"userName\":\"b\"}", NULL, ERR_INVALID_SYNTAX, "schemas", -1 },
	{ &schema_user, VALIDATE_OLD_URNS, "{\"schemas\":[\"urn:scim:schemas:core:1.0\"],\"userName\":\"b\",\"id\":null}", "{" USER "\"userName\":\"b\"}", 0, NULL, COERCION_UNKNOWN_URN }, /* OneLogin */
	/* Entra's roles: JSON inside a string, for who is known to send it */
	{ &schema_user, 0, "{" USER "\"userName\":\"b\",\"roles\":[{\"value\":\"{\\\"value\\\":\\\"Admin\\\"}\"}]}", "{" USER "\"userName\":\"b\",\"roles\":[{\"value\":\"{\\\"value\\\":\\\"Admin\\\"}\"}]}", 0, NULL, -1 },
	{ &schema_user, VALIDATE_JSON_TEXT, "{" USER "\"userName\":\"b\",\"roles\":[{\"value\":\"{\\\"value\\\":\\\"Admin\\\",\\\"displayName\\\":\\\"A\\\"}\"}]}",
	  "{" USER "\"userName\":\"b\",\"roles\":[{\"value\":\"Admin\",\"display\":\"A\"}]}", 0, NULL, COERCION_JSON_TEXT },
	{ &schema_user, VALIDATE_JSON_TEXT, "{" USER "\"userName\":\"b\",\"roles\":[\"{not json\"]}", "{" USER "\"userName\":\"b\",\"roles\":[{\"value\":\"{not json\"}]}", 0, NULL, COERCION_SCALAR },
	/* required */
	{ &schema_user, 0, "{" USER "\"active\":true}", NULL, ERR_INVALID_VALUE, "userName is required", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":\"  \"}", NULL, ERR_INVALID_VALUE, "userName is required", -1 },
	{ &schema_user, 0, "{" USER "\"userName\":null}", NULL, ERR_INVALID_VALUE, "userName is required", -1 },
	{ &schema_group, 0, "{" GROUP "\"members\":[]}", NULL, ERR_INVALID_VALUE, "displayName is required", -1 },
	{ &schema_group, 0, "{" GROUP "\"displayName\":\"g\",\"members\":[{\"value\":\"u\",\"$ref\":null,\"display\":\"U\"}]}",
	  "{" GROUP "\"displayName\":\"g\",\"members\":[{\"value\":\"u\",\"display\":\"U\"}]}", 0, NULL, -1 },
	{ &schema_user, 0, "[]", NULL, ERR_INVALID_SYNTAX, "a User must be a JSON object", -1 },
	{ &schema_user, 0, "\"x\"", NULL, ERR_INVALID_SYNTAX, "a User must be a JSON object", -1 },
};
/* clang-format on */

static void assert_case(size_t i)
{
	CLEANUP(json_decref_at) json_t *in = NULL, *out = NULL;
	struct coercions coerced = { 0 };
	struct err err = { 0 };
	char *text;
	int r;

	assert_ok(jx_parse(str_of(cases[i].in), JX_STRICT, &in, &err), &err);
	r = validate_document(in, cases[i].base, cases[i].tolerate, &out, &coerced, &err);
	if (r != -cases[i].fault)
		fail_msg("%s: %d %s", cases[i].in, r, err.text);
	if (r < 0) {
		if (!strstr(err.text, cases[i].says))
			fail_msg("%s: %s", cases[i].in, err.text);
		assert_null(out);
		return;
	}
	text = json_dumps(out, JSON_COMPACT);
	assert_string_equal(text, cases[i].out);
	free(text);
	for (int c = 0; c < COERCION_COUNT; c++)
		if (cases[i].counted == c && coerced.n[c] == 0)
			fail_msg("%s: %s is not counted", cases[i].in, coercion_words[c]);
		else if (cases[i].counted < 0 && coerced.n[c])
			fail_msg("%s: %s is counted", cases[i].in, coercion_words[c]);
}

static void test_documents_are_cleaned_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_case(i);
}

static void test_a_clean_document_stays_as_it_is(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(json_decref_at) json_t *in = NULL, *out = NULL;

		if (!cases[i].out)
			continue;
		assert_ok(jx_parse(str_of(cases[i].out), JX_STRICT, &in, &err), &err);
		assert_ok(validate_document(in, cases[i].base, 0, &out, NULL, &err), &err);
		assert_true(json_equal(in, out));
	}
}

static void test_values_are_bounded_but_for_members(void **state)
{
	CLEANUP(json_decref_at) json_t *list = json_array(), *out = NULL, *members = NULL;
	const struct schema_attr *emails = schema_attr(schema_user.attrs, STR("emails"));
	struct err err;

	(void)state;
	for (int i = 0; i <= VALIDATE_MAX_VALUES; i++)
		json_array_append_new(list, json_pack("{s:i}", "value", i));
	assert_fault(validate_value(emails, list, "emails", 0, &out, NULL, &err),
		     ERR_INVALID_VALUE, &err, "emails: more than 1000 values");
	assert_ok(validate_value(schema_attr(schema_group.attrs, STR("members")), list,
				 "members", 0, &members, NULL, &err),
		  &err);
	assert_int_equal(json_array_size(members), VALIDATE_MAX_VALUES + 1);
	json_array_remove(list, 0);
	assert_ok(validate_value(emails, list, "emails", 0, &out, NULL, &err), &err);
}

static void test_every_coercion_has_a_word(void **state)
{
	(void)state;
	for (int c = 0; c < COERCION_COUNT; c++)
		assert_true(coercion_words[c] && coercion_words[c][0]);
}

static void test_validation_survives_each_lost_allocation(void **state)
{
	static const char text[] =
		"{" USER "\"userName\":7,\"name\":[{\"givenName\":\"B\"}],\"emails\":[\"a@x\","
		"{\"type\":\"w\",\"value\":\"b@x\"}],\"roles\":[{\"value\":\"{\\\"value\\\":1}"
		"\"}],"
		"\"x509Certificates\":[{\"value\":\"MIIC\"}],"
		"\"" ENT "\":{\"manager\":\"m\"},\"" EMP
		"\":{\"startDate\":\"2026-11-20T00:00:00Z\"}}";
	CLEANUP(json_decref_at) json_t *in = json_loads(text, 0, NULL);
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	fault_install();
	assert_non_null(in);
	do {
		CLEANUP(json_decref_at) json_t *out = NULL;

		fault_at(++nth);
		r = validate_document(in, &schema_user, 0, &out, NULL, &err);
		fired = fault_fired();
		if (!(fired ? r == -ERR_NOMEM : r == 0))
			fail_msg("allocation %d: %d", nth, r);
	} while (fired);
	assert_true(nth > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents_are_cleaned_or_refused),
		cmocka_unit_test(test_a_clean_document_stays_as_it_is),
		cmocka_unit_test(test_values_are_bounded_but_for_members),
		cmocka_unit_test(test_every_coercion_has_a_word),
		cmocka_unit_test(test_validation_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
