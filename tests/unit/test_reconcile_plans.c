/*
 * Golden plans: each folder of tests/data/plans is a world (world.txt, policy.yaml where it has
 * a policy of its own), what must come of it and why (expect.txt, written by hand before the
 * plan existed), and the bytes of the plans (plan.json). With GOLDEN=write the bytes are
 * written anew; expect.txt never is.
 *
 *   act KIND ACCOUNT[/PRODUCT@SITE] RULE            nothing holds it
 *   held KIND ACCOUNT[/PRODUCT@SITE] RULE GUARDS    held by exactly these
 *   not ACCOUNT WHY                                 no action about it at all
 *   hold urgent|routine GUARD                       the whole plan is held by it
 *   free urgent|routine                             the plan is not held
 *   guard NAME / no-guard NAME                      the round names that doubt, or does not
 *   needs N KIND ACCOUNT     automatic KIND ACCOUNT     by-hand KIND ACCOUNT
 *   due KIND ACCOUNT TIME
 *   step ACCOUNT/PRODUCT@SITE OP WHAT               with ACCOUNT/PRODUCT@SITE PRODUCT@SITE
 *   kept ACCOUNT/PRODUCT@SITE WORDS                 a path that stays says so
 *   gives ACCOUNT OP ITEMS TO RUNG                  exactly these ids, to that account
 *   no-gift ACCOUNT ID                              no step gives it
 *   inventory ACCOUNT / no-inventory ACCOUNT        what it owns is to be read, or not
 *   link ACCOUNT|SOURCE/KEY PERSON RULE             doubt KIND ACCOUNT|SOURCE/KEY
 *   finding KIND [RULE]      supersedes PLAN N      orphans N    pending N   later N
 *
 *   does KIND ACCOUNT OP...                         its steps, all of them
 *   anchor KIND ACCOUNT TIME                        what its clock counts from
 *   evidence KIND ACCOUNT PATH VALUE [SOURCE]       what it rests on
 *   present TEXT / absent TEXT                      the plans' bytes hold it, or do not
 * person:N instead of an ACCOUNT is a record of the provisioning directory of no account yet.
 *
 * Every action of both plans must be named by an act or a held line.
 */
#include <dirent.h>

#include "base/zone.h"
#include "tests/unit/plan_world.h"

#define FOLDER "tests/data/plans"
#define CASES_MOST 300
#define CASES_LEAST 120

/*
 * Wishes of users that the judgement answers: every disaster, and whatever must be had of
 * identity, joiners, movers and leavers, licences and audit. Each has a folder named by its
 * number, w42-...
 */
static const int wishes[] = {
	1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,     /* disasters */
	33, 34, 35, 36, 38, 39,                                 /* identity */
	41, 42, 43, 44, 46,                                     /* joiners, movers, leavers */
	59, 60, 61, 64, 65,                                     /* licences */
	66, 67, 68, 69, 70, 72, 74,                             /* audit */
	49, 50, 51, 53, 54, 57,                                 /* what they own */
	14, 15, 16, 17, 18, 20, 24, 25, 26, 27, 28, 29, 30, 31, /* what is missing today */
	76, 77, 78,                                             /* tools */
};

struct golden {
	const char *name;
	struct policy *policy;
	struct plan_world world, expect;
	struct facts *facts;
	struct reconcile_result *result;
	bool *seen[PLAN_URGENCY_COUNT]; /* actions that a line names */
};

static char *file_read(const char *name, const char *file)
{
	char path[512], *text;
	struct buf b;
	FILE *f;
	int c;

	(void)snprintf(path, sizeof(path), FOLDER "/%s/%s", name, file);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	buf_init(&b, 1 << 22);
	while ((c = getc(f)) != EOF)
		buf_add_char(&b, (char)c);
	(void)fclose(f);
	text = buf_take(&b, NULL);
	return text ? text : strdup("");
}

