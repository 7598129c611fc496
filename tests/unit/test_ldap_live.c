#include "tests/lib/test.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "ldap/dn.h"
#include "ldap/show.h"
#include "ldap/source.h"
#include "tests/lib/slapd.h"

/*
 * The directory reader against a real slapd, one for all tests here, and against servers and
 * relays that misbehave on purpose. Nothing is skipped: without slapd the program fails.
 */
#define PEOPLE 1600 /* and the generator's odd ones: four pages of 500 */
#define BRIDGE "cn=bridge,ou=services," SLAPD_BASE

static struct slapd server;

/* --- settings ------------------------------------------------------------------------------
 */

struct setup {
	struct dir_options o;
	struct secret password;
	char uri[3][160], ca[160];
	char *uris[3];
};

static const struct conf_key keys[] = { { "ldap", CONF_SECTION, 0, .sub = dir_option_keys,
					  .sub_size = sizeof(struct dir_options) },
					{ 0 } };

/* Settings as a file would give them: bind account and base are the bridge's unless rest says
 * otherwise. %L, %S, %I in uris are slapd's ldap://, ldaps:// and ldapi://. */
static void setup_made(struct setup *s, const char *uris, const char *rest)
{
	struct conf_faults faults = { 0 };
	char socket[200] = "", *to = socket, text[4096];
	struct err err;
	int n;

	memset(s, 0, sizeof(*s));
	for (const char *p = server.dir; *p; p++)
		to += sprintf(to, *p == '/' ? "%%2F" : "%c", *p);
	n = snprintf(text, sizeof(text), "ldap:\n  ca_file: %s/tls/ca.pem\n", server.dir);
	if (!strstr(rest, "bind_dn:") && !strstr(rest, "auth:"))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "  bind_dn: %s\n", BRIDGE);
	if (!strstr(rest, "auth:"))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "  bind_password: reader\n");
	if (!strstr(rest, "base:"))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "  base: %s\n", SLAPD_PEOPLE);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "%s  uris:\n", rest);
	for (const char *p = uris; *p;
	     p = strchr(p, ' ') ? strchr(p, ' ') + 1 : p + strlen(p)) {
		int len = (int)strcspn(p, " ");

		n += snprintf(text + n, sizeof(text) - (size_t)n, "    - ");
		if (strncmp(p, "%L", 2) == 0)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      "ldap://127.0.0.1:%d\n", server.port);
		else if (strncmp(p, "%S", 2) == 0)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      "ldaps://127.0.0.1:%d\n", server.port + 1);
		else if (strncmp(p, "%I", 2) == 0)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      "ldapi://%s%%2Frun%%2Fldapi\n", socket);
		else
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%.*s\n", len, p);
	}
	if (conf_read_text("test", str_of(text), keys, &s->o, &faults, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	s->o.name = "corp";
	if (dir_options_check(&s->o, NULL, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	assert_ok(secret_set(&s->password, SLAPD_BRIDGE_PASSWORD, strlen(SLAPD_BRIDGE_PASSWORD),
			     &err),
		  &err);
	conf_faults_free(&faults);
}

static void setup_done(struct setup *s)
{
	conf_free(keys, &s->o);
	secret_done(&s->password);
}

/* --- a sink that keeps everything ----------------------------------------------------------
 */

struct kept {
	char *key, *dn;
	json_t *doc;
	char *unknown; /* joined with blanks */
	enum dir_state state;
};
VEC(kept_list, struct kept);

struct keeper {
	struct kept_list people;
	int begins, ends, stop_at; /* cancel after so many people; 0: never */
	char *hidden;              /* what begin said is hidden, joined */
	atomic_bool cancel;
	int refuse_at;             /* a fault of the sink at that person */
	pid_t kill_at_two;         /* a server that ends when the second person came */
	struct dir_memory *memory; /* or NULL: each read shows everybody */
	uint32_t same[16];         /* marks of those who were as they were */
	size_t same_n;
};

static void people_clear(struct keeper *k)
{
	for (size_t i = 0; i < k->people.n; i++) {
		free(k->people.v[i].key);
		free(k->people.v[i].dn);
		free(k->people.v[i].unknown);
		json_decref(k->people.v[i].doc);
	}
	k->people.n = 0;
}

static void keeper_done(struct keeper *k)
{
	people_clear(k);
	kept_list_done(&k->people);
	free(k->hidden);
}

static int on_begin(void *ctx, const struct dir_begin *begin, struct err *err)
{
	struct keeper *k = ctx;
	struct buf hidden;

	(void)err;
	assert_int_equal(begin->attempt, ++k->begins);
	people_clear(k);
	buf_init(&hidden, 4096);
	buf_add_text(&hidden, "");
	for (size_t i = 0; i < begin->attrs->n; i++)
		if (begin->attrs->v[i].unknown)
			buf_addf(&hidden, "%s ", begin->attrs->v[i].name);
	free(k->hidden);
	k->hidden = buf_take(&hidden, NULL);
	return 0;
}

static int on_person(void *ctx, const struct dir_person *person, struct err *err)
{
	struct keeper *k = ctx;
	struct kept one = { .key = strdup(person->key),
			    .dn = strdup(person->dn),
			    .state = person->status->state };
	struct buf unknown;

	assert_ok(jx_parse(person->doc, JX_LENIENT, &one.doc, err), err);

	buf_init(&unknown, 4096);
	for (size_t i = 0; i < person->unknown_n; i++)
		buf_addf(&unknown, "%s ", person->unknown[i]);
	one.unknown = buf_take(&unknown, NULL);
	assert_int_equal(kept_list_add(&k->people, one), 0);
	if (k->stop_at && (int)k->people.n == k->stop_at)
		atomic_store(&k->cancel, true);
	if (k->refuse_at && (int)k->people.n == k->refuse_at)
		return err_set(err, ERR_FULL, "the store is full");
	return 0;
}

static int on_same(void *ctx, uint32_t mark, struct err *err)
{
	struct keeper *k = ctx;

	(void)err;
	assert_true(k->same_n < COUNT_OF(k->same));
	k->same[k->same_n++] = mark;
	return 0;
}

static int on_end(void *ctx, const struct dir_verdict *verdict, struct err *err)
{
	struct keeper *k = ctx;

	(void)verdict;
	(void)err;
	k->ends++;
	return 0;
}

static int read_into(const struct setup *s, struct keeper *k, struct dir_verdict *v,
		     struct err *err)
{
	struct dir_sink sink = { k, on_begin, on_person, k->memory ? on_same : NULL, on_end };

	return dir_read(&s->o, &s->password, &sink, k->memory, &k->cancel, v, err);
}

static const struct kept *person_named(const struct keeper *k, const char *user_name)
{
	for (size_t i = 0; i < k->people.n; i++) {
		const char *name = jx_get_text(k->people.v[i].doc, "userName");

		if (name && strcmp(name, user_name) == 0)
			return &k->people.v[i];
	}
	fail_msg("%s was not read", user_name);
	return NULL;
}

static const char *text_at(const json_t *doc, const char *one, const char *two)
{
	return jx_get_text(json_object_get(doc, one), two);
}

static size_t count_state(const struct keeper *k, enum dir_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < k->people.n; i++)
		n += k->people.v[i].state == state;
	return n;
}

static int key_order(const void *a, const void *b)
{
	return strcmp(((const struct kept *)a)->key, ((const struct kept *)b)->key);
}

static size_t ldapsearch_count(const char *filter)
{
	size_t n;
	char **lines = slapd_values(&server, SLAPD_PEOPLE, filter, "entryUUID", &n);

	assert_non_null(lines);
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
	return n;
}

/* --- whole reads ---------------------------------------------------------------------------
 */

static void same_as_ldapsearch(const char *uris, const char *rest)
{
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;
	size_t n;
	char **lines =
		slapd_values(&server, SLAPD_PEOPLE, "(objectClass=person)", "entryUUID", &n);

	assert_non_null(lines);
	assert_true(n > PEOPLE);
	setup_made(&s, uris, rest);
	assert_ok(read_into(&s, &k, &v, &err), &err);
	if (!v.complete)
		fail_msg("%s", v.why);
	assert_int_equal(v.entries, n);
	assert_int_equal(k.people.n, n);
	assert_int_equal(k.begins, 1);
	assert_int_equal(k.ends, 1);
	assert_int_equal(v.pages, (n + 499) / 500);
	assert_int_equal(v.kind, DIR_OPENLDAP);
	assert_non_null(v.base_id);
	assert_true(v.waters.n > 0);
	qsort(k.people.v, k.people.n, sizeof(*k.people.v), key_order);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(k.people.v[i].key, lines[i]);
		free(lines[i]);
	}
	free(lines);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

static void test_a_read_over_ldaps_is_what_ldapsearch_shows(void **state)
{
	(void)state;
	same_as_ldapsearch("%S", "");
}

static void test_a_read_over_start_tls_is_what_ldapsearch_shows(void **state)
{
	(void)state;
	same_as_ldapsearch("%L", "");
}

static void test_a_read_over_ldapi_by_our_uid_is_what_ldapsearch_shows(void **state)
{
	(void)state;
	same_as_ldapsearch("%I", "  auth: external\n");
}

static void test_a_read_in_the_clear_on_loopback_is_what_ldapsearch_shows(void **state)
{
	(void)state;
	same_as_ldapsearch("%L", "  tls: \"off\"\n");
}

static void test_account_states_are_decoded_as_the_directory_holds_them(void **state)
{
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_int_equal(count_state(&k, DIR_STATE_DISABLED),
			 ldapsearch_count("(pwdAccountLockedTime=000001010000Z)"));
	assert_true(count_state(&k, DIR_STATE_DISABLED) > 10);
	assert_int_equal(person_named(&k, "edge-state-locked-temp")->state, DIR_STATE_LOCKED);
	assert_int_equal(person_named(&k, "edge-state-shadow-expired")->state,
			 DIR_STATE_EXPIRED);
	assert_int_equal(person_named(&k, "edge-state-shadow-never")->state, DIR_STATE_ACTIVE);
	assert_int_equal(person_named(&k, "edge-state-shadow-future")->state, DIR_STATE_ACTIVE);
	assert_true(json_is_false(
		json_object_get(person_named(&k, "edge-state-disabled")->doc, "active")));
	assert_true(json_is_true(
		json_object_get(person_named(&k, "edge-state-locked-temp")->doc, "active")));
	assert_int_equal(v.states[DIR_STATE_DISABLED], count_state(&k, DIR_STATE_DISABLED));
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

static void test_names_keep_their_letters_and_managers_their_place(void **state)
{
	static const struct {
		const char *user, *one, *two, *text;
	} cases[] = {
		{ "edge-utf8-polish", "name", "familyName", "Żółć" },
		{ "edge-utf8-cjk", "name", "givenName", "小龍" },
		{ "edge-utf8-rtl", "name", "formatted", "محمد الأحمد" },
	};
	const char *enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
	const struct kept *boss, *odd;
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(text_at(person_named(&k, cases[i].user)->doc, cases[i].one,
					    cases[i].two),
				    cases[i].text);
	/* NFD in the directory is NFC for us */
	assert_string_equal(jx_get_text(person_named(&k, "edge-utf8-nfd")->doc, "displayName"),
			    "Zo\xc3\xab");
	/* a link spelled in capitals and blanks leads to the same person */
	boss = person_named(&k, "u000000");
	odd = person_named(&k, "edge-mgr-dn-spelling");
	assert_string_equal(boss->dn, "uid=u000000,ou=people,dc=example,dc=test");
	assert_string_equal(
		jx_get_text(json_object_get(json_object_get(odd->doc, enterprise), "manager"),
			    "value"),
		boss->dn);
	assert_string_equal(jx_get_text(odd->doc, "externalId"), odd->key);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

/* What was read before and shows the same bytes is only counted, and the verdict is the same.
 */
static void test_a_second_read_shows_only_whom_it_does_not_know(void **state)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *memory = NULL;
	struct setup s;
	struct keeper k = { .memory = NULL };
	struct dir_verdict first = { 0 }, second = { 0 }, third = { 0 };
	char key[64];
	struct err err;

	(void)state;
	setup_made(&s, "%S", "  filter: (uid=u00000*)\n");
	assert_ok(dir_memory_new(&memory, &err), &err);
	k.memory = memory;
	assert_ok(read_into(&s, &k, &first, &err), &err);
	assert_true(first.complete && k.people.n == 10 && k.same_n == 0);
	for (size_t i = 0; i < k.people.n; i++)
		dir_memory_mark(memory, str_of(k.people.v[i].key), (uint32_t)i + 1);
	snprintf(key, sizeof(key), "%s", person_named(&k, "u000004")->key);
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: uid=u000004," SLAPD_PEOPLE
				 "\nchangetype: modify\nreplace: title\ntitle: Admiral\n"));
	k.begins = 0;
	assert_ok(read_into(&s, &k, &second, &err), &err);
	assert_true(second.complete);
	assert_int_equal(k.people.n, 1);
	assert_string_equal(k.people.v[0].key, key);
	assert_string_equal(jx_get_text(k.people.v[0].doc, "title"), "Admiral");
	assert_int_equal(k.same_n, 9);
	assert_int_equal(second.entries, first.entries);
	assert_memory_equal(second.states, first.states, sizeof(first.states));
	assert_int_equal(second.branches.n, first.branches.n);
	assert_int_equal(second.branches.v[0].entries, first.branches.v[0].entries);
	assert_int_equal(second.attrs.n, first.attrs.n);
	for (size_t i = 0; i < first.attrs.n; i++)
		assert_int_equal(second.attrs.v[i].with, first.attrs.v[i].with);
	/* nobody marked the one who had changed: he is shown once more */
	k.begins = 0;
	k.same_n = 0;
	assert_ok(read_into(&s, &k, &third, &err), &err);
	assert_true(k.people.n == 1 && k.same_n == 9);
	dir_verdict_done(&first);
	dir_verdict_done(&second);
	dir_verdict_done(&third);
	keeper_done(&k);
	setup_done(&s);
}

static const json_t *row_to(const json_t *shown, const char *to)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(shown, "rows"), i, row)
		if (strcmp(jx_get_text(row, "to"), to) == 0)
			return row;
	fail_msg("no row makes %s", to);
	return NULL;
}

