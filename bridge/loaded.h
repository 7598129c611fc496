/*
 * Which configuration acts. Each one that is loaded stands whole in the audit chain with what
 * differs from the one before. While an organisation is armed, one that lets more happen
 * (bridge/widen.h) waits for a person: until then what stood before acts, in all that decides
 * (policy, whose word counts, how sources are judged, whose people an organisation has); where
 * things are (addresses, folders, schedules) is taken at once.
 */
#ifndef BRIDGE_LOADED_H
#define BRIDGE_LOADED_H

#include "bridge/app.h"
#include "base/jx.h"

/* At the start, once sources and organisations are declared: notes app->config, and puts what
 * stood before in its place where it waits (app->config_waits). */
int loaded_start(struct app *app, struct err *err) MUST_USE;
/*
 * A person approved the configuration of that number: policy and approvals of the file act from
 * the next round, and on what is asked from now on. False where it is not the one that was
 * loaded at the start (read again by SIGHUP): then a restart is needed. Sources and
 * organisations stay as they stood until a restart in both.
 */
bool loaded_let_act(struct app *app, int64_t number);
/* SIGHUP: notes a file that was read again. What acts stays until a restart. */
int loaded_note(struct app *app, const struct config *fresh, struct err *err) MUST_USE;

/* A sentence that something waits, for doctor and plan; empty when nothing does. */
int loaded_sentence(struct app *app, struct buf *into, struct err *err) MUST_USE;
/* The same of what stands, and that this serve does not act by before its next start: what an
 * approved configuration says of sources and organisations, and what was read again by SIGHUP.
 */
int loaded_restart(struct app *app, struct buf *into, struct err *err) MUST_USE;

#endif
