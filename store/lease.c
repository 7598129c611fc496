#include "store/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"

struct lease {
	int fd;
	char *path;
};

void lease_free(struct lease *lease)
{
	if (!lease)
		return;
	/* closing gives an OFD lock back; the file stays, so that nobody can lock a file that
	 * another one has just removed */
	fd_close_at(&lease->fd);
	free(lease->path);
	free(lease);
}

static int lock(int fd, bool *taken, struct err *err, const char *path)
{
	struct flock want = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &want) == 0) {
		*taken = true;
		return 0;
	}
	if (errno == EAGAIN || errno == EACCES) {
		*taken = false;
		return 0;
	}
	return err_errno(err, ERR_IO, errno, "%s: locking", path);
}

/* Who has it, as they wrote it themselves: for people only. */
static int refused(const struct lease *lease, struct err *err)
{
	char by[64] = "";
	ssize_t n = pread(lease->fd, by, sizeof(by) - 1, 0);
	size_t i;

	for (i = 0; n > 0 && i < (size_t)n; i++)
		if (by[i] < '0' || by[i] > '9')
			by[i] = '\0';
	return err_set(err, ERR_LEASE,
		       "%s is held by process %s: a leaverd already works on this store; talk "
		       "to it through its control socket, or end it first",
		       lease->path, by[0] ? by : "(unknown)");
}

static void sign_in(const struct lease *lease)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	/* only a help for people, so its failing is none of ours: the lock is what counts */
	if (ftruncate(lease->fd, 0) < 0 || pwrite(lease->fd, text, (size_t)n, 0) != n)
		return;
}

int lease_take(const char *db_path, struct lease **ret, struct err *err)
{
	CLEANUP(lease_free_at) struct lease *lease = calloc(1, sizeof(*lease));
	struct buf path;
	bool taken = false;
	int r;

	if (!lease)
		return err_nomem(err);
	lease->fd = -1;
	buf_init(&path, 4096);
	buf_addf(&path, "%s.lock", db_path);
	r = buf_fault(&path, err, "the path of the lock file");
	if (r == 0)
		lease->path = buf_take(&path, NULL);
	buf_done(&path);
	if (r < 0)
		return r;
	lease->fd = open(lease->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lease->fd < 0)
		return err_errno(err, ERR_IO, errno, "%s cannot be opened", lease->path);
	r = lock(lease->fd, &taken, err, lease->path);
	if (r < 0)
		return r;
	if (!taken)
		return refused(lease, err);
	sign_in(lease);
	*ret = TAKE(lease);
	return 0;
}

bool lease_held(const struct lease *lease)
{
	struct stat ours, there;

	return fstat(lease->fd, &ours) == 0 && stat(lease->path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int lease_new_epoch(struct db *db, int64_t *ret, struct err *err)
{
	int64_t epoch = 0;
	int r;

	r = db_one(db, &epoch, err,
		   "INSERT INTO meta (key, value) VALUES ('epoch', 1)"
		   " ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value");
	if (r < 0)
		return r;
	*ret = epoch;
	return 0;
}

int lease_check_epoch(struct db *db, int64_t epoch, struct err *err)
{
	int64_t now = 0;
	int r;

	r = db_one(db, &now, err, "SELECT value FROM meta WHERE key = 'epoch'");
	if (r < 0)
		return r;
	if (now != epoch)
		return err_set(
			err, ERR_LEASE,
			"the store is in epoch %lld, this process began in %lld: another "
			"leaverd has taken over, or the store was restored; nothing was "
			"written",
			(long long)now, (long long)epoch);
	return 0;
}
