/*
 * `leaverd export`, the daemon's side: one chunk of rows for each request, made of short read
 * transactions. Where the next chunk begins is told to the client and comes back with its next
 * request: nothing is kept here between two of them.
 */
#include "bridge/verb.h"

#include "base/digest.h"
#include "base/secret.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/export_chunk.h"
#include "bridge/listing.h"
#include "bridge/sealed.h"
#include "model/filter.h"
#include "store/accounts.h"
#include "store/find.h"
#include "store/sources.h"
#include "store/walk.h"

#define CHUNK_MOST (16u << 20) /* and never goes beyond this */
#define CHUNK_MS 1000
#define PAGE_ROWS 500

/* --- cells out of JSON -----------------------------------------------------------------------
 */

static void put_json(struct export_line *l, const json_t *value)
{
	if (json_is_string(value))
		export_text(l, str_n(json_string_value(value), json_string_length(value)));
	else if (json_is_integer(value))
		export_int(l, json_integer_value(value));
	else if (json_is_boolean(value))
		export_bool(l, json_is_true(value));
	else
		export_none(l);
}

static void put_member(struct export_line *l, const json_t *row, const char *name)
{
	put_json(l, json_object_get(row, name));
}

static void put_ms(struct export_line *l, int64_t ms)
{
	if (ms > 0)
		export_time(l, ms);
	else
		export_none(l);
}

static void put_ms_of(struct export_line *l, const json_t *row, const char *name)
{
	put_ms(l, json_integer_value(json_object_get(row, name)));
}

static void put_number(struct export_line *l, int64_t number)
{
	if (number)
		export_int(l, number);
	else
		export_none(l);
}

/* A text of words, or an array of texts. */
static void put_list(struct export_line *l, const json_t *value)
{
	if (json_is_string(value))
		export_words(l, str_n(json_string_value(value), json_string_length(value)));
	else
		export_json(l, value);
}

/* --- accounts and seats ----------------------------------------------------------------------
 */

static int account_row(void *ctx, const json_t *row, struct err *err)
{
	static const char *const texts[] = { "org",  "account", "account_id", "email",
					     "name", "type",    "class",      "status" };
	static const char *const answers[] = { "managed", "synced", "accepted", "admin",
					       "org_admin" };
	struct export_chunk *c = ctx;
	struct export_line *l = &c->line;
	int r;

	if (export_has_all(c))
		return 1;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		put_member(l, row, texts[i]);
	put_ms_of(l, row, "status_since_ms");
	for (size_t i = 0; i < COUNT_OF(answers); i++)
		put_member(l, row, answers[i]);
	put_list(l, json_object_get(row, "roles"));
	put_ms_of(l, row, "added_ms");
	put_ms_of(l, row, "last_active_ms");
	put_member(l, row, "never_active");
	put_member(l, row, "person");
	put_ms_of(l, row, "first_ms");
	r = export_row_done(c, err);
	return r < 0 ? r : c->full;
}

static int seat_row(void *ctx, const json_t *row, struct err *err)
{
	static const char *const texts[] = { "org",    "account", "account_id", "email", "name",
					     "person", "product", "site",       "added" };
	struct export_chunk *c = ctx;
	struct export_line *l = &c->line;
	int r;

	if (export_has_all(c))
		return 1;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		put_member(l, row, texts[i]);
	put_ms_of(l, row, "last_active_ms");
	put_member(l, row, "never_used");
	put_list(l, json_object_get(row, "paths"));
	r = export_row_done(c, err);
	return r < 0 ? r : c->full;
}

static int chunk_of_listing(struct export_chunk *c, bool seats, struct err *err)
{
	struct listing_place place = { (size_t)c->place, c->after, c->until_ms };
	int r = listing_walk(c->app, c->in, seats, &place, seats ? seat_row : account_row, c,
			     err);

	c->place = (int64_t)place.org;
	c->after = place.after;
	c->ended = place.org >= c->app->config.organisations.n;
	return r;
}

/* --- users and groups of sources -------------------------------------------------------------
 */

struct of_source {
	struct export_chunk *c;
	const char *source;
	bool groups, any;
};

static const json_t *mail_of(const json_t *doc)
{
	const json_t *mail, *best = NULL;
	size_t i;

	json_array_foreach (json_object_get(doc, "emails"), i, mail) {
		if (!best || json_is_true(json_object_get(mail, "primary")))
			best = json_object_get(mail, "value");
	}
	return best;
}

