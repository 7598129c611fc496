#include "model/statement.h"

#include "base/enc.h"
#include "base/stamp.h"

#define MAGIC "leaverd-statement 1\n"

/* clang-format off */
const char *const statement_words[STATEMENT_FIELDS + 1] = {
	[STATEMENT_INSTANCE]  = "instance",
	[STATEMENT_AUTHORITY] = "authority",
	[STATEMENT_ABOUT]     = "about",
	[STATEMENT_DECISION]  = "decision",
	[STATEMENT_ORG]       = "organisation",
	[STATEMENT_TARGET]    = "target",
	[STATEMENT_DIGEST]    = "digest",
	[STATEMENT_ACTIONS]   = "actions",
	[STATEMENT_GUARDS]    = "guards",
	[STATEMENT_DETAIL]    = "detail",
	[STATEMENT_REASON]    = "reason",
	[STATEMENT_NONCE]     = "nonce",
	[STATEMENT_EXPIRES]   = "expires",
	[STATEMENT_WHO]       = "who",
	[STATEMENT_KEY]       = "key",
	[STATEMENT_AT]        = "at",
	[STATEMENT_SIGNATURE] = "signature",
};
/* clang-format on */

static bool all_of(struct str s, const char *set)
{
	for (size_t i = 0; i < s.len; i++)
		if (!strchr(set, s.p[i]) || s.p[i] == '\0')
			return false;
	return s.len > 0;
}

/* Lower case, so that one value has one text. */
static bool is_hex(struct str s, size_t bytes)
{
	return s.len == 2 * bytes && all_of(s, "0123456789abcdef");
}

static bool is_word(struct str s)
{
	return s.len <= 64 && all_of(s, "abcdefghijklmnopqrstuvwxyz-");
}

static bool is_words(struct str s)
{
	struct str word, rest = s;

	if (s.len == 0 || s.p[s.len - 1] == ' ')
		return false;
	while (rest.len) {
		str_cut(rest, ' ', &word, &rest);
		if (!is_word(word))
			return false;
	}
	return true;
}

/* Each once, from the smallest on: the same actions have one text, and are as many as it names.
 */
static bool is_numbers(struct str s)
{
	struct str word, rest = s;
	uint64_t n, last = 0;

	if (str_eq(s, STR("*")))
		return true;
	if (s.len == 0 || s.p[s.len - 1] == ',')
		return false;
	while (rest.len) {
		str_cut(rest, ',', &word, &rest);
		if (word.len > 10 || !all_of(word, "0123456789") || word.p[0] == '0' ||
		    !str_uint64(word, &n) || n <= last)
			return false;
		last = n;
	}
	return true;
}

/*
 * Characters that show a reader other text than what is signed: control characters, those that
 * turn the direction of writing, those that take no room at all (two texts look the same), and
 * line and paragraph ends. From the table of Default_Ignorable_Code_Point and Cf of Unicode 15.
 */
static const struct {
	unsigned from, to;
} unseen[] = {
	{ 0x00, 0x1f },   /* controls */
	{ 0x7f, 0x9f },   /* DEL and C1 */
	{ 0xad, 0xad },   /* soft hyphen */
	{ 0x34f, 0x34f }, /* combining grapheme joiner */
	{ 0x600, 0x605 }, /* Arabic number signs */
	{ 0x61c, 0x61c }, /* Arabic letter mark */
	{ 0x6dd, 0x6dd },     { 0x70f, 0x70f },     { 0x890, 0x891 },
	{ 0x8e2, 0x8e2 },     { 0x115f, 0x1160 }, /* Hangul fillers */
	{ 0x17b4, 0x17b5 },                       /* Khmer inherent vowels */
	{ 0x180b, 0x180f }, /* Mongolian variation selectors and vowel separator */
	{ 0x200b, 0x200f }, /* zero width space, joiners, direction marks */
	{ 0x2028, 0x202e }, /* line, paragraph, direction */
	{ 0x2060, 0x206f }, /* word joiner, invisible operators, isolates */
	{ 0x3164, 0x3164 }, /* Hangul filler */
	{ 0xfe00, 0xfe0f }, /* variation selectors */
	{ 0xfeff, 0xfeff }, /* zero width no-break space */
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0x110bd, 0x110bd },
	{ 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff }, /* tags, more variation selectors */
};

