/* Splicing, projections, members. What the exchanges of test_scim_service show is not repeated.
 */
#include "tests/lib/test.h"

#include "base/jx.h"
#include "scim/codec.h"
#include "scim/fault.h"
#include "scim/members.h"

#define BASE "https://x/scim/v2/idp"

static const struct scim_row user = {
	.type = SCIM_USER,
	.id = STR("u 1"),
	.bytes = STR("{\"schemas\":[\"" SCHEMA_USER "\"],\"id\":\"u 1\",\"userName\":\"a\"}"),
	.version = 18446744073709551615u,
	.created_ms = 1000,
	.modified_ms = 1500,
};

static void test_kept_bytes_are_sent_as_they_are_with_what_is_spliced_in(void **state)
{
	CLEANUP(buf_done) struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 10000);
	assert_ok(codec_send(&out, &user, BASE, STR("{\"value\":\"g\"}"), NULL, &err), &err);
	assert_string_equal(out.p, "{\"schemas\":[\"" SCHEMA_USER
				   "\"],\"id\":\"u 1\",\"userName\":\"a\","
				   "\"groups\":[{\"value\":\"g\"}],\"meta\":{\"resourceType\":"
				   "\"User\",\"created\":\"1970-01-01T00:00:01Z\","
				   "\"lastModified\":\"1970-01-01T00:00:01.500Z\","
				   "\"location\":\"" BASE "/Users/u%201\","
				   "\"version\":\"W/\\\"18446744073709551615."
				   "6d7f4cfe96cb60cf\\\"\"}}");
}

static void test_the_tag_is_the_version_of_meta(void **state)
{
	char tag[SCIM_ETAG_BYTES];

	(void)state;
	codec_etag((struct codec_tag){ 18446744073709551615u, 0 }, tag);
	assert_string_equal(tag, "W/\"18446744073709551615\"");
	codec_etag((struct codec_tag){ 18446744073709551615u, 0xfedcba9876543210 }, tag);
	assert_string_equal(tag, "W/\"18446744073709551615.fedcba9876543210\"");
}

static void test_damaged_bytes_are_not_sent(void **state)
{
	static const char *const damaged[] = { "", "{", "[1]", "{\"id\":\"x\"" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(damaged); i++) {
		CLEANUP(buf_done) struct buf out;
		struct scim_row row = user;

		buf_init(&out, 10000);
		row.bytes = str_of(damaged[i]);
		assert_fault(codec_send(&out, &row, BASE, STR(""), NULL, &err), ERR_DAMAGED,
			     &err, "is not JSON");
	}
}

static void test_hostile_names_stay_inside_their_strings(void **state)
{
	struct scim_member member = { STR("a\"b"), STR("\"},{\"x\":\"\n"), SCIM_USER };
	CLEANUP(buf_done) struct buf out, list;
	CLEANUP(json_decref_at) json_t *j = NULL;
	struct err err;

	(void)state;
	buf_init(&out, 10000);
	buf_init(&list, 10000);
	codec_linked(&out, BASE, SCIM_GROUP, &member);
	codec_linked(&out, BASE, SCIM_GROUP, &member);
	buf_addf(&list, "[%s]", out.p);
	assert_ok(jx_parse(buf_str(&list), JX_STRICT, &j, &err), &err);
	assert_int_equal(json_array_size(j), 2);
	assert_string_equal(jx_get_text(json_array_get(j, 1), "display"), "\"},{\"x\":\"\n");
	assert_string_equal(jx_get_text(json_array_get(j, 1), "$ref"), BASE "/Users/a%22b");
}

