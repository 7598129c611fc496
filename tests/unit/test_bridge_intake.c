/* What a collection brings, on its way into the store: in batches, whole or not at all. */
#include "tests/unit/bridge_house.h"

#include "bridge/intake.h"
#include "store/walk.h"

#define CONFIG HOUSE_INSTANCE HOUSE_SOURCE HOUSE_ORG

#define S(text) str_of(text)

/* The frame: two products (one of another site), two groups, the first of which gives Jira. */
static int frame(const struct atl_sink *s, struct err *err)
{
	const struct atl_org org = { S("1f2e3d4c"), S("Acme") };
	const struct atl_resource products[] = {
		{ S("ari:jira"), S("jira"), S("acme.atlassian.net"), 300, true },
		{ S("ari:wiki"), S("confluence"), S("other.atlassian.net"), ATL_ABSENT, false },
	};
	const struct atl_group groups[] = {
		{ S("g-1"), S("staff"), S("d-1"), TRI_NO, TRI_YES, TRI_NO },
		{ S("g-2"), S("nobody"), S("d-1"), TRI_NO, TRI_YES, TRI_NO },
	};
	const struct atl_grant grants[] = {
		{ S("g-1"), S("ari:jira"), S("atlassian/user"), TRI_YES, TRI_YES },
		{ S("g-9"), S("ari:jira"), S("atlassian/user"), TRI_YES,
		  TRI_YES }, /* unknown */
		{ S("g-1"), S("ari:none"), S("atlassian/user"), TRI_YES, TRI_YES },
	};
	int r = s->org(s->ctx, &org, err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(products); i++)
		r = s->resource(s->ctx, &products[i], err);
	if (r == 0) /* a second time: of another directory */
		r = s->resource(s->ctx, &products[0], err);
	for (size_t i = 0; r == 0 && i < COUNT_OF(groups); i++)
		r = s->group(s->ctx, &groups[i], err);
	for (size_t i = 0; r == 0 && i < COUNT_OF(grants); i++)
		r = s->grant(s->ctx, &grants[i], err);
	return r;
}

/* Account n, a member of staff with a seat; the third also has a role of its own. */
static int account(const struct atl_sink *s, unsigned n, struct err *err)
{
	char id[32], mail[48];
	struct atl_account row = { .status = ACCOUNT_ACTIVE,
				   .type = ACCOUNT_PERSON,
				   .managed = TRI_YES };
	struct atl_seat seat;
	struct atl_role role;
	int r;

	snprintf(id, sizeof(id), "a:%u", n);
	snprintf(mail, sizeof(mail), "u%u@example.com", n);
	row.id = S(id);
	row.email = S(mail);
	seat = (struct atl_seat){ S(id), S("ari:jira"), ATL_ABSENT };
	role = (struct atl_role){ S(id), S("ari:jira"), S("atlassian/admin"), false, TRI_YES };
	r = s->account(s->ctx, &row, err);
	if (r == 0)
		r = s->member(s->ctx, S(id), S("g-1"), err);
	if (r == 0) /* in a second directory the same comes twice */
		r = s->also_in(s->ctx, S(id), S("d-2"), err);
	if (r == 0)
		r = s->member(s->ctx, S(id), S("g-1"), err);
	if (r == 0)
		r = s->member(s->ctx, S(id), S("g-9"), err);
	if (r == 0)
		r = s->seat(s->ctx, &seat, err);
	return r == 0 && n == 3 ? s->role(s->ctx, &role, err) : r;
}

static int end_run(void *ctx, struct db *db, struct err *err)
{
	return accounts_end(db, intake_run(ctx), ORG_PART_ALL, true, NULL, NOW, err);
}

/* A whole collection of so many by the only organisation, number 1; end: also accounts_end(),
 * as a round does. */
static int collect(struct house *h, unsigned count, bool end, const atomic_bool *cancel,
		   struct err *err)
{
	CLEANUP(intake_free_at) struct intake *in = NULL;
	int r = intake_new(&in, &h->app, 1, "acme", NULL, cancel, err);
	struct atl_sink s;

	if (r < 0)
		return r;
	s = intake_sink(in);
	r = frame(&s, err);
	for (unsigned n = 1; r == 0 && n <= count; n++)
		r = account(&s, n, err);
	if (r == 0)
		r = intake_end(in, ATL_PART_ALL, err);
	if (r == 0) {
		assert_string_equal(intake_identity(in), "1f2e3d4c");
		r = end ? writer_call(h->app.writer, end_run, in, err) : 0;
	}
	return r;
}

