/* What `leaverd policy check|test|diff` find: pure, over texts and small worlds. */
#include "base/zone.h"
#include "reconcile/policy_cases.h"
#include "reconcile/policy_diff.h"
#include "reconcile/policy_lint.h"
#include "tests/unit/plan_world.h"

/* A policy of a text, kept with what it was bound from. */
struct bound {
	struct policy_conf conf;
	struct policy *policy;
};

static void bound_make(struct bound *b, const char *text)
{
	struct conf_faults faults = { 0 };
	struct err err;

	*b = (struct bound){ .policy = NULL };
	assert_ok(conf_read_text("p.yaml", str_of(text), policy_keys, &b->conf, &faults, &err),
		  &err);
	assert_ok(policy_bind(&b->conf, &faults, &b->policy, &err), &err);
	conf_faults_free(&faults);
}

static void bound_done(struct bound *b)
{
	policy_free(b->policy);
	conf_free(policy_keys, &b->conf);
}

/* --- check --- */

struct warnings {
	char text[32][ERR_TEXT_BYTES + 160];
	size_t n, line;
};

static int keep_warning(void *ctx, const struct conf_mark *mark, const char *name,
			const char *key, const char *text, struct err *err)
{
	struct warnings *w = ctx;

	(void)err;
	assert_true(w->n < COUNT_OF(w->text));
	(void)snprintf(w->text[w->n++], sizeof(w->text[0]), "%s.%s: %s", name, key, text);
	w->line = mark ? mark->line : 0;
	return 0;
}

static void test_the_shipped_policy_needs_no_second_look(void **state)
{
	struct warnings w = { .n = 0 };
	struct bound b;
	struct err err;

	(void)state;
	bound_make(&b, "{}\n");
	assert_ok(policy_lint(&b.conf, b.policy, keep_warning, &w, &err), &err);
	if (w.n)
		fail_msg("%s", w.text[0]);
	bound_done(&b);
}

#define RULE(more)                                                                             \
	"rules:\n  - { name: x, for: person, class: absence, then: suspend, " more " }\n"
#define SEAT(more) "rules:\n  - { name: x, for: seat, class: inactive, " more " }\n"

