/* Reading one account now, doing steps to it, and telling whether they were done. */
#include "tests/unit/fake_org.h"

#include "atlassian/act.h"
#include "atlassian/collect.h"

static struct fake fake;

/* What the organisation does besides being read. */
static struct world {
	const char *privileges; /* JSON of GET /users/{}/manage */
	int manage_status;
	unsigned tokens;     /* live ones of every account */
	unsigned new_tokens; /* made anew after each that is revoked */
	int write_status;
	const char *write_body;
	bool two_directories;
	bool empty_first;  /* a search begins with a page without rows */
	unsigned wrong_at; /* which request fails */
	int wrong_status;  /* 0: from there on connections are reset */
} world;

static const char allowed[] = "{'lifecycle.enablement':{'allowed':true}}";

static void answer_manage(struct http_req *req, struct http_reply *reply)
{
	struct str path = http_req_path(req);
	struct buf *b = &reply->body;

	if (str_ends(path, STR("/manage"))) {
		reply->status = world.manage_status;
		fake_add(b, world.privileges);
	} else if (str_ends(path, STR("/api-tokens"))) {
		fake_add(b, "[");
		for (unsigned i = 0; i < world.tokens; i++)
			buf_addf(b,
				 "%s{\"id\":\"t-%u\",\"label\":\"l\",\"lastAccess\":"
				 "\"2026-11-0%uT00:00:00Z\"}",
				 i ? "," : "", i, i + 1);
		fake_add(b, "]");
	} else if (http_req_method(req) == HTTP_DELETE) {
		world.tokens--;
		if (world.new_tokens) {
			world.new_tokens--;
			world.tokens++;
		}
		reply->status = 204;
	} else {
		reply->status = world.write_status;
		fake_add(b, world.write_body);
	}
}

static void answer_world(struct scripted *s, unsigned nth, struct http_req *req,
			 struct http_reply *reply)
{
	struct str path = http_req_path(req);

	(void)s;
	if (world.wrong_at &&
	    (nth == world.wrong_at || (!world.wrong_status && nth > world.wrong_at))) {
		reply->status = world.wrong_status;
		if (!world.wrong_status)
			http_req_abort(req, 0, true);
	} else if (str_starts(path, STR("/users/"))) {
		answer_manage(req, reply);
	} else if (world.empty_first && str_ends(path, STR("/users/search"))) {
		world.empty_first = false;
		fake_add(&reply->body, "{'data':[],'links':{'next':'c0'}}");
	} else if (world.two_directories && str_ends(path, STR("/directories"))) {
		struct str account = { 0 };

		fake_add(&reply->body, "{'data':[");
		if (!http_req_query(req, "accountId", &account))
			fake_add(&reply->body, "{'directoryId':'d-0'},");
		fake_add(&reply->body, "{'directoryId':'d-1'}],'links':{}}");
	} else if (!fake_read(req, reply)) {
		reply->status = world.write_status;
		fake_add(&reply->body, world.write_body);
	}
}

static void begin(void)
{
	world = (struct world){ .privileges = allowed,
				.manage_status = 200,
				.write_status = 204,
				.write_body = "" };
	fake_start(&fake, answer_world, NULL);
	atl_client_writes(fake.client, true);
}

static unsigned asked(const char *part)
{
	unsigned n = 0;

	for (unsigned i = 1; i <= scripted_asked(&fake.srv); i++)
		n += strstr(scripted_request(&fake.srv, i), part) != NULL;
	return n;
}

/* --- reading ------------------------------------------------------------------------------ */

static void path_is(const struct atl_path_row *p, enum atl_path_kind kind, const char *resource,
		    const char *role, const char *group, enum tri modifiable)
{
	assert_int_equal(p->kind, kind);
	assert_string_equal(p->resource, resource);
	assert_string_equal(p->role, role);
	if (group)
		assert_string_equal(p->group, group);
	else
		assert_null(p->group);
	assert_int_equal(p->modifiable, modifiable);
}

