#include "scim/jwks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "base/log.h"
#include "base/worker.h"

#define SET_MAX_BYTES (1 << 20)
#define FETCH_MS 10000
#define FETCH_TRY_MS 5000
#define BEAT_MS 1000

/* Somebody to be told. */
struct waiting {
	void (*fn)(void *ctx);
	void *ctx;
};

struct set {
	struct jwks_from from;
	struct jwt_keys *keys;              /* NULL: never read, or too old */
	int64_t read_ms, next_ms, tried_ms; /* monotonic; 0: never */
	bool asked;                         /* fetch as soon as it is allowed */
	bool busy;                          /* being fetched */
	bool failed;                        /* the last time */
	struct waiting waiting[JWKS_WAITING_MOST];
	size_t waiting_n;
};

struct jwks {
	pthread_mutex_t lock; /* all of the sets; never held while fetching or telling */
	struct httpc *http;   /* NULL: all are files */
	struct worker *worker;
	bool stopped;
	size_t n;
	struct set sets[];
};

/* --- one fetch -----------------------------------------------------------------------------
 */

int64_t jwks_age_ms(struct str cache_control)
{
	struct str rest = cache_control, one, tail, name, value;
	uint64_t s;

	while (rest.len) {
		tail = (struct str){ 0 };
		str_cut(rest, ',', &one, &tail);
		rest = tail;
		if (!str_cut(str_trim(one), '=', &name, &value) ||
		    !str_ieq(str_trim(name), STR("max-age")) ||
		    !str_uint64(str_trim(value), &s))
			continue;
		if (s > (uint64_t)JWKS_AGE_MOST_MS / 1000)
			return JWKS_AGE_MOST_MS;
		return (int64_t)s * 1000 < JWKS_AGE_LEAST_MS ? JWKS_AGE_LEAST_MS
							     : (int64_t)s * 1000;
	}
	return JWKS_AGE_USUAL_MS;
}

static int file_fetch(const struct jwks_from *from, struct jwt_keys **ret, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(fd_close_at) int fd = -1;
	char piece[4096];
	ssize_t n;
	int r;

	buf_init(&text, SET_MAX_BYTES);
	fd = open(from->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "key set %s", from->file);
	while ((n = read(fd, piece, sizeof(piece))) > 0 && !text.fault)
		buf_add(&text, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "key set %s", from->file);
	r = buf_fault(&text, err, "the key set");
	if (r == 0)
		r = jwt_keys_read(buf_str(&text), ret, err);
	return r < 0 ? err_context(err, r, "key set %s", from->file) : 0;
}

static int url_fetch(struct httpc *http, const struct jwks_from *from, struct jwt_keys **ret,
		     int64_t *age_ms, struct err *err)
{
	static const struct httpc_header headers[] = { { "Accept", "application/json" },
						       { NULL, NULL } };
	const struct httpc_request request = {
		.method = "GET",
		.url = from->url,
		.headers = headers,
		.via = { .proxy = from->proxy, .ca_file = from->ca_file, .allow_http = true },
		.retry = RETRY_IDEMPOTENT,
		.tries = 2,
		.deadline_ms = FETCH_MS,
		.try_timeout_ms = FETCH_TRY_MS,
		.max_body_bytes = SET_MAX_BYTES,
	};
	struct httpc_answer answer = { 0 };
	struct str cache = { 0 };
	int r;

	r = httpc_do(http, &request, &answer, err);
	if (r < 0)
		return err_context(err, r, "key set %s", from->url);
	if (answer.status != 200) {
		r = err_set(err, ERR_REMOTE, "key set %s: the server answered %d", from->url,
			    answer.status);
	} else {
		r = jwt_keys_read(buf_str(&answer.body), ret, err);
		if (r < 0)
			err_context(err, r, "key set %s", from->url);
		httpc_header(&answer, "Cache-Control", &cache);
		*age_ms = jwks_age_ms(cache);
	}
	httpc_answer_done(&answer);
	return r;
}

int jwks_fetch(struct httpc *http, const struct jwks_from *from, struct jwt_keys **ret,
	       int64_t *age_ms, struct err *err)
{
	if (from->url)
		return url_fetch(http, from, ret, age_ms, err);
	*age_ms = JWKS_AGE_FILE_MS;
	return file_fetch(from, ret, err);
}

/* --- the thread ----------------------------------------------------------------------------
 */

/* Under the lock: the next set whose time has come, which is busy from now on. */
static struct set *due(struct jwks *j, int64_t now_ms)
{
	for (size_t i = 0; i < j->n; i++) {
		struct set *s = &j->sets[i];
		bool rested = !s->tried_ms || now_ms - s->tried_ms >= JWKS_AGAIN_MS;

		if (!rested || !(s->asked || now_ms >= s->next_ms))
			continue;
		s->busy = true;
		s->asked = false;
		s->tried_ms = now_ms;
		return s;
	}
	return NULL;
}

/* Takes what came (NULL: nothing) and whom to tell; the caller tells, without the lock. */
static size_t set_settle(struct jwks *j, struct set *s, struct jwt_keys *keys, int64_t age_ms,
			 struct waiting *tell)
{
	int64_t now_ms = stamp_mono_ms();
	struct jwt_keys *old = NULL;
	size_t n;

