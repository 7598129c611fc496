#include "model/maptext.h"

#include <stdlib.h>

#define TEXT_MAX_BYTES 8192

/*
 * The text is copied once into store; names, pattern and words point into that copy, where the
 * byte after each (a blank, a comma, a quote) is overwritten by its NUL.
 */
struct reader {
	char *p;
	size_t at, len;
	struct maptext *m;
	bool (*name_ok)(struct str name);
	struct err *err;
};

static int broken(struct reader *t, const char *expected)
{
	return err_set(t->err, ERR_CONFIG, "at byte %zu: %s is expected", t->at, expected);
}

static void blanks(struct reader *t)
{
	while (t->at < t->len && (t->p[t->at] == ' ' || t->p[t->at] == '\t'))
		t->at++;
}

static char next(const struct reader *t)
{
	return t->at < t->len ? t->p[t->at] : '\0';
}

/* Ends the text that began at from and lets the reader go on behind. The separator that is
 * overwritten is handed back, since it may mean something. */
static char cut(struct reader *t, size_t end)
{
	char was = end < t->len ? t->p[end] : '\0';

	t->p[end] = '\0';
	return was;
}

static size_t name_end(const struct reader *t, size_t from)
{
	while (from < t->len && !strchr(" \t,/{", t->p[from]))
		from++;
	return from;
}

/* A name in quotes, which it loses in place: *ret is its text and *end the place behind it. */
static int quoted(struct reader *t, struct str *ret, size_t *end)
{
	size_t from = t->at + 1, at = from;
	char *to = t->p + from;

	for (; at < t->len; at++) {
		if (t->p[at] == '"' && at + 1 < t->len && t->p[at + 1] == '"')
			at++;
		else if (t->p[at] == '"')
			break;
		*to++ = t->p[at];
	}
	if (at >= t->len)
		return broken(t, "a closing quote behind the name");
	*ret = str_n(t->p + from, (size_t)(to - t->p) - from);
	*end = at + 1;
	*to = '\0'; /* at the latest in the place of the closing quote */
	return 0;
}

/* attr {, attr}: *stop is what stood behind the last name. */
static int names(struct reader *t, char *stop)
{
	struct map_row *row = &t->m->row;
	size_t n = 0;

	do {
		struct str name;
		size_t end;
		int r = 0;

		blanks(t);
		end = name_end(t, t->at);
		name = str_n(t->p + t->at, end - t->at);
		if (next(t) == '"')
			r = quoted(t, &name, &end);
		if (r < 0)
			return r;
		if (!t->name_ok(name))
			return broken(t, "an attribute's name");
		if (n == MAP_FROM_MAX - 1)
			return err_set(t->err, ERR_CONFIG, "more than %d attributes",
				       MAP_FROM_MAX - 1);
		row->from[n++] = name.p;
		*stop = cut(t, end);
		t->at = end < t->len ? end + 1 : end;
		if (*stop == ' ' || *stop == '\t') {
			blanks(t);
			*stop = next(t);
			if (*stop && strchr(",/{", *stop))
				t->at++;
		}
	} while (*stop == ',');
	return 0;
}

/* The '/' before it is behind us: PATTERN/WITH/ */
static int rewrite(struct reader *t)
{
	const char **parts[] = { &t->m->row.pattern, &t->m->row.with };

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		size_t from = t->at;
		char *to = t->p + from;

		*parts[i] = t->p + from;
		/* "\/" is a slash, every other backslash is the pattern's own */
		for (; next(t) != '/'; t->at++) {
			if (t->at >= t->len)
				return broken(t, "a slash (/PATTERN/WITH/)");
			if (next(t) == '\\' && t->at + 1 < t->len && t->p[t->at + 1] == '/')
				t->at++;
			*to++ = t->p[t->at];
		}
		*to = '\0';
		t->at++;
	}
	return 0;
}

static struct str word_part(struct reader *t, const char *stops)
{
	size_t from;
	struct str s;

