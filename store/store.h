/*
 * The store: one file, one connection that writes, connections that read, and the keys that
 * the vault unsealed. store/migrate.c says what the tables mean.
 *
 *     store_open() -> vault_open() -> writer_start() -> ... -> writer_stop() -> store_close()
 *
 * store_open() with write takes the lease (store/lease.h), refuses what is newer, foreign or
 * damaged with a sentence that says what to do, copies the file before it migrates, and starts
 * a new epoch. All other functions: any thread.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/digest.h"
#include "store/db.h"
#include "store/touched.h"

#define STORE_READ_MOST_MS 2000 /* a read transaction that lasts longer is ended (TIMEOUT) */

struct store;
struct lease;

struct store_options {
	const char *path;
	bool write;  /* take the lease, migrate, have a writing connection */
	bool create; /* with write: make the file where there is none */
	const char *
		head_path; /* audit head outside the database; NULL: PATH's folder/audit.head */
	int64_t map_bytes; /* for store_lookup_begin(): how much of the file; 0: nothing */
	bool watch;        /* with write: store_seen_still() can say yes */
	const char *vfs;   /* tests only; NULL */
	const struct driver *driver; /* NULL: SQLite */
};

/* *ret is new, for store_close(). Faults: LEASE, NEWER, FOREIGN, DAMAGED, NOT_FOUND, IO. */
int store_open(const struct store_options *options, struct store **ret, struct err *err)
	MUST_USE;
/* All readers must have been given back and the writer stopped. Gives the lease back. */
void store_close(struct store *store);
OWNED(struct store, store_close)

const char *store_path(const struct store *store);
const char *store_head_path(const struct store *store);
int64_t store_epoch(const struct store *store); /* 0 when opened for reading only */
/* True when store_open() made the file. */
bool store_is_new(const struct store *store);

/*
 * Borrows a reading connection with a read transaction open on it: everything read until
 * store_read_end() is of one moment. Keep it short (STORE_READ_MOST_MS): page by key, and begin
 * anew for the next page. Not to be held across I/O or handed to another thread.
 */
int store_read_begin(struct store *store, struct db **ret, struct err *err) MUST_USE;
/*
 * The same for a look-up of a few rows by key, on a connection that maps the file into memory
 * as far as store_options.map_bytes: rows that are in the system's cache cost no system call.
 * Pages so looked at count as this process's memory until the system takes them back; a walk
 * over many takes store_read_begin().
 */
int store_lookup_begin(struct store *store, struct db **ret, struct err *err) MUST_USE;
void store_read_end(struct db *db); /* NULL is fine */

/* Commits that this process made: what was read at a number is still so while it stands. Taken
 * before the read. 0 and of no use without the lease. */
int64_t store_commits(const struct store *store);
/* Begins to note what is read on that connection of one record; known where it is watched. */
struct store_seen store_seen(struct db *db);
/* Whether it is so still, as of now: true only for what is known. */
bool store_seen_still(const struct store *store, const struct store_seen *seen);
/* For store/db.c: a commit of the writing connection; before anybody hears of it. */
void store_committed(struct store *store);
/* Before a checkpoint: ends the transactions of readers that nobody borrows; from here on none
 * is kept that is given back. */
void store_readers_rest(struct store *store);
/* After it: they are kept again. Once for each store_readers_rest(). */
void store_readers_keep(struct store *store);

static inline UNUSED void store_read_end_at(struct db **db)
{
	store_read_end(*db);
	*db = NULL;
}

/*
 * The writing connection, for whoever works alone: commands without a daemon before
 * writer_start(), tests. Everyone else asks the writer (store/writer.h). Begins a transaction;
 * store_write_end() commits when r >= 0, else undoes, and returns r or the fault of the commit.
 */
int store_write_begin(struct store *store, struct db **ret, struct err *err) MUST_USE;
int store_write_end(struct db *db, int r, struct err *err) MUST_USE;
struct db *store_writer_db(struct store *store); /* for store/writer.c */

/* The change counter as it now stands for that connection's moment. */
int store_change(struct db *db, int64_t *ret, struct err *err) MUST_USE;

/* The same, and the last numbers of the kinds of changes (enum db_change) that have one. */
struct store_changes {
	int64_t all, rest, groups;
};
int store_changes(struct db *db, struct store_changes *ret, struct err *err) MUST_USE;

/*
 * Settings: small texts by scope ("" for the instance, else an organisation's or source's
 * name). STORE_NOT_FOUND when unset. *ret is new.
 */
int store_setting_get(struct db *db, const char *scope, const char *key, char **ret,
		      struct err *err) MUST_USE;
/* value NULL unsets. */
int store_setting_set(struct db *db, const char *scope, const char *key, const char *value,
		      struct err *err) MUST_USE;

/* What an organisation may be done to. Unset is observe. */
enum store_mode { STORE_OBSERVE, STORE_PROPOSE, STORE_ACT };
extern const char *const store_mode_words[]; /* "observe", "propose", "act" */
int store_mode_get(struct db *db, const char *org, enum store_mode *ret, struct err *err)
	MUST_USE;
/* Writes the mode and its audit entry (who, before, after). STORE_UNCHANGED. */
int store_mode_set(struct db *db, const char *org, enum store_mode mode, const char *who,
		   const char *why, int64_t now_ms, struct err *err) MUST_USE;
/* Whether applying is paused for an organisation, by its own pause or by that of all (""). */
int store_paused(struct db *db, const char *org, bool *ret, struct err *err) MUST_USE;
/* Pause of an organisation ("": all of them), audited as well. STORE_UNCHANGED. */
int store_pause_set(struct db *db, const char *org, bool paused, const char *who,
		    const char *why, int64_t now_ms, struct err *err) MUST_USE;

/* The keys that vault_open() unsealed; NULL before. Borrowed. Threads only read them. */
struct store_keys {
	struct secret audit;     /* of the chain */
	struct secret head_seed; /* Ed25519 seed of the signed head */
	struct secret token;     /* of token hashes */
};
const struct store_keys *store_keys(const struct store *store);
/* For store/vault.c: gives the keys to the store. */
void store_keys_give(struct store *store, struct store_keys *keys);
/* For store/audit.c, on the writer: what the head file names. */
struct store_head {
	int64_t seq; /* 0: nothing written by this process yet */
	struct digest link;
};
struct store_head *store_head(struct store *store);

#endif
