#include "store/facts.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/jx.h"
#include "base/vec.h"
#include "base/worker.h"
#include "model/project.h"
#include "store/accounts.h"
#include "store/events.h"
#include "store/membership.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/provision.h"
#include "store/records.h"
#include "store/sites.h"
#include "store/sources.h"

#define PAGE_ROWS 1000
#define MEMBERS_ROWS 8192 /* of a page of members: they are short */
#define PAGES_FROM 20000  /* persons or accounts: more than two seconds may be needed */
#define INDEX_SPAN 4      /* numbers that an index may have for each account */
#define UNKNOWN_NAMES_MOST 64
#define CATCH_UP_ROWS 5000           /* changed records of one source read in one transaction */
#define WINDOW_MS (8 * STAMP_DAY_MS) /* limits look back seven days */

/* A number of ours and the row of the facts that it became; in order of the number. */
struct mapped {
	int64_t id;
	uint32_t row;
};
VEC(vec_mapped, struct mapped);
VEC(vec_number, int64_t);

/*
 * What is read beside the rest, in pages, each by a thread of its own with read transactions of
 * its own: pages are each of another moment anyway. Until beside_join() its fields are the
 * thread's.
 */
struct beside {
	struct worker *worker; /* NULL: not begun, or joined */
	atomic_bool give_up;   /* nobody wants them any more */
	int r;
	struct err err;
};

/* Who is in which group: by far the most rows, and no texts. */
struct members {
	struct beside beside;
	struct store *store;
	int64_t org;
	struct vec_pair pairs; /* (account, group), the store's numbers */
	size_t rows;           /* of the page under way */
};

struct build {
	struct store *store;
	const struct facts_want *want;
	struct db *whole; /* the one transaction; NULL when in pages */
	struct db *db;    /* of the step under way */
	struct facts *facts;
	int64_t org;

	struct vec_mapped accounts, products, groups;
	uint32_t
		*account_rows; /* from the first number on; NULL: there are few, or far apart */
	struct vec_mapped scim_users, scim_groups;
	struct vec_number doubtful_records, doubtful_accounts; /* sorted */
	/* in pages: what a record that changes meanwhile is found by */
	struct vec_mapped sources; /* numbers of want's sources, rows; FACTS_NONE: not stored */
	struct vec_mapped records; /* the first `sorted` by number */
	struct vec_mapped tombs;   /* deleted records; .row is the number of the source */
	size_t sorted;
	int64_t change; /* of the record read last */
	/* of the page under way */
	uint32_t source_row;
	const struct facts_source_option *source;
	struct projection *projection;
	bool groups_wanted, groups_unknown; /* by a column; of this source */
	int64_t last;
	int64_t last_product;
	char last_text[STORE_KEY_BYTES + 1];
	uint32_t last_group, last_account;
	size_t rows;
	/* of the plan whose decisions were looked at last */
	int64_t plan;
	bool all_approved;
	struct vec_number approved;
	bool beside_read; /* members and organisation are read beside */
	struct members members;
	/* the organisation: facts of its own, which these take over when it is whole */
	struct build *org_build; /* NULL: not begun, or taken */
	struct beside org_beside;
	struct beside *mine; /* of a build that is itself read beside another; else NULL */
};

static int beside_join(struct beside *x, struct err *err)
{
	worker_join(TAKE(x->worker));
	if (x->r < 0)
		*err = x->err;
	return x->r;
}

