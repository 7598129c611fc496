#include "bridge/hints.h"

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/rounds.h"
#include "ldap/watch.h"

#define PAUSE_LEAST_MS (5 * STAMP_SECOND_MS)
#define PAUSE_MOST_MS (5 * STAMP_MINUTE_MS)
#define REST_LEAST_MS STAMP_SECOND_MS
#define REST_MOST_MS STAMP_MINUTE_MS

void hints_init(struct hints *h, struct app *app, const struct config_source *source,
		const atomic_bool *stop)
{
	*h = (struct hints){ .app = app,
			     .source = source,
			     .stop = stop,
			     .pause_ms = PAUSE_LEAST_MS,
			     .rest_ms = REST_LEAST_MS };
	if (source->kind != CONFIG_LDAP || !source->ldap.live)
		h->open_ms = STAMP_NEVER;
}

void hints_done(struct hints *h)
{
	dir_watch_close(TAKE(h->watch));
}

bool hints_waits(const struct hints *h)
{
	return h->watch != NULL;
}

static void fell(struct hints *h, const struct err *why)
{
	hints_done(h);
	h->open_ms = stamp_mono_ms() + h->pause_ms;
	log_warn("live.lost", LOG_T("source", h->source->name), LOG_E(why),
		 LOG_I("again_in_ms", h->pause_ms));
	h->pause_ms = h->pause_ms * 2 < PAUSE_MOST_MS ? h->pause_ms * 2 : PAUSE_MOST_MS;
}

static void open_now(struct hints *h)
{
	CLEANUP(secret_done) struct secret password = { 0 };
	struct err err = { 0 };
	int r = rounds_directory_secrets(h->app, &h->source->ldap, &password, &err);

	if (r == 0)
		r = dir_watch_open(&h->source->ldap, password.p ? &password : NULL, h->stop,
				   &h->watch, &err);
	if (r == -ERR_CANCELLED)
		return;
	if (r < 0) {
		fell(h, &err);
	} else if (r == DIR_WATCH_NONE) {
		h->open_ms = STAMP_NEVER;
		log_warn("live.none", LOG_T("source", h->source->name),
			 LOG_T("text", err.text));
	} else {
		log_info("live.on", LOG_T("source", h->source->name),
			 LOG_T("by", dir_watch_titles[dir_watch_way_of(h->watch)]));
		h->pending = true; /* what happened while nobody listened */
	}
}

bool hints_look(struct hints *h, int64_t wait_ms)
{
	struct err err = { 0 };
	int r;

	if (!h->watch && stamp_mono_ms() >= h->open_ms)
		open_now(h);
	if (h->watch) {
		r = dir_watch_wait(h->watch, h->pending ? 0 : wait_ms, &err);
		if (r < 0 && r != -ERR_CANCELLED)
			fell(h, &err);
		else if (r >= 0)
			h->pause_ms = PAUSE_LEAST_MS;
		h->pending |= r == DIR_WATCH_CHANGED;
	}
	if (!h->pending)
		return false;
	if (stamp_mono_ms() < h->look_ms) {
		stamp_sleep_ms(wait_ms < 100 ? wait_ms : 100);
		return false;
	}
	h->pending = false;
	return true;
}

void hints_looked(struct hints *h, bool found)
{
	int64_t more = h->rest_ms * 2 < REST_MOST_MS ? h->rest_ms * 2 : REST_MOST_MS;

	h->rest_ms = found ? REST_LEAST_MS : more;
	h->look_ms = stamp_mono_ms() + h->rest_ms;
}
