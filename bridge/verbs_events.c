/* The verbs events and events.explain: what others change in organisations, and what is done
 * under our key that our journal does not know. */
#include "bridge/verb.h"

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/listing.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/events.h"
#include "store/store.h"
#include "store/writer.h"

static const char *const by_words[] = { "others", "our key", "our key, explained",
					"a key not known" };

struct telling {
	struct db *db;
	const char *org;
	json_t *list; /* borrowed from the answer */
	size_t most;
};

static int address(void *ctx, const struct account_row *row, struct err *err)
{
	json_t *into = ctx;

	return jx_set(into, "account",
		      json_stringn(row->email.len ? row->email.p : row->account_id.p,
				   row->email.len ? row->email.len : row->account_id.len),
		      err);
}

static int event_out(void *ctx, const struct event_row *row, struct err *err)
{
	struct telling *t = ctx;
	struct str actor = row->email.len ? row->email : row->actor;
	struct str group = row->name.len ? row->name : row->group;
	json_t *one =
		json_pack("{s:s, s:I, s:s%, s:s%, s:s%, s:s, s:s%, s:s%, s:s}", "org", t->org,
			  "at_ms", (json_int_t)row->at_ms, "action", row->action.p,
			  row->action.len, "actor", actor.p ? actor.p : "", actor.len, "group",
			  group.p ? group.p : "", group.len, "by", by_words[row->by], "event",
			  row->event.p, row->event.len, "key", row->token.p ? row->token.p : "",
			  row->token.len, "why", event_doubt_texts[row->doubt]);
	int r = jx_add(t->list, one, err);

	if (r == 0 && row->account)
		r = accounts_get(t->db, row->account, address, one, err);
	if (r < 0)
		return r;
	return json_array_size(t->list) >= t->most;
}

static json_t *ms_out(int64_t ms)
{
	return ms ? json_integer((json_int_t)ms) : json_null();
}

struct keys_out {
	const struct config_org *org;
	json_t *list;
	bool known; /* one of the organisation's is */
};

static bool configured(const struct config_org *org, struct str token)
{
	for (size_t i = 0; i < org->cloud.key_ids.n; i++)
		if (str_eq(str_of(org->cloud.key_ids.v[i]), token))
			return true;
	return false;
}

/* How each key stands. Where the configuration names ours, a proof counts for nothing. */
static int key_out(void *ctx, const struct event_key *row, struct err *err)
{
	struct keys_out *k = ctx;
	const char *standing = "not proved";

	if (configured(k->org, row->token))
		return 0; /* told with those of the configuration */
	if (!row->directory && k->org->cloud.key_ids.n)
		standing = "not configured";
	else if (row->proved)
		standing = "proved";
	else if (row->disputed)
		standing = "disputed";
	k->known = k->known || (!row->directory && strcmp(standing, "proved") == 0);
	return jx_add(k->list,
		      json_pack("{s:s%, s:s, s:b, s:I, s:I}", "key", row->token.p,
				row->token.len, "standing", standing, "directory",
				row->directory, "claims", (json_int_t)row->claims, "disputed",
				(json_int_t)row->disputed),
		      err);
}

static int keys_tell(struct db *db, int64_t org, struct keys_out *k, struct err *err)
{
	const struct conf_list *ids = &k->org->cloud.key_ids;
	int r = k->list ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < ids->n; i++)
		r = jx_add(k->list,
			   json_pack("{s:s, s:s, s:b, s:i, s:i}", "key", ids->v[i], "standing",
				     "configured", "directory", 0, "claims", 0, "disputed", 0),
			   err);
	k->known = ids->n > 0;
	return r == 0 ? events_keys(db, org, key_out, k, err) : r;
}

static int org_out(struct telling *t, const struct config_org *org, bool foreign, json_t *orgs,
		   struct err *err)
{
	CLEANUP(event_reading_done) struct event_reading at = { 0 };
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct keys_out keys = { .org = org };
	int64_t unknown = 0;
	json_t *one;
	int r = accounts_org_get(t->db, org->name, &row, err);

