#include "model/query.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "model/schema.h"

#define FOLD_ON_STACK 256 /* ASCII texts up to this length are folded without the heap */
#define BINARY_MAX_BYTES (64 * 1024)

void query_free(struct query *q)
{
	if (!q)
		return;
	query_free(q->left);
	query_free(q->right);
	path_done(&q->path);
	free(q->text);
	free(q->folded);
	free(q);
}

int query_each_path(struct query *q, int (*fn)(void *ctx, struct path *path, struct err *err),
		    void *ctx, struct err *err)
{
	int r = 0;

	if (q->kind == QUERY_TEST || q->kind == QUERY_PART)
		r = fn(ctx, &q->path, err);
	if (r >= 0 && q->left)
		r = query_each_path(q->left, fn, ctx, err);
	if (r >= 0 && q->right)
		r = query_each_path(q->right, fn, ctx, err);
	return r < 0 ? r : 0;
}

/* --- text -----------------------------------------------------------------------------------
 */

static void now_text(int64_t ms, struct buf *into)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "d", STAMP_DAY_MS },
		      { "h", STAMP_HOUR_MS },
		      { "min", STAMP_MINUTE_MS },
		      { "s", STAMP_SECOND_MS },
		      { "ms", 1 } };
	int64_t size = ms < 0 ? -ms : ms;

	buf_add_text(into, "now");
	if (size == 0)
		return;
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		if (size % units[i].ms != 0)
			continue;
		buf_addf(into, "%c%lld%s", ms < 0 ? '-' : '+', (long long)(size / units[i].ms),
			 units[i].unit);
		return;
	}
}

static void value_text(const struct query *q, struct buf *into)
{
	const struct value *v = &q->value;
	char stamp[STAMP_TEXT_BYTES];

	switch (v->type) {
	case VALUE_NULL:
		buf_add_text(into, "null");
		return;
	case VALUE_BOOL:
		buf_add_text(into, v->boolean ? "true" : "false");
		return;
	case VALUE_INT:
		buf_addf(into, "%lld", (long long)v->integer);
		return;
	case VALUE_DECIMAL:
		buf_addf(into, "%.17g", v->decimal);
		return;
	case VALUE_TEXT:
		buf_add_json(into, v->text);
		return;
	case VALUE_TIME:
		stamp_text(v->integer, stamp);
		buf_addf(into, "\"%s\"", stamp);
		return;
	case VALUE_NOW:
		now_text(v->integer, into);
		return;
	case VALUE_BINARY:
		buf_add_char(into, '"');
		enc_base64(into, v->text.p, v->text.len);
		buf_add_char(into, '"');
		return;
	}
}

static int binding(enum query_kind kind)
{
	return kind == QUERY_OR ? 1 : kind == QUERY_AND ? 2 : 3;
}

static void child_text(const struct query *q, bool parenthesised, struct buf *into)
{
	if (parenthesised)
		buf_add_char(into, '(');
	query_text(q, into);
	if (parenthesised)
		buf_add_char(into, ')');
}

void query_text(const struct query *q, struct buf *into)
{
	static const char *const ops[] = { "eq", "ne", "co", "sw", "ew",
					   "gt", "ge", "lt", "le", "pr" };

	switch (q->kind) {
	case QUERY_AND:
	case QUERY_OR:
		/* chains lean to the left: only what leans to the right needs its brackets */
		child_text(q->left, binding(q->left->kind) < binding(q->kind), into);
		buf_add_text(into, q->kind == QUERY_AND ? " and " : " or ");
		child_text(q->right, binding(q->right->kind) <= binding(q->kind), into);
		return;
	case QUERY_NOT:
		buf_add_text(into, "not ");
		child_text(q->left, true, into);
		return;
	case QUERY_PART:
		path_text(&q->path, into);
		buf_add_char(into, '[');
		query_text(q->left, into);
		buf_add_char(into, ']');
		return;
	case QUERY_TEST:
		path_text(&q->path, into);
		buf_addf(into, " %s", ops[q->op]);
		if (q->op != QUERY_PR) {
			buf_add_char(into, ' ');
			value_text(q, into);
		}
		return;
	}
}

/* --- examples -------------------------------------------------------------------------------
 */