static void file_write(const char *name, const char *file, const char *text)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), FOLDER "/%s/%s", name, file);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void policy_of(struct golden *g)
{
	CLEANUP(free_at) char *text = file_read(g->name, "policy.yaml");
	CLEANUP(free_at) struct policy_provision_group_conf *groups = NULL;
	struct policy_provision_conf provision;
	struct policy_conf conf = { 0 };
	struct conf_faults faults = { 0 };
	bool provisioned = world_provision_conf(&g->world, &provision, &groups);
	struct err err;

	if (!text && !provisioned) {
		assert_ok(policy_bind(NULL, NULL, &g->policy, &err), &err);
		return;
	}
	if (conf_read_text(g->name, str_of(text ? text : "{}\n"), policy_keys, &conf, &faults,
			   &err) < 0)
		fail_msg("%s", err.text);
	if (provisioned) {
		conf.provision = &provision;
		conf.provision_count = 1;
	}
	if (policy_bind(&conf, &faults, &g->policy, &err) < 0)
		fail_msg("%s", err.text);
	conf_free(policy_keys, &conf);
	conf_faults_free(&faults);
}

/* --- what lines speak of --- */

static uint64_t number_of(const struct golden *g, const char *account)
{
	for (size_t i = 0; i < g->world.n; i++) {
		const struct world_line *l = &g->world.lines[i];

		if (strcmp(l->words[0], "account") == 0 && strcmp(l->words[1], account) == 0)
			return world_number(l, "number");
	}
	fail_msg("%s: expect.txt names account %s, which the world has not", g->name, account);
	return 0;
}

/* ACCOUNT[/PRODUCT@SITE], person:N */
struct thing {
	uint64_t account, person; /* person: of no account */
	char product[64], site[64];
};

static struct thing thing_of(const struct golden *g, const char *word)
{
	struct thing t = { 0 };
	struct str account, rest, product, site;
	char name[128];

	if (str_starts(str_of(word), STR("person:"))) {
		assert_true(str_uint64(str_of(word + 7), &t.person));
		return t;
	}
	str_cut(str_of(word), '/', &account, &rest);
	(void)snprintf(name, sizeof(name), STR_FMT, STR_ARG(account));
	t.account = number_of(g, name);
	str_cut(rest, '@', &product, &site);
	(void)snprintf(t.product, sizeof(t.product), STR_FMT, STR_ARG(product));
	(void)snprintf(t.site, sizeof(t.site), STR_FMT, STR_ARG(site));
	return t;
}

static const struct action *action_of(const struct golden *g, const char *kind,
				      const char *word, bool see)
{
	struct thing t = thing_of(g, word);
	const struct action *again = NULL; /* one that another line saw */
	enum action_kind k;

	if (!action_kind_of(str_of(kind), &k))
		fail_msg("%s: there is no kind %s", g->name, kind);
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		for (size_t i = 0; g->result->plans[u] && i < g->result->plans[u]->actions.n;
		     i++) {
			const struct action *a = &g->result->plans[u]->actions.v[i];

			if (a->account != t.account || a->kind != k ||
			    (t.person && a->person != t.person) ||
			    strcmp(a->product ? a->product : "", t.product) != 0 ||
			    strcmp(a->site ? a->site : "", t.site) != 0)
				continue;
			if (see && g->seen[u][i]) {
				again = a;
				continue;
			}
			if (see)
				g->seen[u][i] = true;
			return a;
		}
	}
	if (again)
		return again;
	fail_msg("%s: there is no %s of %s", g->name, kind, word);
	return NULL;
}

static void held_text(const struct action *a, char *ret, size_t room)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < a->held_count && at < room; i++)
		at += (size_t)snprintf(ret + at, room - at, "%s%s", i ? "," : "",
				       a->held_by[i]);
}

static void check_act(struct golden *g, const struct world_line *l, bool held)
{
	const struct action *a = action_of(g, l->words[1], l->words[2], true);
	char by[512];

	held_text(a, by, sizeof(by));
	if (strcmp(a->rule, l->words[3]) != 0)
		fail_msg("%s: %s of %s is by %s, not by %s", g->name, l->words[1], l->words[2],
			 a->rule, l->words[3]);
	if (strcmp(by, held ? l->words[4] : "") != 0)
		fail_msg("%s: %s of %s is held by [%s]: %s", g->name, l->words[1], l->words[2],
			 by, a->held_count ? a->says[0] : "");
}

