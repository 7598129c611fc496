/*
 * Approvers: people with a key of their own, whose signed statements (model/statement.h) count
 * as a person's; and the statements that were taken.
 *
 * The first is enrolled by the operator, which the audit chain says; from then on each new one
 * by a statement that a live approver signed. Retiring takes effect at once, also for decisions
 * that were not acted on yet. Where all have retired or expired the operator enrols again, and
 * that key counts only after APPROVERS_AGAIN_MS.
 *
 * Writes run on the writer and write their audit entries. A statement is taken once: it, who
 * signed, and who brought it stand in an entry "statement.take", and what follows from it names
 * that entry.
 */
#ifndef STORE_APPROVERS_H
#define STORE_APPROVERS_H

#include "base/jx.h"
#include "model/statement.h"
#include "store/db.h"

#define APPROVERS_AGAIN_MS (72 * 3600000LL)
#define APPROVERS_EXPIRE_MS (365 * 86400000LL) /* unless said otherwise */
#define APPROVERS_LONGEST_MS (730 * 86400000LL)

struct approver {
	int64_t id;
	struct str name;
	struct str login; /* the system's name of the same human ("uid:" that), or "" */
	unsigned char key[DIGEST_PUB_BYTES];
	struct str by; /* who enrolled: "uid:NAME", "approver:NAME" */
	int64_t enrolled_ms, from_ms, expires_ms, retired_ms; /* retired 0: not */
};
typedef int (*approver_fn)(void *ctx, const struct approver *row, struct err *err);
/* All that ever were, oldest first. */
int approvers_list(struct db *db, approver_fn fn, void *ctx, struct err *err) MUST_USE;

struct approvers_count {
	int64_t live, ever; /* live: count now, or from from_ms on */
	int64_t retired;
};
int approvers_count(struct db *db, int64_t now_ms, struct approvers_count *ret, struct err *err)
	MUST_USE;
/* The one who counts now. name without "approver:". STORE_NOT_FOUND. */
int approvers_get(struct db *db, struct str name, int64_t now_ms, approver_fn fn, void *ctx,
		  struct err *err) MUST_USE;

/* --- statements --- */

/* Who signed what was taken. */
struct signer {
	char who[STATEMENT_NAME_MOST + 16]; /* "approver:NAME" */
	char login[72];                     /* as enrolled, or "" */
	unsigned char key[DIGEST_PUB_BYTES];
	int64_t entry; /* of the audit chain */
};

/* What a statement must be about to be taken here. */
struct statement_want {
	const char *instance; /* this instance's name */
	const char *about, *decision, *target;
	const char *by; /* who brought it: "uid:NAME" */
	int64_t now_ms;
};

/* Whether it is about what is wanted: 0, or CONFLICT with what it says. Looks at nothing else.
 */
int approvers_wants(const struct statement_want *want, const struct statement *s,
		    struct err *err) MUST_USE;

/* The public key of this instance's audit head, in hex: what tells instances of one name apart.
 */
int approvers_authority(struct store *store, char ret[2 * DIGEST_PUB_BYTES + 1],
			struct err *err) MUST_USE;

/*
 * Takes a statement: it is signed, by a key that counts now, made for this instance and for
 * what is wanted, neither expired nor taken before. What it says beyond that (digest, actions,
 * guards, detail) is the caller's to hold against the present. On the writer, in the
 * transaction of what follows from it. Faults, each a sentence: REFUSED (unsigned, another
 * signature, another instance, an unknown or retired key), CONFLICT (about something else, or
 * taken before), EXPIRED.
 */
int approvers_take(struct db *db, const struct statement_want *want, const struct statement *s,
		   struct signer *ret, struct err *err) MUST_USE;

/* Signatures that were taken for one matter, by whoever still counts, each person once. */
typedef int (*signature_fn)(void *ctx, struct str who, struct str login, int64_t ms,
			    struct err *err);
int approvers_signatures(struct db *db, const char *about, const char *decision,
			 const char *target, int64_t now_ms, signature_fn fn, void *ctx,
			 struct err *err) MUST_USE;

/* --- enrolling --- */

struct approver_new {
	struct str name, login;
	unsigned char key[DIGEST_PUB_BYTES];
	int64_t expires_ms;
	const char *by;              /* who asks: "uid:NAME" */
	const struct signer *signer; /* NULL: the operator, for the first */
	const char *why;
	int64_t now_ms;
};
/*
 * Faults: HELD where a statement of a live approver is needed and there is none, CONFLICT for a
 * name or login that is live or a key that was ever used, INVALID_VALUE. *ret_from_ms: from
 * when it counts.
 */
int approvers_enrol(struct db *db, const struct approver_new *in, int64_t *ret_from_ms,
		    struct err *err) MUST_USE;
/* who: "uid:NAME" or a signer's. STORE_NOT_FOUND where nobody of that name is live. */
int approvers_retire(struct db *db, struct str name, const char *who, const char *why,
		     int64_t now_ms, struct err *err) MUST_USE;

/* --- verifying --- */

struct signatures_report {
	int64_t statements, approvers; /* seen in the chain */
	int64_t beyond; /* entries whose statement went with retention: not held against it */
	char text[ERR_TEXT_BYTES];
};
/*
 * Goes through the chain, which audit_verify() found whole, and holds each statement against
 * the key that was enrolled then, as the chain itself tells, each decision that counts as a
 * person's against its statement, and each enrolment against who was there to sign it. Fault:
 * DAMAGED naming the entry.
 */
int approvers_verify(struct store *store, struct signatures_report *ret, struct err *err)
	MUST_USE;
/* Who was enrolled as of an entry, as the chain tells, held as above: rows {name, key, from,
 * expires, retired}. *ret is new. */
int approvers_roster(struct store *store, int64_t until, json_t **ret, struct err *err)
	MUST_USE;

#endif
