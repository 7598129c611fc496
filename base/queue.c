#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t has_item, has_room;
	size_t first, n, most; /* a ring of most slots */
	bool closed;
	bool watched; /* somebody polls fd: until then it is not kept up to date */
	bool lit;     /* fd is readable */
	int fd;
	void *slot[];
};

/* Condition variables that count on the monotonic clock: a set clock wakes nobody. */
static int cond_start(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc = pthread_condattr_init(&attr);

	if (rc)
		return rc;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	rc = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return rc;
}

int queue_new(struct queue **ret, size_t most, struct err *err)
{
	struct queue *q = NULL;
	size_t bytes;

	if (most == 0)
		return err_set(err, ERR_INTERNAL, "a queue needs room for one item");
	if (!__builtin_mul_overflow(most, sizeof(q->slot[0]), &bytes) &&
	    !__builtin_add_overflow(bytes, sizeof(*q), &bytes))
		q = calloc(1, bytes);
	if (!q)
		return err_nomem(err);
	q->most = most;
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->fd < 0) {
		int errnum = errno;

		free(q);
		return err_errno(err, ERR_UNAVAILABLE, errnum, "cannot make a queue");
	}
	/* these fail on Linux for attributes only that are not used here */
	pthread_mutex_init(&q->lock, NULL);
	cond_start(&q->has_item);
	cond_start(&q->has_room);
	*ret = q;
	return 0;
}

void queue_free(struct queue *q, void (*drop)(void *item))
{
	if (!q)
		return;
	for (; drop && q->n > 0; q->n--) {
		drop(q->slot[q->first]);
		q->first = (q->first + 1) % q->most;
	}
	pthread_cond_destroy(&q->has_room);
	pthread_cond_destroy(&q->has_item);
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
	free(q);
}

/* Makes fd say what is so. Under the lock. */
static void fd_tell(struct queue *q)
{
	bool lit = q->n > 0 || q->closed;
	ssize_t n;
	uint64_t count = 1;

	if (!q->watched || lit == q->lit)
		return;
	/* neither can fail: the counter is 0 or 1 */
	n = lit ? write(q->fd, &count, sizeof(count)) : read(q->fd, &count, sizeof(count));
	(void)n;
	q->lit = lit;
}

/* Waits once on cond; false when the deadline is over. deadline_ms < 0: no deadline. */
static bool wait_on(struct queue *q, pthread_cond_t *cond, int64_t deadline_ms)
{
	const struct timespec until = { .tv_sec = deadline_ms / 1000,
					.tv_nsec = deadline_ms % 1000 * 1000000 };

	if (deadline_ms < 0) {
		pthread_cond_wait(cond, &q->lock);
		return true;
	}
	return pthread_cond_timedwait(cond, &q->lock, &until) != ETIMEDOUT;
}

static int64_t deadline_of(int64_t wait_ms)
{
	int64_t deadline;

	if (wait_ms < 0 || __builtin_add_overflow(stamp_mono_ms(), wait_ms, &deadline))
		return -1;
	return deadline;
}

int queue_put(struct queue *q, void *item, int64_t wait_ms)
{
	int64_t deadline = wait_ms ? deadline_of(wait_ms) : 0;
	bool in_time = wait_ms != 0;
	int r = 0;

	pthread_mutex_lock(&q->lock);
	while (q->n == q->most && !q->closed && in_time)
		in_time = wait_on(q, &q->has_room, deadline);
	if (q->closed) {
		r = QUEUE_CLOSED;
	} else if (q->n == q->most) {
		r = wait_ms ? QUEUE_TIMEOUT : QUEUE_FULL;
	} else {
		q->slot[(q->first + q->n++) % q->most] = item;
		fd_tell(q);
		pthread_cond_signal(&q->has_item);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

int queue_get(struct queue *q, void **item, int64_t wait_ms)
{
	int64_t deadline = wait_ms ? deadline_of(wait_ms) : 0;
	bool in_time = wait_ms != 0;
	int r = 0;

	pthread_mutex_lock(&q->lock);
	while (q->n == 0 && !q->closed && in_time)
		in_time = wait_on(q, &q->has_item, deadline);
	if (q->n > 0) {
		*item = q->slot[q->first];
		q->first = (q->first + 1) % q->most;
		q->n--;
		fd_tell(q);
		pthread_cond_signal(&q->has_room);
	} else {
		r = q->closed ? QUEUE_CLOSED : QUEUE_TIMEOUT;
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	fd_tell(q);
	pthread_cond_broadcast(&q->has_item);
	pthread_cond_broadcast(&q->has_room);
	pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->n;
	pthread_mutex_unlock(&q->lock);
	return n;
}

int queue_fd(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->watched = true;
	fd_tell(q);
	pthread_mutex_unlock(&q->lock);
	return q->fd;
}
