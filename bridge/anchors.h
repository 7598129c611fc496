/*
 * Anchors of the audit chain, kept outside of the database (store/anchor.h): appended to a
 * file, handed to this machine's logger, mailed, stamped by an authority of time
 * (bridge/stamps.h: asked later, by a thread of its own). At the end of each run, before
 * retention cuts the chain, each anchors.every, and when somebody asks.
 */
#ifndef BRIDGE_ANCHORS_H
#define BRIDGE_ANCHORS_H

#include "bridge/app.h"

/* True where the configuration names a place. */
bool anchors_wanted(const struct config *c);

/*
 * Keeps an anchor of the newest entry in every place of the configuration; about is a word
 * without blanks, such as "run-12". line (may be NULL) receives it. A place that fails does not
 * keep the others from theirs: the fault is the first one. STORE_NOT_FOUND for an empty chain.
 */
int anchors_keep(struct app *app, const char *about, struct buf *line, struct err *err)
	MUST_USE;
/* The same for whoever cannot do anything about it: a fault is logged. */
void anchors_keep_after(struct app *app, const char *about);

/* Keeps one where anchors.every has passed since the last, and entries were added. */
int anchors_look(struct app *app, int64_t now_ms, struct err *err) MUST_USE;

/*
 * Adds a line (without its end) to the file of anchors, which is made where there is none, and
 * syncs it. All of it or nothing: where the disk is full the file is as long as before. After
 * half a line of somebody else it begins in a line of its own. Fault: IO.
 */
int anchors_append(const char *path, struct str line, struct err *err) MUST_USE;

/* Where a place stands: place is "file", "syslog", "mail" or "stamp". STORE_NOT_FOUND: none
 * yet. */
int anchors_standing(struct app *app, const char *place, int64_t *ret_seq, int64_t *ret_ms,
		     struct err *err) MUST_USE;

#endif
