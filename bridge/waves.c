#include "bridge/waves.h"

#include "base/log.h"
#include "bridge/planner.h"
#include "reconcile/renewal.h"

static int at_rest(const struct reconcile_result *result, const char *org, struct err *err)
{
	if (result->links.n == 0)
		return 0;
	return err_set(err, ERR_INCOMPLETE,
		       "organisation %s: people and accounts are still being matched; `leaverd "
		       "plan --org %s` does that",
		       org, org);
}

/* The result's plan of that urgency, saved; 0 for none. */
static int save(struct app *app, const struct reconcile_result *result, int urgency,
		const char *who, uint64_t *ret, struct err *err)
{
	const struct plan *plan = result->plans[urgency];
	bool unchanged = false;
	int r;

	*ret = 0;
	if (!plan)
		return 0;
	r = planner_save(app, plan, &result->values[urgency], who, PLAN_OF_WAVE, ret,
			 &unchanged, err);
	if (r == 0)
		log_info("plan.wave", LOG_U("plan", *ret), LOG_T("org", plan->org),
			 LOG_T("urgency", plan_urgency_word(plan->urgency)),
			 LOG_U("actions", plan->actions.n), LOG_B("unchanged", unchanged));
	return r;
}

static json_t *number_or_null(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

/* --- a wave --- */

static int wave_row(const struct plan *plan, int urgency, uint64_t number,
		    const struct wave_answer *a, json_t *list, struct err *err)
{
	size_t waves = a->taken ? (a->left + a->taken - 1) / a->taken : 0;

	return jx_add(list,
		      json_pack("{s:s,s:o,s:I,s:I,s:I,s:I,s:I,s:o}", "urgency",
				plan_urgency_word(urgency), "plan", number_or_null(number),
				"actions", plan ? (json_int_t)plan->actions.n : 0, "taken",
				(json_int_t)a->taken, "left", (json_int_t)a->left, "no_room",
				(json_int_t)a->no_room, "held", (json_int_t)a->held,
				"waves_left",
				a->taken ? json_integer((json_int_t)waves) : json_null()),
		      err);
}

int waves_plan(struct app *app, const struct config_org *org, size_t most, const char *who,
	       json_t *out, struct err *err)
{
	const struct policy *policy = app_acting(app)->policy;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	struct wave_answer answers[PLAN_URGENCY_COUNT];
	const struct wave_request request = { .most = most };
	json_t *list = json_array();
	int r = jx_set(out, "waves", list, err);

	if (r == 0)
		r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
	if (r == 0)
		r = reconcile_wave(facts, policy, &request, answers, &result, err);
	if (r == 0)
		r = at_rest(result, org->name, err);
	for (int u = 0; u < PLAN_URGENCY_COUNT && r == 0; u++) {
		uint64_t number;

		r = save(app, result, u, who, &number, err);
		if (r == 0)
			r = wave_row(result->plans[u], u, number, &answers[u], list, err);
	}
	return r;
}

/* --- renewal --- */

static json_t *text_of(const struct facts *f, uint32_t at)
{
	struct str s = pool_str(&f->pool, at);

	return s.len ? json_stringn(s.p, s.len) : json_null();
}

static json_t *ms_or_null(int64_t ms)
{
	return ms > 0 ? json_integer((json_int_t)ms) : json_null();
}

static int renewal_row(const struct facts *f, const struct renewal_row *row, size_t rank,
		       json_t *rows, struct err *err)
{
	const struct row_seat *seat = &f->seats.v[row->seat];
	const struct row_account *a = &f->accounts.v[seat->account];
	const struct row_product *p = &f->products.v[seat->product];

	return jx_add(rows,
		      json_pack("{s:I,s:s,s:s,s:b,s:o,s:I,s:o,s:o,s:o,s:o,s:s?,s:o,s:s?}",
				"rank", (json_int_t)rank, "sort", renewal_sort_word(row->sort),
				"state", renewal_state_word(row->state), "makes",
				renewal_makes_it(row->state), "email", text_of(f, a->email),
				"account", (json_int_t)a->number, "account_id",
				text_of(f, a->id), "product", text_of(f, p->key), "site",
				text_of(f, p->site), "last_active", ms_or_null(row->last_ms),
				"rule", row->rule ? row->rule->name : NULL, "free_at",
				ms_or_null(row->free_ms), "why", row->why),
		      err);
}

static int renewal_out(const struct facts *f, const struct waves_renewal *in,
		       const struct renewal *q, const uint64_t *plans, json_t *out,
		       struct err *err)
{
	json_t *renewal = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "product", in->product, "free",
				    (json_int_t)in->free, "by", (json_int_t)in->by_ms, "seats",
				    (json_int_t)q->seats, "unknown", (json_int_t)q->unknown,
				    "in_use", (json_int_t)q->in_use);
	json_t *rows = json_array(), *list = json_array();
	size_t makes = 0;
	int r = jx_set(out, "renewal", renewal, err), s;

	s = r == 0 ? jx_set(renewal, "rows", rows, err) : (json_decref(rows), r);
	r = s == 0 ? jx_set(renewal, "plans", list, err) : (json_decref(list), s);
	for (size_t i = 0; i < q->rows.n && r == 0; i++) {
		makes += renewal_makes_it(q->rows.v[i].state);
		r = renewal_row(f, &q->rows.v[i], i + 1, rows, err);
	}
	for (int u = 0; u < PLAN_URGENCY_COUNT && r == 0; u++)
		if (plans[u])
			r = jx_add(list, json_integer((json_int_t)plans[u]), err);
	return r == 0 ? jx_set(renewal, "makes", json_integer((json_int_t)makes), err) : r;
}

int waves_renew(struct app *app, const struct config_org *org, const struct waves_renewal *in,
		const char *who, json_t *out, struct err *err)
{
	const struct policy *policy = app_acting(app)->policy;
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	struct renewal q = { .free = in->free,
			     .product = str_of(in->product),
			     .site = str_of(in->site ? in->site : ""),
			     .by_ms = in->by_ms };
	uint64_t plans[PLAN_URGENCY_COUNT] = { 0 };
	int r;

	r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
	if (r == 0)
		r = reconcile_renewal(facts, policy, &q, &result, err);
	if (r == 0)
		r = at_rest(result, org->name, err);
	for (int u = 0; u < PLAN_URGENCY_COUNT && r == 0; u++)
		r = save(app, result, u, who, &plans[u], err);
	if (r == 0)
		r = renewal_out(facts, in, &q, plans, out, err);
	vec_renewal_row_done(&q.rows);
	return r;
}
