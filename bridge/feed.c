#include "bridge/feed.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "store/writer.h"

/* Entries that go to the writer at once: enough to amortise a commit, few enough to keep SCIM
 * requests behind it waiting for milliseconds only. */
#define FEED_BATCH 512
#define FEED_SAME 8192 /* a bit each */
#define TEXT_MAX (1u << 20)

/* A mark is twice the place, and one more where attributes are unknown. */
#define MARK_OF(place, unknown) ((uint32_t)(place) << 1 | (unknown))
#define MARK_PLACE_MAX (INT64_C(1) << 31)

struct fed {
	char *key, *unknown, *bytes;
	size_t bytes_len;
	json_t *doc;
	int64_t place;
};

struct batch {
	struct feed *feed;
	struct read_run *run;
	struct fed v[FEED_BATCH];
	size_t n;
	uint32_t same[2][FEED_SAME]; /* places: of whole entries, and of such with unknowns */
	size_t same_n[2];
	bool under_way; /* the writer's until done */
	int r;
	struct err err;
};

struct feed {
	struct writer *writer;
	struct dir_memory *memory;
	struct read_run *run;
	struct batch batch[2];
	int filling;
	struct buf text; /* of the document at hand */
	pthread_mutex_t lock;
	pthread_cond_t over;
};

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->v[i].key);
		free(b->v[i].unknown);
		free(b->v[i].bytes);
		json_decref(b->v[i].doc);
	}
	b->n = b->same_n[0] = b->same_n[1] = 0;
	b->r = 0;
}

int feed_new(struct feed **ret, struct writer *writer, struct dir_memory *memory,
	     struct err *err)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->writer = writer;
	f->memory = memory;
	buf_init(&f->text, TEXT_MAX);
	f->batch[0].feed = f->batch[1].feed = f;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->over, NULL);
	*ret = f;
	return 0;
}

static void batch_wait(struct batch *b)
{
	pthread_mutex_lock(&b->feed->lock);
	while (b->under_way)
		pthread_cond_wait(&b->feed->over, &b->feed->lock);
	pthread_mutex_unlock(&b->feed->lock);
}

void feed_quiet(struct feed *f)
{
	for (size_t i = 0; i < COUNT_OF(f->batch); i++) {
		batch_wait(&f->batch[i]);
		batch_clear(&f->batch[i]);
	}
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	feed_quiet(f);
	buf_done(&f->text);
	pthread_cond_destroy(&f->over);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void feed_into(struct feed *f, struct read_run *run)
{
	feed_quiet(f);
	f->run = run;
}

/* --- on the writer's thread ----------------------------------------------------------------
 */

static int batch_write(void *ctx, struct db *db, struct err *err)
{
	struct batch *b = ctx;
	struct read_entry entries[FEED_BATCH];
	int r = 0;

	for (size_t i = 0; i < b->n; i++)
		entries[i] = (struct read_entry){
			.key = str_of(b->v[i].key),
			.doc = b->v[i].doc,
			.bytes = str_n(b->v[i].bytes, b->v[i].bytes_len),
			.unknown = str_of(b->v[i].unknown),
			.ret_place = &b->v[i].place,
		};
	for (int u = 0; r == 0 && u < 2; u++)
		r = sources_read_same(b->run, b->same[u], b->same_n[u], u == 1, err);
	if (r == 0)
		r = sources_read_put(db, b->run, entries, b->n, stamp_now_ms(), err);
	return r;
}

static void batch_done(void *ctx, int r, const struct err *err)
{
	struct batch *b = ctx;

	pthread_mutex_lock(&b->feed->lock);
	b->r = r;
	if (r < 0)
		b->err = *err;
	b->under_way = false;
	pthread_cond_signal(&b->feed->over);
	pthread_mutex_unlock(&b->feed->lock);
}

/* --- on the directory's --------------------------------------------------------------------
 */

/* Waits until the batch is written, and empties it. */
static int batch_settle(struct batch *b, struct err *err)
{
	struct feed *f = b->feed;
	int r;

	batch_wait(b);
	r = b->r;
	if (r < 0)
		*err = b->err;
	for (size_t i = 0; r >= 0 && f->memory && i < b->n; i++)
		if (b->v[i].place > 0 && b->v[i].place < MARK_PLACE_MAX)
			dir_memory_mark(f->memory, str_of(b->v[i].key),
					MARK_OF(b->v[i].place, b->v[i].unknown[0] != '\0'));
	batch_clear(b);
	return r < 0 ? r : 0;
}

/* Gives the batch that was filled away, and goes on with the other when that one is free. */
static int batch_give(struct feed *f, struct err *err)
{
	struct batch *b = &f->batch[f->filling];
	int r;

	b->run = f->run;
	b->under_way = true;
	r = writer_submit(f->writer, batch_write, batch_done, b, err);
	if (r < 0) {
		b->under_way = false;
		return r;
	}
	f->filling = !f->filling;
	return batch_settle(&f->batch[f->filling], err);
}

int feed_entry(struct feed *f, struct str key, const json_t *doc, struct str unknown,
	       struct err *err)
{
	struct batch *b = &f->batch[f->filling];
	struct fed *one = &b->v[b->n];
	int r;

	buf_clear(&f->text);
	r = jx_canonical(doc, &f->text, err);
	if (r == 0)
		r = buf_fault(&f->text, err, "the document of an entry");
	if (r < 0)
		return r;
	*one = (struct fed){ .key = str_dup(key),
			     .unknown = str_dup(unknown),
			     .bytes = str_dup(buf_str(&f->text)),
			     .bytes_len = f->text.len };
	one->doc = json_incref((json_t *)(uintptr_t)doc);
	b->n++;
	if (!one->key || !one->unknown || !one->bytes)
		return err_nomem(err);
	return b->n == FEED_BATCH ? batch_give(f, err) : 0;
}

int feed_same(struct feed *f, uint32_t mark, struct err *err)
{
	struct batch *b = &f->batch[f->filling];
	int unknown = mark & 1;

	b->same[unknown][b->same_n[unknown]++] = mark >> 1;
	return b->same_n[unknown] == FEED_SAME ? batch_give(f, err) : 0;
}

int feed_end(struct feed *f, struct err *err)
{
	int r = batch_give(f, err); /* settles the one before */

	return r < 0 ? r : batch_settle(&f->batch[!f->filling], err);
}
