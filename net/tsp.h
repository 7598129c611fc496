/*
 * Time stamps (RFC 3161): the request that names a text by its SHA-256, and the checks of what
 * a time-stamping authority answered. Pure: who asks whom, and where the answer is kept, is the
 * caller's (RFC 3161 3.4: POST of TSP_QUERY_TYPE, answered by TSP_REPLY_TYPE).
 *
 * The answer is kept as it came (DER, a TimeStampResp), so that others can check it as well:
 *
 *     openssl ts -verify -data TEXT -in ANSWER.tsr -CAfile AUTHORITIES.pem
 */
#ifndef NET_TSP_H
#define NET_TSP_H

#include "base/buf.h"

#define TSP_QUERY_TYPE "application/timestamp-query"
#define TSP_REPLY_TYPE "application/timestamp-reply"
#define TSP_QUERY_MAX 4096
#define TSP_ANSWER_MAX (256u << 10)
#define TSP_NONCE_BYTES 16

/* What an answer must fit. All but data may be left out. */
struct tsp_terms {
	struct str data;            /* what was to be stamped */
	const char *policy;         /* the only policy that counts, dotted; NULL: any */
	const unsigned char *nonce; /* TSP_NONCE_BYTES that the answer must repeat; NULL: any */
	/* PEM of who may vouch for the authority. NULL: the signature must fit a certificate
	 * for time stamps that came along, and nobody says whose that is. */
	const char *ca_file;
};

struct tsp_stamp {
	int64_t ms;          /* the authority's time */
	int64_t accuracy_ms; /* as it says, rounded up; -1: it does not say */
	char policy[128];
	char authority[256]; /* subject of the certificate that signed; UTF-8 */
};

/* "1.2.3": digits and points as an object identifier has them. */
bool tsp_policy_ok(const char *policy);

/*
 * The request for data, with the terms' policy and nonce, adding DER to *into. Fault: CONFIG
 * for a policy that is none, INTERNAL.
 */
int tsp_request(const struct tsp_terms *terms, struct buf *into, struct err *err) MUST_USE;

/*
 * Holds the answer against the terms: that it was granted, for this data, with this nonce,
 * under this policy, signed by a certificate for time stamps that ca_file vouched for at the
 * time the stamp names (so that a stamp outlives the certificate), and nothing behind it.
 * Revocation is not asked for. Fault: REMOTE (not granted; with what the authority says),
 * DAMAGED (does not fit), TLS (the signature or whose it is), CONFIG (ca_file).
 */
int tsp_check(struct str answer, const struct tsp_terms *terms, struct tsp_stamp *ret,
	      struct err *err) MUST_USE;

#endif
