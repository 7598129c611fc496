#include "net/retry.h"

#include "base/stamp.h"

static bool status_passes(int status)
{
	static const int rows[] = { 429, 500, 502, 503, 504 };

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i] == status)
			return true;
	return false;
}

int64_t retry_backoff_ms(int64_t base_ms, unsigned tries, double chance)
{
	double wait = base_ms ? (double)base_ms : RETRY_BASE_MS;

	for (unsigned i = 1; i < tries && wait < RETRY_CAP_MS; i++)
		wait *= 2;
	if (wait > RETRY_CAP_MS)
		wait = RETRY_CAP_MS;
	return (int64_t)(wait * (0.7 + 0.6 * chance));
}

bool retry_again(enum retry_class class, unsigned tries_most, const struct retry_fact *fact,
		 double chance, int64_t *ret_wait_ms)
{
	if (class == RETRY_NOT || fact->tries >= tries_most)
		return false;
	if (fact->status
		    ? !status_passes(fact->status)
		    : fact->fault == ERR_NOMEM || err_class(fact->fault)->retry != RETRY_LATER)
		return false;
	/* 429 says that nothing was done; any other answer, or silence after a connection, does
	 * not. */
	if (class == RETRY_IF_NOT_SENT && fact->status != 429 &&
	    (fact->status || fact->connected))
		return false;
	*ret_wait_ms = retry_backoff_ms(fact->base_ms, fact->tries, chance);
	if (fact->asked_wait_ms >= 0)
		*ret_wait_ms = fact->asked_wait_ms + (int64_t)(500 * chance);
	return true;
}

int64_t retry_after_ms(struct str value, int64_t answer_date_ms)
{
	uint64_t seconds;
	int64_t at_ms;

	value = str_trim(value);
	if (str_uint64(value, &seconds))
		return seconds > INT32_MAX ? INT32_MAX * 1000LL : (int64_t)seconds * 1000;
	if (!stamp_parse_http(value, &at_ms))
		return -1;
	return at_ms > answer_date_ms ? at_ms - answer_date_ms : 0;
}

int64_t retry_reset_ms(struct str value, int64_t answer_date_ms)
{
	int64_t number, at_ms;

	value = str_trim(value);
	if (str_int64(value, &number)) {
		if (number < 0)
			return -1;
		if (number < 1000000000) /* too small for a date: seconds from now */
			return number * 1000;
		at_ms = number < 100000000000LL ? number * 1000 : number;
	} else if (!stamp_parse(value, &at_ms)) {
		return -1;
	}
	return at_ms > answer_date_ms ? at_ms - answer_date_ms : 0;
}