static void test_an_account_is_read_with_the_ways_to_its_seats(void **state)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	struct err err;

	(void)state;
	begin();
	world.tokens = 2;
	assert_ok(atl_read_account(fake.client, STR("a-ada"),
				   ATL_WITH_PATHS | ATL_WITH_MANAGE | ATL_WITH_TOKENS,
				   (struct str){ 0 }, true, &now, &err),
		  &err);
	assert_string_equal(now.id, "a-ada");
	assert_string_equal(now.email, "a-ada@example.com");
	assert_string_equal(now.directory, "d-1");
	assert_int_equal(now.row.status, ACCOUNT_ACTIVE);
	assert_int_equal(now.row.paths_known, TRI_YES);
	assert_int_equal(now.row.can_disable, TRI_YES);
	assert_int_equal(now.row.admin, TRI_NO);
	assert_int_equal(now.live_tokens, 2);
	assert_int_equal(now.row.tokens, TRI_YES);
	assert_int_equal(now.groups.n, 2);
	assert_string_equal(now.groups.v[0], "g-jira");
	assert_int_equal(now.paths.n, 2);
	path_is(&now.paths.v[0], ATL_PATH_GROUP, JIRA, "atlassian/user", "g-jira", TRI_YES);
	path_is(&now.paths.v[1], ATL_PATH_GROUP, WIKI, "atlassian/user", "g-wiki", TRI_NO);
	assert_int_equal(now.products.n, 2);
	assert_string_equal(now.products.v[0].resource, JIRA);
	assert_string_equal(now.products.v[0].key, "jira");
	assert_true(now.products.v[0].last_active_ms > 0);
	fake_stop(&fake);
}

static void test_direct_and_inferred_roles_are_told_apart(void **state)
{
	CLEANUP(atl_reading_done) struct atl_reading cyd = { 0 };
	CLEANUP(atl_reading_done) struct atl_reading dan = { 0 };
	struct err err;

	(void)state;
	begin();
	assert_ok(atl_read_account(fake.client, STR("a-cyd"), ATL_WITH_PATHS, (struct str){ 0 },
				   false, &cyd, &err),
		  &err);
	assert_int_equal(cyd.paths.n, 3);
	path_is(&cyd.paths.v[0], ATL_PATH_DIRECT, JIRA, "atlassian/user", NULL, TRI_YES);
	path_is(&cyd.paths.v[1], ATL_PATH_GROUP, JIRA, "atlassian/user", "g-jira", TRI_YES);
	path_is(&cyd.paths.v[2], ATL_PATH_DIRECT, WIKI, "atlassian/user", NULL, TRI_YES);
	assert_ok(atl_read_account(fake.client, STR("a-dan"), ATL_WITH_PATHS, (struct str){ 0 },
				   false, &dan, &err),
		  &err);
	assert_int_equal(dan.paths.n, 1);
	path_is(&dan.paths.v[0], ATL_PATH_INFERRED, JIRA, "atlassian/admin", NULL, TRI_NO);
	assert_int_equal(dan.row.org_admin, TRI_YES);
	assert_string_equal(dan.platform_roles, "atlassian/org-admin atlassian/site-admin");
	fake_stop(&fake);
}

static void test_who_is_not_there_is_gone_and_who_is_suspended_says_so(void **state)
{
	CLEANUP(atl_reading_done) struct atl_reading gone = { 0 };
	CLEANUP(atl_reading_done) struct atl_reading eve = { 0 };
	CLEANUP(atl_reading_done) struct atl_reading fay = { 0 };
	struct err err;

	(void)state;
	begin();
	assert_int_equal(atl_read_account(fake.client, STR("a-nobody"), ATL_WITH_PATHS,
					  (struct str){ 0 }, false, &gone, &err),
			 ATL_GONE);
	assert_ok(atl_read_account(fake.client, STR("a-eve"), 0, (struct str){ 0 }, false, &eve,
				   &err),
		  &err);
	assert_int_equal(eve.suspended, TRI_YES);
	assert_int_equal(eve.disabled, TRI_NO);
	assert_false(eve.products_told);
	assert_ok(atl_read_account(fake.client, STR("a-fay"), 0, (struct str){ 0 }, false, &fay,
				   &err),
		  &err);
	assert_int_equal(fay.suspended, TRI_NO);
	assert_int_equal(fay.disabled, TRI_YES);
	assert_int_equal(fay.row.synced, TRI_YES);
	fake_stop(&fake);
}

