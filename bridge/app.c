#include "bridge/app.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/map.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "bridge/loaded.h"
#include "bridge/outbox.h"
#include "bridge/plans_kept.h"
#include "bridge/rounds.h"
#include "bridge/unlock.h"
#include "ldap/conn.h"
#include "ldap/memory.h"
#include "net/httpc.h"
#include "store/backup.h"
#include "store/store.h"
#include "store/writer.h"

/* The state folder holds people: nobody else may look into it. */
static int check_state_dir(const struct config *c, struct err *err)
{
	struct stat st;

	if (stat(c->instance.state_dir, &st) < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "state folder %s ('leaverd init' makes one)",
				 c->instance.state_dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_CONFIG, "state folder %s: it is no folder",
			       c->instance.state_dir);
	if (st.st_mode & 07)
		return err_set(err, ERR_CONFIG,
			       "state folder %s has mode %04o, so that others may enter it: "
			       "chmod 0700 (or 0710 with control.group)",
			       c->instance.state_dir, (unsigned)(st.st_mode & 07777));
	return 0;
}

static int open_store(struct app *app, struct err *err)
{
	const struct store_options options = {
		.path = app->config.db_file,
		.write = true,
		.head_path = app->config.head_file,
		.map_bytes = app->config.scim.map_bytes,
		.watch = app->config.scim.cache_bytes > 0,
	};
	int r;

	r = check_state_dir(&app->config, err);
	if (r < 0)
		return r;
	r = store_open(&options, &app->store, err);
	if (r == -ERR_NOT_FOUND)
		return err_context(err, r, "no instance in %s yet ('leaverd init' makes one)",
				   app->config.instance.state_dir);
	return r;
}

static int open_vault(struct app *app, struct err *err)
{
	CLEANUP(unlock_done) struct unlock unlock = { 0 };
	int r;

	r = unlock_prepare(&app->config, false, &unlock, err);
	if (r < 0)
		return r;
	return vault_open(app->store, &unlock.source, false, &app->vault, err);
}

/* A store that came from a backup says so in its chain, now that the keys are there. */
static int note_restore(void *ctx, struct db *db, struct err *err)
{
	const char *who = ctx;
	int r = backup_restore_note(db, who, stamp_now_ms(), err);

	return r < 0 ? r : 0;
}

static int open_parts(struct app *app, unsigned parts, struct err *err)
{
	static char who[] = "daemon";
	int r;

	if (parts & APP_STORE) {
		app->remembered = calloc(app->config.sources.n + 1, sizeof(*app->remembered));
		if (!app->remembered)
			return err_nomem(err);
		r = plans_kept_new(&app->kept, err);
		if (r == 0)
			r = open_store(app, err);
		if (r < 0)
			return r;
		r = open_vault(app, err);
		if (r < 0)
			return r;
		r = writer_start(app->store, &app->writer, err);
		if (r < 0)
			return r;
		r = writer_call(app->writer, note_restore, who, err);
		if (r < 0)
			return r;
		r = rounds_declare(app, err);
		if (r == 0)
			r = loaded_start(app, err);
		if (r < 0)
			return r;
	}
	if (parts & APP_HTTP) {
		r = httpc_new(&app->http, NULL, err);
		if (r < 0)
			return r;
		return clients_new(&app->clients, err);
	}
	return 0;
}

int app_open(struct app *app, const char *config_file, unsigned parts, struct err *err)
{
	int r;

	*app = (struct app){ .config_file = config_file };
	/* Libraries with process-wide state are prepared here, before any thread. */
	map_seed();
	r = dir_start(err);
	if (r == 0)
		r = httpc_start(err);
	if (r == 0)
		r = config_read(config_file, &app->config, NULL, err);
	if (r < 0)
		return r;
	app_act(app);
	r = open_parts(app, parts, err);
	if (r < 0)
		app_close(app);
	return r;
}

void app_close(struct app *app)
{
	outbox_stop(app->outbox);
	clients_free(app->clients);
	httpc_free(app->http);
	writer_stop(app->writer);
	vault_close(app->vault);
	store_close(app->store);
	for (size_t i = 0; app->remembered && i < app->config.sources.n; i++)
		dir_memory_free(app->remembered[i].memory);
	free(app->remembered);
	plans_kept_free(app->kept);
	config_free(&app->config);
	config_free(&app->aside);
	*app = (struct app){ 0 };
}
