/* The verb policy.diff: what another policy would do today, held against the one in force. */
#include "bridge/verb.h"

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/planner.h"
#include "bridge/sealed.h"
#include "model/filter.h"
#include "reconcile/policy_diff.h"
#include "reconcile/policy_lint.h"

#define DIFF_ROWS_MOST 10000 /* told one by one; all are counted */

/* One policy's judgement of an organisation's newest facts. */
struct judged {
	struct facts *facts;
	struct reconcile_result *result;
};

static void judged_done(struct judged *j)
{
	reconcile_result_free(j->result);
	facts_free(j->facts);
	*j = (struct judged){ 0 };
}

static int judge(struct app *app, const struct config_org *org, const struct policy *policy,
		 struct judged *ret, struct err *err)
{
	int r = planner_facts_for(app, org, policy, 0, 0, &ret->facts, err);

	return r == 0 ? reconcile(ret->facts, policy, &ret->result, err) : r;
}

/* --- what is sealed --- */

static bool path_asks(const struct path *path)
{
	return path->slot == SLOT_LEAVE_DATE ||
	       (path->urn && str_ieq(str_of(path->urn), STR(SCHEMA_EMPLOYMENT)));
}

static bool query_asks(const struct query *q)
{
	return q && (path_asks(&q->path) || query_asks(q->left) || query_asks(q->right));
}

static bool rule_asks(const struct rule *r)
{
	return query_asks(r->when) || query_asks(r->pilot) ||
	       (r->anchor.name && path_asks(&r->anchor));
}

static bool same_text(const struct query *a, const struct query *b)
{
	CLEANUP(buf_done) struct buf x, y;
	struct err err;

	buf_init(&x, 4 * FILTER_MAX_BYTES);
	buf_init(&y, 4 * FILTER_MAX_BYTES);
	if (!a || !b)
		return a == b;
	query_text(a, &x);
	query_text(b, &y);
	return buf_fault(&x, &err, "a filter") == 0 && buf_fault(&y, &err, "a filter") == 0 &&
	       str_eq(buf_str(&x), buf_str(&y));
}

static bool has_rule(const struct policy *p, const struct rule *r)
{
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *o = &p->rules[i];

		if (!strcmp(o->name, r->name) && o->subject == r->subject &&
		    o->class == r->class && same_text(o->when, r->when) &&
		    same_text(o->pilot, r->pilot) && path_equal(&o->anchor, &r->anchor) &&
		    o->anchor_ms == r->anchor_ms)
			return true;
	}
	return false;
}

static bool has_protection(const struct policy *p, const struct policy_protection *t)
{
	for (size_t i = 0; i < p->protection_count; i++)
		if (!strcmp(p->protections[i].name, t->name) &&
		    same_text(p->protections[i].when, t->when))
			return true;
	return false;
}

static bool has_scope(const struct policy *p, const struct policy_provision *s)
{
	for (size_t i = 0; i < p->provision_count; i++)
		if (!strcmp(p->provisions[i].org, s->org))
			return same_text(p->provisions[i].scope, s->scope);
	return false;
}

static bool has_group(const struct policy *p, const char *org, const struct provision_group *g)
{
	for (size_t i = 0; i < p->provision_count; i++) {
		const struct policy_provision *o = &p->provisions[i];

		for (size_t n = 0; !strcmp(o->org, org) && n < o->group_count; n++)
			if (!strcmp(o->groups[n].name, g->name) &&
			    same_text(o->groups[n].when, g->when))
				return true;
	}
	return false;
}

/*
 * Whoever writes a policy chooses whom its rules reach: one that asks for the end of employment
 * otherwise than the policy in force could be read like a filter by it, from whom it reaches as
 * from whom it leaves out.
 */
static bool asks_anew(const struct policy *was, const struct policy *is)
{
	for (size_t i = 0; i < is->rule_count; i++)
		if (rule_asks(&is->rules[i]) && !has_rule(was, &is->rules[i]))
			return true;
	for (size_t i = 0; i < is->protection_count; i++)
		if (query_asks(is->protections[i].when) &&
		    !has_protection(was, &is->protections[i]))
			return true;
	for (size_t i = 0; i < is->provision_count; i++) {
		const struct policy_provision *p = &is->provisions[i];

		if (query_asks(p->scope) && !has_scope(was, p))
			return true;
		for (size_t g = 0; g < p->group_count; g++)
			if (query_asks(p->groups[g].when) &&
			    !has_group(was, p->org, &p->groups[g]))
				return true;
	}
	return false;
}

