#include "store/find.h"

#include "base/jx.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "model/schema.h"
#include "store/query_sql.h"
#include "store/records.h"
#include "store/shape.h"

#define CHUNK_RANGE 20000 /* numbers looked at in one read transaction */
#define CHUNK_ROWS 2000   /* rows that an index gives, likewise */
#define CHUNK_MS 500      /* likewise, at most that long */
#define FIRST_PARAMETER 5 /* ?1 source, ?2 after, ?3 last, ?4 limit */

enum sort_kind { SORT_ABSENT, SORT_NUMBER, SORT_TEXT };

struct hit {
	unsigned type;
	int64_t id;
	enum sort_kind kind;
	double number;
	char *text; /* folded where case does not count */
	size_t len;
};
VEC(vec_hit, struct hit);

struct search {
	struct store *store;
	int64_t source;
	const struct find *find;
	find_fn fn;
	void *ctx;
	bool id, meta, groups, members; /* what the query or the order names */
	bool exact;                     /* the statement alone decides */
	uint64_t matched, handed;
	struct vec_hit hits; /* with sort_by */
	bool beyond;         /* likewise: there are further ones */
	int64_t until_ms;    /* monotonic */
	bool ended;          /* the page is full and nothing more is wanted */
};

static void hits_done(struct vec_hit *v)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		free(v->v[i].text);
	vec_hit_done(v);
}

/* --- what the query needs besides the stored bytes ------------------------------------------
 */

static void note_path(struct search *s, const struct path *p)
{
	struct str name = str_of(p->name);

	if (p->owner != PATH_OWN || p->urn)
		return;
	s->id |= str_ieq(name, STR("id"));
	s->meta |= str_ieq(name, STR("meta"));
	s->groups |= str_ieq(name, STR("groups"));
	s->members |= str_ieq(name, STR("members"));
}

static void note_query(struct search *s, const struct query *q)
{
	if (!q)
		return;
	if (q->kind == QUERY_TEST || q->kind == QUERY_PART)
		note_path(s, &q->path);
	/* inside a part, paths are its own */
	if (q->kind == QUERY_PART)
		return;
	note_query(s, q->left);
	note_query(s, q->right);
}

static int splice_meta(json_t *doc, const struct find_row *row, struct err *err)
{
	json_t *meta = json_object();
	char created[STAMP_TEXT_BYTES], modified[STAMP_TEXT_BYTES];
	int r;

	if (!meta)
		return err_nomem(err);
	stamp_text(row->created_ms, created);
	stamp_text(row->modified_ms, modified);
	r = jx_set(meta, "resourceType",
		   json_string(row->type == FIND_USERS ? "User" : "Group"), err);
	if (r == 0)
		r = jx_set(meta, "created", json_string(created), err);
	if (r == 0)
		r = jx_set(meta, "lastModified", json_string(modified), err);
	if (r == 0)
		r = jx_set(meta, "version", json_sprintf("W/\"%lld\"", (long long)row->version),
			   err);
	if (r < 0) {
		json_decref(meta);
		return r;
	}
	return jx_set(doc, "meta", meta, err);
}

static int add_value(json_t *list, struct str value, struct str display, const char *type,
		     struct err *err)
{
	json_t *item = json_object();
	int r;

	if (!item)
		return err_nomem(err);
	r = jx_set(item, "value", json_stringn(value.p ? value.p : "", value.len), err);
	if (r == 0 && display.len > 0)
		r = jx_set(item, "display", json_stringn(display.p, display.len), err);
	if (r == 0)
		r = jx_set(item, "type", json_string(type), err);
	if (r < 0) {
		json_decref(item);
		return r;
	}
	return jx_add(list, item, err);
}

static int on_group(void *ctx, const struct usergroup_row *g, struct err *err)
{
	return add_value(ctx, g->key, g->display, "direct", err);
}

static int on_member(void *ctx, const struct member_row *m, struct err *err)
{
	return add_value(ctx, m->key, m->display, m->is_group ? "Group" : "User", err);
}

static int splice_list(struct search *s, struct db *db, json_t *doc, const struct find_row *row,
		       struct err *err)
{
	bool user = row->type == FIND_USERS;
	json_t *list = json_array();
	int r;

	if (!list)
		return err_nomem(err);
	r = user ? usergroups_of(db, s->source, row->key, on_group, list, err)
		 : usergroups_members(db, row->id, on_member, list, err);
	if (r < 0 || json_array_size(list) == 0) {
		json_decref(list);
		return r;
	}
	return jx_set(doc, user ? "groups" : "members", list, err);
}

