#include "hr/text.h"

/* Windows-1252 from 0x80 to 0x9F; 0: no character. */
static const unsigned short high_1252[32] = {
	0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
	0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
	0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

static const struct {
	const char *bytes;
	size_t len;
	int encoding;
} marks[] = {
	{ "\xEF\xBB\xBF", 3, HR_UTF8 },
	{ "\xFF\xFE", 2, HR_UTF16LE },
	{ "\xFE\xFF", 2, HR_UTF16BE },
};

/* Zero bytes in every second place, and nowhere else: text of western names in UTF-16. */
static int by_zeros(struct str head)
{
	size_t n = head.len / 2, even = 0, odd = 0;

	for (size_t i = 0; i < 2 * n; i++) {
		even += i % 2 == 0 && !head.p[i];
		odd += i % 2 == 1 && !head.p[i];
	}
	if (n < 4 || (even && odd) || even + odd < n * 3 / 4)
		return HR_UTF8;
	return odd ? HR_UTF16LE : HR_UTF16BE;
}

int hr_text_begin(struct hr_text *t, int declared, struct str head, struct err *err)
{
	struct hr_text new = {
		.encoding = declared, .how = "declared", .line = 1, .column = 1
	};
	int marked = HR_ENC_AUTO;

	if ((head.len >= 4 && !memcmp(head.p, "\xFF\xFE\0\0", 4)) ||
	    (head.len >= 4 && !memcmp(head.p, "\0\0\xFE\xFF", 4)))
		return err_set(
			err, ERR_INVALID_VALUE,
			"line 1, column 1: the file is UTF-32, which is not read: have it "
			"written as UTF-8");
	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (str_starts(head, str_n(marks[i].bytes, marks[i].len))) {
			marked = marks[i].encoding;
			new.skip = marks[i].len;
		}
	if (marked && declared && marked != declared)
		return err_set(
			err, ERR_INVALID_VALUE,
			"line 1, column 1: the file begins with the byte order mark of %s, "
			"but encoding: %s is declared",
			hr_encoding_words[marked], hr_encoding_words[declared]);
	new.bom = marked != HR_ENC_AUTO;
	if (!declared && marked) {
		new.encoding = marked;
		new.how = "by its byte order mark";
	} else if (!declared) {
		new.encoding = by_zeros(head);
		new.how = new.encoding == HR_UTF8 ? "every byte of it is UTF-8"
						  : "by its zero bytes";
	}
	*t = new;
	return 0;
}

static int refuse(const struct hr_text *t, struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID_VALUE, "line %llu, column %llu: %s",
		       (unsigned long long)t->line, (unsigned long long)t->column, why);
}

static void put_utf8(struct buf *into, unsigned c)
{
	char b[4];
	size_t n = 0;

	if (c < 0x80) {
		b[n++] = (char)c;
	} else if (c < 0x800) {
		b[n++] = (char)(0xC0 | c >> 6);
	} else if (c < 0x10000) {
		b[n++] = (char)(0xE0 | c >> 12);
		b[n++] = (char)(0x80 | (c >> 6 & 0x3F));
	} else {
		b[n++] = (char)(0xF0 | c >> 18);
		b[n++] = (char)(0x80 | (c >> 12 & 0x3F));
		b[n++] = (char)(0x80 | (c >> 6 & 0x3F));
	}
	if (c >= 0x80)
		b[n++] = (char)(0x80 | (c & 0x3F));
	buf_add(into, b, n);
}

/* One whole character. */
static int put(struct hr_text *t, unsigned c, struct buf *into, struct err *err)
{
	bool after_cr = t->cr;

	if (c == 0)
		return refuse(t, err,
			      "a zero byte: the file is damaged, or of another encoding");
	if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7F)
		return refuse(t, err, "a control character");
	put_utf8(into, c);
	t->cr = c == '\r';
	if (c == '\n' && after_cr)
		return 0;
	t->column++;
	if (c == '\n' || c == '\r') {
		t->line++;
		t->column = 1;
	}
	return 0;
}

/* How many bytes the UTF-8 character takes that begins so; 0: none begins so. */
static size_t utf8_len(unsigned char b)
{
	if (b < 0x80)
		return 1;
	if (b >= 0xC2 && b <= 0xDF)
		return 2;
	if (b >= 0xE0 && b <= 0xEF)
		return 3;
	return b >= 0xF0 && b <= 0xF4 ? 4 : 0;
}

