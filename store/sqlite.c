/*
 * SQLite behind store/driver.h. The file is in WAL mode with synchronous=FULL: a commit is on
 * the disk when it returns. Checkpoints are ours (the hook only counts), so that they run on
 * the writer and the WAL stays bounded.
 */
#include "store/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its declarations are there where the library has it, and where it has not. */
#define SQLITE_ENABLE_PREUPDATE_HOOK
#include <sqlite3.h>

#include "base/stamp.h"

#define HEAD_BYTES 100
#define LOOK_BUSY_MS 10000
#define TEMP_CACHE_KIB 8192 /* of a database that only sorts */
#define READER_CACHE_KIB                                                                       \
	8192 /* pages that a reading connection keeps, filled as they are read */
/* A reader that maps keeps next to no pages of its own: those of the WAL. */
#define MAPPER_CACHE_KIB 1024
#define PROGRESS_STEPS 2000 /* virtual machine steps between two looks at the deadline */

struct driver_conn {
	sqlite3 *db;
	sqlite3_stmt *end_read; /* readers: "ROLLBACK", ready */
	int64_t wal_pages;
	int64_t wal_most_bytes;
	int64_t deadline_ms; /* monotonic; 0: none */
	driver_change_fn watcher;
	void *watcher_ctx;
	char *path;
};

struct driver_stmt {
	sqlite3_stmt *stmt;
	struct driver_conn *conn;
};

static _Atomic int fault_countdown;
static _Atomic bool fault_happened;

void driver_sqlite_fault_at(int nth)
{
	atomic_store(&fault_happened, false);
	atomic_store(&fault_countdown, nth);
}

bool driver_sqlite_fault_fired(void)
{
	atomic_store(&fault_countdown, 0);
	return atomic_exchange(&fault_happened, false);
}

static bool fault_due(void)
{
	if (atomic_load_explicit(&fault_countdown, memory_order_relaxed) == 0)
		return false;
	if (atomic_fetch_sub(&fault_countdown, 1) != 1)
		return false;
	atomic_store(&fault_happened, true);
	return true;
}

/* clang-format off */
static const struct {
	int rc, code;
	const char *says;
} faults[] = {
	{ SQLITE_NOMEM,      ERR_NOMEM,    "out of memory" },
	{ SQLITE_FULL,       ERR_FULL,     "the disk is full: free space on it; nothing was lost" },
	{ SQLITE_CORRUPT,    ERR_DAMAGED,  "the database is damaged: stop leaverd and put back a backup with `leaverd restore`" },
	{ SQLITE_NOTADB,     ERR_DAMAGED,  "not a SQLite database, or damaged at its head: put back a backup with `leaverd restore`" },
	{ SQLITE_BUSY,       ERR_BUSY,     "another program holds the database: end it and try again" },
	{ SQLITE_LOCKED,     ERR_BUSY,     "the database is in use by another statement" },
	{ SQLITE_INTERRUPT,  ERR_TIMEOUT,  "the read took longer than a read may" },
	{ SQLITE_READONLY,   ERR_IO,       "the database may not be written: look at the rights of file and folder" },
	{ SQLITE_PERM,       ERR_IO,       "no right to the file" },
	{ SQLITE_CANTOPEN,   ERR_IO,       "the file cannot be opened: look at the rights of file and folder" },
	{ SQLITE_IOERR,      ERR_IO,       "reading or writing the file failed: look at disk and system log" },
	{ SQLITE_CONSTRAINT, ERR_CONFLICT, "a rule of the tables was broken" },
	{ SQLITE_TOOBIG,     ERR_TOO_LARGE, "a value is too large for the database" },
};
/* clang-format on */

static int tell_path(const char *path, int rc, struct err *err, const char *what)
{
	size_t i;

	if ((rc & 0xff) == SQLITE_NOMEM)
		return err_nomem(err);
	for (i = 0; i < COUNT_OF(faults); i++)
		if (faults[i].rc == (rc & 0xff))
			return err_set(err, faults[i].code, "%s: %s: %s (%s)", path, what,
				       faults[i].says, sqlite3_errstr(rc));
	return err_set(err, ERR_INTERNAL, "%s: %s: %s", path, what, sqlite3_errstr(rc));
}

