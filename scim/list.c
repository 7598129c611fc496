#include "scim/list.h"

#include <stdio.h>

#include "base/jx.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "model/filter.h"
#include "scim/params.h"

#define PARAM_MAX_BYTES (32 * 1024)

void list_request_done(struct list_request *l)
{
	if (!l)
		return;
	query_free(l->where);
	path_done(&l->sort_by);
	codec_projection_done(&l->projection);
	free(l->cursor);
	free(l->filter_text);
	free(l->sort_text);
	*l = (struct list_request){ 0 };
}

/* --- what is asked --------------------------------------------------------------------------
 */

static int sort_take(struct list_request *l, struct str text, struct err *err)
{
	struct err why;
	const struct schema_attr *attr, *value;
	int r = path_parse(text, codec_dialect(l->types), &l->sort_by, &why);

	if (r < 0)
		return err_set(err, r == -ERR_NOMEM ? ERR_NOMEM : ERR_INVALID_VALUE,
			       "sortBy: %s", why.text);
	attr = l->sort_by.attr;
	value = attr && attr->sub ? schema_attr(attr->sub, STR("value")) : NULL;
	if (value) {
		l->sort_by.sub = str_dup(STR("value"));
		if (!l->sort_by.sub)
			return err_nomem(err);
		l->sort_by.attr = attr = value;
	}
	if (!l->sort_by.name || (attr && (attr->sub || attr->returned == ATTR_NEVER)))
		return err_set(err, ERR_INVALID_VALUE,
			       "sortBy: nothing can be sorted by this attribute as a whole");
	return 0;
}

static int order_take(struct list_request *l, struct str text, struct err *err)
{
	l->descending = str_ieq(text, STR("descending"));
	if (!l->descending && !str_ieq(text, STR("ascending")))
		return err_set(err, ERR_INVALID_VALUE,
			       "sortOrder must be ascending or descending");
	return 0;
}

/* RFC 7644 section 3.4.2.4: too small is the least, too large the most. */
static uint64_t clip(int64_t n, int64_t least, int64_t most)
{
	return (uint64_t)(n < least ? least : n > most ? most : n);
}

static int number_of(struct str text, const char *name, int64_t *ret, struct err *err)
{
	if (!str_int64(text, ret))
		return err_set(err, ERR_INVALID_VALUE, "%s must be a whole number", name);
	return 0;
}

/* By cursor it is strict: RFC 9865 section 2.1. */
static int count_take(struct list_request *l, struct str text, unsigned max_results,
		      struct err *err)
{
	int64_t n = 0;
	bool number = str_int64(text, &n);

	l->count_given = true;
	if (l->cursor && (!number || n < 0 || n > max_results))
		return err_set(err, ERR_INVALID_COUNT,
			       "count must be a whole number from 0 to %u", max_results);
	if (number_of(text, "count", &n, err) < 0)
		return -err->code;
	l->count = clip(n, 0, max_results);
	return 0;
}

static int text_keep(char **ret, struct str text, struct err *err)
{
	*ret = str_dup(text);
	return *ret ? 0 : err_nomem(err);
}

static int param_take(struct list_request *l, const char *name, struct str text,
		      unsigned max_results, struct err *err)
{
	int64_t n;
	int r;

	if (strcmp(name, "cursor") == 0)
		return text_keep(&l->cursor, text, err);
	if (strcmp(name, "filter") == 0) {
		r = filter_parse(text, codec_dialect(l->types), &l->where, err);
		return r < 0 ? r : text_keep(&l->filter_text, text, err);
	}
	if (strcmp(name, "sortBy") == 0) {
		r = sort_take(l, text, err);
		return r < 0 ? r : text_keep(&l->sort_text, text, err);
	}
	if (strcmp(name, "sortOrder") == 0)
		return order_take(l, text, err);
	if (strcmp(name, "count") == 0)
		return count_take(l, text, max_results, err);
	r = number_of(text, name, &n, err);
	if (r == 0)
		l->start_index = clip(n, 1, INT64_MAX);
	return r;
}

/* cursor first: it says how count is meant */
static const char *const params[] = { "cursor",    "filter",     "sortBy",
				      "sortOrder", "startIndex", "count" };

int list_from_query(struct list_request *ret, struct str query, unsigned types,
		    unsigned max_results, struct err *err)
{
	CLEANUP(list_request_done)
	struct list_request l = { .types = types, .start_index = 1, .count = max_results };
	int r;

	for (size_t i = 0; i < COUNT_OF(params); i++) {
		CLEANUP(buf_done) struct buf value;

		buf_init(&value, PARAM_MAX_BYTES);
		r = params_get(query, params[i], &value, err);
		if (r > 0)
			r = param_take(&l, params[i], value.p ? buf_str(&value) : STR(""),
				       max_results, err);
		if (r < 0)
			return r;
	}
	r = params_projection(query, codec_dialect(types), &l.projection, err);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct list_request){ 0 };
	return 0;
}

