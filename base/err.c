#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct err_class classes[ERR_CODE_COUNT] = {
#define X(symbol_, word_, status_, scim_type_, retry_)                                         \
	[ERR_##symbol_] = { #symbol_, word_, status_, scim_type_, retry_ },
	ERR_LIST(X)
#undef X
};

const struct err_class *err_class(int code)
{
	if (code < 0 && code > -ERR_CODE_COUNT)
		code = -code;
	if (code <= ERR_NONE || code >= ERR_CODE_COUNT)
		code = ERR_INTERNAL;
	return &classes[code];
}

int err_by_word(const char *word)
{
	for (int code = ERR_NONE + 1; word && code < ERR_CODE_COUNT; code++)
		if (strcmp(classes[code].word, word) == 0)
			return code;
	return 0;
}

/*
 * Ends a text that vsnprintf() had to cut with "...", at a character: what goes into a JSON
 * answer or a log must not end in half a UTF-8 sequence.
 */
static void text_cut(char text[ERR_TEXT_BYTES])
{
	size_t at = ERR_TEXT_BYTES - sizeof("...");

	while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80)
		at--;
	memcpy(text + at, "...", sizeof("..."));
}

/* Formats behind the used bytes of text, within its bounds. */
static void text_put(char text[ERR_TEXT_BYTES], size_t *used, const char *format, va_list args)
	PRINTF(3, 0);
static void text_put(char text[ERR_TEXT_BYTES], size_t *used, const char *format, va_list args)
{
	size_t room = ERR_TEXT_BYTES - *used;
	int n = vsnprintf(text + *used, room, format, args);

	if (n < 0) {
		/* the C library could not format: keep what stands there */
		text[*used] = '\0';
		return;
	}
	if ((size_t)n >= room) {
		text_cut(text);
		*used = strlen(text);
		return;
	}
	*used += (size_t)n;
}

static void text_putf(char text[ERR_TEXT_BYTES], size_t *used, const char *format, ...)
	PRINTF(3, 4);
static void text_putf(char text[ERR_TEXT_BYTES], size_t *used, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_put(text, used, format, args);
	va_end(args);
}

int err_vset(struct err *err, int code, const char *format, va_list args)
{
	char text[ERR_TEXT_BYTES]; /* apart, since args may point into err->text */
	size_t used = 0;

	if (code < 0)
		code = -code;
	if (code == ERR_NONE || code >= ERR_CODE_COUNT)
		code = ERR_INTERNAL; /* returning 0 would turn a fault into a success */
	if (!err)
		return -code;
	text_put(text, &used, format, args);
	err->code = code;
	memcpy(err->text, text, used + 1);
	return -code;
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = err_vset(err, code, format, args);
	va_end(args);
	return r;
}

int err_errno(struct err *err, int code, int errnum, const char *format, ...)
{
	char words[128];
	const char *said = strerror_r(errnum, words, sizeof(words));
	va_list args;
	int r;

	va_start(args, format);
	r = err_vset(err, code, format, args);
	va_end(args);
	if (err) {
		size_t used = strlen(err->text);

		text_putf(err->text, &used, ": %s", said);
	}
	return r;
}

int err_context(struct err *err, int r, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	size_t used = 0;
	va_list args;

	if (r >= 0 || !err)
		return r;
	va_start(args, format);
	text_put(text, &used, format, args);
	va_end(args);
	text_putf(text, &used, ": %s", err->text);
	memcpy(err->text, text, used + 1);
	return r;
}

int err_nomem(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}
