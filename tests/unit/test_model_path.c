/* Attribute paths: RFC 7644 section 3.4.2.2 and 3.10, and the owners of the policy dialect. */
#include "tests/lib/test.h"

#include "base/buf.h"
#include "model/path.h"
#include "model/schema.h"

#define ENT SCHEMA_ENTERPRISE
#define EMP SCHEMA_EMPLOYMENT

/* clang-format off */
static const struct {
	enum path_dialect dialect;
	const char *text;
	const char *canonical; /* NULL: refused */
	const char *says;      /* what the refusal says */
} cases[] = {
	{ PATH_SCIM_USER,  "userName",                    "userName",              NULL },
	{ PATH_SCIM_USER,  "USERNAME",                    "userName",              NULL },
	{ PATH_SCIM_USER,  "name.givenname",              "name.givenName",        NULL },
	{ PATH_SCIM_USER,  "meta.lastModified",           "meta.lastModified",     NULL },
	{ PATH_SCIM_USER,  "groups.$ref",                 "groups.$ref",           NULL },
	{ PATH_SCIM_USER,  SCHEMA_USER ":userName",       "userName",              NULL },
	{ PATH_SCIM_USER,  ENT ":manager.value",          ENT ":manager.value",    NULL },
	{ PATH_SCIM_USER,  ENT ":department",             ENT ":department",       NULL },
	{ PATH_SCIM_USER,  EMP ":leave.from",             EMP ":leave.from",       NULL },
	{ PATH_SCIM_USER,  ENT,                           ENT,                     NULL }, /* a whole extension */
	{ PATH_SCIM_USER,  SCHEMA_USER,                   SCHEMA_USER,             NULL },
	{ PATH_SCIM_USER,  ENT ".department",             ENT ":department",       NULL }, /* Entra's customappsso */
	{ PATH_SCIM_USER,  "manager",                     ENT ":manager",          NULL }, /* Entra */
	{ PATH_SCIM_GROUP, "members.value",               "members.value",         NULL },
	{ PATH_SCIM_ANY,   "displayName",                 "displayName",           NULL },
	{ PATH_SCIM_ANY,   "members",                     "members",               NULL },
	{ PATH_SCIM_ANY,   "favouriteColour.x",           "favouriteColour.x",     NULL },
	{ PATH_COLUMNS,    "NAME",                        "NAME",                  NULL }, /* not User's, which has parts */
	{ PATH_COLUMNS,    SCHEMA_USER ":userName",       NULL, "no attributes of that schema" },
	{ PATH_SCIM_USER,  "",                            NULL, "byte 0: an attribute name was expected" },
	{ PATH_SCIM_USER,  "userNam",                     NULL, "byte 0: no attribute userNam" },
	{ PATH_SCIM_USER,  "name.nose",                   NULL, "byte 5: name has no sub-attribute nose" },
	{ PATH_SCIM_USER,  "userName.x",                  NULL, "byte 9" },
	{ PATH_SCIM_USER,  "name.",                       NULL, "byte 5: a sub-attribute name" },
	{ PATH_SCIM_USER,  ".name",                       NULL, "byte 0" },
	{ PATH_SCIM_USER,  "emails[0]",                   NULL, "byte 0" },
	{ PATH_SCIM_USER,  "user name",                   NULL, "byte 0" },
	{ PATH_SCIM_USER,  "name.given.x",                NULL, "byte 5" },
	{ PATH_SCIM_USER,  "members",                     NULL, "no attribute members" },
	{ PATH_SCIM_USER,  SCHEMA_GROUP ":members",       NULL, "no attributes of that schema" },
	{ PATH_SCIM_GROUP, ENT ":department",             NULL, "no attributes of that schema" },
	{ PATH_SCIM_GROUP, "manager",                     NULL, "no attribute manager" },
	{ PATH_SCIM_USER,  ENT ":",                       NULL, "an attribute name was expected" },
	{ PATH_SCIM_USER,  ENT ":shoeSize",               NULL, "no attribute shoeSize" },
	{ PATH_SCIM_USER,  "urn:example:User:x",          NULL, "no such schema" },
	{ PATH_SCIM_USER,  "employment.status",           NULL, "no attribute employment" },
	{ PATH_SCIM_USER,  "person.userName",             NULL, "no attribute person" },
	{ PATH_POLICY,     "employment.status",           EMP ":status",           NULL },
	{ PATH_POLICY,     "enterprise.manager.value",    ENT ":manager.value",    NULL },
	{ PATH_POLICY,     "hr.status",                   "hr.status",             NULL },
	{ PATH_POLICY,     "leaveDate",                   "leaveDate",             NULL },
	{ PATH_POLICY,     "Person.Employment.Status",    "person." EMP ":status", NULL },
	{ PATH_POLICY,     "person." EMP ":status",       "person." EMP ":status", NULL },
	{ PATH_POLICY,     "account.email",               "account.email",         NULL },
	{ PATH_POLICY,     "accounts.email",              "accounts.email",        NULL },
	{ PATH_POLICY_SEAT, "lastActive",                 "lastActive",            NULL },
	{ PATH_POLICY_SEAT, "person.userName",            "person.userName",       NULL },
	{ PATH_POLICY_SEAT, "email",                      NULL, "no attribute email" }, /* say account.email */
	{ PATH_POLICY_ACCOUNT, "seats.product",           "seats.product",         NULL },
	{ PATH_POLICY_ACCOUNT, "employment.status",       NULL, "no attributes of that schema" },
	{ PATH_POLICY_PERSON, "employment.status",        EMP ":status",           NULL },
	{ PATH_POLICY_PERSON, "account.email",            NULL, "byte 0: a person may have many accounts" },
	{ PATH_POLICY_PERSON, "emailVerified",            NULL, "no attribute emailVerified" },
};
/* clang-format on */

