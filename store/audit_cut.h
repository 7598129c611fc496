/*
 * Retention of the audit chain: old entries go from its beginning, and the rest stays provable.
 *
 * First an entry `audit.cut` is added: its body says up to which number entries go, the link of
 * the last of them, and who was enrolled as an approver then, so that signatures of later
 * entries can still be held against keys. Then the entries are removed in short steps, as often
 * as is needed, also after a crash. The cursor audit/cut names that entry; that it is what it
 * says, the chain itself shows.
 */
#ifndef STORE_AUDIT_CUT_H
#define STORE_AUDIT_CUT_H

#include "base/digest.h"
#include "base/jx.h"
#include "store/store.h"

struct audit_cut {
	int64_t seq; /* entries up to this one are removed, or about to be; 0: none */
	struct digest
		link;  /* of that entry; zeros where seq is 0: what a first entry follows */
	int64_t entry; /* the `audit.cut` that says so */
};
/* 0 also when nothing was ever cut. Fault: DAMAGED when the cursor names no such entry. */
int audit_cut_get(struct db *db, struct audit_cut *ret, struct err *err) MUST_USE;
/* When that entry was made. STORE_NOT_FOUND where nothing was cut. */
int audit_cut_made(struct db *db, const struct audit_cut *cut, int64_t *ret_ms, struct err *err)
	MUST_USE;
/* What that entry's body says besides; *ret is new. STORE_NOT_FOUND when nothing was cut. */
int audit_cut_body(struct db *db, json_t **ret, struct err *err) MUST_USE;

/* How many entries, from the beginning, are older than before_ms: all up to *ret (0: none).
 * The newest entry is never among them. */
int audit_cut_until(struct db *db, int64_t before_ms, int64_t *ret, struct err *err) MUST_USE;

struct audit_cut_new {
	int64_t seq;             /* the last one to go */
	const json_t *approvers; /* as approvers_roster() gives them; NULL: none */
	const char *who, *why;
	int64_t now_ms;
};
/* On the writer. STORE_UNCHANGED when the chain was cut there or later already; STORE_NOT_FOUND
 * when there is no such entry. */
int audit_cut_begin(struct db *db, const struct audit_cut_new *in, struct err *err) MUST_USE;
/* On the writer: removes at most so many of them; *removed says how many there were. */
int audit_cut_step(struct db *db, size_t most, int64_t *removed, struct err *err) MUST_USE;

#endif
