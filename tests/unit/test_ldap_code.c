#include "tests/lib/test.h"

#include "base/buf.h"
#include "base/enc.h"
#include "ldap/cert.h"
#include "ldap/code.h"
#include "ldap/idset.h"

static void test_result_codes_are_faults_with_a_way_out(void **state)
{
	/* RFC 4511 4.1.9; RFC 4533; libldap's own below zero */
	static const struct {
		int code, fault;
		const char *says;
	} cases[] = {
		{ 3, ERR_INCOMPLETE, "timeLimitExceeded (3)" },
		{ 4, ERR_INCOMPLETE, "sizeLimitExceeded (4)" },
		{ 9, ERR_INCOMPLETE, "partialResults (9)" },
		{ 10, ERR_INCOMPLETE, "referral (10)" },
		{ 11, ERR_INCOMPLETE, "adminLimitExceeded (11)" },
		{ 12, ERR_NOT_SUPPORTED, "allow_unpaged" },
		{ 32, ERR_NOT_FOUND, "moved or renamed" },
		{ 49, ERR_UNAUTHORIZED, "leaverd secret set" },
		{ 50, ERR_FORBIDDEN, "the right to read" },
		{ 51, ERR_BUSY, "busy (51)" },
		{ 52, ERR_UNAVAILABLE, "unavailable (52)" },
		{ 53, ERR_REMOTE, "(53)" },
		{ 80, ERR_REMOTE, "other (80)" },
		{ 85, ERR_TIMEOUT, "timed out" },
		{ -1, ERR_NETWORK, "connection lost" },
		{ -5, ERR_TIMEOUT, "timed out" },
		{ 4096, ERR_INCOMPLETE, "(4096)" },
		{ 123, ERR_REMOTE, "an unexpected result (123)" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_fault(dir_code_fault(cases[i].code, NULL, &err, "page %d", 7),
			     cases[i].fault, &err, cases[i].says);
}

static void test_a_servers_words_cannot_make_a_line_of_their_own(void **state)
{
	char big[2000];
	struct err err;

	(void)state;
	assert_fault(dir_code_fault(80, "first\nsecond\x1b[0m ", &err, "search"), ERR_REMOTE,
		     &err, "search: other (80): first second [0m; look");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big + 118, "\xc3\xab", 2);
	assert_fault(dir_code_fault(80, big, &err, "search"), ERR_REMOTE, &err, "look into");
	assert_true(str_utf8(str_of(err.text), NULL));
}

static void test_ids_are_told_apart_and_changed_entries_noticed(void **state)
{
	struct dir_idset set = { 0 };
	char key[32];

	(void)state;
	assert_false(dir_idset_has(&set, STR("a")));
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_int_equal(dir_idset_add(&set, str_of(key), (uint32_t)i), DIR_ID_NEW);
	}
	assert_int_equal(set.n, 5000);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		assert_true(dir_idset_has(&set, str_of(key)));
		assert_int_equal(dir_idset_add(&set, str_of(key), (uint32_t)i), DIR_ID_SAME);
		assert_int_equal(dir_idset_add(&set, str_of(key), (uint32_t)i + 1),
				 DIR_ID_OTHER);
	}
	assert_false(dir_idset_has(&set, STR("key 5000")));
	dir_idset_done(&set);
	fault_at(1);
	assert_int_equal(dir_idset_add(&set, STR("a"), 1), -ERR_NOMEM);
	assert_true(fault_fired());
	dir_idset_done(&set);
}

/* For ldap.example.test, *.corp.example.test, 127.0.0.9, ::1; 2020-01-01 to 2052-02-01, so
 * that both forms of a time occur. Made by openssl; its key was not kept. */
