#include "tests/lib/test.h"

#include "ldap/memory.h"
#include "tests/unit/entries.h"

#define UNDER STR("ou=people,dc=test")

/* Sees one entry of uid "u<n>" with that title; what the memory answers. */
static int see(struct dir_memory *m, int n, const char *title, struct dir_memory_row **row)
{
	struct dir_entry e = { 0 };
	char uid[32], line[64], key[32], all[128];
	const char *const lines[] = { uid, line, NULL };
	int r;

	snprintf(uid, sizeof(uid), "uid: u%d", n);
	snprintf(line, sizeof(line), "title: %s", title);
	snprintf(key, sizeof(key), "key-%d", n);
	entry_make(&e, "uid=u,ou=people,dc=test", lines);
	snprintf(all, sizeof(all), "%s\n%s\n", uid, line);
	e.bytes = str_of(all);
	r = dir_memory_see(m, str_of(key), &e, row);
	dir_entry_done(&e);
	return r;
}

static struct dir_memory *made(void)
{
	struct dir_memory *m = NULL;
	struct err err;

	assert_ok(dir_memory_new(&m, &err), &err);
	return m;
}

/* A read of n entries, all marked by their number plus one. */
static void read_of(struct dir_memory *m, const char *context, int n, const char *title)
{
	struct dir_memory_row *row;
	struct err err;
	char key[32];

	dir_memory_begin(m, str_of(context));
	for (int i = 0; i < n; i++) {
		assert_in_range(see(m, i, title, &row), DIR_MEMORY_NEW, DIR_MEMORY_KNOWN);
		assert_ok(dir_memory_branch(m, row, UNDER, &err), &err);
		snprintf(key, sizeof(key), "key-%d", i);
		dir_memory_mark(m, str_of(key), (uint32_t)i + 1);
	}
	dir_memory_end(m);
}

static void test_an_entry_with_the_same_bytes_is_known_and_one_with_others_is_not(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
	struct dir_memory_row *row;

	(void)state;
	read_of(m, "q", 5000, "Engineer");
	dir_memory_begin(m, STR("q"));
	for (int i = 0; i < 5000; i++) {
		bool other = i % 10 == 3;

		assert_int_equal(see(m, i, other ? "Chief" : "Engineer", &row),
				 other ? DIR_MEMORY_NEW : DIR_MEMORY_KNOWN);
		assert_int_equal(row->mark, other ? 0 : i + 1);
	}
	assert_int_equal(see(m, 9999, "Engineer", &row), DIR_MEMORY_NEW);
}

static void
test_nothing_is_known_after_another_question_or_an_attempt_that_broke_off(void **state)
{
	static const struct {
		const char *context;
		bool ended, cleared;
		int says;
	} cases[] = {
		{ "q", true, false, DIR_MEMORY_KNOWN },
		{ "another", true, false, DIR_MEMORY_NEW },
		{ "q", false, false, DIR_MEMORY_NEW },
		{ "q", true, true, DIR_MEMORY_NEW },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
		struct dir_memory_row *row;

		read_of(m, "q", 3, "Engineer");
		if (!cases[i].ended)
			dir_memory_begin(m, STR("q"));
		if (cases[i].cleared)
			dir_memory_clear(m);
		dir_memory_begin(m, str_of(cases[i].context));
		assert_int_equal(see(m, 1, "Engineer", &row), cases[i].says);
	}
}

static void test_who_was_not_marked_or_depends_on_the_time_is_looked_at_again(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
	struct dir_memory_row *row;

	(void)state;
	read_of(m, "q", 3, "Engineer");
	dir_memory_mark(m, STR("key-0"), 0);
	dir_memory_begin(m, STR("q"));
	assert_int_equal(see(m, 0, "Engineer", &row), DIR_MEMORY_NEW);
	assert_int_equal(see(m, 1, "Engineer", &row), DIR_MEMORY_KNOWN);
	row->timed = 1;
	dir_memory_end(m);
	dir_memory_begin(m, STR("q"));
	assert_int_equal(see(m, 1, "Engineer", &row), DIR_MEMORY_NEW);
	/* key-2 was away for one read: what it came to then may have been overtaken */
	assert_int_equal(see(m, 2, "Engineer", &row), DIR_MEMORY_NEW);
}

