#include "tests/lib/test.h"

#include "base/stamp.h"
#include "ldap/status.h"
#include "tests/unit/entries.h"

#define NOW 1795338000000LL /* 2026-11-22T09:00:00Z */

/* 100 ns since 1601: NOW, and so many days before or after. */
static const char *filetime(int days)
{
	static char text[4][64];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[0]), "accountExpires: %lld",
		 (NOW + days * 86400000LL + 11644473600000LL) * 10000);
	return text[turn];
}

static void judge(enum dir_kind kind, const struct dir_options *o, const char *const lines[],
		  const char *hidden, struct dir_status *ret);

static bool is_hidden(void *ctx, const char *name)
{
	return ctx && strcmp(ctx, name) == 0;
}

static void judge(enum dir_kind kind, const struct dir_options *o, const char *const lines[],
		  const char *hidden, struct dir_status *ret)
{
	struct dir_status_table *t = NULL;
	struct dir_entry e = { 0 };
	struct err err;

	assert_ok(dir_status_table_new(kind, o, &t, &err), &err);
	entry_make(&e, "uid=x", lines);
	dir_status_read(t, &e, is_hidden, (void *)(uintptr_t)hidden, NOW, ret);
	dir_entry_done(&e);
	dir_status_table_free(t);
}

static void test_every_servers_way_of_saying_disabled_is_understood(void **state)
{
	static const struct {
		enum dir_kind kind;
		const char *lines[4];
		enum dir_state state;
	} cases[] = {
		/* Active Directory: the bit counts, whatever else is set */
		{ DIR_AD, { "userAccountControl: 512" }, DIR_STATE_ACTIVE },
		{ DIR_AD, { "userAccountControl: 514" }, DIR_STATE_DISABLED },
		{ DIR_AD, { "userAccountControl: 544" }, DIR_STATE_ACTIVE },
		{ DIR_AD, { "userAccountControl: 546" }, DIR_STATE_DISABLED },
		{ DIR_AD, { "userAccountControl: 66050" }, DIR_STATE_DISABLED },
		{ DIR_AD, { "userAccountControl: 262656" }, DIR_STATE_ACTIVE },
		{ DIR_AD, { "userAccountControl: 5x" }, DIR_STATE_UNKNOWN },
		/* everybody has it: without it, it could not be read */
		{ DIR_AD, { "sAMAccountName: ada" }, DIR_STATE_UNKNOWN },
		{ DIR_SAMBA, { "sAMAccountName: ada" }, DIR_STATE_UNKNOWN },
		{ DIR_AD,
		  { "userAccountControl: 512", "accountExpires: 0" },
		  DIR_STATE_ACTIVE },
		{ DIR_AD,
		  { "userAccountControl: 512", "accountExpires: 9223372036854775807" },
		  DIR_STATE_ACTIVE },
		{ DIR_AD,
		  { "userAccountControl: 512", "accountExpires: soon" },
		  DIR_STATE_UNKNOWN },
		{ DIR_AD,
		  { "userAccountControl: 514", "accountExpires: soon" },
		  DIR_STATE_DISABLED },
		{ DIR_AD,
		  { "userAccountControl: 512", "msDS-User-Account-Control-Computed: 16" },
		  DIR_STATE_LOCKED },
		/* an old password is no lock */
		{ DIR_AD,
		  { "userAccountControl: 512", "msDS-User-Account-Control-Computed: 8388608" },
		  DIR_STATE_ACTIVE },
		{ DIR_ADLDS, { "msDS-UserAccountDisabled: TRUE" }, DIR_STATE_DISABLED },
		{ DIR_ADLDS, { "cn: ada" }, DIR_STATE_ACTIVE },
		/* OpenLDAP */
		{ DIR_OPENLDAP, { "uid: ada" }, DIR_STATE_ACTIVE },
		{ DIR_OPENLDAP, { "pwdAccountLockedTime: 000001010000Z" }, DIR_STATE_DISABLED },
		{ DIR_OPENLDAP,
		  { "pwdAccountLockedTime: 00000101000000Z" },
		  DIR_STATE_DISABLED },
		{ DIR_OPENLDAP, { "pwdAccountLockedTime: 20250101000000Z" }, DIR_STATE_LOCKED },
		{ DIR_OPENLDAP, { "pwdAccountLockedTime: whenever" }, DIR_STATE_UNKNOWN },
		{ DIR_OPENLDAP, { "pwdEndTime: 20261120000000Z" }, DIR_STATE_EXPIRED },
		{ DIR_OPENLDAP,
		  { "pwdEndTime: 20261122080000Z" },
		  DIR_STATE_ACTIVE }, /* a day's grace */
		{ DIR_OPENLDAP, { "pwdEndTime: 20271122080000Z" }, DIR_STATE_ACTIVE },
		{ DIR_OPENLDAP, { "shadowExpire: 1" }, DIR_STATE_EXPIRED },
		{ DIR_OPENLDAP, { "shadowExpire: -1" }, DIR_STATE_ACTIVE },
		{ DIR_OPENLDAP, { "shadowExpire: 0" }, DIR_STATE_UNKNOWN },
		{ DIR_OPENLDAP, { "shadowExpire: 40000" }, DIR_STATE_ACTIVE },
		/* another server's attribute says nothing here */
		{ DIR_OPENLDAP, { "nsAccountLock: TRUE" }, DIR_STATE_ACTIVE },
		/* 389 DS, FreeIPA */
		{ DIR_389, { "nsAccountLock: TRUE" }, DIR_STATE_DISABLED },
		{ DIR_389, { "nsAccountLock: true" }, DIR_STATE_DISABLED },
		{ DIR_389, { "nsAccountLock: false" }, DIR_STATE_ACTIVE },
		{ DIR_389, { "nsAccountLock: maybe" }, DIR_STATE_UNKNOWN },
		{ DIR_389, { "nsRoleDN: cn=nsManagedDisabledRole,dc=x" }, DIR_STATE_DISABLED },
		{ DIR_ORACLE, { "nsRoleDN: CN=nsdisabledrole,o=x" }, DIR_STATE_DISABLED },
		{ DIR_389, { "nsRoleDN: cn=nsDisabledRoleOf,dc=x" }, DIR_STATE_ACTIVE },
		{ DIR_389,
		  { "nsAccountLock: false", "nsRoleDN: cn=nsManagedDisabledRole,dc=x" },
		  DIR_STATE_DISABLED },
		{ DIR_FREEIPA,
		  { "krbPrincipalExpiration: 20200101000000Z" },
		  DIR_STATE_EXPIRED },
		{ DIR_FREEIPA,
		  { "krbPrincipalExpiration: 20200101000000Z", "nsAccountLock: TRUE" },
		  DIR_STATE_DISABLED },
		/* the others */
		{ DIR_ORACLE, { "inetUserStatus: Active" }, DIR_STATE_ACTIVE },
		{ DIR_ORACLE, { "inetUserStatus: inactive" }, DIR_STATE_DISABLED },
		{ DIR_ORACLE, { "inetUserStatus: deleted" }, DIR_STATE_DISABLED },
		{ DIR_ORACLE, { "inetUserStatus: nonsense" }, DIR_STATE_UNKNOWN },
		{ DIR_ORACLE, { "orclIsEnabled: DISABLED" }, DIR_STATE_DISABLED },
		{ DIR_ORACLE, { "orclIsEnabled: ENABLED" }, DIR_STATE_ACTIVE },
		{ DIR_EDIRECTORY, { "loginDisabled: TRUE" }, DIR_STATE_DISABLED },
		{ DIR_EDIRECTORY,
		  { "loginExpirationTime: 20200101000000Z" },
		  DIR_STATE_EXPIRED },
		{ DIR_EDIRECTORY, { "lockedByIntruder: TRUE" }, DIR_STATE_LOCKED },
		{ DIR_IBM, { "ibm-pwdAccountLocked: TRUE" }, DIR_STATE_DISABLED },
		{ DIR_OPENDJ, { "ds-pwp-account-disabled: true" }, DIR_STATE_DISABLED },
		{ DIR_OPENDJ,
		  { "ds-pwp-account-expiration-time: 20200101000000Z" },
		  DIR_STATE_EXPIRED },
		{ DIR_OTHER, { "loginDisabled: TRUE" }, DIR_STATE_DISABLED },
		{ DIR_LLDAP, { "nsAccountLock: TRUE" }, DIR_STATE_ACTIVE },
	};
	struct dir_options o = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_status s;

		judge(cases[i].kind, &o, cases[i].lines, NULL, &s);
		if (s.state != cases[i].state)
			fail_msg("%s: %s is %s", dir_trait(cases[i].kind)->title,
				 cases[i].lines[0], dir_state_words[s.state]);
	}
}

