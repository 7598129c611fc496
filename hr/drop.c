#include "hr/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/enc.h"
#include "base/rewrite.h"
#include "base/stamp.h"

#define SEAL_MAX_BYTES 16384
#define FOLDER_MAX 100000 /* names looked at */

static const char *const unfinished[] = { ".part",     ".partial",    ".tmp",      ".temp",
					  ".filepart", ".crdownload", ".download", ".upload",
					  ".swp",      ".lock",       "~" };

void hr_drop_done(struct hr_drop *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d->name);
	*d = (struct hr_drop){ .fd = -1 };
}

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

bool hr_drop_same(const struct hr_drop *d)
{
	struct stat st;

	return fstat(d->fd, &st) == 0 && st.st_size == d->bytes && mtime_of(&st) == d->mtime_ms;
}

/* --- what it is sealed with ----------------------------------------------------------------
 */

/* "untrusted comment: ...\n" BASE64 "\ntrusted comment: " TEXT "\n" BASE64 */
struct minisig {
	unsigned char algorithm[2], key_id[8], sig[DIGEST_SIG_BYTES];
	struct str trusted;
	unsigned char global[DIGEST_SIG_BYTES];
};

static bool unbase64(struct str s, void *ret, size_t len)
{
	CLEANUP(buf_done) struct buf raw;

	buf_init(&raw, 1024);
	if (!enc_unbase64(&raw, str_trim(s)) || raw.fault || raw.len != len)
		return false;
	memcpy(ret, raw.p, len);
	return true;
}

static bool minisig_read(struct str text, struct minisig *ret)
{
	static const char trusted[] = "trusted comment: ";
	unsigned char packed[74];
	struct str line, rest;

	if (!str_cut(text, '\n', &line, &rest) || !str_starts(line, STR("untrusted comment:")))
		return false;
	text = rest;
	if (!str_cut(text, '\n', &line, &rest) || !unbase64(line, packed, sizeof(packed)))
		return false;
	memcpy(ret->algorithm, packed, 2);
	memcpy(ret->key_id, packed + 2, 8);
	memcpy(ret->sig, packed + 10, DIGEST_SIG_BYTES);
	text = rest;
	if (!str_cut(text, '\n', &line, &rest) || !str_starts(line, str_of(trusted)))
		return false;
	line = str_n(line.p + sizeof(trusted) - 1, line.len - sizeof(trusted) + 1);
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	ret->trusted = line;
	(void)str_cut(rest, '\n', &line, &rest);
	return unbase64(line, ret->global, sizeof(ret->global));
}

/* "Ed", 8 bytes of id, 32 of key */
static bool key_read(const char *key, unsigned char ret[42])
{
	return unbase64(str_of(key), ret, 42) && ret[0] == 'E' && ret[1] == 'd';
}

bool hr_signature_key_ok(const char *key)
{
	unsigned char raw[42];

	return key_read(key, raw);
}

static int signed_by(const struct minisig *s, const unsigned char raw[42],
		     const struct digest_file *file, struct err *err)
{
	CLEANUP(buf_done) struct buf whole;
	int r;

	buf_init(&whole, SEAL_MAX_BYTES + DIGEST_SIG_BYTES);
	if (!digest_verify(s->sig, raw + 10,
			   str_n((const char *)file->blake2b_512, sizeof(file->blake2b_512))))
		return err_set(
			err, ERR_REFUSED,
			"the signature is not of this file: it was changed, or belongs to "
			"another");
	buf_add(&whole, s->sig, DIGEST_SIG_BYTES);
	buf_add_str(&whole, s->trusted);
	r = buf_fault(&whole, err, "the signature");
	if (r == 0 && !digest_verify(s->global, raw + 10, buf_str(&whole)))
		r = err_set(err, ERR_REFUSED,
			    "the signature's trusted comment is not what was signed");
	return r;
}

int hr_signature_check(const struct conf_list *keys, struct str text,
		       const struct digest_file *file, struct err *err)
{
	struct minisig s;

	if (!minisig_read(text, &s))
		return err_set(err, ERR_REFUSED,
			       "the signature is none of minisign: expected its four lines");
	if (memcmp(s.algorithm, "ED", 2) != 0)
		return err_set(
			err, ERR_REFUSED,
			"the signature is of the old form: sign with minisign 0.10 or newer, "
			"or with -H");
	for (size_t i = 0; i < keys->n; i++) {
		unsigned char raw[42];

		if (key_read(keys->v[i], raw) && memcmp(raw + 2, s.key_id, 8) == 0)
			return signed_by(&s, raw, file, err);
	}
	return err_set(err, ERR_REFUSED,
		       "the signature is by a key that signed_by does not name");
}

