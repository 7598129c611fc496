#include "net/rate.h"

#include <math.h>

#define WINDOW_MOST_MS (15 * 60 * 1000LL) /* a reset further away is not believed */
#define CLOSED_BASE_MS 1000               /* after a 429 that says nothing, doubled */
#define CLOSED_CAP_MS 30000
#define SLOWEST (1.0 / 16)
#define RECOVER 0.05 /* of the speed, given back by each good answer */

void rate_init(struct rate *r, const struct rate_rule *rule, int64_t now_ms)
{
	*r = (struct rate){ .rule = *rule, .slow = 1, .at_ms = now_ms };
	if (r->rule.per_second <= 0)
		r->rule.per_second = 1;
	if (r->rule.most_per_second < r->rule.per_second)
		r->rule.most_per_second = r->rule.per_second;
	if (r->rule.burst < 1)
		r->rule.burst = 1;
	if (!r->rule.at_once)
		r->rule.at_once = 1;
	r->tokens = r->rule.burst;
}

double rate_now(const struct rate *r, int64_t now_ms)
{
	double speed = now_ms < r->window_end_ms ? r->window_rate : r->rule.per_second;

	if (now_ms < r->closed_until_ms)
		return 0;
	if (speed <= 0) /* all that is left is under way */
		return 0;
	if (speed > r->rule.most_per_second)
		speed = r->rule.most_per_second;
	return speed * r->slow;
}

bool rate_is_broken(const struct rate *r)
{
	return r->failed >= RATE_BROKEN_AFTER;
}

unsigned rate_at_once(const struct rate *r)
{
	return rate_is_broken(r) ? 1 : r->rule.at_once;
}

/* While it is broken: one call to see. */
static int64_t probe(struct rate *r, int64_t now_ms)
{
	if (now_ms < r->probe_ms)
		return r->probe_ms - now_ms;
	r->probe_ms = now_ms + RATE_BROKEN_MS;
	r->window_left -= now_ms < r->window_end_ms;
	return 0;
}

int64_t rate_take(struct rate *r, int64_t now_ms)
{
	double speed;

	if (now_ms < r->closed_until_ms)
		return r->closed_until_ms - now_ms;
	if (now_ms < r->window_end_ms && r->window_left <= 0)
		return r->window_end_ms - now_ms;
	if (rate_is_broken(r))
		return probe(r, now_ms);
	speed = rate_now(r, now_ms);
	if (now_ms > r->at_ms)
		r->tokens += (double)(now_ms - r->at_ms) * speed / 1000;
	r->at_ms = now_ms;
	if (r->tokens > r->rule.burst)
		r->tokens = r->rule.burst;
	if (r->tokens >= 1) {
		r->tokens -= 1;
		r->window_left -= now_ms < r->window_end_ms;
		return 0;
	}
	return (int64_t)ceil((1 - r->tokens) / speed * 1000);
}

static void close_until(struct rate *r, int64_t until_ms, int64_t now_ms)
{
	if (until_ms > r->closed_until_ms)
		r->closed_until_ms = until_ms;
	/* What was saved up before does not count after. */
	r->tokens = 0;
	r->at_ms = r->closed_until_ms > now_ms ? r->closed_until_ms : now_ms;
}

/* The rest of the window, spread over its time. */
static void learn_window(struct rate *r, const struct rate_told *told, int64_t now_ms)
{
	int64_t left = told->reset_in_ms, calls = told->remaining - told->under_way;

	if (told->remaining < 0 || left <= 0)
		return;
	if (left > WINDOW_MOST_MS)
		left = WINDOW_MOST_MS;
	r->window_end_ms = now_ms + left;
	r->window_left = calls > 0 ? calls : 0;
	r->window_rate = (double)r->window_left * 1000 / (double)left;
	if (told->remaining == 0) {
		r->window_end_ms = 0;
		close_until(r, now_ms + left, now_ms);
	}
}

static void learn_refusal(struct rate *r, const struct rate_told *told, int64_t now_ms)
{
	int64_t wait = told->retry_after_ms;

	if (r->refused < 16)
		r->refused++;
	r->slow = fmax(r->slow / 2, SLOWEST);
	if (wait < 0)
		wait = told->reset_in_ms;
	if (wait < 0) {
		wait = (int64_t)CLOSED_BASE_MS << (r->refused - 1);
		if (wait > CLOSED_CAP_MS)
			wait = CLOSED_CAP_MS;
	}
	close_until(r, now_ms + wait, now_ms);
}

void rate_learn(struct rate *r, const struct rate_told *told, int64_t now_ms)
{
	learn_window(r, told, now_ms);
	if (told->status && told->status < 500)
		r->failed = 0;
	else if (r->failed < RATE_BROKEN_AFTER)
		r->failed++;
	if (told->status == 429) {
		learn_refusal(r, told, now_ms);
		return;
	}
	if (told->status < 200 || told->status >= 500)
		return;
	r->refused = 0;
	r->slow = fmin(r->slow + RECOVER, 1);
	if (told->near_limit && now_ms >= r->window_end_ms)
		r->slow = fmin(r->slow, 0.5);
}
