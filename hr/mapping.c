#include "hr/mapping.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jx.h"
#include "base/rewrite.h"
#include "hr/date.h"
#include "model/maptext.h"
#include "model/schema.h"

#define ROW_TEXT_MAX_BYTES (2 * HR_ROW_MAX_BYTES)
#define NONE SIZE_MAX

/* A column that the settings name. */
struct known {
	char *name;
	bool needed; /* by key or map, and not optional: the file must have it */
	bool mapped; /* the map reads it */
	bool dated;
	struct hr_dates dates;
	struct rewrite *expect;
	size_t cell; /* in the file's header; NONE: it is not there */
};
VEC(knowns, struct known);
VEC(maptexts, struct maptext);
VEC(map_rows, struct map_row);

struct hr_mapping {
	const struct hr_options *o;
	const struct zone *zone;
	struct map *map;
	struct maptexts texts; /* of `map:`, in its order */
	struct knowns known;
	size_t width;              /* values of a row; 0: entries of LDIF */
	size_t of[HR_COLUMNS_MAX]; /* cell to known, or NONE */
	/* the row that is being mapped */
	struct hr_cell *cells;
	size_t n;
	struct str cooked[HR_COLUMNS_MAX];
	struct buf text; /* of dates as they are kept */
	struct str values[HR_COLUMNS_MAX];
};

static struct known *find(const struct hr_mapping *m, struct str name)
{
	for (size_t i = 0; i < m->known.n; i++)
		if (str_ieq(str_of(m->known.v[i].name), name))
			return &m->known.v[i];
	return NULL;
}

static int known_add(struct hr_mapping *m, struct str name, struct known **ret, struct err *err)
{
	struct known k = { .cell = NONE };

	*ret = find(m, name);
	if (*ret)
		return 0;
	k.name = str_dup(name);
	if (!k.name || knowns_add(&m->known, k) < 0) {
		free(k.name);
		return err_nomem(err);
	}
	*ret = &m->known.v[m->known.n - 1];
	return 0;
}

static bool listed(const struct conf_list *list, struct str text)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_ieq(str_of(list->v[i]), text))
			return true;
	return false;
}

/* Whether the path is a day: then its columns are read as days, declared or not. */
static bool is_day(const char *to)
{
	static const char *const days[] = { "startDate", "lastWorkingDay", "terminationDate",
					    "leave.from", "leave.until" };

	for (size_t i = 0; i < COUNT_OF(days); i++) {
		size_t len = strlen(to), tail = strlen(days[i]);

		if (len > tail && str_ieq(str_of(to + len - tail), str_of(days[i])))
			return true;
	}
	return false;
}

static int columns_of_row(struct hr_mapping *m, const struct map_row *row, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < MAP_FROM_MAX && row->from[i]; i++) {
		struct known *k;

		r = known_add(m, str_of(row->from[i]), &k, err);
		if (r < 0)
			return r;
		k->mapped = true;
		k->needed = !listed(&m->o->optional, str_of(row->from[i]));
		/* rewritten texts are whatever the pattern makes of them */
		if (!k->dated && is_day(row->to) && !row->pattern && row->how == MAP_FIRST) {
			k->dated = true;
			r = hr_dates_parse(STR("yyyy-mm-dd"), &k->dates, err);
		}
	}
	return r;
}

static int compile_map(struct hr_mapping *m, struct map_rows *rows, struct err *err)
{
	bool employment = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->o->map.n; i++) {
		const struct conf_pair *pair = &m->o->map.v[i];
		struct maptext text;

		r = maptext_parse(pair->key, str_of(pair->value), hr_column_ok, &text, err);
		if (r < 0)
			return err_context(err, r, "%s", pair->key);
		if (maptexts_add(&m->texts, text) < 0) {
			maptext_done(&text);
			return err_nomem(err);
		}
		employment |= str_istarts(str_of(pair->key), STR("employment."));
		if (!text.nothing && map_rows_add(rows, text.row) < 0)
			return err_nomem(err);
		if (!text.nothing)
			r = columns_of_row(m, &text.row, err);
	}
	/* who has no zone of their own lives in that of the export */
	if (r == 0 && employment && m->o->time_zone &&
	    map_rows_add(rows, (struct map_row){ .to = "employment.timeZone",
						 .constant = m->o->time_zone }) < 0)
		return err_nomem(err);
	return r < 0 ? r : map_new(&m->map, rows->v, rows->n, err);
}

