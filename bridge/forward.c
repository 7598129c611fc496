#include "bridge/forward.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/worker.h"
#include "net/syslog.h"
#include "store/cursors.h"
#include "store/writer.h"

#define OWNER "audit"
#define NAME "forward"
#define READ_NAME "forward.read"
#define PAGE 100
#define BEAT_MS 1000
#define RETRY_LEAST_MS (5 * STAMP_SECOND_MS)
#define RETRY_MOST_MS (10 * STAMP_MINUTE_MS)
#define IDLE_MS STAMP_MINUTE_MS /* of real time: an idle connection is closed after it */

struct forward {
	struct app *app;
	struct worker *worker;
	struct syslog_conn *conn;
	char host[256];
	int64_t seq;  /* the last entry that was sent, or from where it is sent again */
	int64_t kept; /* what the store says was taken */
	int64_t read; /* what the other side's program has read for sure */
	bool known;   /* kept was read */
	int64_t retry_ms, next_ms, used_ms; /* monotonic */
};

/* --- one entry -------------------------------------------------------------------------------
 */

static void number_value(struct buf *into, const char *name, int64_t number,
			 void (*put)(struct buf *into, const char *name, struct str value))
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)number);

	put(into, name, str_n(text, (size_t)n));
}

static void digest_value(struct buf *into, const char *name, const struct digest *d,
			 void (*put)(struct buf *into, const char *name, struct str value))
{
	char hex[DIGEST_HEX_BYTES];

	digest_hex(d, hex);
	put(into, name, str_of(hex));
}

/* Number and link come first: what somebody else wrote stands behind them. */
static void structured(const struct config *c, const struct audit_entry *e, struct buf *into)
{
	syslog_data_begin(into, "leaverd", c->audit.enterprise);
	number_value(into, "seq", e->seq, syslog_data_value);
	digest_value(into, "link", &e->link, syslog_data_value);
	digest_value(into, "digest", &e->digest, syslog_data_value);
	syslog_data_value(into, "instance", str_of(c->instance.name));
	syslog_data_value(into, "who", e->who);
	syslog_data_value(into, "what", e->what);
	syslog_data_value(into, "target", e->target);
	if (e->person)
		number_value(into, "person", e->person, syslog_data_value);
	syslog_data_end(into);
}

static void cef(const struct config *c, const struct audit_entry *e, struct buf *into)
{
	buf_add_text(into, "CEF:0|leaverd|leaverd|" LEAVERD_VERSION "|");
	syslog_cef_field(into, e->what);
	buf_add_char(into, '|');
	syslog_cef_field(into, e->what);
	buf_add_text(into, "|3|");
	buf_addf(into, "rt=%lld", (long long)e->ms);
	number_value(into, "externalId", e->seq, syslog_cef_value);
	digest_value(into, "link", &e->link, syslog_cef_value);
	digest_value(into, "digest", &e->digest, syslog_cef_value);
	syslog_cef_value(into, "suser", e->who);
	syslog_cef_value(into, "act", e->what);
	syslog_cef_value(into, "cs1Label", STR("target"));
	syslog_cef_value(into, "cs1", e->target);
	syslog_cef_value(into, "cs2Label", STR("instance"));
	syslog_cef_value(into, "cs2", str_of(c->instance.name));
	if (e->person) {
		syslog_cef_value(into, "cn1Label", STR("person"));
		number_value(into, "cn1", e->person, syslog_cef_value);
	}
	if (c->audit.bodies && !e->forgotten)
		syslog_cef_value(into, "msg", e->body);
}

/* A line end in a body would be one more line at many receivers. */
static void add_body(const struct audit_entry *e, struct buf *into)
{
	for (size_t i = 0; i < e->body.len; i++) {
		unsigned char b = (unsigned char)e->body.p[i];

		buf_add_char(into, b < ' ' || b == 127 ? ' ' : (char)b);
	}
}

int forward_message(const struct config *c, const char *host, const struct audit_entry *e,
		    struct buf *into, struct err *err)
{
	CLEANUP(buf_done) struct buf data, text;
	char id[SYSLOG_ID_MAX + 1];
	struct syslog_message m = { .severity = SYSLOG_NOTICE,
				    .ms = e->ms,
				    .host = host,
				    .process = c->instance.name,
				    .id = id };
	int r;