static void test_what_is_wanted_of_members_is_known_before_they_are_read(void **state)
{
	static const struct {
		const char *names;
		bool only, wants;
	} rows[] = {
		{ "members", true, true },
		{ "members.value", true, true },
		{ "displayName", true, false },
		{ SCHEMA_GROUP, true, true },
		{ "unknown", true, false },
		{ "members", false, false },
		{ "members.value", false, true },
		{ "displayName", false, true },
		{ SCHEMA_GROUP ":members", false, false },
	};
	struct err err;

	(void)state;
	assert_true(codec_wants(NULL, "members"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(codec_projection_done)
		struct codec_projection p = { .only = rows[i].only, .given = true };

		assert_ok(
			codec_projection_add(&p, str_of(rows[i].names), PATH_SCIM_GROUP, &err),
			&err);
		if (codec_wants(&p, "members") != rows[i].wants)
			fail_msg("%s", rows[i].names);
	}
}

static void test_names_are_folded_to_be_compared(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = json_pack("{s:s}", "userName", " \xc3\x84.B@X ");
	CLEANUP(free_at) char *name = NULL;
	size_t len;
	struct err err;

	(void)state;
	assert_ok(codec_name(doc, SCIM_USER, &name, &len, &err), &err);
	assert_string_equal(name,
			    " \xc3\xa4.b@x "); /* as the store has it: nothing is trimmed */
	assert_int_equal(len, strlen(name));
}

static void test_membership_folds_what_is_said_of_one_id(void **state)
{
	CLEANUP(membership_done) struct membership m = { 0 };
	struct scim_members lists;
	struct err err;

	(void)state;
	assert_int_equal(membership_of(&m, STR("a")), -1);
	assert_ok(membership_wish(&m, STR("a"), true, &err), &err);
	assert_ok(membership_wish(&m, STR("b"), true, &err), &err);
	assert_ok(membership_wish(&m, STR("a"), false, &err), &err);
	assert_int_equal(membership_of(&m, STR("a")), 0);
	assert_ok(membership_lists(&m, &lists, &err), &err);
	assert_true(lists.add_n == 1 && str_eq(lists.add[0], STR("b")));
	assert_true(lists.remove_n == 1 && str_eq(lists.remove[0], STR("a")));
	assert_false(lists.all);
	membership_clear(&m);
	assert_ok(membership_wish(&m, STR("c"), true, &err), &err);
	assert_ok(membership_wish(&m, STR("d"), false, &err), &err);
	assert_ok(membership_lists(&m, &lists, &err), &err);
	assert_true(lists.all && lists.add_n == 1 && lists.remove_n == 0);
}

static void test_ten_thousand_members_are_one_operation(void **state)
{
	CLEANUP(membership_done) struct membership m = { 0 };
	CLEANUP(json_decref_at) json_t *list = json_array();
	struct scim_members lists;
	struct err err;
	char id[20];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "id-%d", i % 10000);
		json_array_append_new(list, json_pack("{s:s}", "value", id));
	}
	assert_ok(membership_take(&m, list, true, STR("own"), &err), &err);
	assert_ok(membership_lists(&m, &lists, &err), &err);
	assert_int_equal(lists.add_n, 10000);
	assert_true(str_eq(lists.add[9999], STR("id-9999")));
}

static void test_error_bodies_are_what_rfc_7644_wants(void **state)
{
	static const struct {
		int code;
		const char *body;
	} rows[] = {
		{ ERR_INVALID_FILTER, "{\"schemas\":[\"" SCIM_ERROR_URN
				      "\"],\"status\":\"400\",\"scimType\":\"invalidFilter\","
				      "\"detail\":\"no \\\"x\\\"\"}" },
		{ ERR_NOT_FOUND, "{\"schemas\":[\"" SCIM_ERROR_URN
				 "\"],\"status\":\"404\",\"detail\":\"no \\\"x\\\"\"}" },
		{ ERR_NOT_SUPPORTED, "{\"schemas\":[\"" SCIM_ERROR_URN
				     "\"],\"status\":\"501\",\"detail\":\"no \\\"x\\\"\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(buf_done) struct buf out;
		struct err err;

		buf_init(&out, 1000);
		err_set(&err, rows[i].code, "no \"x\"");
		scim_fault_body(&out, &err, "r-1");
		assert_string_equal(out.p, rows[i].body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_bytes_are_sent_as_they_are_with_what_is_spliced_in),
		cmocka_unit_test(test_the_tag_is_the_version_of_meta),
		cmocka_unit_test(test_damaged_bytes_are_not_sent),
		cmocka_unit_test(test_hostile_names_stay_inside_their_strings),
		cmocka_unit_test(test_what_is_wanted_of_members_is_known_before_they_are_read),
		cmocka_unit_test(test_names_are_folded_to_be_compared),
		cmocka_unit_test(test_membership_folds_what_is_said_of_one_id),
		cmocka_unit_test(test_ten_thousand_members_are_one_operation),
		cmocka_unit_test(test_error_bodies_are_what_rfc_7644_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