static void test_a_page_without_the_account_does_not_make_it_gone(void **state)
{
	struct err err;

	(void)state;
	for (int there = 0; there < 2; there++) {
		CLEANUP(atl_reading_done) struct atl_reading now = { 0 };

		begin();
		world.empty_first = true;
		assert_int_equal(atl_read_account(fake.client,
						  there ? STR("a-eve") : STR("a-nobody"), 0,
						  (struct str){ 0 }, false, &now, &err),
				 there ? 0 : ATL_GONE);
		assert_int_equal(now.suspended, there ? TRI_YES : TRI_UNKNOWN);
		fake_stop(&fake);
	}
}

static void test_why_an_account_may_not_be_deactivated_is_told(void **state)
{
	CLEANUP(atl_reading_done) struct atl_reading fay = { 0 };
	CLEANUP(atl_reading_done) struct atl_reading gus = { 0 };
	struct err err;

	(void)state;
	begin();
	world.privileges = "{'lifecycle.enablement':{'allowed':false,'reason':{'key':"
			   "'externalDirectory.scim'}}}";
	assert_ok(atl_read_account(fake.client, STR("a-fay"), ATL_WITH_MANAGE,
				   (struct str){ 0 }, false, &fay, &err),
		  &err);
	assert_int_equal(fay.row.can_disable, TRI_NO);
	assert_string_equal(fay.manage_reason, "externalDirectory.scim");
	/* Nobody is asked about an account that is not managed. */
	assert_ok(atl_read_account(fake.client, STR("a-gus"), ATL_WITH_MANAGE | ATL_WITH_TOKENS,
				   (struct str){ 0 }, false, &gus, &err),
		  &err);
	assert_int_equal(gus.row.can_disable, TRI_NO);
	assert_string_equal(gus.manage_reason, "managedAccount");
	assert_int_equal(asked("/users/a-gus/manage"), 0);
	fake_stop(&fake);
}

/* Each request of a reading fails once: a fault, never half an account that looks whole. */
static void test_a_reading_that_was_cut_short_is_a_fault(void **state)
{
	static const int wrongs[] = { 500, 403, 0 };
	unsigned requests;
	struct err err;

	(void)state;
	begin();
	{
		CLEANUP(atl_reading_done) struct atl_reading now = { 0 };

		assert_ok(atl_read_account(fake.client, STR("a-cyd"),
					   ATL_WITH_PATHS | ATL_WITH_MANAGE | ATL_WITH_TOKENS,
					   (struct str){ 0 }, false, &now, &err),
			  &err);
	}
	requests = scripted_asked(&fake.srv);
	fake_stop(&fake);
	assert_true(requests >= 5);
	for (size_t i = 0; i < COUNT_OF(wrongs); i++) {
		for (unsigned at = 1; at <= requests; at++) {
			CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
			int r;

			begin();
			world.wrong_at = at;
			world.wrong_status = wrongs[i];
			r = atl_read_account(fake.client, STR("a-cyd"),
					     ATL_WITH_PATHS | ATL_WITH_MANAGE | ATL_WITH_TOKENS,
					     (struct str){ 0 }, false, &now, &err);
			if (r >= 0)
				fail_msg("%d at %u: %d", wrongs[i], at, r);
			fake_stop(&fake);
		}
	}
}

static void test_reading_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0;
	bool fired;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	begin();
	do {
		CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
		int r;

		fault_at(++nth);
		r = atl_read_account(fake.client, STR("a-cyd"),
				     ATL_WITH_PATHS | ATL_WITH_MANAGE | ATL_WITH_TOKENS,
				     (struct str){ 0 }, false, &now, &err);
		fired = fault_fired();
		if (r != (fired ? -ERR_NOMEM : 0))
			fail_msg("allocation %d: %d", nth, r);
	} while (fired);
	assert_true(nth > 100);
	fake_stop(&fake);
}

