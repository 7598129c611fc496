#include "model/validate.h"

#include <stdio.h>

#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"

#define WHAT_BYTES 200
#define BINARY_MAX_BYTES (1024 * 1024)

const char *const coercion_words[COERCION_COUNT] = {
#define X(symbol, word) [COERCION_##symbol] = word,
	COERCION_LIST(X)
#undef X
};

/* What stays the same while one document is read. */
struct checking {
	unsigned tolerate;
	struct coercions *coercions;
	struct err *err;
};

static void count(const struct checking *c, enum coercion what)
{
	if (c->coercions)
		c->coercions->n[what]++;
}

static struct str text_of(const json_t *j)
{
	return str_n(json_string_value(j), json_string_length(j));
}

static int refuse(const struct checking *c, const char *what, const char *wanted)
{
	return err_set(c->err, ERR_INVALID_VALUE, "%s: %s was expected", what, wanted);
}

/* --- single values --------------------------------------------------------------------------
 */

/* *ret = j with a reference of its own; j NULL is lost memory. */
static int keep(const struct checking *c, json_t *j, json_t **ret)
{
	if (!j)
		return err_nomem(c->err);
	*ret = j;
	return 0;
}

static int as_it_is(const struct checking *c, const json_t *in, json_t **ret)
{
	/* the cast: a reference count is no change of the value */
	return keep(c, json_incref((json_t *)in), ret);
}

static int string_check(const struct checking *c, const json_t *in, const char *what,
			json_t **ret)
{
	char number[40];

	if (json_is_string(in))
		return as_it_is(c, in, ret);
	if (!json_is_number(in))
		return refuse(c, what, "a string");
	count(c, COERCION_NUMBER);
	if (json_is_integer(in))
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(in));
	else
		snprintf(number, sizeof(number), "%.17g", json_real_value(in));
	return keep(c, json_string(number), ret);
}

static int boolean_check(const struct checking *c, const json_t *in, const char *what,
			 json_t **ret)
{
	struct str text = text_of(in);

	if (json_is_boolean(in))
		return as_it_is(c, in, ret);
	if (!json_is_string(in) ||
	    (!str_ieq(text, STR("true")) && !str_ieq(text, STR("false"))))
		return refuse(c, what, "true or false");
	count(c, COERCION_BOOLEAN);
	return keep(c, json_boolean(text.len == 4), ret);
}

static int date_check(const struct checking *c, const json_t *in, const char *what,
		      json_t **ret)
{
	struct str text = text_of(in);
	int64_t ms;

	if (json_is_string(in) && stamp_parse_date(text, &ms))
		return as_it_is(c, in, ret);
	if (!json_is_string(in) || !stamp_parse(text, &ms))
		return refuse(c, what, "a date such as \"2026-11-20\"");
	count(c, COERCION_DATE);
	return keep(c, json_stringn(text.p, sizeof("2026-11-20") - 1), ret);
}

static int binary_check(const struct checking *c, const json_t *in, const char *what,
			json_t **ret)
{
	CLEANUP(buf_done) struct buf raw;

	buf_init(&raw, BINARY_MAX_BYTES);
	if (!json_is_string(in) || !enc_unbase64(&raw, text_of(in)))
		return refuse(c, what, "a text in base64");
	if (raw.fault)
		return buf_fault(&raw, c->err, what);
	return as_it_is(c, in, ret);
}

static int simple_check(const struct checking *c, const struct schema_attr *attr,
			const json_t *in, const char *what, json_t **ret)
{
	int64_t ms;

	switch (attr->type) {
	case ATTR_STRING:
		return string_check(c, in, what, ret);
	case ATTR_BOOLEAN:
		return boolean_check(c, in, what, ret);
	case ATTR_DATE:
		return date_check(c, in, what, ret);
	case ATTR_BINARY:
		return binary_check(c, in, what, ret);
	case ATTR_REFERENCE:
		return json_is_string(in) ? as_it_is(c, in, ret)
					  : refuse(c, what, "a reference in a string");
	case ATTR_DATETIME:
		return json_is_string(in) && stamp_parse(text_of(in), &ms)
			       ? as_it_is(c, in, ret)
			       : refuse(c, what,
					"a date and time such as \"2026-11-20T09:00:00Z\"");
	case ATTR_INTEGER:
		return json_is_integer(in) ? as_it_is(c, in, ret)
					   : refuse(c, what, "a whole number");
	case ATTR_DECIMAL:
		return json_is_number(in) ? as_it_is(c, in, ret) : refuse(c, what, "a number");
	case ATTR_COMPLEX:
		break;
	}
	return refuse(c, what, "something else");
}

