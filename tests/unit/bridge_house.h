/* An instance without its daemon: a configuration that was read, a store with its writer. */
#ifndef TESTS_UNIT_BRIDGE_HOUSE_H
#define TESTS_UNIT_BRIDGE_HOUSE_H

#include "tests/lib/store_world.h"

#include <fcntl.h>

#include "bridge/app.h"
#include "bridge/rounds.h"
#include "store/writer.h"

#define HOUSE_INSTANCE                                                                         \
	"instance:\n  name: acme\n  zone: Europe/Berlin\n  state_dir: .\n"                     \
	"master_key:\n  file: master.key\n"
#define HOUSE_ORG "organisations:\n  - name: acme\n    cloud: { org_id: 1f2e3d4c, key: k }\n"
#define HOUSE_SOURCE                                                                           \
	"sources:\n  - name: corp\n    kind: ldap\n    role: directory\n    ldap:\n"           \
	"      uris: [\"ldaps://ldap.example.com\"]\n      base: dc=example\n"                 \
	"      bind_dn: cn=reader\n      bind_password: bind\n"

struct house {
	struct world w;
	struct app app;
};

static void house_open(struct house *h, const char *text)
{
	struct err err = { 0 };
	char path[128];
	int fd;

	*h = (struct house){ 0 };
	world_open(&h->w);
	snprintf(path, sizeof(path), "%s/leaverd.yaml", h->w.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_ok(config_read(path, &h->app.config, NULL, &err), &err);
	app_act(&h->app);
	h->app.store = h->w.store;
	h->app.vault = h->w.vault;
	assert_ok(writer_start(h->app.store, &h->app.writer, &err), &err);
	assert_ok(rounds_declare(&h->app, &err), &err);
}

static void house_close(struct house *h)
{
	writer_stop(h->app.writer);
	config_free(&h->app.config);
	world_close(&h->w);
}

static int house_meddle_run(void *ctx, struct db *db, struct err *err)
{
	return db_exec(db, *(const char **)ctx, err);
}

/* As world_meddle(), on the thread that writes. */
static UNUSED void house_meddle(struct house *h, const char *sql)
{
	struct err err = { 0 };

	assert_ok(writer_call(h->app.writer, house_meddle_run, &sql, &err), &err);
}

#endif
