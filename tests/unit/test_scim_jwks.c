/* Key sets of issuers: fetched, kept, fetched again, from a server here and from files. */
#include "tests/lib/test.h"

#include <cjose/cjose.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "net/httpd.h"
#include "scim/jwks.h"

#define SET_BYTES 4096

/* The issuer's server: what it says next. Under its lock. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t told;
	char set[SET_BYTES];
	const char *cache, *location;
	int status;
	size_t padding; /* blanks behind the set */
	unsigned asked, tellings;
	struct http_route routes[3];
	struct httpd *httpd;
	char url[64];
	char one[SET_BYTES], two[SET_BYTES]; /* sets of one key each: "k1", "k2" */
} t = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };

static int on_keys(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	int r = 0;

	(void)ctx;
	(void)err;
	pthread_mutex_lock(&t.lock);
	t.asked++;
	reply->status = t.status;
	reply->content_type = "application/json";
	buf_add_text(&reply->body, t.set);
	for (size_t i = 0; i < t.padding; i++)
		buf_add_char(&reply->body, ' ');
	if (t.cache)
		r = http_reply_header(req, "Cache-Control", t.cache, err);
	if (r == 0 && t.location)
		r = http_reply_header(req, "Location", t.location, err);
	pthread_mutex_unlock(&t.lock);
	return r < 0 ? r : HTTP_DONE;
}

static int on_elsewhere(void *ctx, struct http_req *req, struct http_reply *reply,
			struct err *err)
{
	(void)ctx;
	(void)req;
	(void)err;
	reply->status = 200;
	reply->content_type = "application/json";
	buf_add_text(&reply->body, t.one);
	return HTTP_DONE;
}

static void on_fault(void *ctx, struct http_req *req, struct http_reply *reply,
		     const struct err *err)
{
	(void)ctx;
	(void)req;
	reply->status = err_class(err->code)->http_status;
}

static void set_make(const char *kid, char room[SET_BYTES])
{
	cjose_jwk_t *jwk = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL);
	char *json = jwk ? cjose_jwk_to_json(jwk, false, NULL) : NULL;

	assert_non_null(json);
	(void)snprintf(room, SET_BYTES, "{\"keys\":[{\"kid\":\"%s\",%s]}", kid, json + 1);
	free(json);
	cjose_jwk_release(jwk);
}

static int server_start(void **state)
{
	struct httpd_options http = { .name = "issuer",
				      .listen = "127.0.0.1:0",
				      .threads = 1,
				      .fault = on_fault,
				      .routes = t.routes };
	struct err err;

	(void)state;
	set_make("k1", t.one);
	set_make("k2", t.two);
	t.routes[0] =
		(struct http_route){ .method = HTTP_GET, .path = "/keys", .handler = on_keys };
	t.routes[1] = (struct http_route){ .method = HTTP_GET,
					   .path = "/elsewhere",
					   .handler = on_elsewhere };
	assert_ok(httpd_start(&t.httpd, &http, &err), &err);
	(void)snprintf(t.url, sizeof(t.url), "http://127.0.0.1:%d/keys", httpd_port(t.httpd));
	return 0;
}

static int server_end(void **state)
{
	(void)state;
	httpd_stop(t.httpd);
	return 0;
}

/* From now it says this. */
static void serve(const char *set, int status, const char *cache)
{
	pthread_mutex_lock(&t.lock);
	(void)snprintf(t.set, sizeof(t.set), "%s", set);
	t.status = status;
	t.cache = cache;
	t.location = NULL;
	t.padding = 0;
	pthread_mutex_unlock(&t.lock);
}

static void on_newer(void *ctx)
{
	unsigned *told = ctx;

	pthread_mutex_lock(&t.lock);
	++*told;
	pthread_cond_broadcast(&t.told);
	pthread_mutex_unlock(&t.lock);
}

/* Until the fetching that is under way, or due, is over. */
static enum jwks_word settle(struct jwks *j)
{
	enum jwks_word word;
	unsigned told;

	for (;;) {
		told = 0;
		word = jwks_newer(j, 0, on_newer, &told);
		if (word != JWKS_WAIT)
			return word;
		pthread_mutex_lock(&t.lock);
		while (!told)
			pthread_cond_wait(&t.told, &t.lock);
		pthread_mutex_unlock(&t.lock);
	}
}

