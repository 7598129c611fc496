/*
 * Power loss while an undo is ordered: the restoring plan and the bars that keep tonight's
 * round from doing it again are one transaction. After every cut both are there, or neither.
 */
#include "tests/lib/store_world.h"

#include <fcntl.h>

#include "base/log.h"
#include "bridge/app.h"
#include "bridge/rounds.h"
#include "bridge/verb.h"
#include "model/plan.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/writer.h"
#include "tests/lib/vfs_loss.h"

#define LIVES 40 /* cut points; more than one order has */

static const char config_text[] = "instance:\n  name: acme\n  zone: UTC\n  state_dir: .\n"
				  "master_key:\n  file: master.key\n"
				  "organisations:\n  - name: acme\n    cloud:\n      org_id: "
				  "1f2e3d4c\n      key: atlassian\n";
static const char salt[PLAN_SALT_BYTES] = "0123456789abcdef";
static const char who_json[] =
	"{\"account_id\":\"a1\",\"email\":\"\",\"evidence\":{},\"name\":\"\"}";

static struct {
	struct world w;
	struct app app;
	char config_file[160];
	int64_t org, person, account, plan, run;
} t;

/* --- a deed that can be undone --------------------------------------------------------------
 */

static void account_make(void)
{
	const struct account_row row = { .account_id = STR("a1"),
					 .directory = STR("d1"),
					 .status = ACCOUNT_SUSPENDED,
					 .type = ACCOUNT_PERSON,
					 .managed = TRI_YES,
					 .synced = TRI_NO,
					 .accepted = TRI_YES,
					 .admin = TRI_NO,
					 .org_admin = TRI_NO,
					 .paths_known = TRI_YES };
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct err err = { 0 };

	t.org = world_number(&t.w, "SELECT id FROM org WHERE name = 'acme'");
	WRITE(&t.w, persons_create(db, NOW, &t.person, &err));
	WRITE(&t.w, accounts_begin(db, t.org, NOW, &run, &err));
	WRITE(&t.w, accounts_put(db, run, &row, 1, NOW, &t.account, &err));
	WRITE(&t.w, accounts_end(db, run, ORG_PART_ALL, true, NULL, NOW, &err));
	WRITE(&t.w, persons_link_account(db, t.account, t.person, "email", "test", NOW, &err));
}

static void plan_save(struct plan *plan)
{
	CLEANUP(buf_done) struct buf bytes;
	const struct action_row row = { .n = 1,
					.kind = STR("suspend"),
					.rule = STR("leaver-hr"),
					.class_ = STR("leaver"),
					.person = t.person,
					.account = t.account,
					.due_ms = plan->now_ms };
	const struct plan_value value = { str_n(salt, sizeof(salt)), str_of(who_json) };
	struct plan_new in = { .org = "acme",
			       .urgency = "urgent",
			       .who = "round",
			       .complete = true,
			       .expires_ms = plan->now_ms + PLAN_APPROVE_MS,
			       .actions = &row,
			       .action_count = 1,
			       .values = &value,
			       .now_ms = plan->now_ms };
	struct decision yes = { .kind = DECISION_APPROVE,
				.who = STR("uid:ida"),
				.actions = STR("*"),
				.why = STR("left"),
				.ms = plan->now_ms };
	struct err err = { 0 };

	buf_init(&bytes, PLAN_MAX_BYTES);
	assert_ok(plan_write(plan, &bytes, &err), &err);
	in.bytes = buf_str(&bytes);
	digest_of(&yes.digest, NULL, in.bytes);
	WRITE(&t.w, plans_save(db, &in, &t.plan, &err));
	yes.plan = t.plan;
	WRITE(&t.w, plans_decide(db, &yes, NULL, &err));
}

/* Carried out, as the journal tells it. */
static void journal(enum journal_kind kind, int64_t step, const char *result, int64_t ms)
{
	struct journal_line line = { .plan = t.plan,
				     .n = 1,
				     .run = t.run,
				     .epoch = store_epoch(t.w.store),
				     .step = step,
				     .kind = kind,
				     .op = STR("suspend"),
				     .args = STR("{}"),
				     .key = STR("k"),
				     .result = str_of(result),
				     .ms = ms };
	struct err err = { 0 };

	WRITE(&t.w, plans_journal(db, &line, "applier", NULL, &err));
}

