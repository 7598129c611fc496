/* Policies: what is shipped, what a file changes of it, and what it may not say. */
#include "reconcile/policy.h"
#include "tests/lib/test.h"

static int bind_text(const char *text, struct policy **ret, struct conf_faults *faults,
		     struct err *err)
{
	struct policy_conf conf = { 0 };
	int r = conf_read_text("p.yaml", str_of(text), policy_keys, &conf, faults, err);

	if (r == 0)
		r = policy_bind(&conf, faults, ret, err);
	conf_free(policy_keys, &conf);
	return r;
}

static void test_what_is_shipped_binds(void **state)
{
	static const struct {
		const char *name;
		enum rule_subject subject;
		enum plan_class class;
		size_t steps;
		bool automatic, settle;
	} rules[] = {
		{ "leaver-hr", SUBJECT_PERSON, PLAN_LEAVER, 4, true, false },
		{ "leaver-directory", SUBJECT_PERSON, PLAN_LEAVER, 3, true, true },
		{ "leaver-gone", SUBJECT_PERSON, PLAN_ABSENCE, 2, false, false },
		{ "leaver-push", SUBJECT_PERSON, PLAN_LEAVER, 1, false, true },
		{ "leaver-hr-off", SUBJECT_PERSON, PLAN_LEAVER, 1, false, true },
		{ "leaver-hr-gone", SUBJECT_PERSON, PLAN_ABSENCE, 2, false, false },
		{ "inactive-jira", SUBJECT_SEAT, PLAN_INACTIVE, 2, false, false },
		{ "inactive-jsm", SUBJECT_SEAT, PLAN_INACTIVE, 2, false, false },
		{ "inactive-confluence", SUBJECT_SEAT, PLAN_INACTIVE, 2, false, false },
		{ "never-used", SUBJECT_SEAT, PLAN_INACTIVE, 2, false, false },
		{ "invited", SUBJECT_SEAT, PLAN_INACTIVE, 2, false, false },
		{ "external-idle", SUBJECT_SEAT, PLAN_INACTIVE, 2, false, false },
		{ "orphan", SUBJECT_ORPHAN, PLAN_ORPHAN, 1, false, false },
		{ "rehired", SUBJECT_PERSON, PLAN_RESTORE, 3, false, false },
	};
	CLEANUP(policy_free_at) struct policy *p = NULL;
	struct err err;

	(void)state;
	assert_ok(policy_bind(NULL, NULL, &p, &err), &err);
	assert_int_equal(p->rule_count, COUNT_OF(rules));
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		assert_string_equal(p->rules[i].name, rules[i].name);
		assert_int_equal(p->rules[i].subject, rules[i].subject);
		assert_int_equal(p->rules[i].class, rules[i].class);
		assert_int_equal(p->rules[i].step_count, rules[i].steps);
		assert_int_equal(p->rules[i].automatic, rules[i].automatic);
		assert_int_equal(p->rules[i].settle, rules[i].settle);
		assert_int_equal(p->rules[i].order, i);
	}
	assert_int_equal(p->rules[0].steps[2].kind, ACTION_HAND_OVER);
	assert_int_equal(p->rules[0].steps[2].after_ms, 0);
	assert_int_equal(p->rules[0].steps[3].kind, ACTION_DEACTIVATE);
	assert_int_equal(p->rules[0].steps[3].after_ms, 7 * STAMP_DAY_MS);
	assert_int_equal(p->limits[LIMIT_LEAVERS_DAY].count, 3);
	assert_true(p->limits[LIMIT_PUSH_HOUR].share > 0.0049 &&
		    p->limits[LIMIT_PUSH_HOUR].share < 0.0051);
	assert_int_equal(p->settle_ms, 10 * STAMP_MINUTE_MS);
	assert_int_equal(p->quiet_from, 5 * 1440 + 15 * 60);
	assert_int_equal(p->quiet_until, 1440 + 7 * 60);
	assert_int_equal(p->match_count, 2);
	assert_string_equal(p->match[0].name, "scim-id");
	assert_null(policy_rule(p, STR("no-such")));
	assert_ptr_equal(policy_rule(p, STR("orphan")), &p->rules[12]);
}

static void count_column(void *ctx, const struct facts_column *column)
{
	assert_non_null(column->text);
	++*(size_t *)ctx;
}

