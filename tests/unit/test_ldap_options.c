#include "tests/lib/test.h"

#include "ldap/options.h"

#define GOOD                                                                                   \
	"uris: [ldaps://ldap.example.test]\n"                                                  \
	"bind_dn: cn=reader,dc=example,dc=test\n"                                              \
	"bind_password: reader\n"                                                              \
	"base: ou=people,dc=example,dc=test\n"

static void test_defaults_are_careful(void **state)
{
	struct dir_options o = { 0 };
	struct conf_faults faults = { 0 };
	struct err err;

	(void)state;
	assert_ok(conf_read_text("t", STR(GOOD), dir_option_keys, &o, &faults, &err), &err);
	assert_ok(dir_options_check(&o, &faults, &err), &err);
	assert_int_equal(o.tls, DIR_TLS_REQUIRE);
	assert_int_equal(o.auth, DIR_AUTH_SIMPLE);
	assert_string_equal(o.ca_file, "/etc/ssl/certs/ca-certificates.crt");
	assert_int_equal(o.page_size, 500);
	assert_false(o.allow_unpaged);
	assert_int_equal(o.minimum, 1);
	assert_int_equal(o.drop_count, 3);
	assert_true(o.drop_share > 0.019 && o.drop_share < 0.021);
	assert_true(o.connect_timeout_ms > 0 && o.answer_timeout_ms > 0 &&
		    o.read_timeout_ms > 0);
	assert_true(o.max_entries > 0 && o.max_message_bytes > 0);
	conf_free(dir_option_keys, &o);
	conf_faults_free(&faults);
}

static void test_settings_that_cannot_work_or_are_not_safe_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "base: dc=x\n", "uris" },
		{ "uris: [ldaps://h]\nbase: dc=x\nbind_password: p\n", "bind_dn" },
		{ "uris: [ldaps://h]\nbase: dc=x\nbind_dn: cn=a\n", "bind_password" },
		{ "uris: [ldaps://h]\nbind_dn: cn=a\nbind_password: p\n", "base" },
		{ GOOD "tls: \"off\"\nfilter: (a=b\n", "the filter is broken" },
		{ "uris: [http://h]\nbase: dc=x\nbind_dn: cn=a\nbind_password: p\n",
		  "not an LDAP URL" },
		{ "uris: [\"ldaps://h/dc=x??sub\"]\nbase: dc=x\nbind_dn: cn=a\nbind_password: "
		  "p\n",
		  "only scheme, host and port" },
		{ "uris: [\"ldaps:///\"]\nbase: dc=x\nbind_dn: cn=a\nbind_password: p\n",
		  "no host" },
		{ "uris: [ldap://h]\ntls: \"off\"\nbase: dc=x\nbind_dn: cn=a\nbind_password: "
		  "p\n",
		  "in the clear" },
		{ "uris: [\"ldap://128.0.0.1\"]\ntls: \"off\"\nbase: dc=x\nbind_dn: cn=a\n"
		  "bind_password: p\n",
		  "in the clear" },
		{ "uris: [ldaps://h]\nauth: external\nbase: dc=x\n", "external needs ldapi" },
		{ "uris: [ldapi://%2Frun%2Fldapi]\nauth: external\nbase: dc=x\nbind_dn: cn=a\n",
		  "external takes no bind_dn" },
		{ "uris: [ldaps://h]\nbase: people\nbind_dn: cn=a\nbind_password: p\n",
		  "not a distinguished name" },
		{ GOOD "cert_file: c.pem\n", "cert_file with key_file or cert_key" },
		{ GOOD "key_file: k.pem\n", "cert_file with key_file or cert_key" },
		{ GOOD "cert_key: corp-key\n", "cert_file with key_file or cert_key" },
		{ GOOD "cert_file: c.pem\nkey_file: k.pem\ncert_key: corp-key\n",
		  "beside key_file: either, or" },
		{ GOOD "canaries: [ada]\n", "attribute=value" },
		{ GOOD "canaries: [\"uid= has mail\"]\n", "needs a value" },
		{ GOOD "canaries: [\"uid=a has mail employeeNumber\"]\n", "commas between" },
		{ GOOD "ignore_referrals: [somewhere]\n", "not a distinguished name" },
		{ GOOD "key: employee number\n", "not an attribute" },
		{ GOOD "map: { active: employeeType }\n", "status:" },
		{ GOOD "status: { employeeType: Employee }\n", "status: employeeType" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_options o = { 0 };
		struct conf_faults faults = { 0 };
		struct err err;

		assert_ok(conf_read_text("t", str_of(cases[i].text), dir_option_keys, &o,
					 &faults, &err),
			  &err);
		assert_fault(dir_options_check(&o, &faults, &err), ERR_CONFIG, &err, "");
		if (faults.n == 0 || !strstr(faults.v[0], cases[i].says) ||
		    !strstr(faults.v[0], "t:"))
			fail_msg("%s: %s", cases[i].text, faults.n ? faults.v[0] : "nothing");
		conf_free(dir_option_keys, &o);
		conf_faults_free(&faults);
	}
}