/* --- doing -------------------------------------------------------------------------------- */

#define DIRECTORY_1 .directory = "d-1"

static const struct {
	struct action_step step;
	const char *request; /* the change itself */
} steps[] = {
	{ { .op = STEP_SUSPEND, DIRECTORY_1 },
	  "POST /admin/v2/orgs/o-1/directories/d-1/users/a-ada/suspend|Bearer k3y|"
	  "application/json|{}" },
	{ { .op = STEP_RESTORE, DIRECTORY_1 },
	  "POST /admin/v2/orgs/o-1/directories/d-1/users/a-ada/restore|Bearer k3y|"
	  "application/json|{}" },
	{ { .op = STEP_DISABLE },
	  "POST /users/a-ada/manage/lifecycle/disable|Bearer k3y|application/json|{\"message\":"
	  "\"Bye \\\"now\\\"\"}" },
	{ { .op = STEP_ENABLE },
	  "POST /users/a-ada/manage/lifecycle/enable|Bearer k3y|application/json|{}" },
	{ { .op = STEP_REMOVE_GROUP, DIRECTORY_1, .group = "g-jira" },
	  "DELETE /admin/v2/orgs/o-1/directories/d-1/groups/g-jira/memberships/a-ada|Bearer "
	  "k3y||" },
	{ { .op = STEP_ADD_GROUP, DIRECTORY_1, .group = "g-jira" },
	  "POST /admin/v2/orgs/o-1/directories/d-1/groups/g-jira/memberships|Bearer k3y|"
	  "application/json|{\"accountId\":\"a-ada\"}" },
	{ { .op = STEP_REVOKE_ROLE, .role = "atlassian/user", .resource = JIRA },
	  "POST /admin/v1/orgs/o-1/users/a-ada/roles/revoke|Bearer k3y|application/json|"
	  "{\"role\":\"atlassian/user\",\"resource\":\"" JIRA "\"}" },
	{ { .op = STEP_ASSIGN_ROLE, .role = "atlassian/user", .resource = JIRA },
	  "POST /admin/v1/orgs/o-1/users/a-ada/roles/assign|Bearer k3y|application/json|"
	  "{\"role\":\"atlassian/user\",\"resource\":\"" JIRA "\"}" },
	{ { .op = STEP_REVOKE_TOKEN },
	  "DELETE /users/a-ada/manage/api-tokens/t-0|Bearer k3y||" },
};

static void test_each_step_is_its_call(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		begin();
		fake.o.message = (char *)(uintptr_t) "Bye \"now\"";
		world.tokens = 1;
		assert_ok(atl_act(fake.client, STR("a-ada"), &steps[i].step, true, &err), &err);
		if (asked(steps[i].request) != 1)
			fail_msg("step %zu: not sent", i);
		fake_stop(&fake);
	}
}

static void test_in_observe_no_step_sends_anything(void **state)
{
	struct err err;

	(void)state;
	begin();
	atl_client_writes(fake.client, false);
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		assert_fault(atl_act(fake.client, STR("a-ada"), &steps[i].step, true, &err),
			     ERR_REFUSED, &err, "organisation acme is in mode observe");
	assert_int_equal(scripted_asked(&fake.srv), 0);
	fake_stop(&fake);
}

