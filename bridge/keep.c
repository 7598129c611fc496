#include "bridge/keep.h"

#include <stdio.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/ticket.h"
#include "base/zone.h"
#include "bridge/addressee.h"
#include "bridge/again.h"
#include "bridge/notices.h"
#include "bridge/notices_text.h"
#include "bridge/outbox.h"
#include "bridge/page.h"
#include "store/outbox.h"
#include "store/requests.h"
#include "store/writer.h"

#define PURPOSE "leaverd: links that keep a seat"
#define DRAIN_MS 10000

struct keep {
	struct app *app;
	struct page_door *door;
	struct again *again;
	struct httpd *httpd; /* of its own, or NULL */
	struct http_route routes[KEEP_ROUTES + 1];
};

/* --- links ---------------------------------------------------------------------------------
 */

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
	char text[TICKET_CHARS + 1];
	struct ticket ticket = { 0 };
	int r = page_key(app, PURPOSE, &key, err);

	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = keep_get(db, id, row_ticket, &ticket, err);
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no link %lld", (long long)id);
	if (r < 0)
		return r;
	ticket_write(&ticket, &key, text);
	return page_link(app, "keep", text, ret, room, err);
}

/* --- what a page says ----------------------------------------------------------------------
 */

enum { ASK, KEPT, WAS_KEPT, OVER, OVER_ASK, NOTED, WORDS_COUNT };

static const struct page_words words[WORDS_COUNT] = {
	[ASK] = { 200,
		  true,
		  { "Keep your {P} licence?", "Lizenz für {P} behalten?" },
		  { "You have not used {P} on {S} for a while. If you still need it, keep "
		    "your licence: it is then not taken for lack of use before {D}.",
		    "Sie haben {P} auf {S} seit längerer Zeit nicht genutzt. Wenn Sie es "
		    "noch brauchen, behalten Sie die Lizenz: Bis zum {D} wird sie Ihnen "
		    "dann nicht wegen Nichtnutzung entzogen." },
		  { "Keep my licence", "Lizenz behalten" } },
	[KEPT] = { 200,
		   false,
		   { "You keep your {P} licence", "Sie behalten die Lizenz für {P}" },
		   { "It is not taken for lack of use before {D}. You can close this page.",
		     "Bis zum {D} wird sie nicht wegen Nichtnutzung entzogen. Sie können "
		     "diese Seite schließen." },
		   { NULL, NULL } },
	[WAS_KEPT] = { 409,
		       false,
		       { "This link was used already", "Dieser Link wurde schon genutzt" },
		       { "Your {P} licence on {S} was kept. There is nothing else to do.",
			 "Ihre Lizenz für {P} auf {S} wurde behalten. Mehr ist nicht zu tun." },
		       { NULL, NULL } },
	[OVER] = { 410,
		   false,
		   { "This link is over", "Dieser Link ist abgelaufen" },
		   { "Its time has passed. If you still need {P}, ask your administrators.",
		     "Seine Zeit ist vorbei. Wenn Sie {P} noch brauchen, wenden Sie sich an "
		     "Ihre Administratoren." },
		   { NULL, NULL } },
	[OVER_ASK] = { 410,
		       false,
		       { "This link is over", "Dieser Link ist abgelaufen" },
		       { "Its time has passed. If you no longer have {P} and still need it, "
			 "you "
			 "can ask to have it again.",
			 "Seine Zeit ist vorbei. Wenn Sie {P} nicht mehr haben und noch "
			 "brauchen, können Sie darum bitten, es wieder zu bekommen." },
		       { "Ask for my licence", "Um die Lizenz bitten" } },
	/* the same whether there was anything to ask for */
	[NOTED] = { 200,
		    false,
		    { "Thank you", "Danke" },
		    { "If {P} can be given to you again, your administrators decide. There is "
		      "nothing else to do, and you can close this page.",
		      "Wenn Sie {P} wieder bekommen können, entscheiden Ihre Administratoren. "
		      "Mehr ist nicht zu tun, Sie können diese Seite schließen." },
		    { NULL, NULL } },
};

/* What a page says, and beside which link. */
struct shown {
	const struct page_words *words;
	struct str ticket;
	struct page_values values;
};

static int page_out(const struct keep *k, const struct shown *s, struct http_req *req,
		    struct http_reply *reply, struct err *err)
{
	return page_reply(k->door, s->words, &s->values, s->ticket, req, reply, err);
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
	struct page_values *v = &l->shown->values;
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
	v->german = str_istarts(str_of(language), STR("de"));
	(void)snprintf(v->first_name, sizeof(v->first_name), "%s", who.first_name);
	(void)snprintf(v->site, sizeof(v->site), STR_FMT, STR_ARG(row->site));
	notices_product_say(row->product, v->product);
	if (!who.zone[0] || zone_get(str_of(who.zone), &zone, NULL) < 0)
		(void)!zone_get(str_of(c->instance.zone), &zone, NULL);
	notice_date(until_ms, zone ? zone_offset_s(zone, until_ms) : 0, v->german ? "de" : "en",
		    v->date);
	return 0;
}

