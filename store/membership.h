/*
 * Groups of pulled sources, as a read of a directory found them: set whole, group by group, and
 * only what differs is written. And who is in what, upwards: a group in a group counts, cycles
 * end.
 *
 * "db" is the writer's connection in functions that write, any in those that read.
 */
#ifndef STORE_MEMBERSHIP_H
#define STORE_MEMBERSHIP_H

#include "store/records.h"

struct membership_group {
	struct str key, name;
	const char *const *members; /* keys: of people, then of groups of the same source */
	size_t people_n, groups_n;
};

/* Makes the group, revives or renames it; its members stay. STORE_UNCHANGED. */
int membership_name(struct db *db, int64_t source, struct str key, struct str name,
		    int64_t now_ms, struct err *err) MUST_USE;

struct membership_counts {
	int64_t added, removed;
	int64_t nobody; /* members that this source does not hold */
};

/*
 * Sets the members. STORE_UNCHANGED when they are these already; STORE_NOT_FOUND when there is
 * no such group. look: writes nothing, only says; any connection will do. The group's version
 * goes up once. *counts is added to.
 */
int membership_set(struct db *db, int64_t source, const struct membership_group *group,
		   bool look, int64_t now_ms, struct membership_counts *counts, struct err *err)
	MUST_USE;

/*
 * Deletes the source's groups that are not among the n sorted keys (strcmp), unless they are
 * more than most: then STORE_STALE, and *gone says how many. *gone is set in any case.
 */
int membership_keep(struct db *db, int64_t source, const char *const *keys, size_t n,
		    int64_t most, int64_t now_ms, int64_t *gone, struct err *err) MUST_USE;

/* How many live groups the source has. */
int membership_count(struct db *db, int64_t source, int64_t *ret, struct err *err) MUST_USE;

/*
 * Whether the groups of the source's people are known. why NULL: they are from now on (or
 * nobody ever asks); else a sentence why they are not. STORE_UNCHANGED.
 */
int membership_doubt_set(struct db *db, const char *source, const char *why, int64_t now_ms,
			 struct err *err) MUST_USE;
/* STORE_NOT_FOUND: known. *ret (may be NULL) is new. */
int membership_doubt(struct db *db, const char *source, char **ret, struct err *err) MUST_USE;

/* Every live group above a record, directly or by other groups, each once, in order of their
 * numbers. */
typedef int (*membership_up_fn)(void *ctx, struct str key, struct str name, bool direct,
				struct err *err);
int membership_above(struct db *db, int64_t record, membership_up_fn fn, void *ctx,
		     struct err *err) MUST_USE;

#endif
