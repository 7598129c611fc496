#include "tests/lib/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/own.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/control.h"

/* --- verbs of this test, in place of the program's -------------------------------------------
 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static bool slow_runs, slow_may_end;
static atomic_int echoes;

static int run_echo(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	int r;

	(void)app;
	atomic_fetch_add(&echoes, 1);
	r = jx_set(out, "in", json_deep_copy(in), err);
	return r < 0 ? r : jx_set(out, "who", json_string(who->name), err);
}

static int run_fail(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	int r = jx_set(out, "part", json_integer(7), err);

	(void)app;
	(void)who;
	(void)in;
	return r < 0 ? r : err_set(err, ERR_HELD, "plan 7 is held by canary");
}

static int run_big(struct app *app, const struct who *who, const json_t *in, json_t *out,
		   struct err *err)
{
	char piece[1000];
	json_t *list;
	int r = jx_set(out, "list", list = json_array(), err);

	(void)app;
	(void)who;
	(void)in;
	memset(piece, 'x', sizeof(piece));
	for (int i = 0; r == 0 && i < 5000; i++)
		r = jx_add(list, json_stringn(piece, sizeof(piece)), err);
	return r;
}

/* Stays until it is let go, or until everything is cancelled. */
static int run_slow(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	(void)who;
	(void)in;
	(void)out;
	pthread_mutex_lock(&lock);
	slow_runs = true;
	pthread_cond_broadcast(&moved);
	while (!slow_may_end && !verb_cancelled(app)) {
		struct timespec until = { .tv_sec = (time_t)(stamp_now_ms() / 1000) + 1 };

		pthread_cond_timedwait(&moved, &lock, &until);
	}
	slow_runs = false;
	pthread_mutex_unlock(&lock);
	if (verb_cancelled(app))
		return err_set(err, ERR_CANCELLED, "slow was told to end");
	return 0;
}

const struct verb verbs_admin[] = {
	{ "echo", 0, run_echo },
	{ "fail", 0, run_fail },
	{ "big", 0, run_big },
	{ 0 },
};
const struct verb verbs_data[] = { { "slow", VERB_LONG, run_slow }, { 0 } };
const struct verb verbs_round[] = { { 0 } };
const struct verb verbs_plan[] = { { 0 } };

/* --- one server for all tests ----------------------------------------------------------------
 */

static char folder[] = "/tmp/leaverd-control-XXXXXX";
static char path[64], mode_text[] = "0600";
static struct app app;
static struct control *control, *taken_over;

static int setup(void **state)
{
	struct err err;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/control", folder);
	app.config.control.socket = path;
	app.config.control.mode = mode_text;
	app.config.control.mode_bits = 0600;
	return control_start(&control, &app, &err);
}

static int teardown(void **state)
{
	(void)state;
	control_stop(control);
	control_stop(taken_over);
	return rmdir(folder); /* the sockets are gone */
}

static void test_a_verb_runs_for_whoever_the_kernel_says_is_asking(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_pack("{s:s}", "word", "Zoë"), *out = NULL;
	struct who self;
	struct err err;

	(void)state;
	control_who_self(&self);
	assert_ok(control_ask(path, "echo", in, &out, &err), &err);
	assert_string_equal(jx_get_text(json_object_get(out, "in"), "word"), "Zoë");
	assert_string_equal(jx_get_text(out, "who"), self.name);
	assert_memory_equal(self.name, "uid:", 4);
}

static void test_a_fault_crosses_with_its_word_its_sentence_and_what_was_answered(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	struct err err;

	(void)state;
	assert_fault(control_ask(path, "fail", in, &out, &err), ERR_HELD, &err,
		     "plan 7 is held by canary");
	assert_int_equal(json_integer_value(json_object_get(out, "part")), 7);
}

static void test_long_answers_arrive_whole(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	struct err err;

	(void)state;
	assert_ok(control_ask(path, "big", in, &out, &err), &err);
	assert_int_equal(json_array_size(json_object_get(out, "list")), 5000);
}

static void test_an_unknown_verb_says_that_versions_differ(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	struct err err;

	(void)state;
	assert_fault(control_ask(path, "fly", in, &out, &err), ERR_NOT_FOUND, &err,
		     "another version");
}

static void test_a_request_that_is_no_object_or_too_long_is_refused(void **state)
{
	CLEANUP(json_decref_at) json_t *list = json_array(), *out = NULL, *none = NULL;
	CLEANUP(json_decref_at) json_t *in = json_object();
	CLEANUP(free_at) char *text = malloc(2 << 20);
	struct err err;

	(void)state;
	assert_fault(control_ask(path, "echo", list, &out, &err), ERR_INVALID_SYNTAX, &err,
		     "JSON object");
	memset(text, 'x', 2 << 20);
	json_object_set_new(in, "long", json_stringn(text, 2 << 20));
	assert_fault(control_ask(path, "echo", in, &none, &err), ERR_LIMIT, &err, NULL);
}

