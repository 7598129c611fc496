/* net/mail: the bytes of a letter. What is sent over a wire is tests/system/test_notices.py's.
 */
#include "tests/lib/test.h"

#include "net/mail.h"

static const struct mail_letter plain = {
	.from = "it@x.example",
	.to = "ada@x.example",
	.subject = "Your licence",
	.id = "00ff@x.example",
	.language = "en",
	.date_ms = 1795338000123LL,
	.text = { "Hello\n", 6 },
	.html = { "<p>Hello</p>\n", 13 },
};

static void compose(const struct mail_letter *l, struct buf *into)
{
	struct err err = { 0 };

	buf_init(into, MAIL_LETTER_MAX);
	assert_ok(mail_compose(l, into, &err), &err);
}

static void test_a_letter_is_text_and_html(void **state)
{
	CLEANUP(buf_done) struct buf out;

	(void)state;
	compose(&plain, &out);
	assert_string_equal(
		out.p,
		"From: it@x.example\r\nTo: ada@x.example\r\nSubject: Your licence\r\n"
		"Date: Sun, 22 Nov 2026 09:00:00 +0000\r\nMessage-ID: <00ff@x.example>\r\n"
		"Content-Language: en\r\nAuto-Submitted: auto-generated\r\n"
		"X-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/alternative; boundary=\"=_leaverd_1\"\r\n\r\n"
		"--=_leaverd_1\r\nContent-Type: text/plain; charset=UTF-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nHello\r\n"
		"--=_leaverd_1\r\nContent-Type: text/html; charset=UTF-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Hello</p>\r\n"
		"--=_leaverd_1--\r\n");
}

static const struct {
	const char *name, *subject, *to, *says;
} heads[] = {
	{ "Ada Lovelace", "x", "a@b", "To: \"Ada Lovelace\" <a@b>\r\n" },
	{ NULL, "x", "a@b", "To: a@b\r\n" },
	{ "  ", "x", "a@b", "To: a@b\r\n" },
	{ "Zoë", "x", "a@b", "To: =?UTF-8?B?Wm/Dqw==?=\r\n <a@b>\r\n" },
	/* what would end a phrase or begin a header is encoded, or blank */
	{ "Ada \"<evil@x>\"", "x", "a@b",
	  "To: =?UTF-8?B?QWRhICI8ZXZpbEB4PiI=?=\r\n <a@b>\r\n" },
	{ "Ada\r\nBcc: evil@x", "x", "a@b", "To: \"Ada  Bcc: evil@x\" <a@b>\r\n" },
	{ "Ada\xc2\x85"
	  "Bcc",
	  "x", "a@b", "To: \"Ada Bcc\" <a@b>\r\n" },
	{ "=?UTF-8?B?QQ==?=", "x", "a@b",
	  "To: =?UTF-8?B?PT9VVEYtOD9CP1FRPT0/PQ==?=\r\n <a@b>\r\n" },
	{ NULL, "a\r\nBcc: evil@x\n\nbody", "a@b", "Subject: a  Bcc: evil@x  body\r\n" },
	{ NULL, "Größe", "a@b", "Subject: =?UTF-8?B?R3LDtsOfZQ==?=\r\n" },
	/* words are cut between characters: 45 bytes hold 22 of two */
	{ NULL, "äääääääääääääääääääääää", "a@b",
	  "Subject: "
	  "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6Q=?=\r\n"
	  " =?UTF-8?B?w6Q=?=\r\n" },
	{ NULL, "x", "zoë@bücher.example", "To: zoë@bücher.example\r\n" }, /* RFC 6532 */
};

static void test_names_and_subjects_begin_no_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		CLEANUP(buf_done) struct buf out;
		struct mail_letter l = plain;
		const char *body;

		l.to_name = heads[i].name;
		l.subject = heads[i].subject;
		l.to = heads[i].to;
		compose(&l, &out);
		if (!strstr(out.p, heads[i].says))
			fail_msg("row %zu: \"%s\" is not in\n%s", i, heads[i].says, out.p);
		body = strstr(out.p, "\r\n\r\n");
		assert_non_null(body);
		*(char *)(uintptr_t)body = '\0';
		assert_null(strstr(out.p, "\nBcc"));
		assert_null(strstr(out.p, "\rBcc"));
	}
}

static void test_a_long_name_is_cut_at_a_character(void **state)
{
	CLEANUP(buf_done) struct buf out;
	struct mail_letter l = plain;
	char name[1001];

	(void)state;
	for (size_t i = 0; i < 1000; i += 2)
		memcpy(name + i, "ß", 2);
	name[1000] = '\0';
	l.to_name = name;
	compose(&l, &out);
	for (const char *p = out.p; *p; p = strstr(p, "\r\n") + 2)
		assert_true(strstr(p, "\r\n") - p <= 78);
}

static const struct {
	const char *text, *quoted;
} bodies[] = {
	{ "a = b\n", "a =3D b\r\n" },
	{ "blank \nend", "blank=20\r\nend\r\n" },
	{ "tab\t\n", "tab=09\r\n" },
	{ "ü\r\nx\r\n", "=C3=BC\r\nx\r\n" },
	{ ".\n..\n", ".\r\n..\r\n" }, /* dots are the wire's matter */
	{ "0123456789012345678901234567890123456789012345678901234567890123456789012345678\n",
	  "012345678901234567890123456789012345678901234567890123456789012345678901234=\r\n"
	  "5678\r\n" },
};

