/* Marks: one bit a number, for what a read or a collection has seen. Bounded by the largest
 * number: ten million rows are 1.25 MB. One thread. */
#ifndef STORE_MARKS_H
#define STORE_MARKS_H

#include <stdint.h>

#include "base/err.h"

#define MARKS_MOST ((int64_t)1 << 32) /* largest number that can be marked */

struct marks {
	uint64_t *bits;
	size_t words;
};

static inline void marks_done(struct marks *m)
{
	free(m->bits);
	*m = (struct marks){ 0 };
}

static inline bool marks_has(const struct marks *m, int64_t n)
{
	size_t word = (size_t)n / 64;

	return n >= 0 && word < m->words && (m->bits[word] >> (n % 64) & 1);
}

/* -ERR_NOMEM, -ERR_LIMIT. */
int marks_set(struct marks *m, int64_t n, struct err *err) MUST_USE;

#endif
