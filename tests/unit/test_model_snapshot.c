/* Frames, facts and projection: what goes in comes out, unknown stays unknown. */
#include "base/jx.h"
#include "model/project.h"
#include "tests/lib/test.h"

/* --- pools and pairs --- */

static void test_a_text_has_one_number(void **state)
{
	struct pool p;
	struct err err;
	uint32_t first[3000], again;
	char text[32];

	(void)state;
	assert_ok(pool_init(&p, &err), &err);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		assert_ok(pool_add(&p, str_of(text), &first[i], &err), &err);
		assert_true(first[i] >= FRAME_FIRST);
	}
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(text, sizeof(text), "text %d", i);
		assert_ok(pool_add(&p, str_of(text), &again, &err), &err);
		assert_int_equal(again, first[i]);
		assert_int_equal(pool_find(&p, str_of(text)), first[i]);
		assert_true(str_eq(pool_str(&p, first[i]), str_of(text)));
	}
	assert_int_equal(pool_find(&p, STR("no such text")), FRAME_ABSENT);
	assert_ok(pool_add(&p, STR(""), &again, &err), &err);
	assert_int_equal(again, FRAME_ABSENT);
	assert_int_equal(pool_str(&p, FRAME_UNKNOWN).len, 0);
	assert_int_equal(pool_str(&p, 99999).len, 0);
	pool_done(&p);
	pool_done(&p);
}

static void test_addresses_fold_to_one_number(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "Ada@X.example", "ada@x.example", true },
		{ "STRASSE@x",
		  "stra\xc3\x9f"
		  "e@x",
		  true }, /* full case folding */
		{ "\xc3\x84@x", "\xc3\xa4@x", true },
		{ "a@x", "b@x", false },
	};
	struct pool p;
	struct err err;
	uint32_t a, b;

	(void)state;
	assert_ok(pool_init(&p, &err), &err);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_ok(pool_add_folded(&p, str_of(cases[i].a), &a, &err), &err);
		assert_ok(pool_add_folded(&p, str_of(cases[i].b), &b, &err), &err);
		assert_int_equal(a == b, cases[i].same);
	}
	assert_ok(pool_add_folded(&p, STR("\xff@x"), &a, &err), &err);
	assert_int_equal(a, FRAME_UNKNOWN);
	pool_done(&p);
}

static void test_pairs_sort_as_qsort_does(void **state)
{
	struct pair v[2000];
	uint32_t seed = 7;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(v); i++) {
		seed = seed * 1664525 + 1013904223;
		v[i].a = i % 3 ? seed >> 20 : seed;
		seed = seed * 1664525 + 1013904223;
		v[i].b = i % 5 ? seed >> 24 : seed;
	}
	assert_ok(pair_sort(v, COUNT_OF(v), &err), &err);
	for (size_t i = 1; i < COUNT_OF(v); i++)
		assert_true(v[i - 1].a < v[i].a ||
			    (v[i - 1].a == v[i].a && v[i - 1].b <= v[i].b));
	assert_int_equal(pair_find(v, COUNT_OF(v), 0), 0);
	assert_int_equal(pair_find(v, COUNT_OF(v), v[700].a) <= 700, 1);
	assert_true(v[pair_find(v, COUNT_OF(v), v[700].a)].a == v[700].a);
	assert_ok(pair_sort(NULL, 0, &err), &err);
}

/* --- facts --- */

static const struct facts_round round_plain = { .org = { "acme", 4 }, .now_ms = 1000 };

static void want(struct facts_columns *c, const char *text)
{
	CLEANUP(path_done) struct path path = { .slot = -1 };
	struct err err;
	uint32_t column;

	assert_ok(path_parse(str_of(text), PATH_POLICY_PERSON, &path, &err), &err);
	assert_ok(facts_columns_want(c, &path, &column, &err), &err);
}

static void test_columns_are_wanted_once(void **state)
{
	struct facts_columns c = { 0 }, copy;
	struct err err;

	(void)state;
	want(&c, "userName");
	want(&c, "employment.lastWorkingDay");
	want(&c, "USERNAME");
	want(&c, "emails.value");
	want(&c, "active");
	assert_int_equal(c.n, 4);
	assert_int_equal(c.v[1].type, COLUMN_DATE);
	assert_int_equal(c.v[3].type, COLUMN_BOOL);
	assert_true(c.v[2].multi && !c.v[0].multi);
	assert_int_equal(facts_columns_find(&c, STR("EMAILS.value")), 2);
	assert_int_equal(facts_columns_find(&c, STR("nickName")), FACTS_NONE);
	assert_ok(facts_columns_copy(&copy, &c, &err), &err);
	assert_string_equal(copy.v[1].text, c.v[1].text);
	facts_columns_free(&c);
	facts_columns_free(&copy);
}

