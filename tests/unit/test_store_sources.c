#include "tests/lib/store_world.h"

#include "model/snapshot.h"
#include "store/records.h"
#include "store/sources.h"

#define HOUR STAMP_HOUR_MS

static int64_t corp(struct world *w)
{
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, sources_declare(db, "corp", "ldap", "directory", 0, NOW, &id, &err));
	return id;
}

struct entry {
	const char *key, *doc, *unknown;
};

/* A whole read of entries that end with a NULL key. */
static bool read_all(struct world *w, int64_t src, const struct entry *entries, bool complete,
		     unsigned doubts, int64_t now)
{
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_verdict v = { .complete = complete,
				  .doubts = doubts,
				  .reason = doubts || !complete ? "because" : NULL,
				  .now_ms = now };
	struct err err = { 0 };
	bool accepted = false;

	WRITE(w, sources_read_begin(db, src, READ_FULL, now, &run, &err));
	for (; entries->key; entries++) {
		CLEANUP(json_decref_at) json_t *doc = world_json(entries->doc);
		struct read_entry e = { .key = str_of(entries->key),
					.doc = doc,
					.unknown = str_of(entries->unknown) };

		WRITE(w, sources_read_put(db, run, &e, 1, now, &err));
	}
	WRITE(w, sources_read_end(db, run, &v, &accepted, &err));
	return accepted;
}

static const struct entry three[] = { { "k1", "{\"userName\":\"ada\"}", "" },
				      { "k2", "{\"userName\":\"bob\"}", "" },
				      { "k3", "{\"userName\":\"eve\",\"active\":false}", "" },
				      { 0 } };
static const struct entry two[] = { { "k1", "{\"userName\":\"ada\"}", "" },
				    { "k3", "{\"userName\":\"eve\",\"active\":false}", "" },
				    { 0 } };

/* Who is known by place counts as seen and unchanged, and is not missing. */
static void test_an_entry_named_by_its_place_is_seen_as_it_was(void **state)
{
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	CLEANUP(json_decref_at) json_t *doc = world_json("{\"userName\":\"ada\"}");
	struct read_verdict v = { .complete = true, .now_ms = NOW + HOUR };
	struct read_counts counts;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src, place = 0, before;
	const uint32_t twice[] = { 2, 2 }, three_is = 3;
	struct read_entry e = {
		.key = STR("k1"),
		.doc = doc,
		.unknown = STR(""),
		.bytes = STR("{\"userName\":\"ada\"}"),
		.ret_place = &place,
	};

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	WRITE(&w, sources_read_begin(db, src, READ_FULL, NOW + HOUR, &run, &err));
	before = read_run_newest(run);
	assert_true(before > 0);
	WRITE(&w, sources_read_put(db, run, &e, 1, NOW + HOUR, &err));
	assert_int_equal(place, 1);
	assert_ok(sources_read_same(run, twice, 2, false, &err), &err);
	assert_ok(sources_read_same(run, &three_is, 1, true, &err), &err);
	WRITE(&w, sources_read_weigh(db, run, &counts, &err));
	assert_int_equal(counts.seen, 3);
	assert_int_equal(counts.unchanged, 3);
	assert_int_equal(counts.unknown, 1);
	assert_int_equal(counts.missing, 0);
	assert_int_equal(read_run_newest(run), before);
	WRITE(&w, sources_read_end(db, run, &v, NULL, &err));
	assert_int_equal(read_run_newest(run), before);
	world_close(&w);
}

static int on_called(void *ctx, const struct record *row, struct err *err)
{
	char *into = ctx;

	(void)err;
	snprintf(into + strlen(into), 32 - strlen(into), STR_FMT " ", STR_ARG(row->key));
	return 0;
}

/* Whom a name means, as keys with blanks behind. */
static void assert_called(struct world *w, int64_t src, const char *name, const char *keys)
{
	struct err err = { 0 };
	char found[32] = "";

	READ(w, records_by_name(db, src, facts_name(str_of(name)), on_called, found, &err));
	assert_string_equal(found, keys);
}

