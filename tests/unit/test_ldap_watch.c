#include "tests/lib/test.h"

#include "base/secret.h"
#include "base/stamp.h"
#include "ldap/strategy.h"
#include "ldap/watch.h"
#include "tests/lib/slapd.h"

static struct slapd server;

static const struct conf_key keys[] = { { "ldap", CONF_SECTION, 0, .sub = dir_option_keys,
					  .sub_size = sizeof(struct dir_options) },
					{ 0 } };

static void options_made(struct dir_options *o, const char *more)
{
	struct conf_faults faults = { 0 };
	char text[2048], socket[300], *to = socket;
	struct err err;

	memset(o, 0, sizeof(*o));
	for (const char *p = server.dir; *p; p++)
		to += sprintf(to, *p == '/' ? "%%2F" : "%c", *p);
	snprintf(text, sizeof(text),
		 "ldap:\n  uris: [\"ldapi://%s%%2Frun%%2Fldapi\"]\n  auth: external\n"
		 "  base: " SLAPD_PEOPLE "\n%s",
		 socket, more);
	if (conf_read_text("test", str_of(text), keys, o, &faults, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	o->name = "corp";
	conf_faults_free(&faults);
}

static void test_the_way_follows_from_kind_and_controls_and_says_why(void **state)
{
	static const struct {
		enum dir_kind kind;
		bool sync, persist, notify;
		int wanted; /* -1: none */
	} cases[] = {
		{ DIR_OPENLDAP, true, false, false, DIR_WATCH_SYNC },
		{ DIR_OPENLDAP, false, false, false, -1 },
		/* its content synchronisation would send everybody first */
		{ DIR_389, true, true, false, DIR_WATCH_PERSIST },
		{ DIR_389, true, false, false, -1 },
		{ DIR_FREEIPA, true, true, false, DIR_WATCH_PERSIST },
		{ DIR_AD, false, false, true, DIR_WATCH_NOTIFY },
		{ DIR_AD, false, false, false, -1 },
		{ DIR_SAMBA, false, false, true, DIR_WATCH_NOTIFY },
		{ DIR_ADLDS, false, false, true, DIR_WATCH_NOTIFY },
		{ DIR_OPENDJ, false, true, false, DIR_WATCH_PERSIST },
		/* whoever else lists a persistent search has it; the others mean other things
		 */
		{ DIR_OTHER, false, true, false, DIR_WATCH_PERSIST },
		{ DIR_OTHER, true, false, true, -1 },
		{ DIR_LLDAP, false, false, false, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_rootdse dse = { .kind = cases[i].kind,
					   .sync = cases[i].sync,
					   .persist = cases[i].persist,
					   .notify = cases[i].notify };
		enum dir_watch_way way = DIR_WATCH_WAYS;
		char why[160] = "";
		int r = dir_watch_choose(&dse, &way, why);

		if (r != (cases[i].wanted < 0 ? DIR_WATCH_NONE : 0) ||
		    (r == 0 && (int)way != cases[i].wanted) || !why[0])
			fail_msg("row %zu: %d, way %d: %s", i, r, (int)way, why);
	}
}

/* Waits for a word, in short pieces; 0 when none comes within about half a second. */
static int heard(struct dir_watch *w, int pieces, struct err *err)
{
	int r = 0;

	for (int i = 0; i < pieces && r == 0; i++)
		r = dir_watch_wait(w, 50, err);
	return r;
}

static void test_changes_additions_renames_and_deletions_are_told_and_others_not(void **state)
{
	static const struct {
		const char *ldif;
		bool told;
	} rows[] = {
		{ "dn: uid=u000003," SLAPD_PEOPLE "\nchangetype: modify\nreplace: title\n"
		  "title: One\n",
		  true },
		{ "dn: uid=fresh," SLAPD_PEOPLE
		  "\nchangetype: add\nobjectClass: inetOrgPerson\n"
		  "uid: fresh\ncn: Fresh\nsn: Fresh\n",
		  true },
		{ "dn: uid=fresh," SLAPD_PEOPLE "\nchangetype: modrdn\nnewrdn: uid=other\n"
		  "deleteoldrdn: 1\n",
		  true },
		{ "dn: uid=other," SLAPD_PEOPLE "\nchangetype: delete\n", true },
		/* not a person, and not below the base */
		{ "dn: ou=more,ou=groups," SLAPD_BASE "\nchangetype: add\n"
		  "objectClass: organizationalUnit\nou: more\n",
		  false },
	};
	CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;
	struct dir_options o;
	struct err err;

	(void)state;
	options_made(&o, "");
	assert_ok(dir_watch_open(&o, NULL, NULL, &w, &err), &err);
	assert_int_equal(dir_watch_way_of(w), DIR_WATCH_SYNC);
	assert_int_equal(heard(w, 10, &err), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(slapd_modify(&server, SLAPD_ADMIN, rows[i].ldif));
		if (heard(w, rows[i].told ? 400 : 10, &err) !=
		    (rows[i].told ? DIR_WATCH_CHANGED : 0))
			fail_msg("row %zu", i);
		(void)!heard(w, 4, &err); /* a rename may be told in two pieces */
	}
	dir_watch_close(TAKE(w));
	conf_free(keys, &o);
}

static void test_a_base_that_is_renamed_ends_the_telling_with_a_sentence(void **state)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;
	struct dir_options o;
	struct err err;
	int r;

	(void)state;
	options_made(&o, "");
	assert_ok(dir_watch_open(&o, NULL, NULL, &w, &err), &err);
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: " SLAPD_PEOPLE "\nchangetype: modrdn\n"
				 "newrdn: ou=elsewhere\ndeleteoldrdn: 1\n"));
	r = heard(w, 400, &err);
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: ou=elsewhere," SLAPD_BASE "\nchangetype: modrdn\n"
				 "newrdn: ou=people\ndeleteoldrdn: 1\n"));
	if (r == DIR_WATCH_CHANGED) /* told as a change, too, before it ends */
		r = heard(w, 40, &err);
	if (r < 0)
		assert_fault(r, ERR_UNAVAILABLE, &err, "the server stopped telling");
	dir_watch_close(TAKE(w));
	conf_free(keys, &o);
}

