/* The verb handover: what somebody owns on sites, and who is named to receive it. */
#include "bridge/verb.h"

#include <stdio.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/planner.h"
#include "bridge/sealed.h"
#include "model/owned.h"
#include "reconcile/why.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/persons.h"
#include "store/sites.h"
#include "store/store.h"
#include "store/writer.h"

#define ACCOUNTS_MOST 64 /* of one person, over all organisations */

/* What is asked, and who it is about. */
struct asked {
	struct app *app;
	const struct who *who;
	const char *org; /* NULL: all */
	bool may_see;    /* what is known because an end lies ahead */
	int64_t person;
	int64_t accounts[ACCOUNTS_MOST];
	size_t n;
	json_t *owned, *inventories, *refusals; /* borrowed from the answer */
};

static int on_link(void *ctx, const struct account_link *row, struct err *err)
{
	struct asked *a = ctx;

	(void)err;
	if (a->n < ACCOUNTS_MOST)
		a->accounts[a->n++] = row->account;
	return 0;
}

static int person_find(struct asked *a, struct db *db, const char *text, struct err *err)
{
	int64_t found[2];
	size_t n = 0;
	int r = persons_find(db, str_of(text), found, COUNT_OF(found), &n, err);

	if (r < 0)
		return r;
	if (n != 1)
		return err_set(err, n ? ERR_CONFLICT : ERR_NOT_FOUND,
			       n ? "%s fits more than one person: name one by its ledger number"
				 : "nobody is known as %s",
			       text);
	a->person = found[0];
	return persons_accounts(db, a->person, on_link, a, err);
}

/* --- naming --------------------------------------------------------------------------------
 */

static int on_receiver(void *ctx, const struct account_row *row, struct err *err)
{
	int64_t *found = ctx;

	(void)err;
	*found = row->id;
	return 1;
}

/* An account by id or address; 0: there is none in that organisation. */
static int account_find(struct db *db, const char *org, const char *text, int64_t *ret,
			struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	CLEANUP(free_at) char *fold = NULL;
	size_t len;
	int r = accounts_org_get(db, org, &row, err);

	*ret = 0;
	if (r == 0)
		r = accounts_number(db, row.id, str_of(text), ret, err);
	if (r <= 0)
		return r;
	r = str_fold(str_of(text), &fold, &len, err);
	if (r == 0)
		r = accounts_by_email(db, row.id, str_n(fold, len), on_receiver, ret, err);
	return r < 0 ? r : 0;
}

static int receiver_find(const struct asked *a, struct db *db, const char *text, int64_t *ret,
			 struct err *err)
{
	const struct config *c = &a->app->config;
	int r = 0;

	*ret = 0;
	for (size_t i = 0; r == 0 && i < c->organisations.n && !*ret; i++) {
		const struct config_org *org = config_org_at(c, i);

		if (!a->org || strcmp(a->org, org->name) == 0)
			r = account_find(db, org->name, text, ret, err);
	}
	if (r == 0 && !*ret)
		return err_set(err, ERR_NOT_FOUND,
			       "no organisation has an account %s: name it by its address or "
			       "account id",
			       text);
	for (size_t i = 0; r == 0 && i < a->n; i++)
		if (a->accounts[i] == *ret)
			return err_set(err, ERR_CONFLICT, "%s is an account of the same person",
				       text);
	return r;
}

struct naming {
	const struct asked *a;
	const char *to, *why; /* to NULL: nobody any more */
	bool unchanged;
};

static int naming_run(void *ctx, struct db *db, struct err *err)
{
	struct naming *n = ctx;
	int64_t account = 0;
	int r = n->to ? receiver_find(n->a, db, n->to, &account, err) : 0;

	if (r == 0)
		r = heir_set(db, n->a->person, account, n->a->who->name, n->why, stamp_now_ms(),
			     err);
	n->unchanged = r == STORE_UNCHANGED;
	return r < 0 ? r : 0;
}

/* --- telling -------------------------------------------------------------------------------
 */

