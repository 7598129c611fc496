/* Reports about ourselves: feeds, and what expires. */
#include "bridge/report_table.h"

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "store/sources.h"
#include "store/store.h"
#include "store/tokens.h"
#include "store/vault.h"

#define READS_LOOKED 50

/* --- feeds
 * -------------------------------------------------------------------------------------
 */

static int count_refused(void *ctx, const struct read_row *row, struct err *err)
{
	int64_t *refused = ctx;

	(void)err;
	*refused += row->ended_ms && !row->accepted;
	return 0;
}

static const char *health_of(const struct config_source *c, const struct source_row *s,
			     int64_t now_ms)
{
	int64_t last_ms = c->kind == CONFIG_SCIM ? s->spoke_ms : s->accepted_ms;

	if (s->state == SOURCE_RETIRED)
		return "retired";
	if (!last_ms)
		return "silent";
	if (c->kind == CONFIG_SCIM && s->state != SOURCE_READY)
		return "filling";
	if (c->max_age_ms && now_ms - last_ms > c->max_age_ms)
		return "stale";
	return s->read_no != s->accepted_read && c->kind != CONFIG_SCIM ? "doubted" : "good";
}

static int feed_row(struct report_run *run, struct db *db, const struct config_source *c,
		    struct err *err)
{
	CLEANUP(source_row_done) struct source_row s = { 0 };
	int64_t refused = 0, last_ms;
	int r = sources_get(db, c->name, &s, err);

	if (r == 0)
		r = sources_reads(db, s.id, READS_LOOKED, count_refused, &refused, err);
	if (r < 0)
		return r;
	if (r > 0)
		return report_row(run,
				  json_pack("[s,s,s,s,n,n,n,n,n,n]", c->name,
					    config_kind_word(c->kind),
					    config_role_word(c->role), "never used"),
				  err);
	last_ms = c->kind == CONFIG_SCIM ? s.spoke_ms : s.accepted_ms;
	return report_row(
		run,
		json_pack("[s,s,s,s,I,I,o,o,I,s?]", c->name, config_kind_word(c->kind),
			  config_role_word(c->role), health_of(c, &s, run->now_ms),
			  (json_int_t)s.users, (json_int_t)s.active, report_ms(last_ms),
			  last_ms ? json_integer((run->now_ms - last_ms) / STAMP_HOUR_MS)
				  : json_null(),
			  (json_int_t)refused, s.reason && *s.reason ? s.reason : NULL),
		err);
}

int report_feeds(struct report_run *run, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(run->app->store, &db, err);

	for (size_t i = 0; r == 0 && i < run->app->config.sources.n; i++)
		r = feed_row(run, db, config_source_at(&run->app->config, i), err);
	return r < 0 ? r
		     : report_note(
			       run, err,
			       "Stale: older than max_age. Doubted: the newest read was not "
			       "accepted. Refused: of the newest %d reads.",
			       READS_LOOKED);
}

/* --- tokens and keys
 * ---------------------------------------------------------------------------
 */

static int secret_note(void *ctx, const struct vault_entry *v, struct err *err)
{
	struct report_run *run = ctx;

	if (v->name.len && v->name.p[0] == '.')
		return 0;
	return report_row(run,
			  json_pack("[s,s%,n,s%,o,n,o,o]", "secret", ASK_S(v->name),
				    ASK_S(v->owner), report_ms(v->set_ms),
				    report_ms(v->expires_ms),
				    report_days_left(run, v->expires_ms)),
			  err);
}

static int token_note(void *ctx, const struct token_row *t, struct err *err)
{
	struct report_run *run = ctx;

	if (t->revoked_ms)
		return 0;
	return report_row(
		run,
		json_pack("[s,s%,s%,s%,o,o,o,o]",
			  t->scope == TOKEN_SOURCE ? "token of a source" : "token of a role",
			  ASK_S(t->name), ASK_S(t->of), ASK_S(t->who), report_ms(t->made_ms),
			  report_ms(t->used_ms), report_ms(t->expires_ms),
			  report_days_left(run, t->expires_ms)),
		err);
}

/* Soonest first; what never ends, last. */
static int by_end(const void *a, const void *b)
{
	const json_t *x = json_array_get(*(json_t *const *)a, 6),
		     *y = json_array_get(*(json_t *const *)b, 6);
	json_int_t p = json_is_integer(x) ? json_integer_value(x) : INT64_MAX;
	json_int_t q = json_is_integer(y) ? json_integer_value(y) : INT64_MAX;

	return p < q ? -1 : p > q;
}

static int sort_rows(struct report_run *run, struct err *err)
{
	size_t n = json_array_size(run->rows), at;
	json_t **rows = calloc(n ? n : 1, sizeof(json_t *)), *row;
	int r = 0;

	if (!rows)
		return err_nomem(err);
	json_array_foreach (run->rows, at, row)
		rows[at] = json_incref(row);
	qsort(rows, n, sizeof(json_t *), by_end);
	json_array_clear(run->rows);
	for (at = 0; at < n; at++) {
		if (r == 0)
			r = jx_add(run->rows, rows[at], err);
		else
			json_decref(rows[at]);
	}
	free(rows);
	return r;
}

int report_keys(struct report_run *run, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(run->app->store, &db, err);

	if (r == 0)
		r = vault_list(db, secret_note, run, err);
	if (r == 0)
		r = tokens_list(db, token_note, run, err);
	return r < 0 ? r : sort_rows(run, err);
}
