#include "atlassian/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/map.h"

#define MAGIC 0x3150564cu /* "LVP1" */
#define PAGE_BYTES (64u << 20)

/* Before each page; the first of a file has no page, and begun_ms as its key. */
struct head {
	uint32_t magic, len;
	uint64_t key, check;
};

struct place {
	uint64_t key;
	int64_t at; /* of the page itself */
	uint32_t len;
	uint64_t check;
	UT_hash_handle hh;
};

struct atl_kept {
	char *path;
	int fd; /* -1: nothing is kept any more */
	int64_t end, begun_ms;
	size_t found, used;
	struct place *places; /* that were not handed out */
};

static void places_free(struct atl_kept *k)
{
	struct place *p, *next;

	HASH_ITER (hh, k->places, p, next) {
		HASH_DEL(k->places, p);
		free(p);
	}
}

void atl_kept_free(struct atl_kept *k)
{
	if (!k)
		return;
	places_free(k);
	if (k->fd >= 0)
		close(k->fd);
	free(k->path);
	free(k);
}

void atl_kept_drop(struct atl_kept *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	(void)unlink(k->path);
}

int64_t atl_kept_begun_ms(const struct atl_kept *k)
{
	return k->begun_ms;
}

size_t atl_kept_found(const struct atl_kept *k)
{
	return k->found;
}

size_t atl_kept_used(const struct atl_kept *k)
{
	return k->used;
}

static uint64_t mark_of(struct str text)
{
	struct digest d;
	uint64_t mark;

	digest_of(&d, NULL, text);
	memcpy(&mark, d.b, sizeof(mark));
	return mark;
}

/* --- the file ----------------------------------------------------------------------------- */

static bool read_all(int fd, void *into, size_t len, int64_t at)
{
	char *p = into;

	while (len) {
		ssize_t n = pread(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
		at += n;
	}
	return true;
}

static bool write_all(int fd, const void *from, size_t len, int64_t at)
{
	const char *p = from;

	while (len) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
		at += n;
	}
	return true;
}

static bool begin_anew(struct atl_kept *k, int64_t now_ms)
{
	struct head h = { .magic = MAGIC, .key = (uint64_t)now_ms };

	k->begun_ms = now_ms;
	k->end = sizeof(h);
	return ftruncate(k->fd, 0) == 0 && write_all(k->fd, &h, sizeof(h), 0);
}

static int place_add(struct atl_kept *k, const struct head *h, int64_t at, struct err *err)
{
	struct place *p;

	HASH_FIND(hh, k->places, &h->key, sizeof(h->key), p);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return err_nomem(err);
		p->key = h->key;
		HASH_ADD(hh, k->places, key, sizeof(p->key), p);
		if (!MAP_ADDED(p)) {
			free(p);
			return err_nomem(err);
		}
	}
	p->at = at; /* of one that was asked for twice: the newer answer */
	p->len = h->len;
	p->check = h->check;
	return 0;
}

/* Finds the pages; what is torn at the end is cut off. */
static int scan(struct atl_kept *k, struct err *err)
{
	int64_t size = lseek(k->fd, 0, SEEK_END);
	struct head h;
	int r = 0;

	while (r == 0 && read_all(k->fd, &h, sizeof(h), k->end) && h.magic == MAGIC &&
	       h.len <= PAGE_BYTES && k->end + (int64_t)sizeof(h) + h.len <= size) {
		r = place_add(k, &h, k->end + (int64_t)sizeof(h), err);
		k->end += (int64_t)sizeof(h) + h.len;
		k->found += r == 0;
	}
	return r;
}

int atl_kept_open(struct atl_kept **ret, const char *path, int64_t now_ms, int64_t within_ms,
		  struct err *err)
{
	CLEANUP(atl_kept_free_at) struct atl_kept *k = calloc(1, sizeof(*k));
	struct head h;
	int r = 0;

