#include "bridge/report_html.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/stamp.h"
#include "base/vec.h"

#define BARS_MOST 40
#define BAR_X 330     /* where bars begin */
#define BAR_WIDTH 470 /* of the longest */
#define BAR_HEIGHT 16
#define ROW_GAP 10
#define WORD_MOST 24   /* bytes; a longer word may break */
#define WORD_PIECE 16  /* characters, where it has no sign to break behind */
#define SHORT_MOST 12  /* bytes */
#define LABEL_ROOM 400 /* tenths of a letter, of a bar's name */

#define DASH "\xe2\x80\x93"
#define NONE "<span class=\"soft\">" DASH "</span>"

static const char head_html[] =
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\">\n";

static const char style_html[] =
	"<style>\n"
	":root{color-scheme:light dark;--fg:#1a1c1e;--bg:#ffffff;--soft:#565b61;--line:#c3c8ce;"
	"--head:#eef1f4;--s1:#0b5cad;--s2:#a14a00;--s3:#5b3a9d}\n"
	"@media (prefers-color-scheme:dark){:root{--fg:#e8eaed;--bg:#15181b;--soft:#b3bac2;"
	"--line:#4a5058;--head:#23282d;--s1:#6cb2ff;--s2:#f5a14a;--s3:#bba1ff}}\n"
	"body{margin:0 "
	"auto;max-width:88rem;padding:1.5rem;color:var(--fg);background:var(--bg);"
	"font:16px/1.5 system-ui,sans-serif}\n"
	"h1{font-size:1.6rem;margin:0 0 .3rem}p,li{color:var(--fg)}.soft{color:var(--soft)}\n"
	".wide{overflow-x:auto}table{border-collapse:collapse;width:max-content;"
	"min-width:100%;font-variant-numeric:tabular-nums}td{max-width:26rem}\n"
	"caption{text-align:left;font-weight:600;padding:.6rem 0}\n"
	"th,td{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left;"
	"vertical-align:top}\n"
	"thead th{background:var(--head);vertical-align:bottom}.n{text-align:right}"
	"td.n,td.k,time{white-space:nowrap}\n"
	"tfoot td,tfoot th{font-weight:600;border-top:2px solid var(--line)}\n"
	"svg{width:100%;height:auto;max-width:54rem}svg text{fill:var(--fg);font-size:14px}\n"
	".s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}\n"
	"a:focus,.wide:focus{outline:3px solid var(--s1);outline-offset:2px}\n"
	"@media "
	"print{table{width:100%}td{max-width:none}:root{--fg:#000;--bg:#fff;--soft:#333;--line:"
	"#888;--head:#eee;--s1:#0b5cad;"
	"--s2:#a14a00;--s3:#5b3a9d}body{max-width:none;padding:0;font-size:8.5pt}"
	".wide{overflow:visible}thead{display:table-header-group}tr,svg{break-inside:avoid}"
	"th,td{padding:.2rem "
	".4rem}time{white-space:normal}caption{break-after:avoid}:"
	"root{color-scheme:light}}\n"
	"@page{size:landscape;margin:12mm}\n"
	"</style>\n";

void report_html_text(struct buf *into, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		switch (c) {
		case '&':
			buf_add_text(into, "&amp;");
			break;
		case '<':
			buf_add_text(into, "&lt;");
			break;
		case '>':
			buf_add_text(into, "&gt;");
			break;
		case '"':
			buf_add_text(into, "&quot;");
			break;
		case '\'':
			buf_add_text(into, "&#39;");
			break;
		default:
			buf_add_char(into, c < 0x20 || c == 0x7f ? ' ' : (char)c);
		}
	}
}

static void add_text(struct buf *into, const char *text)
{
	report_html_text(into, str_of(text));
}

/* "neverUsed" as people read it: "never used". */
static void add_name(struct buf *into, const char *name)
{
	for (; *name; name++) {
		if (*name >= 'A' && *name <= 'Z') {
			buf_add_char(into, ' ');
			buf_add_char(into, (char)(*name - 'A' + 'a'));
		} else {
			buf_add_char(into, *name);
		}
	}
}

static bool is_number(enum export_type type)
{
	return type == EXPORT_INT || type == EXPORT_DECIMAL;
}

