/* The SCIM server behind net/httpd, over real sockets, with a writer thread of its own. */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/worker.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define ANSWER_BYTES (256 * 1024)
#define MAX_BODY_BYTES 20000
#define MAX_BULK_BYTES 200000
#define THREADS 8
#define EACH 20

struct house {
	struct memory *memory;
	struct scim_service *service;
	struct httpd *httpd;
	struct worker *writer;
	struct http_route routes[SCIM_ROUTES_MAX + 1];
};

static struct house house;

/* The writer: takes what was submitted, as the store's would. */
static void write_all(struct worker *self, void *arg)
{
	while (!worker_wait(self, 1))
		memory_run(arg);
	memory_run(arg);
}

static void on_fault(void *ctx, struct http_req *req, struct http_reply *reply,
		     const struct err *err)
{
	(void)ctx;
	if (!scim_service_fault(req, reply, err)) {
		buf_clear(&reply->body);
		buf_add_text(&reply->body, "not ours");
		reply->status = err_class(err->code)->http_status;
		reply->content_type = "text/plain";
	}
}

static int house_build(void **state)
{
	const struct scim_options options = { .public_url = "https://leaverd.example.com",
					      .bulk_bytes = MAX_BULK_BYTES };
	struct httpd_options http = { .name = "scim",
				      .listen = "127.0.0.1:0",
				      .threads = 2,
				      .max_body_bytes = MAX_BODY_BYTES,
				      .fault = on_fault,
				      .routes = house.routes };
	struct err err;
	size_t n;

	(void)state;
	house.memory = memory_new();
	memory_token(house.memory, "good", "idp", SCIM_MAY_ALL, 0);
	memory_token(house.memory, "reader", "idp", SCIM_MAY_READ, 0);
	memory_defer(house.memory);
	assert_ok(
		scim_service_new(&house.service, memory_backend(house.memory), &options, &err),
		&err);
	n = scim_service_routes(house.service, house.routes, SCIM_ROUTES_MAX);
	assert_true(n > 0 && n <= SCIM_ROUTES_MAX);
	assert_ok(worker_start(&house.writer, "writer", write_all, house.memory, &err), &err);
	assert_ok(httpd_start(&house.httpd, &http, &err), &err);
	return 0;
}

static int house_end(void **state)
{
	(void)state;
	httpd_quiesce(house.httpd);
	worker_join(house.writer);
	httpd_stop(house.httpd);
	scim_service_free(house.service);
	memory_free(house.memory);
	return 0;
}

static void send_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the server may answer before it has read all */
		p += n;
		len -= (size_t)n;
	}
}

/* One request on a connection of its own; the whole answer as text, in room. */
static void talk(const char *request, size_t len, char *room)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)httpd_port(house.httpd)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t have = 0;
	ssize_t n;

	room[0] = '\0';
	if (fd < 0)
		abort();
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd); /* a server that stops: no answer */
		return;
	}
	send_all(fd, request, len);
	while ((n = recv(fd, room + have, ANSWER_BYTES - 1 - have, 0)) > 0)
		have += (size_t)n;
	room[have] = '\0';
	close(fd);
}

static void ask(const char *method, const char *target, const char *headers, const char *body,
		char *room)
{
	char request[4000];
	int n = snprintf(request, sizeof(request),
			 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			 "Authorization: Bearer good\r\n%sContent-Length: %zu\r\n\r\n%s",
			 method, target, headers, strlen(body), body);

	if (n < 0 || (size_t)n >= sizeof(request))
		abort();
	talk(request, (size_t)n, room);
}

#define USER(name) "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"" name "\"}"