static void build_done(struct build *b)
{
	/* nobody waits for what they read: they end with the page under way */
	atomic_store(&b->org_beside.give_up, true);
	atomic_store(&b->members.beside.give_up, true);
	worker_join(TAKE(b->org_beside.worker));
	worker_join(TAKE(b->members.beside.worker));
	if (b->org_build)
		build_done(b->org_build);
	free(b->org_build);
	vec_pair_done(&b->members.pairs);
	facts_free_at(&b->facts);
	vec_mapped_done(&b->accounts);
	free(b->account_rows);
	projection_free(b->projection);
	vec_mapped_done(&b->products);
	vec_mapped_done(&b->groups);
	vec_mapped_done(&b->scim_users);
	vec_mapped_done(&b->scim_groups);
	vec_mapped_done(&b->sources);
	vec_mapped_done(&b->records);
	vec_mapped_done(&b->tombs);
	vec_number_done(&b->doubtful_records);
	vec_number_done(&b->doubtful_accounts);
	vec_number_done(&b->approved);
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool has_number(const struct vec_number *v, int64_t n)
{
	return v->n > 0 && bsearch(&n, v->v, v->n, sizeof(v->v[0]), by_number);
}

static int map(struct vec_mapped *v, int64_t id, uint32_t row, struct err *err)
{
	return vec_mapped_add(v, (struct mapped){ id, row }) < 0 ? err_nomem(err) : 0;
}

/* What an array holds goes to another, and leaves it empty. */
#define TAKE_VEC(v)                                                                            \
	({                                                                                     \
		__typeof__(v) taken_ = (v);                                                    \
		(v) = (__typeof__(v)){ 0 };                                                    \
		taken_;                                                                        \
	})

/* The row of a number; FACTS_NONE. The first member is the number, so by_number() fits. */
static uint32_t row_of(const struct vec_mapped *v, int64_t id)
{
	const struct mapped key = { id, 0 };
	const struct mapped *found =
		v->n ? bsearch(&key, v->v, v->n, sizeof(key), by_number) : NULL;

	return found ? found->row : FACTS_NONE;
}

/* --- pages ----------------------------------------------------------------------------------
 *
 * A step reads one page through db and adds what it finds; b->rows says how many rows there
 * were. In the one transaction pages follow each other; else each has its own.
 */

typedef int (*step_fn)(struct build *b, struct db *db, struct err *err);

static int in_transaction(struct build *b, step_fn step, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	b->db = b->whole;
	if (b->whole)
		return step(b, b->whole, err);
	r = store_read_begin(b->store, &db, err);
	b->db = db;
	return r < 0 ? r : step(b, db, err);
}

static int all_pages(struct build *b, step_fn step, struct err *err)
{
	int r;

	b->last = b->last_product = 0;
	b->last_group = b->last_account = 0;
	b->last_text[0] = '\0';
	do {
		b->rows = 0;
		r = in_transaction(b, step, err);
	} while (r == 0 && b->rows >= PAGE_ROWS &&
		 !(b->mine && atomic_load(&b->mine->give_up)));
	return r;
}

/* --- doubts ---------------------------------------------------------------------------------
 */

static int on_doubt(void *ctx, const struct doubt *d, struct err *err)
{
	struct build *b = ctx;
	int r;

	b->rows++;
	b->last = d->id;
	r = vec_number_add(&b->doubtful_records, d->left);
	if (r == 0)
		r = vec_number_add(d->kind == DOUBT_RECORDS ? &b->doubtful_records
							    : &b->doubtful_accounts,
				   d->right);
	return r < 0 ? err_nomem(err) : 0;
}

static int step_doubts(struct build *b, struct db *db, struct err *err)
{
	return persons_doubts(db, DOUBT_OPEN, b->last, PAGE_ROWS, on_doubt, b, err);
}

static int on_apart(void *ctx, const struct apart_pair *p, struct err *err)
{
	struct build *b = ctx;
	struct facts_apart row = { .source = p->source,
				   .key = p->key,
				   .account = (uint64_t)p->account,
				   .other_source = p->other_source,
				   .other_key = p->other_key };

	b->rows++;
	b->last = p->id;
	return facts_add_apart(b->facts, &row, err);
}

static int step_apart(struct build *b, struct db *db, struct err *err)
{
	return persons_told_apart(db, b->last, PAGE_ROWS, on_apart, b, err);
}

static int build_doubts(struct build *b, struct err *err)
{
	struct vec_number *lists[] = { &b->doubtful_records, &b->doubtful_accounts };
	size_t i;
	int r;

	r = all_pages(b, step_doubts, err);
	if (r == 0)
		r = all_pages(b, step_apart, err);
	for (i = 0; r == 0 && i < COUNT_OF(lists); i++)
		if (lists[i]->n > 0)
			qsort(lists[i]->v, lists[i]->n, sizeof(lists[i]->v[0]), by_number);
	return r;
}

/* --- sources and records --------------------------------------------------------------------
 */

static unsigned doubts_of(const struct build *b, const struct facts_source_option *o,
			  const struct source_row *s)
{
	unsigned doubts = s->doubts;

	if (o->kind == SOURCE_PULL && o->stale_ms > 0 && s->accepted_read > 0 &&
	    s->accepted_ms + o->stale_ms < b->want->round->now_ms)
		doubts |= DOUBT_STALE;
	return doubts;
}

static const char stale_text[] = "the newest accepted read is older than the source's max_age";

static int add_source(struct build *b, const struct facts_source_option *o,
		      const struct source_row *s, struct err *err)
{
	bool pull = o->kind == SOURCE_PULL;
	struct facts_source row = { .name = str_of(s->name),
				    .role = o->role,
				    .kind = o->kind,
				    .ready = s->state != SOURCE_RETIRED &&
					     (pull ? s->accepted_read > 0
						   : s->state == SOURCE_READY),
				    .accepted = !pull || s->doubts == 0,
				    .accepted_ms = pull ? s->accepted_ms : s->spoke_ms };

	row.doubts = pull ? doubts_of(b, o, s) : 0;
	if (s->reason)
		row.doubt_text = str_of(s->reason);
	else if (row.doubts & DOUBT_STALE)
		row.doubt_text = str_of(stale_text);
	return facts_add_source(b->facts, &row, &b->source_row, err);
}

static enum record_state state_of(const struct build *b, const struct record *r, int64_t *since)
{
	if (b->source->kind == SOURCE_PUSH && (r->deleted || r->ended_ms > 0)) {
		*since = r->ended_ms;
		return RECORD_ENDED;
	}
	if (r->active == TRI_NO) {
		*since = r->disabled_since_ms;
		return RECORD_DISABLED;
	}
	if (r->gone) {
		*since = r->absent_since_ms;
		return RECORD_GONE;
	}
	*since = r->first_seen_ms;
	return r->active == TRI_YES ? RECORD_ACTIVE : RECORD_UNKNOWN;
}

static size_t split_unknown(struct str words, struct str names[UNKNOWN_NAMES_MOST])
{
	struct str word;
	size_t n = 0;

	while (words.len > 0 && n < UNKNOWN_NAMES_MOST) {
		(void)str_cut(words, ' ', &word, &words);
		if (word.len > 0)
			names[n++] = word;
	}
	return n;
}

/* The names from `unknown` on do not fit: then nothing of the record is taken for known. */
static bool too_many_unknown(struct str words)
{
	struct str word;
	size_t n = 0;

	while (words.len > 0) {
		(void)str_cut(words, ' ', &word, &words);
		n += word.len > 0;
	}
	return n > UNKNOWN_NAMES_MOST;
}

/* Memberships are rows, not in the document: read when something asks for them. */
static int on_group_above(void *ctx, struct str key, struct str name, bool direct,
			  struct err *err)
{
	json_t *list = ctx;

	return jx_add(list,
		      json_pack("{s:s%,s:s%,s:s}", "value", key.p, key.len, "display", name.p,
				name.len, "type", direct ? "direct" : "indirect"),
		      err);
}

static int groups_put(struct build *b, uint32_t row, const struct record *r,
		      const struct str *unknown, size_t n, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = json_object();
	json_t *list = json_array();
	int rc = jx_set(doc, "groups", list, err);

	if (rc == 0)
		rc = membership_above(b->db, r->id, on_group_above, list, err);
	return rc < 0 ? rc
		      : facts_project_name(b->facts, row, STR("groups"), doc, unknown, n, err);
}

static int project(struct build *b, uint32_t row, const struct record *r, struct err *err)
{
	struct str names[UNKNOWN_NAMES_MOST + 1];
	size_t n;
	int rc;

	if (b->want->columns->n == 0 || too_many_unknown(r->unknown))
		return 0;
	n = split_unknown(r->unknown, names);
	if (b->groups_unknown)
		names[n++] = STR("groups");
	rc = facts_project_text(b->facts, b->projection, row, r->doc, names, n, err);
	return rc == 0 && b->groups_wanted && !b->groups_unknown
		       ? groups_put(b, row, r, names, n, err)
		       : rc;
}

static int row_for(const struct build *b, const struct record *r, struct facts_record *ret,
		   struct err *err)
{
	struct facts_record row = {
		.source = b->source_row,
		.key = r->key,
		.issuer = b->source->issuer ? str_of(b->source->issuer) : STR(""),
		.external_id = r->external_id,
		.person = (uint64_t)r->person,
		.absent_reads = (uint32_t)r->absent_reads,
		.doubtful = has_number(&b->doubtful_records, r->id),
	};

	/* what a directory is told as externalId where a source has none: the immutable key */
	if (b->want->provision_issuer && row.external_id.len == 0 &&
	    strcmp(b->want->provision_issuer, b->source->name) == 0)
		row.external_id = r->key;
	row.state = state_of(b, r, &row.since_ms);
	*ret = row;
	return b->source->kind == SOURCE_PULL ? records_name(b->db, r->id, &ret->name, err) : 0;
}

static int add_record(struct build *b, const struct record *r, uint32_t *at, struct err *err)
{
	struct facts_record row;
	int rc = row_for(b, r, &row, err);

	if (rc == 0)
		rc = facts_add_record(b->facts, &row, at, err);
	return rc < 0 ? rc : project(b, *at, r, err);
}

/* Whether a tombstone still says something: not one that was forgotten (it is empty), nor one
 * whose user was made anew. */
static int speaks(struct build *b, const struct record *r, bool *ret, struct err *err)
{
	int64_t live = 0;
	int rc;

	*ret = false;
	if (str_eq(r->doc, STR("{}")))
		return 0;
	rc = db_one(b->db, &live, err,
		    "SELECT l.id FROM record d JOIN record l ON l.source = d.source"
		    " AND l.user_fold = d.user_fold AND l.deleted = 0 WHERE d.id = ?1"
		    " AND d.user_fold <> '' LIMIT 1",
		    DB_I(r->id));
	*ret = rc == STORE_NOT_FOUND;
	return rc < 0 ? rc : 0;
}

static int on_record(void *ctx, const struct record *r, struct err *err)
{
	struct build *b = ctx;
	uint32_t at = FACTS_NONE;
	bool does = true;
	int rc = 0;

	b->rows++;
	b->last = r->id;
	if (r->deleted)
		rc = speaks(b, r, &does, err);
	if (rc == 0 && does)
		rc = add_record(b, r, &at, err);
	if (rc < 0 || b->whole)
		return rc;
	if (r->deleted)
		rc = map(&b->tombs, r->id, (uint32_t)(b->source - b->want->sources), err);
	return rc < 0 ? rc : map(&b->records, r->id, at, err);
}

struct of_source {
	struct build *b;
	int64_t source;
};

static int on_persons_record(void *ctx, const struct record *r, struct err *err)
{
	struct of_source *of = ctx;

	return r->source == of->source ? on_record(of->b, r, err) : 0;
}

static int groups_known(struct build *b, struct db *db, struct err *err)
{
	int r = b->groups_wanted ? membership_doubt(db, b->source->name, NULL, err)
				 : STORE_NOT_FOUND;

	b->groups_unknown = r == 0;
	return r < 0 ? r : 0;
}

static int step_records(struct build *b, struct db *db, struct err *err)
{
	CLEANUP(source_row_done) struct source_row s = { 0 };
	struct of_source of = { b, 0 };
	int r;

	r = sources_get(db, b->source->name, &s, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (b->source_row == FACTS_NONE) {
		r = add_source(b, b->source, &s, err);
		if (r < 0)
			return r;
	}
	of.source = s.id;
	r = groups_known(b, db, err);
	if (r < 0)
		return r;
	if (b->want->person)
		r = records_of_person(db, b->want->person, on_persons_record, &of, err);
	else
		r = records_page(db, s.id, b->last, PAGE_ROWS, on_record, b, err);
	if (b->want->person)
		b->rows = 0; /* one page is all */
	return r;
}

static int build_sources(struct build *b, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; i < b->want->columns->n; i++)
		b->groups_wanted |= str_ieq(str_of(b->want->columns->v[i].name), STR("groups"));
	for (i = 0; r == 0 && i < b->want->source_count; i++) {
		b->source = &b->want->sources[i];
		b->source_row = FACTS_NONE;
		r = all_pages(b, step_records, err);
		if (r == 0)
			r = map(&b->sources, (int64_t)i, b->source_row, err);
	}
	return r;
}

/* --- persons --------------------------------------------------------------------------------
 */

static int on_person(void *ctx, const struct person_row *p, struct err *err)
{
	struct build *b = ctx;
	struct facts_person row = { .number = (uint64_t)p->id };

	b->rows++;
	b->last = p->id;
	if (p->state != PERSON_LIVE)
		return 0;
	memcpy(row.salt, p->salt, sizeof(row.salt));
	return facts_add_person(b->facts, &row, err);
}

static int step_persons(struct build *b, struct db *db, struct err *err)
{
	struct person_row row;
	int r;

	if (!b->want->person)
		return persons_page(db, b->last, PAGE_ROWS, on_person, b, err);
	r = persons_get(db, b->want->person, &row, err);
	if (r == 0)
		r = on_person(b, &row, err);
	return r < 0 ? r : 0;
}

static int on_address(void *ctx, const struct address_row *a, struct err *err)
{
	struct build *b = ctx;

	b->rows++;
	b->last = a->person;

	if (a->folded.len <= STORE_KEY_BYTES) {
		memcpy(b->last_text, a->folded.p, a->folded.len);
		b->last_text[a->folded.len] = '\0';
	}
	return facts_add_address(b->facts, a->folded, (uint64_t)a->person, err);
}

static int step_addresses(struct build *b, struct db *db, struct err *err)
{
	int r;

	if (!b->want->person)
		return persons_addresses_page(db, str_of(b->last_text), b->last, PAGE_ROWS,
					      on_address, b, err);
	r = persons_addresses(db, b->want->person, on_address, b, err);
	b->rows = 0;
	return r;
}

static int on_rule(void *ctx, struct str org, struct str rule, struct str who, int64_t ms,
		   struct err *err)
{
	struct build *b = ctx;

	(void)who;
	(void)ms;
	if (org.len > 0 && !str_eq(org, str_of(b->want->org)))
		return 0;
	return facts_add_match_approved(b->facts, rule, err);
}

static int step_rules(struct build *b, struct db *db, struct err *err)
{
	return persons_rules_approved(db, on_rule, b, err);
}

/* --- the organisation -----------------------------------------------------------------------
 */

struct account_step {
	struct build *b;
	struct db *db;
};

static bool rule_approved(const struct build *b, struct str rule)
{
	uint32_t id = pool_find(&b->facts->pool, rule);
	size_t i;

	for (i = 0; i < b->facts->match_approved.n; i++)
		if (b->facts->match_approved.v[i] == id)
			return true;
	return false;
}

static int on_account(void *ctx, const struct account_row *a, struct err *err)
{
	struct account_step *s = ctx;
	struct build *b = s->b;
	struct facts_account row = {
		.id = a->account_id,
		.number = (uint64_t)a->id,
		.directory = a->directory,
		.email = a->email,
		.name = a->name,
		.external_id = a->external_id,
		.issuer = a->issuer,
		.status = a->status,
		.status_since_ms = a->status_since_ms,
		.type = a->type,
		.managed = a->managed,
		.synced = a->synced,
		.can_disable = a->can_disable,
		.accepted = a->accepted,
		.admin = a->admin,
		.org_admin = a->org_admin,
		.paths_known = a->paths_known,
		.tokens = a->tokens,
		.added_ms = a->added_ms,
		.token_active_ms = a->token_active_ms,
		.own_credential = a->own_credential,
		.person = (uint64_t)a->person,
		.doubtful = has_number(&b->doubtful_accounts, a->id),
	};
	uint32_t at = FACTS_NONE;
	int r;

	b->rows++;
	b->last = a->id;
	memcpy(row.salt, a->salt, sizeof(row.salt));
	if (a->person) {
		row.linked_by = a->linked_by;
		row.adopted = a->adopted || rule_approved(b, a->linked_by);
	}
	r = facts_add_account(b->facts, &row, &at, err);
	return r < 0 ? r : map(&b->accounts, a->id, at, err);
}

static int on_persons_account(void *ctx, const struct account_link *l, struct err *err)
{
	struct account_step *s = ctx;

	/* of this organisation only, and only while it is there */
	return vec_number_add(&s->b->approved, l->account) < 0 ? err_nomem(err) : 0;
}

static int on_own_account(void *ctx, const struct account_row *a, struct err *err)
{
	struct account_step *s = ctx;

	return a->org == s->b->org ? on_account(ctx, a, err) : 0;
}

static int step_accounts(struct build *b, struct db *db, struct err *err)
{
	struct account_step s = { b, db };
	size_t i;
	int r = 0;

	if (!b->want->person)
		return accounts_page(db, b->org, b->last, PAGE_ROWS, on_account, &s, err);
	b->approved.n = 0;
	if (b->want->person != FACTS_NOBODY)
		r = persons_accounts(db, b->want->person, on_persons_account, &s, err);
	else if (b->want->account && vec_number_add(&b->approved, b->want->account) < 0)
		r = err_nomem(err);
	for (i = 0; r == 0 && i < b->approved.n; i++) {
		r = accounts_get(db, b->approved.v[i], on_own_account, &s, err);
		r = r == STORE_NOT_FOUND ? 0 : r;
	}
	b->approved.n = 0;
	b->rows = 0;
	return r;
}

/* Each membership names an account: one look, not twenty, where their numbers lie together. */
static int accounts_index(struct build *b, struct err *err)
{
	const struct vec_mapped *v = &b->accounts;
	uint64_t span;

	if (v->n < 2)
		return 0;
	span = (uint64_t)(v->v[v->n - 1].id - v->v[0].id) + 1;
	if (span > INDEX_SPAN * (uint64_t)v->n)
		return 0;
	b->account_rows = malloc(span * sizeof(*b->account_rows));
	if (!b->account_rows)
		return err_nomem(err);
	memset(b->account_rows, 0xff, span * sizeof(*b->account_rows)); /* FACTS_NONE */
	for (size_t i = 0; i < v->n; i++)
		b->account_rows[v->v[i].id - v->v[0].id] = v->v[i].row;
	return 0;
}

static uint32_t account_of(const struct build *b, int64_t id)
{
	const struct vec_mapped *v = &b->accounts;

	if (!b->account_rows)
		return row_of(v, id);
	if (id < v->v[0].id || id > v->v[v->n - 1].id)
		return FACTS_NONE;
	return b->account_rows[id - v->v[0].id];
}

static int on_product(void *ctx, const struct product_row *p, struct err *err)
{
	struct build *b = ctx;
	struct facts_product row = {
		.key = p->key, .site = p->site, .resource = p->resource, .capacity = p->capacity
	};
	uint32_t at = 0;
	int r;

	r = facts_add_product(b->facts, &row, &at, err);
	return r < 0 ? r : map(&b->products, p->id, at, err);
}

static int step_products(struct build *b, struct db *db, struct err *err)
{
	int r = accounts_products(db, b->org, on_product, b, err);

	/* they come by name; they are looked for by number */
	if (r == 0 && b->products.n > 0)
		qsort(b->products.v, b->products.n, sizeof(b->products.v[0]), by_number);
	return r;
}

static int on_group(void *ctx, const struct org_group_row *g, struct err *err)
{
	struct build *b = ctx;
	struct facts_group row = { .id = g->group_id,
				   .name = g->name,
				   .directory = g->directory,
				   .synced = g->synced,
				   .modifiable = g->modifiable,
				   .admin = g->admin };
	uint32_t at = 0;
	int r;

	r = facts_add_group(b->facts, &row, &at, err);
	return r < 0 ? r : map(&b->groups, g->id, at, err);
}

static int on_grant(void *ctx, const struct grant_row *g, struct err *err)
{
	struct build *b = ctx;
	struct facts_grant row = { .group = row_of(&b->groups, g->group),
				   .product = row_of(&b->products, g->product),
				   .role = g->role,
				   .is_default = g->is_default,
				   .billable = g->billable };

	if (row.group == FACTS_NONE || row.product == FACTS_NONE)
		return 0;
	return facts_add_grant(b->facts, &row, err);
}

static int step_groups(struct build *b, struct db *db, struct err *err)
{
	int r = accounts_groups(db, b->org, on_group, b, err);

	return r < 0 ? r : accounts_grants(db, b->org, on_grant, b, err);
}

static int on_seat(void *ctx, const struct seat_row *s, struct err *err)
{
	struct build *b = ctx;
	struct facts_seat row = { .account = account_of(b, s->account),
				  .product = row_of(&b->products, s->product),
				  .last_active_ms = s->last_active_ms,
				  .added_ms = s->added_ms };
	uint32_t at = 0;

	b->rows++;
	b->last = s->account;
	b->last_product = s->product;
	if (row.account == FACTS_NONE || row.product == FACTS_NONE)
		return 0;
	return facts_add_seat(b->facts, &row, &at, err);
}

static int on_role(void *ctx, const struct role_row *x, struct err *err)
{
	struct build *b = ctx;
	struct facts_role row = { .account = account_of(b, x->account),
				  .product = row_of(&b->products, x->product),
				  .role = x->role,
				  .method = x->inferred ? ROLE_INFERRED : ROLE_DIRECT,
				  .billable = x->billable };

	b->rows++;
	b->last = x->account;
	b->last_product = x->product;
	if (x->role.len <= STORE_KEY_BYTES) {
		memcpy(b->last_text, x->role.p, x->role.len);
		b->last_text[x->role.len] = '\0';
	}
	if (row.account == FACTS_NONE || row.product == FACTS_NONE)
		return 0;
	return facts_add_role(b->facts, &row, err);
}

static int on_membership(void *ctx, uint32_t group, uint32_t account, struct err *err)
{
	struct build *b = ctx;
	uint32_t group_row = row_of(&b->groups, group);
	uint32_t account_row = account_of(b, account);

	b->rows++;
	b->last_group = group;
	b->last_account = account;
	if (group_row == FACTS_NONE || account_row == FACTS_NONE)
		return 0;
	return facts_add_membership(b->facts, account_row, group_row, err);
}

/* One person's accounts: what hangs on each. */
static int of_accounts(struct build *b, struct db *db, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < b->accounts.n; i++) {
		int64_t account = b->accounts.v[i].id;

		r = accounts_seats(db, account, on_seat, b, err);
		if (r == 0)
			r = accounts_roles(db, account, on_role, b, err);
		if (r == 0)
			r = accounts_groups_of(db, account, on_membership, b, err);
	}
	b->rows = 0;
	return r;
}

