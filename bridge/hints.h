/*
 * A directory's own word that something changed (`live:` of a source), for the thread that
 * reads it: when to ask at once instead of by the clock. Never more than that; when the
 * directory is away, tells nobody, or tells too much, reads go on by the clock.
 */
#ifndef BRIDGE_HINTS_H
#define BRIDGE_HINTS_H

#include <stdatomic.h>

#include "bridge/app.h"

struct dir_watch;

struct hints {
	struct app *app;
	const struct config_source *source;
	const atomic_bool *stop;
	struct dir_watch *watch; /* NULL: none, or not now */
	int64_t open_ms;         /* monotonic: not opened before */
	int64_t pause_ms;        /* between failures to open; doubles */
	bool pending;            /* told, and nobody looked yet */
	int64_t look_ms;         /* monotonic: no look before */
	int64_t rest_ms;         /* between two looks; doubles while they find nothing */
};

void hints_init(struct hints *h, struct app *app, const struct config_source *source,
		const atomic_bool *stop);
void hints_done(struct hints *h);

/* Whether hints_look() waits by itself. */
bool hints_waits(const struct hints *h);
/* Waits at most wait_ms where hints_waits(); true when changes should be asked for now. */
bool hints_look(struct hints *h, int64_t wait_ms);
/* They were, because hints_look() said so; found: there was something. */
void hints_looked(struct hints *h, bool found);

#endif
