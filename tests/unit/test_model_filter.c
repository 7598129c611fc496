/* Filter text to tree and back: RFC 7644 section 3.4.2.2, the tolerances, the policy dialect.
 */
#include "tests/lib/test.h"

#include "model/filter.h"
#include "model/schema.h"

#define ENT SCHEMA_ENTERPRISE
#define EMP SCHEMA_EMPLOYMENT

/* clang-format off */
static const struct {
	enum path_dialect dialect;
	const char *text;
	const char *canonical; /* NULL: refused */
	const char *says;      /* what the refusal says */
} cases[] = {
	/* the RFC's own examples, figure 5 */
	{ PATH_SCIM_USER, "userName eq \"bjensen\"",                 "userName eq \"bjensen\"", NULL },
	{ PATH_SCIM_USER, "name.familyName co \"O'Malley\"",         "name.familyName co \"O'Malley\"", NULL },
	{ PATH_SCIM_USER, "userName sw \"J\"",                       "userName sw \"J\"", NULL },
	{ PATH_SCIM_USER, SCHEMA_USER ":userName sw \"J\"",          "userName sw \"J\"", NULL },
	{ PATH_SCIM_USER, "title pr",                                "title pr", NULL },
	{ PATH_SCIM_USER, "meta.lastModified gt \"2011-05-13T04:42:34Z\"", "meta.lastModified gt \"2011-05-13T04:42:34Z\"", NULL },
	{ PATH_SCIM_USER, "title pr and userType eq \"Employee\"",   "title pr and userType eq \"Employee\"", NULL },
	{ PATH_SCIM_USER, "title pr or userType eq \"Intern\"",      "title pr or userType eq \"Intern\"", NULL },
	{ PATH_SCIM_USER, "schemas eq \"" ENT "\"",                  "schemas eq \"" ENT "\"", NULL },
	{ PATH_SCIM_USER, "userType eq \"Employee\" and (emails co \"example.com\" or emails.value co \"example.org\")",
	  "userType eq \"Employee\" and (emails.value co \"example.com\" or emails.value co \"example.org\")", NULL },
	{ PATH_SCIM_USER, "userType ne \"Employee\" and not (emails co \"example.com\" or emails.value co \"example.org\")",
	  "userType ne \"Employee\" and not (emails.value co \"example.com\" or emails.value co \"example.org\")", NULL },
	{ PATH_SCIM_USER, "userType eq \"Employee\" and (emails.type eq \"work\")", "userType eq \"Employee\" and emails.type eq \"work\"", NULL },
	{ PATH_SCIM_USER, "userType eq \"Employee\" and emails[type eq \"work\" and value co \"@example.com\"]",
	  "userType eq \"Employee\" and emails[type eq \"work\" and value co \"@example.com\"]", NULL },
	{ PATH_SCIM_USER, "emails[type eq \"work\" and value co \"@example.com\"] or ims[type eq \"xmpp\" and value co \"@foo.com\"]",
	  "emails[type eq \"work\" and value co \"@example.com\"] or ims[type eq \"xmpp\" and value co \"@foo.com\"]", NULL },
	/* precedence, brackets, case */
	{ PATH_SCIM_USER, "title pr or title pr and title pr",       "title pr or title pr and title pr", NULL },
	{ PATH_SCIM_USER, "(title pr or title pr) and title pr",     "(title pr or title pr) and title pr", NULL },
	{ PATH_SCIM_USER, "title pr and (title pr and title pr)",    "title pr and (title pr and title pr)", NULL },
	{ PATH_SCIM_USER, "title pr or (title pr or title pr)",      "title pr or (title pr or title pr)", NULL },
	{ PATH_SCIM_USER, "(title pr)and(title pr)",                 "title pr and title pr", NULL },
	{ PATH_SCIM_USER, "not(title pr)",                           "not (title pr)", NULL }, /* erratum 7319 */
	{ PATH_SCIM_USER, "NOT  ( not (title pr) )",                 "not (not (title pr))", NULL },
	{ PATH_SCIM_USER, "USERNAME EQ \"x\" AND Title PR",          "userName eq \"x\" and title pr", NULL },
	{ PATH_SCIM_USER, "  title   pr  ",                          "title pr", NULL },
	{ PATH_SCIM_USER, "userName eq\"x\"",                        "userName eq \"x\"", NULL },
	/* what we read out of the RFC's silence */
	{ PATH_SCIM_USER, "title eq null",                           "not (title pr)", NULL },
	{ PATH_SCIM_USER, "title ne NULL",                           "title pr", NULL },
	{ PATH_SCIM_USER, "name eq null",                            "not (name pr)", NULL },
	{ PATH_SCIM_USER, "name pr",                                 "name pr", NULL },
	{ PATH_SCIM_USER, ENT " pr",                                 ENT " pr", NULL },
	{ PATH_SCIM_USER, "id eq \"u\" and manager eq \"m\"",        "id eq \"u\" and " ENT ":manager.value eq \"m\"", NULL }, /* Entra */
	{ PATH_SCIM_GROUP, "members eq \"u\"",                       "members.value eq \"u\"", NULL },                        /* Entra */
	{ PATH_SCIM_USER, "emails[type eq \"work\"].value eq \"a@x\"", "emails[type eq \"work\" and value eq \"a@x\"]", NULL }, /* Entra */
	{ PATH_SCIM_USER, "roles[primary eq \"True\"]",              "roles[primary eq true]", NULL },                        /* Entra */
	{ PATH_SCIM_USER, "active eq \"false\"",                     "active eq false", NULL },
	{ PATH_SCIM_USER, "active eq TRUE",                          "active eq true", NULL },
	{ PATH_SCIM_USER, ENT ".department eq \"x\"",                ENT ":department eq \"x\"", NULL },                      /* Entra */
	{ PATH_SCIM_USER, ENT ":employeeNumber eq 701984",           ENT ":employeeNumber eq \"701984\"", NULL },
	{ PATH_SCIM_USER, "meta.created ge \"2026-01-01T01:00:00.250+01:00\"", "meta.created ge \"2026-01-01T00:00:00.250Z\"", NULL },
	{ PATH_SCIM_USER, "x509Certificates.value eq \"MIID_w\"",    "x509Certificates.value eq \"MIID/w==\"", NULL },
	{ PATH_SCIM_USER, EMP ":terminationDate le \"2026-11-20\"",  EMP ":terminationDate le \"2026-11-20T00:00:00Z\"", NULL },
	{ PATH_SCIM_USER, "userName eq \"\\u00fc\\ud83d\\ude00\\n\\\"\\/\"", "userName eq \"\xc3\xbc\xf0\x9f\x98\x80\\n\\\"/\"", NULL },
	{ PATH_SCIM_USER, "emails[not (type eq \"work\") or primary eq true]", "emails[not (type eq \"work\") or primary eq true]", NULL },
	{ PATH_SCIM_USER, ENT ":manager[value eq \"m\"]",            ENT ":manager[value eq \"m\"]", NULL },
	{ PATH_SCIM_ANY,  "colour eq \"red\" and size gt 1.5e1",     "colour eq \"red\" and size gt 15", NULL },
	/* refused, and it says where */
	{ PATH_SCIM_USER, "",                                        NULL, "byte 0: an attribute was expected" },
	{ PATH_SCIM_USER, "userName",                                NULL, "byte 8: an operator was expected" },
	{ PATH_SCIM_USER, "userName eq",                             NULL, "byte 11: a value was expected" },
	{ PATH_SCIM_USER, "userName is \"x\"",                       NULL, "byte 9: an operator was expected" },
	{ PATH_SCIM_USER, "userName eq x",                           NULL, "byte 12: a value was expected" },
	{ PATH_SCIM_USER, "userName eq 'x'",                         NULL, "byte 12: a value was expected" },
	{ PATH_SCIM_USER, "userName eq \"x",                         NULL, "byte 12: a string that does not end" },
	{ PATH_SCIM_USER, "userName eq \"\\x\"",                     NULL, "byte 14: unknown escape" },
	{ PATH_SCIM_USER, "userName eq \"\\u12\"",                   NULL, "four hexadecimal digits" },
	{ PATH_SCIM_USER, "userName eq \"\\ud83dx\"",                NULL, "half of a surrogate pair" },
	{ PATH_SCIM_USER, "userName eq \"\\udc00\"",                 NULL, "does not name a character" },
	{ PATH_SCIM_USER, "userName eq \"\\u0000\"",                 NULL, "does not name a character" },
	{ PATH_SCIM_USER, "userName eq \"a\tb\"",                    NULL, "a control character" },
	{ PATH_SCIM_USER, "userName eq \"\xff\"",                    NULL, "not UTF-8" },
	{ PATH_SCIM_USER, "userName eq \"x\"and title pr",           NULL, "byte 15: and, or, or the end" },
	{ PATH_SCIM_USER, "title pr title pr",                       NULL, "byte 9: and, or, or the end" },
	{ PATH_SCIM_USER, "title pr and",                            NULL, "byte 9: and, or, or the end" },
	{ PATH_SCIM_USER, "title pr and ",                           NULL, "byte 13: an attribute was expected" },
	{ PATH_SCIM_USER, "not title pr",                            NULL, "byte 4: '(' was expected" },
	{ PATH_SCIM_USER, "(title pr",                               NULL, "byte 9: ')' was expected" },
	{ PATH_SCIM_USER, "title pr)",                               NULL, "byte 8: and, or, or the end" },
	{ PATH_SCIM_USER, "emails[type eq \"work\"",                 NULL, "']' was expected" },
	{ PATH_SCIM_USER, "emails[addresses[type eq \"work\"]]",     NULL, "no attribute addresses" },
	{ PATH_SCIM_USER, "emails[]",                                NULL, "byte 7: an attribute was expected" },
	{ PATH_SCIM_USER, "emails[userName eq \"x\"]",               NULL, "byte 7: no attribute userName" },
	{ PATH_SCIM_USER, "userName[value eq \"x\"]",                NULL, "byte 8: only an attribute with parts" },
	{ PATH_SCIM_USER, "shoeSize gt 40",                          NULL, "byte 0: no attribute shoeSize" },
	{ PATH_SCIM_USER, "name eq \"x\"",                           NULL, "name has parts: name one of them" },
	{ PATH_SCIM_USER, ENT " eq \"x\"",                           NULL, "a schema has no value" },
	{ PATH_SCIM_USER, "password eq \"x\"",                       NULL, "cannot be asked for" },
	{ PATH_SCIM_USER, "active gt true",                          NULL, "does not have that operator" },
	{ PATH_SCIM_USER, "active co \"t\"",                         NULL, "does not have that operator" },
	{ PATH_SCIM_USER, "active eq \"yes\"",                       NULL, "true or false was expected" },
	{ PATH_SCIM_USER, "active eq 1",                             NULL, "true or false was expected" },
	{ PATH_SCIM_USER, "userName eq true",                        NULL, "a text in double quotes" },
	{ PATH_SCIM_USER, "userName gt null",                        NULL, "null can only be compared by eq and ne" },
	{ PATH_SCIM_USER, "x509Certificates.value gt \"MIIC\"",      NULL, "does not have that operator" },
	{ PATH_SCIM_USER, "x509Certificates.value eq \"*\"",         NULL, "base64 was expected" },
	{ PATH_SCIM_USER, "profileUrl gt \"http://x\"",              NULL, "does not have that operator" },
	{ PATH_SCIM_USER, "meta.created co \"2026\"",                NULL, "does not have that operator" },
	{ PATH_SCIM_USER, "meta.created gt \"yesterday\"",           NULL, "a date and time such as" },
	{ PATH_SCIM_USER, "meta.created gt 5",                       NULL, "a date and time such as" },
	{ PATH_SCIM_USER, EMP ":startDate gt \"soon\"",              NULL, "a date such as" },
	{ PATH_SCIM_USER, "meta.created lt now-90d",                 NULL, "a value was expected" }, /* our dialect only */
	{ PATH_SCIM_ANY,  "size eq 01",                              NULL, "a value was expected" },
	{ PATH_SCIM_ANY,  "size eq 1.",                              NULL, "a value was expected" },
	{ PATH_SCIM_ANY,  "size eq 1e999",                           NULL, "too large" },
	/* the policy dialect */
	{ PATH_POLICY_SEAT, "product eq \"jira\" and lastActive lt now-90d", "product eq \"jira\" and lastActive lt now-90d", NULL },
	{ PATH_POLICY_SEAT, "added lt NOW and added gt now-36h",     "added lt now and added gt now-36h", NULL },
	{ PATH_POLICY_SEAT, "added lt now+1440min",                  "added lt now+1d", NULL },
	{ PATH_POLICY_SEAT, "person.employment.status eq \"left\" or account.admin eq true",
	  "person." EMP ":status eq \"left\" or account.admin eq true", NULL },
	{ PATH_POLICY_ACCOUNT, "seats[product eq \"jira\" and lastActive lt now-90d]", "seats[product eq \"jira\" and lastActive lt now-90d]", NULL },
	{ PATH_POLICY_ACCOUNT, "groups eq \"jira-users\"",           "groups eq \"jira-users\"", NULL },
	{ PATH_POLICY_PERSON, "accounts[accountStatus eq \"active\" and seats[invited eq true and person.active eq false]]",
	  "accounts[accountStatus eq \"active\" and seats[invited eq true and person.active eq false]]", NULL },
	{ PATH_POLICY_PERSON, "leaveDate pr and hr.since lt now-1w", "leaveDate pr and hr.since lt now-7d", NULL },
	{ PATH_POLICY_PERSON, "employment.terminationDate lt now",   EMP ":terminationDate lt now", NULL },
	{ PATH_POLICY_SEAT, "added lt now-",                         NULL, "a value was expected" },
	{ PATH_POLICY_SEAT, "added lt now-90",                       NULL, "a value was expected" },
	{ PATH_POLICY_SEAT, "product eq now",                        NULL, "a text in double quotes" },
	{ PATH_POLICY_SEAT, "added co now",                          NULL, "does not have that operator" },
	{ PATH_POLICY_PERSON, "account.admin eq true",               NULL, "byte 0: a person may have many accounts" },
};
/* clang-format on */

