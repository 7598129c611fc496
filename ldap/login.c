#include "ldap/login.h"

#include "base/stamp.h"

#define K(kind) (1u << (DIR_##kind))

/* 0 is nobody's login. */
static bool filetime(struct str raw, int64_t *ret_ms)
{
	return stamp_parse_filetime(raw, ret_ms);
}

static bool generalized(struct str raw, int64_t *ret_ms)
{
	return stamp_parse_generalized(raw, ret_ms);
}

const struct dir_login dir_logins[] = {
	/* clang-format off */
	/* replicated, but only when the one before is 9 to 14 days old (MS-ADA1) */
	{ K(AD) | K(SAMBA) | K(ADLDS), "lastLogonTimestamp", filetime,    14 },
	{ K(OPENLDAP),                 "pwdLastSuccess",     generalized, 0 },
	{ K(OPENLDAP),                 "authTimestamp",      generalized, 0 },
	{ K(389) | K(FREEIPA),         "lastLoginTime",      generalized, 0 },
	{ 0 }
	/* clang-format on */
};

bool dir_login_of(const struct dir_login *l, enum dir_kind kind)
{
	return (l->kinds & 1u << kind) != 0;
}

enum value_state dir_login_read(enum dir_kind kind, const struct dir_entry *e,
				bool (*unreadable)(void *ctx, const char *attr), void *ctx,
				char ret[STAMP_TEXT_BYTES])
{
	int64_t newest_ms = 0, at_ms;
	bool hidden = false;
	struct str raw;

	for (const struct dir_login *l = dir_logins; l->attr; l++) {
		if (!dir_login_of(l, kind))
			continue;
		if (!dir_entry_first(e, l->attr, &raw)) {
			hidden |= unreadable && unreadable(ctx, l->attr);
			continue;
		}
		if (!l->decode(raw, &at_ms))
			return VALUE_UNKNOWN;
		if (at_ms == STAMP_NEVER || at_ms <= 0)
			continue;
		at_ms += l->lag_days * STAMP_DAY_MS;
		newest_ms = at_ms > newest_ms ? at_ms : newest_ms;
	}
	if (!newest_ms)
		return hidden ? VALUE_UNKNOWN : VALUE_ABSENT;
	stamp_date_text(newest_ms, ret);
	return VALUE_PRESENT;
}
