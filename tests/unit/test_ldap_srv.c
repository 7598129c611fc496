#include "tests/lib/test.h"

#include "ldap/srv.h"

static struct dir_srv row(const char *host, uint16_t priority, uint16_t weight)
{
	struct dir_srv s = { .priority = priority, .weight = weight, .port = 389 };

	snprintf(s.host, sizeof(s.host), "%s", host);
	return s;
}

static void test_a_lower_priority_number_comes_first_whatever_the_weight(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct dir_srv v[] = { row("c", 20, 65535), row("a", 0, 1), row("b", 10, 100),
				       row("d", 20, 0) };
		char salt[20];

		snprintf(salt, sizeof(salt), "machine-%d", i);
		dir_srv_order(v, COUNT_OF(v), str_of(salt));
		assert_string_equal(v[0].host, "a");
		assert_string_equal(v[1].host, "b");
		assert_string_equal(v[2].host, "c");
		/* weight 0 behind those that have one */
		assert_string_equal(v[3].host, "d");
	}
}

/* RFC 2782: 3 of 4 draws for a weight of 75 beside one of 25, and all of them for the rest. */
static void test_machines_are_spread_by_weight(void **state)
{
	int first[3] = { 0 };

	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct dir_srv v[] = { row("a", 0, 75), row("b", 0, 25), row("z", 0, 0) };
		char salt[20];

		snprintf(salt, sizeof(salt), "machine-%d", i);
		dir_srv_order(v, COUNT_OF(v), str_of(salt));
		first[v[0].host[0] == 'a' ? 0 : v[0].host[0] == 'b' ? 1 : 2]++;
	}
	assert_in_range(first[0], 2850, 3150);
	assert_in_range(first[1], 850, 1150);
	assert_int_equal(first[2], 0);
}

static void test_one_machine_keeps_its_order_when_others_come_and_go(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		struct dir_srv all[] = { row("a", 0, 10), row("b", 0, 10), row("c", 0, 10),
					 row("d", 0, 10) };
		struct dir_srv some[] = { row("d", 0, 10), row("b", 0, 10), row("a", 0, 10) };
		const char *kept[3];
		size_t n = 0;
		char salt[20];

		snprintf(salt, sizeof(salt), "machine-%d", i);
		dir_srv_order(all, COUNT_OF(all), str_of(salt));
		dir_srv_order(some, COUNT_OF(some), str_of(salt));
		for (size_t k = 0; k < COUNT_OF(all); k++)
			if (all[k].host[0] != 'c')
				kept[n++] = all[k].host;
		for (size_t k = 0; k < COUNT_OF(some); k++)
			assert_string_equal(some[k].host, kept[k]);
	}
}

static void test_only_names_of_the_domain_are_trusted(void **state)
{
	static const struct {
		const char *host;
		bool ok;
	} cases[] = {
		{ "example.com", true },
		{ "dc1.example.com", true },
		{ "DC1.Berlin.EXAMPLE.com", true },
		{ "dc_1.example.com", true },
		{ "badexample.com", false },
		{ "example.com.evil.test", false },
		{ "com", false },
		{ "", false },
		{ ".example.com", false },
		{ "-x.example.com", false },
		{ "a/b.example.com", false },
		{ "a@x.example.com", false },
		{ "a\nb.example.com", false },
		{ "[::1].example.com", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (dir_srv_host_ok(str_of(cases[i].host), STR("example.com")) != cases[i].ok)
			fail_msg("%s", cases[i].host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lower_priority_number_comes_first_whatever_the_weight),
		cmocka_unit_test(test_machines_are_spread_by_weight),
		cmocka_unit_test(test_one_machine_keeps_its_order_when_others_come_and_go),
		cmocka_unit_test(test_only_names_of_the_domain_are_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
