#include "bridge/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/enc.h"
#include "base/fd.h"
#include "base/jx.h"
#include "base/log.h"
#include "base/stamp.h"
#include "base/worker.h"
#include "bridge/addressee.h"
#include "bridge/again.h"
#include "bridge/bulletin.h"
#include "bridge/notices.h"
#include "bridge/rounds.h"
#include "bridge/tickets.h"
#include "net/httpc.h"
#include "net/mail.h"
#include "net/rate.h"
#include "store/issues.h"
#include "store/outbox.h"
#include "store/writer.h"

#define KEY_BYTES 400
#define BEAT_MS 1000
#define LOOK_MS STAMP_MINUTE_MS /* bulletins, what is too old */
#define RETAIN_MS STAMP_HOUR_MS
#define AWAY_MS 30000 /* doubling up to: */
#define AWAY_MOST_MS (30 * STAMP_MINUTE_MS)
#define LATER_MS STAMP_MINUTE_MS /* doubling up to: */
#define LATER_MOST_MS STAMP_HOUR_MS
#define TURN_MOST 50 /* notices of one channel before the next has its turn */
#define OWED_MOST_MS (10 * STAMP_MINUTE_MS)
#define FILE_MOST 200

/* What became of a notice. */
enum outcome { SENT, LATER, AWAY, REFUSED, MAYBE };

struct ended {
	enum outcome outcome;
	int64_t wait_ms; /* LATER: what the receiver asked for, or 0 */
	char says[ERR_TEXT_BYTES];
};

struct end_write {
	int64_t id, tries;
	struct ended ended;
};

struct channel {
	char name[80];
	const struct config_hook *hook;     /* or NULL */
	const struct config_issues *issues; /* or NULL */
	struct rate rate;
	bool paid;             /* a token was taken, and nothing sent for it yet */
	int64_t not_before_ms; /* wall; its server is away */
	unsigned away;         /* times in a row */
	struct end_write owed; /* what could not be written down yet */
	int64_t owes_until_ms; /* monotonic; 0: nothing */
};

struct outbox {
	struct app *app;
	struct worker *worker;
	struct mail *mail; /* this thread's */
	struct channel channels[2 + CONFIG_HOOKS_MAX + CONFIG_ISSUES_MAX];
	size_t channel_count;
	int64_t look_ms, retain_ms; /* wall: when next */
	struct bulletin_state bulletin;
	atomic_bool started, stopping, hurry, look;
	_Atomic int64_t idle_turn, turn; /* whoever drains waits for an idle turn after now */
};

/* A notice that was claimed. */
struct parcel {
	struct outbox *o;
	struct channel *channel;
	int64_t id, tries, queued_ms, state_ms; /* state_ms: before it was claimed */
	char key[KEY_BYTES], to[ADDRESSEE_BYTES], kind[32];
	bool repeats;
	struct buf letter;
	json_t *doc;
};

static void parcel_done(struct parcel *p)
{
	buf_done(&p->letter);
	json_decref(p->doc);
	p->doc = NULL;
}

/* --- on the writer -------------------------------------------------------------------------
 */

static int parcel_fill(void *ctx, const struct outbox_row *row, struct err *err)
{
	struct parcel *p = ctx;

	if (row->key.len >= KEY_BYTES || row->to.len >= ADDRESSEE_BYTES)
		return err_set(err, ERR_DAMAGED, "notice %lld: its key is too long",
			       (long long)row->id);
	p->id = row->id;
	p->tries = row->tries;
	p->queued_ms = row->queued_ms;
	p->state_ms = row->state_ms;
	p->repeats = row->repeats;
	(void)snprintf(p->key, sizeof(p->key), STR_FMT, STR_ARG(row->key));
	(void)snprintf(p->to, sizeof(p->to), STR_FMT, STR_ARG(row->to));
	(void)snprintf(p->kind, sizeof(p->kind), STR_FMT, STR_ARG(row->kind));
	buf_clear(&p->letter);
	buf_add_str(&p->letter, row->letter);
	return buf_fault(&p->letter, err, "a notice");
}

static int claim_run(void *ctx, struct db *db, struct err *err)
{
	struct parcel *p = ctx;

	return outbox_claim(db, str_of(p->channel->name), stamp_now_ms(), parcel_fill, p, err);
}

