#include "model/project.h"

#include "base/jx.h"
#include "base/scan.h"

enum { LIST_MAX = 4096 }; /* elements of one attribute; a longer list is unknown */

/* Whether a name in unknown covers the column: the same path, or a part of its beginning. */
static bool covered(const struct facts_column *c, const struct str *unknown, size_t count)
{
	struct str text;

	if (count == 0)
		return false;
	text = str_of(c->text);
	for (size_t i = 0; i < count; i++) {
		struct str u = unknown[i];

		if (!u.len || !str_istarts(text, u))
			continue;
		if (text.len == u.len || text.p[u.len] == '.' || text.p[u.len] == ':')
			return true;
	}
	return false;
}

/* --- one value ------------------------------------------------------------------------------
 */

/* A value as both see it, the tree and the text. */
struct scalar {
	enum {
		SCALAR_NONE, /* null, or not there */
		SCALAR_TEXT,
		SCALAR_FALSE,
		SCALAR_TRUE,
		SCALAR_NUMBER,
		SCALAR_OBJECT,
		SCALAR_OTHER, /* a list, a number that no cell holds */
	} kind;
	struct str text;
	int64_t number;
};

/* The number of a value in the column's type; *known false where it has another form. */
static int cell_of(struct facts *f, enum column_type type, const struct scalar *s,
		   uint32_t *ret, bool *known, struct err *err)
{
	int64_t ms;

	*known = true;
	switch (type) {
	case COLUMN_TEXT:
		if (s->kind == SCALAR_TEXT)
			return pool_add(&f->pool, s->text, ret, err);
		break;
	case COLUMN_BOOL:
		if (s->kind == SCALAR_TRUE || s->kind == SCALAR_FALSE)
			return facts_number_cell(f, s->kind == SCALAR_TRUE, ret, err);
		break;
	case COLUMN_INT:
		if (s->kind == SCALAR_NUMBER)
			return facts_number_cell(f, s->number, ret, err);
		break;
	case COLUMN_TIME:
		if (s->kind == SCALAR_TEXT && stamp_parse(s->text, &ms))
			return facts_number_cell(f, ms, ret, err);
		break;
	case COLUMN_DATE:
		if (s->kind == SCALAR_TEXT && stamp_parse_date(s->text, &ms))
			return facts_number_cell(f, ms, ret, err);
		/* a dateTime where a date was asked for: its civil day in UTC */
		if (s->kind == SCALAR_TEXT && stamp_parse(s->text, &ms)) {
			ms -= ((ms % STAMP_DAY_MS) + STAMP_DAY_MS) % STAMP_DAY_MS;
			return facts_number_cell(f, ms, ret, err);
		}
		break;
	}
	*known = false;
	*ret = FRAME_UNKNOWN;
	return 0;
}

/* One value, or for a complex attribute without sub whether it is there. */
static int value_of(struct facts *f, const struct facts_column *c, const struct scalar *s,
		    uint32_t *ret, bool *known, struct err *err)
{
	*known = true;
	if (s->kind == SCALAR_NONE) {
		*ret = FRAME_ABSENT;
		return 0;
	}
	if (c->type == COLUMN_BOOL && s->kind == SCALAR_OBJECT)
		return facts_number_cell(f, 1, ret, err);
	return cell_of(f, c->type, s, ret, known, err);
}

/* --- out of a tree --------------------------------------------------------------------------
 */

static struct scalar scalar_of(const json_t *j)
{
	struct scalar s = { SCALAR_OTHER, STR(""), 0 };

