/*
 * The little SQL that a database engine must give us. SQLite is the first driver
 * (store/sqlite.c, the only file that includes <sqlite3.h>); PostgreSQL is to be the second.
 *
 * A connection and its statements belong to one thread at a time. Parameters are ?1, ?2, ...
 * and counted from 1; columns from 0. What a column function returns is borrowed until the
 * next step, reset or finalize. Nothing above store/db.c calls these directly.
 */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct driver_conn;
struct driver_stmt;

enum { DRIVER_ROW = 1 };  /* answer of step: a row is there */
enum { DRIVER_LEFT = 1 }; /* answer of checkpoint: readers stood in the way */

enum driver_open {
	DRIVER_READ,   /* the file must exist; nothing is ever written */
	DRIVER_WRITE,  /* the file must exist */
	DRIVER_CREATE, /* the file is made where there is none */
	DRIVER_TEMP,   /* an empty one of our own, beyond some memory on disk (TMPDIR, else
			  /var/tmp); it ends with its connection. path is ignored */
};

struct driver_options {
	const char *path;
	const char *vfs; /* NULL: the engine's own way to the disk; tests name theirs */
	enum driver_open open;
	int64_t busy_ms;          /* how long a lock of another process is waited for */
	int64_t checkpoint_pages; /* writer: WAL pages after which it is folded into the file */
	int64_t wal_most_bytes;   /* what the WAL is cut back to after a checkpoint */
	int64_t map_bytes; /* reader: how much of the file it maps into memory; 0: nothing */
};

/* What the head of a database file says, before anything is trusted. */
struct driver_head {
	uint32_t application_id;
	uint32_t user_version;

	bool empty;      /* no file, or one without a table */
	bool suspicious; /* its length is not what its head says */
};

/* A row that a connection is about to change. Column functions are valid inside the call. */
enum driver_what { DRIVER_INSERTED, DRIVER_UPDATED, DRIVER_DELETED };

struct driver_change {
	const char *table;
	enum driver_what what;
	int64_t row_before, row_after; /* its number; of no use where a table has none */
	void *engine;                  /* the driver's own */
};

struct driver;
typedef void (*driver_change_fn)(void *ctx, const struct driver *d,
				 const struct driver_change *c);

struct driver {
	const char *name;

	/* Reads the head without opening. Fault: FOREIGN, DAMAGED, IO with the way out. */
	int (*look)(const char *path, const char *vfs, struct driver_head *ret,
		    struct err *err);
	int (*open)(const struct driver_options *options, struct driver_conn **ret,
		    struct err *err);
	void (*close)(struct driver_conn *conn);

	int (*exec)(struct driver_conn *conn, const char *sql, struct err *err);
	int (*prepare)(struct driver_conn *conn, struct str sql, struct driver_stmt **ret,
		       struct err *err);
	void (*finalize)(struct driver_stmt *stmt);
	void (*reset)(struct driver_stmt *stmt); /* bindings too */

	/* The text must live until reset: nothing is copied. */
	int (*bind_null)(struct driver_stmt *stmt, int at, struct err *err);
	int (*bind_int)(struct driver_stmt *stmt, int at, int64_t value, struct err *err);
	int (*bind_text)(struct driver_stmt *stmt, int at, struct str value, struct err *err);
	int (*bind_blob)(struct driver_stmt *stmt, int at, struct str value, struct err *err);

	int (*step)(struct driver_stmt *stmt, struct err *err); /* 0 done, DRIVER_ROW */
	bool (*is_null)(struct driver_stmt *stmt, int column);
	int64_t (*get_int)(struct driver_stmt *stmt, int column);
	struct str (*get_text)(struct driver_stmt *stmt, int column);
	struct str (*get_blob)(struct driver_stmt *stmt, int column);

	int64_t (*last_id)(struct driver_conn *conn);
	int64_t (*changes)(struct driver_conn *conn); /* rows of the last statement */
	/* False once a fault has undone the whole transaction. */
	bool (*in_transaction)(struct driver_conn *conn);
	/* Ends the transaction of a reading connection without needing memory. False: not a
	 * reading connection, or it could not be done. */
	bool (*end_read)(struct driver_conn *conn);
	/* From now, statements of this connection end with TIMEOUT at that monotonic time; 0:
	 * none. */
	void (*deadline)(struct driver_conn *conn, int64_t mono_ms);

	/* Tells fn of every row that this connection changes, what is undone later too. False:
	 * the engine cannot. */
	bool (*watch)(struct driver_conn *conn, driver_change_fn fn, void *ctx);
	/* A column before or after the change; false: it is not of that type, or lost memory.
	 */
	bool (*change_int)(const struct driver_change *c, bool after, int column, int64_t *ret);
	bool (*change_text)(const struct driver_change *c, bool after, int column,
			    struct str *ret);

	/* Folds the WAL into the file; with cut, also empties it. DRIVER_LEFT: readers, or
	 * another writer, stood in the way for busy_ms; the next one will do it. */
	int (*checkpoint)(struct driver_conn *conn, bool cut, struct err *err);
	int64_t (*wal_pages)(struct driver_conn *conn); /* as of the last commit */
	/* Reads the whole file's structure. Fault: DAMAGED with the engine's own words. */
	int (*check)(struct driver_conn *conn, struct err *err);
	/* Copies the open database, as of one moment, into a new file, fsynced. */
	int (*copy)(struct driver_conn *conn, const char *to, const char *vfs, struct err *err);
};

extern const struct driver driver_sqlite;

/*
 * Tests: from now the nth call of prepare, exec, step (and so of begin and commit) fails once
 * with IO, whoever makes it. 0 disarms. fired says whether it came to that.
 */
void driver_sqlite_fault_at(int nth);
bool driver_sqlite_fault_fired(void);

#endif
