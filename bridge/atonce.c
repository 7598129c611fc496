#include "bridge/atonce.h"

#include "base/jx.h"
#include "model/schema.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/store.h"

void atonce_done(struct atonce *a)
{
	free(a->marks);
	*a = (struct atonce){ 0 };
}

/* The mark of a source. NULL: no memory. */
static struct atonce_mark *mark_of(struct atonce *a, int64_t source)
{
	struct atonce_mark *more;

	for (size_t i = 0; i < a->n; i++)
		if (a->marks[i].source == source)
			return &a->marks[i];
	more = realloc(a->marks, (a->n + 1) * sizeof(*more));
	if (!more)
		return NULL;
	a->marks = more;
	a->marks[a->n] = (struct atonce_mark){ source, a->begin };
	return &a->marks[a->n++];
}

/* --- one record ------------------------------------------------------------------------------
 */

struct looking {
	int64_t newest;
	bool found;
};

static int record_look(void *ctx, const struct record *row, struct err *err)
{
	static const char name[] = "\"immediate\"";
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct looking *l = ctx;
	int r;

	l->newest = row->change;
	/* few documents have it, and a tree is dear */
	if (row->deleted || !memmem(row->doc.p, row->doc.len, name, sizeof(name) - 1))
		return 0;
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0)
		return r;
	l->found = l->found || json_is_true(jx_get_i(jx_get_i(doc, STR(SCHEMA_EMPLOYMENT)),
						     STR("immediate")));
	return 0;
}

/* --- all sources -----------------------------------------------------------------------------
 */

/* A push source that fills says nothing yet, a retired one nothing any more. */
static bool counts(const struct source_row *s)
{
	return s->state == SOURCE_READY ||
	       (s->state == SOURCE_FILLING && strcmp(s->kind, "scim") != 0);
}

typedef int (*source_fn)(struct db *db, struct atonce_mark *m, struct err *err);

static int each_source(struct atonce *a, struct app *app, source_fn fn, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(vec_source_row_free_all) struct vec_source_row rows = { 0 };
	int found = 0, r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = sources_all(db, &rows, err);
	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		struct atonce_mark *m = mark_of(a, rows.v[i].id);

		if (m && !counts(&rows.v[i]))
			continue;
		r = m ? fn(db, m, err) : err_nomem(err);
		found |= r > 0;
	}
	return r < 0 ? r : found;
}

static int source_mark(struct db *db, struct atonce_mark *m, struct err *err)
{
	return records_newest(db, m->source, &m->change, err);
}

static int source_look(struct db *db, struct atonce_mark *m, struct err *err)
{
	struct looking l = { .newest = m->change };
	int r = records_changed(db, m->source, m->change, ATONCE_MOST, record_look, &l, err);

	if (r < 0)
		return r;
	m->change = l.newest;
	return l.found;
}

int atonce_mark(struct atonce *a, struct app *app, struct err *err)
{
	int r = each_source(a, app, source_mark, err);

	return r < 0 ? r : 0;
}

int atonce_look(struct atonce *a, struct app *app, struct err *err)
{
	return each_source(a, app, source_look, err);
}

bool atonce_rested(const struct atonce *a, int64_t mono_ms)
{
	return mono_ms >= a->rest_ms;
}

void atonce_rest(struct atonce *a, int64_t begun_ms, int64_t ended_ms)
{
	a->rest_ms = ended_ms + (ended_ms - begun_ms);
}