static int compile_dates(struct hr_mapping *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->o->dates.n; i++) {
		const struct conf_pair *pair = &m->o->dates.v[i];
		struct known *k;

		r = known_add(m, str_of(pair->key), &k, err);
		if (r < 0)
			return r;
		k->dated = true;
		r = hr_dates_parse(str_of(pair->value), &k->dates, err);
		if (r < 0)
			return err_context(err, r, "%s", pair->key);
	}
	return r;
}

static int compile_expect(struct hr_mapping *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->o->expect.n; i++) {
		const struct conf_pair *pair = &m->o->expect.v[i];
		struct known *k;

		r = known_add(m, str_of(pair->key), &k, err);
		if (r < 0)
			return r;
		rewrite_free(TAKE(k->expect));
		r = rewrite_new(&k->expect, pair->value, NULL, err);
		if (r < 0)
			return err_context(err, r, "%s", pair->key);
		k->needed |= !listed(&m->o->optional, str_of(pair->key));
	}
	return r;
}

int hr_mapping_new(const struct hr_options *o, struct hr_mapping **ret, struct err *err)
{
	CLEANUP(hr_mapping_free_at) struct hr_mapping *m = calloc(1, sizeof(*m));
	CLEANUP(map_rows_done) struct map_rows rows = { 0 };
	struct known *key;
	int r;

	if (!m)
		return err_nomem(err);
	m->o = o;
	buf_init(&m->text, ROW_TEXT_MAX_BYTES);
	r = zone_get(str_of(o->zone ? o->zone : "UTC"), &m->zone, err);
	if (r == 0)
		r = known_add(m, str_of(o->key), &key, err);
	if (r == 0)
		key->needed = true;
	if (r == 0)
		r = compile_dates(m, err);
	if (r == 0)
		r = compile_map(m, &rows, err);
	if (r == 0)
		r = compile_expect(m, err);
	if (r < 0)
		return r;
	find(m, str_of(o->key))->needed = true;
	*ret = TAKE(m);
	return 0;
}

void hr_mapping_free(struct hr_mapping *m)
{
	if (!m)
		return;
	map_free(m->map);
	for (size_t i = 0; i < m->texts.n; i++)
		maptext_done(&m->texts.v[i]);
	maptexts_done(&m->texts);
	for (size_t i = 0; i < m->known.n; i++) {
		free(m->known.v[i].name);
		rewrite_free(m->known.v[i].expect);
	}
	knowns_done(&m->known);
	buf_done(&m->text);
	free(m);
}

/* --- the header ----------------------------------------------------------------------------
 */

/* How far two names are apart when blanks, signs and case do not count. */
static size_t distance(struct str a, struct str b)
{
	size_t row[65], la = 0, lb = 0;
	char x[64], y[64];

	for (size_t i = 0; i < a.len && la < 64; i++)
		if (isalnum((unsigned char)a.p[i]) || (a.p[i] & 0x80))
			x[la++] = (char)tolower((unsigned char)a.p[i]);
	for (size_t i = 0; i < b.len && lb < 64; i++)
		if (isalnum((unsigned char)b.p[i]) || (b.p[i] & 0x80))
			y[lb++] = (char)tolower((unsigned char)b.p[i]);
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t up = row[j], best = diagonal + (x[i - 1] != y[j - 1]);

			best = up + 1 < best ? up + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = up;
		}
	}
	return row[lb];
}

