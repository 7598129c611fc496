/*
 * The person ledger: who is one human, which records and accounts are theirs and why we think
 * so, what a person decided about it, and what protects them. Numbers are never used again. A
 * person's random salt makes the digests in plans and audit say nothing once it is erased.
 *
 * Writes run on the writer; those that a human decides (adopt, confirm, bar, protect, approve a
 * match rule) write their audit entry themselves.
 */
#ifndef STORE_PERSONS_H
#define STORE_PERSONS_H

#include "store/db.h"

#define PERSON_SALT_BYTES 16

enum person_state { PERSON_LIVE, PERSON_FORGOTTEN, PERSON_MERGED };

struct person_row {
	int64_t id;
	unsigned char salt[PERSON_SALT_BYTES];
	enum person_state state;
	int64_t created_ms;
	int64_t change;
};

/* A new person. *ret is the ledger number. */
int persons_create(struct db *db, int64_t now_ms, int64_t *ret, struct err *err) MUST_USE;
int persons_get(struct db *db, int64_t person, struct person_row *ret, struct err *err)
	MUST_USE;
typedef int (*person_fn)(void *ctx, const struct person_row *row, struct err *err);
int persons_page(struct db *db, int64_t after, size_t most, person_fn fn, void *ctx,
		 struct err *err) MUST_USE;
/* Ledger numbers of whoever WHO names: a number, an e-mail, a user name, an account id, a
 * record key. At most room; *count says how many there are. */
int persons_find(struct db *db, struct str who, int64_t *ret, size_t room, size_t *count,
		 struct err *err) MUST_USE;

/* Somebody whom a source says to be active, as the first such record names them. */
struct person_without {
	int64_t person;
	struct str user_name, display;
};
typedef int (*person_without_fn)(void *ctx, const struct person_without *row, struct err *err);
/* Looks at the next most people after *after, by number, and tells those without a live account
 * at that organisation (0: at any). STORE_NOT_FOUND: there was nobody to look at. */
int persons_without(struct db *db, int64_t org, int64_t *after, size_t most,
		    person_without_fn fn, void *ctx, struct err *err) MUST_USE;

/* Record to person. rule: the match rule's name, or "hand". STORE_UNCHANGED. */
int persons_link_record(struct db *db, int64_t record, int64_t person, const char *rule,
			const char *evidence, int64_t now_ms, struct err *err) MUST_USE;
int persons_unlink_record(struct db *db, int64_t record, struct err *err) MUST_USE;

/* Why a record is this person's. STORE_NOT_FOUND. */
typedef int (*record_link_fn)(void *ctx, int64_t person, struct str rule, struct str evidence,
			      int64_t since_ms, struct err *err);
int persons_record_link(struct db *db, int64_t record, record_link_fn fn, void *ctx,
			struct err *err) MUST_USE;

/* Account to person, with its adoption. */
struct account_link {
	int64_t account, person;
	struct str rule, evidence;
	bool adopted;
	struct str adopted_by, adopted_how; /* "rule", "hand", "" */
	int64_t since_ms, adopted_ms, change;
};
typedef int (*account_link_fn)(void *ctx, const struct account_link *row, struct err *err);
int persons_link_account(struct db *db, int64_t account, int64_t person, const char *rule,
			 const char *evidence, int64_t now_ms, struct err *err) MUST_USE;
int persons_unlink_account(struct db *db, int64_t account, struct err *err) MUST_USE;
int persons_account_link(struct db *db, int64_t account, account_link_fn fn, void *ctx,
			 struct err *err) MUST_USE; /* STORE_NOT_FOUND */
int persons_accounts(struct db *db, int64_t person, account_link_fn fn, void *ctx,
		     struct err *err) MUST_USE;
/* By hand; the account must be linked (STORE_NOT_FOUND). Audited. STORE_UNCHANGED. */
int persons_adopt(struct db *db, int64_t account, const char *who, const char *why,
		  int64_t now_ms, struct err *err) MUST_USE;
int persons_disown(struct db *db, int64_t account, const char *who, const char *why,
		   int64_t now_ms, struct err *err) MUST_USE;

/* Match rules that a person approved: links made by them count as adopted. org "" is all. */
int persons_rule_approve(struct db *db, const char *org, const char *rule, const char *who,
			 int64_t now_ms, struct err *err) MUST_USE;
