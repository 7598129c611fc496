#include "scim/patch.h"

#include <stdio.h>

#include "base/jx.h"
#include "model/filter.h"
#include "model/schema.h"
#include "scim/codec.h"
#include "scim/reference.h"

#define WHAT_BYTES 200
#define KEY_MAX_BYTES (FILTER_MAX_BYTES + 128) /* a key of a path-less value, with its URN */

enum verb { ADD, REPLACE, REMOVE };

struct op {
	enum verb verb;
	struct filter_target to; /* to.path.name NULL: a whole extension */
	const json_t *value;     /* NULL: none was given (remove only) */
	bool from_key; /* was a member of a path-less value: echoes of ours are forgiven */
};

VEC(op_vec, struct op);

struct patch {
	enum scim_type type;
	unsigned profile, tolerate;
	struct op_vec ops;
	json_t *unwrapped; /* values that came as JSON inside a string; an array */
};

/* --- reading --------------------------------------------------------------------------------
 */

struct reading {
	struct patch *p;
	struct coercions *coercions;
	struct err *err;
	size_t max_ops;
	const char *base;
};

static void count(struct coercions *c, enum coercion what)
{
	if (c)
		c->n[what]++;
}

static struct str text_of(const json_t *j)
{
	return str_n(json_string_value(j), json_string_length(j));
}

static void op_done(struct op *op)
{
	filter_target_done(&op->to);
}

void patch_free(struct patch *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->ops.n; i++)
		op_done(&p->ops.v[i]);
	op_vec_done(&p->ops);
	json_decref(p->unwrapped);
	free(p);
}

static bool is_schemas(const struct path *path)
{
	return !path->urn && path->name && strcmp(path->name, "schemas") == 0;
}

static bool is_read_only(const struct filter_target *to)
{
	const struct path *path = &to->path;

	return path->name && !is_schemas(path) &&
	       (path->top->mutability == ATTR_READ_ONLY ||
		path->attr->mutability == ATTR_READ_ONLY ||
		(to->sub_attr && to->sub_attr->mutability == ATTR_READ_ONLY));
}

/* Takes op, also on a fault. */
static int op_push(struct reading *in, struct op *op)
{
	const struct path *path = &op->to.path;
	int r = 0;

	if (path->coerced)
		count(in->coercions, COERCION_SHORT_URN);
	if (is_read_only(&op->to) && !op->from_key) {
		r = err_set(in->err, ERR_MUTABILITY, "%s is readOnly", path->name);
	} else if (path->name && path->attr->mutability == ATTR_WRITE_ONLY) {
		op_done(op); /* a password: dropped at once */
		return 0;
	} else if (in->p->ops.n >= in->max_ops) {
		r = err_set(in->err, ERR_TOO_LARGE, "more than %zu operations in one PATCH",
			    in->max_ops);
	} else if (op_vec_add(&in->p->ops, *op) < 0) {
		r = err_nomem(in->err);
	}
	if (r < 0)
		op_done(op);
	return r;
}

static int whole_read(struct reading *in, enum verb verb, const char *urn, const json_t *value);

/* A PATCH path with its filter. */
static int target_read(const struct reading *in, struct str text, struct filter_target *ret,
		       struct err *err)
{
	struct filter_target to;
	int r = filter_target_parse(text, codec_dialect(in->p->type), &to, err);

	if (r < 0)
		return r;
	r = in->base ? reference_bind(to.where, in->base, err) : 0;
	if (r < 0)
		filter_target_done(&to);
	else
		*ret = to;
	return r;
}

/* One member of a path-less value: its name is a path (Entra), under the URN it stands in. */
static int key_read(struct reading *in, enum verb verb, const char *urn, const char *key,
		    const json_t *value)
{
	struct op op = { .verb = verb, .value = value, .from_key = true, .to.path.slot = -1 };
	CLEANUP(buf_done) struct buf text;
	struct err why;
	int r;

	buf_init(&text, KEY_MAX_BYTES);
	buf_addf(&text, "%s%s%s", urn ? urn : "", urn ? ":" : "", key);
	r = text.fault ? buf_fault(&text, &why, "a name in value")
		       : target_read(in, buf_str(&text), &op.to, &why);
	if (r == -ERR_NOMEM)
		return err_nomem(in->err);
	if (r < 0 && strchr(key, '[')) /* meant as a path, beyond doubt */
		return err_set(in->err, -r, "%s", why.text);
	if (r < 0) {
		count(in->coercions, COERCION_UNKNOWN_NAME);
		return 0;
	}
	if (!op.to.path.name) {
		r = whole_read(in, verb, op.to.path.urn, value);
		op_done(&op);
		return r;
	}
	if (!urn && strpbrk(key, ".[:"))
		count(in->coercions, COERCION_KEY_PATH);
	return op_push(in, &op);
}

