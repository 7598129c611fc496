#include "net/httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/enc.h"
#include "base/map.h"
#include "base/worker.h"
#include "net/acceptor.h"
#include "net/listen.h"
#include "net/peer.h"
#include "net/route.h"

/*
 * One request's life. MHD calls on_uri() when the request line was read, on_access() when the
 * header block was (NEW), for each piece of body (BODY) and once more when all is there: then
 * the handler runs (RUN). A handler that parks leaves the connection suspended (PARKED);
 * http_req_resume() makes it RESUMED, and MHD calls on_access() once more to send the reply.
 * The resume may come before the handler has even returned, so PARKED and RESUMED are reached
 * by atomic steps, and whoever comes second does the work.
 *
 * MHD's own timeout counts silence only. A client that trickles bytes is ended by our sweeper:
 * each connection carries the time by which it must have sent a whole request.
 *
 * Connections come from our own acceptor. A new certificate means a new MHD daemon, which gets
 * those that come from then on: the old one ends its connections with their next reply, and is
 * stopped when none is left.
 */

#define HEADER_BYTES 32768 /* MHD's memory for a connection: the header block lives there */
#define REPLY_BYTES (64LL << 20) /* a longer body wants http_reply.stream */
#define REPLY_HEADER_BYTES 16384
#define STREAM_BLOCK 32768
#define DRAIN_BYTES (1LL << 20) /* read and dropped beyond a limit, so that 413 is heard */
#define PEM_BYTES (1LL << 20)
#define STOP_WAIT_MS 10000
#define RETIRE_MS 2000
#define HANDED_MOST 64 /* taken by the acceptor, and not yet known as a connection */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum req_state { REQ_NEW, REQ_BODY, REQ_RUN, REQ_PARKED, REQ_RESUMED, REQ_SENT };

/* How many connections one address has. */
struct address {
	struct peer peer;
	unsigned count;
	UT_hash_handle hh;
};

/* One MHD daemon: of the running certificate, or of an older one that still has connections. */
struct generation {
	struct httpd *h;
	struct MHD_Daemon *daemon;
	atomic_size_t connections; /* and one more while the acceptor hands one over */
	atomic_bool retired;
	int64_t retired_ms;
	struct generation *next;
};

struct conn {
	struct generation *gen;
	int fd;
	struct peer peer;
	char peer_text[PEER_TEXT_BYTES];
	bool has_peer, counted, has_cred;
	uid_t uid;
	pid_t pid;
	_Atomic int64_t until_ms; /* monotonic; a whole request must be here by then */
	struct conn *prev, *next;
};

/* Memory that lives as long as its request. */
struct scrap {
	struct scrap *next;
	char bytes[];
};

struct http_req {
	struct httpd *h;
	struct conn *conn;
	struct MHD_Connection *mhd;
	atomic_int state;
	enum http_method method;
	const char *method_text;
	struct str target, query, path;
	struct route_match match;
	int match_answer; /* of route_find(); below zero: the path itself is broken */
	struct buf body;
	int64_t body_max, drained;
	bool too_large;
	struct http_reply reply;
	struct buf headers; /* name NUL value NUL ... */
	const char *peer;
	char proxied[PEER_TEXT_BYTES];
	char id[16];
	int64_t began_ms;
	int status; /* as sent; 0 before */
	bool aborted, abort_reset;
	bool lost_memory; /* a handler asked for what could not be decoded: its answer is void
			   */
	int64_t abort_after;
	void *kept;
	void (*kept_free)(void *);
	struct scrap *scraps;
	char uri[]; /* as sent */
};

struct httpd {
	struct httpd_options o; /* its texts are borrowed, but for those below */
	char *cert_file, *key_file, *listen_text;
	struct listen_at at;
	struct route_table *routes;
	struct peer_set *proxies;
	struct acceptor *acceptor;
	struct worker *sweeper;
	pthread_mutex_t lock;    /* generations, connections, addresses */
	struct generation *gens; /* the first is the one that gets new connections */
	struct conn *conns;
	struct address *addresses;
	bool quiesced;
	atomic_size_t connections, active, parked;
	atomic_uint_fast64_t next_id;
	char said[256]; /* what MHD complained about while starting */
	bool starting;
};

/* --- what a handler may ask --------------------------------------------------------------- */

enum http_method http_req_method(const struct http_req *req)
{
	return req->method;
}

