#include "bridge/keep.h"

#include <stdio.h>

#include "base/enc.h"
#include "base/log.h"
#include "base/stamp.h"
#include "base/template.h"
#include "base/ticket.h"
#include "base/zone.h"
#include "bridge/addressee.h"
#include "bridge/notices.h"
#include "bridge/notices_text.h"
#include "scim/throttle.h"
#include "store/outbox.h"
#include "store/writer.h"

#define FORM_MS (30 * STAMP_MINUTE_MS) /* how long a page's button is good */
#define FORM_BYTES (20 + 1 + DIGEST_HEX_BYTES)
#define BODY_MOST 1024
#define PAGE_MOST (32 * 1024)
#define DRAIN_MS 10000

struct keep {
	struct app *app;
	struct secret key;
	struct throttle *throttle;
	struct httpd *httpd; /* of its own, or NULL */
	struct http_route routes[KEEP_ROUTES + 1];
};

/* --- keys and links ------------------------------------------------------------------------
 */

static int key_make(struct app *app, struct secret *ret, struct err *err)
{
	static const char purpose[] = "leaverd: links that keep a seat";
	const struct store_keys *keys = store_keys(app->store);
	struct digest_run run;
	struct digest key;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET, "the vault is not open");
	digest_begin(&run, &keys->token);
	digest_add(&run, purpose, sizeof(purpose));
	digest_end(&run, &key);
	r = secret_set(ret, key.b, SECRET_KEY_BYTES, err);
	secret_wipe(&key, sizeof(key));
	return r;
}

static void ticket_of(const struct keep_row *row, struct ticket *ret)
{
	const struct str about[] = { row->org, row->product, row->site, row->rule };

	*ret = (struct ticket){ .number = (uint64_t)row->id,
				.person = (uint64_t)row->person,
				.account = (uint64_t)row->account,
				.end_ms = row->end_ms };
	ticket_about(about, COUNT_OF(about), ret->about);
}

static int row_ticket(void *ctx, const struct keep_row *row, struct err *err)
{
	(void)err;
	ticket_of(row, ctx);
	return 0;
}

int keep_link(struct app *app, int64_t id, char *ret, size_t room, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(secret_done) struct secret key = { 0 };
	const char *url = app->config.keep.url;
	char text[TICKET_CHARS + 1];
	struct ticket ticket = { 0 };
	size_t len = strlen(url);
	int r = key_make(app, &key, err);

	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = keep_get(db, id, row_ticket, &ticket, err);
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no link %lld", (long long)id);
	if (r < 0)
		return r;
	ticket_write(&ticket, &key, text);
	while (len && url[len - 1] == '/')
		len--;
	if ((size_t)snprintf(ret, room, "%.*s/keep/%s", (int)len, url, text) >= room)
		return err_set(err, ERR_LIMIT, "keep.url is too long");
	return 0;
}

/* --- the button's token --------------------------------------------------------------------
 */

/* "MS-HEX": when the page was made, and that it was this link's page. */
static void form_make(const struct keep *k, struct str ticket, int64_t ms, char ret[FORM_BYTES])
{
	static const char purpose[] = "form";
	char hex[DIGEST_HEX_BYTES];
	struct digest_run run;
	struct digest mac;

	digest_begin(&run, &k->key);
	digest_add(&run, purpose, sizeof(purpose));
	digest_add(&run, &ms, sizeof(ms));
	digest_add(&run, ticket.p, ticket.len);
	digest_end(&run, &mac);
	digest_hex(&mac, hex);
	(void)snprintf(ret, FORM_BYTES, "%lld-%s", (long long)ms, hex);
}

static bool form_ok(const struct keep *k, struct str ticket, struct str form, int64_t now_ms)
{
	char should[FORM_BYTES];
	struct str ms_text, hex;
	int64_t ms;

	if (form.len >= FORM_BYTES || !str_cut(form, '-', &ms_text, &hex) ||
	    !str_int64(ms_text, &ms) || ms > now_ms || ms < now_ms - FORM_MS)
		return false;
	form_make(k, ticket, ms, should);
	return strlen(should) == form.len && secret_memequal(should, form.p, form.len);
}

/* --- pages ---------------------------------------------------------------------------------
 */

