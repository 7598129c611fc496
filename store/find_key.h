/*
 * What a list is sorted by: the value of one path in a document, in a form that is compared as
 * bytes and numbers. Inside store/.
 */
#ifndef STORE_FIND_KEY_H
#define STORE_FIND_KEY_H

#include <jansson.h>

#include "store/find.h"

/* Ascending in this order of kinds, then by value, then by place; descending is the reverse. */
enum find_kind { FIND_NUMBER = 1, FIND_TEXT = 2, FIND_ABSENT = 3 };

struct find_key {
	unsigned type; /* FIND_USERS or FIND_GROUPS */
	int64_t id;
	enum find_kind kind;
	double number;
	char *text; /* owned; folded where case does not count, at most FIND_MARK_BYTES */
	size_t len;
};
void find_key_done(struct find_key *key); /* NULL and twice are fine */

/* Of the first value that counts: of several the primary one, else the first. type and id are
 * the caller's. Fault: NOMEM. */
int find_key_of(const struct path *path, const json_t *doc, struct find_key *ret,
		struct err *err) MUST_USE;
/* Below zero: a stands before b in ascending order. Never zero for two rows. */
int find_key_compare(const struct find_key *a, const struct find_key *b);

/* The same as a mark, whose text is the key's; and a mark as a key, not to be done. */
struct find_mark find_key_mark(const struct find_key *key);
struct find_key find_mark_key(const struct find_mark *mark);

#endif
