/*
 * RFC 4514, read by us: libldap 2.5.13 reads beyond the end of some broken names (found by
 * fuzzing), and makes a dozen allocations for a name. Also taken: blanks around separators, ';'
 * for ',' and values in quotes (RFC 1779), which servers hand out when they were stored so.
 */
#include "ldap/dn.h"

#include <stdlib.h>

#include "base/enc.h"
#include "base/own.h"
#include "base/vec.h"

struct reader {
	struct str text;
	size_t at;
	struct buf value; /* the bytes of the value at hand, without their escapes */
	struct err *err;
};

VEC(ava_texts, char *);

static void ava_texts_free(struct ava_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	ava_texts_done(t);
}

static int bad(const struct reader *t)
{
	return err_set(t->err, ERR_INVALID_VALUE,
		       "not a distinguished name from byte %zu on; something like "
		       "ou=people,dc=example,dc=com is expected",
		       t->at);
}

static int peek(const struct reader *t)
{
	return t->at < t->text.len ? (unsigned char)t->text.p[t->at] : -1;
}

static void blanks(struct reader *t)
{
	while (peek(t) == ' ')
		t->at++;
}

/* --- reading -------------------------------------------------------------------------------
 */

/* The type, in lower case, with its '='. */
static int type_take(struct reader *t, struct buf *into)
{
	size_t from;
	int c;

	blanks(t);
	from = t->at;
	while ((c = peek(t)) >= 0 && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				      (c >= '0' && c <= '9') || c == '-' || c == '.')) {
		buf_add_char(into, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
		t->at++;
	}
	if (t->at == from)
		return bad(t);
	blanks(t);
	if (peek(t) != '=')
		return bad(t);
	t->at++;
	buf_add_char(into, '=');
	blanks(t);
	return 0;
}

/* The backslash is at hand: two hex digits, or one character that needed it. */
static int escape_take(struct reader *t)
{
	unsigned char byte;

	if (t->at + 2 < t->text.len && enc_unhex(str_n(t->text.p + t->at + 1, 2), &byte, 1)) {
		buf_add_char(&t->value, (char)byte);
		t->at += 3;
		return 0;
	}
	t->at++;
	if (peek(t) <= 0 || !strchr(" \"#+,;<=>\\", peek(t)))
		return bad(t);
	buf_add_char(&t->value, t->text.p[t->at++]);
	return 0;
}

static int quoted_take(struct reader *t)
{
	int c, r;

	t->at++;
	while ((c = peek(t)) != '"') {
		if (c <= 0)
			return bad(t);
		if (c == '\\') {
			r = escape_take(t);
			if (r < 0)
				return r;
			continue;
		}
		buf_add_char(&t->value, (char)c);
		t->at++;
	}
	t->at++;
	return 0;
}

static int plain_take(struct reader *t)
{
	int c, r;

	while ((c = peek(t)) >= 0 && !(c && strchr(",;+", c))) {
		if (c == 0 || strchr("\"<>", c))
			return bad(t);
		if (c == '\\') {
			r = escape_take(t);
			if (r < 0)
				return r;
			continue;
		}
		buf_add_char(&t->value, (char)c);
		t->at++;
	}
	return 0;
}

/* "#04024869": BER in hex, kept as it is. */
static int hex_take(struct reader *t, struct buf *into)
{
	size_t digits = 0;
	int c;

	buf_add_char(into, '#');
	for (t->at++; (c = peek(t)) > 0 && strchr("0123456789abcdefABCDEF", c); t->at++) {
		buf_add_char(into, (char)(c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c));
		digits++;
	}
	return digits == 0 || digits % 2 ? bad(t) : 0;
}

/* --- writing -------------------------------------------------------------------------------
 */

/* A NUL is text in a name, though in no other place here: of such a value ASCII alone is
 * folded. */
static int value_fold(struct str value, char **ret, size_t *ret_len)
{
	if (!value.len || !memchr(value.p, 0, value.len))
		return str_fold(value, ret, ret_len, NULL);
	*ret = str_dup(value);
	*ret_len = value.len;
	for (size_t i = 0; *ret && i < value.len; i++)
		if ((*ret)[i] >= 'A' && (*ret)[i] <= 'Z')
			(*ret)[i] = (char)((*ret)[i] + ('a' - 'A'));
	return *ret ? 0 : -ERR_NOMEM;
}

