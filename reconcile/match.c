#include "reconcile/match.h"

#include <stdlib.h>

/* What one source has in a group of records that a key is common to. */
struct source_mark {
	uint32_t mark; /* the group that the rest is about */
	uint32_t records, roots;
	uint32_t root; /* the last one */
};

/* A place in a set of joined records; the root of a set names it. */
struct matcher {
	struct world *w;
	const struct facts *f;
	uint32_t *parent;      /* union-find over records */
	uint32_t *root_person; /* per root: person or FACTS_NONE */
	uint32_t *number_id,
		*person_id;        /* per root: text of the employee number, the person id */
	bool *doubtful;            /* per root without person */
	uint8_t *how;              /* per record: enum phase + 1 that joined it */
	struct pool keys;          /* folded addresses */
	uint32_t *folded;          /* text of facts -> address in keys; 0 not yet */
	struct vec_pair addresses; /* (address, record), sorted */
	struct vec_pair history;   /* (address, row of f->addresses), sorted */
	struct vec_pair apart;     /* (record, record) told apart, both ways, sorted */
	struct vec_pair apart_account; /* (account, record) told apart, sorted */
	bool *has_apart;               /* per root: one of its records stands in apart */
	uint32_t *person_record;       /* per person: their first record; NULL: not looked up */
	size_t unlinked;
	uint32_t *root_mark; /* per record: the group in which it was last seen as a root */
	struct source_mark *of_source;
	uint32_t mark; /* of the group looked at */
	struct err *err;
};

enum phase { PHASE_PERSON_ID, PHASE_NUMBER, PHASE_ADDRESS };
/* Records of one source that one human may have under one person id. */
#define PERSON_ID_MOST 4
static const char *const phase_rules[] = { "person-id", "employee-number", "email" };
static const char *const phase_nouns[] = { "a person id", "an employee number", "an address" };

/* --- small things --- */

uint32_t world_person(const struct world *w, uint64_t number)
{
	size_t low = 0, high = w->persons;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->persons && w->numbers[low] == number ? (uint32_t)low : FACTS_NONE;
}

static bool is_ready(const struct facts *f, uint32_t record)
{
	return f->sources.v[f->records.v[record].source].in.ready;
}

/* The order in which records are named: by source, then key. */
static int record_cmp(const struct facts *f, uint32_t a, uint32_t b)
{
	const struct row_record *ra = &f->records.v[a], *rb = &f->records.v[b];

	if (ra->source != rb->source)
		return ra->source < rb->source ? -1 : 1;
	return str_cmp(pool_str(&f->pool, ra->key), pool_str(&f->pool, rb->key));
}

static uint32_t find(uint32_t *parent, uint32_t i)
{
	while (parent[i] != i) {
		parent[i] = parent[parent[i]];
		i = parent[i];
	}
	return i;
}

static int doubt_add(struct matcher *m, const char *kind, bool a_account, uint32_t a,
		     bool b_account, uint32_t b, const char *format, ...) PRINTF(7, 8);
static int doubt_add(struct matcher *m, const char *kind, bool a_account, uint32_t a,
		     bool b_account, uint32_t b, const char *format, ...)
{
	struct match_doubt d = { a_account, b_account, a, b, kind, NULL };
	va_list args;
	int r;

	va_start(args, format);
	r = arena_vtextf(m->w->arena, &d.text, m->err, format, args);
	va_end(args);
	if (r < 0)
		return r;
	return vec_match_doubt_add(&m->w->doubts, d) < 0 ? err_nomem(m->err) : 0;
}

/* --- persons of the ledger --- */

static int u64_cmp(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* Every ledger number that facts name, sorted, each once; room for one more per record. */
static int persons_collect(struct world *w, const struct facts *f, struct err *err)
{
	size_t most = f->persons.n + 2 * f->records.n + f->accounts.n, n = 0, kept = 0;
	uint64_t *v = calloc(most + 1, sizeof(*v));
	bool sorted = true;

	if (!v)
		return err_nomem(err);
	w->numbers = v;
	for (size_t i = 0; i < f->persons.n; i++)
		v[n++] = f->persons.v[i].number;
	for (size_t i = 0; i < f->records.n; i++)
		if (f->records.v[i].person)
			v[n++] = f->records.v[i].person;
	for (size_t i = 0; i < f->accounts.n; i++)
		if (f->accounts.v[i].person)
			v[n++] = f->accounts.v[i].person;
	for (size_t i = 1; i < n && sorted; i++)
		sorted = v[i - 1] <= v[i];
	if (!sorted)
		qsort(v, n, sizeof(*v), u64_cmp);
	for (size_t i = 0; i < n; i++)
		if (!kept || v[kept - 1] != v[i])
			v[kept++] = v[i];
	w->persons = kept;
	return 0;
}

/* --- keys --- */

/* The folded form of a text of facts, as a number of m->keys; UNKNOWN, ABSENT for none. */
static int fold(struct matcher *m, uint32_t text, uint32_t *ret)
{
	int r;

	if (text < FRAME_FIRST) {
		*ret = text;
		return 0;
	}
	if (!m->folded[text]) {
		uint32_t id;

		r = pool_add_folded(&m->keys, pool_str(&m->f->pool, text), &id, m->err);
		if (r < 0)
			return r;
		/* what cannot be folded is no key */
		m->folded[text] = id < FRAME_FIRST ? FRAME_ABSENT : id;
	}
	*ret = m->folded[text];
	return 0;
}

static int address_add(struct matcher *m, uint32_t record, uint32_t text)
{
	uint32_t address;
	int r = fold(m, text, &address);

	if (r < 0 || address < FRAME_FIRST)
		return r;
	return vec_pair_add(&m->addresses, (struct pair){ address, record }) < 0
		       ? err_nomem(m->err)
		       : 0;
}

/* userName and every mail address of one record. */
static int record_addresses(struct matcher *m, uint32_t record)
{
	const struct facts *f = m->f;
	uint32_t cell;
	int r = 0;

	if (facts_cell(f, record, m->w->p->fixed[COL_USER_NAME], &cell) == VALUE_PRESENT)
		r = address_add(m, record, cell);
	if (facts_cell(f, record, m->w->p->fixed[COL_EMAIL], &cell) != VALUE_PRESENT)
		return r;
	for (uint32_t i = 0; i < f->lists.v[cell - FRAME_FIRST] && r == 0; i++)
		r = address_add(m, record, f->lists.v[cell - FRAME_FIRST + 1 + i]);
	return r;
}

static void pairs_unique(struct vec_pair *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->n; i++)
		if (!kept || v->v[kept - 1].a != v->v[i].a || v->v[kept - 1].b != v->v[i].b)
			v->v[kept++] = v->v[i];
	v->n = kept;
}