static void test_a_row_that_names_nobody_is_refused(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct facts_columns none = { 0 };
	struct facts_record record = { .source = 3, .key = STR("k") };
	struct facts_seat seat = { 0 };
	struct facts_progress progress = { 0 };
	struct err err;

	(void)state;
	assert_ok(facts_new(&none, &round_plain, &f, &err), &err);
	assert_fault(facts_add_record(f, &record, NULL, &err), ERR_INTERNAL, &err, "source 3");
	assert_fault(facts_add_seat(f, &seat, NULL, &err), ERR_INTERNAL, &err, "account 0");
	assert_fault(facts_add_membership(f, 0, 0, &err), ERR_INTERNAL, &err, "account 0");
	assert_fault(facts_add_progress(f, &progress, &err), ERR_INTERNAL, &err, "account 0");
	assert_fault(facts_set_absent(f, 0, 0, &err), ERR_INTERNAL, &err, "record 0");
}

/* Adds one row of everything; twice is a double. */
static void add_account(struct facts *f, const char *id, uint64_t number)
{
	struct facts_account row = { .id = str_of(id), .number = number };
	struct err err;

	assert_ok(facts_add_account(f, &row, NULL, &err), &err);
}

static void test_two_rows_with_one_key_are_refused(void **state)
{
	struct facts_columns none = { 0 };
	struct err err;

	(void)state;
	for (int what = 0; what < 6; what++) {
		CLEANUP(facts_free_at) struct facts *f = NULL;
		struct facts_source source = { .name = STR("hr") };
		struct facts_record record = { .key = STR("k7") };
		struct facts_person person = { .number = 5 };
		struct facts_product product = { .key = STR("jira"), .site = STR("s") };

		assert_ok(facts_new(&none, &round_plain, &f, &err), &err);
		for (int i = 0; i < 2; i++) {
			if (what == 0)
				assert_ok(facts_add_source(f, &source, NULL, &err), &err);
			if (what == 1 && i == 0)
				assert_ok(facts_add_source(f, &source, NULL, &err), &err);
			if (what == 1)
				assert_ok(facts_add_record(f, &record, NULL, &err), &err);
			if (what == 2)
				assert_ok(facts_add_person(f, &person, &err), &err);
			if (what == 3)
				add_account(f, "a1", 10 + (unsigned)i);
			if (what == 4)
				add_account(f, i ? "a1" : "a2", 10);
			if (what == 5)
				assert_ok(facts_add_product(f, &product, NULL, &err), &err);
		}
		assert_fault(facts_seal(f, &err), ERR_INVALID_VALUE, &err, "two ");
	}
}

static void test_equal_memberships_are_one_and_rows_are_found(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct facts_columns none = { 0 };
	struct facts_group group = { .id = STR("g") };
	struct facts_person person = { .number = 7 };
	struct err err;

	(void)state;
	assert_ok(facts_new(&none, &round_plain, &f, &err), &err);
	add_account(f, "a1", 30);
	add_account(f, "a2", 10);
	add_account(f, "a3", 20);
	assert_ok(facts_add_group(f, &group, NULL, &err), &err);
	assert_ok(facts_add_membership(f, 2, 0, &err), &err);
	assert_ok(facts_add_membership(f, 0, 0, &err), &err);
	assert_ok(facts_add_membership(f, 2, 0, &err), &err);
	assert_ok(facts_add_person(f, &person, &err), &err);
	assert_ok(facts_seal(f, &err), &err);
	assert_int_equal(f->members.n, 2);
	assert_int_equal(f->member_at[0], 0);
	assert_int_equal(f->member_at[1], 1);
	assert_int_equal(f->member_at[2], 1);
	assert_int_equal(f->member_at[3], 2);
	assert_int_equal(facts_account_by_number(f, 10), 1);
	assert_int_equal(facts_account_by_number(f, 30), 0);
	assert_int_equal(facts_account_by_number(f, 11), FACTS_NONE);
	assert_int_equal(facts_person_by_number(f, 7), 0);
	assert_int_equal(facts_person_by_number(f, 8), FACTS_NONE);
	assert_true(facts_bytes(f) > sizeof(*f));
}

