#include "tests/lib/test.h"

#include "ldap/schema.h"
#include "ldap/strategy.h"
#include "tests/unit/entries.h"

#define SYNC "supportedControl: 1.3.6.1.4.1.4203.1.9.1.1"
#define DIRSYNC "supportedControl: 1.2.840.113556.1.4.841"

/* What root DSEs of real servers say, shortened to what counts. */
static const struct {
	const char *lines[8];
	int wanted; /* dir_options.delta */
	enum dir_kind kind;
	enum dir_strategy strategy;
	const char *why; /* a part of it */
} rows[] = {
	{ { "objectClass: OpenLDAProotDSE", SYNC }, 0, DIR_OPENLDAP, DIR_SYNCREPL, "syncprov" },
	{ { "objectClass: OpenLDAProotDSE" }, 0, DIR_OPENLDAP, DIR_STAMP, "without syncprov" },
	{ { "vendorName: Samba Team (https://www.samba.org)", DIRSYNC },
	  0,
	  DIR_SAMBA,
	  DIR_DIRSYNC,
	  "who moved" },
	{ { "supportedCapabilities: 1.2.840.113556.1.4.800", DIRSYNC },
	  0,
	  DIR_AD,
	  DIR_DIRSYNC,
	  "who moved" },
	{ { "supportedCapabilities: 1.2.840.113556.1.4.800", "dsServiceName: CN=NTDS,CN=DC1",
	    "highestCommittedUSN: 77" },
	  0,
	  DIR_AD,
	  DIR_USN,
	  "uSNChanged" },
	{ { "supportedCapabilities: 1.2.840.113556.1.4.1851", "dsServiceName: CN=NTDS,CN=L1",
	    "highestCommittedUSN: 77" },
	  0,
	  DIR_ADLDS,
	  DIR_USN,
	  "uSNChanged" },
	/* traps 3, 4, 6: 389 DS lists content synchronisation, and is never asked by it */
	{ { "vendorName: 389 Project", SYNC, "lastusn;userroot: 12" },
	  0,
	  DIR_389,
	  DIR_ENTRYUSN,
	  "hides locks" },
	{ { "vendorName: 389 Project", SYNC }, 0, DIR_389, DIR_STAMP, "hides locks" },
	/* trap 5: FreeIPA's covers DNS only */
	{ { "vendorName: 389 Project", "ipaDomainLevel: 1", SYNC },
	  0,
	  DIR_FREEIPA,
	  DIR_STAMP,
	  "DNS only" },
	{ { "vendorName: LLDAP" }, 0, DIR_LLDAP, DIR_FULL, "no LDAP times" },
	{ { "vendorName: Nobody" }, 0, DIR_OTHER, DIR_STAMP, "every server" },
	/* the settings win, as far as the server can */
	{ { "objectClass: OpenLDAProotDSE", SYNC },
	  DIR_STAMP + 1,
	  DIR_OPENLDAP,
	  DIR_STAMP,
	  "settings" },
	{ { "objectClass: OpenLDAProotDSE", SYNC },
	  DIR_FULL + 1,
	  DIR_OPENLDAP,
	  DIR_FULL,
	  "settings" },
	{ { "objectClass: OpenLDAProotDSE" },
	  DIR_SYNCREPL + 1,
	  DIR_OPENLDAP,
	  DIR_FULL,
	  "overlay syncprov" },
	{ { "vendorName: 389 Project" }, DIR_ENTRYUSN + 1, DIR_389, DIR_FULL, "plug-in USN" },
	{ { "objectClass: OpenLDAProotDSE" },
	  DIR_DIRSYNC + 1,
	  DIR_OPENLDAP,
	  DIR_FULL,
	  "does not list DirSync" },
};

static void test_the_way_follows_from_kind_and_controls_and_says_why(void **state)
{
	struct dir_entry e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dir_rootdse dse;
		enum dir_strategy s;
		char why[160];
		struct err err;

		entry_make(&e, "", rows[i].lines);
		assert_ok(dir_rootdse_read(&e, "dc=example,dc=test", 0, &dse, &err), &err);
		s = dir_strategy_choose(&dse, rows[i].wanted, why);
		if (dse.kind != rows[i].kind || s != rows[i].strategy ||
		    !strstr(why, rows[i].why))
			fail_msg("row %zu: %s by %s: %s", i, dir_trait(dse.kind)->word,
				 dir_strategy_traits[s].word, why);
		dir_rootdse_done(&dse);
	}
	dir_entry_done(&e);
}