static void test_a_server_that_ends_is_a_fault_and_not_silence(void **state)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;
	struct dir_options o;
	struct err err;

	(void)state;
	options_made(&o, "");
	assert_ok(dir_watch_open(&o, NULL, NULL, &w, &err), &err);
	slapd_restart(&server, "server");
	assert_true(heard(w, 400, &err) < 0);
	assert_true(err.text[0] != '\0');
	dir_watch_close(TAKE(w));
	conf_free(keys, &o);
}

static void test_opening_survives_each_lost_allocation(void **state)
{
	struct dir_options o;
	struct err err;
	int nth = 0, r;
	bool lost;

	(void)state;
	fault_install();
	options_made(&o, "");
	do {
		CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;

		fault_at(++nth);
		r = dir_watch_open(&o, NULL, NULL, &w, &err);
		lost = fault_fired();
		assert_true(r == 0 || lost);
		assert_true((r == 0) == (w != NULL));
	} while (lost);
	assert_true(nth > 50);
	assert_int_equal(r, 0);
	conf_free(keys, &o);
}

static int start(void **state)
{
	struct err err;

	(void)state;
	if (secret_start(&err) < 0 || dir_start(&err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	slapd_start(&server, 20, "server");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	slapd_stop(&server);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_way_follows_from_kind_and_controls_and_says_why),
		cmocka_unit_test(
			test_changes_additions_renames_and_deletions_are_told_and_others_not),
		cmocka_unit_test(test_a_base_that_is_renamed_ends_the_telling_with_a_sentence),
		cmocka_unit_test(test_a_server_that_ends_is_a_fault_and_not_silence),
		cmocka_unit_test(test_opening_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
