/*
 * Properties over random worlds: whatever the world, the order of its rows does not matter,
 * unknown never acts, what protects protects, limits are kept, and a world to which its plan
 * was applied wants nothing more. A failing seed is printed; it makes the same world
 * everywhere.
 */
#include "base/zone.h"
#include "tests/unit/plan_world.h"

#define SEEDS 400
#define PEOPLE_MOST 24
#define ACCOUNTS_MOST 32
#define NOW "2026-03-02T09:00:00Z"

enum { GROUPS = 4, PRODUCTS = 2 };
static const char *const products[PRODUCTS] = { "jira@acme", "confluence@acme" };
static const int group_gives[GROUPS] = { 1, 2, 3, 1 }; /* bits of products */

struct gen_person {
	bool in[3]; /* hr, corp, okta */
	const char *state[3];
	int since_days[3];
	int leave_days; /* -1: none; -2: unknown; else so many days ago + 10 */
	bool unknown_leave, exempt, barred, expected;
};

struct gen_account {
	int person; /* -1: nobody */
	const char *status, *type, *managed, *synced, *admin, *accepted, *tokens, *paths;
	bool adopted, org_admin, unknown_added;
	int status_days; /* so long ago; -1: unknown */
	bool seat[PRODUCTS];
	int last_days[PRODUCTS];   /* -1 never, -2 unknown */
	int added_days[PRODUCTS];  /* -2 unknown */
	int warned_days[PRODUCTS]; /* -1: not; 0: now */
	unsigned groups;
};

struct gen_world {
	struct gen_person people[PEOPLE_MOST];
	struct gen_account accounts[ACCOUNTS_MOST];
	size_t person_count, account_count;
	bool whole[3], org_complete;
	int counted_days[4]; /* of past leavers, accounts 901.. */
};

/* --- making one --- */

static unsigned pick(uint64_t *seed, unsigned n)
{
	return (unsigned)(world_chance(seed) >> 16) % n;
}

static const char *one_of(uint64_t *seed, const char *const *words, unsigned n)
{
	return words[pick(seed, n)];
}

static void person_make(uint64_t *seed, struct gen_person *p)
{
	static const char *const states[] = { "active", "active", "active", "active",  "active",
					      "active", "?",      "gone",   "disabled" };
	static const char *const push[] = {
		"active", "active", "active", "active", "ended", "?"
	};

	for (int i = 0; i < 3; i++) {
		p->in[i] = pick(seed, 4) != 0;
		p->state[i] = i == 2 ? one_of(seed, push, COUNT_OF(push))
				     : one_of(seed, states, i == 0 ? 7 : COUNT_OF(states));
		p->since_days[i] = pick(seed, 8) == 0 ? -1 : (int)pick(seed, 30);
	}
	p->leave_days = pick(seed, 4) == 0    ? (int)pick(seed, 40)
			: pick(seed, 12) == 0 ? -2
					      : -1;
	p->unknown_leave = pick(seed, 12) == 0;
	p->exempt = pick(seed, 10) == 0;
	p->barred = pick(seed, 10) == 0;
	p->expected = pick(seed, 6) == 0;
}

