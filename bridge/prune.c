#include "bridge/prune.h"

#include <stdio.h>

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/anchors.h"
#include "bridge/forward.h"
#include "store/approvers.h"
#include "store/audit.h"
#include "store/audit_cut.h"
#include "store/retention.h"
#include "store/writer.h"

#define STEP_ROWS 500
#define RUN_ROWS 50000 /* of one kind in one hour; the rest waits for the next */

static bool stopped(const atomic_bool *stop)
{
	return stop && atomic_load(stop);
}

static int64_t keep_ms(const struct config_retention *c, enum retention_kind kind)
{
	switch (kind) {
	case RETENTION_JOURNAL:
		return c->journal_ms;
	case RETENTION_READS:
		return c->reads_ms;
	case RETENTION_ACTIVITY:
		return c->activity_ms;
	case RETENTION_TOMBSTONES:
		return c->tombstones_ms;
	default:
		return 0;
	}
}

/* --- rows ------------------------------------------------------------------------------------
 */

static int write_page(void *ctx, struct db *db, struct err *err)
{
	return retention_page(db, ctx, err);
}

static int prune_rows(struct app *app, enum retention_kind kind, const atomic_bool *stop,
		      struct err *err)
{
	int64_t now_ms = stamp_now_ms(), all = 0;
	struct retention_page page = { .kind = kind,
				       .now_ms = now_ms,
				       .before_ms =
					       now_ms - keep_ms(&app->config.retention, kind),
				       .most = STEP_ROWS,
				       .remove = true,
				       .more = true };
	int r = 0;

	if (!keep_ms(&app->config.retention, kind))
		return 0;
	while (r == 0 && page.more && all < RUN_ROWS && !stopped(stop)) {
		r = writer_call(app->writer, write_page, &page, err);
		all += r == 0 ? page.rows : 0;
	}
	if (all)
		log_info("retention.gone", LOG_T("kind", retention_words[kind]),
			 LOG_I("rows", all));
	return r;
}

/* --- the audit chain -------------------------------------------------------------------------
 */

/* Up to which entry it may go now; 0: nothing. */
static int cut_until(struct app *app, int64_t *ret, struct err *err)
{
	int64_t now_ms = stamp_now_ms(), forwarded, ms;
	struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	*ret = 0;
	if (r == 0)
		r = audit_cut_until(db, now_ms - app->config.retention.audit_ms, ret, err);
	store_read_end(db);
	if (r < 0 || !app->config.audit.server || !*ret)
		return r;
	r = forward_standing(app, &forwarded, &ms, err);
	if (r == 0 && forwarded < *ret)
		*ret = forwarded;
	return r;
}

/* When it was cut last; the entry says so. */
static int cut_ms(struct app *app, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct audit_cut cut = { 0 };
	int r = store_read_begin(app->store, &db, err);

	*ret = 0;
	if (r == 0)
		r = audit_cut_get(db, &cut, err);
	return r < 0 || !cut.entry ? r : audit_cut_made(db, &cut, ret, err);
}

static int write_cut(void *ctx, struct db *db, struct err *err)
{
	int r = audit_cut_begin(db, ctx, err);

	return r < 0 ? r : 0;
}

static int write_step(void *ctx, struct db *db, struct err *err)
{
	return audit_cut_step(db, STEP_ROWS, ctx, err);
}

/* What cannot be verified is not made shorter: it would hide what is wrong with it. */
static int cut_begin(struct app *app, int64_t until, struct err *err)
{
	CLEANUP(json_decref_at) json_t *roster = NULL;
	struct audit_cut_new cut = { .seq = until,
				     .who = "retention",
				     .why = "retention.audit" };
	struct audit_report report;
	char about[40];
	int r = audit_verify(app->store, true, &report, err);

	if (r == 0)
		r = approvers_roster(app->store, until, &roster, err);
	(void)snprintf(about, sizeof(about), "cut-%lld", (long long)until);
	if (r == 0 && anchors_wanted(&app->config))
		r = anchors_keep(app, about, NULL, err);
	if (r < 0)
		return err_context(err, r, "the audit chain is not cut");
	cut.approvers = roster;
	cut.now_ms = stamp_now_ms();
	return writer_call(app->writer, write_cut, &cut, err);
}

