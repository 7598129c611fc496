/*
 * The applier over a real store: what it takes up, what it passes over, what it ends. The
 * organisation is in mode observe, so that every action that comes up ends as skipped and no
 * call is made.
 */
#include "tests/lib/store_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/enc.h"
#include "bridge/app.h"
#include "bridge/applier.h"
#include "bridge/run_time.h"
#include "bridge/approvals.h"
#include "bridge/clients.h"
#include "bridge/rounds.h"
#include "model/plan.h"
#include "model/statement.h"
#include "net/httpc.h"
#include "store/plans.h"
#include "store/writer.h"

#define HOUR STAMP_HOUR_MS
#define OBSERVED "mode observe"

static const char config_text[] = "instance:\n  name: acme\n  zone: UTC\n  state_dir: .\n"
				  "master_key:\n  file: master.key\n"
				  "organisations:\n  - name: acme\n    cloud:\n      org_id: "
				  "1f2e3d4c\n      key: atlassian\n";

struct house {
	struct world w;
	struct app app;
	const struct config_org *org;
	int64_t now_ms;
};

static int put_secret(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct house *h = ctx;
	int r = secret_set(&key, "a key of nobody", 15, err);

	return r < 0 ? r
		     : vault_set(h->w.vault, db, "atlassian", &key, "ida", 0, "test", h->now_ms,
				 err);
}

static void house_open(struct house *h)
{
	struct err err = { 0 };
	char path[128];
	int fd;

	*h = (struct house){ .now_ms = stamp_now_ms() };
	world_open(&h->w);
	snprintf(path, sizeof(path), "%s/leaverd.yaml", h->w.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, config_text, sizeof(config_text) - 1),
			 sizeof(config_text) - 1);
	close(fd);
	assert_ok(config_read(path, &h->app.config, NULL, &err), &err);
	app_act(&h->app);
	h->app.store = h->w.store;
	h->app.vault = h->w.vault;
	assert_ok(writer_start(h->app.store, &h->app.writer, &err), &err);
	assert_ok(rounds_declare(&h->app, &err), &err);
	assert_ok(writer_call(h->app.writer, put_secret, h, &err), &err);
	assert_ok(httpc_new(&h->app.http, NULL, &err), &err);
	assert_ok(clients_new(&h->app.clients, &err), &err);
	h->org = config_org(&h->app.config, "acme");
	assert_non_null(h->org);
}

static void house_close(struct house *h)
{
	clients_free(h->app.clients);
	httpc_free(h->app.http);
	writer_stop(h->app.writer);
	config_free(&h->app.config);
	world_close(&h->w);
}

/* --- plans ----------------------------------------------------------------------------------
 */

struct made {
	struct house *h;
	struct plan *plan;
	struct buf bytes;
	struct action_row *rows;
	struct plan_value *values;
	int64_t id, expires_ms;
	struct digest digest;
};

static const char salt[PLAN_SALT_BYTES] = "0123456789abcdef";
static const char who_json[] =
	"{\"account_id\":\"a1\",\"email\":\"\",\"evidence\":{},\"name\":\"\"}";

/* n suspensions, due when the plan was made. */
static void plan_make(struct made *m, struct house *h, enum plan_urgency urgency, size_t n,
		      int64_t made_ms)
{
	static const struct action_step step = { .op = STEP_SUSPEND, .directory = "dir-1" };
	struct action_step *steps;
	struct err err = { 0 };

	*m = (struct made){ .h = h, .expires_ms = made_ms + PLAN_APPROVE_MS };
	assert_ok(plan_new(&m->plan, &err), &err);
	m->plan->org = "acme";
	m->plan->urgency = urgency;
	m->plan->now_ms = made_ms;
	m->plan->complete = true;
	assert_ok(arena_alloc(&m->plan->arena, sizeof(step), &steps, &err), &err);
	*steps = step;
	m->rows = calloc(n, sizeof(*m->rows));
	m->values = calloc(n, sizeof(*m->values));
	assert_non_null(m->rows);
	assert_non_null(m->values);
	for (size_t i = 0; i < n; i++) {
		struct action a = { .n = (uint32_t)i + 1,
				    .kind = ACTION_SUSPEND,
				    .rule = "leaver-hr",
				    .class = PLAN_LEAVER,
				    .person = i + 1,
				    .account = i + 1,
				    .reason = "left",
				    .before = { .status = ACCOUNT_ACTIVE },
				    .after = { .status = ACCOUNT_SUSPENDED },
				    .steps = steps,
				    .step_count = 1,
				    .due_ms = made_ms,
				    .anchor_ms = made_ms,
				    .not_after_ms = PLAN_NOT_AFTER_MS,
				    .needs = 1,
				    .verdict = VERDICT_PASS };

		plan_subject_digest((const unsigned char *)salt, str_of(who_json), &a.subject);
		assert_int_equal(vec_action_add(&m->plan->actions, a), 0);
		m->rows[i] = (struct action_row){ .n = a.n,
						  .kind = STR("suspend"),
						  .rule = STR("leaver-hr"),
						  .class_ = STR("leaver"),
						  .person = (int64_t)a.person,
						  .account = (int64_t)a.account,
						  .due_ms = a.due_ms };
		m->values[i] =
			(struct plan_value){ str_n(salt, sizeof(salt)), str_of(who_json) };
	}
	buf_init(&m->bytes, PLAN_MAX_BYTES);
}

