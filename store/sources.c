#include "store/sources.h"

#include <stdio.h>

#include "base/jx.h"
#include "base/stamp.h"
#include "model/snapshot.h"
#include "store/audit.h"
#include "store/marks.h"
#include "store/records.h"
#include "store/shape.h"

#define READS_KEPT 400
#define DOC_MAX_BYTES (1u << 20) /* one entry's document */
#define UNKNOWN_MAX_BYTES 4096
#define ABSENT_COUNTED 255 /* further reads without it are not written */

const char *const source_state_words[] = { "filling", "ready", "retired", NULL };

/* --- the rows of sources --------------------------------------------------------------------
 */

#define SOURCE_COLUMNS                                                                         \
	"id, name, kind, role, rank, state, state_ms, read_no, accepted_read, accepted_ms,"    \
	" spoke_ms, identity, doubts, reason, users, active, groups"

void source_row_done(struct source_row *s)
{
	free(s->name);
	free(s->kind);
	free(s->role);
	free(s->identity);
	free(s->reason);
	*s = (struct source_row){ 0 };
}

void vec_source_row_free_all(struct vec_source_row *v)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		source_row_done(&v->v[i]);
	vec_source_row_done(v);
}

static int take(struct stmt *q, struct source_row *ret, struct err *err)
{
	struct source_row s = {
		.id = db_int(q, 0),
		.name = db_text_dup(q, 1),
		.kind = db_text_dup(q, 2),
		.role = db_text_dup(q, 3),
		.rank = (int)db_int(q, 4),
		.state = (enum source_state)db_int(q, 5),
		.state_ms = db_int(q, 6),
		.read_no = db_int(q, 7),
		.accepted_read = db_int(q, 8),
		.accepted_ms = db_int(q, 9),
		.spoke_ms = db_int(q, 10),
		.identity = db_text_dup(q, 11),
		.doubts = (unsigned)db_int(q, 12),
		.reason = db_text(q, 13).len ? db_text_dup(q, 13) : NULL,
		.users = db_int(q, 14),
		.active = db_int(q, 15),
		.groups = db_int(q, 16),
	};

	if (!s.name || !s.kind || !s.role || !s.identity ||
	    (!s.reason && db_text(q, 13).len > 0)) {
		source_row_done(&s);
		return err_nomem(err);
	}
	*ret = s;
	return 0;
}

static int take_one(struct stmt *q, struct source_row *ret, struct err *err)
{
	int r = db_step(q, err);

	if (r < 0)
		return r;
	return r == DB_ROW ? take(q, ret, err) : STORE_NOT_FOUND;
}

int sources_get(struct db *db, const char *name, struct source_row *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT " SOURCE_COLUMNS " FROM source WHERE name = ?1",
		     DB_T(name));
	return r < 0 ? r : take_one(q, ret, err);
}

int sources_by_id(struct db *db, int64_t id, struct source_row *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT " SOURCE_COLUMNS " FROM source WHERE id = ?1",
		     DB_I(id));
	return r < 0 ? r : take_one(q, ret, err);
}

int sources_all(struct db *db, struct vec_source_row *into, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct source_row row;
	int r;

	r = db_query(db, &q, err, "SELECT " SOURCE_COLUMNS " FROM source ORDER BY rank, id");
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		r = take(q, &row, err);
		if (r == 0 && vec_source_row_add(into, row) < 0) {
			source_row_done(&row);
			r = err_nomem(err);
		}
	}
	return r;
}

int sources_declare(struct db *db, const char *name, const char *kind, const char *role,
		    int rank, int64_t now_ms, int64_t *ret, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "INSERT INTO source (name, kind, role, rank, state, state_ms)"
		   " VALUES (?1, ?2, ?3, ?4, 0, ?5) ON CONFLICT (name) DO UPDATE SET"
		   " kind = excluded.kind, role = excluded.role, rank = excluded.rank"
		   " WHERE kind <> excluded.kind OR role <> excluded.role"
		   " OR rank <> excluded.rank",
		   DB_T(name), DB_T(kind), DB_T(role), DB_I(rank), DB_I(now_ms));
	if (r == 0 && db_changes(db) > 0)
		(void)db_next_change(db);
	if (r == 0)
		r = db_one(db, ret, err, "SELECT id FROM source WHERE name = ?1", DB_T(name));
	return r;
}

static int audit_source(struct db *db, int64_t source, const char *what, const char *who,
			const char *why, const char *before, const char *after, int64_t now_ms,
			struct err *err)
{
	struct audit_new entry = { .who = who, .what = what, .now_ms = now_ms };
	struct source_row row = { 0 };
	struct buf body;
	int r;

	buf_init(&body, 8192);
	r = sources_by_id(db, source, &row, err);
	if (r == 0)
		r = audit_body(&body, why, before, after, err);
	entry.target = row.name;
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	source_row_done(&row);
	return r;
}

