/*
 * A spool: bytes that come piece by piece and are read back from any place. The first ones stay
 * in memory, a longer text goes to a file that has no name, so that it is gone with the process
 * whatever happens. Memory is SPOOL_MEMORY_BYTES, whatever the length. One thread at a time.
 */
#ifndef NET_SPOOL_H
#define NET_SPOOL_H

#include "base/buf.h"
#include "base/own.h"

#define SPOOL_MEMORY_BYTES 65536

struct spool;

/* folder: where the file lies, borrowed until spool_free(); NULL: /var/tmp. It is made only
 * when it is needed. Fault: NOMEM. */
int spool_new(struct spool **ret, const char *folder, int64_t most_bytes, struct err *err)
	MUST_USE;
void spool_free(struct spool *s);
OWNED(struct spool, spool_free)

/* Faults: TOO_LARGE beyond most_bytes (nothing of p is kept), IO, FULL, NOMEM. */
int spool_add(struct spool *s, const void *p, size_t len, struct err *err) MUST_USE;
int64_t spool_bytes(const struct spool *s);
/* Reads up to room bytes from a place; *ret is how many, less only at the end. Fault: IO. */
int spool_read(const struct spool *s, int64_t from, void *into, size_t room, size_t *ret,
	       struct err *err) MUST_USE;

#endif