static json_t *value_json(const struct value *v)
{
	char stamp[STAMP_TEXT_BYTES];

	switch (v->type) {
	case VALUE_BOOL:
		return json_boolean(v->boolean);
	case VALUE_INT:
		return json_integer(v->integer);
	case VALUE_DECIMAL:
		return json_real(v->decimal);
	case VALUE_TIME:
		stamp_text(v->integer, stamp);
		return json_string(stamp);
	default:
		return json_stringn(v->text.p, v->text.len);
	}
}

/* Adds what q says to into. */
static int example_add(const struct query *q, json_t *into, struct err *err)
{
	int r;

	if (q->kind == QUERY_AND) {
		r = example_add(q->left, into, err);
		return r == 0 ? example_add(q->right, into, err) : r;
	}
	if (q->kind != QUERY_TEST || q->op != QUERY_EQ || q->path.owner != PATH_OWN ||
	    q->path.urn || q->path.sub || !q->path.name || q->value.type == VALUE_NOW ||
	    q->value.type == VALUE_BINARY || json_object_get(into, q->path.name))
		return QUERY_NO_EXAMPLE;
	return jx_set(into, q->path.name, value_json(&q->value), err);
}

int query_example(const struct query *q, struct json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	int r;

	if (!out)
		return err_nomem(err);
	r = example_add(q, out, err);
	if (r == 0)
		*ret = TAKE(out);
	return r;
}

/* --- one value against the literal of a test ------------------------------------------------
 */

static bool by_order(enum query_op op, int order)
{
	switch (op) {
	case QUERY_EQ:
		return order == 0;
	case QUERY_NE:
		return order != 0;
	case QUERY_GT:
		return order > 0;
	case QUERY_GE:
		return order >= 0;
	case QUERY_LT:
		return order < 0;
	case QUERY_LE:
		return order <= 0;
	default:
		return false;
	}
}

static bool by_bytes(enum query_op op, struct str have, struct str want)
{
	switch (op) {
	case QUERY_CO:
		return want.len == 0 ||
		       (have.len >= want.len && memmem(have.p, have.len, want.p, want.len));
	case QUERY_SW:
		return str_starts(have, want);
	case QUERY_EW:
		return str_ends(have, want);
	default: /* UTF-8 keeps the order of code points */
		return by_order(op, str_cmp(have, want));
	}
}

static enum truth truth(bool yes)
{
	return yes ? TRUTH_TRUE : TRUTH_FALSE;
}

/* have in ASCII lower case in room, false if it is longer than that or not ASCII. */
static bool fold_ascii(struct str have, char room[FOLD_ON_STACK])
{
	if (have.len > FOLD_ON_STACK)
		return false;
	for (size_t i = 0; i < have.len; i++) {
		char c = have.p[i];

		if (c & 0x80)
			return false;
		room[i] = c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
	}
	return true;
}

static enum truth by_folded(const struct query *q, struct str have)
{
	struct str want = str_n(q->folded, q->folded_len);
	CLEANUP(free_at) char *folded = NULL;
	char room[FOLD_ON_STACK];
	size_t len;
	int r;

	if (fold_ascii(have, room))
		return truth(by_bytes(q->op, str_n(room, have.len), want));
	r = str_fold(have, &folded, &len, NULL);
	if (r == -ERR_NOMEM)
		return TRUTH_UNKNOWN;
	if (r < 0) /* not UTF-8: it is no text that somebody could have meant */
		return truth(q->op == QUERY_NE);
	return truth(by_bytes(q->op, str_n(folded, len), want));
}

static enum truth by_binary(const struct query *q, struct str have)
{
	CLEANUP(buf_done) struct buf raw;
	bool same;

	buf_init(&raw, BINARY_MAX_BYTES);
	same = enc_unbase64(&raw, have) && str_eq(buf_str(&raw), q->value.text);
	if (raw.fault == ERR_NOMEM)
		return TRUTH_UNKNOWN;
	return truth(same == (q->op == QUERY_EQ));
}

static bool number_of(const struct value *v, double *ret)
{
	if (v->type == VALUE_INT)
		*ret = (double)v->integer;
	else if (v->type == VALUE_DECIMAL)
		*ret = v->decimal;
	else
		return false;
	return true;
}

static enum truth by_number(const struct query *q, const struct value *have)
{
	double a, b;