static int not_utf8(const struct hr_text *t, struct err *err)
{
	if (!strcmp(t->how, "declared"))
		return refuse(t, err, "a byte that is no UTF-8, which is declared");
	return refuse(
		t, err,
		"a byte that is no UTF-8: the file may be Windows-1252 or ISO 8859-1, which "
		"nothing in it tells apart: declare it with encoding:");
}

static int add_utf8(struct hr_text *t, unsigned char b, struct buf *into, struct err *err)
{
	size_t len;
	unsigned c;

	t->pending[t->pending_n++] = b;
	len = utf8_len(t->pending[0]);
	if (!len || (t->pending_n > 1 && (b & 0xC0) != 0x80))
		return not_utf8(t, err);
	if (t->pending_n < len)
		return 0;
	if (!str_utf8(str_n((const char *)t->pending, len), NULL) && t->pending[0])
		return not_utf8(t, err);
	t->pending_n = 0;
	c = len == 1 ? b : t->pending[0] & (0x7Fu >> len);
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (t->pending[i] & 0x3F);
	return put(t, c, into, err);
}

static int add_utf16(struct hr_text *t, unsigned char b, struct buf *into, struct err *err)
{
	unsigned unit;

	t->pending[t->pending_n++] = b;
	if (t->pending_n < 2)
		return 0;
	t->pending_n = 0;
	unit = t->encoding == HR_UTF16LE ? t->pending[0] | t->pending[1] << 8
					 : t->pending[1] | t->pending[0] << 8;
	if ((unit & 0xFC00) == 0xDC00 && t->high) {
		unit = 0x10000 + ((t->high & 0x3FF) << 10 | (unit & 0x3FF));
		t->high = 0;
		return put(t, unit, into, err);
	}
	if (t->high || (unit & 0xFC00) == 0xDC00)
		return refuse(t, err, "half a character of UTF-16");
	if ((unit & 0xFC00) == 0xD800) {
		t->high = unit;
		return 0;
	}
	return put(t, unit, into, err);
}

static int add_byte(struct hr_text *t, unsigned char b, struct buf *into, struct err *err)
{
	unsigned c = b;

	if (t->encoding == HR_WINDOWS_1252 && b >= 0x80 && b < 0xA0) {
		c = high_1252[b - 0x80];
		if (!c)
			return refuse(t, err, "a byte that is no character of Windows-1252");
	} else if (t->encoding == HR_LATIN_1 && b >= 0x80 && b < 0xA0) {
		return refuse(t, err,
			      "a control character of ISO 8859-1: the file is rather "
			      "Windows-1252, declare that");
	}
	return put(t, c, into, err);
}

static int (*const adders[])(struct hr_text *, unsigned char, struct buf *, struct err *) = {
	[HR_UTF8] = add_utf8,         [HR_UTF16LE] = add_utf16, [HR_UTF16BE] = add_utf16,
	[HR_WINDOWS_1252] = add_byte, [HR_LATIN_1] = add_byte,
};

/* Plain letters, digits and signs in a row mean the same in all encodings of one byte. */
static size_t plain(struct hr_text *t, struct str s, struct buf *into)
{
	size_t n = 0;

	if (t->pending_n || t->encoding == HR_UTF16LE || t->encoding == HR_UTF16BE)
		return 0;
	while (n < s.len && s.p[n] >= 0x20 && s.p[n] < 0x7F)
		n++;
	if (n) {
		buf_add(into, s.p, n);
		t->column += n;
		t->cr = false;
	}
	return n;
}

int hr_text_add(struct hr_text *t, struct str bytes, bool end, struct buf *into,
		struct err *err)
{
	size_t skip = t->skip < bytes.len ? t->skip : bytes.len;
	int r = 0;

	t->skip -= skip;
	bytes = str_n(bytes.p + skip, bytes.len - skip);
	while (r == 0 && bytes.len) {
		size_t n = plain(t, bytes, into);

		if (!n) {
			r = adders[t->encoding](t, (unsigned char)bytes.p[0], into, err);
			n = 1;
		}
		bytes = str_n(bytes.p + n, bytes.len - n);
	}
	if (r == 0 && end && (t->pending_n || t->high))
		r = refuse(t, err, "the file ends within a character: it was cut");
	return r < 0 ? r : buf_fault(into, err, "a piece of the file");
}
