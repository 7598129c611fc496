#include "tests/lib/store_world.h"

#include "store/plans.h"

static const struct action_row three[] = {
	{ .n = 1,
	  .kind = STR("suspend"),
	  .rule = STR("leaver-hr"),
	  .class_ = STR("leaver"),
	  .person = 7,
	  .account = 70,
	  .due_ms = NOW },
	{ .n = 2,
	  .kind = STR("suspend"),
	  .rule = STR("leaver-hr"),
	  .class_ = STR("leaver"),
	  .person = 8,
	  .account = 80,
	  .due_ms = NOW },
	{ .n = 3,
	  .kind = STR("free-seat"),
	  .rule = STR("inactive-jira"),
	  .class_ = STR("inactive"),
	  .person = 7,
	  .account = 70,
	  .product = STR("jira"),
	  .site = STR("acme"),
	  .due_ms = NOW + 5000 },
};
static const struct plan_value values[] = {
	{ STR("0123456789abcdef"), STR("{\"email\":\"ada@x\"}") },
	{ STR("0123456789abcdef"), STR("{\"email\":\"bob@x\"}") },
	{ STR("0123456789abcdef"), STR("{\"email\":\"ada@x\"}") },
};

static int64_t save(struct world *w, const char *urgency, const char *bytes)
{
	struct plan_new in = { .org = "acme",
			       .urgency = urgency,
			       .bytes = str_of(bytes),
			       .who = "round",
			       .complete = true,
			       .expires_ms = NOW + 72 * STAMP_HOUR_MS,
			       .actions = three,
			       .action_count = COUNT_OF(three),
			       .values = values,
			       .now_ms = NOW };
	struct err err = { 0 };
	int64_t id = 0;
	int r = TRY_WRITE(w, plans_save(db, &in, &id, &err));

	if (r < 0)
		fail_msg("%s", err.text);
	return id;
}

static struct digest digest(const char *bytes)
{
	struct digest d;

	digest_of(&d, NULL, str_of(bytes));
	return d;
}

static int decide(struct world *w, int64_t plan, enum decision_kind kind, const char *actions,
		  const char *bytes, int64_t ms, struct err *err)
{
	struct decision d = { .plan = plan,
			      .kind = kind,
			      .who = STR("uid:ada"),
			      .person = true,
			      .digest = digest(bytes),
			      .actions = str_of(actions),
			      .why = STR("looked at it"),
			      .ms = ms };
	struct db *db = world_begin(w, true);

	return store_write_end(db, plans_decide(db, &d, NULL, err), err);
}

static int on_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	struct plan_row *copy = ctx;

	(void)err;
	*copy = *row;
	return 0;
}

static int on_plan_text(void *ctx, const struct plan_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld:%s ", (long long)row->id, plan_standing_words[row->state]);
	return 0;
}

static void plans_are(struct world *w, const char *want)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 1000);
	READ(w, plans_list(db, NULL, 0, 0, 10, on_plan_text, &b, &err));
	assert_string_equal(b.p ? b.p : "", want);
	buf_done(&b);
}

static void test_a_plan_is_its_bytes_and_their_digest(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct plan_row row = { 0 };
	struct digest d = digest("{\"plan\":1}");
	int64_t id;

	(void)state;
	world_open(&w);
	id = save(&w, "routine", "{\"plan\":1}");
	READ(&w, plans_get(db, id, on_plan, &row, &err));
	assert_true(digest_equal(&row.digest, &d));
	assert_int_equal(row.actions, 3);
	assert_int_equal(row.state, PLAN_OPEN);
	/* the same again is the same plan; another one takes its place */
	assert_int_equal(save(&w, "routine", "{\"plan\":1}"), id);
	assert_int_equal(save(&w, "routine", "{\"plan\":2}"), id + 1);
	assert_int_equal(save(&w, "urgent", "{\"plan\":3}"), id + 2);
	plans_are(&w, "3:open 2:open 1:superseded ");
	world_meddle(&w, "UPDATE plan SET bytes = CAST('{\"plan\":9}' AS BLOB) WHERE id = 2");
	assert_fault(TRY_READ(&w, plans_get(db, 2, on_plan, &row, &err)), ERR_DAMAGED, &err,
		     "was changed after it was saved");
	assert_fault(decide(&w, 2, DECISION_APPROVE, "*", "{\"plan\":9}", NOW, &err),
		     ERR_DAMAGED, &err, "changed");
	assert_int_equal(TRY_READ(&w, plans_get(db, 99, on_plan, &row, &err)), STORE_NOT_FOUND);
	world_verify(&w);
	world_close(&w);
}

