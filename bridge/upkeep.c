#include "bridge/upkeep.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/worker.h"
#include "bridge/anchors.h"
#include "bridge/prune.h"

#define BEAT_MS 1000
#define EVERY_MS STAMP_HOUR_MS

struct upkeep {
	struct app *app;
	struct worker *worker;
	int64_t next_ms; /* wall */
	atomic_bool stop;
};

static void look(struct upkeep *u, int64_t now_ms)
{
	struct err err;

	if (anchors_look(u->app, now_ms, &err) < 0)
		log_error("anchor.fault", LOG_T("about", "time"), LOG_E(&err));
	(void)!prune_run(u->app, &u->stop, &err); /* it says itself what went wrong */
}

static void upkeep_loop(struct worker *self, void *arg)
{
	struct upkeep *u = arg;

	while (!worker_wait(self, BEAT_MS)) {
		int64_t now_ms = stamp_now_ms();

		if (now_ms < u->next_ms)
			continue;
		look(u, now_ms);
		u->next_ms = now_ms + EVERY_MS;
	}
}

int upkeep_start(struct upkeep **ret, struct app *app, struct err *err)
{
	struct upkeep *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_nomem(err);
	u->app = app;
	r = worker_start(&u->worker, "upkeep", upkeep_loop, u, err);
	if (r < 0)
		free(u);
	else
		*ret = u;
	return r;
}

void upkeep_stop(struct upkeep *u)
{
	if (!u)
		return;
	atomic_store(&u->stop, true);
	worker_join(u->worker);
	free(u);
}
