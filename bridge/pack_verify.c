/*
 * Verification of a pack, out of a folder or a tar. Both become a list of parts (a name, a file
 * descriptor, where, how many bytes); all else is the same for the two.
 */
#include "bridge/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/jx.h"
#include "bridge/stamps.h"
#include "model/plan.h"

#define FAULTS_MOST 1000
#define DEPTH_MOST 4
#define LINE_MOST (64u << 20)
#define PLAN_MOST (1024u << 20)

struct part {
	char *name;
	int64_t from, bytes; /* in the tar; of a folder from is 0 */
};
VEC(vec_part, struct part);

struct looking {
	const char *path;
	int tar;         /* its descriptor; -1: a folder */
	int64_t made_ms; /* as the headers of the tar say */
	struct vec_part parts;
	const char *stamp_ca;
	struct vec_anchor stamps; /* by number */
	size_t stamp;             /* the next one to be held against an entry */
	struct pack_verdict *v;
	struct err *err;
};

void pack_verdict_done(struct pack_verdict *v)
{
	pack_manifest_done(&v->manifest);
	for (size_t i = 0; i < v->faults.n; i++) {
		free(v->faults.v[i].name);
		free(v->faults.v[i].text);
	}
	pack_faults_done(&v->faults);
}

static void looking_done(struct looking *l)
{
	for (size_t i = 0; i < l->parts.n; i++)
		free(l->parts.v[i].name);
	vec_part_done(&l->parts);
	vec_anchor_done(&l->stamps);
	fd_close_at(&l->tar);
}

/* Names of a pack are plain; those that somebody put there may hold any byte. */
static void add_shown(struct buf *into, const char *name)
{
	buf_add_text(into, "");
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c < 0x20 || c >= 0x7f || c == '\\')
			buf_addf(into, "\\x%02x", c);
		else
			buf_add_char(into, (char)c);
	}
}

/* 0, or NOMEM: that a fault was found does not end the looking. */
static int found(struct looking *l, const char *name, const char *format, ...) PRINTF(3, 4);
static int found(struct looking *l, const char *name, const char *format, ...)
{
	CLEANUP(buf_done) struct buf shown = { 0 };
	struct pack_fault f = { 0 };
	char text[ERR_TEXT_BYTES];
	va_list args;

	if (l->v->faults.n >= FAULTS_MOST)
		return 0;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_init(&shown, 4 * strlen(name) + 1);
	add_shown(&shown, name);
	if (shown.fault)
		return err_nomem(l->err);
	f.name = buf_take(&shown, NULL);
	f.text = str_dup(str_of(text));
	if (f.name && f.text && pack_faults_add(&l->v->faults, f) == 0)
		return 0;
	free(f.name);
	free(f.text);
	return err_nomem(l->err);
}

static int by_name(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Once all are there: parts_sort(). */
static const struct part *part_named(const struct looking *l, const char *name)
{
	struct part wanted = { .name = (char *)(uintptr_t)name };

	return l->parts.n ? bsearch(&wanted, l->parts.v, l->parts.n, sizeof(wanted), by_name)
			  : NULL;
}

static int parts_sort(struct looking *l)
{
	int r = 0;

	if (l->parts.n)
		qsort(l->parts.v, l->parts.n, sizeof(*l->parts.v), by_name);
	for (size_t i = 1; r == 0 && i < l->parts.n; i++)
		if (!by_name(&l->parts.v[i - 1], &l->parts.v[i]))
			r = found(l, l->parts.v[i].name, "is there twice");
	return r;
}

static int part_add(struct looking *l, const char *name, int64_t from, int64_t bytes)
{
	struct part p = { str_dup(str_of(name)), from, bytes };

	if (p.name && vec_part_add(&l->parts, p) == 0)
		return 0;
	free(p.name);
	return err_nomem(l->err);
}

/* --- a folder
 * ----------------------------------------------------------------------------------
 */

static int look_folder(struct looking *l, const char *under, unsigned depth);

static int look_entry(struct looking *l, const char *under, const char *entry, unsigned depth)
{
	CLEANUP(buf_done) struct buf name;
	CLEANUP(buf_done) struct buf path;
	struct stat st;
	int r;

	buf_init(&name, 4096);
	buf_init(&path, 8192);
	buf_addf(&name, "%s%s%s", under, *under ? "/" : "", entry);
	buf_addf(&path, "%s/%s", l->path, name.p ? name.p : "");
	r = buf_fault(&name, l->err, "a name in the pack");
	if (r == 0)
		r = buf_fault(&path, l->err, "a path in the pack");
	if (r < 0)
		return r;
	if (lstat(path.p, &st) < 0)
		return err_errno(l->err, ERR_IO, errno, "%s", path.p);
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST)
		return look_folder(l, name.p, depth + 1);
	if (!S_ISREG(st.st_mode))
		return found(l, name.p, "is not a plain file");
	return part_add(l, name.p, 0, st.st_size);
}