static void check_not(struct golden *g, const struct world_line *l)
{
	bool person = strncmp(l->words[1], "person:", 7) == 0;
	uint64_t number =
		person ? strtoull(l->words[1] + 7, NULL, 10) : number_of(g, l->words[1]);

	for (int u = 0; u < PLAN_URGENCY_COUNT; u++)
		for (size_t i = 0; g->result->plans[u] && i < g->result->plans[u]->actions.n;
		     i++)
			if ((person ? g->result->plans[u]->actions.v[i].person
				    : g->result->plans[u]->actions.v[i].account) == number)
				fail_msg("%s: %s by %s is about %s", g->name,
					 action_kinds[g->result->plans[u]->actions.v[i].kind]
						 .word,
					 g->result->plans[u]->actions.v[i].rule, l->words[1]);
}

static void check_plan(struct golden *g, const struct world_line *l, bool held)
{
	const struct plan *plan = g->result->plans[strcmp(l->words[1], "routine") == 0];
	bool found = false;

	if (!plan)
		fail_msg("%s: there is no %s plan", g->name, l->words[1]);
	for (size_t i = 0; i < plan->guards.n; i++)
		found = found || (plan->guards.v[i].verdict == GUARD_HOLD_PLAN &&
				  (!held || strcmp(plan->guards.v[i].name, l->words[2]) == 0));
	if (plan->held != held || found != held)
		fail_msg("%s: the %s plan is%s held%s%s", g->name, l->words[1],
			 plan->held ? "" : " not", held ? " by " : "", held ? l->words[2] : "");
}

static void check_guard(struct golden *g, const struct world_line *l, bool there)
{
	bool found = false;

	for (size_t i = 0; i < g->result->guards.n; i++)
		found = found || strcmp(g->result->guards.v[i].name, l->words[1]) == 0;
	if (found != there)
		fail_msg("%s: guard %s is%s there", g->name, l->words[1], found ? "" : " not");
}

static void check_due(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, l->words[1], l->words[2], false);
	char due[STAMP_TEXT_BYTES];

	stamp_text(a->due_ms, due);
	if (strcmp(due, l->words[3]) != 0)
		fail_msg("%s: %s of %s is due %s", g->name, l->words[1], l->words[2], due);
}

static void check_anchor(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, l->words[1], l->words[2], false);
	char anchor[STAMP_TEXT_BYTES];

	stamp_text(a->anchor_ms, anchor);
	if (strcmp(anchor, l->words[3]) != 0)
		fail_msg("%s: %s of %s counts from %s", g->name, l->words[1], l->words[2],
			 anchor);
}

static void check_evidence(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, l->words[1], l->words[2], false);

	for (size_t i = 0; i < a->evidence_count; i++) {
		const struct action_evidence *e = &a->evidence[i];

		if (strcmp(e->path, l->words[3]) == 0 && e->value &&
		    strcmp(e->value, l->words[4]) == 0 &&
		    (l->n < 6 || strcmp(e->source, l->words[5]) == 0))
			return;
	}
	fail_msg("%s: %s of %s does not say that %s is %s (%s)", g->name, l->words[1],
		 l->words[2], l->words[3], l->words[4], a->reason);
}

static void check_text(struct golden *g, const struct world_line *l)
{
	CLEANUP(free_at) char *bytes = world_bytes(g->result);
	bool wanted = l->words[0][0] == 'p';

	if ((strstr(bytes, l->words[1]) != NULL) != wanted)
		fail_msg("%s: the plans %s \"%s\":\n%s", g->name, wanted ? "do not say" : "say",
			 l->words[1], bytes);
}

static void check_does(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, l->words[1], l->words[2], false);

	if (a->step_count != l->n - 3)
		fail_msg("%s: %s of %s has %zu steps", g->name, l->words[1], l->words[2],
			 a->step_count);
	for (size_t i = 0; i < a->step_count; i++)
		if (strcmp(step_ops[a->steps[i].op].word, l->words[3 + i]) != 0)
			fail_msg("%s: %s of %s does %s, not %s", g->name, l->words[1],
				 l->words[2], step_ops[a->steps[i].op].word, l->words[3 + i]);
}

