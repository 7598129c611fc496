#include "tests/lib/test.h"

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
		cmocka_unit_test(test_lost_memory_is_a_fault_of_composing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