/* --- complex values -------------------------------------------------------------------------
 */

static int value_check(const struct checking *c, const struct schema_attr *attr,
		       const json_t *in, const char *what, json_t **ret);

/* The row that a sub-attribute's name means, with the names that only senders we know use. */
static const struct schema_attr *sub_find(const struct checking *c,
					  const struct schema_attr *attr, const char *name)
{
	static const struct {
		const char *alias, *means;
	} aliases[] = { { "managerId", "value" }, { "displayName", "display" } };
	const struct schema_attr *sub = schema_attr(attr->sub, str_of(name));

	if (sub)
		return sub;
	for (size_t i = 0; i < COUNT_OF(aliases) && !sub; i++)
		if (str_ieq(str_of(name), str_of(aliases[i].alias)))
			sub = schema_attr(attr->sub, str_of(aliases[i].means));
	count(c, sub ? COERCION_ALIAS : COERCION_UNKNOWN_NAME);
	return sub;
}

/* The members of in that attr knows, checked, added to into under the schema's names. */
static int members_check(const struct checking *c, const struct schema_attr *attr,
			 const json_t *in, const char *what, json_t *into)
{
	const char *name;
	json_t *value;
	int r;

	json_object_foreach ((json_t *)in, name, value) {
		const struct schema_attr *sub = sub_find(c, attr, name);
		char sub_what[WHAT_BYTES];
		json_t *clean = NULL;

		if (!sub)
			continue;
		if (sub->mutability == ATTR_READ_ONLY) {
			count(c, COERCION_READ_ONLY);
			continue;
		}
		if (strcmp(sub->name, name) != 0 && json_object_get(into, sub->name))
			continue; /* an alias does not overrule the name itself */
		snprintf(sub_what, sizeof(sub_what), "%s.%s", what, sub->name);
		r = value_check(c, sub, value, sub_what, &clean);
		if (r == 0 && clean)
			r = jx_set(into, sub->name, clean, c->err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* into's members again, in the order of the table. */
static int members_order(const struct checking *c, const struct schema_attr *attr, json_t *from,
			 json_t **ret)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	int r = 0;

	if (!out)
		return err_nomem(c->err);
	for (const struct schema_attr *sub = attr->sub; r == 0 && sub->name; sub++) {
		json_t *value = json_object_get(from, sub->name);

		if (value)
			r = jx_set(out, sub->name, json_incref(value), c->err);
	}
	if (r == 0 && json_object_size(out) > 0)
		*ret = TAKE(out);
	return r;
}

/* Entra's roles: the whole element as JSON inside the string of its value (or of itself). *ret
 * stays NULL where it is not so. */
static int unwrap(const struct checking *c, const json_t *in, json_t **ret)
{
	const json_t *text = json_is_object(in) ? jx_get_i(in, STR("value")) : in;
	CLEANUP(json_decref_at) json_t *object = NULL;
	int r;

	if (!(c->tolerate & VALIDATE_JSON_TEXT) || !json_is_string(text) ||
	    !str_starts(text_of(text), STR("{")))
		return 0;
	r = jx_parse(text_of(text), JX_STRICT, &object, NULL);
	if (r == -ERR_NOMEM)
		return err_nomem(c->err);
	if (r < 0 || !json_is_object(object))
		return 0; /* a text that happens to begin like this */
	count(c, COERCION_JSON_TEXT);
	*ret = TAKE(object);
	return 0;
}

static int object_check(const struct checking *c, const struct schema_attr *attr,
			const json_t *in, const char *what, json_t **ret)
{
	CLEANUP(json_decref_at) json_t *members = json_object();
	int r;

	if (!members)
		return err_nomem(c->err);
	r = members_check(c, attr, in, what, members);
	if (r < 0)
		return r;
	return members_order(c, attr, members, ret);
}

static int complex_check(const struct checking *c, const struct schema_attr *attr,
			 const json_t *in, const char *what, json_t **ret)
{
	const struct schema_attr *value = schema_attr(attr->sub, STR("value"));
	CLEANUP(json_decref_at) json_t *inner = NULL, *whole = NULL;
	int r = unwrap(c, in, &inner);

	if (r < 0)
		return r;
	if (inner)
		return object_check(c, attr, inner, what, ret);
	if (json_is_object(in))
		return object_check(c, attr, in, what, ret);
	if (!value || json_is_array(in))
		return refuse(c, what, "an object");
	/* "m1" for {"value":"m1"} */
	count(c, COERCION_SCALAR);
	whole = json_object();
	if (!whole)
		return err_nomem(c->err);
	if (jx_set(whole, "value", json_incref((json_t *)in), c->err) < 0)
		return -ERR_NOMEM;
	return object_check(c, attr, whole, what, ret);
}

static int element_check(const struct checking *c, const struct schema_attr *attr,
			 const json_t *in, const char *what, json_t **ret)
{
	if (json_is_null(in))
		return 0;
	if (attr->type == ATTR_COMPLEX)
		return complex_check(c, attr, in, what, ret);
	return simple_check(c, attr, in, what, ret);
}

/* --- multi-valued ---------------------------------------------------------------------------
 */

static bool same_member(const json_t *a, const json_t *b, const char *name)
{
	const json_t *x = json_object_get(a, name), *y = json_object_get(b, name);

	return x == y || json_equal(x, y);
}

bool validate_twins(const json_t *a, const json_t *b)
{
	if (!json_object_get(a, "value"))
		return json_equal(a, b);
	return same_member(a, b, "value") && same_member(a, b, "type");
}

/* Adds an element, or what it says more than its twin that is there. Takes element. */
static int element_take(const struct checking *c, json_t *list, json_t *element)
{
	size_t i;
	json_t *old;
	int r = 0;

	json_array_foreach (list, i, old) {
		if (!validate_twins(old, element))
			continue;
		if (json_is_object(old) && json_object_update(old, element) < 0)
			r = err_nomem(c->err);
		json_decref(element);
		return r;
	}
	return jx_add(list, element, c->err);
}

static int one_primary(const json_t *array, const char *what, struct err *err)
{
	size_t i, n = 0;
	json_t *element;

	json_array_foreach ((json_t *)array, i, element) {
		if (json_is_true(json_object_get(element, "primary")))
			n++;
	}
	if (n > 1)
		return err_set(err, ERR_INVALID_VALUE, "%s: more than one is primary", what);
	return 0;
}

/* Members become rows, where each id stands once and whose number is bounded by the body. */
static bool are_rows(const struct schema_attr *attr)
{
	return attr->sub && attr->sub[0].mutability == ATTR_IMMUTABLE;
}

static int list_check(const struct checking *c, const struct schema_attr *attr,
		      const json_t *in, const char *what, json_t **ret)
{
	CLEANUP(json_decref_at) json_t *out = json_array();
	size_t n = json_is_array(in) ? json_array_size(in) : 1;
	int r;

	if (!out)
		return err_nomem(c->err);
	if (!json_is_array(in))
		count(c, COERCION_ARRAY);
	if (n > VALIDATE_MAX_VALUES && !are_rows(attr))
		return err_set(c->err, ERR_INVALID_VALUE, "%s: more than %d values", what,
			       VALIDATE_MAX_VALUES);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(json_decref_at) json_t *element = NULL;

		r = element_check(c, attr, json_is_array(in) ? json_array_get(in, i) : in, what,
				  &element);
		if (r == 0 && element)
			r = are_rows(attr) ? jx_add(out, TAKE(element), c->err)
					   : element_take(c, out, TAKE(element));
		if (r < 0)
			return r;
	}
	r = one_primary(out, what, c->err);
	if (r == 0 && json_array_size(out) > 0)
		*ret = TAKE(out);
	return r;
}

static int value_check(const struct checking *c, const struct schema_attr *attr,
		       const json_t *in, const char *what, json_t **ret)
{
	if (json_is_null(in))
		return 0;
	if (attr->multi)
		return list_check(c, attr, in, what, ret);
	if (json_is_array(in) && json_array_size(in) == 0)
		return 0;
	if (json_is_array(in) && json_array_size(in) == 1 && attr->type == ATTR_COMPLEX) {
		count(c, COERCION_ARRAY);
		in = json_array_get(in, 0);
	}
	return element_check(c, attr, in, what, ret);
}

int validate_value(const struct schema_attr *attr, const json_t *in, const char *what,
		   unsigned tolerate, json_t **ret, struct coercions *coercions,
		   struct err *err)
{
	struct checking c = { tolerate, coercions, err };
	json_t *clean = NULL;
	int r = value_check(&c, attr, in, what, &clean);

	if (r == 0)
		*ret = clean;
	return r;
}

int validate_element(const struct schema_attr *attr, const json_t *in, const char *what,
		     unsigned tolerate, json_t **ret, struct coercions *coercions,
		     struct err *err)
{
	struct checking c = { tolerate, coercions, err };
	json_t *clean = NULL;
	int r;

	if (json_is_array(in) && json_array_size(in) == 1 && attr->type == ATTR_COMPLEX) {
		count(&c, COERCION_ARRAY);
		in = json_array_get(in, 0);
	}
	r = element_check(&c, attr, in, what, &clean);
	if (r == 0)
		*ret = clean;
	return r;
}

/* --- whole documents ------------------------------------------------------------------------
 */

static bool is_old_urn(struct str urn)
{
	return str_ieq(urn, STR("urn:scim:schemas:core:1.0"));
}

/* Whether a resource of base can have the schema. */
static bool fits(const struct schema *base, const struct schema *s)
{
	return s == base || (base == &schema_user && s->extension);
}

/* RFC 7643 section 3: never empty, and of this type. */
static int schemas_check(const struct checking *c, const json_t *in, const struct schema *base)
{
	const json_t *list = jx_get_i(in, STR("schemas"));
	size_t n = json_is_array(list) ? json_array_size(list) : json_is_string(list), ours = 0;

	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_is_array(list) ? json_array_get(list, i) : list;
		const struct schema *s;

		if (!json_is_string(item))
			return err_set(c->err, ERR_INVALID_SYNTAX,
				       "schemas: each must be a URN in a string");
		s = schema_by_urn(text_of(item));
		if (s && !fits(base, s))
			return err_set(c->err, ERR_INVALID_SYNTAX,
				       "schemas: %s is not a schema of a %s", s->urn,
				       base->name);
		if (s)
			ours++;
		else
			count(c, COERCION_UNKNOWN_URN);
		if (!s && (c->tolerate & VALIDATE_OLD_URNS) && is_old_urn(text_of(item)))
			ours++;
	}
	if (ours == 0)
		return err_set(c->err, ERR_INVALID_SYNTAX, "schemas: %s was expected",
			       base->urn);
	return 0;
}

