/* plan_parse(): the bytes of a plan, read strictly. */
#include "model/plan.h"

#include <stdio.h>

#include "base/jx.h"

/* What is being read, and the first fault; after it everything else is a no-op. */
struct reading {
	struct plan *plan;
	struct err *err;
	int r;
	char where[48]; /* "action 17", for faults */
};

static void refuse(struct reading *in, const char *key, const char *should)
{
	if (in->r == 0)
		in->r = err_set(in->err, ERR_DAMAGED,
				"plan: %s: member %s is missing or not %s: these are not the "
				"bytes that were written",
				in->where, key, should);
}

static const json_t *member(struct reading *in, const json_t *from, const char *key,
			    json_type type, const char *should)
{
	const json_t *j = json_object_get(from, key);

	if (in->r == 0 && j && json_typeof(j) == type)
		return j;
	refuse(in, key, should);
	return NULL;
}

static const char *get_text(struct reading *in, const json_t *from, const char *key)
{
	const json_t *j = member(in, from, key, JSON_STRING, "a text");
	const char *text = NULL;

	if (j)
		in->r = arena_text(&in->plan->arena,
				   str_n(json_string_value(j), json_string_length(j)), &text,
				   in->err);
	return text;
}

static const char *get_optional(struct reading *in, const json_t *from, const char *key)
{
	return json_object_get(from, key) ? get_text(in, from, key) : NULL;
}

static uint64_t get_number(struct reading *in, const json_t *from, const char *key,
			   uint64_t most)
{
	const json_t *j = member(in, from, key, JSON_INTEGER, "a number");
	json_int_t n = j ? json_integer_value(j) : 0;

	if (j && (n < 0 || (uint64_t)n > most))
		refuse(in, key, "in range");
	return j ? (uint64_t)n : 0;
}

static bool get_bool(struct reading *in, const json_t *from, const char *key)
{
	const json_t *j = json_object_get(from, key);

	if (!json_is_boolean(j))
		refuse(in, key, "true or false");
	return json_is_true(j);
}

static int64_t get_time(struct reading *in, const json_t *from, const char *key)
{
	const json_t *j = member(in, from, key, JSON_STRING, "a time");
	int64_t ms = 0;

	if (j && !stamp_parse(str_n(json_string_value(j), json_string_length(j)), &ms))
		refuse(in, key, "a time");
	return ms;
}

static struct str get_word(struct reading *in, const json_t *from, const char *key)
{
	const json_t *j = member(in, from, key, JSON_STRING, "a word");

	return j ? str_n(json_string_value(j), json_string_length(j)) : STR("");
}

static const char *const *get_texts(struct reading *in, const json_t *from, const char *key,
				    size_t *count)
{
	const json_t *j = member(in, from, key, JSON_ARRAY, "a list");
	const char **v = NULL;

	*count = json_array_size(j);
	if (!j || *count == 0)
		return NULL;
	in->r = arena_alloc(&in->plan->arena, *count * sizeof(*v), &v, in->err);
	for (size_t i = 0; i < *count && in->r == 0; i++) {
		const json_t *t = json_array_get(j, i);

		if (json_is_string(t))
			in->r = arena_text(&in->plan->arena,
					   str_n(json_string_value(t), json_string_length(t)),
					   &v[i], in->err);
		else
			refuse(in, key, "a list of texts");
	}
	return v;
}

static void get_fields(struct reading *in, const json_t *from, const char *key,
		       struct action_fields *ret)
{
	const json_t *j = member(in, from, key, JSON_OBJECT, "an object");

	if (!j)
		return;
	ret->paths = json_object_get(j, "groups") || json_object_get(j, "roles");
	if (ret->paths) {
		ret->groups = get_texts(in, j, "groups", &ret->group_count);
		ret->roles = get_texts(in, j, "roles", &ret->role_count);
	}
	if (json_object_get(j, "provision") &&
	    !provision_state_of(get_word(in, j, "provision"), &ret->provision))
		refuse(in, "provision", "the state of a record");
	if (json_object_get(j, "status") &&
	    !account_status_of(get_word(in, j, "status"), &ret->status))
		refuse(in, "status", "an account's status");
}

