#include "model/frame.h"

#include "base/map.h"

enum { SLOTS_FIRST = 1024, FOLD_STACK_BYTES = 320 };

int pool_init(struct pool *p, struct err *err)
{
	*p = (struct pool){ .slot_count = SLOTS_FIRST, .at_room = 64, .n = FRAME_FIRST };
	p->at = calloc(p->at_room, sizeof(*p->at));
	p->slots = calloc(p->slot_count, sizeof(*p->slots));
	if (p->at && p->slots)
		return 0;
	pool_done(p);
	return err_nomem(err);
}

void pool_done(struct pool *p)
{
	if (!p)
		return;
	free(p->bytes);
	free(p->at);
	free(p->slots);
	*p = (struct pool){ 0 };
}

/* Where s stands, or the free slot in which it would. */
static uint32_t slot_of(const struct pool *p, struct str s, uint32_t hash)
{
	uint32_t mask = p->slot_count - 1, i = hash & mask;
	const struct pool_slot *at = &p->slots[i];

	while (at->id && (at->hash != hash || !str_eq(pool_str(p, at->id), s))) {
		i = (i + 1) & mask;
		at = &p->slots[i];
	}
	return i;
}

static int slots_grow(struct pool *p, struct err *err)
{
	uint32_t count = p->slot_count * 2;
	struct pool_slot *slots = count ? calloc(count, sizeof(*slots)) : NULL;

	if (!slots)
		return err_nomem(err);
	for (uint32_t i = 0; i < p->slot_count; i++) {
		uint32_t to = p->slots[i].hash & (count - 1);

		if (!p->slots[i].id)
			continue;
		while (slots[to].id)
			to = (to + 1) & (count - 1);
		slots[to] = p->slots[i];
	}
	free(p->slots);
	p->slots = slots;
	p->slot_count = count;
	return 0;
}

/* Room for one text more of len bytes, in bytes and in at (n + 1 offsets are kept). */
static int room_make(struct pool *p, size_t len, struct err *err)
{
	size_t room = p->room ? p->room : 4096;
	uint32_t at_room = p->at_room;
	uint32_t *at;
	char *bytes;

	if (p->len + len > FRAME_MAX_BYTES || p->n >= UINT32_MAX / 4)
		return err_set(
			err, ERR_LIMIT,
			"facts: more than %u bytes of text are more than one round holds",
			FRAME_MAX_BYTES);
	while (room < p->len + len)
		room += room / 2;
	if (room != p->room) {
		bytes = realloc(p->bytes, room);
		if (!bytes)
			return err_nomem(err);
		p->bytes = bytes;
		p->room = room;
	}
	if (p->n + 2 <= at_room)
		return 0;
	at_room += at_room / 2;
	at = reallocarray(p->at, at_room, sizeof(*at));
	if (!at)
		return err_nomem(err);
	p->at = at;
	p->at_room = at_room;
	return 0;
}

uint32_t pool_expect(const struct pool *p, struct str s)
{
	uint32_t hash = s.len ? map_hash(s.p, s.len) : 0;

	__builtin_prefetch(&p->slots[hash & (p->slot_count - 1)]);
	return hash;
}

int pool_add(struct pool *p, struct str s, uint32_t *ret, struct err *err)
{
	return pool_add_hashed(p, s, s.len ? map_hash(s.p, s.len) : 0, ret, err);
}

int pool_add_hashed(struct pool *p, struct str s, uint32_t hash, uint32_t *ret, struct err *err)
{
	uint32_t slot;
	int r;

	if (!s.len) {
		*ret = FRAME_ABSENT;
		return 0;
	}
	slot = slot_of(p, s, hash);
	if (p->slots[slot].id) {
		*ret = p->slots[slot].id;
		return 0;
	}
	r = room_make(p, s.len, err);
	if (r < 0)
		return r;
	if (p->n >= p->slot_count / 4 * 3) {
		r = slots_grow(p, err);
		if (r < 0)
			return r;
		slot = slot_of(p, s, hash);
	}
	memcpy(p->bytes + p->len, s.p, s.len);
	p->len += s.len;
	p->slots[slot] = (struct pool_slot){ hash, p->n };
	*ret = p->n++;
	p->at[p->n] = (uint32_t)p->len;
	return 0;
}

