/*
 * The columns of a record, taken from its document, and the two statements that write them.
 * Inside store/: records.c for pushed records, sources.c for pulled ones.
 */
#ifndef STORE_SHAPE_H
#define STORE_SHAPE_H

#include "base/digest.h"
#include "base/vec.h"
#include "model/account.h"
#include "store/db.h"

#define SHAPE_HASH_BYTES 16

struct shape_text {
	char *p;
	size_t len;
};
VEC(vec_shape_text, struct shape_text);

struct shape {
	struct str user_name, external_id, display; /* borrowed from the bytes, or of own */
	struct shape_text user_fold, display_fold;
	struct vec_shape_text mails; /* e-mails, folded, each once */
	struct vec_shape_text own;   /* texts that stand escaped in the bytes */
	enum tri active;
	unsigned char hash[SHAPE_HASH_BYTES]; /* of document bytes and unknown */
};

/* bytes, a document's JSON, must live as long as the shape. No tree is built of it: of a record
 * five members count. Fault: INVALID_SYNTAX when it is no object. */
int shape_of(struct str bytes, struct str unknown, struct shape *ret, struct err *err) MUST_USE;
void shape_done(struct shape *s);
/* True when the blank-separated names hold name. */
bool shape_has_word(struct str words, struct str name);

/* Numbers of a source's records (and of its groups) lie together, so that its pages are ranges
 * of the table: from SHAPE_FIRST(source) up to SHAPE_LAST(source). */
#define SHAPE_FIRST(source) (((int64_t)(source) << 40) + 1)
#define SHAPE_LAST(source) ((((int64_t)(source) + 1) << 40) - 1)

/* What stands in the table before. */
struct shape_before {
	int64_t id; /* 0: nothing */
	int64_t version, disabled_since_ms, ended_ms, person;
	enum tri active;
	bool gone, deleted;
	int64_t absent_reads;
	unsigned char hash[SHAPE_HASH_BYTES];
};
/* With deleted ones; ret->id 0 when there is none. unknown (may be NULL): the stored names,
 * appended. */
int shape_find(struct db *db, int64_t source, struct str key, struct shape_before *ret,
	       struct buf *unknown, struct err *err) MUST_USE;

/* By which name others of its source mean a record; it is no part of its version. */
int shape_name(struct db *db, int64_t id, uint64_t name, struct err *err) MUST_USE;

struct shape_write {
	int64_t source;
	struct str key, bytes, unknown;
	uint64_t name; /* facts_name() by which others of the source mean it; 0: none */
	int64_t now_ms;
	bool push;    /* not active means ended */
	int64_t read; /* pulled: the read that showed it */
	int64_t id;   /* of a new one, where whoever writes knows the next number; else 0 */
};
/* Inserts what is likely new, without a look for it first. STORE_UNCHANGED where a record of
 * that key is there: nothing was written. */
int shape_add(struct db *db, const struct shape *shape, const struct shape_write *w,
	      int64_t *ret_id, struct err *err) MUST_USE;
/* Inserts (before->id 0) or updates, addresses too; absence ends. *ret_id may be NULL. */
int shape_put(struct db *db, const struct shape *shape, const struct shape_before *before,
	      const struct shape_write *w, int64_t *ret_id, struct err *err) MUST_USE;

/* Adds to the counters of a source. */
int shape_count(struct db *db, int64_t source, int64_t users, int64_t active, int64_t groups,
		struct err *err) MUST_USE;

#endif
