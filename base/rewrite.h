/*
 * PCRE2, bounded: a pattern compiled once, with limits on length, match steps and depth, so
 * that a pattern from a config and a value from a directory cannot burn the CPU together. A
 * compiled rewrite is immutable and may be shared by threads.
 */
#ifndef BASE_REWRITE_H
#define BASE_REWRITE_H

#include "base/buf.h"

struct rewrite;

/* with may use $1, ${name}; NULL makes a matcher only. Fault: CONFIG with the offset. */
int rewrite_new(struct rewrite **ret, const char *pattern, const char *with, struct err *err)
	MUST_USE;
void rewrite_free(struct rewrite *r);
OWNED(struct rewrite, rewrite_free)

enum { REWRITE_NO_MATCH = 1 };
/* 0 and the substituted text added to *into (if with was given), REWRITE_NO_MATCH, or a fault.
 */
int rewrite_apply(const struct rewrite *r, struct str s, struct buf *into, struct err *err)
	MUST_USE;

#endif
