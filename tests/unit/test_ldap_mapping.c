#include "tests/lib/test.h"

#include "base/jx.h"
#include "model/maptext.h"
#include "ldap/login.h"
#include "ldap/mapping.h"
#include "tests/unit/entries.h"

#define NOW 1795338000000LL
#define ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define UUID "5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1"

/* Settings with pairs of map and status, "path" "text" one after the other. */
struct settings {
	struct dir_options o;
	struct conf_pair map[8];
};

static void settings_make(struct settings *s, const char *const pairs[])
{
	memset(s, 0, sizeof(*s));
	s->o.map.v = s->map;
	for (size_t i = 0; pairs && pairs[i]; i += 2) {
		s->map[s->o.map.n].key = (char *)(uintptr_t)pairs[i];
		s->map[s->o.map.n++].value = (char *)(uintptr_t)pairs[i + 1];
	}
}

static struct dir_mapping *mapping_of(enum dir_kind kind, const struct settings *s)
{
	struct dir_mapping *m = NULL;
	struct err err;

	assert_ok(dir_mapping_new(kind, &s->o, &m, &err), &err);
	return m;
}

static void same_doc(struct str doc, const char *want)
{
	if (!str_eq(doc, str_of(want)))
		fail_msg("\n" STR_FMT "\nnot\n%s", STR_ARG(doc), want);
}

/* The caller's. */
static json_t *doc_of(const struct dir_mapped *m)
{
	json_t *doc = NULL;
	struct err err;

	assert_ok(jx_parse(m->map.text, JX_LENIENT, &doc, &err), &err);
	return doc;
}

static void test_expressions_of_the_map_are_read(void **state)
{
	static const struct {
		const char *text;
		enum map_how how;
		const char *from0, *from1, *constant, *pattern, *with, *otherwise;
		const char *word, *means;
	} cases[] = {
		{ .text = "uid", .from0 = "uid" },
		{ .text = " displayName , cn ", .from0 = "displayName", .from1 = "cn" },
		{ .text = "each mail", .how = MAP_EACH, .from0 = "mail" },
		{ .text = "join givenName, sn",
		  .how = MAP_JOIN,
		  .from0 = "givenName",
		  .from1 = "sn" },
		{ .text = "=\"Employee of ours\"", .constant = "Employee of ours" },
		{ .text = "= Employee", .constant = "Employee" },
		{ .text = "employeeNumber /^0*(.+)$/$1/",
		  .from0 = "employeeNumber",
		  .pattern = "^0*(.+)$",
		  .with = "$1" },
		{ .text = "a /x\\/y\\d/z/", .from0 = "a", .pattern = "x/y\\d", .with = "z" },
		{ .text = "employeeType { Employee: active, *: other }",
		  .from0 = "employeeType",
		  .otherwise = "other",
		  .word = "Employee",
		  .means = "active" },
		{ .text = "employeeType{Gone away:}",
		  .from0 = "employeeType",
		  .word = "Gone away" },
		{ .text = "t /a/b/ { b: c }",
		  .from0 = "t",
		  .pattern = "a",
		  .with = "b",
		  .word = "b",
		  .means = "c" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct maptext m;
		const struct map_row *r;

#define SAME(a, b) ((a) && (b) ? strcmp(a, b) == 0 : !(a) && !(b))
		assert_ok(maptext_parse("userName", str_of(cases[i].text), dir_attr_name_ok, &m,
					&err),
			  &err);
		r = &m.row;
		if (r->how != cases[i].how || !SAME(r->from[0], cases[i].from0) ||
		    !SAME(r->from[1], cases[i].from1) ||
		    !SAME(r->constant, cases[i].constant) ||
		    !SAME(r->pattern, cases[i].pattern) || !SAME(r->with, cases[i].with) ||
		    !SAME(r->otherwise, cases[i].otherwise))
			fail_msg("%s", cases[i].text);
		if (cases[i].word) {
			assert_string_equal(r->words[0].from, cases[i].word);
			assert_true(SAME(r->words[0].to, cases[i].means));
			assert_null(r->words[1].from);
		}
		maptext_done(&m);
	}
}

static void test_expressions_that_are_none_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *text;
		int at;
	} cases[] = {
		{ "two words", 4 },
		{ "each", -1 },
		{ "each ", -1 },
		{ "a,", 2 },
		{ "a, b c", 5 },
		{ "a /x", 4 },
		{ "a /x/y", 6 },
		{ "a { b }", 6 },
		{ "a { b: c", 8 },
		{ "a { b: c } d", 11 },
		{ "=", 0 },
		{ "a*b", 0 },
		{ "a,b,c,d,e,f,g,h", 0 },
		{ "=\"\"", 0 },
		{ "1.2.x", 0 },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct maptext m = { 0 };
		char says[40];
		int r = maptext_parse("userName", str_of(cases[i].text), dir_attr_name_ok, &m,
				      &err);

		snprintf(says, sizeof(says), "byte %d", cases[i].at);
		if (cases[i].at < 0) /* "each" alone is an attribute's name */
			assert_ok(r, &err);
		else
			assert_fault(r, ERR_CONFIG, &err, cases[i].at ? says : "");
		maptext_done(&m);
	}
	{
		struct maptext m;

		assert_ok(maptext_parse("title", STR(""), dir_attr_name_ok, &m, &err), &err);
		assert_true(m.nothing);
		maptext_done(&m);
	}
}

