#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stamp.h"
#include "base/str.h"

/*
 * A line is made on the stack and is at most PIPE_BUF long: so it needs no memory that could be
 * lost, and what many threads write into one pipe does not mix (POSIX write()).
 */
#define LINE_BYTES 4096
#define VALUE_BYTES 1536 /* escaped; longer values are cut and end in "..." */
#define TAIL_BYTES 32    /* kept free for what closes a line */

struct line {
	char p[LINE_BYTES];
	size_t len, room;
	bool full; /* something did not fit */
};

static _Atomic int log_level_now = LOG_LEVEL_INFO;
static _Atomic int log_form_now = LOG_FORM_LOGFMT;
static _Atomic int log_fd = 2;
static _Atomic bool log_journald;

static const struct {
	const char *word;
	int priority; /* syslog's, for journald */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warn", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* $JOURNAL_STREAM is inherited: it counts only while fd is the very stream it names. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct str device, inode;
	uint64_t dev, ino;
	struct stat st;

	return stream && str_cut(str_of(stream), ':', &device, &inode) &&
	       str_uint64(device, &dev) && str_uint64(inode, &ino) && fstat(fd, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_setup(enum log_level level, enum log_form form, int fd)
{
	atomic_store(&log_level_now, (int)level);
	atomic_store(&log_form_now, (int)form);
	atomic_store(&log_journald, is_journal(fd));
	atomic_store(&log_fd, fd);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

/* All of text or nothing of it. */
static bool line_put(struct line *l, const char *text, size_t len)
{
	if (len > l->room - l->len) {
		l->full = true;
		return false;
	}
	memcpy(l->p + l->len, text, len);
	l->len += len;
	return true;
}

static bool line_text(struct line *l, const char *text)
{
	return line_put(l, text, strlen(text));
}

/*
 * Characters that could make a second line, hide text or turn it round on a screen: controls
 * (C0, DEL, C1), line and paragraph separators, marks of direction.
 */
static bool is_hostile(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

/* The character at s and its bytes; 0 bytes where s is not UTF-8. */
static size_t decode(struct str s, uint32_t *ret)
{
	unsigned char first = (unsigned char)s.p[0];
	size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	uint32_t c = first < 0x80 ? first : first & (0xFFu >> (len + 1));

	/* a NUL is no fault here, and it cannot come: values are C strings */
	if (len > s.len || !str_utf8(str_n(s.p, len), NULL))
		return 0;
	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)s.p[i] & 0x3F);
	*ret = c;
	return len;
}

/* The escaped form of one character; *used is how many bytes of s it was. */
static size_t escape(struct str s, char room[16], size_t *used)
{
	static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
	const char *at = strchr(plain, s.p[0]);
	uint32_t c = 0xFFFD;
	size_t len;

	if (at && *at) {
		room[0] = '\\';
		room[1] = letters[at - plain];
		*used = 1;
		return 2;
	}
	len = decode(s, &c);
	*used = len ? len : 1;
	if (len && !is_hostile(c)) {
		memcpy(room, s.p, len);
		return len;
	}
	return (size_t)snprintf(room, 16, "\\u%04x", (unsigned)c);
}

/* In quotes. Cut at VALUE_BYTES, or at what is left of the line. */
static void line_quoted(struct line *l, const char *text)
{
	struct str s = str_of(text);
	size_t most = l->room - l->len;
	size_t end;

	if (most > VALUE_BYTES)
		most = VALUE_BYTES;
	if (most < sizeof("\"...\"")) {
		l->full = true;
		return;
	}
	end = l->len + most - (sizeof("...\"") - 1);
	line_text(l, "\"");
	while (s.len > 0) {
		char room[16];
		size_t used, len = escape(s, room, &used);

		if (l->len + len > end) {
			line_text(l, "...");
			break;
		}
		line_put(l, room, len);
		s = str_n(s.p + used, s.len - used);
	}
	line_text(l, "\"");
}

/* Values that logfmt readers take without quotes. */
static bool is_bare(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._:/@+-,%~";
	size_t len = strspn(text, safe);

	return len > 0 && len < 256 && text[len] == '\0' && strcmp(text, "null") != 0;
}

static void line_value(struct line *l, const struct log_field *f, bool json)
{
	char number[24];

	switch (f->type) {
	case LOG_FIELD_INT:
		snprintf(number, sizeof(number), "%" PRId64, f->number);
		line_text(l, number);
		return;
	case LOG_FIELD_UINT:
		snprintf(number, sizeof(number), "%" PRIu64, (uint64_t)f->number);
		line_text(l, number);
		return;
	case LOG_FIELD_BOOL:
		line_text(l, f->number ? "true" : "false");
		return;
	case LOG_FIELD_TEXT:
		break;
	}
	if (!f->text)
		line_text(l, "null");
	else if (!json && is_bare(f->text))
		line_text(l, f->text);
	else
		line_quoted(l, f->text);
}

/* A field goes in whole (its text perhaps cut) or not at all: half a field is no JSON. */
static void line_field(struct line *l, const struct log_field *f, bool json)
{
	size_t before = l->len;

	if (l->full)
		return;
	line_text(l, json ? ",\"" : " ");
	line_text(l, f->key);
	line_text(l, json ? "\":" : "=");
	line_value(l, f, json);
	if (l->full)
		l->len = before;
}

static void line_head(struct line *l, enum log_level level, const char *event, bool json,
		      bool journald)
{
	char now[STAMP_TEXT_BYTES];

	if (journald) {
		char priority[8];

		snprintf(priority, sizeof(priority), "<%d>", levels[level].priority);
		line_text(l, priority);
	}
	stamp_text(stamp_now_ms(), now);
	if (json) {
		line_text(l, "{\"event\":");
		line_quoted(l, event);
		line_text(l, ",\"level\":\"");
		line_text(l, levels[level].word);
		if (!journald) {
			line_text(l, "\",\"time\":\"");
			line_text(l, now);
		}
		line_text(l, "\"");
		return;
	}
	if (!journald) {
		line_text(l, now);
		line_text(l, " ");
		line_text(l, levels[level].word);
		line_text(l, " ");
	}
	line_text(l, event);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
	       size_t count)
{
	bool json = atomic_load(&log_form_now) == LOG_FORM_JSON;
	struct line l = { .room = LINE_BYTES - TAIL_BYTES };
	int saved = errno;

	line_head(&l, level, event, json, atomic_load(&log_journald));
	for (size_t i = 0; i < count; i++)
		line_field(&l, &fields[i], json);
	l.room = LINE_BYTES;
	if (l.full)
		line_text(&l, json ? ",\"cut\":true" : " cut=true");
	line_text(&l, json ? "}\n" : "\n");
	while (write(atomic_load(&log_fd), l.p, l.len) < 0 && errno == EINTR)
		;
	errno = saved; /* who logs a failure may still want to look at it */
}
