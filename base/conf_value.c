#include "base/conf_value.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define SECRET_NAME_BYTES 64

struct unit {
	struct str word;
	int64_t factor;
};

/* Largest first: a value is printed in the first that divides it. */
static const struct unit durations[] = {
	{ STR("d"), 86400000 }, { STR("h"), 3600000 }, { STR("min"), 60000 },
	{ STR("s"), 1000 },     { STR("ms"), 1 },
};
static const struct unit sizes[] = {
	{ STR("TiB"), 1LL << 40 }, { STR("GiB"), 1LL << 30 }, { STR("MiB"), 1LL << 20 },
	{ STR("KiB"), 1LL << 10 }, { STR("B"), 1 },           { STR(""), 1 },
};

static bool is_bounded(const struct conf_key *row)
{
	return row->least != 0 || row->most != 0;
}

static bool is_within(const struct conf_key *row, int64_t value)
{
	return !is_bounded(row) || (value >= row->least && value <= row->most);
}

/* --- reading -------------------------------------------------------------------------------
 */

static int put_text(struct str s, char **field)
{
	char *copy;

	if (s.len && memchr(s.p, 0, s.len))
		return 1; /* "\0" in quotes: what follows would be lost */
	copy = str_dup(s);
	if (!copy)
		return -ERR_NOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int take_text(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	(void)row;
	(void)folder;
	return put_text(s, field);
}

static int take_path(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	CLEANUP(buf_done) struct buf whole = { .max = 2 * PATH_MAX };

	(void)row;
	if (s.len == 0 || s.len >= PATH_MAX)
		return 1;
	if (s.p[0] == '/')
		folder.len = 0;
	buf_add_str(&whole, folder);
	buf_add_str(&whole, s);
	if (whole.fault)
		return whole.fault == ERR_NOMEM ? -ERR_NOMEM : 1;
	return put_text(buf_str(&whole), field);
}

static bool is_secret_name(struct str s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	if (s.len == 0 || s.len > SECRET_NAME_BYTES || s.p[0] == '.')
		return false; /* a leading dot is the vault's own */
	for (size_t i = 0; i < s.len; i++)
		if (!s.p[i] || !strchr(letters, s.p[i]))
			return false;
	return true;
}

static int take_secret(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	(void)row;
	(void)folder;
	return is_secret_name(s) ? put_text(s, field) : 1;
}

static int take_bool(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	static const struct {
		struct str word;
		bool value;
	} words[] = {
		{ STR("true"), true },   { STR("yes"), true }, { STR("on"), true },
		{ STR("false"), false }, { STR("no"), false }, { STR("off"), false },
	};

	(void)row;
	(void)folder;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (!str_ieq(s, words[i].word))
			continue;
		*(bool *)field = words[i].value;
		return 0;
	}
	return 1;
}

static int put_int(const struct conf_key *row, int64_t value, void *field)
{
	if (!is_within(row, value))
		return 1;
	*(int64_t *)field = value;
	return 0;
}

static int take_int(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	int64_t value;

	(void)folder;
	return str_int64(s, &value) ? put_int(row, value, field) : 1;
}

static int take_ms(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	int64_t value;

	(void)folder;
	return str_duration_ms(s, &value) ? put_int(row, value, field) : 1;
}

/* The digits in front, and what stands behind them without the blanks between. */
static void digits_cut(struct str s, struct str *digits, struct str *rest)
{
	size_t n = 0;

	while (n < s.len && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.'))
		n++;
	*digits = str_n(s.p, n);
	*rest = str_trim(str_n(s.p + n, s.len - n));
}

static int take_bytes(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	struct str digits, unit;
	int64_t value;

	(void)folder;
	digits_cut(s, &digits, &unit);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		if (!str_eq(unit, sizes[i].word))
			continue;
		if (!str_int64(digits, &value) ||
		    __builtin_mul_overflow(value, sizes[i].factor, &value))
			return 1;
		return put_int(row, value, field);
	}
	return 1;
}

/*
 * A decimal of at most 15 digits: an integer divided by a power of ten, both of which a double
 * holds exactly, so the result is the nearest double, in every locale.
 */