static int addresses_build(struct matcher *m)
{
	int r = 0;

	for (uint32_t i = 0; i < m->f->records.n && r == 0; i++)
		if (is_ready(m->f, i))
			r = record_addresses(m, i);
	if (r == 0)
		r = pair_sort(m->addresses.v, m->addresses.n, m->err);
	if (r < 0)
		return r;
	pairs_unique(&m->addresses);
	for (uint32_t i = 0; i < m->f->addresses.n && r == 0; i++) {
		uint32_t address;

		r = fold(m, m->f->addresses.v[i].folded, &address);
		if (r == 0 && address >= FRAME_FIRST &&
		    vec_pair_add(&m->history, (struct pair){ address, i }) < 0)
			r = err_nomem(m->err);
	}
	return r < 0 ? r : pair_sort(m->history.v, m->history.n, m->err);
}

/*
 * Whether an address may speak for a person: it never belonged to another. person 0 is somebody
 * whom the ledger does not know yet.
 */
static bool address_is_theirs(const struct matcher *m, uint32_t address, uint64_t person)
{
	size_t i = pair_find(m->history.v, m->history.n, address);

	for (; i < m->history.n && m->history.v[i].a == address; i++)
		if (m->f->addresses.v[m->history.v[i].b].person != person)
			return false;
	return true;
}

static bool address_has_history(const struct matcher *m, uint32_t address)
{
	size_t i = pair_find(m->history.v, m->history.n, address);

	return i < m->history.n && m->history.v[i].a == address;
}

/*
 * What forms and exports write where there is no number. A text that says nothing is never a
 * key; one that could be somebody's number (9999) is none where several records of one source
 * have it. People who share such a text are not in doubt for it: they are matched by what else
 * is known of them.
 */
enum placeholder { IS_A_KEY, IS_ONE_WHERE_SHARED, IS_NO_KEY };

static enum placeholder placeholder_of(struct str text)
{
	static const char *const words[] = {
		"",        "na",      "nan",  "nil", "none",      "null",
		"unknown", "missing", "tba",  "tbd", "undefined", "notavailable",
		"empty",   "dummy",   "void", "no",  "notset",    "notapplicable",
	};
	static const char counting[] = "1234567890";
	char bare[16]; /* letters and digits alone, without case */
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < 0x80 && !(c >= '0' && c <= '9') &&
		    !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			continue;
		if (n + 1 == sizeof(bare))
			return IS_A_KEY;
		bare[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : (char)c;
	}
	bare[n] = '\0';
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(bare, words[i]) == 0)
			return IS_NO_KEY;
	if (strspn(bare, "0") == n)
		return IS_NO_KEY;
	if (n >= 4 &&
	    (strspn(bare, (char[]){ bare[0], '\0' }) == n || strncmp(bare, counting, n) == 0))
		return IS_ONE_WHERE_SHARED;
	return IS_A_KEY;
}

/* Counts a record of a group under its source; how many of that source there are now. */
static uint32_t count_of_source(struct matcher *m, uint32_t record)
{
	struct source_mark *s = &m->of_source[m->f->records.v[record].source];

	if (s->mark != m->mark)
		*s = (struct source_mark){ .mark = m->mark };
	return ++s->records;
}

/* Takes the keys that say nothing out of a sorted list, and counts whose they were. */
static void keys_sift(struct matcher *m, enum phase phase, struct vec_pair *keys)
{
	uint32_t *id = phase == PHASE_PERSON_ID ? m->person_id : m->number_id;
	size_t kept = 0;

	for (size_t i = 0, end; i < keys->n; i = end) {
		enum placeholder p = placeholder_of(pool_str(&m->f->pool, keys->v[i].a));
		uint32_t most = 0;

		m->mark++;
		for (end = i; end < keys->n && keys->v[end].a == keys->v[i].a; end++) {
			uint32_t n = count_of_source(m, keys->v[end].b);

			most = n > most ? n : most;
		}
		if (p == IS_A_KEY || (p == IS_ONE_WHERE_SHARED && most < 2)) {
			memmove(&keys->v[kept], &keys->v[i], (end - i) * sizeof(*keys->v));
			kept += end - i;
			continue;
		}
		for (size_t k = i; k < end; k++) {
			uint32_t record = keys->v[k].b;

			id[record] = FRAME_ABSENT;
			if (most > 1)
				m->w->placeholders[m->f->records.v[record].source]++;
		}
	}
	keys->n = kept;
}

/* (text of a column, record) for all records that have it and are told by it. */
static int keys_build(struct matcher *m, enum phase phase, struct vec_pair *ret)
{
	enum policy_column column =
		phase == PHASE_PERSON_ID ? COL_PERSON_ID : COL_EMPLOYEE_NUMBER;
	int r;

	uint32_t cell;

	for (uint32_t i = 0; i < m->f->records.n; i++) {
		if (!is_ready(m->f, i) ||
		    facts_cell(m->f, i, m->w->p->fixed[column], &cell) != VALUE_PRESENT)
			continue;
		if (vec_pair_add(ret, (struct pair){ cell, i }) < 0)
			return err_nomem(m->err);
	}
	r = pair_sort(ret->v, ret->n, m->err);
	if (r == 0)
		keys_sift(m, phase, ret);
	return r;
}

/* --- what people told apart --- */

/* One end of a pair, by the names of its source and key. */
struct apart_end {
	uint64_t name;
	uint32_t row; /* of f->apart */
	bool other;
};

static int apart_end_cmp(const void *pa, const void *pb)
{
	const struct apart_end *a = pa, *b = pb;

	return a->name < b->name ? -1 : a->name > b->name;
}

static uint64_t apart_name(uint32_t source, uint32_t key)
{
	return (uint64_t)source << 32 | key;
}

/* Which record is at which end: left[i], right[i] for row i of f->apart. */
static void apart_find(const struct facts *f, const struct apart_end *ends, size_t n,
		       uint32_t *left, uint32_t *right)
{
	for (uint32_t i = 0; i < f->records.n; i++) {
		const struct row_record *row = &f->records.v[i];
		uint64_t name = apart_name(f->sources.v[row->source].name, row->key);
		size_t low = 0, high = n;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (ends[middle].name < name)
				low = middle + 1;
			else
				high = middle;
		}
		for (; low < n && ends[low].name == name; low++)
			(ends[low].other ? right : left)[ends[low].row] = i;
	}
}

