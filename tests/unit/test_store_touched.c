#include "tests/lib/store_world.h"

#include "store/membership.h"
#include "store/persons.h"
#include "store/records.h"
#include "store/sources.h"

/* A source with a user "ada", a user "bob" and a group "crew" that ada is in. */
struct stage {
	struct world w;
	int64_t source, ada, bob, crew;
};

static int64_t user(struct stage *s, const char *key, const char *name)
{
	struct record_put put = { .key = str_of(key), .now_ms = NOW };
	struct err err = { 0 };
	char doc[200];
	int64_t id = 0;

	snprintf(doc, sizeof(doc), "{\"id\":\"%s\",\"userName\":\"%s\"}", key, name);
	put.doc = str_of(doc);
	WRITE(&s->w, records_create(db, s->source, &put, &id, &err));
	return id;
}

static void rewrite(struct stage *s, const char *key, const char *doc)
{
	struct record_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW + 1 };
	struct err err = { 0 };

	WRITE(&s->w, records_replace(db, s->source, str_of(key), 0, &put, &err));
}

static int64_t group(struct stage *s, const char *key, const char *doc)
{
	struct usergroup_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(&s->w, usergroups_create(db, s->source, &put, &id, &err));
	return id;
}

static void group_rewrite(struct stage *s, const char *doc)
{
	struct usergroup_put put = { .key = STR("crew"), .now_ms = NOW + 1 };
	struct err err = { 0 };

	if (doc)
		put.doc = str_of(doc);
	WRITE(&s->w, usergroups_replace(db, s->source, STR("crew"), 0, &put, &err));
}

static void stage_begin(struct stage *s, bool watch)
{
	struct err err = { 0 };

	*s = (struct stage){ .w = { .watch = watch, .map_bytes = 1 << 30 } };
	world_open(&s->w);
	WRITE(&s->w, sources_declare(db, "idp", "scim", "idp", 0, NOW, &s->source, &err));
	s->ada = user(s, "ada", "Ada");
	s->bob = user(s, "bob", "Bob");
	s->crew = group(s, "crew", "{\"id\":\"crew\",\"displayName\":\"Crew\"}");
	WRITE(&s->w, usergroups_member_add(db, s->crew, STR("ada"), &err));
}

static void stage_end(struct stage *s)
{
	world_close(&s->w);
}

/* What a look-up of a record sees; of a name: when nobody had it. */
static struct store_seen look(struct stage *s, int64_t record, const char *name, bool groups)
{
	struct err err = { 0 };
	struct db *db = NULL;
	struct store_seen seen;

	assert_ok(store_lookup_begin(s->w.store, &db, &err), &err);
	seen = store_seen(db);
	store_read_end(db);
	seen.record = (uint64_t)record;
	seen.name = name ? touched_name(str_of(name)) : 0;
	seen.names_groups = groups;
	return seen;
}

static void do_nothing(struct stage *s)
{
	(void)s;
}

static void change_ada(struct stage *s)
{
	rewrite(s, "ada", "{\"id\":\"ada\",\"userName\":\"Ada\",\"title\":\"Countess\"}");
}

static void change_bob(struct stage *s)
{
	rewrite(s, "bob", "{\"id\":\"bob\",\"userName\":\"Bob\",\"title\":\"Builder\"}");
}

static void delete_ada(struct stage *s)
{
	struct err err = { 0 };

	WRITE(&s->w, records_delete(db, s->source, STR("ada"), 0, NOW + 1, &err));
}

static void ada_joins(struct stage *s)
{
	struct err err = { 0 };
	int64_t other = group(s, "club", "{\"id\":\"club\",\"displayName\":\"Club\"}");

	WRITE(&s->w, usergroups_member_add(db, other, STR("ada"), &err));
}

static void ada_leaves(struct stage *s)
{
	struct err err = { 0 };

	WRITE(&s->w, usergroups_member_remove(db, s->crew, STR("ada"), &err));
}

static void bob_joins(struct stage *s)
{
	struct err err = { 0 };

	WRITE(&s->w, usergroups_member_add(db, s->crew, STR("bob"), &err));
	group_rewrite(s, NULL); /* a version more, as each change of members makes it */
}

static void rename_crew(struct stage *s)
{
	group_rewrite(s, "{\"id\":\"crew\",\"displayName\":\"The crew\"}");
}

static void delete_crew(struct stage *s)
{
	struct err err = { 0 };

	WRITE(&s->w, usergroups_delete(db, s->source, STR("crew"), 0, NOW + 1, &err));
}

