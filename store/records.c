#include "store/records.h"

#include "base/buf.h"
#include "base/jx.h"
#include "store/persons.h"
#include "store/shape.h"

#define DOC_MAX_BYTES (4u << 20)

/* --- texts of a row in one block ------------------------------------------------------------
 */

static int own_texts(struct str *const *texts, size_t count, void **own, struct err *err)
{
	size_t i, bytes = 1;
	char *p;

	for (i = 0; i < count; i++)
		bytes += texts[i]->len + 1;
	p = malloc(bytes);
	if (!p)
		return err_nomem(err);
	*own = p;
	for (i = 0; i < count; i++) {
		memcpy(p, texts[i]->p ? texts[i]->p : "", texts[i]->len);
		texts[i]->p = p;
		p[texts[i]->len] = '\0';
		p += texts[i]->len + 1;
	}
	return 0;
}

static int record_own(struct record *r, struct err *err)
{
	struct str *const texts[] = { &r->key,     &r->external_id, &r->user_name,
				      &r->display, &r->doc,         &r->unknown };

	return own_texts(texts, COUNT_OF(texts), &r->own, err);
}

void record_done(struct record *r)
{
	free(r->own);
	*r = (struct record){ 0 };
}

#define RECORD_COLUMNS                                                                         \
	"id, source, key, external_id, user_name, display, unknown, active, gone, deleted,"    \
	" version, created_ms, modified_ms, first_seen_ms, last_seen_read, absent_reads,"      \
	" absent_since_ms, disabled_since_ms, ended_ms, person, change, doc"

static void record_take(struct stmt *q, struct record *r)
{
	*r = (struct record){
		.id = db_int(q, 0),
		.source = db_int(q, 1),
		.key = db_text(q, 2),
		.external_id = db_text(q, 3),
		.user_name = db_text(q, 4),
		.display = db_text(q, 5),
		.unknown = db_text(q, 6),
		.active = (enum tri)db_int(q, 7),
		.gone = db_int(q, 8) != 0,
		.deleted = db_int(q, 9) != 0,
		.version = db_int(q, 10),
		.created_ms = db_int(q, 11),
		.modified_ms = db_int(q, 12),
		.first_seen_ms = db_int(q, 13),
		.last_seen_read = db_int(q, 14),
		.absent_reads = db_int(q, 15),
		.absent_since_ms = db_int(q, 16),
		.disabled_since_ms = db_int(q, 17),
		.ended_ms = db_int(q, 18),
		.person = db_int(q, 19),
		.change = db_int(q, 20),
		.doc = db_text(q, 21),
	};
}

/* --- writing --------------------------------------------------------------------------------
 */

/* The document as bytes and as a tree, whichever of them was given. */
struct put_doc {
	struct buf made;
	json_t *parsed;
	struct str bytes;
	const json_t *json;
};

static void put_doc_done(struct put_doc *d)
{
	buf_done(&d->made);
	json_decref(d->parsed);
}

static int put_doc_of(const struct record_put *put, struct put_doc *ret, struct err *err)
{
	int r = 0;

	*ret = (struct put_doc){ .bytes = put->doc, .json = put->json };
	buf_init(&ret->made, DOC_MAX_BYTES);
	if (!ret->json) {
		r = jx_parse(put->doc, JX_LENIENT, &ret->parsed, err);
		ret->json = ret->parsed;
	}
	if (r == 0 && !ret->bytes.p) {
		r = jx_canonical(ret->json, &ret->made, err);
		ret->bytes = buf_str(&ret->made);
	}
	return r;
}

/* UNIQUENESS if the two are one user name by RFC 7644 section 5. */
static int user_name_differs(struct str name, struct str other, struct err *err)
{
	CLEANUP(free_at) char *a = NULL, *b = NULL;
	size_t a_len = 0, b_len = 0;
	int r = str_user_name(name, &a, &a_len, err);

	if (r == 0)
		r = str_user_name(other, &b, &b_len, err);
	if (r == 0 && str_eq(str_n(a, a_len), str_n(b, b_len)))
		r = err_set(err, ERR_UNIQUENESS,
			    "userName is taken by another user of this source");
	return r;
}

