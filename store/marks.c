#include "store/marks.h"

#include <string.h>

int marks_set(struct marks *m, int64_t n, struct err *err)
{
	size_t word = (size_t)n / 64, words;
	uint64_t *bits;

	if (n < 0 || n > MARKS_MOST)
		return err_set(err, ERR_LIMIT, "number %lld is beyond what one read may hold",
			       (long long)n);
	if (word >= m->words) {
		words = word + word / 2 + 64;
		bits = reallocarray(m->bits, words, sizeof(*bits));
		if (!bits)
			return err_nomem(err);
		memset(bits + m->words, 0, (words - m->words) * sizeof(*bits));
		m->bits = bits;
		m->words = words;
	}
	m->bits[word] |= (uint64_t)1 << (n % 64);
	return 0;
}
