/*
 * From a row of an export to a SCIM User: columns by their declared forms, then model/map.
 *
 * One mapping belongs to one read and its thread. What cannot be read is never guessed: the
 * value's SCIM path is unknown, and the first of such values is told with line and column.
 */
#ifndef HR_MAPPING_H
#define HR_MAPPING_H

#include "hr/csv.h"
#include "hr/options.h"
#include "model/map.h"

struct hr_mapping;

/* Faults: CONFIG. */
int hr_mapping_new(const struct hr_options *o, struct hr_mapping **ret, struct err *err)
	MUST_USE;
void hr_mapping_free(struct hr_mapping *m);
OWNED(struct hr_mapping, hr_mapping_free)

/*
 * Holds a header against the columns that key, map, dates and patterns name. Fault:
 * INVALID_VALUE with line and column: a column missing (with the nearest that is there), one
 * that stands there twice. For LDIF it is not called.
 */
int hr_mapping_header(struct hr_mapping *m, const struct hr_cell *cells, size_t n,
		      struct err *err) MUST_USE;
/* How many of the columns that are needed stand in these cells; all: every one does. */
size_t hr_mapping_fits(const struct hr_mapping *m, const struct hr_cell *cells, size_t n,
		       bool *all);

/* The name of the i-th column where the settings name it, else empty. */
struct str hr_mapping_name(const struct hr_mapping *m, size_t i);

struct hr_person {
	char key[HR_KEY_MAX_BYTES + 1];
	struct map_result map;
	uint64_t line, column;      /* where the row's key stands */
	int64_t start_day, end_day; /* days since 1970; INT32_MIN and INT32_MAX: none */
	/* The first value that cannot be read: "line 7, column 3 (Last day): why", or "". */
	char bad[ERR_TEXT_BYTES];
};

/*
 * Maps one row; cells have their names. Fault: INVALID_VALUE with line and column: another
 * number of values than the header has, no key. *ret is the caller's to hr_person_done().
 */
int hr_mapping_apply(struct hr_mapping *m, struct hr_cell *cells, size_t n,
		     struct hr_person *ret, struct err *err) MUST_USE;
void hr_person_done(struct hr_person *p);

/* What was made of the last row's values before the map saw them: for --dry-run. */
struct str hr_mapping_cooked(const struct hr_mapping *m, size_t cell);

#endif
