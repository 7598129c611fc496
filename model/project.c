#include "model/project.h"

#include "base/jx.h"

enum { LIST_MAX = 4096 }; /* elements of one attribute; a longer list is unknown */

/* Whether a name in unknown covers the column: the same path, or a part of its beginning. */
static bool covered(const struct facts_column *c, const struct str *unknown, size_t count)
{
	struct str text = str_of(c->text);

	for (size_t i = 0; i < count; i++) {
		struct str u = unknown[i];

		if (!u.len || !str_istarts(text, u))
			continue;
		if (text.len == u.len || text.p[u.len] == '.' || text.p[u.len] == ':')
			return true;
	}
	return false;
}

/* The number of a JSON value of the column's type; *known false where it has another form. */
static int cell_of(struct facts *f, enum column_type type, const json_t *j, uint32_t *ret,
		   bool *known, struct err *err)
{
	struct str text = str_n(json_string_value(j), json_string_length(j));
	int64_t ms;

	*known = true;
	switch (type) {
	case COLUMN_TEXT:
		if (json_is_string(j))
			return pool_add(&f->pool, text, ret, err);
		break;
	case COLUMN_BOOL:
		if (json_is_boolean(j))
			return facts_number_cell(f, json_is_true(j), ret, err);
		break;
	case COLUMN_INT:
		if (json_is_integer(j))
			return facts_number_cell(f, json_integer_value(j), ret, err);
		if (json_is_real(j) && json_real_value(j) > -9e18 && json_real_value(j) < 9e18)
			return facts_number_cell(f, (int64_t)json_real_value(j), ret, err);
		break;
	case COLUMN_TIME:
		if (json_is_string(j) && stamp_parse(text, &ms))
			return facts_number_cell(f, ms, ret, err);
		break;
	case COLUMN_DATE:
		if (json_is_string(j) && stamp_parse_date(text, &ms))
			return facts_number_cell(f, ms, ret, err);
		/* a dateTime where a date was asked for: its civil day in UTC */
		if (json_is_string(j) && stamp_parse(text, &ms)) {
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
static int value_of(struct facts *f, const struct facts_column *c, const json_t *j,
		    uint32_t *ret, bool *known, struct err *err)
{
	*known = true;
	if (!j || json_is_null(j)) {
		*ret = FRAME_ABSENT;
		return 0;
	}
	if (c->type == COLUMN_BOOL && json_is_object(j))
		return facts_number_cell(f, 1, ret, err);
	return cell_of(f, c->type, j, ret, known, err);
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
		r = value_of(f, c, sub_of(c, json_array_get(array, i)), &cells[i], &known, err);
		if (r < 0)
			return r;
	}
	return facts_set_cells(f, record, column, cells, n, err);
}

static int column_project(struct facts *f, uint32_t record, uint32_t column, const json_t *doc,
			  struct err *err)
{
	const struct facts_column *c = &f->columns.v[column];
	const json_t *from = c->urn ? jx_get_i(doc, str_of(c->urn)) : doc;
	const json_t *top =
		json_is_object(from) && c->name ? jx_get_i(from, str_of(c->name)) : from;
	uint32_t cell;
	bool known;
	int r;

	if (!top || json_is_null(top))
		return facts_set_absent(f, record, column, err);
	if (c->multi)
		return json_is_array(top) ? list_project(f, record, column, top, err) : 0;
	r = value_of(f, c, sub_of(c, top), &cell, &known, err);
	if (r < 0 || !known)
		return r;
	f->cells[column].v[record] = cell;
	return 0;
}

int facts_project(struct facts *f, uint32_t record, const json_t *doc,
		  const struct str *unknown, size_t unknown_count, struct err *err)
{
	int r = 0;

	if (record >= f->records.n)
		return err_set(err, ERR_INTERNAL, "facts: there is no record %u", record);
	for (uint32_t c = 0; c < f->columns.n && r == 0; c++)
		if (!covered(&f->columns.v[c], unknown, unknown_count))
			r = column_project(f, record, c, doc, err);
	return r;
}
