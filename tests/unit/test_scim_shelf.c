#include "tests/lib/test.h"

#include "scim/shelf.h"

/* Says yes to what was read at this moment or later, as the store does. */
static int64_t written_at;

static bool still(void *ctx, const struct scim_fresh *fresh)
{
	(void)ctx;
	return fresh->known && fresh->at >= written_at;
}

static const struct scim_backend backend = { .still = still };

static struct shelf *shelf_of(size_t bytes)
{
	struct shelf *s = NULL;
	struct err err;

	written_at = 0;
	assert_ok(shelf_new(&s, bytes, &err), &err);
	return s;
}

static struct shelf_key key_of(const struct shelf *s, int64_t source, const char *path,
			       const char *query)
{
	struct shelf_key key;

	shelf_key(s, source, str_of(path), str_of(query), &key);
	return key;
}

static void keep(struct shelf *s, const char *path, int64_t at, const char *body)
{
	const struct scim_fresh fresh = { .known = true, .at = at };
	struct shelf_key key = key_of(s, 1, path, "");

	shelf_keep(s, &key, &fresh, (struct codec_tag){ 7, 9 }, str_of(body));
}

static bool finds(struct shelf *s, const char *path, const char *body)
{
	struct shelf_key key = key_of(s, 1, path, "");
	struct codec_tag tag = { 0 };
	struct buf got;
	bool found;

	buf_init(&got, 65536);
	found = shelf_find(s, &key, &backend, &got, &tag);
	if (found) {
		assert_true(tag.version == 7 && tag.groups == 9);
		assert_true(str_eq(buf_str(&got), str_of(body)));
	} else {
		assert_int_equal(got.len, 0);
	}
	buf_done(&got);
	return found;
}

static void test_what_was_kept_is_found_until_it_was_written(void **state)
{
	CLEANUP(shelf_free_at) struct shelf *s = shelf_of(1 << 20);

	(void)state;
	assert_false(finds(s, "/Users/a", ""));
	keep(s, "/Users/a", 5, "{\"a\":1}");
	assert_true(finds(s, "/Users/a", "{\"a\":1}"));
	assert_false(finds(s, "/Users/b", ""));
	written_at = 6;
	assert_false(finds(s, "/Users/a", ""));
	written_at = 0; /* it is not only passed over: it is gone */
	assert_false(finds(s, "/Users/a", ""));
	keep(s, "/Users/a", 7, "{\"a\":2}");
	keep(s, "/Users/a", 8, "{\"a\":3}"); /* the newer takes its place */
	assert_true(finds(s, "/Users/a", "{\"a\":3}"));
}

static void test_keys_tell_source_path_and_query_apart(void **state)
{
	static const struct {
		int64_t source;
		const char *path, *query;
	} rows[] = {
		{ 1, "/Users/a", "" },  { 2, "/Users/a", "" },
		{ 1, "/Users/", "a" }, /* the same bytes, cut elsewhere */
		{ 1, "/Users/a", "a" }, { 1, "/Users/b", "" },
	};
	CLEANUP(shelf_free_at) struct shelf *s = shelf_of(1 << 20);
	char lengthy[1000];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < COUNT_OF(rows); k++) {
			struct shelf_key a =
				key_of(s, rows[i].source, rows[i].path, rows[i].query);
			struct shelf_key b =
				key_of(s, rows[k].source, rows[k].path, rows[k].query);

			assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0, i == k);
		}
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	for (int i = 0; i < 2; i++) { /* longer than is digested at once */
		struct shelf_key a = key_of(s, 1, lengthy, "a"), b = key_of(s, 1, "a", lengthy);

		assert_true(memcmp(&a, &b, sizeof(a)) != 0);
		b = key_of(s, 1, lengthy, i ? "b" : "a");
		assert_int_equal(memcmp(&a, &b, sizeof(a)) != 0, i);
	}
}

static void test_memory_stays_within_the_bound_and_the_asked_for_stay(void **state)
{
	enum { MOST = 256 * 1024, BODIES = 5000, BODY = 500 };
	CLEANUP(shelf_free_at) struct shelf *s = shelf_of(MOST);
	char path[32], body[BODY + 1];
	size_t there = 0, favourites = 0;

	(void)state;
	memset(body, 'b', BODY);
	body[BODY] = '\0';
	for (int i = 0; i < BODIES; i++) {
		snprintf(path, sizeof(path), "/Users/%d", i);
		keep(s, path, 1, body);
		assert_true(shelf_bytes(s) <= MOST);
		for (int k = 0; k < 32 && k <= i; k++) { /* the first are asked for all along */
			snprintf(path, sizeof(path), "/Users/%d", k);
			if (i % 8 == 0)
				finds(s, path, body);
		}
	}
	for (int i = 0; i < BODIES; i++) {
		snprintf(path, sizeof(path), "/Users/%d", i);
		if (!finds(s, path, body))
			continue;
		there++;
		favourites += i < 32;
	}
	assert_true(there > MOST / (BODY + 200) / 2); /* and it is used */
	assert_true(there < BODIES / 4);
	assert_true(favourites >= 24);
}

static void test_what_is_too_long_is_not_kept(void **state)
{
	CLEANUP(shelf_free_at) struct shelf *s = shelf_of(4096), *wide = shelf_of(64 << 20);
	char *body = calloc(1, SHELF_BODY_MOST + 2);

	(void)state;
	memset(body, 'b', SHELF_BODY_MOST + 1);
	keep(wide, "/Users/a", 1, body);
	assert_int_equal(shelf_bytes(wide), 0);
	body[SHELF_BODY_MOST] = '\0';
	keep(wide, "/Users/a", 1, body);
	assert_true(shelf_bytes(wide) > SHELF_BODY_MOST);
	keep(s, "/Users/a", 1, body);
	assert_int_equal(shelf_bytes(s), 0);
	free(body);
}

static void test_lost_memory_keeps_nothing_and_breaks_nothing(void **state)
{
	(void)state;
	for (int nth = 1; nth < 40; nth++) {
		struct shelf *s = shelf_of(1 << 20);

		fault_at(nth);
		keep(s, "/Users/a", 1, "{}");
		(void)finds(s, "/Users/a", "{}");
		for (int i = 0; i < 3; i++)
			keep(s, i ? "/Users/b" : "/Users/a", 2, "{}");
		(void)fault_fired();
		keep(s, "/Users/c", 3, "{\"c\":1}");
		assert_true(finds(s, "/Users/c", "{\"c\":1}"));
		shelf_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_kept_is_found_until_it_was_written),
		cmocka_unit_test(test_keys_tell_source_path_and_query_apart),
		cmocka_unit_test(test_memory_stays_within_the_bound_and_the_asked_for_stay),
		cmocka_unit_test(test_what_is_too_long_is_not_kept),
		cmocka_unit_test(test_lost_memory_keeps_nothing_and_breaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
