/*
 * One connection with its prepared statements. The verbs in which all of store/ speaks:
 *
 *     db_run(db, err, "UPDATE person SET state = ?1 WHERE id = ?2", DB_I(state), DB_I(id));
 *
 *     CLEANUP(stmt_done_at) struct stmt *q = NULL;
 *     r = db_query(db, &q, err, "SELECT id, key FROM record WHERE source = ?1", DB_I(source));
 *     while (r == 0 && (r = db_step(q, err)) == DB_ROW)
 *             use(db_int(q, 0), db_text(q, 1));
 *
 * A struct db is used by one thread at a time. The writer's is handed to the functions that
 * run on the writer (store/writer.h); readers borrow theirs with store_read_begin().
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store/driver.h"

struct db;
struct stmt;
struct store;

enum { DB_ROW = DRIVER_ROW };
enum { DB_LEFT = DRIVER_LEFT };

/* Answers of the store, above zero; each function names those that it gives. */
enum store_answer {
	STORE_NOT_FOUND = 1,
	STORE_UNCHANGED = 2, /* what was asked for is already so; nothing was written */
	STORE_STALE = 3,     /* the version asked for is no longer the newest */
};

#define STORE_KEY_BYTES 1000 /* longest address or role that is kept */

struct db_bind {
	enum { DB_BIND_NULL, DB_BIND_INT, DB_BIND_TEXT, DB_BIND_BLOB } type;
	int64_t number;
	struct str text;
};

#define DB_I(v) ((struct db_bind){ DB_BIND_INT, (int64_t)(v), { 0 } })
#define DB_S(v) ((struct db_bind){ DB_BIND_TEXT, 0, (v) })       /* struct str */
#define DB_T(v) ((struct db_bind){ DB_BIND_TEXT, 0, str_of(v) }) /* text; NULL is '' */
#define DB_Z(v) db_bind_text_or_null(v)                          /* text; NULL is NULL */
#define DB_B(p, len) ((struct db_bind){ DB_BIND_BLOB, 0, { (const char *)(p), (len) } })
#define DB_N ((struct db_bind){ DB_BIND_NULL, 0, { 0 } })

static inline struct db_bind db_bind_text_or_null(const char *text)
{
	return text ? DB_T(text) : DB_N;
}

#define DB_BINDS(...)                                                                          \
	(const struct db_bind[]){ { 0 }, ##__VA_ARGS__ } + 1,                                  \
		COUNT_OF(((const struct db_bind[]){ { 0 }, ##__VA_ARGS__ })) - 1

/* Prepares (from the connection's cache), binds; nothing has run yet. Bound texts must live
 * until stmt_done(). */
#define db_query(db, ret, err, sql, ...)                                                       \
	db_query_binds((db), (ret), (err), str_of(sql), DB_BINDS(__VA_ARGS__))
/* Runs to the end, rows ignored. 0 or a fault. */
#define db_run(db, err, sql, ...) db_run_binds((db), (err), str_of(sql), DB_BINDS(__VA_ARGS__))
/* First column of the first row. 0, STORE_NOT_FOUND (no row, or NULL) or a fault. */
#define db_one(db, ret, err, sql, ...)                                                         \
	db_one_binds((db), (ret), (err), str_of(sql), DB_BINDS(__VA_ARGS__))

int db_query_binds(struct db *db, struct stmt **ret, struct err *err, struct str sql,
		   const struct db_bind *binds, size_t count) MUST_USE;
int db_run_binds(struct db *db, struct err *err, struct str sql, const struct db_bind *binds,
		 size_t count) MUST_USE;
int db_one_binds(struct db *db, int64_t *ret, struct err *err, struct str sql,
		 const struct db_bind *binds, size_t count) MUST_USE;
/* Statements without parameters and rows, not cached. */
int db_exec(struct db *db, const char *sql, struct err *err) MUST_USE;

int db_step(struct stmt *q, struct err *err) MUST_USE; /* 0 at the end, DB_ROW */
bool db_is_null(struct stmt *q, int column);
int64_t db_int(struct stmt *q, int column);     /* NULL is 0 */
struct str db_text(struct stmt *q, int column); /* borrowed until the next step */
struct str db_blob(struct stmt *q, int column);
char *db_text_dup(struct stmt *q, int column); /* caller frees; NULL column is NULL; check
						  db_is_null to tell lost memory */
void stmt_done(struct stmt *q);                /* gives it back to the cache */
OWNED(struct stmt, stmt_done)

int64_t db_last_id(struct db *db);
int64_t db_changes(struct db *db);

/* Transactions. Only store/writer.c, store/store.c and store/migrate.c begin and end them. */
int db_begin_write(struct db *db, struct err *err) MUST_USE;
/* commits: what store_commits() said before; a transaction that still shows it goes on. */
int db_begin_read(struct db *db, int64_t commits, int64_t most_ms, struct err *err) MUST_USE;
/* True when the read transaction that is open shows that commit, and nothing in it failed. */
bool db_read_is_of(const struct db *db, int64_t commits);
/* The commit that it shows. */
int64_t db_read_commit(const struct db *db);
int db_commit(struct db *db, struct err *err) MUST_USE;
void db_rollback(struct db *db);
int db_savepoint(struct db *db, struct err *err) MUST_USE;
int db_release(struct db *db, struct err *err) MUST_USE;
/* Undoes to the savepoint and releases it; a fault when the whole transaction is gone. */
int db_undo(struct db *db, struct err *err) MUST_USE;

/*
 * The change counter: each row that matters to a round carries the number of its last change.
 * Takes the next number; it is made durable with the transaction.
 *
 * For records and groups that alone changed there are numbers of their own kind: a reader that
 * is overtaken by them finds the rows by their numbers, while anything else (a link, a
 * decision, a read, an account) makes it begin again.
 */
enum db_change { DB_CHANGE_REST, DB_CHANGE_RECORD, DB_CHANGE_GROUP, DB_CHANGE_KINDS };
int64_t db_next_change(struct db *db); /* DB_CHANGE_REST */
int64_t db_next_change_of(struct db *db, enum db_change kind);

struct store *db_store(struct db *db);
/* driver.watch of it. */
bool db_watch(struct db *db, driver_change_fn fn, void *ctx);
bool db_is_mapped(const struct db *db); /* opened with driver_options.map_bytes */

/* For store/store.c: makes and ends one. */
int db_open(const struct driver *driver, const struct driver_options *options,
	    struct store *store, struct db **ret, struct err *err) MUST_USE;
void db_close(struct db *db);
OWNED(struct db, db_close)
/* DB_LEFT: readers stood in the way, it is left to the next one. */
int db_checkpoint(struct db *db, bool cut, struct err *err);
int db_check(struct db *db, struct err *err) MUST_USE;
int db_copy(struct db *db, const char *to, const char *vfs, struct err *err) MUST_USE;
bool db_in_transaction(struct db *db);
/* Checkpoints when the WAL has grown past what it should have. */
void db_checkpoint_if_due(struct db *db);
/* True when changes were made in this transaction that carry a change number. */
int64_t db_change_last(struct db *db);

#endif
