#include "tests/lib/test.h"

#include "net/peer.h"
#include "net/route.h"

static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/Users/{id}", .max_body_bytes = 1 },
	{ .method = HTTP_PUT, .path = "/Users/{id}", .max_body_bytes = 2 },
	{ .method = HTTP_POST, .path = "/Users/.search", .max_body_bytes = 3 },
	{ .method = HTTP_GET, .path = "/{source}/Users", .max_body_bytes = 4 },
	{ .method = HTTP_GET, .path = "/", .max_body_bytes = 5 },
	{ .method = HTTP_GET, .path = "/web/{file*}", .max_body_bytes = 6 },
	{ .method = HTTP_GET, .path = "/web/index", .max_body_bytes = 7 },
	{ .method = HTTP_HEAD, .path = "/web/index", .max_body_bytes = 8 },
	{ .method = HTTP_GET, .path = "/a/{x}/b/{y}", .max_body_bytes = 9 },
	{ 0 },
};

/* row: max_body_bytes of the route expected; 0: answer instead. */
static const struct {
	enum http_method method;
	const char *path;
	int row, answer;
	const char *params;
} cases[] = {
	{ HTTP_GET, "/Users/7", 1, 0, "id=7 " },
	{ HTTP_HEAD, "/Users/7", 1, 0, "id=7 " },
	{ HTTP_PUT, "/Users/7/", 2, 0, "id=7 " },
	{ HTTP_PUT, "//Users///7", 2, 0, "id=7 " },
	{ HTTP_POST, "/Users/.search", 3, 0, "" },
	/* a literal row that knows the path decides: no wilder row by another method */
	{ HTTP_GET, "/Users/.search", 0, ROUTE_NO_METHOD, NULL },
	{ HTTP_GET, "/%55sers/7", 1, 0, "id=7 " },
	{ HTTP_GET, "/Users/a%2Fb", 1, 0, "id=a%2Fb " },
	{ HTTP_GET, "/Users/Users", 1, 0, "id=Users " },
	{ HTTP_GET, "/idp/Users", 4, 0, "source=idp " },
	{ HTTP_GET, "/", 5, 0, "" },
	{ HTTP_GET, "", 5, 0, "" },
	{ HTTP_GET, "///", 5, 0, "" },
	{ HTTP_GET, "/web/a/b.css", 6, 0, "file=a/b.css " },
	{ HTTP_GET, "/web/index", 7, 0, "" },
	{ HTTP_HEAD, "/web/index", 8, 0, "" },
	{ HTTP_GET, "/web", 0, ROUTE_NO_PATH, NULL },
	{ HTTP_GET, "/a/1/b/2", 9, 0, "x=1 y=2 " },
	{ HTTP_GET, "/a/1/b", 0, ROUTE_NO_PATH, NULL },
	{ HTTP_GET, "/users/7", 0, ROUTE_NO_PATH, NULL }, /* case counts */
	{ HTTP_GET, "/Users/7/8", 0, ROUTE_NO_PATH, NULL },
	{ HTTP_DELETE, "/Users/7", 0, ROUTE_NO_METHOD, NULL },
	{ HTTP_OTHER, "/Users/7", 0, ROUTE_NO_METHOD, NULL },
	{ HTTP_GET, "/%", 0, ROUTE_NO_PATH, NULL },
	{ HTTP_GET, "/User%", 0, ROUTE_NO_PATH, NULL },
	{ HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25", 0,
	  ROUTE_NO_PATH, NULL },
	{ HTTP_GET, "/web/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26",
	  6, 0, "file=2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26 " },
};

static void test_paths_find_the_route_that_says_most_about_them(void **state)
{
	CLEANUP(route_table_free_at) struct route_table *t = NULL;
	struct err err;

	(void)state;
	assert_ok(route_table_new(&t, routes, &err), &err);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct route_match m;
		struct buf params;
		int r = route_find(t, cases[i].method, str_of(cases[i].path), &m);

		if (r != cases[i].answer || (r == 0 && m.route->max_body_bytes != cases[i].row))
			fail_msg("%s: %d, row %d", cases[i].path, r,
				 r ? 0 : (int)m.route->max_body_bytes);
		if (r)
			continue;
		buf_init(&params, 4096);
		buf_add_text(&params, "");
		for (unsigned k = 0; k < m.params; k++)
			buf_addf(&params, STR_FMT "=" STR_FMT " ", STR_ARG(m.param[k].name),
				 STR_ARG(m.param[k].value));
		if (!str_eq(buf_str(&params), str_of(cases[i].params)))
			fail_msg("%s: %s", cases[i].path, params.p);
		buf_done(&params);
	}
}

