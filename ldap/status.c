#include "ldap/status.h"

#include <stdlib.h>

#include "base/stamp.h"

const char *const dir_state_words[DIR_STATE_COUNT] = {
	[DIR_STATE_ACTIVE] = "active",     [DIR_STATE_LOCKED] = "locked",
	[DIR_STATE_UNKNOWN] = "unknown",   [DIR_STATE_EXPIRED] = "expired",
	[DIR_STATE_DISABLED] = "disabled",
};

/* What one value says; an expiry goes to *expires_ms. */
typedef enum dir_state (*decode_fn)(struct str value, int64_t now_ms, int64_t *expires_ms);

static enum dir_state expiry(bool readable, int64_t at_ms, int64_t now_ms, int64_t *expires_ms)
{
	if (!readable)
		return DIR_STATE_UNKNOWN;
	*expires_ms = at_ms;
	if (at_ms >= STAMP_NEVER - DIR_EXPIRY_GRACE_MS)
		return DIR_STATE_ACTIVE;
	return now_ms >= at_ms + DIR_EXPIRY_GRACE_MS ? DIR_STATE_EXPIRED : DIR_STATE_ACTIVE;
}

static enum dir_state user_account_control(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	uint32_t bits;

	(void)now_ms;
	(void)expires_ms;
	if (!dir_bits(v, &bits))
		return DIR_STATE_UNKNOWN;
	return bits & 0x0002 ? DIR_STATE_DISABLED : DIR_STATE_ACTIVE;
}

/* Only its lock bit: the other one says that a password is old. */
static enum dir_state computed_control(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	uint32_t bits;

	(void)now_ms;
	(void)expires_ms;
	if (!dir_bits(v, &bits))
		return DIR_STATE_UNKNOWN;
	return bits & 0x0010 ? DIR_STATE_LOCKED : DIR_STATE_ACTIVE;
}

static enum dir_state filetime(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	int64_t at;
	bool ok = stamp_parse_filetime(v, &at);

	return expiry(ok, ok ? at : 0, now_ms, expires_ms);
}

static enum dir_state end_time(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	int64_t at;
	bool ok = stamp_parse_generalized(v, &at);

	return expiry(ok, ok ? at : 0, now_ms, expires_ms);
}

static enum dir_state shadow_day(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	int64_t at;
	bool ok = dir_shadow_day(v, &at);

	return expiry(ok, ok ? at : 0, now_ms, expires_ms);
}

/* draft-behera-ldap-password-policy: year 0 is an administrator's lock, any other time one by
 * failed logins. */
static enum dir_state locked_time(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	int64_t at;

	(void)now_ms;
	(void)expires_ms;
	if (str_starts(v, STR("00000101")) && str_ends(v, STR("Z")))
		return DIR_STATE_DISABLED;
	return stamp_parse_generalized(v, &at) ? DIR_STATE_LOCKED : DIR_STATE_UNKNOWN;
}

static enum dir_state true_disables(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	bool flag;

	(void)now_ms;
	(void)expires_ms;
	if (!dir_flag(v, &flag))
		return DIR_STATE_UNKNOWN;
	return flag ? DIR_STATE_DISABLED : DIR_STATE_ACTIVE;
}

static enum dir_state true_locks(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	bool flag;

	(void)now_ms;
	(void)expires_ms;
	if (!dir_flag(v, &flag))
		return DIR_STATE_UNKNOWN;
	return flag ? DIR_STATE_LOCKED : DIR_STATE_ACTIVE;
}

/* Servers take nonsense for inactive; for us it is unknown, since it may be a slip. */
static enum dir_state inet_status(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	(void)now_ms;
	(void)expires_ms;
	v = str_trim(v);
	if (str_ieq(v, STR("active")))
		return DIR_STATE_ACTIVE;
	if (str_ieq(v, STR("inactive")) || str_ieq(v, STR("deleted")))
		return DIR_STATE_DISABLED;
	return DIR_STATE_UNKNOWN;
}

/* By the names of the roles that inactivating an account gives it; they stand below the suffix.
 * nsAccountLock follows from them, where the account may read that. */
static enum dir_state disabled_role(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	static const char *const names[] = { "cn=nsManagedDisabledRole,",
					     "cn=nsDisabledRole," };

	(void)now_ms;
	(void)expires_ms;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_istarts(str_trim(v), str_of(names[i])))
			return DIR_STATE_DISABLED;
	return DIR_STATE_ACTIVE;
}

