/*
 * The entries of a read on their way to the writer: one batch is filled while the one before it
 * is written, so that the directory does not wait for the disk. One thread feeds.
 */
#ifndef BRIDGE_FEED_H
#define BRIDGE_FEED_H

#include "ldap/memory.h"
#include "store/sources.h"

struct writer;
struct feed;

/* memory (may be NULL) gets the places of what was stored; borrowed. */
int feed_new(struct feed **ret, struct writer *writer, struct dir_memory *memory,
	     struct err *err) MUST_USE;
/* Waits for what is under way; what is not, is dropped. */
void feed_free(struct feed *f);
OWNED(struct feed, feed_free)

/* From now on entries go into run. What an earlier one was still to get is dropped, and what is
 * under way is waited for before run_freed, the run that it goes to, may end. */
void feed_quiet(struct feed *f);
void feed_into(struct feed *f, struct read_run *run);

/* Copies key, doc (canonical JSON) and unknown; name as in struct read_entry. A fault may be
 * that of an earlier batch. */
int feed_entry(struct feed *f, struct str key, uint64_t name, struct str doc,
	       struct str unknown, struct err *err) MUST_USE;
/* An entry as it was (sources_read_same), by the mark that the memory kept of it. */
int feed_same(struct feed *f, uint32_t mark, struct err *err) MUST_USE;
/* Writes the rest: 0 when all that was fed is staged, durable. */
int feed_end(struct feed *f, struct err *err) MUST_USE;

#endif
