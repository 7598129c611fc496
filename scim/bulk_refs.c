#include "scim/bulk_refs.h"

#include "base/buf.h"
#include "base/own.h"

#define MARK "bulkId:"
#define MARK_BYTES (sizeof(MARK) - 1)
#define TEXT_MAX_BYTES 65536

struct filling {
	bulk_id_fn fn;
	void *ctx;
	struct err *err;
};

static bool is_reference(struct str s)
{
	return str_starts(s, STR(MARK));
}

/* Where a name inside a longer text ends. */
static size_t name_end(struct str s)
{
	size_t i = 0;

	while (i < s.len && s.p[i] != '"' && s.p[i] != '/' && s.p[i] != ']' && s.p[i] != ' ' &&
	       s.p[i] != '?')
		i++;
	return i;
}

int bulk_refs_text(struct str text, bulk_id_fn fn, void *ctx, struct buf *into, struct err *err)
{
	const char *at, *id;

	while (text.len > 0 && (at = memmem(text.p, text.len, MARK, MARK_BYTES))) {
		size_t before = (size_t)(at - text.p);
		struct str rest = str_n(at + MARK_BYTES, text.len - before - MARK_BYTES);
		struct str name = str_n(rest.p, name_end(rest));
		int r;

		id = NULL;
		r = fn(ctx, name, &id, err);
		if (r < 0)
			return r;
		buf_add(into, text.p, before);
		if (id)
			buf_add_text(into, id);
		else
			buf_add(into, at, MARK_BYTES + name.len);
		text = str_n(rest.p + name.len, rest.len - name.len);
	}
	buf_add_str(into, text);
	return buf_fault(into, err, "a reference to another operation");
}

static int string_set(json_t *string, struct str text, struct err *err)
{
	return json_string_setn(string, text.p, text.len) < 0 ? err_nomem(err) : 0;
}

static int whole_fill(const struct filling *f, json_t *string)
{
	struct str text = str_n(json_string_value(string), json_string_length(string));
	const char *id = NULL;
	int r = f->fn(f->ctx, str_n(text.p + MARK_BYTES, text.len - MARK_BYTES), &id, f->err);

	if (r < 0 || !id)
		return r;
	return string_set(string, str_of(id), f->err);
}

/* An address or a PATCH path with references inside. */
static int parts_fill(const struct filling *f, json_t *string)
{
	struct str text = str_n(json_string_value(string), json_string_length(string));
	CLEANUP(buf_done) struct buf filled;
	int r;

	buf_init(&filled, TEXT_MAX_BYTES);
	if (!memmem(text.p, text.len, MARK, MARK_BYTES))
		return 0;
	r = bulk_refs_text(text, f->fn, f->ctx, &filled, f->err);
	return r < 0 ? r : string_set(string, buf_str(&filled), f->err);
}

/* Depth is bounded: the data was parsed by jx_parse(). */
static int fill(const struct filling *f, const char *name, json_t *j)
{
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	if (json_is_string(j)) {
		struct str text = str_n(json_string_value(j), json_string_length(j));

		if (is_reference(text))
			return whole_fill(f, j);
		if (name &&
		    (str_ieq(str_of(name), STR("path")) || str_ieq(str_of(name), STR("$ref"))))
			return parts_fill(f, j);
		return 0;
	}
	json_array_foreach (j, i, value) {
		r = fill(f, name, value);
		if (r < 0)
			return r;
	}
	json_object_foreach (j, key, value) {
		r = fill(f, key, value);
		if (r < 0)
			return r;
	}
	return r;
}

int bulk_refs_fill(json_t *data, bulk_id_fn fn, void *ctx, struct err *err)
{
	struct filling f = { fn, ctx, err };

	return fill(&f, NULL, data);
}

static bool refers(const json_t *j)
{
	struct str text = str_n(json_string_value(j), json_string_length(j));

	return json_is_string(j) && memmem(text.p, text.len, MARK, MARK_BYTES);
}

/* True when j itself has to go. */
static bool strip(json_t *j, bool root)
{
	const char *key;
	json_t *value;
	void *keep;
	bool lost = false;
	size_t i;

	if (json_is_string(j))
		return refers(j);
	for (i = json_array_size(j); i-- > 0;)
		if (strip(json_array_get(j, i), false)) {
			json_array_remove(j, i);
			lost = json_array_size(j) == 0;
		}
	json_object_foreach_safe(j, keep, key, value)
	{
		bool text = json_is_string(value);

		if (!strip(value, false))
			continue;
		json_object_del(j, key);
		lost |= text;
	}
	return lost && !root;
}

void bulk_refs_strip(json_t *data)
{
	(void)strip(data, true);
}