static int keys_read(struct reading *in, enum verb verb, const char *urn, const json_t *value)
{
	const char *key;
	json_t *member;
	int r;

	json_object_foreach ((json_t *)value, key, member) {
		r = key_read(in, verb, urn, key, member);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A schema's URN as target: its members are operations; nothing at all clears it. */
static int whole_read(struct reading *in, enum verb verb, const char *urn, const json_t *value)
{
	struct op op = { .verb = REMOVE, .to.path.slot = -1 };
	bool core = str_ieq(str_of(urn), str_of(codec_schema(in->p->type)->urn));

	if (verb != REMOVE && json_is_object(value))
		return keys_read(in, verb, core ? NULL : urn, value);
	if (verb != REMOVE && !json_is_null(value))
		return err_set(in->err, ERR_INVALID_VALUE, "%s: an object was expected", urn);
	if (verb == ADD)
		return 0;
	if (core)
		return err_set(in->err, ERR_MUTABILITY, "%s cannot be removed", urn);
	op.to.path.urn = str_dup(str_of(urn));
	if (!op.to.path.urn)
		return err_nomem(in->err);
	return op_push(in, &op);
}

/* Keycloak: the whole value of a path-less operation as JSON inside a string. */
static int text_unwrap(struct reading *in, const json_t **value)
{
	json_t *inner = NULL;
	int r;

	if (!(in->p->tolerate & VALIDATE_JSON_TEXT) || !json_is_string(*value))
		return 0;
	r = jx_parse(text_of(*value), JX_STRICT, &inner, in->err);
	if (r < 0)
		return r;
	if (!in->p->unwrapped)
		in->p->unwrapped = json_array();
	if (!in->p->unwrapped) {
		json_decref(inner);
		return err_nomem(in->err);
	}
	*value = inner; /* lives in the array */
	count(in->coercions, COERCION_JSON_TEXT);
	return jx_add(in->p->unwrapped, inner, in->err);
}

static int verb_read(struct reading *in, const json_t *op, enum verb *ret)
{
	static const char *const words[] = {
		[ADD] = "add", [REPLACE] = "replace", [REMOVE] = "remove"
	};
	const json_t *word = jx_get_i(op, STR("op"));

	for (size_t i = 0; json_is_string(word) && i < COUNT_OF(words); i++) {
		if (!str_ieq(text_of(word), str_of(words[i])))
			continue;
		if (!str_eq(text_of(word), str_of(words[i])))
			count(in->coercions, COERCION_OP_CASE);
		*ret = (enum verb)i;
		return 0;
	}
	return err_set(in->err, ERR_INVALID_SYNTAX, "op must be add, remove or replace");
}

static int pathless_read(struct reading *in, enum verb verb, const json_t *value)
{
	int r;

	if (verb == REMOVE)
		return err_set(in->err, ERR_NO_TARGET, "remove needs a path");
	r = text_unwrap(in, &value);
	if (r < 0)
		return r;
	if (!json_is_object(value))
		return err_set(in->err, ERR_INVALID_VALUE,
			       "without a path, value must be an object");
	return keys_read(in, verb, NULL, value);
}

static int op_read(struct reading *in, const json_t *item)
{
	const json_t *path, *value;
	struct op op = { .to.path.slot = -1 };
	int r;

	if (!json_is_object(item))
		return err_set(in->err, ERR_INVALID_SYNTAX, "an operation must be an object");
	r = verb_read(in, item, &op.verb);
	if (r < 0)
		return r;
	path = jx_get_i(item, STR("path"));
	value = jx_get_i(item, STR("value"));
	if (path && !json_is_string(path) && !json_is_null(path))
		return err_set(in->err, ERR_INVALID_PATH, "path must be a string");
	if (op.verb != REMOVE && !value)
		return err_set(in->err, ERR_INVALID_VALUE, "value is missing");
	if (!path || json_is_null(path) || json_string_length(path) == 0)
		return pathless_read(in, op.verb, value);

	r = target_read(in, text_of(path), &op.to, in->err);
	if (r < 0)
		return r;
	if (!op.to.path.name) {
		r = whole_read(in, op.verb, op.to.path.urn, value);
		op_done(&op);
		return r;
	}
	op.value = value;
	return op_push(in, &op);
}

static bool has_urn(const json_t *body, struct str urn)
{
	const json_t *schemas = jx_get_i(body, STR("schemas")), *item;
	size_t i;

	json_array_foreach ((json_t *)schemas, i, item) {
		if (json_is_string(item) && str_ieq(text_of(item), urn))
			return true;
	}
	return false;
}

static int envelope_check(const struct reading *in, const json_t *body, const json_t **ops)
{
	if (!json_is_object(body) || !has_urn(body, STR(PATCH_URN)))
		return err_set(in->err, ERR_INVALID_SYNTAX,
			       "a PATCH must be an object whose schemas hold %s", PATCH_URN);
	*ops = jx_get_i(body, STR("Operations"));
	if (!json_is_array(*ops))
		return err_set(in->err, ERR_INVALID_SYNTAX, "Operations must be an array");
	if (json_array_size(*ops) == 0 && !(in->p->profile & SCIM_EMPTY_PATCH))
		return err_set(in->err, ERR_INVALID_SYNTAX,
			       "Operations must hold one operation at least");
	if (json_array_size(*ops) > in->max_ops)
		return err_set(in->err, ERR_TOO_LARGE, "more than %zu operations in one PATCH",
			       in->max_ops);
	return 0;
}

int patch_parse(const json_t *body, const struct patch_options *options, struct patch **ret,
		struct coercions *coercions, struct err *err)
{
	CLEANUP(patch_free_at) struct patch *p = calloc(1, sizeof(*p));
	struct reading in = { p, coercions, err, options->max_operations, options->base };
	const json_t *ops, *item;
	size_t i;
	int r;

	if (!p)
		return err_nomem(err);
	p->type = options->type;
	p->profile = options->profile;
	p->tolerate = options->profile & SCIM_JSON_TEXT ? VALIDATE_JSON_TEXT : 0;
	r = envelope_check(&in, body, &ops);
	if (r < 0)
		return r;
	json_array_foreach ((json_t *)ops, i, item) {
		r = op_read(&in, item);
		if (r < 0)
			return err_context(err, r, "operation %zu", i + 1);
	}
	*ret = TAKE(p);
	return 0;
}

/* --- applying: one value --------------------------------------------------------------------
 */

struct applying {
	const struct patch *p;
	json_t *doc;
	struct membership *members;
	const struct scim_before *before;
	struct coercions *coercions;
	struct err *err;
};

/* "name.givenName", for faults. */
static const char *what_of(const struct op *op, char into[WHAT_BYTES])
{
	const char *sub = op->to.sub ? op->to.sub : op->to.path.sub;

	snprintf(into, WHAT_BYTES, "%s%s%s", op->to.path.name, sub ? "." : "", sub ? sub : "");
	return into;
}

static int set(struct applying *a, json_t *object, const char *name, json_t *value)
{
	return jx_set(object, name, json_incref(value), a->err);
}

static bool is_blank(const json_t *j)
{
	return !j || (json_is_string(j) && str_is_blank(text_of(j)));
}

/* The member of object, made if it is not there. Borrowed. */
static int child(struct applying *a, json_t *object, const char *name, json_t **ret)
{
	json_t *at = json_object_get(object, name);

	if (!at) {
		at = json_object();
		if (jx_set(object, name, at, a->err) < 0)
			return -ERR_NOMEM;
	}
	*ret = at;
	return 0;
}

/* Sets or unassigns one attribute of object as the operation says. */
static int simple_apply(struct applying *a, const struct op *op, const struct schema_attr *attr,
			json_t *object)
{
	CLEANUP(json_decref_at) json_t *clean = NULL;
	char what[WHAT_BYTES];
	int r = 0;

	if (op->verb != REMOVE)
		r = validate_value(attr, op->value, what_of(op, what), a->p->tolerate, &clean,
				   a->coercions, a->err);
	if (r < 0)
		return r;
	if (op->verb == ADD && !clean)
		return 0; /* nothing is added */
	if (attr->required && is_blank(clean))
		return err_set(a->err, ERR_MUTABILITY, "%s is required and cannot be removed",
			       attr->name);
	if (!clean) {
		json_object_del(object, attr->name);
		return 0;
	}
	return set(a, object, attr->name, clean);
}

/* The sub-attributes that value names with null: they are unassigned by a merge. */
static void nulls_drop(const struct schema_attr *attr, const json_t *value, json_t *object)
{
	const char *name;
	json_t *member;

	if (json_is_array(value) && json_array_size(value) == 1)
		value = json_array_get(value, 0);
	json_object_foreach ((json_t *)value, name, member) {
		const struct schema_attr *sub = schema_attr(attr->sub, str_of(name));

		if (sub && json_is_null(member))
			json_object_del(object, sub->name);
	}
}

/* Merges a clean object (may be NULL) and the nulls of what it was into object. */
static int merge(struct applying *a, const struct schema_attr *attr, const json_t *raw,
		 json_t *clean, json_t *object)
{
	nulls_drop(attr, raw, object);
	if (clean && json_object_update(object, clean) < 0)
		return err_nomem(a->err);
	return 0;
}

static int complex_apply(struct applying *a, const struct op *op, json_t *container)
{
	const struct schema_attr *attr = op->to.path.top;
	CLEANUP(json_decref_at) json_t *clean = NULL;
	char what[WHAT_BYTES];
	json_t *object = NULL;
	int r;

	if (op->verb == REMOVE || (op->verb == REPLACE && json_is_null(op->value))) {
		json_object_del(container, attr->name);
		return 0;
	}
	r = validate_value(attr, op->value, what_of(op, what), a->p->tolerate, &clean,
			   a->coercions, a->err);
	if (r == 0)
		r = child(a, container, attr->name, &object);
	if (r < 0)
		return r;
	if (!json_is_object(op->value) && !json_is_array(op->value))
		json_object_clear(object); /* "m1": another manager, whose $ref was not said */
	return merge(a, attr, op->value, clean, object);
}

/* --- applying: one of many ------------------------------------------------------------------
 */

/* The rule of duplicates and selectors: all given sub-attributes are equal, primary apart. */
static bool same_element(const json_t *stored, const json_t *given)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)given, name, value) {
		if (strcmp(name, "primary") != 0 &&
		    !json_equal(json_object_get(stored, name), value))
			return false;
	}
	return true;
}

