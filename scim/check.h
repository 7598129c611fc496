/*
 * Conformance: our own cases against any SCIM 2.0 server (`leaverd scim check`).
 *
 * A case is a row (scim/check_cases_*.c): name, section, how binding it is, what it sends and
 * what must come, and who is hurt where it does not. The client is net/httpc; nothing here
 * touches a store, and the server under test may be anybody's: what it answers is never
 * believed, always bounded, and shown without control characters, without the token and without
 * other people's values.
 *
 * Without write only GET is sent. With it resources are made whose names begin with
 * CHECK_PREFIX and a random run number; they are removed again, also after faults and when
 * cancelled, and only resources that bear such a name are ever changed or removed.
 */
#ifndef SCIM_CHECK_H
#define SCIM_CHECK_H

#include <stdatomic.h>

#include "base/jx.h"
#include "net/httpc.h"

#define CHECK_PREFIX "leaverd-check-"
#define CHECK_TIMEOUT_MS 10000             /* for one request, unless told */
#define CHECK_TOTAL_MS (20 * 60 * 1000)    /* for all cases; cleaning up has its own time */
#define CHECK_ANSWER_MAX (4 * 1024 * 1024) /* bytes of one answer */
#define CHECK_REQUESTS_MAX 5000            /* in one run */
#define CHECK_FAULTS_MAX 4                 /* without an answer, in a row: then it ends */

struct check_options {
	const char *url;            /* "https://scim.example.com/scim/v2/idp", no query */
	const struct secret *token; /* sent as a bearer token */
	const char *ca_file;        /* a private CA; NULL: the system's */
	bool write;                 /* make, change and remove resources of our own */
	const char *only;           /* one of check_groups; NULL: all */
	int64_t timeout_ms;         /* 0: CHECK_TIMEOUT_MS */
	const atomic_bool *cancel;  /* looked at between requests; NULL: never */
};

/* "discovery", "lists" and so on, in the order in which they run; ended by NULL. */
extern const char *const check_groups[];

/* How many cases there are in a group; NULL: in all. */
size_t check_count(const char *group);

/* Whether the options can be run at all: url, only, timeout_ms; the token is not looked at.
 * Fault: USAGE. */
int check_valid(const struct check_options *options, struct err *err) MUST_USE;

/*
 * Runs the cases and fills *out, an empty object, also on faults:
 *
 *     url, run, write, requests,
 *     claims {patch, filter, ...},
 *     counts {must {passed, failed, not_claimed, not_run, blocked, deviates}, should {...},
 * client {...}}, cases [{name, group, section, level, outcome, wants, why, hurts, sent, came}],
 * left
 * [{endpoint, name, id, why}]
 *
 * 0: every MUST that was run holds, nothing was left. Faults: USAGE (url, group), NETWORK, TLS,
 * TIMEOUT, LIMIT, UNAUTHORIZED (the server cannot be asked at all), NOT_SUPPORTED (a MUST
 * failed), INCOMPLETE (a case could not be run to its end, or something is left there),
 * CANCELLED, NOMEM. Blocks for minutes; one thread.
 */
int check_run(struct httpc *http, const struct check_options *options, json_t *out,
	      struct err *err) MUST_USE;

#endif
