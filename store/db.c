#include "store/db.h"

#include "base/stamp.h"
#include "store/store.h"

#define CACHE_SLOTS 64       /* hash buckets */
#define CACHE_STATEMENTS 192 /* kept prepared for one connection */

struct stmt {
	struct driver_stmt *driver;
	struct db *db;
	char *sql;
	size_t len;
	uint32_t hash;
	bool busy;     /* handed out */
	bool cached;   /* in the cache; else freed by stmt_done() */
	uint64_t used; /* when last handed out, for making room */
	struct stmt *next;
};

struct db {
	const struct driver *driver;
	struct driver_conn *conn;
	struct store *store;
	struct stmt *slots[CACHE_SLOTS];
	size_t cached;
	uint64_t clock;
	int64_t checkpoint_pages;
	int64_t wal_before; /* its pages after the commit before */
	bool mapped;
	int64_t change;       /* last number given out; -1: not read yet */
	int64_t change_saved; /* what the file holds */
	int64_t last_of[DB_CHANGE_KINDS], saved_of[DB_CHANGE_KINDS]; /* the last of each kind */
	int64_t read_of; /* reader: the commit that its open transaction shows; -1: none */
};

int db_open(const struct driver *driver, const struct driver_options *options,
	    struct store *store, struct db **ret, struct err *err)
{
	CLEANUP(db_close_at) struct db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return err_nomem(err);
	db->driver = driver;
	db->store = store;
	db->change = -1;
	db->read_of = -1;
	db->checkpoint_pages = options->checkpoint_pages;
	db->mapped = options->map_bytes > 0;
	r = driver->open(options, &db->conn, err);
	if (r < 0)
		return r;
	*ret = TAKE(db);
	return 0;
}

static void stmt_free(struct stmt *q)
{
	if (q->driver)
		q->db->driver->finalize(q->driver);
	free(q->sql);
	free(q);
}
OWNED(struct stmt, stmt_free)

static void cache_clear(struct db *db)
{
	struct stmt *q, *next;
	size_t i;

	for (i = 0; i < CACHE_SLOTS; i++) {
		for (q = db->slots[i]; q; q = next) {
			next = q->next;
			stmt_free(q);
		}
		db->slots[i] = NULL;
	}
	db->cached = 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	cache_clear(db);
	if (db->conn)
		db->driver->close(db->conn);
	free(db);
}

struct store *db_store(struct db *db)
{
	return db->store;
}

bool db_watch(struct db *db, driver_change_fn fn, void *ctx)
{
	return db->driver->watch && db->driver->watch(db->conn, fn, ctx);
}

bool db_is_mapped(const struct db *db)
{
	return db->mapped;
}

/* FNV-1a over the length and one byte of eight: the texts are ours, nobody outside chooses
 * them, and who looks one up compares it whole. */
static uint32_t hash_of(struct str sql)
{
	uint32_t h = 2166136261u ^ (uint32_t)sql.len;
	size_t i;

	for (i = 0; i < sql.len; i += 8)
		h = (h ^ (unsigned char)sql.p[i]) * 16777619u;
	return h;
}

static struct stmt *cache_find(struct db *db, struct str sql, uint32_t hash)
{
	struct stmt *q;

	for (q = db->slots[hash % CACHE_SLOTS]; q; q = q->next)
		if (!q->busy && q->hash == hash && q->len == sql.len &&
		    memcmp(q->sql, sql.p, sql.len) == 0)
			return q;
	return NULL;
}

static void cache_drop_oldest(struct db *db)
{
	struct stmt **at, **oldest = NULL, *q;
	size_t i;

	for (i = 0; i < CACHE_SLOTS; i++)
		for (at = &db->slots[i]; *at; at = &(*at)->next)
			if (!(*at)->busy && (!oldest || (*at)->used < (*oldest)->used))
				oldest = at;
	if (!oldest)
		return;
	q = *oldest;
	*oldest = q->next;
	db->cached--;
	stmt_free(q);
}

static int stmt_new(struct db *db, struct str sql, uint32_t hash, struct stmt **ret,
		    struct err *err)
{
	CLEANUP(stmt_free_at) struct stmt *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_nomem(err);
	q->db = db;
	q->hash = hash;
	q->len = sql.len;
	q->sql = str_dup(sql);
	if (!q->sql)
		return err_nomem(err);
	r = db->driver->prepare(db->conn, sql, &q->driver, err);
	if (r < 0)
		return r;
	if (db->cached >= CACHE_STATEMENTS)
		cache_drop_oldest(db);
	if (db->cached < CACHE_STATEMENTS) {
		q->cached = true;
		q->next = db->slots[hash % CACHE_SLOTS];
		db->slots[hash % CACHE_SLOTS] = q;
		db->cached++;
	}
	*ret = TAKE(q);
	return 0;
}

