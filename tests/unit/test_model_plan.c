/* Plans: tables, canonical bytes, and a reader that takes nothing else. */
#include "base/enc.h"
#include "model/plan.h"
#include "tests/lib/test.h"

static void test_every_row_of_the_tables_is_whole(void **state)
{
	(void)state;
	for (int i = 0; i < ACTION_KIND_COUNT; i++) {
		enum action_kind kind;

		assert_non_null(action_kinds[i].word);
		assert_true(action_kind_of(str_of(action_kinds[i].word), &kind));
		assert_int_equal(kind, i);
		assert_true(action_kinds[i].undo < ACTION_KIND_COUNT);
		if (action_kinds[i].to != ACCOUNT_UNKNOWN) /* a status is undone by another */
			assert_int_equal(action_kinds[action_kinds[i].undo].undo, i);
	}
	for (int i = 0; i < STEP_OP_COUNT; i++) {
		enum step_op op;

		assert_non_null(step_ops[i].word);
		assert_true(step_op_of(str_of(step_ops[i].word), &op));
		assert_int_equal(op, i);
		assert_int_equal(step_ops[step_ops[i].undo].undo, i);
		/* what can neither be repeated nor asked would need a person each time */
		assert_true(step_ops[i].idempotent || step_ops[i].verifiable);
	}
	for (int i = 0; i < PLAN_CLASS_COUNT; i++) {
		enum plan_class class;

		assert_true(plan_class_of(str_of(plan_class_word((enum plan_class)i)), &class));
		assert_int_equal(class, i);
	}
	for (int i = 0; i < ACCOUNT_STATUS_COUNT; i++) {
		enum account_status status;

		assert_true(account_status_of(
			str_of(account_status_word((enum account_status)i)), &status));
		assert_int_equal(status, i);
	}
	assert_false(action_kind_of(STR("erase"), &(enum action_kind){ 0 }));
}