static int apart_pairs(struct matcher *m, const uint32_t *left, const uint32_t *right)
{
	const struct facts *f = m->f;
	int r = 0;

	for (size_t i = 0; i < f->apart.n && r == 0; i++) {
		uint32_t a = left[i], b = right[i];

		if (a == FACTS_NONE)
			continue;
		if (f->apart.v[i].account) {
			b = facts_account_by_number(f, f->apart.v[i].account);
			if (b != FACTS_NONE)
				r = vec_pair_add(&m->apart_account, (struct pair){ b, a });
			continue;
		}
		if (b == FACTS_NONE)
			continue;
		m->has_apart[find(m->parent, a)] = m->has_apart[find(m->parent, b)] = true;
		r = vec_pair_add(&m->apart, (struct pair){ a, b });
		if (r == 0)
			r = vec_pair_add(&m->apart, (struct pair){ b, a });
	}
	if (r < 0)
		return err_nomem(m->err);
	r = pair_sort(m->apart.v, m->apart.n, m->err);
	return r < 0 ? r : pair_sort(m->apart_account.v, m->apart_account.n, m->err);
}

static int apart_build(struct matcher *m)
{
	const struct facts *f = m->f;
	size_t n = 0, most = f->apart.n;
	CLEANUP(free_at) struct apart_end *ends = NULL;
	CLEANUP(free_at) uint32_t *left = NULL;

	if (most == 0)
		return 0;
	ends = calloc(2 * most, sizeof(*ends));
	left = reallocarray(NULL, 2 * most, sizeof(*left));
	if (!ends || !left)
		return err_nomem(m->err);
	memset(left, 0xff, 2 * most * sizeof(*left));
	for (uint32_t i = 0; i < most; i++) {
		const struct row_apart *row = &f->apart.v[i];

		ends[n++] = (struct apart_end){ apart_name(row->source, row->key), i, false };
		if (!row->account)
			ends[n++] = (struct apart_end){
				apart_name(row->other_source, row->other_key), i, true
			};
	}
	qsort(ends, n, sizeof(*ends), apart_end_cmp);
	apart_find(f, ends, n, left, left + most);
	return apart_pairs(m, left, left + most);
}

/* Two sets that somebody told apart, or that are two persons of the ledger. */
static bool is_apart(const struct matcher *m, uint32_t a, uint32_t b)
{
	if (m->root_person[a] != FACTS_NONE && m->root_person[b] != FACTS_NONE &&
	    m->root_person[a] != m->root_person[b])
		return true;
	for (size_t i = 0; i < m->apart.n; i++)
		if (find(m->parent, m->apart.v[i].a) == a &&
		    find(m->parent, m->apart.v[i].b) == b)
			return true;
	return false;
}

/* Told apart from somebody whom the ledger knows. */
static bool is_apart_person(const struct matcher *m, uint32_t root, uint64_t person)
{
	for (size_t i = 0; i < m->apart.n; i++)
		if (find(m->parent, m->apart.v[i].a) == root &&
		    m->f->records.v[m->apart.v[i].b].person == person)
			return true;
	return false;
}

/* The first record of a person of the ledger, in the order of names; FACTS_NONE. */
static int record_of(struct matcher *m, uint64_t number, uint32_t *ret)
{
	uint32_t person = world_person(m->w, number);

	if (!m->person_record) {
		m->person_record = reallocarray(NULL, m->w->persons + 1, sizeof(uint32_t));
		if (!m->person_record)
			return err_nomem(m->err);
		memset(m->person_record, 0xff, (m->w->persons + 1) * sizeof(uint32_t));
		for (uint32_t i = 0; i < m->f->records.n; i++) {
			uint32_t of = world_person(m->w, m->f->records.v[i].person);

			if (of != FACTS_NONE && (m->person_record[of] == FACTS_NONE ||
						 record_cmp(m->f, i, m->person_record[of]) < 0))
				m->person_record[of] = i;
		}
	}
	*ret = person == FACTS_NONE ? FACTS_NONE : m->person_record[person];
	return 0;
}

/* --- joining records --- */

/* A run of roots that something has in common. */
VEC(vec_root, uint32_t);

static bool is_unlinked(const struct matcher *m, uint32_t root)
{
	return m->root_person[root] == FACTS_NONE;
}

static int roots_of(struct matcher *m, const struct pair *group, size_t n, struct vec_root *ret)
{
	ret->n = 0;
	m->mark++;
	for (size_t i = 0; i < n; i++) {
		uint32_t root = find(m->parent, group[i].b);

		if (m->root_mark[root] == m->mark)
			continue;
		m->root_mark[root] = m->mark;
		if (vec_root_add(ret, root) < 0)
			return err_nomem(m->err);
	}
	return 0;
}

/* The one person behind the roots; *several where there are two. */
static uint32_t person_of(const struct matcher *m, const struct vec_root *roots, bool *several)
{
	uint32_t person = FACTS_NONE;

	*several = false;
	for (size_t i = 0; i < roots->n; i++) {
		uint32_t p = m->root_person[roots->v[i]];

		if (p == FACTS_NONE)
			continue;
		*several = *several || (person != FACTS_NONE && person != p);
		person = p;
	}
	return person;
}

/* All unlinked roots become doubtful; one doubt names the first of them beside another. */
static int roots_doubt(struct matcher *m, const struct vec_root *roots, const char *kind,
		       enum phase phase, const char *why)
{
	uint32_t first = FACTS_NONE, second = FACTS_NONE;

	for (size_t i = 0; i < roots->n; i++) {
		/* whom the ledger knows is in doubt too: the other may be them, come back */
		if (is_unlinked(m, roots->v[i]))
			m->doubtful[roots->v[i]] = true;
		else
			m->w->person_doubt[m->root_person[roots->v[i]]] = true;
	}
	for (size_t i = 0; i < roots->n; i++)
		if (is_unlinked(m, roots->v[i]) &&
		    (first == FACTS_NONE || record_cmp(m->f, roots->v[i], first) < 0))
			first = roots->v[i];
	for (size_t i = 0; i < roots->n; i++)
		if (roots->v[i] != first && !(m->apart.n && is_apart(m, first, roots->v[i])) &&
		    (second == FACTS_NONE || record_cmp(m->f, roots->v[i], second) < 0))
			second = roots->v[i];
	for (size_t i = 0; i < roots->n && second == FACTS_NONE; i++)
		second = roots->v[i] == first ? FACTS_NONE : roots->v[i];
	return doubt_add(m, kind, false, first, false, second,
			 "%zu records have %s in common, and %s", roots->n, phase_nouns[phase],
			 why);
}