struct many {
	const struct action_row *rows;
	int64_t seen;
};

static int on_one_of_many(void *ctx, const struct action_row *row, struct err *err)
{
	struct many *m = ctx;
	const struct action_row *want = &m->rows[m->seen++];

	(void)err;
	assert_int_equal(row->n, want->n);
	assert_int_equal(row->person, want->person);
	assert_int_equal(row->account, want->account);
	assert_int_equal(row->due_ms, want->due_ms);
	assert_int_equal(row->held, want->held);
	assert_int_equal(row->automatic, want->automatic);
	assert_int_equal(row->state, ACTION_PLANNED);
	assert_int_equal(row->state_ms, NOW);
	assert_int_equal(row->result.len, 0);
	assert_true(str_eq(row->kind, want->kind) && str_eq(row->rule, want->rule) &&
		    str_eq(row->class_, want->class_) && str_eq(row->product, want->product) &&
		    str_eq(row->site, want->site));
	return 0;
}

/* Rows go in several at a time: none may be lost or take another's place, whatever is over. */
static void test_each_action_of_a_long_plan_is_a_row_with_its_values(void **state)
{
	static const size_t counts[] = { 0, 1, 15, 16, 17, 32, 53 };
	static struct action_row rows[53];
	static struct plan_value beside[53];
	static char texts[53][32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rows[i] = three[i % 3];
		rows[i].n = (int64_t)i + 1;
		rows[i].person = 1000 + (int64_t)i;
		rows[i].account = 9000 - (int64_t)i;
		rows[i].due_ms = NOW + (int64_t)i;
		rows[i].held = i % 5 == 0;
		rows[i].automatic = i % 7 == 0;
		snprintf(texts[i], sizeof(texts[i]), "{\"name\":\"%zu\"}", i);
		beside[i] = (struct plan_value){ str_n(texts[i] + 2, 4), str_of(texts[i]) };
	}
	for (size_t c = 0; c < COUNT_OF(counts); c++) {
		struct world w = { 0 };
		struct err err = { 0 };
		struct many many = { .rows = rows };
		struct plan_new in = { .org = "acme",
				       .urgency = "routine",
				       .bytes = STR("{}"),
				       .who = "round",
				       .expires_ms = NOW + STAMP_HOUR_MS,
				       .actions = rows,
				       .action_count = counts[c],
				       .values = beside,
				       .now_ms = NOW };
		int64_t id = 0;

		world_open(&w);
		WRITE(&w, plans_save(db, &in, &id, &err));
		READ(&w, plans_actions(db, id, on_one_of_many, &many, &err));
		assert_int_equal(many.seen, counts[c]);
		for (size_t i = 0; i < counts[c]; i++) {
			CLEANUP(buf_done) struct buf json, salt;

			buf_init(&json, 100);
			buf_init(&salt, 100);
			READ(&w, plans_value(db, id, (int64_t)i + 1, &json, &salt, &err));
			assert_string_equal(json.p, texts[i]);
			assert_true(str_eq(buf_str(&salt), beside[i].salt));
		}
		world_close(&w);
	}
}

static void test_decisions_name_the_digest_and_the_actions(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t id;

	(void)state;
	world_open(&w);
	id = save(&w, "routine", "B");
	assert_fault(decide(&w, id, DECISION_APPROVE, "*", "other", NOW, &err), ERR_CONFLICT,
		     &err, "its digest differs");
	assert_fault(decide(&w, id, DECISION_APPROVE, "1,9", "B", NOW, &err), ERR_NOT_FOUND,
		     &err, "no action 9");
	assert_fault(decide(&w, id, DECISION_APPROVE, "1,x", "B", NOW, &err), ERR_INVALID_VALUE,
		     &err, "\"x\"");
	assert_fault(decide(&w, id, DECISION_APPROVE, "", "B", NOW, &err), ERR_INVALID_VALUE,
		     &err, "no action was named");
	assert_fault(decide(&w, 99, DECISION_APPROVE, "*", "B", NOW, &err), ERR_NOT_FOUND, &err,
		     "no plan 99");
	assert_fault(decide(&w, id, DECISION_APPROVE, "*", "B", NOW + 73 * STAMP_HOUR_MS, &err),
		     ERR_EXPIRED, &err, "new one");
	plans_are(&w, "1:open ");
	assert_ok(decide(&w, id, DECISION_APPROVE, "1,3", "B", NOW, &err), &err);
	plans_are(&w, "1:approved ");
	assert_ok(decide(&w, id, DECISION_RELEASE, "2", "B", NOW, &err), &err);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM decision"), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what ="
					  " 'plan.approve' AND who = 'uid:ada'"),
			 1);
	assert_ok(decide(&w, id, DECISION_REJECT, "*", "B", NOW, &err), &err);
	assert_fault(decide(&w, id, DECISION_APPROVE, "*", "B", NOW, &err), ERR_HELD, &err,
		     "is rejected");
	world_close(&w);
}

