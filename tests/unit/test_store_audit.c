#include "tests/lib/store_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/persons.h"

static void add(struct world *w, const char *what, int64_t person, const char *body)
{
	struct audit_new in = { .who = "uid:ada",
				.what = what,
				.target = "plan 7",
				.person = person,
				.body = str_of(body),
				.now_ms = NOW };
	struct err err = { 0 };

	WRITE(w, audit_add(db, &in, NULL, &err));
}

static void add_many(struct world *w, int n)
{
	int i;

	for (i = 0; i < n; i++)
		add(w, "plan.approve", 0, "{\"why\":\"asked\"}");
}

static void head_path(const struct world *w, const char *suffix, char path[160])
{
	(void)snprintf(path, 160, "%s/audit.head%s", w->dir, suffix);
}

static void test_a_chain_verifies_with_its_head(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	add_many(&w, 2500); /* more than one page */
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	assert_int_equal(report.entries, 2501); /* the vault's making is the first */
	assert_int_equal(report.last, 2501);
	assert_int_equal(report.damaged, 0);
	assert_non_null(strstr(report.text, "the chain is whole"));
	world_close(&w);
}

/* What somebody with an editor does to the file, and which entry is named. */
static const struct {
	const char *sql;
	int64_t damaged;
	const char *says;
} damages[] = {
	{ "UPDATE audit SET body = '{\"why\":\"told\"}' WHERE seq = 5", 5, "body was changed" },
	{ "UPDATE audit SET salt = randomblob(16) WHERE seq = 5", 5, "body was changed" },
	{ "UPDATE audit SET who = 'uid:bob' WHERE seq = 5", 5, "does not fit the chain" },
	{ "UPDATE audit SET what = 'plan.reject' WHERE seq = 5", 5, "does not fit the chain" },
	{ "UPDATE audit SET target = 'plan 8' WHERE seq = 5", 5, "does not fit the chain" },
	{ "UPDATE audit SET ms = ms + 1 WHERE seq = 5", 5, "does not fit the chain" },
	{ "UPDATE audit SET person = 1 WHERE seq = 5", 5, "does not fit the chain" },
	{ "UPDATE audit SET digest = randomblob(32) WHERE seq = 5", 5, "does not fit" },
	{ "UPDATE audit SET link = randomblob(32) WHERE seq = 5", 5, "does not fit" },
	{ "UPDATE audit SET digest = x'00' WHERE seq = 1", 1, "does not fit" },
	{ "DELETE FROM audit WHERE seq = 5", 5, "is missing" },
	{ "DELETE FROM audit WHERE seq = 1", 1, "is missing" },
	{ "DELETE FROM audit WHERE seq < 5", 1, "is missing" },
	{ "UPDATE audit SET body = '', salt = x'', forgotten = 1 WHERE seq = 5", 5,
	  "no forget entry names it" },
	/* two entries change places */
	{ "UPDATE audit SET seq = CASE seq WHEN 5 THEN -6 ELSE -5 END WHERE seq IN (5, 6);"
	  "UPDATE audit SET seq = -seq WHERE seq < 0",
	  5, "does not fit" },
};

static void test_the_first_damaged_entry_is_named(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(damages); i++) {
		struct world w = { 0 };
		struct audit_report report;
		struct err err = { 0 };

		world_open(&w);
		add_many(&w, 10);
		world_meddle(&w, damages[i].sql);
		assert_fault(audit_verify(w.store, false, &report, &err), ERR_DAMAGED, &err,
			     damages[i].says);
		if (report.damaged != damages[i].damaged)
			fail_msg("%s: named %lld", damages[i].sql, (long long)report.damaged);
		assert_string_equal(report.text, err.text);
		world_close(&w);
	}
}

static void test_a_cut_tail_shows_with_the_head_only(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	add_many(&w, 10);
	world_meddle(&w, "DELETE FROM audit WHERE seq > 8");
	assert_ok(audit_verify(w.store, false, &report, &err), &err);
	assert_fault(audit_verify(w.store, true, &report, &err), ERR_DAMAGED, &err,
		     "its tail was cut");
	assert_int_equal(report.damaged, 9);
	world_close(&w);
}

static void copy_file(const char *from, const char *to)
{
	char text[2048];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = read(in, text, sizeof(text));

	assert_true(n > 0);
	assert_int_equal(write(out, text, (size_t)n), n);
	close(in);
	close(out);
}

