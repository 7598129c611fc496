/*
 * Time. The only file of the house that asks the system for it (make lint sees to that).
 *
 * Wall time is int64 milliseconds since 1970 UTC and its names end in _ms; monotonic time
 * likewise, from an arbitrary start, for deadlines and durations only.
 *
 * Test builds (make CLOCK=virtual) read wall time from a shared file, so that leaverd and the
 * rehearsal organisation live through weeks in seconds: the file named by $LEAVERD_CLOCK holds
 * a little-endian int64, the offset in ms that is added to the system's wall time, mapped
 * read-only. Release builds contain none of it. Monotonic time is never virtual.
 */
#ifndef BASE_STAMP_H
#define BASE_STAMP_H

#include "base/str.h"

#define STAMP_SECOND_MS 1000LL
#define STAMP_MINUTE_MS 60000LL
#define STAMP_HOUR_MS 3600000LL
#define STAMP_DAY_MS 86400000LL

#define STAMP_NEVER INT64_MAX /* a time that does not come */
#define STAMP_TEXT_BYTES 32   /* room for every text form below */

int64_t stamp_now_ms(void);
int64_t stamp_mono_ms(void);
/* True in builds with the virtual clock: loops then look at wall time at least each 50 ms. */
bool stamp_is_virtual(void);

/* Sleeps real time. For backoff in threads that have nothing to wait on; tests never call it.
 */
void stamp_sleep_ms(int64_t ms);

/* "2026-11-22T09:00:00.000Z"; whole seconds without fraction if ms is a multiple of 1000. */
void stamp_text(int64_t ms, char ret[STAMP_TEXT_BYTES]);

/*
 * RFC 3339 / xsd:dateTime: date and time, fraction of any length (cut to ms), zone optional
 * (none is UTC). False on anything else, also on the 30th of February; leap seconds count as
 * :59.
 */
bool stamp_parse(struct str s, int64_t *ret_ms);
/* "2026-11-22" to its midnight in UTC; only a date. */
bool stamp_parse_date(struct str s, int64_t *ret_ms);
void stamp_date_text(int64_t ms, char ret[STAMP_TEXT_BYTES]);

/* LDAP GeneralizedTime (RFC 4517 3.3.13), fractions and offsets included. */
bool stamp_parse_generalized(struct str s, int64_t *ret_ms);
/* Windows FILETIME in decimal text: 100 ns since 1601. 0 and 2^63-1 give STAMP_NEVER. */
bool stamp_parse_filetime(struct str s, int64_t *ret_ms);
/* HTTP dates (RFC 9110 5.6.7), all three forms. */
bool stamp_parse_http(struct str s, int64_t *ret_ms);

/* Civil date of a UTC time and back; month 1..12, day 1..31. */
void stamp_civil(int64_t ms, int *year, int *month, int *day);
int64_t stamp_from_civil(int year, int month, int day, int hour, int minute, int second);

#endif
