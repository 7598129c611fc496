/* Pages of reports, business time, and what is sealed. */
#include "tests/lib/test.h"

#include "bridge/business.h"
#include "bridge/report_html.h"
#include "bridge/sealed.h"

static const struct export_column columns[] = {
	{ "who", EXPORT_TEXT, 0, "" },
	{ "seats", EXPORT_INT, 0, "" },
	{ "perMonth", EXPORT_DECIMAL, 0, "" },
	{ "paths", EXPORT_LIST, 0, "" },
	{ "at", EXPORT_TIME, 0, "" },
	{ "ok", EXPORT_BOOL, 0, "" },
	{ 0 },
};
static const struct report report = {
	.name = "test",
	.title = "Seats & <more>",
	.about = "What it is \"about\".",
	.columns = columns,
	.totals = 1 << 1,
	.label = "who",
	.series = { "seats" },
};

static char *page_of(const char *json, int *ret, struct err *err)
{
	json_t *answer = json_loads(json, 0, NULL);
	struct buf page;
	char *text;

	assert_non_null(answer);
	buf_init(&page, 1 << 20);
	*ret = report_html(&report, answer, &page, err);
	text = *ret == 0 ? buf_take(&page, NULL) : NULL;
	buf_done(&page);
	json_decref(answer);
	return text;
}

static const char full[] =
	"{\"instance\":\"<b>acme</b>\",\"made_ms\":1795338000000,\"rows\":["
	"[\"<script>alert(1)</script>\",3,1234,[\"a&b\",\"c\"],1795338000000,true],"
	"[\"x\\u0007\\\"onload='y\",1,-5,[],null,null]],"
	"\"totals\":[null,4,null,null,null,null],\"notes\":[\"1 < 2\"]}";

static void test_nothing_of_a_value_becomes_markup(void **state)
{
	struct err err;
	char *page;
	int r;

	(void)state;
	page = page_of(full, &r, &err);
	assert_ok(r, &err);
	assert_null(strstr(page, "<script"));
	assert_null(strstr(page, "<b>"));
	assert_null(strstr(page, "x\a"));
	assert_non_null(strstr(page, "&lt;script&gt;alert(1)<wbr>&lt;/<wbr>script&gt;"));
	assert_non_null(strstr(page, "x &quot;onload=&#39;y"));
	assert_non_null(strstr(page, "Seats &amp; &lt;more&gt;"));
	assert_non_null(strstr(page, "<li>1 &lt; 2</li>"));
	assert_non_null(strstr(page, "<td>a&amp;b; c</td>"));
	free(page);
}

static void test_numbers_times_and_sums_are_told(void **state)
{
	struct err err;
	char *page;
	int r;

	(void)state;
	page = page_of(full, &r, &err);
	assert_ok(r, &err);
	assert_non_null(strstr(page, "<td class=\"n\">12.34</td>"));
	assert_non_null(strstr(page, "<td class=\"n\">-0.05</td>"));
	assert_non_null(strstr(page, "datetime=\"2026-11-22T09:00:00Z\">2026-11-22 09:00Z"));
	assert_non_null(strstr(page, "<span class=\"soft\">\xe2\x80\x93</span>"));
	assert_non_null(strstr(page, "<th scope=\"row\">All</th><td class=\"n\">4</td>"));
	assert_non_null(strstr(page, "<th scope=\"col\" class=\"n\">per month</th>"));
	/* the longest bar has all the width, the other a third */
	assert_non_null(strstr(page, "width=\"470\" height=\"16\""));
	assert_non_null(strstr(page, "width=\"156\" height=\"16\""));
	free(page);
}

static void test_a_page_without_rows_has_no_chart(void **state)
{
	struct err err;
	char *page;
	int r;

	(void)state;
	page = page_of("{\"instance\":\"a\",\"made_ms\":1,\"rows\":[],\"notes\":[]}", &r, &err);
	assert_ok(r, &err);
	assert_null(strstr(page, "<svg"));
	assert_non_null(strstr(page, ": 0 rows</caption>"));
	free(page);
}

static void test_a_page_that_grows_too_long_is_a_fault(void **state)
{
	json_t *answer = json_loads(full, 0, NULL);
	struct buf page;
	struct err err;

	(void)state;
	buf_init(&page, 3000);
	assert_fault(report_html(&report, answer, &page, &err), ERR_LIMIT, &err, "page");
	buf_done(&page);
	json_decref(answer);
}

static int64_t at(const char *text)
{
	int64_t ms = 0;

	assert_true(stamp_parse(str_of(text), &ms));
	return ms;
}

/* Bars of a page about rows of [text, number], by what the report says of its chart. */
static char *chart_page(struct report *of, const char *rows, struct err *err)
{
	static const struct export_column two[] = {
		{ "what", EXPORT_TEXT, 0, "" },
		{ "days", EXPORT_INT, 0, "" },
		{ 0 },
	};
	char json[8000];
	json_t *answer;
	struct buf page;
	char *text;

	of->name = of->title = of->about = "test";
	of->columns = two;
	snprintf(json, sizeof(json), "{\"instance\":\"a\",\"made_ms\":1,\"rows\":[%s]}", rows);
	answer = json_loads(json, 0, NULL);
	assert_non_null(answer);
	buf_init(&page, 1 << 20);
	assert_ok(report_html(of, answer, &page, err), err);
	text = buf_take(&page, NULL);
	buf_done(&page);
	json_decref(answer);
	return text;
}

