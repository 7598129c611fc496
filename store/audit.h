/*
 * The audit chain (law 8). Each entry holds: number, time, who, what, the persons it names, a
 * body (JSON) with a random salt, the digest BLAKE2b(salt || body), and a link: keyed
 * BLAKE2b over the link before and all of the entry but body and salt. So a body can be
 * forgotten (body and salt emptied) and the chain still verifies; an empty body is in order
 * only when a later `forget` entry names its number. doc/leaverd-audit(5) gives the format.
 *
 * Retention (store/audit_cut.h) removes entries from the beginning of the chain. Before that an
 * entry `audit.cut` is added that says up to where, and the link of the last entry that goes:
 * from that link on the rest verifies, and nobody without the audit key can say another.
 *
 * The head (last number, link, time, signed with Ed25519) is written to a file outside the
 * database after each commit that added entries: it shows a cut tail and a rewritten chain.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/digest.h"
#include "store/store.h"

struct audit_new {
	const char *who;    /* "uid:NAME", "token:NAME", "source:NAME", "policy", "daemon" */
	const char *what;   /* stable name: "plan.approve", "record.create", "mode.set" */
	const char *target; /* what it is about, without personal data: "plan 7"; may be NULL */
	int64_t person;     /* ledger number that the body is about, or 0 */
	struct str body;    /* JSON: why, before, after; may be empty text "{}" */
	int64_t now_ms;
};
/* On the writer, in the transaction of the change itself. *ret_seq may be NULL. Fault: SECRET
 * when the vault is not open. */
int audit_add(struct db *db, const struct audit_new *in, int64_t *ret_seq, struct err *err)
	MUST_USE;

struct audit_entry {
	int64_t seq, ms, person;
	struct str who, what, target;
	struct str body; /* empty once forgotten */
	bool forgotten;
	struct digest digest, link;
};
typedef int (*audit_fn)(void *ctx, const struct audit_entry *row, struct err *err);
/* Pages by number, oldest first; what NULL: all; person 0: all. */
int audit_list(struct db *db, int64_t after, size_t most, const char *what, int64_t person,
	       audit_fn fn, void *ctx, struct err *err) MUST_USE;
/* Adds entries after `after` as JSON Lines to *into, at most `most`; *last is the last one's
 * number (0: none). */
int audit_export(struct db *db, int64_t after, size_t most, struct buf *into, int64_t *last,
		 struct err *err) MUST_USE;

struct vec_anchor; /* store/anchor.h */

struct audit_report {
	int64_t entries, forgotten, last;
	int64_t cut;     /* entries up to this one were removed by retention; 0: none */
	int64_t anchors; /* kept anchors that fit */
	int64_t beyond;  /* kept anchors of entries that retention removed: not compared */
	int64_t damaged; /* number of the first damaged entry, 0: none */
	char text[ERR_TEXT_BYTES]; /* a sentence: what was found */
};
/*
 * Walks the chain in short pages. with_head: also holds it against the head file (its public
 * key is checked against our seed). 0 when all is well; fault DAMAGED with the sentence, and
 * *ret filled, when not.
 */
int audit_verify(struct store *store, bool with_head, struct audit_report *ret, struct err *err)
	MUST_USE;
/* The same against a head kept elsewhere (a copy of the file). */
int audit_verify_with(struct store *store, const char *head_path, struct audit_report *ret,
		      struct err *err) MUST_USE;

/* The same against the signed head where with_head, and against a file of anchors
 * (store/anchor.h): the first that differs, or whose entry is not there any more, is named. */
int audit_verify_anchors(struct store *store, bool with_head, const char *anchors_path,
			 struct audit_report *ret, struct err *err) MUST_USE;
/* The same, and against anchors that came with time stamps (may be NULL; their lines are 0);
 * anchors_path may be NULL. */
int audit_verify_kept(struct store *store, bool with_head, const char *anchors_path,
		      const struct vec_anchor *stamps, struct audit_report *ret,
		      struct err *err) MUST_USE;

/* Empties bodies and salts of all entries about a person; *seqs receives their numbers as JSON
 * array text, for the entry that names them; *count how many. */
int audit_erase(struct db *db, int64_t person, struct buf *seqs, int64_t *count,
		struct err *err) MUST_USE;

/* Writes the signed head of the last committed entry to store_head_path() by a new file, fsync
 * and rename. The writer calls it after a commit with entries; STORE_UNCHANGED when the file
 * already names that entry. A file that does not fit the chain is kept as PATH.lost, which
 * verifying reports. */
int audit_head_write(struct db *db, struct err *err);

/* Body builder: {"why":..,"before":..,"after":..}; NULLs are left out. before and after are
 * JSON texts. */
int audit_body(struct buf *into, const char *why, const char *before, const char *after,
	       struct err *err) MUST_USE;

#endif