static void deed_make(int64_t now_ms)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	struct action_step step = { .op = STEP_SUSPEND, .directory = "d1" };
	struct action a = { .n = 1,
			    .kind = ACTION_SUSPEND,
			    .rule = "leaver-hr",
			    .class = PLAN_LEAVER,
			    .person = (uint64_t)t.person,
			    .account = (uint64_t)t.account,
			    .reason = "left",
			    .before = { .status = ACCOUNT_ACTIVE },
			    .after = { .status = ACCOUNT_SUSPENDED },
			    .steps = &step,
			    .step_count = 1,
			    .due_ms = now_ms,
			    .anchor_ms = now_ms,
			    .not_after_ms = PLAN_NOT_AFTER_MS,
			    .needs = 1 };
	struct err err = { 0 };

	assert_ok(plan_new(&plan, &err), &err);
	plan->org = "acme";
	plan->urgency = PLAN_URGENT;
	plan->now_ms = now_ms;
	plan->complete = true;
	plan_subject_digest((const unsigned char *)salt, str_of(who_json), &a.subject);
	assert_int_equal(vec_action_add(&plan->actions, a), 0);
	plan_save(plan);
	WRITE(&t.w, plans_run_begin(db, t.plan, store_epoch(t.w.store), "applier", now_ms,
				    &t.run, &err));
	journal(JOURNAL_BEGIN, 0, "", now_ms);
	journal(JOURNAL_INTENT, 1, "", now_ms);
	journal(JOURNAL_OUTCOME, 1, "ok", now_ms);
	journal(JOURNAL_END, 0, "done", now_ms);
}

/* --- the order ------------------------------------------------------------------------------
 */

static int order(struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	CLEANUP(json_decref_at)
	json_t *in = json_pack("{s:I,s:s}", "plan", (json_int_t)t.plan, "reason",
			       "the date was wrong");
	const struct verb *verb = verb_find("undo");
	const struct who who = { .name = "uid:ida" };

	assert_non_null(verb);
	t.app.store = t.w.store;
	t.app.vault = t.w.vault;
	if (writer_start(t.w.store, &t.app.writer, err) < 0)
		return -err->code;
	if (verb->run(&t.app, &who, in, out, err) < 0) {
		writer_stop(t.app.writer);
		return -1;
	}
	writer_stop(t.app.writer);
	return 0;
}

static int64_t plans_of_undo(void)
{
	return world_number(&t.w, "SELECT count(*) FROM action WHERE rule = 'undo'");
}

static int64_t bars(void)
{
	return world_number(&t.w, "SELECT count(*) FROM bar");
}

static void make_instance(void)
{
	struct err err = { 0 };
	int fd;

	vfs_loss_register();
	vfs_loss_forget();
	t.w.vfs = VFS_LOSS;
	world_open(&t.w);
	(void)snprintf(t.config_file, sizeof(t.config_file), "%s/leaverd.yaml", t.w.dir);
	fd = open(t.config_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, config_text, sizeof(config_text) - 1),
			 sizeof(config_text) - 1);
	close(fd);
	assert_ok(config_read(t.config_file, &t.app.config, NULL, &err), &err);
	app_act(&t.app);
	t.app.store = t.w.store;
	t.app.vault = t.w.vault;
	assert_ok(writer_start(t.w.store, &t.app.writer, &err), &err);
	assert_ok(rounds_declare(&t.app, &err), &err);
	writer_stop(t.app.writer);
	account_make();
	world_shut(&t.w);
}

static void cut_everywhere(uint64_t seed)
{
	int quiet = open("/dev/null", O_WRONLY), cuts = 0, ordered = 0;
	struct err err = { 0 };

	log_setup(LOG_LEVEL_ERROR, LOG_FORM_LOGFMT, quiet); /* each cut is told */
	make_instance();
	for (int life = 0; life < LIVES; life++) {
		uint64_t chance = seed ? seed * 977 + (uint64_t)life : 0;
		int64_t plans, stood;
		int r;

		world_again(&t.w);
		deed_make(stamp_now_ms());
		plans = plans_of_undo();
		stood = bars();
		vfs_loss_arm(1 + life, chance);
		r = order(&err);
		world_shut(&t.w);
		if (vfs_loss_fired())
			cuts++;
		else
			vfs_loss_cut(chance);
		vfs_loss_power_on();

		world_again(&t.w);
		if (plans_of_undo() - plans != bars() - stood)
			fail_msg("life %d: %lld plans and %lld bars came of one order", life,
				 (long long)(plans_of_undo() - plans),
				 (long long)(bars() - stood));
		if (r == 0 && plans_of_undo() == plans)
			fail_msg("life %d: the order was answered and is lost", life);
		ordered += r == 0;
		world_verify(&t.w);
		world_shut(&t.w);
	}
	assert_true(cuts > 0);
	assert_true(ordered > 0 && ordered < LIVES);
	unlink(t.config_file);
	config_free(&t.app.config);
	world_close(&t.w);
	vfs_loss_forget();
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, 2);
	close(quiet);
}

static void test_a_plan_of_undo_and_its_bars_are_there_or_neither(void **state)
{
	(void)state;
	cut_everywhere(0);
}

static void test_the_same_on_a_disk_that_wrote_some_sectors(void **state)
{
	(void)state;
	cut_everywhere(7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_of_undo_and_its_bars_are_there_or_neither),
		cmocka_unit_test(test_the_same_on_a_disk_that_wrote_some_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