static int look_folder(struct looking *l, const char *under, unsigned depth)
{
	CLEANUP(buf_done) struct buf path;
	const struct dirent *e;
	bool any = false;
	DIR *dir;
	int r = 0;

	buf_init(&path, 8192);
	buf_addf(&path, "%s/%s", l->path, under);
	r = buf_fault(&path, l->err, "a path in the pack");
	if (r < 0)
		return r;
	dir = opendir(path.p);
	if (!dir)
		return err_errno(l->err, ERR_IO, errno, "%s", path.p);
	while (r == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			any = true;
			r = look_entry(l, under, e->d_name, depth);
		}
	closedir(dir);
	return r == 0 && depth && !any
		       ? found(l, under, "is an empty folder, which no pack has")
		       : r;
}

/* --- a tar
 * -------------------------------------------------------------------------------------
 */

static bool all_zero(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static bool read_octal(const unsigned char *p, size_t digits, int64_t *ret)
{
	int64_t value = 0;

	for (size_t i = 0; i < digits; i++) {
		if (p[i] < '0' || p[i] > '7')
			return false;
		value = value * 8 + (p[i] - '0');
	}
	*ret = value;
	return true;
}

/* What one header of a tar says; false: it is none of ours. */
struct header {
	char name[PACK_NAME_MOST + 1], top[156];
	int64_t bytes, made_ms;
};

static bool header_read(const unsigned char block[PACK_TAR_BLOCK], struct header *h)
{
	unsigned char again[PACK_TAR_BLOCK];
	int64_t made_s;

	memcpy(h->name, block, PACK_NAME_MOST);
	h->name[PACK_NAME_MOST] = '\0';
	memcpy(h->top, block + 345, 155);
	h->top[155] = '\0';
	if (!read_octal(block + 124, 11, &h->bytes) || !read_octal(block + 136, 11, &made_s))
		return false;
	h->made_ms = made_s * 1000;
	/* it is unpacked into one folder, beside whatever is there */
	if (!h->top[0] || strchr(h->top, '/') || !strcmp(h->top, ".") || !strcmp(h->top, ".."))
		return false;
	return pack_tar_header(h->top, h->name, h->bytes, h->made_ms, again) &&
	       !memcmp(block, again, sizeof(again));
}

static int read_at(const struct looking *l, void *into, size_t len, int64_t at)
{
	ssize_t n = pread(l->tar, into, len, at);

	if (n < 0)
		return err_errno(l->err, ERR_IO, errno, "%s", l->path);
	return n == (ssize_t)len ? 0 : 1;
}

static int64_t padded(int64_t bytes)
{
	return (bytes + PACK_TAR_BLOCK - 1) / PACK_TAR_BLOCK * PACK_TAR_BLOCK;
}

static int check_padding(struct looking *l, const struct header *h, int64_t at)
{
	unsigned char rest[PACK_TAR_BLOCK];
	size_t len = (size_t)(padded(h->bytes) - h->bytes);
	int r = read_at(l, rest, len, at + h->bytes);

	if (r < 0)
		return r;
	return r == 0 && all_zero(rest, len)
		       ? 0
		       : found(l, h->name, "the tar is changed or cut behind this file");
}

static int look_end(struct looking *l, int64_t at, int64_t size)
{
	unsigned char end[2 * PACK_TAR_BLOCK];
	int r;

	if (size - at != (int64_t)sizeof(end))
		return found(l, "(end of the tar)", "is not where it should be");
	r = read_at(l, end, sizeof(end), at);
	if (r < 0)
		return r;
	return r == 0 && all_zero(end, sizeof(end))
		       ? 0
		       : found(l, "(end of the tar)", "is changed");
}

static int look_tar(struct looking *l)
{
	unsigned char block[PACK_TAR_BLOCK];
	struct header h, first = { 0 };
	off_t size = lseek(l->tar, 0, SEEK_END);
	int64_t at = 0;
	int r = 0;

	if (size < 0)
		return err_errno(l->err, ERR_IO, errno, "%s", l->path);
	while (r == 0 && size - at > 2 * PACK_TAR_BLOCK) {
		r = read_at(l, block, sizeof(block), at);
		if (r)
			break;
		if (!header_read(block, &h) ||
		    (at && (strcmp(h.top, first.top) != 0 || h.made_ms != first.made_ms))) {
			char where[80];

			snprintf(where, sizeof(where), "(tar header at byte %lld, behind %s)",
				 (long long)at,
				 l->parts.n ? l->parts.v[l->parts.n - 1].name : "nothing");
			return found(l, where, "is changed; what follows cannot be read");
		}
		if (!at)
			first = h;
		at += PACK_TAR_BLOCK;
		if (r == 0)
			r = part_add(l, h.name, at, h.bytes);
		if (r == 0)
			r = check_padding(l, &h, at);
		at += padded(h.bytes);
	}
	l->made_ms = first.made_ms;
	return r < 0 ? r : look_end(l, at, size);
}

/* --- parts
 * -------------------------------------------------------------------------------------
 */

static int part_open(const struct looking *l, const struct part *p, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	int fd, r;

	buf_init(&path, 8192);
	buf_addf(&path, "%s/%s", l->path, p->name);
	r = buf_fault(&path, err, "the path of a file");
	if (r < 0)
		return r;
	fd = l->tar < 0 ? open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : dup(l->tar);
	return fd < 0 ? err_errno(err, ERR_IO, errno, "%s", path.p) : fd;
}

static int part_text(const struct looking *l, const struct part *p, struct buf *into)
{
	CLEANUP(fd_close_at) int fd = part_open(l, p, l->err);
	char piece[16384];
	int64_t at = 0;

	if (fd < 0)
		return fd;
	while (at < p->bytes) {
		size_t want = p->bytes - at < (int64_t)sizeof(piece) ? (size_t)(p->bytes - at)
								     : sizeof(piece);
		ssize_t n = pread(fd, piece, want, p->from + at);

		if (n <= 0)
			return err_errno(l->err, ERR_IO, n < 0 ? errno : EIO, "%s", p->name);
		buf_add(into, piece, (size_t)n);
		at += n;
	}
	return buf_fault(into, l->err, p->name);
}

static int check_file(struct looking *l, const struct pack_file *f)
{
	const struct part *p = part_named(l, f->name);
	struct digest_file d;
	int fd, r;

	if (!p)
		return found(l, f->name, "is missing");
	if (p->bytes != f->bytes)
		return found(l, f->name, "has %lld bytes instead of %lld", (long long)p->bytes,
			     (long long)f->bytes);
	fd = part_open(l, p, l->err);
	if (fd < 0)
		return fd;
	r = digest_part(fd, p->from, p->bytes, &d, l->err);
	close(fd);
	if (r < 0)
		return r;
	if (memcmp(d.sha256, f->sha256, sizeof(f->sha256)) != 0 ||
	    memcmp(d.blake2b_512, f->blake2b, sizeof(f->blake2b)) != 0)
		return found(l, f->name,
			     "is changed: its checksums are not those of " PACK_MANIFEST);
	l->v->files++;
	l->v->bytes += f->bytes;
	return 0;
}

static int by_file_name(const void *a, const void *b)
{
	const struct pack_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A manifest that reads is in order. */
static bool is_listed(const struct pack_files *files, const char *name)
{
	struct pack_file wanted = { .name = (char *)(uintptr_t)name };

	return files->n && bsearch(&wanted, files->v, files->n, sizeof(wanted), by_file_name);
}

static int check_unlisted(struct looking *l)
{
	const struct pack_files *files = &l->v->manifest.files;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->parts.n; i++) {
		const char *name = l->parts.v[i].name;

		if (strcmp(name, PACK_MANIFEST) != 0 && strcmp(name, PACK_SIGNATURE) != 0 &&
		    !is_listed(files, name))
			r = found(l, name, "is not one of the pack's files");
	}
	return r;
}

/* The manifest, its signature by the key, and the key that it names. */
static int check_manifest(struct looking *l, const unsigned char key[DIGEST_PUB_BYTES])
{
	const struct part *p = part_named(l, PACK_MANIFEST), *s = part_named(l, PACK_SIGNATURE);
	CLEANUP(buf_done) struct buf text;
	CLEANUP(buf_done) struct buf sig;
	struct err said;
	int r;

	buf_init(&text, PACK_MANIFEST_MOST);
	buf_init(&sig, 4096);
	if (!p || !s)
		return found(l, p ? PACK_SIGNATURE : PACK_MANIFEST, "is missing");
	if (s->bytes > 4096 || p->bytes > PACK_MANIFEST_MOST)
		return found(l, s->bytes > 4096 ? PACK_SIGNATURE : PACK_MANIFEST,
			     "is longer than leaverd writes it");
	r = part_text(l, p, &text);
	if (r == 0)
		r = part_text(l, s, &sig);
	if (r < 0)
		return r;
	r = pack_signature_check(buf_str(&sig), key, buf_str(&text), &said);
	if (r < 0)
		return found(l, PACK_SIGNATURE, "%s", said.text);
	r = pack_manifest_read(buf_str(&text), &l->v->manifest, &said);
	if (r < 0)
		return found(l, PACK_MANIFEST, "%s", said.text);
	if (!secret_memequal(l->v->manifest.key, key, DIGEST_PUB_BYTES))
		return found(l, PACK_MANIFEST, "names another key than the one given");
	if (l->tar >= 0 && l->made_ms != l->v->manifest.made_ms)
		return found(l, "(tar headers)", "say another time than " PACK_MANIFEST);
	return 0;
}

/* --- what the files say
 * ------------------------------------------------------------------------
 */

static bool hex_is(const json_t *row, const char *member, const struct digest *d)
{
	const char *text = jx_get_text(row, member);
	struct digest said;

	return text && digest_unhex(str_of(text), &said) && digest_equal(&said, d);
}

/* What is looked at in each line of a file. */
struct lines {
	const char *name;
	const struct plan *plan;
	const struct digest *digest;
	int64_t last;
};
typedef int (*line_fn)(struct looking *l, struct lines *of, const json_t *row);

static int one_line(struct looking *l, struct lines *of, struct str line, line_fn fn)
{
	CLEANUP(json_decref_at) json_t *row = NULL;

	if (jx_parse(line, JX_LENIENT, &row, NULL) < 0)
		return found(l, of->name, "holds a line that is no JSON");
	return fn(l, of, row);
}

/* Line by line, since a chain may be longer than memory. */
static int each_line(struct looking *l, struct lines *of, line_fn fn)
{
	const struct part *p = part_named(l, of->name);
	CLEANUP(fd_close_at) int fd = p ? part_open(l, p, l->err) : -1;
	CLEANUP(buf_done) struct buf text;
	char piece[16384];
	int64_t at = 0;
	int r = p && fd < 0 ? fd : 0;

	buf_init(&text, LINE_MOST);
	while (r == 0 && p && at < p->bytes) {
		size_t want = p->bytes - at < (int64_t)sizeof(piece) ? (size_t)(p->bytes - at)
								     : sizeof(piece);
		ssize_t n = pread(fd, piece, want, p->from + at);
		struct str rest, line;

		if (n <= 0)
			return err_errno(l->err, ERR_IO, n < 0 ? errno : EIO, "%s", of->name);
		at += n;
		rest = str_n(piece, (size_t)n);
		while (r == 0 && str_cut(rest, '\n', &line, &rest)) {
			buf_add_str(&text, line);
			r = buf_fault(&text, l->err, of->name);
			if (r == 0)
				r = one_line(l, of, str_n(text.p ? text.p : "", text.len), fn);
			buf_clear(&text);
		}
		if (r == 0)
			buf_add_str(&text, line);
	}
	if (r == 0)
		r = buf_fault(&text, l->err, of->name);
	return r == 0 && text.len ? one_line(l, of, buf_str(&text), fn) : r;
}

/* Time stamps of this entry name its link. */
static int hold_stamps(struct looking *l, int64_t seq, const json_t *row)
{
	for (; l->stamp < l->stamps.n && l->stamps.v[l->stamp].seq <= seq; l->stamp++) {
		const struct anchor *a = &l->stamps.v[l->stamp];

		if (a->seq < seq)
			continue;
		if (!hex_is(row, "link", &a->link))
			return found(l, "audit.jsonl",
				     "entry %lld is not the one that was stamped",
				     (long long)seq);
		l->v->stamps_held++;
	}
	return 0;
}

/* One entry of the extract: its number follows, its body has its digest. */
static int check_entry(struct looking *l, struct lines *of, const json_t *row)
{
	const json_t *body = json_object_get(row, "body");
	const char *salt = jx_get_text(row, "salt");
	int64_t seq = json_integer_value(json_object_get(row, "seq"));
	unsigned char bytes[64];
	struct digest_run run;
	struct digest d;
	int r;

	l->v->audit_entries++;
	if (of->last && seq != of->last + 1)
		return found(l, of->name, "entry %lld follows entry %lld", (long long)seq,
			     (long long)of->last);
	of->last = seq;
	r = hold_stamps(l, seq, row);
	if (r < 0)
		return r;
	if (json_is_true(json_object_get(row, "withheld"))) {
		l->v->audit_withheld++;
		return 0;
	}
	if (!json_is_string(body)) {
		l->v->audit_forgotten++;
		return 0;
	}
	l->v->audit_bodies++;
	if (!salt || strlen(salt) > 2 * sizeof(bytes) ||
	    !enc_unhex(str_of(salt), bytes, strlen(salt) / 2))
		return found(l, "audit.jsonl", "entry %lld has no salt", (long long)seq);
	digest_begin(&run, NULL);
	digest_add(&run, bytes, strlen(salt) / 2);
	digest_add(&run, json_string_value(body), json_string_length(body));
	digest_end(&run, &d);
	return hex_is(row, "digest", &d)
		       ? 0
		       : found(l, "audit.jsonl", "the body of entry %lld has another digest",
			       (long long)seq);
}

static int check_audit(struct looking *l)
{
	struct lines of = { .name = "audit.jsonl" };

	return each_line(l, &of, check_entry);
}

/* A row of values is what the plan's bytes name by their digest, or it was erased. */
static int check_value(struct looking *l, struct lines *of, const json_t *row)
{
	const struct plan *plan = of->plan;
	int64_t n = json_integer_value(json_object_get(row, "n"));
	const char *salt = jx_get_text(row, "salt"), *json = jx_get_text(row, "json");
	unsigned char bytes[PLAN_SALT_BYTES];
	struct digest d;

	if (json_is_true(json_object_get(row, "erased"))) {
		l->v->erased++;
		return 0;
	}
	l->v->values++;
	if (n < 1 || (size_t)n > plan->actions.n || !salt || !json ||
	    !enc_unhex(str_of(salt), bytes, sizeof(bytes)))
		return found(l, of->name, "has a row that names no action of the plan");
	plan_subject_digest(bytes, str_of(json), &d);
	return digest_equal(&d, &plan->actions.v[n - 1].subject)
		       ? 0
		       : found(l, of->name, "action %lld is not about whom the plan names",
			       (long long)n);
}

static int check_values(struct looking *l, const char *folder, const struct plan *plan)
{
	char name[PACK_NAME_MOST + 1];
	struct lines of = { .name = name, .plan = plan };

	snprintf(name, sizeof(name), "%s/values.jsonl", folder);
	return each_line(l, &of, check_value);
}

static int check_decision(struct looking *l, struct lines *of, const json_t *row)
{
	return hex_is(row, "digest", of->digest)
		       ? 0
		       : found(l, of->name,
			       "names a decision about other bytes than plan.json");
}

static int check_decisions(struct looking *l, const char *folder, const struct digest *plan)
{
	char name[PACK_NAME_MOST + 1];
	struct lines of = { .name = name, .digest = plan };

	snprintf(name, sizeof(name), "%s/decisions.jsonl", folder);
	return each_line(l, &of, check_decision);
}

static int check_plan(struct looking *l, const struct part *p)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	char folder[PACK_NAME_MOST + 1];
	CLEANUP(buf_done) struct buf text;
	struct digest d;
	struct err said;
	int r;

	buf_init(&text, PLAN_MOST);
	snprintf(folder, sizeof(folder), "%.*s", (int)(strlen(p->name) - strlen("/plan.json")),
		 p->name);
	r = part_text(l, p, &text);
	if (r < 0)
		return r;
	digest_of(&d, NULL, buf_str(&text));
	if (plan_parse(buf_str(&text), &plan, &said) < 0)
		return found(l, p->name, "%s", said.text);
	r = check_decisions(l, folder, &d);
	if (r == 0)
		r = check_values(l, folder, plan);
	l->v->plans++;
	return r;
}