/* --- an organisation that was filled apart --- */

enum { APART = 3000 }; /* texts enough for the pool to grow on the way */

static int apart_fill(struct facts *f, struct err *err)
{
	struct facts_product product = { .key = STR("jira"),
					 .site = STR("s"),
					 .resource = STR("ari") };
	struct facts_group group = { .id = STR("g"),
				     .name = STR("jira"),
				     .directory = STR("d") };
	struct facts_grant grant = { .role = STR("user") };
	char id[32], email[48];
	int r = 0;

	for (unsigned i = 0; i < APART && r == 0; i++) {
		struct facts_account row = { .number = i + 1,
					     .directory = STR("d"),
					     .linked_by = i % 2 ? STR("hand") : STR("") };

		row.id = str_n(id, (size_t)snprintf(id, sizeof(id), "a%u", i));
		row.email = str_n(email,
				  (size_t)snprintf(email, sizeof(email), "p%u@x.example", i));
		r = facts_add_account(f, &row, NULL, err);
	}
	if (r == 0)
		r = facts_add_product(f, &product, NULL, err);
	for (unsigned i = 0; i < APART && r == 0; i++) {
		struct facts_seat seat = { .account = i };
		struct facts_role role = { .account = i, .role = STR("user") };

		r = facts_add_seat(f, &seat, NULL, err);
		if (r == 0)
			r = facts_add_role(f, &role, err);
	}
	if (r == 0)
		r = facts_add_group(f, &group, NULL, err);
	return r < 0 ? r : facts_add_grant(f, &grant, err);
}

/* Facts that know half of the texts already; then the others' organisation. */
static int apart_take(struct facts **ret, struct facts **rest, struct err *err)
{
	const struct facts_columns none = { 0 };
	CLEANUP(facts_free_at) struct facts *f = NULL, *part = NULL;
	char text[48];
	int r = facts_new(&none, &round_plain, &f, err);

	for (unsigned i = 0; i < APART && r == 0; i += 2) {
		(void)snprintf(text, sizeof(text), "p%u@x.example", i);
		r = facts_add_address(f, str_of(text), i + 1, err);
	}
	if (r == 0)
		r = facts_new(&none, &round_plain, &part, err);
	if (r == 0)
		r = apart_fill(part, err);
	if (r == 0)
		r = facts_take_org(f, part, err);
	if (r == 0) {
		*ret = TAKE(f);
		*rest = TAKE(part);
	}
	return r;
}

static void test_an_organisation_filled_apart_is_as_if_filled_here(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL, *rest = NULL;
	char text[48];
	struct err err;

	(void)state;
	assert_ok(apart_take(&f, &rest, &err), &err);
	assert_int_equal(rest->accounts.n, 0);
	assert_int_equal(f->accounts.n, APART);
	assert_int_equal(f->seats.n, APART);
	assert_int_equal(f->roles.n, APART);
	for (unsigned i = 0; i < APART; i++) {
		const struct row_account *a = &f->accounts.v[i];

		(void)snprintf(text, sizeof(text), "a%u", i);
		assert_true(str_eq(pool_str(&f->pool, a->id), str_of(text)));
		(void)snprintf(text, sizeof(text), "p%u@x.example", i);
		assert_true(str_eq(pool_str(&f->pool, a->email), str_of(text)));
		/* the same text, the same number */
		assert_int_equal(a->email, pool_find(&f->pool, str_of(text)));
		if (i % 2 == 0)
			assert_int_equal(a->email, f->addresses.v[i / 2].folded);
		assert_int_equal(a->name, FRAME_ABSENT);
		assert_int_equal(a->linked_by,
				 i % 2 ? pool_find(&f->pool, STR("hand")) : FRAME_ABSENT);
		assert_int_equal(f->roles.v[i].role, pool_find(&f->pool, STR("user")));
	}
	assert_true(str_eq(pool_str(&f->pool, f->products.v[0].resource), STR("ari")));
	assert_int_equal(f->products.v[0].key, f->groups.v[0].name);
	assert_int_equal(f->groups.v[0].directory, f->accounts.v[7].directory);
	assert_int_equal(f->grants.v[0].role, f->roles.v[0].role);
	assert_fault(facts_take_org(f, rest, &err), ERR_INTERNAL, &err, "another");
	assert_ok(facts_seal(f, &err), &err);
	assert_int_equal(facts_account_by_number(f, 17), 16);
}

