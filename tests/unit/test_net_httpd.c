/* The HTTP server over real sockets: what well-behaved, clumsy and hostile clients get. */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/worker.h"
#include "net/httpd.h"

#define WAIT_MS 10000

/* --- a client that knows nothing but bytes ------------------------------------------------ */

static int dial(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return; /* the server may have hung up already: the answer tells */
		text += n;
		len -= (size_t)n;
	}
}

/* Reads one byte block; 0 at the end, -1 on a reset. Fails the test when nothing comes. */
static ssize_t hear(int fd, char *into, size_t room)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	return recv(fd, into, room, 0);
}

struct answer {
	int status; /* 0: the connection ended without one */
	char text[131072];
	size_t len;
	char *body;
	size_t body_len;
	bool reset, cut;
};

static const char *header_of(const struct answer *a, const char *name)
{
	static char value[512];
	const char *line = a->text;
	size_t len = strlen(name);

	while ((line = strstr(line, "\r\n")) && line + 2 < a->body) {
		line += 2;
		if (!strncasecmp(line, name, len) && line[len] == ':') {
			snprintf(value, sizeof(value), "%.*s",
				 (int)(strstr(line, "\r\n") - line - (long)len - 2),
				 line + len + 2);
			return value;
		}
	}
	return NULL;
}

/* Reads one answer: to its Content-Length, to the final chunk, or to the end. */
static void read_answer(int fd, struct answer *a, bool head)
{
	const char *length;
	ssize_t n = 1;

	memset(a, 0, sizeof(*a));
	while (n > 0) {
		a->text[a->len] = '\0';
		a->body = strstr(a->text, "\r\n\r\n");
		if (a->body) {
			a->body += 4;
			a->body_len = a->len - (size_t)(a->body - a->text);
			length = header_of(a, "Content-Length");
			if (head || (length && a->body_len >= strtoul(length, NULL, 10)))
				break;
			if (!length && header_of(a, "Transfer-Encoding") &&
			    strstr(a->body, "0\r\n\r\n"))
				break;
			if (!length && !header_of(a, "Transfer-Encoding") &&
			    !strncmp(a->text + 9, "204", 3))
				break;
		}
		n = hear(fd, a->text + a->len, sizeof(a->text) - 1 - a->len);
		if (n > 0)
			a->len += (size_t)n;
	}
	a->reset = n < 0;
	a->cut = n <= 0;
	a->text[a->len] = '\0';
	if (a->len > 12)
		a->status = (int)strtol(a->text + 9, NULL, 10);
}

static struct answer got;

static void ask_on(int fd, const char *request)
{
	say(fd, request);
	read_answer(fd, &got, !strncmp(request, "HEAD", 4));
}

/* --- a server to be asked ----------------------------------------------------------------- */

static struct {
	struct httpd *h;
	struct httpd_options o;
	atomic_int after, freed, streamed, kept;
	atomic_int last_status;
	pthread_t thread;
	_Atomic(struct http_req *) parked;
	bool resume_at_once;
} srv;

static int answer_echo(void *ctx, struct http_req *req, struct http_reply *reply,
		       struct err *err)
{
	struct str q = STR("(none)");

	assert_ptr_equal(ctx, &srv);
	http_req_query(req, "q", &q);
	reply->content_type = "text/plain";
	buf_addf(&reply->body, "%s path=" STR_FMT " id=" STR_FMT " q=" STR_FMT " peer=%s body=",
		 http_req_method_text(req), STR_ARG(http_req_path(req)),
		 STR_ARG(http_req_param(req, "id")), STR_ARG(q), http_req_peer(req));
	buf_add_str(&reply->body, http_req_body(req));
	return http_reply_header(req, "X-Request", http_req_id(req), err);
}

static int answer_fault(void *ctx, struct http_req *req, struct http_reply *reply,
			struct err *err)
{
	(void)ctx;
	buf_add_text(&reply->body, "half of a reply");
	assert_ok(http_reply_header(req, "X-Half", "1", err), err);
	return err_set(err, ERR_CONFLICT, "somebody was faster");
}

static int answer_header(void *ctx, struct http_req *req, struct http_reply *reply,
			 struct err *err)
{
	(void)ctx;
	(void)reply;
	return http_reply_header(req, "X-Bad", "a\r\nX-Injected: b", err);
}

static void count_free(void *p)
{
	atomic_fetch_add((atomic_int *)p, 1);
}

static ssize_t stream_three(void *ctx, char *into, size_t room)
{
	int n = atomic_fetch_add((atomic_int *)ctx, 1);

	(void)room;
	if (n == 3)
		return 0;
	memcpy(into, "part.", 5);
	return 5;
}

