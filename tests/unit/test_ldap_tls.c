#include "tests/lib/test.h"

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stamp.h"
#include "ldap/conn.h"
#include "ldap/tls.h"
#include "tests/lib/slapd.h"

/* Certificates of ours, shown to a real slapd that knows one of them by its name. */

#define BRIDGE "cn=bridge,ou=services," SLAPD_BASE

static struct slapd server;

struct setup {
	struct dir_options o;
	struct secret password;
};

static const struct conf_key keys[] = { { "ldap", CONF_SECTION, 0, .sub = dir_option_keys,
					  .sub_size = sizeof(struct dir_options) },
					{ 0 } };

/* cert, key: names in the server's folder of certificates, or NULL; external: by them alone. */
static void setup_made(struct setup *s, const char *scheme, const char *cert, const char *key,
		       bool external)
{
	struct conf_faults faults = { 0 };
	char text[4096];
	struct err err;
	int n;

	memset(s, 0, sizeof(*s));
	n = snprintf(text, sizeof(text),
		     "ldap:\n  uris: [\"%s://127.0.0.1:%d\"]\n  base: %s\n"
		     "  connect_timeout: 20s\n  ca_file: %s/tls/ca.pem\n",
		     scheme, server.port + (strcmp(scheme, "ldaps") == 0), SLAPD_BASE,
		     server.dir);
	if (cert)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "  cert_file: %s/tls/%s\n  key_file: %s/tls/%s\n", server.dir,
			      cert, server.dir, key);
	snprintf(text + n, sizeof(text) - (size_t)n, "%s",
		 external ? "  auth: external\n"
			  : "  bind_dn: " BRIDGE "\n  bind_password: reader\n");
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

static int opened(struct setup *s, char **who, struct err *err)
{
	CLEANUP(dir_conn_close_at) struct dir_conn *c = NULL;
	int r = dir_conn_open(&s->o, s->o.auth == DIR_AUTH_SIMPLE ? &s->password : NULL, 0,
			      STAMP_NEVER, NULL, &c, err);

	return r == 0 && who ? dir_conn_whoami(c, who, err) : r;
}

static void assert_is(struct setup *s, const char *identity)
{
	CLEANUP(free_at) char *who = NULL;
	struct err err;

	assert_ok(opened(s, &who, &err), &err);
	assert_string_equal(who, identity);
}

static void file_copy(const char *from, const char *to)
{
	char a[200], b[200], c[200];
	const char *argv[] = { "cp", "-p", a, b, NULL };

	snprintf(a, sizeof(a), "%s/tls/%s", server.dir, from);
	snprintf(b, sizeof(b), "%s/tls/%s.part", server.dir, to);
	snprintf(c, sizeof(c), "%s/tls/%s", server.dir, to);
	assert_int_equal(run_program(argv, NULL), 0);
	assert_int_equal(rename(b, c), 0);
}

/* --- who we are -----------------------------------------------------------------------------
 */

static void test_the_server_knows_us_by_our_certificate_alone(void **state)
{
	static const char *const schemes[] = { "ldaps", "ldap" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		struct setup s;

		setup_made(&s, schemes[i], "client.pem", "client.key", true);
		assert_is(&s, "dn:" BRIDGE);
		setup_done(&s);
	}
}

static void test_a_certificate_and_a_password_go_together(void **state)
{
	struct setup s;

	(void)state;
	setup_made(&s, "ldaps", "client2.pem", "client2.key", false);
	assert_is(&s, "dn:" BRIDGE);
	setup_done(&s);
}

static void verify_client(const char *how)
{
	char ldif[200];

	snprintf(ldif, sizeof(ldif),
		 "dn: cn=config\nchangetype: modify\nreplace: olcTLSVerifyClient\n"
		 "olcTLSVerifyClient: %s\n",
		 how);
	assert_true(slapd_modify(&server, "cn=config", ldif));
}

static void test_a_server_that_demands_certificates_takes_ours_and_no_other(void **state)
{
	static const struct {
		const char *scheme, *cert, *key, *says;
	} cases[] = {
		{ "ldaps", NULL, NULL, "perhaps it wants a certificate of ours (cert_file)" },
		{ "ldap", NULL, NULL, "perhaps it wants a certificate of ours (cert_file)" },
		{ "ldaps", "stranger.pem", "stranger.key", "does not take the certificate" },
		{ "ldap", "stranger.pem", "stranger.key", "does not take the certificate" },
	};
	struct setup s;

	(void)state;
	verify_client("demand");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err;

		setup_made(&s, cases[i].scheme, cases[i].cert, cases[i].key, false);
		assert_fault(opened(&s, NULL, &err), ERR_NETWORK, &err, cases[i].says);
		setup_done(&s);
	}
	setup_made(&s, "ldaps", "client.pem", "client.key", false);
	assert_is(&s, "dn:" BRIDGE);
	setup_done(&s);
	setup_made(&s, "ldap", "client.pem", "client.key", true);
	assert_is(&s, "dn:" BRIDGE);
	setup_done(&s);
	verify_client("try");
}

