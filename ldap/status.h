/*
 * Account states: what the many attributes by which servers say "disabled" mean, as one table
 * of server kind, attribute and decoder.
 *
 * Any explicit sign of being disabled beats every sign of being active. An expiry counts from
 * DIR_EXPIRY_GRACE_MS after the instant stored, since the person's time zone is not known.
 * Locked by failed logins is not a leaver. A value that cannot be read makes the state unknown
 * unless another attribute says disabled. An attribute that was not readable (law 1) likewise.
 */
#ifndef LDAP_STATUS_H
#define LDAP_STATUS_H

#include "ldap/options.h"
#include "ldap/rootdse.h"

#define DIR_EXPIRY_GRACE_MS 86400000LL

enum dir_state {
	DIR_STATE_ACTIVE,
	DIR_STATE_LOCKED, /* by failed logins: for us still active */
	DIR_STATE_UNKNOWN,
	DIR_STATE_EXPIRED,  /* its date has passed, grace included */
	DIR_STATE_DISABLED, /* by an administrator */
	DIR_STATE_COUNT
};
extern const char *const dir_state_words[DIR_STATE_COUNT];

struct dir_status {
	enum dir_state state;
	const char *attr; /* that decided; static or the settings'; NULL: none said anything */
	char raw[80];     /* its value as it stood, cut, for evidence; empty if none */
	int64_t expires_ms; /* the earliest expiry stored, also a future one; STAMP_NEVER: none
			     */
};

struct dir_status_table; /* the rows that count for one directory */

/* Rows for a server kind and the operator's `status:` rules. *ret is the caller's to free. */
int dir_status_table_new(enum dir_kind kind, const struct dir_options *o,
			 struct dir_status_table **ret, struct err *err) MUST_USE;
void dir_status_table_free(struct dir_status_table *t);
OWNED(struct dir_status_table, dir_status_table_free)

/* The attributes it reads, NULL-terminated, the table's. */
const char *const *dir_status_names(const struct dir_status_table *t);

/* unreadable(ctx, name) says that an attribute is known to be hidden; may be NULL. */
void dir_status_read(const struct dir_status_table *t, const struct dir_entry *e,
		     bool (*unreadable)(void *ctx, const char *name), void *ctx, int64_t now_ms,
		     struct dir_status *ret);

#endif