static void test_an_entry_is_shown_with_what_each_row_of_the_map_made_of_it(void **state)
{
	static const struct {
		const char *rest, *dn, *read;
	} cases[] = {
		{ "", "UID=u000001, " SLAPD_PEOPLE, "here" },
		{ "  filter: (uid=u000002)\n", "uid=u000001," SLAPD_PEOPLE, "not-matching" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(json_decref_at) json_t *shown = NULL;
		struct setup s;
		const json_t *row;

		setup_made(&s, "%S", cases[i].rest);
		assert_ok(dir_show(&s.o, &s.password, cases[i].dn, NULL, &shown, &err), &err);
		assert_string_equal(jx_get_text(shown, "read"), cases[i].read);
		assert_string_equal(jx_get_text(json_object_get(shown, "record"), "userName"),
				    "u000001");
		assert_non_null(strstr(jx_get_text(shown, "dn"), "u000001"));
		assert_string_equal(text_at(shown, "status", "state"), "active");
		assert_true(json_array_size(json_object_get(shown, "attributes")) > 5);
		row = row_to(shown, "userName");
		assert_string_equal(jx_get_text(row, "from"), "uid, mail");
		assert_string_equal(jx_get_text(row, "outcome"), "taken");
		row = row_to(shown, "externalId");
		assert_string_equal(jx_get_text(row, "from"), "the immutable id");
		setup_done(&s);
	}
}

static void test_an_entry_that_is_not_there_is_not_shown(void **state)
{
	static const struct {
		const char *dn;
		int r;
	} cases[] = {
		{ "uid=nobody," SLAPD_PEOPLE, -ERR_NOT_FOUND },
		{ "no name at all", -ERR_INVALID_VALUE },
	};
	struct setup s;
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(json_decref_at) json_t *shown = NULL;

		assert_int_equal(dir_show(&s.o, &s.password, cases[i].dn, NULL, &shown, &err),
				 cases[i].r);
	}
	setup_done(&s);
}

