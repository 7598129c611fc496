#include "bridge/listing.h"

#include "base/map.h"
#include "base/stamp.h"
#include "bridge/ask.h"
#include "model/filter.h"
#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/store.h"

#define LISTING_PAGE 200 /* accounts in one read transaction */

/*
 * Each account becomes two documents: `doc` under the names of the policy dialect (what filters
 * see; a name that is not known is not there) and `row`, what is answered. Seats and groups are
 * read only where the filter or the answer asks for them.
 */

/* A number's name: a product or a group of the organisation. */
struct named {
	int64_t id;
	char *key, *site;
	UT_hash_handle hh;
};

struct listing {
	struct app *app;
	const struct config_org *org;
	int64_t org_id, after;
	struct named *products, *groups;
	struct named *doubted; /* accounts that may be somebody's: no orphans */
	struct query *query;
	bool with_groups, with_seats;
	bool seat_rows, orphans_only; /* what is listed */
	bool unlinked;                /* with orphans: accounts of other domains, too */
	size_t limit;
	int64_t now_ms, matched, looked_at;
	json_t *page; /* of {doc, row} while a page is read */
	json_t *rows; /* borrowed from the answer */
	bool truncated;
	listing_fn walk; /* who gets the rows instead; NULL: the answer */
	void *walk_ctx;
	bool enough; /* it said */
};

size_t listing_limit(const json_t *in)
{
	const json_t *limit = json_object_get(in, "limit");

	if (!json_is_integer(limit) || json_integer_value(limit) < 0)
		return LISTING_LIMIT;
	return json_integer_value(limit) ? (size_t)json_integer_value(limit) : SIZE_MAX;
}

/* --- names -----------------------------------------------------------------------------------
 */

static void named_free(struct named **all)
{
	struct named *n, *next;

	HASH_ITER (hh, *all, n, next) {
		HASH_DEL(*all, n);
		free(n->key);
		free(n->site);
		free(n);
	}
}

static int named_add(struct named **all, int64_t id, struct str key, struct str site,
		     struct err *err)
{
	struct named *n = calloc(1, sizeof(*n));

	if (!n)
		return err_nomem(err);
	n->id = id;
	n->key = str_dup(key);
	n->site = str_dup(site);
	if (n->key && n->site)
		HASH_ADD(hh, *all, id, sizeof(n->id), n);
	if (!n->key || !n->site || !MAP_ADDED(n)) {
		free(n->key);
		free(n->site);
		free(n);
		return err_nomem(err);
	}
	return 0;
}

static const struct named *named_find(struct named *all, int64_t id)
{
	struct named *n;

	HASH_FIND(hh, all, &id, sizeof(id), n);
	return n;
}

static int product_add(void *ctx, const struct product_row *row, struct err *err)
{
	struct listing *l = ctx;

	return named_add(&l->products, row->id, row->key, row->site, err);
}

static int group_add(void *ctx, const struct org_group_row *row, struct err *err)
{
	struct listing *l = ctx;

	return named_add(&l->groups, row->id, row->name, STR(""), err);
}

struct doubt_page {
	struct listing *l;
	int64_t last;
	bool any;
};

static int doubt_add(void *ctx, const struct doubt *d, struct err *err)
{
	struct doubt_page *p = ctx;

	p->last = d->id;
	p->any = true;
	if (d->kind != DOUBT_ACCOUNT || named_find(p->l->doubted, d->right))
		return 0;
	return named_add(&p->l->doubted, d->right, STR(""), STR(""), err);
}

static int doubts_read(struct listing *l, struct db *db, struct err *err)
{
	struct doubt_page p = { .l = l };
	int r;

	do {
		p.any = false;
		r = persons_doubts(db, DOUBT_OPEN, p.last, LISTING_PAGE, doubt_add, &p, err);
	} while (r == 0 && p.any);
	return r;
}

static int names_read(struct listing *l, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	r = store_read_begin(l->app->store, &db, err);
	if (r == 0)
		r = accounts_products(db, l->org_id, product_add, l, err);
	if (r == 0 && l->with_groups)
		r = accounts_groups(db, l->org_id, group_add, l, err);
	if (r == 0 && l->orphans_only)
		r = doubts_read(l, db, err);
	return r;
}

static void names_forget(struct listing *l)
{
	named_free(&l->products);
	named_free(&l->groups);
	named_free(&l->doubted);
}

/* --- documents -------------------------------------------------------------------------------
 */

