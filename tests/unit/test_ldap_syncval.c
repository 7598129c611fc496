#include "tests/lib/test.h"

#include "ldap/groups.h"
#include "ldap/syncval.h"

#define ID "0123456789abcdef"
#define S(text) str_n(text, sizeof(text) - 1)

static void test_a_sync_state_has_state_id_and_perhaps_a_cookie(void **state)
{
	struct sync_state_value v;

	(void)state;
	assert_true(sync_state_read(S("\x30\x15\x0a\x01\x01\x04\x10" ID), &v));
	assert_int_equal(v.state, SYNC_ADD);
	assert_true(str_eq(v.id, STR(ID)));
	assert_null(v.cookie.p);
	assert_true(sync_state_read(S("\x30\x19\x0a\x01\x03\x04\x10" ID "\x04\x02x=\x01"),
				    &v) == false); /* a tail that is no element */
	assert_true(sync_state_read(S("\x30\x19\x0a\x01\x03\x04\x10" ID "\x04\x02x="), &v));
	assert_int_equal(v.state, SYNC_DELETE);
	assert_true(str_eq(v.cookie, STR("x=")));
}

static void test_broken_states_are_refused(void **state)
{
	static const struct {
		const char *p;
		size_t len;
	} bad[] = {
#define BAD(text) { text, sizeof(text) - 1 }
		BAD(""),
		BAD("\x30"),
		BAD("\x30\x80\x0a\x01\x01\x04\x10" ID "\x00\x00"), /* indefinite length */
		BAD("\x30\x15\x0a\x01\x04\x04\x10" ID),            /* no such state */
		BAD("\x30\x15\x0a\x01\xff\x04\x10" ID),            /* below zero */
		BAD("\x30\x14\x0a\x01\x01\x04\x0f"
		    "0123456789abcde"),
		BAD("\x30\x16\x0a\x01\x01\x04\x10" ID), /* longer than what is there */
		BAD("\x30\x15\x0a\x01\x01\x04\x11" ID), /* the inner one, too */
		BAD("\x30\x84\xff\xff\xff\xff\x0a\x01\x01"),
		BAD("\x30\x85\x00\x00\x00\x00\x15\x0a\x01\x01\x04\x10" ID),
		BAD("\x1f\x15\x0a\x01\x01\x04\x10" ID),
#undef BAD
	};
	struct sync_state_value v;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (sync_state_read(str_n(bad[i].p, bad[i].len), &v))
			fail_msg("row %zu was taken", i);
}

static void test_refresh_deletes_is_false_unless_it_is_said(void **state)
{
	struct sync_done_value v;

	(void)state;
	assert_true(sync_done_read(S("\x30\x00"), &v));
	assert_false(v.deletes);
	assert_null(v.cookie.p);
	assert_true(sync_done_read(S("\x30\x03\x01\x01\xff"), &v));
	assert_true(v.deletes); /* 0xFF, not 1: never compared with 1 */
	assert_true(sync_done_read(S("\x30\x08\x04\x03"
				     "csn\x01\x01\x00"),
				   &v));
	assert_false(v.deletes);
	assert_true(str_eq(v.cookie, STR("csn")));
	/* trap 9: an empty cookie is there, and is no cookie */
	assert_true(sync_done_read(S("\x30\x05\x04\x00\x01\x01\xff"), &v));
	assert_non_null(v.cookie.p);
	assert_int_equal(v.cookie.len, 0);
	assert_false(sync_done_read(S("\x30\x06\x01\x01\xff\x01\x01\xff"), &v));
}