static unsigned asked(void)
{
	unsigned n;

	pthread_mutex_lock(&t.lock);
	n = t.asked;
	pthread_mutex_unlock(&t.lock);
	return n;
}

/* 0: no keys; else what the one key checks: '1' or '2'. */
static char which(struct jwks *j)
{
	CLEANUP(jwt_keys_drop_at) struct jwt_keys *keys = jwks_take(j, 0);
	/* a token that names a key which is not there is told from one with a bad signature */
	static const struct conf_list none = { 0 };
	const struct jwt_rules rules = { .issuer = "i", .audience = &none };
	struct jwt_said said;
	struct err err;

	if (!keys)
		return 0;
	assert_int_equal(jwt_keys_count(keys), 1);
	/* {"alg":"ES256","kid":"k1"} . {} . 64 bytes */
	return jwt_check(STR("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.e30."
			     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
			     "AAAAAAAAAAAAAAAAAAAAAA"),
			 keys, &rules, 1, &said, &err) == JWT_NO_KEY
		       ? '2'
		       : '1';
}

static void test_keys_are_fetched_kept_and_replaced_when_asked(void **state)
{
	const struct jwks_from from = { .name = "idp", .url = t.url, .keep_ms = 3600000 };
	CLEANUP(jwks_free_at) struct jwks *j = NULL;
	struct err err;
	unsigned before = asked();

	(void)state;
	serve(t.one, 200, "max-age=1"); /* believed for five minutes all the same */
	assert_ok(jwks_start(&j, &from, 1, &err), &err);
	assert_int_equal(settle(j), JWKS_FRESH);
	assert_int_equal(which(j), '1');
	assert_int_equal(asked(), before + 1);

	/* a key that is not there is no reason to ask again so soon, whoever asks how often */
	serve(t.two, 200, NULL);
	for (int i = 0; i < 100; i++)
		assert_int_equal(jwks_newer(j, 0, on_newer, &t.tellings), JWKS_FRESH);
	assert_int_equal(asked(), before + 1);
	assert_int_equal(which(j), '1');

	/* when asked to, it reads again: the old key opens nothing any more */
	jwks_reread(j);
	assert_int_equal(settle(j), JWKS_FRESH);
	assert_int_equal(which(j), '2');
	assert_int_equal(asked(), before + 2);
	assert_int_equal(t.tellings, 0);
}

static void test_a_bad_answer_leaves_the_keys_that_are_there(void **state)
{
	static const struct {
		const char *set;
		int status;
		size_t padding;
		const char *location;
	} bad[] = {
		{ "", 200, 0, NULL },
		{ "{\"keys\":", 200, 0, NULL },
		{ "[]", 200, 0, NULL },
		{ "{\"keys\":{}}", 200, 0, NULL },
		{ "{\"keys\":[]}", 200, 0, NULL },
		{ "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", 200, 0, NULL },
		/* what the library would end the process over */
		{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"*\",\"y\":\"A\"}]}",
		  200, 0, NULL },
		{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAAA\",\"e\":\"AQAB=\"}]}", 200, 0,
		  NULL },
		{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":7,\"e\":null}]}", 200, 0, NULL },
		{ NULL, 200, 2u << 20, NULL }, /* good, but without end */
		{ NULL, 404, 0, NULL },
		{ "", 302, 0, "/elsewhere" }, /* where good ones are: nobody is sent on */
	};
	const struct jwks_from from = { .name = "idp", .url = t.url, .keep_ms = 3600000 };
	CLEANUP(jwks_free_at) struct jwks *j = NULL;
	struct err err;

	(void)state;
	serve(t.one, 200, NULL);
	assert_ok(jwks_start(&j, &from, 1, &err), &err);
	assert_int_equal(settle(j), JWKS_FRESH);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		serve(bad[i].set ? bad[i].set : t.two, bad[i].status, NULL);
		pthread_mutex_lock(&t.lock);
		t.padding = bad[i].padding;
		t.location = bad[i].location;
		pthread_mutex_unlock(&t.lock);
		jwks_reread(j);
		if (settle(j) != JWKS_AWAY)
			fail_msg("row %zu was believed", i);
		assert_int_equal(which(j), '1');
	}
	serve(t.two, 200, NULL);
	jwks_reread(j);
	assert_int_equal(settle(j), JWKS_FRESH);
	assert_int_equal(which(j), '2');
}