/* A way whose attribute the schema does not know, or cannot put in order, would be answered
 * with nobody and success. */
static void test_a_way_that_the_schema_cannot_serve_is_not_chosen(void **state)
{
	static const struct {
		const char *lines[3];
		int wanted;
		bool seen, known, equality, ordering;
		const char *attr;
		enum dir_strategy strategy;
		const char *why;
	} cases[] = {
		{ { "vendorName: 389 Project", "lastusn;userroot: 12" },
		  0,
		  true,
		  true,
		  false,
		  false,
		  "entryusn",
		  DIR_ENTRYUSN,
		  "each change" },
		{ { "vendorName: 389 Project", "lastusn;userroot: 12" },
		  0,
		  true,
		  false,
		  false,
		  false,
		  "entryusn",
		  DIR_STAMP,
		  "stamps" },
		{ { "vendorName: Nobody" },
		  0,
		  true,
		  true,
		  true,
		  true,
		  "modifyTimestamp",
		  DIR_STAMP,
		  "every server" },
		{ { "vendorName: Nobody" },
		  0,
		  true,
		  true,
		  true,
		  false,
		  "modifyTimestamp",
		  DIR_FULL,
		  "no ordering rule" },
		{ { "vendorName: Nobody" },
		  0,
		  true,
		  false,
		  false,
		  false,
		  "modifyTimestamp",
		  DIR_FULL,
		  "knows no modifyTimestamp" },
		{ { "vendorName: Nobody" },
		  0,
		  false,
		  false,
		  false,
		  false,
		  "modifyTimestamp",
		  DIR_STAMP,
		  "every server" },
		{ { "objectClass: OpenLDAProotDSE" },
		  DIR_STAMP + 1,
		  true,
		  false,
		  false,
		  false,
		  "modifyTimestamp",
		  DIR_FULL,
		  "full reads only: the server's schema" },
		{ { "supportedCapabilities: 1.2.840.113556.1.4.800" },
		  DIR_STAMP + 1,
		  true,
		  true,
		  false,
		  false,
		  "whenChanged",
		  DIR_STAMP,
		  "settings" },
		{ { "supportedCapabilities: 1.2.840.113556.1.4.800" },
		  DIR_STAMP + 1,
		  true,
		  false,
		  false,
		  false,
		  "whenChanged",
		  DIR_FULL,
		  "knows no whenChanged" },
	};
	struct dir_entry e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(dir_schema_done) struct dir_schema schema = { 0 };
		struct dir_rootdse dse;
		enum dir_strategy s;
		char why[160];
		struct err err;

		entry_make(&e, "", cases[i].lines);
		assert_ok(dir_rootdse_read(&e, "dc=example,dc=test", 0, &dse, &err), &err);
		assert_ok(dir_schema_ask(&schema, cases[i].attr, &err), &err);
		assert_ok(dir_schema_ask(&schema, cases[i].attr, &err), &err);
		assert_int_equal(schema.rows.n, 1);
		schema.seen = cases[i].seen;
		schema.rows.v[0].known = cases[i].known;
		schema.rows.v[0].equality = cases[i].equality;
		schema.rows.v[0].ordering = cases[i].ordering;
		s = dir_strategy_judge(&dse, &schema, cases[i].wanted, why);
		if (s != cases[i].strategy || !strstr(why, cases[i].why))
			fail_msg("case %zu: %s: %s", i, dir_strategy_traits[s].word, why);
		dir_rootdse_done(&dse);
	}
	dir_entry_done(&e);
}

static void test_each_way_has_a_word_that_the_settings_know(void **state)
{
	(void)state;
	for (int s = 0; s < DIR_STRATEGY_COUNT; s++) {
		assert_string_equal(dir_strategy_traits[s].word, dir_strategy_words[s + 1]);
		assert_non_null(dir_strategy_traits[s].title);
	}
	assert_null(dir_strategy_words[DIR_STRATEGY_COUNT + 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_way_follows_from_kind_and_controls_and_says_why),
		cmocka_unit_test(test_a_way_that_the_schema_cannot_serve_is_not_chosen),
		cmocka_unit_test(test_each_way_has_a_word_that_the_settings_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