static void test_nobody_approves_what_expired(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t id, n = 0;

	(void)state;
	world_open(&w);
	id = save(&w, "routine", "B");
	WRITE(&w, plans_expire(db, NOW + STAMP_HOUR_MS, &n, &err));
	assert_int_equal(n, 0);
	WRITE(&w, plans_expire(db, NOW + 73 * STAMP_HOUR_MS, &n, &err));
	assert_int_equal(n, 1);
	assert_fault(decide(&w, id, DECISION_APPROVE, "*", "B", NOW, &err), ERR_EXPIRED, &err,
		     "is expired");
	world_close(&w);
}

/* --- the journal ----------------------------------------------------------------------------
 */

static int line(struct world *w, int64_t plan, int64_t n, int64_t run, enum journal_kind kind,
		int64_t step, const char *result, struct err *err)
{
	struct journal_line l = { .plan = plan,
				  .n = n,
				  .run = run,
				  .epoch = store_epoch(w->store),
				  .step = step,
				  .kind = kind,
				  .op = STR("suspend"),
				  .args = STR("{\"account\":70}"),
				  .key = STR("p1-1-1"),
				  .result = str_of(result),
				  .ms = NOW };
	struct db *db = world_begin(w, true);

	return store_write_end(db, plans_journal(db, &l, "daemon", NULL, err), err);
}

static int64_t approved_run(struct world *w, int64_t *plan)
{
	struct err err = { 0 };
	int64_t run = 0;

	*plan = save(w, "routine", "B");
	assert_ok(decide(w, *plan, DECISION_APPROVE, "*", "B", NOW, &err), &err);
	WRITE(w, plans_run_begin(db, *plan, store_epoch(w->store), "uid:ada", NOW, &run, &err));
	return run;
}

static int on_line(void *ctx, const struct journal_line *l, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld.%lld.%lld:%s ", (long long)l->plan, (long long)l->n,
		 (long long)l->step, journal_kind_words[l->kind]);
	return 0;
}

static int on_action(void *ctx, int64_t plan, const struct action_row *a, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld.%lld:%s ", (long long)plan, (long long)a->n,
		 action_state_words[a->state]);
	return 0;
}

static void open_is(struct world *w, const char *want)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 1000);
	READ(w, plans_open_intents(db, "acme", on_line, &b, &err));
	buf_add_char(&b, '|');
	READ(w, plans_open_actions(db, "acme", on_action, &b, &err));
	assert_string_equal(b.p, want);
	buf_done(&b);
}

static void test_what_is_open_is_what_nobody_knows_the_outcome_of(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run;
	struct buf b;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	open_is(&w, "|");
	assert_fault(line(&w, plan, 1, run, JOURNAL_OUTCOME, 1, "ok", &err), ERR_CONFLICT, &err,
		     "no open intent");
	assert_fault(line(&w, plan, 1, run, JOURNAL_END, 0, "done", &err), ERR_CONFLICT, &err,
		     "no open begin");
	assert_ok(line(&w, plan, 1, run, JOURNAL_BEGIN, 0, "", &err), &err);
	assert_int_equal(line(&w, plan, 1, run, JOURNAL_BEGIN, 0, "", &err), STORE_STALE);
	assert_ok(line(&w, plan, 1, run, JOURNAL_INTENT, 1, "", &err), &err);
	open_is(&w, "1.1.1:intent |1.1:started ");
	/* a crash: it is open after it, too */
	world_shut(&w);
	world_again(&w);
	open_is(&w, "1.1.1:intent |1.1:started ");
	assert_ok(line(&w, plan, 1, run, JOURNAL_OUTCOME, 1, "ok", &err), &err);
	open_is(&w, "|1.1:started ");
	assert_true(line(&w, plan, 1, run, JOURNAL_END, 0, "splendid", &err) < 0);
	assert_ok(line(&w, plan, 1, run, JOURNAL_END, 0, "done", &err), &err);
	open_is(&w, "|");
	buf_init(&b, 1000);
	READ(&w, plans_journal_of(db, plan, 1, on_line, &b, &err));
	assert_string_equal(b.p, "1.1.0:begin 1.1.1:intent 1.1.1:outcome 1.1.0:end ");
	buf_done(&b);
	assert_int_equal(world_number(&w, "SELECT done FROM run"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what LIKE"
					  " 'action.%' AND person = 7"),
			 4);
	world_verify(&w);
	world_close(&w);
}

