#include "bridge/verb.h"

#include <inttypes.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/bulk_adopt.h"
#include "bridge/listing.h"
#include "bridge/rounds_hr.h"
#include "bridge/sealed.h"
#include "ldap/plausible.h"
#include "model/filter.h"
#include "model/snapshot.h"
#include "reconcile/policy.h"
#include "store/accounts.h"
#include "store/cursors.h"
#include "store/find.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/writer.h"

#define DATA_PAGE 500  /* records in one read transaction */
#define READS_SHOWN 10 /* newest reads of one source */

/* --- users and groups ------------------------------------------------------------------------
 */

struct found {
	struct app *app;
	const char *source;
	json_t *rows; /* borrowed from the answer */
	int64_t after, matched;
	size_t limit;
	bool truncated, groups, any;
};

static const json_t *first_mail(const json_t *doc)
{
	const json_t *mails = json_object_get(doc, "emails"), *mail, *best = NULL;
	size_t i;

	json_array_foreach (mails, i, mail) {
		if (!best || json_is_true(json_object_get(mail, "primary")))
			best = json_object_get(mail, "value");
	}
	return best;
}

static json_t *or_null(const json_t *value)
{
	return value ? json_incref((json_t *)(uintptr_t)value) : json_null();
}

static json_t *user_row(const struct found *f, const struct find_row *row, const json_t *doc)
{
	return json_pack("{s:s,s:s%,s:o,s:o,s:o,s:o,s:I,s:o}", "source", f->source, "id",
			 ASK_S(row->key), "userName", or_null(json_object_get(doc, "userName")),
			 "displayName", or_null(json_object_get(doc, "displayName")), "email",
			 or_null(first_mail(doc)), "active",
			 or_null(json_object_get(doc, "active")), "version",
			 (json_int_t)row->version, "modified_ms", ask_ms(row->modified_ms));
}

static json_t *group_row(const struct found *f, const struct find_row *row, const json_t *doc)
{
	return json_pack("{s:s,s:s%,s:o,s:o,s:I,s:o}", "source", f->source, "id",
			 ASK_S(row->key), "displayName",
			 or_null(json_object_get(doc, "displayName")), "externalId",
			 or_null(json_object_get(doc, "externalId")), "version",
			 (json_int_t)row->version, "modified_ms", ask_ms(row->modified_ms));
}

static int found_row(void *ctx, const struct find_row *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct found *f = ctx;
	int r;

	f->after = row->id;
	f->any = true;
	f->matched++;
	if (json_array_size(f->rows) >= f->limit) {
		f->truncated = true;
		return 0;
	}
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0)
		return err_context(err, r, "record " STR_FMT " of source %s", STR_ARG(row->key),
				   f->source);
	return jx_add(f->rows, f->groups ? group_row(f, row, doc) : user_row(f, row, doc), err);
}

/* Above zero: the source was never used. */
static int source_id(struct found *f, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(source_row_done) struct source_row row = { 0 };
	int r;

	r = store_read_begin(f->app->store, &db, err);
	if (r == 0)
		r = sources_get(db, f->source, &row, err);
	*ret = row.id;
	f->after = 0;
	return r;
}

static int find_pages(struct found *f, const struct query *query, struct err *err)
{
	struct find find = {
		.types = f->groups ? FIND_GROUPS : FIND_USERS,
		.where = query,
		.count = DATA_PAGE,
		.now_ms = stamp_now_ms(),
	};
	bool more = true;
	int64_t source;
	int r = source_id(f, &source, err);

	if (r)
		return r < 0 ? r : 0;
	while (r == 0 && more) {
		if (verb_cancelled(f->app))
			return err_set(err, ERR_CANCELLED, "the list was interrupted");
		find.after = f->after;
		f->any = more = false;
		r = find_run(f->app->store, source, &find, NULL, &more, found_row, f, err);
		more = more && f->any;
	}
	return r;
}