static const char *const person[] = { "objectClass: inetOrgPerson",
				      "uid: ada",
				      "cn: Ada Example",
				      "sn: Example",
				      "givenName: Ada",
				      "displayName: Zoe\xcc\x88",
				      "mail: ada@example.test",
				      "mail: a.example@example.test",
				      "employeeNumber: 0042",
				      "departmentNumber: IT",
				      "title: Engineer",
				      "employeeType: Employee",
				      "manager: UID=Boss, OU=People,dc=x",
				      "entryUUID: 5F0C2F6E-6C39-4B0E-9D77-0A8F1A5C0DE1",
				      NULL };

static void test_a_person_of_openldap_becomes_a_scim_user(void **state)
{
	struct settings s;
	struct dir_mapping *m;
	struct dir_entry e = { 0 };
	struct dir_mapped got;
	struct err err;

	(void)state;
	settings_make(&s, NULL);
	m = mapping_of(DIR_OPENLDAP, &s);
	entry_make(&e, "uid=ada,dc=x", person);
	assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
	assert_string_equal(got.key, UUID);
	same_doc(got.map.text,
		 "{\"active\":true,\"displayName\":\"Zo\xc3\xab\","
		 "\"emails\":[{\"value\":\"ada@example.test\"},"
		 "{\"value\":\"a.example@example.test\"}],"
		 "\"externalId\":\"" UUID "\","
		 "\"name\":{\"familyName\":\"Example\",\"formatted\":\"Ada Example\","
		 "\"givenName\":\"Ada\"},"
		 "\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\",\"" ENTERPRISE
		 "\"],"
		 "\"title\":\"Engineer\","
		 "\"" ENTERPRISE "\":{\"department\":\"IT\",\"employeeNumber\":\"0042\","
		 "\"manager\":{\"value\":\"uid=boss,ou=people,dc=x\"}},"
		 "\"userName\":\"ada\",\"userType\":\"Employee\"}");
	assert_int_equal(got.map.unknown_n, 0);
	dir_mapped_done(&got);
	dir_mapping_free(m);
	dir_entry_done(&e);
}

