/*
 * Records: what each source says about people (SCIM User documents) and groups with their
 * members. One table for pushed and pulled sources; the reads of pulled ones are
 * store/sources.h.
 *
 * A document is stored as the bytes to be sent, without `groups` and `meta.location`. Columns
 * beside it (userName folded, externalId, e-mails folded, active) are taken from the document
 * by this file, so they cannot disagree with it. A version counts from 1 and is the ETag's
 * number. Deleting leaves a tombstone: the row with deleted set and its link to the person.
 */
#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include <jansson.h>

#include "model/account.h"
#include "store/db.h"

struct record {
	int64_t id; /* the store's number, never used again */
	int64_t source;
	struct str key; /* SCIM id of a push source, immutable key of a pulled one */
	struct str external_id, user_name, display; /* empty when absent */
	struct str doc;
	struct str unknown; /* names of attributes not known, separated by blanks */
	enum tri active;    /* absent is TRI_YES, in `unknown` is TRI_UNKNOWN */
	bool gone, deleted;
	int64_t version;
	int64_t created_ms, modified_ms;
	int64_t first_seen_ms;
	int64_t last_seen_read;    /* pulled: newest accepted read that showed it */
	int64_t absent_reads;      /* consecutive accepted reads that lacked it */
	int64_t absent_since_ms;   /* 0: not absent */
	int64_t disabled_since_ms; /* 0: active */
	int64_t ended_ms;          /* push: active:false or DELETE; 0 */
	int64_t person;            /* ledger number; 0: not linked */
	int64_t change;
	void *own; /* heap behind the texts; NULL when they are borrowed */
};
void record_done(struct record *r);

struct record_put {
	struct str key;     /* create: the new id; else ignored */
	struct str doc;     /* bytes to store; p NULL: canonical text of json is made */
	const json_t *json; /* the same document, read for the columns; NULL: doc is parsed */
	struct str unknown;
	int64_t now_ms;
};

/* --- push sources: all on the writer --- */

/* Faults: UNIQUENESS naming the attribute (userName is unique per source, folded; id too).
 * *ret_id may be NULL. One with the externalId of a tombstone of this source is linked to the
 * tombstone's person, unless there are several. */
int records_create(struct db *db, int64_t source, const struct record_put *put, int64_t *ret_id,
		   struct err *err) MUST_USE;
/* expect_version 0: whatever stands. STORE_NOT_FOUND, STORE_STALE, STORE_UNCHANGED (same
 * content: nothing written, version kept). On 0 the version is one more. */
int records_replace(struct db *db, int64_t source, struct str key, int64_t expect_version,
		    const struct record_put *put, struct err *err) MUST_USE;
/* STORE_NOT_FOUND, STORE_STALE. Memberships go with it: the version and
 * time of each group that lost one go up. */
int records_delete(struct db *db, int64_t source, struct str key, int64_t expect_version,
		   int64_t now_ms, struct err *err) MUST_USE;

/* --- reading --- */

/* Live records only. *ret owns its texts. STORE_NOT_FOUND. */
int records_get(struct db *db, int64_t source, struct str key, struct record *ret,
		struct err *err) MUST_USE;
/* What is sent of a live record, and no more; borrowed during the call of fn. */
struct record_sent {
	int64_t id;
	struct str key, doc;
	int64_t version, created_ms, modified_ms;
	bool in_groups; /* at least one */
};
typedef int (*record_sent_fn)(void *ctx, const struct record_sent *row, struct err *err);
/* STORE_NOT_FOUND, or what fn returns. */
int records_send(struct db *db, int64_t source, struct str key, record_sent_fn fn, void *ctx,
		 struct err *err) MUST_USE;
/* The same for the only live record of a source whose user name folds to that text.
 * STORE_NOT_FOUND; STORE_STALE where there are several: fn was not called. */
int records_send_named(struct db *db, int64_t source, struct str folded, record_sent_fn fn,
		       void *ctx, struct err *err) MUST_USE;
/* By the store's number, tombstones too. */
int records_by_id(struct db *db, int64_t id, struct record *ret, struct err *err) MUST_USE;

typedef int (*record_fn)(void *ctx, const struct record *row, struct err *err);

/* Pages of what a filter asks for: store/find.h. All records of a source in order of their
 * numbers, tombstones and gone ones too: what a round asks of each, names, version, change and
 * times of writing are empty. fn may stop by returning > 0, which is passed on. */