static int find_all(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    bool groups, struct err *err)
{
	CLEANUP(query_free_at) struct query *query = NULL;
	const char *only = jx_get_text(in, "source"), *filter = jx_get_text(in, "filter");
	struct found f = { .app = app, .groups = groups, .limit = listing_limit(in) };
	const struct config_source *source;
	bool may_see = false;
	int r;

	r = only ? ask_source(app, only, &source, err) : 0;
	if (r == 0 && filter) {
		r = filter_parse(str_of(filter), groups ? PATH_SCIM_GROUP : PATH_SCIM_USER,
				 &query, err);
		if (r == 0)
			r = sealed_may_see(app, in, &may_see, err);
		if (r == 0 && !may_see)
			r = sealed_filter(query, err);
		if (r < 0)
			return err_context(err, r, "--filter");
	}
	if (r == 0)
		r = jx_set(out, groups ? "groups" : "users", f.rows = json_array(), err);
	for (size_t i = 0; r == 0 && i < app->config.sources.n; i++) {
		f.source = config_source_at(&app->config, i)->name;
		if (!only || !strcmp(only, f.source))
			r = find_pages(&f, query, err);
	}
	if (r == 0)
		r = jx_set(out, "matched", json_integer(f.matched), err);
	if (r == 0)
		r = jx_set(out, "truncated", json_boolean(f.truncated), err);
	if (r < 0 || groups)
		return r;
	return ask_note_read(app, who, "users", (int64_t)json_array_size(f.rows), err);
}

static int run_users(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	return find_all(app, who, in, out, false, err);
}

static int run_groups(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	return find_all(app, who, in, out, true, err);
}

/* --- sources ---------------------------------------------------------------------------------
 */

/* A pulled source needs no declaration: it counts from its first accepted read on. */
static const char *state_word(const struct config_source *c, const struct source_row *s)
{
	if (c->kind == CONFIG_SCIM || s->state == SOURCE_RETIRED)
		return source_state_words[s->state];
	return s->accepted_read ? source_state_words[SOURCE_READY] : "unread";
}

static json_t *source_doc(const struct config_source *c, const struct source_row *s)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:o,s:o,s:I,s:I,s:I,s:o}", "source", c->name,
			 "kind", config_kind_word(c->kind), "role", config_role_word(c->role),
			 "state", state_word(c, s), "read", (json_int_t)s->read_no,
			 "accepted_read", (json_int_t)s->accepted_read, "accepted_ms",
			 ask_ms(s->accepted_ms), "spoke_ms", ask_ms(s->spoke_ms), "users",
			 (json_int_t)s->users, "active", (json_int_t)s->active, "groups",
			 (json_int_t)s->groups, "reason",
			 s->reason ? json_string(s->reason) : json_null());
}

static int read_note(void *ctx, const struct read_row *row, struct err *err)
{
	const struct read_counts *c = &row->counts;

	return jx_add(ctx,
		      json_pack("{s:I,s:o,s:o,s:b,s:b,s:s%,s:s%,s:I,s:I,s:I,s:I}", "read",
				(json_int_t)row->no, "begun_ms", ask_ms(row->begun_ms),
				"ended_ms", ask_ms(row->ended_ms), "complete", row->complete,
				"accepted", row->accepted, "reason", ASK_S(row->reason),
				"accepted_by", ASK_S(row->accepted_by), "seen",
				(json_int_t)c->seen, "fresh", (json_int_t)c->fresh, "changed",
				(json_int_t)c->changed, "missing", (json_int_t)c->missing),
		      err);
}

static int source_add(struct db *db, const struct config_source *c, json_t *rows,
		      bool with_reads, struct err *err)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	json_t *doc, *reads;
	int r = sources_get(db, c->name, &row, err);

	if (r)
		return r < 0 ? r : 0;
	r = jx_add(rows, doc = source_doc(c, &row), err);
	if (r < 0 || !with_reads)
		return r;
	r = jx_set(doc, "reads", reads = json_array(), err);
	return r < 0 ? r : sources_reads(db, row.id, READS_SHOWN, read_note, reads, err);
}

