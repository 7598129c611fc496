/* Records of a provisioning directory, looked for: what is no answer is not "there is none". */
#include "tests/unit/fake_org.h"

#include "atlassian/act.h"
#include "atlassian/provision.h"

/* What the directory answers to every question; ' stands for ". */
static const char *said;

static void answer(struct scripted *s, unsigned nth, struct http_req *req,
		   struct http_reply *reply)
{
	(void)s;
	(void)nth;
	(void)req;
	reply->status = 200;
	for (const char *p = said; *p; p++)
		buf_add_char(&reply->body, *p == '\'' ? '"' : *p);
}

static const struct atl_deed joiner = {
	.directory = STR("dir"),
	.external_id = STR("u-1"),
	.wanted = { [PROVISION_USER_NAME] = STR("ada@example.com") },
};

#define ADA                                                                                    \
	"{'id':'s-1','userName':'ada@example.com','externalId':'u-1','active':true,"           \
	"'emails':[{'value':'ada@example.com','primary':true}]}"
#define EVE "{'id':'s-2','userName':'eve@example.com','externalId':'u-2','active':true}"
#define LIST(total, rows) "{'totalResults':" total ",'Resources':[" rows "]}"

static void test_none_is_believed_only_of_a_list_that_says_so(void **state)
{
	static const struct {
		const char *said;
		int r;
		enum provision_state seen;
	} rows[] = {
		{ LIST("0", ""), 0, PROVISION_NONE },
		{ "{'totalResults':0}", 0, PROVISION_NONE },
		{ LIST("1", ADA), 0, PROVISION_WANTED },
		{ "{}", -ERR_PROTOCOL, PROVISION_UNKNOWN },
		{ "{'Resources':[]}", -ERR_PROTOCOL, PROVISION_UNKNOWN },
		{ LIST("1", ""), -ERR_PROTOCOL, PROVISION_UNKNOWN },
		{ "{'totalResults':1,'Resources':{}}", -ERR_PROTOCOL, PROVISION_UNKNOWN },
		/* a directory that does not know the question answers everything */
		{ LIST("1", EVE), -ERR_PROTOCOL, PROVISION_UNKNOWN },
	};
	struct fake f;

	(void)state;
	fake_start(&f, answer, NULL);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum provision_state seen = PROVISION_UNKNOWN;
		struct err err;

		said = rows[i].said;
		assert_int_equal(atl_provision_state(f.client, &joiner, ACTION_PROVISION, NULL,
						     &seen, &err),
				 rows[i].r);
		assert_int_equal(seen, rows[i].seen);
	}
	fake_stop(&f);
}

static void test_an_id_is_not_given_over_one_that_somebody_gave_meanwhile(void **state)
{
	static const struct atl_deed give_id = { .directory = STR("dir"),
						 .record = STR("s-1"),
						 .external_id = STR("u-1") };
	static const struct {
		const char *said;
		enum provision_state seen;
	} rows[] = {
		{ "{'id':'s-1','userName':'ada@example.com'}", PROVISION_PLANNED },
		{ ADA, PROVISION_WANTED },
		{ "{'id':'s-1','userName':'ada@example.com','externalId':'u-9'}",
		  PROVISION_OTHER },
	};
	struct fake f;

	(void)state;
	fake_start(&f, answer, NULL);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum provision_state seen = PROVISION_UNKNOWN;
		struct err err;

		said = rows[i].said;
		assert_ok(atl_provision_state(f.client, &give_id, ACTION_UPDATE_PROFILE, NULL,
					      &seen, &err),
			  &err);
		assert_int_equal(seen, rows[i].seen);
	}
	fake_stop(&f);
}

static void test_who_is_not_seen_yet_joined_nothing(void **state)
{
	static const struct action_step join = { .op = STEP_SCIM_JOIN, .name = "sales" };
	struct fake f;
	struct err err;
	bool done = true;

	(void)state;
	fake_start(&f, answer, NULL);
	said = LIST("0", "");
	assert_ok(atl_provision_verify(f.client, &joiner, &join, &done, &err), &err);
	assert_false(done);
	fake_stop(&f);
}

