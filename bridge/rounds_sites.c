#include "bridge/rounds.h"

#include <stdarg.h>
#include <stdio.h>

#include "atlassian/site_read.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "store/accounts.h"
#include "store/sites.h"
#include "store/writer.h"

#define SITES_BATCH 500 /* account ids that are looked up in one read of the store */
#define SITES_PAGE 2000
#define SITES_FINDINGS_MOST 200
#define SITES_WORD 128

VEC(vec_number32, uint32_t);

/* One product as the site says it, and who holds it by either view. */
struct product_view {
	char key[SITES_WORD], plan[SITES_WORD];
	struct site_product_row row; /* texts filled at the end */
	int64_t number;              /* of the organisation's product; 0: it knows none */
	struct vec_number32 members, seats;
	uint64_t strangers; /* members that the organisation does not show */
};
VEC(vec_product_view, struct product_view);

struct group_view {
	char product[SITES_WORD], id[SITES_WORD], name[SITES_WORD * 2];
	bool is_default;
	bool known; /* to the organisation, as giving that product */
};
VEC(vec_group_view, struct group_view);

struct finding_text {
	char product[SITES_WORD], text[ERR_TEXT_BYTES];
	const char *kind;
};
VEC(vec_finding_text, struct finding_text);

struct pending_member {
	char id[SITES_WORD];
	size_t product; /* SIZE_MAX: a customer */
};
VEC(vec_pending_member, struct pending_member);

struct site_round {
	struct app *app;
	const struct config_org *org;
	const struct atl_site_options *site;
	const atomic_bool *cancel;
	int64_t org_id;
	struct vec_product_view products;
	struct vec_group_view groups;
	struct vec_finding_text findings;
	struct vec_pending_member pending;
	struct vec_number32 customers;
	uint64_t strange_customers; /* portal-only accounts, mostly */
	struct atl_site_result result;
};

static void site_round_done(struct site_round *s)
{
	for (size_t i = 0; i < s->products.n; i++) {
		vec_number32_done(&s->products.v[i].members);
		vec_number32_done(&s->products.v[i].seats);
	}
	vec_product_view_done(&s->products);
	vec_group_view_done(&s->groups);
	vec_finding_text_done(&s->findings);
	vec_pending_member_done(&s->pending);
	vec_number32_done(&s->customers);
}

/* --- what comes ----------------------------------------------------------------------------
 */

static void word(char *to, size_t room, struct str s)
{
	snprintf(to, room, STR_FMT, STR_ARG(s));
}

static struct product_view *product_of(struct site_round *s, struct str key)
{
	for (size_t i = 0; i < s->products.n; i++)
		if (str_eq(key, str_of(s->products.v[i].key)))
			return &s->products.v[i];
	return NULL;
}

/* Two application keys may be one product (jira-software is jira): the seats are those of the
 * first that tells some. */
static int on_product(void *ctx, const struct atl_site_product *row, struct err *err)
{
	struct site_round *s = ctx;
	struct product_view p = { .row = { .seats = row->seats,
					   .left = row->left,
					   .used = row->used,
					   .members = ATL_NOT_TOLD,
					   .customers = ATL_NOT_TOLD } };

	if (product_of(s, row->key))
		return 0;
	word(p.key, sizeof(p.key), row->key);
	word(p.plan, sizeof(p.plan), row->plan);
	return vec_product_view_add(&s->products, p) < 0 ? err_nomem(err) : 0;
}

static int on_group(void *ctx, const struct atl_site_group *row, struct err *err)
{
	struct site_round *s = ctx;
	struct group_view g = { .is_default = row->is_default };
	const struct atl_site_product bare = { .key = row->product,
					       .seats = ATL_NOT_TOLD,
					       .left = ATL_NOT_TOLD,
					       .used = ATL_NOT_TOLD };
	int r = product_of(s, row->product) ? 0 : on_product(s, &bare, err);

	word(g.product, sizeof(g.product), row->product);
	word(g.id, sizeof(g.id), atl_group_id(row->id));
	word(g.name, sizeof(g.name), row->name);
	if (r == 0 && vec_group_view_add(&s->groups, g) < 0)
		r = err_nomem(err);
	return r;
}

static int pending_flush(struct site_round *s, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = s->pending.n ? store_read_begin(s->app->store, &db, err) : 0;

	for (size_t i = 0; r >= 0 && i < s->pending.n; i++) {
		const struct pending_member *m = &s->pending.v[i];
		bool customer = m->product == SIZE_MAX;
		struct product_view *p = customer ? NULL : &s->products.v[m->product];
		int64_t number;

		r = accounts_number(db, s->org_id, str_of(m->id), &number, err);
		if (r > 0)
			*(customer ? &s->strange_customers : &p->strangers) += 1;
		else if (r == 0 && vec_number32_add(customer ? &s->customers : &p->members,
						    (uint32_t)number) < 0)
			r = err_nomem(err);
	}
	s->pending.n = 0;
	return r < 0 ? r : 0;
}

