/* Changes that no rule makes by itself: what is sent for each, and what each answer means. */
#include "tests/unit/fake_org.h"

#include "atlassian/change.h"

static struct fake fake;

/* What the organisation answers to changes; reads are the fake organisation's. */
static struct world {
	int status;
	const char *body;
	const char *privileges;
	bool conflict_of_form; /* 404 for an ARI, well for a bare id */
} world;

static const char all_allowed[] =
	"{'lifecycle.delete':{'allowed':true},'email.set':{'allowed':true},"
	"'profile.write':{'name':{'allowed':true},'nickname':{'allowed':true}}}";

static void answer_world(struct scripted *s, unsigned nth, struct http_req *req,
			 struct http_reply *reply)
{
	struct str path = http_req_path(req);

	(void)s;
	(void)nth;
	if (str_ends(path, STR("/manage"))) {
		fake_add(&reply->body, world.privileges);
	} else if (http_req_method(req) == HTTP_GET || str_ends(path, STR("/groups/search"))) {
		if (!fake_read(req, reply))
			fake_unknown(reply);
	} else if (world.conflict_of_form && fake_has(http_req_body(req), "ari:cloud")) {
		fake_unknown(reply);
	} else {
		reply->status = world.status;
		fake_add(&reply->body, world.body);
	}
}

static void start(int status, const char *body)
{
	world = (struct world){ .status = status, .body = body, .privileges = all_allowed };
	fake_start(&fake, answer_world, NULL);
	atl_client_writes(fake.client, true);
}

static const char *last_line(void)
{
	return scripted_request(&fake.srv, scripted_asked(&fake.srv));
}

#define ORG "/admin/v2/orgs/o-1"
#define AUTH "|Bearer k3y|"
#define JSON AUTH "application/json|"

/* Each call, by number, so that the tables below can name it. */
enum call { REMOVE, GROUP_NEW, GROUP_DROP, ASSIGN, REVOKE, DELETE, CANCEL, EMAIL, PROFILE };

static int do_call(enum call call, struct err *err)
{
	static const struct atl_profile profile = { .name = { "Ada B", 5 },
						    .department = { "Sales", 5 } };
	struct atl_client *c = fake.client;

	switch (call) {
	case REMOVE:
		return atl_change_remove(c, STR("d-1"), STR("a:bob|1"), err);
	case GROUP_NEW:
		return atl_change_group_new(c, STR("d-1"), STR("new \"one\""), STR("why"), err);
	case GROUP_DROP:
		return atl_change_group_drop(c, STR("d-1"), STR("g-talk"), err);
	case ASSIGN:
		return atl_change_group_assign(c, STR("d-1"), STR("g-talk"),
					       STR("atlassian/user"), STR(JIRA), err);
	case REVOKE:
		return atl_change_group_revoke(c, STR("d-1"), STR("g-talk"),
					       STR("atlassian/user"), STR(JIRA), err);
	case DELETE:
		return atl_change_delete(c, STR("a-ada"), err);
	case CANCEL:
		return atl_change_delete_cancel(c, STR("a-ada"), err);
	case EMAIL:
		return atl_change_email(c, STR("a-ada"), STR("b@example.com"), err);
	case PROFILE:
		return atl_change_profile(c, STR("a-ada"), &profile, err);
	}
	return -ERR_INTERNAL;
}

static const struct {
	enum call call;
	const char *line;
} lines[] = {
	{ REMOVE, "DELETE " ORG "/directories/d-1/users/a%3Abob%7C1" AUTH "|" },
	{ GROUP_NEW, "POST " ORG "/directories/d-1/groups" JSON
		     "{\"name\":\"new \\\"one\\\"\",\"description\":\"why\"}" },
	{ GROUP_DROP, "DELETE " ORG "/directories/d-1/groups/g-talk" AUTH "|" },
	{ ASSIGN, "POST " ORG "/directories/d-1/groups/g-talk/role-assignments/assign" JSON
		  "{\"resourceId\":\"" JIRA "\",\"roleId\":\"atlassian/user\"}" },
	{ REVOKE, "POST " ORG "/directories/d-1/groups/g-talk/role-assignments/revoke" JSON
		  "{\"resourceId\":\"" JIRA "\",\"roleId\":\"atlassian/user\"}" },
	{ DELETE, "POST /users/a-ada/manage/lifecycle/delete" JSON "{}" },
	{ CANCEL, "POST /users/a-ada/manage/lifecycle/cancel-delete" JSON "{}" },
	{ EMAIL, "PUT /users/a-ada/manage/email" JSON "{\"email\":\"b@example.com\"}" },
	{ PROFILE, "PATCH /users/a-ada/manage/profile" JSON
		   "{\"name\":\"Ada B\",\"extended_profile\":{\"department\":\"Sales\"}}" },
};

