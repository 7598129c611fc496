#include "scim/cursor.h"

#include "base/enc.h"
#include "base/stamp.h"

/*
 * The bytes of a cursor: form, flags, count, time at which it expires (both big-endian), mark,
 * and the first bytes of the keyed digest over all that and the question.
 */
#define FORM 1
#define HEAD_BYTES (2 + 8 + 8)
#define TAG_BYTES 16
#define MARK_MAX_BYTES 4096
#define CURSOR_MAX_BYTES (HEAD_BYTES + MARK_MAX_BYTES + TAG_BYTES)

void cursor_done(struct cursor *c)
{
	if (!c)
		return;
	buf_done(&c->mark);
	*c = (struct cursor){ 0 };
}

static void number_add(struct buf *b, uint64_t n)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_add_char(b, (char)(n >> shift & 0xff));
}

static uint64_t number_at(const char *p)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}

/* Each with its length before it, so that no two questions are the same bytes. */
static void text_digest(struct digest_run *run, struct str s)
{
	uint64_t len = s.len;

	digest_add(run, &len, sizeof(len));
	digest_add(run, s.p ? s.p : "", s.len);
}

static void sign(struct digest *ret, const struct secret *key, const struct cursor_question *q,
		 struct str bytes)
{
	const uint64_t numbers[] = { q->client->rights, q->types, q->descending };
	struct digest_run run;

	digest_begin(&run, key);
	text_digest(&run, bytes);
	text_digest(&run, str_of(q->client->source));
	digest_add(&run, numbers, sizeof(numbers));
	text_digest(&run, q->filter);
	text_digest(&run, q->sort_by);
	digest_end(&run, ret);
}

void cursor_add(struct buf *into, const struct secret *key, const struct cursor_question *q,
		struct str mark, bool backwards, uint64_t count, int64_t now_ms)
{
	CLEANUP(buf_done) struct buf bytes;
	struct digest tag;

	buf_init(&bytes, CURSOR_MAX_BYTES);
	buf_add_char(&bytes, FORM);
	buf_add_char(&bytes, backwards);
	number_add(&bytes, count);
	number_add(&bytes, (uint64_t)(now_ms + CURSOR_TIMEOUT_S * STAMP_SECOND_MS));
	buf_add_str(&bytes, mark);
	sign(&tag, key, q, buf_str(&bytes));
	buf_add(&bytes, tag.b, TAG_BYTES);
	if (bytes.fault)
		into->fault = bytes.fault;
	else
		enc_base64url(into, bytes.p, bytes.len);
}

static int invalid(struct err *err)
{
	return err_set(err, ERR_INVALID_CURSOR,
		       "this cursor is none of this list's: begin again with an empty one");
}

/* Bytes whose tag is right, without it. */
static int bytes_take(struct cursor *ret, struct str bytes, int64_t now_ms, struct err *err)
{
	if (bytes.p[0] != FORM)
		return invalid(err);
	if (now_ms > (int64_t)number_at(bytes.p + 10))
		return err_set(err, ERR_EXPIRED_CURSOR,
			       "this cursor is older than %d s: begin again with an empty one",
			       CURSOR_TIMEOUT_S);
	ret->backwards = bytes.p[1] != 0;
	ret->count = number_at(bytes.p + 2);
	buf_add(&ret->mark, bytes.p + HEAD_BYTES, bytes.len - HEAD_BYTES);
	return buf_fault(&ret->mark, err, "a cursor");
}

int cursor_read(struct cursor *ret, struct str text, const struct secret *key,
		const struct cursor_question *q, int64_t now_ms, struct err *err)
{
	CLEANUP(buf_done) struct buf bytes;
	struct digest want = { 0 }, have = { 0 };
	size_t len;
	bool read;

	*ret = (struct cursor){ 0 };
	buf_init(&ret->mark, MARK_MAX_BYTES);
	buf_init(&bytes, CURSOR_MAX_BYTES);
	read = memchr(text.p ? text.p : "", '=', text.len) == NULL &&
	       enc_unbase64(&bytes, text);
	if (bytes.fault == ERR_NOMEM)
		return err_nomem(err);
	if (!read || bytes.fault || bytes.len < HEAD_BYTES + TAG_BYTES)
		return invalid(err);
	len = bytes.len - TAG_BYTES;
	sign(&want, key, q, str_n(bytes.p, len));
	memset(want.b + TAG_BYTES, 0, sizeof(want.b) - TAG_BYTES);
	memcpy(have.b, bytes.p + len, TAG_BYTES);
	if (!digest_equal(&want, &have))
		return invalid(err);
	return bytes_take(ret, str_n(bytes.p, len), now_ms, err);
}
