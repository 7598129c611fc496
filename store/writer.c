#include "store/writer.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/queue.h"
#include "base/worker.h"
#include "store/audit.h"

#define HEAD_MS 100 /* under load the head of the audit chain is written that often */

struct request {
	writer_fn fn;
	writer_done done;
	void *ctx;
	int r;
	struct err err;
};

struct writer {
	struct store *store;
	struct db *db;
	struct queue *queue;
	struct worker *worker;
	struct request *batch[WRITER_BATCH_MOST];
	size_t count;
	int64_t head_ms;     /* monotonic: when the audit head was written last */
	bool head_is_behind; /* a commit came too soon after that */
	void (*on_commit)(void *ctx, int64_t change);
	void *on_commit_ctx;
	_Atomic int64_t commits, requests, failed, largest;
};

/* The first of a batch is undone with the transaction, which is begun anew: it needs no
 * savepoint, which costs a copy of each page that is changed. */
static bool run_first(struct writer *w, struct request *q)
{
	struct err err;

	q->r = q->fn(q->ctx, w->db, &q->err);
	if (q->r >= 0)
		return true;
	db_rollback(w->db);
	return db_begin_write(w->db, &err) == 0;
}

/* One request in a savepoint. False when the fault took the whole transaction with it. */
static bool run_one(struct writer *w, struct request *q)
{
	struct err undo_err;

	if (w->count == 1)
		return run_first(w, q);
	q->r = db_savepoint(w->db, &q->err);
	if (q->r < 0)
		return false;
	q->r = q->fn(q->ctx, w->db, &q->err);
	if (q->r >= 0) {
		int r = db_release(w->db, &q->err);

		if (r == 0)
			return true;
		q->r = r;
		return false;
	}
	return db_undo(w->db, &undo_err) == 0;
}

/* Takes what is parked while the batch is young; false when the transaction broke. */
static bool run_batch(struct writer *w, struct request *first)
{
	int64_t until_ms = stamp_mono_ms() + WRITER_BATCH_MS;
	struct request *q = first;
	void *item;

	w->count = 0;
	for (;;) {
		w->batch[w->count++] = q;
		if (!run_one(w, q))
			return false;
		if (w->count == WRITER_BATCH_MOST || stamp_mono_ms() >= until_ms)
			return true;
		if (queue_get(w->queue, &item, 0) != 0)
			return true;
		q = item;
	}
}

/* What was not committed did not happen: everybody who thought so hears it. */
static void fail_batch(struct writer *w, const struct err *why)
{
	size_t i;

	for (i = 0; i < w->count; i++)
		if (w->batch[i]->r >= 0)
			w->batch[i]->r =
				err_set(&w->batch[i]->err, ERR_UNAVAILABLE,
					"the change could not be stored and was undone: "
					"%s",
					why->text);
}

static void reply_all(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->count; i++) {
		struct request *q = w->batch[i];

		q->done(q->ctx, q->r, &q->err);
		free(q);
	}
	w->count = 0;
}

static int commit(struct writer *w, bool whole, struct err *err)
{
	if (!whole) {
		db_rollback(w->db);
		return err_set(err, ERR_UNAVAILABLE,
			       "a fault of the database undid the batch: try again");
	}
	return db_commit(w->db, err);
}

/*
 * The signed head outside the database costs a signature and two syncs, more than a dozen
 * POSTs. After a pause it is written at once; in a stream of commits it may be HEAD_MS behind,
 * which verifying takes for what it is: entries newer than the head.
 */
static void head_write(struct writer *w)
{
	struct err err = { 0 };

	w->head_is_behind = false;
	w->head_ms = stamp_mono_ms();
	if (audit_head_write(w->db, &err) < 0)
		log_error("audit.head", LOG_E(&err));
}

static void after_commit(struct writer *w, int64_t change_before)
{
	int64_t change = db_change_last(w->db);

	db_checkpoint_if_due(w->db);
	if (stamp_mono_ms() - w->head_ms >= HEAD_MS)
		head_write(w);
	else
		w->head_is_behind = true;
	if (w->on_commit && change != change_before)
		w->on_commit(w->on_commit_ctx, change);
}

