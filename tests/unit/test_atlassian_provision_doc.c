/* Documents of the provisioning directory: rows out of them, requests into them. */
#include "tests/unit/fake_org.h"

#include "atlassian/provision_doc.h"

/* ' for " */
static json_t *json_of(const char *text)
{
	CLEANUP(buf_done) struct buf b;
	json_t *j = NULL;
	struct err err;

	buf_init(&b, 65536);
	fake_add(&b, text);
	assert_ok(jx_parse(buf_str(&b), JX_LENIENT, &j, &err), &err);
	return j;
}

static void is_json(const json_t *doc, const char *expected)
{
	CLEANUP(json_decref_at) json_t *want = json_of(expected);
	char *shown;

	if (json_equal(doc, want))
		return;
	shown = json_dumps(doc, JSON_SORT_KEYS);
	fail_msg("%s", shown);
}

/* --- reading --- */

#define ENTERPRISE "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'"
#define ATLASSIAN "'urn:scim:schemas:extension:atlassian-external:1.0'"

static void test_a_record_is_read_with_what_it_tells_and_no_more(void **state)
{
	static const struct {
		const char *json;
		bool fine;
		const char *id, *external, *account, *mail, *department;
		enum tri active;
	} rows[] = {
		{ "{'id':'s-1','userName':'ada@example.com','externalId':'u-1','active':true,"
		  "'emails':[{'value':'old@example.com'},{'value':'ada@example.com','primary':"
		  "true}]," ENTERPRISE ":{'department':'Shop'}," ATLASSIAN
		  ":{'atlassianAccountId':'712020:a'}}",
		  true, "s-1", "u-1", "712020:a", "ada@example.com", "Shop", TRI_YES },
		/* no primary address: the first; the department beside its extension */
		{ "{'id':'s-2','userName':'eve','active':false,'department':'Yard','emails':["
		  "{'value':'eve@example.com'},{'value':'two@example.com'}]}",
		  true, "s-2", "", "", "eve@example.com", "Yard", TRI_NO },
		/* what is of another type is not told */
		{ "{'id':'s-3','userName':'bob','active':'yes','externalId':7,'emails':'x'}",
		  true, "s-3", "", "", "", "", TRI_UNKNOWN },
		{ "{'userName':'nobody'}", false, "", "", "", "", "", TRI_UNKNOWN },
		{ "{'id':'s-4'}", false, "s-4", "", "", "", "", TRI_UNKNOWN },
		{ "[]", false, "", "", "", "", "", TRI_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(json_decref_at) json_t *doc = json_of(rows[i].json);
		struct atl_scim_user u;
		char why[80] = "";

		if (provision_user_read(doc, &u, why, sizeof(why)) != rows[i].fine ||
		    (why[0] == '\0') != rows[i].fine)
			fail_msg("row %zu: \"%s\"", i, why);
		if (!str_eq(u.id, str_of(rows[i].id)) ||
		    !str_eq(u.external_id, str_of(rows[i].external)) ||
		    !str_eq(u.account, str_of(rows[i].account)) ||
		    !str_eq(u.attrs[PROVISION_EMAIL], str_of(rows[i].mail)) ||
		    !str_eq(u.attrs[PROVISION_DEPARTMENT], str_of(rows[i].department)) ||
		    u.active != rows[i].active)
			fail_msg("row %zu", i);
	}
}

static void test_a_group_is_whole_only_if_each_member_has_an_id(void **state)
{
	static const struct {
		const char *json;
		bool whole;
		size_t members;
	} rows[] = {
		{ "{'id':'g','displayName':'Staff','members':[{'value':'a'},{'value':'b'}]}",
		  true, 2 },
		{ "{'id':'g','displayName':'Staff'}", true, 0 },
		{ "{'id':'g','displayName':'Staff','members':[{'value':'a'},{'x':1}]}", false,
		  1 },
		{ "{'id':'g','displayName':'Staff','members':{}}", false, 0 },
		{ "{'id':'g'}", false, 0 },
		{ "{'displayName':'Staff'}", false, 0 },
	};
	struct vec_str members = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(json_decref_at) json_t *doc = json_of(rows[i].json);
		struct atl_scim_group g;
		struct err err;
		bool whole = !rows[i].whole;

		assert_ok(provision_group_read(doc, &members, &g, &whole, &err), &err);
		if (whole != rows[i].whole || g.member_count != rows[i].members)
			fail_msg("row %zu: %d, %zu", i, whole, g.member_count);
	}
	vec_str_done(&members);
}

/* --- writing --- */

