#include "bridge/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/stamp.h"
#include "bridge/export.h"
#include "bridge/render.h"

#define TOKEN_MOST_BYTES 256
#define PROGRESS_ROWS 10000

/* --- a file that is whole or not there
 * ----------------------------------------------------------
 */

int out_file_open(struct out_file *f, const char *path, struct err *err)
{
	struct stat st;
	int r;

	*f = (struct out_file){ .path = path, .fd = -1 };
	buf_init(&f->temp, 4096);
	if (!path || !strcmp(path, "-")) {
		f->path = NULL;
		f->fd = STDOUT_FILENO;
		return 0;
	}
	/* a pipe or a device is written as it is: to rename over it would take it away */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		f->path = NULL;
		f->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		f->given = f->fd >= 0;
		return f->given ? 0 : err_errno(err, ERR_IO, errno, "%s", path);
	}
	buf_addf(&f->temp, "%s.XXXXXX", path);
	r = buf_fault(&f->temp, err, "the name of the file");
	if (r < 0)
		return r;
	f->fd = mkstemp(f->temp.p); /* mode 0600 */
	if (f->fd < 0) {
		r = err_errno(err, ERR_IO, errno, "%s: a file beside it cannot be made", path);
		buf_done(&f->temp);
		return r;
	}
	return 0;
}

int out_file_write(struct out_file *f, struct str bytes, struct err *err)
{
	while (bytes.len) {
		ssize_t n = write(f->fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return OUT_FILE_CLOSED;
		if (n < 0)
			return err_errno(err, errno == ENOSPC ? ERR_FULL : ERR_IO, errno,
					 "writing %s", f->path ? f->path : "the output");
		bytes.p += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

/* The folder, so that the name is there after a loss of power, too. */
static int sync_folder(const char *path, struct err *err)
{
	CLEANUP(free_at) char *folder = str_dup(str_of(path));
	CLEANUP(fd_close_at) int fd = -1;
	char *slash;

	if (!folder)
		return err_nomem(err);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder ? 1 : 0] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		return err_errno(err, ERR_IO, errno, "syncing the folder of %s", path);
	return 0;
}

int out_file_keep(struct out_file *f, struct err *err)
{
	int r = 0;

	if (!f->path)
		return 0;
	if (fsync(f->fd) < 0 || rename(f->temp.p, f->path) < 0)
		return err_errno(err, ERR_IO, errno, "writing %s", f->path);
	close(f->fd);
	f->fd = -1;
	buf_done(&f->temp);
	r = sync_folder(f->path, err);
	return r;
}

void out_file_done(struct out_file *f)
{
	if (f->given)
		close(f->fd);
	f->given = false;
	if (f->path && f->fd >= 0) {
		close(f->fd);
		if (f->temp.p)
			unlink(f->temp.p);
	}
	f->fd = -1;
	buf_done(&f->temp);
}

/* --- the export
 * --------------------------------------------------------------------------------
 */

struct export_run {
	struct cli *cli;
	struct cli_line *line;
	struct out_file file;
	const char *what;
	json_t *in;
	int64_t rows, limit, sealed, told;
	bool closed;   /* whoever reads has enough */
	json_t *as_of; /* of the first chunk */
};

static void export_run_done(struct export_run *e)
{
	out_file_done(&e->file);
	cli_line_free(e->line);
	json_decref(e->in);
	json_decref(e->as_of);
}

int export_read_token(const char *path, json_t *in, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[TOKEN_MOST_BYTES];
	struct str line, rest;
	ssize_t n;
	int r;

	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "--token-file %s", path);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "--token-file %s", path);
	str_cut(str_n(text, (size_t)n), '\n', &line, &rest);
	line = str_trim(line);
	r = jx_set(in, "token", json_stringn(line.p, line.len), err);
	secret_wipe(text, sizeof(text));
	return r;
}

int prepare_token(struct cli *cli, json_t *request, struct err *err)
{
	const char *path = cli_local(cli, "token-file");

	return path ? export_read_token(path, request, err) : 0;
}

