#include "tests/lib/store_world.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/anchor.h"
#include "store/approvers.h"
#include "store/audit_cut.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void add_at(struct world *w, const char *what, int64_t ms)
{
	struct audit_new in = { .who = "uid:ada",
				.what = what,
				.target = "plan 7",
				.body = STR("{\"why\":\"asked\"}"),
				.now_ms = ms };
	struct err err = { 0 };

	WRITE(w, audit_add(db, &in, NULL, &err));
}

static void add_many(struct world *w, int n, int64_t ms)
{
	for (int i = 0; i < n; i++)
		add_at(w, "plan.approve", ms);
}

static void path_of(const struct world *w, char path[160])
{
	(void)snprintf(path, 160, "%s/anchors", w->dir);
}

/* Appends what an anchor of now is, with something before and after it. */
static int64_t keep(struct world *w, const char *before, const char *after)
{
	struct err err = { 0 };
	struct buf line;
	char path[160];
	int64_t seq = 0;
	FILE *f;

	path_of(w, path);
	buf_init(&line, ANCHOR_LINE_BYTES);
	assert_ok(anchor_line(w->store, "acme", "run-1", NOW, &line, &seq, &err), &err);
	f = fopen(path, "a");
	assert_non_null(f);
	fprintf(f, "%s%s%s\n", before, line.p, after);
	fclose(f);
	buf_done(&line);
	return seq;
}

static void remove_head(const struct world *w)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/audit.head", w->dir);
	(void)unlink(path);
	*store_head(w->store) = (struct store_head){ 0 };
}

