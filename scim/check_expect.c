/*
 * Scim/check: what must come, as clauses.
 *
 *     clauses = clause *("; " clause)      clause = path SP op [SP value]
 *     path    = "header:" NAME / "." / step *("/" step)
 *     step    = member (case ignored) / index / "#" (how many) / member=text (the first element
 *               of a list whose member is that text)
 *     op      = "=" "!=" "~" (equal but for case) "has" (a list holds that text) "begins"
 *               "least" "most" (integers) "is" (a word of the table below)
 *
 * true, false and integers are those JSON values; anything else, and what stands in single
 * quotes, is a text.
 */
#include "scim/check_run.h"

#define VALUE_MAX (256 * 1024)

/* --- paths ----------------------------------------------------------------------------------
 */

static json_t *select_one(const json_t *list, struct str step)
{
	struct str name, want;
	const json_t *each;
	size_t i;

	if (!str_cut(step, '=', &name, &want))
		return NULL;
	json_array_foreach ((json_t *)list, i, each) {
		json_t *value = json_is_object(each) ? jx_get_i(each, name) : NULL;

		if (json_is_string(value) && str_eq(str_of(json_string_value(value)), want))
			return (json_t *)each;
	}
	return NULL;
}

/* One step down; *made is set where the value is new. Borrowed else. */
static json_t *step_down(json_t *at, struct str step, json_t **made)
{
	int64_t index;

	if (str_eq(step, STR("#")) && json_is_array(at))
		return *made = json_integer((json_int_t)json_array_size(at));
	if (json_is_array(at) && str_int64(step, &index))
		return json_array_get(at, (size_t)index);
	if (json_is_array(at))
		return select_one(at, step);
	return json_is_object(at) ? jx_get_i(at, step) : NULL;
}

json_t *check_at(const struct check *c, const char *path)
{
	struct str rest = str_of(path), step, header;
	json_t *at = c->doc, *made = NULL;

	if (!strncmp(path, "header:", 7))
		return httpc_header(&c->answer, path + 7, &header)
			       ? json_stringn(header.p, header.len)
			       : NULL;
	if (!strcmp(path, "."))
		return json_incref(at);
	while (at && rest.len) {
		struct str next = { 0 };

		str_cut(rest, '/', &step, &next);
		at = step_down(at, step, &made);
		rest = next;
	}
	return made && at == made ? made : json_incref(at);
}

/* --- one clause -----------------------------------------------------------------------------
 */

static bool is_empty(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_object(v) && !json_object_size(v)) ||
	       (json_is_string(v) && !json_string_length(v));
}

static bool is_word(const json_t *v, const char *word)
{
	static const struct {
		const char *word;
		json_type type;
	} types[] = {
		{ "string", JSON_STRING },
		{ "integer", JSON_INTEGER },
		{ "array", JSON_ARRAY },
		{ "object", JSON_OBJECT },
	};

	if (!strcmp(word, "present"))
		return v != NULL;
	if (!strcmp(word, "absent"))
		return !v;
	if (!strcmp(word, "empty")) /* RFC 7643 section 2.5: null and [] are as if absent */
		return is_empty(v);
	if (!strcmp(word, "filled"))
		return !is_empty(v);
	if (!strcmp(word, "boolean"))
		return json_is_boolean(v);
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (!strcmp(word, types[i].word))
			return v && json_typeof(v) == types[i].type;
	return false;
}

static bool text_equal(const json_t *v, const char *want, bool fold)
{
	if (!json_is_string(v))
		return false;
	return fold ? !strcasecmp(json_string_value(v), want)
		    : !strcmp(json_string_value(v), want);
}

static bool equal(const json_t *v, const char *want)
{
	size_t n = strlen(want);
	char inside[256];
	int64_t number;

	if (!strcmp(want, "true"))
		return json_is_true(v);
	if (!strcmp(want, "false"))
		return json_is_false(v);
	if (str_int64(str_of(want), &number))
		return json_is_integer(v) && json_integer_value(v) == number;
	if (n < 2 || want[0] != '\'' || want[n - 1] != '\'' || n - 2 >= sizeof(inside))
		return text_equal(v, want, false);
	memcpy(inside, want + 1, n - 2);
	inside[n - 2] = '\0';
	return text_equal(v, inside, false);
}