int sources_state_set(struct db *db, int64_t source, enum source_state state, const char *who,
		      const char *why, int64_t now_ms, struct err *err)
{
	char before[32], after[32];
	int64_t was = 0;
	int r;

	r = db_one(db, &was, err, "SELECT state FROM source WHERE id = ?1", DB_I(source));
	if (r != 0)
		return r;
	if (was == (int64_t)state)
		return STORE_UNCHANGED;
	(void)db_next_change(db);
	r = db_run(db, err, "UPDATE source SET state = ?2, state_ms = ?3 WHERE id = ?1",
		   DB_I(source), DB_I(state), DB_I(now_ms));
	(void)snprintf(before, sizeof(before), "\"%s\"", source_state_words[was]);
	(void)snprintf(after, sizeof(after), "\"%s\"", source_state_words[state]);
	if (r == 0)
		r = audit_source(db, source, "source.state", who, why, before, after, now_ms,
				 err);
	return r;
}

int sources_identity(struct db *db, int64_t source, const char *identity, bool replace,
		     struct err *err)
{
	struct source_row row = { 0 };
	bool same, none;
	int r;

	r = sources_by_id(db, source, &row, err);
	if (r != 0)
		return r;
	same = strcmp(row.identity, identity) == 0;
	none = row.identity[0] == '\0';
	source_row_done(&row);
	if (same)
		return STORE_UNCHANGED;
	if (!none && !replace)
		return STORE_STALE;
	return db_run(db, err, "UPDATE source SET identity = ?2 WHERE id = ?1", DB_I(source),
		      DB_T(identity));
}

int sources_spoke(struct db *db, int64_t source, int64_t now_ms, struct err *err)
{
	return db_run(db, err,
		      "UPDATE source SET spoke_ms = ?2 WHERE id = ?1 AND spoke_ms < ?3",
		      DB_I(source), DB_I(now_ms), DB_I(now_ms - STAMP_MINUTE_MS));
}

int sources_canaries_set(struct db *db, int64_t source, const struct str *keys, size_t count,
			 struct err *err)
{
	size_t i;
	int r;

	r = db_run(db, err, "DELETE FROM canary WHERE source = ?1", DB_I(source));
	for (i = 0; r == 0 && i < count; i++)
		r = db_run(db, err,
			   "INSERT OR IGNORE INTO canary (source, key) VALUES (?1, ?2)",
			   DB_I(source), DB_S(keys[i]));
	return r;
}

/* --- one read -------------------------------------------------------------------------------
 */

/* By how many more there are live records, and active ones of these. */
struct tally {
	int64_t users, active;
};

struct read_run {
	int64_t source, no;
	enum read_kind kind;
	bool direct;  /* no read was accepted yet: nobody looks, so it is written in place */
	bool nobody;  /* there was no record of the source before: who comes is new, but for
			 those who come twice */
	int64_t next; /* number of the next record; 0: not known */
	int64_t accepted_read; /* the newest accepted one before this */
	int64_t seen_before; /* of those that the last accepted read had, how many were seen */
	int64_t absent;      /* live ones that it did not have */
	struct tally tally;  /* of what took effect */
	int64_t newest;      /* change to a record of the source */
	bool disturbed;      /* one was not ours */
	struct marks marks;  /* by record number less SHAPE_FIRST */
	struct read_counts counts;
	struct buf doc, unknown;
};

void read_run_free(struct read_run *run)
{
	if (!run)
		return;
	marks_done(&run->marks);
	buf_done(&run->doc);
	buf_done(&run->unknown);
	free(run);
}

int64_t read_run_no(const struct read_run *run)
{
	return run->no;
}

int64_t read_run_newest(const struct read_run *run)
{
	return run->disturbed ? -1 : run->newest;
}

/* Before and after the run's own writing. */
static int newest_before(struct db *db, struct read_run *run, struct err *err)
{
	int64_t now = 0;
	int r = records_newest(db, run->source, &now, err);

	run->disturbed |= now != run->newest;
	return r;
}

static int newest_after(struct db *db, struct read_run *run, int r, struct err *err)
{
	return r < 0 ? r : records_newest(db, run->source, &run->newest, err);
}

/* What an earlier read left: a crash left it open, or nobody accepted it. */
static int clear_leftovers(struct db *db, int64_t source, int64_t now_ms, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE source_read SET ended_ms = ?2, doubts = doubts | ?3,"
		   " reason = 'leaverd ended before the read did' WHERE source = ?1"
		   " AND ended_ms = 0",
		   DB_I(source), DB_I(now_ms), DB_I(DOUBT_INCOMPLETE));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM source_stage WHERE source = ?1", DB_I(source));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM source_missing WHERE source = ?1",
			   DB_I(source));
	return r;
}

static int nobody_yet(struct db *db, struct read_run *run, struct err *err)
{
	int64_t one;
	int r = db_one(db, &one, err, "SELECT 1 FROM record WHERE source = ?1 LIMIT 1",
		       DB_I(run->source));

	run->nobody = r == STORE_NOT_FOUND;
	return r < 0 ? r : 0;
}