static void put_file(const struct world *w, const char *text)
{
	char path[160];
	FILE *f;

	path_of(w, path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int verify(struct world *w, struct audit_report *report, struct err *err)
{
	char path[160];

	path_of(w, path);
	return audit_verify_anchors(w->store, true, path, report, err);
}

static void test_anchors_that_were_kept_fit_the_chain(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	add_many(&w, 5, NOW);
	keep(&w, "", "");
	add_many(&w, 1500, NOW);
	keep(&w, "<109>1 2026-01-01T00:00:00Z h leaverd acme audit.anchor - ", ""); /* syslog */
	put_file(&w, "");
	assert_fault(verify(&w, &report, &err), ERR_INVALID_VALUE, &err, "names an entry");
	keep(&w, "# kept by hand: ", " thanks");
	keep(&w, "", "\r");
	assert_ok(verify(&w, &report, &err), &err);
	assert_int_equal(report.anchors, 2);
	assert_int_equal(report.beyond, 0);
	assert_non_null(strstr(report.text, "2 anchors fit"));
	world_close(&w);
}

static void test_an_export_is_a_file_of_anchors(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	struct buf lines;
	int64_t last;

	(void)state;
	world_open(&w);
	add_many(&w, 20, NOW);
	buf_init(&lines, 1 << 20);
	READ(&w, audit_export(db, 0, 1000, &lines, &last, &err));
	put_file(&w, lines.p);
	assert_ok(verify(&w, &report, &err), &err);
	assert_int_equal(report.anchors, report.entries);
	buf_done(&lines);
	world_close(&w);
}

/* What somebody who has the master key and the machine could do, and what the anchors say. */
static void test_the_first_entry_that_differs_from_an_anchor_is_named(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	add_many(&w, 5, NOW);
	keep(&w, "", "");
	add_many(&w, 5, NOW);
	keep(&w, "", "");
	world_meddle(&w, "DELETE FROM audit WHERE seq > 3");
	remove_head(&w);
	add_many(&w, 20, NOW + 1); /* the chain is whole again, and longer */
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	assert_fault(verify(&w, &report, &err), ERR_DAMAGED, &err, "the anchor in line 1");
	assert_int_equal(report.damaged, 6);
	world_close(&w);
}

static void test_a_tail_that_was_cut_behind_an_anchor_shows(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	char path[160];

	(void)state;
	world_open(&w);
	add_many(&w, 9, NOW);
	keep(&w, "", "");
	world_meddle(&w, "DELETE FROM audit WHERE seq > 8");
	path_of(&w, path);
	assert_fault(audit_verify_anchors(w.store, false, path, &report, &err), ERR_DAMAGED,
		     &err, "names entry 10, the database ends at 8");
	assert_int_equal(report.damaged, 9);
	world_close(&w);
}

static void test_an_anchor_that_was_changed_is_told_from_a_chain_that_was(void **state)
{
	static const struct {
		const char *find, *put, *says;
	} changes[] = {
		{ "seq=6", "seq=5", "line 1 is not signed by this instance's key" },
		{ "instance=acme", "instance=acne", "is not signed" },
		{ "sig=", "sgi=", "is not signed" },
		{ "ms=", "mz=", "is not signed" },
	};
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	struct buf line;
	int64_t seq;

	(void)state;
	world_open(&w);
	add_many(&w, 5, NOW);
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		char *at;

		buf_init(&line, ANCHOR_LINE_BYTES);
		assert_ok(anchor_line(w.store, "acme", "run-1", NOW, &line, &seq, &err), &err);
		at = strstr(line.p, changes[i].find);
		assert_non_null(at);
		memcpy(at, changes[i].put, strlen(changes[i].put));
		put_file(&w, line.p);
		assert_fault(verify(&w, &report, &err), ERR_DAMAGED, &err, changes[i].says);
		buf_done(&line);
	}
	world_close(&w);
}

static const struct {
	const char *line;
	int64_t seq; /* 0: names none */
} lines[] = {
	{ "{\"seq\":41,\"time\":\"x\",\"link\":\"" HEX "\"}", 41 },
	{ "[leaverd@32473 seq=\"41\" link=\"" HEX "\" who=\"seq=7\"]", 41 },
	{ "CEF:0|l|l|1|a|a|3|rt=5 externalId=41 link=" HEX " suser=uid:ada", 41 },
	{ "seq=41 link=" HEX, 41 },
	{ "subseq=9 link=" HEX, 0 },                 /* another word that ends so */
	{ "seq=41 link=" HEX "0", 0 },               /* one digit too many */
	{ "seq=41 link=abc", 0 },                    /* too few */
	{ "seq=-1 link=" HEX, 0 },                   /* no number of an entry */
	{ "seq=0 link=" HEX, 0 },                    /* the same */
	{ "seq=99999999999999999999 link=" HEX, 0 }, /* beyond what is counted */
	{ "the link of seq 41 is not here", 0 },     /* prose */
	{ "seq=", 0 },
	{ "", 0 },
};

static void test_lines_name_entries_in_every_form_that_we_write(void **state)
{
	static const unsigned char key[DIGEST_PUB_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct anchor a = { 0 };
		const char *bad;
		bool named = anchor_read_line(str_of(lines[i].line), key, &a, &bad);

		if (named != (lines[i].seq != 0) || a.seq != lines[i].seq || bad)
			fail_msg("\"%s\": %lld", lines[i].line, (long long)a.seq);
	}
}

/* A logger puts its own words before a line; those are not signed. */
static void test_of_a_signed_line_counts_what_is_signed(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES];
	struct world w = { 0 };
	struct anchor a = { 0 };
	struct err err = { 0 };
	struct buf line;
	const char *bad;
	int64_t seq;

	(void)state;
	world_open(&w);
	add_many(&w, 3, NOW);
	buf_init(&line, ANCHOR_LINE_BYTES + 200);
	buf_add_text(&line, "<109>1 host seq=1 link=" HEX " ");
	{
		CLEANUP(buf_done) struct buf ours;

		buf_init(&ours, ANCHOR_LINE_BYTES);
		assert_ok(anchor_line(w.store, "acme", "run-1", NOW, &ours, &seq, &err), &err);
		buf_add_str(&line, buf_str(&ours));
	}
	buf_add_text(&line, " seq=2");
	assert_ok(digest_public(key, &store_keys(w.store)->head_seed, &err), &err);
	assert_true(anchor_read_line(buf_str(&line), key, &a, &bad));
	assert_null(bad);
	assert_true(a.is_signed);
	assert_int_equal(a.seq, seq);
	buf_done(&line);
	world_close(&w);
}