static enum dir_state enabled_word(struct str v, int64_t now_ms, int64_t *expires_ms)
{
	(void)now_ms;
	(void)expires_ms;
	v = str_trim(v);
	if (str_ieq(v, STR("ENABLED")))
		return DIR_STATE_ACTIVE;
	return str_ieq(v, STR("DISABLED")) ? DIR_STATE_DISABLED : DIR_STATE_UNKNOWN;
}

#define K(kind) (1u << (DIR_##kind))
#define ADS (K(AD) | K(SAMBA))
#define SUNS (K(389) | K(FREEIPA) | K(ORACLE) | K(OTHER))
#define BEHERA (K(OPENLDAP) | K(ORACLE) | K(OPENDJ) | K(APACHEDS) | K(OTHER))
#define POSIX (K(OPENLDAP) | K(389) | K(APACHEDS) | K(OTHER))

/* One row, one attribute: for which servers, how read, whether every person has it (if one has
 * not, it was not readable). */
static const struct sign {
	unsigned kinds;
	const char *attr;
	decode_fn decode;
	bool always;
} signs[] = {
	/* clang-format off */
	{ ADS,              "userAccountControl",                 user_account_control, true  },
	{ ADS,              "msDS-User-Account-Control-Computed", computed_control,     false },
	{ ADS | K(ADLDS),   "accountExpires",                     filetime,             false },
	{ K(ADLDS),         "msDS-UserAccountDisabled",           true_disables,        false },
	{ BEHERA,           "pwdAccountLockedTime",               locked_time,          false },
	{ K(OPENLDAP),      "pwdEndTime",                         end_time,             false },
	{ SUNS,             "nsAccountLock",                      true_disables,        false },
	{ SUNS,             "nsRoleDN",                           disabled_role,        false },
	{ K(FREEIPA),       "krbPrincipalExpiration",             end_time,             false },
	{ POSIX,            "shadowExpire",                       shadow_day,           false },
	{ K(ORACLE) | K(OTHER), "inetUserStatus",                 inet_status,          false },
	{ K(ORACLE),        "orclIsEnabled",                      enabled_word,         false },
	{ K(EDIRECTORY) | K(OTHER), "loginDisabled",              true_disables,        false },
	{ K(EDIRECTORY),    "loginExpirationTime",                end_time,             false },
	{ K(EDIRECTORY),    "lockedByIntruder",                   true_locks,           false },
	{ K(IBM),           "ibm-pwdAccountLocked",               true_disables,        false },
	{ K(OPENDJ),        "ds-pwp-account-disabled",            true_disables,        false },
	{ K(OPENDJ),        "ds-pwp-account-expiration-time",     end_time,             false },
	/* clang-format on */
};

/* An operator's rule: "Employee=active, Terminated=disabled, *=unknown". */
struct rule {
	const char *attr, *text;
};

struct dir_status_table {
	const struct sign *signs[COUNT_OF(signs)];
	size_t sign_count;
	struct rule *rules;
	size_t rule_count;
	const char **names;
};

static bool state_word(struct str word, enum dir_state *ret)
{
	for (int s = 0; s < DIR_STATE_COUNT; s++)
		if (str_ieq(word, str_of(dir_state_words[s]))) {
			*ret = (enum dir_state)s;
			return true;
		}
	return false;
}

/* The next "VALUE=STATE" of text; false at the end. *ok tells whether it is one. */
static bool rule_next(struct str *text, struct str *value, enum dir_state *state, bool *ok)
{
	struct str item, word;

	if (str_trim(*text).len == 0)
		return false;
	str_cut(*text, ',', &item, text);
	*ok = str_cut(item, '=', value, &word) && str_trim(*value).len > 0 &&
	      state_word(str_trim(word), state);
	*value = str_trim(*value);
	return true;
}

static int rule_check(const struct conf_pair *pair, struct err *err)
{
	struct str text = str_of(pair->value), value;
	enum dir_state state;
	bool ok;
	int n = 0;

	if (!dir_attr_name_ok(str_of(pair->key)))
		return err_set(err, ERR_CONFIG, "status: \"%s\" is not an attribute's name",
			       pair->key);
	for (; rule_next(&text, &value, &state, &ok); n++)
		if (!ok)
			return err_set(err, ERR_CONFIG,
				       "status: %s: pairs such as Employee=active, "
				       "Terminated=disabled are expected, with a state out of "
				       "active, disabled, expired, locked, unknown",
				       pair->key);
	if (n == 0)
		return err_set(err, ERR_CONFIG, "status: %s has no values", pair->key);
	return 0;
}

