/*
 * How fast one budget may be spent: a token bucket whose speed is learnt from the headers of
 * the answers (X-RateLimit-Limit, -Remaining, -Reset, NearLimit, Retry-After) and from 429s.
 *
 * Until headers say something the rule's own speed holds. While a window is known (remaining,
 * reset) the rest of it, less what is under way, is spread evenly over its time, up to
 * most_per_second, and not exceeded. An answer 429
 * closes the budget until the time it names and halves the speed; each good answer gives a
 * little of it back.
 *
 * Where RATE_BROKEN_AFTER tries in a row got no answer, or 5xx, the other side is away: the
 * budget is broken. Then one call after the other is let through, four a second at most, to see
 * whether it is back, and none should be tried twice; any answer mends it at once.
 * Pure: time is an argument, one caller at a time.
 */
#ifndef NET_RATE_H
#define NET_RATE_H

#include "base/str.h"

#define RATE_BROKEN_AFTER 10
#define RATE_BROKEN_MS 250

struct rate_rule {
	const char *name;       /* of the API family, for people: "org read" */
	double per_second;      /* until headers say otherwise; > 0 */
	double most_per_second; /* never faster, whatever headers say; 0: as per_second */
	double burst;           /* calls that may go at once after silence; 0: 1 */
	unsigned at_once;       /* calls under way together; 0: 1 */
};

struct rate {
	struct rate_rule rule;
	double tokens;
	double slow; /* 1, less after 429s */
	int64_t at_ms;
	int64_t closed_until_ms;
	int64_t window_end_ms; /* of what headers told; 0: nothing told */
	double window_rate;
	int64_t window_left; /* calls that the window still lets through */
	unsigned refused;    /* 429s in a row */
	unsigned failed;     /* tries in a row without an answer, or with 5xx */
	int64_t probe_ms;    /* while broken: when the next call may go */
};

/* What an answer told. Absent fields are -1. Times are relative, so clocks need not agree. */
struct rate_told {
	int status; /* 0: there was no answer */
	int64_t limit, remaining;
	int64_t reset_in_ms;    /* until the counter starts anew */
	int64_t retry_after_ms; /* what the answer asked us to wait */
	bool near_limit;
	unsigned under_way; /* calls that were sent and not answered yet: they count too */
};
#define RATE_TOLD_NOTHING ((struct rate_told){ 0, -1, -1, -1, -1, false, 0 })

void rate_init(struct rate *r, const struct rate_rule *rule, int64_t now_ms);
/* 0: go, one token was taken. Else how many ms to wait before asking again. */
int64_t rate_take(struct rate *r, int64_t now_ms);
void rate_learn(struct rate *r, const struct rate_told *told, int64_t now_ms);
bool rate_is_broken(const struct rate *r);
/* Calls that may be under way together now. */
unsigned rate_at_once(const struct rate *r);
/* Calls a second that it would let through now, for people. */
double rate_now(const struct rate *r, int64_t now_ms);

#endif
