#include "bridge/export.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/stamp.h"

/* clang-format off */

static const struct export_column user_columns[] = {
	{ "source",          EXPORT_TEXT, 10, "the configured source that says so" },
	{ "id",              EXPORT_TEXT, 36, "the record's key in that source" },
	{ "person",          EXPORT_INT,   7, "ledger number; the same human in other exports" },
	{ "userName",        EXPORT_TEXT, 28, "" },
	{ "displayName",     EXPORT_TEXT, 24, "" },
	{ "givenName",       EXPORT_TEXT, 14, "" },
	{ "familyName",      EXPORT_TEXT, 14, "" },
	{ "email",           EXPORT_TEXT, 28, "the primary address, else the last one" },
	{ "active",          EXPORT_BOOL,  6, "" },
	{ "employeeNumber",  EXPORT_TEXT, 14, "" },
	{ "department",      EXPORT_TEXT, 16, "" },
	{ "manager",         EXPORT_TEXT, 16, "as the source names them" },
	{ "startDate",       EXPORT_TEXT, 10, "" },
	{ "lastWorkingDay",  EXPORT_TEXT, 14, "empty where sealed" },
	{ "terminationDate", EXPORT_TEXT, 15, "empty where sealed" },
	{ "sealed",          EXPORT_BOOL,  6, "no end is shown: whether one lies ahead, only hr-confidential sees" },
	{ "version",         EXPORT_INT,   7, "" },
	{ "createdAt",       EXPORT_TIME, 20, "" },
	{ "modifiedAt",      EXPORT_TIME, 20, "" },
	{ 0 }
};

static const struct export_column account_columns[] = {
	{ "org",         EXPORT_TEXT, 10, "" },
	{ "account",     EXPORT_INT,   8, "our number, which plans name" },
	{ "accountId",   EXPORT_TEXT, 30, "Atlassian's" },
	{ "email",       EXPORT_TEXT, 28, "" },
	{ "name",        EXPORT_TEXT, 22, "" },
	{ "type",        EXPORT_TEXT,  9, "atlassian, app, customer" },
	{ "class",       EXPORT_TEXT, 10, "what may be done to it" },
	{ "status",      EXPORT_TEXT, 11, "" },
	{ "statusSince", EXPORT_TIME, 20, "when we first saw this status" },
	{ "managed",     EXPORT_BOOL,  7, "of a verified domain" },
	{ "synced",      EXPORT_BOOL,  6, "owned by a directory" },
	{ "accepted",    EXPORT_BOOL,  8, "the invitation was accepted" },
	{ "admin",       EXPORT_BOOL,  5, "of anything" },
	{ "orgAdmin",    EXPORT_BOOL,  8, "of the organisation" },
	{ "roles",       EXPORT_LIST, 16, "platform roles" },
	{ "addedAt",     EXPORT_TIME, 20, "" },
	{ "lastActive",  EXPORT_TIME, 20, "newest day of use, of any product" },
	{ "neverActive", EXPORT_BOOL, 11, "known never to have been used" },
	{ "person",      EXPORT_INT,   7, "ledger number; empty: nobody explains it" },
	{ "firstSeen",   EXPORT_TIME, 20, "first collected" },
	{ 0 }
};

static const struct export_column seat_columns[] = {
	{ "org",        EXPORT_TEXT, 10, "" },
	{ "account",    EXPORT_INT,   8, "our number" },
	{ "accountId",  EXPORT_TEXT, 30, "Atlassian's" },
	{ "email",      EXPORT_TEXT, 28, "" },
	{ "name",       EXPORT_TEXT, 22, "" },
	{ "person",     EXPORT_INT,   7, "ledger number" },
	{ "product",    EXPORT_TEXT, 16, "" },
	{ "site",       EXPORT_TEXT, 20, "" },
	{ "addedAt",    EXPORT_TIME, 20, "" },
	{ "lastActive", EXPORT_TIME, 20, "newest day of use of this product" },
	{ "neverUsed",  EXPORT_BOOL,  9, "known never to have been used" },
	{ "paths",      EXPORT_LIST, 24, "groups and roles that keep it" },
	{ 0 }
};

