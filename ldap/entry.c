#include "ldap/entry.h"

#include <inttypes.h>
#include <ldap.h>
#include <stdio.h>

#include "base/enc.h"
#include "base/stamp.h"

static inline void ber_free_at(BerElement **ber)
{
	if (*ber)
		ber_free(*ber, 0);
}

static int attr_take(struct dir_entry *e, const struct berval *name, const BerVarray values,
		     struct err *err)
{
	struct dir_attr attr = { .first = e->values.n };
	struct str whole = str_n(name->bv_val, name->bv_len);

	str_cut(whole, ';', &attr.name, &attr.options);
	for (size_t i = 0; values && values[i].bv_val; i++) {
		if (dir_values_add(&e->values, str_n(values[i].bv_val, values[i].bv_len)) < 0)
			return err_nomem(err);
		attr.n++;
	}
	/* an attribute without values says no more than none would */
	if (attr.n > 0 && dir_attrs_add(&e->attrs, attr) < 0)
		return err_nomem(err);
	return 0;
}

/* What libldap decoded stands in one piece of memory, one behind the other. */
static void bytes_up_to(struct dir_entry *e, const struct berval *v)
{
	e->bytes = str_n(e->dn.p, (size_t)(v->bv_val + v->bv_len - e->dn.p));
}

int dir_entry_read(struct ldap *ld, struct ldapmsg *message, struct dir_entry *ret,
		   struct err *err)
{
	CLEANUP(ber_free_at) BerElement *ber = NULL;
	struct berval dn, name;
	BerVarray values = NULL;
	int rc, r;

	ret->attrs.n = 0;
	ret->values.n = 0;
	rc = ldap_get_dn_ber(ld, message, &ber, &dn);
	if (rc != LDAP_SUCCESS || !ber)
		return err_set(err, ERR_PROTOCOL, "an entry's name does not decode");
	ret->dn = str_n(dn.bv_val, dn.bv_len);
	bytes_up_to(ret, &dn);
	while ((rc = ldap_get_attribute_ber(ld, message, ber, &name, &values)) ==
		       LDAP_SUCCESS &&
	       name.bv_val) {
		bytes_up_to(ret, &name);
		for (size_t i = 0; values && values[i].bv_val; i++)
			bytes_up_to(ret, &values[i]);
		r = attr_take(ret, &name, values, err);
		ber_memfree(values); /* the array; the values stand in the message */
		values = NULL;
		if (r < 0)
			return r;
	}
	ber_memfree(values);
	if (rc != LDAP_SUCCESS)
		return err_set(err, rc == LDAP_NO_MEMORY ? ERR_NOMEM : ERR_PROTOCOL,
			       "an entry's attributes do not decode");
	return 0;
}

void dir_entry_done(struct dir_entry *e)
{
	dir_attrs_done(&e->attrs);
	dir_values_done(&e->values);
	e->dn = e->bytes = (struct str){ 0 };
}

const struct dir_attr *dir_entry_attr(const struct dir_entry *e, struct str name,
				      const struct str **values)
{
	const struct dir_attr *found = NULL;

	for (size_t i = 0; i < e->attrs.n; i++) {
		const struct dir_attr *a = &e->attrs.v[i];

		if (str_ieq(a->name, name) &&
		    (!found || (found->options.len && !a->options.len)))
			found = a;
	}
	if (found && values)
		*values = &e->values.v[found->first];
	return found;
}

bool dir_entry_first(const struct dir_entry *e, const char *name, struct str *ret)
{
	const struct str *values;

	if (!dir_entry_attr(e, str_of(name), &values))
		return false;
	*ret = values[0];
	return true;
}

/* --- ids --- */

static bool id_put(const char *text, size_t len, char ret[DIR_ID_BYTES])
{
	if (len == 0 || len >= DIR_ID_BYTES)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

static bool uuid_text(struct str raw, char ret[DIR_ID_BYTES])
{
	unsigned char bytes[16];

	if (raw.len != ENC_UUID_CHARS)
		return false;
	for (size_t i = 0, digits = 0; i < raw.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (raw.p[i] == '-'))
			return false;
		if (!dash)
			ret[digits++] = raw.p[i];
	}
	if (!enc_unhex(str_n(ret, 32), bytes, 16))
		return false;
	enc_uuid(bytes, ret);
	return true;
}

