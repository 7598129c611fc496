/*
 * Faults armed by tests: which requests they meet (method and path pattern, after `skip` of
 * them, `count` times, or that `share` of them) and what then happens.
 *
 *   status       answered with `status` instead (429 comes with Retry-After); not carried out
 *                unless "effect" is true
 *   latency      answered `ms` later
 *   hang         not answered for `ms` (ten minutes); then the connection is closed
 *   reset        carried out if "effect" (the default), then the connection is reset
 *   cut          the connection ends in the middle of the body
 *   truncate     a whole HTTP answer with half of the JSON
 *   garbage      200 with a page of HTML
 *   repeat-page  the page's next cursor is its own
 *   short-page   half of the page, the rest with the next
 *   empty-page   no items, the same place again with the next
 *   early-end    the page says it was the last
 *   lost-items   a page whose items are missing, the list goes on
 */
#ifndef REHEARSAL_MISCHIEF_H
#define REHEARSAL_MISCHIEF_H

#include <jansson.h>

#include "base/vec.h"
#include "tests/rehearsal/jw.h"

enum fault_kind {
	FAULT_STATUS,
	FAULT_LATENCY,
	FAULT_HANG,
	FAULT_RESET,
	FAULT_CUT,
	FAULT_TRUNCATE,
	FAULT_GARBAGE,
	FAULT_REPEAT_PAGE,
	FAULT_SHORT_PAGE,
	FAULT_EMPTY_PAGE,
	FAULT_EARLY_END,
	FAULT_LOST_ITEMS,
	FAULT_KINDS
};

const char *fault_kind_text(enum fault_kind kind);

struct fault {
	int64_t id;
	enum fault_kind kind;
	char *method;    /* NULL: any */
	char *path;      /* glob over path and query: '*' is anything; NULL: any */
	char *body;      /* for status: NULL: the usual error */
	json_t *headers; /* for status: object of texts, or NULL */
	int64_t count;   /* how often yet; below zero: for ever */
	int64_t skip;
	double share; /* of the requests that match, by chance; 1: all */
	int64_t seed; /* of that chance: the same seed meets the same requests, in their order
		       */
	uint64_t chance; /* its state */
	int64_t ms;
	int status;
	bool effect;
	uint64_t hits;
};

VEC(vec_fault, struct fault);

struct mischief {
	struct vec_fault armed;
	int64_t next_id;
};

void mischief_done(struct mischief *m);
void mischief_clear(struct mischief *m);
/* Reads one fault. Fault: USAGE with a sentence. */
int mischief_arm(struct mischief *m, const json_t *from, int64_t *ret_id, struct err *err)
	MUST_USE;
/* The first armed fault that meets this request, counted down; NULL: none. The pointer holds
 * until the next call that arms or clears. */
const struct fault *mischief_meet(struct mischief *m, const char *method, struct str path);
void mischief_show(const struct mischief *m, struct jw *w);

/* '*' stands for any bytes, everything else for itself. */
bool glob_match(const char *pattern, struct str text);

#endif
