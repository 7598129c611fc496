#include "tests/lib/store_world.h"

#include "model/project.h"
#include "store/accounts.h"
#include "store/facts.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/sources.h"

/* A directory, a push source, an organisation with two accounts; ada is linked to both. */
struct house {
	struct world w;
	int64_t corp, okta, org, ada, bob;
	int64_t accounts[2], group, jira;
	struct facts_columns columns;
};

static void want_column(struct house *h, const char *text)
{
	CLEANUP(path_done) struct path p = { 0 };
	struct err err = { 0 };
	uint32_t slot;

	assert_ok(path_parse(str_of(text), PATH_SCIM_USER, &p, &err), &err);
	assert_ok(facts_columns_want(&h->columns, &p, &slot, &err), &err);
}

static void read_corp(struct house *h, bool complete, unsigned doubts, int64_t now)
{
	static const char *const docs[] = {
		"{\"userName\":\"ada\",\"active\":false,\"emails\":[{\"value\":\"ada@x\"}]}",
		"{\"userName\":\"bob\"}",
		"{\"userName\":\"eve\",\"title\":\"Dr\"}",
	};
	static const char *const keys[] = { "k1", "k2", "k3" };
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_verdict v = { .complete = complete,
				  .doubts = doubts,
				  .reason = doubts || !complete ? "because" : NULL,
				  .now_ms = now };
	struct err err = { 0 };
	size_t i;

	WRITE(&h->w, sources_read_begin(db, h->corp, READ_FULL, now, &run, &err));
	for (i = 0; i < COUNT_OF(docs); i++) {
		CLEANUP(json_decref_at) json_t *doc = world_json(docs[i]);
		struct read_entry e = { .key = str_of(keys[i]),
					.doc = doc,
					.unknown = i == 1 ? STR("active") : STR("") };

		WRITE(&h->w, sources_read_put(db, run, &e, 1, now, &err));
	}
	WRITE(&h->w, sources_read_end(db, run, &v, NULL, &err));
}

static void collect(struct house *h, unsigned whole)
{
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct account_row rows[] = {
		{ .account_id = STR("a:1"),
		  .email = STR("ada@x"),
		  .status = ACCOUNT_ACTIVE,
		  .type = ACCOUNT_PERSON,
		  .managed = TRI_YES,
		  .added_ms = FACT_ABSENT },
		{ .account_id = STR("a:2"),
		  .email = STR("who@x"),
		  .status = ACCOUNT_ACTIVE,
		  .type = ACCOUNT_PERSON,
		  .managed = TRI_NO },
	};
	struct product_row jira = { .key = STR("jira"), .site = STR("acme") };
	struct org_group_row staff = { .group_id = STR("g-1"), .name = STR("staff") };
	struct grant_row grant = { .role = STR("atlassian/user"), .billable = TRI_YES };
	struct seat_row seat = { .last_active_ms = FACT_ABSENT };
	struct role_row role = { .role = STR("atlassian/user") };
	uint32_t member;
	struct err err = { 0 };

	WRITE(&h->w, accounts_begin(db, h->org, NOW, &run, &err));
	WRITE(&h->w, accounts_put(db, run, rows, 2, NOW, h->accounts, &err));
	WRITE(&h->w, accounts_put_products(db, run, &jira, 1, &h->jira, &err));
	WRITE(&h->w, accounts_put_groups(db, run, &staff, 1, &h->group, &err));
	grant.group = h->group;
	grant.product = seat.product = role.product = h->jira;
	member = (uint32_t)h->accounts[0];
	seat.account = h->accounts[0];
	WRITE(&h->w, accounts_put_grants(db, run, &grant, 1, &err));
	WRITE(&h->w, accounts_put_members(db, run, h->group, &member, 1, true, &err));
	WRITE(&h->w, accounts_put_roles(db, run, h->accounts[1], &role, 1, &err));
	WRITE(&h->w, accounts_put_seats(db, run, &seat, 1, &err));
	WRITE(&h->w,
	      accounts_end(db, run, whole, true,
			   whole == ORG_PART_ALL ? NULL : "members were cut off", NOW, &err));
}

static int64_t record_id(struct house *h, const char *key)
{
	char sql[96];

	(void)snprintf(sql, sizeof(sql), "SELECT id FROM record WHERE key = '%s'", key);
	return world_number(&h->w, sql);
}

