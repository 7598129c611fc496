#include "bridge/report_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/stamp.h"
#include "bridge/export_file.h"
#include "bridge/render.h"
#include "bridge/report_html.h"

#define SAMPLE_MOST_BYTES (512u << 10) /* a request is at most 1 MiB */
#define SAMPLE_ROWS_MOST 5000
#define PAGE_MOST (256u << 20)
#define COLUMNS_MOST 24

enum form { FORM_TABLE, FORM_CSV, FORM_JSON, FORM_HTML };
static const char *const form_words[] = { "table", "csv", "json", "html" };

/* --- the sample
 * --------------------------------------------------------------------------------
 */

/* "ada@example.com" or "ada@example.com,2026-11-20"; a first line without @ and digits names
 * the columns. Cells may stand in quotes. */
static struct str unquoted(struct str cell)
{
	cell = str_trim(cell);
	if (cell.len >= 2 && cell.p[0] == '"' && cell.p[cell.len - 1] == '"')
		return str_n(cell.p + 1, cell.len - 2);
	return cell;
}

static bool names_columns(struct str line)
{
	return str_find_any(line, "@0123456789") == line.len;
}

static int sample_line(json_t *list, struct str line, size_t number, struct err *err)
{
	struct str key, date;
	int64_t ms;

	line = str_trim(line);
	if (!line.len || (number == 1 && names_columns(line)))
		return 0;
	if (!str_cut(line, ',', &key, &date) && !str_cut(line, ';', &key, &date) &&
	    !str_cut(line, '\t', &key, &date))
		date = (struct str){ 0 };
	key = unquoted(key);
	date = unquoted(date);
	if (!key.len || !str_utf8(line, NULL))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "--sample: line %zu names nobody, or is not UTF-8", number);
	if (date.len && !stamp_parse_date(date, &ms))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "--sample: line %zu: the second column is no date such as "
			       "2026-11-20",
			       number);
	if (json_array_size(list) >= SAMPLE_ROWS_MOST)
		return err_set(err, ERR_LIMIT, "--sample: more than %d rows", SAMPLE_ROWS_MOST);
	return jx_add(list,
		      date.len ? json_pack("{s:s%,s:s%}", "key", key.p, key.len, "effective",
					   date.p, date.len)
			       : json_pack("{s:s%}", "key", key.p, key.len),
		      err);
}

static int read_sample(const char *path, json_t *in, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct str line, rest;
	CLEANUP(buf_done) struct buf text;
	char piece[16384];
	size_t number = 0;
	json_t *list = NULL;
	ssize_t n;
	int r;

	buf_init(&text, SAMPLE_MOST_BYTES);
	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "--sample %s", path);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(&text, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "--sample %s", path);
	r = buf_fault(&text, err, "--sample");
	if (r == 0)
		r = jx_set(in, "sample", list = json_array(), err);
	rest = buf_str(&text);
	if (str_starts(rest, STR("\xef\xbb\xbf")))
		rest = str_n(rest.p + 3, rest.len - 3);
	while (r == 0 && rest.len) {
		str_cut(rest, '\n', &line, &rest);
		r = sample_line(list, line, ++number, err);
	}
	return r;
}

/* --- forms
 * -------------------------------------------------------------------------------------
 */

static int csv(const struct report *report, const json_t *answer, struct buf *into,
	       struct err *err)
{
	struct export_line l;
	const json_t *row;
	size_t at;

	export_head(EXPORT_CSV, report->columns, false, into);
	export_begin(&l, EXPORT_CSV, report->columns, into);
	json_array_foreach (json_object_get(answer, "rows"), at, row) {
		for (unsigned i = 0; report->columns[i].name; i++)
			export_json(&l, json_array_get(row, i));
		export_end(&l);
	}
	return buf_fault(into, err, "the report");
}

/* Cells as people read them, under the names of the columns. */
static int row_object(const struct report *report, const json_t *row, bool total, json_t **ret,
		      struct err *err)
{
	CLEANUP(json_decref_at) json_t *object = json_object();
	unsigned i = 0;
	int r = object ? 0 : err_nomem(err);

	for (const struct export_column *c = report->columns; r == 0 && c->name; c++, i++) {
		json_t *cell = json_array_get(row, i);

		if (total && !i)
			r = jx_set(object, c->name, json_string("all"), err);
		else if (c->type == EXPORT_DECIMAL && json_is_integer(cell))
			r = jx_set(object, c->name,
				   json_sprintf("%.2f", (double)json_integer_value(cell) / 100),
				   err);
		else if (cell)
			r = jx_set(object, c->name, json_incref(cell), err);
	}
	if (r == 0)
		*ret = TAKE(object);
	return r;
}