static void test_a_person_of_active_directory_becomes_a_scim_user(void **state)
{
	static const char *const lines[] = { "sAMAccountName: ada",
					     "userPrincipalName: ada@corp.test",
					     "sn: Example",
					     "mail: ada@example.test",
					     "proxyAddresses: smtp:old@example.test",
					     "proxyAddresses: X400:c=us",
					     "proxyAddresses: SMTP:Ada@example.test",
					     "department: IT",
					     "company: Example",
					     "employeeID: 7",
					     "userAccountControl: 514",
					     NULL };
	static const unsigned char guid[16] = {
		0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
		0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF
	};
	struct settings s;
	struct dir_mapping *m;
	struct dir_entry e = { 0 };
	struct dir_mapped got;
	struct err err;

	(void)state;
	settings_make(&s, NULL);
	m = mapping_of(DIR_AD, &s);
	entry_make(&e, "CN=Ada", lines);
	entry_add(&e, "objectGUID", guid, sizeof(guid));
	assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
	assert_string_equal(got.key, "00112233-4455-6677-8899-aabbccddeeff");
	/* the primary address first, and each once */
	same_doc(got.map.text,
		 "{\"active\":false,"
		 "\"emails\":[{\"value\":\"Ada@example.test\"},{\"value\":\"old@example.test\"}"
		 "],"
		 "\"externalId\":\"00112233-4455-6677-8899-aabbccddeeff\","
		 "\"name\":{\"familyName\":\"Example\"},"
		 "\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\",\"" ENTERPRISE
		 "\"],"
		 "\"" ENTERPRISE "\":{\"department\":\"IT\",\"employeeNumber\":\"7\","
		 "\"organization\":\"Example\"},"
		 "\"userName\":\"ada@corp.test\"}");
	dir_mapped_done(&got);
	dir_mapping_free(m);
	dir_entry_done(&e);
}

static bool unknown_says(const struct dir_mapped *got, const char *path)
{
	for (size_t i = 0; i < got->map.unknown_n; i++)
		if (strcmp(got->map.unknown[i], path) == 0)
			return true;
	return false;
}

static void test_what_cannot_be_taken_is_unknown_and_never_absent(void **state)
{
	static const char *const lines[] = { "uid: ada",
					     "entryUUID: " UUID,
					     "cn: bell\x07",
					     "title: half \xc3",
					     "mail;range=0-1: a@x.test",
					     "manager: no name",
					     "employeeType: ",
					     NULL };
	struct settings s;
	struct dir_mapping *m;
	struct dir_entry e = { 0 };
	struct dir_mapped got;
	json_t *doc;
	struct err err;

	(void)state;
	settings_make(&s, NULL);
	m = mapping_of(DIR_OPENLDAP, &s);
	entry_make(&e, "uid=ada,dc=x", lines);
	assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
	assert_true(unknown_says(&got, "name.formatted"));
	assert_true(unknown_says(&got, "title"));
	assert_true(unknown_says(&got, "emails"));
	assert_true(unknown_says(&got, ENTERPRISE ":manager"));
	assert_false(unknown_says(&got, "userType")); /* an empty value is none */
	doc = doc_of(&got);
	assert_null(json_object_get(doc, "title"));
	json_decref(doc);
	dir_mapped_done(&got);
	dir_mapping_free(m);
	dir_entry_done(&e);
}

