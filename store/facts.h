/*
 * Facts out of the tables: fills struct facts (model/snapshot.h) for one organisation's round.
 *
 * Reads in short transactions, by key. The change counter is noted first; when all pages are
 * read, what changed meanwhile is found by comparing it: then the build starts again, at most
 * FACTS_PASSES times, after which it is INCOMPLETE (nothing is planned on it).
 */
#ifndef STORE_FACTS_H
#define STORE_FACTS_H

#include "model/snapshot.h"
#include "store/store.h"

#define FACTS_PASSES 5

/* What the configuration knows of a source and the tables do not. */
struct facts_source_option {
	const char *name;
	enum source_role role;
	enum source_kind kind;
	int64_t stale_ms;   /* accepted reads older than this are stale; 0: never */
	const char *issuer; /* whose ids externalId holds; NULL: the source's */
};

struct facts_want {
	const char *org;
	const struct facts_columns *columns;
	const struct facts_round
		*round; /* org, zone, now_ms, mode, armed_ms, foreign_write,
			   hand_approval: the caller's. The rest is filled here */
	const struct facts_source_option *sources; /* in order of trust */
	size_t source_count;
	int64_t person;  /* 0: all. Else only this person's records and accounts: to judge one
			    again before acting */
	int64_t account; /* likewise, one account (an orphan) */
};

/* *ret is sealed, new and the caller's to facts_free(); *change (may be NULL) the counter that
 * it stands for: while store_change() still gives it, nothing has changed. */
int store_facts(struct store *store, const struct facts_want *want, struct facts **ret,
		int64_t *change, struct err *err) MUST_USE;

#endif