static int pend(struct site_round *s, size_t product, struct str account, struct err *err)
{
	struct pending_member m = { .product = product };

	if (account.len >= sizeof(m.id))
		return err_set(err, ERR_PROTOCOL, "an account's id is longer than %d bytes",
			       SITES_WORD - 1);
	word(m.id, sizeof(m.id), account);
	if (vec_pending_member_add(&s->pending, m) < 0)
		return err_nomem(err);
	return s->pending.n < SITES_BATCH ? 0 : pending_flush(s, err);
}

static int on_member(void *ctx, struct str product, struct str account, struct err *err)
{
	struct site_round *s = ctx;
	struct product_view *p = product_of(s, product);

	return p ? pend(s, (size_t)(p - s->products.v), account, err) : 0;
}

static int on_customer(void *ctx, struct str account, struct err *err)
{
	return pend(ctx, SIZE_MAX, account, err);
}

static bool on_stop(void *ctx)
{
	const struct site_round *s = ctx;

	return s->cancel && atomic_load(s->cancel);
}

/* --- held against the organisation ---------------------------------------------------------
 */

static int find(struct site_round *s, const char *kind, const char *product, struct err *err,
		const char *format, ...) PRINTF(5, 6);
static int find(struct site_round *s, const char *kind, const char *product, struct err *err,
		const char *format, ...)
{
	struct finding_text f = { .kind = kind };
	va_list args;

	if (s->findings.n == SITES_FINDINGS_MOST)
		return 0;
	snprintf(f.product, sizeof(f.product), "%s", product);
	va_start(args, format);
	vsnprintf(f.text, sizeof(f.text), format, args);
	va_end(args);
	return vec_finding_text_add(&s->findings, f) < 0 ? err_nomem(err) : 0;
}

static int number_cmp(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static void sort_unique(struct vec_number32 *v)
{
	size_t kept = 0;

	if (v->n)
		qsort(v->v, v->n, sizeof(*v->v), number_cmp);
	for (size_t i = 0; i < v->n; i++)
		if (!kept || v->v[kept - 1] != v->v[i])
			v->v[kept++] = v->v[i];
	v->n = kept;
}

static bool has(const struct vec_number32 *v, uint32_t n)
{
	return v->n && bsearch(&n, v->v, v->n, sizeof(*v->v), number_cmp);
}

static int on_org_product(void *ctx, const struct product_row *row, struct err *err)
{
	struct site_round *s = ctx;
	struct product_view *p;

	(void)err;
	if (!str_ieq(row->site, str_of(s->site->host)))
		return 0;
	p = product_of(s, row->key);
	if (p)
		p->number = row->id;
	return 0;
}

struct seats_page {
	struct site_round *s;
	int64_t account, product;
	size_t rows;
};

static int on_org_seat(void *ctx, const struct seat_row *row, struct err *err)
{
	struct seats_page *page = ctx;
	struct site_round *s = page->s;

	page->account = row->account;
	page->product = row->product;
	page->rows++;
	for (size_t i = 0; i < s->products.n; i++)
		if (s->products.v[i].number == row->product &&
		    vec_number32_add(&s->products.v[i].seats, (uint32_t)row->account) < 0)
			return err_nomem(err);
	return 0;
}

static int org_seats(struct site_round *s, struct err *err)
{
	struct seats_page page = { .s = s };
	int r = 0;

	do {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		page.rows = 0;
		r = store_read_begin(s->app->store, &db, err);
		if (r == 0)
			r = accounts_seats_page(db, s->org_id, page.account, page.product,
						SITES_PAGE, on_org_seat, &page, err);
	} while (r == 0 && page.rows == SITES_PAGE);
	return r < 0 ? r : 0;
}

/* The organisation's groups that give a product of this site. */
struct org_groups {
	struct site_round *s;
	struct db *db;
	int64_t group, product;
	char id[SITES_WORD], name[SITES_WORD * 2];
};

static int on_group_name(void *ctx, const struct org_group_row *row, struct err *err)
{
	struct org_groups *g = ctx;

	(void)err;
	if (row->id != g->group)
		return 0;
	word(g->id, sizeof(g->id), row->group_id);
	word(g->name, sizeof(g->name), row->name);
	return 1;
}

static int on_org_grant(void *ctx, const struct grant_row *row, struct err *err)
{
	struct org_groups *g = ctx;
	struct site_round *s = g->s;
	const struct product_view *p = NULL;
	int r;

	for (size_t i = 0; i < s->products.n; i++)
		if (s->products.v[i].number && s->products.v[i].number == row->product)
			p = &s->products.v[i];
	if (!p || row->billable == TRI_NO)
		return 0;
	g->group = row->group;
	r = accounts_groups(g->db, s->org_id, on_group_name, g, err);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < s->groups.n; i++) {
		struct group_view *v = &s->groups.v[i];

		if (strcmp(v->id, g->id) == 0 && strcmp(v->product, p->key) == 0) {
			v->known = true;
			return 0;
		}
	}
	return s->result.whole ? find(s, "group-not-shown", p->key, err,
				      "the organisation says that group %s gives %s, the site "
				      "does not",
				      g->name, p->key)
			       : 0;
}