enum page {
	PAGE_ASK,
	PAGE_AGAIN, /* the button was too old */
	PAGE_KEPT,
	PAGE_WAS_KEPT,
	PAGE_OVER,
	PAGE_NONE,
	PAGE_SLOW,
	PAGE_FAULT,
	PAGE_COUNT
};

/* In English and German. {P} the product, {S} the site, {D} a date. */
static const struct {
	int status;
	const char *head[2], *text[2];
} pages[PAGE_COUNT] = {
	[PAGE_ASK] = { 200,
		       { "Keep your {P} licence?", "Lizenz für {P} behalten?" },
		       { "You have not used {P} on {S} for a while. If you still need it, keep "
			 "your licence: it is then not taken for lack of use before {D}.",
			 "Sie haben {P} auf {S} seit längerer Zeit nicht genutzt. Wenn Sie es "
			 "noch brauchen, behalten Sie die Lizenz: Bis zum {D} wird sie Ihnen "
			 "dann nicht wegen Nichtnutzung entzogen." } },
	[PAGE_AGAIN] = { 400,
			 { "Please press the button once more",
			   "Bitte drücken Sie noch einmal" },
			 { "This page was open for too long. Nothing was changed yet.",
			   "Diese Seite war zu lange offen. Es wurde noch nichts geändert." } },
	[PAGE_KEPT] = { 200,
			{ "You keep your {P} licence", "Sie behalten die Lizenz für {P}" },
			{ "It is not taken for lack of use before {D}. You can close this "
			  "page.",
			  "Bis zum {D} wird sie nicht wegen Nichtnutzung entzogen. Sie können "
			  "diese Seite schließen." } },
	[PAGE_WAS_KEPT] = { 409,
			    { "This link was used already", "Dieser Link wurde schon genutzt" },
			    { "Your {P} licence on {S} was kept. There is nothing else to do.",
			      "Ihre Lizenz für {P} auf {S} wurde behalten. Mehr ist nicht zu "
			      "tun." } },
	[PAGE_OVER] = { 410,
			{ "This link is over", "Dieser Link ist abgelaufen" },
			{ "Its time has passed. If you still need {P}, ask your "
			  "administrators.",
			  "Seine Zeit ist vorbei. Wenn Sie {P} noch brauchen, wenden Sie sich "
			  "an Ihre Administratoren." } },
	[PAGE_NONE] = { 404,
			{ "There is no such link", "Diesen Link gibt es nicht" },
			{ "Open it as it stands in the message, whole. If that does not help, "
			  "ask "
			  "your administrators.",
			  "Öffnen Sie ihn so, wie er in der Nachricht steht, vollständig. "
			  "Hilft "
			  "das nicht, wenden Sie sich an Ihre Administratoren." } },
	[PAGE_SLOW] = { 429,
			{ "Too often", "Zu oft" },
			{ "Please try again in a minute.",
			  "Bitte versuchen Sie es in einer Minute noch einmal." } },
	[PAGE_FAULT] = { 503,
			 { "Not now", "Gerade nicht möglich" },
			 { "Nothing was changed. Please try again later.",
			   "Es wurde nichts geändert. Bitte versuchen Sie es später noch "
			   "einmal." } },
};

static const char style[] =
	":root{color-scheme:light dark}body{margin:0;font:1.0625rem/1.5 system-ui,sans-serif;"
	"background:#f4f5f7;color:#172b4d}main{max-width:34rem;margin:8vh auto;padding:1.5rem "
	"2rem;"
	"background:#fff;border-radius:.5rem}h1{font-size:1.5rem;line-height:1.25}button{font:"
	"inherit;"
	"font-weight:600;padding:.75rem 1.5rem;min-height:3rem;border:0;border-radius:.25rem;"
	"background:#0747a6;color:#fff;cursor:pointer}button:hover{background:#05337a}"
	"button:focus-visible{outline:3px solid #ff8b00;outline-offset:3px}"
	"@media(max-width:40rem){main{margin:0;min-height:100vh;border-radius:0;box-sizing:"
	"border-box}"
	"button{width:100%}}@media(prefers-color-scheme:dark){body{background:#161a1d;color:#"
	"dee4ea}"
	"main{background:#22272b}button{background:#579dff;color:#091e42}button:hover{"
	"background:#85b8ff}}";

