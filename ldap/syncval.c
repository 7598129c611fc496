#include "ldap/syncval.h"

#include <string.h>

#define BOOLEAN 0x01
#define INTEGER 0x02
#define OCTETS 0x04
#define ENUMERATED 0x0A
#define SEQUENCE 0x30
#define SET 0x31
#define CONTEXT 0x80 /* [n], primitive */
#define CONSTRUCTED 0x20

/* --- reading -------------------------------------------------------------------------------
 */

/* Takes one element off *in. */
static bool take(struct str *in, unsigned char *tag, struct str *body)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t at = 2, len;

	if (in->len < 2 || (p[0] & 0x1F) == 0x1F)
		return false;
	len = p[1];
	if (len & 0x80) {
		size_t n = len & 0x7F;

		if (n == 0 || n > 4 || in->len < 2 + n)
			return false;
		for (len = 0; at < 2 + n; at++)
			len = len << 8 | p[at];
	}
	if (len > in->len - at)
		return false;
	*tag = p[0];
	*body = str_n(in->p + at, len);
	*in = str_n(in->p + at + len, in->len - at - len);
	return true;
}

/* Takes it only if it has this tag; else leaves *in as it was. */
static bool take_if(struct str *in, unsigned char wanted, struct str *body)
{
	struct str rest = *in;
	unsigned char tag;

	if (!take(&rest, &tag, body) || tag != wanted)
		return false;
	*in = rest;
	return true;
}

/* One element that is the whole value. */
static bool whole(struct str value, unsigned char wanted, struct str *body)
{
	return take_if(&value, wanted, body) && value.len == 0;
}

static bool take_number(struct str *in, unsigned char wanted, int64_t *ret)
{
	struct str body;
	int64_t n;

	if (!take_if(in, wanted, &body) || body.len == 0 || body.len > 5)
		return false;
	n = (signed char)body.p[0];
	for (size_t i = 1; i < body.len; i++)
		n = n * 256 + (unsigned char)body.p[i];
	*ret = n;
	return true;
}

/* Optional: what is not there keeps its default. */
static bool take_flag(struct str *in, bool *ret)
{
	struct str body;

	if (in->len == 0 || (unsigned char)in->p[0] != BOOLEAN)
		return true;
	if (!take_if(in, BOOLEAN, &body) || body.len != 1)
		return false;
	*ret = body.p[0] != 0; /* 0xFF is TRUE, and so is anything else (X.690 8.2.2) */
	return true;
}

static bool take_cookie(struct str *in, struct str *ret)
{
	*ret = (struct str){ 0 };
	if (in->len == 0 || (unsigned char)in->p[0] != OCTETS)
		return true;
	return take_if(in, OCTETS, ret) && ret->len <= SYNC_COOKIE_MAX;
}

bool sync_state_read(struct str value, struct sync_state_value *ret)
{
	struct sync_state_value v;
	struct str in;
	int64_t state;

	if (!whole(value, SEQUENCE, &in) || !take_number(&in, ENUMERATED, &state) ||
	    state < SYNC_PRESENT || state > SYNC_DELETE || !take_if(&in, OCTETS, &v.id) ||
	    v.id.len != SYNC_ID_BYTES || !take_cookie(&in, &v.cookie) || in.len != 0)
		return false;
	v.state = (enum sync_state)state;
	*ret = v;
	return true;
}

bool sync_done_read(struct str value, struct sync_done_value *ret)
{
	struct sync_done_value v = { .deletes = false };
	struct str in;

	if (!whole(value, SEQUENCE, &in) || !take_cookie(&in, &v.cookie) ||
	    !take_flag(&in, &v.deletes) || in.len != 0)
		return false;
	*ret = v;
	return true;
}

bool sync_id_next(struct str *ids, struct str *ret)
{
	return ids->len > 0 && take_if(ids, OCTETS, ret) && ret->len == SYNC_ID_BYTES;
}

static bool ids_whole(struct str ids)
{
	struct str one;

	while (ids.len > 0)
		if (!sync_id_next(&ids, &one))
			return false;
	return true;
}

