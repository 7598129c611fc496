#include "scim/patch_in.h"

#include <stdio.h>

/* "name.givenName", for faults. */
const char *patch_what(const struct op *op, char into[WHAT_BYTES])
{
	const char *sub = op->to.sub ? op->to.sub : op->to.path.sub;

	snprintf(into, WHAT_BYTES, "%s%s%s", op->to.path.name, sub ? "." : "", sub ? sub : "");
	return into;
}

int patch_set(struct applying *a, json_t *object, const char *name, json_t *value)
{
	return jx_set(object, name, json_incref(value), a->err);
}

static bool is_blank(const json_t *j)
{
	return !j || (json_is_string(j) && str_is_blank(text_of(j)));
}

/* The member of object, made if it is not there. Borrowed. */
int patch_child(struct applying *a, json_t *object, const char *name, json_t **ret)
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
int patch_simple(struct applying *a, const struct op *op, const struct schema_attr *attr,
		 json_t *object)
{
	CLEANUP(json_decref_at) json_t *clean = NULL;
	char what[WHAT_BYTES];
	int r = 0;

	if (op->verb != REMOVE)
		r = validate_value(attr, op->value, patch_what(op, what), a->p->tolerate,
				   &clean, a->coercions, a->err);
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
	return patch_set(a, object, attr->name, clean);
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
int patch_merge(struct applying *a, const struct schema_attr *attr, const json_t *raw,
		json_t *clean, json_t *object)
{
	nulls_drop(attr, raw, object);
	if (clean && json_object_update(object, clean) < 0)
		return err_nomem(a->err);
	return 0;
}

int patch_complex(struct applying *a, const struct op *op, json_t *container)
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
	r = validate_value(attr, op->value, patch_what(op, what), a->p->tolerate, &clean,
			   a->coercions, a->err);
	if (r == 0)
		r = patch_child(a, container, attr->name, &object);
	if (r < 0)
		return r;
	if (!json_is_object(op->value) && !json_is_array(op->value))
		json_object_clear(object); /* "m1": another manager, whose $ref was not said */
	return patch_merge(a, attr, op->value, clean, object);
}