static void test_a_list_is_counted_by_what_its_rows_are_called(void **state)
{
	struct report of = { .label = "what", .counts = "seats", .grouped = true };
	struct err err;
	char *page;

	(void)state;
	page = chart_page(&of, "[\"jira\",1],[\"wiki\",1],[\"jira\",1],[\"\",1]", &err);
	assert_non_null(strstr(page, ">jira</text><rect class=\"s1\" x=\"330\" y=\"10\" "
				     "width=\"470\""));
	assert_non_null(strstr(page, ">wiki</text><rect class=\"s1\" x=\"330\" y=\"36\" "
				     "width=\"235\""));
	assert_non_null(strstr(page, ">(none)</text>"));
	assert_non_null(strstr(page, "height=\"14\"/><text x=\"350\" y=\"108\">seats</text>"));
	free(page);
}

static void test_numbers_fall_into_steps_and_each_step_is_drawn(void **state)
{
	static const struct report_step steps[] = {
		{ 0, "over" }, { 7, "week" }, { INT64_MAX, "later" }, { INT64_MIN, "no end" }
	};
	static const struct {
		const char *rows, *says[4];
	} rows[] = {
		{ "[\"a\",-3],[\"b\",0]", { "2", "0", "0", "0" } },
		{ "[\"a\",1],[\"b\",7],[\"c\",8],[\"d\",null]", { "0", "2", "1", "1" } },
	};
	struct report of = { .label = "days", .counts = "keys", .steps = steps };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err err;
		char *page = chart_page(&of, rows[i].rows, &err), *at = page;

		for (size_t k = 0; k < COUNT_OF(steps); k++) {
			char says[60];

			snprintf(says, sizeof(says), ">%s</text>", steps[k].says);
			at = strstr(at, says);
			assert_non_null(at);
			at = strstr(at + strlen(says), "<text");
			assert_non_null(at);
			snprintf(says, sizeof(says), ">%s</text>", rows[i].says[k]);
			assert_int_equal(strncmp(strchr(at, '>'), says, strlen(says)), 0);
		}
		free(page);
	}
}

static void test_of_many_days_the_newest_are_drawn(void **state)
{
	struct report of = { .label = "what", .series = { "days" }, .newest = true };
	char rows[4000] = "", one[40];
	struct err err;
	char *page;

	(void)state;
	for (int i = 0; i < 45; i++) {
		snprintf(one, sizeof(one), "%s[\"day %02d\",%d]", i ? "," : "", i, i + 1);
		strncat(rows, one, sizeof(rows) - strlen(rows) - 1);
	}
	page = chart_page(&of, rows, &err);
	assert_null(strstr(page, ">day 04</text>"));
	assert_non_null(strstr(page, ">day 05</text>"));
	assert_non_null(strstr(page, ">day 44</text>"));
	assert_non_null(strstr(page, "The last 40 of 45."));
	free(page);
}

