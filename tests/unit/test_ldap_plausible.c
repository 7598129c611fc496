#include "tests/lib/test.h"

#include "base/stamp.h"
#include "ldap/plausible.h"

#define THEN 1795338000000LL /* 2026-11-22T09:00:00Z */
#define NOW (THEN + STAMP_HOUR_MS)

static struct dir_options settings(void)
{
	return (struct dir_options){
		.minimum = 1, .drop_count = 3, .drop_share = 0.02, .attribute_drop = 0.2
	};
}

static void attr_put(struct dir_verdict *v, const char *name, bool state, uint64_t with)
{
	struct dir_attr_stat a = { .name = strdup(name),
				   .with = with,
				   .state = state,
				   .base_with = with,
				   .base_entries = v->entries };

	assert_int_equal(dir_paths_add(&a.paths, strdup(state ? "active" : name)), 0);
	assert_int_equal(dir_attr_stats_add(&v->attrs, a), 0);
}

static void branch_put(struct dir_verdict *v, const char *dn, uint64_t entries)
{
	assert_int_equal(
		dir_branches_add(&v->branches, (struct dir_branch){ strdup(dn), entries }), 0);
}

static void water_put(struct dir_verdict *v, const char *name, const char *value)
{
	assert_int_equal(
		dir_waters_add(&v->waters, (struct dir_water){ strdup(name), strdup(value) }),
		0);
}

static struct dir_verdict verdict(uint64_t entries)
{
	struct dir_verdict v = { .complete = true,
				 .entries = entries,
				 .pages = 3,
				 .attempts = 1,
				 .started_ms = THEN,
				 .kind = DIR_OPENLDAP,
				 .uri = strdup("ldaps://one.example.test"),
				 .base_id = strdup("5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1") };

	memset(v.question, 'a', 64);
	return v;
}

static bool has(const struct dir_judgement *j, enum dir_reason_kind kind)
{
	for (size_t i = 0; i < j->reasons.n; i++)
		if (j->reasons.v[i].kind == kind)
			return true;
	return false;
}

static void judge(struct dir_verdict *now, const struct dir_verdict *before,
		  const struct dir_options *o, struct dir_judgement *j)
{
	struct err err;

	assert_ok(dir_plausible(now, before, o, NOW, j, &err), &err);
}

static void test_sizes_are_held_against_bounds_and_the_last_read(void **state)
{
	static const struct {
		uint64_t before, now; /* before 0: no read before */
		int reason;           /* -1: plausible */
	} cases[] = {
		{ 0, 0, DIR_REASON_MINIMUM },
		{ 0, 1, -1 },
		{ 0, 100062, -1 },
		{ 100, 100, -1 },
		{ 100, 97, -1 },
		{ 100, 96, DIR_REASON_DROP },
		{ 1010, 990, -1 },
		{ 1010, 989, DIR_REASON_DROP },
		{ 100, 100000 + 1, -1 },
		{ 10, 0, DIR_REASON_DROP },
		/* where servers stop; a total that was accepted before is fine */
		{ 0, 500, DIR_REASON_ROUND },
		{ 501, 500, DIR_REASON_ROUND },
		{ 500, 500, -1 },
		{ 0, 1000, DIR_REASON_ROUND },
		{ 0, 15000, DIR_REASON_ROUND },
		{ 0, 20000, DIR_REASON_ROUND },
		{ 0, 999, -1 },
	};
	struct dir_options o = settings();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_verdict before = verdict(cases[i].before),
				   now = verdict(cases[i].now);
		struct dir_judgement j;

		judge(&now, cases[i].before ? &before : NULL, &o, &j);
		if (j.plausible != (cases[i].reason < 0) ||
		    (cases[i].reason >= 0 && !has(&j, (enum dir_reason_kind)cases[i].reason)))
			fail_msg("%llu after %llu: %s", (unsigned long long)cases[i].now,
				 (unsigned long long)cases[i].before,
				 j.reasons.n ? j.reasons.v[0].text : "plausible");
		assert_int_equal(j.absences_count, j.plausible);
		dir_judgement_done(&j);
		dir_verdict_done(&before);
		dir_verdict_done(&now);
	}
}

