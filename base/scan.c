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

/* Behind the quote that ends the string that begins at p; NULL: it has none. */
static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && ++p == end)
			return NULL;
	return p < end ? p + 1 : NULL;
}

bool scan_string(struct str *s, struct str *ret)
{
	const char *end;

	skip_blanks(s);
	if (s->len < 2 || *s->p != '"')
		return false;
	end = string_end(s->p, s->p + s->len);
	if (!end)
		return false;
	*ret = cut_at(s, (size_t)(end - s->p));
	return true;
}

/* Behind all between two brackets; NULL: they are not a pair. */
static const char *brackets_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p && p < end) {
		char c = *p;

		if (c == '"') {
			p = string_end(p, end);
			continue;
		}
		p++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return p;
	}
	return NULL;
}

bool scan_value(struct str *s, struct str *ret)
{
	const char *end;
	size_t i = 0;

	skip_blanks(s);
	if (s->len > 0 && *s->p == '"')
		return scan_string(s, ret);
	if (s->len > 0 && (*s->p == '{' || *s->p == '[')) {
		end = brackets_end(s->p, s->p + s->len);
		if (!end)
			return false;
		*ret = cut_at(s, (size_t)(end - s->p));
		return true;
	}
	while (i < s->len && s->p[i] != ',' && s->p[i] != '}' && s->p[i] != ']')
		i++;
	if (i == 0)
		return false;
	*ret = str_trim(cut_at(s, i));
	return true;
}

bool scan_member(struct str *s, struct str *name, struct str *value)
{
	return scan_string(s, name) && scan_is(s, ':') && scan_value(s, value);
}