static int answer_stream(void *ctx, struct http_req *req, struct http_reply *reply,
			 struct err *err)
{
	(void)ctx;
	(void)req;
	(void)err;
	atomic_store(&srv.streamed, 0);
	reply->stream = stream_three;
	reply->stream_ctx = &srv.streamed;
	reply->stream_done = NULL;
	return 0;
}

static void stream_over(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&srv.freed, 1);
}

static ssize_t stream_breaks(void *ctx, char *into, size_t room)
{
	(void)ctx;
	(void)into;
	(void)room;
	return -1;
}

static int answer_broken_stream(void *ctx, struct http_req *req, struct http_reply *reply,
				struct err *err)
{
	(void)ctx;
	(void)req;
	(void)err;
	reply->stream = stream_breaks;
	reply->stream_done = stream_over;
	return 0;
}

static void fill_parked(struct http_req *req)
{
	buf_add_text(&http_req_reply(req)->body, "later");
	http_req_reply(req)->status = 201;
	http_req_resume(req);
}

static void *resume_thread(void *arg)
{
	(void)arg;
	for (;;) {
		struct http_req *req = atomic_exchange(&srv.parked, NULL);

		if (req == (struct http_req *)&srv)
			return NULL;
		if (req)
			fill_parked(req);
		else
			sched_yield();
	}
}

static int answer_parked(void *ctx, struct http_req *req, struct http_reply *reply,
			 struct err *err)
{
	(void)ctx;
	(void)reply;
	(void)err;
	http_req_keep(req, &srv.kept, count_free);
	assert_ptr_equal(http_req_kept(req), &srv.kept);
	if (srv.resume_at_once) {
		fill_parked(req);
	} else {
		struct http_req *none = NULL;

		while (!atomic_compare_exchange_weak(&srv.parked, &none, req))
			none = NULL;
	}
	return HTTP_PARKED;
}

/* Called twice: again, and on even turns by another thread. */
static void *again_thread(void *req)
{
	http_req_again(req);
	return NULL;
}

static int answer_again(void *ctx, struct http_req *req, struct http_reply *reply,
			struct err *err)
{
	static atomic_int turn;
	pthread_t thread;

	(void)ctx;
	(void)err;
	buf_add_text(&reply->body, http_req_kept(req) ? "2" : "1");
	if (http_req_kept(req))
		return 0;
	http_req_keep(req, &srv.kept, count_free);
	if (atomic_fetch_add(&turn, 1) % 2) {
		http_req_again(req);
	} else {
		if (pthread_create(&thread, NULL, again_thread, req) != 0)
			abort();
		pthread_detach(thread);
	}
	return HTTP_PARKED;
}

static int answer_cred(void *ctx, struct http_req *req, struct http_reply *reply,
		       struct err *err)
{
	uid_t uid = 4711;
	pid_t pid = 4711;
	bool known = http_req_cred(req, &uid, &pid);

	(void)ctx;
	(void)err;
	buf_addf(&reply->body, "%d %u %d %s", known, (unsigned)uid, (int)pid,
		 http_req_peer(req));
	return 0;
}

static int answer_nothing(void *ctx, struct http_req *req, struct http_reply *reply,
			  struct err *err)
{
	(void)ctx;
	(void)req;
	(void)err;
	reply->status = 204;
	return 0;
}

/* Loses the n-th allocation from now in the server's only thread. */
static int answer_arm(void *ctx, struct http_req *req, struct http_reply *reply,
		      struct err *err)
{
	struct str n = STR("0");

	(void)ctx;
	(void)err;
	http_req_query(req, "n", &n);
	reply->status = 204;
	fault_at((int)strtol(n.p, NULL, 10));
	return 0;
}

static int answer_disarm(void *ctx, struct http_req *req, struct http_reply *reply,
			 struct err *err)
{
	(void)ctx;
	(void)req;
	(void)err;
	reply->status = fault_fired() ? 200 : 204;
	return 0;
}

static const struct http_route routes[] = {
	{ .method = HTTP_GET, .path = "/things/{id}", .handler = answer_echo },
	{ .method = HTTP_PUT, .path = "/things/{id}", .handler = answer_echo },
	{ .method = HTTP_DELETE, .path = "/things/{id}", .handler = answer_nothing },
	{ .method = HTTP_POST, .path = "/small", .handler = answer_echo, .max_body_bytes = 16 },
	{ .method = HTTP_POST, .path = "/things", .handler = answer_echo },
	{ .method = HTTP_GET, .path = "/fault", .handler = answer_fault },
	{ .method = HTTP_GET, .path = "/header", .handler = answer_header },
	{ .method = HTTP_GET, .path = "/stream", .handler = answer_stream },
	{ .method = HTTP_GET, .path = "/broken", .handler = answer_broken_stream },
	{ .method = HTTP_GET, .path = "/parked", .handler = answer_parked },
	{ .method = HTTP_GET, .path = "/again", .handler = answer_again },
	{ .method = HTTP_GET, .path = "/cred", .handler = answer_cred },
	{ .method = HTTP_GET, .path = "/arm", .handler = answer_arm },
	{ .method = HTTP_GET, .path = "/disarm", .handler = answer_disarm },
	{ 0 },
};

