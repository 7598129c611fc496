#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/worker.h"

static char path[] = "/tmp/leaverd-log-XXXXXX";
static int fd = -1;

static int with_file(void **state)
{
	(void)state;
	fd = mkstemp(path);
	return fd < 0;
}

static int without_file(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, 2);
	close(fd);
	return unlink(path);
}

/* What was written since the last time. */
static void taken(char *text, size_t room)
{
	ssize_t n = pread(fd, text, room - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
}

/* The line behind its time. */
static const char *untimed(const char *line)
{
	struct str time, rest;
	int64_t ms;

	assert_true(str_cut(str_of(line), ' ', &time, &rest));
	assert_true(stamp_parse(time, &ms));
	return rest.p;
}

static void test_one_event_is_one_line_with_its_name(void **state)
{
	struct err err = { ERR_BUSY, "search: \"x\" is busy" };
	char text[5000];

	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, fd);
	log_info("apply.done", LOG_U("round", 41), LOG_I("delta", -3), LOG_B("ok", true),
		 LOG_B("held", false), LOG_T("who", "uid:ada"), LOG_T("none", NULL),
		 LOG_T("empty", ""), LOG_T("why", "two words"), LOG_T("word", "null"),
		 LOG_E(&err), LOG_U("most", UINT64_MAX));
	taken(text, sizeof(text));
	assert_string_equal(untimed(text),
			    "info apply.done round=41 delta=-3 ok=true held=false who=uid:ada "
			    "none=null empty=\"\" why=\"two words\" word=\"null\" error=busy "
			    "text=\"search: \\\"x\\\" is busy\" most=18446744073709551615\n");
	log_error("bare");
	taken(text, sizeof(text));
	assert_string_equal(untimed(text), "error bare\n");
}

static void test_levels_below_the_chosen_are_silent(void **state)
{
	static const struct {
		enum log_level level;
		unsigned lines;
	} cases[] = { { LOG_LEVEL_ERROR, 1 },
		      { LOG_LEVEL_WARN, 2 },
		      { LOG_LEVEL_INFO, 3 },
		      { LOG_LEVEL_DEBUG, 4 } };
	char text[5000];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		unsigned lines = 0;

		log_setup(cases[i].level, LOG_FORM_LOGFMT, fd);
		log_error("a");
		log_warn("b");
		log_info("c");
		log_debug("d");
		taken(text, sizeof(text));
		for (const char *p = text; (p = strchr(p, '\n')); p++)
			lines++;
		assert_int_equal(lines, cases[i].lines);
		assert_true(log_wants(cases[i].level));
	}
	assert_true(log_wants(LOG_LEVEL_DEBUG));
	log_setup(LOG_LEVEL_WARN, LOG_FORM_LOGFMT, fd);
	assert_false(log_wants(LOG_LEVEL_INFO));
}

static const struct {
	const char *value, *escaped;
} hostile[] = {
	{ "a\nerror forged", "a\\nerror forged" },
	{ "a\r\tb", "a\\r\\tb" },
	{ "\x1B[2J", "\\u001b[2J" },          /* clears a screen */
	{ "\x7F\xC2\x9B", "\\u007f\\u009b" }, /* DEL, and CSI as one character */
	{ "\xE2\x80\xA8", "\\u2028" },        /* LINE SEPARATOR */
	{ "\xE2\x80\xAE"
	  "evil",
	  "\\u202eevil" }, /* right to left */
	{ "\xEF\xBB\xBF", "\\ufeff" },
	{ "\xFF\xC3(", "\\ufffd\\ufffd(" },
	{ "\xED\xA0\x80", "\\ufffd\\ufffd\\ufffd" },
	{ "\"\\", "\\\"\\\\" },
	{ "Z\xC3\xBCrich \xF0\x9F\x98\x80", "Z\xC3\xBCrich \xF0\x9F\x98\x80" },
	{ "a=b", "a=b" },
};

static void test_a_hostile_value_cannot_make_a_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hostile); i++) {
		char text[5000], expected[200];

		log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, fd);
		log_info("e", LOG_T("v", hostile[i].value));
		taken(text, sizeof(text));
		snprintf(expected, sizeof(expected), "info e v=\"%s\"\n", hostile[i].escaped);
		assert_string_equal(untimed(text), expected);
	}
}

static void test_json_lines_are_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hostile); i++) {
		char text[5000];
		const char *value;
		json_t *j;
		int64_t ms;

		log_setup(LOG_LEVEL_INFO, LOG_FORM_JSON, fd);
		log_warn("some.event", LOG_T("v", hostile[i].value), LOG_U("n", 7),
			 LOG_T("none", NULL), LOG_B("b", true));
		taken(text, sizeof(text));
		assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
		j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(j);
		assert_string_equal(json_string_value(json_object_get(j, "event")),
				    "some.event");
		assert_string_equal(json_string_value(json_object_get(j, "level")), "warn");
		value = json_string_value(json_object_get(j, "time"));
		assert_true(stamp_parse(str_of(value), &ms));
		assert_int_equal(json_integer_value(json_object_get(j, "n")), 7);
		assert_true(json_is_null(json_object_get(j, "none")));
		assert_true(json_is_true(json_object_get(j, "b")));
		value = json_string_value(json_object_get(j, "v"));
		if (str_utf8(str_of(hostile[i].value), NULL))
			assert_string_equal(value, hostile[i].value);
		else
			assert_non_null(strstr(value, "\xEF\xBF\xBD"));
		json_decref(j);
	}
}

