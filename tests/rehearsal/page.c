/*
 * Cursors. A cursor holds everything: which list, the filters of the first page, where to go
 * on; base64url of JSON behind a check word. So no state is kept, and a made-up cursor is
 * noticed.
 */
#include <inttypes.h>

#include "base/enc.h"
#include "base/jx.h"
#include "base/map.h"
#include "tests/rehearsal/rehearsal.h"

#define CURSOR_MAX_BYTES 65536

static char *cursor_make(const char *name, const json_t *asked, size_t from, size_t limit)
{
	CLEANUP(json_decref_at)
	json_t *j = json_pack("{s:s, s:O, s:I, s:I}", "list", name, "asked", asked, "from",
			      (json_int_t)from, "limit", (json_int_t)limit);
	CLEANUP(buf_done) struct buf plain, text;
	unsigned check;

	buf_init(&plain, CURSOR_MAX_BYTES);
	buf_init(&text, CURSOR_MAX_BYTES * 2);
	if (!j || jx_canonical(j, &plain, NULL) < 0)
		return NULL;
	check = map_hash(plain.p, plain.len);
	buf_addf(&text, "%08x", check);
	enc_base64url(&text, plain.p, plain.len);
	return buf_take(&text, NULL);
}

/* The document in a cursor, or NULL if we did not make it. */
static json_t *cursor_read(struct str text)
{
	CLEANUP(buf_done) struct buf plain;
	char check[16];
	json_t *j;

	buf_init(&plain, CURSOR_MAX_BYTES);
	if (text.len < 10 || !enc_unbase64(&plain, str_n(text.p + 8, text.len - 8)) ||
	    plain.fault)
		return NULL;
	snprintf(check, sizeof(check), "%08x", map_hash(plain.p, plain.len));
	if (memcmp(check, text.p, 8) != 0)
		return NULL;
	if (jx_parse(buf_str(&plain), JX_LENIENT, &j, NULL) < 0)
		return NULL;
	return j;
}

static int page_go_on(struct call *c, struct page *page, const char *cursor)
{
	CLEANUP(json_decref_at) json_t *j = cursor_read(str_of(cursor));
	const char *list = j ? json_string_value(json_object_get(j, "list")) : NULL;

	if (!list || strcmp(list, page->name) != 0)
		return answer_error(c, 400, "ADMIN-400-1", "The page cursor is not valid");
	page->from = (size_t)json_integer_value(json_object_get(j, "from"));
	page->limit = (size_t)json_integer_value(json_object_get(j, "limit"));
	page->asked = json_incref(json_object_get(j, "asked"));
	page->cursor = strdup(cursor);
	return page->cursor ? 0 : answer_error(c, 500, "ADMIN-500-1", "Out of memory");
}

/* What a fault does to this page before it is made. */
static void page_spoil(const struct fault *fault, struct page *page)
{
	if (!fault)
		return;
	if (fault->kind == FAULT_SHORT_PAGE && page->limit > 1)
		page->limit /= 2;
	if (fault->kind == FAULT_LOST_ITEMS || fault->kind == FAULT_EMPTY_PAGE)
		page->lost = true;
}

int page_open(struct call *c, struct page *page, const char *name, json_t *asked,
	      size_t limit_default, size_t limit_most)
{
	json_t *limit = json_object_get(asked, "limit");
	json_t *cursor = json_object_get(asked, "cursor");
	int status = 0;

	*page = (struct page){ .limit = limit_default, .next = SIZE_MAX };
	snprintf(page->name, sizeof(page->name), "%s", name);
	if (cursor && !json_is_string(cursor) && !json_is_null(cursor))
		return answer_error(c, 400, "ADMIN-400-1", "The page cursor is not valid");
	if (json_is_string(cursor)) {
		status = page_go_on(c, page, json_string_value(cursor));
	} else {
		page->asked = asked ? json_incref(asked) : json_object();
		if (limit && (!json_is_integer(limit) || json_integer_value(limit) < 1 ||
			      json_integer_value(limit) > (json_int_t)limit_most))
			return answer_bad_body(c, "limit must be between 1 and %zu",
					       limit_most);
		if (limit)
			page->limit = (size_t)json_integer_value(limit);
	}
	if (status == 0)
		page_spoil(c->fault, page);
	return status;
}

void page_close(struct page *page)
{
	json_decref(page->asked);
	page->asked = NULL;
	free(page->cursor);
	page->cursor = NULL;
}

char *page_next(struct call *c, const struct page *page)
{
	enum fault_kind kind = c->fault ? c->fault->kind : FAULT_STATUS;
	size_t limit = page->limit;

	if (c->fault && kind == FAULT_EARLY_END)
		return NULL;
	if (c->fault && kind == FAULT_REPEAT_PAGE)
		return page->cursor ? strdup(page->cursor)
				    : cursor_make(page->name, page->asked, page->from, limit);
	if (c->fault && kind == FAULT_EMPTY_PAGE)
		return cursor_make(page->name, page->asked, page->from, limit);
	if (page->next == SIZE_MAX)
		return NULL;
	if (c->fault && kind == FAULT_SHORT_PAGE)
		limit *= 2;
	return cursor_make(page->name, page->asked, page->next, limit);
}
