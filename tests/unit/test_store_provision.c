/* What a provisioning directory holds: rows of a read, what only its end removes, what was seen
 * beside it. */
#include "tests/lib/store_world.h"

#include "store/provision.h"

#define ORG 1

static struct scim_user_row user(const char *id, const char *name)
{
	struct scim_user_row row = { .scim_id = str_of(id),
				     .external_id = STR("u"),
				     .account_id = STR("a"),
				     .active = TRI_YES };

	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		row.attrs[i] = STR("");
	row.attrs[PROVISION_USER_NAME] = str_of(name);
	return row;
}

/* One read: users "a", "b", "c" by their letters, and one group of all that are named. */
static int read_all(struct db *db, struct provision_run *run, const char *directory,
		    const char *users, const char *members, const char *reason, struct err *err)
{
	static const struct scim_group_row group = { .scim_id = STR("g"),
						     .name = STR("Staff") };
	struct str ids[8];
	size_t n = 0;
	int r = provision_begin(db, ORG, directory, run, err);

	for (const char *p = users; r == 0 && *p; p++) {
		char id[2] = { *p, '\0' };
		struct scim_user_row row = user(id, id);

		r = provision_put_user(db, run, &row, err);
	}
	for (const char *p = members; p && *p && n < COUNT_OF(ids); p++)
		ids[n++] = str_n(p, 1);
	if (r == 0 && members)
		r = provision_put_group(db, run, &group, ids, n, err);
	return r == 0 ? provision_end(db, run, directory, reason, NOW, err) : r;
}

static int64_t reads(struct world *w, const char *directory, const char *users,
		     const char *members, const char *reason)
{
	struct provision_run run = { 0 };
	struct err err = { 0 };
	int64_t changed;

	WRITE(w, read_all(db, &run, directory, users, members, reason, &err));
	changed = run.changed;
	provision_run_done(&run);
	return changed;
}

static int user_note(void *ctx, const struct scim_user_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "=" STR_FMT "%s ", STR_ARG(row->scim_id),
		 STR_ARG(row->attrs[PROVISION_USER_NAME]), row->active == TRI_YES ? "" : "-");
	return 0;
}

static int member_note(void *ctx, int64_t group, int64_t who, int64_t ceased_ms,
		       struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld:%lld", (long long)group, (long long)who);
	if (ceased_ms)
		buf_addf(b, "@%lld", (long long)ceased_ms);
	buf_add_char(b, ' ');
	return 0;
}