static void test_nobody_is_no_fault(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	char other[80];
	struct err err;

	(void)state;
	snprintf(other, sizeof(other), "%s/none", folder);
	assert_int_equal(control_ask(other, "echo", in, &out, &err), CONTROL_NOBODY);
	assert_null(out);
}

static void test_the_socket_has_the_mode_of_the_configuration(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_second_server_on_the_same_socket_is_refused(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	struct control *second = NULL;
	struct err err;

	(void)state;
	assert_fault(control_start(&second, &app, &err), ERR_NETWORK, &err,
		     "another process is listening");
	assert_null(second);
	assert_ok(control_ask(path, "echo", in, &out, &err), &err);
	assert_false(verb_cancelled(&app)); /* a start that failed cancels nothing */
}

static void test_a_dead_socket_is_taken_over(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static struct app other;
	static char name[80];
	struct err err;
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "%s/dead", folder);
	memcpy(address.sun_path, name, strlen(name) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	other.config = app.config;
	other.config.control.socket = name;
	/* Stopped by teardown: stopping cancels every verb of this process. */
	assert_ok(control_start(&taken_over, &other, &err), &err);
	{
		CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;

		assert_ok(control_ask(name, "echo", in, &out, &err), &err);
	}
}

static void test_an_unknown_group_is_a_fault_of_the_configuration(void **state)
{
	char group[] = "no-such-group-here", name[80];
	struct app other = app;
	struct control *c = NULL;
	struct err err;

	(void)state;
	snprintf(name, sizeof(name), "%s/grouped", folder);
	other.config.control.socket = name;
	other.config.control.group = group;
	assert_fault(control_start(&c, &other, &err), ERR_CONFIG, &err, "no-such-group-here");
	assert_int_equal(access(name, F_OK), -1);
}

static void *ask_slow(void *arg)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	struct err *err = arg;

	return (void *)(intptr_t)control_ask(path, "slow", in, &out, err);
}

static void wait_until_slow_runs(void)
{
	pthread_mutex_lock(&lock);
	while (!slow_runs)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
}

static void test_a_long_verb_does_not_hold_up_the_short_ones(void **state)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = NULL;
	struct err err, slow_err;
	pthread_t thread;
	void *result;

	(void)state;
	pthread_create(&thread, NULL, ask_slow, &slow_err);
	wait_until_slow_runs();
	assert_ok(control_ask(path, "echo", in, &out, &err), &err);
	pthread_mutex_lock(&lock);
	slow_may_end = true;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, &result);
	assert_int_equal((intptr_t)result, 0);
	slow_may_end = false;
}

static void *ask_echoes(void *arg)
{
	intptr_t failed = 0;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		CLEANUP(json_decref_at) json_t *in = json_pack("{s:i}", "i", i), *out = NULL;
		struct err err;

		if (control_ask(path, "echo", in, &out, &err) != 0 ||
		    json_integer_value(json_object_get(json_object_get(out, "in"), "i")) != i)
			failed++;
	}
	return (void *)failed;
}

static void test_twenty_clients_at_once_are_all_answered(void **state)
{
	pthread_t threads[20];
	int before = atomic_load(&echoes);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		pthread_create(&threads[i], NULL, ask_echoes, NULL);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_int_equal((intptr_t)failed, 0);
	}
	assert_int_equal(atomic_load(&echoes) - before, 400);
}

/* The last one: from then on every verb of this process is cancelled. */
static void test_stopping_cancels_what_runs_and_answers_its_client(void **state)
{
	struct err slow_err;
	pthread_t thread;
	void *result;

	(void)state;
	pthread_create(&thread, NULL, ask_slow, &slow_err);
	wait_until_slow_runs();
	control_stop(TAKE(control));
	pthread_join(thread, &result);
	assert_fault((int)(intptr_t)result, ERR_CANCELLED, &slow_err, "slow was told to end");
	assert_true(verb_cancelled(&app));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_verb_runs_for_whoever_the_kernel_says_is_asking),
		cmocka_unit_test(
			test_a_fault_crosses_with_its_word_its_sentence_and_what_was_answered),
		cmocka_unit_test(test_long_answers_arrive_whole),
		cmocka_unit_test(test_an_unknown_verb_says_that_versions_differ),
		cmocka_unit_test(test_a_request_that_is_no_object_or_too_long_is_refused),
		cmocka_unit_test(test_nobody_is_no_fault),
		cmocka_unit_test(test_the_socket_has_the_mode_of_the_configuration),
		cmocka_unit_test(test_a_second_server_on_the_same_socket_is_refused),
		cmocka_unit_test(test_an_unknown_group_is_a_fault_of_the_configuration),
		cmocka_unit_test(test_a_long_verb_does_not_hold_up_the_short_ones),
		cmocka_unit_test(test_twenty_clients_at_once_are_all_answered),
		cmocka_unit_test(test_a_dead_socket_is_taken_over),
		cmocka_unit_test(test_stopping_cancels_what_runs_and_answers_its_client),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