/* What a page says, beside which it is. */
struct shown {
	const struct keep *k;
	enum page page;
	struct str ticket;
	bool german;
	char first_name[ADDRESSEE_BYTES], product[NOTICES_PRODUCT_BYTES], site[256], date[64];
};

static void say(const struct shown *s, const char *text, struct buf *into)
{
	for (const char *p = text; *p; p++) {
		const char *value = NULL;

		if (p[0] == '{' && p[1] && p[2] == '}')
			value = p[1] == 'P' ? s->product : p[1] == 'S' ? s->site : s->date;
		if (!value) {
			template_escape(into, str_n(p, 1));
			continue;
		}
		template_escape(into, str_of(value));
		p += 2;
	}
}

static void button(const struct shown *s, struct buf *into)
{
	char form[FORM_BYTES];

	form_make(s->k, s->ticket, stamp_now_ms(), form);
	buf_addf(into,
		 "<form method=\"post\"><input type=\"hidden\" name=\"form\" value=\"%s\">"
		 "<button type=\"submit\">%s</button></form>\n",
		 form, s->german ? "Lizenz behalten" : "Keep my licence");
}

static int page_headers(struct http_req *req, const char *nonce, struct err *err)
{
	char csp[300];
	const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Security-Policy", csp },      { "Referrer-Policy", "no-referrer" },
		{ "X-Content-Type-Options", "nosniff" }, { "X-Frame-Options", "DENY" },
		{ "X-Robots-Tag", "noindex, nofollow" }, { "Cache-Control", "no-store" },
	};
	int r = 0;

	(void)snprintf(csp, sizeof(csp),
		       "default-src 'none'; style-src 'nonce-%s'; form-action 'self'; base-uri "
		       "'none'; frame-ancestors 'none'",
		       nonce);
	for (size_t i = 0; r == 0 && i < COUNT_OF(headers); i++)
		r = http_reply_header(req, headers[i].name, headers[i].value, err);
	return r;
}

/* Fills the reply: a fault here is answered by the server. */
static int page_out(const struct shown *s, struct http_req *req, struct http_reply *reply,
		    struct err *err)
{
	int language = s->german ? 1 : 0;
	unsigned char raw[16];
	char nonce[33];
	int r;

	secret_random_bytes(raw, sizeof(raw));
	enc_hex(raw, sizeof(raw), nonce);
	reply->status = pages[s->page].status;
	reply->content_type = "text/html; charset=utf-8";
	buf_addf(&reply->body,
		 "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><meta "
		 "name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>",
		 s->german ? "de" : "en");
	say(s, pages[s->page].head[language], &reply->body);
	buf_addf(&reply->body,
		 "</title><style nonce=\"%s\">%s</style></head>\n<body><main><h1>", nonce,
		 style);
	say(s, pages[s->page].head[language], &reply->body);
	buf_add_text(&reply->body, "</h1>\n<p>");
	if (s->first_name[0] && s->page == PAGE_ASK) {
		buf_add_text(&reply->body, s->german ? "Guten Tag " : "Hello ");
		template_escape(&reply->body, str_of(s->first_name));
		buf_add_text(&reply->body, ".</p>\n<p>");
	}
	say(s, pages[s->page].text[language], &reply->body);
	buf_add_text(&reply->body, "</p>\n");
	if (s->page == PAGE_ASK || s->page == PAGE_AGAIN)
		button(s, &reply->body);
	buf_add_text(&reply->body, "</main></body></html>\n");
	r = page_headers(req, nonce, err);
	return r == 0 ? buf_fault(&reply->body, err, "a page") : r;
}

/* --- whom it is for ------------------------------------------------------------------------
 */

struct look {
	struct keep *k;
	struct db *db;
	const struct ticket *ticket;
	struct shown *shown;
	bool used;
};

