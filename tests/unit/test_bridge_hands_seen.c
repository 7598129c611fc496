/* What applying read of an account is kept whole. */
#include "tests/lib/store_world.h"

#include "bridge/hands_seen.h"
#include "store/accounts.h"

#define GROUPS 700

static char acme[] = "acme";

static struct account_row acc(void)
{
	return (struct account_row){ .account_id = STR("a:1"),
				     .email = STR("ada@x"),
				     .name = STR("Ada"),
				     .status = ACCOUNT_ACTIVE };
}

/* One account in no group, and groups g0, g1, ... */
static void collect(struct world *w, int64_t org)
{
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct account_row row = acc();
	struct err err = { 0 };
	int64_t number;

	WRITE(w, accounts_begin(db, org, NOW, &run, &err));
	WRITE(w, accounts_put(db, run, &row, 1, NOW, &number, &err));
	for (int i = 0; i < GROUPS; i++) {
		char id[16];
		struct org_group_row group = { .name = STR("group") };

		group.group_id = str_n(id, (size_t)snprintf(id, sizeof(id), "g%d", i));
		WRITE(w, accounts_put_groups(db, run, &group, 1, &number, &err));
		WRITE(w, accounts_put_members(db, run, number, NULL, 0, true, &err));
	}
	WRITE(w, accounts_end(db, run, ORG_PART_ALL, true, NULL, NOW, &err));
}

static int64_t memberships(struct world *w)
{
	return world_number(w, "SELECT count(*) FROM org_member");
}

static void test_an_account_keeps_all_groups_that_were_read(void **state)
{
	static char ids[GROUPS + 1][16];
	static char *v[GROUPS + 1];
	struct atl_reading reading = { .groups = { v, GROUPS + 1, GROUPS + 1 } };
	struct config_org conf = { .name = acme };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t org;

	(void)state;
	world_open(&w);
	WRITE(&w, accounts_org_declare(db, "acme", NOW, &org, &err));
	collect(&w, org);
	assert_int_equal(memberships(&w), 0);
	for (int i = 0; i <= GROUPS; i++) { /* the last one no collection has brought */
		snprintf(ids[i], sizeof(ids[i]), "g%d", i);
		v[i] = ids[i];
	}
	reading.row.id = STR("a:1");
	reading.row.email = STR("ada@x");
	WRITE(&w, hands_seen(db, &conf, &reading, NOW + 1, &err));
	assert_int_equal(memberships(&w), GROUPS);
	reading.groups.n = 2;
	WRITE(&w, hands_seen(db, &conf, &reading, NOW + 2, &err));
	assert_int_equal(memberships(&w), 2);
	reading.groups.n = 0;
	WRITE(&w, hands_seen(db, &conf, &reading, NOW + 3, &err));
	assert_int_equal(memberships(&w), 0);
	reading.groups.n = 2;
	reading.row.id = STR("a:2"); /* no collection has it */
	WRITE(&w, hands_seen(db, &conf, &reading, NOW + 4, &err));
	assert_int_equal(memberships(&w), 0);
	world_close(&w);
}

static void test_lost_memory_is_a_fault_and_takes_nothing_away(void **state)
{
	char g0[] = "g0", g1[] = "g1", *v[] = { g0, g1 };
	struct atl_reading reading = { .groups = { v, 2, 2 },
				       .products_told = true,
				       .paths_told = true };
	struct config_org conf = { .name = acme };
	struct world w = { 0 };
	struct err err = { 0 };
	bool fired;
	int nth = 0, r;
	int64_t org;

	(void)state;
	world_open(&w);
	WRITE(&w, accounts_org_declare(db, "acme", NOW, &org, &err));
	collect(&w, org);
	reading.row.id = STR("a:1");
	do {
		struct db *db = world_begin(&w, true);

		assert_int_equal(memberships(&w), 0);
		fault_at(++nth);
		r = hands_seen(db, &conf, &reading, NOW + 1, &err);
		fired = fault_fired();
		assert_true(!fired || r < 0);
		assert_int_equal(store_write_end(db, r < 0 ? r : 0, &err), r < 0 ? r : 0);
	} while (fired);
	assert_int_equal(memberships(&w), 2);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_account_keeps_all_groups_that_were_read),
		cmocka_unit_test(test_lost_memory_is_a_fault_and_takes_nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