static const struct export_column group_columns[] = {
	{ "source",      EXPORT_TEXT, 10, "" },
	{ "id",          EXPORT_TEXT, 36, "the group's key in that source" },
	{ "displayName", EXPORT_TEXT, 28, "" },
	{ "externalId",  EXPORT_TEXT, 20, "" },
	{ "members",     EXPORT_INT,   8, "people and groups directly in it" },
	{ "version",     EXPORT_INT,   7, "" },
	{ "createdAt",   EXPORT_TIME, 20, "" },
	{ "modifiedAt",  EXPORT_TIME, 20, "" },
	{ 0 }
};

static const struct export_column org_group_columns[] = {
	{ "org",         EXPORT_TEXT, 10, "" },
	{ "group",       EXPORT_TEXT, 36, "Atlassian's id, as bulk takes it" },
	{ "displayName", EXPORT_TEXT, 28, "" },
	{ "directory",   EXPORT_TEXT, 36, "id of the directory it is in" },
	{ "memberCount", EXPORT_INT,  11, "accounts in it" },
	{ "products",    EXPORT_LIST, 30, "what it gives: PRODUCT@SITE" },
	{ "synced",      EXPORT_BOOL,  6, "an identity provider's" },
	{ "modifiable",  EXPORT_BOOL, 10, "Atlassian lets it be changed" },
	{ "admin",       EXPORT_BOOL,  5, "gives administrators their right" },
	{ "unused",      EXPORT_BOOL,  6, "bulk --unused-groups would drop it" },
	{ 0 }
};

static const struct export_column plan_columns[] = {
	{ "plan",         EXPORT_INT,   6, "" },
	{ "org",          EXPORT_TEXT, 10, "" },
	{ "urgency",      EXPORT_TEXT,  8, "" },
	{ "state",        EXPORT_TEXT, 10, "" },
	{ "complete",     EXPORT_BOOL,  8, "the organisation was read completely" },
	{ "held",         EXPORT_BOOL,  5, "as a whole" },
	{ "actions",      EXPORT_INT,   7, "" },
	{ "createdAt",    EXPORT_TIME, 20, "" },
	{ "expiresAt",    EXPORT_TIME, 20, "" },
	{ "stateAt",      EXPORT_TIME, 20, "" },
	{ "supersededBy", EXPORT_INT,  12, "" },
	{ "who",          EXPORT_TEXT, 14, "round, or who asked" },
	{ "digest",       EXPORT_TEXT, 64, "BLAKE2b-256 of the plan's bytes" },
	{ 0 }
};

static const struct export_column action_columns[] = {
	{ "plan",      EXPORT_INT,   6, "" },
	{ "n",         EXPORT_INT,   6, "the action's number in the plan" },
	{ "org",       EXPORT_TEXT, 10, "" },
	{ "urgency",   EXPORT_TEXT,  8, "" },
	{ "planState", EXPORT_TEXT, 10, "" },
	{ "kind",      EXPORT_TEXT, 13, "" },
	{ "rule",      EXPORT_TEXT, 18, "" },
	{ "class",     EXPORT_TEXT,  9, "" },
	{ "person",    EXPORT_INT,   7, "ledger number" },
	{ "account",   EXPORT_INT,   8, "our number" },
	{ "accountId", EXPORT_TEXT, 30, "empty once forgotten, or sealed" },
	{ "email",     EXPORT_TEXT, 28, "the same" },
	{ "name",      EXPORT_TEXT, 22, "the same" },
	{ "product",   EXPORT_TEXT, 16, "" },
	{ "site",      EXPORT_TEXT, 20, "" },
	{ "dueAt",     EXPORT_TIME, 20, "" },
	{ "held",      EXPORT_BOOL,  5, "by a guard" },
	{ "automatic", EXPORT_BOOL,  9, "the policy may approve it in mode act" },
	{ "state",     EXPORT_TEXT, 10, "" },
	{ "stateAt",   EXPORT_TIME, 20, "" },
	{ "result",    EXPORT_TEXT, 30, "a sentence" },
	{ "sealed",    EXPORT_BOOL,  6, "a leaver's step that lies ahead: who it is, only hr-confidential sees" },
	{ 0 }
};

/* clang-format on */

const struct export_kind export_kinds[] = {
	{ "users", user_columns },           { "accounts", account_columns },
	{ "seats", seat_columns },           { "groups", group_columns },
	{ "org-groups", org_group_columns }, { "plans", plan_columns },
	{ "actions", action_columns },       { NULL, NULL },
};