/* --- the cut -------------------------------------------------------------------------------
 */

#define OLD (NOW - 400 * 86400000LL)

static int64_t cut(struct world *w, int64_t before_ms)
{
	struct err err = { 0 };
	int64_t seq = 0, removed = 1, all = 0;
	json_t *roster = NULL;

	READ(w, audit_cut_until(db, before_ms, &seq, &err));
	if (!seq)
		return 0;
	assert_ok(approvers_roster(w->store, seq, &roster, &err), &err);
	WRITE(w, audit_cut_begin(db,
				 &(struct audit_cut_new){ .seq = seq,
							  .approvers = roster,
							  .who = "daemon",
							  .why = "retention",
							  .now_ms = NOW },
				 &err));
	while (removed) {
		WRITE(w, audit_cut_step(db, 7, &removed, &err));
		all += removed;
	}
	json_decref(roster);
	assert_true(all > 0);
	return seq;
}

/* The vault's making is of now, so nothing behind it would be old. */
static void open_empty(struct world *w)
{
	world_open(w);
	world_meddle(w, "DELETE FROM audit");
	world_meddle(w, "DELETE FROM sqlite_sequence WHERE name = 'audit'");
	remove_head(w);
}

static void test_the_rest_of_a_chain_that_was_cut_verifies(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	int64_t seq;

	(void)state;
	open_empty(&w);
	add_many(&w, 30, OLD);
	keep(&w, "", ""); /* of the last that goes */
	add_many(&w, 10, NOW);
	keep(&w, "", "");
	seq = cut(&w, NOW - 1000);
	assert_int_equal(seq, 30);
	assert_ok(verify(&w, &report, &err), &err);
	assert_int_equal(report.cut, 30);
	assert_int_equal(report.entries, 11); /* ten, and the one that says so */
	assert_int_equal(report.anchors, 2);  /* that of entry 30 is compared with the cut */
	assert_non_null(strstr(report.text, "up to 30 were removed by retention"));
	assert_int_equal(cut(&w, NOW - 1000), 0); /* nothing more is old */
	add_many(&w, 3, NOW);
	assert_ok(verify(&w, &report, &err), &err);
	world_close(&w);
}

static void test_a_second_cut_goes_on_from_the_first(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };

	(void)state;
	open_empty(&w);
	add_many(&w, 10, NOW);
	assert_true(cut(&w, NOW + 1) > 0);
	add_many(&w, 10, NOW + 5);
	assert_true(cut(&w, NOW + 4) > 0);
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	assert_int_equal(report.cut, 11); /* the entry of the first cut went as well */
	world_close(&w);
}

/* After a cut, each way to take more away or to say another beginning shows. */
static const struct {
	const char *sql, *says;
} after_cut[] = {
	{ "DELETE FROM audit WHERE seq = (SELECT min(seq) FROM audit)", "is missing" },
	{ "DELETE FROM cursor WHERE owner = 'audit'", "is missing" },
	{ "UPDATE cursor SET value = '13' WHERE owner = 'audit' AND name = 'cut'",
	  "does not say so" },
	{ "UPDATE audit SET body = replace(body, '\"seq\":10', '\"seq\":11')"
	  " WHERE what = 'audit.cut';"
	  "DELETE FROM audit WHERE seq = 11",
	  "does not fit" },
	{ "UPDATE audit SET body = replace(body, '\"link\":\"', '\"link\":\"00')"
	  " WHERE what = 'audit.cut'",
	  "does not say so" },
	{ "UPDATE audit SET body = replace(body, 'retention', 'detention')"
	  " WHERE what = 'audit.cut'",
	  "body was changed" },
};