static void test_an_organisation_filled_apart_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		CLEANUP(facts_free_at) struct facts *f = NULL, *rest = NULL;

		fault_at(++nth);
		r = apart_take(&f, &rest, &err);
		assert_true(r == 0 || r == -ERR_NOMEM);
	} while (fault_fired());
	assert_int_equal(r, 0);
	assert_true(nth > 20);
}

/* --- projection --- */

static const char document[] =
	"{\"userName\":\"ada@x\",\"active\":\"yes\",\"emails\":[{\"value\":\"a@x\",\"type\":"
	"\"work\"},{\"type\":\"home\"},{\"value\":7}],\"meta\":{\"created\":\"2026-01-02T03:04:"
	"05Z\"},\"urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment\":{"
	"\"lastWorkingDay\":\"2026-02-30\",\"terminationDate\":\"2026-03-01T10:00:00Z\","
	"\"startDate\":null,\"legalHold\":true,\"status\":\"secret\"}}";

static const struct {
	const char *path;
	enum value_state state;
	const char *text; /* or */
	int64_t number;
} projected[] = {
	{ "userName", VALUE_PRESENT, "ada@x", 0 },
	{ "nickName", VALUE_ABSENT, NULL, 0 },
	{ "active", VALUE_UNKNOWN, NULL, 0 }, /* not a boolean: unknown, not false */
	{ "employment.lastWorkingDay", VALUE_UNKNOWN, NULL, 0 }, /* no such day */
	{ "employment.terminationDate", VALUE_PRESENT, NULL, 1772323200000 },
	{ "employment.startDate", VALUE_ABSENT, NULL, 0 }, /* null is not there */
	{ "employment.legalHold", VALUE_PRESENT, NULL, 1 },
	{ "employment.status", VALUE_UNKNOWN, NULL, 0 }, /* covered by the unknown set */
	{ "name", VALUE_ABSENT, NULL, 0 },
	{ "enterprise.department", VALUE_ABSENT, NULL, 0 },
	{ "title", VALUE_UNKNOWN, NULL, 0 }, /* covered too, though it is not there */
};

static void project(struct facts **ret, struct facts_columns *columns)
{
	const struct str unknown[] = {
		STR("title"), STR("nick"),
		STR("urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment:status")
	};
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct facts_source source = { .name = STR("hr") };
	struct facts_record record = { .key = STR("k") };
	struct err err;

	assert_ok(jx_parse(str_of(document), JX_STRICT, &doc, &err), &err);
	assert_ok(facts_new(columns, &round_plain, ret, &err), &err);
	assert_ok(facts_add_source(*ret, &source, NULL, &err), &err);
	assert_ok(facts_add_record(*ret, &record, NULL, &err), &err);
	assert_ok(facts_project(*ret, 0, doc, unknown, COUNT_OF(unknown), &err), &err);
}

static void test_documents_become_cells(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct facts_columns c = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(projected); i++)
		want(&c, projected[i].path);
	project(&f, &c);
	for (uint32_t i = 0; i < COUNT_OF(projected); i++) {
		struct str text;
		int64_t number;

		if (projected[i].text || projected[i].state != VALUE_PRESENT) {
			assert_int_equal(facts_text(f, 0, i, &text), projected[i].state);
			if (projected[i].text)
				assert_true(str_eq(text, str_of(projected[i].text)));
		} else {
			assert_int_equal(facts_number(f, 0, i, &number), VALUE_PRESENT);
			assert_int_equal(number, projected[i].number);
		}
	}
	facts_columns_free(&c);
}

static void test_lists_keep_their_elements_beside_each_other(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct facts_columns c = { 0 };
	uint32_t value, type;

	(void)state;
	want(&c, "emails.value");
	want(&c, "emails.type");
	project(&f, &c);
	assert_int_equal(facts_cell(f, 0, 0, &value), VALUE_PRESENT);
	assert_int_equal(facts_cell(f, 0, 1, &type), VALUE_PRESENT);
	value -= FRAME_FIRST;
	type -= FRAME_FIRST;
	assert_int_equal(f->lists.v[value], 3);
	assert_int_equal(f->lists.v[type], 3);
	assert_true(str_eq(pool_str(&f->pool, f->lists.v[value + 1]), STR("a@x")));
	assert_int_equal(f->lists.v[value + 2], FRAME_ABSENT);
	assert_int_equal(f->lists.v[value + 3], FRAME_UNKNOWN); /* a number is no address */
	assert_true(str_eq(pool_str(&f->pool, f->lists.v[type + 2]), STR("home")));
	facts_columns_free(&c);
}

