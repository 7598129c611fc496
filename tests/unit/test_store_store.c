#include "tests/lib/store_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/lease.h"
#include "store/migrate.h"

static void test_a_new_store_is_made_and_opened_again(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct stat st;
	int64_t epoch;

	(void)state;
	world_open(&w);
	assert_true(store_is_new(w.store));
	epoch = store_epoch(w.store);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	world_shut(&w);
	world_again(&w);
	assert_false(store_is_new(w.store));
	assert_int_equal(store_epoch(w.store), epoch + 1);
	assert_int_equal(world_number(&w, "SELECT user_version FROM pragma_user_version"),
			 migrate_newest());
	(void)err;
	world_close(&w);
}

static void test_the_file_is_safe_by_its_pragmas(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t n = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, db_one(db, &n, &err, "SELECT synchronous FROM pragma_synchronous"));
	assert_int_equal(n, 2); /* FULL */
	WRITE(&w, db_one(db, &n, &err, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"));
	assert_int_equal(n, 1);
	world_close(&w);
}

static void test_a_second_process_is_refused_by_the_lease(void **state)
{
	struct world w = { 0 };
	struct store_options o = { .write = true };
	struct store *second = NULL;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	o.path = w.path;
	assert_fault(store_open(&o, &second, &err), ERR_LEASE, &err, "is held by process");
	assert_null(second);
	world_close(&w);
}

static void test_reading_needs_no_lease(void **state)
{
	struct world w = { 0 };
	struct store_options o = { .write = false };
	struct store *second = NULL;
	struct err err = { 0 };
	struct db *db = NULL;

	(void)state;
	world_open(&w);
	o.path = w.path;
	assert_ok(store_open(&o, &second, &err), &err);
	assert_fault(store_write_begin(second, &db, &err), ERR_LEASE, &err, "reading only");
	store_close(second);
	world_close(&w);
}

static void put_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void poke(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void test_what_is_no_database_is_foreign(void **state)
{
	static char text[4096] = "name,mail\nada,ada@example.org\n";
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_dir(&w);
	put_file(w.path, text, sizeof(text));
	assert_fault(world_try(&w, &err), ERR_FOREIGN, &err, "is not a SQLite database");
	assert_non_null(strstr(err.text, "leaverd restore"));
	put_file(w.path, "x", 1);
	assert_fault(world_try(&w, &err), ERR_FOREIGN, &err, "is not a SQLite database");
	world_close(&w);
}

static void test_another_programs_database_is_foreign(void **state)
{
	static const unsigned char id[] = { 0x0f, 0x05, 0x51, 0x12 };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	world_shut(&w);
	poke(w.path, 68, id, sizeof(id));
	assert_fault(world_try(&w, &err), ERR_FOREIGN, &err, "another program");
	world_close(&w);
}

static void test_a_newer_schema_is_refused(void **state)
{
	static const unsigned char version[] = { 0, 0, 0x7f, 1 };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	world_shut(&w);
	poke(w.path, 60, version, sizeof(version));
	assert_fault(world_try(&w, &err), ERR_NEWER, &err, "written by a newer leaverd");
	assert_non_null(strstr(err.text, "backup"));
	world_close(&w);
}

static void test_a_cut_file_is_damaged(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct stat st;

	(void)state;
	world_open(&w);
	world_shut(&w);
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(truncate(w.path, st.st_size - 5000), 0);
	assert_fault(world_try(&w, &err), ERR_DAMAGED, &err, "damaged");
	assert_non_null(strstr(err.text, "leaverd restore"));
	world_close(&w);
}

static void test_broken_pages_are_damaged(void **state)
{
	static const char rubbish[8192] = { 'x', 'y', 'z' };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	world_shut(&w);
	poke(w.path, 4096, rubbish, sizeof(rubbish));
	assert_fault(world_try(&w, &err), ERR_DAMAGED, &err, "backup");
	world_close(&w);
}

static void test_no_database_says_how_to_make_one(void **state)
{
	struct world w = { 0 };
	struct store_options o = { 0 };
	struct store *store = NULL;
	struct err err = { 0 };

	(void)state;
	world_dir(&w);
	o.path = w.path;
	o.write = true;
	assert_fault(store_open(&o, &store, &err), ERR_NOT_FOUND, &err, "leaverd init");
	o.write = false;
	assert_fault(store_open(&o, &store, &err), ERR_NOT_FOUND, &err, "leaverd init");
	world_close(&w);
}

static void test_settings_are_kept_and_unset(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	char *text = NULL;

	(void)state;
	world_open(&w);
	assert_int_equal(TRY_READ(&w, store_setting_get(db, "o", "k", &text, &err)),
			 STORE_NOT_FOUND);
	WRITE(&w, store_setting_set(db, "o", "k", "v", &err));
	world_shut(&w);
	world_again(&w);
	READ(&w, store_setting_get(db, "o", "k", &text, &err));
	assert_string_equal(text, "v");
	free(text);
	WRITE(&w, store_setting_set(db, "o", "k", NULL, &err));
	assert_int_equal(TRY_READ(&w, store_setting_get(db, "o", "k", &text, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

static void test_modes_begin_with_observe_and_are_audited(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	enum store_mode mode = STORE_ACT;

	(void)state;
	world_open(&w);
	READ(&w, store_mode_get(db, "acme", &mode, &err));
	assert_int_equal(mode, STORE_OBSERVE);
	WRITE(&w, store_mode_set(db, "acme", STORE_PROPOSE, "uid:ada", "armed", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, store_mode_set(db, "acme", STORE_PROPOSE, "uid:ada",
						      "again", NOW, &err)),
			 STORE_UNCHANGED);
	READ(&w, store_mode_get(db, "acme", &mode, &err));
	assert_int_equal(mode, STORE_PROPOSE);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what = 'mode.set'"
					  " AND who = 'uid:ada' AND body ="
					  " '{\"after\":\"propose\",\"before\":\"observe\","
					  "\"why\":\"armed\"}'"),
			 1);
	world_verify(&w);
	world_close(&w);
}

static void test_pause_is_kept_and_audited(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	bool paused = true;

	(void)state;
	world_open(&w);
	READ(&w, store_paused(db, "", &paused, &err));
	assert_false(paused);
	WRITE(&w, store_pause_set(db, "", true, "uid:ada", NULL, NOW, &err));
	READ(&w, store_paused(db, "", &paused, &err));
	assert_true(paused);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what = 'pause'"),
			 1);
	world_close(&w);
}

static void test_a_write_that_faults_leaves_nothing(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct db *db = NULL;

	(void)state;
	world_open(&w);
	assert_ok(store_write_begin(w.store, &db, &err), &err);
	assert_ok(store_setting_set(db, "o", "k", "v", &err), &err);
	assert_int_equal(store_write_end(db, -ERR_INTERNAL, &err), -ERR_INTERNAL);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting"), 0);
	world_close(&w);
}

static void test_a_reader_sees_one_moment(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct db *reader = NULL;
	int64_t n = -1;

	(void)state;
	world_open(&w);
	assert_ok(store_read_begin(w.store, &reader, &err), &err);
	assert_ok(db_one(reader, &n, &err, "SELECT count(*) FROM setting"), &err);
	WRITE(&w, store_setting_set(db, "o", "k", "v", &err));
	assert_ok(db_one(reader, &n, &err, "SELECT count(*) FROM setting"), &err);
	assert_int_equal(n, 0);
	assert_int_equal(db_run(reader, &err, "DELETE FROM setting") < 0, 1);
	store_read_end(reader);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting"), 1);
	world_close(&w);
}

static void test_a_read_that_takes_too_long_is_ended(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct db *reader = NULL;
	int64_t n = 0;

	(void)state;
	world_open(&w);
	assert_ok(store_read_begin(w.store, &reader, &err), &err);
	db_rollback(reader);
	assert_ok(db_begin_read(reader, 0, 1, &err), &err);
	assert_fault(db_one(reader, &n, &err,
			    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c"
			    " WHERE x < 100000000) SELECT count(*) FROM c"),
		     ERR_TIMEOUT, &err, "longer than a read may");
	store_read_end(reader);
	world_close(&w);
}

static void test_the_wal_stays_bounded(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	char wal[160], value[4001];
	struct stat st;
	int i;

	(void)state;
	world_open(&w);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (i = 0; i < 3000; i++) {
		value[0] = (char)('a' + i % 26);
		WRITE(&w, store_setting_set(db, "o", "k", value, &err));
	}
	(void)snprintf(wal, sizeof(wal), "%s-wal", w.path);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size < (16 << 20)); /* 3000 commits wrote far more than that */
	world_close(&w);
}

static int64_t settings_seen(struct store *store)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct err err = { 0 };
	int64_t n = -1;

	assert_ok(store_read_begin(store, &db, &err), &err);
	assert_ok(db_one(db, &n, &err, "SELECT count(*) FROM setting"), &err);
	return n;
}

static void
test_a_reader_kept_ready_shows_each_commit_and_holds_back_no_checkpoint(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	char wal[160], key[32], value[4001];
	struct stat st;
	int i;

	(void)state;
	world_open(&w);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (i = 0; i < 3000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		WRITE(&w, store_setting_set(db, "o", i < 100 ? key : "k0", value, &err));
		value[0] = (char)('a' + i % 26);
		/* the same connection, twice after each commit of the first hundred, then idle
		 */
		if (i < 100) {
			assert_int_equal(settings_seen(w.store), i + 1);
			assert_int_equal(settings_seen(w.store), i + 1);
		}
	}
	assert_int_equal(settings_seen(w.store), 100);
	(void)snprintf(wal, sizeof(wal), "%s-wal", w.path);
	assert_int_equal(stat(wal, &st), 0);
	assert_true(st.st_size < (16 << 20));
	world_close(&w);
}

static void test_the_change_counter_outlives_the_process(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t before = 0, after = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, store_setting_set(db, "o", "k", "v", &err));
	READ(&w, store_change(db, &before, &err));
	assert_true(before > 0);
	world_shut(&w);
	world_again(&w);
	WRITE(&w, store_setting_set(db, "o", "k", "w", &err));
	READ(&w, store_change(db, &after, &err));
	assert_int_equal(after, before + 1);
	world_close(&w);
}

