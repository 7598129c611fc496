#include "net/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/worker.h"

#define FULL_MS 10   /* how often a full server looks whether somebody left */
#define SHORT_MS 100 /* without descriptors or memory for one more */

struct acceptor {
	struct acceptor_options o;
	struct worker *thread;
};

/* One caller. 0: taken, or gone before we came; otherwise errno. */
static int accept_one(struct acceptor *a)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = accept4(a->o.fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED ? 0 : errno;
	a->o.take(a->o.ctx, fd, (struct sockaddr *)&peer, len);
	return 0;
}

static void accept_all(struct worker *self, void *arg)
{
	struct acceptor *a = arg;

	while (!worker_stopping(self)) {
		struct pollfd ready = { .fd = a->o.fd, .events = POLLIN };
		int why = 0;

		/* Ends early when the socket is shut down, so no time limit is needed. */
		if (poll(&ready, 1, -1) < 0 && errno != EINTR)
			worker_wait(self, SHORT_MS);
		while (why == 0 && !worker_stopping(self)) {
			if (a->o.room(a->o.ctx))
				why = accept_one(a);
			else
				worker_wait(self, FULL_MS);
		}
		/* Any other fault is the network's or the machine's, and passes. */
		if (why && why != EAGAIN)
			worker_wait(self, SHORT_MS);
	}
}

int acceptor_start(struct acceptor **ret, const struct acceptor_options *options,
		   struct err *err)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_nomem(err);
	a->o = *options;
	r = worker_start(&a->thread, options->name, accept_all, a, err);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void acceptor_stop(struct acceptor *a)
{
	if (!a)
		return;
	worker_stop(a->thread);
	shutdown(a->o.fd, SHUT_RDWR);
	worker_join(a->thread);
	free(a);
}