static void push(struct house *h, const char *key, const char *doc)
{
	struct record_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
	struct err err = { 0 };

	WRITE(&h->w, records_create(db, h->okta, &put, NULL, &err));
}

static void build(struct house *h)
{
	struct world *w = &h->w;
	struct err err = { 0 };
	int64_t k1, k2;

	world_open(w);
	want_column(h, "userName");
	want_column(h, "title");
	want_column(h, "emails.value");
	WRITE(w, sources_declare(db, "corp", "ldap", "directory", 0, NOW, &h->corp, &err));
	WRITE(w, sources_declare(db, "okta", "scim", "idp", 1, NOW, &h->okta, &err));
	WRITE(w, accounts_org_declare(db, "acme", NOW, &h->org, &err));
	read_corp(h, true, 0, NOW);
	push(h, "o1", "{\"userName\":\"ada\",\"externalId\":\"E1\"}");
	push(h, "o2", "{\"userName\":\"zoe\",\"active\":false}");
	collect(h, ORG_PART_ALL);
	WRITE(w, persons_create(db, NOW, &h->ada, &err));
	WRITE(w, persons_create(db, NOW, &h->bob, &err));
	k1 = record_id(h, "k1");
	k2 = record_id(h, "k2");
	WRITE(w, persons_link_record(db, k1, h->ada, "email", "e", NOW, &err));
	WRITE(w, persons_link_record(db, k2, h->bob, "email", "e", NOW, &err));
	WRITE(w, persons_link_account(db, h->accounts[0], h->ada, "email", "e", NOW, &err));
}

static void tear_down(struct house *h)
{
	facts_columns_free(&h->columns);
	world_close(&h->w);
}

static bool in_pages;
static unsigned threads;

static int facts_of(struct house *h, int64_t person, struct facts **ret, struct err *err)
{
	const struct facts_source_option sources[] = {
		{ .name = "corp",
		  .role = SOURCE_DIRECTORY,
		  .kind = SOURCE_PULL,
		  .stale_ms = 36 * STAMP_HOUR_MS },
		{ .name = "okta", .role = SOURCE_IDP, .kind = SOURCE_PUSH, .issuer = "entra" },
		{ .name = "not-declared", .role = SOURCE_HR, .kind = SOURCE_PUSH },
	};
	struct facts_round round = { .org = STR("acme"),
				     .now_ms = NOW + STAMP_HOUR_MS,
				     .mode = ORG_PROPOSE,
				     .armed_ms = FACT_ABSENT };
	struct facts_want want = { .org = "acme",
				   .columns = &h->columns,
				   .round = &round,
				   .sources = sources,
				   .source_count = COUNT_OF(sources),
				   .person = person,
				   .threads = threads,
				   .pages = in_pages };

	return store_facts(h->w.store, &want, ret, NULL, err);
}

static const struct row_record *record_of(const struct facts *f, const char *key, uint32_t *row)
{
	size_t i;

	for (i = 0; i < f->records.n; i++)
		if (str_eq(pool_str(&f->pool, f->records.v[i].key), str_of(key))) {
			*row = (uint32_t)i;
			return &f->records.v[i];
		}
	fail_msg("no record %s", key);
	return NULL;
}

static void test_everything_stands_in_the_facts(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	const struct row_record *r;
	struct err err = { 0 };
	struct str text;
	uint32_t row = 0, a;

	(void)state;
	build(&h);
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_true(f->round.org_complete && f->round.org_plausible);
	assert_true(f->round.org_identity_same);
	assert_int_equal(f->round.next_person, 3);
	assert_int_equal(f->sources.n, 2);
	assert_true(f->sources.v[0].in.ready && f->sources.v[0].in.accepted);
	assert_false(f->sources.v[1].in.ready); /* filling */
	assert_int_equal(f->records.n, 5);

	r = record_of(f, "k1", &row);
	assert_int_equal(r->state, RECORD_DISABLED);
	assert_int_equal(r->since_ms, NOW);
	assert_int_equal(r->person, h.ada);
	assert_int_equal(facts_text(f, row, 0, &text), VALUE_PRESENT);
	assert_true(str_eq(text, STR("ada")));
	assert_int_equal(facts_text(f, row, 1, &text), VALUE_ABSENT);
	r = record_of(f, "k2", &row);
	assert_int_equal(r->state, RECORD_UNKNOWN); /* active could not be read */
	r = record_of(f, "k3", &row);
	assert_int_equal(r->state, RECORD_ACTIVE);
	assert_int_equal(r->person, 0);
	r = record_of(f, "o2", &row);
	assert_int_equal(r->state, RECORD_ENDED); /* a push source ends, never disables */
	r = record_of(f, "o1", &row);
	assert_true(str_eq(pool_str(&f->pool, r->external_id), STR("E1")));
	assert_true(str_eq(pool_str(&f->pool, r->issuer), STR("entra")));

	assert_int_equal(f->persons.n, 2);
	assert_int_equal(f->accounts.n, 2);
	a = facts_account_by_number(f, (uint64_t)h.accounts[0]);
	assert_int_equal(f->accounts.v[a].person, h.ada);
	assert_int_equal(f->accounts.v[a].managed, TRI_YES);
	assert_false(f->accounts.v[a].adopted);
	assert_int_equal(f->accounts.v[a].added_ms, FACT_ABSENT);
	assert_int_equal(f->seats.n, 1);
	assert_int_equal(f->seats.v[0].last_active_ms, FACT_ABSENT);
	assert_int_equal(f->members.n, 1);
	assert_int_equal(f->roles.n, 1);
	assert_int_equal(f->grants.n, 1);
	assert_int_equal(f->addresses.n, 1);
	tear_down(&h);
}