static void after(void *ctx, const struct http_req *req, int status, int64_t took_ms)
{
	(void)ctx;
	assert_true(took_ms >= 0);
	assert_non_null(http_req_method_text(req));
	atomic_store(&srv.last_status, status);
	atomic_fetch_add(&srv.after, 1);
}

static void start(struct httpd_options o)
{
	struct err err;

	memset(&srv, 0, sizeof(srv));
	srv.o = o;
	if (!o.listen)
		srv.o.listen = "127.0.0.1:0";
	if (!o.any)
		srv.o.routes = routes;
	srv.o.ctx = &srv;
	srv.o.after = after;
	assert_ok(httpd_start(&srv.h, &srv.o, &err), &err);
}

static void stop(void)
{
	httpd_quiesce(srv.h);
	httpd_stop(srv.h);
}

static void ask(const char *request)
{
	int fd = dial(httpd_port(srv.h));

	ask_on(fd, request);
	close(fd);
}

#define HOST "Host: x\r\n"
#define CLOSE HOST "Connection: close\r\n\r\n"

/* --- tests -------------------------------------------------------------------------------- */

static const struct {
	const char *request;
	int status;
	const char *says;
} exchanges[] = {
	{ "GET /things/7 HTTP/1.1\r\n" CLOSE, 200, "GET path=/things/7 id=7 q=(none)" },
	{ "GET //things//7/ HTTP/1.1\r\n" CLOSE, 200, "path=/things/7 id=7" },
	{ "GET /things/a%2Fb HTTP/1.1\r\n" CLOSE, 200, "path=/things/a/b id=a/b" },
	{ "GET /things/a%2fb?q=%41 HTTP/1.1\r\n" CLOSE, 200, "id=a/b q=A" },
	{ "GET /%74hings/7 HTTP/1.1\r\n" CLOSE, 200, "path=/things/7" },
	/* '+' is a blank, unless whoever wrote the query writes blanks as %20 */
	{ "GET /things/7?q=a+b HTTP/1.1\r\n" CLOSE, 200, "q=a b " },
	{ "GET /things/7?q=a+b%20c HTTP/1.1\r\n" CLOSE, 200, "q=a+b c " },
	{ "GET /things/7?x=1&q=first&q=second HTTP/1.1\r\n" CLOSE, 200, "q=first " },
	{ "GET /things/7?q HTTP/1.1\r\n" CLOSE, 200, "q= peer" },
	{ "GET /things/%zz HTTP/1.1\r\n" CLOSE, 400, "escape" },
	{ "GET /things/%00 HTTP/1.1\r\n" CLOSE, 400, "escape" },
	{ "GET /things/7?q=%4 HTTP/1.1\r\n" CLOSE, 400, "escape" },
	{ "GET /things/7?other=%zz HTTP/1.1\r\n" CLOSE, 400, "escape" },
	{ "GET /things/7?q=%00 HTTP/1.1\r\n" CLOSE, 400, "escape" },
	{ "GET /nothing HTTP/1.1\r\n" CLOSE, 404, "/nothing" },
	{ "POST /things/7 HTTP/1.1\r\nContent-Length: 0\r\n" CLOSE, 405, "POST" },
	{ "BREW /things/7 HTTP/1.1\r\n" CLOSE, 405, "BREW" },
	{ "PUT /things/7 HTTP/1.1\r\nContent-Length: 5\r\n" CLOSE "hello", 200, "body=hello" },
	{ "PUT /things/7 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE
	  "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
	  200, "body=hello" },
	{ "POST /small HTTP/1.1\r\nContent-Length: 16\r\n" CLOSE "0123456789abcdef", 200,
	  "body=0123456789abcdef" },
	{ "POST /small HTTP/1.1\r\nContent-Length: 17\r\n" CLOSE, 413, "17 bytes" },
	{ "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE
	  "11\r\n0123456789abcdefg\r\n0\r\n\r\n",
	  413, "longer than 16" },
	{ "POST /small HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" CLOSE, 413, NULL },
	/* smuggling: both framings, or two lengths */
	{ "POST /small HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n" CLOSE
	  "0\r\n\r\n",
	  400, NULL },
	{ "POST /small HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" CLOSE "abcd",
	  400, NULL },
	{ "GET /things/7 HTTP/1.1\r\n\r\n", 400, NULL }, /* no Host */
	{ "GET /fault HTTP/1.1\r\n" CLOSE, 409, "somebody was faster" },
	{ "GET /header HTTP/1.1\r\n" CLOSE, 500, "would break a line" },
	{ "DELETE /things/7 HTTP/1.1\r\n" CLOSE, 204, NULL },
	{ "GET /stream HTTP/1.1\r\n" CLOSE, 200, "part.part.part." },
};

