#include "store/stream.h"

#include <pthread.h>

struct stream {
	struct writer *writer;
	unsigned most;
	bool broke; /* the writer's own: a write faulted, what follows it is not run */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned under_way; /* below: under lock */
	int r;              /* the first fault */
	struct err err;
};

struct piece {
	struct stream *stream;
	writer_fn fn;
	void (*drop)(void *ctx);
	void *ctx;
};

/* One that a failed commit undid is no reason for those of the next batch to be run: done()
 * comes before them. */
static int piece_run(void *ctx, struct db *db, struct err *err)
{
	struct piece *p = ctx;
	int r;

	if (p->stream->broke)
		return err_set(err, ERR_CANCELLED, "a write before it failed");
	r = p->fn(p->ctx, db, err);
	p->stream->broke = r < 0;
	return r;
}

static void piece_done(void *ctx, int r, const struct err *err)
{
	struct piece *p = ctx;
	struct stream *s = p->stream;

	s->broke |= r < 0;
	p->drop(p->ctx);
	free(p);
	pthread_mutex_lock(&s->lock);
	if (r < 0 && s->r == 0) {
		s->r = r;
		s->err = *err;
	}
	s->under_way--;
	pthread_cond_signal(&s->ended);
	pthread_mutex_unlock(&s->lock);
}

/* Until at most `most` are under way; the first fault so far. */
static int wait_for(struct stream *s, unsigned most, struct err *err)
{
	int r;

	pthread_mutex_lock(&s->lock);
	while (s->under_way > most)
		pthread_cond_wait(&s->ended, &s->lock);
	r = s->r;
	if (r < 0 && err)
		*err = s->err;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void count(struct stream *s, int by)
{
	pthread_mutex_lock(&s->lock);
	s->under_way = (unsigned)((int)s->under_way + by);
	pthread_mutex_unlock(&s->lock);
}

int stream_put(struct stream *s, writer_fn fn, void (*drop)(void *ctx), void *ctx,
	       struct err *err)
{
	struct piece *p;
	int r = wait_for(s, s->most - 1, err);

	if (r < 0) {
		drop(ctx);
		return r;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		drop(ctx);
		return err_nomem(err);
	}
	*p = (struct piece){ s, fn, drop, ctx };
	count(s, 1);
	r = writer_park(s->writer, piece_run, piece_done, p, err);
	if (r == 0)
		return 0;
	count(s, -1);
	drop(ctx);
	free(p);
	return r;
}

int stream_end(struct stream *s, struct err *err)
{
	return wait_for(s, 0, err);
}

int stream_new(struct stream **ret, struct writer *writer, unsigned most, struct err *err)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	s->writer = writer;
	s->most = most;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->ended, NULL);
	*ret = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	(void)wait_for(s, 0, NULL);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
