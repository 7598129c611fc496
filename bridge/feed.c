#include "bridge/feed.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/stamp.h"
#include "store/writer.h"

/*
 * Entries that go to the writer at once. Their keys lie anywhere in the indices, so a commit
 * writes most pages of these again however few entries it has: many at once. Not so many that
 * SCIM requests behind them wait longer than the writer lets a batch grow (WRITER_BATCH_MS).
 */
#define FEED_BATCH 2048
#define FEED_BYTES (4u << 20)
#define FEED_SAME 8192 /* a bit each */

/* A mark is twice the place, and one more where attributes are unknown. */
#define MARK_OF(place, unknown) ((uint32_t)(place) << 1 | (unknown))
#define MARK_PLACE_MAX (INT64_C(1) << 31)

/* Where its texts stand in the batch, one behind the other. */
struct fed {
	size_t at, key_len, unknown_len, doc_len;
	int64_t place;
	uint64_t name;
};

struct batch {
	struct feed *feed;
	struct read_run *run;
	struct fed v[FEED_BATCH];
	size_t n;
	struct buf text;
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
	pthread_mutex_t lock;
	pthread_cond_t over;
};

static void batch_clear(struct batch *b)
{
	buf_clear(&b->text);
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
	for (size_t i = 0; i < COUNT_OF(f->batch); i++) {
		f->batch[i].feed = f;
		buf_init(&f->batch[i].text, FEED_BYTES);
	}
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
	for (size_t i = 0; i < COUNT_OF(f->batch); i++)
		buf_done(&f->batch[i].text);
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

static struct str key_of(const struct batch *b, const struct fed *one)
{
	return str_n(b->text.p + one->at, one->key_len);
}

static struct read_entry entry_of(const struct batch *b, struct fed *one)
{
	const char *rest = b->text.p + one->at + one->key_len;

	return (struct read_entry){
		.key = key_of(b, one),
		.name = one->name,
		.unknown = str_n(rest, one->unknown_len),
		.bytes = str_n(rest + one->unknown_len, one->doc_len),
		.ret_place = &one->place,
	};
}

#define ENTRIES_AT_ONCE 64

static int batch_write(void *ctx, struct db *db, struct err *err)
{
	struct batch *b = ctx;
	struct read_entry entries[ENTRIES_AT_ONCE];
	int64_t now_ms = stamp_now_ms();
	int r = 0;

	for (int u = 0; r == 0 && u < 2; u++)
		r = sources_read_same(b->run, b->same[u], b->same_n[u], u == 1, err);
	for (size_t at = 0; r == 0 && at < b->n;) {
		size_t n = 0;

		while (n < ENTRIES_AT_ONCE && at < b->n)
			entries[n++] = entry_of(b, &b->v[at++]);
		r = sources_read_put(db, b->run, entries, n, now_ms, err);
	}
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
			dir_memory_mark(f->memory, key_of(b, &b->v[i]),
					MARK_OF(b->v[i].place, b->v[i].unknown_len > 0));
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

int feed_entry(struct feed *f, struct str key, uint64_t name, struct str doc,
	       struct str unknown, struct err *err)
{
	struct batch *b = &f->batch[f->filling];
	int r = 0;

	/* what is full is given away first, so that one entry more always finds room */
	if (b->n == FEED_BATCH ||
	    (b->n > 0 && b->text.len + key.len + unknown.len + doc.len > FEED_BYTES))
		r = batch_give(f, err);
	if (r < 0)
		return r;
	b = &f->batch[f->filling];
	b->v[b->n++] = (struct fed){ .at = b->text.len,
				     .name = name,
				     .key_len = key.len,
				     .unknown_len = unknown.len,
				     .doc_len = doc.len };
	buf_add_str(&b->text, key);
	buf_add_str(&b->text, unknown);
	buf_add_str(&b->text, doc);
	return buf_fault(&b->text, err, "an entry's document");
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
