/*
 * What others changed in an organisation, and what was done under our key that our journal does
 * not know; and where the reading of the audit events stands.
 *
 * A row says which account or group changed, by whom, when and by which kind of act; nothing
 * else of an event is kept, and nothing of what we did ourselves: that is in the journal.
 * persons_forget() takes rows about a person away and empties the actor where it was they.
 */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "store/db.h"

enum event_by {
	EVENT_BY_OTHERS,
	EVENT_FOREIGN,   /* under our key, and not in our journal */
	EVENT_EXPLAINED, /* the same, and a person said who did it */
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
	struct str token;  /* id of the organisation's API key that was used; "" none */
	enum event_by by;
};

/* How the reading stands. */
struct event_reading {
	int64_t since_ms;  /* what was done under our key before then is nobody's business */
	char *cursor;      /* NULL: none */
	int64_t newest_ms; /* newest time of processing that was seen; 0: none */
	int64_t read_ms;   /* last time that the end was reached; 0: never */
	char *why;         /* why the end was not reached the last time; NULL */
	int64_t gap_from_ms, gap_to_ms; /* the newest span in which events may be missing; 0 */
	char *token; /* our key's id, as our own changes showed; NULL: not known yet */
};
void event_reading_done(struct event_reading *r);
/* STORE_NOT_FOUND: never read. *ret is zeroed by the caller. */
int events_reading(struct db *db, int64_t org, struct event_reading *ret, struct err *err)
	MUST_USE;
/* With what a page told, in one transaction: cursor, newest_ms and token go with its events. */
int events_reading_set(struct db *db, int64_t org, const struct event_reading *in,
		       struct err *err) MUST_USE;
/* How a reading ended: read_ms, why and the gap alone (since_ms too where it was the first).
 * Cursor, newest_ms and token stay as the last page that was stored left them. */
int events_reading_end(struct db *db, int64_t org, const struct event_reading *in,
		       struct err *err) MUST_USE;

/* Whether our journal has a change of that account (0: of none that we know) and group (""
 * none) which may be what Atlassian tells of at that time; a group that we made has an id that
 * the journal did not know. *other_key: all such were told to the provisioning directory, which
 * has a key of its own: it says nothing of the organisation's. org: the organisation's name. */
int events_is_ours(struct db *db, const char *org, int64_t account, struct str group,
		   int64_t at_ms, bool *ret, bool *other_key, struct err *err) MUST_USE;
/* STORE_UNCHANGED: this event of this account was kept before. */
int events_put(struct db *db, int64_t org, const struct event_row *row, struct err *err)
	MUST_USE;
/* Our key is this one: what was done under it since and is kept is foreign. *ret is how many.
 */
int events_token_is(struct db *db, int64_t org, struct str token, int64_t since_ms,
		    int64_t *ret, struct err *err) MUST_USE;
/* Drops what is older, and the oldest beyond `most` rows. */
int events_prune(struct db *db, int64_t org, int64_t before_ms, size_t most, struct err *err)
	MUST_USE;

/* How many foreign writes nobody explained. */
int events_foreign(struct db *db, int64_t org, int64_t *ret, struct err *err) MUST_USE;
/* A person said who did them. Audited. *ret is how many. */
int events_explain(struct db *db, int64_t org, const char *name, const char *who,
		   const char *why, int64_t now_ms, int64_t *ret, struct err *err) MUST_USE;

/* Newest first. fn may stop by returning > 0. */
typedef int (*event_fn)(void *ctx, const struct event_row *row, struct err *err);
int events_list(struct db *db, int64_t org, bool foreign_only, size_t most, event_fn fn,
		void *ctx, struct err *err) MUST_USE;
/* Of all accounts of a person, or (person 0) of one account. */
int events_of(struct db *db, int64_t person, int64_t account, size_t most, event_fn fn,
	      void *ctx, struct err *err) MUST_USE;

#endif
