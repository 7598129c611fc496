/*
 * One signed call to one organisation, and what its answer means.
 *
 * Any 2xx is success. Everything else is a fault whose sentence says method, path, status,
 * Atlassian's own words (of 401 and 403 verbatim) and a way out where there is one:
 *   401 UNAUTHORIZED  403 FORBIDDEN  404 NOT_FOUND  409 CONFLICT  429 RATE_LIMIT
 *   5xx UNAVAILABLE   the rest REMOTE; an answer that is not the JSON it should be: PROTOCOL
 * The key's value is in no sentence. Calls that change something are refused here, before
 * anything is sent, unless writes were allowed (law: mode observe). Safe on every thread.
 */
#ifndef ATLASSIAN_CLIENT_H
#define ATLASSIAN_CLIENT_H

#include "atlassian/limits.h"
#include "base/jx.h"

struct atl_client;

/* options and http must outlive it; key (and login of the proxy, may be NULL) are copied.
 * Writes are refused until atl_client_writes(c, true). */
int atl_client_new(struct atl_client **ret, const struct atl_options *options,
		   const struct secret *key, const struct secret *proxy_login,
		   struct httpc *http, struct err *err) MUST_USE;
/* No call may be under way; before httpc_free(). */
void atl_client_free(struct atl_client *c);
OWNED(struct atl_client, atl_client_free)

/* Before the first call: the key is the API token of that account (an e-mail address) and goes
 * as Basic authorization instead of Bearer. */
int atl_client_login(struct atl_client *c, struct str login, struct err *err) MUST_USE;
/* Before the first call: a second key, taken for good from the first 401 on. Empty: none. */
int atl_client_standby(struct atl_client *c, const struct secret *key, struct err *err)
	MUST_USE;
/* Whether the first key was refused and the second one is in use. Any thread. */
bool atl_client_on_standby(const struct atl_client *c);
/* Before the first call: the account id or address of whoever answers for the key, an account
 * of ours beside options.own. Copied; empty: nobody. */
int atl_client_owner(struct atl_client *c, struct str owner, struct err *err) MUST_USE;
bool atl_client_has_owner(const struct atl_client *c);
/* Whether an account is one whose key we use: never a subject. */
bool atl_client_is_own(const struct atl_client *c, struct str account, struct str email);

/* Mode observe: false. Any thread, any time. */
void atl_client_writes(struct atl_client *c, bool allowed);
bool atl_client_may_write(const struct atl_client *c);
const struct atl_options *atl_client_options(const struct atl_client *c);
/* Calls sent so far, tries not counted; for progress and tests. */
uint64_t atl_client_calls(const struct atl_client *c);

/* The organisation's only directory, once it is known that there is just one; else "". */
const char *atl_client_only_directory(const struct atl_client *c);
/* What a complete list of directories showed; only (may be empty) is copied. */
int atl_client_directories_are(struct atl_client *c, size_t count, struct str only,
			       struct err *err) MUST_USE;

struct atl_request {
	const char *method;
	const char *path; /* from the root of base_url, encoded: atl_path(); or a whole URL */
	struct str body;  /* JSON; empty: none ("{}" is sent where the method wants one) */
	enum atl_family family;
	bool write;  /* changes something */
	bool urgent; /* somebody is being blocked: goes first */
	bool once;   /* must not be done twice: sent again only where it cannot have arrived */
};

/* What the five shapes of error bodies have in common. */
struct atl_problem {
	int status;     /* HTTP's; 0 while there was no answer */
	char code[48];  /* "ADMIN-403-3", "uniqueness", "403"; "" if none was told */
	char key[96];   /* reason key: "externalDirectory.scim"; "" if none */
	char text[320]; /* Atlassian's words, one line, no control characters; "" if none */
};

/* Reads an error body of any shape, also none at all. Never faults. */
void atl_problem_read(struct atl_problem *ret, int status, struct str body);

/*
 * Sends and waits. *ret (may be NULL: not wanted) is the answer's document, the caller's, NULL
 * where the answer has no body. *problem (may be NULL) tells more about a fault.
 */
int atl_call(struct atl_client *c, const struct atl_request *request, json_t **ret,
	     struct atl_problem *problem, struct err *err) MUST_USE;

/*
 * The same in two steps, for requests side by side. Each atl_sent is given to atl_receive()
 * once, also when its answer is not wanted any more (httpc_cancel(sent.call) before it).
 */
struct atl_sent {
	struct httpc_call *call;
	struct atl_again *again; /* to ask once more: of reads, and where there is a standby
				    key; else NULL */
	char what[200];          /* "GET /admin/v2/..." for sentences */
};

/*
 * Queues the request; it goes out as its family's budget allows. *ret is the caller's. Fault:
 * REFUSED (a change in mode observe), PROTOCOL (a URL that leads away from base_url), LIMIT,
 * CANCELLED, NOMEM: then nothing was sent and there is nothing to receive.
 */
int atl_send(struct atl_client *c, const struct atl_request *request, struct atl_sent *ret,
	     struct err *err) MUST_USE;
/*
 * Waits for the end of what atl_send() queued; *ret and *problem as atl_call(). A read whose
 * 2xx answer is no whole JSON, or has no body, is asked again, options.tries times in all and
 * within its deadline; a change never is, for its 2xx says that it was made.
 */
int atl_receive(struct atl_client *c, struct atl_sent *sent, json_t **ret,
		struct atl_problem *problem, struct err *err) MUST_USE;

/*
 * Builds a path: each "{}" of the template takes the next of the arguments (const struct str
 * *), percent-encoded. An empty argument is a fault (INTERNAL), so that no id that got lost can
 * turn one thing's path into everything's.
 */
int atl_path(struct buf *into, const char *template, const struct str *args, size_t count,
	     struct err *err) MUST_USE;

#endif
