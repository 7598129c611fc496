#include "ldap/idset.h"

#include <stdlib.h>

#include "base/digest.h"

/* Ids are random already (UUIDs); a digest makes 16 bytes of any other key too. */
static void id_of(struct str key, unsigned char ret[16])
{
	struct digest d;

	digest_of(&d, NULL, key);
	memcpy(ret, d.b, 16);
}

static struct dir_id *place(struct dir_id *v, size_t room, const unsigned char id[16])
{
	uint64_t at;

	memcpy(&at, id, sizeof(at));
	for (at &= room - 1; v[at].used; at = (at + 1) & (room - 1))
		if (memcmp(v[at].id, id, 16) == 0)
			break;
	return &v[at];
}

static int grow(struct dir_idset *set)
{
	size_t room = set->room ? set->room * 2 : 1024;
	struct dir_id *v = calloc(room, sizeof(*v));

	if (!v)
		return -ERR_NOMEM;
	for (size_t i = 0; i < set->room; i++)
		if (set->v[i].used)
			*place(v, room, set->v[i].id) = set->v[i];
	free(set->v);
	set->v = v;
	set->room = room;
	return 0;
}

int dir_idset_add(struct dir_idset *set, struct str key, uint32_t content)
{
	struct dir_id *at;
	unsigned char id[16];

	if (set->n * 4 >= set->room * 3) {
		int r = grow(set);

		if (r < 0)
			return r;
	}
	id_of(key, id);
	at = place(set->v, set->room, id);
	if (at->used)
		return at->content == content ? DIR_ID_SAME : DIR_ID_OTHER;
	memcpy(at->id, id, 16);
	at->content = content;
	at->used = 1;
	set->n++;
	return DIR_ID_NEW;
}

bool dir_idset_has(const struct dir_idset *set, struct str key)
{
	unsigned char id[16];

	if (!set->room)
		return false;
	id_of(key, id);
	return place(set->v, set->room, id)->used;
}

void dir_idset_done(struct dir_idset *set)
{
	free(set->v);
	*set = (struct dir_idset){ 0 };
}
