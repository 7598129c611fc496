/*
 * The waist between a strategy and its use (ldap/delta.c): whom to look at again, and from
 * where the next delta starts. Nothing else is taken from a strategy's answer.
 */
#ifndef LDAP_DELTA_H
#define LDAP_DELTA_H

#include "ldap/session.h"
#include "ldap/strategy.h"

VEC(dir_keys, char *);
void dir_keys_free(struct dir_keys *k);
int dir_keys_keep(struct dir_keys *k, const char *key, struct err *err) MUST_USE;

#define DIR_NAMED_MAX 20000     /* more: a full read is as quick */
#define DIR_PRESENT_MAX 2000000 /* ids of a present phase, 16 bytes each; more: a full read */

struct dir_changes {
	struct dir_session *session;
	/* in */
	struct str at; /* where the last one ended, as the strategy wrote it; p NULL: begin */
	/* out */
	struct dir_keys named; /* ids in text, perhaps twice, perhaps of strangers */
	struct buf present;    /* of a present phase: all who are there, 16 bytes each */
	bool whole;            /* present holds everybody */
	struct buf next;       /* any bytes */
	uint64_t entries;
};

/* The server does not know our cookie any more, or never did; or it names more than is kept:
 * read in full. */
enum { DIR_REFUSED = 1 };

/* One more of whom to look at again; DIR_REFUSED beyond DIR_NAMED_MAX. */
int dir_changes_name(struct dir_changes *c, const char *key, struct err *err) MUST_USE;

/*
 * Asks. With at.p NULL nobody needs to be named: only next counts. DIR_REFUSED with the reason
 * in err. Faults as dir_search().
 */
typedef int (*dir_changes_fn)(struct dir_changes *c, struct err *err);
int dir_changes_stamp(struct dir_changes *c, struct err *err) MUST_USE;
int dir_changes_syncrepl(struct dir_changes *c, struct err *err) MUST_USE;
int dir_changes_dirsync(struct dir_changes *c, struct err *err) MUST_USE;
/* Whether DirSync would answer without object security: 0, or -ERR_FORBIDDEN. Any other fault
 * is the directory's. */
int dir_changes_may_replicate(struct dir_session *s, struct err *err) MUST_USE;
int dir_changes_usn(struct dir_changes *c, struct err *err) MUST_USE;
int dir_changes_entryusn(struct dir_changes *c, struct err *err) MUST_USE;

#endif
