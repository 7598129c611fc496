#include "bridge/hands.h"

#include <stdio.h>

#include "atlassian/act.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "bridge/hands_asked.h"
#include "bridge/hands_gift.h"
#include "bridge/hands_provision.h"
#include "bridge/hands_seen.h"
#include "bridge/notices.h"
#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/plans.h"
#include "store/writer.h"

#define HANDS_ID_BYTES 256

struct hands {
	struct app *app;
	const struct config_org *org;
	/* Of the action that is aimed at. */
	uint64_t plan;
	struct atl_client *client;
	char account[HANDS_ID_BYTES];
	char resource[HANDS_ID_BYTES]; /* seat actions: the product's id; else "" */
	char email[HANDS_ID_BYTES], name[HANDS_ID_BYTES];
	bool urgent;
	bool writes;                      /* not in mode observe */
	json_t *values;                   /* of the plan's row; owned */
	struct hands_provision provision; /* where the action goes through the directory */
};

/* Whether any step does. */
static bool goes_through_directory(const struct action *action)
{
	for (size_t i = 0; i < action->step_count; i++)
		if (hands_provision_is(action->steps[i].op))
			return true;
	return false;
}

/* --- aiming --------------------------------------------------------------------------------
 */

struct product_find {
	const struct action *action;
	char *ret;
};

static int product_row_find(void *ctx, const struct product_row *row, struct err *err)
{
	struct product_find *f = ctx;

	(void)err;
	if (!str_eq(row->key, str_of(f->action->product)) ||
	    !str_eq(row->site, str_of(f->action->site)) || row->resource.len >= HANDS_ID_BYTES)
		return 0;
	memcpy(f->ret, row->resource.p, row->resource.len);
	f->ret[row->resource.len] = '\0';
	return 1;
}

static int aim_product(struct hands *h, struct db *db, const struct action *action,
		       struct err *err)
{
	CLEANUP(org_row_done) struct org_row org = { 0 };
	struct product_find find = { action, h->resource };
	int r;

	h->resource[0] = '\0';
	if (!action->product)
		return 0;
	r = accounts_org_get(db, h->org->name, &org, err);
	if (r == 0)
		r = accounts_products(db, org.id, product_row_find, &find, err);
	if (r < 0)
		return r;
	if (!h->resource[0])
		return err_set(err, ERR_NOT_FOUND,
			       "%s at %s is no product of organisation %s any more",
			       action->product, action->site, h->org->name);
	return 0;
}

static int text_of(const json_t *doc, const char *key, char ret[HANDS_ID_BYTES],
		   struct err *err)
{
	const char *text = jx_get_text(doc, key);

	if (text && strlen(text) >= HANDS_ID_BYTES)
		return err_set(err, ERR_LIMIT, "%s is longer than %d bytes", key,
			       HANDS_ID_BYTES - 1);
	snprintf(ret, HANDS_ID_BYTES, "%s", text ? text : "");
	return 0;
}

static int aim_values(struct hands *h, struct db *db, uint64_t plan,
		      const struct action *action, json_t **ret_doc, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(buf_done) struct buf json;
	CLEANUP(buf_done) struct buf salt;
	struct digest digest;
	int r;

	buf_init(&json, 1024 * 1024);
	buf_init(&salt, 64);
	r = plans_value(db, (int64_t)plan, action->n, &json, &salt, err);
	if (r < 0)
		return r;
	if (r > 0 || json.len == 0 || salt.len != PLAN_SALT_BYTES)
		return err_set(err, ERR_DAMAGED, "whom it is about was erased");
	/* The values stand beside the plan's bytes; that they are the ones which were approved
	 * is what the digest inside the bytes says. */
	plan_subject_digest((const unsigned char *)salt.p, buf_str(&json), &digest);
	if (!digest_equal(&digest, &action->subject))
		return err_set(err, ERR_DAMAGED,
			       "whom it is about is not what the plan's digest says");
	r = jx_parse(buf_str(&json), JX_LENIENT, &doc, err);
	if (r == 0)
		r = text_of(doc, "account_id", h->account, err);
	if (r == 0)
		r = text_of(doc, "email", h->email, err);
	if (r == 0)
		r = text_of(doc, "name", h->name, err);
	if (r == 0 && !h->account[0] && !action_kinds[action->kind].provision &&
	    !action_kinds[action->kind].group)
		return err_set(err, ERR_DAMAGED, "it names no account");
	if (r == 0)
		*ret_doc = TAKE(doc);
	return r;
}

