/*
 * What the rows of a key table cannot say: keys that need each other, texts that must parse.
 * A check goes through all of a section and gathers every fault, under the section's mark.
 *
 *     struct conf_check c = { .mark = &o->mark, .faults = faults };
 *     if (o->path && o->folder)
 *             conf_check_bad(&c, "folder", "expected path or folder, not both");
 *     return conf_check_end(&c, err);
 */
#ifndef BASE_CONF_CHECK_H
#define BASE_CONF_CHECK_H

#include "base/conf.h"

struct conf_check {
	const struct conf_mark *mark;
	struct conf_faults *faults; /* may be NULL: only the first is told then */
	struct err first;           /* "KEY: SENTENCE" */
	int r;
};

/* A fault of that key; the check goes on. */
void conf_check_bad(struct conf_check *c, const char *key, const char *format, ...)
	PRINTF(3, 4);
/* Memory was lost: whatever else is found, that is told. */
void conf_check_nomem(struct conf_check *c);
/* 0 without a fault, else -ERR_CONFIG with the first, or -ERR_NOMEM. err may be NULL. */
int conf_check_end(const struct conf_check *c, struct err *err) MUST_USE;

#endif
