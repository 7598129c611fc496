#include "tests/lib/store_world.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/stream.h"

#define PIECES 50
#define MOST 4

/* What the pieces of one test share. */
struct tally {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool shut; /* pieces wait in here */
	_Atomic int ran, dropped;
	int order[PIECES];
};

struct task {
	struct tally *tally;
	int number, fault;
};

static int task_run(void *ctx, struct db *db, struct err *err)
{
	struct task *t = ctx;
	char key[32];
	int r;

	pthread_mutex_lock(&t->tally->lock);
	while (t->tally->shut)
		pthread_cond_wait(&t->tally->moved, &t->tally->lock);
	t->tally->order[t->tally->ran++] = t->number;
	pthread_mutex_unlock(&t->tally->lock);
	(void)snprintf(key, sizeof(key), "piece-%d", t->number);
	r = store_setting_set(db, "stream", key, "v", err);
	if (r < 0)
		return r;
	return t->fault ? err_set(err, t->fault, "piece %d was asked to fail", t->number) : 0;
}

static void task_drop(void *ctx)
{
	struct task *t = ctx;

	t->tally->dropped++;
	free(t);
}

static int put(struct stream *s, struct tally *tally, int number, int fault, struct err *err)
{
	struct task *t = malloc(sizeof(*t));

	assert_non_null(t);
	*t = (struct task){ tally, number, fault };
	return stream_put(s, task_run, task_drop, t, err);
}

struct bench {
	struct world w;
	struct writer *writer;
	struct stream *stream;
	struct tally tally;
};

static void bench_open(struct bench *b)
{
	struct err err = { 0 };

	*b = (struct bench){ 0 };
	pthread_mutex_init(&b->tally.lock, NULL);
	pthread_cond_init(&b->tally.moved, NULL);
	world_open(&b->w);
	assert_ok(writer_start(b->w.store, &b->writer, &err), &err);
	assert_ok(stream_new(&b->stream, b->writer, MOST, &err), &err);
}

static void bench_close(struct bench *b)
{
	stream_free(b->stream);
	writer_stop(b->writer);
	world_close(&b->w);
	pthread_cond_destroy(&b->tally.moved);
	pthread_mutex_destroy(&b->tally.lock);
}

static int64_t stored(struct bench *b)
{
	return world_number(&b->w, "SELECT count(*) FROM setting WHERE scope = 'stream'");
}

static void test_all_is_stored_in_its_order_when_the_end_says_so(void **state)
{
	struct bench b;
	struct err err = { 0 };

	(void)state;
	bench_open(&b);
	for (int i = 0; i < PIECES; i++)
		assert_ok(put(b.stream, &b.tally, i, 0, &err), &err);
	assert_ok(stream_end(b.stream, &err), &err);
	assert_int_equal(stored(&b), PIECES);
	assert_int_equal(b.tally.dropped, PIECES);
	for (int i = 0; i < PIECES; i++)
		assert_int_equal(b.tally.order[i], i);
	bench_close(&b);
}

struct feeder {
	struct bench *b;
	_Atomic int put;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;
	struct err err = { 0 };

	for (int i = 0; i < PIECES; i++) {
		if (put(f->b->stream, &f->b->tally, i, 0, &err) < 0)
			break;
		f->put++;
	}
	return NULL;
}

static void gate(struct tally *t, bool shut)
{
	pthread_mutex_lock(&t->lock);
	t->shut = shut;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->lock);
}

static void test_whoever_hands_over_goes_on_but_not_further_than_agreed(void **state)
{
	struct bench b;
	struct feeder f = { .b = &b };
	struct err err = { 0 };
	pthread_t thread;

	(void)state;
	bench_open(&b);
	gate(&b.tally, true);
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	while (f.put < MOST) /* nothing of it was stored, and yet it goes on */
		sched_yield();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(f.put, MOST);
		sched_yield();
	}
	assert_int_equal(b.tally.dropped, 0);
	gate(&b.tally, false);
	pthread_join(thread, NULL);
	assert_int_equal(f.put, PIECES);
	assert_ok(stream_end(b.stream, &err), &err);
	assert_int_equal(stored(&b), PIECES);
	bench_close(&b);
}

