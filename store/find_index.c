/*
 * A page along an index. Where a row stands is its value and its number, so a page begins with
 * what has the mark's value and a further number, goes on with what lies beyond, and those
 * without a value are at their own end of the order: each of these is one range of the index,
 * and together they are asked for one after the other.
 */
#include "store/find_in.h"

#include "base/stamp.h"
#include "store/shape.h"

#define CHUNK_ROWS 500
#define CHUNK_BARE 5000   /* rows that are only counted */
#define FIRST_PARAMETER 5 /* ?1 source, ?2 value, ?3 number, ?4 most rows */

static const struct column {
	unsigned type;
	const char *name, *sub;
	const char *sql, *index;
	bool time; /* milliseconds, never absent; else a text, '' where absent */
} columns[] = {
	{ FIND_USERS, "id", NULL, "r.key", "record_key", false },
	{ FIND_USERS, "userName", NULL, "r.user_fold", "record_user", false },
	{ FIND_USERS, "displayName", NULL, "r.display_fold", "record_display", false },
	{ FIND_USERS, "externalId", NULL, "r.external_id", "record_external", false },
	{ FIND_USERS, "meta", "created", "r.created_ms", "record_created", true },
	{ FIND_USERS, "meta", "lastModified", "r.modified_ms", "record_modified", true },
	{ FIND_GROUPS, "id", NULL, "r.key", "usergroup_key", false },
	{ FIND_GROUPS, "displayName", NULL, "r.display_fold", "usergroup_display", false },
	{ FIND_GROUPS, "externalId", NULL, "r.external_id", "usergroup_external", false },
	{ FIND_GROUPS, "meta", "created", "r.created_ms", "usergroup_created", true },
	{ FIND_GROUPS, "meta", "lastModified", "r.modified_ms", "usergroup_modified", true },
};

static const struct column *column_of(const struct find *f)
{
	const struct path *p = f->sort_by;

	if (!p || p->owner != PATH_OWN || p->urn)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		if (columns[i].type == f->types &&
		    str_ieq(str_of(p->name), str_of(columns[i].name)) &&
		    !p->sub == !columns[i].sub &&
		    (!p->sub || str_ieq(str_of(p->sub), str_of(columns[i].sub))))
			return &columns[i];
	return NULL;
}

bool find_index_fits(const struct search *s)
{
	return column_of(s->find) != NULL;
}

/* The walk: where it stands, and the statement's parts that stay. */
struct along {
	const struct column *column;
	struct query_sql where;
	bool down;           /* from the end of the ascending order */
	bool begun;          /* value and id are those of a row */
	struct buf text;     /* the value as it stands in the column */
	int64_t ms, id;      /* likewise */
	enum find_kind kind; /* of that row */
};

/* The ranges from where the walk stands, as conditions on the column: in the direction, with
 * ties first. */
enum part { TIES, VALUES, ABSENT, PARTS };

static bool part_is_due(const struct along *a, enum part part)
{
	bool absent_passed = a->begun && (a->down ? a->kind != FIND_ABSENT : false);

	switch (part) {
	case TIES:
		return a->begun;
	case VALUES:
		return !a->begun || a->down || a->kind != FIND_ABSENT;
	case ABSENT:
		return !a->column->time && !absent_passed &&
		       !(a->begun && a->kind == FIND_ABSENT);
	default:
		return false;
	}
}

/* What is not of the page, and needs nobody to judge it, is counted without its document. */
static bool is_bare(const struct search *s)
{
	return (s->exact || !s->find->where) &&
	       (s->matched < s->find->start || s->handed >= s->find->count);
}

static void part_write(const struct along *a, enum part part, bool bare, struct buf *sql)
{
	const struct column *c = a->column;
	const char *turn = a->down ? " DESC" : "", *further = a->down ? "<" : ">";
	const char *none = c->time ? "0" : "''";
	bool from = a->begun && a->kind != FIND_ABSENT;

	buf_addf(sql, "SELECT %s, %s FROM %s r INDEXED BY %s WHERE r.source = ?1",
		 bare ? "r.id, '', 0, 0, 0, ''" : FIND_COLUMNS, c->sql,
		 c->type == FIND_USERS ? "record" : "usergroup", c->index);
	buf_add_text(sql, c->type == FIND_USERS ? " AND r.deleted = 0 AND r.gone = 0"
						: " AND r.deleted = 0");
	if (part == TIES)
		buf_addf(sql, " AND %s = ?2 AND r.id %s ?3", c->sql, further);
	else if (part == ABSENT)
		buf_addf(sql, " AND %s = ''", c->sql);
	else if (from)
		buf_addf(sql, " AND %s %s ?2 AND %s > %s", c->sql, further, c->sql, none);
	else
		buf_addf(sql, " AND %s > %s", c->sql, none);
	buf_add_text(sql, " AND (");
	buf_add_str(sql, buf_str(&a->where.where));
	buf_add_text(sql, ")");
	/* with one value, an index is in the order of the numbers */
	if (part == VALUES)
		buf_addf(sql, " ORDER BY %s%s, r.id%s LIMIT ?4", c->sql, turn, turn);
	else
		buf_addf(sql, " ORDER BY r.id%s LIMIT ?4", turn);
}

static int stand_at(struct along *a, struct stmt *q, const struct find_row *row,
		    struct err *err)
{
	struct str text = db_text(q, 6);