/* clang-format off */
static const struct {
	const char *method, *target, *headers, *body;
	int status;
	const char *holds[4]; /* parts of the answer, headers included */
} rows[] = {
	{ "POST", "/scim/v2/idp/Users", "Content-Type: application/scim+json; charset=utf-8\r\n", USER("bjensen"), 201,
	  { "Content-Type: application/scim+json\r\n", "ETag: W/\"1\"\r\n", "Location: https://leaverd.example.com/scim/v2/idp/Users/", "\"userName\":\"bjensen\"" } },
	{ "POST", "/scim/v2/idp/Users/", "", USER("BJensen"), 409, { "\"scimType\":\"uniqueness\"", "Content-Type: application/scim+json\r\n" } },
	{ "GET", "/scim/v2/idp/users?filter=userName+eq+%22BJENSEN%22", "", "", 200, { "\"totalResults\":1" } },
	{ "GET", "/scim/v2/idp//Users?filter=userName%20eq%20%22nobody%22", "", "", 200, { "\"totalResults\":0", "\"Resources\":[]" } },
	{ "GET", "/scim/v2/idp/Users?filter=userName%20eq", "", "", 400, { "\"scimType\":\"invalidFilter\"" } },
	{ "GET", "/scim/v2/idp/Schemas/urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AGroup", "Accept: application/json\r\n", "", 200,
	  { "Content-Type: application/json\r\n", "\"id\":\"" SCHEMA_GROUP "\"" } },
	{ "HEAD", "/scim/v2/idp/ServiceProviderConfig", "", "", 200, { "Content-Type: application/scim+json\r\n" } },
	{ "DELETE", "/scim/v2/idp/Schemas", "", "", 405, { "Allow: GET, HEAD\r\n", "\"status\":\"405\"" } },
	{ "OPTIONS", "/scim/v2/idp/Users", "", "", 405, { "\"status\":\"405\"" } },
	{ "BREW", "/scim/v2/idp/Users", "", "", 405, { "\"status\":\"405\"", "Content-Type: application/scim+json\r\n" } },
	{ "GET", "/scim/v2/idp/Nothing", "", "", 404, { "\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"]" } },
	{ "GET", "/scim", "", "", 404, { "\"status\":\"404\"", "Content-Type: application/scim+json\r\n" } },
	{ "GET", "/scimitar", "", "", 404, { "not ours" } },
	{ "GET", "/scim/v3/idp/Users", "", "", 400, { "\"scimType\":\"invalidVers\"" } },
	{ "POST", "/scim/v2/idp/Bulk", "", "{}", 400, { "\"status\":\"400\"", "no Operations" } },
	{ "POST", "/scim/idp/bulk/", "", "{}", 400, { "no Operations" } },
	{ "GET", "/scim/v2/idp/Bulk", "", "", 405, { "Allow: POST\r\n" } },
	{ "GET", "/scim/v2/idp/Me", "", "", 501, { "\"status\":\"501\"" } },
	{ "PATCH", "/scim/v2/idp/Me", "", "{}", 501, { "\"status\":\"501\"" } },
	{ "DELETE", "/scim/v2/idp/Users/2819c223", "", "", 404, { "\"status\":\"404\"" } },
	{ "GET", "/scim/v2/idp/Users/%zz", "", "", 400, { "\"status\":\"400\"" } },
};
/* clang-format on */

static int status_of(const char *answer)
{
	int status = 0;

	return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static void test_requests_are_answered_over_http(void **state)
{
	char *answer = malloc(ANSWER_BYTES);

	(void)state;
	assert_non_null(answer);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(rows[i].method, rows[i].target, rows[i].headers, rows[i].body, answer);
		if (status_of(answer) != rows[i].status)
			fail_msg("%s %s: %s", rows[i].method, rows[i].target, answer);
		for (size_t k = 0; k < 4 && rows[i].holds[k]; k++)
			if (!strstr(answer, rows[i].holds[k]))
				fail_msg("%s %s: no %s in %s", rows[i].method, rows[i].target,
					 rows[i].holds[k], answer);
	}
	free(answer);
}

static void test_a_head_has_no_body_and_a_204_neither(void **state)
{
	char *answer = malloc(ANSWER_BYTES), target[200], *id;

	(void)state;
	assert_non_null(answer);
	ask("HEAD", "/scim/v2/idp/Users", "", "", answer);
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	ask("POST", "/scim/v2/idp/Users", "", USER("gone"), answer);
	id = strstr(answer, "/Users/");
	assert_non_null(id);
	snprintf(target, sizeof(target), "/scim/v2/idp/Users/%.36s", id + strlen("/Users/"));
	ask("DELETE", target, "", "", answer);
	assert_int_equal(status_of(answer), 204);
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	free(answer);
}

static void test_a_request_without_a_token_is_told_how(void **state)
{
	static const char request[] =
		"GET /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	char *answer = malloc(ANSWER_BYTES);

	(void)state;
	assert_non_null(answer);
	talk(request, sizeof(request) - 1, answer);
	assert_int_equal(status_of(answer), 401);
	assert_non_null(strstr(answer, "WWW-Authenticate: Bearer realm=\"leaverd\"\r\n"));
	assert_non_null(strstr(answer, "\"status\":\"401\""));
	free(answer);
}

static void test_a_body_that_is_too_long_is_refused_in_scims_words(void **state)
{
	char *answer = malloc(ANSWER_BYTES), *request = malloc(MAX_BODY_BYTES * 2);
	int head;

	(void)state;
	assert_true(answer && request);
	memset(request, ' ', MAX_BODY_BYTES * 2);
	head = snprintf(request, 1000,
			"POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			"Authorization: Bearer good\r\nContent-Length: %d\r\n\r\n",
			MAX_BODY_BYTES + 1);
	request[head] = ' ';
	talk(request, (size_t)head + MAX_BODY_BYTES + 1, answer);
	assert_int_equal(status_of(answer), 413);
	assert_non_null(strstr(answer, "\"status\":\"413\""));
	assert_non_null(strstr(answer, "20000"));
	free(answer);
	free(request);
}

/* clang-format off */
/* Whole requests, byte for byte, on one connection: what clients send that is not wrong. */
static const struct { const char *request; int status; const char *holds[3]; const char *not; } manners[] = {
	/* no User-Agent, no Accept: Entra's probe */
	{ "GET /scim/v2/idp/Users?count=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nConnection: close\r\n\r\n",
	  200, { "Content-Type: application/scim+json\r\n" }, NULL },
	/* an Accept that we cannot serve is answered all the same */
	{ "GET /scim/v2/idp/Users?count=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nAccept: text/html\r\nConnection: close\r\n\r\n",
	  200, { "Content-Type: application/scim+json\r\n" }, NULL },
	{ "GET /scim/v2/idp/Users?count=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
	  200, { "Content-Type: application/json\r\n" }, NULL },
	{ "HEAD /scim/v2/idp/Users?count=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nConnection: close\r\n\r\n",
	  200, { "Content-Length: " }, "\"schemas\"" },
	{ "PUT /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
	  405, { "Allow: GET, HEAD, POST\r\n", "\"status\":\"405\"" }, NULL },
	/* chunks, with an extension and a trailer */
	{ "POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	  "10\r\n{\"userName\":\"chu\r\n8;a=b\r\nnks\",\"sc\r\n3a\r\nhemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"]    }\r\n0\r\nX-Trailer: y\r\n\r\n",
	  201, { "\"userName\":\"chunks\"" }, NULL },
	/* the client waits for 100 before it sends: talk() sends both at once, which is let through */
	{ "POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nExpect: 100-continue\r\nContent-Length: 75\r\nConnection: close\r\n\r\n"
	  "{\"userName\":\"exp\",\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"]}",
	  201, { "\"userName\":\"exp\"" }, NULL },
	{ "POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: text/csv\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
	  415, { "\"status\":\"415\"", "application/scim+json" }, NULL },
	/* HTTP/1.0, as old proxies speak */
	{ "GET /scim/v2/idp/Users?count=1 HTTP/1.0\r\nAuthorization: Bearer good\r\n\r\n",
	  200, { "\"totalResults\"" }, NULL },
	/* a token that does not open: told so, and how */
	{ "GET /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bad\r\nConnection: close\r\n\r\n",
	  401, { "WWW-Authenticate: Bearer realm=\"leaverd\", error=\"invalid_token\"", "\"status\":\"401\"" }, NULL },
	{ "GET /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpw\r\nConnection: close\r\n\r\n",
	  401, { "WWW-Authenticate: Bearer realm=\"leaverd\"\r\n" }, NULL },
	{ "DELETE /scim/v2/idp/Users/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer reader\r\nConnection: close\r\n\r\n",
	  403, { "error=\"insufficient_scope\"", "\"status\":\"403\"" }, NULL },
	/* 401 before 404: what exists is no stranger's business */
	{ "GET /scim/v2/none/Nothing/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	  401, { "WWW-Authenticate: " }, NULL },
};
/* clang-format on */