static const struct {
	const char *what;
	int64_t one, many; /* of 3 accounts, and of 450: more than two batches */
} counts[] = {
	{ "SELECT count(*) FROM account WHERE live = 1", 3, 450 },
	{ "SELECT count(*) FROM seat", 3, 450 },
	{ "SELECT count(*) FROM org_member", 3, 450 },
	{ "SELECT count(DISTINCT account) FROM org_member", 3, 450 },
	{ "SELECT count(*) FROM org_role", 1, 1 },
	{ "SELECT count(*) FROM org_group WHERE live = 1", 2, 2 },
	{ "SELECT count(*) FROM org_grant", 1, 1 },
	{ "SELECT count(*) FROM product", 2, 2 },
	{ "SELECT capacity FROM product WHERE key = 'jira'", 300, 300 },
};

static void holds(struct house *h, bool many)
{
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		int64_t n = world_number(&h->w, counts[i].what);

		if (n != (many ? counts[i].many : counts[i].one))
			fail_msg("%s: %lld", counts[i].what, (long long)n);
	}
}

static void test_a_collection_is_stored_whole_in_one_batch_or_many(void **state)
{
	(void)state;
	for (int many = 0; many < 2; many++) {
		struct err err = { 0 };
		struct house h;

		house_open(&h, CONFIG);
		assert_ok(collect(&h, many ? 450 : 3, true, NULL, &err), &err);
		holds(&h, many);
		/* the same once more writes the same */
		assert_ok(collect(&h, many ? 450 : 3, true, NULL, &err), &err);
		holds(&h, many);
		house_close(&h);
	}
}

static void test_an_organisation_without_accounts_is_stored_too(void **state)
{
	struct err err = { 0 };
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	assert_ok(collect(&h, 0, true, NULL, &err), &err);
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM org_group WHERE live = 1"),
			 2);
	assert_int_equal(world_number(&h.w, "SELECT generation FROM org"), 1);
	house_close(&h);
}

static void test_what_was_not_ended_belongs_to_no_generation(void **state)
{
	struct err err = { 0 };
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	assert_ok(collect(&h, 3, true, NULL, &err), &err);
	assert_ok(collect(&h, 1, false, NULL, &err), &err); /* as after a crash */
	holds(&h, false);
	assert_int_equal(world_number(&h.w, "SELECT generation FROM org"), 1);
	house_close(&h);
}

static void test_a_stop_is_asked_for_by_the_collection(void **state)
{
	CLEANUP(intake_free_at) struct intake *in = NULL;
	atomic_bool cancel = false;
	struct err err = { 0 };
	struct atl_sink s;
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	assert_ok(intake_new(&in, &h.app, 1, "acme", NULL, &cancel, &err), &err);
	s = intake_sink(in);
	assert_false(s.stop(s.ctx));
	atomic_store(&cancel, true);
	assert_true(s.stop(s.ctx));
	intake_free(TAKE(in));
	house_close(&h);
}

static void test_an_id_that_no_organisation_has_is_refused(void **state)
{
	CLEANUP(intake_free_at) struct intake *in = NULL;
	struct atl_org org = { .name = S("Acme") };
	struct err err = { 0 };
	struct atl_sink s;
	struct house h;
	char id[300];

	(void)state;
	memset(id, 'x', sizeof(id));
	org.id = str_n(id, sizeof(id));
	house_open(&h, CONFIG);
	assert_ok(intake_new(&in, &h.app, 1, "acme", NULL, NULL, &err), &err);
	s = intake_sink(in);
	assert_fault(s.org(s.ctx, &org, &err), ERR_PROTOCOL, &err, "too long");
	assert_string_equal(intake_identity(in), "");
	intake_free(TAKE(in));
	house_close(&h);
}

static void test_a_collection_survives_each_lost_allocation(void **state)
{
	struct house h;
	int nth = 0, r;
	bool again;

	(void)state;
	fault_install();
	house_open(&h, CONFIG);
	do {
		struct err err = { 0 };

		fault_at(++nth);
		r = collect(&h, 3, true, NULL, &err);
		again = fault_fired();
		assert_true(again ? r == -ERR_NOMEM : r == 0);
		if (again) /* nothing of it counts */
			assert_int_equal(world_number(&h.w, "SELECT generation FROM org"), 0);
	} while (again);
	assert_true(nth > 20);
	holds(&h, false);
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_collection_is_stored_whole_in_one_batch_or_many),
		cmocka_unit_test(test_an_organisation_without_accounts_is_stored_too),
		cmocka_unit_test(test_what_was_not_ended_belongs_to_no_generation),
		cmocka_unit_test(test_a_stop_is_asked_for_by_the_collection),
		cmocka_unit_test(test_an_id_that_no_organisation_has_is_refused),
		cmocka_unit_test(test_a_collection_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