static void test_success_without_entries_is_complete_and_not_plausible(void **state)
{
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct dir_judgement j = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S", "  base: ou=policies," SLAPD_BASE "\n");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_true(v.complete);
	assert_int_equal(v.entries, 0);
	assert_ok(dir_plausible(&v, NULL, &s.o, stamp_now_ms(), &j, &err), &err);
	assert_false(j.plausible);
	assert_int_equal(j.reasons.v[0].kind, DIR_REASON_MINIMUM);
	dir_judgement_done(&j);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

/* How often the text whose bytes are want's, each xor 0x55, stands in what this program can
 * write to. maps and mem are opened before it was used. */
static size_t traces(FILE *maps, FILE *mem, const char *want)
{
	size_t len = strlen(want), n = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char *hold;

		/* sanitizers' shadows are terabytes */
		if (sscanf(line, "%lx-%lx rw", &from, &to) != 2 || !strstr(line, " rw-p") ||
		    to - from > (64UL << 20))
			continue;
		hold = malloc(to - from);
		assert_non_null(hold);
		if (fseek(mem, (long)from, SEEK_SET) == 0 &&
		    fread(hold, 1, to - from, mem) == to - from)
			for (size_t i = 0; i + len < to - from; i++) {
				size_t k = 0;

				while (k < len && (hold[i + k] ^ 0x55) == want[k])
					k++;
				n += k == len;
			}
		memset(hold, 0, to - from);
		free(hold);
	}
	return n;
}

static void account_add(const char *password)
{
	struct buf ldif;

	/* in base64, since what writes the file keeps what it wrote in memory */
	buf_init(&ldif, 1000);
	buf_add_text(&ldif, "dn: cn=secretive,ou=services," SLAPD_BASE "\nchangetype: add\n"
			    "objectClass: organizationalRole\n"
			    "objectClass: simpleSecurityObject\n"
			    "cn: secretive\nuserPassword:: ");
	enc_base64(&ldif, password, strlen(password));
	buf_add_char(&ldif, '\n');
	assert_true(slapd_modify(&server, SLAPD_ADMIN, ldif.p));
	buf_done(&ldif);
}

static void test_a_password_leaves_no_trace_in_memory(void **state)
{
	/* the last one is nobody's */
	static const char *const uris[] = { "%L", "%S", "ldaps://127.0.0.1:1" };
	static char buffer[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(uris); i++) {
		struct setup s;
		struct dir_conn *c = NULL;
		struct err err;
		/* before, so that what they need is not taken from what the connection gives
		 * back */
		FILE *maps = fopen("/proc/self/maps", "r"), *mem = fopen("/proc/self/mem", "r");
		char want[32]; /* built, so that the program itself does not hold it */

		assert_true(maps && mem);
		assert_int_equal(setvbuf(maps, buffer, _IOFBF, sizeof(buffer)), 0);
		assert_int_equal(setvbuf(mem, NULL, _IONBF, 0), 0);
		setup_made(&s, uris[i],
			   i == 0 ? "  tls: \"off\"\n  bind_dn: "
				    "cn=secretive,ou=services," SLAPD_BASE "\n"
				  : "  bind_dn: cn=secretive,ou=services," SLAPD_BASE "\n");
		snprintf(want, sizeof(want), "%s-%d-%s", "quite", 7731, "unlikely");
		secret_done(&s.password);
		assert_ok(secret_set(&s.password, want, strlen(want), &err), &err);
		if (i == 0)
			account_add(want);
		for (char *p = want; *p; p++)
			*p ^= 0x55;
		if (i < 2)
			assert_ok(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c,
						&err),
				  &err);
		else
			assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c,
						   &err),
				     ERR_NETWORK, &err, "127.0.0.1:1");
		dir_conn_close(c);
		secret_done(&s.password);
		assert_int_equal(traces(maps, mem, want), 0);
		fclose(maps);
		fclose(mem);
		setup_done(&s);
	}
}

/* --- connections that break ----------------------------------------------------------------
 */

static pid_t cut_proxy(int port, const char *after, const char *what, const char *times)
{
	char listen[16], target[16], ready[160];
	const char *argv[] = { "/usr/bin/python3",
			       "tests/servers/cutproxy.py",
			       listen,
			       target,
			       "--after",
			       after,
			       "--do",
			       what,
			       "--times",
			       times,
			       "--ready",
			       ready,
			       NULL };

	snprintf(listen, sizeof(listen), "%d", port);
	snprintf(target, sizeof(target), "%d", server.port);
	snprintf(ready, sizeof(ready), "%s/proxy.%d", server.dir, port);
	return run_server(argv, ready);
}

/* In bytes from the server, somewhere in page 3 of the test's people. */
#define PAGE_THREE "560000"

