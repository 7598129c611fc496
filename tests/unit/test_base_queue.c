#include "tests/lib/test.h"

#include <poll.h>

#include "base/queue.h"
#include "base/worker.h"

static struct queue *queue(size_t most)
{
	struct queue *q = NULL;
	struct err err;

	assert_ok(queue_new(&q, most, &err), &err);
	return q;
}

static void test_items_leave_in_the_order_they_came(void **state)
{
	struct queue *q = queue(3);
	int items[6];
	void *got;

	(void)state;
	for (size_t round = 0; round < 5; round++) { /* round and round the ring */
		assert_int_equal(queue_put(q, &items[0], 0), 0);
		assert_int_equal(queue_put(q, &items[1], -1), 0);
		assert_int_equal(queue_count(q), 2);
		assert_int_equal(queue_get(q, &got, 0), 0);
		assert_ptr_equal(got, &items[0]);
		assert_int_equal(queue_get(q, &got, -1), 0);
		assert_ptr_equal(got, &items[1]);
	}
	assert_int_equal(queue_count(q), 0);
	queue_free(q, NULL);
}

static void test_full_empty_and_late_are_different_answers(void **state)
{
	struct queue *q = queue(1);
	void *got = NULL;
	int64_t before;
	int item;

	(void)state;
	assert_int_equal(queue_get(q, &got, 0), QUEUE_TIMEOUT);
	before = stamp_mono_ms();
	assert_int_equal(queue_get(q, &got, 3), QUEUE_TIMEOUT);
	assert_true(stamp_mono_ms() - before >= 2);
	assert_null(got);
	assert_int_equal(queue_put(q, &item, 0), 0);
	assert_int_equal(queue_put(q, &item, 0), QUEUE_FULL);
	assert_int_equal(queue_put(q, &item, 3), QUEUE_TIMEOUT);
	assert_int_equal(queue_count(q), 1);
	queue_free(q, NULL);
}

static void test_a_closed_queue_is_drained_and_takes_no_more(void **state)
{
	struct queue *q = queue(4);
	int items[3];
	void *got;

	(void)state;
	assert_int_equal(queue_put(q, &items[0], 0), 0);
	assert_int_equal(queue_put(q, &items[1], 0), 0);
	queue_close(q);
	queue_close(q);
	assert_int_equal(queue_put(q, &items[2], 0), QUEUE_CLOSED);
	assert_int_equal(queue_put(q, &items[2], -1), QUEUE_CLOSED);
	assert_int_equal(queue_get(q, &got, -1), 0);
	assert_ptr_equal(got, &items[0]);
	assert_int_equal(queue_get(q, &got, 0), 0);
	assert_int_equal(queue_get(q, &got, -1), QUEUE_CLOSED);
	assert_int_equal(queue_get(q, &got, 0), QUEUE_CLOSED);
	queue_free(q, NULL);
}

static void test_what_is_left_is_given_to_drop(void **state)
{
	struct queue *q = queue(4);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(queue_put(q, strdup("x"), 0), 0);
	queue_free(q, free); /* the sanitizer counts */
	queue_free(NULL, free);
}