static int plan_write_row(void *ctx, struct db *db, struct err *err)
{
	struct made *m = ctx;
	struct plan_new in = { .org = "acme",
			       .urgency = plan_urgency_word(m->plan->urgency),
			       .bytes = buf_str(&m->bytes),
			       .who = "round",
			       .complete = true,
			       .expires_ms = m->expires_ms,
			       .actions = m->rows,
			       .action_count = m->plan->actions.n,
			       .values = m->values,
			       .now_ms = m->plan->now_ms };
	int r = plans_save(db, &in, &m->id, err);

	return r < 0 ? r : 0;
}

static void plan_store(struct made *m)
{
	struct err err = { 0 };

	assert_ok(plan_write(m->plan, &m->bytes, &err), &err);
	digest_of(&m->digest, NULL, buf_str(&m->bytes));
	assert_ok(writer_call(m->h->app.writer, plan_write_row, m, &err), &err);
}

static void made_done(struct made *m)
{
	plan_free(m->plan);
	buf_done(&m->bytes);
	free(m->rows);
	free(m->values);
}

struct deciding {
	struct made *m;
	const char *actions;
	int64_t ms;
};

static int decide_row(void *ctx, struct db *db, struct err *err)
{
	struct deciding *d = ctx;
	struct decision in = { .plan = d->m->id,
			       .kind = DECISION_APPROVE,
			       .who = STR("uid:ida"),
			       .digest = d->m->digest,
			       .actions = str_of(d->actions),
			       .why = STR("looked at it"),
			       .ms = d->ms };

	return plans_decide(db, &in, NULL, err);
}

static void approve(struct made *m, const char *actions, int64_t ms)
{
	struct deciding d = { m, actions, ms };
	struct err err = { 0 };

	assert_ok(writer_call(m->h->app.writer, decide_row, &d, &err), &err);
}

/* One pass; how many actions came up. */
static uint64_t run(struct house *h, int64_t *again_ms)
{
	CLEANUP(applier_free_at) struct applier *a = NULL;
	struct apply_counts counts = { 0 };
	struct err err = { 0 };

	assert_ok(applier_new(&a, &h->app, h->org, NULL, &err), &err);
	assert_ok(applier_run(a, &counts, again_ms, &err), &err);
	return counts.outcomes[OUTCOME_SKIPPED];
}

static int release_row(void *ctx, struct db *db, struct err *err)
{
	struct deciding *d = ctx;
	struct decision in = { .plan = d->m->id,
			       .kind = DECISION_RELEASE,
			       .who = STR("uid:ida"),
			       .digest = d->m->digest,
			       .actions = STR("*"),
			       .guards = STR(RUN_TIME_GUARD),
			       .why = STR("Atlassian was slow"),
			       .ms = d->ms };

	return plans_decide(db, &in, NULL, err);
}

static int64_t count(struct house *h, const char *where)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM action WHERE %s", where);
	return world_number(&h->w, sql);
}

/* --- how long it takes ---------------------------------------------------------------------
 */

/* Below zero: as soon as a run has begun, it takes too long. */
static void allow(struct house *h, int64_t ms)
{
	((struct policy *)(uintptr_t)h->app.config.policy)->run_time_ms = ms;
}

static json_t *shown(struct house *h, const struct made *m)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *guards = json_array();
	struct err err = { 0 };

	assert_ok(store_read_begin(h->app.store, &db, &err), &err);
	assert_ok(run_time_show(db, "acme", (uint64_t)m->id, guards, &err), &err);
	return guards;
}