/* --- lost memory --- */

/* --- projection of a document's text --- */

static const char *const asked[] = {
	"userName",
	"nickName",
	"active",
	"name",
	"name.familyName",
	"emails.value",
	"emails.type",
	"emails.primary",
	"emails",
	"meta.created",
	"employment.lastWorkingDay",
	"employment.terminationDate",
	"employment.legalHold",
	"employment.leave.from",
	"enterprise.department",
	"enterprise.manager.value",
	"enterprise.costCenter",
};

#define EMPLOYMENT "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"
#define ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

static uint32_t drawn(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

static const char *one_of(uint64_t *seed, const char *const *list, size_t n)
{
	return list[drawn(seed, (uint32_t)n)];
}

/* A value of any form, seldom one that a text cannot be taken from without parsing. */
static void put_value(struct buf *b, uint64_t *seed, int depth)
{
	static const char *const plain[] = {
		"\"a\"",
		"\"ada@x.example\"",
		"\"\"",
		"null",
		"true",
		"false",
		"7",
		"-0",
		"\"2026-03-01\"",
		"\"2026-02-30\"",
		"{}",
		"\"2026-03-01T10:00:00Z\"",
		"[]",
		"\"{[,]}\"",
		"\"\xc3\xa4\"",
		"9007199254740993",
		"1.5",
		"1e300",
		"\"q\\\"q\"",
		"\"\\u00e9\"",
	};
	static const char *const subs[] = { "value", "Value", "type",      "primary",
					    "from",  "other", "familyName" };
	uint32_t form = drawn(seed, 8);
	/* the last four are rare, or few documents would be taken from their text */
	size_t n = COUNT_OF(plain) - (drawn(seed, 12) ? 4 : 0);

	if (form < 5 || depth == 0) {
		buf_addf(b, "%s", one_of(seed, plain, n));
	} else if (form < 7) {
		uint32_t first = drawn(seed, COUNT_OF(subs)), count = drawn(seed, 3);

		buf_addf(b, "{");
		for (uint32_t i = 0; i < count; i++) {
			buf_addf(b, "%s\"%s\" : ", i ? ", " : "",
				 subs[(first + i) % COUNT_OF(subs)]);
			put_value(b, seed, depth - 1);
		}
		buf_addf(b, "}");
	} else {
		uint32_t count = drawn(seed, drawn(seed, 20) ? 4 : 30);

		buf_addf(b, "[ ");
		for (uint32_t i = 0; i < count; i++) {
			buf_addf(b, "%s", i ? " ,\n" : "");
			put_value(b, seed, depth - 1);
		}
		buf_addf(b, "]");
	}
}

/* Some of the names from one on, no name twice. */
static void put_members(struct buf *b, uint64_t *seed, const char *const *names, size_t n)
{
	uint32_t first = drawn(seed, (uint32_t)n), count = drawn(seed, (uint32_t)n);

	buf_addf(b, "{");
	for (uint32_t i = 0; i < count; i++) {
		const char *name = names[(first + i) % n];

		buf_addf(b, "%s\"%s\":", i ? "," : " ", name);
		if (strncmp(name, "urn:", 4) == 0 && drawn(seed, 8)) {
			static const char *const inner[] = {
				"lastWorkingDay", "TerminationDate", "legalHold", "leave",
				"department",     "manager",         "costCenter"
			};

			put_members(b, seed, inner, COUNT_OF(inner));
		} else {
			put_value(b, seed, 3);
		}
	}
	buf_addf(b, "}");
}

static void same_cell(const struct facts *f, uint32_t column, uint32_t x, uint32_t y)
{
	struct str a, b;

	if (x < FRAME_FIRST || y < FRAME_FIRST) {
		assert_int_equal(x, y);
		return;
	}
	if (f->columns.v[column].type == COLUMN_TEXT) {
		a = pool_str(&f->pool, x);
		b = pool_str(&f->pool, y);
		assert_true(str_eq(a, b));
	} else {
		assert_int_equal(f->numbers.v[x - FRAME_FIRST], f->numbers.v[y - FRAME_FIRST]);
	}
}

/* Cells of rows 0 and 1. */
static void same_cells(const struct facts *f)
{
	for (uint32_t c = 0; c < f->columns.n; c++) {
		uint32_t x = f->cells[c].v[0], y = f->cells[c].v[1];
		const uint32_t *a, *b;

		if (!f->columns.v[c].multi || x < FRAME_FIRST || y < FRAME_FIRST) {
			same_cell(f, c, x, y);
			continue;
		}
		a = &f->lists.v[x - FRAME_FIRST];
		b = &f->lists.v[y - FRAME_FIRST];
		assert_int_equal(a[0], b[0]);
		for (uint32_t i = 1; i <= a[0]; i++)
			same_cell(f, c, a[i], b[i]);
	}
}

static void project_both(const struct facts_columns *columns, struct projection *p,
			 struct str text, const struct str *unknown, size_t n)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct facts_source source = { .name = STR("hr") };
	struct facts_record rows[] = { { .key = STR("a") }, { .key = STR("b") } };
	struct err err;

	assert_ok(jx_parse(text, JX_LENIENT, &doc, &err), &err);
	assert_ok(facts_new(columns, &round_plain, &f, &err), &err);
	assert_ok(facts_add_source(f, &source, NULL, &err), &err);
	assert_ok(facts_add_record(f, &rows[0], NULL, &err), &err);
	assert_ok(facts_add_record(f, &rows[1], NULL, &err), &err);
	assert_ok(facts_project(f, 0, doc, unknown, n, &err), &err);
	assert_ok(facts_project_text(f, p, 1, text, unknown, n, &err), &err);
	same_cells(f);
}

