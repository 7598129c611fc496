/* Audit events: what is read of each, and how the stream goes on, ends, and is lost. */
#include "tests/unit/fake_org.h"

#include "atlassian/events.h"

static struct fake fake;

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

#define AT "'time':'2026-11-22T10:00:00Z','processedAt':'2026-11-22T10:00:05.5Z'"

static void test_of_an_event_who_when_and_under_which_key_is_read(void **state)
{
	static const struct {
		const char *json, *actor, *token;
		bool fine, key;
	} rows[] = {
		{ "{'id':'e','attributes':{" AT
		  ",'action':'x','actor':{'id':'a','auth':{'authType':"
		  "'container-token','tokenId':'k'}},'context':[]}}",
		  "a", "k", true, true },
		{ "{'id':'e','attributes':{" AT
		  ",'action':'x','actor':{'id':'app','onBehalfOf':{'id':"
		  "'ari:cloud:identity::user/"
		  "b'},'auth':{'authType':'api-token','tokenId':'t'}}}}",
		  "b", "t", true, false },
		{ "{'id':'e','attributes':{" AT ",'action':'x','actor':{'id':7}}}", "", "",
		  true, false },
		{ "{'id':'e','attributes':{'time':'soon','action':'x'}}", "", "", false,
		  false },
		{ "{'id':'','attributes':{" AT ",'action':'x'}}", "", "", false, false },
		{ "{'id':'e','attributes':{" AT "}}", "", "", false, false },
		{ "[]", "", "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(json_decref_at) json_t *j = json_of(rows[i].json);
		struct atl_event e;
		char why[100] = "";
		bool fine = atl_event_read(j, &e, why, sizeof(why));

		if (fine != rows[i].fine || fine == (why[0] != '\0'))
			fail_msg("row %zu: %d \"%s\"", i, fine, why);
		if (!fine)
			continue;
		if (!str_eq(e.actor, str_of(rows[i].actor)) ||
		    !str_eq(e.token, str_of(rows[i].token)) || e.org_key != rows[i].key)
			fail_msg("row %zu", i);
		assert_true(e.at_ms == FAKE_NOW && e.processed_ms == FAKE_NOW + 5500);
	}
}

static void test_only_words_of_change_make_an_action_one(void **state)
{
	static const struct {
		const char *action;
		bool change;
	} rows[] = {
		{ "user_added_to_group", true },
		{ "managed-account-deactivated", true },
		{ "USER_GRANTED_ROLE", true },
		{ "user_login", false },
		{ "confluence_page_viewed", false },
		{ "readded", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (atl_event_is_change(str_of(rows[i].action)) != rows[i].change)
			fail_msg("%s", rows[i].action);
}

/* Answers by what was asked; ctx: an answer for everything, with its status before it. */
static void answer(struct scripted *s, unsigned nth, struct http_req *req,
		   struct http_reply *reply)
{
	const char *fixed = s->ctx;
	struct str query = http_req_query_raw(req);

	(void)nth;
	if (fixed) {
		reply->status = (int)strtol(fixed, NULL, 10);
		fake_add(&reply->body, fixed + 4);
	} else if (fake_has(query, "cursor=c%2F1")) {
		fake_add(&reply->body, "{'data':[],'meta':{'next':'c/1'},'links':{}}");
	} else {
		fake_add(&reply->body,
			 "{'data':[{'id':'e'}],'meta':{'next':'c/1','page_size':500},"
			 "'links':{'next':'http://elsewhere/'}}");
	}
}

static void test_the_stream_goes_on_by_its_cursor_and_ends_where_nothing_new_is(void **state)
{
	CLEANUP(atl_events_page_done) struct atl_events_page one = { 0 };
	CLEANUP(atl_events_page_done) struct atl_events_page two = { 0 };
	struct err err;

	(void)state;
	fake_start(&fake, answer, NULL);
	assert_ok(atl_events_read(fake.client, (struct str){ 0 }, FAKE_NOW, &one, &err), &err);
	assert_int_equal(json_array_size(one.rows), 1);
	assert_true(str_eq(one.next, STR("c/1")));
	assert_false(one.end);
	assert_ok(atl_events_read(fake.client, one.next, 0, &two, &err), &err);
	assert_true(two.end);
	assert_non_null(strstr(scripted_request(&fake.srv, 1),
			       "/events-stream?from=1795341600000&limit=500&sortOrder=asc|"));
	assert_non_null(strstr(scripted_request(&fake.srv, 2), "/events-stream?cursor=c%2F1|"));
	fake_stop(&fake);
}

static void test_a_cursor_that_is_refused_is_lost_and_all_else_a_fault(void **state)
{
	static const struct {
		const char *answer;
		bool cursor;
		int r;
	} rows[] = {
		{ "400 {'errors':[{'code':'ADMIN-400-1'}]}", true, ATL_EVENTS_LOST },
		{ "410 {}", true, ATL_EVENTS_LOST },
		{ "400 {}", false, -ERR_REMOTE },
		{ "403 {}", true, -ERR_FORBIDDEN },
		{ "503 {}", true, -ERR_UNAVAILABLE },
		{ "200 {'data':7}", true, -ERR_INCOMPLETE },
		{ "200 {'data':[{}],'meta':{'next':'c'}}", true,
		  -ERR_INCOMPLETE }, /* a circle */
		{ "200 {'data':[],'meta':{}}", true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(atl_events_page_done) struct atl_events_page page = { 0 };
		struct err err;
		int r;

		fake_start(&fake, answer, (void *)(uintptr_t)rows[i].answer);
		r = atl_events_read(fake.client, rows[i].cursor ? STR("c") : (struct str){ 0 },
				    0, &page, &err);
		if (r != rows[i].r)
			fail_msg("row %zu: %d", i, r);
		if (r == 0)
			assert_true(page.end && !page.next.len);
		fake_stop(&fake);
	}
}

static void test_reading_events_survives_each_lost_allocation(void **state)
{
	bool fired = true;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	fake_start(&fake, answer, NULL);
	for (long n = 1; fired; n++) {
		CLEANUP(atl_events_page_done) struct atl_events_page page = { 0 };
		struct err err;
		int r;

		fault_at(n);
		r = atl_events_read(fake.client, (struct str){ 0 }, 0, &page, &err);
		fired = fault_fired();
		fault_at(0);
		if (fired && r != -ERR_NOMEM)
			fail_msg("%ld: %d %s", n, r, err.text);
		if (r == 0)
			assert_int_equal(json_array_size(page.rows), 1);
	}
	fake_stop(&fake);
	jx_memory(malloc, free);
}

/* Every step of ours but what no key of the organisation does has a name that fits it, and none
 * that fits what undoes it. */
static void test_the_name_of_an_event_says_of_which_step_it_may_be(void **state)
{
	static const struct {
		const char *action;
		enum step_op op;
	} rows[] = {
		{ "user_suspended", STEP_SUSPEND },
		{ "user_restored", STEP_RESTORE },
		{ "managed_account_deactivated", STEP_DISABLE },
		{ "managed_account_reactivated", STEP_ENABLE },
		{ "user_removed_from_group", STEP_REMOVE_GROUP },
		{ "user_added_to_group", STEP_ADD_GROUP },
		{ "user_revoked_role", STEP_REVOKE_ROLE },
		{ "user_granted_role", STEP_ASSIGN_ROLE },
		{ "api_token_revoked", STEP_REVOKE_TOKEN },
		{ "managed_account_deletion_started", STEP_DELETE },
		{ "managed_account_deletion_cancelled", STEP_CANCEL_DELETE },
		{ "user_email_changed", STEP_SET_EMAIL },
		{ "user_profile_updated", STEP_SET_NAME },
		{ "group_created", STEP_MAKE_GROUP },
		{ "group_deleted", STEP_DROP_GROUP },
		/* as Atlassian's "Audit log activities database" shows them to people */
		{ "Deactivated account", STEP_DISABLE },
		{ "Reactivated account", STEP_ENABLE },
		{ "Changed email address", STEP_SET_EMAIL },
		{ "Scheduled deletion of account", STEP_DELETE },
		{ "Deleted account permanently", STEP_DELETE },
		{ "Canceled deletion of account", STEP_CANCEL_DELETE },
	};
	static const enum step_op org_steps[] = {
		STEP_SUSPEND,      STEP_RESTORE,    STEP_DISABLE,       STEP_ENABLE,
		STEP_REMOVE_GROUP, STEP_ADD_GROUP,  STEP_REVOKE_ROLE,   STEP_ASSIGN_ROLE,
		STEP_REVOKE_TOKEN, STEP_DELETE,     STEP_CANCEL_DELETE, STEP_SET_EMAIL,
		STEP_SET_NAME,     STEP_MAKE_GROUP, STEP_DROP_GROUP,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < COUNT_OF(org_steps); k++)
			if (atl_event_is_of(str_of(rows[i].action), org_steps[k]) !=
			    (org_steps[k] == rows[i].op))
				fail_msg("%s and %s", rows[i].action,
					 step_ops[org_steps[k]].word);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_true(atl_event_is_known(str_of(rows[i].action)) &&
			    atl_event_is_change(str_of(rows[i].action)));
	assert_false(atl_event_is_known(STR("Logged out of account")));
	assert_false(atl_event_is_known(STR("sandbox_cloned")));
	assert_false(atl_event_is_of(STR("user_login"), STEP_SUSPEND));
	assert_false(atl_event_is_of(STR(""), STEP_SUSPEND));
	assert_false(atl_event_is_of(STR("user_suspended"), STEP_OP_COUNT));
	for (int op = 0; op < STEP_OP_COUNT; op++)
		if (step_gifts[op] || op == STEP_NOTIFY) /* not under such a key */
			for (size_t i = 0; i < COUNT_OF(rows); i++)
				assert_false(atl_event_is_of(str_of(rows[i].action),
							     (enum step_op)op));
}

static void test_a_group_is_told_by_its_type_or_its_ari(void **state)
{
	static const struct {
		const char *json;
		bool group;
	} rows[] = {
		{ "{'id':'g','type':'groups'}", true },
		{ "{'id':'g','type':'Group'}", true },
		{ "{'id':'ari:cloud:identity::group/g'}", true },
		{ "{'id':'ari:cloud:identity::user/g'}", false },
		{ "{'id':'a-group','type':'users'}", false },
		{ "{}", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(json_decref_at) json_t *j = json_of(rows[i].json);

		if (atl_event_about_group(j) != rows[i].group)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_an_event_who_when_and_under_which_key_is_read),
		cmocka_unit_test(test_the_name_of_an_event_says_of_which_step_it_may_be),
		cmocka_unit_test(test_a_group_is_told_by_its_type_or_its_ari),
		cmocka_unit_test(test_only_words_of_change_make_an_action_one),
		cmocka_unit_test(
			test_the_stream_goes_on_by_its_cursor_and_ends_where_nothing_new_is),
		cmocka_unit_test(test_a_cursor_that_is_refused_is_lost_and_all_else_a_fault),
		cmocka_unit_test(test_reading_events_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
