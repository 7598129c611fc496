#include "tests/lib/test.h"

#include "ldap/dn.h"

static void test_one_name_in_many_spellings_is_one_text(void **state)
{
	static const struct {
		const char *dn, *normal; /* NULL: refused */
	} cases[] = {
		{ "uid=u1,ou=people,dc=example,dc=test",
		  "uid=u1,ou=people,dc=example,dc=test" },
		/* as slapd gave back a manager that was stored so */
		{ "UID=u000000, OU=People,dc=example , dc=test",
		  "uid=u000000,ou=people,dc=example,dc=test" },
		/* an escaped NUL is part of a name */
		{ "CN=A\\00B,dc=x", "cn=a\\00b,dc=x" },
		{ "cn=\\00,dc=x", "cn=\\00,dc=x" },
		/* the same comma, as Samba and as slapd and 389 DS write it */
		{ "cn=Smith\\, Ann,dc=x", "cn=smith\\2c ann,dc=x" },
		{ "cn=Smith\\2C Ann,dc=x", "cn=smith\\2c ann,dc=x" },
		{ "cn=\\\"quoted\\\"+uid=7,dc=x", "cn=\\22quoted\\22+uid=7,dc=x" },
		{ "uid=7+cn=b,dc=x", "cn=b+uid=7,dc=x" },
		{ "cn=Stra\\C3\\9Fe,dc=x", "cn=strasse,dc=x" },  /* folded as names are */
		{ "cn=Zoe\xcc\x88,dc=x", "cn=zo\xc3\xab,dc=x" }, /* NFD */
		{ "cn=#0402ABCD,dc=x", "cn=#0402abcd,dc=x" },
		{ "cn=\\#lead\\20,dc=x", "cn=\\23lead,dc=x" },
		{ "CN=\"Smith, Ann\"; O=X", "cn=smith\\2c ann,o=x" }, /* RFC 1779 */
		{ "2.5.4.3=a=b,dc=x", "2.5.4.3=a\\3db,dc=x" },
		{ "cn=,dc=x", "cn=,dc=x" },
		{ "cn==ce=,x", NULL }, /* libldap read beyond its end */
		{ "cn=a,", NULL },
		{ "cn=a+,dc=x", NULL },
		{ "cn=a\\", NULL },
		{ "cn=a\\4", NULL },
		{ "cn=a\\zz", NULL },
		{ "cn=#04024,dc=x", NULL },
		{ "cn=#,dc=x", NULL },
		{ "cn=\"open", NULL },
		{ "cn=\"a\"b", NULL },
		{ "cn=<a>", NULL },
		{ "cn=half\\c3", NULL },
		{ "", "" },
		{ "not a name", NULL },
		{ "cn=a,,dc=x", NULL },
		{ "=a", NULL },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf b;
		int r;

		buf_init(&b, 4 * DIR_DN_MAX_BYTES);
		r = dir_dn_normal(str_of(cases[i].dn), &b, &err);
		if (!cases[i].normal)
			assert_fault(r, ERR_INVALID_VALUE, &err, "not a distinguished name");
		else
			assert_ok(r, &err);
		if (cases[i].normal && !str_eq(buf_str(&b), str_of(cases[i].normal)))
			fail_msg("%s: %s", cases[i].dn, b.p);
		buf_done(&b);
	}
}

static void test_a_name_too_long_is_refused(void **state)
{
	char *dn = malloc(DIR_DN_MAX_BYTES + 2);
	struct buf b;
	struct err err;

	(void)state;
	memset(dn, 'a', DIR_DN_MAX_BYTES + 1);
	dn[DIR_DN_MAX_BYTES + 1] = '\0';
	memcpy(dn, "cn=", 3);
	buf_init(&b, 4 * DIR_DN_MAX_BYTES);
	assert_fault(dir_dn_normal(str_of(dn), &b, &err), ERR_INVALID_VALUE, &err,
		     "4097 bytes");
	buf_done(&b);
	free(dn);
}

static void test_below_means_a_whole_name_further_up(void **state)
{
	static const struct {
		const char *dn, *base;
		bool under;
	} cases[] = {
		{ "uid=a,ou=people,dc=x", "ou=people,dc=x", true },
		{ "ou=people,dc=x", "ou=people,dc=x", true },
		{ "ou=morepeople,dc=x", "people,dc=x", false },
		{ "uid=a,xou=people,dc=x", "ou=people,dc=x", false },
		{ "dc=x", "ou=people,dc=x", false },
		{ "dc=x", "", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(dir_dn_under(str_of(cases[i].dn), str_of(cases[i].base)),
				 cases[i].under);
	assert_true(str_eq(dir_dn_parent(STR("cn=a\\2cb,ou=p,dc=x")), STR("ou=p,dc=x")));
	assert_int_equal(dir_dn_parent(STR("dc=x")).len, 0);
	assert_int_equal(dir_dn_parent(STR("")).len, 0);
}

static void test_normalising_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		struct buf b;

		buf_init(&b, 4096);
		fault_at(++nth);
		r = dir_dn_normal(STR("uid=7+cn=Zo\xc3\xab,dc=x"), &b, &err);
		buf_done(&b);
		assert_true(r == 0 || r == -ERR_NOMEM);
	} while (fault_fired());
	assert_ok(r, &err);
	assert_true(nth > 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_name_in_many_spellings_is_one_text),
		cmocka_unit_test(test_a_name_too_long_is_refused),
		cmocka_unit_test(test_below_means_a_whole_name_further_up),
		cmocka_unit_test(test_normalising_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
