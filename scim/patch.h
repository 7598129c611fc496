/*
 * PATCH: RFC 7644 section 3.5.2, with the oddities of the clients we know: each is a case in
 * tests/data/scim/patch.json.
 *
 * patch_parse() checks the envelope, reads every path and needs no resource, so it runs where
 * the request came in. patch_apply() changes a document, one operation after the other, each
 * seeing what the one before left; it runs on the writer thread. A fault leaves the document
 * half changed: the caller has it work on a copy. Both are pure.
 */
#ifndef SCIM_PATCH_H
#define SCIM_PATCH_H

#include "model/validate.h"
#include "scim/backend.h"
#include "scim/members.h"

#define PATCH_URN "urn:ietf:params:scim:api:messages:2.0:PatchOp"

struct patch;

struct patch_options {
	enum scim_type type;
	unsigned profile; /* SCIM_x */
	size_t max_operations;
	const char *base; /* our address, for $ref in filters; NULL: none */
};

/*
 * Reads a PatchOp message. body is borrowed for as long as *ret lives. Members of a path-less
 * value become operations of their own.
 * Faults: INVALID_SYNTAX (envelope), TOO_LARGE (operations), INVALID_PATH, INVALID_FILTER,
 * INVALID_VALUE (value missing), NO_TARGET (remove without a path), MUTABILITY (readOnly).
 */
int patch_parse(const json_t *body, const struct patch_options *options, struct patch **ret,
		struct coercions *coercions, struct err *err) MUST_USE;
void patch_free(struct patch *p);
OWNED(struct patch, patch_free)

/*
 * Applies it to doc, a clean document with its id, which is changed in place. members takes
 * what a group's patch wants of its members (empty at the start; NULL for users); before is
 * asked only where a path's filter needs to know who is one.
 * Faults: NO_TARGET, MUTABILITY, INVALID_VALUE, INVALID_PATH.
 */
int patch_apply(const struct patch *p, json_t *doc, struct membership *members,
		const struct scim_before *before, struct coercions *coercions, struct err *err)
	MUST_USE;

#endif