	buf_init(&data, SYSLOG_MESSAGE_MAX);
	buf_init(&text, SYSLOG_MESSAGE_MAX);
	(void)snprintf(id, sizeof(id), STR_FMT, STR_ARG(e->what));
	if (c->audit.form == CONFIG_AUDIT_CEF) {
		cef(c, e, &text);
	} else {
		structured(c, e, &data);
		if (c->audit.bodies && !e->forgotten)
			add_body(e, &text);
	}
	r = buf_fault(&data, err, "a message for the log server");
	if (r == 0)
		r = buf_fault(&text, err, "a message for the log server");
	if (r < 0)
		return r;
	m.data = buf_str(&data);
	m.text = buf_str(&text);
	return syslog_compose(&m, into, err);
}

/* --- a page of them --------------------------------------------------------------------------
 */

struct page {
	struct forward *f;
	struct config *c;
	struct buf out;
	size_t at[PAGE]; /* where each message ends in out */
	size_t n;
	int64_t last;
};

/* Too long with its body: then it goes without. */
static int entry_add(void *ctx, const struct audit_entry *e, struct err *err)
{
	struct page *p = ctx;
	size_t before = p->out.len;
	int r = forward_message(p->c, p->f->host, e, &p->out, err);

	if (r == -ERR_TOO_LARGE || r == -ERR_LIMIT) {
		struct config bare = *p->c;

		bare.audit.bodies = false;
		p->out.len = before;
		r = forward_message(&bare, p->f->host, e, &p->out, err);
	}
	if (r < 0)
		return err_context(err, r, "audit entry %lld", (long long)e->seq);
	p->at[p->n++] = p->out.len;
	p->last = e->seq;
	return 0;
}

static int page_read(struct page *p, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(p->f->app->store, &db, err);

	return r < 0 ? r : audit_list(db, p->f->seq, PAGE, NULL, 0, entry_add, p, err);
}

static int write_number(struct db *db, const char *name, int64_t number, struct err *err)
{
	char text[24];
	int r;

	(void)snprintf(text, sizeof(text), "%lld", (long long)number);
	r = cursors_set(db, OWNER, name, text, stamp_now_ms(), err);
	return r < 0 ? r : 0;
}

static int write_kept(void *ctx, struct db *db, struct err *err)
{
	const struct forward *f = ctx;

	return write_number(db, NAME, f->seq, err);
}

static int write_read(void *ctx, struct db *db, struct err *err)
{
	const struct forward *f = ctx;

	return write_number(db, READ_NAME, f->read, err);
}

static int number_of(struct app *app, const char *name, int64_t *ret, int64_t *ret_ms,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(free_at) char *text = NULL;
	int r = store_read_begin(app->store, &db, err);

	*ret = *ret_ms = 0;
	if (r == 0)
		r = cursors_get(db, OWNER, name, &text, ret_ms, err);
	if (r == 0 && !str_int64(str_of(text), ret))
		return err_set(err, ERR_DAMAGED,
			       "where the forwarding of the audit chain stands is no number");
	return r < 0 ? r : 0;
}

int forward_standing(struct app *app, int64_t *ret_seq, int64_t *ret_ms, struct err *err)
{
	return number_of(app, NAME, ret_seq, ret_ms, err);
}

/* --- the thread ------------------------------------------------------------------------------
 */

static void options_of(const struct config_audit *a, struct syslog_options *ret)
{
	*ret = (struct syslog_options){ .server = a->server,
					.ca_file = a->ca_file,
					.cert_file = a->cert_file,
					.key_file = a->key_file,
					.timeout_ms = a->timeout_ms };
}

int forward_probe(struct app *app, struct err *err)
{
	CLEANUP(syslog_close_at) struct syslog_conn *conn = NULL;
	struct syslog_options options;

	options_of(&app->config.audit, &options);
	return syslog_open(&conn, &options, err);
}

static int connect_now(struct forward *f, struct err *err)
{
	struct syslog_options options;

	options_of(&f->app->config.audit, &options);
	return syslog_open(&f->conn, &options, err);
}

static int page_send(struct forward *f, const struct page *p, struct err *err)
{
	size_t begin = 0;
	int r = f->conn ? 0 : connect_now(f, err);

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		r = syslog_send(f->conn, str_n(p->out.p + begin, p->at[i] - begin), err);
		begin = p->at[i];
	}
	return r < 0 ? r : syslog_flush(f->conn, err);
}

