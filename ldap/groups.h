/*
 * Groups and who is in them: member, uniqueMember and memberUid of the group, the primary group
 * of the person (AD's primaryGroupID, POSIX's gidNumber). memberOf is only a hint, by which a
 * hidden list shows: it lacks primary and (AD) nested groups, and may be stale.
 *
 * Membership is given as it stands, direct: whoever asks for the groups of a person goes up the
 * rows (groups in groups, cycles included: store/usergroups.h).
 *
 * Unknown is a value: a list that broke off, that access rules hide, or that named somebody who
 * was just being moved is not known, and nothing may be concluded from whom it lacks.
 */
#ifndef LDAP_GROUPS_H
#define LDAP_GROUPS_H

#include <stdatomic.h>

#include "base/secret.h"
#include "ldap/options.h"

/* Where the settings name none; AD's: (objectClass=group). */
#define DIR_GROUPS_FILTER                                                                      \
	"(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)"                         \
	"(objectClass=posixGroup)(objectClass=group))"

struct dir_group {
	const char *key;            /* immutable id in text */
	const char *name;           /* cn; the key where it has no readable one */
	const char *const *members; /* keys of people, then of groups; each once */
	size_t people_n, groups_n;
	uint64_t strangers; /* members that are neither: other trees, machines, nobody */
	bool known;         /* all of its members were seen */
	const char *why;    /* when not: a sentence without personal data */
};

/* Called only when the whole read of people's ids and of groups reached its end: first name()
 * for every group, then group() for every group. Borrowed for the call; a fault ends the read.
 */
struct dir_group_sink {
	void *ctx;
	int (*name)(void *ctx, const char *key, const char *name, struct err *err);
	int (*group)(void *ctx, const struct dir_group *group, struct err *err);
};

struct dir_groups_verdict {
	bool complete;
	int code;                 /* 0 when complete, else ERR_x */
	char why[ERR_TEXT_BYTES]; /* a sentence when not complete */
	uint64_t groups, people, memberships, strangers;
	uint64_t unknown; /* groups whose members are not known */
	uint64_t odd;     /* of the strangers: names that the server itself calls none */
	int64_t duration_ms;
};

/* The range of "member;range=0-1499": false if options hold none. *last is UINT64_MAX for "*".
 */
bool dir_range_read(struct str options, uint64_t *first, uint64_t *last);

/*
 * Reads all groups below settings.groups_base (which must be set). 0 whenever there is a
 * verdict; below zero only for us: the sink's fault, CANCELLED, NOMEM, CONFIG.
 */
int dir_groups_read(const struct dir_options *o, const struct secret *password,
		    const struct dir_group_sink *sink, const atomic_bool *cancel,
		    struct dir_groups_verdict *ret, struct err *err) MUST_USE;

#endif
