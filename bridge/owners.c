#include "bridge/owners.h"

#include <stdio.h>

#include "base/jx.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "bridge/ask.h"
#include "bridge/sealed.h"
#include "model/path.h"
#include "store/records.h"
#include "store/vault.h"

struct owned {
	char *secret, *owner;
};
VEC(owned_list, struct owned);

static void owned_free(struct owned_list *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->v[i].secret);
		free(v->v[i].owner);
	}
	owned_list_done(v);
}

static int keep_owned(void *ctx, const struct vault_entry *row, struct err *err)
{
	struct owned_list *v = ctx;
	struct owned one;

	if (!row->owner.len)
		return 0;
	one = (struct owned){ str_dup(row->name), str_dup(row->owner) };
	if (one.secret && one.owner && owned_list_add(v, one) == 0)
		return 0;
	free(one.secret);
	free(one.owner);
	return err_nomem(err);
}

/* The earliest last day that any record says; 0: none. */
struct last_day {
	int64_t ms, now_ms;
	bool ahead; /* one that any record says is not over everywhere */
};

static void earlier(struct last_day *d, int64_t ms)
{
	if (ms > 0 && (!d->ms || ms < d->ms))
		d->ms = ms;
}

static int read_record(void *ctx, const struct record *row, struct err *err)
{
	static const char *const dates[] = { "lastWorkingDay", "terminationDate" };
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct last_day *d = ctx;
	int r;

	if (row->deleted || row->ended_ms || row->active == TRI_NO)
		earlier(d, row->ended_ms ? row->ended_ms : row->disabled_since_ms);
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r == -ERR_NOMEM)
		return r;
	for (size_t i = 0; r == 0 && i < COUNT_OF(dates); i++) {
		const char *day =
			jx_get_text(json_object_get(doc, SCHEMA_EMPLOYMENT), dates[i]);
		char end[40];
		int64_t ms;

		snprintf(end, sizeof(end), "%.10sT23:59:59Z", day ? day : "");
		if (!day || !stamp_parse(str_of(end), &ms))
			continue;
		earlier(d, ms);
		break;
	}
	d->ahead = d->ahead || sealed_ends(json_object_get(doc, SCHEMA_EMPLOYMENT), d->now_ms);
	return 0;
}

struct leaving {
	json_t *list;
	int64_t now_ms;
	bool may_see;
	size_t sealed; /* that were not told */
};

static int owner_out(struct db *db, const struct owned *one, struct leaving *l, struct err *err)
{
	int64_t now_ms = l->now_ms;
	CLEANUP(free_at) char *folded = NULL;
	struct last_day day = { .now_ms = now_ms };
	char todo[320];
	size_t len;
	int r = str_fold(str_trim(str_of(one->owner)), &folded, &len, err);

	if (r == 0)
		r = records_by_address(db, str_n(folded, len), read_record, &day, err);
	if (r < 0 || !day.ms || day.ms > now_ms + OWNERS_AHEAD_MS)
		return r < 0 ? r : 0;
	if (day.ahead && !l->may_see) {
		l->sealed++;
		return 0;
	}
	snprintf(todo, sizeof(todo),
		 "have somebody who stays make a new one, and put it in with `leaverd secret "
		 "rotate %.80s --owner ADDRESS`, before the account of %.80s ends",
		 one->secret, one->owner);
	return jx_add(l->list,
		      json_pack("{s:s, s:s, s:I, s:s}", "secret", one->secret, "owner",
				one->owner, "leaves_ms", (json_int_t)day.ms, "todo", todo),
		      err);
}

/* That there is something, and who is told what. */
static int sealed_out(const struct leaving *l, struct err *err)
{
	return jx_add(
		l->list,
		json_pack("{s:n, s:n, s:n, s:b, s:s}", "secret", "owner", "leaves_ms", "sealed",
			  true, "todo",
			  "somebody with a token of role hr-confidential looks at "
			  "`leaverd overdue --token-file FILE`: a secret is to be rotated"),
		err);
}

int owners_leaving(struct app *app, int64_t now_ms, bool may_see, json_t *list, struct err *err)
{
	struct leaving l = { .list = list, .now_ms = now_ms, .may_see = may_see };
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(owned_free) struct owned_list owned = { 0 };
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = vault_list(db, keep_owned, &owned, err);
	for (size_t i = 0; r >= 0 && i < owned.n; i++)
		r = owner_out(db, &owned.v[i], &l, err);
	if (r >= 0 && l.sealed)
		r = sealed_out(&l, err);
	return r < 0 ? r : 0;
}
