#include "hr/ldif.h"

#include <stdlib.h>

#include "base/enc.h"
#include "hr/options.h"

struct hr_ldif {
	hr_cells_fn fn;
	void *ctx;
	int r;
	struct buf line;  /* one logical line, being gathered */
	uint64_t line_no; /* where it began */
	bool has_line;    /* something was begun, also if it is empty so far */
	bool fresh;       /* at the beginning of a physical line */
	bool cr, folded;  /* folded: the blank that goes before a continuation was passed */
	uint64_t at;      /* physical line of the next character */
	struct buf text;  /* names and values of the entry */
	struct hr_cell cells[HR_COLUMNS_MAX];
	size_t starts[HR_COLUMNS_MAX][3]; /* of name, value, end in text */
	size_t n;
};

int hr_ldif_new(hr_cells_fn fn, void *ctx, struct hr_ldif **ret, struct err *err)
{
	struct hr_ldif *l = calloc(1, sizeof(*l));

	if (!l)
		return err_nomem(err);
	l->fn = fn;
	l->ctx = ctx;
	l->fresh = true;
	l->at = 1;
	buf_init(&l->line, HR_ROW_MAX_BYTES);
	buf_init(&l->text, HR_ROW_MAX_BYTES);
	*ret = l;
	return 0;
}

void hr_ldif_free(struct hr_ldif *l)
{
	if (!l)
		return;
	buf_done(&l->line);
	buf_done(&l->text);
	free(l);
}

static int refuse(struct hr_ldif *l, int code, size_t column, struct err *err, const char *why)
{
	return err_set(err, code, "line %llu, column %zu: %s", (unsigned long long)l->line_no,
		       column, why);
}

static int entry_end(struct hr_ldif *l, struct err *err)
{
	int r = buf_fault(&l->text, err, "an entry");

	for (size_t i = 0; i < l->n; i++) {
		const size_t *s = l->starts[i];

		l->cells[i].name = str_n(l->text.p + s[0], s[1] - s[0]);
		l->cells[i].text = str_n(l->text.p + s[1], s[2] - s[1]);
	}
	if (r == 0 && l->n)
		r = l->fn(l->ctx, l->cells, l->n, err);
	l->n = 0;
	buf_clear(&l->text);
	return r;
}

static bool name_ok(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != ';' && c != '.' && c != '_')
			return false;
	}
	return name.len > 0 && name.len <= 256;
}

/* The first attribute of an entry names it, `version: 1` may stand before all. */
static int place_ok(struct hr_ldif *l, struct str name, struct str value, struct err *err)
{
	bool dn = str_ieq(name, STR("dn"));

	if (l->n == 0 && !dn)
		return refuse(
			l, ERR_INVALID_SYNTAX, 1, err,
			"an entry begins with dn: (RFC 2849); is a line lost, or a blank one "
			"too many?");
	if (l->n && dn)
		return refuse(l, ERR_INVALID_SYNTAX, 1, err,
			      "an entry begins within another: a blank line is missing");
	if (str_ieq(name, STR("changetype")))
		return refuse(l, ERR_INVALID_SYNTAX, 1, err,
			      "the file holds changes, not entries: export the entries");
	if (l->n == HR_COLUMNS_MAX)
		return refuse(l, ERR_LIMIT, 1, err, "more than 512 values in an entry");
	if (value.len > HR_FIELD_MAX_BYTES)
		return refuse(l, ERR_LIMIT, 1, err, "a value of more than 64 KiB");
	return 0;
}

static int add_cell(struct hr_ldif *l, struct str name, struct str value, size_t column,
		    struct err *err)
{
	size_t *s = l->starts[l->n];
	int r = place_ok(l, name, value, err);

	if (r < 0)
		return r;
	s[0] = l->text.len;
	buf_add_str(&l->text, name);
	s[1] = l->text.len;
	buf_add_str(&l->text, value);
	s[2] = l->text.len;
	l->cells[l->n++] = (struct hr_cell){ .line = l->line_no, .column = column };
	if (buf_fault(&l->text, NULL, "") == -ERR_LIMIT)
		return refuse(l, ERR_LIMIT, 1, err, "an entry of more than 1 MiB");
	return buf_fault(&l->text, err, "an entry");
}

