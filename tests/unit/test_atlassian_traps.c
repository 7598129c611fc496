/* Traps of Atlassian's API that no other test walks into: doc/leaverd-atlassian.7 numbers them.
 */
#include "tests/unit/fake_org.h"

#include "atlassian/act.h"
#include "atlassian/collect.h"
#include "atlassian/org.h"
#include "atlassian/row.h"
#include "atlassian/users.h"

static struct fake fake;

static unsigned asked(const char *part)
{
	unsigned n = 0;

	for (unsigned i = 0; i < scripted_asked(&fake.srv); i++)
		n += strstr(scripted_request(&fake.srv, i + 1), part) != NULL;
	return n;
}

static void answer_well(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	(void)s;
	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
}

/* --- 10: admins look like everybody unless asked for -------------------------------------- */

static void test_accounts_are_never_asked_for_without_their_platform_roles(void **state)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	struct atl_sink none = { 0 };
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_well, NULL);
	assert_ok(atl_collect(fake.client, &none, FAKE_NOW, &result, &err), &err);
	assert_ok(atl_read_account(fake.client, STR("a-dan"), 0, (struct str){ 0 }, false, &now,
				   &err),
		  &err);
	assert_int_equal(now.row.admin, TRI_YES);
	assert_true(asked("/users/search|") >= 4);
	assert_int_equal(asked("/users/search|"), asked("\"platformRoles\""));
	fake_stop(&fake);
}

/* --- 19: activity belongs to an instance -------------------------------------------------- */

static void test_activity_on_another_site_is_no_activity_here(void **state)
{
	CLEANUP(json_decref_at)
	json_t *j = json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "accountId", "a", "productAccess",
			      "id", "ari:cloud:confluence::site/b", "key", "confluence",
			      "lastActiveTimestamp", "2026-11-21T10:00:00Z");
	struct atl_user u;
	char why[100];

	(void)state;
	assert_true(atl_user_read(j, &u, why, sizeof(why)));
	assert_int_equal(atl_user_last(&u, STR("ari:cloud:confluence::site/a")), ATL_ABSENT);
	assert_true(atl_user_last(&u, STR("ari:cloud:confluence::site/b")) > 0);
}

/* --- 9: any 2xx is done ------------------------------------------------------------------- */

static int ok_status;
static const char *ok_body;

static void answer_ok(struct scripted *s, unsigned nth, struct http_req *req,
		      struct http_reply *reply)
{
	(void)s;
	(void)nth;
	(void)req;
	reply->status = ok_status;
	fake_add(&reply->body, ok_body);
}

static void test_a_change_is_accepted_with_any_2xx_and_any_body(void **state)
{
	static const struct {
		int status;
		const char *body;
	} rows[] = {
		{ 200, "{'message':'suspended'}" }, { 200, "" }, { 202, "{}" }, { 204, "" }
	};
	static const struct action_step suspend = { .op = STEP_SUSPEND, .directory = "d-1" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ok_status = rows[i].status;
		ok_body = rows[i].body;
		fake_start(&fake, answer_ok, NULL);
		atl_client_writes(fake.client, true);
		assert_ok(atl_act(fake.client, STR("a-ada"), &suspend, true, &err), &err);
		assert_int_equal(scripted_asked(&fake.srv), 1);
		fake_stop(&fake);
	}
}

/* --- 37: success without effect ----------------------------------------------------------- */

static void answer_yes_and_nothing(struct scripted *s, unsigned nth, struct http_req *req,
				   struct http_reply *reply)
{
	(void)s;
	(void)nth;
	if (str_eq(http_req_path(req), STR("/users/a-ada/manage")))
		fake_add(&reply->body, "{'lifecycle.enablement':{'allowed':true}}");
	else if (str_ends(http_req_path(req), STR("/api-tokens")))
		fake_add(&reply->body, "[{'id':'t-1','label':'l'}]");
	else if (!fake_read(req, reply))
		reply->status = 204;
}

static void test_what_atlassian_accepted_and_did_not_do_is_not_done(void **state)
{
	static const struct action_step steps[] = {
		{ .op = STEP_SUSPEND, .directory = "d-1" },
		{ .op = STEP_DISABLE },
		{ .op = STEP_REMOVE_GROUP, .directory = "d-1", .group = "g-jira" },
		{ .op = STEP_ASSIGN_ROLE, .role = "atlassian/user", .resource = WIKI },
	};
	static const struct action_step tokens = { .op = STEP_REVOKE_TOKEN };
	enum atl_verified is;
	struct err err;

	(void)state;
	fake_start(&fake, answer_yes_and_nothing, NULL);
	atl_client_writes(fake.client, true);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		assert_ok(atl_act(fake.client, STR("a-ada"), &steps[i], true, &err), &err);
		assert_ok(atl_verify(fake.client, STR("a-ada"), &steps[i], &is, &err), &err);
		assert_int_equal(is, ATL_VERIFY_NOT_DONE);
	}
	/* tokens are listed again until none is left: these never go */
	assert_fault(atl_act(fake.client, STR("a-ada"), &tokens, true, &err), ERR_REMOTE, &err,
		     "still has API tokens");
	fake_stop(&fake);
}

/* --- 44: whoever our key belongs to ------------------------------------------------------- */