static bool is_primary(const json_t *element)
{
	return json_is_true(json_object_get(element, "primary"));
}

/* RFC 7644 section 3.5.2: an operation that makes one primary makes all others not. */
static int primary_claim(struct applying *a, json_t *list, const json_t *element)
{
	json_t *other;
	size_t i;

	json_array_foreach (list, i, other) {
		if (other == element || !is_primary(other))
			continue;
		if (jx_set(other, "primary", json_false(), a->err) < 0)
			return -ERR_NOMEM;
	}
	return 0;
}

static int element_append(struct applying *a, const char *name, json_t *list, json_t *element)
{
	int r;

	if (json_array_size(list) >= VALIDATE_MAX_VALUES)
		return err_set(a->err, ERR_INVALID_VALUE, "%s: more than %d values", name,
			       VALIDATE_MAX_VALUES);
	r = jx_add(list, json_incref(element), a->err);
	if (r == 0 && is_primary(element))
		r = primary_claim(a, list, element);
	return r;
}

/* The list of a multi-valued attribute, made if it is not there. */
static int list_of(struct applying *a, const struct op *op, json_t *container, json_t **ret)
{
	json_t *list = json_object_get(container, op->to.path.name);

	if (!list) {
		list = json_array();
		if (jx_set(container, op->to.path.name, list, a->err) < 0)
			return -ERR_NOMEM;
	}
	*ret = list;
	return 0;
}

