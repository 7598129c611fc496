#include "bridge/planner.h"

#include "base/log.h"
#include "base/scan.h"
#include "base/stamp.h"
#include "bridge/approvals.h"
#include "bridge/plans_kept.h"
#include "bridge/rounds.h"
#include "bridge/run_time.h"
#include "bridge/seen.h"
#include "reconcile/bulk.h"
#include "reconcile/guard.h"
#include "reconcile/report.h"
#include "store/accounts.h"
#include "store/events.h"
#include "store/facts.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/provision.h"
#include "store/writer.h"

#define VALUES_AT_ONCE 500     /* values of actions in one read transaction */
#define OPEN_PLANS_MOST 16     /* that a new plan is held against */
#define PLANNER_PASSES 5       /* matching rounds until nothing new is linked */
#define PLANNER_LINK_BATCH 500 /* links in one request to the writer */

/* --- facts ---------------------------------------------------------------------------------
 */

static enum source_role role_of(int role)
{
	switch (role) {
	case CONFIG_HR:
		return SOURCE_HR;
	case CONFIG_DIRECTORY:
		return SOURCE_DIRECTORY;
	default:
		return SOURCE_IDP;
	}
}

bool planner_hears(const struct app *app, const struct config_org *org, const char *name)
{
	/* one that came with a configuration that waits says nothing yet */
	if (app->config_waits && !config_source(&app->aside, name))
		return false;
	for (size_t i = 0; i < org->sources.n; i++)
		if (strcmp(org->sources.v[i], name) == 0)
			return true;
	return org->sources.n == 0;
}

/* Whose ids a source's externalId holds: the organisation's, where the config says so. */
static const char *issuer_of(const struct config_source *s, const struct config_org *org)
{
	for (size_t i = 0; i < s->scim.issuer_for.n; i++)
		if (strcmp(s->scim.issuer_for.v[i], org->name) == 0)
			return s->name;
	return NULL;
}

/* What was done under our key that nobody knows of. */
static int foreign_writes(struct db *db, const char *org, int64_t *ret, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int r = accounts_org_get(db, org, &row, err);

	return r == 0 ? events_foreign(db, row.id, ret, err) : r < 0 ? r : 0;
}

static int read_round(struct app *app, const struct config_org *org, struct facts_round *ret,
		      struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(free_at) char *armed = NULL;
	enum store_mode mode;
	int64_t armed_ms = 0, foreign = 0;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = store_mode_get(db, org->name, &mode, err);
	if (r >= 0)
		r = store_setting_get(db, org->name, "armed_ms", &armed, err);
	if (r >= 0)
		r = foreign_writes(db, org->name, &foreign, err);
	if (r < 0)
		return r;
	if (armed && !str_int64(str_of(armed), &armed_ms))
		return err_set(err, ERR_DAMAGED, "organisation %s: setting armed_ms is no time",
			       org->name);
	*ret = (struct facts_round){
		.org = str_of(org->name),
		.zone = str_of(app->config.instance.zone),
		.now_ms = stamp_now_ms(),
		.mode = mode == STORE_ACT       ? ORG_ACT
			: mode == STORE_PROPOSE ? ORG_PROPOSE
						: ORG_OBSERVE,
		.armed_ms = armed ? armed_ms : FACT_ABSENT,
		.foreign_write = foreign > 0,
	};
	return 0;
}

int planner_facts_for(struct app *app, const struct config_org *org,
		      const struct policy *policy, uint64_t person, uint64_t account,
		      struct facts **ret, struct err *err)
{
	struct facts_source_option sources[CONFIG_SOURCES_MAX];
	struct facts_site_option sites[CONFIG_SITES_MAX];
	/* the order of trust that stands */
	const struct config *order = app->config_waits ? &app->aside : &app->config;
	struct facts_round round;
	struct facts_want want = {
		.org = org->name,
		.columns = &policy->columns,
		.round = &round,
		.sources = sources,
		.sites = sites,
		.provision_directory = org->provision.scim.directory,
		.provision_issuer = org->provision.issuer,
		.org_stale_ms = org->hold_after_ms,
		.person = (int64_t)person,
		.account = (int64_t)account,
	};
	int r;

	r = read_round(app, org, &round, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < org->sites.n && want.site_count < CONFIG_SITES_MAX; i++) {
		const struct atl_site_options *s = config_site_at(org, i);

		sites[want.site_count++] = (struct facts_site_option){ s->host, s->queue };
	}
	for (size_t i = 0; i < order->sources.n; i++) {
		const struct config_source *s =
			config_source(&app->config, config_source_at(order, i)->name);

		if (!s || !planner_hears(app, org, s->name) ||
		    want.source_count == CONFIG_SOURCES_MAX)
			continue;
		sources[want.source_count++] = (struct facts_source_option){
			.name = s->name,
			.role = role_of(s->role),
			.kind = s->kind == CONFIG_SCIM ? SOURCE_PUSH : SOURCE_PULL,
			.stale_ms = s->max_age_ms,
			.issuer = issuer_of(s, org),
		};
	}
	return store_facts(app->store, &want, ret, NULL, err);
}

int planner_facts(struct app *app, const struct config_org *org, uint64_t person,
		  uint64_t account, struct facts **ret, struct err *err)
{
	return planner_facts_for(app, org, app_acting(app)->policy, person, account, ret, err);
}

/* --- links and doubts ----------------------------------------------------------------------
 */

struct link_write {
	const struct facts *facts;
	const struct reconcile_result *result;
	const struct config_org *org;
	size_t at, most; /* links of this request */
};

static int org_number(struct db *db, const char *name, int64_t *ret, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int r = accounts_org_get(db, name, &row, err);

	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "organisation %s was not declared", name);
	*ret = row.id;
	return r;
}

static int record_number(struct db *db, struct str source, struct str key, int64_t *ret,
			 struct err *err)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	CLEANUP(record_done) struct record record = { 0 };
	char name[256];
	int r;

	if (source.len >= sizeof(name))
		return err_set(err, ERR_INTERNAL, "a source's name is too long");
	memcpy(name, source.p, source.len);
	name[source.len] = '\0';
	r = sources_get(db, name, &row, err);
	if (r == 0)
		r = records_get(db, row.id, key, &record, err);
	*ret = record.id;
	return r;
}

