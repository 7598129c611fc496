#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES 64

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){ .max = max_bytes < SIZE_MAX ? max_bytes : SIZE_MAX - 1 };
}

void buf_init_secret(struct buf *b, size_t max_bytes)
{
	buf_init(b, max_bytes);
	b->secret = true;
}

static void memory_drop(struct buf *b)
{
	if (b->p && b->secret)
		explicit_bzero(b->p, b->room);
	free(b->p);
	b->p = NULL;
	b->len = b->room = 0;
}

void buf_done(struct buf *b)
{
	if (!b)
		return;
	memory_drop(b);
	b->fault = 0;
}

void buf_clear(struct buf *b)
{
	if (b->p && b->secret)
		explicit_bzero(b->p, b->room);
	else if (b->p)
		b->p[0] = '\0';
	b->len = 0;
	b->fault = 0;
}

/* realloc() would leave the old copy of a secret in the heap when the block moves. */
static char *memory_move(struct buf *b, size_t room)
{
	char *p;

	if (!b->secret)
		return realloc(b->p, room);
	p = malloc(room);
	if (!p)
		return NULL;
	if (b->p) {
		memcpy(p, b->p, b->len);
		explicit_bzero(b->p, b->room);
		free(b->p);
	}
	return p;
}

/* Room for more bytes and the NUL; false, with the fault remembered, when there is none. */
static bool room_for(struct buf *b, size_t more)
{
	size_t want, room;
	char *p;

	if (b->fault)
		return false;
	if (more > b->max - b->len) {
		b->fault = ERR_LIMIT;
		return false;
	}
	want = b->len + more + 1;
	if (want <= b->room)
		return true;
	room = b->room ? b->room : BUF_FIRST_BYTES;
	while (room < want)
		room = room > SIZE_MAX / 2 ? want : room * 2;
	if (room > b->max + 1)
		room = b->max + 1;
	p = memory_move(b, room);
	if (!p) {
		b->fault = ERR_NOMEM;
		return false;
	}
	b->p = p;
	b->room = room;
	return true;
}

void buf_room(struct buf *b, size_t more)
{
	if (more <=
	    b->max - b->len) /* beyond it the adding itself faults, if it comes to that */
		(void)room_for(b, more);
}

void buf_add(struct buf *b, const void *p, size_t len)
{
	if (!room_for(b, len))
		return;
	if (len)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.len);
}

void buf_add_text(struct buf *b, const char *text)
{
	if (text)
		buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	size_t room;
	int n;

	if (b->fault)
		return;
	va_start(args, format);
	va_copy(again, args);
	room = b->room - b->len;
	n = vsnprintf(b->p ? b->p + b->len : NULL, room, format, args);
	if (n < 0) {
		b->fault = ERR_NOMEM; /* the only way our formats can fail */
	} else if ((size_t)n < room) {
		b->len += (size_t)n;
	} else if (room_for(b, (size_t)n)) {
		vsnprintf(b->p + b->len, (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	if (b->p)
		b->p[b->len] = '\0';
	va_end(again);
	va_end(args);
}

/* The escape of a byte inside a JSON string, NULL when it stands for itself. */
static const char *json_escape(unsigned char c, char room[8])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	}
	if (c >= 0x20)
		return NULL;
	snprintf(room, 8, "\\u%04X", (unsigned)c);
	return room;
}

/* The well-formed part of s, its special characters escaped as jansson does it. */
static void json_add_good(struct buf *b, struct str s)
{
	size_t from = 0;
	char room[8];

	for (size_t i = 0; i < s.len; i++) {
		const char *escape = json_escape((unsigned char)s.p[i], room);

		if (!escape)
			continue;
		buf_add(b, s.p + from, i - from);
		buf_add_text(b, escape);
		from = i + 1;
	}
	buf_add(b, s.p + from, s.len - from);
}

#define ALL_BYTES(c) (UINT64_MAX / 0xff * (c))
/* Whether one of the eight bytes of w is below c, which is at most 0x80 and a constant. */
#define ANY_BELOW(w, c) (((w)-ALL_BYTES(c)) & ~(w)&ALL_BYTES(0x80))

/* Whether each byte of s stands for itself inside a JSON string: visible ASCII, as most texts
 * are. Then it need not be checked for UTF-8 and for escapes in turn. */
static bool json_plain(struct str s)
{
	size_t i = 0;

	for (uint64_t w; i + sizeof(w) <= s.len; i += sizeof(w)) {
		memcpy(&w, s.p + i, sizeof(w));
		if ((w & ALL_BYTES(0x80)) | ANY_BELOW(w, 0x20) |
		    ANY_BELOW(w ^ ALL_BYTES('"'), 1) | ANY_BELOW(w ^ ALL_BYTES('\\'), 1))
			return false;
	}
	for (; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			return false;
	}
	return true;
}

void buf_add_json(struct buf *b, struct str s)
{
	size_t bad;

	if (json_plain(s) && s.len < SIZE_MAX - 2 && room_for(b, s.len + 2)) {
		char *to = b->p + b->len;

		*to = '"';
		if (s.len)
			memcpy(to + 1, s.p, s.len);
		to[s.len + 1] = '"';
		to[s.len + 2] = '\0';
		b->len += s.len + 2;
		return;
	}
	buf_add_char(b, '"');
	while (s.len > 0) {
		if (str_utf8(s, &bad)) {
			json_add_good(b, s);
			break;
		}
		/* a byte that is no text must not make the whole document no JSON */
		json_add_good(b, str_n(s.p, bad));
		buf_add_text(b, s.p[bad] ? "\\uFFFD" : "\\u0000");
		s = str_n(s.p + bad + 1, s.len - bad - 1);
	}
	buf_add_char(b, '"');
}

void buf_cut(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	if (b->secret)
		explicit_bzero(b->p + len, b->len - len);
	b->len = len;
	b->p[len] = '\0';
}

int buf_fault(const struct buf *b, struct err *err, const char *what)
{
	switch (b->fault) {
	case 0:
		return 0;
	case ERR_LIMIT:
		return err_set(err, ERR_LIMIT, "%s would be longer than %zu bytes", what,
			       b->max);
	default:
		return err_set(err, ERR_NOMEM, "out of memory for %s", what);
	}
}

char *buf_take(struct buf *b, size_t *ret_len)
{
	if (!b->p)
		buf_add(b, "", 0); /* the empty text is a text */
	if (b->fault)
		return NULL;
	if (ret_len)
		*ret_len = b->len;
	b->len = b->room = 0;
	return TAKE(b->p);
}