/* NAME.suffix as text. */
static int beside(const struct hr_drop *d, const char *suffix, struct buf *into,
		  struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	char path[4096], piece[4096];
	ssize_t n = 0;

	if (snprintf(path, sizeof(path), "%s%s", d->path, suffix) >= (int)sizeof(path))
		return err_set(err, ERR_IO, "%s%s: the path is too long", d->path, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_REFUSED, "%s%s is missing", d->name, suffix);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "opening %s", path);
	while (!into->fault && (n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	if (into->fault)
		return buf_fault(into, err, suffix);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "reading %s", path);
	return buf_fault(into, err, suffix);
}

static int check_checksum(const struct hr_drop *d, const struct digest_file *file,
			  struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	unsigned char said[32];
	struct str hex, rest;
	int r;

	buf_init(&text, SEAL_MAX_BYTES);
	r = beside(d, ".sha256", &text, err);
	if (r < 0)
		return r;
	(void)str_cut(str_trim(buf_str(&text)), ' ', &hex, &rest);
	if (!enc_unhex(hex, said, sizeof(said)))
		return err_set(err, ERR_REFUSED,
			       "%s.sha256 holds no checksum: expected what sha256sum writes",
			       d->name);
	if (memcmp(said, file->sha256, sizeof(said)) != 0)
		return err_set(
			err, ERR_REFUSED,
			"the checksum in %s.sha256 is not that of the file: it was cut or "
			"changed",
			d->name);
	return 0;
}

static int check_seal(const struct hr_options *o, struct hr_drop *d, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	struct digest_file file;
	int r;

	buf_init(&text, SEAL_MAX_BYTES);
	d->seal = "nothing";
	if (!o->checksum && !o->signed_by.n)
		return 0;
	if (!d->path)
		return err_set(
			err, ERR_REFUSED,
			"what comes on stdin has no checksum and no signature beside it, "
			"which checksum or signed_by asks for");
	r = digest_file(d->fd, o->max_bytes, &file, err);
	if (r == 0 && o->checksum)
		r = check_checksum(d, &file, err);
	if (r == 0 && o->signed_by.n) {
		r = beside(d, ".minisig", &text, err);
		if (r == 0)
			r = hr_signature_check(&o->signed_by, buf_str(&text), &file, err);
	}
	if (r < 0)
		return r;
	d->digest = file.ours;
	d->seal = o->signed_by.n ? "signature" : "checksum";
	return 0;
}

/* --- which file ----------------------------------------------------------------------------
 */

/* The day that stands in the name, as (year)(month)(day). */
static int date_in_name(const struct hr_options *o, const char *name, int64_t *ret,
			struct err *err)
{
	CLEANUP(rewrite_free_at) struct rewrite *re = NULL;
	CLEANUP(buf_done) struct buf text;
	int r = rewrite_new(&re, o->name_date, "$1-$2-$3", err);

	buf_init(&text, 4096);
	if (r == 0)
		r = rewrite_apply(re, str_of(name), &text, err);
	if (r < 0)
		return r;
	if (r == 0) {
		/* what stands around the match is kept by the rewrite: the date is looked for
		 */
		for (size_t i = 0; i + 10 <= text.len; i++)
			if (stamp_parse_date(str_n(text.p + i, 10), ret))
				return 0;
	}
	return err_set(err, ERR_REFUSED,
		       "the name %.100s has no date where name_date looks for one", name);
}

static bool is_unfinished(const char *name)
{
	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < COUNT_OF(unfinished); i++)
		if (str_ends(str_of(name), str_of(unfinished[i])))
			return true;
	return false;
}

static bool is_seal(const struct hr_options *o, const char *name)
{
	return str_ends(str_of(name), STR(".sha256")) ||
	       str_ends(str_of(name), STR(".minisig")) ||
	       (o->ready_suffix && str_ends(str_of(name), str_of(o->ready_suffix)));
}

/* Opens and looks at one; HR_DROP_NONE: it is still being written. */
static int look(const struct hr_options *o, const char *path, const char *name, int64_t now_ms,
		struct hr_drop *ret, struct err *err)
{
	char ready[4096];
	struct stat st;
	int r;

