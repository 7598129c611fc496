/*
 * Pages of a read that has not come to its end, kept in a file so that the next read goes on
 * where this one stopped: a stop, a crash, a budget that is used up. Whoever reads asks for a
 * page as ever; one that was kept is handed out without a request, so what comes of a resumed
 * read is what comes of an undisturbed one.
 *
 * A page is kept under the digest of the request that brought it. Nothing is synced: what a
 * power failure takes, or what came through damaged, is asked for again. The file holds names
 * and addresses; it has mode 0600 and goes as soon as a read ends, whatever its end, but for
 * those named above.
 *
 * Used by one thread. A file that cannot be written ends the keeping, never the read.
 */
#ifndef ATLASSIAN_KEPT_H
#define ATLASSIAN_KEPT_H

#include "base/jx.h"

#define ATL_KEPT_BYTES_MOST (512LL << 20) /* a longer read is not kept */

struct atl_kept;

/*
 * path is copied. What is there is taken over if its read began at most within_ms before now_ms
 * (wall), and is thrown away else. Fault: NOMEM; IO where the file can be neither opened nor
 * made.
 */
int atl_kept_open(struct atl_kept **ret, const char *path, int64_t now_ms, int64_t within_ms,
		  struct err *err) MUST_USE;
/* Closes; the file stays for the next read. */
void atl_kept_free(struct atl_kept *k);
OWNED(struct atl_kept, atl_kept_free)
/* Removes the file: the read came to its end, or is not to be resumed. */
void atl_kept_drop(struct atl_kept *k);

/* When the read began whose pages these are (wall ms): before now where there were any. */
int64_t atl_kept_begun_ms(const struct atl_kept *k);
/* Pages that were there when it was opened, and how many of them were handed out. */
size_t atl_kept_found(const struct atl_kept *k);
size_t atl_kept_used(const struct atl_kept *k);

/* By which a page is found again: of what was asked, and the body that asked. */
uint64_t atl_kept_key(struct str where, struct str body);
bool atl_kept_has(const struct atl_kept *k, uint64_t key);
/* Hands a page out, once: a second request for it is a new one. Answer: ATL_KEPT_NOT, it is
 * damaged or was handed out. *ret is the caller's. */
enum { ATL_KEPT_NOT = 5 };
int atl_kept_take(struct atl_kept *k, uint64_t key, json_t **ret, struct err *err) MUST_USE;
/* Keeps a page, of its rows (`data`) only these members (NULL: all). Fault: NOMEM. */
int atl_kept_add(struct atl_kept *k, uint64_t key, const json_t *page,
		 const char *const *members, struct err *err) MUST_USE;

#endif