/* One character of valid UTF-8; *len bytes. */
static unsigned char_at(const unsigned char *p, size_t *len)
{
	if (p[0] < 0x80) {
		*len = 1;
		return p[0];
	}
	if (p[0] < 0xe0) {
		*len = 2;
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	}
	if (p[0] < 0xf0) {
		*len = 3;
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	}
	*len = 4;
	return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 |
	       (p[3] & 0x3fu);
}

static bool is_plain(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (s.len == 0 || !str_utf8(s, NULL))
		return false;
	for (size_t i = 0, len; i < s.len; i += len) {
		unsigned c = char_at(p + i, &len);

		for (size_t k = 0; k < COUNT_OF(unseen); k++)
			if (c >= unseen[k].from && c <= unseen[k].to)
				return false;
	}
	return true;
}

bool statement_name(struct str name)
{
	return name.len <= STATEMENT_NAME_MOST &&
	       all_of(name, "abcdefghijklmnopqrstuvwxyz0123456789._@-") &&
	       !strchr("._@-", name.p[0]);
}

/* A time in the one form in which we write it. */
static bool is_time(struct str s, int64_t *ret)
{
	char text[STAMP_TEXT_BYTES];

	if (!stamp_parse(s, ret))
		return false;
	stamp_text(*ret, text);
	return str_eq(s, str_of(text));
}

static bool value_ok(enum statement_field f, struct str v)
{
	int64_t ms;

	switch (f) {
	case STATEMENT_AUTHORITY:
	case STATEMENT_KEY:
		return is_hex(v, DIGEST_PUB_BYTES);
	case STATEMENT_DIGEST:
		return is_hex(v, DIGEST_BYTES);
	case STATEMENT_NONCE:
		return is_hex(v, STATEMENT_NONCE_BYTES);
	case STATEMENT_SIGNATURE:
		return is_hex(v, DIGEST_SIG_BYTES);
	case STATEMENT_ABOUT:
	case STATEMENT_DECISION:
		return is_word(v);
	case STATEMENT_GUARDS:
		return is_words(v);
	case STATEMENT_ACTIONS:
		return is_numbers(v);
	case STATEMENT_EXPIRES:
	case STATEMENT_AT:
		return is_time(v, &ms);
	case STATEMENT_WHO:
		return statement_name(v);
	default:
		return is_plain(v);
	}
}

/* --- reading --------------------------------------------------------------------------------
 */

static int next_field(struct str name)
{
	for (int f = 0; f < STATEMENT_FIELDS; f++)
		if (str_eq(name, str_of(statement_words[f])))
			return f;
	return -1;
}

static int read_line(struct statement *s, struct str *rest, int *last, size_t number,
		     struct err *err)
{
	size_t before = s->text.len - rest->len;
	struct str line, name, value, tail;
	int f;

	if (!str_cut(*rest, '\n', &line, &tail))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "line %zu of the statement does not end: it was cut", number);
	*rest = tail;
	if (!str_cut(line, ' ', &name, &value) || (f = next_field(name)) < 0)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "line %zu of the statement begins with no word that we know",
			       number);
	if (f <= *last)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "line %zu of the statement: %s stands twice or out of order",
			       number, statement_words[f]);
	if (!value_ok((enum statement_field)f, value))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "line %zu of the statement: %s has a value that it cannot have",
			       number, statement_words[f]);
	if (f == STATEMENT_SIGNATURE)
		s->signed_bytes = before;
	s->field[f] = value;
	*last = f;
	return 0;
}

static int has_all(const struct statement *s, struct err *err)
{
	static const enum statement_field always[] = { STATEMENT_INSTANCE, STATEMENT_AUTHORITY,
						       STATEMENT_ABOUT,    STATEMENT_DECISION,
						       STATEMENT_TARGET,   STATEMENT_NONCE,
						       STATEMENT_EXPIRES };
	bool any = false, all = true;

	for (size_t i = 0; i < COUNT_OF(always); i++)
		if (s->field[always[i]].len == 0)
			return err_set(err, ERR_INVALID_SYNTAX,
				       "the statement has no line \"%s\"",
				       statement_words[always[i]]);
	for (int f = STATEMENT_WHO; f < STATEMENT_FIELDS; f++) {
		any = any || s->field[f].len > 0;
		all = all && s->field[f].len > 0;
	}
	return !any || all ? 0
			   : err_set(err, ERR_INVALID_SYNTAX,
				     "the statement is signed in part: who, key, at and "
				     "signature belong together");
}