static int base64_value(struct hr_ldif *l, struct str name, struct str value, size_t column,
			struct err *err)
{
	CLEANUP(buf_done) struct buf raw;
	int r;

	buf_init(&raw, HR_ROW_MAX_BYTES);
	if (!enc_unbase64(&raw, value))
		return refuse(l, ERR_INVALID_SYNTAX, column, err, "a value that is no base64");
	r = buf_fault(&raw, err, "a value");
	return r < 0 ? r : add_cell(l, name, buf_str(&raw), column, err);
}

static int line_end(struct hr_ldif *l, struct err *err)
{
	struct str s = buf_str(&l->line), name, value;
	size_t colon = str_find(s, ':'), skip = 1;
	char kind;

	if (s.len == 0)
		return entry_end(l, err);
	if (s.p[0] == '#')
		return 0;
	name = str_n(s.p, colon);
	if (colon == s.len || !name_ok(name))
		return refuse(
			l, ERR_INVALID_SYNTAX, 1, err,
			"expected \"attribute: value\", \"attribute:: base64\", a comment or "
			"a blank line");
	kind = colon + 1 < s.len ? s.p[colon + 1] : '\0';
	if (kind == '<')
		return refuse(l, ERR_INVALID_SYNTAX, colon + 2, err,
			      "a value by URL is not fetched");
	skip += kind == ':';
	value = str_n(s.p + colon + skip, s.len - colon - skip);
	while (value.len && value.p[0] == ' ')
		value = str_n(value.p + 1, value.len - 1);
	colon = (size_t)(value.p - s.p) + 1;
	if (l->n == 0 && str_ieq(name, STR("version"))) {
		if (str_eq(value, STR("1")))
			return 0;
		return refuse(l, ERR_INVALID_SYNTAX, colon, err,
			      "LDIF of another version than 1");
	}
	return kind == ':' ? base64_value(l, name, value, colon, err)
			   : add_cell(l, name, value, colon, err);
}

/* The gathered line is whole: the next one does not go on with it. */
static int flush(struct hr_ldif *l, struct err *err)
{
	int r = buf_fault(&l->line, err, "a line");

	if (r == 0)
		r = line_end(l, err);
	buf_clear(&l->line);
	l->has_line = false;
	return r;
}

static int newline(struct hr_ldif *l, struct err *err)
{
	int r = 0;

	l->at++;
	/* a line without anything ends the entry; a folded one may be empty */
	if (l->fresh && !l->folded) {
		if (l->has_line)
			r = flush(l, err);
		l->line_no = l->at - 1;
		if (r == 0)
			r = flush(l, err);
	}
	l->fresh = true;
	l->folded = false;
	return r;
}

static int character(struct hr_ldif *l, char c, struct err *err)
{
	int r = 0;

	if (c == '\n' && l->cr) {
		l->cr = false;
		return 0;
	}
	l->cr = c == '\r';
	if (c == '\r' || c == '\n')
		return newline(l, err);
	if (l->fresh && !l->folded && c == ' ') {
		if (!l->has_line) {
			l->line_no = l->at;
			return refuse(l, ERR_INVALID_SYNTAX, 1, err,
				      "a line goes on that was never begun");
		}
		l->folded = true;
		l->fresh = false;
		return 0;
	}
	if (l->fresh && l->has_line)
		r = flush(l, err);
	if (r == 0 && !l->has_line) {
		l->has_line = true;
		l->line_no = l->at;
	}
	l->fresh = false;
	if (r == 0 && l->line.len == HR_ROW_MAX_BYTES)
		return refuse(l, ERR_LIMIT, 1, err,
			      "the line that begins here is longer than 1 MiB");
	buf_add_char(&l->line, c);
	return r;
}

int hr_ldif_add(struct hr_ldif *l, struct str text, struct err *err)
{
	for (size_t i = 0; l->r == 0 && i < text.len; i++)
		l->r = character(l, text.p[i], err);
	return l->r;
}

int hr_ldif_end(struct hr_ldif *l, struct err *err)
{
	if (l->r == 0 && l->has_line)
		l->r = flush(l, err);
	if (l->r == 0)
		l->r = entry_end(l, err);
	return l->r;
}