static void test_a_routine_plan_that_takes_too_long_is_held_until_it_is_released(void **state)
{
	struct deciding d;
	struct house h;
	struct made m;
	struct err err = { 0 };
	json_t *guards;
	int64_t again_ms = 0;

	(void)state;
	house_open(&h);
	allow(&h, -1);
	plan_make(&m, &h, PLAN_ROUTINE, 4, h.now_ms - HOUR);
	plan_store(&m);
	approve(&m, "*", h.now_ms);
	assert_int_equal(run(&h, &again_ms), 1);
	assert_int_equal(count(&h, "state = 0"), 3);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_APPROVED);
	guards = shown(&h, &m);
	assert_int_equal(json_array_size(guards), 1);
	assert_non_null(strstr(jx_get_text(json_array_get(guards, 0), "text"), "run_time"));
	assert_non_null(strstr(jx_get_text(json_array_get(guards, 0), "missing"), "release"));
	json_decref(guards);
	/* another applier, as after a restart, finds it held, also where more is allowed now */
	allow(&h, 12 * HOUR);
	assert_int_equal(run(&h, &again_ms), 0);
	assert_true(again_ms > 0);
	/* released: it goes on, and what was held is told no more */
	d = (struct deciding){ &m, "*", stamp_now_ms() + 1 };
	assert_ok(writer_call(h.app.writer, release_row, &d, &err), &err);
	assert_int_equal(run(&h, &again_ms), 3);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_DONE);
	guards = shown(&h, &m);
	assert_int_equal(json_array_size(guards), 0);
	json_decref(guards);
	assert_int_equal(
		world_number(&h.w, "SELECT count(*) FROM audit WHERE what = 'plan.hold'"), 1);
	world_verify(&h.w);
	made_done(&m);
	house_close(&h);
}

static void test_no_urgent_plan_and_no_plan_within_its_time_is_held_by_the_clock(void **state)
{
	static const struct {
		enum plan_urgency urgency;
		int64_t allowed_ms;
	} rows[] = { { PLAN_URGENT, -1 }, { PLAN_ROUTINE, 12 * HOUR }, { PLAN_ROUTINE, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct house h;
		struct made m;
		int64_t again_ms = 0;

		house_open(&h);
		allow(&h, rows[i].allowed_ms);
		plan_make(&m, &h, rows[i].urgency, 3, h.now_ms - HOUR);
		plan_store(&m);
		approve(&m, "*", h.now_ms);
		assert_int_equal(run(&h, &again_ms), 3);
		made_done(&m);
		house_close(&h);
	}
}

static void test_what_nobody_released_within_a_day_ends(void **state)
{
	struct house h;
	struct made m;
	int64_t again_ms = 0;
	char sql[160];

	(void)state;
	house_open(&h);
	allow(&h, -1);
	plan_make(&m, &h, PLAN_ROUTINE, 3, h.now_ms - HOUR);
	plan_store(&m);
	approve(&m, "*", h.now_ms);
	assert_int_equal(run(&h, &again_ms), 1);
	snprintf(sql, sizeof(sql),
		 "UPDATE setting SET value = '%lld 5' WHERE key LIKE 'run_time/%%'",
		 (long long)(h.now_ms - 25 * HOUR));
	world_meddle(&h.w, sql);
	assert_int_equal(run(&h, &again_ms), 0);
	assert_int_equal(
		count(&h, "state = 4 AND result LIKE '%nobody released it within a day'"), 2);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_DONE);
	made_done(&m);
	house_close(&h);
}

/* --- what lapses ----------------------------------------------------------------------------
 */

static void
test_ten_thousand_actions_approved_in_part_end_when_nobody_can_approve_the_rest(void **state)
{
	struct house h;
	struct made m;
	struct buf list;
	int64_t again_ms = 0;

	(void)state;
	house_open(&h);
	plan_make(&m, &h, PLAN_ROUTINE, 10000, h.now_ms - 73 * HOUR);
	plan_store(&m);
	buf_init(&list, 1 << 20);
	for (int i = 9951; i <= 10000; i++)
		buf_addf(&list, "%s%d", list.len ? "," : "", i);
	approve(&m, list.p, h.now_ms - 2 * HOUR);
	assert_int_equal(run(&h, &again_ms), 50);
	assert_int_equal(count(&h, "state = 4 AND result LIKE '%" OBSERVED "%' AND n > 9950"),
			 50);
	assert_int_equal(
		count(&h,
		      "state = 4 AND result LIKE 'nobody approved it until %' AND n <= 9950"),
		9950);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_DONE);
	assert_int_equal(again_ms, 0);
	world_verify(&h.w);
	buf_done(&list);
	made_done(&m);
	house_close(&h);
}

static void test_what_can_still_be_approved_waits_until_it_cannot(void **state)
{
	struct house h;
	struct made m;
	int64_t again_ms = 0;

	(void)state;
	house_open(&h);
	plan_make(&m, &h, PLAN_ROUTINE, 3, h.now_ms - HOUR);
	plan_store(&m);
	approve(&m, "2", h.now_ms);
	assert_int_equal(run(&h, &again_ms), 1);
	assert_int_equal(count(&h, "state = 0"), 2);
	assert_int_equal(again_ms, m.expires_ms);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_APPROVED);
	approve(&m, "1,3", h.now_ms);
	assert_int_equal(run(&h, &again_ms), 2);
	assert_int_equal(count(&h, "state = 0"), 0);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_DONE);
	made_done(&m);
	house_close(&h);
}

