#include "ldap/dn.h"

#include <ldap.h>
#include <stdlib.h>

#include "base/own.h"
#include "base/vec.h"

static inline void dn_free_at(LDAPDN *dn)
{
	ldap_dnfree(*dn);
	*dn = NULL;
}

static void hex_add(struct buf *into, unsigned char c)
{
	buf_addf(into, "\\%02x", c);
}

/* Folded, escaped in one way, blanks at the ends gone. */
static int value_add(struct str value, struct buf *into, struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	size_t len = 0;
	int r = str_fold(str_trim(value), &folded, &len, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)folded[i];

		if (c < ' ' || c == 0x7F || strchr(",+\"\\<>;=#", c))
			hex_add(into, c);
		else
			buf_add_char(into, (char)c);
	}
	return 0;
}

static int ava_add(const LDAPAVA *ava, struct buf *into, struct err *err)
{
	for (size_t i = 0; i < ava->la_attr.bv_len; i++) {
		char c = ava->la_attr.bv_val[i];

		buf_add_char(into, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
	}
	buf_add_char(into, '=');
	if (ava->la_flags & LDAP_AVA_BINARY) {
		buf_add_char(into, '#');
		for (size_t i = 0; i < ava->la_value.bv_len; i++)
			buf_addf(into, "%02x", (unsigned char)ava->la_value.bv_val[i]);
		return 0;
	}
	return value_add(str_n(ava->la_value.bv_val, ava->la_value.bv_len), into, err);
}

VEC(ava_texts, char *);

static void ava_texts_free(struct ava_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	ava_texts_done(t);
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The values of "cn=a+uid=b" have no order of their own. */
static int avas_sorted_add(const LDAPRDN rdn, struct buf *into, struct err *err)
{
	CLEANUP(ava_texts_free) struct ava_texts texts = { 0 };

	for (size_t i = 0; rdn[i]; i++) {
		struct buf one;
		char *text;
		int r;

		buf_init(&one, into->max);
		r = ava_add(rdn[i], &one, err);
		if (r == 0)
			r = buf_fault(&one, err, "the distinguished name");
		if (r < 0) {
			buf_done(&one);
			return r;
		}
		text = buf_take(&one, NULL);
		if (!text || ava_texts_add(&texts, text) < 0) {
			free(text);
			return err_nomem(err);
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

int dir_dn_normal(struct str dn, struct buf *into, struct err *err)
{
	CLEANUP(dn_free_at) LDAPDN parts = NULL;
	struct berval text = { dn.len, (char *)dn.p };
	int rc, r = 0;

	if (dn.len == 0)
		return 0;
	if (dn.len > DIR_DN_MAX_BYTES)
		return err_set(err, ERR_INVALID_VALUE,
			       "a distinguished name of %zu bytes: at most %d are read", dn.len,
			       DIR_DN_MAX_BYTES);
	rc = ldap_bv2dn(&text, &parts, LDAP_DN_FORMAT_LDAP);
	if (rc == LDAP_NO_MEMORY)
		return err_nomem(err);
	if (rc != LDAP_SUCCESS)
		return err_set(err, ERR_INVALID_VALUE,
			       "not a distinguished name (%zu bytes); something like "
			       "ou=people,dc=example,dc=com is expected",
			       dn.len);
	for (size_t i = 0; parts && parts[i] && r == 0; i++) {
		if (i)
			buf_add_char(into, ',');
		r = parts[i][0] && !parts[i][1] ? ava_add(parts[i][0], into, err)
						: avas_sorted_add(parts[i], into, err);
	}
	if (r < 0)
		return r;
	return buf_fault(into, err, "the distinguished name");
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
