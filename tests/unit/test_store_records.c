#include "tests/lib/store_world.h"

#include "store/persons.h"
#include "store/records.h"
#include "store/shape.h"
#include "store/sources.h"

static int64_t source(struct world *w, const char *name)
{
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, sources_declare(db, name, "scim", "idp", 0, NOW, &id, &err));
	return id;
}

static struct record_put put_of(const char *key, const char *doc)
{
	return (struct record_put){ .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
}

static int create(struct world *w, int64_t src, const char *key, const char *doc,
		  struct err *err)
{
	struct record_put put = put_of(key, doc);
	struct db *db = world_begin(w, true);

	return store_write_end(db, records_create(db, src, &put, NULL, err), err);
}

#define ADA                                                                                    \
	"{\"schemas\":[],\"id\":\"a1\",\"externalId\":\"E1\",\"userName\":\"Ada@Example."      \
	"org\","                                                                               \
	"\"displayName\":\"Ada L\",\"emails\":[{\"value\":\"ADA@example.org\"},"               \
	"{\"value\":\"ada@home.example\"}]}"

static void test_a_record_keeps_its_bytes_and_columns(void **state)
{
	CLEANUP(record_done) struct record r = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = source(&w, "okta");
	assert_ok(create(&w, src, "a1", ADA, &err), &err);
	READ(&w, records_get(db, src, STR("a1"), &r, &err));
	assert_true(str_eq(r.doc, STR(ADA)));
	assert_true(str_eq(r.user_name, STR("Ada@Example.org")));
	assert_true(str_eq(r.external_id, STR("E1")));
	assert_true(str_eq(r.display, STR("Ada L")));
	assert_int_equal(r.version, 1);
	assert_int_equal(r.active, TRI_YES); /* absent is active */
	assert_int_equal(r.created_ms, NOW);
	assert_int_equal(r.modified_ms, NOW);
	assert_int_equal(r.disabled_since_ms, 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record_address"), 2);
	assert_int_equal(world_number(&w, "SELECT users * 10 + active FROM source"), 11);
	world_close(&w);
}

static void test_names_and_ids_are_unique_in_their_source(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t a, b;

	(void)state;
	world_open(&w);
	a = source(&w, "okta");
	b = source(&w, "entra");
	assert_ok(create(&w, a, "a1",
			 "{\"userName\":\"stra\xc3\x9f"
			 "e\"}",
			 &err),
		  &err);
	assert_fault(create(&w, a, "a1", "{\"userName\":\"other\"}", &err), ERR_UNIQUENESS,
		     &err, "id is taken");
	assert_fault(create(&w, a, "a2",
			    "{\"userName\":\"STRA\xc3\x9f"
			    "E\"}",
			    &err),
		     ERR_UNIQUENESS, &err, "userName is taken");
	assert_null(strstr(err.text, "STRA")); /* no personal data */
	/* RFC 8265 section 3.3: lower case, not folded; found by the same question */
	assert_ok(create(&w, a, "a2", "{\"userName\":\"STRASSE\"}", &err), &err);
	assert_ok(create(&w, b, "b1", "{\"userName\":\"STRASSE\"}", &err), &err);
	assert_ok(create(&w, a, "a3", "{}", &err), &err); /* none is no name */
	assert_ok(create(&w, a, "a4", "{}", &err), &err);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record"), 5);
	world_close(&w);
}

static int replace(struct world *w, int64_t src, const char *key, int64_t version,
		   const char *doc, int64_t now, struct err *err)
{
	struct record_put put = put_of(key, doc);
	struct db *db = world_begin(w, true);

	put.now_ms = now;
	return store_write_end(db, records_replace(db, src, str_of(key), version, &put, err),
			       err);
}

static void test_replacing_counts_versions_and_checks_them(void **state)
{
	CLEANUP(record_done) struct record r = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = source(&w, "okta");
	assert_ok(create(&w, src, "a1", ADA, &err), &err);
	assert_ok(create(&w, src, "b1", "{\"userName\":\"bob\"}", &err), &err);
	assert_int_equal(replace(&w, src, "a1", 0, ADA, NOW + 1, &err), STORE_UNCHANGED);
	assert_int_equal(replace(&w, src, "zz", 0, ADA, NOW + 1, &err), STORE_NOT_FOUND);
	assert_int_equal(replace(&w, src, "a1", 7, "{}", NOW + 1, &err), STORE_STALE);
	assert_fault(replace(&w, src, "a1", 1, "{\"userName\":\"BOB\"}", NOW + 1, &err),
		     ERR_UNIQUENESS, &err, "userName");
	assert_ok(replace(&w, src, "a1", 1, "{\"userName\":\"ada\",\"active\":false}", NOW + 2,
			  &err),
		  &err);
	READ(&w, records_get(db, src, STR("a1"), &r, &err));
	assert_int_equal(r.version, 2);
	assert_int_equal(r.created_ms, NOW);
	assert_int_equal(r.modified_ms, NOW + 2);
	assert_int_equal(r.active, TRI_NO);
	assert_int_equal(r.disabled_since_ms, NOW + 2);
	assert_int_equal(r.ended_ms, NOW + 2);
	assert_int_equal(world_number(&w, "SELECT users * 10 + active FROM source"), 21);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record_address"), 2);
	record_done(&r);
	/* back again: nothing of it is left */
	assert_ok(replace(&w, src, "a1", 2, ADA, NOW + 3, &err), &err);
	READ(&w, records_get(db, src, STR("a1"), &r, &err));
	assert_int_equal(r.ended_ms + r.disabled_since_ms, 0);
	assert_int_equal(world_number(&w, "SELECT users * 10 + active FROM source"), 22);
	world_close(&w);
}

static void test_deleting_leaves_a_tombstone_and_frees_the_name(void **state)
{
	CLEANUP(record_done) struct record r = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src, id;

	(void)state;
	world_open(&w);
	src = source(&w, "okta");
	assert_ok(create(&w, src, "a1", ADA, &err), &err);
	id = world_number(&w, "SELECT id FROM record");
	assert_int_equal(TRY_WRITE(&w, records_delete(db, src, STR("a1"), 9, NOW + 5, &err)),
			 STORE_STALE);
	WRITE(&w, records_delete(db, src, STR("a1"), 1, NOW + 5, &err));
	assert_int_equal(TRY_WRITE(&w, records_delete(db, src, STR("a1"), 0, NOW + 6, &err)),
			 STORE_NOT_FOUND);
	assert_int_equal(TRY_READ(&w, records_get(db, src, STR("a1"), &r, &err)),
			 STORE_NOT_FOUND);
	READ(&w, records_by_id(db, id, &r, &err));
	assert_true(r.deleted);
	assert_int_equal(r.ended_ms, NOW + 5);
	assert_int_equal(world_number(&w, "SELECT users * 10 + active FROM source"), 0);
	assert_ok(create(&w, src, "a2", ADA, &err), &err); /* the name is free again */
	assert_fault(create(&w, src, "a1", "{}", &err), ERR_UNIQUENESS, &err, "id");
	world_close(&w);
}

#define NAMED(name, external) "{\"userName\":\"" name "\",\"externalId\":\"" external "\"}"

static void test_who_comes_back_by_external_id_is_the_person_of_the_tombstone(void **state)
{
	static const struct {
		const char *doc;
		bool links;
	} rows[] = {
		{ NAMED("cy", "E7"), true },         /* another name, the same id */
		{ NAMED("ada", "e7"), false },       /* externalId is caseExact */
		{ "{\"userName\":\"ada\"}", false }, /* a name may be somebody else's by now */
	};
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world w = { 0 };
		int64_t src, other, ada = 0, bob = 0;

		world_open(&w);
		src = source(&w, "okta");
		other = source(&w, "other");
		WRITE(&w, persons_create(db, NOW, &ada, &err));
		WRITE(&w, persons_create(db, NOW, &bob, &err));
		assert_ok(create(&w, src, "a1", NAMED("ada", "E7"), &err), &err);
		WRITE(&w,
		      persons_link_record(db, SHAPE_FIRST(src), ada, "hand", "", NOW, &err));
		/* while it lives, nobody is it */
		assert_ok(create(&w, src, "a2", NAMED("twin", "E7"), &err), &err);
		assert_int_equal(world_number(&w, "SELECT person FROM record WHERE key='a2'"),
				 0);
		WRITE(&w, records_delete(db, src, STR("a1"), 0, NOW + 5, &err));
		assert_ok(create(&w, src, "a3", rows[i].doc, &err), &err);
		assert_int_equal(world_number(&w, "SELECT person FROM record WHERE key='a3'"),
				 rows[i].links ? ada : 0);
		/* another source's ids are its own */
		assert_ok(create(&w, other, "o1", rows[i].doc, &err), &err);
		assert_int_equal(world_number(&w, "SELECT person FROM record WHERE key='o1'"),
				 0);
		/* two persons had it: who it is, is in doubt */
		WRITE(&w, persons_link_record(db, SHAPE_FIRST(src) + 1, bob, "hand", "", NOW,
					      &err));
		WRITE(&w, records_delete(db, src, STR("a2"), 0, NOW + 6, &err));
		assert_ok(create(&w, src, "a4", NAMED("new", "E7"), &err), &err);
		assert_int_equal(world_number(&w, "SELECT person FROM record WHERE key='a4'"),
				 0);
		world_close(&w);
	}
}

/* --- groups ---------------------------------------------------------------------------------
 */

static int64_t group(struct world *w, int64_t src, const char *key, const char *doc)
{
	struct usergroup_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, usergroups_create(db, src, &put, &id, &err));
	return id;
}

