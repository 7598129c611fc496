/*
 * The HTTP client: one thread owns the one curl multi handle. Any thread submits calls and
 * waits for them; pacing (budgets), retries and deadlines happen in the client's thread, so a
 * caller sees one call with one end. Nobody holds a lock across I/O.
 *
 * TLS is verified always; http:// is refused but to loopback and where the caller allows it.
 * Redirects are never followed: a 3xx is an answer. Environment proxies are ignored. What curl
 * frees is wiped first, since headers carry credentials.
 */
#ifndef NET_HTTPC_H
#define NET_HTTPC_H

#include "base/secret.h"
#include "net/rate.h"
#include "net/retry.h"

struct httpc;
struct httpc_call;

#define HTTPC_BUDGETS_MAX 256
#define HTTPC_HEADERS_MAX 65536 /* bytes of an answer's header block */

struct httpc_options {
	const char *user_agent;        /* NULL: "leaverd/VERSION" */
	unsigned connections_per_host; /* 0: 8 */
	unsigned calls;                /* waiting and running together; 0: 1024 */
	int64_t backoff_ms;            /* before the second try; 0: RETRY_BASE_MS */
};

struct httpc_header {
	const char *name, *value;
};

/* How a host is reached. All may be NULL. Texts live until the call was collected. */
struct httpc_via {
	const char *proxy;                /* "http://proxy:3128"; NULL: none */
	const struct secret *proxy_login; /* "user:password" */
	const char *ca_file;              /* a private CA beside the system's */
	bool allow_http;                  /* http:// to loopback addresses */
	bool any_http; /* http:// to anywhere: what is asked is no secret, and the answer
			* proves itself */
};

/* All is copied by httpc_submit() but for via's texts. Zero fields take the default. */
struct httpc_request {
	const char *method; /* "GET" */
	const char *url;
	const struct httpc_header *headers; /* ends with a NULL name; NULL: none */
	const struct secret *authorization; /* whole value of that header; wiped after use */
	struct str body;                    /* sent when content_type is not NULL */
	const char *content_type;
	struct httpc_via via;
	unsigned budget; /* of httpc_budget(); 0: none */
	bool urgent;     /* before others that wait for the same budget */
	enum retry_class retry;
	unsigned tries;         /* 0: RETRY_TRIES */
	int64_t deadline_ms;    /* for all tries and waits together; 0: 2 min */
	int64_t try_timeout_ms; /* for one try; 0: 30 s */
	int64_t backoff_ms;     /* before the second try; 0: the client's */
	int64_t max_body_bytes; /* of the answer, unpacked; 0: 16 MiB */
	/* Set where a try may have arrived: bytes of it went out. Each try has a connection of
	 * its own then. Lives until it is collected; NULL: not asked. */
	bool *sent;
};

struct httpc_answer {
	int status;
	struct buf body;
	struct buf head; /* httpc_header() reads it */
	unsigned tries;
	int64_t took_ms, waited_ms; /* in all; of that for budget and retries */
};

/* Prepares curl. Once, before any thread; httpc_new() does it where nobody did. */
int httpc_start(struct err *err) MUST_USE;

int httpc_new(struct httpc **ret, const struct httpc_options *options, struct err *err)
	MUST_USE;
/* Ends the thread. Calls under way end as CANCELLED; each must still be collected, before. */
void httpc_free(struct httpc *c);
OWNED(struct httpc, httpc_free)

/* From now on every call ends as CANCELLED, at once. Any thread. */
void httpc_stop(struct httpc *c);

/* A budget of its own; *ret > 0. The rule is copied, its name must be static. Any thread. */
int httpc_budget(struct httpc *c, const struct rate_rule *rule, unsigned *ret, struct err *err)
	MUST_USE;
/* Its place is given to the next one; no call of it may be under way. */
void httpc_budget_drop(struct httpc *c, unsigned budget);
/* Calls a second that a budget lets through now, for people. */
double httpc_budget_rate(struct httpc *c, unsigned budget);

/*
 * Queues a call. Fault: CONFIG (scheme or host not allowed), LIMIT (too many calls), NOMEM,
 * CANCELLED. *ret is the caller's, to be given to exactly one httpc_collect().
 */
int httpc_submit(struct httpc *c, const struct httpc_request *request, struct httpc_call **ret,
		 struct err *err) MUST_USE;
/*
 * Waits for the end and frees the call. 0: an answer with any status, the last one when tries
 * ran out; *ret is the caller's to httpc_answer_done(). Fault: NETWORK, TLS, TIMEOUT, LIMIT
 * (answer too long), CANCELLED, NOMEM: "GET /path of host: what, after n tries".
 */
int httpc_collect(struct httpc_call *call, struct httpc_answer *ret, struct err *err) MUST_USE;
/* Ends a call early; it must still be collected. Any thread. */
void httpc_cancel(struct httpc_call *call);

/* httpc_submit() and httpc_collect() in one. */
int httpc_do(struct httpc *c, const struct httpc_request *request, struct httpc_answer *ret,
	     struct err *err) MUST_USE;

/* First header of that name, without blanks around; false if there is none. Borrowed. */
bool httpc_header(const struct httpc_answer *a, const char *name, struct str *ret);
void httpc_answer_done(struct httpc_answer *a);

/* Tests: where curl's memory comes from (NULL: malloc). Before httpc_start(). */
void httpc_allocator(void *(*allocate)(size_t bytes));

#endif