static void assert_case(size_t i)
{
	CLEANUP(query_free_at) struct query *q = NULL, *again = NULL;
	CLEANUP(buf_done) struct buf out, out2;
	struct err err = { 0 };
	int r = filter_parse(str_of(cases[i].text), cases[i].dialect, &q, &err);

	buf_init(&out, 10000);
	buf_init(&out2, 10000);
	if (!cases[i].canonical) {
		if (r != -ERR_INVALID_FILTER || !strstr(err.text, cases[i].says))
			fail_msg("%s: %d %s", cases[i].text, r, err.text);
		assert_null(q);
		return;
	}
	if (r != 0)
		fail_msg("%s: %s", cases[i].text, err.text);
	query_text(q, &out);
	assert_string_equal(out.p, cases[i].canonical);
	assert_ok(filter_parse(buf_str(&out), cases[i].dialect, &again, &err), &err);
	query_text(again, &out2);
	assert_string_equal(out2.p, out.p);
}

static void test_filters_are_read_and_printed_as_they_mean(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_case(i);
}

static void test_folding_follows_case_exact(void **state)
{
	CLEANUP(query_free_at) struct query *folded = NULL, *exact = NULL, *ref = NULL;
	struct err err;

	(void)state;
	assert_ok(
		filter_parse(STR("userName eq \"\xc3\x84xB\""), PATH_SCIM_USER, &folded, &err),
		&err);
	assert_memory_equal(folded->folded, "\xc3\xa4xb", folded->folded_len);
	assert_ok(filter_parse(STR("externalId eq \"xB\""), PATH_SCIM_USER, &exact, &err),
		  &err);
	assert_null(exact->folded);
	assert_ok(filter_parse(STR("profileUrl eq \"xB\""), PATH_SCIM_USER, &ref, &err), &err);
	assert_null(ref->folded);
}

