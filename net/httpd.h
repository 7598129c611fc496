/*
 * The HTTP server: libmicrohttpd behind plain structs. TCP (TLS or not) or a Unix socket.
 *
 * Threads: an epoll pool of MHD's. A handler runs on a pool thread, must not wait for a
 * directory or for Atlassian, and either answers at once or parks the request: another thread
 * then fills the reply and calls http_req_resume(), exactly once. Requests of a stopping server
 * that are still parked are resumed by their owners before httpd_stop() may be called with
 * parked_wait elapsed.
 *
 * Bounds: header block 32 KiB, body as configured (413 beyond it, announced or chunked), time
 * for a whole request, connections in all and per address. Slow or broken clients cost one
 * slot, and lose it to others when the server is full. Of an endless body what is beyond the
 * limit is dropped, answered 413 while it comes, and then cut off.
 */
#ifndef NET_HTTPD_H
#define NET_HTTPD_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/secret.h"

struct httpd;
struct http_req;
struct spool;

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER
};

/* The answer a handler fills. Zeroed and bounded by the server before the handler is called. */
struct http_reply {
	int status;               /* 200 if left 0 */
	const char *content_type; /* static text; NULL: none */
	struct buf body;
	/* A file-like body that is produced while sent (bulk exports): NULL normally. Returns
	 * bytes written, 0 at the end, below 0 to abort the connection. done(ctx) is called
	 * exactly once. */
	ssize_t (*stream)(void *ctx, char *into, size_t room);
	void (*stream_done)(void *ctx);
	void *stream_ctx;
};

/* Adds a header to the reply; copies. Name and value are checked for CR and LF. */
int http_reply_header(struct http_req *req, const char *name, const char *value,
		      struct err *err) MUST_USE;

enum { HTTP_DONE = 0, HTTP_PARKED = 1 };

/*
 * Answers a request. 0: the reply is ready. HTTP_PARKED: it will be resumed. Below zero: a
 * fault, which the server's `fault` callback turns into a reply.
 */
typedef int (*http_handler)(void *ctx, struct http_req *req, struct http_reply *reply,
			    struct err *err);

/* What a handler may ask. All borrowed texts live until the reply was sent. */
enum http_method http_req_method(const struct http_req *req);
const char *http_req_method_text(const struct http_req *req);
struct str http_req_target(const struct http_req *req); /* raw path as sent, without query */
struct str
http_req_path(const struct http_req *req); /* decoded once, "//" joined, no trailing "/" */
struct str http_req_query_raw(const struct http_req *req);
/* Decoded query value (first of that name), or false if there is none: a broken escape was
 * answered 400, and when memory is lost here the whole answer becomes a 503. '+' is a blank
 * unless the query holds "%20". */
bool http_req_query(struct http_req *req, const char *name, struct str *ret);
/* NULL if not sent. Of several lines the first; of Accept, If-Match, If-None-Match and
 * X-Forwarded-For, which are lists, all of them with commas between. */
const char *http_req_header(const struct http_req *req, const char *name);
struct str http_req_body(const struct http_req *req);
/* The body of a route that spools: then the text above is empty. NULL: the route does not, or
 * there is no body. */
const struct spool *http_req_spool(const struct http_req *req);
/* Path parameter by its name in the route template ("{id}"), decoded; empty if there is none.
 */
struct str http_req_param(const struct http_req *req, const char *name);
/* Client address as text (after trusted proxies); "unix" for a socket. */
const char *http_req_peer(const struct http_req *req);
/* Unix sockets: uid and pid of the peer by SO_PEERCRED; false on TCP. */
bool http_req_cred(const struct http_req *req, uid_t *uid, pid_t *pid);
/* Correlation id, "r-" and 12 hex digits: in logs and error bodies. */
const char *http_req_id(const struct http_req *req);
struct http_reply *http_req_reply(struct http_req *req);
/* A place for the handler's own pointer while parked; freed by `free_fn` with the request. */
void http_req_keep(struct http_req *req, void *p, void (*free_fn)(void *));
void *http_req_kept(const struct http_req *req);
/* From any thread, once, after a handler answered HTTP_PARKED and the reply is filled. */
void http_req_resume(struct http_req *req);
/* Instead of it: the handler is called once more, on a thread of the pool, with the reply as it
 * left it. */