static void test_a_connection_cut_in_page_three_is_started_over(void **state)
{
	static const char *const ways[] = { "cut", "reset" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		int port = free_port();
		pid_t proxy = cut_proxy(port, PAGE_THREE, ways[i], "1");
		char uri[64];
		struct setup s;
		struct keeper k = { 0 };
		struct dir_verdict v = { 0 };

		snprintf(uri, sizeof(uri), "ldap://127.0.0.1:%d", port);
		setup_made(&s, uri, "  tls: \"off\"\n");
		assert_ok(read_into(&s, &k, &v, &err), &err);
		if (!v.complete)
			fail_msg("%s", v.why);
		assert_int_equal(v.attempts, 2);
		assert_int_equal(k.begins, 2);
		assert_int_equal(k.ends, 1);
		assert_int_equal(k.people.n, ldapsearch_count("(objectClass=person)"));
		assert_int_equal(v.entries, k.people.n);
		end_server(proxy);
		dir_verdict_done(&v);
		keeper_done(&k);
		setup_done(&s);
	}
}

static void test_a_connection_cut_in_page_three_each_time_is_incomplete(void **state)
{
	static const struct {
		const char *way;
		int code;
	} cases[] = { { "cut", ERR_NETWORK },
		      { "stall", ERR_TIMEOUT },
		      { "trickle", ERR_TIMEOUT } };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int port = free_port();
		pid_t proxy = cut_proxy(port, PAGE_THREE, cases[i].way, "99");
		char uri[64];
		struct setup s;
		struct keeper k = { 0 };
		struct dir_verdict v = { 0 };

		snprintf(uri, sizeof(uri), "ldap://127.0.0.1:%d", port);
		setup_made(&s, uri, "  tls: \"off\"\n  attempts: 1\n  answer_timeout: 700ms\n");
		assert_ok(read_into(&s, &k, &v, &err), &err);
		assert_false(v.complete);
		assert_int_equal(v.code, cases[i].code);
		assert_int_equal(v.pages, 2);
		assert_non_null(strstr(v.why, "page 3 of " SLAPD_PEOPLE));
		assert_int_equal(k.ends, 1);
		assert_true(v.duration_ms < 20000);
		end_server(proxy);
		dir_verdict_done(&v);
		keeper_done(&k);
		setup_done(&s);
	}
}

static void test_the_next_url_is_asked_when_the_first_is_away(void **state)
{
	char uris[128];
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	snprintf(uris, sizeof(uris), "ldaps://127.0.0.1:%d %%S", free_port());
	setup_made(&s, uris, "");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	if (!v.complete)
		fail_msg("%s", v.why);
	assert_string_equal(v.uri, s.o.uris.v[1]);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

static void test_an_unreachable_directory_is_a_verdict_that_names_every_url(void **state)
{
	char uris[128], one[16], two[16];
	int a = free_port(), b = free_port();
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	snprintf(uris, sizeof(uris), "ldaps://127.0.0.1:%d ldap://127.0.0.1:%d", a, b);
	snprintf(one, sizeof(one), ":%d", a);
	snprintf(two, sizeof(two), ":%d", b);
	setup_made(&s, uris, "");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_false(v.complete);
	assert_int_equal(v.code, ERR_NETWORK);
	assert_non_null(strstr(v.why, one));
	assert_non_null(strstr(v.why, two));
	assert_int_equal(k.begins, 0);
	assert_int_equal(k.ends, 0);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

/* --- TLS -----------------------------------------------------------------------------------
 */

static void tls_refused(const char *uris, const char *rest, const char *says)
{
	struct setup s;
	struct dir_conn *c = NULL;
	struct err err;

	setup_made(&s, uris, rest);
	assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c, &err), ERR_TLS,
		     &err, says);
	setup_done(&s);
}

static void test_a_certificate_that_does_not_verify_is_refused_and_the_cause_named(void **state)
{
	static const struct {
		const char *cert, *uris, *says;
	} cases[] = {
		{ "expired", "%S", "its certificate ended at 2020-02-01" },
		{ "expired", "%L", "its certificate ended at 2020-02-01" },
		{ "wrongname", "%S", "not for 127.0.0.1 but for wrong.example.test" },
		{ "wrongname", "%L", "not for 127.0.0.1 but for wrong.example.test" },
	};
	char rest[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		slapd_restart(&server, cases[i].cert);
		tls_refused(cases[i].uris, "", cases[i].says);
	}
	slapd_restart(&server, "server");
	snprintf(rest, sizeof(rest), "  kind: openldap\n");
	{
		struct setup s;
		struct dir_conn *c = NULL;
		struct err err;

		setup_made(&s, "%S %L", rest);
		free(s.o.ca_file);
		s.o.ca_file = malloc(200);
		snprintf(s.o.ca_file, 200, "%s/tls/other-ca.pem", server.dir);
		assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c, &err),
			     ERR_TLS, &err, "signed by an authority");
		snprintf(s.o.ca_file, 200, "%s/tls/nothing.pem", server.dir);
		assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c, &err),
			     ERR_CONFIG, &err, "cannot be read");
		setup_done(&s);
	}
}

static int silent_listener(int port)
{
	const char *argv[] = { "/usr/bin/python3",
			       "-c",
			       "import socket,sys,time\ns=socket.socket()\n"
			       "s.bind(('127.0.0.1',int(sys.argv[1])))\ns.listen(9)\n"
			       "open(sys.argv[2],'w').close()\nk=[]\n"
			       "while True: k.append(s.accept())\n",
			       NULL,
			       NULL,
			       NULL };
	char number[16], ready[160];

	snprintf(number, sizeof(number), "%d", port);
	snprintf(ready, sizeof(ready), "%s/silent.%d", server.dir, port);
	argv[3] = number;
	argv[4] = ready;
	return run_server(argv, ready);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void test_a_silent_peer_is_given_up_in_time_and_without_spinning(void **state)
{
	static const struct {
		const char *scheme, *rest;
	} cases[] = {
		{ "ldaps", "  connect_timeout: 900ms\n" },
		{ "ldap", "  connect_timeout: 900ms\n" },
		{ "ldap", "  connect_timeout: 900ms\n  tls: \"off\"\n" },
	};
	int port = free_port();
	pid_t silent = silent_listener(port);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char uri[64];
		struct setup s;
		struct dir_conn *c = NULL;
		struct err err;
		int64_t began = stamp_mono_ms();
		double cpu = cpu_seconds();

		snprintf(uri, sizeof(uri), "%s://127.0.0.1:%d", cases[i].scheme, port);
		setup_made(&s, uri, cases[i].rest);
		assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c, &err),
			     ERR_TIMEOUT, &err, "no answer within 900 ms");
		assert_true(stamp_mono_ms() - began < 6000);
		assert_true(cpu_seconds() - cpu < 0.5);
		setup_done(&s);
	}
	end_server(silent);
}

/* --- binding -------------------------------------------------------------------------------
 */

