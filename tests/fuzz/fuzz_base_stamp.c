/*
 * Times: whatever any reader accepts is printed as text that stamp_parse() reads as the same
 * instant, and the civil date of it is a date.
 */
#include <stdlib.h>

#include "base/stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void is_an_instant(int64_t ms)
{
	char text[STAMP_TEXT_BYTES];
	int year, month, day;
	int64_t again;

	stamp_text(ms, text);
	must(stamp_parse(str_of(text), &again) && again == ms);
	stamp_date_text(ms, text);
	must(stamp_parse_date(str_of(text), &again));
	must(again <= ms && ms - again < STAMP_DAY_MS);
	stamp_civil(ms, &year, &month, &day);
	must(month >= 1 && month <= 12 && day >= 1 && day <= 31);
	must(stamp_from_civil(year, month, day, 0, 0, 0) == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool (*const readers[])(struct str, int64_t *) = {
		stamp_parse,
		stamp_parse_date,
		stamp_parse_generalized,
		stamp_parse_http,
	};
	struct str s = str_n((const char *)data, size);
	char text[STAMP_TEXT_BYTES];
	int64_t ms;

	for (size_t i = 0; i < COUNT_OF(readers); i++)
		if (readers[i](s, &ms))
			is_an_instant(ms);
	if (stamp_parse_filetime(s, &ms)) { /* may lie behind the year 9999 */
		stamp_text(ms, text);
		must(ms == STAMP_NEVER || ms >= stamp_from_civil(1601, 1, 1, 0, 0, 0));
	}
	if (size >= sizeof(ms)) { /* any number is an instant with a text */
		memcpy(&ms, data, sizeof(ms));
		stamp_text(ms, text);
		must(strlen(text) < STAMP_TEXT_BYTES && text[strlen(text) - 1] == 'Z');
	}
	return 0;
}