static void test_all_faults_of_a_section_are_told_at_once(void **state)
{
	struct dir_options o = { 0 };
	struct conf_faults faults = { 0 };
	struct err err;

	(void)state;
	assert_ok(conf_read_text("t", STR("uris: [http://a, http://b]\nfilter: x\n"),
				 dir_option_keys, &o, &faults, &err),
		  &err);
	assert_fault(dir_options_check(&o, &faults, &err), ERR_CONFIG, &err, "uris: http://a");
	assert_int_equal(faults.n, 6);
	conf_free(dir_option_keys, &o);
	conf_faults_free(&faults);
}

static void test_loopback_addresses_may_be_spoken_to_in_the_clear(void **state)
{
	static const char *const uris[] = { "ldap://127.0.0.1:3890", "ldap://127.9.9.9",
					    "ldap://localhost", "ldap://[::1]:389" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(uris); i++) {
		char text[300];
		struct dir_options o = { 0 };
		struct conf_faults faults = { 0 };
		struct err err;

		snprintf(text, sizeof(text),
			 "uris: [\"%s\"]\ntls: \"off\"\nbase: dc=x\nbind_dn: "
			 "cn=a\nbind_password: p\n",
			 uris[i]);
		assert_ok(conf_read_text("t", str_of(text), dir_option_keys, &o, &faults, &err),
			  &err);
		assert_ok(dir_options_check(&o, NULL, &err), &err);
		conf_free(dir_option_keys, &o);
		conf_faults_free(&faults);
	}
}

static void test_canaries_are_read_with_what_they_must_show(void **state)
{
	struct str attr, value, has;
	struct err err;

	(void)state;
	/* the first "has" counts: a value that holds one cannot be a canary */
	assert_fault(
		dir_canary_parse(STR(" cn = Ada has been has mail"), &attr, &value, &has, &err),
		ERR_CONFIG, &err, "commas");
	assert_ok(dir_canary_parse(STR("uid=ada has mail, employeeNumber"), &attr, &value, &has,
				   &err),
		  &err);
	assert_true(str_eq(attr, STR("uid")));
	assert_true(str_eq(value, STR("ada")));
	assert_true(str_eq(has, STR("mail, employeeNumber")));
	assert_ok(dir_canary_parse(STR("mail=ada@example.test"), &attr, &value, &has, &err),
		  &err);
	assert_int_equal(has.len, 0);
}

static void test_checking_survives_each_lost_allocation(void **state)
{
	struct dir_options o = { 0 };
	struct conf_faults faults = { 0 };
	struct err err;
	int nth = 0, r;

	(void)state;
	assert_ok(conf_read_text("t", STR(GOOD "canaries: [uid=a]\nstatus: { a: b=active }\n"),
				 dir_option_keys, &o, &faults, &err),
		  &err);
	do {
		fault_at(++nth);
		r = dir_options_check(&o, NULL, &err);
		assert_true(r <= 0);
		/* what cannot be parsed for lack of memory must not be called wrong by its text
		 */
		assert_true(r == 0 || r == -ERR_NOMEM || strstr(err.text, "memory"));
	} while (fault_fired());
	assert_ok(r, &err);
	assert_true(nth > 20);
	conf_free(dir_option_keys, &o);
	conf_faults_free(&faults);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_careful),
		cmocka_unit_test(test_settings_that_cannot_work_or_are_not_safe_are_refused),
		cmocka_unit_test(test_all_faults_of_a_section_are_told_at_once),
		cmocka_unit_test(test_loopback_addresses_may_be_spoken_to_in_the_clear),
		cmocka_unit_test(test_canaries_are_read_with_what_they_must_show),
		cmocka_unit_test(test_checking_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
