/*
 * Facts that are read in pages while clients write: the driver below lets a write through
 * before each so many steps of the reader, so that every page, and every reading of what
 * changed, is overtaken. What comes out must be the store as of one change number, exactly.
 */
#include "tests/lib/store_world.h"

#include <stdio.h>

#include "model/project.h"
#include "store/accounts.h"
#include "store/facts.h"
#include "store/records.h"
#include "store/sources.h"

#define USERS 2500 /* more than two pages */
#define LOG_MOST 20000

/* What was written: one record, as of a change number. */
struct entry {
	int64_t change;
	int key, user; /* "k7" of user name "u3" */
	int title;     /* 0: deleted */
};

static struct {
	struct world w;
	int64_t source;
	struct entry log[LOG_MOST];
	int entries, keys, titles;
	int key_of[USERS]; /* the living record of a user; 0: none */
	int every, steps;  /* a write before each so many of the reader's steps; 0: none */
	bool inside;       /* of a write */
	bool other;        /* write a setting instead of a record */
	uint32_t chance;
} t;

static uint32_t draw(uint32_t below)
{
	t.chance = t.chance * 1664525u + 1013904223u;
	return (t.chance >> 8) % below;
}

static void note(struct db *db, int key, int user, int title)
{
	assert_true(t.entries < LOG_MOST);
	t.log[t.entries++] = (struct entry){ db_change_last(db), key, user, title };
}

static int user_write(struct db *db, int user, struct err *err)
{
	struct record_put put = { .now_ms = NOW };
	bool is_new = t.key_of[user] == 0;
	int number = is_new ? ++t.keys : t.key_of[user], title = ++t.titles, r;
	char key[16], doc[64];

	(void)snprintf(key, sizeof(key), "k%d", number);
	(void)snprintf(doc, sizeof(doc), "{\"userName\":\"u%d\",\"title\":\"t%d\"}", user,
		       title);
	put.key = str_of(key);
	put.doc = str_of(doc);
	r = is_new ? records_create(db, t.source, &put, NULL, err)
		   : records_replace(db, t.source, put.key, 0, &put, err);
	t.key_of[user] = number;
	note(db, number, user, title);
	return r;
}

static int user_delete(struct db *db, int user, struct err *err)
{
	char key[16];
	int r;

	(void)snprintf(key, sizeof(key), "k%d", t.key_of[user]);
	r = records_delete(db, t.source, str_of(key), 0, NOW, err);
	note(db, t.key_of[user], user, 0);
	t.key_of[user] = 0;
	return r;
}

/* Half of them change somebody; the others make a living one a tombstone, or a user anew. */
static void write_one(void)
{
	int user = (int)draw(USERS), r;
	struct err err = { 0 };
	struct db *db = NULL;

	assert_ok(store_write_begin(t.w.store, &db, &err), &err);
	if (t.other)
		r = store_setting_set(db, "o", "k", draw(2) ? "v" : "w", &err);
	else if (t.key_of[user] && draw(2))
		r = user_delete(db, user, &err);
	else
		r = user_write(db, user, &err);
	assert_ok(store_write_end(db, r, &err), &err);
}

/* The thread that asks for the facts: what it steps through counts, not what is read beside. */
static _Thread_local bool asks;

static int traffic_step(struct driver_stmt *stmt, struct err *err)
{
	if (asks && t.every && !t.inside && ++t.steps % t.every == 0) {
		t.inside = true;
		write_one();
		t.inside = false;
	}
	return driver_sqlite.step(stmt, err);
}

static struct driver traffic;

static void set_up(void)
{
	struct store_options o = { .write = true, .create = true, .driver = &traffic };
	struct err err = { 0 };
	struct db *begun;
	int64_t org;
	int r = 0;

	memset(&t, 0, sizeof(t));
	asks = true;
	t.chance = 7;
	traffic = driver_sqlite;
	traffic.step = traffic_step;
	world_dir(&t.w);
	o.path = t.w.path;
	assert_ok(store_open(&o, &t.w.store, &err), &err);
	assert_ok(world_vault(&t.w, true, &err), &err);
	WRITE(&t.w, sources_declare(db, "okta", "scim", "idp", 1, NOW, &t.source, &err));
	WRITE(&t.w, accounts_org_declare(db, "acme", NOW, &org, &err));
	begun = world_begin(&t.w, true);
	for (int user = 0; r == 0 && user < USERS; user++)
		r = user_write(begun, user, &err);
	/* tombstones of before, which begin to speak or fall silent while it is read */
	for (int user = 0; r == 0 && user < USERS; user += 5)
		r = user_delete(begun, user, &err);
	assert_ok(store_write_end(begun, r, &err), &err);
}