/* Whoever may not see ends that lie ahead must not see who has one: a row without an end looks
 * the same. */
static void put_ends(struct export_chunk *c, const json_t *doc)
{
	const json_t *employment = json_object_get(doc, SCHEMA_EMPLOYMENT);
	bool hide = !c->may_see_ends && sealed_ends(employment, c->now_ms);
	const json_t *last = hide ? NULL : json_object_get(employment, "lastWorkingDay");
	const json_t *end = hide ? NULL : json_object_get(employment, "terminationDate");
	struct export_line *l = &c->line;

	put_member(l, employment, "startDate");
	put_json(l, last);
	put_json(l, end);
	export_bool(l, !c->may_see_ends && !json_is_string(last) && !json_is_string(end));
}

static void put_user(struct of_source *s, const struct find_row *row, const json_t *doc,
		     int64_t person)
{
	const json_t *enterprise = json_object_get(doc, SCHEMA_ENTERPRISE);
	const json_t *name = json_object_get(doc, "name");
	const json_t *manager = json_object_get(enterprise, "manager");
	struct export_line *l = &s->c->line;

	export_text(l, str_of(s->source));
	export_text(l, row->key);
	put_number(l, person);
	put_member(l, doc, "userName");
	put_member(l, doc, "displayName");
	put_member(l, name, "givenName");
	put_member(l, name, "familyName");
	put_json(l, mail_of(doc));
	put_member(l, doc, "active");
	put_member(l, enterprise, "employeeNumber");
	put_member(l, enterprise, "department");
	put_json(l, json_is_object(manager) ? json_object_get(manager, "value") : manager);
	put_ends(s->c, doc);
	export_int(l, row->version);
	put_ms(l, row->created_ms);
	put_ms(l, row->modified_ms);
}

static void put_group(struct of_source *s, const struct find_row *row, const json_t *doc,
		      int64_t members)
{
	struct export_line *l = &s->c->line;

	export_text(l, str_of(s->source));
	export_text(l, row->key);
	put_member(l, doc, "displayName");
	put_member(l, doc, "externalId");
	export_int(l, members);
	export_int(l, row->version);
	put_ms(l, row->created_ms);
	put_ms(l, row->modified_ms);
}

static int record_row(void *ctx, const struct find_row *row, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct of_source *s = ctx;
	int64_t beside = 0;
	int r;

	s->c->after = row->id;
	s->any = true;
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0)
		return err_context(err, r, "record " STR_FMT " of source %s", STR_ARG(row->key),
				   s->source);
	r = store_read_begin(s->c->app->store, &db, err);
	if (r == 0)
		r = s->groups ? walk_group_members(db, row->id, &beside, err)
			      : walk_record_person(db, row->id, &beside, err);
	if (r < 0)
		return r;
	if (s->groups)
		put_group(s, row, doc, beside);
	else
		put_user(s, row, doc, beside);
	return export_row_done(s->c, err);
}

/* Above zero: the source was never used. */
static int source_number(struct export_chunk *c, const char *name, int64_t *ret,
			 struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(source_row_done) struct source_row row = { 0 };
	int r;

	r = store_read_begin(c->app->store, &db, err);
	if (r == 0)
		r = sources_get(db, name, &row, err);
	*ret = row.id;
	return r;
}

static int pages_of_source(struct of_source *s, struct err *err)
{
	struct export_chunk *c = s->c;
	int64_t source, reached = 0;
	struct find find = {
		.types = s->groups ? FIND_GROUPS : FIND_USERS,
		.where = c->query,
		.now_ms = c->now_ms,
		.pause_ms = c->until_ms,
		.reached = &reached,
	};
	bool more = true;
	int r = source_number(c, s->source, &source, err);

	if (r > 0)
		more = false;
	while (r == 0 && more && !c->full) {
		if (verb_cancelled(c->app))
			return err_set(err, ERR_CANCELLED, "the export was interrupted");
		find.after = c->after;
		find.count = PAGE_ROWS;
		if (c->left >= 0 && c->left - c->rows < PAGE_ROWS)
			find.count = (uint64_t)(c->left - c->rows);
		s->any = more = false;
		r = find_run(c->app->store, source, &find, NULL, &more, record_row, s, err);
		more = more && (s->any || reached);
		if (reached) {
			c->after = reached;
			export_look_at_time(c);
		}
	}
	if (r >= 0 && !more) {
		c->place++;
		c->after = 0;
	}
	return r < 0 ? r : 0;
}