int records_page(struct db *db, int64_t source, int64_t after, size_t most, record_fn fn,
		 void *ctx, struct err *err) MUST_USE;

/* All records of a source changed after a change number, tombstones too; pages by change. */
int records_changed(struct db *db, int64_t source, int64_t after_change, size_t most,
		    record_fn fn, void *ctx, struct err *err) MUST_USE;
/* The highest change number of a source; 0: it has no records. */
int records_newest(struct db *db, int64_t source, int64_t *ret, struct err *err) MUST_USE;
/* Records of all sources with that folded e-mail or user name; or of one person. */
int records_by_address(struct db *db, struct str folded, record_fn fn, void *ctx,
		       struct err *err) MUST_USE;
int records_of_person(struct db *db, int64_t person, record_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* Live records of a source that facts_name() (model/snapshot.h) of its name means. */
int records_by_name(struct db *db, int64_t source, uint64_t name, record_fn fn, void *ctx,
		    struct err *err) MUST_USE;
/* *ret is 0 of one that has none. */
int records_name(struct db *db, int64_t id, uint64_t *ret, struct err *err) MUST_USE;
/* Live records of a source with that externalId (exact). */
int records_by_external_id(struct db *db, int64_t source, struct str external_id, record_fn fn,
			   void *ctx, struct err *err) MUST_USE;

/* --- groups --- */

struct usergroup_row {
	int64_t id, source;
	struct str key, external_id, display, doc; /* doc without members and meta.location */
	int64_t version, created_ms, modified_ms;
	void *own;
};
void usergroup_row_done(struct usergroup_row *g);

struct usergroup_put {
	struct str key;
	struct str doc;     /* bytes to store, without members */
	const json_t *json; /* the same, read for displayName and externalId */
	bool unique; /* no other group of the source may have this displayName (folded) */
	int64_t now_ms;
};

/* UNIQUENESS for the id, and for displayName where put->unique. */
int usergroups_create(struct db *db, int64_t source, const struct usergroup_put *put,
		      int64_t *ret_id, struct err *err) MUST_USE;
/* As records_replace(); members are left alone. put->doc.p and json NULL: only the version and
 * the time change (its members did). */
int usergroups_replace(struct db *db, int64_t source, struct str key, int64_t expect_version,
		       const struct usergroup_put *put, struct err *err) MUST_USE;
int usergroups_delete(struct db *db, int64_t source, struct str key, int64_t expect_version,
		      int64_t now_ms, struct err *err) MUST_USE;
int usergroups_get(struct db *db, int64_t source, struct str key, struct usergroup_row *ret,
		   struct err *err) MUST_USE;
typedef int (*usergroup_fn)(void *ctx, const struct usergroup_row *row, struct err *err);

/* A member is a user or a group of the same source, named by its key. display: displayName, for
 * a user without one userName; may be empty. */
struct member_row {
	bool is_group;
	int64_t id;
	struct str key, display;
};
typedef int (*member_fn)(void *ctx, const struct member_row *row, struct err *err);
/* STORE_UNCHANGED when it is one already; STORE_NOT_FOUND when no such user or group lives in
 * the group's source. Fault: INVALID_VALUE for the group itself. The group's version is the
 * caller's to raise, once for all of its changes: usergroups_replace(). */
int usergroups_member_add(struct db *db, int64_t group, struct str member_key, struct err *err)
	MUST_USE;
/* STORE_UNCHANGED when it is none. */
int usergroups_member_remove(struct db *db, int64_t group, struct str member_key,
			     struct err *err) MUST_USE;
/* 0, or STORE_NOT_FOUND when it is none. */
int usergroups_has_member(struct db *db, int64_t group, struct str member_key, struct err *err)
	MUST_USE;
/* Where a reading of members stands; zeroed at its start. */
struct member_place {
	int64_t kind, member;
	bool end;
};
/*
 * The next members, most of them, users first, in order of their numbers; place->end when these
 * were the last. Pages may be read in transactions of their own: who is a member all the while
 * is met exactly once, who came or went meanwhile perhaps.
 */
int usergroups_members_page(struct db *db, int64_t group, struct member_place *place,
			    size_t most, member_fn fn, void *ctx, struct err *err) MUST_USE;
/* All of them, in this transaction. */
int usergroups_members(struct db *db, int64_t group, member_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* The living groups that a living user or group is in directly. */
int usergroups_of(struct db *db, int64_t source, struct str member_key, usergroup_fn fn,
		  void *ctx, struct err *err) MUST_USE;

#endif
