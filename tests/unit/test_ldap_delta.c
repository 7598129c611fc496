#include "tests/lib/test.h"

#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "ldap/groups.h"
#include "ldap/source.h"
#include "ldap/watch.h"
#include "tests/lib/slapd.h"

/*
 * Deltas and groups against a real slapd, one for all tests here: by every way that slapd
 * offers, and with cookies that are wrong in every way that was seen live.
 */
#define PEOPLE 300
#define BRIDGE "cn=bridge,ou=services," SLAPD_BASE

/* Trap 10: the bind of the poller writes to its own entry, so slapd names that id in every
 * deletion set, though it was never among the people. */
#define OURSELVES 1

static struct slapd server;

struct setup {
	struct dir_options o;
	struct secret password;
};

static const struct conf_key keys[] = { { "ldap", CONF_SECTION, 0, .sub = dir_option_keys,
					  .sub_size = sizeof(struct dir_options) },
					{ 0 } };

/* Over ldapi, as the user who runs the test: little of it is libldap's and TLS's own. */
static void external_made(struct setup *s, const char *rest)
{
	struct conf_faults faults = { 0 };
	char text[2048], folder[300] = "", *to = folder;
	struct err err;

	memset(s, 0, sizeof(*s));
	for (const char *p = server.dir; *p; p++)
		to += sprintf(to, *p == '/' ? "%%2F" : "%c", *p);
	snprintf(text, sizeof(text),
		 "ldap:\n  auth: external\n  base: %s\n  uris: "
		 "[\"ldapi://%s%%2Frun%%2Fldapi\"]\n%s",
		 SLAPD_PEOPLE, folder, rest);
	if (conf_read_text("test", str_of(text), keys, &s->o, &faults, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	s->o.name = "corp";
	assert_ok(dir_options_check(&s->o, NULL, &err), &err);
	conf_faults_free(&faults);
}

static void setup_made(struct setup *s, const char *rest)
{
	struct conf_faults faults = { 0 };
	char text[2048];
	struct err err;

	memset(s, 0, sizeof(*s));
	snprintf(text, sizeof(text),
		 "ldap:\n  ca_file: %s/tls/ca.pem\n  bind_dn: %s\n  bind_password: reader\n"
		 "  base: %s\n  uris: [\"ldaps://127.0.0.1:%d\"]\n%s",
		 server.dir, BRIDGE, SLAPD_PEOPLE, server.port + 1, rest);
	if (conf_read_text("test", str_of(text), keys, &s->o, &faults, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	s->o.name = "corp";
	assert_ok(dir_options_check(&s->o, NULL, &err), &err);
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

/* --- a sink that counts --------------------------------------------------------------------
 */

struct heard {
	int people, seen, absent;
	char name[64]; /* of the last one */
	bool active;
	bool know_nobody; /* every id that is seen is a new one */
};

static int on_person(void *ctx, const struct dir_person *p, struct err *err)
{
	struct heard *h = ctx;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	const char *name;

	assert_ok(jx_parse(p->doc, JX_LENIENT, &doc, err), err);
	name = jx_get_text(doc, "userName");
	h->people++;
	snprintf(h->name, sizeof(h->name), "%s", name ? name : "");
	h->active = json_is_true(json_object_get(doc, "active"));
	return 0;
}

static int on_seen(void *ctx, const char *key, struct err *err)
{
	struct heard *h = ctx;

	(void)key;
	(void)err;
	h->seen++;
	return h->know_nobody ? DIR_LOOK : 0;
}

static int on_absent(void *ctx, const char *key, struct err *err)
{
	struct heard *h = ctx;

	(void)err;
	assert_int_equal(strlen(key), 36);
	h->absent++;
	return 0;
}

static int ask(const struct setup *s, const char *cursor, struct heard *h, struct dir_delta *d)
{
	const struct dir_delta_sink sink = { h, on_person, on_seen, on_absent };
	struct err err = { 0 };
	int r;

	memset(d, 0, sizeof(*d));
	if (h)
		*h = (struct heard){ .know_nobody = h->know_nobody };
	r = dir_delta(&s->o, &s->password, cursor, h ? &sink : NULL, NULL, d, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	return r;
}

/* The cursor from which a delta would start now; the caller frees it. */
static char *mark(const struct setup *s)
{
	struct dir_delta d;
	char *cursor;

	assert_int_equal(ask(s, NULL, NULL, &d), 0);
	cursor = TAKE(d.cursor);
	dir_delta_done(&d);
	assert_non_null(cursor);
	return cursor;
}

static void title(int n, const char *value)
{
	char ldif[256];

	snprintf(ldif, sizeof(ldif),
		 "dn: uid=u%06d,%s\nchangetype: modify\nreplace: title\ntitle: %s\n", n,
		 SLAPD_PEOPLE, value);
	assert_true(slapd_modify(&server, SLAPD_ADMIN, ldif));
}

/* --- ways ----------------------------------------------------------------------------------
 */

static void test_by_each_way_one_change_names_one_person(void **state)
{
	static const char *const ways[] = { "syncrepl", "stamp" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		char rest[64], value[32];
		struct heard h = { 0 };
		struct dir_delta d;
		struct setup s;
		char *cursor;

		snprintf(rest, sizeof(rest), "  delta: %s\n", ways[i]);
		setup_made(&s, rest);
		cursor = mark(&s);
		snprintf(value, sizeof(value), "by %s", ways[i]);
		title(7, value);
		assert_int_equal(ask(&s, cursor, &h, &d), 0);
		/* the overlap looks at more; the sweep sees everybody */
		assert_true(i == 0 ? h.people == 1 && h.seen == 0
				   : h.people >= 1 && h.seen > PEOPLE);
		assert_int_equal(h.absent, i == 0 ? OURSELVES : 0);
		if (i == 0)
			assert_true(strncmp(h.name, "u000007", 7) == 0);
		dir_delta_done(&d);
		free(cursor);
		setup_done(&s);
	}
}

static void test_nothing_changed_is_quick_and_brings_nobody(void **state)
{
	struct heard h = { 0 };
	struct dir_delta d;
	struct setup s;
	char *cursor;

	(void)state;
	setup_made(&s, "");
	cursor = mark(&s);
	assert_int_equal(ask(&s, cursor, &h, &d), 0);
	assert_int_equal(h.people + h.seen, 0);
	assert_int_equal(h.absent, OURSELVES);
	assert_int_equal(d.strategy, DIR_SYNCREPL);
	assert_non_null(d.cursor);
	dir_delta_done(&d);
	free(cursor);
	setup_done(&s);
}

/* An id of the deletion set is looked for, and given as absent, no more. */
static void test_who_is_deleted_is_given_as_absent(void **state)
{
	struct heard h = { 0 };
	struct dir_delta d;
	struct setup s;
	char *cursor;

	(void)state;
	setup_made(&s, "");
	cursor = mark(&s);
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: uid=u000008," SLAPD_PEOPLE "\nchangetype: delete\n"));
	assert_int_equal(ask(&s, cursor, &h, &d), 0);
	assert_int_equal(h.people, 0);
	assert_int_equal(h.absent, 1 + OURSELVES);
	dir_delta_done(&d);
	free(cursor);
	setup_done(&s);
}

/* The session log is lost with a restart: then all who are present are named. */
static void test_after_a_restart_everybody_is_seen(void **state)
{
	struct heard h = { 0 };
	struct dir_delta d;
	struct setup s;
	char *cursor;

	(void)state;
	setup_made(&s, "");
	cursor = mark(&s);
	title(9, "before the restart");
	slapd_restart(&server, "server");
	assert_int_equal(ask(&s, cursor, &h, &d), 0);
	assert_true(h.people >= 1);
	assert_true(h.seen > PEOPLE - 2);
	dir_delta_done(&d);
	/* whom we do not know is read, too */
	h.know_nobody = true;
	assert_int_equal(ask(&s, cursor, &h, &d), 0);
	/* who changed comes as an entry and among the ids, and is read once */
	assert_in_range(h.people + h.absent, h.seen - 1, h.seen);
	dir_delta_done(&d);
	free(cursor);
	setup_done(&s);
}

/* --- wrong cookies -------------------------------------------------------------------------
 */

#define FROM_THE_FUTURE "csn=2099"

/* The cursor with another cookie; or with its own, whose year is to come. */
static char *with_at(const char *cursor, const char *at)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	struct buf raw, text, own;
	struct err err;
	char *ret, *csn;

	buf_init(&raw, 4096);
	buf_init(&own, 4096);
	buf_init(&text, 65536);
	assert_ok(jx_parse(str_of(cursor), JX_LENIENT, &j, &err), &err);
	assert_true(enc_unbase64(&own, str_of(jx_get_text(j, "at"))));
	csn = strstr(own.p, "csn=");
	assert_non_null(csn);
	memcpy(csn, FROM_THE_FUTURE, strlen(FROM_THE_FUTURE));
	if (strcmp(at, FROM_THE_FUTURE) == 0)
		at = own.p;
	enc_base64(&raw, at, strlen(at));
	assert_int_equal(json_object_set_new(j, "at", json_stringn(raw.p, raw.len)), 0);
	assert_ok(jx_canonical(j, &text, &err), &err);
	ret = buf_take(&text, NULL);
	buf_done(&raw);
	buf_done(&own);
	buf_done(&text);
	return ret;
}

static void test_wrong_cookies_end_in_a_full_read_and_never_in_silence(void **state)
{
	static const struct {
		const char *at; /* NULL: as it is */
		const char *rest;
		const char *says;
	} bad[] = {
		/* trap 8: slapd would answer another question with "nothing changed" */
		{ NULL, "  filter: (departmentNumber=Legal)\n", "another question" },
		{ NULL, "  delta: stamp\n", "another way" },
		/* trap 9: everything with success, refreshDeletes TRUE and an empty cookie */
		{ "nonsense", "", "" },
		/* newer than the server, which was put back from a backup: 53 */
		{ FROM_THE_FUTURE, "", "newer" },
	};
	struct setup s;
	char *cursor;

	(void)state;
	setup_made(&s, "");
	cursor = mark(&s);
	setup_done(&s);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char *wrong = bad[i].at ? with_at(cursor, bad[i].at) : strdup(cursor);
		struct heard h = { 0 };
		struct dir_delta d;
		int r;

		setup_made(&s, bad[i].rest);
		r = ask(&s, wrong, &h, &d);
		if (r != DIR_DELTA_FULL || !d.reason[0] || !strstr(d.reason, bad[i].says) ||
		    h.people + h.absent + h.seen)
			fail_msg("row %zu: %d, %s, %d people", i, r, d.reason, h.people);
		dir_delta_done(&d);
		/* and a mark is made anew */
		assert_int_equal(ask(&s, wrong, NULL, &d), 0);
		assert_non_null(d.cursor);
		dir_delta_done(&d);
		free(wrong);
		setup_done(&s);
	}
	free(cursor);
}

/* Half a cookie is answered with everybody, refreshDeletes TRUE and a good cookie: nothing
 * shows who left. That most are said to have changed is the sign (bridge/rounds_delta.c). */
static void test_half_a_cookie_names_everybody(void **state)
{
	struct heard h = { 0 };
	struct dir_delta d;
	struct setup s;
	char *cursor, *wrong;

	(void)state;
	setup_made(&s, "");
	cursor = mark(&s);
	wrong = with_at(cursor, "rid=000,csn=nonsense");
	assert_int_equal(ask(&s, wrong, &h, &d), 0);
	assert_true(h.people > PEOPLE - 2);
	assert_int_equal(d.named, h.people + h.absent);
	dir_delta_done(&d);
	free(wrong);
	free(cursor);
	setup_done(&s);
}

static void test_without_a_cursor_or_with_a_torn_one_all_is_read(void **state)
{
	static const char *const torn[] = { NULL, "", "{", "{}", "[]", "{\"strategy\":1}" };
	struct setup s;

	(void)state;
	setup_made(&s, "");
	for (size_t i = 0; i < COUNT_OF(torn); i++) {
		struct heard h = { 0 };
		struct dir_delta d;

		assert_int_equal(ask(&s, torn[i], &h, &d), DIR_DELTA_FULL);
		assert_true(d.reason[0] != '\0');
		dir_delta_done(&d);
	}
	setup_done(&s);
}

/* Trap 14: a cookie never learns of an access rule; the canary does. */
static void test_a_hidden_canary_shows_in_a_delta(void **state)
{
	struct heard h = { 0 };
	struct dir_delta d;
	struct setup s;
	char *cursor;

	(void)state;
	setup_made(&s, "  canaries: [\"uid=u000010 has mail\"]\n");
	cursor = mark(&s);
	assert_true(slapd_access_first(&server, "to attrs=mail by * none"));
	assert_int_equal(ask(&s, cursor, &h, &d), 0);
	assert_true(d.canaries.v[0].seen);
	assert_string_equal(d.canaries.v[0].lacks, "mail");
	dir_delta_done(&d);
	assert_true(slapd_access_undo(&server));
	free(cursor);
	setup_done(&s);
}

/* --- groups --------------------------------------------------------------------------------
 */

struct lists {
	int names, groups, unknown;
	size_t legal; /* members of dept-Legal */
	char why[128];
};

static int on_name(void *ctx, const char *key, const char *name, struct err *err)
{
	(void)key;
	(void)name;
	(void)err;
	((struct lists *)ctx)->names++;
	return 0;
}

static int on_group(void *ctx, const struct dir_group *g, struct err *err)
{
	struct lists *l = ctx;

	(void)err;
	l->groups++;
	l->unknown += !g->known;
	if (!g->known)
		snprintf(l->why, sizeof(l->why), "%s", g->why);
	if (strcmp(g->name, "dept-Legal") == 0)
		l->legal = g->people_n;
	return 0;
}

static void groups_of(const struct setup *s, struct lists *l, struct dir_groups_verdict *v)
{
	const struct dir_group_sink sink = { l, on_name, on_group };
	struct err err = { 0 };

	*l = (struct lists){ 0 };
	if (dir_groups_read(&s->o, &s->password, &sink, NULL, v, &err) != 0)
		fail_msg("%s", err.text);
}

#define GROUPS "  groups_base: ou=groups," SLAPD_BASE "\n"

static void test_members_are_those_that_ldapsearch_shows(void **state)
{
	struct dir_groups_verdict v;
	struct lists l;
	struct setup s;
	size_t n;
	char **lines;

	(void)state;
	setup_made(&s, GROUPS);
	groups_of(&s, &l, &v);
	lines = slapd_values(&server, "cn=dept-Legal,ou=groups," SLAPD_BASE, "(objectClass=*)",
			     "member", &n);
	assert_non_null(lines);
	assert_true(v.complete);
	assert_int_equal(l.names, l.groups);
	assert_int_equal(l.unknown, 0);
	/* u000008 was deleted above, and slapd leaves the dead in lists */
	assert_true(l.legal == n || l.legal + 1 == n);
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
	setup_done(&s);
}

/* A list that access rules hide is not an empty list. */
static void test_hidden_lists_are_unknown(void **state)
{
	struct dir_groups_verdict v;
	struct lists l;
	struct setup s;

	(void)state;
	setup_made(&s, GROUPS);
	assert_true(slapd_access_first(&server, "to attrs=member by * none"));
	groups_of(&s, &l, &v);
	assert_true(v.complete);
	assert_true(l.unknown > 5);
	assert_non_null(strstr(l.why, "hidden"));
	assert_int_equal(v.unknown, l.unknown);
	assert_true(slapd_access_undo(&server));
	setup_done(&s);
}

static void test_a_base_of_groups_that_is_not_there_is_no_empty_list(void **state)
{
	struct dir_groups_verdict v;
	struct lists l;
	struct setup s;

	(void)state;
	setup_made(&s, "  groups_base: ou=nowhere," SLAPD_BASE "\n");
	groups_of(&s, &l, &v);
	assert_false(v.complete);
	assert_int_equal(l.names + l.groups, 0);
	assert_non_null(strstr(v.why, "ou=nowhere"));
	setup_done(&s);
}

/* --- lost memory ---------------------------------------------------------------------------
 */

static int few_people(void *ctx, const struct dir_person *p, struct err *err)
{
	(void)p;
	(void)err;
	++*(int *)ctx;
	return 0;
}

static int few_ids(void *ctx, const char *key, struct err *err)
{
	(void)ctx;
	(void)key;
	(void)err;
	return 0;
}

static void test_deltas_survive_each_lost_allocation(void **state)
{
	static const char *const ways[] = { "syncrepl", "stamp" };

	(void)state;
	fault_install();
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		char rest[256], value[32];
		struct setup s;
		int nth = 0, r;
		char *cursor;
		bool lost;

		snprintf(rest, sizeof(rest),
			 "  filter: (uid=u00002*)\n  delta: %s\n" GROUPS
			 "  groups_filter: (cn=dept-Legal)\n",
			 ways[i]);
		external_made(&s, rest);
		cursor = mark(&s);
		snprintf(value, sizeof(value), "lost %zu", i);
		title(22, value);
		do {
			int people = 0;
			const struct dir_delta_sink sink = { &people, few_people, few_ids,
							     few_ids };
			struct dir_delta d = { 0 };
			struct err err = { 0 };

			fault_at(++nth);
			r = dir_delta(&s.o, &s.password, cursor, &sink, NULL, &d, &err);
			lost = fault_fired();
			if (r != 0 && r != -ERR_NOMEM)
				fail_msg("%s, allocation %d: %d: %s %s", ways[i], nth, r,
					 err.text, d.reason);
			if (r == 0 && (people < 1 || !d.cursor))
				fail_msg("%s, allocation %d: %d people", ways[i], nth, people);
			dir_delta_done(&d);
		} while (lost);
		assert_int_equal(r, 0);
		assert_true(nth > 100);
		free(cursor);
		setup_done(&s);
	}
}

static int on_nothing(void *ctx, const char *key, const char *name, struct err *err)
{
	(void)ctx;
	(void)key;
	(void)name;
	(void)err;
	return 0;
}

static int few_groups(void *ctx, const struct dir_group *g, struct err *err)
{
	(void)err;
	*(size_t *)ctx += g->people_n;
	return 0;
}

static void test_groups_survive_each_lost_allocation(void **state)
{
	struct setup s;
	int nth = 0, r;
	bool lost;

	(void)state;
	fault_install();
	external_made(&s, "  filter: (uid=u00002*)\n" GROUPS
			  "  groups_filter: (|(cn=dept-Legal)(cn=cycle-a)(cn=posix-uids))\n");
	do {
		size_t members = 0;
		const struct dir_group_sink sink = { &members, on_nothing, few_groups };
		struct dir_groups_verdict v;
		struct err err = { 0 };

		fault_at(++nth);
		r = dir_groups_read(&s.o, &s.password, &sink, NULL, &v, &err);
		lost = fault_fired();
		if (r != 0 && r != -ERR_NOMEM)
			fail_msg("allocation %d: %d: %s", nth, r, err.text);
		if (r == 0 && (!v.complete || v.groups != 3))
			fail_msg("allocation %d: %s", nth, v.why);
	} while (lost);
	assert_int_equal(r, 0);
	assert_true(nth > 100);
	setup_done(&s);
}

/* --- more than anybody can mean
 * ---------------------------------------------------------------
 */

/* A directory that names more than anybody can mean: given up at a bound, with what it is. */
static void test_too_many_ids_are_given_up_and_all_is_read(void **state)
{
	static const struct {
		const char *lie, *says;
	} cases[] = {
		{ "present", "more than 2000000 people as still there" },
		{ "changed-all", "more than 20000 people are said to have changed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char port[16], ready[200], rest[200];
		const char *argv[] = { "/usr/bin/python3",
				       "tests/servers/lyingldap.py",
				       port,
				       cases[i].lie,
				       "--ready",
				       ready,
				       NULL };
		int number = free_port();
		struct heard h = { 0 };
		struct dir_delta d;
		struct setup s;
		char *cursor;
		pid_t liar;

		snprintf(port, sizeof(port), "%d", number);
		snprintf(ready, sizeof(ready), "%s/liar.%d", server.dir, number);
		liar = run_server(argv, ready);
		snprintf(rest, sizeof(rest), "  tls: \"off\"\n");
		setup_made(&s, rest);
		snprintf(s.o.uris.v[0], strlen(s.o.uris.v[0]) + 1, "ldap://127.0.0.1:%d",
			 number);
		cursor = mark(&s);
		assert_int_equal(ask(&s, cursor, &h, &d), DIR_DELTA_FULL);
		if (!strstr(d.reason, cases[i].says))
			fail_msg("%s: %s", cases[i].lie, d.reason);
		assert_int_equal(h.people + h.seen + h.absent, 0);
		dir_delta_done(&d);
		/* and where one would start is known on the same connection */
		assert_int_equal(ask(&s, cursor, NULL, &d), 0);
		assert_non_null(d.cursor);
		dir_delta_done(&d);
		end_server(liar);
		free(cursor);
		setup_done(&s);
	}
}

static int begin(void **state)
{
	struct err err;

	(void)state;
	if (dir_start(&err) < 0)
		fail_msg("%s", err.text);
	slapd_start(&server, PEOPLE, "server");
	return 0;
}

static int end(void **state)
{
	(void)state;
	slapd_stop(&server);
	return 0;
}

/* --- being told ----------------------------------------------------------------------------
 */

static void title_set(int n, const char *title)
{
	char ldif[256];

	snprintf(ldif, sizeof(ldif),
		 "dn: uid=u%06d," SLAPD_PEOPLE
		 "\nchangetype: modify\nreplace: title\ntitle: %s\n",
		 n, title);
	assert_true(slapd_modify(&server, SLAPD_ADMIN, ldif));
}

/* Waits in pieces, as the daemon does. */
static int told_within(struct dir_watch *w, int64_t ms, struct err *err)
{
	int64_t until_ms = stamp_mono_ms() + ms;
	int r = 0;

	while (r == 0 && stamp_mono_ms() < until_ms)
		r = dir_watch_wait(w, 50, err);
	return r;
}

static void test_a_change_is_told_as_it_happens_and_a_burst_is_one(void **state)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;
	struct setup s;
	struct err err;

	(void)state;
	setup_made(&s, "");
	assert_ok(dir_watch_open(&s.o, &s.password, NULL, &w, &err), &err);
	while (dir_watch_wait(w, 300, &err) > 0)
		; /* what the server says at the beginning */
	assert_int_equal(dir_watch_wait(w, 200, &err), 0);
	for (int i = 0; i < 20; i++)
		title_set(20 + i, "Told");
	assert_int_equal(told_within(w, 20000, &err), DIR_WATCH_CHANGED);
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: uid=u000040," SLAPD_PEOPLE "\nchangetype: delete\n"));
	while (dir_watch_wait(w, 300, &err) > 0)
		;
	/* another part of the tree is none of ours */
	assert_true(slapd_modify(&server, SLAPD_ADMIN,
				 "dn: ou=services," SLAPD_BASE
				 "\nchangetype: modify\nreplace: description\n"
				 "description: elsewhere\n"));
	assert_int_equal(dir_watch_wait(w, 300, &err), 0);
	setup_done(&s);
}

static void test_where_there_are_no_deltas_nobody_is_told(void **state)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *by_stamps = NULL;
	struct dir_watch *w = NULL;
	struct setup s;
	struct err err;

	(void)state;
	setup_made(&s, "  delta: full\n");
	assert_int_equal(dir_watch_open(&s.o, &s.password, NULL, &w, &err), DIR_WATCH_NONE);
	assert_null(w);
	assert_non_null(strstr(err.text, "full reads only"));
	setup_done(&s);
	/* what is told is only that something changed: how that is looked at is another matter
	 */
	setup_made(&s, "  delta: stamp\n");
	assert_ok(dir_watch_open(&s.o, &s.password, NULL, &by_stamps, &err), &err);
	assert_int_equal(dir_watch_way_of(by_stamps), DIR_WATCH_SYNC);
	setup_done(&s);
}

static void test_a_server_that_ends_ends_the_watch(void **state)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;
	struct setup s;
	struct err err;
	int r;

	(void)state;
	setup_made(&s, "");
	assert_ok(dir_watch_open(&s.o, &s.password, NULL, &w, &err), &err);
	slapd_restart(&server, "server");
	do
		r = told_within(w, 20000, &err);
	while (r > 0);
	assert_true(r < 0);
	setup_done(&s);
}

static void test_a_watch_is_stopped_from_outside(void **state)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = NULL;
	atomic_bool cancel;
	struct setup s;
	struct err err;

	(void)state;
	atomic_init(&cancel, false);
	setup_made(&s, "");
	assert_ok(dir_watch_open(&s.o, &s.password, &cancel, &w, &err), &err);
	atomic_store(&cancel, true);
	assert_int_equal(dir_watch_wait(w, 60000, &err), -ERR_CANCELLED);
	setup_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_each_way_one_change_names_one_person),
		cmocka_unit_test(test_nothing_changed_is_quick_and_brings_nobody),
		cmocka_unit_test(test_who_is_deleted_is_given_as_absent),
		cmocka_unit_test(test_wrong_cookies_end_in_a_full_read_and_never_in_silence),
		cmocka_unit_test(test_half_a_cookie_names_everybody),
		cmocka_unit_test(test_without_a_cursor_or_with_a_torn_one_all_is_read),
		cmocka_unit_test(test_a_hidden_canary_shows_in_a_delta),
		cmocka_unit_test(test_members_are_those_that_ldapsearch_shows),
		cmocka_unit_test(test_hidden_lists_are_unknown),
		cmocka_unit_test(test_a_base_of_groups_that_is_not_there_is_no_empty_list),
		cmocka_unit_test(test_deltas_survive_each_lost_allocation),
		cmocka_unit_test(test_groups_survive_each_lost_allocation),
		cmocka_unit_test(test_too_many_ids_are_given_up_and_all_is_read),
		cmocka_unit_test(test_a_change_is_told_as_it_happens_and_a_burst_is_one),
		cmocka_unit_test(test_where_there_are_no_deltas_nobody_is_told),
		cmocka_unit_test(test_a_watch_is_stopped_from_outside),
		cmocka_unit_test(test_after_a_restart_everybody_is_seen),
		cmocka_unit_test(test_a_server_that_ends_ends_the_watch),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
