#include "scim/reference.h"

#include <stdlib.h>

#include "base/buf.h"
#include "model/schema.h"

#define REFERENCE_MAX_BYTES (16 * 1024) /* a filter with a base before it */

/* --- reading --------------------------------------------------------------------------------
 */

static bool is_version(struct str s)
{
	return s.len == 2 && (s.p[0] | 32) == 'v' && s.p[1] >= '0' && s.p[1] <= '9';
}

/* Adds the segments of text, each with a '/' before it, without those that say nothing. */
static void segments_add(struct buf *into, struct str text)
{
	struct str segment, rest = text;
	bool more = true;

	while (more) {
		more = str_cut(rest, '/', &segment, &rest);
		if (segment.len == 0 || str_eq(segment, STR(".")) ||
		    str_eq(segment, STR("..")) || is_version(segment))
			continue;
		buf_add_char(into, '/');
		buf_add_str(into, segment);
	}
}

static bool is_absolute(struct str text)
{
	return str_istarts(text, STR("http://")) || str_istarts(text, STR("https://"));
}

/* What of base is its path: "/scim/v2/idp". */
static struct str path_of(struct str base)
{
	size_t at = str_find(base, ':') + 3;
	struct str rest = at < base.len ? str_n(base.p + at, base.len - at) : (struct str){ 0 };
	size_t slash = str_find(rest, '/');

	return str_n(rest.p + slash, rest.len - slash);
}

/* "/Users/2819c223" of what is an address of ours; empty if it is none. tail is its memory. */
static struct str own_tail(struct str text, struct str base, struct buf *tail, struct buf *head)
{
	struct str whole, start;

	segments_add(tail, text);
	/* a path from the root, too, begins with the base's */
	segments_add(head, is_absolute(text) ? base : path_of(base));
	whole = buf_str(tail);
	start = buf_str(head);
	if (str_istarts(whole, start))
		whole = str_n(whole.p + start.len, whole.len - start.len);
	else if (is_absolute(text))
		return (struct str){ 0 };
	if (str_istarts(whole, STR("/Users/")) || str_istarts(whole, STR("/Groups/")))
		return whole;
	return (struct str){ 0 };
}

/* --- writing --------------------------------------------------------------------------------
 */

/* Gives a test another literal; folded where the attribute's case does not count. */
static int literal_set(struct query *q, struct str text, struct err *err)
{
	char *copy = str_dup(text);
	int r = 0;

	if (!copy)
		return err_nomem(err);
	free(TAKE(q->folded));
	free(q->text);
	q->text = copy;
	q->value = (struct value){ .type = VALUE_TEXT, .text = str_n(copy, text.len) };
	if (!q->path.attr->case_exact)
		r = str_fold(q->value.text, &q->folded, &q->folded_len, err);
	return r;
}

/* Renames the last name of a test's path; table is that of the attributes beside it. */
static int name_set(struct query *q, const struct schema_attr *attr, struct err *err)
{
	char **last = q->path.sub ? &q->path.sub : &q->path.name;
	char *copy = str_dup(str_of(attr->name));

	if (!copy)
		return err_nomem(err);
	free(*last);
	*last = copy;
	q->path.attr = attr;
	if (!q->path.sub)
		q->path.top = attr;
	return 0;
}

/* meta.location is the id's. */
static int location_bind(struct query *q, struct str id, struct err *err)
{
	int r;

	free(TAKE(q->path.sub));
	r = name_set(q, schema_attr(schema_common, STR("id")), err);
	return r < 0 || q->op == QUERY_PR ? r : literal_set(q, id, err);
}

static int linked_bind(struct query *q, const struct schema_attr *table, struct str id,
		       struct err *err)
{
	int r = name_set(q, schema_attr(table, STR("value")), err);

	return r < 0 || q->op == QUERY_PR ? r : literal_set(q, id, err);
}

/* The tables whose $ref is made when it is sent; NULL: this is kept as it came. */
static const struct schema_attr *made_table(const struct path *path)
{
	const struct schema_attr *members = schema_attr(schema_group.attrs, STR("members")),
				 *groups = schema_attr(schema_user.attrs, STR("groups"));

	if (path->attr == schema_attr(members->sub, STR("$ref")))
		return members->sub;
	if (path->attr == schema_attr(groups->sub, STR("$ref")))
		return groups->sub;
	return NULL;
}

static bool is_location(const struct path *path)
{
	const struct schema_attr *meta = schema_attr(schema_common, STR("meta"));

	return path->attr == schema_attr(meta->sub, STR("location"));
}

static bool is_ref(const struct path *path)
{
	const char *last = path->sub ? path->sub : path->name;

	return path->attr && path->attr->type == ATTR_REFERENCE && last &&
	       strcmp(last, "$ref") == 0;
}

/* The literal of a $ref that is kept: our own address in one spelling. */
static int kept_bind(struct query *q, struct str tail, struct str base, struct err *err)
{
	CLEANUP(buf_done) struct buf whole;
	int r;

	buf_init(&whole, REFERENCE_MAX_BYTES);
	if (tail.len == 0 || (q->op != QUERY_EQ && q->op != QUERY_NE))
		return 0;
	buf_add_str(&whole, base);
	buf_add_str(&whole, tail);
	r = buf_fault(&whole, err, "a reference");
	if (r == 0)
		r = literal_set(q, buf_str(&whole), err);
	if (r == 0)
		q->value.boolean = true; /* ours: relative spellings are equal to it */
	return r;
}

static int made_bind(struct query *q, const struct schema_attr *table, struct str tail,
		     struct err *err)
{
	struct str endpoint, id = STR("/"); /* somebody else's is no id of ours */

	if (q->op != QUERY_EQ && q->op != QUERY_NE && q->op != QUERY_PR)
		return err_set(err, ERR_INVALID_FILTER,
			       "filter at byte %zu: this address can be compared by eq and ne "
			       "only",
			       q->at);
	if (tail.len > 0)
		str_cut(str_n(tail.p + 1, tail.len - 1), '/', &endpoint, &id);
	return table ? linked_bind(q, table, id, err) : location_bind(q, id, err);
}

static int test_bind(struct query *q, struct str base, struct err *err)
{
	const struct schema_attr *table = made_table(&q->path);
	bool made = table || is_location(&q->path);
	CLEANUP(buf_done) struct buf tail_text, head_text;
	struct str tail;
	int r;

	buf_init(&tail_text, REFERENCE_MAX_BYTES);
	buf_init(&head_text, REFERENCE_MAX_BYTES);
	if (!made && !is_ref(&q->path))
		return 0;
	tail = own_tail(q->value.text, base, &tail_text, &head_text);
	r = buf_fault(&tail_text, err, "a reference");
	if (r == 0)
		r = buf_fault(&head_text, err, "a reference");
	if (r < 0)
		return r;
	return made ? made_bind(q, table, tail, err) : kept_bind(q, tail, base, err);
}

int reference_bind(struct query *q, const char *base, struct err *err)
{
	int r;

	if (!q)
		return 0;
	if (q->kind == QUERY_TEST)
		return test_bind(q, str_of(base), err);
	r = reference_bind(q->left, base, err);
	return r < 0 ? r : reference_bind(q->right, base, err);
}
