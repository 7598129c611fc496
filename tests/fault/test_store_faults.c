/*
 * Each allocation fails once: ours, jansson's and SQLite's, all through tests/lib/fault.c; and
 * each statement, through the driver. A life of the store runs from opening to closing;
 * whatever fails in it, nothing leaks (the sanitizer counts), what was answered as stored is
 * there, and what was not answered is not half there.
 */
#include "tests/lib/store_world.h"

#include <sqlite3.h>

#include "model/filter.h"
#include "store/accounts.h"
#include "store/find.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/sources.h"

/* SQLite asks for sizes back: they stand before each block. */
static void *mem_malloc(int n)
{
	int64_t *p = malloc((size_t)n + sizeof(*p));

	if (!p)
		return NULL;
	*p = n;
	return p + 1;
}

static void mem_free(void *p)
{
	if (p)
		free((int64_t *)p - 1);
}

static void *mem_realloc(void *p, int n)
{
	int64_t *q = realloc((int64_t *)p - 1, (size_t)n + sizeof(*q));

	if (!q)
		return NULL;
	*q = n;
	return q + 1;
}

static int mem_size(void *p)
{
	return p ? (int)*((int64_t *)p - 1) : 0;
}

static int mem_round(int n)
{
	return (n + 7) & ~7;
}

static int mem_init(void *arg)
{
	(void)arg;
	return SQLITE_OK;
}

static void mem_shutdown(void *arg)
{
	(void)arg;
}

static const sqlite3_mem_methods mem = { mem_malloc, mem_free, mem_realloc,  mem_size,
					 mem_round,  mem_init, mem_shutdown, NULL };

static int on_row(void *ctx, const struct find_row *row, struct err *err)
{
	int *n = ctx;

	(void)err;
	*n += row->id > 0;
	return 0;
}

/* The faults that these tests make. */
static bool asked_for(int r)
{
	return r == -ERR_NOMEM || r == -ERR_IO;
}

/* What a life stores; each part is answered by itself. */
struct answers {
	bool record, person, plan, account, secret;
};

static int in_write(struct world *w, int (*fn)(struct world *w, struct db *db, struct err *err),
		    struct err *err)
{
	struct db *db = NULL;
	int r = store_write_begin(w->store, &db, err);

	return r < 0 ? r : store_write_end(db, fn(w, db, err), err);
}

static int put_record(struct world *w, struct db *db, struct err *err)
{
	struct record_put put = { .key = STR("a1"),
				  .doc = STR("{\"userName\":\"Stra\xc3\x9f"
					     "e\",\"emails\":[{\"value\":\"A@x\"}]}"),
				  .now_ms = NOW };
	struct audit_new in = { .who = "t", .what = "record.create", .now_ms = NOW };
	int64_t src = 0;
	int r;

	(void)w;
	r = sources_declare(db, "okta", "scim", "idp", 0, NOW, &src, err);
	if (r == 0)
		r = records_create(db, src, &put, NULL, err);
	return r < 0 ? r : audit_add(db, &in, NULL, err);
}

static int put_person(struct world *w, struct db *db, struct err *err)
{
	struct protection p = {
		.kind = STR("leave"), .owner = STR("hr"), .reason = STR("r"), .who = STR("u")
	};
	int r;

	(void)w;
	r = persons_create(db, NOW, &p.person, err);
	return r < 0 ? r : persons_protect(db, &p, NOW, NULL, err);
}

static int put_plan(struct world *w, struct db *db, struct err *err)
{
	struct plan_new plan = { .org = "acme",
				 .urgency = "routine",
				 .bytes = STR("B"),
				 .who = "round",
				 .expires_ms = NOW + STAMP_DAY_MS,
				 .now_ms = NOW };
	int64_t id = 0;
	int r = plans_save(db, &plan, &id, err);

	(void)w;
	return r < 0 ? r : 0;
}

