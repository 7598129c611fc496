/*
 * Power loss: group commits run while the power fails before each write, truncation or sync in
 * turn; the disk keeps what was synced, and of the rest nothing, or any of its sectors. After
 * every cut: the store opens, all that was answered as stored is there, the audit chain is
 * whole and reaches its signed head.
 */
#include "tests/lib/store_world.h"

#include <stdatomic.h>

#include <fcntl.h>

#include "base/log.h"
#include "store/writer.h"
#include "tests/lib/vfs_loss.h"

#define COMMITS 8 /* bursts in one life of the machine */
#define BURST 3   /* requests that may share a commit */
#define CUTS 220  /* cut points; more than a whole life has */
#define KEEP_MOST 20000

static bool stored[KEEP_MOST]; /* answered as stored, in any life */
static int asked;              /* numbers given out */

struct job {
	int number;
	_Atomic bool ended;
	int r;
};

static int job_run(void *ctx, struct db *db, struct err *err)
{
	const struct job *j = ctx;
	struct audit_new in = { .who = "test", .what = "number", .now_ms = NOW };
	char key[32], value[600];
	int r;

	(void)snprintf(key, sizeof(key), "%d", j->number);
	memset(value, 'v', sizeof(value) - 1); /* rows that fill pages, so that trees split */
	value[sizeof(value) - 1] = '\0';
	r = store_setting_set(db, "power", key, value, err);
	return r < 0 ? r : audit_add(db, &in, NULL, err);
}

static void job_done(void *ctx, int r, const struct err *err)
{
	struct job *j = ctx;

	(void)err;
	j->r = r;
	atomic_store(&j->ended, true);
}

static int nothing(void *ctx, struct db *db, struct err *err)
{
	(void)ctx;
	(void)db;
	(void)err;
	return 0;
}

/* Some bursts of requests; what is answered is noted. */
static void live(struct world *w)
{
	struct job jobs[BURST];
	struct writer *writer = NULL;
	struct err err = { 0 };
	int i, k, parked;

	if (writer_start(w->store, &writer, &err) < 0)
		return;
	for (i = 0; i < COMMITS; i++) {
		for (parked = 0; parked < BURST; parked++) {
			assert_true(asked < KEEP_MOST);
			jobs[parked] = (struct job){ .number = asked++ };
			assert_ok(writer_submit(writer, job_run, job_done, &jobs[parked], &err),
				  &err);
		}
		/* behind them in the queue: when it is answered, they are */
		(void)!writer_call(writer, nothing, NULL, &err);
		for (k = 0; k < parked; k++) {
			assert_true(atomic_load(&jobs[k].ended));
			stored[jobs[k].number] = jobs[k].r == 0;
		}
	}
	writer_stop(writer);
}

static int numbers_read(struct db *db, bool *there, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT CAST(key AS INTEGER) FROM setting WHERE scope = 'power'");

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		if (db_int(q, 0) < 0 || db_int(q, 0) >= asked)
			fail_msg("nobody stored %lld", (long long)db_int(q, 0));
		there[db_int(q, 0)] = true;
		r = 0;
	}
	return r;
}

static void all_is_there(struct world *w, int cut)
{
	static bool there[KEEP_MOST];
	struct audit_report report;
	struct err err = { 0 };
	int i;

	if (audit_verify(w->store, true, &report, &err) < 0)
		fail_msg("cut %d: %s", cut, err.text);
	memset(there, 0, sizeof(there));
	READ(w, numbers_read(db, there, &err));
	for (i = 0; i < asked; i++)
		if (stored[i] && !there[i])
			fail_msg("cut %d: %d was answered and is lost", cut, i);
	assert_int_equal(world_number(w, "SELECT count(*) FROM pragma_quick_check WHERE"
					 " quick_check <> 'ok'"),
			 0);
}

/* One life with a cut, and the next one. True while there was something left to cut. */
static bool one_cut(struct world *w, int nth, uint64_t seed)
{
	struct err err = { 0 };
	bool fired;

	vfs_loss_arm(nth, seed);
	if (world_try(w, &err) == 0)
		live(w);
	world_shut(w);
	fired = vfs_loss_fired();
	if (!fired)
		vfs_loss_cut(seed);
	vfs_loss_power_on();
	if (world_try(w, &err) < 0)
		fail_msg("cut %d: %s", nth, err.text);
	all_is_there(w, nth);
	world_shut(w);
	return fired;
}

static void cut_everywhere(uint64_t seed)
{
	struct world w = { .vfs = VFS_LOSS };
	int nth, cuts = 0;
	int quiet = open("/dev/null", O_WRONLY);

	log_setup(LOG_LEVEL_ERROR, LOG_FORM_LOGFMT, quiet); /* each cut is told, hundreds */

	vfs_loss_register();
	vfs_loss_forget();
	memset(stored, 0, sizeof(stored));
	asked = 0;
	world_dir(&w);
	/* the first lives cut the making of the store itself */
	for (nth = 1; nth <= CUTS; nth++)
		cuts += one_cut(&w, nth, seed ? seed * 977 + (uint64_t)nth : 0);
	assert_true(cuts > 100);
	assert_true(asked > 1000); /* hundreds of group commits */
	world_close(&w);
	vfs_loss_forget();
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, 2);
	close(quiet);
}

static void test_what_was_not_synced_is_gone_and_nothing_answered_is_lost(void **state)
{
	(void)state;
	cut_everywhere(0);
}

static void test_a_disk_that_wrote_some_sectors_loses_nothing_either(void **state)
{
	(void)state;
	cut_everywhere(7);
	cut_everywhere(1234567);
}

static void test_the_file_system_of_this_test_does_lose(void **state)
{
	struct world w = { .vfs = VFS_LOSS };
	struct err err = { 0 };

	(void)state;
	vfs_loss_register();
	vfs_loss_forget();
	world_open(&w);
	/* without syncing, a commit is not durable: else the tests above would prove nothing */
	assert_ok(db_exec(store_writer_db(w.store), "PRAGMA synchronous=OFF", &err), &err);
	WRITE(&w, store_setting_set(db, "power", "k", "v", &err));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting"), 1);
	vfs_loss_cut(0);
	world_shut(&w);
	vfs_loss_power_on();
	world_again(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting"), 0);
	world_close(&w);
	vfs_loss_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_file_system_of_this_test_does_lose),
		cmocka_unit_test(test_what_was_not_synced_is_gone_and_nothing_answered_is_lost),
		cmocka_unit_test(test_a_disk_that_wrote_some_sectors_loses_nothing_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