/* A number that reconcile gave must be the one the ledger gives, or the plans would name
 * somebody else. Somebody else made a person meanwhile: the round is done again on newer facts.
 */
static int make_person(struct db *db, uint64_t number, int64_t now_ms, struct err *err)
{
	struct person_row row;
	int64_t made;
	int r = persons_get(db, (int64_t)number, &row, err);

	if (r <= 0)
		return r;
	r = persons_create(db, now_ms, &made, err);
	if (r == 0 && (uint64_t)made != number)
		return err_set(
			err, ERR_CONFLICT,
			"the person ledger moved while matching: person %lld was expected, "
			"%lld came",
			(long long)number, (long long)made);
	return r;
}

static int link_one(struct db *db, const struct link_write *w, const struct match_link *l,
		    int64_t org, int64_t now_ms, struct err *err)
{
	CLEANUP(free_at) char *rule = str_dup(l->rule);
	int64_t id;
	int r = 0;

	(void)w;
	if (!rule)
		return err_nomem(err);
	if (l->new_person)
		r = make_person(db, l->person, now_ms, err);
	if (r < 0)
		return r;
	if (l->account)
		r = accounts_number(db, org, l->key, &id, err);
	else
		r = record_number(db, l->source, l->key, &id, err);
	if (r != 0)
		return r < 0 ? r : 0; /* went away meanwhile: the next round sees it */
	if (l->account)
		r = persons_link_account(db, id, (int64_t)l->person, rule, rule, now_ms, err);
	else
		r = persons_link_record(db, id, (int64_t)l->person, rule, rule, now_ms, err);
	return r < 0 ? r : 0;
}

static int links_write(void *ctx, struct db *db, struct err *err)
{
	struct link_write *w = ctx;
	int64_t now_ms = stamp_now_ms(), org;
	int r = org_number(db, w->org->name, &org, err);

	for (size_t i = w->at; r == 0 && i < w->at + w->most; i++)
		r = link_one(db, w, &w->result->links.v[i], org, now_ms, err);
	return r;
}

static int save_links(struct app *app, const struct config_org *org, const struct facts *facts,
		      const struct reconcile_result *result, struct err *err)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < result->links.n; at += PLANNER_LINK_BATCH) {
		struct link_write w = { facts, result, org, at, result->links.n - at };

		if (w.most > PLANNER_LINK_BATCH)
			w.most = PLANNER_LINK_BATCH;
		r = writer_call(app->writer, links_write, &w, err);
	}
	return r;
}

static struct str source_name(const struct facts *f, uint32_t record)
{
	return pool_str(&f->pool, f->sources.v[f->records.v[record].source].name);
}

/* Doubts pair a record with a record or an account; two accounts stand beside each other in the
 * findings only, since nothing can be linked between them. */
