/* Whom a notice is written to: by the order of sources, and nobody by guess. */
#include "tests/lib/store_world.h"

#include "bridge/addressee.h"
#include "store/persons.h"
#include "store/records.h"
#include "store/sources.h"

#define CORE "\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"]"
#define ENTERPRISE "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\""
#define EMPLOYMENT "\"urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment\""

static int64_t hr, directory;

static void begin(struct world *w)
{
	struct err err = { 0 };

	world_open(w);
	WRITE(w, sources_declare(db, "hr", "file", "hr", 0, NOW, &hr, &err));
	WRITE(w, sources_declare(db, "corp", "ldap", "directory", 1, NOW, &directory, &err));
}

static int64_t record(struct world *w, int64_t source, const char *key, const char *doc)
{
	struct record_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, records_create(db, source, &put, &id, &err));
	return id;
}

static int64_t person(struct world *w)
{
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, persons_create(db, NOW, &id, &err));
	return id;
}

static void belongs(struct world *w, int64_t id, int64_t to)
{
	struct err err = { 0 };

	WRITE(w, persons_link_record(db, id, to, "test", "{}", NOW, &err));
}

static void find(struct world *w, int64_t whom, struct addressee *ret)
{
	struct err err = { 0 };

	READ(w, addressee_find(db, whom, ret, &err));
}

static void test_of_whom_nothing_is_known_nothing_is_said(void **state)
{
	struct addressee a;
	struct world w = { 0 };

	(void)state;
	begin(&w);
	memset(&a, 'x', sizeof(a));
	find(&w, 0, &a);
	assert_string_equal(a.first_name, "");
	assert_string_equal(a.manager, "");
	memset(&a, 'x', sizeof(a));
	find(&w, person(&w), &a);
	assert_string_equal(a.first_name, "");
	assert_string_equal(a.language, "");
	assert_string_equal(a.zone, "");
	assert_string_equal(a.manager, "");
	assert_string_equal(a.sponsor, "");
	world_close(&w);
}

static void test_each_attribute_is_the_first_sources_that_has_it(void **state)
{
	struct addressee a;
	struct world w = { 0 };
	int64_t ada;

	(void)state;
	begin(&w);
	ada = person(&w);
	/* the directory's record comes first, and is asked second */
	belongs(&w,
		record(&w, directory, "d1",
		       "{" CORE ",\"userName\":\"ada\",\"name\":{\"givenName\":\"Augusta\"},"
		       "\"locale\":\"en-GB\",\"timezone\":\"Europe/London\"}"),
		ada);
	belongs(&w,
		record(&w, hr, "h1",
		       "{" CORE ",\"userName\":\"ada\",\"name\":{\"givenName\":\"Ada\"},"
		       "\"preferredLanguage\":\"de-AT\"}"),
		ada);
	find(&w, ada, &a);
	assert_string_equal(a.first_name, "Ada");
	assert_string_equal(a.language, "de-AT");
	assert_string_equal(a.zone, "Europe/London");
	/* who is retired as a source says nothing */
	world_meddle(&w, "UPDATE source SET state = 2 WHERE name = 'hr'");
	find(&w, ada, &a);
	assert_string_equal(a.first_name, "Augusta");
	assert_string_equal(a.language, "en-GB");
	world_close(&w);
}

static void test_what_is_deleted_or_gone_or_too_long_says_nothing(void **state)
{
	CLEANUP(buf_done) struct buf doc;
	struct addressee a;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t ada;

	(void)state;
	buf_init(&doc, 4096);
	begin(&w);
	ada = person(&w);
	buf_add_text(&doc, "{" CORE ",\"userName\":\"ada\",\"name\":{\"givenName\":\"");
	for (int i = 0; i < ADDRESSEE_BYTES; i++)
		buf_add_char(&doc, 'a');
	buf_add_text(&doc, "\"}}");
	belongs(&w, record(&w, hr, "h1", doc.p), ada);
	find(&w, ada, &a);
	assert_string_equal(a.first_name, "");
	belongs(&w,
		record(&w, directory, "d1",
		       "{" CORE ",\"userName\":\"ada2\",\"name\":{\"givenName\":\"Ada\"}}"),
		ada);
	find(&w, ada, &a);
	assert_string_equal(a.first_name, "Ada");
	WRITE(&w, records_delete(db, directory, STR("d1"), 0, NOW, &err));
	find(&w, ada, &a);
	assert_string_equal(a.first_name, "");
	world_close(&w);
}

