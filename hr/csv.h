/*
 * CSV by RFC 4180 (libcsv, strict), as rows with the place of each value.
 *
 * Text comes in pieces, rows go out one at a time; what is kept is one row, within
 * HR_ROW_MAX_BYTES, HR_FIELD_MAX_BYTES and HR_COLUMNS_MAX. CR, LF and CRLF end rows; blank
 * lines and rows without any value are left out; blanks belong to a value. A quote within an
 * unquoted value, text behind a closing quote and a quote that is never closed are refused.
 */
#ifndef HR_CSV_H
#define HR_CSV_H

#include "base/buf.h"

/* One value. line, column: where it begins, from 1, in characters. */
struct hr_cell {
	struct str name; /* of its column or attribute */
	struct str text;
	uint64_t line, column;
};

/* Borrowed during the call; a fault ends the reading with it. */
typedef int (*hr_cells_fn)(void *ctx, struct hr_cell *cells, size_t n, struct err *err);

struct hr_csv;

int hr_csv_new(char delimiter, hr_cells_fn fn, void *ctx, struct hr_csv **ret, struct err *err)
	MUST_USE;
void hr_csv_free(struct hr_csv *c);
OWNED(struct hr_csv, hr_csv_free)

/* Faults: INVALID_SYNTAX and LIMIT with line and column; what fn returns. */
int hr_csv_add(struct hr_csv *c, struct str text, struct err *err) MUST_USE;
int hr_csv_end(struct hr_csv *c, struct err *err) MUST_USE;

/* Before anything was added: the text that comes begins at this line. */
void hr_csv_line(struct hr_csv *c, uint64_t line);

/* True when the text holds a whole row (a line break outside of quotes), or all of it is the
 * row: *len is its length. */
bool hr_csv_first_row(struct str text, bool all, size_t *len);

#endif