static void test_a_rewritten_chain_shows_with_the_head_only(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	char head[160], kept[160];

	(void)state;
	world_open(&w);
	add_many(&w, 10);
	head_path(&w, "", head);
	head_path(&w, ".kept", kept);
	copy_file(head, kept);
	/* whoever holds the key cuts the tail and writes another history */
	world_meddle(&w, "DELETE FROM audit WHERE seq > 8");
	add_many(&w, 10);
	assert_ok(audit_verify(w.store, false, &report, &err), &err);
	assert_fault(audit_verify(w.store, true, &report, &err), ERR_DAMAGED, &err,
		     "the chain was rewritten");
	assert_int_equal(report.damaged, 11);
	assert_fault(audit_verify_with(w.store, kept, &report, &err), ERR_DAMAGED, &err,
		     "the chain was rewritten");
	world_close(&w);
}

static void test_a_tail_cut_while_nobody_ran_is_not_hidden_by_the_next_start(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	char lost[160];

	(void)state;
	world_open(&w);
	add_many(&w, 10);
	world_meddle(&w, "DELETE FROM audit WHERE seq > 8");
	world_shut(&w);
	world_again(&w);
	add_many(&w, 10);
	assert_fault(audit_verify(w.store, true, &report, &err), ERR_DAMAGED, &err,
		     "before the daemon last started");
	head_path(&w, ".lost", lost);
	assert_int_equal(unlink(lost), 0); /* explained */
	world_verify(&w);
	world_close(&w);
}

static void test_a_head_that_was_changed_or_is_anothers_is_refused(void **state)
{
	static const struct {
		const char *find, *put, *says;
	} cases[] = {
		{ "seq 11", "seq 10", "was not signed by this instance's key" },
		{ "leaverd-audit-head 1", "leaverd-audit-head 2", "not a whole audit head" },
		{ "signature ", "signature 00", "not a whole audit head" },
		{ "public ", "public-", "not a whole audit head" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct world w = { 0 };
		struct audit_report report;
		struct err err = { 0 };
		char head[160], text[2048] = "", *at;
		char changed[4200];
		int fd;

		world_open(&w);
		add_many(&w, 10);
		head_path(&w, "", head);
		fd = open(head, O_RDWR);
		assert_true(read(fd, text, sizeof(text) - 1) > 0);
		at = strstr(text, cases[i].find);
		assert_non_null(at);
		(void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text,
			       cases[i].put, at + strlen(cases[i].find));
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_true(pwrite(fd, changed, strlen(changed), 0) > 0);
		close(fd);
		assert_fault(audit_verify(w.store, true, &report, &err), ERR_DAMAGED, &err,
			     cases[i].says);
		world_close(&w);
	}
}

static void test_a_missing_head_is_said(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	char head[160];

	(void)state;
	world_open(&w);
	head_path(&w, "", head);
	assert_int_equal(unlink(head), 0);
	assert_fault(audit_verify(w.store, true, &report, &err), ERR_NOT_FOUND, &err, head);
	world_close(&w);
}

static void test_a_head_is_private_and_behind_at_most(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	struct stat st;
	char head[160], kept[160];

	(void)state;
	world_open(&w);
	add_many(&w, 3);
	head_path(&w, "", head);
	head_path(&w, ".kept", kept);
	assert_int_equal(stat(head, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	copy_file(head, kept);
	add_many(&w, 3);
	/* power was lost before the newest head was written: the older one is no fault */
	assert_ok(audit_verify_with(w.store, kept, &report, &err), &err);
	world_close(&w);
}

static void test_forgotten_bodies_leave_the_chain_whole(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };
	int64_t person = 0, erased = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, persons_create(db, NOW, &person, &err));
	add(&w, "record.create", person, "{\"after\":{\"mail\":\"ada@example.org\"}}");
	add_many(&w, 3);
	add(&w, "record.delete", person, "{\"before\":{\"mail\":\"ada@example.org\"}}");
	WRITE(&w, persons_forget(db, person, "uid:bob", "asked", NOW, &erased, &err));
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	assert_int_equal(report.forgotten, 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE body LIKE"
					  " '%ada@%'"),
			 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what = 'forget'"
					  " AND body = '{\"audit\":[2,6],\"why\":\"asked\"}'"),
			 1);
	/* an entry emptied without being named is still seen */
	world_meddle(&w, "UPDATE audit SET body = '', salt = x'' WHERE seq = 3");
	assert_fault(audit_verify(w.store, false, &report, &err), ERR_DAMAGED, &err,
		     "audit entry 3");
	world_close(&w);
}

static void test_a_forget_entry_cannot_name_what_comes_after_it(void **state)
{
	struct world w = { 0 };
	struct audit_report report;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	add(&w, "forget", 0, "{\"audit\":[3],\"why\":\"ahead\"}");
	add_many(&w, 3);
	world_meddle(&w, "UPDATE audit SET body = '', salt = x'' WHERE seq = 3");
	assert_fault(audit_verify(w.store, false, &report, &err), ERR_DAMAGED, &err,
		     "audit entry 3");
	world_close(&w);
}

