/*
 * Facts out of the tables: fills struct facts (model/snapshot.h) for one organisation's round.
 *
 * First in one read transaction: what fits into its two seconds is of one moment. What does not
 * is read in short pages, by key; the change counter is noted before. Then the records that
 * changed since are read again until nothing did, so that the facts are of the last
 * transaction's moment however many clients write. Where anything but records changed meanwhile
 * (links, decisions, accounts, reads) the build begins again, FACTS_PASSES times at most, then
 * it is INCOMPLETE (and nothing is planned on it).
 *
 * In pages two threads of this call read beside it, the organisation and the members of its
 * groups, each with read transactions of its own; they have ended when it returns.
 */
#ifndef STORE_FACTS_H
#define STORE_FACTS_H

#include "model/snapshot.h"
#include "store/store.h"

#define FACTS_PASSES 5
#define FACTS_CATCH_UPS 50 /* transactions in which a pass reads what changed */

/* What the configuration knows of a source and the tables do not. */
struct facts_source_option {
	const char *name;
	enum source_role role;
	enum source_kind kind;
	int64_t stale_ms;   /* accepted reads older than this are stale; 0: never */
	const char *issuer; /* whose ids externalId holds; NULL: the source's */
};

/* A site of the configuration on which leavers hand over. */
struct facts_site_option {
	const char *host;
	const char *queue; /* account id or address; NULL: nobody */
};

#define FACTS_NOBODY INT64_MAX /* no person has this number */

struct facts_want {
	const char *org;
	const struct facts_columns *columns;
	const struct facts_round
		*round; /* org, zone, now_ms, mode, armed_ms, foreign_write,
			   hand_approval: the caller's. The rest is filled here */
	const struct facts_source_option *sources; /* in order of trust */
	size_t source_count;
	const struct facts_site_option *sites;
	size_t site_count;
	const char *provision_directory; /* id of the provisioning directory; NULL: none */
	int64_t org_stale_ms;            /* reads of the organisation older than this are
					    stale; 0: never */
	const char *provision_issuer;    /* the source whose ids its externalIds are; NULL */
	int64_t person;   /* 0: all. Else only this person's records and accounts: to judge one
			     again before acting, without what limits count. FACTS_NOBODY: only
			     .account */
	int64_t account;  /* to judge an orphan again: everything is needed, 0 or not */
	unsigned threads; /* 1: none but the caller's; 0: more where there are processors */
	bool pages;       /* in pages from the start: for stores known to be large, and tests */
};

/* *ret is sealed, new and the caller's to facts_free(); *change (may be NULL) the counter that
 * it stands for: while store_change() still gives it, nothing has changed. */
int store_facts(struct store *store, const struct facts_want *want, struct facts **ret,
		int64_t *change, struct err *err) MUST_USE;

#endif