static int element_add(struct applying *a, const struct op *op, json_t *list, json_t *element)
{
	json_t *old;
	size_t i;

	json_array_foreach (list, i, old) {
		bool twins = validate_twins(old, element);

		if (!twins && !same_element(old, element))
			continue;
		if (twins && json_object_update(old, element) < 0)
			return err_nomem(a->err);
		if (!is_primary(element))
			return 0; /* already there, but for what its twin says more */
		if (jx_set(old, "primary", json_true(), a->err) < 0)
			return -ERR_NOMEM;
		return primary_claim(a, list, old);
	}
	return element_append(a, op->to.path.name, list, element);
}

static int list_add(struct applying *a, const struct op *op, json_t *container)
{
	CLEANUP(json_decref_at) json_t *clean = NULL;
	char what[WHAT_BYTES];
	json_t *list = NULL, *element;
	size_t i;
	int r = validate_value(op->to.path.top, op->value, what_of(op, what), a->p->tolerate,
			       &clean, a->coercions, a->err);

	if (r == 0)
		r = list_of(a, op, container, &list);
	if (r < 0)
		return r;
	json_array_foreach (clean, i, element) {
		r = element_add(a, op, list, element);
		if (r < 0)
			return r;
	}
	return 0;
}

/* remove with a value: exactly what it names, never all (Entra). */
static int list_select(struct applying *a, const struct op *op, json_t *list)
{
	const json_t *value = op->value;
	size_t n = json_is_array(value) ? json_array_size(value) : 1;
	char what[WHAT_BYTES];
	int r;

	count(a->coercions, COERCION_SELECTOR);
	what_of(op, what);
	if (n == 0)
		return err_set(a->err, ERR_INVALID_VALUE, "%s: value names nothing to remove",
			       what);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(json_decref_at) json_t *clean = NULL;

		r = validate_element(op->to.path.top,
				     json_is_array(value) ? json_array_get(value, i) : value,
				     what, a->p->tolerate, &clean, a->coercions, a->err);
		if (r < 0)
			return r;
		if (!clean ||
		    (json_object_size(clean) == 1 && json_object_get(clean, "primary")))
			return err_set(a->err, ERR_INVALID_VALUE,
				       "%s: element %zu of value names nothing to remove", what,
				       i);
		for (size_t k = json_array_size(list); k-- > 0;)
			if (same_element(json_array_get(list, k), clean))
				json_array_remove(list, k);
	}
	return 0;
}