static int tell(struct driver_conn *conn, int rc, struct err *err, const char *what)
{
	/* the engine's own words name the statement's fault: ours to mend, not the operator's
	 */
	if ((rc & 0xff) == SQLITE_ERROR && conn->db)
		return err_set(err, ERR_INTERNAL, "%s: %s: %s", conn->path, what,
			       sqlite3_errmsg(conn->db));
	return tell_path(conn->path, rc, err, what);
}

static int told_fault(struct driver_conn *conn, struct err *err, const char *what)
{
	return tell(conn, SQLITE_IOERR, err, what);
}

static int head_read(const char *path, unsigned char head[HEAD_BYTES], size_t *got,
		     int64_t *size, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		*got = 0;
		*size = 0;
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, ERR_IO, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_FOREIGN, "%s is not a file", path);
	n = pread(fd, head, HEAD_BYTES, 0);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "%s: reading its head", path);
	*got = (size_t)n;
	*size = st.st_size;
	return 0;
}

/* Memory is not counted: the counter is a lock that all threads would share. Refused, and so
 * left as it is, where a program has begun to use SQLite already. */
static void set_up_once(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static uint32_t big32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* True when a -wal with content stands beside it: then the head may be older than the data. */
static bool has_wal(const char *path)
{
	char wal[4096];
	struct stat st;
	int n = snprintf(wal, sizeof(wal), "%s-wal", path);

	return n > 0 && (size_t)n < sizeof(wal) && stat(wal, &st) == 0 && st.st_size > 0;
}

static int number_of(sqlite3 *db, const char *sql, uint32_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = (uint32_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* What the newest commit says of the head, which may stand in the WAL yet. */
static int look_through_sqlite(const char *path, const char *vfs, struct driver_head *ret,
			       struct err *err)
{
	sqlite3 *db = NULL;
	uint32_t tables = 0;
	int rc;

	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, LOOK_BUSY_MS);
		/* looking changes nothing: no checkpoint when it ends */
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		rc = number_of(db, "PRAGMA application_id", &ret->application_id);
	}
	if (rc == SQLITE_OK)
		rc = number_of(db, "PRAGMA user_version", &ret->user_version);
	if (rc == SQLITE_OK)
		rc = number_of(db, "SELECT count(*) FROM sqlite_schema", &tables);
	sqlite3_close(db);
	ret->empty = rc == SQLITE_OK && tables == 0 && ret->application_id == 0;
	return rc == SQLITE_OK ? 0 : tell_path(path, rc, err, "reading its head");
}

static int look(const char *path, const char *vfs, struct driver_head *ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	unsigned char head[HEAD_BYTES] = { 0 };
	size_t got = 0;
	int64_t size = 0, page;
	int r;

	(void)pthread_once(&once, set_up_once);
	r = head_read(path, head, &got, &size, err);
	if (r < 0)
		return r;
	*ret = (struct driver_head){ .empty = size == 0 && !has_wal(path) };
	if (ret->empty)
		return 0;
	if (size == 0)
		return look_through_sqlite(path, vfs, ret, err);
	if (got < HEAD_BYTES || memcmp(head, "SQLite format 3", 16) != 0)
		return err_set(err, ERR_FOREIGN,
			       "%s is not a SQLite database: name another path, or put back a "
			       "backup with `leaverd restore`",
			       path);
	page = (int64_t)head[16] << 8 | head[17];
	if (page == 1)
		page = 65536;
	ret->application_id = big32(head + 68);
	ret->user_version = big32(head + 60);
	if (page < 512 || (page & (page - 1)) != 0)
		return err_set(err, ERR_DAMAGED,
			       "%s is damaged at its head (page size %lld): put back a backup "
			       "with `leaverd restore`",
			       path, (long long)page);
	if (has_wal(path))
		return look_through_sqlite(path, vfs, ret, err);

	ret->suspicious = size % page != 0 ||
			  (big32(head + 28) != 0 && size != page * (int64_t)big32(head + 28));
	/* one that we began to make and did not finish is an empty one */
	return ret->application_id || ret->user_version || ret->suspicious
		       ? 0
		       : look_through_sqlite(path, vfs, ret, err);
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct driver_conn *conn = arg;

	(void)db;
	(void)name;
	conn->wal_pages = pages;
	return SQLITE_OK;
}

static int on_progress(void *arg)
{
	const struct driver_conn *conn = arg;

	return conn->deadline_ms != 0 && stamp_mono_ms() > conn->deadline_ms;
}

static int pragma(struct driver_conn *conn, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return tell(conn, rc, err, sql);
	return 0;
}

static int end_read_prepare(struct driver_conn *conn, struct err *err)
{
	int rc = sqlite3_prepare_v3(conn->db, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT,
				    &conn->end_read, NULL);

	return rc == SQLITE_OK ? 0 : tell(conn, rc, err, "preparing");
}

/* leaverd_fold(TEXT): str_fold(), for steps that fill a column which did not exist. */
static void sql_fold(sqlite3_context *context, int n, sqlite3_value **values)
{
	struct str text = { 0 };
	struct err err;
	char *folded = NULL;
	size_t len = 0;
	int r;

	(void)n;
	text.p = (const char *)sqlite3_value_text(values[0]);
	text.len = text.p ? (size_t)sqlite3_value_bytes(values[0]) : 0;
	r = str_fold(text, &folded, &len, &err);

	if (r == -ERR_NOMEM)
		sqlite3_result_error_nomem(context);
	else if (r < 0) /* no UTF-8: nobody asks for it */
		sqlite3_result_text(context, "", 0, SQLITE_STATIC);
	else
		sqlite3_result_text64(context, folded, len, SQLITE_TRANSIENT, SQLITE_UTF8);
	free(folded);
}

static int give_fold(struct driver_conn *conn, struct err *err)
{
	int rc = sqlite3_create_function_v2(conn->db, "leaverd_fold", 1,
					    SQLITE_UTF8 | SQLITE_DETERMINISTIC |
						    SQLITE_DIRECTONLY,
					    NULL, sql_fold, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : tell(conn, rc, err, "leaverd_fold()");
}

/*
 * A mapped page is used where it lies, so it would be checked anew at each look instead of once
 * when it is read: that is left to the connections that do not map, the writer among them.
 */
static int map_file(struct driver_conn *conn, int64_t bytes, struct err *err)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "PRAGMA mmap_size=%lld", (long long)bytes);
	r = pragma(conn, text, err);
	return r < 0 ? r : pragma(conn, "PRAGMA cell_size_check=OFF", err);
}

