/*
 * The one query tree: what a SCIM filter (RFC 7644 3.4.2.2) or a policy's `when` says, and the
 * one evaluator over it, two-valued for SCIM, three-valued (Kleene) for policy.
 *
 * The tree knows nothing of where values are: a struct query_reader hands them over (a JSON
 * document, a row of columns, a row of SQL). Trees are immutable once bound and may be shared.
 */
#ifndef MODEL_QUERY_H
#define MODEL_QUERY_H

#include "base/buf.h"
#include "model/path.h"

enum query_kind {
	QUERY_AND,  /* left, right */
	QUERY_OR,   /* left, right */
	QUERY_NOT,  /* left */
	QUERY_TEST, /* path op value */
	QUERY_PART, /* path[left]: one element of a multi-valued attribute satisfies left */
};

enum query_op {
	QUERY_EQ,
	QUERY_NE,
	QUERY_CO,
	QUERY_SW,
	QUERY_EW,
	QUERY_GT,
	QUERY_GE,
	QUERY_LT,
	QUERY_LE,
	QUERY_PR
};

enum value_type {
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_INT,
	VALUE_DECIMAL,
	VALUE_TEXT, /* compared by the attribute's caseExact: folded (str_fold) or exact */
	VALUE_TIME, /* ms */
	VALUE_NOW, /* literal only: the round's now plus .integer ms ("now-90d"); policy dialect
		    */
	VALUE_BINARY, /* decoded bytes in text */
};

struct value {
	enum value_type type;
	bool boolean; /* BOOL; of a TEXT that a $ref is compared with: it is an address of our
		       * own
		       */
	int64_t integer; /* INT, TIME (ms), NOW (offset in ms) */
	double decimal;
	struct str text; /* literal: owned by the tree; from a reader: borrowed until its next
			    call */
};

/* What is known of an attribute of one node. */
enum value_state { VALUE_ABSENT, VALUE_PRESENT, VALUE_UNKNOWN };

struct query {
	enum query_kind kind;
	struct query *left, *right;
	struct path path;
	enum query_op op;
	struct value value;  /* TEXT literals of caseExact:false attributes are stored folded in
				.folded */
	char *text, *folded; /* owners of value.text; folded NULL where the attribute is
				caseExact */
	size_t folded_len;
	size_t at; /* byte offset of the term in the text it came from */
};

void query_free(struct query *q);
OWNED(struct query, query_free)

/* Canonical text of a tree (parenthesised only where needed), for reports; parses back to the
 * same. */
void query_text(const struct query *q, struct buf *into);

/* Calls fn for every path of the tree, so that a reader can set path->slot (or refuse: fn < 0
 * ends). */
int query_each_path(struct query *q, int (*fn)(void *ctx, struct path *path, struct err *err),
		    void *ctx, struct err *err) MUST_USE;

/*
 * The object that an `and` of `eq` describes: {"type":"work"} for `type eq "work"`; what PATCH
 * and maps create when nothing matches. 0 with *ret new (a json_t *), QUERY_NO_EXAMPLE for any
 * other form, or NOMEM.
 */
enum { QUERY_NO_EXAMPLE = 1 };
struct json_t;
int query_example(const struct query *q, struct json_t **ret, struct err *err) MUST_USE;

/* Where a reader stands: its own meaning, e.g. a json_t * or a row number. */
struct query_node {
	const void *p;
	uint64_t i;
};

struct query_reader {
	/*
	 * How many values path has under node: writes *count and returns the state. A simple
	 * attribute has 0 or 1; a sub-attribute of a multi-valued one (emails.value) one for
	 * each element that has it (or one for each element, VALUE_NULL for those without);
	 * ABSENT means count 0. `pr` of a complex attribute asks with sub NULL: PRESENT means
	 * that some sub-attribute has a value, count is then not looked at.
	 */
	enum value_state (*count)(void *ctx, struct query_node node, const struct path *path,
				  size_t *count);
	/*
	 * The i-th of them. Text must be as stored; the evaluator folds where the attribute
	 * says so, unless *folded is set true by the reader (columns that keep folded text).
	 * dateTime and date are VALUE_TIME; binary is VALUE_TEXT, base64 as stored. VALUE_NULL
	 * is a value that compares with nothing (an element without it, malformed data).
	 */
	void (*value)(void *ctx, struct query_node node, const struct path *path, size_t i,
		      struct value *ret, bool *folded);
	/* Elements of a multi-valued complex attribute, or of a part such as seats: the same
	 * pair. */
	enum value_state (*parts)(void *ctx, struct query_node node, const struct path *path,
				  size_t *count);
	struct query_node (*part)(void *ctx, struct query_node node, const struct path *path,
				  size_t i);
};

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

/*
 * QUERY_SCIM: two values; ABSENT: eq co sw ew gt ge lt le false, ne true, pr false; UNKNOWN is
 * treated as ABSENT (a SCIM document has none).
 * QUERY_POLICY: Kleene. ABSENT compares false (ne included: `ne` of an absent value is false,
 * say `not (a pr)`), pr of ABSENT is false, anything of UNKNOWN is unknown; a part is true if
 * one element is true, unknown if none is true and one (or the list itself) is unknown.
 */
enum query_logic { QUERY_SCIM, QUERY_POLICY };

/*
 * Pure; now_ms resolves VALUE_NOW. Allocates only to fold a text that is not ASCII, or to
 * decode a binary; if that memory is lost the test is TRUTH_UNKNOWN in either logic.
 */
enum truth query_eval(const struct query *q, const struct query_reader *reader, void *ctx,
		      struct query_node node, enum query_logic logic, int64_t now_ms);

/* The reader over a SCIM document: ctx unused, node.p is the json_t *. */
extern const struct query_reader query_json_reader;

#endif
