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

#endif