/* What the store tells of whom it is about. */
static int aim_read(struct hands *h, uint64_t plan, const struct action *action,
		    json_t **ret_doc, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(h->app->store, &db, err);

	if (r == 0)
		r = aim_values(h, db, plan, action, ret_doc, err);
	return r == 0 ? aim_product(h, db, action, err) : r;
}

int hands_aim(struct hands *h, uint64_t plan, const struct action *action, enum org_mode mode,
	      struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	bool writes = mode != ORG_OBSERVE;
	int r;

	h->plan = plan;
	h->urgent = action->class == PLAN_LEAVER || action->class == PLAN_RESTORE;
	h->writes = mode != ORG_OBSERVE;
	r = clients_get(h->app, h->org, &h->client, err);
	if (r < 0)
		return r;
	atl_client_writes(h->client, writes);
	r = aim_read(h, plan, action, &doc, err);
	if (r == 0) {
		json_decref(h->values);
		h->values = json_incref(doc);
	}
	if (r == 0 && goes_through_directory(action))
		r = hands_provision_aim(&h->provision, h->app, h->org, doc, writes, err);
	if (r < 0)
		return err_context(err, r, "plan %llu: action %u", (unsigned long long)plan,
				   action->n);
	return 0;
}

/* --- reading -------------------------------------------------------------------------------
 */

static int text_add(struct vec_text *into, const char *text, struct err *err)
{
	char *copy;

	for (size_t i = 0; i < into->n; i++)
		if (strcmp(into->v[i], text) == 0)
			return 0;
	copy = str_dup(str_of(text));
	if (copy && vec_text_add(into, copy) == 0)
		return 0;
	free(copy);
	return err_nomem(err);
}

static int compare_texts(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static int fill_paths(struct hands *h, const struct atl_reading *reading,
		      struct target_state *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < reading->paths.n; i++) {
		const struct atl_path_row *p = &reading->paths.v[i];

		if (strcmp(p->resource, h->resource) != 0 || p->billable == TRI_NO)
			continue;
		if (p->kind == ATL_PATH_GROUP) {
			r = text_add(&ret->groups, p->group, err);
		} else if (p->kind == ATL_PATH_DIRECT) {
			r = text_add(&ret->roles, p->role, err);
		} else {
			char text[HANDS_ID_BYTES + 64];

			snprintf(text, sizeof(text),
				 "role %s, implied by an administrator's role", p->role);
			r = text_add(&ret->others, text, err);
		}
	}
	if (ret->groups.n)
		qsort(ret->groups.v, ret->groups.n, sizeof(ret->groups.v[0]), compare_texts);
	if (ret->roles.n)
		qsort(ret->roles.v, ret->roles.n, sizeof(ret->roles.v[0]), compare_texts);
	ret->paths = reading->paths_told;
	return r;
}

/* Whether the product says that the account has access to it now. */
static enum tri seat_told(const struct hands *h, const struct atl_reading *reading)
{
	if (!reading->products_told)
		return TRI_UNKNOWN;
	for (size_t i = 0; i < reading->products.n; i++)
		if (strcmp(reading->products.v[i].resource, h->resource) == 0)
			return TRI_YES;
	return TRI_NO;
}

/* --- reading -------------------------------------------------------------------------------
 */

struct seen_write {
	struct hands *h;
	const struct atl_reading *reading;
};

static int write_seen(void *ctx, struct db *db, struct err *err)
{
	const struct seen_write *w = ctx;

	return hands_seen(db, w->h->org, w->reading, stamp_now_ms(), err);
}

static int target_read(void *ctx, const struct action *action, struct target_state *ret,
		       struct err *err)
{
	CLEANUP(atl_reading_done) struct atl_reading reading = { 0 };
	struct hands *h = ctx;
	struct seen_write seen = { h, &reading };
	unsigned with = action_kinds[action->kind].seat ? ATL_WITH_PATHS : 0;
	int r;

