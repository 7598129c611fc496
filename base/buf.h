/*
 * Bytes that grow, under a ceiling given at birth: crossing it is a fault (LIMIT), never a cut.
 * A fault is remembered: after the first failed addition every other is a no-op, so that a
 * writer may add many pieces and ask once with buf_fault(). One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
	char *p;     /* NUL-terminated once anything was added; NULL before */
	size_t len;  /* bytes, the NUL not counted */
	size_t room; /* bytes allocated */
	size_t max;  /* ceiling for len */
	int fault;   /* 0, ERR_NOMEM or ERR_LIMIT */
	bool secret; /* wiped before it is given back to the heap, also when it moves */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_init_secret(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);  /* NULL and twice are fine */
void buf_clear(struct buf *b); /* empty, memory kept, fault forgotten */

/* Makes room for so many bytes more at once; whoever adds them moves nothing again. */
void buf_room(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *text); /* NUL-terminated; NULL adds nothing */
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...) PRINTF(2, 3);
/* Adds s as a JSON string with its quotes. */
void buf_add_json(struct buf *b, struct str s);
void buf_cut(struct buf *b, size_t len); /* shorten to len */

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->len };
}

/* 0, or the first fault as a sentence naming what ("the SCIM body") and the ceiling. */
int buf_fault(const struct buf *b, struct err *err, const char *what) MUST_USE;

/* Gives the text away (never NULL on success, caller frees) and empties b. NULL after a fault.
 */
char *buf_take(struct buf *b, size_t *ret_len);

#endif
