/*
 * A store of its own in a temporary folder, with an open vault: what tests of store/ begin
 * with.
 *
 *     struct world w = { 0 };
 *     world_open(&w);
 *     WRITE(&w, persons_create(db, NOW, &id, &err));   committed, or the test fails
 *     world_close(&w);                                 the folder goes
 */
#ifndef TESTS_LIB_STORE_WORLD_H
#define TESTS_LIB_STORE_WORLD_H

#include "tests/lib/test.h"

#include <dirent.h>
#include <unistd.h>

#include "base/jx.h"
#include "base/stamp.h"
#include "store/audit.h"
#include "store/store.h"
#include "store/vault.h"

#define NOW 1795338000000LL /* 2026-11-22T09:00:00Z */

struct world {
	char dir[64], path[128];
	const char *vfs;
	bool watch;        /* the store watches what commits change */
	int64_t map_bytes; /* of its look-ups */
	struct store *store;
	struct vault *vault;
};

static UNUSED void world_dir(struct world *w)
{
	const char *tmp = getenv("TMPDIR");
	struct err err = { 0 };

	assert_ok(secret_start(&err), &err);
	(void)snprintf(w->dir, sizeof(w->dir), "%s/leaverd-test-XXXXXX",
		       tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->path, sizeof(w->path), "%s/leaverd.db", w->dir);
}

/* Always the same key: 32 times 'k'. */
static UNUSED int world_vault(struct world *w, bool create, struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct vault_source source = { .kind = VAULT_KEY, .key = &key };
	int r = secret_set(&key, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", SECRET_KEY_BYTES, err);

	return r < 0 ? r : vault_open(w->store, &source, create, &w->vault, err);
}

static UNUSED int world_try(struct world *w, struct err *err)
{
	struct store_options o = {
		.path = w->path,
		.write = true,
		.create = true,
		.vfs = w->vfs,
		.watch = w->watch,
		.map_bytes = w->map_bytes,
	};
	int r = store_open(&o, &w->store, err);

	return r < 0 ? r : world_vault(w, true, err);
}

static UNUSED void world_shut(struct world *w)
{
	vault_close(w->vault);
	store_close(w->store);
	w->vault = NULL;
	w->store = NULL;
}

static UNUSED void world_again(struct world *w)
{
	struct err err = { 0 };

	assert_ok(world_try(w, &err), &err);
}

static UNUSED void world_open(struct world *w)
{
	world_dir(w);
	world_again(w);
}

static UNUSED void world_close(struct world *w)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	world_shut(w);
	d = opendir(w->dir);
	while (d && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", w->dir, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(w->dir);
}

static UNUSED struct db *world_begin(struct world *w, bool write)
{
	struct err err = { 0 };
	struct db *db = NULL;
	int r = write ? store_write_begin(w->store, &db, &err)
		      : store_read_begin(w->store, &db, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	return db;
}

static UNUSED int world_read_end(struct db *db, int r)
{
	store_read_end(db);
	return r;
}

static UNUSED void world_must(int r, const struct err *err, const char *what)
{
	if (r != 0)
		fail_msg("%s = %d: %s", what, r, r < 0 ? err->text : "(an answer)");
}

/* One expression in a transaction of its own; it names db and err. TRY_ gives its result. */
#define TRY_WRITE(w, expression)                                                               \
	({                                                                                     \
		struct db *db = world_begin((w), true);                                        \
		store_write_end(db, (expression), &err);                                       \
	})
#define TRY_READ(w, expression)                                                                \
	({                                                                                     \
		struct db *db = world_begin((w), false);                                       \
		world_read_end(db, (expression));                                              \
	})
#define WRITE(w, expression) world_must(TRY_WRITE((w), expression), &err, #expression)
#define READ(w, expression) world_must(TRY_READ((w), expression), &err, #expression)

/* One number out of the tables, to look behind what the functions say. */
static UNUSED int64_t world_number(struct world *w, const char *sql)
{
	struct err err = { 0 };
	int64_t n = -1;
	int r = TRY_READ(w, db_one(db, &n, &err, sql));

	if (r < 0)
		fail_msg("%s: %s", sql, err.text);
	return n;
}

/* A statement past all functions: what somebody with an editor would do. */
static UNUSED void world_meddle(struct world *w, const char *sql)
{
	struct err err = { 0 };

	WRITE(w, db_exec(db, sql, &err));
}

static UNUSED json_t *world_json(const char *text)
{
	struct err err = { 0 };
	json_t *j = NULL;

	assert_ok(jx_parse(str_of(text), JX_STRICT, &j, &err), &err);
	return j;
}

static UNUSED void world_verify(struct world *w)
{
	struct audit_report report;
	struct err err = { 0 };

	assert_ok(audit_verify(w->store, true, &report, &err), &err);
}

#endif
