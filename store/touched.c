#include "store/touched.h"

#include <stdatomic.h>

#define SLOTS 65536
#define PENDING_MOST 4096 /* slots of one transaction; beyond that all are touched */

enum of { OF_RECORD = 1, OF_NAME = 2 };

/* Columns as the schema numbers them. */
struct columns {
	int user_fold, member, display, deleted;
};

struct touched {
	_Atomic int64_t at[SLOTS];
	_Atomic int64_t groups; /* some group's name, or that it is there */
	_Atomic int64_t all;
	struct columns columns;
	/* of the transaction under way: the writer's alone. What is undone stays in it, which
	 * costs a reader a look. */
	uint32_t pending[PENDING_MOST];
	size_t pending_n;
	bool pending_groups, pending_all;
};

static uint32_t slot_of(enum of of, uint64_t number)
{
	return (uint32_t)(((number ^ (uint64_t)of << 61) * 0x9e3779b97f4a7c15u) >> 48);
}

uint64_t touched_name(struct str folded)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < folded.len; i++)
		h = (h ^ (unsigned char)folded.p[i]) * 1099511628211u;
	return h ? h : 1;
}

/* --- on the writer --------------------------------------------------------------------------
 */

static void touch(struct touched *t, enum of of, uint64_t number)
{
	uint32_t slot = slot_of(of, number);

	if (t->pending_n > 0 && t->pending[t->pending_n - 1] == slot)
		return;
	if (t->pending_n == PENDING_MOST)
		t->pending_all = true;
	else
		t->pending[t->pending_n++] = slot;
}

static void record_changed(struct touched *t, const struct driver *d,
			   const struct driver_change *c)
{
	struct str fold;

	touch(t, OF_RECORD, (uint64_t)c->row_before);
	if (c->row_after != c->row_before)
		touch(t, OF_RECORD, (uint64_t)c->row_after);
	if (c->what == DRIVER_DELETED)
		return;
	if (d->change_text(c, true, t->columns.user_fold, &fold))
		touch(t, OF_NAME, touched_name(fold));
	else
		t->pending_all = true;
}

/* Users and groups of one number share a slot. */
static void member_changed(struct touched *t, const struct driver *d,
			   const struct driver_change *c)
{
	int64_t member;

	for (int after = 0; after <= 1; after++) {
		if (c->what == (after ? DRIVER_DELETED : DRIVER_INSERTED))
			continue;
		if (d->change_int(c, after, t->columns.member, &member))
			touch(t, OF_RECORD, (uint64_t)member);
		else
			t->pending_all = true;
	}
}

static void group_changed(struct touched *t, const struct driver *d,
			  const struct driver_change *c)
{
	int64_t was_deleted, is_deleted;
	struct str was, is;

	if (c->what == DRIVER_INSERTED) /* has no members yet */
		return;
	if (c->what == DRIVER_UPDATED &&
	    d->change_int(c, false, t->columns.deleted, &was_deleted) &&
	    d->change_int(c, true, t->columns.deleted, &is_deleted) &&
	    was_deleted == is_deleted && d->change_text(c, false, t->columns.display, &was) &&
	    d->change_text(c, true, t->columns.display, &is) && str_eq(was, is))
		return;
	t->pending_groups = true;
}

static void on_change(void *ctx, const struct driver *d, const struct driver_change *c)
{
	struct touched *t = ctx;
	struct str table = str_of(c->table);

	if (str_eq(table, STR("record")))
		record_changed(t, d, c);
	else if (str_eq(table, STR("member")))
		member_changed(t, d, c);
	else if (str_eq(table, STR("usergroup")))
		group_changed(t, d, c);
}

void touched_commit(struct touched *t, int64_t commits)
{
	if (t->pending_all)
		atomic_store(&t->all, commits + 1);
	if (t->pending_groups)
		atomic_store(&t->groups, commits + 1);
	for (size_t i = 0; i < t->pending_n; i++)
		atomic_store(&t->at[t->pending[i]], commits + 1);
	t->pending_n = 0;
	t->pending_groups = t->pending_all = false;
}

/* --- on any thread --------------------------------------------------------------------------
 */

static bool slot_still(const struct touched *t, enum of of, uint64_t number, int64_t commit)
{
	return number == 0 || atomic_load(&t->at[slot_of(of, number)]) <= commit;
}

bool touched_still(const struct touched *t, const struct store_seen *seen)
{
	return t && seen->known && atomic_load(&t->all) <= seen->commit &&
	       slot_still(t, OF_RECORD, seen->record, seen->commit) &&
	       slot_still(t, OF_NAME, seen->name, seen->commit) &&
	       (!seen->names_groups || atomic_load(&t->groups) <= seen->commit);
}

/* --- birth and death ------------------------------------------------------------------------
 */

static int column_find(struct db *db, const char *table, const char *name, int *ret,
		       struct err *err)
{
	int64_t at = 0;
	int r = db_one(db, &at, err, "SELECT cid FROM pragma_table_info(?1) WHERE name = ?2",
		       DB_T(table), DB_T(name));

	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_INTERNAL, "table %s has no column %s", table, name);
	*ret = (int)at;
	return r;
}

static int columns_find(struct db *db, struct columns *ret, struct err *err)
{
	const struct {
		const char *table, *name;
		int *at;
	} rows[] = {
		{ "record", "user_fold", &ret->user_fold },
		{ "member", "member", &ret->member },
		{ "usergroup", "display", &ret->display },
		{ "usergroup", "deleted", &ret->deleted },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(rows); i++)
		r = column_find(db, rows[i].table, rows[i].name, rows[i].at, err);
	return r;
}

int touched_new(struct touched **ret, struct db *writer, struct err *err)
{
	CLEANUP(touched_free_at) struct touched *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_nomem(err);
	r = columns_find(writer, &t->columns, err);
	if (r < 0)
		return r;
	if (db_watch(writer, on_change, t))
		*ret = TAKE(t);
	else
		*ret = NULL;
	return 0;
}

void touched_free(struct touched *t)
{
	free(t);
}
