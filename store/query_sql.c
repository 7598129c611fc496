#include "store/query_sql.h"

#define WHERE_MAX_BYTES 65536

/* How a column keeps its attribute. */
enum keeps {
	KEEPS_FOLDED, /* str_fold() of it: for attributes whose case does not count */
	KEEPS_EXACT,  /* its text: for caseExact ones */
	KEEPS_KEY, /* a text in lower case, by which another table is asked: it may say too much
		    */
	KEEPS_MEMBER, /* likewise, an id; that table is the truth */
	KEEPS_ACTIVE, /* enum tri */
	KEEPS_TIME,   /* ms */
};

struct column {
	const char *name, *sub;
	enum keeps keeps;
	const char *sql; /* column; for KEEPS_KEY the condition up to the parameter... */
	const char *end; /* ...and after it */
	bool indexed;
};

/* clang-format off */
static const struct column user_columns[] = {
	{ "id",         NULL,           KEEPS_EXACT,  "r.key",         "", true },
	{ "userName",   NULL,           KEEPS_FOLDED, "r.user_fold",   "", true },
	{ "displayName", NULL,          KEEPS_FOLDED, "r.display_fold", "", true },
	{ "externalId", NULL,           KEEPS_EXACT,  "r.external_id", "", true },
	{ "active",     NULL,           KEEPS_ACTIVE, "r.active",      "", false },
	{ "meta",       "created",      KEEPS_TIME,   "r.created_ms",  "", false },
	{ "meta",       "lastModified", KEEPS_TIME,   "r.modified_ms", "", false },
	{ "emails",     "value",        KEEPS_KEY,
	  "r.id IN (SELECT record FROM record_address WHERE fold = ", ")", true },
	{ "groups",     "value",        KEEPS_MEMBER,
	  "r.id IN (SELECT m.member FROM usergroup u JOIN member m ON m.grp = u.id AND m.kind = 1"
	  " WHERE u.source = ?1 AND u.key = ", ")", true },
	{ NULL, NULL, KEEPS_EXACT, NULL, NULL, false },
};

static const struct column group_columns[] = {
	{ "id",          NULL,           KEEPS_EXACT,  "r.key",          "", true },
	{ "displayName", NULL,           KEEPS_FOLDED, "r.display_fold", "", true },
	{ "externalId",  NULL,           KEEPS_EXACT,  "r.external_id",  "", true },
	{ "meta",        "created",      KEEPS_TIME,   "r.created_ms",   "", false },
	{ "meta",        "lastModified", KEEPS_TIME,   "r.modified_ms",  "", false },
	{ "members",     "value",        KEEPS_MEMBER,
	  "r.id IN (SELECT m.grp FROM (SELECT 1 AS kind, id, key FROM record WHERE source = ?1"
	  " UNION ALL SELECT 2, id, key FROM usergroup WHERE source = ?1) k JOIN member m"
	  " ON m.member = k.id AND m.kind = k.kind WHERE k.key = ", ")", true },
	{ NULL, NULL, KEEPS_EXACT, NULL, NULL, false },
};
/* clang-format on */

struct maker {
	const struct column *columns;
	struct query_sql *out;
	int first;
	unsigned choices; /* OR and NOT around what is looked at: it need not hold */
	bool full;        /* some test found no room for its bind, and was left out */
	struct err *err;
};

void query_sql_done(struct query_sql *s)
{
	size_t i;

	buf_done(&s->where);
	for (i = 0; i < s->own_count; i++)
		free(s->own[i]);
	s->own_count = s->count = 0;
}

static const struct column *column_of(const struct maker *m, const struct path *path,
				      const char *parent)
{
	const struct column *c;
	struct str name = str_of(parent ? parent : path->name);
	const char *sub = parent ? path->name : path->sub;

	if (path->owner != PATH_OWN || path->urn)
		return NULL;
	for (c = m->columns; c->name; c++)
		if (str_ieq(str_of(c->name), name) && !c->sub == !sub &&
		    (!sub || str_ieq(str_of(c->sub), str_of(sub))))
			return c;
	return NULL;
}

/* Adds a parameter; false when there is no room for more: then nothing narrows here. */
static bool add_bind(struct maker *m, struct db_bind bind)
{
	struct query_sql *s = m->out;

	if (s->count == QUERY_SQL_BINDS_MOST) {
		m->full = true;
		return false;
	}
	buf_addf(&s->where, "?%d", m->first + (int)s->count);
	s->binds[s->count++] = bind;
	return true;
}

/* A bound, if it must hold. */
static void note_range(struct maker *m, const char *column, const char *op, size_t bind)
{
	struct query_sql *s = m->out;

	if (m->choices == 0 && s->ranges_count < QUERY_SQL_RANGES_MOST)
		s->ranges[s->ranges_count++] = (struct query_sql_range){ column, op, bind };
}