static int put_time(json_t *doc, const char *name, int64_t ms, struct err *err)
{
	char text[STAMP_TEXT_BYTES];

	if (ms == FACT_UNKNOWN || ms == FACT_ABSENT)
		return 0;
	stamp_text(ms, text);
	return jx_set(doc, name, json_string(text), err);
}

static int put_text(json_t *doc, const char *name, struct str text, struct err *err)
{
	return text.len ? jx_set(doc, name, json_stringn(text.p, text.len), err) : 0;
}

static int put_tri(json_t *doc, const char *name, enum tri value, struct err *err)
{
	return value == TRI_UNKNOWN ? 0
				    : jx_set(doc, name, json_boolean(value == TRI_YES), err);
}

static int put_words(json_t *doc, const char *name, struct str words, struct err *err)
{
	json_t *array;
	struct str word;
	int r;

	if (!words.len)
		return 0;
	r = jx_set(doc, name, array = json_array(), err);
	while (r == 0 && words.len) {
		str_cut(words, ' ', &word, &words);
		r = jx_add(array, json_stringn(word.p, word.len), err);
	}
	return r;
}

/* Atlassian's three words about an account, out of our one. */
static const struct {
	const char *account, *membership;
} told[ACCOUNT_STATUS_COUNT] = {
	[ACCOUNT_ACTIVE] = { "active", "active" },
	[ACCOUNT_SUSPENDED] = { "active", "suspended" },
	[ACCOUNT_NOT_INVITED] = { "active", "pending" },
	[ACCOUNT_DEACTIVATED] = { "inactive", NULL },
	[ACCOUNT_DELETING] = { "closed", NULL },
};

static int put_status(json_t *doc, const struct account_row *a, struct err *err)
{
	int r = 0;

	if (a->status == ACCOUNT_UNKNOWN)
		return 0;
	r = put_text(doc, "status", str_of(account_status_word(a->status)), err);
	if (r == 0)
		r = put_text(doc, "accountStatus", str_of(told[a->status].account), err);
	if (r == 0)
		r = put_text(doc, "membershipStatus", str_of(told[a->status].membership), err);
	return r;
}

static int doc_of(const struct account_row *a, json_t *doc, struct err *err)
{
	int r;

	r = put_text(doc, "accountId", a->account_id, err);
	if (r == 0)
		r = put_text(doc, "email", a->email, err);
	if (r == 0)
		r = put_text(doc, "name", a->name, err);
	if (r == 0 && a->type != ACCOUNT_TYPE_UNKNOWN)
		r = put_text(doc, "accountType", str_of(account_type_word(a->type)), err);
	if (r == 0)
		r = put_status(doc, a, err);
	if (r == 0 && a->managed != TRI_UNKNOWN)
		r = put_text(doc, "claimStatus",
			     a->managed == TRI_YES ? STR("managed") : STR("unmanaged"), err);
	if (r == 0)
		r = put_tri(doc, "admin", a->admin, err);
	if (r == 0)
		r = put_time(doc, "addedToOrg", a->added_ms, err);
	if (r == 0)
		r = put_time(doc, "lastActive", a->last_active_ms, err);
	return r < 0 ? r : put_words(doc, "platformRoles", a->roles, err);
}

/* For answers: unknown and absent times are null. */
static json_t *answer_ms(int64_t ms)
{
	return ms == FACT_UNKNOWN || ms == FACT_ABSENT ? json_null() : json_integer(ms);
}

static json_t *answer_tri(enum tri value)
{
	return value == TRI_UNKNOWN ? json_null() : json_boolean(value == TRI_YES);
}

/* A person's kind of account that no person seems to use, and a program does. */
static json_t *suspect_of(const struct account_row *a)
{
	char day[STAMP_TEXT_BYTES];

	if (a->type != ACCOUNT_PERSON || a->last_active_ms != FACT_ABSENT ||
	    a->token_active_ms == FACT_ABSENT || a->token_active_ms == FACT_UNKNOWN)
		return json_null();
	stamp_text(a->token_active_ms, day);
	return json_sprintf("suspected service account: nobody ever used it, but its API "
			    "tokens are in use, last on %.10s; ask who owns it, then adopt it "
			    "by its id, or protect it",
			    day);
}

