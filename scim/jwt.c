#include "scim/jwt.h"

#include <cjose/cjose.h>
#include <ctype.h>
#include <math.h>
#include <stdatomic.h>

#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"

#define KEYS_MAX_BYTES (1 << 20)
#define KID_MAX_BYTES 512
#define RSA_LEAST_BITS 2048
#define RSA_MOST_BITS 8192
#define PART_MOST_CHARS 1400 /* base64url of as many bits, and a little */
#define NAMELESS_TRIES 8     /* keys that a token without "kid" is tried with */
#define SKEW_MOST_S 1e12     /* times beyond are not times */

/* clang-format off */
static const struct algorithm {
	const char *word, *kty, *crv;
} algorithms[] = {
	{ "RS256", "RSA", NULL },
	{ "RS384", "RSA", NULL },
	{ "RS512", "RSA", NULL },
	{ "ES256", "EC",  "P-256" },
	{ "ES384", "EC",  "P-384" },
	{ "ES512", "EC",  "P-521" },
	{ "PS256", "RSA", NULL },
	{ "PS384", "RSA", NULL },
	{ "PS512", "RSA", NULL },
};
/* clang-format on */

const char *const jwt_algorithm_words[] = { "RS256", "RS384", "RS512", "ES256", "ES384",
					    "ES512", "PS256", "PS384", "PS512", NULL };

unsigned jwt_algorithm(struct str word)
{
	for (size_t i = 0; i < COUNT_OF(algorithms); i++)
		if (str_eq(word, str_of(algorithms[i].word)))
			return 1u << i;
	return 0;
}

/* --- keys ----------------------------------------------------------------------------------
 */

struct key {
	char *kid, *alg; /* NULL: not said */
	const char *kty, *crv;
	cjose_jwk_t *jwk;
};

struct jwt_keys {
	atomic_uint holders;
	size_t n;
	struct key keys[JWT_KEYS_MOST];
};

/* The members that make a public key, by type; crv only of EC. */
static const char *const rsa_parts[] = { "n", "e", NULL };
static const char *const ec_parts[] = { "crv", "x", "y", NULL };

static const char *known_curve(const char *crv)
{
	for (size_t i = 0; crv && i < COUNT_OF(algorithms); i++)
		if (algorithms[i].crv && !strcmp(crv, algorithms[i].crv))
			return algorithms[i].crv;
	return NULL;
}

/* The library ends the process over what is none (an assert() of its decoder). */
static bool is_base64url(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.len > 0 && s.len % 4 != 1;
}

/* Only what is public and needed goes on to the library. NULL: not of use, or no memory. */
static json_t *public_part(const json_t *from, const struct key *key)
{
	const char *const *parts = key->crv ? ec_parts : rsa_parts;
	json_t *into = json_pack("{s:s}", "kty", key->kty);

	for (; into && *parts; parts++) {
		const char *text = jx_get_text(from, *parts);

		bool fine = text && strlen(text) <= PART_MOST_CHARS &&
			    (!strcmp(*parts, "crv") || is_base64url(str_of(text)));

		if (fine && json_object_set_new(into, *parts, json_string(text)) == 0)
			continue;
		json_decref(into);
		into = NULL;
	}
	return into;
}

static bool size_is_fine(const struct key *key)
{
	size_t bits = key->crv ? RSA_LEAST_BITS : cjose_jwk_get_keysize(key->jwk, NULL);

	return bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS;
}

static void key_done(struct key *key)
{
	if (key->jwk)
		cjose_jwk_release(key->jwk);
	free(key->kid);
	free(key->alg);
	*key = (struct key){ 0 };
}

/* 0: *ret is filled. 1: not a key for us. */
static int key_read(const json_t *from, struct key *ret, struct err *err)
{
	const char *kty = jx_get_text(from, "kty"), *use = jx_get_text(from, "use"),
		   *kid = jx_get_text(from, "kid"), *alg = jx_get_text(from, "alg");
	struct key key = { 0 };
	json_t *public;

	if (!kty || (use && strcmp(use, "sig") != 0) || (kid && strlen(kid) > KID_MAX_BYTES))
		return 1;
	if (!strcmp(kty, "EC"))
		key.crv = known_curve(jx_get_text(from, "crv"));
	else if (strcmp(kty, "RSA") != 0)
		return 1;
	if (!strcmp(kty, "EC") && !key.crv)
		return 1;
	key.kty = key.crv ? "EC" : "RSA";
	public = public_part(from, &key);
	key.jwk = public ? cjose_jwk_import_json((cjose_header_t *)public, NULL) : NULL;
	json_decref(public);
	if (!key.jwk)
		return 1;
	key.kid = kid ? str_dup(str_of(kid)) : NULL;
	key.alg = alg ? str_dup(str_of(alg)) : NULL;
	if (!size_is_fine(&key) || (kid && !key.kid) || (alg && !key.alg)) {
		bool lost = (kid && !key.kid) || (alg && !key.alg);

		key_done(&key);
		return lost ? err_nomem(err) : 1;
	}
	*ret = key;
	return 0;
}

