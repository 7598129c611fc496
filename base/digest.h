/* Digests and signatures (libsodium): BLAKE2b, keyed or not, and Ed25519. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/secret.h"

#define DIGEST_BYTES 32 /* BLAKE2b-256 */
#define DIGEST_HEX_BYTES 65
#define DIGEST_SIG_BYTES 64
#define DIGEST_PUB_BYTES 32
#define DIGEST_SEED_BYTES 32

struct digest {
	unsigned char b[DIGEST_BYTES];
};

/* One call; key NULL for an unkeyed digest, else 16..64 bytes. */
void digest_of(struct digest *ret, const struct secret *key, struct str data);

/* In pieces. struct digest_run is about 384 bytes, on the caller's stack. */
struct digest_run {
	_Alignas(64) unsigned char state[384];
};
void digest_begin(struct digest_run *run, const struct secret *key);
void digest_add(struct digest_run *run, const void *p, size_t len);
void digest_end(struct digest_run *run, struct digest *ret);

/* HMAC-SHA256 (RFC 2104) over the pieces in their order: what receivers of webhooks know. */
#define DIGEST_HMAC_BYTES 32
void digest_hmac_sha256(unsigned char ret[DIGEST_HMAC_BYTES], const struct secret *key,
			const struct str *pieces, size_t count);

/* SipHash-2-4, 128 bits: what keys are kept by in tables of this process alone. key is drawn by
 * it and told to nobody. */
#define DIGEST_QUICK_BYTES 16
#define DIGEST_QUICK_KEY_BYTES 16
struct digest_quick {
	unsigned char b[DIGEST_QUICK_BYTES];
};
void digest_quick(struct digest_quick *ret, const unsigned char key[DIGEST_QUICK_KEY_BYTES],
		  struct str data);
bool digest_quick_equal(const struct digest_quick *a, const struct digest_quick *b);

void digest_hex(const struct digest *d, char ret[DIGEST_HEX_BYTES]);
bool digest_unhex(struct str s, struct digest *ret);
bool digest_equal(const struct digest *a, const struct digest *b); /* constant time */

/* Ed25519 from a 32-byte seed kept as a secret. */
int digest_sign(unsigned char ret[DIGEST_SIG_BYTES], const struct secret *seed, struct str data,
		struct err *err) MUST_USE;
int digest_public(unsigned char ret[DIGEST_PUB_BYTES], const struct secret *seed,
		  struct err *err) MUST_USE;
bool digest_verify(const unsigned char sig[DIGEST_SIG_BYTES],
		   const unsigned char pub[DIGEST_PUB_BYTES], struct str data);

/* What a file is known by, read from its beginning to its end: ours, and those that checksums
 * and minisign use. */
struct digest_file {
	struct digest ours;
	unsigned char sha256[32], blake2b_512[64];
	int64_t bytes;
};
/* Reads fd by position, so where it stands does not matter. Fault: IO; LIMIT past most bytes.
 */
int digest_file(int fd, int64_t most_bytes, struct digest_file *ret, struct err *err) MUST_USE;
/* The same of a part of a file: up to bytes of it (ret->bytes says how many there were). */
int digest_part(int fd, int64_t from, int64_t bytes, struct digest_file *ret, struct err *err)
	MUST_USE;

#endif
