/*
 * A scripted HTTP server inside the test process: an answer function that sees each request in
 * order, and a log of what was asked.
 */
#ifndef TESTS_UNIT_SCRIPTED_H
#define TESTS_UNIT_SCRIPTED_H

#include <pthread.h>

#include "net/httpd.h"
#include "tests/lib/test.h"

#define SCRIPTED_LOG 4096
#define SCRIPTED_PARKED 64

struct scripted;
/* nth counts from 1. May set reply, headers, or http_req_abort(). */
typedef void (*scripted_fn)(struct scripted *s, unsigned nth, struct http_req *req,
			    struct http_reply *reply);

struct scripted {
	struct httpd *h;
	scripted_fn answer;
	void *ctx;
	char url[64];
	pthread_mutex_t lock;
	unsigned asked;
	bool park; /* set by the answer function: this request gets no answer */
	struct http_req *parked[SCRIPTED_PARKED];
	unsigned parked_count;
	char *log[SCRIPTED_LOG]; /* "GET /path?query|Authorization|Content-Type|body" */
};

static inline int scripted_any(void *ctx, struct http_req *req, struct http_reply *reply,
			       struct err *err)
{
	struct scripted *s = ctx;
	const char *auth = http_req_header(req, "Authorization");
	const char *type = http_req_header(req, "Content-Type");
	struct str query = http_req_query_raw(req);
	struct buf line;
	unsigned nth;
	int r = 0;

	(void)err;
	buf_init(&line, 1 << 20);
	buf_addf(&line, "%s " STR_FMT "%s" STR_FMT "|%s|%s|" STR_FMT, http_req_method_text(req),
		 STR_ARG(http_req_target(req)), query.len ? "?" : "", STR_ARG(query),
		 auth ? auth : "", type ? type : "", STR_ARG(http_req_body(req)));
	pthread_mutex_lock(&s->lock);
	nth = ++s->asked;
	if (nth <= SCRIPTED_LOG)
		s->log[nth - 1] = buf_take(&line, NULL);
	reply->content_type = "application/json";
	s->park = false;
	s->answer(s, nth, req, reply);
	if (s->park) {
		s->parked[s->parked_count++ % SCRIPTED_PARKED] = req;
		r = HTTP_PARKED;
	}
	pthread_mutex_unlock(&s->lock);
	buf_done(&line);
	return r;
}

static inline void scripted_start(struct scripted *s, scripted_fn answer, void *ctx,
				  const char *cert, const char *key)
{
	struct httpd_options o = {
		.name = "scripted",
		.listen = "127.0.0.1:0",
		.ctx = s,
		.any = scripted_any,
		.tls_cert_file = cert,
		.tls_key_file = key,
	};
	struct err err;

	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->answer = answer;
	s->ctx = ctx;
	assert_ok(httpd_start(&s->h, &o, &err), &err);
	snprintf(s->url, sizeof(s->url), "http%s://127.0.0.1:%u", cert ? "s" : "",
		 httpd_port(s->h));
}

static inline unsigned scripted_asked(struct scripted *s)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->asked;
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* Forgets what was asked, for the next part of a test. */
static inline void scripted_forget(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->asked && i < SCRIPTED_LOG; i++)
		free(TAKE(s->log[i]));
	s->asked = 0;
	pthread_mutex_unlock(&s->lock);
}

/* The n-th request, from 1. */
static inline const char *scripted_request(struct scripted *s, unsigned n)
{
	const char *text;

	pthread_mutex_lock(&s->lock);
	text = n && n <= s->asked && n <= SCRIPTED_LOG ? s->log[n - 1] : "";
	pthread_mutex_unlock(&s->lock);
	return text;
}

/* Ends the requests that were left without an answer. */
static inline void scripted_release(struct scripted *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->parked_count)
		http_req_resume(s->parked[--s->parked_count]);
	pthread_mutex_unlock(&s->lock);
}

static inline void scripted_stop(struct scripted *s)
{
	httpd_quiesce(s->h);
	scripted_release(s);
	httpd_stop(s->h);
	scripted_forget(s);
	pthread_mutex_destroy(&s->lock);
}

#endif