	if (!j || json_is_null(j)) {
		s.kind = SCALAR_NONE;
	} else if (json_is_string(j)) {
		s.kind = SCALAR_TEXT;
		s.text = str_n(json_string_value(j), json_string_length(j));
	} else if (json_is_boolean(j)) {
		s.kind = json_is_true(j) ? SCALAR_TRUE : SCALAR_FALSE;
	} else if (json_is_integer(j)) {
		s.kind = SCALAR_NUMBER;
		s.number = json_integer_value(j);
	} else if (json_is_real(j) && json_real_value(j) > -9e18 && json_real_value(j) < 9e18) {
		s.kind = SCALAR_NUMBER;
		s.number = (int64_t)json_real_value(j);
	} else if (json_is_object(j)) {
		s.kind = SCALAR_OBJECT;
	}
	return s;
}

static const json_t *sub_of(const struct facts_column *c, const json_t *j)
{
	if (!c->sub)
		return j;
	return json_is_object(j) ? jx_get_i(j, str_of(c->sub)) : NULL;
}

static int list_project(struct facts *f, uint32_t record, uint32_t column, const json_t *array,
			struct err *err)
{
	const struct facts_column *c = &f->columns.v[column];
	size_t n = json_array_size(array);
	CLEANUP(free_at) uint32_t *cells = NULL;
	bool known;
	int r;

	if (n == 0)
		return facts_set_absent(f, record, column, err);
	if (n > LIST_MAX)
		return 0;
	cells = calloc(n, sizeof(*cells));
	if (!cells)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		struct scalar s = scalar_of(sub_of(c, json_array_get(array, i)));

		r = value_of(f, c, &s, &cells[i], &known, err);
		if (r < 0)
			return r;
	}
	return facts_set_cells(f, record, column, cells, n, err);
}

static int scalar_project(struct facts *f, uint32_t record, uint32_t column,
			  const struct scalar *s, struct err *err)
{
	uint32_t cell;
	bool known;
	int r = value_of(f, &f->columns.v[column], s, &cell, &known, err);

	if (r == 0 && known)
		f->cells[column].v[record] = cell;
	return r;
}

static int column_project(struct facts *f, uint32_t record, uint32_t column, const json_t *doc,
			  struct err *err)
{
	const struct facts_column *c = &f->columns.v[column];
	const json_t *from = c->urn ? jx_get_i(doc, str_of(c->urn)) : doc;
	const json_t *top =
		json_is_object(from) && c->name ? jx_get_i(from, str_of(c->name)) : from;
	struct scalar s;

	if (!top || json_is_null(top))
		return facts_set_absent(f, record, column, err);
	if (c->multi)
		return json_is_array(top) ? list_project(f, record, column, top, err) : 0;
	s = scalar_of(sub_of(c, top));
	return scalar_project(f, record, column, &s, err);
}

static int record_fault(uint32_t record, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "facts: there is no record %u", record);
}

int facts_project(struct facts *f, uint32_t record, const json_t *doc,
		  const struct str *unknown, size_t unknown_count, struct err *err)
{
	int r = 0;

	if (record >= f->records.n)
		return record_fault(record, err);
	for (uint32_t c = 0; c < f->columns.n && r == 0; c++)
		if (!covered(&f->columns.v[c], unknown, unknown_count))
			r = column_project(f, record, c, doc, err);
	return r;
}

int facts_project_name(struct facts *f, uint32_t record, struct str name, const json_t *doc,
		       const struct str *unknown, size_t unknown_count, struct err *err)
{
	int r = 0;

	if (record >= f->records.n)
		return record_fault(record, err);
	for (uint32_t c = 0; c < f->columns.n && r == 0; c++)
		if (str_ieq(str_of(f->columns.v[c].name), name) &&
		    !covered(&f->columns.v[c], unknown, unknown_count))
			r = column_project(f, record, c, doc, err);
	return r;
}

/* --- out of the text ------------------------------------------------------------------------
 */

/* An extension of which columns ask for members. */
struct extension {
	struct str urn;
	bool seen; /* in the document under way */
};

/* A member that columns ask for, and where it stands in the document under way. */
struct wanted {
	const struct extension *of; /* NULL: of the document itself */
	struct str name;
	struct str at; /* len 0: not found yet */
};

