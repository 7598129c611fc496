#include "bridge/stamps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stamp.h"
#include "base/worker.h"
#include "net/httpc.h"
#include "store/cursors.h"
#include "store/writer.h"

#define OWNER "anchor"
#define STANDS "stamp"
#define WAITS "stamp.waits"
#define BEAT_MS 1000
#define RETRY_LEAST_MS (30 * STAMP_SECOND_MS)
#define RETRY_MOST_MS STAMP_HOUR_MS

struct stamps {
	struct app *app;
	struct worker *worker;
	int64_t retry_ms, next_ms; /* wall */
};

int stamps_folder(const struct config *c, struct buf *into, struct err *err)
{
	if (c->anchors.stamps.folder)
		buf_add_text(into, c->anchors.stamps.folder);
	else if (c->anchors.file)
		buf_addf(into, "%s.stamps", c->anchors.file);
	else
		buf_addf(into, "%s/stamps", c->instance.state_dir);
	return buf_fault(into, err, "the folder of time stamps");
}

/* --- what waits ----------------------------------------------------------------------------
 */

int stamps_wait(struct db *db, struct str line, int64_t now_ms, struct err *err)
{
	CLEANUP(free_at) char *text = str_dup(line);
	int r;

	if (!text)
		return err_nomem(err);
	r = cursors_set(db, OWNER, WAITS, text, now_ms, err);
	return r < 0 ? r : 0;
}

static int waiting(struct app *app, char **ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : cursors_get(db, OWNER, WAITS, ret, NULL, err);
}

int stamps_waits_since(struct app *app, int64_t *ret_ms, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(free_at) char *line = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : cursors_get(db, OWNER, WAITS, &line, ret_ms, err);
}

struct kept {
	const char *line;
	char seq[24];
	int64_t now_ms;
};

/* What waits now may be a newer one. */
static int write_kept(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(free_at) char *waits = NULL;
	struct kept *k = ctx;
	int r = cursors_set(db, OWNER, STANDS, k->seq, k->now_ms, err);

	if (r >= 0)
		r = cursors_get(db, OWNER, WAITS, &waits, NULL, err);
	if (r == 0 && !strcmp(waits, k->line))
		r = cursors_set(db, OWNER, WAITS, NULL, k->now_ms, err);
	return r < 0 ? r : 0;
}

/* --- asking --------------------------------------------------------------------------------
 */

static int post(struct app *app, struct httpc *http, struct str query,
		struct httpc_answer *answer, struct err *err)
{
	const struct config_stamps *c = &app->config.anchors.stamps;
	const struct httpc_request request = {
		.method = "POST",
		.url = c->url,
		.body = query,
		.content_type = TSP_QUERY_TYPE,
		.via = { .proxy = c->proxy, .ca_file = c->ca_file, .any_http = true },
		.retry = RETRY_NOT,
		.tries = 1,
		.deadline_ms = c->timeout_ms,
		.try_timeout_ms = c->timeout_ms,
		.max_body_bytes = TSP_ANSWER_MAX,
	};
	int r = httpc_do(http, &request, answer, err);

	if (r == 0 && answer->status != 200)
		r = err_set(err, ERR_REMOTE, "%s answers %d", c->url, answer->status);
	return r;
}

/* A command that works alone may have no client. */
static int ask(struct app *app, struct str text, struct buf *into, struct tsp_stamp *ret,
	       struct err *err)
{
	const struct config_stamps *c = &app->config.anchors.stamps;
	CLEANUP(httpc_free_at) struct httpc *own = NULL;
	struct httpc_answer answer = { 0 };
	unsigned char nonce[TSP_NONCE_BYTES];
	const struct tsp_terms terms = {
		.data = text, .policy = c->policy, .nonce = nonce, .ca_file = c->ca_file
	};
	CLEANUP(buf_done) struct buf query;
	int r;

	buf_init(&query, TSP_QUERY_MAX);
	secret_random_bytes(nonce, sizeof(nonce));
	nonce[0] |= 1; /* a number without zeros in front: some take no other */
	r = tsp_request(&terms, &query, err);
	if (r == 0 && !app->http)
		r = httpc_new(&own, NULL, err);
	if (r == 0)
		r = post(app, app->http ? app->http : own, buf_str(&query), &answer, err);
	if (r == 0)
		r = tsp_check(buf_str(&answer.body), &terms, ret, err);
	if (r == 0) {
		buf_add_str(into, buf_str(&answer.body));
		r = buf_fault(into, err, "a time stamp");
	}
	httpc_answer_done(&answer);
	return r < 0 ? err_context(err, r, "time stamp by %s", c->url) : 0;
}

/* --- keeping -------------------------------------------------------------------------------
 */