static void test_an_info_is_one_of_four(void **state)
{
	struct sync_info_value v;
	struct str id;

	(void)state;
	assert_true(sync_info_read(S("\x80\x03"
				     "csn"),
				   &v));
	assert_int_equal(v.kind, SYNC_NEW_COOKIE);
	assert_true(str_eq(v.cookie, STR("csn")));
	assert_true(sync_info_read(S("\xa1\x00"), &v));
	assert_int_equal(v.kind, SYNC_REFRESH_DELETE);
	assert_true(v.flag);
	assert_true(sync_info_read(S("\xa2\x03\x01\x01\x00"), &v));
	assert_int_equal(v.kind, SYNC_REFRESH_PRESENT);
	assert_false(v.flag);
	assert_true(sync_info_read(S("\xa3\x17\x01\x01\xff\x31\x12\x04\x10" ID), &v));
	assert_int_equal(v.kind, SYNC_ID_SET);
	assert_true(v.flag);
	assert_true(sync_id_next(&v.ids, &id));
	assert_true(str_eq(id, STR(ID)));
	assert_false(sync_id_next(&v.ids, &id));
	/* present by default */
	assert_true(sync_info_read(S("\xa3\x02\x31\x00"), &v));
	assert_false(v.flag);
	assert_false(sync_info_read(S("\xa3\x13\x31\x11\x04\x0f"
				      "0123456789abcde"),
				    &v));
	assert_false(sync_info_read(S("\xa4\x00"), &v));
	assert_false(sync_info_read(S("\xa0\x00"), &v));
}

static void test_requests_are_what_the_reader_expects_back(void **state)
{
	CLEANUP(buf_done) struct buf b;
	char cookie[300];
	struct dirsync_value v;

	(void)state;
	buf_init(&b, 4096);
	sync_request_write((struct str){ 0 }, &b);
	assert_true(str_eq(buf_str(&b), S("\x30\x03\x0a\x01\x01")));
	buf_clear(&b);
	sync_request_write(STR("csn"), &b);
	assert_true(str_eq(buf_str(&b), S("\x30\x08\x0a\x01\x01\x04\x03"
					  "csn")));
	buf_clear(&b);
	sync_persist_write(STR("csn"), &b);
	assert_true(str_eq(buf_str(&b), S("\x30\x08\x0a\x01\x03\x04\x03"
					  "csn")));
	memset(cookie, 'c', sizeof(cookie));
	buf_clear(&b);
	dirsync_write(1, STR("x"), &b);
	assert_true(str_eq(buf_str(&b), S("\x30\x09\x02\x01\x01\x02\x01\x00\x04\x01x")));
	buf_clear(&b);
	dirsync_write(0x80000001, str_n(cookie, sizeof(cookie)), &b);
	assert_true(dirsync_read(buf_str(&b), &v)); /* flags and more share their place */
	assert_true(v.more);
	assert_true(str_eq(v.cookie, str_n(cookie, sizeof(cookie))));
	assert_false(dirsync_read(str_n(b.p, b.len - 1), &v));
	assert_true(dirsync_read(S("\x30\x09\x02\x01\x00\x02\x01\x00\x04\x01x"), &v));
	assert_false(v.more);
}

static void test_ranges_are_read_with_their_ends(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t first, last;
	} rows[] = {
		{ "range=0-1499", true, 0, 1499 },
		{ "range=1500-*", true, 1500, UINT64_MAX },
		{ "lang-de;RANGE=0-*", true, 0, UINT64_MAX },
		{ "binary", false, 0, 0 },
		{ "range=", false, 0, 0 },
		{ "range=5", false, 0, 0 },
		{ "range=9-3", false, 0, 0 },
		{ "range=0--1", false, 0, 0 },
		{ "range=0-99999999999999999999", false, 0, 0 },
		{ "", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t first = 0, last = 0;
		bool ok = dir_range_read(str_of(rows[i].text), &first, &last);

		if (ok != rows[i].ok ||
		    (ok && (first != rows[i].first || last != rows[i].last)))
			fail_msg("%s", rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sync_state_has_state_id_and_perhaps_a_cookie),
		cmocka_unit_test(test_broken_states_are_refused),
		cmocka_unit_test(test_refresh_deletes_is_false_unless_it_is_said),
		cmocka_unit_test(test_an_info_is_one_of_four),
		cmocka_unit_test(test_requests_are_what_the_reader_expects_back),
		cmocka_unit_test(test_ranges_are_read_with_their_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