static void test_a_step_that_lacks_its_object_is_not_sent(void **state)
{
	static const struct action_step bad[] = {
		{ .op = STEP_SUSPEND },
		{ .op = STEP_SUSPEND, .directory = "" },
		{ .op = STEP_REMOVE_GROUP, DIRECTORY_1 },
		{ .op = STEP_REMOVE_GROUP, .group = "g" },
		{ .op = STEP_REVOKE_ROLE, .resource = JIRA },
		{ .op = STEP_NOTIFY },
		{ .op = STEP_OP_COUNT },
	};
	enum atl_verified ret;
	struct err err;

	(void)state;
	begin();
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_fault(atl_act(fake.client, STR("a-ada"), &bad[i], false, &err),
			     ERR_INTERNAL, &err, NULL);
		assert_fault(atl_verify(fake.client, STR("a-ada"), &bad[i], &ret, &err),
			     ERR_INTERNAL, &err, NULL);
	}
	assert_fault(atl_act(fake.client, STR(""), &steps[0].step, false, &err), ERR_INTERNAL,
		     &err, "account");
	assert_int_equal(scripted_asked(&fake.srv), 0);
	fake_stop(&fake);
}

static void test_all_tokens_go_also_those_made_meanwhile(void **state)
{
	static const struct action_step step = { .op = STEP_REVOKE_TOKEN };
	struct err err;

	(void)state;
	begin();
	world.tokens = 3;
	world.new_tokens = 2;
	assert_ok(atl_act(fake.client, STR("a-ada"), &step, true, &err), &err);
	assert_int_equal(world.tokens, 0);
	assert_int_equal(asked("DELETE"), 5);
	assert_int_equal(asked("api-tokens|"), (int)(scripted_asked(&fake.srv) - 5));
	fake_stop(&fake);
	begin();
	world.tokens = 1;
	world.new_tokens = 1000; /* somebody is faster than we are */
	assert_fault(atl_act(fake.client, STR("a-ada"), &step, true, &err), ERR_REMOTE, &err,
		     "still has API tokens");
	fake_stop(&fake);
}

static const struct {
	struct action_step step;
	struct world world;
	int r;
	const char *says;
} refusals[] = {
	/* an external directory owns the account: nothing is tried */
	{ { .op = STEP_DISABLE },
	  { .privileges = "{'lifecycle.enablement':{'allowed':false,'reason':{'key':"
			  "'externalDirectory.scim'}}}",
	    .manage_status = 200 },
	  ATL_IMPOSSIBLE,
	  "identity provider owns the account" },
	{ { .op = STEP_ENABLE },
	  { .privileges = "{'lifecycle.enablement':{'allowed':false,'reason':{'key':"
			  "'blocked.exportControl'}}}",
	    .manage_status = 200 },
	  ATL_IMPOSSIBLE,
	  "export control" },
	{ { .op = STEP_DISABLE },
	  { .privileges = "{'key':'forbidden'}", .manage_status = 403 },
	  ATL_IMPOSSIBLE,
	  "not managed, or the API key was made with scopes" },
	{ { .op = STEP_DISABLE },
	  { .privileges = "{}", .manage_status = 200 },
	  -ERR_PROTOCOL,
	  "does not say" },
	{ { .op = STEP_DISABLE },
	  { .privileges = "{}", .manage_status = 500 },
	  -ERR_UNAVAILABLE,
	  "500" },
	{ { .op = STEP_DISABLE },
	  { .privileges = allowed, .manage_status = 200, .write_status = 409 },
	  ATL_IMPOSSIBLE,
	  "409" },
	{ { .op = STEP_DISABLE },
	  { .privileges = allowed,
	    .manage_status = 200,
	    .write_status = 403,
	    .write_body = "{'key':'forbidden.action','context':{'reason':{'key':'x'}}}" },
	  ATL_IMPOSSIBLE,
	  "forbidden.action" },
	/* a synced group */
	{ { .op = STEP_REMOVE_GROUP, DIRECTORY_1, .group = "g-wiki" },
	  { .write_status = 403,
	    .write_body = "{'errors':[{'code':'ADMIN-403-5','title':'synced'}]}" },
	  ATL_IMPOSSIBLE,
	  "synced" },
	/* our key: somebody must do something, and then it may go */
	{ { .op = STEP_REMOVE_GROUP, DIRECTORY_1, .group = "g-jira" },
	  { .write_status = 403,
	    .write_body = "{'errors':[{'code':'ADMIN-403-3','title':'not you'}]}" },
	  -ERR_FORBIDDEN,
	  "not you" },
	{ { .op = STEP_SUSPEND, DIRECTORY_1 },
	  { .write_status = 401 },
	  -ERR_UNAUTHORIZED,
	  "401" },
	{ { .op = STEP_SUSPEND, DIRECTORY_1 }, { .write_status = 404 }, -ERR_NOT_FOUND, "404" },
	/* no licence left to give back */
	{ { .op = STEP_RESTORE, DIRECTORY_1 },
	  { .write_status = 400,
	    .write_body = "{'errors':[{'code':'ADMIN-400-32','title':'breach'}]}" },
	  ATL_IMPOSSIBLE,
	  "breach" },
	{ { .op = STEP_ADD_GROUP, DIRECTORY_1, .group = "g-jira" },
	  { .write_status = 409,
	    .write_body = "{'errors':[{'code':'ADMIN-409-3','title':'limit'}]}" },
	  ATL_IMPOSSIBLE,
	  "limit" },
	{ { .op = STEP_ADD_GROUP, DIRECTORY_1, .group = "g-jira" },
	  { .write_status = 409,
	    .write_body = "{'errors':[{'code':'ADMIN-409-28','title':'already there'}]}" },
	  0,
	  NULL },
	{ { .op = STEP_ASSIGN_ROLE, .role = "atlassian/user", .resource = "r" },
	  { .write_status = 409,
	    .write_body = "{'errors':[{'code':'ADMIN-UAM-409-3','title':'limit'}]}" },
	  ATL_IMPOSSIBLE,
	  "limit" },
	{ { .op = STEP_ASSIGN_ROLE, .role = "atlassian/user", .resource = "r" },
	  { .write_status = 400,
	    .write_body = "{'errors':[{'code':'ADMIN-UAM-400-2','title':'inactive'}]}" },
	  ATL_IMPOSSIBLE,
	  "inactive" },
};

