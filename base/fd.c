#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

/* A call that writes less than it was given says nothing of why: the next one does. */
int fd_write_whole(int fd, struct str bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		ssize_t n = write(fd, bytes.p + at, bytes.len - at);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0)
			return EIO;
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}