static int run_source_status(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *only = jx_get_text(in, "source");
	const struct config_source *source;
	json_t *rows = NULL;
	int r;

	(void)who;
	r = only ? ask_source(app, only, &source, err) : 0;
	if (r == 0)
		r = jx_set(out, "sources", rows = json_array(), err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	for (size_t i = 0; r == 0 && i < app->config.sources.n; i++) {
		const struct config_source *c = config_source_at(&app->config, i);

		if (!only || !strcmp(only, c->name))
			r = source_add(db, c, rows, only != NULL, err);
	}
	return r;
}

struct source_change {
	const char *who, *why, *name;
	enum source_state state;
	int64_t read_no;
	bool unchanged;
	bool exports;       /* a source of kind file */
	char identity[400]; /* which directory is replaced by which; empty: it is the same */
};

static int source_number(struct db *db, const char *name, struct source_row *ret,
			 struct err *err)
{
	int r = sources_get(db, name, ret, err);

	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "source %s was never used yet", name);
	return r;
}

static int write_state(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct source_change *c = ctx;
	int r = source_number(db, c->name, &row, err);

	if (r < 0)
		return r;
	r = sources_state_set(db, row.id, c->state, c->who, c->why, stamp_now_ms(), err);
	c->unchanged = r == STORE_UNCHANGED;
	return r;
}

static int source_state(struct app *app, const struct who *who, const json_t *in, json_t *out,
			enum source_state state, struct err *err)
{
	struct source_change c = {
		.who = who->name,
		.why = jx_get_text(in, "reason"),
		.name = jx_get_text(in, "source"),
		.state = state,
	};
	const struct config_source *source;
	int r;

	if (!c.name || !c.why)
		return err_set(err, ERR_USAGE,
			       "a source's state changes with a name and a reason");
	r = ask_source(app, c.name, &source, err);
	if (r < 0)
		return r;
	if (state == SOURCE_READY && source->kind != CONFIG_SCIM)
		return err_set(
			err, ERR_REFUSED,
			"source %s is read by us: it counts from its first accepted read on, "
			"nobody has to declare it ready",
			c.name);
	r = writer_call(app->writer, write_state, &c, err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Source %s %s %s.", c.name,
		       c.unchanged ? "was already" : "is now", source_state_words[state]);
}

static int run_source_ready(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	return source_state(app, who, in, out, SOURCE_READY, err);
}

static int run_source_retire(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	return source_state(app, who, in, out, SOURCE_RETIRED, err);
}

/* A read's verdict as sync keeps it under that name. STORE_NOT_FOUND. */
static int verdict_kept(struct db *db, const char *source, const char *name,
			struct dir_verdict *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(free_at) char *text = NULL;
	int r = cursors_get(db, source, name, &text, NULL, err);

	if (r == 0)
		r = jx_parse(str_of(text), JX_LENIENT, &doc, err);
	return r == 0 ? dir_verdict_from_json(doc, ret, err) : r;
}

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

/* Whether another directory answered than the one that was read before: then who accepts the
 * read accepts the new one, and both stand in the chain. */
static int identity_tell(struct db *db, struct source_change *c, struct err *err)
{
	CLEANUP(dir_verdict_done) struct dir_verdict before = { 0 };
	CLEANUP(dir_verdict_done) struct dir_verdict now = { 0 };
	int r = verdict_kept(db, c->name, "verdict", &before, err);

	if (r == 0)
		r = verdict_kept(db, c->name, "aside", &now, err);
	if (r != 0) /* there was none before, or nothing stands aside */
		return r < 0 ? r : 0;
	if (before.kind == now.kind &&
	    (!before.base_id || !now.base_id || strcmp(before.base_id, now.base_id) == 0))
		return 0;
	snprintf(c->identity, sizeof(c->identity),
		 "the directory %.60s (%.40s at %.80s) is replaced by %.60s (%.40s at %.80s)",
		 or_none(before.base_id), or_none(before.vendor), or_none(before.uri),
		 or_none(now.base_id), or_none(now.vendor), or_none(now.uri));
	return 0;
}

