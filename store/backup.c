/*
 * A backup is made beside its name (PATH.part), checked by opening it, fsynced, and only then
 * renamed: a file with the name is a whole backup. Restoring works the other way round: the
 * copy is prepared beside the place, what stands there is moved aside, the copy is renamed into
 * it.
 */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/stamp.h"
#include "store/audit.h"
#include "store/lease.h"
#include "store/migrate.h"

#define BUSY_MS 30000
#define COPY_BYTES (1 << 20)

static int path_with(const char *path, const char *suffix, char **ret, struct err *err)
{
	struct buf b;
	int r;

	buf_init(&b, 4096);
	buf_addf(&b, "%s%s", path, suffix);
	r = buf_fault(&b, err, "a path");
	if (r == 0)
		*ret = buf_take(&b, NULL);
	buf_done(&b);
	return r;
}

/* The file's bytes, and with it the name in its folder. */
static int sync_path(const char *path, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, ERR_IO, errno, "%s: writing it to the disk", path);
	return 0;
}

static int sync_folder(const char *path, struct err *err)
{
	CLEANUP(free_at) char *folder = str_dup(str_of(path));
	char *slash;

	if (!folder)
		return err_nomem(err);
	slash = strrchr(folder, '/');
	if (!slash)
		return sync_path(".", err);
	slash[slash == folder] = '\0';
	return sync_path(folder, err);
}

/* Opens a file that is no store of ours yet: for checking and preparing. */
static int open_alone(const char *path, enum driver_open how, struct db **ret, struct err *err)
{
	struct driver_options o = { .path = path,
				    .open = how,
				    .busy_ms = BUSY_MS,
				    .checkpoint_pages = 1000,
				    .wal_most_bytes = 1 << 20 };

	return db_open(&driver_sqlite, &o, NULL, ret, err);
}

static int look_inside(struct db *db, struct backup_report *ret, struct err *err)
{
	int64_t n = 0;
	int r;

	r = db_check(db, err);
	if (r == 0)
		r = db_one(db, &ret->epoch, err, "SELECT value FROM meta WHERE key = 'epoch'");
	if (r == STORE_NOT_FOUND)
		r = 0;
	if (r == 0)
		r = db_one(db, &n, err, "SELECT max(seq) FROM audit");
	if (r == STORE_NOT_FOUND)
		r = 0;
	ret->audit_last = n;
	return r;
}

static int verify(const char *path, struct backup_report *ret, struct err *err)
{
	CLEANUP(db_close_at) struct db *db = NULL;
	struct driver_head head = { 0 };
	struct stat st;
	int r;

	r = driver_sqlite.look(path, NULL, &head, err);
	if (r == 0 && head.empty)
		return err_set(err, ERR_NOT_FOUND, "there is no backup at %s", path);
	if (r == 0)
		r = migrate_judge(path, &head, err);
	if (r == 0 && head.suspicious)
		return err_set(err, ERR_DAMAGED,
			       "%s is not as long as its head says: it is damaged or cut off",
			       path);
	if (r == 0)
		r = open_alone(path, DRIVER_READ, &db, err);
	if (r == 0)
		r = look_inside(db, ret, err);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return err_errno(err, ERR_IO, errno, "%s", path);
	ret->bytes = st.st_size;
	ret->schema = head.user_version;
	return 0;
}

/* The WAL mode makes side files even for who reads: they go with the handle's closing. */
static void drop_side_files(const char *path)
{
	static const char *const suffixes[] = { "-wal", "-shm" };
	size_t i;

	for (i = 0; i < COUNT_OF(suffixes); i++) {
		CLEANUP(free_at) char *side = NULL;

		if (path_with(path, suffixes[i], &side, NULL) == 0)
			unlink(side);
	}
}

static int copy_out(struct store *store, const char *part, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	r = store_read_begin(store, &db, err);
	if (r < 0)
		return r;
	/* the copy takes a moment of its own, and its time */
	db_rollback(db);
	return db_copy(db, part, NULL, err);
}

int backup_to(struct store *store, const char *path, struct backup_report *ret, struct err *err)
{
	CLEANUP(free_at) char *part = NULL;
	struct backup_report report = { 0 };
	int r;

	if (access(path, F_OK) == 0)
		return err_set(err, ERR_CONFLICT,
			       "%s exists already: a backup is never written over a file",
			       path);
	r = path_with(path, ".part", &part, err);
	if (r < 0)
		return r;
	if (unlink(part) < 0 && errno != ENOENT)
		return err_errno(err, ERR_IO, errno, "%s cannot be removed", part);
	r = copy_out(store, part, err);
	if (r == 0)
		r = verify(part, &report, err);
	if (r == 0)
		r = sync_path(part, err);
	drop_side_files(part);
	if (r == 0 && link(part, path) < 0)
		r = err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno,
			      "%s cannot be made", path);
	unlink(part);
	if (r == 0)
		r = sync_folder(path, err);
	if (r < 0)
		return err_context(err, r, "backup");
	*ret = report;
	return 0;
}

