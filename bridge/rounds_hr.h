/*
 * Reading HR exports (sources of kind file): as bridge/rounds.h for directories.
 *
 * An export takes effect whole or not at all. Of a folder of changes each is read, in order,
 * until one is refused: those behind it wait (hr/drop.h). The same bytes once more are no other
 * export: they renew the age of what is known when they are newer, and count nobody as absent
 * (law 1). Where a directory is asked by id whether somebody is gone, here a person says so
 * (bridge/verbs_hr.c).
 */
#ifndef BRIDGE_ROUNDS_HR_H
#define BRIDGE_ROUNDS_HR_H

#include <stdatomic.h>

#include "base/jx.h"
#include "bridge/app.h"

/*
 * fd: a spool of stdin, which this takes, or -1. out as rounds_sync(), and "file" {name,
 * date_ms, digest, encoding, how, delimiter, seal, bytes, rows, doubled, bad}, "same": it was
 * read before, "waiting": drops still being written, "absent_long": people whom enough exports
 * lacked, "earlier": exports that were accepted before this one by the same call (their fresh
 * and changed are counted in), "behind": those that come after it and were not read. 0 whenever
 * there is a verdict.
 */
int rounds_hr(struct app *app, const struct config_source *source, int fd, bool dry_run,
	      const atomic_bool *cancel, json_t *out, struct err *err) MUST_USE;

/* Adds to out "sample": [{line, cells [{column, text, read}], document, unknown, bad}] of the
 * first rows, or of the first of that key (NULL: of all): what is in the file and what the map
 * makes of it. */
int rounds_hr_sample(struct app *app, const struct config_source *source, int fd, size_t rows,
		     const char *key, const atomic_bool *cancel, json_t *out, struct err *err)
	MUST_USE;

/* Where the client of a command puts what came on stdin: state_dir/spool/NAME. */
#define ROUNDS_HR_SPOOL "spool"
/* Opens such a file and takes its name away. Fault: USAGE for a name with a slash, IO. */
int rounds_hr_spool_open(const struct app *app, const char *name, int *ret, struct err *err)
	MUST_USE;

/* After `source accept`: what was read is what the next is held against. On the writer. */
struct db;
int rounds_hr_accepted(struct db *db, const char *source, struct err *err) MUST_USE;

#endif
