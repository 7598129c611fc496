/*
 * Ids of Atlassian's as small numbers, in order of coming: 24 bytes an id, however long it is,
 * for collections of a million accounts. An id is held as a digest of 128 bits; that two ids
 * of one organisation share one is not believed (one chance in 10^26 at a million).
 * One thread at a time.
 */
#ifndef BRIDGE_IDMAP_H
#define BRIDGE_IDMAP_H

#include "base/str.h"

#define IDMAP_NONE UINT32_MAX

struct idmap_slot;
/* A zeroed one is empty. */
struct idmap {
	struct idmap_slot *slots;
	size_t room, n;
};

/* The id's number, a new one (the count so far) where it has none. */
int idmap_add(struct idmap *m, struct str id, uint32_t *ret, struct err *err) MUST_USE;
/* IDMAP_NONE: it was never added. */
uint32_t idmap_find(const struct idmap *m, struct str id);
void idmap_done(struct idmap *m);

#endif