/* --- restoring ------------------------------------------------------------------------------
 */

static int copy_bytes(const char *from, const char *to, struct err *err)
{
	CLEANUP(fd_close_at) int in = open(from, O_RDONLY | O_CLOEXEC);
	CLEANUP(fd_close_at) int out = -1;
	CLEANUP(free_at) char *room = malloc(COPY_BYTES);
	ssize_t n = 1;

	if (!room)
		return err_nomem(err);
	if (in < 0)
		return err_errno(err, ERR_IO, errno, "%s cannot be read", from);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return err_errno(err, ERR_IO, errno, "%s cannot be made", to);
	while (n > 0) {
		n = read(in, room, COPY_BYTES);
		if (n < 0 || (n > 0 && write(out, room, (size_t)n) != n))
			return err_errno(err, ERR_IO, errno, "copying %s to %s", from, to);
	}
	return fsync(out) < 0 ? err_errno(err, ERR_IO, errno, "%s", to) : 0;
}

/* ?1 is the time. What went on when the backup was taken is no more true. */
static const char *const restore_sql[] = {
	"INSERT INTO meta (key, value) VALUES ('restored_ms', ?1)"
	" ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	"UPDATE setting SET value = 'observe' WHERE key = 'mode' AND ?1 > 0",
	"UPDATE source SET state = 0, state_ms = ?1 WHERE kind = 'scim' AND state = 1",
	"UPDATE run SET ended_ms = ?1, ended_how = 'restored' WHERE ended_ms = 0",
	"UPDATE plan SET standing = 5, state_ms = ?1 WHERE standing < 3",
};

static int prepare(const char *part, int64_t now_ms, struct backup_report *report,
		   struct err *err)
{
	CLEANUP(db_close_at) struct db *db = NULL;
	struct driver_head head = { 0 };
	size_t i;
	int r;

	r = driver_sqlite.look(part, NULL, &head, err);
	if (r == 0)
		r = open_alone(part, DRIVER_WRITE, &db, err);
	if (r == 0)
		r = migrate_run(db, migrate_steps, part, NULL, (int)head.user_version, NULL,
				err);
	if (r == 0)
		r = db_begin_write(db, err);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < COUNT_OF(restore_sql); i++)
		r = db_run(db, err, restore_sql[i], DB_I(now_ms));
	/* far above any epoch that the lost store may have reached after the backup */
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE meta SET value = value + 1000000 WHERE key = 'epoch'");
	(void)db_next_change(db);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	r = db_commit(db, err);
	if (r == 0)
		r = db_one(db, &report->epoch, err,
			   "SELECT value FROM meta WHERE key = 'epoch'");
	if (r == 0)
		r = db_checkpoint(db, true, err);
	return r < 0 ? r : 0;
}

/* The audit head beside it belongs to what is moved aside. */
static int head_aside(const char *to, const char *time, struct err *err)
{
	const char *slash = strrchr(to, '/');
	int folder = slash ? (int)(slash - to) + 1 : 0;
	struct buf head, aside;
	int r;

	buf_init(&head, 4096);
	buf_init(&aside, 4096);
	buf_addf(&head, "%.*saudit.head", folder, to);
	buf_addf(&aside, "%.*saudit.head.before-restore-%s", folder, to, time);
	r = buf_fault(&head, err, "a path");
	if (r == 0)
		r = buf_fault(&aside, err, "a path");
	if (r == 0 && rename(head.p, aside.p) < 0 && errno != ENOENT)
		r = err_errno(err, ERR_IO, errno, "%s cannot be moved aside", head.p);
	buf_done(&head);
	buf_done(&aside);
	return r;
}

/* What stands there, with its WAL, gets the time in its name. */
static int move_aside(const char *to, int64_t now_ms, struct err *err)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char time[STAMP_TEXT_BYTES];
	size_t i;
	int r = 0;

	stamp_text(now_ms, time);
	r = head_aside(to, time, err);
	for (i = 0; r == 0 && i < COUNT_OF(suffixes); i++) {
		CLEANUP(free_at) char *old = NULL;
		struct buf aside;

		buf_init(&aside, 4096);
		buf_addf(&aside, "%s.before-restore-%s%s", to, time, suffixes[i]);
		r = buf_fault(&aside, err, "a path");
		if (r == 0)
			r = path_with(to, suffixes[i], &old, err);
		if (r == 0 && rename(old, aside.p) < 0 && errno != ENOENT)
			r = err_errno(err, ERR_IO, errno, "%s cannot be moved aside", old);
		buf_done(&aside);
	}
	return r;
}

