/*
 * What was asked and what it did: the request log (the last LEDGER_REQUESTS), counts per
 * endpoint and status, all effects, and the organisation's audit events made of them.
 *
 * An effect is a write that was answered with success by the organisation, whatever became of
 * the answer on its way; `changed` says whether it changed anything. The same key (op, account,
 * detail) twice is what crash tests look for.
 */
#ifndef REHEARSAL_LEDGER_H
#define REHEARSAL_LEDGER_H

#include "base/map.h"
#include "base/vec.h"
#include "tests/rehearsal/jw.h"

#define LEDGER_REQUESTS 65536
#define LEDGER_EFFECTS 4000000

struct ledger_request {
	uint64_t n;
	int64_t at_ms;
	char method[8];
	char *path; /* with query */
	int status;
	char fault[16];
};

struct effect {
	uint64_t n; /* of the request */
	int64_t at_ms;
	const char *op; /* static */
	char *account, *detail;
	char *by;  /* account id of somebody else who did it; NULL: our key */
	char *key; /* id of the key that they used; NULL: none */
	bool changed;
};

VEC(vec_effect, struct effect);

/* How often one endpoint was asked. */
struct ledger_count {
	char *endpoint;
	uint64_t n, failed;
	UT_hash_handle hh;
};

/* How often one effect came. */
struct effect_count {
	char *key; /* "op account detail" */
	uint64_t calls, changes;
	UT_hash_handle hh;
};

struct ledger {
	struct ledger_request *ring;
	uint64_t requests, writes, refused_429;
	uint64_t run_429, longest_429; /* 429s in a row */
	uint64_t statuses[600];
	struct vec_effect effects;
	size_t cleared; /* effects that were before these: audit events count on */
	struct ledger_count *counts;
	struct effect_count *effect_counts;
};

int ledger_init(struct ledger *l, struct err *err) MUST_USE;
void ledger_done(struct ledger *l);
void ledger_clear(struct ledger *l);

/* Returns the number of the request. Lost memory loses lines, never counts. */
uint64_t ledger_request(struct ledger *l, int64_t at_ms, const char *method, struct str path,
			struct str query, const char *endpoint, int status, const char *fault);
void ledger_effect(struct ledger *l, uint64_t n, int64_t at_ms, const char *op,
		   const char *account, const char *detail, bool changed);

/* Something that somebody else did, by a page of the console, or under a key: an audit event,
 * no effect of a request. op is static; key may be NULL. */
void ledger_event(struct ledger *l, int64_t at_ms, const char *op, const char *account,
		  const char *detail, const char *by, const char *key);

/* How many requests and effects there were, as JSON members: cheap to ask again and again. */
void ledger_numbers(const struct ledger *l, struct jw *w);

/* The log as JSON members: counts, effects, and the last `last` requests. */
void ledger_show(const struct ledger *l, struct jw *w, size_t last);

#endif