/* The index is by the coarser str_fold(): those that it finds are held against each other. */
static int user_name_free(struct db *db, int64_t source, const struct shape *s, int64_t self,
			  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	if (s->user_fold.len == 0)
		return 0;
	r = db_query(db, &q, err,
		     "SELECT user_name FROM record WHERE source = ?1 AND user_fold = ?2"
		     " AND deleted = 0 AND id <> ?3",
		     DB_I(source), DB_S(str_n(s->user_fold.p, s->user_fold.len)), DB_I(self));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = user_name_differs(s->user_name, db_text(q, 0), err);
	return r < 0 ? r : 0;
}

/* Members are looked for by key whatever the case of the question: keys that we make have but
 * one case, so that an index can answer. */
static int key_is_lower(struct str key, struct err *err)
{
	size_t i;

	for (i = 0; i < key.len; i++)
		if (key.p[i] >= 'A' && key.p[i] <= 'Z')
			return err_set(err, ERR_INTERNAL, "an id has capital letters");
	return 0;
}

/*
 * Who comes back: of the tombstones of this source with the same externalId, the person, where
 * it is one. A user name alone is not enough: it may be somebody else's by now.
 */
static int comes_back(struct db *db, int64_t source, const struct shape *s, int64_t id,
		      int64_t now_ms, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t person = 0;
	int r;

	if (s->external_id.len == 0)
		return 0;
	r = db_query(db, &q, err,
		     "SELECT DISTINCT person FROM record WHERE source = ?1 AND external_id = ?2"
		     " AND external_id <> '' AND deleted = 1 AND person > 0 AND id <> ?3",
		     DB_I(source), DB_S(s->external_id), DB_I(id));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		if (person != 0)
			return 0;
		person = db_int(q, 0);
		r = 0;
	}
	if (r < 0 || person == 0)
		return r < 0 ? r : 0;
	r = persons_link_record(db, id, person, "came-back",
				"the same externalId as a deleted record of this source",
				now_ms, err);
	return r < 0 ? r : 0;
}

static int create(struct db *db, int64_t source, const struct record_put *put,
		  const struct put_doc *doc, int64_t *ret_id, struct err *err)
{
	CLEANUP(shape_done) struct shape shape = { 0 };
	struct shape_before before;
	struct shape_write w = { .source = source,
				 .key = put->key,
				 .bytes = doc->bytes,
				 .unknown = put->unknown,
				 .now_ms = put->now_ms,
				 .push = true };
	int64_t id = 0;
	int r;

	r = shape_of(doc->bytes, put->unknown, &shape, err);
	if (r == 0)
		r = shape_find(db, source, put->key, &before, NULL, err);
	if (r < 0)
		return r;
	if (before.id != 0)
		return err_set(err, ERR_UNIQUENESS, "id is taken");
	r = key_is_lower(put->key, err);
	if (r == 0)
		r = user_name_free(db, source, &shape, 0, err);
	if (r == 0)
		r = shape_put(db, &shape, &before, &w, &id, err);
	if (r == 0)
		r = shape_count(db, source, 1, shape.active == TRI_YES, 0, err);
	if (r == 0)
		r = comes_back(db, source, &shape, id, put->now_ms, err);
	if (r == 0 && ret_id)
		*ret_id = id;
	return r;
}

int records_create(struct db *db, int64_t source, const struct record_put *put, int64_t *ret_id,
		   struct err *err)
{
	CLEANUP(put_doc_done) struct put_doc doc;
	int r;

	r = put_doc_of(put, &doc, err);
	return r < 0 ? r : create(db, source, put, &doc, ret_id, err);
}