static void test_wrong_and_empty_passwords_are_told_and_never_tried_elsewhere(void **state)
{
	struct setup s;
	struct dir_conn *c = NULL;
	struct err err;

	(void)state;
	setup_made(&s, "%S %L", "");
	secret_done(&s.password);
	assert_ok(secret_set(&s.password, "wrong", 5, &err), &err);
	assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c, &err),
		     ERR_UNAUTHORIZED, &err, "invalidCredentials");
	assert_null(strstr(err.text, "; ldap:"));
	secret_done(&s.password);
	assert_fault(dir_conn_open(&s.o, &s.password, 0, STAMP_NEVER, NULL, &c, &err),
		     ERR_CONFIG, &err, "password is empty");
	assert_fault(dir_conn_open(&s.o, NULL, 0, STAMP_NEVER, NULL, &c, &err), ERR_CONFIG,
		     &err, "password is empty");
	setup_done(&s);
}

/* --- limits and result codes ---------------------------------------------------------------
 */

static void test_every_result_code_but_success_is_incomplete_and_named(void **state)
{
	static const struct {
		const char *name, *says;
		int code;
	} cases[] = {
		{ "noSuchObject", "(32)", ERR_NOT_FOUND },
		{ "sizeLimit", "(4)", ERR_INCOMPLETE },
		{ "timeLimit", "(3)", ERR_INCOMPLETE },
		{ "adminLimit", "(11)", ERR_INCOMPLETE },
		{ "busy", "busy (51): try again later", ERR_BUSY },
		{ "unavailable", "(52)", ERR_UNAVAILABLE },
		{ "unwilling", "(53)", ERR_REMOTE },
		{ "insufficient", "(50)", ERR_FORBIDDEN },
		{ "other", "(80)", ERR_REMOTE },
		{ "refreshRequired", "(4096)", ERR_INCOMPLETE },
		{ "referral", "(10)", ERR_INCOMPLETE },
		{ "disconnect", NULL, ERR_NETWORK },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char rest[200], base[100];
		struct setup s;
		struct keeper k = { 0 };
		struct dir_verdict v = { 0 };
		struct err err;

		snprintf(base, sizeof(base), "cn=%s,ou=RetCodes," SLAPD_BASE, cases[i].name);
		snprintf(rest, sizeof(rest), "  base: %s\n  attempts: 1\n", base);
		setup_made(&s, "%S", rest);
		assert_ok(read_into(&s, &k, &v, &err), &err);
		assert_false(v.complete);
		if (v.code != cases[i].code)
			fail_msg("%s: %s", cases[i].name, v.why);
		if (!strstr(v.why, base) || (cases[i].says && !strstr(v.why, cases[i].says)))
			fail_msg("%s: %s", cases[i].name, v.why);
		assert_int_equal(k.people.n, 0);
		dir_verdict_done(&v);
		keeper_done(&k);
		setup_done(&s);
	}
}

static void test_accounts_with_limits_end_incomplete_and_the_page_is_named(void **state)
{
	static const struct {
		const char *who, *rest, *says;
		int code;
	} cases[] = {
		/* 500 entries come with success before the limit shows */
		{ "limited", "  page_size: 200\n", "page 3 of " SLAPD_PEOPLE, ERR_INCOMPLETE },
		{ "limited", "  page_size: 200\n", "sizeLimitExceeded (4)", ERR_INCOMPLETE },
		{ "pagecap", "", "adminLimitExceeded (11)", ERR_INCOMPLETE },
		{ "nopage", "", "adminLimitExceeded (11)", ERR_INCOMPLETE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char rest[200];
		struct setup s;
		struct keeper k = { 0 };
		struct dir_verdict v = { 0 };
		struct err err;

		snprintf(rest, sizeof(rest), "  bind_dn: cn=%s,ou=services," SLAPD_BASE "\n%s",
			 cases[i].who, cases[i].rest);
		setup_made(&s, "%S", rest);
		assert_ok(read_into(&s, &k, &v, &err), &err);
		assert_false(v.complete);
		assert_int_equal(v.code, cases[i].code);
		if (!strstr(v.why, cases[i].says))
			fail_msg("%s", v.why);
		assert_int_equal(v.attempts, 1);
		dir_verdict_done(&v);
		keeper_done(&k);
		setup_done(&s);
	}
}

static void test_a_capped_account_reads_all_in_smaller_pages(void **state)
{
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S",
		   "  bind_dn: cn=pagecap,ou=services," SLAPD_BASE "\n  page_size: 100\n");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	if (!v.complete)
		fail_msg("%s", v.why);
	assert_int_equal(v.entries, ldapsearch_count("(objectClass=person)"));
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

/* --- access rules that change --------------------------------------------------------------
 */

static void read_complete(const struct setup *s, struct dir_verdict *v)
{
	struct keeper k = { 0 };
	struct err err;

	assert_ok(read_into(s, &k, v, &err), &err);
	if (!v->complete)
		fail_msg("%s", v->why);
	keeper_done(&k);
}

static bool says(const struct dir_judgement *j, enum dir_reason_kind kind, const char *text)
{
	for (size_t i = 0; i < j->reasons.n; i++)
		if (j->reasons.v[i].kind == kind && strstr(j->reasons.v[i].text, text))
			return true;
	return false;
}

static void test_rights_lost_to_half_of_the_people_are_not_plausible(void **state)
{
	struct setup s;
	struct dir_verdict before = { 0 }, after = { 0 }, again = { 0 };
	struct dir_judgement j = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	read_complete(&s, &before);
	assert_ok(dir_plausible(&before, NULL, &s.o, stamp_now_ms(), &j, &err), &err);
	assert_true(j.plausible);
	dir_judgement_done(&j);
	assert_true(slapd_access_first(
		&server, "to filter=(|(departmentNumber=Legal)(departmentNumber=People)) "
			 "by dn.exact=\"" BRIDGE "\" none by * break"));
	read_complete(&s, &after);
	assert_true(after.entries < before.entries);
	assert_ok(dir_plausible(&after, &before, &s.o, stamp_now_ms(), &j, &err), &err);
	assert_false(j.plausible);
	assert_false(j.absences_count);
	assert_false(j.identity_changed);
	assert_true(says(&j, DIR_REASON_DROP, "fewer"));
	dir_judgement_done(&j);
	assert_true(slapd_access_undo(&server));
	read_complete(&s, &again);
	assert_ok(dir_plausible(&again, &before, &s.o, stamp_now_ms(), &j, &err), &err);
	assert_true(j.plausible);
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&after);
	dir_verdict_done(&again);
	setup_done(&s);
}