/* name of k1, of k2 and of k9, who is new: as one read has them. */
static void names_read(struct world *w, int64_t src, const char *const names[3], bool complete,
		       int64_t now)
{
	static const struct entry entries[] = { { "k1", "{\"userName\":\"ada\"}", "" },
						{ "k2", "{\"userName\":\"bob\"}", "" },
						{ "k9", "{\"userName\":\"new\"}", "" } };
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_verdict v = { .complete = complete,
				  .reason = complete ? NULL : "because",
				  .now_ms = now };
	struct err err = { 0 };

	WRITE(w, sources_read_begin(db, src, READ_FULL, now, &run, &err));
	for (size_t i = 0; i < COUNT_OF(entries); i++) {
		struct read_entry e = { .key = str_of(entries[i].key),
					.bytes = str_of(entries[i].doc),
					.unknown = STR(""),
					.name = names[i] ? facts_name(str_of(names[i])) : 0 };

		if (names[i])
			WRITE(w, sources_read_put(db, run, &e, 1, now, &err));
	}
	WRITE(w, sources_read_end(db, run, &v, NULL, &err));
}

/* A name is no part of a record's version: who is moved is the same, and found by the new one.
 */
static void test_a_record_is_found_by_the_name_that_it_has_now(void **state)
{
	struct world w = { 0 };
	int64_t src, version;

	(void)state;
	world_open(&w);
	src = corp(&w);
	names_read(&w, src, (const char *const[]){ "uid=ada", "uid=bob", NULL }, true, NOW);
	version = world_number(&w, "SELECT max(change) FROM record");
	assert_called(&w, src, "uid=ada", "k1 ");
	assert_called(&w, src + 1, "uid=ada", "");
	assert_called(&w, src, "uid=eve", "");
	/* moved, and another takes the place; somebody new goes by the stage */
	names_read(&w, src, (const char *const[]){ "uid=bob", "uid=ada", "uid=new" }, true,
		   NOW + HOUR);
	assert_called(&w, src, "uid=ada", "k2 ");
	assert_called(&w, src, "uid=bob", "k1 ");
	assert_called(&w, src, "uid=new", "k9 ");
	assert_int_equal(world_number(&w, "SELECT max(change) FROM record WHERE key <> 'k9'"),
			 version);
	/* a read that is not accepted adds nobody; what it shows of those we know is so */
	names_read(&w, src, (const char *const[]){ "uid=ada2", NULL, NULL }, false,
		   NOW + 2 * HOUR);
	assert_called(&w, src, "uid=ada2", "k1 ");
	assert_called(&w, src, "uid=bob", "");
	world_close(&w);
}

/* What a reader remembers holds only while nobody else touched the source's records. */
static void test_a_change_by_somebody_else_during_a_read_is_told(void **state)
{
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_verdict v = { .complete = true, .now_ms = NOW + HOUR };
	struct world w = { 0 };
	struct err err = { 0 };
	const uint32_t all[] = { 1, 2, 3 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_true(read_all(&w, src, two, true, 0, NOW + HOUR));
	WRITE(&w, sources_read_begin(db, src, READ_FULL, NOW + 2 * HOUR, &run, &err));
	assert_true(read_run_newest(run) > 0);
	assert_ok(sources_read_same(run, all, 3, false, &err), &err);
	WRITE(&w, sources_gone(db, ((int64_t)src << 40) + 2, NOW + 2 * HOUR, &err));
	WRITE(&w, sources_read_end(db, run, &v, NULL, &err));
	assert_int_equal(read_run_newest(run), -1);
	world_close(&w);
}

static void test_a_first_read_brings_everybody_in(void **state)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	READ(&w, sources_get(db, "corp", &row, &err));
	assert_int_equal(row.read_no, 1);
	assert_int_equal(row.accepted_read, 1);
	assert_int_equal(row.accepted_ms, NOW);
	assert_int_equal(row.users, 3);
	assert_int_equal(row.active, 2);
	assert_null(row.reason);
	assert_int_equal(
		world_number(&w, "SELECT disabled_since_ms FROM record WHERE key = 'k3'"), NOW);
	assert_int_equal(world_number(&w, "SELECT ended_ms FROM record WHERE key = 'k3'"), 0);
	world_close(&w);
}