const char *http_req_method_text(const struct http_req *req)
{
	return req->method_text;
}

struct str http_req_target(const struct http_req *req)
{
	return req->target;
}

struct str http_req_path(const struct http_req *req)
{
	return req->path;
}

struct str http_req_query_raw(const struct http_req *req)
{
	return req->query;
}

const char *http_req_header(const struct http_req *req, const char *name)
{
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

struct str http_req_body(const struct http_req *req)
{
	return buf_str(&req->body);
}

const char *http_req_peer(const struct http_req *req)
{
	return req->peer;
}

bool http_req_cred(const struct http_req *req, uid_t *uid, pid_t *pid)
{
	if (!req->conn->has_cred)
		return false;
	*uid = req->conn->uid;
	*pid = req->conn->pid;
	return true;
}

const char *http_req_id(const struct http_req *req)
{
	return req->id;
}

struct http_reply *http_req_reply(struct http_req *req)
{
	return &req->reply;
}

const struct http_route *http_req_route(const struct http_req *req)
{
	return req->match.route;
}

void http_req_keep(struct http_req *req, void *p, void (*free_fn)(void *))
{
	if (req->kept && req->kept_free && req->kept != p)
		req->kept_free(req->kept);
	req->kept = p;
	req->kept_free = free_fn;
}

void *http_req_kept(const struct http_req *req)
{
	return req->kept;
}

void http_req_abort(struct http_req *req, int64_t after_body_bytes, bool reset)
{
	req->aborted = true;
	req->abort_after = after_body_bytes;
	req->abort_reset = reset;
}

/* A copy of what decoded holds, living as long as the request; false without memory. */
static bool scrap_keep(struct http_req *req, const struct buf *decoded, struct str *ret)
{
	struct scrap *s = malloc(sizeof(*s) + decoded->len + 1);

	if (!s)
		return false;
	if (decoded->len)
		memcpy(s->bytes, decoded->p, decoded->len);
	s->bytes[decoded->len] = '\0';
	s->next = req->scraps;
	req->scraps = s;
	*ret = str_n(s->bytes, decoded->len);
	return true;
}

/* Decoded text that lives as long as the request; raw itself where nothing is encoded. */
static bool decode(struct http_req *req, struct str raw, bool plus_is_blank, struct str *ret)
{
	struct buf b;
	bool done;

	if (!memchr(raw.p ? raw.p : "", '%', raw.len) &&
	    !(plus_is_blank && memchr(raw.p ? raw.p : "", '+', raw.len))) {
		*ret = raw;
		return true;
	}
	buf_init(&b, raw.len);
	done = enc_unpercent(&b, raw, plus_is_blank) && !b.fault;
	if (b.fault || (done && !scrap_keep(req, &b, ret))) {
		/* Must not look as if it had not been sent. */
		req->lost_memory = true;
		done = false;
	}
	buf_done(&b);
	return done;
}

struct str http_req_param(const struct http_req *req, const char *name)
{
	struct str wanted = str_of(name), value = { 0 };

	for (unsigned i = 0; i < req->match.params; i++)
		if (str_eq(req->match.param[i].name, wanted))
			value = req->match.param[i].value;
	return value;
}

bool http_req_query(struct http_req *req, const char *name, struct str *ret)
{
	struct str rest = req->query, pair, wanted = str_of(name);
	bool plus = true;

	for (size_t i = 0; i + 2 < req->query.len && plus; i++)
		plus = !!memcmp(req->query.p + i, "%20", 3);
	while (rest.len) {
		struct str tail = { 0 }, key, value = { 0 };

		str_cut(rest, '&', &pair, &tail);
		rest = tail;
		str_cut(pair, '=', &key, &value);
		if (decode(req, key, plus, &key) && str_eq(key, wanted))
			return decode(req, value, plus, ret);
	}
	return false;
}

static bool clean_header(const char *text, bool is_name)
{
	for (const char *p = text; *p; p++)
		if (*p == '\r' || *p == '\n' || (is_name && (*p == ':' || *p <= ' ')))
			return false;
	return !is_name || *text;
}

int http_reply_header(struct http_req *req, const char *name, const char *value,
		      struct err *err)
{
	if (!clean_header(name, true) || !clean_header(value, false))
		return err_set(err, ERR_INTERNAL, "reply header \"%.40s\" would break a line",
			       clean_header(name, true) ? name : "(name)");
	buf_add(&req->headers, name, strlen(name) + 1);
	buf_add(&req->headers, value, strlen(value) + 1);
	return buf_fault(&req->headers, err, "the reply's header");
}

/* --- sending ------------------------------------------------------------------------------ */

static ssize_t stream_read(void *cls, uint64_t pos, char *into, size_t room)
{
	struct http_req *req = cls;
	ssize_t n = req->reply.stream(req->reply.stream_ctx, into, room);

	(void)pos;
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void stream_end(struct http_req *req)
{
	if (req->reply.stream_done)
		req->reply.stream_done(req->reply.stream_ctx);
	req->reply.stream = NULL;
	req->reply.stream_done = NULL;
}

/* Ends a TCP connection with a reset instead of a farewell. */
static void reset_now(struct http_req *req)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	connect(req->conn->fd, &nowhere, sizeof(nowhere));
}

/* Sends the body as announced up to abort_after, then breaks. */
static ssize_t abort_read(void *cls, uint64_t pos, char *into, size_t room)
{
	struct http_req *req = cls;
	uint64_t left = (uint64_t)req->abort_after - pos;

	if (pos >= (uint64_t)req->abort_after) {
		if (req->abort_reset)
			reset_now(req);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (room > left)
		room = left;
	memcpy(into, req->reply.body.p + pos, room);
	return (ssize_t)room;
}

static struct MHD_Response *response_of(struct http_req *req)
{
	struct MHD_Response *resp;
	size_t len = req->reply.body.len;
	char *bytes;

	if (req->aborted)
		return MHD_create_response_from_callback(len, STREAM_BLOCK, abort_read, req,
							 NULL);
	if (req->reply.stream)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
							 stream_read, req, NULL);
	if (!len)
		return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "",
						       MHD_RESPMEM_PERSISTENT);
	/* a body that must be wiped stays ours: it lives until the reply was sent, then is
	 * wiped */
	if (req->reply.body.secret)
		return MHD_create_response_from_buffer(len, req->reply.body.p,
						       MHD_RESPMEM_PERSISTENT);
	bytes = buf_take(&req->reply.body, &len);
	if (!bytes)
		return NULL;
	resp = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
	if (!resp)
		free(bytes);
	return resp;
}

