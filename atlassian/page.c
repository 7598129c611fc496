#include "atlassian/page.h"

#include <stdio.h>

#include "base/digest.h"
#include "base/enc.h"

#define CURSOR_BYTES 65536
#define EMPTY_MOST 10 /* pages without a row, in a row, and still a next one */

/* --- seen --------------------------------------------------------------------------------- */

/* Open addressing; 0 is an empty place. Digests of 64 bits: among a million texts one in 40
 * million such sets takes a new text for an old one, which the count of rows would show. */
struct atl_seen {
	uint64_t *slot;
	size_t room, n;
};

int atl_seen_new(struct atl_seen **ret, struct err *err)
{
	struct atl_seen *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	*ret = s;
	return 0;
}

void atl_seen_free(struct atl_seen *s)
{
	if (!s)
		return;
	free(s->slot);
	free(s);
}

size_t atl_seen_count(const struct atl_seen *s)
{
	return s->n;
}

/* Puts mark in; false if it was there. There is room. */
static bool slot_take(uint64_t *slot, size_t room, uint64_t mark)
{
	size_t at = mark & (room - 1);

	while (slot[at] && slot[at] != mark)
		at = (at + 1) & (room - 1);
	if (slot[at])
		return false;
	slot[at] = mark;
	return true;
}

static int seen_grow(struct atl_seen *s, struct err *err)
{
	size_t room = s->room ? s->room * 2 : 64;
	uint64_t *slot;

	if (s->n * 4 < s->room * 3)
		return 0;
	slot = calloc(room, sizeof(*slot));
	if (!slot)
		return err_nomem(err);
	for (size_t i = 0; i < s->room; i++)
		if (s->slot[i])
			slot_take(slot, room, s->slot[i]);
	free(s->slot);
	s->slot = slot;
	s->room = room;
	return 0;
}

int atl_seen_add(struct atl_seen *s, struct str text, struct err *err)
{
	struct digest d;
	uint64_t mark;
	int r = seen_grow(s, err);

	if (r < 0)
		return r;
	digest_of(&d, NULL, text);
	memcpy(&mark, d.b, sizeof(mark));
	if (!slot_take(s->slot, s->room, mark ? mark : 1))
		return ATL_SEEN;
	s->n++;
	return 0;
}

/* --- pages -------------------------------------------------------------------------------- */

int atl_pages_init(struct atl_pages *p, struct atl_client *client, enum atl_dialect dialect,
		   enum atl_family family, struct str path, const char *query, json_t *body,
		   const char *what, struct err *err)
{
	int r;

	*p = (struct atl_pages){ .client = client,
				 .dialect = dialect,
				 .family = family,
				 .what = what,
				 .total = -1,
				 .body = body };
	buf_init(&p->path, CURSOR_BYTES);
	buf_init(&p->query, CURSOR_BYTES);
	buf_init(&p->next, CURSOR_BYTES);
	buf_add_str(&p->path, path);
	buf_add_text(&p->query, query);
	r = buf_fault(&p->path, err, what);
	if (r == 0)
		r = buf_fault(&p->query, err, what);
	if (r == 0)
		r = atl_seen_new(&p->seen, err);
	if (r < 0)
		atl_pages_done(p);
	return r;
}

static void ahead_drop(struct atl_pages *p)
{
	if (!p->ahead)
		return;
	p->ahead = false;
	if (p->replay)
		return;
	httpc_cancel(p->sent.call);
	(void)!atl_receive(p->client, &p->sent, NULL, NULL, NULL);
}

void atl_pages_done(struct atl_pages *p)
{
	ahead_drop(p);
	buf_done(&p->path);
	buf_done(&p->query);
	buf_done(&p->next);
	json_decref(p->body);
	atl_seen_free(p->seen);
	*p = (struct atl_pages){ 0 };
}

/* The body of the next page: the first one's with the cursor, or the cursor alone. (Not a copy:
 * json_copy() does not tell of members that it had no memory for.) */
static int body_of(struct atl_pages *p, bool cursor, struct buf *into, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	int r = 0;

	if (p->body && !(p->dialect == ATL_PAGES_BODY_ALONE && p->next.len))
		body = json_incref(p->body);
	else
		body = json_object();
	if (!body)
		return err_nomem(err);
	if (cursor)
		r = jx_set(body, "cursor", json_stringn(p->next.p, p->next.len), err);
	if (r == 0)
		r = jx_text(body, into, err);
	return r;
}

static void where_of(const struct atl_pages *p, bool url, struct buf *into)
{
	if (url) {
		buf_add_str(into, buf_str(&p->next));
		return;
	}
	buf_add_str(into, buf_str(&p->path));
	if (p->dialect != ATL_PAGES_QUERY)
		return;
	if (p->next.len) {
		buf_add_text(into, "?cursor=");
		enc_percent(into, buf_str(&p->next));
	} else if (p->query.len) {
		buf_add_char(into, '?');
		buf_add_str(into, buf_str(&p->query));
	}
}