static void test_nothing_runs_after_a_fault_and_everybody_hears_it(void **state)
{
	struct bench b;
	struct err err = { 0 };

	(void)state;
	bench_open(&b);
	gate(&b.tally, true); /* so that the three lie there together */
	assert_ok(put(b.stream, &b.tally, 0, 0, &err), &err);
	assert_ok(put(b.stream, &b.tally, 1, ERR_PRECONDITION, &err), &err);
	assert_ok(put(b.stream, &b.tally, 2, 0, &err), &err);
	gate(&b.tally, false);
	assert_fault(stream_end(b.stream, &err), ERR_PRECONDITION, &err, "piece 1 was asked");
	assert_fault(put(b.stream, &b.tally, 3, 0, &err), ERR_PRECONDITION, &err, "piece 1");
	assert_fault(stream_end(b.stream, &err), ERR_PRECONDITION, &err, "piece 1");
	assert_int_equal(b.tally.ran, 2);
	assert_int_equal(b.tally.dropped, 4);
	assert_int_equal(stored(&b), 1);
	bench_close(&b);
}

/* The nth statement from here on fails: whatever it was, what the end says is what is stored.
 */
static bool end_with_fault(int nth, int *failed)
{
	struct bench b;
	struct err err = { 0 };
	int r = 0;
	bool fired;

	bench_open(&b);
	gate(&b.tally, true);
	for (int i = 0; r == 0 && i < MOST; i++)
		r = put(b.stream, &b.tally, i, 0, &err);
	driver_sqlite_fault_at(nth);
	gate(&b.tally, false);
	r = stream_end(b.stream, &err);
	/* the head of the audit chain follows a commit: of that the writer's end waits */
	stream_free(TAKE(b.stream));
	writer_stop(TAKE(b.writer));
	fired = driver_sqlite_fault_fired();
	*failed += r < 0;
	if (r == 0)
		assert_int_equal(stored(&b), MOST);
	else
		assert_true(stored(&b) < MOST);
	assert_int_equal(b.tally.dropped, MOST);
	bench_close(&b);
	return fired;
}

static void test_a_commit_that_fails_ends_it(void **state)
{
	int nth = 0, failed = 0;

	(void)state;
	while (end_with_fault(++nth, &failed))
		;
	assert_true(nth > 5 && failed > 3);
}

static void test_lost_memory_is_told_and_drops_what_was_given(void **state)
{
	struct bench b;
	struct err err = { 0 };
	int nth = 0, r, rounds = 0;

	(void)state;
	bench_open(&b);
	do {
		struct task *t = malloc(sizeof(*t));

		assert_non_null(t);
		*t = (struct task){ &b.tally, 0, 0 };
		gate(&b.tally, true); /* the writer allocates nothing meanwhile */
		fault_at(++nth);
		r = stream_put(b.stream, task_run, task_drop, t, &err);
		rounds++;
		assert_true(!fault_fired() || r == -ERR_NOMEM);
		gate(&b.tally, false);
		assert_ok(stream_end(b.stream, &err), &err);
		assert_int_equal(b.tally.dropped, rounds);
	} while (r == -ERR_NOMEM);
	assert_int_equal(r, 0);
	assert_true(nth > 2);
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_stored_in_its_order_when_the_end_says_so),
		cmocka_unit_test(test_whoever_hands_over_goes_on_but_not_further_than_agreed),
		cmocka_unit_test(test_nothing_runs_after_a_fault_and_everybody_hears_it),
		cmocka_unit_test(test_a_commit_that_fails_ends_it),
		cmocka_unit_test(test_lost_memory_is_told_and_drops_what_was_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
