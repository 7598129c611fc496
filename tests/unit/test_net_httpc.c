/* The HTTP client against a scripted server: tries, budgets, deadlines, TLS, ends. */
#include "tests/unit/scripted.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "net/httpc.h"
#include "tests/lib/pem.h"

static struct scripted srv;
static struct httpc *http;

static void begin(scripted_fn answer, void *ctx)
{
	const struct httpc_options o = { .backoff_ms = 1 };
	struct err err;

	scripted_start(&srv, answer, ctx, NULL, NULL);
	assert_ok(httpc_new(&http, &o, &err), &err);
}

static void end(void)
{
	httpc_free(http);
	scripted_stop(&srv);
}

static const char *at(const char *path)
{
	static char url[4][256];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(url[n], sizeof(url[n]), "%s%s", srv.url, path);
	return url[n];
}

static struct httpc_request get(const char *path)
{
	return (struct httpc_request){ .method = "GET",
				       .url = at(path),
				       .via = { .allow_http = true } };
}

static void header(struct http_req *req, const char *name, const char *value)
{
	struct err err;

	assert_ok(http_reply_header(req, name, value, &err), &err);
}

static void answer_hello(struct scripted *s, unsigned nth, struct http_req *req,
			 struct http_reply *reply)
{
	(void)s;
	(void)nth;
	header(req, "X-One", "  spaced ");
	buf_add_text(&reply->body, "hello");
}

static void test_a_call_brings_status_headers_and_body(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	struct httpc_request q;
	struct str value;
	struct err err;

	(void)state;
	begin(answer_hello, NULL);
	q = get("/a%20b?c=d");
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.tries, 1);
	assert_true(str_eq(buf_str(&a.body), STR("hello")));
	assert_true(httpc_header(&a, "x-one", &value));
	assert_true(str_eq(value, STR("spaced")));
	assert_false(httpc_header(&a, "x-two", &value));
	assert_string_equal(scripted_request(&srv, 1), "GET /a%20b?c=d|||");
	end();
}

static void test_methods_bodies_and_secrets_arrive(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };
	const struct httpc_header headers[] = { { "X-Two", "2" }, { 0 } };
	CLEANUP(secret_done) struct secret auth = { 0 };
	struct err err;
	char wanted[128];

	(void)state;
	begin(answer_hello, NULL);
	assert_ok(secret_set(&auth, "Bearer s3cret", 13, &err), &err);
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q = get("/x");

		q.method = methods[i];
		q.authorization = &auth;
		q.headers = headers;
		q.body = STR("{\"a\":1}");
		q.content_type = "application/json";
		assert_ok(httpc_do(http, &q, &a, &err), &err);
		snprintf(wanted, sizeof(wanted),
			 "%s /x|Bearer s3cret|application/json|{\"a\":1}", methods[i]);
		assert_string_equal(scripted_request(&srv, (unsigned)i + 1), wanted);
	}
	for (size_t i = 0; i < 2; i++) { /* without a body, nothing is said about one */
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q = get("/y");

		q.method = i ? "DELETE" : "POST";
		assert_ok(httpc_do(http, &q, &a, &err), &err);
		snprintf(wanted, sizeof(wanted), "%s /y|||", q.method);
		assert_string_equal(scripted_request(&srv, (unsigned)i + 5), wanted);
	}
	end();
}

/* --- another try -------------------------------------------------------------------------- */

static void answer_third_time(struct scripted *s, unsigned nth, struct http_req *req,
			      struct http_reply *reply)
{
	const int *bad = s->ctx;

	buf_add_text(&reply->body, "body");
	if (nth >= 3)
		return;
	if (*bad > 0)
		reply->status = *bad;
	else
		http_req_abort(req, *bad == 0 ? 0 : 2, *bad == -2);
	header(req, "Retry-After", "0");
}

static void test_what_passes_is_tried_again_until_it_is_well(void **state)
{
	static const int bads[] = { 429, 500, 502, 503, 504, 0, -1, -2 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q;

		begin(answer_third_time, (void *)(uintptr_t)&bads[i]);
		q = get("/x");
		assert_ok(httpc_do(http, &q, &a, &err), &err);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.tries, 3);
		assert_true(str_eq(buf_str(&a.body), STR("body"))); /* nothing of before */
		end();
	}
}

