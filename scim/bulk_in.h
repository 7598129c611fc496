/*
 * A bulk request on its way: what the files of scim/bulk.h share.
 *
 *     bulk.c            the request as a whole: looked at, run to its end, answered
 *     bulk_operation.c  one operation: its references, its parts, handed to its route
 *     bulk_outcome.c    what an operation came to
 *
 * A slot belongs to the operation's route between bulk_operation_start() and the resume() of
 * its response; to one thread of ours at all other times.
 */
#ifndef SCIM_BULK_IN_H
#define SCIM_BULK_IN_H

#include <stdatomic.h>

#include "base/jx.h"
#include "base/map.h"
#include "scim/bulk.h"
#include "scim/bulk_read.h"
#include "scim/codec.h"

#define SLOTS 32                  /* operations handed to the writer at a time... */
#define SLOTS_BYTES (1024 * 1024) /* ...and no further one when these are that long */
#define ANSWER_BYTES (64 * 1024)  /* of one operation: an Error, or a resource's id */

/* What becomes of an operation. */
enum state {
	WAITING, /* to be run */
	HALF,    /* created without its references: they are to be filled in */
	GONE,    /* filling in failed: what was created is to be deleted */
	RUNNING,
	DONE,
};

struct operation {
	enum http_method method;
	char *bulk_id; /* NULL: none */
	size_t waits;  /* which operation it waits for, from 1; 0: none */
	bool whole;    /* ...until that one is done, not only created */
	enum state state;
	bool stripped; /* runs without its references */
	int status;
	char id[ENC_UUID_CHARS + 1]; /* of what a POST created; "" before */
	char etag[SCIM_ETAG_BYTES];
	char *location; /* NULL: not known */
	char *response; /* Error body; NULL: none */
	UT_hash_handle hh;
};

/* An operation on its way, as if it were a request of its own. */
struct slot {
	struct bulk *bulk;
	size_t index;
	enum state was; /* what it was to become: WAITING, HALF, GONE */
	struct scim_request req;
	struct scim_response res;
	struct scim_call call;
	struct buf body, path;
	char *if_match;
	json_t *operation;
};

struct bulk {
	struct scim_call call;
	struct bulk_text text;
	struct bulk_envelope envelope;
	struct operation *operations;
	struct operation *by_id; /* uthash */
	size_t count;
	size_t first; /* all before are done */
	uint64_t errors;
	struct slot slots[SLOTS];
	size_t slots_used, slots_bytes;
	atomic_size_t under_way; /* slots not answered, and one while bulk_go_on() runs */
};

/*
 * Reads one, finds its references and hands it to its route; strip: without those that are not
 * known. NOT_YET: it has to wait; NOBODY_YET: so have all others. A fault is the operation's,
 * for bulk_operation_fail().
 */
enum { STARTED = 0, NOT_YET = 1, NOBODY_YET = 2 };
int bulk_operation_start(struct bulk *b, size_t index, bool strip, struct err *err) MUST_USE;
/* Whether it is still too early to look at it again. */
bool bulk_still_waits(const struct bulk *b, const struct operation *op);
/* What a slot keeps beside its memory. */
void bulk_slot_done(struct slot *slot);

/* Ends an operation with a fault of its own. */
void bulk_operation_fail(struct bulk *b, struct operation *op, const struct err *fault);
/* A POST made something: its id and version, from its response. */
void bulk_created(struct operation *op, const struct scim_response *res);
/* Takes what all slots came to, and empties them. None may be under way. */
void bulk_collect(struct bulk *b);

#endif
