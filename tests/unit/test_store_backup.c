#include "tests/lib/store_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "store/backup.h"
#include "store/plans.h"
#include "store/sources.h"
#include "store/writer.h"

static void path_of(const struct world *w, const char *name, char path[160])
{
	(void)snprintf(path, 160, "%s/%s", w->dir, name);
}

static void set(struct world *w, const char *key, const char *value)
{
	struct err err = { 0 };

	WRITE(w, store_setting_set(db, "t", key, value, &err));
}

static void test_a_backup_is_one_whole_private_file(void **state)
{
	struct backup_report report = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	struct stat st;
	char path[160], side[200];

	(void)state;
	world_open(&w);
	set(&w, "a", "1");
	path_of(&w, "backup.db", path);
	assert_ok(backup_to(w.store, path, &report, &err), &err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(report.bytes, st.st_size);
	assert_int_equal(report.epoch, store_epoch(w.store));
	assert_int_equal(report.audit_last, 1);
	(void)snprintf(side, sizeof(side), "%s-wal", path);
	assert_int_equal(access(side, F_OK), -1);
	(void)snprintf(side, sizeof(side), "%s.part", path);
	assert_int_equal(access(side, F_OK), -1);
	assert_fault(backup_to(w.store, path, &report, &err), ERR_CONFLICT, &err,
		     "never written over");
	assert_fault(backup_to(w.store, "/nonexistent/x", &report, &err), ERR_IO, &err,
		     "/nonexistent");
	world_close(&w);
}

static void test_a_restored_store_is_careful(void **state)
{
	struct plan_new plan = { .org = "acme",
				 .urgency = "routine",
				 .bytes = STR("B"),
				 .who = "round",
				 .expires_ms = NOW + STAMP_DAY_MS,
				 .now_ms = NOW };
	struct backup_report report = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	enum store_mode mode = STORE_ACT;
	char path[160];
	int64_t src = 0, id = 0, epoch;

	(void)state;
	world_open(&w);
	WRITE(&w, sources_declare(db, "okta", "scim", "idp", 0, NOW, &src, &err));
	WRITE(&w, sources_state_set(db, src, SOURCE_READY, "u", "", NOW, &err));
	WRITE(&w, store_mode_set(db, "acme", STORE_ACT, "u", "", NOW, &err));
	WRITE(&w, plans_save(db, &plan, &id, &err));
	WRITE(&w, plans_run_begin(db, id, store_epoch(w.store), "u", NOW, &id, &err));
	set(&w, "a", "1");
	path_of(&w, "backup.db", path);
	assert_ok(backup_to(w.store, path, &report, &err), &err);
	set(&w, "a", "2");
	epoch = store_epoch(w.store);

	/* not while it is in use */
	assert_fault(backup_restore(path, w.path, NOW, &report, &err), ERR_LEASE, &err,
		     "is held by");
	world_shut(&w);
	assert_ok(backup_restore(path, w.path, NOW + 5, &report, &err), &err);
	world_again(&w);
	assert_true(store_epoch(w.store) > epoch + 1000);
	assert_int_equal(world_number(&w, "SELECT value = '1' FROM setting WHERE key = 'a'"),
			 1);
	READ(&w, store_mode_get(db, "acme", &mode, &err));
	assert_int_equal(mode, STORE_OBSERVE);
	assert_int_equal(world_number(&w, "SELECT state FROM source"), SOURCE_FILLING);
	assert_int_equal(world_number(&w, "SELECT standing FROM plan"), PLAN_EXPIRED);
	assert_int_equal(world_number(&w, "SELECT ended_ms FROM run"), NOW + 5);
	WRITE(&w, backup_restore_note(db, "uid:ada", NOW + 6, &err));
	assert_int_equal(TRY_WRITE(&w, backup_restore_note(db, "uid:ada", NOW + 6, &err)),
			 STORE_UNCHANGED);
	world_verify(&w); /* also against its head: the one before was put aside */
	world_close(&w);
}

static void test_a_broken_backup_is_refused_and_leaves_what_stands(void **state)
{
	static const struct {
		off_t cut;
		const char *says;
	} cases[] = { { 5000, "damaged" }, { 1, "damaged" } };
	struct backup_report report = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	struct stat st;
	char path[160];
	size_t i;

	(void)state;
	world_open(&w);
	set(&w, "a", "1");
	for (i = 0; i < COUNT_OF(cases); i++) {
		path_of(&w, i ? "b1.db" : "b0.db", path);
		assert_ok(backup_to(w.store, path, &report, &err), &err);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(truncate(path, st.st_size - cases[i].cut), 0);
	}
	world_shut(&w);
	for (i = 0; i < COUNT_OF(cases); i++) {
		path_of(&w, i ? "b1.db" : "b0.db", path);
		assert_fault(backup_restore(path, w.path, NOW, &report, &err), ERR_DAMAGED,
			     &err, cases[i].says);
	}
	path_of(&w, "none.db", path);
	assert_fault(backup_restore(path, w.path, NOW, &report, &err), ERR_IO, &err, "none.db");
	world_again(&w);
	assert_int_equal(world_number(&w, "SELECT value = '1' FROM setting WHERE key = 'a'"),
			 1);
	world_close(&w);
}

static void test_backups_are_noted(void **state)
{
	struct backup_report report = { .bytes = 1 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t ms = -1;

	(void)state;
	world_open(&w);
	READ(&w, backup_last(db, &ms, &err));
	assert_int_equal(ms, 0);
	WRITE(&w, backup_note(db, "/var/backup/x.db", &report, "uid:ada", NOW, &err));
	READ(&w, backup_last(db, &ms, &err));
	assert_int_equal(ms, NOW);
	world_close(&w);
}

static int write_some(void *ctx, struct db *db, struct err *err)
{
	int *n = ctx;
	char key[32];

	(void)snprintf(key, sizeof(key), "k%d", (*n)++);
	return store_setting_set(db, "t", key, "v", err);
}

struct busy {
	struct writer *writer;
	int n, failed;
};

static void *keep_writing(void *arg)
{
	struct busy *b = arg;
	struct err err = { 0 };
	int i;

	for (i = 0; i < 300; i++)
		b->failed += writer_call(b->writer, write_some, &b->n, &err) != 0;
	return NULL;
}

static void test_a_backup_is_taken_while_others_write(void **state)
{
	struct backup_report report = { 0 };
	struct busy busy = { 0 };
	struct world w = { 0 }, copy = { 0 };
	struct err err = { 0 };
	pthread_t thread;
	char path[160];
	int64_t n;

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &busy.writer, &err), &err);
	assert_int_equal(pthread_create(&thread, NULL, keep_writing, &busy), 0);
	path_of(&w, "backup.db", path);
	assert_ok(backup_to(w.store, path, &report, &err), &err);
	pthread_join(thread, NULL);
	writer_stop(busy.writer);
	assert_int_equal(busy.failed, 0);
	(void)snprintf(copy.path, sizeof(copy.path), "%s/backup.db", w.dir);
	world_again(&copy);
	n = world_number(&copy, "SELECT count(*) FROM setting");
	/* of one moment: what is in it are the first n */
	assert_int_equal(world_number(&copy, "SELECT coalesce(max(CAST(substr(key, 2) AS"
					     " INTEGER)) + 1, 0) FROM setting"),
			 n);
	world_shut(&copy);
	world_close(&w);
}