enum { LAYOUT_MOST = 64, LAYOUT_NAME_BYTES = 100 };

/*
 * What the member at a place of the document before was. Documents of one source have the same
 * members in the same order: so a name is compared once, and with itself.
 */
struct placed {
	char name[LAYOUT_NAME_BYTES];
	uint32_t len;               /* 0: none yet */
	const struct extension *of; /* whose member; NULL: the document's */
	struct wanted *wanted;      /* NULL: no column asks for it */
	struct extension *inner;    /* NULL: no extension that columns ask for */
};

struct projection {
	struct placed layout[LAYOUT_MOST + 1];
	size_t place; /* of the next member of the document under way */
	struct wanted *members;
	size_t n;
	struct extension *extensions;
	size_t extension_count;
	uint32_t *member_of; /* by column */
	uint32_t columns;
	bool tree; /* a column asks for an extension as such: the tree knows */
};

void projection_free(struct projection *p)
{
	if (!p)
		return;
	free(p->members);
	free(p->extensions);
	free(p->member_of);
	free(p);
}

static const struct extension *extension_want(struct projection *p, const char *urn)
{
	size_t i;

	if (!urn)
		return NULL;
	for (i = 0; i < p->extension_count; i++)
		if (str_ieq(p->extensions[i].urn, str_of(urn)))
			return &p->extensions[i];
	p->extensions[i].urn = str_of(urn);
	p->extension_count++;
	return &p->extensions[i];
}

static uint32_t member_want(struct projection *p, const struct facts_column *c)
{
	const struct extension *of = extension_want(p, c->urn);
	struct str name = str_of(c->name);
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->members[i].of == of && str_ieq(p->members[i].name, name))
			return (uint32_t)i;
	p->members[i] = (struct wanted){ .of = of, .name = name };
	p->n++;
	return (uint32_t)i;
}

int projection_new(const struct facts_columns *columns, struct projection **ret,
		   struct err *err)
{
	CLEANUP(projection_free_at) struct projection *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err);
	p->columns = (uint32_t)columns->n;
	p->members = calloc(columns->n + 1, sizeof(*p->members));
	p->extensions = calloc(columns->n + 1, sizeof(*p->extensions));
	p->member_of = calloc(columns->n + 1, sizeof(*p->member_of));
	if (!p->members || !p->extensions || !p->member_of)
		return err_nomem(err);
	for (uint32_t c = 0; c < columns->n; c++) {
		p->tree = p->tree || !columns->v[c].name;
		p->member_of[c] = member_want(p, &columns->v[c]);
	}
	*ret = TAKE(p);
	return 0;
}

/* str_ieq() of names most of which differ: seen by their length and first letter. */
static inline bool same_name(struct str a, struct str b)
{
	return a.len == b.len && a.len > 0 && (a.p[0] | 32) == (b.p[0] | 32) && str_ieq(a, b);
}

/* The extension of that name that columns ask for; NULL. */
static struct extension *extension_of(struct projection *p, struct str name)
{
	for (size_t i = 0; i < p->extension_count; i++)
		if (same_name(p->extensions[i].urn, name))
			return &p->extensions[i];
	return NULL;
}

static struct wanted *wanted_of(struct projection *p, const struct extension *of,
				struct str name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->members[i].of == of && same_name(p->members[i].name, name))
			return &p->members[i];
	return NULL;
}

/* What a member of the document itself (of: NULL) or of an extension is for. */
static const struct placed *place_of(struct projection *p, const struct extension *of,
				     struct str name)
{
	struct placed *here = &p->layout[p->place];

	if (p->place < LAYOUT_MOST)
		p->place++; /* the last one is of all that come after */
	if (here->len == name.len && name.len > 0 && here->of == of &&
	    memcmp(here->name, name.p, name.len) == 0)
		return here;
	here->len = name.len <= LAYOUT_NAME_BYTES ? (uint32_t)name.len : 0;
	memcpy(here->name, name.p, here->len);
	here->of = of;
	here->wanted = wanted_of(p, of, name);
	here->inner = of ? NULL : extension_of(p, name);
	return here;
}

