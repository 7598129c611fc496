#include "tests/lib/store_world.h"

#include "store/accounts.h"
#include "store/facts.h"
#include "store/membership.h"
#include "store/records.h"
#include "store/sources.h"

/* A directory with three people, read once. */
struct house {
	struct world w;
	int64_t corp;
};

static void house_open(struct house *h)
{
	static const char *const keys[] = { "ada", "bob", "eve" };
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_verdict v = { .complete = true, .now_ms = NOW };
	struct err err;

	memset(h, 0, sizeof(*h));
	world_open(&h->w);
	WRITE(&h->w, sources_declare(db, "corp", "ldap", "directory", 0, NOW, &h->corp, &err));
	WRITE(&h->w, sources_read_begin(db, h->corp, READ_FULL, NOW, &run, &err));
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		CLEANUP(json_decref_at) json_t *doc = json_pack("{s:s}", "userName", keys[i]);
		struct read_entry e = { .key = str_of(keys[i]),
					.doc = doc,
					.unknown = STR("") };

		WRITE(&h->w, sources_read_put(db, run, &e, 1, NOW, &err));
	}
	WRITE(&h->w, sources_read_end(db, run, &v, NULL, &err));
}

static void name(struct house *h, const char *key)
{
	struct err err;

	WRITE(&h->w, membership_name(db, h->corp, str_of(key), str_of(key), NOW, &err));
}

/* "ada bob" and "g2" as members of g1; what it answered. */
static int set(struct house *h, const char *group, const char *people, const char *groups,
	       struct membership_counts *counts)
{
	const char *members[16];
	char text[256];
	struct membership_group g = { .key = str_of(group), .name = str_of(group) };
	struct err err;
	size_t n = 0;
	int answer = -1;

	g.members = members;
	snprintf(text, sizeof(text), "%s %s", people, groups);
	for (char *p = text, *word; (word = strsep(&p, " "));)
		if (*word)
			members[n++] = word;
	for (const char *p = people; *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : "")
		g.people_n++;
	g.groups_n = n - g.people_n;
	answer = TRY_WRITE(&h->w, membership_set(db, h->corp, &g, false, NOW, counts, &err));
	return answer;
}

static int on_above(void *ctx, struct str key, struct str name_, bool direct, struct err *err)
{
	struct buf *b = ctx;

	(void)name_;
	(void)err;
	buf_addf(b, "%s" STR_FMT "%s", b->len ? " " : "", STR_ARG(key), direct ? "" : "*");
	return 0;
}

/* Which groups somebody is in: "g1 g2*", '*' by another group. */
static void in_groups(struct house *h, const char *who, const char *expect)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(record_done) struct record r = { 0 };
	struct buf b;
	struct err err;

	buf_init(&b, 4096);
	buf_add_text(&b, "");
	assert_ok(store_read_begin(h->w.store, &db, &err), &err);
	assert_int_equal(records_get(db, h->corp, str_of(who), &r, &err), 0);
	assert_ok(membership_above(db, r.id, on_above, &b, &err), &err);
	assert_string_equal(b.p ? b.p : "", expect);
	buf_done(&b);
}

static void test_groups_in_groups_count_and_cycles_end(void **state)
{
	struct membership_counts c = { 0 };
	struct house h;

	(void)state;
	house_open(&h);
	name(&h, "g1");
	name(&h, "g2");
	name(&h, "g3");
	assert_int_equal(set(&h, "g1", "ada", "g2", &c), 0);
	assert_int_equal(set(&h, "g2", "bob", "g3", &c), 0);
	assert_int_equal(set(&h, "g3", "eve", "g1", &c), 0); /* round and round */
	in_groups(&h, "ada", "g1 g2* g3*");
	in_groups(&h, "eve", "g1* g2* g3");
	assert_int_equal(c.added, 6);
	assert_int_equal(set(&h, "g3", "eve", "", &c), 0);
	in_groups(&h, "ada", "g1");
	in_groups(&h, "eve", "g1* g2* g3");
	world_close(&h.w);
}

static void test_the_same_members_again_write_nothing(void **state)
{
	struct membership_counts c = { 0 };
	struct usergroup_row g = { 0 };
	struct house h;
	struct err err;

	(void)state;
	house_open(&h);
	name(&h, "g1");
	assert_int_equal(set(&h, "g1", "ada bob", "", &c), 0);
	assert_int_equal(set(&h, "g1", "bob ada", "", &c), STORE_UNCHANGED);
	assert_int_equal(set(&h, "g1", "bob stranger", "", &c), 0);
	assert_int_equal(c.nobody, 1);
	assert_int_equal(c.removed, 1);
	assert_int_equal(set(&h, "g9", "bob", "", &c), STORE_NOT_FOUND);
	{
		CLEANUP(store_read_end_at) struct db *db = NULL;

		assert_ok(store_read_begin(h.w.store, &db, &err), &err);
		assert_ok(usergroups_get(db, h.corp, STR("g1"), &g, &err), &err);
		assert_int_equal(g.version, 3); /* once for each time that something changed */
		usergroup_row_done(&g);
	}
	world_close(&h.w);
}