static void test_an_incomplete_read_is_never_plausible_and_its_numbers_say_nothing(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict before = verdict(1234), now = verdict(4);
	struct dir_judgement j;

	(void)state;
	now.complete = false;
	now.code = ERR_NETWORK;
	snprintf(now.why, sizeof(now.why), "page 3 of ou=people: connection lost");
	judge(&now, &before, &o, &j);
	assert_false(j.plausible);
	assert_false(j.absences_count);
	assert_int_equal(j.reasons.n, 1);
	assert_int_equal(j.reasons.v[0].kind, DIR_REASON_INCOMPLETE);
	assert_string_equal(j.reasons.v[0].text, now.why);
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&now);
}

static void test_what_the_server_counts_and_does_not_show_is_hidden(void **state)
{
	static const struct {
		uint64_t count_before, shown_before, count, shown;
		bool hidden;
	} cases[] = {
		{ 1003, 1000, 1003, 996, true },
		{ 1003, 1000, 1001, 994, true },   /* two of the six are really gone */
		{ 1003, 1000, 1003, 997, false },  /* three say nothing */
		{ 1003, 1000, 999, 996, false },   /* they left */
		{ 1003, 1000, 908, 900, false },   /* moved into five places made for them */
		{ 1003, 1000, 1080, 1000, false }, /* others than people were made there */
		{ 1003, 1000, 1010, 1007, false },
		{ 0, 0, 1003, 900, false }, /* one of the two was not told */
		{ 1003, 1000, 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_options o = settings();
		struct dir_verdict before = verdict(1000), now = verdict(996);
		struct dir_judgement j;

		o.drop_count = 100; /* so that nothing else is against it */
		before.own_count = cases[i].count_before;
		before.own_shown = cases[i].shown_before;
		now.own_count = cases[i].count;
		now.own_shown = cases[i].shown;
		judge(&now, &before, &o, &j);
		if (has(&j, DIR_REASON_SHOWN) != cases[i].hidden ||
		    j.plausible == cases[i].hidden)
			fail_msg("row %zu", i);
		dir_judgement_done(&j);
		dir_verdict_done(&before);
		dir_verdict_done(&now);
	}
}

static void test_a_place_that_lost_everybody_is_told_even_below_the_bound(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict before = verdict(1200), hidden = verdict(1185),
			   moved = verdict(1200);
	struct dir_judgement j;

	(void)state;
	branch_put(&before, "ou=berlin,dc=x", 1185);
	branch_put(&before, "ou=sydney,dc=x", 15);
	branch_put(&before, "ou=attic,dc=x", 4);
	branch_put(&hidden, "ou=berlin,dc=x", 1185);
	judge(&hidden, &before, &o, &j);
	assert_false(j.plausible);
	assert_true(has(&j, DIR_REASON_BRANCH));
	assert_non_null(strstr(j.reasons.v[0].text, "ou=sydney"));
	assert_int_equal(j.reasons.n, 1); /* four people may leave an attic */
	dir_judgement_done(&j);
	branch_put(&moved, "ou=berlin,dc=x", 1200);
	judge(&moved, &before, &o, &j);
	assert_true(j.plausible);
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&hidden);
	dir_verdict_done(&moved);
}