static int bind_all(struct stmt *q, const struct db_bind *binds, size_t count, struct err *err)
{
	const struct driver *d = q->db->driver;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		const struct db_bind *b = &binds[i];
		int at = (int)i + 1;

		switch (b->type) {
		case DB_BIND_NULL:
			r = d->bind_null(q->driver, at, err);
			break;
		case DB_BIND_INT:
			r = d->bind_int(q->driver, at, b->number, err);
			break;
		case DB_BIND_TEXT:
			r = d->bind_text(q->driver, at, b->text, err);
			break;
		case DB_BIND_BLOB:
			r = d->bind_blob(q->driver, at, b->text, err);
			break;
		}
	}
	return r;
}

int db_query_binds(struct db *db, struct stmt **ret, struct err *err, struct str sql,
		   const struct db_bind *binds, size_t count)
{
	uint32_t hash = hash_of(sql);
	struct stmt *q = cache_find(db, sql, hash);
	int r;

	if (!q) {
		r = stmt_new(db, sql, hash, &q, err);
		if (r < 0)
			return r;
	}
	q->busy = true;
	q->used = ++db->clock;
	r = bind_all(q, binds, count, err);
	if (r < 0) {
		stmt_done(q);
		return r;
	}
	*ret = q;
	return 0;
}

void stmt_done(struct stmt *q)
{
	if (!q)
		return;
	q->db->driver->reset(q->driver);
	q->busy = false;
	if (!q->cached)
		stmt_free(q);
}

int db_run_binds(struct db *db, struct err *err, struct str sql, const struct db_bind *binds,
		 size_t count)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query_binds(db, &q, err, sql, binds, count);
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = 0;
	return r;
}

int db_one_binds(struct db *db, int64_t *ret, struct err *err, struct str sql,
		 const struct db_bind *binds, size_t count)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query_binds(db, &q, err, sql, binds, count);
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW || db_is_null(q, 0))
		return STORE_NOT_FOUND;
	*ret = db_int(q, 0);
	return 0;
}

/* What readers keep open is older now. */
static void committed(struct db *db)
{
	if (db->store)
		store_committed(db->store);
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	int r = db->driver->exec(db->conn, sql, err);

	if (!db->driver->in_transaction(db->conn))
		committed(db);
	return r;
}

int db_step(struct stmt *q, struct err *err)
{
	int r = q->db->driver->step(q->driver, err);

	if (r < 0)
		q->db->read_of = -1;
	return r;
}

bool db_is_null(struct stmt *q, int column)
{
	return q->db->driver->is_null(q->driver, column);
}

int64_t db_int(struct stmt *q, int column)
{
	return q->db->driver->get_int(q->driver, column);
}

struct str db_text(struct stmt *q, int column)
{
	return q->db->driver->get_text(q->driver, column);
}

struct str db_blob(struct stmt *q, int column)
{
	return q->db->driver->get_blob(q->driver, column);
}

char *db_text_dup(struct stmt *q, int column)
{
	return db_is_null(q, column) ? NULL : str_dup(db_text(q, column));
}

int64_t db_last_id(struct db *db)
{
	return db->driver->last_id(db->conn);
}

int64_t db_changes(struct db *db)
{
	return db->driver->changes(db->conn);
}

bool db_in_transaction(struct db *db)
{
	return db->driver->in_transaction(db->conn);
}

/* --- transactions ---------------------------------------------------------------------------
 */

/* The last number of each kind, in table meta; records go by their rows. */
static const char *const change_keys[DB_CHANGE_KINDS] = {
	[DB_CHANGE_REST] = "change_rest",
	[DB_CHANGE_GROUP] = "change_group",
};

static int change_load(struct db *db, struct err *err)
{
	int64_t last = 0;
	int r;

	if (db->change >= 0)
		return 0;
	r = db_one(db, &last, err, "SELECT value FROM meta WHERE key = 'change'");
	for (size_t i = 0; r >= 0 && i < DB_CHANGE_KINDS; i++) {
		db->last_of[i] = db->saved_of[i] = 0;
		if (change_keys[i])
			r = db_one(db, &db->last_of[i], err,
				   "SELECT value FROM meta WHERE key = ?1",
				   DB_T(change_keys[i]));
		db->saved_of[i] = db->last_of[i];
	}
	if (r < 0)
		return r;
	db->change = db->change_saved = last;
	return 0;
}