static int step_seats(struct build *b, struct db *db, struct err *err)
{
	return accounts_seats_page(db, b->org, b->last, b->last_product, PAGE_ROWS, on_seat, b,
				   err);
}

static int step_roles(struct build *b, struct db *db, struct err *err)
{
	return accounts_roles_page(db, b->org, b->last, b->last_product, str_of(b->last_text),
				   PAGE_ROWS, on_role, b, err);
}

static int step_members(struct build *b, struct db *db, struct err *err)
{
	return accounts_members_page(db, b->org, b->last_group, b->last_account, PAGE_ROWS,
				     on_membership, b, err);
}

static int members_row(void *ctx, uint32_t group, uint32_t account, struct err *err)
{
	struct members *x = ctx;

	x->rows++;
	return vec_pair_add(&x->pairs, (struct pair){ account, group }) < 0 ? err_nomem(err)
									    : 0;
}

static int members_page(struct members *x, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct pair last = { 0 };
	int r = store_read_begin(x->store, &db, err);

	if (r < 0)
		return r;
	if (x->pairs.n)
		last = x->pairs.v[x->pairs.n - 1];
	x->rows = 0;
	r = accounts_members_page(db, x->org, last.b, last.a, MEMBERS_ROWS, members_row, x,
				  err);
	if (r == -ERR_TIMEOUT && x->rows > 0) {
		x->rows = MEMBERS_ROWS; /* what was read counts: the next page goes on */
		r = 0;
	}
	return r;
}