static int full_document(struct search *s, struct db *db, const struct find_row *row,
			 json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r;

	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	/* documents of pulled sources hold none: it is the record's key */
	if (r == 0 && s->id)
		r = jx_set(doc, "id", json_stringn(row->key.p, row->key.len), err);
	if (r == 0 && s->meta)
		r = splice_meta(doc, row, err);
	if (r == 0 && (row->type == FIND_USERS ? s->groups : s->members))
		r = splice_list(s, db, doc, row, err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

/* --- order ----------------------------------------------------------------------------------
 */

static const json_t *pick(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_true(json_object_get(item, "primary")))
			return item;
	}
	return json_array_get(list, 0);
}

static const json_t *sort_value(const struct path *path, const json_t *doc)
{
	const json_t *v = doc;

	if (path->urn)
		v = jx_get_i(v, str_of(path->urn));
	v = jx_get_i(v, str_of(path->name));
	if (json_is_array(v))
		v = pick(v);
	if (json_is_object(v))
		v = jx_get_i(v, path->sub ? str_of(path->sub) : STR("value"));
	return v;
}

static int sort_key(const struct path *path, const json_t *doc, struct hit *hit,
		    struct err *err)
{
	const json_t *v = sort_value(path, doc);
	struct str text = str_n(json_string_value(v), json_string_length(v));
	bool exact = path->attr && path->attr->case_exact;
	int64_t ms;

	if (json_is_number(v) || json_is_boolean(v)) {
		hit->kind = SORT_NUMBER;
		hit->number = json_is_number(v) ? json_number_value(v) : json_is_true(v);
		return 0;
	}
	if (!json_is_string(v) || text.len == 0)
		return 0;
	if (path->attr && path->attr->type == ATTR_DATETIME && stamp_parse(text, &ms)) {
		hit->kind = SORT_NUMBER;
		hit->number = (double)ms;
		return 0;
	}
	hit->kind = SORT_TEXT;
	if (exact) {
		hit->text = str_dup(text);
		hit->len = text.len;
		if (!hit->text)
			return err_nomem(err);
	} else if (str_fold(text, &hit->text, &hit->len, err) < 0) {
		return -err->code;
	}
	if (hit->len > FIND_MARK_BYTES)
		hit->len = FIND_MARK_BYTES;
	return 0;
}

