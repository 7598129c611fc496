#include "bridge/seen.h"

#include <stdio.h>

#include "base/stamp.h"
#include "store/cursors.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/store.h"
#include "store/writer.h"

#define OWNER "round"

int seen_newest(struct app *app, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(vec_source_row_free_all) struct vec_source_row rows = { 0 };
	int64_t newest = 0;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = sources_all(db, &rows, err);
	for (size_t i = 0; r == 0 && i < rows.n; i++) {
		int64_t one = 0;

		r = records_newest(db, rows.v[i].id, &one, err);
		newest = one > newest ? one : newest;
	}
	if (r == 0)
		*ret = newest;
	return r;
}

int seen_last(struct app *app, const char *org, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(free_at) char *text = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = cursors_get(db, OWNER, org, &text, NULL, err);
	if (r == 0 && !str_int64(str_of(text), ret))
		return err_set(err, ERR_DAMAGED,
			       "organisation %s: where its last round began is no number", org);
	return r;
}

struct keep_write {
	const char *org;
	char text[24];
};

static int keep_run(void *ctx, struct db *db, struct err *err)
{
	const struct keep_write *w = ctx;
	int r = cursors_set(db, OWNER, w->org, w->text, stamp_now_ms(), err);

	return r < 0 ? r : 0;
}

int seen_keep(struct app *app, const char *org, int64_t change, struct err *err)
{
	struct keep_write w = { .org = org };
	int64_t before = -1;
	int r = seen_last(app, org, &before, err);

	if (r == -ERR_DAMAGED) /* written anew */
		r = 0;
	if (r < 0 || (r == 0 && before == change))
		return r;
	(void)snprintf(w.text, sizeof(w.text), "%lld", (long long)change);
	return writer_call(app->writer, keep_run, &w, err);
}