int jwt_keys_read(struct str json, struct jwt_keys **ret, struct err *err)
{
	CLEANUP(jwt_keys_drop_at) struct jwt_keys *keys = NULL;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	json_t *array, *one;
	size_t i;
	int r;

	if (json.len > KEYS_MAX_BYTES)
		return err_set(err, ERR_PROTOCOL, "the key set is longer than %d bytes",
			       KEYS_MAX_BYTES);
	r = jx_parse(json, JX_LENIENT, &doc, err);
	if (r == -ERR_NOMEM)
		return r;
	array = r == 0 ? json_object_get(doc, "keys") : NULL;
	if (!json_is_array(array))
		return err_set(err, ERR_PROTOCOL,
			       "this is no key set: expected {\"keys\": [...]}");
	keys = calloc(1, sizeof(*keys));
	if (!keys)
		return err_nomem(err);
	atomic_init(&keys->holders, 1);
	json_array_foreach (array, i, one) {
		if (keys->n == JWT_KEYS_MOST)
			break;
		r = key_read(one, &keys->keys[keys->n], err);
		if (r < 0)
			return r;
		keys->n += r == 0;
	}
	if (!keys->n)
		return err_set(
			err, ERR_PROTOCOL,
			"none of the %zu keys of the set can check a signature: expected "
			"RSA of at least %d bits, or EC on P-256, P-384 or P-521",
			json_array_size(array), RSA_LEAST_BITS);
	*ret = TAKE(keys);
	return 0;
}

struct jwt_keys *jwt_keys_hold(struct jwt_keys *keys)
{
	atomic_fetch_add(&keys->holders, 1);
	return keys;
}

void jwt_keys_drop(struct jwt_keys *keys)
{
	if (!keys || atomic_fetch_sub(&keys->holders, 1) > 1)
		return;
	for (size_t i = 0; i < keys->n; i++)
		key_done(&keys->keys[i]);
	free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
	return keys->n;
}

/* --- the token's form ----------------------------------------------------------------------
 */

struct parts {
	struct str header, payload, signature;
};

static bool parts_read(struct str token, struct parts *ret)
{
	struct str rest;

	return token.len <= JWT_MAX_BYTES && str_cut(token, '.', &ret->header, &rest) &&
	       str_cut(rest, '.', &ret->payload, &ret->signature) &&
	       is_base64url(ret->header) && is_base64url(ret->payload) &&
	       is_base64url(ret->signature);
}

bool jwt_shaped(struct str text)
{
	struct parts parts;

	return parts_read(text, &parts);
}

/* One part as a JSON object. *ret is new. */
static int object_read(struct str part, const char *what, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, JWT_MAX_BYTES);
	if (!enc_unbase64(&text, part))
		return text.fault == ERR_NOMEM
			       ? err_nomem(err)
			       : err_set(err, ERR_UNAUTHORIZED,
					 "the token's %s is no base64url", what);
	r = jx_parse(buf_str(&text), JX_LENIENT, &doc, err);
	if (r == -ERR_NOMEM)
		return r;
	if (r < 0 || !json_is_object(doc))
		return err_set(err, ERR_UNAUTHORIZED, "the token's %s is no JSON object", what);
	*ret = TAKE(doc);
	return 0;
}

/* --- signature -----------------------------------------------------------------------------
 */

/* RFC 8725 section 3.11: a token made for something else is not one of access. */
static bool type_is_fine(const char *typ)
{
	struct str s = str_of(typ);

	if (str_istarts(s, STR("application/")))
		s = str_n(s.p + 12, s.len - 12);
	return !typ || str_ieq(s, STR("JWT")) || str_ieq(s, STR("at+jwt"));
}