static int set_up_reader(struct driver_conn *conn, const struct driver_options *options,
			 struct err *err)
{
	char text[64];
	int r;

	sqlite3_progress_handler(conn->db, PROGRESS_STEPS, on_progress, conn);
	snprintf(text, sizeof(text), "PRAGMA cache_size=-%d",
		 options->map_bytes > 0 ? MAPPER_CACHE_KIB : READER_CACHE_KIB);
	r = pragma(conn, text, err);
	if (r == 0)
		r = pragma(conn, "PRAGMA query_only=ON", err);
	if (r == 0 && options->map_bytes > 0)
		r = map_file(conn, options->map_bytes, err);
	return r < 0 ? r : end_read_prepare(conn, err);
}

static int set_up(struct driver_conn *conn, const struct driver_options *options,
		  struct err *err)
{
	char text[128];
	int r;

	sqlite3_extended_result_codes(conn->db, 1);
	sqlite3_busy_timeout(conn->db, (int)options->busy_ms);
	sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	r = pragma(conn, "PRAGMA cell_size_check=ON", err);
	if (r == 0)
		r = pragma(conn, "PRAGMA temp_store=MEMORY", err);
	if (r < 0)
		return r;
	if (options->open == DRIVER_READ)
		return set_up_reader(conn, options, err);
	r = give_fold(conn, err);
	if (r == 0)
		r = pragma(conn, "PRAGMA journal_mode=WAL", err);
	if (r == 0)
		r = pragma(conn, "PRAGMA synchronous=FULL", err);
	if (r == 0)
		r = pragma(conn, "PRAGMA secure_delete=FAST", err);
	if (r == 0)
		r = pragma(conn, "PRAGMA cache_size=-24576", err);
	snprintf(text, sizeof(text), "PRAGMA journal_size_limit=%lld",
		 (long long)options->wal_most_bytes);
	if (r == 0)
		r = pragma(conn, text, err);
	sqlite3_wal_hook(conn->db, on_wal, conn);
	return r;
}

/* So that WAL and shared memory inherit the mode: nobody else reads what we keep. */
static int make_file(const char *path, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "%s cannot be made", path);
	return 0;
}

static void conn_close(struct driver_conn *conn)
{
	if (!conn)
		return;
	sqlite3_finalize(conn->end_read);
	sqlite3_close(conn->db);
	free(conn->path);
	free(conn);
}
OWNED(struct driver_conn, conn_close)

