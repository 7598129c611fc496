/*
 * What others changed in an organisation, and what was done under our key that our journal does
 * not know; which keys are ours; and where the reading of the audit events stands.
 *
 * A row says which account or group changed, by whom, when and by which kind of act; nothing
 * else of an event is kept, and nothing of what we did ourselves: that is in the journal.
 * persons_forget() takes rows about a person away and empties the actor where it was they.
 *
 * A key is told by its token's id, or, where Atlassian tells none, by who it belongs to. It is
 * ours where the configuration says so; else where an event under it was our own change, and no
 * event under another key claims to be the same change (a claim). Claims are kept: one that a
 * second key disputes proves nothing any more.
 */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "store/db.h"

enum event_by {
	EVENT_BY_OTHERS,
	EVENT_FOREIGN,   /* under our key, and not in our journal */
	EVENT_EXPLAINED, /* the same, and a person said who did it */
	EVENT_UNPROVED,  /* as our journal says, under a key that nothing proves to be ours */
};

/* Why an event is not ours. */
enum event_doubt {
	EVENT_PLAIN,      /* nothing says that it could be */
	EVENT_NO_INTENT,  /* the journal has nothing about that account or group at that time */
	EVENT_OTHER_KIND, /* it has something, but of no such kind */
	EVENT_NO_SUBJECT, /* it names no account and no group that we know */
	EVENT_OTHER_KEY,  /* the journal has it, but its key is not known to be ours */
};
extern const char *const event_doubt_texts[]; /* sentences; "" for EVENT_PLAIN */

/* What a change gives, by the words of its name. */
enum event_gives {
	EVENT_GIVES_NOTHING,
	EVENT_GIVES_SEAT,   /* a group or a role */
	EVENT_GIVES_ACCESS, /* it is restored, or enabled */
};

struct event_row {
	struct str event; /* Atlassian's id */
	int64_t account;  /* ours; 0: of none that we know */
	int64_t at_ms;
	struct str action; /* "user_added_to_group" */
	struct str actor;  /* account id; "" not told or forgotten */
	struct str email;  /* out: the actor's address, where the account is known */
	struct str group;  /* group id; "" none */
	struct str name;   /* out: the group's name */
	struct str token;  /* of the organisation's API key that was used; "" none */
	enum event_by by;
	enum event_doubt doubt;
	enum event_gives gives; /* in */
};

/* How the reading stands. */
struct event_reading {
	int64_t since_ms;  /* what was done under our key before then is nobody's business */
	char *cursor;      /* NULL: none */
	int64_t newest_ms; /* newest time of processing that was seen; 0: none */
	int64_t read_ms;   /* last time that the end was reached; 0: never */
	char *why;         /* why the end was not reached the last time; NULL */
	int64_t gap_from_ms, gap_to_ms; /* the newest span in which events may be missing; 0 */
};
void event_reading_done(struct event_reading *r);
/* STORE_NOT_FOUND: never read. *ret is zeroed by the caller. */
int events_reading(struct db *db, int64_t org, struct event_reading *ret, struct err *err)
	MUST_USE;
/* With what a page told, in one transaction: cursor and newest_ms go with its events. */
int events_reading_set(struct db *db, int64_t org, const struct event_reading *in,
		       struct err *err) MUST_USE;
/* How a reading ended: read_ms, why and the gap alone (since_ms too where it was the first).
 * Cursor and newest_ms stay as the last page that was stored left them. */
int events_reading_end(struct db *db, int64_t org, const struct event_reading *in,
		       struct err *err) MUST_USE;

/* What an event says of whom it is about. */
struct event_subject {
	int64_t account;  /* ours; 0: of none that we know */
	struct str group; /* id; "" none */
	bool others;      /* names something else, too, that we do not know */
	int64_t at_ms;
};
/* A change of ours that may be what Atlassian tells of. */
struct event_intent {
	int64_t seq;   /* of its journal line */
	struct str op; /* "remove-group" */
	bool done;     /* Atlassian was seen to have done it */
};
typedef int (*event_intent_fn)(void *ctx, const struct event_intent *row, struct err *err);
/*
 * The intents of our journal that are about that account and, where the event names one, that
 * group, and were under way at that time (clocks may differ by five minutes); those that
 * Atlassian refused are none. Of no account: those about that group as such, which fits a group
 * that we made by its name; and, where the event names nothing else, about whomever in it. An
 * event of no account and no group has none. fn may stop by returning > 0.
 */
int events_intents(struct db *db, const char *org, int64_t org_id,
		   const struct event_subject *of, event_intent_fn fn, void *ctx,
		   struct err *err) MUST_USE;

/* An event under that key is the change of that journal line. directory: it was told to the
 * provisioning directory, whose key is another one. */
int events_claim(struct db *db, int64_t org, struct str token, int64_t seq, bool directory,
		 int64_t at_ms, struct err *err) MUST_USE;
/* Which keys claims prove to be ours, made anew: undisputed ones are added, those of which all
 * claims are disputed go. */
int events_keys_judge(struct db *db, int64_t org, int64_t now_ms, struct err *err) MUST_USE;
struct event_key {
	struct str token;
	bool proved;
	bool directory;
	int64_t claims, disputed; /* of them */
};
typedef int (*event_key_fn)(void *ctx, const struct event_key *row, struct err *err);
/* All keys with a claim or a proof, in order of their ids. */
int events_keys(struct db *db, int64_t org, event_key_fn fn, void *ctx, struct err *err)
	MUST_USE;

/* STORE_UNCHANGED: this event of this account was kept before. */
int events_put(struct db *db, int64_t org, const struct event_row *row, struct err *err)
	MUST_USE;
/* This key is ours: what was done under it since and is kept is foreign, but for what the
 * journal has: that goes. *ret is how many became foreign. */
int events_token_is(struct db *db, int64_t org, struct str token, int64_t since_ms,
		    int64_t *ret, struct err *err) MUST_USE;
/* Drops what is older (claims too), and the oldest beyond `most` rows. */
int events_prune(struct db *db, int64_t org, int64_t before_ms, size_t most, struct err *err)
	MUST_USE;

/* How many foreign writes nobody explained. */
int events_foreign(struct db *db, int64_t org, int64_t *ret, struct err *err) MUST_USE;
/* A person said who did them. Audited. *ret is how many. */
int events_explain(struct db *db, int64_t org, const char *name, const char *who,
		   const char *why, int64_t now_ms, int64_t *ret, struct err *err) MUST_USE;

/* What we took and somebody else gave back, as events tell: one row for each deed of ours since
 * then, with the last who gave it back before we took it again. */
struct event_return {
	int64_t account;
	struct str kind, product, site; /* of the deed; "" unless a seat */
	int64_t taken_ms, at_ms;
	int64_t by; /* account that gave it; 0: of none that we know */
};
typedef int (*event_return_fn)(void *ctx, const struct event_return *row, struct err *err);
/* account 0: all of the organisation. */
int events_returns(struct db *db, int64_t org, int64_t account, int64_t since_ms,
		   event_return_fn fn, void *ctx, struct err *err) MUST_USE;

/* Newest first. fn may stop by returning > 0. */
typedef int (*event_fn)(void *ctx, const struct event_row *row, struct err *err);
int events_list(struct db *db, int64_t org, bool foreign_only, size_t most, event_fn fn,
		void *ctx, struct err *err) MUST_USE;
/* Of all accounts of a person, or (person 0) of one account. */
int events_of(struct db *db, int64_t person, int64_t account, size_t most, event_fn fn,
	      void *ctx, struct err *err) MUST_USE;

#endif
