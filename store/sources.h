/*
 * Sources and their reads. A pulled source (ldap, file) is read in numbered reads; a push
 * source (scim) is filling until somebody declares it ready.
 *
 * A read of a pulled source is written beside what stands: changed and new entries are staged
 * and take effect when the read ends, in one transaction; entries that did not change cost no
 * write. Only a read that is complete (it reached its end) and plausible (canaries, minimum,
 * drop, schema) is *accepted*: it alone may say that someone is absent. An incomplete but
 * plausible read adds what it saw and says nothing about the rest. An implausible one is kept
 * aside until a person accepts it (sources_accept) or the next read begins.
 *
 * "db" is the writer's connection in functions that write, any in those that read.
 */
#ifndef STORE_SOURCES_H
#define STORE_SOURCES_H

#include <jansson.h>

#include "base/vec.h"
#include "store/db.h"

enum source_state { SOURCE_FILLING, SOURCE_READY, SOURCE_RETIRED };
extern const char *const source_state_words[]; /* "filling", "ready", "retired" */

struct source_row {
	int64_t id;
	char *name, *kind, *role; /* as in the configuration */
	int rank;                 /* order of trust, 0 first */
	enum source_state state;
	int64_t state_ms;
	int64_t read_no;       /* newest read begun, 0: none */
	int64_t accepted_read; /* newest accepted, 0: none */
	int64_t accepted_ms;   /* when it ended */
	unsigned doubts;       /* of the newest ended read, with DOUBT_INCOMPLETE */
	char *reason;          /* of the same, for people; NULL when it was accepted */
	int64_t spoke_ms;      /* newest push, or end of any read */
	char *identity;        /* of the directory as first seen (naming context, server id) */
	int64_t users, active, groups; /* live records, of these active; groups */
};
void source_row_done(struct source_row *s);

VEC(vec_source_row, struct source_row);
void vec_source_row_free_all(struct vec_source_row *v); /* the elements too */

/* Makes or updates the row of a configured source. *ret is its number. */
int sources_declare(struct db *db, const char *name, const char *kind, const char *role,
		    int rank, int64_t now_ms, int64_t *ret, struct err *err) MUST_USE;
int sources_get(struct db *db, const char *name, struct source_row *ret, struct err *err)
	MUST_USE;
int sources_by_id(struct db *db, int64_t id, struct source_row *ret, struct err *err) MUST_USE;
int sources_all(struct db *db, struct vec_source_row *into, struct err *err) MUST_USE;
/* Audited. STORE_UNCHANGED. */
int sources_state_set(struct db *db, int64_t source, enum source_state state, const char *who,
		      const char *why, int64_t now_ms, struct err *err) MUST_USE;
/* Remembers the identity at first sight; STORE_UNCHANGED when equal; STORE_STALE when another
 * one stands there (nothing is written: a person decides with replace). */
int sources_identity(struct db *db, int64_t source, const char *identity, bool replace,
		     struct err *err) MUST_USE;
/* Notes that a push source spoke (at most one write a minute). */
int sources_spoke(struct db *db, int64_t source, int64_t now_ms, struct err *err) MUST_USE;

/* Canaries: keys (or user names) of entries that every honest read must show. */
int sources_canaries_set(struct db *db, int64_t source, const struct str *keys, size_t count,
			 struct err *err) MUST_USE;

/* --- one read ------------------------------------------------------------------------------
 *
 * struct read_run lives in memory from begin to end; its marks of what was seen are a bit a
 * record. It is used on the writer's thread only. A crash between leaves an open read, which
 * the next begin closes as incomplete.
 */
struct read_run;

enum read_kind {
	READ_FULL,
	READ_DELTA, /* says nothing about what it did not send, and stands for no read */
	READ_PART,  /* says nothing about what it did not send either, but is an accepted read
		       when  it ended well: an HR export of changes, or the same export again */
};

int sources_read_begin(struct db *db, int64_t source, enum read_kind kind, int64_t now_ms,
		       struct read_run **ret, struct err *err) MUST_USE;
int64_t read_run_no(const struct read_run *run);
/* The number of the newest change to any record of the source, as the run left it or found it;
 * -1 when somebody else changed one since it began. */
int64_t read_run_newest(const struct read_run *run);
void read_run_free(struct read_run *run);
OWNED(struct read_run, read_run_free)

/* One entry as read. Nothing is kept of it but copies. */
struct read_entry {
	struct str key;     /* immutable: entryUUID, objectGUID, employee number */
	const json_t *doc;  /* SCIM User document; stored as canonical text; or */
	struct str bytes;   /* that text, where it is made already; p NULL: it is made of doc */
	struct str unknown; /* names of attributes not known, separated by blanks; "" none */
	uint64_t name;      /* facts_name() of its name in the directory; 0: it has none */
	int64_t *ret_place; /* NULL, or where the record's place among its source's goes, from
			       1; 0 of one that is not stored yet */
};

