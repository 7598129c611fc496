#include "tests/lib/store_world.h"

#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/walk.h"

static int64_t org;

static struct account_row acc(const char *id, const char *email)
{
	return (struct account_row){ .account_id = str_of(id),
				     .email = str_of(email),
				     .status = ACCOUNT_ACTIVE,
				     .type = ACCOUNT_PERSON,
				     .managed = TRI_YES };
}

/* A small organisation as a collector would tell it. */
struct world_org {
	const struct account_row *accounts;
	size_t account_count;
	/* everybody of the first `staff` accounts is in group staff, which grants jira */
	uint32_t staff;
	int64_t last_active_ms;
	unsigned whole;
	bool plausible;
	int64_t now;
};

struct numbers {
	int64_t accounts[8], group, jira;
};

static void collect(struct world *w, const struct world_org *o, struct numbers *n)
{
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct product_row jira = { .key = STR("jira"),
				    .site = STR("acme"),
				    .resource = STR("r") };
	struct org_group_row staff = { .group_id = STR("g-1"), .name = STR("staff") };
	struct grant_row grant = { .role = STR("atlassian/user"), .billable = TRI_YES };
	struct err err = { 0 };
	uint32_t members[8];
	size_t i;

	WRITE(w, accounts_begin(db, org, o->now, &run, &err));
	WRITE(w,
	      accounts_put(db, run, o->accounts, o->account_count, o->now, n->accounts, &err));
	WRITE(w, accounts_put_products(db, run, &jira, 1, &n->jira, &err));
	WRITE(w, accounts_put_groups(db, run, &staff, 1, &n->group, &err));
	grant.group = n->group;
	grant.product = n->jira;
	WRITE(w, accounts_put_grants(db, run, &grant, 1, &err));
	for (i = 0; i < o->staff; i++)
		members[i] = (uint32_t)n->accounts[o->staff - 1 - i]; /* in any order */
	WRITE(w, accounts_put_members(db, run, n->group, members, o->staff, true, &err));
	for (i = 0; i < o->account_count; i++) {
		struct role_row role = { .product = n->jira,
					 .role = STR("atlassian/admin"),
					 .billable = TRI_YES };
		struct seat_row seat = { .account = n->accounts[i],
					 .product = n->jira,
					 .last_active_ms = o->last_active_ms };

		WRITE(w, accounts_put_roles(db, run, n->accounts[i], &role, i == 0, &err));
		if (i < o->staff)
			WRITE(w, accounts_put_seats(db, run, &seat, 1, &err));
	}
	WRITE(w, accounts_end(db, run, o->whole, o->plausible,
			      o->whole == ORG_PART_ALL ? NULL : "cut off", o->now, &err));
}

static void begin(struct world *w)
{
	struct err err = { 0 };

	world_open(w);
	WRITE(w, accounts_org_declare(db, "acme", NOW, &org, &err));
}

static void test_a_first_generation_brings_everything_in(void **state)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x"),
					    acc("a:3", "eve@x") };
	struct world_org o = { rows, 3, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	READ(&w, accounts_org_get(db, "acme", &row, &err));
	assert_int_equal(row.generation, 1);
	assert_true(row.complete && row.plausible);
	assert_null(row.reason);
	assert_int_equal(row.accounts, 3);
	assert_int_equal(row.seats, 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM org_member"), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM org_role"), 1);
	assert_int_equal(world_number(&w, "SELECT min(status_since_ms) FROM account"), NOW);
	world_close(&w);
}

static int one_group(void *ctx, const struct org_group_row *row, int64_t members,
		     struct str products, struct err *err)
{
	int *count = ctx;

	(void)err;
	assert_true(str_eq(row->name, STR("staff")) && str_eq(row->group_id, STR("g-1")));
	assert_int_equal(members, 2);
	assert_true(str_eq(products, STR("jira@acme")));
	return ++*count;
}

static void test_groups_are_told_with_their_members_and_what_they_give(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x"),
					    acc("a:3", "eve@x") };
	struct world_org o = { rows, 3, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };
	int count = 0;

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	assert_int_equal(TRY_READ(&w, walk_org_groups(db, org, 0, 9, one_group, &count, &err)),
			 1); /* what fn says goes on */
	READ(&w, walk_org_groups(db, org, n.group, 9, one_group, &count, &err));
	READ(&w, walk_org_groups(db, org + 1, 0, 9, one_group, &count, &err));
	assert_int_equal(count, 1);
	world_close(&w);
}

