#include "bridge/again.h"

#include <stdio.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/ticket.h"
#include "base/zone.h"
#include "bridge/addressee.h"
#include "bridge/notices.h"
#include "bridge/notices_text.h"
#include "bridge/outbox.h"
#include "bridge/page.h"
#include "bridge/requests.h"
#include "model/plan.h"
#include "store/accounts.h"
#include "store/membership.h"
#include "store/records.h"
#include "store/requests.h"
#include "store/writer.h"

#define PURPOSE "leaverd: links that ask for a seat again"
#define WORK_MOST 10000       /* requests that wait, looked at at once */
#define WORK_MS STAMP_HOUR_MS /* so long one is tried; then it waits for a person */

struct again {
	struct app *app;
	struct page_door *door;
};

/* --- who may ask ---------------------------------------------------------------------------
 */

static bool again_domain(const struct config_again *c, struct str email)
{
	struct str local, domain;

	if (!str_cut(email, '@', &local, &domain) || !domain.len)
		return false;
	for (size_t i = 0; i < c->domains.n; i++)
		if (str_ieq(domain, str_of(c->domains.v[i])))
			return true;
	return false;
}

/* What the records of one person say. */
struct groups {
	const struct config_again *config;
	struct db *db;
	bool in_group, here, left;
};

enum { IN_GROUP = 1 };

static int group_look(void *ctx, struct str key, struct str name, bool direct, struct err *err)
{
	const struct groups *g = ctx;

	(void)key;
	(void)direct;
	(void)err;
	for (size_t i = 0; i < g->config->groups.n; i++)
		if (str_ieq(name, str_of(g->config->groups.v[i])))
			return IN_GROUP;
	return 0;
}

static int record_groups(void *ctx, const struct record *row, struct err *err)
{
	struct groups *g = ctx;
	int r = 0;

	if (row->deleted || row->gone)
		return 0;
	g->here = true;
	g->left = g->left || row->active == TRI_NO;
	if (g->config->groups.n && !g->in_group)
		r = membership_above(g->db, row->id, group_look, ctx, err);
	g->in_group = g->in_group || r == IN_GROUP;
	return r < 0 ? r : 0;
}

/* *ret: by the domain of the address, or by a group of one of their records; and nobody who
 * left, by the word of any source: a letter stays in a mailbox for long. */
static int may_ask(struct app *app, struct db *db, int64_t person, struct str email, bool *ret,
		   struct err *err)
{
	struct groups g = { .config = &app->config.again, .db = db };
	int r = person ? records_of_person(db, person, record_groups, &g, err) : 0;

	*ret = r >= 0 && (again_domain(g.config, email) || g.in_group) &&
	       (!person || (g.here && !g.left));
	return r < 0 ? r : 0;
}

/* --- links ---------------------------------------------------------------------------------
 */

static void ticket_of(const struct request_row *row, struct ticket *ret)
{
	const struct str about[] = { row->org, row->product, row->site, row->rule };

	*ret = (struct ticket){ .number = (uint64_t)row->id,
				.person = (uint64_t)row->person,
				.account = (uint64_t)row->account,
				.end_ms = row->end_ms };
	ticket_about(about, COUNT_OF(about), ret->about);
}

static int row_ticket(void *ctx, const struct request_row *row, struct err *err)
{
	(void)err;
	ticket_of(row, ctx);
	return 0;
}

struct offer {
	const struct again_seat *seat;
	struct request_row row;
	struct ticket ticket; /* of what is stored: an earlier offer of the step stands */
};

static int offer_run(void *ctx, struct db *db, struct err *err)
{
	struct offer *o = ctx;
	int r = requests_offer(db, str_of(o->seat->step), &o->row, &o->row.id, err);

	return r < 0 ? r : requests_get(db, o->row.id, row_ticket, &o->ticket, err);
}

bool again_offered(const struct config *c)
{
	return c->keep.url && (c->again.domains.n || c->again.groups.n);
}

static int may_be_offered(struct app *app, const struct again_seat *seat, bool *ret,
			  struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	*ret = false;
	if (!again_offered(&app->config) || !seat->action->product ||
	    seat->action->class != PLAN_INACTIVE)
		return 0;
	r = store_read_begin(app->store, &db, err);
	return r == 0 ? may_ask(app, db, (int64_t)seat->action->person, str_of(seat->email),
				ret, err)
		      : r;
}

