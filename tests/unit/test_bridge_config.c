#include "tests/lib/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "bridge/config.h"
#include "reconcile/policy.h"
#include "scim/profile.h"

/* What every configuration needs; cases replace or add lines. */
#define INSTANCE "instance:\n  name: acme\n  zone: Europe/Berlin\n  state_dir: state\n"
#define KEY "master_key:\n  file: master.key\n"
#define SCIM "scim:\n  listen: 127.0.0.1:8443\n"
#define SOURCES                                                                                \
	"sources:\n"                                                                           \
	"  - name: people\n    kind: ldap\n    role: directory\n"                              \
	"    ldap:\n      uris: [\"ldaps://ldap.example.com\"]\n"                              \
	"      base: ou=people,dc=example,dc=com\n"                                            \
	"      bind_dn: cn=reader,dc=example,dc=com\n      bind_password: ldap-bind\n"         \
	"  - name: entra\n    kind: scim\n    role: idp\n"                                     \
	"    scim:\n      profile: entra\n      issuer_for: [acme]\n"
#define ORGS                                                                                   \
	"organisations:\n"                                                                     \
	"  - name: acme\n    sources: [people, entra]\n"                                       \
	"    cloud:\n      org_id: 1f2e3d4c\n      key: atlassian\n"
#define WHOLE INSTANCE KEY SCIM SOURCES ORGS

static char folder[] = "/tmp/leaverd-config-XXXXXX";
static char file[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/leaverd.yaml", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(folder);
}

static void put(const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_a_whole_file_is_read_with_defaults_and_paths_made_absolute(void **state)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(config_free) struct config c = { 0 };
	char want[128];
	struct err err;

	(void)state;
	put(WHOLE);
	assert_ok(config_read(file, &c, &faults, &err), &err);
	assert_int_equal(faults.n, 0);
	assert_string_equal(c.instance.name, "acme");
	assert_string_equal(c.instance.zone, "Europe/Berlin");
	snprintf(want, sizeof(want), "%s/state", folder);
	assert_string_equal(c.instance.state_dir, want);
	snprintf(want, sizeof(want), "%s/state/leaverd.db", folder);
	assert_string_equal(c.db_file, want);
	snprintf(want, sizeof(want), "%s/state/audit.head", folder);
	assert_string_equal(c.head_file, want);
	snprintf(want, sizeof(want), "%s/state/control", folder);
	assert_string_equal(c.control.socket, want);
	snprintf(want, sizeof(want), "%s/master.key", folder);
	assert_string_equal(c.master_key.file, want);
	assert_int_equal(c.control.mode_bits, 0600);
	assert_int_equal(c.scim.max_body_bytes, 1 << 20);
	assert_int_equal(c.schedule.sync_every_ms, 3600000);
	assert_null(c.notices.folder);
}

static void test_sources_keep_their_order_and_are_found_by_name(void **state)
{
	CLEANUP(config_free) struct config c = { 0 };
	const struct config_source *s;
	struct err err;

	(void)state;
	put(WHOLE);
	assert_ok(config_read(file, &c, NULL, &err), &err);
	assert_int_equal(c.sources.n, 2);
	s = config_source(&c, "people");
	assert_ptr_equal(s, config_source_at(&c, 0));
	assert_int_equal(s->kind, CONFIG_LDAP);
	assert_int_equal(s->role, CONFIG_DIRECTORY);
	assert_string_equal(s->ldap.name, "people");
	assert_string_equal(s->ldap.bind_password, "ldap-bind");
	assert_int_equal(s->gone_reads, 3);
	assert_int_equal(s->gone_after_ms, 86400000);
	s = config_source(&c, "entra");
	assert_string_equal(scim_profile_names[s->scim.profile], "entra");
	assert_string_equal(s->scim.issuer_for.v[0], "acme");
	assert_null(config_source(&c, "nobody"));
	assert_null(config_source_at(&c, 2));
	assert_string_equal(config_org(&c, "acme")->cloud.name, "acme");
	assert_null(config_org(&c, "people"));
}