static void test_shares_that_collapse_hide_their_attribute(void **state)
{
	static const struct {
		bool state;
		uint64_t before, now;
		int reason; /* -1: fine; of 1000 people */
	} cases[] = {
		{ false, 900, 900, -1 },
		{ false, 900, 730, -1 },
		{ false, 900, 700, DIR_REASON_SCHEMA },
		{ false, 900, 0, DIR_REASON_SCHEMA },
		{ false, 0, 900, -1 },
		/* locks come and go: half of them may, all may not */
		{ true, 20, 11, -1 },
		{ true, 20, 9, DIR_REASON_SCHEMA },
		{ true, 20, 0, DIR_REASON_SCHEMA },
		{ true, 4, 0, DIR_REASON_SCHEMA },
		/* so few that the read stands, and the attribute does not */
		{ true, 3, 0, DIR_REASON_HIDDEN },
		{ true, 1, 0, DIR_REASON_HIDDEN },
		{ true, 2, 1, -1 },
		{ true, 0, 0, -1 },
	};
	struct dir_options o = settings();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct dir_verdict before = verdict(1001), now = verdict(1001);
		struct dir_judgement j;
		int reason = cases[i].reason;

		attr_put(&before, "theirs", cases[i].state, cases[i].before);
		attr_put(&now, "THEIRS", cases[i].state, cases[i].now);
		judge(&now, &before, &o, &j);
		if (now.attrs.v[0].unknown != (reason >= 0) ||
		    j.plausible != (reason != DIR_REASON_SCHEMA) ||
		    (reason >= 0 && !has(&j, (enum dir_reason_kind)reason)))
			fail_msg("%d then %d: %s", (int)cases[i].before, (int)cases[i].now,
				 j.reasons.n ? j.reasons.v[0].text : "fine");
		/* the next read is held against the last good one */
		assert_int_equal(now.attrs.v[0].base_with,
				 reason >= 0 ? cases[i].before : cases[i].now);
		dir_judgement_done(&j);
		dir_verdict_done(&before);
		dir_verdict_done(&now);
	}
}

static void test_a_hidden_attribute_stays_hidden_until_seen_or_accepted(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict one = verdict(1001), two = verdict(1001), three = verdict(1001),
			   four = verdict(1001);
	struct dir_judgement j;

	(void)state;
	attr_put(&one, "pwdAccountLockedTime", true, 2);
	attr_put(&two, "pwdAccountLockedTime", true, 0);
	attr_put(&three, "pwdAccountLockedTime", true, 0);
	attr_put(&four, "pwdAccountLockedTime", true, 0);
	judge(&two, &one, &o, &j);
	assert_true(j.plausible && j.absences_count);
	assert_true(two.attrs.v[0].unknown);
	dir_judgement_done(&j);
	judge(&three, &two, &o, &j);
	assert_true(three.attrs.v[0].unknown);
	dir_judgement_done(&j);
	dir_verdict_accept(&three);
	assert_false(three.attrs.v[0].unknown);
	judge(&four, &three, &o, &j);
	assert_false(four.attrs.v[0].unknown);
	assert_int_equal(j.reasons.n, 0);
	dir_judgement_done(&j);
	dir_verdict_done(&one);
	dir_verdict_done(&two);
	dir_verdict_done(&three);
	dir_verdict_done(&four);
}

static void test_what_a_canary_found_hidden_is_kept_also_when_the_read_is_accepted(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict before = verdict(1001), now = verdict(1001);
	struct dir_judgement j;

	(void)state;
	attr_put(&before, "mail", false, 900);
	attr_put(&now, "mail", false, 0);
	now.attrs.v[0].unknown = true;
	now.attrs.v[0].why = strdup("canary number 1 has it and does not show it");
	judge(&now, &before, &o, &j);
	assert_true(j.plausible);
	assert_true(has(&j, DIR_REASON_HIDDEN));
	assert_int_equal(now.attrs.v[0].base_with, 900);
	dir_judgement_done(&j);
	dir_verdict_accept(&now);
	assert_true(now.attrs.v[0].unknown);
	dir_verdict_done(&before);
	dir_verdict_done(&now);
}

static void test_another_directory_is_another_identity(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict before = verdict(101), now = verdict(101);
	struct dir_judgement j;

	(void)state;
	now.base_id[0] = '6';
	judge(&now, &before, &o, &j);
	assert_true(j.identity_changed);
	assert_false(j.plausible);
	dir_judgement_done(&j);
	now.base_id[0] = '5';
	now.kind = DIR_389;
	judge(&now, &before, &o, &j);
	assert_true(j.identity_changed);
	dir_judgement_done(&j);
	/* a server that shows no id cannot be held against one */
	now.kind = DIR_OPENLDAP;
	free(now.base_id);
	now.base_id = NULL;
	judge(&now, &before, &o, &j);
	assert_false(j.identity_changed);
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&now);
}

