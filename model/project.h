/*
 * Projection: the cells of a record, out of its SCIM User document. The one place where JSON
 * documents and facts meet; reconcile never sees a document.
 */
#ifndef MODEL_PROJECT_H
#define MODEL_PROJECT_H

#include <jansson.h>

#include "model/snapshot.h"

/*
 * Fills every column of the record from doc: what the document has is its value, what it lacks
 * is absent, and what stands in unknown (canonical paths, or a name that covers its
 * sub-attributes) stays unknown, as does a value of the wrong type or a date that does not
 * parse. Fault: NOMEM, LIMIT.
 */
int facts_project(struct facts *f, uint32_t record, const json_t *doc,
		  const struct str *unknown, size_t unknown_count, struct err *err) MUST_USE;

/* Only the columns of that name, from a document that may hold nothing else. */
int facts_project_name(struct facts *f, uint32_t record, struct str name, const json_t *doc,
		       const struct str *unknown, size_t unknown_count, struct err *err)
	MUST_USE;

/*
 * Which members the columns ask for, found out once; for any number of documents of the facts
 * that have these columns, one thread at a time. *ret is new and borrows from columns. Fault:
 * NOMEM.
 */
struct projection;
int projection_new(const struct facts_columns *columns, struct projection **ret,
		   struct err *err) MUST_USE;
void projection_free(struct projection *p);
OWNED(struct projection, projection_free)

/*
 * What facts_project() makes of the document whose text this is, without a tree: the members
 * that count are looked for in the text. It must be a document as it was stored, valid JSON,
 * for nothing else of it is looked at; the cells of the record must not have been filled
 * before. A document with escapes, or with a number that is no plain integer where one is
 * asked for, is parsed after all. Fault: NOMEM, LIMIT; INVALID_SYNTAX where what should be
 * jumped over cannot be.
 */
int facts_project_text(struct facts *f, struct projection *p, uint32_t record, struct str doc,
		       const struct str *unknown, size_t unknown_count, struct err *err)
	MUST_USE;

#endif