static int check_stamp(struct looking *l, const struct part *p)
{
	const struct stamps_terms terms = { .ca_file = l->stamp_ca };
	size_t stem = strlen(p->name) - strlen(STAMPS_END);
	char name[PACK_NAME_MOST + sizeof(STAMPS_TEXT_END)];
	CLEANUP(buf_done) struct buf answer;
	CLEANUP(buf_done) struct buf text;
	struct tsp_stamp stamp;
	const struct part *of;
	struct anchor a;
	struct err said;
	int r;

	buf_init(&answer, TSP_ANSWER_MAX);
	buf_init(&text, ANCHOR_LINE_BYTES + 1);
	(void)snprintf(name, sizeof(name), "%.*s" STAMPS_TEXT_END, (int)stem, p->name);
	of = part_named(l, name);
	if (!of || of->bytes > ANCHOR_LINE_BYTES + 1 || p->bytes > TSP_ANSWER_MAX)
		return found(l, p->name, "is no time stamp, or what it is of is missing");
	r = part_text(l, p, &answer);
	if (r == 0)
		r = part_text(l, of, &text);
	if (r < 0)
		return r;
	r = stamps_check(buf_str(&text), buf_str(&answer), &terms, &a, &stamp, &said);
	if (r == -ERR_CONFIG)
		return err_set(l->err, ERR_CONFIG, "%s", said.text);
	if (r < 0)
		return found(l, p->name, "%s", said.text);
	if (!l->v->stamps++ || stamp.ms < l->v->stamps_first_ms)
		l->v->stamps_first_ms = stamp.ms;
	if (stamp.ms >= l->v->stamps_last_ms) {
		l->v->stamps_last_ms = stamp.ms;
		(void)snprintf(l->v->authority, sizeof(l->v->authority), "%s", stamp.authority);
	}
	return vec_anchor_add(&l->stamps, a) < 0 ? err_nomem(l->err) : 0;
}