/* --- cells
 * -------------------------------------------------------------------------------------
 */

/* A long word may break behind a sign, or after so many characters, and is copied whole. */
static void add_long_word(struct buf *into, struct str word)
{
	size_t begin = 0, chars = 0;

	for (size_t at = 1; at <= word.len; at++) {
		bool end = at == word.len;

		if (!end && ((unsigned char)word.p[at] & 0xc0) == 0x80)
			continue;
		chars++;
		if (!end && chars < WORD_PIECE && !strchr("@._-/:", word.p[at - 1]))
			continue;
		report_html_text(into, str_n(word.p + begin, at - begin));
		if (!end)
			buf_add_text(into, "<wbr>");
		begin = at;
		chars = 0;
	}
}

static void add_words(struct buf *into, struct str text)
{
	while (text.len) {
		size_t n = str_find_any(text, " ");

		if (n > WORD_MOST)
			add_long_word(into, str_n(text.p, n));
		else
			report_html_text(into, str_n(text.p, n));
		if (n < text.len)
			buf_add_char(into, text.p[n++]);
		text = str_n(text.p + n, text.len - n);
	}
}

static struct str text_of(const json_t *value)
{
	return str_n(json_string_value(value), json_string_length(value));
}

static void add_list(struct buf *into, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, one) {
		buf_add_text(into, i ? "; " : "");
		add_words(into, text_of(one));
	}
}

static void add_decimal(struct buf *into, int64_t hundredths)
{
	buf_addf(into, "%s%" PRId64 ".%02d", hundredths < 0 ? "-" : "",
		 hundredths < 0 ? -(hundredths / 100) : hundredths / 100,
		 (int)(hundredths < 0 ? -(hundredths % 100) : hundredths % 100));
}

static void add_value(struct buf *into, enum export_type type, const json_t *value)
{
	char time[STAMP_TEXT_BYTES];

	if (json_is_array(value)) {
		add_list(into, value);
	} else if (json_is_string(value)) {
		add_words(into, text_of(value));
	} else if (json_is_boolean(value)) {
		buf_add_text(into, json_is_true(value) ? "yes" : "no");
	} else if (!json_is_integer(value)) {
		buf_add_text(into, NONE);
	} else if (type == EXPORT_TIME) {
		stamp_text(json_integer_value(value), time);
		buf_addf(into, "<time datetime=\"%s\">%.10s %.5sZ</time>", time, time,
			 time + 11);
	} else if (type == EXPORT_DECIMAL) {
		add_decimal(into, json_integer_value(value));
	} else {
		buf_addf(into, "%" PRId64, (int64_t)json_integer_value(value));
	}
}

/* A date, a word: it stays in one piece. */
static bool is_short(const json_t *value)
{
	struct str text = text_of(value);

	return text.len && text.len <= SHORT_MOST && str_find_any(text, " ") == text.len;
}

static void add_row(const struct report *report, const json_t *row, struct buf *into)
{
	unsigned i = 0;

	buf_add_text(into, "<tr>");
	for (const struct export_column *c = report->columns; c->name; c++, i++) {
		const json_t *value = json_array_get(row, i);

		buf_addf(into, "<td%s>",
			 is_number(c->type) ? " class=\"n\""
			 : is_short(value)  ? " class=\"k\""
					    : "");
		add_value(into, c->type, value);
		buf_add_text(into, "</td>");
	}
	buf_add_text(into, "</tr>\n");
}

static void add_totals(const struct report *report, const json_t *totals, struct buf *into)
{
	unsigned i = 0;

	if (!json_is_array(totals))
		return;
	buf_add_text(into, "<tfoot><tr>");
	for (const struct export_column *c = report->columns; c->name; c++, i++) {
		const json_t *value = json_array_get(totals, i);

		if (!i) {
			buf_add_text(into, "<th scope=\"row\">All</th>");
			continue;
		}
		buf_addf(into, "<td%s>", is_number(c->type) ? " class=\"n\"" : "");
		if (json_is_integer(value))
			add_value(into, c->type, value);
		buf_add_text(into, "</td>");
	}
	buf_add_text(into, "</tr></tfoot>\n");
}