static int doubt_one(struct db *db, const struct link_write *w, const struct match_doubt *d,
		     int64_t org, int64_t now_ms, struct err *err)
{
	const struct facts *f = w->facts;
	bool swap = d->a_account && !d->b_account;
	uint32_t left_row = swap ? d->b_row : d->a_row, right_row = swap ? d->a_row : d->b_row;
	bool right_account = swap ? d->a_account : d->b_account;
	int64_t left, right, id;
	int r;

	if ((d->a_account && d->b_account) || left_row == FACTS_NONE || right_row == FACTS_NONE)
		return 0;
	r = record_number(db, source_name(f, left_row),
			  pool_str(&f->pool, f->records.v[left_row].key), &left, err);
	if (r == 0 && right_account)
		r = accounts_number(db, org, pool_str(&f->pool, f->accounts.v[right_row].id),
				    &right, err);
	else if (r == 0)
		r = record_number(db, source_name(f, right_row),
				  pool_str(&f->pool, f->records.v[right_row].key), &right, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = persons_doubt_raise(db, right_account ? DOUBT_ACCOUNT : DOUBT_RECORDS, left, right,
				d->kind, d->text, now_ms, &id, err);
	return r < 0 ? r : 0;
}

static int doubts_write(void *ctx, struct db *db, struct err *err)
{
	struct link_write *w = ctx;
	int64_t now_ms = stamp_now_ms(), org;
	int r = org_number(db, w->org->name, &org, err);

	for (size_t i = 0; r == 0 && i < w->result->doubts.n; i++)
		r = doubt_one(db, w, &w->result->doubts.v[i], org, now_ms, err);
	return r;
}

/* --- who stays in a group for its overlap --------------------------------------------------
 */

static int stays_write(void *ctx, struct db *db, struct err *err)
{
	struct link_write *w = ctx;
	int64_t org;
	int r = org_number(db, w->org->name, &org, err);

	for (size_t i = w->at; r == 0 && i < w->at + w->most; i++) {
		const struct provision_stay *s = &w->result->stays.v[i];

		if (s->news)
			r = provision_ceased(db, org, s->user, s->group, s->ceased_ms, err);
	}
	return r;
}

/* A round that has no news of them writes nothing. */
static int save_stays(struct app *app, const struct config_org *org, const struct facts *facts,
		      const struct reconcile_result *result, struct err *err)
{
	size_t from = 0, n = result->stays.n;
	int r = 0;

	while (from < n && !result->stays.v[from].news)
		from++;
	for (size_t at = from; r == 0 && at < n; at += PLANNER_LINK_BATCH) {
		struct link_write w = { facts, result, org, at, n - at };

		if (w.most > PLANNER_LINK_BATCH)
			w.most = PLANNER_LINK_BATCH;
		r = writer_call(app->writer, stays_write, &w, err);
	}
	return r;
}

/* --- saving plans --------------------------------------------------------------------------
 */

struct plan_write {
	const struct plan *plan;
	const struct vec_values *values;
	const char *who;
	const struct planner_beside *beside; /* or NULL */
	enum plan_apart apart;
	struct buf bytes;
	struct action_row *rows;
	struct plan_value *value_rows;
	int64_t number;
	bool unchanged;
};

static int plan_write_run(void *ctx, struct db *db, struct err *err)
{
	struct plan_write *w = ctx;
	struct plan_new in = {
		.apart = w->apart,
		.org = w->plan->org,
		.urgency = plan_urgency_word(w->plan->urgency),
		.bytes = buf_str(&w->bytes),
		.who = w->who,
		.complete = w->plan->complete,
		.held = w->plan->held,
		.expires_ms = w->plan->now_ms + PLAN_APPROVE_MS,
		.actions = w->rows,
		.action_count = w->plan->actions.n,
		.values = w->value_rows,
		.now_ms = w->plan->now_ms,
	};
	int r = plans_save(db, &in, &w->number, err);

	w->unchanged = r == STORE_UNCHANGED;
	if (r == 0 && w->beside)
		r = w->beside->write(w->beside->ctx, db, w->plan, err);
	return r < 0 ? r : 0;
}

static void fill_rows(struct plan_write *w)
{
	for (size_t i = 0; i < w->plan->actions.n; i++) {
		const struct action *a = &w->plan->actions.v[i];
		const struct plan_values *v = &w->values->v[i];

		w->rows[i] = (struct action_row){
			.n = a->n,
			.kind = str_of(action_kinds[a->kind].word),
			.rule = str_of(a->rule),
			.class_ = str_of(plan_class_word(a->class)),
			.product = str_of(a->product),
			.site = str_of(a->site),
			.person = (int64_t)a->person,
			.account = (int64_t)a->account,
			.due_ms = a->due_ms,
			.held = a->verdict == VERDICT_HELD,
			.automatic = a->automatic,
		};
		w->value_rows[i] = (struct plan_value){
			.salt = str_n((const char *)v->salt, sizeof(v->salt)),
			.json = str_of(v->json),
		};
	}
}

static int save_plan_with(struct app *app, const struct plan *plan,
			  const struct vec_values *values, const char *who,
			  const struct planner_beside *beside, enum plan_apart apart,
			  uint64_t *ret, bool *unchanged, struct err *err)
{
	struct plan_write w = {
		.plan = plan, .values = values, .who = who, .beside = beside, .apart = apart
	};
	size_t n = plan->actions.n ? plan->actions.n : 1;
	int r;

	if (values->n != plan->actions.n)
		return err_set(err, ERR_INTERNAL, "a plan of %zu actions has %zu value rows",
			       plan->actions.n, values->n);
	buf_init(&w.bytes, PLAN_MAX_BYTES);
	w.rows = calloc(n, sizeof(*w.rows));
	w.value_rows = calloc(n, sizeof(*w.value_rows));
	r = w.rows && w.value_rows ? plan_write(plan, &w.bytes, err) : err_nomem(err);
	if (r == 0)
		r = buf_fault(&w.bytes, err, "the plan");
	if (r == 0) {
		fill_rows(&w);
		r = writer_call(app->writer, plan_write_run, &w, err);
	}
	free(w.rows);
	free(w.value_rows);
	buf_done(&w.bytes);
	if (r < 0)
		return r;
	*ret = (uint64_t)w.number;
	*unchanged = w.unchanged;
	return 0;
}

static int save_plan(struct app *app, const struct plan *plan, const struct vec_values *values,
		     const char *who, uint64_t *ret, bool *unchanged, struct err *err)
{
	return save_plan_with(app, plan, values, who, NULL, PLAN_OF_ROUND, ret, unchanged, err);
}

/* --- stored bytes
 * -----------------------------------------------------------------------------
 */

struct loaded {
	const struct config_approvals *counts; /* whose word counts; to show what is missing */
	struct buf bytes;
	struct digest digest;
	enum plan_standing standing;
	int64_t created_ms, expires_ms;
};

static int load_row(void *ctx, const struct plan_row *row, struct err *err)
{
	struct loaded *l = ctx;

	buf_add_str(&l->bytes, row->bytes);
	l->standing = row->state;
	l->created_ms = row->created_ms;
	l->expires_ms = row->expires_ms;
	digest_of(&l->digest, NULL, row->bytes);
	return buf_fault(&l->bytes, err, "the plan");
}

static int load_bytes(struct db *db, uint64_t plan, struct loaded *ret, struct err *err)
{
	int r = plans_get(db, (int64_t)plan, load_row, ret, err);

	if (r > 0)
		return err_set(err, ERR_NOT_FOUND,
			       "there is no plan %llu; `leaverd show` lists them",
			       (unsigned long long)plan);
	return r;
}

static int load_in_read(struct app *app, uint64_t plan, struct loaded *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : load_bytes(db, plan, ret, err);
}

/* The bytes were read and digested: their meaning may be kept. */
static int loaded_parse(struct app *app, const struct loaded *l, struct planner_read *ret,
			struct err *err)
{
	struct planner_read read = { .digest = l->digest };
	int r = 0;

	read.plan = plans_kept_take(app->kept, &l->digest);
	if (!read.plan)
		r = plan_parse(buf_str(&l->bytes), &read.plan, err);
	if (r == 0)
		*ret = read;
	return r;
}

int planner_read(struct app *app, uint64_t plan, struct planner_read *ret, struct err *err)
{
	struct loaded l = { 0 };
	int r;

	buf_init(&l.bytes, PLAN_MAX_BYTES);
	r = load_in_read(app, plan, &l, err);
	if (r == 0)
		r = loaded_parse(app, &l, ret, err);
	buf_done(&l.bytes);
	return r;
}

void planner_read_done(struct app *app, struct planner_read *read)
{
	plans_kept_give(app->kept, &read->digest, TAKE(read->plan));
}

int planner_load(struct app *app, uint64_t plan, struct plan **ret, struct digest *digest,
		 struct err *err)
{
	struct loaded l = { 0 };
	int r;

	buf_init(&l.bytes, PLAN_MAX_BYTES);
	r = load_in_read(app, plan, &l, err);
	if (r == 0)
		r = plan_parse(buf_str(&l.bytes), ret, err);
	if (r == 0 && digest)
		*digest = l.digest;
	buf_done(&l.bytes);
	return r;
}

/* --- the plan that stands already ------------------------------------------------------------
 */

struct open_plans {
	const char *urgency;
	uint64_t numbers[OPEN_PLANS_MOST];
	size_t n;
};

static int open_plan_row(void *ctx, const struct plan_row *row, struct err *err)
{
	struct open_plans *open = ctx;

	(void)err;
	if (str_eq(row->urgency, str_of(open->urgency)) && open->n < OPEN_PLANS_MOST)
		open->numbers[open->n++] = (uint64_t)row->id;
	return 0;
}

/*
 * The bytes of what a plan would do, without when it was judged and what the guards said. Since
 * when a step is due does not matter once it is: rules that count from now would never be the
 * same twice, and what waited for change hours is due like the rest when they are over.
 */
static int deeds(const struct plan *plan, int64_t now_ms, struct buf *into, struct err *err)
{
	CLEANUP(free_at) struct action *actions = NULL;
	struct plan bare = *plan;
	int r;

	actions = calloc(plan->actions.n ? plan->actions.n : 1, sizeof(*actions));
	if (!actions)
		return err_nomem(err);
	for (size_t i = 0; i < plan->actions.n; i++) {
		actions[i] = plan->actions.v[i];
		if (actions[i].due_ms <= now_ms)
			actions[i].due_ms = actions[i].anchor_ms = 0;
	}
	bare.actions.v = actions;
	bare.now_ms = 0;
	bare.guards.n = 0;
	bare.supersedes.n = 0;
	r = plan_write(&bare, into, err);
	return r == 0 ? buf_fault(into, err, "the plan") : r;
}

/* Whether the same guards hold it, for as many persons: a plan that took one person to release
 * may take two by now. What they saw may differ. */
static bool same_guards(const struct plan *a, const struct plan *b)
{
	if (a->guards.n != b->guards.n)
		return false;
	for (size_t i = 0; i < a->guards.n; i++) {
		const struct plan_guard *x = &a->guards.v[i], *y = &b->guards.v[i];

		if (strcmp(x->name, y->name) != 0 || x->verdict != y->verdict ||
		    x->needs != y->needs)
			return false;
	}
	return true;
}

/*
 * Whether two plans are written alike, but for when they were judged and what they supersede.
 * Members are in order of their names, so they stand side by side. That is seen without a
 * parse, and is how it is where nothing changed.
 */
static bool same_text(struct str a, struct str b)
{
	struct str name[2], value[2];

	if (!scan_is(&a, '{') || !scan_is(&b, '{'))
		return false;
	do {
		if (!scan_member(&a, &name[0], &value[0]) ||
		    !scan_member(&b, &name[1], &value[1]) || !str_eq(name[0], name[1]))
			return false;
		if (!str_eq(value[0], value[1]) && !str_eq(name[0], STR("\"now\"")) &&
		    !str_eq(name[0], STR("\"supersedes\"")))
			return false;
	} while (scan_is(&a, ',') && scan_is(&b, ','));
	return scan_is(&a, '}') && scan_is(&b, '}');
}

/* The same where the texts differ: a step that became due, a guard that saw other numbers. */
static int same_deeds(const struct plan *plan, const struct plan *old, bool *ret,
		      struct err *err)
{
	CLEANUP(buf_done) struct buf mine, theirs;
	int r;

	buf_init(&mine, PLAN_MAX_BYTES);
	buf_init(&theirs, PLAN_MAX_BYTES);
	if (old->held != plan->held || old->complete != plan->complete ||
	    !same_guards(old, plan))
		return 0;
	r = deeds(plan, plan->now_ms, &mine, err);
	if (r == 0)
		r = deeds(old, plan->now_ms, &theirs, err);
	*ret = r == 0 && str_eq(buf_str(&mine), buf_str(&theirs));
	return r;
}

/* Whether that open plan says the same; text: how the new one is written. */
static int is_same_plan(struct app *app, const struct plan *plan, struct str text,
			uint64_t number, bool *ret, struct err *err)
{
	struct planner_read old = { .plan = NULL };
	struct loaded l = { 0 };
	int r;

	buf_init(&l.bytes, PLAN_MAX_BYTES);
	r = load_in_read(app, number, &l, err);
	*ret = r == 0 && same_text(text, buf_str(&l.bytes));
	if (r == 0 && !*ret)
		r = loaded_parse(app, &l, &old, err);
	if (r == 0 && !*ret)
		r = same_deeds(plan, old.plan, ret, err);
	planner_read_done(app, &old);
	buf_done(&l.bytes);
	return r < 0 ? err_context(err, r, "plan %llu", (unsigned long long)number) : 0;
}

/* Whether an open plan of the same urgency says the same: then it stands, and whoever is
 * reading it can go on. *ret is its number, 0 for none. What people ordered stands open beside
 * what rounds made. */
static int same_plan(struct app *app, const struct plan *plan, uint64_t *ret, struct err *err)
{
	struct open_plans open = { .urgency = plan_urgency_word(plan->urgency) };
	CLEANUP(buf_done) struct buf text;
	struct db *db = NULL;
	bool same = false;
	int r;

	*ret = 0;
	buf_init(&text, PLAN_MAX_BYTES);
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = plans_list(db, plan->org, 1u << PLAN_OPEN, 0, OPEN_PLANS_MOST,
			       open_plan_row, &open, err);
	store_read_end(db);
	if (r >= 0 && open.n)
		r = plan_write(plan, &text, err);
	for (size_t i = 0; i < open.n && r >= 0 && !same; i++) {
		r = is_same_plan(app, plan, buf_str(&text), open.numbers[i], &same, err);
		if (same)
			*ret = open.numbers[i];
	}
	return r < 0 ? r : 0;
}

int planner_save(struct app *app, const struct plan *plan, const struct vec_values *values,
		 const char *who, enum plan_apart apart, uint64_t *ret, bool *unchanged,
		 struct err *err)
{
	int r = same_plan(app, plan, ret, err);

	*unchanged = *ret != 0;
	if (r < 0 || *unchanged)
		return r;
	return save_plan_with(app, plan, values, who, NULL, apart, ret, unchanged, err);
}

/* --- what the policy approves itself, in mode act
 * ---------------------------------------------- */

struct policy_write {
	uint64_t plan;
	struct digest digest;
	struct buf actions;
};

static int policy_write_run(void *ctx, struct db *db, struct err *err)
{
	struct policy_write *w = ctx;
	const struct decision in = {
		.plan = (int64_t)w->plan,
		.kind = DECISION_APPROVE,
		.who = STR("policy"),
		.digest = w->digest,
		.actions = buf_str(&w->actions),
		.why = STR("rules marked automatic, in mode act"),
		.ms = stamp_now_ms(),
	};
	int64_t id;

	return plans_decide(db, &in, &id, err);
}

/* Also of a plan that stands open since before: an end or a fault may have come between its
 * saving and this. */
static int approve_automatic(struct app *app, const struct plan *plan, uint64_t number,
			     struct err *err)
{
	CLEANUP(plan_free_at) struct plan *stored = NULL;
	struct policy_write w = { .plan = number };
	int r = 0;

	buf_init(&w.actions, 32 * 1024 * 1024);
	for (size_t i = 0; i < plan->actions.n; i++) {
		const struct action *a = &plan->actions.v[i];

		if (a->automatic && a->verdict == VERDICT_PASS && a->needs <= 1)
			buf_addf(&w.actions, "%s%u", w.actions.len ? "," : "", a->n);
	}
	if (w.actions.len)
		r = planner_load(app, number, &stored, &w.digest, err);
	if (r == 0 && w.actions.len)
		r = buf_fault(&w.actions, err, "the list of approved actions");
	if (r == 0 && w.actions.len)
		r = writer_call(app->writer, policy_write_run, &w, err);
	buf_done(&w.actions);
	return r < 0 ? r : 0;
}

/* --- one round -----------------------------------------------------------------------------
 */

static int round_out_plan(struct app *app, enum org_mode mode, const struct plan *plan,
			  const struct vec_values *values, const char *who, json_t *plans,
			  struct err *err)
{
	size_t held = 0;
	uint64_t number;
	bool unchanged;
	json_t *row;
	int r;

	r = same_plan(app, plan, &number, err);
	if (r < 0)
		return r;
	unchanged = number != 0;
	if (!unchanged)
		r = save_plan(app, plan, values, who, &number, &unchanged, err);
	if (r == 0 && mode == ORG_ACT && !plan->held)
		r = approve_automatic(app, plan, number, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->actions.n; i++)
		held += plan->actions.v[i].verdict == VERDICT_HELD;
	log_info("plan.made", LOG_U("plan", number), LOG_T("org", plan->org),
		 LOG_T("urgency", plan_urgency_word(plan->urgency)),
		 LOG_U("actions", plan->actions.n), LOG_U("held", held),
		 LOG_B("whole", plan->held), LOG_B("unchanged", unchanged));
	row = json_pack("{s:I,s:s,s:I,s:I,s:b,s:b}", "plan", (json_int_t)number, "urgency",
			plan_urgency_word(plan->urgency), "actions",
			(json_int_t)plan->actions.n, "held_actions", (json_int_t)held, "held",
			plan->held, "unchanged", unchanged);
	return jx_add(plans, row, err);
}

static int round_out_findings(const struct reconcile_result *result, json_t *out,
			      struct err *err)
{
	json_t *findings = json_array();
	int r = jx_set(out, "findings", findings, err);

	for (size_t i = 0; r == 0 && i < result->findings.n && i < 1000; i++) {
		const struct finding *f = &result->findings.v[i];

		r = jx_add(findings,
			   json_pack("{s:s,s:s?,s:I,s:I,s:s}", "kind", f->kind, "rule", f->rule,
				     "person", (json_int_t)f->person, "account",
				     (json_int_t)f->account, "text", f->text),
			   err);
	}
	return r;
}

/* What is doubted, also where no plan came of it: silence of a directory must be seen. */
static int round_out_guards(const struct reconcile_result *result, json_t *out, struct err *err)
{
	json_t *list = json_array();
	int r = jx_set(out, "guards", list, err);

	for (size_t i = 0; r == 0 && i < result->guards.n; i++) {
		const struct plan_guard *g = &result->guards.v[i];

		r = jx_add(list,
			   json_pack("{s:s,s:s,s:s}", "name", g->name, "verdict",
				     guard_verdict_word(g->verdict), "text", g->text),
			   err);
	}
	return r;
}

static int round_out(const struct reconcile_result *result, const char *org, json_t *out,
		     struct err *err)
{
	const struct reconcile_counts *c = &result->counts;
	json_t *counts;
	int r;

	counts =
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "records",
			  (json_int_t)c->records, "persons", (json_int_t)c->persons, "accounts",
			  (json_int_t)c->accounts, "linked", (json_int_t)c->linked, "adopted",
			  (json_int_t)c->adopted, "orphans", (json_int_t)c->orphans, "seats",
			  (json_int_t)c->seats, "unknown_rules", (json_int_t)c->unknown_rules,
			  "later", (json_int_t)c->later, "pending", (json_int_t)c->pending);
	r = jx_set(out, "org", json_string(org), err);
	if (r == 0)
		r = jx_set(out, "counts", counts, err);
	else
		json_decref(counts);
	if (r == 0)
		r = jx_set(out, "doubts", json_integer((json_int_t)result->doubts.n), err);
	if (r == 0)
		r = jx_set(out, "findings_total", json_integer((json_int_t)result->findings.n),
			   err);
	if (r == 0)
		r = round_out_guards(result, out, err);
	return r == 0 ? round_out_findings(result, out, err) : r;
}

