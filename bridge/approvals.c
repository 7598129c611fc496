#include "bridge/approvals.h"

#include "base/enc.h"
#include "model/statement.h"

#define APPROVALS_RELEASED_MOST 32 /* guards of a plan, and as many of one action */
#define APPROVERS_MOST 16

/* One decision: what it names, as bits of the plan's actions. */
struct given {
	struct digest digest;
	enum decision_kind kind;
	bool person, ours, all; /* ours: about these bytes; all: "*" */
	int64_t ms, alone_ms;
	int64_t at_ms; /* when it was signed; 0: it is not */
	char *who, *guards;
	uint64_t *names; /* bit n - 1; NULL with all */
};
VEC(vec_given, struct given);

struct approvals {
	const struct plan *plan;
	struct digest digest;
	struct vec_given given;
	uint64_t *named;   /* by any approval */
	uint64_t *refused; /* by a refusal of a part, after which nobody approved it */
	bool all_named, signed_only, single_admin;
	int64_t delay_ms;                                  /* of one administrator's word */
	const char *released[2 * APPROVALS_RELEASED_MOST]; /* of the last action asked for */
};

static size_t words_of(const struct plan *plan)
{
	return plan->actions.n / 64 + 1;
}

static bool bit_of(const uint64_t *bits, uint32_t n)
{
	return bits[(n - 1) / 64] >> ((n - 1) % 64) & 1;
}

static void given_done(struct given *g)
{
	free(g->who);
	free(g->guards);
	free(g->names);
}

int approvals_new(struct approvals **ret, const struct plan *plan, const struct digest *digest,
		  struct err *err)
{
	CLEANUP(approvals_free_at) struct approvals *a = calloc(1, sizeof(*a));

	if (!a)
		return err_nomem(err);
	a->plan = plan;
	a->digest = *digest;
	a->named = calloc(words_of(plan), sizeof(*a->named));
	a->refused = calloc(words_of(plan), sizeof(*a->refused));
	if (!a->named || !a->refused)
		return err_nomem(err);
	*ret = TAKE(a);
	return 0;
}

void approvals_free(struct approvals *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->given.n; i++)
		given_done(&a->given.v[i]);
	vec_given_done(&a->given);
	free(a->named);
	free(a->refused);
	free(a);
}

/* "1,2,5" as bits. What is no number of an action names nothing. */
static void names_read(const struct plan *plan, struct str list, uint64_t *bits)
{
	struct str item, rest = list;
	uint64_t n;

	while (rest.len) {
		str_cut(rest, ',', &item, &rest);
		if (str_uint64(str_trim(item), &n) && n >= 1 && n <= plan->actions.n)
			bits[(n - 1) / 64] |= UINT64_C(1) << ((n - 1) % 64);
	}
}

void approvals_signed_only(struct approvals *a)
{
	a->signed_only = true;
}

void approvals_single_admin(struct approvals *a, int64_t delay_ms)
{
	a->single_admin = true;
	a->delay_ms = delay_ms;
}

/* Whether the row is what its statement says, signed by the key that it names, which is still
 * its owner's. A row alone proves nothing: whoever can write the database can write rows. */
static bool is_signed(const struct decision *d, struct given *g)
{
	char hex[DIGEST_HEX_BYTES];
	struct statement s;
	struct err ignored;

	if (!d->stands || d->key.len != DIGEST_PUB_BYTES ||
	    statement_parse(d->statement, &s, &ignored) < 0 || !statement_signed(&s))
		return false;
	g->at_ms = s.at_ms;
	/* who signs for two typed how many that are: it stands in what was signed */
	if (!str_starts(s.field[STATEMENT_DETAIL], STR("{\"count\":")))
		g->alone_ms = 0;
	digest_hex(&d->digest, hex);
	return secret_memequal(s.key, d->key.p, DIGEST_PUB_BYTES) &&
	       str_starts(d->who, STR("approver:")) &&
	       str_eq(s.field[STATEMENT_WHO], str_n(d->who.p + sizeof("approver:") - 1,
						    d->who.len - (sizeof("approver:") - 1))) &&
	       statement_is(&s, STATEMENT_ABOUT, "plan") &&
	       statement_is(&s, STATEMENT_DECISION, decision_words[d->kind]) &&
	       statement_is(&s, STATEMENT_DIGEST, hex) &&
	       str_eq(s.field[STATEMENT_ACTIONS], d->actions) &&
	       str_eq(s.field[STATEMENT_GUARDS], d->guards);
}

