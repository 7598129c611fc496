#include "bridge/rounds.h"

#include <stdio.h>

#include "atlassian/inventory.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "store/accounts.h"
#include "store/sites.h"
#include "store/writer.h"

#define INVENTORY_ACCOUNTS_MOST 50               /* of one round; the next has the rest */
#define INVENTORY_ROUND_MS (3 * STAMP_MINUTE_MS) /* looked at between two accounts */

enum { OWNED_ID, OWNED_LABEL, OWNED_TITLE, OWNED_PROJECT_KEY, OWNED_LEAD, OWNED_TEXTS };

/* One thing, with texts of its own. */
struct found {
	const struct atl_site_options *site;
	enum owned_kind kind;
	char *text[OWNED_TEXTS];
};
VEC(vec_found, struct found);

struct inventory_round {
	struct app *app;
	const struct config_org *org;
	struct atl_inventory *sites[CONFIG_SITES_MAX];  /* NULL: not begun, or it cannot be */
	char trouble[CONFIG_SITES_MAX][ERR_TEXT_BYTES]; /* why not */
	/* of the account that is being read */
	const struct atl_site_options *site;
	struct vec_found found;
	bool whole;
	char why[ERR_TEXT_BYTES];
};

static void found_clear(struct vec_found *v)
{
	for (size_t i = 0; i < v->n; i++)
		for (size_t t = 0; t < OWNED_TEXTS; t++)
			free(v->v[i].text[t]);
	v->n = 0;
}

static void inventory_round_done(struct inventory_round *v)
{
	for (size_t i = 0; i < CONFIG_SITES_MAX; i++)
		atl_inventory_free(v->sites[i]);
	found_clear(&v->found);
	vec_found_done(&v->found);
}

static int on_owned(void *ctx, const struct atl_owned *row, struct err *err)
{
	struct inventory_round *v = ctx;
	const struct str texts[OWNED_TEXTS] = { row->id, row->label, row->title, row->project,
						row->lead };
	struct found f = { .site = v->site, .kind = row->kind };
	bool lost = false;

	for (size_t t = 0; t < OWNED_TEXTS; t++) {
		f.text[t] = str_dup(texts[t]);
		lost = lost || !f.text[t];
	}
	if (!lost && vec_found_add(&v->found, f) == 0)
		return 0;
	for (size_t t = 0; t < OWNED_TEXTS; t++)
		free(f.text[t]);
	return err_nomem(err);
}

static void note(struct inventory_round *v, const char *why)
{
	v->whole = false;
	if (!v->why[0])
		snprintf(v->why, sizeof(v->why), "%s", why);
}

static bool is_ours(int r)
{
	return r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_LEASE;
}

/* A site that cannot be asked is asked no more in this round. */
static int site_begin(struct inventory_round *v, size_t i, struct err *err)
{
	struct atl_site *site = NULL;
	int r;

	if (v->sites[i] || v->trouble[i][0])
		return 0;
	r = clients_site(v->app, v->org, config_site_at(v->org, i), &site, err);
	if (r == 0)
		r = atl_inventory_new(&v->sites[i], site, err);
	if (r < 0 && !is_ours(r)) {
		snprintf(v->trouble[i], sizeof(v->trouble[i]), "%s", err->text);
		r = 0;
	}
	return r;
}

static int site_read(struct inventory_round *v, size_t i, struct str account, struct err *err)
{
	struct atl_inventory_result result;
	int r = site_begin(v, i, err);

	if (r < 0)
		return r;
	if (!v->sites[i]) {
		note(v, v->trouble[i]);
		return 0;
	}
	v->site = config_site_at(v->org, i);
	r = atl_inventory_read(v->sites[i], account, on_owned, v, &result, err);
	if (r < 0 && is_ours(r))
		return r;
	if (r < 0)
		note(v, err->text);
	else if (!result.whole)
		note(v, result.why);
	return 0;
}

/* --- keeping -------------------------------------------------------------------------------
 */

struct inventory_write {
	struct inventory_round *v;
	int64_t account;
	struct owned_row *rows;
};

static int inventory_write_run(void *ctx, struct db *db, struct err *err)
{
	struct inventory_write *w = ctx;
	const struct inventory_row row = { .account = w->account,
					   .whole = w->v->whole,
					   .why = str_of(w->v->why),
					   .read_ms = stamp_now_ms() };

	return inventory_put(db, &row, w->rows, w->v->found.n, err);
}

static int inventory_keep(struct inventory_round *v, int64_t account, struct err *err)
{
	CLEANUP(free_at) struct owned_row *rows = calloc(v->found.n + 1, sizeof(*rows));
	struct inventory_write w = { v, account, rows };

	if (!rows)
		return err_nomem(err);
	for (size_t i = 0; i < v->found.n; i++) {
		const struct found *f = &v->found.v[i];

		rows[i] = (struct owned_row){
			.account = account,
			.site = str_of(f->site->host),
			.kind = str_of(owned_kinds[f->kind].word),
			.id = str_of(f->text[OWNED_ID]),
			.label = str_of(f->text[OWNED_LABEL]),
			.title = str_of(f->text[OWNED_TITLE]),
			.project = str_of(f->text[OWNED_PROJECT_KEY]),
			.lead = str_of(f->text[OWNED_LEAD]),
		};
	}
	return writer_call(v->app->writer, inventory_write_run, &w, err);
}

/* --- one account after the other -----------------------------------------------------------
 */

static int copy_id(void *ctx, const struct account_row *row, struct err *err)
{
	struct buf *into = ctx;

	buf_add_str(into, row->account_id);
	return buf_fault(into, err, "an account's id");
}

static int account_id(struct app *app, uint64_t number, struct buf *into, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : accounts_get(db, (int64_t)number, copy_id, into, err);
}

static int account_read(struct inventory_round *v, uint64_t number, struct err *err)
{
	CLEANUP(buf_done) struct buf id;
	int r;

	buf_init(&id, 1024);
	found_clear(&v->found);
	v->whole = true;
	v->why[0] = '\0';
	r = account_id(v->app, number, &id, err);
	if (r != 0)
		return r < 0 ? r : 0; /* it is gone */
	for (size_t i = 0; r == 0 && i < v->org->sites.n; i++)
		r = site_read(v, i, buf_str(&id), err);
	if (r == 0)
		r = inventory_keep(v, (int64_t)number, err);
	if (r == 0)
		log_info("inventory.done", LOG_T("org", v->org->name), LOG_U("account", number),
			 LOG_U("objects", v->found.n), LOG_B("whole", v->whole));
	return r;
}

int rounds_inventory(struct app *app, const struct config_org *org, const uint64_t *accounts,
		     size_t count, size_t *ret, struct err *err)
{
	CLEANUP(free_at) struct inventory_round *v = calloc(1, sizeof(*v));
	int64_t until = stamp_mono_ms() + INVENTORY_ROUND_MS;
	int r = v ? 0 : err_nomem(err);

	*ret = 0;
	if (!v)
		return r;
	v->app = app;
	v->org = org;
	for (size_t i = 0; r == 0 && i < count && i < INVENTORY_ACCOUNTS_MOST &&
			   (i == 0 || stamp_mono_ms() < until);
	     i++) {
		r = account_read(v, accounts[i], err);
		*ret += r == 0;
	}
	if (r == 0 && *ret < count)
		log_warn("inventory.later", LOG_T("org", org->name),
			 LOG_U("accounts", count - *ret));
	inventory_round_done(v);
	return r < 0 ? err_context(err, r, "what leavers of %s own", org->name) : 0;
}