static void test_a_group_that_comes_back_is_the_same_group(void **state)
{
	static const char *const keep[] = { "g2" };
	struct membership_counts c = { 0 };
	int64_t gone = 0;
	struct house h;
	struct err err;
	int answer = 0;

	(void)state;
	house_open(&h);
	name(&h, "g1");
	name(&h, "g2");
	assert_int_equal(set(&h, "g1", "ada", "", &c), 0);
	answer = TRY_WRITE(&h.w, membership_keep(db, h.corp, keep, 1, 0, NOW, &gone, &err));
	assert_int_equal(answer, STORE_STALE); /* more than may be at once: nothing goes */
	assert_int_equal(gone, 1);
	in_groups(&h, "ada", "g1");
	WRITE(&h.w, membership_keep(db, h.corp, keep, 1, 1, NOW, &gone, &err));
	in_groups(&h, "ada", "");
	name(&h, "g1");
	assert_int_equal(set(&h, "g1", "ada", "", &c), 0);
	in_groups(&h, "ada", "g1");
	world_close(&h.w);
}

/* --- what rules see ------------------------------------------------------------------------
 */

/* How many groups a rule sees of somebody, by state. */
static enum value_state groups_of(struct house *h, const char *who, uint32_t *count)
{
	struct facts_columns columns = { 0 };
	CLEANUP(path_done) struct path p = { 0 };
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	const struct facts_source_option source = { .name = "corp",
						    .role = SOURCE_DIRECTORY,
						    .kind = SOURCE_PULL };
	const struct facts_round round = {
		.org = STR("acme"), .now_ms = NOW, .mode = ORG_PROPOSE, .armed_ms = FACT_ABSENT
	};
	const struct facts_want want = { .org = "acme",
					 .round = &round,
					 .columns = &columns,
					 .sources = &source,
					 .source_count = 1 };
	enum value_state state = VALUE_ABSENT;
	struct err err;
	uint32_t slot;

	assert_ok(path_parse(STR("groups.display"), PATH_SCIM_USER, &p, &err), &err);
	assert_ok(facts_columns_want(&columns, &p, &slot, &err), &err);
	assert_ok(store_facts(h->w.store, &want, &facts, NULL, &err), &err);
	for (size_t i = 0; i < facts->records.n; i++)
		if (str_eq(pool_str(&facts->pool, facts->records.v[i].key), str_of(who)))
			state = facts_cell(facts, (uint32_t)i, slot, count);
	facts_columns_free(&columns);
	return state;
}

static void test_rules_see_groups_from_above_and_unknown_ones_as_unknown(void **state)
{
	struct membership_counts c = { 0 };
	struct house h;
	struct err err;
	uint32_t n = 0;
	int64_t org;

	(void)state;
	house_open(&h);
	WRITE(&h.w, accounts_org_declare(db, "acme", NOW, &org, &err));
	name(&h, "g1");
	name(&h, "g2");
	assert_int_equal(set(&h, "g1", "", "g2", &c), 0);
	assert_int_equal(set(&h, "g2", "ada", "", &c), 0);
	assert_int_equal(groups_of(&h, "ada", &n), VALUE_PRESENT);
	assert_int_equal(n, 2);
	assert_int_equal(groups_of(&h, "bob", &n), VALUE_ABSENT);
	/* one list broke off: nobody's groups are known, neither hers nor his */
	WRITE(&h.w, membership_doubt_set(db, "corp", "a list broke off", NOW, &err));
	assert_int_equal(groups_of(&h, "ada", &n), VALUE_UNKNOWN);
	assert_int_equal(groups_of(&h, "bob", &n), VALUE_UNKNOWN);
	WRITE(&h.w, membership_doubt_set(db, "corp", NULL, NOW, &err));
	assert_int_equal(groups_of(&h, "ada", &n), VALUE_PRESENT);
	world_close(&h.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_in_groups_count_and_cycles_end),
		cmocka_unit_test(test_the_same_members_again_write_nothing),
		cmocka_unit_test(test_a_group_that_comes_back_is_the_same_group),
		cmocka_unit_test(test_rules_see_groups_from_above_and_unknown_ones_as_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
