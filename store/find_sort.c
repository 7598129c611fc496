/*
 * Lists in an order that no index has. All matches are looked at once, in pages; what they are
 * sorted by is sorted in memory up to SORT_BYTES, beyond that in a temporary database that the
 * engine keeps on disk. What is left of it is the list: a number a row. Lists are kept for as
 * long as the store does not change, so that a walk over many pages sorts once; the place of a
 * cursor is found in them by looking at rows.
 */
#include "store/find_in.h"

#include <math.h>
#include <pthread.h>

#include "base/digest.h"
#include "base/jx.h"
#include "base/vec.h"

#define SORT_BYTES (16u << 20)       /* of keys in memory, for one list under way */
#define SORTS_MOST 2                 /* lists under way that have gone to disk */
#define HAND_ROWS 500                /* handed out in one read transaction */
#define GROUP_BIT ((int64_t)1 << 62) /* in a number of a list: it is a group's */

VEC(vec_keys, struct find_key);

/* Never changed once made; held by whoever reads it. */
struct list {
	unsigned holders; /* under the lock of the lists; without them its maker alone */
	struct digest question;
	int64_t change;
	uint64_t used;
	size_t n, room;
	int64_t *ids; /* ascending order */
};

struct find_lists {
	pthread_mutex_t lock;
	struct list *kept[FIND_LISTS_MOST];
	uint64_t clock;
	size_t rows;    /* of all that are kept */
	unsigned sorts; /* under way on disk */
	size_t sort_bytes;
};

/* --- the lists that are kept ----------------------------------------------------------------
 */

struct find_lists *find_lists_new(size_t sort_bytes)
{
	struct find_lists *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->sort_bytes = sort_bytes ? sort_bytes : SORT_BYTES;
	return l;
}

static void list_free(struct list *list)
{
	if (!list)
		return;
	free(list->ids);
	free(list);
}

void find_lists_free(struct find_lists *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < FIND_LISTS_MOST; i++)
		list_free(l->kept[i]);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* Under the lock. */
static void slot_clear(struct find_lists *l, size_t i)
{
	struct list *list = TAKE(l->kept[i]);

	if (!list)
		return;
	l->rows -= list->n;
	if (--list->holders == 0)
		list_free(list);
}

static struct list *lists_find(struct find_lists *l, const struct digest *question,
			       int64_t change)
{
	struct list *found = NULL;

	if (!l)
		return NULL;
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < FIND_LISTS_MOST; i++) {
		struct list *list = l->kept[i];

		if (!list || !digest_equal(&list->question, question))
			continue;
		if (list->change != change) {
			slot_clear(l, i);
			continue;
		}
		found = list;
		found->holders++;
		found->used = ++l->clock;
		break;
	}
	pthread_mutex_unlock(&l->lock);
	return found;
}

static void lists_drop(struct find_lists *l, struct list *list)
{
	bool last = true;

	if (!list)
		return;
	if (l) {
		pthread_mutex_lock(&l->lock);
		last = --list->holders == 0;
		pthread_mutex_unlock(&l->lock);
	}
	if (last)
		list_free(list);
}

/* Makes room: those go that were asked for longest ago. */
static void lists_keep(struct find_lists *l, struct list *list)
{
	if (!l || list->n > FIND_LISTS_ROWS)
		return;
	pthread_mutex_lock(&l->lock);
	for (;;) {
		size_t oldest = 0, empty = FIND_LISTS_MOST;

		for (size_t i = 0; i < FIND_LISTS_MOST; i++) {
			if (!l->kept[i])
				empty = i;
			else if (!l->kept[oldest] || l->kept[i]->used < l->kept[oldest]->used)
				oldest = i;
		}
		if (empty < FIND_LISTS_MOST && l->rows + list->n <= FIND_LISTS_ROWS) {
			l->kept[empty] = list;
			break;
		}
		slot_clear(l, oldest);
	}
	list->holders++;
	list->used = ++l->clock;
	l->rows += list->n;
	pthread_mutex_unlock(&l->lock);
}