static void work_off(struct writer *w, struct request *first)
{
	struct err err = { 0 };
	int64_t change, largest;
	bool whole = false;
	int r;

	r = db_begin_write(w->db, &err);
	change = db_change_last(w->db);
	if (r < 0) {
		w->batch[0] = first;
		w->count = 1;
		first->r = 0;
	} else {
		whole = run_batch(w, first);
		r = commit(w, whole, &err);
	}
	atomic_fetch_add(&w->requests, (int64_t)w->count);
	atomic_fetch_add(r < 0 ? &w->failed : &w->commits, 1);
	largest = atomic_load(&w->largest);
	if ((int64_t)w->count > largest)
		atomic_store(&w->largest, (int64_t)w->count);
	if (r < 0) {
		fail_batch(w, &err);
		log_error("store.commit", LOG_E(&err), LOG_U("requests", w->count));
	}
	reply_all(w);
	if (r == 0)
		after_commit(w, change);
}

static void run(struct worker *self, void *arg)
{
	struct writer *w = arg;
	int64_t wait_ms;
	void *item;
	int r;

	(void)self;
	/* ends when the queue is closed and empty: what was parked is finished first */
	do {
		wait_ms = w->head_ms + HEAD_MS - stamp_mono_ms();
		r = queue_get(w->queue, &item,
			      !w->head_is_behind ? -1
			      : wait_ms > 0      ? wait_ms
						 : 0);
		if (r == 0)
			work_off(w, item);
		else if (w->head_is_behind)
			head_write(w);
	} while (r != QUEUE_CLOSED);
}

static void request_drop(void *item)
{
	free(item);
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	if (w->queue)
		queue_close(w->queue);
	worker_join(w->worker);
	if (w->queue)
		queue_free(w->queue, request_drop);
	free(w);
}

int writer_start(struct store *store, struct writer **ret, struct err *err)
{
	CLEANUP(writer_stop_at) struct writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_nomem(err);
	w->store = store;
	w->head_ms = -HEAD_MS;
	w->db = store_writer_db(store);
	if (!w->db)
		return err_set(err, ERR_LEASE, "%s was opened for reading only",
			       store_path(store));
	r = queue_new(&w->queue, WRITER_QUEUE_MOST, err);
	if (r == 0)
		r = worker_start(&w->worker, "writer", run, w, err);
	if (r < 0)
		return r;
	*ret = TAKE(w);
	return 0;
}

void writer_on_commit(struct writer *w, void (*fn)(void *ctx, int64_t change), void *ctx)
{
	w->on_commit_ctx = ctx;
	w->on_commit = fn;
}

static int park(struct writer *w, writer_fn fn, writer_done done, void *ctx, int64_t wait_ms,
		struct err *err)
{
	CLEANUP(free_at) struct request *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_nomem(err);
	q->fn = fn;
	q->done = done;
	q->ctx = ctx;
	r = queue_put(w->queue, q, wait_ms);
	if (r == 0) {
		(void)TAKE(q);
		return 0;
	}
	if (r == QUEUE_CLOSED)
		return err_set(err, ERR_UNAVAILABLE, "leaverd is stopping: try again later");
	return err_set(err, ERR_BUSY, "%d writes wait already: try again later",
		       WRITER_QUEUE_MOST);
}

int writer_submit(struct writer *w, writer_fn fn, writer_done done, void *ctx, struct err *err)
{
	return park(w, fn, done, ctx, 0, err);
}

int writer_park(struct writer *w, writer_fn fn, writer_done done, void *ctx, struct err *err)
{
	return park(w, fn, done, ctx, -1, err);
}

/* --- waiting for one's own request ----------------------------------------------------------
 */

struct call {
	writer_fn fn;
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool has_ended;
	int r;
	struct err err;
};

static int call_run(void *ctx, struct db *db, struct err *err)
{
	struct call *c = ctx;

	return c->fn(c->ctx, db, err);
}

static void call_done(void *ctx, int r, const struct err *err)
{
	struct call *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->r = r;
	if (r < 0)
		c->err = *err;
	c->has_ended = true;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
}

int writer_call(struct writer *w, writer_fn fn, void *ctx, struct err *err)
{
	struct call c = { .fn = fn, .ctx = ctx };
	int r;

	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.ended, NULL);
	r = park(w, call_run, call_done, &c, -1, err);
	if (r == 0) {
		pthread_mutex_lock(&c.lock);
		while (!c.has_ended)
			pthread_cond_wait(&c.ended, &c.lock);
		pthread_mutex_unlock(&c.lock);
		r = c.r;
		if (r < 0 && err)
			*err = c.err;
	}
	pthread_cond_destroy(&c.ended);
	pthread_mutex_destroy(&c.lock);
	return r;
}

void writer_stats(struct writer *w, struct writer_stats *ret)
{
	*ret = (struct writer_stats){
		.commits = atomic_load(&w->commits),
		.requests = atomic_load(&w->requests),
		.failed_commits = atomic_load(&w->failed),
		.largest_batch = atomic_load(&w->largest),
	};
}
