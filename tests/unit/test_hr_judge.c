#include "tests/unit/hr_world.h"

#include "base/stamp.h"
#include "hr/judge.h"
#include "model/snapshot.h"

#define NOW_MS 1800000000000LL
#define OPTIONS                                                                                \
	"kind: %s\nkey: No\nmap: { userName: Mail, employment.lastWorkingDay: End "            \
	"}\nminimum: 10\n"

/* What the judgement says of n people after m, both of some age; the words of its reasons. */
static const struct {
	const char *kind;
	uint64_t people, before; /* 0: there was none before */
	int64_t age_h, before_age_h;
	bool newline;
	const char *words;
	unsigned doubts;
} cases[] = {
	{ "full", 100, 100, 1, 25, true, "", 0 },
	{ "full", 100, 0, 1, 0, true, "", 0 },
	{ "full", 97, 100, 1, 25, true, "", 0 }, /* three fewer are always believed */
	{ "full", 96, 100, 1, 25, true, "drop", DOUBT_IMPLAUSIBLE },
	{ "full", 980, 1000, 1, 25, true, "", 0 }, /* 2 % */
	{ "full", 979, 1000, 1, 25, true, "drop", DOUBT_IMPLAUSIBLE },
	{ "full", 150, 100, 1, 25, true, "", 0 },
	{ "full", 151, 100, 1, 25, true, "growth", DOUBT_IMPLAUSIBLE },
	{ "full", 9, 0, 1, 0, true, "minimum", DOUBT_IMPLAUSIBLE },
	{ "full", 0, 100, 1, 25, true, "minimum drop", DOUBT_IMPLAUSIBLE },
	{ "full", 100, 100, 36, 60, true, "", 0 },
	{ "full", 100, 100, 37, 60, true, "old", DOUBT_STALE },
	{ "full", 100, 100, 25, 1, true, "behind", DOUBT_STALE },
	{ "full", 100, 100, 1, 25, false, "cut", DOUBT_IMPLAUSIBLE },
	{ "full", 100, 0, 1, 0, false, "", 0 }, /* the first may end so */
	{ "delta", 0, 100, 1, 25, true, "", 0 },
	{ "delta", 500, 1, 1, 25, true, "", 0 },
	{ "ended-only", 2, 100, 40, 60, true, "old", DOUBT_STALE },
};

static void test_an_export_is_held_against_the_last_accepted_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct hr_verdict now = { .complete = true,
					  .people = cases[i].people,
					  .date_ms = NOW_MS - cases[i].age_h * STAMP_HOUR_MS,
					  .final_newline = cases[i].newline };
		struct hr_verdict before = { .complete = true,
					     .people = cases[i].before,
					     .date_ms = NOW_MS -
							cases[i].before_age_h * STAMP_HOUR_MS,
					     .final_newline = true };
		struct hr_reasons reasons = { 0 };
		struct hr_options o;
		struct err err;
		char yaml[512], words[128] = "";

		snprintf(yaml, sizeof(yaml), OPTIONS, cases[i].kind);
		hr_options_read(yaml, &o);
		assert_ok(hr_judge(&now, cases[i].before ? &before : NULL, &o, NOW_MS, &reasons,
				   &err),
			  &err);
		for (size_t k = 0; k < reasons.n; k++) {
			size_t at = strlen(words);

			snprintf(words + at, sizeof(words) - at, "%s%s", at ? " " : "",
				 hr_reason_traits[reasons.v[k].kind].word);
		}
		if (strcmp(words, cases[i].words) != 0 ||
		    hr_reasons_doubts(&reasons) != cases[i].doubts)
			fail_msg("row %zu: \"%s\", not \"%s\"", i, words, cases[i].words);
		hr_reasons_free(&reasons);
		conf_free(hr_option_keys, &o);
	}
}

