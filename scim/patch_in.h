/*
 * A PATCH on its way: what the files of scim/patch.h share.
 *
 *     patch_read.c     the message into operations: paths, keys as paths, JSON inside a text
 *     patch_value.c    one value: simple ones, and complex ones merged
 *     patch_list.c     one of many: lists, and path[filter]
 *     patch_members.c  members of a group, which are rows and not in the document
 *     patch.c          one operation after the other
 *
 * Each of the functions that change something takes one operation and the object that holds the
 * attribute (the document, or an extension in it). 0 or a fault, told in a->err.
 */
#ifndef SCIM_PATCH_IN_H
#define SCIM_PATCH_IN_H

#include "base/jx.h"
#include "base/vec.h"
#include "model/filter.h"
#include "model/schema.h"
#include "scim/patch.h"

#define WHAT_BYTES 200

enum verb { ADD, REPLACE, REMOVE };

struct op {
	enum verb verb;
	struct filter_target to; /* to.path.name NULL: a whole extension */
	const json_t *value;     /* NULL: none was given (remove only) */
	bool from_key; /* was a member of a path-less value: echoes of ours are forgiven */
};

VEC(op_vec, struct op);

struct patch {
	enum scim_type type;
	unsigned profile, tolerate;
	struct op_vec ops;
	json_t *unwrapped; /* values that came as JSON inside a string; an array */
};

struct applying {
	const struct patch *p;
	json_t *doc;
	struct membership *members;
	const struct scim_before *before;
	struct coercions *coercions;
	struct err *err;
};

static inline UNUSED void count(struct coercions *c, enum coercion what)
{
	if (c)
		c->n[what]++;
}

static inline UNUSED struct str text_of(const json_t *j)
{
	return str_n(json_string_value(j), json_string_length(j));
}

/* patch_read.c: `schemas` itself; an attribute that only we write, or a part of one. */
bool patch_is_schemas(const struct path *path);
bool patch_is_read_only(const struct filter_target *to);

/* patch_value.c. "name.givenName", for faults. */
const char *patch_what(const struct op *op, char into[WHAT_BYTES]);
/* Holds value; the caller keeps its own hold. */
int patch_set(struct applying *a, json_t *object, const char *name, json_t *value) MUST_USE;
/* The object of that name, made where there is none. *ret is borrowed. */
int patch_child(struct applying *a, json_t *object, const char *name, json_t **ret) MUST_USE;
int patch_simple(struct applying *a, const struct op *op, const struct schema_attr *attr,
		 json_t *object) MUST_USE;
int patch_merge(struct applying *a, const struct schema_attr *attr, const json_t *raw,
		json_t *clean, json_t *object) MUST_USE;
int patch_complex(struct applying *a, const struct op *op, json_t *container) MUST_USE;

/* patch_list.c */
int patch_list(struct applying *a, const struct op *op, json_t *container) MUST_USE;
int patch_list_sub(struct applying *a, const struct op *op, json_t *container) MUST_USE;
int patch_filtered(struct applying *a, const struct op *op, json_t *container) MUST_USE;
int patch_single_filtered(struct applying *a, const struct op *op, json_t *container) MUST_USE;
/* Whether an element matches: 1, 0 or a fault. */
int patch_matches(struct applying *a, const struct query *where, const json_t *element)
	MUST_USE;
/* The element that the filter of the path describes; *ret is new. */
int patch_element_create(struct applying *a, const struct op *op, json_t **ret) MUST_USE;

/* patch_members.c: into a->members. */
int patch_members(struct applying *a, const struct op *op) MUST_USE;

#endif