/* So far ahead the place of a text is asked for: it is there when its turn comes. */
enum { TAKE_AHEAD = 16 };

int pool_take(struct pool *p, struct pool *from, uint32_t **ret, struct err *err)
{
	CLEANUP(free_at) uint32_t *to = calloc(from->n, sizeof(*to));
	uint32_t hashes[TAKE_AHEAD];
	int r = to ? 0 : err_nomem(err);

	if (r < 0)
		return r;
	free(TAKE(from->slots)); /* nobody looks for its texts any more */
	to[FRAME_ABSENT] = FRAME_ABSENT;
	for (uint32_t i = FRAME_FIRST; i < from->n && i < FRAME_FIRST + TAKE_AHEAD; i++)
		hashes[i % TAKE_AHEAD] = pool_expect(p, pool_str(from, i));
	for (uint32_t i = FRAME_FIRST; i < from->n && r == 0; i++) {
		uint32_t hash = hashes[i % TAKE_AHEAD];

		if (from->n - i > TAKE_AHEAD)
			hashes[i % TAKE_AHEAD] = pool_expect(p, pool_str(from, i + TAKE_AHEAD));
		r = pool_add_hashed(p, pool_str(from, i), hash, &to[i], err);
	}
	pool_done(from);
	if (r == 0)
		*ret = TAKE(to);
	return r;
}

uint32_t pool_find(const struct pool *p, struct str s)
{
	uint32_t id = s.len ? p->slots[slot_of(p, s, map_hash(s.p, s.len))].id : 0;

	return id ? id : FRAME_ABSENT;
}

int pool_add_folded(struct pool *p, struct str s, uint32_t *ret, struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	char small[FOLD_STACK_BYTES];
	struct err why;
	size_t len, i;
	int r;

	for (i = 0; i < s.len && i < sizeof(small) && (unsigned char)s.p[i] < 0x80; i++)
		small[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 32) : s.p[i];
	if (i == s.len)
		return pool_add(p, str_n(small, i), ret, err);
	r = str_fold(s, &folded, &len, &why);
	if (r == -ERR_INVALID_VALUE) {
		*ret = FRAME_UNKNOWN;
		return 0;
	}
	if (r < 0)
		return err_nomem(err);
	return pool_add(p, str_n(folded, len), ret, err);
}

/* One stable pass over the 11 bits at shift of a or b. */
static void pass(const struct pair *from, struct pair *to, size_t n, bool by_a, unsigned shift)
{
	size_t count[2048] = { 0 }, at = 0;

	for (size_t i = 0; i < n; i++)
		count[((by_a ? from[i].a : from[i].b) >> shift) & 2047]++;
	for (size_t d = 0; d < COUNT_OF(count); d++) {
		size_t here = count[d];

		count[d] = at;
		at += here;
	}
	for (size_t i = 0; i < n; i++)
		to[count[((by_a ? from[i].a : from[i].b) >> shift) & 2047]++] = from[i];
}

static bool pairs_sorted(const struct pair *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i - 1].a > v[i].a || (v[i - 1].a == v[i].a && v[i - 1].b > v[i].b))
			return false;
	return true;
}

int pair_sort(struct pair *v, size_t n, struct err *err)
{
	CLEANUP(free_at) struct pair *scratch = NULL;
	struct pair *from = v, *to, *swap;
	uint32_t most[2] = { 0, 0 }; /* of b, of a */

	if (pairs_sorted(v, n))
		return 0;
	scratch = reallocarray(NULL, n, sizeof(*scratch));
	if (!scratch)
		return err_nomem(err);
	to = scratch;
	for (size_t i = 0; i < n; i++) {
		most[0] = v[i].b > most[0] ? v[i].b : most[0];
		most[1] = v[i].a > most[1] ? v[i].a : most[1];
	}
	for (int by_a = 0; by_a < 2; by_a++) {
		for (unsigned shift = 0; shift < 32 && most[by_a] >> shift; shift += 11) {
			pass(from, to, n, by_a, shift);
			swap = from;
			from = to;
			to = swap;
		}
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
	return 0;
}

size_t pair_find(const struct pair *v, size_t n, uint32_t a)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v[middle].a < a)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