static void test_too_many_changes_at_once_are_not_believed(void **state)
{
	static const struct {
		int64_t known, changed;
		bool believed;
	} rows[] = { { 50, 20, true },
		     { 50, 21, false },
		     { 1000, 200, true },
		     { 1000, 201, false },
		     { 0, 0, true } };
	struct hr_options o;
	struct err err;

	(void)state;
	hr_options_read("kind: full\nkey: No\nmap: { userName: Mail }\n", &o);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct hr_reasons reasons = { 0 };

		assert_ok(hr_judge_changes(rows[i].known, rows[i].changed, &o, &reasons, &err),
			  &err);
		assert_int_equal(reasons.n == 0, rows[i].believed);
		hr_reasons_free(&reasons);
	}
	conf_free(hr_option_keys, &o);
}

static void test_columns_that_come_and_go_are_a_note(void **state)
{
	char no[] = "No", mail[] = "Mail", cost[] = "Cost centre";
	char *now_columns[] = { no, mail, cost }, *before_columns[] = { no, mail };
	struct hr_verdict now = { .people = 20,
				  .final_newline = true,
				  .columns = { now_columns, 3, 3 } };
	struct hr_verdict before = { .people = 20,
				     .final_newline = true,
				     .columns = { before_columns, 2, 2 } };
	struct hr_reasons reasons = { 0 };
	struct hr_options o;
	struct err err;

	(void)state;
	hr_options_read("kind: full\nkey: No\nmap: { userName: Mail }\n", &o);
	assert_ok(hr_judge(&now, &before, &o, NOW_MS, &reasons, &err), &err);
	assert_int_equal(reasons.n, 1);
	assert_non_null(strstr(reasons.v[0].text, "\"Cost centre\" is new"));
	assert_int_equal(hr_reasons_doubts(&reasons), 0);
	hr_reasons_free(&reasons);
	assert_ok(hr_judge(&before, &now, &o, NOW_MS, &reasons, &err), &err);
	assert_non_null(strstr(reasons.v[0].text, "\"Cost centre\" is gone"));
	hr_reasons_free(&reasons);
	conf_free(hr_option_keys, &o);
}

/* --- the settings --------------------------------------------------------------------------
 */

static void test_settings_that_would_have_to_be_guessed_are_refused(void **state)
{
	static const struct {
		const char *yaml, *says;
	} rows[] = {
		{ "key: No\nmap: { userName: Mail }\n",
		  "kind: found nothing, expected one of full, "
		  "delta, ended-only" },
		{ "kind: full\nmap: { userName: Mail }\n", "key: is missing" },
		{ "kind: full\nkey: No\n", "map: is missing" },
		{ "kind: full\nkey: No\nmap: { userNome: Mail }\n", "map: " },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\ndates: { End: dd/mm/yy }\n",
		  "no form of dates" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\npath: /a\nfolder: /b\n",
		  "path or folder, not both" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\npattern: x\n",
		  "without folder" },
		{ "kind: ended-only\nkey: No\nmap: { userName: Mail }\n", "lastWorkingDay" },
		{ "kind: delta\nkey: No\nmap: { userName: Mail }\ncanaries: [a]\n",
		  "only a full export shows everybody" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\ntime_zone: Mars/Base\n",
		  "time_zone" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\nchecksum: true\n",
		  "needs path or folder" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\npath: /a\nsigned_by: [abc]\n",
		  "no minisign key" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\nexpect: { Mail: '(' }\n",
		  "Mail" },
		{ "kind: full\nkey: No\nmap: { userName: Mail }\nformat: ldif\ndelimiter: "
		  "tab\n",
		  "LDIF has none" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct hr_options o = { 0 };
		struct err err = { 0 };
		int r = conf_read_text("test.yaml", str_of(rows[i].yaml), hr_option_keys, &o,
				       NULL, &err);

		if (r == 0)
			r = hr_options_check(&o, NULL, &err);
		if (r != -ERR_CONFIG || !strstr(err.text, rows[i].says))
			fail_msg("row %zu: %d \"%s\"", i, r, err.text);
		conf_free(hr_option_keys, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_export_is_held_against_the_last_accepted_one),
		cmocka_unit_test(test_too_many_changes_at_once_are_not_believed),
		cmocka_unit_test(test_columns_that_come_and_go_are_a_note),
		cmocka_unit_test(test_settings_that_would_have_to_be_guessed_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
