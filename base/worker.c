#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * The longest wait in builds with the virtual clock: wall time may be moved by weeks in
 * between, and nobody wakes the loops that look at it.
 */
#define VIRTUAL_WAIT_MS 50

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool woken; /* under the lock */
	_Atomic bool stopping;
	worker_fn fn;
	void *arg;
	char name[16];
};

static void *worker_main(void *self)
{
	struct worker *w = self;

	pthread_setname_np(pthread_self(), w->name);
	w->fn(w, w->arg);
	return NULL;
}

/* The thread inherits the mask, so it never has a moment with signals open. */
static int thread_start(struct worker *w)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* a read of mapped memory that fails says why */
	rc = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (rc)
		return rc;
	rc = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void worker_drop(struct worker *w)
{
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int worker_start(struct worker **ret, const char *name, worker_fn fn, void *arg,
		 struct err *err)
{
	struct worker *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int rc;

	if (!w)
		return err_nomem(err);
	w->fn = fn;
	w->arg = arg;
	snprintf(w->name, sizeof(w->name), "%.15s", name);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = thread_start(w);
	if (rc) {
		worker_drop(w);
		return err_errno(err, ERR_UNAVAILABLE, rc, "cannot start thread %s", name);
	}
	*ret = w;
	return 0;
}

bool worker_stopping(const struct worker *w)
{
	return atomic_load(&w->stopping);
}

bool worker_wait(struct worker *w, int64_t ms)
{
	struct timespec until;
	int64_t deadline;
	int rc = 0;

	if (stamp_is_virtual() && ms > VIRTUAL_WAIT_MS)
		ms = VIRTUAL_WAIT_MS;
	if (__builtin_add_overflow(stamp_mono_ms(), ms > 0 ? ms : 0, &deadline))
		deadline = INT64_MAX;
	until = (struct timespec){ .tv_sec = deadline / 1000,
				   .tv_nsec = deadline % 1000 * 1000000 };
	pthread_mutex_lock(&w->lock);
	while (!w->woken && !atomic_load(&w->stopping) && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&w->wake, &w->lock, &until);
	w->woken = false;
	pthread_mutex_unlock(&w->lock);
	return atomic_load(&w->stopping);
}

void worker_wake(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->woken = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void worker_stop(struct worker *w)
{
	if (!w)
		return;
	atomic_store(&w->stopping, true);
	worker_wake(w);
}

void worker_join(struct worker *w)
{
	if (!w)
		return;
	worker_stop(w);
	pthread_join(w->thread, NULL);
	worker_drop(w);
}