const char *const export_form_words[] = { "csv", "jsonl", "table" };

bool export_form_of(struct str word, enum export_form *ret)
{
	for (unsigned i = 0; i < EXPORT_FORM_COUNT; i++)
		if (str_eq(word, str_of(export_form_words[i]))) {
			*ret = (enum export_form)i;
			return true;
		}
	return false;
}

const struct export_kind *export_kind_of(struct str name)
{
	for (const struct export_kind *k = export_kinds; k->name; k++)
		if (str_eq(name, str_of(k->name)))
			return k;
	return NULL;
}

/* --- cells -----------------------------------------------------------------------------------
 */

/* What a spreadsheet takes for a formula: perhaps behind apostrophes of the value's own, blanks
 * that it drops, or in the wide forms that it reads as the narrow ones. */
static bool looks_like_formula(struct str text)
{
	static const struct str wide[] = {
		{ "\xef\xbc\x9d", 3 }, /* U+FF1D = */
		{ "\xef\xbc\x8b", 3 }, /* U+FF0B + */
		{ "\xef\xbc\x8d", 3 }, /* U+FF0D - */
		{ "\xef\xbc\xa0", 3 }, /* U+FF20 @ */
	};
	size_t i = 0;

	while (i < text.len && text.p[i] == '\'')
		i++;
	while (i < text.len && text.p[i] == ' ')
		i++;
	for (size_t k = 0; k < COUNT_OF(wide); k++)
		if (str_starts(str_n(text.p + i, text.len - i), wide[k]))
			return true;
	return i < text.len && memchr("=+-@\t\r\n", text.p[i], 7);
}

void export_csv_cell(struct buf *into, struct str text)
{
	bool formula = looks_like_formula(text);
	struct str left, rest;

	/* in many countries a semicolon ends the cell: what stands behind one must not, as a
	 * formula, end where the line does */
	if (!formula && str_find_any(text, ",;\"\r\n") == text.len &&
	    (!text.len || (text.p[0] != ' ' && text.p[text.len - 1] != ' '))) {
		buf_add_str(into, text);
		return;
	}
	buf_add_text(into, formula ? "\"'" : "\"");
	while (str_cut(text, '"', &left, &rest)) {
		buf_add_str(into, left);
		buf_add_text(into, "\"\"");
		text = rest;
	}
	buf_add_str(into, text);
	buf_add_char(into, '"');
}

struct str export_csv_plain(struct str cell)
{
	return cell.len && cell.p[0] == '\'' && looks_like_formula(cell)
		       ? str_n(cell.p + 1, cell.len - 1)
		       : cell;
}

/* Characters that steer a terminal are shown as blanks: C0, DEL, and C1 in its two bytes. */
static void add_for_people(struct buf *into, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		unsigned char next = i + 1 < text.len ? (unsigned char)text.p[i + 1] : 0;

		if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			buf_add_char(into, ' ');
			i++;
		} else {
			buf_add_char(into, c < 0x20 || c == 0x7f ? ' ' : (char)c);
		}
	}
}

/* Code points: near enough to columns for a table that is not fitted. */
static unsigned width_of(struct str text)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

/* Every cell ends here: raw is the text of a value that needs no quoting; bare JSON. */
static void cell(struct export_line *l, struct str value, bool quoted)
{
	const struct export_column *c = &l->columns[l->at];

	switch (l->form) {
	case EXPORT_CSV:
		if (l->at)
			buf_add_char(l->into, ',');
		if (quoted)
			export_csv_cell(l->into, value);
		else
			buf_add_str(l->into, value);
		break;
	case EXPORT_JSONL:
		buf_addf(l->into, "%s\"%s\":", l->at ? "," : "{", c->name);
		if (quoted)
			buf_add_json(l->into, value);
		else
			buf_add_str(l->into, value.len ? value : STR("null"));
		break;
	default:
		add_for_people(l->into, value);
		if (c[1].name)
			buf_addf(l->into, "%*s",
				 (int)(width_of(value) < c->width ? c->width - width_of(value)
								  : 0) +
					 2,
				 "");
		break;
	}
	l->at++;
}