static void test_keys_that_cannot_be_renewed_end(void **state)
{
	const struct jwks_from from = { .name = "idp", .url = t.url, .keep_ms = -1 };
	CLEANUP(jwks_free_at) struct jwks *j = NULL;
	struct err err;

	(void)state;
	serve(t.one, 200, NULL);
	assert_ok(jwks_start(&j, &from, 1, &err), &err);
	assert_int_equal(settle(j), JWKS_FRESH);
	assert_null(jwks_take(j, 0)); /* read longer ago than they are kept */
}

static void test_ages_are_kept_within_bounds(void **state)
{
	static const struct {
		const char *cache;
		int64_t ms;
	} cases[] = {
		{ "", JWKS_AGE_USUAL_MS },
		{ "no-store", JWKS_AGE_USUAL_MS },
		{ "max-age=0", JWKS_AGE_LEAST_MS },
		{ "max-age=600", 600000 },
		{ "public, Max-Age = 7200 , must-revalidate", 7200000 },
		{ "max-age=99999999999999999999", JWKS_AGE_USUAL_MS }, /* no number of ours */
		{ "max-age=18446744073709551615", JWKS_AGE_MOST_MS },
		{ "max-age=-1", JWKS_AGE_USUAL_MS },
		{ "s-maxage=600", JWKS_AGE_USUAL_MS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (jwks_age_ms(str_of(cases[i].cache)) != cases[i].ms)
			fail_msg("%s", cases[i].cache);
}

static void test_a_file_is_read_and_bounded(void **state)
{
	char path[] = "/tmp/leaverd-test-XXXXXX";
	int fd = mkstemp(path);
	struct jwks_from from = { .name = "idp", .file = path, .keep_ms = 1 };
	struct jwt_keys *keys = NULL;
	static char much[(1 << 20) + 1];
	int64_t age = 0;
	struct err err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, t.one, strlen(t.one)), (ssize_t)strlen(t.one));
	assert_ok(jwks_fetch(NULL, &from, &keys, &age, &err), &err);
	assert_int_equal(age, JWKS_AGE_FILE_MS);
	jwt_keys_drop(keys);
	memset(much, ' ', sizeof(much));
	assert_int_equal(write(fd, much, sizeof(much)), (ssize_t)sizeof(much));
	assert_true(jwks_fetch(NULL, &from, &keys, &age, &err) < 0);
	assert_non_null(strstr(err.text, path));
	close(fd);
	unlink(path);
	assert_fault(jwks_fetch(NULL, &from, &keys, &age, &err), ERR_IO, &err, path);
}

/* Who waits when all ends is told, once, and nobody has to wait after that. */
static void test_stopping_tells_all_who_wait(void **state)
{
	const struct jwks_from from = { .name = "idp", .url = t.url, .keep_ms = 1000 };
	CLEANUP(jwks_free_at) struct jwks *j = NULL;
	unsigned told[JWKS_WAITING_MOST + 1] = { 0 }, waiting = 0;
	struct err err;

	(void)state;
	serve(t.one, 200, NULL);
	pthread_mutex_lock(&t.lock); /* the server hangs: on_keys() waits for it */
	assert_ok(jwks_start(&j, &from, 1, &err), &err);
	while (waiting < JWKS_WAITING_MOST &&
	       jwks_newer(j, 0, on_newer, &told[waiting]) == JWKS_WAIT)
		waiting++;
	assert_int_equal(waiting, JWKS_WAITING_MOST);
	assert_int_equal(jwks_newer(j, 0, on_newer, &told[JWKS_WAITING_MOST]), JWKS_AWAY);
	pthread_mutex_unlock(&t.lock);
	jwks_stop(j);
	for (size_t i = 0; i < JWKS_WAITING_MOST; i++)
		assert_int_equal(told[i], 1);
	assert_int_equal(told[JWKS_WAITING_MOST], 0);
	assert_int_not_equal(jwks_newer(j, 0, on_newer, &told[0]), JWKS_WAIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_are_fetched_kept_and_replaced_when_asked),
		cmocka_unit_test(test_a_bad_answer_leaves_the_keys_that_are_there),
		cmocka_unit_test(test_keys_that_cannot_be_renewed_end),
		cmocka_unit_test(test_ages_are_kept_within_bounds),
		cmocka_unit_test(test_a_file_is_read_and_bounded),
		cmocka_unit_test(test_stopping_tells_all_who_wait),
	};

	return cmocka_run_group_tests(tests, server_start, server_end);
}
