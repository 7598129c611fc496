#include "bridge/hands_gift.h"

#include "atlassian/handover.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "model/owned.h"
#include "store/accounts.h"
#include "store/sites.h"
#include "store/writer.h"

bool hands_gift_is(enum step_op op)
{
	return (unsigned)op < STEP_OP_COUNT && step_gifts[op] > 0;
}

/* A gift with the ids of its two accounts. */
struct aimed {
	struct atl_gift gift;
	struct buf from, to;
	struct atl_site *site;
};

static void aimed_done(struct aimed *a)
{
	buf_done(&a->from);
	buf_done(&a->to);
}

static int copy_id(void *ctx, const struct account_row *row, struct err *err)
{
	struct buf *into = ctx;

	buf_add_str(into, row->account_id);
	return buf_fault(into, err, "an account's id");
}

static int number_aim(struct db *db, uint64_t number, const char *who, struct buf *into,
		      struct err *err)
{
	int r = accounts_get(db, (int64_t)number, copy_id, into, err);

	if (r > 0 || (r == 0 && !into->len))
		return err_set(err, ERR_DAMAGED,
			       "%s of a gift, account %llu, is not known any "
			       "more",
			       who, (unsigned long long)number);
	return r;
}

static int aim(struct aimed *a, struct app *app, const struct config_org *org,
	       const struct action_step *step, struct err *err)
{
	const struct atl_site_options *site = config_site(org, step->site ? step->site : "");
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	buf_init(&a->from, 1024);
	buf_init(&a->to, 1024);
	if (!site)
		return err_set(err, ERR_CONFIG,
			       "site %s is not among the organisation's sites any more",
			       step->site ? step->site : "");
	r = clients_site(app, org, site, &a->site, err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = number_aim(db, step->from, "the giver", &a->from, err);
	if (r == 0)
		r = number_aim(db, step->to, "the receiver", &a->to, err);
	a->gift = (struct atl_gift){ step, buf_str(&a->from), buf_str(&a->to) };
	return r;
}

/* What was left, and what is known to be given, into the store: plans that are made later start
 * from it. */
struct noting {
	const struct action_step *step;
	const struct atl_left *left;
	bool given; /* looked at again: all is given that is not in either list */
	const char *why;
};

static bool listed(const json_t *ids, const char *id)
{
	const json_t *one;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)ids, i, one)
		if (strcmp(json_string_value(one), id) == 0)
			return true;
	return false;
}

static int note_one(const struct noting *n, struct db *db, const char *kind, const char *id,
		    struct err *err)
{
	const struct action_step *s = n->step;

	if (listed(n->left->unseen, id))
		return inventory_unseen(db, (int64_t)s->from, s->site, kind, id, err);
	if (listed(n->left->refused, id))
		return n->given
			       ? 0
			       : inventory_refused(db, (int64_t)s->from, s->site, kind, id,
						   (int64_t)s->to, n->why, stamp_now_ms(), err);
	return n->given ? inventory_given(db, (int64_t)s->from, s->site, kind, &id, 1, err) : 0;
}

static int note_run(void *ctx, struct db *db, struct err *err)
{
	const struct noting *n = ctx;
	int r = 0;

	for (int k = 0; k < OWNED_KIND_COUNT; k++)
		for (size_t i = 0;
		     r == 0 && owned_kinds[k].given && owned_kinds[k].give == n->step->op &&
		     i < n->step->item_count;
		     i++)
			r = note_one(n, db, owned_kinds[k].word, n->step->items[i], err);
	return r;
}

int hands_gift_act(struct app *app, const struct config_org *org,
		   const struct action_step *step, bool writes, struct err *err)
{
	CLEANUP(aimed_done) struct aimed a = { 0 };
	CLEANUP(atl_left_done) struct atl_left left = { 0 };
	struct err why = { 0 };
	struct noting note = { .step = step, .left = &left, .why = why.text };
	int noted, r = aim(&a, app, org, step, err);

	if (r < 0)
		return r;
	atl_site_writes(a.site, writes);
	r = atl_give(a.site, &a.gift, &left, err);
	if (r != ATL_IMPOSSIBLE)
		return r;
	why = *err;
	noted = writer_call(app->writer, note_run, &note, err);
	if (noted < 0)
		return noted;
	*err = why;
	return TARGET_IMPOSSIBLE;
}

int hands_gift_verify(struct app *app, const struct config_org *org,
		      const struct action_step *step, enum verify *ret, struct err *err)
{
	CLEANUP(aimed_done) struct aimed a = { 0 };
	CLEANUP(atl_left_done) struct atl_left left = { 0 };
	struct noting note = { .step = step, .left = &left, .given = true, .why = "" };
	enum atl_verified seen = ATL_VERIFY_UNKNOWN;
	int r = aim(&a, app, org, step, err);

	if (r == 0)
		r = atl_give_verify(a.site, &a.gift, &left, &seen, err);
	if (r == 0)
		r = writer_call(app->writer, note_run, &note, err);
	if (r < 0)
		return r;
	/* what is not shown to us is not known to be given */
	if (seen == ATL_VERIFY_DONE && json_array_size(left.unseen))
		return err_set(err, ERR_NOT_FOUND,
			       "%zu of %zu not seen: gone, or hidden from our token for %s",
			       json_array_size(left.unseen), step->item_count, step->site);
	*ret = seen == ATL_VERIFY_DONE ? VERIFY_DONE : VERIFY_NOT_DONE;
	return 0;
}

void hands_gift_args(const struct action_step *step, struct buf *into)
{
	buf_addf(into, "{\"from\":%llu,\"items\":[", (unsigned long long)step->from);
	for (size_t i = 0; i < step->item_count; i++) {
		if (i)
			buf_add_char(into, ',');
		buf_add_json(into, str_of(step->items[i]));
	}
	buf_add_text(into, "],\"site\":");
	buf_add_json(into, str_of(step->site));
	buf_addf(into, ",\"to\":%llu}", (unsigned long long)step->to);
}
