/* Scim/check: what came, as a person may see it. */
#include "scim/check_run.h"

#define SHOWN_MOST 900
#define DEPTH_MOST 6
#define ITEMS_MOST 3

/* Members whose texts say nothing about a person. */
static const char *const shown_keys[] = {
	"schemas",        "status",      "scimType", "detail",     "resourceType", "location",
	"version",        "created",     "type",     "mutability", "returned",     "uniqueness",
	"lastModified",   "endpoint",    "schema",   "nextCursor", "method",       "bulkId",
	"previousCursor", "description", "specUri",  "$ref",
};

static bool key_shown(const char *key)
{
	for (size_t i = 0; key && i < COUNT_OF(shown_keys); i++)
		if (!strcasecmp(key, shown_keys[i]))
			return true;
	return false;
}

/* Texts of ours, and those that stand for something else than text. */
static bool text_shown(const struct check *c, const char *text)
{
	return strstr(text, c->run) || !strncasecmp(text, "urn:", 4) ||
	       !strcasecmp(text, "true") || !strcasecmp(text, "false") || !*text;
}

/* Where the token begins in s; s.len if nowhere. */
static size_t token_at(const struct check *c, struct str s)
{
	const struct secret *t = c->o->token;
	const char *p = t && t->len > 3 && s.len ? memmem(s.p, s.len, t->p, t->len) : NULL;

	return p ? (size_t)(p - s.p) : s.len;
}

static void add_plain(struct str s, struct buf *into)
{
	size_t at;

	while (s.len) {
		unsigned char ch = (unsigned char)*s.p;
		size_t n = 1;

		if (ch < 0x20 || ch == 0x7f) {
			buf_add_char(into, ' ');
		} else if (ch < 0x80) {
			buf_add_char(into, (char)ch);
		} else {
			n = ch >= 0xf0 ? 4 : ch >= 0xe0 ? 3 : 2;
			/* U+0080 to U+009F are control characters too */
			if (n > s.len || !str_utf8(str_n(s.p, n), &at) ||
			    (ch == 0xc2 && (unsigned char)s.p[1] < 0xa0)) {
				buf_add_char(into, '?');
				n = 1;
			} else {
				buf_add(into, s.p, n);
			}
		}
		s = str_n(s.p + n, s.len - n);
	}
}

void check_show_text(const struct check *c, struct str text, size_t most, struct buf *into)
{
	bool cut = false;

	while (text.len) {
		size_t at = token_at(c, text), n = at;

		if (n > most) {
			n = most;
			cut = true;
			while (n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
				n--;
		}
		add_plain(str_n(text.p, n), into);
		most -= n;
		if (cut)
			break;
		if (at < text.len) {
			buf_add_text(into, "***");
			at += c->o->token->len;
		}
		text = str_n(text.p + at, text.len - at);
	}
	if (cut)
		buf_add_text(into, "...");
}

static void add_json(const struct check *c, const char *key, const json_t *value, int depth,
		     struct buf *into);

static void add_object(const struct check *c, const json_t *value, int depth, struct buf *into)
{
	const char *name;
	json_t *each;
	bool first = true;

	buf_add_char(into, '{');
	json_object_foreach ((json_t *)value, name, each) {
		if (!first)
			buf_add_char(into, ',');
		first = false;
		buf_add_json(into, str_of(name));
		buf_add_char(into, ':');
		add_json(c, name, each, depth + 1, into);
	}
	buf_add_char(into, '}');
}

static void add_array(const struct check *c, const char *key, const json_t *value, int depth,
		      struct buf *into)
{
	size_t n = json_array_size(value);

	buf_add_char(into, '[');
	for (size_t i = 0; i < n && i < ITEMS_MOST; i++) {
		if (i)
			buf_add_char(into, ',');
		add_json(c, key, json_array_get(value, i), depth + 1, into);
	}
	if (n > ITEMS_MOST)
		buf_addf(into, ", ... %zu more", n - ITEMS_MOST);
	buf_add_char(into, ']');
}

static void add_json(const struct check *c, const char *key, const json_t *value, int depth,
		     struct buf *into)
{
	if (depth > DEPTH_MOST || into->fault) {
		buf_add_text(into, "...");
	} else if (json_is_object(value)) {
		add_object(c, value, depth, into);
	} else if (json_is_array(value)) {
		add_array(c, key, value, depth, into);
	} else if (json_is_string(value)) {
		const char *text = json_string_value(value);

		if (key_shown(key) || text_shown(c, text))
			buf_add_json(into, str_of(text));
		else
			buf_addf(into, "\"(%zu bytes)\"", strlen(text));
	} else {
		struct err unused;

		(void)!jx_text(value, into, &unused);
	}
}

void check_show_json(const struct check *c, const char *key, const json_t *value, size_t most,
		     struct buf *into)
{
	CLEANUP(buf_done) struct buf whole;

	buf_init(&whole, 64 * 1024);
	add_json(c, key, value, 0, &whole);
	check_show_text(c, buf_str(&whole), most, into);
}

void check_show_answer(struct check *c)
{
	struct str type = { 0 };

	buf_clear(&c->came);
	if (!c->answer.status)
		return;
	buf_addf(&c->came, "%d", c->answer.status);
	if (httpc_header(&c->answer, "Content-Type", &type) && type.len) {
		buf_add_char(&c->came, ' ');
		check_show_text(c, type, 80, &c->came);
	}
	if (!c->answer.body.len) {
		buf_add_text(&c->came, ", no body");
		return;
	}
	buf_add_char(&c->came, ' ');
	if (c->doc)
		check_show_json(c, NULL, c->doc, SHOWN_MOST, &c->came);
	else
		check_show_text(c, buf_str(&c->answer.body), 200, &c->came);
}
