/*
 * The form of the documents that a map makes: which members may stand in them, kept in the
 * order of canonical JSON (names by their bytes), so that a document is written as text at once
 * and no tree of it is built. Inside model/, for map.c.
 *
 * A form is filled while a map is compiled and immutable then; the values of one document stand
 * in a struct form_doc of whoever applies it.
 */
#ifndef MODEL_MAPFORM_H
#define MODEL_MAPFORM_H

#include <jansson.h>

#include "base/buf.h"
#include "base/vec.h"
#include "model/filter.h"

#define FORM_MEMBERS_MAX 16 /* different members of the elements of one list */

enum form_kind {
	FORM_VALUE,
	FORM_OBJECT,
	FORM_LIST,   /* of objects whose members are its children */
	FORM_SCHEMAS /* made of which extensions there are */
};

struct form_node {
	char *label; /* "\"name\":" */
	size_t name_len;
	enum form_kind kind;
	uint32_t child, next; /* the first; the sibling that follows it; 0: none */
	uint32_t member;      /* number among the members of a list's elements */
	bool extension;
};
VEC(form_nodes, struct form_node);

struct form {
	struct form_nodes nodes; /* 0 is the document */
};

/* Members that a bracket names: [type eq "work"]. */
struct form_given {
	uint32_t member;
	bool word; /* true or false */
	char *text;
};
VEC(form_givens, struct form_given);

/* Where the values of one row go. */
struct form_at {
	uint32_t top;  /* what is dropped when they are unknown */
	uint32_t leaf; /* where they stand */
	uint32_t list; /* 0: in none */
	bool each;     /* every value an element of its own */
	struct form_givens given;
};

int form_new(struct form *f, struct err *err) MUST_USE;
/* example (may be NULL): the members that to's bracket names. *ret is new, the caller's to
 * form_at_done(). Fault: CONFIG, NOMEM. */
int form_add(struct form *f, const struct filter_target *to, const json_t *example, bool each,
	     struct form_at *ret, struct err *err) MUST_USE;
void form_at_done(struct form_at *at);
void form_done(struct form *f);

/* Bytes of form_doc.texts. */
struct form_span {
	uint32_t from, len;
	enum { FORM_NOTHING, FORM_TEXT, FORM_WORD } is; /* WORD: true or false */
};
VEC(form_spans, struct form_span);
struct form_element {
	uint32_t list; /* 0: dropped */
	struct form_span v[FORM_MEMBERS_MAX];
};
VEC(form_elements, struct form_element);

/* The values of one document; zeroed but for texts, which has its ceiling. */
struct form_doc {
	struct buf texts;
	struct form_spans values; /* by node */
	struct form_elements elements;
};

/* Empties it, for a document of that form. */
int form_begin(const struct form *f, struct form_doc *doc, struct err *err) MUST_USE;
/* What was added to doc->texts from there on is one more value of the row; word: it is true or
 * false and no text. */
int form_put(const struct form *f, struct form_doc *doc, const struct form_at *at, size_t from,
	     bool word, struct err *err) MUST_USE;
void form_drop(const struct form *f, struct form_doc *doc, const struct form_at *at);
/* Adds the canonical text. */
void form_write(const struct form *f, const struct form_doc *doc, struct buf *into);
/* The same as a tree, without schemas. *ret is new. */
int form_tree(const struct form *f, const struct form_doc *doc, json_t **ret, struct err *err)
	MUST_USE;
void form_doc_done(struct form_doc *doc);

#endif