static void zoe_comes(struct stage *s)
{
	user(s, "zoe", "Zoe");
}

static void bob_becomes_zoe(struct stage *s)
{
	rewrite(s, "bob", "{\"id\":\"bob\",\"userName\":\"zoe\"}");
}

static void crew_is_read_anew(struct stage *s)
{
	static const char *const nobody[] = { NULL };
	const struct membership_group g = { .key = STR("crew"),
					    .name = STR("Crew"),
					    .members = nobody };
	struct membership_counts counts = { 0 };
	struct err err = { 0 };

	WRITE(&s->w, membership_set(db, s->source, &g, false, NOW + 1, &counts, &err));
}

static void everybody_is_renumbered(struct stage *s)
{
	world_meddle(&s->w, "UPDATE record SET last_seen_read = 7");
}

static void test_what_was_read_is_so_until_it_is_touched(void **state)
{
	/* clang-format off */
	static const struct {
		void (*write)(struct stage *s);
		bool ada, ada_and_groups, zoe; /* what still stands: of the record alone, with the
						  names of its groups, of nobody being called zoe */
	} rows[] = {
		{ do_nothing,        true,  true,  true },
		{ change_ada,        false, false, true },
		{ change_bob,        true,  true,  true },
		{ delete_ada,        false, false, true },
		{ ada_joins,         false, false, true },
		{ ada_leaves,        false, false, true },
		{ bob_joins,         true,  true,  true },
		{ rename_crew,       true,  false, true },
		{ delete_crew,       false, false, true },
		{ zoe_comes,         true,  true,  false },
		{ bob_becomes_zoe,   true,  true,  false },
		{ crew_is_read_anew, false, false, true },
		{ everybody_is_renumbered, false, false, true },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct store_seen ada, ada_and_groups, zoe;
		struct stage s;

		stage_begin(&s, true);
		ada = look(&s, s.ada, NULL, false);
		ada_and_groups = look(&s, s.ada, NULL, true);
		zoe = look(&s, 0, "zoe", false);
		assert_true(store_seen_still(s.w.store, &ada));
		rows[i].write(&s);
		assert_int_equal(store_seen_still(s.w.store, &ada), rows[i].ada);
		assert_int_equal(store_seen_still(s.w.store, &ada_and_groups),
				 rows[i].ada_and_groups);
		assert_int_equal(store_seen_still(s.w.store, &zoe), rows[i].zoe);
		ada = look(&s, s.ada, NULL, true); /* and what is read now is known again */
		assert_true(store_seen_still(s.w.store, &ada));
		stage_end(&s);
	}
}

/* A reader whose transaction was open before the commit shows the old state: what it reads is
 * not taken for the new one, though it is noted after the commit. */
static void test_what_an_older_transaction_shows_is_not_new(void **state)
{
	struct err err = { 0 };
	struct db *db = NULL;
	struct store_seen seen;
	struct stage s;

	(void)state;
	stage_begin(&s, true);
	assert_ok(store_lookup_begin(s.w.store, &db, &err), &err);
	change_ada(&s);
	seen = store_seen(db);
	seen.record = (uint64_t)s.ada;
	assert_false(store_seen_still(s.w.store, &seen));
	seen.record = (uint64_t)s.bob;
	assert_true(store_seen_still(s.w.store, &seen));
	store_read_end(db);
	stage_end(&s);
}

static void test_a_write_that_was_undone_leaves_what_stood(void **state)
{
	CLEANUP(record_done) struct record r = { 0 };
	struct err err = { 0 };
	struct store_seen seen;
	struct db *writing;
	struct stage s;

	(void)state;
	stage_begin(&s, true);
	seen = look(&s, s.ada, NULL, false);
	writing = world_begin(&s.w, true);
	assert_ok(records_delete(writing, s.source, STR("ada"), 0, NOW, &err), &err);
	assert_int_equal(store_write_end(writing, -ERR_INTERNAL, &err), -ERR_INTERNAL);
	assert_true(store_seen_still(s.w.store, &seen));
	READ(&s.w, records_get(db, s.source, STR("ada"), &r, &err));
	stage_end(&s);
}