static void test_each_doubt_is_told_with_its_line(void **state)
{
	static const struct {
		const char *policy, *says;
		size_t line, more; /* how many warnings there are besides */
	} cases[] = {
		{ RULE("when: 'hr.status eq \"left\"'"), "x.when: byte 0: it is never \"left\"",
		  2, 0 },
		{ RULE("when: 'title ne \"Boss\"'"), "x.when: byte 0: ne is false", 2, 0 },
		{ RULE("when: 'title eq \"\"'"), "x.when: byte 0: an empty text", 2, 0 },
		{ RULE("when: 'title pr', pilot: 'not (idp.status eq \"no\")'"),
		  "x.pilot: byte 5: it is never \"no\"", 2, 0 },
		{ RULE("when: 'accounts[claimStatus eq \"ours\"]'"),
		  "it is never \"ours\", but one of managed, unmanaged", 2, 0 },
		{ RULE("when: 'title pr', automatic: true"), "x.automatic: in mode act nobody",
		  2, 0 },
		{ SEAT("when: 'lastActive lt now-91d', anchor: lastActive + 91d, then: "
		       "free-seat"),
		  "x.then: it takes a seat of which nobody was warned", 2, 0 },
		{ SEAT("when: 'lastActive lt now-91d', anchor: lastActive + 91d, then: [warn, "
		       "free-seat after 2d]"),
		  "x.then: between the warning", 2, 0 },
		{ SEAT("when: 'lastActive lt now-91d', anchor: lastActive + 31d, then: [warn, "
		       "free-seat after 9d]"),
		  "x.anchor: the filter asks for 91 days, the anchor counts from 31", 2, 0 },
		{ "rules: [{ name: x, for: orphan, class: orphan, when: name pr, then: "
		  "[suspend, revoke-tokens] }]\n",
		  "x.then: tokens are revoked", 1, 0 },
		{ "rules: [{ name: x, for: person, class: leaver, when: title pr, then: "
		  "[deactivate] }]\n",
		  "x.then: it deactivates whom it did not suspend", 1, 0 },
		{ "rules: [{ name: x, for: person, class: leaver, when: title pr, then: "
		  "[hand-over] }]\n",
		  "x.then: hand-over waits", 1, 0 },
		{ "evaluate: first\nrules: [{ name: x, for: person, class: leaver, when: "
		  "leaveDate "
		  "pr, then: suspend }]\n",
		  "x.when: it is never reached: rule leaver-hr", 2, 0 },
		{ "rules: [{ name: x, for: person, class: leaver, when: leaveDate pr, then: "
		  "suspend "
		  "}]\n",
		  "x.when: rule leaver-hr asks for the same", 1, 0 },
		{ "limits: { inactive_week: { count: 6 } }\n",
		  "limits.inactive_week: max(6, 5 %)", 1, 0 },
		{ "limits: { push_hour: { share: 1 % } }\n", "limits.push_hour: max(3, 1 %)", 1,
		  0 },
		{ "hand_approval: 0s\n", "policy.hand_approval: after 0 days", 1, 0 },
		{ "settle: 0s\nrules: [{ name: leaver-push, then: suspend }]\n",
		  "leaver-push.settle: it settles", 2, 1 },
		{ "change_hours: { on: false }\n", "policy.change_hours: destructive", 1, 0 },
		{ "flapping: 0\n", "policy.flapping: what somebody gives back", 1, 0 },
		{ "shipped: false\n", "policy.shipped: there is no rule at all", 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct warnings w = { .n = 0 };
		bool found = false;
		struct bound b;
		struct err err;

		bound_make(&b, cases[i].policy);
		assert_ok(policy_lint(&b.conf, b.policy, keep_warning, &w, &err), &err);
		for (size_t k = 0; k < w.n; k++)
			found = found || strstr(w.text[k], cases[i].says);
		if (!found || w.n != cases[i].more + 1 || w.line != cases[i].line)
			fail_msg("%s: %zu warnings, line %zu, first: %s", cases[i].policy, w.n,
				 w.line, w.n ? w.text[0] : "-");
		bound_done(&b);
	}
}

static void test_lost_memory_ends_the_look(void **state)
{
	struct bound b;
	struct err err;

	(void)state;
	bound_make(&b, "flapping: 0\nhand_approval: 0s\n");
	for (long at = 1;; at++) {
		struct warnings w = { .n = 0 };
		int r;

		fault_at(at);
		r = policy_lint(&b.conf, b.policy, keep_warning, &w, &err);
		if (!fault_fired()) {
			assert_int_equal(r, 0);
			assert_int_equal(w.n, 2);
			break;
		}
		assert_int_equal(r, -ERR_NOMEM);
	}
	fault_at(0);
	bound_done(&b);
}

static void test_names_that_are_no_more_are_told(void **state)
{
	struct warnings w = { .n = 0 };
	struct facts *f = NULL;
	struct plan_world world;
	struct bound b;
	struct err err;

	(void)state;
	bound_make(&b, "{}\n");
	world_read(&world,
		   "now 2026-03-02T09:00:00Z\n"
		   "bar old-rule person=1\nbar old-rule person=2\nbar leaver-hr person=1\n"
		   "bar * person=3\n"
		   "protect exemption person=1 rule=gone-too\n"
		   "approved by-badge\napproved email\n");
	world_facts(&world, b.policy, &f);
	assert_ok(policy_lint_names(f, b.policy, keep_warning, &w, &err), &err);
	assert_int_equal(w.n, 3);
	assert_non_null(strstr(w.text[0], "a bar names rule old-rule"));
	assert_non_null(strstr(w.text[1], "a protection names rule gone-too"));
	assert_non_null(strstr(w.text[2], "match rule by-badge was approved"));
	facts_free(f);
	world_free(&world);
	bound_done(&b);
}

/* --- test --- */

#define CASE_HEAD                                                                              \
	"cases:\n"                                                                             \
	"  - name: one\n"                                                                      \
	"    at: 2026-03-02T09:00:00Z\n"                                                       \
	"    zone: Europe/Berlin\n"                                                            \
	"    people:\n"                                                                        \
	"      - name: ada\n"                                                                  \
	"        hr: { employment.lastWorkingDay: 2026-02-27 }\n"                              \
	"      - name: bob\n"                                                                  \
	"        hr: { employment.lastWorkingDay: 2026-02-27 }\n"                              \
	"        account: { admin: yes, org_admin: yes }\n"                                    \
	"      - name: cid\n"                                                                  \
	"        directory: { status: gone, since: 2026-02-20 }\n"                             \
	"      - name: dot\n"                                                                  \
	"        hr: { emails.value: 'dot@a.example,dot@b.example', employment.startDate: "    \
	"'?' }\n"                                                                              \
	"        seats: [ jira last 2025-08-01 added 2025-01-01, confluence ]\n"               \
	"        did: [ warn jira by inactive-jira at 2026-02-01 ]\n"                          \
	"      - name: eve\n"                                                                  \
	"        account: { managed: no }\n"                                                   \
	"      - name: fay\n"                                                                  \
	"        hr: { employment.lastWorkingDay: '?' }\n"

struct told {
	char text[32][ERR_TEXT_BYTES + 300];
	size_t n, bad;
};

static int keep_told(void *ctx, const struct policy_told *in, struct err *err)
{
	struct told *t = ctx;

	(void)err;
	assert_true(t->n < COUNT_OF(t->text));
	assert_int_equal(in->ok, in->why == NULL);
	t->bad += !in->ok;
	(void)snprintf(t->text[t->n++], sizeof(t->text[0]), "%s %s: %s", in->ok ? "ok" : "FAIL",
		       in->expected, in->why ? in->why : "");
	return 0;
}

static int cases_run(const char *text, struct told *told, struct conf_faults *faults,
		     struct err *err)
{
	struct policy_cases cases = { 0 };
	struct policy *p = NULL;
	int r;

	assert_ok(policy_bind(NULL, NULL, &p, err), err);
	r = conf_read_text("c.yaml", str_of(text), policy_cases_keys, &cases, faults, err);
	if (r == 0)
		r = policy_cases_run(&cases, p, faults, keep_told, told, err);
	conf_free(policy_cases_keys, &cases);
	policy_free(p);
	return r;
}

static void test_a_case_holds_what_is_expected(void **state)
{
	struct told t = { .n = 0 };
	struct conf_faults faults = { 0 };
	struct err err;

	(void)state;
	assert_ok(cases_run(CASE_HEAD "    must:\n"
				      "      - suspend ada by leaver-hr\n"
				      "      - suspend cid by leaver-gone\n"
				      "      - free-seat dot/jira by inactive-jira\n"
				      "      - ada\n"
				      "    held:\n"
				      "      - \"suspend bob by leaver-hr: last-admin,admin\"\n"
				      "      - suspend bob\n"
				      "    must_not:\n"
				      "      - deactivate ada\n"
				      "      - dot/confluence\n"
				      "      - eve\n"
				      "      - fay\n"
				      "      - suspend ada by leaver-gone\n"
				      "  - name: read halfway\n"
				      "    at: 2026-03-02\n"
				      "    doubts: { directory: incomplete }\n"
				      "    people:\n"
				      "      - name: cid\n"
				      "        directory: { status: gone, since: 2026-02-20 }\n"
				      "    held: [ \"suspend cid: source-incomplete\" ]\n",
			    &t, &faults, &err),
		  &err);
	for (size_t i = 0; i < t.n; i++)
		if (strncmp(t.text[i], "ok", 2) != 0)
			fail_msg("%s", t.text[i]);
	assert_int_equal(t.n, 12);
	conf_faults_free(&faults);
}

static void test_what_is_not_as_expected_is_said_with_why(void **state)
{
	static const char *const says[] = {
		"FAIL must suspend ada by leaver-gone: it is planned by rule leaver-hr: "
		"leaveDate is",
		"FAIL must suspend bob: ",
		"FAIL must warn dot/confluence: nothing of the kind is planned",
		"FAIL must suspend fay: nothing is planned: rule leaver-hr does nothing here",
		"FAIL held suspend ada: nothing holds it",
		"FAIL held suspend bob: operator: it is held by last-admin,admin",
		"FAIL must not cid: suspend is planned by rule leaver-gone",
	};
	struct told t = { .n = 0 };
	struct conf_faults faults = { 0 };
	struct err err;

	(void)state;
	assert_ok(cases_run(CASE_HEAD "    must:\n"
				      "      - suspend ada by leaver-gone\n"
				      "      - suspend bob\n"
				      "      - warn dot/confluence\n"
				      "      - suspend fay\n"
				      "    held:\n"
				      "      - suspend ada\n"
				      "      - \"suspend bob: operator\"\n"
				      "    must_not:\n"
				      "      - cid\n",
			    &t, &faults, &err),
		  &err);
	assert_int_equal(t.bad, COUNT_OF(says));
	for (size_t i = 0; i < COUNT_OF(says); i++)
		if (strncmp(t.text[i], says[i], strlen(says[i])) != 0)
			fail_msg("%s\n%s", t.text[i], says[i]);
	conf_faults_free(&faults);
}

static void test_what_a_case_may_not_say(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "cases: [{ name: x, at: noon }]\n", "expected a time such as" },
		{ "cases: [{ name: x, at: 2026-03-02, zone: No/Where }]\n", "zone" },
		{ "cases: [{ name: x, at: 2026-03-02, doubts: { hr: odd } }]\n", "found odd" },
		{ "cases: [{ name: x, at: 2026-03-02, doubts: { ldap: stale } }]\n",
		  "found ldap" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, hr: { status: left } "
		  "}] }]\n",
		  "status: found left" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, hr: { since: left } "
		  "}] }]\n",
		  "since: found left" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, hr: { a b: left } }] "
		  "}]\n",
		  "hr" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, hr: { "
		  "employment.lastWorkingDay: soon } }] }]\n",
		  "found soon, expected a date" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, account: { status: "
		  "odd } }] "
		  "}]\n",
		  "status: found odd" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, account: { admin: "
		  "maybe } "
		  "}] }]\n",
		  "admin: found maybe" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, seats: jira lost "
		  "2020-01-01 "
		  "}] }]\n",
		  "expected a product" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a, did: warned }] }]\n",
		  "expected a step" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a }, { name: a }] }]\n",
		  "people" },
		{ "cases: [{ name: x, at: 2026-03-02, must: suspend eve }]\n",
		  "there is nobody called eve" },
		{ "cases: [{ name: x, at: 2026-03-02, people: [{ name: a }], must: suspend a "
		  "at once "
		  "}]\n",
		  "expected such as suspend ada by leaver-hr" },
		{ "cases: [{ name: x, must: a }]\n", "at" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct told t = { .n = 0 };
		struct conf_faults faults = { 0 };
		bool found = false;
		struct err err;

		assert_int_equal(cases_run(cases[i].text, &t, &faults, &err), -ERR_CONFIG);
		for (size_t k = 0; k < faults.n; k++)
			found = found || strstr(faults.v[k], cases[i].says);
		if (!found)
			fail_msg("%s: %s", cases[i].text, faults.n ? faults.v[0] : "no fault");
		conf_faults_free(&faults);
	}
}

