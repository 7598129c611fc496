#include "tests/lib/store_world.h"

#include "bridge/feed.h"
#include "store/writer.h"

/* A read's entries on their way to a real writer, over more than one batch. */

#define MANY 1300 /* two batches and a half */

struct feeding {
	struct world w;
	struct writer *writer;
	struct dir_memory *memory;
	struct feed *feed;
	struct read_run *run;
	int64_t source;
	struct read_counts counts;
	bool accepted;
};

static int declare(void *ctx, struct db *db, struct err *err)
{
	struct feeding *f = ctx;

	return sources_declare(db, "corp", "ldap", "directory", 0, NOW, &f->source, err);
}

static int begin(void *ctx, struct db *db, struct err *err)
{
	struct feeding *f = ctx;

	read_run_free(TAKE(f->run));
	return sources_read_begin(db, f->source, READ_FULL, NOW, &f->run, err);
}

static int finish(void *ctx, struct db *db, struct err *err)
{
	struct feeding *f = ctx;
	struct read_verdict verdict = { .complete = true, .now_ms = NOW };
	int r = sources_read_weigh(db, f->run, &f->counts, err);

	return r < 0 ? r : sources_read_end(db, f->run, &verdict, &f->accepted, err);
}

static void feeding_made(struct feeding *f, bool memory)
{
	struct err err;

	memset(f, 0, sizeof(*f));
	world_open(&f->w);
	assert_ok(writer_start(f->w.store, &f->writer, &err), &err);
	assert_true(writer_call(f->writer, declare, f, &err) >= 0);
	if (memory)
		assert_ok(dir_memory_new(&f->memory, &err), &err);
	assert_ok(feed_new(&f->feed, f->writer, f->memory, &err), &err);
}

static void feeding_done(struct feeding *f)
{
	feed_free(f->feed);
	read_run_free(f->run);
	dir_memory_free(f->memory);
	writer_stop(f->writer);
	world_close(&f->w);
}

static void begins(struct feeding *f)
{
	struct err err;

	feed_quiet(f->feed);
	assert_true(writer_call(f->writer, begin, f, &err) >= 0);
	feed_into(f->feed, f->run);
}

static void ends(struct feeding *f)
{
	struct err err;

	assert_ok(feed_end(f->feed, &err), &err);
	assert_true(writer_call(f->writer, finish, f, &err) >= 0);
	assert_true(f->accepted);
}

static int feed_n(struct feeding *f, int n, const char *title, struct err *err)
{
	char key[40], doc[200];

	snprintf(key, sizeof(key), "00000000-0000-4000-8000-%012d", n);
	snprintf(
		doc, sizeof(doc),
		"{\"active\":true,\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
		"\"title\":\"%s\",\"userName\":\"u%06d\"}",
		title, n);
	return feed_entry(f->feed, str_of(key), 0, str_of(doc), STR(""), err);
}

static void test_all_that_is_fed_is_stored_whatever_the_batches(void **state)
{
	struct feeding f;
	struct err err;

	(void)state;
	feeding_made(&f, false);
	begins(&f);
	for (int i = 0; i < MANY; i++)
		assert_ok(feed_n(&f, i, "First", &err), &err);
	ends(&f);
	assert_int_equal(f.counts.fresh, MANY);
	begins(&f);
	for (int i = 0; i < MANY; i++)
		assert_ok(feed_n(&f, i, i < 3 ? "Second" : "First", &err), &err);
	ends(&f);
	assert_int_equal(f.counts.fresh, 0);
	assert_int_equal(f.counts.changed, 3);
	assert_int_equal(f.counts.unchanged, MANY - 3);
	feeding_done(&f);
}

static void test_what_an_attempt_brought_that_broke_off_is_dropped(void **state)
{
	struct feeding f;
	struct err err;

	(void)state;
	feeding_made(&f, false);
	begins(&f);
	for (int i = 0; i < MANY; i++)
		assert_ok(feed_n(&f, i, "Lost", &err), &err);
	begins(&f); /* no end before: a batch may be under way, another half full */
	for (int i = 0; i < 7; i++)
		assert_ok(feed_n(&f, i, "Kept", &err), &err);
	ends(&f);
	assert_int_equal(f.counts.seen, 7);
	assert_int_equal(f.counts.fresh, 7);
	feeding_done(&f);
}

static void test_freeing_waits_for_what_is_under_way(void **state)
{
	struct err err;

	(void)state;
	for (int n = 500; n < 530; n += 6) {
		struct feeding f;

		feeding_made(&f, false);
		begins(&f);
		for (int i = 0; i < n; i++)
			assert_ok(feed_n(&f, i, "Given up", &err), &err);
		feeding_done(&f);
	}
}

static int refuse(void *ctx, struct db *db, struct err *err)
{
	(void)ctx;
	(void)db;
	return err_set(err, ERR_FULL, "no");
}

/* A batch whose text is no document: its fault comes with a later entry, or with the end. */
static void test_a_fault_of_the_writer_reaches_who_feeds(void **state)
{
	struct feeding f;
	struct err err;
	int r = 0;

	(void)state;
	feeding_made(&f, false);
	assert_fault(writer_call(f.writer, refuse, NULL, &err), ERR_FULL, &err, "no");
	begins(&f);
	for (int i = 0; i < MANY && r == 0; i++)
		r = i == 100 ? feed_entry(f.feed, STR("odd"), 0, STR("{\"userName\":"), STR(""),
					  &err)
			     : feed_n(&f, i, "Title", &err);
	if (r == 0)
		r = feed_end(f.feed, &err);
	assert_true(r < 0);
	feeding_done(&f);
}

/* --- marks ----------------------------------------------------------------------------------
 */

/* The entry of number n as a directory shows it. */
static void seen(struct feeding *f, int n, enum dir_memory_answer wanted, uint32_t *mark)
{
	struct dir_memory_row *row = NULL;
	struct dir_entry e = { .dn = STR("uid=u,dc=example,dc=test") };
	char key[40];
	int r;

	snprintf(key, sizeof(key), "00000000-0000-4000-8000-%012d", n);
	r = dir_memory_see(f->memory, str_of(key), &e, &row);
	assert_int_equal(r, wanted);
	if (mark)
		*mark = row->mark;
}

static void test_who_is_as_before_is_fed_by_the_mark_alone(void **state)
{
	struct feeding f;
	struct err err;

	(void)state;
	feeding_made(&f, true);
	begins(&f);
	dir_memory_begin(f.memory, STR("question"));
	for (int i = 0; i < MANY; i++) {
		seen(&f, i, DIR_MEMORY_NEW, NULL);
		assert_ok(feed_n(&f, i, "Same", &err), &err);
	}
	ends(&f);
	dir_memory_end(f.memory);
	begins(&f);
	dir_memory_begin(f.memory, STR("question"));
	for (int i = 0; i < MANY; i++) {
		uint32_t mark = 0;

		seen(&f, i, DIR_MEMORY_KNOWN, &mark);
		assert_int_not_equal(mark, 0);
		assert_ok(feed_same(f.feed, mark, &err), &err);
	}
	ends(&f);
	assert_int_equal(f.counts.unchanged, MANY);
	assert_int_equal(f.counts.missing, 0);
	feeding_done(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_is_fed_is_stored_whatever_the_batches),
		cmocka_unit_test(test_what_an_attempt_brought_that_broke_off_is_dropped),
		cmocka_unit_test(test_freeing_waits_for_what_is_under_way),
		cmocka_unit_test(test_a_fault_of_the_writer_reaches_who_feeds),
		cmocka_unit_test(test_who_is_as_before_is_fed_by_the_mark_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