static int begin(struct db *db, struct read_run *run, int64_t now_ms, struct err *err)
{
	struct source_row row = { 0 };
	int r;

	r = sources_by_id(db, run->source, &row, err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_INTERNAL, "no source has the number %lld",
			       (long long)run->source);
	if (r < 0)
		return r;
	run->no = row.read_no + 1;
	run->accepted_read = row.accepted_read;
	run->direct = row.accepted_read == 0 && run->kind == READ_FULL;
	run->counts.before = row.users;
	source_row_done(&row);
	/* held against what the last accepted read had: who was absent there was counted then;
	 * nothing that is not whole is held against it */
	if (run->kind == READ_FULL)
		r = db_one(db, &run->counts.before, err,
			   "SELECT count(*) FROM record WHERE source = ?1 AND deleted = 0"
			   " AND gone = 0 AND absent_reads = 0",
			   DB_I(run->source));
	if (r == 0 && run->kind == READ_FULL)
		r = db_one(db, &run->absent, err,
			   "SELECT count(*) FROM record WHERE source = ?1 AND deleted = 0"
			   " AND gone = 0 AND absent_reads > 0",
			   DB_I(run->source));
	if (r == 0)
		r = nobody_yet(db, run, err);
	if (r == 0)
		r = clear_leftovers(db, run->source, now_ms, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO source_read (source, no, kind, begun_ms, before)"
			   " VALUES (?1, ?2, ?3, ?4, ?5)",
			   DB_I(run->source), DB_I(run->no), DB_I(run->kind), DB_I(now_ms),
			   DB_I(run->counts.before));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM source_read WHERE source = ?1 AND no <= ?2",
			   DB_I(run->source), DB_I(run->no - READS_KEPT));
	if (r == 0)
		r = db_run(db, err, "UPDATE source SET read_no = ?2 WHERE id = ?1",
			   DB_I(run->source), DB_I(run->no));
	return r;
}

int sources_read_begin(struct db *db, int64_t source, enum read_kind kind, int64_t now_ms,
		       struct read_run **ret, struct err *err)
{
	CLEANUP(read_run_free_at) struct read_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return err_nomem(err);
	run->source = source;
	run->kind = kind;
	buf_init(&run->doc, DOC_MAX_BYTES);
	buf_init(&run->unknown, UNKNOWN_MAX_BYTES);
	r = begin(db, run, now_ms, err);
	if (r == 0)
		r = records_newest(db, run->source, &run->newest, err);
	if (r < 0)
		return r;
	*ret = TAKE(run);
	return 0;
}

static bool newly_unknown(struct str before, struct str now)
{
	struct str word;

	while (now.len > 0) {
		(void)str_cut(now, ' ', &word, &now);
		if (word.len > 0 && !shape_has_word(before, word))
			return true;
	}
	return false;
}

static int stage(struct db *db, struct read_run *run, struct str key, bool dropped,
		 struct str unknown, struct str doc, uint64_t name, struct err *err)
{
	return db_run(db, err,
		      "INSERT INTO source_stage (source, key, dropped, unknown, doc, name)"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (source, key) DO UPDATE SET"
		      " dropped = excluded.dropped, unknown = excluded.unknown,"
		      " doc = excluded.doc, name = excluded.name",
		      DB_I(run->source), DB_S(key), DB_I(dropped), DB_S(unknown), DB_S(doc),
		      DB_I((int64_t)name));
}

static int is_staged(struct db *db, const struct read_run *run, struct str key, bool *ret,
		     struct err *err)
{
	int64_t one = 0;
	int r;

	r = db_one(db, &one, err, "SELECT 1 FROM source_stage WHERE source = ?1 AND key = ?2",
		   DB_I(run->source), DB_S(key));
	if (r < 0)
		return r;
	*ret = r == 0;
	return 0;
}

static int64_t place_of(const struct read_run *run, int64_t id)
{
	return id ? id - SHAPE_FIRST(run->source) + 1 : 0;
}

static int mark(struct read_run *run, int64_t id, struct err *err)
{
	return marks_set(&run->marks, id - SHAPE_FIRST(run->source), err);
}

static bool marked(const struct read_run *run, int64_t id)
{
	return marks_has(&run->marks, id - SHAPE_FIRST(run->source));
}

/* Counts an entry the first time that the read shows it. */
static int count_entry(struct db *db, struct read_run *run, const struct read_entry *e,
		       const struct shape *shape, const struct shape_before *before,
		       bool changed, struct err *err)
{
	struct read_counts *c = &run->counts;
	bool again = false;
	int r = 0;

	if (before->id)
		again = marked(run, before->id);
	else if (!run->direct)
		r = is_staged(db, run, e->key, &again, err);
	if (r < 0 || again)
		return r;
	c->seen++;
	c->fresh += before->id == 0;
	c->changed += before->id != 0 && changed;
	c->unchanged += before->id != 0 && !changed;
	c->returned += before->id != 0 && (before->absent_reads > 0 || before->gone);
	c->disabled += before->active == TRI_YES && shape->active == TRI_NO;
	c->unknown += e->unknown.len > 0;
	c->newly_unknown +=
		before->id != 0 && newly_unknown(buf_str(&run->unknown), e->unknown);
	run->seen_before += before->id != 0 && !before->gone && !before->deleted &&
			    before->absent_reads == 0;
	return before->id ? mark(run, before->id, err) : 0;
}

