/*
 * Listening sockets: "127.0.0.1:8080", "[::1]:0", "localhost:8443",
 * "unix:/run/leaverd/control".
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <sys/types.h>

#include "base/err.h"

struct listen_at {
	int fd;          /* non-blocking, close-on-exec; -1 when closed */
	unsigned port;   /* 0 for Unix sockets */
	char *unix_path; /* owned; NULL on TCP */
};

/*
 * Binds and listens. A Unix socket file that nobody answers on is taken over; one that somebody
 * answers on is a fault. unix_mode is set before anybody can connect.
 * Fault: CONFIG (not an address), NETWORK naming address and reason.
 */
int listen_open(struct listen_at *ret, const char *where, mode_t unix_mode, struct err *err)
	MUST_USE;
/* Refuses who waits, and removes a Unix socket's file. */
void listen_close(struct listen_at *at);

#endif