static void test_an_unchanged_read_writes_no_record(void **state)
{
	struct world w = { 0 };
	int64_t src, change;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	change = world_number(&w, "SELECT max(change) FROM record");
	assert_true(read_all(&w, src, three, true, 0, NOW + HOUR));
	assert_int_equal(world_number(&w, "SELECT max(change) FROM record"), change);
	assert_int_equal(world_number(&w, "SELECT max(version) FROM record"), 1);
	assert_int_equal(world_number(&w, "SELECT unchanged FROM source_read WHERE no = 2"), 3);
	assert_int_equal(world_number(&w, "SELECT accepted_read FROM source"), 2);
	world_close(&w);
}

static void test_absence_is_counted_by_accepted_reads_only(void **state)
{
	struct world w = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	/* a read that was cut off says nothing about who is not in it */
	assert_false(read_all(&w, src, two, false, 0, NOW + HOUR));
	assert_int_equal(world_number(&w, "SELECT sum(absent_reads) FROM record"), 0);
	/* nor does one that nobody believes */
	assert_false(read_all(&w, src, two, true, DOUBT_IMPLAUSIBLE, NOW + 2 * HOUR));
	assert_int_equal(world_number(&w, "SELECT sum(absent_reads) FROM record"), 0);
	assert_true(read_all(&w, src, two, true, 0, NOW + 3 * HOUR));
	assert_true(read_all(&w, src, two, true, 0, NOW + 4 * HOUR));
	assert_int_equal(world_number(&w, "SELECT absent_reads FROM record WHERE key = 'k2'"),
			 2);
	assert_int_equal(
		world_number(&w, "SELECT absent_since_ms FROM record WHERE key = 'k2'"),
		NOW + 3 * HOUR);
	assert_int_equal(world_number(&w, "SELECT last_seen_read FROM record WHERE key = 'k2'"),
			 1);
	/* held against the last accepted read, which lacked it too: nobody new is missing */
	assert_int_equal(world_number(&w, "SELECT missing FROM source_read WHERE no = 4"), 1);
	assert_int_equal(world_number(&w, "SELECT missing FROM source_read WHERE no = 5"), 0);
	/* back: it starts from nothing */
	assert_true(read_all(&w, src, three, true, 0, NOW + 5 * HOUR));
	assert_int_equal(world_number(&w, "SELECT sum(absent_reads + absent_since_ms + gone)"
					  " FROM record"),
			 0);
	assert_int_equal(world_number(&w, "SELECT returned FROM source_read WHERE no = 6"), 1);
	world_close(&w);
}

static int on_absent(void *ctx, const struct absent_row *row, struct err *err)
{
	int64_t *record = ctx;

	(void)err;
	*record = row->record;
	return 0;
}

static void test_gone_needs_reads_time_and_a_look_up(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src, record = 0;
	int i;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	for (i = 1; i <= 2; i++)
		assert_true(read_all(&w, src, two, true, 0, NOW + i * 10 * HOUR));
	READ(&w, sources_gone_candidates(db, src, 3, NOW + 10 * HOUR, 0, 10, on_absent, &record,
					 &err));
	assert_int_equal(record, 0); /* two reads are not three */
	assert_true(read_all(&w, src, two, true, 0, NOW + 30 * HOUR));
	READ(&w, sources_gone_candidates(db, src, 3, NOW + 9 * HOUR, 0, 10, on_absent, &record,
					 &err));
	assert_int_equal(record, 0); /* they do not span enough */
	READ(&w, sources_gone_candidates(db, src, 3, NOW + 10 * HOUR, 0, 10, on_absent, &record,
					 &err));
	assert_true(record != 0);
	assert_int_equal(world_number(&w, "SELECT users FROM source"), 3);
	WRITE(&w, sources_gone(db, record, NOW + 31 * HOUR, &err));
	assert_int_equal(TRY_WRITE(&w, sources_gone(db, record, NOW, &err)), STORE_UNCHANGED);
	assert_int_equal(world_number(&w, "SELECT users FROM source"), 2);
	/* and who comes back is not gone */
	assert_true(read_all(&w, src, three, true, 0, NOW + 40 * HOUR));
	assert_int_equal(world_number(&w, "SELECT users * 10 + active FROM source"), 32);
	assert_int_equal(world_number(&w, "SELECT sum(gone) FROM record"), 0);
	world_close(&w);
}

