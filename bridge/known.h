/*
 * Tokens that were looked up a moment ago. Who a token is stands in two tables; a server that
 * is asked ten thousand times a second by the same three tokens need not read them each time.
 *
 * An entry counts while nothing at all was committed since before it was read, so that a token
 * revoked or a source retired is refused from the very next request on; and for a minute at
 * most, so that expiry and the hourly note of use are not missed. Kept by a digest under a key
 * that lives as long as the process, never by the token's text. Any thread.
 */
#ifndef BRIDGE_KNOWN_H
#define BRIDGE_KNOWN_H

#include <pthread.h>

#include "base/digest.h"
#include "scim/backend.h"

#define KNOWN_TOKENS                                                                           \
	64 /* two tokens each of 32 sources; beyond that the oldest place is taken */
#define KNOWN_MS 60000

struct known_token {
	struct digest_quick digest;
	struct scim_client client;
	int64_t commits;  /* store_commits() before it was read */
	int64_t until_ms; /* 0: an empty place */
};

struct known {
	unsigned char key[DIGEST_QUICK_KEY_BYTES];
	pthread_mutex_t lock;
	struct known_token tokens[KNOWN_TOKENS];
	size_t next; /* the place that a new one takes */
};

void known_init(struct known *k);
void known_done(struct known *k);

void known_digest(const struct known *k, struct str token, struct digest_quick *ret);
/* True and *ret when the token was found at that state of the store. */
bool known_find(struct known *k, const struct digest_quick *digest, int64_t commits,
		int64_t now_ms, struct scim_client *ret);
/* until_ms: when the token expires; cut to KNOWN_MS from now. */
void known_keep(struct known *k, const struct digest_quick *digest, int64_t commits,
		int64_t now_ms, int64_t until_ms, const struct scim_client *client);

#endif
