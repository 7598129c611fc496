#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include <sodium.h>

#include "base/enc.h"

static_assert(sizeof(struct digest_run) >= sizeof(crypto_generichash_state), "state");
static_assert(_Alignof(struct digest_run) >= _Alignof(crypto_generichash_state), "alignment");
static_assert(DIGEST_BYTES == crypto_generichash_BYTES, "BLAKE2b-256");
static_assert(DIGEST_QUICK_BYTES == crypto_shorthash_siphashx24_BYTES, "SipHash, 128 bits");
static_assert(DIGEST_HMAC_BYTES == crypto_auth_hmacsha256_BYTES, "HMAC-SHA256");
static_assert(DIGEST_QUICK_KEY_BYTES == crypto_shorthash_siphashx24_KEYBYTES, "its key");
static_assert(DIGEST_SIG_BYTES == crypto_sign_BYTES, "Ed25519 signature");
static_assert(DIGEST_PUB_BYTES == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
static_assert(DIGEST_SEED_BYTES == crypto_sign_SEEDBYTES, "Ed25519 seed");

static crypto_generichash_state *state_of(struct digest_run *run)
{
	return (crypto_generichash_state *)(void *)run->state;
}

void digest_begin(struct digest_run *run, const struct secret *key)
{
	assert(!key || (key->len >= crypto_generichash_KEYBYTES_MIN &&
			key->len <= crypto_generichash_KEYBYTES_MAX));
	crypto_generichash_init(state_of(run), key ? key->p : NULL, key ? key->len : 0,
				DIGEST_BYTES);
}

void digest_add(struct digest_run *run, const void *p, size_t len)
{
	if (len)
		crypto_generichash_update(state_of(run), p, len);
}

void digest_end(struct digest_run *run, struct digest *ret)
{
	crypto_generichash_final(state_of(run), ret->b, sizeof(ret->b));
	secret_wipe(run, sizeof(*run)); /* it may have been keyed */
}

void digest_of(struct digest *ret, const struct secret *key, struct str data)
{
	struct digest_run run;

	digest_begin(&run, key);
	digest_add(&run, data.p, data.len);
	digest_end(&run, ret);
}

void digest_hmac_sha256(unsigned char ret[DIGEST_HMAC_BYTES], const struct secret *key,
			const struct str *pieces, size_t count)
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key->p, key->len);
	for (size_t i = 0; i < count; i++)
		if (pieces[i].len)
			crypto_auth_hmacsha256_update(
				&state, (const unsigned char *)pieces[i].p, pieces[i].len);
	crypto_auth_hmacsha256_final(&state, ret);
	secret_wipe(&state, sizeof(state));
}

void digest_quick(struct digest_quick *ret, const unsigned char key[DIGEST_QUICK_KEY_BYTES],
		  struct str data)
{
	crypto_shorthash_siphashx24(ret->b, (const unsigned char *)data.p, data.len, key);
}

bool digest_quick_equal(const struct digest_quick *a, const struct digest_quick *b)
{
	return sodium_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void digest_hex(const struct digest *d, char ret[DIGEST_HEX_BYTES])
{
	enc_hex(d->b, sizeof(d->b), ret);
}

bool digest_unhex(struct str s, struct digest *ret)
{
	return enc_unhex(s, ret->b, sizeof(ret->b));
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return secret_memequal(a->b, b->b, sizeof(a->b));
}

/* The pair that grows out of a seed; the private half is wiped by its owner. */
static int pair_of(const struct secret *seed, unsigned char pub[DIGEST_PUB_BYTES],
		   unsigned char private[crypto_sign_SECRETKEYBYTES], struct err *err)
{
	if (seed->len != DIGEST_SEED_BYTES)
		return err_set(err, ERR_SECRET, "a signing seed has %d bytes, not %zu",
			       DIGEST_SEED_BYTES, seed->len);
	if (crypto_sign_seed_keypair(pub, private, seed->p) < 0)
		return err_set(err, ERR_INTERNAL, "cannot make a signing key of its seed");
	return 0;
}

int digest_sign(unsigned char ret[DIGEST_SIG_BYTES], const struct secret *seed, struct str data,
		struct err *err)
{
	unsigned char private[crypto_sign_SECRETKEYBYTES], pub[DIGEST_PUB_BYTES];
	int r = pair_of(seed, pub, private, err);

	if (r == 0)
		crypto_sign_detached(ret, NULL, (const unsigned char *)data.p, data.len,
				     private);
	secret_wipe(private, sizeof(private));
	return r;
}

int digest_public(unsigned char ret[DIGEST_PUB_BYTES], const struct secret *seed,
		  struct err *err)
{
	unsigned char private[crypto_sign_SECRETKEYBYTES], pub[DIGEST_PUB_BYTES];
	int r = pair_of(seed, pub, private, err);

	if (r == 0)
		memcpy(ret, pub, sizeof(pub));
	secret_wipe(private, sizeof(private));
	return r;
}

bool digest_verify(const unsigned char sig[DIGEST_SIG_BYTES],
		   const unsigned char pub[DIGEST_PUB_BYTES], struct str data)
{
	return crypto_sign_verify_detached(sig, (const unsigned char *)data.p, data.len, pub) ==
	       0;
}

/* --- files ---------------------------------------------------------------------------------
 */

static int digest_span(int fd, int64_t from, int64_t most_bytes, struct digest_file *ret,
		       struct err *err)
{
	crypto_generichash_state wide;
	crypto_hash_sha256_state sha;
	struct digest_run run;
	unsigned char piece[16384];
	int64_t at = 0;

	digest_begin(&run, NULL);
	crypto_hash_sha256_init(&sha);
	crypto_generichash_init(&wide, NULL, 0, sizeof(ret->blake2b_512));
	while (at < most_bytes) {
		size_t want = most_bytes - at < (int64_t)sizeof(piece)
				      ? (size_t)(most_bytes - at)
				      : sizeof(piece);
		ssize_t n = pread(fd, piece, want, from + at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_IO, errno, "reading the file");
		if (n == 0)
			break;
		at += n;
		digest_add(&run, piece, (size_t)n);
		crypto_hash_sha256_update(&sha, piece, (unsigned long long)n);
		crypto_generichash_update(&wide, piece, (unsigned long long)n);
	}
	digest_end(&run, &ret->ours);
	crypto_hash_sha256_final(&sha, ret->sha256);
	crypto_generichash_final(&wide, ret->blake2b_512, sizeof(ret->blake2b_512));
	ret->bytes = at;
	return 0;
}

int digest_file(int fd, int64_t most_bytes, struct digest_file *ret, struct err *err)
{
	struct digest_file all;
	int r = digest_span(fd, 0, most_bytes < INT64_MAX ? most_bytes + 1 : most_bytes, &all,
			    err);

	if (r == 0 && all.bytes > most_bytes)
		return err_set(err, ERR_LIMIT, "the file is longer than %lld bytes",
			       (long long)most_bytes);
	if (r == 0)
		*ret = all;
	return r;
}

int digest_part(int fd, int64_t from, int64_t bytes, struct digest_file *ret, struct err *err)
{
	struct digest_file part;
	int r = digest_span(fd, from, bytes, &part, err);

	if (r == 0)
		*ret = part;
	return r;
}
