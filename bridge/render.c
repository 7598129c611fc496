#include "bridge/render.h"

#include <inttypes.h>
#include <math.h>

#include "base/stamp.h"
#include "base/vec.h"

#define RENDER_COLUMNS_MAX 24
#define RENDER_GAP 2          /* blanks between columns */
#define RENDER_NARROW 8       /* columns are shortened to this first, */
#define RENDER_NARROWEST 3    /* then to this, never below */
#define RENDER_CELL_MAX 4096  /* bytes of one cell */
#define RENDER_PARA_WIDTH 100 /* where the terminal has no width, and at most */

/* --- columns on a terminal -------------------------------------------------------------------
 */

struct range {
	uint32_t from, to;
};

/* Marks that stand on the letter before, joiners, direction marks, variation selectors. */
static const struct range no_width[] = {
	{ 0x0300, 0x036F },   { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x0610, 0x061A },
	{ 0x064B, 0x065F },   { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A }, { 0x0E47, 0x0E4E },
	{ 0x1AB0, 0x1AFF },   { 0x1DC0, 0x1DFF }, { 0x200B, 0x200F }, { 0x20D0, 0x20FF },
	{ 0x3099, 0x309A },   { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF },
	{ 0xE0100, 0xE01EF },
};

/* East Asian Wide and Fullwidth, emoji. */
static const struct range two_wide[] = {
	{ 0x1100, 0x115F },   { 0x2E80, 0x303E },   { 0x3041, 0x3098 },   { 0x309B, 0x4DBF },
	{ 0x4E00, 0xA4CF },   { 0xA960, 0xA97F },   { 0xAC00, 0xD7A3 },   { 0xF900, 0xFAFF },
	{ 0xFE30, 0xFE6F },   { 0xFF01, 0xFF60 },   { 0xFFE0, 0xFFE6 },   { 0x1F300, 0x1F64F },
	{ 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD },
};

static bool within(const struct range *rows, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n; i++)
		if (c >= rows[i].from && c <= rows[i].to)
			return true;
	return false;
}

static unsigned char_width(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (within(no_width, COUNT_OF(no_width), c))
		return 0;
	return within(two_wide, COUNT_OF(two_wide), c) ? 2 : 1;
}

/* Decodes one character of well-formed UTF-8; bytes that are none count as one column each. */
static size_t char_at(struct str s, size_t at, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)s.p + at;
	size_t left = s.len - at, n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;

	if (n == 1 || n > left || p[0] < 0xC0) {
		*ret = p[0] < 0x80 ? p[0] : '?';
		return 1;
	}
	*ret = n == 2 ? p[0] & 0x1F : n == 3 ? p[0] & 0x0F : p[0] & 0x07;
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | (p[i] & 0x3F);
	return n;
}

unsigned render_width(struct str text)
{
	unsigned width = 0;
	uint32_t c;

	for (size_t at = 0; at < text.len;) {
		at += char_at(text, at, &c);
		width += char_width(c);
	}
	return width;
}

/* How many bytes of text fit into width columns. */
static size_t fitting(struct str text, unsigned width)
{
	unsigned used = 0;
	size_t at = 0;
	uint32_t c;

	while (at < text.len) {
		size_t n = char_at(text, at, &c);

		if (used + char_width(c) > width)
			break;
		used += char_width(c);
		at += n;
	}
	return at;
}

/* Overrides and isolates of writing direction can make one text look like another. */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

/* Other people's text: a control character in a name must not reach the terminal as one. lines:
 * the ends of lines are ours. */
static void add_harmless(struct buf *into, struct str text, bool lines)
{
	uint32_t c;

	for (size_t at = 0; at < text.len;) {
		size_t n = char_at(text, at, &c);

		if (is_harmful(c) && !(lines && c == '\n'))
			buf_add_text(into, "\xEF\xBF\xBD");
		else
			buf_add(into, text.p + at, n);
		at += n;
	}
}

/* --- values ----------------------------------------------------------------------------------
 */

static const struct {
	int64_t ms;
	const char *word;
} spans[] = {
	{ STAMP_DAY_MS, "d" },
	{ STAMP_HOUR_MS, "h" },
	{ STAMP_MINUTE_MS, "min" },
	{ STAMP_SECOND_MS, "s" },
};

static void add_span(struct buf *into, int64_t ms)
{
	for (size_t i = 0; i < COUNT_OF(spans); i++) {
		/* "36 h" says more than "1 d": a unit is used from twice its length on. */
		int64_t from = i == 0 ? 2 * spans[i].ms : spans[i].ms;

		if (ms >= from) {
			buf_addf(into, "%" PRId64 " %s", ms / spans[i].ms, spans[i].word);
			return;
		}
	}
	buf_addf(into, "%" PRId64 " ms", ms);
}

