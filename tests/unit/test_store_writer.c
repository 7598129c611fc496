#include "tests/lib/store_world.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/writer.h"

#define THREADS 4
#define EACH 200

struct job {
	const char *key;
	int answer; /* what fn returns after writing */
	int order;  /* out: when done was called */
	int r;      /* out */
	char text[ERR_TEXT_BYTES];
	_Atomic bool ended;
};

static _Atomic int order;

static int job_run(void *ctx, struct db *db, struct err *err)
{
	struct job *j = ctx;
	int r;

	r = store_setting_set(db, "job", j->key, "v", err);
	if (r < 0)
		return r;
	return j->answer < 0 ? err_set(err, -j->answer, "asked for") : j->answer;
}

static void job_done(void *ctx, int r, const struct err *err)
{
	struct job *j = ctx;

	j->r = r;
	if (r < 0)
		memcpy(j->text, err->text, sizeof(j->text));
	j->order = atomic_fetch_add(&order, 1);
	atomic_store(&j->ended, true);
}

static void test_a_call_returns_what_is_durable(void **state)
{
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct job j = { .key = "a" };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	assert_ok(writer_call(writer, job_run, &j, &err), &err);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting"), 1);
	j.answer = STORE_UNCHANGED;
	assert_int_equal(writer_call(writer, job_run, &j, &err), STORE_UNCHANGED);
	writer_stop(writer);
	world_close(&w);
}

static void test_a_faulty_request_undoes_only_itself(void **state)
{
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct job good = { .key = "good" };
	struct job bad = { .key = "bad", .answer = -ERR_PRECONDITION };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	assert_ok(writer_submit(writer, job_run, job_done, &bad, &err), &err);
	assert_ok(writer_submit(writer, job_run, job_done, &good, &err), &err);
	writer_stop(writer);
	assert_int_equal(bad.r, -ERR_PRECONDITION);
	assert_string_equal(bad.text, "asked for");
	assert_int_equal(good.r, 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting WHERE key = 'bad'"), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting WHERE key = 'good'"),
			 1);
	world_close(&w);
}

/* Keeps the writer busy until it is let go, so that what follows lands in one batch. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool inside, open;
};

static int gate_run(void *ctx, struct db *db, struct err *err)
{
	struct gate *g = ctx;

	(void)db;
	(void)err;
	pthread_mutex_lock(&g->lock);
	g->inside = true;
	pthread_cond_broadcast(&g->moved);
	while (!g->open)
		pthread_cond_wait(&g->moved, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static void gate_done(void *ctx, int r, const struct err *err)
{
	(void)ctx;
	(void)r;
	(void)err;
}

static void gate_shut(struct writer *writer, struct gate *g)
{
	struct err err = { 0 };

	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->moved, NULL);
	assert_ok(writer_submit(writer, gate_run, gate_done, g, &err), &err);
	pthread_mutex_lock(&g->lock);
	while (!g->inside)
		pthread_cond_wait(&g->moved, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
}

static void gate_end(struct gate *g)
{
	pthread_cond_destroy(&g->moved);
	pthread_mutex_destroy(&g->lock);
}

/* Two requests in one batch, the nth statement from then on failing. True while it came to
 * that; counts whom it hit. */
static bool batch_with_fault(int nth, int *both, int *one)
{
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct gate gate = { 0 };
	struct job a = { .key = "a" }, b = { .key = "b" };
	struct err err = { 0 };
	bool fired;

	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	gate_shut(writer, &gate);
	assert_ok(writer_submit(writer, job_run, job_done, &a, &err), &err);
	assert_ok(writer_submit(writer, job_run, job_done, &b, &err), &err);
	driver_sqlite_fault_at(nth);
	gate_open(&gate);
	writer_stop(writer);
	fired = driver_sqlite_fault_fired();
	/* what was answered is what is stored, in every case */
	assert_true(atomic_load(&a.ended) && atomic_load(&b.ended));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting WHERE key = 'a'"),
			 a.r >= 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM setting WHERE key = 'b'"),
			 b.r >= 0);
	*both += a.r < 0 && b.r < 0;
	*one += (a.r < 0) != (b.r < 0);
	if (a.r < 0 && b.r < 0) {
		assert_true(a.r == -ERR_UNAVAILABLE || b.r == -ERR_UNAVAILABLE);
		assert_non_null(strstr(a.r == -ERR_UNAVAILABLE ? a.text : b.text,
				       "could not be stored and was undone"));
	}
	gate_end(&gate);
	world_close(&w);
	return fired;
}

static void test_each_statement_fails_once_and_answers_stay_true(void **state)
{
	int nth = 0, both = 0, one = 0;

	(void)state;
	while (batch_with_fault(++nth, &both, &one))
		;
	assert_true(nth > 10); /* it went through savepoints, inserts, the commit */
	assert_true(both > 0); /* a failed commit hits the batch */
	assert_true(one > 0);  /* a failed insert hits its request only */
}