static int list_apply(struct applying *a, const struct op *op, json_t *container)
{
	json_t *list = json_object_get(container, op->to.path.name);

	switch (op->verb) {
	case ADD:
		return list_add(a, op, container);
	case REPLACE:
		return simple_apply(a, op, op->to.path.top, container);
	case REMOVE:
		if (op->value && !json_is_null(op->value))
			return list_select(a, op, list);
		json_object_del(container, op->to.path.name);
	}
	return 0;
}

/* Elements in which nothing is left go. */
static void list_prune(json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (json_object_size(json_array_get(list, i)) == 0)
			json_array_remove(list, i);
}

/* `emails.value` without a filter: RFC 7644 says nothing; one element is clear enough. */
static int list_sub_apply(struct applying *a, const struct op *op, json_t *container)
{
	json_t *list, *element;
	size_t i, n;
	int r = list_of(a, op, container, &list);

	if (r < 0)
		return r;
	n = json_array_size(list);
	if (op->verb == ADD && n > 1)
		return err_set(a->err, ERR_INVALID_PATH,
			       "%s has several values: say which by a filter in brackets",
			       op->to.path.name);
	if (op->verb != REMOVE && n == 0 && jx_add(list, json_object(), a->err) < 0)
		return -ERR_NOMEM;
	json_array_foreach (list, i, element) {
		r = simple_apply(a, op, op->to.path.attr, element);
		if (r < 0)
			return r;
	}
	list_prune(list);
	if (op->verb == REMOVE || strcmp(op->to.path.sub, "primary") != 0)
		return 0;
	element = json_array_get(list, 0);
	if (n > 1 && is_primary(element))
		return err_set(a->err, ERR_INVALID_VALUE, "%s: more than one would be primary",
			       op->to.path.name);
	return 0;
}

/* --- applying: path[filter] -----------------------------------------------------------------
 */

static int matches(struct applying *a, const struct query *where, const json_t *element)
{
	enum truth t = query_eval(where, &query_json_reader, NULL,
				  (struct query_node){ element, 0 }, QUERY_SCIM, 0);

	if (t == TRUTH_UNKNOWN)
		return err_nomem(a->err);
	return t == TRUTH_TRUE;
}

/* The operation's value on an element that its filter found. */
static int element_change(struct applying *a, const struct op *op, json_t *element)
{
	const struct schema_attr *attr = op->to.path.top;
	CLEANUP(json_decref_at) json_t *clean = NULL, *terms = NULL;
	char what[WHAT_BYTES];
	int r;

	if (op->to.sub)
		return simple_apply(a, op, op->to.sub_attr, element);
	r = validate_element(attr, op->value, what_of(op, what), a->p->tolerate, &clean,
			     a->coercions, a->err);
	if (r < 0)
		return r;
	if (op->verb == REPLACE) { /* what the filter said of it stays true */
		r = query_example(op->to.where, &terms, a->err);
		if (r < 0)
			return r;
		json_object_clear(element);
		if (terms && clean && json_object_update(element, terms) < 0)
			return err_nomem(a->err);
	}
	return merge(a, attr, op->value, clean, element);
}

/*
 * No element matches: makes the one that the filter describes (Entra's add-or-create), or
 * refuses. *ret is new; NULL if the value is null, which makes nothing.
 */
