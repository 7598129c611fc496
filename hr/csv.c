#include "hr/csv.h"

#include <csv.h>
#include <stdlib.h>

#include "hr/options.h"

struct hr_csv {
	struct csv_parser parser;
	bool ready; /* the parser is to be freed */
	char stops[5];
	hr_cells_fn fn;
	void *ctx;
	struct err *err;
	int r;
	struct buf text; /* of the row's values */
	struct hr_cell cells[HR_COLUMNS_MAX];
	size_t ends[HR_COLUMNS_MAX]; /* where each value ends in text */
	size_t n;
	size_t row_bytes, field_bytes;
	bool cr;               /* the last character was CR */
	uint64_t line, column; /* of the next character */
	uint64_t row_line, field_line, field_column;
};

static int never(unsigned char c)
{
	(void)c;
	return 0;
}

int hr_csv_new(char delimiter, hr_cells_fn fn, void *ctx, struct hr_csv **ret, struct err *err)
{
	CLEANUP(hr_csv_free_at) struct hr_csv *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->fn = fn;
	c->ctx = ctx;
	c->line = c->column = c->row_line = c->field_line = c->field_column = 1;
	memcpy(c->stops, (char[]){ delimiter, '"', '\r', '\n', '\0' }, 5);
	buf_init(&c->text, HR_ROW_MAX_BYTES);
	if (csv_init(&c->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
		return err_nomem(err);
	c->ready = true;
	csv_set_delim(&c->parser, (unsigned char)delimiter);
	csv_set_space_func(&c->parser, never); /* RFC 4180: blanks belong to the value */
	csv_set_realloc_func(&c->parser, realloc);
	csv_set_free_func(&c->parser, free);
	*ret = TAKE(c);
	return 0;
}

void hr_csv_free(struct hr_csv *c)
{
	if (!c)
		return;
	if (c->ready)
		csv_free(&c->parser);
	buf_done(&c->text);
	free(c);
}

void hr_csv_line(struct hr_csv *c, uint64_t line)
{
	c->line = c->row_line = c->field_line = line;
}

static int refuse(struct hr_csv *c, int code, uint64_t line, uint64_t column, const char *why)
{
	c->r = err_set(c->err, code, "line %llu, column %llu: %s", (unsigned long long)line,
		       (unsigned long long)column, why);
	return c->r;
}

static void on_field(void *text, size_t len, void *ctx)
{
	struct hr_csv *c = ctx;

	if (c->r < 0)
		return;
	if (c->n == HR_COLUMNS_MAX) {
		(void)refuse(c, ERR_LIMIT, c->field_line, c->field_column,
			     "more than 512 values in a row");
		return;
	}
	buf_add(&c->text, text, len);
	c->cells[c->n].line = c->field_line;
	c->cells[c->n].column = c->field_column;
	c->ends[c->n++] = c->text.len;
}

static void on_row(int end, void *ctx)
{
	struct hr_csv *c = ctx;
	bool blank = c->text.len == 0;
	size_t at = 0;

	(void)end;
	if (c->r == 0)
		c->r = buf_fault(&c->text, c->err, "a row");
	for (size_t i = 0; i < c->n; i++) {
		c->cells[i].text = str_n(c->text.p ? c->text.p + at : NULL, c->ends[i] - at);
		c->cells[i].name = (struct str){ 0 };
		at = c->ends[i];
	}
	if (c->r == 0 && !blank)
		c->r = c->fn(c->ctx, c->cells, c->n, c->err);
	buf_clear(&c->text);
	c->n = 0;
	c->row_bytes = 0;
}

/* Moves the place over what was parsed. */
static void pass(struct hr_csv *c, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char b = (unsigned char)s.p[i];
		bool after_cr = c->cr;

		c->cr = b == '\r';
		if (b == '\n' && after_cr)
			continue;
		if (b == '\n' || b == '\r') {
			c->line++;
			c->column = 1;
		} else if ((b & 0xC0) != 0x80) {
			c->column++;
		}
	}
}

static int not_csv(struct hr_csv *c)
{
	if (csv_error(&c->parser) != CSV_EPARSE)
		return c->r = err_nomem(c->err);
	return refuse(
		c, ERR_INVALID_SYNTAX, c->line, c->column,
		"a quote is out of place: a value with quotes in it stands in quotes, and "
		"each of its own is written twice");
}

/* One piece that ends, at most, in one character that means something. */
static int piece(struct hr_csv *c, struct str s)
{
	char last = s.p[s.len - 1];
	size_t fields = c->n, done;
	bool row_open = c->row_bytes > 0;

	if (c->row_bytes + s.len > HR_ROW_MAX_BYTES)
		return refuse(c, ERR_LIMIT, c->row_line, 1,
			      "the row that begins here is longer than 1 MiB");
	if (c->field_bytes + s.len > HR_FIELD_MAX_BYTES + 1)
		return refuse(
			c, ERR_LIMIT, c->field_line, c->field_column,
			"the value that begins here is longer than 64 KiB: is a quote never "
			"closed?");
	c->row_bytes += s.len;
	c->field_bytes += s.len;
	done = csv_parse(&c->parser, s.p, s.len, on_field, on_row, c);
	if (c->r < 0)
		return c->r;
	pass(c, str_n(s.p, done));
	if (done < s.len)
		return not_csv(c);
	/* a value has ended, or a line break stood between rows */
	if (c->n != fields || c->row_bytes == 0 || (!row_open && s.len == 1 && last < ' ')) {
		c->field_bytes = 0;
		c->field_line = c->line;
		c->field_column = c->column;
	}
	if (c->row_bytes == 0 || (!row_open && s.len == 1 && (last == '\r' || last == '\n'))) {
		c->row_bytes = 0;
		c->row_line = c->line;
	}
	return 0;
}

int hr_csv_add(struct hr_csv *c, struct str text, struct err *err)
{
	c->err = err;
	while (c->r == 0 && text.len) {
		size_t at = str_find_any(text, c->stops);
		size_t len = at < text.len ? at + 1 : at;

		/* long values in pieces, so that their bounds are seen */
		if (len > HR_FIELD_MAX_BYTES / 2)
			len = HR_FIELD_MAX_BYTES / 2;
		(void)piece(c, str_n(text.p, len));
		text = str_n(text.p + len, text.len - len);
	}
	return c->r;
}

int hr_csv_end(struct hr_csv *c, struct err *err)
{
	c->err = err;
	if (c->r < 0)
		return c->r;
	if (csv_fini(&c->parser, on_field, on_row, c) != 0 && c->r == 0)
		return refuse(
			c, ERR_INVALID_SYNTAX, c->field_line, c->field_column,
			"the quote that begins here is never closed: the file was cut, or a "
			"quote is out of place");
	return c->r;
}

bool hr_csv_first_row(struct str text, bool all, size_t *len)
{
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		quoted ^= text.p[i] == '"';
		if (!quoted && (text.p[i] == '\n' || text.p[i] == '\r')) {
			*len = i;
			return true;
		}
	}
	*len = text.len;
	return all;
}