/* The accepted read is what the next one is held against, as sync keeps it. */
static int promote_baseline(struct db *db, const char *source, struct err *err)
{
	CLEANUP(dir_verdict_done) struct dir_verdict verdict = { 0 };
	CLEANUP(json_decref_at) json_t *made = NULL;
	CLEANUP(buf_done) struct buf canonical;
	int r;

	buf_init(&canonical, 16 << 20);
	r = verdict_kept(db, source, "aside", &verdict, err);
	if (r != 0)
		return r < 0 ? r : 0;
	dir_verdict_accept(&verdict);
	r = dir_verdict_json(&verdict, &made, err);
	if (r == 0)
		r = jx_canonical(made, &canonical, err);
	if (r == 0)
		r = buf_fault(&canonical, err, "a read's verdict");
	if (r < 0)
		return r;
	r = cursors_set(db, source, "verdict", canonical.p, stamp_now_ms(), err);
	if (r >= 0)
		r = cursors_set(db, source, "aside", NULL, stamp_now_ms(), err);
	return r < 0 ? r : 0;
}

static int write_accept(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	CLEANUP(buf_done) struct buf why;
	struct source_change *c = ctx;
	int r = source_number(db, c->name, &row, err);

	buf_init(&why, 65536);
	if (r == 0 && !c->exports)
		r = identity_tell(db, c, err);
	buf_addf(&why, "%s%s%s", c->why, c->identity[0] ? "; " : "", c->identity);
	if (r == 0)
		r = buf_fault(&why, err, "the reason");
	if (r < 0)
		return r;
	if (!c->read_no)
		c->read_no = row.read_no;
	r = sources_accept(db, row.id, c->read_no, c->who, why.p, stamp_now_ms(), err);
	if (r == STORE_NOT_FOUND)
		return err_set(
			err, ERR_NOT_FOUND,
			"source %s has no read %" PRId64
			" that could be accepted: only the newest, complete one that was "
			"judged implausible can ('leaverd source status %s')",
			c->name, c->read_no, c->name);
	if (r < 0)
		return r;
	return c->exports ? rounds_hr_accepted(db, c->name, err)
			  : promote_baseline(db, c->name, err);
}

static int run_source_accept(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	struct source_change c = {
		.who = who->name,
		.why = jx_get_text(in, "reason"),
		.name = jx_get_text(in, "source"),
		.read_no = json_integer_value(json_object_get(in, "read")),
	};
	const struct config_source *source;
	int r;

	if (!c.name || !c.why)
		return err_set(err, ERR_USAGE, "source accept needs a source and a reason");
	r = ask_source(app, c.name, &source, err);
	if (r < 0)
		return r;
	c.exports = source->kind == CONFIG_FILE;
	r = writer_call(app->writer, write_accept, &c, err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Read %" PRId64 " of %s counts from now on%s%s.", c.read_no,
		       c.name, c.identity[0] ? "; " : "", c.identity);
}

/* --- adopt -----------------------------------------------------------------------------------
 */

struct rule_change {
	const char *who, *org, *rule, *why;
	bool undo;
};

static int write_rule(void *ctx, struct db *db, struct err *err)
{
	struct rule_change *c = ctx;
	const char *org = c->org ? c->org : "";

	return c->undo ? persons_rule_revoke(db, org, c->rule, c->who, stamp_now_ms(), err)
		       : persons_rule_approve(db, org, c->rule, c->who, stamp_now_ms(), err);
}

static bool is_match_rule(const struct app *app, const char *name)
{
	const struct policy *p = app_acting(app)->policy;

	for (size_t i = 0; i < p->match_count; i++)
		if (!strcmp(p->match[i].name, name))
			return true;
	return false;
}

