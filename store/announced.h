/*
 * Announced leavers (`leaverd expect`): lists of people by ledger number, with a time from and
 * until which limits pass them by, once two people signed the list. Writes run on the writer
 * and are audited ("expect.announce", "expect.approve", "expect.withdraw").
 */
#ifndef STORE_ANNOUNCED_H
#define STORE_ANNOUNCED_H

#include "base/digest.h"
#include "store/approvers.h"

enum announced_state { ANNOUNCED_WAITS, ANNOUNCED_STANDS, ANNOUNCED_WITHDRAWN };
extern const char *const announced_words[]; /* "waits", "stands", "withdrawn" */

struct announced {
	int64_t id, made_ms, from_ms, until_ms, persons;
	enum announced_state state;
	struct str who, why;
	struct str
		detail; /* canonical JSON: {"from":..,"persons":[..],"until":..}; is signed */
};
typedef int (*announced_fn)(void *ctx, const struct announced *row, struct err *err);

int announced_get(struct db *db, int64_t id, announced_fn fn, void *ctx, struct err *err)
	MUST_USE; /* STORE_NOT_FOUND */
/* Newest first. */
int announced_list(struct db *db, size_t most, announced_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* Of in: who, why, detail, persons, from_ms, until_ms, made_ms. */
int announced_put(struct db *db, const struct announced *in, int64_t *ret, struct err *err)
	MUST_USE;

struct announced_word {
	int64_t id;
	const char *who;             /* who gave it, where nobody signed */
	const struct signer *signer; /* or NULL */
	const char *why;
	bool stands;      /* it is the last that was needed */
	int64_t alone_ms; /* one administrator's: it counts from then; else 0 */
	int64_t now_ms;
};
/* One approval of the list; with stands its people pass the limits from then on.
 * STORE_NOT_FOUND where none of that number waits. */
int announced_approve(struct db *db, const struct announced_word *in, const int64_t *persons,
		      size_t count, struct err *err) MUST_USE;
/* Before or after it stood. STORE_NOT_FOUND. */
int announced_withdraw(struct db *db, int64_t id, const char *who, const char *why,
		       int64_t now_ms, struct err *err) MUST_USE;

#endif
