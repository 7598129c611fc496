#include "scim/patch_in.h"

#include "scim/codec.h"
#include "scim/reference.h"

#define KEY_MAX_BYTES (FILTER_MAX_BYTES + 128) /* a key of a path-less value, with its URN */

struct reading {
	struct patch *p;
	struct coercions *coercions;
	struct err *err;
	size_t max_ops;
	const char *base;
};

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

bool patch_is_schemas(const struct path *path)
{
	return !path->urn && path->name && strcmp(path->name, "schemas") == 0;
}

bool patch_is_read_only(const struct filter_target *to)
{
	const struct path *path = &to->path;

	return path->name && !patch_is_schemas(path) &&
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
	if (patch_is_read_only(&op->to) && !op->from_key) {
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
