#include "tests/lib/test.h"

#include "ldap/rootdse.h"
#include "tests/unit/entries.h"

static void test_servers_are_known_by_their_root_dse(void **state)
{
	static const struct {
		enum dir_kind kind;
		const char *lines[6];
	} cases[] = {
		{ DIR_OPENLDAP, { "objectClass: top", "objectClass: OpenLDAProotDSE" } },
		{ DIR_OPENLDAP, { "structuralObjectClass: OpenLDAProotDSE" } },
		{ DIR_AD,
		  { "supportedCapabilities: 1.2.840.113556.1.4.1670",
		    "supportedCapabilities: 1.2.840.113556.1.4.800" } },
		/* AD LDS says 1851 and not 800; AD itself may say both */
		{ DIR_AD,
		  { "supportedCapabilities: 1.2.840.113556.1.4.1851",
		    "supportedCapabilities: 1.2.840.113556.1.4.800" } },
		{ DIR_ADLDS, { "supportedCapabilities: 1.2.840.113556.1.4.1851" } },
		{ DIR_SAMBA,
		  { "supportedCapabilities: 1.2.840.113556.1.4.800",
		    "vendorName: Samba Team (https://www.samba.org)" } },
		{ DIR_389,
		  { "vendorName: 389 Project", "vendorVersion: 389-Directory/2.3.1 B2023" } },
		{ DIR_FREEIPA, { "vendorName: 389 Project", "ipaDomainLevel: 1" } },
		{ DIR_EDIRECTORY, { "vendorName: NetIQ Corporation" } },
		{ DIR_EDIRECTORY, { "vendorVersion: LDAP Agent for NetIQ eDirectory 9.2" } },
		{ DIR_ORACLE, { "vendorName: Oracle Corporation" } },
		{ DIR_OPENDJ, { "vendorName: ForgeRock AS." } },
		{ DIR_OPENDJ, { "vendorName: Ping Identity Corporation" } },
		{ DIR_IBM, { "vendorName: International Business Machines (IBM)" } },
		{ DIR_APACHEDS, { "vendorName: Apache Software Foundation" } },
		{ DIR_LLDAP, { "vendorName: LLDAP" } },
		{ DIR_OTHER, { "objectClass: top" } },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_entry e = { 0 };
		struct dir_rootdse d = { 0 };

		entry_make(&e, "", cases[i].lines);
		assert_ok(dir_rootdse_read(&e, "dc=x", 0, &d, &err), &err);
		if (d.kind != cases[i].kind)
			fail_msg("case %zu is %s: %s", i, dir_trait(d.kind)->title, d.why);
		assert_true(d.why[0]);
		dir_rootdse_done(&d);
		assert_ok(dir_rootdse_read(&e, "dc=x", DIR_IBM + 1, &d, &err), &err);
		assert_int_equal(d.kind, DIR_IBM);
		assert_string_equal(d.why, "the settings say so");
		dir_rootdse_done(&d);
		dir_entry_done(&e);
	}
}

static void test_kinds_words_and_traits_belong_together(void **state)
{
	(void)state;
	assert_string_equal(dir_kind_words[0], "auto");
	for (int k = 0; k < DIR_KIND_COUNT; k++) {
		const struct dir_trait *t = dir_trait((enum dir_kind)k);
		struct err err;

		assert_string_equal(dir_kind_words[k + 1], t->word);
		assert_true(dir_attr_name_ok(str_of(t->key)));
		assert_ok(dir_filter_check(str_of(t->people), &err), &err);
	}
	assert_null(dir_kind_words[DIR_KIND_COUNT + 1]);
}

