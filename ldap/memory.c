#include "ldap/memory.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/map.h"

#define ROOM_LEAST 1024
#define TURN_LAST 255
#define NOWHERE UINT16_MAX /* one more place than are counted */

/* People below one parent. */
struct place {
	char *dn;
	uint64_t entries;
	uint16_t number;
	UT_hash_handle hh;
};

struct dir_memory {
	struct secret key; /* so that nobody outside can make two entries look the same */
	unsigned char quick[DIGEST_QUICK_KEY_BYTES]; /* of the rows: likewise */
	struct dir_memory_row *v;
	size_t n, room; /* n counts rows of earlier turns too */
	uint8_t turn;
	bool usable; /* the turn before this one ended */
	struct digest context;
	struct place *places, *by_number[DIR_BRANCHES_MAX];
	size_t place_n;
	bool everywhere; /* more places than are counted held somebody */
};

int dir_memory_new(struct dir_memory **ret, struct err *err)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *m = calloc(1, sizeof(*m));
	int r = m ? secret_random(&m->key, 32, err) : err_nomem(err);
	struct digest d;

	if (r < 0)
		return r;
	digest_of(&d, &m->key, STR("rows"));
	memcpy(m->quick, d.b, sizeof(m->quick));
	*ret = TAKE(m);
	return 0;
}

static void places_drop(struct dir_memory *m)
{
	struct place *p, *next;

	HASH_ITER (hh, m->places, p, next) {
		HASH_DEL(m->places, p);
		free(p->dn);
		free(p);
	}
	m->place_n = 0;
}

void dir_memory_clear(struct dir_memory *m)
{
	places_drop(m);
	free(m->v);
	m->v = NULL;
	m->n = m->room = 0;
	m->turn = 0;
	m->usable = false;
}

void dir_memory_free(struct dir_memory *m)
{
	if (!m)
		return;
	dir_memory_clear(m);
	secret_done(&m->key);
	free(m);
}

void dir_memory_begin(struct dir_memory *m, struct str context)
{
	struct digest d;

	digest_of(&d, &m->key, context);
	if (!m->usable || m->turn == TURN_LAST || !digest_equal(&d, &m->context))
		dir_memory_clear(m);
	m->context = d;
	m->turn++;
	m->usable = false;
	m->everywhere = false;
	for (size_t i = 0; i < m->place_n; i++)
		m->by_number[i]->entries = 0;
}

void dir_memory_end(struct dir_memory *m)
{
	m->usable = !m->everywhere; /* else places that are empty now may be in the way */
}

/* --- rows ----------------------------------------------------------------------------------
 */

static struct dir_memory_row *row_at(struct dir_memory_row *v, size_t room,
				     const unsigned char id[16])
{
	uint64_t at;

	memcpy(&at, id, sizeof(at));
	for (at &= room - 1; v[at].turn; at = (at + 1) & (room - 1))
		if (memcmp(v[at].id, id, 16) == 0)
			break;
	return &v[at];
}

/* Rows that neither this turn nor the one before saw are left behind. */
static bool stale(const struct dir_memory *m, const struct dir_memory_row *row)
{
	return row->turn + 1 < m->turn;
}

static int grow(struct dir_memory *m)
{
	size_t live = 0, room = ROOM_LEAST;
	struct dir_memory_row *v;

	for (size_t i = 0; i < m->room; i++)
		live += m->v[i].turn && !stale(m, &m->v[i]);
	while (room / 8 * 6 <= live)
		room *= 2;
	v = calloc(room, sizeof(*v));
	if (!v)
		return -ERR_NOMEM;
	for (size_t i = 0; i < m->room; i++)
		if (m->v[i].turn && !stale(m, &m->v[i]))
			*row_at(v, room, m->v[i].id) = m->v[i];
	free(m->v);
	m->v = v;
	m->n = live;
	m->room = room;
	return 0;
}