/* One attribute into into, under the schema's name. */
static int attr_take(const struct checking *c, const struct schema_attr *attr, const char *name,
		     const json_t *value, const char *what, json_t *into)
{
	json_t *clean = NULL;
	int r;

	if (attr->mutability == ATTR_READ_ONLY) {
		if (!json_is_null(value))
			count(c, COERCION_READ_ONLY);
		return 0;
	}
	if (attr->mutability == ATTR_WRITE_ONLY)
		return 0; /* a password: dropped at once */
	if (strcmp(name, attr->name) != 0)
		count(c, COERCION_NAME_CASE);
	r = value_check(c, attr, value, what, &clean);
	if (r == 0 && clean)
		r = jx_set(into, attr->name, clean, c->err);
	return r;
}

static int extension_take(const struct checking *c, const struct schema *s, const json_t *in,
			  json_t *into)
{
	CLEANUP(json_decref_at) json_t *container = json_object();
	const char *name;
	json_t *value;
	int r = 0;

	if (!container)
		return err_nomem(c->err);
	if (json_is_null(in))
		return 0;
	if (!json_is_object(in))
		return err_set(c->err, ERR_INVALID_VALUE, "%s: an object was expected", s->urn);
	json_object_foreach ((json_t *)in, name, value) {
		const struct schema_attr *attr = schema_attr(s->attrs, str_of(name));

		if (attr)
			r = attr_take(c, attr, name, value, attr->name, container);
		else
			count(c, COERCION_UNKNOWN_NAME);
		if (r < 0)
			return r;
	}
	if (json_object_size(container) == 0)
		return 0;
	return jx_set(into, s->urn, TAKE(container), c->err);
}

