/*
 * The house, built in order and taken down in reverse: wiring, no rules.
 *
 * One struct app a process. Fields are set by app_open() and then only read; what changes at
 * run time has its own lock inside its own module.
 */
#ifndef BRIDGE_APP_H
#define BRIDGE_APP_H

#include <stdatomic.h>

#include "base/err.h"
#include "bridge/config.h"

struct store;
struct vault;
struct writer;
struct httpc;
struct clients;
struct dir_memory;
struct serve;
struct outbox;
struct plans_kept;

/* What a directory's entries came to when they were last read. Touched only by whoever reads
 * that source (bridge/gate.h: "sync"). */
struct remembered {
	struct dir_memory *memory; /* NULL: it was not read yet */
	int64_t newest; /* change to the source's records with which it agrees; -1: none */
};

struct policy;

/* What decides, and may be let act while the daemon runs (bridge/loaded.h). Never changed once
 * it was given to others. */
struct acting {
	const struct policy *policy;
	struct config_approvals approvals;
	int64_t waits; /* the number of the configuration that waits; 0: none */
};

struct app {
	struct config config; /* whole and valid; what waits in it is as before (loaded.h) */
	struct config aside;  /* what stood before, where something waits; else empty */
	int64_t config_waits; /* the number of what waits; 0: nothing */
	struct acting file, before; /* as the configuration says; as what stood before says */
	_Atomic(const struct acting *) acting; /* one of the two: app_acting() */
	const char *config_file;
	struct store *store;           /* with APP_STORE */
	struct writer *writer;         /* the one writing thread */
	struct vault *vault;           /* unlocked */
	struct remembered *remembered; /* one for each source of the configuration */
	struct plans_kept *kept;       /* plans that were read lately */
	struct httpc *http;            /* with APP_HTTP */
	struct clients *clients;       /* one per organisation, with APP_HTTP */
	atomic_bool review_closing;    /* a review is being closed, and its plans made */
	atomic_bool stamping;          /* a time stamp is being asked for (bridge/stamps.h) */
	struct outbox *outbox;         /* sends notices; NULL where nothing is sent */
	struct serve *serve; /* the daemon's own state; NULL in a command that works alone */
};

/* The configuration acts as it says: app->file, of app->config. */
static inline void app_act(struct app *app)
{
	app->file = (struct acting){ app->config.policy, app->config.approvals, 0 };
	atomic_store(&app->acting, &app->file);
}

/* What acts now. It may be another at the next call: who needs one policy for facts and for
 * what is made of them takes it once. It lives as long as the app. */
static inline const struct acting *app_acting(const struct app *app)
{
	return atomic_load(&app->acting);
}

enum { APP_STORE = 1, APP_HTTP = 2 };

/* Reads the config and builds what parts says. Everything is undone on a fault. */
int app_open(struct app *app, const char *config_file, unsigned parts, struct err *err)
	MUST_USE;
void app_close(struct app *app); /* half-built is fine */

#endif