/* A column that is there and that nobody named, which may be the missing one renamed. */
static const struct hr_cell *nearest(const struct hr_mapping *m, const struct hr_cell *cells,
				     size_t n, struct str name)
{
	const struct hr_cell *best = NULL;
	size_t least = name.len / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(str_trim(cells[i].text), name);

		if (d < least && !find(m, str_trim(cells[i].text))) {
			best = &cells[i];
			least = d;
		}
	}
	return best;
}

static int missing(const struct hr_mapping *m, const struct hr_cell *cells, size_t n,
		   const struct known *k, struct err *err)
{
	const struct hr_cell *near = nearest(m, cells, n, str_of(k->name));
	struct str renamed = near ? str_trim(near->text) : (struct str){ 0 };
	const struct hr_cell *at = near ? near : &cells[0];

	if (near)
		return err_set(err, ERR_INVALID_VALUE,
			       "line %llu, column %llu: the column \"%.100s\" is missing, and "
			       "\"%.*s\" is there, which nothing names: was it renamed?",
			       (unsigned long long)at->line, (unsigned long long)at->column,
			       k->name, (int)(renamed.len < 100 ? renamed.len : 100),
			       renamed.p);
	return err_set(
		err, ERR_INVALID_VALUE,
		"line %llu, column %llu: the column \"%.100s\" is missing among the %zu of "
		"the header",
		(unsigned long long)at->line, (unsigned long long)at->column, k->name, n);
}

static size_t cell_of(const struct hr_cell *cells, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(str_trim(cells[i].text), str_of(name)))
			return i;
	return NONE;
}

size_t hr_mapping_fits(const struct hr_mapping *m, const struct hr_cell *cells, size_t n,
		       bool *all)
{
	size_t fits = 0;

	*all = true;
	for (size_t i = 0; i < m->known.n; i++) {
		bool there = cell_of(cells, n, m->known.v[i].name) != NONE;

		fits += there && m->known.v[i].needed;
		*all &= there || !m->known.v[i].needed;
	}
	return fits;
}

int hr_mapping_header(struct hr_mapping *m, const struct hr_cell *cells, size_t n,
		      struct err *err)
{
	m->width = n;
	for (size_t i = 0; i < n; i++)
		m->of[i] = NONE;
	for (size_t i = 0; i < m->known.n; i++) {
		struct known *k = &m->known.v[i];
		size_t second;

		k->cell = cell_of(cells, n, k->name);
		if (k->cell == NONE && k->needed)
			return missing(m, cells, n, k, err);
		if (k->cell == NONE)
			continue;
		m->of[k->cell] = i;
		second = cell_of(cells + k->cell + 1, n - k->cell - 1, k->name);
		if (second != NONE)
			return err_set(
				err, ERR_INVALID_VALUE,
				"line %llu, column %llu: the column \"%.100s\" stands there "
				"twice",
				(unsigned long long)cells[k->cell + 1 + second].line,
				(unsigned long long)cells[k->cell + 1 + second].column,
				k->name);
	}
	return 0;
}

struct str hr_mapping_name(const struct hr_mapping *m, size_t i)
{
	return i < m->width && m->of[i] != NONE ? str_of(m->known.v[m->of[i]].name)
						: (struct str){ 0 };
}

/* --- a row ---------------------------------------------------------------------------------
 */

static void bad(struct hr_person *p, const struct hr_cell *at, const char *column,
		const char *why)
{
	if (!p->bad[0])
		snprintf(p->bad, sizeof(p->bad), "line %llu, column %llu (%.100s): %.200s",
			 (unsigned long long)at->line, (unsigned long long)at->column, column,
			 why);
}

