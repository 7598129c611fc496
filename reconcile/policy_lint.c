#include "reconcile/policy_lint.h"

#include <stdio.h>
#include <strings.h>

#include "reconcile/policy_keys.h"

struct linting {
	const struct policy_conf *conf;
	const struct policy *p, *shipped;
	policy_lint_fn fn;
	void *ctx;
	const struct conf_mark *mark;
	const char *name;
	struct err *err;
};

static int say(struct linting *l, const char *key, const char *format, ...) PRINTF(3, 4);
static int say(struct linting *l, const char *key, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return l->fn(l->ctx, l->mark, l->name, key, text, l->err);
}

/* --- filters --- */

/* Attributes that have one of a few words: nothing else ever compares equal. */
static const struct {
	int slot;
	const char *words[7];
} slot_words[] = {
	{ SLOT_STATUS + SOURCE_HR, { "active", "disabled", "gone", "ended", "absent" } },
	{ SLOT_STATUS + SOURCE_DIRECTORY, { "active", "disabled", "gone", "ended", "absent" } },
	{ SLOT_STATUS + SOURCE_IDP, { "active", "disabled", "gone", "ended", "absent" } },
	{ SLOT_ACCOUNT_ACCOUNT_STATUS, { "active", "inactive" } },
	{ SLOT_ACCOUNT_MEMBERSHIP, { "active", "pending", "suspended", "no_membership" } },
	{ SLOT_ACCOUNT_STATUS,
	  { "active", "suspended", "not_invited", "deactivated", "for_deletion" } },
	{ SLOT_ACCOUNT_CLAIM, { "managed", "unmanaged" } },
	{ SLOT_ACCOUNT_MANAGEMENT, { "synced", "invited" } },
	{ SLOT_ACCOUNT_TYPE, { "atlassian", "app", "customer" } },
};

static int words_lint(struct linting *l, const char *key, const struct query *q)
{
	char all[160];
	size_t at = 0;

	if ((q->op != QUERY_EQ && q->op != QUERY_NE) || q->value.type != VALUE_TEXT)
		return 0;
	for (size_t i = 0; i < COUNT_OF(slot_words); i++) {
		bool found = false;

		if (slot_words[i].slot != q->path.slot)
			continue;
		for (size_t w = 0; w < COUNT_OF(slot_words[i].words) && slot_words[i].words[w];
		     w++) {
			found = found || strcasecmp(slot_words[i].words[w], q->text) == 0;
			at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s",
					       w ? ", " : "", slot_words[i].words[w]);
		}
		if (!found)
			return say(l, key, "byte %zu: it is never \"%s\", but one of %s", q->at,
				   q->text, all);
	}
	return 0;
}

static int tree_lint(struct linting *l, const char *key, const struct query *q)
{
	int r = 0;

	if (!q)
		return 0;
	if (q->kind == QUERY_TEST)
		r = words_lint(l, key, q);
	if (r == 0 && q->kind == QUERY_TEST && q->op == QUERY_NE)
		r = say(l, key,
			"byte %zu: ne is false where the attribute is absent: not (... eq ...) "
			"is true there",
			q->at);
	if (r == 0 && q->kind == QUERY_TEST && q->value.type == VALUE_TEXT &&
	    q->op != QUERY_PR && q->text && !*q->text)
		r = say(l, key,
			"byte %zu: an empty text is never stored: ask with not (... pr)",
			q->at);
	if (r == 0)
		r = tree_lint(l, key, q->left);
	return r == 0 ? tree_lint(l, key, q->right) : r;
}

/* --- steps and waits --- */

static const struct rule_step *step_of(const struct rule *rule, enum action_kind kind)
{
	for (size_t i = 0; i < rule->step_count; i++)
		if (rule->steps[i].kind == kind)
			return &rule->steps[i];
	return NULL;
}

