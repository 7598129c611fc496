#include "base/scan.h"

#include <string.h>

static void skip_blanks(struct str *s)
{
	while (s->len > 0 &&
	       (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
		s->p++;
		s->len--;
	}
}

bool scan_is(struct str *s, char c)
{
	skip_blanks(s);
	if (s->len == 0 || *s->p != c)
		return false;
	s->p++;
	s->len--;
	return true;
}

static struct str cut_at(struct str *s, size_t n)
{
	struct str head = str_n(s->p, n);

	s->p += n;
	s->len -= n;
	return head;
}

bool scan_string(struct str *s, struct str *ret)
{
	const char *end;
	size_t i = 1;

	skip_blanks(s);
	if (s->len < 2 || *s->p != '"')
		return false;
	end = memchr(s->p + 1, '"', s->len - 1);
	if (end && !memchr(s->p, '\\', (size_t)(end - s->p)))
		i = (size_t)(end - s->p);
	else
		for (; i < s->len && s->p[i] != '"'; i++)
			i += s->p[i] == '\\';
	if (i >= s->len)
		return false;
	*ret = cut_at(s, i + 1);
	return true;
}

bool scan_value(struct str *s, struct str *ret)
{
	size_t depth = 0, i = 0;
	struct str rest, text;

	skip_blanks(s);
	if (s->len > 0 && *s->p == '"')
		return scan_string(s, ret);
	for (; i < s->len; i++) {
		char c = s->p[i];

		if (c == '"') {
			rest = str_n(s->p + i, s->len - i);
			if (!scan_string(&rest, &text))
				return false;
			i += text.len - 1;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
			break;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	if (depth > 0 || i == 0)
		return false;
	*ret = str_trim(cut_at(s, i));
	return true;
}

bool scan_member(struct str *s, struct str *name, struct str *value)
{
	return scan_string(s, name) && scan_is(s, ':') && scan_value(s, value);
}