static int page_send(struct atl_pages *p, struct err *err)
{
	bool url = str_starts(buf_str(&p->next), STR("http"));
	CLEANUP(buf_done) struct buf where, body;
	struct atl_request q = { .method = "GET", .family = p->family, .urgent = p->urgent };
	int r = 0;

	buf_init(&where, CURSOR_BYTES * 4);
	buf_init(&body, CURSOR_BYTES * 16);
	where_of(p, url, &where);
	if (p->dialect != ATL_PAGES_QUERY) {
		q.method = "POST";
		r = body_of(p, p->next.len && !url, &body, err);
	}
	if (r == 0)
		r = buf_fault(&where, err, p->what);
	if (r < 0)
		return r;
	if (p->kept) {
		p->key = atl_kept_key(buf_str(&where), buf_str(&body));
		p->replay = atl_kept_has(p->kept, p->key);
		if (p->replay)
			return 0;
	}
	q.path = where.p;
	q.body = buf_str(&body);
	return atl_send(p->client, &q, &p->sent, err);
}

/* Takes links.next over; *ret false at the list's end. */
static int next_read(struct atl_pages *p, const json_t *page, bool *ret, struct err *err)
{
	const json_t *links = json_object_get(page, "links");
	const json_t *next = json_object_get(links, "next");
	int r;

	*ret = false;
	if (!next || json_is_null(next) || (json_is_string(next) && !json_string_length(next)))
		return 0;
	if (!json_is_string(next))
		return err_set(err, ERR_INCOMPLETE,
			       "\"links.next\" is neither a text nor absent");
	buf_clear(&p->next);
	buf_add(&p->next, json_string_value(next), json_string_length(next));
	r = buf_fault(&p->next, err, "a cursor");
	if (r < 0)
		return r;
	r = atl_seen_add(p->seen, buf_str(&p->next), err);
	if (r < 0)
		return r;
	p->circle = r == ATL_SEEN;
	*ret = true;
	return 0;
}

/* What the page is, and where it goes on. */
static int page_read(struct atl_pages *p, const json_t *page, json_t **rows, struct err *err)
{
	const json_t *total = json_object_get(json_object_get(page, "meta"), "total");
	json_t *data = json_object_get(page, "data");
	bool more;
	int r;

	if (!json_is_array(data))
		return err_set(err, ERR_INCOMPLETE, "the answer has no list \"data\"");
	r = next_read(p, page, &more, err);
	if (r < 0)
		return r;
	p->empty = json_array_size(data) ? 0 : p->empty + 1;
	if (more && p->empty > EMPTY_MOST)
		return err_set(err, ERR_INCOMPLETE, "%d empty pages in a row, and no end",
			       EMPTY_MOST);
	p->over = !more;
	p->total = json_is_integer(total) ? json_integer_value(total) : -1;
	p->rows += json_array_size(data);
	*rows = data;
	return 0;
}

int atl_pages_start(struct atl_pages *p, struct err *err)
{
	int r;

	if (p->ahead || p->page)
		return 0;
	r = page_send(p, err);
	p->ahead = r == 0;
	return r < 0 ? err_context(err, r, "page 1 of %s", p->what) : 0;
}

/* The page that was asked for, from Atlassian or from what was kept. */
static int page_take(struct atl_pages *p, json_t **page, struct err *err)
{
	struct atl_problem problem;
	bool after = p->replayed; /* its cursor is one that was kept */
	int r = 0;

	p->ahead = false;
	p->replayed = p->replay;
	if (p->replay) {
		p->replay = false;
		r = atl_kept_take(p->kept, p->key, page, err);
		if (r != ATL_KEPT_NOT)
			return r;
		p->replayed = false; /* damaged: it is asked for after all */
		r = page_send(p, err);
		if (r < 0)
			return r;
	}
	r = atl_receive(p->client, &p->sent, page, &problem, err);
	if (r < 0 && after && (problem.status == 400 || problem.status == 410))
		return ATL_STALE;
	return r;
}

int atl_pages_next(struct atl_pages *p, json_t **ret, json_t **rows, struct err *err)
{
	CLEANUP(json_decref_at) json_t *page = NULL;
	int r = 0;

	if (p->over)
		return ATL_END;
	p->page++;
	if (p->circle)
		r = err_set(err, ERR_INCOMPLETE,
			    "the same cursor came twice: the list turns in a circle");
	else if (!p->ahead)
		r = page_send(p, err);
	if (r == 0)
		r = page_take(p, &page, err);
	if (r == 0)
		r = page_read(p, page, rows, err);
	if (r == 0 && p->kept && !p->replayed)
		r = atl_kept_add(p->kept, p->key, page, p->members, err);
	if (r == 0 && !p->over && !p->circle) {
		r = page_send(p, err);
		p->ahead = r == 0;
	}
	if (r != 0) {
		p->over = true;
		(void)err_context(err, r, "page %u of %s", p->page, p->what);
		return r;
	}
	*ret = TAKE(page);
	return 0;
}

int atl_pages_any(struct atl_pages *p, bool *ret, struct err *err)
{
	bool any = false;
	int r = 0;

	while (r == 0 && !any) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows = NULL;

		r = atl_pages_next(p, &page, &rows, err);
		any = r == 0 && json_array_size(rows) > 0;
	}
	if (r < 0)
		return r;
	*ret = any;
	return 0;
}