static int check_stamps(struct looking *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->parts.n; i++)
		if (str_starts(str_of(l->parts.v[i].name), STR("stamps/")) &&
		    str_ends(str_of(l->parts.v[i].name), STR(STAMPS_END)))
			r = check_stamp(l, &l->parts.v[i]);
	anchor_sort(&l->stamps);
	return r;
}

static int check_content(struct looking *l)
{
	int r = check_stamps(l);

	if (r == 0)
		r = check_audit(l);

	for (size_t i = 0; r == 0 && i < l->parts.n; i++)
		if (str_ends(str_of(l->parts.v[i].name), STR("/plan.json")))
			r = check_plan(l, &l->parts.v[i]);
	return r;
}

int pack_verify(const char *path, const unsigned char key[DIGEST_PUB_BYTES],
		const char *stamp_ca, struct pack_verdict *ret, struct err *err)
{
	CLEANUP(looking_done)
	struct looking l = {
		.path = path, .tar = -1, .stamp_ca = stamp_ca, .v = ret, .err = err
	};
	struct stat st;
	int r = 0;

	*ret = (struct pack_verdict){ 0 };
	if (stat(path, &st) < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s",
				 path);
	if (S_ISDIR(st.st_mode)) {
		r = look_folder(&l, "", 0);
	} else {
		l.tar = open(path, O_RDONLY | O_CLOEXEC);
		r = l.tar < 0 ? err_errno(err, ERR_IO, errno, "%s", path) : look_tar(&l);
	}
	if (r == 0)
		r = parts_sort(&l);
	if (r == 0)
		r = check_manifest(&l, key);
	for (size_t i = 0; r == 0 && i < ret->manifest.files.n; i++)
		r = check_file(&l, &ret->manifest.files.v[i]);
	if (r == 0 && ret->manifest.instance)
		r = check_unlisted(&l);
	if (r == 0 && !ret->faults.n)
		r = check_content(&l);
	if (r < 0)
		return r;
	if (!ret->faults.n)
		return 0;
	return err_set(err, ERR_DAMAGED, "%s: %s %s%s", path, ret->faults.v[0].name,
		       ret->faults.v[0].text, ret->faults.n > 1 ? " (and more)" : "");
}
