/* Pages kept in a file for the next read: what comes back, what does not, and that nothing is
 * believed. */
#include "atlassian/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/stamp.h"
#include "tests/lib/test.h"

#define NOW 1795341600000LL

static char path[] = "/tmp/test-kept-XXXXXX";

static struct atl_kept *opened(int64_t now_ms, int64_t within_ms)
{
	struct atl_kept *k = NULL;
	struct err err;

	assert_ok(atl_kept_open(&k, path, now_ms, within_ms, &err), &err);
	return k;
}

static json_t *page_of(const char *text)
{
	json_t *page = NULL;
	struct err err;

	assert_ok(jx_parse(str_of(text), JX_LENIENT, &page, &err), &err);
	return page;
}

static void add(struct atl_kept *k, const char *where, const char *text,
		const char *const *members)
{
	CLEANUP(json_decref_at) json_t *page = page_of(text);
	struct err err;

	assert_ok(atl_kept_add(k, atl_kept_key(str_of(where), (struct str){ 0 }), page, members,
			       &err),
		  &err);
}

/* The page under that request as text; "" if there is none. */
static const char *taken(struct atl_kept *k, const char *where)
{
	static char text[1024];
	CLEANUP(json_decref_at) json_t *page = NULL;
	CLEANUP(buf_done) struct buf b;
	struct err err;
	int r = atl_kept_take(k, atl_kept_key(str_of(where), (struct str){ 0 }), &page, &err);

	buf_init(&b, sizeof(text) - 1);
	if (r == ATL_KEPT_NOT)
		return "";
	assert_ok(r, &err);
	assert_ok(jx_canonical(page, &b, &err), &err);
	snprintf(text, sizeof(text), STR_FMT, STR_ARG(buf_str(&b)));
	return text;
}

static void test_a_page_comes_back_once_with_the_members_that_were_wanted(void **state)
{
	static const char *const members[] = { "id", "name", NULL };
	struct atl_kept *k = opened(NOW, STAMP_HOUR_MS);

	(void)state;
	assert_int_equal(atl_kept_found(k), 0);
	add(k, "/users",
	    "{\"data\":[{\"id\":\"a\",\"picture\":\"p\"}],\"links\":{\"next\":\"c\"}}",
	    members);
	add(k, "/users?c", "{\"data\":[],\"meta\":{\"total\":1},\"other\":2}", NULL);
	assert_string_equal(taken(k, "/users"), ""); /* of this read: it has it already */
	atl_kept_free(k);

	k = opened(NOW + STAMP_HOUR_MS, STAMP_HOUR_MS);
	assert_int_equal(atl_kept_found(k), 2);
	assert_true(atl_kept_begun_ms(k) == NOW);
	assert_string_equal(taken(k, "/groups"), "");
	assert_string_equal(taken(k, "/users"),
			    "{\"data\":[{\"id\":\"a\"}],\"links\":{\"next\":\"c\"}}");
	assert_string_equal(taken(k, "/users"), "");
	assert_string_equal(taken(k, "/users?c"), "{\"data\":[],\"meta\":{\"total\":1}}");
	assert_int_equal(atl_kept_used(k), 2);
	atl_kept_drop(k);
	atl_kept_free(k);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_a_read_that_began_too_long_ago_or_in_the_future_is_thrown_away(void **state)
{
	static const int64_t later[] = { STAMP_HOUR_MS + 1, -1 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(later); i++) {
		struct atl_kept *k = opened(NOW, STAMP_HOUR_MS);

		add(k, "/users", "{\"data\":[]}", NULL);
		atl_kept_free(k);
		k = opened(NOW + later[i], STAMP_HOUR_MS);
		assert_int_equal(atl_kept_found(k), 0);
		assert_string_equal(taken(k, "/users"), "");
		atl_kept_drop(k);
		atl_kept_free(k);
	}
}

/* Cut anywhere, or with any byte changed: never another page than was kept. */
static void test_nothing_damaged_is_handed_out(void **state)
{
	char whole[512], spoilt[512];
	struct atl_kept *k = opened(NOW, STAMP_HOUR_MS);
	size_t len = 0;
	int fd;

	(void)state;
	add(k, "/a", "{\"data\":[1]}", NULL);
	add(k, "/b", "{\"data\":[2]}", NULL);
	atl_kept_free(k);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	len = (size_t)read(fd, whole, sizeof(whole));
	assert_true(len > 60 && len < sizeof(whole));
	for (size_t i = 0; i < 2 * len; i++) {
		const char *a, *b;
		size_t keep = i < len ? i : len;

		memcpy(spoilt, whole, len);
		if (i >= len)
			spoilt[i - len] ^= 0x41;
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_true(pwrite(fd, spoilt, keep, 0) == (ssize_t)keep);
		k = opened(NOW + 1, STAMP_HOUR_MS);
		a = taken(k, "/a");
		assert_true(!*a || !strcmp(a, "{\"data\":[1]}"));
		b = taken(k, "/b");
		assert_true(!*b || !strcmp(b, "{\"data\":[2]}"));
		assert_true(i != len - 1 || !*b);     /* the last byte of it was missing */
		add(k, "/c", "{\"data\":[3]}", NULL); /* and it can be gone on with */
		atl_kept_free(k);
		k = opened(NOW + 1, STAMP_HOUR_MS);
		assert_string_equal(taken(k, "/c"), "{\"data\":[3]}");
		atl_kept_free(k);
	}
	close(fd);
	(void)unlink(path);
}

static void test_a_place_that_cannot_be_written_is_told(void **state)
{
	struct atl_kept *k = NULL;
	struct err err;

	(void)state;
	assert_fault(atl_kept_open(&k, "/proc/nowhere/pages", NOW, 1, &err), ERR_IO, &err,
		     "/proc/nowhere/pages");
	assert_null(k);
}

static void test_keeping_survives_each_lost_allocation(void **state)
{
	CLEANUP(json_decref_at) json_t *page = page_of("{\"data\":[{\"id\":\"a\"}]}");
	uint64_t key = atl_kept_key(STR("/a"), (struct str){ 0 });
	static const char *const members[] = { "id", NULL };
	bool fired = true;

	(void)state;
	for (long n = 1; fired; n++) {
		json_t *back = NULL;
		struct atl_kept *k = NULL;
		struct err err;
		int r;

		fault_at(n);
		r = atl_kept_open(&k, path, NOW, STAMP_HOUR_MS, &err);
		if (r == 0)
			r = atl_kept_add(k, key, page, members, &err);
		if (k)
			atl_kept_free(k);
		k = NULL;
		if (r == 0)
			r = atl_kept_open(&k, path, NOW, STAMP_HOUR_MS, &err);
		if (r == 0)
			r = atl_kept_take(k, key, &back, &err);
		fired = fault_fired();
		fault_at(0);
		if (r < 0)
			assert_int_equal(r, -ERR_NOMEM);
		else if (!fired)
			assert_true(json_equal(back, page));
		json_decref(back);
		if (k)
			atl_kept_free(k);
		(void)unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_page_comes_back_once_with_the_members_that_were_wanted),
		cmocka_unit_test(
			test_a_read_that_began_too_long_ago_or_in_the_future_is_thrown_away),
		cmocka_unit_test(test_nothing_damaged_is_handed_out),
		cmocka_unit_test(test_a_place_that_cannot_be_written_is_told),
		cmocka_unit_test(test_keeping_survives_each_lost_allocation),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	unlink(path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