static void answer_always(struct scripted *s, unsigned nth, struct http_req *req,
			  struct http_reply *reply)
{
	(void)nth;
	reply->status = *(int *)s->ctx;
	header(req, "Retry-After", "0");
	buf_add_text(&reply->body, "why");
}

static void answer_busy(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	(void)s;
	(void)nth;
	(void)req;
	reply->status = 503;
}

/* A second try that would begin after the deadline is none: the wait is the request's own. */
static void test_a_request_names_its_own_wait_before_the_second_try(void **state)
{
	static const struct {
		int64_t backoff_ms;
		unsigned tries;
	} rows[] = { { 0, 4 }, { 2, 4 }, { 600000, 1 } };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q;

		begin(answer_busy, NULL);
		q = get("/x");
		q.deadline_ms = 15000;
		q.backoff_ms = rows[i].backoff_ms;
		assert_ok(httpc_do(http, &q, &a, &err), &err);
		assert_int_equal(a.status, 503);
		assert_int_equal(a.tries, rows[i].tries);
		end();
	}
}

static void test_when_tries_run_out_the_last_answer_stands(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	struct httpc_request q;
	struct err err;
	int status = 503;

	(void)state;
	begin(answer_always, &status);
	q = get("/x");
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_int_equal(a.status, 503);
	assert_int_equal(a.tries, 4);
	assert_true(str_eq(buf_str(&a.body), STR("why")));
	assert_int_equal(scripted_asked(&srv), 4);
	end();
}

static void test_refusals_and_redirects_are_answers_at_once(void **state)
{
	static int rows[] = { 400, 401, 403, 404, 409, 415, 301, 302, 307 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q;

		begin(answer_always, &rows[i]);
		q = get("/x");
		assert_ok(httpc_do(http, &q, &a, &err), &err);
		assert_int_equal(a.status, rows[i]);
		assert_int_equal(scripted_asked(&srv), 1);
		end();
	}
}

static void answer_never(struct scripted *s, unsigned nth, struct http_req *req,
			 struct http_reply *reply)
{
	(void)s;
	(void)nth;
	(void)reply;
	http_req_abort(req, 0, false);
}

static void test_a_dead_server_is_a_sentence_with_the_number_of_tries(void **state)
{
	struct httpc_answer a;
	struct httpc_request q;
	struct err err;

	(void)state;
	begin(answer_never, NULL);
	q = get("/thing?secret=1");
	assert_fault(httpc_do(http, &q, &a, &err), ERR_NETWORK, &err,
		     "GET /thing of 127.0.0.1");
	assert_non_null(strstr(err.text, "(4 tries)"));
	assert_null(strstr(err.text, "secret"));
	q.retry = RETRY_IF_NOT_SENT; /* it arrived: once is enough */
	scripted_forget(&srv);
	assert_fault(httpc_do(http, &q, &a, &err), ERR_NETWORK, &err, "GET /thing");
	assert_int_equal(scripted_asked(&srv), 1);
	end();
}

static void test_nobody_listening_is_told(void **state)
{
	struct httpc_answer a;
	struct httpc_request q;
	struct err err;
	char url[64];

	(void)state;
	begin(answer_hello, NULL);
	snprintf(url, sizeof(url), "%s", srv.url);
	scripted_stop(&srv);
	q = (struct httpc_request){ .method = "GET",
				    .url = url,
				    .via = { .allow_http = true } };
	q.retry = RETRY_IF_NOT_SENT; /* may be tried again: it never arrived */
	assert_fault(httpc_do(http, &q, &a, &err), ERR_NETWORK, &err, "(4 tries)");
	httpc_free(http);
}

/* --- bounds ------------------------------------------------------------------------------- */

static void answer_long(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	(void)s;
	(void)nth;
	(void)req;
	for (int i = 0; i < 1000; i++)
		buf_addf(&reply->body, "%0100d", i);
}