/* Who is named as manager in the HR record, and what that comes to. */
static const struct {
	const char *named, *is;
} managers[] = {
	{ "m1", "first@example.com" },                /* the id of a record */
	{ "ext-2", "second@example.com" },            /* its external id */
	{ "third@example.com", "third@example.com" }, /* an address of a record */
	{ "Third@Example.com", "third@example.com" },
	{ "else@example.org", "else@example.org" }, /* one that nobody here has */
	{ "ext-twice", "" },                        /* two are called so */
	{ "off", "" },                              /* who is disabled reads no mail */
	{ "nobody", "" },
	{ "d9", "" }, /* a record of another source */
	{ "evil@example.com\\r\\nBcc: all@example.com", "" },
	{ "", "" },
};

static void test_a_manager_is_one_live_record_of_the_same_source_or_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(managers); i++) {
		struct addressee a;
		struct world w = { 0 };
		char doc[1024];
		int64_t ada;

		begin(&w);
		ada = person(&w);
		record(&w, hr, "m1",
		       "{" CORE
		       ",\"userName\":\"m1\",\"emails\":[{\"value\":\"x@example.com\"},"
		       "{\"value\":\"first@example.com\",\"primary\":true}]}");
		record(&w, hr, "m2",
		       "{" CORE
		       ",\"userName\":\"second@example.com\",\"externalId\":\"ext-2\"}");
		record(&w, hr, "m3",
		       "{" CORE ",\"userName\":\"m3\",\"emails\":[{\"value\":"
		       "\"third@example.com\"}]}");
		record(&w, hr, "m4",
		       "{" CORE
		       ",\"userName\":\"four@example.com\",\"externalId\":\"ext-twice\"}");
		record(&w, hr, "m5",
		       "{" CORE
		       ",\"userName\":\"five@example.com\",\"externalId\":\"ext-twice\"}");
		record(&w, hr, "off",
		       "{" CORE ",\"userName\":\"six@example.com\",\"active\":false}");
		record(&w, directory, "d9", "{" CORE ",\"userName\":\"nine@example.com\"}");
		snprintf(doc, sizeof(doc),
			 "{" CORE ",\"userName\":\"ada\"," ENTERPRISE
			 ":{\"manager\":{\"value\":\"%s\"}}," EMPLOYMENT
			 ":{\"sponsor\":\"%s\"}}",
			 managers[i].named, managers[i].named);
		belongs(&w, record(&w, hr, "h1", doc), ada);
		find(&w, ada, &a);
		if (strcmp(a.manager, managers[i].is) || strcmp(a.sponsor, managers[i].is))
			fail_msg("%s is \"%s\" and \"%s\"", managers[i].named, a.manager,
				 a.sponsor);
		world_close(&w);
	}
}

static void test_lost_memory_is_told(void **state)
{
	struct err err = { 0 };
	struct world w = { 0 };
	int nth = 0, r;
	int64_t ada;
	bool fired;

	(void)state;
	begin(&w);
	ada = person(&w);
	record(&w, hr, "m1", "{" CORE ",\"userName\":\"m1@example.com\"}");
	belongs(&w,
		record(&w, hr, "h1",
		       "{" CORE ",\"userName\":\"ada\"," ENTERPRISE ":{\"manager\":\"m1\"}}"),
		ada);
	do {
		struct db *db = world_begin(&w, false);
		struct addressee a;

		fault_at(++nth);
		r = addressee_find(db, ada, &a, &err);
		fired = fault_fired();
		if (!fired)
			assert_string_equal(a.manager, "m1@example.com");
		else
			assert_true(r == -ERR_NOMEM || r == 0);
		store_read_end(db);
	} while (fired);
	assert_int_equal(r, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_whom_nothing_is_known_nothing_is_said),
		cmocka_unit_test(test_each_attribute_is_the_first_sources_that_has_it),
		cmocka_unit_test(test_what_is_deleted_or_gone_or_too_long_says_nothing),
		cmocka_unit_test(
			test_a_manager_is_one_live_record_of_the_same_source_or_nobody),
		cmocka_unit_test(test_lost_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