static void test_what_a_guard_holds_lapses_with_its_name(void **state)
{
	static const char *const held_by[] = { "admin" };
	static const char *const says[] = { "administers the organisation" };
	struct action *action;
	struct house h;
	struct made m;
	int64_t again_ms = 0;

	(void)state;
	house_open(&h);
	plan_make(&m, &h, PLAN_URGENT, 2, h.now_ms - 80 * HOUR);
	action = &m.plan->actions.v[1];
	action->verdict = VERDICT_HELD;
	action->held_by = held_by;
	action->says = says;
	action->held_count = 1;
	action->needs = 2;
	plan_store(&m);
	approve(&m, "*", h.now_ms - 79 * HOUR);
	assert_int_equal(run(&h, &again_ms), 1);
	assert_int_equal(
		count(&h, "n = 2 AND state = 4 AND result LIKE 'guard admin held it,%'"), 1);
	assert_int_equal(world_number(&h.w, "SELECT standing FROM plan"), PLAN_DONE);
	made_done(&m);
	house_close(&h);
}

/* --- many plans -----------------------------------------------------------------------------
 */

static void plan_stale(struct house *h)
{
	struct made m;

	plan_make(&m, h, PLAN_ROUTINE, 3, h->now_ms - 100 * HOUR);
	plan_store(&m);
	approve(&m, "1", h->now_ms - 99 * HOUR);
	made_done(&m);
}

static void plan_fresh(struct house *h, enum plan_urgency urgency)
{
	struct made m;

	plan_make(&m, h, urgency, 1, h->now_ms - HOUR);
	plan_store(&m);
	approve(&m, "*", h->now_ms);
	made_done(&m);
}

/* Past all functions, but on the one thread that writes. */
static int meddle(void *ctx, struct db *db, struct err *err)
{
	return db_exec(db, ctx, err);
}

static void test_a_hundred_stale_plans_block_nothing_and_end(void **state)
{
	static char ended[] =
		"UPDATE action SET state = 2 WHERE n = 1 AND plan BETWEEN 2 AND 101";
	struct house h;
	struct err err = { 0 };
	int64_t again_ms = 0;

	(void)state;
	house_open(&h);
	plan_fresh(&h, PLAN_URGENT); /* the oldest */
	for (int i = 0; i < 100; i++)
		plan_stale(&h);
	plan_fresh(&h, PLAN_ROUTINE); /* the newest */
	/* their approved action ended long ago; nobody approved the rest */
	assert_ok(writer_call(h.app.writer, meddle, ended, &err), &err);
	assert_int_equal(run(&h, &again_ms), 2);
	assert_int_equal(count(&h, "plan IN (1, 102) AND result LIKE '%" OBSERVED "%'"), 2);
	assert_int_equal(count(&h, "state = 4 AND plan BETWEEN 2 AND 101"), 200);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM plan WHERE standing = 3"),
			 102);
	assert_int_equal(again_ms, 0);
	house_close(&h);
}

static void test_plans_beyond_what_fits_in_memory_wait_with_their_time(void **state)
{
	int64_t again_ms = 0, due_ms;
	struct house h;

	(void)state;
	house_open(&h);
	for (int i = 0; i < 80; i++) {
		struct made m;

		/* each due later than the one before; the last ones now */
		plan_make(&m, &h, PLAN_ROUTINE, 1, h.now_ms - HOUR);
		due_ms = i < 70 ? h.now_ms + (100 - i) * HOUR / 4 : h.now_ms - HOUR;
		m.plan->actions.v[0].due_ms = m.rows[0].due_ms = due_ms;
		plan_store(&m);
		approve(&m, "*", h.now_ms);
		made_done(&m);
	}
	assert_int_equal(run(&h, &again_ms), 10);
	assert_int_equal(count(&h, "state = 0"), 70);
	assert_int_equal(again_ms, h.now_ms + 31 * HOUR / 4);
	house_close(&h);
}

/* --- what an approval covers ----------------------------------------------------------------
 */