static void test_another_question_or_server_is_plausible_and_counts_no_absence(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict before = verdict(101), now = verdict(101);
	struct dir_judgement j;

	(void)state;
	now.question[0] = 'b';
	judge(&now, &before, &o, &j);
	assert_true(j.plausible && !j.absences_count && has(&j, DIR_REASON_QUESTION));
	dir_judgement_done(&j);
	now.question[0] = 'a';
	now.uri[8] = 't';
	judge(&now, &before, &o, &j);
	assert_true(j.plausible && !j.absences_count && has(&j, DIR_REASON_SERVER));
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&now);
}

static void test_older_data_than_last_time_is_not_believed(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict before = verdict(101), now = verdict(101);
	struct dir_judgement j;

	(void)state;
	water_put(&before, "csn:001", "20261122090000.000000Z#000000");
	water_put(&now, "csn:001", "20261122100000.000000Z#000000");
	water_put(&now, "csn:002", "20200101000000.000000Z#000000"); /* new to us */
	judge(&now, &before, &o, &j);
	assert_true(j.plausible);
	dir_judgement_done(&j);
	judge(&before, &now, &o, &j);
	assert_true(has(&j, DIR_REASON_BEHIND));
	assert_false(j.plausible);
	dir_judgement_done(&j);
	/* a clock that was set back */
	now.started_ms = NOW + STAMP_DAY_MS;
	dir_waters_free(&now.waters);
	judge(&before, &now, &o, &j);
	assert_true(has(&j, DIR_REASON_BEHIND));
	dir_judgement_done(&j);
	dir_verdict_done(&before);
	dir_verdict_done(&now);
}

static void test_reasons_are_complete_rows_and_become_json(void **state)
{
	struct dir_options o = settings();
	struct dir_verdict now = verdict(0);
	struct dir_judgement j;
	json_t *json = NULL;
	struct buf text;
	struct err err;

	(void)state;
	for (int i = 0; i < DIR_REASON_COUNT; i++) {
		assert_non_null(dir_reason_traits[i].word);
		assert_non_null(dir_reason_traits[i].guard);
	}
	assert_int_equal(dir_canaries_add(&now.canaries,
					  (struct dir_canary){ strdup("uid=x"), false, NULL }),
			 0);
	now.entries = 5;
	judge(&now, NULL, &o, &j);
	assert_ok(dir_judgement_json(&j, &json, &err), &err);
	buf_init(&text, 10000);
	assert_ok(jx_canonical(json, &text, &err), &err);
	assert_string_equal(text.p,
			    "[{\"guard\":\"canary\",\"reason\":\"canary\",\"refuses\":true,"
			    "\"text\":\"canary number 1 of the settings was not seen\"}]");
	buf_done(&text);
	json_decref(json);
	dir_judgement_done(&j);
	dir_verdict_done(&now);
}

static struct dir_verdict full(void)
{
	struct dir_verdict v = verdict(1001);

	v.vendor = strdup("389 Project");
	v.server_id = strdup("CN=DC1");
	v.who = strdup("dn:cn=bridge");
	v.duration_ms = 1234;
	v.deleted = 3;
	v.own_count = 1004;
	v.own_shown = 1001;
	v.twice = 1;
	v.states[4] = 20;
	attr_put(&v, "mail", false, 900);
	attr_put(&v, "pwdAccountLockedTime", true, 0);
	v.attrs.v[1].unknown = v.attrs.v[1].judged = true;
	v.attrs.v[1].why = strdup("nobody has it");
	branch_put(&v, "ou=people,dc=x", 1001);
	water_put(&v, "csn:001", "20261122090000Z#000000");
	assert_int_equal(
		dir_canaries_add(&v.canaries,
				 (struct dir_canary){ strdup("uid=x"), true, strdup("mail") }),
		0);
	return v;
}

