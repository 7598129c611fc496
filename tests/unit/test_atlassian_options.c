#include "tests/lib/test.h"

#include "atlassian/limits.h"
#include "atlassian/options.h"

#define LEAST "org_id: 4711-abc\nkey: acme-key\n"

static int read_options(const char *text, struct atl_options *o, struct conf_faults *faults,
			struct err *err)
{
	int r = conf_read_text("acme.yaml", str_of(text), atl_option_keys, o, faults, err);

	return r < 0 ? r : atl_options_check(o, faults, err);
}

static void test_two_keys_are_enough_and_the_rest_is_as_documented(void **state)
{
	struct conf_faults faults = { 0 };
	struct atl_options o = { 0 };
	struct err err;

	(void)state;
	assert_ok(read_options(LEAST, &o, &faults, &err), &err);
	assert_string_equal(o.base_url, "https://api.atlassian.com");
	assert_int_equal(o.page_size, 100);
	assert_int_equal(o.per_second, 3);
	assert_int_equal(o.tries, 4);
	assert_int_equal(o.backoff_ms, 2000);
	assert_int_equal(o.roles, ATL_ROLES_NEEDED);
	assert_true(o.tokens);
	assert_int_equal(o.deadline_ms, 300000);
	assert_null(o.proxy);
	conf_free(atl_option_keys, &o);
	conf_faults_free(&faults);
}

static const struct {
	const char *line, *says; /* says NULL: fine */
} lines[] = {
	{ "base_url: https://api.example.com\n", NULL },
	{ "base_url: http://127.0.0.1:8080\n", NULL },
	{ "base_url: http://localhost:8080\n", NULL },
	{ "base_url: 'http://[::1]:8080'\n", NULL },
	{ "base_url: http://api.example.com\n", "base_url" },
	{ "base_url: http://localhost.example.com\n", "base_url" },
	{ "base_url: https://api.example.com/\n", "base_url" },
	{ "base_url: https://me:s3cret@api.example.com\n", "base_url" },
	{ "base_url: https://api.example.com/?x=1\n", "base_url" },
	{ "base_url: https://\n", "base_url" },
	{ "base_url: ftp://api.example.com\n", "base_url" },
	{ "directories: [d-1, d-2]\n", NULL },
	{ "directories: [d-1, a/b]\n", "directories" },
	{ "sites: [acme.atlassian.net]\n", NULL },
	{ "sites: ['https://acme.atlassian.net']\n", "sites" },
	{ "sites: [acme]\n", "sites" },
	{ "proxy: http://proxy:3128\nproxy_login: proxy-login\n", NULL },
	{ "proxy_login: proxy-login\n", "proxy" },
	{ "proxy: proxy\n", "proxy" },
	{ "proxy: http://me:s3cret@proxy:3128\n", "login" },
	{ "page_size: 101\n", "page_size" },
	{ "roles: some\n", "roles" },
	{ "per_second: 0\n", "per_second" },
	{ "tries: 11\n", "tries" },
	{ "backoff: 2min\n", "backoff" },
	{ "nonsense: 1\n", "nonsense" },
};

static void test_each_wrong_value_is_named_and_no_login_is_repeated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct conf_faults faults = { 0 };
		struct atl_options o = { 0 };
		struct err err;
		char text[512];
		int r;

		snprintf(text, sizeof(text), LEAST "%s", lines[i].line);
		r = read_options(text, &o, &faults, &err);
		if (!lines[i].says) {
			assert_ok(r, &err);
			assert_int_equal(faults.n, 0);
		} else {
			assert_fault(r, ERR_CONFIG, &err, lines[i].says);
			assert_true(faults.n >= 1);
			assert_null(strstr(faults.v[0], "me:s3cret"));
			assert_null(strstr(err.text, "me:s3cret"));
		}
		conf_free(atl_option_keys, &o);
		conf_faults_free(&faults);
	}
}

static void test_an_id_that_is_no_segment_of_a_path_is_refused(void **state)
{
	struct conf_faults faults = { 0 };
	struct atl_options o = { 0 };
	struct err err;

	(void)state;
	assert_fault(read_options("org_id: ../x\nkey: k\n", &o, &faults, &err), ERR_CONFIG,
		     &err, "org_id");
	conf_free(atl_option_keys, &o);
	conf_faults_free(&faults);
}

static void test_families_share_a_budget_only_where_atlassian_counts_them_together(void **state)
{
	struct atl_options o = { .per_second = 2, .at_once = 3 };
	unsigned budgets[ATL_FAMILY_COUNT];
	struct httpc *http;
	struct err err;

	(void)state;
	assert_ok(httpc_new(&http, NULL, &err), &err);
	assert_ok(atl_limits_register(http, &o, budgets, &err), &err);
	for (int i = 0; i < ATL_FAMILY_COUNT; i++) {
		assert_non_null(atl_limits[i].name);
		for (int k = 0; k < i; k++)
			assert_true((budgets[i] == budgets[k]) ==
				    (atl_limits[i].of == atl_limits[k].of));
		assert_true(httpc_budget_rate(http, budgets[i]) == 2);
	}
	o.per_second = 9; /* faster, but not where a slower speed was measured */
	assert_ok(atl_limits_register(http, &o, budgets, &err), &err);
	assert_true(httpc_budget_rate(http, budgets[ATL_ORG_READ]) == 9);
	assert_true(httpc_budget_rate(http, budgets[ATL_LAST_ACTIVE]) == 3);
	assert_int_equal(budgets[ATL_TOKENS], budgets[ATL_ORG_READ]);
	assert_int_not_equal(budgets[ATL_ORG_WRITE], budgets[ATL_ORG_READ]);
	atl_limits_drop(http, budgets); /* each once: the next ones get their places */
	assert_ok(atl_limits_register(http, &o, budgets, &err), &err);
	httpc_free(http);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_keys_are_enough_and_the_rest_is_as_documented),
		cmocka_unit_test(test_each_wrong_value_is_named_and_no_login_is_repeated),
		cmocka_unit_test(test_an_id_that_is_no_segment_of_a_path_is_refused),
		cmocka_unit_test(
			test_families_share_a_budget_only_where_atlassian_counts_them_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