static void test_a_release_covers_its_plan_its_actions_and_its_guard_only(void **state)
{
	static const char *const held_by[] = { "exemption" };
	static const char *const says[] = { "protected by ida" };
	struct plan_guard limit = { "limit-leavers-day", GUARD_HOLD_PLAN, "4 of 3", 1 };
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	CLEANUP(approvals_free_at) struct approvals *a = NULL;
	struct digest ours = { .b = { 1 } }, other = { .b = { 2 } };
	struct apply_approval got;
	struct err err = { 0 };
#define DECIDED(kind_, who_, digest_, actions_, guards_)                                       \
	assert_ok(approvals_add(a,                                                             \
				&(struct decision){ .kind = (kind_),                           \
						    .who = STR(who_),                          \
						    .digest = (digest_),                       \
						    .actions = STR(actions_),                  \
						    .guards = STR(guards_),                    \
						    .ms = 5 },                                 \
				&err),                                                         \
		  &err)

	(void)state;
	assert_ok(plan_new(&plan, &err), &err);
	for (uint32_t n = 1; n <= 130; n++) {
		struct action action = { .n = n,
					 .needs = 1,
					 .verdict = VERDICT_HELD,
					 .held_by = held_by,
					 .says = says,
					 .held_count = 1 };

		assert_int_equal(vec_action_add(&plan->actions, action), 0);
	}
	assert_int_equal(vec_guard_add(&plan->guards, limit), 0);
	assert_ok(approvals_new(&a, plan, &ours, &err), &err);
	assert_false(approvals_of(a, &plan->actions.v[0], &got));
	DECIDED(DECISION_APPROVE, "uid:ida", ours, "1, 129", "exemption");
	DECIDED(DECISION_APPROVE, "uid:ida", ours, "2,130", "");
	DECIDED(DECISION_APPROVE, "uid:ida", other, "3", "exemption limit-leavers-day");
	DECIDED(DECISION_APPROVE, "uid:ida", ours, "4", "limit-leavers-day");
	DECIDED(DECISION_REJECT, "uid:ida", ours, "5", "exemption");
	/* those that it names, and that guard */
	for (uint32_t n = 1; n <= 130; n += 128) {
		assert_true(approvals_of(a, &plan->actions.v[n - 1], &got));
		/* what holds the whole plan is nobody's to pass by one action */
		assert_string_equal(approvals_lack(a, &got, &plan->actions.v[n - 1]),
				    "limit-leavers-day");
		assert_int_equal(got.released_count, 1);
		assert_string_equal(got.released[0], "exemption");
		assert_int_equal(got.persons, 1);
		assert_int_equal(got.approved_ms, 5);
	}
	assert_true(approvals_of(a, &plan->actions.v[1], &got));
	assert_string_equal(approvals_lack(a, &got, &plan->actions.v[1]), "exemption");
	/* other bytes: handed on with their digest, and nothing is released by it */
	assert_true(approvals_of(a, &plan->actions.v[2], &got));
	assert_true(digest_equal(&got.digest, &other));
	assert_int_equal(got.released_count + got.persons, 0);
	assert_true(approvals_of(a, &plan->actions.v[3], &got));
	assert_int_equal(got.released_count, 1);
	assert_string_equal(got.released[0], "limit-leavers-day");
	assert_false(approvals_name(a, &plan->actions.v[4]));
	/* a release of the plan is for all of it, and for what holds the plan only */
	DECIDED(DECISION_RELEASE, "uid:ida", ours, "*", "limit-leavers-day exemption");
	assert_false(approvals_of(a, &plan->actions.v[4], &got));
	assert_true(approvals_of(a, &plan->actions.v[1], &got));
	assert_int_equal(got.released_count, 1);
	assert_string_equal(got.released[0], "limit-leavers-day");
	assert_true(approvals_of(a, &plan->actions.v[0], &got));
	assert_true(approvals_cover(a, &got, &plan->actions.v[0]));
}

/* What a person signed of a plan: *d as its row, the text in *text. */
static void signed_saying(struct decision *d, const char *name, const char *detail,
			  struct buf *text, unsigned char key[DIGEST_PUB_BYTES])
{
	static const char hex32[] =
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	CLEANUP(secret_done) struct secret seed = { 0 };
	CLEANUP(buf_done) struct buf said;
	struct str f[STATEMENT_FIELDS] = { { 0 } };
	unsigned char raw[DIGEST_SEED_BYTES];
	char digest[DIGEST_HEX_BYTES];
	struct statement s;
	struct err err = { 0 };

	buf_init(&said, STATEMENT_MAX_BYTES);
	memset(raw, name[0], sizeof(raw));
	digest_hex(&d->digest, digest);
	f[STATEMENT_INSTANCE] = STR("test");
	f[STATEMENT_AUTHORITY] = str_of(hex32);
	f[STATEMENT_ABOUT] = STR("plan");
	f[STATEMENT_DECISION] = STR("approve");
	f[STATEMENT_TARGET] = STR("1");
	f[STATEMENT_DIGEST] = str_of(digest);
	f[STATEMENT_ACTIONS] = d->actions;
	f[STATEMENT_GUARDS] = d->guards;
	f[STATEMENT_DETAIL] = str_of(detail);
	f[STATEMENT_NONCE] = str_n(hex32, 32);
	f[STATEMENT_EXPIRES] = STR("2026-11-25T09:00:00Z");
	assert_ok(secret_set(&seed, raw, sizeof(raw), &err), &err);
	assert_ok(digest_public(key, &seed, &err), &err);
	assert_ok(statement_write(f, &said, &err), &err);
	assert_ok(statement_parse(buf_str(&said), &s, &err), &err);
	assert_ok(statement_sign(&s, str_of(name), &seed, NOW, text, &err), &err);
	d->person = d->stands = true;
	d->statement = buf_str(text);
	d->key = str_n((const char *)key, DIGEST_PUB_BYTES);
}

static void signed_as(struct decision *d, const char *name, struct buf *text,
		      unsigned char key[DIGEST_PUB_BYTES])
{
	signed_saying(d, name, "", text, key);
}