static int change_rule(struct app *app, struct rule_change *c, json_t *out, struct err *err)
{
	const struct config_org *org;
	int r;

	if (!is_match_rule(app, c->rule))
		return err_set(
			err, ERR_NOT_FOUND,
			"the policy has no match rule %s ('leaverd config check --show' prints "
			"them)",
			c->rule);
	r = c->org ? ask_org(app, c->org, &org, err) : 0;
	if (r == 0)
		r = writer_call(app->writer, write_rule, c, err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Match rule %s is %s in %s%s.", c->rule,
		       c->undo ? "no longer approved" : "approved",
		       c->org ? c->org : "every organisation",
		       c->undo ? "" : ": accounts that it links are ours");
}

static int run_match_approve(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	struct rule_change c = {
		.who = who->name,
		.org = jx_get_text(in, "org"),
		.rule = jx_get_text(in, "rule"),
		.undo = json_is_true(json_object_get(in, "undo")),
	};

	if (!c.rule)
		return err_set(err, ERR_USAGE, "match approve needs its rule");
	return change_rule(app, &c, out, err);
}

struct adoption {
	const char *who, *why;
	int64_t account;
	bool undo;
};

static int write_adopt(void *ctx, struct db *db, struct err *err)
{
	struct adoption *a = ctx;

	return a->undo ? persons_disown(db, a->account, a->who, a->why, stamp_now_ms(), err)
		       : persons_adopt(db, a->account, a->who, a->why, stamp_now_ms(), err);
}

/* One account; what became of it is its row in the answer. */
static int adopt_one(struct app *app, const char *org, const char *account, struct adoption *a,
		     json_t *rows, int *failed, struct err *err)
{
	const char *result = a->undo ? "disowned" : "adopted", *text = "";
	struct err why = { 0 };
	int r;

	r = ask_account(app, org, account, &a->account, &why);
	if (r == 0)
		r = writer_call(app->writer, write_adopt, a, &why);
	if (r == STORE_UNCHANGED)
		result = "unchanged";
	if (r == STORE_NOT_FOUND) {
		result = "refused";
		text = "no person is linked to it: it is an orphan, or a doubt ('leaverd "
		       "match')";
	}
	if (r < 0) {
		result = "refused";
		text = why.text;
	}
	*failed += !strcmp(result, "refused");
	return jx_add(rows,
		      json_pack("{s:s,s:s,s:s}", "account_id", account, "result", result,
				"text", text),
		      err);
}

static int run_adopt(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	const json_t *accounts = json_object_get(in, "accounts"), *account;
	const char *rule = jx_get_text(in, "rule"), *org = jx_get_text(in, "org");
	bool undo = json_is_true(json_object_get(in, "undo"));
	struct adoption a = { .who = who->name,
			      .why = jx_get_text(in, "reason"),
			      .undo = undo };
	struct rule_change c = { .who = who->name, .org = org, .rule = rule, .undo = undo };
	json_t *rows = NULL;
	size_t i;
	int r, failed = 0;

	if (!a.why)
		return err_set(err, ERR_USAGE, "adopt needs a reason");
	if (!!rule + !!json_array_size(accounts) + !!jx_get_text(in, "filter") +
		    json_is_string(json_object_get(in, "text")) !=
	    1)
		return err_set(err, ERR_USAGE,
			       "give accounts, --rule, --filter or --file: one of them");
	if (!rule && !json_array_size(accounts) && undo)
		return err_set(err, ERR_USAGE, "--undo takes accounts or --rule");
	if (!rule && !json_array_size(accounts))
		return bulk_adopt(app, who, in, out, err);
	if (rule)
		return change_rule(app, &c, out, err);
	r = jx_set(out, "accounts", rows = json_array(), err);
	json_array_foreach (accounts, i, account) {
		if (r == 0)
			r = adopt_one(app, org, json_string_value(account), &a, rows, &failed,
				      err);
	}
	if (r == 0 && failed)
		return err_set(err, ERR_REFUSED, "%d of %zu accounts were not %s", failed,
			       json_array_size(accounts), undo ? "disowned" : "adopted");
	return r;
}

