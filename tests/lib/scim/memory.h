/*
 * scim/backend.h over plain memory, for tests of the SCIM room. A test program that uses it
 * includes memory.c once (it knows model/ and scim/, which other test programs are not linked
 * with).
 *
 * Writes run inside submit(), or, once memory_defer() was called, only in memory_run(): so a
 * test sees requests parked. All entries are locked: reads and writes may come from several
 * threads.
 */
#ifndef TESTS_LIB_SCIM_MEMORY_H
#define TESTS_LIB_SCIM_MEMORY_H

#include "scim/backend.h"

struct memory;

struct memory *memory_new(void); /* never NULL: aborts */
void memory_free(struct memory *m);
const struct scim_backend *memory_backend(struct memory *m);

/* A token that opens a source (its number is made from its name) with these rights. */
void memory_token(struct memory *m, const char *token, const char *source, unsigned rights,
		  unsigned profile);
void memory_defer(struct memory *m);
/* Runs what was submitted; how many. */
size_t memory_run(struct memory *m);
/* What time it is; each write happens at this time. */
void memory_clock(struct memory *m, int64_t now_ms);

/* The next one of these answers with the fault: an ERR_x, once. */
/* The token given last is this user itself. */
void memory_token_is(struct memory *m, const char *id);
void memory_fail_client(struct memory *m, int code);
void memory_fail_read(struct memory *m, int code);
void memory_fail_submit(struct memory *m, int code);
void memory_fail_commit(struct memory *m, int code);

/* What the backend saw, for tests that count. */
struct memory_counts {
	unsigned applies, member_reads, member_writes, document_writes;
};
struct memory_counts memory_counts(const struct memory *m);
size_t memory_living(const struct memory *m);

#endif
