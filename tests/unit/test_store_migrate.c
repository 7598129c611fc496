#include "tests/lib/store_world.h"

#include "store/migrate.h"
#include "store/records.h"
#include "store/sources.h"

static const char *const add_sql[] = { "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT",
				       "INSERT INTO later (id) VALUES (1)", NULL };
static const char *const bad_sql[] = { "CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT",
				       "INSERT INTO nowhere VALUES (1)", NULL };

static int exists(const struct world *w, const char *suffix)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s%s", w->path, suffix);
	return access(path, F_OK) == 0;
}

static int run(struct world *w, const struct migrate_step *steps, int from, char **backup,
	       struct err *err)
{
	return migrate_run(store_writer_db(w->store), steps, w->path, NULL, from, backup, err);
}

static void test_a_step_runs_after_the_file_was_copied(void **state)
{
	struct migrate_step steps[] = { { 1, "first", NULL }, { 2, "later", add_sql }, { 0 } };
	struct world w = { 0 }, old = { 0 };
	struct err err = { 0 };
	char *backup = NULL;

	(void)state;
	world_open(&w);
	WRITE(&w, store_setting_set(db, "", "k", "v", &err));
	assert_ok(run(&w, steps, 1, &backup, &err), &err);
	assert_non_null(backup);
	assert_true(exists(&w, ".v1.bak"));
	assert_int_equal(world_number(&w, "SELECT id FROM later"), 1);
	assert_int_equal(world_number(&w, "SELECT user_version FROM pragma_user_version"), 2);

	/* the copy is a whole store of the version before */
	(void)snprintf(old.path, sizeof(old.path), "%s", backup);
	world_again(&old);
	assert_int_equal(world_number(&old, "SELECT count(*) FROM setting WHERE value = 'v'"),
			 1);
	world_shut(&old);
	free(backup);
	world_close(&w);
}

static void test_a_second_copy_does_not_overwrite_the_first(void **state)
{
	struct migrate_step steps[] = { { 1, "first", NULL }, { 2, "later", add_sql }, { 0 } };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(run(&w, steps, 1, NULL, &err), &err);
	world_meddle(&w, "DROP TABLE later");
	assert_ok(run(&w, steps, 1, NULL, &err), &err);
	assert_true(exists(&w, ".v1.bak"));
	assert_true(exists(&w, ".v1.bak.1"));
	world_close(&w);
}

static void test_a_step_that_faults_leaves_the_version_before(void **state)
{
	int newest = migrate_newest();
	struct migrate_step steps[] = { { newest + 1, "half", bad_sql }, { 0 } };
	char says[64];
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_true(run(&w, steps, newest, NULL, &err) < 0);
	(void)snprintf(says, sizeof(says), "bringing the database to schema %d", newest + 1);
	assert_non_null(strstr(err.text, says));
	assert_int_equal(world_number(&w, "SELECT user_version FROM pragma_user_version"),
			 newest);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
	world_close(&w);
}

/* Schema 1 knew no folded display names: they are folded as the store folds, not as SQL does.
 */
static void test_a_store_of_the_first_schema_gets_its_new_column_filled(void **state)
{
	static const char *const back[] = {
		"DROP INDEX record_display",     "DROP INDEX record_created",
		"DROP INDEX record_modified",    "DROP INDEX usergroup_created",
		"DROP INDEX usergroup_modified", "ALTER TABLE record DROP COLUMN display_fold",
	};
	struct record_put put = { .key = STR("k"),
				  .doc = STR("{\"id\":\"k\",\"userName\":\"u\","
					     "\"displayName\":\"\xc3\x84RZTIN\"}"),
				  .now_ms = NOW };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t source;

	(void)state;
	world_open(&w);
	WRITE(&w, sources_declare(db, "okta", "scim", "idp", 0, NOW, &source, &err));
	WRITE(&w, records_create(db, source, &put, NULL, &err));
	for (size_t i = 0; i < COUNT_OF(back); i++)
		world_meddle(&w, back[i]);
	assert_ok(run(&w, (struct migrate_step[]){ migrate_steps[1], { 0 } }, 1, NULL, &err),
		  &err);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record WHERE display_fold ="
					  " '\xc3\xa4rztin'"),
			 1);
	world_close(&w);
}

static void test_the_newest_needs_nothing(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	char *backup = NULL;

	(void)state;
	world_open(&w);
	assert_ok(run(&w, migrate_steps, migrate_newest(), &backup, &err), &err);
	assert_null(backup);
	world_close(&w);
}

static void test_every_table_is_strict(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM pragma_table_list WHERE"
					  " schema = 'main' AND type = 'table' AND strict = 0"
					  " AND name NOT LIKE 'sqlite_%'"),
			 0);
	assert_true(world_number(&w, "SELECT count(*) FROM pragma_table_list WHERE"
				     " schema = 'main' AND strict = 1") > 40);
	world_close(&w);
}

static void test_heads_are_judged(void **state)
{
	static const struct {
		struct driver_head head;
		int r;
	} cases[] = {
		{ { .empty = true }, 0 },
		{ { .application_id = MIGRATE_APPLICATION_ID, .user_version = 1 }, 0 },
		{ { .application_id = 0, .user_version = 1 }, -ERR_FOREIGN },
		{ { .application_id = MIGRATE_APPLICATION_ID, .user_version = 1000 },
		  -ERR_NEWER },
		/* a version that would be negative as an int */
		{ { .application_id = MIGRATE_APPLICATION_ID, .user_version = 0xffffffffu },
		  -ERR_NEWER },
	};
	struct err err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(migrate_judge("x.db", &cases[i].head, &err), cases[i].r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_runs_after_the_file_was_copied),
		cmocka_unit_test(test_a_second_copy_does_not_overwrite_the_first),
		cmocka_unit_test(test_a_step_that_faults_leaves_the_version_before),
		cmocka_unit_test(test_a_store_of_the_first_schema_gets_its_new_column_filled),
		cmocka_unit_test(test_the_newest_needs_nothing),
		cmocka_unit_test(test_every_table_is_strict),
		cmocka_unit_test(test_heads_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