static int groups_compare(struct site_round *s, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct org_groups g = { .s = s };
	int r = store_read_begin(s->app->store, &db, err);

	g.db = db;
	if (r == 0)
		r = accounts_grants(db, s->org_id, on_org_grant, &g, err);
	for (size_t i = 0; r >= 0 && i < s->groups.n; i++) {
		const struct group_view *v = &s->groups.v[i];

		if (!v->known)
			r = find(s, "group-not-known", v->product, err,
				 "the site says that group %s gives %s, the organisation does "
				 "not",
				 v->name, v->product);
	}
	return r < 0 ? r : 0;
}

static int product_compare(struct site_round *s, struct product_view *p, struct err *err)
{
	size_t extra = 0;
	int r = 0;

	sort_unique(&p->members);
	sort_unique(&p->seats);
	if (s->site->members)
		p->row.members = (int64_t)(p->members.n + p->strangers);
	if (!p->number)
		return find(s, "product-not-known", p->key, err,
			    "the site has %s, the organisation shows no such product there",
			    p->key);
	for (size_t i = 0; i < p->members.n; i++)
		extra += !has(&p->seats, p->members.v[i]);
	if (extra)
		r = find(
			s, "member-without-seat", p->key, err,
			"%zu accounts are in groups that give %s by the site, and hold no seat "
			"of it by the organisation",
			extra, p->key);
	if (r == 0 && p->strangers)
		r = find(s, "member-not-shown", p->key, err,
			 "%llu accounts in groups that give %s are not shown by the "
			 "organisation",
			 (unsigned long long)p->strangers, p->key);
	if (r == 0 && p->row.used >= 0 && p->row.used != (int64_t)p->seats.n)
		r = find(s, "seat-count", p->key, err,
			 "the site counts %lld users of %s, the organisation shows %zu seats",
			 (long long)p->row.used, p->key, p->seats.n);
	return r;
}

/* Customers who are agents too count as agents. */
static void customers_count(struct site_round *s)
{
	struct product_view *desk = product_of(s, STR("jira-servicedesk"));
	size_t n = 0;

	if (!desk)
		return;
	sort_unique(&s->customers);
	for (size_t i = 0; i < s->customers.n; i++)
		n += !has(&desk->members, s->customers.v[i]);
	desk->row.customers = (int64_t)(n + s->strange_customers);
}

static int compare(struct site_round *s, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = pending_flush(s, err);

	if (r == 0)
		r = store_read_begin(s->app->store, &db, err);
	if (r == 0)
		r = accounts_products(db, s->org_id, on_org_product, s, err);
	store_read_end(TAKE(db));
	if (r >= 0)
		r = org_seats(s, err);
	for (size_t i = 0; r == 0 && i < s->products.n; i++)
		r = product_compare(s, &s->products.v[i], err);
	if (r == 0)
		r = groups_compare(s, err);
	customers_count(s);
	return r;
}

/* --- keeping and telling -------------------------------------------------------------------
 */

struct site_write {
	struct site_round *s;
	struct site_reading in;
};

static int site_write_run(void *ctx, struct db *db, struct err *err)
{
	struct site_write *w = ctx;

	return sites_put(db, w->s->org_id, &w->in, err);
}