static void check_step(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, "free-seat", l->words[1], false);
	bool found = false;

	for (size_t i = 0; i < a->step_count; i++) {
		const struct action_step *s = &a->steps[i];
		const char *what = s->group ? s->group : s->role;

		found = found || (strcmp(step_ops[s->op].word, l->words[2]) == 0 && what &&
				  strcmp(what, l->words[3]) == 0);
	}
	if (!found)
		fail_msg("%s: no step %s %s for %s", g->name, l->words[2], l->words[3],
			 l->words[1]);
}

static void items_text(const struct action_step *s, char *ret, size_t room)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < s->item_count && at < room; i++)
		at += (size_t)snprintf(ret + at, room - at, "%s%s", i ? "," : "", s->items[i]);
}

static void check_gives(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, "hand-over", l->words[1], false);
	uint64_t to = number_of(g, l->words[4]), from = number_of(g, l->words[1]);
	char items[512] = "";

	for (size_t i = 0; i < a->step_count; i++) {
		const struct action_step *s = &a->steps[i];

		if (strcmp(step_ops[s->op].word, l->words[2]) != 0 || s->to != to)
			continue;
		items_text(s, items, sizeof(items));
		if (strcmp(items, l->words[3]) != 0)
			continue;
		if (strcmp(s->name, l->words[5]) != 0 || s->from != from)
			fail_msg("%s: %s goes to %s as %s, from %llu", g->name, items,
				 l->words[4], s->name, (unsigned long long)s->from);
		return;
	}
	fail_msg("%s: no step %s of %s to %s (the last there gives %s)", g->name, l->words[2],
		 l->words[3], l->words[4], items);
}

static void check_no_gift(struct golden *g, const struct world_line *l)
{
	uint64_t account = number_of(g, l->words[1]);

	for (int u = 0; u < PLAN_URGENCY_COUNT; u++)
		for (size_t i = 0; g->result->plans[u] && i < g->result->plans[u]->actions.n;
		     i++) {
			const struct action *a = &g->result->plans[u]->actions.v[i];

			for (size_t s = 0; a->account == account && s < a->step_count; s++)
				for (size_t k = 0; k < a->steps[s].item_count; k++)
					if (strcmp(a->steps[s].items[k], l->words[2]) == 0)
						fail_msg("%s: %s is given", g->name,
							 l->words[2]);
		}
}

static void check_inventory(struct golden *g, const struct world_line *l, bool wanted)
{
	uint64_t account = number_of(g, l->words[1]);
	bool found = false;

	for (size_t i = 0; i < g->result->inventories.n; i++)
		found = found || g->result->inventories.v[i] == account;
	if (found != wanted)
		fail_msg("%s: what %s owns is%s to be read", g->name, l->words[1],
			 found ? "" : " not");
}

static void check_with(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, "free-seat", l->words[1], false);
	struct thing t = thing_of(g, l->words[1]);
	bool found = false;

	for (size_t i = 0; i < a->with_count; i++) {
		const struct action *other =
			&g->result->plans[PLAN_ROUTINE]->actions.v[a->with[i] - 1];
		char name[160];

		(void)snprintf(name, sizeof(name), "%s@%s", other->product, other->site);
		found = found ||
			(other->account == t.account && strcmp(name, l->words[2]) == 0);
	}
	if (!found)
		fail_msg("%s: %s does not go with %s", g->name, l->words[1], l->words[2]);
}

static void check_kept(struct golden *g, const struct world_line *l)
{
	const struct action *a = action_of(g, "free-seat", l->words[1], false);
	bool found = false;

	for (size_t i = 0; i < a->kept_count; i++)
		found = found || strstr(a->kept[i], l->words[2]);
	if (!found)
		fail_msg("%s: no path of %s says \"%s\" (%s)", g->name, l->words[1],
			 l->words[2], a->kept_count ? a->kept[0] : "none stays");
}

/* ACCOUNT or SOURCE/KEY of a link or a doubt */
static bool names_row(const struct golden *g, const char *word, bool account, uint32_t row)
{
	const struct facts *f = g->facts;
	char name[256];

	if (row == FACTS_NONE)
		return false;
	if (account)
		return str_eq(str_of(word), pool_str(&f->pool, f->accounts.v[row].id));
	(void)snprintf(name, sizeof(name), STR_FMT "/" STR_FMT,
		       STR_ARG(f->sources.v[f->records.v[row].source].in.name),
		       STR_ARG(pool_str(&f->pool, f->records.v[row].key)));
	return strcmp(name, word) == 0;
}

