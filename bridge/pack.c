#include "bridge/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/stamp.h"

#define HEX_MOST (2 * 64 + 1)

void pack_files_free(struct pack_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].name);
	pack_files_done(f);
}

void pack_manifest_done(struct pack_manifest *m)
{
	free(m->instance);
	free(m->about);
	pack_files_free(&m->files);
	*m = (struct pack_manifest){ 0 };
}

bool pack_name_ok(struct str name)
{
	struct str part, rest = name;

	if (!name.len || name.len > PACK_NAME_MOST || name.p[name.len - 1] == '/')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && (!c || !strchr("-_./", c)))
			return false;
	}
	while (rest.len) {
		str_cut(rest, '/', &part, &rest);
		if (!part.len || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return false;
	}
	return true;
}

/* --- the manifest
 * ------------------------------------------------------------------------------
 */

static int names_in_order(const struct pack_manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->files.n; i++) {
		const char *name = m->files.v[i].name;

		if (!pack_name_ok(str_of(name)))
			return err_set(err, ERR_INVALID_VALUE,
				       "a pack cannot have a file called %s", name);
		if (i && strcmp(m->files.v[i - 1].name, name) >= 0)
			return err_set(
				err, ERR_INVALID_VALUE,
				"the files of a pack are in the order of their names: %s",
				name);
	}
	return 0;
}

int pack_manifest_write(const struct pack_manifest *m, struct buf *into, struct err *err)
{
	char hex[HEX_MOST], time[STAMP_TEXT_BYTES];
	int r = names_in_order(m, err);

	if (r < 0)
		return r;
	stamp_text(m->made_ms, time);
	enc_hex(m->key, sizeof(m->key), hex);
	buf_addf(into, "leaverd-evidence 1\ninstance %s\nabout %s\nmade %s\nkey %s\n",
		 m->instance, m->about, time, hex);
	for (size_t i = 0; i < m->files.n; i++) {
		const struct pack_file *f = &m->files.v[i];

		enc_hex(f->sha256, sizeof(f->sha256), hex);
		buf_addf(into, "file %s ", hex);
		enc_hex(f->blake2b, sizeof(f->blake2b), hex);
		buf_addf(into, "%s %" PRId64 " %s\n", hex, f->bytes, f->name);
	}
	buf_addf(into, "end %zu\n", m->files.n);
	return buf_fault(into, err, "the manifest");
}

/* "WORD VALUE\n" off the front. */
static bool take_line(struct str *rest, const char *word, struct str *value)
{
	struct str line, head;

	return str_cut(*rest, '\n', &line, rest) && str_cut(line, ' ', &head, value) &&
	       str_eq(head, str_of(word));
}

static bool take_file(struct str line, struct pack_file *f, struct str *name)
{
	struct str sha, wide, bytes;

	return str_cut(line, ' ', &sha, &line) && str_cut(line, ' ', &wide, &line) &&
	       str_cut(line, ' ', &bytes, name) && enc_unhex(sha, f->sha256, 32) &&
	       enc_unhex(wide, f->blake2b, 64) && str_int64(bytes, &f->bytes) &&
	       f->bytes >= 0 && pack_name_ok(*name);
}

static int read_files(struct str *rest, struct pack_manifest *m)
{
	struct str value, name;

	while (str_starts(*rest, STR("file "))) {
		struct pack_file f = { 0 };

		if (!take_line(rest, "file", &value) || !take_file(value, &f, &name))
			return -ERR_DAMAGED;
		f.name = str_dup(name);
		if (!f.name || pack_files_add(&m->files, f) < 0) {
			free(f.name);
			return -ERR_NOMEM;
		}
	}
	return 0;
}

static int read_manifest(struct str text, struct pack_manifest *m)
{
	struct str value, rest = text;
	int r;

	if (!take_line(&rest, "leaverd-evidence", &value) || !str_eq(value, STR("1")))
		return -ERR_DAMAGED;
	if (!take_line(&rest, "instance", &value))
		return -ERR_DAMAGED;
	m->instance = str_dup(value);
	if (!take_line(&rest, "about", &value))
		return -ERR_DAMAGED;
	m->about = str_dup(value);
	if (!take_line(&rest, "made", &value) || !stamp_parse(value, &m->made_ms))
		return -ERR_DAMAGED;
	if (!take_line(&rest, "key", &value) || !enc_unhex(value, m->key, sizeof(m->key)))
		return -ERR_DAMAGED;
	r = read_files(&rest, m);
	if (r < 0)
		return r;
	if (!m->instance || !m->about)
		return -ERR_NOMEM;
	return take_line(&rest, "end", &value) && !rest.len ? 0 : -ERR_DAMAGED;
}

