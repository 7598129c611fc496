#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/audit.h"
#include "store/lease.h"
#include "store/migrate.h"

#define BUSY_MS 30000               /* for locks of other programs, such as a backup tool */
#define CHECKPOINT_PAGES 1000       /* 4 MB */
#define WAL_MOST_BYTES (32LL << 20) /* what the WAL is cut back to */
#define READERS_KEPT 32 /* reading connections of a kind kept for the next borrower */
#define CHECK_ALWAYS_BYTES (32LL << 20) /* files up to this are checked at each opening */

/* Connections that nobody borrows. */
struct pool {
	struct db *kept[READERS_KEPT];
	size_t n;
};

struct store {
	char *path, *head_path, *vfs;
	const struct driver *driver;
	struct lease *lease;
	struct db *writer;
	int64_t epoch, map_bytes;
	bool is_new;
	struct store_keys keys;
	bool has_keys;
	struct store_head head;

	_Atomic int64_t
		commits;      /* of this process: nobody else writes while we hold the lease */
	pthread_mutex_t lock; /* of the readers below */
	struct pool readers, mappers;
	int checkpoints;         /* under way: no reader keeps a transaction */
	struct touched *touched; /* NULL: nothing is watched */
};

const char *const store_mode_words[] = { "observe", "propose", "act", NULL };

static void keys_done(struct store_keys *keys)
{
	secret_done(&keys->audit);
	secret_done(&keys->head_seed);
	secret_done(&keys->token);
}

static void pool_done(struct pool *p)
{
	while (p->n > 0)
		db_close(p->kept[--p->n]);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	pool_done(&store->readers);
	pool_done(&store->mappers);
	if (store->writer) {
		/* so that one file is all that is left; what cannot be folded now stays in
		 * the WAL, which the next opening reads */
		(void)db_checkpoint(store->writer, true, NULL);
		db_close(store->writer);
	}
	touched_free(store->touched);
	keys_done(&store->keys);
	lease_free(store->lease);
	pthread_mutex_destroy(&store->lock);
	free(store->path);
	free(store->head_path);
	free(store->vfs);
	free(store);
}

static int beside(const char *path, const char *name, char **ret, struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct buf b;
	int r;

	buf_init(&b, 4096);
	if (slash)
		buf_add(&b, path, (size_t)(slash - path) + 1);
	buf_add_text(&b, name);
	r = buf_fault(&b, err, "the path of the audit head");
	if (r == 0)
		*ret = buf_take(&b, NULL);
	buf_done(&b);
	return r;
}

static int take_options(struct store *store, const struct store_options *options,
			struct err *err)
{
	store->driver = options->driver ? options->driver : &driver_sqlite;
	store->map_bytes = options->map_bytes;
	store->path = str_dup(str_of(options->path));
	if (!store->path)
		return err_nomem(err);
	if (options->vfs) {
		store->vfs = str_dup(str_of(options->vfs));
		if (!store->vfs)
			return err_nomem(err);
	}
	if (!options->head_path)
		return beside(options->path, "audit.head", &store->head_path, err);
	store->head_path = str_dup(str_of(options->head_path));
	return store->head_path ? 0 : err_nomem(err);
}

static int connect_db(struct store *store, enum driver_open how, int64_t map_bytes,
		      struct db **ret, struct err *err)
{
	struct driver_options o = {
		.path = store->path,
		.vfs = store->vfs,
		.open = how,
		.busy_ms = BUSY_MS,
		.checkpoint_pages = CHECKPOINT_PAGES,
		.wal_most_bytes = WAL_MOST_BYTES,
		.map_bytes = map_bytes,
	};

	return db_open(store->driver, &o, store, ret, err);
}

static bool small(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size <= CHECK_ALWAYS_BYTES;
}

static int epoch_begin(struct store *store, struct err *err)
{
	int r;

	r = db_begin_write(store->writer, err);
	if (r < 0)
		return r;
	r = lease_new_epoch(store->writer, &store->epoch, err);
	if (r < 0) {
		db_rollback(store->writer);
		return r;
	}
	return db_commit(store->writer, err);
}

