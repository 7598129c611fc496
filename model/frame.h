/*
 * Frames: what a million rows are kept in. Texts are interned (the same text is the same
 * number), cells are 32-bit numbers, and nothing is allocated per row.
 *
 * Number 0 always means "unknown" and 1 "absent": memory that nobody filled says unknown, and
 * unknown never acts. Numbers depend on the order of filling; whoever must not depend on it
 * compares the texts. One thread at a time while filling; read-only and shared afterwards.
 */
#ifndef MODEL_FRAME_H
#define MODEL_FRAME_H

#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

#define FRAME_UNKNOWN 0u /* not read, refused, incomplete */
#define FRAME_ABSENT 1u  /* read, and not there */
#define FRAME_FIRST 2u   /* the first number of a value */

#define FRAME_MAX_BYTES 0xf0000000u /* all texts of one pool together */

/* Texts, each once. pool.at[i] .. pool.at[i + 1] are the bytes of text i. */
struct pool {
	char *bytes;
	size_t len, room;
	uint32_t *at;
	uint32_t n, at_room; /* texts, the two reserved ones included; pool_init makes n 2 */
	struct pool_slot {
		uint32_t hash, id; /* id 0: free */
	} * slots;           /* open addressing; who holds another hash is passed by unread */
	uint32_t slot_count; /* a power of two */
};

int pool_init(struct pool *p, struct err *err) MUST_USE;
void pool_done(struct pool *p); /* NULL-safe, twice is fine */

/* The number of s, new or old. An empty text is FRAME_ABSENT. Fault: NOMEM, LIMIT. */
int pool_add(struct pool *p, struct str s, uint32_t *ret, struct err *err) MUST_USE;
/* The same in two steps, for who adds several: first what is to come of each (its place is
 * brought near), then each. */
uint32_t pool_expect(const struct pool *p, struct str s);
int pool_add_hashed(struct pool *p, struct str s, uint32_t hash, uint32_t *ret, struct err *err)
	MUST_USE;
/* All texts of from, which is empty then: *ret, new, says which number each has in p. */
int pool_take(struct pool *p, struct pool *from, uint32_t **ret, struct err *err) MUST_USE;
/* The number of s, or FRAME_ABSENT if it never was added. */
uint32_t pool_find(const struct pool *p, struct str s);

/* Borrowed text of a number; the empty text for UNKNOWN and ABSENT. */
static inline struct str pool_str(const struct pool *p, uint32_t id)
{
	if (id < FRAME_FIRST || id >= p->n)
		return (struct str){ "", 0 };
	return (struct str){ p->bytes + p->at[id], p->at[id + 1] - p->at[id] };
}

/*
 * The form in which mail addresses and user names are compared (str_fold), added to *into's
 * pool; plain ASCII takes no allocation. What cannot be folded (not UTF-8) becomes
 * FRAME_UNKNOWN.
 */
int pool_add_folded(struct pool *p, struct str s, uint32_t *ret, struct err *err) MUST_USE;

VEC(vec_u32, uint32_t);
VEC(vec_i64, int64_t);

/* A pair of row numbers: a membership (account, group), a grant, a link. */
struct pair {
	uint32_t a, b;
};
VEC(vec_pair, struct pair);

/* Sorts by a, then b, in O(n) passes with one scratch array of the same size; NOMEM is a fault.
 */
int pair_sort(struct pair *v, size_t n, struct err *err) MUST_USE;
/* First index in sorted v whose .a is not below a. */
size_t pair_find(const struct pair *v, size_t n, uint32_t a);

#endif