static int by_place(const struct hit *a, const struct hit *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Ascending; absent above everything, numbers below texts. */
static int by_value(const struct hit *a, const struct hit *b)
{
	if (a->kind != b->kind) {
		if (a->kind == SORT_ABSENT || b->kind == SORT_ABSENT)
			return a->kind == SORT_ABSENT ? 1 : -1;
		return a->kind == SORT_NUMBER ? -1 : 1;
	}
	if (a->kind == SORT_NUMBER)
		return a->number < b->number ? -1 : a->number > b->number;
	if (a->kind == SORT_TEXT)
		return str_cmp(str_n(a->text, a->len), str_n(b->text, b->len));
	return 0;
}

static int ascending(const void *x, const void *y)
{
	int c = by_value(x, y);

	return c ? c : by_place(x, y);
}

static int descending(const void *x, const void *y)
{
	int c = by_value(y, x);

	return c ? c : by_place(x, y);
}

/* --- looking at rows ------------------------------------------------------------------------
 */

static int keep_hit(struct search *s, const struct find_row *row, const json_t *doc,
		    struct err *err)
{
	struct hit hit = { .type = row->type, .id = row->id };
	int r;

	if (s->hits.n == FIND_SORT_MOST)
		return err_set(err, ERR_TOO_MANY,
			       "more than %d resources match: too many to sort, ask for fewer "
			       "by a filter",
			       FIND_SORT_MOST);
	r = sort_key(s->find->sort_by, doc, &hit, err);
	if (r == 0 && vec_hit_add(&s->hits, hit) < 0)
		r = err_nomem(err);
	if (r < 0)
		free(hit.text);
	return r;
}

static int matches(struct search *s, struct db *db, const struct find_row *row, bool *ret,
		   struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	enum truth t = TRUTH_TRUE;
	int r = 0;

	*ret = true;
	if ((!s->find->where || s->exact) && !s->find->sort_by)
		return 0;
	r = full_document(s, db, row, &doc, err);
	if (r == 0 && s->find->where)
		t = query_eval(s->find->where, &query_json_reader, NULL,
			       (struct query_node){ .p = doc }, QUERY_SCIM, s->find->now_ms);
	if (r == 0 && t == TRUTH_UNKNOWN)
		return err_nomem(err); /* the only unknown of two-valued logic */
	*ret = t == TRUTH_TRUE;
	if (r == 0 && *ret && s->find->sort_by)
		r = keep_hit(s, row, doc, err);
	return r;
}

static int hand(struct search *s, struct db *db, const struct find_row *found, struct err *err)
{
	struct find_row row = *found;
	int64_t one = 0;
	int r = STORE_NOT_FOUND;

	if (row.type == FIND_USERS)
		r = db_one(db, &one, err, "SELECT 1 FROM member WHERE member = ?1 AND kind = 1",
			   DB_I(row.id));
	if (r < 0)
		return r;
	row.in_groups = r == 0;
	if (!s->find->sort_by)
		row.mark = (struct find_mark){ .type = row.type, .id = row.id };
	return s->fn(s->ctx, &row, err);
}

static int look_at(struct search *s, struct db *db, const struct find_row *row, struct err *err)
{
	bool match = false;
	int r;

	r = matches(s, db, row, &match, err);
	if (r < 0 || !match)
		return r;
	s->matched++;
	if (s->find->sort_by || s->matched <= s->find->start)
		return 0;
	if (s->handed < s->find->count) {
		s->handed++;
		return hand(s, db, row, err);
	}
	/* one further match is known: there is more */
	s->ended = !s->find->want_total;
	return 0;
}

static void take_row(struct stmt *q, unsigned type, struct find_row *row)
{
	*row = (struct find_row){ .type = type,
				  .id = db_int(q, 0),
				  .key = db_text(q, 1),
				  .version = db_int(q, 2),
				  .created_ms = db_int(q, 3),
				  .modified_ms = db_int(q, 4),
				  .doc = db_text(q, 5) };
}

#define ROW_COLUMNS "r.id, r.key, r.version, r.created_ms, r.modified_ms, r.doc"

static void write_sql(unsigned type, const struct query_sql *n, bool backwards, struct buf *sql)
{
	const char *down = backwards ? " DESC" : "";
	const char *table = type == FIND_USERS ? "record" : "usergroup";
	const char *live =
		type == FIND_USERS ? "r.deleted = 0 AND r.gone = 0" : "r.deleted = 0";

	buf_add_text(sql, "SELECT " ROW_COLUMNS " FROM ");
	buf_add_text(sql, table);
	buf_add_text(sql, " r WHERE ");
	/* within one value an index is in the order of the numbers: nothing is sorted */
	if (n->exact) {
		buf_add_text(sql, "+r.source = ?1 AND r.id > ?2 AND r.id <= ?3 AND ");
		buf_add_text(sql, live);
		buf_add_text(sql, " AND ");
		buf_add_str(sql, buf_str(&n->where));
		buf_addf(sql, " ORDER BY r.id%s LIMIT ?4", down);
		return;
	}
	/* where an index narrows, its rows are few: the + keeps the planner from walking the
	 * table in the order of its numbers, or all of the source, instead */
	buf_addf(sql, n->indexed ? "+r.source = ?1 AND +r.id > ?2 AND +r.id <= ?3"
				 : "?1 > 0 AND r.id > ?2 AND r.id <= ?3");
	buf_addf(sql, " AND %s AND ", live);
	buf_add_str(sql, buf_str(&n->where));
	buf_addf(sql, " ORDER BY %sr.id%s LIMIT ?4", n->indexed ? "+" : "", down);
}

/* What is still to be looked at: numbers above after, up to end. A walk forwards moves after, a
 * walk backwards end. */
struct chunk {
	unsigned type;
	bool indexed, backwards;
	int64_t after;
	int64_t end; /* 0: the greatest number there is, at the first look */
	bool last;   /* out: no rows beyond */
};

/* The part of it that one transaction looks at. */
struct part {
	int64_t after, upto;
};

static struct part part_of(const struct chunk *c)
{
	struct part p = { c->after, c->end };

	if (c->indexed || c->end - c->after <= CHUNK_RANGE)
		return p;
	if (c->backwards)
		p.after = c->end - CHUNK_RANGE;
	else
		p.upto = c->after + CHUNK_RANGE;
	return p;
}

static int chunk_end(struct search *s, struct db *db, struct chunk *c, struct err *err)
{
	const char *sql = c->type == FIND_USERS
				  ? "SELECT max(id) FROM record WHERE id BETWEEN ?1 AND ?2"
				  : "SELECT max(id) FROM usergroup WHERE id BETWEEN ?1 AND ?2";
	int r;

	if (c->end == 0 && c->indexed)
		c->end = SHAPE_LAST(s->source);
	if (c->end > 0)
		return 0;
	r = db_one(db, &c->end, err, sql, DB_I(SHAPE_FIRST(s->source)),
		   DB_I(SHAPE_LAST(s->source)));
	if (r == STORE_NOT_FOUND)
		c->last = true;
	return r < 0 ? r : 0;
}

static void chunk_pass(struct chunk *c, int64_t after, int64_t upto)
{
	if (c->backwards)
		c->end = after;
	else
		c->after = upto;
	c->last = c->after >= c->end;
}

static int walk_chunk(struct search *s, struct db *db, struct stmt *q, struct chunk *c,
		      struct part part, struct err *err)
{
	int64_t until_ms = stamp_mono_ms() + CHUNK_MS;
	struct find_row row;
	int r, rows = 0;

	while ((r = db_step(q, err)) == DB_ROW) {
		take_row(q, c->type, &row);
		r = look_at(s, db, &row, err);
		if (r < 0)
			return r;
		chunk_pass(c, row.id - 1, row.id);
		rows++;
		if (s->ended || (rows % 64 == 0 && stamp_mono_ms() > until_ms))
			return 0;
	}
	if (r == 0 && !(c->indexed && rows == CHUNK_ROWS))
		chunk_pass(c, part.after, part.upto);
	return r;
}

/* One short transaction: a range of numbers, or where an index narrows, some rows. */
static int run_chunk(struct search *s, const struct query_sql *n, struct str sql,
		     struct chunk *c, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct db_bind binds[FIRST_PARAMETER - 1 + QUERY_SQL_BINDS_MOST];
	struct part part;
	int r;

	r = store_read_begin(s->store, &db, err);
	if (r == 0)
		r = chunk_end(s, db, c, err);
	if (r < 0 || c->last)
		return r;
	part = part_of(c);
	binds[0] = DB_I(s->source);
	binds[1] = DB_I(part.after);
	binds[2] = DB_I(part.upto);
	binds[3] = DB_I(c->indexed ? CHUNK_ROWS : -1);
	memcpy(binds + FIRST_PARAMETER - 1, n->binds, n->count * sizeof(binds[0]));
	r = db_query_binds(db, &q, err, sql, binds, FIRST_PARAMETER - 1 + n->count);
	return r < 0 ? r : walk_chunk(s, db, q, c, part, err);
}

/* Where the walk over one type begins; false: all of it lies on the other side of the place
 * asked for. What is sorted is looked at whole. */
static bool chunk_begin(struct search *s, struct chunk *c)
{
	const struct find *f = s->find;
	const struct find_mark *from = f->sort_by ? NULL : f->from;

	c->backwards = f->backwards && !f->sort_by;
	c->after = f->after;
	if (c->after < SHAPE_FIRST(s->source))
		c->after = SHAPE_FIRST(s->source) - 1;
	if (!from)
		return true;
	if (from->type != c->type)
		return (c->type > from->type) == !f->backwards;
	if (f->backwards)
		c->end = from->id - 1;
	else if (from->id > c->after)
		c->after = from->id;
	return !f->backwards || c->end > c->after;
}

static int run_type(struct search *s, unsigned type, struct err *err)
{
	struct chunk c = { .type = type };
	struct query_sql n;
	struct buf sql;
	int r;

	if (!chunk_begin(s, &c))
		return 0;
	buf_init(&sql, 128 << 10);
	r = query_sql_make(s->find->where,
			   type == FIND_USERS ? QUERY_SQL_USER : QUERY_SQL_GROUP,
			   FIRST_PARAMETER, &n, err);
	if (r == 0) {
		write_sql(type, &n, c.backwards, &sql);
		r = buf_fault(&sql, err, "the statement of a filter");
	}
	c.indexed = n.indexed;
	s->exact = n.exact;
	while (r == 0 && !s->ended && !c.last) {
		if (stamp_mono_ms() > s->until_ms)
			r = err_set(err, ERR_TOO_MANY,
				    "the search took longer than %d s: ask for less, by "
				    "userName, externalId, id or an e-mail address",
				    FIND_MOST_MS / 1000);
		else
			r = run_chunk(s, &n, buf_str(&sql), &c, err);
	}
	query_sql_done(&n);
	buf_done(&sql);
	return r;
}

/* --- handing out in order -------------------------------------------------------------------
 */

static struct find_mark mark_of(const struct hit *hit)
{
	return (struct find_mark){ .type = hit->type,
				   .id = hit->id,
				   .kind = (int)hit->kind,
				   .number = hit->number,
				   .text = str_n(hit->text, hit->len) };
}

/* How many hits stand at that place or before it; with the place itself, or without. */
static size_t hits_upto(const struct search *s, const struct find_mark *mark, bool itself)
{
	const struct hit place = { .type = mark->type,
				   .id = mark->id,
				   .kind = (enum sort_kind)mark->kind,
				   .number = mark->number,
				   .text = (char *)mark->text.p,
				   .len = mark->text.len };
	size_t low = 0, high = s->hits.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = s->find->descending ? descending(&s->hits.v[middle], &place)
					    : ascending(&s->hits.v[middle], &place);

		if (c < 0 || (c == 0 && itself))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int hand_one(struct search *s, struct db *db, const struct hit *hit, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct find_row row;
	int r;

	r = db_query(db, &q, err,
		     hit->type == FIND_USERS
			     ? "SELECT " ROW_COLUMNS
			       " FROM record r WHERE r.id = ?1 AND r.deleted = 0"
			     : "SELECT " ROW_COLUMNS
			       " FROM usergroup r WHERE r.id = ?1 AND r.deleted = 0",
		     DB_I(hit->id));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r; /* deleted since it was found: passed over */
	take_row(q, hit->type, &row);
	row.mark = mark_of(hit);
	s->handed++;
	return hand(s, db, &row, err);
}

static int hand_sorted(struct search *s, struct err *err)
{
	const struct find *f = s->find;
	uint64_t first = f->start, left, n;
	int r = 0;

	if (s->hits.n > 0)
		qsort(s->hits.v, s->hits.n, sizeof(s->hits.v[0]),
		      f->descending ? descending : ascending);
	if (f->from)
		first = hits_upto(s, f->from, !f->backwards);
	else if (f->backwards)
		first = s->hits.n;
	if (f->backwards)
		left = first;
	else
		left = first < s->hits.n ? s->hits.n - first : 0;
	s->beyond = left > f->count;
	if (left > f->count)
		left = f->count;
	for (n = 0; r == 0 && n < left;) {
		CLEANUP(store_read_end_at) struct db *db = NULL;
		uint64_t stop = n + 500;

		r = store_read_begin(s->store, &db, err);
		for (; r == 0 && n < left && n < stop; n++)
			r = hand_one(s, db,
				     &s->hits.v[f->backwards ? first - 1 - n : first + n], err);
	}
	return r;
}

/* Without a query the counters of the source know the total. */
static int known_total(struct search *s, uint64_t *total, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t n = 0;
	int r;

	r = store_read_begin(s->store, &db, err);
	if (r == 0)
		r = db_one(db, &n, err,
			   "SELECT users * ?2 + groups * ?3 FROM source WHERE id = ?1",
			   DB_I(s->source), DB_I((s->find->types & FIND_USERS) != 0),
			   DB_I((s->find->types & FIND_GROUPS) != 0));
	if (r < 0)
		return r;
	*total = (uint64_t)n;
	return 0;
}

static int search_all(struct search *s, struct err *err)
{
	static const unsigned order[] = { FIND_USERS, FIND_GROUPS };
	bool backwards = s->find->backwards && !s->find->sort_by;
	int r = 0;

	for (size_t i = 0; r == 0 && !s->ended && i < COUNT_OF(order); i++) {
		unsigned type = order[backwards ? COUNT_OF(order) - 1 - i : i];

		if (s->find->types & type)
			r = run_type(s, type, err);
	}
	if (r == 0 && s->find->sort_by)
		r = hand_sorted(s, err);
	return r;
}

int find_run(struct store *store, int64_t source, const struct find *find, uint64_t *total,
	     bool *more, find_fn fn, void *ctx, struct err *err)
{
	bool plain = !find->where && !find->sort_by;
	struct find asked = *find;
	struct search s = { .store = store,
			    .source = source,
			    .find = &asked,
			    .fn = fn,
			    .ctx = ctx,
			    .until_ms = stamp_mono_ms() + FIND_MOST_MS };
	uint64_t all = 0;
	int r = 0;

	note_query(&s, find->where);
	if (find->sort_by)
		note_path(&s, find->sort_by);
	if (plain && find->want_total) {
		r = known_total(&s, &all, err);
		asked.want_total = false;
	}
	if (r == 0 && !(plain && find->count == 0))
		r = search_all(&s, err);
	hits_done(&s.hits);
	if (r < 0)
		return r;
	if (total)
		*total = plain ? all : s.matched;
	if (more)
		*more = find->sort_by ? s.beyond : s.matched > find->start + s.handed;
	return 0;
}