static void test_a_hidden_attribute_is_unknown_for_all_and_counted_apart(void **state)
{
	static const char *const lines[] = { "uid: ada", "entryUUID: " UUID, NULL };
	struct settings s;
	struct dir_mapping *m;
	struct dir_entry e = { 0 };
	struct dir_mapped got;
	struct dir_attr_stats stats = { 0 };
	json_t *doc;
	struct err err;
	bool seen = false;

	(void)state;
	settings_make(&s, NULL);
	m = mapping_of(DIR_OPENLDAP, &s);
	dir_mapping_hide(m, STR("MAIL"), "a canary lacks it");
	dir_mapping_hide(m, STR("pwdAccountLockedTime"), "a canary lacks it");
	dir_mapping_hide(m, STR("notAsked"), "whatever");
	entry_make(&e, "uid=ada,dc=x", lines);
	assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
	assert_true(unknown_says(&got, "emails"));
	assert_true(unknown_says(&got, "active"));
	doc = doc_of(&got);
	assert_null(json_object_get(doc, "active"));
	json_decref(doc);
	dir_mapped_done(&got);
	entry_make(&e, "uid=ada,dc=x", person);
	assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
	assert_false(unknown_says(&got, "emails")); /* what is shown counts */
	dir_mapped_done(&got);
	assert_ok(dir_mapping_stats(m, &stats, &err), &err);
	for (size_t i = 0; i < stats.n; i++) {
		const struct dir_attr_stat *a = &stats.v[i];

		if (strcmp(a->name, "mail") == 0) {
			seen = true;
			assert_int_equal(a->with, 1);
			assert_true(a->unknown);
			assert_string_equal(a->why, "a canary lacks it");
			/* the second choice for userName, and the addresses */
			assert_int_equal(a->paths.n, 2);
		}
		if (strcmp(a->name, "entryUUID") == 0)
			assert_int_equal(a->with, 2);
		if (strcmp(a->name, "shadowExpire") == 0)
			assert_true(a->state && strcmp(a->paths.v[0], "active") == 0);
	}
	assert_true(seen);
	dir_attr_stats_free(&stats);
	dir_mapping_free(m);
	dir_entry_done(&e);
}

static void test_an_entry_without_a_key_is_a_fault(void **state)
{
	static const char *const lines[] = { "uid: ada", "entryUUID: not one", NULL };
	struct settings s;
	struct dir_mapping *m;
	struct dir_entry e = { 0 };
	struct dir_mapped got;
	struct err err;

	(void)state;
	settings_make(&s, NULL);
	m = mapping_of(DIR_OPENLDAP, &s);
	entry_make(&e, "uid=ada,dc=x", lines);
	assert_fault(dir_mapping_apply(m, &e, NOW, &got, &err), ERR_INVALID_VALUE, &err,
		     "no readable entryUUID");
	assert_null(strstr(err.text, "not one")); /* and no data of the entry */
	dir_mapping_free(m);
	dir_entry_done(&e);
}

static void test_the_operators_rows_replace_the_default_ones(void **state)
{
	static const char *const pairs[] = {
		"emails[type eq \"work\"].value",
		"mail",
		"title",
		"",
		"enterprise.employeeNumber",
		"employeeNumber /^0*(.+)$/$1/",
		"employment.status",
		"employeeType { Employee: active, Gone: terminated }",
		NULL
	};
	struct settings s;
	struct dir_mapping *m;
	struct dir_entry e = { 0 };
	struct dir_mapped got;
	json_t *doc;
	struct err err;

	(void)state;
	settings_make(&s, pairs);
	m = mapping_of(DIR_OPENLDAP, &s);
	entry_make(&e, "uid=ada,dc=x", person);
	assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
	doc = doc_of(&got);
	assert_null(json_object_get(doc, "title"));
	assert_int_equal(json_array_size(json_object_get(doc, "emails")), 1);
	assert_string_equal(jx_get_text(json_object_get(doc, ENTERPRISE), "employeeNumber"),
			    "42");
	assert_string_equal(
		jx_get_text(json_object_get(
				    doc, "urn:ietf:params:scim:schemas:extension:leaverd:2.0:"
					 "Employment"),
			    "status"),
		"active");
	json_decref(doc);
	dir_mapped_done(&got);
	dir_mapping_free(m);
	dir_entry_done(&e);
}

static void test_maps_that_cannot_work_are_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *pairs[3], *says;
	} cases[] = {
		{ { "active", "employeeType" }, "status:" },
		{ { "noSuchThing", "uid" }, "noSuchThing" },
		{ { "userName", "two words" }, "userName: at byte 4" },
		{ { "id", "uid" }, "id" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct settings s;
		struct dir_mapping *m = NULL;
		struct err err;

		settings_make(&s, cases[i].pairs);
		assert_fault(dir_mapping_new(DIR_OPENLDAP, &s.o, &m, &err), ERR_CONFIG, &err,
			     cases[i].says);
	}
}

