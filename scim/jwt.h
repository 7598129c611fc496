/*
 * JSON Web Tokens as bearer tokens: RFC 7519 (claims), 7515 (signature), 7517 (keys), as RFC
 * 8725 wants them read. With libcjose under it.
 *
 * Pure: time and keys are arguments. Only signatures that a public key can check are known
 * here, so neither "none" nor a secret shared with the issuer can ever open a door, and a key
 * counts only for the algorithms of its own type. Any thread; a struct jwt_keys is never
 * changed.
 */
#ifndef SCIM_JWT_H
#define SCIM_JWT_H

#include "base/conf.h"

#define JWT_MAX_BYTES 16384 /* of a token */
#define JWT_KEYS_MOST 64    /* of a key set; what comes after is not read */

/* Algorithms, bits of jwt_rules.algorithms in the order of the words. */
extern const char *const jwt_algorithm_words[]; /* "RS256" ... "ES512", NULL */
/* 0: no such word. */
unsigned jwt_algorithm(struct str word);
#define JWT_ALGORITHMS_USUAL 0x09u /* RS256, ES256 */

/* --- keys ----------------------------------------------------------------------------------
 */

struct jwt_keys;

/*
 * Reads a JWK Set. Keys that cannot check signatures (symmetric ones, those for encryption, RSA
 * below 2048 bits, curves but P-256, P-384, P-521) are left out; private parts are not kept.
 * *ret is new, with one holder. Fault: PROTOCOL (no key set, or none of its keys is of use),
 * NOMEM.
 */
int jwt_keys_read(struct str json, struct jwt_keys **ret, struct err *err) MUST_USE;
struct jwt_keys *jwt_keys_hold(struct jwt_keys *keys); /* one holder more */
void jwt_keys_drop(struct jwt_keys *keys);             /* one less; NULL is fine */
OWNED(struct jwt_keys, jwt_keys_drop)
size_t jwt_keys_count(const struct jwt_keys *keys);

/* --- tokens --------------------------------------------------------------------------------
 */

/* What a token must be. Texts are borrowed. */
struct jwt_rules {
	const char *issuer;               /* "iss" is this, byte for byte */
	const struct conf_list *audience; /* one of them stands in "aud" */
	const struct conf_list *claims;   /* "NAME=VALUE": each must hold; NULL: none */
	const struct conf_list *scopes;   /* each stands in "scope", "scp" or "roles" */
	unsigned algorithms;              /* bits; 0: JWT_ALGORITHMS_USUAL */
	int64_t skew_ms;                  /* how far clocks may differ */
	const char *self;                 /* name of the claim that says who it is; or NULL */
};

#define JWT_WHO_BYTES 60
#define JWT_SELF_BYTES 321

struct jwt_said {
	char who[JWT_WHO_BYTES]; /* azp, appid, client_id or sub: who the token was made for */
	int64_t expires_ms;
	char self[JWT_SELF_BYTES]; /* that claim's text; "": none, or too long */
};

/* Whether text could be a token: three parts of base64url between two dots. */
bool jwt_shaped(struct str text);

enum { JWT_NO_KEY = 1 };

/*
 * Checks a token: form, algorithm, signature, then issuer, audience, times, claims, scopes.
 * 0 and *ret. JWT_NO_KEY: it names a key that keys (NULL: none) does not hold, so a newer set
 * may. Faults: UNAUTHORIZED with what is wrong; FORBIDDEN: all is right but for a scope; NOMEM.
 */
int jwt_check(struct str token, const struct jwt_keys *keys, const struct jwt_rules *rules,
	      int64_t now_ms, struct jwt_said *ret, struct err *err) MUST_USE;

#endif