static int put_account(struct world *w, struct db *db, struct err *err)
{
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct account_row row = { .account_id = STR("a:1"), .email = STR("A@x") };
	int64_t org = 0;
	int r;

	(void)w;
	r = accounts_org_declare(db, "acme", NOW, &org, err);
	if (r == 0)
		r = accounts_begin(db, org, NOW, &run, err);
	if (r == 0)
		r = accounts_put(db, run, &row, 1, NOW, NULL, err);
	return r < 0 ? r : accounts_end(db, run, ORG_PART_ALL, true, NULL, NOW, err);
}

static int put_secret(struct world *w, struct db *db, struct err *err)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	int r = secret_set(&s, "value", 5, err);

	return r < 0 ? r : vault_set(w->vault, db, "n", &s, "o", 0, "u", NOW, err);
}

static int search(struct world *w, int *n, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	struct find f = { .types = FIND_USERS, .count = 10, .want_total = true };
	uint64_t total = 0;
	int r;

	r = filter_parse(STR("emails.value eq \"a@x\" and meta.created pr"), PATH_SCIM_USER, &q,
			 err);
	f.where = q;
	return r < 0 ? r : find_run(w->store, 1, &f, &total, NULL, on_row, n, err);
}

static int live(struct world *w, struct answers *a, struct err *err)
{
	struct audit_report report;
	int n = 0, r;

	r = world_try(w, err);
	if (r < 0)
		return r;
	a->record = in_write(w, put_record, err) == 0;
	a->person = in_write(w, put_person, err) == 0;
	a->plan = in_write(w, put_plan, err) == 0;
	a->account = in_write(w, put_account, err) == 0;
	a->secret = in_write(w, put_secret, err) == 0;
	r = search(w, &n, err);
	if (r == 0 && n != a->record)
		return err_set(err, ERR_INTERNAL, "%d found", n);
	if (r < 0 && !asked_for(r))
		return r;
	r = audit_verify(w->store, true, &report, err);
	/* the fault may have been the head's, so that there is none yet */
	return asked_for(r) || r == -ERR_NOT_FOUND ? 0 : r;
}

static void is_so(struct world *w, const char *sql, bool answered, int nth)
{
	if (world_number(w, sql) != (int64_t)answered)
		fail_msg("number %d: %s is not %d", nth, sql, answered);
}

/* One life in which the nth fails, and a look at what is left. True while it came to that. */
static bool one_life(int nth, void (*fault)(int nth), bool (*came)(void))
{
	struct world w = { 0 };
	struct answers a = { 0 };
	struct err err = { 0 };
	bool fired;
	int r;

	world_dir(&w);
	fault(nth);
	r = live(&w, &a, &err);
	world_shut(&w);
	fired = came();
	if (r < 0 && !asked_for(r))
		fail_msg("number %d: %s", nth, err.text);
	world_again(&w);
	is_so(&w, "SELECT count(*) FROM record", a.record, nth);
	is_so(&w, "SELECT count(*) FROM protection", a.person, nth);
	is_so(&w, "SELECT count(*) FROM plan", a.plan, nth);
	is_so(&w, "SELECT count(*) FROM account", a.account, nth);
	is_so(&w, "SELECT count(*) FROM secret WHERE name = 'n'", a.secret, nth);
	world_verify(&w);
	world_close(&w);
	return fired;
}

static void test_each_lost_allocation_loses_nothing_answered(void **state)
{
	int nth, step = 1, lives = 0;
	bool fired = true;

	(void)state;
	fault_install();
	/* a life makes thousands of allocations: all of the first and then ever fewer */
	for (nth = 1; fired; nth += step) {
		fired = one_life(nth, fault_at, fault_fired);
		lives++;
		step = nth > 200 ? 1 + nth / 50 : 1;
	}
	assert_true(lives > 250);
}

static void test_each_failed_statement_loses_nothing_answered(void **state)
{
	int nth = 1;

	(void)state;
	while (one_life(nth, driver_sqlite_fault_at, driver_sqlite_fault_fired))
		nth++;
	assert_true(nth > 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_lost_allocation_loses_nothing_answered),
		cmocka_unit_test(test_each_failed_statement_loses_nothing_answered),
	};

	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mem) != SQLITE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
