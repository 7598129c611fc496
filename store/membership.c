#include "store/membership.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/jx.h"
#include "base/vec.h"
#include "store/cursors.h"
#include "store/shape.h"

#define DOUBT_CURSOR "groups.unknown"
#define GROUP_URN "urn:ietf:params:scim:schemas:core:2.0:Group"

/* --- the group itself -----------------------------------------------------------------------
 */

static int revive(struct db *db, int64_t source, struct str key, int64_t now_ms,
		  struct err *err)
{
	int r = db_run(db, err,
		       "UPDATE usergroup SET deleted = 0, version = version + 1,"
		       " modified_ms = ?3, change = ?4 WHERE source = ?1 AND key = ?2"
		       " AND deleted = 1",
		       DB_I(source), DB_S(key), DB_I(now_ms),
		       DB_I(db_next_change_of(db, DB_CHANGE_GROUP)));

	if (r == 0 && db_changes(db) > 0)
		r = db_run(db, err, "UPDATE source SET groups = groups + 1 WHERE id = ?1",
			   DB_I(source));
	return r;
}

int membership_name(struct db *db, int64_t source, struct str key, struct str name,
		    int64_t now_ms, struct err *err)
{
	CLEANUP(json_decref_at)
	json_t *doc = json_pack("{s:[s],s:s%}", "schemas", GROUP_URN, "displayName", name.p,
				name.len);
	struct usergroup_put put = { .key = key, .json = doc, .now_ms = now_ms };
	CLEANUP(buf_done) struct buf text;
	int64_t deleted = 0;
	int r;

	buf_init(&text, 65536);
	if (!doc)
		return err_nomem(err);
	r = jx_canonical(doc, &text, err);
	if (r == 0)
		r = buf_fault(&text, err, "a group");
	if (r < 0)
		return r;
	put.doc = buf_str(&text);
	r = db_one(db, &deleted, err,
		   "SELECT deleted FROM usergroup WHERE source = ?1 AND key = ?2", DB_I(source),
		   DB_S(key));
	if (r < 0)
		return r;
	if (r == STORE_NOT_FOUND)
		return usergroups_create(db, source, &put, NULL, err);
	if (!deleted)
		return usergroups_replace(db, source, key, 0, &put, err);
	r = revive(db, source, key, now_ms, err);
	if (r == 0)
		r = usergroups_replace(db, source, key, 0, &put, err);
	return r < 0 ? r : 0;
}

/* --- members --------------------------------------------------------------------------------
 */

/* A row of table member; sorted by kind, then number. */
struct member {
	int64_t kind, id;
};
VEC(vec_member, struct member);

static int by_kind_and_id(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int standing(struct db *db, int64_t group, struct vec_member *into, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT kind, member FROM member WHERE grp = ?1"
			 " ORDER BY kind, member",
			 DB_I(group));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct member m = { db_int(q, 0), db_int(q, 1) };

		r = vec_member_add(into, m) < 0 ? err_nomem(err) : 0;
	}
	return r;
}

static int wanted(struct db *db, int64_t source, const struct membership_group *g,
		  struct vec_member *into, int64_t *nobody, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->people_n + g->groups_n; i++) {
		bool person = i < g->people_n;
		struct member m = { person ? 1 : 2, 0 };

		r = person ? db_one(db, &m.id, err,
				    "SELECT id FROM record WHERE source = ?1 AND key = ?2"
				    " AND deleted = 0",
				    DB_I(source), DB_T(g->members[i]))
			   : db_one(db, &m.id, err,
				    "SELECT id FROM usergroup WHERE source = ?1 AND key = ?2"
				    " AND deleted = 0",
				    DB_I(source), DB_T(g->members[i]));
		if (r == STORE_NOT_FOUND) {
			++*nobody;
			r = 0;
		} else if (r == 0 && vec_member_add(into, m) < 0) {
			r = err_nomem(err);
		}
	}
	if (r == 0 && into->n)
		qsort(into->v, into->n, sizeof(into->v[0]), by_kind_and_id);
	return r;
}

static int member_write(struct db *db, int64_t group, const struct member *m, bool add,
			struct err *err)
{
	return add ? db_run(db, err,
			    "INSERT OR IGNORE INTO member (grp, kind, member)"
			    " VALUES (?1, ?2, ?3)",
			    DB_I(group), DB_I(m->kind), DB_I(m->id))
		   : db_run(db, err,
			    "DELETE FROM member WHERE grp = ?1 AND kind = ?2 AND member = ?3",
			    DB_I(group), DB_I(m->kind), DB_I(m->id));
}

/* Two sorted lists side by side; what only one of them has is written. */
static int differences(struct db *db, int64_t group, const struct vec_member *before,
		       const struct vec_member *after, bool look,
		       struct membership_counts *counts, struct err *err)
{
	size_t b = 0, a = 0;
	int r = 0;