/* --- sorting --------------------------------------------------------------------------------
 */

struct sorter {
	struct vec_keys keys;
	size_t bytes;
	struct db *disk; /* NULL: all is in memory */
	uint64_t rows;
	struct find_lists *lists; /* whose leave for the disk was taken; or NULL */
};

static void keys_clear(struct sorter *sorter)
{
	for (size_t i = 0; i < sorter->keys.n; i++)
		find_key_done(&sorter->keys.v[i]);
	sorter->keys.n = 0;
	sorter->bytes = 0;
}

static void sorter_done(struct sorter *sorter)
{
	keys_clear(sorter);
	vec_keys_done(&sorter->keys);
	db_close(sorter->disk);
	if (!sorter->lists)
		return;
	pthread_mutex_lock(&sorter->lists->lock);
	sorter->lists->sorts--;
	pthread_mutex_unlock(&sorter->lists->lock);
}

static int leave_take(struct sorter *sorter, struct find_lists *l, struct err *err)
{
	bool got;

	if (!l)
		return 0;
	pthread_mutex_lock(&l->lock);
	got = l->sorts < SORTS_MOST;
	l->sorts += got;
	pthread_mutex_unlock(&l->lock);
	if (!got)
		return err_set(err, ERR_BUSY,
			       "%d great lists are being sorted already: ask again soon",
			       SORTS_MOST);
	sorter->lists = l;
	return 0;
}

static int disk_open(struct sorter *sorter, struct find_lists *l, struct err *err)
{
	const struct driver_options options = { .open = DRIVER_TEMP };
	int r = leave_take(sorter, l, err);

	if (r == 0)
		r = db_open(&driver_sqlite, &options, NULL, &sorter->disk, err);
	if (r == 0)
		r = db_exec(sorter->disk,
			    "CREATE TABLE key (kind INTEGER, number INTEGER, text BLOB,"
			    " type INTEGER, id INTEGER)",
			    err);
	if (r == 0)
		r = db_exec(sorter->disk, "BEGIN", err);
	return r;
}

/* Doubles in the order of their values, as numbers. */
static int64_t number_sorted(double number)
{
	int64_t bits;

	if (isnan(number) || number == 0)
		number = 0; /* one zero */
	memcpy(&bits, &number, sizeof(bits));
	return bits < 0 ? INT64_MIN - bits : bits;
}

static int keys_to_disk(struct search *s, struct err *err)
{
	struct sorter *sorter = s->sorter;
	int r = 0;

	if (!sorter->disk)
		r = disk_open(sorter, s->find->lists, err);
	for (size_t i = 0; r == 0 && i < sorter->keys.n; i++) {
		const struct find_key *k = &sorter->keys.v[i];

		r = db_run(sorter->disk, err,
			   "INSERT INTO key (kind, number, text, type, id)"
			   " VALUES (?1, ?2, ?3, ?4, ?5)",
			   DB_I(k->kind), DB_I(number_sorted(k->number)),
			   DB_B(k->text ? k->text : "", k->len), DB_I(k->type), DB_I(k->id));
	}
	if (r == 0)
		keys_clear(sorter);
	return r;
}

/* As search.gather: keeps what the row is sorted by. */
static int gather(struct search *s, const struct find_row *row, const json_t *doc,
		  struct err *err)
{
	struct sorter *sorter = s->sorter;
	struct find_key key = { .type = row->type, .id = row->id };
	size_t most;
	int r = find_key_of(s->find->sort_by, doc, &key, err);

	if (r == 0 && vec_keys_add(&sorter->keys, key) < 0)
		r = err_nomem(err);
	if (r < 0) {
		find_key_done(&key);
		return r;
	}
	sorter->rows++;
	sorter->bytes += sizeof(key) + key.len;
	most = s->find->lists ? s->find->lists->sort_bytes : SORT_BYTES;
	return sorter->bytes > most ? keys_to_disk(s, err) : 0;
}