static void members_run(struct worker *self, void *arg)
{
	struct members *x = arg;

	(void)self;
	do
		x->beside.r = members_page(x, &x->beside.err);
	while (x->beside.r == 0 && x->rows >= MEMBERS_ROWS && !atomic_load(&x->beside.give_up));
}

/* The store's numbers become rows of the facts; what they do not have is left out. */
static int members_take(struct build *b, struct err *err)
{
	struct vec_pair *v = &b->members.pairs;
	uint32_t group = 0, row = FACTS_NONE;
	size_t kept = 0;
	int r = beside_join(&b->members.beside, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < v->n; i++) {
		uint32_t account = account_of(b, v->v[i].a);

		if (v->v[i].b != group) { /* they come by group */
			group = v->v[i].b;
			row = row_of(&b->groups, group);
		}
		if (account != FACTS_NONE && row != FACTS_NONE)
			v->v[kept++] = (struct pair){ account, row };
	}
	v->n = kept;
	return facts_take_memberships(b->facts, v, err);
}

/* Accounts and what hangs on them, but for the members of groups. */
static int org_rows(struct build *b, struct err *err)
{
	int r;

	r = all_pages(b, step_accounts, err);
	if (r == 0)
		r = all_pages(b, step_products, err);
	if (r == 0)
		r = all_pages(b, step_groups, err);
	if (r == 0 && b->want->person)
		return all_pages(b, of_accounts, err);
	if (r == 0)
		r = accounts_index(b, err);
	if (r == 0)
		r = all_pages(b, step_seats, err);
	return r < 0 ? r : all_pages(b, step_roles, err);
}

static void org_run(struct worker *self, void *arg)
{
	struct build *b = arg;
	struct beside *x = b->mine;

	(void)self;
	x->r = in_transaction(b, step_rules, &x->err);
	if (x->r == 0)
		x->r = org_rows(b, &x->err);
}

static int org_begin(struct build *b, struct err *err)
{
	const struct facts_columns none = { 0 };
	struct build *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_nomem(err);
	b->org_build = o;
	o->store = b->store;
	o->want = b->want;
	o->org = b->org;
	o->mine = &b->org_beside;
	o->doubtful_accounts = b->doubtful_accounts; /* nobody else asks for them */
	b->doubtful_accounts = (struct vec_number){ 0 };
	r = facts_new(&none, b->want->round, &o->facts, err);
	return r < 0 ? r : worker_start(&b->org_beside.worker, "organisation", org_run, o, err);
}