static void test_text_is_quoted_printable_in_short_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		CLEANUP(buf_done) struct buf out;
		struct mail_letter l = plain;
		char want[400];

		l.text = str_of(bodies[i].text);
		l.html = (struct str){ 0 };
		compose(&l, &out);
		(void)snprintf(want, sizeof(want), "\r\n\r\n%s--=_leaverd_1--",
			       bodies[i].quoted);
		if (!strstr(out.p, want))
			fail_msg("row %zu: no\n%s\nin\n%s", i, want, out.p);
	}
}

static const struct {
	const char *address;
	bool ok;
} addresses[] = {
	{ "a@b", true },
	{ "ada.lovelace+x@x.example", true },
	{ "zoë@bücher.example", true },
	{ "", false },
	{ "a", false },
	{ "@b", false },
	{ "a@", false },
	{ "a@b@c", false },
	{ "a b@c", false },
	{ "a@b\r\nRCPT TO:<c@d>", false },
	{ "a@b>", false },
	{ "<a@b", false },
	{ "a,b@c", false },
	{ "a@b;c", false },
	{ "\"a\"@b", false },
	{ "a@b\x7f", false },
	{ "a@\xff", false },
	{ "-a@b", false },
	{ "a@-b", false },
	{ "a@b\tc", false },
};

static void test_an_address_is_one_or_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(addresses); i++)
		if (mail_address_ok(str_of(addresses[i].address)) != addresses[i].ok)
			fail_msg("%s", addresses[i].address);
}

static void test_a_letter_to_nobody_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		CLEANUP(buf_done) struct buf out;
		struct mail_letter l = plain;
		struct err err = { 0 };

		buf_init(&out, MAIL_LETTER_MAX);
		if (addresses[i].ok)
			continue;
		l.to = addresses[i].address;
		assert_fault(mail_compose(&l, &out, &err), ERR_INVALID_VALUE, &err,
			     "to of the");
		l = plain;
		l.reply_to = addresses[i].address;
		assert_fault(mail_compose(&l, &out, &err), ERR_INVALID_VALUE, &err, "reply_to");
		assert_int_equal(out.len, 0);
	}
}

static void test_without_tls_only_this_machine_is_spoken_to(void **state)
{
	static const struct {
		const char *server;
		enum mail_tls tls;
		bool ok;
	} rows[] = {
		{ "127.0.0.1:25", MAIL_PLAIN, true },
		{ "localhost:25", MAIL_PLAIN, true },
		{ "[::1]:25", MAIL_PLAIN, true },
		{ "mail.x.example", MAIL_PLAIN, false },
		{ "localhost.x.example", MAIL_PLAIN, false },
		{ "mail.x.example", MAIL_STARTTLS, true },
		{ "mail.x.example", MAIL_TLS, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct mail_options o = { .server = rows[i].server, .tls = rows[i].tls };
		CLEANUP(mail_free_at) struct mail *m = NULL;
		struct err err = { 0 };
		int r = mail_new(&m, &o, NULL, &err);

		if (rows[i].ok)
			assert_ok(r, &err);
		else
			assert_fault(r, ERR_CONFIG, &err, "without TLS");
	}
}

static void test_nobody_listening_is_away_and_costs_no_letter(void **state)
{
	const struct mail_options o = { .server = "127.0.0.1:1", .tls = MAIL_PLAIN };
	CLEANUP(mail_free_at) struct mail *m = NULL;
	struct err err = { 0 };

	(void)state;
	assert_ok(mail_new(&m, &o, NULL, &err), &err);
	assert_int_equal(mail_send(m, &plain, NULL, NULL, &err), MAIL_AWAY);
	assert_non_null(strstr(err.text, "mail server 127.0.0.1:1 cannot be used"));
}

static void test_compose_survives_each_lost_allocation(void **state)
{
	struct mail_letter l = plain;
	int nth = 0, r;
	bool fired;

	(void)state;
	l.to_name = "Zoë";
	l.subject = "Größe";
	do {
		CLEANUP(buf_done) struct buf out;
		struct err err = { 0 };

		buf_init(&out, MAIL_LETTER_MAX);
		fault_at(++nth);
		r = mail_compose(&l, &out, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
	} while (fired);
	assert_int_equal(r, 0);
	assert_true(nth > 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_letter_is_text_and_html),
		cmocka_unit_test(test_names_and_subjects_begin_no_header),
		cmocka_unit_test(test_a_long_name_is_cut_at_a_character),
		cmocka_unit_test(test_text_is_quoted_printable_in_short_lines),
		cmocka_unit_test(test_an_address_is_one_or_none),
		cmocka_unit_test(test_a_letter_to_nobody_is_refused),
		cmocka_unit_test(test_without_tls_only_this_machine_is_spoken_to),
		cmocka_unit_test(test_nobody_listening_is_away_and_costs_no_letter),
		cmocka_unit_test(test_compose_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
