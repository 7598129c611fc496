/*
 * JSON text read from left to right, for those who want a few members of many documents and
 * build no tree of any: what is not asked for is jumped over.
 *
 * For text that was valid when it was stored, of ours or of jansson's. It is not checked again:
 * false means that it does not look like what was asked for, and whoever needs to know why
 * hands the text to jx_parse(). Nothing is read behind its end. Results are borrowed from it.
 */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include <stdbool.h>

#include "base/str.h"

/* Takes c, and the blanks before it; false (only the blanks are taken) where another stands. */
bool scan_is(struct str *s, char c);

/* A string with its quotes, escapes as they are written. */
bool scan_string(struct str *s, struct str *ret);

/* Any value as it is written: a string, all between two brackets, or a word. */
bool scan_value(struct str *s, struct str *ret);

/* name with its quotes, the colon, the value. */
bool scan_member(struct str *s, struct str *name, struct str *value);

#endif