/* More rows in one transaction than are noted one by one: all count as touched. */
static void test_a_great_transaction_touches_everything(void **state)
{
	struct store_seen seen;
	struct stage s;

	(void)state;
	stage_begin(&s, true);
	seen = look(&s, s.ada, NULL, false);
	world_meddle(&s.w, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
			   " WHERE i < 9000) INSERT INTO member (grp, kind, member)"
			   " SELECT 1000000 + i, 1, 2000000 + i FROM n");
	assert_false(store_seen_still(s.w.store, &seen));
	seen = look(&s, s.ada, NULL, false);
	assert_true(store_seen_still(s.w.store, &seen));
	stage_end(&s);
}

static void test_without_watching_nothing_is_known(void **state)
{
	struct store_seen seen, zeroed = { 0 };
	struct stage s;

	(void)state;
	stage_begin(&s, false);
	seen = look(&s, s.ada, NULL, false);
	assert_false(seen.known);
	assert_false(store_seen_still(s.w.store, &seen));
	stage_end(&s);
	stage_begin(&s, true);
	assert_false(store_seen_still(s.w.store, &zeroed));
	stage_end(&s);
}

struct sent {
	int calls;
	int64_t id;
	bool in_groups;
};

static int note_sent(void *ctx, const struct record_sent *row, struct err *err)
{
	struct sent *sent = ctx;

	(void)err;
	sent->calls++;
	sent->id = row->id;
	sent->in_groups = row->in_groups;
	return 0;
}

static int named(struct stage *s, const char *folded, struct sent *ret)
{
	struct err err = { 0 };
	struct db *db = NULL;
	int r;

	*ret = (struct sent){ 0 };
	assert_ok(store_lookup_begin(s->w.store, &db, &err), &err);
	r = records_send_named(db, s->source, str_of(folded), note_sent, ret, &err);
	store_read_end(db);
	return r;
}

static void test_one_of_a_name_is_found_by_it(void **state)
{
	struct sent sent;
	struct stage s;

	(void)state;
	stage_begin(&s, true);
	assert_int_equal(named(&s, "ada", &sent), 0);
	assert_int_equal(sent.calls, 1);
	assert_int_equal(sent.id, s.ada);
	assert_true(sent.in_groups);
	assert_int_equal(named(&s, "bob", &sent), 0);
	assert_false(sent.in_groups);
	assert_int_equal(named(&s, "zoe", &sent), STORE_NOT_FOUND);
	assert_int_equal(sent.calls, 0);
	delete_ada(&s);
	assert_int_equal(named(&s, "ada", &sent), STORE_NOT_FOUND);
	/* two names that are different ones and fold to one text */
	world_meddle(&s.w, "UPDATE record SET user_fold = 'bob', deleted = 0");
	assert_int_equal(named(&s, "bob", &sent), STORE_STALE);
	assert_int_equal(sent.calls, 0);
	stage_end(&s);
}

/* A file that grows, shrinks and is folded together under connections that mapped it. */
static void test_mapped_look_ups_see_each_commit(void **state)
{
	CLEANUP(free_at) char *text = calloc(1, 30001);
	struct err err = { 0 };
	struct sent sent;
	struct stage s;
	char doc[30200];

	(void)state;
	stage_begin(&s, true);
	memset(text, 'x', 30000);
	for (int round = 0; round < 40; round++) {
		char name[16], key[16];
		struct db *db;

		snprintf(key, sizeof(key), "u%d", round);
		snprintf(name, sizeof(name), "n%d", round);
		user(&s, key, name);
		assert_int_equal(named(&s, name, &sent), 0);
		snprintf(doc, sizeof(doc),
			 "{\"id\":\"%s\",\"userName\":\"%s\",\"title\":\"%s\"}", key, name,
			 text);
		rewrite(&s, key, doc);
		assert_int_equal(named(&s, name, &sent), 0);
		if (round % 10 != 9)
			continue;
		world_meddle(&s.w, "UPDATE record SET doc = '{}'");
		db = store_writer_db(s.w.store);
		assert_ok(db_exec(db, "VACUUM", &err), &err);
		assert_ok(db_checkpoint(db, true, &err), &err);
		assert_int_equal(named(&s, name, &sent), 0);
	}
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_read_is_so_until_it_is_touched),
		cmocka_unit_test(test_what_an_older_transaction_shows_is_not_new),
		cmocka_unit_test(test_a_write_that_was_undone_leaves_what_stood),
		cmocka_unit_test(test_a_great_transaction_touches_everything),
		cmocka_unit_test(test_without_watching_nothing_is_known),
		cmocka_unit_test(test_one_of_a_name_is_found_by_it),
		cmocka_unit_test(test_mapped_look_ups_see_each_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