static const char certificate[] =
	"MIIBzzCCAXSgAwIBAgICEAAwCgYIKoZIzj0EAwIwITENMAsGA1UECgwEVGVzdDEQMA4GA1UE"
	"AwwHVGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMDUyMDIwMTAwMDAwMFowHjENMAsGA1UE"
	"CgwEVGVzdDENMAsGA1UEAwwEbGRhcDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAtsKKVL"
	"cuIKBnjBn2tpCpgXxjw/4w/ZRHXEg+7TDDARwY+PEEhhy2h2d3cul5TwVvC3+7R9OMfMyLgn"
	"L64wiTijgZwwgZkwDAYDVR0TAQH/BAIwADBJBgNVHREEQjBAghFsZGFwLmV4YW1wbGUudGVz"
	"dIITKi5jb3JwLmV4YW1wbGUudGVzdIcEfwAACYcQAAAAAAAAAAAAAAAAAAAAATAdBgNVHQ4E"
	"FgQU+VSSnrBwmrY0LdX/OVcmzJf7kIAwHwYDVR0jBBgwFoAUZi+3p0rVbwdiAWRJuL1CeBdj"
	"wKEwCgYIKoZIzj0EAwIDSQAwRgIhAL6uR1uQ9hTuc2VgM4NXwxH22zjVxDoMwGYfeNfuoGTa"
	"AiEAyM/Aoce2ou9878O//5atMwk9dvfIqZsE3HG6I0+nUX8=";

static void test_a_certificates_names_and_dates_are_read(void **state)
{
	static const struct {
		const char *host;
		bool named;
	} cases[] = {
		{ "ldap.example.test", true },
		{ "LDAP.Example.Test", true },
		{ "dc1.corp.example.test", true },
		{ "a.b.corp.example.test", false },
		{ "corp.example.test", false },
		{ "127.0.0.9", true },
		{ "127.0.0.8", false },
		{ "::1", true },
		{ "0:0:0:0:0:0:0:1", true },
		{ "::2", false },
		{ "", false },
	};
	struct buf der;
	struct dir_cert cert;

	(void)state;
	buf_init(&der, 4096);
	assert_true(enc_unbase64(&der, str_of(certificate)));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(dir_cert_read(buf_str(&der), cases[i].host, &cert));
		if (cert.host_named != cases[i].named)
			fail_msg("%s", cases[i].host);
	}
	assert_string_equal(cert.names, "ldap.example.test, *.corp.example.test");
	assert_int_equal(cert.from_ms, stamp_from_civil(2020, 1, 1, 0, 0, 0));
	assert_int_equal(cert.until_ms, stamp_from_civil(2052, 2, 1, 0, 0, 0));
	/* cut anywhere, it is read without going beyond its end */
	for (size_t len = 0; len < der.len; len++) {
		char *part = malloc(len ? len : 1);

		memcpy(part, der.p, len);
		(void)dir_cert_read(str_n(part, len), "x", &cert);
		free(part);
	}
	buf_done(&der);
}

static void test_the_cause_of_a_refusal_is_named(void **state)
{
	static const struct {
		int64_t from, until;
		bool named;
		const char *says;
	} cases[] = {
		{ 0, 1000, true, "ended at 1970-01-01T00:00:01Z" },
		{ 86400000, 99999999, true, "not valid before 1970-01-02" },
		{ 0, 99999999, false, "not for h but for a.example.test" },
		{ 0, 99999999, true, "an authority that /ca.pem does not hold" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_cert cert = { cases[i].from, cases[i].until, "a.example.test",
					 cases[i].named };
		struct buf b;

		buf_init(&b, 1000);
		dir_cert_explain(&cert, "h", "/ca.pem", 5000000, &b);
		if (!strstr(b.p, cases[i].says))
			fail_msg("%s", b.p);
		buf_done(&b);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result_codes_are_faults_with_a_way_out),
		cmocka_unit_test(test_a_servers_words_cannot_make_a_line_of_their_own),
		cmocka_unit_test(test_ids_are_told_apart_and_changed_entries_noticed),
		cmocka_unit_test(test_a_certificates_names_and_dates_are_read),
		cmocka_unit_test(test_the_cause_of_a_refusal_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