static void test_an_answer_beyond_its_bound_is_refused(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer whole = { 0 };
	struct httpc_answer a;
	struct httpc_request q;
	struct err err;

	(void)state;
	begin(answer_long, NULL);
	q = get("/x");
	q.max_body_bytes = 99999;
	assert_fault(httpc_do(http, &q, &a, &err), ERR_LIMIT, &err, "longer than 99999");
	assert_int_equal(scripted_asked(&srv), 1);
	q.max_body_bytes = 100000;
	assert_ok(httpc_do(http, &q, &whole, &err), &err);
	assert_int_equal(whole.body.len, 100000);
	end();
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

/* Holds every request until the gate opens. */
static void answer_gated(struct scripted *s, unsigned nth, struct http_req *req,
			 struct http_reply *reply)
{
	(void)s;
	(void)nth;
	(void)req;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	buf_add_text(&reply->body, "late");
}

static void test_a_deadline_ends_the_call_whatever_the_server_does(void **state)
{
	struct httpc_answer a;
	struct httpc_request q;
	struct err err;

	(void)state;
	begin(answer_gated, NULL);
	pthread_mutex_lock(&gate);
	q = get("/x");
	q.deadline_ms = 50;
	assert_fault(httpc_do(http, &q, &a, &err), ERR_TIMEOUT, &err, "GET /x");
	pthread_mutex_unlock(&gate);
	end();
}

static void answer_asks_for_an_hour(struct scripted *s, unsigned nth, struct http_req *req,
				    struct http_reply *reply)
{
	(void)s;
	(void)nth;
	reply->status = 429;
	header(req, "Retry-After", "3600");
	buf_add_text(&reply->body, "rate");
}

static void test_a_wait_beyond_the_deadline_is_not_begun(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	const struct rate_rule rule = { .name = "t", .per_second = 100 };
	struct httpc_request q;
	struct httpc_answer none;
	struct err err;

	(void)state;
	begin(answer_asks_for_an_hour, NULL);
	q = get("/x");
	assert_ok(httpc_budget(http, &rule, &q.budget, &err), &err);
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_int_equal(a.status, 429);
	assert_int_equal(scripted_asked(&srv), 1);
	/* The budget stays closed: the next call is not sent into it. */
	q.deadline_ms = 20;
	assert_fault(httpc_do(http, &q, &none, &err), ERR_TIMEOUT, &err, "rate limit");
	assert_int_equal(scripted_asked(&srv), 1);
	assert_true(httpc_budget_rate(http, q.budget) == 0);
	end();
}

static void answer_counts_down(struct scripted *s, unsigned nth, struct http_req *req,
			       struct http_reply *reply)
{
	char text[32];

	(void)s;
	snprintf(text, sizeof(text), "%u", nth <= 1000 ? 1000 - nth : 0);
	header(req, "X-RateLimit-Limit", "1000");
	header(req, "X-RateLimit-Remaining", text);
	header(req, "X-RateLimit-Reset", "10");
	buf_add_text(&reply->body, "ok");
}

static void test_headers_teach_the_budget_its_speed(void **state)
{
	const struct rate_rule rule = { .name = "t", .per_second = 1, .most_per_second = 500 };
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	struct httpc_request q;
	struct err err;

	(void)state;
	begin(answer_counts_down, NULL);
	q = get("/x");
	assert_ok(httpc_budget(http, &rule, &q.budget, &err), &err);
	assert_true(httpc_budget_rate(http, q.budget) <= 1);
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_true(httpc_budget_rate(http, q.budget) > 90);
	end();
}

static void test_while_the_other_side_is_away_each_call_is_tried_once(void **state)
{
	static const unsigned tries[] = { 4, 4, 2, 1,
					  1 }; /* the tenth try in a row breaks it */
	const struct rate_rule rule = { .name = "t", .per_second = 1000, .burst = 100 };
	struct httpc_request q;
	struct err err;
	int status = 503;

	(void)state;
	begin(answer_always, &status);
	q = get("/x");
	assert_ok(httpc_budget(http, &rule, &q.budget, &err), &err);
	for (size_t i = 0; i < COUNT_OF(tries); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };

		assert_ok(httpc_do(http, &q, &a, &err), &err);
		assert_int_equal(a.status, 503);
		assert_int_equal(a.tries, tries[i]);
	}
	status = 404; /* it is there again */
	for (unsigned n = 1; n <= 4; n += 3) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };

		assert_ok(httpc_do(http, &q, &a, &err), &err);
		assert_int_equal(a.status, status);
		assert_int_equal(a.tries, n);
		status = 500; /* and a trouble is tried again as ever */
	}
	end();
}