static void test_each_change_is_the_request_of_the_documents(void **state)
{
	struct err err;

	(void)state;
	start(204, "");
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		assert_ok(do_call(lines[i].call, &err), &err);
		assert_string_equal(last_line(), lines[i].line);
	}
	fake_stop(&fake);
}

static void test_in_observe_none_is_sent(void **state)
{
	struct err err;

	(void)state;
	start(204, "");
	atl_client_writes(fake.client, false);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_fault(do_call(lines[i].call, &err), ERR_REFUSED, &err, "mode observe");
	for (unsigned n = 1; n <= scripted_asked(&fake.srv); n++)
		assert_non_null(
			strstr(scripted_request(&fake.srv, n), "GET /users/a-ada/manage"));
	fake_stop(&fake);
}

static void test_each_answer_has_its_meaning(void **state)
{
	static const struct {
		enum call call;
		int status, wanted;
	} rows[] = {
		{ REMOVE, 404, 0 },
		{ REMOVE, 403, -ERR_FORBIDDEN },
		{ GROUP_NEW, 201, 0 },
		{ GROUP_NEW, 409, ATL_EXISTS },
		{ GROUP_DROP, 404, 0 },
		{ GROUP_DROP, 403, -ERR_FORBIDDEN },
		{ ASSIGN, 200, 0 },
		{ ASSIGN, 409, ATL_LIMIT_REACHED },
		{ ASSIGN, 404, -ERR_NOT_FOUND },
		{ DELETE, 200, 0 },
		{ DELETE, 409, -ERR_CONFLICT },
		{ EMAIL, 500, -ERR_UNAVAILABLE },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(rows[i].status, "{}");
		assert_int_equal(do_call(rows[i].call, &err), rows[i].wanted);
		fake_stop(&fake);
	}
}

static void test_a_resource_is_named_the_way_that_is_taken(void **state)
{
	struct err err;

	(void)state;
	start(200, "");
	world.conflict_of_form = true;
	assert_ok(do_call(ASSIGN, &err), &err);
	assert_int_equal(scripted_asked(&fake.srv), 2);
	assert_non_null(strstr(last_line(), "{\"resourceId\":\"s-1\","));
	fake_stop(&fake);
}