static int write_entry(struct db *db, struct read_run *run, const struct read_entry *e,
		       struct str bytes, const struct shape *shape,
		       const struct shape_before *before, int64_t now_ms, struct err *err)
{
	struct shape_write w = { .source = run->source,
				 .key = e->key,
				 .bytes = bytes,
				 .unknown = e->unknown,
				 .name = e->name,
				 .now_ms = now_ms,
				 .read = run->no };
	int64_t id = 0;
	int r;

	if (!run->direct)
		return stage(db, run, e->key, false, e->unknown, bytes, e->name, err);
	r = shape_put(db, shape, before, &w, &id, err);
	if (r == 0 && e->ret_place)
		*e->ret_place = place_of(run, id);
	return r < 0 ? r : mark(run, id, err);
}

/* One of a first read. STORE_UNCHANGED: it is there already. */
static int add_entry(struct db *db, struct read_run *run, const struct read_entry *e,
		     struct str bytes, const struct shape *shape, int64_t now_ms,
		     struct err *err)
{
	struct shape_write w = { .source = run->source,
				 .key = e->key,
				 .bytes = bytes,
				 .unknown = e->unknown,
				 .name = e->name,
				 .now_ms = now_ms,
				 .read = run->no,
				 .id = run->next };
	int64_t id = 0;
	int r = shape_add(db, shape, &w, &id, err);

	if (r != 0)
		return r;
	run->next = id + 1;
	run->counts.seen++;
	run->counts.fresh++;
	run->counts.unknown += e->unknown.len > 0;
	if (e->ret_place)
		*e->ret_place = place_of(run, id);
	return mark(run, id, err);
}

static int put_entry(struct db *db, struct read_run *run, const struct read_entry *e,
		     int64_t now_ms, struct err *err)
{
	CLEANUP(shape_done) struct shape shape = { 0 };
	struct shape_before before = { 0 };
	struct str bytes = e->bytes;
	bool seen, changed;
	int r;

	buf_clear(&run->doc);
	buf_clear(&run->unknown);
	r = bytes.p ? 0 : jx_canonical(e->doc, &run->doc, err);
	if (!bytes.p)
		bytes = buf_str(&run->doc);
	if (r == 0 && bytes.len > DOC_MAX_BYTES)
		r = err_set(err, ERR_LIMIT, "an entry's document would be longer than %u bytes",
			    DOC_MAX_BYTES);
	if (r == 0)
		r = shape_of(bytes, e->unknown, &shape, err);
	if (r == 0 && run->direct && run->nobody) {
		r = add_entry(db, run, e, bytes, &shape, now_ms, err);
		if (r != STORE_UNCHANGED)
			return r;
		r = 0;
	}
	if (r == 0)
		r = shape_find(db, run->source, e->key, &before, &run->unknown, err);
	if (r < 0)
		return r;
	if (e->ret_place)
		*e->ret_place = place_of(run, before.id);
	seen = before.id && marked(run, before.id);
	changed = before.id == 0 || before.gone || before.deleted || before.absent_reads > 0 ||
		  memcmp(before.hash, shape.hash, SHAPE_HASH_BYTES) != 0;
	r = count_entry(db, run, e, &shape, &before, changed, err);
	if (r < 0)
		return r;
	if (changed)
		return write_entry(db, run, e, bytes, &shape, &before, now_ms, err);
	/* who was moved is the same; what an entry says of itself needs no complete read */
	r = shape_name(db, before.id, e->name, err);
	/* the same entry came before with something else: what stands is right after all */
	if (r == 0 && seen && !run->direct)
		return db_run(db, err,
			      "DELETE FROM source_stage WHERE source = ?1 AND key = ?2",
			      DB_I(run->source), DB_S(e->key));
	return r;
}

int sources_read_put(struct db *db, struct read_run *run, const struct read_entry *entries,
		     size_t count, int64_t now_ms, struct err *err)
{
	size_t i;
	int r = newest_before(db, run, err);

	if (run->disturbed) /* somebody else may have taken numbers */
		run->next = 0;
	for (i = 0; r == 0 && i < count; i++)
		r = put_entry(db, run, &entries[i], now_ms, err);
	return newest_after(db, run, r, err);
}

int sources_read_same(struct read_run *run, const uint32_t *places, size_t count, bool unknown,
		      struct err *err)
{
	struct read_counts *c = &run->counts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		int64_t id = SHAPE_FIRST(run->source) + places[i] - 1;

		if (marked(run, id))
			continue;
		c->seen++;
		c->unchanged++;
		c->unknown += unknown;
		run->seen_before++;
		r = mark(run, id, err);
	}
	return r;
}

