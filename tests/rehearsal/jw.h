/*
 * A JSON writer for answers of thousands of rows: straight into a buffer, commas kept. Members
 * have a key, elements of arrays pass NULL. Faults are the buffer's (buf_fault).
 */
#ifndef REHEARSAL_JW_H
#define REHEARSAL_JW_H

#include <inttypes.h>

#include "base/buf.h"
#include "base/stamp.h"

struct jw {
	struct buf *b;
	bool more; /* something stands before, on this level */
};

static inline UNUSED void jw_key(struct jw *w, const char *key)
{
	if (w->more)
		buf_add_char(w->b, ',');
	w->more = true;
	if (key) {
		buf_add_json(w->b, str_of(key));
		buf_add_char(w->b, ':');
	}
}

static inline UNUSED void jw_open(struct jw *w, const char *key, char bracket)
{
	jw_key(w, key);
	buf_add_char(w->b, bracket);
	w->more = false;
}

static inline UNUSED void jw_close(struct jw *w, char bracket)
{
	buf_add_char(w->b, bracket);
	w->more = true;
}

static inline UNUSED void jw_text(struct jw *w, const char *key, const char *text)
{
	jw_key(w, key);
	buf_add_json(w->b, str_of(text));
}

static inline UNUSED void jw_null(struct jw *w, const char *key)
{
	jw_key(w, key);
	buf_add_text(w->b, "null");
}

/* NULL text is null. */
static inline UNUSED void jw_text_or_null(struct jw *w, const char *key, const char *text)
{
	if (text)
		jw_text(w, key, text);
	else
		jw_null(w, key);
}

static inline UNUSED void jw_int(struct jw *w, const char *key, int64_t n)
{
	jw_key(w, key);
	buf_addf(w->b, "%" PRId64, n);
}

static inline UNUSED void jw_bool(struct jw *w, const char *key, bool yes)
{
	jw_key(w, key);
	buf_add_text(w->b, yes ? "true" : "false");
}

static inline UNUSED void jw_time(struct jw *w, const char *key, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	stamp_text(ms, text);
	jw_text(w, key, text);
}

static inline UNUSED void jw_date(struct jw *w, const char *key, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	stamp_date_text(ms, text);
	jw_text(w, key, text);
}

/* A formatted text value. */
static inline UNUSED void jw_textf(struct jw *w, const char *key, const char *format, ...)
	PRINTF(3, 4);

#include <stdarg.h>
#include <stdio.h>

static inline UNUSED void jw_textf(struct jw *w, const char *key, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	jw_text(w, key, text);
}

#endif