static bool uniq_text(struct str raw, char ret[DIR_ID_BYTES])
{
	if (raw.len != 35)
		return false;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.p[i];

		if (i % 9 == 8 ? c != '-' : !strchr("0123456789abcdefABCDEF", c) || !c)
			return false;
		ret[i] = (char)(c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
	}
	ret[raw.len] = '\0';
	return true;
}

bool dir_id_text(enum dir_id_form form, struct str raw, char ret[DIR_ID_BYTES])
{
	switch (form) {
	case DIR_ID_UUID:
		return uuid_text(raw, ret);
	case DIR_ID_UNIQ:
		return uniq_text(raw, ret);
	case DIR_ID_GUID:
		if (raw.len != 16)
			return false;
		enc_guid((const unsigned char *)raw.p, ret);
		return true;
	case DIR_ID_RAW:
		if (raw.len != 16)
			return false;
		enc_uuid((const unsigned char *)raw.p, ret);
		return true;
	case DIR_ID_TEXT:
		return dir_text_ok(raw) && id_put(raw.p, raw.len, ret);
	}
	return false;
}

/* The bytes a filter must name: for the binary forms not what the text shows. */
static bool id_raw(enum dir_id_form form, struct str text, unsigned char raw[16])
{
	char hex[DIR_ID_BYTES];
	size_t n = 0;

	if (form == DIR_ID_GUID)
		return enc_unguid(text, raw);
	for (size_t i = 0; i < text.len && n < 33; i++)
		if (text.p[i] != '-')
			hex[n++] = text.p[i];
	return enc_unhex(str_n(hex, n), raw, 16);
}

bool dir_id_filter(enum dir_id_form form, const char *attr, struct str text, struct buf *into)
{
	unsigned char raw[16];
	char form_of[DIR_ID_BYTES];
	bool binary = form == DIR_ID_GUID || form == DIR_ID_RAW;

	if (binary ? text.len != ENC_UUID_CHARS || !id_raw(form, text, raw)
		   : !dir_id_text(form, text, form_of))
		return false;
	buf_addf(into, "(%s=", attr);
	for (size_t i = 0; binary && i < sizeof(raw); i++)
		buf_addf(into, "\\%02x", raw[i]);
	if (!binary)
		dir_filter_escape(text, into);
	buf_add_char(into, ')');
	return true;
}

/* --- flags, numbers, days --- */

bool dir_flag(struct str raw, bool *ret)
{
	raw = str_trim(raw);
	if (!str_ieq(raw, STR("true")) && !str_ieq(raw, STR("false")))
		return false;
	*ret = str_ieq(raw, STR("true"));
	return true;
}

bool dir_bits(struct str raw, uint32_t *ret)
{
	int64_t n;

	if (!str_int64(raw, &n) || n < INT32_MIN || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

bool dir_shadow_day(struct str raw, int64_t *ret_ms)
{
	int64_t day;

	if (!str_int64(raw, &day) || day < -1 || day == 0 || day > INT32_MAX)
		return false;
	*ret_ms = day == -1 ? STAMP_NEVER : day * STAMP_DAY_MS;
	return true;
}

bool dir_sid_text(struct str raw, char ret[DIR_SID_BYTES])
{
	const unsigned char *p = (const unsigned char *)raw.p;
	uint64_t authority = 0;
	int n;

	if (raw.len < 8 || p[0] != 1 || p[1] > 15 || raw.len != 8 + 4U * p[1])
		return false;
	for (int i = 2; i < 8; i++)
		authority = authority << 8 | p[i];
	n = snprintf(ret, DIR_SID_BYTES, "S-1-%" PRIu64, authority);
	for (int i = 0; i < p[1]; i++) {
		const unsigned char *s = p + 8 + 4 * i;
		uint32_t sub = s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 |
			       (uint32_t)s[3] << 24;

		n += snprintf(ret + n, DIR_SID_BYTES - (size_t)n, "-%" PRIu32, sub);
	}
	return true;
}

bool dir_text_ok(struct str raw)
{
	if (raw.len > DIR_VALUE_MAX_BYTES || !str_utf8(raw, NULL))
		return false;
	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.p[i];

		if (c == 0x7F || (c < ' ' && c != '\t' && c != '\n' && c != '\r'))
			return false;
	}
	return true;
}

/* --- filters --- */

void dir_filter_escape(struct str value, struct buf *into)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c < ' ' || c >= 0x7F || strchr("*()\\", c))
			buf_addf(into, "\\%02x", c);
		else
			buf_add_char(into, (char)c);
	}
}