int sources_read_drop(struct db *db, struct read_run *run, struct str key, struct err *err)
{
	if (run->kind != READ_DELTA)
		return err_set(err, ERR_INTERNAL, "only a delta drops entries by name");
	return stage(db, run, key, true, STR(""), STR("{}"), 0, err);
}

/* --- judging --------------------------------------------------------------------------------
 */

static int canary_seen(struct db *db, const struct read_run *run, struct str canary, bool *seen,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(free_at) char *folded = NULL;
	size_t len = 0;
	int r;

	*seen = false;
	r = str_fold(canary, &folded, &len, err);
	if (r == 0)
		r = db_query(db, &q, err,
			     "SELECT id FROM record WHERE source = ?1 AND key = ?2"
			     " UNION SELECT id FROM record WHERE source = ?1 AND user_fold = ?3"
			     " AND deleted = 0",
			     DB_I(run->source), DB_S(canary), DB_S(str_n(folded, len)));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		*seen |= marked(run, db_int(q, 0));
		r = 0;
	}
	if (r == 0 && !*seen)
		r = is_staged(db, run, canary, seen, err);
	return r;
}

int sources_read_weigh(struct db *db, struct read_run *run, struct read_counts *ret,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct read_counts *c = &run->counts;
	bool seen;
	int r;

	c->missing = run->kind == READ_FULL ? c->before - run->seen_before : 0;
	c->canaries = c->canaries_missing = 0;
	r = db_query(db, &q, err, "SELECT key FROM canary WHERE source = ?1",
		     DB_I(run->source));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		r = canary_seen(db, run, db_text(q, 0), &seen, err);
		c->canaries++;
		c->canaries_missing += r == 0 && !seen;
	}
	if (r == 0)
		*ret = *c;
	return r;
}

/* What may be missing of `of`: the fixed number or the share, whichever is more. */
static int64_t allowed(int64_t most, int64_t permille, int64_t of)
{
	int64_t share = of * permille / 1000;

	return share > most ? share : most;
}

struct reason {
	char *text;
	size_t room;
};

/* Adds a sentence; what does not fit is cut. */
static void PRINTF(2, 3) says(struct reason *reason, const char *format, ...)
{
	size_t at = strlen(reason->text);
	va_list args;

	if (at > 0 && at + 3 < reason->room)
		at += (size_t)snprintf(reason->text + at, reason->room - at, "; ");
	va_start(args, format);
	(void)vsnprintf(reason->text + at, reason->room - at, format, args);
	va_end(args);
}

unsigned sources_read_judge(const struct read_counts *c, const struct read_bounds *bounds,
			    char *reason, size_t reason_room)
{
	struct reason why = { reason, reason_room };
	int64_t drop = allowed(bounds->drop_most, bounds->drop_permille, c->before);
	int64_t off = allowed(bounds->disabled_most, bounds->disabled_permille, c->before);
	int64_t blind = c->seen * bounds->unknown_permille / 1000;
	unsigned doubts = 0;

	reason[0] = '\0';
	if (c->canaries_missing > 0) {
		doubts |= DOUBT_CANARY;
		says(&why, "%lld of %lld canaries were not seen among %lld entries",
		     (long long)c->canaries_missing, (long long)c->canaries,
		     (long long)c->seen);
	}
	if (c->seen < bounds->minimum) {
		doubts |= DOUBT_IMPLAUSIBLE;
		says(&why, "%lld entries read, at least %lld expected (%lld before)",
		     (long long)c->seen, (long long)bounds->minimum, (long long)c->before);
	}
	if (c->missing > drop) {
		doubts |= DOUBT_IMPLAUSIBLE;
		says(&why, "%lld of %lld entries are missing, at most %lld may be at once",
		     (long long)c->missing, (long long)c->before, (long long)drop);
	}
	if (bounds->disabled_most >= 0 && c->disabled > off) {
		doubts |= DOUBT_IMPLAUSIBLE;
		says(&why, "%lld of %lld entries turned disabled, at most %lld may at once",
		     (long long)c->disabled, (long long)c->before, (long long)off);
	}
	if (bounds->unknown_permille >= 0 && c->newly_unknown > blind) {
		doubts |= DOUBT_SCHEMA;
		says(&why,
		     "%lld of %lld entries lost an attribute that could be read before, at "
		     "most %lld may",
		     (long long)c->newly_unknown, (long long)c->seen, (long long)blind);
	}
	if (doubts)
		says(&why, "if that is right, say so with `leaverd source accept`");
	return doubts;
}

/* --- taking effect --------------------------------------------------------------------------
 */

static void tally_add(struct tally *tally, const struct shape_before *before,
		      const struct shape *now)
{
	bool lived = before->id && !before->gone && !before->deleted;

	tally->users += !lived;
	tally->active += (now->active == TRI_YES) - (lived && before->active == TRI_YES);
}

