/*
 * References between the operations of a Bulk request (RFC 7644 section 3.7.2): the string
 * "bulkId:NAME" stands for the id of what the POST with that bulkId creates. It is found as a
 * whole string anywhere in an operation's data, and inside strings that are addresses or PATCH
 * paths ("path", "$ref"). Pure.
 */
#ifndef SCIM_BULK_REFS_H
#define SCIM_BULK_REFS_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

/* What is known of a name: the id to put there (borrowed), or NULL: not yet, and it was noted
 * by the callee. Below zero: a fault, of the operation that refers. */
typedef int (*bulk_id_fn)(void *ctx, struct str name, const char **ret, struct err *err);

/* Puts ids in place of the references in data, whose strings are changed. What has no id yet
 * stays. */
int bulk_refs_fill(json_t *data, bulk_id_fn fn, void *ctx, struct err *err) MUST_USE;
/* The same for one text: adds it to *into, filled. */
struct buf;
int bulk_refs_text(struct str text, bulk_id_fn fn, void *ctx, struct buf *into, struct err *err)
	MUST_USE;
/* Takes out what still refers: a string out of its object or list, and with it the object that
 * it was a part of, but never data itself. */
void bulk_refs_strip(json_t *data);

#endif