static void account_make(uint64_t *seed, struct gen_account *a, size_t people)
{
	static const char *const statuses[] = { "active",      "active",     "active",
						"active",      "?",          "suspended",
						"deactivated", "not_invited" };
	static const char *const types[] = { "atlassian", "atlassian", "atlassian", "atlassian",
					     "atlassian", "atlassian", "app",       "?" };
	static const char *const tris[] = { "yes", "no", "?" };
	static const char *const mostly_yes[] = { "yes", "yes", "yes", "yes", "no", "?" };
	static const char *const mostly_no[] = { "no", "no", "no", "no", "no", "yes", "?" };

	a->person = pick(seed, 5) == 0 ? -1 : (int)pick(seed, (unsigned)people);
	a->status = one_of(seed, statuses, COUNT_OF(statuses));
	a->type = one_of(seed, types, COUNT_OF(types));
	a->managed = one_of(seed, mostly_yes, COUNT_OF(mostly_yes));
	a->synced = one_of(seed, mostly_no, COUNT_OF(mostly_no));
	a->admin = one_of(seed, mostly_no, COUNT_OF(mostly_no));
	a->org_admin = strcmp(a->admin, "yes") == 0 && pick(seed, 2);
	a->accepted = one_of(seed, mostly_yes, COUNT_OF(mostly_yes));
	a->tokens = one_of(seed, tris, COUNT_OF(tris));
	a->paths = one_of(seed, mostly_yes, COUNT_OF(mostly_yes));
	a->adopted = pick(seed, 5) != 0;
	a->status_days = pick(seed, 6) == 0 ? -1 : (int)pick(seed, 30);
	for (int i = 0; i < PRODUCTS; i++) {
		a->seat[i] = pick(seed, 2);
		a->last_days[i] = pick(seed, 6) == 0   ? -1
				  : pick(seed, 8) == 0 ? -2
						       : (int)pick(seed, 250);
		a->added_days[i] = pick(seed, 10) == 0 ? -2 : (int)pick(seed, 400);
		a->warned_days[i] = pick(seed, 3) == 0 ? (int)pick(seed, 30) : -1;
	}
	a->groups = pick(seed, 1 << GROUPS);
}

static void gen_make(uint64_t number, struct gen_world *g)
{
	uint64_t seed = number * 0x9e3779b97f4a7c15u + 1;

	memset(g, 0, sizeof(*g));
	for (int i = 0; i < 8; i++)
		(void)world_chance(&seed);
	g->person_count = 3 + pick(&seed, PEOPLE_MOST - 3);
	g->account_count = 3 + pick(&seed, ACCOUNTS_MOST - 3);
	for (size_t i = 0; i < g->person_count; i++)
		person_make(&seed, &g->people[i]);
	for (size_t i = 0; i < g->account_count; i++)
		account_make(&seed, &g->accounts[i], g->person_count);
	for (int i = 0; i < 3; i++)
		g->whole[i] = pick(&seed, 4) != 0;
	g->org_complete = pick(&seed, 6) != 0;
	for (int i = 0; i < 4; i++)
		g->counted_days[i] = (int)pick(&seed, 3);
}

/* --- as text --- */

static void put_days(struct buf *b, const char *key, int days)
{
	char text[STAMP_TEXT_BYTES];
	int64_t now;

	if (days == -2) {
		buf_addf(b, " %s=?", key);
		return;
	}
	if (days == -1) {
		buf_addf(b, " %s=never", key);
		return;
	}
	assert_true(stamp_parse(STR(NOW), &now));
	stamp_text(now - days * STAMP_DAY_MS, text);
	buf_addf(b, " %s=%s", key, text);
}

static void put_date(struct buf *b, const char *key, int days)
{
	char text[STAMP_TEXT_BYTES];
	int64_t now;

	assert_true(stamp_parse(STR(NOW), &now));
	stamp_date_text(now - days * STAMP_DAY_MS, text);
	buf_addf(b, " %s=%s", key, text);
}

static void person_text(struct buf *b, const struct gen_person *p, size_t number)
{
	static const char *const names[3] = { "hr", "corp", "okta" };

	for (int i = 0; i < 3; i++) {
		if (!p->in[i])
			continue;
		buf_addf(b, "record %s k%zu person=%zu state=%s userName=u%zu@x.example",
			 names[i], number, number, p->state[i], number);
		put_days(b, "since", p->since_days[i] < 0 ? -2 : p->since_days[i]);
		if (i == 0 && p->leave_days == -2)
			buf_add_text(b, " employment.lastWorkingDay=?");
		else if (i == 0 && p->leave_days >= 0)
			put_date(b, "employment.lastWorkingDay", p->leave_days - 10);
		if (i == 0 && p->unknown_leave)
			buf_add_text(b, " employment.leave.from=?");
		buf_add_char(b, '\n');
	}
	if (p->exempt)
		buf_addf(b, "protect exemption person=%zu\n", number);
	if (p->barred)
		buf_addf(b, "bar * person=%zu\n", number);
	if (p->expected)
		buf_addf(b, "expected %zu\n", number);
}

