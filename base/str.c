#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

static unsigned char ascii_lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool same_bytes(const char *a, const char *b, size_t len)
{
	return len == 0 || memcmp(a, b, len) == 0;
}

static bool same_letters(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	return true;
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && same_bytes(a.p, b.p, a.len);
}

bool str_ieq(struct str a, struct str b)
{
	return a.len == b.len && same_letters(a.p, b.p, a.len);
}

int str_cmp(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len ? memcmp(a.p, b.p, len) : 0;

	return r ? r : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str with)
{
	return s.len >= with.len && same_bytes(s.p, with.p, with.len);
}

bool str_istarts(struct str s, struct str with)
{
	return s.len >= with.len && same_letters(s.p, with.p, with.len);
}

bool str_ends(struct str s, struct str with)
{
	return s.len >= with.len &&
	       (with.len == 0 || same_bytes(s.p + (s.len - with.len), with.p, with.len));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

size_t str_find(struct str s, char c)
{
	const char *at = s.len ? memchr(s.p, c, s.len) : NULL;

	return at ? (size_t)(at - s.p) : s.len;
}

size_t str_find_any(struct str s, const char *set)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] && strchr(set, s.p[i]))
			return i;
	return s.len;
}

bool str_cut(struct str s, char c, struct str *head, struct str *rest)
{
	size_t at = str_find(s, c);
	bool found = at < s.len;

	*head = str_n(s.p, at);
	*rest = found ? str_n(s.p + at + 1, s.len - at - 1) : str_n(NULL, 0);
	return found;
}

bool str_uint64(struct str s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
			return false;
	}
	*ret = value;
	return true;
}

bool str_int64(struct str s, int64_t *ret)
{
	bool minus = s.len > 0 && s.p[0] == '-';
	uint64_t value;

	if (!str_uint64(minus ? str_n(s.p + 1, s.len - 1) : s, &value))
		return false;
	if (value > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = minus ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

bool str_duration_ms(struct str s, int64_t *ret)
{
	static const struct {
		struct str unit;
		int64_t ms;
	} units[] = {
		{ STR("ms"), 1 },      { STR("s"), 1000 },     { STR("min"), 60000 },
		{ STR("h"), 3600000 }, { STR("d"), 86400000 }, { STR("w"), 604800000 },
	};
	size_t digits = 0;
	int64_t count;

	while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!str_int64(str_n(s.p, digits), &count))
		return false;
	if (count == 0 && digits == s.len) {
		*ret = 0;
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		int64_t ms;

		if (!str_eq(str_n(s.p + digits, s.len - digits), units[i].unit))
			continue;
		if (__builtin_mul_overflow(count, units[i].ms, &ms))
			return false;
		*ret = ms;
		return true;
	}
	return false;
}

char *str_dup(struct str s)
{
	char *copy = s.len < SIZE_MAX ? malloc(s.len + 1) : NULL;

	if (!copy)
		return NULL;
	if (s.len)
		memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return copy;
}

bool str_utf8(struct str s, size_t *at)
{
	const uint8_t *start = (const uint8_t *)s.p;
	const uint8_t *bad = s.len ? u8_check(start, s.len) : NULL;
	size_t good = bad ? (size_t)(bad - start) : s.len;
	const uint8_t *nul = good ? memchr(start, 0, good) : NULL;

	if (nul)
		good = (size_t)(nul - start);
	if (good == s.len)
		return true;
	if (at)
		*at = good;
	return false;
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] & 0x80)
			return false;
	return true;
}

/* What libunistring returned, with a NUL behind it; text is taken over. */
static int unicode_take(uint8_t *text, size_t len, char **ret, size_t *ret_len, struct err *err)
{
	char *whole;

	if (!text)
		return errno == ENOMEM
			       ? err_nomem(err)
			       : err_errno(err, ERR_INTERNAL, errno, "cannot normalise a text");
	whole = realloc(text, len + 1);
	if (!whole) {
		free(text);
		return err_nomem(err);
	}
	whole[len] = '\0';
	*ret = whole;
	*ret_len = len;
	return 0;
}