/* Written beside and renamed, so that half of one is never there. */
static int write_file(int folder, const char *name, struct str bytes, struct err *err)
{
	char beside[STAMPS_NAME_BYTES + 16];
	CLEANUP(fd_close_at) int fd = -1;
	int why;

	(void)snprintf(beside, sizeof(beside), "%s.part", name);
	fd = openat(folder, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	why = fd < 0 ? errno : fd_write_whole(fd, bytes);
	if (!why && (fsync(fd) < 0 || renameat(folder, beside, folder, name) < 0))
		why = errno;
	return why ? err_errno(err, why == ENOSPC ? ERR_FULL : ERR_IO, why, "the time stamp %s",
			       name)
		   : 0;
}

/* The answer last: where it is, the text is too. */
static int keep(struct app *app, const struct anchor *a, struct str text, struct str answer,
		struct err *err)
{
	char hex[DIGEST_HEX_BYTES], name[STAMPS_NAME_BYTES], end[STAMPS_NAME_BYTES];
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, 4096);
	r = stamps_folder(&app->config, &path, err);
	if (r < 0)
		return r;
	if (mkdir(path.p, 0700) < 0 && errno != EEXIST)
		return err_errno(err, ERR_IO, errno, "the folder of time stamps %s", path.p);
	fd = open(path.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "the folder of time stamps %s", path.p);
	digest_hex(&a->link, hex);
	(void)snprintf(name, sizeof(name), "%010lld-%.8s" STAMPS_TEXT_END, (long long)a->seq,
		       hex);
	(void)snprintf(end, sizeof(end), "%010lld-%.8s" STAMPS_END, (long long)a->seq, hex);
	r = write_file(fd, name, text, err);
	if (r == 0)
		r = write_file(fd, end, answer, err);
	if (r == 0 && fsync(fd) < 0)
		r = err_errno(err, ERR_IO, errno, "the folder of time stamps %s", path.p);
	return r < 0 ? err_context(err, r, "%s", path.p) : 0;
}

static int anchor_of(struct app *app, const char *line, struct anchor *ret, struct err *err)
{
	const struct store_keys *keys = store_keys(app->store);
	unsigned char key[DIGEST_PUB_BYTES];
	const char *bad;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET, "the vault is not open: give the master key");
	r = digest_public(key, &keys->head_seed, err);
	if (r < 0)
		return r;
	if (!anchor_read_line(str_of(line), key, ret, &bad) || bad || !ret->is_signed)
		return err_set(err, ERR_DAMAGED,
			       "the anchor that waits for its time stamp is not as it was "
			       "written: 'leaverd audit anchor' makes another");
	return 0;
}

static int ask_for(struct app *app, const char *line, int64_t *ret_seq, struct tsp_stamp *ret,
		   struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(buf_done) struct buf answer;
	struct kept kept = { .line = line, .now_ms = stamp_now_ms() };
	struct anchor a;
	int r;

	buf_init(&text, ANCHOR_LINE_BYTES + 1);
	buf_init(&answer, TSP_ANSWER_MAX);
	buf_addf(&text, "%s\n", line);
	r = buf_fault(&text, err, "an anchor");
	if (r == 0)
		r = anchor_of(app, line, &a, err);
	if (r == 0)
		r = ask(app, buf_str(&text), &answer, ret, err);
	if (r == 0)
		r = keep(app, &a, buf_str(&text), buf_str(&answer), err);
	if (r < 0)
		return r;
	(void)snprintf(kept.seq, sizeof(kept.seq), "%lld", (long long)a.seq);
	r = writer_call(app->writer, write_kept, &kept, err);
	if (r < 0)
		return r;
	*ret_seq = a.seq;
	log_info("anchor.stamp", LOG_I("seq", a.seq), LOG_T("policy", ret->policy));
	return 0;
}

bool stamps_begin(struct app *app)
{
	return !atomic_exchange(&app->stamping, true);
}

void stamps_end(struct app *app)
{
	atomic_store(&app->stamping, false);
}

int stamps_ask(struct app *app, int64_t *ret_seq, struct tsp_stamp *ret, struct err *err)
{
	CLEANUP(free_at) char *line = NULL;
	int r = waiting(app, &line, err);

	return r == 0 ? ask_for(app, line, ret_seq, ret, err) : r;
}

/* --- the thread ----------------------------------------------------------------------------
 */

static void look(struct stamps *s)
{
	struct tsp_stamp stamp;
	int64_t seq;
	struct err err;
	int r;

	if (!stamps_begin(s->app))
		return;
	r = stamps_ask(s->app, &seq, &stamp, &err);
	stamps_end(s->app);
	if (r >= 0) {
		s->retry_ms = 0;
		return;
	}
	s->retry_ms = s->retry_ms ? s->retry_ms * 2 : RETRY_LEAST_MS;
	if (s->retry_ms > RETRY_MOST_MS)
		s->retry_ms = RETRY_MOST_MS;
	s->next_ms = stamp_now_ms() + s->retry_ms;
	log_warn("anchor.stamp", LOG_I("retry_ms", s->retry_ms), LOG_E(&err));
}

static void stamps_loop(struct worker *self, void *arg)
{
	struct stamps *s = arg;

	while (!worker_wait(self, BEAT_MS)) {
		int64_t left_ms = s->next_ms - stamp_now_ms();

		/* a clock that was set back does not make it wait for longer than it would */
		if (left_ms <= 0 || left_ms > s->retry_ms)
			look(s);
	}
}

int stamps_start(struct stamps **ret, struct app *app, struct err *err)
{
	struct stamps *s;
	int r;

	*ret = NULL;
	if (!app->config.anchors.stamps.url)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	s->app = app;
	r = worker_start(&s->worker, "stamps", stamps_loop, s, err);
	if (r < 0)
		free(s);
	else
		*ret = s;
	return r;
}

void stamps_stop(struct stamps *s)
{
	if (!s)
		return;
	worker_join(s->worker);
	free(s);
}
