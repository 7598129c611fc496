#include "store/find_key.h"

#include "base/jx.h"
#include "base/stamp.h"
#include "model/schema.h"

void find_key_done(struct find_key *key)
{
	if (!key)
		return;
	free(key->text);
	key->text = NULL;
	key->len = 0;
}

static const json_t *pick(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_true(json_object_get(item, "primary")))
			return item;
	}
	return json_array_get(list, 0);
}

static const json_t *value_of(const struct path *path, const json_t *doc)
{
	const json_t *v = doc;

	if (path->urn)
		v = jx_get_i(v, str_of(path->urn));
	v = jx_get_i(v, str_of(path->name));
	if (json_is_array(v))
		v = pick(v);
	if (json_is_object(v))
		v = jx_get_i(v, path->sub ? str_of(path->sub) : STR("value"));
	return v;
}

static int text_take(struct str text, bool exact, struct find_key *key, struct err *err)
{
	key->kind = FIND_TEXT;
	if (!exact && str_fold(text, &key->text, &key->len, err) < 0)
		return -err->code;
	if (exact) {
		key->text = str_dup(text);
		key->len = text.len;
		if (!key->text)
			return err_nomem(err);
	}
	if (key->len > FIND_MARK_BYTES)
		key->len = FIND_MARK_BYTES;
	return 0;
}

int find_key_of(const struct path *path, const json_t *doc, struct find_key *ret,
		struct err *err)
{
	const json_t *v = value_of(path, doc);
	struct str text = str_n(json_string_value(v), json_string_length(v));
	int64_t ms;

	ret->kind = FIND_ABSENT;
	ret->text = NULL;
	ret->len = 0;
	ret->number = 0;
	if (json_is_number(v) || json_is_boolean(v)) {
		ret->kind = FIND_NUMBER;
		ret->number = json_is_number(v) ? json_number_value(v) : json_is_true(v);
		return 0;
	}
	if (!json_is_string(v) || text.len == 0)
		return 0;
	if (path->attr && path->attr->type == ATTR_DATETIME && stamp_parse(text, &ms)) {
		ret->kind = FIND_NUMBER;
		ret->number = (double)ms;
		return 0;
	}
	return text_take(text, path->attr && path->attr->case_exact, ret, err);
}

int find_key_compare(const struct find_key *a, const struct find_key *b)
{
	int c = 0;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == FIND_NUMBER)
		c = a->number < b->number ? -1 : a->number > b->number;
	else if (a->kind == FIND_TEXT)
		c = str_cmp(str_n(a->text, a->len), str_n(b->text, b->len));
	if (c)
		return c;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

struct find_mark find_key_mark(const struct find_key *key)
{
	return (struct find_mark){ .type = key->type,
				   .id = key->id,
				   .kind = (int)key->kind,
				   .number = key->number,
				   .text = str_n(key->text, key->len) };
}

struct find_key find_mark_key(const struct find_mark *mark)
{
	return (struct find_key){ .type = mark->type,
				  .id = mark->id,
				  .kind = (enum find_kind)mark->kind,
				  .number = mark->number,
				  .text = (char *)mark->text.p,
				  .len = mark->text.len };
}