void export_begin(struct export_line *l, enum export_form form,
		  const struct export_column *columns, struct buf *into)
{
	*l = (struct export_line){ form, columns, into, 0 };
}

void export_none(struct export_line *l)
{
	cell(l, STR(""), false);
}

void export_text(struct export_line *l, struct str text)
{
	cell(l, text, text.len != 0);
}

void export_int(struct export_line *l, int64_t value)
{
	char text[24];

	cell(l, str_n(text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value)), false);
}

void export_bool(struct export_line *l, bool value)
{
	cell(l, value ? STR("true") : STR("false"), false);
}

void export_decimal(struct export_line *l, int64_t hundredths)
{
	uint64_t u = hundredths < 0 ? 0 - (uint64_t)hundredths : (uint64_t)hundredths;
	char text[32];

	cell(l,
	     str_n(text, (size_t)snprintf(text, sizeof(text), "%s%" PRIu64 ".%02" PRIu64,
					  hundredths < 0 ? "-" : "", u / 100, u % 100)),
	     false);
}

void export_time(struct export_line *l, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	stamp_text(ms, text);
	cell(l, str_of(text), true);
}

static void json_list(struct export_line *l, const struct str *texts, size_t count)
{
	buf_addf(l->into, "%s\"%s\":[", l->at ? "," : "{", l->columns[l->at].name);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_add_char(l->into, ',');
		buf_add_json(l->into, texts[i]);
	}
	buf_add_char(l->into, ']');
	l->at++;
}

void export_list(struct export_line *l, const struct str *texts, size_t count)
{
	struct buf all;

	if (l->form == EXPORT_JSONL) {
		json_list(l, texts, count);
		return;
	}
	buf_init(&all, l->into->max);
	for (size_t i = 0; i < count; i++) {
		buf_add_text(&all, i ? "; " : "");
		buf_add_str(&all, texts[i]);
	}
	if (all.fault)
		l->into->fault = all.fault;
	else
		export_text(l, buf_str(&all));
	buf_done(&all);
}

/* Room for so many texts, to be freed; without memory the line is faulty, and NULL. */
static struct str *texts_new(struct export_line *l, size_t n)
{
	struct str *texts = calloc(n + 1, sizeof(*texts));

	if (!texts && !l->into->fault)
		l->into->fault = ERR_NOMEM;
	return texts;
}

static void json_texts(struct export_line *l, const json_t *value)
{
	CLEANUP(free_at) struct str *texts = texts_new(l, json_array_size(value));
	json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)value, i, one) {
		if (texts)
			texts[i] = str_n(json_string_value(one), json_string_length(one));
	}
	export_list(l, texts, texts ? json_array_size(value) : 0);
}

void export_words(struct export_line *l, struct str words)
{
	CLEANUP(free_at) struct str *texts = texts_new(l, words.len / 2 + 1);
	struct str word;
	size_t n = 0;

	while (texts && words.len) {
		str_cut(words, ' ', &word, &words);
		if (word.len)
			texts[n++] = word;
	}
	export_list(l, texts, n);
}

void export_json(struct export_line *l, const json_t *value)
{
	enum export_type type = l->columns[l->at].type;

	if (type == EXPORT_LIST)
		json_texts(l, value);
	else if (json_is_string(value))
		export_text(l, str_n(json_string_value(value), json_string_length(value)));
	else if (json_is_boolean(value))
		export_bool(l, json_is_true(value));
	else if (!json_is_integer(value))
		export_none(l);
	else if (type == EXPORT_TIME)
		export_time(l, json_integer_value(value));
	else if (type == EXPORT_DECIMAL)
		export_decimal(l, json_integer_value(value));
	else
		export_int(l, json_integer_value(value));
}

void export_end(struct export_line *l)
{
	static const char *const ends[] = { "\r\n", "}\n", "\n" };

	buf_add_text(l->into, ends[l->form]);
	l->at = 0;
}

void export_head(enum export_form form, const struct export_column *columns, bool bom,
		 struct buf *into)
{
	struct export_line l;

	if (form == EXPORT_JSONL)
		return;
	if (bom && form == EXPORT_CSV)
		buf_add_text(into, "\xef\xbb\xbf");
	export_begin(&l, form, columns, into);
	for (const struct export_column *c = columns; c->name; c++)
		cell(&l, str_of(c->name), true);
	export_end(&l);
}