int approvals_add(void *ctx, const struct decision *d, struct err *err)
{
	struct approvals *a = ctx;
	struct given g = {
		.digest = d->digest,
		.kind = d->kind,
		.person = d->person,
		.ours = digest_equal(&d->digest, &a->digest),
		.all = str_eq(d->actions, STR("*")),
		.ms = d->ms,
		.alone_ms = d->alone_ms,
		.who = str_dup(d->who),
		.guards = str_dup(d->guards),
		.names = calloc(words_of(a->plan), sizeof(*g.names)),
	};
	bool lifts;

	if (!g.who || !g.guards || !g.names) {
		given_done(&g);
		return err_nomem(err);
	}
	/* it says that it is signed, and is not (any more): nobody's word */
	if (d->person && !is_signed(d, &g)) {
		given_done(&g);
		return 0;
	}
	if (vec_given_add(&a->given, g) < 0) {
		given_done(&g);
		return err_nomem(err);
	}
	names_read(a->plan, d->actions, g.names);
	/* whose word does not count lifts no refusal */
	lifts = g.ours && (d->person || !a->signed_only);
	for (size_t i = 0; i < words_of(a->plan); i++) {
		if (d->kind == DECISION_REJECT && g.ours)
			a->refused[i] |= g.names[i];
		if (d->kind != DECISION_APPROVE)
			continue;
		a->named[i] |= g.names[i];
		if (lifts)
			a->refused[i] &= g.all ? 0 : ~g.names[i];
	}
	a->all_named = a->all_named || (d->kind == DECISION_APPROVE && g.all);
	return 0;
}

bool approvals_name(const struct approvals *a, const struct action *action)
{
	return (a->all_named || bit_of(a->named, action->n)) && !bit_of(a->refused, action->n);
}

static bool names_action(const struct given *g, const struct action *action)
{
	return g->all || bit_of(g->names, action->n);
}

static bool names_guard(const struct given *g, const char *guard)
{
	struct str item, rest = str_of(g->guards);

	while (rest.len) {
		str_cut(rest, ' ', &item, &rest);
		if (str_eq(str_trim(item), str_of(guard)))
			return true;
	}
	return false;
}

/* --- who ------------------------------------------------------------------------------------
 */

/* From when on one word stands for two: what the row says, and not before the delay after it
 * was signed, for anybody with an editor can write a row. 0: it stands for one. */
static int64_t alone_from(const struct approvals *a, const struct given *g)
{
	int64_t least_ms = g->at_ms ? g->at_ms + a->delay_ms : 0;

	if (!a->single_admin || g->alone_ms <= 0)
		return 0;
	return g->alone_ms > least_ms ? g->alone_ms : least_ms;
}

/* Distinct people behind some decisions. */
struct approvers {
	const char *names[APPROVERS_MOST];
	unsigned n; /* who signed */
	bool bare;  /* somebody who did not, and counts where one is enough */
	bool alone; /* one administrator's word for two */
};

static void approver_add(struct approvers *a, const struct given *g, bool alone,
			 bool bare_counts)
{
	if (!g->person && !bare_counts)
		return;
	a->alone = a->alone || alone;
	a->bare = a->bare || !g->person;
	if (!g->person || a->n == APPROVERS_MOST)
		return;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->names[i], g->who) == 0)
			return;
	a->names[a->n++] = g->who;
}

/* Where one is enough somebody who did not sign is one; where two are needed only those count
 * who signed, so that two logins of one administrator are never two people. */
static unsigned approvers_count(const struct approvers *a, unsigned needs)
{
	if (needs <= 1)
		return a->n ? a->n : a->bare || a->alone;
	return a->n < needs && a->alone ? needs : a->n;
}

static bool bare_counts(const struct approvals *a, const struct action *action)
{
	return !a->signed_only || (action->rule && strcmp(action->rule, ORDER_BLOCK) == 0);
}

/* --- guards ---------------------------------------------------------------------------------
 */

/* How many persons released a guard of the whole plan, as far as this action goes. */
static unsigned plan_released_by(const struct approvals *a, const struct action *action,
				 const char *guard, unsigned needs)
{
	struct approvers by = { .n = 0 };

	for (size_t i = 0; i < a->given.n; i++) {
		const struct given *g = &a->given.v[i];

		if (g->ours && g->kind != DECISION_REJECT &&
		    (g->kind == DECISION_RELEASE || names_action(g, action)) &&
		    names_guard(g, guard))
			approver_add(&by, g, alone_from(a, g) > 0, bare_counts(a, action));
	}
	return approvers_count(&by, needs);
}

/* What holds one action is released only by an approval that names both. */
static unsigned action_released_by(const struct approvals *a, const struct action *action,
				   const char *guard, unsigned needs)
{
	struct approvers by = { .n = 0 };

	for (size_t i = 0; i < a->given.n; i++) {
		const struct given *g = &a->given.v[i];

		if (g->ours && g->kind == DECISION_APPROVE && names_action(g, action) &&
		    names_guard(g, guard))
			approver_add(&by, g, alone_from(a, g) > 0, bare_counts(a, action));
	}
	return approvers_count(&by, needs);
}

int64_t approvals_released_ms(const struct approvals *a, const char *guard)
{
	int64_t ms = 0;

	for (size_t i = 0; i < a->given.n; i++) {
		const struct given *g = &a->given.v[i];

		if (g->ours && g->kind == DECISION_RELEASE && names_guard(g, guard) &&
		    (g->person || !a->signed_only) && g->ms > ms)
			ms = g->ms;
	}
	return ms;
}

