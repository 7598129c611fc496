/*
 * Which answers deserve another try, and when. Pure: time and chance are arguments.
 *
 * Another try: 429, 500, 502, 503, 504 and faults of the network (base/err: RETRY_LATER).
 * Never: 400, 401, 403, 404, 409, 415 and the rest. What the other side asks for (Retry-After,
 * X-RateLimit-Reset) comes before our own backoff.
 */
#ifndef NET_RETRY_H
#define NET_RETRY_H

#include "base/str.h"

#define RETRY_BASE_MS 2000
#define RETRY_CAP_MS 30000
#define RETRY_TRIES 4 /* in all */

enum retry_class {
	RETRY_IDEMPOTENT,  /* may be sent again whatever happened to it */
	RETRY_IF_NOT_SENT, /* only where it cannot have arrived: no connection, or 429 */
	RETRY_NOT,
};

struct retry_fact {
	int status;            /* of the answer; 0 when there was none */
	int fault;             /* ERR_x of the transport when there was none */
	bool connected;        /* a connection stood: the request may have arrived */
	int64_t asked_wait_ms; /* what the answer asked for; -1: nothing */
	unsigned tries;        /* made so far, this one included */
	int64_t base_ms;       /* of the backoff; 0: RETRY_BASE_MS */
};

/* Whether another try is right, and after how long. chance is in [0, 1). */
bool retry_again(enum retry_class class, unsigned tries_most, const struct retry_fact *fact,
		 double chance, int64_t *ret_wait_ms);

/* base_ms (0: 2 s) doubled per try, cap 30 s, times 0.7..1.3. tries >= 1. */
int64_t retry_backoff_ms(int64_t base_ms, unsigned tries, double chance);

/* Retry-After: seconds or an HTTP date (RFC 9110 10.2.3) held against the answer's own date.
 * -1 when it is neither. */
int64_t retry_after_ms(struct str value, int64_t answer_date_ms);
/* X-RateLimit-Reset: ISO 8601, epoch seconds or ms, or seconds from now. -1 as above. */
int64_t retry_reset_ms(struct str value, int64_t answer_date_ms);

#endif