static int temp_open(struct driver_conn *made, struct driver_conn **ret, struct err *err)
{
	CLEANUP(conn_close_at) struct driver_conn *conn = made;
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int rc = sqlite3_open_v2("", &conn->db, flags, NULL), r;
	char text[64];

	if (rc != SQLITE_OK)
		return tell(conn, rc, err, "opening a database for sorting");
	sqlite3_extended_result_codes(conn->db, 1);
	snprintf(text, sizeof(text), "PRAGMA cache_size=-%d", TEMP_CACHE_KIB);
	r = pragma(conn, text, err);
	/* what is sorted beyond that memory goes to the disk as well */
	if (r == 0)
		r = pragma(conn, "PRAGMA temp_store=FILE", err);
	if (r == 0)
		r = pragma(conn, "PRAGMA journal_mode=OFF", err);
	if (r == 0)
		r = pragma(conn, "PRAGMA synchronous=OFF", err);
	if (r < 0)
		return r;
	*ret = TAKE(conn);
	return 0;
}

static int conn_open(const struct driver_options *options, struct driver_conn **ret,
		     struct err *err)
{
	CLEANUP(conn_close_at) struct driver_conn *conn = calloc(1, sizeof(*conn));
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
	int rc, r;

	if (!conn)
		return err_nomem(err);
	conn->path = str_dup(options->open == DRIVER_TEMP ? STR("a temporary database")
							  : str_of(options->path));
	if (!conn->path)
		return err_nomem(err);
	conn->wal_most_bytes = options->wal_most_bytes;
	if (options->open == DRIVER_CREATE && !options->vfs) {
		r = make_file(options->path, err);
		if (r < 0)
			return r;
	}
	if (options->open == DRIVER_CREATE)
		flags |= SQLITE_OPEN_CREATE;
	if (options->open == DRIVER_TEMP)
		return temp_open(TAKE(conn), ret, err);
	/* a reader opens for writing too: the WAL's index is shared memory that all write;
	 * query_only keeps it from writing data */
	rc = sqlite3_open_v2(options->path, &conn->db, flags, options->vfs);
	if (rc != SQLITE_OK)
		return tell(conn, rc, err, "opening");
	r = set_up(conn, options, err);
	if (r < 0)
		return r;
	*ret = TAKE(conn);
	return 0;
}

static int conn_exec(struct driver_conn *conn, const char *sql, struct err *err)
{
	int rc;

	if (fault_due())
		return told_fault(conn, err, "statement");
	rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return tell(conn, rc, err, "statement");
	return 0;
}

static void stmt_finalize(struct driver_stmt *stmt)
{
	if (!stmt)
		return;
	sqlite3_finalize(stmt->stmt);
	free(stmt);
}
OWNED(struct driver_stmt, stmt_finalize)

static int conn_prepare(struct driver_conn *conn, struct str sql, struct driver_stmt **ret,
			struct err *err)
{
	CLEANUP(stmt_finalize_at) struct driver_stmt *stmt = calloc(1, sizeof(*stmt));
	int rc;

	if (!stmt)
		return err_nomem(err);
	if (fault_due())
		return told_fault(conn, err, "preparing");
	stmt->conn = conn;
	rc = sqlite3_prepare_v3(conn->db, sql.p, (int)sql.len, SQLITE_PREPARE_PERSISTENT,
				&stmt->stmt, NULL);
	if (rc != SQLITE_OK)
		return tell(conn, rc, err, "preparing");
	*ret = TAKE(stmt);
	return 0;
}

static void stmt_reset(struct driver_stmt *stmt)
{
	sqlite3_reset(stmt->stmt);
	sqlite3_clear_bindings(stmt->stmt);
}

static int bound(struct driver_stmt *stmt, int rc, struct err *err)
{
	return rc == SQLITE_OK ? 0 : tell(stmt->conn, rc, err, "binding a value");
}

static int bind_null(struct driver_stmt *stmt, int at, struct err *err)
{
	return bound(stmt, sqlite3_bind_null(stmt->stmt, at), err);
}

static int bind_int(struct driver_stmt *stmt, int at, int64_t value, struct err *err)
{
	return bound(stmt, sqlite3_bind_int64(stmt->stmt, at, value), err);
}

static int bind_text(struct driver_stmt *stmt, int at, struct str value, struct err *err)
{
	return bound(stmt,
		     sqlite3_bind_text64(stmt->stmt, at, value.p ? value.p : "", value.len,
					 SQLITE_STATIC, SQLITE_UTF8),
		     err);
}