static void test_export_is_json_lines_that_repeat_the_chain(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct buf lines;
	struct str rest, line;
	int64_t last = 0;
	int n = 0;

	(void)state;
	world_open(&w);
	add(&w, "plan.approve", 0, "{\"why\":\"says \\\"yes\\\"\"}");
	buf_init(&lines, 1 << 20);
	READ(&w, audit_export(db, 0, 100, &lines, &last, &err));
	assert_int_equal(last, 2);
	rest = buf_str(&lines);
	while (rest.len > 0) {
		CLEANUP(json_decref_at) json_t *j = NULL;

		assert_true(str_cut(rest, '\n', &line, &rest));
		assert_ok(jx_parse(line, JX_STRICT, &j, &err), &err);
		assert_int_equal(json_integer_value(json_object_get(j, "seq")), ++n);
		assert_string_equal(jx_get_text(j, "time"),
				    n == 2 ? "2026-11-22T09:00:00Z" : jx_get_text(j, "time"));
		if (n == 2)
			assert_string_equal(jx_get_text(j, "body"),
					    "{\"why\":\"says \\\"yes\\\"\"}");
		assert_int_equal(strlen(jx_get_text(j, "link")), 64);
		assert_int_equal(strlen(jx_get_text(j, "salt")), 32);
	}
	assert_int_equal(n, 2);
	buf_done(&lines);
	world_close(&w);
}

static int count_entry(void *ctx, const struct audit_entry *row, struct err *err)
{
	int *n = ctx;

	(void)err;
	*n += row->seq > 0;
	return 0;
}

static void test_entries_are_listed_by_what_and_whom(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int n = 0;

	(void)state;
	world_open(&w);
	add_many(&w, 5);
	add(&w, "bar.set", 9, "{}");
	READ(&w, audit_list(db, 0, 100, "bar.set", 0, count_entry, &n, &err));
	assert_int_equal(n, 1);
	n = 0;
	READ(&w, audit_list(db, 0, 100, NULL, 9, count_entry, &n, &err));
	assert_int_equal(n, 1);
	n = 0;
	READ(&w, audit_list(db, 2, 3, NULL, 0, count_entry, &n, &err));
	assert_int_equal(n, 3);
	world_close(&w);
}

static void test_without_the_vault_nothing_is_written_or_verified(void **state)
{
	struct world w = { 0 };
	struct audit_new in = { .who = "x", .what = "y", .now_ms = NOW };
	struct audit_report report;
	struct err err = { 0 };
	struct store_options o = { .write = true, .create = true };

	(void)state;
	world_dir(&w);
	o.path = w.path;
	assert_ok(store_open(&o, &w.store, &err), &err);
	assert_fault(TRY_WRITE(&w, audit_add(db, &in, NULL, &err)), ERR_SECRET, &err,
		     "vault is not open");
	assert_fault(audit_verify(w.store, false, &report, &err), ERR_SECRET, &err,
		     "master key");
	world_close(&w);
}

static void test_bodies_are_written_in_order(void **state)
{
	static const struct {
		const char *why, *before, *after, *want;
	} cases[] = {
		{ NULL, NULL, NULL, "{}" },
		{ "a \"b\"", NULL, NULL, "{\"why\":\"a \\\"b\\\"\"}" },
		{ "w", "1", NULL, "{\"before\":1,\"why\":\"w\"}" },
		{ "w", NULL, "2", "{\"after\":2,\"why\":\"w\"}" },
		{ NULL, "1", "2", "{\"after\":2,\"before\":1}" },
	};
	struct err err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct buf b;

		buf_init(&b, 1000);
		assert_ok(audit_body(&b, cases[i].why, cases[i].before, cases[i].after, &err),
			  &err);
		assert_string_equal(b.p, cases[i].want);
		buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_chain_verifies_with_its_head),
		cmocka_unit_test(test_the_first_damaged_entry_is_named),
		cmocka_unit_test(test_a_cut_tail_shows_with_the_head_only),
		cmocka_unit_test(test_a_rewritten_chain_shows_with_the_head_only),
		cmocka_unit_test(
			test_a_tail_cut_while_nobody_ran_is_not_hidden_by_the_next_start),
		cmocka_unit_test(test_a_head_that_was_changed_or_is_anothers_is_refused),
		cmocka_unit_test(test_a_missing_head_is_said),
		cmocka_unit_test(test_a_head_is_private_and_behind_at_most),
		cmocka_unit_test(test_forgotten_bodies_leave_the_chain_whole),
		cmocka_unit_test(test_a_forget_entry_cannot_name_what_comes_after_it),
		cmocka_unit_test(test_export_is_json_lines_that_repeat_the_chain),
		cmocka_unit_test(test_entries_are_listed_by_what_and_whom),
		cmocka_unit_test(test_without_the_vault_nothing_is_written_or_verified),
		cmocka_unit_test(test_bodies_are_written_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