static void test_what_a_server_can_do_is_read_from_its_lists(void **state)
{
	static const char *const ad[] = {
		"supportedCapabilities: 1.2.840.113556.1.4.800",
		"supportedControl: 1.2.840.113556.1.4.319",
		"supportedControl: 1.2.840.113556.1.4.417",
		"supportedControl: 1.2.840.113556.1.4.1339",
		"dsServiceName: CN=NTDS Settings,CN=DC1,CN=Servers,DC=corp,DC=test",
		"highestCommittedUSN: 12345",
		"defaultNamingContext: DC=corp,DC=test",
		NULL
	};
	static const char *const ds[] = { "vendorName: 389 Project",
					  "supportedExtension: 1.3.6.1.4.1.4203.1.11.3",
					  "lastusn;userroot: 77", NULL };
	struct dir_entry e = { 0 };
	struct dir_rootdse d = { 0 };
	struct err err;

	(void)state;
	entry_make(&e, "", ad);
	assert_ok(dir_rootdse_read(&e, "DC=corp,DC=test", 0, &d, &err), &err);
	assert_true(d.paged && d.show_deleted && d.domain_scope);
	assert_false(d.whoami || d.start_tls);
	assert_string_equal(d.server_id, "CN=NTDS Settings,CN=DC1,CN=Servers,DC=corp,DC=test");
	assert_int_equal(d.waters.n, 1);
	assert_string_equal(d.waters.v[0].value, "00000000000000012345");
	dir_rootdse_done(&d);
	entry_make(&e, "", ds);
	assert_ok(dir_rootdse_read(&e, "dc=x", 0, &d, &err), &err);
	assert_true(d.whoami);
	assert_false(d.paged);
	assert_string_equal(d.waters.v[0].name, "lastusn:userroot");
	dir_rootdse_done(&d);
	dir_entry_done(&e);
}

static void test_the_context_of_a_base_is_the_longest_that_holds_it(void **state)
{
	/* 389 DS named cn=changelog first, and made it the default */
	static const char *const lines[] = { "namingContexts: cn=changelog",
					     "namingContexts: dc=test",
					     "namingContexts: DC=Example, dc=test",
					     "namingContexts: dc=other",
					     "namingContexts: not a name",
					     "defaultNamingContext: cn=changelog",
					     NULL };
	struct dir_entry e = { 0 };
	struct dir_rootdse d = { 0 };
	struct err err;

	(void)state;
	entry_make(&e, "", lines);
	assert_ok(dir_rootdse_read(&e, "ou=people,dc=example,dc=test", 0, &d, &err), &err);
	assert_string_equal(d.base_context, "DC=Example, dc=test");
	dir_rootdse_done(&d);
	assert_ok(dir_rootdse_read(&e, "o=elsewhere", 0, &d, &err), &err);
	assert_null(d.base_context);
	dir_rootdse_done(&d);
	dir_entry_done(&e);
}

static void test_each_provider_of_openldap_has_its_own_stamp(void **state)
{
	const struct str csn[] = { STR("20261122090000.123456Z#000002#001#000000"),
				   STR("20261122080000.000000Z#000000#002#000000"),
				   STR("broken") };
	struct dir_waters w = { 0 };
	struct err err;

	(void)state;
	assert_ok(dir_waters_csn(&w, csn, 3, &err), &err);
	assert_int_equal(w.n, 2);
	assert_string_equal(w.v[0].name, "csn:001");
	assert_string_equal(w.v[0].value, "20261122090000.123456Z#000002");
	assert_string_equal(w.v[1].name, "csn:002");
	dir_waters_free(&w);
}

static void test_reading_survives_each_lost_allocation(void **state)
{
	static const char *const lines[] = { "vendorName: Samba Team",
					     "vendorVersion: 4.17",
					     "dsServiceName: CN=DC1",
					     "highestCommittedUSN: 9",
					     "subschemaSubentry: cn=schema",
					     "namingContexts: dc=x",
					     "lastusn;a: 1",
					     NULL };
	struct dir_entry e = { 0 };
	struct err err;
	int nth = 0, r;

	(void)state;
	entry_make(&e, "", lines);
	do {
		struct dir_rootdse d = { 0 };

		fault_at(++nth);
		r = dir_rootdse_read(&e, "ou=p,dc=x", 0, &d, &err);
		assert_true(r == 0 || r == -ERR_NOMEM);
		dir_rootdse_done(&d);
	} while (fault_fired());
	assert_ok(r, &err);
	assert_true(nth > 8);
	dir_entry_done(&e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers_are_known_by_their_root_dse),
		cmocka_unit_test(test_kinds_words_and_traits_belong_together),
		cmocka_unit_test(test_what_a_server_can_do_is_read_from_its_lists),
		cmocka_unit_test(test_the_context_of_a_base_is_the_longest_that_holds_it),
		cmocka_unit_test(test_each_provider_of_openldap_has_its_own_stamp),
		cmocka_unit_test(test_reading_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