static void test_one_person_alone_is_their_records_and_accounts(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };

	(void)state;
	build(&h);
	assert_ok(facts_of(&h, h.ada, &f, &err), &err);
	assert_int_equal(f->sources.n, 2);
	assert_int_equal(f->records.n, 1);
	assert_int_equal(f->persons.n, 1);
	assert_int_equal(f->accounts.n, 1);
	assert_int_equal(f->seats.n, 1);
	assert_int_equal(f->members.n, 1);
	facts_free_at(&f);
	assert_ok(facts_of(&h, h.bob, &f, &err), &err);
	assert_int_equal(f->records.n, 1);
	assert_int_equal(f->accounts.n, 0);
	tear_down(&h);
}

/* Or each of two administrators, judged alone before acting, would seem to be the last. */
static void test_one_persons_facts_count_the_administrators_of_all(void **state)
{
	static const struct {
		const char *sql;
		uint64_t admins;
	} rows[] = {
		{ "UPDATE account SET org_admin = 2", 2 },
		{ "UPDATE account SET status = 2 WHERE account_id = 'a:2'", 1 },
		{ "UPDATE account SET status = 1, live = 0 WHERE account_id = 'a:2'", 1 },
		{ "UPDATE account SET org_admin = 1", 0 },
	};
	struct house h = { 0 };
	struct err err = { 0 };

	(void)state;
	build(&h);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(facts_free_at) struct facts *f = NULL;

		world_meddle(&h.w, rows[i].sql);
		assert_ok(facts_of(&h, h.ada, &f, &err), &err);
		assert_int_equal(f->accounts.n, 1);
		assert_int_equal(f->round.org_admins, rows[i].admins);
	}
	tear_down(&h);
}

static void test_an_approved_rule_adopts_what_it_linked(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };
	uint32_t a;

	(void)state;
	build(&h);
	WRITE(&h.w, persons_rule_approve(db, "acme", "email", "uid:ada", NOW, &err));
	WRITE(&h.w, persons_rule_approve(db, "other", "scim-id", "uid:ada", NOW, &err));
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	a = facts_account_by_number(f, (uint64_t)h.accounts[0]);
	assert_true(f->accounts.v[a].adopted);
	assert_int_equal(f->match_approved.n, 1);
	tear_down(&h);
}

static void test_doubts_of_a_source_and_of_the_organisation_are_told(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };

	(void)state;
	build(&h);
	read_corp(&h, true, DOUBT_CANARY, NOW + 1000);
	collect(&h, ORG_PART_ALL & ~(unsigned)ORG_PART_MEMBERS);
	assert_int_equal(TRY_WRITE(&h.w, accounts_org_identity(db, h.org, "id-1", false, &err)),
			 0);
	assert_int_equal(TRY_WRITE(&h.w, accounts_org_identity(db, h.org, "id-2", false, &err)),
			 STORE_STALE);
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_false(f->sources.v[0].in.accepted);
	assert_int_equal(f->sources.v[0].in.doubts, DOUBT_CANARY);
	assert_true(f->sources.v[0].in.ready); /* its last accepted statements stand */
	assert_true(str_eq(pool_str(&f->pool, f->sources.v[0].doubt_text), STR("because")));
	assert_false(f->round.org_complete);
	assert_false(f->round.org_identity_same);
	tear_down(&h);
}