/* Matches until nothing new is found: plans name ledger numbers, so all links are written
 * before a plan is made of them. *links counts what was written. */
static int match_round(struct app *app, const struct config_org *org, struct facts **ret_facts,
		       struct reconcile_result **ret, size_t *links, struct err *err)
{
	const struct policy *policy = app_acting(app)->policy;
	for (int pass = 0; pass < PLANNER_PASSES; pass++) {
		CLEANUP(facts_free_at) struct facts *facts = NULL;
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
		struct link_write w;
		int r;

		r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
		if (r == 0)
			r = reconcile(facts, policy, &result, err);
		if (r < 0)
			return r;
		if (result->links.n == 0) {
			w = (struct link_write){ facts, result, org, 0, 0 };
			r = writer_call(app->writer, doubts_write, &w, err);
			if (r == 0)
				r = save_stays(app, org, facts, result, err);
			if (r < 0)
				return r;
			*ret_facts = TAKE(facts);
			*ret = TAKE(result);
			return 0;
		}
		r = save_links(app, org, facts, result, err);
		if (r < 0 && r != -ERR_CONFLICT)
			return r;
		*links += result->links.n;
	}
	return err_set(err, ERR_INCOMPLETE,
		       "matching did not come to rest in %d passes: the sources are changing "
		       "faster than they can be matched; try again",
		       PLANNER_PASSES);
}