static void test_lost_memory_ends_a_case(void **state)
{
	struct policy_cases cases = { 0 };
	struct conf_faults faults = { 0 };
	struct policy *p = NULL;
	struct err err;

	(void)state;
	assert_ok(policy_bind(NULL, NULL, &p, &err), &err);
	assert_ok(conf_read_text("c.yaml", str_of(CASE_HEAD "    must: [ suspend ada ]\n"),
				 policy_cases_keys, &cases, &faults, &err),
		  &err);
	for (long at = 1;; at += 7) {
		struct told t = { .n = 0 };
		int r;

		fault_at(at);
		r = policy_cases_run(&cases, p, &faults, keep_told, &t, &err);
		if (!fault_fired()) {
			assert_int_equal(r, 0);
			assert_int_equal(t.n, 1);
			break;
		}
		/* a comparison that found no room to fold a text is unknown, and a zone that
		   found none to be read in is in doubt: neither acts */
		if (r != -ERR_NOMEM && r != 0)
			fail_msg("allocation %ld lost: %d, %s", at, r,
				 faults.n ? faults.v[0] : "no fault");
	}
	fault_at(0);
	conf_free(policy_cases_keys, &cases);
	conf_faults_free(&faults);
	policy_free(p);
}

/* --- diff --- */

#define DIFF_WORLD                                                                             \
	"now 2026-03-02T09:00:00Z\nsource hr role=hr\nsource corp role=directory\n"            \
	"record hr 1 person=1 employment.lastWorkingDay=2026-02-27\n"                          \
	"record hr 2 person=2\nrecord corp c3 person=3 state=gone since=2026-02-20\n"          \
	"record hr 4 person=4 employment.lastWorkingDay=2026-03-03\n"                          \
	"account a1 number=101 person=1\naccount a2 number=102 person=2\n"                     \
	"account a3 number=103 person=3\naccount a4 number=104 person=4\n"                     \
	"product jira@acme\ngroup g1\ngrant g1 jira@acme\nmember a2 g1\n"                      \
	"seat a2 jira@acme last=2026-01-01 added=2025-01-01\n"