static void test_refusals_are_told_apart_by_what_they_are_about(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		int r;

		begin();
		world = refusals[i].world;
		if (!world.write_body)
			world.write_body = "";
		r = atl_act(fake.client, STR("a-ada"), &refusals[i].step, false, &err);
		if (r != refusals[i].r)
			fail_msg("row %zu: %d: %s", i, r, err.text);
		if (refusals[i].says && !strstr(err.text, refusals[i].says))
			fail_msg("row %zu: %s", i, err.text);
		if (!world.write_status)
			assert_int_equal(asked("POST"), 0);
		fake_stop(&fake);
	}
}

/* --- verifying ---------------------------------------------------------------------------- */

static const struct {
	struct action_step step;
	const char *account;
	enum atl_verified is;
} truths[] = {
	{ { .op = STEP_SUSPEND, DIRECTORY_1 }, "a-eve", ATL_VERIFY_DONE },
	{ { .op = STEP_SUSPEND, DIRECTORY_1 }, "a-ada", ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_RESTORE, DIRECTORY_1 }, "a-eve", ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_RESTORE, DIRECTORY_1 }, "a-ada", ATL_VERIFY_DONE },
	{ { .op = STEP_DISABLE }, "a-fay", ATL_VERIFY_DONE },
	{ { .op = STEP_DISABLE }, "a-ada", ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_ENABLE }, "a-fay", ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_ENABLE }, "a-ada", ATL_VERIFY_DONE },
	{ { .op = STEP_REMOVE_GROUP, DIRECTORY_1, .group = "g-jira" },
	  "a-ada",
	  ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_REMOVE_GROUP, DIRECTORY_1, .group = "g-jira" },
	  "a-fay",
	  ATL_VERIFY_DONE },
	{ { .op = STEP_ADD_GROUP, DIRECTORY_1, .group = "g-jira" }, "a-ada", ATL_VERIFY_DONE },
	{ { .op = STEP_ADD_GROUP, DIRECTORY_1, .group = "g-jira" },
	  "a-fay",
	  ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_REVOKE_ROLE, .role = "atlassian/user", .resource = WIKI },
	  "a-cyd",
	  ATL_VERIFY_NOT_DONE },
	/* by a group it is there still, but the role itself is gone */
	{ { .op = STEP_REVOKE_ROLE, .role = "atlassian/user", .resource = JIRA },
	  "a-ada",
	  ATL_VERIFY_DONE },
	{ { .op = STEP_ASSIGN_ROLE, .role = "atlassian/user", .resource = WIKI },
	  "a-cyd",
	  ATL_VERIFY_DONE },
	{ { .op = STEP_ASSIGN_ROLE, .role = "atlassian/user", .resource = JIRA },
	  "a-ada",
	  ATL_VERIFY_NOT_DONE },
	{ { .op = STEP_REVOKE_TOKEN }, "a-ada", ATL_VERIFY_DONE },
};