static int apply_row(struct db *db, int64_t source, int64_t no, struct str key,
		     struct str unknown, struct str bytes, uint64_t name, int64_t now_ms,
		     int64_t *id, struct tally *tally, struct err *err)
{
	CLEANUP(shape_done) struct shape shape = { 0 };
	struct shape_before before = { 0 };
	struct shape_write w = { .source = source,
				 .key = key,
				 .bytes = bytes,
				 .unknown = unknown,
				 .name = name,
				 .now_ms = now_ms,
				 .read = no };
	int r;

	r = shape_of(bytes, unknown, &shape, err);
	if (r == 0)
		r = shape_find(db, source, key, &before, NULL, err);
	if (r == 0)
		r = shape_put(db, &shape, &before, &w, id, err);
	if (r == 0)
		tally_add(tally, &before, &shape);
	return r;
}

/* A delta's "not in view any more" is an absence that counts as one read. */
static int apply_drop(struct db *db, int64_t source, int64_t accepted_read, struct str key,
		      int64_t now_ms, struct err *err)
{
	return db_run(db, err,
		      "UPDATE record SET absent_reads = absent_reads + 1, absent_since_ms ="
		      " CASE WHEN absent_reads = 0 THEN ?3 ELSE absent_since_ms END,"
		      " last_seen_read = CASE WHEN absent_reads = 0 THEN ?4"
		      " ELSE last_seen_read END, change = ?5"
		      " WHERE source = ?1 AND key = ?2 AND gone = 0 AND deleted = 0",
		      DB_I(source), DB_S(key), DB_I(now_ms), DB_I(accepted_read),
		      DB_I(db_next_change(db)));
}

static int apply_stage(struct db *db, int64_t source, int64_t no, int64_t accepted_read,
		       struct read_run *run, int64_t now_ms, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct tally counted_anew = { 0 }, *tally = run ? &run->tally : &counted_anew;
	int64_t id;
	int r;

	r = db_query(db, &q, err,
		     "SELECT key, dropped, unknown, doc, name FROM source_stage"
		     " WHERE source = ?1",
		     DB_I(source));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		if (db_int(q, 1)) {
			r = apply_drop(db, source, accepted_read, db_text(q, 0), now_ms, err);
			continue;
		}
		r = apply_row(db, source, no, db_text(q, 0), db_text(q, 2), db_text(q, 3),
			      (uint64_t)db_int(q, 4), now_ms, &id, tally, err);
		if (r == 0 && run)
			r = mark(run, id, err);
	}
	stmt_done_at(&q);
	if (r == 0)
		r = db_run(db, err, "DELETE FROM source_stage WHERE source = ?1", DB_I(source));
	return r;
}

static int one_absent(struct db *db, int64_t record, int64_t accepted_read, int64_t now_ms,
		      struct err *err)
{
	return db_run(db, err,
		      "UPDATE record SET absent_reads = absent_reads + 1, absent_since_ms ="
		      " CASE WHEN absent_reads = 0 THEN ?2 ELSE absent_since_ms END,"
		      " last_seen_read = CASE WHEN absent_reads = 0 THEN ?3"
		      " ELSE last_seen_read END, change = ?4"
		      " WHERE id = ?1 AND absent_reads < ?5 AND gone = 0 AND deleted = 0",
		      DB_I(record), DB_I(now_ms), DB_I(accepted_read), DB_I(db_next_change(db)),
		      DB_I(ABSENT_COUNTED));
}

/* Calls fn for each live record that the read did not show. */
static int each_missing(struct db *db, const struct read_run *run,
			int (*fn)(struct db *db, const struct read_run *run, int64_t record,
				  int64_t now_ms, struct err *err),
			int64_t now_ms, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id FROM record WHERE id BETWEEN ?1 AND ?2 AND deleted = 0"
		     " AND gone = 0",
		     DB_I(SHAPE_FIRST(run->source)), DB_I(SHAPE_LAST(run->source)));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		int64_t id = db_int(q, 0);

		r = marked(run, id) ? 0 : fn(db, run, id, now_ms, err);
	}
	return r;
}

static int missing_absent(struct db *db, const struct read_run *run, int64_t record,
			  int64_t now_ms, struct err *err)
{
	return one_absent(db, record, run->accepted_read, now_ms, err);
}

static int missing_kept(struct db *db, const struct read_run *run, int64_t record,
			int64_t now_ms, struct err *err)
{
	(void)now_ms;
	return db_run(db, err, "INSERT INTO source_missing (source, record) VALUES (?1, ?2)",
		      DB_I(run->source), DB_I(record));
}

static int recount(struct db *db, int64_t source, struct err *err)
{
	return db_run(db, err,
		      "UPDATE source SET users = (SELECT count(*) FROM record WHERE source = ?1"
		      " AND deleted = 0 AND gone = 0), active = (SELECT count(*) FROM record"
		      " WHERE source = ?1 AND deleted = 0 AND gone = 0 AND active = ?2)"
		      " WHERE id = ?1",
		      DB_I(source), DB_I(TRI_YES));
}

