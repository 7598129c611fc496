#include "tests/lib/test.h"

#include "hr/date.h"

static void test_days_are_read_by_the_declared_form_only(void **state)
{
	static const struct {
		const char *form, *text, *day; /* day NULL: refused */
	} cases[] = {
		{ "dd.mm.yyyy", "30.11.2026", "2026-11-30" },
		{ "dd.mm.yyyy", "1.2.2026", NULL }, /* two digits are said */
		{ "d.m.yyyy", "1.2.2026", "2026-02-01" },
		{ "mm/dd/yyyy", "03/04/2026", "2026-03-04" },
		{ "dd/mm/yyyy", "03/04/2026", "2026-04-03" },
		{ "dd/mm/yyyy", "11/30/2026", NULL },
		{ "yyyy-mm-dd", "2026-11-30", "2026-11-30" },
		{ "yyyy-mm-dd", "2026-11-30 ", NULL },
		{ "yyyymmdd", "20261130", "2026-11-30" },
		{ "dd-mmm-yyyy", "30-Nov-2026", "2026-11-30" },
		{ "dd mmm yyyy", "30 NOV 2026", "2026-11-30" },
		{ "dd.mm.yyyy hh:mi:ss", "30.11.2026 23:59:59", "2026-11-30" },
		{ "yyyy-mm-ddThh:mi", "2026-11-30T12:00", "2026-11-30" },
		{ "dd.mm.yyyy", "29.02.2027", NULL },
		{ "dd.mm.yyyy", "29.02.2028", "2028-02-29" },
		{ "dd.mm.yyyy", "00.00.0000", NULL },
		{ "dd.mm.yyyy", "31.12.9999", "9999-12-31" },
		{ "dd.mm.yyyy | yyyy-mm-dd", "2026-11-30", "2026-11-30" },
		{ "dd.mm.yyyy | yyyy-mm-dd", "30.11.2026", "2026-11-30" },
		/* the day in Berlin, not that of the text */
		{ "instant", "2026-11-30T23:30:00Z", "2026-12-01" },
		{ "instant", "2026-07-01T00:30:00+04:00", "2026-06-30" },
		{ "instant", "2026-11-30T23:30:00", NULL }, /* without an offset it is none */
		{ "instant", "2026-11-30", NULL },
		{ "excel", "46356", "2026-11-30" },
		{ "excel", "46356.75", "2026-11-30" },
		{ "excel", "46356,75", NULL },
		{ "excel", "20261130", NULL },
		{ "dd.mm.yyyy", "", NULL },
	};
	const struct zone *zone;
	struct err err;

	(void)state;
	assert_ok(zone_get(STR("Europe/Berlin"), &zone, &err), &err);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char day[STAMP_TEXT_BYTES] = "";
		struct hr_dates d;
		int64_t ms;
		bool read;

		assert_ok(hr_dates_parse(str_of(cases[i].form), &d, &err), &err);
		read = hr_dates_read(&d, zone, str_of(cases[i].text), &ms);
		if (read)
			stamp_date_text(ms, day);
		if (read != (cases[i].day != NULL) || (read && strcmp(day, cases[i].day) != 0))
			fail_msg("%s of \"%s\": \"%s\"", cases[i].form, cases[i].text, day);
	}
	zone_done();
}

static void test_forms_that_could_be_confused_are_refused(void **state)
{
	static const struct {
		const char *form, *says;
	} cases[] = {
		{ "dd/mm/yyyy | mm/dd/yyyy", "read the same text as two days" },
		{ "d.m.yyyy | mm.dd.yyyy", "read the same text as two days" },
		{ "yyyymmdd | ddmmyyyy", "read the same text as two days" },
		{ "dd.mm.yy", "no form of dates" },
		{ "dd.mm", "once each" },
		{ "yyyy-mm-dd dd", "once each" },
		{ "tomorrow", "no form of dates" },
		{ "", "expected a form" },
		{ " | ", "with | between" },
		{ "dd.mm.yyyy|yyyy-mm-dd|excel|instant|yyyymmdd", "with | between" },
	};
	struct hr_dates d;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_fault(hr_dates_parse(str_of(cases[i].form), &d, &err), ERR_CONFIG, &err,
			     cases[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days_are_read_by_the_declared_form_only),
		cmocka_unit_test(test_forms_that_could_be_confused_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