/* Records, then groups. */
static void directory(struct scripted *s, unsigned nth, struct http_req *req,
		      struct http_reply *reply)
{
	struct str path = http_req_target(req);
	bool groups = memmem(path.p, path.len, "/Groups", 7) != NULL;

	said = groups ? LIST("1", "{'id':'g','displayName':'Staff','members':[{'value':"
				  "'s-1'}]}")
		      : LIST("1", ADA);
	answer(s, nth, req, reply);
}

static int count_user(void *ctx, const struct atl_scim_user *row, struct err *err)
{
	(void)err;
	assert_true(str_eq(row->id, STR("s-1")));
	++*(int *)ctx;
	return 0;
}

static int count_group(void *ctx, const struct atl_scim_group *row, struct err *err)
{
	(void)err;
	assert_int_equal(row->member_count, 1);
	++*(int *)ctx;
	return 0;
}

static void test_reading_a_directory_survives_each_lost_allocation(void **state)
{
	static const struct atl_provision_options options = {
		.directory = (char *)(uintptr_t) "dir",
		.page_size = 100,
	};
	struct fake f;
	bool fired = true;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	fake_start(&f, directory, NULL);
	for (long n = 1; fired; n++) {
		int rows = 0;
		const struct atl_provision_sink sink = { .ctx = &rows,
							 .user = count_user,
							 .group = count_group };
		struct atl_provision_result result = { 0 };
		struct err err = { 0 };
		int r;

		fault_at(n);
		r = atl_provision_read(f.client, &options, &sink, &result, &err);
		fired = fault_fired();
		fault_at(0);
		/* memory that is lost is never taken for a directory that holds less */
		if (fired && (r != -ERR_NOMEM || result.complete))
			fail_msg("%ld: %d %s%s", n, r, r < 0 ? err.text : "", result.why);
		if (!fired && (r != 0 || !result.complete || rows != 2))
			fail_msg("%d, %d rows: %s", r, rows, result.why);
	}
	fake_stop(&f);
	jx_memory(malloc, free);
}

static void test_looking_at_a_record_survives_each_lost_allocation(void **state)
{
	struct fake f;
	bool fired = true;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	fake_start(&f, answer, NULL);
	said = LIST("1", ADA);
	for (long n = 1; fired; n++) {
		enum provision_state seen = PROVISION_UNKNOWN;
		struct err err = { 0 };
		int r;

		fault_at(n);
		r = atl_provision_state(f.client, &joiner, ACTION_PROVISION, NULL, &seen, &err);
		fired = fault_fired();
		fault_at(0);
		if (fired && (r != -ERR_NOMEM || seen != PROVISION_UNKNOWN))
			fail_msg("%ld: %d %s", n, r, err.text);
		if (!fired)
			assert_int_equal(seen, PROVISION_WANTED);
	}
	fake_stop(&f);
	jx_memory(malloc, free);
}

/* There is nobody of that id, and the address is another record's. */
static void taken(struct scripted *s, unsigned nth, struct http_req *req,
		  struct http_reply *reply)
{
	bool post = http_req_method(req) == HTTP_POST;

	said = post ? "{'schemas':['urn:ietf:params:scim:api:messages:2.0:Error'],'status':'"
		      "409',"
		      "'scimType':'uniqueness','detail':'that address is taken'}"
		    : LIST("0", "");
	answer(s, nth, req, reply);
	if (post)
		reply->status = 409;
}