static json_t *row_of(const struct listing *l, const struct account_row *a)
{
	enum account_class class =
		account_class_of(a->type, a->managed, a->synced, a->can_disable);

	return json_pack("{s:s,s:s%,s:I,s:s%,s:s%,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,"
			 "s:o,s:o,s:o,s:o,s:o,s:s%,s:o,s:s%,s:b,s:o}",
			 "org", l->org->name, "account_id", ASK_S(a->account_id), "account",
			 (json_int_t)a->id, "email", ASK_S(a->email), "name", ASK_S(a->name),
			 "status", account_status_word(a->status), "type",
			 account_type_word(a->type), "class", account_class_word(class),
			 "admin", answer_tri(a->admin), "last_active_ms",
			 answer_ms(a->last_active_ms), "never_active",
			 json_boolean(a->last_active_ms == FACT_ABSENT), "added_ms",
			 answer_ms(a->added_ms), "person",
			 a->person ? json_integer(a->person) : json_null(), "managed",
			 answer_tri(a->managed), "synced", answer_tri(a->synced), "accepted",
			 answer_tri(a->accepted), "org_admin", answer_tri(a->org_admin),
			 "status_since_ms", answer_ms(a->status_since_ms), "roles",
			 ASK_S(a->roles), "first_ms", answer_ms(a->first_ms), "linked_by",
			 ASK_S(a->linked_by), "adopted", a->adopted, "suspect", suspect_of(a));
}

/* --- one page --------------------------------------------------------------------------------
 */

/* As reconcile sees them: managed, a person's kind of account, and explained by nobody. */
static bool is_orphan(const struct listing *l, const struct account_row *a)
{
	return !a->person && (a->managed == TRI_YES || l->unlinked) &&
	       a->type == ACCOUNT_PERSON && !named_find(l->doubted, a->id);
}

static int account_note(void *ctx, const struct account_row *a, struct err *err)
{
	struct listing *l = ctx;
	json_t *pair = NULL, *doc = NULL;
	int r;

	l->after = a->id;
	l->looked_at++;
	if (l->orphans_only && !is_orphan(l, a))
		return 0;
	r = jx_add(l->page, pair = json_object(), err);
	if (r == 0)
		r = jx_set(pair, "row", row_of(l, a), err);
	if (r == 0)
		r = jx_set(pair, "doc", doc = json_object(), err);
	return r < 0 ? r : doc_of(a, doc, err);
}

struct into {
	struct listing *l;
	struct db *db;
	json_t *array;
	int64_t account;
};

static int membership_note(void *ctx, uint32_t group, uint32_t account, struct err *err)
{
	struct into *i = ctx;
	const struct named *n = named_find(i->l->groups, group);

	(void)account;
	return n ? jx_add(i->array, json_string(n->key), err) : 0;
}

static int groups_read(struct listing *l, struct db *db, json_t *doc, int64_t account,
		       struct err *err)
{
	struct into i = { .l = l };
	int r = jx_set(doc, "groups", i.array = json_array(), err);

	return r < 0 ? r : accounts_groups_of(db, account, membership_note, &i, err);
}

static int path_note(void *ctx, const struct org_group_row *group,
		     const struct grant_row *grant, const struct role_row *role,
		     struct err *err)
{
	json_t *paths = ctx;

	(void)grant;
	if (group)
		return jx_add(paths, json_sprintf("group " STR_FMT, STR_ARG(group->name)), err);
	return jx_add(paths,
		      json_sprintf("%s " STR_FMT, role->inferred ? "implied role" : "role",
				   STR_ARG(role->role)),
		      err);
}

static int seat_note(void *ctx, const struct seat_row *row, struct err *err)
{
	struct into *i = ctx;
	const struct named *n = named_find(i->l->products, row->product);
	json_t *seat;
	int r;

	if (!n)
		return 0;
	r = jx_add(i->array,
		   seat = json_pack("{s:I,s:s,s:s,s:o}", "number", (json_int_t)row->product,
				    "product", n->key, "site", n->site, "never_used",
				    json_boolean(row->last_active_ms == FACT_ABSENT)),
		   err);
	if (r == 0)
		r = put_time(seat, "lastActive", row->last_active_ms, err);
	if (r == 0)
		r = put_time(seat, "added", row->added_ms, err);
	if (r == 0)
		r = jx_set(seat, "last_active_ms", answer_ms(row->last_active_ms), err);
	return r;
}

static int seats_read(struct listing *l, struct db *db, json_t *doc, int64_t account,
		      struct err *err)
{
	struct into i = { .l = l, .db = db, .account = account };
	json_t *seat, *paths;
	size_t at;
	int r;

