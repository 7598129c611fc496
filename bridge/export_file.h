/*
 * `leaverd export`, the client's side: chunks into a file or to standard output, one at a time.
 * A file has its name only when it is whole; until then it is NAME.XXXXXX beside it.
 */
#ifndef BRIDGE_EXPORT_FILE_H
#define BRIDGE_EXPORT_FILE_H

#include "bridge/cli.h"

int local_export(struct cli *cli, const json_t *request, struct err *err);

/* in.token: the first line of that file, for bridge/sealed.h: a token is never on a command
 * line.
 */
int export_read_token(const char *path, json_t *in, struct err *err) MUST_USE;
/* The same from --token-file, where it is given. */
int prepare_token(struct cli *cli, json_t *request, struct err *err);

/*
 * A file being written: only its owner can read it, and it is nobody's until out_file_keep()
 * has synced and renamed it. path NULL or "-": standard output. A device or a pipe that is
 * there is written straight.
 */
struct out_file {
	const char *path;
	bool given; /* a device or pipe of ours to close */
	struct buf temp;
	int fd;
};
int out_file_open(struct out_file *f, const char *path, struct err *err) MUST_USE;
/* OUT_FILE_CLOSED: whoever reads the pipe has enough; the rest need not be made. */
#define OUT_FILE_CLOSED 1
int out_file_write(struct out_file *f, struct str bytes, struct err *err) MUST_USE;
int out_file_keep(struct out_file *f, struct err *err) MUST_USE;
void out_file_done(struct out_file *f); /* removes what was not kept; twice is fine */

#endif
