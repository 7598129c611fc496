#include "base/enc.h"

#include "base/secret.h"

static const char hex_digits[] = "0123456789abcdef";

void enc_hex(const void *p, size_t len, char *ret)
{
	const unsigned char *in = p;

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = hex_digits[in[i] >> 4];
		ret[2 * i + 1] = hex_digits[in[i] & 15];
	}
	ret[2 * len] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte of two hex digits, or -1. */
static int hex_pair(const char *p)
{
	int high = hex_value(p[0]), low = hex_value(p[1]);

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool enc_unhex(struct str s, void *ret, size_t len)
{
	unsigned char *out = ret;

	if (s.len % 2 != 0 || s.len / 2 != len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (hex_value(s.p[i]) < 0)
			return false;
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)hex_pair(s.p + 2 * i);
	return true;
}

static const char base64_plain[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base64_add(struct buf *into, const unsigned char *in, size_t len,
		       const char alphabet[], bool pad)
{
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				(n > 2 ? (uint32_t)in[i + 2] : 0);
		char out[4] = { alphabet[bits >> 18 & 63], alphabet[bits >> 12 & 63],
				n > 1 ? alphabet[bits >> 6 & 63] : '=',
				n > 2 ? alphabet[bits & 63] : '=' };

		buf_add(into, out, pad ? 4 : n + 1);
	}
}

void enc_base64url(struct buf *into, const void *p, size_t len)
{
	base64_add(into, p, len, base64_url, false);
}

void enc_base64(struct buf *into, const void *p, size_t len)
{
	base64_add(into, p, len, base64_plain, true);
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Without its padding; false where there is padding that does not fill the last four. */
static bool base64_unpad(struct str *s)
{
	size_t len = s->len;

	while (len > 0 && s->len - len < 2 && s->p[len - 1] == '=')
		len--;
	if (len < s->len && s->len % 4 != 0)
		return false;
	s->len = len;
	return len % 4 != 1;
}

bool enc_unbase64(struct buf *into, struct str s)
{
	size_t start = into->len;
	uint32_t bits = 0;
	unsigned have = 0;

	if (!base64_unpad(&s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int value = base64_value(s.p[i]);

		if (value < 0) {
			buf_cut(into, start);
			return false;
		}
		bits = bits << 6 | (uint32_t)value;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_add_char(into, (char)(bits >> have & 0xFF));
			bits &= (1u << have) - 1;
		}
	}
	if (bits) { /* left-over bits that say something: two texts for the same bytes */
		buf_cut(into, start);
		return false;
	}
	return true;
}

static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void enc_percent(struct buf *into, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_unreserved(s.p[i]))
			buf_add_char(into, s.p[i]);
		else /* upper case: RFC 3986 section 2.1 */
			buf_add(into,
				(char[]){ '%', "0123456789ABCDEF"[c >> 4],
					  "0123456789ABCDEF"[c & 15] },
				3);
	}
}

bool enc_unpercent(struct buf *into, struct str s, bool plus_is_blank)
{
	size_t start = into->len;

	for (size_t i = 0; i < s.len; i++) {
		int byte;

		if (s.p[i] != '%') {
			buf_add_char(into, plus_is_blank && s.p[i] == '+' ? ' ' : s.p[i]);
			continue;
		}
		byte = s.len - i > 2 ? hex_pair(s.p + i + 1) : -1;
		if (byte <= 0) {
			buf_cut(into, start);
			return false;
		}
		buf_add_char(into, (char)byte);
		i += 2;
	}
	return true;
}

/* Where the 16 bytes stand in the text's order; a GUID turns its first three groups round. */
static const unsigned char uuid_order[16] = { 0, 1, 2,  3,  4,  5,  6,  7,
					      8, 9, 10, 11, 12, 13, 14, 15 };
static const unsigned char guid_order[16] = { 3, 2, 1,  0,  5,  4,  7,  6,
					      8, 9, 10, 11, 12, 13, 14, 15 };

static bool hyphen_before(unsigned i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

static void uuid_text(const unsigned char raw[16], const unsigned char order[16], char *ret)
{
	for (unsigned i = 0; i < 16; i++) {
		if (hyphen_before(i))
			*ret++ = '-';
		enc_hex(raw + order[i], 1, ret);
		ret += 2;
	}
}

void enc_uuid(const unsigned char raw[16], char ret[ENC_UUID_CHARS + 1])
{
	uuid_text(raw, uuid_order, ret);
}

void enc_guid(const unsigned char raw[16], char ret[ENC_UUID_CHARS + 1])
{
	uuid_text(raw, guid_order, ret);
}

bool enc_unguid(struct str s, unsigned char ret[16])
{
	unsigned char raw[16];
	size_t at = 0;

	if (s.len != ENC_UUID_CHARS)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		int byte;

		if (hyphen_before(i) && s.p[at++] != '-')
			return false;
		byte = hex_pair(s.p + at);
		if (byte < 0)
			return false;
		raw[guid_order[i]] = (unsigned char)byte;
		at += 2;
	}
	memcpy(ret, raw, sizeof(raw));
	return true;
}

void enc_uuid_new(char ret[ENC_UUID_CHARS + 1])
{
	unsigned char raw[16];

	secret_random_bytes(raw, sizeof(raw));
	raw[6] = (unsigned char)((raw[6] & 0x0F) | 0x40); /* version 4 */
	raw[8] = (unsigned char)((raw[8] & 0x3F) | 0x80); /* RFC 4122's variant */
	enc_uuid(raw, ret);
}
