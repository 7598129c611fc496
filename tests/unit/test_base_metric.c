#include "tests/lib/test.h"

#include "base/metric.h"
#include "base/worker.h"

static int drop(void **state)
{
	(void)state;
	metric_drop_all();
	return 0;
}

static void assert_text(const char *expected)
{
	CLEANUP(buf_done) struct buf b;
	struct err err;

	buf_init(&b, 100000);
	assert_ok(metric_text(&b, &err), &err);
	assert_string_equal(b.p, expected);
}

static void test_no_metric_is_an_end_too(void **state)
{
	(void)state;
	assert_text("# EOF\n");
}

static void test_families_stand_together(void **state)
{
	static struct metric ok = { .name = "leaverd_requests",
				    .labels = "code=\"2xx\"",
				    .help = "Answers \"sent\"\nby class.",
				    .type = METRIC_COUNTER };
	static struct metric held = { .name = "leaverd_held",
				      .help = "People on hold.",
				      .type = METRIC_GAUGE };
	static struct metric bad = { .name = "leaverd_requests",
				     .labels = "code=\"5xx\"",
				     .help = "Answers.",
				     .type = METRIC_COUNTER };

	(void)state;
	metric_register(&ok);
	metric_register(&held);
	metric_register(&bad);
	metric_add(&ok, 3);
	metric_add(&ok, 4);
	metric_set(&held, -2);
	assert_text("# TYPE leaverd_held gauge\n"
		    "# HELP leaverd_held People on hold.\n"
		    "leaverd_held -2\n"
		    "# TYPE leaverd_requests counter\n"
		    "# HELP leaverd_requests Answers \\\"sent\\\"\\nby class.\n"
		    "leaverd_requests_total{code=\"2xx\"} 7\n"
		    "leaverd_requests_total{code=\"5xx\"} 0\n"
		    "# EOF\n");
}

static void test_histograms_count_up_to_each_bound(void **state)
{
	static const int64_t seen[] = { 0, 1, 2, 3, 1000, 1001, 30000, 30001, -5 };
	static struct metric h = { .name = "leaverd_wait_ms", .type = METRIC_HISTOGRAM };

	(void)state;
	metric_register(&h);
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		metric_observe_ms(&h, seen[i]);
	assert_text("# TYPE leaverd_wait_ms histogram\n"
		    "# HELP leaverd_wait_ms \n"
		    "leaverd_wait_ms_bucket{le=\"1.0\"} 3\n" /* 0, 1 and what was negative */
		    "leaverd_wait_ms_bucket{le=\"2.0\"} 4\n"
		    "leaverd_wait_ms_bucket{le=\"5.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"10.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"25.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"50.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"100.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"250.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"500.0\"} 5\n"
		    "leaverd_wait_ms_bucket{le=\"1000.0\"} 6\n"
		    "leaverd_wait_ms_bucket{le=\"5000.0\"} 7\n"
		    "leaverd_wait_ms_bucket{le=\"30000.0\"} 8\n"
		    "leaverd_wait_ms_bucket{le=\"+Inf\"} 9\n"
		    "leaverd_wait_ms_count 9\n"
		    "leaverd_wait_ms_sum 62008\n"
		    "# EOF\n");
}

static void test_a_name_in_seconds_is_printed_in_seconds(void **state)
{
	static struct metric h = { .name = "leaverd_wait_seconds",
				   .labels = "kind=\"a\"",
				   .type = METRIC_HISTOGRAM };
	CLEANUP(buf_done) struct buf b;
	struct err err;

	(void)state;
	metric_register(&h);
	metric_observe_ms(&h, 1007);
	buf_init(&b, 10000);
	assert_ok(metric_text(&b, &err), &err);
	assert_non_null(strstr(b.p, "# UNIT leaverd_wait_seconds seconds\n"));
	assert_non_null(strstr(b.p, "_bucket{kind=\"a\",le=\"0.001\"} 0\n"));
	assert_non_null(strstr(b.p, "_bucket{kind=\"a\",le=\"5.0\"} 1\n"));
	assert_non_null(strstr(b.p, "leaverd_wait_seconds_sum{kind=\"a\"} 1.007\n"));
}

static void test_a_text_too_long_is_told(void **state)
{
	CLEANUP(buf_done) struct buf b;
	struct err err;

	(void)state;
	buf_init(&b, 3);
	assert_fault(metric_text(&b, &err), ERR_LIMIT, &err, "the metrics");
}

#define EACH 20000

static void count(struct worker *self, void *arg)
{
	struct metric *m = arg;

	(void)self;
	for (int i = 0; i < EACH; i++) {
		metric_add(&m[0], 1);
		metric_observe_ms(&m[1], i % 3);
	}
}

static void test_many_threads_lose_no_count(void **state)
{
	static struct metric m[2] = { { .name = "a", .type = METRIC_COUNTER },
				      { .name = "b", .type = METRIC_HISTOGRAM } };
	struct worker *w[4];
	struct err err;

	(void)state;
	metric_register(&m[0]);
	metric_register(&m[1]);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_ok(worker_start(&w[i], "count", count, m, &err), &err);
	for (int i = 0; i < 50; i++) { /* printing goes on meanwhile */
		CLEANUP(buf_done) struct buf b;

		buf_init(&b, 10000);
		assert_ok(metric_text(&b, &err), &err);
	}
	for (size_t i = 0; i < COUNT_OF(w); i++)
		worker_join(w[i]);
	assert_int_equal(m[0].value, 4 * EACH);
	assert_int_equal(m[1].bucket[0] + m[1].bucket[1], 4 * EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_no_metric_is_an_end_too, drop),
		cmocka_unit_test_teardown(test_families_stand_together, drop),
		cmocka_unit_test_teardown(test_histograms_count_up_to_each_bound, drop),
		cmocka_unit_test_teardown(test_a_name_in_seconds_is_printed_in_seconds, drop),
		cmocka_unit_test_teardown(test_a_text_too_long_is_told, drop),
		cmocka_unit_test_teardown(test_many_threads_lose_no_count, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