static const struct atl_deed ada = {
	.directory = STR("dir"),
	.external_id = STR("u-1"),
	.wanted = { [PROVISION_USER_NAME] = STR("ada@example.com"),
		    [PROVISION_EMAIL] = STR("ada@example.com"),
		    [PROVISION_GIVEN_NAME] = STR("Ada"),
		    [PROVISION_FAMILY_NAME] = STR("Ash"),
		    [PROVISION_DEPARTMENT] = STR("Shop") },
};

/* Which document; each constructor is a row, so that each is made with memory lost, too. */
static int make(int which, json_t **ret, struct err *err)
{
	switch (which) {
	case 0:
		return provision_user_doc(&ada, ret, err);
	case 1:
		return provision_update_doc(&ada, ret, err);
	case 2:
		return provision_active_doc(false, ret, err);
	case 3:
		return provision_member_doc(true, STR("s-1"), ret, err);
	case 4:
		return provision_member_doc(false, STR("s-1"), ret, err);
	default:
		return provision_group_doc(STR("Staff"), ret, err);
	}
}

#define PATCH "'schemas':['urn:ietf:params:scim:api:messages:2.0:PatchOp'],'Operations':"
static const char *const documents[] = {
	"{'schemas':['urn:ietf:params:scim:schemas:core:2.0:User'," ENTERPRISE
	"],'userName':'ada@example.com','emails':[{'value':'ada@example.com','type':'work',"
	"'primary':true}],'name':{'givenName':'Ada','familyName':'Ash'}," ENTERPRISE
	":{'department':'Shop'},'externalId':'u-1','active':true}",
	"{" PATCH "[{'op':'replace','path':'userName','value':'ada@example.com'},"
	"{'op':'replace','path':'emails','value':[{'value':'ada@example.com','type':'work',"
	"'primary':true}]},{'op':'replace','path':'name.givenName','value':'Ada'},"
	"{'op':'replace','path':'name.familyName','value':'Ash'},{'op':'replace','path':"
	"'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department','value':"
	"'Shop'},{'op':'replace','path':'externalId','value':'u-1'}]}",
	"{" PATCH "[{'op':'replace','path':'active','value':false}]}",
	"{" PATCH "[{'op':'add','path':'members','value':[{'value':'s-1'}]}]}",
	"{" PATCH "[{'op':'remove','path':'members','value':[{'value':'s-1'}]}]}",
	"{'schemas':['urn:ietf:params:scim:schemas:core:2.0:Group'],'displayName':'Staff'}",
};

static void test_each_document_says_what_the_deed_wants_and_nothing_else(void **state)
{
	(void)state;
	for (int i = 0; i < (int)COUNT_OF(documents); i++) {
		CLEANUP(json_decref_at) json_t *doc = NULL;
		struct err err;

		assert_ok(make(i, &doc, &err), &err);
		is_json(doc, documents[i]);
	}
}

static void test_each_document_survives_each_lost_allocation(void **state)
{
	(void)state;
	jx_memory(fake_jansson_memory, free);
	for (int i = 0; i < (int)COUNT_OF(documents); i++) {
		bool fired = true;
		long n = 0;

		while (fired) {
			CLEANUP(json_decref_at) json_t *doc = NULL;
			struct err err = { 0 };
			int r;

			fault_at(++n);
			r = make(i, &doc, &err);
			fired = fault_fired();
			fault_at(0);
			if (fired && (r != -ERR_NOMEM || doc))
				fail_msg("document %d, allocation %ld: %d", i, n, r);
			if (!fired)
				assert_int_equal(r, 0);
		}
		assert_true(n > 3);
	}
	jx_memory(malloc, free);
}

static void test_a_group_read_survives_each_lost_allocation(void **state)
{
	CLEANUP(json_decref_at)
	json_t *doc = json_of("{'id':'g','displayName':'Staff','members':[{'value':'a'}]}");
	bool fired = true;

	(void)state;
	for (long n = 1; fired; n++) {
		struct vec_str members = { 0 };
		struct atl_scim_group g;
		struct err err;
		bool whole;
		int r;

		fault_at(n);
		r = provision_group_read(doc, &members, &g, &whole, &err);
		fired = fault_fired();
		fault_at(0);
		assert_int_equal(r, fired ? -ERR_NOMEM : 0);
		vec_str_done(&members);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_is_read_with_what_it_tells_and_no_more),
		cmocka_unit_test(test_a_group_is_whole_only_if_each_member_has_an_id),
		cmocka_unit_test(test_each_document_says_what_the_deed_wants_and_nothing_else),
		cmocka_unit_test(test_each_document_survives_each_lost_allocation),
		cmocka_unit_test(test_a_group_read_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
