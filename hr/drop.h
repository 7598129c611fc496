/*
 * Which file is read: one that is named, or a whole drop of a folder; and whether it is what
 * its checksum or signature says.
 *
 * Of full exports the newest drop is read: it says all that the older ones say. Those of
 * changes or of ended people say different things, so each is read, in the order of their
 * dates, after the one that was read last; they wait for one that has its last name and is not
 * whole yet.
 *
 * A drop is one file under its last name: put it there by renaming. What is still being written
 * is passed over: names that begin with a dot or end as uploads do (.part, .tmp, .filepart
 * ...), files younger than `settle`, and, with ready_suffix, those whose NAME.suffix is not
 * there yet.
 */
#ifndef HR_DROP_H
#define HR_DROP_H

#include "base/digest.h"
#include "hr/options.h"

struct hr_drop {
	int fd;           /* -1: none */
	char *path;       /* as it was opened; NULL: stdin */
	char *name;       /* its last part, or "stdin" */
	int64_t date_ms;  /* of the export: from its name, else its mtime; 0: stdin */
	int64_t mtime_ms; /* to see whether it changed */
	int64_t bytes;
	uint64_t waiting; /* newer ones that are still being written */
	uint64_t behind;  /* whole ones that come after it, of exports that are read in order */
	const char
		*seal; /* what was verified, for people: "signature", "checksum", "nothing" */
	struct digest digest; /* of what was verified; zeros when nothing was */
};

/* The drop of the folder that was read last. */
struct hr_drop_last {
	int64_t date_ms;
	const char *name; /* borrowed; NULL: none yet */
	bool over;        /* something else was read since: it is not opened again */
};

/* No drop is there, or none is whole yet, or none came after the last: *err says which. */
enum { HR_DROP_NONE = 1 };

/*
 * Opens what is to be read. fd: an open file instead (a spool of stdin), which this takes, or
 * -1. last counts for exports that are read in order; of these the last itself is opened while
 * it is still the newest. Faults: IO naming the path; REFUSED: no regular file, a checksum or
 * signature that is missing or wrong. *ret (zeroed before, fd -1) is the caller's to
 * hr_drop_done() in any case.
 */
int hr_drop_open(const struct hr_options *o, int fd, const struct hr_drop_last *last,
		 int64_t now_ms, struct hr_drop *ret, struct err *err) MUST_USE;

/* Whether each drop of the source's folder is read, not the newest alone. */
bool hr_drop_in_order(const struct hr_options *o);
void hr_drop_done(struct hr_drop *d);

/* Whether the file is still the one that was opened: size and mtime. */
bool hr_drop_same(const struct hr_drop *d);

/*
 * Holds a file, known by its digests, against a minisign signature (text of NAME.minisig) by
 * one of the keys (base64 as minisign prints it). Only the prehashed form (ED), minisign's own
 * since 0.10. Fault: REFUSED.
 */
int hr_signature_check(const struct conf_list *keys, struct str text,
		       const struct digest_file *file, struct err *err) MUST_USE;
bool hr_signature_key_ok(const char *key);

#endif
