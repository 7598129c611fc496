/* What admins are told of by themselves: each thing once, and once a day all of it. */
#include "tests/lib/store_world.h"

#include <fcntl.h>

#include "bridge/app.h"
#include "bridge/bulletin.h"
#include "bridge/rounds.h"
#include "store/outbox.h"
#include "store/plans.h"
#include "store/writer.h"

#define CONFIG                                                                                 \
	"instance:\n  name: acme\n  zone: Europe/Berlin\n  state_dir: .\n"                     \
	"master_key:\n  file: master.key\n"                                                    \
	"organisations:\n  - name: acme\n    cloud:\n      org_id: 1f2e3d4c\n      key: k\n"   \
	"sources:\n  - name: corp\n    kind: ldap\n    role: directory\n    ldap:\n"           \
	"      uris: [\"ldaps://ldap.example.com\"]\n      base: dc=example\n"                 \
	"      bind_dn: cn=reader\n      bind_password: bind\n"
#define ADMINS                                                                                 \
	"notices:\n  folder: .\n  digest: \"08:00\"\n"                                         \
	"  admins: [ida@example.com, bob@example.com]\n"

struct house {
	struct world w;
	struct app app;
	struct bulletin_state state;
	int64_t now_ms; /* 03:00 UTC today, before the digest */
};

static void house_open(struct house *h, const char *text)
{
	struct err err = { 0 };
	char path[128];
	int fd;

	*h = (struct house){ .now_ms = stamp_now_ms() / STAMP_DAY_MS * STAMP_DAY_MS };
	h->now_ms += 3 * STAMP_HOUR_MS;
	world_open(&h->w);
	snprintf(path, sizeof(path), "%s/leaverd.yaml", h->w.dir);
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
}

static int meddle_run(void *ctx, struct db *db, struct err *err)
{
	return db_exec(db, *(const char **)ctx, err);
}

/* As world_meddle(), on the thread that writes. */
static void meddle(struct house *h, const char *sql)
{
	struct err err = { 0 };

	assert_ok(writer_call(h->app.writer, meddle_run, &sql, &err), &err);
}

static void house_close(struct house *h)
{
	writer_stop(h->app.writer);
	config_free(&h->app.config);
	world_close(&h->w);
}

static void look(struct house *h)
{
	struct err err = { 0 };

	assert_ok(bulletin_look(&h->app, h->now_ms, &h->state, &err), &err);
}

/* How many notices there are whose key is like that. */
static int64_t told(struct house *h, const char *key)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM outbox WHERE key LIKE '%s'", key);
	return world_number(&h->w, sql);
}

struct saving {
	const char *urgency, *bytes;
	bool held;
	int64_t now_ms;
};

static int save(void *ctx, struct db *db, struct err *err)
{
	const struct saving *s = ctx;
	const struct action_row action = { .n = 1,
					   .kind = STR("suspend"),
					   .rule = STR("leaver-hr"),
					   .class_ = STR("leaver"),
					   .due_ms = s->now_ms };
	const struct plan_value value = { STR("0123456789abcdef"), STR("{}") };
	const struct plan_new in = { .org = "acme",
				     .urgency = s->urgency,
				     .bytes = str_of(s->bytes),
				     .who = "round",
				     .complete = true,
				     .held = s->held,
				     .expires_ms = s->now_ms + 72 * STAMP_HOUR_MS,
				     .actions = &action,
				     .action_count = 1,
				     .values = &value,
				     .now_ms = s->now_ms };
	int64_t id;

	return plans_save(db, &in, &id, err);
}

static void plan(struct house *h, const char *urgency, const char *bytes, bool held)
{
	struct saving s = { urgency, bytes, held, h->now_ms };
	struct err err = { 0 };

	assert_ok(writer_call(h->app.writer, save, &s, &err), &err);
}

struct secrets {
	struct house *h;
	int count;
	int64_t ends_ms;
};

static int put_secrets(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(secret_done) struct secret value = { 0 };
	const struct secrets *s = ctx;
	char name[64];
	int r = secret_set(&value, "nobody's", 8, err);

	for (int i = 0; r == 0 && i < s->count; i++) {
		snprintf(name, sizeof(name), "a-secret-with-a-name-of-some-length-number-%04d",
			 i);
		r = vault_set(s->h->w.vault, db, name, &value, "ida", s->ends_ms, "test",
			      s->h->now_ms, err);
	}
	return r;
}

static void secrets(struct house *h, int count, int64_t ends_ms)
{
	struct secrets s = { h, count, ends_ms };
	struct err err = { 0 };

	assert_ok(writer_call(h->app.writer, put_secrets, &s, &err), &err);
}

/* --------------------------------------------------------------------------------------------
 */