static int replace(struct db *db, int64_t source, const struct shape_before *before,
		   const struct record_put *put, const struct put_doc *doc, struct str key,
		   struct err *err)
{
	CLEANUP(shape_done) struct shape shape = { 0 };
	struct shape_write w = { .source = source,
				 .key = key,
				 .bytes = doc->bytes,
				 .unknown = put->unknown,
				 .now_ms = put->now_ms,
				 .push = true };
	int r;

	r = shape_of(doc->bytes, put->unknown, &shape, err);
	if (r < 0)
		return r;
	if (memcmp(shape.hash, before->hash, SHAPE_HASH_BYTES) == 0)
		return STORE_UNCHANGED;
	r = user_name_free(db, source, &shape, before->id, err);
	if (r == 0)
		r = shape_put(db, &shape, before, &w, NULL, err);
	if (r == 0)
		r = shape_count(db, source, 0,
				(shape.active == TRI_YES) - (before->active == TRI_YES), 0,
				err);
	return r;
}

int records_replace(struct db *db, int64_t source, struct str key, int64_t expect_version,
		    const struct record_put *put, struct err *err)
{
	CLEANUP(put_doc_done) struct put_doc doc;
	struct shape_before before;
	int r;

	r = put_doc_of(put, &doc, err);
	if (r == 0)
		r = shape_find(db, source, key, &before, NULL, err);
	if (r < 0)
		return r;
	if (before.id == 0 || before.deleted)
		return STORE_NOT_FOUND;
	if (expect_version && expect_version != before.version)
		return STORE_STALE;
	return replace(db, source, &before, put, &doc, key, err);
}

/* Takes a user (kind 1) or group (kind 2) out of all groups; each is a version newer. */
static int leave_groups(struct db *db, int kind, int64_t id, int64_t now_ms, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE usergroup SET version = version + 1, modified_ms = ?3, change = ?4"
		   " WHERE deleted = 0 AND id IN"
		   " (SELECT grp FROM member WHERE member = ?1 AND kind = ?2)",
		   DB_I(id), DB_I(kind), DB_I(now_ms),
		   DB_I(db_next_change_of(db, DB_CHANGE_GROUP)));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM member WHERE member = ?1 AND kind = ?2",
			   DB_I(id), DB_I(kind));
	return r;
}

int records_delete(struct db *db, int64_t source, struct str key, int64_t expect_version,
		   int64_t now_ms, struct err *err)
{
	struct shape_before before;
	int r;

	r = shape_find(db, source, key, &before, NULL, err);
	if (r < 0)
		return r;
	if (before.id == 0 || before.deleted)
		return STORE_NOT_FOUND;
	if (expect_version && expect_version != before.version)
		return STORE_STALE;
	r = db_run(db, err,
		   "UPDATE record SET deleted = 1, version = version + 1, modified_ms = ?2,"
		   " ended_ms = CASE WHEN ended_ms > 0 THEN ended_ms ELSE ?2 END, change = ?3"
		   " WHERE id = ?1",
		   DB_I(before.id), DB_I(now_ms),
		   DB_I(db_next_change_of(db, DB_CHANGE_RECORD)));
	if (r == 0)
		r = leave_groups(db, 1, before.id, now_ms, err);
	if (r == 0)
		r = shape_count(db, source, -1, -(before.active == TRI_YES), 0, err);
	return r;
}

/* --- reading --------------------------------------------------------------------------------
 */

static int one(struct stmt *q, struct record *ret, struct err *err)
{
	struct record r;
	int step;

	step = db_step(q, err);
	if (step < 0)
		return step;
	if (step != DB_ROW)
		return STORE_NOT_FOUND;
	record_take(q, &r);
	step = record_own(&r, err);
	if (step == 0)
		*ret = r;
	return step;
}