/* The Date header of builds with the virtual clock: libmicrohttpd's own would tell the system's
 * time, and whoever holds it against times in the answer would be hours off. */
static void virtual_date(char ret[STAMP_TEXT_BYTES])
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t now_ms = stamp_now_ms(), in_day = now_ms % STAMP_DAY_MS / STAMP_SECOND_MS;
	int year, month, day;

	stamp_civil(now_ms, &year, &month, &day);
	snprintf(ret, STAMP_TEXT_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT",
		 days[now_ms / STAMP_DAY_MS % 7], (unsigned)day % 100, months[(month - 1) % 12],
		 (unsigned)year % 10000, (unsigned)(in_day / 3600),
		 (unsigned)(in_day / 60 % 60), (unsigned)(in_day % 60));
}

static bool response_headers(struct http_req *req, struct MHD_Response *resp)
{
	const char *p = req->headers.p, *end = p + req->headers.len;

	while (req->headers.len && p < end) {
		const char *value = p + strlen(p) + 1;

		if (MHD_add_response_header(resp, p, value) == MHD_NO)
			return false;
		p = value + strlen(value) + 1;
	}
	if (req->reply.content_type && req->status != 204 && req->status != 304 &&
	    MHD_add_response_header(resp, "Content-Type", req->reply.content_type) == MHD_NO)
		return false;
	if (stamp_is_virtual()) {
		char date[STAMP_TEXT_BYTES];

		virtual_date(date);
		if (MHD_add_response_header(resp, "Date", date) == MHD_NO)
			return false;
	}
	return !atomic_load(&req->conn->gen->retired) ||
	       MHD_add_response_header(resp, "Connection", "close") == MHD_YES;
}