static int steps_lint(struct linting *l, const struct rule *rule)
{
	const struct rule_step *warn = step_of(rule, ACTION_WARN);
	const struct rule_step *take = step_of(rule, ACTION_FREE_SEAT);
	const struct rule_step *tokens = step_of(rule, ACTION_REVOKE_TOKENS);
	const struct rule_step *told = step_of(rule, ACTION_WARN_ACCOUNT);
	const struct rule_step *off = step_of(rule, ACTION_DEACTIVATE);
	const struct rule_step *gone = step_of(rule, ACTION_DELETE);
	int r = 0;

	for (size_t i = 0; told && i < rule->step_count && r == 0; i++)
		if (action_kinds[rule->steps[i].kind].destructive &&
		    rule->steps[i].after_ms - told->after_ms < 7 * STAMP_DAY_MS)
			r = say(l, "then",
				"between the warning and %s there is less than a week",
				rule_step_word(&rule->steps[i]));
	if (r == 0 && gone && off && gone->after_ms - off->after_ms < 30 * STAMP_DAY_MS)
		r = say(l, "then",
			"it deletes within %lld days of deactivating: what is deleted does "
			"not come back, but for the 14 days of Atlassian's grace",
			(long long)((gone->after_ms - off->after_ms) / STAMP_DAY_MS));
	if (r < 0)
		return r;
	if (take && !warn)
		r = say(l, "then", "it takes a seat of which nobody was warned");
	else if (take && take->after_ms - warn->after_ms < 7 * STAMP_DAY_MS)
		r = say(l, "then",
			"between the warning and the seat there is less than a week");
	if (r == 0 && tokens && rule->class != PLAN_LEAVER)
		r = say(l, "then",
			"tokens are revoked of people who may not have left (class %s); they "
			"do "
			"not come back",
			plan_class_word(rule->class));
	if (r == 0 && step_of(rule, ACTION_DEACTIVATE) && !step_of(rule, ACTION_SUSPEND))
		r = say(l, "then", "it deactivates whom it did not suspend before");
	if (r == 0 && step_of(rule, ACTION_HAND_OVER) && !step_of(rule, ACTION_SUSPEND))
		r = say(l, "then",
			"hand-over waits for a block of the account that this rule never does");
	return r;
}

/* `lastActive lt now-91d` that the anchor goes on from: the offset in ms, or 0. */
static int64_t asked_wait(const struct query *q, const struct rule *rule)
{
	int64_t left;

	if (!q)
		return 0;
	if (q->kind == QUERY_TEST)
		return (q->op == QUERY_LT || q->op == QUERY_LE) && q->value.type == VALUE_NOW &&
				       q->path.slot == rule->anchor.slot &&
				       q->path.owner == rule->anchor.owner
			       ? -q->value.integer
			       : 0;
	if (q->kind != QUERY_AND)
		return 0;
	left = asked_wait(q->left, rule);
	return left ? left : asked_wait(q->right, rule);
}

static int waits_lint(struct linting *l, const struct rule *rule)
{
	int64_t wait = rule->anchor.name ? asked_wait(rule->when, rule) : 0;

	if (rule->settle && !l->p->settle_ms)
		return say(l, "settle",
			   "it settles, and policy.settle is 0: a burst is not seen");
	if (!wait || wait == rule->anchor_ms)
		return 0;
	return say(
		l, "anchor",
		"the filter asks for %lld days, the anchor counts from %lld: the steps' waits "
		"are %s than they say",
		(long long)(wait / STAMP_DAY_MS), (long long)(rule->anchor_ms / STAMP_DAY_MS),
		rule->anchor_ms < wait ? "shorter" : "longer");
}

/* --- one rule among the others --- */

/* *ret: both ask the same of the same kind of subject. */
static int same_filter(const struct rule *a, const struct rule *b, bool *ret, struct err *err)
{
	struct buf x, y;
	int r = 0;

	*ret = a->subject == b->subject && (!a->when) == (!b->when);
	if (!*ret || !a->when)
		return 0;
	buf_init(&x, 1 << 20);
	buf_init(&y, 1 << 20);
	query_text(a->when, &x);
	query_text(b->when, &y);
	r = buf_fault(&x, err, "a filter");
	if (r == 0)
		r = buf_fault(&y, err, "a filter");
	*ret = r == 0 && str_eq(buf_str(&x), buf_str(&y));
	buf_done(&x);
	buf_done(&y);
	return r;
}

