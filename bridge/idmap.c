#include "bridge/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/err.h"

#define IDMAP_ROOM_FIRST 1024

/* Open addressing; index 0 is an empty place, else the id's number + 1. */
struct idmap_slot {
	unsigned char mark[16];
	uint32_t index;
};

static void mark_of(struct str id, unsigned char ret[16])
{
	struct digest d;

	digest_of(&d, NULL, id);
	memcpy(ret, d.b, 16);
}

/* Where it is, or the empty place where it would be. There is room. */
static struct idmap_slot *place(struct idmap_slot *slots, size_t room,
				const unsigned char mark[16])
{
	uint64_t at;

	memcpy(&at, mark, sizeof(at));
	for (at &= room - 1; slots[at].index && memcmp(slots[at].mark, mark, 16) != 0;)
		at = (at + 1) & (room - 1);
	return &slots[at];
}

static int grow(struct idmap *m, struct err *err)
{
	size_t room = m->room ? m->room * 2 : IDMAP_ROOM_FIRST;
	struct idmap_slot *slots;

	if (m->n * 4 < m->room * 3)
		return 0;
	slots = calloc(room, sizeof(*slots));
	if (!slots)
		return err_nomem(err);
	for (size_t i = 0; i < m->room; i++)
		if (m->slots[i].index)
			*place(slots, room, m->slots[i].mark) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->room = room;
	return 0;
}

int idmap_add(struct idmap *m, struct str id, uint32_t *ret, struct err *err)
{
	unsigned char mark[16];
	struct idmap_slot *s;
	int r = grow(m, err);

	if (r < 0)
		return r;
	mark_of(id, mark);
	s = place(m->slots, m->room, mark);
	if (!s->index) {
		if (m->n >= IDMAP_NONE - 1)
			return err_set(err, ERR_LIMIT, "more than %zu ids in one organisation",
				       m->n);
		memcpy(s->mark, mark, sizeof(mark));
		s->index = (uint32_t)++m->n;
	}
	*ret = s->index - 1;
	return 0;
}

uint32_t idmap_find(const struct idmap *m, struct str id)
{
	unsigned char mark[16];
	const struct idmap_slot *s;

	if (!m->room)
		return IDMAP_NONE;
	mark_of(id, mark);
	s = place(m->slots, m->room, mark);
	return s->index ? s->index - 1 : IDMAP_NONE;
}

void idmap_done(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap){ 0 };
}