int records_get(struct db *db, int64_t source, struct str key, struct record *ret,
		struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RECORD_COLUMNS " FROM record WHERE source = ?1 AND key = ?2"
		     " AND deleted = 0",
		     DB_I(source), DB_S(key));
	return r < 0 ? r : one(q, ret, err);
}

#define SENT_COLUMNS                                                                           \
	"r.id, r.key, r.doc, r.version, r.created_ms, r.modified_ms,"                          \
	" EXISTS (SELECT 1 FROM member m WHERE m.member = r.id AND m.kind = 1)"

static struct record_sent sent_take(struct stmt *q)
{
	return (struct record_sent){ .id = db_int(q, 0),
				     .key = db_text(q, 1),
				     .doc = db_text(q, 2),
				     .version = db_int(q, 3),
				     .created_ms = db_int(q, 4),
				     .modified_ms = db_int(q, 5),
				     .in_groups = db_int(q, 6) != 0 };
}

int records_send(struct db *db, int64_t source, struct str key, record_sent_fn fn, void *ctx,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct record_sent row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " SENT_COLUMNS
		     " FROM record r WHERE r.source = ?1 AND r.key = ?2 AND r.deleted = 0",
		     DB_I(source), DB_S(key));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	row = sent_take(q);
	return fn(ctx, &row, err);
}

int records_send_named(struct db *db, int64_t source, struct str folded, record_sent_fn fn,
		       void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct record_sent row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " SENT_COLUMNS ", (SELECT count(*) FROM (SELECT 1 FROM record o"
		     " WHERE o.source = ?1 AND o.user_fold = ?2 AND o.deleted = 0"
		     " AND o.gone = 0 LIMIT 2)) FROM record r WHERE r.source = ?1"
		     " AND r.user_fold = ?2 AND r.deleted = 0 AND r.gone = 0 LIMIT 1",
		     DB_I(source), DB_S(folded));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	if (db_int(q, 7) > 1)
		return STORE_STALE;
	row = sent_take(q);
	return fn(ctx, &row, err);
}

int records_by_id(struct db *db, int64_t id, struct record *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT " RECORD_COLUMNS " FROM record WHERE id = ?1",
		     DB_I(id));
	return r < 0 ? r : one(q, ret, err);
}

static int each(struct stmt *q, record_fn fn, void *ctx, struct err *err)
{
	struct record row;
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		record_take(q, &row);
		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int records_changed(struct db *db, int64_t source, int64_t after_change, size_t most,
		    record_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RECORD_COLUMNS " FROM record WHERE source = ?1 AND change > ?2"
		     " ORDER BY change LIMIT ?3",
		     DB_I(source), DB_I(after_change), DB_I(most));
	return r < 0 ? r : each(q, fn, ctx, err);
}

int records_newest(struct db *db, int64_t source, int64_t *ret, struct err *err)
{
	int r = db_one(db, ret, err,
		       "SELECT coalesce(max(change), 0) FROM record WHERE source = ?1",
		       DB_I(source));

	return r < 0 ? r : 0;
}

/* Columns cost, and these are read of everybody in each round. */
#define ROUND_COLUMNS                                                                          \
	"id, key, external_id, unknown, active, gone, deleted, first_seen_ms, absent_reads,"   \
	" absent_since_ms, disabled_since_ms, ended_ms, person, doc"

static void round_take(struct stmt *q, int64_t source, struct record *r)
{
	*r = (struct record){
		.id = db_int(q, 0),
		.source = source,
		.key = db_text(q, 1),
		.external_id = db_text(q, 2),
		.unknown = db_text(q, 3),
		.active = (enum tri)db_int(q, 4),
		.gone = db_int(q, 5) != 0,
		.deleted = db_int(q, 6) != 0,
		.first_seen_ms = db_int(q, 7),
		.absent_reads = db_int(q, 8),
		.absent_since_ms = db_int(q, 9),
		.disabled_since_ms = db_int(q, 10),
		.ended_ms = db_int(q, 11),
		.person = db_int(q, 12),
		.doc = db_text(q, 13),
	};
}