int again_link(struct app *app, const struct again_seat *seat, char *ret, size_t room,
	       struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	const struct action *a = seat->action;
	int64_t now_ms = stamp_now_ms();
	struct offer o = { .seat = seat };
	char text[TICKET_CHARS + 1];
	bool may;
	int r = may_be_offered(app, seat, &may, err);

	ret[0] = '\0';
	if (r < 0 || !may)
		return r;
	o.row = (struct request_row){
		.org = str_of(seat->org->name),
		.plan = (int64_t)seat->plan,
		.action = a->n,
		.person = (int64_t)a->person,
		.account = (int64_t)a->account,
		.product = str_of(a->product),
		.site = str_of(a->site),
		.rule = str_of(a->rule),
		.made_ms = now_ms,
		.end_ms = now_ms + app->config.again.for_ms,
	};
	r = writer_call(app->writer, offer_run, &o, err);
	if (r == 0)
		r = page_key(app, PURPOSE, &key, err);
	if (r < 0)
		return r;
	ticket_write(&o.ticket, &key, text);
	return page_link(app, "again", text, ret, room, err);
}

struct holder {
	struct buf email;
	bool active;
};

static int account_holder(void *ctx, const struct account_row *row, struct err *err)
{
	struct holder *h = ctx;

	buf_add_str(&h->email, row->email);
	h->active = row->status == ACCOUNT_ACTIVE;
	return buf_fault(&h->email, err, "an address");
}

/* Who has changed groups or addresses since, or left, may not be who may ask any more. */
static int still_may(struct app *app, struct db *db, const struct request_row *row, bool *ret,
		     struct err *err)
{
	struct holder h = { .active = false };
	int r;

	buf_init(&h.email, 1024);
	r = accounts_get(db, row->account, account_holder, &h, err);
	if (r == 0 && h.active)
		r = may_ask(app, db, row->person, buf_str(&h.email), ret, err);
	buf_done(&h.email);
	return r < 0 ? r : 0;
}

struct asking {
	struct app *app;
	struct db *db;
};

static int ask_row(void *ctx, const struct request_row *row, struct err *err)
{
	const struct asking *a = ctx;
	bool may = false;
	int r = still_may(a->app, a->db, row, &may, err);

	if (r < 0)
		return r;
	return may ? requests_ask(a->db, row->id, stamp_now_ms(), err) : STORE_UNCHANGED;
}

int again_ask(struct app *app, struct db *db, const struct request_row *seat, struct err *err)
{
	struct asking a = { app, db };
	int r = requests_offered(db, seat, stamp_now_ms(), ask_row, &a, err);

	return r > 0 ? STORE_UNCHANGED : r;
}

/* --- what the page says --------------------------------------------------------------------
 */

enum { ASK, ASKED, GRANTED, REFUSED, OVER, NOT_YOU, WORDS_COUNT };

static const struct page_words words[WORDS_COUNT] = {
	[ASK] = { 200,
		  true,
		  { "Do you need {P} again?", "Brauchen Sie {P} wieder?" },
		  { "Your {P} licence on {S} ended because it was not used. You can ask to "
		    "have "
		    "it again; your administrators decide.",
		    "Ihre Lizenz für {P} auf {S} endete, weil sie nicht genutzt wurde. Sie "
		    "können darum bitten, sie wieder zu bekommen; Ihre Administratoren "
		    "entscheiden." },
		  { "Ask for my licence", "Um die Lizenz bitten" } },
	[ASKED] = { 200,
		    false,
		    { "Your request for {P} was noted", "Ihre Bitte um {P} ist notiert" },
		    { "Your administrators decide. There is nothing else to do, and you can "
		      "close this page.",
		      "Ihre Administratoren entscheiden. Mehr ist nicht zu tun, Sie können "
		      "diese Seite schließen." },
		    { NULL, NULL } },
	[GRANTED] = { 200,
		      false,
		      { "Your request for {P} was answered", "Über Ihre Bitte um {P} ist "
							     "entschieden" },
		      { "A plan to give you {P} on {S} again was made. There is nothing else "
			"to "
			"do.",
			"Ein Plan, Ihnen {P} auf {S} wieder zu geben, ist gemacht. Mehr ist "
			"nicht zu tun." },
		      { NULL, NULL } },
	[REFUSED] = { 200,
		      false,
		      { "Your request for {P} was answered", "Über Ihre Bitte um {P} ist "
							     "entschieden" },
		      { "It was not granted. Your administrators know why.",
			"Ihr wurde nicht entsprochen. Ihre Administratoren wissen, warum." },
		      { NULL, NULL } },
	[OVER] = { 410,
		   false,
		   { "This link is over", "Dieser Link ist abgelaufen" },
		   { "Its time has passed. If you still need {P}, ask your administrators.",
		     "Seine Zeit ist vorbei. Wenn Sie {P} noch brauchen, wenden Sie sich an "
		     "Ihre Administratoren." },
		   { NULL, NULL } },
	[NOT_YOU] = { 403,
		      false,
		      { "Please ask your administrators", "Bitte wenden Sie sich an Ihre "
							  "Administratoren" },
		      { "{P} on {S} can no longer be asked for on this page.",
			"Um {P} auf {S} kann auf dieser Seite nicht mehr gebeten werden." },
		      { NULL, NULL } },
};