static void test_an_expiry_counts_a_day_later_and_is_told_beforehand(void **state)
{
	static const struct {
		int days;
		enum dir_state state;
	} cases[] = { { -30, DIR_STATE_EXPIRED },
		      { -1, DIR_STATE_EXPIRED },
		      { 0, DIR_STATE_ACTIVE },
		      { 5, DIR_STATE_ACTIVE } };
	struct dir_options o = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *lines[] = { "userAccountControl: 512", filetime(cases[i].days),
					NULL };
		struct dir_status s;

		judge(DIR_AD, &o, lines, NULL, &s);
		assert_int_equal(s.state, cases[i].state);
		assert_int_equal(s.expires_ms, NOW + cases[i].days * 86400000LL);
	}
}

static void test_evidence_names_the_attribute_and_its_value(void **state)
{
	static const char *const lines[] = { "shadowExpire: 1",
					     "pwdAccountLockedTime: 000001010000Z", NULL };
	static const char *const odd[] = { "pwdAccountLockedTime: 000001010000\xc3Z", NULL };
	struct dir_options o = { 0 };
	struct dir_status s;

	(void)state;
	judge(DIR_OPENLDAP, &o, lines, NULL, &s);
	assert_int_equal(s.state, DIR_STATE_DISABLED);
	assert_string_equal(s.attr, "pwdAccountLockedTime");
	assert_string_equal(s.raw, "000001010000Z");
	judge(DIR_OPENLDAP, &o, odd, NULL, &s);
	assert_string_equal(s.raw, ""); /* what is no text is not shown */
}