	if (r == 0)
		r = events_reading(t->db, row.id, &at, err);
	if (r >= 0)
		r = events_foreign(t->db, row.id, &unknown, err);
	if (r < 0)
		return r;
	keys.list = json_array();
	r = keys_tell(t->db, row.id, &keys, err);
	if (r < 0) {
		json_decref(keys.list);
		return r;
	}
	one = json_pack("{s:s, s:b, s:o, s:o, s:I, s:o, s:o, s:b, s:o}", "org", org->name,
			"read", org->cloud.events, "read_ms", ms_out(at.read_ms), "why",
			at.why ? json_string(at.why) : json_null(), "foreign",
			(json_int_t)unknown, "gap_from_ms", ms_out(at.gap_from_ms), "gap_to_ms",
			ms_out(at.gap_to_ms), "key_known", keys.known, "keys", keys.list);
	r = jx_add(orgs, one, err);
	t->org = org->name;
	if (r == 0 && json_array_size(t->list) < t->most)
		r = events_list(t->db, row.id, foreign, t->most, event_out, t, err);
	return r < 0 ? r : 0;
}

static int read_audit(void *ctx, struct db *db, struct err *err)
{
	const struct who *who = ctx;
	struct audit_new entry = { .who = who->name,
				   .what = "events.read",
				   .target = "events",
				   .body = STR("{}"),
				   .now_ms = stamp_now_ms() };

	return audit_add(db, &entry, NULL, err);
}

static int tell(struct app *app, const json_t *in, json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *only = jx_get_text(in, "org");
	json_t *list = json_array(), *orgs = json_array();
	struct telling t = { .list = list, .most = listing_limit(in) };
	bool foreign = json_is_true(json_object_get(in, "foreign"));
	int r = jx_set(out, "events", list, err), set = jx_set(out, "organisations", orgs, err);

	r = r < 0 ? r : set;
	if (r == 0 && only && !config_org(&app->config, only))
		return err_set(err, ERR_NOT_FOUND, "the configuration has no organisation %s",
			       only);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	t.db = db;
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);

		if (!only || strcmp(only, org->name) == 0)
			r = org_out(&t, org, foreign, orgs, err);
	}
	return r;
}

static int verb_events(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	int r = tell(app, in, out, err);

	/* who did what is about people: reading it is itself recorded */
	return r == 0 ? writer_call(app->writer, read_audit, (void *)(uintptr_t)who, err) : r;
}

struct explaining {
	const char *org, *who, *why;
	int64_t count;
};

static int explain_run(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct explaining *e = ctx;
	int r = accounts_org_get(db, e->org, &row, err);

	if (r != 0)
		return r < 0 ? r : err_set(err, ERR_NOT_FOUND, "it was not declared");
	return events_explain(db, row.id, e->org, e->who, e->why, stamp_now_ms(), &e->count,
			      err);
}

static int verb_explain(struct app *app, const struct who *who, const json_t *in, json_t *out,
			struct err *err)
{
	struct explaining e = { .org = jx_get_text(in, "org"),
				.who = who->name,
				.why = jx_get_text(in, "reason") };
	char text[160];
	int r;

	if (!e.org || !e.why)
		return err_set(err, ERR_USAGE,
			       "events explain needs an organisation and a reason");
	if (!config_org(&app->config, e.org))
		return err_set(err, ERR_NOT_FOUND, "the configuration has no organisation %s",
			       e.org);
	r = writer_call(app->writer, explain_run, &e, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text),
		 "%lld writes under our key are explained; the next round is not held by them.",
		 (long long)e.count);
	r = jx_set(out, "text", json_string(text), err);
	return r == 0 ? jx_set(out, "explained", json_integer((json_int_t)e.count), err) : r;
}

const struct verb verbs_events[] = {
	{ "events", VERB_STORE, verb_events },
	{ "events.explain", VERB_STORE, verb_explain },
	{ NULL, 0, NULL },
};
