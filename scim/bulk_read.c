#include "scim/bulk_read.h"

#include "base/jx.h"

#define WINDOW_BYTES 4096
#define SMALL_BYTES 65536 /* members of the envelope but Operations */

void bulk_envelope_done(struct bulk_envelope *e)
{
	if (!e)
		return;
	bulk_extents_done(&e->operations);
	*e = (struct bulk_envelope){ 0 };
}

/* --- bytes ----------------------------------------------------------------------------------
 */

static int64_t length_of(const struct bulk_text *t)
{
	return t->spool ? spool_bytes(t->spool) : (int64_t)t->text.len;
}

static int bytes_at(const struct bulk_text *t, int64_t at, void *into, size_t room, size_t *ret,
		    struct err *err)
{
	size_t left;

	if (t->spool)
		return spool_read(t->spool, at, into, room, ret, err);
	left = at < (int64_t)t->text.len ? t->text.len - (size_t)at : 0;
	if (room > left)
		room = left;
	if (room > 0)
		memcpy(into, t->text.p + at, room);
	*ret = room;
	return 0;
}

struct reader {
	const struct bulk_text *text;
	int64_t at; /* of the byte that comes next */
	char window[WINDOW_BYTES];
	size_t have, used;
	int fault; /* remembered: from then on there is nothing more to read */
	struct err *err;
};

#define AT_END (-1)

/* The byte that comes next, or AT_END. */
static int peek(struct reader *r)
{
	if (r->used == r->have && r->fault == 0) {
		r->used = r->have = 0;
		r->fault = bytes_at(r->text, r->at, r->window, sizeof(r->window), &r->have,
				    r->err);
	}
	return r->used < r->have && r->fault == 0 ? (unsigned char)r->window[r->used] : AT_END;
}

static int next(struct reader *r)
{
	int c = peek(r);

	if (c != AT_END) {
		r->used++;
		r->at++;
	}
	return c;
}

static int peek_token(struct reader *r)
{
	int c = peek(r);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		next(r);
		c = peek(r);
	}
	return c;
}

static int syntax(struct reader *r, const char *expected)
{
	if (r->fault < 0)
		return r->fault;
	return err_set(r->err, ERR_INVALID_SYNTAX, "JSON at byte %lld: expected %s",
		       (long long)r->at, expected);
}

static int expect(struct reader *r, char c, const char *what)
{
	if (peek_token(r) != c)
		return syntax(r, what);
	next(r);
	return 0;
}

/* --- where values stand ---------------------------------------------------------------------
 */

/* Passes over a string; its opening quote was read. */
static void pass_string(struct reader *r)
{
	int c;

	while ((c = next(r)) != AT_END && c != '"')
		if (c == '\\')
			next(r);
}

static bool ends_word(int c)
{
	return c == AT_END || c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' ||
	       c == '\n' || c == '\r';
}

/* Passes over one value: enough to know where it ends; what it is, jx_parse() says. */
static int pass_value(struct reader *r, size_t most, struct bulk_extent *ret)
{
	int64_t begin;
	size_t depth = 0;
	int c = peek_token(r);

	begin = r->at;
	if (ends_word(c))
		return syntax(r, "a value");
	do {
		c = next(r);
		if (c == AT_END)
			return syntax(r, "the end of a value");
		if (c == '"')
			pass_string(r);
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (depth == 0)
			while (!ends_word(peek(r)) && r->at - begin <= (int64_t)most)
				next(r);
		if (r->at - begin > (int64_t)most)
			return err_set(r->err, ERR_TOO_LARGE,
				       "the value at byte %lld is longer than %zu bytes, the "
				       "most for one operation",
				       (long long)begin, most);
	} while (depth > 0);
	*ret = (struct bulk_extent){ begin, (size_t)(r->at - begin) };
	return r->fault;
}

int bulk_read_operation(const struct bulk_text *text, struct bulk_extent at, json_t **ret,
			struct err *err)
{
	CLEANUP(free_at) char *p = malloc(at.len + 1);
	size_t have = 0;
	int r;

	if (!p)
		return err_nomem(err);
	r = bytes_at(text, at.at, p, at.len, &have, err);
	if (r == 0)
		r = jx_parse(str_n(p, have), JX_STRICT, ret, err);
	return r;
}

/* --- the envelope ---------------------------------------------------------------------------
 */

enum member { SCHEMAS, FAIL_ON_ERRORS, OPERATIONS, OTHER };

static const char *const members[] = { "schemas", "failOnErrors", "Operations" };

struct reading {
	struct reader reader;
	const struct bulk_limits *limits;
	bulk_look_fn look;
	void *ctx;
	struct bulk_envelope *into;
	bool seen[OTHER], is_bulk;
};

static int value_read(struct reading *b, size_t most, json_t **ret)
{
	struct bulk_extent at;
	int r = pass_value(&b->reader, most, &at);

	return r < 0 ? r : bulk_read_operation(b->reader.text, at, ret, b->reader.err);
}

static int schemas_read(struct reading *b)
{
	CLEANUP(json_decref_at) json_t *schemas = NULL;
	json_t *urn;
	size_t i;
	int r = value_read(b, SMALL_BYTES, &schemas);

	json_array_foreach (schemas, i, urn) {
		if (json_is_string(urn) &&
		    str_ieq(str_of(json_string_value(urn)), STR(BULK_URN)))
			b->is_bulk = true;
	}
	return r;
}