static void fault_reply(struct http_req *req, const struct err *fault)
{
	struct http_reply *reply = &req->reply;

	stream_end(req);
	buf_clear(&reply->body);
	buf_clear(&req->headers);
	reply->status = 0;
	reply->content_type = NULL;
	if (req->match_answer == ROUTE_NO_METHOD) {
		char allow[ROUTE_ALLOW_BYTES];
		struct err err;

		route_allow_text(req->match.allowed, allow);
		if (http_reply_header(req, "Allow", allow, &err) < 0)
			buf_clear(&req->headers);
	}
	if (req->h->o.fault) {
		req->h->o.fault(req->h->o.ctx, req, reply, fault);
	} else {
		reply->content_type = "text/plain; charset=utf-8";
		buf_addf(&reply->body, "%s\n", fault->text);
	}
	if (!reply->status)
		reply->status = err_class(fault->code)->http_status;
	if (reply->body.fault)
		buf_clear(&reply->body); /* without memory the status alone must do */
}

/* Hands the finished reply to MHD. MHD_NO closes the connection. */
static enum MHD_Result send_reply(struct http_req *req)
{
	struct err err = { 0 };
	struct MHD_Response *resp;
	enum MHD_Result r;

	atomic_store(&req->state, REQ_SENT);
	atomic_fetch_sub(&req->h->active, 1);
	if (req->aborted && req->abort_after <= 0) {
		if (req->abort_reset)
			reset_now(req);
		return MHD_NO;
	}
	if (req->lost_memory)
		err_nomem(&err);
	if (err.code || buf_fault(&req->reply.body, &err, "the reply") < 0 ||
	    buf_fault(&req->headers, &err, "the reply's header") < 0)
		fault_reply(req, &err);
	if (req->abort_after > (int64_t)req->reply.body.len)
		req->abort_after = (int64_t)req->reply.body.len;
	req->status = req->reply.status ? req->reply.status : 200;
	if (req->status == 204 || req->status == 304)
		buf_clear(&req->reply.body);
	resp = response_of(req);
	if (!resp)
		return MHD_NO;
	r = response_headers(req, resp)
		    ? MHD_queue_response(req->mhd, (unsigned)req->status, resp)
		    : MHD_NO;
	MHD_destroy_response(resp);
	return r;
}

static enum MHD_Result send_fault(struct http_req *req, const struct err *fault)
{
	fault_reply(req, fault);
	return send_reply(req);
}

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
	if (b.fault || (done && !scrap_keep(req, &b, &req->path))) {
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

/* Two lengths, or a length and chunks, are how requests are smuggled past a proxy. */
static enum MHD_Result count_length(void *cls, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	unsigned *n = cls;

	(void)kind;
	(void)value;
	if (!strcasecmp(key, "content-length") || !strcasecmp(key, "transfer-encoding"))
		++*n;
	return MHD_YES;
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
		if (!decode(req, req->match.param[i].value, false, &req->match.param[i].value))
			return false;
	return true;
}

/* The header block is here: who asks for what, and how much body is let in. */
static int head_read(struct http_req *req, const char *method, struct err *err)
{
	const struct httpd_options *o = &req->h->o;
	unsigned lengths = 0;
	const char *announced;
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
	MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, count_length, &lengths);
	if (lengths > 1)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "the request states its length more than once");
	announced = http_req_header(req, "Content-Length");
	if (announced &&
	    (!str_uint64(str_of(announced), &bytes) || bytes > (uint64_t)req->body_max))
		return err_set(err, ERR_TOO_LARGE,
			       "a body of %.20s bytes is announced, %lld are let in", announced,
			       (long long)req->body_max);
	return 0;
}

static enum MHD_Result body_take(struct http_req *req, const char *data, size_t *len)
{
	if (req->too_large || req->body.len + *len > (size_t)req->body_max) {
		req->too_large = true;
		req->drained += (int64_t)*len;
		buf_clear(&req->body);
		if (req->drained > DRAIN_BYTES)
			return MHD_NO;
	} else {
		buf_add(&req->body, data, *len);
	}
	*len = 0;
	return MHD_YES;
}