int pack_manifest_read(struct str text, struct pack_manifest *ret, struct err *err)
{
	struct pack_manifest m = { 0 };
	struct buf again;
	int r = read_manifest(text, &m);

	buf_init(&again, PACK_MANIFEST_MOST);
	if (r == -ERR_NOMEM)
		r = err_nomem(err);
	/* the same bytes when written again: nothing stands in it that is not read */
	if (r == 0)
		r = pack_manifest_write(&m, &again, err);
	if (r == -ERR_DAMAGED || r == -ERR_INVALID_VALUE ||
	    (r == 0 && !str_eq(buf_str(&again), text)))
		r = err_set(err, ERR_DAMAGED, PACK_MANIFEST " is not one of leaverd's");
	buf_done(&again);
	if (r < 0)
		pack_manifest_done(&m);
	else
		*ret = m;
	return r;
}

/* --- signature and key
 * -------------------------------------------------------------------------
 */

void pack_signature_write(const unsigned char key[DIGEST_PUB_BYTES],
			  const unsigned char sig[DIGEST_SIG_BYTES], struct buf *into)
{
	char hex[HEX_MOST];

	enc_hex(key, DIGEST_PUB_BYTES, hex);
	buf_addf(into, "leaverd-evidence-signature 1\nkey %s\n", hex);
	enc_hex(sig, DIGEST_SIG_BYTES, hex);
	buf_addf(into, "signature %s\n", hex);
}

static int signature_text_check(struct str text, const unsigned char key[DIGEST_PUB_BYTES],
				unsigned char sig[DIGEST_SIG_BYTES], struct err *err)
{
	unsigned char said[DIGEST_PUB_BYTES];
	struct str value, rest = text;
	struct buf again;
	bool same;

	if (!take_line(&rest, "leaverd-evidence-signature", &value) ||
	    !take_line(&rest, "key", &value) || !enc_unhex(value, said, sizeof(said)) ||
	    !take_line(&rest, "signature", &value) || !enc_unhex(value, sig, DIGEST_SIG_BYTES))
		return err_set(err, ERR_DAMAGED, "is not a signature of leaverd's");
	buf_init(&again, 1024);
	pack_signature_write(said, sig, &again);
	same = str_eq(buf_str(&again), text);
	buf_done(&again);
	if (!same)
		return err_set(err, ERR_DAMAGED, "is not as leaverd writes it");
	if (!secret_memequal(said, key, sizeof(said)))
		return err_set(err, ERR_DAMAGED,
			       "was made with another key than the one given");
	return 0;
}

int pack_signature_check(struct str text, const unsigned char key[DIGEST_PUB_BYTES],
			 struct str manifest, struct err *err)
{
	unsigned char sig[DIGEST_SIG_BYTES];
	int r = signature_text_check(text, key, sig, err);

	if (r == 0 && !digest_verify(sig, key, manifest))
		return err_set(err, ERR_DAMAGED,
			       "does not fit " PACK_MANIFEST ": one of the two was changed");
	return r;
}

void pack_key_write(const char *instance, const unsigned char key[DIGEST_PUB_BYTES],
		    struct buf *into)
{
	char hex[HEX_MOST];

	enc_hex(key, DIGEST_PUB_BYTES, hex);
	buf_addf(into, "leaverd-evidence-key 1\ninstance %s\nkey %s\n", instance, hex);
}

int pack_key_read(struct str text, unsigned char ret[DIGEST_PUB_BYTES], struct err *err)
{
	struct str value, rest = text;

	if (!take_line(&rest, "leaverd-evidence-key", &value) || !str_eq(value, STR("1")) ||
	    !take_line(&rest, "instance", &value) || !take_line(&rest, "key", &value) ||
	    !enc_unhex(value, ret, DIGEST_PUB_BYTES))
		return err_set(err, ERR_INVALID_VALUE,
			       "is not a key as `leaverd evidence key` prints it");
	return 0;
}

/* --- tar
 * -----------------------------------------------------------------------------------------
 */

/* So many octal digits and a NUL. */
static void octal(unsigned char *at, size_t digits, uint64_t value)
{
	at[digits] = '\0';
	while (digits) {
		at[--digits] = (unsigned char)('0' + (value & 7));
		value >>= 3;
	}
}

#define TAR_BYTES_MOST 077777777777LL /* eleven octal digits: 8 GiB */