static void add_table(const struct report *report, const json_t *answer, struct buf *into)
{
	const json_t *rows = json_object_get(answer, "rows"), *row;
	size_t at;

	buf_add_text(into, "<div class=\"wide\" role=\"region\" tabindex=\"0\" "
			   "aria-labelledby=\"rows\">\n<table>\n<caption id=\"rows\">");
	add_text(into, report->title);
	buf_addf(into, ": %zu %s</caption>\n<thead><tr>", json_array_size(rows),
		 json_array_size(rows) == 1 ? "row" : "rows");
	for (const struct export_column *c = report->columns; c->name; c++) {
		buf_addf(into, "<th scope=\"col\"%s>",
			 is_number(c->type) ? " class=\"n\"" : "");
		add_name(into, c->name);
		buf_add_text(into, "</th>");
	}
	buf_add_text(into, "</tr></thead>\n<tbody>\n");
	json_array_foreach ((json_t *)(uintptr_t)rows, at, row)
		add_row(report, row, into);
	buf_add_text(into, "</tbody>\n");
	add_totals(report, json_object_get(answer, "totals"), into);
	buf_add_text(into, "</table>\n</div>\n");
}

/* --- the chart
 * ---------------------------------------------------------------------------------
 */

static int column_at(const struct report *report, const char *name)
{
	for (int i = 0; name && report->columns[i].name; i++)
		if (!strcmp(report->columns[i].name, name))
			return i;
	return -1;
}

struct bar {
	const json_t *label, *beside;
	const char *says; /* instead of a label */
	int64_t v[REPORT_SERIES];
};
VEC(vec_bar, struct bar);

struct chart {
	const struct report *report;
	struct vec_bar bars;
	size_t first; /* that is drawn */
	int label, beside, series[REPORT_SERIES];
	int64_t most;
};

static int64_t sum_of(const struct bar *b)
{
	int64_t sum = 0;

	for (size_t i = 0; i < REPORT_SERIES; i++)
		sum += b->v[i];
	return sum;
}

/* All of them, also those that nothing falls into: the shape is what is looked at. */
static int bars_of_steps(struct chart *c, struct err *err)
{
	const struct report_step *s = c->report->steps;

	for (bool more = s != NULL; more; more = s++->most != INT64_MIN) {
		const struct bar b = { .says = s->says };

		if (vec_bar_add(&c->bars, b) < 0)
			return err_nomem(err);
	}
	return 0;
}

static size_t step_at(const struct report_step *steps, const json_t *number)
{
	size_t i = 0;

	while (steps[i].most != INT64_MIN &&
	       (!json_is_integer(number) || json_integer_value(number) > steps[i].most))
		i++;
	return i;
}

static int bar_for(struct chart *c, const json_t *row, struct bar **ret, struct err *err)
{
	const json_t *label = json_array_get(row, (size_t)c->label);
	const struct bar fresh = { .label = label,
				   .beside = c->beside < 0
						     ? NULL
						     : json_array_get(row, (size_t)c->beside) };

	if (c->report->steps) {
		*ret = &c->bars.v[step_at(c->report->steps, label)];
		return 0;
	}
	for (size_t i = c->bars.n; c->report->grouped && i-- > 0;) {
		*ret = &c->bars.v[i];
		if (json_equal(c->bars.v[i].label, label))
			return 0;
	}
	if (vec_bar_add(&c->bars, fresh) < 0)
		return err_nomem(err);
	*ret = &c->bars.v[c->bars.n - 1];
	return 0;
}

static int bars_add(struct chart *c, const json_t *rows, struct err *err)
{
	const json_t *row;
	struct bar *b = NULL;
	size_t at;
	int r = bars_of_steps(c, err);

	json_array_foreach ((json_t *)(uintptr_t)rows, at, row) {
		if (r == 0)
			r = bar_for(c, row, &b, err);
		if (r < 0)
			return r;
		if (c->report->counts)
			b->v[0]++;
		for (size_t i = 0; i < REPORT_SERIES; i++)
			if (c->series[i] >= 0)
				b->v[i] += json_integer_value(
					json_array_get(row, (size_t)c->series[i]));
	}
	return r;
}

static bool is_drawn(const struct chart *c, size_t i)
{
	return i >= c->first && i < c->first + BARS_MOST && i < c->bars.n;
}