static const struct page_words *const by_state[] = {
	[REQUEST_OFFERED] = &words[ASK],
	[REQUEST_ASKED] = &words[ASKED],
	[REQUEST_GRANTED] = &words[GRANTED],
	[REQUEST_REFUSED] = &words[REFUSED],
};

struct look {
	struct again *a;
	struct db *db;
	struct str link;
	struct ticket ticket;
	const struct page_words *words;
	struct page_values values;
	int is; /* what ticket_read() said */
};

/* The row must be what the ticket says: person, account, seat and rule. */
static int row_look(void *ctx, const struct request_row *row, struct err *err)
{
	struct look *l = ctx;
	const struct config *c = &l->a->app->config;
	struct page_values *v = &l->values;
	struct addressee who;
	struct ticket same;
	bool may = false;
	int r;

	ticket_of(row, &same);
	if (memcmp(&same, &l->ticket, sizeof(same)) != 0)
		return STORE_NOT_FOUND;
	r = addressee_find(l->db, row->person, &who, err);
	if (r == 0)
		r = still_may(l->a->app, l->db, row, &may, err);
	if (r < 0)
		return r;
	v->german = str_istarts(str_of(notice_language(c->texts, NOTICE_TAKEN, who.language)),
				STR("de"));
	(void)snprintf(v->first_name, sizeof(v->first_name), "%s", who.first_name);
	(void)snprintf(v->site, sizeof(v->site), STR_FMT, STR_ARG(row->site));
	notices_product_say(row->product, v->product);
	l->words = by_state[row->state];
	if (row->state == REQUEST_OFFERED && l->is == TICKET_OVER)
		l->words = &words[OVER];
	else if (row->state == REQUEST_OFFERED && !may)
		l->words = &words[NOT_YOU];
	return 0;
}

/* What the link is now: words[ASK], or why it is good for nothing more. */
static int look(struct look *l, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	l->words = &page_none;
	l->is = ticket_read(l->link, page_door_key(l->a->door), stamp_now_ms(), &l->ticket);
	if (l->is == TICKET_NONE)
		return 0;
	r = store_read_begin(l->a->app->store, &db, err);
	l->db = db;
	if (r == 0)
		r = requests_get(db, (int64_t)l->ticket.number, row_look, l, err);
	l->db = NULL;
	return r < 0 ? r : 0;
}

/* --- handlers ------------------------------------------------------------------------------
 */

static struct again *again_of(const struct http_req *req)
{
	return (struct again *)(uintptr_t)http_req_route(req)->data;
}

static int page_out(const struct look *l, struct http_req *req, struct http_reply *reply,
		    struct err *err)
{
	return page_reply(l->a->door, l->words, &l->values, l->link, req, reply, err);
}

static int fault_page(struct look *l, struct http_req *req, struct http_reply *reply,
		      const struct err *why, struct err *err)
{
	l->words = &page_fault;
	log_error("again.fault", LOG_T("request", http_req_id(req)), LOG_E(why));
	return page_out(l, req, reply, err);
}

static void slow_down(struct look *l, const struct http_req *req)
{
	if (page_slow(l->a->door, req))
		l->words = &page_too_often;
}

static int on_get(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	struct look l = { .a = again_of(req), .link = http_req_param(req, "ticket") };
	struct err why;

	(void)ctx;
	if (look(&l, &why) < 0)
		return fault_page(&l, req, reply, &why, err);
	if (l.words == &page_none)
		slow_down(&l, req);
	return page_out(&l, req, reply, err);
}

