/*
 * Cursors (RFC 9865): where a page ended, for the next or the one before. Stateless: a cursor
 * says all that is needed, in characters that need no escape, and is signed, so that nobody can
 * make or change one. It belongs to one question of one source with one set of rights: asked
 * along with anything else it is refused. It outlives the process where the key does.
 */
#ifndef SCIM_CURSOR_H
#define SCIM_CURSOR_H

#include "base/digest.h"
#include "scim/backend.h"

#define CURSOR_TIMEOUT_S 3600 /* announced as cursorTimeout */

struct cursor {
	struct buf mark; /* scim_row.mark of the row beside which the page lies; empty: none */
	bool backwards;  /* the page before it */
	uint64_t count;  /* as the first page asked for */
};
void cursor_done(struct cursor *c); /* NULL and twice are fine */

/* What all pages of one list have in common. */
struct cursor_question {
	const struct scim_client *client;
	unsigned types;
	struct str filter, sort_by;
	bool descending;
};

/* Adds the text of a cursor. */
void cursor_add(struct buf *into, const struct secret *key, const struct cursor_question *q,
		struct str mark, bool backwards, uint64_t count, int64_t now_ms);
/* *ret is the caller's to cursor_done() in any case. Faults: INVALID_CURSOR, EXPIRED_CURSOR. */
int cursor_read(struct cursor *ret, struct str text, const struct secret *key,
		const struct cursor_question *q, int64_t now_ms, struct err *err) MUST_USE;

#endif
