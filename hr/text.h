/*
 * The characters of an export: bytes of a declared or detected encoding to UTF-8, in pieces.
 *
 * What is detected is certain or refused. A byte order mark says its encoding; UTF-16 without
 * one shows by its zero bytes; everything else must be UTF-8. Bytes that are none may be
 * Windows-1252, ISO 8859-1 or -15, and nothing in the file tells which: that is refused at the
 * first such byte, and the encoding has to be declared.
 */
#ifndef HR_TEXT_H
#define HR_TEXT_H

#include "base/buf.h"
#include "hr/options.h"

struct hr_text {
	int encoding; /* never HR_ENC_AUTO after hr_text_begin() */
	bool bom;
	const char *how;          /* "declared", "by its byte order mark", ... */
	size_t skip;              /* bytes of the mark, not yet passed over */
	unsigned char pending[4]; /* of a character that is not whole yet */
	size_t pending_n;
	unsigned high;         /* first half of a surrogate pair */
	bool cr;               /* the last character was CR */
	uint64_t line, column; /* of the next character, from 1 */
};

/* head: the first bytes, up to 4 KiB, of the file. Fault: INVALID_VALUE when a mark contradicts
 * what is declared, or for UTF-32. */
int hr_text_begin(struct hr_text *t, int declared, struct str head, struct err *err) MUST_USE;

/* Adds the characters of the next bytes to *into; end: no more will come. Fault: INVALID_VALUE
 * with line and column (in characters, from 1): no such character, NUL and other control
 * characters, a character cut at the end. */
int hr_text_add(struct hr_text *t, struct str bytes, bool end, struct buf *into,
		struct err *err) MUST_USE;

#endif
