/*
 * Statements: what somebody signs to decide something, in lines that a person can read before
 * signing.
 *
 *     leaverd-statement 1
 *     instance acme-eu                    whose decision it is: name,
 *     authority (64 hex digits)           and public key of its audit head
 *     about plan                          plan, approver, expect, config
 *     decision approve
 *     organisation acme
 *     target 12
 *     digest (64 hex digits)              of what was shown
 *     actions 1,2,5                       numbers that rise, or *
 *     guards admin limit-leavers-day
 *     detail {"persons":[812,813]}        what is ordered, as canonical JSON
 *     reason closing of the Lyon office
 *     nonce (32 hex digits)
 *     expires 2026-11-26T09:00:00.000Z
 *     who ada                             from here on: added by whoever signs
 *     key (64 hex digits: Ed25519 public key)
 *     at 2026-11-23T09:12:44.000Z
 *     signature (128 hex digits: over all lines before)
 *
 * Lines stand in this order, each at most once, ended by a line feed; a line that says nothing
 * is left out. So one meaning has one text. The first line separates what is signed here from
 * anything else that an Ed25519 key may sign.
 *
 * Pure: no I/O, no state; any thread.
 */
#ifndef MODEL_STATEMENT_H
#define MODEL_STATEMENT_H

#include "base/digest.h"

#define STATEMENT_MAX_BYTES (256u << 10)
#define STATEMENT_NONCE_BYTES 16
#define STATEMENT_FRESH_MS                                                                     \
	(72 * 3600000LL)                 /* the longest that one may be used after its making */
#define STATEMENT_SKEW_MS (10 * 60000LL) /* how far the signer's clock may be ahead of ours */

/* In the order of their lines. */
enum statement_field {
	STATEMENT_INSTANCE,
	STATEMENT_AUTHORITY,
	STATEMENT_ABOUT,
	STATEMENT_DECISION,
	STATEMENT_ORG,
	STATEMENT_TARGET,
	STATEMENT_DIGEST,
	STATEMENT_ACTIONS,
	STATEMENT_GUARDS,
	STATEMENT_DETAIL,
	STATEMENT_REASON,
	STATEMENT_NONCE,
	STATEMENT_EXPIRES,
	STATEMENT_WHO,
	STATEMENT_KEY,
	STATEMENT_AT,
	STATEMENT_SIGNATURE,
	STATEMENT_FIELDS
};
extern const char *const statement_words[]; /* of the fields, by enum */

/* Slices of the text that was read; empty where there is no such line. */
struct statement {
	struct str text; /* all of it */
	struct str field[STATEMENT_FIELDS];
	size_t signed_bytes; /* of text, in front of the signature's line; 0: not signed */
	/* of a signed one */
	unsigned char key[DIGEST_PUB_BYTES], signature[DIGEST_SIG_BYTES];
	int64_t at_ms, expires_ms;
};

/*
 * Reads one, signed or not. *ret borrows text. Fault: INVALID_SYNTAX naming the line and what
 * is wrong with it. Nothing is verified.
 */
int statement_parse(struct str text, struct statement *ret, struct err *err) MUST_USE;

/*
 * Writes the lines up to `expires` from field (those of a signer must be empty). Line feeds and
 * other control characters of a reason become blanks. Fault: INVALID_VALUE for a value that no
 * line can hold, TOO_LARGE.
 */
int statement_write(const struct str field[STATEMENT_FIELDS], struct buf *into, struct err *err)
	MUST_USE;

/* Adds who, key, at and the signature to an unsigned one. Fault: CONFLICT if it is signed. */
int statement_sign(const struct statement *s, struct str who, const struct secret *seed,
		   int64_t at_ms, struct buf *into, struct err *err) MUST_USE;

/* Whether it is signed by its own key: all bytes of it. Who that key belongs to is the caller's
 * to know. */
bool statement_signed(const struct statement *s);

/* Of all its bytes: what it is remembered by. */
void statement_digest(const struct statement *s, struct digest *ret);

static inline UNUSED bool statement_is(const struct statement *s, enum statement_field f,
				       const char *value)
{
	return str_eq(s->field[f], str_of(value));
}

/* Names of approvers: small letters, digits, ". _ - @", from a letter or digit, at most 64. */
#define STATEMENT_NAME_MOST 64
bool statement_name(struct str name);

#endif
