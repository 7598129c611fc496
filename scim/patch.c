#include "scim/patch_in.h"

#include "scim/codec.h"

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
		r = patch_child(a, a->doc, path->urn, &container);
		if (r < 0)
			return r;
	}
	if (path->top->multi && op->to.where)
		return patch_filtered(a, op, container);
	if (path->top->multi && path->sub)
		return patch_list_sub(a, op, container);
	if (path->top->multi)
		return patch_list(a, op, container);
	if (op->to.where)
		return patch_single_filtered(a, op, container);
	if (path->sub) {
		json_t *object;

		r = patch_child(a, container, path->name, &object);
		return r < 0 ? r : patch_simple(a, op, path->attr, object);
	}
	if (path->top->type == ATTR_COMPLEX)
		return patch_complex(a, op, container);
	return patch_simple(a, op, path->top, container);
}

static int op_apply(struct applying *a, const struct op *op)
{
	const struct path *path = &op->to.path;

	if (!path->name) {
		json_object_del(a->doc, path->urn);
		return 0;
	}
	if (patch_is_schemas(path))
		return schemas_apply(a, op);
	if (patch_is_read_only(&op->to))
		return echo_apply(a, op);
	if (a->p->type == SCIM_GROUP && !path->urn && strcmp(path->name, "members") == 0)
		return patch_members(a, op);
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