/* A value as the map is to see it; unknown values get no pointer. */
static int cook(struct hr_mapping *m, size_t i, struct hr_person *p, struct err *err)
{
	const struct known *k = m->of[i] == NONE ? NULL : &m->known.v[m->of[i]];
	struct str text = str_trim(m->cells[i].text);
	int64_t day;
	char date[STAMP_TEXT_BYTES];
	int r;

	if (listed(&m->o->empty, text))
		text = STR("");
	m->cooked[i] = text;
	if (!k)
		return 0;
	if (k->expect) {
		CLEANUP(buf_done) struct buf none;

		buf_init(&none, 64);
		r = rewrite_apply(k->expect, text, &none, err);
		if (r < 0)
			return r;
		if (r == REWRITE_NO_MATCH)
			bad(p, &m->cells[i], k->name,
			    "the text does not match what is expected");
	}
	if (!k->dated || !text.len)
		return 0;
	if (!hr_dates_read(&k->dates, m->zone, text, &day)) {
		bad(p, &m->cells[i], k->name, "no day of the declared form");
		m->cooked[i] = (struct str){ 0 };
		return 0;
	}
	stamp_date_text(day, date);
	m->cooked[i].len = strlen(date); /* where it stands is known when the text has stopped
					    growing */
	m->cooked[i].p = NULL;
	buf_add_text(&m->text, date);
	return buf_fault(&m->text, err, "a row");
}

static int cook_all(struct hr_mapping *m, struct hr_person *p, struct err *err)
{
	size_t at = 0;
	int r = 0;

	buf_clear(&m->text);
	for (size_t i = 0; r == 0 && i < m->n; i++)
		r = cook(m, i, p, err);
	for (size_t i = 0; r == 0 && i < m->n; i++)
		if (!m->cooked[i].p && m->cooked[i].len) {
			m->cooked[i].p = m->text.p + at;
			at += m->cooked[i].len;
		}
	return r;
}

static enum value_state get(void *ctx, struct str name, const struct str **ret, size_t *n)
{
	struct hr_mapping *m = ctx;
	const struct known *k = find(m, name);

	*n = 0;
	if (m->width && (!k || k->cell == NONE))
		return VALUE_UNKNOWN; /* an optional column that this file has not */
	for (size_t i = 0; i < m->n; i++) {
		if (m->of[i] == NONE || &m->known.v[m->of[i]] != k)
			continue;
		if (!m->cooked[i].p)
			return VALUE_UNKNOWN;
		if (m->cooked[i].len)
			m->values[(*n)++] = m->cooked[i];
	}
	*ret = m->values;
	return *n ? VALUE_PRESENT : VALUE_ABSENT;
}

static const struct hr_cell *cell_named(const struct hr_mapping *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (str_ieq(m->cells[i].name, str_of(name)))
			return &m->cells[i];
	return &m->cells[0];
}

/* A text that a list of values does not have, where the list has no `*`: not guessed either. */
static void check_words(struct hr_mapping *m, struct hr_person *p)
{
	for (size_t i = 0; i < m->texts.n; i++) {
		const struct map_row *row = &m->texts.v[i].row;
		const struct str *values;
		const struct map_word *w = row->words;
		size_t n;

		if (!w || row->otherwise || row->pattern || row->how != MAP_FIRST)
			continue;
		for (size_t k = 0; k < MAP_FROM_MAX && row->from[k]; k++) {
			if (get(m, str_of(row->from[k]), &values, &n) != VALUE_PRESENT)
				continue;
			while (w->from && !str_ieq(str_of(w->from), values[0]))
				w++;
			if (!w->from)
				bad(p, cell_named(m, row->from[k]), row->from[k],
				    "a text that the map does not list");
			break;
		}
	}
}

/* The column that a refused path rests on: the last name of both is the same. */
static void bad_path(const struct hr_mapping *m, struct hr_person *p, const char *sentence)
{
	struct str path, why;
	const char *column = "";

	(void)str_cut(str_of(sentence), ' ', &path, &why);
	for (size_t i = 0; i < m->texts.n; i++) {
		const struct map_row *row = &m->texts.v[i].row;
		const char *dot = row->to ? strrchr(row->to, '.') : NULL;
		struct str last = str_of(dot ? dot + 1 : row->to);

		if (row->from[0] && path.len > last.len &&
		    str_ieq(str_n(path.p + path.len - 1 - last.len, last.len), last))
			column = row->from[0];
	}
	if (!p->bad[0])
		bad(p, cell_named(m, column), column, sentence);
}