/* *any false: there is nothing to draw. */
static int chart_of(const struct report *report, const json_t *rows, struct chart *c, bool *any,
		    struct err *err)
{
	int r = 0;

	*c = (struct chart){ .report = report };
	c->label = column_at(report, report->label);
	c->beside = column_at(report, report->beside);
	for (size_t i = 0; i < REPORT_SERIES; i++)
		c->series[i] = column_at(report, report->series[i]);
	if (c->label >= 0 && json_array_size(rows))
		r = bars_add(c, rows, err);
	if (report->newest && c->bars.n > BARS_MOST)
		c->first = c->bars.n - BARS_MOST;
	for (size_t i = 0; i < c->bars.n; i++)
		if (is_drawn(c, i) && sum_of(&c->bars.v[i]) > c->most)
			c->most = sum_of(&c->bars.v[i]);
	*any = c->most > 0;
	return r;
}

/* How much of a line's place a character takes, about, in tenths of a small letter. */
static unsigned width_of(struct str s)
{
	unsigned char b = (unsigned char)s.p[0];

	if (b < 0x80)
		return strchr("MWmw@%", b) ? 17 : b >= 'A' && b <= 'Z' ? 13 : 10;
	/* from U+1100 on there are scripts whose characters are squares */
	return b >= 0xe2 || (b == 0xe1 && s.len > 1 && (unsigned char)s.p[1] >= 0x84) ? 20 : 13;
}

/* Names are cut at a character; *room, in tenths of a letter, is left of the place for them. */
static void add_label(struct buf *into, const json_t *value, unsigned *room)
{
	struct str text = str_n(json_string_value(value), json_string_length(value));
	size_t at = 0;

	while (at < text.len) {
		unsigned wide = width_of(str_n(text.p + at, text.len - at));

		if (wide > *room)
			break;
		*room -= wide;
		at++;
		while (at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80)
			at++;
	}
	report_html_text(into, str_n(text.p, at));
	if (at < text.len) {
		buf_add_text(into, "\xe2\x80\xa6");
		*room = 0;
	}
}

static void add_labels(const struct bar *b, struct buf *into)
{
	unsigned room = LABEL_ROOM;

	if (b->says) {
		add_text(into, b->says);
		return;
	}
	if (json_is_integer(b->label))
		buf_addf(into, "%" PRId64, (int64_t)json_integer_value(b->label));
	else if (!json_string_length(b->label))
		buf_add_text(into, "(none)");
	else
		add_label(into, b->label, &room);
	if (!b->beside || room < 60)
		return;
	buf_add_text(into, ", ");
	room -= 20;
	add_label(into, b->beside, &room);
}

static void add_bar(const struct chart *c, size_t at, struct buf *into)
{
	int64_t y = (int64_t)(at - c->first) * (BAR_HEIGHT + ROW_GAP) + ROW_GAP, x = BAR_X;
	const struct bar *b = &c->bars.v[at];

	buf_addf(into, "<text x=\"%d\" y=\"%" PRId64 "\" text-anchor=\"end\">", BAR_X - 8,
		 y + BAR_HEIGHT - 3);
	add_labels(b, into);
	buf_add_text(into, "</text>");
	for (size_t i = 0; i < REPORT_SERIES; i++) {
		int64_t width =
			b->v[i] > 0 ? (int64_t)((double)b->v[i] / (double)c->most * BAR_WIDTH)
				    : 0;

		if (width)
			buf_addf(into,
				 "<rect class=\"s%zu\" x=\"%" PRId64 "\" y=\"%" PRId64
				 "\" width=\"%" PRId64 "\" height=\"%d\"/>",
				 i + 1, x, y, width, BAR_HEIGHT);
		x += width;
	}
	buf_addf(into, "<text x=\"%" PRId64 "\" y=\"%" PRId64 "\">", x + 6, y + BAR_HEIGHT - 3);
	if (c->series[0] >= 0 && c->report->columns[c->series[0]].type == EXPORT_DECIMAL)
		add_decimal(into, sum_of(b));
	else
		buf_addf(into, "%" PRId64, sum_of(b));
	buf_add_text(into, "</text>\n");
}