static void test_an_unchanged_generation_writes_no_row(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n, again;
	struct world w = { 0 };
	int64_t accounts, seats;

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	accounts = world_number(&w, "SELECT sum(change) FROM account");
	seats = world_number(&w, "SELECT sum(change) FROM seat");
	o.now = NOW + 1000;
	collect(&w, &o, &again);
	assert_int_equal(world_number(&w, "SELECT sum(change) FROM account"), accounts);
	assert_int_equal(world_number(&w, "SELECT sum(change) FROM seat"), seats);
	assert_memory_equal(&n.accounts, &again.accounts, 2 * sizeof(int64_t));
	assert_int_equal(world_number(&w, "SELECT generation FROM org"), 2);
	world_close(&w);
}

static void test_changes_wait_for_the_end_of_their_generation(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct account_row changed = acc("a:1", "ada@x"), fresh = acc("a:9", "new@x");
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t number = 0;

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	changed.status = ACCOUNT_DEACTIVATED;
	WRITE(&w, accounts_begin(db, org, NOW + 1, &run, &err));
	WRITE(&w, accounts_put(db, run, &changed, 1, NOW + 1, NULL, &err));
	WRITE(&w, accounts_put(db, run, &fresh, 1, NOW + 1, &number, &err));
	assert_true(number > 0); /* it has its number at once */
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE live = 1 AND"
					  " status = 1"),
			 2);
	/* thrown away: nothing happened, also after a restart */
	org_run_free_at(&run);
	world_shut(&w);
	world_again(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE live = 1"), 2);
	WRITE(&w, accounts_begin(db, org, NOW + 2, &run, &err));
	WRITE(&w, accounts_put(db, run, &changed, 1, NOW + 2, NULL, &err));
	WRITE(&w, accounts_end(db, run, 0, true, "cut off", NOW + 2, &err));
	assert_int_equal(world_number(&w, "SELECT status FROM account WHERE account_id ="
					  " 'a:1'"),
			 ACCOUNT_DEACTIVATED);
	assert_int_equal(world_number(&w, "SELECT status_since_ms FROM account WHERE"
					  " account_id = 'a:1'"),
			 NOW + 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE account_id ="
					  " 'a:9' AND live = 1"),
			 0);
	world_close(&w);
}

static void test_who_was_not_seen_goes_only_with_a_whole_part(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	static const struct {
		unsigned whole;
		bool plausible;
		int64_t accounts, seats, members;
	} cases[] = {
		{ 0, true, 2, 2, 1 }, /* the group's members were told whole */
		{ ORG_PART_ALL, false, 2, 2, 2 },
		{ ORG_PART_ALL & ~(unsigned)ORG_PART_ACCOUNTS, true, 2, 1, 1 },
		{ ORG_PART_ALL & ~(unsigned)ORG_PART_SEATS, true, 1, 1, 1 },
		{ ORG_PART_ALL, true, 1, 1, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
		struct numbers n;
		struct world w = { 0 };

		begin(&w);
		collect(&w, &o, &n);
		o.account_count = o.staff = 1;
		o.whole = cases[i].whole;
		o.plausible = cases[i].plausible;
		collect(&w, &o, &n);
		assert_int_equal(
			world_number(&w, "SELECT count(*) FROM account WHERE live = 1"),
			cases[i].accounts);
		assert_int_equal(world_number(&w, "SELECT count(*) FROM seat"), cases[i].seats);
		assert_int_equal(world_number(&w, "SELECT count(*) FROM org_member"),
				 cases[i].members);
		assert_int_equal(world_number(&w, "SELECT complete FROM org"),
				 cases[i].whole == ORG_PART_ALL);
		assert_int_equal(world_number(&w, "SELECT accounts FROM org"),
				 cases[i].accounts);
		world_close(&w);
	}
}

/* Or who has an old account and a new seat would seem never to have used it for years. */
static void test_a_seat_that_comes_later_was_added_then(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct world_org o = { rows, 2, 1, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	assert_int_equal(world_number(&w, "SELECT max(added_ms) FROM seat"), 0);
	o.staff = 2;
	for (int i = 1; i < 4; i++) {
		o.now = NOW + i;
		o.last_active_ms = NOW + i;
		collect(&w, &o, &n);
		assert_int_equal(world_number(&w,
					      "SELECT seat.added_ms FROM seat JOIN account a ON"
					      " a.id = account WHERE account_id = 'a:2'"),
				 NOW + 1);
		assert_int_equal(world_number(&w,
					      "SELECT seat.added_ms FROM seat JOIN account a ON"
					      " a.id = account WHERE account_id = 'a:1'"),
				 0);
	}
	world_close(&w);
}

static void test_what_another_organisation_tells_changes_nothing(void **state)
{
	const struct account_row ours[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	const struct account_row theirs[] = { acc("a:1", "eve@x"), acc("a:8", "bob@x") };
	struct world_org o = { ours, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	WRITE(&w, accounts_org_identity(db, org, "id-1", false, &err));
	assert_int_equal(TRY_WRITE(&w, accounts_org_identity(db, org, "id-2", false, &err)),
			 STORE_STALE);
	o.accounts = theirs;
	o.plausible = false;
	collect(&w, &o, &n);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE live = 1 AND"
					  " account_id IN ('a:1', 'a:2')"),
			 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE live = 1"), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE email = 'eve@x'"),
			 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account_next"), 0);
	world_close(&w);
}

static void test_an_account_that_returns_keeps_its_number_and_link(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n, later;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t p = 0;

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	WRITE(&w, persons_create(db, NOW, &p, &err));
	WRITE(&w, persons_link_account(db, n.accounts[1], p, "email", "e", NOW, &err));
	o.account_count = o.staff = 1;
	collect(&w, &o, &later);
	assert_int_equal(TRY_READ(&w, accounts_number(db, org, STR("a:2"), &p, &err)),
			 STORE_NOT_FOUND);
	o.account_count = o.staff = 2;
	o.now = NOW + 77;
	collect(&w, &o, &later);
	assert_int_equal(later.accounts[1], n.accounts[1]);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account a JOIN account_link l"
					  " ON l.account = a.id WHERE a.live = 1"),
			 1);
	assert_int_equal(world_number(&w, "SELECT status_since_ms FROM account WHERE"
					  " account_id = 'a:2'"),
			 NOW + 77);
	world_close(&w);
}