	pthread_mutex_lock(&j->lock);
	s->busy = false;
	s->failed = !keys;
	s->tried_ms = now_ms;
	s->next_ms = now_ms + (keys ? age_ms : JWKS_AGAIN_MS);
	if (keys) {
		old = s->keys;
		s->keys = keys;
		s->read_ms = now_ms;
	}
	n = s->waiting_n;
	memcpy(tell, s->waiting, n * sizeof(*tell));
	s->waiting_n = 0;
	pthread_mutex_unlock(&j->lock);
	jwt_keys_drop(old);
	return n;
}

static void tell_all(const struct waiting *tell, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tell[i].fn(tell[i].ctx);
}

static void set_fetch(struct jwks *j, struct set *s)
{
	struct waiting tell[JWKS_WAITING_MOST];
	struct jwt_keys *keys = NULL;
	int64_t age_ms = 0;
	struct err err;
	size_t n;

	if (jwks_fetch(j->http, &s->from, &keys, &age_ms, &err) < 0) {
		if (err.code != ERR_CANCELLED)
			log_warn("jwks.fetch", LOG_T("source", s->from.name), LOG_E(&err));
	} else {
		log_debug("jwks.fetch", LOG_T("source", s->from.name),
			  LOG_U("keys", jwt_keys_count(keys)));
	}
	n = set_settle(j, s, keys, age_ms, tell);
	tell_all(tell, n);
}

static void run(struct worker *self, void *arg)
{
	struct jwks *j = arg;

	do {
		struct set *s;

		do {
			pthread_mutex_lock(&j->lock);
			s = worker_stopping(self) ? NULL : due(j, stamp_mono_ms());
			pthread_mutex_unlock(&j->lock);
			if (s)
				set_fetch(j, s);
		} while (s);
	} while (!worker_wait(self, BEAT_MS));
}

/* --- asking --------------------------------------------------------------------------------
 */

struct jwt_keys *jwks_take(struct jwks *j, size_t i)
{
	struct set *s = &j->sets[i];
	struct jwt_keys *keys = NULL;

	pthread_mutex_lock(&j->lock);
	if (s->keys && stamp_mono_ms() - s->read_ms <= s->from.keep_ms)
		keys = jwt_keys_hold(s->keys);
	pthread_mutex_unlock(&j->lock);
	return keys;
}

enum jwks_word jwks_newer(struct jwks *j, size_t i, void (*fn)(void *ctx), void *ctx)
{
	struct set *s = &j->sets[i];
	enum jwks_word word;
	bool rested;

	pthread_mutex_lock(&j->lock);
	rested = s->busy || !s->tried_ms || stamp_mono_ms() - s->tried_ms >= JWKS_AGAIN_MS;
	if (!rested) {
		word = s->failed ? JWKS_AWAY : JWKS_FRESH;
	} else if (!fn || j->stopped || s->waiting_n == JWKS_WAITING_MOST) {
		word = JWKS_AWAY;
	} else {
		s->waiting[s->waiting_n++] = (struct waiting){ fn, ctx };
		word = JWKS_WAIT;
	}
	s->asked |= rested && !s->busy;
	if (rested && j->worker)
		worker_wake(j->worker);
	pthread_mutex_unlock(&j->lock);
	return word;
}

void jwks_reread(struct jwks *j)
{
	pthread_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->n; i++) {
		j->sets[i].asked = true;
		j->sets[i].tried_ms = 0;
	}
	if (j->worker)
		worker_wake(j->worker);
	pthread_mutex_unlock(&j->lock);
}

/* --- birth and death -----------------------------------------------------------------------
 */

int jwks_start(struct jwks **ret, const struct jwks_from *from, size_t n, struct err *err)
{
	CLEANUP(jwks_free_at) struct jwks *j = calloc(1, sizeof(*j) + n * sizeof(j->sets[0]));
	bool web = false;
	int r = 0;

	if (!j)
		return err_nomem(err);
	pthread_mutex_init(&j->lock, NULL);
	j->n = n;
	for (size_t i = 0; i < n; i++) {
		j->sets[i].from = from[i];
		web |= from[i].url != NULL;
	}
	if (web)
		r = httpc_new(&j->http, NULL, err);
	if (r == 0)
		r = worker_start(&j->worker, "jwks", run, j, err);
	if (r < 0)
		return r;
	*ret = TAKE(j);
	return 0;
}

void jwks_stop(struct jwks *j)
{
	struct worker *worker;

	if (!j || j->stopped)
		return;
	pthread_mutex_lock(&j->lock);
	j->stopped = true;
	worker = TAKE(j->worker);
	pthread_mutex_unlock(&j->lock);
	worker_stop(worker);
	if (j->http)
		httpc_stop(j->http);
	worker_join(worker);
	for (size_t i = 0; i < j->n; i++) {
		struct set *s = &j->sets[i];

		tell_all(s->waiting, s->waiting_n);
		s->waiting_n = 0;
	}
}

void jwks_free(struct jwks *j)
{
	if (!j)
		return;
	jwks_stop(j);
	httpc_free(j->http);
	for (size_t i = 0; i < j->n; i++)
		jwt_keys_drop(j->sets[i].keys);
	pthread_mutex_destroy(&j->lock);
	free(j);
}