/* An array of objects, one struct of size bytes each, filled by read. */
static void *get_items(struct reading *in, const json_t *from, const char *key, size_t size,
		       void (*read)(struct reading *in, const json_t *j, void *item),
		       size_t *count)
{
	const json_t *j = member(in, from, key, JSON_ARRAY, "a list");
	char *v = NULL;

	*count = json_array_size(j);
	if (!j || *count == 0)
		return NULL;
	in->r = arena_alloc(&in->plan->arena, *count * size, &v, in->err);
	for (size_t i = 0; i < *count && in->r == 0; i++) {
		const json_t *item = json_array_get(j, i);

		if (json_is_object(item))
			read(in, item, v + i * size);
		else
			refuse(in, key, "a list of objects");
	}
	return v;
}

static void step_read(struct reading *in, const json_t *j, void *item)
{
	struct action_step *s = item;

	s->directory = get_optional(in, j, "directory");
	s->group = get_optional(in, j, "group");
	s->name = get_optional(in, j, "name");
	s->resource = get_optional(in, j, "resource");
	s->role = get_optional(in, j, "role");
	s->site = get_optional(in, j, "site");
	if (!step_op_of(get_word(in, j, "op"), &s->op)) {
		refuse(in, "op", "a step that we know");
		return;
	}
	if (!step_gifts[s->op])
		return;
	s->from = get_number(in, j, "from", INT64_MAX);
	s->to = get_number(in, j, "to", INT64_MAX);
	s->items = get_texts(in, j, "items", &s->item_count);
	if (in->r == 0 && s->item_count > step_gifts[s->op])
		refuse(in, "items", "as many as one step gives");
}

static void evidence_read(struct reading *in, const json_t *j, void *item)
{
	struct action_evidence *e = item;

	e->path = get_text(in, j, "path");
	e->source = get_optional(in, j, "source");
	e->value = get_optional(in, j, "value");
}

static const uint32_t *get_numbers(struct reading *in, const json_t *from, const char *key,
				   size_t *count)
{
	const json_t *j = member(in, from, key, JSON_ARRAY, "a list");
	uint32_t *v = NULL;

	*count = json_array_size(j);
	if (!j || *count == 0)
		return NULL;
	in->r = arena_alloc(&in->plan->arena, *count * sizeof(*v), &v, in->err);
	for (size_t i = 0; i < *count && in->r == 0; i++) {
		json_int_t n = json_integer_value(json_array_get(j, i));

		if (n < 1 || n > PLAN_MAX_ACTIONS)
			refuse(in, key, "a list of actions");
		else
			v[i] = (uint32_t)n;
	}
	return v;
}

static void words_read(struct reading *in, const json_t *j, struct action *a)
{
	struct str verdict = get_word(in, j, "verdict");

	if (!action_kind_of(get_word(in, j, "kind"), &a->kind))
		refuse(in, "kind", "a kind that we know");
	if (!plan_class_of(get_word(in, j, "class"), &a->class))
		refuse(in, "class", "a class that we know");
	if (!digest_unhex(get_word(in, j, "subject"), &a->subject))
		refuse(in, "subject", "a digest");
	a->verdict = str_eq(verdict, STR("held")) ? VERDICT_HELD : VERDICT_PASS;
	if (a->verdict == VERDICT_PASS && !str_eq(verdict, STR("pass")))
		refuse(in, "verdict", "pass or held");
}

static void action_read(struct reading *in, const json_t *j, size_t index)
{
	struct action a = { 0 };
	size_t says;

	(void)snprintf(in->where, sizeof(in->where), "action %zu", index + 1);
	words_read(in, j, &a);
	a.account = get_number(in, j, "account", INT64_MAX);
	a.person = get_number(in, j, "person", INT64_MAX);
	a.n = (uint32_t)get_number(in, j, "n", PLAN_MAX_ACTIONS);
	a.needs = (unsigned)get_number(in, j, "needs", 2);
	a.not_after_ms = (int64_t)get_number(in, j, "not_after_ms", INT64_MAX);
	a.due_ms = get_time(in, j, "due");
	a.anchor_ms = get_time(in, j, "anchor");
	a.automatic = get_bool(in, j, "automatic");
	a.rule = get_text(in, j, "rule");
	a.reason = get_text(in, j, "reason");
	a.product = get_optional(in, j, "product");
	a.site = get_optional(in, j, "site");
	get_fields(in, j, "before", &a.before);
	get_fields(in, j, "after", &a.after);
	a.kept = get_texts(in, j, "kept", &a.kept_count);
	a.with = get_numbers(in, j, "with", &a.with_count);
	a.held_by = get_texts(in, j, "held_by", &a.held_count);
	a.says = get_texts(in, j, "says", &says);
	a.steps = get_items(in, j, "steps", sizeof(*a.steps), step_read, &a.step_count);
	a.evidence = get_items(in, j, "evidence", sizeof(*a.evidence), evidence_read,
			       &a.evidence_count);
	if (in->r == 0 && says != a.held_count)
		refuse(in, "says", "as long as held_by");
	if (in->r == 0 && a.n != index + 1)
		refuse(in, "n", "counting from 1");
	if (in->r == 0 && (a.verdict == VERDICT_HELD) != (a.held_count > 0))
		refuse(in, "verdict", "held exactly where guards hold");
	if (in->r == 0 && action_kinds[a.kind].seat != (a.product != NULL))
		refuse(in, "product", "told exactly for seats");
	if (in->r == 0 && vec_action_add(&in->plan->actions, a) < 0)
		in->r = err_nomem(in->err);
}

