/*
 * The key sets of issuers: fetched, kept, fetched again. One thread of its own reads them from
 * their URLs or files, so that whoever checks a token never waits for the network: it takes
 * what is there, or asks to be told when newer keys have come.
 *
 * Keys are read again when the age that their server states is over (within 5 min and 24 h; 1 h
 * where it says nothing; a file each minute), and when a token names a key that is not among
 * them, at most once in 30 s. While they cannot be read, the old ones stay good for keep_ms.
 */
#ifndef SCIM_JWKS_H
#define SCIM_JWKS_H

#include "net/httpc.h"
#include "scim/jwt.h"

#define JWKS_AGE_LEAST_MS (5 * 60 * 1000LL)
#define JWKS_AGE_MOST_MS (24 * 3600 * 1000LL)
#define JWKS_AGE_USUAL_MS (3600 * 1000LL)
#define JWKS_AGE_FILE_MS (60 * 1000LL)
#define JWKS_AGAIN_MS (30 * 1000LL) /* least between two fetches, and after a failed one */
#define JWKS_WAITING_MOST 64        /* that wait for one set */

/* Where a set is; texts are borrowed for as long as the struct jwks lives. */
struct jwks_from {
	const char *name;            /* of the source, for the log */
	const char *url, *file;      /* one of the two */
	const char *ca_file, *proxy; /* NULL: the system's CAs, no proxy */
	int64_t keep_ms;
};

/*
 * Fetches one set, waiting for it (at most 10 s). http is not needed for a file and may be NULL
 * then. *ret is new; *age_ms how long it may be believed. Fault: that of net/httpc, or
 * PROTOCOL, IO.
 */
int jwks_fetch(struct httpc *http, const struct jwks_from *from, struct jwt_keys **ret,
	       int64_t *age_ms, struct err *err) MUST_USE;
/* How long an answer may be believed: Cache-Control's max-age, within the bounds above. */
int64_t jwks_age_ms(struct str cache_control);

struct jwks;

/* Copies the array. Starts the thread, which fetches all at once. */
int jwks_start(struct jwks **ret, const struct jwks_from *from, size_t n, struct err *err)
	MUST_USE;
/* Ends the thread and tells all who wait; nobody has to wait after that. NULL is fine. */
void jwks_stop(struct jwks *j);
void jwks_free(struct jwks *j); /* stops first */
OWNED(struct jwks, jwks_free)

/* The i-th set, to be given to jwt_keys_drop(); NULL while there is none that is good. */
struct jwt_keys *jwks_take(struct jwks *j, size_t i);

enum jwks_word {
	JWKS_WAIT,  /* fn(ctx) will be called, once, from another thread: newer keys came, or
		       none */
	JWKS_FRESH, /* what is there was read a moment ago: there is no newer */
	JWKS_AWAY,  /* newer keys cannot be had now */
};
/* Asks for newer keys than jwks_take() gave. fn NULL: wakes the fetching, and waits for
 * nothing.
 */
enum jwks_word jwks_newer(struct jwks *j, size_t i, void (*fn)(void *ctx), void *ctx);
/* Reads all again, soon (SIGHUP). */
void jwks_reread(struct jwks *j);

#endif