static int end_effect(struct db *db, struct read_run *run, const struct read_verdict *v,
		      bool accepted, struct err *err)
{
	/* an incomplete read naturally lacks canaries and entries; what makes its entries
	 * doubtful is a schema or a directory that is not the one we know */
	bool trusted =
		v->complete ? v->doubts == 0
			    : !v->discard && (v->doubts & (DOUBT_SCHEMA | DOUBT_IDENTITY)) == 0;
	int r = 0;

	if (trusted && !run->direct)
		r = apply_stage(db, run->source, run->no, run->accepted_read, run, v->now_ms,
				err);
	else if (!v->complete)
		r = db_run(db, err, "DELETE FROM source_stage WHERE source = ?1",
			   DB_I(run->source));
	if (r == 0 && accepted && run->kind == READ_FULL &&
	    run->counts.missing + run->absent > 0)
		r = each_missing(db, run, missing_absent, v->now_ms, err);
	if (r == 0 && v->complete && !accepted && run->kind == READ_FULL)
		r = each_missing(db, run, missing_kept, v->now_ms, err);
	if (r == 0 && run->kind != READ_FULL)
		return shape_count(db, run->source, run->tally.users, run->tally.active, 0,
				   err);
	if (r == 0 && run->counts.fresh + run->counts.changed + run->counts.missing > 0)
		r = recount(db, run->source, err);
	return r;
}

static int end_rows(struct db *db, const struct read_run *run, const struct read_verdict *v,
		    bool accepted, struct err *err)
{
	const struct read_counts *c = &run->counts;
	unsigned doubts = v->doubts | (v->complete ? 0 : DOUBT_INCOMPLETE);
	int r;

	r = db_run(db, err,
		   "UPDATE source_read SET ended_ms = ?3, complete = ?4, doubts = ?5,"
		   " accepted = ?6, reason = ?7, seen = ?8, fresh = ?9, changed = ?10,"
		   " unchanged = ?11, returned = ?12, missing = ?13, disabled = ?14,"
		   " unknown = ?15, newly_unknown = ?16, canaries = ?17,"
		   " canaries_missing = ?18 WHERE source = ?1 AND no = ?2",
		   DB_I(run->source), DB_I(run->no), DB_I(v->now_ms), DB_I(v->complete),
		   DB_I(doubts), DB_I(accepted), DB_T(v->reason), DB_I(c->seen), DB_I(c->fresh),
		   DB_I(c->changed), DB_I(c->unchanged), DB_I(c->returned), DB_I(c->missing),
		   DB_I(c->disabled), DB_I(c->unknown), DB_I(c->newly_unknown),
		   DB_I(c->canaries), DB_I(c->canaries_missing));
	/* a delta is a hint: it neither renews the last full read nor lifts doubts */
	if (r < 0 || run->kind == READ_DELTA)
		return r < 0 ? r
			     : db_run(db, err, "UPDATE source SET spoke_ms = ?2 WHERE id = ?1",
				      DB_I(run->source), DB_I(v->now_ms));
	if (accepted)
		r = db_run(
			db, err,
			"UPDATE source SET accepted_read = ?2, accepted_ms = ?3 WHERE id = ?1",
			DB_I(run->source), DB_I(run->no), DB_I(v->now_ms));
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE source SET doubts = ?2, reason = ?3, spoke_ms = ?4"
			   " WHERE id = ?1",
			   DB_I(run->source), DB_I(doubts), DB_T(accepted ? "" : v->reason),
			   DB_I(v->now_ms));
	return r;
}

int sources_read_end(struct db *db, struct read_run *run, const struct read_verdict *verdict,
		     bool *accepted, struct err *err)
{
	bool ok = verdict->complete && verdict->doubts == 0;
	struct read_counts counts;
	int r;

	r = sources_read_weigh(db, run, &counts, err);
	if (r == 0)
		r = newest_before(db, run, err);
	if (r == 0)
		r = end_effect(db, run, verdict, ok, err);
	r = newest_after(db, run, r, err);
	if (r == 0)
		r = end_rows(db, run, verdict, ok, err);
	if (r == 0 && accepted)
		*accepted = ok;
	return r;
}

/* --- a person accepts -----------------------------------------------------------------------
 */

static int accept_missing(struct db *db, int64_t source, int64_t accepted_read, int64_t now_ms,
			  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT record FROM source_missing WHERE source = ?1",
		     DB_I(source));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = one_absent(db, db_int(q, 0), accepted_read, now_ms, err);
	stmt_done_at(&q);
	if (r == 0)
		r = db_run(db, err, "DELETE FROM source_missing WHERE source = ?1",
			   DB_I(source));
	return r;
}

static int accept_rows(struct db *db, int64_t source, int64_t no, const char *who,
		       int64_t now_ms, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE source_read SET accepted = 1, accepted_by = ?3 WHERE source = ?1"
		   " AND no = ?2",
		   DB_I(source), DB_I(no), DB_T(who));
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE source SET accepted_read = ?2, accepted_ms = ?3, doubts = 0,"
			   " reason = '' WHERE id = ?1",
			   DB_I(source), DB_I(no), DB_I(now_ms));
	return r;
}