static int by_key(const void *a, const void *b)
{
	return find_key_compare(a, b);
}

static int64_t number_of(unsigned type, int64_t id)
{
	return type == FIND_GROUPS ? id | GROUP_BIT : id;
}

static int list_from_disk(struct sorter *sorter, struct list *list, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(sorter->disk, &q, err,
			 "SELECT type, id FROM key ORDER BY kind, number, text, type, id");

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		if (list->n == list->room)
			return err_set(err, ERR_INTERNAL, "a sorted list grew");
		list->ids[list->n++] = number_of((unsigned)db_int(q, 0), db_int(q, 1));
		r = 0;
	}
	return r;
}

/* *ret is new, held by the caller. */
static int list_make(struct search *s, struct list **ret, struct err *err)
{
	struct sorter *sorter = s->sorter;
	struct list *list = calloc(1, sizeof(*list));
	int r = 0;

	if (!list)
		return err_nomem(err);
	list->holders = 1;
	list->room = sorter->rows;
	list->ids = malloc((sorter->rows ? sorter->rows : 1) * sizeof(*list->ids));
	if (!list->ids)
		r = err_nomem(err);
	if (r == 0 && sorter->disk)
		r = keys_to_disk(s, err);
	if (r == 0 && sorter->disk)
		r = list_from_disk(sorter, list, err);
	if (r == 0 && !sorter->disk && sorter->keys.n > 0) {
		qsort(sorter->keys.v, sorter->keys.n, sizeof(sorter->keys.v[0]), by_key);
		for (size_t i = 0; i < sorter->keys.n; i++)
			list->ids[list->n++] =
				number_of(sorter->keys.v[i].type, sorter->keys.v[i].id);
	}
	if (r < 0) {
		list_free(list);
		return r;
	}
	*ret = list;
	return 0;
}

/* --- pages ----------------------------------------------------------------------------------
 */

static int row_at(struct db *db, int64_t number, struct stmt **q, struct find_row *ret,
		  struct err *err)
{
	unsigned type = number & GROUP_BIT ? FIND_GROUPS : FIND_USERS;
	int r = db_query(db, q, err,
			 type == FIND_USERS ? "SELECT " FIND_COLUMNS " FROM record r"
					      " WHERE r.id = ?1 AND r.deleted = 0"
					    : "SELECT " FIND_COLUMNS " FROM usergroup r"
					      " WHERE r.id = ?1 AND r.deleted = 0",
			 DB_I(number & ~GROUP_BIT));

	if (r == 0)
		r = db_step(*q, err);
	if (r == DB_ROW)
		find_row_take(*q, type, ret);
	return r;
}

/* What a row of the list is sorted by now. 0, DB_ROW: *ret is to be done. */
static int key_at(struct search *s, struct db *db, int64_t number, struct find_key *ret,
		  struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct find_row row;
	int r = row_at(db, number, &q, &row, err);

	if (r != DB_ROW)
		return r;
	*ret = (struct find_key){ .type = row.type, .id = row.id };
	r = find_document(s, db, &row, &doc, err);
	if (r == 0)
		r = find_key_of(s->find->sort_by, doc, ret, err);
	return r < 0 ? r : DB_ROW;
}

/* How many of the list stand before that place, in ascending order; with the place itself, or
 * without. Rows that went meanwhile say nothing: their neighbours do. */
static int list_upto(struct search *s, const struct list *list, const struct find_key *place,
		     bool itself, size_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	size_t low = 0, high = list->n;
	int r = store_read_begin(s->store, &db, err);

	while (r == 0 && low < high) {
		size_t middle = low + (high - low) / 2, at = middle;
		struct find_key key = { 0 };
		int c;

		do
			r = key_at(s, db, list->ids[at], &key, err);
		while (r == 0 && ++at < high);
		if (r == 0) /* nobody is left from the middle on */
			high = middle;
		if (r != DB_ROW)
			continue;
		r = 0;
		c = find_key_compare(&key, place);
		find_key_done(&key);
		if (c < 0 || (c == 0 && itself))
			low = at + 1;
		else
			high = middle;
	}
	*ret = low;
	return r;
}