static void test_a_put_without_members_is_the_sources_to_say(void **state)
{
	static const struct {
		const char *profile;
		int put;
		bool kept;
	} rows[] = {
		{ "generic", CONFIG_PUT_PROFILE, false },
		{ "generic", CONFIG_PUT_KEEP, true },
		{ "keycloak", CONFIG_PUT_PROFILE, true },
		{ "okta", CONFIG_PUT_PROFILE, true },
		{ "keycloak", CONFIG_PUT_CLEAR, false },
		{ "entra", CONFIG_PUT_PROFILE, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct config_push push = { .put_members = rows[i].put };
		unsigned own = 0, bits;

		while (strcmp(scim_profile_names[push.profile], rows[i].profile) != 0)
			push.profile++;
		assert_true(scim_profile(str_of(rows[i].profile), &own));
		bits = config_push_profile(&push);
		assert_int_equal(!!(bits & SCIM_KEEP_MEMBERS), rows[i].kept);
		assert_int_equal(bits & ~SCIM_KEEP_MEMBERS, own & ~SCIM_KEEP_MEMBERS);
	}
}

static void test_without_a_policy_section_the_shipped_rules_hold(void **state)
{
	CLEANUP(config_free) struct config c = { 0 };
	struct err err;

	(void)state;
	put(WHOLE);
	assert_ok(config_read(file, &c, NULL, &err), &err);
	assert_non_null(policy_rule(c.policy, STR("leaver-hr")));
	assert_non_null(policy_rule(c.policy, STR("orphan")));
}

/* Faults that only this file can find: each names line and key. */
static const struct {
	const char *text;
	const char *says[3];
} faulty[] = {
	{ KEY SCIM SOURCES ORGS, { "instance" } },
	{ INSTANCE SCIM SOURCES ORGS, { "master_key" } },
	{ INSTANCE "master_key:\n  file: a\n  passphrase: ask\n" SCIM SOURCES ORGS,
	  { ":6:", "several ways" } },
	{ "instance:\n  name: Acme GmbH\n" KEY SCIM SOURCES ORGS,
	  { ":2:", "\"Acme GmbH\" is no name" } },
	{ "instance:\n  name: acme\n  zone: Europe/Atlantis\n" KEY SCIM SOURCES ORGS,
	  { "zone", "Europe/Atlantis" } },
	{ WHOLE "control:\n  mode: \"0666\"\n",
	  { "mode", "0666", "without rights for others" } },
	{ WHOLE "control:\n  mode: rw\n", { "mode", "octal" } },
	{ INSTANCE KEY "scim:\n  listen: 0.0.0.0:443\n" SOURCES ORGS,
	  { "listen", "in the clear", "tls_cert" } },
	{ INSTANCE KEY "scim:\n  listen: 127.0.0.1:1\n  tls_cert: a.pem\n" SOURCES ORGS,
	  { "tls_cert", "together" } },
	{ INSTANCE KEY
	  "scim:\n  listen: 127.0.0.1:1\n  public_url: scim.example.com\n" SOURCES ORGS,
	  { "public_url", "https://" } },
	{ INSTANCE KEY
	  "scim:\n  listen: 127.0.0.1:1\n  docs_url: ftp://wiki.example.com\n" SOURCES ORGS,
	  { "docs_url", "https://" } },
	{ INSTANCE KEY SOURCES ORGS,
	  { "scim.listen is not set" } }, /* a push source that nobody reaches */
	{ WHOLE "  - name: acme\n    cloud: {org_id: x, key: y}\n",
	  { "organisations.name", "\"acme\" twice" } },
	{ INSTANCE KEY SCIM SOURCES "  - name: people\n    kind: scim\n    role: hr\n" ORGS,
	  { "sources.name", "\"people\" twice" } },
	{ INSTANCE KEY SCIM SOURCES "organisations:\n  - name: acme\n    sources: [hr]\n"
				    "    cloud: {org_id: x, key: y}\n",
	  { "sources", "\"hr\" is no source" } },
	{ INSTANCE KEY SCIM SOURCES "organisations:\n  - name: other\n"
				    "    cloud: {org_id: x, key: y}\n",
	  { "issuer_for", "\"acme\" is no organisation" } },
	{ INSTANCE KEY SCIM "sources:\n  - name: a\n    kind: ldap\n    role: hr\n" ORGS,
	  { "uris" } }, /* a directory without an address */
	{ INSTANCE KEY SCIM SOURCES "organisations:\n  - name: acme\n", { "cloud" } },
	{ INSTANCE KEY SCIM SOURCES "  - name: okta\n    kind: scim\n    role: idp\n"
				    "    every: 1h\n" ORGS,
	  { "every", "the source is pushed" } },
	{ WHOLE
	  "policy:\n  rules:\n    - name: odd\n      for: person\n      when: 'userName eq'\n"
	  "      class: leaver\n      then: [suspend]\n",
	  { "when" } }, /* a filter that does not parse */
};

static void test_each_fault_names_its_place_and_what_was_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(faulty); i++) {
		CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
		struct config c = { 0 };
		struct err err;
		int r;

		put(faulty[i].text);
		r = config_read(file, &c, &faults, &err);
		if (r != -ERR_CONFIG)
			fail_msg("case %zu: %d", i, r);
		assert_true(faults.n >= 1);
		assert_null(c.whole);
		for (size_t k = 0; k < 3 && faulty[i].says[k]; k++) {
			bool said = false;

			for (size_t f = 0; f < faults.n; f++)
				said = said || strstr(faults.v[f], faulty[i].says[k]);
			if (!said)
				fail_msg("case %zu: \"%s\" does not say \"%s\"", i, faults.v[0],
					 faulty[i].says[k]);
		}
		if (!strstr(faults.v[0], "leaverd.yaml:"))
			fail_msg("case %zu: no file and line in \"%s\"", i, faults.v[0]);
	}
}