static int given_run(void *ctx, struct db *db, struct err *err)
{
	const struct parcel *p = ctx;

	return outbox_given(db, p->id, stamp_now_ms(), err);
}

static int64_t backoff(int64_t base_ms, int64_t times, int64_t most_ms)
{
	int64_t ms = base_ms;
	uint32_t chance;

	while (--times > 0 && ms < most_ms)
		ms *= 2;
	if (ms > most_ms)
		ms = most_ms;
	secret_random_bytes(&chance, sizeof(chance));
	return ms * 7 / 10 + (int64_t)(chance % 600) * ms / 1000; /* 0.7 to 1.3 */
}

static int end_run(void *ctx, struct db *db, struct err *err)
{
	static const enum outbox_state states[] = {
		[SENT] = OUTBOX_SENT, [REFUSED] = OUTBOX_FAILED, [MAYBE] = OUTBOX_MAYBE
	};
	const struct end_write *w = ctx;
	const struct ended *e = &w->ended;
	int64_t now_ms = stamp_now_ms(), wait_ms = 0;

	if (e->outcome != LATER && e->outcome != AWAY)
		return outbox_end(db, w->id, states[e->outcome], str_of(e->says), now_ms, err);
	if (e->outcome == LATER)
		wait_ms = e->wait_ms ? e->wait_ms : backoff(LATER_MS, w->tries, LATER_MOST_MS);
	return outbox_again(db, w->id, now_ms + wait_ms, e->outcome == LATER, str_of(e->says),
			    now_ms, err);
}

/* --- mail ----------------------------------------------------------------------------------
 */

static void ends(struct ended *e, enum outcome outcome, const struct err *err)
{
	e->outcome = outcome;
	(void)snprintf(e->says, sizeof(e->says), "%s", err ? err->text : "");
}

static bool stop_asked(void *ctx)
{
	const struct outbox *o = ctx;

	return atomic_load(&o->stopping);
}

static int mail_ready(struct outbox *o, struct err *err)
{
	const struct config_mail *m = &o->app->config.notices.mail;
	CLEANUP(secret_done) struct secret password = { 0 };
	const struct mail_options options = {
		.server = m->server,
		.tls = (enum mail_tls)m->tls,
		.ca_file = m->ca_file,
		.login = m->login,
		.timeout_ms = m->timeout_ms,
		.stop = stop_asked,
		.stop_ctx = o,
	};
	int r = m->password ? rounds_secret(o->app, m->password, &password, err) : 0;

	if (r == 0 && !o->mail)
		r = mail_new(&o->mail, &options, &password, err);
	return r;
}

static bool given_now(void *ctx)
{
	struct parcel *p = ctx;
	struct err err;
	int r = writer_call(p->o->app->writer, given_run, p, &err);

	if (r < 0)
		log_error("notices.given", LOG_U("notice", p->id), LOG_E(&err));
	return r == 0;
}

/* Stable, says nothing of anybody, and no other notice has it. */
static void message_id(const struct parcel *p, const char *from, char ret[160])
{
	const char *at = strrchr(from, '@');
	struct digest_run run;
	struct digest digest;
	char hex[DIGEST_HEX_BYTES];

	digest_begin(&run, NULL);
	digest_add(&run, p->o->app->config.instance.name,
		   strlen(p->o->app->config.instance.name) + 1);
	digest_add(&run, p->key, strlen(p->key));
	digest_add(&run, &p->queued_ms, sizeof(p->queued_ms));
	digest_end(&run, &digest);
	digest_hex(&digest, hex);
	(void)snprintf(ret, 160, "%.32s@%.120s", hex, at ? at + 1 : "leaverd");
}

static struct str doc_str(const struct parcel *p, const char *key)
{
	return str_of(jx_get_text(p->doc, key));
}