static void account_text(struct buf *b, const struct gen_account *a, size_t i)
{
	buf_addf(b,
		 "account a%zu number=%zu email=m%zu@x.example status=%s type=%s managed=%s "
		 "synced=%s admin=%s org_admin=%s accepted=%s tokens=%s paths_known=%s "
		 "adopted=%s",
		 i, 100 + i, i, a->status, a->type, a->managed, a->synced, a->admin,
		 a->org_admin ? "yes" : "no", a->accepted, a->tokens, a->paths,
		 a->adopted ? "yes" : "no");
	put_days(b, "status_since", a->status_days < 0 ? -2 : a->status_days);
	if (a->unknown_added)
		buf_add_text(b, " added=?");
	if (a->person >= 0)
		buf_addf(b, " person=%d", a->person + 1);
	buf_add_char(b, '\n');
	for (int k = 0; k < PRODUCTS; k++) {
		if (!a->seat[k])
			continue;
		buf_addf(b, "seat a%zu %s", i, products[k]);
		put_days(b, "last", a->last_days[k]);
		put_days(b, "added", a->added_days[k]);
		buf_add_char(b, '\n');
		if (a->warned_days[k] < 0)
			continue;
		buf_addf(b, "progress a%zu never-used warn product=%s", i, products[k]);
		put_days(b, "at", a->warned_days[k]);
		buf_add_char(b, '\n');
	}
	for (int g = 0; g < GROUPS; g++)
		if (a->groups & 1u << g)
			buf_addf(b, "member a%zu g%d\n", i, g);
}

static char *gen_text(const struct gen_world *g)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_addf(&b, "now " NOW "\nround org=acme zone=UTC complete=%s\n",
		 g->org_complete ? "yes" : "no");
	buf_addf(&b, "source hr role=hr%s\nsource corp role=directory%s\n",
		 g->whole[0] ? "" : " accepted=no doubts=schema",
		 g->whole[1] ? "" : " accepted=no");
	buf_addf(&b, "source okta role=idp kind=push%s\n", g->whole[2] ? "" : " ready=no");
	buf_add_text(&b, "product jira@acme\nproduct confluence@acme\n");
	for (int i = 0; i < GROUPS; i++) {
		buf_addf(&b, "group g%d%s\n", i, i == 3 ? " synced=yes" : "");
		for (int k = 0; k < PRODUCTS; k++)
			if (group_gives[i] & 1 << k)
				buf_addf(&b, "grant g%d %s\n", i, products[k]);
	}
	for (size_t i = 0; i < g->person_count; i++)
		person_text(&b, &g->people[i], i + 1);
	for (size_t i = 0; i < g->account_count; i++)
		account_text(&b, &g->accounts[i], i);
	for (int i = 0; i < 4; i++) {
		buf_addf(&b, "counted leaver %d", 901 + i);
		put_days(&b, "at", g->counted_days[i]);
		buf_add_char(&b, '\n');
	}
	assert_int_equal(b.fault, 0);
	return buf_take(&b, NULL);
}

/* --- judged --- */

struct outcome {
	struct policy *policy;
	struct facts *facts;
	struct reconcile_result *result;
	char *bytes;
};

static void outcome_done(struct outcome *o)
{
	free(o->bytes);
	reconcile_result_free(o->result);
	facts_free(o->facts);
	policy_free(o->policy);
}

static void outcome_make(const struct gen_world *g, uint64_t shuffle, struct outcome *o)
{
	CLEANUP(free_at) char *text = gen_text(g);
	struct plan_world w;
	struct err err;

	*o = (struct outcome){ 0 };
	assert_ok(policy_bind(NULL, NULL, &o->policy, &err), &err);
	world_read(&w, text);
	if (shuffle)
		world_shuffle(&w, shuffle);
	world_facts(&w, o->policy, &o->facts);
	assert_ok(reconcile(o->facts, o->policy, &o->result, &err), &err);
	o->bytes = world_bytes(o->result);
	world_free(&w);
}