static void add_ago(struct buf *into, int64_t now_ms, int64_t at_ms)
{
	if (at_ms == STAMP_NEVER) {
		buf_add_text(into, "never");
		return;
	}
	if (at_ms > now_ms) {
		buf_add_text(into, "in ");
		add_span(into, at_ms - now_ms);
		return;
	}
	if (now_ms - at_ms < STAMP_SECOND_MS) {
		buf_add_text(into, "now");
		return;
	}
	add_span(into, now_ms - at_ms);
	buf_add_text(into, " ago");
}

static void add_time(struct buf *into, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	if (ms == STAMP_NEVER) {
		buf_add_text(into, "never");
		return;
	}
	stamp_text(ms, text);
	text[10] = ' ';
	buf_add(into, text, 16);
	buf_add_char(into, 'Z');
}

static void add_plain(struct buf *into, const json_t *value)
{
	size_t i;
	json_t *item;

	if (json_is_string(value))
		add_harmless(into, str_n(json_string_value(value), json_string_length(value)),
			     false);
	else if (json_is_integer(value))
		buf_addf(into, "%" PRId64, (int64_t)json_integer_value(value));
	else if (json_is_real(value))
		buf_addf(into, "%g", json_real_value(value));
	else if (json_is_boolean(value))
		buf_add_text(into, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		json_array_foreach (value, i, item) {
			buf_add_text(into, i ? ", " : "");
			add_plain(into, item);
		}
	else if (json_is_object(value)) {
		const char *key;
		const char *gap = "";

		json_object_foreach ((json_t *)value, key, item) {
			buf_addf(into, "%s%s=", gap, key);
			add_plain(into, item);
			gap = " ";
		}
	} else
		buf_add_char(into, '-');
}

void render_value(const struct cli *cli, enum render_as as, const json_t *value,
		  struct buf *into)
{
	int64_t number = json_integer_value(value);
	char date[STAMP_TEXT_BYTES];

	if (as == RENDER_AS_SHARE && json_is_number(value)) {
		buf_addf(into, "%.3g %%", 100 * json_number_value(value));
		return;
	}
	if (as == RENDER_AS_TEXT || as == RENDER_AS_COUNT || !json_is_integer(value)) {
		add_plain(into, value);
		return;
	}
	switch (as) {
	case RENDER_AS_TIME:
		add_time(into, number);
		break;
	case RENDER_AS_DATE:
		stamp_date_text(number, date);
		buf_add_text(into, number == STAMP_NEVER ? "never" : date);
		break;
	case RENDER_AS_AGO:
		add_ago(into, cli->now_ms, number);
		break;
	default:
		add_span(into, number);
	}
}

/* "before.email" */
static const json_t *member_at(const json_t *object, const char *path)
{
	struct str rest = str_of(path), head;
	char name[64];

	while (rest.len && object) {
		str_cut(rest, '.', &head, &rest);
		if (head.len >= sizeof(name))
			return NULL;
		memcpy(name, head.p, head.len);
		name[head.len] = '\0';
		object = json_object_get(object, name);
	}
	return json_is_null(object) ? NULL : object;
}

/* --- styles ----------------------------------------------------------------------------------
 */

static const char *const style_codes[] = {
	[RENDER_PLAIN] = "",  [RENDER_BOLD] = "1",  [RENDER_DIM] = "2",
	[RENDER_GOOD] = "32", [RENDER_WARN] = "33", [RENDER_BAD] = "31",
};

static void add_styled(struct cli *cli, enum render_style style, struct str text)
{
	if (cli->color && style != RENDER_PLAIN)
		buf_addf(&cli->out, "\033[%sm", style_codes[style]);
	buf_add_str(&cli->out, text);
	if (cli->color && style != RENDER_PLAIN)
		buf_add_text(&cli->out, "\033[0m");
}

void render_styled(struct cli *cli, enum render_style style, const char *text)
{
	add_styled(cli, style, str_of(text));
}

void render_head(struct cli *cli, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	CLEANUP(buf_done) struct buf harmless;

	buf_init(&harmless, 4 * sizeof(text));
	add_harmless(&harmless, str_of(text), false);
	if (cli->out.len)
		buf_add_char(&cli->out, '\n');
	add_styled(cli, RENDER_BOLD, buf_str(&harmless));
	buf_add_char(&cli->out, '\n');
}

void render_text(struct cli *cli, struct str text)
{
	add_harmless(&cli->out, text, true);
	buf_add_char(&cli->out, '\n');
}

void render_line(struct cli *cli, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	render_text(cli, str_of(text));
}

static void para_words(struct cli *cli, unsigned indent, unsigned width, struct str text)
{
	unsigned used = 0;
	struct str word;

	while (text.len) {
		unsigned wide;

		str_cut(text, ' ', &word, &text);
		if (!word.len)
			continue;
		wide = render_width(word);
		if (used && used + 1 + wide > width) {
			buf_add_char(&cli->out, '\n');
			used = 0;
		}
		if (!used)
			buf_addf(&cli->out, "%*s", (int)indent, "");
		else
			buf_add_char(&cli->out, ' ');
		buf_add_str(&cli->out, word);
		used += wide + (used ? 1 : 0);
	}
	buf_add_char(&cli->out, '\n');
}

void render_para(struct cli *cli, unsigned indent, const char *format, ...)
{
	unsigned width =
		cli->width && cli->width < RENDER_PARA_WIDTH ? cli->width : RENDER_PARA_WIDTH;
	CLEANUP(buf_done) struct buf harmless;
	char text[8192];
	struct str rest, line;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	width = width > indent + 20 ? width - indent : 20;
	buf_init(&harmless, 4 * sizeof(text));
	add_harmless(&harmless, str_of(text), true);
	rest = buf_str(&harmless);
	while (rest.len) {
		str_cut(rest, '\n', &line, &rest);
		para_words(cli, indent, width, line);
	}
}

/* --- tables ----------------------------------------------------------------------------------
 */

/* All cells of a table, column after column in each row. */
struct grid {
	const struct render_column *columns;
	size_t column_count, row_count;
	char **cells; /* row_count * column_count */
	unsigned width[RENDER_COLUMNS_MAX];
	bool gone[RENDER_COLUMNS_MAX];
};

static void grid_done(struct grid *g)
{
	for (size_t i = 0; g->cells && i < g->row_count * g->column_count; i++)
		free(g->cells[i]);
	free(g->cells);
}

static bool align_right(const struct render_column *c)
{
	return c->as == RENDER_AS_COUNT || c->as == RENDER_AS_SHARE;
}

static char *cell_text(const struct cli *cli, const struct render_column *column,
		       const json_t *row)
{
	struct buf b;
	char *text;

	buf_init(&b, RENDER_CELL_MAX);
	render_value(cli, column->as, member_at(row, column->member), &b);
	if (b.fault == ERR_LIMIT) {
		buf_clear(&b);
		buf_add_text(&b, "(too long)");
	}
	text = buf_take(&b, NULL);
	buf_done(&b);
	return text;
}

/* False when memory was lost. */
static bool grid_fill(const struct cli *cli, struct grid *g, const json_t *rows)
{
	size_t at = 0, r;
	json_t *row;

	g->cells = calloc(g->row_count * g->column_count, sizeof(*g->cells));
	if (!g->cells)
		return false;
	json_array_foreach (rows, r, row)
		for (size_t c = 0; c < g->column_count; c++) {
			char *text = cell_text(cli, &g->columns[c], row);

			if (!text)
				return false;
			g->cells[at++] = text;
		}
	return true;
}

static void grid_measure(struct grid *g)
{
	for (size_t c = 0; c < g->column_count; c++) {
		g->width[c] = render_width(str_of(g->columns[c].head));
		g->gone[c] = g->columns[c].if_any;
		for (size_t r = 0; r < g->row_count; r++) {
			const char *text = g->cells[r * g->column_count + c];
			unsigned wide = render_width(str_of(text));

			if (*text && strcmp(text, "-") != 0)
				g->gone[c] = false;
			if (wide > g->width[c])
				g->width[c] = wide;
		}
	}
}

static unsigned grid_width(const struct grid *g)
{
	unsigned sum = 0;

	for (size_t c = 0; c < g->column_count; c++)
		if (!g->gone[c])
			sum += g->width[c] + (sum ? RENDER_GAP : 0);
	return sum;
}

/* The column that can best spare a blank: the widest that is not firm. */
static size_t grid_widest(const struct grid *g, unsigned least)
{
	size_t best = g->column_count;

	for (size_t c = 0; c < g->column_count; c++)
		if (!g->gone[c] && !g->columns[c].firm && g->width[c] > least &&
		    (best == g->column_count || g->width[c] > g->width[best]))
			best = c;
	return best;
}

static void grid_fit(struct grid *g, unsigned most)
{
	while (most && grid_width(g) > most) {
		size_t c = grid_widest(g, RENDER_NARROW);

		if (c == g->column_count)
			c = grid_widest(g, RENDER_NARROWEST);
		if (c == g->column_count)
			return;
		g->width[c]--;
	}
}

static void add_cell(struct cli *cli, const struct grid *g, size_t c, struct str text,
		     bool last, enum render_style style)
{
	unsigned wide = render_width(text), width = g->width[c], pad;
	bool cut = wide > width;

	if (cut) {
		text.len = fitting(text, width - 1);
		wide = render_width(text) + 1;
	}
	pad = width > wide ? width - wide : 0;
	if (align_right(&g->columns[c]))
		buf_addf(&cli->out, "%*s", (int)pad, "");
	add_styled(cli, style, text);
	if (cut)
		buf_add_text(&cli->out, "\xE2\x80\xA6");
	if (!last && !align_right(&g->columns[c]))
		buf_addf(&cli->out, "%*s", (int)pad, "");
}

static void add_row(struct cli *cli, const struct grid *g, size_t r, bool head)
{
	size_t last = 0;
	bool first = true;

	for (size_t c = 0; c < g->column_count; c++)
		if (!g->gone[c])
			last = c;
	for (size_t c = 0; c < g->column_count; c++) {
		const struct render_column *column = &g->columns[c];
		const char *text;
		enum render_style style = RENDER_BOLD;

		if (g->gone[c])
			continue;
		text = head ? column->head : g->cells[r * g->column_count + c];
		if (!head)
			style = column->style ? column->style(text) : RENDER_PLAIN;
		if (!first)
			buf_addf(&cli->out, "%*s", RENDER_GAP, "");
		add_cell(cli, g, c, str_of(text), c == last, style);
		first = false;
	}
	buf_add_char(&cli->out, '\n');
}

void render_table(struct cli *cli, const struct render_column *columns, const json_t *rows,
		  const char *empty)
{
	CLEANUP(grid_done) struct grid g = { .columns = columns };

	g.row_count = json_array_size(rows);
	while (columns[g.column_count].head && g.column_count < RENDER_COLUMNS_MAX)
		g.column_count++;
	if (!g.row_count) {
		if (empty)
			render_line(cli, "%s", empty);
		return;
	}
	if (!grid_fill(cli, &g, rows)) {
		cli->out.fault = ERR_NOMEM;
		return;
	}
	grid_measure(&g);
	grid_fit(&g, cli->width);
	add_row(cli, &g, 0, true);
	for (size_t r = 0; r < g.row_count; r++)
		add_row(cli, &g, r, false);
}

void render_pairs(struct cli *cli, const struct render_column *pairs, const json_t *object)
{
	unsigned widest = 0;

	for (const struct render_column *p = pairs; p->head; p++)
		if (member_at(object, p->member) && render_width(str_of(p->head)) > widest)
			widest = render_width(str_of(p->head));
	for (const struct render_column *p = pairs; p->head; p++) {
		CLEANUP(free_at) char *text = NULL;

		if (!member_at(object, p->member))
			continue;
		text = cell_text(cli, p, object);
		if (!text) {
			cli->out.fault = ERR_NOMEM;
			return;
		}
		buf_addf(&cli->out, "%s:%*s", p->head,
			 (int)(widest - render_width(str_of(p->head)) + 2), "");
		add_styled(cli, p->style ? p->style(text) : RENDER_PLAIN, str_of(text));
		buf_add_char(&cli->out, '\n');
	}
}

/* --- the answer that needs no table ----------------------------------------------------------
 */

static void simple_member(struct cli *cli, const char *key, const json_t *value)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 1 << 20);
	add_plain(&b, value);
	buf_addf(&cli->out, "%s: " STR_FMT "\n", key, STR_ARG(buf_str(&b)));
}

int render_simple(struct cli *cli, const json_t *out)
{
	const char *text = jx_get_text(out, "text"), *key;
	json_t *notes = json_object_get(out, "notes"), *value;
	size_t i;

	if (text) {
		CLEANUP(buf_done) struct buf b;

		buf_init(&b, 1 << 20);
		add_harmless(&b, str_of(text), true);
		if (!cli->quiet)
			render_para(cli, 0, STR_FMT, STR_ARG(buf_str(&b)));
	} else
		json_object_foreach ((json_t *)out, key, value)
			if (strcmp(key, "notes") != 0)
				simple_member(cli, key, value);
	json_array_foreach (notes, i, value)
		if (json_is_string(value))
			render_para(cli, 2, "%s", json_string_value(value));
	return 0;
}