static void guard_read(struct reading *in, const json_t *j)
{
	struct plan_guard g = { .name = get_text(in, j, "name"),
				.text = get_text(in, j, "text") };

	g.needs = (unsigned)get_number(in, j, "needs", 2);
	if (!guard_verdict_of(get_word(in, j, "verdict"), &g.verdict))
		refuse(in, "verdict", "a verdict");
	if (in->r == 0 && vec_guard_add(&in->plan->guards, g) < 0)
		in->r = err_nomem(in->err);
}

static void superseded_read(struct reading *in, const json_t *j)
{
	struct plan_superseded s = { get_number(in, j, "plan", INT64_MAX),
				     (uint32_t)get_number(in, j, "n", PLAN_MAX_ACTIONS) };

	if (in->r == 0 && vec_superseded_add(&in->plan->supersedes, s) < 0)
		in->r = err_nomem(in->err);
}

static void plan_read(struct reading *in, const json_t *j)
{
	const json_t *actions = member(in, j, "actions", JSON_ARRAY, "a list");
	const json_t *guards = member(in, j, "guards", JSON_ARRAY, "a list");
	const json_t *supersedes = member(in, j, "supersedes", JSON_ARRAY, "a list");
	struct plan *p = in->plan;

	if (get_number(in, j, "format", INT64_MAX) != PLAN_FORMAT)
		refuse(in, "format", "one that this version reads");
	p->org = get_text(in, j, "org");
	p->now_ms = get_time(in, j, "now");
	p->complete = get_bool(in, j, "complete");
	p->held = get_bool(in, j, "held");
	if (!plan_urgency_of(get_word(in, j, "urgency"), &p->urgency))
		refuse(in, "urgency", "urgent or routine");
	for (size_t i = 0; i < json_array_size(guards) && in->r == 0; i++)
		guard_read(in, json_array_get(guards, i));
	for (size_t i = 0; i < json_array_size(supersedes) && in->r == 0; i++)
		superseded_read(in, json_array_get(supersedes, i));
	for (size_t i = 0; i < json_array_size(actions) && in->r == 0; i++)
		action_read(in, json_array_get(actions, i), i);
}

int plan_parse(struct str bytes, struct plan **ret, struct err *err)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct reading in = { .err = err, .where = "the plan" };
	struct buf again;
	int r;

	if (bytes.len > PLAN_MAX_BYTES)
		return err_set(err, ERR_DAMAGED, "plan: longer than %u bytes", PLAN_MAX_BYTES);
	r = jx_parse(bytes, JX_STRICT, &doc, err);
	if (r == -ERR_NOMEM)
		return r;
	if (r < 0 || !json_is_object(doc))
		return err_set(err, ERR_DAMAGED,
			       "plan: the bytes are no JSON object: they are "
			       "not those that were written");
	r = plan_new(&plan, err);
	if (r < 0)
		return r;
	in.plan = plan;
	plan_read(&in, doc);
	if (in.r < 0)
		return in.r;

	buf_init(&again, PLAN_MAX_BYTES);
	r = plan_write(plan, &again, err);
	if (r == 0 && !str_eq(buf_str(&again), bytes))
		r = err_set(err, ERR_DAMAGED,
			    "plan: the bytes are not in the form in which "
			    "plans are written");
	buf_done(&again);
	if (r == 0)
		*ret = TAKE(plan);
	return r;
}
