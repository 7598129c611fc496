/* The thread that sends: what is told once, whatever the store does meanwhile. */
#include "tests/lib/store_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "bridge/app.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "bridge/rounds.h"
#include "net/httpc.h"
#include "store/outbox.h"
#include "store/writer.h"

#define WAIT_MS 60000

struct house {
	struct world w;
	struct app app;
	char folder[128];
};

static void house_open(struct house *h)
{
	struct err err = { 0 };
	char path[160], text[1024];
	int fd;

	*h = (struct house){ 0 };
	world_open(&h->w);
	snprintf(path, sizeof(path), "%s/leaverd.yaml", h->w.dir);
	snprintf(h->folder, sizeof(h->folder), "%s-told", h->w.dir);
	assert_int_equal(mkdir(h->folder, 0700), 0);
	snprintf(text, sizeof(text),
		 "instance:\n  name: acme\n  zone: UTC\n  state_dir: .\n"
		 "master_key:\n  file: master.key\n"
		 "organisations:\n  - name: acme\n    cloud:\n      org_id: 1f2e3d4c\n"
		 "      key: k\n"
		 "notices:\n  folder: %s\n  admins: [ida@example.com]\n",
		 h->folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_ok(config_read(path, &h->app.config, NULL, &err), &err);
	app_act(&h->app);
	h->app.store = h->w.store;
	h->app.vault = h->w.vault;
	assert_ok(writer_start(h->app.store, &h->app.writer, &err), &err);
	assert_ok(rounds_declare(&h->app, &err), &err);
	assert_ok(outbox_start(&h->app.outbox, &h->app, &err), &err);
}

/* How many files were told; they go. */
static int house_close(struct house *h)
{
	char path[512];
	struct dirent *e;
	int n = 0;
	DIR *d;

	outbox_stop(TAKE(h->app.outbox));
	writer_stop(h->app.writer);
	config_free(&h->app.config);
	d = opendir(h->folder);
	while (d && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", h->folder, e->d_name);
		n += strstr(e->d_name, ".txt") != NULL && unlink(path) == 0;
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(h->folder);
	world_close(&h->w);
	return n;
}

static void tell(struct house *h, const char *key)
{
	const struct notices_bulletin b = { .key = key,
					    .tells = "held",
					    .kind = NOTICE_ALERT,
					    .title = "something",
					    .items = STR("It waits."),
					    .count = 1 };
	struct err err = { 0 };

	assert_ok(notices_tell(&h->app, &b, &err), &err);
}

static int64_t in_state(struct house *h, enum outbox_state state)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM outbox WHERE state = %d", (int)state);
	return world_number(&h->w, sql);
}

static int meddle(void *ctx, struct db *db, struct err *err)
{
	return db_exec(db, ctx, err);
}

/* As a full disk does: for a while nothing can be written down. */
static void test_what_could_not_be_written_down_is_when_it_can_be(void **state)
{
	char fail[] = "CREATE TRIGGER full BEFORE UPDATE OF state ON outbox WHEN new.state = 3"
		      " BEGIN SELECT RAISE(ABORT, 'disk full'); END";
	char heal[] = "DROP TRIGGER full";
	struct err err = { 0 };
	struct house h;

	(void)state;
	house_open(&h);
	assert_ok(writer_call(h.app.writer, meddle, fail, &err), &err);
	tell(&h, "held/1");
	tell(&h, "held/2");
	outbox_drain(h.app.outbox, WAIT_MS);
	assert_int_equal(in_state(&h, OUTBOX_SENT), 0);
	assert_int_equal(in_state(&h, OUTBOX_SENDING), 1);
	assert_int_equal(in_state(&h, OUTBOX_QUEUED), 1); /* nothing else is begun */
	assert_ok(writer_call(h.app.writer, meddle, heal, &err), &err);
	outbox_drain(h.app.outbox, WAIT_MS);
	assert_int_equal(in_state(&h, OUTBOX_SENT), 2);
	assert_int_equal(house_close(&h), 2);
}

#define TELLERS 4
#define EACH 20

static void *tells_many(void *arg)
{
	struct house *h = arg;
	char key[32];

	for (int i = 0; i < EACH; i++) {
		snprintf(key, sizeof(key), "held/%d", i); /* all tell the same */
		tell(h, key);
		outbox_hurry(h->app.outbox);
		outbox_wake(h->app.outbox);
	}
	return NULL;
}

static void test_many_who_tell_the_same_tell_it_once(void **state)
{
	pthread_t threads[TELLERS];
	struct house h;

	(void)state;
	house_open(&h);
	for (int i = 0; i < TELLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, tells_many, &h), 0);
	for (int i = 0; i < TELLERS; i++)
		pthread_join(threads[i], NULL);
	while (in_state(&h, OUTBOX_SENT) < EACH)
		outbox_drain(h.app.outbox, WAIT_MS);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox"), EACH);
	assert_int_equal(house_close(&h), EACH);
}

/* What is not sent yet stays, and the next process takes it up. */
static void test_what_a_process_left_the_next_sends(void **state)
{
	char killed[] = "UPDATE outbox SET state = 1"; /* on its way */
	struct err err = { 0 };
	struct house h;

	(void)state;
	house_open(&h);
	outbox_stop(TAKE(h.app.outbox));
	tell(&h, "held/1");
	assert_ok(writer_call(h.app.writer, meddle, killed, &err), &err);
	assert_ok(outbox_start(&h.app.outbox, &h.app, &err), &err);
	outbox_drain(h.app.outbox, WAIT_MS);
	assert_int_equal(in_state(&h, OUTBOX_SENT), 1);
	assert_int_equal(house_close(&h), 1);
}

static int start(void **state)
{
	struct err err = { 0 };

	(void)state;
	return httpc_start(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_could_not_be_written_down_is_when_it_can_be),
		cmocka_unit_test(test_many_who_tell_the_same_tell_it_once),
		cmocka_unit_test(test_what_a_process_left_the_next_sends),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