static int element_create(struct applying *a, const struct op *op, json_t **ret)
{
	CLEANUP(json_decref_at) json_t *element = NULL;
	int r;

	if (op->verb == REPLACE && !(a->p->profile & SCIM_REPLACE_CREATES))
		return err_set(a->err, ERR_NO_TARGET, "%s: no value matches the filter",
			       op->to.path.name);
	*ret = NULL;
	if (json_is_null(op->value))
		return 0;
	r = query_example(op->to.where, &element, a->err);
	if (r == QUERY_NO_EXAMPLE)
		return err_set(a->err, ERR_NO_TARGET,
			       "%s: no value matches the filter, and it does not describe one",
			       op->to.path.name);
	if (r == 0)
		r = element_change(a, op, element);
	if (r < 0)
		return r;
	count(a->coercions, COERCION_CREATED);
	*ret = TAKE(element);
	return 0;
}

/* Whether the operation itself says that what it touches is primary. */
static bool claims_primary(const struct op *op, const json_t *element)
{
	if (op->verb == REMOVE || !is_primary(element))
		return false;
	if (op->to.sub)
		return strcmp(op->to.sub, "primary") == 0;
	return jx_get_i(op->value, STR("primary")) != NULL;
}

/* Changes each element that the filter finds; how many there were. */
static int found_change(struct applying *a, const struct op *op, json_t *list)
{
	const json_t *primary = NULL;
	int r, found = 0;

	for (size_t i = json_array_size(list); i-- > 0;) {
		json_t *element = json_array_get(list, i);

		r = matches(a, op->to.where, element);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		found++;
		if (op->verb == REMOVE && !op->to.sub) {
			json_array_remove(list, i);
			continue;
		}
		r = element_change(a, op, element);
		if (r < 0)
			return r;
		if (!claims_primary(op, element))
			continue;
		if (primary)
			return err_set(a->err, ERR_INVALID_VALUE,
				       "%s: more than one would be primary", op->to.path.name);
		primary = element;
	}
	r = primary ? primary_claim(a, list, primary) : 0;
	list_prune(list);
	return r < 0 ? r : found;
}

/* After a replacement two elements may have become one. */
static void list_unite(json_t *list)
{
	for (size_t i = json_array_size(list); i-- > 1;) {
		for (size_t k = 0; k < i; k++) {
			if (!validate_twins(json_array_get(list, i), json_array_get(list, k)))
				continue;
			json_array_remove(list, i);
			break;
		}
	}
}

static int filtered_apply(struct applying *a, const struct op *op, json_t *container)
{
	CLEANUP(json_decref_at) json_t *element = NULL;
	json_t *list;
	int r = list_of(a, op, container, &list);

	if (r == 0)
		r = found_change(a, op, list);
	if (r < 0)
		return r;
	if (r > 0 || op->verb == REMOVE) {
		if (op->verb == REPLACE)
			list_unite(list);
		return 0;
	}
	r = element_create(a, op, &element);
	if (r < 0 || json_object_size(element) == 0)
		return r;
	return element_append(a, op->to.path.name, list, element);
}

/* manager[value eq "m"]: a bracket on a single value is taken as on a list of one. */
static int single_filtered_apply(struct applying *a, const struct op *op, json_t *container)
{
	const char *name = op->to.path.name;
	CLEANUP(json_decref_at) json_t *made = NULL;
	json_t *object = json_object_get(container, name);
	int r = object ? matches(a, op->to.where, object) : 0;

	if (r < 0)
		return r;
	if (op->verb == REMOVE) {
		if (r > 0 && op->to.sub)
			return simple_apply(a, op, op->to.sub_attr, object);
		if (r > 0)
			json_object_del(container, name);
		return 0;
	}
	count(a->coercions, COERCION_ARRAY);
	if (r > 0)
		return element_change(a, op, object);
	r = element_create(a, op, &made);
	return r < 0 || !made ? r : set(a, container, name, made);
}

/* --- applying: members of a group -----------------------------------------------------------
 */

static struct str own_id(const struct applying *a)
{
	return text_of(json_object_get(a->doc, "id"));
}

/* Whether id is a member as things stand within this request. 1, 0 or a fault. */
static int is_member(struct applying *a, struct str id)
{
	int wished = membership_of(a->members, id), r;

	if (wished >= 0 || a->members->all || !a->before)
		return wished > 0;
	r = a->before->is_member(a->before, id, a->err);
	return r < 0 ? r : r == 0;
}

/* The ids that a filter names: `value eq "a" or value eq "b"`. False: it asks for more. */
static bool names_ids(const struct query *q)
{
	if (q->kind == QUERY_OR)
		return names_ids(q->left) && names_ids(q->right);
	return q->kind == QUERY_TEST && q->op == QUERY_EQ && q->value.type == VALUE_TEXT &&
	       strcmp(q->path.name, "value") == 0;
}

