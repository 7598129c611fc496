/*
 * Templates: text with {{variable}}, and parts that are there only if a variable says
 * something.
 *
 *     {{name}}                 its value
 *     {{#name}} ... {{/name}}  only where its value is not empty
 *     {{^name}} ... {{/name}}  only where it is
 *
 * A mark of a part that stands alone on its line takes the line with it. Which variables there
 * are is the caller's to say; another one is a fault when the template is read, never an empty
 * place when it is used. There is no logic beyond that. A template is immutable; any thread.
 */
#ifndef BASE_TEMPLATE_H
#define BASE_TEMPLATE_H

#include "base/buf.h"

#define TEMPLATE_MAX_BYTES 65536
#define TEMPLATE_MAX_VARIABLES 64
#define TEMPLATE_MAX_DEPTH 8

struct template;

/* Where a fault stands; both count from 1. */
struct template_place {
	size_t line, column;
};

/*
 * Reads text, which is copied. names: the variables, NULL-terminated, static. Fault:
 * INVALID_SYNTAX beginning with "LINE:COLUMN: ", *at (may be NULL) too; LIMIT; NOMEM.
 */
int template_parse(struct template **ret, struct str text, const char *const *names,
		   struct template_place *at, struct err *err) MUST_USE;
void template_free(struct template *t);
OWNED(struct template, template_free)

enum template_form {
	TEMPLATE_PLAIN, /* values as they are */
	TEMPLATE_HTML,  /* values with & < > " ' escaped: text and quoted attributes alike */
};

/*
 * Adds the text with values in place: values[i] belongs to names[i]. What is neither text nor a
 * line's end in a value (control characters) becomes a blank. The caller asks buf_fault().
 */
void template_fill(const struct template *t, const struct str *values, enum template_form form,
		   struct buf *into);

/* Adds s with & < > " ' escaped. */
void template_escape(struct buf *into, struct str s);

#endif
