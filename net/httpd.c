#include "net/httpd_in.h"

#include <stdio.h>
#include <strings.h>

#include "base/enc.h"
#include "base/worker.h"

/*
 * One request's life. MHD calls httpd_on_uri() when the request line was read,
 * httpd_on_access() when the header block was (NEW), for each piece of body (BODY) and once
 * more when all is there: then the handler runs (RUN). A handler that parks leaves the
 * connection suspended (PARKED); http_req_resume() makes it RESUMED, http_req_again() AGAIN,
 * and MHD calls httpd_on_access() once more, to send the reply or to run the handler anew.
 * Either may come before the handler has even returned, so these states are reached by atomic
 * steps, and whoever comes second does the work.
 *
 * MHD's own timeout counts silence only. A client that trickles bytes is ended by our sweeper:
 * each connection carries the time by which it must have sent a whole request.
 *
 * Connections come from our own acceptor.
 */

#define REPLY_BYTES (64LL << 20) /* a longer body wants http_reply.stream */
#define REPLY_HEADER_BYTES 16384
#define DRAIN_BYTES (1LL << 20)  /* read and dropped beyond a limit, so that 413 is heard */
#define LINGER_BYTES (8LL << 20) /* and then, while an early 413 is on its way */
#define LINGER_MS 2000
#define URI_ROOM 256 /* bytes of a URI that every request has room for */
#define STOP_WAIT_MS 10000

/* --- receiving ---------------------------------------------------------------------------- */

/* One slash between segments, none at the end, each decoded. False when an escape is broken. */
static bool path_read(struct http_req *req)
{
	struct str raw = req->target, rest = raw, seg;
	struct buf b;
	bool done = true;

	if (raw.len && raw.p[0] == '/' && !memchr(raw.p, '%', raw.len) &&
	    !memmem(raw.p, raw.len, "//", 2) && (raw.len == 1 || raw.p[raw.len - 1] != '/')) {
		req->path = raw;
		return true;
	}
	buf_init(&b, raw.len + 1);
	while (rest.len && done) {
		struct str tail = { 0 };

		str_cut(rest, '/', &seg, &tail);
		rest = tail;
		if (!seg.len)
			continue;
		buf_add_char(&b, '/');
		done = enc_unpercent(&b, seg, false);
	}
	if (!b.len)
		buf_add_char(&b, '/');
	if (b.fault || (done && !httpd_scrap(req, &b, &req->path))) {
		req->lost_memory = true;
		done = false;
	}
	buf_done(&b);
	return done;
}

/* What is not well-formed must not look as if it had not been sent. */
static bool escapes_fine(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char byte;

		if (s.p[i] != '%')
			continue;
		if (i + 2 >= s.len || !enc_unhex(str_n(s.p + i + 1, 2), &byte, 1) || !byte)
			return false;
	}
	return true;
}

static const char *peer_read(struct http_req *req)
{
	const struct conn *conn = req->conn;
	struct peer p;

	if (!conn->has_peer)
		return "unix";
	if (!peer_set_has(req->h->proxies, &conn->peer))
		return conn->peer_text;
	p = peer_behind(req->h->proxies, conn->peer, http_req_header(req, "X-Forwarded-For"));
	peer_text(&p, req->proxied);
	return req->proxied;
}

static bool params_decode(struct http_req *req)
{
	for (unsigned i = 0; i < req->match.params; i++)
		if (!httpd_decode(req, req->match.param[i].value, false,
				  &req->match.param[i].value))
			return false;
	return true;
}