static void test_allowed_methods_are_those_of_the_same_path(void **state)
{
	CLEANUP(route_table_free_at) struct route_table *t = NULL;
	char allow[ROUTE_ALLOW_BYTES];
	struct route_match m;
	struct err err;

	(void)state;
	assert_ok(route_table_new(&t, routes, &err), &err);
	assert_int_equal(route_find(t, HTTP_DELETE, STR("/Users/7"), &m), ROUTE_NO_METHOD);
	route_allow_text(m.allowed, allow);
	assert_string_equal(allow, "GET, HEAD, PUT");
	assert_int_equal(route_find(t, HTTP_DELETE, STR("/Users/.search"), &m),
			 ROUTE_NO_METHOD);
	route_allow_text(m.allowed, allow);
	assert_string_equal(allow, "POST");
	route_allow_text(~0u, allow);
	assert_string_equal(allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

static void test_bad_templates_are_our_own_mistakes(void **state)
{
	static const struct {
		const char *path, *says;
	} bad[] = {
		{ "Users", "does not begin" },
		{ "/{", "bad segment" },
		{ "/{}", "bad segment" },
		{ "/{a", "bad segment" },
		{ "/{a*}/b", "may follow" },
		{ "/{a}/{b}/{c}/{d}/{e}/{f}/{g}", "more than 6 parameters" },
		{ "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5", "more than 24" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct http_route row[] = { { .path = bad[i].path }, { 0 } };
		struct route_table *t;

		assert_fault(route_table_new(&t, row, &err), ERR_INTERNAL, &err, bad[i].says);
	}
}

/* --- addresses ---------------------------------------------------------------------------- */

static const struct {
	const char *text, *as; /* NULL: refused */
} addresses[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ " 192.0.2.1 ", "192.0.2.1" },
	{ "192.0.2.1:8080", "192.0.2.1" },
	{ "2001:DB8::1", "2001:db8::1" },
	{ "[2001:db8::1]", "2001:db8::1" },
	{ "[2001:db8::1]:443", "2001:db8::1" },
	{ "::ffff:192.0.2.1", "192.0.2.1" }, /* an IPv4 client on an IPv6 socket */
	{ "fe80::1%eth0", "fe80::1" },
	{ "", NULL },
	{ "192.0.2", NULL },
	{ "192.0.2.256", NULL },
	{ "[2001:db8::1", NULL },
	{ "unknown", NULL },
	{ "0000000000000000000000000000000000000000000000000000000000000000000000", NULL },
};

static void test_addresses_are_read_in_every_spelling(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		char text[PEER_TEXT_BYTES] = "";
		struct peer p;

		if (peer_parse(str_of(addresses[i].text), &p) != !!addresses[i].as)
			fail_msg("%s", addresses[i].text);
		if (!addresses[i].as)
			continue;
		peer_text(&p, text);
		assert_string_equal(text, addresses[i].as);
	}
}

static const char *const nets[] = { "10.0.0.0/9", "192.0.2.1", "2001:db8::/33", "::1", NULL };

static const struct {
	const char *peer;
	bool in;
} members[] = {
	{ "10.127.255.255", true },
	{ "10.128.0.0", false },
	{ "192.0.2.1", true },
	{ "192.0.2.2", false },
	{ "2001:db8:7fff::1", true },
	{ "2001:db8:8000::1", false },
	{ "::1", true },
	{ "::2", false },
	{ "127.0.0.1", false },
};

static void test_networks_hold_their_addresses_and_no_other(void **state)
{
	CLEANUP(peer_set_free_at) struct peer_set *set = NULL;
	struct peer_set *none = NULL;
	struct err err;
	int nth = 0, r;

	(void)state;
	assert_ok(peer_set_new(&set, nets, &err), &err);
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		struct peer p;

		assert_true(peer_parse(str_of(members[i].peer), &p));
		if (peer_set_has(set, &p) != members[i].in)
			fail_msg("%s", members[i].peer);
		assert_false(peer_set_has(NULL, &p));
	}
	do {
		fault_at(++nth);
		r = peer_set_new(&none, NULL, &err);
		assert_true(!fault_fired() || r == -ERR_NOMEM);
	} while (r < 0);
	peer_set_free(none);
}

static void test_wrong_networks_are_named(void **state)
{
	static const char *const bad[] = {
		"10.0.0.0/33", "::/129", "example.com", "10.0.0.0/", "10.0.0.0/x", "/8", ""
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const char *const texts[] = { bad[i], NULL };
		struct peer_set *set;

		assert_fault(peer_set_new(&set, texts, &err), ERR_CONFIG, &err, bad[i]);
	}
}

static const struct {
	const char *direct, *forwarded, *is;
} chains[] = {
	{ "203.0.113.1", "198.51.100.1",
	  "203.0.113.1" }, /* not trusted: may say what it likes */
	{ "10.0.0.1", "198.51.100.1", "198.51.100.1" },
	{ "10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1" }, /* 1.1.1.1 is a mere claim */
	{ "10.0.0.1", "198.51.100.1, 10.0.0.2 ,10.0.0.3", "198.51.100.1" },
	{ "10.0.0.1", "10.0.0.2", "10.0.0.2" },
	{ "10.0.0.1", "", "10.0.0.1" },
	{ "10.0.0.1", NULL, "10.0.0.1" },
	{ "10.0.0.1", "unknown", "10.0.0.1" },
	{ "10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2" },
	{ "10.0.0.1", ",,", "10.0.0.1" },
};

static void test_the_client_is_who_the_last_trusted_proxy_saw(void **state)
{
	CLEANUP(peer_set_free_at) struct peer_set *set = NULL;
	struct err err;

	(void)state;
	assert_ok(peer_set_new(&set, nets, &err), &err);
	for (size_t i = 0; i < COUNT_OF(chains); i++) {
		char text[PEER_TEXT_BYTES];
		struct peer p;

		assert_true(peer_parse(str_of(chains[i].direct), &p));
		p = peer_behind(set, p, chains[i].forwarded);
		peer_text(&p, text);
		assert_string_equal(text, chains[i].is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_find_the_route_that_says_most_about_them),
		cmocka_unit_test(test_allowed_methods_are_those_of_the_same_path),
		cmocka_unit_test(test_bad_templates_are_our_own_mistakes),
		cmocka_unit_test(test_addresses_are_read_in_every_spelling),
		cmocka_unit_test(test_networks_hold_their_addresses_and_no_other),
		cmocka_unit_test(test_wrong_networks_are_named),
		cmocka_unit_test(test_the_client_is_who_the_last_trusted_proxy_saw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