/* As sealed_row() has it of a plan's answer. */
static bool is_ahead(const struct action *a, int64_t now_ms)
{
	return a && a->class == PLAN_LEAVER && a->anchor_ms > now_ms;
}

/* --- the answer --- */

/* Who an action is about, from the values beside its plan. Borrowed from *values. */
static const char *who_is(const struct judged *j, const struct action *a, json_t **values,
			  struct err *err)
{
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		const struct plan *plan = j->result->plans[u];

		if (!plan || a < plan->actions.v || a >= plan->actions.v + plan->actions.n)
			continue;
		if (jx_parse(str_of(j->result->values[u].v[a - plan->actions.v].json),
			     JX_STRICT, values, err) < 0)
			return NULL;
		return jx_get_text(*values, "email");
	}
	return NULL;
}

/* Of somebody sealed only that there is one, and what would become of them. */
static int sealed_difference(const struct config_org *org, const struct policy_difference *d,
			     json_t *list, struct err *err)
{
	const struct action *a = d->is ? d->is : d->was;

	return jx_add(list,
		      json_pack("{s:s,s:s,s:s,s:s,s:n,s:n,s:n,s:s?,s:s?,s:n,s:b,s:n,s:n,s:b}",
				"org", org->name, "rule", a->rule, "change",
				policy_change_word(d->change), "kind",
				action_kinds[a->kind].word, "email", "person", "account",
				"product", a->product, "site", a->site, "due_ms", "held",
				a->held_count > 0, "how", "reason", "sealed", true),
		      err);
}

static int difference_row(const struct config_org *org, const struct judged *was,
			  const struct judged *is, const struct policy_difference *d,
			  json_t *list, struct err *err)
{
	CLEANUP(json_decref_at) json_t *values = NULL;
	const struct action *a = d->is ? d->is : d->was;
	const char *email = who_is(d->is ? is : was, a, &values, err);

	return jx_add(
		list,
		json_pack("{s:s,s:s,s:s,s:s,s:s?,s:I,s:I,s:s?,s:s?,s:I,s:b,s:s?,s:s}", "org",
			  org->name, "rule", a->rule, "change", policy_change_word(d->change),
			  "kind", action_kinds[a->kind].word, "email",
			  email && *email ? email : NULL, "person", (json_int_t)a->person,
			  "account", (json_int_t)a->account, "product", a->product, "site",
			  a->site, "due_ms", (json_int_t)a->due_ms, "held", a->held_count > 0,
			  "how", d->how[0] ? d->how : NULL, "reason", a->reason),
		err);
}

/* How many actions, and which guards hold a plan whole. */
static int plan_side(const struct plan *plan, json_t *into, const char *key, struct err *err)
{
	json_t *side = json_object(), *guards = json_array();
	int r = jx_set(into, key, side, err);

	if (r < 0) {
		json_decref(guards);
		return r;
	}
	r = jx_set(side, "actions", json_integer(plan ? (json_int_t)plan->actions.n : 0), err);
	if (r < 0) {
		json_decref(guards);
		return r;
	}
	r = jx_set(side, "held_by", guards, err);
	for (size_t i = 0; plan && r == 0 && i < plan->guards.n; i++)
		if (plan->guards.v[i].verdict == GUARD_HOLD_PLAN)
			r = jx_add(guards, json_string(plan->guards.v[i].name), err);
	return r;
}

static int plans_row(const struct judged *was, const struct judged *is, json_t *list,
		     struct err *err)
{
	int r = 0;

	for (int u = 0; u < PLAN_URGENCY_COUNT && r == 0; u++) {
		json_t *row;

		if (!was->result->plans[u] && !is->result->plans[u])
			continue;
		row = json_object();
		r = jx_add(list, row, err);
		if (r == 0)
			r = jx_set(row, "urgency", json_string(plan_urgency_word(u)), err);
		if (r == 0)
			r = plan_side(was->result->plans[u], row, "was", err);
		if (r == 0)
			r = plan_side(is->result->plans[u], row, "is", err);
	}
	return r;
}

