#include "reconcile/report.h"

#include <stdlib.h>

/* --- who --- */

static int who_cmp(const void *pa, const void *pb)
{
	const struct report_who *a = pa, *b = pb;

	return a->n < b->n ? -1 : a->n > b->n;
}

static const struct report_who *who_of(const struct report_input *in, uint32_t n)
{
	const struct report_who key = { .n = n };

	if (!in->who_count)
		return NULL;
	return bsearch(&key, in->who, in->who_count, sizeof(key), who_cmp);
}

/* --- counts --- */

struct subject_key {
	const char *rule;
	uint64_t account;
};

/* Somebody whom a provisioning directory is told of may have no account yet. */
static uint64_t subject_of(const struct action *a)
{
	return a->account ? a->account : a->person | UINT64_C(1) << 63;
}

static int subject_cmp(const void *pa, const void *pb)
{
	const struct subject_key *a = pa, *b = pb;
	int c = strcmp(a->rule, b->rule);

	if (c)
		return c;
	return a->account < b->account ? -1 : a->account > b->account;
}

static struct report_rule *row_of(struct vec_report_rule *v, const char *rule)
{
	for (size_t i = v->n; i-- > 0;) /* actions of a rule stand beside each other */
		if (strcmp(v->v[i].rule, rule) == 0)
			return &v->v[i];
	return NULL;
}

static int subjects_count(const struct plan *plan, struct vec_report_rule *v, struct err *err)
{
	size_t n = plan->actions.n;
	CLEANUP(free_at) struct subject_key *keys = calloc(n + 1, sizeof(*keys));

	if (!keys)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct subject_key){ plan->actions.v[i].rule,
						subject_of(&plan->actions.v[i]) };
	qsort(keys, n, sizeof(*keys), subject_cmp);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || subject_cmp(&keys[i - 1], &keys[i]) != 0)
			row_of(v, keys[i].rule)->subjects++;
	return 0;
}

int report_rules(const struct plan *plan, struct vec_report_rule *ret, struct err *err)
{
	struct vec_report_rule v = { 0 };
	int r = 0;

	for (size_t i = 0; i < plan->actions.n && r == 0; i++) {
		const struct action *a = &plan->actions.v[i];
		struct report_rule *row = row_of(&v, a->rule);
		struct report_rule fresh = { .rule = a->rule, .class = a->class };

		if (!row && vec_report_rule_add(&v, fresh) < 0) {
			r = err_nomem(err);
			break;
		}
		row = row ? row : &v.v[v.n - 1];
		if (a->verdict == VERDICT_HELD)
			row->held++;
		else
			row->kinds[a->kind]++;
	}
	if (r == 0)
		r = subjects_count(plan, &v, err);
	if (r < 0)
		vec_report_rule_done(&v);
	else
		*ret = v;
	return r;
}

/* --- JSON --- */

static void member_text(struct buf *b, const char *key, struct str text)
{
	buf_addf(b, ",\"%s\":", key);
	buf_add_json(b, text);
}

static void member_time(struct buf *b, const char *key, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	stamp_text(ms, text);
	member_text(b, key, str_of(text));
}

static void member_texts(struct buf *b, const char *key, const char *const *v, size_t n)
{
	buf_addf(b, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(b, ',');
		buf_add_json(b, str_of(v[i]));
	}
	buf_add_char(b, ']');
}