/* The header block is here: who asks for what, and how much body is let in. */
static int head_read(struct http_req *req, const char *method, struct err *err)
{
	const struct httpd_options *o = &req->h->o;
	const char *announced, *twice = httpd_headers_read(req);
	uint64_t bytes;

	req->method = http_method_of(method);
	req->method_text = method;
	req->peer = peer_read(req);
	req->body_max = o->max_body_bytes;
	if (!path_read(req) || !escapes_fine(req->query)) {
		req->match_answer = -ERR_INVALID_SYNTAX;
	} else if (!o->any) {
		req->match_answer =
			route_find(req->h->routes, req->method, req->target, &req->match);
		if (!req->match_answer && req->match.route->max_body_bytes)
			req->body_max = req->match.route->max_body_bytes;
		if (!req->match_answer && !params_decode(req))
			req->match_answer = -ERR_INVALID_SYNTAX;
	}
	buf_init(&req->body, (size_t)req->body_max);
	if (twice)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "the request states its %s more than once", twice);
	announced = req->known[KNOWN_CONTENT_LENGTH];
	if (announced &&
	    (!str_uint64(str_of(announced), &bytes) || bytes > (uint64_t)req->body_max))
		return err_set(err, ERR_TOO_LARGE,
			       "a body of %.20s bytes is announced, %lld are let in", announced,
			       (long long)req->body_max);
	return 0;
}

static int too_large(struct http_req *req, struct err *err)
{
	return err_set(err, ERR_TOO_LARGE, "the body is longer than %lld bytes",
		       (long long)req->body_max);
}

/* A body that goes on and on: the answer is sent while it comes, and then no more is read than
 * it takes for the answer to arrive. */
static enum MHD_Result body_drop(struct http_req *req, size_t len)
{
	struct err err;

	req->too_large = true;
	req->drained += (int64_t)len;
	buf_done(&req->body);
	spool_free(TAKE(req->spool));
	if (req->drained <= DRAIN_BYTES)
		return MHD_YES;
	if (!req->cut_off) {
		req->cut_off = true;
		too_large(req, &err);
		httpd_send_early(req, &err);
		atomic_store(&req->conn->until_ms, stamp_mono_ms() + LINGER_MS);
	}
	return req->drained <= DRAIN_BYTES + LINGER_BYTES ? MHD_YES : MHD_NO;
}

/* What cannot be kept is read all the same: its fault is the answer. */
static enum MHD_Result body_spool(struct http_req *req, const char *data, size_t len)
{
	struct err *fault = &req->spool_fault;
	int r = fault->code ? -fault->code : 0;

	if (r == 0 && !req->spool)
		r = spool_new(&req->spool, req->h->o.spool_folder, req->body_max, fault);
	if (r == 0)
		r = spool_add(req->spool, data, len, fault);
	if (r == -ERR_TOO_LARGE) {
		*fault = (struct err){ 0 };
		return body_drop(req, len);
	}
	return MHD_YES;
}

static enum MHD_Result body_take(struct http_req *req, const char *data, size_t *len)
{
	size_t n = *len;

	*len = 0;
	if (req->match.route && req->match.route->spool && !req->too_large)
		return body_spool(req, data, n);
	if (req->too_large || req->body.len + n > (size_t)req->body_max)
		return body_drop(req, n);
	buf_add(&req->body, data, n);
	return MHD_YES;
}

static int refused(struct http_req *req, struct err *err)
{
	if (req->too_large)
		return too_large(req, err);
	if (req->h->o.tls_client_required && !http_req_cert(req))
		return err_set(err, ERR_FORBIDDEN,
			       "a client certificate is required here, issued for clients by "
			       "the CA that this server was given, and not expired");
	if (req->body.fault || req->lost_memory)
		return err_nomem(err);
	if (req->spool_fault.code)
		return err_set(err, req->spool_fault.code, "%s", req->spool_fault.text);
	if (req->match_answer < 0)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "path or query is not well-formed: a broken escape");
	if (req->match_answer == ROUTE_NO_PATH)
		return err_set(err, ERR_NOT_FOUND, "nothing is at " STR_FMT,
			       (int)(req->path.len < 200 ? req->path.len : 200), req->path.p);
	if (req->match_answer == ROUTE_NO_METHOD)
		return err_set(err, ERR_METHOD, "%.16s is not possible here", req->method_text);
	return 0;
}