/* Whichever key is given, and also where the kind has sections of its own. */
static void test_a_section_of_another_kind_is_refused_by_any_key_of_it(void **state)
{
	static const struct {
		const char *kind, *section, *at;
	} rows[] = {
		{ "scim", "ldap:\n      domain: example.com\n", ":28:7: ldap: " },
		{ "scim", "ldap:\n      site: Berlin\n", ":28:7: ldap: " },
		{ "scim", "ldap:\n      live: true\n", ":28:7: ldap: " },
		{ "scim", "ldap: {cert_file: a.pem}\n", ":27:11: ldap: " },
		{ "scim", "file:\n      kind: full\n      key: id\n", ":28:7: file: " },
		{ "ldap", "scim:\n      profile: okta\n", ":28:7: scim: " },
		{ "ldap", "file:\n      kind: full\n      minimum: 5\n", ":28:7: file: " },
		{ "file", "ldap:\n      domain: example.com\n", ":28:7: ldap: " },
		{ "file", "ldap:\n      uris: ldaps://ldap.example.com\n", ":28:7: ldap: " },
		{ "file", "scim:\n      issuer_for: [acme]\n", ":28:7: scim: " },
		{ "scim", "ldap:\n", NULL }, /* its keys are all commented out */
		{ "scim", "scim:\n      profile: okta\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
		struct config c = { 0 };
		struct err err;
		char text[2000];
		bool said = false;

		snprintf(text, sizeof(text),
			 INSTANCE KEY SCIM SOURCES
			 "  - name: odd\n    kind: %s\n    role: hr\n    %s" ORGS,
			 rows[i].kind, rows[i].section);
		put(text);
		if (config_read(file, &c, &faults, &err) == 0)
			config_free(&c);
		for (size_t f = 0; f < faults.n; f++)
			said |= strstr(faults.v[f], "the source is of kind") &&
				strstr(faults.v[f], rows[i].at ? rows[i].at : "");
		if (said != (rows[i].at != NULL))
			fail_msg("case %zu: %s", i, faults.n ? faults.v[0] : "no fault");
	}
}

static void test_all_faults_of_a_file_come_at_once(void **state)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	struct config c = { 0 };
	struct err err;

	(void)state;
	put("instance:\n  name: ACME\n  zone: Nowhere\nmaster_key:\n  passphrase: no\n"
	    "control:\n  mode: \"777\"\n");
	assert_fault(config_read(file, &c, &faults, &err), ERR_CONFIG, &err, "3 more");
	assert_int_equal(faults.n, 4);
}

static void test_a_file_that_is_not_there_says_so(void **state)
{
	struct config c = { 0 };
	struct err err;

	(void)state;
	assert_true(config_read("/nonexistent/leaverd.yaml", &c, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "/nonexistent/leaverd.yaml"));
}

static void test_the_whole_configuration_prints_and_reads_back(void **state)
{
	CLEANUP(config_free) struct config c = { 0 }, again = { 0 };
	CLEANUP(buf_done) struct buf text;
	struct err err;

	(void)state;
	buf_init(&text, 1 << 20);
	put(WHOLE);
	assert_ok(config_read(file, &c, NULL, &err), &err);
	assert_ok(config_show(&c, &text, &err), &err);
	assert_non_null(strstr(text.p, "org_id"));
	put(text.p);
	assert_ok(config_read(file, &again, NULL, &err), &err);
	assert_string_equal(again.instance.state_dir, c.instance.state_dir);
	assert_int_equal(again.sources.n, 2);
}