/* Hands out some rows: from is where in ascending order, step 1 or -1. */
static int hand_rows(struct search *s, const struct list *list, size_t from, int step, size_t n,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(s->store, &db, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		int64_t number = list->ids[step > 0 ? from + i : from - i];
		CLEANUP(stmt_done_at) struct stmt *q = NULL;
		struct find_key key = { 0 };
		struct find_row row;

		r = key_at(s, db, number, &key, err);
		if (r == DB_ROW)
			r = row_at(db, number, &q, &row, err);
		if (r == DB_ROW) { /* else deleted since it was found: passed over */
			row.mark = find_key_mark(&key);
			s->handed++;
			r = find_hand(s, db, &row, err);
		}
		find_key_done(&key);
	}
	return r;
}

static int page_hand(struct search *s, const struct list *list, struct err *err)
{
	const struct find *f = s->find;
	bool down = f->descending != f->backwards;
	size_t before = 0, left, n, at;
	int r = 0;

	if (f->from) {
		const struct find_key place = find_mark_key(f->from);

		r = list_upto(s, list, &place, !down, &before, err);
	} else if (down) {
		before = list->n;
	}
	left = down ? before : list->n - before;
	n = f->start < left ? f->start : left;
	at = down ? before - n : before + n;
	left -= n;
	s->beyond = left > f->count;
	if (left > f->count)
		left = f->count;
	for (size_t done = 0; r == 0 && done < left; done += n) {
		n = left - done < HAND_ROWS ? left - done : HAND_ROWS;
		r = hand_rows(s, list, down ? at - 1 - done : at + done, down ? -1 : 1, n, err);
	}
	return r;
}

static void question_of(const struct search *s, struct digest *ret)
{
	const struct find *f = s->find;
	const int64_t numbers[] = { s->source, f->types, f->where != NULL };
	const char *names[] = { f->sort_by->urn, f->sort_by->name, f->sort_by->sub };
	struct digest_run run;

	digest_begin(&run, NULL);
	digest_add(&run, numbers, sizeof(numbers));
	for (size_t i = 0; i < COUNT_OF(names); i++)
		digest_add(&run, names[i] ? names[i] : "", names[i] ? strlen(names[i]) + 1 : 1);
	digest_add(&run, f->where_text.p ? f->where_text.p : "", f->where_text.len);
	digest_end(&run, ret);
}

static int change_now(struct search *s, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(s->store, &db, err);

	return r < 0 ? r : store_change(db, ret, err);
}

static int list_new(struct search *s, struct list **ret, struct err *err)
{
	struct sorter sorter = { 0 };
	int r;

	s->sorter = &sorter;
	s->gather = gather;
	s->until_ms += FIND_LIST_MS - s->most_ms;
	s->most_ms = FIND_LIST_MS;
	r = find_walk(s, err);
	if (r == 0)
		r = list_make(s, ret, err);
	s->sorter = NULL;
	s->gather = NULL;
	sorter_done(&sorter);
	return r;
}

int find_sort_run(struct search *s, struct err *err)
{
	struct find_lists *lists = s->find->lists;
	struct digest question;
	struct list *list = NULL;
	int64_t change = 0;
	int r;

	question_of(s, &question);
	r = change_now(s, &change, err);
	if (r < 0)
		return r;
	list = lists_find(lists, &question, change);
	if (!list) {
		r = list_new(s, &list, err);
		if (r < 0)
			return r;
		list->question = question;
		list->change = change;
		lists_keep(lists, list);
	}
	s->matched = list->n;
	s->handed = 0;
	r = page_hand(s, list, err);
	lists_drop(lists, list);
	return r;
}