static void send_mail(struct parcel *p, struct ended *e)
{
	static const enum outcome outcomes[] = {
		SENT, [MAIL_AWAY] = AWAY, [MAIL_LATER] = LATER, [MAIL_REFUSED] = REFUSED,
		[MAIL_MAYBE] = MAYBE
	};
	const struct config_mail *m = &p->o->app->config.notices.mail;
	struct mail_letter letter = {
		.from = m->from,
		.from_name = m->from_name,
		.reply_to = m->reply_to,
		.to = p->to,
		.to_name = jx_get_text(p->doc, "name"),
		.subject = jx_get_text(p->doc, "subject"),
		.language = jx_get_text(p->doc, "language"),
		.date_ms = p->queued_ms,
		.text = doc_str(p, "text"),
		.html = doc_str(p, "html"),
	};
	char id[160];
	struct err err = { 0 };
	int r = mail_ready(p->o, &err);

	message_id(p, m->from, id);
	letter.id = id;
	if (r < 0) {
		ends(e, AWAY, &err);
		return;
	}
	r = mail_send(p->o->mail, &letter, given_now, p, &err);
	if (r < 0)
		ends(e, r == -ERR_NOMEM ? LATER : REFUSED, &err);
	else
		ends(e, outcomes[r], r ? &err : NULL);
	if (e->outcome == AWAY || e->outcome == MAYBE) {
		/* the next one begins with a new connection, and the password as it is then */
		mail_free(TAKE(p->o->mail));
	}
}

/* --- hooks ---------------------------------------------------------------------------------
 */

/* Slack's own three characters; names and sites may hold them. */
static void slack_text(struct buf *into, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char *as = s.p[i] == '&'   ? "&amp;"
				 : s.p[i] == '<' ? "&lt;"
				 : s.p[i] == '>' ? "&gt;"
						 : NULL;

		if (as)
			buf_add_text(into, as);
		else
			buf_add_char(into, s.p[i]);
	}
}

static json_t *slack_of(const struct parcel *p)
{
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, 2 * NOTICE_TEXT_MAX);
	buf_add_char(&text, '*');
	slack_text(&text, doc_str(p, "subject"));
	buf_add_text(&text, "*\n");
	slack_text(&text, doc_str(p, "text"));
	return text.fault ? NULL : json_pack("{s:s%}", "text", text.p, text.len);
}

static json_t *teams_of(const struct parcel *p)
{
	return json_pack("{s:s, s:[{s:s, s:{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:b}, {s:s, s:s, "
			 "s:b}]}}]}",
			 "type", "message", "attachments", "contentType",
			 "application/vnd.microsoft.card.adaptive", "content", "$schema",
			 "http://adaptivecards.io/schemas/adaptive-card.json", "type",
			 "AdaptiveCard", "version", "1.4", "body", "type", "TextBlock", "text",
			 jx_get_text(p->doc, "subject"), "weight", "Bolder", "wrap", 1, "type",
			 "TextBlock", "text", jx_get_text(p->doc, "text"), "wrap", 1);
}

/* The event, with its words and its key. */
static json_t *event_of(const struct parcel *p)
{
	json_t *event = json_deep_copy(json_object_get(p->doc, "event"));

	if (!event)
		event = json_object();
	if (event && json_object_set_new(event, "key", json_string(p->key)) == 0 &&
	    json_object_set(event, "subject", json_object_get(p->doc, "subject")) == 0 &&
	    json_object_set(event, "text", json_object_get(p->doc, "text")) == 0)
		return event;
	json_decref(event);
	return NULL;
}

static int hook_body(const struct parcel *p, struct buf *into, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;

	switch (p->channel->hook->form) {
	case CONFIG_HOOK_SLACK:
		doc = slack_of(p);
		break;
	case CONFIG_HOOK_TEAMS:
		doc = teams_of(p);
		break;
	default:
		doc = event_of(p);
	}
	return doc ? jx_text(doc, into, err) : err_nomem(err);
}

/* HMAC-SHA256 over "TIMESTAMP.BODY", as "v1=HEX". */
static int hook_sign(const struct parcel *p, const char *timestamp, struct str body,
		     char ret[80], struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	const struct str pieces[] = { str_of(timestamp), STR("."), body };
	unsigned char mac[DIGEST_HMAC_BYTES];
	char hex[2 * DIGEST_HMAC_BYTES + 1];
	int r = rounds_secret(p->o->app, p->channel->hook->key, &key, err);

	if (r < 0)
		return r;
	digest_hmac_sha256(mac, &key, pieces, COUNT_OF(pieces));
	enc_hex(mac, sizeof(mac), hex);
	(void)snprintf(ret, 80, "v1=%s", hex);
	return 0;
}