static void test_an_attribute_that_became_unreadable_is_unknown_and_not_absent(void **state)
{
	struct setup s;
	struct dir_verdict before = { 0 }, after = { 0 };
	struct dir_judgement j = { 0 };
	const struct dir_attr_stat *lock = NULL;
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	read_complete(&s, &before);
	assert_ok(dir_plausible(&before, NULL, &s.o, stamp_now_ms(), &j, &err), &err);
	dir_judgement_done(&j);
	assert_true(slapd_access_first(&server,
				       "to attrs=pwdAccountLockedTime by dn.exact=\"" BRIDGE
				       "\" none by * break"));
	read_complete(&s, &after);
	assert_true(slapd_access_undo(&server));
	assert_int_equal(after.entries, before.entries);
	assert_int_equal(after.states[DIR_STATE_DISABLED], 0); /* which must not be believed */
	assert_ok(dir_plausible(&after, &before, &s.o, stamp_now_ms(), &j, &err), &err);
	assert_false(j.plausible);
	assert_true(says(&j, DIR_REASON_SCHEMA, "pwdAccountLockedTime"));
	for (size_t i = 0; i < after.attrs.n; i++)
		if (strcmp(after.attrs.v[i].name, "pwdAccountLockedTime") == 0)
			lock = &after.attrs.v[i];
	assert_non_null(lock);
	assert_true(lock->unknown);
	assert_string_equal(lock->paths.v[0], "active");
	/* the next read is held against what was readable */
	assert_true(lock->base_with > 10);
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&after);
	setup_done(&s);
}

static void test_a_canary_shows_a_hidden_attribute_before_the_first_person_comes(void **state)
{
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct dir_judgement j = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S",
		   "  canaries: [\"uid=u000000 has mail\", "
		   "\"uid=edge-state-disabled has pwdAccountLockedTime, mail\"]\n");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_true(v.complete);
	assert_string_equal(k.hidden, "");
	assert_true(v.canaries.v[0].seen && v.canaries.v[1].seen);
	dir_verdict_done(&v);
	assert_true(slapd_access_first(&server,
				       "to attrs=pwdAccountLockedTime by dn.exact=\"" BRIDGE
				       "\" none by * break"));
	k.begins = 0;
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_true(slapd_access_undo(&server));
	assert_true(v.complete);
	assert_string_equal(k.hidden, "pwdAccountLockedTime ");
	assert_string_equal(v.canaries.v[1].lacks, "pwdAccountLockedTime");
	/* nobody is said to be active on the strength of what cannot be seen */
	assert_int_equal(count_state(&k, DIR_STATE_ACTIVE), 0);
	assert_null(json_object_get(person_named(&k, "u000000")->doc, "active"));
	assert_string_equal(person_named(&k, "u000000")->unknown, "active ");
	/* and an explicit sign of another attribute still counts */
	assert_int_equal(person_named(&k, "edge-state-shadow-expired")->state,
			 DIR_STATE_EXPIRED);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);

	setup_made(&s, "%S", "  canaries: [uid=nobody-like-this]\n");
	memset(&k, 0, sizeof(k));
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_true(v.complete);
	assert_false(v.canaries.v[0].seen);
	assert_ok(dir_plausible(&v, NULL, &s.o, stamp_now_ms(), &j, &err), &err);
	assert_false(j.plausible);
	assert_true(says(&j, DIR_REASON_CANARY, "number 1"));
	dir_judgement_done(&j);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

/* --- referrals -----------------------------------------------------------------------------
 */

static void test_a_referral_is_never_followed_and_makes_the_read_incomplete(void **state)
{
	struct setup s;
	struct keeper k = { 0 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	assert_true(
		slapd_modify(&server, SLAPD_ADMIN,
			     "dn: ou=far," SLAPD_PEOPLE "\nchangetype: add\n"
			     "objectClass: referral\nobjectClass: extensibleObject\nou: far\n"
			     "ref: ldap://127.0.0.1:1/ou=far,dc=elsewhere\n"));
	setup_made(&s, "%S", "");
	assert_ok(read_into(&s, &k, &v, &err), &err);
	assert_false(v.complete);
	assert_int_equal(v.code, ERR_INCOMPLETE);
	assert_non_null(strstr(v.why, "ignore_referrals"));
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);

	setup_made(&s, "%S", "  ignore_referrals: [\"OU=Far, dc=elsewhere\"]\n");
	memset(&k, 0, sizeof(k));
	assert_ok(read_into(&s, &k, &v, &err), &err);
	if (!v.complete)
		fail_msg("%s", v.why);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: ou=far," SLAPD_PEOPLE "\nchangetype: delete\n"));
}

/* --- the caller's own -------------------------------------------------------------------- */

