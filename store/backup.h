/*
 * Backup and restore of the one file. A backup is taken online, of one moment, and holds the
 * sealed vault: useless without the master key, which must be kept elsewhere.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include "store/store.h"

struct backup_report {
	int64_t bytes;
	int64_t schema; /* version */
	int64_t epoch;
	int64_t audit_last; /* number of the last audit entry */
};

/* Any thread; does not hold up the writer. Refuses to overwrite (CONFLICT). The new file is
 * checked, fsynced, mode 0600, and only then has its name. */
int backup_to(struct store *store, const char *path, struct backup_report *ret, struct err *err)
	MUST_USE;

/*
 * Restores from a backup to to, where no store may be in use (the lease is taken). What stands
 * at to is kept beside it under a name with the time. The restored store has a new epoch,
 * every organisation in mode observe, push sources back to filling, open runs ended, plans not
 * done expired, and an audit entry that says so once the vault is open (backup_restore_note).
 */
int backup_restore(const char *from, const char *to, int64_t now_ms, struct backup_report *ret,
		   struct err *err) MUST_USE;
/* After vault_open() on a restored store: writes the audit entry. STORE_UNCHANGED when nothing
 * was restored. */
int backup_restore_note(struct db *db, const char *who, int64_t now_ms, struct err *err)
	MUST_USE;
/* When the newest tested backup was taken; 0: never. */
int backup_last(struct db *db, int64_t *ret_ms, struct err *err) MUST_USE;
/* Notes a backup as taken (and tested), for `arm` and doctor. On the writer. Audited. */
int backup_note(struct db *db, const char *path, const struct backup_report *report,
		const char *who, int64_t now_ms, struct err *err) MUST_USE;

/* After forgetting: overwrites freed pages and empties the WAL, so that the erased bytes are in
 * no file of ours. Own connection, no writer may hold a transaction. Fault: BUSY when another
 * program's read kept the WAL from being emptied. */
int store_scrub(struct store *store, struct err *err) MUST_USE;

#endif
