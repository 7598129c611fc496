#include "bridge/bulk_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/render.h"
#include "hr/text.h"

/* --- the file -------------------------------------------------------------------------------
 */

static int bytes_read(int fd, const char *name, struct buf *into, struct err *err)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_IO, errno, "reading %s", name);
		buf_add(into, piece, (size_t)n);
		if (into->fault)
			return err_set(err, ERR_LIMIT,
				       "%s is longer than %u MiB: take several files", name,
				       BULK_FILE_MAX >> 20);
	}
	return 0;
}

static int declared(const struct cli *cli, int *ret, struct err *err)
{
	const char *word = cli_local(cli, "encoding");

	*ret = HR_ENC_AUTO;
	for (int i = 0; word && hr_encoding_words[i]; i++)
		if (strcmp(word, hr_encoding_words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return word ? err_set(err, ERR_USAGE, "--encoding: %s is none that leaverd reads", word)
		    : 0;
}

/* Bytes of whatever encoding to UTF-8. */
static int text_read(const struct cli *cli, const char *name, struct str bytes,
		     struct buf *into, struct err *err)
{
	struct hr_text text = { 0 };
	int encoding, r = declared(cli, &encoding, err);

	if (r == 0)
		r = hr_text_begin(&text, encoding,
				  str_n(bytes.p, bytes.len < 4096 ? bytes.len : 4096), err);
	if (r == 0)
		r = hr_text_add(&text, str_n(bytes.p + text.skip, bytes.len - text.skip), true,
				into, err);
	if (r == 0)
		r = buf_fault(into, err, name);
	return r < 0 ? err_context(err, r, "%s", name) : 0;
}

static int file_read(const struct cli *cli, const char *name, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(buf_done) struct buf bytes;
	bool in = strcmp(name, "-") == 0;
	int r;

	buf_init(&bytes, 2 * BULK_FILE_MAX);
	if (in && isatty(STDIN_FILENO))
		return err_set(err, ERR_USAGE, "give the file on stdin: leaverd bulk - < FILE");
	if (!in)
		fd = open(name, O_RDONLY | O_CLOEXEC);
	if (!in && fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s",
				 name);
	r = bytes_read(in ? STDIN_FILENO : fd, in ? "what came on stdin" : name, &bytes, err);
	return r < 0 ? r : text_read(cli, name, buf_str(&bytes), into, err);
}

int prepare_bulk(struct cli *cli, json_t *request, struct err *err)
{
	const char *name = jx_get_text(request, "file");
	CLEANUP(buf_done) struct buf text;
	int r = 0;

	buf_init(&text, BULK_FILE_MAX);
	if (name) {
		r = file_read(cli, name, &text, err);
		if (r == 0)
			r = jx_set(request, "text",
				   json_stringn(text.p ? text.p : "", text.len), err);
	}
	if (r == 0 && cli_local(cli, "result"))
		r = jx_set(request, "result", json_true(), err);
	return r;
}

/* --- the result -----------------------------------------------------------------------------
 */

/* Beside the name, then renamed: whoever reads it never sees half of it. People's data: only
 * the user's own. */
static int result_write(const char *name, struct str text, struct err *err)
{
	char beside[4200];
	CLEANUP(fd_close_at) int fd = -1;
	size_t done = 0;

	if (snprintf(beside, sizeof(beside), "%s.part", name) >= (int)sizeof(beside))
		return err_set(err, ERR_LIMIT, "--result: the file's name is too long");
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "--result %s", beside);
	while (done < text.len) {
		ssize_t n = write(fd, text.p + done, text.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_IO, errno, "--result %s", beside);
		done += (size_t)n;
	}
	if (fsync(fd) < 0 || rename(beside, name) < 0)
		return err_errno(err, ERR_IO, errno, "--result %s", name);
	return 0;
}

int finish_bulk(struct cli *cli, json_t *answer, struct err *err)
{
	const char *name = cli_local(cli, "result");
	const json_t *text = json_object_get(answer, "result");
	int r = 0;

	if (!text)
		return 0;
	if (name)
		r = result_write(name, str_n(json_string_value(text), json_string_length(text)),
				 err);
	json_object_del(answer, "result");
	return r == 0 && name ? jx_set(answer, "result_file", json_string(name), err) : r;
}

/* --- for people -----------------------------------------------------------------------------
 */

static long long number_of(const json_t *row, const char *member)
{
	return (long long)json_integer_value(json_object_get(row, member));
}

static void render_faults(struct cli *cli, const json_t *out)
{
	json_t *list = json_object_get(out, "faults"), *row;
	size_t i;

	if (!json_array_size(list))
		return;
	render_head(cli, "Faulty rows (%lld)", number_of(out, "faults_total"));
	json_array_foreach (list, i, row) {
		render_line(cli, "  line %lld, column %lld: %s", number_of(row, "line"),
			    number_of(row, "column"), jx_get_text(row, "text"));
	}
	if (number_of(out, "faults_total") > (long long)json_array_size(list))
		render_line(cli, "  and %lld more: --result has them all",
			    number_of(out, "faults_total") - (long long)json_array_size(list));
}

static void render_counts(struct cli *cli, const json_t *rows)
{
	static const struct {
		const char *word, *says;
	} says[] = {
		{ "planned", "planned" },
		{ "ready", "right, and not planned" },
		{ "held", "planned, and held by a guard" },
		{ "already", "so already" },
		{ "pending", "about to be done by a plan that was approved" },
		{ "faulty", "faulty" },
	};

	for (size_t i = 0; i < COUNT_OF(says); i++)
		if (number_of(rows, says[i].word))
			render_line(cli, "%8lld %s", number_of(rows, says[i].word),
				    says[i].says);
}

static void render_planned(struct cli *cli, const json_t *plan)
{
	long long n = number_of(plan, "plan");

	render_head(cli, "Plan %lld (%s): %lld actions, %lld of them held%s", n,
		    jx_get_text(plan, "org"), number_of(plan, "actions"),
		    number_of(plan, "held_actions"),
		    json_is_true(json_object_get(plan, "held")) ? "; a limit holds it whole"
								: "");
	if (json_is_true(json_object_get(plan, "unchanged")))
		render_line(cli, "It stood already, and says the same.");
	render_line(cli,
		    "Nothing is changed yet. Next: leaverd show %lld, leaverd approve %lld, "
		    "leaverd apply %lld --wait",
		    n, n, n);
}

int render_bulk(struct cli *cli, const json_t *out)
{
	json_t *plan;
	size_t i;

	render_faults(cli, out);
	render_counts(cli, json_object_get(out, "rows"));
	json_array_foreach (json_object_get(out, "plans"), i, plan) {
		render_planned(cli, plan);
	}
	if (json_is_true(json_object_get(out, "dry")))
		render_line(cli, "A dry run: no plan was made.");
	else if (!json_array_size(json_object_get(out, "plans")))
		render_line(cli, "Nothing was planned.");
	if (jx_get_text(out, "result_file"))
		render_line(cli, "Row by row: %s", jx_get_text(out, "result_file"));
	return 0;
}