static void test_a_read_is_stopped_from_outside_at_once(void **state)
{
	struct setup s;
	struct keeper k = { .stop_at = 700 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	assert_fault(read_into(&s, &k, &v, &err), ERR_CANCELLED, &err, "stopped");
	assert_int_equal(k.ends, 0);
	assert_false(v.complete);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

static void test_a_fault_of_the_keeper_ends_the_read_and_is_the_callers(void **state)
{
	struct setup s;
	struct keeper k = { .refuse_at = 3 };
	struct dir_verdict v = { 0 };
	struct err err;

	(void)state;
	setup_made(&s, "%S", "");
	assert_fault(read_into(&s, &k, &v, &err), ERR_FULL, &err, "the store is full");
	assert_int_equal(k.begins, 1);
	assert_int_equal(k.ends, 0);
	dir_verdict_done(&v);
	keeper_done(&k);
	setup_done(&s);
}

/* A sink that only counts, and needs no memory. */
static int count_begin(void *ctx, const struct dir_begin *begin, struct err *err)
{
	(void)begin;
	(void)err;
	*(size_t *)ctx = 0;
	return 0;
}

static int count_person(void *ctx, const struct dir_person *person, struct err *err)
{
	(void)person;
	(void)err;
	++*(size_t *)ctx;
	return 0;
}

static int count_end(void *ctx, const struct dir_verdict *verdict, struct err *err)
{
	(void)err;
	if (verdict->complete)
		assert_int_equal(*(size_t *)ctx, verdict->entries);
	return 0;
}

static void test_reading_and_looking_up_survive_each_lost_allocation(void **state)
{
	struct setup s;
	struct err err;
	int nth = 0, r;
	bool lost;

	(void)state;
	fault_install();
	setup_made(&s, "%I",
		   "  auth: external\n  filter: (uid=u00003*)\n  page_size: 4\n"
		   "  canaries: [uid=u000030 has mail]\n");
	do {
		size_t people = 0;
		const struct dir_sink sink = { &people, count_begin, count_person, NULL,
					       count_end };
		struct dir_verdict v = { 0 };
		struct dir_lookup one = { .key = "5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1" };

		fault_at(++nth);
		r = dir_read(&s.o, &s.password, &sink, NULL, NULL, &v, &err);
		if (r == 0)
			r = dir_lookup(&s.o, &s.password, v.base_id, &one, 1, NULL, &err);
		lost = fault_fired();
		if (r != 0 && r != -ERR_NOMEM)
			fail_msg("allocation %d: %d: %s", nth, r, err.text);
		if (r == 0 && (!v.complete || one.where != DIR_GONE))
			fail_msg("allocation %d: %s, %s", nth, v.why, one.text);
		dir_verdict_done(&v);
	} while (lost);
	assert_ok(r, &err);
	assert_true(nth > 200);
	setup_done(&s);
}

/* --- looking up ----------------------------------------------------------------------------
 */

static char *uuid_of(const char *uid)
{
	char filter[100], *ret;
	size_t n;
	char **lines;

	snprintf(filter, sizeof(filter), "(uid=%s)", uid);
	lines = slapd_values(&server, SLAPD_BASE, filter, "entryUUID", &n);
	assert_non_null(lines);
	assert_int_equal(n, 1);
	ret = lines[0];
	free(lines);
	return ret;
}

static void test_looking_up_tells_here_elsewhere_unmatched_and_gone(void **state)
{
	struct setup s;
	struct err err;
	char *keys_of[4] = { uuid_of("u000020"), uuid_of("u000021"), uuid_of("u000022"),
			     uuid_of("u000023") };
	struct dir_lookup p[6] = { { .key = keys_of[0] }, { .key = keys_of[1] },
				   { .key = keys_of[2] }, { .key = keys_of[3] },
				   { .key = "*)(uid=*" }, { .key = keys_of[0] } };
	static const enum dir_whereabouts want[6] = { DIR_HERE, DIR_ELSEWHERE, DIR_NOT_MATCHING,
						      DIR_GONE, DIR_UNKNOWN,   DIR_HERE };

	(void)state;
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: uid=u000021," SLAPD_PEOPLE "\nchangetype: modrdn\n"
				 "newrdn: uid=u000021\ndeleteoldrdn: 0\n"
				 "newsuperior: ou=services," SLAPD_BASE "\n\n"
				 "dn: uid=u000022," SLAPD_PEOPLE "\nchangetype: modify\n"
				 "replace: employeeType\nemployeeType: Visitor\n\n"
				 "dn: uid=u000023," SLAPD_PEOPLE "\nchangetype: delete\n\n"
				 "dn: uid=u000020," SLAPD_PEOPLE "\nchangetype: modify\n"
				 "replace: pwdAccountLockedTime\n"
				 "pwdAccountLockedTime: 000001010000Z\n"));
	setup_made(&s, "%S", "  filter: (&(objectClass=person)(!(employeeType=Visitor)))\n");
	assert_ok(dir_lookup(&s.o, &s.password, NULL, p, 6, NULL, &err), &err);
	for (size_t i = 0; i < 6; i++)
		if (p[i].where != want[i])
			fail_msg("person %zu is %s: %s", i, dir_whereabouts_words[p[i].where],
				 p[i].text);
	assert_int_equal(p[0].status.state, DIR_STATE_DISABLED);
	assert_int_equal(p[1].status.state, DIR_STATE_ACTIVE);

	/* another directory than the one that was read */
	assert_ok(dir_lookup(&s.o, &s.password, "00000000-0000-4000-8000-000000000000", p, 4,
			     NULL, &err),
		  &err);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(p[i].where, DIR_UNKNOWN);

	/* an account that cannot search by id is not believed when it finds nobody */
	assert_true(slapd_access_first(&server, "to attrs=entryUUID by dn.exact=\"" BRIDGE
						"\" auth by * break"));
	assert_ok(dir_lookup(&s.o, &s.password, NULL, p, 4, NULL, &err), &err);
	assert_true(slapd_access_undo(&server));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(p[i].where, DIR_UNKNOWN);
	setup_done(&s);

	/* nor is a directory that is not there */
	{
		char uri[64];

		snprintf(uri, sizeof(uri), "ldaps://127.0.0.1:%d", free_port());
		setup_made(&s, uri, "");
		assert_ok(dir_lookup(&s.o, &s.password, NULL, p, 4, NULL, &err), &err);
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(p[i].where, DIR_UNKNOWN);
		setup_done(&s);
	}
	for (size_t i = 0; i < 4; i++)
		free(keys_of[i]);
}

/* --- doctor --------------------------------------------------------------------------------
 */

static const struct dir_right *right_named(const struct dir_probe *p, const char *what)
{
	for (size_t i = 0; i < p->rights.n; i++)
		if (strcmp(p->rights.v[i].what, what) == 0)
			return &p->rights.v[i];
	fail_msg("no right %s", what);
	return NULL;
}

static bool way_says(const struct dir_probe *p, const char *text)
{
	for (size_t i = 0; i < p->ways.n; i++)
		if (strstr(p->ways.v[i], text))
			return true;
	return false;
}

static void test_a_probe_tells_each_right_and_what_grants_the_missing_one(void **state)
{
	struct setup s;
	struct dir_probe p = { 0 };
	const struct dir_right *r;
	struct err err;

	(void)state;
	setup_made(&s, "%S",
		   "  map: { \"enterprise.costCenter\": carLicense }\n"
		   "  canaries: [uid=u000000 has mail]\n");
	assert_ok(dir_probe(&s.o, &s.password, NULL, &p, &err), &err);
	r = right_named(&p, "mail");
	assert_int_equal(r->state, DIR_RIGHT_SEEN);
	assert_non_null(strstr(r->text, "100 of 100 people"));
	r = right_named(&p, "carLicense");
	assert_int_equal(r->state, DIR_RIGHT_NEVER);
	assert_non_null(strstr(r->text, "none of 100 people shows it. If somebody has it"));
	assert_non_null(strstr(r->text, "olcAccess: to dn.subtree="));
	assert_non_null(strstr(r->text, "attrs=carLicense by dn.exact=\"" BRIDGE));
	assert_int_equal(right_named(&p, "entryCSN")->state, DIR_RIGHT_SEEN);
	assert_int_equal(right_named(&p, "contextCSN")->state, DIR_RIGHT_SEEN);
	assert_true(way_says(&p, "syncrepl: can be asked; entryUUID has"));
	assert_true(way_says(&p, "stamp: can be asked; modifyTimestamp has an ordering rule"));
	assert_true(way_says(&p, "dirsync: the server does not list DirSync"));
	assert_true(way_says(&p, "entryusn: the root DSE shows no lastusn"));
	dir_probe_done(&p);
	setup_done(&s);
}

static void test_a_probe_tells_server_account_encryption_and_what_is_readable(void **state)
{
	struct setup s;
	struct dir_probe p = { 0 };
	struct err err;
	bool mail = false, misspelt = false;

	(void)state;
	setup_made(&s, "%S",
		   "  map: { \"enterprise.costCenter\": costCentreNumber }\n"
		   "  canaries: [uid=u000000 has mail]\n");
	assert_ok(dir_probe(&s.o, &s.password, NULL, &p, &err), &err);
	assert_int_equal(p.kind, DIR_OPENLDAP);
	assert_non_null(strstr(p.tls, "TLS"));
	assert_string_equal(p.who, "dn:" BRIDGE);
	assert_true(p.paged);
	assert_non_null(p.base_id);
	assert_int_equal(p.sampled, 100);
	for (size_t i = 0; i < p.attrs.n; i++)
		if (strcmp(p.attrs.v[i].name, "mail") == 0)
			mail = p.attrs.v[i].with == 100;
	assert_true(mail);
	for (size_t i = 0; i < p.unheard.n; i++)
		misspelt |= strcmp(p.unheard.v[i], "costCentreNumber") == 0;
	assert_true(misspelt);
	assert_true(p.canaries.n == 1 && p.canaries.v[0].seen);
	dir_probe_done(&p);
	setup_done(&s);
}

