#include "bridge/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/stamp.h"

#define PROGRESS_MOST 128
#define PROGRESS_SURE_MS 5000
#define PROGRESS_SURE_PART 50

struct row {
	const char *what, *of; /* what NULL: an empty place */
	int64_t done, total;
	int64_t since_ms;        /* wall */
	int64_t counted_mono_ms; /* when the first of it was done; 0: none yet */
	int64_t counted_from;    /* how many that were */
	int64_t newest_mono_ms;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct row rows[PROGRESS_MOST];

/* Under the lock. NULL: none. */
static struct row *find(const char *what, const char *of)
{
	for (size_t i = 0; i < PROGRESS_MOST; i++)
		if (rows[i].what && !strcmp(rows[i].what, what) && !strcmp(rows[i].of, of))
			return &rows[i];
	return NULL;
}

void progress_begin(const char *what, const char *of)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < PROGRESS_MOST; i++) {
		if (rows[i].what)
			continue;
		rows[i] = (struct row){
			.what = what, .of = of, .total = -1, .since_ms = stamp_now_ms()
		};
		break;
	}
	pthread_mutex_unlock(&lock);
}

void progress_at(const char *what, const char *of, int64_t done, int64_t total)
{
	struct row *r;

	pthread_mutex_lock(&lock);
	r = find(what, of);
	if (r) {
		r->newest_mono_ms = stamp_mono_ms();
		/* what comes before the first of them tells nothing of their speed */
		if (!r->counted_mono_ms && done > 0) {
			r->counted_mono_ms = r->newest_mono_ms;
			r->counted_from = done;
		}
		r->done = done;
		r->total = total;
	}
	pthread_mutex_unlock(&lock);
}

void progress_skip(const char *what, const char *of, int64_t done, int64_t total)
{
	struct row *r;

	pthread_mutex_lock(&lock);
	r = find(what, of);
	if (r) {
		r->done = done;
		r->total = total;
		r->counted_mono_ms = r->counted_from = 0;
	}
	pthread_mutex_unlock(&lock);
}

void progress_end(const char *what, const char *of)
{
	struct row *r;

	pthread_mutex_lock(&lock);
	r = find(what, of);
	if (r)
		*r = (struct row){ 0 };
	pthread_mutex_unlock(&lock);
}

int64_t progress_left_ms(int64_t done, int64_t total, int64_t took_ms)
{
	if (total <= 0 || done <= 0 || done > total || took_ms < PROGRESS_SURE_MS ||
	    done < total / PROGRESS_SURE_PART)
		return -1;
	return (int64_t)((double)took_ms / (double)done * (double)(total - done));
}

json_t *progress_out(const char *what, const char *of)
{
	struct row now = { 0 };
	int64_t left;
	struct row *r;

	pthread_mutex_lock(&lock);
	r = find(what, of);
	if (r)
		now = *r;
	pthread_mutex_unlock(&lock);
	if (!now.what)
		return json_null();
	left = progress_left_ms(now.done - now.counted_from,
				now.total < 0 ? -1 : now.total - now.counted_from,
				now.newest_mono_ms - now.counted_mono_ms);
	return json_pack("{s:I, s:o, s:I, s:o}", "done", (json_int_t)now.done, "total",
			 now.total < 0 ? json_null() : json_integer(now.total), "since_ms",
			 (json_int_t)now.since_ms, "left_ms",
			 left < 0 ? json_null() : json_integer(left));
}

/* 103137: "103,137" */
static const char *grouped(int64_t n, char ret[32])
{
	char plain[24];
	size_t len, at = 0;

	len = (size_t)snprintf(plain, sizeof(plain), "%lld", (long long)n);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			ret[at++] = ',';
		ret[at++] = plain[i];
	}
	ret[at] = '\0';
	return ret;
}

const char *progress_text(const json_t *at, const char *of, char ret[160])
{
	int64_t done = json_integer_value(json_object_get(at, "done"));
	const json_t *total = json_object_get(at, "total"),
		     *left = json_object_get(at, "left_ms");
	int64_t seconds = (json_integer_value(left) + 999) / 1000;
	char one[32], two[32], rest[64] = "";

	ret[0] = '\0';
	if (!json_is_object(at))
		return ret;
	if (json_is_integer(left) && seconds < 120)
		snprintf(rest, sizeof(rest), ", about %lld s left", (long long)seconds);
	else if (json_is_integer(left))
		snprintf(rest, sizeof(rest), ", about %lld min left",
			 (long long)((seconds + 30) / 60));
	if (json_is_integer(total) && json_integer_value(total) > 0)
		snprintf(ret, 160, "%.60s: %s of %s (%lld %%)%s", of, grouped(done, one),
			 grouped(json_integer_value(total), two),
			 (long long)(done * 100 / json_integer_value(total)), rest);
	else
		snprintf(ret, 160, "%.60s: %s", of, grouped(done, one));
	return ret;
}