	r = jx_set(doc, "seats", i.array = json_array(), err);
	if (r == 0)
		r = accounts_seats(db, account, seat_note, &i, err);
	json_array_foreach (i.array, at, seat) {
		if (r < 0)
			return r;
		r = jx_set(seat, "paths", paths = json_array(), err);
		if (r == 0)
			r = accounts_seat_paths(
				db, account,
				json_integer_value(json_object_get(seat, "number")), path_note,
				paths, err);
	}
	return r;
}

static int page_read(struct listing *l, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *pair;
	size_t at;
	int r;

	r = store_read_begin(l->app->store, &db, err);
	if (r == 0)
		r = accounts_page(db, l->org_id, l->after, LISTING_PAGE, account_note, l, err);
	json_array_foreach (l->page, at, pair) {
		json_t *doc = json_object_get(pair, "doc");
		int64_t account = json_integer_value(
			json_object_get(json_object_get(pair, "row"), "account"));

		if (r == 0 && l->with_groups)
			r = groups_read(l, db, doc, account, err);
		if (r == 0 && l->with_seats)
			r = seats_read(l, db, doc, account, err);
	}
	return r;
}

/* --- the filter ------------------------------------------------------------------------------
 */

/*
 * Paths may lead from a seat to its account; what a list does not know is unknown. The reader
 * of documents knows no owners, so it is shown the path as if it began at the document.
 */
struct seen {
	struct query_node node;
	struct path path; /* its texts are borrowed */
};

static struct seen seen_from(void *ctx, struct query_node node, const struct path *path)
{
	struct seen s = { node, *path };

	if (path->owner == PATH_ACCOUNT)
		s.node.p = ctx;
	s.path.owner = PATH_OWN;
	return s;
}

static enum value_state list_count(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const struct seen s = seen_from(ctx, node, path);

	if (path->owner == PATH_PERSON)
		return VALUE_UNKNOWN;
	return query_json_reader.count(NULL, s.node, &s.path, count);
}

static void list_value(void *ctx, struct query_node node, const struct path *path, size_t i,
		       struct value *ret, bool *folded)
{
	const struct seen s = seen_from(ctx, node, path);

	query_json_reader.value(NULL, s.node, &s.path, i, ret, folded);
}

static enum value_state list_parts(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const struct seen s = seen_from(ctx, node, path);

	if (path->owner == PATH_PERSON)
		return VALUE_UNKNOWN;
	return query_json_reader.parts(NULL, s.node, &s.path, count);
}

static struct query_node list_part(void *ctx, struct query_node node, const struct path *path,
				   size_t i)
{
	const struct seen s = seen_from(ctx, node, path);

	return query_json_reader.part(NULL, s.node, &s.path, i);
}

static const struct query_reader list_reader = { list_count, list_value, list_parts,
						 list_part };

static bool matches(const struct listing *l, const json_t *account, const json_t *subject)
{
	struct query_node node = { .p = subject };

	return !l->query || query_eval(l->query, &list_reader, (void *)(uintptr_t)account, node,
				       QUERY_POLICY, l->now_ms) == TRUTH_TRUE;
}

/* What the filter names decides what is read. */
static int path_wants(void *ctx, struct path *path, struct err *err)
{
	struct listing *l = ctx;

	if (path->owner == PATH_PERSON)
		return err_set(err, ERR_INVALID_FILTER,
			       "byte %zu: a list of accounts cannot look at the person: use "
			       "'leaverd why' for one, or a rule of the policy",
			       path->at);
	if (path->name && !strcmp(path->name, "groups"))
		l->with_groups = true;
	if (path->name && !strcmp(path->name, "seats"))
		l->with_seats = true;
	return 0;
}

static int filter_read(struct listing *l, const json_t *in, struct err *err)
{
	const char *text = jx_get_text(in, "filter");
	int r;

	if (!text)
		return 0;
	r = filter_parse(str_of(text), l->seat_rows ? PATH_POLICY_SEAT : PATH_POLICY_ACCOUNT,
			 &l->query, err);
	if (r < 0)
		return err_context(err, r, "--filter");
	r = query_each_path(l->query, path_wants, l, err);
	return r < 0 ? err_context(err, r, "--filter") : 0;
}

/* --- the answer ------------------------------------------------------------------------------
 */