static void test_every_kinds_default_map_compiles_and_asks_for_its_key(void **state)
{
	(void)state;
	for (int k = 0; k < DIR_KIND_COUNT; k++) {
		struct settings s;
		struct dir_mapping *m;
		char *const *names;
		bool found = false;

		settings_make(&s, NULL);
		m = mapping_of((enum dir_kind)k, &s);
		for (names = dir_mapping_names(m); *names; names++)
			found |= strcmp(*names, dir_trait((enum dir_kind)k)->key) == 0;
		assert_true(found);
		dir_mapping_free(m);
	}
}

static void test_another_map_is_another_question(void **state)
{
	static const char *const pairs[] = { "title", "personalTitle", NULL };
	struct settings one, two;
	struct dir_mapping *a, *b, *c;
	struct buf x, y, z;

	(void)state;
	settings_make(&one, NULL);
	settings_make(&two, pairs);
	a = mapping_of(DIR_OPENLDAP, &one);
	b = mapping_of(DIR_OPENLDAP, &one);
	c = mapping_of(DIR_OPENLDAP, &two);
	buf_init(&x, 1 << 20);
	buf_init(&y, 1 << 20);
	buf_init(&z, 1 << 20);
	dir_mapping_digest(a, &x);
	dir_mapping_digest(b, &y);
	dir_mapping_digest(c, &z);
	assert_true(str_eq(buf_str(&x), buf_str(&y)));
	assert_false(str_eq(buf_str(&x), buf_str(&z)));
	buf_done(&x);
	buf_done(&y);
	buf_done(&z);
	dir_mapping_free(a);
	dir_mapping_free(b);
	dir_mapping_free(c);
}

static void test_mapping_survives_each_lost_allocation(void **state)
{
	static const char *const pairs[] = { "title", "title /a/b/ { b: c, *: d }", NULL };
	struct settings s;
	struct dir_entry e = { 0 };
	struct err err;
	int nth = 0, r;

	(void)state;
	fault_install();
	settings_make(&s, pairs);
	entry_make(&e, "uid=ada,dc=x", person);
	do {
		struct dir_mapping *m = NULL;
		struct dir_mapped got;
		struct dir_attr_stats stats = { 0 };

		fault_at(++nth);
		r = dir_mapping_new(DIR_OPENLDAP, &s.o, &m, &err);
		if (r == 0)
			r = dir_mapping_apply(m, &e, NOW, &got, &err);
		if (r == 0) {
			dir_mapped_done(&got);
			r = dir_mapping_stats(m, &stats, &err);
		}
		if (r != 0 && r != -ERR_NOMEM)
			fail_msg("allocation %d: %s", nth, err.text);
		dir_attr_stats_free(&stats);
		dir_mapping_free(m);
	} while (fault_fired());
	assert_ok(r, &err);
	assert_true(nth > 100);
	dir_entry_done(&e);
}

/* The latest day it can have been: whatever lags is moved by its lag, so that nobody seems idle
 * who may have logged in since. */