static void test_within_a_read_it_tells_who_comes_twice(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
	struct dir_memory_row *row;

	(void)state;
	read_of(m, "q", 3, "Engineer");
	dir_memory_begin(m, STR("q"));
	assert_false(dir_memory_saw(m, STR("key-1")));
	assert_int_equal(see(m, 1, "Engineer", &row), DIR_MEMORY_KNOWN);
	assert_true(dir_memory_saw(m, STR("key-1")));
	assert_int_equal(see(m, 1, "Engineer", &row), DIR_MEMORY_TWICE);
	assert_int_equal(see(m, 1, "Chief", &row), DIR_MEMORY_OTHER);
	assert_int_equal(see(m, 2, "Chief", &row), DIR_MEMORY_NEW);
	assert_int_equal(see(m, 2, "Engineer", &row), DIR_MEMORY_OTHER);
}

static void test_the_memory_lasts_through_more_reads_than_a_turn_counts(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
	struct dir_memory_row *row;
	int known = 0;

	(void)state;
	for (int turn = 0; turn < 600; turn++) {
		char key[32];
		int r;

		dir_memory_begin(m, STR("q"));
		r = see(m, 1, "Engineer", &row);
		known += r == DIR_MEMORY_KNOWN;
		/* somebody else came once, long ago: 256 turns later he is no acquaintance */
		if (turn == 10 || turn == 266 || turn == 521) {
			assert_int_equal(see(m, 2, "Engineer", &row), DIR_MEMORY_NEW);
			dir_memory_mark(m, STR("key-2"), 7);
		}
		snprintf(key, sizeof(key), "key-%d", 1);
		dir_memory_mark(m, str_of(key), 1);
		dir_memory_end(m);
	}
	assert_true(known > 590);
}

static void test_places_are_counted_whether_known_or_not(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
	struct dir_branches branches = { 0 };
	struct dir_memory_row *row;
	struct err err;

	(void)state;
	read_of(m, "q", 3, "Engineer");
	dir_memory_begin(m, STR("q"));
	assert_int_equal(see(m, 0, "Engineer", &row), DIR_MEMORY_KNOWN);
	dir_memory_branch_again(m, row);
	assert_int_equal(see(m, 1, "Chief", &row), DIR_MEMORY_NEW);
	assert_ok(dir_memory_branch(m, row, STR("ou=leavers,dc=test"), &err), &err);
	assert_ok(dir_memory_branches(m, &branches, &err), &err);
	assert_int_equal(branches.n, 2);
	for (size_t i = 0; i < branches.n; i++)
		assert_int_equal(branches.v[i].entries, 1);
	dir_branches_free(&branches);
}

static void test_more_places_than_are_counted_are_none(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = made();
	struct dir_branches branches = { 0 };
	struct dir_memory_row *row;
	struct err err;
	char dn[64];

	(void)state;
	dir_memory_begin(m, STR("q"));
	for (int i = 0; i <= DIR_BRANCHES_MAX; i++) {
		snprintf(dn, sizeof(dn), "ou=%d,dc=test", i);
		assert_int_equal(see(m, i, "Engineer", &row), DIR_MEMORY_NEW);
		assert_ok(dir_memory_branch(m, row, str_of(dn), &err), &err);
	}
	assert_ok(dir_memory_branches(m, &branches, &err), &err);
	assert_int_equal(branches.n, 0);
	dir_branches_free(&branches);
}

static void test_a_memory_survives_each_lost_allocation(void **state)
{
	bool fired;
	int nth = 0, r;

	(void)state;
	do {
		CLEANUP(dir_memory_free_at) struct dir_memory *m = NULL;
		struct dir_memory_row *row;
		struct err err;

		fault_at(++nth);
		r = dir_memory_new(&m, &err);
		if (r == 0) {
			struct dir_entry e = { .dn = STR("uid=u") };

			dir_memory_begin(m, STR("q"));
			r = dir_memory_see(m, STR("k"), &e, &row);
			if (r == 0)
				r = dir_memory_branch(m, row, UNDER, &err);
		}
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
	} while (fired);
	assert_int_equal(r, 0);
	assert_true(nth > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_an_entry_with_the_same_bytes_is_known_and_one_with_others_is_not),
		cmocka_unit_test(
			test_nothing_is_known_after_another_question_or_an_attempt_that_broke_off),
		cmocka_unit_test(
			test_who_was_not_marked_or_depends_on_the_time_is_looked_at_again),
		cmocka_unit_test(test_within_a_read_it_tells_who_comes_twice),
		cmocka_unit_test(test_the_memory_lasts_through_more_reads_than_a_turn_counts),
		cmocka_unit_test(test_places_are_counted_whether_known_or_not),
		cmocka_unit_test(test_more_places_than_are_counted_are_none),
		cmocka_unit_test(test_a_memory_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