/* Folded, escaped in one way, blanks at the ends gone. */
static int value_put(struct reader *t, struct buf *into)
{
	CLEANUP(free_at) char *folded = NULL;
	size_t len = 0;
	int r = buf_fault(&t->value, t->err, "a value of the distinguished name");

	if (r == 0)
		r = value_fold(str_trim(buf_str(&t->value)), &folded, &len);
	if (r == -ERR_NOMEM)
		return err_nomem(t->err);
	if (r < 0)
		return bad(t);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)folded[i];

		if (c < ' ' || c == 0x7F || strchr(",+\"\\<>;=#", c))
			buf_addf(into, "\\%02x", c);
		else
			buf_add_char(into, (char)c);
	}
	return 0;
}

static int ava_take(struct reader *t, struct buf *into)
{
	int r = type_take(t, into);

	if (r < 0)
		return r;
	buf_clear(&t->value);
	if (peek(t) == '#') {
		r = hex_take(t, into);
	} else {
		r = peek(t) == '"' ? quoted_take(t) : plain_take(t);
		if (r == 0)
			r = value_put(t, into);
	}
	if (r < 0)
		return r;
	blanks(t);
	return peek(t) < 0 || (peek(t) && strchr(",;+", peek(t))) ? 0 : bad(t);
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The values of "cn=a+uid=b" have no order of their own. first is the text of the first. */
static int more_avas_take(struct reader *t, struct buf *into, size_t from)
{
	CLEANUP(ava_texts_free) struct ava_texts texts = { 0 };
	char *first = str_dup(str_n(into->p + from, into->len - from));
	int r = 0;

	if (!first || ava_texts_add(&texts, first) < 0) {
		free(first);
		return err_nomem(t->err);
	}
	buf_cut(into, from);
	while (r == 0 && peek(t) == '+') {
		char *text;

		t->at++;
		r = ava_take(t, into);
		if (r < 0)
			return r;
		r = buf_fault(into, t->err, "the distinguished name");
		if (r < 0)
			return r;
		text = str_dup(str_n(into->p + from, into->len - from));
		buf_cut(into, from);
		if (!text || ava_texts_add(&texts, text) < 0) {
			free(text);
			return err_nomem(t->err);
		}
	}
	qsort(texts.v, texts.n, sizeof(*texts.v), text_order);
	for (size_t i = 0; i < texts.n; i++) {
		if (i)
			buf_add_char(into, '+');
		buf_add_text(into, texts.v[i]);
	}
	return 0;
}

static int names_take(struct reader *t, struct buf *into)
{
	int r = 0;

	while (r == 0) {
		size_t from = into->len;

		r = ava_take(t, into);
		if (r == 0)
			r = buf_fault(into, t->err, "the distinguished name");
		if (r == 0 && peek(t) == '+')
			r = more_avas_take(t, into, from);
		if (r < 0 || peek(t) < 0)
			break;
		t->at++;
		buf_add_char(into, ',');
	}
	return r < 0 ? r : buf_fault(into, t->err, "the distinguished name");
}

int dir_dn_normal(struct str dn, struct buf *into, struct err *err)
{
	struct reader t = { .text = dn, .err = err };
	int r;

	if (dn.len > DIR_DN_MAX_BYTES)
		return err_set(err, ERR_INVALID_VALUE,
			       "a distinguished name of %zu bytes: at most %d are read", dn.len,
			       DIR_DN_MAX_BYTES);
	blanks(&t);
	if (t.at == dn.len)
		return 0;
	buf_init(&t.value, DIR_DN_MAX_BYTES);
	r = names_take(&t, into);
	buf_done(&t.value);
	return r;
}

bool dir_dn_under(struct str dn, struct str base)
{
	if (base.len == 0 || str_eq(dn, base))
		return true;
	return dn.len > base.len + 1 && dn.p[dn.len - base.len - 1] == ',' &&
	       str_ends(dn, base);
}

struct str dir_dn_parent(struct str dn)
{
	struct str head, rest = { 0 };

	/* every comma inside a value is escaped as \2c */
	if (!str_cut(dn, ',', &head, &rest))
		return (struct str){ 0 };
	return rest;
}