/* The annotated sample, as it stands and with every default in it taken out of its comment. */
static void test_the_sample_reads_as_it_stands_and_with_every_default(void **state)
{
	CLEANUP(free_at) char *text = NULL;
	CLEANUP(buf_done) struct buf bare;
	struct str rest, line;
	FILE *in = fopen("conf/leaverd.yaml", "r");
	size_t len = 0;

	(void)state;
	buf_init(&bare, 1 << 20);
	assert_non_null(in); /* tests run from the project's root */
	text = calloc(1, 1 << 16);
	len = fread(text, 1, (1 << 16) - 1, in);
	fclose(in);
	assert_true(len > 1000);
	for (rest = str_n(text, len); rest.len;) {
		size_t blanks = 0;

		str_cut(rest, '\n', &line, &rest);
		while (blanks < line.len && line.p[blanks] == ' ')
			blanks++;
		buf_add(&bare, line.p, blanks);
		line = str_n(line.p + blanks, line.len - blanks);
		if (line.len > 1 && line.p[0] == '#' && line.p[1] != ' ' && line.p[1] != '\0')
			line = str_n(line.p + 1, line.len - 1);
		buf_add_str(&bare, line);
		buf_add_char(&bare, '\n');
	}
	for (int taken = 0; taken < 2; taken++) {
		CLEANUP(config_free) struct config c = { 0 };
		struct err err;

		put(taken ? bare.p : text);
		assert_ok(config_read(file, &c, NULL, &err), &err);
		assert_int_equal(c.sources.n, 2);
		assert_int_equal(c.scim.threads, 2);
		assert_int_equal(config_source(&c, "corp")->ldap.page_size, 500);
	}
}

static void note_key(void *ctx, const char *dotted, const struct conf_key *key)
{
	const char *const *texts = ctx;
	const char *last = strrchr(dotted, '.');
	char line[80], item[80];

	(void)key;
	last = last ? last + 1 : dotted;
	snprintf(line, sizeof(line), "%s:", last);
	snprintf(item, sizeof(item), "Ic %s", last);
	if (!strstr(texts[0], line))
		fail_msg("conf/leaverd.yaml does not show %s", dotted);
	if (key->type != CONF_SECTION && key->type != CONF_ITEMS && !strstr(texts[1], item) &&
	    !strstr(texts[2], item))
		fail_msg("no manual describes %s", dotted);
}

static char *slurp(const char *name)
{
	FILE *in = fopen(name, "r");
	char *text = calloc(1, 1 << 17);

	assert_non_null(in);
	assert_true(fread(text, 1, (1 << 17) - 1, in) > 0);
	fclose(in);
	return text;
}

static void test_every_key_stands_in_sample_and_manual(void **state)
{
	char *texts[] = { slurp("conf/leaverd.yaml"), slurp("doc/leaverd.yaml.5"),
			  slurp("doc/leaverd-policy.5") };

	(void)state;
	conf_walk(config_keys, note_key, (void *)texts);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		free(texts[i]);
}

static void test_the_file_is_found_by_option_environment_and_place(void **state)
{
	(void)state;
	setenv("LEAVERD_CONFIG", "/env.yaml", 1);
	assert_string_equal(config_find("/given.yaml"), "/given.yaml");
	assert_string_equal(config_find(NULL), "/env.yaml");
	unsetenv("LEAVERD_CONFIG");
	assert_int_equal(chdir(folder), 0);
	assert_string_equal(config_find(NULL),
			    "leaverd.yaml"); /* put there by the tests before */
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(config_find(NULL), "/etc/leaverd/leaverd.yaml");
}

static void test_reading_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;

	(void)state;
	put(WHOLE);
	do {
		CLEANUP(config_free) struct config c = { 0 };

		fault_at(++nth);
		r = config_read(file, &c, NULL, &err);
		if (fault_fired())
			assert_true(r < 0 || c.whole);
		else
			break;
	} while (nth < 100000);
	assert_int_equal(r, 0);
	assert_true(nth > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_whole_file_is_read_with_defaults_and_paths_made_absolute),
		cmocka_unit_test(test_sources_keep_their_order_and_are_found_by_name),
		cmocka_unit_test(test_a_put_without_members_is_the_sources_to_say),
		cmocka_unit_test(test_without_a_policy_section_the_shipped_rules_hold),
		cmocka_unit_test(test_each_fault_names_its_place_and_what_was_expected),
		cmocka_unit_test(test_a_section_of_another_kind_is_refused_by_any_key_of_it),
		cmocka_unit_test(test_all_faults_of_a_file_come_at_once),
		cmocka_unit_test(test_a_file_that_is_not_there_says_so),
		cmocka_unit_test(test_the_whole_configuration_prints_and_reads_back),
		cmocka_unit_test(test_the_sample_reads_as_it_stands_and_with_every_default),
		cmocka_unit_test(test_every_key_stands_in_sample_and_manual),
		cmocka_unit_test(test_the_file_is_found_by_option_environment_and_place),
		cmocka_unit_test(test_reading_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