static void add_key(const char *name, size_t i, unsigned x, size_t y, struct buf *into)
{
	buf_addf(into,
		 "<rect class=\"s%zu\" x=\"%u\" y=\"%zu\" width=\"14\" height=\"14\"/>"
		 "<text x=\"%u\" y=\"%zu\">",
		 i + 1, x, y, x + 20, y + 12);
	add_name(into, name);
	buf_add_text(into, "</text>");
}

static void add_legend(const struct chart *c, size_t y, struct buf *into)
{
	unsigned x = BAR_X;

	if (c->report->counts)
		add_key(c->report->counts, 0, x, y, into);
	for (size_t i = 0; i < REPORT_SERIES; i++) {
		if (c->series[i] < 0)
			continue;
		add_key(c->report->series[i], i, x, y, into);
		x += 40 + 9 * (unsigned)strlen(c->report->series[i]);
	}
	buf_add_char(into, '\n');
}

static void draw(const struct chart *c, struct buf *into)
{
	size_t count = c->bars.n - c->first < BARS_MOST ? c->bars.n - c->first : BARS_MOST;
	size_t height = count * (BAR_HEIGHT + ROW_GAP) + ROW_GAP;

	buf_addf(into,
		 "<svg viewBox=\"0 0 900 %zu\" role=\"img\" aria-labelledby=\"ct cd\">\n"
		 "<title id=\"ct\">",
		 height + 30);
	add_text(into, c->report->title);
	buf_add_text(into, "</title>\n<desc id=\"cd\">Bars by ");
	add_name(into, c->report->label);
	buf_add_text(into, "; the same numbers stand in the table below.</desc>\n");
	for (size_t i = 0; i < c->bars.n; i++)
		if (is_drawn(c, i))
			add_bar(c, i, into);
	add_legend(c, height + 8, into);
	buf_add_text(into, "</svg>\n");
	if (c->bars.n > count)
		buf_addf(into, "<p class=\"soft\">The %s %zu of %zu.</p>\n",
			 c->report->newest ? "last" : "first", count, c->bars.n);
}

static int add_chart(const struct report *report, const json_t *rows, struct buf *into,
		     struct err *err)
{
	struct chart c;
	bool any;
	int r = chart_of(report, rows, &c, &any, err);

	if (r == 0 && any)
		draw(&c, into);
	vec_bar_done(&c.bars);
	return r;
}

/* --- the page
 * ----------------------------------------------------------------------------------
 */

int report_html(const struct report *report, const json_t *answer, struct buf *into,
		struct err *err)
{
	const json_t *notes = json_object_get(answer, "notes"), *note;
	char time[STAMP_TEXT_BYTES];
	size_t at, before;
	int r;

	stamp_text(json_integer_value(json_object_get(answer, "made_ms")), time);
	buf_add_text(into, head_html);
	buf_add_text(into, "<title>");
	add_text(into, report->title);
	buf_add_text(into, " \xc2\xb7 ");
	add_text(into, jx_get_text(answer, "instance"));
	buf_add_text(into, "</title>\n");
	buf_add_text(into, style_html);
	buf_add_text(into, "</head>\n<body>\n<main>\n<h1>");
	add_text(into, report->title);
	buf_add_text(into, "</h1>\n<p class=\"soft\">Instance ");
	add_text(into, jx_get_text(answer, "instance"));
	buf_addf(into, ", <time datetime=\"%s\">%.10s %.5s UTC</time></p>\n<p>", time, time,
		 time + 11);
	add_text(into, report->about);
	buf_add_text(into, "</p>\n");
	r = add_chart(report, json_object_get(answer, "rows"), into, err);
	if (r < 0)
		return r;
	before = into->len;
	add_table(report, answer, into);
	if (into->p && memmem(into->p + before, into->len - before, NONE, sizeof(NONE) - 1))
		buf_add_text(into, "<p class=\"soft\">" DASH
				   ": not known, not told, or there is none.</p>\n");
	if (json_array_size(notes)) {
		buf_add_text(into, "<h2>Notes</h2>\n<ul>\n");
		json_array_foreach ((json_t *)(uintptr_t)notes, at, note) {
			buf_add_text(into, "<li>");
			add_text(into, json_string_value(note));
			buf_add_text(into, "</li>\n");
		}
		buf_add_text(into, "</ul>\n");
	}
	buf_add_text(into, "</main>\n</body>\n</html>\n");
	return buf_fault(into, err, "the page");
}