static int members_take(const struct checking *c, const json_t *in, const struct schema *base,
			json_t *into)
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach ((json_t *)in, name, value) {
		struct str key = str_of(name);
		const struct schema_attr *attr = schema_attr(base->attrs, key);
		const struct schema *s;

		if (!attr)
			attr = schema_attr(schema_common, key);
		s = attr ? NULL : schema_by_urn(key);
		if (attr && str_ieq(key, STR("schemas")))
			continue;
		if (attr)
			r = attr_take(c, attr, name, value, attr->name, into);
		else if (s && s != base && fits(base, s))
			r = extension_take(c, s, value, into);
		else
			count(c, COERCION_UNKNOWN_NAME);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_blank(const json_t *j)
{
	return json_is_string(j) && str_is_blank(text_of(j));
}

int validate_whole(const json_t *doc, const struct schema *base, struct err *err)
{
	int r = 0;

	for (const struct schema_attr *attr = base->attrs; r == 0 && attr->name; attr++) {
		const json_t *value = json_object_get(doc, attr->name);

		if (attr->required && (!value || is_blank(value)))
			return err_set(err, ERR_INVALID_VALUE, "%s is required", attr->name);
		if (attr->multi && value)
			r = one_primary(value, attr->name, err);
	}
	return r;
}

/* Moves the attributes of a table, in its order; emptied ones stay behind. */
static int order_take(const struct schema_attr *table, const json_t *from, json_t *into,
		      struct err *err)
{
	int r = 0;

	for (; r == 0 && table->name; table++) {
		json_t *value = json_object_get(from, table->name);
		bool empty = (json_is_array(value) && json_array_size(value) == 0) ||
			     (json_is_object(value) && json_object_size(value) == 0);

		if (value && !empty)
			r = jx_set(into, table->name, json_incref(value), err);
	}
	return r;
}

static int extensions_order(const json_t *doc, json_t *schemas, json_t *into, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && schema_all[i]; i++) {
		const struct schema *s = schema_all[i];
		CLEANUP(json_decref_at) json_t *container = NULL;

		if (!s->extension || !json_object_get(doc, s->urn))
			continue;
		container = json_object();
		if (!container)
			return err_nomem(err);
		r = order_take(s->attrs, json_object_get(doc, s->urn), container, err);
		if (r < 0 || json_object_size(container) == 0)
			continue;
		r = jx_add(schemas, json_string(s->urn), err);
		if (r == 0)
			r = jx_set(into, s->urn, TAKE(container), err);
	}
	return r;
}