/* --- doubts ----------------------------------------------------------------------------------
 */

struct doubts {
	json_t *rows;
	size_t limit;
	int64_t after;
	bool any;
};

static json_t *record_side(struct db *db, int64_t number, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct source_row source = { 0 };
	struct record row = { 0 };
	json_t *side = NULL;

	if (records_by_id(db, number, &row, err) != 0)
		return json_pack("{s:I,s:s}", "record", (json_int_t)number, "text",
				 "no longer there");
	if (sources_by_id(db, row.source, &source, err) == 0 &&
	    (!row.doc.len || jx_parse(row.doc, JX_LENIENT, &doc, err) == 0))
		side = json_pack("{s:I,s:s,s:s%,s:s%,s:o,s:o,s:b}", "record",
				 (json_int_t)number, "source", source.name, "key",
				 ASK_S(row.key), "userName", ASK_S(row.user_name),
				 "displayName", or_null(json_object_get(doc, "displayName")),
				 "email", or_null(first_mail(doc)), "active", row.active);
	source_row_done(&source);
	record_done(&row);
	return side;
}

static int account_side(void *ctx, const struct account_row *a, struct err *err)
{
	json_t **side = ctx;

	*side = json_pack("{s:s%,s:s%,s:s%,s:s}", "account_id", ASK_S(a->account_id), "email",
			  ASK_S(a->email), "name", ASK_S(a->name), "status",
			  account_status_word(a->status));
	return *side ? 0 : err_nomem(err);
}

/* Doubts are kept while the page is read, and looked up afterwards. */
static int doubt_note(void *ctx, const struct doubt *d, struct err *err)
{
	struct doubts *list = ctx;

	list->after = d->id;
	list->any = true;
	if (json_array_size(list->rows) >= list->limit)
		return 1;
	return jx_add(list->rows,
		      json_pack("{s:I,s:s,s:s,s:I,s:I,s:s%,s:s%,s:s%,s:o,s:o}", "doubt",
				(json_int_t)d->id, "kind",
				d->kind == DOUBT_ACCOUNT ? "account" : "records", "state",
				doubt_state_words[d->state], "left_number", (json_int_t)d->left,
				"right_number", (json_int_t)d->right, "rule", ASK_S(d->rule),
				"evidence", ASK_S(d->evidence), "who", ASK_S(d->who),
				"raised_ms", ask_ms(d->raised_ms), "decided_ms",
				ask_ms(d->decided_ms)),
		      err);
}

static int sides_add(struct db *db, json_t *row, struct err *err)
{
	int64_t left = json_integer_value(json_object_get(row, "left_number"));
	int64_t right = json_integer_value(json_object_get(row, "right_number"));
	bool account = !strcmp(jx_get_text(row, "kind"), "account");
	json_t *side = NULL;
	int r;

	r = jx_set(row, "left", record_side(db, left, err), err);
	if (r < 0)
		return r;
	if (!account)
		return jx_set(row, "right", record_side(db, right, err), err);
	r = accounts_get(db, right, account_side, &side, err);
	if (r < 0)
		return r;
	return jx_set(row, "right",
		      side ? side
			   : json_pack("{s:I,s:s}", "account", (json_int_t)right, "text",
				       "no longer there"),
		      err);
}

