#include <errno.h>
#include <fcntl.h>

#include "tests/rehearsal/rehearsal.h"

/* The file is that of base/stamp.h: a little-endian int64, the offset in milliseconds. */
int clock_advance(int64_t ms, struct err *err)
{
	const char *path = getenv("LEAVERD_CLOCK");
	CLEANUP(fd_close_at) int fd = -1;
	unsigned char raw[8];
	uint64_t offset = 0;

	if (!stamp_is_virtual() || !path)
		return err_set(err, ERR_CONFIG,
			       "no virtual clock: build with CLOCK=virtual and set "
			       "LEAVERD_CLOCK");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, raw, sizeof(raw), 0) != sizeof(raw))
		return err_errno(err, ERR_CONFIG, errno, "clock file %s", path);
	for (int i = 7; i >= 0; i--)
		offset = offset << 8 | raw[i];
	offset += (uint64_t)ms;
	for (int i = 0; i < 8; i++)
		raw[i] = (unsigned char)(offset >> (8 * i));
	if (pwrite(fd, raw, sizeof(raw), 0) != sizeof(raw))
		return err_errno(err, ERR_IO, errno, "clock file %s", path);
	return 0;
}
