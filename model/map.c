#include "model/map.h"

#include "base/enc.h"
#include "base/jx.h"
#include "base/rewrite.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "model/filter.h"
#include "model/mapform.h"
#include "model/schema.h"
#include "model/validate.h"

#define TEXT_MAX_BYTES (64 * 1024) /* of one value, joined and rewritten */
#define EACH_MAX 1000              /* values of one MAP_EACH */
#define PATH_TEXT_BYTES 1024
#define DOC_MAX_BYTES (4U << 20)

/* A compiled row. */
struct row {
	struct map_row given; /* its texts are copies, freed by row_done() */
	struct filter_target to;
	const struct schema_attr *attr; /* what a value is converted to: the target or its
					   .value */
	struct form_at at;              /* where its values stand in a document */
	struct rewrite *rewrite;
	size_t target; /* rows with the same `to` have the same number */
	char *path;    /* how it is named in unknown */
};

VEC(row_vec, struct row);
VEC(name_vec, char *);

struct map {
	struct row_vec rows;
	struct form form;
	size_t targets;
	struct name_vec names; /* ended by NULL */
};

/* --- compiling ------------------------------------------------------------------------------
 */

static void words_free(struct map_word *words)
{
	for (struct map_word *w = words; w && w->from; w++) {
		free((char *)w->from);
		free((char *)w->to);
	}
	free(words);
}

static void row_done(struct row *row)
{
	free((char *)row->given.to);
	for (size_t i = 0; i < MAP_FROM_MAX; i++)
		free((char *)row->given.from[i]);
	free((char *)row->given.constant);
	free((char *)row->given.glue);
	free((char *)row->given.otherwise);
	words_free((struct map_word *)row->given.words);
	filter_target_done(&row->to);
	form_at_done(&row->at);
	rewrite_free(row->rewrite);
	free(row->path);
	*row = (struct row){ 0 };
}

static int copy(const char **to, const char *text, struct err *err)
{
	*to = text ? str_dup(str_of(text)) : NULL;
	return text && !*to ? err_nomem(err) : 0;
}

static int words_copy(const struct map_word **ret, const struct map_word *words,
		      struct err *err)
{
	struct map_word *out;
	size_t n = 0;
	int r = 0;

	if (!words)
		return 0;
	while (words[n].from)
		n++;
	out = calloc(n + 1, sizeof(*out));
	if (!out)
		return err_nomem(err);
	*ret = out;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = copy(&out[i].from, words[i].from, err);
		if (r == 0)
			r = copy(&out[i].to, words[i].to, err);
	}
	return r;
}

static int row_copy(struct row *row, const struct map_row *given, struct err *err)
{
	struct map_row *to = &row->given;
	int r = 0;

	*to = (struct map_row){ .how = given->how, .keep_unmatched = given->keep_unmatched };
	for (size_t i = 0; i < MAP_FROM_MAX && given->from[i] && r == 0; i++)
		r = copy(&to->from[i], given->from[i], err);
	if (r == 0)
		r = copy(&to->to, given->to, err);
	if (r == 0)
		r = copy(&to->constant, given->constant, err);
	if (r == 0)
		r = copy(&to->glue, given->glue ? given->glue : " ", err);
	if (r == 0)
		r = copy(&to->otherwise, given->otherwise, err);
	if (r == 0)
		r = words_copy(&to->words, given->words, err);
	return r;
}

/* Whether the path is one that a source may write: of User or its extensions, not ours. */
static bool writable(const struct filter_target *to)
{
	const struct path *p = &to->path;

	if (p->owner != PATH_OWN || !p->name || p->top->mutability == ATTR_READ_ONLY ||
	    p->top->mutability == ATTR_WRITE_ONLY || p->attr->mutability == ATTR_READ_ONLY)
		return false;
	return p->urn || schema_attr(schema_user.attrs, str_of(p->name)) == p->top ||
	       schema_attr(schema_common, str_of(p->name)) == p->top;
}

