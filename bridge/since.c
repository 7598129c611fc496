#include "bridge/since.h"

#include "base/stamp.h"
#include "bridge/planner.h"
#include "reconcile/policy_diff.h"
#include "store/plans.h"
#include "store/store.h"
#include "store/writer.h"

#define SUPERSEDED_MOST 64 /* looked at for the one that this plan superseded */

/* A plan that the other may be held against. */
struct base {
	uint64_t plan, number; /* number: found, 0: none */
	int64_t created_ms;
	bool seen;
};

/* --- which plan -----------------------------------------------------------------------------
 */

struct viewed {
	char key[128];
	uint64_t last, before;
};

static int viewed_read(struct db *db, struct plan *p, const struct who *who, struct viewed *ret,
		       struct err *err)
{
	CLEANUP(free_at) char *text = NULL;
	struct str last, before;
	int r;

	snprintf(ret->key, sizeof(ret->key), "seen %s %s", plan_urgency_word(p->urgency),
		 who->name);
	r = store_setting_get(db, p->org, ret->key, &text, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (!str_cut(str_of(text), ' ', &last, &before) || !str_uint64(last, &ret->last) ||
	    !str_uint64(before, &ret->before))
		return err_set(err, ERR_DAMAGED,
			       "organisation %s: setting \"%s\" names no plans", p->org,
			       ret->key);
	return 0;
}

static int superseded_row(void *ctx, const struct plan_row *row, struct err *err)
{
	struct base *b = ctx;

	(void)err;
	if (row->superseded_by != (int64_t)b->plan)
		return 0;
	b->number = (uint64_t)row->id;
	b->created_ms = row->created_ms;
	return 1;
}

static int created_row(void *ctx, const struct plan_row *row, struct err *err)
{
	struct base *b = ctx;

	(void)err;
	b->created_ms = row->created_ms;
	return 0;
}

/* The plan that the caller saw before this one; one that is not kept any more is none. */
static int base_find(struct db *db, struct plan *p, const struct viewed *v, struct base *ret,
		     struct err *err)
{
	int r;

	ret->number = v->last && v->last < ret->plan ? v->last
		      : v->last == ret->plan         ? v->before
						     : 0;
	ret->seen = ret->number != 0;
	if (ret->seen) {
		r = plans_get(db, (int64_t)ret->number, created_row, ret, err);
		if (r <= 0)
			return r;
	}
	ret->seen = false;
	ret->number = 0;
	r = plans_list(db, p->org, 1u << PLAN_SUPERSEDED, (int64_t)ret->plan, SUPERSEDED_MOST,
		       superseded_row, ret, err);
	return r < 0 ? r : 0;
}

/* --- remembering ---------------------------------------------------------------------------
 */

struct viewed_write {
	const char *org, *key;
	char value[48];
};

static int viewed_write(void *ctx, struct db *db, struct err *err)
{
	struct viewed_write *w = ctx;

	return store_setting_set(db, w->org, w->key, w->value, err);
}

static int remember(struct app *app, struct plan *p, uint64_t plan, const struct viewed *v,
		    const struct base *base, struct err *err)
{
	struct viewed_write w = { .org = p->org, .key = v->key };

	if (v->last >= plan)
		return 0;
	snprintf(w.value, sizeof(w.value), "%llu %llu", (unsigned long long)plan,
		 (unsigned long long)(base->seen ? base->number : 0));
	return writer_call(app->writer, viewed_write, &w, err);
}

/* --- what changed --------------------------------------------------------------------------
 */

struct compared {
	struct app *app;
	struct db *db;
	struct planner_read was;
	struct plan *is; /* not changed: the caller's */
	uint64_t was_number, is_number;
	enum plan_standing was_standing;
	enum action_state *states; /* of was, by n - 1 */
	struct vec_policy_difference v;
};

static void compared_done(struct compared *c)
{
	vec_policy_difference_done(&c->v);
	planner_read_done(c->app, &c->was);
	free(c->states);
}

static int state_row(void *ctx, const struct action_row *row, struct err *err)
{
	struct compared *c = ctx;

	(void)err;
	if (row->n >= 1 && (size_t)row->n <= c->was.plan->actions.n)
		c->states[row->n - 1] = row->state;
	return 0;
}

static int standing_row(void *ctx, const struct plan_row *row, struct err *err)
{
	struct compared *c = ctx;

	(void)err;
	c->was_standing = row->state;
	return 0;
}

static int compared_read(struct compared *c, struct err *err)
{
	int r;

	c->states = calloc(c->was.plan->actions.n + 1, sizeof(*c->states));
	if (!c->states)
		return err_nomem(err);
	r = plans_actions(c->db, (int64_t)c->was_number, state_row, c, err);
	if (r >= 0)
		r = plans_get(c->db, (int64_t)c->was_number, standing_row, c, err);
	if (r >= 0)
		r = plan_differences(c->was.plan, c->is, c->is->now_ms, &c->v, err);
	return r < 0 ? r : 0;
}

/* Why an action is not in the newer plan. */
static void gone_why(const struct compared *c, const struct action *a, char ret[160])
{
	enum action_state state = c->states[a->n - 1];
	bool ahead = c->was_standing == PLAN_APPROVED || c->was_standing == PLAN_RUNNING;

	if (state == ACTION_PLANNED && ahead)
		snprintf(ret, 160, "plan %llu is approved, and does it",
			 (unsigned long long)c->was_number);
	else if (state == ACTION_PLANNED || state == ACTION_SUPERSEDED)
		snprintf(ret, 160, "nothing asks for it any more");
	else
		snprintf(ret, 160, "%s meanwhile", action_state_words[state]);
}

static int row_add(struct compared *c, const struct policy_difference *d, json_t *rows,
		   struct err *err)
{
	const struct action *a = d->is ? d->is : d->was;
	CLEANUP(json_decref_at) json_t *values = NULL;
	CLEANUP(buf_done) struct buf json, salt;
	char how[160], due[STAMP_TEXT_BYTES], anchor[STAMP_TEXT_BYTES];
	const char *email = NULL;
	int r;