static void test_the_journal_refuses_another_epoch(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	world_meddle(&w, "UPDATE meta SET value = value + 1 WHERE key = 'epoch'");
	assert_fault(line(&w, plan, 1, run, JOURNAL_BEGIN, 0, "", &err), ERR_LEASE, &err,
		     "nothing was written");
	assert_fault(
		TRY_WRITE(&w, plans_run_end(db, run, store_epoch(w.store), "done", NOW, &err)),
		ERR_LEASE, &err, "epoch");
	assert_int_equal(world_number(&w, "SELECT count(*) FROM journal"), 0);
	world_close(&w);
}

static void test_next_actions_are_due_urgent_first(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run, urgent;
	struct buf b;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	urgent = save(&w, "urgent", "U");
	buf_init(&b, 1000);
	READ(&w, plans_next_actions(db, "acme", NOW, 10, on_action, &b, &err));
	assert_string_equal(b.p, "1.1:planned 1.2:planned ");
	assert_ok(decide(&w, urgent, DECISION_APPROVE, "*", "U", NOW, &err), &err);
	buf_clear(&b);
	READ(&w, plans_next_actions(db, "acme", NOW + 5000, 4, on_action, &b, &err));
	assert_string_equal(b.p, "2.1:planned 2.2:planned 2.3:planned 1.1:planned ");
	assert_int_equal(
		TRY_READ(&w, plans_next_actions(db, "other", NOW, 4, on_action, &b, &err)),
		STORE_NOT_FOUND);
	(void)run;
	buf_done(&b);
	world_close(&w);
}

static void test_actions_are_skipped_and_superseded(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run, n = 0;
	struct buf b;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	WRITE(&w, plans_skip(db, plan, 2, run, store_epoch(w.store), ACTION_SKIPPED,
			     STR("protected since"), "daemon", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, plans_skip(db, plan, 2, run, store_epoch(w.store),
						  ACTION_SKIPPED, STR("x"), "d", NOW, &err)),
			 STORE_STALE);
	WRITE(&w, plans_supersede_person(db, "acme", 7, 99, NOW, &n, &err));
	assert_int_equal(n, 2);
	buf_init(&b, 1000);
	READ(&w, plans_of_person(db, 7, 10, on_action, &b, &err));
	READ(&w, plans_of_account(db, 80, 10, on_action, &b, &err));
	assert_string_equal(b.p, "1.1:superseded 1.3:superseded 1.2:skipped ");
	buf_done(&b);
	assert_int_equal(world_number(&w, "SELECT skipped FROM run"), 1);
	world_close(&w);
}

static void test_a_warning_uses_up_no_limit(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run, n = -1;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	world_meddle(&w, "UPDATE action SET kind = 'warn' WHERE n = 3");
	assert_ok(line(&w, plan, 3, run, JOURNAL_BEGIN, 0, "", &err), &err);
	assert_int_equal(world_number(&w, "SELECT state FROM action WHERE n = 3"), 1);
	READ(&w, plans_window_count(db, "acme", "inactive", NOW, &n, &err));
	assert_int_equal(n, 0);
	world_close(&w);
}

struct window_seen {
	char rules[256];
};

static int on_window(void *ctx, const struct window_row *row, struct err *err)
{
	struct window_seen *seen = ctx;
	size_t at = strlen(seen->rules);

	(void)err;
	(void)snprintf(seen->rules + at, sizeof(seen->rules) - at, STR_FMT "/" STR_FMT " ",
		       STR_ARG(row->class_), STR_ARG(row->rule));
	return 0;
}