/* Pages of a site on which a person finds the thing. Rules have none that is documented but the
 * list of all, where their users are transferred. */
static const struct {
	enum owned_kind kind;
	const char *page;
	enum { LINK_ALL, LINK_ID, LINK_LABEL, LINK_PROJECT } ends;
} links[] = {
	{ OWNED_ISSUE, "/browse/", LINK_LABEL },
	{ OWNED_REPORTED, "/browse/", LINK_LABEL },
	{ OWNED_FILTER, "/issues/?filter=", LINK_ID },
	{ OWNED_DASHBOARD, "/jira/dashboards/", LINK_ID },
	{ OWNED_PROJECT, "/browse/", LINK_LABEL },
	{ OWNED_COMPONENT, "/browse/", LINK_PROJECT },
	{ OWNED_RULE, "/jira/settings/automation", LINK_ALL },
	{ OWNED_SPACE, "/wiki/spaces/", LINK_LABEL },
};

/* Empty where there is none. */
static void link_of(const struct owned_row *row, struct buf *into)
{
	const struct str ends[] = { { 0 }, row->id, row->label, row->project };
	enum owned_kind kind;

	if (!owned_kind_of(row->kind, &kind))
		return;
	for (size_t i = 0; i < COUNT_OF(links); i++) {
		if (links[i].kind != kind || (links[i].ends && !ends[links[i].ends].len))
			continue;
		buf_addf(into, "https://" STR_FMT "%s", STR_ARG(row->site), links[i].page);
		enc_percent(into, ends[links[i].ends]);
	}
}

static int on_owned(void *ctx, const struct owned_row *row, struct err *err)
{
	CLEANUP(buf_done) struct buf link;
	struct asked *a = ctx;
	int r;

	buf_init(&link, 8192);
	link_of(row, &link);
	r = buf_fault(&link, err, "a link");
	if (r < 0)
		return r;
	return jx_add(a->owned,
		      json_pack("{s:s%,s:s%,s:s%,s:s%,s:s%,s:s%,s:o}", "site", row->site.p,
				row->site.len, "kind", row->kind.p, row->kind.len, "id",
				row->id.p, row->id.len, "label", row->label.p, row->label.len,
				"title", row->title.p, row->title.len, "project",
				row->project.p, row->project.len, "link",
				link.len ? json_stringn(link.p, link.len) : json_null()),
		      err);
}

static int on_inventory(void *ctx, const struct inventory_row *row, struct err *err)
{
	struct asked *a = ctx;

	return jx_add(a->inventories,
		      json_pack("{s:I,s:b,s:s%,s:I}", "account", (json_int_t)row->account,
				"whole", row->whole, "why", row->why.p ? row->why.p : "",
				row->why.len, "read", (json_int_t)row->read_ms),
		      err);
}

static int on_heir(void *ctx, const struct heir_row *row, struct err *err)
{
	return jx_set(ctx, "named", json_integer(row->account), err);
}

/* Whom Atlassian refused what: why the next plan passes them over. */
static int on_refusal(void *ctx, const struct gift_refusal *row, struct err *err)
{
	json_t *list = ctx;

	return jx_add(list,
		      json_pack("{s:I, s:I, s:s%, s:s%, s:s%, s:s%, s:I}", "account",
				(json_int_t)row->account, "receiver", (json_int_t)row->receiver,
				"site", row->site.p, row->site.len, "kind", row->kind.p,
				row->kind.len, "id", row->id.p, row->id.len, "why", row->why.p,
				row->why.len, "ms", (json_int_t)row->ms),
		      err);
}

static int org_tell(struct asked *a, struct db *db, const char *org, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int r = accounts_org_get(db, org, &row, err);

	if (r != 0)
		return r < 0 ? r : 0;
	for (size_t i = 0; r == 0 && i < a->n; i++) {
		r = inventory_each(db, row.id, a->accounts[i], on_inventory, a, err);
		if (r == 0)
			r = inventory_owned(db, row.id, a->accounts[i], on_owned, a, err);
		if (r == 0)
			r = inventory_refusals(db, row.id, a->accounts[i], 0, on_refusal,
					       a->refusals, err);
	}
	return r;
}