static int utf8_check(struct str s, struct err *err)
{
	size_t at;

	if (str_utf8(s, &at))
		return 0;
	return err_set(err, ERR_INVALID_VALUE, "text is not UTF-8 at byte %zu", at);
}

int str_fold(struct str s, char **ret, size_t *ret_len, struct err *err)
{
	CLEANUP(free_at) uint8_t *once = NULL;
	uint8_t *twice;
	size_t len = 0, len2 = 0;
	int r = utf8_check(s, err);

	if (r < 0)
		return r;
	if (is_ascii(s)) {
		char *lower = str_dup(s);

		if (!lower)
			return err_nomem(err);
		for (size_t i = 0; i < s.len; i++)
			lower[i] = (char)ascii_lower(lower[i]);
		*ret = lower;
		*ret_len = s.len;
		return 0;
	}
	/*
	 * Twice, because NFKC may bring letters to light that fold in turn (U+2121 TELEPHONE
	 * SIGN becomes "TEL"): Unicode 3.13, D146.
	 */
	once = u8_casefold((const uint8_t *)s.p, s.len, NULL, UNINORM_NFKC, NULL, &len);
	if (!once)
		return unicode_take(NULL, 0, ret, ret_len, err);
	twice = u8_casefold(once, len, NULL, UNINORM_NFKC, NULL, &len2);
	return unicode_take(twice, len2, ret, ret_len, err);
}

/* Full-width and half-width letters as the ones that they stand for; the rest as it is. No
 * character grows by that: *into has room for as many bytes as s has. */
static size_t width_map(struct str s, uint8_t *into)
{
	ucs4_t c, mapped[UC_DECOMPOSITION_MAX_LENGTH];
	size_t len = 0;
	int n, tag;

	for (size_t i = 0; i < s.len; i += (size_t)n) {
		n = u8_mbtouc(&c, (const uint8_t *)s.p + i, s.len - i);
		if (uc_decomposition(c, &tag, mapped) == 1 &&
		    (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			c = mapped[0];
		len += (size_t)u8_uctomb(into + len, c, (ptrdiff_t)(s.len - len));
	}
	return len;
}

int str_user_name(struct str s, char **ret, size_t *ret_len, struct err *err)
{
	CLEANUP(free_at) uint8_t *mapped = NULL;
	struct str name;
	uint8_t *lower;
	size_t len = 0;
	int r = utf8_check(s, err);

	if (r < 0)
		return r;
	if (is_ascii(s))
		return str_fold(s, ret, ret_len, err);
	mapped = malloc(s.len);
	if (!mapped)
		return err_nomem(err);
	name = str_n((char *)mapped, width_map(s, mapped));
	if (is_ascii(name))
		return str_fold(name, ret, ret_len, err);
	lower = u8_tolower((const uint8_t *)name.p, name.len, NULL, UNINORM_NFC, NULL, &len);
	return unicode_take(lower, len, ret, ret_len, err);
}

bool str_is_blank(struct str s)
{
	ucs4_t c;
	int n;

	for (size_t i = 0; i < s.len; i += (size_t)n) {
		n = u8_mbtouc(&c, (const uint8_t *)s.p + i, s.len - i);
		if (!uc_is_property_white_space(c))
			return false;
	}
	return true;
}

int str_nfc(struct str s, char **ret, size_t *ret_len, struct err *err)
{
	uint8_t *text;
	size_t len = 0;
	int r = utf8_check(s, err);

	if (r < 0)
		return r;
	if (is_ascii(s)) {
		char *copy = str_dup(s);

		if (!copy)
			return err_nomem(err);
		*ret = copy;
		*ret_len = s.len;
		return 0;
	}
	text = u8_normalize(UNINORM_NFC, (const uint8_t *)s.p, s.len, NULL, &len);
	return unicode_take(text, len, ret, ret_len, err);
}