/* The least text above all that begin with s: its last byte one more. UTF-8 has no 0xff. */
static int above(struct maker *m, struct str s, struct str *ret)
{
	char *p = str_dup(s);

	if (!p)
		return err_nomem(m->err);
	p[s.len - 1]++;
	m->out->own[m->out->own_count++] = p;
	*ret = str_n(p, s.len);
	return 0;
}

/* Answers of narrow(). */
enum { NARROWED = 0, NOT_NARROWED = 1 };

static int narrow_text(struct maker *m, const struct column *c, enum query_op op, struct str s)
{
	struct query_sql *out = m->out;
	struct str bound = { 0 };
	int r;

	if (s.len == 0) /* all that have none stand there */
		return NOT_NARROWED;
	/* Each test brings the index its source. Written with a number of its own: what is
	 * alike in the branches of an OR is drawn out of them, and then no index answers it. */
	buf_addf(&out->where, "(r.source = coalesce(?1, %zu) AND ", out->count);
	if (op == QUERY_EQ) {
		buf_addf(&out->where, "%s = ", c->sql);
		if (!add_bind(m, DB_S(s)))
			return NOT_NARROWED;
		buf_add_char(&out->where, ')');
		out->indexed |= c->indexed;
		return NARROWED;
	}
	if (op != QUERY_SW || out->count + 2 > QUERY_SQL_BINDS_MOST)
		return NOT_NARROWED;
	r = above(m, s, &bound);
	if (r < 0)
		return r;
	buf_addf(&out->where, "%s >= ", c->sql);
	(void)add_bind(m, DB_S(s));
	buf_addf(&out->where, " AND %s < ", c->sql);
	(void)add_bind(m, DB_S(bound));
	buf_add_char(&out->where, ')');
	note_range(m, c->sql, ">=", out->count - 2);
	note_range(m, c->sql, "<", out->count - 1);
	return NARROWED;
}

static int narrow_key(struct maker *m, const struct column *c, const struct query *q)
{
	struct str s = q->folded ? str_n(q->folded, q->folded_len) : q->value.text;

	if (q->op != QUERY_EQ)
		return NOT_NARROWED;
	buf_add_text(&m->out->where, c->sql);
	if (!add_bind(m, DB_S(s)))
		return NOT_NARROWED;
	buf_add_text(&m->out->where, c->end);
	m->out->indexed |= c->indexed;
	return NARROWED;
}

static int narrow_time(struct maker *m, const struct column *c, const struct query *q)
{
	struct query_sql *out = m->out;
	static const char *const ops[] = {
		[QUERY_EQ] = "=", [QUERY_GT] = ">",  [QUERY_GE] = ">=",
		[QUERY_LT] = "<", [QUERY_LE] = "<=", [QUERY_PR] = NULL
	};

	if (q->value.type != VALUE_TIME || q->op >= COUNT_OF(ops) || !ops[q->op])
		return NOT_NARROWED;
	/* the source beside it, for the index; as in narrow_text() */
	buf_addf(&out->where, "(r.source = coalesce(?1, %zu) AND %s %s ", out->count, c->sql,
		 ops[q->op]);
	if (!add_bind(m, DB_I(q->value.integer)))
		return NOT_NARROWED;
	buf_add_char(&out->where, ')');
	note_range(m, c->sql, ops[q->op], out->count - 1);
	return NARROWED;
}

static int narrow_test(struct maker *m, const struct query *q, const char *parent)
{
	const struct column *c = column_of(m, &q->path, parent);

	if (!c)
		return NOT_NARROWED;
	if (c->keeps == KEEPS_TIME)
		return narrow_time(m, c, q);
	if (c->keeps == KEEPS_ACTIVE) {
		if (q->op != QUERY_EQ || q->value.type != VALUE_BOOL)
			return NOT_NARROWED;
		/* 0, not known, is left to the evaluator */
		buf_addf(&m->out->where, "%s IN (0, %d)", c->sql, q->value.boolean ? 2 : 1);
		return NARROWED;
	}
	if (q->value.type != VALUE_TEXT || q->op == QUERY_PR)
		return NOT_NARROWED;
	if (c->keeps == KEEPS_KEY || c->keeps == KEEPS_MEMBER)
		return narrow_key(m, c, q);
	/* a column in the other form than the attribute's would leave out too much */
	if ((c->keeps == KEEPS_FOLDED) != (q->folded != NULL))
		return NOT_NARROWED;
	return narrow_text(m, c, q->op,
			   q->folded ? str_n(q->folded, q->folded_len) : q->value.text);
}

/* Where the text and the binds stood, to take back what did not narrow after all. */
struct place {
	size_t len, count, ranges;
	bool indexed;
};

static struct place here(const struct maker *m)
{
	return (struct place){ m->out->where.len, m->out->count, m->out->ranges_count,
			       m->out->indexed };
}

static void back_to(struct maker *m, struct place p)
{
	buf_cut(&m->out->where, p.len);
	m->out->count = p.count;
	m->out->ranges_count = p.ranges;
	m->out->indexed = p.indexed;
}