static void test_a_verdict_kept_as_json_is_the_same_when_it_comes_back(void **state)
{
	struct dir_verdict v = full(), back = { 0 };
	json_t *one = NULL, *two = NULL;
	struct err err;

	(void)state;
	assert_ok(dir_verdict_json(&v, &one, &err), &err);
	assert_ok(dir_verdict_from_json(one, &back, &err), &err);
	assert_ok(dir_verdict_json(&back, &two, &err), &err);
	assert_true(json_equal(one, two));
	assert_int_equal(back.entries, 1001);
	assert_int_equal(back.own_count, 1004);
	assert_int_equal(back.own_shown, 1001);
	assert_int_equal(back.states[4], 20);
	assert_true(back.attrs.v[1].judged);
	assert_string_equal(back.branches.v[0].dn, "ou=people,dc=x");
	json_decref(one);
	json_decref(two);
	dir_verdict_done(&back);

	v.complete = false;
	v.code = ERR_TIMEOUT;
	snprintf(v.why, sizeof(v.why), "too slow");
	one = NULL;
	assert_ok(dir_verdict_json(&v, &one, &err), &err);
	assert_ok(dir_verdict_from_json(one, &back, &err), &err);
	assert_false(back.complete);
	assert_int_equal(back.code, ERR_TIMEOUT);
	assert_string_equal(back.why, "too slow");
	json_decref(one);
	dir_verdict_done(&back);
	dir_verdict_done(&v);
}

static void test_json_that_is_no_verdict_is_refused(void **state)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		"{\"complete\":true}",
		"{\"complete\":1,\"kind\":\"ad\",\"entries\":1}",
		"{\"complete\":true,\"kind\":\"ad\",\"entries\":1,\"attributes\":[{}]}",
		"{\"complete\":true,\"kind\":\"ad\",\"entries\":1,\"canaries\":[{\"seen\":true}"
		"]}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		json_t *j = json_loads(texts[i], 0, NULL);
		struct dir_verdict v = { 0 };
		struct err err;

		assert_fault(dir_verdict_from_json(j, &v, &err), ERR_PROTOCOL, &err, "verdict");
		json_decref(j);
	}
}

static void test_json_forms_survive_each_lost_allocation(void **state)
{
	struct dir_verdict v = full();
	struct err err;
	int nth = 0, r;

	(void)state;
	fault_install();
	do {
		json_t *j = NULL;
		struct dir_verdict back = { 0 };

		fault_at(++nth);
		r = dir_verdict_json(&v, &j, &err);
		if (r == 0)
			r = dir_verdict_from_json(j, &back, &err);
		assert_true(r == 0 || r == -ERR_NOMEM);
		json_decref(j);
		dir_verdict_done(&back);
	} while (fault_fired());
	assert_ok(r, &err);
	assert_true(nth > 50);
	dir_verdict_done(&v);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_are_held_against_bounds_and_the_last_read),
		cmocka_unit_test(
			test_an_incomplete_read_is_never_plausible_and_its_numbers_say_nothing),
		cmocka_unit_test(test_what_the_server_counts_and_does_not_show_is_hidden),
		cmocka_unit_test(test_a_place_that_lost_everybody_is_told_even_below_the_bound),
		cmocka_unit_test(test_shares_that_collapse_hide_their_attribute),
		cmocka_unit_test(test_a_hidden_attribute_stays_hidden_until_seen_or_accepted),
		cmocka_unit_test(
			test_what_a_canary_found_hidden_is_kept_also_when_the_read_is_accepted),
		cmocka_unit_test(test_another_directory_is_another_identity),
		cmocka_unit_test(
			test_another_question_or_server_is_plausible_and_counts_no_absence),
		cmocka_unit_test(test_older_data_than_last_time_is_not_believed),
		cmocka_unit_test(test_reasons_are_complete_rows_and_become_json),
		cmocka_unit_test(test_a_verdict_kept_as_json_is_the_same_when_it_comes_back),
		cmocka_unit_test(test_json_that_is_no_verdict_is_refused),
		cmocka_unit_test(test_json_forms_survive_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
