#include "bridge/plans_kept.h"
#include "tests/lib/test.h"

static struct digest digest(unsigned char n)
{
	struct digest d = { { 0 } };

	d.b[0] = n;
	return d;
}

/* A plan of so many actions, all empty. */
static struct plan *plan(size_t actions)
{
	struct plan *p = NULL;
	struct err err;

	assert_ok(plan_new(&p, &err), &err);
	for (size_t i = 0; i < actions; i++)
		assert_int_equal(vec_action_add(&p->actions, (struct action){ .n = 1 }), 0);
	return p;
}

static void give(struct plans_kept *k, unsigned char n, struct plan *p)
{
	struct digest d = digest(n);

	plans_kept_give(k, &d, p);
}

static struct plan *take(struct plans_kept *k, unsigned char n)
{
	struct digest d = digest(n);

	return plans_kept_take(k, &d);
}

static void test_who_takes_a_plan_has_it_alone(void **state)
{
	struct plans_kept *k = NULL;
	struct plan *p = plan(1);
	struct err err;

	(void)state;
	assert_ok(plans_kept_new(&k, &err), &err);
	assert_null(take(k, 1));
	give(k, 1, p);
	assert_null(take(k, 2));
	assert_ptr_equal(take(k, 1), p);
	assert_null(take(k, 1));
	give(k, 1, p);
	plans_kept_free(k);
}

static void test_the_oldest_go_when_there_are_too_many(void **state)
{
	struct plans_kept *k = NULL;
	struct plan *p;
	struct err err;

	(void)state;
	assert_ok(plans_kept_new(&k, &err), &err);
	for (unsigned char n = 1; n <= PLANS_KEPT_MOST + 2; n++)
		give(k, n, plan(1));
	for (unsigned char n = 1; n <= PLANS_KEPT_MOST + 2; n++) {
		p = take(k, n);
		assert_int_equal(p != NULL, n > 2);
		plan_free(p);
	}
	plans_kept_free(k);
}

static void test_long_plans_take_the_room_of_others(void **state)
{
	struct plans_kept *k = NULL;
	struct plan *p;
	struct err err;

	(void)state;
	assert_ok(plans_kept_new(&k, &err), &err);
	give(k, 1, plan(PLANS_KEPT_ACTIONS / 2 + 1));
	give(k, 2, plan(PLANS_KEPT_ACTIONS / 2));
	assert_null(take(k, 1));
	give(k, 3, plan(PLANS_KEPT_ACTIONS + 1));
	assert_null(take(k, 3));
	p = take(k, 2);
	assert_non_null(p);
	plan_free(p);
	plans_kept_free(k);
}

static void test_without_a_keep_nothing_is_kept(void **state)
{
	(void)state;
	assert_null(take(NULL, 1));
	give(NULL, 1, plan(1));
	give(NULL, 1, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_takes_a_plan_has_it_alone),
		cmocka_unit_test(test_the_oldest_go_when_there_are_too_many),
		cmocka_unit_test(test_long_plans_take_the_room_of_others),
		cmocka_unit_test(test_without_a_keep_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