static int reach_lint(struct linting *l, const struct rule *rule)
{
	for (size_t i = 0; i < rule->order; i++) {
		const struct rule *other = &l->p->rules[i];
		bool same;
		int r = same_filter(other, rule, &same, l->err);

		if (r < 0)
			return r;
		if (!same || other->pilot)
			continue;
		if (l->p->first_match)
			return say(l, "when",
				   "it is never reached: rule %s before it asks for the same, "
				   "and only the first acts",
				   other->name);
		if (!rule->pilot)
			return say(l, "when", "rule %s asks for the same", other->name);
	}
	return 0;
}

static int widens_lint(struct linting *l, const struct rule *rule)
{
	const struct rule *shipped = policy_rule(l->shipped, str_of(rule->name));

	if (!rule->automatic || (shipped && shipped->automatic))
		return 0;
	if (rule->class == PLAN_LEAVER)
		return say(l, "automatic", "in mode act it needs no person any more");
	return say(l, "automatic",
		   "in mode act nobody looks at it, and it is no leaver's rule (class %s)",
		   plan_class_word(rule->class));
}

static const struct policy_rule_conf *conf_of(const struct policy_conf *conf, const char *name)
{
	const struct policy_rule_conf *v = conf->rules.v;

	for (size_t i = 0; i < conf->rules.n; i++)
		if (strcmp(v[i].name, name) == 0)
			return &v[i];
	return NULL;
}

/* Shipped rules that the file does not speak of need no second look, but for being reached. */
static int rule_lint(struct linting *l, const struct rule *rule)
{
	const struct policy_rule_conf *conf = conf_of(l->conf, rule->name);
	int r;

	l->mark = conf ? &conf->mark : &l->conf->mark;
	l->name = rule->name;
	r = reach_lint(l, rule);
	if (r < 0 || !conf)
		return r;
	r = tree_lint(l, "when", rule->when);
	if (r == 0)
		r = tree_lint(l, "pilot", rule->pilot);
	if (r == 0)
		r = steps_lint(l, rule);
	if (r == 0)
		r = waits_lint(l, rule);
	return r == 0 ? widens_lint(l, rule) : r;
}

/* --- the rest of the section --- */

static const char *const limit_names[LIMIT_KIND_COUNT] = {
	[LIMIT_LEAVERS_DAY] = "leavers_day",
	[LIMIT_LEAVERS_WEEK] = "leavers_week",
	[LIMIT_ABSENCE_DAY] = "absence_day",
	[LIMIT_ORPHANS_WEEK] = "orphans_week",
	[LIMIT_INACTIVE_WEEK] = "inactive_week",
	[LIMIT_PUSH_HOUR] = "push_hour",
	[LIMIT_PROVISION_DAY] = "provision_day",
	[LIMIT_ASKED_DAY] = "asked_day",
	[LIMIT_PLAN] = "plan",
};

static int limits_lint(struct linting *l)
{
	int r = 0;

	l->mark = &l->conf->mark;
	l->name = "limits";
	for (int i = 0; i < LIMIT_KIND_COUNT && r == 0; i++) {
		const struct policy_limit_conf *is = &l->p->limits[i];
		const struct policy_limit_conf *was = &l->shipped->limits[i];

		if (limit_names[i] && (is->count > was->count || is->share > was->share + 1e-9))
			r = say(l, limit_names[i],
				"max(%lld, %g %%) is above the shipped max(%lld, %g %%): more "
				"goes wrong before somebody is asked",
				(long long)is->count, is->share * 100, (long long)was->count,
				was->share * 100);
	}
	return r;
}