/* Its rows have the same numbers in the facts that take them, for those have none yet. */
static int org_take(struct build *b, struct err *err)
{
	struct build *o = b->org_build;
	int r = beside_join(&b->org_beside, err);

	if (r == 0)
		r = facts_take_org(b->facts, o->facts, err);
	if (r < 0)
		return r;
	b->accounts = TAKE_VEC(o->accounts);
	b->products = TAKE_VEC(o->products);
	b->groups = TAKE_VEC(o->groups);
	b->account_rows = TAKE(o->account_rows);
	build_done(o);
	free(TAKE(b->org_build));
	return 0;
}

/* One processor has nothing from two threads, and two copies of a text cost it time. */
static int beside_begin(struct build *b, struct err *err)
{
	int r;

	if (b->whole || b->want->person || b->want->threads == 1 ||
	    (!b->want->threads && sysconf(_SC_NPROCESSORS_ONLN) < 2))
		return 0;
	b->beside_read = true;
	b->members.store = b->store;
	b->members.org = b->org;
	r = worker_start(&b->members.beside.worker, "members", members_run, &b->members, err);
	return r < 0 ? r : org_begin(b, err);
}

static int build_org(struct build *b, struct err *err)
{
	int r;

	r = b->beside_read ? org_take(b, err) : org_rows(b, err);
	if (r < 0 || b->want->person)
		return r;
	return b->beside_read ? members_take(b, err) : all_pages(b, step_members, err);
}

#define REFUSALS_COUNT_MS (30 * STAMP_DAY_MS) /* so long a receiver is passed over */

/* --- what is owned on sites -----------------------------------------------------------------
 */

static int on_queue(void *ctx, const struct account_row *a, struct err *err)
{
	int64_t *number = ctx;

	(void)err;
	*number = a->id;
	return 1;
}

/* An account by its id or its address; FACTS_NONE where these facts do not have it. */
static int account_row_of(struct build *b, struct db *db, struct str who, uint32_t *ret,
			  struct err *err)
{
	CLEANUP(free_at) char *fold = NULL;
	int64_t number = 0;
	size_t len;
	int r;

	*ret = FACTS_NONE;
	if (!who.len)
		return 0;
	if (str_find(who, '@') == who.len) {
		r = accounts_number(db, b->org, who, &number, err);
	} else {
		r = str_fold(who, &fold, &len, err);
		if (r == 0)
			r = accounts_by_email(db, b->org, str_n(fold, len), on_queue, &number,
					      err);
	}
	if (r >= 0 && number)
		*ret = account_of(b, number);
	return r < 0 ? r : 0;
}

static int on_inventory(void *ctx, const struct inventory_row *row, struct err *err)
{
	struct build *b = ctx;
	struct facts_inventory in = { .account = account_of(b, row->account),
				      .read_ms = row->read_ms,
				      .whole = row->whole };

	return in.account == FACTS_NONE ? 0 : facts_add_inventory(b->facts, &in, err);
}

static int on_owned(void *ctx, const struct owned_row *row, struct err *err)
{
	struct build *b = ctx;
	struct facts_owned in = { .account = account_of(b, row->account),
				  .site = row->site,
				  .id = row->id,
				  .project = row->project,
				  .unseen = row->unseen };
	int r;

	if (in.account == FACTS_NONE)
		return 0;
	if (!owned_kind_of(row->kind, &in.kind))
		return err_set(err, ERR_DAMAGED, "something is owned that is of no known kind");
	r = account_row_of(b, b->db, row->lead, &in.lead, err);
	return r < 0 ? r : facts_add_owned(b->facts, &in, err);
}

static int on_refusal(void *ctx, const struct gift_refusal *row, struct err *err)
{
	struct build *b = ctx;
	struct facts_refusal in = { .account = account_of(b, row->account),
				    .receiver = account_of(b, row->receiver),
				    .site = row->site,
				    .id = row->id };

	if (in.account == FACTS_NONE || in.receiver == FACTS_NONE)
		return 0;
	if (!owned_kind_of(row->kind, &in.kind))
		return err_set(err, ERR_DAMAGED,
			       "something was refused that is of no known kind");
	return facts_add_refusal(b->facts, &in, err);
}

/* The account that was named may be of another organisation: then whoever has the same id here,
 * or the accounts of the same person. */
static int on_heir(void *ctx, const struct heir_row *row, struct err *err)
{
	struct build *b = ctx;
	struct facts_heir in = { (uint64_t)row->person, account_of(b, row->account),
				 (uint64_t)row->heir };
	int r = 0;

	if (in.account == FACTS_NONE && row->account_id.len)
		r = account_row_of(b, b->db, row->account_id, &in.account, err);
	if (r < 0)
		return r;
	return in.account == FACTS_NONE && !in.heir ? 0 : facts_add_heir(b->facts, &in, err);
}

/* Few: inventories are of those who leave soon. */
static int step_owned(struct build *b, struct db *db, struct err *err)
{
	int64_t only = b->want->person && b->accounts.n == 1 ? b->accounts.v[0].id : 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->want->site_count; i++) {
		struct facts_site in = { .host = str_of(b->want->sites[i].host) };

		r = account_row_of(b, db, str_of(b->want->sites[i].queue), &in.queue, err);
		if (r == 0)
			r = facts_add_site(b->facts, &in, err);
	}
	if (r < 0 || !b->want->site_count)
		return r;
	r = inventory_each(db, b->org, only, on_inventory, b, err);
	if (r == 0)
		r = inventory_owned(db, b->org, only, on_owned, b, err);
	if (r == 0)
		r = inventory_refusals(db, b->org, only,
				       b->want->round->now_ms - REFUSALS_COUNT_MS, on_refusal,
				       b, err);
	return r == 0 ? heirs_each(db, b->want->person, on_heir, b, err) : r;
}

/* --- the provisioning directory -------------------------------------------------------------
 */

static int step_provision(struct build *b, struct db *db, struct err *err)
{
	CLEANUP(provision_row_done) struct provision_row row = { 0 };
	struct facts_provision in = { .directory = str_of(b->want->provision_directory),
				      .issuer = str_of(b->want->provision_issuer),
				      .doubt = STR("it was not read yet") };
	int r;

	if (!b->want->provision_directory)
		return 0;
	r = provision_get(db, b->org, &row, err);
	if (r < 0)
		return r;
	if (r == 0 && strcmp(row.directory, b->want->provision_directory) == 0) {
		in.read = row.complete;
		in.doubt = str_of(row.reason);
	}
	return facts_set_provision(b->facts, &in, err);
}

static int on_scim_user(void *ctx, const struct scim_user_row *u, struct err *err)
{
	struct build *b = ctx;
	struct facts_scim_user row = { .id = u->scim_id,
				       .external_id = u->external_id,
				       .account = u->account_id,
				       .active = u->active };
	uint32_t at = 0;
	int r;

	b->rows++;
	b->last = u->id;
	memcpy(row.attrs, u->attrs, sizeof(row.attrs));
	r = facts_add_scim_user(b->facts, &row, &at, err);
	return r < 0 ? r : map(&b->scim_users, u->id, at, err);
}

static int step_scim_users(struct build *b, struct db *db, struct err *err)
{
	int r;

	if (!b->want->person)
		return provision_users(db, b->org, b->last, PAGE_ROWS, on_scim_user, b, err);
	r = provision_users_of(db, b->org, b->want->person, on_scim_user, b, err);
	b->rows = 0;
	return r;
}

static int on_scim_group(void *ctx, const struct scim_group_row *g, struct err *err)
{
	struct build *b = ctx;
	struct facts_scim_group row = { .id = g->scim_id, .name = g->name };
	uint32_t at = 0;
	int r = facts_add_scim_group(b->facts, &row, &at, err);

	return r < 0 ? r : map(&b->scim_groups, g->id, at, err);
}

static int step_scim_groups(struct build *b, struct db *db, struct err *err)
{
	return provision_groups(db, b->org, on_scim_group, b, err);
}