static void test_a_look_up_that_finds_it_starts_the_absence_anew(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src, record;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_true(read_all(&w, src, two, true, 0, NOW + HOUR));
	record = world_number(&w, "SELECT id FROM record WHERE key = 'k2'");
	WRITE(&w, sources_not_gone(db, record, &err));
	assert_int_equal(TRY_WRITE(&w, sources_not_gone(db, record, &err)), STORE_UNCHANGED);
	assert_int_equal(TRY_WRITE(&w, sources_gone(db, record, NOW, &err)), STORE_UNCHANGED);
	world_close(&w);
}

static const struct entry changed[] = { { "k1", "{\"userName\":\"ada\",\"active\":false}",
					  "" }, /* says that she left */
					{ "k2", "{\"userName\":\"bob\"}", "" },
					{ 0 } };

static void test_what_an_incomplete_read_saw_counts(void **state)
{
	struct world w = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_false(read_all(&w, src, changed, false, 0, NOW + HOUR));
	assert_int_equal(
		world_number(&w, "SELECT disabled_since_ms FROM record WHERE key = 'k1'"),
		NOW + HOUR);
	assert_int_equal(world_number(&w, "SELECT doubts FROM source"), DOUBT_INCOMPLETE);
	assert_int_equal(world_number(&w, "SELECT accepted_read FROM source"), 1);
	world_close(&w);
}

