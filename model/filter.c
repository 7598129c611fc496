#include "model/filter.h"

#include <math.h>
#include <stdlib.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "model/schema.h"

#define NUMBER_MAX_CHARS 64

struct parser {
	struct str text;
	size_t i; /* next byte */
	enum path_dialect dialect;
	const struct schema_attr *parent; /* whose brackets we are in */
	unsigned depth, terms;
};

/* A value as it was written, before the attribute says what it means. */
struct literal {
	enum value_type type; /* NULL, BOOL, INT, DECIMAL, TEXT, NOW */
	bool boolean;
	int64_t integer;
	double decimal;
	char *text; /* TEXT: unescaped */
	size_t len;
	struct str spelled;
	size_t at;
};

static void literal_done(struct literal *l)
{
	free(l->text);
	l->text = NULL;
}

/* --- bytes ----------------------------------------------------------------------------------
 */

static int refuse_at(size_t at, struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID_FILTER, "filter at byte %zu: %s", at, why);
}

static int refuse(const struct parser *p, struct err *err, const char *why)
{
	return refuse_at(p->i, err, why);
}

static int peek(const struct parser *p)
{
	return p->i < p->text.len ? (unsigned char)p->text.p[p->i] : -1;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static bool skip_blanks(struct parser *p)
{
	size_t from = p->i;

	while (is_blank(peek(p)))
		p->i++;
	return p->i > from;
}

/* What stands here up to a byte of ends, or the end. */
static struct str word_at(const struct parser *p, const char *ends)
{
	struct str rest = str_n(p->text.p + p->i, p->text.len - p->i);

	return str_n(rest.p, str_find_any(rest, ends));
}

/* Takes word, in any case, if it stands here and a blank or '(' follows. */
static bool take_word(struct parser *p, struct str word)
{
	struct str here = word_at(p, " \t(");

	if (!str_ieq(here, word) || p->i + here.len == p->text.len)
		return false;
	p->i += word.len;
	return true;
}

static int enter(struct parser *p, struct err *err)
{
	if (++p->depth > FILTER_MAX_DEPTH)
		return refuse(p, err, "nested too deeply");
	return 0;
}

static bool is_policy(const struct parser *p)
{
	return p->dialect >= PATH_POLICY;
}

/* --- values ---------------------------------------------------------------------------------
 */

static int hex4(const struct parser *p, size_t at)
{
	unsigned char raw[2];

	if (p->text.len - at < 4 || !enc_unhex(str_n(p->text.p + at, 4), raw, 2))
		return -1;
	return raw[0] << 8 | raw[1];
}

static void add_utf8(struct buf *into, unsigned c)
{
	if (c < 0x80) {
		buf_add_char(into, (char)c);
	} else if (c < 0x800) {
		buf_add_char(into, (char)(0xC0 | c >> 6));
		buf_add_char(into, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_add_char(into, (char)(0xE0 | c >> 12));
		buf_add_char(into, (char)(0x80 | (c >> 6 & 63)));
		buf_add_char(into, (char)(0x80 | (c & 63)));
	} else {
		buf_add_char(into, (char)(0xF0 | c >> 18));
		buf_add_char(into, (char)(0x80 | (c >> 12 & 63)));
		buf_add_char(into, (char)(0x80 | (c >> 6 & 63)));
		buf_add_char(into, (char)(0x80 | (c & 63)));
	}
}

/* \uXXXX, a pair of them for what lies beyond the basic plane. p->i stands on the 'u'. */
static int unicode_read(struct parser *p, struct buf *into, struct err *err)
{
	int c = hex4(p, p->i + 1), low;

	if (c < 0)
		return refuse(p, err, "\\u wants four hexadecimal digits");
	p->i += 5;
	if (c == 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return refuse(p, err, "\\u does not name a character");
	if (c >= 0xD800 && c <= 0xDBFF) {
		low = p->text.len - p->i >= 6 && str_starts(word_at(p, ""), STR("\\u"))
			      ? hex4(p, p->i + 2)
			      : -1;
		if (low < 0xDC00 || low > 0xDFFF)
			return refuse(p, err, "half of a surrogate pair");
		p->i += 6;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	add_utf8(into, (unsigned)c);
	return 0;
}

static int escape_read(struct parser *p, struct buf *into, struct err *err)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	int c = peek(p);
	const char *at;

	if (c == 'u')
		return unicode_read(p, into, err);
	at = c > 0 ? strchr(names, c) : NULL;
	if (!at)
		return refuse(p, err, "unknown escape in a string");
	buf_add_char(into, bytes[at - names]);
	p->i++;
	return 0;
}

/* A JSON string; p->i stands behind its first quote. */
static int string_read(struct parser *p, struct literal *ret, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	size_t at;
	int r = 0;

	buf_init(&text, FILTER_MAX_BYTES * 3);
	for (;;) {
		int c = peek(p);

		if (c < 0)
			return refuse_at(ret->at, err, "a string that does not end");
		if (c < 0x20)
			return refuse(p, err, "a control character in a string");
		p->i++;
		if (c == '"')
			break;
		if (c == '\\')
			r = escape_read(p, &text, err);
		else
			buf_add_char(&text, (char)c);
		if (r < 0)
			return r;
	}
	if (!str_utf8(buf_str(&text), &at))
		return refuse_at(ret->at, err, "a string that is not UTF-8");
	r = buf_fault(&text, err, "a string of the filter");
	if (r < 0)
		return r;
	ret->type = VALUE_TEXT;
	ret->text = buf_take(&text, &ret->len);
	return ret->text ? 0 : err_nomem(err);
}

static size_t digits(struct str s, size_t from)
{
	size_t i = from;

	while (i < s.len && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i - from;
}

/* The grammar of RFC 8259 section 6; *whole: neither fraction nor exponent. */
static bool is_number(struct str s, bool *whole)
{
	size_t i = s.len > 0 && s.p[0] == '-', n = digits(s, i);

	if (n == 0 || (n > 1 && s.p[i] == '0'))
		return false;
	i += n;
	*whole = true;
	if (i < s.len && s.p[i] == '.') {
		n = digits(s, i + 1);
		if (n == 0)
			return false;
		i += n + 1;
		*whole = false;
	}
	if (i < s.len && (s.p[i] | 32) == 'e') {
		i++;
		if (i < s.len && (s.p[i] == '+' || s.p[i] == '-'))
			i++;
		n = digits(s, i);
		if (n == 0)
			return false;
		i += n;
		*whole = false;
	}
	return i == s.len;
}

static int number_read(struct str word, bool whole, struct literal *ret, struct err *err)
{
	char text[NUMBER_MAX_CHARS + 1];

	if (whole && str_int64(word, &ret->integer)) {
		ret->type = VALUE_INT;
		return 0;
	}
	if (word.len > NUMBER_MAX_CHARS)
		return refuse_at(ret->at, err, "a number with too many digits");
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	ret->type = VALUE_DECIMAL;
	ret->decimal = strtod(text, NULL);
	if (!isfinite(ret->decimal))
		return refuse_at(ret->at, err, "a number that is too large");
	return 0;
}

/* now, now-90d, now+12h. */
static bool now_read(struct str word, struct literal *ret)
{
	struct str rest;
	int64_t ms = 0;

	if (!str_istarts(word, STR("now")))
		return false;
	rest = str_n(word.p + 3, word.len - 3);
	if (rest.len > 0) {
		if (rest.p[0] != '-' && rest.p[0] != '+')
			return false;
		if (!str_duration_ms(str_n(rest.p + 1, rest.len - 1), &ms))
			return false;
		if (rest.p[0] == '-')
			ms = -ms;
	}
	ret->type = VALUE_NOW;
	ret->integer = ms;
	return true;
}

static int literal_read(struct parser *p, struct literal *ret, struct err *err)
{
	struct str word;
	bool whole;

	ret->at = p->i;
	if (peek(p) == '"') {
		p->i++;
		return string_read(p, ret, err);
	}
	word = word_at(p, " \t()[]\"");
	ret->spelled = word;
	p->i += word.len;
	if (is_number(word, &whole))
		return number_read(word, whole, ret, err);
	if (str_ieq(word, STR("true")) || str_ieq(word, STR("false"))) {
		ret->type = VALUE_BOOL;
		ret->boolean = word.len == 4;
		return 0;
	}
	if (str_ieq(word, STR("null"))) {
		ret->type = VALUE_NULL;
		return 0;
	}
	if (is_policy(p) && now_read(word, ret))
		return 0;
	return refuse_at(ret->at, err,
			 "a value was expected: a text in double quotes, a number, true, false "
			 "or null");
}

/* --- what an attribute's type makes of an operator and a value ------------------------------
 */

static bool is_order(enum query_op op)
{
	return op == QUERY_GT || op == QUERY_GE || op == QUERY_LT || op == QUERY_LE;
}

static bool is_inside(enum query_op op)
{
	return op == QUERY_CO || op == QUERY_SW || op == QUERY_EW;
}

/* The table of scim.md A7: which operators a type has. */
static bool op_fits(const struct schema_attr *attr, enum query_op op)
{
	static const struct {
		bool inside, order;
	} fits[] = {
		[ATTR_STRING] = { true, true },    [ATTR_BOOLEAN] = { false, false },
		[ATTR_DECIMAL] = { false, true },  [ATTR_INTEGER] = { false, true },
		[ATTR_DATETIME] = { false, true }, [ATTR_DATE] = { false, true },
		[ATTR_BINARY] = { false, false },  [ATTR_REFERENCE] = { true, false },
		[ATTR_COMPLEX] = { false, false },
	};

	if (!attr)
		return true;
	if (is_inside(op))
		return fits[attr->type].inside;
	return !is_order(op) || fits[attr->type].order;
}

static int bind_text(struct query *q, struct literal *l, bool exact, struct err *err)
{
	struct str text = l->type == VALUE_TEXT ? str_n(l->text, l->len) : l->spelled;
	int r;

	if (!exact) {
		r = str_fold(text, &q->folded, &q->folded_len, err);
		if (r < 0)
			return r;
	}
	q->value.type = VALUE_TEXT;
	q->text = l->type == VALUE_TEXT ? TAKE(l->text) : str_dup(text);
	if (!q->text)
		return err_nomem(err);
	q->value.text = str_n(q->text, text.len);
	return 0;
}

static int bind_binary(struct query *q, struct literal *l, struct err *err)
{
	CLEANUP(buf_done) struct buf raw;
	size_t len;

	buf_init(&raw, FILTER_MAX_BYTES);
	if (l->type != VALUE_TEXT || !enc_unbase64(&raw, str_n(l->text, l->len)))
		return refuse_at(l->at, err, "a text in base64 was expected");
	q->text = buf_take(&raw, &len);
	if (!q->text)
		return err_nomem(err);
	q->value.type = VALUE_BINARY;
	q->value.text = str_n(q->text, len);
	return 0;
}

static int bind_boolean(struct query *q, const struct literal *l, struct err *err)
{
	struct str text = str_n(l->text, l->len);

	q->value.type = VALUE_BOOL;
	if (l->type == VALUE_BOOL)
		q->value.boolean = l->boolean;
	else if (l->type == VALUE_TEXT &&
		 (str_ieq(text, STR("true")) || str_ieq(text, STR("false"))))
		q->value.boolean = text.len == 4; /* Entra: roles[primary eq "True"] */
	else
		return refuse_at(l->at, err, "true or false was expected");
	return 0;
}

static int bind_number(struct query *q, const struct literal *l, struct err *err)
{
	if (l->type != VALUE_INT && l->type != VALUE_DECIMAL)
		return refuse_at(l->at, err, "a number was expected");
	q->value.type = l->type;
	q->value.integer = l->integer;
	q->value.decimal = l->decimal;
	return 0;
}

static int bind_time(struct query *q, const struct literal *l, bool date, struct err *err)
{
	struct str text = str_n(l->text, l->len);

	if (l->type == VALUE_NOW) {
		q->value.type = VALUE_NOW;
		q->value.integer = l->integer;
		return 0;
	}
	q->value.type = VALUE_TIME;
	if (l->type != VALUE_TEXT || (!stamp_parse(text, &q->value.integer) &&
				      !(date && stamp_parse_date(text, &q->value.integer))))
		return refuse_at(l->at, err,
				 date ? "a date such as \"2026-11-20\" was expected"
				      : "a date and time such as \"2026-11-20T09:00:00Z\" was "
					"expected");
	return 0;
}

/* An attribute that no schema names (root queries): what the value itself says. */
static int bind_unknown(struct query *q, struct literal *l, struct err *err)
{
	switch (l->type) {
	case VALUE_BOOL:
		return bind_boolean(q, l, err);
	case VALUE_INT:
	case VALUE_DECIMAL:
		return bind_number(q, l, err);
	default:
		return bind_text(q, l, false, err);
	}
}

static int bind_value(struct query *q, struct literal *l, struct err *err)
{
	const struct schema_attr *attr = q->path.attr;

	if (!attr)
		return bind_unknown(q, l, err);
	switch (attr->type) {
	case ATTR_BOOLEAN:
		return bind_boolean(q, l, err);
	case ATTR_INTEGER:
	case ATTR_DECIMAL:
		return bind_number(q, l, err);
	case ATTR_DATETIME:
		return bind_time(q, l, false, err);
	case ATTR_DATE:
		return bind_time(q, l, true, err);
	case ATTR_BINARY:
		return bind_binary(q, l, err);
	case ATTR_STRING:
	case ATTR_REFERENCE:
		if (l->type == VALUE_BOOL || l->type == VALUE_NOW)
			return refuse_at(l->at, err, "a text in double quotes was expected");
		return bind_text(q, l, attr->case_exact || attr->type == ATTR_REFERENCE, err);
	case ATTR_COMPLEX:
		break;
	}
	return refuse_at(l->at, err, "this attribute cannot be compared");
}

/* --- the tree -------------------------------------------------------------------------------
 */

static struct query *node_new(enum query_kind kind, size_t at)
{
	struct query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->kind = kind;
	q->at = at;
	q->path.slot = -1;
	return q;
}

/* Puts left (and right) under a new node; both are taken also on a fault. */
static int join(enum query_kind kind, struct query **left, struct query *right, size_t at,
		struct err *err)
{
	struct query *q = node_new(kind, at);

	if (!q) {
		query_free(right);
		return err_nomem(err);
	}
	q->left = TAKE(*left);
	q->right = right;
	*left = q;
	return 0;
}

static int op_read(struct parser *p, enum query_op *ret, struct err *err)
{
	static const char *const words[] = {
		[QUERY_EQ] = "eq", [QUERY_NE] = "ne", [QUERY_CO] = "co", [QUERY_SW] = "sw",
		[QUERY_EW] = "ew", [QUERY_GT] = "gt", [QUERY_GE] = "ge", [QUERY_LT] = "lt",
		[QUERY_LE] = "le", [QUERY_PR] = "pr"
	};
	struct str word;

	if (!skip_blanks(p))
		return refuse(p, err, "an operator was expected");
	word = word_at(p, " \t\"()[]");
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (!str_ieq(word, str_of(words[i])))
			continue;
		p->i += word.len;
		*ret = (enum query_op)i;
		return 0;
	}
	return refuse(p, err, "an operator was expected: eq ne co sw ew gt ge lt le or pr");
}

/* RFC 7644 wants a sub-attribute named, and its own samples leave out .value. */
static int default_sub(struct query *q, struct err *err)
{
	const struct schema_attr *value;

	if (!q->path.attr || q->path.attr->type != ATTR_COMPLEX)
		return 0;
	value = schema_attr(q->path.attr->sub, STR("value"));
	if (!value)
		return err_set(err, ERR_INVALID_FILTER,
			       "filter at byte %zu: %s has parts: name one of them", q->at,
			       q->path.name);
	q->path.sub = str_dup(STR("value"));
	if (!q->path.sub)
		return err_nomem(err);
	q->path.attr = value;
	return 0;
}

/* `a eq null` is `not (a pr)`, `a ne null` is `a pr` (RFC 7643 section 2.5). */
static int test_null(struct parser *p, struct query **q, struct err *err)
{
	bool eq = (*q)->op == QUERY_EQ;

	if (!eq && (*q)->op != QUERY_NE)
		return refuse(p, err, "null can only be compared by eq and ne");
	(*q)->op = QUERY_PR;
	if (!eq)
		return 0;
	if (p->depth >= FILTER_MAX_DEPTH) /* as if it had been written with its "not" */
		return refuse(p, err, "nested too deeply");
	return join(QUERY_NOT, q, NULL, (*q)->at, err);
}

/* op and value behind a path, which q (QUERY_TEST) has already. */
static int test_read(struct parser *p, struct query **q, struct err *err)
{
	CLEANUP(literal_done) struct literal value = { 0 };
	int r;

	if (++p->terms > FILTER_MAX_TERMS)
		return refuse_at((*q)->at, err, "too many terms");
	r = op_read(p, &(*q)->op, err);
	if (r < 0 || (*q)->op == QUERY_PR)
		return r;
	skip_blanks(p);
	r = literal_read(p, &value, err);
	if (r < 0)
		return r;
	if (value.type == VALUE_NULL)
		return test_null(p, q, err);
	if (!(*q)->path.name)
		return refuse_at((*q)->at, err, "a schema has no value: name an attribute");
	r = default_sub(*q, err);
	if (r < 0)
		return r;
	if (!op_fits((*q)->path.attr, (*q)->op))
		return refuse_at((*q)->at, err, "this attribute does not have that operator");
	return bind_value(*q, &value, err);
}

static int path_read(struct parser *p, struct path *ret, struct err *err)
{
	struct str word = word_at(p, " \t()[]\"");
	struct err why;
	int r;

	if (word.len == 0)
		return refuse(p, err, "an attribute was expected");
	r = path_parse_at(word, p->i, p->dialect, p->parent, ret, &why);
	if (r == -ERR_INVALID_PATH)
		return err_set(err, ERR_INVALID_FILTER, "%s", why.text);
	if (r < 0)
		return err_set(err, -r, "%s", why.text);
	if (ret->attr && ret->attr->returned == ATTR_NEVER) /* it would be an oracle */
		return refuse(p, err, "this attribute cannot be asked for");
	p->i += word.len;
	return 0;
}

static int or_read(struct parser *p, struct query **ret, struct err *err);

/* `.value eq "x"` behind the bracket, as Entra writes it: one more test of the same element. */
static int part_tail(struct parser *p, const struct schema_attr *parent, struct query **where,
		     struct err *err)
{
	CLEANUP(query_free_at) struct query *q = node_new(QUERY_TEST, p->i + 1);
	const struct schema_attr *outer = p->parent;
	int r;

	if (!q)
		return err_nomem(err);
	p->i++;
	p->parent = parent;
	r = path_read(p, &q->path, err);
	p->parent = outer;
	if (r < 0)
		return r;
	r = test_read(p, &q, err);
	if (r < 0)
		return r;
	return join(QUERY_AND, where, TAKE(q), (*where)->at, err);
}

/* [valFilter] behind a path; p->i stands on the '['. */
static int part_read(struct parser *p, const struct path *path, struct query **where,
		     struct err *err)
{
	CLEANUP(query_free_at) struct query *inside = NULL;
	const struct schema_attr *outer = p->parent;
	int r;

	if (!path->attr || path->attr->type != ATTR_COMPLEX || path->sub)
		return refuse(p, err, "only an attribute with parts can have brackets");
	if (outer && !is_policy(p))
		return refuse(p, err, "brackets inside brackets");
	r = enter(p, err);
	if (r < 0)
		return r;
	p->i++;
	p->parent = path->attr;
	r = or_read(p, &inside, err);
	p->parent = outer;
	p->depth--;
	if (r < 0)
		return r;
	if (peek(p) != ']')
		return refuse(p, err, "']' was expected");
	p->i++;
	*where = TAKE(inside);
	return 0;
}

static int expression_read(struct parser *p, struct query **ret, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = node_new(QUERY_TEST, p->i);
	int r;

	if (!q)
		return err_nomem(err);
	r = path_read(p, &q->path, err);
	if (r < 0)
		return r;
	if (peek(p) == '[') {
		q->kind = QUERY_PART;
		r = part_read(p, &q->path, &q->left, err);
		if (r == 0 && peek(p) == '.')
			r = part_tail(p, q->path.attr, &q->left, err);
	} else {
		r = test_read(p, &q, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE(q);
	return 0;
}

/* "(" filter ")", the "not" before it already taken. */
static int group_read(struct parser *p, struct query **ret, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	int r = enter(p, err);

	if (r < 0)
		return r;
	p->i++;
	r = or_read(p, &q, err);
	if (r < 0)
		return r;
	if (peek(p) != ')')
		return refuse(p, err, "')' was expected");
	p->i++;
	p->depth--;
	*ret = TAKE(q);
	return 0;
}

static int term_read(struct parser *p, struct query **ret, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	size_t at;
	int r;

	skip_blanks(p);
	at = p->i;
	if (peek(p) == '(')
		return group_read(p, ret, err);
	if (!take_word(p, STR("not")))
		return expression_read(p, ret, err);
	skip_blanks(p);
	if (peek(p) != '(')
		return refuse(p, err, "'(' was expected behind not");
	r = group_read(p, &q, err);
	if (r == 0)
		r = join(QUERY_NOT, &q, NULL, at, err);
	if (r < 0)
		return r;
	*ret = TAKE(q);
	return 0;
}

/* Whether the connective word follows, with its blank (or bracket) before it. */
static bool connective(struct parser *p, struct str word)
{
	size_t from = p->i;
	bool apart = skip_blanks(p) || p->text.p[p->i - 1] == ')' || p->text.p[p->i - 1] == ']';

	if (apart && take_word(p, word))
		return true;
	p->i = from;
	return false;
}

/* term *(word term), joined from the left. */
static int chain_read(struct parser *p, enum query_kind kind, struct str word,
		      int (*read)(struct parser *, struct query **, struct err *),
		      struct query **ret, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	int r = read(p, &q, err);

	while (r == 0 && connective(p, word)) {
		struct query *right = NULL;

		r = read(p, &right, err);
		if (r == 0)
			r = join(kind, &q, right, q->at, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE(q);
	return 0;
}

static int and_read(struct parser *p, struct query **ret, struct err *err)
{
	return chain_read(p, QUERY_AND, STR("and"), term_read, ret, err);
}

static int or_read(struct parser *p, struct query **ret, struct err *err)
{
	int r = chain_read(p, QUERY_OR, STR("or"), and_read, ret, err);

	skip_blanks(p);
	return r;
}

int filter_parse(struct str text, enum path_dialect dialect, struct query **ret,
		 struct err *err)
{
	struct parser p = { .text = text, .dialect = dialect };
	CLEANUP(query_free_at) struct query *q = NULL;
	int r;

	if (text.len > FILTER_MAX_BYTES)
		return err_set(err, ERR_INVALID_FILTER, "filter: longer than %d bytes",
			       FILTER_MAX_BYTES);
	r = or_read(&p, &q, err);
	if (r < 0)
		return r;
	if (p.i < text.len)
		return refuse(&p, err, "and, or, or the end was expected");
	*ret = TAKE(q);
	return 0;
}

/* --- PATCH paths ----------------------------------------------------------------------------
 */

static int target_sub(struct parser *p, struct filter_target *t, struct err *err)
{
	struct str sub;

	if (p->i == p->text.len)
		return 0;
	sub = str_n(p->text.p + p->i + 1, p->text.len - p->i - 1);
	t->sub_attr = peek(p) == '.' ? schema_attr(t->path.attr->sub, sub) : NULL;
	if (!t->sub_attr)
		return err_set(err, ERR_INVALID_PATH,
			       "path at byte %zu: a sub-attribute of %s was expected", p->i,
			       t->path.name);
	t->sub = str_dup(str_of(t->sub_attr->name));
	return t->sub ? 0 : err_nomem(err);
}

int filter_target_parse(struct str text, enum path_dialect dialect, struct filter_target *ret,
			struct err *err)
{
	struct parser p = { .text = text, .dialect = dialect };
	CLEANUP(filter_target_done) struct filter_target t = { .path.slot = -1 };
	int r;

	if (text.len > FILTER_MAX_BYTES)
		return err_set(err, ERR_INVALID_PATH, "path: longer than %d bytes",
			       FILTER_MAX_BYTES);
	p.i = str_find(text, '[');
	r = path_parse(str_n(text.p, p.i), dialect, &t.path, err);
	if (r < 0)
		return r;
	if (p.i < text.len) {
		if (!t.path.attr || t.path.attr->type != ATTR_COMPLEX || t.path.sub)
			return err_set(err, ERR_INVALID_PATH,
				       "path at byte %zu: only an attribute with parts can "
				       "have brackets",
				       p.i);
		r = part_read(&p, &t.path, &t.where, err);
		if (r == 0)
			r = target_sub(&p, &t, err);
	}
	if (r < 0)
		return r;
	*ret = t;
	t = (struct filter_target){ .path.slot = -1 };
	return 0;
}

void filter_target_done(struct filter_target *t)
{
	if (!t)
		return;
	path_done(&t->path);
	query_free(t->where);
	free(t->sub);
	*t = (struct filter_target){ .path.slot = -1 };
}
