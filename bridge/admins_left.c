#include "bridge/admins_left.h"

#include <stdio.h>

#include "base/jx.h"
#include "base/stamp.h"
#include "bridge/ask.h"
#include "model/path.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/store.h"

/* The last day that the record names, to its end in UTC; 0: none. */
static int last_day_of(const struct record *row, int64_t *ret_ms, struct err *err)
{
	static const char *const dates[] = { "lastWorkingDay", "terminationDate" };
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r = jx_parse(row->doc, JX_LENIENT, &doc, err);

	*ret_ms = 0;
	if (r == -ERR_NOMEM)
		return r;
	for (size_t i = 0; r == 0 && i < COUNT_OF(dates) && !*ret_ms; i++) {
		const char *day =
			jx_get_text(json_object_get(doc, SCHEMA_EMPLOYMENT), dates[i]);
		char end[40];

		snprintf(end, sizeof(end), "%.10sT23:59:59Z", day ? day : "");
		if (!day || !stamp_parse(str_of(end), ret_ms))
			*ret_ms = 0;
	}
	return 0;
}

static bool is_off(const struct record *row)
{
	return row->deleted || row->gone || row->ended_ms || row->active == TRI_NO;
}

/* What the most trusted source that knows somebody says: an engagement that goes on keeps. */
struct leaving {
	struct db *db;
	int64_t now_ms;
	int rank;        /* of that source */
	int64_t left_ms; /* the last end of its records; 0: none */
	bool known, stays;
};

static int engagement_look(void *ctx, const struct record *row, struct err *err)
{
	CLEANUP(source_row_done) struct source_row source = { 0 };
	struct leaving *l = ctx;
	int64_t end;
	int r = sources_by_id(l->db, row->source, &source, err);

	if (r != 0 || source.state == SOURCE_RETIRED)
		return r < 0 ? r : 0;
	if (l->known && source.rank > l->rank)
		return 0;
	if (!l->known || source.rank < l->rank)
		*l = (struct leaving){ l->db, l->now_ms, source.rank, 0, true, false };
	r = last_day_of(row, &end, err);
	if (r < 0)
		return r;
	if (!end && is_off(row))
		end = row->ended_ms ? row->ended_ms : row->disabled_since_ms;
	l->stays = l->stays || (end ? end > l->now_ms : !is_off(row));
	l->left_ms = end > l->left_ms ? end : l->left_ms;
	return 0;
}

struct admins {
	struct db *db;
	const char *org;
	int64_t now_ms;
	json_t *list;
};

static int keep_person(void *ctx, const struct account_link *row, struct err *err)
{
	int64_t *person = ctx;

	(void)err;
	*person = row->person;
	return 0;
}

static int admin_out(void *ctx, const struct account_row *row, struct err *err)
{
	struct admins *a = ctx;
	struct leaving l = { .db = a->db, .now_ms = a->now_ms };
	int64_t person = 0;
	char todo[400];
	int r = persons_account_link(a->db, row->id, keep_person, &person, err);

	if (r < 0 || !person)
		return r < 0 ? r : 0;
	r = records_of_person(a->db, person, engagement_look, &l, err);
	if (r < 0 || l.stays || !l.left_ms || l.left_ms < a->now_ms - ADMINS_LEFT_MS)
		return r < 0 ? r : 0;
	snprintf(todo, sizeof(todo),
		 "have an administrator who stays look at the organisation's API keys "
		 "(admin.atlassian.com, Settings, API keys), make new ones for those that "
		 "%.*s made, and revoke theirs: a key outlives whoever made it",
		 (int)(row->email.len < 100 ? row->email.len : 100), row->email.p);
	return jx_add(a->list,
		      json_pack("{s:s, s:I, s:s%, s:I, s:s}", "org", a->org, "account",
				(json_int_t)row->id, "email", ASK_S(row->email), "left_ms",
				(json_int_t)l.left_ms, "todo", todo),
		      err);
}

int admins_left(struct app *app, int64_t now_ms, json_t *list, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	for (size_t i = 0; r >= 0 && i < app->config.organisations.n; i++) {
		CLEANUP(org_row_done) struct org_row row = { 0 };
		struct admins a = { db, config_org_at(&app->config, i)->name, now_ms, list };

		r = accounts_org_get(db, a.org, &row, err);
		if (r == 0)
			r = accounts_org_admins(db, row.id, admin_out, &a, err);
	}
	return r < 0 ? r : 0;
}
