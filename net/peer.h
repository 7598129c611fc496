/*
 * Who is at the other end: addresses, networks, and what trusted proxies say. Pure but for
 * peer_set_new()'s memory; a built set is immutable.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <sys/socket.h>

#include "base/str.h"

#define PEER_TEXT_BYTES 64 /* an IPv6 address with its scope, and more */

/* An address as 16 bytes; IPv4 as ::ffff:a.b.c.d. */
struct peer {
	unsigned char b[16];
};

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]"; a port after it is cut off. False on all else.
 */
bool peer_parse(struct str s, struct peer *ret);
/* False for families without addresses (Unix sockets). */
bool peer_of(const struct sockaddr *sa, struct peer *ret);
/* IPv4 in dotted form, IPv6 compressed. */
void peer_text(const struct peer *p, char ret[PEER_TEXT_BYTES]);

struct peer_set;

/* Addresses and networks ("10.0.0.0/8", "::1"), NULL-terminated; NULL is the empty set.
 * Fault: CONFIG naming the text. */
int peer_set_new(struct peer_set **ret, const char *const *texts, struct err *err) MUST_USE;
void peer_set_free(struct peer_set *s);
OWNED(struct peer_set, peer_set_free)
bool peer_set_has(const struct peer_set *s, const struct peer *p);

/*
 * The client behind trusted proxies: walks X-Forwarded-For from its end while the hop that
 * added it is trusted. forwarded may be NULL. What cannot be read as an address ends the walk,
 * and the last address that could is the answer.
 */
struct peer peer_behind(const struct peer_set *trusted, struct peer direct,
			const char *forwarded);

#endif