	if (action_kinds[action->kind].provision) {
		r = hands_provision_state(&h->provision, action->kind, &ret->provision, err);
		if (r != 0 || action->after.status == ACCOUNT_UNKNOWN)
			return r;
	}
	if (action_kinds[action->kind].group)
		return hands_asked_group(h->client, action, &ret->provision, err);
	if (action_kinds[action->kind].managed_only)
		with |= ATL_WITH_MANAGE;
	r = atl_read_account(h->client, str_of(h->account), with, (struct str){ 0 }, h->urgent,
			     &reading, err);
	if (r != 0)
		return r == ATL_GONE ? TARGET_GONE : r;
	ret->status = reading.row.status;
	if (with & ATL_WITH_PATHS) {
		ret->seat = seat_told(h, &reading);
		r = fill_paths(h, &reading, ret, err);
	}
	if (r == 0)
		r = hands_asked_fields(action, &reading, h->values, ret, err);
	if (r == 0)
		r = writer_call(h->app->writer, write_seen, &seen, err);
	return r;
}

/* --- notices -------------------------------------------------------------------------------
 */

/* Into the outbox, from where it is sent: what that comes to is the ladder's (store/outbox.h).
 */
static int notify(struct hands *h, const struct action *action, const char *key,
		  struct err *err)
{
	const struct notices_warning warning = {
		.org = h->org,
		.action = action,
		.plan = h->plan,
		.step = key,
		.email = h->email,
		.name = h->name,
	};

	return notices_warn(h->app, &warning, err);
}

void hands_freed(struct hands *h, const struct action *action)
{
	char key[300];
	const struct notices_warning freed = {
		.org = h->org,
		.action = action,
		.plan = h->plan,
		.step = key,
		.email = h->email,
		.name = h->name,
	};
	struct err err;

	(void)snprintf(key, sizeof(key), "%s/%llu/%u/end", h->org->name,
		       (unsigned long long)h->plan, action->n);
	if (notices_taken(h->app, &freed, &err) < 0)
		log_warn("notices.taken", LOG_U("plan", h->plan), LOG_U("action", action->n),
			 LOG_E(&err));
}

/* --- acting --------------------------------------------------------------------------------
 */

static int target_act(void *ctx, const struct action *action, const struct action_step *step,
		      const char *key, struct err *err)
{
	struct hands *h = ctx;
	int r;

	if (step->op == STEP_NOTIFY)
		return notify(h, action, key, err);
	if (hands_gift_is(step->op))
		return hands_gift_act(h->app, h->org, step, h->writes, err);
	if (hands_asked_is(step->op))
		return hands_asked_act(h->client, str_of(h->account), step, h->values, err);
	if (hands_provision_is(step->op))
		r = atl_provision_act(h->provision.client, &h->provision.deed, step, h->urgent,
				      err);
	else
		r = atl_act(h->client, str_of(h->account), step, h->urgent, err);
	return r == ATL_IMPOSSIBLE ? TARGET_IMPOSSIBLE : r;
}

static int target_verify(void *ctx, const struct action *action, const struct action_step *step,
			 enum verify *ret, struct err *err)
{
	static const enum verify answers[] = {
		[ATL_VERIFY_UNKNOWN] = VERIFY_UNKNOWN,
		[ATL_VERIFY_DONE] = VERIFY_DONE,
		[ATL_VERIFY_NOT_DONE] = VERIFY_NOT_DONE,
	};
	struct hands *h = ctx;
	enum atl_verified seen = ATL_VERIFY_UNKNOWN;
	int r;

	(void)action;
	if (step->op == STEP_NOTIFY) {
		*ret = VERIFY_UNKNOWN;
		return 0;
	}
	if (hands_gift_is(step->op))
		return hands_gift_verify(h->app, h->org, step, ret, err);
	if (hands_asked_is(step->op))
		return hands_asked_verify(h->client, str_of(h->account), step, h->values, ret,
					  err);
	if (hands_provision_is(step->op)) {
		bool done = false;

		r = atl_provision_verify(h->provision.client, &h->provision.deed, step, &done,
					 err);
		seen = done ? ATL_VERIFY_DONE : ATL_VERIFY_NOT_DONE;
	} else {
		r = atl_verify(h->client, str_of(h->account), step, &seen, err);
	}
	if (r != 0)
		return r == ATL_GONE ? TARGET_GONE : r;
	*ret = answers[seen];
	return 0;
}

/* --- birth and death -----------------------------------------------------------------------
 */

int hands_new(struct hands **ret, struct app *app, const struct config_org *org,
	      struct err *err)
{
	struct hands *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->app = app;
	h->org = org;
	*ret = h;
	return 0;
}

void hands_free(struct hands *h)
{
	if (!h)
		return;
	hands_provision_done(&h->provision);
	json_decref(h->values);
	free(h);
}

struct reconcile_target hands_target(struct hands *h)
{
	return (struct reconcile_target){ h, target_read, target_act, target_verify };
}