/* What leavers own that nobody knows yet. *read: something is known now, so plan again. */
static int read_inventories(struct app *app, const struct config_org *org,
			    const struct reconcile_result *result, size_t *total, bool *read,
			    struct err *err)
{
	size_t n = 0;
	int r = 0;

	*read = false;
	if (result->inventories.n)
		r = rounds_inventory(app, org, result->inventories.v, result->inventories.n, &n,
				     err);
	*total += n;
	*read = r == 0 && n > 0;
	return r;
}

/* Plans as things are known now, saved. */
static int plan_pass(struct app *app, const struct config_org *org, const char *who,
		     struct facts **facts, struct reconcile_result **result, size_t *links,
		     json_t *out, struct err *err)
{
	json_t *plans = json_array();
	int r = jx_set(out, "plans", plans, err);

	if (r == 0)
		r = match_round(app, org, facts, result, links, err);
	for (int u = 0; r == 0 && u < PLAN_URGENCY_COUNT; u++)
		if ((*result)->plans[u])
			r = round_out_plan(app, (*facts)->round.mode, (*result)->plans[u],
					   &(*result)->values[u], who, plans, err);
	return r;
}

/* Plans first, so that no block waits for what a site says; then what leavers own is read where
 * that is not known, and if it was, planned once more. */