static int facts_in_pages(struct facts **ret, int64_t *change, struct err *err)
{
	const struct facts_source_option sources[] = {
		{ .name = "hr", .role = SOURCE_HR, .kind = SOURCE_PUSH }, /* never declared */
		{ .name = "okta", .role = SOURCE_IDP, .kind = SOURCE_PUSH },
	};
	struct facts_columns columns = { 0 };
	struct facts_round round = { .org = STR("acme"), .now_ms = NOW };
	struct facts_want want = { .org = "acme",
				   .columns = &columns,
				   .round = &round,
				   .sources = sources,
				   .source_count = COUNT_OF(sources),
				   .pages = true };
	CLEANUP(path_done) struct path p = { 0 };
	uint32_t slot;
	int r;

	assert_ok(path_parse(STR("title"), PATH_SCIM_USER, &p, err), err);
	assert_ok(facts_columns_want(&columns, &p, &slot, err), err);
	r = store_facts(t.w.store, &want, ret, change, err);
	facts_columns_free(&columns);
	return r;
}

/* The records as of a change number, by the log. */
struct expected {
	int user[LOG_MOST], title[LOG_MOST]; /* by key; title 0: deleted; user -1: not there */
	int living[USERS];
	int speaking; /* living ones, and tombstones of whom nobody has the name */
};

static void replay(struct expected *x, int64_t change)
{
	memset(x, 0, sizeof(*x));
	for (int k = 0; k < LOG_MOST; k++)
		x->user[k] = -1;
	for (int i = 0; i < t.entries && t.log[i].change <= change; i++) {
		const struct entry *e = &t.log[i];

		x->user[e->key] = e->user;
		x->title[e->key] = e->title;
		x->living[e->user] = e->title ? e->key : 0;
	}
	for (int k = 0; k < LOG_MOST; k++)
		x->speaking += x->user[k] >= 0 && (x->title[k] || !x->living[x->user[k]]);
}

static void facts_are_of(const struct facts *f, int64_t change)
{
	static struct expected x;
	char title[16];

	replay(&x, change);
	assert_int_equal(f->records.n, x.speaking);
	for (uint32_t i = 0; i < f->records.n; i++) {
		struct str key = pool_str(&f->pool, f->records.v[i].key), text;
		int64_t k = 0;

		assert_true(str_int64(str_n(key.p + 1, key.len - 1), &k));
		assert_true(k > 0 && k < LOG_MOST && x.user[k] >= 0);
		if (!x.title[k]) {
			assert_int_equal(f->records.v[i].state, RECORD_ENDED);
			assert_int_equal(x.living[x.user[k]], 0);
			continue;
		}
		assert_int_equal(f->records.v[i].state, RECORD_ACTIVE);
		(void)snprintf(title, sizeof(title), "t%d", x.title[k]);
		assert_int_equal(facts_text(f, i, 0, &text), VALUE_PRESENT);
		assert_true(str_eq(text, str_of(title)));
	}
}

static void test_traffic_of_clients_never_makes_a_reading_incomplete(void **state)
{
	static const int pace[] = { 1000, 100, 10 };

	(void)state;
	set_up();
	for (size_t i = 0; i < COUNT_OF(pace); i++) {
		CLEANUP(facts_free_at) struct facts *f = NULL;
		int before = t.entries;
		struct err err = { 0 };
		int64_t change = 0;
		int r;

		t.every = pace[i];
		r = facts_in_pages(&f, &change, &err);
		t.every = 0;
		assert_ok(r, &err);
		/* it was overtaken, and caught up with all but what came at its very end */
		assert_true(t.entries - before >= USERS / pace[i]);
		assert_true(change > t.log[before].change);
		facts_are_of(f, change);
	}
	world_close(&t.w);
}

static void test_nothing_written_is_the_same_as_ever(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct err err = { 0 };
	int64_t change = 0;

	(void)state;
	set_up();
	assert_ok(facts_in_pages(&f, &change, &err), &err);
	assert_int_equal(change, t.log[t.entries - 1].change);
	facts_are_of(f, change);
	world_close(&t.w);
}

static void test_other_changes_make_it_begin_again_until_it_is_incomplete(void **state)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	struct err err = { 0 };
	int64_t change = 0;
	int r, steps;

	(void)state;
	set_up();
	assert_ok(facts_in_pages(&f, &change, &err), &err);
	facts_free_at(&f);
	t.steps = 0;
	t.every = 1000000;
	assert_ok(facts_in_pages(&f, &change, &err), &err);
	facts_free_at(&f);
	steps = t.steps; /* of one reading */
	t.other = true;
	t.every = steps / 2;
	t.steps = 0;
	r = facts_in_pages(&f, &change, &err);
	t.every = 0;
	assert_fault(r, ERR_INCOMPLETE, &err, "during each of 5 readings");
	assert_true(t.steps >= 4 * steps);
	assert_null(f);
	world_close(&t.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_written_is_the_same_as_ever),
		cmocka_unit_test(test_traffic_of_clients_never_makes_a_reading_incomplete),
		cmocka_unit_test(test_other_changes_make_it_begin_again_until_it_is_incomplete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