/* The most roots that one source alone has in the group: two of them are two records of one
 * source that nothing joins yet. A root is counted once for each run of its records. */
static uint32_t roots_of_one_source(struct matcher *m, const struct pair *group, size_t n)
{
	uint32_t most = 0;

	m->mark++;
	for (size_t i = 0; i < n; i++) {
		struct source_mark *s = &m->of_source[m->f->records.v[group[i].b].source];
		uint32_t root = find(m->parent, group[i].b);

		if (count_of_source(m, group[i].b) == 1 || s->root != root)
			s->roots++;
		s->root = root;
		most = s->roots > most ? s->roots : most;
	}
	return most;
}

/*
 * Whom the address belonged to, if that was somebody else: the doubt stands beside a record of
 * theirs, so that it can be answered. 1 where it was told. several: the group has more than the
 * one person.
 */
static int former_judge(struct matcher *m, uint32_t address, const struct vec_root *roots,
			uint32_t person, bool several)
{
	size_t h = pair_find(m->history.v, m->history.n, address);

	for (; h < m->history.n && m->history.v[h].a == address; h++) {
		uint64_t before = m->f->addresses.v[m->history.v[h].b].person;
		bool theirs =
			!several && person != FACTS_NONE && m->w->numbers[person] == before;

		for (size_t i = 0; i < roots->n && !theirs; i++) {
			uint32_t root = roots->v[i], beside = FACTS_NONE;
			int r;

			if (!is_unlinked(m, root) || m->doubtful[root] ||
			    is_apart_person(m, root, before))
				continue;
			for (size_t k = 0; k < roots->n; k++)
				if (is_unlinked(m, roots->v[k]))
					m->doubtful[roots->v[k]] = true;
				else
					m->w->person_doubt[m->root_person[roots->v[k]]] = true;
			r = record_of(m, before, &beside);
			if (r == 0)
				r = doubt_add(m, "former-address", false, root, false, beside,
					      "a record has an address, and it once belonged "
					      "to somebody else");
			return r < 0 ? r : 1;
		}
	}
	return 0;
}

/* Takes those out of a group whom people told apart from everybody else in it: the key means
 * nothing between them. */
static int apart_sift(struct matcher *m, struct vec_root *roots)
{
	bool any = false;
	size_t kept = 0;
	CLEANUP(free_at) uint32_t *keep = NULL;

	for (size_t i = 0; i < roots->n && !any; i++)
		any = m->has_apart[roots->v[i]];
	if (!any)
		return 0;
	keep = calloc(roots->n + 1, sizeof(*keep));
	if (!keep)
		return err_nomem(m->err);
	for (size_t i = 0; i < roots->n; i++) {
		bool alone = true;

		for (size_t k = 0; k < roots->n && alone; k++)
			alone = k == i || is_apart(m, roots->v[i], roots->v[k]);
		if (!alone)
			keep[kept++] = roots->v[i];
	}
	memcpy(roots->v, keep, kept * sizeof(*keep));
	roots->n = kept;
	return 0;
}

/* One key that several records have: 1 if it joins them, 0 if it does not; doubts are told. */
static int group_judge(struct matcher *m, enum phase phase, const struct pair *group, size_t n,
		       struct vec_root *roots)
{
	bool any_unlinked = false, any_doubt = false, several;
	uint32_t person, of_one;
	int r = roots_of(m, group, n, roots);

	if (r == 0 && phase == PHASE_ADDRESS && address_has_history(m, group[0].a)) {
		person = person_of(m, roots, &several);
		r = former_judge(m, group[0].a, roots, person, several);
		if (r > 0)
			return 0;
	}
	if (r == 0)
		r = apart_sift(m, roots);
	if (r < 0)
		return r;
	for (size_t i = 0; i < roots->n; i++) {
		any_unlinked = any_unlinked ||
			       (is_unlinked(m, roots->v[i]) && !m->doubtful[roots->v[i]]);
		any_doubt = any_doubt || m->doubtful[roots->v[i]];
	}
	if (!any_unlinked || roots->n < 2)
		return 0;
	if (any_doubt)
		return roots_doubt(m, roots, "shared-address", phase,
				   "one of them is in doubt already");
	of_one = roots_of_one_source(m, group, n);
	if (phase == PHASE_PERSON_ID && of_one > PERSON_ID_MOST)
		return roots_doubt(m, roots, "shared-person-id", phase,
				   "more of them come from one source than one person has");
	if (phase != PHASE_PERSON_ID && of_one > 1)
		return roots_doubt(m, roots,
				   phase == PHASE_NUMBER ? "shared-number" : "shared-address",
				   phase, "two of them come from one source");
	return 1;
}

static bool clash(const struct vec_root *roots, const uint32_t *id)
{
	uint32_t seen = FRAME_ABSENT;

	for (size_t i = 0; i < roots->n; i++) {
		uint32_t here = id[roots->v[i]];

		if (here < FRAME_FIRST)
			continue;
		if (seen >= FRAME_FIRST && seen != here)
			return true;
		seen = here;
	}
	return false;
}

/* Two of them were told apart, though each has a key in common with a third. */
static bool any_apart(struct matcher *m, const struct vec_root *roots)
{
	bool any = false;

	for (size_t i = 0; i < roots->n && !any; i++)
		any = m->has_apart[roots->v[i]];
	if (!any)
		return false;
	m->mark++;
	for (size_t i = 0; i < roots->n; i++)
		m->root_mark[roots->v[i]] = m->mark;
	for (size_t i = 0; i < m->apart.n; i++) {
		uint32_t a = find(m->parent, m->apart.v[i].a),
			 b = find(m->parent, m->apart.v[i].b);

		if (a != b && m->root_mark[a] == m->mark && m->root_mark[b] == m->mark)
			return true;
	}
	return false;
}