int persons_rule_revoke(struct db *db, const char *org, const char *rule, const char *who,
			int64_t now_ms, struct err *err) MUST_USE;
typedef int (*rule_approval_fn)(void *ctx, struct str org, struct str rule, struct str who,
				int64_t ms, struct err *err);
int persons_rules_approved(struct db *db, rule_approval_fn fn, void *ctx, struct err *err)
	MUST_USE;

/* Doubts: two things that may be one. Pairs are (record, record) or (record, account); a pair
 * that a person refused is never asked again and counts as told apart, one confirmed stays
 * linked. */
enum doubt_kind { DOUBT_RECORDS, DOUBT_ACCOUNT };
enum doubt_state { DOUBT_OPEN, DOUBT_CONFIRMED, DOUBT_REFUSED, DOUBT_SETTLED };
extern const char *const doubt_state_words[];
struct doubt {
	int64_t id;
	enum doubt_kind kind;
	int64_t left;  /* record */
	int64_t right; /* record or account */
	struct str rule, evidence, who;
	enum doubt_state state;
	int64_t raised_ms, decided_ms;
};
typedef int (*doubt_fn)(void *ctx, const struct doubt *row, struct err *err);
/* STORE_UNCHANGED when the pair is known (in whatever state). */
int persons_doubt_raise(struct db *db, enum doubt_kind kind, int64_t left, int64_t right,
			const char *rule, const char *evidence, int64_t now_ms, int64_t *ret_id,
			struct err *err) MUST_USE;
/* Confirm links (and for an account adopts) at once; both are audited. What was refused may be
 * confirmed later. STORE_NOT_FOUND: no such doubt, or one that is answered. */
int persons_doubt_decide(struct db *db, int64_t doubt, bool same, const char *who,
			 const char *why, int64_t now_ms, struct err *err) MUST_USE;
/* An open doubt that no longer stands (the facts changed). */
int persons_doubt_settle(struct db *db, int64_t doubt, int64_t now_ms, struct err *err)
	MUST_USE;
/* state -1: all. Pages by number. */
int persons_doubts(struct db *db, int state, int64_t after, size_t most, doubt_fn fn, void *ctx,
		   struct err *err) MUST_USE;

/* Pairs that a person told apart, with the names that the facts know them by: a record by
 * source and key, an account by its number. Pages by number; who is no more is left out. */
struct apart_pair {
	int64_t id;
	struct str source, key;
	int64_t account; /* 0: a record */
	struct str other_source, other_key;
};
typedef int (*apart_fn)(void *ctx, const struct apart_pair *row, struct err *err);
int persons_told_apart(struct db *db, int64_t after, size_t most, apart_fn fn, void *ctx,
		       struct err *err) MUST_USE;

/* Addresses over time, folded: an address that once belonged to another person never matches
 * (law 5). Kept for records and accounts alike, by the functions that store those; here for
 * links made later. */
struct address_row {
	struct str folded;
	int64_t person, first_ms, last_ms;
};
typedef int (*address_fn)(void *ctx, const struct address_row *row, struct err *err);
int persons_address_note(struct db *db, int64_t person, struct str folded, int64_t now_ms,
			 struct err *err) MUST_USE;
int persons_addresses(struct db *db, int64_t person, address_fn fn, void *ctx, struct err *err)
	MUST_USE;
int persons_address_owners(struct db *db, struct str folded, address_fn fn, void *ctx,
			   struct err *err) MUST_USE;

/* All of them, in pages by (folded, person). */
int persons_addresses_page(struct db *db, struct str after, int64_t after_person, size_t most,
			   address_fn fn, void *ctx, struct err *err) MUST_USE;

/* Bars: one rule ("" for all) may not act on one person, or on one account, or only on its seat
 * of a product on a site, until a time (0: until lifted). */
struct bar {
	int64_t id, person, account; /* one of the two, the other 0 */
	struct str rule, who, reason;
	struct str product, site; /* both empty: not about one seat */
	int64_t set_ms, until_ms, lifted_ms;
};
typedef int (*bar_fn)(void *ctx, const struct bar *row, struct err *err);
int persons_bar(struct db *db, const struct bar *in, int64_t now_ms, int64_t *ret_id,
		struct err *err) MUST_USE;
int persons_bar_lift(struct db *db, int64_t bar, const char *who, int64_t now_ms,
		     struct err *err) MUST_USE;
