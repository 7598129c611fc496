/*
 * The SCIM server (RFC 7643, 7644): from a request to a response, over struct scim_backend.
 *
 *     /scim/v2/{source}/Users  Groups  .search  ServiceProviderConfig  ResourceTypes  Schemas
 *     Bulk
 *     Me is the User that the token is itself (struct scim_client), and 501 where it is none;
 *     every other path 404, every other method 405: always with an Error body.
 *
 * scim_service_answer() knows no HTTP server: it takes a struct scim_request and fills a struct
 * scim_response. scim_service_routes() puts it behind net/httpd. The service is immutable once
 * made; any number of threads may answer at once.
 */
#ifndef SCIM_SERVICE_H
#define SCIM_SERVICE_H

#include "net/httpd.h"
#include "scim/backend.h"

struct scim_service;

struct scim_options {
	const char *public_url;  /* "https://leaverd.example.com": begins Location and
				    meta.location; without '/' at its end. Never from Host */
	const char *docs_url;    /* documentationUri; NULL: none */
	bool open_config;        /* ServiceProviderConfig is served without a token */
	unsigned max_results;    /* most resources in one page; 0: 200 */
	unsigned max_operations; /* of one PATCH; 0: 1000 */
	/* Bulk: maxOperations, 0: 1000; maxPayloadSize, 0: 1 MiB; one operation's bytes, 0: as
	 * maxPayloadSize */
	size_t bulk_operations;
	int64_t bulk_bytes;
	size_t bulk_operation_bytes;
	/* Cursors are signed with it; copied. Keep it, and they outlive this process. NULL: a
	 * new one. */
	const struct secret *cursor_key;
	size_t cache_bytes; /* of bodies kept to be sent again (scim/shelf.h); 0: none */
};

/* Copies options; backend must outlive the service. Fault: NOMEM, CONFIG (public_url). */
int scim_service_new(struct scim_service **ret, const struct scim_backend *backend,
		     const struct scim_options *options, struct err *err) MUST_USE;
void scim_service_free(struct scim_service *s); /* when no request is parked */
OWNED(struct scim_service, scim_service_free)

/* --- behind net/httpd ----------------------------------------------------------------------
 */

/* Writes the routes (at most room) into a table that the caller ends with NULL; how many. Their
 * data is s. */
#define SCIM_ROUTES_MAX 32
size_t scim_service_routes(struct scim_service *s, struct http_route *into, size_t room);
/*
 * For httpd_options.fault: turns the server's own faults (no route, 413) into an Error body if
 * the request's path is under /scim. False: not ours, nothing done.
 */
bool scim_service_fault(struct http_req *req, struct http_reply *reply, const struct err *err);

/* Registers the room's counters (base/metric). Once, at start. */
void scim_service_metrics(void);

/* --- the protocol, without a server ---------------------------------------------------------
 */

/* Borrowed until the response is complete. */
struct scim_request {
	enum http_method method;
	struct str path;  /* decoded once, behind "/scim": "/v2/idp/Users/2819c223"; a missing
			     version is the newest */
	struct str query; /* raw, as sent */
	struct str body;
	const struct spool *spool; /* instead of body, for Bulk; or NULL */
	/* NULL if not sent */
	const char *authorization, *accept, *content_type, *if_match, *if_none_match;
	const struct http_cert *cert; /* of the client; NULL: none that was proved */
	const char *id;               /* correlation id, for error bodies and logs */
	const char *peer;             /* client address */
};

struct scim_response {
	int status;               /* zeroed by the caller, as all but body, resume, ctx */
	const char *content_type; /* static; NULL: no body */
	struct buf *body;         /* the caller's, empty, with its ceiling */
	char location[512];       /* header values; "" : none */
	bool content_location;    /* location is that of the content as well */
	char etag[SCIM_ETAG_BYTES];
	char allow[64];
	const char *www_authenticate; /* static; NULL: none */
	int retry_after_s;            /* 0: none */
	/* Called when a parked response is complete, once, from any thread. */
	void (*resume)(struct scim_response *res);
	/* Called instead when the request is to be answered anew, by another call of
	 * scim_service_answer() with again NULL. NULL: whoever asks waits for nothing. */
	void (*again)(struct scim_response *res);
	/* Called instead, of a bulk request and as often as it was parked:
	 * scim_service_go_on() is due, on a thread that may work for a while. */
	void (*go_on)(struct scim_response *res);
	void *ctx;         /* the caller's */
	struct bulk *bulk; /* what is under way; NULL otherwise */
};

/*
 * HTTP_DONE: *res is complete. HTTP_PARKED: a write is under way, or who asks is being found
 * out; one of res->resume(), again() and go_on() will be called. Faults become Error bodies:
 * there are none to handle.
 */
int scim_service_answer(struct scim_service *s, const struct scim_request *req,
			struct scim_response *res);
/* As it, after res->go_on(). */
int scim_service_go_on(struct scim_response *res);
/* Gives up a response that waits to be gone on with: its client has left. Else nothing. */
void scim_service_give_up(struct scim_response *res);

#endif