/* Everything that keys of this phase hang together: one person, or a doubt. */
static int component_join(struct matcher *m, enum phase phase, const struct vec_root *roots)
{
	bool several;
	uint32_t person = person_of(m, roots, &several), base = roots->v[0];

	if (several)
		return roots_doubt(m, roots, "two-persons", phase,
				   "they lead to two persons of the ledger");
	if (any_apart(m, roots))
		return roots_doubt(m, roots, "told-apart", phase,
				   "somebody told two of them apart");
	if (phase == PHASE_ADDRESS &&
	    (clash(roots, m->number_id) || clash(roots, m->person_id)))
		return roots_doubt(m, roots, "number-clash", phase,
				   "their employee numbers differ");
	if (phase == PHASE_NUMBER && clash(roots, m->person_id))
		return roots_doubt(m, roots, "person-id-clash", phase,
				   "their person ids differ");
	for (size_t i = 0; i < roots->n; i++)
		if ((m->root_person[roots->v[i]] != FACTS_NONE) >
			    (m->root_person[base] != FACTS_NONE) ||
		    ((m->root_person[roots->v[i]] != FACTS_NONE) ==
			     (m->root_person[base] != FACTS_NONE) &&
		     record_cmp(m->f, roots->v[i], base) < 0))
			base = roots->v[i];
	for (size_t i = 0; i < roots->n; i++) {
		uint32_t root = roots->v[i];

		if (root == base)
			continue;
		if (is_unlinked(m, root) && !m->how[root])
			m->how[root] = (uint8_t)(phase + 1);
		if (m->number_id[base] < FRAME_FIRST)
			m->number_id[base] = m->number_id[root];
		if (m->person_id[base] < FRAME_FIRST)
			m->person_id[base] = m->person_id[root];
		m->parent[root] = base;
		m->has_apart[base] = m->has_apart[base] || m->has_apart[root];
	}
	m->root_person[base] = person;
	return 0;
}

/* (component, root) of every root that a component joins with others, sorted. */
static int components_list(struct matcher *m, uint32_t *joined, struct vec_pair *ret)
{
	for (uint32_t i = 0; i < m->f->records.n; i++) {
		if (m->parent[i] != i || joined[i] == FACTS_NONE)
			continue;
		if (vec_pair_add(ret, (struct pair){ find(joined, i), i }) < 0)
			return err_nomem(m->err);
	}
	return pair_sort(ret->v, ret->n, m->err);
}

static int components_join(struct matcher *m, enum phase phase, uint32_t *joined,
			   struct vec_root *roots)
{
	struct vec_pair v = { 0 };
	int r = components_list(m, joined, &v);

	for (size_t i = 0, end; i < v.n && r == 0; i = end) {
		roots->n = 0;
		for (end = i; end < v.n && v.v[end].a == v.v[i].a && r == 0; end++)
			r = vec_root_add(roots, v.v[end].b) < 0 ? err_nomem(m->err) : 0;
		if (r == 0 && roots->n > 1)
			r = component_join(m, phase, roots);
	}
	vec_pair_done(&v);
	return r;
}

/*
 * One phase: first all keys are judged, then what they join is joined at once, so that the
 * order of keys does not matter.
 */
static int phase_run(struct matcher *m, enum phase phase, const struct vec_pair *keys)
{
	CLEANUP(free_at)
	uint32_t *joined = reallocarray(NULL, m->f->records.n + 1, sizeof(*joined));
	struct vec_root roots = { 0 };
	int r = 0;

	if (!joined)
		return err_nomem(m->err);
	memset(joined, 0xff,
	       (m->f->records.n + 1) * sizeof(*joined)); /* FACTS_NONE: not joined */
	for (size_t i = 0, end; i < keys->n && r == 0; i = end) {
		for (end = i + 1; end < keys->n && keys->v[end].a == keys->v[i].a; end++)
			;
		if (end - i < 2 && phase != PHASE_ADDRESS)
			continue;
		r = group_judge(m, phase, &keys->v[i], end - i, &roots);
		if (r <= 0)
			continue;
		for (size_t k = 0; k < roots.n; k++)
			if (joined[roots.v[k]] == FACTS_NONE)
				joined[roots.v[k]] = roots.v[k];
		for (size_t k = 1; k < roots.n; k++)
			joined[find(joined, roots.v[k])] = find(joined, roots.v[0]);
		r = 0;
	}
	if (r == 0)
		r = components_join(m, phase, joined, &roots);
	vec_root_done(&roots);
	return r;
}

/* --- from sets to persons --- */

/* What the ledger knows: records of one person are one set from the start. */
static int sets_begin(struct matcher *m)
{
	const struct facts *f = m->f;
	CLEANUP(free_at)
	uint32_t *first = reallocarray(NULL, m->w->persons + 1, sizeof(*first));
	uint32_t cell;

	if (!first)
		return err_nomem(m->err);
	memset(first, 0xff, (m->w->persons + 1) * sizeof(*first));
	for (uint32_t i = 0; i < f->records.n; i++) {
		const struct row_record *row = &f->records.v[i];

		m->parent[i] = i;
		m->root_person[i] = row->person ? world_person(m->w, row->person) : FACTS_NONE;
		m->doubtful[i] = !row->person && row->doubtful;
		facts_cell(f, i, m->w->p->fixed[COL_EMPLOYEE_NUMBER], &cell);
		m->number_id[i] = cell;
		facts_cell(f, i, m->w->p->fixed[COL_PERSON_ID], &cell);
		m->person_id[i] = cell;
		m->unlinked += !row->person && is_ready(f, i);
		if (!row->person)
			continue;
		if (first[m->root_person[i]] == FACTS_NONE)
			first[m->root_person[i]] = i;
		else
			m->parent[i] = first[m->root_person[i]];
	}
	return 0;
}

static int records_join(struct matcher *m)
{
	struct vec_pair keys = { 0 };
	int r;

	if (m->unlinked == 0)
		return 0;
	r = keys_build(m, PHASE_PERSON_ID, &keys);
	if (r == 0)
		r = phase_run(m, PHASE_PERSON_ID, &keys);
	keys.n = 0;
	if (r == 0)
		r = keys_build(m, PHASE_NUMBER, &keys);
	if (r == 0)
		r = phase_run(m, PHASE_NUMBER, &keys);
	vec_pair_done(&keys);
	return r < 0 ? r : phase_run(m, PHASE_ADDRESS, &m->addresses);
}

struct newcomer {
	const struct facts *f;
	uint32_t first, root; /* the record that comes first in order; the set */
};

static int newcomer_cmp(const void *pa, const void *pb)
{
	const struct newcomer *a = pa, *b = pb;

	return record_cmp(a->f, a->first, b->first);
}