/* An answer's status, by what it means for the notice. */
static enum outcome status_means(int status)
{
	if (status >= 200 && status < 300)
		return SENT;
	if (status == 408 || status == 429 || status >= 500)
		return LATER;
	/* the address or the right is wrong: nobody's notice fares better */
	if (status < 400 || status == 401 || status == 403 || status == 404 || status == 405 ||
	    status == 410)
		return AWAY;
	return REFUSED;
}

static void hook_answered(const struct parcel *p, const struct httpc_answer *a, struct ended *e)
{
	struct str wait;

	e->outcome = status_means(a->status);
	if (e->outcome == SENT)
		return;
	if (e->outcome == LATER && httpc_header(a, "Retry-After", &wait)) {
		e->wait_ms = retry_after_ms(wait, stamp_now_ms());
		if (e->wait_ms < 0 || e->wait_ms > LATER_MOST_MS)
			e->wait_ms = e->wait_ms < 0 ? 0 : LATER_MOST_MS;
	}
	(void)snprintf(e->says, sizeof(e->says), "hook %s answers %d", p->channel->hook->name,
		       a->status);
}

static void hook_call(struct parcel *p, const char *url, struct str body, const char *signature,
		      const char *timestamp, struct ended *e)
{
	const struct config_hook *h = p->channel->hook;
	const struct httpc_header headers[] = {
		{ "Idempotency-Key", p->key },
		{ "X-Leaverd-Timestamp", timestamp },
		{ signature ? "X-Leaverd-Signature" : NULL, signature },
		{ NULL, NULL },
	};
	struct httpc_answer answer = { 0 };
	bool sent = false;
	const struct httpc_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.body = body,
		.content_type = "application/json",
		.via = { .proxy = h->proxy, .ca_file = h->ca_file, .allow_http = true },
		.retry = RETRY_NOT,
		.tries = 1,
		.deadline_ms = 40000,
		.max_body_bytes = 65536,
		.sent = &sent,
	};
	struct err err = { 0 };
	int r = httpc_do(p->o->app->http, &request, &answer, &err);

	if (r == 0)
		hook_answered(p, &answer, e);
	else if (!sent || r == -ERR_CONFIG || r == -ERR_TLS)
		ends(e, AWAY, &err);
	else /* it may have arrived: whoever knows the key is given it again */
		ends(e, p->repeats ? LATER : MAYBE, &err);
	/* an address may be a secret: sentences of the client name its path */
	if (r < 0 && h->url_secret)
		(void)snprintf(e->says, sizeof(e->says), "hook %s: %s", h->name,
			       err_class(r)->word);
	httpc_answer_done(&answer);
}

static void send_hook(struct parcel *p, struct ended *e)
{
	const struct config_hook *h = p->channel->hook;
	CLEANUP(secret_done) struct secret url = { 0 };
	CLEANUP(buf_done) struct buf body;
	char timestamp[24], signature[80];
	struct err err = { 0 };
	int r = h->url_secret ? rounds_secret(p->o->app, h->url_secret, &url, &err) : 0;

	buf_init(&body, OUTBOX_LETTER_MAX * 2);
	(void)snprintf(timestamp, sizeof(timestamp), "%lld",
		       (long long)(stamp_now_ms() / STAMP_SECOND_MS));
	if (r == 0)
		r = hook_body(p, &body, &err);
	if (r == 0 && h->key)
		r = hook_sign(p, timestamp, buf_str(&body), signature, &err);
	if (r < 0) {
		ends(e, AWAY, &err);
		return;
	}
	if (!given_now(p)) {
		(void)err_set(&err, ERR_UNAVAILABLE, "the notice was not begun");
		ends(e, LATER, &err);
		return;
	}
	hook_call(p, h->url_secret ? secret_text(&url) : h->url, buf_str(&body),
		  h->key ? signature : NULL, timestamp, e);
}

/* --- issues --------------------------------------------------------------------------------
 */

static void send_issue(struct parcel *p, struct ended *e)
{
	static const enum outcome outcomes[] = { [TICKETS_DONE] = SENT,
						 [TICKETS_LATER] = LATER,
						 [TICKETS_AWAY] = AWAY,
						 [TICKETS_REFUSED] = REFUSED };
	const struct tickets_job job = {
		.to = p->channel->issues,
		.letter = p->doc,
		.again = p->tries > 1,
		.quiet_ms = stamp_now_ms() - p->state_ms,
		.begin = given_now,
		.ctx = p,
	};

	e->outcome = outcomes[tickets_send(p->o->app, &job, &e->wait_ms, e->says)];
}