static void test_a_budget_limits_what_is_under_way_together(void **state)
{
	const struct rate_rule rule = {
		.name = "t", .per_second = 1000, .burst = 10, .at_once = 2
	};
	struct httpc_call *calls[6];
	struct httpc_request q;
	struct err err;

	(void)state;
	begin(answer_gated, NULL);
	pthread_mutex_lock(&gate);
	q = get("/x");
	assert_ok(httpc_budget(http, &rule, &q.budget, &err), &err);
	for (size_t i = 0; i < COUNT_OF(calls); i++)
		assert_ok(httpc_submit(http, &q, &calls[i], &err), &err);
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };

		assert_ok(httpc_collect(calls[i], &a, &err), &err);
		assert_int_equal(a.status, 200);
	}
	assert_int_equal(scripted_asked(&srv), 6);
	end();
}

static void test_budgets_are_bounded_and_their_places_used_again(void **state)
{
	const struct rate_rule rule = { .name = "t", .per_second = 1 };
	unsigned ids[HTTPC_BUDGETS_MAX], n = 0, one;
	struct err err;

	(void)state;
	begin(answer_hello, NULL);
	while (httpc_budget(http, &rule, &ids[n], &err) == 0)
		n++;
	assert_int_equal(n, HTTPC_BUDGETS_MAX - 1);
	assert_fault(httpc_budget(http, &rule, &one, &err), ERR_LIMIT, &err, "255");
	httpc_budget_drop(http, ids[7]);
	assert_ok(httpc_budget(http, &rule, &one, &err), &err);
	assert_int_equal(one, ids[7]);
	end();
}

static void test_urgent_calls_go_first(void **state)
{
	const struct rate_rule rule = { .name = "t", .per_second = 1000, .at_once = 1 };
	struct httpc_call *calls[4];
	struct err err;
	unsigned budget;

	(void)state;
	begin(answer_gated, NULL);
	assert_ok(httpc_budget(http, &rule, &budget, &err), &err);
	pthread_mutex_lock(&gate);
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		static const char *const paths[] = { "/first", "/routine", "/routine",
						     "/urgent" };
		struct httpc_request q = get(paths[i]);

		q.budget = budget;
		q.urgent = i == 3;
		assert_ok(httpc_submit(http, &q, &calls[i], &err), &err);
		while (i == 0 && httpd_active(srv.h) == 0)
			sched_yield(); /* the first holds the only place */
	}
	pthread_mutex_unlock(&gate);
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };

		assert_ok(httpc_collect(calls[i], &a, &err), &err);
	}
	assert_non_null(strstr(scripted_request(&srv, 2), "/urgent"));
	end();
}

static void test_too_many_calls_at_once_are_refused(void **state)
{
	const struct httpc_options o = { .calls = 1 };
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	struct httpc_call *one, *two;
	struct httpc_request q;
	struct err err;

	(void)state;
	scripted_start(&srv, answer_hello, NULL, NULL, NULL);
	assert_ok(httpc_new(&http, &o, &err), &err);
	q = get("/x");
	assert_ok(httpc_submit(http, &q, &one, &err), &err);
	assert_fault(httpc_submit(http, &q, &two, &err), ERR_LIMIT, &err, "more than 1");
	assert_ok(httpc_collect(one, &a, &err), &err);
	end();
}

/* --- ends --------------------------------------------------------------------------------- */

static void test_stopping_ends_waiting_and_running_calls(void **state)
{
	const struct rate_rule rule = { .name = "t", .per_second = 0.001 };
	struct httpc_call *running, *waiting;
	struct httpc_request q;
	struct httpc_answer a;
	struct err err;

	(void)state;
	begin(answer_gated, NULL);
	pthread_mutex_lock(&gate);
	q = get("/x");
	assert_ok(httpc_budget(http, &rule, &q.budget, &err), &err);
	assert_ok(httpc_submit(http, &q, &running, &err), &err);
	while (httpd_active(srv.h) == 0)
		sched_yield();
	assert_ok(httpc_submit(http, &q, &waiting, &err), &err);
	httpc_stop(http);
	assert_fault(httpc_collect(running, &a, &err), ERR_CANCELLED, &err, "cancelled");
	assert_fault(httpc_collect(waiting, &a, &err), ERR_CANCELLED, &err, "cancelled");
	assert_fault(httpc_do(http, &q, &a, &err), ERR_CANCELLED, &err, "cancelled");
	pthread_mutex_unlock(&gate);
	end();
}