static void test_paths_that_rules_name_are_projected(void **state)
{
	CLEANUP(policy_free_at) struct policy *p = NULL;
	struct conf_faults faults = { 0 };
	struct err err;
	size_t n = 0;

	(void)state;
	assert_ok(bind_text("rules:\n"
			    "  - name: mine\n"
			    "    for: seat\n"
			    "    when: 'person.enterprise.department eq \"x\" and "
			    "person.emails[type eq \"work\" and value ew \"@x\"]'\n"
			    "    class: inactive\n"
			    "    then: warn\n",
			    &p, &faults, &err),
		  &err);
	policy_each_path(p, count_column, &n);
	assert_int_equal(n, p->columns.n);
	assert_true(facts_columns_find(&p->columns, STR("emails.type")) != FACTS_NONE);
	assert_true(facts_columns_find(&p->columns, STR("emails")) != FACTS_NONE);
	assert_true(facts_columns_find(&p->columns,
				       STR("urn:ietf:params:scim:schemas:extension:enterprise:"
					   "2.0:User:department")) != FACTS_NONE);
	assert_true(p->fixed[COL_USER_NAME] < n && p->fixed[COL_LEGAL_HOLD] < n);
	conf_faults_free(&faults);
}

static void test_a_file_changes_what_it_states(void **state)
{
	CLEANUP(policy_free_at) struct policy *p = NULL;
	struct conf_faults faults = { 0 };
	const struct rule *rule;
	struct err err;

	(void)state;
	assert_ok(bind_text("rules:\n"
			    "  - name: leaver-hr\n"
			    "    automatic: false\n"
			    "    then: [suspend, deactivate after 30d]\n"
			    "  - name: orphan\n"
			    "    off: true\n"
			    "settle: 1h\n"
			    "limits:\n"
			    "  leavers_day: { count: 50, share: 10 % }\n"
			    "change_hours: { on: false }\n"
			    "match:\n"
			    "  - { name: mail, on: email, source: hr }\n"
			    "holidays: [2026-12-25, 2026-01-01]\n",
			    &p, &faults, &err),
		  &err);
	rule = policy_rule(p, STR("leaver-hr"));
	assert_int_equal(rule->step_count, 2);
	assert_int_equal(rule->steps[1].after_ms, 30 * STAMP_DAY_MS);
	assert_false(rule->automatic);
	assert_non_null(rule->when); /* kept as shipped */
	assert_null(policy_rule(p, STR("orphan")));
	assert_int_equal(p->limits[LIMIT_LEAVERS_DAY].count, 50);
	assert_int_equal(p->settle_ms, STAMP_HOUR_MS);
	assert_false(p->quiet);
	assert_int_equal(p->match_count, 1);
	assert_string_equal(p->match[0].source, "hr");
	assert_int_equal(p->holiday_count, 2);
	assert_true(p->holidays[0] < p->holidays[1]);
	conf_faults_free(&faults);
}

#define RULE "rules:\n  - name: mine\n"

static const struct {
	const char *text, *says;
} wrong[] = {
	{ RULE
	  "    for: planet\n    when: 'leaveDate pr'\n    class: leaver\n    then: suspend\n",
	  "p.yaml:2:5: for: mine: found planet, expected person, account, seat or orphan" },
	{ RULE
	  "    for: person\n    when: 'leaveDate prr'\n    class: leaver\n    then: suspend\n",
	  "byte 10" },
	{ RULE
	  "    for: person\n    when: 'noSuchThing pr'\n    class: leaver\n    then: suspend\n",
	  "no attribute noSuchThing" },
	{ RULE "    for: person\n    class: leaver\n    then: suspend\n",
	  "when: mine: found nothing" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    then: suspend\n",
	  "class: mine" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n", "then: mine" },
	{ RULE
	  "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n    then: free-seat\n",
	  "expected suspend, deactivate, revoke-tokens, hand-over, tag NAME" },
	{ RULE
	  "    for: seat\n    when: 'lastActive pr'\n    class: inactive\n    then: suspend\n",
	  "expected warn or free-seat" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n    then: "
	       "[suspend after "
	       "7x]\n",
	  "suspend after 7x" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n    then: "
	       "[suspend after "
	       "7d, deactivate]\n",
	  "comes before the step above it" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n    then: "
	       "[suspend, suspend "
	       "after 1d]\n",
	  "twice" },
	{ RULE
	  "    for: person\n    when: 'leaveDate pr'\n    class: orphan\n    then: suspend\n",
	  "orphan rules and only they" },
	{ RULE "    for: orphan\n    class: orphan\n    automatic: true\n    then: suspend\n",
	  "never automatic" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n    then: "
	       "suspend\n    "
	       "anchor: userName\n",
	  "userName is no point in time" },
	{ RULE "    for: person\n    when: 'leaveDate pr'\n    class: leaver\n    then: "
	       "suspend\n    "
	       "anchor: leaveDate + soon\n",
	  "a path, '+' and a duration" },
	{ "match:\n  - { name: m, on: shoe-size }\n", "expected external-id or email" },
	{ "protections:\n  - { name: p, when: 'userName pr', owner: o, reason: r, kind: magic "
	  "}\n",
	  "found magic" },
	{ "protections:\n  - { name: p, when: 'userName pr', owner: o, reason: r, for: seat "
	  "}\n",
	  "person or account" },
	{ "protections:\n  - { name: p, when: 'userName pr', owner: o, reason: r, rule: "
	  "none-such "
	  "}\n",
	  "there is no rule none-such" },
	{ "protections:\n  - { name: p, when: 'userName pr', owner: o, reason: r, until: soon "
	  "}\n",
	  "2027-03-31" },
	{ "change_hours: { quiet_from: Fr 15 }\n", "Fri 15:00" },
	{ "holidays: [christmas]\n", "2026-12-25" },
	{ "limits: { leavers_day: { count: -1 } }\n", "limits.leavers_day.count" },
	{ "unheard_of: 1\n", "unheard_of" },
};

static void test_each_fault_names_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct policy *p = NULL;
		struct conf_faults faults = { 0 };
		struct err err;
		bool said = false;

		if (bind_text(wrong[i].text, &p, &faults, &err) != -ERR_CONFIG)
			fail_msg("taken: %s", wrong[i].text);
		assert_null(p);
		for (size_t k = 0; k < faults.n; k++)
			said = said || strstr(faults.v[k], wrong[i].says);
		if (!said)
			fail_msg("%s\nsays %s, not %s", wrong[i].text,
				 faults.n ? faults.v[0] : "nothing", wrong[i].says);
		conf_faults_free(&faults);
	}
}