/* Numbers for sets that no person stands behind, in the order of their first records. */
static int newcomers_number(struct matcher *m)
{
	const struct facts *f = m->f;
	struct world *w = m->w;
	uint64_t next = f->round.next_person;
	CLEANUP(free_at) struct newcomer *v = NULL;
	CLEANUP(free_at) uint32_t *at = NULL;
	size_t n = 0;

	v = calloc(m->unlinked + 1, sizeof(*v));
	at = reallocarray(NULL, f->records.n + 1, sizeof(*at));
	if (!v || !at)
		return err_nomem(m->err);
	memset(at, 0xff, (f->records.n + 1) * sizeof(*at));
	for (uint32_t i = 0; i < f->records.n; i++) {
		uint32_t root = find(m->parent, i);

		if (!is_unlinked(m, root) || m->doubtful[root] || !is_ready(f, i))
			continue;
		if (at[root] == FACTS_NONE) {
			at[root] = (uint32_t)n;
			v[n++] = (struct newcomer){ f, i, root };
		} else if (record_cmp(f, i, v[at[root]].first) < 0) {
			v[at[root]].first = i;
		}
	}
	qsort(v, n, sizeof(*v), newcomer_cmp);
	if (w->persons && next <= w->numbers[w->persons - 1])
		next = w->numbers[w->persons - 1] + 1;
	for (size_t i = 0; i < n; i++) {
		m->root_person[v[i].root] = (uint32_t)w->persons;
		w->numbers[w->persons++] = (next ? next : 1) + i;
	}
	return 0;
}

static int link_add(struct matcher *m, struct match_link link)
{
	return vec_match_link_add(&m->w->links, link) < 0 ? err_nomem(m->err) : 0;
}

/* Writes record_person, and a link for each record that the ledger does not know. */
static int records_link(struct matcher *m, size_t known)
{
	const struct facts *f = m->f;
	struct world *w = m->w;
	int r = 0;

	for (uint32_t i = 0; i < f->records.n && r == 0; i++) {
		const struct row_record *row = &f->records.v[i];
		uint32_t person = m->root_person[find(m->parent, i)];

		w->record_person[i] = person;
		if (person != FACTS_NONE && row->doubtful)
			w->person_doubt[person] = true;
		if (person == FACTS_NONE || row->person)
			continue;
		r = link_add(m, (struct match_link){
					.row = i,
					.source = f->sources.v[row->source].in.name,
					.key = pool_str(&f->pool, row->key),
					.person = w->numbers[person],
					.new_person = person >= known,
					.rule = str_of(m->how[i] ? phase_rules[m->how[i] - 1]
								 : "first-seen"),
				});
	}
	return r;
}

/* --- accounts --- */

/* An id within its issuer, and the record that has it. */
struct external {
	uint64_t key; /* issuer, id */
	uint32_t record;
};

static int external_cmp(const void *pa, const void *pb)
{
	const struct external *a = pa, *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->record < b->record ? -1 : a->record > b->record;
}

struct externals {
	struct external *v;
	size_t n;
};