int planner_round(struct app *app, const struct config_org *org, const char *who, json_t *out,
		  struct err *err)
{
	int64_t waits;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	int64_t begun = stamp_mono_ms();
	size_t links = 0, inventories = 0;
	int64_t seen = 0;
	bool read = false;
	int r = seen_newest(app, &seen, err);

	if (r == 0)
		r = plan_pass(app, org, who, &facts, &result, &links, out, err);
	if (r == 0)
		r = read_inventories(app, org, result, &inventories, &read, err);
	if (r == 0 && read) {
		facts_free(TAKE(facts));
		reconcile_result_free(TAKE(result));
		r = plan_pass(app, org, who, &facts, &result, &links, out, err);
	}
	if (r == 0)
		r = jx_set(out, "links", json_integer((json_int_t)links), err);
	if (r == 0)
		r = jx_set(out, "inventories", json_integer((json_int_t)inventories), err);
	waits = app_acting(app)->waits;
	if (r == 0 && waits)
		r = jx_set(out, "config_waits", json_integer(waits), err);
	if (r == 0)
		r = round_out(result, org->name, out, err);
	if (r == 0)
		r = jx_set(out, "ms", json_integer(stamp_mono_ms() - begun), err);
	if (r == 0)
		r = seen_keep(app, org->name, seen, err);
	if (r < 0)
		return err_context(err, r, "round of %s", org->name);
	return 0;
}

int planner_block(struct app *app, const struct config_org *org,
		  const struct block_request *request, const char *who, uint64_t *ret_plan,
		  struct err *err)
{
	const struct policy *policy = app_acting(app)->policy;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	bool unchanged;
	int r;

	r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
	if (r == 0)
		r = reconcile_block(facts, policy, request, &result, err);
	if (r < 0)
		return r;
	if (!result->plans[PLAN_URGENT])
		return err_set(err, ERR_NOT_FOUND,
			       "nothing is left to block: every account is suspended already");
	return save_plan(app, result->plans[PLAN_URGENT], &result->values[PLAN_URGENT], who,
			 ret_plan, &unchanged, err);
}

int planner_undo(struct app *app, const struct config_org *org,
		 const struct undo_request *request, const struct planner_beside *beside,
		 const char *who, uint64_t *ret_plan, struct reconcile_result **result,
		 struct err *err)
{
	const struct policy *policy = app_acting(app)->policy;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	const struct plan *plan;
	bool unchanged;
	int r;

	*ret_plan = 0;
	r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
	if (r == 0)
		r = reconcile_undo(facts, policy, request, result, err);
	if (r < 0)
		return r;
	plan = (*result)->plans[PLAN_URGENT];
	return plan ? save_plan_with(app, plan, &(*result)->values[PLAN_URGENT], who, beside,
				     PLAN_OF_ORDER, ret_plan, &unchanged, err)
		    : 0;
}

/* Where the time of a large file went, for whoever waited. */
static void bulk_told(const struct config_org *org, uint64_t plan, const int64_t at_ms[4])
{
	log_info("bulk.made", LOG_U("plan", plan), LOG_T("org", org->name),
		 LOG_I("facts_ms", at_ms[1] - at_ms[0]), LOG_I("judge_ms", at_ms[2] - at_ms[1]),
		 LOG_I("save_ms", at_ms[3] - at_ms[2]));
}

int planner_bulk(struct app *app, const struct config_org *org,
		 const struct bulk_request *request, const char *who, uint64_t *ret_plan,
		 bool *unchanged, struct reconcile_result **result, struct err *err)
{
	const struct policy *policy = app_acting(app)->policy;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	int64_t at_ms[4] = { stamp_mono_ms() };
	const struct plan *plan;
	int r;

	*ret_plan = 0;
	*unchanged = false;
	r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
	at_ms[1] = stamp_mono_ms();
	if (r == 0)
		r = reconcile_bulk(facts, policy, request, result, err);
	at_ms[2] = stamp_mono_ms();
	if (r < 0)
		return r;
	plan = (*result)->plans[PLAN_ROUTINE];
	if (!plan)
		return 0;
	r = planner_save(app, plan, &(*result)->values[PLAN_ROUTINE], who, PLAN_OF_ORDER,
			 ret_plan, unchanged, err);
	at_ms[3] = stamp_mono_ms();
	if (r == 0)
		bulk_told(org, *ret_plan, at_ms);
	return r;
}

/* --- showing -------------------------------------------------------------------------------
 */

struct values_read {
	json_t **docs; /* one an action; NULL where it was erased */
	struct report_who *who;
	size_t n;
};

static void values_read_done(struct values_read *v)
{
	for (size_t i = 0; i < v->n; i++)
		json_decref(v->docs[i]);
	free(v->docs);
	free(v->who);
}

static int value_read(struct db *db, uint64_t plan, unsigned n, json_t **doc,
		      struct report_who *who, struct err *err)
{
	CLEANUP(buf_done) struct buf json, salt;
	int r;

	buf_init(&json, 1024 * 1024);
	buf_init(&salt, 64);
	who->n = n;
	r = plans_value(db, (int64_t)plan, n, &json, &salt, err);
	if (r != 0 || json.len == 0)
		return r < 0 ? r : 0;
	r = jx_parse(buf_str(&json), JX_LENIENT, doc, err);
	if (r < 0)
		return r;
	who->account_id = str_of(jx_get_text(*doc, "account_id"));
	who->email = str_of(jx_get_text(*doc, "email"));
	who->name = str_of(jx_get_text(*doc, "name"));
	return 0;
}

