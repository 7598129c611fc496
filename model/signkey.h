/*
 * Key files of whoever signs statements, on their own machine: FILE, mode 0600, and FILE.pub,
 * which may be shown.
 *
 *     leaverd-key 1                            leaverd-key-public 1
 *     name ada                                 name ada
 *     public (64 hex digits)                   public (64 hex digits)
 *     salt (32 hex digits)
 *     sealed (144 hex digits)
 *
 * The seed of the Ed25519 key is sealed under a passphrase (base/secret.h), and the lines
 * before it with it. Pure but for randomness; any thread.
 */
#ifndef MODEL_SIGNKEY_H
#define MODEL_SIGNKEY_H

#include "base/digest.h"

#define SIGNKEY_MAX_BYTES 1024

struct signkey {
	struct str name; /* as statement_name() wants it */
	unsigned char public_key[DIGEST_PUB_BYTES];
	bool sealed; /* the private one; else only the two above */
	unsigned char salt[SECRET_SALT_BYTES];
	unsigned char box[DIGEST_SEED_BYTES + SECRET_SEAL_EXTRA];
	struct str head; /* what is sealed with the seed */
};

/* Either kind. *ret borrows text. Fault: INVALID_SYNTAX. */
int signkey_parse(struct str text, struct signkey *ret, struct err *err) MUST_USE;
/* A new key, as its two files. Fault: INVALID_VALUE for the name. */
int signkey_make(struct str name, const struct secret *passphrase, struct buf *sealed,
		 struct buf *open, struct err *err) MUST_USE;
/* The seed. *ret must be empty. Fault: SECRET for another passphrase, or bytes that changed. */
int signkey_open(const struct signkey *key, const struct secret *passphrase, struct secret *ret,
		 struct err *err) MUST_USE;

#endif