int sources_accept(struct db *db, int64_t source, int64_t read_no, const char *who,
		   const char *why, int64_t now_ms, struct err *err)
{
	int64_t before = 0, ended_ms = 0;
	char after[32];
	int r;

	r = db_one(db, &ended_ms, err,
		   "SELECT r.ended_ms FROM source s JOIN source_read r ON r.source = s.id"
		   " AND r.no = s.read_no WHERE s.id = ?1 AND r.no = ?2 AND r.complete = 1"
		   " AND r.accepted = 0",
		   DB_I(source), DB_I(read_no));
	if (r == 0)
		r = db_one(db, &before, err, "SELECT accepted_read FROM source WHERE id = ?1",
			   DB_I(source));
	if (r != 0)
		return r;
	r = apply_stage(db, source, read_no, before, NULL, now_ms, err);
	if (r == 0)
		r = accept_missing(db, source, before, ended_ms, err);
	if (r == 0)
		r = recount(db, source, err);
	if (r == 0)
		r = accept_rows(db, source, read_no, who, ended_ms, err);
	(void)db_next_change(db);
	(void)snprintf(after, sizeof(after), "%lld", (long long)read_no);
	if (r == 0)
		r = audit_source(db, source, "source.accept", who, why, NULL, after, now_ms,
				 err);
	return r;
}

/* --- history and absence --------------------------------------------------------------------
 */

int sources_reads(struct db *db, int64_t source, size_t most, read_row_fn fn, void *ctx,
		  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT no, kind, begun_ms, ended_ms, complete, doubts, accepted, reason,"
		     " accepted_by, seen, fresh, changed, unchanged, returned, missing, before,"
		     " disabled, unknown, newly_unknown, canaries, canaries_missing"
		     " FROM source_read WHERE source = ?1 ORDER BY no DESC LIMIT ?2",
		     DB_I(source), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct read_row row = {
			.no = db_int(q, 0),
			.kind = db_int(q, 1),
			.begun_ms = db_int(q, 2),
			.ended_ms = db_int(q, 3),
			.complete = db_int(q, 4) != 0,
			.doubts = (unsigned)db_int(q, 5),
			.accepted = db_int(q, 6) != 0,
			.reason = db_text(q, 7),
			.accepted_by = db_text(q, 8),
			.counts = { .seen = db_int(q, 9),
				    .fresh = db_int(q, 10),
				    .changed = db_int(q, 11),
				    .unchanged = db_int(q, 12),
				    .returned = db_int(q, 13),
				    .missing = db_int(q, 14),
				    .before = db_int(q, 15),
				    .disabled = db_int(q, 16),
				    .unknown = db_int(q, 17),
				    .newly_unknown = db_int(q, 18),
				    .canaries = db_int(q, 19),
				    .canaries_missing = db_int(q, 20) },
		};

		r = fn(ctx, &row, err);
	}
	return r;
}

int sources_gone_candidates(struct db *db, int64_t source, int64_t reads, int64_t since_ms,
			    int64_t after, size_t most, absent_fn fn, void *ctx,
			    struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, key, absent_reads, absent_since_ms FROM record"
		     " WHERE source = ?1 AND absent_reads > 0 AND absent_reads >= ?2"
		     " AND absent_since_ms <= ?3 AND gone = 0 AND deleted = 0 AND id > ?4"
		     " ORDER BY id LIMIT ?5",
		     DB_I(source), DB_I(reads), DB_I(since_ms), DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct absent_row row = { .record = db_int(q, 0),
					  .key = db_text(q, 1),
					  .absent_reads = db_int(q, 2),
					  .absent_since_ms = db_int(q, 3) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int sources_gone(struct db *db, int64_t record, int64_t now_ms, struct err *err)
{
	int64_t source = 0, active = 0;
	int r;

	(void)now_ms;
	r = db_one(db, &source, err,
		   "SELECT source FROM record WHERE id = ?1 AND gone = 0 AND deleted = 0"
		   " AND absent_reads > 0",
		   DB_I(record));
	if (r == STORE_NOT_FOUND)
		return STORE_UNCHANGED;
	if (r == 0)
		r = db_one(db, &active, err, "SELECT active FROM record WHERE id = ?1",
			   DB_I(record));
	if (r == 0)
		r = db_run(db, err, "UPDATE record SET gone = 1, change = ?2 WHERE id = ?1",
			   DB_I(record), DB_I(db_next_change(db)));
	if (r == 0)
		r = shape_count(db, source, -1, -(active == TRI_YES), 0, err);
	return r;
}

int sources_not_gone(struct db *db, int64_t record, struct err *err)
{
	int r;

	r = db_run(db, err,
		   "UPDATE record SET absent_reads = 0, absent_since_ms = 0, change = ?2"
		   " WHERE id = ?1 AND absent_reads > 0 AND gone = 0",
		   DB_I(record), DB_I(db_next_change(db)));
	if (r < 0)
		return r;
	return db_changes(db) > 0 ? 0 : STORE_UNCHANGED;
}