static bool decimal(struct str s, int shift, double *ret)
{
	double scale = 1;
	int64_t value = 0;
	bool point = false, any = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.') {
			if (point)
				return false;
			point = true;
			continue;
		}
		any = true;
		value = value * 10 + (s.p[i] - '0');
		shift += point;
		if (value >= 1000000000000000 || shift > 22)
			return false;
	}
	while (shift-- > 0)
		scale *= 10;
	*ret = (double)value / scale;
	return any;
}

static int take_share(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	struct str digits, unit;
	double value;
	bool percent;

	(void)row;
	(void)folder;
	digits_cut(s, &digits, &unit);
	percent = str_eq(unit, STR("%"));
	if ((!percent && unit.len > 0) || !decimal(digits, percent ? 2 : 0, &value) ||
	    value > 1)
		return 1;
	*(double *)field = value;
	return 0;
}

static int take_enum(const struct conf_key *row, struct str s, struct str folder, void *field)
{
	(void)folder;
	for (int i = 0; row->words[i]; i++) {
		if (!str_eq(s, str_of(row->words[i])))
			continue;
		*(int *)field = i;
		return 0;
	}
	return 1;
}

int conf_value_take(const struct conf_key *row, struct str text, struct str folder, void *field)
{
	static int (*const takers[])(const struct conf_key *, struct str, struct str,
				     void *) = {
		[CONF_TEXT] = take_text,     [CONF_PATH] = take_path,
		[CONF_SECRET] = take_secret, [CONF_BOOL] = take_bool,
		[CONF_INT] = take_int,       [CONF_MS] = take_ms,
		[CONF_BYTES] = take_bytes,   [CONF_SHARE] = take_share,
		[CONF_ENUM] = take_enum,
	};

	return row->type < COUNT_OF(takers) ? takers[row->type](row, text, folder, field) : 1;
}

/* --- printing ------------------------------------------------------------------------------
 */

static void show_units(int64_t value, const struct unit *units, struct buf *into)
{
	while (value % units->factor != 0)
		units++;
	buf_addf(into, "%" PRId64 STR_FMT, value / units->factor, STR_ARG(units->word));
}

static void show_duration(int64_t ms, struct buf *into)
{
	if (ms == 0)
		buf_add_text(into, "0s");
	else
		show_units(ms, durations, into);
}

static void show_size(int64_t bytes, struct buf *into)
{
	if (bytes == 0)
		buf_add_text(into, "0");
	else
		show_units(bytes, sizes, into);
}

static void show_number(const struct conf_key *row, int64_t value, struct buf *into)
{
	if (row->type == CONF_MS)
		show_duration(value, into);
	else if (row->type == CONF_BYTES)
		show_size(value, into);
	else
		buf_addf(into, "%" PRId64, value);
}

/* The shortest decimal that is read as the same. */
static void show_share(double value, struct buf *into)
{
	double again;
	char text[32];

	for (int digits = 0; digits <= 22; digits++) {
		snprintf(text, sizeof(text), "%.*f", digits, value);
		for (char *p = text; *p; p++)
			if (*p == ',')
				*p = '.'; /* a locale's point */
		if (decimal(str_of(text), 0, &again) && again == value)
			break;
	}
	buf_add_text(into, text);
}

