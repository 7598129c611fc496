/*
 * The ids seen in a read, 16 bytes each with a digest of the entry: tells an entry that comes
 * twice, and whether it was the same. Open addressing, 24 bytes a place.
 */
#ifndef LDAP_IDSET_H
#define LDAP_IDSET_H

#include "base/err.h"
#include "base/str.h"

struct dir_idset {
	struct dir_id {
		unsigned char id[16];
		uint32_t content, used;
	} * v;
	size_t n, room;
};

enum { DIR_ID_NEW, DIR_ID_SAME, DIR_ID_OTHER };
/* DIR_ID_NEW (now in the set), DIR_ID_SAME or DIR_ID_OTHER (its content differs); -ERR_NOMEM.
 */
int dir_idset_add(struct dir_idset *set, struct str key, uint32_t content) MUST_USE;
bool dir_idset_has(const struct dir_idset *set, struct str key);
void dir_idset_done(struct dir_idset *set);

#endif