bool dir_attr_name_ok(struct str name)
{
	bool oid;

	if (name.len == 0 || name.len > 128)
		return false;
	oid = name.p[0] >= '0' && name.p[0] <= '9';
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool digit = c >= '0' && c <= '9';
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (oid ? !digit && c != '.' : !letter && (i == 0 || (!digit && c != '-')))
			return false;
	}
	return true;
}

#define FILTER_MAX_DEPTH 32

/* Reading a filter: RFC 4515 section 3, strict, without a tree. */
struct filter_reader {
	struct str text;
	size_t at;
	int depth;
};

static bool filter_one(struct filter_reader *f);

static int filter_peek(const struct filter_reader *f)
{
	return f->at < f->text.len ? (unsigned char)f->text.p[f->at] : -1;
}

static bool filter_list(struct filter_reader *f, bool only_one)
{
	int n = 0;

	f->at++;
	while (filter_peek(f) == '(') {
		if (!filter_one(f))
			return false;
		n++;
	}
	return only_one ? n == 1 : true; /* "(&)" is RFC 4526's true */
}

/* attr, attr:dn:rule:=, with options; up to the operator */
static bool filter_attr(struct filter_reader *f)
{
	size_t from = f->at;
	int c;

	while ((c = filter_peek(f)) >= 0 && c != '=' && c != '~' && c != '<' && c != '>') {
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || (c && strchr("-.;:", c));

		if (!ok)
			return false;
		f->at++;
	}
	if (f->at == from || c < 0)
		return false;
	if (c != '=')
		f->at++;
	if (filter_peek(f) != '=')
		return false;
	f->at++;
	return true;
}

static bool filter_value(struct filter_reader *f)
{
	int c;
	unsigned char byte;

	while ((c = filter_peek(f)) >= 0 && c != ')') {
		if (c == '(' || c == 0)
			return false;
		if (c == '\\') {
			if (f->at + 2 >= f->text.len ||
			    !enc_unhex(str_n(f->text.p + f->at + 1, 2), &byte, 1))
				return false;
			f->at += 2;
		}
		f->at++;
	}
	return true;
}

static bool filter_one(struct filter_reader *f)
{
	bool ok;
	int c;

	if (filter_peek(f) != '(' || f->depth >= FILTER_MAX_DEPTH)
		return false;
	f->depth++;
	f->at++;
	c = filter_peek(f);
	if (c == '&' || c == '|' || c == '!')
		ok = filter_list(f, c == '!');
	else
		ok = filter_attr(f) && filter_value(f);
	if (!ok || filter_peek(f) != ')')
		return false;
	f->at++;
	f->depth--;
	return true;
}

int dir_filter_check(struct str text, struct err *err)
{
	struct filter_reader f = { .text = text };

	if (text.len > DIR_VALUE_MAX_BYTES)
		return err_set(err, ERR_CONFIG, "the filter is longer than %d bytes",
			       DIR_VALUE_MAX_BYTES);
	if (!str_utf8(text, &f.at) || !filter_one(&f) || f.at != text.len)
		return err_set(err, ERR_CONFIG,
			       "the filter is broken at byte %zu: one filter in parentheses is "
			       "expected, such as (objectClass=person)",
			       f.at);
	return 0;
}