/* Which row of the schema a value is converted to. */
static int target_attr(struct row *row, struct err *err)
{
	const struct path *p = &row->to.path;
	const struct schema_attr *attr = row->to.sub_attr ? row->to.sub_attr : p->attr;

	if (attr->type == ATTR_COMPLEX)
		attr = schema_attr(attr->sub, STR("value"));
	if (!attr)
		return err_set(err, ERR_CONFIG, "%s has parts: name one of them", p->name);
	if (p->top->multi && p->sub && strcmp(p->sub, "value") != 0)
		return err_set(err, ERR_CONFIG,
			       "%s is one of many: name it by a bracket, as in "
			       "emails[type eq \"work\"]",
			       p->name);
	if (row->to.where && !p->top->multi)
		return err_set(err, ERR_CONFIG, "%s is a single value and takes no bracket",
			       p->name);
	if (row->given.how == MAP_EACH && !p->top->multi)
		return err_set(err, ERR_CONFIG, "%s is a single value: it cannot take each",
			       p->name);
	row->attr = attr;
	return 0;
}

static int target_compile(struct map *m, struct row *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *example = NULL;
	const struct map_row *given = &row->given;
	int r = filter_target_parse(str_of(given->to), PATH_POLICY_PERSON, &row->to, err);

	if (r < 0)
		return r == -ERR_NOMEM ? r : err_set(err, ERR_CONFIG, "%s", err->text);
	if (!writable(&row->to))
		return err_set(err, ERR_CONFIG, "a source may not write this path");
	r = target_attr(row, err);
	if (r == 0 && row->to.where)
		r = query_example(row->to.where, &example, err);
	if (r == QUERY_NO_EXAMPLE)
		return err_set(err, ERR_CONFIG,
			       "the bracket must be eq, or several joined by and");
	return r < 0 ? r
		     : form_add(&m->form, &row->to, example, given->how == MAP_EACH, &row->at,
				err);
}

/* How the target is named when it is unknown: a multi-valued attribute as a whole. */
static int path_name(struct row *row, struct err *err)
{
	struct path whole = row->to.path;
	CLEANUP(buf_done) struct buf text;

	if (row->to.path.top->multi)
		whole.sub = NULL;
	buf_init(&text, PATH_TEXT_BYTES);
	path_text(&whole, &text);
	row->path = buf_take(&text, NULL);
	return row->path ? 0 : err_nomem(err);
}

static int row_compile(struct map *m, struct row *row, const struct map_row *given,
		       struct err *err)
{
	int r;

	if (!given->to || (!given->from[0] && !given->constant))
		return err_set(err, ERR_CONFIG, "a row needs to, and from or constant");
	r = row_copy(row, given, err);
	if (r == 0)
		r = target_compile(m, row, err);
	if (r == 0)
		r = path_name(row, err);
	if (r == 0 && given->pattern)
		r = rewrite_new(&row->rewrite, given->pattern, given->with ? given->with : "$0",
				err);
	return r;
}

/* Gives the row the number of an earlier one with the same target, or a new one. */
static void number_target(struct map *m, struct row *row)
{
	for (size_t i = 0; i < m->rows.n; i++) {
		if (!str_ieq(str_of(m->rows.v[i].given.to), str_of(row->given.to)))
			continue;
		row->target = m->rows.v[i].target;
		return;
	}
	row->target = m->targets++;
}

static int names_add(struct map *m, const struct row *row, struct err *err)
{
	for (size_t i = 0; i < MAP_FROM_MAX && row->given.from[i]; i++) {
		struct str name = str_of(row->given.from[i]);
		bool known = false;
		char *own;

		for (size_t k = 0; k < m->names.n && !known; k++)
			known = str_ieq(str_of(m->names.v[k]), name);
		if (known)
			continue;
		own = str_dup(name);
		if (!own || name_vec_add(&m->names, own) < 0) {
			free(own);
			return err_nomem(err);
		}
	}
	return 0;
}

static int row_add(struct map *m, const struct map_row *given, struct err *err)
{
	CLEANUP(row_done) struct row row = { 0 };
	int r = row_compile(m, &row, given, err);

	if (r < 0)
		return r;
	number_target(m, &row);
	r = names_add(m, &row, err);
	if (r < 0)
		return r;
	if (row_vec_add(&m->rows, row) < 0)
		return err_nomem(err);
	row = (struct row){ 0 };
	return 0;
}

