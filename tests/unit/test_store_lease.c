#include "tests/lib/store_world.h"

#include "store/lease.h"

static void test_the_lease_is_for_one(void **state)
{
	struct world w = { 0 };
	struct lease *one = NULL, *two = NULL;
	struct err err = { 0 };
	char pid[32];

	(void)state;
	world_dir(&w);
	assert_ok(lease_take(w.path, &one, &err), &err);
	assert_true(lease_held(one));
	assert_fault(lease_take(w.path, &two, &err), ERR_LEASE, &err, "control socket");
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(err.text, pid));
	lease_free(one);
	assert_ok(lease_take(w.path, &two, &err), &err);
	lease_free(two);
	world_close(&w);
}

static void test_a_replaced_lock_file_is_noticed(void **state)
{
	struct world w = { 0 };
	CLEANUP(lease_free_at) struct lease *lease = NULL;
	struct err err = { 0 };
	char lock[160];

	(void)state;
	world_dir(&w);
	assert_ok(lease_take(w.path, &lease, &err), &err);
	(void)snprintf(lock, sizeof(lock), "%s.lock", w.path);
	assert_int_equal(unlink(lock), 0);
	assert_false(lease_held(lease));
	world_close(&w);
}

static void test_a_folder_that_is_not_there_is_said(void **state)
{
	struct lease *lease = NULL;
	struct err err = { 0 };

	(void)state;
	assert_fault(lease_take("/nonexistent/leaverd.db", &lease, &err), ERR_IO, &err,
		     "/nonexistent/leaverd.db.lock");
}

static void test_only_the_present_epoch_may_write(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t ours;

	(void)state;
	world_open(&w);
	ours = store_epoch(w.store);
	READ(&w, lease_check_epoch(db, ours, &err));
	assert_fault(TRY_READ(&w, lease_check_epoch(db, ours + 1, &err)), ERR_LEASE, &err,
		     "taken over");
	world_meddle(&w, "UPDATE meta SET value = value + 1 WHERE key = 'epoch'");
	assert_fault(TRY_READ(&w, lease_check_epoch(db, ours, &err)), ERR_LEASE, &err,
		     "nothing was written");
	world_close(&w);
}

static void test_lost_memory_takes_no_lease(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int nth = 0, r;
	bool fired;

	(void)state;
	world_dir(&w);
	do {
		CLEANUP(lease_free_at) struct lease *lease = NULL;

		fault_at(++nth);
		r = lease_take(w.path, &lease, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
	} while (fired);
	assert_int_equal(r, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_lease_is_for_one),
		cmocka_unit_test(test_a_replaced_lock_file_is_noticed),
		cmocka_unit_test(test_a_folder_that_is_not_there_is_said),
		cmocka_unit_test(test_only_the_present_epoch_may_write),
		cmocka_unit_test(test_lost_memory_takes_no_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