static int chunk_of_records(struct export_chunk *c, bool groups, struct err *err)
{
	const char *only = jx_get_text(c->in, "source");
	const struct config *config = &c->app->config;
	const struct config_source *source;
	int r = only ? ask_source(c->app, only, &source, err) : 0;

	while (r == 0 && !c->full && (size_t)c->place < config->sources.n) {
		const char *name = config_source_at(config, (size_t)c->place)->name;
		struct of_source s = { .c = c, .source = name, .groups = groups };

		if (!only || !strcmp(only, name)) {
			r = pages_of_source(&s, err);
		} else {
			c->place++;
			c->after = 0;
		}
	}
	c->ended = (size_t)c->place >= config->sources.n;
	return r;
}

/* A filter by the names of columns: one that is none would find nothing, and look like an
 * answer.
 */
static int is_column(void *ctx, struct path *path, struct err *err)
{
	const struct export_kind *kind = ctx;
	const struct export_column *c = kind->columns;
	char *name;

	while (c->name && (!path->name || path->sub || path->urn ||
			   !str_ieq(str_of(path->name), str_of(c->name))))
		c++;
	if (!c->name)
		return err_set(
			err, ERR_INVALID_FILTER,
			"byte %zu: %s have no such column (leaverd-report(7) names them)",
			path->at, kind->name);
	name = str_dup(str_of(c->name)); /* as the rows spell it */
	if (!name)
		return err_nomem(err);
	free(path->name);
	path->name = name;
	return 0;
}

static int read_filter(struct export_chunk *c, enum path_dialect dialect, struct err *err)
{
	const char *text = jx_get_text(c->in, "filter");
	int r;

	if (!text)
		return 0;
	r = filter_parse(str_of(text), dialect, &c->query, err);
	if (r == 0 && !c->may_see_ends)
		r = sealed_filter(c->query, err);
	if (r == 0 && dialect == PATH_COLUMNS)
		r = query_each_path(c->query, is_column, (void *)c->kind, err);
	return r < 0 ? err_context(err, r, "--filter") : 0;
}

/* --- plans and actions -----------------------------------------------------------------------
 */

static int text_of_ms(json_t *row, const char *name, int64_t ms, struct err *err)
{
	char text[STAMP_TEXT_BYTES];

	if (ms <= 0)
		return 0;
	stamp_text(ms, text);
	return jx_set(row, name, json_string(text), err);
}

/* The row of a plan as a filter sees it: names of the columns. */
static int plan_seen(const struct plan_row *p, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *row = NULL;
	char hex[DIGEST_HEX_BYTES];
	int r;

	digest_hex(&p->digest, hex);
	row = json_pack("{s:I,s:s%,s:s%,s:s,s:b,s:b,s:I,s:s%,s:I,s:s}", "plan",
			(json_int_t)p->id, "org", ASK_S(p->org), "urgency", ASK_S(p->urgency),
			"state", plan_standing_words[p->state], "complete", p->complete, "held",
			p->held, "actions", (json_int_t)p->actions, "who", ASK_S(p->who),
			"supersededBy", (json_int_t)p->superseded_by, "digest", hex);
	if (!row)
		return err_nomem(err);
	r = text_of_ms(row, "createdAt", p->created_ms, err);
	if (r == 0)
		r = text_of_ms(row, "expiresAt", p->expires_ms, err);
	if (r == 0)
		r = text_of_ms(row, "stateAt", p->state_ms, err);
	if (r == 0)
		*ret = TAKE(row);
	return r;
}

struct plan_page {
	struct export_chunk *c;
	bool any;
};