int map_new(struct map **ret, const struct map_row *rows, size_t n, struct err *err)
{
	CLEANUP(map_free_at) struct map *m = calloc(1, sizeof(*m));
	struct err why;
	int r;

	if (!m)
		return err_nomem(err);
	if (n > MAP_ROWS_MAX)
		return err_set(err, ERR_CONFIG, "map: more than %d rows", MAP_ROWS_MAX);
	r = form_new(&m->form, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = row_add(m, &rows[i], &why);
		if (r < 0)
			return err_set(err, -r, "map row %zu (%s): %s", i + 1,
				       rows[i].to ? rows[i].to : "no target", why.text);
	}
	if (name_vec_add(&m->names, NULL) < 0)
		return err_nomem(err);
	*ret = TAKE(m);
	return 0;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->rows.n; i++)
		row_done(&m->rows.v[i]);
	row_vec_done(&m->rows);
	form_done(&m->form);
	for (size_t i = 0; i < m->names.n; i++)
		free(m->names.v[i]);
	name_vec_done(&m->names);
	free(m);
}

const char *const *map_names(const struct map *m)
{
	return (const char *const *)m->names.v;
}

bool map_writes(const struct map *m, const char *path)
{
	for (size_t i = 0; i < m->rows.n; i++)
		if (str_ieq(str_of(m->rows.v[i].path), str_of(path)))
			return true;
	return false;
}

const char *const map_outcome_words[MAP_OUTCOME_COUNT] = {
	[MAP_TOOK] = "taken",      [MAP_NOTHING] = "nothing", [MAP_UNKNOWN] = "unknown",
	[MAP_REFUSED] = "refused", [MAP_SETTLED] = "settled",
};

/* --- applying -------------------------------------------------------------------------------
 */

/* The texts that a row yields. */
struct texts {
	struct buf bytes; /* each ended by NUL */
	size_t n;
};

/* What one entry is being made into. */
struct making {
	const struct map *m;
	const struct map_source *from;
	struct form_doc doc;
	enum value_state *is; /* by target: PRESENT or UNKNOWN settle it */
	struct name_vec unknown, bad;
	struct texts texts;   /* of the row at hand */
	struct buf rewritten; /* the value at hand */
	struct err *err;
};

static int bad_add(struct making *k, const struct row *row, const char *why)
{
	CLEANUP(buf_done) struct buf text;
	char *own;

	buf_init(&text, PATH_TEXT_BYTES);
	buf_addf(&text, "%s: %s", row->path, why);
	own = buf_take(&text, NULL);
	if (!own || name_vec_add(&k->bad, own) < 0) {
		free(own);
		return err_nomem(k->err);
	}
	return 0;
}

/* value through the rewrite into *into; REWRITE_NO_MATCH: there is none. */
static int rewrite_text(const struct row *row, struct str value, struct buf *into,
			struct err *err)
{
	int r;

	if (!row->rewrite) {
		buf_add_str(into, value);
		return 0;
	}
	r = rewrite_apply(row->rewrite, value, into, err);
	if (r == REWRITE_NO_MATCH && row->given.keep_unmatched) {
		buf_add_str(into, value);
		return 0;
	}
	return r;
}

/* What the row's value list makes of text; false: nothing. */
static bool by_words(const struct row *row, struct str text, struct str *ret)
{
	const char *to = row->given.otherwise;

	*ret = text;
	if (!row->given.words)
		return true;
	for (const struct map_word *w = row->given.words; w->from; w++) {
		if (str_ieq(str_of(w->from), text)) {
			to = w->to;
			break;
		}
	}
	*ret = str_of(to);
	return to != NULL;
}

/*
 * Adds what becomes of one source value to the row's texts. 0 also if nothing does; below zero
 * the value is one that the rewrite could not take (or memory is lost).
 */
static int text_add(struct making *k, const struct row *row, struct str value,
		    struct texts *into, struct err *err)
{
	struct str text;
	int r;