static const char *final_answer(const char *answer)
{
	/* an interim answer comes before */
	return strncmp(answer, "HTTP/1.1 100", 12) ? answer : strstr(answer, "\r\n\r\n") + 4;
}

static void test_what_is_not_wrong_is_not_refused(void **state)
{
	char *answer = malloc(ANSWER_BYTES);

	(void)state;
	assert_non_null(answer);
	for (size_t i = 0; i < COUNT_OF(manners); i++) {
		const char *got;

		talk(manners[i].request, strlen(manners[i].request), answer);
		got = final_answer(answer);
		if (strtol(got + 9, NULL, 10) != manners[i].status ||
		    (manners[i].not &&strstr(got, manners[i].not )))
			fail_msg("%s: %s", manners[i].request, answer);
		for (size_t k = 0; k < COUNT_OF(manners[i].holds) && manners[i].holds[k]; k++)
			if (!strstr(got, manners[i].holds[k]))
				fail_msg("%s: no %s in %s", manners[i].request,
					 manners[i].holds[k], got);
	}
	free(answer);
}

/* Sent at once; answered in order, reads between writes. */
static void test_pipelined_requests_are_answered_in_order(void **state)
{
	static const char text[] =
		"POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"
		"Content-Length: 76\r\n\r\n"
		"{\"userName\":\"pipe\",\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:"
		"User\"]}"
		"GET /scim/v2/idp/Users?filter=userName%20eq%20%22pipe%22 HTTP/1.1\r\nHost: "
		"x\r\n"
		"Authorization: Bearer good\r\n\r\n"
		"GET /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
		"bad\r\n\r\n"
		"DELETE /scim/v2/idp/Users/none HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
		"good\r\nConnection: close\r\n\r\n";
	static const int statuses[] = { 201, 200, 401, 404 };
	char *answer = malloc(ANSWER_BYTES), *at = answer;

	(void)state;
	assert_non_null(answer);
	talk(text, sizeof(text) - 1, answer);
	for (size_t i = 0; i < COUNT_OF(statuses); i++) {
		at = strstr(at, "HTTP/1.1 ");
		assert_non_null(at);
		assert_int_equal(strtol(at + 9, NULL, 10), statuses[i]);
		if (statuses[i] == 200) /* the write before it is seen */
			assert_non_null(strstr(at, "\"totalResults\":1"));
		at += 9;
	}
	assert_null(strstr(at, "HTTP/1.1 "));
	free(answer);
}