static void differences(const char *policy, char *ret, size_t room)
{
	CLEANUP(vec_policy_difference_done) struct vec_policy_difference v = { 0 };
	struct reconcile_result *results[2] = { NULL };
	struct facts *facts[2] = { NULL };
	struct bound policies[2];
	struct plan_world world;
	struct err err;
	size_t at = 0;

	world_read(&world, DIFF_WORLD);
	bound_make(&policies[0], "{}\n");
	bound_make(&policies[1], policy);
	for (int i = 0; i < 2; i++) {
		world_facts(&world, policies[i].policy, &facts[i]);
		assert_ok(reconcile(facts[i], policies[i].policy, &results[i], &err), &err);
	}
	assert_ok(policy_differences(results[0], results[1], facts[0]->round.now_ms, &v, &err),
		  &err);
	ret[0] = '\0';
	for (size_t i = 0; i < v.n && at < room; i++) {
		const struct action *a = v.v[i].is ? v.v[i].is : v.v[i].was;

		at += (size_t)snprintf(
			ret + at, room - at, "%s %s %s %llu%s%s\n",
			policy_change_word(v.v[i].change), a->rule, action_kinds[a->kind].word,
			(unsigned long long)a->account, v.v[i].how[0] ? ": " : "", v.v[i].how);
	}
	for (int i = 0; i < 2; i++) {
		reconcile_result_free(results[i]);
		facts_free(facts[i]);
		bound_done(&policies[i]);
	}
	world_free(&world);
}