/* n times before, then inside, then n times after. */
static void nest(struct buf *into, const char *before, const char *inside, const char *after,
		 size_t n)
{
	buf_clear(into);
	for (size_t i = 0; i < n; i++)
		buf_add_text(into, before);
	buf_add_text(into, inside);
	for (size_t i = 0; i < n; i++)
		buf_add_text(into, after);
}

static void test_limits_hold_on_both_sides(void **state)
{
	static const struct {
		const char *before, *inside, *after;
		size_t most;
		const char *says;
	} limits[] = {
		{ "(", "title pr", ")", FILTER_MAX_DEPTH, "nested too deeply" },
		{ "not (", "title pr", ")", FILTER_MAX_DEPTH, "nested too deeply" },
		{ "(", "emails[type pr]", ")", FILTER_MAX_DEPTH - 1, "nested too deeply" },
		{ "(", "title eq null", ")", FILTER_MAX_DEPTH - 1, "nested too deeply" },
		{ "title pr or ", "title pr", "", FILTER_MAX_TERMS - 1, "too many terms" },
		{ " ", "title pr", "", FILTER_MAX_BYTES - 8, "longer than 8192 bytes" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		CLEANUP(query_free_at) struct query *q = NULL, *none = NULL;
		CLEANUP(buf_done) struct buf text;

		buf_init(&text, 100000);
		nest(&text, limits[i].before, limits[i].inside, limits[i].after,
		     limits[i].most);
		assert_ok(filter_parse(buf_str(&text), PATH_SCIM_USER, &q, &err), &err);
		nest(&text, limits[i].before, limits[i].inside, limits[i].after,
		     limits[i].most + 1);
		assert_fault(filter_parse(buf_str(&text), PATH_SCIM_USER, &none, &err),
			     ERR_INVALID_FILTER, &err, limits[i].says);
	}
}

/* clang-format off */
static const struct {
	enum path_dialect dialect;
	const char *text, *path, *where, *sub; /* path NULL: refused */
	int fault;
} targets[] = {
	{ PATH_SCIM_USER,  "userName",                              "userName",  NULL, NULL, 0 },
	{ PATH_SCIM_USER,  "name.familyName",                       "name.familyName", NULL, NULL, 0 },
	{ PATH_SCIM_USER,  "addresses[type eq \"work\"]",           "addresses", "type eq \"work\"", NULL, 0 },
	{ PATH_SCIM_USER,  "addresses[type eq \"work\"].STREETaddress", "addresses", "type eq \"work\"", "streetAddress", 0 },
	{ PATH_SCIM_USER,  "members[value eq \"x\"]",               NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_GROUP, "members[value eq \"2819c223-7f76-453a-919d-413861904646\"]", "members", "value eq \"2819c223-7f76-453a-919d-413861904646\"", NULL, 0 },
	{ PATH_SCIM_GROUP, "members[value eq \"281\"].displayName", NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_USER,  ENT ":manager[value eq \"m\"]",          ENT ":manager", "value eq \"m\"", NULL, 0 },
	{ PATH_SCIM_USER,  ENT,                                     ENT, NULL, NULL, 0 },
	{ PATH_SCIM_USER,  "emails[type eq \"wo]rk\"].value",       "emails", "type eq \"wo]rk\"", "value", 0 },
	{ PATH_SCIM_USER,  "emails[type eq work]",                  NULL, NULL, NULL, ERR_INVALID_FILTER },
	{ PATH_SCIM_USER,  "emails[type eq \"work\"",               NULL, NULL, NULL, ERR_INVALID_FILTER },
	{ PATH_SCIM_USER,  "emails[type eq \"work\"]value",         NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_USER,  "emails[type eq \"work\"].",             NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_USER,  "emails.value[type eq \"work\"]",        NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_USER,  "userName[type eq \"work\"]",            NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_USER,  "emails[0].value",                       NULL, NULL, NULL, ERR_INVALID_FILTER },
	{ PATH_SCIM_USER,  "/userName",                             NULL, NULL, NULL, ERR_INVALID_PATH },
	{ PATH_SCIM_USER,  "",                                      NULL, NULL, NULL, ERR_INVALID_PATH },
};
/* clang-format on */

static void test_patch_targets_have_path_filter_and_tail(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		CLEANUP(filter_target_done) struct filter_target t = { .path.slot = -1 };
		CLEANUP(buf_done) struct buf out;
		struct err err;
		int r = filter_target_parse(str_of(targets[i].text), targets[i].dialect, &t,
					    &err);

		buf_init(&out, 1000);
		if (r != -targets[i].fault)
			fail_msg("%s: %d %s", targets[i].text, r, r ? err.text : "");
		if (r < 0)
			continue;
		path_text(&t.path, &out);
		assert_string_equal(out.p, targets[i].path);
		assert_true((t.where != NULL) == (targets[i].where != NULL));
		buf_clear(&out);
		if (t.where) {
			query_text(t.where, &out);
			assert_string_equal(out.p, targets[i].where);
		}
		assert_true((t.sub != NULL) == (targets[i].sub != NULL));
		if (t.sub) {
			assert_string_equal(t.sub, targets[i].sub);
			assert_string_equal(t.sub_attr->name, targets[i].sub);
		}
	}
}

