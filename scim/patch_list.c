#include "scim/patch_in.h"

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
	int r = validate_value(op->to.path.top, op->value, patch_what(op, what), a->p->tolerate,
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
	patch_what(op, what);
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

int patch_list(struct applying *a, const struct op *op, json_t *container)
{
	json_t *list = json_object_get(container, op->to.path.name);

	switch (op->verb) {
	case ADD:
		return list_add(a, op, container);
	case REPLACE:
		return patch_simple(a, op, op->to.path.top, container);
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
int patch_list_sub(struct applying *a, const struct op *op, json_t *container)
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
		r = patch_simple(a, op, op->to.path.attr, element);
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

int patch_matches(struct applying *a, const struct query *where, const json_t *element)
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
		return patch_simple(a, op, op->to.sub_attr, element);
	r = validate_element(attr, op->value, patch_what(op, what), a->p->tolerate, &clean,
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
	return patch_merge(a, attr, op->value, clean, element);
}

/*
 * No element matches: makes the one that the filter describes (Entra's add-or-create), or
 * refuses. *ret is new; NULL if the value is null, which makes nothing.
 */
int patch_element_create(struct applying *a, const struct op *op, json_t **ret)
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

		r = patch_matches(a, op->to.where, element);
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

int patch_filtered(struct applying *a, const struct op *op, json_t *container)
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
	r = patch_element_create(a, op, &element);
	if (r < 0 || json_object_size(element) == 0)
		return r;
	return element_append(a, op->to.path.name, list, element);
}

/* manager[value eq "m"]: a bracket on a single value is taken as on a list of one. */
int patch_single_filtered(struct applying *a, const struct op *op, json_t *container)
{
	const char *name = op->to.path.name;
	CLEANUP(json_decref_at) json_t *made = NULL;
	json_t *object = json_object_get(container, name);
	int r = object ? patch_matches(a, op->to.where, object) : 0;

	if (r < 0)
		return r;
	if (op->verb == REMOVE) {
		if (r > 0 && op->to.sub)
			return patch_simple(a, op, op->to.sub_attr, object);
		if (r > 0)
			json_object_del(container, name);
		return 0;
	}
	count(a->coercions, COERCION_ARRAY);
	if (r > 0)
		return element_change(a, op, object);
	r = patch_element_create(a, op, &made);
	return r < 0 || !made ? r : patch_set(a, container, name, made);
}