int validate_order(const json_t *doc, const struct schema *base, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	json_t *schemas = json_array(), *id = json_object_get(doc, "id"),
	       *external = json_object_get(doc, "externalId");
	int r;

	if (!out || !schemas) {
		json_decref(schemas);
		return err_nomem(err);
	}
	r = jx_set(out, "schemas", schemas, err);
	if (r == 0)
		r = jx_add(schemas, json_string(base->urn), err);
	if (r == 0 && id)
		r = jx_set(out, "id", json_incref(id), err);
	if (r == 0 && external)
		r = jx_set(out, "externalId", json_incref(external), err);
	if (r == 0)
		r = order_take(base->attrs, doc, out, err);
	if (r == 0 && base == &schema_user)
		r = extensions_order(doc, schemas, out, err);
	if (r < 0)
		return r;
	*ret = TAKE(out);
	return 0;
}

int validate_document(const json_t *in, const struct schema *base, unsigned tolerate,
		      json_t **ret, struct coercions *coercions, struct err *err)
{
	struct checking c = { tolerate, coercions, err };
	CLEANUP(json_decref_at) json_t *members = json_object();
	int r;

	if (!members)
		return err_nomem(err);
	if (!json_is_object(in))
		return err_set(err, ERR_INVALID_SYNTAX, "a %s must be a JSON object",
			       base->name);
	r = schemas_check(&c, in, base);
	if (r == 0)
		r = members_take(&c, in, base, members);
	if (r == 0)
		r = validate_whole(members, base, err);
	if (r < 0)
		return r;
	return validate_order(members, base, ret, err);
}
