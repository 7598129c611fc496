#include "store/find_in.h"

#include "base/jx.h"
#include "base/stamp.h"
#include "store/records.h"
#include "store/shape.h"

#define CHUNK_RANGE 20000 /* numbers looked at in one read transaction */
#define CHUNK_ROWS 2000   /* rows that an index gives, likewise */
#define CHUNK_MS 500      /* likewise, at most that long */
#define RANGE_FEW 20000   /* rows of a range that are worth its index */
#define FIRST_PARAMETER 5 /* ?1 source, ?2 after, ?3 last, ?4 limit */

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

int find_document(struct search *s, struct db *db, const struct find_row *row, json_t **ret,
		  struct err *err)
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

/* --- looking at rows ------------------------------------------------------------------------
 */

static int matches(struct search *s, struct db *db, const struct find_row *row, bool *ret,
		   struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	enum truth t = TRUTH_TRUE;
	int r = 0;

	*ret = true;
	if ((!s->find->where || s->exact) && !s->gather)
		return 0;
	r = find_document(s, db, row, &doc, err);
	if (r == 0 && s->find->where && !s->exact)
		t = query_eval(s->find->where, &query_json_reader, NULL,
			       (struct query_node){ .p = doc }, QUERY_SCIM, s->find->now_ms);
	if (r == 0 && t == TRUTH_UNKNOWN)
		return err_nomem(err); /* the only unknown of two-valued logic */
	*ret = t == TRUTH_TRUE;
	if (r == 0 && *ret && s->gather)
		r = s->gather(s, row, doc, err);
	return r;
}

int find_hand(struct search *s, struct db *db, const struct find_row *found, struct err *err)
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
	if (!row.mark.kind)
		row.mark = (struct find_mark){ .type = row.type, .id = row.id };
	return s->fn(s->ctx, &row, err);
}

int find_look_at(struct search *s, struct db *db, const struct find_row *row, struct err *err)
{
	bool match = false;
	int r;

	r = matches(s, db, row, &match, err);
	if (r < 0 || !match)
		return r;
	s->matched++;
	if (s->gather || s->matched <= s->find->start)
		return 0;
	if (s->handed < s->find->count) {
		s->handed++;
		return find_hand(s, db, row, err);
	}
	/* one further match is known: there is more */
	s->ended = !s->find->want_total;
	return 0;
}

void find_row_take(struct stmt *q, unsigned type, struct find_row *row)
{
	*row = (struct find_row){ .type = type,
				  .id = db_int(q, 0),
				  .key = db_text(q, 1),
				  .version = db_int(q, 2),
				  .created_ms = db_int(q, 3),
				  .modified_ms = db_int(q, 4),
				  .doc = db_text(q, 5) };
}

static void write_sql(unsigned type, const struct query_sql *n, bool few, bool backwards,
		      struct buf *sql)
{
	const char *down = backwards ? " DESC" : "";
	const char *table = type == FIND_USERS ? "record" : "usergroup";
	const char *live =
		type == FIND_USERS ? "r.deleted = 0 AND r.gone = 0" : "r.deleted = 0";

	buf_add_text(sql, "SELECT " FIND_COLUMNS " FROM ");
	buf_add_text(sql, table);
	/* what is walked by number is not to be sorted because an index seemed nearer */
	buf_add_text(sql, few ? " r WHERE " : " r NOT INDEXED WHERE ");
	/* within one value an index is in the order of the numbers: nothing is sorted */
	if (n->equal) {
		buf_add_text(sql, "+r.source = ?1 AND r.id > ?2 AND r.id <= ?3 AND ");
		buf_add_text(sql, live);
		buf_add_text(sql, " AND ");
		buf_add_str(sql, buf_str(&n->where));
		buf_addf(sql, " ORDER BY r.id%s LIMIT ?4", down);
		return;
	}
	/* where an index narrows, its rows are few: the + keeps the planner from walking the
	 * table in the order of its numbers, or all of the source, instead */
	buf_addf(sql, few ? "+r.source = ?1 AND +r.id > ?2 AND +r.id <= ?3"
			  : "?1 > 0 AND r.id > ?2 AND r.id <= ?3");
	buf_addf(sql, " AND %s AND ", live);
	buf_add_str(sql, buf_str(&n->where));
	buf_addf(sql, " ORDER BY %sr.id%s LIMIT ?4", few ? "+" : "", down);
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
		find_row_take(q, c->type, &row);
		r = find_look_at(s, db, &row, err);
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
	const struct find_mark *from = s->gather ? NULL : f->from;