int records_page(struct db *db, int64_t source, int64_t after, size_t most, record_fn fn,
		 void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct record row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ROUND_COLUMNS " FROM record WHERE id > ?1 AND id <= ?2"
		     " ORDER BY id LIMIT ?3",
		     DB_I(after >= SHAPE_FIRST(source) ? after : SHAPE_FIRST(source) - 1),
		     DB_I(SHAPE_LAST(source)), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		round_take(q, source, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

int records_by_address(struct db *db, struct str folded, record_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RECORD_COLUMNS " FROM record WHERE id IN"
		     " (SELECT record FROM record_address WHERE fold = ?1) ORDER BY id",
		     DB_S(folded));
	return r < 0 ? r : each(q, fn, ctx, err);
}

int records_of_person(struct db *db, int64_t person, record_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RECORD_COLUMNS " FROM record WHERE person = ?1 AND person > 0"
		     " ORDER BY id",
		     DB_I(person));
	return r < 0 ? r : each(q, fn, ctx, err);
}

int records_by_external_id(struct db *db, int64_t source, struct str external_id, record_fn fn,
			   void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RECORD_COLUMNS " FROM record WHERE source = ?1"
		     " AND external_id = ?2 AND external_id <> '' AND deleted = 0 ORDER BY id",
		     DB_I(source), DB_S(external_id));
	return r < 0 ? r : each(q, fn, ctx, err);
}

int records_by_name(struct db *db, int64_t source, uint64_t name, record_fn fn, void *ctx,
		    struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " RECORD_COLUMNS " FROM record WHERE source = ?1 AND deleted = 0"
		     " AND id IN (SELECT record FROM record_name WHERE name = ?2) ORDER BY id",
		     DB_I(source), DB_I((int64_t)name));
	return r < 0 ? r : each(q, fn, ctx, err);
}

int records_name(struct db *db, int64_t id, uint64_t *ret, struct err *err)
{
	int64_t name = 0;
	int r = db_one(db, &name, err, "SELECT name FROM record_name WHERE record = ?1",
		       DB_I(id));

	if (r < 0)
		return r;
	*ret = r == 0 ? (uint64_t)name : 0;
	return 0;
}

/* --- groups ---------------------------------------------------------------------------------
 */

#define GROUP_COLUMNS                                                                          \
	"g.id, g.source, g.key, g.external_id, g.display, g.version, g.created_ms,"            \
	" g.modified_ms, g.doc"

static void group_take(struct stmt *q, struct usergroup_row *g)
{
	*g = (struct usergroup_row){
		.id = db_int(q, 0),
		.source = db_int(q, 1),
		.key = db_text(q, 2),
		.external_id = db_text(q, 3),
		.display = db_text(q, 4),
		.version = db_int(q, 5),
		.created_ms = db_int(q, 6),
		.modified_ms = db_int(q, 7),
		.doc = db_text(q, 8),
	};
}

void usergroup_row_done(struct usergroup_row *g)
{
	free(g->own);
	*g = (struct usergroup_row){ 0 };
}

int usergroups_get(struct db *db, int64_t source, struct str key, struct usergroup_row *ret,
		   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct usergroup_row g;
	struct str *const texts[] = { &g.key, &g.external_id, &g.display, &g.doc };
	int r;

	r = db_query(db, &q, err,
		     "SELECT " GROUP_COLUMNS
		     " FROM usergroup g WHERE g.source = ?1 AND g.key = ?2 AND g.deleted = 0",
		     DB_I(source), DB_S(key));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	group_take(q, &g);
	r = own_texts(texts, COUNT_OF(texts), &g.own, err);
	if (r == 0)
		*ret = g;
	return r;
}