static int on_name(void *ctx, const struct conf_mark *mark, const char *name, const char *key,
		   const char *text, struct err *err)
{
	(void)mark;
	return jx_add(ctx, json_pack("{s:s,s:s,s:s}", "name", name, "key", key, "text", text),
		      err);
}

struct diffing {
	struct app *app;
	const struct policy *was, *is;
	json_t *out;
	size_t all, sealed;
	bool may_see, seal_all;
};

static int diff_rows(struct diffing *d, const struct config_org *org, const struct judged *was,
		     const struct judged *is, json_t *row, struct err *err)
{
	CLEANUP(vec_policy_difference_done) struct vec_policy_difference v = { 0 };
	json_t *list = json_object_get(d->out, "differences");
	int64_t now_ms = is->facts->round.now_ms;
	size_t counts[3] = { 0 };
	int r = policy_differences(was->result, is->result, now_ms, &v, err);

	for (size_t i = 0; i < v.n && r == 0; i++) {
		bool seal = !d->may_see && (d->seal_all || is_ahead(v.v[i].was, now_ms) ||
					    is_ahead(v.v[i].is, now_ms));

		counts[v.v[i].change]++;
		d->sealed += seal;
		if (d->all++ < DIFF_ROWS_MOST)
			r = seal ? sealed_difference(org, &v.v[i], list, err)
				 : difference_row(org, was, is, &v.v[i], list, err);
	}
	for (int i = 0; i < 3 && r == 0; i++)
		r = jx_set(row, policy_change_word((enum policy_change)i),
			   json_integer((json_int_t)counts[i]), err);
	return r;
}

static int diff_org(struct diffing *d, const struct config_org *org, struct err *err)
{
	CLEANUP(judged_done) struct judged was = { 0 };
	CLEANUP(judged_done) struct judged is = { 0 };
	json_t *row = json_object(), *plans;
	int r = jx_add(json_object_get(d->out, "organisations"), row, err);

	if (r == 0)
		r = jx_set(row, "org", json_string(org->name), err);
	if (r == 0)
		r = jx_set(row, "plans", plans = json_array(), err);
	if (r == 0)
		r = judge(d->app, org, d->was, &was, err);
	if (r == 0 && verb_cancelled(d->app))
		return err_set(err, ERR_CANCELLED, "policy diff: interrupted");
	if (r == 0)
		r = judge(d->app, org, d->is, &is, err);
	if (r == 0)
		r = plans_row(&was, &is, json_object_get(row, "plans"), err);
	if (r == 0)
		r = diff_rows(d, org, &was, &is, row, err);
	return r == 0 ? policy_lint_names(is.facts, d->is, on_name,
					  json_object_get(d->out, "names"), err)
		      : r;
}

static int verb_policy_diff(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(config_free) struct config config = { 0 };
	const char *file = jx_get_text(in, "file"), *org = jx_get_text(in, "org");
	struct diffing d = { .app = app, .out = out };
	const struct config_org *only = NULL;
	int r = sealed_may_see(app, in, &d.may_see, err);

	if (r == 0)
		r = config_read(file, &config, &faults, err);
	if (r == 0 && org)
		r = ask_org(app, org, &only, err);
	if (r == 0)
		r = jx_set(out, "organisations", json_array(), err);
	if (r == 0)
		r = jx_set(out, "differences", json_array(), err);
	if (r == 0)
		r = jx_set(out, "names", json_array(), err);
	d.was = app_acting(app)->policy;
	d.is = config.policy;
	d.seal_all = r == 0 && !d.may_see && asks_anew(d.was, d.is);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *one = config_org_at(&app->config, i);

		if (!only || only == one)
			r = diff_org(&d, one, err);
	}
	if (r == 0)
		r = jx_set(out, "all", json_integer((json_int_t)d.all), err);
	if (r == 0)
		r = jx_set(out, "sealed", json_integer((json_int_t)d.sealed), err);
	if (r == 0)
		r = ask_note_read(app, who, "policy diff", (int64_t)d.all, err);
	if (r == 0 && d.all && json_is_true(json_object_get(in, "exit_code")))
		return err_set(err, ERR_CONFLICT, "%zu actions would differ", d.all);
	return r;
}

const struct verb verbs_policy[] = {
	{ "policy.diff", VERB_STORE | VERB_LONG, verb_policy_diff },
	{ NULL, 0, NULL },
};
