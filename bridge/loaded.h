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
/* SIGHUP: notes a file that was read again. What acts stays until a restart. */
int loaded_note(struct app *app, const struct config *fresh, struct err *err) MUST_USE;

/* A sentence that something waits, for doctor and plan; empty when nothing does. */
int loaded_sentence(struct app *app, struct buf *into, struct err *err) MUST_USE;

#endif