static void test_where_nobody_is_to_be_told_nothing_is(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	plan(&h, "urgent", "{\"a\":1}", true);
	h.now_ms += STAMP_DAY_MS / 2;
	look(&h);
	assert_int_equal(told(&h, "%"), 0);
	house_close(&h);
}

static void test_a_plan_is_told_once_to_each_and_again_when_it_is_another(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG ADMINS);
	look(&h);
	assert_int_equal(told(&h, "%"), 0);
	plan(&h, "urgent", "{\"a\":1}", true);
	plan(&h, "routine", "{\"a\":2}", false);
	for (int i = 0; i < 3; i++)
		look(&h);
	assert_int_equal(told(&h, "held/1/folder/%"), 2);
	assert_int_equal(told(&h, "open/2/folder/%"), 2);
	assert_int_equal(told(&h, "%"), 4);
	plan(&h, "urgent", "{\"a\":3}", true);
	look(&h);
	assert_int_equal(told(&h, "held/3/folder/%"), 2);
	/* that nobody can approve it any more is no news each minute */
	h.now_ms += 4 * STAMP_DAY_MS;
	h.state.deep_ms = STAMP_NEVER;
	snprintf(h.state.digest, sizeof(h.state.digest), "another day");
	look(&h);
	assert_int_equal(told(&h, "held/%") + told(&h, "open/%"), 6);
	house_close(&h);
}

static void test_a_source_that_is_not_believed_is_told_for_each_read(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG ADMINS);
	meddle(&h, "UPDATE source SET doubts = 2, reason = 'half of it is gone',"
		   " read_no = 7 WHERE name = 'corp'");
	look(&h);
	look(&h);
	assert_int_equal(told(&h, "source/corp/7/%"), 2);
	meddle(&h, "UPDATE source SET read_no = 8 WHERE name = 'corp'");
	look(&h);
	assert_int_equal(told(&h, "source/corp/8/%"), 2);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%half of it is gone%'"),
			 4);
	house_close(&h);
}

static void test_a_secret_is_told_before_it_ends_and_when_it_has(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG ADMINS);
	h.state.deep_ms = STAMP_NEVER;
	secrets(&h, 1, h.now_ms + 15 * STAMP_DAY_MS);
	look(&h);
	assert_int_equal(told(&h, "Secret/%"), 0); /* not yet */
	h.now_ms += 2 * STAMP_DAY_MS;
	look(&h);
	look(&h);
	assert_int_equal(told(&h, "Secret/%"), 2);
	h.now_ms += 13 * STAMP_DAY_MS;
	look(&h);
	assert_int_equal(told(&h, "Secret/%/over/%"), 2);
	assert_int_equal(told(&h, "Secret/%"), 4);
	house_close(&h);
}

static void test_the_digest_comes_once_a_day_at_its_minute_also_after_a_restart(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG ADMINS);
	look(&h);
	assert_int_equal(told(&h, "digest/%"), 0);
	h.now_ms += 5 * STAMP_HOUR_MS;
	look(&h);
	look(&h);
	assert_int_equal(told(&h, "digest/%"), 2);
	h.state = (struct bulletin_state){ 0 };
	look(&h);
	assert_int_equal(told(&h, "digest/%"), 2);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE letter LIKE"
					    " '%Nothing waits for a person today%'"),
			 2);
	h.now_ms += STAMP_DAY_MS;
	look(&h);
	assert_int_equal(told(&h, "digest/%"), 4);
	house_close(&h);
}

/* More than a digest has room for. */
static void test_what_has_no_room_in_the_digest_is_counted_there(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG ADMINS);
	secrets(&h, 400, h.now_ms + STAMP_DAY_MS);
	h.now_ms += 6 * STAMP_HOUR_MS;
	look(&h);
	assert_int_equal(told(&h, "Secret/%"), 800);
	assert_int_equal(told(&h, "digest/%"), 2);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM outbox WHERE kind = 'digest'"
					    " AND letter LIKE '%400 to look at%'"
					    " AND letter LIKE '%more, for which there is no"
					    " room here%' AND letter LIKE '%wait to be sent%'"),
			 2);
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_nobody_is_to_be_told_nothing_is),
		cmocka_unit_test(test_a_plan_is_told_once_to_each_and_again_when_it_is_another),
		cmocka_unit_test(test_a_source_that_is_not_believed_is_told_for_each_read),
		cmocka_unit_test(test_a_secret_is_told_before_it_ends_and_when_it_has),
		cmocka_unit_test(
			test_the_digest_comes_once_a_day_at_its_minute_also_after_a_restart),
		cmocka_unit_test(test_what_has_no_room_in_the_digest_is_counted_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