static void test_what_may_not_be_done_is_not_sent(void **state)
{
	static const struct {
		const char *privileges;
		enum call call;
		const char *says;
	} rows[] = {
		{ "{'lifecycle.delete':{'allowed':false,'reason':{'key':'externalDirectory."
		  "scim'}}}",
		  DELETE, "delete the account: an identity provider owns the account" },
		{ "{}", CANCEL, "it does not say whether we may" },
		{ "{'email.set':{'allowed':false}}", EMAIL, "it does not say why" },
		{ "{'profile.write':{'name':{'allowed':true},'locale':{'allowed':false,'reason'"
		  ":"
		  "{'key':'authPolicy.saml'}},'nickname':{'allowed':true}}}",
		  PROFILE, "SAML" },
		{ "{'profile.write':{}}", PROFILE, "whether we may" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(204, "");
		world.privileges = rows[i].privileges;
		assert_int_equal(do_call(rows[i].call, &err), ATL_IMPOSSIBLE);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(scripted_asked(&fake.srv), 1);
		fake_stop(&fake);
	}
}

static void test_a_group_is_found_by_its_exact_name(void **state)
{
	struct err err;
	char id[80];

	(void)state;
	start(200, "");
	assert_ok(atl_change_group_find(fake.client, STR("d-1"), STR("TALK"), id, &err), &err);
	assert_string_equal(id, "g-talk");
	assert_non_null(strstr(scripted_request(&fake.srv, 1), "\"groupNames\":[\"TALK\"]"));
	assert_int_equal(atl_change_group_find(fake.client, STR("d-1"), STR("tal"), id, &err),
			 ATL_GONE);
	fake_stop(&fake);
}

/* --- invitations -------------------------------------------------------------------------- */

static int invite(struct vec_atl_invited *ret, struct err *err)
{
	static const struct str emails[] = { { "x@example.com", 13 }, { "y@example.com", 13 } };
	static const struct atl_invite_role roles[] = { { { "atlassian/user", 14 },
							  { JIRA, sizeof(JIRA) - 1 } } };
	static const struct str groups[] = { { "g-jira", 6 } };
	static const struct atl_invite in = { emails, 2, roles, 1, groups, 1, false, { 0 } };

	return atl_change_invite(fake.client, &in, ret, err);
}

static void test_an_invitation_says_what_became_of_each_address(void **state)
{
	struct vec_atl_invited got = { 0 };
	struct err err;

	(void)state;
	start(206,
	      "{'data':[{'email':'x@example.com','id':'a-x','results':[{'roleAssignmentResult':"
	      "[{'status':'INVITED'}],'groupAssignmentResult':[{'status':'INVITED'}]}]},"
	      "{'email':'y@example.com','results':[{'roleAssignmentResult':[{'status':'INVITED'"
	      "}]},{'groupAssignmentResult':[{'status':'ERROR','statusReason':'no such group'}"
	      "]}]}]}");
	assert_ok(invite(&got, &err), &err);
	assert_string_equal(
		last_line(),
		"POST " ORG "/users/invite" JSON
		"{\"permissionRules\":[{\"role\":\"atlassian/user\",\"resource\":\"" JIRA
		"\"}],\"emails\":[\"x@example.com\",\"y@example.com\"],\"additionalGroups\":["
		"\"g-jira\"],\"sendNotification\":false}");
	assert_int_equal(got.n, 2);
	assert_string_equal(got.v[0].email, "x@example.com");
	assert_string_equal(got.v[0].account, "a-x");
	assert_null(got.v[0].why);
	assert_null(got.v[1].account);
	assert_string_equal(got.v[1].why, "no such group");
	atl_invited_done(&got);
	fake_stop(&fake);

	start(409, "{}");
	assert_int_equal(invite(&got, &err), ATL_LIMIT_REACHED);
	assert_int_equal(got.n, 0);
	fake_stop(&fake);
	start(200, "{}");
	assert_fault(invite(&got, &err), ERR_PROTOCOL, &err, "whom it reached is not known");
	fake_stop(&fake);
}

static void test_an_invitation_is_not_sent_again_where_it_may_have_arrived(void **state)
{
	struct vec_atl_invited got = { 0 };
	struct err err;

	(void)state;
	start(503, "");
	fake.o.tries = 4;
	assert_fault(invite(&got, &err), ERR_UNAVAILABLE, &err, "503");
	assert_int_equal(scripted_asked(&fake.srv), 1);
	/* another change may be made again: it ends the same */
	assert_fault(do_call(REMOVE, &err), ERR_UNAVAILABLE, &err, "503");
	assert_int_equal(scripted_asked(&fake.srv), 5);
	fake_stop(&fake);
}

static void test_changing_survives_each_lost_allocation(void **state)
{
	(void)state;
	jx_memory(fake_jansson_memory, free);
	for (size_t i = 0; i <= COUNT_OF(lines); i++) {
		bool fired;
		int nth = 0;

		do {
			struct vec_atl_invited got = { 0 };
			struct err err;
			int r;

			start(204, i == COUNT_OF(lines) ? "{'data':[]}" : "");
			if (i == COUNT_OF(lines))
				world.status = 200;
			fault_at(++nth);
			r = i == COUNT_OF(lines) ? invite(&got, &err)
						 : do_call(lines[i].call, &err);
			fired = fault_fired();
			if (r != (fired ? -ERR_NOMEM : 0))
				fail_msg("call %zu, allocation %d: %d", i, nth, r);
			atl_invited_done(&got);
			fake_stop(&fake);
		} while (fired);
		assert_true(nth > 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_change_is_the_request_of_the_documents),
		cmocka_unit_test(test_in_observe_none_is_sent),
		cmocka_unit_test(test_each_answer_has_its_meaning),
		cmocka_unit_test(test_a_resource_is_named_the_way_that_is_taken),
		cmocka_unit_test(test_what_may_not_be_done_is_not_sent),
		cmocka_unit_test(test_a_group_is_found_by_its_exact_name),
		cmocka_unit_test(test_an_invitation_says_what_became_of_each_address),
		cmocka_unit_test(
			test_an_invitation_is_not_sent_again_where_it_may_have_arrived),
		cmocka_unit_test(test_changing_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