struct post {
	struct http_req *req;
	struct look l;
};

/* On the writer. */
static int post_run(void *ctx, struct db *db, struct err *err)
{
	const struct post *p = ctx;

	return requests_ask(db, (int64_t)p->l.ticket.number, stamp_now_ms(), err);
}

static void post_done(void *ctx, int r, const struct err *said)
{
	struct post *p = ctx;
	struct http_reply *reply = http_req_reply(p->req);
	struct http_req *req = p->req;
	struct err err;

	p->l.words = r == 0 || r == STORE_UNCHANGED ? &words[ASKED]
		     : r == STORE_STALE             ? &words[OVER]
		     : r > 0                        ? &page_none
						    : &page_fault;
	if (r < 0)
		log_error("again.fault", LOG_T("request", http_req_id(req)), LOG_E(said));
	else if (r == 0) {
		log_info("again.asked", LOG_U("link", p->l.ticket.number));
		outbox_look(p->l.a->app->outbox);
	}
	if (page_out(&p->l, req, reply, &err) < 0) {
		buf_clear(&reply->body);
		reply->status = 503;
		reply->content_type = NULL;
	}
	http_req_resume(req);
}

static int on_post(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	struct post *p = calloc(1, sizeof(*p));
	struct err why;
	int r;

	(void)ctx;
	if (!p)
		return err_nomem(err);
	http_req_keep(req, p, free);
	p->req = req;
	p->l.a = again_of(req);
	p->l.link = http_req_param(req, "ticket");
	r = look(&p->l, &why);
	if (r < 0)
		return fault_page(&p->l, req, reply, &why, err);
	if (p->l.words == &words[ASK] && !page_pressed(p->l.a->door, p->l.link, req)) {
		p->l.words = &page_again;
		slow_down(&p->l, req);
	}
	if (p->l.words == &page_none)
		slow_down(&p->l, req);
	if (p->l.words != &words[ASK])
		return page_out(&p->l, req, reply, err);
	r = writer_submit(p->l.a->app->writer, post_run, post_done, p, &why);
	return r < 0 ? fault_page(&p->l, req, reply, &why, err) : HTTP_PARKED;
}

/* --- without a person ----------------------------------------------------------------------
 */

VEC(vec_request, int64_t);

static int request_note(void *ctx, const struct request_row *row, struct err *err)
{
	if (row->state_ms + WORK_MS < stamp_now_ms())
		return 0;
	return vec_request_add(ctx, row->id) < 0 ? err_nomem(err) : 0;
}

int again_work(struct app *app, struct err *err)
{
	const struct request_by by = { "daemon", "asked for again: by again.approve" };
	CLEANUP(vec_request_done) struct vec_request asked = { 0 };
	struct db *db = NULL;
	int r;

	if (app->config.again.approve != CONFIG_AGAIN_RULE)
		return 0;
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = requests_list(db, 1u << REQUEST_ASKED, WORK_MOST, request_note, &asked,
				  err);
	store_read_end(db);
	for (size_t i = 0; r == 0 && i < asked.n; i++) {
		struct err why;
		uint64_t plan = 0;

		if (request_grant(app, asked.v[i], &by, &plan, &why) < 0)
			log_warn("again.unplanned", LOG_I("request", asked.v[i]), LOG_E(&why));
		else
			log_info("again.planned", LOG_I("request", asked.v[i]),
				 LOG_U("plan", plan));
	}
	return r < 0 ? r : 0;
}

/* --- birth and death -----------------------------------------------------------------------
 */

int again_new(struct again **ret, struct app *app, struct http_route into[AGAIN_ROUTES],
	      struct err *err)
{
	CLEANUP(again_free_at) struct again *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_nomem(err);
	a->app = app;
	r = page_door_new(&a->door, app, PURPOSE, err);
	if (r < 0)
		return r;
	into[0] = (struct http_route){
		.method = HTTP_GET, .path = "/again/{ticket}", .handler = on_get, .data = a
	};
	into[1] = (struct http_route){ .method = HTTP_POST,
				       .path = "/again/{ticket}",
				       .handler = on_post,
				       .max_body_bytes = PAGE_BODY_MOST,
				       .data = a };
	*ret = TAKE(a);
	return 0;
}

void again_free(struct again *a)
{
	if (!a)
		return;
	page_door_free(a->door);
	free(a);
}