static void test_another_policy_is_told_by_what_it_does(void **state)
{
	static const struct {
		const char *policy, *says;
	} cases[] = {
		{ "{}\n", "" },
		/* what is over does not matter, only what is ahead */
		{ "leave_time: \"17:00\"\n",
		  "changed leaver-hr suspend 104: due 2026-03-04T00:00:00Z before\n" },
		{ "rules: [{ name: leaver-gone, off: true }]\n",
		  "gone leaver-gone suspend 103\n" },
		{ "rules:\n"
		  "  - { name: idle, for: seat, when: product eq \"jira\" and lastActive lt "
		  "now-31d, "
		  "anchor: lastActive + 31d, class: inactive, then: warn }\n",
		  "new idle warn 102\n" },
		{ "protections: [{ name: x, when: leaveDate lt now, owner: i, reason: r }]\n",
		  "changed leaver-hr suspend 101: held by nothing before; needed 1 before\n" },
		{ "shipped: false\nrules: [{ name: leaver-hr, for: person, when: leaveDate pr, "
		  "anchor: leaveDate, class: leaver, then: suspend }, { name: away, for: "
		  "person, "
		  "when: directory.status eq \"gone\", anchor: directory.since, class: "
		  "absence, then: "
		  "suspend }]\n",
		  "changed away suspend 103: by rule leaver-gone before\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[4096];

		differences(cases[i].policy, text, sizeof(text));
		if (strcmp(text, cases[i].says) != 0)
			fail_msg("%s\nis told as\n%snot\n%s", cases[i].policy, text,
				 cases[i].says);
	}
}

/* Whoever saw the plan before wants to know what is new, then what is gone. */
static void test_a_plan_is_held_against_the_one_before_it(void **state)
{
	static const char was[] = "shipped: false\nrules: [{ name: ends, for: person, when: "
				  "leaveDate pr, anchor: "
				  "leaveDate, class: leaver, then: suspend }]\n";
	static const char is[] =
		"shipped: false\nrules: [{ name: away, for: person, when: directory.status eq "
		"\"gone\", anchor: directory.since, class: leaver, then: suspend }, { name: "
		"over, "
		"for: person, when: leaveDate lt now, anchor: leaveDate, class: leaver, then: "
		"suspend }]\n";
	CLEANUP(vec_policy_difference_done) struct vec_policy_difference v = { 0 };
	struct reconcile_result *results[2] = { NULL };
	struct facts *facts[2] = { NULL };
	struct bound policies[2];
	struct plan_world world;
	char text[512] = "";
	struct err err;
	size_t at = 0;

	(void)state;
	world_read(&world, DIFF_WORLD);
	bound_make(&policies[0], was);
	bound_make(&policies[1], is);
	for (int i = 0; i < 2; i++) {
		world_facts(&world, policies[i].policy, &facts[i]);
		assert_ok(reconcile(facts[i], policies[i].policy, &results[i], &err), &err);
	}
	assert_ok(plan_differences(results[0]->plans[PLAN_URGENT],
				   results[1]->plans[PLAN_URGENT], facts[0]->round.now_ms, &v,
				   &err),
		  &err);
	for (size_t i = 0; i < v.n; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s %llu; ",
			policy_change_word(v.v[i].change),
			(unsigned long long)(v.v[i].is ? v.v[i].is : v.v[i].was)->account);
	assert_string_equal(text, "new 103; gone 104; changed 101; ");
	for (int i = 0; i < 2; i++) {
		reconcile_result_free(results[i]);
		facts_free(facts[i]);
		bound_done(&policies[i]);
	}
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_shipped_policy_needs_no_second_look),
		cmocka_unit_test(test_each_doubt_is_told_with_its_line),
		cmocka_unit_test(test_lost_memory_ends_the_look),
		cmocka_unit_test(test_names_that_are_no_more_are_told),
		cmocka_unit_test(test_a_case_holds_what_is_expected),
		cmocka_unit_test(test_what_is_not_as_expected_is_said_with_why),
		cmocka_unit_test(test_what_a_case_may_not_say),
		cmocka_unit_test(test_lost_memory_ends_a_case),
		cmocka_unit_test(test_another_policy_is_told_by_what_it_does),
		cmocka_unit_test(test_a_plan_is_held_against_the_one_before_it),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	zone_done();
	return r;
}