static int open_write(struct store *store, const struct driver_head *head, bool create,
		      struct err *err)
{
	int r;

	r = connect_db(store, create ? DRIVER_CREATE : DRIVER_WRITE, 0, &store->writer, err);
	if (r == 0 && !head->empty && (head->suspicious || small(store->path)))
		r = db_check(store->writer, err);
	if (r == 0)
		r = migrate_run(store->writer, migrate_steps, store->path, store->vfs,
				head->empty ? 0 : (int)head->user_version, NULL, err);
	if (r == 0)
		r = epoch_begin(store, err);
	return r;
}

static int open_read(struct store *store, const struct driver_head *head, struct err *err)
{
	struct db *db = NULL;
	int r;

	if (head->user_version < (uint32_t)migrate_newest())
		return err_set(err, ERR_UNAVAILABLE,
			       "%s has an older schema (%u): start `leaverd serve` once to "
			       "bring it to %d",
			       store->path, head->user_version, migrate_newest());
	r = store_read_begin(store, &db, err);
	if (r == 0 && head->suspicious)
		r = db_check(db, err);
	store_read_end(db);
	return r;
}

static int look_and_open(struct store *store, const struct store_options *options,
			 struct err *err)
{
	struct driver_head head = { 0 };
	int r;

	if (options->write) {
		r = lease_take(store->path, &store->lease, err);
		if (r < 0)
			return r;
	}
	r = store->driver->look(store->path, store->vfs, &head, err);
	if (r == 0)
		r = migrate_judge(store->path, &head, err);
	if (r < 0)
		return r;
	if (head.empty && !(options->write && options->create))
		return err_set(err, ERR_NOT_FOUND,
			       "there is no database at %s: `leaverd init` makes one, "
			       "`leaverd restore` puts back a backup",
			       store->path);
	store->is_new = head.empty;
	if (!options->write)
		return open_read(store, &head, err);
	r = open_write(store, &head, options->create, err);
	if (r == 0 && options->watch)
		r = touched_new(&store->touched, store->writer, err);
	return r;
}

int store_open(const struct store_options *options, struct store **ret, struct err *err)
{
	CLEANUP(store_close_at) struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return err_nomem(err);
	pthread_mutex_init(&store->lock, NULL);
	r = take_options(store, options, err);
	if (r == 0)
		r = look_and_open(store, options, err);
	if (r < 0)
		return r;
	*ret = TAKE(store);
	return 0;
}

const char *store_path(const struct store *store)
{
	return store->path;
}

const char *store_head_path(const struct store *store)
{
	return store->head_path;
}

int64_t store_epoch(const struct store *store)
{
	return store->epoch;
}

bool store_is_new(const struct store *store)
{
	return store->is_new;
}

struct db *store_writer_db(struct store *store)
{
	return store->writer;
}

const struct store_keys *store_keys(const struct store *store)
{
	return store->has_keys ? &store->keys : NULL;
}

void store_keys_give(struct store *store, struct store_keys *keys)
{
	keys_done(&store->keys);
	store->keys = *keys;
	store->has_keys = true;
	*keys = (struct store_keys){ 0 };
}

struct store_head *store_head(struct store *store)
{
	return &store->head;
}

/* --- readers --------------------------------------------------------------------------------
 */

/*
 * Beginning and ending a read transaction costs more than a look-up by key. So a connection
 * that is given back keeps its transaction while that still shows the newest commit: the next
 * borrower goes on in it. The first borrower after a commit ends it, or the checkpoint, in
 * whose way it would stand; while nothing is committed nothing grows behind it. Without the
 * lease we do not know of commits: then no transaction is kept.
 */
static int borrow(struct store *store, struct pool *from, int64_t map_bytes, struct db **ret,
		  struct err *err)
{
	int64_t commits = atomic_load(&store->commits);
	struct db *db = NULL;
	int r = 0;