static void assert_path(size_t i)
{
	struct str text = str_of(cases[i].text);
	CLEANUP(path_done) struct path p = { 0 }, again = { 0 }, copy = { 0 };
	CLEANUP(buf_done) struct buf out;
	struct err err;
	int r = path_parse(text, cases[i].dialect, &p, &err);

	buf_init(&out, 1000);
	if (!cases[i].canonical) {
		assert_fault(r, ERR_INVALID_PATH, &err, cases[i].says);
		assert_null(p.name);
		return;
	}
	if (r != 0)
		fail_msg("%s: %s", cases[i].text, err.text);
	path_text(&p, &out);
	assert_string_equal(out.p, cases[i].canonical);
	assert_int_equal(p.slot, -1);
	assert_ok(path_parse(buf_str(&out), cases[i].dialect, &again, &err), &err);
	assert_true(path_equal(&p, &again));
	assert_ok(path_copy(&copy, &p, &err), &err);
	assert_true(path_equal(&p, &copy));
}

static void test_paths_are_read_as_their_dialect_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_path(i);
}

static void test_a_bare_name_belongs_to_the_subject(void **state)
{
	CLEANUP(path_done) struct path seat = { 0 }, account = { 0 }, user = { 0 };
	struct err err;

	(void)state;
	assert_ok(path_parse(STR("lastActive"), PATH_POLICY_SEAT, &seat, &err), &err);
	assert_ok(path_parse(STR("lastActive"), PATH_POLICY_ACCOUNT, &account, &err), &err);
	assert_ok(path_parse(STR("name.givenName"), PATH_SCIM_USER, &user, &err), &err);
	assert_ptr_equal(seat.attr, schema_attr(subject_seat, STR("lastActive")));
	assert_ptr_equal(account.attr, schema_attr(subject_account, STR("lastActive")));
	assert_ptr_equal(user.top, schema_attr(schema_user.attrs, STR("name")));
	assert_string_equal(user.attr->name, "givenName");
}

static void test_oddly_spelled_paths_are_marked(void **state)
{
	CLEANUP(path_done) struct path p = { 0 }, q = { 0 }, s = { 0 };
	struct err err;

	(void)state;
	assert_ok(path_parse(STR("manager"), PATH_SCIM_USER, &p, &err), &err);
	assert_ok(path_parse(STR(ENT ".manager"), PATH_SCIM_USER, &q, &err), &err);
	assert_ok(path_parse(STR(ENT ":manager"), PATH_SCIM_USER, &s, &err), &err);
	assert_true(p.coerced && q.coerced && !s.coerced);
	assert_true(path_equal(&p, &s) && path_equal(&q, &s));
}

static void test_a_nul_is_no_part_of_a_name(void **state)
{
	struct path p;
	struct err err;

	(void)state;
	assert_fault(path_parse(STR("a\0b"), PATH_SCIM_ANY, &p, &err), ERR_INVALID_PATH, &err,
		     "byte 0");
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
	char text[PATH_MAX_BYTES + 1];
	struct path p;
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_fault(path_parse(str_n(text, sizeof(text)), PATH_SCIM_ANY, &p, &err),
		     ERR_INVALID_PATH, &err, "longer than 512 bytes");
	assert_ok(path_parse(str_n(text, sizeof(text) - 1), PATH_SCIM_ANY, &p, &err), &err);
	path_done(&p);
}

static void test_parsing_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(path_done) struct path p = { 0 }, copy = { 0 };

		fault_at(++nth);
		r = path_parse(STR("person.enterprise.manager.value"), PATH_POLICY, &p, &err);
		if (r == 0)
			r = path_copy(&copy, &p, &err);
		fired = fault_fired();
		assert_true(fired ? r == -ERR_NOMEM : r == 0);
	} while (fired);
	assert_true(nth > 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_read_as_their_dialect_says),
		cmocka_unit_test(test_a_bare_name_belongs_to_the_subject),
		cmocka_unit_test(test_oddly_spelled_paths_are_marked),
		cmocka_unit_test(test_a_nul_is_no_part_of_a_name),
		cmocka_unit_test(test_a_path_that_is_too_long_is_refused),
		cmocka_unit_test(test_parsing_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