static int64_t day_of(const json_t *employment, const char *name, int64_t otherwise)
{
	const char *text = json_string_value(json_object_get(employment, name));
	int64_t ms;

	return text && stamp_parse_date(str_of(text), &ms) ? ms / STAMP_DAY_MS : otherwise;
}

static void engagement(const struct hr_mapping *m, struct hr_person *p)
{
	const json_t *e = json_object_get(p->map.doc, SCHEMA_EMPLOYMENT);
	const json_t *active = json_object_get(p->map.doc, "active");

	p->start_day = day_of(e, "startDate", INT32_MIN);
	p->end_day = day_of(e, "terminationDate", INT32_MAX);
	p->end_day = day_of(e, "lastWorkingDay", p->end_day);
	if (m->o->kind == HR_ENDED_ONLY && p->end_day == INT32_MAX && !json_is_false(active))
		bad(p, &m->cells[0], m->o->key,
		    "the export holds who left, and this row says no end");
	/* among several rows one that is over without a date is the weakest */
	if (p->end_day == INT32_MAX && json_is_false(active))
		p->end_day = INT32_MIN;
}

static int take_key(struct hr_mapping *m, struct hr_person *p, struct err *err)
{
	const struct hr_cell *at = cell_named(m, m->o->key);
	struct str key = str_trim(at->text);

	p->line = at->line;
	p->column = at->column;
	if (!str_ieq(at->name, str_of(m->o->key)) || key.len == 0 || listed(&m->o->empty, key))
		return err_set(err, ERR_INVALID_VALUE,
			       "line %llu, column %llu: the row has no %.100s, which names the "
			       "person",
			       (unsigned long long)p->line, (unsigned long long)p->column,
			       m->o->key);
	if (key.len > HR_KEY_MAX_BYTES || !str_utf8(key, NULL))
		return err_set(err, ERR_INVALID_VALUE,
			       "line %llu, column %llu: %.100s is no text of at most %d bytes",
			       (unsigned long long)p->line, (unsigned long long)p->column,
			       m->o->key, HR_KEY_MAX_BYTES);
	memcpy(p->key, key.p, key.len);
	p->key[key.len] = '\0';
	return 0;
}

static int check_width(struct hr_mapping *m, struct err *err)
{
	const struct hr_cell *at;

	if (!m->width || m->n == m->width)
		return 0;
	at = &m->cells[m->n > m->width ? m->width : m->n - 1];
	return err_set(
		err, ERR_INVALID_VALUE,
		"line %llu, column %llu: the row has %zu values where the header has %zu: "
		"it was cut, or a delimiter stands in a value without quotes",
		(unsigned long long)at->line, (unsigned long long)at->column, m->n, m->width);
}

int hr_mapping_apply(struct hr_mapping *m, struct hr_cell *cells, size_t n,
		     struct hr_person *ret, struct err *err)
{
	const struct map_source from = { get, m };
	int r;

	memset(ret, 0, offsetof(struct hr_person, bad) + 1);
	m->cells = cells;
	m->n = n;
	for (size_t i = 0; !m->width && i < n; i++) {
		const struct known *k = find(m, cells[i].name);

		m->of[i] = k ? (size_t)(k - m->known.v) : NONE;
	}
	r = check_width(m, err);
	if (r == 0)
		r = take_key(m, ret, err);
	if (r == 0)
		r = cook_all(m, ret, err);
	if (r < 0)
		return r;
	check_words(m, ret);
	r = map_apply(m->map, &from, &ret->map, err);
	if (r < 0)
		return err_context(err, r, "line %llu", (unsigned long long)ret->line);
	for (size_t i = 0; i < ret->map.bad_n; i++)
		bad_path(m, ret, ret->map.bad[i]);
	engagement(m, ret);
	return 0;
}

void hr_person_done(struct hr_person *p)
{
	map_result_done(&p->map);
}

struct str hr_mapping_cooked(const struct hr_mapping *m, size_t cell)
{
	return cell < m->n ? m->cooked[cell] : (struct str){ 0 };
}