static void test_a_last_login_is_the_latest_day_that_it_can_have_been(void **state)
{
	static const struct {
		enum dir_kind kind;
		const char *lines[4];
		const char *day; /* NULL: absent; "": unknown */
	} cases[] = {
		/* 2026-10-01T00:00Z, replicated up to 14 days late */
		{ DIR_AD, { "lastLogonTimestamp: 134353440000000000" }, "2026-10-15" },
		{ DIR_AD, { "lastLogonTimestamp: 0" }, NULL }, /* never, or not recorded */
		{ DIR_AD, { "cn: x" }, NULL },
		{ DIR_AD, { "lastLogonTimestamp: soon" }, "" },
		{ DIR_AD, { "authTimestamp: 20261120230000Z" }, NULL }, /* not AD's */
		{ DIR_OPENLDAP, { "authTimestamp: 20261120230000Z" }, "2026-11-20" },
		{ DIR_OPENLDAP,
		  { "authTimestamp: 20261001000000Z", "pwdLastSuccess: 20261002000000.5Z" },
		  "2026-10-02" },
		{ DIR_OPENLDAP,
		  { "authTimestamp: 20261001000000Z", "pwdLastSuccess: 2026-10-02" },
		  "" },
		{ DIR_389, { "lastLoginTime: 20261120230000Z" }, "2026-11-20" },
		{ DIR_OTHER, { "lastLoginTime: 20261120230000Z" }, NULL },
	};
	char day[STAMP_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_entry e = { 0 };
		enum value_state want = !cases[i].day      ? VALUE_ABSENT
					: !cases[i].day[0] ? VALUE_UNKNOWN
							   : VALUE_PRESENT;

		entry_make(&e, "cn=x", cases[i].lines);
		assert_int_equal(dir_login_read(cases[i].kind, &e, NULL, NULL, day), want);
		if (want == VALUE_PRESENT)
			assert_string_equal(day, cases[i].day);
		dir_entry_done(&e);
	}
}

static void test_logins_are_read_only_when_asked_for_and_hidden_ones_are_unknown(void **state)
{
	static const char *const lines[] = { "uid: ada", "entryUUID: " UUID,
					     "authTimestamp: 20261120230000Z", NULL };
	static const char *const none[] = { "uid: ada", "entryUUID: " UUID, NULL };
	struct err err;

	(void)state;
	for (int asked = 0; asked < 2; asked++) {
		struct settings s;
		struct dir_mapping *m;
		struct dir_entry e = { 0 };
		struct dir_mapped got;
		const json_t *job;
		json_t *doc;

		settings_make(&s, NULL);
		s.o.logins = asked;
		m = mapping_of(DIR_OPENLDAP, &s);
		entry_make(&e, "uid=ada", lines);
		assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
		doc = doc_of(&got);
		job = json_object_get(doc, SCHEMA_EMPLOYMENT);
		if (asked)
			assert_string_equal(jx_get_text(job, "lastLogin"), "2026-11-20");
		else
			assert_null(job);
		json_decref(doc);
		dir_mapped_done(&got);
		/* who shows none is absent; once it is known to be hidden, unknown */
		entry_make(&e, "uid=ada", none);
		assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
		assert_false(unknown_says(&got, SCHEMA_EMPLOYMENT ":lastLogin"));
		dir_mapped_done(&got);
		dir_mapping_hide(m, STR("authTimestamp"), "a test says so");
		assert_ok(dir_mapping_apply(m, &e, NOW, &got, &err), &err);
		assert_int_equal(unknown_says(&got, SCHEMA_EMPLOYMENT ":lastLogin"), asked);
		dir_mapped_done(&got);
		dir_mapping_free(m);
		dir_entry_done(&e);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expressions_of_the_map_are_read),
		cmocka_unit_test(test_expressions_that_are_none_are_refused_with_their_place),
		cmocka_unit_test(test_a_person_of_openldap_becomes_a_scim_user),
		cmocka_unit_test(test_a_person_of_active_directory_becomes_a_scim_user),
		cmocka_unit_test(test_what_cannot_be_taken_is_unknown_and_never_absent),
		cmocka_unit_test(test_a_hidden_attribute_is_unknown_for_all_and_counted_apart),
		cmocka_unit_test(test_an_entry_without_a_key_is_a_fault),
		cmocka_unit_test(test_the_operators_rows_replace_the_default_ones),
		cmocka_unit_test(test_maps_that_cannot_work_are_refused_with_a_sentence),
		cmocka_unit_test(test_every_kinds_default_map_compiles_and_asks_for_its_key),
		cmocka_unit_test(test_another_map_is_another_question),
		cmocka_unit_test(test_a_last_login_is_the_latest_day_that_it_can_have_been),
		cmocka_unit_test(
			test_logins_are_read_only_when_asked_for_and_hidden_ones_are_unknown),
		cmocka_unit_test(test_mapping_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