static int on_path(void *ctx, const struct org_group_row *group, const struct grant_row *grant,
		   const struct role_row *role, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	if (group)
		buf_addf(b, "group " STR_FMT " " STR_FMT ";", STR_ARG(group->name),
			 STR_ARG(grant->role));
	else
		buf_addf(b, "role " STR_FMT ";", STR_ARG(role->role));
	return 0;
}

static int on_account(void *ctx, const struct account_row *a, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT " ", STR_ARG(a->account_id));
	return 0;
}

static int on_seat_count(void *ctx, const struct product_row *p, int64_t n, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "=%lld ", STR_ARG(p->key), (long long)n);
	return 0;
}

static int on_membership(void *ctx, uint32_t group, uint32_t account, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%u.%u ", group, account);
	return 0;
}

static void test_reading_by_page_mail_and_path(void **state)
{
	const struct account_row rows[] = { acc("a:1", "Ada@x"), acc("a:2", "bob@x"),
					    acc("a:3", "ada@X") };
	struct world_org o = { rows, 3, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };
	struct buf b;

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	buf_init(&b, 1000);
	READ(&w, accounts_page(db, org, 0, 2, on_account, &b, &err));
	buf_add_char(&b, '|');
	READ(&w, accounts_page(db, org, n.accounts[1], 2, on_account, &b, &err));
	buf_add_char(&b, '|');
	READ(&w, accounts_by_email(db, org, STR("ada@x"), on_account, &b, &err));
	buf_add_char(&b, '|');
	READ(&w, accounts_seat_paths(db, n.accounts[0], n.jira, on_path, &b, &err));
	buf_add_char(&b, '|');
	READ(&w, accounts_seat_paths(db, n.accounts[2], n.jira, on_path, &b, &err));
	buf_add_char(&b, '|');
	READ(&w, accounts_seat_counts(db, org, on_seat_count, &b, &err));
	buf_add_char(&b, '|');
	READ(&w, accounts_members_page(db, org, (uint32_t)n.group, (uint32_t)n.accounts[0], 10,
				       on_membership, &b, &err));
	assert_string_equal(b.p, "a:1 a:2 |a:3 |a:1 a:3 |"
				 "group staff atlassian/user;role atlassian/admin;||jira=2 |"
				 "1.2 ");
	buf_done(&b);
	world_close(&w);
}