static enum MHD_Result run_handler(struct http_req *req)
{
	const struct httpd_options *o = &req->h->o;
	struct err err = { 0 };
	int r, now, run = REQ_RUN;

	do {
		atomic_store(&req->state, REQ_RUN);
		r = (o->any ? o->any : req->match.route->handler)(o->ctx, req, &req->reply,
								  &err);
		if (r < 0)
			return httpd_send_fault(req, &err);
		now = atomic_load(&req->state);
		if (r != HTTP_PARKED || now == REQ_RESUMED)
			return httpd_send(req);
	} while (now == REQ_AGAIN);

	atomic_fetch_add(&req->h->parked, 1);
	MHD_suspend_connection(req->mhd);
	if (!atomic_compare_exchange_strong(&req->state, &run, REQ_PARKED)) {
		MHD_resume_connection(req->mhd); /* resumed in between: it was ours to undo */
		atomic_fetch_sub(&req->h->parked, 1);
	}
	return MHD_YES;
}

/* From here on a stop waits until the reply was sent. */
static void activate(struct http_req *req)
{
	req->active = true;
	atomic_fetch_add(&req->h->active, 1);
}

/* The whole request is here: the handler's turn. */
static enum MHD_Result dispatch(struct http_req *req)
{
	struct err err = { 0 };

	if (req->cut_off)
		return MHD_NO;
	atomic_store(&req->conn->until_ms, STAMP_NEVER);
	atomic_store(&req->conn->proven, true);
	activate(req);
	if (refused(req, &err) < 0)
		return httpd_send_fault(req, &err);
	return run_handler(req);
}

static void unpark(struct http_req *req, enum req_state to)
{
	struct httpd *h = req->h;
	struct MHD_Connection *mhd = req->mhd;

	/* From here on req may be gone, unless it was parked. */
	if (atomic_exchange(&req->state, to) != REQ_PARKED)
		return;
	MHD_resume_connection(mhd);
	atomic_fetch_sub(&h->parked, 1);
}

void http_req_resume(struct http_req *req)
{
	unpark(req, REQ_RESUMED);
}

void http_req_again(struct http_req *req)
{
	unpark(req, REQ_AGAIN);
}

enum MHD_Result httpd_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
				const char *method, const char *version, const char *data,
				size_t *len, void **con_cls)
{
	struct http_req *req = *con_cls;
	struct err err;

	(void)cls;
	(void)mhd;
	(void)url;
	(void)version;
	if (!req)
		return MHD_NO;
	switch (atomic_load(&req->state)) {
	case REQ_NEW:
		atomic_store(&req->state, REQ_BODY);
		if (head_read(req, method, &err) < 0) {
			activate(req);
			return httpd_send_fault(req, &err);
		}
		return MHD_YES;
	case REQ_BODY:
		return *len ? body_take(req, data, len) : dispatch(req);
	case REQ_RESUMED:
		return httpd_send(req);
	case REQ_AGAIN:
		return run_handler(req);
	default:
		return MHD_YES;
	}
}

/* "r-" and 12 hex digits: odd times a counter walks all 48-bit numbers once. */
static void id_fill(char ret[16], uint64_t count)
{
	uint64_t x = (count * 0x9e3779b97f4bULL) & 0xffffffffffffULL;

	memcpy(ret, "r-", 2);
	for (int i = 0; i < 12; i++)
		ret[2 + i] = "0123456789abcdef"[x >> (44 - 4 * i) & 15];
	ret[14] = '\0';
}

/* Zeroed, with room for so many bytes of URI: what the last request of the connection lay in,
 * where that is enough. */
static struct http_req *req_new(struct conn *conn, size_t uri_bytes)
{
	struct http_req *req = TAKE(conn->spare);
	size_t room = uri_bytes > URI_ROOM ? uri_bytes : URI_ROOM;

	if (req && req->uri_room < uri_bytes) {
		free(req);
		req = NULL;
	}
	if (!req) {
		req = malloc(sizeof(*req) + room);
		if (!req)
			return NULL;
		req->uri_room = room;
	}
	room = req->uri_room;
	memset(req, 0, sizeof(*req));
	req->uri_room = room;
	return req;
}

