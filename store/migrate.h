/*
 * Schema versions: a table of steps. A file at version N is brought to MIGRATE_NEWEST by the
 * steps N+1.. in one transaction each, under the lease, after a copy of the file was made.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

#define MIGRATE_APPLICATION_ID 0x4c564431u /* "LVD1" */

/* The version that this program reads and writes. */
int migrate_newest(void);

/* Looks at a file's head. Fault: FOREIGN, NEWER (both name path and the way out), NOT_FOUND is
 * not one: an empty file has version 0. */
int migrate_judge(const char *path, const struct driver_head *head, struct err *err) MUST_USE;

/*
 * Brings db to the newest version. from > 0: first copies the file to PATH.vN.bak (never over
 * an existing file: a number is added). *ret_backup (may be NULL) is the copy's path, new, or
 * NULL when none was needed.
 */
int migrate_run(struct db *db, const char *path, const char *vfs, int from, char **ret_backup,
		struct err *err) MUST_USE;

#endif
