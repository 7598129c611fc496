/*
 * Requests to have a seat again: one for each step of a plan that took a seat for lack of use
 * and whose person was sent a link (bridge/again.h).
 *
 *     offered -> asked -> granted (a plan that gives it back was made) | refused
 *
 * Each arrow is taken once. "db" is the writer's connection in functions that write.
 */
#ifndef STORE_REQUESTS_H
#define STORE_REQUESTS_H

#include "store/db.h"

enum request_state {
	REQUEST_OFFERED, /* the link is out */
	REQUEST_ASKED,   /* it was used, and waits for an answer */
	REQUEST_GRANTED,
	REQUEST_REFUSED,
	REQUEST_STATE_COUNT
};
extern const char *const request_state_words[]; /* "offered", ..., NULL */

struct request_row {
	int64_t id;
	struct str org;
	int64_t plan, action; /* that took it */
	int64_t person, account;
	struct str product, site, rule;
	int64_t made_ms, end_ms; /* of the link */
	enum request_state state;
	int64_t state_ms;
	int64_t back;   /* the plan that gives it back; 0: none */
	struct str who; /* answered */
};
typedef int (*request_fn)(void *ctx, const struct request_row *row, struct err *err);

/* One for each step: STORE_UNCHANGED with the old number. */
int requests_offer(struct db *db, struct str step, const struct request_row *in, int64_t *ret,
		   struct err *err) MUST_USE;
/* STORE_NOT_FOUND. */
int requests_get(struct db *db, int64_t id, request_fn fn, void *ctx, struct err *err) MUST_USE;
/* The newest offer about a seat that was made since then and can still be used: of of count
 * org, account, product, site and made_ms. STORE_NOT_FOUND. */
int requests_offered(struct db *db, const struct request_row *of, int64_t now_ms, request_fn fn,
		     void *ctx, struct err *err) MUST_USE;
/* Oldest first; states: bits 1 << REQUEST_x. */
int requests_list(struct db *db, unsigned states, size_t most, request_fn fn, void *ctx,
		  struct err *err) MUST_USE;

/* The link was used. Audited. Once: STORE_UNCHANGED when it was used before, STORE_STALE when
 * its end is over, STORE_NOT_FOUND. */
int requests_ask(struct db *db, int64_t id, int64_t now_ms, struct err *err) MUST_USE;
/*
 * The answer: GRANTED with the plan that gives it back, or REFUSED. Audited. STORE_UNCHANGED
 * when it was answered before, STORE_STALE when nobody asked, STORE_NOT_FOUND.
 */
struct request_answer {
	int64_t id;
	enum request_state state;
	int64_t back;
	const char *who, *why;
	int64_t now_ms;
};
int requests_answer(struct db *db, const struct request_answer *in, struct err *err) MUST_USE;

#endif
