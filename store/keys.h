/* The keys of a pulled source's records, in pages: what a sweep of a directory's ids is held
 * against. */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include "store/db.h"

/* absent: not seen in the newest accepted read already. Borrowed for the call. */
typedef int (*key_fn)(void *ctx, int64_t record, struct str key, bool absent, struct err *err);

/* Records that are neither gone nor deleted, in order of their numbers, after one. */
int keys_page(struct db *db, int64_t source, int64_t after, size_t most, key_fn fn, void *ctx,
	      struct err *err) MUST_USE;

#endif