static void test_a_hidden_attribute_makes_the_state_unknown_unless_another_says_no(void **state)
{
	static const char *const nothing[] = { "uid: ada", NULL };
	static const char *const expired[] = { "shadowExpire: 1", NULL };
	static const char *const locked[] = { "pwdAccountLockedTime: 20250101000000Z", NULL };
	struct dir_options o = { 0 };
	struct dir_status s;

	(void)state;
	judge(DIR_OPENLDAP, &o, nothing, "pwdAccountLockedTime", &s);
	assert_int_equal(s.state, DIR_STATE_UNKNOWN);
	assert_string_equal(s.attr, "pwdAccountLockedTime");
	judge(DIR_OPENLDAP, &o, expired, "pwdAccountLockedTime", &s);
	assert_int_equal(s.state, DIR_STATE_EXPIRED);
	judge(DIR_OPENLDAP, &o, locked, "shadowExpire", &s);
	assert_int_equal(s.state, DIR_STATE_UNKNOWN);
}

static struct dir_options with_rule(struct conf_pair *pair, const char *attr, const char *text)
{
	struct dir_options o = { 0 };

	pair->key = (char *)(uintptr_t)attr;
	pair->value = (char *)(uintptr_t)text;
	o.status.v = pair;
	o.status.n = 1;
	return o;
}

static void test_an_operators_words_count_and_unlisted_ones_block(void **state)
{
	static const struct {
		const char *rule, *line;
		enum dir_state state;
	} cases[] = {
		{ "Employee=active, Terminated=disabled", "employeeType: employee",
		  DIR_STATE_ACTIVE },
		{ "Employee=active, Terminated=disabled", "employeeType: TERMINATED",
		  DIR_STATE_DISABLED },
		{ "Employee=active, Terminated=disabled", "employeeType: Visitor",
		  DIR_STATE_UNKNOWN },
		{ "Employee=active, Terminated=disabled", "uid: ada", DIR_STATE_ACTIVE },
		{ "Terminated=disabled, *=active", "employeeType: Visitor", DIR_STATE_ACTIVE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *const lines[] = { cases[i].line, NULL };
		struct conf_pair pair;
		struct dir_options o = with_rule(&pair, "employeeType", cases[i].rule);
		struct dir_status s;

		judge(DIR_OPENLDAP, &o, lines, NULL, &s);
		if (s.state != cases[i].state)
			fail_msg("%s with %s is %s", cases[i].line, cases[i].rule,
				 dir_state_words[s.state]);
	}
	/* one of several values is enough */
	{
		static const char *const lines[] = { "employeeType: Employee",
						     "employeeType: Terminated", NULL };
		struct conf_pair pair;
		struct dir_options o = with_rule(&pair, "employeeType",
						 "Employee=active, Terminated=disabled");
		struct dir_status s;

		judge(DIR_OPENLDAP, &o, lines, NULL, &s);
		assert_int_equal(s.state, DIR_STATE_DISABLED);
		assert_ptr_equal(s.attr, pair.key);
	}
}

static void test_rules_that_say_nothing_are_refused(void **state)
{
	static const struct {
		const char *attr, *rule;
	} cases[] = { { "employeeType", "Employee" },
		      { "employeeType", "Employee=gone" },
		      { "employeeType", "=active" },
		      { "employeeType", "" },
		      { "employee type", "Employee=active" } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct conf_pair pair;
		struct dir_options o = with_rule(&pair, cases[i].attr, cases[i].rule);
		struct dir_status_table *t = NULL;
		struct err err;

		assert_fault(dir_status_table_new(DIR_OPENLDAP, &o, &t, &err), ERR_CONFIG, &err,
			     "status:");
	}
}

static void test_making_a_table_survives_each_lost_allocation(void **state)
{
	struct conf_pair pair;
	struct dir_options o = with_rule(&pair, "employeeType", "Employee=active");
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		struct dir_status_table *t = NULL;

		fault_at(++nth);
		r = dir_status_table_new(DIR_OTHER, &o, &t, &err);
		assert_true(r == 0 || r == -ERR_NOMEM);
		dir_status_table_free(t);
	} while (fault_fired());
	assert_ok(r, &err);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_servers_way_of_saying_disabled_is_understood),
		cmocka_unit_test(test_an_expiry_counts_a_day_later_and_is_told_beforehand),
		cmocka_unit_test(test_evidence_names_the_attribute_and_its_value),
		cmocka_unit_test(
			test_a_hidden_attribute_makes_the_state_unknown_unless_another_says_no),
		cmocka_unit_test(test_an_operators_words_count_and_unlisted_ones_block),
		cmocka_unit_test(test_rules_that_say_nothing_are_refused),
		cmocka_unit_test(test_making_a_table_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