static void test_statements_are_reused_and_may_nest(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct db *db = NULL;
	struct stmt *a = NULL, *b = NULL;
	char sql[64];
	int64_t n = 0;
	int i;

	(void)state;
	world_open(&w);
	assert_ok(store_read_begin(w.store, &db, &err), &err);
	assert_ok(db_query(db, &a, &err, "SELECT ?1", DB_I(1)), &err);
	assert_ok(db_query(db, &b, &err, "SELECT ?1", DB_I(2)), &err);
	assert_int_equal(db_step(a, &err), DB_ROW);
	assert_int_equal(db_step(b, &err), DB_ROW);
	assert_int_equal(db_int(a, 0) * 10 + db_int(b, 0), 12);
	stmt_done(a);
	stmt_done(b);
	for (i = 0; i < 500; i++) { /* more than the cache keeps */
		(void)snprintf(sql, sizeof(sql), "SELECT %d + ?1", i);
		assert_ok(db_one(db, &n, &err, sql, DB_I(1)), &err);
		assert_int_equal(n, i + 1);
	}
	store_read_end(db);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_store_is_made_and_opened_again),
		cmocka_unit_test(test_the_file_is_safe_by_its_pragmas),
		cmocka_unit_test(test_a_second_process_is_refused_by_the_lease),
		cmocka_unit_test(test_reading_needs_no_lease),
		cmocka_unit_test(test_what_is_no_database_is_foreign),
		cmocka_unit_test(test_another_programs_database_is_foreign),
		cmocka_unit_test(test_a_newer_schema_is_refused),
		cmocka_unit_test(test_a_cut_file_is_damaged),
		cmocka_unit_test(test_broken_pages_are_damaged),
		cmocka_unit_test(test_no_database_says_how_to_make_one),
		cmocka_unit_test(test_settings_are_kept_and_unset),
		cmocka_unit_test(test_modes_begin_with_observe_and_are_audited),
		cmocka_unit_test(test_pause_is_kept_and_audited),
		cmocka_unit_test(test_a_write_that_faults_leaves_nothing),
		cmocka_unit_test(test_a_reader_sees_one_moment),
		cmocka_unit_test(test_a_read_that_takes_too_long_is_ended),
		cmocka_unit_test(test_the_wal_stays_bounded),
		cmocka_unit_test(
			test_a_reader_kept_ready_shows_each_commit_and_holds_back_no_checkpoint),
		cmocka_unit_test(test_the_change_counter_outlives_the_process),
		cmocka_unit_test(test_statements_are_reused_and_may_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