	blanks(t);
	from = t->at;
	while (t->at < t->len && !strchr(stops, t->p[t->at]))
		t->at++;
	s = str_trim(str_n(t->p + from, t->at - from));
	return s;
}

/* The '{' before it is behind us: FROM: TO {, FROM: TO} } */
static int words(struct reader *t)
{
	struct map_word *list;
	size_t n = 0, room = 1;

	for (size_t i = t->at; i < t->len; i++)
		room += t->p[i] == ',' || t->p[i] == '}';
	list = calloc(room + 1, sizeof(*list));
	if (!list)
		return err_nomem(t->err);
	t->m->words = list;
	for (;;) {
		struct str from = word_part(t, ":,}"), to;
		char stop;

		if (from.len == 0 || next(t) != ':')
			return broken(t, "VALUE: MEANING");
		t->at++;
		to = word_part(t, ",}");
		stop = next(t);
		if (stop != ',' && stop != '}')
			return broken(t, "a comma or a closing brace");
		t->at++;
		/* both are followed by a separator or a blank, which becomes the NUL */
		((char *)from.p)[from.len] = '\0';
		((char *)to.p)[to.len] = '\0';
		if (str_eq(from, STR("*")))
			t->m->row.otherwise = to.len ? to.p : NULL;
		else
			list[n++] = (struct map_word){ from.p, to.len ? to.p : NULL };
		if (stop == '}')
			break;
	}
	t->m->row.words = list;
	return 0;
}

static int constant(struct reader *t)
{
	struct str s = str_trim(str_n(t->p + t->at + 1, t->len - t->at - 1));

	if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
		s = str_n(s.p + 1, s.len - 2);
	if (s.len == 0)
		return broken(t, "=\"TEXT\"");
	((char *)s.p)[s.len] = '\0';
	t->m->row.constant = s.p;
	return 0;
}

static const struct {
	const char *word;
	enum map_how how;
} hows[] = {
	{ "each ", MAP_EACH },
	{ "join ", MAP_JOIN },
	{ "first ", MAP_FIRST },
};

static int expression(struct reader *t)
{
	char stop;
	int r;

	for (size_t i = 0; i < COUNT_OF(hows); i++)
		if (str_starts(str_n(t->p + t->at, t->len - t->at), str_of(hows[i].word))) {
			t->m->row.how = hows[i].how;
			t->at += strlen(hows[i].word);
			break;
		}
	r = names(t, &stop);
	if (r == 0 && stop == '/') {
		r = rewrite(t);
		if (r < 0)
			return r;
		blanks(t);
		stop = next(t);
		if (stop == '{')
			t->at++;
	}
	if (r == 0 && stop == '{')
		r = words(t);
	if (r < 0)
		return r;
	blanks(t);
	return t->at < t->len ? broken(t, "the end") : 0;
}

int maptext_parse(const char *to, struct str text, bool (*name_ok)(struct str name),
		  struct maptext *ret, struct err *err)
{
	struct maptext m = { .row.to = to };
	struct reader t = { .m = &m, .name_ok = name_ok, .err = err };
	int r = 0;

	text = str_trim(text);
	if (text.len > TEXT_MAX_BYTES || !str_utf8(text, &t.at))
		return err_set(err, ERR_CONFIG, "at byte %zu: not a text that can be read",
			       t.at);
	t.p = m.store = str_dup(text);
	t.len = text.len;
	t.at = 0;
	if (!m.store)
		return err_nomem(err);
	if (text.len == 0)
		m.nothing = true;
	else if (t.p[0] == '=')
		r = constant(&t);
	else
		r = expression(&t);
	if (r < 0) {
		maptext_done(&m);
		return r;
	}
	*ret = m;
	return 0;
}

void maptext_done(struct maptext *m)
{
	free(m->store);
	free(m->words);
	*m = (struct maptext){ 0 };
}