static int section_lint(struct linting *l)
{
	const struct policy *p = l->p, *s = l->shipped;
	int r = 0;

	l->mark = &l->conf->mark;
	l->name = "policy";
	if (p->hand_approval_ms < s->hand_approval_ms)
		r = say(l, "hand_approval",
			"after %lld days rules marked automatic need no person; shipped are "
			"%lld",
			(long long)(p->hand_approval_ms / STAMP_DAY_MS),
			(long long)(s->hand_approval_ms / STAMP_DAY_MS));
	if (r == 0 && p->settle_ms < s->settle_ms)
		r = say(l, "settle", "a burst of wrong words is seen later than it acts");
	if (r == 0 && !p->quiet)
		r = say(l, "change_hours", "destructive steps start on Friday evenings, too");
	if (r == 0 && !p->flapping)
		r = say(l, "flapping", "what somebody gives back is taken again and again");
	if (r == 0 && !l->conf->shipped && !p->rule_count)
		r = say(l, "shipped",
			"there is no rule at all: nobody who leaves is suspended");
	return r;
}

int policy_lint(const struct policy_conf *conf, const struct policy *p, policy_lint_fn fn,
		void *ctx, struct err *err)
{
	CLEANUP(policy_free_at) struct policy *shipped = NULL;
	struct linting l = { .conf = conf, .p = p, .fn = fn, .ctx = ctx, .err = err };
	int r = policy_bind(NULL, NULL, &shipped, err);

	l.shipped = shipped;
	if (r == 0)
		r = section_lint(&l);
	for (size_t i = 0; i < p->rule_count && r == 0; i++)
		r = rule_lint(&l, &p->rules[i]);
	return r == 0 ? limits_lint(&l) : r;
}

/* --- names that people used --- */

static int name_lint(struct linting *l, struct str name, const char *key, const char *what)
{
	char text[128];

	if (!name.len || str_eq(name, STR("*")) || str_eq(name, STR(ORDER_BLOCK)) ||
	    str_eq(name, STR(ORDER_UNDO)) || str_eq(name, STR(ORDER_BULK)) ||
	    policy_rule(l->p, name))
		return 0;
	(void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(name));
	l->name = text;
	return say(l, key, "%s names rule " STR_FMT ", which the policy does not have", what,
		   STR_ARG(name));
}

static bool match_known(const struct policy *p, struct str name)
{
	for (size_t i = 0; i < p->match_count; i++)
		if (str_eq(str_of(p->match[i].name), name))
			return true;
	return false;
}

int policy_lint_names(const struct facts *f, const struct policy *p, policy_lint_fn fn,
		      void *ctx, struct err *err)
{
	struct linting l = { .p = p, .fn = fn, .ctx = ctx, .err = err };
	int r = 0;

	/* the same name once: rows of one name need not stand together, and are few */
	for (size_t i = 0; i < f->bars.n && r == 0; i++) {
		bool again = false;

		for (size_t k = 0; k < i && !again; k++)
			again = f->bars.v[k].rule == f->bars.v[i].rule;
		if (!again)
			r = name_lint(&l, pool_str(&f->pool, f->bars.v[i].rule), "bar",
				      "a bar");
	}
	for (size_t i = 0; i < f->protections.n && r == 0; i++) {
		bool again = false;

		for (size_t k = 0; k < i && !again; k++)
			again = f->protections.v[k].rule == f->protections.v[i].rule;
		if (!again)
			r = name_lint(&l, pool_str(&f->pool, f->protections.v[i].rule),
				      "protection", "a protection");
	}
	for (size_t i = 0; i < f->match_approved.n && r == 0; i++) {
		struct str name = pool_str(&f->pool, f->match_approved.v[i]);

		if (match_known(p, name))
			continue;
		l.name = "match";
		r = say(&l, "match",
			"match rule " STR_FMT " was approved, and the policy does not have it: "
			"whom it links is held",
			STR_ARG(name));
	}
	return r;
}
