#include "base/jx.h"

#include <limits.h>
#include <stdlib.h>

#include "base/stamp.h"

/* --- memory ------------------------------------------------------------------------------- */

static void *(*memory_take)(size_t size) = malloc;
/* Set where an allocation of jansson's failed on this thread; cleared by who asks. */
static _Thread_local bool memory_lost;

static void *take_or_note(size_t size)
{
	void *p = memory_take(size);

	memory_lost = memory_lost || !p;
	return p;
}

void jx_memory(void *(*take)(size_t size), void (*give)(void *p))
{
	memory_take = take;
	json_set_alloc_funcs(take_or_note, give);
}

/* Before main(), so that no document is made with memory that nobody watches. */
static __attribute__((constructor)) void memory_begin(void)
{
	jx_memory(malloc, free);
}

/* --- parsing ------------------------------------------------------------------------------ */

/* Jumps over a string; i is behind its opening quote. Returns where it ends, or len. */
static size_t string_end(struct str text, size_t i)
{
	for (; i < text.len; i++) {
		if (text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			return i;
	}
	return text.len;
}

/*
 * Counts brackets outside strings. Enough to know that jansson, which recurses, will not go
 * deeper; whether the brackets match is for jansson to say.
 */
static int depth_check(struct str text, struct err *err)
{
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		switch (text.p[i]) {
		case '"':
			i = string_end(text, i + 1);
			break;
		case '{':
		case '[':
			if (++depth > JX_MAX_DEPTH)
				return err_set(err, ERR_INVALID_SYNTAX,
					       "JSON is nested deeper than %d at byte %zu",
					       JX_MAX_DEPTH, i);
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		}
	}
	return 0;
}

/* An order in which names that differ in the case of ASCII letters only are neighbours. */
static int name_cmp(const char *a, const char *b)
{
	for (;; a++, b++) {
		int x = *a >= 'A' && *a <= 'Z' ? *a - 'A' + 'a' : (unsigned char)*a;
		int y = *b >= 'A' && *b <= 'Z' ? *b - 'A' + 'a' : (unsigned char)*b;

		if (x != y || x == 0)
			return x - y;
	}
}

static int by_name_but_case(const void *a, const void *b)
{
	return name_cmp(*(const char *const *)a, *(const char *const *)b);
}

static int twins_in_object(json_t *object, struct err *err)
{
	CLEANUP(free_at) const char **names = NULL;
	size_t n = json_object_size(object), i = 0;
	const char *name;
	json_t *value;

	if (n < 2)
		return 0;
	names = calloc(n, sizeof(*names));
	if (!names)
		return err_nomem(err);
	json_object_foreach (object, name, value)
		names[i++] = name;
	qsort(names, n, sizeof(*names), by_name_but_case);
	for (i = 1; i < n; i++)
		if (name_cmp(names[i - 1], names[i]) == 0)
			return err_set(err, ERR_INVALID_SYNTAX,
				       "JSON members \"%s\" and \"%s\" of one object are the "
				       "same name",
				       names[i - 1], names[i]);
	return 0;
}

/* Attribute names are case-insensitive (RFC 7643 2.1): two spellings are a duplicate. */
static int twins_check(json_t *j, struct err *err)
{
	const char *name;
	json_t *value;
	size_t i;
	int r = 0;

	if (json_is_object(j)) {
		r = twins_in_object(j, err);
		json_object_foreach (j, name, value) {
			if (r < 0)
				break;
			r = twins_check(value, err);
		}
	} else if (json_is_array(j)) {
		json_array_foreach (j, i, value) {
			r = twins_check(value, err);
			if (r < 0)
				break;
		}
	}
	return r;
}

/* Without jansson's "near ...": the text there may be somebody's data, or half a character. */
static int syntax_fault(const json_error_t *error, struct err *err)
{
	const char *near = strstr(error->text, " near ");
	size_t len = near ? (size_t)(near - error->text) : strlen(error->text);

	return err_set(err, ERR_INVALID_SYNTAX, "JSON at byte %d: %.*s", error->position,
		       (int)len, error->text);
}

