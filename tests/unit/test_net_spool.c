/* Spools: what was added is read back, from memory and from a file without a name. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <unistd.h>

#include "net/spool.h"

#define MOST (1 << 20)

static char folder[] = "/tmp/leaverd-spool-XXXXXX";

static int folder_make(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_end(void **state)
{
	(void)state;
	return rmdir(folder); /* fails where a file was left in it */
}

/* Byte i of the text. */
static char at(int64_t i)
{
	return (char)(i * 31 + i / 251);
}

static void add(struct spool *s, size_t len)
{
	char *piece = malloc(len);
	struct err err;

	assert_non_null(piece);
	for (size_t i = 0; i < len; i++)
		piece[i] = at(spool_bytes(s) + (int64_t)i);
	assert_ok(spool_add(s, piece, len, &err), &err);
	free(piece);
}

static void must_read(const struct spool *s, int64_t from, size_t room, size_t want)
{
	char *into = malloc(room);
	size_t got = 999;
	struct err err;

	assert_non_null(into);
	assert_ok(spool_read(s, from, into, room, &got, &err), &err);
	assert_int_equal(got, want);
	for (size_t i = 0; i < got; i++)
		assert_int_equal(into[i], at(from + (int64_t)i));
	free(into);
}

static void test_what_was_added_is_read_back_from_any_place(void **state)
{
	static const size_t pieces[] = { 1, 1000, SPOOL_MEMORY_BYTES - 1001, 1, 70000, 3 };
	struct spool *s = NULL;
	struct err err;
	int64_t all = 0;

	(void)state;
	assert_ok(spool_new(&s, folder, MOST, &err), &err);
	must_read(s, 0, 10, 0);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		add(s, pieces[i]);
		all += (int64_t)pieces[i];
		assert_int_equal(spool_bytes(s), all);
		must_read(s, 0, (size_t)all + 10, (size_t)all);
		must_read(s, all - 1, 10, 1);
		must_read(s, all, 10, 0);
		must_read(s, all + 5, 10, 0);
		must_read(s, all / 2, 1, 1);
	}
	spool_free(s);
}

static void test_a_longer_text_than_allowed_is_refused_and_nothing_of_it_kept(void **state)
{
	struct spool *s = NULL;
	struct err err;

	(void)state;
	assert_ok(spool_new(&s, folder, 5, &err), &err);
	add(s, 3);
	assert_fault(spool_add(s, "xyz", 3, &err), ERR_TOO_LARGE, &err, "longer than 5 bytes");
	assert_int_equal(spool_bytes(s), 3);
	add(s, 2);
	must_read(s, 0, 10, 5);
	spool_free(s);
}

static void test_a_folder_that_is_not_there_is_named(void **state)
{
	static char much[SPOOL_MEMORY_BYTES + 1];
	struct spool *s = NULL;
	struct err err;

	(void)state;
	assert_ok(spool_new(&s, "/nowhere/at/all", MOST, &err), &err);
	assert_ok(spool_add(s, much, 10, &err), &err); /* still in memory */
	assert_fault(spool_add(s, much, sizeof(much), &err), ERR_IO, &err, "/nowhere/at/all");
	assert_int_equal(spool_bytes(s), 10);
	spool_free(s);
	spool_free(NULL);
}

static void test_the_file_has_no_name(void **state)
{
	struct spool *s = NULL;
	struct dirent *entry;
	struct err err;
	DIR *d;

	(void)state;
	assert_ok(spool_new(&s, folder, MOST, &err), &err);
	add(s, SPOOL_MEMORY_BYTES + 1);
	d = opendir(folder);
	assert_non_null(d);
	while ((entry = readdir(d)))
		assert_int_equal(entry->d_name[0], '.');
	closedir(d);
	spool_free(s);
}

static void test_each_lost_allocation_is_told(void **state)
{
	static char much[SPOOL_MEMORY_BYTES + 1];
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		CLEANUP(spool_free_at) struct spool *s = NULL;

		fault_at(++nth);
		r = spool_new(&s, folder, MOST, &err);
		if (r == 0)
			r = spool_add(s, much, 10, &err);
		if (r == 0)
			r = spool_add(s, much, sizeof(much), &err);
		assert_true(!fault_fired() ? r == 0 : r == 0 || r == -ERR_NOMEM);
		if (r == 0)
			break;
	} while (nth < 100);
	assert_int_equal(r, 0);
	assert_true(nth > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_added_is_read_back_from_any_place),
		cmocka_unit_test(
			test_a_longer_text_than_allowed_is_refused_and_nothing_of_it_kept),
		cmocka_unit_test(test_a_folder_that_is_not_there_is_named),
		cmocka_unit_test(test_the_file_has_no_name),
		cmocka_unit_test(test_each_lost_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_end);
}