static int make_request(struct export_run *e, const json_t *request, struct err *err)
{
	const char *format = jx_get_text(request, "format");
	const char *token = cli_local(e->cli, "token-file");
	int r;

	e->in = json_copy((json_t *)(uintptr_t)request);
	if (!e->in)
		return err_nomem(err);
	e->what = jx_get_text(request, "what");
	e->limit = json_integer_value(json_object_get(request, "limit"));
	r = jx_set(e->in, "format", json_string(format ? format : "csv"), err);
	if (r == 0 && json_is_true(json_object_get(e->in, "bom")) && format &&
	    strcmp(format, "csv") != 0)
		r = err_set(err, ERR_USAGE, "--bom is for CSV");
	if (r == 0 && token)
		r = export_read_token(token, e->in, err);
	return r;
}

static void show(struct export_run *e)
{
	if (e->rows - e->told < PROGRESS_ROWS)
		return;
	e->told = e->rows;
	cli_progress(e->cli, "export ... %" PRId64 " %s", e->rows, e->what);
}

/* Above zero: it was the last. */
static int one_chunk(struct export_run *e, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = NULL;
	const json_t *text, *place;
	int r;

	if (e->limit)
		r = jx_set(e->in, "limit", json_integer(e->limit - e->rows), err);
	else
		r = 0;
	if (r == 0)
		r = jx_set(e->in, "rows", json_integer(e->rows), err);
	if (r == 0)
		r = cli_line_call(e->line, "export", e->in, &out, err);
	if (r < 0)
		return r;
	text = json_object_get(out, "text");
	place = json_object_get(out, "place");
	if (!json_is_string(text) || !(json_is_array(place) || json_is_null(place)))
		return err_set(err, ERR_PROTOCOL, "leaverd serve answered without rows");
	r = out_file_write(&e->file, str_n(json_string_value(text), json_string_length(text)),
			   err);
	e->closed = r == OUT_FILE_CLOSED;
	if (r != 0)
		return r;
	e->rows += json_integer_value(json_object_get(out, "rows"));
	e->sealed += json_integer_value(json_object_get(out, "sealed"));
	if (!e->as_of)
		e->as_of = json_incref(json_object_get(out, "as_of"));
	else if (!json_equal(e->as_of, json_object_get(out, "as_of")))
		e->as_of = (json_decref(e->as_of), json_null());
	show(e);
	if (json_is_null(place))
		return 1;
	return jx_set(e->in, "place", json_incref((json_t *)(uintptr_t)place), err);
}

/* On standard error, since the rows may stand on standard output. */
static void tell(const struct export_run *e)
{
	const json_t *read;
	size_t i;

	cli_progress(e->cli, "%s", "");
	if (e->cli->quiet)
		return;
	fprintf(stderr, "%" PRId64 " %s", e->rows, e->what);
	if (e->file.path)
		fprintf(stderr, " in %s", e->file.path);
	fputs(".\n", stderr);
	if (e->sealed)
		fprintf(stderr,
			"%" PRId64 " steps that lie ahead name nobody (--token-file).\n",
			e->sealed);
	if (!strcmp(e->what, "users") && !json_object_get(e->in, "token"))
		fputs("Ends that lie ahead are not shown (--token-file).\n", stderr);
	if (strcmp(e->what, "accounts") != 0 && strcmp(e->what, "seats") != 0 &&
	    strcmp(e->what, "org-groups") != 0)
		return;
	if (json_is_null(e->as_of))
		fputs("An organisation was read anew meanwhile: rows are of both reads.\n",
		      stderr);
	json_array_foreach (e->as_of, i, read) {
		char text[STAMP_TEXT_BYTES] = "never";
		int64_t ms = json_integer_value(json_object_get(read, "ended_ms"));

		if (ms)
			stamp_text(ms, text);
		fprintf(stderr, "%s was read %s%s.\n", jx_get_text(read, "org"), text,
			!ms || json_is_true(json_object_get(read, "complete"))
				? ""
				: ", not completely");
	}
}

int local_export(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(export_run_done) struct export_run e = { .cli = cli, .file = { .fd = -1 } };
	int r;

	buf_init(&e.file.temp, 4096);
	r = make_request(&e, request, err);
	if (r == 0)
		r = cli_line_open(cli, &e.line, err);
	if (r == 0)
		r = out_file_open(&e.file, cli_local(cli, "output"), err);
	cli_interrupts();
	while (r == 0) {
		if (verb_cancelled(NULL))
			r = err_set(err, ERR_CANCELLED,
				    "the export was interrupted; nothing of it is kept");
		else
			r = one_chunk(&e, err);
	}
	if (r < 0)
		return r;
	r = out_file_keep(&e.file, err);
	if (r == 0 && !e.closed)
		tell(&e);
	return r;
}
