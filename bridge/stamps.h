/*
 * Time stamps of anchors (RFC 3161, net/tsp.h): what the newest entry of the audit chain was,
 * said by an authority of time that is not ours.
 *
 * An anchor that is to be stamped waits in the store (the newest only: it covers all before it)
 * until the authority answered; a named thread asks, 30 s after a failure again, doubling up to
 * an hour. Nothing waits for it. An answer that does not fit is not kept.
 *
 * What is kept is two files in a folder, named after entry and link:
 *
 *     0000000041-9f86d081.anchor    the anchor's line (store/anchor.h): what was stamped
 *     0000000041-9f86d081.tsr       the answer, as it came
 */
#ifndef BRIDGE_STAMPS_H
#define BRIDGE_STAMPS_H

#include "bridge/app.h"
#include "net/tsp.h"
#include "store/anchor.h"

#define STAMPS_NAME_BYTES 64
#define STAMPS_END ".tsr"
#define STAMPS_TEXT_END ".anchor"

struct stamps;

/* The folder of the configuration: stamps.folder; else beside anchors.file, with .stamps behind
 * its name; else stamps in the state folder. */
int stamps_folder(const struct config *c, struct buf *into, struct err *err) MUST_USE;

/* On the writer: this anchor of entry seq is the one that waits. */
int stamps_wait(struct db *db, struct str line, int64_t now_ms, struct err *err) MUST_USE;
/* When the one that waits was made to. STORE_NOT_FOUND: nothing waits. */
int stamps_waits_since(struct app *app, int64_t *ret_ms, struct err *err) MUST_USE;

/* One at a time asks: true, and it is the caller's turn until stamps_end(). */
bool stamps_begin(struct app *app);
void stamps_end(struct app *app);
/*
 * Asks for the stamp of what waits, checks and keeps it, within stamps.timeout. Between
 * stamps_begin() and stamps_end(). STORE_NOT_FOUND: nothing waits.
 */
int stamps_ask(struct app *app, int64_t *ret_seq, struct tsp_stamp *ret, struct err *err)
	MUST_USE;

/* Starts the thread where stamps.url is set; else *ret is NULL. app must outlive it. */
int stamps_start(struct stamps **ret, struct app *app, struct err *err) MUST_USE;
/* What is being asked is finished or given up within stamps.timeout. NULL is fine. */
void stamps_stop(struct stamps *s);

/* --- what is kept --- */

struct stamps_terms {
	const char *ca_file;             /* as in net/tsp.h */
	const unsigned char *anchor_key; /* of the instance's anchors; NULL: not compared */
};

/* text and answer as the two files have them. Faults as tsp_check(); DAMAGED also where the
 * text is no anchor of the key. */
int stamps_check(struct str text, struct str answer, const struct stamps_terms *terms,
		 struct anchor *ret, struct tsp_stamp *ret_stamp, struct err *err) MUST_USE;

/* A stamp of a folder: its name has no end. Above zero ends the walk. */
typedef int (*stamps_fn)(void *ctx, const char *name, struct str text, struct str answer,
			 struct err *err);
/* By name, that is by entry. Faults: NOT_FOUND, IO; TOO_LARGE for a file that is no stamp's;
 * DAMAGED where a text is missing. */
int stamps_walk(const char *folder, stamps_fn fn, void *ctx, struct err *err) MUST_USE;

struct stamps_report {
	int64_t stamps;
	int64_t newest_seq; /* of the newest entry that was stamped, and by whom when */
	struct tsp_stamp newest;
};
/* Checks all of a folder; their anchors go into *into. Fault: as stamps_check() for the first
 * that does not fit, naming it; INVALID_VALUE where there is none. */
int stamps_check_folder(const char *folder, const struct stamps_terms *terms,
			struct vec_anchor *into, struct stamps_report *ret, struct err *err)
	MUST_USE;

#endif