	if (!k)
		return err_nomem(err);
	k->fd = -1;
	k->path = str_dup(str_of(path));
	if (!k->path)
		return err_nomem(err);
	k->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->fd < 0)
		return err_errno(err, ERR_IO, errno, "%s cannot be opened", path);
	k->end = sizeof(h);
	k->begun_ms = now_ms;
	if (read_all(k->fd, &h, sizeof(h), 0) && h.magic == MAGIC && !h.len &&
	    (int64_t)h.key <= now_ms && now_ms - (int64_t)h.key <= within_ms) {
		k->begun_ms = (int64_t)h.key;
		r = scan(k, err);
	} else if (!begin_anew(k, now_ms)) {
		r = err_errno(err, ERR_IO, errno, "%s cannot be written", path);
		atl_kept_drop(k);
	}
	if (r < 0)
		return r;
	*ret = TAKE(k);
	return 0;
}

/* --- pages -------------------------------------------------------------------------------- */

uint64_t atl_kept_key(struct str where, struct str body)
{
	uint64_t both[2] = { mark_of(where), mark_of(body) };

	return mark_of(str_n((const char *)both, sizeof(both)));
}

bool atl_kept_has(const struct atl_kept *k, uint64_t key)
{
	struct place *p;

	HASH_FIND(hh, k->places, &key, sizeof(key), p);
	return p != NULL;
}

static int page_load(const struct atl_kept *k, const struct place *p, json_t **ret,
		     struct err *err)
{
	CLEANUP(free_at) char *text = malloc(p->len + 1);

	if (!text)
		return err_nomem(err);
	if (k->fd < 0 || !read_all(k->fd, text, p->len, p->at) ||
	    mark_of(str_n(text, p->len)) != p->check)
		return ATL_KEPT_NOT;
	return jx_parse(str_n(text, p->len), JX_LENIENT, ret, err);
}

int atl_kept_take(struct atl_kept *k, uint64_t key, json_t **ret, struct err *err)
{
	struct place *p;
	int r;

	HASH_FIND(hh, k->places, &key, sizeof(key), p);
	if (!p)
		return ATL_KEPT_NOT;
	HASH_DEL(k->places, p);
	r = page_load(k, p, ret, err);
	free(p);
	if (r < 0 && r != -ERR_NOMEM)
		return ATL_KEPT_NOT;
	k->used += r == 0;
	return r;
}

/* The row with these members alone. */
static json_t *row_cut(json_t *row, const char *const *members)
{
	json_t *cut = json_object(), *value;

	for (; cut && *members; members++) {
		value = json_object_get(row, *members);
		if (value && json_object_set(cut, *members, value) < 0) {
			json_decref(cut);
			return NULL;
		}
	}
	return cut;
}

static int page_cut(const json_t *page, const char *const *members, json_t **ret,
		    struct err *err)
{
	CLEANUP(json_decref_at) json_t *cut = json_object();
	json_t *rows = json_array(), *row;
	size_t i;
	int r = jx_set(cut, "data", rows, err);

	json_array_foreach (json_object_get(page, "data"), i, row)
		if (r == 0)
			r = jx_add(rows, members ? row_cut(row, members) : json_incref(row),
				   err);
	for (size_t m = 0; r == 0 && m < 2; m++) {
		static const char *const beside[] = { "links", "meta" };
		json_t *value = json_object_get(page, beside[m]);

		if (value)
			r = jx_set(cut, beside[m], json_incref(value), err);
	}
	if (r == 0)
		*ret = TAKE(cut);
	return r;
}

int atl_kept_add(struct atl_kept *k, uint64_t key, const json_t *page,
		 const char *const *members, struct err *err)
{
	CLEANUP(json_decref_at) json_t *cut = NULL;
	CLEANUP(buf_done) struct buf text;
	struct head h = { .magic = MAGIC, .key = key };
	int r = 0;

	buf_init(&text, PAGE_BYTES);
	if (k->fd < 0)
		return 0;
	r = page_cut(page, members, &cut, err);
	if (r == 0)
		r = jx_text(cut, &text, err);
	if (r < 0)
		return r == -ERR_NOMEM ? r : 0; /* too long for a page: not kept */
	h.len = (uint32_t)text.len;
	h.check = mark_of(buf_str(&text));
	if (k->end + (int64_t)(sizeof(h) + text.len) > ATL_KEPT_BYTES_MOST ||
	    !write_all(k->fd, text.p, text.len, k->end + (int64_t)sizeof(h)) ||
	    !write_all(k->fd, &h, sizeof(h), k->end)) {
		atl_kept_drop(k);
		return 0;
	}
	k->end += (int64_t)(sizeof(h) + text.len);
	return 0;
}