	pthread_mutex_lock(&store->lock);
	if (from->n > 0)
		db = from->kept[--from->n];
	pthread_mutex_unlock(&store->lock);
	if (!db)
		r = connect_db(store, DRIVER_READ, map_bytes, &db, err);
	if (r == 0)
		r = db_begin_read(db, commits, STORE_READ_MOST_MS, err);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

int store_read_begin(struct store *store, struct db **ret, struct err *err)
{
	return borrow(store, &store->readers, 0, ret, err);
}

int store_lookup_begin(struct store *store, struct db **ret, struct err *err)
{
	if (store->map_bytes <= 0)
		return store_read_begin(store, ret, err);
	return borrow(store, &store->mappers, store->map_bytes, ret, err);
}

void store_read_end(struct db *db)
{
	struct store *store;
	struct pool *into;

	if (!db)
		return;
	store = db_store(db);
	into = db_is_mapped(db) ? &store->mappers : &store->readers;
	if (!store->lease || !db_read_is_of(db, atomic_load(&store->commits)))
		db_rollback(db);
	pthread_mutex_lock(&store->lock);
	/* a commit may have come in between: whoever looks after it finds this reader ended, or
	 * still outside of the pool */
	if (store->checkpoints > 0 || !db_read_is_of(db, atomic_load(&store->commits)))
		db_rollback(db);
	if (into->n < READERS_KEPT) {
		into->kept[into->n++] = db;
		db = NULL;
	}
	pthread_mutex_unlock(&store->lock);
	db_close(db);
}

void store_readers_rest(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->checkpoints++;
	for (size_t i = 0; i < store->readers.n; i++)
		db_rollback(store->readers.kept[i]);
	for (size_t i = 0; i < store->mappers.n; i++)
		db_rollback(store->mappers.kept[i]);
	pthread_mutex_unlock(&store->lock);
}

void store_readers_keep(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->checkpoints--;
	pthread_mutex_unlock(&store->lock);
}

int64_t store_commits(const struct store *store)
{
	return atomic_load(&store->commits);
}

struct store_seen store_seen(struct db *db)
{
	const struct store *store = db_store(db);

	return (struct store_seen){ .known = store->touched != NULL,
				    .commit = db_read_commit(db) };
}

bool store_seen_still(const struct store *store, const struct store_seen *seen)
{
	return touched_still(store->touched, seen);
}

void store_committed(struct store *store)
{
	if (store->touched)
		touched_commit(store->touched, atomic_load(&store->commits));
	atomic_fetch_add(&store->commits, 1);
}

/* --- working alone --------------------------------------------------------------------------
 */

int store_write_begin(struct store *store, struct db **ret, struct err *err)
{
	int r;

	if (!store->writer)
		return err_set(err, ERR_LEASE, "%s was opened for reading only", store->path);
	r = db_begin_write(store->writer, err);
	if (r < 0)
		return r;
	*ret = store->writer;
	return 0;
}

int store_write_end(struct db *db, int r, struct err *err)
{
	int committed;

	if (r < 0) {
		db_rollback(db);
		return r;
	}
	committed = db_commit(db, err);
	if (committed < 0)
		return committed;
	db_checkpoint_if_due(db);
	/* what is committed stays true even if its head cannot be written now: the next commit
	 * writes it again, and verifying accepts a head that is behind */
	(void)audit_head_write(db, NULL);
	return r;
}

int store_change(struct db *db, int64_t *ret, struct err *err)
{
	int64_t change = 0;
	int r;

	r = db_one(db, &change, err, "SELECT value FROM meta WHERE key = 'change'");
	if (r < 0)
		return r;
	*ret = r == STORE_NOT_FOUND ? 0 : change;
	return 0;
}

int store_changes(struct db *db, struct store_changes *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct store_changes c = { 0 };
	int r;

	r = db_query(db, &q, err,
		     "SELECT key, value FROM meta WHERE key IN ('change', 'change_rest',"
		     " 'change_group')");
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct str key = db_text(q, 0);
		int64_t *at = str_eq(key, STR("change"))        ? &c.all
			      : str_eq(key, STR("change_rest")) ? &c.rest
								: &c.groups;

		*at = db_int(q, 1);
		r = 0;
	}
	if (r == 0)
		*ret = c;
	return r;
}

/* --- settings -------------------------------------------------------------------------------
 */