static int bind_blob(struct driver_stmt *stmt, int at, struct str value, struct err *err)
{
	return bound(stmt,
		     sqlite3_bind_blob64(stmt->stmt, at, value.p ? value.p : "", value.len,
					 SQLITE_STATIC),
		     err);
}

static int stmt_step(struct driver_stmt *stmt, struct err *err)
{
	int rc;

	if (fault_due())
		return told_fault(stmt->conn, err, "statement");
	rc = sqlite3_step(stmt->stmt);
	if (rc == SQLITE_ROW)
		return DRIVER_ROW;
	if (rc == SQLITE_DONE)
		return 0;
	return tell(stmt->conn, rc, err, "statement");
}

static bool is_null(struct driver_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt->stmt, column) == SQLITE_NULL;
}

static int64_t get_int(struct driver_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt->stmt, column);
}

static struct str get_text(struct driver_stmt *stmt, int column)
{
	const void *p = sqlite3_column_text(stmt->stmt, column);

	return str_n(p, p ? (size_t)sqlite3_column_bytes(stmt->stmt, column) : 0);
}

static struct str get_blob(struct driver_stmt *stmt, int column)
{
	const void *p = sqlite3_column_blob(stmt->stmt, column);

	return str_n(p, p ? (size_t)sqlite3_column_bytes(stmt->stmt, column) : 0);
}

static int64_t last_id(struct driver_conn *conn)
{
	return sqlite3_last_insert_rowid(conn->db);
}

static int64_t changes(struct driver_conn *conn)
{
	return sqlite3_changes64(conn->db);
}

static bool in_transaction(struct driver_conn *conn)
{
	return sqlite3_get_autocommit(conn->db) == 0;
}

static bool end_read(struct driver_conn *conn)
{
	if (!conn->end_read)
		return false;
	(void)sqlite3_step(conn->end_read);
	(void)sqlite3_reset(conn->end_read);
	return !in_transaction(conn);
}

static void deadline(struct driver_conn *conn, int64_t mono_ms)
{
	conn->deadline_ms = mono_ms;
}

/* --- watching -------------------------------------------------------------------------------
 */

/* Debian's library is made with it; one that is not tells nothing, and nothing is cached. */
#pragma weak sqlite3_preupdate_hook
#pragma weak sqlite3_preupdate_old
#pragma weak sqlite3_preupdate_new

static void on_row(void *arg, sqlite3 *db, int op, const char *schema, const char *table,
		   sqlite3_int64 before, sqlite3_int64 after)
{
	const struct driver_conn *conn = arg;
	const struct driver_change c = {
		.table = table,
		.what = op == SQLITE_INSERT   ? DRIVER_INSERTED
			: op == SQLITE_DELETE ? DRIVER_DELETED
					      : DRIVER_UPDATED,
		.row_before = op == SQLITE_INSERT ? after : before,
		.row_after = op == SQLITE_DELETE ? before : after,
		.engine = db,
	};

	(void)schema;
	conn->watcher(conn->watcher_ctx, &driver_sqlite, &c);
}

static bool watch(struct driver_conn *conn, driver_change_fn fn, void *ctx)
{
	if (!sqlite3_preupdate_hook || !sqlite3_preupdate_old || !sqlite3_preupdate_new)
		return false;
	conn->watcher = fn;
	conn->watcher_ctx = ctx;
	sqlite3_preupdate_hook(conn->db, on_row, conn);
	return true;
}

static sqlite3_value *change_value(const struct driver_change *c, bool after, int column)
{
	sqlite3_value *value = NULL;
	int rc = after ? sqlite3_preupdate_new(c->engine, column, &value)
		       : sqlite3_preupdate_old(c->engine, column, &value);

	return rc == SQLITE_OK ? value : NULL;
}

static bool change_int(const struct driver_change *c, bool after, int column, int64_t *ret)
{
	sqlite3_value *value = change_value(c, after, column);

	if (!value || sqlite3_value_type(value) != SQLITE_INTEGER)
		return false;
	*ret = sqlite3_value_int64(value);
	return true;
}

static bool change_text(const struct driver_change *c, bool after, int column, struct str *ret)
{
	sqlite3_value *value = change_value(c, after, column);
	const char *text;

	if (!value || sqlite3_value_type(value) != SQLITE_TEXT)
		return false;
	text = (const char *)sqlite3_value_text(value);
	if (!text)
		return false;
	*ret = str_n(text, (size_t)sqlite3_value_bytes(value));
	return true;
}