bool pack_tar_header(const char *top, const char *name, int64_t bytes, int64_t made_ms,
		     unsigned char ret[PACK_TAR_BLOCK])
{
	unsigned sum = 0;
	size_t top_len = strlen(top), name_len = strlen(name);

	memset(ret, 0, PACK_TAR_BLOCK);
	if (name_len > PACK_NAME_MOST || top_len > 154 || bytes < 0 || bytes > TAR_BYTES_MOST)
		return false;
	memcpy(ret, name, name_len);
	octal(ret + 100, 7, 0644);
	octal(ret + 108, 7, 0);
	octal(ret + 116, 7, 0);
	octal(ret + 124, 11, (uint64_t)bytes);
	octal(ret + 136, 11, made_ms > 0 ? (uint64_t)(made_ms / 1000) : 0);
	memset(ret + 148, ' ', 8);
	ret[156] = '0';
	memcpy(ret + 257, "ustar\00000", 8);
	octal(ret + 329, 7, 0);
	octal(ret + 337, 7, 0);
	memcpy(ret + 345, top, top_len); /* the prefix: TOP/name when unpacked */
	for (size_t i = 0; i < PACK_TAR_BLOCK; i++)
		sum += ret[i];
	octal(ret + 148, 6, sum);
	ret[155] = ' ';
	return true;
}

static int write_all(int fd, const void *p, size_t len, struct err *err)
{
	const char *at = p;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno == ENOSPC ? ERR_FULL : ERR_IO, errno,
					 "writing the tar");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int open_in(const char *folder, const char *name, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	int fd, r;

	buf_init(&path, 8192);
	buf_addf(&path, "%s/%s", folder, name);
	r = buf_fault(&path, err, "the path of a file");
	if (r < 0)
		return r;
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s",
				 name);
	return fd;
}

static int tar_file(const char *folder, const char *top, const char *name, int64_t bytes,
		    int64_t made_ms, int fd, struct err *err)
{
	CLEANUP(fd_close_at) int in = open_in(folder, name, err);
	unsigned char block[PACK_TAR_BLOCK];
	int64_t left = bytes;
	int r;

	if (in < 0)
		return in;
	if (!pack_tar_header(top, name, bytes, made_ms, block))
		return err_set(err, ERR_LIMIT, "%s/%s does not fit into a tar", top, name);
	r = write_all(fd, block, sizeof(block), err);
	while (r == 0 && left > 0) {
		ssize_t n;

		memset(block, 0, sizeof(block));
		n = pread(in, block,
			  left < PACK_TAR_BLOCK ? (size_t)left : (size_t)PACK_TAR_BLOCK,
			  bytes - left);
		if (n != (left < PACK_TAR_BLOCK ? left : PACK_TAR_BLOCK))
			return err_errno(err, ERR_IO, n < 0 ? errno : EIO, "reading %s", name);
		left -= n;
		r = write_all(fd, block, sizeof(block), err);
	}
	return r;
}

static int size_in(const char *folder, const char *name, int64_t *ret, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open_in(folder, name, err);
	off_t end;

	if (fd < 0)
		return fd;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return err_errno(err, ERR_IO, errno, "%s", name);
	*ret = end;
	return 0;
}

static int read_in(const char *folder, const char *name, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open_in(folder, name, err);
	char piece[16384];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "%s", name);
	return buf_fault(into, err, name);
}

int pack_tar_write(const char *folder, const char *top, int fd, struct err *err)
{
	CLEANUP(pack_manifest_done) struct pack_manifest m = { 0 };
	static const unsigned char end[2 * PACK_TAR_BLOCK];
	CLEANUP(buf_done) struct buf text;
	int64_t bytes = 0;
	int r;

	buf_init(&text, PACK_MANIFEST_MOST);
	r = read_in(folder, PACK_MANIFEST, &text, err);
	if (r == 0)
		r = pack_manifest_read(buf_str(&text), &m, err);
	if (r == 0)
		r = tar_file(folder, top, PACK_MANIFEST, (int64_t)text.len, m.made_ms, fd, err);
	if (r == 0)
		r = size_in(folder, PACK_SIGNATURE, &bytes, err);
	if (r == 0)
		r = tar_file(folder, top, PACK_SIGNATURE, bytes, m.made_ms, fd, err);
	for (size_t i = 0; r == 0 && i < m.files.n; i++)
		r = tar_file(folder, top, m.files.v[i].name, m.files.v[i].bytes, m.made_ms, fd,
			     err);
	return r < 0 ? r : write_all(fd, end, sizeof(end), err);
}