/* One client: makes users, renames each, and remembers whether all went well. */
static void *busy_client(void *arg)
{
	int number = *(int *)arg;
	char *answer = malloc(ANSWER_BYTES), body[300], target[200], *id;

	if (!answer)
		abort();
	for (int i = 0; i < EACH; i++) {
		snprintf(body, sizeof(body),
			 "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"user-%d-%d\"}",
			 number, i);
		ask("POST", "/scim/v2/idp/Users", "", body, answer);
		id = strstr(answer, "/Users/");
		if (status_of(answer) != 201 || !id)
			break;
		snprintf(target, sizeof(target), "/scim/v2/idp/Users/%.36s",
			 id + strlen("/Users/"));
		snprintf(body, sizeof(body),
			 "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
			 "\"Operations\":[{\"op\":\"add\",\"path\":\"title\",\"value\":\"t%d\"}"
			 "]}",
			 i);
		ask("PATCH", target, "", body, answer);
		if (status_of(answer) != 200 || !strstr(answer, "\"title\":\"t"))
			break;
		/* what was acknowledged is there for everybody at once */
		ask("GET", target, "If-None-Match: W/\"2\"\r\n", "", answer);
		if (status_of(answer) != 304)
			break;
		/* lines of a list are one list */
		ask("GET", target, "If-None-Match: W/\"1\"\r\nIf-None-Match: W/\"2\"\r\n", "",
		    answer);
		if (status_of(answer) != 304)
			break;
		*(int *)arg = number;
		if (i == EACH - 1)
			*(int *)arg = -1;
	}
	free(answer);
	return NULL;
}

static void test_many_clients_write_at_once(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];
	size_t before = memory_living(house.memory);

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, busy_client, &numbers[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(numbers[i], -1);
	assert_int_equal(memory_living(house.memory) - before, THREADS * EACH);
}

#define RACERS 20

struct racer {
	pthread_t thread;
	pthread_barrier_t *start;
	const char *method, *target, *headers;
	char body[300];
	int status;
	bool says; /* what the loser is told */
	const char *word;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	char *answer = malloc(ANSWER_BYTES);

	if (!answer)
		abort();
	pthread_barrier_wait(r->start);
	ask(r->method, r->target, r->headers, r->body, answer);
	r->status = status_of(answer);
	r->says = strstr(answer, r->word) != NULL;
	free(answer);
	return NULL;
}

