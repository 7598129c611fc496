/*
 * Tables as files: the three forms in which rows go out (CSV, JSON Lines, a table for people),
 * and the columns of every export. A column is a row in a table here, so that a file's head,
 * the manual page and the program that reads the file agree. Pure: knows no store and no
 * socket.
 *
 * Columns are stable: names keep their meaning, new ones come at the end.
 *
 * CSV is RFC 4180: comma, CRLF, quotes doubled. A cell of text that a spreadsheet would take
 * for a formula (it begins with = + - @, also in their wide forms, tab, CR or LF, perhaps
 * behind blanks) is written with an apostrophe before it. So that this can be taken back, a
 * text that begins with apostrophes before such a character gets one more: whoever reads takes
 * one apostrophe off each cell that matches ^'+ *[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]. Unknown
 * and absent are both empty in CSV; in JSON Lines they are null.
 */
#ifndef BRIDGE_EXPORT_H
#define BRIDGE_EXPORT_H

#include "base/jx.h"

enum export_form { EXPORT_CSV, EXPORT_JSONL, EXPORT_TABLE, EXPORT_FORM_COUNT };
extern const char *const export_form_words[]; /* "csv", "jsonl", "table" */
bool export_form_of(struct str word, enum export_form *ret);

enum export_type {
	EXPORT_TEXT,
	EXPORT_INT,
	EXPORT_BOOL,    /* true, false */
	EXPORT_TIME,    /* RFC 3339, UTC */
	EXPORT_DECIMAL, /* hundredths: 1234 is 12.34 */
	EXPORT_LIST,    /* CSV: texts with "; " between them; JSON: an array */
};

struct export_column {
	const char *name;
	enum export_type type;
	unsigned width; /* of the table for people; longer values push the line */
	const char *help;
};

/* What can be exported; ended by a NULL name. Columns end with a NULL name. */
struct export_kind {
	const char *name;
	const struct export_column *columns;
};
extern const struct export_kind export_kinds[];
const struct export_kind *export_kind_of(struct str name); /* NULL: none */

/*
 * One line under way. Cells come in the order of the columns, each by the function of its type;
 * export_none() for what is unknown or absent. export_end() writes the line's end.
 */
struct export_line {
	enum export_form form;
	const struct export_column *columns;
	struct buf *into;
	size_t at;
};

void export_begin(struct export_line *l, enum export_form form,
		  const struct export_column *columns, struct buf *into);
void export_none(struct export_line *l);
void export_text(struct export_line *l, struct str text); /* empty: as none */
void export_int(struct export_line *l, int64_t value);
void export_bool(struct export_line *l, bool value);
void export_decimal(struct export_line *l, int64_t hundredths);
void export_time(struct export_line *l, int64_t ms);
/* count texts; none is an empty list. */
void export_list(struct export_line *l, const struct str *texts, size_t count);
/* The same, of the words between blanks. */
void export_words(struct export_line *l, struct str words);
void export_end(struct export_line *l);
/* A cell out of JSON, by its column's type: texts, integers (ms, hundredths), booleans, arrays;
 * anything else is none. */
void export_json(struct export_line *l, const json_t *value);

/* What stands before the first row: names of the columns (CSV, table); bom: of CSV, the bytes
 * EF BB BF before that. JSON Lines have none. */
void export_head(enum export_form form, const struct export_column *columns, bool bom,
		 struct buf *into);

/* One CSV cell as said above. */
void export_csv_cell(struct buf *into, struct str text);
/* What a cell says that was written so: without the apostrophe that was put before it. */
struct str export_csv_plain(struct str cell);

#endif