/* The first of a name, as the tree has it. */
static void member_found(struct wanted *w, struct str value)
{
	if (w && w->at.len == 0)
		w->at = value;
}

/* The next member, its name without quotes (the text has no escapes). */
static bool member_next(struct str *object, struct str *name, struct str *value)
{
	struct str quoted;

	if (!scan_member(object, &quoted, value))
		return false;
	*name = str_n(quoted.p + 1, quoted.len - 2);
	return true;
}

static bool extension_find(struct projection *p, const struct extension *e, struct str object)
{
	struct str name, value;

	if (!scan_is(&object, '{'))
		return false;
	if (scan_is(&object, '}'))
		return true;
	do {
		if (!member_next(&object, &name, &value))
			return false;
		member_found(place_of(p, e, name)->wanted, value);
	} while (scan_is(&object, ','));
	return scan_is(&object, '}');
}

/* One member of the document, and what stands inside where it is an extension. False: a second
 * one of its name, or no object: the tree knows. */
static bool member_take(struct projection *p, struct str name, struct str value)
{
	const struct placed *here = place_of(p, NULL, name);
	struct extension *e = here->inner;

	member_found(here->wanted, value);
	if (!e)
		return true;
	if (e->seen)
		return false;
	e->seen = true;
	return extension_find(p, e, value);
}

/* Where each member that is asked for stands. False: this document is for the tree. */
static bool members_find(struct projection *p, struct str doc)
{
	struct str name, value;

	p->place = 0;
	for (size_t i = 0; i < p->n; i++)
		p->members[i].at = STR("");
	for (size_t i = 0; i < p->extension_count; i++)
		p->extensions[i].seen = false;
	if (!scan_is(&doc, '{'))
		return false;
	if (scan_is(&doc, '}'))
		return str_trim(doc).len == 0;
	do {
		if (!member_next(&doc, &name, &value) || !member_take(p, name, value))
			return false;
	} while (scan_is(&doc, ','));
	return scan_is(&doc, '}') && str_trim(doc).len == 0;
}

/* The value that is written so. False: the tree knows what it is. */
static bool scalar_read(struct str value, enum column_type type, struct scalar *ret)
{
	struct scalar s = { SCALAR_OTHER, STR(""), 0 };
	char first = value.len ? value.p[0] : '\0';

	if (value.len == 0 || str_eq(value, STR("null"))) {
		s.kind = SCALAR_NONE;
	} else if (first == '"') {
		s.kind = SCALAR_TEXT;
		s.text = str_n(value.p + 1, value.len - 2);
	} else if (str_eq(value, STR("true"))) {
		s.kind = SCALAR_TRUE;
	} else if (str_eq(value, STR("false"))) {
		s.kind = SCALAR_FALSE;
	} else if (first == '{') {
		s.kind = SCALAR_OBJECT;
	} else if (type == COLUMN_INT && first != '[') {
		if (!str_int64(value, &s.number))
			return false;
		s.kind = SCALAR_NUMBER;
	}
	*ret = s;
	return true;
}

/* The sub-attribute that the column is about; empty where there is none. */
static bool sub_find(const struct facts_column *c, struct str value, struct str *ret)
{
	struct str name, member;

	*ret = c->sub ? STR("") : value;
	if (!c->sub || !scan_is(&value, '{') || scan_is(&value, '}'))
		return true;
	do {
		if (!member_next(&value, &name, &member))
			return false;
		if (str_ieq(name, str_of(c->sub))) {
			*ret = member;
			return true;
		}
	} while (scan_is(&value, ','));
	return scan_is(&value, '}');
}

static bool cell_read(const struct facts_column *c, struct str value, struct scalar *ret)
{
	struct str sub;

	return sub_find(c, value, &sub) && scalar_read(sub, c->type, ret);
}