static int site_keep(struct site_round *s, struct err *err)
{
	const struct site_read_row read = { .site = str_of(s->site->host),
					    .whole = s->result.whole,
					    .why = str_of(s->result.why),
					    .read_ms = stamp_now_ms() };
	CLEANUP(free_at)
	struct site_product_row *products = calloc(s->products.n + 1, sizeof(*products));
	CLEANUP(free_at)
	struct site_group_row *groups = calloc(s->groups.n + 1, sizeof(*groups));
	CLEANUP(free_at)
	struct site_finding_row *findings = calloc(s->findings.n + 1, sizeof(*findings));
	struct site_write w = { s,
				{ &read, products, s->products.n, groups, s->groups.n, findings,
				  s->findings.n } };

	if (!products || !groups || !findings)
		return err_nomem(err);
	for (size_t i = 0; i < s->products.n; i++) {
		products[i] = s->products.v[i].row;
		products[i].product = str_of(s->products.v[i].key);
		products[i].plan = str_of(s->products.v[i].plan);
	}
	for (size_t i = 0; i < s->groups.n; i++)
		groups[i] = (struct site_group_row){ .product = str_of(s->groups.v[i].product),
						     .group_id = str_of(s->groups.v[i].id),
						     .name = str_of(s->groups.v[i].name),
						     .is_default = s->groups.v[i].is_default };
	for (size_t i = 0; i < s->findings.n; i++)
		findings[i] =
			(struct site_finding_row){ .product = str_of(s->findings.v[i].product),
						   .kind = str_of(s->findings.v[i].kind),
						   .text = str_of(s->findings.v[i].text) };
	return writer_call(s->app->writer, site_write_run, &w, err);
}

static json_t *count_json(int64_t n)
{
	return n == ATL_NOT_TOLD ? json_null()
	       : n == ATL_ABSENT ? json_string("unlimited")
				 : json_integer(n);
}

static int site_out(struct site_round *s, json_t *list, struct err *err)
{
	json_t *products = json_array(), *findings = json_array(), *row;
	int r = 0;

	row = json_pack(
		"{s:s,s:b,s:o?,s:o,s:o,s:I}", "site", s->site->host, "whole", s->result.whole,
		"why", s->result.why[0] ? json_string(s->result.why) : json_null(), "products",
		products, "findings", findings, "requests", (json_int_t)s->result.calls);
	r = jx_add(list, row, err);
	for (size_t i = 0; r == 0 && i < s->products.n; i++) {
		const struct product_view *p = &s->products.v[i];

		r = jx_add(products,
			   json_pack("{s:s,s:s?,s:o,s:o,s:o,s:o,s:o}", "product", p->key,
				     "plan", p->plan[0] ? p->plan : NULL, "seats",
				     count_json(p->row.seats), "used", count_json(p->row.used),
				     "left", count_json(p->row.left), "members",
				     count_json(p->row.members), "customers",
				     count_json(p->row.customers)),
			   err);
	}
	for (size_t i = 0; r == 0 && i < s->findings.n; i++)
		r = jx_add(findings,
			   json_pack("{s:s,s:s,s:s}", "kind", s->findings.v[i].kind, "product",
				     s->findings.v[i].product, "text", s->findings.v[i].text),
			   err);
	return r;
}

/* A site that does not answer is told, and ends nothing. */
static int site_run(struct site_round *s, json_t *list, struct err *err)
{
	const struct atl_site_sink sink = { .ctx = s,
					    .product = on_product,
					    .group = on_group,
					    .member = on_member,
					    .customer = on_customer,
					    .stop = on_stop };
	struct atl_site *site = NULL;
	int r = clients_site(s->app, s->org, s->site, &site, err);

	if (r == 0)
		r = atl_site_read(site, &sink, &s->result, err);
	if (r == -ERR_CANCELLED || r == -ERR_NOMEM || r == -ERR_LEASE)
		return r;
	if (r < 0) {
		s->result.whole = false;
		snprintf(s->result.why, sizeof(s->result.why), "%s", err->text);
	}
	r = compare(s, err);
	if (r == 0)
		r = site_keep(s, err);
	if (r < 0)
		return r;
	if (s->result.whole)
		log_info("site.done", LOG_T("org", s->org->name), LOG_T("site", s->site->host),
			 LOG_U("members", s->result.members), LOG_U("findings", s->findings.n));
	else
		log_warn("site.incomplete", LOG_T("org", s->org->name),
			 LOG_T("site", s->site->host), LOG_T("text", s->result.why));
	return site_out(s, list, err);
}

static int org_number(struct app *app, const char *name, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = accounts_org_get(db, name, &row, err);
	if (r > 0)
		return err_set(err, ERR_INTERNAL, "organisation %s was not declared", name);
	*ret = row.id;
	return r;
}

int rounds_sites(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		 json_t *out, struct err *err)
{
	json_t *list;
	int64_t id = 0;
	int r;

	if (!org->sites.n)
		return 0;
	list = json_array();
	r = jx_set(out, "sites", list, err);
	if (r == 0)
		r = org_number(app, org->name, &id, err);
	for (size_t i = 0; r == 0 && i < org->sites.n; i++) {
		struct site_round s = { .app = app,
					.org = org,
					.site = config_site_at(org, i),
					.cancel = cancel,
					.org_id = id };

		r = site_run(&s, list, err);
		site_round_done(&s);
	}
	return r;
}