/* --- files ----------------------------------------------------------------------------------
 */

static void test_files_that_cannot_serve_are_named_with_the_reason(void **state)
{
	static const struct {
		const char *cert, *key, *says;
	} cases[] = {
		{ "none.pem", "client.key", "cert_file" },
		{ "client.pem", "none.key", "key_file" },
		{ "client.pem", "client2.key", "is not the key of the certificate" },
		{ "client-expired.pem", "client-expired.key", "ended at 2020-02-01" },
		{ "client.key", "client.key", "holds no certificate" },
		{ "client.pem", "closed.pem", "holds no key" },
		{ "empty", "client.key", "holds no certificate" },
		{ "client.pem", "empty", "holds no key" },
		{ "client.pem", "open.key", "may be read by everybody" },
	};
	char path[200];
	FILE *empty;

	(void)state;
	file_copy("client.key", "open.key");
	snprintf(path, sizeof(path), "%s/tls/open.key", server.dir);
	assert_int_equal(chmod(path, 0644), 0);
	file_copy("client.pem", "closed.pem");
	snprintf(path, sizeof(path), "%s/tls/closed.pem", server.dir);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/tls/empty", server.dir);
	empty = fopen(path, "w");
	assert_non_null(empty);
	fclose(empty);
	assert_int_equal(chmod(path, 0600), 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct setup s;
		struct err err;

		setup_made(&s, "ldaps", cases[i].cert, cases[i].key, true);
		assert_fault(opened(&s, NULL, &err), ERR_CONFIG, &err, cases[i].says);
		setup_done(&s);
	}
}

static void test_the_end_of_our_certificate_is_known(void **state)
{
	struct setup s;
	struct err err;
	int64_t ends_ms = 0;

	(void)state;
	setup_made(&s, "ldaps", "client-expired.pem", "client-expired.key", true);
	assert_ok(dir_tls_ends(&s.o, &ends_ms, &err), &err);
	assert_true(ends_ms == stamp_from_civil(2020, 2, 1, 0, 0, 0));
	setup_done(&s);
	setup_made(&s, "ldaps", NULL, NULL, false);
	assert_int_equal(dir_tls_ends(&s.o, &ends_ms, &err), DIR_TLS_NONE);
	setup_done(&s);
}

static void test_a_renewed_certificate_is_shown_from_the_next_connection_on(void **state)
{
	struct setup s;
	unsigned made;

	(void)state;
	file_copy("client.pem", "mine.pem");
	file_copy("client.key", "mine.key");
	setup_made(&s, "ldaps", "mine.pem", "mine.key", true);
	assert_is(&s, "dn:" BRIDGE);
	made = dir_tls_made();
	assert_is(&s, "dn:" BRIDGE);
	assert_int_equal(dir_tls_made(), made);
	file_copy("client2.pem", "mine.pem");
	file_copy("client2.key", "mine.key");
	assert_is(&s, "dn:cn=second,o=test");
	assert_int_equal(dir_tls_made(), made + 1);
	setup_done(&s);
}

static void test_between_two_files_of_a_renewal_nothing_is_shown(void **state)
{
	struct setup s;
	struct err err;

	(void)state;
	file_copy("client.pem", "mine.pem");
	file_copy("client.key", "mine.key");
	setup_made(&s, "ldaps", "mine.pem", "mine.key", true);
	assert_is(&s, "dn:" BRIDGE);
	file_copy("client2.pem", "mine.pem");
	assert_fault(opened(&s, NULL, &err), ERR_CONFIG, &err, "is not the key");
	file_copy("client2.key", "mine.key");
	assert_is(&s, "dn:cn=second,o=test");
	setup_done(&s);
}

/* --- a key from the vault -------------------------------------------------------------------
 */

static void key_given(const char *file, const char *name)
{
	CLEANUP(secret_done) struct secret pem = { 0 };
	char path[200], text[16384];
	struct err err;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/tls/%s", server.dir, file);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	assert_ok(secret_set(&pem, text, n, &err), &err);
	assert_ok(dir_tls_key(name, &pem, &err), &err);
}

/* The settings name a secret in the place of a file. */
static void setup_with_key(struct setup *s, const char *scheme, const char *cert,
			   const char *name)
{
	setup_made(s, scheme, cert, "none.key", true);
	free(TAKE(s->o.key_file));
	s->o.cert_key = strdup(name);
	assert_non_null(s->o.cert_key);
}