void http_req_again(struct http_req *req);

/* A client's certificate that leads to the CA of tls_client_ca_file. */
struct http_cert {
	char fingerprint[65]; /* SHA-256 of it, small hex digits */
	char subject[256];    /* "CN=entra,O=Example"; empty when it is longer */
	char names[1024];     /* DNS names, each with '\n' after it */
};
/* NULL: none was shown, or it is expired, of another CA, not for clients. Lives until the reply
 * was sent. */
const struct http_cert *http_req_cert(const struct http_req *req);
bool http_cert_has_name(const struct http_cert *cert, struct str name);

/* One route: method, template ("/scim/v2/{source}/Users/{id}"), handler. Tables end with NULL.
 */
struct http_route {
	enum http_method method;
	const char *path;
	http_handler handler;
	int64_t max_body_bytes; /* 0: the server's */
	const void *data;       /* the handler's own, from http_req_route() */
	bool spool;             /* the body goes to a net/spool: memory does not follow it */
};
const struct http_route *http_req_route(const struct http_req *req);

struct httpd_options {
	const char *name;   /* "scim", "control": in logs and thread names */
	const char *listen; /* "127.0.0.1:8080", "[::1]:0" or "unix:/run/leaverd/control" */
	mode_t unix_mode;   /* of the socket file, e.g. 0660 */
	const char *tls_cert_file; /* PEM chain; NULL: no TLS */
	const char *tls_key_file;
	const char *tls_client_ca_file;     /* PEM; clients are asked for a certificate of it */
	bool tls_client_required;           /* requests without one are answered 403 */
	unsigned threads;                   /* pool size; 0: 1 */
	unsigned connections;               /* most in all; 0: 1024 */
	unsigned connections_per_address;   /* 0: no own limit */
	int64_t max_body_bytes;             /* 0: 1 MiB */
	int64_t timeout_ms;                 /* idle and whole-request limit; 0: 30 s */
	const char *spool_folder;           /* for bodies that are spooled; NULL: /var/tmp */
	const char *const *trusted_proxies; /* addresses or CIDRs, NULL-terminated; their
					       X-Forwarded-For counts */
	const struct http_route *routes;
	void *ctx; /* handed to every handler */
	/* Writes the reply for a fault (404 no route, 405, 413, handler faults). NULL:
	 * text/plain. */
	void (*fault)(void *ctx, struct http_req *req, struct http_reply *reply,
		      const struct err *err);
	/* Called when a reply was given to the network stack: for access logs and metrics.
	 * NULL: none. */
	void (*after)(void *ctx, const struct http_req *req, int status, int64_t took_ms);
	/*
	 * Raw mode for look-alike servers in tests: called instead of routing; may also make
	 * the connection misbehave through http_req_abort(). NULL normally.
	 */
	http_handler any;
};

/* Binds, listens, starts the pool. Fault: NETWORK or CONFIG naming address and reason, TLS. */
int httpd_start(struct httpd **ret, const struct httpd_options *options, struct err *err)
	MUST_USE;
/* The port it listens on (useful after :0); 0 for Unix sockets. */
unsigned httpd_port(const struct httpd *h);
/* Reads certificate and key again; the old stay on a fault. */
int httpd_reload_tls(struct httpd *h, struct err *err) MUST_USE;
/* No new connections; those inside go on. */
void httpd_quiesce(struct httpd *h);
/* Requests handed to handlers whose replies were not yet sent. */
size_t httpd_active(const struct httpd *h);
/* Ends it: call after httpd_quiesce() and when no request is parked (libmicrohttpd aborts
 * otherwise). */
void httpd_stop(struct httpd *h);

/* Tests only (rehearsal): closes the connection instead of answering; after sending `bytes` of
 * the body (0: none) or with a reset. */
void http_req_abort(struct http_req *req, int64_t after_body_bytes, bool reset);

#endif