static void test_all_faults_of_a_file_are_told_at_once(void **state)
{
	struct policy *p = NULL;
	struct conf_faults faults = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(bind_text("rules:\n"
				   "  - { name: a, for: person, when: 'x y', class: leaver, "
				   "then: suspend }\n"
				   "  - { name: b, for: planet, when: 'leaveDate pr', class: "
				   "leaver, then: suspend }\n"
				   "holidays: [never]\n",
				   &p, &faults, &err),
			 -ERR_CONFIG);
	assert_int_equal(faults.n, 3);
	assert_non_null(strstr(faults.v[0], "p.yaml:2:"));
	assert_non_null(strstr(faults.v[1], "p.yaml:3:"));
	assert_non_null(strstr(err.text, "a:"));
	conf_faults_free(&faults);
}

static void test_what_is_shipped_is_shown_as_a_file_would_say_it(void **state)
{
	CLEANUP(policy_free_at) struct policy *p = NULL;
	struct conf_faults faults = { 0 };
	struct buf rules, file;
	struct err err;

	(void)state;
	buf_init(&rules, 1 << 16);
	buf_init(&file, 1 << 16);
	assert_ok(policy_show_shipped(&rules, &err), &err);
	buf_add_text(&file, "shipped: false\nrules:\n");
	buf_add_str(&file, buf_str(&rules));
	assert_ok(bind_text(file.p, &p, &faults, &err), &err);
	assert_int_equal(p->rule_count, 14);
	buf_done(&rules);
	buf_done(&file);
	conf_faults_free(&faults);
}

static void test_binding_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		CLEANUP(policy_free_at) struct policy *p = NULL;

		fault_at(++nth);
		r = policy_bind(NULL, NULL, &p, &err);
		if (r != 0 && r != -ERR_NOMEM)
			fail_msg("allocation %d: %s", nth, err.text);
	} while (fault_fired());
	assert_int_equal(r, 0);
	assert_true(nth > 100);
}

static void test_what_a_policy_may_say_more(void **state)
{
	CLEANUP(policy_free_at) struct policy *p = NULL;
	struct conf_faults faults = { 0 };
	const struct rule *rule;
	int64_t date;
	struct err err;

	(void)state;
	assert_ok(bind_text("leave_time: \"17:30\"\n"
			    "evaluate: first\n"
			    "flapping: 0\n"
			    "change_hours: { freeze: [2026-12-24..2027-01-01, 2026-11-27] }\n"
			    "rules:\n"
			    "  - name: inactive-jira\n"
			    "    pilot: 'person.enterprise.department eq \"IT\"'\n"
			    "  - name: back\n"
			    "    for: person\n"
			    "    when: 'hr.status eq \"active\"'\n"
			    "    class: restore\n"
			    "    then: [restore, enable]\n",
			    &p, &faults, &err),
		  &err);
	assert_int_equal(p->leave_minute, 17 * 60 + 30);
	assert_true(p->first_match);
	assert_int_equal(p->flapping, 0);
	assert_int_equal(p->freeze_count, 2);
	assert_true(stamp_parse_date(STR("2027-01-01"), &date));
	assert_int_equal(p->freezes[0].last_ms, date);
	assert_int_equal(p->freezes[1].first_ms, p->freezes[1].last_ms);
	assert_non_null(policy_rule(p, STR("inactive-jira"))->pilot);
	rule = policy_rule(p, STR("back"));
	assert_int_equal(rule->class, PLAN_RESTORE);
	assert_int_equal(rule->steps[1].kind, ACTION_ENABLE);
	conf_faults_free(&faults);
}