static void test_a_long_name_of_wide_letters_stays_in_its_place(void **state)
{
	static const struct {
		const char *name, *shown;
	} rows[] = {
		{ "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii",
		  ">iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii\xe2\x80\xa6<" },
		{ "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", ">WWWWWWWWWWWWWWWWWWWWWWW\xe2\x80\xa6<" },
		{ "\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba"
		  "\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba\u4eba",
		  "\u4eba\u4eba\xe2\x80\xa6<" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct report of = { .label = "what", .series = { "days" } };
		char row[300];
		struct err err;
		char *page;

		snprintf(row, sizeof(row), "[\"%s\",1]", rows[i].name);
		page = chart_page(&of, row, &err);
		assert_non_null(strstr(page, rows[i].shown));
		free(page);
	}
}

static void test_a_long_word_may_break_and_a_short_one_stays_in_one_piece(void **state)
{
	static const struct {
		const char *text, *cell;
	} rows[] = {
		{ "2026-11-01", "<td class=\"k\">2026-11-01</td>" },
		{ "removed", "<td class=\"k\">removed</td>" },
		{ "no source knows it", "<td>no source knows it</td>" },
		{ "ada.lovelace@example.test",
		  "<td>ada.<wbr>lovelace@<wbr>example.<wbr>test</td>" },
		{ "see aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbc now",
		  "<td>see aaaaaaaaaaaaaaaa<wbr>bbbbbbbbbbbbbbbb<wbr>c now</td>" },
		/* never within a character */
		{ "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		  "\u00e4\u00e4\u00e4\u00e4\u00e4",
		  "\u00e4<wbr>\u00e4</td>" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct report of = { 0 };
		char row[300];
		struct err err;
		char *page;

		snprintf(row, sizeof(row), "[\"%s\",1]", rows[i].text);
		page = chart_page(&of, row, &err);
		assert_non_null(strstr(page, rows[i].cell));
		free(page);
	}
}

static void test_holidays_are_no_working_days(void **state)
{
	/* of Berlin, where 25 December 2026, a Friday, begins at 23:00 UTC */
	const int64_t holidays[] = { at("2026-12-25T00:00:00Z"), at("2027-01-01T00:00:00Z") };
	struct business b = { .holidays = holidays, .holiday_count = COUNT_OF(holidays) };
	struct err err;

	(void)state;
	assert_ok(zone_get(STR("Europe/Berlin"), &b.zone, &err), &err);
	assert_int_equal(
		business_ms(&b, at("2026-12-24T22:00:00Z"), at("2026-12-28T00:00:00Z")),
		2 * STAMP_HOUR_MS); /* the last of Thursday, the first of Monday */
	assert_int_equal(
		business_ms(&b, at("2026-12-30T23:00:00Z"), at("2027-01-03T23:00:00Z")),
		24 * STAMP_HOUR_MS); /* New Year's Eve */
	b.holiday_count = 1;
	assert_int_equal(
		business_ms(&b, at("2026-12-30T23:00:00Z"), at("2027-01-03T23:00:00Z")),
		48 * STAMP_HOUR_MS);
}

static void test_business_time_leaves_weekends_out_in_the_zone(void **state)
{
	static const struct {
		const char *zone, *from, *until;
		int64_t hours;
	} rows[] = {
		{ "UTC", "2026-11-20T18:00:00Z", "2026-11-20T20:00:00Z", 2 },   /* Friday */
		{ "UTC", "2026-11-20T18:00:00Z", "2026-11-23T09:00:00Z", 15 },  /* to Monday */
		{ "UTC", "2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z", 0 },   /* a weekend */
		{ "UTC", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z", 120 }, /* a week */
		{ "UTC", "2026-11-20T18:00:00Z", "2026-11-20T18:00:00Z", 0 },
		/* in Berlin Saturday begins at 23:00 UTC on Friday */
		{ "Europe/Berlin", "2026-11-20T22:00:00Z", "2026-11-22T23:00:00Z", 1 },
		/* 25 October 2026 is a Sunday of 25 hours there; Monday begins at 23:00 UTC */
		{ "Europe/Berlin", "2026-10-23T21:00:00Z", "2026-10-26T00:00:00Z", 2 },
		/* Samoa had no 30 December 2011 (a Friday): after Thursday came Saturday */
		{ "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", 24 },
		{ "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct zone *zone;
		struct err err;

		assert_ok(zone_get(str_of(rows[i].zone), &zone, &err), &err);
		assert_int_equal(business_ms(&(struct business){ .zone = zone },
					     at(rows[i].from), at(rows[i].until)),
				 rows[i].hours * STAMP_HOUR_MS);
	}
	zone_done();
}

static void
test_a_leavers_step_that_lies_ahead_is_sealed_also_once_another_plan_took_it(void **state)
{
	static const struct {
		const char *class;
		int64_t due_ms;
		enum action_state state;
		bool sealed;
	} rows[] = {
		{ "leaver", 1001, ACTION_PLANNED, true },
		{ "leaver", 1001, ACTION_SUPERSEDED, true },
		{ "leaver", 1001, ACTION_SKIPPED, true },
		{ "leaver", 1001, ACTION_HELD, true },
		{ "leaver", 1001, ACTION_FAILED, true },
		{ "leaver", 1001, ACTION_STARTED, false },
		{ "leaver", 1001, ACTION_DONE, false },
		{ "leaver", 1001, ACTION_ALREADY, false },
		{ "leaver", 1000, ACTION_PLANNED, false },
		{ "leaver", 1000, ACTION_SUPERSEDED, false },
		{ "absence", 1001, ACTION_PLANNED, false },
		{ "inactive", 1001, ACTION_SUPERSEDED, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct action_row a = { .class_ = str_of(rows[i].class),
					      .due_ms = rows[i].due_ms,
					      .state = rows[i].state };

		assert_int_equal(sealed_action(&a, 1000), rows[i].sealed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_of_a_value_becomes_markup),
		cmocka_unit_test(test_numbers_times_and_sums_are_told),
		cmocka_unit_test(test_a_page_without_rows_has_no_chart),
		cmocka_unit_test(test_a_page_that_grows_too_long_is_a_fault),
		cmocka_unit_test(test_a_list_is_counted_by_what_its_rows_are_called),
		cmocka_unit_test(test_numbers_fall_into_steps_and_each_step_is_drawn),
		cmocka_unit_test(test_of_many_days_the_newest_are_drawn),
		cmocka_unit_test(test_a_long_name_of_wide_letters_stays_in_its_place),
		cmocka_unit_test(test_a_long_word_may_break_and_a_short_one_stays_in_one_piece),
		cmocka_unit_test(test_holidays_are_no_working_days),
		cmocka_unit_test(test_business_time_leaves_weekends_out_in_the_zone),
		cmocka_unit_test(
			test_a_leavers_step_that_lies_ahead_is_sealed_also_once_another_plan_took_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