void *httpd_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct generation *gen = cls;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *conn = info ? info->socket_context : NULL;
	size_t len = strlen(uri);
	struct http_req *req;
	struct str all;

	if (!conn)
		return NULL;
	req = req_new(conn, len + 1);
	if (!req)
		return NULL;
	memcpy(req->uri, uri, len + 1);
	req->h = gen->h;
	req->conn = conn;
	req->mhd = mhd;
	all = str_n(req->uri, len);
	str_cut(all, '?', &req->target, &req->query);
	buf_init(&req->headers, REPLY_HEADER_BYTES);
	buf_init(&req->reply.body, REPLY_BYTES);
	req->began_ms = stamp_mono_ms();
	atomic_store(&conn->until_ms, req->began_ms + gen->h->o.timeout_ms);
	id_fill(req->id, atomic_fetch_add(&gen->h->next_id, 1));
	return req;
}

static void req_free(struct http_req *req)
{
	if (req->kept && req->kept_free)
		req->kept_free(req->kept);
	httpd_stream_end(req);
	buf_done(&req->reply.body);
	buf_done(&req->headers);
	buf_done(&req->body);
	spool_free(req->spool);
	for (size_t i = 0; i < KNOWN_HEADERS; i++)
		free(req->joined[i]);
	while (req->scraps) {
		struct scrap *s = req->scraps;

		req->scraps = s->next;
		free(s);
	}
	if (req->uri_room == URI_ROOM && !req->conn->spare)
		req->conn->spare = req;
	else
		free(req);
}

void httpd_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			enum MHD_RequestTerminationCode toe)
{
	struct generation *gen = cls;
	struct http_req *req = *con_cls;
	int64_t now = stamp_mono_ms();

	(void)mhd;
	(void)toe;
	*con_cls = NULL;
	if (!req)
		return;
	atomic_store(&req->conn->until_ms, now + gen->h->o.timeout_ms);
	if (req->active)
		atomic_fetch_sub(&gen->h->active, 1);
	if (req->status && gen->h->o.after)
		gen->h->o.after(gen->h->o.ctx, req, req->status, now - req->began_ms);
	req_free(req);
}

/* --- start, sweep, stop ------------------------------------------------------------------- */

/* MHD closes what it does not take. */
static void hand_over(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct httpd *h = ctx;
	struct generation *gen;

	pthread_mutex_lock(&h->lock);
	gen = h->gens;
	atomic_fetch_add(&gen->connections, 1);
	pthread_mutex_unlock(&h->lock);
	atomic_fetch_add(&h->handed, 1);
	atomic_store(&h->handed_ms, stamp_mono_ms());
	MHD_add_connection(gen->daemon, fd, peer, len);
	atomic_fetch_sub(&gen->connections, 1);
}

static void sweep(struct worker *self, void *arg)
{
	struct httpd *h = arg;
	int64_t each = h->o.timeout_ms / 4;

	if (each > 1000)
		each = 1000;
	if (each < 10)
		each = 10;
	while (!worker_wait(self, each)) {
		int64_t now = stamp_mono_ms();
		struct generation *gen;

		httpd_conn_sweep(h, now);
		while ((gen = httpd_generation_emptied(h, now)))
			httpd_generation_free(gen);
	}
}