/* What is done to each member that a filter finds. */
struct finding {
	struct applying *a;
	const struct op *op;
	json_t *clean; /* replace: the new element; NULL: it only goes */
	size_t found;
};

static int found_member(struct finding *f, struct str id)
{
	json_t *list;
	int r;

	f->found++;
	if (f->op->verb == ADD)
		return 0; /* it is one */
	r = membership_wish(f->a->members, id, false, f->a->err);
	if (r < 0 || !f->clean)
		return r;
	list = json_pack("[O]", f->clean);
	if (!list)
		return err_nomem(f->a->err);
	r = membership_take(f->a->members, list, true, own_id(f->a), f->a->err);
	json_decref(list);
	return r;
}

static int named_members(struct finding *f, const struct query *q)
{
	int r;

	if (q->kind == QUERY_OR) {
		r = named_members(f, q->left);
		return r < 0 ? r : named_members(f, q->right);
	}
	r = is_member(f->a, q->value.text);
	return r > 0 ? found_member(f, q->value.text) : r;
}

VEC(id_vec, char *);

static void ids_done(struct id_vec *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		free(ids->v[i]);
	id_vec_done(ids);
}

/* Members that a filter finds, kept until the read is over. */
struct asking {
	struct applying *a;
	const struct query *where;
	struct id_vec ids;
};

static int member_ask(void *arg, const struct scim_member *member, struct err *err)
{
	struct asking *q = arg;
	CLEANUP(json_decref_at) json_t *element = NULL;
	char *id;
	int wished = membership_of(q->a->members, member->id), r;

	if (wished == 0 || (wished < 0 && q->a->members->all))
		return 0; /* gone within this request */
	element = json_pack("{s:s%,s:s}", "value", member->id.p, member->id.len, "type",
			    member->type == SCIM_GROUP ? "Group" : "User");
	if (!element)
		return err_nomem(err);
	if (member->display.len > 0 &&
	    jx_set(element, "display", json_stringn(member->display.p, member->display.len),
		   err) < 0)
		return -ERR_NOMEM;
	r = matches(q->a, q->where, element);
	if (r <= 0)
		return r;
	id = str_dup(member->id);
	if (!id || id_vec_add(&q->ids, id) < 0) {
		free(id);
		return err_nomem(err);
	}
	return 0;
}

/* Any other filter has to see the members themselves. */
static int asked_members(struct finding *f)
{
	struct asking ask = { .a = f->a, .where = f->op->to.where };
	struct scim_members wished;
	int r = membership_lists(f->a->members, &wished, f->a->err);

	if (r == 0 && f->a->before)
		r = f->a->before->members(f->a->before, member_ask, &ask, f->a->err);
	for (size_t i = 0; r == 0 && i < wished.add_n; i++) {
		struct scim_member added = { .id = wished.add[i], .type = SCIM_USER };
		int old = f->a->before
				  ? f->a->before->is_member(f->a->before, added.id, f->a->err)
				  : SCIM_ABSENT;

		r = old == SCIM_ABSENT ? member_ask(&ask, &added, f->a->err) : old;
	}
	for (size_t i = 0; r == 0 && i < ask.ids.n; i++)
		r = found_member(f, str_of(ask.ids.v[i]));
	ids_done(&ask.ids);
	return r;
}

/* add or replace members[value eq "x"] where x is none. */
static int member_create(struct applying *a, const struct op *op)
{
	CLEANUP(json_decref_at) json_t *element = NULL, *list = NULL;
	int r = element_create(a, op, &element);

	if (r < 0 || !element)
		return r;
	list = json_pack("[O]", element);
	if (!list)
		return err_nomem(a->err);
	return membership_take(a->members, list, true, own_id(a), a->err);
}

static int members_filtered(struct applying *a, const struct op *op)
{
	CLEANUP(json_decref_at) json_t *clean = NULL;
	struct finding f = { .a = a, .op = op };
	int r = 0;

	if (op->verb != REMOVE)
		r = validate_element(op->to.path.top, op->value, "members", a->p->tolerate,
				     &clean, a->coercions, a->err);
	if (r < 0)
		return r;
	f.clean = clean;
	r = names_ids(op->to.where) ? named_members(&f, op->to.where) : asked_members(&f);
	if (r < 0 || f.found > 0 || op->verb == REMOVE)
		return r;
	return member_create(a, op);
}