static int externals_build(struct matcher *m, struct externals *ret)
{
	const struct facts *f = m->f;

	ret->v = calloc(2 * f->records.n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_nomem(m->err);
	for (uint32_t i = 0; i < f->records.n; i++) {
		const struct row_record *row = &f->records.v[i];
		uint32_t name = f->sources.v[row->source].name;

		if (!is_ready(f, i))
			continue;
		ret->v[ret->n++] = (struct external){ (uint64_t)name << 32 | row->key, i };
		if (row->external_id >= FRAME_FIRST)
			ret->v[ret->n++] = (struct external){
				(uint64_t)row->issuer << 32 | row->external_id, i
			};
	}
	qsort(ret->v, ret->n, sizeof(*ret->v), external_cmp);
	return 0;
}

/* What a rule found for an account. */
struct found {
	uint32_t person; /* or FACTS_NONE */
	uint32_t record; /* one that led there */
	const char *doubt, *why;
	bool refused; /* it led to somebody whose it is not, as a person said */
};

static bool rule_covers(const struct matcher *m, const struct match_rule *rule, uint32_t record)
{
	const struct facts *f = m->f;

	return !rule->source ||
	       str_eq(str_of(rule->source), f->sources.v[f->records.v[record].source].in.name);
}

/* A person said that the account is not theirs. */
static bool is_refused(const struct matcher *m, uint32_t account, uint32_t record)
{
	const struct vec_pair *v = &m->apart_account;
	size_t i = pair_find(v->v, v->n, account);

	for (; i < v->n && v->v[i].a == account; i++)
		if (v->v[i].b == record ||
		    (m->w->record_person[record] != FACTS_NONE &&
		     m->w->record_person[v->v[i].b] == m->w->record_person[record]))
			return true;
	return false;
}

/* One record more that the rule leads to. */
static void found_add(const struct matcher *m, struct found *found, uint32_t account,
		      uint32_t record, const char *kind)
{
	uint32_t person = m->w->record_person[record];

	if (is_refused(m, account, record)) {
		found->refused = true;
		return;
	}
	if (found->record == FACTS_NONE || record_cmp(m->f, record, found->record) < 0)
		found->record = record;
	if (person == FACTS_NONE) {
		found->doubt = kind;
		found->why = "leads to a record that is in doubt";
	} else if (found->person != FACTS_NONE && found->person != person) {
		found->doubt = kind;
		found->why = "leads to two persons";
	}
	found->person = person;
}

static struct found by_external(const struct matcher *m, const struct match_rule *rule,
				const struct externals *e, uint32_t account)
{
	const struct row_account *row = &m->f->accounts.v[account];
	struct found found = { .person = FACTS_NONE, .record = FACTS_NONE };
	uint64_t key = (uint64_t)row->issuer << 32 | row->external_id;
	size_t low = 0, high = e->n;

	if (row->issuer < FRAME_FIRST || row->external_id < FRAME_FIRST)
		return found;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->v[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < e->n && e->v[low].key == key; low++)
		if (rule_covers(m, rule, e->v[low].record))
			found_add(m, &found, account, e->v[low].record, "shared-external-id");
	return found;
}

static struct found by_email(const struct matcher *m, const struct match_rule *rule,
			     uint32_t account, uint32_t address, size_t accounts)
{
	struct found found = { .person = FACTS_NONE, .record = FACTS_NONE };
	size_t i;

	if (address < FRAME_FIRST)
		return found;
	i = pair_find(m->addresses.v, m->addresses.n, address);
	for (; i < m->addresses.n && m->addresses.v[i].a == address; i++)
		if (rule_covers(m, rule, m->addresses.v[i].b))
			found_add(m, &found, account, m->addresses.v[i].b, "shared-address");
	if (found.record == FACTS_NONE && found.refused)
		return found; /* nobody's, as far as the rule goes */
	if (found.record == FACTS_NONE && address_has_history(m, address)) {
		found.doubt = "former-address";
		found.why = "has an address that once belonged to somebody";
	} else if (found.record != FACTS_NONE && !found.doubt && accounts > 1) {
		found.doubt = "shared-address";
		found.why = "shares its address with another account";
	} else if (found.record != FACTS_NONE && !found.doubt &&
		   !address_is_theirs(m, address, m->w->numbers[found.person])) {
		found.doubt = "former-address";
		found.why = "has an address that once belonged to somebody else";
	}
	return found;
}

static bool rule_approved(const struct facts *f, struct str rule)
{
	for (size_t i = 0; i < f->match_approved.n; i++)
		if (str_eq(pool_str(&f->pool, f->match_approved.v[i]), rule))
			return true;
	return false;
}

static int account_found(struct matcher *m, uint32_t account, const struct match_rule *rule,
			 const struct found *found, size_t known)
{
	struct world *w = m->w;
	struct str name = str_of(rule->name);
	bool adopted = rule_approved(m->f, name);

	if (found->doubt) {
		w->account_flags[account] |= MATCH_DOUBT;
		return doubt_add(m, found->doubt, true, account, false, found->record,
				 "match rule %s %s", rule->name, found->why);
	}
	w->account_person[account] = found->person;
	if (adopted)
		w->account_flags[account] |= MATCH_ADOPTED;
	return link_add(m, (struct match_link){
				   .account = true,
				   .row = account,
				   .key = pool_str(&m->f->pool, m->f->accounts.v[account].id),
				   .person = w->numbers[found->person],
				   .new_person = found->person >= known,
				   .rule = name,
				   .adopted = adopted,
			   });
}

/* (address, account) of all accounts of people, sorted. */
static int account_addresses(struct matcher *m, struct vec_pair *ret)
{
	for (uint32_t i = 0; i < m->f->accounts.n; i++) {
		uint32_t address;
		int r = fold(m, m->f->accounts.v[i].email, &address);

		if (r < 0)
			return r;
		if (address >= FRAME_FIRST && m->f->accounts.v[i].type != ACCOUNT_APP &&
		    vec_pair_add(ret, (struct pair){ address, i }) < 0)
			return err_nomem(m->err);
	}
	return pair_sort(ret->v, ret->n, m->err);
}

static int account_match(struct matcher *m, uint32_t account, const struct externals *e,
			 const struct vec_pair *by_address, size_t known)
{
	const struct policy *p = m->w->p;
	uint32_t address;
	size_t at, count = 0;
	int r = fold(m, m->f->accounts.v[account].email, &address);

	if (r < 0)
		return r;
	at = pair_find(by_address->v, by_address->n, address);
	while (at + count < by_address->n && by_address->v[at + count].a == address)
		count++;
	for (size_t i = 0; i < p->match_count; i++) {
		struct found found =
			p->match[i].on == MATCH_EXTERNAL_ID
				? by_external(m, &p->match[i], e, account)
				: by_email(m, &p->match[i], account, address, count);

		if (found.doubt || found.person != FACTS_NONE)
			return account_found(m, account, &p->match[i], &found, known);
	}
	return 0;
}

static bool is_nobodys(const struct facts *f, const struct row_account *a)
{
	struct str email = pool_str(&f->pool, a->email);

	return a->type == ACCOUNT_APP || a->type == ACCOUNT_CUSTOMER ||
	       str_ends(email, STR("@connect.atlassian.com")) ||
	       str_ends(email, STR("@serviceaccount.atlassian.com"));
}

/* What the ledger links; true if every account of people is. */
static bool accounts_begin(struct matcher *m)
{
	const struct facts *f = m->f;
	struct world *w = m->w;
	bool all = true;

	for (uint32_t i = 0; i < f->accounts.n; i++) {
		const struct row_account *row = &f->accounts.v[i];

		w->account_person[i] = row->person ? world_person(w, row->person) : FACTS_NONE;
		if (row->adopted ||
		    (row->person && rule_approved(f, pool_str(&f->pool, row->linked_by))))
			w->account_flags[i] |= MATCH_ADOPTED;
		if (row->doubtful)
			w->account_flags[i] |= MATCH_DOUBT;
		if (is_nobodys(f, row))
			w->account_flags[i] |= MATCH_NOBODYS;
		all = all && row->person;
	}
	return all;
}

static int accounts_match(struct matcher *m, size_t known)
{
	struct vec_pair by_address = { 0 };
	struct externals e = { 0 };
	int r = externals_build(m, &e);

	if (r == 0)
		r = account_addresses(m, &by_address);
	for (size_t i = 0; i < m->f->accounts.n && r == 0; i++) {
		/* in ledger order, so that links and doubts come in one order */
		uint32_t account = m->f->account_by_number[i];
		const struct row_account *row = &m->f->accounts.v[account];

		if (!row->person && !row->doubtful && row->type == ACCOUNT_PERSON)
			r = account_match(m, account, &e, &by_address, known);
	}
	vec_pair_done(&by_address);
	free(e.v);
	return r;
}

/* --- order --- */

static int row_cmp(const struct facts *f, bool a_account, uint32_t a, bool b_account,
		   uint32_t b)
{
	if (a_account != b_account)
		return a_account ? 1 : -1;
	if (a == FACTS_NONE || b == FACTS_NONE)
		return (a == FACTS_NONE) - (b == FACTS_NONE);
	if (!a_account)
		return record_cmp(f, a, b);
	return str_cmp(pool_str(&f->pool, f->accounts.v[a].id),
		       pool_str(&f->pool, f->accounts.v[b].id));
}

static int doubt_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct match_doubt *a = pa, *b = pb;
	const struct facts *f = ((const struct world *)ctx)->f;
	int c = strcmp(a->kind, b->kind);

	if (!c)
		c = row_cmp(f, a->a_account, a->a_row, b->a_account, b->a_row);
	if (!c)
		c = row_cmp(f, a->b_account, a->b_row, b->b_account, b->b_row);
	return c ? c : strcmp(a->text, b->text);
}

static int link_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct match_link *a = pa, *b = pb;

	return row_cmp(((const struct world *)ctx)->f, a->account, a->row, b->account, b->row);
}

/* The rows of each owner behind each other, in the given order of all rows (NULL: as they are).
 */
static int rows_build(const uint32_t *owner, const uint32_t *order, size_t n, size_t owners,
		      uint32_t **ret_at, uint32_t **ret_rows, struct err *err)
{
	uint32_t *at = calloc(owners + 2, sizeof(*at));
	uint32_t *rows = calloc(n + 1, sizeof(*rows));

	*ret_at = at;
	*ret_rows = rows;
	if (!at || !rows)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		if (owner[i] != FACTS_NONE)
			at[owner[i] + 2]++;
	for (size_t i = 2; i < owners + 2; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < n; i++) {
		uint32_t row = order ? order[i] : (uint32_t)i;

		if (owner[row] != FACTS_NONE)
			rows[at[owner[row] + 1]++] = row;
	}
	return 0;
}

