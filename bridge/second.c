#include "bridge/second.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/stamp.h"

/* Written beside, then renamed, so that a reader never sees half of one. */
static int write_notice(const char *folder, const char *key, struct str text, struct err *err)
{
	char name[4200], beside[4210];
	CLEANUP(fd_close_at) int fd = -1;

	(void)snprintf(name, sizeof(name), "%s/%s.txt", folder, key);
	(void)snprintf(beside, sizeof(beside), "%s.part", name);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "notice %s", beside);
	if (write(fd, text.p, text.len) != (ssize_t)text.len || fsync(fd) < 0 ||
	    rename(beside, name) < 0)
		return err_errno(err, ERR_IO, errno, "notice %s", name);
	return 0;
}

int second_tell(struct app *app, const char *key, const char *subject, struct str text,
		struct err *err)
{
	const char *folder = app->config.notices.folder,
		   *to = app->config.approvals.second_address;
	CLEANUP(buf_done) struct buf letter;
	char when[STAMP_TEXT_BYTES];
	int r;

	buf_init(&letter, 65536);
	if (!folder || !to)
		return err_set(err, ERR_CONFIG,
			       "nobody can be told, so nobody decides alone: set "
			       "notices.folder and approvals.second_address");
	stamp_text(stamp_now_ms(), when);
	buf_addf(&letter, "To: %s\nDate: %s\nKey: %s\nSubject: %s\n\n" STR_FMT, to, when, key,
		 subject, STR_ARG(text));
	r = buf_fault(&letter, err, "a notice");
	return r < 0 ? r : write_notice(folder, key, buf_str(&letter), err);
}