static int change_save_as(struct db *db, const char *key, int64_t value, int64_t saved,
			  struct err *err)
{
	if (value <= saved)
		return 0;
	return db_run(db, err,
		      "INSERT INTO meta (key, value) VALUES (?1, ?2)"
		      " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		      DB_T(key), DB_I(value));
}

static int change_save(struct db *db, struct err *err)
{
	int r = change_save_as(db, "change", db->change, db->change_saved, err);

	for (size_t i = 0; r == 0 && i < DB_CHANGE_KINDS; i++)
		if (change_keys[i])
			r = change_save_as(db, change_keys[i], db->last_of[i], db->saved_of[i],
					   err);
	return r;
}

int db_begin_write(struct db *db, struct err *err)
{
	int r;

	r = db_run(db, err, "BEGIN IMMEDIATE");
	if (r < 0)
		return r;
	r = change_load(db, err);
	if (r < 0)
		db_rollback(db);
	return r;
}

int db_begin_read(struct db *db, int64_t commits, int64_t most_ms, struct err *err)
{
	int r;

	if (!db_read_is_of(db, commits))
		db_rollback(db);
	db->driver->deadline(db->conn, most_ms > 0 ? stamp_mono_ms() + most_ms : 0);
	if (db_in_transaction(db))
		return 0;
	r = db_run(db, err, "BEGIN");
	if (r == 0)
		db->read_of = commits;
	return r;
}

bool db_read_is_of(const struct db *db, int64_t commits)
{
	return db->read_of >= 0 && db->read_of == commits;
}

int64_t db_read_commit(const struct db *db)
{
	return db->read_of;
}

int db_commit(struct db *db, struct err *err)
{
	int r = change_save(db, err);

	if (r == 0)
		r = db_run(db, err, "COMMIT");
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	db->change_saved = db->change;
	memcpy(db->saved_of, db->last_of, sizeof(db->saved_of));
	db->driver->deadline(db->conn, 0);
	committed(db);
	return 0;
}

void db_rollback(struct db *db)
{
	db->driver->deadline(db->conn, 0);
	db->read_of = -1;
	if (!db_in_transaction(db))
		return;
	if (db->driver->end_read(db->conn))
		return;
	/* by exec, past the cache: it has to work when memory is short too */
	if (db->driver->exec(db->conn, "ROLLBACK", NULL) < 0 && db_in_transaction(db))
		(void)db->driver->exec(db->conn, "ROLLBACK", NULL);
}

int db_savepoint(struct db *db, struct err *err)
{
	return db_run(db, err, "SAVEPOINT request");
}

int db_release(struct db *db, struct err *err)
{
	return db_run(db, err, "RELEASE request");
}

int db_undo(struct db *db, struct err *err)
{
	int r;

	if (!db_in_transaction(db))
		return err_set(err, ERR_UNAVAILABLE,
			       "the batch was undone by a fault of the database: try again");
	r = db_run(db, err, "ROLLBACK TO request");
	if (r == 0)
		r = db_release(db, err);
	return r;
}

int64_t db_next_change(struct db *db)
{
	return db_next_change_of(db, DB_CHANGE_REST);
}

int64_t db_next_change_of(struct db *db, enum db_change kind)
{
	db->last_of[kind] = ++db->change;
	return db->change;
}

int64_t db_change_last(struct db *db)
{
	return db->change;
}

/* --- the file -------------------------------------------------------------------------------
 */

int db_checkpoint(struct db *db, bool cut, struct err *err)
{
	struct store *store = db->store;
	int r;

	if (store)
		store_readers_rest(store);
	r = db->driver->checkpoint(db->conn, cut, err);
	if (store)
		store_readers_keep(store);
	return r;
}

void db_checkpoint_if_due(struct db *db)
{
	int64_t pages = db->driver->wal_pages(db->conn);
	int64_t grown = pages > db->wal_before ? pages - db->wal_before : pages;
	int64_t due = db->checkpoint_pages + 3 * grown;

	db->wal_before = pages;
	/* Large commits write mostly the same pages again: what is folded in after some of them
	 * is folded in once. */
	if (due > 4 * db->checkpoint_pages)
		due = 4 * db->checkpoint_pages;
	/* A WAL far beyond its size means that readers kept it from starting over: then the
	 * writer waits for them (they last 2 s at most). What fails here is tried again after
	 * the next commit; the data is safe in the WAL. */
	if (pages < due)
		return;
	(void)db_checkpoint(db, pages >= 8 * db->checkpoint_pages, NULL);
}

int db_check(struct db *db, struct err *err)
{
	return db->driver->check(db->conn, err);
}

int db_copy(struct db *db, const char *to, const char *vfs, struct err *err)
{
	return db->driver->copy(db->conn, to, vfs, err);
}