static int plan_line(void *ctx, const struct plan_row *p, struct err *err)
{
	CLEANUP(json_decref_at) json_t *seen = NULL;
	struct plan_page *page = ctx;
	struct export_chunk *c = page->c;
	struct export_line *l = &c->line;
	char hex[DIGEST_HEX_BYTES];
	int r = 0;

	if (c->full)
		return 1;
	page->any = true;
	c->after = p->id;
	export_look_at_time(c);
	if (c->query)
		r = plan_seen(p, &seen, err);
	if (r < 0 || !export_matches(c, seen))
		return r;
	export_int(l, p->id);
	export_text(l, p->org);
	export_text(l, p->urgency);
	export_text(l, str_of(plan_standing_words[p->state]));
	export_bool(l, p->complete);
	export_bool(l, p->held);
	export_int(l, p->actions);
	put_ms(l, p->created_ms);
	put_ms(l, p->expires_ms);
	put_ms(l, p->state_ms);
	put_number(l, p->superseded_by);
	export_text(l, p->who);
	digest_hex(&p->digest, hex);
	export_text(l, str_of(hex));
	return export_row_done(c, err);
}

static int chunk_of_plans(struct export_chunk *c, struct err *err)
{
	const char *only = jx_get_text(c->in, "org");
	struct plan_page page = { .c = c, .any = true };
	int r = 0;

	while (r >= 0 && page.any && !c->full) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(c->app))
			return err_set(err, ERR_CANCELLED, "the export was interrupted");
		page.any = false;
		r = store_read_begin(c->app->store, &db, err);
		if (r == 0)
			r = plans_list(db, only, 0, c->after, PAGE_ROWS, plan_line, &page, err);
	}
	c->ended = !page.any;
	return r < 0 ? r : 0;
}

/* Actions of one plan, as long as the chunk takes some. */
struct action_page {
	struct export_chunk *c;
	const struct plan_row *plan;
	bool any;
};

static int action_seen(const struct plan_row *p, const struct action_row *a,
		       const json_t *values, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *row = NULL;
	int r;

	row = json_pack(
		"{s:I,s:I,s:s%,s:s%,s:s,s:s%,s:s%,s:s%,s:I,s:I,s:s%,s:s%,s:b,s:b,s:s,s:s%,s:b,"
		"s:O*,s:O*,s:O*}",
		"plan", (json_int_t)p->id, "n", (json_int_t)a->n, "org", ASK_S(p->org),
		"urgency", ASK_S(p->urgency), "planState", plan_standing_words[p->state],
		"kind", ASK_S(a->kind), "rule", ASK_S(a->rule), "class", ASK_S(a->class_),
		"person", (json_int_t)a->person, "account", (json_int_t)a->account, "product",
		ASK_S(a->product), "site", ASK_S(a->site), "held", a->held, "automatic",
		a->automatic, "state", action_state_words[a->state], "result", ASK_S(a->result),
		"sealed", 0, "accountId", json_object_get(values, "account_id"), "email",
		json_object_get(values, "email"), "name", json_object_get(values, "name"));
	if (!row)
		return err_nomem(err);
	r = text_of_ms(row, "dueAt", a->due_ms, err);
	if (r == 0)
		r = text_of_ms(row, "stateAt", a->state_ms, err);
	if (r == 0)
		*ret = TAKE(row);
	return r;
}

static void put_action(struct export_chunk *c, const struct plan_row *p,
		       const struct action_row *a, const json_t *values, bool sealed)
{
	static const char *const names[] = { "account_id", "email", "name" };
	struct export_line *l = &c->line;

	export_int(l, p->id);
	export_int(l, a->n);
	export_text(l, p->org);
	export_text(l, p->urgency);
	export_text(l, str_of(plan_standing_words[p->state]));
	export_text(l, a->kind);
	export_text(l, a->rule);
	export_text(l, a->class_);
	put_number(l, sealed ? 0 : a->person);
	put_number(l, sealed ? 0 : a->account);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		put_json(l, sealed ? NULL : json_object_get(values, names[i]));
	export_text(l, a->product);
	export_text(l, a->site);
	put_ms(l, a->due_ms);
	export_bool(l, a->held);
	export_bool(l, a->automatic);
	export_text(l, str_of(action_state_words[a->state]));
	put_ms(l, a->state_ms);
	export_text(l, a->result);
	export_bool(l, sealed);
	c->hidden += sealed;
}

static int action_line(void *ctx, const struct action_row *a, struct str text, struct str salt,
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *values = NULL;
	CLEANUP(json_decref_at) json_t *seen = NULL;
	struct action_page *page = ctx;
	struct export_chunk *c = page->c;
	bool sealed = !c->may_see_ends && sealed_action(a, c->now_ms);
	int r = 0;

	(void)salt;
	if (c->full)
		return 1;
	page->any = true;
	c->after2 = a->n;
	export_look_at_time(c);
	if (text.len && !sealed)
		r = jx_parse(text, JX_LENIENT, &values, err);
	if (r == 0 && c->query)
		r = action_seen(page->plan, a, values, &seen, err);
	if (r < 0 || (c->query && sealed) || !export_matches(c, seen))
		return r;
	put_action(c, page->plan, a, values, sealed);
	return export_row_done(c, err);
}