static void test_what_a_discarded_read_saw_never_counts(void **state)
{
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	CLEANUP(json_decref_at) json_t *doc = world_json(changed[0].doc);
	struct read_entry e = { .key = STR("k1"), .doc = doc };
	struct read_verdict v = { .reason = "because", .now_ms = NOW + HOUR, .discard = true };
	struct world w = { 0 };
	struct err err = { 0 };
	bool accepted = true;
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	WRITE(&w, sources_read_begin(db, src, READ_FULL, NOW + HOUR, &run, &err));
	WRITE(&w, sources_read_put(db, run, &e, 1, NOW + HOUR, &err));
	WRITE(&w, sources_read_end(db, run, &v, &accepted, &err));
	assert_false(accepted);
	assert_int_equal(
		world_number(&w, "SELECT disabled_since_ms FROM record WHERE key = 'k1'"), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM source_stage"), 0);
	assert_int_equal(world_number(&w, "SELECT doubts FROM source"), DOUBT_INCOMPLETE);
	world_close(&w);
}

static void test_what_a_doubtful_read_saw_does_not_count_until_accepted(void **state)
{
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_false(read_all(&w, src, changed, true, DOUBT_CANARY, NOW + HOUR));
	assert_int_equal(world_number(&w, "SELECT sum(active = 1) FROM record"), 1);
	READ(&w, sources_get(db, "corp", &row, &err));
	assert_int_equal(row.doubts, DOUBT_CANARY);
	assert_string_equal(row.reason, "because");
	assert_int_equal(TRY_WRITE(&w, sources_accept(db, src, 1, "u", "", NOW, &err)),
			 STORE_NOT_FOUND); /* not the newest */
	WRITE(&w,
	      sources_accept(db, src, 2, "uid:ada", "the branch closed", NOW + 2 * HOUR, &err));
	assert_int_equal(world_number(&w, "SELECT active FROM record WHERE key = 'k1'"), 1);
	assert_int_equal(world_number(&w, "SELECT absent_reads FROM record WHERE key = 'k3'"),
			 1);
	assert_int_equal(
		world_number(&w, "SELECT absent_since_ms FROM record WHERE key = 'k3'"),
		NOW + HOUR);
	assert_int_equal(world_number(&w, "SELECT accepted_read FROM source"), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what ="
					  " 'source.accept' AND target = 'corp'"),
			 1);
	assert_int_equal(TRY_WRITE(&w, sources_accept(db, src, 2, "u", "", NOW, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

static void test_an_incomplete_read_cannot_be_accepted(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_false(read_all(&w, src, two, false, DOUBT_IMPLAUSIBLE, NOW + HOUR));
	assert_int_equal(TRY_WRITE(&w, sources_accept(db, src, 2, "u", "", NOW, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

static void test_a_read_with_a_changed_schema_changes_nothing(void **state)
{
	struct world w = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_false(read_all(&w, src, changed, false, DOUBT_SCHEMA, NOW + HOUR));
	assert_int_equal(world_number(&w, "SELECT sum(active = 1) FROM record"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM source_stage"), 0);
	world_close(&w);
}

static void test_a_doubtful_read_is_dropped_by_the_next(void **state)
{
	struct world w = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_false(read_all(&w, src, changed, true, DOUBT_CANARY, NOW + HOUR));
	assert_true(read_all(&w, src, three, true, 0, NOW + 2 * HOUR));
	assert_int_equal(world_number(&w, "SELECT sum(active = 1) FROM record"), 1);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM source_missing"), 0);
	world_close(&w);
}

static void test_an_unknown_active_is_neither_yes_nor_no(void **state)
{
	static const struct entry blind[] = { { "k1", "{\"userName\":\"ada\"}",
						"active pwdAccountLockedTime" },
					      { "k2", "{\"userName\":\"bob\"}", "" },
					      { "k3", "{\"userName\":\"eve\"}", "active" },
					      { 0 } };
	CLEANUP(record_done) struct record r = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_true(read_all(&w, src, blind, true, 0, NOW + HOUR));
	READ(&w, records_get(db, src, STR("k1"), &r, &err));
	assert_int_equal(r.active, TRI_UNKNOWN);
	assert_int_equal(r.disabled_since_ms, 0);
	record_done(&r);
	/* not knowing is no news: since when she is disabled stays */
	READ(&w, records_get(db, src, STR("k3"), &r, &err));
	assert_int_equal(r.active, TRI_UNKNOWN);
	assert_int_equal(r.disabled_since_ms, NOW);
	assert_int_equal(world_number(&w, "SELECT newly_unknown FROM source_read WHERE no = 2"),
			 2);
	world_close(&w);
}

static void test_an_entry_twice_counts_once_and_the_later_holds(void **state)
{
	static const struct entry twice[] = {
		{ "k1", "{\"userName\":\"ada\",\"active\":false}", "" },
		{ "k1", "{\"userName\":\"ada\"}", "" }, /* as it stands */
		{ "k2", "{\"userName\":\"bob\"}", "" },
		{ "k3", "{\"userName\":\"eve\",\"active\":false}", "" },
		{ "k4", "{\"userName\":\"new\"}", "" },
		{ "k4", "{\"userName\":\"newer\"}", "" },
		{ 0 }
	};
	struct world w = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	assert_true(read_all(&w, src, twice, true, 0, NOW + HOUR));
	assert_int_equal(world_number(&w, "SELECT seen FROM source_read WHERE no = 2"), 4);
	assert_int_equal(world_number(&w, "SELECT active FROM record WHERE key = 'k1'"), 2);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record WHERE user_name ="
					  " 'newer'"),
			 1);
	world_close(&w);
}

static void test_canaries_are_looked_for_by_key_and_name(void **state)
{
	static const struct {
		const char *canary;
		int64_t missing;
	} cases[] = { { "k1", 0 }, { "ADA", 0 }, { "k2", 1 }, { "nobody", 1 } };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;
	size_t i;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	for (i = 0; i < COUNT_OF(cases); i++) {
		struct str key = str_of(cases[i].canary);
		char sql[80];

		WRITE(&w, sources_canaries_set(db, src, &key, 1, &err));
		(void)read_all(&w, src, two, true, DOUBT_CANARY, NOW + HOUR);
		(void)snprintf(sql, sizeof(sql),
			       "SELECT canaries * 10 + canaries_missing FROM source_read"
			       " WHERE no = %zu",
			       i + 2);
		if (world_number(&w, sql) != 10 + cases[i].missing)
			fail_msg("canary %s", cases[i].canary);
	}
	world_close(&w);
}

static void test_bounds_judge_what_was_counted(void **state)
{
	static const struct read_bounds b = { .minimum = 10,
					      .drop_most = 3,
					      .drop_permille = 20,
					      .disabled_most = 3,
					      .disabled_permille = 20,
					      .unknown_permille = 100 };
	static const struct {
		struct read_counts c;
		unsigned doubts;
		const char *says;
	} cases[] = {
		{ { .seen = 100, .before = 100 }, 0, "" },
		{ { .seen = 0, .before = 100, .missing = 100 },
		  DOUBT_IMPLAUSIBLE,
		  "0 entries read, at least 10 expected (100 before); 100 of 100 entries are "
		  "missing, at most 3 may be at once" },
		{ { .seen = 97, .before = 100, .missing = 3 }, 0, "" },
		{ { .seen = 96, .before = 100, .missing = 4 }, DOUBT_IMPLAUSIBLE, "at most 3" },
		/* the share, where it is more */
		{ { .seen = 980, .before = 1000, .missing = 20 }, 0, "" },
		{ { .seen = 979, .before = 1000, .missing = 21 },
		  DOUBT_IMPLAUSIBLE,
		  "at most 20" },
		{ { .seen = 100, .before = 100, .disabled = 4 },
		  DOUBT_IMPLAUSIBLE,
		  "turned disabled" },
		{ { .seen = 100, .before = 100, .newly_unknown = 11 },
		  DOUBT_SCHEMA,
		  "lost an attribute" },
		{ { .seen = 100, .before = 100, .newly_unknown = 10 }, 0, "" },
		{ { .seen = 100, .before = 100, .canaries = 2, .canaries_missing = 1 },
		  DOUBT_CANARY,
		  "1 of 2 canaries were not seen" },
		{ { .seen = 5, .before = 5, .canaries = 1, .canaries_missing = 1 },
		  DOUBT_CANARY | DOUBT_IMPLAUSIBLE,
		  "leaverd source accept" },
	};
	char reason[300], small[16];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(sources_read_judge(&cases[i].c, &b, reason, sizeof(reason)),
				 cases[i].doubts);
		if (!strstr(reason, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", reason, cases[i].says);
		/* a room that is too small cuts */
		(void)sources_read_judge(&cases[i].c, &b, small, sizeof(small));
		assert_true(strlen(small) < sizeof(small));
	}
}

static void test_states_and_identity_are_kept(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	WRITE(&w, sources_state_set(db, src, SOURCE_READY, "uid:ada", "all are in", NOW, &err));
	assert_int_equal(
		TRY_WRITE(&w, sources_state_set(db, src, SOURCE_READY, "u", "", NOW, &err)),
		STORE_UNCHANGED);
	WRITE(&w, sources_identity(db, src, "dc=example", false, &err));
	assert_int_equal(TRY_WRITE(&w, sources_identity(db, src, "dc=example", false, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(TRY_WRITE(&w, sources_identity(db, src, "dc=evil", false, &err)),
			 STORE_STALE);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM source WHERE identity = 'dc=example'"),
		1);
	WRITE(&w, sources_identity(db, src, "dc=new", true, &err));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what ="
					  " 'source.state'"),
			 1);
	/* declared again: the number stays */
	assert_int_equal(corp(&w), src);
	world_close(&w);
}

static void test_a_crash_leaves_an_open_read_that_the_next_closes(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = world_json("{\"userName\":\"new\"}");
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_entry e = { .key = STR("k9"), .doc = doc, .unknown = STR("") };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	WRITE(&w, sources_read_begin(db, src, READ_FULL, NOW + HOUR, &run, &err));
	WRITE(&w, sources_read_put(db, run, &e, 1, NOW + HOUR, &err));
	world_shut(&w);
	world_again(&w);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record"), 3);
	assert_true(read_all(&w, src, three, true, 0, NOW + 2 * HOUR));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record"), 3);
	assert_int_equal(world_number(&w, "SELECT ended_ms FROM source_read WHERE no = 2"),
			 NOW + 2 * HOUR);
	assert_int_equal(world_number(&w, "SELECT accepted FROM source_read WHERE no = 2"), 0);
	world_close(&w);
}

static void test_a_delta_drops_only_what_it_names(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = world_json("{\"userName\":\"ada2\"}");
	CLEANUP(read_run_free_at) struct read_run *run = NULL;
	struct read_entry e = { .key = STR("k1"), .doc = doc, .unknown = STR("") };
	struct read_verdict v = { .complete = true, .now_ms = NOW + HOUR };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	assert_true(read_all(&w, src, three, true, 0, NOW));
	WRITE(&w, sources_read_begin(db, src, READ_DELTA, NOW + HOUR, &run, &err));
	WRITE(&w, sources_read_put(db, run, &e, 1, NOW + HOUR, &err));
	WRITE(&w, sources_read_drop(db, run, STR("k2"), &err));
	WRITE(&w, sources_read_end(db, run, &v, NULL, &err));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record WHERE absent_reads = 1"
					  " AND key = 'k2'"),
			 1);
	assert_int_equal(world_number(&w, "SELECT sum(absent_reads) FROM record"), 1);
	assert_int_equal(world_number(&w, "SELECT version FROM record WHERE key = 'k1'"), 2);
	world_close(&w);
}

static int on_read(void *ctx, const struct read_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld%s%s ", (long long)row->no, row->complete ? "c" : "",
		 row->accepted ? "a" : "");
	return 0;
}

static void test_history_is_told_newest_first(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct buf b;
	int64_t src;

	(void)state;
	world_open(&w);
	src = corp(&w);
	(void)read_all(&w, src, three, true, 0, NOW);
	(void)read_all(&w, src, two, false, 0, NOW);
	(void)read_all(&w, src, two, true, DOUBT_CANARY, NOW);
	buf_init(&b, 100);
	READ(&w, sources_reads(db, src, 10, on_read, &b, &err));
	assert_string_equal(b.p, "3c 2 1ca ");
	buf_done(&b);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_named_by_its_place_is_seen_as_it_was),
		cmocka_unit_test(test_a_record_is_found_by_the_name_that_it_has_now),
		cmocka_unit_test(test_a_change_by_somebody_else_during_a_read_is_told),
		cmocka_unit_test(test_a_first_read_brings_everybody_in),
		cmocka_unit_test(test_an_unchanged_read_writes_no_record),
		cmocka_unit_test(test_absence_is_counted_by_accepted_reads_only),
		cmocka_unit_test(test_gone_needs_reads_time_and_a_look_up),
		cmocka_unit_test(test_a_look_up_that_finds_it_starts_the_absence_anew),
		cmocka_unit_test(test_what_an_incomplete_read_saw_counts),
		cmocka_unit_test(test_what_a_discarded_read_saw_never_counts),
		cmocka_unit_test(test_what_a_doubtful_read_saw_does_not_count_until_accepted),
		cmocka_unit_test(test_an_incomplete_read_cannot_be_accepted),
		cmocka_unit_test(test_a_read_with_a_changed_schema_changes_nothing),
		cmocka_unit_test(test_a_doubtful_read_is_dropped_by_the_next),
		cmocka_unit_test(test_an_unknown_active_is_neither_yes_nor_no),
		cmocka_unit_test(test_an_entry_twice_counts_once_and_the_later_holds),
		cmocka_unit_test(test_canaries_are_looked_for_by_key_and_name),
		cmocka_unit_test(test_bounds_judge_what_was_counted),
		cmocka_unit_test(test_states_and_identity_are_kept),
		cmocka_unit_test(test_a_crash_leaves_an_open_read_that_the_next_closes),
		cmocka_unit_test(test_a_delta_drops_only_what_it_names),
		cmocka_unit_test(test_history_is_told_newest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