static int row_take(struct listing *l, json_t *row, struct err *err)
{
	int r;

	l->matched++;
	if (l->walk) {
		r = l->walk(l->walk_ctx, row, err);
		l->enough |= r > 0;
		return r < 0 ? r : 0;
	}
	if (json_array_size(l->rows) >= l->limit) {
		l->truncated = true;
		return 0;
	}
	return jx_add(l->rows, json_incref(row), err);
}

static int seat_answer(struct listing *l, const json_t *row, const json_t *seat,
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *made = NULL;

	made = json_pack(
		"{s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O,s:O*}", "org",
		json_object_get(row, "org"), "account", json_object_get(row, "account"),
		"account_id", json_object_get(row, "account_id"), "email",
		json_object_get(row, "email"), "name", json_object_get(row, "name"), "person",
		json_object_get(row, "person"), "product", json_object_get(seat, "product"),
		"site", json_object_get(seat, "site"), "last_active_ms",
		json_object_get(seat, "last_active_ms"), "never_used",
		json_object_get(seat, "never_used"), "paths", json_object_get(seat, "paths"),
		"added", json_object_get(seat, "added"));
	if (!made)
		return err_nomem(err);
	return row_take(l, made, err);
}

static int pair_judge(struct listing *l, json_t *pair, struct err *err)
{
	json_t *doc = json_object_get(pair, "doc"), *row = json_object_get(pair, "row"), *seat;
	size_t at;
	int r = 0;

	if (!l->seat_rows)
		return matches(l, doc, doc) ? row_take(l, row, err) : 0;
	json_array_foreach (json_object_get(doc, "seats"), at, seat) {
		if (r == 0 && matches(l, doc, seat))
			r = seat_answer(l, row, seat, err);
	}
	return r;
}

static int pages_run(struct listing *l, struct err *err)
{
	int64_t before = -1;
	int r = names_read(l, err);

	for (l->after = 0; r == 0 && before != l->after;) {
		json_t *pair;
		size_t at;

		if (verb_cancelled(l->app))
			return err_set(err, ERR_CANCELLED, "the list was interrupted");
		before = l->after;
		json_array_clear(l->page);
		r = page_read(l, err);
		json_array_foreach (l->page, at, pair) {
			if (r == 0)
				r = pair_judge(l, pair, err);
		}
	}
	return r;
}

static int org_run(struct listing *l, const struct config_org *org, json_t *reads,
		   struct err *err)
{
	struct org_row row = { 0 };
	struct db *db = NULL;
	int r;

	r = store_read_begin(l->app->store, &db, err);
	if (r < 0)
		return r;
	r = accounts_org_get(db, org->name, &row, err);
	store_read_end(db);
	if (r < 0)
		return r;
	r = jx_add(reads,
		   json_pack("{s:s,s:o,s:b}", "org", org->name, "as_of_ms",
			     ask_ms(row.ended_ms), "complete", row.complete),
		   err);
	l->org = org;
	l->org_id = row.id;
	org_row_done(&row);
	if (r == 0)
		r = pages_run(l, err);
	names_forget(l);
	return r;
}

static int list_run(struct listing *l, const json_t *in, json_t *out, struct err *err)
{
	const char *only = jx_get_text(in, "org");
	const struct config_org *org;
	json_t *reads = NULL;
	int r;

	r = only ? ask_org(l->app, only, &org, err) : 0;
	if (r == 0)
		r = filter_read(l, in, err);
	if (r == 0)
		r = jx_set(out, "as_of", reads = json_array(), err);
	if (r == 0)
		r = jx_set(out, l->seat_rows ? "seats" : "accounts", l->rows = json_array(),
			   err);
	for (size_t i = 0; r == 0 && i < l->app->config.organisations.n; i++) {
		const struct config_org *each = config_org_at(&l->app->config, i);

		if (!only || !strcmp(only, each->name))
			r = org_run(l, each, reads, err);
	}
	if (r == 0)
		r = jx_set(out, "matched", json_integer(l->matched), err);
	return r < 0 ? r : jx_set(out, "truncated", json_boolean(l->truncated), err);
}

enum listed { LIST_ACCOUNTS, LIST_SEATS, LIST_ORPHANS, LIST_UNLINKED };

static int run(struct app *app, const struct who *who, const json_t *in, json_t *out,
	       enum listed what, struct err *err)
{
	static const char *const names[] = { "accounts", "seats", "orphans", "orphans" };
	struct listing l = {
		.app = app,
		.seat_rows = what == LIST_SEATS,
		.with_seats = what == LIST_SEATS,
		.orphans_only = what == LIST_ORPHANS || what == LIST_UNLINKED,
		.unlinked = what == LIST_UNLINKED,
		.limit = listing_limit(in),
		.now_ms = stamp_now_ms(),
		.page = json_array(),
	};
	int r = l.page ? list_run(&l, in, out, err) : err_nomem(err);