static void test_requests_get_the_answers_that_they_should(void **state)
{
	(void)state;
	start((struct httpd_options){ 0 });
	for (size_t i = 0; i < COUNT_OF(exchanges); i++) {
		ask(exchanges[i].request);
		if (got.status != exchanges[i].status)
			fail_msg("row %zu: %d, not %d: %s", i, got.status, exchanges[i].status,
				 got.text);
		/* chunks of a stream are told apart by their sizes, which no row looks for */
		if (exchanges[i].says && !strstr(got.text, exchanges[i].says) &&
		    !strstr(got.text, "chunked"))
			fail_msg("row %zu does not say \"%s\": %s", i, exchanges[i].says,
				 got.text);
	}
	assert_null(strstr(got.text, "X-Injected"));
	stop();
}

static void test_a_known_path_with_another_method_says_what_is_allowed(void **state)
{
	(void)state;
	start((struct httpd_options){ 0 });
	ask("POST /things/7 HTTP/1.1\r\nContent-Length: 0\r\n" CLOSE);
	assert_int_equal(got.status, 405);
	assert_string_equal(header_of(&got, "Allow"), "GET, HEAD, PUT, DELETE");
	ask("GET /things HTTP/1.1\r\n" CLOSE);
	assert_string_equal(header_of(&got, "Allow"), "POST");
	stop();
}

static void test_a_fault_leaves_nothing_of_a_half_made_reply(void **state)
{
	(void)state;
	start((struct httpd_options){ 0 });
	ask("GET /fault HTTP/1.1\r\n" CLOSE);
	assert_null(header_of(&got, "X-Half"));
	assert_null(strstr(got.text, "half of"));
	stop();
}