static void test_a_source_read_too_long_ago_is_stale(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };

	(void)state;
	build(&h);
	world_meddle(&h.w, "UPDATE source SET accepted_ms = accepted_ms - 864000000");
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_int_equal(f->sources.v[0].in.doubts, DOUBT_STALE);
	assert_int_equal(f->sources.v[1].in.doubts, 0); /* silence of a push source is none */
	tear_down(&h);
}

static void test_a_source_without_an_accepted_read_is_not_ready(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&h.w);
	WRITE(&h.w, sources_declare(db, "corp", "ldap", "directory", 0, NOW, &h.corp, &err));
	WRITE(&h.w, accounts_org_declare(db, "acme", NOW, &h.org, &err));
	read_corp(&h, false, 0, NOW);
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_false(f->sources.v[0].in.ready);
	assert_false(f->round.org_complete);
	tear_down(&h);
}

static void test_a_deleted_user_speaks_until_it_is_made_anew(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL, *g = NULL;
	struct house h = { 0 };
	struct err err = { 0 };
	uint32_t row;

	(void)state;
	build(&h);
	WRITE(&h.w, records_delete(db, h.okta, STR("o1"), 0, NOW + 9, &err));
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_int_equal(record_of(f, "o1", &row)->state, RECORD_ENDED);
	assert_int_equal(record_of(f, "o1", &row)->since_ms, NOW + 9);
	push(&h, "o9", "{\"userName\":\"ADA\"}");
	assert_ok(facts_of(&h, 0, &g, &err), &err);
	assert_int_equal(g->records.n, 5);
	assert_int_equal(record_of(g, "o9", &row)->state, RECORD_ACTIVE);
	tear_down(&h);
}

static void test_what_people_decided_and_what_was_done_comes_along(void **state)
{
	const struct action_row action = { .n = 1,
					   .kind = STR("suspend"),
					   .rule = STR("leaver-hr"),
					   .class_ = STR("leaver"),
					   .account = 1,
					   .due_ms = NOW };
	struct plan_new plan = { .org = "acme",
				 .urgency = "urgent",
				 .bytes = STR("B"),
				 .who = "round",
				 .expires_ms = NOW + STAMP_DAY_MS,
				 .actions = &action,
				 .action_count = 1,
				 .now_ms = NOW };
	struct decision yes = {
		.kind = DECISION_APPROVE, .who = STR("u"), .actions = STR("1"), .ms = NOW
	};
	struct protection p = {
		.kind = STR("leave"), .owner = STR("hr"), .reason = STR("r"), .who = STR("u")
	};
	struct bar bar = { .rule = STR("leaver-hr"), .who = STR("u"), .reason = STR("r") };
	struct progress progress = { .product = STR("jira"),
				     .site = STR("acme"),
				     .rule = STR("inactive-jira"),
				     .kind = STR("warn"),
				     .done_ms = NOW };
	struct journal_line begin = { .n = 1, .kind = JOURNAL_BEGIN, .ms = NOW };
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };
	int64_t doubt = 0, k2, k3;

	(void)state;
	build(&h);
	k2 = record_id(&h, "k2");
	k3 = record_id(&h, "k3");
	p.account = h.accounts[0];
	bar.person = h.ada;
	progress.account = h.accounts[0];
	digest_of(&yes.digest, NULL, STR("B"));
	WRITE(&h.w, persons_protect(db, &p, NOW, NULL, &err));
	WRITE(&h.w, persons_bar(db, &bar, NOW, NULL, &err));
	WRITE(&h.w, persons_expect(db, h.bob, "u", "w", NOW + STAMP_DAY_MS, NOW, &err));
	WRITE(&h.w, persons_progress_set(db, &progress, &err));
	WRITE(&h.w, persons_doubt_raise(db, DOUBT_ACCOUNT, k3, h.accounts[1], "name", "e", NOW,
					&doubt, &err));
	WRITE(&h.w, plans_save(db, &plan, &yes.plan, &err));
	WRITE(&h.w, plans_decide(db, &yes, NULL, &err));
	begin.plan = yes.plan;
	begin.epoch = store_epoch(h.w.store);
	WRITE(&h.w, plans_journal(db, &begin, "daemon", NULL, &err));

	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_int_equal(f->protections.n, 1);
	assert_int_equal(f->protections.v[0].kind, PROTECT_LEAVE);
	assert_int_equal(f->protections.v[0].until_ms, FACT_ABSENT);
	assert_int_equal(f->bars.n, 1);
	assert_int_equal(f->expected.n, 1);
	assert_int_equal(f->progress.n, 1);
	assert_int_equal(f->progress.v[0].kind, ACTION_WARN);
	assert_int_equal(f->counted.n, 1);
	assert_int_equal(f->counted.v[0].class, PLAN_LEAVER);
	assert_int_equal(f->open.n, 1);
	assert_true(f->open.v[0].approved && f->open.v[0].started);
	assert_int_equal(f->open.v[0].urgency, PLAN_URGENT);
	{
		uint32_t row, a = facts_account_by_number(f, (uint64_t)h.accounts[1]);

		assert_true(f->accounts.v[a].doubtful);
		assert_true(record_of(f, "k3", &row)->doubtful);
		assert_false(record_of(f, "k2", &row)->doubtful);
	}
	assert_int_equal(f->apart.n, 0);
	facts_free(TAKE(f));

	/* answered: in doubt no more, and remembered */
	WRITE(&h.w, persons_doubt_decide(db, doubt, false, "uid:ada", "no", NOW, &err));
	WRITE(&h.w,
	      persons_doubt_raise(db, DOUBT_RECORDS, k3, k2, "name", "e", NOW, &doubt, &err));
	WRITE(&h.w, persons_doubt_decide(db, doubt, false, "uid:ada", "no", NOW, &err));
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	{
		uint32_t row, a = facts_account_by_number(f, (uint64_t)h.accounts[1]);

		assert_false(f->accounts.v[a].doubtful);
		assert_false(record_of(f, "k3", &row)->doubtful);
	}
	assert_int_equal(f->apart.n, 2);
	assert_true(str_eq(pool_str(&f->pool, f->apart.v[0].key), STR("k3")));
	assert_int_equal(f->apart.v[0].account, h.accounts[1]);
	assert_int_equal(f->apart.v[1].account, 0);
	assert_true(str_eq(pool_str(&f->pool, f->apart.v[1].source), STR("corp")));
	assert_true(str_eq(pool_str(&f->pool, f->apart.v[1].other_source), STR("corp")));
	assert_true(str_eq(pool_str(&f->pool, f->apart.v[1].other_key), STR("k2")));
	tear_down(&h);
}