	buf_init(&json, 1024 * 1024);
	buf_init(&salt, 64);
	snprintf(how, sizeof(how), "%s", d->how);
	if (!d->is)
		gone_why(c, a, how);
	r = plans_value(c->db, (int64_t)(d->is ? c->is_number : c->was_number), a->n, &json,
			&salt, err);
	if (r == 0 && json.len)
		r = jx_parse(buf_str(&json), JX_LENIENT, &values, err);
	if (r < 0)
		return r;
	email = jx_get_text(values, "email");
	stamp_text(a->due_ms, due);
	stamp_text(a->anchor_ms, anchor);
	return jx_add(rows,
		      json_pack("{s:s,s:I,s:s,s:s,s:s?,s:I,s:I,s:s?,s:s?,s:s,s:s,s:s,s:s?}",
				"change", policy_change_word(d->change), "n", (json_int_t)a->n,
				"kind", action_kinds[a->kind].word, "rule", a->rule, "email",
				email && *email ? email : NULL, "person", (json_int_t)a->person,
				"account", (json_int_t)a->account, "product", a->product,
				"site", a->site, "class", plan_class_word(a->class), "due", due,
				"anchor", anchor, "how", how[0] ? how : NULL),
		      err);
}

static int rows_out(struct compared *c, json_t *since, struct err *err)
{
	json_int_t counts[POLICY_CHANGED + 1] = { 0 };
	json_t *rows = json_array();
	int r = jx_set(since, "rows", rows, err);

	for (size_t i = 0; r == 0 && i < c->v.n; i++)
		if (counts[c->v.v[i].change]++ < SINCE_ROWS_EACH)
			r = row_add(c, &c->v.v[i], rows, err);
	for (int i = POLICY_NEW; r == 0 && i <= POLICY_CHANGED; i++)
		r = jx_set(since, policy_change_word((enum policy_change)i),
			   json_integer(counts[i]), err);
	return r;
}

static int since_out(struct app *app, const struct base *base, struct plan *is, json_t *doc,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(compared_done)
	struct compared c = {
		.app = app, .is = is, .was_number = base->number, .is_number = base->plan
	};
	json_t *since;
	int r;

	r = planner_read(app, base->number, &c.was, err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	c.db = db;
	if (r == 0)
		r = compared_read(&c, err);
	if (r < 0)
		return r;
	since = json_pack("{s:I,s:b,s:I}", "plan", (json_int_t)base->number, "seen", base->seen,
			  "created", (json_int_t)base->created_ms);
	r = jx_set(doc, "since", since, err);
	return r == 0 ? rows_out(&c, since, err) : r;
}

/* What a person ordered, and a wave, stand for themselves. */
static int apart_row(void *ctx, const struct plan_row *row, struct err *err)
{
	bool *apart = ctx;

	(void)err;
	*apart = row->apart != PLAN_OF_ROUND;
	return 0;
}

static bool is_block(const struct plan *p)
{
	return p->actions.n && strcmp(p->actions.v[0].rule, ORDER_BLOCK) == 0;
}

int since_add(struct app *app, const struct who *who, uint64_t plan, struct plan *p, bool whole,
	      json_t *doc, struct err *err)
{
	struct base base = { .plan = plan };
	struct viewed viewed = { .last = 0 };
	struct db *db = NULL;
	bool apart = false;
	int r;

	if (is_block(p))
		return 0;
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = plans_get(db, (int64_t)plan, apart_row, &apart, err);
	if (r == 0 && !apart)
		r = viewed_read(db, p, who, &viewed, err);
	if (r == 0 && !apart)
		r = base_find(db, p, &viewed, &base, err);
	store_read_end(db);
	if (r < 0 || apart)
		return r < 0 ? r : 0;
	if (whole)
		r = remember(app, p, plan, &viewed, &base, err);
	return r == 0 && base.number ? since_out(app, &base, p, doc, err) : r;
}