static void test_populations_decide_what_may_be_done(void **state)
{
	static const struct {
		enum account_type type;
		enum tri managed, synced, can_disable;
		enum account_class class;
	} cases[] = {
		{ ACCOUNT_PERSON, TRI_YES, TRI_NO, TRI_UNKNOWN, CLASS_MANAGED },
		{ ACCOUNT_PERSON, TRI_YES, TRI_NO, TRI_NO, CLASS_SYNCED },
		{ ACCOUNT_PERSON, TRI_YES, TRI_YES, TRI_UNKNOWN, CLASS_SYNCED },
		{ ACCOUNT_PERSON, TRI_YES, TRI_UNKNOWN, TRI_YES, CLASS_MANAGED },
		{ ACCOUNT_PERSON, TRI_YES, TRI_UNKNOWN, TRI_UNKNOWN, CLASS_UNKNOWN },
		{ ACCOUNT_PERSON, TRI_NO, TRI_UNKNOWN, TRI_UNKNOWN, CLASS_UNMANAGED },
		{ ACCOUNT_PERSON, TRI_UNKNOWN, TRI_NO, TRI_YES, CLASS_UNKNOWN },
		{ ACCOUNT_TYPE_UNKNOWN, TRI_YES, TRI_NO, TRI_YES, CLASS_UNKNOWN },
		{ ACCOUNT_APP, TRI_YES, TRI_NO, TRI_YES, CLASS_APP },
		{ ACCOUNT_CUSTOMER, TRI_NO, TRI_NO, TRI_NO, CLASS_CUSTOMER },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(account_class_of(cases[i].type, cases[i].managed,
						  cases[i].synced, cases[i].can_disable),
				 cases[i].class);
}

/* --- bytes --- */

static const char *const groups[] = { "g1", "g2" };
static const char *const held_by[] = { "admin" };
static const char *const says[] = { "administers \"everything\"\n" };
static const uint32_t with[] = { 1 };
static struct action_evidence evidence[] = { { "lastActive", "2025-08-01T00:00:00Z", "acme" },
					     { "userName", NULL, "hr" } };
static struct action_step steps[] = {
	{ .op = STEP_REMOVE_GROUP, .group = "g1", .name = "\xc3\x84" },
	{ .op = STEP_REVOKE_ROLE, .role = "atlassian/user" }
};

static struct plan *sample(void)
{
	struct plan *p;
	struct err err;
	struct action seat = {
		.n = 2,
		.kind = ACTION_FREE_SEAT,
		.rule = "inactive-jira",
		.class = PLAN_INACTIVE,
		.person = 7,
		.account = 101,
		.product = "jira",
		.site = "acme",
		.reason = "lastActive is long ago",
		.evidence = evidence,
		.evidence_count = COUNT_OF(evidence),
		.before = { .paths = true, .groups = groups, .group_count = 2 },
		.after = { .paths = true },
		.steps = steps,
		.step_count = COUNT_OF(steps),
		.due_ms = 1772442000000,
		.anchor_ms = 1772442000001,
		.not_after_ms = PLAN_NOT_AFTER_MS,
		.needs = 2,
		.verdict = VERDICT_HELD,
		.held_by = held_by,
		.says = says,
		.held_count = 1,
		.with = with,
		.with_count = 1,
	};
	struct action suspend = { .n = 1,
				  .kind = ACTION_SUSPEND,
				  .rule = "leaver-hr",
				  .class = PLAN_LEAVER,
				  .account = 100,
				  .reason = "left",
				  .before = { .status = ACCOUNT_ACTIVE },
				  .after = { .status = ACCOUNT_SUSPENDED },
				  .needs = 1,
				  .automatic = true };
	struct plan_guard guard = { "canary", GUARD_HOLD_ACTION, "a canary was not seen", 0 };
	struct plan_superseded superseded = { 9, 3 };

	assert_ok(plan_new(&p, &err), &err);
	assert_ok(arena_text(&p->arena, STR("acme"), &p->org, &err), &err);
	p->urgency = PLAN_ROUTINE;
	p->now_ms = 1772442000000;
	p->complete = true;
	assert_int_equal(vec_action_add(&p->actions, suspend), 0);
	assert_int_equal(vec_action_add(&p->actions, seat), 0);
	assert_int_equal(vec_guard_add(&p->guards, guard), 0);
	assert_int_equal(vec_superseded_add(&p->supersedes, superseded), 0);
	return p;
}

static char *sample_bytes(size_t *len)
{
	CLEANUP(plan_free_at) struct plan *p = sample();
	struct buf b;
	struct err err;

	buf_init(&b, 1 << 20);
	assert_ok(plan_write(p, &b, &err), &err);
	return buf_take(&b, len);
}

static void test_what_is_written_is_read_back(void **state)
{
	CLEANUP(plan_free_at) struct plan *p = NULL;
	CLEANUP(free_at) char *bytes = NULL;
	const struct action *a;
	struct err err;
	size_t len;

	(void)state;
	bytes = sample_bytes(&len);
	assert_ok(plan_parse(str_n(bytes, len), &p, &err), &err);
	assert_string_equal(p->org, "acme");
	assert_int_equal(p->urgency, PLAN_ROUTINE);
	assert_int_equal(p->actions.n, 2);
	assert_int_equal(p->guards.v[0].verdict, GUARD_HOLD_ACTION);
	assert_int_equal(p->supersedes.v[0].plan, 9);
	assert_int_equal(p->actions.v[0].before.status, ACCOUNT_ACTIVE);
	assert_true(p->actions.v[0].automatic);
	a = &p->actions.v[1];
	assert_int_equal(a->kind, ACTION_FREE_SEAT);
	assert_string_equal(a->before.groups[1], "g2");
	assert_true(a->after.paths && a->after.group_count == 0);
	assert_string_equal(a->steps[0].name, "\xc3\x84");
	assert_string_equal(a->says[0], "administers \"everything\"\n");
	assert_string_equal(a->evidence[0].value, "2025-08-01T00:00:00Z");
	assert_null(a->evidence[1].value);
	assert_int_equal(a->anchor_ms, 1772442000001);
	assert_int_equal(a->with[0], 1);
	assert_int_equal(a->needs, 2);
}

/* from is replaced by to once; the bytes must be refused with a sentence. */
static const struct {
	const char *from, *to, *says;
} damages[] = {
	{ "\"format\":1", "\"format\":2", "format" },
	{ "\"kind\":\"suspend\"", "\"kind\":\"erase\"", "kind" },
	{ "\"n\":2", "\"n\":3", "counting from 1" },
	{ "\"needs\":2", "\"needs\":3", "needs" },
	{ "\"verdict\":\"held\"", "\"verdict\":\"pass\"", "verdict" },
	{ "\"verdict\":\"hold-action\"", "\"verdict\":\"hold\"", "verdict" },
	{ "\"class\":\"leaver\"", "\"class\":\"\"", "class" },
	{ "\"status\":\"active\"", "\"status\":\"alive\"", "status" },
	{ "\"op\":\"remove-group\"", "\"op\":\"add\"", "op" },
	{ "\"product\":\"jira\",", "", "product" },
	{ "\"rule\":\"leaver-hr\",", "", "rule" },
	{ "\"automatic\":true", "\"automatic\":1", "automatic" },
	{ "\"due\":\"2026", "\"due\":\"20x6", "due" },
	{ "\"account\":101", "\"account\":-101", "account" },
	{ "\"account\":101", "\"account\":\"101\"", "account" },
	{ "\"with\":[1]", "\"with\":[0]", "with" },
	{ "\"urgency\":\"routine\"", "\"urgency\":\"soon\"", "urgency" },
	/* readable, but not as we write: */
	{ "\"held\":false", "\"held\": false", "form" },
	{ "\"org\":\"acme\"", "\"org\":\"acme\",\"extra\":1", "form" },
	{ "\"person\":7", "\"person\":7,\"p\":1", "form" },
	{ "\"held\":1", "\"held\":0", "form" }, /* a count that is not so */
	{ "2026-03-02T09:00:00Z\",\"org", "2026-03-02T10:00:00+01:00\",\"org", "form" },
	{ "{\"actions\"", "[\"actions\"", "JSON" },
};

static void test_damaged_bytes_are_refused(void **state)
{
	CLEANUP(free_at) char *bytes = NULL;
	struct err err;
	size_t len;

	(void)state;
	bytes = sample_bytes(&len);
	for (size_t i = 0; i < COUNT_OF(damages); i++) {
		struct plan *p = NULL;
		char *at = strstr(bytes, damages[i].from);
		struct buf b;

		if (!at)
			fail_msg("the sample has no %s", damages[i].from);
		buf_init(&b, 1 << 20);
		buf_add(&b, bytes, (size_t)(at - bytes));
		buf_add_text(&b, damages[i].to);
		buf_add_text(&b, at + strlen(damages[i].from));
		assert_fault(plan_parse(buf_str(&b), &p, &err), ERR_DAMAGED, &err,
			     damages[i].says);
		assert_null(p);
		buf_done(&b);
	}
	for (size_t cut = 0; cut < len; cut += 7) {
		struct plan *p = NULL;

		assert_int_equal(plan_parse(str_n(bytes, cut), &p, &err), -ERR_DAMAGED);
	}
}

static void test_the_digest_is_of_salt_and_values(void **state)
{
	const unsigned char one[PLAN_SALT_BYTES] = { 1 }, two[PLAN_SALT_BYTES] = { 2 };
	struct digest a, b, c;

	(void)state;
	plan_subject_digest(one, STR("{}"), &a);
	plan_subject_digest(two, STR("{}"), &b);
	plan_subject_digest(one, STR("{ }"), &c);
	assert_false(digest_equal(&a, &b));
	assert_false(digest_equal(&a, &c));
	plan_subject_digest(one, STR("{}"), &b);
	assert_true(digest_equal(&a, &b));
}

static void test_reading_survives_each_lost_allocation(void **state)
{
	CLEANUP(free_at) char *bytes = NULL;
	struct err err;
	bool fired;
	size_t len;
	int nth = 0, r;

	(void)state;
	fault_install();
	bytes = sample_bytes(&len);
	do {
		CLEANUP(plan_free_at) struct plan *p = NULL;

		fault_at(++nth);
		r = plan_parse(str_n(bytes, len), &p, &err);
		fired = fault_fired();
		/* never DAMAGED: nobody is to be told that their plan was tampered with */
		if (r != (fired ? -ERR_NOMEM : 0))
			fail_msg("allocation %d: %d: %s", nth, r, err.text);
		assert_true((r == 0) == (p != NULL));
	} while (fired);
	assert_int_equal(r, 0);
	assert_true(nth > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_of_the_tables_is_whole),
		cmocka_unit_test(test_populations_decide_what_may_be_done),
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_damaged_bytes_are_refused),
		cmocka_unit_test(test_the_digest_is_of_salt_and_values),
		cmocka_unit_test(test_reading_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