static void test_what_was_done_is_told_by_reading_again(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(truths); i++) {
		enum atl_verified is = ATL_VERIFY_UNKNOWN;

		begin();
		atl_client_writes(fake.client, false); /* asking is always allowed */
		assert_ok(atl_client_directories_are(fake.client, 1, STR("d-1"), &err), &err);
		assert_ok(atl_verify(fake.client, str_of(truths[i].account), &truths[i].step,
				     &is, &err),
			  &err);
		if (is != truths[i].is)
			fail_msg("row %zu: %d", i, is);
		fake_stop(&fake);
	}
}

static void test_with_several_directories_each_tells_of_itself(void **state)
{
	static const struct action_step here = { .op = STEP_SUSPEND, DIRECTORY_1 };
	static const struct action_step there = { .op = STEP_SUSPEND, .directory = "d-0" };
	enum atl_verified is;
	struct err err;

	(void)state;
	begin();
	world.two_directories = true;
	assert_ok(atl_verify(fake.client, STR("a-ada"), &here, &is, &err), &err);
	assert_int_equal(is, ATL_VERIFY_NOT_DONE);
	assert_ok(atl_verify(fake.client, STR("a-ada"), &there, &is, &err), &err);
	assert_int_equal(is, ATL_VERIFY_UNKNOWN); /* no row speaks of that directory */
	fake_stop(&fake);
}

static void test_a_verification_that_cannot_be_made_is_no_answer(void **state)
{
	static const struct action_step tokens = { .op = STEP_REVOKE_TOKEN };
	static const struct action_step suspend = { .op = STEP_SUSPEND, DIRECTORY_1 };
	enum atl_verified is;
	struct err err;

	(void)state;
	begin();
	world.wrong_at = 1;
	world.wrong_status = 500;
	assert_fault(atl_verify(fake.client, STR("a-ada"), &tokens, &is, &err), ERR_UNAVAILABLE,
		     &err, NULL);
	assert_int_equal(atl_verify(fake.client, STR("a-nobody"), &suspend, &is, &err),
			 ATL_GONE);
	fake_stop(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_account_is_read_with_the_ways_to_its_seats),
		cmocka_unit_test(test_direct_and_inferred_roles_are_told_apart),
		cmocka_unit_test(test_who_is_not_there_is_gone_and_who_is_suspended_says_so),
		cmocka_unit_test(test_a_page_without_the_account_does_not_make_it_gone),
		cmocka_unit_test(test_why_an_account_may_not_be_deactivated_is_told),
		cmocka_unit_test(test_a_reading_that_was_cut_short_is_a_fault),
		cmocka_unit_test(test_reading_survives_each_lost_allocation),
		cmocka_unit_test(test_each_step_is_its_call),
		cmocka_unit_test(test_in_observe_no_step_sends_anything),
		cmocka_unit_test(test_a_step_that_lacks_its_object_is_not_sent),
		cmocka_unit_test(test_all_tokens_go_also_those_made_meanwhile),
		cmocka_unit_test(test_refusals_are_told_apart_by_what_they_are_about),
		cmocka_unit_test(test_what_was_done_is_told_by_reading_again),
		cmocka_unit_test(test_with_several_directories_each_tells_of_itself),
		cmocka_unit_test(test_a_verification_that_cannot_be_made_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
