/* Who is told of a tier's boundary: held and highest counts against the tiers. */
#include "tests/unit/bridge_house.h"

#include "bridge/boundaries.h"

#define CONFIG                                                                                 \
	HOUSE_INSTANCE HOUSE_SOURCE HOUSE_ORG                                                  \
		"    billing:\n"                                                               \
		"      - product: jira\n        price: 7\n        currency: USD\n"             \
		"        term: monthly\n        renews: 2026-03-14\n"                          \
		"      - product: confluence\n        currency: USD\n        term: annual\n"   \
		"        renews: 2026-01-01\n        tiers: { 100: 5800, 200: 11100 }\n"

/* 2026-11-22 in Berlin; days since 1970. */
#define TODAY 20779

static void day(struct house *h, int product, int ago, int held)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO seat_day (org, product, day, held, idle, never, capacity)"
		 " SELECT id, %d, %d, %d, 0, 0, 0 FROM org",
		 product, TODAY - ago, held);
	house_meddle(h, sql);
}

static void products(struct house *h)
{
	house_meddle(h, "INSERT INTO product (id, org, key, site, resource) SELECT 1, id,"
			" 'jira', 'acme.atlassian.net', 'r1' FROM org");
	house_meddle(h, "INSERT INTO product (id, org, key, site, resource) SELECT 2, id,"
			" 'confluence', 'acme.atlassian.net', 'r2' FROM org");
}

struct told {
	int n;
	char keys[2][256], line[700];
};

static int tell(void *ctx, const char *key, const char *title, const char *line,
		struct err *err)
{
	struct told *t = ctx;

	(void)err;
	assert_true(t->n < 2);
	snprintf(t->keys[t->n++], 256, "%s", key);
	snprintf(t->line, sizeof(t->line), "%s", line);
	assert_non_null(strstr(title, "acme.atlassian.net"));
	return 0;
}

static const struct {
	int before, now; /* seats of Confluence 30 days ago and today; 0: no day */
	const char *keys[2];
	const char *says;
} cases[] = {
	{ 0, 97, { NULL, NULL }, NULL }, /* three more fit */
	{ 0, 98, { "/near/100/2027-01-01", NULL }, "11100.00 USD a year" },
	{ 0, 100, { "/near/100/2027-01-01", NULL }, "up to 100 cost 5800.00 USD" },
	{ 0, 101, { NULL, NULL }, NULL },
	{ 130, 120, { NULL, NULL }, NULL }, /* the same tier */
	{ 101, 90, { "/below/100/2027-01-01", NULL }, "5300.00 USD less" },
	{ 101, 99, { "/below/100/2027-01-01", "/near/100/2027-01-01" }, NULL },
	{ 0, 199, { "/near/200/2027-01-01", NULL }, "the next tier: leaverd ledger acme" },
	{ 0, 250, { NULL, NULL }, NULL }, /* above all that are known */
};

static void test_a_boundary_is_told_from_near_and_from_below(void **state)
{
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	products(&h);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct told told = { 0 };
		struct err err = { 0 };

		house_meddle(&h, "DELETE FROM seat_day");
		day(&h, 1, 0, 99); /* by the month: there is no boundary */
		if (cases[i].before)
			day(&h, 2, 30, cases[i].before);
		day(&h, 2, 61, 150); /* too long ago */
		day(&h, 2, 0, cases[i].now);
		assert_ok(boundaries_look(&h.app, config_org_at(&h.app.config, 0), NOW, tell,
					  &told, &err),
			  &err);
		for (int k = 0; k < 2; k++)
			if ((k < told.n) != (cases[i].keys[k] != NULL) ||
			    (k < told.n && !strstr(told.keys[k], cases[i].keys[k])))
				fail_msg("row %zu: %d told, \"%s\"", i, told.n, told.keys[k]);
		if (cases[i].says && !strstr(told.line, cases[i].says))
			fail_msg("row %zu: \"%s\"", i, told.line);
	}
	house_close(&h);
}

static int refuse(void *ctx, const char *key, const char *title, const char *line,
		  struct err *err)
{
	(void)ctx;
	(void)key;
	(void)title;
	(void)line;
	return err_set(err, ERR_IO, "the disk is gone");
}

static void test_what_the_listener_cannot_keep_ends_the_look(void **state)
{
	struct house h;
	struct err err = { 0 };

	(void)state;
	house_open(&h, CONFIG);
	products(&h);
	day(&h, 2, 0, 100);
	assert_fault(boundaries_look(&h.app, config_org_at(&h.app.config, 0), NOW, refuse, NULL,
				     &err),
		     ERR_IO, &err, "the disk is gone");
	house_close(&h);
}

static void test_a_look_survives_each_lost_allocation(void **state)
{
	struct house h;
	int nth = 0, r;
	bool again;

	(void)state;
	fault_install();
	house_open(&h, CONFIG);
	products(&h);
	day(&h, 2, 30, 101);
	day(&h, 2, 0, 99);
	do {
		struct told told = { 0 };
		struct err err = { 0 };

		fault_at(++nth);
		r = boundaries_look(&h.app, config_org_at(&h.app.config, 0), NOW, tell, &told,
				    &err);
		again = fault_fired();
		assert_true(again ? r == -ERR_NOMEM : r == 0 && told.n == 2);
	} while (again);
	assert_true(nth > 3);
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_boundary_is_told_from_near_and_from_below),
		cmocka_unit_test(test_what_the_listener_cannot_keep_ends_the_look),
		cmocka_unit_test(test_a_look_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
