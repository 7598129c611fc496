/*
 * A document held against the schema tables: types checked, the tolerances of
 * COERCION_LIST applied and counted, the rest refused; the result spelled and ordered as the
 * schemas say. Pure; safe on every thread; the input is never changed.
 *
 * What the result never holds: null, [] and {} (RFC 7643 2.5: unassigned), readOnly
 * attributes (id, meta, groups), writeOnly ones (password: dropped at once), names that no
 * schema knows. Texts are kept as they were sent: nothing is reformatted.
 */
#ifndef MODEL_VALIDATE_H
#define MODEL_VALIDATE_H

#include <jansson.h>

#include "model/schema.h"

/* clang-format off */
#define VALIDATE_MAX_VALUES 1000 /* of a multi-valued attribute, but for members of a group */

/* What was put right without being asked: symbol, word in metrics. */
#define COERCION_LIST(X)                                                       \
	X(OP_CASE,        "op-case")        /* "Add" for add */                 \
	X(BOOLEAN,        "boolean")        /* "True" for true */               \
	X(ARRAY,          "array")          /* one for a list of one, or back */\
	X(SCALAR,         "scalar")         /* "x" for {"value":"x"} */         \
	X(SELECTOR,       "selector")       /* remove with a value */           \
	X(KEY_PATH,       "key-path")       /* {"name.givenName":...} */        \
	X(CREATED,        "created")        /* path[eq] without a match */      \
	X(UNKNOWN_URN,    "unknown-urn")    /* in schemas */                    \
	X(UNKNOWN_NAME,   "unknown-name")   /* a member no schema knows */      \
	X(ALIAS,          "alias")          /* managerId, displayName */        \
	X(JSON_TEXT,      "json-text")      /* an object inside a string */     \
	X(READ_ONLY,      "read-only")      /* echoes of what we sent */        \
	X(NUMBER,         "number")         /* 7 for "7" */                     \
	X(DATE,           "date")           /* a dateTime for a date */         \
	X(SHORT_URN,      "short-urn")      /* URN.name, bare manager */        \
	X(NAME_CASE,      "name-case")      /* USERNAME */
/* clang-format on */

enum coercion {
#define X(symbol, word) COERCION_##symbol,
	COERCION_LIST(X)
#undef X
		COERCION_COUNT
};

/* Words of the coercions, for metrics labels. */
extern const char *const coercion_words[COERCION_COUNT];

struct coercions {
	uint32_t n[COERCION_COUNT];
};

/* Tolerances that not every sender gets. */
enum {
	VALIDATE_JSON_TEXT = 1, /* unwrap '{"value":...}' inside a string (Entra roles) */
	VALIDATE_OLD_URNS = 2,  /* urn:scim:schemas:core:1.0 is the core User or Group */
};

/*
 * Reads a whole resource of schema base (schema_user with the extensions of User, or
 * schema_group). *ret is new: schemas (base and the extensions that have data), externalId,
 * attributes, extension containers, in the order of the tables.
 * Faults: INVALID_SYNTAX (not an object; schemas missing, empty or of another type),
 * INVALID_VALUE naming the attribute (type; required and missing; two primaries; too many).
 */
int validate_document(const json_t *in, const struct schema *base, unsigned tolerate,
		      json_t **ret, struct coercions *coercions, struct err *err) MUST_USE;

/*
 * One value of one attribute, as PATCH has it. For a multi-valued attribute *ret is an array.
 * *ret is new, or NULL when the value is unassigned (null, [], {}). what names it in faults.
 */
int validate_value(const struct schema_attr *attr, const json_t *in, const char *what,
		   unsigned tolerate, json_t **ret, struct coercions *coercions,
		   struct err *err) MUST_USE;
/* The same for one element of a multi-valued attribute (or a single value). */
int validate_element(const struct schema_attr *attr, const json_t *in, const char *what,
		     unsigned tolerate, json_t **ret, struct coercions *coercions,
		     struct err *err) MUST_USE;

/* RFC 7643 section 2.4: two elements with the same type and value, of which only one is kept,
 * or that are equal. */
bool validate_twins(const json_t *a, const json_t *b);

/* Required attributes are there, no attribute has two primaries. Fault: INVALID_VALUE. */
int validate_whole(const json_t *doc, const struct schema *base, struct err *err) MUST_USE;

/*
 * The same resource in the tables' order with schemas made anew from what is there (and empty
 * containers gone): what PATCH calls last. *ret is new.
 */
int validate_order(const json_t *doc, const struct schema *base, json_t **ret, struct err *err)
	MUST_USE;

#endif