static int run_match_list(struct app *app, const struct who *who, const json_t *in, json_t *out,
			  struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	bool all = json_is_true(json_object_get(in, "all"));
	struct doubts list = { .limit = listing_limit(in) };
	json_t *row;
	size_t i;
	int r;

	(void)who;
	r = jx_set(out, "doubts", list.rows = json_array(), err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	do {
		list.any = false;
		if (r == 0)
			r = persons_doubts(db, all ? -1 : DOUBT_OPEN, list.after, DATA_PAGE,
					   doubt_note, &list, err);
	} while (r == 0 && list.any);
	if (r < 0)
		return r;
	r = 0;
	json_array_foreach (list.rows, i, row) {
		if (r == 0)
			r = sides_add(db, row, err);
	}
	return r;
}

struct doubt_decision {
	const char *who, *why;
	int64_t doubt;
	bool same;
};

static int write_decision(void *ctx, struct db *db, struct err *err)
{
	struct doubt_decision *d = ctx;
	int r = persons_doubt_decide(db, d->doubt, d->same, d->who, d->why, stamp_now_ms(),
				     err);

	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no open doubt %" PRId64, d->doubt);
	return r;
}

static int decide(struct app *app, const struct who *who, const json_t *in, json_t *out,
		  bool same, struct err *err)
{
	struct doubt_decision d = {
		.who = who->name,
		.why = jx_get_text(in, "reason"),
		.doubt = json_integer_value(json_object_get(in, "doubt")),
		.same = same,
	};
	int r;

	if (!d.why)
		return err_set(err, ERR_USAGE, "a doubt is decided with a reason");
	r = writer_call(app->writer, write_decision, &d, err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Doubt %" PRId64 ": %s.", d.doubt,
		       same ? "the same person; linked" : "two people; kept apart");
}

static int run_match_confirm(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	return decide(app, who, in, out, true, err);
}

static int run_match_refuse(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	return decide(app, who, in, out, false, err);
}

/* --- plans -----------------------------------------------------------------------------------
 */

#define PLANS_LIVE (1u << PLAN_OPEN | 1u << PLAN_APPROVED | 1u << PLAN_RUNNING)

static int plan_note(void *ctx, const struct plan_row *row, struct err *err)
{
	char digest[DIGEST_HEX_BYTES];

	digest_hex(&row->digest, digest);
	return jx_add(ctx,
		      json_pack("{s:I,s:s%,s:s%,s:s,s:s%,s:s,s:b,s:b,s:I,s:o,s:o}", "plan",
				(json_int_t)row->id, "org", ASK_S(row->org), "urgency",
				ASK_S(row->urgency), "state", plan_standing_words[row->state],
				"who", ASK_S(row->who), "digest", digest, "complete",
				row->complete, "held", row->held, "actions",
				(json_int_t)row->actions, "created_ms", ask_ms(row->created_ms),
				"expires_ms", ask_ms(row->expires_ms)),
		      err);
}

static int run_plans(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	bool all = json_is_true(json_object_get(in, "all"));
	const char *org = jx_get_text(in, "org");
	const struct config_org *known;
	json_t *rows = NULL;
	int r;

	(void)who;
	r = org ? ask_org(app, org, &known, err) : 0;
	if (r == 0)
		r = jx_set(out, "plans", rows = json_array(), err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r < 0)
		return r;
	return plans_list(db, org, all ? 0 : PLANS_LIVE, 0, listing_limit(in), plan_note, rows,
			  err);
}

/* --- the table -------------------------------------------------------------------------------
 */

const struct verb verbs_data[] = {
	{ "users", VERB_STORE, run_users },
	{ "groups", VERB_STORE, run_groups },
	{ "accounts", VERB_STORE, listing_accounts },
	{ "seats", VERB_STORE, listing_seats },
	{ "orphans", VERB_STORE, listing_orphans },
	{ "source.status", VERB_STORE, run_source_status },
	{ "source.accept", VERB_STORE, run_source_accept },
	{ "source.ready", VERB_STORE, run_source_ready },
	{ "source.retire", VERB_STORE, run_source_retire },
	{ "adopt", VERB_STORE, run_adopt },
	{ "match.list", VERB_STORE, run_match_list },
	{ "match.confirm", VERB_STORE, run_match_confirm },
	{ "match.refuse", VERB_STORE, run_match_refuse },
	{ "match.approve", VERB_STORE, run_match_approve },
	{ "plans", VERB_STORE, run_plans },
	{ 0 },
};