/* --- the folder ----------------------------------------------------------------------------
 */

/* Written beside, then renamed, so that a reader never sees half of one. */
static int file_write(const char *folder, const char *name, const char *form, struct str text,
		      struct err *err)
{
	char path[4096 + FILE_MOST], beside[4096 + FILE_MOST + 8];
	CLEANUP(fd_close_at) int fd = -1;
	int why;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.%s", folder, name, form) >=
	    sizeof(path))
		return err_set(err, ERR_LIMIT, "notices.folder is too long");
	(void)snprintf(beside, sizeof(beside), "%s.part", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	why = fd < 0 ? errno : fd_write_whole(fd, text);
	if (!why && (fsync(fd) < 0 || rename(beside, path) < 0))
		why = errno;
	return why ? err_errno(err, ERR_IO, why, "notices.folder %s", folder) : 0;
}

/* The key as a file's name: the same key is the same file. */
static void file_name(const char *key, char ret[FILE_MOST])
{
	size_t n = 0;

	for (; key[n] && n < FILE_MOST - 1; n++) {
		bool plain = (key[n] >= 'a' && key[n] <= 'z') ||
			     (key[n] >= 'A' && key[n] <= 'Z') ||
			     (key[n] >= '0' && key[n] <= '9') || strchr("._@", key[n]);

		ret[n] = plain ? key[n] : '-';
	}
	ret[n] = '\0';
	if (ret[0] == '.')
		ret[0] = '-';
}