/* Calls fn for each action that nothing holds. */
static void each_passing(const struct outcome *o,
			 void (*fn)(void *ctx, const struct outcome *o, const struct action *a),
			 void *ctx)
{
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		const struct plan *plan = o->result->plans[u];

		for (size_t i = 0; plan && i < plan->actions.n; i++)
			if (plan->actions.v[i].verdict == VERDICT_PASS)
				fn(ctx, o, &plan->actions.v[i]);
	}
}

/* --- the properties --- */

static void test_the_order_of_rows_never_matters(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct gen_world g;
		struct outcome first, again;

		gen_make(seed, &g);
		outcome_make(&g, 0, &first);
		outcome_make(&g, seed, &again);
		if (strcmp(first.bytes, again.bytes) != 0)
			fail_msg("seed %llu:\n%s\n%s", (unsigned long long)seed, first.bytes,
				 again.bytes);
		outcome_done(&first);
		outcome_done(&again);
	}
}

struct checking {
	const struct gen_world *g;
	uint64_t seed, passing;
};

static void wrong(const struct checking *c, const struct action *a, const char *why)
{
	fail_msg("seed %llu: %s of account %llu by %s although %s", (unsigned long long)c->seed,
		 action_kinds[a->kind].word, (unsigned long long)a->account, a->rule, why);
}

/* Nothing passes that a look at the world itself forbids. */
static void check_passing(void *ctx, const struct outcome *o, const struct action *a)
{
	struct checking *c = ctx;
	const struct gen_account *g = &c->g->accounts[a->account - 100];
	const struct gen_person *p = g->person < 0 ? NULL : &c->g->people[g->person];
	bool orphan = strcmp(a->rule, "orphan") == 0;
	bool hr = strcmp(a->rule, "leaver-hr") == 0;

	(void)o;
	c->passing++;
	if (strcmp(g->type, "atlassian") != 0)
		wrong(c, a, "it is no person's");
	if (strcmp(g->status, "?") == 0)
		wrong(c, a, "its state is unknown");
	if (strcmp(g->admin, "no") != 0)
		wrong(c, a, "it is, or may be, an administrator's");
	if (!orphan && !g->adopted)
		wrong(c, a, "nobody adopted it");
	if (p && (p->exempt || p->barred))
		wrong(c, a, "its owner is exempt or barred");
	if (hr && (!p || p->leave_days < 0 || !p->in[0] || strcmp(p->state[0], "?") == 0))
		wrong(c, a, "no leave date is known");
	if (hr && !c->g->whole[0])
		wrong(c, a, "HR is in doubt");
	if (strcmp(a->rule, "leaver-gone") == 0 &&
	    (!c->g->whole[1] || !c->g->whole[0] || strcmp(p->state[1], "gone") != 0))
		wrong(c, a, "who is gone cannot be told");
	if (strcmp(a->rule, "leaver-push") == 0 && !c->g->whole[2])
		wrong(c, a, "the source is not ready");
	if (orphan && (!c->g->whole[0] || !c->g->whole[1] || !c->g->whole[2] || p ||
		       strcmp(g->managed, "yes") != 0 || !c->g->org_complete))
		wrong(c, a, "whether it is an orphan cannot be told");
	if (a->kind == ACTION_DEACTIVATE &&
	    (strcmp(g->managed, "yes") != 0 || strcmp(g->synced, "no") != 0))
		wrong(c, a, "it cannot be deactivated");
	if (a->product &&
	    (!c->g->org_complete || (p && p->unknown_leave && p->in[0] && (p->in[0]))))
		wrong(c, a, "what it rests on was not read");
	if (a->kind == ACTION_FREE_SEAT &&
	    (strcmp(g->paths, "yes") != 0 ||
	     (g->groups & 1u << 3 && strcmp(a->product, "jira") == 0)))
		wrong(c, a, "a path stays, or is unknown");
}

static void test_what_forbids_is_never_passed(void **state)
{
	struct checking c = { 0 };

	(void)state;
	for (c.seed = 1; c.seed <= SEEDS; c.seed++) {
		struct gen_world g;
		struct outcome o;

		gen_make(c.seed, &g);
		c.g = &g;
		outcome_make(&g, 0, &o);
		each_passing(&o, check_passing, &c);
		outcome_done(&o);
	}
	assert_true(c.passing > SEEDS); /* the worlds are such that something happens */
}