/* A read transaction is short, a plan may be long: so many values in each. */
static int values_page(struct app *app, uint64_t plan, const struct plan *p, size_t first,
		       struct values_read *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	for (size_t i = first; r == 0 && i < p->actions.n && i < first + VALUES_AT_ONCE; i++)
		r = value_read(db, plan, p->actions.v[i].n, &ret->docs[i], &ret->who[i], err);
	return r;
}

static int values_read(struct app *app, uint64_t plan, const struct plan *p,
		       struct values_read *ret, struct err *err)
{
	size_t n = p->actions.n ? p->actions.n : 1;
	int r = 0;

	ret->docs = calloc(n, sizeof(*ret->docs));
	ret->who = calloc(n, sizeof(*ret->who));
	if (!ret->docs || !ret->who)
		return err_nomem(err);
	ret->n = p->actions.n;
	for (size_t i = 0; r == 0 && i < p->actions.n; i += VALUES_AT_ONCE)
		r = values_page(app, plan, p, i, ret, err);
	return r;
}

struct states_read {
	json_t *actions; /* the report's */
};

static int state_row(void *ctx, const struct action_row *row, struct err *err)
{
	struct states_read *s = ctx;
	json_t *a = json_array_get(s->actions, (size_t)(row->n - 1));
	int r;

	if (!a)
		return err_set(err, ERR_DAMAGED, "action %lld is not in the plan's bytes",
			       (long long)row->n);
	r = jx_set(a, "state", json_string(action_state_words[row->state]), err);
	if (r == 0 && row->result.len)
		r = jx_set(a, "result", json_stringn(row->result.p, row->result.len), err);
	return r;
}

static int decision_row(void *ctx, const struct decision *row, struct err *err)
{
	json_t *d = json_pack("{s:s,s:s%,s:s%,s:s%,s:s%,s:I,s:b}", "decision",
			      decision_words[row->kind], "who", row->who.p, row->who.len,
			      "actions", row->actions.p, row->actions.len, "guards",
			      row->guards.p ? row->guards.p : "", row->guards.len, "why",
			      row->why.p ? row->why.p : "", row->why.len, "at",
			      (json_int_t)row->ms, "signed", row->person);

	return jx_add(ctx, d, err);
}

/* --- what is still missing -----------------------------------------------------------------
 */

#define MISSING_BYTES 1024

/* Guards of the action that nobody has released, for the command line; the first that nobody
 * can, -1 for none. */
static int lacking(const struct action *action, const struct apply_approval *given,
		   char ret[512])
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < action->held_count; i++) {
		int row = guard_of(str_of(action->held_by[i]));
		bool released = false;

		if (row < 0 || guards[row].release == RELEASE_NEVER)
			return row < 0 ? GUARD_UNKNOWN : row;
		for (size_t k = 0; k < given->released_count; k++)
			released |= strcmp(given->released[k], action->held_by[i]) == 0;
		if (!released && at < 512)
			at += (size_t)snprintf(ret + at, 512 - at, " --release %s",
					       action->held_by[i]);
	}
	return -1;
}

/* What a held action waits for, and what to do, in a sentence; false: for nothing. */
static bool missing_of(uint64_t plan, struct approvals *approvals, const struct action *action,
		       char ret[MISSING_BYTES])
{
	struct apply_approval given = { .persons = 0 };
	char lacks[512];
	int never;

	if (action->verdict != VERDICT_HELD)
		return false;
	(void)approvals_of(approvals, action, &given);
	never = lacking(action, &given, lacks);
	if (never >= 0)
		snprintf(ret, MISSING_BYTES,
			 "guard %s, which no approval releases. It takes %s",
			 guards[never].name, guards[never].way);
	else if (lacks[0] && action->needs > 1)
		snprintf(ret, MISSING_BYTES,
			 "%s (given so far: %u of %u). Each says `leaverd approve %llu "
			 "--action %u%s --reason WHY --sign KEYFILE`",
			 GUARD_TWO_WORDS, given.persons, action->needs,
			 (unsigned long long)plan, action->n, lacks);
	else if (lacks[0])
		snprintf(ret, MISSING_BYTES,
			 "an approval that names it: `leaverd approve %llu --action %u%s "
			 "--reason WHY`",
			 (unsigned long long)plan, action->n, lacks);
	return lacks[0] || never >= 0;
}

static int missing_guards(uint64_t plan, const struct plan *p, json_t *doc, struct err *err)
{
	json_t *rows = json_object_get(doc, "guards"), *row;
	char text[MISSING_BYTES];
	size_t i;
	int r = 0;

	json_array_foreach (rows, i, row) {
		const struct plan_guard *g = i < p->guards.n ? &p->guards.v[i] : NULL;

		if (r < 0 || !g || g->verdict != GUARD_HOLD_PLAN || !g->needs)
			continue;
		snprintf(text, sizeof(text), "%s`leaverd release %llu %s --reason WHY%s`",
			 g->needs > 1 ? GUARD_TWO_WORDS ". Each says " : "",
			 (unsigned long long)plan, g->name,
			 g->needs > 1 ? " --sign KEYFILE" : "");
		r = jx_set(row, "missing", json_string(text), err);
	}
	return r;
}

/* Beside each action and guard that holds: what is missing, and what to do. */
static int show_missing(struct db *db, uint64_t plan, const struct plan *p,
			const struct loaded *l, json_t *doc, struct err *err)
{
	CLEANUP(approvals_free_at) struct approvals *approvals = NULL;
	json_t *actions = json_object_get(doc, "actions"), *row;
	char text[MISSING_BYTES];
	size_t i;
	int r;

	if (l->standing != PLAN_OPEN && l->standing != PLAN_APPROVED &&
	    l->standing != PLAN_RUNNING)
		return 0;
	r = approvals_new(&approvals, p, &l->digest, err);
	if (r == 0 && l->counts->is_signed == CONFIG_SIGNED_ALWAYS)
		approvals_signed_only(approvals);
	if (r == 0 && l->counts->single_admin)
		approvals_single_admin(approvals, l->counts->single_delay_ms);
	if (r == 0)
		r = plans_decisions(db, (int64_t)plan, approvals_add, approvals, err);
	json_array_foreach (actions, i, row) {
		const char *state = jx_get_text(row, "state");

		if (r == 0 && i < p->actions.n && state && strcmp(state, "planned") == 0 &&
		    missing_of(plan, approvals, &p->actions.v[i], text))
			r = jx_set(row, "missing", json_string(text), err);
	}
	if (r == 0)
		r = missing_guards(plan, p, doc, err);
	return r == 0 ? run_time_show(db, p->org, plan, json_object_get(doc, "guards"), err)
		      : r;
}