static int on_scim_member(void *ctx, int64_t group, int64_t user, int64_t ceased_ms,
			  struct err *err)
{
	struct build *b = ctx;
	uint32_t group_row = row_of(&b->scim_groups, group);
	uint32_t user_row = row_of(&b->scim_users, user);
	int r;

	b->rows++;
	b->last = user;
	b->last_product = group;
	if (group_row == FACTS_NONE || user_row == FACTS_NONE)
		return 0;
	r = facts_add_scim_member(b->facts, user_row, group_row, err);
	if (r == 0 && ceased_ms)
		r = facts_add_scim_ceased(b->facts, user_row, group_row, ceased_ms, err);
	return r;
}

static int step_scim_members(struct build *b, struct db *db, struct err *err)
{
	int r = 0;

	if (!b->want->person)
		return provision_members(db, b->org, b->last, b->last_product, PAGE_ROWS,
					 on_scim_member, b, err);
	for (size_t i = 0; i < b->scim_users.n && r == 0; i++)
		r = provision_members_of(db, b->scim_users.v[i].id, on_scim_member, b, err);
	b->rows = 0;
	return r;
}

static int build_provision(struct build *b, struct err *err)
{
	int r;

	if (!b->want->provision_directory)
		return 0;
	r = in_transaction(b, step_provision, err);
	if (r == 0)
		r = all_pages(b, step_scim_users, err);
	if (r == 0)
		r = in_transaction(b, step_scim_groups, err);
	return r < 0 ? r : all_pages(b, step_scim_members, err);
}

/* --- decisions and history ------------------------------------------------------------------
 */

static int64_t bound(int64_t ms)
{
	return ms == 0 ? FACT_ABSENT : ms;
}

static int on_protection(void *ctx, const struct protection *p, struct err *err)
{
	struct build *b = ctx;
	struct facts_protection row = {
		.person = (uint64_t)p->person,
		.account = p->account ? account_of(b, p->account) : FACTS_NONE,
		.rule = p->rule,
		.owner = p->owner,
		.reason = p->reason,
		.from_ms = bound(p->from_ms),
		.until_ms = bound(p->until_ms),
	};
	size_t i;

	if (p->account && row.account == FACTS_NONE)
		return 0;
	for (i = 0; protection_words[i]; i++)
		if (str_eq(p->kind, str_of(protection_words[i]))) {
			row.kind = (enum protection_kind)i;
			return facts_add_protection(b->facts, &row, err);
		}
	return err_set(err, ERR_DAMAGED, "protection %lld is of no known kind",
		       (long long)p->id);
}

static int on_bar(void *ctx, const struct bar *x, struct err *err)
{
	struct build *b = ctx;
	struct facts_bar row = {
		.person = (uint64_t)x->person,
		.account = x->account ? account_of(b, x->account) : FACTS_NONE,
		.rule = x->rule,
		.product = x->product,
		.site = x->site,
		.by = x->who,
		.reason = x->reason,
		.at_ms = x->set_ms,
	};

	if (x->account && row.account == FACTS_NONE)
		return 0;
	return facts_add_bar(b->facts, &row, err);
}

static int on_expected(void *ctx, int64_t person, struct str who, int64_t until_ms,
		       struct err *err)
{
	struct build *b = ctx;

	(void)who;
	(void)until_ms;
	return facts_add_expected(b->facts, (uint64_t)person, err);
}

static int on_window(void *ctx, const struct window_row *w, struct err *err)
{
	struct build *b = ctx;
	struct facts_counted row = { .account = (uint64_t)w->account,
				     .person = (uint64_t)w->person,
				     .product = w->product,
				     .site = w->site,
				     .rule = w->rule,
				     .at_ms = w->ms };

	if (!plan_class_of(w->class_, &row.class))
		return err_set(err, ERR_DAMAGED, "an action was counted in no known class");
	return facts_add_counted(b->facts, &row, err);
}

static int step_decided(struct build *b, struct db *db, struct err *err)
{
	int64_t now_ms = b->want->round->now_ms;
	int r;

	r = persons_protections(db, false, now_ms, on_protection, b, err);
	if (r == 0)
		r = persons_bars(db, 0, false, now_ms, on_bar, b, err);
	if (r == 0)
		r = persons_expected(db, now_ms, on_expected, b, err);
	/* what limits count is asked when a plan is made, not of one person again */
	if (r == 0 && !b->want->person)
		r = plans_window(db, b->want->org, now_ms - WINDOW_MS, on_window, b, err);
	return r;
}

static int on_progress(void *ctx, const struct progress *p, struct err *err)
{
	struct build *b = ctx;
	struct facts_progress row = { .account = account_of(b, p->account),
				      .product = FACTS_NONE,
				      .rule = p->rule,
				      .done_ms = p->done_ms,
				      .times = (uint32_t)p->times };

	b->rows += p->account != b->last;
	b->last = p->account;
	if (p->product.len > 0) {
		row.product = facts_product_find(b->facts, p->product, p->site);
		if (row.product == FACTS_NONE)
			return 0;
	}
	if (row.account == FACTS_NONE)
		return 0;
	if (!action_kind_of(p->kind, &row.kind))
		return err_set(err, ERR_DAMAGED, "progress of no known kind of action");
	return facts_add_progress(b->facts, &row, err);
}

#define RETURNS_COUNT_MS (180 * STAMP_DAY_MS)

static int on_return(void *ctx, const struct event_return *x, struct err *err)
{
	struct build *b = ctx;
	struct facts_return row = { .account = account_of(b, x->account),
				    .product = FACTS_NONE,
				    .taken_ms = x->taken_ms,
				    .at_ms = x->at_ms,
				    .by = (uint64_t)x->by };

	if (row.account == FACTS_NONE)
		return 0;
	if (!action_kind_of(x->kind, &row.kind))
		return err_set(err, ERR_DAMAGED, "a deed of no known kind was given back");
	if (x->product.len) {
		row.product = facts_product_find(b->facts, x->product, x->site);
		if (row.product == FACTS_NONE)
			return 0;
	}
	return facts_add_return(b->facts, &row, err);
}

static int step_returns(struct build *b, struct db *db, struct err *err)
{
	int64_t since_ms = b->want->round->now_ms - RETURNS_COUNT_MS;
	int r = 0;

	if (!b->want->person)
		return events_returns(db, b->org, 0, since_ms, on_return, b, err);
	for (size_t i = 0; r == 0 && i < b->accounts.n; i++)
		r = events_returns(db, b->org, b->accounts.v[i].id, since_ms, on_return, b,
				   err);
	return r;
}

static int step_progress(struct build *b, struct db *db, struct err *err)
{
	int r = 0;

	if (!b->want->person)
		return persons_progress(db, b->org, b->last, PAGE_ROWS, on_progress, b, err);
	for (size_t i = 0; r == 0 && i < b->accounts.n; i++)
		r = persons_progress_of(db, b->accounts.v[i].id, on_progress, b, err);
	b->rows = 0;
	return r;
}

static int on_former(void *ctx, const struct former_row *p, struct err *err)
{
	struct build *b = ctx;
	struct facts_former row = { .account = account_of(b, p->account),
				    .group = p->group,
				    .taken_ms = p->taken_ms };

	b->rows += p->account != b->last;
	b->last = p->account;
	if (row.account == FACTS_NONE || !p->group.len)
		return 0;
	return facts_add_former(b->facts, &row, err);
}

static int step_former(struct build *b, struct db *db, struct err *err)
{
	int r = 0;

	if (!b->want->person)
		return persons_former(db, b->org, b->last, PAGE_ROWS, on_former, b, err);
	for (size_t i = 0; r == 0 && i < b->accounts.n; i++)
		r = persons_former_of(db, b->accounts.v[i].id, on_former, b, err);
	b->rows = 0;
	return r;
}