	json_decref(l.page);
	query_free(l.query);
	if (r < 0)
		return r;
	return ask_note_read(app, who, names[what], (int64_t)json_array_size(l.rows), err);
}

/* --- the walk --------------------------------------------------------------------------------
 */

static void place_next(struct listing_place *place)
{
	place->org++;
	place->after = 0;
}

static int walk_pages(struct listing *l, struct listing_place *place, struct err *err)
{
	int64_t before;
	int r = names_read(l, err);

	l->after = place->after;
	do {
		json_t *pair;
		size_t at;

		if (r == 0 && verb_cancelled(l->app))
			r = err_set(err, ERR_CANCELLED, "the list was interrupted");
		before = l->after;
		json_array_clear(l->page);
		if (r == 0)
			r = page_read(l, err);
		json_array_foreach (l->page, at, pair) {
			if (r == 0)
				r = pair_judge(l, pair, err);
		}
		l->enough |= place->until_ms && stamp_mono_ms() >= place->until_ms;
	} while (r == 0 && !l->enough && l->after != before);
	place->after = l->after;
	if (r == 0 && l->after == before)
		place_next(place);
	return r;
}

static int walk_org(struct listing *l, struct listing_place *place, struct err *err)
{
	struct org_row row = { 0 };
	struct db *db = NULL;
	int r;

	l->org = config_org_at(&l->app->config, place->org);
	r = store_read_begin(l->app->store, &db, err);
	if (r < 0)
		return r;
	r = accounts_org_get(db, l->org->name, &row, err);
	store_read_end(db);
	if (r < 0)
		return r;
	l->org_id = row.id;
	org_row_done(&row);
	r = walk_pages(l, place, err);
	names_forget(l);
	return r;
}

int listing_walk(struct app *app, const json_t *in, bool seats, struct listing_place *place,
		 listing_fn fn, void *ctx, struct err *err)
{
	const char *only = jx_get_text(in, "org");
	struct listing l = {
		.app = app,
		.seat_rows = seats,
		.with_seats = seats,
		.now_ms = stamp_now_ms(),
		.page = json_array(),
		.walk = fn,
		.walk_ctx = ctx,
	};
	const struct config_org *org;
	int r = l.page ? 0 : err_nomem(err);

	if (r == 0 && only)
		r = ask_org(app, only, &org, err);
	if (r == 0)
		r = filter_read(&l, in, err);
	while (r == 0 && !l.enough && place->org < app->config.organisations.n) {
		const struct config_org *each = config_org_at(&app->config, place->org);

		if (only && strcmp(only, each->name) != 0)
			place_next(place);
		else
			r = walk_org(&l, place, err);
	}
	json_decref(l.page);
	query_free(l.query);
	return r;
}

int listing_accounts(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	return run(app, who, in, out, LIST_ACCOUNTS, err);
}

int listing_orphans(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	return run(app, who, in, out, LIST_ORPHANS, err);
}

int listing_unlinked(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	return run(app, who, in, out, LIST_UNLINKED, err);
}

static int count_note(void *ctx, const struct product_row *product, int64_t count,
		      struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:s%,s:s%,s:I}", "product", ASK_S(product->key), "site",
				ASK_S(product->site), "seats", (json_int_t)count),
		      err);
}

static int count_seats(struct app *app, const json_t *in, json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *only = jx_get_text(in, "org");
	json_t *counts = NULL;
	int r;

	r = jx_set(out, "counts", counts = json_array(), err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *each = config_org_at(&app->config, i);
		struct org_row row = { 0 };

		if (only && strcmp(only, each->name) != 0)
			continue;
		r = accounts_org_get(db, each->name, &row, err);
		if (r == 0)
			r = accounts_seat_counts(db, row.id, count_note, counts, err);
		org_row_done(&row);
	}
	return r < 0 ? r : 0;
}

int listing_seats(struct app *app, const struct who *who, const json_t *in, json_t *out,
		  struct err *err)
{
	if (json_is_true(json_object_get(in, "count")))
		return count_seats(app, in, out, err);
	return run(app, who, in, out, LIST_SEATS, err);
}