static int actions_of_plan(void *ctx, const struct plan_row *p, struct err *err)
{
	struct action_page page = { .c = ctx, .plan = p, .any = true };
	struct export_chunk *c = ctx;
	int r = 0;

	c->after = p->id + 1; /* this plan again, whatever newer ones there are by then */
	while (r >= 0 && page.any && !c->full) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		page.any = false;
		r = store_read_begin(c->app->store, &db, err);
		if (r == 0)
			r = walk_actions(db, p->id, c->after2, PAGE_ROWS, action_line, &page,
					 err);
	}
	if (r < 0)
		return r;
	if (!page.any) { /* through with this plan */
		c->after = p->id;
		c->after2 = 0;
	}
	return 1;
}

static int chunk_of_actions(struct export_chunk *c, struct err *err)
{
	const char *only = jx_get_text(c->in, "org");
	int r = 0;

	while (r >= 0 && !c->ended && !c->full) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		if (verb_cancelled(c->app))
			return err_set(err, ERR_CANCELLED, "the export was interrupted");
		r = store_read_begin(c->app->store, &db, err);
		if (r == 0)
			r = plans_list(db, only, 0, c->after, 1, actions_of_plan, c, err);
		c->ended = r == 0; /* no older plan */
	}
	return r < 0 ? r : 0;
}

/* --- the verb --------------------------------------------------------------------------------
 */

static int make_chunk(struct export_chunk *c, struct err *err)
{
	const char *name = c->kind->name;
	int r;

	if (!strcmp(name, "accounts") || !strcmp(name, "seats"))
		return chunk_of_listing(c, *name == 's', err);
	if (!strcmp(name, "org-groups")) {
		r = read_filter(c, PATH_COLUMNS, err);
		return r < 0 ? r : export_org_groups(c, err);
	}
	if (!strcmp(name, "users") || !strcmp(name, "groups")) {
		r = read_filter(c, *name == 'g' ? PATH_SCIM_GROUP : PATH_SCIM_USER, err);
		return r < 0 ? r : chunk_of_records(c, *name == 'g', err);
	}
	r = read_filter(c, PATH_COLUMNS, err);
	if (r < 0)
		return r;
	return *name == 'p' ? chunk_of_plans(c, err) : chunk_of_actions(c, err);
}

/* A place is told with a tag: who makes one up would have rows of which the chain knows
 * nothing, neither that they were begun nor how many. */
static int place_tag(const struct export_chunk *c, const struct who *who, int64_t rows,
		     char ret[DIGEST_HEX_BYTES], struct err *err)
{
	const struct store_keys *keys = store_keys(c->app->store);
	struct secret key = { 0 };
	struct buf text;
	struct digest d;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET,
			       "the vault is not open: what is exported cannot be noted");
	buf_init(&text, 4096);
	buf_addf(&text, "%s\n%s\n%lld %lld %lld %lld", who->name, c->kind->name,
		 (long long)c->place, (long long)c->after, (long long)c->after2,
		 (long long)rows);
	digest_of(&d, &keys->head_seed, STR("leaverd export place 1"));
	r = buf_fault(&text, err, "a place in an export");
	if (r == 0)
		r = secret_set(&key, d.b, sizeof(d.b), err);
	if (r == 0)
		digest_of(&d, &key, buf_str(&text));
	digest_hex(&d, ret);
	secret_wipe(&d, sizeof(d));
	secret_done(&key);
	buf_done(&text);
	return r;
}

static int check_place(const struct export_chunk *c, const struct who *who, struct err *err)
{
	const json_t *place = json_object_get(c->in, "place");
	const char *said = json_string_value(json_array_get(place, 3));
	char tag[DIGEST_HEX_BYTES];
	int r;

	if (!place)
		return 0;
	r = place_tag(c, who, json_integer_value(json_object_get(c->in, "rows")), tag, err);
	if (r == 0 && (!said || strcmp(said, tag) != 0))
		r = err_set(err, ERR_USAGE, "place: not one that was told");
	return r;
}

