/*
 * Each allocation fails once: ours, jansson's and SQLite's, all through tests/lib/fault.c; and
 * each statement, through the driver: once while a store is made, and once in the life of a
 * made one, from opening to closing. Whatever fails, nothing leaks (the sanitizer counts), what
 * was answered as stored is there, and what was not answered is not half there.
 */
#include "tests/lib/store_world.h"

#include <fcntl.h>

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

static int make(struct world *w, struct answers *a, struct err *err)
{
	(void)a;
	return world_try(w, err);
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

static void copy_file(int from_dir, int to_dir, const char *name)
{
	int in = openat(from_dir, name, O_RDONLY), out;
	char bytes[16384];
	ssize_t n;

	out = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	assert_int_equal(n, 0);
	close(in);
	close(out);
}

/* The files of a store that is shut, into the folder of another. */
static void world_copy(const struct world *from, struct world *to)
{
	int in = open(from->dir, O_RDONLY | O_DIRECTORY), out;
	struct dirent *e;
	DIR *d = opendir(from->dir);

	out = open(to->dir, O_RDONLY | O_DIRECTORY);
	assert_true(d && in >= 0 && out >= 0);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			copy_file(in, out, e->d_name);
	closedir(d);
	close(in);
	close(out);
}

/* What is done while something fails: begun in an empty folder, or with a copy of a store. */
struct deed {
	int (*run)(struct world *w, struct answers *a, struct err *err);
	const struct world *made; /* NULL: nothing is there yet */
};

/* How something is made to fail, and whether it came to that. */
struct breakage {
	void (*at)(int nth);
	bool (*fired)(void);
};

static const struct breakage allocation = { fault_at, fault_fired };
static const struct breakage statement = { driver_sqlite_fault_at, driver_sqlite_fault_fired };

/* One deed in which the nth fails, and a look at what is left. True while it came to that. */
static bool one_life(const struct deed *deed, const struct breakage *breakage, int nth)
{
	struct world w = { 0 };
	struct answers a = { 0 };
	struct err err = { 0 };
	bool fired;
	int r;

	world_dir(&w);
	if (deed->made)
		world_copy(deed->made, &w);
	breakage->at(nth);
	r = deed->run(&w, &a, &err);
	world_shut(&w);
	fired = breakage->fired();
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

/* There are thousands of allocations: all of the first hundred and then ever fewer. */
static void each_allocation(const struct deed *deed, int least)
{
	int nth, step = 1, lives = 0;
	bool fired = true;

	fault_install();
	for (nth = 1; fired; nth += step) {
		fired = one_life(deed, &allocation, nth);
		lives++;
		step = nth > 100 ? 1 + nth / 25 : 1;
	}
	assert_true(lives > least);
}

static void each_statement(const struct deed *deed, int least)
{
	int nth = 1;

	while (one_life(deed, &statement, nth))
		nth++;
	assert_true(nth > least);
}

static struct world template;
static const struct deed making = { make, NULL };
static const struct deed living = { live, &template };

static void test_a_store_is_made_whole_or_again_whichever_allocation_is_lost(void **state)
{
	(void)state;
	each_allocation(&making, 200);
}

static void test_each_lost_allocation_loses_nothing_answered(void **state)
{
	(void)state;
	each_allocation(&living, 150);
}

static void test_a_store_is_made_whole_or_again_whichever_statement_fails(void **state)
{
	(void)state;
	each_statement(&making, 200);
}

static void test_each_failed_statement_loses_nothing_answered(void **state)
{
	(void)state;
	each_statement(&living, 120);
}

static int template_make(void **state)
{
	(void)state;
	world_open(&template);
	world_shut(&template);
	return 0;
}

static int template_drop(void **state)
{
	(void)state;
	world_close(&template);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_store_is_made_whole_or_again_whichever_allocation_is_lost),
		cmocka_unit_test(test_each_lost_allocation_loses_nothing_answered),
		cmocka_unit_test(test_a_store_is_made_whole_or_again_whichever_statement_fails),
		cmocka_unit_test(test_each_failed_statement_loses_nothing_answered),
	};

	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mem) != SQLITE_OK)
		return 1;
	return cmocka_run_group_tests(tests, template_make, template_drop);
}
