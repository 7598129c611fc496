/*
 * API tokens: "lvd_" and 256 random bits as base64url, shown once; kept as a keyed BLAKE2b, by
 * which they are found, so that looking one up compares nothing that an outsider can time.
 */
#ifndef STORE_TOKENS_H
#define STORE_TOKENS_H

#include "base/digest.h"
#include "base/secret.h"
#include "store/store.h"

#define TOKEN_ALIVE_MOST 2 /* for one source: the old and the new during rotation */

enum token_scope { TOKEN_SOURCE, TOKEN_ROLE };
extern const char *const token_scope_words[]; /* "source", "role" */

struct token_row {
	int64_t id;
	struct str name; /* label, unique among live ones */
	enum token_scope scope;
	struct str of;                                    /* the source's or the role's name */
	struct str who;                                   /* who made it */
	struct str self;                                  /* key of the record that it is; "" */
	int64_t made_ms, expires_ms, revoked_ms, used_ms; /* 0: not; used is kept by the hour */
};

/* *ret receives the text to be shown once. Audited. Faults: LIMIT when two of the source are
 * alive, CONFLICT for a name in use, SECRET when the vault is not open. expires_ms > now_ms. */
int tokens_new(struct db *db, const char *name, enum token_scope scope, const char *of,
	       int64_t expires_ms, const char *who, int64_t now_ms, struct secret *ret,
	       struct err *err) MUST_USE;
/* From now that token is the user with this key of its source. Audited. STORE_NOT_FOUND. */
int tokens_link(struct db *db, const char *name, const char *key, const char *who,
		int64_t now_ms, struct err *err) MUST_USE;

/* By what somebody is known to a source. */
enum token_by { TOKEN_BY_ID, TOKEN_BY_USER_NAME, TOKEN_BY_EXTERNAL_ID, TOKEN_BY_MAIL };
extern const char *const token_by_words[]; /* "id", "userName", "externalId", "emails.value" */
#define TOKEN_SELF_BYTES 64
/* The key of the one living user of a source whom the value names; a user name that is such an
 * address counts as one. STORE_NOT_FOUND: nobody, or more than one. */
int tokens_self(struct db *db, const char *source, enum token_by by, struct str value,
		char ret[TOKEN_SELF_BYTES], struct err *err) MUST_USE;

/* Audited. STORE_NOT_FOUND. */
int tokens_revoke(struct db *db, const char *name, const char *who, const char *why,
		  int64_t now_ms, struct err *err) MUST_USE;
typedef int (*token_fn)(void *ctx, const struct token_row *row, struct err *err);
int tokens_list(struct db *db, token_fn fn, void *ctx, struct err *err) MUST_USE;

/* Whom a presented token speaks for; live ones only. STORE_NOT_FOUND for whatever is not. */
struct token_found {
	int64_t id;
	enum token_scope scope;
	char name[128], of[128];
	int64_t expires_ms;
	char self[TOKEN_SELF_BYTES]; /* key of the record that it is; "" */
	bool touch;                  /* not noted as used this hour: submit tokens_used() */
};
int tokens_find(struct db *db, struct str presented, int64_t now_ms, struct token_found *ret,
		struct err *err) MUST_USE;
int tokens_used(struct db *db, int64_t id, int64_t now_ms, struct err *err) MUST_USE;

#endif