static void holds(struct world *w, const char *users, const char *members)
{
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };

	buf_init(&b, 4096);
	READ(w, provision_users(db, ORG, 0, 100, user_note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, users);
	buf_clear(&b);
	READ(w, provision_members(db, ORG, 0, 0, 100, member_note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, members);
}

static void test_only_the_end_of_a_complete_read_removes_what_it_did_not_show(void **state)
{
	struct world w = { 0 };
	CLEANUP(provision_row_done) struct provision_row row = { 0 };
	CLEANUP(provision_row_done) struct provision_row again = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_int_equal(TRY_READ(&w, provision_get(db, ORG, &row, &err)), STORE_NOT_FOUND);
	assert_true(reads(&w, "dir", "abc", "ab", NULL) > 0);
	holds(&w, "a=a b=b c=c ", "1:1 1:2 ");
	/* the same again changes nothing */
	assert_int_equal(reads(&w, "dir", "abc", "ab", NULL), 0);
	/* one that broke off takes nothing away, and says why */
	assert_int_equal(reads(&w, "dir", "a", NULL, "page 2: busy"), 0);
	holds(&w, "a=a b=b c=c ", "1:1 1:2 ");
	READ(&w, provision_get(db, ORG, &row, &err));
	assert_false(row.complete);
	assert_string_equal(row.reason, "page 2: busy");
	assert_int_equal(row.users, 1);
	/* who is gone is gone from groups too; who is no member any more leaves */
	assert_true(reads(&w, "dir", "ac", "c", NULL) > 0);
	holds(&w, "a=a c=c ", "1:3 ");
	READ(&w, provision_get(db, ORG, &again, &err));
	assert_true(again.complete && again.users == 2 && again.groups == 1);
	world_close(&w);
}

static void ceased(struct world *w, const char *who, int64_t at_ms)
{
	struct err err = { 0 };

	WRITE(w, provision_ceased(db, ORG, str_of(who), STR("g"), at_ms, &err));
}

static void test_since_when_a_group_does_not_want_a_member_ends_with_membership(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	assert_true(reads(&w, "dir", "abc", "ab", NULL) > 0);
	ceased(&w, "a", 17);
	holds(&w, "a=a b=b c=c ", "1:1@17 1:2 ");
	/* who was seen before keeps that time; who is no member has none */
	ceased(&w, "a", 18);
	ceased(&w, "c", 18);
	ceased(&w, "nobody", 18);
	/* reads leave it, whole or not */
	assert_int_equal(reads(&w, "dir", "abc", "ab", NULL), 0);
	assert_int_equal(reads(&w, "dir", "a", NULL, "page 2: busy"), 0);
	holds(&w, "a=a b=b c=c ", "1:1@17 1:2 ");
	/* wanted again, and then not: it begins anew */
	ceased(&w, "a", 0);
	holds(&w, "a=a b=b c=c ", "1:1 1:2 ");
	ceased(&w, "a", 19);
	holds(&w, "a=a b=b c=c ", "1:1@19 1:2 ");
	/* out, and in again: somebody put them there since */
	assert_true(reads(&w, "dir", "abc", "b", NULL) > 0);
	assert_true(reads(&w, "dir", "abc", "ab", NULL) > 0);
	holds(&w, "a=a b=b c=c ", "1:1 1:2 ");
	world_close(&w);
}

static void
test_members_of_no_record_are_left_out_and_another_directory_begins_anew(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	(void)reads(&w, "dir", "ab", "axz", NULL);
	holds(&w, "a=a b=b ", "1:1 ");
	(void)reads(&w, "other", "b", NULL, "it broke off");
	holds(&w, "b=b ", "");
	world_close(&w);
}

static void test_what_applying_saw_stands_beside_the_read(void **state)
{
	static const struct scim_group_row fresh = { .scim_id = STR("g-2"),
						     .name = STR("New") };
	struct scim_user_row b = user("b", "renamed"), unknown = user("n", "new");
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	(void)reads(&w, "dir", "ab", "a", NULL);
	b.active = TRI_NO;
	WRITE(&w, provision_seen_user(db, ORG, &b, &err));
	WRITE(&w, provision_seen_user(db, ORG, &unknown, &err));
	WRITE(&w, provision_seen_member(db, ORG, STR("b"), &fresh, true, &err));
	WRITE(&w, provision_seen_member(db, ORG, STR("b"), &fresh, true, &err));
	holds(&w, "a=a b=renamed- n=new ", "1:1 2:2 ");
	WRITE(&w, provision_seen_member(db, ORG, STR("b"), &fresh, false, &err));
	/* of nobody that is known nothing is kept */
	WRITE(&w, provision_seen_member(db, ORG, STR("who"), &fresh, true, &err));
	holds(&w, "a=a b=renamed- n=new ", "1:1 ");
	world_close(&w);
}

/* A read of which any statement fails leaves what was there. */
static void test_each_statement_that_fails_is_told_and_keeps_what_was(void **state)
{
	struct world w = { 0 };
	int nth = 0, r;
	bool fired;

	(void)state;
	world_open(&w);
	(void)reads(&w, "dir", "ab", "a", NULL);
	do {
		struct provision_run run = { 0 };
		struct db *db = NULL;
		struct err err = { 0 };

		driver_sqlite_fault_at(++nth);
		r = store_write_begin(w.store, &db, &err);
		if (r == 0) {
			r = read_all(db, &run, "dir", "bc", "bc", NULL, &err);
			r = store_write_end(db, r, &err);
		}
		fired = driver_sqlite_fault_fired();
		provision_run_done(&run);
		if (r < 0) {
			assert_true(err.text[0] != '\0');
			holds(&w, "a=a b=b ", "1:1 ");
		}
	} while (fired && r < 0);
	assert_int_equal(r, 0);
	assert_true(nth > 10);
	holds(&w, "b=b c=c ", "1:2 1:3 ");
	world_close(&w);
}

static void test_a_read_survives_each_lost_allocation(void **state)
{
	struct world w = { 0 };
	bool fired = true;

	(void)state;
	world_open(&w);
	(void)reads(&w, "dir", "ab", "a", NULL);
	for (long n = 1; fired; n++) {
		struct provision_run run = { 0 };
		struct db *db = NULL;
		struct err err = { 0 };
		int r = store_write_begin(w.store, &db, &err);

		assert_ok(r, &err);
		fault_at(n);
		r = read_all(db, &run, "dir", "bc", "bc", NULL, &err);
		fired = fault_fired();
		fault_at(0);
		provision_run_done(&run);
		r = store_write_end(db, r, &err);
		if (fired && r < 0 && r != -ERR_NOMEM)
			fail_msg("%ld: %d %s", n, r, err.text);
		if (r < 0)
			holds(&w, "a=a b=b ", "1:1 ");
		else
			fired = false;
	}
	holds(&w, "b=b c=c ", "1:2 1:3 ");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_only_the_end_of_a_complete_read_removes_what_it_did_not_show),
		cmocka_unit_test(
			test_since_when_a_group_does_not_want_a_member_ends_with_membership),
		cmocka_unit_test(
			test_members_of_no_record_are_left_out_and_another_directory_begins_anew),
		cmocka_unit_test(test_what_applying_saw_stands_beside_the_read),
		cmocka_unit_test(test_each_statement_that_fails_is_told_and_keeps_what_was),
		cmocka_unit_test(test_a_read_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