	while (r == 0 && (b < before->n || a < after->n)) {
		int order = b == before->n  ? 1
			    : a == after->n ? -1
					    : by_kind_and_id(&before->v[b], &after->v[a]);

		if (order == 0) {
			a++;
			b++;
			continue;
		}
		if (!look)
			r = member_write(db, group, order > 0 ? &after->v[a] : &before->v[b],
					 order > 0, err);
		*(order > 0 ? &counts->added : &counts->removed) += 1;
		*(order > 0 ? &a : &b) += 1;
	}
	return r;
}

int membership_set(struct db *db, int64_t source, const struct membership_group *group,
		   bool look, int64_t now_ms, struct membership_counts *counts, struct err *err)
{
	CLEANUP(vec_member_done) struct vec_member before = { 0 };
	CLEANUP(vec_member_done) struct vec_member after = { 0 };
	struct membership_counts here = { 0 };
	int64_t id = 0;
	int r;

	r = db_one(db, &id, err,
		   "SELECT id FROM usergroup WHERE source = ?1 AND key = ?2 AND deleted = 0",
		   DB_I(source), DB_S(group->key));
	if (r == 0)
		r = standing(db, id, &before, err);
	if (r == 0)
		r = wanted(db, source, group, &after, &here.nobody, err);
	if (r == 0)
		r = differences(db, id, &before, &after, look, &here, err);
	if (r != 0)
		return r;
	counts->added += here.added;
	counts->removed += here.removed;
	counts->nobody += here.nobody;
	if (here.added + here.removed == 0)
		return STORE_UNCHANGED;
	if (look)
		return 0;
	return db_run(db, err,
		      "UPDATE usergroup SET version = version + 1, modified_ms = ?2,"
		      " change = ?3 WHERE id = ?1",
		      DB_I(id), DB_I(now_ms), DB_I(db_next_change_of(db, DB_CHANGE_GROUP)));
}

/* --- groups that are no more ----------------------------------------------------------------
 */

VEC(vec_key, char *);

static void vec_key_free(struct vec_key *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	vec_key_done(v);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int others(struct db *db, int64_t source, const char *const *keys, size_t n,
		  struct vec_key *into, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT key FROM usergroup WHERE source = ?1 AND deleted = 0",
			 DB_I(source));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		char *key = db_text_dup(q, 0);

		r = key ? 0 : err_nomem(err);
		if (r == 0 && n && bsearch(&key, keys, n, sizeof(keys[0]), by_text)) {
			free(key);
		} else if (r == 0 && vec_key_add(into, key) < 0) {
			free(key);
			r = err_nomem(err);
		}
	}
	return r;
}

int membership_keep(struct db *db, int64_t source, const char *const *keys, size_t n,
		    int64_t most, int64_t now_ms, int64_t *gone, struct err *err)
{
	CLEANUP(vec_key_free) struct vec_key lost = { 0 };
	int r = others(db, source, keys, n, &lost, err);

	*gone = (int64_t)lost.n;
	if (r < 0)
		return r;
	if ((int64_t)lost.n > most)
		return STORE_STALE;
	for (size_t i = 0; r == 0 && i < lost.n; i++)
		r = usergroups_delete(db, source, str_of(lost.v[i]), 0, now_ms, err);
	return r < 0 ? r : 0;
}

int membership_count(struct db *db, int64_t source, int64_t *ret, struct err *err)
{
	return db_one(db, ret, err,
		      "SELECT count(*) FROM usergroup WHERE source = ?1 AND deleted = 0",
		      DB_I(source));
}

/* --- known or not ---------------------------------------------------------------------------
 */

int membership_doubt_set(struct db *db, const char *source, const char *why, int64_t now_ms,
			 struct err *err)
{
	int r = cursors_set(db, source, DOUBT_CURSOR, why, now_ms, err);

	/* what is planned from facts must be built anew */
	if (r == 0)
		(void)db_next_change_of(db, DB_CHANGE_GROUP);
	return r;
}

int membership_doubt(struct db *db, const char *source, char **ret, struct err *err)
{
	char *text = NULL;
	int r = cursors_get(db, source, DOUBT_CURSOR, &text, NULL, err);

	if (r == 0 && ret)
		*ret = TAKE(text);
	free(text);
	return r;
}

/* --- upwards --------------------------------------------------------------------------------
 */

int membership_above(struct db *db, int64_t record, membership_up_fn fn, void *ctx,
		     struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "WITH RECURSIVE up (grp) AS ("
		     " SELECT grp FROM member WHERE member = ?1 AND kind = 1"
		     " UNION"
		     " SELECT m.grp FROM up JOIN member m ON m.member = up.grp AND m.kind = 2)"
		     " SELECT g.key, g.display, EXISTS (SELECT 1 FROM member d WHERE"
		     "  d.grp = g.id AND d.kind = 1 AND d.member = ?1)"
		     " FROM up JOIN usergroup g ON g.id = up.grp WHERE g.deleted = 0"
		     " ORDER BY g.id",
		     DB_I(record));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_text(q, 0), db_text(q, 1), db_int(q, 2) != 0, err);
	return r;
}