/* Whether they may not know that it was read: it is read ahead of an end, and tells of it. */
static int is_sealed(const struct asked *a, const struct config_org *org, bool *ret,
		     struct err *err)
{
	const struct policy *policy = app_acting(a->app)->policy;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	int r;

	*ret = false;
	if (a->may_see)
		return 0;
	r = planner_facts_for(a->app, org, policy, (uint64_t)a->person, 0, &facts, err);
	if (r == 0)
		*ret = why_ends_ahead(facts, policy, (uint64_t)a->person);
	return r == -ERR_NOT_FOUND ? 0 : r; /* not collected yet: nothing was read */
}

static int org_told(struct asked *a, const struct config_org *org, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	bool hidden = false;
	int r = is_sealed(a, org, &hidden, err);

	if (r < 0 || hidden)
		return r;
	r = store_read_begin(a->app->store, &db, err);
	return r == 0 ? org_tell(a, db, org->name, err) : r;
}

static int tell(struct asked *a, json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const struct config *c = &a->app->config;
	int r;

	a->owned = json_array();
	a->inventories = json_array();
	r = jx_set(out, "owned", a->owned, err);
	if (r == 0)
		r = jx_set(out, "inventories", a->inventories, err);
	if (r == 0)
		r = jx_set(out, "refusals", a->refusals = json_array(), err);
	if (r == 0)
		r = jx_set(out, "person", json_integer(a->person), err);
	for (size_t i = 0; r == 0 && i < c->organisations.n; i++)
		if (!a->org || strcmp(a->org, config_org_at(c, i)->name) == 0)
			r = org_told(a, config_org_at(c, i), err);
	if (r == 0)
		r = store_read_begin(a->app->store, &db, err);
	return r == 0 ? heirs_each(db, a->person, on_heir, out, err) : r;
}

/* Titles are read by somebody: that is kept. */
static int read_audit(void *ctx, struct db *db, struct err *err)
{
	const struct asked *a = ctx;
	char target[48];
	struct audit_new entry = { .who = a->who->name,
				   .what = "person.read",
				   .target = target,
				   .person = a->person,
				   .body = STR("{}"),
				   .now_ms = stamp_now_ms() };

	snprintf(target, sizeof(target), "person %lld", (long long)a->person);
	return audit_add(db, &entry, NULL, err);
}

static int asked_find(struct asked *a, const json_t *in, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *text = jx_get_text(in, "who");
	int r = store_read_begin(a->app->store, &db, err);

	return r < 0 ? r : person_find(a, db, text ? text : "", err);
}

static int verb_handover(struct app *app, const struct who *who, const json_t *in, json_t *out,
			 struct err *err)
{
	struct asked a = { .app = app, .who = who, .org = jx_get_text(in, "org") };
	bool nobody = json_is_true(json_object_get(in, "nobody"));
	struct naming n = { &a, jx_get_text(in, "to"), jx_get_text(in, "reason"), false };
	int r = asked_find(&a, in, err);

	if (r == 0)
		r = sealed_may_see(app, in, &a.may_see, err);
	if (r == 0 && nobody && n.to)
		return err_set(err, ERR_USAGE, "--to and --nobody exclude each other");
	if (r == 0 && (nobody || n.to) && !(n.why && *n.why))
		return err_set(err, ERR_USAGE,
			       "--reason is needed: it stands in the audit chain");
	if (r == 0 && (nobody || n.to))
		r = writer_call(app->writer, naming_run, &n, err);
	if (r == 0)
		r = tell(&a, out, err);
	return r == 0 ? writer_call(app->writer, read_audit, &a, err) : r;
}

const struct verb verbs_handover[] = {
	{ "handover", VERB_STORE, verb_handover },
	{ NULL, 0, NULL },
};