/* How many elements; one more than fit is enough to know. False: for the tree. */
static bool elements_count(struct str list, size_t *ret)
{
	struct str element;
	size_t n = 0;

	*ret = 0;
	if (!scan_is(&list, '['))
		return false;
	if (scan_is(&list, ']'))
		return true;
	do {
		if (!scan_value(&list, &element))
			return false;
		n++;
	} while (n <= LIST_MAX && scan_is(&list, ','));
	*ret = n;
	return n > LIST_MAX || scan_is(&list, ']');
}

enum { TEXT_TAKEN = 0, TEXT_ODD = 1 };

static int elements_take(struct facts *f, const struct facts_column *c, struct str list,
			 uint32_t *cells, struct err *err)
{
	struct str element;
	struct scalar s;
	bool known;
	int r;

	(void)scan_is(&list, '[');
	do {
		if (!scan_value(&list, &element) || !cell_read(c, element, &s))
			return TEXT_ODD;
		r = value_of(f, c, &s, cells++, &known, err);
		if (r < 0)
			return r;
	} while (scan_is(&list, ','));
	return TEXT_TAKEN;
}

static int list_take(struct facts *f, uint32_t record, uint32_t column, struct str list,
		     struct err *err)
{
	CLEANUP(free_at) uint32_t *many = NULL;
	uint32_t few[16], *cells = few;
	size_t n;
	int r;

	if (list.p[0] != '[')
		return TEXT_TAKEN;
	if (!elements_count(list, &n))
		return TEXT_ODD;
	if (n == 0)
		return facts_set_absent(f, record, column, err);
	if (n > LIST_MAX)
		return TEXT_TAKEN;
	if (n > COUNT_OF(few))
		cells = many = calloc(n, sizeof(*many));
	if (!cells)
		return err_nomem(err);
	r = elements_take(f, &f->columns.v[column], list, cells, err);
	return r == TEXT_TAKEN ? facts_set_cells(f, record, column, cells, n, err) : r;
}

static int column_take(struct facts *f, uint32_t record, uint32_t column, struct str value,
		       struct err *err)
{
	struct scalar s;

	if (value.len == 0 || str_eq(value, STR("null")))
		return facts_set_absent(f, record, column, err);
	if (f->columns.v[column].multi)
		return list_take(f, record, column, value, err);
	if (!cell_read(&f->columns.v[column], value, &s))
		return TEXT_ODD;
	return scalar_project(f, record, column, &s, err);
}

static int by_tree(struct facts *f, uint32_t record, struct str doc, const struct str *unknown,
		   size_t unknown_count, struct err *err)
{
	CLEANUP(json_decref_at) json_t *tree = NULL;
	int r = jx_parse(doc, JX_LENIENT, &tree, err);

	for (uint32_t c = 0; c < f->columns.n; c++)
		f->cells[c].v[record] = FRAME_UNKNOWN;
	return r < 0 ? r : facts_project(f, record, tree, unknown, unknown_count, err);
}

int facts_project_text(struct facts *f, struct projection *p, uint32_t record, struct str doc,
		       const struct str *unknown, size_t unknown_count, struct err *err)
{
	int r = TEXT_TAKEN;

	if (record >= f->records.n)
		return record_fault(record, err);
	if (p->columns != f->columns.n)
		return err_set(err, ERR_INTERNAL, "facts: a projection of other columns");
	if (p->tree || memchr(doc.p, '\\', doc.len) || !members_find(p, doc))
		return by_tree(f, record, doc, unknown, unknown_count, err);
	for (uint32_t c = 0; c < f->columns.n && r == TEXT_TAKEN; c++)
		if (!covered(&f->columns.v[c], unknown, unknown_count))
			r = column_take(f, record, c, p->members[p->member_of[c]].at, err);
	return r == TEXT_ODD ? by_tree(f, record, doc, unknown, unknown_count, err) : r;
}