static int narrow(struct maker *m, const struct query *q, const char *parent);

static int narrow_and(struct maker *m, const struct query *q, const char *parent)
{
	struct place start = here(m), middle;
	int left, right;

	buf_add_char(&m->out->where, '(');
	left = narrow(m, q->left, parent);
	if (left < 0)
		return left;
	middle = here(m);
	buf_add_text(&m->out->where, left == NARROWED ? " AND " : "");
	right = narrow(m, q->right, parent);
	if (right < 0)
		return right;
	if (left != NARROWED && right != NARROWED) {
		back_to(m, start);
		return NOT_NARROWED;
	}
	if (right != NARROWED)
		back_to(m, middle);
	buf_add_char(&m->out->where, ')');
	return NARROWED;
}

static int narrow_or(struct maker *m, const struct query *q, const char *parent)
{
	struct place start = here(m);
	bool left_indexed;
	int r;

	buf_add_char(&m->out->where, '(');
	m->out->indexed = false;
	m->choices++;
	r = narrow(m, q->left, parent);
	left_indexed = m->out->indexed;
	m->out->indexed = false;
	if (r == NARROWED) {
		buf_add_text(&m->out->where, " OR ");
		r = narrow(m, q->right, parent);
	}
	m->choices--;
	if (r != NARROWED) {
		back_to(m, start);
		return r;
	}
	buf_add_char(&m->out->where, ')');
	m->out->indexed = start.indexed || (left_indexed && m->out->indexed);
	return NARROWED;
}

/* Writes a condition that holds wherever q does, or nothing. */
static int narrow(struct maker *m, const struct query *q, const char *parent)
{
	struct place start = here(m);
	int r = NOT_NARROWED;

	switch (q->kind) {
	case QUERY_AND:
		return narrow_and(m, q, parent);
	case QUERY_OR:
		return narrow_or(m, q, parent);
	case QUERY_TEST:
		r = narrow_test(m, q, parent);
		break;
	case QUERY_PART:
		if (!parent && q->path.owner == PATH_OWN && !q->path.urn)
			r = narrow(m, q->left, q->path.name);
		break;
	case QUERY_NOT:
		break;
	}
	if (r != NARROWED)
		back_to(m, start);
	return r;
}

/* A test that its column answers alone: the column holds the attribute whole, and '' where
 * there is none, so that the text asked for must not be empty. */
static bool is_exact_test(const struct maker *m, const struct query *q, const char *parent)
{
	const struct column *c = column_of(m, &q->path, parent);

	if (!c || q->op == QUERY_NE)
		return false;
	if (c->keeps == KEEPS_TIME) /* both are whole milliseconds */
		return !parent && q->value.type == VALUE_TIME && q->op != QUERY_PR;
	if (!c->indexed || q->op != QUERY_EQ || q->value.type != VALUE_TEXT)
		return false;
	if (c->keeps == KEEPS_FOLDED)
		return q->folded && q->folded_len > 0;
	if (c->keeps == KEEPS_EXACT)
		return !q->folded && q->value.text.len > 0;
	return c->keeps == KEEPS_MEMBER;
}

/* Nothing but such tests, all of which must hold; equal: of eq alone, on texts. A part of
 * members or groups is one of its only test: `members[value eq "x"]`. */
static bool is_exact(const struct maker *m, const struct query *q, const char *parent,
		     bool *equal)
{
	switch (q->kind) {
	case QUERY_TEST:
		*equal &= q->value.type == VALUE_TEXT;
		return is_exact_test(m, q, parent);
	case QUERY_AND:
		return !parent && is_exact(m, q->left, NULL, equal) &&
		       is_exact(m, q->right, NULL, equal);
	case QUERY_PART:
		return !parent && q->path.owner == PATH_OWN && !q->path.urn &&
		       q->left->kind == QUERY_TEST && is_exact(m, q->left, q->path.name, equal);
	default:
		return false;
	}
}

int query_sql_make(const struct query *q, enum query_sql_of of, int first,
		   struct query_sql *ret, struct err *err)
{
	struct maker m = { .columns = of == QUERY_SQL_USER ? user_columns : group_columns,
			   .out = ret,
			   .first = first,
			   .err = err };
	int r;

	*ret = (struct query_sql){ 0 };
	buf_init(&ret->where, WHERE_MAX_BYTES);
	r = q ? narrow(&m, q, NULL) : NOT_NARROWED;
	if (r == NOT_NARROWED) {
		buf_add_char(&ret->where, '1');
		r = 0;
	}
	ret->equal = true;
	ret->exact = r == 0 && q && !m.full && ret->where.len > 1 &&
		     is_exact(&m, q, NULL, &ret->equal);
	ret->equal &= ret->exact;
	return r < 0 ? r : buf_fault(&ret->where, err, "the condition of a filter");
}