	ret->path = str_dup(str_of(path));
	ret->name = str_dup(str_of(name));
	if (!ret->path || !ret->name)
		return err_nomem(err);
	ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (ret->fd < 0) {
		int why = errno;

		r = err_errno(err, ERR_IO, why, "opening %s", path);
		errno = why;
		return r;
	}
	if (fstat(ret->fd, &st) < 0)
		return err_errno(err, ERR_IO, errno, "looking at %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REFUSED, "%s is no regular file", path);
	ret->bytes = st.st_size;
	ret->mtime_ms = ret->date_ms = mtime_of(&st);
	r = o->name_date ? date_in_name(o, name, &ret->date_ms, err) : 0;
	if (r < 0)
		return r;
	if (o->ready_suffix) {
		(void)snprintf(ready, sizeof(ready), "%s%s", path, o->ready_suffix);
		if (access(ready, F_OK) < 0) {
			(void)!err_set(err, ERR_UNAVAILABLE, "%s waits for %s%s", name, name,
				       o->ready_suffix);
			return HR_DROP_NONE;
		}
	} else if (llabs(now_ms - ret->mtime_ms) < o->settle_ms) {
		/* a file server's clock may be ahead of ours */
		(void)!err_set(
			err, ERR_UNAVAILABLE,
			"%s was written less than %lld s ago (settle): it may not be whole "
			"yet",
			name, (long long)(o->settle_ms / 1000));
		return HR_DROP_NONE;
	}
	return 0;
}

bool hr_drop_in_order(const struct hr_options *o)
{
	return o->folder && o->kind != HR_FULL;
}

/* Below zero: it comes before the other. */
static int by_date(const struct hr_drop *d, int64_t date_ms, const char *name)
{
	if (d->date_ms != date_ms)
		return d->date_ms < date_ms ? -1 : 1;
	return strcmp(d->name, name);
}

static void swap(struct hr_drop *a, struct hr_drop *b)
{
	struct hr_drop other = *a;

	*a = *b;
	*b = other;
}

/* What a folder was found to hold. */
struct found {
	const struct hr_options *o;
	const struct hr_drop_last *last;
	int64_t now_ms;
	struct hr_drop best;   /* what is to be read, as far as was seen */
	struct hr_drop unripe; /* the earliest after the last that is still being written */
	bool last_there;       /* best is the last itself */
	uint64_t waiting, after;
};

/* One that is whole. What is not kept is left in *d. */
static void found_whole(struct found *f, struct hr_drop *d)
{
	const struct hr_drop_last *last = f->last;
	int order;

	if (!hr_drop_in_order(f->o)) {
		if (f->best.fd < 0 || by_date(d, f->best.date_ms, f->best.name) > 0)
			swap(&f->best, d);
		return;
	}
	order = last && last->name ? by_date(d, last->date_ms, last->name) : 1;
	if (order < 0 || (order == 0 && last->over))
		return;
	f->after += order > 0;
	if (f->best.fd < 0 ||
	    (order > 0 && (f->last_there || by_date(d, f->best.date_ms, f->best.name) < 0))) {
		swap(&f->best, d);
		f->last_there = order == 0;
	}
}

/* One that is still being written: what comes after it in order waits for it. */
static void found_unripe(struct found *f, struct hr_drop *d)
{
	const struct hr_drop_last *last = f->last;

	f->waiting++;
	if (!hr_drop_in_order(f->o) ||
	    (last && last->name && by_date(d, last->date_ms, last->name) <= 0))
		return;
	if (f->unripe.fd < 0 || by_date(d, f->unripe.date_ms, f->unripe.name) < 0)
		swap(&f->unripe, d);
}

/* One name of the folder. */
static int consider(struct found *f, const char *name, struct err *err)
{
	const struct hr_options *o = f->o;
	struct hr_drop d = { .fd = -1 };
	char path[4096];
	int r;

	if (is_seal(o, name) ||
	    (o->pattern && !is_unfinished(name) && fnmatch(o->pattern, name, FNM_PERIOD) != 0))
		return 0;
	if (is_unfinished(name)) {
		f->waiting += name[0] != '.' || strlen(name) > 2;
		return 0;
	}
	if (hr_drop_in_order(o) && !str_utf8(str_of(name), NULL))
		return err_set(
			err, ERR_REFUSED,
			"a name in %s is no UTF-8: which export was read last could not be "
			"kept",
			o->folder);
	(void)snprintf(path, sizeof(path), "%s/%s", o->folder, name);
	errno = 0;
	r = look(o, path, name, f->now_ms, &d, err);
	/* gone since the folder was read, a socket, or a folder in it: no drop. One that may
	 * not be opened is told: it may be the newest */
	if ((r == -ERR_IO && (errno == ENOENT || errno == ENXIO)) ||
	    (r == -ERR_REFUSED && d.bytes == 0 && d.mtime_ms == 0)) {
		hr_drop_done(&d);
		return 0;
	}
	if (r == HR_DROP_NONE)
		found_unripe(f, &d);
	else if (r == 0)
		found_whole(f, &d);
	hr_drop_done(&d);
	return r < 0 ? r : 0;
}

/* Why there is nothing to read. */
static int nothing(const struct found *f, struct err *err)
{
	const struct hr_options *o = f->o;

	if (f->waiting)
		(void)!err_set(err, ERR_UNAVAILABLE,
			       "no whole export is in %s yet: %llu may be still being "
			       "written, by their age (settle) or their names",
			       o->folder, (unsigned long long)f->waiting);
	else if (hr_drop_in_order(o) && f->last && f->last->name)
		(void)!err_set(err, ERR_UNAVAILABLE,
			       "no export in %s comes after the one that was read last, %.100s",
			       o->folder, f->last->name);
	else
		(void)!err_set(err, ERR_UNAVAILABLE, "no export is in %s%s%s", o->folder,
			       o->pattern ? " by the name of " : "",
			       o->pattern ? o->pattern : "");
	return HR_DROP_NONE;
}

static int folder_read(struct found *f, struct err *err)
{
	const struct hr_options *o = f->o;
	DIR *dir = opendir(o->folder);
	struct dirent *e;
	size_t n = 0;
	int r = 0;

	if (!dir)
		return err_errno(err, ERR_IO, errno, "opening the folder %s", o->folder);
	while (r == 0 && (e = readdir(dir))) {
		if (++n > FOLDER_MAX)
			r = err_set(err, ERR_LIMIT,
				    "%s holds more than %d files: move old drops away",
				    o->folder, FOLDER_MAX);
		else if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = consider(f, e->d_name, err);
	}
	closedir(dir);
	return r;
}

static int from_folder(const struct hr_options *o, const struct hr_drop_last *last,
		       int64_t now_ms, struct hr_drop *ret, struct err *err)
{
	struct found f = { .o = o,
			   .last = last,
			   .now_ms = now_ms,
			   .best = { .fd = -1 },
			   .unripe = { .fd = -1 } };
	int r = folder_read(&f, err);

	if (r == 0 && f.best.fd >= 0 && f.unripe.fd >= 0 &&
	    by_date(&f.unripe, f.best.date_ms, f.best.name) < 0) {
		(void)!err_set(
			err, ERR_UNAVAILABLE,
			"%.100s is still being written, and what comes after it waits for it",
			f.unripe.name);
		hr_drop_done(&f.best);
		r = HR_DROP_NONE;
	} else if (r == 0 && f.best.fd < 0) {
		r = nothing(&f, err);
	}
	hr_drop_done(&f.unripe);
	f.best.waiting = f.waiting;
	f.best.behind = r == 0 && f.after ? f.after - 1 : 0;
	*ret = f.best;
	return r;
}

static int take_fd(int fd, struct hr_drop *ret, struct err *err)
{
	struct stat st;

	ret->fd = fd;
	ret->name = str_dup(STR("stdin"));
	if (!ret->name)
		return err_nomem(err);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_IO, "the spool of stdin is no regular file");
	ret->bytes = st.st_size;
	ret->mtime_ms = mtime_of(&st);
	return 0;
}

int hr_drop_open(const struct hr_options *o, int fd, const struct hr_drop_last *last,
		 int64_t now_ms, struct hr_drop *ret, struct err *err)
{
	int r;

	ret->fd = -1;
	if (fd >= 0) {
		r = take_fd(fd, ret, err);
	} else if (o->folder) {
		r = from_folder(o, last, now_ms, ret, err);
	} else if (o->path) {
		const char *slash = strrchr(o->path, '/');

		r = look(o, o->path, slash ? slash + 1 : o->path, now_ms, ret, err);
	} else {
		return err_set(
			err, ERR_USAGE,
			"the source has neither path nor folder: give its export on stdin, "
			"leaverd sync %s < FILE",
			o->name ? o->name : "SOURCE");
	}
	return r == 0 ? check_seal(o, ret, err) : r;
}