/* A plan of one action over a limit so far that both take two people. */
struct for_two {
	struct plan *plan;
	struct approvals *a;
	struct decision d;
	struct apply_approval got;
};

static void for_two_make(struct for_two *t)
{
	struct plan_guard limit = { "limit-leavers-day", GUARD_HOLD_PLAN, "9 of 3", 2 };
	struct action action = { .n = 1, .needs = 2 };
	struct err err = { 0 };

	*t = (struct for_two){ .d = { .kind = DECISION_APPROVE,
				      .actions = STR("*"),
				      .guards = STR("limit-leavers-day"),
				      .ms = 5 } };
	assert_ok(plan_new(&t->plan, &err), &err);
	assert_int_equal(vec_action_add(&t->plan->actions, action), 0);
	assert_int_equal(vec_guard_add(&t->plan->guards, limit), 0);
	assert_ok(approvals_new(&t->a, t->plan, &t->d.digest, &err), &err);
}

static void for_two_done(struct for_two *t)
{
	approvals_free(t->a);
	plan_free(t->plan);
}

static void for_two_add(struct for_two *t, const char *who)
{
	struct err err = { 0 };

	t->d.who = str_of(who);
	assert_ok(approvals_add(t->a, &t->d, &err), &err);
}

/* How many persons, and whether that is enough. */
static void for_two_is(struct for_two *t, unsigned persons, bool enough)
{
	assert_true(approvals_of(t->a, &t->plan->actions.v[0], &t->got));
	assert_int_equal(t->got.persons, persons);
	assert_int_equal(t->got.released_count, enough);
	assert_int_equal(approvals_enough(t->a, &t->got, &t->plan->actions.v[0]), enough);
}

static void test_where_two_are_needed_only_two_who_signed_are_two(void **state)
{
	unsigned char key[2][DIGEST_PUB_BYTES];
	CLEANUP(for_two_done) struct for_two t;
	CLEANUP(buf_done) struct buf ida, bob;

	(void)state;
	buf_init(&ida, STATEMENT_MAX_BYTES);
	buf_init(&bob, STATEMENT_MAX_BYTES);
	for_two_make(&t);
	for_two_add(&t, "uid:ida");
	for_two_add(&t, "uid:root");
	for_two_is(&t, 0, false);
	signed_as(&t.d, "ida", &ida, key[0]);
	for_two_add(&t, "approver:ida");
	for_two_add(&t, "approver:ida");
	for_two_is(&t, 1, false);
	signed_as(&t.d, "bob", &bob, key[1]);
	for_two_add(&t, "approver:bob");
	for_two_is(&t, 2, true);
}

/* Rows that somebody with an editor put into the database. */
static void test_a_row_that_its_statement_does_not_say_counts_for_nobody(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES];
	CLEANUP(for_two_done) struct for_two t;
	CLEANUP(buf_done) struct buf text;
	struct err err = { 0 };

	(void)state;
	buf_init(&text, STATEMENT_MAX_BYTES);
	for_two_make(&t);
	signed_as(&t.d, "ida", &text, key);
	for_two_add(&t, "approver:bob"); /* another's name */
	t.d.stands = false;
	for_two_add(&t, "approver:ida"); /* who retired since */
	t.d.stands = true;
	t.d.actions = STR("1");
	for_two_add(&t, "approver:ida"); /* other actions */
	t.d.actions = STR("*");
	t.d.guards = STR("");
	for_two_add(&t, "approver:ida"); /* other guards */
	t.d.guards = STR("limit-leavers-day");
	t.d.kind = DECISION_RELEASE;
	for_two_add(&t, "approver:ida"); /* another decision */
	t.d.kind = DECISION_APPROVE;
	t.d.digest.b[0] = 1;
	for_two_add(&t, "approver:ida"); /* other bytes */
	t.d.digest.b[0] = 0;
	text.p[text.len - 2] ^= 1;
	for_two_add(&t, "approver:ida"); /* another signature */
	text.p[text.len - 2] ^= 1;
	t.d.statement = STR("");
	for_two_add(&t, "approver:ida"); /* none */
	assert_false(approvals_of(t.a, &t.plan->actions.v[0], &t.got));
	t.d.statement = buf_str(&text);
	assert_ok(approvals_add(t.a, &t.d, &err), &err);
	for_two_is(&t, 1, false);
}

static void test_one_administrators_word_stands_for_two_from_its_time_on(void **state)
{
	CLEANUP(for_two_done) struct for_two t;

	(void)state;
	for_two_make(&t);
	t.d.alone_ms = 4000;
	for_two_add(&t, "uid:ida");
	for_two_is(&t, 0, false); /* there is more than one */
	approvals_single_admin(t.a, 1000);
	for_two_is(&t, 2, true);
	assert_int_equal(approvals_wait_ms(t.a, &t.plan->actions.v[0]), 4000);
	assert_int_equal(t.got.approved_ms, 4000);
}