/* The columns of a group, out of its document. */
struct group_shape {
	json_t *parsed;
	struct str external_id, display;
	struct shape_text fold;
};

static void group_shape_done(struct group_shape *s)
{
	json_decref(s->parsed);
	free(s->fold.p);
}

static struct str member_text(const json_t *doc, const char *name)
{
	const json_t *v = jx_get_i(doc, str_of(name));

	return str_n(json_string_value(v), json_string_length(v));
}

static int group_shape_of(const struct usergroup_put *put, struct group_shape *ret,
			  struct err *err)
{
	const json_t *doc = put->json;
	int r = 0;

	*ret = (struct group_shape){ 0 };
	if (!doc) {
		r = jx_parse(put->doc, JX_LENIENT, &ret->parsed, err);
		doc = ret->parsed;
	}
	if (r < 0)
		return r;
	ret->external_id = member_text(doc, "externalId");
	ret->display = member_text(doc, "displayName");
	return str_fold(ret->display, &ret->fold.p, &ret->fold.len, err);
}

static int display_free(struct db *db, int64_t source, const struct group_shape *s,
			int64_t self, struct err *err)
{
	int64_t other = 0;
	int r;

	r = db_one(db, &other, err,
		   "SELECT id FROM usergroup WHERE source = ?1 AND display_fold = ?2"
		   " AND deleted = 0 AND id <> ?3 LIMIT 1",
		   DB_I(source), DB_S(str_n(s->fold.p, s->fold.len)), DB_I(self));
	if (r == 0)
		return err_set(err, ERR_UNIQUENESS,
			       "displayName is taken by another group of this source");
	return r < 0 ? r : 0;
}

int usergroups_create(struct db *db, int64_t source, const struct usergroup_put *put,
		      int64_t *ret_id, struct err *err)
{
	CLEANUP(group_shape_done) struct group_shape s = { 0 };
	int64_t other = 0;
	int r;

	r = group_shape_of(put, &s, err);
	if (r == 0)
		r = db_one(db, &other, err,
			   "SELECT id FROM usergroup WHERE source = ?1 AND key = ?2",
			   DB_I(source), DB_S(put->key));
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_UNIQUENESS, "id is taken");
	r = key_is_lower(put->key, err);
	if (r < 0)
		return r;
	r = put->unique ? display_free(db, source, &s, 0, err) : 0;
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO usergroup (id, source, key, external_id, display,"
			   " display_fold, version, created_ms, modified_ms, change, doc)"
			   " VALUES ((SELECT coalesce(max(id), ?9 - 1) + 1 FROM usergroup"
			   " WHERE id BETWEEN ?9 AND ?10), ?1, ?2, ?3, ?4, ?5, 1, ?6, ?6, ?7,"
			   " ?8)",
			   DB_I(source), DB_S(put->key), DB_S(s.external_id), DB_S(s.display),
			   DB_S(str_n(s.fold.p, s.fold.len)), DB_I(put->now_ms),
			   DB_I(db_next_change_of(db, DB_CHANGE_GROUP)), DB_S(put->doc),
			   DB_I(SHAPE_FIRST(source)), DB_I(SHAPE_LAST(source)));
	if (r < 0)
		return r;
	other = db_last_id(db);
	r = shape_count(db, source, 0, 0, 1, err);
	if (r == 0 && ret_id)
		*ret_id = other;
	return r;
}

struct group_before {
	int64_t id, version;
	bool same_doc;
};

/* STORE_NOT_FOUND, STORE_STALE. */
static int group_find(struct db *db, int64_t source, struct str key, int64_t expect_version,
		      struct str doc, struct group_before *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, version, doc FROM usergroup WHERE source = ?1 AND key = ?2"
		     " AND deleted = 0",
		     DB_I(source), DB_S(key));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	ret->id = db_int(q, 0);
	ret->version = db_int(q, 1);
	ret->same_doc = str_eq(db_text(q, 2), doc);
	return expect_version && expect_version != ret->version ? STORE_STALE : 0;
}