	if (have->type == VALUE_INT && q->value.type == VALUE_INT)
		return truth(by_order(q->op, (have->integer > q->value.integer) -
						     (have->integer < q->value.integer)));
	if (!number_of(have, &a) || !number_of(&q->value, &b))
		return truth(q->op == QUERY_NE);
	return truth(by_order(q->op, (a > b) - (a < b)));
}

static int64_t later(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static enum truth by_time(const struct query *q, const struct value *have, int64_t now_ms)
{
	int64_t want = q->value.integer;

	if (have->type != VALUE_TIME)
		return truth(q->op == QUERY_NE);
	if (q->value.type == VALUE_NOW)
		want = later(now_ms, want);
	return truth(by_order(q->op, (have->integer > want) - (have->integer < want)));
}

#define REFERENCE_SEGMENTS 64

/* The segments of an address that say something, the last first; how many, 0 if too many. */
static size_t segments_of(struct str s, struct str ret[REFERENCE_SEGMENTS])
{
	size_t n = 0;

	while (s.len > 0) {
		size_t from = s.len;
		struct str one;
		bool version;

		while (from > 0 && s.p[from - 1] != '/')
			from--;
		one = str_n(s.p + from, s.len - from);
		s.len = from > 0 ? from - 1 : 0;
		version = one.len == 2 && (one.p[0] | 32) == 'v' && one.p[1] >= '0' &&
			  one.p[1] <= '9';
		if (version || one.len == 0 || str_eq(one, STR(".")) || str_eq(one, STR("..")))
			continue;
		if (n == REFERENCE_SEGMENTS)
			return 0;
		ret[n++] = one;
	}
	return n;
}

static bool is_absolute(struct str s)
{
	return str_istarts(s, STR("http://")) || str_istarts(s, STR("https://"));
}

/*
 * RFC 7643 section 2.4: the version's segment makes no difference. A relative address is one of
 * our own, so it equals the end of any spelling of that.
 */
static enum truth by_reference(const struct query *q, struct str have)
{
	struct str a[REFERENCE_SEGMENTS], b[REFERENCE_SEGMENTS], want = q->value.text;
	size_t n = segments_of(have, a), m = segments_of(want, b);
	bool same = n > 0 && m > 0;

	if (is_absolute(have) == is_absolute(want))
		same = same && n == m;
	else if (is_absolute(want))
		same = same && n <= m && q->value.boolean;
	else /* no base was known: a type and an id have to be said at least */
		same = same && m <= n && m > 1;
	for (size_t i = 0; same && i < n && i < m; i++)
		same = str_eq(a[i], b[i]);
	return truth(same == (q->op == QUERY_EQ));
}

/* Whether the test is for equality of a $ref. */
static bool asks_reference(const struct query *q)
{
	const char *last = q->path.sub ? q->path.sub : q->path.name;

	return q->op <= QUERY_NE && last && last[0] == '$' && strcmp(last, "$ref") == 0;
}

static enum truth compare(const struct query *q, const struct value *have, bool folded,
			  int64_t now_ms)
{
	switch (q->value.type) {
	case VALUE_TEXT:
		if (have->type != VALUE_TEXT)
			return truth(q->op == QUERY_NE);
		if (asks_reference(q))
			return by_reference(q, have->text);
		if (!q->folded)
			return truth(by_bytes(q->op, have->text, q->value.text));
		if (folded)
			return truth(
				by_bytes(q->op, have->text, str_n(q->folded, q->folded_len)));
		return by_folded(q, have->text);
	case VALUE_BINARY:
		if (have->type == VALUE_BINARY)
			return truth(str_eq(have->text, q->value.text) == (q->op == QUERY_EQ));
		if (have->type != VALUE_TEXT)
			return truth(q->op == QUERY_NE);
		return by_binary(q, have->text);
	case VALUE_BOOL:
		return truth(by_order(q->op, have->type != VALUE_BOOL ||
						     have->boolean != q->value.boolean));
	case VALUE_INT:
	case VALUE_DECIMAL:
		return by_number(q, have);
	case VALUE_TIME:
	case VALUE_NOW:
		return by_time(q, have, now_ms);
	case VALUE_NULL:
		break; /* never in a test: the parser turned it into pr */
	}
	return TRUTH_FALSE;
}

/* --- the tree -------------------------------------------------------------------------------
 */

struct evaluation {
	const struct query_reader *reader;
	void *ctx;
	enum query_logic logic;
	int64_t now_ms;
};

static enum truth not_of(enum truth a)
{
	return a == TRUTH_UNKNOWN ? a : truth(a == TRUTH_FALSE);
}

/* What a test says of an attribute that is not there. */
static enum truth of_absent(const struct evaluation *e, enum query_op op)
{
	return truth(op == QUERY_NE && e->logic == QUERY_SCIM);
}

static bool has_value(const struct value *v)
{
	if (v->type == VALUE_TEXT || v->type == VALUE_BINARY)
		return v->text.len > 0;
	return v->type != VALUE_NULL;
}

/* True if one value makes it true; a test that could not be made is unknown unless another is
 * true. */
static enum truth any_value(const struct evaluation *e, const struct query *q,
			    struct query_node node, size_t count)
{
	enum truth said = TRUTH_FALSE;
	bool seen = false;

	for (size_t i = 0; i < count; i++) {
		struct value have = { .type = VALUE_NULL };
		bool folded = false;
		enum truth t;

		e->reader->value(e->ctx, node, &q->path, i, &have, &folded);
		if (have.type == VALUE_NULL)
			continue;
		seen = true;
		t = q->op == QUERY_PR ? truth(has_value(&have))
				      : compare(q, &have, folded, e->now_ms);
		if (t == TRUTH_TRUE)
			return t;
		if (t == TRUTH_UNKNOWN)
			said = t;
	}
	return seen ? said : of_absent(e, q->op);
}

static enum truth eval_test(const struct evaluation *e, const struct query *q,
			    struct query_node node)
{
	size_t count = 0;

	switch (e->reader->count(e->ctx, node, &q->path, &count)) {
	case VALUE_UNKNOWN:
		if (e->logic == QUERY_POLICY)
			return TRUTH_UNKNOWN;
		return of_absent(e, q->op);
	case VALUE_ABSENT:
		return of_absent(e, q->op);
	case VALUE_PRESENT:
		break;
	}
	if (q->op == QUERY_PR &&
	    (!q->path.name || (q->path.attr && q->path.attr->type == ATTR_COMPLEX)))
		return TRUTH_TRUE;
	return any_value(e, q, node, count);
}

static enum truth eval(const struct evaluation *e, const struct query *q,
		       struct query_node node);

static enum truth eval_part(const struct evaluation *e, const struct query *q,
			    struct query_node node)
{
	enum truth said = TRUTH_FALSE;
	size_t count = 0;

	switch (e->reader->parts(e->ctx, node, &q->path, &count)) {
	case VALUE_UNKNOWN:
		return e->logic == QUERY_POLICY ? TRUTH_UNKNOWN : TRUTH_FALSE;
	case VALUE_ABSENT:
		return TRUTH_FALSE;
	case VALUE_PRESENT:
		break;
	}
	for (size_t i = 0; i < count; i++) {
		struct query_node part = e->reader->part(e->ctx, node, &q->path, i);
		enum truth t = eval(e, q->left, part);

		if (t == TRUTH_TRUE)
			return t;
		if (t == TRUTH_UNKNOWN)
			said = t;
	}
	return said;
}

static enum truth eval(const struct evaluation *e, const struct query *q,
		       struct query_node node)
{
	enum truth a, b;

	switch (q->kind) {
	case QUERY_TEST:
		return eval_test(e, q, node);
	case QUERY_PART:
		return eval_part(e, q, node);
	case QUERY_NOT:
		return not_of(eval(e, q->left, node));
	case QUERY_AND:
		a = eval(e, q->left, node);
		if (a == TRUTH_FALSE)
			return a;
		b = eval(e, q->right, node);
		return b == TRUTH_FALSE || a == TRUTH_TRUE ? b : a;
	case QUERY_OR:
		a = eval(e, q->left, node);
		if (a == TRUTH_TRUE)
			return a;
		b = eval(e, q->right, node);
		return b == TRUTH_TRUE || a == TRUTH_FALSE ? b : a;
	}
	return TRUTH_UNKNOWN;
}

enum truth query_eval(const struct query *q, const struct query_reader *reader, void *ctx,
		      struct query_node node, enum query_logic logic, int64_t now_ms)
{
	struct evaluation e = { reader, ctx, logic, now_ms };

	return eval(&e, q, node);
}

/* --- the reader over a SCIM document --------------------------------------------------------
 */

static bool json_has_value(const json_t *j)
{
	const char *key;
	size_t i;
	json_t *v;

	switch (json_typeof(j)) {
	case JSON_NULL:
		return false;
	case JSON_STRING:
		return json_string_length(j) > 0;
	case JSON_OBJECT:
		/* the casts: jansson's iteration takes no const, and changes nothing */
		json_object_foreach ((json_t *)j, key, v) {
			if (json_has_value(v))
				return true;
		}
		return false;
	case JSON_ARRAY:
		json_array_foreach ((json_t *)j, i, v) {
			if (json_has_value(v))
				return true;
		}
		return false;
	default:
		return true;
	}
}

static const json_t *member(const json_t *object, const char *name, bool spelled)
{
	if (!json_is_object(object))
		return NULL;
	/* documents are spelled as the schemas say; names that no schema knows are not */
	return spelled ? json_object_get(object, name) : jx_get_i(object, str_of(name));
}

/* What stands at the path's first name under node; NULL if nothing does. */
static const json_t *json_at(struct query_node node, const struct path *path)
{
	const json_t *at = node.p;

	if (path->urn && strcmp(path->urn, SCHEMA_USER) != 0 &&
	    strcmp(path->urn, SCHEMA_GROUP) != 0)
		at = member(at, path->urn, true);
	if (at && path->name)
		at = member(at, path->name, path->attr != NULL);
	return json_is_null(at) ? NULL : at;
}

static enum value_state json_count(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const json_t *at;

	(void)ctx;
	if (path->owner != PATH_OWN)
		return VALUE_UNKNOWN; /* a document knows its own attributes only */
	at = json_at(node, path);
	if (at && path->sub && json_is_object(at))
		at = member(at, path->sub, path->attr != NULL);
	if (!at || !json_has_value(at)) {
		/* "" is a value that eq can ask for; pr looks into it */
		if (!json_is_string(at))
			return VALUE_ABSENT;
	}
	*count = json_is_array(at) ? json_array_size(at) : 1;
	return VALUE_PRESENT;
}

static void json_value(const json_t *j, const struct schema_attr *attr, struct value *ret)
{
	enum attr_type type = attr ? attr->type : ATTR_STRING;
	struct str text;

	switch (j ? json_typeof(j) : JSON_NULL) {
	case JSON_TRUE:
	case JSON_FALSE:
		*ret = (struct value){ .type = VALUE_BOOL, .boolean = json_is_true(j) };
		return;
	case JSON_INTEGER:
		*ret = (struct value){ .type = VALUE_INT, .integer = json_integer_value(j) };
		return;
	case JSON_REAL:
		*ret = (struct value){ .type = VALUE_DECIMAL, .decimal = json_real_value(j) };
		return;
	case JSON_STRING:
		break;
	default:
		*ret = (struct value){ .type = VALUE_NULL };
		return;
	}
	text = str_n(json_string_value(j), json_string_length(j));
	*ret = (struct value){ .type = VALUE_TEXT, .text = text };
	if (type != ATTR_DATETIME && type != ATTR_DATE)
		return;
	if (stamp_parse(text, &ret->integer) ||
	    (type == ATTR_DATE && stamp_parse_date(text, &ret->integer)))
		ret->type = VALUE_TIME;
	else
		ret->type = VALUE_NULL;
}

static void json_read(void *ctx, struct query_node node, const struct path *path, size_t i,
		      struct value *ret, bool *folded)
{
	const json_t *at = json_at(node, path);

	(void)ctx;
	if (json_is_array(at))
		at = json_array_get(at, i);
	if (at && path->sub)
		at = member(at, path->sub, path->attr != NULL);
	json_value(at, path->attr, ret);
	*folded = false;
}

static enum value_state json_parts(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const json_t *at;

	(void)ctx;
	if (path->owner != PATH_OWN)
		return VALUE_UNKNOWN;
	at = json_at(node, path);
	if (!at || (json_is_array(at) && json_array_size(at) == 0))
		return VALUE_ABSENT;
	*count = json_is_array(at) ? json_array_size(at) : 1;
	return VALUE_PRESENT;
}

static struct query_node json_part(void *ctx, struct query_node node, const struct path *path,
				   size_t i)
{
	const json_t *at = json_at(node, path);

	(void)ctx;
	return (struct query_node){ json_is_array(at) ? json_array_get(at, i) : at, i };
}

const struct query_reader query_json_reader = { json_count, json_read, json_parts, json_part };