static int show_rest(struct db *db, uint64_t plan, const struct loaded *l, json_t *doc,
		     struct err *err)
{
	struct states_read states = { json_object_get(doc, "actions") };
	json_t *decisions = json_array();
	int r = jx_set(doc, "decisions", decisions, err);

	if (r == 0)
		r = plans_actions(db, (int64_t)plan, state_row, &states, err);
	if (r == 0)
		r = plans_decisions(db, (int64_t)plan, decision_row, decisions, err);
	if (r == 0)
		r = jx_set(doc, "state", json_string(plan_standing_words[l->standing]), err);
	if (r == 0)
		r = jx_set(doc, "created", json_integer(l->created_ms), err);
	if (r == 0)
		r = jx_set(doc, "expires", json_integer(l->expires_ms), err);
	if (r == 0)
		r = jx_set(doc, "plan", json_integer((json_int_t)plan), err);
	return r;
}

static int on_receiver(void *ctx, const struct account_row *row, struct err *err)
{
	struct str who = row->email.len ? row->email : row->account_id;

	return jx_set(ctx, "receiver", json_stringn(who.p, who.len), err);
}

/* Beside each gift: whose account the ledger number of its receiver is. */
static int show_receivers(struct db *db, json_t *doc, struct err *err)
{
	json_t *action, *step;
	size_t i, k;
	int r = 0;

	json_array_foreach (json_object_get(doc, "actions"), i, action)
		json_array_foreach (json_object_get(action, "steps"), k, step) {
			const json_t *to = json_object_get(step, "to");

			if (r == 0 && to)
				r = accounts_get(db, json_integer_value(to), on_receiver, step,
						 err);
			r = r > 0 ? 0 : r;
		}
	return r;
}

/* What the bytes say, with the values joined: those do not change but by being erased. */
static int show_bytes(struct app *app, uint64_t plan, const struct plan *p,
		      const struct loaded *l, json_t **ret, struct err *err)
{
	CLEANUP(values_read_done) struct values_read values = { 0 };
	CLEANUP(buf_done) struct buf text;
	struct report_input in;
	char id[24];
	int r;

	buf_init(&text, PLAN_MAX_BYTES);
	r = values_read(app, plan, p, &values, err);
	if (r < 0)
		return r;
	snprintf(id, sizeof(id), "%llu", (unsigned long long)plan);
	in = (struct report_input){ p, str_of(id), l->digest, values.who, values.n };
	r = report_plan_json(&in, &text, err);
	if (r == 0)
		r = buf_fault(&text, err, "the report of a plan");
	return r < 0 ? r : jx_parse(buf_str(&text), JX_LENIENT, ret, err);
}

static int standing_row(void *ctx, const struct plan_row *row, struct err *err)
{
	struct loaded *l = ctx;

	(void)err;
	l->standing = row->state;
	return 0;
}

/* What became of it, in one transaction: standing, actions, decisions. */
static int show_state(struct app *app, uint64_t plan, const struct plan *p, struct loaded *l,
		      json_t *doc, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = plans_get(db, (int64_t)plan, standing_row, l, err);
	if (r == 0)
		r = show_rest(db, plan, l, doc, err);
	if (r == 0)
		r = show_missing(db, plan, p, l, doc, err);
	if (r == 0)
		r = show_receivers(db, doc, err);
	return r > 0 ? err_set(err, ERR_NOT_FOUND, "there is no such plan any more") : r;
}

int planner_show(struct app *app, uint64_t plan, json_t **ret, struct err *err)
{
	struct planner_read read = { .plan = NULL };
	int r = planner_show_read(app, plan, ret, &read, err);

	planner_read_done(app, &read);
	return r;
}

int planner_show_read(struct app *app, uint64_t plan, json_t **ret, struct planner_read *read,
		      struct err *err)
{
	struct loaded l = { .counts = &app_acting(app)->approvals };
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r;

	buf_init(&l.bytes, PLAN_MAX_BYTES);
	r = load_in_read(app, plan, &l, err);
	if (r == 0)
		r = loaded_parse(app, &l, read, err);
	if (r == 0)
		r = show_bytes(app, plan, read->plan, &l, &doc, err);
	if (r == 0)
		r = show_state(app, plan, read->plan, &l, doc, err);
	buf_done(&l.bytes);
	if (r < 0)
		return err_context(err, r, "plan %llu", (unsigned long long)plan);
	*ret = TAKE(doc);
	return 0;
}

/* --- counts by rule ------------------------------------------------------------------------
 */

static int rule_row(json_t *rows, const char *rule, json_t **ret, struct err *err)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const char *name = jx_get_text(row, "rule");

		*ret = row;
		if (name && strcmp(name, rule) == 0)
			return 0;
	}
	*ret = json_pack("{s:s,s:i}", "rule", rule, "held", 0);
	return jx_add(rows, *ret, err);
}

int planner_rules(json_t *plan, struct err *err)
{
	json_t *rows = json_array(), *a;
	json_int_t open = 0;
	size_t i;
	int r = jx_set(plan, "rules", rows, err);

	json_array_foreach (json_object_get(plan, "actions"), i, a) {
		const char *rule = jx_get_text(a, "rule"), *kind = jx_get_text(a, "kind");
		const char *verdict = jx_get_text(a, "verdict");
		bool held = verdict && strcmp(verdict, "held") == 0;
		json_t *row;

		if (r < 0 || !rule || !kind)
			continue;
		r = rule_row(rows, rule, &row, err);
		kind = held ? "held" : kind;
		if (r == 0)
			r = jx_set(row, kind,
				   json_integer(json_integer_value(json_object_get(row, kind)) +
						1),
				   err);
		open += !held;
	}
	return r == 0 ? jx_set(plan, "free", json_integer(open), err) : r;
}
