/*
 * How the statements of filters are answered: what identity providers ask must never walk all
 * records of a source, of which there may be a million. The driver below keeps the text of each
 * statement that a search prepares; then the engine is asked how it would run it.
 */
#include "tests/lib/store_world.h"

#include "model/filter.h"
#include "store/find.h"
#include "store/records.h"
#include "store/sources.h"

static struct {
	struct world w;
	int64_t source;
	char searched[4096]; /* the last statement over table r */
} t;

static struct driver keeping;

static int keep_prepare(struct driver_conn *conn, struct str sql, struct driver_stmt **ret,
			struct err *err)
{
	if (memmem(sql.p, sql.len, " r WHERE ", 9) && sql.len < sizeof(t.searched)) {
		memcpy(t.searched, sql.p, sql.len);
		t.searched[sql.len] = '\0';
	}
	return driver_sqlite.prepare(conn, sql, ret, err);
}

static void put_user(struct db *db, int n, struct err *err, int *r)
{
	struct record_put put = { .now_ms = NOW };
	char key[16], doc[200];

	(void)snprintf(key, sizeof(key), "k%d", n);
	(void)snprintf(
		doc, sizeof(doc),
		"{\"id\":\"k%d\",\"userName\":\"U%d\",\"externalId\":\"e%d\",\"active\":true,"
		"\"displayName\":\"d%d\",\"emails\":[{\"value\":\"m%d@x\"}]}",
		n, n, n, n, n);
	put.key = str_of(key);
	put.doc = str_of(doc);
	*r = records_create(db, t.source, &put, NULL, err);
}

static int set_up(void **state)
{
	struct store_options o = { .write = true, .create = true, .driver = &keeping };
	struct usergroup_put group = {
		.key = STR("g1"),
		.doc = STR("{\"id\":\"g1\",\"displayName\":\"Staff\",\"externalId\":\"eg\"}"),
		.now_ms = NOW
	};
	struct err err = { 0 };
	struct db *begun;
	int64_t id = 0;
	int r = 0;

	(void)state;
	keeping = driver_sqlite;
	keeping.prepare = keep_prepare;
	world_dir(&t.w);
	o.path = t.w.path;
	assert_ok(store_open(&o, &t.w.store, &err), &err);
	assert_ok(world_vault(&t.w, true, &err), &err);
	WRITE(&t.w, sources_declare(db, "okta", "scim", "idp", 1, NOW, &t.source, &err));
	begun = world_begin(&t.w, true);
	for (int n = 0; r == 0 && n < 20; n++)
		put_user(begun, n, &err, &r);
	if (r == 0)
		r = usergroups_create(begun, t.source, &group, &id, &err);
	for (int n = 0; r == 0 && n < 20; n += 2) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", n);
		r = usergroups_member_add(begun, id, str_of(key), &err);
	}
	assert_ok(store_write_end(begun, r, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&t.w);
	return 0;
}

static int on_row(void *ctx, const struct find_row *row, struct err *err)
{
	int *rows = ctx;

	(void)row;
	(void)err;
	++*rows;
	return 0;
}

static int find(const char *text, unsigned type)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	struct find want = { .types = type, .count = 100, .want_total = true, .now_ms = NOW };
	struct err err = { 0 };
	uint64_t total = 0;
	int rows = 0;

	assert_ok(filter_parse(str_of(text),
			       type == FIND_USERS ? PATH_SCIM_USER : PATH_SCIM_GROUP, &q, &err),
		  &err);
	want.where = q;
	t.searched[0] = '\0';
	assert_ok(find_run(t.w.store, t.source, &want, &total, NULL, on_row, &rows, &err),
		  &err);
	assert_int_equal(total, rows);
	return rows;
}

/* Each step of the plan that reads table r must go by a key: an index with two columns at
 * least, or a number. */
