#include "tests/lib/pem.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/syslog.h"

#define MS 1795338000123LL

static void test_a_message_has_the_form_of_rfc_5424(void **state)
{
	CLEANUP(buf_done) struct buf b, data;
	struct syslog_message m = { .severity = SYSLOG_NOTICE,
				    .ms = MS,
				    .host = "log host",
				    .process = "acme",
				    .id = "plan.approve" };
	struct err err = { 0 };

	(void)state;
	buf_init(&b, 1 << 20);
	buf_init(&data, 1 << 20);
	assert_ok(syslog_compose(&m, &b, &err), &err);
	assert_string_equal(b.p, "<109>1 2026-11-22T09:00:00.123Z log_host leaverd acme "
				 "plan.approve -");
	buf_clear(&b);
	syslog_data_begin(&data, "leaverd", 32473);
	syslog_data_value(&data, "who", STR("a\"b\\c]d\ne"));
	syslog_data_value(&data, "none", STR(""));
	syslog_data_end(&data);
	m.data = buf_str(&data);
	m.text = STR("M\xc3\xbcller");
	m.host = NULL;
	m.severity = SYSLOG_ALERT;
	m.id = "a.very.long.name.of.an.event.that.is.cut";
	assert_ok(syslog_compose(&m, &b, &err), &err);
	assert_string_equal(b.p, "<105>1 2026-11-22T09:00:00.123Z - leaverd acme "
				 "a.very.long.name.of.an.event.tha "
				 "[leaverd@32473 who=\"a\\\"b\\\\c\\]d e\" none=\"\"] "
				 "\xef\xbb\xbfM\xc3\xbcller");
}

static void test_cef_escapes_what_would_end_a_field_or_a_value(void **state)
{
	static const struct {
		const char *in, *field, *value;
	} cases[] = {
		{ "plain", "plain", " msg=plain" },
		{ "a|b", "a\\|b", " msg=a|b" },
		{ "a=b", "a=b", " msg=a\\=b" },
		{ "a\\b", "a\\\\b", " msg=a\\\\b" },
		{ "a\nb\rc", "a b c", " msg=a\\nb\\rc" },
		{ "a\tb\x7f", "a b ", " msg=a b " },
		{ "|=\\\n", "\\|=\\\\ ", " msg=|\\=\\\\\\n" },
		{ "", "", " msg=" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(buf_done) struct buf field, value;

		buf_init(&field, 1000);
		buf_init(&value, 1000);
		syslog_cef_field(&field, str_of(cases[i].in));
		syslog_cef_value(&value, "msg", str_of(cases[i].in));
		assert_string_equal(field.p ? field.p : "", cases[i].field);
		assert_string_equal(value.p, cases[i].value);
	}
}

static void test_a_message_that_is_too_long_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf b, text;
	struct syslog_message m = { .severity = SYSLOG_NOTICE, .ms = MS };
	struct err err = { 0 };

	(void)state;
	buf_init(&b, 1 << 20);
	buf_init(&text, 1 << 20);
	while (text.len <= SYSLOG_MESSAGE_MAX)
		buf_add_text(&text, "0123456789abcdef");
	m.text = buf_str(&text);
	assert_fault(syslog_compose(&m, &b, &err), ERR_TOO_LARGE, &err, "for the log server");
}

static void test_servers_are_hosts_with_a_port(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "logs.example.com", true },
		{ "logs.example.com:6514", true },
		{ "127.0.0.1:1", true },
		{ "[::1]:6514", true },
		{ "[::1]", true },
		{ "", false },
		{ ":6514", false },
		{ "logs:", false },
		{ "logs:0", false },
		{ "logs:65536", false },
		{ "logs:syslog", false },
		{ "tls://logs:6514", false },
		{ "logs.example.com 6514", false },
		{ "[::1", false },
		{ "[::1]6514", false },
		{ "a@b:1", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (syslog_server_ok(cases[i].text) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].text);
}

/* --- the name in the hello (RFC 6066 3: addresses do not stand there) ----------------------
 */

struct hello {
	int listener;
	size_t n;
	char bytes[4096];
};

/* Reads the first record of one connection, and hangs up. */
static void *hear(void *ctx)
{
	struct hello *h = ctx;
	int fd = accept(h->listener, NULL, NULL);
	size_t want = 5;

	while (fd >= 0 && h->n < want) {
		ssize_t got = read(fd, h->bytes + h->n, sizeof(h->bytes) - h->n);

		if (got <= 0)
			break;
		h->n += (size_t)got;
		if (h->n >= 5)
			want = 5 + (size_t)(unsigned char)h->bytes[3] * 256 +
			       (unsigned char)h->bytes[4];
		if (want > sizeof(h->bytes))
			break;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Whether a hello to that host names it. */
static bool hello_names(const char *host, const char *ca_file)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct hello h = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct syslog_conn *c = NULL;
	struct err err = { 0 };
	pthread_t thread;
	char server[80];
	struct syslog_options o = { .server = server, .ca_file = ca_file, .timeout_ms = 60000 };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(h.listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(h.listener, 1), 0);
	assert_int_equal(getsockname(h.listener, (struct sockaddr *)&at, &len), 0);
	snprintf(server, sizeof(server), "%s:%d", host, ntohs(at.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, hear, &h), 0);
	assert_true(syslog_open(&c, &o, &err) < 0);
	assert_int_equal(shutdown(h.listener, SHUT_RDWR), 0);
	pthread_join(thread, NULL);
	close(h.listener);
	if (h.n < 50 || h.bytes[0] != 22)
		fail_msg("%s: no hello came: %s", server, err.text);
	return memmem(h.bytes, h.n, host, strlen(host)) != NULL;
}

static void test_a_hello_names_hosts_and_no_addresses(void **state)
{
	char folder[] = "/tmp/leaverd-test-XXXXXX", cert[60], key[60];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(cert, sizeof(cert), "%s/cert.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	assert_true(pem_make(cert, key, "log"));
	assert_true(hello_names("localhost", cert));
	assert_false(hello_names("127.0.0.1", cert));
	unlink(cert);
	unlink(key);
	rmdir(folder);
}

static void test_lost_memory_is_a_fault_of_composing(void **state)
{
	struct syslog_message m = { .severity = SYSLOG_NOTICE, .ms = MS, .text = STR("x") };
	struct err err = { 0 };
	bool fired;
	int nth = 0, r;

	(void)state;
	do {
		CLEANUP(buf_done) struct buf b;

		buf_init(&b, 1000);
		fault_at(++nth);
		r = syslog_compose(&m, &b, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
	} while (fired);
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_has_the_form_of_rfc_5424),
		cmocka_unit_test(test_cef_escapes_what_would_end_a_field_or_a_value),
		cmocka_unit_test(test_a_message_that_is_too_long_is_refused),
		cmocka_unit_test(test_servers_are_hosts_with_a_port),
		cmocka_unit_test(test_a_hello_names_hosts_and_no_addresses),
		cmocka_unit_test(test_lost_memory_is_a_fault_of_composing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