static int search_param(struct list_request *l, const char *name, const json_t *value,
			unsigned max_results, struct err *err)
{
	char number[32];
	struct str text = str_n(json_string_value(value), json_string_length(value));
	bool wants_number = strcmp(name, "startIndex") == 0 || strcmp(name, "count") == 0;

	if (!value || json_is_null(value))
		return 0;
	if (wants_number ? !json_is_integer(value) : !json_is_string(value))
		return err_set(err, ERR_INVALID_VALUE, "%s must be a %s", name,
			       wants_number ? "whole number" : "string");
	if (wants_number) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		text = str_of(number);
	}
	return param_take(l, name, text, max_results, err);
}

static int search_projection(struct list_request *l, const json_t *body, struct err *err)
{
	const json_t *only = jx_get_i(body, STR("attributes"));
	const json_t *without = jx_get_i(body, STR("excludedAttributes"));
	const json_t *list = json_array_size(only) > 0 ? only : without, *name;
	size_t i;
	int r;

	if (json_array_size(only) > 0 && json_array_size(without) > 0)
		return err_set(err, ERR_INVALID_VALUE,
			       "attributes and excludedAttributes exclude each other");
	l->projection.only = list == only;
	json_array_foreach ((json_t *)list, i, name) {
		l->projection.given = true;
		r = codec_projection_add(
			&l->projection,
			str_n(json_string_value(name), json_string_length(name)),
			codec_dialect(l->types), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_search(const json_t *body)
{
	const json_t *schemas = jx_get_i(body, STR("schemas")), *urn;
	size_t i;

	json_array_foreach ((json_t *)schemas, i, urn) {
		if (json_is_string(urn) &&
		    str_ieq(str_of(json_string_value(urn)), STR(SEARCH_URN)))
			return true;
	}
	return false;
}

int list_from_search(struct list_request *ret, const json_t *body, unsigned types,
		     unsigned max_results, struct err *err)
{
	CLEANUP(list_request_done)
	struct list_request l = { .types = types, .start_index = 1, .count = max_results };
	int r = 0;

	if (!json_is_object(body) || !is_search(body))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "a search must be an object whose schemas hold %s", SEARCH_URN);
	for (size_t i = 0; r == 0 && i < COUNT_OF(params); i++)
		r = search_param(&l, params[i], jx_get_i(body, str_of(params[i])), max_results,
				 err);
	if (r == 0)
		r = search_projection(&l, body, err);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct list_request){ 0 };
	return 0;
}

/* --- what is answered -----------------------------------------------------------------------
 */

struct linking {
	struct buf *into;
	const char *base;
	enum scim_type type;
};

static int member_link(void *arg, const struct scim_member *member, struct err *err)
{
	struct linking *l = arg;

	codec_linked(l->into, l->base, l->type, member);
	return buf_fault(l->into, err, "the list of members");
}

int list_linked(struct scim_call *call, enum scim_type type, struct str id, struct buf *into,
		struct err *err)
{
	const struct scim_backend *b = call->backend;
	struct linking l = { into, call->base, type };

	if (type == SCIM_GROUP)
		return b->members(b->ctx, &call->client, id, member_link, &l, err);
	return b->groups(b->ctx, &call->client, id, member_link, &l, err);
}

/* A row of the page, kept until the read is over: its members want a read of their own. */
struct kept {
	struct scim_row row;
	char *texts; /* behind row.id, row.bytes and row.mark */
};

VEC(kept_vec, struct kept);

static void kept_done(struct kept_vec *page)
{
	for (size_t i = 0; i < page->n; i++)
		free(page->v[i].texts);
	kept_vec_done(page);
}

static int row_keep(void *arg, const struct scim_row *row, struct err *err)
{
	struct kept_vec *page = arg;
	struct kept k = { *row, malloc(row->id.len + row->bytes.len + row->mark.len + 1) };

	if (!k.texts)
		return err_nomem(err);
	memcpy(k.texts, row->id.p, row->id.len);
	memcpy(k.texts + row->id.len, row->bytes.p, row->bytes.len);
	k.row.id.p = k.texts;
	k.row.bytes.p = k.texts + row->id.len;
	k.row.mark.p = k.texts + row->id.len + row->bytes.len;
	if (row->mark.len > 0)
		memcpy(k.texts + row->id.len + row->bytes.len, row->mark.p, row->mark.len);
	if (kept_vec_add(page, k) < 0) {
		free(k.texts);
		return err_nomem(err);
	}
	return 0;
}

static int row_send(struct scim_call *call, const struct list_request *list,
		    const struct scim_row *row, struct err *err)
{
	const char *linked = row->type == SCIM_GROUP ? "members" : "groups";
	CLEANUP(buf_done) struct buf members;
	int r = 0;

	buf_init(&members, call->res->body->max);
	if (!row->alone && codec_wants(&list->projection, linked))
		r = list_linked(call, row->type, row->id, &members, err);
	if (r == 0)
		r = codec_send(call->res->body, row, call->base, buf_str(&members),
			       &list->projection, err);
	return r;
}

/* A page on its way out. */
struct page {
	struct scim_call *call;
	const struct list_request *list;
	struct cursor_question question;
	struct cursor cursor;
	struct kept_vec rows;
	struct scim_found found;
	int64_t now_ms;
};

static void page_done(struct page *p)
{
	kept_done(&p->rows);
	cursor_done(&p->cursor);
}

/* Which page a cursor asks for, and that it asks for as many as the first. */
static int cursor_take(struct page *p, struct err *err)
{
	const struct list_request *list = p->list;
	int r;

	p->cursor.count = list->count;
	if (!list->cursor || !list->cursor[0])
		return 0;
	r = cursor_read(&p->cursor, str_of(list->cursor), p->call->cursor_key, &p->question,
			p->now_ms, err);
	if (r == 0 && list->count_given && list->count != p->cursor.count)
		r = err_set(err, ERR_INVALID_COUNT,
			    "count must stay what it was for the first page: %llu",
			    (unsigned long long)p->cursor.count);
	return r;
}

static int page_read(struct page *p, struct err *err)
{
	const struct scim_backend *b = p->call->backend;
	const struct list_request *list = p->list;
	struct scim_find find = {
		.types = list->types,
		.where = list->where,
		.where_text = str_of(list->filter_text),
		.sort_by = list->sort_by.name ? &list->sort_by : NULL,
		.descending = list->descending,
		.start = list->cursor ? 0 : list->start_index - 1,
		.count = p->cursor.count,
		.from = buf_str(&p->cursor.mark),
		.backwards = p->cursor.backwards,
	};
	size_t n;
	int r = b->find(b->ctx, &p->call->client, &find, &p->found, row_keep, &p->rows, err);

	if (r < 0 || !find.backwards)
		return r;
	n = p->rows.n;
	for (size_t i = 0; i < n / 2; i++) {
		struct kept k = p->rows.v[i];

		p->rows.v[i] = p->rows.v[n - 1 - i];
		p->rows.v[n - 1 - i] = k;
	}
	return r;
}

static void cursor_member(struct page *p, const char *name, struct str mark, bool backwards)
{
	struct buf *body = p->call->res->body;

	buf_addf(body, "\"%s\":\"", name);
	cursor_add(body, p->call->cursor_key, &p->question, mark, backwards, p->cursor.count,
		   p->now_ms);
	buf_add_text(body, "\",");
}

/* RFC 9865 section 2: nextCursor on each page but the last, previousCursor not on the first. */
static void cursors_add(struct page *p)
{
	struct str none = { 0 }, first = none, last = none;
	bool back = p->cursor.backwards, begun = p->cursor.mark.len > 0;

	if (p->cursor.count == 0)
		return;
	if (p->rows.n > 0) {
		first = p->rows.v[0].row.mark;
		last = p->rows.v[p->rows.n - 1].row.mark;
	}
	/* of a page backwards there is always one behind; where all before it went, the first
	 */
	if (back || p->found.more)
		cursor_member(p, "nextCursor", last, false);
	if (p->rows.n > 0 && (back ? p->found.more : begun))
		cursor_member(p, "previousCursor", first, true);
}

/* By cursor the answer holds the time. */
static void fresh_take(struct page *p)
{
	if (p->list->cursor)
		return;
	p->call->fresh = p->found.fresh;
	p->call->fresh.groups = p->rows.n > 0 && !p->rows.v[0].row.alone;
	p->call->tag = (struct codec_tag){ 0 };
}

static int page_write(struct page *p, struct err *err)
{
	struct buf *body = p->call->res->body;
	int r = 0;

	buf_addf(body, "{\"schemas\":[\"%s\"],\"totalResults\":%llu,", LIST_URN,
		 (unsigned long long)p->found.total);
	if (p->list->cursor)
		cursors_add(p);
	else
		buf_addf(body, "\"startIndex\":%llu,",
			 (unsigned long long)p->list->start_index);
	buf_addf(body, "\"itemsPerPage\":%zu,\"Resources\":[", p->rows.n);
	for (size_t i = 0; r == 0 && i < p->rows.n; i++) {
		if (i > 0)
			buf_add_char(body, ',');
		r = row_send(p->call, p->list, &p->rows.v[i].row, err);
	}
	buf_add_text(body, "]}");
	fresh_take(p);
	if (body->fault == ERR_LIMIT || r == -ERR_LIMIT)
		return err_set(err, ERR_TOO_MANY,
			       "this page would be longer than %zu bytes: ask for a smaller "
			       "count, or with excludedAttributes=members",
			       body->max);
	return r < 0 ? r : buf_fault(body, err, "the list");
}

int list_answer(struct scim_call *call, const struct list_request *list, struct err *err)
{
	CLEANUP(page_done)
	struct page p = {
		.call = call,
		.list = list,
		.question = { .client = &call->client,
			      .types = list->types,
			      .filter = str_of(list->filter_text),
			      .sort_by = str_of(list->sort_text),
			      .descending = list->descending },
		.now_ms = stamp_now_ms(),
	};
	int r = cursor_take(&p, err);

	if (r == 0)
		r = page_read(&p, err);
	if (r == 0)
		r = page_write(&p, err);
	if (r < 0)
		return r;
	call_answer(call, 200, true);
	return HTTP_DONE;
}