static int refused(struct http_req *req, struct err *err)
{
	if (req->too_large)
		return err_set(err, ERR_TOO_LARGE, "the body is longer than %lld bytes",
			       (long long)req->body_max);
	if (req->body.fault || req->lost_memory)
		return err_nomem(err);
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

/* The whole request is here: the handler's turn. */
static enum MHD_Result dispatch(struct http_req *req)
{
	const struct httpd_options *o = &req->h->o;
	struct err err = { 0 };
	int r, run = REQ_RUN;

	atomic_store(&req->conn->until_ms, STAMP_NEVER);
	atomic_fetch_add(&req->h->active, 1);
	atomic_store(&req->state, REQ_RUN);
	r = refused(req, &err);
	if (r < 0)
		return send_fault(req, &err);
	r = (o->any ? o->any : req->match.route->handler)(o->ctx, req, &req->reply, &err);
	if (r < 0)
		return send_fault(req, &err);
	if (r != HTTP_PARKED || atomic_load(&req->state) == REQ_RESUMED)
		return send_reply(req);

	atomic_fetch_add(&req->h->parked, 1);
	MHD_suspend_connection(req->mhd);
	if (!atomic_compare_exchange_strong(&req->state, &run, REQ_PARKED)) {
		MHD_resume_connection(req->mhd); /* resumed in between: it was ours to undo */
		atomic_fetch_sub(&req->h->parked, 1);
	}
	return MHD_YES;
}

void http_req_resume(struct http_req *req)
{
	struct httpd *h = req->h;
	struct MHD_Connection *mhd = req->mhd;

	/* From here on req may be gone, unless it was parked. */
	if (atomic_exchange(&req->state, REQ_RESUMED) != REQ_PARKED)
		return;
	MHD_resume_connection(mhd);
	atomic_fetch_sub(&h->parked, 1);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url,
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
			atomic_fetch_add(&req->h->active, 1);
			return send_fault(req, &err);
		}
		return MHD_YES;
	case REQ_BODY:
		return *len ? body_take(req, data, len) : dispatch(req);
	case REQ_RESUMED:
		return send_reply(req);
	default:
		return MHD_YES;
	}
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
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
	req = calloc(1, sizeof(*req) + len + 1);
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
	/* Odd times a counter walks all 48-bit numbers once. */
	snprintf(req->id, sizeof(req->id), "r-%012llx",
		 (unsigned long long)((atomic_fetch_add(&gen->h->next_id, 1) *
				       0x9e3779b97f4bULL) &
				      0xffffffffffffULL));
	return req;
}

static void req_free(struct http_req *req)
{
	if (req->kept && req->kept_free)
		req->kept_free(req->kept);
	stream_end(req);
	buf_done(&req->reply.body);
	buf_done(&req->headers);
	buf_done(&req->body);
	while (req->scraps) {
		struct scrap *s = req->scraps;

		req->scraps = s->next;
		free(s);
	}
	free(req);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
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
	if (req->status && gen->h->o.after)
		gen->h->o.after(gen->h->o.ctx, req, req->status, now - req->began_ms);
	req_free(req);
}

/* --- connections -------------------------------------------------------------------------- */

/* Counts the connection for its address; false when that address has enough. */
static bool address_enter(struct httpd *h, struct conn *conn)
{
	struct address *a;

	if (!h->o.connections_per_address || !conn->has_peer ||
	    peer_set_has(h->proxies, &conn->peer))
		return true;
	HASH_FIND(hh, h->addresses, &conn->peer, sizeof(conn->peer), a);
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return false;
		a->peer = conn->peer;
		HASH_ADD(hh, h->addresses, peer, sizeof(a->peer), a);
		if (!MAP_ADDED(a)) {
			free(a);
			return false;
		}
	}
	if (a->count >= h->o.connections_per_address)
		return false;
	a->count++;
	conn->counted = true;
	return true;
}

static void address_leave(struct httpd *h, struct conn *conn)
{
	struct address *a;

	if (!conn->counted)
		return;
	HASH_FIND(hh, h->addresses, &conn->peer, sizeof(conn->peer), a);
	if (a && --a->count == 0) {
		HASH_DEL(h->addresses, a);
		free(a);
	}
}

static void conn_identify(struct conn *conn, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (info && info->client_addr && peer_of(info->client_addr, &conn->peer)) {
		conn->has_peer = true;
		peer_text(&conn->peer, conn->peer_text);
	} else if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		conn->has_cred = true;
		conn->uid = cred.uid;
		conn->pid = cred.pid;
	}
}