static void test_an_organisation_that_is_not_there_is_said(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&h.w);
	assert_fault(facts_of(&h, 0, &f, &err), ERR_NOT_FOUND, &err, "leaverd collect");
	tear_down(&h);
}

static void same_text(const struct facts *f, uint32_t a, const struct facts *g, uint32_t b)
{
	assert_true(str_eq(pool_str(&f->pool, a), pool_str(&g->pool, b)));
	assert_int_equal(a < FRAME_FIRST ? a : FRAME_FIRST, b < FRAME_FIRST ? b : FRAME_FIRST);
}

static void same_accounts(const struct facts *f, const struct facts *g)
{
	assert_int_equal(g->accounts.n, f->accounts.n);
	for (size_t i = 0; i < f->accounts.n; i++) {
		const struct row_account *a = &f->accounts.v[i], *b = &g->accounts.v[i];

		same_text(f, a->id, g, b->id);
		same_text(f, a->directory, g, b->directory);
		same_text(f, a->email, g, b->email);
		same_text(f, a->name, g, b->name);
		same_text(f, a->external_id, g, b->external_id);
		same_text(f, a->issuer, g, b->issuer);
		same_text(f, a->linked_by, g, b->linked_by);
		assert_int_equal(a->number, b->number);
		assert_int_equal(a->person, b->person);
		assert_int_equal(a->adopted, b->adopted);
		assert_int_equal(a->doubtful, b->doubtful);
	}
}