/* Everything that could be read is made unknown: nothing may be left. */
static void test_unknown_never_acts(void **state)
{
	struct checking c = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct gen_world g;
		struct outcome o;

		gen_make(seed, &g);
		for (size_t i = 0; i < g.person_count; i++) {
			for (int k = 0; k < 3; k++)
				g.people[i].state[k] = "?";
			g.people[i].leave_days = -2;
		}
		for (size_t i = 0; i < g.account_count; i++) {
			g.accounts[i].unknown_added = true;
			for (int k = 0; k < PRODUCTS; k++)
				g.accounts[i].last_days[k] = g.accounts[i].added_days[k] = -2;
		}
		outcome_make(&g, 0, &o);
		for (int u = 0; u < PLAN_URGENCY_COUNT; u++)
			for (size_t i = 0;
			     o.result->plans[u] && i < o.result->plans[u]->actions.n; i++) {
				const struct action *a = &o.result->plans[u]->actions.v[i];

				/* what no source explains rests on no value of a record; what
				   was invited on the account */
				if (strcmp(a->rule, "orphan") != 0)
					fail_msg("seed %llu: %s by %s",
						 (unsigned long long)seed,
						 action_kinds[a->kind].word, a->rule);
				c.passing++;
			}
		outcome_done(&o);
	}
	assert_true(c.passing > 0);
}

/* Distinct persons (accounts where there is none) that a class acts on, counted anew. */
static size_t subjects_of(const struct outcome *o, const struct gen_world *g,
			  enum plan_class class)
{
	bool seen[PEOPLE_MOST + ACCOUNTS_MOST] = { false };
	size_t n = 0;

	for (int u = 0; u < PLAN_URGENCY_COUNT; u++)
		for (size_t i = 0; o->result->plans[u] && i < o->result->plans[u]->actions.n;
		     i++) {
			const struct action *a = &o->result->plans[u]->actions.v[i];
			int person = g->accounts[a->account - 100].person;
			size_t who = person >= 0 ? (size_t)person
						 : PEOPLE_MOST + (size_t)(a->account - 100);

			if (a->class != class || !action_kinds[a->kind].destructive ||
			    a->verdict != VERDICT_PASS ||
			    (person >= 0 && g->people[person].expected))
				continue;
			n += !seen[who];
			seen[who] = true;
		}
	return n;
}

static size_t past_leavers(const struct gen_world *g, int days)
{
	size_t n = 0;

	for (int i = 0; i < 4; i++)
		n += g->counted_days[i] < days;
	return n;
}

static void test_limits_are_kept(void **state)
{
	size_t held = 0, free_ones = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct gen_world g;
		struct outcome o;
		const struct plan *urgent;
		size_t leavers;

		gen_make(seed, &g);
		outcome_make(&g, 0, &o);
		urgent = o.result->plans[PLAN_URGENT];
		leavers = subjects_of(&o, &g, PLAN_LEAVER);
		/* shares of two dozen people are below the counts */
		if (urgent && !urgent->held &&
		    (leavers + past_leavers(&g, 1) > 3 || leavers + past_leavers(&g, 7) > 6) &&
		    leavers > 0) {
			size_t in_urgent = 0;

			for (size_t i = 0; i < urgent->actions.n; i++)
				in_urgent += urgent->actions.v[i].verdict == VERDICT_PASS;
			if (in_urgent)
				fail_msg("seed %llu: %zu leavers in a free plan",
					 (unsigned long long)seed, leavers);
		}
		held += urgent && urgent->held;
		free_ones += urgent && !urgent->held;
		outcome_done(&o);
	}
	if (held < 20 || free_ones < 20)
		fail_msg("%zu plans held, %zu free: the worlds prove nothing", held, free_ones);
}