static int algorithm_of(const json_t *header, const struct jwt_rules *rules,
			const struct algorithm **ret, struct err *err)
{
	const char *alg = jx_get_text(header, "alg");
	unsigned bit = jwt_algorithm(str_of(alg)),
		 allowed = rules->algorithms ? rules->algorithms : JWT_ALGORITHMS_USUAL;

	/* RFC 7515 section 4.1.11: what is critical and not known makes the token invalid. */
	if (json_object_get(header, "crit"))
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token has critical header members, and none is known here");
	if (!type_is_fine(jx_get_text(header, "typ")))
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token is of a type (typ) that opens nothing here");
	if (!(bit & allowed))
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token's algorithm (alg) is not among those that the source "
			       "lets in (scim.jwt.algorithms)");
	*ret = &algorithms[__builtin_ctz(bit)];
	return 0;
}

static bool key_fits(const struct key *key, const struct algorithm *alg)
{
	return !strcmp(key->kty, alg->kty) && (!alg->crv || !strcmp(key->crv, alg->crv)) &&
	       (!key->alg || !strcmp(key->alg, alg->word));
}

static bool verified(struct str token, const struct key *key)
{
	cjose_jws_t *jws = cjose_jws_import(token.p, token.len, NULL);
	bool good = jws && cjose_jws_verify(jws, key->jwk, NULL);

	if (jws)
		cjose_jws_release(jws);
	return good;
}

static int signature_check(struct str token, const json_t *header, const struct jwt_keys *keys,
			   const struct algorithm *alg, struct err *err)
{
	const char *kid = jx_get_text(header, "kid");
	unsigned tries = 0;

	for (size_t i = 0; keys && i < keys->n; i++) {
		const struct key *key = &keys->keys[i];

		if (kid && (!key->kid || strcmp(kid, key->kid) != 0))
			continue;
		if (!key_fits(key, alg))
			continue;
		if (verified(token, key))
			return 0;
		if (++tries == NAMELESS_TRIES)
			break;
	}
	if (!tries)
		return JWT_NO_KEY;
	return err_set(err, ERR_UNAUTHORIZED,
		       "the token's signature is not that of its issuer's key");
}

/* --- claims --------------------------------------------------------------------------------
 */

/* Seconds since 1970, whole or not (RFC 7519 section 2), as ms. */
static bool time_read(const json_t *claim, int64_t *ret_ms)
{
	double s = json_is_number(claim) ? json_number_value(claim) : NAN;

	if (!(s >= 0 && s < SKEW_MOST_S))
		return false;
	*ret_ms = (int64_t)(s * 1000);
	return true;
}

static int times_check(const json_t *claims, const struct jwt_rules *rules, int64_t now_ms,
		       int64_t *expires_ms, struct err *err)
{
	const json_t *nbf = json_object_get(claims, "nbf");
	int64_t from_ms = 0;
	char when[STAMP_TEXT_BYTES];

	if (!time_read(json_object_get(claims, "exp"), expires_ms))
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token does not say when it ends (exp)");
	if (now_ms >= *expires_ms + rules->skew_ms) {
		stamp_text(*expires_ms, when);
		return err_set(err, ERR_UNAUTHORIZED, "the token ended at %s", when);
	}
	if (nbf && (!time_read(nbf, &from_ms) || now_ms < from_ms - rules->skew_ms)) {
		stamp_text(from_ms, when);
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token begins at %s: look at the clocks", when);
	}
	return 0;
}

/* A text among those of a claim, which is one text or an array of them. */
static bool claim_has(const json_t *claim, const char *text)
{
	const json_t *one;
	size_t i;

	if (json_is_string(claim))
		return !strcmp(json_string_value(claim), text);
	json_array_foreach ((json_t *)claim, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), text))
			return true;
	return false;
}

static int audience_check(const json_t *claims, const struct jwt_rules *rules, struct err *err)
{
	const char *iss = jx_get_text(claims, "iss");
	const json_t *aud = json_object_get(claims, "aud");
	bool ours = false;

	if (!iss || strcmp(iss, rules->issuer) != 0)
		return err_set(
			err, ERR_UNAUTHORIZED,
			"the token's issuer (iss) is not the one that the source expects");
	for (size_t i = 0; i < rules->audience->n && !ours; i++)
		ours = claim_has(aud, rules->audience->v[i]);
	return ours ? 0
		    : err_set(err, ERR_UNAUTHORIZED,
			      "the token is for another audience (aud) than the source's");
}