static void test_a_full_queue_answers_busy_and_loses_nothing(void **state)
{
	static struct job jobs[WRITER_QUEUE_MOST + 8];
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct gate gate = { 0 };
	struct writer_stats stats;
	struct err err = { 0 };
	size_t i, parked = 0;
	int r = 0;

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	gate_shut(writer, &gate);
	for (i = 0; i < COUNT_OF(jobs); i++) {
		jobs[i] = (struct job){ .key = "k" };
		r = writer_submit(writer, job_run, job_done, &jobs[i], &err);
		if (r < 0)
			break;
		parked++;
	}
	assert_fault(r, ERR_BUSY, &err, "try again later");
	assert_int_equal(parked, WRITER_QUEUE_MOST);
	gate_open(&gate);
	assert_ok(writer_call(writer, job_run, &jobs[COUNT_OF(jobs) - 1], &err), &err);
	writer_stats(writer, &stats);
	assert_true(stats.largest_batch <= WRITER_BATCH_MOST);
	assert_true(stats.commits < stats.requests);
	writer_stop(writer);
	for (i = 0; i < parked; i++) {
		assert_true(atomic_load(&jobs[i].ended));
		assert_int_equal(jobs[i].r, 0);
	}
	gate_end(&gate);
	world_close(&w);
}

struct caller {
	struct writer *writer;
	struct store *store;
	int number, failed;
};

static int count_up(void *ctx, struct db *db, struct err *err)
{
	const struct caller *c = ctx;
	char key[32];

	(void)snprintf(key, sizeof(key), "thread-%d", c->number);
	return db_run(db, err,
		      "INSERT INTO setting (scope, key, value) VALUES ('n', ?1, '1')"
		      " ON CONFLICT (scope, key) DO UPDATE SET value = value + 1",
		      DB_T(key));
}

static void *call_often(void *arg)
{
	struct caller *c = arg;
	struct err err = { 0 };
	char *text = NULL;
	char key[32];
	int i, r;

	(void)snprintf(key, sizeof(key), "thread-%d", c->number);
	for (i = 1; i <= EACH; i++) {
		struct db *db = NULL;
		int64_t n = 0;

		c->failed += writer_call(c->writer, count_up, c, &err) != 0;
		/* what was answered is seen at once by a reader of one's own */
		r = store_read_begin(c->store, &db, &err);
		if (r == 0)
			r = store_setting_get(db, "n", key, &text, &err);
		store_read_end(db);
		c->failed += r != 0 || !str_int64(str_of(text), &n) || n != i;
		free(text);
		text = NULL;
	}
	return NULL;
}

static void test_many_threads_write_and_read_side_by_side(void **state)
{
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct caller callers[THREADS];
	pthread_t threads[THREADS];
	struct err err = { 0 };
	int i;

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	for (i = 0; i < THREADS; i++) {
		callers[i] = (struct caller){ writer, w.store, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(callers[i].failed, 0);
	}
	writer_stop(writer);
	assert_int_equal(world_number(&w, "SELECT sum(value) FROM setting"), THREADS * EACH);
	world_close(&w);
}

static void on_commit(void *ctx, int64_t change)
{
	_Atomic int64_t *seen = ctx;

	atomic_store(seen, change);
}

static int nothing(void *ctx, struct db *db, struct err *err)
{
	(void)ctx;
	(void)db;
	(void)err;
	return 0;
}

static void test_the_listener_hears_of_changes_only(void **state)
{
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct job j = { .key = "a" };
	struct err err = { 0 };
	_Atomic int64_t seen = 0;
	int64_t change = 0;

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	writer_on_commit(writer, on_commit, &seen);
	assert_ok(writer_call(writer, nothing, NULL, &err), &err);
	assert_int_equal(atomic_load(&seen), 0);
	assert_ok(writer_call(writer, job_run, &j, &err), &err);
	writer_stop(writer);
	READ(&w, store_change(db, &change, &err));
	assert_int_equal(atomic_load(&seen), change);
	world_close(&w);
}

static void test_a_stopped_writer_has_replied_to_all(void **state)
{
	static struct job jobs[300];
	struct world w = { 0 };
	struct writer *writer = NULL;
	struct err err = { 0 };
	size_t i;

	(void)state;
	world_open(&w);
	assert_ok(writer_start(w.store, &writer, &err), &err);
	for (i = 0; i < COUNT_OF(jobs); i++) {
		jobs[i] = (struct job){ .key = "k" };
		assert_ok(writer_submit(writer, job_run, job_done, &jobs[i], &err), &err);
	}
	writer_stop(writer);
	for (i = 0; i < COUNT_OF(jobs); i++)
		assert_true(atomic_load(&jobs[i].ended));
	for (i = 1; i < COUNT_OF(jobs); i++)
		assert_true(jobs[i].order > jobs[i - 1].order); /* first come, first served */
	world_close(&w);
}

static void test_a_writer_needs_a_store_that_may_be_written(void **state)
{
	struct world w = { 0 };
	struct store_options o = { 0 };
	struct store *reader = NULL;
	struct writer *writer = NULL;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	o.path = w.path;
	assert_ok(store_open(&o, &reader, &err), &err);
	assert_fault(writer_start(reader, &writer, &err), ERR_LEASE, &err, "reading only");
	store_close(reader);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_returns_what_is_durable),
		cmocka_unit_test(test_a_faulty_request_undoes_only_itself),
		cmocka_unit_test(test_each_statement_fails_once_and_answers_stay_true),
		cmocka_unit_test(test_a_full_queue_answers_busy_and_loses_nothing),
		cmocka_unit_test(test_many_threads_write_and_read_side_by_side),
		cmocka_unit_test(test_the_listener_hears_of_changes_only),
		cmocka_unit_test(test_a_stopped_writer_has_replied_to_all),
		cmocka_unit_test(test_a_writer_needs_a_store_that_may_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