/* The row must be what the ticket says: person, account, seat and rule. */
static int row_look(void *ctx, const struct keep_row *row, struct err *err)
{
	struct look *l = ctx;
	const struct config *c = &l->k->app->config;
	struct addressee who;
	struct ticket same;
	const struct zone *zone = NULL;
	const char *language;
	int64_t until_ms = (row->used_ms ? row->used_ms : stamp_now_ms()) + c->keep.for_ms;
	int r;

	ticket_of(row, &same);
	if (memcmp(&same, l->ticket, sizeof(same)) != 0)
		return STORE_NOT_FOUND;
	r = addressee_find(l->db, row->person, &who, err);
	if (r < 0)
		return r;
	language = notice_language(c->texts, NOTICE_WARN, who.language);
	l->used = row->used_ms != 0;
	l->shown->german = str_istarts(str_of(language), STR("de"));
	(void)snprintf(l->shown->first_name, sizeof(l->shown->first_name), "%s",
		       who.first_name);
	(void)snprintf(l->shown->site, sizeof(l->shown->site), STR_FMT, STR_ARG(row->site));
	notices_product_say(row->product, l->shown->product);
	if (!who.zone[0] || zone_get(str_of(who.zone), &zone, NULL) < 0)
		(void)!zone_get(str_of(c->instance.zone), &zone, NULL);
	notice_date(until_ms, zone ? zone_offset_s(zone, until_ms) : 0,
		    l->shown->german ? "de" : "en", l->shown->date);
	return 0;
}

/* What the link is now: PAGE_ASK, or why it is good for nothing more. */
static int look(struct keep *k, struct str text, struct ticket *ticket, struct shown *shown,
		struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct look l = { .k = k, .ticket = ticket, .shown = shown };
	int is = ticket_read(text, &k->key, stamp_now_ms(), ticket), r;

	*shown = (struct shown){ .k = k, .page = PAGE_NONE, .ticket = text };
	if (is == TICKET_NONE)
		return 0;
	r = store_read_begin(k->app->store, &db, err);
	if (r < 0)
		return r;
	l.db = db;
	r = keep_get(db, (int64_t)ticket->number, row_look, &l, err);
	if (r == 0)
		shown->page = l.used ? PAGE_WAS_KEPT : is == TICKET_OVER ? PAGE_OVER : PAGE_ASK;
	return r < 0 ? r : 0;
}

/* Who shows what is no link is slowed. */
static void slow_down(struct keep *k, const struct http_req *req, struct shown *shown)
{
	if (throttle_fail(k->throttle, http_req_peer(req), stamp_mono_ms()) > 0)
		shown->page = PAGE_SLOW;
}

/* --- handlers ------------------------------------------------------------------------------
 */

static struct keep *keep_of(const struct http_req *req)
{
	return (struct keep *)(uintptr_t)http_req_route(req)->data;
}

static int fault_page(struct keep *k, struct http_req *req, struct http_reply *reply,
		      const struct err *why, struct err *err)
{
	const struct shown shown = { .k = k, .page = PAGE_FAULT };

	log_error("keep.fault", LOG_T("request", http_req_id(req)), LOG_E(why));
	return page_out(&shown, req, reply, err);
}

static int on_get(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	struct keep *k = keep_of(req);
	struct ticket ticket;
	struct shown shown;
	struct err why;
	int r = look(k, http_req_param(req, "ticket"), &ticket, &shown, &why);

	(void)ctx;
	if (r < 0)
		return fault_page(k, req, reply, &why, err);
	if (shown.page == PAGE_NONE)
		slow_down(k, req, &shown);
	if (shown.page == PAGE_WAS_KEPT)
		shown.page = PAGE_KEPT;
	return page_out(&shown, req, reply, err);
}

struct post {
	struct keep *k;
	struct http_req *req;
	struct ticket ticket;
	struct shown shown;
};

/* On the writer. */
static int post_run(void *ctx, struct db *db, struct err *err)
{
	struct post *p = ctx;
	int64_t now_ms = stamp_now_ms();

	return keep_use(db, (int64_t)p->ticket.number, now_ms + p->k->app->config.keep.for_ms,
			now_ms, err);
}

static void post_done(void *ctx, int r, const struct err *said)
{
	struct post *p = ctx;
	struct http_reply *reply = http_req_reply(p->req);
	struct http_req *req = p->req;
	struct err err;

	p->shown.page = r == 0                 ? PAGE_KEPT
			: r == STORE_UNCHANGED ? PAGE_WAS_KEPT
			: r == STORE_STALE     ? PAGE_OVER
			: r > 0                ? PAGE_NONE
					       : PAGE_FAULT;
	if (r < 0)
		log_error("keep.fault", LOG_T("request", http_req_id(req)), LOG_E(said));
	else if (r == 0)
		log_info("keep.kept", LOG_U("link", p->ticket.number));
	if (page_out(&p->shown, req, reply, &err) < 0) {
		buf_clear(&reply->body);
		reply->status = 503;
		reply->content_type = NULL;
	}
	http_req_resume(req);
}