int dir_status_table_new(enum dir_kind kind, const struct dir_options *o,
			 struct dir_status_table **ret, struct err *err)
{
	CLEANUP(dir_status_table_free_at) struct dir_status_table *t = calloc(1, sizeof(*t));
	size_t names = 0;

	if (!t)
		return err_nomem(err);
	t->names = calloc(COUNT_OF(signs) + o->status.n + 1, sizeof(*t->names));
	t->rules = calloc(o->status.n + 1, sizeof(*t->rules));
	if (!t->names || !t->rules)
		return err_nomem(err);
	for (size_t i = 0; i < COUNT_OF(signs); i++) {
		if (!(signs[i].kinds & 1u << kind))
			continue;
		t->signs[t->sign_count++] = &signs[i];
		t->names[names++] = signs[i].attr;
	}
	for (size_t i = 0; i < o->status.n; i++) {
		const struct conf_pair *pair = &o->status.v[i];
		int r = rule_check(pair, err);

		if (r < 0)
			return r;
		t->rules[t->rule_count++] = (struct rule){ pair->key, pair->value };
		t->names[names++] = pair->key;
	}
	*ret = TAKE(t);
	return 0;
}

void dir_status_table_free(struct dir_status_table *t)
{
	if (!t)
		return;
	free(t->rules);
	free(t->names);
	free(t);
}

const char *const *dir_status_names(const struct dir_status_table *t)
{
	return t->names;
}

/* An unlisted value blocks changes: the operator's list is the truth about it. */
static enum dir_state rule_state(const char *list, struct str value)
{
	struct str text = str_of(list), from;
	enum dir_state state, others = DIR_STATE_UNKNOWN;
	bool ok;

	value = str_trim(value);
	while (rule_next(&text, &from, &state, &ok)) {
		if (ok && str_eq(from, STR("*")))
			others = state;
		else if (ok && str_ieq(from, value))
			return state;
	}
	return others;
}

static void evidence(struct dir_status *s, enum dir_state state, const char *attr,
		     struct str raw)
{
	size_t n = raw.len < sizeof(s->raw) - 1 ? raw.len : sizeof(s->raw) - 1;

	if (s->attr && state <= s->state)
		return;
	s->state = state;
	s->attr = attr;
	if (!dir_text_ok(raw))
		n = 0;
	if (n > 0)
		memcpy(s->raw, raw.p, n);
	while (n > 0 && !str_utf8(str_n(s->raw, n), NULL))
		n--;
	s->raw[n] = '\0';
}

void dir_status_read(const struct dir_status_table *t, const struct dir_entry *e,
		     bool (*unreadable)(void *ctx, const char *name), void *ctx, int64_t now_ms,
		     struct dir_status *ret)
{
	struct dir_status s = { .state = DIR_STATE_ACTIVE, .expires_ms = STAMP_NEVER };
	const struct str *values;

	for (size_t i = 0; i < t->sign_count; i++) {
		const struct sign *sign = t->signs[i];
		const struct dir_attr *a = dir_entry_attr(e, str_of(sign->attr), &values);

		if (!a && (sign->always || (unreadable && unreadable(ctx, sign->attr))))
			evidence(&s, DIR_STATE_UNKNOWN, sign->attr, STR(""));
		for (size_t k = 0; a && k < a->n; k++) {
			int64_t expires = STAMP_NEVER;
			enum dir_state state = sign->decode(values[k], now_ms, &expires);

			if (expires < s.expires_ms)
				s.expires_ms = expires;
			evidence(&s, state, sign->attr, values[k]);
		}
	}
	for (size_t i = 0; i < t->rule_count; i++) {
		const struct rule *rule = &t->rules[i];
		const struct dir_attr *a = dir_entry_attr(e, str_of(rule->attr), &values);

		if (!a && unreadable && unreadable(ctx, rule->attr))
			evidence(&s, DIR_STATE_UNKNOWN, rule->attr, STR(""));
		for (size_t k = 0; a && k < a->n; k++)
			evidence(&s, rule_state(rule->text, values[k]), rule->attr, values[k]);
	}
	*ret = s;
}