static int table(struct cli *cli, const struct report *report, const json_t *answer,
		 struct err *err)
{
	CLEANUP(json_decref_at) json_t *rows = json_array();
	struct render_column columns[COLUMNS_MOST + 1] = { { 0 } };
	const json_t *row, *totals = json_object_get(answer, "totals");
	json_t *object;
	size_t at;
	int r = rows ? 0 : err_nomem(err);

	for (unsigned i = 0; i < COLUMNS_MOST && report->columns[i].name; i++) {
		const struct export_column *c = &report->columns[i];

		columns[i] = (struct render_column){
			.head = c->name,
			.member = c->name,
			.as = c->type == EXPORT_TIME ? RENDER_AS_TIME
			      : c->type == EXPORT_INT || c->type == EXPORT_DECIMAL
				      ? RENDER_AS_COUNT
				      : RENDER_AS_TEXT,
		};
	}
	json_array_foreach (json_object_get(answer, "rows"), at, row) {
		if (r == 0)
			r = row_object(report, row, false, &object, err);
		if (r == 0)
			r = jx_add(rows, object, err);
	}
	if (r == 0 && json_array_size(rows) && json_is_array(totals)) {
		r = row_object(report, totals, true, &object, err);
		if (r == 0)
			r = jx_add(rows, object, err);
	}
	if (r < 0)
		return r;
	render_head(cli, "%s", report->title);
	render_table(cli, columns, rows, "Nothing.");
	json_array_foreach (json_object_get(answer, "notes"), at, row)
		render_para(cli, 0, "%s", json_string_value(row));
	return buf_fault(&cli->out, err, "the report");
}

static int as_json(const json_t *answer, struct buf *into, struct err *err)
{
	int r = jx_text(answer, into, err);

	buf_add_char(into, '\n');
	return r < 0 ? r : buf_fault(into, err, "the report");
}

static int names(struct cli *cli, const json_t *answer)
{
	static const struct render_column columns[] = {
		{ .head = "report", .member = "name", .firm = true },
		{ .head = "title", .member = "title", .firm = true },
		{ .head = "about", .member = "about" },
		{ 0 },
	};

	render_table(cli, columns, json_object_get(answer, "reports"), "");
	return 0;
}

/* --- the command
 * -------------------------------------------------------------------------------
 */

static int write_form(struct cli *cli, enum form form, const struct report *report,
		      const json_t *answer, struct err *err)
{
	CLEANUP(out_file_done) struct out_file file = { .fd = -1 };
	const char *path = cli_local(cli, "output");
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, PAGE_MOST);
	buf_init(&file.temp, 4096);
	if (form == FORM_TABLE) {
		if (path)
			return err_set(err, ERR_USAGE,
				       "--output wants --format csv, json or html");
		return table(cli, report, answer, err);
	}
	r = form == FORM_CSV    ? csv(report, answer, &text, err)
	    : form == FORM_HTML ? report_html(report, answer, &text, err)
				: as_json(answer, &text, err);
	if (r == 0)
		r = out_file_open(&file, path, err);
	if (r == 0)
		r = out_file_write(&file, buf_str(&text), err);
	return r < 0 ? r : out_file_keep(&file, err);
}

static enum form form_of(const struct cli *cli, const json_t *request)
{
	const char *word = jx_get_text(request, "format");

	if (cli->json)
		return FORM_JSON;
	for (unsigned i = 0; word && i < COUNT_OF(form_words); i++)
		if (!strcmp(word, form_words[i]))
			return (enum form)i;
	return FORM_TABLE;
}

int local_report(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(json_decref_at) json_t *in = json_copy((json_t *)(uintptr_t)request);
	CLEANUP(json_decref_at) json_t *answer = NULL;
	const char *sample = cli_local(cli, "sample"), *token = cli_local(cli, "token-file");
	const struct report *report = report_of(jx_get_text(request, "name"));
	int r = in ? 0 : err_nomem(err);

	if (r == 0 && sample)
		r = read_sample(sample, in, err);
	if (r == 0 && token)
		r = export_read_token(token, in, err);
	if (r == 0)
		r = cli_call(cli, "report", in, &answer, err);
	if (r < 0)
		return r;
	if (!report && cli->json)
		return as_json(answer, &cli->out, err);
	if (!report)
		return names(cli, answer);
	return write_form(cli, form_of(cli, request), report, answer, err);
}