static void test_long_values_are_cut_at_a_character(void **state)
{
	static const char *const letters[] = { "a", "\xC3\xA9", "\xF0\x9F\x98\x80", "\n" };

	(void)state;
	for (size_t form = 0; form <= 1; form++) {
		for (size_t i = 0; i < COUNT_OF(letters); i++) {
			static char value[9000];
			char text[9000];
			size_t n = form; /* another phase */

			memset(value, 'x', n);
			while (n < sizeof(value) - 8) {
				memcpy(value + n, letters[i], strlen(letters[i]));
				n += strlen(letters[i]);
			}
			value[n] = '\0';
			log_setup(LOG_LEVEL_INFO, form ? LOG_FORM_JSON : LOG_FORM_LOGFMT, fd);
			log_info("long", LOG_T("a", value), LOG_T("b", value),
				 LOG_T("c", value), LOG_T("d", value), LOG_U("last", 1));
			taken(text, sizeof(text));
			assert_true(strlen(text) <= 4096);
			assert_true(str_utf8(str_of(text), NULL));
			assert_non_null(strstr(text, "...\""));
			if (form) {
				json_t *j = json_loads(text, 0, NULL);

				assert_non_null(j);
				assert_true(json_is_true(json_object_get(j, "cut")));
				json_decref(j);
			} else {
				assert_non_null(strstr(text, " cut=true\n"));
			}
		}
	}
}

static void test_fields_that_do_not_fit_are_left_out_whole(void **state)
{
	struct log_field fields[600];
	char text[9000];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		fields[i] = LOG_U("counter", i);
	for (size_t count = 200; count < COUNT_OF(fields); count += 13) {
		json_t *j;

		log_setup(LOG_LEVEL_INFO, LOG_FORM_JSON, fd);
		log_event(LOG_LEVEL_INFO, "many", fields, count);
		taken(text, sizeof(text));
		assert_true(strlen(text) <= 4096);
		j = json_loads(text, 0, NULL);
		assert_non_null(j);
		json_decref(j);
	}
}

static void test_the_journal_gets_a_priority_and_no_time(void **state)
{
	char text[5000], stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_setup(LOG_LEVEL_DEBUG, LOG_FORM_LOGFMT, fd);
	log_error("a");
	log_warn("b");
	log_info("c", LOG_U("n", 1));
	log_debug("d");
	taken(text, sizeof(text));
	assert_string_equal(text, "<3>a\n<4>b\n<6>c n=1\n<7>d\n");
	log_setup(LOG_LEVEL_DEBUG, LOG_FORM_JSON, fd);
	log_info("c");
	taken(text, sizeof(text));
	assert_string_equal(text, "<6>{\"event\":\"c\",\"level\":\"info\"}\n");

	/* inherited from somebody whose stream it was */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	log_setup(LOG_LEVEL_DEBUG, LOG_FORM_LOGFMT, fd);
	log_info("c");
	taken(text, sizeof(text));
	assert_string_equal(untimed(text), "info c\n");
	unsetenv("JOURNAL_STREAM");
}

static void test_logging_needs_no_memory_and_leaves_errno(void **state)
{
	char text[5000];

	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, fd);
	fault_at(1);
	errno = ENOTTY;
	log_info("e", LOG_T("v", "a b"));
	assert_int_equal(errno, ENOTTY);
	assert_false(fault_fired());
	taken(text, sizeof(text));
	assert_string_equal(untimed(text), "info e v=\"a b\"\n");
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, -1); /* nowhere: no harm */
	log_info("e");
	assert_int_equal(errno, ENOTTY);
}

#define EACH 500

static void chatter(struct worker *self, void *arg)
{
	(void)self;
	for (unsigned i = 0; i < EACH; i++)
		log_info("chatter", LOG_T("from", arg), LOG_U("i", i),
			 LOG_T("pad", "some words that make the line longer"));
}

static void test_lines_of_many_threads_do_not_mix(void **state)
{
	static char names[][8] = { "one", "two", "three", "four" };
	unsigned next[4] = { 0 };
	struct worker *w[4];
	struct err err;
	char line[256];
	FILE *lines;

	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, fd);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_ok(worker_start(&w[i], names[i], chatter, names[i], &err), &err);
	for (int i = 0; i < 100; i++) /* a reload meanwhile */
		log_setup(i % 2 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, LOG_FORM_LOGFMT, fd);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		worker_join(w[i]);
	lines = fopen(path, "re");
	assert_non_null(lines);
	while (fgets(line, sizeof(line), lines)) {
		for (size_t i = 0; i < COUNT_OF(w); i++) {
			char expected[128];

			snprintf(
				expected, sizeof(expected),
				"info chatter from=%s i=%u pad=\"some words that make the line "
				"longer\"\n",
				names[i], next[i]);
			if (strcmp(untimed(line), expected) == 0)
				next[i]++;
		}
	}
	fclose(lines);
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_int_equal(next[i], EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_event_is_one_line_with_its_name),
		cmocka_unit_test(test_levels_below_the_chosen_are_silent),
		cmocka_unit_test(test_a_hostile_value_cannot_make_a_line),
		cmocka_unit_test(test_json_lines_are_json),
		cmocka_unit_test(test_long_values_are_cut_at_a_character),
		cmocka_unit_test(test_fields_that_do_not_fit_are_left_out_whole),
		cmocka_unit_test(test_the_journal_gets_a_priority_and_no_time),
		cmocka_unit_test(test_logging_needs_no_memory_and_leaves_errno),
		cmocka_unit_test(test_lines_of_many_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, with_file, without_file);
}