int usergroups_replace(struct db *db, int64_t source, struct str key, int64_t expect_version,
		       const struct usergroup_put *put, struct err *err)
{
	CLEANUP(group_shape_done) struct group_shape s = { 0 };
	struct group_before before = { 0 };
	int r;

	r = group_find(db, source, key, expect_version, put->doc, &before, err);
	if (r != 0)
		return r;
	if (!put->doc.p && !put->json)
		return db_run(db, err,
			      "UPDATE usergroup SET version = version + 1, modified_ms = ?2,"
			      " change = ?3 WHERE id = ?1",
			      DB_I(before.id), DB_I(put->now_ms),
			      DB_I(db_next_change_of(db, DB_CHANGE_GROUP)));
	if (before.same_doc)
		return STORE_UNCHANGED;
	r = group_shape_of(put, &s, err);
	if (r == 0 && put->unique)
		r = display_free(db, source, &s, before.id, err);
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE usergroup SET external_id = ?2, display = ?3,"
			   " display_fold = ?4, version = version + 1, modified_ms = ?5,"
			   " change = ?6, doc = ?7 WHERE id = ?1",
			   DB_I(before.id), DB_S(s.external_id), DB_S(s.display),
			   DB_S(str_n(s.fold.p, s.fold.len)), DB_I(put->now_ms),
			   DB_I(db_next_change_of(db, DB_CHANGE_GROUP)), DB_S(put->doc));
	return r;
}

int usergroups_delete(struct db *db, int64_t source, struct str key, int64_t expect_version,
		      int64_t now_ms, struct err *err)
{
	struct group_before before = { 0 };
	int r;

	r = group_find(db, source, key, expect_version, STR(""), &before, err);
	if (r != 0)
		return r;
	r = db_run(db, err,
		   "UPDATE usergroup SET deleted = 1, version = version + 1, modified_ms = ?2,"
		   " change = ?3 WHERE id = ?1",
		   DB_I(before.id), DB_I(now_ms), DB_I(db_next_change_of(db, DB_CHANGE_GROUP)));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM member WHERE grp = ?1", DB_I(before.id));
	if (r == 0)
		r = leave_groups(db, 2, before.id, now_ms, err);
	if (r == 0)
		r = shape_count(db, source, 0, 0, -1, err);
	return r;
}

/* --- members --------------------------------------------------------------------------------
 */

/* Which living user (kind 1) or group (kind 2) of the group's source has that key. */
static int member_find(struct db *db, int64_t group, struct str key, int64_t *kind, int64_t *id,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT 1, r.id FROM usergroup g JOIN record r ON r.source = g.source"
		     " AND r.key = ?2 AND r.deleted = 0 WHERE g.id = ?1"
		     " UNION ALL SELECT 2, m.id FROM usergroup g JOIN usergroup m"
		     " ON m.source = g.source AND m.key = ?2 AND m.deleted = 0 WHERE g.id = ?1",
		     DB_I(group), DB_S(key));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	*kind = db_int(q, 0);
	*id = db_int(q, 1);
	return 0;
}

int usergroups_member_add(struct db *db, int64_t group, struct str member_key, struct err *err)
{
	int64_t kind = 0, id = 0;
	int r;

	r = member_find(db, group, member_key, &kind, &id, err);
	if (r != 0)
		return r;
	if (kind == 2 && id == group)
		return err_set(err, ERR_INVALID_VALUE, "a group cannot be its own member");
	r = db_run(db, err,
		   "INSERT OR IGNORE INTO member (grp, kind, member) VALUES (?1, ?2, ?3)",
		   DB_I(group), DB_I(kind), DB_I(id));
	if (r < 0)
		return r;
	return db_changes(db) > 0 ? 0 : STORE_UNCHANGED;
}

