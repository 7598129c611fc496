/* Who asks: Authorization headers, challenges as RFC 6750 section 3 has them, and failures that
 * are slowed. */
#include "tests/lib/test.h"

#include <pthread.h>

#include "base/stamp.h"
#include "scim/auth.h"
#include "scim/service.h"
#include "scim/throttle.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

/* --- headers and challenges ------------------------------------------------------------------
 */

/* clang-format off */
static const struct { const char *header; int code; const char *says, *challenge; } headers[] = {
	{ NULL,                        ERR_UNAUTHORIZED, "required",   SCIM_AUTH_CHALLENGE },
	{ "",                          ERR_UNAUTHORIZED, "required",   SCIM_AUTH_CHALLENGE },
	{ "Basic dXNlcjpwYXNz",        ERR_UNAUTHORIZED, "scheme",     SCIM_AUTH_CHALLENGE },
	{ "Bearer",                    ERR_UNAUTHORIZED, "scheme",     SCIM_AUTH_CHALLENGE },
	{ "Bearer   ",                 ERR_UNAUTHORIZED, "scheme",     SCIM_AUTH_CHALLENGE },
	{ "good",                      ERR_UNAUTHORIZED, "scheme",     SCIM_AUTH_CHALLENGE },
	{ "Bearergood",                ERR_UNAUTHORIZED, "scheme",     SCIM_AUTH_CHALLENGE },
	{ "Bearer wrong",              ERR_UNAUTHORIZED, "unknown",    SCIM_AUTH_INVALID },
	{ "Bearer two words",          ERR_UNAUTHORIZED, "characters", SCIM_AUTH_INVALID },
	{ "Bearer g\xC3\xB6od",        ERR_UNAUTHORIZED, "characters", SCIM_AUTH_INVALID },
	{ "Bearer ===",                ERR_UNAUTHORIZED, "characters", SCIM_AUTH_INVALID },
	{ "Bearer a=b",                ERR_UNAUTHORIZED, "characters", SCIM_AUTH_INVALID },
	{ "Bearer good,good",          ERR_UNAUTHORIZED, "characters", SCIM_AUTH_INVALID },
	{ "Bearer good",               0, NULL, NULL },
	{ "bearer good",               0, NULL, NULL },
	{ "  BEARER \t  good \t",      0, NULL, NULL },
	{ "Bearer a-._~+/9==",         0, NULL, NULL },
};
/* clang-format on */

static void test_headers_open_or_are_told_how(void **state)
{
	struct memory *m = memory_new();

	(void)state;
	memory_token(m, "good", "idp", SCIM_MAY_ALL, 0);
	memory_token(m, "a-._~+/9==", "idp", SCIM_MAY_ALL, 0);
	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		struct scim_asker asker = { .source = STR("idp") };
		struct scim_client client = { 0 };
		const char *challenge = NULL;
		struct err err = { 0 };
		int r = scim_auth_client(memory_backend(m), headers[i].header, &asker, &client,
					 &challenge, &err);

		if (r != -headers[i].code ||
		    (headers[i].says && !strstr(err.text, headers[i].says)) ||
		    (r < 0 && (!challenge || strcmp(challenge, headers[i].challenge) != 0)))
			fail_msg("%s: %d %s, %s", headers[i].header ? headers[i].header : "-",
				 r, err.text, challenge ? challenge : "-");
		if (headers[i].header && strlen(headers[i].header) > 12)
			assert_null(strstr(err.text, headers[i].header + 7));
	}
	memory_free(m);
}

static void test_a_store_that_cannot_be_asked_says_nothing_about_the_token(void **state)
{
	struct memory *m = memory_new();
	struct scim_asker asker = { .source = STR("idp") };
	struct scim_client client;
	const char *challenge;
	struct err err;

	(void)state;
	memory_token(m, "good", "idp", SCIM_MAY_ALL, 0);
	memory_fail_client(m, ERR_BUSY);
	assert_fault(scim_auth_client(memory_backend(m), "Bearer good", &asker, &client,
				      &challenge, &err),
		     ERR_BUSY, &err, NULL);
	assert_null(challenge);
	memory_free(m);
}

static void test_a_missing_right_is_an_insufficient_scope(void **state)
{
	struct scim_client client = { .rights = SCIM_MAY_READ };
	const char *challenge = NULL;
	struct err err;

	(void)state;
	assert_ok(scim_auth_may(&client, SCIM_MAY_READ, &challenge, &err), &err);
	assert_null(challenge);
	assert_fault(scim_auth_may(&client, SCIM_MAY_DELETE, &challenge, &err), ERR_FORBIDDEN,
		     &err, "delete");
	assert_string_equal(challenge,
			    "Bearer realm=\"leaverd\", error=\"insufficient_scope\"");
}

/* --- slowing ---------------------------------------------------------------------------------
 */

static void test_an_address_fails_in_a_burst_and_then_slowly(void **state)
{
	struct throttle *t;
	struct err err;
	int64_t now = 1000000;

	(void)state;
	assert_ok(throttle_new(&t, &err), &err);
	for (int i = 0; i < THROTTLE_BURST; i++)
		assert_int_equal(throttle_fail(t, "192.0.2.1", now), 0);
	assert_int_equal(throttle_fail(t, "192.0.2.1", now), THROTTLE_EACH_MS / 1000);
	/* being refused costs nothing more */
	for (int i = 0; i < 100; i++)
		assert_int_equal(throttle_fail(t, "192.0.2.1", now + 1000), 2);
	assert_int_equal(throttle_fail(t, "192.0.2.1", now + THROTTLE_EACH_MS), 0);
	assert_int_equal(throttle_fail(t, "192.0.2.1", now + THROTTLE_EACH_MS), 3);
	assert_int_equal(throttle_fail(t, "192.0.2.2", now), 0); /* others are not slowed */
	now += (int64_t)THROTTLE_BURST * THROTTLE_EACH_MS * 2;
	for (int i = 0; i < THROTTLE_BURST; i++)
		assert_int_equal(throttle_fail(t, "192.0.2.1", now), 0);
	assert_true(throttle_fail(t, "192.0.2.1", now) > 0);
	throttle_free(t);
}