	buf_clear(&k->rewritten);
	r = rewrite_text(row, value, &k->rewritten, err);
	if (r == REWRITE_NO_MATCH)
		return 0;
	if (r == 0)
		r = buf_fault(&k->rewritten, err, "a value");
	if (r < 0)
		return r;
	if (!by_words(row, buf_str(&k->rewritten), &text) || text.len == 0)
		return 0;
	if (memchr(text.p, '\0', text.len))
		return err_set(err, ERR_INVALID_VALUE, "a value holds a NUL");
	buf_add_str(&into->bytes, text);
	buf_add_char(&into->bytes, '\0');
	into->n++;
	return buf_fault(&into->bytes, err, "the values");
}

/* MAP_FIRST and MAP_EACH. *state: what is known after it. */
static int values_take(struct making *k, const struct row *row, struct texts *into,
		       enum value_state *state, struct err *err)
{
	size_t most = row->given.how == MAP_EACH ? EACH_MAX : 1, n;
	const struct str *values;
	int r;

	for (size_t i = 0; i < MAP_FROM_MAX && row->given.from[i]; i++) {
		*state = k->from->get(k->from->ctx, str_of(row->given.from[i]), &values, &n);
		if (*state == VALUE_UNKNOWN)
			return 0;
		if (*state == VALUE_ABSENT)
			continue;
		if (row->given.how == MAP_EACH && n > EACH_MAX)
			return err_set(err, ERR_LIMIT, "more than %d values", EACH_MAX);
		for (size_t v = 0; v < n && into->n < most; v++) {
			r = text_add(k, row, values[v], into, err);
			if (r < 0)
				return r;
		}
		if (into->n > 0)
			return 0;
	}
	*state = VALUE_ABSENT;
	return 0;
}

static int values_join(struct making *k, const struct row *row, struct texts *into,
		       enum value_state *state, struct err *err)
{
	CLEANUP(buf_done) struct buf joined;
	const struct str *values;
	size_t n;
	int r;

	buf_init(&joined, TEXT_MAX_BYTES);
	for (size_t i = 0; i < MAP_FROM_MAX && row->given.from[i]; i++) {
		*state = k->from->get(k->from->ctx, str_of(row->given.from[i]), &values, &n);
		if (*state == VALUE_UNKNOWN)
			return 0;
		if (*state == VALUE_ABSENT || values[0].len == 0)
			continue;
		if (joined.len > 0)
			buf_add_text(&joined, row->given.glue);
		buf_add_str(&joined, values[0]);
	}
	r = buf_fault(&joined, err, "joined values");
	if (r == 0 && joined.len > 0)
		r = text_add(k, row, buf_str(&joined), into, err);
	*state = into->n > 0 ? VALUE_PRESENT : VALUE_ABSENT;
	return r;
}

static int texts_take(struct making *k, const struct row *row, struct texts *into,
		      enum value_state *state, struct err *err)
{
	if (row->given.constant) {
		int r = text_add(k, row, str_of(row->given.constant), into, err);

		*state = into->n > 0 ? VALUE_PRESENT : VALUE_ABSENT;
		return r;
	}
	if (row->given.how == MAP_JOIN)
		return values_join(k, row, into, state, err);
	return values_take(k, row, into, state, err);
}

/* --- from text to the type of the target ----------------------------------------------------
 */

static const char *boolean_word(struct str text)
{
	static const struct {
		const char *word, *is;
	} words[] = { { "true", "true" }, { "false", "false" }, { "yes", "true" },
		      { "no", "false" },  { "1", "true" },      { "0", "false" } };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (str_ieq(text, str_of(words[i].word)))
			return words[i].is;
	return NULL;
}

static bool is_base64(struct str text, struct err *err, int *r)
{
	CLEANUP(buf_done) struct buf raw;
	bool is;

	buf_init(&raw, TEXT_MAX_BYTES);
	is = enc_unbase64(&raw, text);
	if (raw.fault == ERR_NOMEM)
		*r = err_nomem(err);
	return is;
}