static void test_head_is_answered_as_get_without_a_body(void **state)
{
	char length[32];

	(void)state;
	start((struct httpd_options){ 0 });
	ask("GET /things/7 HTTP/1.1\r\n" CLOSE);
	snprintf(length, sizeof(length), "%zu", got.body_len + 1); /* "HEAD" is one longer */
	ask("HEAD /things/7 HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	assert_string_equal(header_of(&got, "Content-Length"), length);
	assert_int_equal(got.body_len, 0);
	ask("HEAD /stream HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	stop();
}

static void test_one_connection_carries_many_requests(void **state)
{
	char first[32];
	int fd;

	(void)state;
	start((struct httpd_options){ 0 });
	fd = dial(httpd_port(srv.h));
	ask_on(fd, "GET /things/1 HTTP/1.1\r\n" HOST "\r\n");
	snprintf(first, sizeof(first), "%s", header_of(&got, "X-Request"));
	assert_int_equal(strlen(first), 14);
	ask_on(fd, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(got.status, 404);
	ask_on(fd, "PUT /things/2 HTTP/1.1\r\nContent-Length: 2\r\n" HOST "\r\nab");
	assert_non_null(strstr(got.text, "body=ab"));
	assert_string_not_equal(header_of(&got, "X-Request"), first);
	ask_on(fd, "HEAD /things/3 HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(got.status, 200);
	ask_on(fd, "GET /things/4 HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(got.text, "id=4"));
	close(fd);
	stop();
	assert_int_equal(atomic_load(&srv.after), 5);
}

static void test_a_parked_request_is_answered_by_another_thread(void **state)
{
	struct http_req *end = (struct http_req *)&srv, *none = NULL;
	int fd[4];

	(void)state;
	start((struct httpd_options){ .threads = 2 });
	assert_int_equal(pthread_create(&srv.thread, NULL, resume_thread, NULL), 0);
	for (int i = 0; i < 4; i++)
		fd[i] = dial(httpd_port(srv.h));
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 4; i++)
			say(fd[i], "GET /parked HTTP/1.1\r\n" HOST "\r\n");
		for (int i = 0; i < 4; i++) {
			read_answer(fd[i], &got, false);
			assert_int_equal(got.status, 201);
			assert_string_equal(got.body, "later");
		}
	}
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	while (!atomic_compare_exchange_weak(&srv.parked, &none, end))
		none = NULL;
	pthread_join(srv.thread, NULL);
	stop();
	assert_int_equal(atomic_load(&srv.after), 400);
	assert_int_equal(atomic_load(&srv.kept), 400);
}

static void test_a_request_resumed_before_its_handler_returned_is_answered(void **state)
{
	(void)state;
	start((struct httpd_options){ 0 });
	srv.resume_at_once = true;
	ask("GET /parked HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 201);
	stop();
	assert_int_equal(atomic_load(&srv.kept), 1);
}

static void test_a_client_that_leaves_while_parked_costs_nothing(void **state)
{
	struct http_req *req;
	int fd;

	(void)state;
	start((struct httpd_options){ 0 });
	fd = dial(httpd_port(srv.h));
	say(fd, "GET /parked HTTP/1.1\r\n" HOST "\r\n");
	while (!(req = atomic_exchange(&srv.parked, NULL)))
		sched_yield();
	close(fd);
	assert_true(httpd_active(srv.h) >= 1);
	fill_parked(req);
	ask("GET /things/1 HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	stop();
	assert_int_equal(atomic_load(&srv.kept), 1);
}

static void test_quiescing_refuses_the_new_and_serves_those_inside(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int inside, late;
	struct http_req *req;

	(void)state;
	start((struct httpd_options){ .threads = 2 });
	inside = dial(httpd_port(srv.h));
	say(inside, "GET /parked HTTP/1.1\r\n" HOST "\r\n");
	while (!(req = atomic_exchange(&srv.parked, NULL)))
		sched_yield();
	httpd_quiesce(srv.h);
	late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sa.sin_port = htons((uint16_t)httpd_port(srv.h));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(late, (struct sockaddr *)&sa, sizeof(sa)), -1);
	close(late);
	fill_parked(req);
	read_answer(inside, &got, false);
	assert_int_equal(got.status, 201);
	assert_string_equal(header_of(&got, "Connection"), "close");
	close(inside);
	httpd_stop(srv.h);
}

/* Resumed, and stopped before libmicrohttpd came to send it. */
static void test_stopping_sends_what_was_accepted(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct http_req *req;
		int fd;

		start((struct httpd_options){ .threads = 2 });
		fd = dial(httpd_port(srv.h));
		say(fd, "GET /parked HTTP/1.1\r\n" HOST "\r\n");
		while (!(req = atomic_exchange(&srv.parked, NULL)))
			sched_yield();
		httpd_quiesce(srv.h);
		fill_parked(req);
		httpd_stop(srv.h);
		read_answer(fd, &got, false);
		assert_int_equal(got.status, 201);
		assert_string_equal(got.body, "later");
		close(fd);
	}
}

/* libmicrohttpd's own way to stop accepting aborted the process, now and then. */
static void test_servers_stop_at_any_moment(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		int one, other;

		start((struct httpd_options){ .threads = i % 3 });
		one = dial(httpd_port(srv.h));
		other = dial(httpd_port(srv.h));
		if (i % 2)
			say(other, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
		stop();
		close(one);
		close(other);
	}
}

static void test_a_full_server_lets_callers_wait_for_who_is_served(void **state)
{
	struct answer a;
	struct pollfd p = { .events = POLLIN };
	struct http_req *req;
	int inside, waits;

	(void)state;
	start((struct httpd_options){ .connections = 1 });
	srv.resume_at_once = false;
	inside = dial(httpd_port(srv.h));
	say(inside, "GET /parked HTTP/1.1\r\nHost: h\r\n\r\n");
	while (!(req = atomic_load(&srv.parked)))
		sched_yield();
	waits = dial(httpd_port(srv.h));
	say(waits, "GET /things/1 HTTP/1.1\r\nHost: h\r\n\r\n");
	p.fd = waits;
	assert_int_equal(poll(&p, 1, 400), 0); /* a request under way keeps its place */
	atomic_store(&srv.parked, NULL);
	fill_parked(req);
	read_answer(inside, &a, false);
	assert_int_equal(a.status, 201);
	read_answer(waits, &a, false); /* the first is idle now, and makes room */
	assert_int_equal(a.status, 200);
	close(waits);
	close(inside);
	stop();
}

static void test_idle_connections_make_room_for_who_speaks(void **state)
{
	int idle[40];

	(void)state;
	start((struct httpd_options){ .connections = 8 });
	for (size_t i = 0; i < COUNT_OF(idle); i++)
		idle[i] = dial(httpd_port(srv.h));
	for (int i = 0; i < 10; i++) {
		ask("GET /things/1 HTTP/1.1\r\n" CLOSE);
		assert_int_equal(got.status, 200);
	}
	for (size_t i = 0; i < COUNT_OF(idle); i++)
		close(idle[i]);
	stop();
}

static void test_a_handler_may_ask_to_be_called_again(void **state)
{
	(void)state;
	start((struct httpd_options){ .threads = 2 });
	for (int i = 0; i < 20; i++) {
		ask("GET /again HTTP/1.1\r\n" CLOSE);
		assert_int_equal(got.status, 200);
		assert_string_equal(got.body, "12");
	}
	stop();
	assert_int_equal(atomic_load(&srv.after), 20);
}

static void test_credentials_and_hosts_are_said_once(void **state)
{
	static const char *const twice[] = {
		"GET /things/1 HTTP/1.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer "
		"b\r\n" CLOSE,
		"GET /things/1 HTTP/1.1\r\nHost: other\r\n" CLOSE,
	};

	(void)state;
	start((struct httpd_options){ 0 });
	for (size_t i = 0; i < COUNT_OF(twice); i++) {
		ask(twice[i]);
		assert_int_equal(got.status, 400);
	}
	stop();
}

static void test_slow_clients_are_ended_wherever_they_dawdle(void **state)
{
	static const char *const begins[] = {
		"",
		"GET /thi",
		"GET /things/1 HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"PUT /things/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
		"GET /things/1 HTTP/1.1\r\nHost: x\r\n\r\n", /* answered, then idle */
	};
	(void)state;
	start((struct httpd_options){ .timeout_ms = 100 });
	for (size_t i = 0; i < COUNT_OF(begins); i++) {
		int fd = dial(httpd_port(srv.h));
		char rest[4096];
		ssize_t n;

		say(fd, begins[i]);
		do {
			struct pollfd p = { .fd = fd, .events = POLLIN };

			/* A byte now and then keeps MHD's own timeout from ever coming. */
			if (begins[i][0] && i < 4)
				say(fd, "a");
			n = poll(&p, 1, 20) == 1 ? recv(fd, rest, sizeof(rest), 0) : 1;
		} while (n > 0);
		close(fd);
	}
	ask("GET /things/1 HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	stop();
}

static void test_a_header_block_beyond_the_limit_is_refused(void **state)
{
	char *request = malloc(70000);
	size_t at;

	(void)state;
	start((struct httpd_options){ 0 });
	assert_non_null(request);
	at = (size_t)snprintf(request, 70000, "GET /things/1 HTTP/1.1\r\n" HOST "X-Long: ");
	memset(request + at, 'a', 60000);
	memcpy(request + at + 60000, "\r\n\r\n", 5);
	ask(request);
	assert_true(got.status == 431 || got.status == 413 || got.status == 0);
	free(request);
	ask("GET /things/1 HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	stop();
}

static void test_an_endless_chunked_body_is_cut_off(void **state)
{
	char chunk[4200];
	int fd;

	(void)state;
	start((struct httpd_options){ .max_body_bytes = 1000 });
	fd = dial(httpd_port(srv.h));
	say(fd, "PUT /things/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE);
	snprintf(chunk, sizeof(chunk), "1000\r\n%04096d\r\n", 0);
	for (int i = 0; i < 2000; i++)
		say(fd, chunk);
	read_answer(fd, &got, false);
	assert_int_equal(got.status, 413);
	close(fd);
	stop();
}

static void test_an_address_has_only_its_share_of_connections(void **state)
{
	int fd[3];

	(void)state;
	start((struct httpd_options){ .connections_per_address = 2, .threads = 2 });
	for (int i = 0; i < 2; i++) {
		fd[i] = dial(httpd_port(srv.h));
		ask_on(fd[i], "GET /things/1 HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(got.status, 200);
	}
	fd[2] = dial(httpd_port(srv.h));
	ask_on(fd[2], "GET /things/1 HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(got.status, 0);
	ask_on(fd[0], "GET /things/1 HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	/* A place is free again once the server has seen the ends. */
	do {
		ask("GET /things/1 HTTP/1.1\r\n" CLOSE);
	} while (got.status != 200);
	stop();
}

static void test_only_trusted_proxies_speak_for_others(void **state)
{
	static const char *const proxies[] = { "127.0.0.0/8", "10.0.0.1", NULL };

	(void)state;
	start((struct httpd_options){ 0 });
	ask("GET /things/1 HTTP/1.1\r\nX-Forwarded-For: 192.0.2.7\r\n" CLOSE);
	assert_non_null(strstr(got.text, "peer=127.0.0.1 "));
	stop();
	start((struct httpd_options){ .trusted_proxies = proxies });
	ask("GET /things/1 HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9, 192.0.2.7, "
	    "10.0.0.1\r\n" CLOSE);
	assert_non_null(strstr(got.text, "peer=192.0.2.7 "));
	/* a client's own line stands first: what the proxy saw is in the last one */
	ask("GET /things/1 HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\n"
	    "x-forwarded-for: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1\r\n" CLOSE);
	assert_non_null(strstr(got.text, "peer=192.0.2.7 "));
	ask("GET /things/1 HTTP/1.1\r\nX-Forwarded-For: nonsense\r\n" CLOSE);
	assert_non_null(strstr(got.text, "peer=127.0.0.1 "));
	stop();
}

static void test_a_stream_that_breaks_ends_the_connection(void **state)
{
	(void)state;
	start((struct httpd_options){ 0 });
	ask("GET /broken HTTP/1.1\r\n" CLOSE);
	assert_true(got.cut);
	stop();
	assert_int_equal(atomic_load(&srv.freed), 1);
}

/* --- raw mode ----------------------------------------------------------------------------- */

static int answer_any(void *ctx, struct http_req *req, struct http_reply *reply,
		      struct err *err)
{
	struct str path = http_req_path(req);

	(void)ctx;
	(void)err;
	buf_add_text(&reply->body, "0123456789");
	if (str_eq(path, STR("/close")))
		http_req_abort(req, 0, false);
	else if (str_eq(path, STR("/reset")))
		http_req_abort(req, 0, true);
	else if (str_eq(path, STR("/cut")))
		http_req_abort(req, 4, false);
	else if (str_eq(path, STR("/cutreset")))
		http_req_abort(req, 4, true);
	return 0;
}

static void test_a_look_alike_can_misbehave_on_demand(void **state)
{
	(void)state;
	start((struct httpd_options){ .any = answer_any });
	ask("GET /whatever HTTP/1.1\r\n" CLOSE);
	assert_string_equal(got.body, "0123456789");
	ask("GET /close HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 0);
	assert_int_equal(got.len, 0);
	ask("GET /reset HTTP/1.1\r\n" CLOSE);
	assert_true(got.reset);
	ask("GET /cut HTTP/1.1\r\n" CLOSE);
	assert_int_equal(got.status, 200);
	assert_string_equal(header_of(&got, "Content-Length"), "10");
	assert_string_equal(got.body, "0123");
	assert_true(got.cut);
	ask("GET /cutreset HTTP/1.1\r\n" CLOSE);
	assert_true(got.reset);
	stop();
}

/* --- Unix sockets, TLS, start ------------------------------------------------------------- */

static char folder[] = "/tmp/leaverd-httpd-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void test_a_unix_socket_knows_its_caller(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[64], where[80], wanted[80];
	struct httpd *second;
	struct stat st;
	struct err err;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/control", folder);
	snprintf(where, sizeof(where), "unix:%s", path);
	start((struct httpd_options){ .listen = where, .unix_mode = 0660 });
	assert_int_equal(httpd_port(srv.h), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ask_on(fd, "GET /cred HTTP/1.1\r\n" CLOSE);
	snprintf(wanted, sizeof(wanted), "1 %u %d unix", (unsigned)getuid(), (int)getpid());
	assert_string_equal(got.body, wanted);
	close(fd);
	assert_fault(httpd_start(&second, &srv.o, &err), ERR_NETWORK, &err, "another process");
	stop();
	assert_int_equal(stat(path, &st), -1);
}

static void test_a_dead_socket_file_is_taken_over_but_no_other_file(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[64], where[80];
	struct httpd_options o = { .listen = where, .routes = routes };
	struct httpd *h;
	struct err err;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/left", folder);
	snprintf(where, sizeof(where), "unix:%s", path);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	assert_ok(httpd_start(&h, &o, &err), &err);
	httpd_stop(h);

	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_fault(httpd_start(&h, &o, &err), ERR_NETWORK, &err, "no socket");
	assert_int_equal(unlink(path), 0);
}

static void test_wrong_addresses_are_told_at_start(void **state)
{
	static const struct {
		const char *listen;
		int code;
		const char *says;
	} rows[] = {
		{ "8080", ERR_CONFIG, "HOST:PORT" },
		{ "127.0.0.1:99999", ERR_CONFIG, "HOST:PORT" },
		{ "unix:", ERR_CONFIG, "path" },
		{ "192.0.2.1:80", ERR_NETWORK, "192.0.2.1:80" },
		{ "unix:/nowhere/at/all", ERR_NETWORK, "/nowhere/at/all" },
	};
	static const struct http_route bad[] = {
		{ .method = HTTP_GET, .path = "/{id", .handler = answer_echo },
		{ 0 },
	};
	static const char *const nets[] = { "10.0.0.0/40", NULL };
	struct httpd_options o = { .routes = routes };
	struct httpd *h;
	struct err err;
	char taken[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		o.listen = rows[i].listen;
		assert_fault(httpd_start(&h, &o, &err), rows[i].code, &err, rows[i].says);
	}
	start((struct httpd_options){ 0 });
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", httpd_port(srv.h));
	o.listen = taken;
	assert_fault(httpd_start(&h, &o, &err), ERR_NETWORK, &err, "in use");
	stop();
	o.listen = "127.0.0.1:0";
	o.tls_cert_file = "/nowhere.pem";
	assert_fault(httpd_start(&h, &o, &err), ERR_CONFIG, &err, "certificate and key");
	o.tls_key_file = "/nowhere.pem";
	assert_fault(httpd_start(&h, &o, &err), ERR_TLS, &err, "/nowhere.pem");
	o = (struct httpd_options){ .listen = "127.0.0.1:0", .routes = bad };
	assert_fault(httpd_start(&h, &o, &err), ERR_INTERNAL, &err, "bad segment");
	o = (struct httpd_options){ .listen = "127.0.0.1:0", .routes = routes };
	o.trusted_proxies = nets;
	assert_fault(httpd_start(&h, &o, &err), ERR_CONFIG, &err, "10.0.0.0/40");
}

static void test_starting_survives_each_lost_allocation(void **state)
{
	static const char *const proxies[] = { "10.0.0.0/8", NULL };
	const struct httpd_options o = { .listen = "127.0.0.1:0",
					 .routes = routes,
					 .trusted_proxies = proxies };
	struct httpd *h;
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		fault_at(++nth);
		r = httpd_start(&h, &o, &err);
		assert_int_equal(r, fault_fired() ? -ERR_NOMEM : 0);
	} while (r < 0);
	httpd_stop(h);
	assert_true(nth > 5);
}

static void test_a_request_survives_each_lost_allocation(void **state)
{
	int fd, nth = 0;
	bool fired;

	(void)state;
	start((struct httpd_options){ .connections_per_address = 10 });
	do {
		char arm[64];

		fd = dial(httpd_port(srv.h));
		/* The last allocations before are those of this very answer: none. */
		snprintf(arm, sizeof(arm), "GET /arm?n=%d HTTP/1.1\r\n" HOST "\r\n", ++nth);
		ask_on(fd, arm);
		assert_int_equal(got.status, 204);
		ask_on(fd, "PUT /things//a%20b/?q=%41 HTTP/1.1\r\nContent-Length: 5\r\n" HOST
			   "\r\nhello");
		if (got.status == 200)
			assert_non_null(strstr(got.text, "id=a b q=A"));
		else if (got.status != 0 && got.status != 503)
			fail_msg("allocation %d: %s", nth, got.text);
		close(fd);
		ask("GET /disarm HTTP/1.1\r\n" CLOSE);
		fired = got.status == 200;
	} while (fired);
	assert_true(nth > 5);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_get_the_answers_that_they_should),
		cmocka_unit_test(test_a_known_path_with_another_method_says_what_is_allowed),
		cmocka_unit_test(test_a_fault_leaves_nothing_of_a_half_made_reply),
		cmocka_unit_test(test_head_is_answered_as_get_without_a_body),
		cmocka_unit_test(test_one_connection_carries_many_requests),
		cmocka_unit_test(test_a_parked_request_is_answered_by_another_thread),
		cmocka_unit_test(
			test_a_request_resumed_before_its_handler_returned_is_answered),
		cmocka_unit_test(test_a_client_that_leaves_while_parked_costs_nothing),
		cmocka_unit_test(test_quiescing_refuses_the_new_and_serves_those_inside),
		cmocka_unit_test(test_servers_stop_at_any_moment),
		cmocka_unit_test(test_stopping_sends_what_was_accepted),
		cmocka_unit_test(test_a_full_server_lets_callers_wait_for_who_is_served),
		cmocka_unit_test(test_idle_connections_make_room_for_who_speaks),
		cmocka_unit_test(test_a_handler_may_ask_to_be_called_again),
		cmocka_unit_test(test_credentials_and_hosts_are_said_once),
		cmocka_unit_test(test_slow_clients_are_ended_wherever_they_dawdle),
		cmocka_unit_test(test_a_header_block_beyond_the_limit_is_refused),
		cmocka_unit_test(test_an_endless_chunked_body_is_cut_off),
		cmocka_unit_test(test_an_address_has_only_its_share_of_connections),
		cmocka_unit_test(test_only_trusted_proxies_speak_for_others),
		cmocka_unit_test(test_a_stream_that_breaks_ends_the_connection),
		cmocka_unit_test(test_a_look_alike_can_misbehave_on_demand),
		cmocka_unit_test(test_a_unix_socket_knows_its_caller),
		cmocka_unit_test(test_a_dead_socket_file_is_taken_over_but_no_other_file),
		cmocka_unit_test(test_wrong_addresses_are_told_at_start),
		cmocka_unit_test(test_starting_survives_each_lost_allocation),
		cmocka_unit_test(test_a_request_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
