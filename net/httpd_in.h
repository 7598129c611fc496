/*
 * The inside of the HTTP server, for its own files alone:
 *
 *   httpd.c        receiving: from a request line to the handler; starting and stopping
 *   httpd_req.c    what a handler may ask
 *   httpd_reply.c  sending
 *   httpd_conn.c   connections: how many, whose, how long
 *   httpd_tls.c    certificates, and the libmicrohttpd daemon that carries them
 */
#ifndef NET_HTTPD_IN_H
#define NET_HTTPD_IN_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/stamp.h"
#include "net/acceptor.h"
#include "net/httpd.h"
#include "net/listen.h"
#include "net/peer.h"
#include "net/route.h"
#include "net/spool.h"

#define HTTPD_HANDED_MOST 64 /* taken by the acceptor, and not yet known as a connection */
#define HTTPD_HANDED_MS 2000 /* what is not known after that was dropped by libmicrohttpd */

enum req_state {
	REQ_NEW,
	REQ_BODY,
	REQ_RUN,
	REQ_PARKED,
	REQ_RESUMED, /* the reply is filled */
	REQ_AGAIN,   /* the handler is to be called once more */
	REQ_SENT
};

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
	atomic_bool proven; /* sent a whole request once */
	bool cert_read;
	struct http_cert *cert; /* NULL: none that was proved */
	uid_t uid;
	pid_t pid;
	_Atomic int64_t until_ms; /* monotonic; a whole request must be here by then */
	struct http_req *spare;   /* memory of the last request, for the next one */
	struct conn *prev, *next;
};

/* Memory that lives as long as its request. */
struct scrap {
	struct scrap *next;
	char bytes[];
};

/* Headers that are asked for all the time: found in one pass over what was sent. */
enum known_header {
	KNOWN_AUTHORIZATION,
	KNOWN_ACCEPT,
	KNOWN_CONTENT_TYPE,
	KNOWN_CONTENT_LENGTH,
	KNOWN_TRANSFER_ENCODING,
	KNOWN_HOST,
	KNOWN_IF_MATCH,
	KNOWN_IF_NONE_MATCH,
	KNOWN_FORWARDED_FOR,
	KNOWN_HEADERS
};

struct http_req {
	struct httpd *h;
	struct conn *conn;
	struct MHD_Connection *mhd;
	atomic_int state;
	enum http_method method;
	const char *method_text;
	struct str target, query, path;
	bool headers_read;
	const char *known[KNOWN_HEADERS]; /* the first, or a list of all; NULL: not sent */
	char *joined[KNOWN_HEADERS];      /* what known points to where lines were joined */
	struct route_match match;
	int match_answer; /* of route_find(); below zero: the path itself is broken */
	struct buf body;
	struct spool *spool;    /* instead of body; NULL: none */
	struct err spool_fault; /* what became of it */
	int64_t body_max, drained;
	bool too_large, cut_off;
	struct http_reply reply;
	struct buf headers; /* name NUL value NUL ... */
	const char *peer;
	char proxied[PEER_TEXT_BYTES];
	char id[16];
	int64_t began_ms;
	int status;  /* as sent; 0 before */
	bool active; /* counted in httpd.active */
	bool aborted, abort_reset;
	bool lost_memory; /* a handler asked for what could not be decoded: its answer is void
			   */
	int64_t abort_after;
	void *kept;
	void (*kept_free)(void *);
	struct scrap *scraps;
	size_t uri_room;
	char uri[]; /* as sent */
};

struct httpd {
	struct httpd_options o; /* its texts are borrowed, but for those below */
	char *cert_file, *key_file, *client_ca_file, *listen_text;
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
	atomic_size_t handed;      /* to libmicrohttpd, which has not told of them yet */
	_Atomic int64_t handed_ms; /* the last of them */
	atomic_uint_fast64_t next_id;
	char said[256]; /* what MHD complained about while starting */
	bool starting;
};

/* --- httpd.c: libmicrohttpd's callbacks; cls is the generation --------------------------- */

enum MHD_Result httpd_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
				const char *method, const char *version, const char *data,
				size_t *len, void **con_cls);
void *httpd_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
void httpd_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			enum MHD_RequestTerminationCode toe);

/* --- httpd_req.c ------------------------------------------------------------------------- */

/* Reads all headers. NULL, or what was said twice that may be said but once. */
const char *httpd_headers_read(struct http_req *req);
/* A copy of what decoded holds, living as long as the request; false without memory. */
bool httpd_scrap(struct http_req *req, const struct buf *decoded, struct str *ret);
/* Decoded text that lives as long as the request; raw itself where nothing is encoded. */
bool httpd_decode(struct http_req *req, struct str raw, bool plus_is_blank, struct str *ret);

/* --- httpd_reply.c: MHD_NO closes the connection ------------------------------------ */

enum MHD_Result httpd_send(struct http_req *req); /* the finished reply */
enum MHD_Result httpd_send_fault(struct http_req *req, const struct err *fault);
/* Writes the reply for a fault past libmicrohttpd, which sends nothing while a body comes, and
 * sends no more on this connection. */
void httpd_send_early(struct http_req *req, const struct err *fault);
void httpd_stream_end(struct http_req *req);

/* --- httpd_conn.c ------------------------------------------------------------------------ */

/* NULL without memory. fd stays MHD's. addr is NULL for Unix sockets. */
struct conn *httpd_conn_new(struct generation *gen, int fd, const struct sockaddr *addr);
void httpd_conn_end(struct conn *conn);
/* Ends those whose time is over. */
void httpd_conn_sweep(struct httpd *h, int64_t now_ms);
/* Whether one more may come in; a full server ends idle ones to make room. */
bool httpd_conn_room(void *httpd);

/* --- httpd_tls.c ------------------------------------------------------------------------- */

/* Reads certificate and key, and starts a daemon with them. */
int httpd_generation_new(struct generation **ret, struct httpd *h, struct err *err) MUST_USE;
void httpd_generation_free(struct generation *gen); /* none of its connections is suspended */
/* Gets no more connections; those it has end with their next reply. */
void httpd_generation_retire(struct generation *gen);
/* Sends bytes past libmicrohttpd and says farewell, encrypted where the connection is. */
void httpd_farewell(struct http_req *req, struct str bytes);
/* Takes one retired generation without connections out of the list; NULL: there is none. */
struct generation *httpd_generation_emptied(struct httpd *h, int64_t now_ms);

#endif