static void check_link(struct golden *g, const struct world_line *l)
{
	uint64_t person = 0;

	assert_true(str_uint64(str_of(l->words[2]), &person));
	for (size_t i = 0; i < g->result->links.n; i++) {
		const struct match_link *link = &g->result->links.v[i];

		if (!names_row(g, l->words[1], link->account, link->row))
			continue;
		if (link->person != person || !str_eq(link->rule, str_of(l->words[3])))
			fail_msg("%s: %s is linked to %llu by " STR_FMT, g->name, l->words[1],
				 (unsigned long long)link->person, STR_ARG(link->rule));
		return;
	}
	fail_msg("%s: %s is not linked", g->name, l->words[1]);
}

static void check_doubt(struct golden *g, const struct world_line *l)
{
	bool found = false;

	for (size_t i = 0; i < g->result->doubts.n; i++) {
		const struct match_doubt *d = &g->result->doubts.v[i];

		found = found || (strcmp(d->kind, l->words[1]) == 0 &&
				  (names_row(g, l->words[2], d->a_account, d->a_row) ||
				   names_row(g, l->words[2], d->b_account, d->b_row)));
	}
	if (!found)
		fail_msg("%s: there is no doubt %s about %s (%zu doubts, first %s)", g->name,
			 l->words[1], l->words[2], g->result->doubts.n,
			 g->result->doubts.n ? g->result->doubts.v[0].kind : "-");
}

static void check_finding(struct golden *g, const struct world_line *l)
{
	bool found = false;

	for (size_t i = 0; i < g->result->findings.n; i++) {
		const struct finding *f = &g->result->findings.v[i];

		found = found || (strcmp(f->kind, l->words[1]) == 0 &&
				  (l->n < 3 || strcmp(f->text, l->words[2]) == 0 ||
				   (f->rule && strcmp(f->rule, l->words[2]) == 0)));
	}
	if (!found)
		fail_msg("%s: there is no finding %s %s", g->name, l->words[1],
			 l->n < 3 ? "" : l->words[2]);
}

static void check_supersedes(struct golden *g, const struct world_line *l)
{
	const struct plan *plan = g->result->plans[PLAN_URGENT];
	bool found = false;
	uint64_t id, n;

	assert_non_null(plan);
	assert_true(str_uint64(str_of(l->words[1]), &id) &&
		    str_uint64(str_of(l->words[2]), &n));
	for (size_t i = 0; i < plan->supersedes.n; i++)
		found = found ||
			(plan->supersedes.v[i].plan == id && plan->supersedes.v[i].n == n);
	if (!found)
		fail_msg("%s: plan %s action %s is not superseded", g->name, l->words[1],
			 l->words[2]);
}

static void check_count(struct golden *g, const struct world_line *l)
{
	const struct reconcile_counts *c = &g->result->counts;
	uint64_t have = strcmp(l->words[0], "orphans") == 0   ? c->orphans
			: strcmp(l->words[0], "pending") == 0 ? c->pending
							      : c->later;
	uint64_t want;

	assert_true(str_uint64(str_of(l->words[1]), &want));
	if (have != want)
		fail_msg("%s: %s are %llu", g->name, l->words[0], (unsigned long long)have);
}

static void check_flag(struct golden *g, const struct world_line *l)
{
	bool needs = strcmp(l->words[0], "needs") == 0;
	uint64_t persons = 0;
	const struct action *a =
		action_of(g, l->words[needs ? 2 : 1], l->words[needs ? 3 : 2], false);

	if (needs && (!str_uint64(str_of(l->words[1]), &persons) || a->needs != persons))
		fail_msg("%s: %s needs %u persons", g->name, l->words[3], a->needs);
	if (!needs && a->automatic != (strcmp(l->words[0], "automatic") == 0))
		fail_msg("%s: %s of %s is%s automatic", g->name, l->words[1], l->words[2],
			 a->automatic ? "" : " not");
}