/* Adds text to *into as the attribute's type has it; false: it is none of that type. */
static bool value_write(const struct schema_attr *attr, struct str text, struct buf *into,
			int *r, struct err *err)
{
	char stamp[STAMP_TEXT_BYTES];
	int64_t ms;

	switch (attr->type) {
	case ATTR_BOOLEAN:
		buf_add_text(into, boolean_word(text));
		return boolean_word(text) != NULL;
	case ATTR_DATETIME:
		if (!stamp_parse(text, &ms) && !stamp_parse_generalized(text, &ms))
			return false;
		stamp_text(ms, stamp);
		text = str_of(stamp);
		break;
	case ATTR_DATE:
		if (stamp_parse(text, &ms)) /* the date that was written, in its own zone */
			text.len = sizeof("2026-11-20") - 1;
		if (!stamp_parse_date(text, &ms) && !stamp_parse_generalized(text, &ms))
			return false;
		stamp_date_text(ms, stamp);
		text = str_of(stamp);
		break;
	case ATTR_BINARY:
		if (!is_base64(text, err, r))
			return false;
		break;
	default:
		if (!str_utf8(text, NULL))
			return false;
	}
	buf_add_str(into, text);
	return true;
}

/* --- into the document ----------------------------------------------------------------------
 */

/* All texts of a row, or none: what cannot be converted makes the target unknown. */
static int texts_put(struct making *k, const struct row *row, const struct texts *texts)
{
	const char *p = texts->bytes.p;
	int r = 0;

	for (size_t i = 0; i < texts->n && r == 0; i++, p += strlen(p) + 1) {
		size_t from = k->doc.texts.len;
		bool is = value_write(row->attr, str_of(p), &k->doc.texts, &r, k->err);

		if (r == 0 && is)
			r = form_put(&k->m->form, &k->doc, &row->at, from,
				     row->attr->type == ATTR_BOOLEAN, k->err);
		else if (r == 0) {
			k->is[row->target] = VALUE_UNKNOWN;
			return bad_add(k, row, "a value is not of the attribute's type");
		}
	}
	if (r == 0)
		k->is[row->target] = VALUE_PRESENT;
	return r;
}

/* *outcome: what became of it. */
static int row_apply(struct making *k, const struct row *row, enum map_outcome *outcome)
{
	enum value_state state = VALUE_ABSENT;
	struct err why;
	int r;

	r = texts_take(k, row, &k->texts, &state, &why);
	if (r == -ERR_NOMEM) {
		r = err_nomem(k->err);
	} else if (r < 0) {
		k->is[row->target] = VALUE_UNKNOWN;
		*outcome = MAP_REFUSED;
		r = bad_add(k, row, why.text);
	} else if (state == VALUE_UNKNOWN) {
		k->is[row->target] = VALUE_UNKNOWN;
		*outcome = MAP_UNKNOWN;
	} else if (k->texts.n > 0) {
		r = texts_put(k, row, &k->texts);
		*outcome = k->is[row->target] == VALUE_PRESENT ? MAP_TOOK : MAP_REFUSED;
	}
	return r;
}