/* Somebody with an editor makes two of one signature, or shortens the delay: neither counts. */
static void test_what_was_signed_for_one_stands_for_one_whatever_the_row_says(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES];
	CLEANUP(for_two_done) struct for_two t;
	CLEANUP(buf_done) struct buf one, two;

	(void)state;
	buf_init(&one, STATEMENT_MAX_BYTES);
	buf_init(&two, STATEMENT_MAX_BYTES);
	for_two_make(&t);
	approvals_single_admin(t.a, 24 * HOUR);
	signed_as(&t.d, "ida", &one, key);
	t.d.alone_ms = 4000;
	for_two_add(&t, "approver:ida");
	for_two_is(&t, 1, false);
	assert_int_equal(approvals_wait_ms(t.a, &t.plan->actions.v[0]), 0);
	signed_saying(&t.d, "ida", "{\"count\":1}", &two, key);
	t.d.alone_ms = 4000;
	for_two_add(&t, "approver:ida");
	for_two_is(&t, 2, true);
	assert_int_equal(approvals_wait_ms(t.a, &t.plan->actions.v[0]), NOW + 24 * HOUR);
	assert_int_equal(t.got.approved_ms, NOW + 24 * HOUR);
}

/* One group goes for both: the first would take the second's seat before its word counts. */
static void test_what_goes_together_waits_for_the_last_word(void **state)
{
	static const uint32_t first[] = { 1 }, second[] = { 2 }, none[] = { 77 };
	CLEANUP(for_two_done) struct for_two t;
	struct action more;

	(void)state;
	for_two_make(&t);
	more = t.plan->actions.v[0];
	more.n = 2;
	more.with = first;
	more.with_count = 1;
	assert_int_equal(vec_action_add(&t.plan->actions, more), 0);
	t.plan->actions.v[0].with = second;
	t.plan->actions.v[0].with_count = 1;
	approvals_single_admin(t.a, 1000);
	t.d.actions = STR("1");
	t.d.alone_ms = 4000;
	for_two_add(&t, "uid:ida");
	assert_int_equal(approvals_wait_all_ms(t.a, &t.plan->actions.v[0]), 4000);
	t.d.actions = STR("2");
	t.d.alone_ms = 9000;
	for_two_add(&t, "uid:ida");
	assert_int_equal(approvals_wait_ms(t.a, &t.plan->actions.v[0]), 4000);
	assert_int_equal(approvals_wait_all_ms(t.a, &t.plan->actions.v[0]), 9000);
	assert_int_equal(approvals_wait_all_ms(t.a, &t.plan->actions.v[1]), 9000);
	t.plan->actions.v[0].with = none; /* damaged: said where it is applied */
	assert_int_equal(approvals_wait_all_ms(t.a, &t.plan->actions.v[0]), 4000);
}

static void test_where_all_is_signed_a_bare_word_is_nobodys_but_for_a_block(void **state)
{
	CLEANUP(for_two_done) struct for_two t;
	char block[] = ORDER_BLOCK;

	(void)state;
	for_two_make(&t);
	approvals_signed_only(t.a);
	approvals_single_admin(t.a, 1000);
	t.d.alone_ms = 4000;
	for_two_add(&t, "uid:ida");
	for_two_is(&t, 0, false);
	t.d.alone_ms = 0;
	t.plan->actions.v[0].needs = 1;
	for_two_add(&t, "uid:ida");
	assert_true(approvals_of(t.a, &t.plan->actions.v[0], &t.got));
	assert_int_equal(t.got.persons, 0);
	t.plan->actions.v[0].rule = block;
	assert_true(approvals_of(t.a, &t.plan->actions.v[0], &t.got));
	assert_int_equal(t.got.persons, 1);
}

static void test_what_was_refused_after_it_was_approved_does_not_start(void **state)
{
	CLEANUP(for_two_done) struct for_two t;

	(void)state;
	for_two_make(&t);
	for_two_add(&t, "uid:ida");
	assert_true(approvals_name(t.a, &t.plan->actions.v[0]));
	t.d.kind = DECISION_REJECT;
	t.d.actions = STR("1");
	for_two_add(&t, "uid:ida");
	assert_false(approvals_name(t.a, &t.plan->actions.v[0]));
	assert_false(approvals_of(t.a, &t.plan->actions.v[0], &t.got));
	t.d.kind = DECISION_APPROVE;
	for_two_add(&t, "uid:ida");
	assert_true(approvals_name(t.a, &t.plan->actions.v[0]));
}

