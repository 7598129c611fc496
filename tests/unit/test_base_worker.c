#include "tests/lib/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/worker.h"

struct shared {
	_Atomic int turns;
	_Atomic bool began, stopped;
	char name[32];
	sigset_t mask;
};

static void look(struct worker *self, void *arg)
{
	struct shared *s = arg;

	(void)self;
	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
}

static void test_a_worker_has_a_name_and_no_signals(void **state)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1 };
	struct shared s = { .turns = 0 };
	sigset_t mine;
	struct worker *w;
	struct err err;

	(void)state;
	assert_ok(worker_start(&w, "applier of a long name", look, &s, &err), &err);
	worker_join(w);
	assert_string_equal(s.name, "applier of a lo");
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		assert_int_equal(sigismember(&s.mask, ours[i]), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	assert_int_equal(sigismember(&mine, SIGTERM), 0); /* the starter keeps its own */
}

static void until_stopped(struct worker *self, void *arg)
{
	struct shared *s = arg;

	s->began = true;
	while (!worker_wait(self, 3600000))
		s->turns++;
	s->stopped = worker_stopping(self);
}

static void test_a_stop_wakes_the_longest_wait(void **state)
{
	struct shared s = { .turns = 0 };
	struct worker *w;
	struct err err;

	(void)state;
	assert_ok(worker_start(&w, "sleeper", until_stopped, &s, &err), &err);
	worker_stop(w);
	worker_stop(w);
	worker_join(w);
	assert_true(s.began && s.stopped);
}

static void test_a_wake_is_one_turn_and_is_not_lost(void **state)
{
	struct shared s = { .turns = 0 };
	struct worker *w;
	struct err err;

	(void)state;
	assert_ok(worker_start(&w, "sleeper", until_stopped, &s, &err), &err);
	for (int i = 1; i <= 20; i++) {
		int before = s.turns;

		worker_wake(w); /* perhaps before it waits: then its wait returns at once */
		while (s.turns == before)
			stamp_sleep_ms(0);
	}
	worker_join(w);
	if (!stamp_is_virtual()) /* there, waits are cut short: wall time may have moved */
		assert_int_equal(s.turns, 20);
}

static void short_waits(struct worker *self, void *arg)
{
	struct shared *s = arg;
	int64_t before = stamp_mono_ms();

	while (s->turns < 3 && !worker_wait(self, 2))
		s->turns++;
	s->stopped = stamp_mono_ms() - before < 3; /* three waits of 2 ms in less: too short */
	(void)worker_wait(self, 0);
	(void)worker_wait(self, -1);
}

static void test_a_wait_ends_by_itself(void **state)
{
	struct shared s = { .turns = 0 };
	struct worker *w;
	struct err err;

	(void)state;
	assert_ok(worker_start(&w, "short", short_waits, &s, &err), &err);
	while (s.turns < 3)
		stamp_sleep_ms(0);
	worker_join(w);
	assert_false(s.stopped);
}

static void endless(struct worker *self, void *arg)
{
	struct shared *s = arg;

	s->began = true;
	s->stopped = worker_wait(self, INT64_MAX) || stamp_is_virtual();
}

static void test_the_longest_number_is_a_long_wait(void **state)
{
	struct shared s = { .turns = 0 };
	struct worker *w;
	struct err err;

	(void)state;
	assert_ok(worker_start(&w, "endless", endless, &s, &err), &err);
	while (!s.began)
		stamp_sleep_ms(0);
	worker_join(w);
	assert_true(s.stopped);
}

static void test_no_memory_is_no_worker(void **state)
{
	struct worker *w = NULL;
	struct err err;

	(void)state;
	fault_at(1);
	assert_fault(worker_start(&w, "none", look, NULL, &err), ERR_NOMEM, &err, NULL);
	assert_true(fault_fired());
	assert_null(w);
	worker_join(w);
	worker_stop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_worker_has_a_name_and_no_signals),
		cmocka_unit_test(test_a_stop_wakes_the_longest_wait),
		cmocka_unit_test(test_a_wake_is_one_turn_and_is_not_lost),
		cmocka_unit_test(test_a_wait_ends_by_itself),
		cmocka_unit_test(test_the_longest_number_is_a_long_wait),
		cmocka_unit_test(test_no_memory_is_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
