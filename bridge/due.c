#include "bridge/due.h"

#include <string.h>

#include "base/digest.h"
#include "base/log.h"

/* The same for the same names, whatever the machine. */
static int64_t shift_of(const struct config *c, const char *what, const char *name)
{
	struct digest_run run;
	struct digest d;
	uint64_t n;

	if (!c->schedule.jitter_ms)
		return 0;
	digest_begin(&run, NULL);
	digest_add(&run, c->instance.name, strlen(c->instance.name) + 1);
	digest_add(&run, what, strlen(what) + 1);
	digest_add(&run, name, strlen(name) + 1);
	digest_end(&run, &d);
	memcpy(&n, d.b, sizeof(n));
	return (int64_t)(n % (uint64_t)c->schedule.jitter_ms);
}

void due_init(struct due *d, const struct config *c, const struct cron *own,
	      const struct cron *all, const char *what, const char *name)
{
	char next[STAMP_TEXT_BYTES];
	struct err err;

	*d = (struct due){ .at = cron_given(own) ? *own : *all };
	if (!cron_given(&d->at))
		return;
	d->shift_ms = shift_of(c, what, name);
	/* checked when the configuration was read; a zone that vanished since is UTC */
	if (zone_get(str_of(c->instance.zone), &d->zone, &err) < 0)
		log_error("schedule.zone", LOG_E(&err));
	if (!d->zone && zone_get(STR("UTC"), &d->zone, &err) < 0)
		log_error("schedule.zone", LOG_E(&err));
	stamp_text(due_next(d, 0, stamp_now_ms()), next);
	log_info("schedule.next", LOG_T("what", what), LOG_T("name", name), LOG_T("at", next));
}

int64_t due_next(const struct due *d, int64_t every_ms, int64_t after_ms)
{
	int64_t at;

	if (!cron_given(&d->at) || !d->zone)
		return every_ms ? after_ms + every_ms : STAMP_NEVER;
	at = cron_next(&d->at, d->zone, after_ms - d->shift_ms);
	return at == STAMP_NEVER ? at : at + d->shift_ms;
}