	c->backwards = f->backwards && !s->gather;
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

int find_in_time(const struct search *s, struct err *err)
{
	if (stamp_mono_ms() <= s->until_ms)
		return 0;
	return err_set(err, ERR_TOO_MANY,
		       "the search took longer than %d s: ask for less, by userName, "
		       "displayName, externalId, id, an e-mail address or meta.lastModified",
		       (int)(s->most_ms / 1000));
}

/* Whether the bounds of one column let few rows through: an index is asked, up to so many. */
static int range_is_few(struct search *s, unsigned type, const struct query_sql *n,
			const char *column, bool *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(buf_done) struct buf sql;
	struct db_bind binds[1 + QUERY_SQL_RANGES_MOST] = { DB_I(s->source) };
	size_t count = 1;
	int64_t rows = 0;
	int r;

	buf_init(&sql, 4096);
	buf_addf(&sql,
		 "SELECT count(*) FROM (SELECT 1 FROM %s r WHERE r.source = ?1"
		 " AND r.deleted = 0",
		 type == FIND_USERS ? "record" : "usergroup");
	for (size_t i = 0; i < n->ranges_count; i++) {
		if (strcmp(n->ranges[i].column, column) != 0)
			continue;
		binds[count++] = n->binds[n->ranges[i].bind];
		buf_addf(&sql, " AND %s %s ?%zu", column, n->ranges[i].op, count);
	}
	buf_addf(&sql, " LIMIT %d)", RANGE_FEW + 1);
	r = buf_fault(&sql, err, "the statement of a range");
	if (r == 0)
		r = store_read_begin(s->store, &db, err);
	if (r == 0)
		r = db_one_binds(db, &rows, err, buf_str(&sql), binds, count);
	if (r == 0)
		*ret = rows <= RANGE_FEW;
	return r;
}

/* What the query is as a condition, and whether an index gives few rows for it. *n is to be
 * done in any case. */
static int narrow(struct search *s, unsigned type, struct query_sql *n, bool *few,
		  struct err *err)
{
	int r = query_sql_make(s->find->where,
			       type == FIND_USERS ? QUERY_SQL_USER : QUERY_SQL_GROUP,
			       FIRST_PARAMETER, n, err);

	*few = n->indexed;
	for (size_t i = 0; r == 0 && !*few && i < n->ranges_count; i++)
		r = range_is_few(s, type, n, n->ranges[i].column, few, err);
	return r;
}

static int run_type(struct search *s, unsigned type, struct err *err)
{
	struct chunk c = { .type = type };
	CLEANUP(buf_done) struct buf sql;
	struct query_sql n;
	int r;

	buf_init(&sql, 128 << 10);
	if (!chunk_begin(s, &c))
		return 0;
	r = narrow(s, type, &n, &c.indexed, err);
	if (r == 0) {
		write_sql(type, &n, c.indexed, c.backwards, &sql);
		r = buf_fault(&sql, err, "the statement of a filter");
	}
	s->exact = n.exact;
	while (r == 0 && !s->ended && !c.last) {
		r = find_in_time(s, err);
		if (r == 0)
			r = run_chunk(s, &n, buf_str(&sql), &c, err);
		if (r == 0 && s->find->pause_ms && !s->ended && !c.last &&
		    stamp_mono_ms() >= s->find->pause_ms) {
			*s->find->reached = c.after;
			break;
		}
	}
	query_sql_done(&n);
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

int find_walk(struct search *s, struct err *err)
{
	static const unsigned order[] = { FIND_USERS, FIND_GROUPS };
	bool backwards = s->find->backwards && !s->gather;
	int r = 0;

	for (size_t i = 0; r == 0 && !s->ended && i < COUNT_OF(order); i++) {
		unsigned type = order[backwards ? COUNT_OF(order) - 1 - i : i];

		if (s->find->types & type)
			r = run_type(s, type, err);
	}
	return r;
}

/* How the page is found. */
enum way { BY_NUMBER, BY_INDEX, BY_LIST };

/* What few rows a filter leaves are sorted sooner than an index of all is walked. */
static int way_of(struct search *s, enum way *ret, struct err *err)
{
	struct query_sql n;
	bool few = false;
	int r = 0;

	*ret = s->find->sort_by ? BY_LIST : BY_NUMBER;
	if (!s->find->sort_by || !find_index_fits(s))
		return 0;
	r = narrow(s, s->find->types, &n, &few, err);
	query_sql_done(&n);
	if (r == 0 && !few)
		*ret = BY_INDEX;
	return r;
}

/* All that match, wherever the page is. */
static int count_all(struct search *s, uint64_t *total, struct err *err)
{
	struct find all = *s->find;
	struct search counting = *s;
	int r;

	if (!all.where)
		return known_total(s, total, err);
	all.sort_by = NULL;
	all.from = NULL;
	all.backwards = false;
	all.after = all.start = 0;
	all.count = 0;
	all.want_total = true;
	counting.find = &all;
	counting.matched = counting.handed = 0;
	r = find_walk(&counting, err);
	*total = counting.matched;
	return r;
}

int find_run(struct store *store, int64_t source, const struct find *find, uint64_t *total,
	     bool *more, find_fn fn, void *ctx, struct err *err)
{
	struct find asked = *find;
	struct search s = { .store = store,
			    .source = source,
			    .find = &asked,
			    .fn = fn,
			    .ctx = ctx,
			    .most_ms = FIND_MOST_MS,
			    .until_ms = stamp_mono_ms() + FIND_MOST_MS };
	enum way way;
	uint64_t all = 0;
	bool apart;
	int r;

	if (find->reached)
		*find->reached = 0;
	note_query(&s, find->where);
	if (find->sort_by)
		note_path(&s, find->sort_by);
	r = way_of(&s, &way, err);
	if (r < 0)
		return r;
	/* what the page's own walk does not see all of is counted apart */
	apart = find->want_total && way != BY_LIST && (!find->where || find->from);
	if (apart) {
		r = count_all(&s, &all, err);
		asked.want_total = false;
	}
	if (r == 0 && way == BY_LIST)
		r = find_sort_run(&s, err);
	else if (r == 0 && (find->count > 0 || !apart))
		r = way == BY_INDEX ? find_index_walk(&s, err) : find_walk(&s, err);
	if (r < 0)
		return r;
	if (total)
		*total = apart ? all : s.matched;
	if (more)
		*more = way == BY_LIST ? s.beyond
				       : s.matched > find->start + s.handed ||
						 (find->reached && *find->reached);
	return 0;
}
