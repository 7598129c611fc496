#include "tests/lib/test.h"

#include "bridge/known.h"

static struct digest_quick digest_n(int n)
{
	struct digest_quick d = { { 0 } };

	d.b[0] = (unsigned char)n;
	d.b[DIGEST_QUICK_BYTES - 1] = 1;
	return d;
}

static bool finds(struct known *k, int n, int64_t commits, int64_t now_ms)
{
	struct digest_quick d = digest_n(n);
	struct scim_client client = { 0 };

	if (!known_find(k, &d, commits, now_ms, &client))
		return false;
	assert_int_equal(client.source_id, n);
	return true;
}

static void keep(struct known *k, int n, int64_t commits, int64_t now_ms, int64_t until_ms)
{
	struct digest_quick d = digest_n(n);
	struct scim_client client = { .source_id = n };

	known_keep(k, &d, commits, now_ms, until_ms, &client);
}

static void test_a_token_is_known_until_anything_was_committed(void **state)
{
	struct known k;

	(void)state;
	known_init(&k);
	assert_false(finds(&k, 1, 7, 1000));
	keep(&k, 1, 7, 1000, 9000000);
	assert_true(finds(&k, 1, 7, 1000));
	assert_false(finds(&k, 2, 7, 1000));
	assert_false(finds(&k, 1, 8, 1000)); /* revoked perhaps: read it again */
	keep(&k, 1, 8, 1000, 9000000);
	assert_true(finds(&k, 1, 8, 1000));
	assert_false(finds(&k, 1, 7, 1000));
	known_done(&k);
}

static void test_a_token_is_known_for_a_minute_and_not_past_its_end(void **state)
{
	struct known k;

	(void)state;
	known_init(&k);
	keep(&k, 1, 7, 1000, 9000000);
	assert_true(finds(&k, 1, 7, 1000 + KNOWN_MS - 1));
	assert_false(finds(&k, 1, 7, 1000 + KNOWN_MS));
	keep(&k, 2, 7, 1000, 1500);
	assert_true(finds(&k, 2, 7, 1499));
	assert_false(finds(&k, 2, 7, 1500));
	known_done(&k);
}

static void test_more_tokens_than_places_take_the_oldest(void **state)
{
	struct known k;

	(void)state;
	known_init(&k);
	for (int n = 1; n <= KNOWN_TOKENS + 10; n++)
		keep(&k, n, 7, 1000, 9000000);
	for (int n = 1; n <= KNOWN_TOKENS + 10; n++)
		assert_int_equal(finds(&k, n, 7, 1000), n > 10);
	known_done(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_known_until_anything_was_committed),
		cmocka_unit_test(test_a_token_is_known_for_a_minute_and_not_past_its_end),
		cmocka_unit_test(test_more_tokens_than_places_take_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