int usergroups_member_remove(struct db *db, int64_t group, struct str member_key,
			     struct err *err)
{
	int64_t kind = 0, id = 0;
	int r;

	r = member_find(db, group, member_key, &kind, &id, err);
	if (r == STORE_NOT_FOUND)
		return STORE_UNCHANGED;
	if (r == 0)
		r = db_run(db, err,
			   "DELETE FROM member WHERE grp = ?1 AND kind = ?2 AND member = ?3",
			   DB_I(group), DB_I(kind), DB_I(id));
	if (r < 0)
		return r;
	return db_changes(db) > 0 ? 0 : STORE_UNCHANGED;
}

int usergroups_has_member(struct db *db, int64_t group, struct str member_key, struct err *err)
{
	int64_t kind = 0, id = 0, there = 0;
	int r;

	r = member_find(db, group, member_key, &kind, &id, err);
	if (r != 0)
		return r;
	return db_one(db, &there, err,
		      "SELECT 1 FROM member WHERE grp = ?1 AND kind = ?2 AND member = ?3",
		      DB_I(group), DB_I(kind), DB_I(id));
}

int usergroups_members_page(struct db *db, int64_t group, struct member_place *place,
			    size_t most, member_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	size_t n = 0;
	int r;

	r = db_query(db, &q, err,
		     "SELECT m.kind, m.member, coalesce(r.key, g.key),"
		     " CASE WHEN m.kind = 2 THEN g.display WHEN r.display <> '' THEN r.display"
		     " ELSE r.user_name END FROM member m"
		     " LEFT JOIN record r ON m.kind = 1 AND r.id = m.member"
		     " LEFT JOIN usergroup g ON m.kind = 2 AND g.id = m.member"
		     " WHERE m.grp = ?1 AND (m.kind, m.member) > (?2, ?3)"
		     " ORDER BY m.kind, m.member LIMIT ?4",
		     DB_I(group), DB_I(place->kind), DB_I(place->member),
		     DB_I(most > INT64_MAX ? INT64_MAX : (int64_t)most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct member_row row = { .is_group = db_int(q, 0) == 2,
					  .id = db_int(q, 1),
					  .key = db_text(q, 2),
					  .display = db_text(q, 3) };

		place->kind = db_int(q, 0);
		place->member = row.id;
		n++;
		r = fn(ctx, &row, err);
	}
	place->end = r == 0 && n < most;
	return r;
}

int usergroups_members(struct db *db, int64_t group, member_fn fn, void *ctx, struct err *err)
{
	struct member_place place = { 0 };

	return usergroups_members_page(db, group, &place, SIZE_MAX, fn, ctx, err);
}

/* Of a user, or of a group: the member's row is one, and its memberships lie in order of the
 * groups, so that nothing is sorted. */
#define GROUPS_OF(table, kind)                                                                 \
	"SELECT " GROUP_COLUMNS " FROM " table " x JOIN member m ON m.member = x.id"           \
	" AND m.kind = " kind " JOIN usergroup g ON g.id = m.grp WHERE x.source = ?1"          \
	" AND x.key = ?2 AND x.deleted = 0 AND g.deleted = 0 ORDER BY m.grp"

int usergroups_of(struct db *db, int64_t source, struct str member_key, usergroup_fn fn,
		  void *ctx, struct err *err)
{
	static const char *const both[] = { GROUPS_OF("record", "1"),
					    GROUPS_OF("usergroup", "2") };
	struct usergroup_row row;
	bool found = false;
	int r = 0;

	/* a key is a user's or a group's */
	for (size_t i = 0; r == 0 && !found && i < COUNT_OF(both); i++) {
		CLEANUP(stmt_done_at) struct stmt *q = NULL;

		r = db_query(db, &q, err, both[i], DB_I(source), DB_S(member_key));
		while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
			found = true;
			group_take(q, &row);
			r = fn(ctx, &row, err);
		}
	}
	return r;
}