/* Most trusted first; of one source the active ones first, then by key. */
static bool speaks_before(const struct facts *f, uint32_t a, uint32_t b)
{
	const struct row_record *ra = &f->records.v[a], *rb = &f->records.v[b];
	bool a_active = ra->state == RECORD_ACTIVE, b_active = rb->state == RECORD_ACTIVE;

	if (ra->source == rb->source && a_active != b_active)
		return a_active;
	return record_cmp(f, a, b) < 0;
}

static void records_order(struct world *w)
{
	for (size_t p = 0; p < w->persons; p++) {
		uint32_t *rows = w->record_rows + w->record_at[p];
		size_t n = w->record_at[p + 1] - w->record_at[p];

		for (size_t i = 1; i < n; i++) {
			uint32_t row = rows[i];
			size_t at = i;

			for (; at > 0 && speaks_before(w->f, row, rows[at - 1]); at--)
				rows[at] = rows[at - 1];
			rows[at] = row;
		}
	}
}

static int world_index(struct world *w, struct err *err)
{
	const struct facts *f = w->f;
	int r = rows_build(w->record_person, NULL, f->records.n, w->persons, &w->record_at,
			   &w->record_rows, err);

	if (r == 0)
		r = rows_build(w->account_person, f->account_by_number, f->accounts.n,
			       w->persons, &w->account_at, &w->account_rows, err);
	if (r < 0)
		return r;
	records_order(w);
	if (w->doubts.n)
		qsort_r(w->doubts.v, w->doubts.n, sizeof(*w->doubts.v), doubt_cmp, w);
	if (w->links.n)
		qsort_r(w->links.v, w->links.n, sizeof(*w->links.v), link_cmp, w);
	return 0;
}

/* --- the whole --- */

static int matcher_begin(struct matcher *m, struct err *err)
{
	size_t n = m->f->records.n + 1;

	m->err = err;
	m->parent = calloc(n, sizeof(*m->parent));
	m->root_person = calloc(n, sizeof(*m->root_person));
	m->number_id = calloc(n, sizeof(*m->number_id));
	m->person_id = calloc(n, sizeof(*m->person_id));
	m->doubtful = calloc(n, sizeof(*m->doubtful));
	m->how = calloc(n, sizeof(*m->how));
	m->folded = calloc(m->f->pool.n + 1, sizeof(*m->folded));
	m->has_apart = calloc(n, sizeof(*m->has_apart));
	m->root_mark = calloc(n, sizeof(*m->root_mark));
	m->of_source = calloc(m->f->sources.n + 1, sizeof(*m->of_source));
	if (!m->has_apart || !m->root_mark || !m->of_source)
		return err_nomem(err);
	if (!m->parent || !m->root_person || !m->number_id || !m->person_id || !m->doubtful ||
	    !m->how || !m->folded)
		return err_nomem(err);
	return pool_init(&m->keys, err);
}

static void matcher_done(struct matcher *m)
{
	free(m->parent);
	free(m->root_person);
	free(m->number_id);
	free(m->person_id);
	free(m->doubtful);
	free(m->how);
	free(m->folded);
	free(m->root_mark);
	free(m->of_source);
	pool_done(&m->keys);
	free(m->has_apart);
	free(m->person_record);
	vec_pair_done(&m->apart);
	vec_pair_done(&m->apart_account);
	vec_pair_done(&m->addresses);
	vec_pair_done(&m->history);
}

static int world_begin(struct world *w, const struct facts *f, const struct policy *p,
		       struct plan_arena *arena, struct err *err)
{
	int r;

	w->f = f;
	w->p = p;
	w->arena = arena;
	w->calendar = (struct calendar){ .quiet = p->quiet,
					 .quiet_from = p->quiet_from,
					 .quiet_until = p->quiet_until,
					 .business_days = p->business_days,
					 .holidays = p->holidays,
					 .holiday_count = p->holiday_count,
					 .freezes = p->freezes,
					 .freeze_count = p->freeze_count };
	r = zone_get(f->round.zone.len ? f->round.zone : STR("UTC"), &w->calendar.zone, err);
	if (r < 0)
		return err_context(err, r, "the instance's zone");
	r = persons_collect(w, f, err);
	if (r < 0)
		return r;
	w->record_person = calloc(f->records.n + 1, sizeof(*w->record_person));
	w->account_person = calloc(f->accounts.n + 1, sizeof(*w->account_person));
	w->account_flags = calloc(f->accounts.n + 1, sizeof(*w->account_flags));
	w->person_doubt = calloc(w->persons + f->records.n + 1, sizeof(*w->person_doubt));
	w->placeholders = calloc(f->sources.n + 1, sizeof(*w->placeholders));
	if (!w->placeholders)
		return err_nomem(err);
	if (!w->record_person || !w->account_person || !w->account_flags || !w->person_doubt)
		return err_nomem(err);
	return 0;
}

int match_people(const struct facts *f, const struct policy *p, struct plan_arena *arena,
		 struct world *w, struct err *err)
{
	struct matcher m = { .w = w, .f = f };
	bool all_linked;
	size_t known;
	int r = world_begin(w, f, p, arena, err);

	if (r < 0)
		return r;
	known = w->persons;
	r = matcher_begin(&m, err);
	if (r == 0)
		r = sets_begin(&m);
	if (r == 0)
		r = apart_build(&m);
	all_linked = r == 0 && accounts_begin(&m);
	if (r == 0 && (m.unlinked || !all_linked))
		r = addresses_build(&m);
	if (r == 0)
		r = records_join(&m);
	if (r == 0)
		r = newcomers_number(&m);
	if (r == 0)
		r = records_link(&m, known);
	if (r == 0 && !all_linked)
		r = accounts_match(&m, known);
	matcher_done(&m);
	return r < 0 ? r : world_index(w, err);
}

void match_done(struct world *w)
{
	if (!w)
		return;
	free(w->numbers);
	free(w->person_doubt);
	free(w->placeholders);
	free(w->record_person);
	free(w->account_person);
	free(w->account_flags);
	free(w->record_at);
	free(w->record_rows);
	free(w->account_at);
	free(w->account_rows);
	vec_match_link_done(&w->links);
	vec_match_doubt_done(&w->doubts);
	*w = (struct world){ 0 };
}