/* What the link is now: words[ASK], or why it is good for nothing more. */
static int look(struct keep *k, struct str text, struct ticket *ticket, struct shown *shown,
		struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct look l = { .k = k, .ticket = ticket, .shown = shown };
	int is = ticket_read(text, page_door_key(k->door), stamp_now_ms(), ticket), r;

	*shown = (struct shown){ .words = &page_none, .ticket = text };
	if (is == TICKET_NONE)
		return 0;
	r = store_read_begin(k->app->store, &db, err);
	if (r < 0)
		return r;
	l.db = db;
	r = keep_get(db, (int64_t)ticket->number, row_look, &l, err);
	if (r == 0)
		shown->words = &words[l.used                           ? WAS_KEPT
				      : is != TICKET_OVER              ? ASK
				      : again_offered(&k->app->config) ? OVER_ASK
								       : OVER];
	return r < 0 ? r : 0;
}

/* Who shows what is no link is slowed. */
static void slow_down(struct keep *k, const struct http_req *req, struct shown *shown)
{
	if (page_slow(k->door, req))
		shown->words = &page_too_often;
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
	const struct shown shown = { .words = &page_fault };

	log_error("keep.fault", LOG_T("request", http_req_id(req)), LOG_E(why));
	return page_out(k, &shown, req, reply, err);
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
	if (shown.words == &page_none)
		slow_down(k, req, &shown);
	if (shown.words == &words[WAS_KEPT])
		shown.words = &words[KEPT];
	return page_out(k, &shown, req, reply, err);
}

struct post {
	struct keep *k;
	struct http_req *req;
	struct ticket ticket;
	struct shown shown;
	bool asks; /* its time is over: to have the seat again */
};

struct asking {
	struct post *p;
	struct db *db;
};

static int ask_row(void *ctx, const struct keep_row *row, struct err *err)
{
	const struct asking *a = ctx;
	const struct request_row seat = { .org = row->org,
					  .person = row->person,
					  .account = row->account,
					  .product = row->product,
					  .site = row->site,
					  .made_ms = row->made_ms };

	return again_ask(a->p->k->app, a->db, &seat, err);
}

/* On the writer. */
static int post_run(void *ctx, struct db *db, struct err *err)
{
	struct post *p = ctx;
	int64_t now_ms = stamp_now_ms();
	struct asking a = { p, db };

	if (p->asks)
		return keep_get(db, (int64_t)p->ticket.number, ask_row, &a, err);
	return keep_use(db, (int64_t)p->ticket.number, now_ms + p->k->app->config.keep.for_ms,
			now_ms, err);
}

/* What became of it. */
static const struct page_words *post_words(const struct post *p, int r)
{
	if (r < 0)
		return &page_fault;
	if (p->asks)
		return &words[NOTED];
	return r == 0                 ? &words[KEPT]
	       : r == STORE_UNCHANGED ? &words[WAS_KEPT]
	       : r == STORE_STALE     ? &words[OVER]
				      : &page_none;
}

static void post_done(void *ctx, int r, const struct err *said)
{
	struct post *p = ctx;
	struct http_reply *reply = http_req_reply(p->req);
	struct http_req *req = p->req;
	struct err err;

	p->shown.words = post_words(p, r);
	if (r < 0)
		log_error("keep.fault", LOG_T("request", http_req_id(req)), LOG_E(said));
	else if (r == 0)
		log_info(p->asks ? "keep.asked" : "keep.kept", LOG_U("link", p->ticket.number));
	if (r == 0 && p->asks)
		outbox_look(p->k->app->outbox);
	if (page_out(p->k, &p->shown, req, reply, &err) < 0) {
		buf_clear(&reply->body);
		reply->status = 503;
		reply->content_type = NULL;
	}
	http_req_resume(req);
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
	p->asks = p->shown.words == &words[OVER_ASK];
	if ((p->asks || p->shown.words == &words[ASK]) &&
	    !page_pressed(k->door, p->shown.ticket, req)) {
		p->shown.words = &page_again;
		slow_down(k, req, &p->shown);
	}
	if (p->shown.words == &page_none)
		slow_down(k, req, &p->shown);
	if (p->shown.words != &words[ASK] && p->shown.words != &words[OVER_ASK])
		return page_out(k, &p->shown, req, reply, err);
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
		.max_body_bytes = PAGE_BODY_MOST,
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
					    .max_body_bytes = PAGE_BODY_MOST,
					    .data = k };
	r = page_door_new(&k->door, app, PURPOSE, err);
	if (r == 0)
		r = again_new(&k->again, app, &k->routes[2], err);
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
	again_free(k->again);
	page_door_free(k->door);
	free(k);
}