static int put_in_place(const char *part, const char *to, int64_t now_ms, struct err *err)
{
	int r;

	drop_side_files(part);
	r = sync_path(part, err);
	if (r == 0)
		r = move_aside(to, now_ms, err);
	if (r == 0 && rename(part, to) < 0)
		r = err_errno(err, ERR_IO, errno, "%s cannot be put in place", to);
	return r < 0 ? r : sync_folder(to, err);
}

int backup_restore(const char *from, const char *to, int64_t now_ms, struct backup_report *ret,
		   struct err *err)
{
	CLEANUP(lease_free_at) struct lease *lease = NULL;
	CLEANUP(free_at) char *part = NULL;
	struct backup_report report = { 0 };
	int r;

	r = lease_take(to, &lease, err);
	if (r == 0)
		r = path_with(to, ".restoring", &part, err);
	if (r < 0)
		return r;
	if (unlink(part) < 0 && errno != ENOENT)
		return err_errno(err, ERR_IO, errno, "%s cannot be removed", part);
	/* the copy is what is checked: looking at the backup itself would leave files beside it
	 */
	r = copy_bytes(from, part, err);
	if (r == 0)
		r = verify(part, &report, err);
	if (r == 0)
		r = prepare(part, now_ms, &report, err);
	if (r == 0)
		r = put_in_place(part, to, now_ms, err);
	if (r < 0) {
		drop_side_files(part);
		unlink(part);
		return err_context(err, r, "restoring %s", from);
	}
	*ret = report;
	return 0;
}

/* --- notes ----------------------------------------------------------------------------------
 */

int backup_restore_note(struct db *db, const char *who, int64_t now_ms, struct err *err)
{
	struct audit_new entry = { .who = who, .what = "restore", .now_ms = now_ms };
	int64_t restored_ms = 0, noted_ms = 0;
	char body[128], time[STAMP_TEXT_BYTES];
	int r;

	r = db_one(db, &restored_ms, err, "SELECT value FROM meta WHERE key = 'restored_ms'");
	if (r < 0)
		return r;
	if (r == 0)
		r = db_one(db, &noted_ms, err,
			   "SELECT value FROM meta WHERE key = 'restored_noted_ms'");
	if (r < 0)
		return r;
	if (restored_ms == 0 || noted_ms == restored_ms)
		return STORE_UNCHANGED;
	stamp_text(restored_ms, time);
	(void)snprintf(body, sizeof(body), "{\"restored\":\"%s\"}", time);
	entry.body = str_of(body);
	r = db_run(db, err,
		   "INSERT INTO meta (key, value) VALUES ('restored_noted_ms', ?1)"
		   " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		   DB_I(restored_ms));
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

int backup_last(struct db *db, int64_t *ret_ms, struct err *err)
{
	int64_t ms = 0;
	int r;

	r = db_one(db, &ms, err, "SELECT value FROM meta WHERE key = 'backup_ms'");
	if (r < 0)
		return r;
	*ret_ms = r == STORE_NOT_FOUND ? 0 : ms;
	return 0;
}

int backup_note(struct db *db, const char *path, const struct backup_report *report,
		const char *who, int64_t now_ms, struct err *err)
{
	struct audit_new entry = {
		.who = who, .what = "backup", .target = path, .now_ms = now_ms
	};
	char body[160];
	int r;

	(void)snprintf(body, sizeof(body), "{\"audit\":%lld,\"bytes\":%lld,\"epoch\":%lld}",
		       (long long)report->audit_last, (long long)report->bytes,
		       (long long)report->epoch);
	entry.body = str_of(body);
	r = db_run(db, err,
		   "INSERT INTO meta (key, value) VALUES ('backup_ms', ?1)"
		   " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		   DB_I(now_ms));
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

/* The truncating checkpoint must come through: readers of our own that nobody borrows are sent
 * home, for the others a read's longest time is waited. */
static int empty_wal(struct store *store, struct db *db, struct err *err)
{
	int r;

	store_readers_rest(store);
	r = db_checkpoint(db, true, err);
	store_readers_keep(store);
	if (r != DB_LEFT)
		return r;
	return err_set(
		err, ERR_BUSY,
		"somebody else reads or writes %s for longer than %d s: end that program "
		"(a shell of sqlite, a backup tool)",
		store_path(store), BUSY_MS / 1000);
}

/* VACUUM writes the file anew from live content alone; emptying the WAL then takes the old
 * pages that it holds. */
int store_scrub(struct store *store, struct err *err)
{
	CLEANUP(db_close_at) struct db *db = NULL;
	int r;

	r = open_alone(store_path(store), DRIVER_WRITE, &db, err);
	if (r == 0)
		r = db_exec(db, "VACUUM", err);
	if (r == 0)
		r = empty_wal(store, db, err);
	return r < 0 ? err_context(err, r, "scrubbing") : 0;
}