static void check_line(struct golden *g, const struct world_line *l)
{
	const char *word = l->words[0];

	if (strcmp(word, "act") == 0 || strcmp(word, "held") == 0)
		check_act(g, l, word[0] == 'h');
	else if (strcmp(word, "not") == 0)
		check_not(g, l);
	else if (strcmp(word, "hold") == 0 || strcmp(word, "free") == 0)
		check_plan(g, l, word[0] == 'h');
	else if (strcmp(word, "guard") == 0 || strcmp(word, "no-guard") == 0)
		check_guard(g, l, word[0] == 'g');
	else if (strcmp(word, "due") == 0)
		check_due(g, l);
	else if (strcmp(word, "step") == 0)
		check_step(g, l);
	else if (strcmp(word, "does") == 0)
		check_does(g, l);
	else if (strcmp(word, "anchor") == 0)
		check_anchor(g, l);
	else if (strcmp(word, "evidence") == 0)
		check_evidence(g, l);
	else if (strcmp(word, "present") == 0 || strcmp(word, "absent") == 0)
		check_text(g, l);
	else if (strcmp(word, "with") == 0)
		check_with(g, l);
	else if (strcmp(word, "kept") == 0)
		check_kept(g, l);
	else if (strcmp(word, "gives") == 0)
		check_gives(g, l);
	else if (strcmp(word, "no-gift") == 0)
		check_no_gift(g, l);
	else if (strcmp(word, "inventory") == 0 || strcmp(word, "no-inventory") == 0)
		check_inventory(g, l, word[0] == 'i');
	else if (strcmp(word, "link") == 0)
		check_link(g, l);
	else if (strcmp(word, "doubt") == 0)
		check_doubt(g, l);
	else if (strcmp(word, "finding") == 0)
		check_finding(g, l);
	else if (strcmp(word, "supersedes") == 0)
		check_supersedes(g, l);
	else if (strcmp(word, "needs") == 0 || strcmp(word, "automatic") == 0 ||
		 strcmp(word, "by-hand") == 0)
		check_flag(g, l);
	else if (strcmp(word, "orphans") == 0 || strcmp(word, "pending") == 0 ||
		 strcmp(word, "later") == 0)
		check_count(g, l);
	else
		fail_msg("%s: expect.txt has a line %s", g->name, word);
}

/* Nothing is done that nobody expected. */
static void check_all_seen(const struct golden *g)
{
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++)
		for (size_t i = 0; g->result->plans[u] && i < g->result->plans[u]->actions.n;
		     i++) {
			const struct action *a = &g->result->plans[u]->actions.v[i];
			char by[512];

			held_text(a, by, sizeof(by));
			if (!g->seen[u][i])
				fail_msg("%s: nobody expected %s of account %llu %s by %s "
					 "[%s]: %s",
					 g->name, action_kinds[a->kind].word,
					 (unsigned long long)a->account,
					 a->product ? a->product : "", a->rule, by, a->reason);
		}
}

/* --- the bytes --- */

/* The same bytes from the same rows in other orders. */
static void check_order(struct golden *g, const char *bytes)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		CLEANUP(facts_free_at) struct facts *f = NULL;
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
		CLEANUP(free_at) char *again = NULL;
		struct err err;

		world_shuffle(&g->world, seed);
		world_facts(&g->world, g->policy, &f);
		assert_ok(reconcile(f, g->policy, &result, &err), &err);
		again = world_bytes(result);
		if (strcmp(bytes, again) != 0)
			fail_msg("%s: with its rows in order %llu the plan is\n%s\nnot\n%s",
				 g->name, (unsigned long long)seed, again, bytes);
		assert_int_equal(result->links.n, g->result->links.n);
		assert_int_equal(result->doubts.n, g->result->doubts.n);
		assert_int_equal(result->findings.n, g->result->findings.n);
		for (size_t i = 0; i < result->findings.n; i++)
			assert_string_equal(result->findings.v[i].text,
					    g->result->findings.v[i].text);
	}
}

/* What was written is read back as the same. */
static void check_parse(const struct golden *g)
{
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		CLEANUP(plan_free_at) struct plan *again = NULL;
		struct buf b;
		struct err err;

		if (!g->result->plans[u])
			continue;
		buf_init(&b, PLAN_MAX_BYTES);
		assert_ok(plan_write(g->result->plans[u], &b, &err), &err);
		assert_ok(plan_parse(buf_str(&b), &again, &err), &err);
		assert_int_equal(again->actions.n, g->result->plans[u]->actions.n);
		for (size_t i = 0; i < g->result->values[u].n; i++) {
			const struct plan_values *v = &g->result->values[u].v[i];
			struct digest d;

			assert_int_equal(v->n, i + 1);
			plan_subject_digest(v->salt, str_of(v->json), &d);
			assert_true(digest_equal(&d, &again->actions.v[i].subject));
		}
		buf_done(&b);
	}
}