/* But for the numbers of texts, which hang on the order in which they came. */
static void same_facts(const struct facts *f, const struct facts *g)
{
	assert_int_equal(g->records.n, f->records.n);
	assert_int_equal(g->persons.n, f->persons.n);
	assert_int_equal(g->addresses.n, f->addresses.n);
	assert_int_equal(g->match_approved.n, f->match_approved.n);
	same_accounts(f, g);
	assert_int_equal(g->members.n, f->members.n);
	assert_memory_equal(g->members.v, f->members.v, f->members.n * sizeof(f->members.v[0]));
	assert_int_equal(g->seats.n, f->seats.n);
	assert_int_equal(g->roles.n, f->roles.n);
	for (size_t i = 0; i < f->roles.n; i++)
		same_text(f, f->roles.v[i].role, g, g->roles.v[i].role);
	assert_int_equal(g->groups.n, f->groups.n);
	for (size_t i = 0; i < f->groups.n; i++)
		same_text(f, f->groups.v[i].name, g, g->groups.v[i].name);
	assert_int_equal(g->products.n, f->products.n);
	assert_int_equal(g->grants.n, f->grants.n);
	assert_memory_equal(g->persons.v, f->persons.v, f->persons.n * sizeof(f->persons.v[0]));
}

static void test_many_pages_make_the_same_facts_as_one_transaction(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct house h = { 0 };
	struct err err = { 0 };
	struct db *db;
	char doc[96];
	int i, r = 0;

	(void)state;
	build(&h);
	db = world_begin(&h.w, true);
	for (i = 0; r == 0 && i < 2500; i++) { /* more than two pages of each */
		struct record_put put = { .now_ms = NOW };
		int64_t person = 0, record = 0;

		(void)snprintf(doc, 60, "{\"userName\":\"u%d\"}", i);
		(void)snprintf(doc + 60, 36, "p%d", i);
		put.key = str_of(doc + 60);
		put.doc = str_of(doc);
		r = records_create(db, h.okta, &put, &record, &err);
		if (r == 0)
			r = persons_create(db, NOW, &person, &err);
		if (r == 0)
			r = persons_link_record(db, record, person, "r", "e", NOW, &err);
		if (r == 0)
			r = persons_address_note(db, person, str_of(doc + 60), NOW, &err);
	}
	assert_ok(store_write_end(db, r, &err), &err);
	assert_ok(facts_of(&h, 0, &f, &err), &err);
	assert_int_equal(f->records.n, 2505);
	in_pages = true;
	for (threads = 1; threads <= 2; threads++) {
		CLEANUP(facts_free_at) struct facts *g = NULL;

		assert_ok(facts_of(&h, 0, &g, &err), &err);
		same_facts(f, g);
	}
	in_pages = false;
	threads = 0;
	tear_down(&h);
}

/* Each lost allocation of this thread, then each statement of any. */
static void lose_each(struct house *h)
{
	struct err err = { 0 };
	int nth, r;
	bool fired;

	for (nth = 1;; nth++) {
		CLEANUP(facts_free_at) struct facts *f = NULL;

		fault_at(nth);
		r = facts_of(h, 0, &f, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM);
		if (!fired)
			break;
	}
	assert_int_equal(r, 0);
	for (nth = 1;; nth++) {
		CLEANUP(facts_free_at) struct facts *f = NULL;

		driver_sqlite_fault_at(nth);
		r = facts_of(h, 0, &f, &err);
		fired = driver_sqlite_fault_fired();
		assert_true(!fired || r < 0);
		if (!fired)
			break;
	}
	assert_int_equal(r, 0);
	assert_true(nth > 20);
}

static void test_each_lost_allocation_and_statement_is_told(void **state)
{
	struct house h = { 0 };

	(void)state;
	fault_install();
	build(&h);
	lose_each(&h);
	in_pages = true;
	for (threads = 1; threads <= 2; threads++)
		lose_each(&h);
	in_pages = false;
	threads = 0;
	tear_down(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_stands_in_the_facts),
		cmocka_unit_test(test_one_person_alone_is_their_records_and_accounts),
		cmocka_unit_test(test_one_persons_facts_count_the_administrators_of_all),
		cmocka_unit_test(test_an_approved_rule_adopts_what_it_linked),
		cmocka_unit_test(test_doubts_of_a_source_and_of_the_organisation_are_told),
		cmocka_unit_test(test_a_source_read_too_long_ago_is_stale),
		cmocka_unit_test(test_a_source_without_an_accepted_read_is_not_ready),
		cmocka_unit_test(test_a_deleted_user_speaks_until_it_is_made_anew),
		cmocka_unit_test(test_what_people_decided_and_what_was_done_comes_along),
		cmocka_unit_test(test_an_organisation_that_is_not_there_is_said),
		cmocka_unit_test(test_many_pages_make_the_same_facts_as_one_transaction),
		cmocka_unit_test(test_each_lost_allocation_and_statement_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