static void test_windows_count_distinct_subjects_over_all_plans(void **state)
{
	struct window_seen seen = { "" };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run, n = -1;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	assert_ok(line(&w, plan, 1, run, JOURNAL_BEGIN, 0, "", &err), &err);
	assert_ok(line(&w, plan, 2, run, JOURNAL_BEGIN, 0, "", &err), &err);
	assert_ok(line(&w, plan, 3, run, JOURNAL_BEGIN, 0, "", &err), &err);
	/* the same person in another plan is not counted twice; an orphan is its account */
	world_meddle(&w,
		     "INSERT INTO effect (org, class, person, account, product, site, plan,"
		     " n, ms) VALUES ('acme', 'leaver', 7, 71, '', '', 9, 1, 1795338000000),"
		     " ('acme', 'leaver', 0, 90, '', '', 9, 2, 1795338000000)");
	READ(&w, plans_window_count(db, "acme", "leaver", NOW, &n, &err));
	assert_int_equal(n, 3);
	READ(&w, plans_window_count(db, "acme", "inactive", NOW, &n, &err));
	assert_int_equal(n, 1);
	READ(&w, plans_window_count(db, "acme", "leaver", NOW + 1, &n, &err));
	assert_int_equal(n, 0);
	READ(&w, plans_window_count(db, "other", "leaver", NOW, &n, &err));
	assert_int_equal(n, 0);
	/* each names its rule, for limits of rules; of a plan that is gone none is known */
	READ(&w, plans_window(db, "acme", NOW, on_window, &seen, &err));
	assert_string_equal(seen.rules,
			    "leaver/leaver-hr leaver/leaver-hr inactive/inactive-jira "
			    "leaver/ leaver/ ");
	world_close(&w);
}

static void test_values_stand_beside_and_can_be_erased(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct buf json, salt;
	int64_t id;

	(void)state;
	world_open(&w);
	id = save(&w, "routine", "B");
	buf_init(&json, 1000);
	buf_init(&salt, 1000);
	READ(&w, plans_value(db, id, 2, &json, &salt, &err));
	assert_string_equal(json.p, "{\"email\":\"bob@x\"}");
	assert_int_equal(salt.len, 16);
	assert_int_equal(TRY_READ(&w, plans_value(db, id, 9, &json, &salt, &err)),
			 STORE_NOT_FOUND);
	buf_done(&json);
	buf_done(&salt);
	world_close(&w);
}

static int on_run(void *ctx, const struct run_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld:" STR_FMT " ", (long long)row->id, STR_ARG(row->ended_how));
	return 0;
}

static void test_runs_are_told_newest_first(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t plan, run;
	struct buf b;

	(void)state;
	world_open(&w);
	run = approved_run(&w, &plan);
	WRITE(&w, plans_run_end(db, run, store_epoch(w.store), "done", NOW, &err));
	assert_int_equal(
		TRY_WRITE(&w, plans_run_end(db, run, store_epoch(w.store), "done", NOW, &err)),
		STORE_UNCHANGED);
	WRITE(&w, plans_run_begin(db, plan, store_epoch(w.store), "u", NOW, &run, &err));
	buf_init(&b, 1000);
	READ(&w, plans_runs(db, "acme", 0, 10, on_run, &b, &err));
	READ(&w, plans_run_get(db, 1, on_run, &b, &err));
	assert_string_equal(b.p, "2: 1:done 1:done ");
	assert_int_equal(TRY_READ(&w, plans_run_get(db, 9, on_run, &b, &err)), STORE_NOT_FOUND);
	buf_done(&b);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_is_its_bytes_and_their_digest),
		cmocka_unit_test(test_each_action_of_a_long_plan_is_a_row_with_its_values),
		cmocka_unit_test(test_decisions_name_the_digest_and_the_actions),
		cmocka_unit_test(test_nobody_approves_what_expired),
		cmocka_unit_test(test_what_is_open_is_what_nobody_knows_the_outcome_of),
		cmocka_unit_test(test_the_journal_refuses_another_epoch),
		cmocka_unit_test(test_next_actions_are_due_urgent_first),
		cmocka_unit_test(test_actions_are_skipped_and_superseded),
		cmocka_unit_test(test_a_warning_uses_up_no_limit),
		cmocka_unit_test(test_windows_count_distinct_subjects_over_all_plans),
		cmocka_unit_test(test_values_stand_beside_and_can_be_erased),
		cmocka_unit_test(test_runs_are_told_newest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