/* --- open actions ---------------------------------------------------------------------------
 */

static int on_decision(void *ctx, const struct decision *d, struct err *err)
{
	struct build *b = ctx;
	struct str rest = d->actions, word;
	int64_t n;

	if (d->kind != DECISION_APPROVE)
		return 0;
	if (str_eq(d->actions, STR("*"))) {
		b->all_approved = true;
		return 0;
	}
	while (rest.len > 0) {
		(void)str_cut(rest, ',', &word, &rest);
		if (str_int64(str_trim(word), &n) && vec_number_add(&b->approved, n) < 0)
			return err_nomem(err);
	}
	return 0;
}

static int load_decisions(struct build *b, struct db *db, int64_t plan, struct err *err)
{
	int r;

	if (b->plan == plan)
		return 0;
	b->plan = plan;
	b->all_approved = false;
	b->approved.n = 0;
	r = plans_decisions(db, plan, on_decision, b, err);
	if (r == 0 && b->approved.n > 0)
		qsort(b->approved.v, b->approved.n, sizeof(b->approved.v[0]), by_number);
	return r;
}

static int on_open(void *ctx, const struct plan_row *p, const struct action_row *a,
		   struct err *err)
{
	struct account_step *s = ctx;
	struct facts_open row = { .plan = (uint64_t)p->id,
				  .n = (uint32_t)a->n,
				  .rule = a->rule,
				  .person = (uint64_t)a->person,
				  .account = (uint64_t)a->account,
				  .product = a->product,
				  .site = a->site,
				  .started = a->state == ACTION_STARTED };
	int r;

	r = load_decisions(s->b, s->db, p->id, err);
	if (r < 0)
		return r;
	row.approved = p->state != PLAN_OPEN &&
		       (s->b->all_approved || has_number(&s->b->approved, a->n));
	if (!plan_urgency_of(p->urgency, &row.urgency) || !action_kind_of(a->kind, &row.kind))
		return err_set(err, ERR_DAMAGED, "plan %lld has an action of no known kind",
			       (long long)p->id);
	return facts_add_open(s->b->facts, &row, err);
}

static int step_open(struct build *b, struct db *db, struct err *err)
{
	struct account_step s = { b, db };

	if (b->want->person && b->want->person != FACTS_NOBODY)
		return plans_unfinished_of(db, b->want->org, b->want->person, on_open, &s, err);
	return plans_unfinished(db, b->want->org, on_open, &s, err);
}

/* --- what changed meanwhile -----------------------------------------------------------------
 *
 * Pages are each of another moment. The records that changed since before the first page are
 * known by their numbers: they are read again, in one transaction, and then the facts are of
 * that transaction's moment. So traffic of identity providers, which is about records, never
 * makes a reading begin again; anything else that changed does.
 */

static void records_sort(struct build *b)
{
	if (b->sorted < b->records.n)
		qsort(b->records.v, b->records.n, sizeof(b->records.v[0]), by_number);
	b->sorted = b->records.n;
}

/* What became of a record in the facts; NULL: it was not there yet. */
static struct mapped *record_mapped(struct build *b, int64_t id)
{
	const struct mapped key = { id, 0 };
	struct mapped *found =
		b->sorted ? bsearch(&key, b->records.v, b->sorted, sizeof(key), by_number)
			  : NULL;

	/* those that are new since are few, and in order of their change */
	for (size_t i = b->records.n; !found && i-- > b->sorted;)
		if (b->records.v[i].id == id)
			found = &b->records.v[i];
	return found;
}

static int on_changed_address(void *ctx, const struct address_row *a, struct err *err)
{
	struct build *b = ctx;

	return facts_add_address(b->facts, a->folded, (uint64_t)a->person, err);
}

static int say_again(struct build *b, const struct record *r, uint32_t *at, struct err *err)
{
	struct facts_record row;
	int rc = row_for(b, r, &row, err);

	if (rc == 0 && *at == FACTS_NONE)
		rc = add_record(b, r, at, err);
	else if (rc == 0)
		rc = facts_replace_record(b->facts, *at, &row, err);
	if (rc == 0)
		rc = project(b, *at, r, err);
	/* a linked record's new addresses became the person's as it was written */
	if (rc == 0 && r->person > 0)
		rc = persons_addresses(b->db, r->person, on_changed_address, b, err);
	return rc;
}

/* What the record says now, or that it says nothing any more. */
static int judge_again(struct build *b, const struct record *r, struct err *err)
{
	struct mapped *known = record_mapped(b, r->id);
	uint32_t at = known ? known->row : FACTS_NONE;
	bool does = true;
	int rc = 0;

	if (r->deleted)
		rc = speaks(b, r, &does, err);
	if (rc == 0 && does)
		rc = say_again(b, r, &at, err);
	if (rc < 0)
		return rc;
	if (!does && at != FACTS_NONE) {
		facts_drop_record(b->facts, at);
		at = FACTS_NONE;
	}
	if (!known)
		return map(&b->records, r->id, at, err);
	known->row = at;
	return 0;
}

static int on_changed(void *ctx, const struct record *r, struct err *err)
{
	struct build *b = ctx;
	int rc;

	b->rows++;
	b->change = r->change;
	if (b->want->person && r->person != b->want->person)
		return 0;
	rc = judge_again(b, r, err);
	if (rc == 0 && r->deleted)
		rc = map(&b->tombs, r->id, (uint32_t)(b->source - b->want->sources), err);
	return rc;
}

/* Whether a tombstone speaks hangs on other records: on who has its user name now. */
static int tombs_again(struct build *b, struct db *db, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < b->tombs.n; i++) {
		CLEANUP(record_done) struct record record = { 0 };

		b->source = &b->want->sources[b->tombs.v[i].row];
		b->source_row = row_of(&b->sources, b->tombs.v[i].row);
		r = groups_known(b, db, err);
		if (r == 0)
			r = records_by_id(db, b->tombs.v[i].id, &record, err);
		if (r == 0 && record.deleted)
			r = judge_again(b, &record, err);
		r = r == STORE_NOT_FOUND ? 0 : r;
	}
	return r;
}

/* The changed records of a source; *all: every one of them. */
static int catch_up_source(struct build *b, struct db *db, int64_t since, bool *all,
			   struct err *err)
{
	CLEANUP(source_row_done) struct source_row s = { 0 };
	int r;

	r = sources_get(db, b->source->name, &s, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = groups_known(b, db, err);
	if (r < 0)
		return r;
	b->rows = 0;
	r = records_changed(db, s.id, since, CATCH_UP_ROWS, on_changed, b, err);
	*all &= b->rows < CATCH_UP_ROWS;
	return r;
}

enum { CAUGHT_UP = 0, NOT_YET = 1, BEGIN_AGAIN = 2 };

/* since: a mark for each source, up to which its changes are in the facts. */
static int catch_up(struct build *b, int64_t *since, int64_t *change, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct store_changes now;
	bool all = true, any;
	size_t i;
	int r;

	r = store_read_begin(b->store, &db, err);
	if (r == 0)
		r = store_changes(db, &now, err);
	if (r < 0)
		return r;
	/* members have no numbers of their own: where a rule asks for groups, theirs count too
	 */
	if (now.rest > *change || (b->groups_wanted && now.groups > *change))
		return BEGIN_AGAIN;
	any = now.all > *change;
	b->db = db;
	for (i = 0; r == 0 && any && i < b->sources.n; i++) {
		b->source = &b->want->sources[i];
		b->source_row = b->sources.v[i].row;
		b->change = since[i];
		if (b->source_row != FACTS_NONE)
			r = catch_up_source(b, db, since[i], &all, err);
		since[i] = b->change;
	}
	if (r == 0 && any && all)
		r = tombs_again(b, db, err);
	records_sort(b);
	if (r == -ERR_TIMEOUT)
		return NOT_YET; /* what was read counts: the rest is read by the next one */
	if (r == 0 && all)
		*change = now.all;
	return r < 0 ? r : all ? CAUGHT_UP : NOT_YET;
}

/* --- the whole ------------------------------------------------------------------------------
 */

/* Of the whole organisation, also where the facts are of one person: who is the last
 * administrator is a question about the others. */
static int count_admins(struct db *db, int64_t org, uint64_t *ret, struct err *err)
{
	int64_t n = 0;
	int r;

	/* as the index account_admin says it, or everybody is looked at */
	_Static_assert(TRI_YES == 2, "the index is of another number");
	r = db_one(db, &n, err,
		   "SELECT count(*) FROM account WHERE org = ?1 AND live = 1"
		   " AND org_admin = 2 AND status = ?2",
		   DB_I(org), DB_I(ACCOUNT_ACTIVE));

	*ret = (uint64_t)n;
	return r < 0 ? r : 0;
}

/* A sentence where the newest read of the organisation is too old; it lives as long as text. */
static void age_of_org(const struct build *b, const struct org_row *org, char text[120],
		       struct facts_round *round)
{
	char at[STAMP_TEXT_BYTES];