static void test_a_refusal_is_lifted_by_nobody_whose_word_does_not_count(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES];
	CLEANUP(for_two_done) struct for_two t;
	CLEANUP(buf_done) struct buf ida;

	(void)state;
	buf_init(&ida, STATEMENT_MAX_BYTES);
	for_two_make(&t);
	approvals_signed_only(t.a);
	t.d.actions = STR("1");
	signed_as(&t.d, "ida", &ida, key);
	for_two_add(&t, "approver:ida");
	t.d.person = false;
	t.d.kind = DECISION_REJECT;
	for_two_add(&t, "uid:bob");
	t.d.kind = DECISION_APPROVE;
	for_two_add(&t, "uid:eve"); /* who did not sign */
	assert_false(approvals_name(t.a, &t.plan->actions.v[0]));
	t.d.digest.b[0] = 1;
	t.d.person = true;
	buf_clear(&ida);
	signed_as(&t.d, "ida", &ida, key);
	for_two_add(&t, "approver:ida"); /* about other bytes */
	assert_false(approvals_name(t.a, &t.plan->actions.v[0]));
	t.d.digest.b[0] = 0;
	buf_clear(&ida);
	signed_as(&t.d, "ida", &ida, key);
	for_two_add(&t, "approver:ida");
	assert_true(approvals_name(t.a, &t.plan->actions.v[0]));
}

static int decide_write(void *ctx, struct db *db, struct err *err)
{
	return plans_decide(db, ctx, NULL, err);
}

/* Between the first action and the second, while the applier has the plan in memory. */
static void test_who_retires_in_the_middle_of_a_run_counts_for_nothing_after_that(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES];
	CLEANUP(buf_done) struct buf text;
	char hex[2 * DIGEST_PUB_BYTES + 1], sql[400];
	char retires[] = "CREATE TRIGGER retire AFTER UPDATE OF state ON action WHEN new.n = 1"
			 " BEGIN UPDATE approver SET retired_ms = 1; END";
	struct decision d = { .kind = DECISION_APPROVE,
			      .who = STR("approver:ida"),
			      .actions = STR("1,2"),
			      .why = STR("looked at it") };
	struct err err = { 0 };
	int64_t again_ms = 0;
	struct house h;
	struct made m;

	(void)state;
	buf_init(&text, STATEMENT_MAX_BYTES);
	house_open(&h);
	plan_make(&m, &h, PLAN_ROUTINE, 2, h.now_ms - HOUR);
	plan_store(&m);
	d.plan = m.id;
	d.digest = m.digest;
	d.ms = h.now_ms;
	signed_as(&d, "ida", &text, key);
	enc_hex(key, sizeof(key), hex);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO approver (name, login, key, enrolled_by, enrolled_ms, from_ms,"
		 " expires_ms, retired_ms, retired_by) VALUES ('ida', '', X'%s', 'test', 1, 1,"
		 " 9000000000000, 0, '')",
		 hex);
	assert_ok(writer_call(h.app.writer, meddle, sql, &err), &err);
	assert_ok(writer_call(h.app.writer, meddle, retires, &err), &err);
	h.app.file.approvals.is_signed = CONFIG_SIGNED_ALWAYS;
	assert_ok(writer_call(h.app.writer, decide_write, &d, &err), &err);
	assert_int_equal(run(&h, &again_ms), 1);
	assert_int_equal(count(&h, "n = 2 AND state = 0"), 1);
	made_done(&m);
	house_close(&h);
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
		cmocka_unit_test(
			test_a_routine_plan_that_takes_too_long_is_held_until_it_is_released),
		cmocka_unit_test(
			test_no_urgent_plan_and_no_plan_within_its_time_is_held_by_the_clock),
		cmocka_unit_test(test_what_nobody_released_within_a_day_ends),
		cmocka_unit_test(
			test_ten_thousand_actions_approved_in_part_end_when_nobody_can_approve_the_rest),
		cmocka_unit_test(test_what_can_still_be_approved_waits_until_it_cannot),
		cmocka_unit_test(test_what_a_guard_holds_lapses_with_its_name),
		cmocka_unit_test(test_a_hundred_stale_plans_block_nothing_and_end),
		cmocka_unit_test(test_plans_beyond_what_fits_in_memory_wait_with_their_time),
		cmocka_unit_test(test_a_release_covers_its_plan_its_actions_and_its_guard_only),
		cmocka_unit_test(test_where_two_are_needed_only_two_who_signed_are_two),
		cmocka_unit_test(test_a_row_that_its_statement_does_not_say_counts_for_nobody),
		cmocka_unit_test(test_one_administrators_word_stands_for_two_from_its_time_on),
		cmocka_unit_test(test_what_goes_together_waits_for_the_last_word),
		cmocka_unit_test(
			test_what_was_signed_for_one_stands_for_one_whatever_the_row_says),
		cmocka_unit_test(
			test_where_all_is_signed_a_bare_word_is_nobodys_but_for_a_block),
		cmocka_unit_test(test_what_was_refused_after_it_was_approved_does_not_start),
		cmocka_unit_test(test_a_refusal_is_lifted_by_nobody_whose_word_does_not_count),
		cmocka_unit_test(
			test_who_retires_in_the_middle_of_a_run_counts_for_nothing_after_that),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