/* Who empties the WAL for the sake of what is in it must hear that it was not emptied. */
static void test_a_reader_in_the_way_of_emptying_the_wal_is_told(void **state)
{
	struct driver_options o = { .open = DRIVER_WRITE, .busy_ms = 1, .checkpoint_pages = 1 };
	struct db *reader, *alone = NULL;
	struct world w = { 0 };
	struct err err = { 0 };
	struct stat st;
	char wal[160];
	int64_t n;

	(void)state;
	world_open(&w);
	set(&w, "a", "1");
	reader = world_begin(&w, false);
	assert_ok(db_one(reader, &n, &err, "SELECT count(*) FROM setting"), &err);
	o.path = w.path;
	assert_ok(db_open(&driver_sqlite, &o, NULL, &alone, &err), &err);
	assert_ok(db_exec(alone, "UPDATE setting SET value = 2", &err), &err);
	assert_int_equal(db_checkpoint(alone, true, &err), DB_LEFT);
	store_read_end(reader); /* nobody borrows it, and it keeps its moment */
	assert_int_equal(db_checkpoint(alone, true, &err), DB_LEFT);
	store_readers_rest(w.store);
	assert_ok(db_checkpoint(alone, true, &err), &err);
	store_readers_keep(w.store);
	(void)snprintf(wal, sizeof(wal), "%s-wal", w.path);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_size, 0);
	db_close(alone);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_backup_is_one_whole_private_file),
		cmocka_unit_test(test_a_restored_store_is_careful),
		cmocka_unit_test(test_a_broken_backup_is_refused_and_leaves_what_stands),
		cmocka_unit_test(test_backups_are_noted),
		cmocka_unit_test(test_a_backup_is_taken_while_others_write),
		cmocka_unit_test(test_a_reader_in_the_way_of_emptying_the_wal_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