	if (!org->generation || b->want->org_stale_ms <= 0 ||
	    org->ended_ms + b->want->org_stale_ms >= round->now_ms)
		return;
	round->org_stale = true;
	if (round->org_doubt.len)
		return;
	stamp_text(org->ended_ms, at);
	(void)snprintf(text, 120, "it was last read on %s, longer ago than hold_after", at);
	round->org_doubt = str_of(text);
}

static int begin_facts(struct build *b, struct db *db, struct err *err)
{
	char age[120];
	CLEANUP(org_row_done) struct org_row org = { 0 };
	struct facts_round round = *b->want->round;
	int64_t last = 0;
	int r;

	r = accounts_org_get(db, b->want->org, &org, err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
			       "organisation %s was not collected yet: `leaverd collect`",
			       b->want->org);
	if (r == 0)
		r = db_one(db, &last, err,
			   "SELECT seq FROM sqlite_sequence WHERE name = 'person'");
	if (r >= 0)
		r = count_admins(db, org.id, &round.org_admins, err);
	if (r < 0)
		return r;
	b->org = org.id;
	round.next_person = (uint64_t)last + 1;
	round.org_complete = org.generation > 0 && org.complete;
	round.org_plausible = org.generation > 0 && org.plausible;
	round.org_identity_same = !org.other;
	if (org.generation == 0)
		round.org_doubt = STR("the organisation was not collected yet");
	else if (org.other)
		round.org_doubt = STR("another organisation answers under this key");
	else if (org.reason)
		round.org_doubt = str_of(org.reason);
	age_of_org(b, &org, age, &round);
	return facts_new(b->want->columns, &round, &b->facts, err);
}

static int build_all(struct build *b, struct err *err)
{
	int r;

	r = in_transaction(b, begin_facts, err);
	if (r == 0)
		r = projection_new(b->want->columns, &b->projection, err);
	if (r == 0)
		r = build_doubts(b, err);
	if (r == 0)
		r = beside_begin(b, err);
	if (r == 0)
		r = build_sources(b, err);
	if (r == 0)
		r = all_pages(b, step_persons, err);
	if (r == 0)
		r = all_pages(b, step_addresses, err);
	if (r == 0)
		r = in_transaction(b, step_rules, err);
	if (r == 0)
		r = build_org(b, err);
	if (r == 0)
		r = build_provision(b, err);
	if (r == 0)
		r = in_transaction(b, step_owned, err);
	if (r == 0)
		r = in_transaction(b, step_decided, err);
	if (r == 0)
		r = all_pages(b, step_progress, err);
	if (r == 0)
		r = all_pages(b, step_former, err);
	if (r == 0)
		r = in_transaction(b, step_returns, err);
	if (r == 0)
		r = in_transaction(b, step_open, err);
	return r;
}

/* All in one transaction: -ERR_TIMEOUT when it does not fit. */
static int build_at_once(struct store *store, const struct facts_want *want, struct facts **ret,
			 int64_t *change, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct build b = { .store = store, .want = want };
	int r;

	r = store_read_begin(store, &db, err);
	if (r == 0)
		r = store_change(db, change, err);
	b.whole = db;
	if (r == 0)
		r = build_all(&b, err);
	if (r == 0)
		r = facts_seal(b.facts, err);
	if (r == 0)
		*ret = TAKE(b.facts);
	build_done(&b);
	return r;
}

static int change_now(struct store *store, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	r = store_read_begin(store, &db, err);
	return r < 0 ? r : store_change(db, ret, err);
}

/* The pages, then what changed until nothing is left: CAUGHT_UP or BEGIN_AGAIN. */
static int pages_and_changes(struct build *b, int64_t *change, struct err *err)
{
	CLEANUP(vec_number_done) struct vec_number since = { 0 };
	size_t i;
	int r;

	r = build_all(b, err);
	records_sort(b);
	for (i = 0; r == 0 && i < b->sources.n; i++)
		if (vec_number_add(&since, *change) < 0)
			r = err_nomem(err);
	if (r < 0)
		return r;
	r = NOT_YET;
	for (i = 0; r == NOT_YET && i < FACTS_CATCH_UPS; i++)
		r = catch_up(b, since.v, change, err);
	if (r == NOT_YET)
		r = BEGIN_AGAIN;
	return r == CAUGHT_UP ? facts_seal(b->facts, err) : r;
}

/* In pages; *whole: they are of one moment, *change. */
static int build_in_pages(struct store *store, const struct facts_want *want,
			  struct facts **ret, int64_t *change, bool *whole, struct err *err)
{
	struct build b = { .store = store, .want = want };
	int64_t before = 0, after = 0;
	int r;

	r = change_now(store, &before, err);
	*change = before;
	if (r == 0)
		r = pages_and_changes(&b, change, err);
	*whole = r == CAUGHT_UP;
	if (*whole)
		*ret = TAKE(b.facts);
	build_done(&b);
	if (r > 0)
		return 0;
	/* rows that moved between two pages can be there twice: read again, not damaged */
	return r == -ERR_INVALID_VALUE && change_now(store, &after, err) == 0 && after != before
		       ? 0
		       : r;
}

/* Whether so much is stored that one transaction would be begun in vain. */
static int are_many(struct store *store, const struct facts_want *want, bool *ret,
		    struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t most = 0;
	int r;

	*ret = want->pages;
	if (want->pages || want->person)
		return 0;
	r = store_read_begin(store, &db, err);
	if (r == 0)
		r = db_one(db, &most, err,
			   "SELECT max(coalesce((SELECT max(id) FROM person), 0),"
			   " coalesce((SELECT max(id) FROM account), 0))");
	*ret = most > PAGES_FROM;
	return r < 0 ? r : 0;
}

int store_facts(struct store *store, const struct facts_want *want, struct facts **ret,
		int64_t *change, struct err *err)
{
	int64_t at = 0;
	bool whole = false, pages;
	int r, pass;

	r = are_many(store, want, &pages, err);
	if (r < 0)
		return r;
	r = pages ? -ERR_TIMEOUT : build_at_once(store, want, ret, &at, err);
	if (r == -ERR_TIMEOUT) {
		r = 0;
		for (pass = 0; r == 0 && !whole && pass < FACTS_PASSES; pass++)
			r = build_in_pages(store, want, ret, &at, &whole, err);
		if (r == 0 && !whole)
			return err_set(err, ERR_INCOMPLETE,
				       "links, decisions or reads changed during each of %d "
				       "readings of "
				       "the store: the round is made later, when fewer changes "
				       "come in",
				       FACTS_PASSES);
	}
	if (r == 0 && change)
		*change = at;
	return r;
}