static int read_request(struct export_chunk *c, enum export_form *form, struct err *err)
{
	const json_t *place = json_object_get(c->in, "place"),
		     *limit = json_object_get(c->in, "limit");

	c->kind = export_kind_of(str_of(jx_get_text(c->in, "what")));
	if (!c->kind || !export_form_of(str_of(jx_get_text(c->in, "format")), form))
		return err_set(err, ERR_USAGE,
			       "this leaverd does not export that: the command is of another "
			       "version");
	c->place = json_integer_value(json_array_get(place, 0));
	c->after = json_integer_value(json_array_get(place, 1));
	c->after2 = json_integer_value(json_array_get(place, 2));
	c->left = json_integer_value(limit) > 0 ? json_integer_value(limit) : -1;
	return 0;
}

/* When each organisation was read, for whoever dates the file. */
static int reads_out(struct app *app, json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *reads;
	int r = jx_set(out, "as_of", reads = json_array(), err);

	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		CLEANUP(org_row_done) struct org_row row = { 0 };

		r = accounts_org_get(db, config_org_at(&app->config, i)->name, &row, err);
		if (r == 0)
			r = jx_add(reads,
				   json_pack("{s:s,s:I,s:b,s:o}", "org",
					     config_org_at(&app->config, i)->name, "generation",
					     (json_int_t)row.generation, "complete",
					     row.complete, "ended_ms", ask_ms(row.ended_ms)),
				   err);
	}
	return r;
}

/* Who exported how much of what stands in the chain: at the first chunk before a row goes out,
 * and at the last with the count. */
static int note(struct export_chunk *c, const struct who *who, struct err *err)
{
	int64_t before = json_integer_value(json_object_get(c->in, "rows"));
	bool first = !json_object_get(c->in, "place");
	char what[40];
	int r = 0;

	if (first) {
		snprintf(what, sizeof(what), "export %s begun", c->kind->name);
		r = ask_note_read(c->app, who, what, 1, err);
	}
	snprintf(what, sizeof(what), "export %s", c->kind->name);
	if (r == 0 && c->ended)
		r = ask_note_read(c->app, who, what, before + c->rows, err);
	return r;
}

static int answer(struct export_chunk *c, const struct who *who, json_t *out, struct err *err)
{
	int64_t before = json_integer_value(json_object_get(c->in, "rows"));
	char tag[DIGEST_HEX_BYTES];
	int r = place_tag(c, who, before + c->rows, tag, err);

	if (r == 0)
		r = jx_set(out, "text", json_stringn(c->text.p ? c->text.p : "", c->text.len),
			   err);
	if (r == 0)
		r = jx_set(out, "rows", json_integer(c->rows), err);
	if (r == 0)
		r = jx_set(out, "sealed", json_integer(c->hidden), err);
	if (r == 0)
		r = jx_set(out, "place",
			   c->ended ? json_null()
				    : json_pack("[I,I,I,s]", (json_int_t)c->place,
						(json_int_t)c->after, (json_int_t)c->after2,
						tag),
			   err);
	return r < 0 ? r : reads_out(c->app, out, err);
}

static int run_export(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	struct export_chunk c = { .app = app, .in = in, .now_ms = stamp_now_ms() };
	enum export_form form = EXPORT_CSV;
	int r;

	buf_init(&c.text, CHUNK_MOST);
	c.until_ms = stamp_mono_ms() + CHUNK_MS;
	r = read_request(&c, &form, err);
	if (r == 0)
		r = check_place(&c, who, err);
	if (r == 0)
		r = sealed_may_see(app, in, &c.may_see_ends, err);
	if (r == 0) {
		export_begin(&c.line, form, c.kind->columns, &c.text);
		if (!json_object_get(in, "place"))
			export_head(form, c.kind->columns,
				    json_is_true(json_object_get(in, "bom")), &c.text);
		r = make_chunk(&c, err);
	}
	if (r >= 0 && export_has_all(&c))
		c.ended = true;
	if (r >= 0)
		r = note(&c, who, err);
	if (r == 0)
		r = answer(&c, who, out, err);
	query_free(c.query);
	buf_done(&c.text);
	return r;
}

const struct verb verbs_export[] = {
	{ "export", VERB_STORE, run_export },
	{ NULL, 0, NULL },
};
