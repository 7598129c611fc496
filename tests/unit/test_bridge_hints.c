#include "tests/lib/test.h"

#include "base/secret.h"
#include "base/stamp.h"
#include "bridge/hints.h"
#include "ldap/watch.h"
#include "tests/lib/slapd.h"

/* When a directory's word is heeded, against a real slapd; by our uid, so that no vault is
 * needed. */

#define MANY_WAITS 400 /* of 50 ms: what comes, comes long before */

static struct slapd server;

struct setup {
	struct app app;
	struct config_source source;
	atomic_bool stop;
	struct hints h;
};

static const struct conf_key keys[] = { { "ldap", CONF_SECTION, 0, .sub = dir_option_keys,
					  .sub_size = sizeof(struct dir_options) },
					{ 0 } };

static void setup_made(struct setup *s, const char *more)
{
	struct conf_faults faults = { 0 };
	char text[2048], socket[300], *to = socket;
	struct err err;

	memset(s, 0, sizeof(*s));
	for (const char *p = server.dir; *p; p++)
		to += sprintf(to, *p == '/' ? "%%2F" : "%c", *p);
	snprintf(text, sizeof(text),
		 "ldap:\n  uris: [\"ldapi://%s%%2Frun%%2Fldapi\"]\n  auth: external\n"
		 "  base: " SLAPD_PEOPLE "\n%s",
		 socket, more);
	if (conf_read_text("test", str_of(text), keys, &s->source.ldap, &faults, &err) < 0)
		fail_msg("%s\n%s", err.text, text);
	s->source.kind = CONFIG_LDAP;
	s->source.name = (char *)(uintptr_t) "corp";
	s->source.ldap.name = s->source.name;
	atomic_init(&s->stop, false);
	hints_init(&s->h, &s->app, &s->source, &s->stop);
	conf_faults_free(&faults);
}

static void setup_done(struct setup *s)
{
	hints_done(&s->h);
	conf_free(keys, &s->source.ldap);
}

static bool told(struct setup *s)
{
	for (int i = 0; i < MANY_WAITS; i++)
		if (hints_look(&s->h, 50))
			return true;
	return false;
}

static void change(const char *title)
{
	char ldif[300];

	snprintf(ldif, sizeof(ldif),
		 "dn: uid=u000003," SLAPD_PEOPLE "\nchangetype: modify\nreplace: title\n"
		 "title: %s\n",
		 title);
	assert_true(slapd_modify(&server, SLAPD_ADMIN, ldif));
}

static void test_without_live_nobody_listens(void **state)
{
	struct setup s;

	(void)state;
	setup_made(&s, "");
	for (int i = 0; i < 3; i++)
		assert_false(hints_look(&s.h, 10));
	assert_false(hints_waits(&s.h));
	assert_null(s.h.watch);
	setup_done(&s);
}

static void test_a_change_asks_for_a_look_and_silence_for_none(void **state)
{
	struct setup s;

	(void)state;
	setup_made(&s, "  live: true\n");
	assert_true(hints_look(&s.h, 10)); /* what happened while nobody listened */
	assert_true(hints_waits(&s.h));
	hints_looked(&s.h, true);
	for (int i = 0; i < 25; i++) /* past the rest of a second */
		assert_false(hints_look(&s.h, 50));
	change("Told");
	assert_true(told(&s));
	setup_done(&s);
}

static void
test_looks_that_find_nothing_become_rarer_and_one_that_does_often_again(void **state)
{
	struct setup s;
	int64_t rest;

	(void)state;
	setup_made(&s, "  live: true\n");
	assert_true(hints_look(&s.h, 10));
	rest = s.h.rest_ms;
	for (int i = 0; i < 10; i++) {
		hints_looked(&s.h, false);
		assert_true(s.h.rest_ms >= rest && s.h.rest_ms <= STAMP_MINUTE_MS);
		assert_true(s.h.look_ms > stamp_mono_ms());
		rest = s.h.rest_ms;
	}
	assert_int_equal(rest, STAMP_MINUTE_MS);
	change("Not looked at yet");
	for (int i = 0; i < 20; i++) /* told, and kept for later */
		assert_false(hints_look(&s.h, 50));
	assert_true(s.h.pending);
	s.h.look_ms = 0;
	assert_true(hints_look(&s.h, 50));
	hints_looked(&s.h, true);
	assert_int_equal(s.h.rest_ms, STAMP_SECOND_MS);
	setup_done(&s);
}

static void test_where_only_full_reads_are_done_nobody_listens(void **state)
{
	struct setup s;

	(void)state;
	setup_made(&s, "  live: true\n  delta: full\n");
	assert_false(hints_look(&s.h, 10));
	assert_false(hints_waits(&s.h));
	assert_true(s.h.open_ms == STAMP_NEVER);
	setup_done(&s);
}

static void test_a_directory_that_went_away_is_asked_again_later_and_later(void **state)
{
	struct setup s;
	int64_t pause;

	(void)state;
	setup_made(&s, "  live: true\n  connect_timeout: 2s\n");
	assert_true(hints_look(&s.h, 10));
	hints_looked(&s.h, true);
	pause = s.h.pause_ms;
	slapd_restart(&server, "server"); /* the connection ends */
	for (int i = 0; i < MANY_WAITS && hints_waits(&s.h); i++)
		(void)hints_look(&s.h, 50);
	assert_false(hints_waits(&s.h));
	assert_true(s.h.open_ms > stamp_mono_ms());
	assert_int_equal(s.h.pause_ms, 2 * pause);
	assert_false(hints_look(&s.h, 10)); /* not yet */
	assert_false(hints_waits(&s.h));
	s.h.open_ms = 0;
	s.h.look_ms = 0;
	assert_true(hints_look(&s.h, 10)); /* it is back, and perhaps something happened */
	assert_true(hints_waits(&s.h));
	assert_int_equal(s.h.pause_ms, pause);
	setup_done(&s);
}

static void test_the_end_of_the_daemon_ends_the_waiting(void **state)
{
	struct setup s;

	(void)state;
	setup_made(&s, "  live: true\n");
	assert_true(hints_look(&s.h, 10));
	hints_looked(&s.h, true);
	atomic_store(&s.stop, true);
	{
		int64_t began = stamp_mono_ms();

		assert_false(hints_look(&s.h, 30000));
		assert_true(stamp_mono_ms() - began < 20000);
	}
	setup_done(&s);
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
		cmocka_unit_test(test_without_live_nobody_listens),
		cmocka_unit_test(test_a_change_asks_for_a_look_and_silence_for_none),
		cmocka_unit_test(
			test_looks_that_find_nothing_become_rarer_and_one_that_does_often_again),
		cmocka_unit_test(test_where_only_full_reads_are_done_nobody_listens),
		cmocka_unit_test(
			test_a_directory_that_went_away_is_asked_again_later_and_later),
		cmocka_unit_test(test_the_end_of_the_daemon_ends_the_waiting),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
