/*
 * SCIM filters: the text of RFC 7644 section 3.4.2.2 (with the errata, and the tolerances
 * named below), read into a query. Pure: no I/O, no state, safe on every thread.
 */
#ifndef MODEL_FILTER_H
#define MODEL_FILTER_H

#include "model/query.h"

#define FILTER_MAX_BYTES 8192 /* longer texts are refused, not truncated */
#define FILTER_MAX_DEPTH 32   /* parentheses, "not" and valuePath together */
#define FILTER_MAX_TERMS 100

/*
 * Reads the whole of text into *ret, new and the caller's to query_free(). In the PATH_POLICY
 * dialects also: now, now-90d, now+12h as values; owners person. and account.; parts
 * seats[...], accounts[...], also one in the other. Types are checked against the schema row of
 * each path (RFC 7644: ordering of booleans and so on). Fault: INVALID_FILTER naming the byte
 * offset; *ret as it was.
 *
 * The tree is in normal form: `emails co "x"` asks emails.value, `a eq null` is `not (a pr)`,
 * `a ne null` is `a pr`, `emails[f].value eq "x"` (Entra) is `emails[f and value eq "x"]`,
 * "True" for a boolean attribute is true, 7 for a string attribute is "7".
 */
int filter_parse(struct str text, enum path_dialect dialect, struct query **ret,
		 struct err *err) MUST_USE;

/* The bracket of a PATCH path: `emails[type eq "work"].value`: owner path, its filter, the
 * tail. */
struct filter_target {
	struct path path;    /* emails */
	struct query *where; /* NULL without a bracket */
	char *sub;           /* value; NULL without */
	const struct schema_attr *sub_attr;
};
/* Fault: INVALID_PATH, or INVALID_FILTER inside the bracket. */
int filter_target_parse(struct str text, enum path_dialect dialect, struct filter_target *ret,
			struct err *err) MUST_USE;
void filter_target_done(struct filter_target *t); /* NULL and twice are fine */

#endif