static void test_one_call_can_be_cancelled(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer b = { 0 };
	struct httpc_call *one, *two;
	struct httpc_request q;
	struct httpc_answer a;
	struct err err;

	(void)state;
	begin(answer_gated, NULL);
	pthread_mutex_lock(&gate);
	q = get("/x");
	assert_ok(httpc_submit(http, &q, &one, &err), &err);
	assert_ok(httpc_submit(http, &q, &two, &err), &err);
	httpc_cancel(one);
	assert_fault(httpc_collect(one, &a, &err), ERR_CANCELLED, &err, "cancelled");
	pthread_mutex_unlock(&gate);
	assert_ok(httpc_collect(two, &b, &err), &err);
	end();
}

#define THREADS 4
#define EACH 50

static void *ask_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++) {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q = { .method = "GET",
					   .url = srv.url,
					   .via = { .allow_http = true } };
		struct err err;

		if (httpc_do(http, &q, &a, &err) < 0 || a.status != 200)
			return &srv;
	}
	return NULL;
}

static void test_many_threads_share_one_client(void **state)
{
	pthread_t t[THREADS];
	void *failed;

	(void)state;
	begin(answer_hello, NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, ask_many, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(scripted_asked(&srv), THREADS * EACH);
	end();
}

/* --- what is asked at all ----------------------------------------------------------------- */

static const struct {
	const char *url;
	bool allow_http;
	const char *says;
} refused[] = {
	{ "http://127.0.0.1:1/x", false, "http:// is not asked" },
	{ "http://192.0.2.1/x", true, "http:// is not asked" },
	{ "http://localhost.example.com/x", true, "http:// is not asked" },
	{ "ftp://127.0.0.1/x", true, "ftp:// is not asked" },
	{ "file:///etc/passwd", true, "is no URL" },
	{ "https://user:pass@127.0.0.1/x", true, "login" },
	{ "not a url", true, "is no URL" },
	{ "", true, "is no URL" },
};

static void test_only_verified_ways_out_are_taken(void **state)
{
	struct err err;

	(void)state;
	begin(answer_hello, NULL);
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct httpc_request q = { .method = "GET",
					   .url = refused[i].url,
					   .via = { .allow_http = refused[i].allow_http } };
		struct httpc_answer a;

		assert_fault(httpc_do(http, &q, &a, &err), ERR_CONFIG, &err, refused[i].says);
		assert_null(strstr(err.text, "pass@"));
	}
	end();
}

static void test_a_certificate_must_verify(void **state)
{
	static const struct httpc_options o = { .backoff_ms = 1 };
	char folder[] = "/tmp/leaverd-httpc-XXXXXX", cert[64], key[64], other[64],
	     other_key[64];
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	CLEANUP(httpc_answer_done) struct httpc_answer b = { 0 };
	struct httpc_request q = { .method = "GET" };
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	snprintf(other, sizeof(other), "%s/other.pem", folder);
	snprintf(other_key, sizeof(other_key), "%s/other-key.pem", folder);
	assert_true(pem_make(cert, key, "first"));
	assert_true(pem_make(other, other_key, "second"));
	scripted_start(&srv, answer_hello, NULL, cert, key);
	assert_ok(httpc_new(&http, &o, &err), &err);

	q.url = srv.url;
	assert_fault(httpc_do(http, &q, &a, &err), ERR_TLS, &err, "127.0.0.1");
	q.via.ca_file = other;
	assert_fault(httpc_do(http, &q, &a, &err), ERR_TLS, &err, NULL);
	q.via.ca_file = cert;
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_int_equal(a.status, 200);
	/* A server that takes a new certificate up is met with it by the next connection. */
	assert_int_equal(rename(other, cert), 0);
	assert_fault(httpd_reload_tls(srv.h, &err), ERR_TLS, &err,
		     NULL); /* key not yet there */
	assert_int_equal(rename(other_key, key), 0);
	assert_ok(httpd_reload_tls(srv.h, &err), &err);
	httpc_free(http);
	assert_ok(httpc_new(&http, &o, &err), &err);
	assert_ok(httpc_do(http, &q, &b, &err), &err);
	assert_int_equal(b.status, 200);
	end();
	unlink(cert);
	unlink(key);
	assert_int_equal(rmdir(folder), 0);
}

