/* Writing to file descriptors. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include "base/str.h"

/* All of it, in as many calls as it takes: 0, or the errno that says why not. What was written
 * before that stays. */
int fd_write_whole(int fd, struct str bytes) MUST_USE;

#endif
