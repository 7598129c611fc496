/* Time stamps that are kept: reading a folder of them, and holding each against what it says it
 * is of. */
#include "bridge/stamps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

VEC(vec_name, char *);

static void names_done(struct vec_name *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	vec_name_done(v);
}

int stamps_check(struct str text, struct str answer, const struct stamps_terms *terms,
		 struct anchor *ret, struct tsp_stamp *ret_stamp, struct err *err)
{
	static const unsigned char none[DIGEST_PUB_BYTES];
	const struct tsp_terms of = { .data = text, .ca_file = terms->ca_file };
	struct str line = text;
	struct anchor a = { 0 };
	const char *bad;
	int r = tsp_check(answer, &of, ret_stamp, err);

	if (r < 0)
		return r;
	if (line.len && line.p[line.len - 1] == '\n')
		line.len--;
	if (!str_starts(line,
			STR("leaverd-anchor 1 ")) || /* whose first words are the anchor's */
	    !anchor_read_line(line, terms->anchor_key ? terms->anchor_key : none, &a, &bad) ||
	    !a.is_signed)
		return err_set(err, ERR_DAMAGED, "what was stamped is no anchor");
	if (bad && terms->anchor_key)
		return err_set(err, ERR_DAMAGED, "the anchor that was stamped %s", bad);
	*ret = a;
	return 0;
}

/* --- a folder ------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(const char *folder, struct vec_name *into, struct err *err)
{
	const struct dirent *e;
	DIR *dir = opendir(folder);
	int r = 0;

	if (!dir)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "the folder of time stamps %s", folder);
	while (r == 0 && (e = readdir(dir))) {
		struct str name = str_of(e->d_name);
		char *copy;

		if (!str_ends(name, STR(STAMPS_END)) || name.len >= STAMPS_NAME_BYTES)
			continue;
		copy = str_dup(str_n(name.p, name.len - strlen(STAMPS_END)));
		if (!copy || vec_name_add(into, copy) < 0) {
			free(copy);
			r = err_nomem(err);
		}
	}
	closedir(dir);
	if (into->n)
		qsort(into->v, into->n, sizeof(*into->v), by_name);
	return r;
}

static int read_file(const char *folder, const char *name, const char *end, size_t most,
		     struct buf *into, struct err *err)
{
	char path[4096], piece[16384];
	CLEANUP(fd_close_at) int fd = -1;
	ssize_t n;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s%s", folder, name, end) >= sizeof(path))
		return err_set(err, ERR_LIMIT, "%s: the path is too long", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_DAMAGED : ERR_IO, errno, "%s",
				 path);
	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (into->len + (size_t)n > most)
			return err_set(err, ERR_TOO_LARGE,
				       "%s: it is too long for a time stamp", path);
		buf_add(into, piece, (size_t)n);
	}
	return n < 0 ? err_errno(err, ERR_IO, errno, "%s", path) : buf_fault(into, err, path);
}

int stamps_walk(const char *folder, stamps_fn fn, void *ctx, struct err *err)
{
	CLEANUP(names_done) struct vec_name names = { 0 };
	int r = list(folder, &names, err);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		CLEANUP(buf_done) struct buf text;
		CLEANUP(buf_done) struct buf answer;

		buf_init(&text, ANCHOR_LINE_BYTES + 1);
		buf_init(&answer, TSP_ANSWER_MAX);
		r = read_file(folder, names.v[i], STAMPS_TEXT_END, ANCHOR_LINE_BYTES + 1, &text,
			      err);
		if (r == 0)
			r = read_file(folder, names.v[i], STAMPS_END, TSP_ANSWER_MAX, &answer,
				      err);
		if (r == 0)
			r = fn(ctx, names.v[i], buf_str(&text), buf_str(&answer), err);
	}
	return r < 0 ? r : 0;
}

struct checking {
	const char *folder;
	const struct stamps_terms *terms;
	struct vec_anchor *into;
	struct stamps_report *report;
};

static int check_one(void *ctx, const char *name, struct str text, struct str answer,
		     struct err *err)
{
	struct checking *c = ctx;
	struct tsp_stamp stamp;
	struct anchor a;
	int r = stamps_check(text, answer, c->terms, &a, &stamp, err);

	if (r < 0)
		return err_context(err, r, "%s/%s" STAMPS_END, c->folder, name);
	if (vec_anchor_add(c->into, a) < 0)
		return err_nomem(err);
	c->report->stamps++;
	if (a.seq >= c->report->newest_seq) {
		c->report->newest_seq = a.seq;
		c->report->newest = stamp;
	}
	return 0;
}

int stamps_check_folder(const char *folder, const struct stamps_terms *terms,
			struct vec_anchor *into, struct stamps_report *ret, struct err *err)
{
	struct checking c = { folder, terms, into, ret };
	int r;

	*ret = (struct stamps_report){ 0 };
	r = stamps_walk(folder, check_one, &c, err);
	if (r == 0 && !ret->stamps)
		r = err_set(err, ERR_INVALID_VALUE, "%s holds no time stamp", folder);
	if (r == 0)
		anchor_sort(into);
	return r;
}