static struct conn *conn_start(struct generation *gen, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct httpd *h = gen->h;
	struct conn *conn = calloc(1, sizeof(*conn));
	bool let_in;

	if (!conn || !info) {
		free(conn);
		return NULL;
	}
	conn->gen = gen;
	conn->fd = info->connect_fd;
	conn_identify(conn, mhd);
	atomic_init(&conn->until_ms, stamp_mono_ms() + h->o.timeout_ms);
	atomic_fetch_add(&gen->connections, 1);
	atomic_fetch_add(&h->connections, 1);
	pthread_mutex_lock(&h->lock);
	let_in = address_enter(h, conn);
	conn->next = h->conns;
	if (conn->next)
		conn->next->prev = conn;
	h->conns = conn;
	pthread_mutex_unlock(&h->lock);
	if (!let_in)
		shutdown(conn->fd, SHUT_RDWR);
	return conn;
}

static void conn_end(struct conn *conn)
{
	struct httpd *h = conn->gen->h;

	pthread_mutex_lock(&h->lock);
	address_leave(h, conn);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		h->conns = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	pthread_mutex_unlock(&h->lock);
	atomic_fetch_sub(&h->connections, 1);
	atomic_fetch_sub(&conn->gen->connections, 1);
	free(conn);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode toe)
{
	if (toe == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = conn_start(cls, mhd);
	} else if (*socket_context) {
		conn_end(*socket_context);
		*socket_context = NULL;
	}
}

/* --- start, sweep, stop ------------------------------------------------------------------- */

/* Paths and queries are decoded by us, once and with care. */
static size_t leave_as_sent(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static void on_mhd_says(void *cls, const char *format, va_list args) PRINTF(2, 0);
static void on_mhd_says(void *cls, const char *format, va_list args)
{
	struct httpd *h = cls;

	size_t len;

	if (!h->starting)
		return;
	vsnprintf(h->said, sizeof(h->said), format, args);
	len = strlen(h->said);
	while (len && (h->said[len - 1] == '\n' || h->said[len - 1] == '.'))
		h->said[--len] = '\0';
}

static int pem_read(struct buf *into, const char *file, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	char piece[4096];
	ssize_t n;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_TLS, errno, "read %s", file);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_TLS, errno, "read %s", file);
	secret_wipe(piece, sizeof(piece));
	if (!into->len)
		return err_set(err, ERR_TLS, "%s is empty: expected PEM", file);
	return buf_fault(into, err, file);
}

static void generation_free(struct generation *gen)
{
	if (gen->daemon)
		MHD_stop_daemon(gen->daemon);
	free(gen);
}
OWNED(struct generation, generation_free)

/* cert and key are NULL without TLS. */
static void daemon_start(struct generation *gen, const char *cert, const char *key)
{
	const struct httpd_options *o = &gen->h->o;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
			 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
			 (cert ? MHD_USE_TLS : 0) |
			 (stamp_is_virtual() ? MHD_USE_SUPPRESS_DATE_NO_CLOCK : 0);
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	gen->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_access, gen, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_says,
		gen->h, MHD_OPTION_THREAD_POOL_SIZE, o->threads > 1 ? o->threads : 0,
		MHD_OPTION_CONNECTION_LIMIT, o->connections + HANDED_MOST,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->timeout_ms + 999) / 1000),
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, gen, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, gen, MHD_OPTION_NOTIFY_CONNECTION, on_connection, gen,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_as_sent, NULL, MHD_OPTION_STRICT_FOR_CLIENT,
		1, MHD_OPTION_ARRAY, cert ? tls : plain, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int generation_new(struct generation **ret, struct httpd *h, struct err *err)
{
	CLEANUP(generation_free_at) struct generation *gen = calloc(1, sizeof(*gen));
	CLEANUP(buf_done) struct buf cert, key;
	int r;

	buf_init(&cert, PEM_BYTES);
	buf_init_secret(&key, PEM_BYTES);
	if (!gen)
		return err_nomem(err);
	gen->h = h;
	if (h->cert_file) {
		r = pem_read(&cert, h->cert_file, err);
		if (r == 0)
			r = pem_read(&key, h->key_file, err);
		if (r < 0)
			return r;
	}
	h->said[0] = '\0';
	h->starting = true;
	daemon_start(gen, cert.p, key.p);
	h->starting = false;
	if (!gen->daemon)
		return err_set(err, h->cert_file ? ERR_TLS : ERR_NETWORK, "serve %s%s%s: %s",
			       h->listen_text, h->cert_file ? " with " : "",
			       h->cert_file ? h->cert_file : "",
			       h->said[0] ? h->said : "not possible");
	*ret = TAKE(gen);
	return 0;
}