static void test_what_applying_saw_is_true_at_once(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct account_row gone = acc("a:1", "ada@x"), stranger = acc("a:7", "x@x");
	struct account_seen seen = { .row = &gone };
	struct seat_row none;
	uint32_t no_group;
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	/* a collection that began before read the old state */
	WRITE(&w, accounts_begin(db, org, NOW + 1, &run, &err));
	gone.name = STR("Ada as she was");
	WRITE(&w, accounts_put(db, run, &gone, 1, NOW + 1, NULL, &err));
	gone.name = STR("");
	gone.status = ACCOUNT_SUSPENDED;
	seen.seats = &none;
	seen.groups = &no_group;
	WRITE(&w, accounts_seen(db, org, &seen, NOW + 5, &err));
	assert_int_equal(world_number(&w, "SELECT status FROM account WHERE account_id ="
					  " 'a:1'"),
			 ACCOUNT_SUSPENDED);
	assert_int_equal(world_number(&w, "SELECT seats FROM org"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM org_member"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM org_role"), 1); /* not told */
	WRITE(&w, accounts_end(db, run, 0, true, "part", NOW + 6, &err));
	assert_int_equal(world_number(&w, "SELECT status FROM account WHERE account_id ="
					  " 'a:1'"),
			 ACCOUNT_SUSPENDED);
	seen.row = &stranger;
	assert_int_equal(TRY_WRITE(&w, accounts_seen(db, org, &seen, NOW, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

static void test_another_organisation_is_remembered_until_it_is_back(void **state)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	WRITE(&w, accounts_org_identity(db, org, "id-1", false, &err));
	assert_int_equal(TRY_WRITE(&w, accounts_org_identity(db, org, "id-2", false, &err)),
			 STORE_STALE);
	READ(&w, accounts_org_get(db, "acme", &row, &err));
	assert_true(row.other);
	assert_string_equal(row.identity, "id-1");
	org_row_done(&row);
	assert_int_equal(TRY_WRITE(&w, accounts_org_identity(db, org, "id-1", false, &err)),
			 STORE_UNCHANGED);
	READ(&w, accounts_org_get(db, "acme", &row, &err));
	assert_false(row.other);
	world_close(&w);
}

static void test_weighing_counts_what_is_missing(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct org_counts counts;
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	WRITE(&w, accounts_begin(db, org, NOW, &run, &err));
	WRITE(&w, accounts_put(db, run, rows, 1, NOW, NULL, &err));
	READ(&w, accounts_weigh(db, run, &counts, &err));
	assert_int_equal(counts.accounts, 1);
	assert_int_equal(counts.accounts_missing, 1);
	assert_int_equal(counts.seats_missing, 2);
	assert_int_equal(counts.accounts_changed, 0);
	world_close(&w);
}

static void test_each_statement_that_fails_leaves_the_generation_before(void **state)
{
	const struct account_row rows[] = { acc("a:1", "ada@x"), acc("a:2", "bob@x") };
	struct world_org o = { rows, 2, 2, NOW, ORG_PART_ALL, true, NOW };
	struct numbers n;
	struct world w = { 0 };
	struct err err = { 0 };
	int nth = 0, r;
	bool fired;

	(void)state;
	begin(&w);
	collect(&w, &o, &n);
	do {
		CLEANUP(org_run_free_at) struct org_run *run = NULL;
		struct account_row changed = acc("a:1", "new@x");
		struct db *db = NULL;

		driver_sqlite_fault_at(++nth);
		r = store_write_begin(w.store, &db, &err);
		if (r == 0) {
			r = accounts_begin(db, org, NOW, &run, &err);
			if (r == 0)
				r = accounts_put(db, run, &changed, 1, NOW, NULL, &err);
			if (r == 0)
				r = accounts_end(db, run, ORG_PART_ALL, true, NULL, NOW, &err);
			r = store_write_end(db, r, &err);
		}
		fired = driver_sqlite_fault_fired();
		if (r < 0)
			assert_int_equal(
				world_number(&w, "SELECT count(*) FROM account WHERE live = 1"
						 " AND email <> 'new@x'"),
				2);
	} while (fired);
	assert_int_equal(r, 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM account WHERE live = 1"), 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_first_generation_brings_everything_in),
		cmocka_unit_test(test_groups_are_told_with_their_members_and_what_they_give),
		cmocka_unit_test(test_an_unchanged_generation_writes_no_row),
		cmocka_unit_test(test_changes_wait_for_the_end_of_their_generation),
		cmocka_unit_test(test_who_was_not_seen_goes_only_with_a_whole_part),
		cmocka_unit_test(test_a_seat_that_comes_later_was_added_then),
		cmocka_unit_test(test_what_another_organisation_tells_changes_nothing),
		cmocka_unit_test(test_an_account_that_returns_keeps_its_number_and_link),
		cmocka_unit_test(test_reading_by_page_mail_and_path),
		cmocka_unit_test(test_what_applying_saw_is_true_at_once),
		cmocka_unit_test(test_another_organisation_is_remembered_until_it_is_back),
		cmocka_unit_test(test_weighing_counts_what_is_missing),
		cmocka_unit_test(test_each_statement_that_fails_leaves_the_generation_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