/* Goes back to what is sent once more: what was taken last may never have been read. */
static void go_back(struct forward *f)
{
	int64_t from = f->kept > FORWARD_AGAIN ? f->kept - FORWARD_AGAIN : 0;

	f->seq = f->read > from ? f->read : from;
}

static int standing_read(struct forward *f, struct err *err)
{
	int64_t ms;
	int r = number_of(f->app, NAME, &f->kept, &ms, err);

	if (r == 0)
		r = number_of(f->app, READ_NAME, &f->read, &ms, err);
	if (r < 0)
		return r;
	go_back(f);
	f->known = true;
	return 0;
}

/* What comes next. A new connection that has something to say begins further back. */
static int next_read(struct page *p, struct err *err)
{
	struct forward *f = p->f;
	int64_t from = f->seq;
	int r = page_read(p, err);

	if (r < 0 || !p->n || f->conn)
		return r;
	go_back(f);
	if (f->seq >= from) {
		f->seq = from;
		return 0;
	}
	p->n = 0;
	buf_clear(&p->out);
	return page_read(p, err);
}

/* *more: there may be more to send at once. */
static int send_some(struct forward *f, bool *more, struct err *err)
{
	struct page p = { .f = f, .c = &f->app->config };
	int r = 0;

	buf_init(&p.out, (size_t)PAGE * (SYSLOG_MESSAGE_MAX + 1024));
	*more = false;
	if (!f->known)
		r = standing_read(f, err);
	if (r == 0)
		r = next_read(&p, err);
	if (r == 0 && p.n) {
		r = page_send(f, &p, err);
		if (r == 0) {
			f->seq = p.last;
			f->used_ms = stamp_mono_ms();
		}
		if (r == 0 && f->seq > f->kept) {
			r = writer_call(f->app->writer, write_kept, f, err);
			f->kept = r == 0 ? f->seq : f->kept;
		}
		*more = r == 0 && p.n == PAGE;
	}
	buf_done(&p.out);
	return r;
}

static void went_wrong(struct forward *f, const struct err *err)
{
	syslog_close(TAKE(f->conn));
	if (f->known)
		go_back(f);
	f->retry_ms = f->retry_ms ? f->retry_ms * 2 : RETRY_LEAST_MS;
	if (f->retry_ms > RETRY_MOST_MS)
		f->retry_ms = RETRY_MOST_MS;
	f->next_ms = stamp_mono_ms() + f->retry_ms;
	log_warn("audit.forward", LOG_I("kept", f->kept), LOG_I("retry_ms", f->retry_ms),
		 LOG_E(err));
}

/* Ends the connection in order. What its program then has read is not sent again. */
static int hang_up(struct forward *f, struct err *err)
{
	bool read = syslog_end(f->conn);

	syslog_close(TAKE(f->conn));
	if (!read || f->seq < f->kept || f->read == f->kept)
		return 0;
	f->read = f->kept;
	return writer_call(f->app->writer, write_read, f, err);
}

/* Between entries: a connection that broke is noticed while it can still be repeated. */
static int idle_look(struct forward *f, struct err *err)
{
	if (!f->conn)
		return 0;
	if (stamp_mono_ms() - f->used_ms >= IDLE_MS)
		return hang_up(f, err);
	return syslog_flush(f->conn, err);
}

static void forward_loop(struct worker *self, void *arg)
{
	struct forward *f = arg;
	struct err err;
	bool more = false;

	while (!worker_wait(self, more ? 0 : BEAT_MS)) {
		int r;

		more = false;
		if (stamp_mono_ms() < f->next_ms)
			continue;
		r = idle_look(f, &err);
		if (r == 0)
			r = send_some(f, &more, &err);
		if (r < 0)
			went_wrong(f, &err);
		else
			f->retry_ms = 0;
	}
	if (f->conn && hang_up(f, &err) < 0)
		log_warn("audit.forward", LOG_I("kept", f->kept), LOG_E(&err));
}

int forward_start(struct forward **ret, struct app *app, struct err *err)
{
	struct forward *f;
	int r;

	*ret = NULL;
	if (!app->config.audit.server)
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_nomem(err);
	f->app = app;
	if (gethostname(f->host, sizeof(f->host) - 1) < 0)
		f->host[0] = '\0';
	r = worker_start(&f->worker, "forward", forward_loop, f, err);
	if (r < 0)
		free(f);
	else
		*ret = f;
	return r;
}

void forward_stop(struct forward *f)
{
	if (!f)
		return;
	worker_join(f->worker);
	free(f);
}