/* person 0: all. Live ones only unless all. */
int persons_bars(struct db *db, int64_t person, bool all, int64_t now_ms, bar_fn fn, void *ctx,
		 struct err *err) MUST_USE;

/* Protections (law 6), on a person or an account. */
extern const char *const protection_words[]; /* "exemption", "service-account", ... */
struct protection {
	int64_t id;
	struct str kind; /* protection_words[]: as enum protection_kind of model/snapshot.h */
	int64_t person, account; /* one of the two, the other 0 */
	struct str rule;         /* only against this rule; "" every rule */
	struct str owner, reason, who;
	int64_t set_ms, lifted_ms;
	int64_t from_ms, until_ms; /* 0: no bound on that side */
};
typedef int (*protection_fn)(void *ctx, const struct protection *row, struct err *err);
/* Texts of in must not be empty: kind, owner, reason, who. Audited. */
int persons_protect(struct db *db, const struct protection *in, int64_t now_ms, int64_t *ret_id,
		    struct err *err) MUST_USE;
int persons_protect_lift(struct db *db, int64_t protection, const char *who, const char *why,
			 int64_t now_ms, struct err *err) MUST_USE;
int persons_protections(struct db *db, bool all, int64_t now_ms, protection_fn fn, void *ctx,
			struct err *err) MUST_USE;

/* Announced leavers (`leaverd expect`): not counted by limits until a time. Audited. */
int persons_expect(struct db *db, int64_t person, const char *who, const char *why,
		   int64_t until_ms, int64_t now_ms, struct err *err) MUST_USE;
typedef int (*expected_fn)(void *ctx, int64_t person, struct str who, int64_t until_ms,
			   struct err *err);
int persons_expected(struct db *db, int64_t now_ms, expected_fn fn, void *ctx, struct err *err)
	MUST_USE;

/* Ladders: the steps of a rule that were done to a subject, warnings sent among them. */
struct progress {
	int64_t account;
	struct str product, site; /* "" unless a seat */
	struct str rule, kind;    /* kind: action_kinds[].word */
	int64_t person;           /* or 0 */
	int64_t done_ms;
	/* read: how often we did it in the half year up to then, as the plans tell; 0: it was
	 * so already */
	int64_t times;
};
typedef int (*progress_fn)(void *ctx, const struct progress *row, struct err *err);
int persons_progress_set(struct db *db, const struct progress *in, struct err *err) MUST_USE;
/* The ladder of that subject and rule starts anew: its cause went away. STORE_UNCHANGED. */
int persons_progress_clear(struct db *db, const struct progress *in, struct err *err) MUST_USE;
/* Of one organisation's accounts; a page is all rows of at most `most` accounts. */
int persons_progress(struct db *db, int64_t org, int64_t after_account, size_t most,
		     progress_fn fn, void *ctx, struct err *err) MUST_USE;
/* The same of one account: to judge one person again needs no more. */
int persons_progress_of(struct db *db, int64_t account, progress_fn fn, void *ctx,
			struct err *err) MUST_USE;

/* A group that a rule of class leaver or absence took from an account, as the journal says. */
struct former_row {
	int64_t account;
	struct str group; /* id; empty: the account is looked at, and nothing was taken */
	int64_t taken_ms;
};
typedef int (*former_fn)(void *ctx, const struct former_row *row, struct err *err);
/* As persons_progress() and persons_progress_of(); one call at least for each account of whom
 * anything of the kind is in its progress. */
int persons_former(struct db *db, int64_t org, int64_t after_account, size_t most, former_fn fn,
		   void *ctx, struct err *err) MUST_USE;
int persons_former_of(struct db *db, int64_t account, former_fn fn, void *ctx, struct err *err)
	MUST_USE;

/*
 * Forgets a person (law 8): documents, addresses, evidence, plan values and audit bodies that
 * name them are emptied, salts too; numbers and digests stay; one audit entry names what was
 * emptied. Refused (HELD) under a legal hold. After the commit call store_scrub(). *erased (may
 * be NULL) counts rows.
 */
int persons_forget(struct db *db, int64_t person, const char *who, const char *why,
		   int64_t now_ms, int64_t *erased, struct err *err) MUST_USE;
/* The same for somebody whose time is over (store/retention.h, which judges that): audit bodies
 * stay as long as the chain's own retention lets them. */
int persons_expire(struct db *db, int64_t person, int64_t now_ms, struct err *err) MUST_USE;

#endif