static void test_a_key_from_the_vault_serves_and_leaves_no_file(void **state)
{
	static const char *const schemes[] = { "ldaps", "ldap" };
	struct setup s;
	struct err err;
	unsigned made;

	(void)state;
	setup_with_key(&s, "ldaps", "client.pem", "never-given");
	assert_fault(opened(&s, NULL, &err), ERR_INTERNAL, &err, "not taken from the vault");
	setup_done(&s);
	key_given("client.key", "corp-key");
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		setup_with_key(&s, schemes[i], "client.pem", "corp-key");
		assert_is(&s, "dn:" BRIDGE);
		made = dir_tls_made();
		key_given("client.key", "corp-key"); /* the same one */
		assert_is(&s, "dn:" BRIDGE);
		assert_int_equal(dir_tls_made(), made);
		for (int fd = 3; fd < 256; fd++) {
			char link[40], where[100] = "";

			snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
			if (readlink(link, where, sizeof(where) - 1) > 0)
				assert_null(strstr(where, "leaverd-key"));
		}
		setup_done(&s);
	}
}

static void test_another_key_of_that_name_is_taken_with_the_next_connection(void **state)
{
	struct setup s;
	struct err err;

	(void)state;
	key_given("client.key", "corp-key");
	file_copy("client.pem", "mine.pem");
	setup_with_key(&s, "ldaps", "mine.pem", "corp-key");
	assert_is(&s, "dn:" BRIDGE);
	key_given("client2.key", "corp-key");
	assert_fault(opened(&s, NULL, &err), ERR_CONFIG, &err,
		     "cert_key corp-key is not the key");
	file_copy("client2.pem", "mine.pem");
	assert_is(&s, "dn:cn=second,o=test");
	key_given("client.pem", "corp-key");
	assert_fault(opened(&s, NULL, &err), ERR_CONFIG, &err,
		     "cert_key corp-key holds no key");
	setup_done(&s);
}

/* --- memory ---------------------------------------------------------------------------------
 */

#define RECONNECTS 200

/* libldap loses some 20 KB with each context that has a certificate. */
static void test_reconnecting_makes_no_context_and_keeps_no_memory(void **state)
{
	struct setup s;
	struct err err;
	unsigned made;
	size_t before;

	(void)state;
	setup_made(&s, "ldaps", "client.pem", "client.key", true);
	for (int i = 0; i < 5; i++)
		assert_ok(opened(&s, NULL, &err), &err);
	made = dir_tls_made();
	before = mallinfo2().uordblks;
	for (int i = 0; i < RECONNECTS; i++)
		assert_ok(opened(&s, NULL, &err), &err);
	assert_int_equal(dir_tls_made(), made);
	if (mallinfo2().uordblks > before + RECONNECTS * 1024)
		fail_msg("%zu bytes more after %d connections", mallinfo2().uordblks - before,
			 RECONNECTS);
	setup_done(&s);
}

static void test_opening_survives_each_lost_allocation(void **state)
{
	struct setup s;
	struct err err;
	int nth = 0, r;
	bool lost;

	(void)state;
	file_copy("client.pem", "mine.pem");
	file_copy("client.key", "mine.key");
	setup_made(&s, "ldaps", "mine.pem", "mine.key", true);
	do {
		file_copy("client.pem", "mine.pem"); /* so that a context is made each time */
		fault_at(++nth);
		r = opened(&s, NULL, &err);
		lost = fault_fired();
		assert_true(r == 0 || lost);
	} while (lost);
	assert_true(nth > 5);
	assert_int_equal(r, 0);
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
		cmocka_unit_test(test_the_server_knows_us_by_our_certificate_alone),
		cmocka_unit_test(test_a_certificate_and_a_password_go_together),
		cmocka_unit_test(
			test_a_server_that_demands_certificates_takes_ours_and_no_other),
		cmocka_unit_test(test_files_that_cannot_serve_are_named_with_the_reason),
		cmocka_unit_test(test_the_end_of_our_certificate_is_known),
		cmocka_unit_test(
			test_a_renewed_certificate_is_shown_from_the_next_connection_on),
		cmocka_unit_test(test_between_two_files_of_a_renewal_nothing_is_shown),
		cmocka_unit_test(test_a_key_from_the_vault_serves_and_leaves_no_file),
		cmocka_unit_test(
			test_another_key_of_that_name_is_taken_with_the_next_connection),
		cmocka_unit_test(test_reconnecting_makes_no_context_and_keeps_no_memory),
		cmocka_unit_test(test_opening_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