static void test_an_address_that_another_record_has_is_refused_and_not_tried_again(void **state)
{
	static const struct action_step create = { .op = STEP_SCIM_CREATE };
	struct fake f;
	struct err err = { 0 };
	unsigned posts = 0;

	(void)state;
	fake_start(&f, taken, NULL);
	atl_client_writes(f.client, true);
	assert_int_equal(atl_provision_act(f.client, &joiner, &create, false, &err),
			 ATL_IMPOSSIBLE);
	assert_non_null(strstr(err.text, "that address is taken"));
	for (unsigned i = 1; i <= scripted_asked(&f.srv); i++)
		posts += strncmp(scripted_request(&f.srv, i), "POST ", 5) == 0;
	assert_int_equal(posts, 1);
	fake_stop(&f);
}

/* Nobody of that id and no such group, until one is made; changes are counted. */
static bool empty;
static _Atomic int changes;

static void obedient(struct scripted *s, unsigned nth, struct http_req *req,
		     struct http_reply *reply)
{
	if (http_req_method(req) == HTTP_GET && empty) {
		said = LIST("0", "");
		answer(s, nth, req, reply);
	} else if (http_req_method(req) == HTTP_GET) {
		directory(s, nth, req, reply);
	} else {
		changes++;
		said = "{'id':'s-1'}";
		answer(s, nth, req, reply);
	}
}

static void
test_each_change_survives_each_lost_allocation_and_is_sent_once_at_most(void **state)
{
	static const struct atl_deed known = {
		.directory = STR("dir"),
		.record = STR("s-1"),
		.external_id = STR("u-1"),
		.wanted = { [PROVISION_USER_NAME] = STR("ada@example.com"),
			    [PROVISION_TITLE] = STR("Engineer") },
	};
	static const struct {
		struct action_step step;
		const struct atl_deed *deed;
		bool empty;
	} rows[] = {
		{ { .op = STEP_SCIM_CREATE }, &joiner, true },
		{ { .op = STEP_SCIM_UPDATE }, &known, false },
		{ { .op = STEP_SCIM_ACTIVATE }, &known, false },
		{ { .op = STEP_SCIM_DEACTIVATE }, &known, false },
		{ { .op = STEP_SCIM_MAKE_GROUP, .name = "Staff" }, &joiner, true },
		{ { .op = STEP_SCIM_JOIN, .name = "Staff" }, &joiner, false },
		{ { .op = STEP_SCIM_JOIN, .name = "Staff", .group = "g" }, &known, false },
		{ { .op = STEP_SCIM_LEAVE, .name = "Staff", .group = "g" }, &known, false },
	};
	struct fake f;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	fake_start(&f, obedient, NULL);
	atl_client_writes(f.client, true);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool fired = true;
		int before = 0;

		empty = rows[i].empty;
		for (long n = 1; fired; n++) {
			struct err err = { 0 };
			int r;

			changes = 0;
			fault_at(n);
			r = atl_provision_act(f.client, rows[i].deed, &rows[i].step, false,
					      &err);
			fired = fault_fired();
			fault_at(0);
			before += fired && !changes;
			/* memory that is lost is neither a refusal for good nor a change made
			 */
			if (changes > 1 || (fired && r != -ERR_NOMEM))
				fail_msg("row %zu, %ld: %d, %d sent: %s", i, n, r, changes,
					 r < 0 ? err.text : "");
			if (!fired && (r != 0 || changes != 1))
				fail_msg("row %zu: %d, %d sent: %s", i, r, changes,
					 r < 0 ? err.text : "");
		}
		assert_true(before > 3);
	}
	fake_stop(&f);
	jx_memory(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_is_believed_only_of_a_list_that_says_so),
		cmocka_unit_test(test_an_id_is_not_given_over_one_that_somebody_gave_meanwhile),
		cmocka_unit_test(test_who_is_not_seen_yet_joined_nothing),
		cmocka_unit_test(
			test_an_address_that_another_record_has_is_refused_and_not_tried_again),
		cmocka_unit_test(test_reading_a_directory_survives_each_lost_allocation),
		cmocka_unit_test(test_looking_at_a_record_survives_each_lost_allocation),
		cmocka_unit_test(
			test_each_change_survives_each_lost_allocation_and_is_sent_once_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