/* Of a key, of an entry. */
static void quick(const struct dir_memory *m, struct str of, unsigned char *ret, size_t n)
{
	struct digest_quick d;

	digest_quick(&d, m->quick, of);
	memcpy(ret, d.b, n);
}

int dir_memory_see(struct dir_memory *m, struct str key, const struct dir_entry *e,
		   struct dir_memory_row **ret)
{
	struct dir_memory_row *row;
	unsigned char id[16], content[8];
	bool same, before;

	if (m->n >= m->room / 8 * 7 && grow(m) < 0)
		return -ERR_NOMEM;
	quick(m, key, id, sizeof(id));
	quick(m, e->bytes, content, sizeof(content));
	row = row_at(m->v, m->room, id);
	same = row->turn && memcmp(row->content, content, sizeof(content)) == 0;
	if (row->turn == m->turn)
		return same ? DIR_MEMORY_TWICE : DIR_MEMORY_OTHER;
	before = same && row->turn + 1 == m->turn && row->mark && !row->timed;
	m->n += row->turn == 0;
	row->turn = m->turn;
	if (!before) {
		memcpy(row->id, id, sizeof(id));
		memcpy(row->content, content, sizeof(content));
		row->mark = 0;
		row->timed = 0;
		row->branch = NOWHERE;
	}
	*ret = row;
	return before ? DIR_MEMORY_KNOWN : DIR_MEMORY_NEW;
}

static struct dir_memory_row *find(const struct dir_memory *m, struct str key)
{
	struct dir_memory_row *row;
	unsigned char id[16];

	if (!m->room)
		return NULL;
	quick(m, key, id, sizeof(id));
	row = row_at(m->v, m->room, id);
	return row->turn == m->turn ? row : NULL;
}

bool dir_memory_saw(const struct dir_memory *m, struct str key)
{
	return find(m, key) != NULL;
}

void dir_memory_mark(struct dir_memory *m, struct str key, uint32_t mark)
{
	struct dir_memory_row *row = find(m, key);

	if (row)
		row->mark = mark;
}

/* --- places in the tree --------------------------------------------------------------------
 */

static int place_add(struct dir_memory *m, struct str parent, struct place **ret,
		     struct err *err)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p || !(p->dn = str_dup(parent))) {
		free(p);
		return err_nomem(err);
	}
	HASH_ADD_KEYPTR(hh, m->places, p->dn, parent.len, p);
	if (!MAP_ADDED(p)) {
		free(p->dn);
		free(p);
		return err_nomem(err);
	}
	p->number = (uint16_t)m->place_n;
	m->by_number[m->place_n++] = p;
	*ret = p;
	return 0;
}

int dir_memory_branch(struct dir_memory *m, struct dir_memory_row *row, struct str parent,
		      struct err *err)
{
	struct place *p;
	int r = 0;

	HASH_FIND(hh, m->places, parent.p ? parent.p : "", parent.len, p);
	if (!p && m->place_n == DIR_BRANCHES_MAX) {
		m->everywhere = true;
		return 0;
	}
	if (!p)
		r = place_add(m, parent, &p, err);
	if (r < 0)
		return r;
	p->entries++;
	row->branch = p->number;
	return 0;
}

void dir_memory_branch_again(struct dir_memory *m, const struct dir_memory_row *row)
{
	if (row->branch == NOWHERE)
		m->everywhere = true;
	else
		m->by_number[row->branch]->entries++;
}

int dir_memory_branches(const struct dir_memory *m, struct dir_branches *into, struct err *err)
{
	for (size_t i = 0; i < m->place_n && !m->everywhere; i++) {
		struct dir_branch row = { NULL, m->by_number[i]->entries };

		if (row.entries == 0)
			continue;
		row.dn = str_dup(str_of(m->by_number[i]->dn));
		if (!row.dn || dir_branches_add(into, row) < 0) {
			free(row.dn);
			return err_nomem(err);
		}
	}
	return 0;
}