static int checkpoint(struct driver_conn *conn, bool cut, struct err *err)
{
	int left = 0, done = 0, rc;

	if (fault_due())
		return told_fault(conn, err, "folding the WAL into the file");
	rc = sqlite3_wal_checkpoint_v2(
		conn->db, NULL, cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
		&left, &done);
	if (rc == SQLITE_OK && left == done)
		conn->wal_pages = 0;
	if ((rc & 0xff) == SQLITE_BUSY)
		return DRIVER_LEFT;
	return rc == SQLITE_OK ? 0 : tell(conn, rc, err, "folding the WAL into the file");
}

static int64_t wal_pages(struct driver_conn *conn)
{
	return conn->wal_pages;
}

/*
 * What the check could not read for want of memory or of the disk is not damaged: nobody is to
 * put back a backup for that. SQLite names such a fault within its answer ("unable to get the
 * page. error code=7"). Yields it, or 0 where the check read all that it did not like.
 */
static int check_unread(const char *says)
{
	const char *code = strstr(says, "error code");
	int rc = code ? (int)strtol(code + strlen("error code") + 1, NULL, 10) : SQLITE_OK;

	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB ? SQLITE_OK : rc;
}

static int check_judge(struct driver_conn *conn, const char *says, struct err *err)
{
	int rc = says ? check_unread(says) : SQLITE_NOMEM;

	if (rc != SQLITE_OK)
		return tell(conn, rc, err, "checking");
	if (strcmp(says, "ok") == 0)
		return 0;
	return err_set(err, ERR_DAMAGED,
		       "%s is damaged (%s): stop leaverd and put back a backup with "
		       "`leaverd restore`",
		       conn->path, says);
}

static int check(struct driver_conn *conn, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc, r;

	rc = sqlite3_prepare_v2(conn->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	r = rc == SQLITE_ROW
		    ? check_judge(conn, (const char *)sqlite3_column_text(stmt, 0), err)
		    : tell(conn, rc, err, "checking");
	sqlite3_finalize(stmt);
	return r;
}

/* The copy must be whole without a WAL of its own, so that one file is the backup. */
static int copy_pages(struct driver_conn *conn, sqlite3 *to, struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", conn->db, "main");
	int rc;

	if (!backup)
		return tell(conn, sqlite3_errcode(to), err, "copying");
	rc = sqlite3_backup_step(backup, -1);
	if (rc == SQLITE_DONE)
		rc = SQLITE_OK;
	if (rc != SQLITE_OK) {
		sqlite3_backup_finish(backup);
		return tell(conn, rc, err, "copying");
	}
	rc = sqlite3_backup_finish(backup);
	return rc == SQLITE_OK ? 0 : tell(conn, rc, err, "copying");
}

static int copy(struct driver_conn *conn, const char *path, const char *vfs, struct err *err)
{
	sqlite3 *to = NULL;
	int fd, rc, r;

	if (fault_due())
		return told_fault(conn, err, "copying");
	if (!vfs) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno,
					 "%s cannot be made", path);
		close(fd);
	}
	rc = sqlite3_open_v2(path, &to,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			     vfs);
	r = rc == SQLITE_OK ? copy_pages(conn, to, err) : tell(conn, rc, err, "copying");
	sqlite3_close(to);
	if (r < 0 && !vfs)
		unlink(path);
	return r;
}

const struct driver driver_sqlite = {
	.name = "sqlite",
	.look = look,
	.open = conn_open,
	.close = conn_close,
	.exec = conn_exec,
	.prepare = conn_prepare,
	.finalize = stmt_finalize,
	.reset = stmt_reset,
	.bind_null = bind_null,
	.bind_int = bind_int,
	.bind_text = bind_text,
	.bind_blob = bind_blob,
	.step = stmt_step,
	.is_null = is_null,
	.get_int = get_int,
	.get_text = get_text,
	.get_blob = get_blob,
	.last_id = last_id,
	.changes = changes,
	.in_transaction = in_transaction,
	.end_read = end_read,
	.deadline = deadline,
	.watch = watch,
	.change_int = change_int,
	.change_text = change_text,
	.checkpoint = checkpoint,
	.wal_pages = wal_pages,
	.check = check,
	.copy = copy,
};