int store_setting_get(struct db *db, const char *scope, const char *key, char **ret,
		      struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	char *text;
	int r;

	r = db_query(db, &q, err, "SELECT value FROM setting WHERE scope = ?1 AND key = ?2",
		     DB_T(scope), DB_T(key));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	text = db_text_dup(q, 0);
	if (!text)
		return err_nomem(err);
	*ret = text;
	return 0;
}

int store_setting_set(struct db *db, const char *scope, const char *key, const char *value,
		      struct err *err)
{
	db_next_change(db);
	if (!value)
		return db_run(db, err, "DELETE FROM setting WHERE scope = ?1 AND key = ?2",
			      DB_T(scope), DB_T(key));
	return db_run(db, err,
		      "INSERT INTO setting (scope, key, value) VALUES (?1, ?2, ?3)"
		      " ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value",
		      DB_T(scope), DB_T(key), DB_T(value));
}

int store_mode_get(struct db *db, const char *org, enum store_mode *ret, struct err *err)
{
	CLEANUP(free_at) char *word = NULL;
	enum store_mode mode = STORE_OBSERVE;
	int r, i;

	r = store_setting_get(db, org, "mode", &word, err);
	if (r < 0)
		return r;
	for (i = STORE_OBSERVE; r == 0 && i <= STORE_ACT; i++)
		if (strcmp(word, store_mode_words[i]) == 0)
			mode = (enum store_mode)i;
	*ret = mode;
	return 0;
}

/* A setting that people change: with its entry in the audit chain. */
static int set_audited(struct db *db, const struct audit_new *in, const char *scope,
		       const char *key, const char *why, const char *before, const char *after,
		       struct err *err)
{
	struct audit_new entry = *in;
	struct buf body, was, is;
	int r;

	buf_init(&body, 4096);
	buf_init(&was, 256);
	buf_init(&is, 256);
	buf_add_json(&was, str_of(before));
	buf_add_json(&is, str_of(after));
	r = buf_fault(&was, err, "the setting");
	if (r == 0)
		r = buf_fault(&is, err, "the setting");
	if (r == 0)
		r = audit_body(&body, why, was.p, is.p, err);
	entry.body = buf_str(&body);
	if (r == 0)
		r = store_setting_set(db, scope, key, after, err);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	buf_done(&was);
	buf_done(&is);
	return r;
}

int store_mode_set(struct db *db, const char *org, enum store_mode mode, const char *who,
		   const char *why, int64_t now_ms, struct err *err)
{
	struct audit_new entry = {
		.who = who, .what = "mode.set", .target = org, .now_ms = now_ms
	};
	enum store_mode before;
	int r;

	r = store_mode_get(db, org, &before, err);
	if (r < 0)
		return r;
	if (before == mode)
		return STORE_UNCHANGED;
	return set_audited(db, &entry, org, "mode", why, store_mode_words[before],
			   store_mode_words[mode], err);
}

static int pause_is_set(struct db *db, const char *org, bool *ret, struct err *err)
{
	CLEANUP(free_at) char *word = NULL;
	int r;

	r = store_setting_get(db, org, "pause", &word, err);
	if (r < 0)
		return r;
	*ret = r == 0 && strcmp(word, "paused") == 0;
	return 0;
}

int store_paused(struct db *db, const char *org, bool *ret, struct err *err)
{
	int r = pause_is_set(db, org, ret, err);

	if (r < 0 || *ret || !*org)
		return r;
	return pause_is_set(db, "", ret, err);
}

int store_pause_set(struct db *db, const char *org, bool paused, const char *who,
		    const char *why, int64_t now_ms, struct err *err)
{
	struct audit_new entry = {
		.who = who, .what = paused ? "pause" : "resume", .target = org, .now_ms = now_ms
	};
	bool before;
	int r;

	r = pause_is_set(db, org, &before, err);
	if (r < 0)
		return r;
	if (before == paused)
		return STORE_UNCHANGED;
	return set_audited(db, &entry, org, "pause", why, before ? "paused" : "running",
			   paused ? "paused" : "running", err);
}