static int prune_audit(struct app *app, const atomic_bool *stop, struct err *err)
{
	int64_t until = 0, last_ms = 0, removed = 1, all = 0;
	int r;

	if (!app->config.retention.audit_ms)
		return 0;
	r = cut_ms(app, &last_ms, err);
	if (r == 0 && stamp_now_ms() - last_ms >= STAMP_DAY_MS)
		r = cut_until(app, &until, err);
	if (r == 0 && until)
		r = cut_begin(app, until, err);
	/* those of an earlier cut too, which was not finished */
	while (r == 0 && removed && all < RUN_ROWS && !stopped(stop)) {
		r = writer_call(app->writer, write_step, &removed, err);
		all += r == 0 ? removed : 0;
	}
	if (all)
		log_info("retention.gone", LOG_T("kind", "audit"), LOG_I("rows", all));
	return r;
}

/* --- all of it
 * ---------------------------------------------------------------------------------
 */

static void note(int r, const char *kind, int *first, struct err *err, const struct err *why)
{
	if (r >= 0)
		return;
	log_error("retention.fault", LOG_T("kind", kind), LOG_E(why));
	if (*first == 0) {
		*first = r;
		*err = *why;
	}
}

int prune_run(struct app *app, const atomic_bool *stop, struct err *err)
{
	struct err why = { 0 };
	int first = 0;

	for (int kind = 0; kind < RETENTION_KINDS && !stopped(stop); kind++)
		note(prune_rows(app, (enum retention_kind)kind, stop, &why),
		     retention_words[kind], &first, err, &why);
	if (!stopped(stop))
		note(prune_audit(app, stop, &why), "audit", &first, err, &why);
	return first;
}

static int due_rows(struct app *app, enum retention_kind kind, struct prune_due *ret,
		    struct err *err)
{
	int64_t now_ms = stamp_now_ms();
	struct retention_page page = {
		.kind = kind,
		.now_ms = now_ms,
		.before_ms = now_ms - ret->keep_ms,
		.most = kind == RETENTION_TOMBSTONES ? STEP_ROWS : PRUNE_COUNT_MOST,
		.more = true,
	};
	int r = 0;

	while (r == 0 && page.more && ret->rows < PRUNE_COUNT_MOST) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		r = store_read_begin(app->store, &db, err);
		if (r == 0)
			r = retention_page(db, &page, err);
		ret->rows += r == 0 ? page.rows : 0;
	}
	return r;
}

static int due_audit(struct app *app, struct prune_due *ret, struct err *err)
{
	struct audit_cut cut = { 0 };
	struct db *db = NULL;
	int64_t until = 0;
	int r = cut_until(app, &until, err);

	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = audit_cut_get(db, &cut, err);
	store_read_end(db);
	ret->rows = until > cut.seq ? until - cut.seq : 0;
	return r;
}

int prune_due(struct app *app, size_t i, struct prune_due *ret, struct err *err)
{
	struct prune_due due = { 0 };
	int r = 0;

	if (i < RETENTION_KINDS) {
		due.kind = retention_words[i];
		due.keep_ms = keep_ms(&app->config.retention, (enum retention_kind)i);
		if (due.keep_ms)
			r = due_rows(app, (enum retention_kind)i, &due, err);
	} else if (i == RETENTION_KINDS) {
		due.kind = "audit";
		due.keep_ms = app->config.retention.audit_ms;
		if (due.keep_ms)
			r = due_audit(app, &due, err);
	}
	if (r == 0)
		*ret = due;
	return r;
}