int jx_parse(struct str text, enum jx_mode mode, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	json_error_t error;
	const char *nul;
	int r;

	if (text.len > INT_MAX) /* jansson counts positions in int */
		return err_set(err, ERR_INVALID_SYNTAX, "JSON of %zu bytes is too long",
			       text.len);
	nul = text.len ? memchr(text.p, 0, text.len) : NULL;
	if (nul) /* jansson would pass over one that follows a number or a word */
		return err_set(err, ERR_INVALID_SYNTAX, "JSON at byte %zu: a NUL",
			       (size_t)(nul - text.p));
	r = depth_check(text, err);
	if (r < 0)
		return r;
	memory_lost = false;
	j = json_loadb(text.p ? text.p : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
		       &error);
	/* jansson's scanner calls a string that it had no memory for a syntax error, or goes on
	 * without the byte that it could not store: what it returns then is not what was sent.
	 * errno does not tell: reading a number sets it to 0
	 */
	if (memory_lost || (!j && json_error_code(&error) == json_error_out_of_memory))
		return err_nomem(err);
	if (!j)
		return syntax_fault(&error, err);
	if (mode == JX_STRICT) {
		r = twins_check(j, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE(j);
	return 0;
}

/* --- printing ----------------------------------------------------------------------------- */

static int into_buf(const char *p, size_t len, void *into)
{
	struct buf *b = into;

	buf_add(b, p, len);
	return b->fault ? -1 : 0;
}

static int print(const json_t *j, size_t flags, struct buf *into, struct err *err)
{
	size_t before = into->len;
	int r;

	/* jansson does not ask whether the name of a member was taken */
	if (json_dump_callback(j, into_buf, into, flags | JSON_COMPACT | JSON_ENCODE_ANY) ==
		    0 &&
	    !into->fault)
		return 0;
	r = buf_fault(into, err, "JSON text");
	buf_cut(into, before);
	/* jansson prints everything that it let in, but for cycles, which we do not build */
	return r < 0 ? r : err_nomem(err);
}

int jx_canonical(const json_t *j, struct buf *into, struct err *err)
{
	return print(j, JSON_SORT_KEYS, into, err);
}

int jx_text(const json_t *j, struct buf *into, struct err *err)
{
	return print(j, 0, into, err);
}

/* --- reading by table --------------------------------------------------------------------- */

static const char *kind_of(const json_t *j)
{
	static const char *const kinds[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return j ? kinds[json_typeof(j)] : "missing";
}

/* Each takes a value that is not null into its field: 0, 1 for "not of my kind", -ERR_NOMEM. */
static int take_text(json_t *j, void *field)
{
	char **text = field;
	char *copy;

	if (!json_is_string(j))
		return 1;
	copy = str_dup(str_n(json_string_value(j), json_string_length(j)));
	if (!copy)
		return -ERR_NOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int take_str(json_t *j, void *field)
{
	if (!json_is_string(j))
		return 1;
	*(struct str *)field = str_n(json_string_value(j), json_string_length(j));
	return 0;
}

static int take_bool(json_t *j, void *field)
{
	if (!json_is_boolean(j))
		return 1;
	*(bool *)field = json_is_true(j);
	return 0;
}

static int take_int(json_t *j, void *field)
{
	if (!json_is_integer(j))
		return 1;
	*(int64_t *)field = json_integer_value(j);
	return 0;
}

static int take_time(json_t *j, void *field)
{
	if (!json_is_string(j))
		return 1;
	return !stamp_parse(str_n(json_string_value(j), json_string_length(j)), field);
}

static int take_object(json_t *j, void *field)
{
	if (!json_is_object(j))
		return 1;
	*(json_t **)field = j;
	return 0;
}

static int take_array(json_t *j, void *field)
{
	if (!json_is_array(j))
		return 1;
	*(json_t **)field = j;
	return 0;
}

static int take_any(json_t *j, void *field)
{
	*(json_t **)field = j;
	return 0;
}

static const struct {
	int (*take)(json_t *j, void *field);
	const char *expected;
} readers[] = {
	[JX_TEXT] = { take_text, "a string" },      [JX_STR] = { take_str, "a string" },
	[JX_BOOL] = { take_bool, "true or false" }, [JX_INT] = { take_int, "an integer" },
	[JX_TIME] = { take_time, "a dateTime" },    [JX_OBJECT] = { take_object, "an object" },
	[JX_ARRAY] = { take_array, "an array" },    [JX_ANY] = { take_any, "any value" },
};

static int row_read(json_t *value, const struct jx_row *row, char *field, struct err *err)
{
	int r;

	if (!value || (json_is_null(value) && row->type != JX_ANY)) {
		if (row->required)
			return err_set(err, ERR_PROTOCOL, "member \"%s\" is %s, expected %s",
				       row->name, kind_of(value), readers[row->type].expected);
		if (value && row->type == JX_TEXT)
			free_at(field);
		return 0;
	}
	r = readers[row->type].take(value, field);
	if (r < 0)
		return err_nomem(err);
	if (r > 0)
		return err_set(err, ERR_PROTOCOL, "member \"%s\" is %s, expected %s", row->name,
			       kind_of(value), readers[row->type].expected);
	return 0;
}

int jx_read(const json_t *object, const struct jx_row *rows, void *into, struct err *err)
{
	if (!json_is_object(object))
		return err_set(err, ERR_PROTOCOL, "the JSON is %s, expected an object",
			       kind_of(object));
	for (const struct jx_row *row = rows; row->name; row++) {
		int r = row_read(json_object_get(object, row->name), row,
				 (char *)into + row->offset, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- building ----------------------------------------------------------------------------- */

int jx_set(json_t *object, const char *key, json_t *value, struct err *err)
{
	return json_object_set_new(object, key, value) < 0 ? err_nomem(err) : 0;
}

int jx_add(json_t *array, json_t *value, struct err *err)
{
	return json_array_append_new(array, value) < 0 ? err_nomem(err) : 0;
}

const char *jx_get_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_t *jx_get_i(const json_t *object, struct str name)
{
	const char *key;
	json_t *value;

	/* jansson's iterators want a json_t they could change; these do not */
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		if (str_ieq(str_of(key), name))
			return value;
	}
	return NULL;
}
