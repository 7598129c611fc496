/*
 * Accepts the connections of one listening socket on a thread of its own and hands each on.
 *
 * libmicrohttpd can accept by itself, but a server of its that polls with epoll may abort the
 * process when it is told to stop accepting (two of its threads take the socket out of the set,
 * and the second panics). So it is never told: accepting is ours, and stops by our own means.
 */
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

#include <sys/socket.h>

#include "base/err.h"

struct acceptor;

struct acceptor_options {
	const char *name; /* of the thread */
	int fd;           /* listening, non-blocking; borrowed until acceptor_stop() returned */
	/* Whether one more may come in: while it answers false, callers wait in the backlog. */
	bool (*room)(void *ctx);
	/* Takes the descriptor over: non-blocking, close-on-exec. On the acceptor's thread. */
	void (*take)(void *ctx, int fd, const struct sockaddr *peer, socklen_t len);
	void *ctx;
};

int acceptor_start(struct acceptor **ret, const struct acceptor_options *options,
		   struct err *err) MUST_USE;
/* Refuses who waits, and returns when the thread has ended: nothing is taken after that. The
 * socket cannot accept again. NULL is fine. */
void acceptor_stop(struct acceptor *a);

#endif