static bool has(const json_t *list, const char *want)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)list, i, each)
		if (text_equal(each, want, true))
			return true;
	return false;
}

static bool within(const json_t *v, const char *bound, bool least)
{
	int64_t number;

	if (!json_is_integer(v) || !str_int64(str_of(bound), &number))
		return false;
	return least ? json_integer_value(v) >= number : json_integer_value(v) <= number;
}

static bool holds(const json_t *v, const char *op, const char *want)
{
	if (!strcmp(op, "is"))
		return is_word(v, want);
	if (!strcmp(op, "="))
		return equal(v, want);
	if (!strcmp(op, "!="))
		return !equal(v, want);
	if (!strcmp(op, "~"))
		return text_equal(v, want, true);
	if (!strcmp(op, "has"))
		return has(v, want);
	if (!strcmp(op, "begins"))
		return json_is_string(v) &&
		       !strncasecmp(json_string_value(v), want, strlen(want));
	if (!strcmp(op, "least") || !strcmp(op, "most"))
		return within(v, want, op[0] == 'l');
	return false;
}

static void say_wrong(const struct check *c, const char *path, const char *op, const char *want,
		      const json_t *v, struct buf *why)
{
	const char *key = strrchr(path, '/');

	check_show_text(c, str_of(strcmp(path, ".") ? path : "the body"), 200, why);
	buf_add_text(why, " is ");
	if (!v)
		buf_add_text(why, "not there");
	else
		check_show_json(c, key ? key + 1 : path, v, 160, why);
	buf_add_text(why, ", wanted ");
	if (strcmp(op, "is") && strcmp(op, "="))
		buf_addf(why, "%s ", op);
	check_show_text(c, str_of(want), 160, why);
}

/* "path op value", NUL-terminated and cut up in place. */
static int clause(struct check *c, char *text, struct buf *why, struct err *err)
{
	CLEANUP(json_decref_at) json_t *v = NULL;
	char *op = strchr(text, ' '), *want = op ? strchr(op + 1, ' ') : NULL;

	if (!want)
		return err_set(err, ERR_INTERNAL, "a clause without a value: %s", text);
	*op++ = '\0';
	*want++ = '\0';
	v = check_at(c, text);
	if (holds(v, op, want))
		return 0;
	say_wrong(c, text, op, want, v, why);
	return 1;
}

/* Variables are put in after the cut, so that no answer of a server makes clauses. */
int check_expect(struct check *c, const char *clauses, struct buf *why, struct err *err)
{
	CLEANUP(buf_done) struct buf one, text;
	int r = 0;

	buf_init(&one, VALUE_MAX);
	buf_init(&text, VALUE_MAX);
	while (r == 0 && *clauses) {
		const char *next = strstr(clauses, "; ");
		size_t n = next ? (size_t)(next - clauses) : strlen(clauses);

		buf_clear(&one);
		buf_clear(&text);
		buf_add(&one, clauses, n);
		r = buf_fault(&one, err, "a clause");
		if (r == 0)
			r = check_expand(c, one.p, FORM_PLAIN, &text, err);
		if (r == 0)
			r = clause(c, text.p, why, err);
		clauses += n + (next ? 2 : 0);
	}
	if (r != -ERR_NOT_FOUND)
		return r;
	buf_add_text(why, err->text);
	return 1;
}

bool check_status_among(const char *list, int status)
{
	struct str rest = str_of(list), one;
	int64_t number;

	while (rest.len) {
		struct str next = { 0 };

		str_cut(rest, ' ', &one, &next);
		if (str_int64(one, &number) && number == status)
			return true;
		rest = next;
	}
	return false;
}
