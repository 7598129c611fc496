/* How far long reads have come: what is told, and what is not told too early. */
#include "tests/lib/test.h"

#include "bridge/progress.h"

static void test_the_rest_is_told_when_enough_was_read_to_tell_it(void **state)
{
	static const struct {
		int64_t done, total, took_ms, left_ms;
	} rows[] = {
		{ 500, 1000, 10000, 10000 },  { 250, 1000, 10000, 30000 },
		{ 1000, 1000, 10000, 0 },     { 500, 1000, 4999, -1 }, /* too early */
		{ 19, 1000, 60000, -1 },                               /* too little */
		{ 20, 1000, 60000, 2940000 }, { 0, 1000, 60000, -1 },
		{ 500, -1, 10000, -1 },    /* nobody said how many */
		{ 1001, 1000, 10000, -1 }, /* more than were announced */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(progress_left_ms(rows[i].done, rows[i].total, rows[i].took_ms),
				 rows[i].left_ms);
}

static void test_a_read_is_told_while_it_runs_and_no_longer(void **state)
{
	json_t *at;

	(void)state;
	at = progress_out("collect", "acme");
	assert_true(json_is_null(at));
	progress_begin("collect", "acme");
	progress_begin("collect", "beta");
	progress_at("collect", "acme", 300, 1200);
	progress_at("collect", "nobody", 1, 2);
	at = progress_out("collect", "acme");
	assert_int_equal(json_integer_value(json_object_get(at, "done")), 300);
	assert_int_equal(json_integer_value(json_object_get(at, "total")), 1200);
	assert_true(json_is_null(json_object_get(at, "left_ms")));
	assert_true(json_integer_value(json_object_get(at, "since_ms")) > 0);
	json_decref(at);
	at = progress_out("collect", "beta");
	assert_true(json_is_null(json_object_get(at, "total")));
	json_decref(at);
	progress_end("collect", "acme");
	progress_end("collect", "beta");
	assert_true(json_is_null(progress_out("collect", "acme")));
}

static void test_it_is_said_in_one_line(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{ "{\"done\":45200,\"total\":103137,\"left_ms\":119000}",
		  "acme: 45,200 of 103,137 (43 %), about 119 s left" },
		{ "{\"done\":1000000,\"total\":2000000,\"left_ms\":600000}",
		  "acme: 1,000,000 of 2,000,000 (50 %), about 10 min left" },
		{ "{\"done\":7,\"total\":70,\"left_ms\":null}", "acme: 7 of 70 (10 %)" },
		{ "{\"done\":999,\"total\":null,\"left_ms\":null}", "acme: 999" },
	};
	char text[160];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *at = json_loads(rows[i].json, 0, NULL);

		assert_string_equal(progress_text(at, "acme", text), rows[i].text);
		json_decref(at);
	}
	assert_string_equal(progress_text(json_null(), "acme", text), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_rest_is_told_when_enough_was_read_to_tell_it),
		cmocka_unit_test(test_a_read_is_told_while_it_runs_and_no_longer),
		cmocka_unit_test(test_it_is_said_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
