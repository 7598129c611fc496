/*
 * What admins are told of by themselves: plans that are held, sources whose newest read does
 * not count, secrets and tokens that end soon, leavers that are overdue, tiers that are about
 * to be crossed or fell, accounts that may be a program's (bridge/suspects.h), a changed
 * configuration that waits, and once a day all of it together. Numbers, names of plans and
 * sources, and the command that shows more; never people.
 *
 * Each thing is told once: its key in the outbox remembers it.
 */
#ifndef BRIDGE_BULLETIN_H
#define BRIDGE_BULLETIN_H

#include "bridge/app.h"

/* Between two looks; zeroed before the first. */
struct bulletin_state {
	int64_t deep_ms; /* wall: when plans are gone through for what is overdue, and seats for
			    tiers */
	char digest[32]; /* the day whose digest was told by this process */
};

/* Looks at everything, and puts into the outbox what was not told yet. Milliseconds; once an
 * hour, and for the digest, as long as `leaverd overdue` takes. On a thread that may block. */
int bulletin_look(struct app *app, int64_t now_ms, struct bulletin_state *state,
		  struct err *err) MUST_USE;

#endif