static void plan_is_short(const char *filter)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(store_read_end_at) struct db *db = NULL;
	char sql[sizeof(t.searched) + 32];
	struct err err = { 0 };
	int r, reads = 0;

	(void)snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", t.searched);
	assert_ok(store_read_begin(t.w.store, &db, &err), &err);
	assert_ok(db_query(db, &q, &err, sql), &err);
	while ((r = db_step(q, &err)) == DB_ROW) {
		char says[512];

		(void)snprintf(says, sizeof(says), STR_FMT, STR_ARG(db_text(q, 3)));
		if (strncmp(says, "SEARCH r ", 9) != 0 && strncmp(says, "SCAN r", 6) != 0)
			continue;
		reads++;
		if (!strstr(says, "rowid=?") && !strstr(says, "(source=? AND "))
			fail_msg("%s: %s", filter, says);
	}
	stmt_done_at(&q);
	assert_ok(r, &err);
	assert_true(reads > 0);
}

static void test_what_identity_providers_ask_walks_no_source(void **state)
{
	static const struct {
		unsigned type;
		int rows;
		const char *filter;
	} cases[] = {
		{ FIND_USERS, 1, "userName eq \"u3\"" },
		{ FIND_USERS, 11, "userName sw \"u1\"" },
		{ FIND_USERS, 1, "externalId eq \"e3\"" },
		{ FIND_USERS, 0, "externalId eq \"E3\"" }, /* caseExact */
		{ FIND_USERS, 1, "id eq \"k3\"" },
		{ FIND_USERS, 1, "displayName eq \"D3\"" },
		{ FIND_USERS, 20, "meta.lastModified gt \"2026-01-01T00:00:00Z\"" },
		{ FIND_USERS, 0, "meta.lastModified gt \"2027-01-01T00:00:00Z\"" },
		{ FIND_USERS, 20, "meta.created le \"2027-01-01T00:00:00Z\"" },
		{ FIND_USERS, 10,
		  "meta.lastModified ge \"2026-01-01T00:00:00Z\" and meta.lastModified lt "
		  "\"2027-01-01T00:00:00Z\" and groups.value eq \"g1\"" },
		{ FIND_GROUPS, 1, "meta.lastModified ge \"2026-01-01T00:00:00Z\"" },
		{ FIND_USERS, 1, "emails.value eq \"M3@x\"" },
		{ FIND_USERS, 1, "emails[value eq \"m3@x\"]" },
		{ FIND_USERS, 2, "userName eq \"u3\" or externalId eq \"e4\"" },
		{ FIND_USERS, 2, "userName eq \"u3\" or userName eq \"u4\"" },
		{ FIND_USERS, 2, "userName eq \"u3\" or emails.value eq \"m4@x\"" },
		{ FIND_USERS, 1, "userName eq \"u3\" and active eq true" },
		{ FIND_USERS, 0, "userName eq \"u3\" and externalId eq \"e4\"" },
		{ FIND_USERS, 10, "groups.value eq \"g1\"" },
		{ FIND_USERS, 1, "groups[value eq \"g1\"] and userName eq \"u4\"" },
		{ FIND_GROUPS, 1, "displayName eq \"STAFF\"" },
		{ FIND_GROUPS, 1, "externalId eq \"eg\"" },
		{ FIND_GROUPS, 1, "members.value eq \"k4\"" },
		{ FIND_GROUPS, 0, "members.value eq \"k5\"" },
		{ FIND_GROUPS, 1, "members[value eq \"k4\"]" },
		{ FIND_GROUPS, 1, "id eq \"g1\" and members[value eq \"k4\"]" }, /* Entra */
		{ FIND_GROUPS, 0, "id eq \"g1\" and members[value eq \"k5\"]" },
		{ FIND_GROUPS, 1, "id eq \"g1\" and members.value eq \"k4\"" },
	};

	int statements = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int rows = find(cases[i].filter, cases[i].type);

		if (rows != cases[i].rows)
			fail_msg("%s: %d rows", cases[i].filter, rows);
		if (!t.searched[0])
			continue; /* the same statement as an earlier one's, kept prepared */
		plan_is_short(cases[i].filter);
		statements++;
	}
	assert_true(statements >= 14);
}

static void test_an_empty_text_finds_what_is_there_and_not_what_is_absent(void **state)
{
	(void)state;
	assert_int_equal(find("externalId eq \"\"", FIND_USERS), 0);
	assert_int_equal(find("userName eq \"\"", FIND_USERS), 0);
	assert_int_equal(find("not (externalId eq \"e3\")", FIND_USERS), 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_identity_providers_ask_walks_no_source),
		cmocka_unit_test(test_an_empty_text_finds_what_is_there_and_not_what_is_absent),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
