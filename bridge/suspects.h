/*
 * Accounts that nobody explains and that a program seems to use (guard service-account of rule
 * orphan): nothing is done to them, and whoever reads the mail of their address is asked, once,
 * who answers for them. Admins are told how many there are.
 */
#ifndef BRIDGE_SUSPECTS_H
#define BRIDGE_SUSPECTS_H

#include "bridge/app.h"

typedef int (*suspects_fn)(void *ctx, const char *key, const char *title, const char *line,
			   struct err *err);

/* Goes through the plans of an organisation that are open; in mode observe nobody is asked.
 * Calls fn once where there are any. On a thread that may block. */
int suspects_look(struct app *app, const struct config_org *org, suspects_fn fn, void *ctx,
		  struct err *err) MUST_USE;

#endif