static void test_the_environment_names_no_proxy(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	struct httpc_request q;
	struct err err;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	begin(answer_hello, NULL);
	q = get("/x");
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_int_equal(a.status, 200);
	end();
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

static void test_a_configured_proxy_is_asked(void **state)
{
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	CLEANUP(secret_done) struct secret login = { 0 };
	struct httpc_request q;
	struct err err;

	(void)state;
	begin(answer_hello, NULL);
	assert_ok(secret_set(&login, "me:pw", 5, &err), &err);
	q = get("/x");
	q.url = "http://127.0.0.1:1/through";
	q.via.proxy = srv.url;
	q.via.proxy_login = &login;
	assert_ok(httpc_do(http, &q, &a, &err), &err);
	assert_non_null(strstr(scripted_request(&srv, 1), "GET http://127.0.0.1:1/through"));
	end();
}

/* --- lost memory -------------------------------------------------------------------------- */

static void test_submitting_survives_each_lost_allocation(void **state)
{
	struct httpc_request q;
	struct err err;
	int nth = 0, r;

	(void)state;
	begin(answer_hello, NULL);
	q = get("/x");
	q.body = STR("{}");
	q.content_type = "application/json";
	q.method = "POST";
	do {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_call *call;

		fault_at(++nth);
		r = httpc_submit(http, &q, &call, &err);
		assert_true(!fault_fired() || r == -ERR_NOMEM);
		if (r == 0)
			r = httpc_collect(call, &a, &err);
	} while (r == -ERR_NOMEM);
	assert_ok(r, &err);
	assert_true(nth > 5);
	end();
}

/* curl's own memory, in the client's thread: the n-th allocation from now is lost. */
static atomic_int curl_countdown;

static void *curl_memory(size_t bytes)
{
	return atomic_fetch_sub(&curl_countdown, 1) == 1 ? NULL : malloc(bytes);
}

static void test_a_call_survives_each_allocation_that_curl_loses(void **state)
{
	int nth = 0, lost = 0;
	struct err err;

	(void)state;
	do {
		CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
		struct httpc_request q;

		begin(answer_hello, NULL);
		q = get("/x");
		atomic_store(&curl_countdown, ++nth);
		if (httpc_do(http, &q, &a, &err) < 0)
			lost++;
		else
			assert_int_equal(a.status, 200);
		nth += atomic_load(&curl_countdown) > 0 ? 1000000 : 0;
		end();
	} while (nth < 1000000);
	assert_true(lost > 5);
}

static int start_curl(void **state)
{
	struct err err;

	(void)state;
	httpc_allocator(curl_memory);
	return httpc_start(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_brings_status_headers_and_body),
		cmocka_unit_test(test_methods_bodies_and_secrets_arrive),
		cmocka_unit_test(test_what_passes_is_tried_again_until_it_is_well),
		cmocka_unit_test(test_a_request_names_its_own_wait_before_the_second_try),
		cmocka_unit_test(test_when_tries_run_out_the_last_answer_stands),
		cmocka_unit_test(test_refusals_and_redirects_are_answers_at_once),
		cmocka_unit_test(test_a_dead_server_is_a_sentence_with_the_number_of_tries),
		cmocka_unit_test(test_nobody_listening_is_told),
		cmocka_unit_test(test_an_answer_beyond_its_bound_is_refused),
		cmocka_unit_test(test_a_deadline_ends_the_call_whatever_the_server_does),
		cmocka_unit_test(test_a_wait_beyond_the_deadline_is_not_begun),
		cmocka_unit_test(test_headers_teach_the_budget_its_speed),
		cmocka_unit_test(test_while_the_other_side_is_away_each_call_is_tried_once),
		cmocka_unit_test(test_a_budget_limits_what_is_under_way_together),
		cmocka_unit_test(test_budgets_are_bounded_and_their_places_used_again),
		cmocka_unit_test(test_urgent_calls_go_first),
		cmocka_unit_test(test_too_many_calls_at_once_are_refused),
		cmocka_unit_test(test_stopping_ends_waiting_and_running_calls),
		cmocka_unit_test(test_one_call_can_be_cancelled),
		cmocka_unit_test(test_many_threads_share_one_client),
		cmocka_unit_test(test_only_verified_ways_out_are_taken),
		cmocka_unit_test(test_a_certificate_must_verify),
		cmocka_unit_test(test_the_environment_names_no_proxy),
		cmocka_unit_test(test_a_configured_proxy_is_asked),
		cmocka_unit_test(test_submitting_survives_each_lost_allocation),
		cmocka_unit_test(test_a_call_survives_each_allocation_that_curl_loses),
	};

	return cmocka_run_group_tests(tests, start_curl, NULL);
}