static void test_a_text_gives_the_cells_of_its_tree(void **state)
{
	static const char *const names[] = {
		"userName", "nickname", "NickName2", "active", "name",     "emails",
		"meta",     "schemas",  EMPLOYMENT,  "other",  ENTERPRISE, "urn:example:other",
		"urn:y",    "urn:x",
	};
	/* what is not for the text: it is parsed, and gives the same */
	static const char *const odd[] = {
		"{\"" ENTERPRISE "\":{\"department\":\"a\"},\"URN"
		":ietf:params:scim:schemas:extension:enterprise:2.0:user\":"
		"{\"costCenter\":\"b\"}}",
		"{\"" ENTERPRISE "\":\"text\"}",
		"{\"" ENTERPRISE "\":null}",
		"{\"userName\":\"a\",\"USERNAME\":\"b\"}",
		"{}",
		" { } ",
		"{\"\\u0075serName\":\"a\"}",
	};
	const struct str unknown[] = { STR("nickName"), STR("emails.type"), STR(EMPLOYMENT) };
	CLEANUP(projection_free_at) struct projection *p = NULL;
	struct facts_columns c = { 0 };
	uint64_t seed = 42;
	struct err err;
	struct buf b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(asked); i++)
		want(&c, asked[i]);
	assert_ok(projection_new(&c, &p, &err), &err);
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 20000; i++) {
		buf_clear(&b);
		put_members(&b, &seed, names, COUNT_OF(names));
		project_both(&c, p, buf_str(&b), unknown, drawn(&seed, 4) ? 0 : 3);
	}
	for (size_t i = 0; i < COUNT_OF(odd); i++)
		project_both(&c, p, str_of(odd[i]), NULL, 0);
	buf_clear(&b);
	buf_addf(&b, "{\"emails\":[0");
	for (int i = 0; i < 4096; i++)
		buf_addf(&b, ",{\"value\":\"a\"}");
	buf_addf(&b, "]}");
	project_both(&c, p, buf_str(&b), NULL, 0);
	buf_done(&b);
	facts_columns_free(&c);
}

static void test_a_text_that_is_no_document_is_refused(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"{\"userName\":\"a\"",
		"{\"userName\":}",
		"{\"userName\" \"a\"}",
		"{}x",
		"[]]",
		"{\"emails\":[{\"value\":}]",
		"{\"a\":1}}",
		"{\"userName\":\"a}",
	};
	CLEANUP(projection_free_at) struct projection *p = NULL;
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct facts_source source = { .name = STR("hr") };
	struct facts_record row = { .key = STR("a") };
	struct facts_columns c = { 0 };
	struct err err;

	(void)state;
	want(&c, "userName");
	want(&c, "emails.value");
	assert_ok(projection_new(&c, &p, &err), &err);
	assert_ok(facts_new(&c, &round_plain, &f, &err), &err);
	assert_ok(facts_add_source(f, &source, NULL, &err), &err);
	assert_ok(facts_add_record(f, &row, NULL, &err), &err);
	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		size_t len = strlen(broken[i]);
		char *exact = malloc(len + 1); /* a read behind its end shows */

		assert_non_null(exact);
		memcpy(exact, broken[i], len);
		assert_int_equal(facts_project_text(f, p, 0, str_n(exact, len), NULL, 0, &err),
				 -ERR_INVALID_SYNTAX);
		free(exact);
	}
	facts_columns_free(&c);
}

