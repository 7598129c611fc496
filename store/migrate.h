/*
 * Schema versions: a table of steps. A file at version N is brought to the newest by the steps
 * above N, one transaction each, under the lease, after a copy of the file was made.
 * migrate.c begins with what every table means.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

#define MIGRATE_APPLICATION_ID 0x4c564431u /* "LVD1" */

/* One step: from to - 1 to to. Statements end with NULL. */
struct migrate_step {
	int to;
	const char *why; /* for NEWS and the log */
	const char *const *sql;
};
extern const struct migrate_step migrate_steps[]; /* ends with to 0 */

/* The version that this program reads and writes. */
int migrate_newest(void);

/* Judges a file's head. Faults FOREIGN and NEWER name the path and the way out; an empty file
 * is fine. */
int migrate_judge(const char *path, const struct driver_head *head, struct err *err) MUST_USE;

/*
 * Brings db from version from to that of the last of steps. from > 0 and something to do: first
 * copies the file to PATH.vN.bak (a number is added where that exists). *ret_backup (may be
 * NULL) is the copy's path, new, or NULL when there was nothing to copy.
 */
int migrate_run(struct db *db, const struct migrate_step *steps, const char *path,
		const char *vfs, int from, char **ret_backup, struct err *err) MUST_USE;

#endif
