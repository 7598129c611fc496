#include "base/template.h"

#include "base/vec.h"

enum part_kind { PART_TEXT, PART_VALUE, PART_IF, PART_UNLESS };

/* Parts stand in order; of a part that may be left out, end is the place after its last one. */
struct part {
	enum part_kind kind;
	size_t from, len; /* PART_TEXT: where in text */
	size_t name;
	size_t end;
};
VEC(vec_part, struct part);

struct template
{
	char *text;
	struct vec_part parts;
};

struct reading {
	struct template *t;
	struct str text;
	const char *const *names;
	size_t at;
	size_t open[TEMPLATE_MAX_DEPTH];  /* numbers of parts */
	size_t where[TEMPLATE_MAX_DEPTH]; /* where they begin, for faults */
	size_t depth;
};

static struct template_place place_of(struct str text, size_t at)
{
	struct template_place place = { 1, 1 };

	for (size_t i = 0; i < at && i < text.len; i++) {
		place.column++;
		if (text.p[i] == '\n')
			place = (struct template_place){ place.line + 1, 1 };
	}
	return place;
}

static int fault_at_place(const struct reading *r, size_t at, struct template_place *ret,
			  struct err *err, const char *format, ...) PRINTF(5, 6);

static int fault_at_place(const struct reading *r, size_t at, struct template_place *ret,
			  struct err *err, const char *format, ...)
{
	struct template_place place = place_of(r->text, at);
	va_list args;

	va_start(args, format);
	(void)err_vset(err, ERR_INVALID_SYNTAX, format, args);
	va_end(args);
	if (ret)
		*ret = place;
	if (err) {
		char text[ERR_TEXT_BYTES];

		memcpy(text, err->text, sizeof(text));
		return err_set(err, ERR_INVALID_SYNTAX, "%zu:%zu: %s", place.line, place.column,
			       text);
	}
	return -ERR_INVALID_SYNTAX;
}

static bool name_find(const struct reading *r, struct str name, size_t *ret)
{
	for (size_t i = 0; r->names[i]; i++)
		if (str_eq(name, str_of(r->names[i]))) {
			*ret = i;
			return true;
		}
	return false;
}

static int part_add(struct reading *r, struct part part, struct err *err)
{
	return vec_part_add(&r->t->parts, part) < 0 ? err_nomem(err) : 0;
}

static int text_add(struct reading *r, size_t from, size_t to, struct err *err)
{
	if (from >= to)
		return 0;
	return part_add(r, (struct part){ .kind = PART_TEXT, .from = from, .len = to - from },
			err);
}

/* Whether nothing but blanks stands beside the mark on its line: then the line goes with it. */
static bool stands_alone(struct str text, size_t *from, size_t *to)
{
	size_t a = *from, z = *to;

	while (a > 0 && (text.p[a - 1] == ' ' || text.p[a - 1] == '\t'))
		a--;
	while (z < text.len && (text.p[z] == ' ' || text.p[z] == '\t' || text.p[z] == '\r'))
		z++;
	if ((a > 0 && text.p[a - 1] != '\n') || (z < text.len && text.p[z] != '\n'))
		return false;
	*from = a;
	*to = z < text.len ? z + 1 : z;
	return true;
}

static int mark_open(struct reading *r, struct part part, size_t at, struct template_place *ret,
		     struct err *err)
{
	if (r->depth == TEMPLATE_MAX_DEPTH)
		return fault_at_place(r, at, ret, err, "more than %d parts inside each other",
				      TEMPLATE_MAX_DEPTH);
	r->open[r->depth] = r->t->parts.n;
	r->where[r->depth++] = at;
	return part_add(r, part, err);
}

static int mark_close(struct reading *r, size_t name, size_t at, struct template_place *ret,
		      struct err *err)
{
	struct part *open;

	if (r->depth == 0)
		return fault_at_place(r, at, ret, err, "{{/%s}} closes nothing",
				      r->names[name]);
	open = &r->t->parts.v[r->open[r->depth - 1]];
	if (open->name != name)
		return fault_at_place(r, at, ret, err,
				      "{{/%s}}, but what is open here is \"%s\"",
				      r->names[name], r->names[open->name]);
	open->end = r->t->parts.n;
	r->depth--;
	return 0;
}