static int members_list(struct applying *a, const struct op *op)
{
	bool selects = op->verb == REMOVE && op->value && !json_is_null(op->value);
	CLEANUP(json_decref_at) json_t *clean = NULL;
	int r = 0;

	if (op->verb != REMOVE || selects)
		r = validate_value(op->to.path.top, op->value, "members", a->p->tolerate,
				   &clean, a->coercions, a->err);
	if (r < 0)
		return r;
	if (selects)
		count(a->coercions, COERCION_SELECTOR);
	if (selects && !clean)
		return err_set(a->err, ERR_INVALID_VALUE,
			       "members: value names nothing to remove");
	if (op->verb == REPLACE || (op->verb == REMOVE && !selects))
		membership_clear(a->members);
	return membership_take(a->members, clean, op->verb != REMOVE, own_id(a), a->err);
}

static int members_apply(struct applying *a, const struct op *op)
{
	if (op->to.path.sub && op->verb == ADD)
		return err_set(a->err, ERR_INVALID_PATH,
			       "members.%s: say which member by a filter in brackets",
			       op->to.path.sub);
	if (op->to.path.sub || op->to.sub)
		return err_set(a->err, ERR_MUTABILITY,
			       "members.%s is immutable: remove the member and add another",
			       op->to.sub ? op->to.sub : op->to.path.sub);
	return op->to.where ? members_filtered(a, op) : members_list(a, op);
}

/* --- applying: what is ours -----------------------------------------------------------------
 */

static bool in_list(const json_t *value, const char *urn)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		return str_ieq(text_of(value), str_of(urn));
	json_array_foreach ((json_t *)value, i, item) {
		if (json_is_string(item) && str_ieq(text_of(item), str_of(urn)))
			return true;
	}
	return false;
}

/* schemas follow from the data; only taking away says something. */
static int schemas_apply(struct applying *a, const struct op *op)
{
	const char *base = codec_schema(a->p->type)->urn;
	bool named = in_list(op->value, base);

	if ((op->verb == REPLACE && !named) || (op->verb == REMOVE && (!op->value || named)))
		return err_set(a->err, ERR_MUTABILITY, "schemas must keep %s", base);
	for (size_t i = 0; op->verb == REMOVE && schema_all[i]; i++)
		if (schema_all[i]->extension && in_list(op->value, schema_all[i]->urn))
			json_object_del(a->doc, schema_all[i]->urn);
	return 0;
}

/* Okta sends our id back in every rename; meta and groups are echoes too. */
static int echo_apply(struct applying *a, const struct op *op)
{
	const struct path *path = &op->to.path;

	count(a->coercions, COERCION_READ_ONLY);
	if (strcmp(path->name, "id") == 0 && !json_is_null(op->value) &&
	    !json_equal(op->value, json_object_get(a->doc, "id")))
		return err_set(a->err, ERR_MUTABILITY, "id is readOnly");
	return 0;
}

static int attribute_apply(struct applying *a, const struct op *op)
{
	const struct path *path = &op->to.path;
	json_t *container = a->doc;
	int r;

	if (path->urn) {
		r = child(a, a->doc, path->urn, &container);
		if (r < 0)
			return r;
	}
	if (path->top->multi && op->to.where)
		return filtered_apply(a, op, container);
	if (path->top->multi && path->sub)
		return list_sub_apply(a, op, container);
	if (path->top->multi)
		return list_apply(a, op, container);
	if (op->to.where)
		return single_filtered_apply(a, op, container);
	if (path->sub) {
		json_t *object;

		r = child(a, container, path->name, &object);
		return r < 0 ? r : simple_apply(a, op, path->attr, object);
	}
	if (path->top->type == ATTR_COMPLEX)
		return complex_apply(a, op, container);
	return simple_apply(a, op, path->top, container);
}

static int op_apply(struct applying *a, const struct op *op)
{
	const struct path *path = &op->to.path;

	if (!path->name) {
		json_object_del(a->doc, path->urn);
		return 0;
	}
	if (is_schemas(path))
		return schemas_apply(a, op);
	if (is_read_only(&op->to))
		return echo_apply(a, op);
	if (a->p->type == SCIM_GROUP && !path->urn && strcmp(path->name, "members") == 0)
		return members_apply(a, op);
	return attribute_apply(a, op);
}

int patch_apply(const struct patch *p, json_t *doc, struct membership *members,
		const struct scim_before *before, struct coercions *coercions, struct err *err)
{
	struct applying a = { p, doc, members, before, coercions, err };
	int r;

	for (size_t i = 0; i < p->ops.n; i++) {
		r = op_apply(&a, &p->ops.v[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