/* What the organisation looks like when all that passes was done, in the hour of the plan. */
static void apply_passing(void *ctx, const struct outcome *o, const struct action *a)
{
	struct gen_world *g = ctx;
	struct gen_account *account = &g->accounts[a->account - 100];
	int product = a->product && strcmp(a->product, "confluence") == 0;

	(void)o;
	switch (a->kind) {
	case ACTION_WARN:
		account->warned_days[product] = 0;
		break;
	case ACTION_FREE_SEAT:
		account->seat[product] = false;
		for (size_t i = 0; i < a->step_count; i++)
			if (a->steps[i].group)
				account->groups &= ~(1u << (a->steps[i].group[1] - '0'));
		break;
	case ACTION_SUSPEND:
		account->status = "suspended";
		account->status_days = 0;
		break;
	case ACTION_DEACTIVATE:
		account->status = "deactivated";
		account->status_days = 0;
		break;
	case ACTION_REVOKE_TOKENS:
		account->tokens = "no";
		break;
	default:
		break;
	}
}

static void nothing_left(void *ctx, const struct outcome *o, const struct action *a)
{
	char due[STAMP_TEXT_BYTES];

	(void)o;
	stamp_text(a->due_ms, due);
	fail_msg("seed %llu: still wanted: %s of account %llu %s by %s, due %s",
		 (unsigned long long)*(uint64_t *)ctx, action_kinds[a->kind].word,
		 (unsigned long long)a->account, a->product ? a->product : "", a->rule, due);
}

static void test_a_world_with_its_plan_applied_wants_nothing_more(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct gen_world g, after;
		struct outcome o, again;

		gen_make(seed, &g);
		outcome_make(&g, 0, &o);
		after = g;
		each_passing(&o, apply_passing, &after);
		outcome_make(&after, 0, &again);
		each_passing(&again, nothing_left, &seed);
		outcome_done(&o);
		outcome_done(&again);
	}
}

/* Each action that passes is judged the same way alone; made false, it is not wanted. */
static void judge_passing(void *ctx, const struct outcome *o, const struct action *a)
{
	struct checking *c = ctx;
	struct action_identity id = { .kind = a->kind,
				      .rule = a->rule,
				      .person = a->person,
				      .account = a->account,
				      .product = a->product,
				      .site = a->site,
				      .due_ms = a->due_ms };
	struct judgement j;
	struct err err;

	assert_ok(reconcile_judge(o->facts, o->policy, &id, &j, &err), &err);
	if (j.verdict == JUDGE_WANTED)
		c->passing++;
	else if (a->due_ms <= o->facts->round.now_ms || j.verdict != JUDGE_NOT_WANTED)
		fail_msg("seed %llu: %s of %llu by %s is judged %d: %s",
			 (unsigned long long)c->seed, action_kinds[a->kind].word,
			 (unsigned long long)a->account, a->rule, (int)j.verdict, j.text);
	id.person = a->person + 1000;
	assert_ok(reconcile_judge(o->facts, o->policy, &id, &j, &err), &err);
	assert_int_equal(j.verdict, JUDGE_NOT_WANTED);
	id.person = a->person;
	id.rule = "no-such-rule";
	assert_ok(reconcile_judge(o->facts, o->policy, &id, &j, &err), &err);
	assert_int_equal(j.verdict, JUDGE_NOT_WANTED);
}

static void test_judging_one_agrees_with_the_round(void **state)
{
	struct checking c = { 0 };

	(void)state;
	for (c.seed = 1; c.seed <= SEEDS; c.seed++) {
		struct gen_world g;
		struct outcome o;

		gen_make(c.seed, &g);
		outcome_make(&g, 0, &o);
		each_passing(&o, judge_passing, &c);
		outcome_done(&o);
	}
	assert_true(c.passing > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_order_of_rows_never_matters),
		cmocka_unit_test(test_what_forbids_is_never_passed),
		cmocka_unit_test(test_unknown_never_acts),
		cmocka_unit_test(test_limits_are_kept),
		cmocka_unit_test(test_a_world_with_its_plan_applied_wants_nothing_more),
		cmocka_unit_test(test_judging_one_agrees_with_the_round),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	zone_done();
	return r;
}