/* What became of an entry. */
struct read_counts {
	int64_t seen, fresh, changed, unchanged, returned; /* returned: was absent before */
	int64_t missing;       /* of those before, not seen (weigh) */
	int64_t before;        /* live records that the last accepted read had */
	int64_t disabled;      /* went from active to not active in this read */
	int64_t unknown;       /* entries with attributes not known */
	int64_t newly_unknown; /* of these: it was known when last stored */
	int64_t canaries, canaries_missing;
};

/* Compares and stages; batches of some hundred entries. An entry twice in a read: the later. */
int sources_read_put(struct db *db, struct read_run *run, const struct read_entry *entries,
		     size_t count, int64_t now_ms, struct err *err) MUST_USE;
/* Of entries that whoever reads knows to be, to the last byte, what the read before stored at
 * these places: counts them and marks them as seen, and looks at none. unknown: they have
 * attributes not known. Only if read_run_newest() is what it was at the end of that read. */
int sources_read_same(struct read_run *run, const uint32_t *places, size_t count, bool unknown,
		      struct err *err) MUST_USE;
/* Delta only: the server said that this entry is gone from its view. */
int sources_read_drop(struct db *db, struct read_run *run, struct str key, struct err *err)
	MUST_USE;

/* Counts what stands so far, for the judgement. */
int sources_read_weigh(struct db *db, struct read_run *run, struct read_counts *ret,
		       struct err *err) MUST_USE;

/* The bounds of plausibility, from the source's options. */
struct read_bounds {
	int64_t minimum;           /* fewest entries */
	int64_t drop_most;         /* entries that may be missing... */
	int64_t drop_permille;     /* ...or this share of those before, whichever is more */
	int64_t disabled_most;     /* entries that may turn disabled in one read... */
	int64_t disabled_permille; /* ...or this share; disabled_most -1: not judged */
	int64_t unknown_permille;  /* entries that may have lost an attribute that was known in
				      the last accepted read: this share; -1: not judged */
};
/* Pure. 0 when plausible, else bits of enum source_doubt (model/snapshot.h) but INCOMPLETE;
 * then reason says in words which bound, what was read, what was expected, and how to accept
 * it. */
unsigned sources_read_judge(const struct read_counts *counts, const struct read_bounds *bounds,
			    char *reason, size_t reason_room);

struct read_verdict {
	bool complete;      /* the end was reached: nobody can override that */
	unsigned doubts;    /* 0: plausible; else as sources_read_judge() says, or more */
	const char *reason; /* for people; NULL when complete and without doubts */
	int64_t now_ms;
	bool discard; /* not complete, and what it brought is not to be believed either */
};
/* Ends the read and lets it take effect as said at the top. *accepted (may be NULL). */
int sources_read_end(struct db *db, struct read_run *run, const struct read_verdict *verdict,
		     bool *accepted, struct err *err) MUST_USE;

/* A person accepts a complete, implausible newest read: it takes effect now; audited.
 * STORE_NOT_FOUND when there is none to accept. */
int sources_accept(struct db *db, int64_t source, int64_t read_no, const char *who,
		   const char *why, int64_t now_ms, struct err *err) MUST_USE;

/* History of reads, newest first, for people. Borrowed inside the call. */
struct read_row {
	int64_t no, kind, begun_ms, ended_ms; /* ended 0: still open */
	bool complete, accepted;
	unsigned doubts;
	struct str reason, accepted_by;
	struct read_counts counts;
};
typedef int (*read_row_fn)(void *ctx, const struct read_row *row, struct err *err);
int sources_reads(struct db *db, int64_t source, size_t most, read_row_fn fn, void *ctx,
		  struct err *err) MUST_USE;

/*
 * Law 1: records absent from at least reads consecutive accepted reads, the first of them at or
 * before since_ms, and not gone yet. They are candidates: the caller looks each up by id and
 * says sources_gone() or sources_not_gone(). Pages by record number.
 */
struct absent_row {
	int64_t record;
	struct str key;
	int64_t absent_reads, absent_since_ms;
};
typedef int (*absent_fn)(void *ctx, const struct absent_row *row, struct err *err);
int sources_gone_candidates(struct db *db, int64_t source, int64_t reads, int64_t since_ms,
			    int64_t after, size_t most, absent_fn fn, void *ctx,
			    struct err *err) MUST_USE;
/* The look-up said so. STORE_UNCHANGED. */
int sources_gone(struct db *db, int64_t record, int64_t now_ms, struct err *err) MUST_USE;
/* It is still there: the absence starts anew. */
int sources_not_gone(struct db *db, int64_t record, struct err *err) MUST_USE;

#endif