int statement_parse(struct str text, struct statement *ret, struct err *err)
{
	struct statement s = { .text = text };
	struct str rest;
	int last = -1, r = 0;

	if (text.len > STATEMENT_MAX_BYTES)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "a statement is at most %u bytes long, and this has %zu",
			       STATEMENT_MAX_BYTES, text.len);
	if (!str_starts(text, STR(MAGIC)))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "this is no statement: its first line is not "
			       "\"leaverd-statement 1\"");
	rest = str_n(text.p + sizeof(MAGIC) - 1, text.len - (sizeof(MAGIC) - 1));
	for (size_t number = 2; r == 0 && rest.len; number++)
		r = read_line(&s, &rest, &last, number, err);
	if (r == 0)
		r = has_all(&s, err);
	if (r < 0)
		return r;
	(void)stamp_parse(s.field[STATEMENT_EXPIRES], &s.expires_ms);
	if (s.signed_bytes) {
		(void)stamp_parse(s.field[STATEMENT_AT], &s.at_ms);
		(void)enc_unhex(s.field[STATEMENT_KEY], s.key, sizeof(s.key));
		(void)enc_unhex(s.field[STATEMENT_SIGNATURE], s.signature, sizeof(s.signature));
	}
	*ret = s;
	return 0;
}

/* --- writing --------------------------------------------------------------------------------
 */

static void add_line(struct buf *into, enum statement_field f, struct str value)
{
	buf_addf(into, "%s ", statement_words[f]);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		buf_add_char(into, c < 0x20 || c == 0x7f ? ' ' : (char)c);
	}
	buf_add_char(into, '\n');
}

int statement_write(const struct str field[STATEMENT_FIELDS], struct buf *into, struct err *err)
{
	struct statement check;
	struct err cause;
	size_t begin = into->len;
	int r;

	buf_add_text(into, MAGIC);
	for (int f = 0; f < STATEMENT_WHO; f++)
		if (field[f].len)
			add_line(into, (enum statement_field)f, field[f]);
	r = buf_fault(into, err, "the statement");
	if (r < 0)
		return r;
	if (into->len - begin > STATEMENT_MAX_BYTES)
		return err_set(err, ERR_TOO_LARGE,
			       "the statement would have %zu bytes and may have %u: decide in "
			       "parts, by --rule or --person",
			       into->len - begin, STATEMENT_MAX_BYTES);
	r = statement_parse(str_n(into->p + begin, into->len - begin), &check, &cause);
	return r < 0 ? err_set(err, ERR_INVALID_VALUE, "nobody could sign this: %s", cause.text)
		     : 0;
}

int statement_sign(const struct statement *s, struct str who, const struct secret *seed,
		   int64_t at_ms, struct buf *into, struct err *err)
{
	unsigned char key[DIGEST_PUB_BYTES], sig[DIGEST_SIG_BYTES];
	char hex[2 * DIGEST_SIG_BYTES + 1], time[STAMP_TEXT_BYTES];
	size_t begin = into->len;
	int r;

	if (s->signed_bytes)
		return err_set(err, ERR_CONFLICT,
			       "the statement is signed already, by " STR_FMT
			       ": each who decides signs a statement of their own",
			       STR_ARG(s->field[STATEMENT_WHO]));
	if (!statement_name(who))
		return err_set(err, ERR_INVALID_VALUE, "the signer's name is none");
	r = digest_public(key, seed, err);
	if (r < 0)
		return r;
	buf_add_str(into, s->text);
	add_line(into, STATEMENT_WHO, who);
	enc_hex(key, sizeof(key), hex);
	add_line(into, STATEMENT_KEY, str_of(hex));
	stamp_text(at_ms, time);
	add_line(into, STATEMENT_AT, str_of(time));
	r = buf_fault(into, err, "the statement");
	if (r == 0)
		r = digest_sign(sig, seed, str_n(into->p + begin, into->len - begin), err);
	if (r < 0)
		return r;
	enc_hex(sig, sizeof(sig), hex);
	add_line(into, STATEMENT_SIGNATURE, str_of(hex));
	return buf_fault(into, err, "the statement");
}

bool statement_signed(const struct statement *s)
{
	return s->signed_bytes > 0 &&
	       digest_verify(s->signature, s->key, str_n(s->text.p, s->signed_bytes));
}

void statement_digest(const struct statement *s, struct digest *ret)
{
	digest_of(ret, NULL, s->text);
}