/* --- a server that lies --------------------------------------------------------------------
 */

/* libldap 2.5.13 loses 138 bytes at a notice of disconnection (the words that came with it),
 * and the read must survive that as well. Everything else is watched. */
#ifdef __SANITIZE_ADDRESS__
void __lsan_disable(void);
void __lsan_enable(void);
#else
#define __lsan_disable() ((void)0)
#define __lsan_enable() ((void)0)
#endif

static void test_servers_that_lie_are_not_believed(void **state)
{
	static const struct {
		const char *lie, *rest, *says;
		int code; /* 0: complete */
	} cases[] = {
		{ "honest", "", NULL, 0 },
		{ "twice", "", NULL, 0 },
		{ "same-cookie", "", "same page cookie twice", ERR_INCOMPLETE },
		{ "same-page", "", "brought nothing new", ERR_INCOMPLETE },
		{ "no-control", "", "allow_unpaged", ERR_INCOMPLETE },
		{ "endless", "", "the page never ends", ERR_INCOMPLETE },
		{ "honest", "  max_entries: 30\n", "more than 30 entries", ERR_LIMIT },
		{ "huge", "", "and max_message is 16777216", ERR_LIMIT },
		{ "changed", "", "changed in between", ERR_BUSY },
		{ "nobody", "", "as nobody", ERR_FORBIDDEN },
		{ "other", "", "not as bind_dn", ERR_FORBIDDEN },
		{ "no-id", "", "no readable entryUUID", ERR_INVALID_VALUE },
		{ "no-base", "", "hidden from the bind account", ERR_NOT_FOUND },
		{ "not-ldap", "", "page 2 of", 0 },
		{ "wrong-type", "", "page 2 of", 0 },
		{ "reference", "", "a referral", ERR_INCOMPLETE },
		{ "trickle", "  answer_timeout: 500ms\n", "page 2 of", ERR_TIMEOUT },
		{ "hang", "  answer_timeout: 500ms\n", "page 2 of", ERR_TIMEOUT },
		{ "notice", "", "page 2 of", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char uri[64], port[16], ready[160], rest[200];
		const char *argv[] = { "/usr/bin/python3",
				       "tests/servers/lyingldap.py",
				       port,
				       cases[i].lie,
				       "--ready",
				       ready,
				       NULL };
		int number = free_port();
		pid_t liar;
		struct setup s;
		struct keeper k = { 0 };
		struct dir_verdict v = { 0 };
		struct err err;

		snprintf(port, sizeof(port), "%d", number);
		snprintf(ready, sizeof(ready), "%s/liar.%d", server.dir, number);
		liar = run_server(argv, ready);
		snprintf(uri, sizeof(uri), "ldap://127.0.0.1:%d", number);
		snprintf(rest, sizeof(rest),
			 "  tls: \"off\"\n  attempts: 1\n  page_size: 20\n%s", cases[i].rest);
		setup_made(&s, uri, rest);
		if (strcmp(cases[i].lie, "notice") == 0)
			__lsan_disable();
		assert_ok(read_into(&s, &k, &v, &err), &err);
		if (strcmp(cases[i].lie, "notice") == 0)
			__lsan_enable();
		end_server(liar);
		if (v.complete != !cases[i].says)
			fail_msg("%s: complete=%d: %s", cases[i].lie, v.complete, v.why);
		if (cases[i].says && !strstr(v.why, cases[i].says))
			fail_msg("%s: %s", cases[i].lie, v.why);
		if (cases[i].code && v.code != cases[i].code)
			fail_msg("%s: %s: %s", cases[i].lie, err_class(v.code)->symbol, v.why);
		if (v.complete)
			assert_int_equal(v.entries, 50);
		assert_true(v.duration_ms < 20000);
		dir_verdict_done(&v);
		keeper_done(&k);
		setup_done(&s);
	}
}

static int start(void **state)
{
	struct err err;

	(void)state;
	if (secret_start(&err) < 0 || dir_start(&err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	slapd_start(&server, PEOPLE, "server");
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
		cmocka_unit_test(test_a_read_over_ldaps_is_what_ldapsearch_shows),
		cmocka_unit_test(test_a_read_over_start_tls_is_what_ldapsearch_shows),
		cmocka_unit_test(test_a_read_over_ldapi_by_our_uid_is_what_ldapsearch_shows),
		cmocka_unit_test(test_a_read_in_the_clear_on_loopback_is_what_ldapsearch_shows),
		cmocka_unit_test(test_account_states_are_decoded_as_the_directory_holds_them),
		cmocka_unit_test(test_names_keep_their_letters_and_managers_their_place),
		cmocka_unit_test(test_a_second_read_shows_only_whom_it_does_not_know),
		cmocka_unit_test(
			test_an_entry_is_shown_with_what_each_row_of_the_map_made_of_it),
		cmocka_unit_test(test_an_entry_that_is_not_there_is_not_shown),
		cmocka_unit_test(test_success_without_entries_is_complete_and_not_plausible),
		cmocka_unit_test(test_a_connection_cut_in_page_three_is_started_over),
		cmocka_unit_test(test_a_connection_cut_in_page_three_each_time_is_incomplete),
		cmocka_unit_test(test_the_next_url_is_asked_when_the_first_is_away),
		cmocka_unit_test(
			test_an_unreachable_directory_is_a_verdict_that_names_every_url),
		cmocka_unit_test(
			test_a_certificate_that_does_not_verify_is_refused_and_the_cause_named),
		cmocka_unit_test(test_a_silent_peer_is_given_up_in_time_and_without_spinning),
		cmocka_unit_test(
			test_wrong_and_empty_passwords_are_told_and_never_tried_elsewhere),
		cmocka_unit_test(test_every_result_code_but_success_is_incomplete_and_named),
		cmocka_unit_test(
			test_accounts_with_limits_end_incomplete_and_the_page_is_named),
		cmocka_unit_test(test_a_capped_account_reads_all_in_smaller_pages),
		cmocka_unit_test(test_rights_lost_to_half_of_the_people_are_not_plausible),
		cmocka_unit_test(
			test_an_attribute_that_became_unreadable_is_unknown_and_not_absent),
		cmocka_unit_test(
			test_a_canary_shows_a_hidden_attribute_before_the_first_person_comes),
		cmocka_unit_test(
			test_a_referral_is_never_followed_and_makes_the_read_incomplete),
		cmocka_unit_test(test_a_read_is_stopped_from_outside_at_once),
		cmocka_unit_test(test_a_fault_of_the_keeper_ends_the_read_and_is_the_callers),
		cmocka_unit_test(test_reading_and_looking_up_survive_each_lost_allocation),
		cmocka_unit_test(test_looking_up_tells_here_elsewhere_unmatched_and_gone),
		cmocka_unit_test(test_a_probe_tells_each_right_and_what_grants_the_missing_one),
		cmocka_unit_test(
			test_a_probe_tells_server_account_encryption_and_what_is_readable),
		cmocka_unit_test(test_servers_that_lie_are_not_believed),
		cmocka_unit_test(test_a_password_leaves_no_trace_in_memory),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
