/*
 * Reading both sides: sources of people (sync) and organisations (collect). Each reads through
 * its room, stages through the writer, and lets the result take effect in one transaction with
 * its verdict. One read of a source or an organisation at a time; a second answers BUSY.
 *
 * Blocking, minutes long, on the caller's thread; ended by *cancel. The answers are JSON for
 * people and programs.
 */
#ifndef BRIDGE_ROUNDS_H
#define BRIDGE_ROUNDS_H

#include <stdatomic.h>

#include "base/jx.h"
#include "bridge/app.h"

/* Declares the sources and organisations of the config in the store, with canaries. Before the
 * first read; in daemon and commands alike. */
int rounds_declare(struct app *app, struct err *err) MUST_USE;

/*
 * Reads one pulled source to its end, judges the read, counts who is absent, and looks up by id
 * who has been absent long enough (law 1). With dry_run nothing is stored. 0 whenever there is
 * a verdict: out holds source, read, complete, plausible, accepted, why, entries, fresh,
 * changed, unchanged, missing, disabled, gone, not_gone, doubts[], ms. Below zero only for us.
 */
int rounds_sync(struct app *app, const struct config_source *source, bool dry_run,
		const atomic_bool *cancel, json_t *out, struct err *err) MUST_USE;

/*
 * Reads the groups of a directory whose people were just read, and sets what differs. While
 * they are not known (store/membership.h) no rule that asks for groups fires. Adds "groups" to
 * out; nothing where the settings name no groups.
 */
struct secret;
int rounds_groups(struct app *app, const struct config_source *source, int64_t source_id,
		  bool dry_run, const struct secret *password, const atomic_bool *cancel,
		  json_t *out, struct err *err) MUST_USE;

/*
 * Reads one organisation. out: org, generation, complete, why, accounts, accounts_changed,
 * groups, seats, seats_changed, requests, ms.
 */
int rounds_collect(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		   json_t *out, struct err *err) MUST_USE;

/* Opens the sealed secret of that name. Fault: SECRET or NOT_FOUND naming it and the command
 * that sets it. *ret must be empty. */
int rounds_secret(struct app *app, const char *name, struct secret *ret, struct err *err)
	MUST_USE;

#endif
