#include "net/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/var/tmp"

struct spool {
	const char *folder;
	int64_t most, bytes;
	struct buf memory; /* all of it, while there is no file */
	int fd;            /* -1: none */
};

int spool_new(struct spool **ret, const char *folder, int64_t most_bytes, struct err *err)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	s->folder = folder ? folder : FOLDER;
	s->most = most_bytes;
	s->fd = -1;
	buf_init(&s->memory, SPOOL_MEMORY_BYTES);
	*ret = s;
	return 0;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	buf_done(&s->memory);
	free(s);
}

int64_t spool_bytes(const struct spool *s)
{
	return s->bytes;
}

static int write_all(struct spool *s, const char *p, size_t len, int64_t at, struct err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(s->fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, errno == ENOSPC ? ERR_FULL : ERR_IO, errno,
					 "a request's body cannot be kept in %s", s->folder);
		p += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

/* File systems without O_TMPFILE: a name for a moment. */
static int open_named(const char *folder, struct err *err)
{
	CLEANUP(buf_done) struct buf name;
	int fd = -1;

	buf_init(&name, 4096);
	buf_addf(&name, "%s/leaverd-body-XXXXXX", folder);
	if (buf_fault(&name, err, "the name of a spool file") < 0)
		return -err->code;
	fd = mkostemp(name.p, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "no file for a request's body in %s",
				 folder);
	unlink(name.p);
	return fd;
}

static int file_begin(struct spool *s, struct err *err)
{
	int r;

	s->fd = open(s->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (s->fd < 0) {
		r = open_named(s->folder, err);
		if (r < 0)
			return r;
		s->fd = r;
	}
	r = write_all(s, s->memory.p, s->memory.len, 0, err);
	if (r == 0) {
		buf_done(&s->memory);
		buf_init(&s->memory, SPOOL_MEMORY_BYTES);
	}
	return r;
}

int spool_add(struct spool *s, const void *p, size_t len, struct err *err)
{
	int r = 0;

	if ((uint64_t)len > (uint64_t)(s->most - s->bytes))
		return err_set(err, ERR_TOO_LARGE, "the body is longer than %lld bytes",
			       (long long)s->most);
	if (s->fd < 0 && s->memory.len + len <= SPOOL_MEMORY_BYTES) {
		buf_add(&s->memory, p, len);
		r = buf_fault(&s->memory, err, "a request's body");
	} else {
		if (s->fd < 0)
			r = file_begin(s, err);
		if (r == 0)
			r = write_all(s, p, len, s->bytes, err);
	}
	if (r == 0)
		s->bytes += (int64_t)len;
	return r;
}

int spool_read(const struct spool *s, int64_t from, void *into, size_t room, size_t *ret,
	       struct err *err)
{
	size_t have = 0;

	if (from >= s->bytes)
		room = 0;
	else if ((uint64_t)room > (uint64_t)(s->bytes - from))
		room = (size_t)(s->bytes - from);
	if (s->fd < 0 && room > 0) {
		memcpy(into, s->memory.p + from, room);
		have = room;
	}
	while (have < room) {
		ssize_t n =
			pread(s->fd, (char *)into + have, room - have, from + (int64_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, ERR_IO, n < 0 ? errno : EIO,
					 "a request's body cannot be read back from %s",
					 s->folder);
		have += (size_t)n;
	}
	*ret = have;
	return 0;
}
