/*
 * Configurations that were loaded, each whole, with what differs from the one before: what
 * stands, and what waits for a person because it lets more happen. The text has no secrets
 * (those are names). Writes run on the writer and are audited: "config.load", "config.approve".
 */
#ifndef STORE_CONFIGS_H
#define STORE_CONFIGS_H

#include "base/digest.h"
#include "store/approvers.h"

enum config_load_state { CONFIG_WAITS, CONFIG_STANDS, CONFIG_PASSED };
extern const char *const config_load_words[]; /* "waits", "stands", "passed over" */

struct config_load {
	int64_t id, ms;
	enum config_load_state state;
	struct digest digest; /* of text */
	struct str author;    /* "uid:NAME" of whose the file was, or "" */
	struct str wider;     /* JSON: sentences, what lets more happen */
	struct str text;      /* as `leaverd config check --show` prints it */
};
typedef int (*config_load_fn)(void *ctx, const struct config_load *row, struct err *err);

/* The newest in that state; a standing one makes those before it passed over. STORE_NOT_FOUND.
 */
int configs_newest(struct db *db, enum config_load_state state, config_load_fn fn, void *ctx,
		   struct err *err) MUST_USE;
int configs_get(struct db *db, int64_t id, config_load_fn fn, void *ctx, struct err *err)
	MUST_USE; /* STORE_NOT_FOUND */
/* Newest first. */
int configs_list(struct db *db, size_t most, config_load_fn fn, void *ctx, struct err *err)
	MUST_USE;

struct config_load_new {
	struct str text, author, wider;
	struct str diff; /* JSON: what differs, a text each; for the chain */
	bool stands;
	const char *who;
	int64_t now_ms;
};
/* One that waits takes the place of one that waited. */
int configs_put(struct db *db, const struct config_load_new *in, int64_t *ret, struct err *err)
	MUST_USE;
/* signer NULL: who did not sign. STORE_NOT_FOUND where none of that number waits. */
int configs_stand(struct db *db, int64_t id, const char *who, const struct signer *signer,
		  const char *why, int64_t now_ms, struct err *err) MUST_USE;
/* Nothing waits any more: the file is again what stands. */
int configs_withdraw(struct db *db, const char *who, int64_t now_ms, struct err *err) MUST_USE;

#endif