static unsigned own_seen, others_seen;

static int own_account(void *ctx, const struct atl_account *row, struct err *err)
{
	(void)ctx;
	(void)err;
	if (str_eq(row->id, STR("a-cyd")))
		own_seen += row->own;
	else
		others_seen += row->own;
	return 0;
}

static void test_the_owner_of_the_key_is_ours_without_being_named(void **state)
{
	static const char *const owners[] = { "a-cyd", "A-Cyd@Example.com" };
	struct atl_sink sink = { .account = own_account };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(owners); i++) {
		CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
		struct atl_result result;
		struct err err;

		own_seen = others_seen = 0;
		fake_start(&fake, answer_well, NULL);
		assert_ok(atl_client_owner(fake.client, str_of(owners[i]), &err), &err);
		assert_ok(atl_collect(fake.client, &sink, FAKE_NOW, &result, &err), &err);
		assert_int_equal(own_seen, 1);
		assert_int_equal(others_seen, 0);
		assert_ok(atl_read_account(fake.client, STR("a-cyd"), 0, (struct str){ 0 },
					   false, &now, &err),
			  &err);
		assert_true(now.row.own);
		fake_stop(&fake);
	}
}

/* --- 43: a key that ended ----------------------------------------------------------------- */

static bool both_ended;

static void answer_second_key(struct scripted *s, unsigned nth, struct http_req *req,
			      struct http_reply *reply)
{
	const char *key = http_req_header(req, "Authorization");

	if (!both_ended && key && !strcmp(key, "Bearer sp4re")) {
		answer_well(s, nth, req, reply);
		return;
	}
	reply->status = 401;
	fake_add(&reply->body, "{'code':401,'message':'Unauthorized'}");
}

static int start_with_standby(const char *standby, struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	int r;

	fake_start(&fake, answer_second_key, NULL);
	r = secret_set(&key, standby, strlen(standby), err);
	return r < 0 ? r : atl_client_standby(fake.client, &key, err);
}

static void test_a_refused_key_gives_way_to_its_standby(void **state)
{
	struct atl_sink none = { 0 };
	struct atl_result result;
	char id[80], name[128];
	struct err err;

	(void)state;
	both_ended = false;
	assert_ok(start_with_standby("sp4re", &err), &err);
	assert_false(atl_client_on_standby(fake.client));
	assert_ok(atl_collect(fake.client, &none, FAKE_NOW, &result, &err), &err);
	assert_true(result.complete);
	assert_true(atl_client_on_standby(fake.client));
	/* the first key was tried once */
	assert_int_equal(asked("Bearer k3y"), 1);
	fake_stop(&fake);

	both_ended = true;
	assert_ok(start_with_standby("sp4re", &err), &err);
	assert_fault(atl_org_get(fake.client, id, name, &err), ERR_UNAUTHORIZED, &err, "401");
	assert_int_equal(scripted_asked(&fake.srv), 2);
	assert_fault(atl_org_get(fake.client, id, name, &err), ERR_UNAUTHORIZED, &err, "401");
	assert_int_equal(scripted_asked(&fake.srv), 3);
	fake_stop(&fake);

	assert_fault(start_with_standby("sp4\nre", &err), ERR_SECRET, &err, "line break");
	fake_stop(&fake);
}

static void test_the_body_goes_again_under_the_standby_key(void **state)
{
	static const struct action_step join = { .op = STEP_ADD_GROUP,
						 .directory = "d-1",
						 .group = "g-jira" };
	struct err err;

	(void)state;
	both_ended = true;
	assert_ok(start_with_standby("sp4re", &err), &err);
	atl_client_writes(fake.client, true);
	assert_fault(atl_act(fake.client, STR("a-ada"), &join, true, &err), ERR_UNAUTHORIZED,
		     &err, NULL);
	assert_int_equal(asked("Bearer k3y|application/json|{\"accountId\":\"a-ada\"}"), 1);
	assert_int_equal(asked("Bearer sp4re|application/json|{\"accountId\":\"a-ada\"}"), 1);
	fake_stop(&fake);
}

static void test_asking_under_two_keys_survives_each_lost_allocation(void **state)
{
	char id[80], name[128];
	struct err err;
	int nth = 0;
	bool fired;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	both_ended = false;
	do {
		int r;

		assert_ok(start_with_standby("sp4re", &err), &err);
		fault_at(++nth);
		r = atl_org_get(fake.client, id, name, &err);
		fired = fault_fired();
		if (r != (fired ? -ERR_NOMEM : 0))
			fail_msg("allocation %d: %d", nth, r);
		fake_stop(&fake);
	} while (fired);
	assert_true(nth > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_accounts_are_never_asked_for_without_their_platform_roles),
		cmocka_unit_test(test_activity_on_another_site_is_no_activity_here),
		cmocka_unit_test(test_a_change_is_accepted_with_any_2xx_and_any_body),
		cmocka_unit_test(test_what_atlassian_accepted_and_did_not_do_is_not_done),
		cmocka_unit_test(test_the_owner_of_the_key_is_ours_without_being_named),
		cmocka_unit_test(test_a_refused_key_gives_way_to_its_standby),
		cmocka_unit_test(test_the_body_goes_again_under_the_standby_key),
		cmocka_unit_test(test_asking_under_two_keys_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