static int on_member(void *ctx, const struct member_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%s" STR_FMT "=" STR_FMT ";", row->is_group ? "#" : "", STR_ARG(row->key),
		 STR_ARG(row->display));
	return 0;
}

static void members_are(struct world *w, int64_t g, const char *want)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 4096);
	READ(w, usergroups_members(db, g, on_member, &b, &err));
	assert_string_equal(b.p ? b.p : "", want);
	/* and the same, page by page */
	for (size_t most = 1; most < 4; most++) {
		struct member_place place = { 0 };

		buf_clear(&b);
		while (!place.end)
			READ(w,
			     usergroups_members_page(db, g, &place, most, on_member, &b, &err));
		assert_string_equal(b.p ? b.p : "", want);
	}
	buf_done(&b);
}

static int on_group(void *ctx, const struct usergroup_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "=" STR_FMT ";", STR_ARG(row->key), STR_ARG(row->display));
	return 0;
}

static void test_members_are_rows_of_users_and_groups(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src, g, h, other;
	struct buf b;

	(void)state;
	world_open(&w);
	src = source(&w, "okta");
	other = source(&w, "entra");
	assert_ok(create(&w, src, "a1", ADA, &err), &err);
	assert_ok(create(&w, src, "b1", "{\"userName\":\"bob\"}", &err), &err);
	assert_ok(create(&w, other, "x1", "{\"userName\":\"xi\"}", &err), &err);
	g = group(&w, src, "g1", "{\"displayName\":\"Staff\"}");
	h = group(&w, src, "h1", "{\"displayName\":\"All\"}");
	WRITE(&w, usergroups_member_add(db, g, STR("b1"), &err));
	WRITE(&w, usergroups_member_add(db, g, STR("a1"), &err));
	WRITE(&w, usergroups_member_add(db, h, STR("g1"), &err));
	assert_int_equal(TRY_WRITE(&w, usergroups_member_add(db, g, STR("a1"), &err)),
			 STORE_UNCHANGED);
	assert_int_equal(TRY_WRITE(&w, usergroups_member_add(db, g, STR("x1"), &err)),
			 STORE_NOT_FOUND); /* of another source */
	assert_fault(TRY_WRITE(&w, usergroups_member_add(db, g, STR("g1"), &err)),
		     ERR_INVALID_VALUE, &err, "its own member");
	members_are(&w, g, "a1=Ada L;b1=bob;");
	members_are(&w, h, "#g1=Staff;");
	READ(&w, usergroups_has_member(db, g, STR("a1"), &err));
	assert_int_equal(TRY_READ(&w, usergroups_has_member(db, h, STR("a1"), &err)),
			 STORE_NOT_FOUND);
	buf_init(&b, 1000);
	READ(&w, usergroups_of(db, src, STR("a1"), on_group, &b, &err));
	READ(&w, usergroups_of(db, src, STR("g1"), on_group, &b, &err));
	assert_string_equal(b.p, "g1=Staff;h1=All;");
	buf_done(&b);
	assert_int_equal(TRY_WRITE(&w, usergroups_member_remove(db, g, STR("zz"), &err)),
			 STORE_UNCHANGED);
	WRITE(&w, usergroups_member_remove(db, g, STR("b1"), &err));
	members_are(&w, g, "a1=Ada L;");
	world_close(&w);
}