/* The field of a form that has no other. */
static struct str form_of(const struct http_req *req)
{
	const char *type = http_req_header(req, "Content-Type");
	struct str body = str_trim(http_req_body(req));

	if (!type || !str_istarts(str_of(type), STR("application/x-www-form-urlencoded")) ||
	    !str_starts(body, STR("form=")))
		return STR("");
	return str_n(body.p + 5, body.len - 5);
}

static int on_post(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	struct keep *k = keep_of(req);
	struct post *p = calloc(1, sizeof(*p));
	struct err why;
	int r;

	(void)ctx;
	if (!p)
		return err_nomem(err);
	http_req_keep(req, p, free);
	p->k = k;
	p->req = req;
	r = look(k, http_req_param(req, "ticket"), &p->ticket, &p->shown, &why);
	if (r < 0)
		return fault_page(k, req, reply, &why, err);
	if (p->shown.page == PAGE_ASK &&
	    !form_ok(k, p->shown.ticket, form_of(req), stamp_now_ms())) {
		p->shown.page = PAGE_AGAIN;
		slow_down(k, req, &p->shown);
	}
	if (p->shown.page == PAGE_NONE)
		slow_down(k, req, &p->shown);
	if (p->shown.page != PAGE_ASK)
		return page_out(&p->shown, req, reply, err);
	r = writer_submit(k->app->writer, post_run, post_done, p, &why);
	return r < 0 ? fault_page(k, req, reply, &why, err) : HTTP_PARKED;
}

/* --- birth and death -----------------------------------------------------------------------
 */

static int serve_alone(struct keep *k, struct err *err)
{
	const struct config *c = &k->app->config;
	const char *proxies[33] = { NULL };
	const struct httpd_options http = {
		.name = "keep",
		.listen = c->keep.listen,
		.tls_cert_file = c->keep.tls_cert,
		.tls_key_file = c->keep.tls_key,
		.threads = 1,
		.connections = 256,
		.connections_per_address = 32,
		.max_body_bytes = BODY_MOST,
		.timeout_ms = 20 * STAMP_SECOND_MS,
		.trusted_proxies = proxies,
		.routes = k->routes,
		.ctx = k,
	};
	int r;

	for (size_t i = 0; i < c->scim.trusted_proxies.n && i < COUNT_OF(proxies) - 1; i++)
		proxies[i] = c->scim.trusted_proxies.v[i];
	r = httpd_start(&k->httpd, &http, err);
	if (r == 0)
		log_info("keep.ready", LOG_U("port", httpd_port(k->httpd)));
	return r;
}

int keep_start(struct keep **ret, struct app *app, struct err *err)
{
	CLEANUP(keep_free_at) struct keep *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_nomem(err);
	k->app = app;
	k->routes[0] = (struct http_route){
		.method = HTTP_GET, .path = "/keep/{ticket}", .handler = on_get, .data = k
	};
	k->routes[1] = (struct http_route){ .method = HTTP_POST,
					    .path = "/keep/{ticket}",
					    .handler = on_post,
					    .max_body_bytes = BODY_MOST,
					    .data = k };
	r = key_make(app, &k->key, err);
	if (r == 0)
		r = throttle_new(&k->throttle, err);
	if (r == 0 && app->config.keep.url && app->config.keep.listen)
		r = serve_alone(k, err);
	if (r < 0)
		return r;
	*ret = TAKE(k);
	return 0;
}

size_t keep_routes(struct keep *k, struct http_route into[KEEP_ROUTES])
{
	if (!k || !k->app->config.keep.url || k->httpd)
		return 0;
	memcpy(into, k->routes, KEEP_ROUTES * sizeof(*into));
	return KEEP_ROUTES;
}

void keep_stop(struct keep *k)
{
	int64_t until = stamp_mono_ms() + DRAIN_MS;

	if (!k || !k->httpd)
		return;
	httpd_quiesce(k->httpd);
	while (httpd_active(k->httpd) && stamp_mono_ms() < until)
		stamp_sleep_ms(5);
	httpd_stop(TAKE(k->httpd));
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	keep_stop(k);
	throttle_free(k->throttle);
	secret_done(&k->key);
	free(k);
}