/* Gets no more connections; those it has end with their next reply. */
static void generation_retire(struct generation *gen)
{
	if (!atomic_exchange(&gen->retired, true))
		gen->retired_ms = stamp_mono_ms();
}

static bool has_room(void *ctx)
{
	struct httpd *h = ctx;

	return atomic_load(&h->connections) < h->o.connections;
}

/* MHD closes what it does not take. */
static void hand_over(void *ctx, int fd, const struct sockaddr *peer, socklen_t len)
{
	struct httpd *h = ctx;
	struct generation *gen;

	pthread_mutex_lock(&h->lock);
	gen = h->gens;
	atomic_fetch_add(&gen->connections, 1);
	pthread_mutex_unlock(&h->lock);
	MHD_add_connection(gen->daemon, fd, peer, len);
	atomic_fetch_sub(&gen->connections, 1);
}

static void sweep_connections(struct httpd *h, int64_t now)
{
	pthread_mutex_lock(&h->lock);
	for (struct conn *conn = h->conns; conn; conn = conn->next) {
		if (atomic_load(&conn->until_ms) > now)
			continue;
		atomic_store(&conn->until_ms, STAMP_NEVER);
		shutdown(conn->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&h->lock);
}

/* Takes one generation without connections out of the list; NULL when there is none. */
static struct generation *emptied(struct httpd *h, int64_t now)
{
	struct generation *found = NULL;

	pthread_mutex_lock(&h->lock);
	for (struct generation **at = &h->gens->next; *at; at = &(*at)->next) {
		struct generation *gen = *at;

		if (atomic_load(&gen->connections) || now - gen->retired_ms < RETIRE_MS)
			continue;
		*at = gen->next;
		found = gen;
		break;
	}
	pthread_mutex_unlock(&h->lock);
	return found;
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

		sweep_connections(h, now);
		while ((gen = emptied(h, now)))
			generation_free(gen);
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
	if (!o->tls_cert_file != !o->tls_key_file)
		return err_set(err, ERR_CONFIG, "serve %s: TLS needs certificate and key",
			       o->listen ? o->listen : "");
	h->listen_text = str_dup(str_of(o->listen));
	if (o->tls_cert_file) {
		h->cert_file = str_dup(str_of(o->tls_cert_file));
		h->key_file = str_dup(str_of(o->tls_key_file));
	}
	if (!h->listen_text || (o->tls_cert_file && (!h->cert_file || !h->key_file)))
		return err_nomem(err);
	return 0;
}

int httpd_start(struct httpd **ret, const struct httpd_options *options, struct err *err)
{
	struct httpd *h = calloc(1, sizeof(*h));
	char name[16];
	struct acceptor_options accept = {
		.name = name, .room = has_room, .take = hand_over, .ctx = h
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
		r = generation_new(&h->gens, h, err);
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

int httpd_reload_tls(struct httpd *h, struct err *err)
{
	struct generation *gen, *old;
	int r;

	if (!h->cert_file || h->quiesced)
		return 0;
	r = generation_new(&gen, h, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&h->lock);
	old = h->gens;
	gen->next = old;
	h->gens = gen;
	generation_retire(old);
	pthread_mutex_unlock(&h->lock);
	return 0;
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
		generation_retire(h->gens);
	pthread_mutex_unlock(&h->lock);
}

/* MHD aborts the process when a suspended connection meets MHD_stop_daemon(). Rather than that,
 * a server whose owner forgot a parked request is left running. */
static bool all_resumed(struct httpd *h)
{
	int64_t until = stamp_mono_ms() + STOP_WAIT_MS;

	while (atomic_load(&h->parked) && stamp_mono_ms() < until)
		stamp_sleep_ms(5);
	return atomic_load(&h->parked) == 0;
}

void httpd_stop(struct httpd *h)
{
	if (!h)
		return;
	httpd_quiesce(h);
	worker_join(h->sweeper);
	if (!all_resumed(h))
		return;
	while (h->gens) {
		struct generation *gen = h->gens;

		h->gens = gen->next;
		generation_free(gen);
	}
	route_table_free(h->routes);
	peer_set_free(h->proxies);
	pthread_mutex_destroy(&h->lock);
	free(h->cert_file);
	free(h->key_file);
	free(h->listen_text);
	free(h);
}