/* "NAME=VALUE": a text, a number, a truth value as JSON writes it, or one of an array. */
static bool claim_holds(const json_t *claims, struct str rule)
{
	CLEANUP(buf_done) struct buf name, value, text;
	struct str head, tail;
	const json_t *claim;
	struct err err;

	buf_init(&name, 1024);
	buf_init(&value, 4096);
	buf_init(&text, 64);
	if (!str_cut(rule, '=', &head, &tail))
		return false;
	buf_add_str(&name, str_trim(head));
	buf_add_str(&value, str_trim(tail));
	if (name.fault || value.fault || !name.len || !value.len)
		return false;
	claim = json_object_get(claims, name.p);
	if (json_is_string(claim) || json_is_array(claim))
		return claim_has(claim, value.p);
	return claim && !json_is_object(claim) && jx_text(claim, &text, &err) == 0 &&
	       str_eq(buf_str(&text), buf_str(&value));
}

static int claims_check(const json_t *claims, const struct jwt_rules *rules, struct err *err)
{
	for (size_t i = 0; rules->claims && i < rules->claims->n; i++)
		if (!claim_holds(claims, str_of(rules->claims->v[i])))
			return err_set(err, ERR_UNAUTHORIZED,
				       "the token lacks a claim that the source wants: %.100s",
				       rules->claims->v[i]);
	return 0;
}

/* One word among those between blanks. */
static bool words_have(const json_t *claim, struct str word)
{
	struct str rest = str_of(json_string_value(claim)), one, tail;

	while (json_is_string(claim) && rest.len) {
		tail = (struct str){ 0 };
		str_cut(rest, ' ', &one, &tail);
		rest = tail;
		if (str_eq(one, word))
			return true;
	}
	return false;
}

static int scopes_check(const json_t *claims, const struct jwt_rules *rules, struct err *err)
{
	static const char *const where[] = { "scope", "scp", "roles" };

	for (size_t i = 0; rules->scopes && i < rules->scopes->n; i++) {
		const char *scope = rules->scopes->v[i];
		bool has = false;

		for (size_t k = 0; k < COUNT_OF(where) && !has; k++) {
			const json_t *claim = json_object_get(claims, where[k]);

			has = words_have(claim, str_of(scope)) || claim_has(claim, scope);
		}
		if (!has)
			return err_set(err, ERR_FORBIDDEN, "the token lacks the scope %.100s",
				       scope);
	}
	return 0;
}

/* Who it was made for, in characters that may stand in a log and in the audit chain. */
static void who_read(const json_t *claims, char ret[JWT_WHO_BYTES])
{
	static const char *const where[] = { "azp", "appid", "client_id", "sub" };
	const char *text = NULL;
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(where) && !(text && *text); i++)
		text = jx_get_text(claims, where[i]);
	for (; text && text[n] && n < JWT_WHO_BYTES - 1; n++)
		ret[n] = text[n] > ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\'
				 ? text[n]
				 : '_';
	ret[n] = '\0';
}

static void self_read(const json_t *claims, const char *name, char ret[JWT_SELF_BYTES])
{
	const char *text = name ? jx_get_text(claims, name) : NULL;

	if (text && strlen(text) < JWT_SELF_BYTES)
		memcpy(ret, text, strlen(text) + 1);
}

int jwt_check(struct str token, const struct jwt_keys *keys, const struct jwt_rules *rules,
	      int64_t now_ms, struct jwt_said *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *header = NULL, *claims = NULL;
	const struct algorithm *alg = NULL;
	struct jwt_said said = { 0 };
	struct parts parts;
	int r;

	if (!parts_read(token, &parts))
		return err_set(err, ERR_UNAUTHORIZED, "the bearer token is no signed JWT");
	r = object_read(parts.header, "header", &header, err);
	if (r == 0)
		r = algorithm_of(header, rules, &alg, err);
	if (r == 0)
		r = signature_check(token, header, keys, alg, err);
	if (r == 0)
		r = object_read(parts.payload, "payload", &claims, err);
	if (r == 0)
		r = audience_check(claims, rules, err);
	if (r == 0)
		r = times_check(claims, rules, now_ms, &said.expires_ms, err);
	if (r == 0)
		r = claims_check(claims, rules, err);
	if (r == 0)
		r = scopes_check(claims, rules, err);
	if (r != 0)
		return r;
	who_read(claims, said.who);
	self_read(claims, rules->self, said.self);
	*ret = said;
	return 0;
}