static void evidence_json(struct buf *b, const struct action *a)
{
	buf_add_text(b, ",\"evidence\":[");
	for (size_t i = 0; i < a->evidence_count; i++) {
		buf_add_text(b, i ? ",{\"path\":" : "{\"path\":");
		buf_add_json(b, str_of(a->evidence[i].path));
		if (a->evidence[i].source)
			member_text(b, "source", str_of(a->evidence[i].source));
		if (a->evidence[i].value)
			member_text(b, "value", str_of(a->evidence[i].value));
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

static void steps_json(struct buf *b, const struct action *a)
{
	buf_add_text(b, ",\"steps\":[");
	for (size_t i = 0; i < a->step_count; i++) {
		const struct action_step *s = &a->steps[i];

		buf_add_text(b, i ? ",{\"op\":" : "{\"op\":");
		buf_add_json(b, str_of(step_ops[s->op].word));
		if (s->group)
			member_text(b, "group", str_of(s->group));
		if (s->name)
			member_text(b, "name", str_of(s->name));
		if (s->role)
			member_text(b, "role", str_of(s->role));
		if (step_gifts[s->op]) {
			member_text(b, "site", str_of(s->site));
			member_texts(b, "items", s->items, s->item_count);
			buf_addf(b, ",\"from\":%llu,\"to\":%llu", (unsigned long long)s->from,
				 (unsigned long long)s->to);
		}
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

static void action_json(struct buf *b, const struct report_input *in, const struct action *a)
{
	const struct report_who *who = who_of(in, a->n);

	buf_addf(b, "{\"account\":%llu", (unsigned long long)a->account);
	member_text(b, "account_id", who ? who->account_id : STR(""));
	buf_add_text(b, ",\"after\":");
	plan_write_fields(&a->after, b);
	member_time(b, "anchor", a->anchor_ms);
	buf_addf(b, ",\"automatic\":%s,\"before\":", a->automatic ? "true" : "false");
	plan_write_fields(&a->before, b);
	member_text(b, "class", str_of(plan_class_word(a->class)));
	member_time(b, "due", a->due_ms);
	member_text(b, "email", who ? who->email : STR(""));
	evidence_json(b, a);
	member_texts(b, "held_by", a->held_by, a->held_count);
	member_texts(b, "kept", a->kept, a->kept_count);
	member_text(b, "kind", str_of(action_kinds[a->kind].word));
	buf_addf(b, ",\"n\":%u", a->n);
	member_text(b, "name", who ? who->name : STR(""));
	buf_addf(b, ",\"needs\":%u,\"not_after_ms\":%lld,\"person\":%llu", a->needs,
		 (long long)a->not_after_ms, (unsigned long long)a->person);
	if (a->product)
		member_text(b, "product", str_of(a->product));
	member_text(b, "reason", str_of(a->reason));
	member_text(b, "rule", str_of(a->rule));
	member_texts(b, "says", a->says, a->held_count);
	if (a->site)
		member_text(b, "site", str_of(a->site));
	steps_json(b, a);
	member_text(b, "verdict", a->verdict == VERDICT_HELD ? STR("held") : STR("pass"));
	buf_add_text(b, ",\"with\":[");
	for (size_t i = 0; i < a->with_count; i++)
		buf_addf(b, "%s%u", i ? "," : "", a->with[i]);
	buf_add_text(b, "]}");
}

static void guards_json(struct buf *b, const struct plan *plan)
{
	buf_add_text(b, ",\"guards\":[");
	for (size_t i = 0; i < plan->guards.n; i++) {
		const struct plan_guard *g = &plan->guards.v[i];

		buf_add_text(b, i ? ",{\"name\":" : "{\"name\":");
		buf_add_json(b, str_of(g->name));
		buf_addf(b, ",\"needs\":%u", g->needs);
		member_text(b, "text", str_of(g->text));
		member_text(b, "verdict", str_of(guard_verdict_word(g->verdict)));
		buf_add_char(b, '}');
	}
	buf_add_char(b, ']');
}

static void rules_json(struct buf *b, const struct vec_report_rule *rules)
{
	buf_add_text(b, ",\"rules\":[");
	for (size_t i = 0; i < rules->n; i++) {
		const struct report_rule *row = &rules->v[i];

		buf_addf(b, "%s{\"class\":\"%s\",\"held\":%llu,\"kinds\":{", i ? "," : "",
			 plan_class_word(row->class), (unsigned long long)row->held);
		for (int k = 0, first = 1; k < ACTION_KIND_COUNT; k++) {
			if (!row->kinds[k])
				continue;
			buf_addf(b, "%s\"%s\":%llu", first ? "" : ",", action_kinds[k].word,
				 (unsigned long long)row->kinds[k]);
			first = 0;
		}
		buf_add_text(b, "},\"rule\":");
		buf_add_json(b, str_of(row->rule));
		buf_addf(b, ",\"subjects\":%llu}", (unsigned long long)row->subjects);
	}
	buf_add_char(b, ']');
}

int report_plan_json(const struct report_input *in, struct buf *into, struct err *err)
{
	const struct plan *plan = in->plan;
	struct vec_report_rule rules = { 0 };
	char hex[DIGEST_HEX_BYTES];
	int r = report_rules(plan, &rules, err);

	if (r < 0)
		return r;
	buf_add_text(into, "{\"actions\":[");
	for (size_t i = 0; i < plan->actions.n; i++) {
		if (i)
			buf_add_char(into, ',');
		action_json(into, in, &plan->actions.v[i]);
	}
	buf_addf(into, "],\"complete\":%s", plan->complete ? "true" : "false");
	digest_hex(&in->digest, hex);
	member_text(into, "digest", str_of(hex));
	guards_json(into, plan);
	buf_addf(into, ",\"held\":%s", plan->held ? "true" : "false");
	member_time(into, "now", plan->now_ms);
	member_text(into, "org", str_of(plan->org));
	member_text(into, "plan", in->id);
	rules_json(into, &rules);
	member_text(into, "urgency", str_of(plan_urgency_word(plan->urgency)));
	buf_add_char(into, '}');
	vec_report_rule_done(&rules);
	return buf_fault(into, err, "the report of a plan");
}

/* --- text --- */

void report_action_line(const struct action *a, struct buf *into)
{
	char due[STAMP_TEXT_BYTES];

	stamp_text(a->due_ms, due);
	buf_addf(into, "%u %s", a->n, action_kinds[a->kind].word);
	if (a->product)
		buf_addf(into, " %s at %s", a->product, a->site ? a->site : "");
	buf_addf(into, " of %s %llu, due %s, by %s: %s", a->account ? "account" : "person",
		 (unsigned long long)(a->account ? a->account : a->person), due, a->rule,
		 a->reason);
	for (size_t i = 0; i < a->held_count; i++)
		buf_addf(into, "; held by %s: %s", a->held_by[i], a->says[i]);
}

static void rules_text(struct buf *b, const struct vec_report_rule *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct report_rule *row = &rules->v[i];

		buf_addf(b, "  %-20s %6llu %s", row->rule, (unsigned long long)row->subjects,
			 row->subjects == 1 ? "account " : "accounts");
		for (int k = 0; k < ACTION_KIND_COUNT; k++)
			if (row->kinds[k])
				buf_addf(b, "  %s %llu", action_kinds[k].word,
					 (unsigned long long)row->kinds[k]);
		if (row->held)
			buf_addf(b, "  held %llu", (unsigned long long)row->held);
		buf_add_char(b, '\n');
	}
}

static void guards_text(struct buf *b, const struct plan *plan)
{
	for (size_t i = 0; i < plan->guards.n; i++) {
		const struct plan_guard *g = &plan->guards.v[i];

		if (g->verdict == GUARD_PASS)
			continue;
		buf_addf(b, "  %s: %s: %s", guard_verdict_word(g->verdict), g->name, g->text);
		if (g->needs == 2)
			buf_add_text(b, " (two persons)");
		buf_add_char(b, '\n');
	}
}

static void actions_text(struct buf *b, const struct report_input *in, size_t most)
{
	const char *rule = "";
	size_t of_rule = 0, left_out = 0;

	for (size_t i = 0; i < in->plan->actions.n; i++) {
		const struct action *a = &in->plan->actions.v[i];
		const struct report_who *who = who_of(in, a->n);

		of_rule = strcmp(rule, a->rule) == 0 ? of_rule + 1 : 1;
		rule = a->rule;
		if (most && of_rule > most) {
			left_out++;
			continue;
		}
		buf_add_text(b, "  ");
		report_action_line(a, b);
		if (who && who->email.len)
			buf_addf(b, " [" STR_FMT "]", STR_ARG(who->email));
		buf_add_char(b, '\n');
	}
	if (left_out)
		buf_addf(b, "  and %zu more\n", left_out);
}

int report_plan_text(const struct report_input *in, size_t most, struct buf *into,
		     struct err *err)
{
	struct vec_report_rule rules = { 0 };
	char now[STAMP_TEXT_BYTES];
	int r = report_rules(in->plan, &rules, err);

	if (r < 0)
		return r;
	stamp_text(in->plan->now_ms, now);
	buf_addf(into, "plan " STR_FMT ": %s, %s, %s%s%s\n", STR_ARG(in->id), in->plan->org,
		 plan_urgency_word(in->plan->urgency), now,
		 in->plan->complete ? "" : ", of an organisation not read completely",
		 in->plan->held ? ", HELD" : "");
	rules_text(into, &rules);
	guards_text(into, in->plan);
	actions_text(into, in, most);
	vec_report_rule_done(&rules);
	return buf_fault(into, err, "the report of a plan");
}