bool sync_info_read(struct str value, struct sync_info_value *ret)
{
	struct sync_info_value v = { .flag = true };
	unsigned char tag;
	struct str in;

	if (!take(&value, &tag, &in) || value.len != 0)
		return false;
	if (tag == CONTEXT) {
		v.kind = SYNC_NEW_COOKIE;
		v.cookie = in;
		if (in.len > SYNC_COOKIE_MAX)
			return false;
		*ret = v;
		return true;
	}
	if (tag < (CONTEXT | CONSTRUCTED | 1) || tag > (CONTEXT | CONSTRUCTED | 3))
		return false;
	v.kind = (enum sync_info)(tag & 0x1F);
	v.flag = v.kind != SYNC_ID_SET;
	if (!take_cookie(&in, &v.cookie) || !take_flag(&in, &v.flag))
		return false;
	if (v.kind == SYNC_ID_SET && (!take_if(&in, SET, &v.ids) || !ids_whole(v.ids)))
		return false;
	if (in.len != 0)
		return false;
	*ret = v;
	return true;
}

bool dirsync_read(struct str value, struct dirsync_value *ret)
{
	struct dirsync_value v;
	struct str in;
	int64_t more, ignored;

	if (!whole(value, SEQUENCE, &in) || !take_number(&in, INTEGER, &more) ||
	    !take_number(&in, INTEGER, &ignored) || !take_if(&in, OCTETS, &v.cookie) ||
	    v.cookie.len > SYNC_COOKIE_MAX || in.len != 0)
		return false;
	v.more = more != 0;
	*ret = v;
	return true;
}

/* --- writing -------------------------------------------------------------------------------
 */

static void put_head(struct buf *into, unsigned char tag, size_t len)
{
	buf_add_char(into, (char)tag);
	if (len < 0x80) {
		buf_add_char(into, (char)len);
		return;
	}
	buf_add_char(into, (char)0x83);
	buf_add_char(into, (char)(len >> 16 & 0xFF));
	buf_add_char(into, (char)(len >> 8 & 0xFF));
	buf_add_char(into, (char)(len & 0xFF));
}

static size_t sized(size_t len)
{
	return (len < 0x80 ? 2 : 5) + len;
}

static void put_octets(struct buf *into, struct str s)
{
	put_head(into, OCTETS, s.len);
	buf_add_str(into, s);
}

/* As short as may be (X.690 8.3.2), and never negative. */
static size_t number_bytes(uint32_t n)
{
	size_t bytes = 1;

	for (uint64_t room = 0x80; n >= room; room <<= 8)
		bytes++;
	return bytes;
}

static void put_number(struct buf *into, unsigned char tag, uint32_t n)
{
	size_t bytes = number_bytes(n);

	put_head(into, tag, bytes);
	for (size_t i = bytes; i > 0; i--)
		buf_add_char(into, (char)((uint64_t)n >> (i - 1) * 8 & 0xFF));
}

enum { REFRESH_ONLY = 1, REFRESH_AND_PERSIST = 3 };

static void request_write(char mode, struct str cookie, struct buf *into)
{
	put_head(into, SEQUENCE, 3 + (cookie.p ? sized(cookie.len) : 0));
	put_head(into, ENUMERATED, 1);
	buf_add_char(into, mode);
	if (cookie.p)
		put_octets(into, cookie);
}

void sync_request_write(struct str cookie, struct buf *into)
{
	request_write(REFRESH_ONLY, cookie, into);
}

void sync_persist_write(struct str cookie, struct buf *into)
{
	request_write(REFRESH_AND_PERSIST, cookie, into);
}

void dirsync_write(uint32_t flags, struct str cookie, struct buf *into)
{
	put_head(into, SEQUENCE, 2 + number_bytes(flags) + 3 + sized(cookie.len));
	put_number(into, INTEGER, flags);
	put_number(into, INTEGER, 0); /* no limit of bytes: the server's own */
	put_octets(into, cookie);
}