/* Each guard of this name has as many persons as it needs: two sources may be over the same
 * limit, one of them so far that it takes two. */
static bool plan_guard_released(const struct approvals *a, const struct action *action,
				const char *name)
{
	const struct vec_guard *guards = &a->plan->guards;
	for (size_t i = 0; i < guards->n; i++) {
		const struct plan_guard *g = &guards->v[i];

		if (strcmp(g->name, name) == 0 && g->verdict != GUARD_PASS &&
		    (!g->needs || plan_released_by(a, action, name, g->needs) < g->needs))
			return false;
	}
	return true;
}

/* Names of the guards that the decisions release for this action. */
static size_t released_list(struct approvals *a, const struct action *action)
{
	const struct vec_guard *guards = &a->plan->guards;
	unsigned needs = action->needs ? action->needs : 1;
	size_t n = 0;

	for (size_t i = 0; i < guards->n && n < APPROVALS_RELEASED_MOST; i++)
		if (guards->v[i].needs && plan_guard_released(a, action, guards->v[i].name))
			a->released[n++] = guards->v[i].name;
	for (size_t i = 0; i < action->held_count && i < APPROVALS_RELEASED_MOST; i++)
		if (action_released_by(a, action, action->held_by[i], needs) >= needs)
			a->released[n++] = action->held_by[i];
	return n;
}

/* --- one action -----------------------------------------------------------------------------
 */

bool approvals_of(struct approvals *a, const struct action *action, struct apply_approval *ret)
{
	struct apply_approval found = { .released = a->released };
	struct approvers by = { .n = 0 };
	bool any = false;

	if (!approvals_name(a, action))
		return false;
	for (size_t i = 0; i < a->given.n; i++) {
		const struct given *g = &a->given.v[i];

		if (g->kind != DECISION_APPROVE || !names_action(g, action))
			continue;
		if (g->ours || !any)
			found.digest = g->digest;
		any = true;
		if (!g->ours)
			continue;
		if (strcmp(g->who, "policy") == 0)
			found.policy = true;
		else
			approver_add(&by, g, alone_from(a, g) > 0, bare_counts(a, action));
		if (alone_from(a, g) > found.approved_ms)
			found.approved_ms = alone_from(a, g);
		if (g->ms > found.approved_ms)
			found.approved_ms = g->ms;
	}
	found.persons = approvers_count(&by, action->needs);
	found.released_count = released_list(a, action);
	*ret = found;
	return any;
}

int64_t approvals_wait_ms(const struct approvals *a, const struct action *action)
{
	struct approvers by = { .n = 0 };
	int64_t wait_ms = 0;

	for (size_t i = 0; i < a->given.n; i++) {
		const struct given *g = &a->given.v[i];

		if (!g->ours || g->kind == DECISION_REJECT ||
		    (g->kind == DECISION_APPROVE && !names_action(g, action)))
			continue;
		if (g->kind == DECISION_APPROVE)
			approver_add(&by, g, alone_from(a, g) > 0, true);
		if (alone_from(a, g) > wait_ms)
			wait_ms = alone_from(a, g);
	}
	return by.n >= 2 ? 0 : wait_ms;
}

int64_t approvals_wait_all_ms(const struct approvals *a, const struct action *action)
{
	int64_t wait_ms = approvals_wait_ms(a, action);

	for (size_t i = 0; i < action->with_count; i++) {
		uint32_t n = action->with[i];
		int64_t other_ms = n >= 1 && n <= a->plan->actions.n
					   ? approvals_wait_ms(a, &a->plan->actions.v[n - 1])
					   : 0;

		wait_ms = other_ms > wait_ms ? other_ms : wait_ms;
	}
	return wait_ms;
}

static bool is_released(const struct apply_approval *approval, const char *guard)
{
	for (size_t i = 0; i < approval->released_count; i++)
		if (strcmp(approval->released[i], guard) == 0)
			return true;
	return false;
}

const char *approvals_lack(const struct approvals *a, const struct apply_approval *approval,
			   const struct action *action)
{
	const struct vec_guard *of_plan = &a->plan->guards;

	for (size_t i = 0; action->verdict == VERDICT_HELD && i < action->held_count; i++)
		if (!is_released(approval, action->held_by[i]))
			return action->held_by[i];
	for (size_t i = 0; i < of_plan->n; i++)
		if (of_plan->v[i].verdict == GUARD_HOLD_PLAN &&
		    !is_released(approval, of_plan->v[i].name))
			return of_plan->v[i].name;
	return NULL;
}

bool approvals_cover(const struct approvals *a, const struct apply_approval *approval,
		     const struct action *action)
{
	return approvals_lack(a, approval, action) == NULL;
}

bool approvals_enough(const struct approvals *a, const struct apply_approval *approval,
		      const struct action *action)
{
	unsigned needs = action->needs ? action->needs : 1;

	if (!digest_equal(&approval->digest, &a->digest))
		return approvals_cover(a, approval, action);
	return approvals_cover(a, approval, action) &&
	       (approval->policy || approval->persons >= needs);
}