static void check_bytes(const struct golden *g, const char *bytes)
{
	CLEANUP(free_at) char *want = file_read(g->name, "plan.json");

	if (getenv("GOLDEN") && strcmp(getenv("GOLDEN"), "write") == 0) {
		file_write(g->name, "plan.json", bytes);
		return;
	}
	if (!want)
		fail_msg("%s: there is no plan.json", g->name);
	if (strcmp(want, bytes) != 0)
		fail_msg("%s: the plan is\n%s\nnot\n%s", g->name, bytes, want);
}

static void golden_done(struct golden *g)
{
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++)
		free(g->seen[u]);
	reconcile_result_free(g->result);
	facts_free(g->facts);
	world_free(&g->world);
	world_free(&g->expect);
	policy_free(g->policy);
}

static void run_case(void **state)
{
	struct golden g = { .name = *state };
	char *world = file_read(g.name, "world.txt"), *expect = file_read(g.name, "expect.txt");
	CLEANUP(free_at) char *bytes = NULL;
	struct err err;

	if (!world || !expect)
		fail_msg("%s: world.txt and expect.txt are needed", g.name);
	world_read(&g.world, world);
	world_read(&g.expect, expect);
	free(world);
	free(expect);
	policy_of(&g);
	world_facts(&g.world, g.policy, &g.facts);
	assert_ok(reconcile(g.facts, g.policy, &g.result, &err), &err);
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		size_t n = g.result->plans[u] ? g.result->plans[u]->actions.n : 0;

		g.seen[u] = calloc(n + 1, sizeof(bool));
		assert_non_null(g.seen[u]);
	}
	for (size_t i = 0; i < g.expect.n; i++)
		check_line(&g, &g.expect.lines[i]);
	check_all_seen(&g);
	bytes = world_bytes(g.result);
	check_parse(&g);
	check_order(&g, bytes);
	check_bytes(&g, bytes);
	golden_done(&g);
}

static void test_every_wish_has_a_case(void **state)
{
	size_t cases = 0;
	bool has[100] = { false };
	struct dirent *e;
	DIR *d = opendir(FOLDER);

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		struct str number, rest;
		int64_t wish;

		cases += e->d_name[0] != '.';
		if (e->d_name[0] == 'w' &&
		    str_cut(str_of(e->d_name + 1), '-', &number, &rest) &&
		    str_int64(number, &wish) && wish > 0 && wish < 100)
			has[wish] = true;
	}
	(void)closedir(d);
	for (size_t i = 0; i < COUNT_OF(wishes); i++)
		if (!has[wishes[i]])
			fail_msg("wish W%d has no folder " FOLDER "/w%02d-...", wishes[i],
				 wishes[i]);
	if (cases < CASES_LEAST)
		fail_msg("%zu cases, %d are the least", cases, CASES_LEAST);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(((const struct CMUnitTest *)a)->name,
		      ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
	static struct CMUnitTest tests[CASES_MOST];
	static char names[CASES_MOST][64];
	struct dirent *e;
	size_t n = 0;
	DIR *d = opendir(FOLDER);
	int r;

	if (!d) {
		(void)fprintf(stderr, "%s: run from the top of the tree\n", FOLDER);
		return 1;
	}
	while ((e = readdir(d)) && n < CASES_MOST - 1) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(names[0]))
			continue;
		(void)snprintf(names[n], sizeof(names[n]), "%.63s", e->d_name);
		tests[n] = (struct CMUnitTest){ names[n], run_case, NULL, NULL, names[n] };
		n++;
	}
	(void)closedir(d);
	qsort(tests, n, sizeof(tests[0]), name_cmp);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_every_wish_has_a_case);
	r = _cmocka_run_group_tests("plans", tests, n, NULL, NULL);
	zone_done();
	return r;
}