/* All at once; how many ended with each of two statuses, and each loser was told why. */
static void run_race(struct racer *racers, int won, int lost)
{
	pthread_barrier_t start;
	int winners = 0;

	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++) {
		racers[i].start = &start;
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++)
		pthread_join(racers[i].thread, NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < RACERS; i++) {
		winners += racers[i].status == won;
		if (racers[i].status != won) {
			assert_int_equal(racers[i].status, lost);
			assert_true(racers[i].says);
		}
	}
	assert_int_equal(winners, 1);
}

static void test_of_twenty_who_create_the_same_user_one_wins(void **state)
{
	static struct racer racers[RACERS];

	(void)state;
	for (int round = 0; round < 5; round++) {
		size_t before = memory_living(house.memory);

		for (int i = 0; i < RACERS; i++) {
			racers[i] = (struct racer){ .method = "POST",
						    .target = "/scim/v2/idp/Users",
						    .headers = "",
						    .word = "\"scimType\":\"uniqueness\"" };
			/* the same name, in other letters */
			snprintf(racers[i].body, sizeof(racers[i].body),
				 "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"%s-%d\"}",
				 i % 2 ? "SAME" : "same", round);
		}
		run_race(racers, 201, 409);
		assert_int_equal(memory_living(house.memory), before + 1);
	}
}

static void test_of_twenty_who_patch_the_same_version_one_wins(void **state)
{
	static struct racer racers[RACERS];
	char *answer = malloc(ANSWER_BYTES), target[200], *id;

	(void)state;
	assert_non_null(answer);
	ask("POST", "/scim/v2/idp/Users", "", USER("patched"), answer);
	id = strstr(answer, "/Users/");
	assert_non_null(id);
	snprintf(target, sizeof(target), "/scim/v2/idp/Users/%.36s", id + strlen("/Users/"));
	for (int round = 1; round <= 5; round++) {
		char headers[40];

		snprintf(headers, sizeof(headers), "If-Match: W/\"%d\"\r\n", round);
		for (int i = 0; i < RACERS; i++) {
			racers[i] = (struct racer){ .method = "PATCH",
						    .target = target,
						    .headers = headers,
						    .word = "has changed" };
			snprintf(racers[i].body, sizeof(racers[i].body),
				 "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:"
				 "PatchOp\"],"
				 "\"Operations\":[{\"op\":\"replace\",\"path\":\"title\","
				 "\"value\":"
				 "\"t%d-%d\"}]}",
				 round, i);
		}
		run_race(racers, 200, 412);
		/* and its value is what stands there */
		ask("GET", target, "", "", answer);
		for (int i = 0; i < RACERS; i++) {
			char title[40];

			snprintf(title, sizeof(title), "\"title\":\"t%d-%d\"", round, i);
			assert_int_equal(strstr(answer, title) != NULL,
					 racers[i].status == 200);
		}
	}
	free(answer);
}

#define BULK_USERS 300

/* A bulk request of many users, longer than the body of any other request may be. */
static char *bulk_of(const char *name, size_t *len)
{
	CLEANUP(buf_done) struct buf body;

	buf_init(&body, 1 << 20);
	buf_add_text(&body,
		     "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:BulkRequest\"],"
		     "\"Operations\":[");
	for (int i = 0; i < BULK_USERS; i++)
		buf_addf(&body,
			 "%s{\"method\":\"POST\",\"path\":\"/"
			 "Users\",\"bulkId\":\"%d\",\"data\":{"
			 "\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"%s-%d\"}}",
			 i ? "," : "", i, name, i);
	buf_add_text(&body, "]}");
	assert_true(body.len > MAX_BODY_BYTES);
	return buf_take(&body, len);
}

static void ask_bulk(const char *body, size_t len, char *answer)
{
	char *request = malloc(len + 1000);
	int head;

	if (!request)
		abort();
	head = snprintf(request, 1000,
			"POST /scim/v2/idp/Bulk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			"Authorization: Bearer good\r\nContent-Length: %zu\r\n\r\n",
			len);
	memcpy(request + head, body, len);
	talk(request, (size_t)head + len, answer);
	free(request);
}