/* One {{...}} that begins at `at`; the text before it, from r->at, is added first. */
static int mark_read(struct reading *r, size_t at, struct template_place *ret, struct err *err)
{
	size_t from = at, to = at + 2, name = 0;
	char sign = '\0';
	struct str word;
	int e;

	while (to + 1 < r->text.len && (r->text.p[to] != '}' || r->text.p[to + 1] != '}') &&
	       r->text.p[to] != '\n')
		to++;
	if (to + 1 >= r->text.len || r->text.p[to] != '}')
		return fault_at_place(r, at, ret, err, "{{ without }} on its line");
	word = str_trim(str_n(r->text.p + at + 2, to - at - 2));
	to += 2;
	if (word.len && memchr("#^/", word.p[0], 3)) {
		sign = word.p[0];
		word = str_trim(str_n(word.p + 1, word.len - 1));
		(void)stands_alone(r->text, &from, &to);
	}
	if (!name_find(r, word, &name))
		return fault_at_place(r, at, ret, err, "there is no variable \"" STR_FMT "\"",
				      STR_ARG(str_n(word.p, word.len < 60 ? word.len : 60)));
	if (from < r->at)
		from = r->at; /* two marks on one line of their own */
	e = text_add(r, r->at, from, err);
	r->at = to;
	if (e < 0)
		return e;
	if (!sign)
		return part_add(r, (struct part){ .kind = PART_VALUE, .name = name }, err);
	if (sign == '/')
		return mark_close(r, name, at, ret, err);
	return mark_open(
		r, (struct part){ .kind = sign == '#' ? PART_IF : PART_UNLESS, .name = name },
		at, ret, err);
}

static int parts_read(struct reading *r, struct template_place *ret, struct err *err)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i + 1 < r->text.len;) {
		if (i < r->at) {
			i = r->at;
		} else if (r->text.p[i] == '{' && r->text.p[i + 1] == '{') {
			e = mark_read(r, i, ret, err);
		} else {
			i++;
		}
	}
	if (e == 0 && r->depth)
		return fault_at_place(r, r->where[r->depth - 1], ret, err,
				      "this part is never closed");
	return e == 0 ? text_add(r, r->at, r->text.len, err) : e;
}

int template_parse(struct template **ret, struct str text, const char *const *names,
		   struct template_place *at, struct err *err)
{
	CLEANUP(template_free_at) struct template *t = NULL;
	struct reading r = { .text = text, .names = names };
	size_t bad = 0;
	int e;

	if (text.len > TEMPLATE_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "a template is longer than %d bytes",
			       TEMPLATE_MAX_BYTES);
	if (!str_utf8(text, &bad))
		return fault_at_place(&r, bad, at, err, "this is not UTF-8");
	t = calloc(1, sizeof(*t));
	if (!t || !(t->text = str_dup(text)))
		return err_nomem(err);
	r.t = t;
	r.text.p = t->text;
	e = parts_read(&r, at, err);
	if (e < 0)
		return e;
	*ret = TAKE(t);
	return 0;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	vec_part_done(&t->parts);
	free(t->text);
	free(t);
}

static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void template_escape(struct buf *into, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char *escaped = escape_of(s.p[i]);

		if (escaped)
			buf_add_text(into, escaped);
		else
			buf_add_char(into, s.p[i]);
	}
}

static void value_add(struct str s, enum template_form form, struct buf *into)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char plain = (c < ' ' && c != '\n') || c == 0x7f ? ' ' : (char)c;

		if (form == TEMPLATE_HTML)
			template_escape(into, str_n(&plain, 1));
		else
			buf_add_char(into, plain);
	}
}

void template_fill(const struct template *t, const struct str *values, enum template_form form,
		   struct buf *into)
{
	for (size_t i = 0; i < t->parts.n;) {
		const struct part *p = &t->parts.v[i];
		bool empty = p->kind != PART_TEXT && values[p->name].len == 0;

		if (p->kind == PART_TEXT)
			buf_add(into, t->text + p->from, p->len);
		else if (p->kind == PART_VALUE)
			value_add(values[p->name], form, into);
		else if (empty == (p->kind == PART_IF)) {
			i = p->end;
			continue;
		}
		i++;
	}
}