static bool is_lit(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

static void test_the_descriptor_says_whether_something_waits(void **state)
{
	struct queue *q = queue(4);
	void *got;
	int item, fd;

	(void)state;
	assert_int_equal(queue_put(q, &item, 0), 0); /* before anybody looks */
	fd = queue_fd(q);
	assert_int_equal(queue_fd(q), fd);
	assert_true(is_lit(fd));
	assert_int_equal(queue_put(q, &item, 0), 0);
	assert_int_equal(queue_get(q, &got, 0), 0);
	assert_true(is_lit(fd));
	assert_int_equal(queue_get(q, &got, 0), 0);
	assert_false(is_lit(fd));
	assert_int_equal(queue_put(q, &item, 0), 0);
	assert_true(is_lit(fd));
	assert_int_equal(queue_get(q, &got, 0), 0);
	assert_false(is_lit(fd));
	queue_close(q);
	assert_true(is_lit(fd)); /* the close is something too, and stays */
	assert_int_equal(queue_get(q, &got, 0), QUEUE_CLOSED);
	assert_true(is_lit(fd));
	queue_free(q, NULL);
}

static void test_a_queue_without_room_or_memory_is_none(void **state)
{
	struct queue *q = NULL;
	struct err err;

	(void)state;
	assert_fault(queue_new(&q, 0, &err), ERR_INTERNAL, &err, "room for one");
	assert_fault(queue_new(&q, SIZE_MAX / 4, &err), ERR_NOMEM, &err, NULL);
	fault_at(1);
	assert_fault(queue_new(&q, 4, &err), ERR_NOMEM, &err, NULL);
	assert_true(fault_fired());
	assert_null(q);
}

/* --- threads -------------------------------------------------------------------------------
 */

#define THREADS 4
#define EACH 3000

struct traffic {
	struct queue *q;
	char items[THREADS * EACH]; /* how often each came through */
	_Atomic int next, received;
};

static void producer(struct worker *self, void *arg)
{
	struct traffic *t = arg;
	int from = EACH * t->next++;

	(void)self;
	for (int i = from; i < from + EACH; i++)
		if (queue_put(t->q, &t->items[i], -1) != 0)
			return;
}

static void consumer(struct worker *self, void *arg)
{
	struct traffic *t = arg;
	void *item;
	int r;

	(void)self;
	while ((r = queue_get(t->q, &item, 1000)) != QUEUE_CLOSED) {
		if (r != 0)
			continue;
		++*(char *)item; /* ours alone: TSan sees to that */
		t->received++;
	}
}

static void test_each_item_has_one_receiver(void **state)
{
	static struct traffic t;
	struct worker *in[THREADS], *out[THREADS];
	struct err err;

	(void)state;
	t.q = queue(7);
	for (int i = 0; i < THREADS; i++) {
		assert_ok(worker_start(&out[i], "consumer", consumer, &t, &err), &err);
		assert_ok(worker_start(&in[i], "producer", producer, &t, &err), &err);
	}
	for (int i = 0; i < THREADS; i++)
		worker_join(in[i]);
	queue_close(t.q); /* wakes those who wait, after they drained it */
	for (int i = 0; i < THREADS; i++)
		worker_join(out[i]);
	assert_int_equal(t.received, THREADS * EACH);
	for (size_t i = 0; i < sizeof(t.items); i++)
		assert_int_equal(t.items[i], 1);
	queue_free(t.q, NULL);
}

static void stuck(struct worker *self, void *arg)
{
	struct traffic *t = arg;
	int r = queue_put(t->q, NULL, -1);

	(void)self;
	t->received = r;
}

static void test_a_close_wakes_who_waits_for_room(void **state)
{
	static struct traffic t;
	struct worker *w;
	struct err err;

	(void)state;
	t.q = queue(1);
	assert_int_equal(queue_put(t.q, NULL, 0), 0);
	assert_ok(worker_start(&w, "stuck", stuck, &t, &err), &err);
	queue_close(t.q);
	worker_join(w);
	assert_int_equal(t.received, QUEUE_CLOSED);
	queue_free(t.q, NULL);
}

static void test_a_poller_misses_no_item(void **state)
{
	static struct traffic t;
	struct worker *w;
	struct err err;
	int fd, seen = 0, r;
	void *item;

	(void)state;
	t.q = queue(3);
	fd = queue_fd(t.q);
	assert_ok(worker_start(&w, "producer", producer, &t, &err), &err);
	while (seen < EACH) {
		struct pollfd p = { fd, POLLIN, 0 };

		assert_int_equal(poll(&p, 1, 60000), 1);
		while ((r = queue_get(t.q, &item, 0)) == 0)
			assert_ptr_equal(item, &t.items[seen++]);
		assert_int_equal(r, QUEUE_TIMEOUT);
	}
	worker_join(w);
	queue_free(t.q, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items_leave_in_the_order_they_came),
		cmocka_unit_test(test_full_empty_and_late_are_different_answers),
		cmocka_unit_test(test_a_closed_queue_is_drained_and_takes_no_more),
		cmocka_unit_test(test_what_is_left_is_given_to_drop),
		cmocka_unit_test(test_the_descriptor_says_whether_something_waits),
		cmocka_unit_test(test_a_queue_without_room_or_memory_is_none),
		cmocka_unit_test(test_each_item_has_one_receiver),
		cmocka_unit_test(test_a_close_wakes_who_waits_for_room),
		cmocka_unit_test(test_a_poller_misses_no_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