/* One row: skipped when its target is settled; told to whoever wants to know. */
static int row_step(struct making *k, const struct row *row, map_step_fn fn, void *ctx)
{
	struct map_step step = { .row = &row->given, .outcome = MAP_SETTLED };
	int r = 0;

	buf_clear(&k->texts.bytes);
	k->texts.n = 0;
	if (k->is[row->target] == VALUE_ABSENT) {
		step.outcome = MAP_NOTHING;
		r = row_apply(k, row, &step.outcome);
	}
	if (r < 0 || !fn)
		return r;
	step.texts = k->texts.bytes.p ? k->texts.bytes.p : "";
	step.n = k->texts.n;
	return fn(ctx, &step, k->err);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int unknown_list(struct making *k)
{
	for (size_t i = 0; i < k->m->rows.n; i++) {
		const struct row *row = &k->m->rows.v[i];
		bool known = false;
		char *own;

		if (k->is[row->target] != VALUE_UNKNOWN)
			continue;
		/* a part of a list is not the list */
		form_drop(&k->m->form, &k->doc, &row->at);
		for (size_t u = 0; u < k->unknown.n && !known; u++)
			known = strcmp(k->unknown.v[u], row->path) == 0;
		if (known)
			continue;
		own = str_dup(str_of(row->path));
		if (!own || name_vec_add(&k->unknown, own) < 0) {
			free(own);
			return err_nomem(k->err);
		}
	}
	if (k->unknown.n > 1)
		qsort(k->unknown.v, k->unknown.n, sizeof(char *), name_cmp);
	return 0;
}

static void names_done(struct name_vec *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	name_vec_done(v);
}

/* --- the whole -----------------------------------------------------------------------------
 */

struct map_work {
	struct making k;
	struct buf text;
};

void map_work_free(struct map_work *w)
{
	if (!w)
		return;
	free(w->k.is);
	buf_done(&w->k.texts.bytes);
	buf_done(&w->k.rewritten);
	names_done(&w->k.unknown);
	names_done(&w->k.bad);
	form_doc_done(&w->k.doc);
	buf_done(&w->text);
	free(w);
}

int map_work_new(struct map_work **ret, const struct map *m, struct err *err)
{
	CLEANUP(map_work_free_at) struct map_work *w = calloc(1, sizeof(*w));

	if (!w)
		return err_nomem(err);
	buf_init(&w->k.texts.bytes, (size_t)TEXT_MAX_BYTES * 16);
	buf_init(&w->k.rewritten, TEXT_MAX_BYTES);
	buf_init(&w->k.doc.texts, DOC_MAX_BYTES);
	buf_init(&w->text, DOC_MAX_BYTES);
	w->k.m = m;
	w->k.is = calloc(m->targets + 1, sizeof(*w->k.is));
	if (!w->k.is)
		return err_nomem(err);
	*ret = TAKE(w);
	return 0;
}

static int work_off(struct map_work *w, const struct map_source *from, map_step_fn fn,
		    void *ctx, struct err *err)
{
	struct making *k = &w->k;
	int r = form_begin(&k->m->form, &k->doc, err);

	k->from = from;
	k->err = err;
	names_done(&k->unknown);
	names_done(&k->bad);
	memset(k->is, 0, k->m->targets * sizeof(*k->is));
	for (size_t i = 0; i < k->m->rows.n && r == 0; i++)
		r = row_step(k, &k->m->rows.v[i], fn, ctx);
	if (r == 0)
		r = unknown_list(k);
	return r;
}

/* What is left of a document beside its text. */
static struct map_result result_take(struct making *k)
{
	struct map_result ret = { .unknown = k->unknown.v,
				  .unknown_n = k->unknown.n,
				  .bad = k->bad.v,
				  .bad_n = k->bad.n };

	k->unknown = k->bad = (struct name_vec){ 0 };
	return ret;
}

int map_write(struct map_work *w, const struct map_source *from, struct map_result *ret,
	      struct err *err)
{
	int r = work_off(w, from, NULL, NULL, err);

	buf_clear(&w->text);
	if (r == 0)
		form_write(&w->k.m->form, &w->k.doc, &w->text);
	if (r == 0)
		r = buf_fault(&w->text, err, "a document");
	if (r < 0)
		return r;
	*ret = result_take(&w->k);
	ret->text = buf_str(&w->text);
	return 0;
}

int map_apply(const struct map *m, const struct map_source *from, struct map_result *ret,
	      struct err *err)
{
	return map_apply_told(m, from, NULL, NULL, ret, err);
}

int map_apply_told(const struct map *m, const struct map_source *from, map_step_fn fn,
		   void *ctx, struct map_result *ret, struct err *err)
{
	CLEANUP(map_work_free_at) struct map_work *w = NULL;
	CLEANUP(json_decref_at) json_t *members = NULL;
	json_t *doc = NULL;
	int r = map_work_new(&w, m, err);

	if (r == 0)
		r = work_off(w, from, fn, ctx, err);
	if (r == 0)
		r = form_tree(&m->form, &w->k.doc, &members, err);
	if (r == 0)
		r = validate_order(members, &schema_user, &doc, err);
	if (r < 0)
		return r;
	*ret = result_take(&w->k);
	ret->doc = doc;
	return 0;
}

void map_result_done(struct map_result *r)
{
	if (!r)
		return;
	json_decref(r->doc);
	for (size_t i = 0; i < r->unknown_n; i++)
		free(r->unknown[i]);
	free(r->unknown);
	for (size_t i = 0; i < r->bad_n; i++)
		free(r->bad[i]);
	free(r->bad);
	*r = (struct map_result){ 0 };
}