/* Texts that are themselves without quotes, for every reader of YAML. */
static bool is_plain(struct str s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/";
	static const char later[] = "0123456789._-+@";
	static const char *const taken[] = { "true", "false", "yes", "no", "on",
					     "off",  "null",  "y",   "n" };

	if (s.len == 0 || !s.p[0] || !strchr(first, s.p[0]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!s.p[i] || (!strchr(first, s.p[i]) && !strchr(later, s.p[i])))
			return false;
	for (size_t i = 0; i < COUNT_OF(taken); i++)
		if (str_ieq(s, str_of(taken[i])))
			return false;
	return true;
}

/*
 * Code points that YAML's reader refuses, folds or takes for a line's end, and those that a
 * screen does not show: written as escapes.
 */
static bool is_special(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
	       c == 0xFEFF || c == 0xFFFE || c == 0xFFFF;
}

/* The code point at p, which is UTF-8, and its bytes. */
static size_t code_point(const char *p, uint32_t *ret)
{
	unsigned char c = (unsigned char)*p;
	size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

	*ret = len == 1 ? c : c & (0xFFu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*ret = *ret << 6 | ((unsigned char)p[i] & 0x3F);
	return len;
}

void conf_text_show(struct str s, struct buf *into)
{
	if (is_plain(s)) {
		buf_add_str(into, s);
		return;
	}
	buf_add_char(into, '"');
	while (s.len > 0) {
		uint32_t c;
		size_t len = code_point(s.p, &c);

		if (c == '"' || c == '\\')
			buf_addf(into, "\\%c", (char)c);
		else if (c == '\n')
			buf_add_text(into, "\\n");
		else if (is_special(c))
			buf_addf(into, c < 0x100 ? "\\x%02X" : "\\u%04X", (unsigned)c);
		else
			buf_add(into, s.p, len);
		s = str_n(s.p + len, s.len - len);
	}
	buf_add_char(into, '"');
}

void conf_value_show(const struct conf_key *row, const void *field, struct buf *into)
{
	int word;

	switch (row->type) {
	case CONF_TEXT:
	case CONF_PATH:
	case CONF_SECRET:
		conf_text_show(str_of(*(char *const *)field), into);
		return;
	case CONF_BOOL:
		buf_add_text(into, *(const bool *)field ? "true" : "false");
		return;
	case CONF_SHARE:
		show_share(*(const double *)field, into);
		return;
	case CONF_ENUM:
		word = *(const int *)field;
		for (int i = 0; row->words[i]; i++)
			if (i == word)
				conf_text_show(str_of(row->words[i]), into);
		return;
	default:
		show_number(row, *(const int64_t *)field, into);
	}
}

bool conf_value_unset(const struct conf_key *row, const void *field)
{
	const char *part = field;

	switch (row->type) {
	case CONF_TEXT:
	case CONF_PATH:
	case CONF_SECRET:
		return !*(char *const *)field;
	case CONF_INT:
	case CONF_MS:
	case CONF_BYTES:
		return *(const int64_t *)field == 0 && !is_within(row, 0);
	case CONF_LIST:
		return ((const struct conf_list *)field)->n == 0 && !is_within(row, 0);
	case CONF_MAP:
		return ((const struct conf_pairs *)field)->n == 0 && !is_within(row, 0);
	case CONF_ITEMS:
		return ((const struct conf_items *)field)->n == 0 && !is_within(row, 0);
	case CONF_SECTION:
		/* an optional section that was left out lacks what it would have to have */
		for (const struct conf_key *k = row->sub; k->name; k++)
			if (k->preset && strcmp(k->preset, "!") == 0 &&
			    conf_value_unset(k, part + k->offset))
				return true;
		return false;
	case CONF_BOOL:
	case CONF_SHARE:
	case CONF_ENUM:
		return false;
	}
	return false;
}

bool conf_has_mark(const struct conf_key *keys)
{
	for (const struct conf_key *row = keys; row->name; row++)
		if (row->offset < sizeof(struct conf_mark))
			return false;
	return keys->name != NULL;
}

/* --- expected ------------------------------------------------------------------------------
 */

static void expected_number(const struct conf_key *row, const char *what, struct buf *into)
{
	buf_add_text(into, what);
	if (!is_bounded(row))
		return;
	buf_add_text(into, " from ");
	show_number(row, row->least, into);
	buf_add_text(into, " to ");
	show_number(row, row->most, into);
}

void conf_value_expected(const struct conf_key *row, struct buf *into)
{
	static const char *const kinds[] = {
		[CONF_TEXT] = "a text",
		[CONF_PATH] = "the name of a file",
		[CONF_SECRET] = "the name of a secret in the vault, never the secret itself",
		[CONF_BOOL] = "true or false",
		[CONF_SHARE] = "a share from 0 to 1, or from 0 % to 100 %",
		[CONF_LIST] = "a list of texts",
		[CONF_MAP] = "keys with texts",
		[CONF_SECTION] = "keys with values",
		[CONF_ITEMS] = "a list of items",
	};

	switch (row->type) {
	case CONF_INT:
		expected_number(row, "a whole number", into);
		return;
	case CONF_MS:
		expected_number(row, "a time such as 30s or 14d", into);
		return;
	case CONF_BYTES:
		expected_number(row, "a size such as 64KiB", into);
		return;
	case CONF_ENUM:
		buf_add_text(into, "one of ");
		for (int i = 0; row->words[i]; i++)
			buf_addf(into, "%s%s", i ? ", " : "", row->words[i]);
		return;
	default:
		buf_add_text(into, kinds[row->type]);
	}
}
