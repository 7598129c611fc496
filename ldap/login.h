/*
 * Login signals: by which attributes servers of each kind tell when somebody last logged in,
 * and how late each may be. Evidence for rules about inactivity, and never that somebody left.
 *
 * What is told is the latest day on which the last login can have been: an attribute that lags
 * by 14 days and says the 1st means the 15th. So a condition such as "before now-90d" is true
 * only when it is true whatever the lag. Nothing recorded is absent: no rule may take it for
 * "never".
 */
#ifndef LDAP_LOGIN_H
#define LDAP_LOGIN_H

#include "base/stamp.h"
#include "ldap/mapping.h"

#define DIR_LOGIN_PATH "employment.lastLogin"

struct dir_login {
	unsigned kinds; /* bits of enum dir_kind */
	const char *attr;
	bool (*decode)(struct str raw, int64_t *ret_ms);
	int lag_days;
};
/* Ends with a NULL attr. */
extern const struct dir_login dir_logins[];

bool dir_login_of(const struct dir_login *l, enum dir_kind kind);

/* The day as YYYY-MM-DD; VALUE_UNKNOWN when a value cannot be read or unreadable(ctx, attr)
 * says that an attribute is hidden and none is shown. */
enum value_state dir_login_read(enum dir_kind kind, const struct dir_entry *e,
				bool (*unreadable)(void *ctx, const char *attr), void *ctx,
				char ret[STAMP_TEXT_BYTES]);

#endif