static void test_a_network_of_ipv6_is_one_address(void **state)
{
	struct throttle *t;
	struct err err;
	char peer[64];

	(void)state;
	assert_ok(throttle_new(&t, &err), &err);
	for (int i = 0; i < THROTTLE_BURST; i++) {
		snprintf(peer, sizeof(peer), "2001:db8:1:2::%x", (unsigned)i + 1);
		assert_int_equal(throttle_fail(t, peer, 5000), 0);
	}
	assert_true(throttle_fail(t, "2001:db8:1:2:ffff::9", 5000) > 0);
	assert_int_equal(throttle_fail(t, "2001:db8:1:3::1", 5000), 0);
	assert_int_equal(throttle_fail(t, NULL, 5000), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(throttle_fail(t, "unix", 5000), 0);
	assert_int_equal(throttle_count(t), 2);
	throttle_free(t);
}

static void test_the_table_of_addresses_is_bounded(void **state)
{
	struct throttle *t;
	struct err err;
	char peer[64];

	(void)state;
	assert_ok(throttle_new(&t, &err), &err);
	for (int i = 0; i < THROTTLE_BURST; i++)
		assert_int_equal(throttle_fail(t, "10.0.0.1", 5000), 0);
	for (unsigned i = 0; i < 3 * THROTTLE_MOST; i++) {
		snprintf(peer, sizeof(peer), "172.%u.%u.%u", 16 + (i >> 16), i >> 8 & 255,
			 i & 255);
		assert_int_equal(throttle_fail(t, peer, 5000), 0);
		if (i % 1000 == 0) /* who goes on failing is not forgotten */
			assert_true(throttle_fail(t, "10.0.0.1", 5000) > 0);
	}
	assert_int_equal(throttle_count(t), THROTTLE_MOST);
	throttle_free(t);
}

static void test_counting_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0;
	bool fired;

	(void)state;
	do {
		CLEANUP(throttle_free_at) struct throttle *t = NULL;
		int r;

		fault_at(++nth);
		r = throttle_new(&t, &err);
		if (r == 0)
			assert_int_equal(throttle_fail(t, "192.0.2.1", 1), 0);
		fired = fault_fired();
		if (r == 0)
			assert_int_equal(throttle_fail(t, "192.0.2.1", 1), 0);
		else
			assert_int_equal(r, -ERR_NOMEM);
	} while (fired);
	assert_true(nth > 2);
}

/* --- through the service ---------------------------------------------------------------------
 */

struct answer {
	int status, retry_after_s;
	const char *challenge;
	char body[2000];
};

static struct answer ask(struct scim_service *s, const char *authorization, const char *peer)
{
	struct scim_request req = { .method = HTTP_GET,
				    .path = STR("/v2/idp/Users"),
				    .authorization = authorization,
				    .id = "r-1",
				    .peer = peer };
	CLEANUP(buf_done) struct buf body;
	struct scim_response res = { .body = &body };
	struct answer a;

	buf_init(&body, 65536);
	assert_int_equal(scim_service_answer(s, &req, &res), HTTP_DONE);
	a = (struct answer){ res.status, res.retry_after_s, res.www_authenticate, "" };
	snprintf(a.body, sizeof(a.body), "%.*s", (int)body.len, body.p);
	return a;
}

static void test_who_fails_too_often_waits_but_a_good_token_opens(void **state)
{
	const struct scim_options options = { .public_url = "https://leaverd.example.com" };
	struct memory *m = memory_new();
	struct scim_service *s;
	struct answer a;
	struct err err;

	(void)state;
	memory_token(m, "good", "idp", SCIM_MAY_ALL, 0);
	assert_ok(scim_service_new(&s, memory_backend(m), &options, &err), &err);
	for (int i = 0; i < THROTTLE_BURST; i++) {
		a = ask(s, i % 2 ? "Bearer bad" : NULL, "192.0.2.1");
		assert_int_equal(a.status, 401);
		assert_string_equal(a.challenge,
				    i % 2 ? SCIM_AUTH_INVALID : SCIM_AUTH_CHALLENGE);
		assert_int_equal(a.retry_after_s, 0);
	}
	a = ask(s, "Bearer bad", "192.0.2.1");
	assert_int_equal(a.status, 429);
	assert_null(a.challenge);
	assert_in_range(a.retry_after_s, 1, THROTTLE_EACH_MS / 1000);
	assert_non_null(strstr(a.body, "\"status\":\"429\""));
	assert_int_equal(ask(s, "Bearer good", "192.0.2.1").status, 200);
	assert_int_equal(ask(s, "Bearer bad", "192.0.2.2").status, 401);
	scim_service_free(s);
	memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_open_or_are_told_how),
		cmocka_unit_test(
			test_a_store_that_cannot_be_asked_says_nothing_about_the_token),
		cmocka_unit_test(test_a_missing_right_is_an_insufficient_scope),
		cmocka_unit_test(test_an_address_fails_in_a_burst_and_then_slowly),
		cmocka_unit_test(test_a_network_of_ipv6_is_one_address),
		cmocka_unit_test(test_the_table_of_addresses_is_bounded),
		cmocka_unit_test(test_counting_survives_each_lost_allocation),
		cmocka_unit_test(test_who_fails_too_often_waits_but_a_good_token_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