static void test_a_deleted_user_leaves_its_groups_and_they_grow_newer(void **state)
{
	CLEANUP(usergroup_row_done) struct usergroup_row row = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src, g, h;

	(void)state;
	world_open(&w);
	src = source(&w, "okta");
	assert_ok(create(&w, src, "a1", ADA, &err), &err);
	g = group(&w, src, "g1", "{\"displayName\":\"Staff\"}");
	h = group(&w, src, "h1", "{\"displayName\":\"Empty\"}");
	WRITE(&w, usergroups_member_add(db, g, STR("a1"), &err));
	WRITE(&w, records_delete(db, src, STR("a1"), 0, NOW + 9, &err));
	members_are(&w, g, "");
	READ(&w, usergroups_get(db, src, STR("g1"), &row, &err));
	assert_int_equal(row.version, 2);
	assert_int_equal(row.modified_ms, NOW + 9);
	usergroup_row_done(&row);
	READ(&w, usergroups_get(db, src, STR("h1"), &row, &err));
	assert_int_equal(row.version, 1);
	(void)h;
	world_close(&w);
}

static void test_groups_are_replaced_deleted_and_unique_on_demand(void **state)
{
	CLEANUP(usergroup_row_done) struct usergroup_row row = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	struct usergroup_put put = { .doc = STR("{\"displayName\":\"STAFF\"}"), .now_ms = NOW };
	struct usergroup_put touch = { .now_ms = NOW + 3 };
	int64_t src, g;

	(void)state;
	world_open(&w);
	src = source(&w, "okta");
	g = group(&w, src, "g1", "{\"displayName\":\"Staff\"}");
	(void)group(&w, src, "g2", "{\"displayName\":\"staff\"}"); /* fine unless unique */
	put.key = STR("g3");
	put.unique = true;
	assert_fault(TRY_WRITE(&w, usergroups_create(db, src, &put, NULL, &err)),
		     ERR_UNIQUENESS, &err, "displayName is taken");
	put.unique = false;
	WRITE(&w, usergroups_replace(db, src, STR("g1"), 1, &put, &err));
	assert_int_equal(TRY_WRITE(&w, usergroups_replace(db, src, STR("g1"), 0, &put, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(TRY_WRITE(&w, usergroups_replace(db, src, STR("g1"), 1, &put, &err)),
			 STORE_STALE);
	WRITE(&w, usergroups_replace(db, src, STR("g1"), 2, &touch, &err));
	READ(&w, usergroups_get(db, src, STR("g1"), &row, &err));
	assert_int_equal(row.version, 3);
	assert_int_equal(row.modified_ms, NOW + 3);
	assert_true(str_eq(row.display, STR("STAFF")));
	WRITE(&w, usergroups_member_add(db, g, STR("g2"), &err));
	WRITE(&w, usergroups_delete(db, src, STR("g2"), 0, NOW + 4, &err));
	members_are(&w, g, "");
	WRITE(&w, usergroups_delete(db, src, STR("g1"), 0, NOW + 4, &err));
	assert_int_equal(world_number(&w, "SELECT groups FROM source"), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM member"), 0);
	world_close(&w);
}

/* --- reading --------------------------------------------------------------------------------
 */

static int on_record(void *ctx, const struct record *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "%s ", STR_ARG(row->key), row->deleted ? "-" : "");
	return 0;
}

static void test_records_are_found_by_page_address_person_and_change(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t a, b, person = 0, newest = -1;
	struct buf text;

	(void)state;
	world_open(&w);
	a = source(&w, "okta");
	b = source(&w, "entra");
	assert_ok(create(&w, a, "a1", ADA, &err), &err);
	assert_ok(create(&w, b, "b1", "{\"userName\":\"ada@example.org\"}", &err), &err);
	assert_ok(create(&w, a, "a2", "{\"userName\":\"bob\"}", &err), &err);
	WRITE(&w, records_delete(db, a, STR("a2"), 0, NOW, &err));
	WRITE(&w, persons_create(db, NOW, &person, &err));
	WRITE(&w, persons_link_record(db,
				      world_number(&w, "SELECT id FROM record WHERE key ="
						       " 'b1'"),
				      person, "email", "same", NOW, &err));
	buf_init(&text, 1000);
	READ(&w, records_page(db, a, 0, 10, on_record, &text, &err));
	buf_add_char(&text, '|');
	READ(&w, records_page(db, a, world_number(&w, "SELECT id FROM record WHERE key = 'a1'"),
			      10, on_record, &text, &err));
	buf_add_char(&text, '|');
	READ(&w, records_page(db, b, 0, 10, on_record, &text, &err));
	buf_add_char(&text, '|');
	READ(&w, records_by_address(db, STR("ada@example.org"), on_record, &text, &err));
	buf_add_char(&text, '|');
	READ(&w, records_of_person(db, person, on_record, &text, &err));
	buf_add_char(&text, '|');
	READ(&w, records_by_external_id(db, a, STR("E1"), on_record, &text, &err));
	buf_add_char(&text, '|');
	READ(&w, records_changed(db, a,
				 world_number(&w, "SELECT change FROM record WHERE key = 'a1'"),
				 10, on_record, &text, &err));
	assert_string_equal(text.p, "a1 a2- |a2- |b1 |a1 b1 |b1 |a1 |a2- ");
	READ(&w, records_newest(db, a, &newest, &err));
	assert_int_equal(newest,
			 world_number(&w, "SELECT change FROM record WHERE key = 'a2'"));
	READ(&w, records_newest(db, b + 1000, &newest, &err));
	assert_int_equal(newest, 0);
	buf_done(&text);
	world_close(&w);
}

static void test_each_lost_allocation_leaves_no_half_record(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int nth = 0, r;
	int64_t src;
	bool fired;

	(void)state;
	fault_install();
	world_open(&w);
	src = source(&w, "okta");
	do {
		struct record_put put = put_of("a1", ADA);
		struct db *db = world_begin(&w, true);

		fault_at(++nth);
		r = records_create(db, src, &put, NULL, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
		r = store_write_end(db, r, &err);
		if (r < 0)
			assert_int_equal(world_number(&w, "SELECT count(*) FROM record"), 0);
	} while (fired);
	assert_int_equal(r, 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record"), 1);
	world_close(&w);
}

/* What stands in a record's columns is taken from its text. */
static void test_columns_come_from_the_text_of_a_document(void **state)
{
	static const struct {
		const char *doc, *user, *external, *display, *mails;
		enum tri active;
	} cases[] = {
		{ "{}", "", "", "", "", TRI_YES },
		{ "{\"userName\":\"ada\",\"active\":false}", "ada", "", "", "", TRI_NO },
		{ " { \"USERNAME\" : \"ada\" , \"active\" : null } ", "ada", "", "", "",
		  TRI_YES },
		{ "{\"userName\":\"a\\\"\\u0041\",\"displayName\":\"Zo\xc3\xab\"}", "a\"A", "",
		  "Zo\xc3\xab", "", TRI_YES },
		{ "{\"name\":{\"userName\":\"no\",\"x\":[1,{\"y\":\"}]\"}]},\"userName\":"
		  "\"yes\"}",
		  "yes", "", "", "", TRI_YES },
		{ "{\"emails\":[{\"type\":\"work\",\"value\":\" "
		  "A@b.test\"},{\"value\":\"a@B.test\"},{},7],"
		  "\"externalId\":\"7\"}",
		  "", "7", "", "a@b.test| a@b.test|", TRI_YES },
		{ "{\"userName\":7,\"emails\":{\"value\":\"x\"}}", "", "", "", "", TRI_YES },
		{ "{\"userName\":\"one\",\"username\":\"two\"}", "one", "", "", "", TRI_YES },
	};
	static const char *const none[] = { "",           "[]",         "{\"a\":1",
					    "{\"a\":1,}", "{\"a\":\"x", "{\"a\"}" };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(shape_done) struct shape s = { 0 };
		char mails[100] = "";

		assert_ok(shape_of(str_of(cases[i].doc), STR(""), &s, &err), &err);
		assert_true(str_eq(s.user_name, str_of(cases[i].user)));
		assert_true(str_eq(s.external_id, str_of(cases[i].external)));
		assert_true(str_eq(s.display, str_of(cases[i].display)));
		assert_int_equal(s.active, cases[i].active);
		for (size_t k = 0; k < s.mails.n; k++)
			snprintf(mails + strlen(mails), sizeof(mails) - strlen(mails), "%s|",
				 s.mails.v[k].p);
		assert_string_equal(mails, cases[i].mails);
	}
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		struct shape s = { 0 };

		assert_fault(shape_of(str_of(none[i]), STR(""), &s, &err), ERR_INVALID_SYNTAX,
			     &err, "document");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_record_keeps_its_bytes_and_columns),
		cmocka_unit_test(test_columns_come_from_the_text_of_a_document),
		cmocka_unit_test(test_names_and_ids_are_unique_in_their_source),
		cmocka_unit_test(test_replacing_counts_versions_and_checks_them),
		cmocka_unit_test(test_deleting_leaves_a_tombstone_and_frees_the_name),
		cmocka_unit_test(
			test_who_comes_back_by_external_id_is_the_person_of_the_tombstone),
		cmocka_unit_test(test_members_are_rows_of_users_and_groups),
		cmocka_unit_test(test_a_deleted_user_leaves_its_groups_and_they_grow_newer),
		cmocka_unit_test(test_groups_are_replaced_deleted_and_unique_on_demand),
		cmocka_unit_test(test_records_are_found_by_page_address_person_and_change),
		cmocka_unit_test(test_each_lost_allocation_leaves_no_half_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
