/*
 * Secrets: locked, wiped, sealed. With base/digest the only files that know libsodium.
 *
 * struct secret holds bytes in memory that is locked (sodium_malloc: guarded, not in core
 * dumps) and wiped on free. It prints as "***" because it has no printable form at all.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/buf.h"

#define SECRET_MAX_BYTES 65536
#define SECRET_KEY_BYTES 32  /* XChaCha20-Poly1305 key */
#define SECRET_SALT_BYTES 16 /* Argon2id */
#define SECRET_SEAL_EXTRA 40 /* nonce 24 + tag 16: how much longer a sealed text is */

struct secret {
	unsigned char
		*p; /* NULL when empty; NUL follows the last byte, so it can be a C string */
	size_t len;
};

/* Call once, before any thread: initialises libsodium, switches core dumps off. Fault:
 * INTERNAL. */
int secret_start(struct err *err) MUST_USE;

/* *ret must be empty or done. Copies. */
int secret_set(struct secret *ret, const void *p, size_t len, struct err *err) MUST_USE;
int secret_copy(struct secret *ret, const struct secret *from, struct err *err) MUST_USE;
/* len random bytes. */
int secret_random(struct secret *ret, size_t len, struct err *err) MUST_USE;
void secret_done(struct secret *s); /* wipes; NULL and twice are fine */
/* Constant time in the bytes; lengths may leak. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* Text of a secret, NUL-terminated, borrowed: for the last call into a library, never for a
 * log. */
static inline const char *secret_text(const struct secret *s)
{
	return s->p ? (const char *)s->p : "";
}

/*
 * Reads a secret file: must be a regular file owned by us or root, mode without group and world
 * bits (0600, 0400); one final newline is dropped. Fault: SECRET with path, mode and the way
 * out.
 */
int secret_read_file(struct secret *ret, const char *path, struct err *err) MUST_USE;
/* Reads fd to its end (stdin), one final newline dropped. Empty is a fault. */
int secret_read_fd(struct secret *ret, int fd, struct err *err) MUST_USE;
/* Asks on /dev/tty without echo; if confirm, twice. Fault when there is no terminal. */
int secret_prompt(struct secret *ret, const char *prompt, bool confirm, struct err *err)
	MUST_USE;

/* Argon2id, 64 MiB, 3 passes: a passphrase and a salt to a key of SECRET_KEY_BYTES. */
int secret_from_passphrase(struct secret *ret, const struct secret *passphrase,
			   const unsigned char salt[SECRET_SALT_BYTES], struct err *err)
	MUST_USE;

/*
 * Authenticated encryption: XChaCha20-Poly1305-IETF, random nonce in front, ad authenticated
 * with it. Sealed bytes are plain bytes + SECRET_SEAL_EXTRA, added to *into.
 */
int secret_seal(struct buf *into, const struct secret *key, const void *plain, size_t len,
		struct str ad, struct err *err) MUST_USE;
/* Fault: SECRET when key, ad or bytes are not those it was sealed with. */
int secret_open(struct secret *ret, const struct secret *key, const void *sealed, size_t len,
		struct str ad, struct err *err) MUST_USE;

/* Random bytes that are no secret (salts, ids). */
void secret_random_bytes(void *ret, size_t len);
/* Overwrites, not optimised away. */
void secret_wipe(void *p, size_t len);
/* Constant-time compare of equally long byte strings. */
bool secret_memequal(const void *a, const void *b, size_t len);

#endif
