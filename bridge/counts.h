/*
 * How many match a filter: counted once per filter and state of the store, so that a walk over
 * many pages counts once. A few of the newest. Any thread.
 */
#ifndef BRIDGE_COUNTS_H
#define BRIDGE_COUNTS_H

#include <pthread.h>

#include "base/digest.h"

#define COUNTS_MOST 64 /* beyond that the oldest place is taken */

struct count {
	struct digest question;
	int64_t change; /* the store's, before it was counted */
	uint64_t total;
	bool taken;
};

struct counts {
	pthread_mutex_t lock;
	struct count kept[COUNTS_MOST];
	size_t next;
};

void counts_init(struct counts *c);
void counts_done(struct counts *c);

/* What was asked of which source. */
void counts_question(struct digest *ret, int64_t source, unsigned types, struct str filter);
bool counts_find(struct counts *c, const struct digest *question, int64_t change,
		 uint64_t *ret);
void counts_keep(struct counts *c, const struct digest *question, int64_t change,
		 uint64_t total);

#endif