static int build(struct facts **ret, const struct facts_columns *c, const json_t *doc,
		 struct err *err)
{
	struct facts_source source = { .name = STR("hr"), .doubt_text = STR("doubt") };
	struct facts_record record = { .key = STR("k"), .external_id = STR("e") };
	struct facts_account account = { .id = STR("a"),
					 .number = 1,
					 .email = STR("\xc3\x84@x") };
	struct facts_product product = { .key = STR("jira"), .site = STR("s") };
	struct facts_seat seat = { 0 };
	struct facts_group group = { .id = STR("g") };
	struct facts_grant grant = { .role = STR("r") };
	struct facts_role role = { .role = STR("r") };
	struct facts_person person = { .number = 1 };
	struct facts_progress progress = { .product = FACTS_NONE, .rule = STR("x") };
	CLEANUP(facts_free_at) struct facts *f = NULL;
	int r = facts_new(c, &round_plain, &f, err);

	if (r == 0)
		r = facts_add_source(f, &source, NULL, err);
	if (r == 0)
		r = facts_add_record(f, &record, NULL, err);
	if (r == 0)
		r = facts_project(f, 0, doc, NULL, 0, err);
	if (r == 0)
		r = facts_add_person(f, &person, err);
	if (r == 0)
		r = facts_add_address(f, STR("\xc3\x84@x"), 1, err);
	if (r == 0)
		r = facts_add_account(f, &account, NULL, err);
	if (r == 0)
		r = facts_add_product(f, &product, NULL, err);
	if (r == 0)
		r = facts_add_seat(f, &seat, NULL, err);
	if (r == 0)
		r = facts_add_group(f, &group, NULL, err);
	if (r == 0)
		r = facts_add_grant(f, &grant, err);
	if (r == 0)
		r = facts_add_membership(f, 0, 0, err);
	if (r == 0)
		r = facts_add_role(f, &role, err);
	if (r == 0)
		r = facts_add_progress(f, &progress, err);
	if (r == 0)
		r = facts_seal(f, err);
	if (r == 0)
		*ret = TAKE(f);
	return r;
}

static void test_facts_survive_each_lost_allocation(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct facts_columns c = { 0 };
	struct err err;
	int nth = 0, r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(projected); i++)
		want(&c, projected[i].path);
	want(&c, "emails.value");
	assert_ok(jx_parse(str_of(document), JX_STRICT, &doc, &err), &err);
	do {
		CLEANUP(facts_free_at) struct facts *f = NULL;

		fault_at(++nth);
		r = build(&f, &c, doc, &err);
		assert_true(r == 0 || r == -ERR_NOMEM);
	} while (fault_fired());
	assert_int_equal(r, 0);
	assert_true(nth > 20);
	facts_columns_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_text_has_one_number),
		cmocka_unit_test(test_addresses_fold_to_one_number),
		cmocka_unit_test(test_pairs_sort_as_qsort_does),
		cmocka_unit_test(test_columns_are_wanted_once),
		cmocka_unit_test(test_a_row_that_names_nobody_is_refused),
		cmocka_unit_test(test_two_rows_with_one_key_are_refused),
		cmocka_unit_test(test_equal_memberships_are_one_and_rows_are_found),
		cmocka_unit_test(test_an_organisation_filled_apart_is_as_if_filled_here),
		cmocka_unit_test(
			test_an_organisation_filled_apart_survives_each_lost_allocation),
		cmocka_unit_test(test_documents_become_cells),
		cmocka_unit_test(test_lists_keep_their_elements_beside_each_other),
		cmocka_unit_test(test_a_text_gives_the_cells_of_its_tree),
		cmocka_unit_test(test_a_text_that_is_no_document_is_refused),
		cmocka_unit_test(test_facts_survive_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