static int count_of(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void test_a_bulk_request_may_be_longer_than_others(void **state)
{
	char *answer = malloc(ANSWER_BYTES), *body;
	size_t len, before = memory_living(house.memory);

	(void)state;
	assert_non_null(answer);
	body = bulk_of("bulk", &len);
	ask_bulk(body, len, answer);
	assert_int_equal(status_of(answer), 200);
	assert_int_equal(count_of(answer, "\"status\":\"201\""), BULK_USERS);
	assert_int_equal(memory_living(house.memory), before + BULK_USERS);
	ask_bulk(body, len, answer);
	assert_int_equal(count_of(answer, "\"scimType\":\"uniqueness\""), BULK_USERS);
	free(body);
	/* beyond maxPayloadSize, announced */
	body = calloc(1, MAX_BULK_BYTES + 1);
	assert_non_null(body);
	memset(body, ' ', MAX_BULK_BYTES + 1);
	ask_bulk(body, MAX_BULK_BYTES + 1, answer);
	assert_int_equal(status_of(answer), 413);
	assert_non_null(strstr(answer, "\"status\":\"413\""));
	assert_non_null(strstr(answer, "maxPayloadSize 200000"));
	free(body);
	free(answer);
}

static void *bulk_client(void *arg)
{
	char *answer = malloc(ANSWER_BYTES), *body, name[20];
	int *number = arg;
	size_t len;

	if (!answer)
		abort();
	snprintf(name, sizeof(name), "many%d", *number);
	body = bulk_of(name, &len);
	ask_bulk(body, len, answer);
	*number = count_of(answer, "\"status\":\"201\"");
	free(body);
	free(answer);
	return NULL;
}

static void test_bulk_requests_of_many_clients_run_side_by_side(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, bulk_client, &numbers[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(numbers[i], BULK_USERS);
}

/* The client hangs up while its operations run: what runs is finished, nothing is left over. */
static void test_a_client_that_leaves_during_a_bulk_costs_nothing(void **state)
{
	char *body, *request = malloc(MAX_BULK_BYTES + 1000);
	size_t len;

	(void)state;
	assert_non_null(request);
	for (int i = 0; i < 10; i++) {
		struct sockaddr_in at = { .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)httpd_port(house.httpd)),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		struct linger hard = { .l_onoff = 1 };
		int fd = socket(AF_INET, SOCK_STREAM, 0), head;
		char name[20];

		snprintf(name, sizeof(name), "left%d", i);
		body = bulk_of(name, &len);
		head = snprintf(request, 1000,
				"POST /scim/v2/idp/Bulk HTTP/1.1\r\nHost: x\r\n"
				"Authorization: Bearer good\r\nContent-Length: %zu\r\n\r\n",
				len);
		memcpy(request + head, body, len);
		free(body);
		assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		send_all(fd, request, (size_t)head + len);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	free(request);
	/* all end, the server still answers, and the sanitizer counts what was left */
	while (httpd_active(house.httpd) > 0)
		sched_yield();
	test_a_request_without_a_token_is_told_how(state);
}

/* Last: it stops the server while requests are under way. */
static void test_stopping_finishes_what_was_accepted(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];
	size_t before = memory_living(house.memory), all = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = 100 + i;
		assert_int_equal(pthread_create(&threads[i], NULL, bulk_client, &numbers[i]),
				 0);
	}
	while (httpd_active(house.httpd) == 0)
		sched_yield();
	httpd_quiesce(house.httpd);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		/* whole, or it was not let in: connected after the door was closed */
		assert_true(numbers[i] == BULK_USERS || numbers[i] == 0);
		all += (size_t)numbers[i];
	}
	assert_true(all > 0);
	assert_int_equal(memory_living(house.memory), before + all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_answered_over_http),
		cmocka_unit_test(test_a_head_has_no_body_and_a_204_neither),
		cmocka_unit_test(test_a_request_without_a_token_is_told_how),
		cmocka_unit_test(test_a_body_that_is_too_long_is_refused_in_scims_words),
		cmocka_unit_test(test_what_is_not_wrong_is_not_refused),
		cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
		cmocka_unit_test(test_many_clients_write_at_once),
		cmocka_unit_test(test_of_twenty_who_create_the_same_user_one_wins),
		cmocka_unit_test(test_of_twenty_who_patch_the_same_version_one_wins),
		cmocka_unit_test(test_a_bulk_request_may_be_longer_than_others),
		cmocka_unit_test(test_bulk_requests_of_many_clients_run_side_by_side),
		cmocka_unit_test(test_a_client_that_leaves_during_a_bulk_costs_nothing),
		cmocka_unit_test(test_stopping_finishes_what_was_accepted),
	};

	return cmocka_run_group_tests(tests, house_build, house_end);
}