static void test_what_a_policy_may_not_say_of_these(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "leave_time: \"24:01\"\n", "expected a time such as 17:00" },
		{ "leave_time: five\n", "expected a time such as 17:00" },
		{ "evaluate: second\n", "evaluate" },
		{ "change_hours: { freeze: [2027-01-01..2026-12-24] }\n",
		  "expected days such as" },
		{ "change_hours: { freeze: [2026-12-24-2027-01-01] }\n",
		  "expected days such as" },
		{ "change_hours: { freeze: [2026-12-24.2027-01-01] }\n",
		  "expected days such as" },
		{ "rules: [{ name: x, for: person, when: active pr, class: restore, then: "
		  "suspend }]\n",
		  "expected restore, enable or former-groups" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "restore }]\n",
		  "expected suspend, deactivate, revoke-tokens, hand-over, tag NAME" },
		{ "rules: [{ name: x, for: person, when: active pr, class: absence, then: "
		  "[suspend, revoke-tokens] }]\n",
		  "a token that was revoked does not: class leaver revokes" },
		{ "rules: [{ name: x, for: account, when: admin pr, class: inactive, then: "
		  "[warn, revoke-tokens after 14d] }]\n",
		  "a token that was revoked does not: class leaver revokes" },
		{ "rules: [{ name: leaver-gone, then: [suspend, revoke-tokens] }]\n",
		  "a token that was revoked does not: class leaver revokes" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "[suspend, delete after 30d] }]\n",
		  "delete stands there without deactivate above it" },
		/* together with it would be at once */
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "[suspend, deactivate after 30d, delete after 30d] }]\n",
		  "delete stands there without deactivate above it" },
		{ "rules: [{ name: x, for: person, when: active pr, class: absence, then: "
		  "[suspend, deactivate after 7d, delete after 90d] }]\n",
		  "who is merely absent or idle may come back" },
		{ "rules: [{ name: x, for: account, when: admin pr, class: leaver, then: "
		  "[deactivate, delete after 90d] }]\n",
		  "only a rule for: person of class leaver deletes" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "[tag, suspend] }]\n",
		  "expected the name of a group: tag NAME" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "tag after 7d }]\n",
		  "expected the name of a group: tag NAME" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "[remove-group a b, remove-group A B after 2d] }]\n",
		  "remove-group A B stands there twice" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "add-group x }]\n",
		  "no rule gives access" },
		{ "rules: [{ name: x, for: seat, when: lastActive pr, class: inactive, then: "
		  "tag x }]\n",
		  "a rule for: account has it" },
		{ "rules: [{ name: x, for: person, when: active pr, class: restore, then: "
		  "tag x }]\n",
		  "a rule of class restore only gives back" },
		{ "rules: [{ name: x, for: person, when: active pr, class: leaver, then: "
		  "remove-groups }]\n",
		  "it is remove-group NAME" },
		{ "rules: [{ name: x, for: account, when: admin pr, class: leaver, then: "
		  "warn }]\n",
		  "who leaves is never warned" },
		{ "rules: [{ name: x, for: account, when: admin pr, class: leaver, then: "
		  "free-seat }]\n",
		  "it is about one seat" },
		{ "rules: [{ name: x, for: seat, when: lastActive pr, class: restore, then: "
		  "warn }]\n",
		  "leaverd undo does" },
		{ "rules: [{ name: invited, pilot: 'nothing eq' }]\n", "pilot" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct policy *p = NULL;
		struct conf_faults faults = { 0 };
		struct err err;
		bool found = false;

		assert_int_equal(bind_text(cases[i].text, &p, &faults, &err), -ERR_CONFIG);
		assert_null(p);
		for (size_t k = 0; k < faults.n; k++)
			found = found || strstr(faults.v[k], cases[i].says);
		if (!found)
			fail_msg("%s: %s", cases[i].text, faults.n ? faults.v[0] : err.text);
		conf_faults_free(&faults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_shipped_binds),
		cmocka_unit_test(test_paths_that_rules_name_are_projected),
		cmocka_unit_test(test_a_file_changes_what_it_states),
		cmocka_unit_test(test_each_fault_names_its_place),
		cmocka_unit_test(test_all_faults_of_a_file_are_told_at_once),
		cmocka_unit_test(test_what_is_shipped_is_shown_as_a_file_would_say_it),
		cmocka_unit_test(test_binding_survives_each_lost_allocation),
		cmocka_unit_test(test_what_a_policy_may_say_more),
		cmocka_unit_test(test_what_a_policy_may_not_say_of_these),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
