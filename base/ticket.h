/*
 * Tickets: a short text, good in a URL, that lets whoever shows it do one thing until a time.
 * It names what it is for by numbers and a digest, carries its end, and is authenticated by
 * keyed BLAKE2b, so it can be neither made nor changed without the key. Whether it was used is
 * its issuer's to remember. Pure.
 */
#ifndef BASE_TICKET_H
#define BASE_TICKET_H

#include "base/digest.h"

#define TICKET_CHARS 108 /* of base64url, without padding */
#define TICKET_ABOUT_BYTES 16

struct ticket {
	uint64_t number;                         /* its issuer's */
	uint64_t person, account;                /* ledger numbers, or 0 */
	unsigned char about[TICKET_ABOUT_BYTES]; /* ticket_about() of what it lets do */
	int64_t end_ms;                          /* wall; not good from then on */
};

/* The digest of texts that say what a ticket is for; their lengths count too. */
void ticket_about(const struct str *texts, size_t count, unsigned char ret[TICKET_ABOUT_BYTES]);

/* key: 16..64 bytes, for this purpose alone. */
void ticket_write(const struct ticket *t, const struct secret *key, char ret[TICKET_CHARS + 1]);

enum ticket_answer {
	TICKET_NONE = 1, /* this is no ticket, or none of that key */
	TICKET_OVER = 2, /* it was one; *ret is filled */
};
/* One text for one ticket: another spelling of it is none. */
int ticket_read(struct str text, const struct secret *key, int64_t now_ms, struct ticket *ret)
	MUST_USE;

#endif