	a->begun = true;
	a->id = row->id;
	if (a->column->time) {
		a->ms = db_int(q, 6);
		a->kind = FIND_NUMBER;
		return 0;
	}
	buf_clear(&a->text);
	buf_add_str(&a->text, text);
	a->kind = text.len > 0 ? FIND_TEXT : FIND_ABSENT;
	return buf_fault(&a->text, err, "what a list is sorted by");
}

static struct find_mark mark_of(const struct along *a)
{
	struct str text = buf_str(&a->text);

	if (text.len > FIND_MARK_BYTES)
		text.len = FIND_MARK_BYTES;
	return (struct find_mark){
		.type = a->column->type,
		.id = a->id,
		.kind = (int)a->kind,
		.number = a->kind == FIND_NUMBER ? (double)a->ms : 0,
		.text = a->kind == FIND_TEXT ? text : (struct str){ 0 },
	};
}

/* Some rows of one range. *full: there may be more of it. */
static int part_run(struct search *s, struct along *a, enum part part, bool *full,
		    struct err *err)
{
	/* the walk's own text moves on with each row, while the statement holds what it got */
	CLEANUP(free_at) char *bound = str_dup(buf_str(&a->text));
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(buf_done) struct buf sql;
	struct db_bind binds[FIRST_PARAMETER - 1 + QUERY_SQL_BINDS_MOST];
	struct find_row row;
	bool bare = is_bare(s);
	uint64_t most = bare ? CHUNK_BARE : CHUNK_ROWS, rows = 0;
	int r;

	if (bare && s->matched < s->find->start && s->find->start - s->matched < most)
		most = s->find->start - s->matched;
	buf_init(&sql, 128 << 10);
	part_write(a, part, bare, &sql);
	r = bound ? buf_fault(&sql, err, "the statement of a sorted list") : err_nomem(err);
	if (r == 0)
		r = store_read_begin(s->store, &db, err);
	if (r < 0)
		return r;
	binds[0] = DB_I(s->source);
	binds[1] = a->column->time ? DB_I(a->ms) : DB_S(str_n(bound, a->text.len));
	binds[2] = DB_I(a->id);
	binds[3] = DB_I(most);
	memcpy(binds + FIRST_PARAMETER - 1, a->where.binds, a->where.count * sizeof(binds[0]));
	r = db_query_binds(db, &q, err, buf_str(&sql), binds,
			   FIRST_PARAMETER - 1 + a->where.count);
	while (r == 0 && !s->ended && (r = db_step(q, err)) == DB_ROW) {
		find_row_take(q, a->column->type, &row);
		r = stand_at(a, q, &row, err);
		row.mark = mark_of(a);
		if (r == 0)
			r = find_look_at(s, db, &row, err);
		rows++;
	}
	*full = rows == most;
	return r;
}

/* A mark holds no more of a text than FIND_MARK_BYTES: the rest is asked of the row, if it
 * still begins like that. */
static int text_whole(struct search *s, struct along *a, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(buf_done) struct buf sql;
	int r;

	buf_init(&sql, 1024);
	buf_addf(&sql, "SELECT %s FROM %s r WHERE r.id = ?1", a->column->sql,
		 a->column->type == FIND_USERS ? "record" : "usergroup");
	r = buf_fault(&sql, err, "the statement of a mark");
	if (r == 0)
		r = store_read_begin(s->store, &db, err);
	if (r == 0)
		r = db_query(db, &q, err, sql.p, DB_I(a->id));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW || !str_starts(db_text(q, 0), buf_str(&a->text)))
		return r < 0 ? r : 0;
	buf_clear(&a->text);
	buf_add_str(&a->text, db_text(q, 0));
	return buf_fault(&a->text, err, "what a list is sorted by");
}

static int begin(struct search *s, struct along *a, struct err *err)
{
	const struct find_mark *from = s->find->from;
	int r = query_sql_make(s->find->where,
			       a->column->type == FIND_USERS ? QUERY_SQL_USER : QUERY_SQL_GROUP,
			       FIRST_PARAMETER, &a->where, err);

	s->exact = r == 0 && a->where.exact;
	if (r < 0 || !from)
		return r;
	a->begun = true;
	a->id = from->id;
	a->kind = (enum find_kind)from->kind;
	a->ms = (int64_t)from->number;
	buf_add_str(&a->text, from->text);
	r = buf_fault(&a->text, err, "what a list is sorted by");
	if (r == 0 && from->text.len == FIND_MARK_BYTES)
		r = text_whole(s, a, err);
	return r;
}

int find_index_walk(struct search *s, struct err *err)
{
	/* ascending: ties, values, absent; from the other end absent ones come before values */
	static const enum part order[2][PARTS] = { { TIES, VALUES, ABSENT },
						   { TIES, ABSENT, VALUES } };
	struct along a = { .column = column_of(s->find),
			   .down = s->find->descending != s->find->backwards };
	int r;

	buf_init(&a.text, 1 << 20);
	r = begin(s, &a, err);
	for (size_t i = 0; r == 0 && i < PARTS && !s->ended; i++) {
		enum part part = order[a.down][i];
		bool full = true, due = part_is_due(&a, part);

		while (r == 0 && due && full && !s->ended) {
			r = find_in_time(s, err);
			if (r == 0)
				r = part_run(s, &a, part, &full, err);
			/* what has the value of the last row comes before what lies beyond */
			if (r == 0 && full && part != TIES && !s->ended) {
				bool ties = true;

				while (r == 0 && ties && !s->ended)
					r = part_run(s, &a, TIES, &ties, err);
				due = part == VALUES;
			}
		}
	}
	query_sql_done(&a.where);
	buf_done(&a.text);
	return r;
}