static int options_take(struct httpd *h, const struct httpd_options *o, struct err *err)
{
	h->o = *o;
	if (!h->o.name)
		h->o.name = "http";
	if (!h->o.threads)
		h->o.threads = 1;
	if (!h->o.connections)
		h->o.connections = 1024;
	if (!h->o.max_body_bytes)
		h->o.max_body_bytes = 1 << 20;
	if (!h->o.timeout_ms)
		h->o.timeout_ms = 30000;
	if (!o->tls_cert_file != !o->tls_key_file ||
	    ((o->tls_client_ca_file || o->tls_client_required) && !o->tls_cert_file) ||
	    (o->tls_client_required && !o->tls_client_ca_file))
		return err_set(err, ERR_CONFIG,
			       "serve %s: TLS needs certificate and key, and client "
			       "certificates need TLS and the CA they come from",
			       o->listen ? o->listen : "");
	h->listen_text = str_dup(str_of(o->listen));
	if (o->tls_cert_file) {
		h->cert_file = str_dup(str_of(o->tls_cert_file));
		h->key_file = str_dup(str_of(o->tls_key_file));
	}
	if (o->tls_client_ca_file &&
	    !(h->client_ca_file = str_dup(str_of(o->tls_client_ca_file))))
		return err_nomem(err);
	if (!h->listen_text || (o->tls_cert_file && (!h->cert_file || !h->key_file)))
		return err_nomem(err);
	return 0;
}

int httpd_start(struct httpd **ret, const struct httpd_options *options, struct err *err)
{
	struct httpd *h = calloc(1, sizeof(*h));
	char name[16];
	struct acceptor_options accept = {
		.name = name, .room = httpd_conn_room, .take = hand_over, .ctx = h
	};
	uint64_t seed;
	int r;

	if (!h)
		return err_nomem(err);
	h->at.fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	secret_random_bytes(&seed, sizeof(seed));
	atomic_init(&h->next_id, seed);
	r = options_take(h, options, err);
	if (r == 0)
		r = route_table_new(&h->routes, options->routes, err);
	if (r == 0)
		r = peer_set_new(&h->proxies, options->trusted_proxies, err);
	if (r == 0)
		r = listen_open(&h->at, options->listen, options->unix_mode, err);
	if (r == 0)
		r = httpd_generation_new(&h->gens, h, err);
	snprintf(name, sizeof(name), "%.9s-sweep", h->o.name ? h->o.name : "http");
	if (r == 0)
		r = worker_start(&h->sweeper, name, sweep, h, err);
	snprintf(name, sizeof(name), "%.8s-accept", h->o.name ? h->o.name : "http");
	accept.fd = h->at.fd;
	if (r == 0)
		r = acceptor_start(&h->acceptor, &accept, err);
	if (r < 0) {
		httpd_stop(h);
		return r;
	}
	*ret = h;
	return 0;
}

unsigned httpd_port(const struct httpd *h)
{
	return h->at.port;
}

size_t httpd_active(const struct httpd *h)
{
	return atomic_load(&h->active);
}

void httpd_quiesce(struct httpd *h)
{
	if (h->quiesced)
		return;
	h->quiesced = true;
	acceptor_stop(TAKE(h->acceptor));
	listen_close(&h->at);
	pthread_mutex_lock(&h->lock);
	if (h->gens)
		httpd_generation_retire(h->gens);
	pthread_mutex_unlock(&h->lock);
}

/* Lets what was accepted be answered; a client that does not read its reply is not waited for
 * beyond the bound. MHD aborts the process when a suspended connection meets MHD_stop_daemon():
 * rather than that, a server whose owner forgot a parked request is left running. */
static bool all_answered(struct httpd *h)
{
	int64_t until = stamp_mono_ms() + STOP_WAIT_MS;

	while ((atomic_load(&h->parked) || atomic_load(&h->active)) && stamp_mono_ms() < until)
		stamp_sleep_ms(5);
	return atomic_load(&h->parked) == 0;
}

void httpd_stop(struct httpd *h)
{
	if (!h)
		return;
	httpd_quiesce(h);
	worker_join(h->sweeper);
	if (!all_answered(h))
		return;
	while (h->gens) {
		struct generation *gen = h->gens;

		h->gens = gen->next;
		httpd_generation_free(gen);
	}
	route_table_free(h->routes);
	peer_set_free(h->proxies);
	pthread_mutex_destroy(&h->lock);
	free(h->cert_file);
	free(h->key_file);
	free(h->client_ca_file);
	free(h->listen_text);
	free(h);
}