static int fail_on_errors_read(struct reading *b)
{
	CLEANUP(json_decref_at) json_t *value = NULL;
	int r = value_read(b, SMALL_BYTES, &value);

	if (r < 0 || json_is_null(value))
		return r;
	if (!json_is_integer(value) || json_integer_value(value) < 1)
		return err_set(b->reader.err, ERR_INVALID_VALUE,
			       "failOnErrors must be a whole number of at least 1");
	b->into->fail_on_errors = (uint64_t)json_integer_value(value);
	return 0;
}

static int operation_read(struct reading *b)
{
	CLEANUP(json_decref_at) json_t *operation = NULL;
	struct err *err = b->reader.err;
	size_t index = b->into->operations.n;
	struct bulk_extent at;
	int r;

	if (index == b->limits->operations)
		return err_set(err, ERR_TOO_LARGE,
			       "there are more than %zu operations (maxOperations)", index);
	r = pass_value(&b->reader, b->limits->operation_bytes, &at);
	if (r == 0)
		r = bulk_read_operation(b->reader.text, at, &operation, err);
	if (r == 0 && !json_is_object(operation))
		r = err_set(err, ERR_INVALID_SYNTAX, "it is no object");
	if (r == 0 && b->look)
		r = b->look(b->ctx, index, operation, err);
	if (r < 0)
		return err_context(err, r, "operation %zu", index + 1);
	return bulk_extents_add(&b->into->operations, at) < 0 ? err_nomem(err) : 0;
}

static int operations_read(struct reading *b)
{
	struct reader *r = &b->reader;
	int rc = expect(r, '[', "a list of operations");

	if (rc == 0 && peek_token(r) == ']')
		return err_set(r->err, ERR_INVALID_SYNTAX, "Operations holds no operation");
	while (rc == 0) {
		rc = operation_read(b);
		if (rc == 0 && peek_token(r) == ']')
			break;
		if (rc == 0)
			rc = expect(r, ',', "a comma or the end of the list");
	}
	if (rc == 0)
		next(r);
	return rc;
}

static int name_read(struct reading *b, enum member *ret)
{
	CLEANUP(json_decref_at) json_t *name = NULL;
	struct reader *r = &b->reader;
	size_t m = 0;
	int rc;

	if (peek_token(r) != '"')
		return syntax(r, "a member's name");
	rc = value_read(b, SMALL_BYTES, &name);
	if (rc == 0)
		rc = expect(r, ':', "a colon");
	if (rc < 0)
		return rc;
	while (m < OTHER && !str_ieq(str_of(json_string_value(name)), str_of(members[m])))
		m++;
	if (m < OTHER && b->seen[m])
		return err_set(r->err, ERR_INVALID_SYNTAX, "%s is there twice", members[m]);
	if (m < OTHER)
		b->seen[m] = true;
	*ret = (enum member)m;
	return 0;
}

static int member_read(struct reading *b)
{
	CLEANUP(json_decref_at) json_t *unknown = NULL;
	enum member m = OTHER;
	int r = name_read(b, &m);

	if (r < 0)
		return r;
	if (m == SCHEMAS)
		return schemas_read(b);
	if (m == FAIL_ON_ERRORS)
		return fail_on_errors_read(b);
	if (m == OPERATIONS)
		return operations_read(b);
	return value_read(b, SMALL_BYTES, &unknown);
}

static int body_read(struct reading *b)
{
	struct reader *r = &b->reader;
	int rc = expect(r, '{', "an object");

	if (rc == 0 && peek_token(r) == '}')
		return err_set(r->err, ERR_INVALID_SYNTAX, "there are no Operations");
	while (rc == 0) {
		rc = member_read(b);
		if (rc == 0 && peek_token(r) == '}')
			break;
		if (rc == 0)
			rc = expect(r, ',', "a comma or the end of the object");
	}
	if (rc < 0)
		return rc;
	next(r);
	if (peek_token(r) != AT_END)
		return syntax(r, "nothing behind the object");
	return r->fault;
}

int bulk_read(const struct bulk_text *text, const struct bulk_limits *limits, bulk_look_fn look,
	      void *ctx, struct bulk_envelope *ret, struct err *err)
{
	struct reading b = { .reader = { .text = text, .err = err },
			     .limits = limits,
			     .look = look,
			     .ctx = ctx,
			     .into = ret };
	char mark[3];
	size_t have = 0;
	int r;

	if (length_of(text) > limits->payload_bytes)
		return err_set(err, ERR_TOO_LARGE,
			       "the request has %lld bytes, more than %lld (maxPayloadSize)",
			       (long long)length_of(text), (long long)limits->payload_bytes);
	r = bytes_at(text, 0, mark, sizeof(mark), &have, err);
	if (r < 0)
		return r;
	if (str_eq(str_n(mark, have), STR("\xEF\xBB\xBF"))) /* a byte order mark */
		b.reader.at = sizeof(mark);
	r = body_read(&b);
	if (r < 0)
		return r;
	if (!b.is_bulk)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "a bulk request must be an object whose schemas hold %s",
			       BULK_URN);
	if (!b.seen[OPERATIONS])
		return err_set(err, ERR_INVALID_SYNTAX, "there are no Operations");
	return 0;
}