/* A line of a file, whatever the text holds. */
static void line_add(struct buf *into, const char *name, struct str text)
{
	buf_addf(into, "%s: ", name);
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(into, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
	buf_add_char(into, '\n');
}

static void send_file(struct parcel *p, struct ended *e)
{
	const char *folder = p->o->app->config.notices.folder;
	char name[FILE_MOST], when[STAMP_TEXT_BYTES], to[2 * ADDRESSEE_BYTES + 8];
	const char *who = jx_get_text(p->doc, "name");
	CLEANUP(buf_done) struct buf text;
	struct err err = { 0 };
	int r;

	buf_init(&text, OUTBOX_LETTER_MAX * 2);
	file_name(p->key, name);
	stamp_text(p->queued_ms, when);
	if (who && *who)
		(void)snprintf(to, sizeof(to), "%.*s <%s>", ADDRESSEE_BYTES, who, p->to);
	else
		(void)snprintf(to, sizeof(to), "%s", p->to);
	line_add(&text, "To", str_of(to));
	buf_addf(&text, "Date: %s\nKey: %s\n", when, p->key);
	line_add(&text, "Subject", doc_str(p, "subject"));
	buf_add_char(&text, '\n');
	buf_add_str(&text, doc_str(p, "text"));
	r = buf_fault(&text, &err, "a notice");
	if (r == 0)
		r = file_write(folder, name, "html", doc_str(p, "html"), &err);
	if (r == 0)
		r = file_write(folder, name, "txt", buf_str(&text), &err);
	ends(e, r < 0 ? AWAY : SENT, r < 0 ? &err : NULL);
}

/* --- one notice ----------------------------------------------------------------------------
 */

static void deliver(struct parcel *p, struct ended *e)
{
	struct err err = { 0 };

	if (jx_parse(buf_str(&p->letter), JX_LENIENT, &p->doc, &err) < 0)
		ends(e, err.code == ERR_NOMEM ? LATER : REFUSED, &err);
	else if (p->channel->hook)
		send_hook(p, e);
	else if (p->channel->issues)
		send_issue(p, e);
	else if (!strcmp(p->channel->name, NOTICES_FOLDER))
		send_file(p, e);
	else
		send_mail(p, e);
}

static void tell_ended(const struct parcel *p, const struct ended *e)
{
	static const char *const words[] = { "sent", "later", "away", "refused", "maybe" };
	struct channel *c = p->channel;

	if (e->outcome == SENT)
		log_info("notices.sent", LOG_U("notice", p->id), LOG_T("kind", p->kind),
			 LOG_T("channel", c->name));
	else
		log_warn("notices.unsent", LOG_U("notice", p->id), LOG_T("kind", p->kind),
			 LOG_T("channel", c->name), LOG_T("how", words[e->outcome]),
			 LOG_T("text", e->says));
}

static void channel_ended(struct channel *c, enum outcome outcome)
{
	if (outcome != AWAY) {
		c->away = 0;
		return;
	}
	c->not_before_ms = stamp_now_ms() + backoff(AWAY_MS, ++c->away, AWAY_MOST_MS);
}

/*
 * Writes down what became of a notice. Until that is done the channel begins no other, for a
 * while: what was not written down was not sent, or not known to be, after the next start.
 */
static int end_owed(struct outbox *o, struct channel *c)
{
	int64_t now_ms = stamp_mono_ms();
	struct err err;
	int r = writer_call(o->app->writer, end_run, &c->owed, &err);

	if (r < 0 && c->owes_until_ms == 0) {
		log_error("notices.end", LOG_U("notice", c->owed.id), LOG_E(&err));
		c->owes_until_ms = now_ms + OWED_MOST_MS;
	} else if (r >= 0 || now_ms > c->owes_until_ms) {
		c->owes_until_ms = 0;
	}
	return r;
}

/* False: nothing of it is due, or may go now. */
static bool channel_turn(struct outbox *o, struct channel *c)
{
	CLEANUP(parcel_done) struct parcel p = { .o = o, .channel = c };
	struct ended e = { 0 };
	struct err err;
	int r;

	buf_init(&p.letter, OUTBOX_LETTER_MAX);
	if (c->owes_until_ms && end_owed(o, c) < 0)
		return false;
	if (atomic_load(&o->stopping) || stamp_now_ms() < c->not_before_ms)
		return false;
	c->paid = c->paid || rate_take(&c->rate, stamp_mono_ms()) == 0;
	if (!c->paid)
		return false;
	r = writer_call(o->app->writer, claim_run, &p, &err);
	if (r != 0) {
		if (r < 0)
			log_error("notices.claim", LOG_E(&err));
		return false;
	}
	deliver(&p, &e);
	c->paid = false;
	c->owed = (struct end_write){ p.id, p.tries, e };
	r = end_owed(o, c);
	tell_ended(&p, &e);
	channel_ended(c, e.outcome);
	return r >= 0 && e.outcome != AWAY;
}

/* --- the thread ----------------------------------------------------------------------------
 */

struct housekeeping {
	int64_t now_ms, before_ms, failed;
	bool retain;
};

static int house_run(void *ctx, struct db *db, struct err *err)
{
	struct housekeeping *h = ctx;
	int r = outbox_expire(db, h->now_ms, &h->failed, err);

	if (r == 0 && h->retain)
		r = outbox_retain(db, h->before_ms, h->now_ms, err);
	return r == 0 && h->retain ? issues_retain(db, h->now_ms - OUTBOX_ROW_MS, err) : r;
}

static void keep_house(struct outbox *o)
{
	int64_t now_ms = stamp_now_ms();
	struct housekeeping h = {
		.now_ms = now_ms,
		.before_ms = now_ms - o->app->config.notices.retention_ms,
		.retain = now_ms >= o->retain_ms,
	};
	struct err err;

	if (!atomic_exchange(&o->look, false) && now_ms < o->look_ms)
		return;
	o->look_ms = now_ms + LOOK_MS;
	if (h.retain)
		o->retain_ms = now_ms + RETAIN_MS;
	if (writer_call(o->app->writer, house_run, &h, &err) < 0)
		log_error("notices.house", LOG_E(&err));
	else if (h.failed)
		log_warn("notices.expired", LOG_I("failed", h.failed));
	if (o->app->serve && again_work(o->app, &err) < 0)
		log_error("again.work", LOG_E(&err));
	if (o->app->serve && tickets_look(o->app, now_ms, &err) < 0 &&
	    !atomic_load(&o->stopping))
		log_error("notices.issues", LOG_E(&err));
	/* a command that works alone tells nobody anything but what it did */
	if (o->app->serve && bulletin_look(o->app, now_ms, &o->bulletin, &err) < 0 &&
	    !atomic_load(&o->stopping))
		log_error("notices.look", LOG_E(&err));
}

static void loop(struct worker *self, void *arg)
{
	struct outbox *o = arg;

	/* what the thread itself puts in wakes it by what its starter is about to write down */
	while (!atomic_load(&o->started))
		if (worker_wait(self, 5))
			return;
	do {
		int64_t turn = atomic_load(&o->turn);
		bool busy = false;

		keep_house(o);
		if (atomic_exchange(&o->hurry, false))
			for (size_t i = 0; i < o->channel_count; i++)
				o->channels[i].not_before_ms = 0;
		for (size_t i = 0; i < o->channel_count; i++)
			for (int n = 0; n < TURN_MOST && channel_turn(o, &o->channels[i]); n++)
				busy = true;
		if (busy)
			continue;
		atomic_store(&o->idle_turn, turn);
		if (worker_wait(self, stamp_is_virtual() ? 50 : BEAT_MS))
			return;
	} while (!worker_stopping(self));
}

/* --- birth and death -----------------------------------------------------------------------
 */

/* kind: before its name; "" for those that are one. */
static struct channel *channel_add(struct outbox *o, const char *kind, const char *name,
				   int64_t per_minute)
{
	struct channel *c = &o->channels[o->channel_count++];
	const struct rate_rule rule = {
		.name = "notices",
		.per_second = (double)per_minute / 60.0,
		.burst = per_minute > 10 ? 10 : (double)per_minute,
	};

	(void)snprintf(c->name, sizeof(c->name), "%s%s", kind, name);
	rate_init(&c->rate, &rule, stamp_mono_ms());
	return c;
}

static void channels_add(struct outbox *o, const struct config_notices *n)
{
	if (n->folder) {
		(void)channel_add(o, "", NOTICES_FOLDER, 60000);
		return;
	}
	if (n->mail.server)
		(void)channel_add(o, "", NOTICES_MAIL, n->mail.per_minute);
	for (size_t i = 0; i < n->hooks.n; i++) {
		const struct config_hook *h = config_hook_at(n, i);

		channel_add(o, NOTICES_HOOK, h->name, h->per_minute)->hook = h;
	}
	for (size_t i = 0; i < n->issues.n; i++) {
		const struct config_issues *s = config_issues_at(n, i);

		channel_add(o, NOTICES_ISSUES, s->name, s->per_minute)->issues = s;
	}
}

static int recover_run(void *ctx, struct db *db, struct err *err)
{
	return outbox_recover(db, stamp_now_ms(), ctx, err);
}

int outbox_start(struct outbox **ret, struct app *app, struct err *err)
{
	CLEANUP(outbox_stop_at) struct outbox *o = calloc(1, sizeof(*o));
	int64_t maybe = 0;
	int r;

	if (!o)
		return err_nomem(err);
	o->app = app;
	channels_add(o, &app->config.notices);
	r = writer_call(app->writer, recover_run, &maybe, err);
	if (r == 0 && maybe)
		log_warn("notices.maybe", LOG_I("notices", maybe));
	if (r == 0)
		r = worker_start(&o->worker, "outbox", loop, o, err);
	if (r < 0)
		return r;
	*ret = o;
	atomic_store(&o->started, true);
	(void)TAKE(o);
	return 0;
}

void outbox_wake(struct outbox *o)
{
	if (o && o->worker)
		worker_wake(o->worker);
}

void outbox_look(struct outbox *o)
{
	if (!o)
		return;
	atomic_store(&o->look, true);
	outbox_wake(o);
}

void outbox_hurry(struct outbox *o)
{
	if (!o)
		return;
	atomic_store(&o->hurry, true);
	outbox_wake(o);
}

void outbox_drain(struct outbox *o, int64_t most_ms)
{
	int64_t until = stamp_mono_ms() + most_ms, turn;

	if (!o)
		return;
	turn = atomic_fetch_add(&o->turn, 1) + 1;
	outbox_wake(o);
	while (atomic_load(&o->idle_turn) < turn && stamp_mono_ms() < until)
		stamp_sleep_ms(10);
}

void outbox_stop(struct outbox *o)
{
	if (!o)
		return;
	atomic_store(&o->stopping, true);
	worker_join(o->worker);
	mail_free(o->mail);
	free(o);
}
