/*
 * JSON over jansson: ownership, bounded parsing, and reading an object by a table of rows
 * instead of a ladder of json_object_get().
 */
#ifndef BASE_JX_H
#define BASE_JX_H

#include <jansson.h>

#include "base/buf.h"

static inline UNUSED void json_decref_at(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

/*
 * Where jansson takes its memory from now on; malloc() and free() before. Call it before the
 * first thread and the first document. All of jansson's memory has to come through here: its
 * scanner goes on without what it had no memory for, and only the allocator sees that.
 */
void jx_memory(void *(*take)(size_t size), void (*give)(void *p));

#define JX_MAX_DEPTH 32

/*
 * Parses one document: UTF-8, no duplicate members (also not but for case), no NUL, depth at
 * most JX_MAX_DEPTH, checked before jansson sees it. *ret is new. Fault: INVALID_SYNTAX with
 * byte offset; NOMEM. Answers of other people's servers may hold duplicates but for case: pass
 * JX_LENIENT for those.
 */
enum jx_mode { JX_STRICT, JX_LENIENT };
int jx_parse(struct str text, enum jx_mode mode, json_t **ret, struct err *err) MUST_USE;

/* Compact text with sorted keys: the same document is the same bytes. Adds to *into. */
int jx_canonical(const json_t *j, struct buf *into, struct err *err) MUST_USE;
/* Compact text, members in their order. */
int jx_text(const json_t *j, struct buf *into, struct err *err) MUST_USE;

/* One row: where a member goes. A missing optional member leaves the field as it was. */
enum jx_type {
	JX_TEXT,   /* char *: new copy, freed before if set; null leaves NULL */
	JX_STR,    /* struct str: borrowed from the document */
	JX_BOOL,   /* bool */
	JX_INT,    /* int64_t */
	JX_TIME,   /* int64_t ms from a dateTime string */
	JX_OBJECT, /* json_t *: borrowed; must be an object */
	JX_ARRAY,  /* json_t *: borrowed; must be an array */
	JX_ANY,    /* json_t *: borrowed */
};

struct jx_row {
	const char *name;
	enum jx_type type;
	size_t offset; /* offsetof() the field */
	bool required;
};

/* Rows end with a NULL name. Fault: PROTOCOL naming the member, what it was, what it should be.
 */
int jx_read(const json_t *object, const struct jx_row *rows, void *into, struct err *err)
	MUST_USE;

/* json_object_set_new() and friends that tell of lost memory; they steal value also on failure.
 */
int jx_set(json_t *object, const char *key, json_t *value, struct err *err) MUST_USE;
int jx_add(json_t *array, json_t *value, struct err *err) MUST_USE;

/* Text of a string member, or NULL. Borrowed. */
const char *jx_get_text(const json_t *object, const char *key);
/* Member by name, ASCII case ignored (RFC 7643 2.1). Borrowed. */
json_t *jx_get_i(const json_t *object, struct str name);

#endif
