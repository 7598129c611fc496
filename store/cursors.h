/* Where a reader of some stream stands: opaque text by owner and name (a directory's cookie, a
 * page of an export), with the time it was kept. */
#ifndef STORE_CURSORS_H
#define STORE_CURSORS_H

#include "store/db.h"

/* STORE_NOT_FOUND. *ret is new. ret_ms may be NULL. */
int cursors_get(struct db *db, const char *owner, const char *name, char **ret, int64_t *ret_ms,
		struct err *err) MUST_USE;
/* text NULL removes. STORE_UNCHANGED. */
int cursors_set(struct db *db, const char *owner, const char *name, const char *text,
		int64_t now_ms, struct err *err) MUST_USE;

#endif