static int slots(void *ctx, struct path *path, struct err *err)
{
	int *n = ctx;

	if (*n == 3)
		return err_set(err, ERR_POLICY, "too many paths");
	path->slot = (*n)++;
	return 0;
}

static void test_each_path_is_visited_and_may_be_refused(void **state)
{
	CLEANUP(query_free_at) struct query *q = NULL, *more = NULL;
	struct err err;
	int n = 0;

	(void)state;
	assert_ok(filter_parse(STR("not (title pr) and emails[type pr]"), PATH_SCIM_USER, &q,
			       &err),
		  &err);
	assert_ok(query_each_path(q, slots, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_int_equal(q->right->left->path.slot, 2);
	n = 0;
	assert_ok(filter_parse(STR("title pr or title pr or title pr or title pr"),
			       PATH_SCIM_USER, &more, &err),
		  &err);
	assert_fault(query_each_path(more, slots, &n, &err), ERR_POLICY, &err, "too many");
}

static void test_parsing_survives_each_lost_allocation(void **state)
{
	static const char text[] =
		"not (userName eq \"J\xc3\xb6rg\") and emails[type eq \"work\"].value co \"x\" "
		"or title eq null and x509Certificates eq \"MIIC\" and manager eq \"1\"";
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(query_free_at) struct query *q = NULL;

		fault_at(++nth);
		r = filter_parse(str_of(text), PATH_SCIM_USER, &q, &err);
		fired = fault_fired();
		assert_true(fired ? r == -ERR_NOMEM : r == 0);
	} while (fired);
	assert_true(nth > 30);
}

static void test_target_parsing_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(filter_target_done) struct filter_target t = { .path.slot = -1 };

		fault_at(++nth);
		r = filter_target_parse(STR("emails[type eq \"work\"].value"), PATH_SCIM_USER,
					&t, &err);
		fired = fault_fired();
		assert_true(fired ? r == -ERR_NOMEM : r == 0);
	} while (fired);
	assert_true(nth > 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters_are_read_and_printed_as_they_mean),
		cmocka_unit_test(test_folding_follows_case_exact),
		cmocka_unit_test(test_limits_hold_on_both_sides),
		cmocka_unit_test(test_patch_targets_have_path_filter_and_tail),
		cmocka_unit_test(test_each_path_is_visited_and_may_be_refused),
		cmocka_unit_test(test_parsing_survives_each_lost_allocation),
		cmocka_unit_test(test_target_parsing_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