static void test_a_cut_cannot_be_feigned_without_the_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(after_cut); i++) {
		struct world w = { 0 };
		struct audit_report report;
		struct err err = { 0 };

		world_open(&w);
		add_many(&w, 9, OLD); /* 2 to 10; the first is of now, so time cannot cut */
		add_many(&w, 5, NOW);
		WRITE(&w, audit_cut_begin(db,
					  &(struct audit_cut_new){ .seq = 10,
								   .who = "daemon",
								   .why = "retention",
								   .now_ms = NOW },
					  &err));
		{
			int64_t removed;

			WRITE(&w, audit_cut_step(db, 100, &removed, &err));
			assert_int_equal(removed, 10);
		}
		assert_ok(audit_verify(w.store, true, &report, &err), &err);
		world_meddle(&w, after_cut[i].sql);
		assert_fault(audit_verify(w.store, true, &report, &err), ERR_DAMAGED, &err,
			     after_cut[i].says);
		world_close(&w);
	}
}

static void test_an_unfinished_cut_verifies_and_is_finished_later(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	int64_t removed;

	(void)state;
	world_open(&w);
	add_many(&w, 20, NOW);
	WRITE(&w, audit_cut_begin(db,
				  &(struct audit_cut_new){ .seq = 10,
							   .who = "daemon",
							   .why = "retention",
							   .now_ms = NOW },
				  &err));
	WRITE(&w, audit_cut_step(db, 4, &removed, &err));
	assert_int_equal(removed, 4);
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	assert_int_equal(report.entries, 12);
	WRITE(&w, audit_cut_step(db, 100, &removed, &err));
	assert_int_equal(removed, 6);
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	world_close(&w);
}

#define CUTS 20
#define PAGE 1000 /* of one look at the chain */

static atomic_bool stop;
static char said[ERR_TEXT_BYTES];

static int add_batch(struct db *db, int n, struct err *err)
{
	const struct audit_new in = { .who = "uid:ada",
				      .what = "plan.approve",
				      .target = "plan 7",
				      .body = STR("{}"),
				      .now_ms = NOW };
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++)
		r = audit_add(db, &in, NULL, err);
	return r;
}

static void *verify_until(void *arg)
{
	struct world *w = arg;
	struct audit_report report;
	struct err err = { 0 };
	int r = 0;

	while (r == 0 && !atomic_load(&stop))
		r = audit_verify(w->store, false, &report, &err);
	if (r < 0)
		(void)snprintf(said, sizeof(said), "%s", err.text);
	return NULL;
}

static void test_a_chain_is_whole_also_while_it_is_cut(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	pthread_t thread;
	int64_t removed;

	(void)state;
	world_open(&w);
	WRITE(&w, add_batch(db, 2 * PAGE, &err));
	assert_int_equal(pthread_create(&thread, NULL, verify_until, &w), 0);
	for (int i = 1; i <= CUTS; i++) {
		WRITE(&w, add_batch(db, 2 * PAGE, &err)); /* in the middle of a walk */
		WRITE(&w, audit_cut_begin(db,
					  &(struct audit_cut_new){ .seq = 2 * PAGE * i,
								   .who = "daemon",
								   .why = "retention",
								   .now_ms = NOW },
					  &err));
		WRITE(&w, audit_cut_step(db, 3 * PAGE, &removed, &err));
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_string_equal(said, "");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anchors_that_were_kept_fit_the_chain),
		cmocka_unit_test(test_an_export_is_a_file_of_anchors),
		cmocka_unit_test(test_the_first_entry_that_differs_from_an_anchor_is_named),
		cmocka_unit_test(test_a_tail_that_was_cut_behind_an_anchor_shows),
		cmocka_unit_test(test_an_anchor_that_was_changed_is_told_from_a_chain_that_was),
		cmocka_unit_test(test_lines_name_entries_in_every_form_that_we_write),
		cmocka_unit_test(test_of_a_signed_line_counts_what_is_signed),
		cmocka_unit_test(test_the_rest_of_a_chain_that_was_cut_verifies),
		cmocka_unit_test(test_a_second_cut_goes_on_from_the_first),
		cmocka_unit_test(test_a_cut_cannot_be_feigned_without_the_key),
		cmocka_unit_test(test_an_unfinished_cut_verifies_and_is_finished_later),
		cmocka_unit_test(test_a_chain_is_whole_also_while_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
