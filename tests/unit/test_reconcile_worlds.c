/*
 * Properties over random worlds: whatever the world, the order of its rows does not matter,
 * unknown never acts, what protects protects, limits are kept, over ten runs too, a world to
 * which its plan was applied wants nothing more, and undoing it makes the world of before. A
 * failing seed is printed; it makes the same world everywhere.
 *
 *   WORLD_SEEDS=100000 tests/unit/test_reconcile_worlds      more than by default
 *   WORLD_FROM=4711 WORLD_SEEDS=1 ...                         one again
 *   WORLD_SHOW=1 ...                                          with the worlds as text
 */
#include "base/zone.h"
#include "reconcile/undo.h"
#include "tests/unit/plan_world.h"

#define SEEDS 1000 /* by default */
#define PEOPLE_MOST 24
#define ACCOUNTS_MOST 32
#define NOW "2026-03-02T09:00:00Z"
#define RUNS 10 /* of one organisation, one after the other */
#define RUN_MS (5 * STAMP_HOUR_MS)
#define COUNTED_MOST 400

static uint64_t first_seed = 1, last_seed = SEEDS;

enum { GIVING = 4, LEAVING = 4, ONCALL, GROUPS, PRODUCTS = 2, TEAMS = 2 };
static const char *const products[PRODUCTS] = { "jira@acme", "confluence@acme" };
static const int group_gives[GROUPS] = { 1, 2, 3, 1 }; /* bits of products */

/* By what the worlds are judged: as shipped; by ladders with every step there is; by these,
 * with a directory that is told of joiners, movers and who comes back. */
enum gen_policy { SHIPPED, LADDERS, PROVISIONED, POLICIES };
static struct policy *policies[POLICIES];

static const char ladders[] =
	"limits:\n"
	"  provision_day: { count: 4, share: 10 % }\n"
	"rules:\n"
	"  - name: leaver-hr\n"
	"    then: [suspend, revoke-tokens, tag leaving, remove-group oncall,"
	" deactivate after 7d, delete after 20d]\n"
	"  - name: idle-account\n"
	"    for: account\n"
	"    when: lastActive lt now-100d\n"
	"    anchor: lastActive + 100d\n"
	"    class: inactive\n"
	"    then: [warn, suspend after 14d]\n"
	"  - name: returned\n"
	"    for: person\n"
	"    when: 'hr.status eq \"active\" and not (leaveDate pr)'\n"
	"    class: restore\n"
	"    then: [restore, enable]\n";
#define PREBOARD_HOURS 72
static const int overlap_hours[TEAMS] = { 0, 336 };

struct gen_person {
	bool in[3]; /* hr, corp, okta */
	const char *state[3];
	int since_days[3];
	int leave_days; /* -1: none; -2: unknown; else so many days ago + 10 */
	bool unknown_leave, exempt, barred, expected, doubtful, on_leave;
	char legal;     /* 'y', 'n', '?': under a legal hold */
	char seller;    /* whether team t0 and t1 want the person */
	int start_days; /* first day; -1: none, -2: unknown, else so many days ago + 10 */
};

/* A record of the provisioning directory, of the person of that number. */
struct gen_record {
	bool there, active, drifted, without_id;
	int account; /* -1: linked to none */
	bool in[TEAMS];
	int64_t ceased_ms[TEAMS]; /* 0: not remembered */
};

struct gen_account {
	int person; /* -1: nobody */
	const char *status, *type, *managed, *synced, *admin, *accepted, *tokens, *paths;
	bool adopted, org_admin, unknown_added, doubtful, robot;
	int status_days;   /* so long ago; -1: unknown */
	int64_t status_ms; /* 0: as status_days says */
	bool seat[PRODUCTS];
	int last_days[PRODUCTS];     /* -1 never, -2 unknown */
	int added_days[PRODUCTS];    /* -2 unknown */
	int warned_days[PRODUCTS];   /* -1: not; 0: now */
	int64_t warned_ms[PRODUCTS]; /* 0: as warned_days says */
	unsigned groups;
	/* of the worlds that are judged by ladders */
	char took[24];        /* the rule that did; "": leaver-hr */
	bool ours;            /* what it is, a rule for leavers made it */
	char inventory, owns; /* 'y', 'n', '?': read in part */
	int told_days;        /* warned as a whole; -1: not */
	int64_t told_ms;      /* 0: as told_days says */
};

/* What an action of a run before counted. */
struct gen_counted {
	enum plan_class class;
	uint64_t account;
	uint64_t person; /* whom a provisioning directory was told of; else 0 */
	int product;     /* -1: none */
	int64_t at_ms;
};

struct gen_world {
	enum gen_policy policy;
	struct gen_person people[PEOPLE_MOST];
	struct gen_record records[PEOPLE_MOST];
	bool team_there[TEAMS], directory_read, on_call_synced;
	struct gen_account accounts[ACCOUNTS_MOST];
	size_t person_count, account_count;
	bool whole[3], org_complete;
	int counted_days[4]; /* of past leavers, accounts 901.. */
	int64_t later_ms;    /* so long after NOW */
	struct gen_counted counted[COUNTED_MOST];
	size_t counted_count;
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
	p->doubtful = pick(seed, 12) == 0;
	p->on_leave = pick(seed, 10) == 0;
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
	a->doubtful = pick(seed, 12) == 0;
	a->robot = pick(seed, 15) == 0;
	a->status_days = pick(seed, 6) == 0 ? -1 : (int)pick(seed, 30);
	for (int i = 0; i < PRODUCTS; i++) {
		a->seat[i] = pick(seed, 2);
		a->last_days[i] = pick(seed, 6) == 0   ? -1
				  : pick(seed, 8) == 0 ? -2
						       : (int)pick(seed, 250);
		a->added_days[i] = pick(seed, 10) == 0 ? -2 : (int)pick(seed, 400);
		a->warned_days[i] = pick(seed, 3) == 0 ? (int)pick(seed, 30) : -1;
	}
	a->groups = pick(seed, 1 << GIVING);
}

/* What ladders ask of an account, drawn apart: worlds judged as shipped are what they were. */
static void account_more(uint64_t *seed, struct gen_account *a)
{
	static const char yes_no[] = "yyyn?";

	a->groups |= pick(seed, 3) == 0 ? 1u << LEAVING : 0;
	a->groups |= pick(seed, 2) == 0 ? 1u << ONCALL : 0;
	a->ours = pick(seed, 2) == 0;
	a->inventory = yes_no[pick(seed, 5)];
	a->owns = pick(seed, 3) == 0 ? 'y' : 'n';
	a->told_days = pick(seed, 2) == 0 ? (int)pick(seed, 40) : -1;
	if (pick(seed, 4) == 0) /* off for a while: the end of a ladder */
		a->status = "deactivated";
	/* half of them are idle as a whole */
	for (int i = 0; i < PRODUCTS && pick(seed, 2) == 0; i++)
		a->last_days[i] = 100 + (int)pick(seed, 60);
}

static void person_more(uint64_t *seed, struct gen_person *p)
{
	p->legal = "nnnnnny?"[pick(seed, 8)];
	p->seller = "yyynn?"[pick(seed, 6)];
	p->start_days = pick(seed, 3) == 0    ? (int)pick(seed, 20)
			: pick(seed, 10) == 0 ? -2
					      : -1;
}

/* Its account, where it has one, is the first of the person's; it follows the record. */
static void record_make(uint64_t *seed, struct gen_world *g, size_t person)
{
	struct gen_record *r = &g->records[person];

	*r = (struct gen_record){ .there = pick(seed, 4) != 0,
				  .active = pick(seed, 4) != 0,
				  .drifted = pick(seed, 4) == 0,
				  .without_id = pick(seed, 8) == 0,
				  .account = -1 };
	for (int t = 0; t < TEAMS; t++) {
		r->in[t] = pick(seed, 2) && g->team_there[t];
		if (pick(seed, 2))
			r->ceased_ms[t] = pick(seed, 20) * STAMP_DAY_MS;
	}
	for (size_t i = 0; r->there && i < g->account_count && pick(seed, 8); i++) {
		struct gen_account *a = &g->accounts[i];

		if (a->person != (int)person)
			continue;
		r->account = (int)i;
		a->synced = "yes";
		if (!r->active && strcmp(a->status, "active") == 0)
			a->status = "deactivated";
		break;
	}
}

static void more_make(uint64_t number, struct gen_world *g)
{
	uint64_t seed = number * 0xd1342543de82ef95u + 7;
	int64_t now;

	for (int i = 0; i < 8; i++)
		(void)world_chance(&seed);
	assert_true(stamp_parse(STR(NOW), &now));
	g->on_call_synced = pick(&seed, 5) == 0;
	for (size_t i = 0; i < g->person_count; i++)
		person_more(&seed, &g->people[i]);
	for (size_t i = 0; i < g->account_count; i++)
		account_more(&seed, &g->accounts[i]);
	if (g->policy != PROVISIONED)
		return;
	g->directory_read = pick(&seed, 6) != 0;
	for (int t = 0; t < TEAMS; t++)
		g->team_there[t] = pick(&seed, 4) != 0;
	for (size_t i = 0; i < g->person_count; i++) {
		record_make(&seed, g, i);
		for (int t = 0; t < TEAMS; t++)
			if (g->records[i].ceased_ms[t])
				g->records[i].ceased_ms[t] = now - g->records[i].ceased_ms[t];
	}
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
	g->policy = (enum gen_policy)(number % POLICIES);
	if (g->policy != SHIPPED)
		more_make(number, g);
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

static int64_t now_of(const struct gen_world *g)
{
	int64_t now;

	assert_true(stamp_parse(STR(NOW), &now));
	return now + g->later_ms;
}

/* A time that a run left, or so many days before the first. */
static void put_moment(struct buf *b, const char *key, int days, int64_t ms)
{
	char text[STAMP_TEXT_BYTES];

	if (!ms) {
		put_days(b, key, days);
		return;
	}
	stamp_text(ms, text);
	buf_addf(b, " %s=%s", key, text);
}

/* What only ladders and the provisioning directory ask of HR. */
static void person_more_text(struct buf *b, const struct gen_person *p, size_t number)
{
	buf_addf(b, " externalId=e%zu emails.value=u%zu@x.example", number, number);
	if (p->legal == 'y' || p->legal == '?')
		buf_addf(b, " employment.legalHold=%s", p->legal == 'y' ? "true" : "?");
	if (p->seller == 'y' || p->seller == '?')
		buf_addf(b, " title=%s", p->seller == 'y' ? "Seller" : "?");
	if (p->start_days == -2)
		buf_add_text(b, " employment.startDate=?");
	else if (p->start_days >= 0)
		put_date(b, "employment.startDate", p->start_days - 10);
}

static void record_text(struct buf *b, const struct gen_world *g, size_t person)
{
	const struct gen_record *r = &g->records[person];
	char ceased[STAMP_TEXT_BYTES];

	if (!r->there)
		return;
	buf_addf(b, "scim-user s%zu active=%s userName=u%zu@x.example email=u%zu@x.example",
		 person, r->active ? "yes" : "no", person + 1, person + 1);
	if (!r->without_id)
		buf_addf(b, " externalId=e%zu", person + 1);
	if (r->account >= 0)
		buf_addf(b, " account=a%d", r->account);
	if (g->people[person].seller == 'y' || r->drifted)
		buf_addf(b, " title=%s", r->drifted ? "Clerk" : "Seller");
	buf_add_char(b, '\n');
	for (int t = 0; t < TEAMS; t++) {
		if (!r->in[t])
			continue;
		buf_addf(b, "scim-member s%zu sg%d", person, t);
		if (r->ceased_ms[t] && overlap_hours[t]) {
			stamp_text(r->ceased_ms[t], ceased);
			buf_addf(b, " ceased=%s", ceased);
		}
		buf_add_char(b, '\n');
	}
}

static void provision_text(struct buf *b, const struct gen_world *g)
{
	buf_addf(b, "provisioning dir-5 issuer=hr preboard=%d%s\n", PREBOARD_HOURS,
		 g->directory_read ? "" : " read=no doubt=cut");
	for (int t = 0; t < TEAMS; t++) {
		buf_addf(b, "team t%d when=\"title pr\" overlap=%d\n", t, overlap_hours[t]);
		if (g->team_there[t])
			buf_addf(b, "scim-group sg%d name=t%d\n", t, t);
	}
	for (size_t i = 0; i < g->person_count; i++) {
		buf_addf(b, "person %zu\n", i + 1);
		record_text(b, g, i);
	}
}

static void person_text(struct buf *b, const struct gen_world *g, const struct gen_person *p,
			size_t number)
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
		else if (i == 0 && p->on_leave)
			buf_add_text(b, " employment.leave.from=2026-01-01");
		if (i == 0 && g->policy != SHIPPED)
			person_more_text(b, p, number);
		if (p->doubtful)
			buf_add_text(b, " doubtful=yes");
		buf_add_char(b, '\n');
	}
	if (p->exempt)
		buf_addf(b, "protect exemption person=%zu\n", number);
	if (p->barred)
		buf_addf(b, "bar * person=%zu\n", number);
	if (p->expected)
		buf_addf(b, "expected %zu\n", number);
}

/* What was done to it as a whole, and what it owns. */
static void account_more_text(struct buf *b, const struct gen_account *a, size_t i)
{
	bool off = strcmp(a->status, "deactivated") == 0;

	if (a->ours && (a->status_days >= 0 || a->status_ms) &&
	    (off || strcmp(a->status, "suspended") == 0)) {
		buf_addf(b, "progress a%zu %s %s", i, a->took[0] ? a->took : "leaver-hr",
			 off ? "deactivate" : "suspend");
		put_moment(b, "at", a->status_days, a->status_ms);
		buf_add_char(b, '\n');
	}
	if (a->told_days >= 0 || a->told_ms) {
		buf_addf(b, "progress a%zu idle-account warn-account", i);
		put_moment(b, "at", a->told_days, a->told_ms);
		buf_add_char(b, '\n');
	}
	if (a->inventory == 'y' || a->inventory == '?')
		buf_addf(b, "inventory a%zu at=2026-03-01 whole=%s\n", i,
			 a->inventory == 'y' ? "yes" : "no");
	if ((a->inventory == 'y' || a->inventory == '?') && a->owns == 'y')
		buf_addf(b, "owned a%zu filter f%zu\n", i, i);
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
	put_moment(b, "status_since", a->status_days < 0 ? -2 : a->status_days, a->status_ms);
	if (a->doubtful)
		buf_add_text(b, " doubtful=yes");
	if (a->unknown_added)
		buf_add_text(b, " added=?");
	if (a->person >= 0)
		buf_addf(b, " person=%d", a->person + 1);
	buf_add_char(b, '\n');
	if (a->robot)
		buf_addf(b, "protect service-account account=a%zu\n", i);
	for (int k = 0; k < PRODUCTS; k++) {
		if (!a->seat[k])
			continue;
		buf_addf(b, "seat a%zu %s", i, products[k]);
		put_days(b, "last", a->last_days[k]);
		put_days(b, "added", a->added_days[k]);
		buf_add_char(b, '\n');
		if (a->warned_days[k] < 0 && !a->warned_ms[k])
			continue;
		buf_addf(b, "progress a%zu never-used warn product=%s", i, products[k]);
		put_moment(b, "at", a->warned_days[k], a->warned_ms[k]);
		buf_add_char(b, '\n');
	}
	for (int g = 0; g < GROUPS; g++)
		if (a->groups & 1u << g)
			buf_addf(b, "member a%zu g%d\n", i, g);
}

static void counted_text(struct buf *b, const struct gen_counted *c)
{
	char at[STAMP_TEXT_BYTES];

	stamp_text(c->at_ms, at);
	buf_addf(b, "counted %s %llu at=%s", plan_class_word(c->class),
		 (unsigned long long)c->account, at);
	if (c->product >= 0)
		buf_addf(b, " product=%s", products[c->product]);
	if (c->person)
		buf_addf(b, " person=%llu", (unsigned long long)c->person);
	buf_add_char(b, '\n');
}

static char *gen_text(const struct gen_world *g)
{
	char now[STAMP_TEXT_BYTES];
	struct buf b;

	buf_init(&b, 1 << 20);
	stamp_text(now_of(g), now);
	buf_addf(&b, "now %s\nround org=acme zone=UTC complete=%s\n", now,
		 g->org_complete ? "yes" : "no");
	buf_addf(&b, "source hr role=hr%s\nsource corp role=directory%s\n",
		 g->whole[0] ? "" : " accepted=no doubts=schema",
		 g->whole[1] ? "" : " accepted=no");
	buf_addf(&b, "source okta role=idp kind=push%s\n", g->whole[2] ? "" : " ready=no");
	buf_add_text(&b, "product jira@acme\nproduct confluence@acme\n");
	if (g->policy != SHIPPED)
		buf_addf(&b, "site acme\ngroup g%d name=leaving\ngroup g%d name=oncall%s\n",
			 LEAVING, ONCALL, g->on_call_synced ? " synced=yes" : "");
	if (g->policy == PROVISIONED)
		provision_text(&b, g);
	for (int i = 0; i < GIVING; i++) {
		buf_addf(&b, "group g%d%s\n", i, i == 3 ? " synced=yes" : "");
		for (int k = 0; k < PRODUCTS; k++)
			if (group_gives[i] & 1 << k)
				buf_addf(&b, "grant g%d %s\n", i, products[k]);
	}
	for (size_t i = 0; i < g->person_count; i++)
		person_text(&b, g, &g->people[i], i + 1);
	for (size_t i = 0; i < g->account_count; i++) {
		account_text(&b, &g->accounts[i], i);
		if (g->policy != SHIPPED)
			account_more_text(&b, &g->accounts[i], i);
	}
	for (int i = 0; i < 4; i++) {
		buf_addf(&b, "counted leaver %d", 901 + i);
		put_days(&b, "at", g->counted_days[i]);
		buf_add_char(&b, '\n');
	}
	for (size_t i = 0; i < g->counted_count; i++)
		counted_text(&b, &g->counted[i]);
	assert_int_equal(b.fault, 0);
	return buf_take(&b, NULL);
}

/* --- judged --- */

struct outcome {
	const struct policy *policy;
	struct facts *facts;
	struct reconcile_result *result;
	char *bytes;
};

static void outcome_done(struct outcome *o)
{
	free(o->bytes);
	reconcile_result_free(o->result);
	facts_free(o->facts);
}

/* Bound once: all worlds of a kind are judged by the same text. */
static void policies_bind(void)
{
	CLEANUP(free_at) struct policy_provision_group_conf *groups = NULL;
	CLEANUP(free_at) char *text = NULL;
	struct gen_world g = { .policy = PROVISIONED };
	struct policy_provision_conf provision;
	struct conf_faults faults = { 0 };
	struct plan_world w;
	struct err err;
	struct buf b;

	assert_ok(policy_bind(NULL, NULL, &policies[SHIPPED], &err), &err);
	buf_init(&b, 1 << 16);
	provision_text(&b, &g);
	text = buf_take(&b, NULL);
	world_read(&w, text);
	for (int i = LADDERS; i < POLICIES; i++) {
		struct policy_conf conf = { 0 };

		assert_ok(conf_read_text("ladders", str_of(ladders), policy_keys, &conf,
					 &faults, &err),
			  &err);
		if (i == PROVISIONED && world_provision_conf(&w, &provision, &groups)) {
			conf.provision = &provision;
			conf.provision_count = 1;
		}
		assert_ok(policy_bind(&conf, &faults, &policies[i], &err), &err);
		conf_free(policy_keys, &conf);
	}
	conf_faults_free(&faults);
	world_free(&w);
}

static void outcome_make(const struct gen_world *g, uint64_t shuffle, struct outcome *o)
{
	CLEANUP(free_at) char *text = gen_text(g);
	struct plan_world w;
	struct err err;

	*o = (struct outcome){ .policy = policies[g->policy] };
	if (getenv("WORLD_SHOW"))
		(void)fprintf(stderr, "%s\n", text);
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
	for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
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
	uint64_t seed, passing, kinds[ACTION_KIND_COUNT];
};

static void wrong(const struct checking *c, const struct action *a, const char *why)
{
	fail_msg("seed %llu: %s of account %llu by %s although %s", (unsigned long long)c->seed,
		 action_kinds[a->kind].word, (unsigned long long)a->account, a->rule, why);
}

/* Of the first source that knows the person: whether it says that they are here. */
static bool is_said_to_be_here(const struct gen_world *g, const struct gen_person *p)
{
	int64_t days = p->leave_days - 10;

	for (int i = 0; i < 3; i++) {
		/* one that is not ready knows nobody */
		if (!p->in[i] || (i == 2 && !g->whole[2]))
			continue;
		if (strcmp(p->state[i], "active") != 0 || (p->in[0] && p->leave_days == -2))
			return false;
		/* the last day is over when its midnight is; a first day after it begins anew
		 */
		return !p->in[0] || p->leave_days < 0 ||
		       (p->start_days >= 0 && p->start_days < p->leave_days) ||
		       days * STAMP_DAY_MS < STAMP_DAY_MS - (now_of(g) % STAMP_DAY_MS);
	}
	return false;
}

/* What is told to a provisioning directory. */
static void check_told(struct checking *c, const struct outcome *o, const struct action *a)
{
	const struct gen_person *p = &c->g->people[a->person - 1];
	const struct gen_record *r = &c->g->records[a->person - 1];
	int64_t start;

	assert_true(a->person >= 1 && a->person <= c->g->person_count);
	if (c->g->policy != PROVISIONED || !c->g->directory_read)
		wrong(c, a, "the directory was not read");
	if (!is_said_to_be_here(c->g, p))
		wrong(c, a, "nobody says that the person is here");
	if (p->doubtful && (p->in[0] || p->in[1] || p->in[2]))
		wrong(c, a, "who it is, is in doubt");
	if (p->barred || (p->exempt && action_kinds[a->kind].destructive))
		wrong(c, a, "the person is exempt or barred");
	if (p->in[0] && p->start_days == -2)
		wrong(c, a, "the first day is unknown");
	assert_true(stamp_parse(STR("2026-03-02T00:00:00Z"), &start));
	start -= (p->start_days - 10) * STAMP_DAY_MS + PREBOARD_HOURS * STAMP_HOUR_MS;
	if (p->in[0] && p->start_days >= 0 && a->due_ms < start)
		wrong(c, a, "the first day is far");
	if ((a->kind == ACTION_PROVISION) == r->there)
		wrong(c, a, "there is a record, or none");
	if (a->kind != ACTION_PROVISION && r->active == (a->kind == ACTION_REPROVISION))
		wrong(c, a, "the record is off, or on");
	if (a->kind == ACTION_REPROVISION && a->automatic)
		wrong(c, a, "who comes back does so by a person's word");
	for (size_t i = 0; i < a->step_count; i++) {
		int team = a->steps[i].name && a->steps[i].name[0] == 't'
				   ? a->steps[i].name[1] - '0'
				   : 0;
		int64_t since = r->ceased_ms[team] ? r->ceased_ms[team] : now_of(c->g);

		if (a->steps[i].op == STEP_SCIM_JOIN && (!p->in[0] || p->seller != 'y'))
			wrong(c, a, "the group does not want the person");
		if (a->steps[i].op != STEP_SCIM_LEAVE)
			continue;
		if (p->in[0] && p->seller != 'n')
			wrong(c, a, "the group may want the person");
		if (overlap_hours[team] &&
		    a->due_ms < since + overlap_hours[team] * STAMP_HOUR_MS)
			wrong(c, a, "the overlap has not ended");
	}
	(void)o;
}

/* Steps that only ladders have. */
static void check_ladder(struct checking *c, const struct action *a,
			 const struct gen_account *g, const struct gen_person *p)
{
	bool off = strcmp(g->status, "deactivated") == 0;

	if (a->kind == ACTION_DELETE &&
	    (!off || strcmp(g->managed, "yes") != 0 || strcmp(g->synced, "no") != 0))
		wrong(c, a, "it was not off before, or is not ours to delete");
	if (a->kind == ACTION_DELETE && (g->inventory != 'y' || g->owns == 'y'))
		wrong(c, a, "what it owns was not read, or goes with it");
	if (a->kind == ACTION_DELETE && p->in[0] && (p->legal == 'y' || p->legal == '?'))
		wrong(c, a, "a legal hold stands, or may stand");
	if (a->kind == ACTION_DELETE && (a->needs != 2 || a->automatic))
		wrong(c, a, "one person is not enough, or none");
	if (a->kind == ACTION_REMOVE_GROUPS &&
	    (c->g->on_call_synced || !(g->groups & 1u << ONCALL)))
		wrong(c, a, "its group is not ours to change, or it is in none");
	if (a->kind == ACTION_ADD_GROUPS && g->groups & 1u << LEAVING)
		wrong(c, a, "it is marked already");
	if ((a->kind == ACTION_ADD_GROUPS || a->kind == ACTION_REMOVE_GROUPS) &&
	    strcmp(g->paths, "yes") != 0)
		wrong(c, a, "its groups are unknown");
	if ((a->kind == ACTION_RESTORE || a->kind == ACTION_ENABLE) &&
	    (!g->ours || g->status_days < 0 || a->automatic))
		wrong(c, a, "it was not we who took it, or nobody is asked");
	if (a->class == PLAN_INACTIVE && !a->product && p && p->on_leave && p->in[0])
		wrong(c, a, "the person is on leave");
	if (strcmp(a->rule, "idle-account") == 0 && a->kind == ACTION_SUSPEND &&
	    (g->told_days < 0 || a->due_ms < now_of(c->g) + (14 - g->told_days) * STAMP_DAY_MS))
		wrong(c, a, "nobody was warned, or too late");
}

/* Switched off through a record of the provisioning directory, which is on. */
static bool is_by_record(const struct gen_world *g, const struct action *a)
{
	for (size_t i = 0; i < g->person_count && g->directory_read; i++)
		if (g->records[i].there && g->records[i].active &&
		    g->records[i].account == (int)(a->account - 100))
			return a->step_count && a->steps[0].op == STEP_SCIM_DEACTIVATE;
	return false;
}

/* Nothing passes that a look at the world itself forbids. */
static void check_passing(void *ctx, const struct outcome *o, const struct action *a)
{
	struct checking *c = ctx;
	const struct gen_account *g;
	const struct gen_person *p;
	bool orphan = strcmp(a->rule, "orphan") == 0;
	bool hr = strcmp(a->rule, "leaver-hr") == 0;

	c->passing++;
	c->kinds[a->kind]++;
	if (action_kinds[a->kind].provision) {
		check_told(c, o, a);
		return;
	}
	g = &c->g->accounts[a->account - 100];
	p = g->person < 0 ? NULL : &c->g->people[g->person];
	if (strcmp(g->type, "atlassian") != 0)
		wrong(c, a, "it is no person's");
	if (strcmp(g->status, "?") == 0)
		wrong(c, a, "its state is unknown");
	if (strcmp(g->admin, "no") != 0)
		wrong(c, a, "it is, or may be, an administrator's");
	if (!orphan && !g->adopted)
		wrong(c, a, "nobody adopted it");
	/* a rule about seats or accounts may be about an adopted one of nobody */
	if (!orphan && !p && !a->product && a->class != PLAN_INACTIVE)
		wrong(c, a, "it is matched with nobody");
	if (g->doubtful || (p && p->doubtful && (p->in[0] || p->in[1] || p->in[2])))
		wrong(c, a, "who it is, is in doubt");
	if (g->robot && a->class != PLAN_RESTORE)
		wrong(c, a, "it is a service account");
	if (a->product && p && p->on_leave && p->in[0])
		wrong(c, a, "the person is on leave");
	if (p && ((p->exempt && a->class != PLAN_RESTORE) || p->barred))
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
	if (a->kind == ACTION_DEACTIVATE && !is_by_record(c->g, a) &&
	    (strcmp(g->managed, "yes") != 0 || strcmp(g->synced, "no") != 0))
		wrong(c, a, "it cannot be deactivated");
	if (a->product &&
	    (!c->g->org_complete || (p && p->unknown_leave && p->in[0] && (p->in[0]))))
		wrong(c, a, "what it rests on was not read");
	if (a->kind == ACTION_FREE_SEAT &&
	    (strcmp(g->paths, "yes") != 0 ||
	     (g->groups & 1u << 3 && strcmp(a->product, "jira") == 0)))
		wrong(c, a, "a path stays, or is unknown");
	check_ladder(c, a, g, p);
}

/* What only a person's order does, and what these worlds have nothing for. */
static bool only_asked(int kind)
{
	return kind == ACTION_CANCEL_DELETE || kind == ACTION_CHANGE_PROFILE ||
	       kind == ACTION_CREATE_GROUP || kind == ACTION_DROP_GROUP ||
	       kind == ACTION_HAND_OVER;
}

static void test_what_forbids_is_never_passed(void **state)
{
	struct checking c = { 0 };

	(void)state;
	for (c.seed = first_seed; c.seed <= last_seed; c.seed++) {
		struct gen_world g;
		struct outcome o;

		gen_make(c.seed, &g);
		c.g = &g;
		outcome_make(&g, 0, &o);
		each_passing(&o, check_passing, &c);
		outcome_done(&o);
	}
	assert_true(c.passing >= (last_seed - first_seed) /
					 2); /* the worlds are such that something happens */
	for (int i = 0; i < ACTION_KIND_COUNT && last_seed - first_seed > 500; i++)
		if (!c.kinds[i] && !only_asked(i))
			fail_msg("no %s ever passed: the worlds prove nothing of it",
				 action_kinds[i].word);
}

/* Everything that could be read is made unknown: nothing may be left. */
static void test_unknown_never_acts(void **state)
{
	struct checking c = { 0 };

	(void)state;
	for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
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
	assert_true(c.passing > 0 || last_seed - first_seed < 100);
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
			int person =
				a->class != class ? -1 : g->accounts[a->account - 100].person;
			size_t who =
				person >= 0 || a->class != class ? (size_t)person
								 : PEOPLE_MOST +
									   (size_t)(a->account -
										    100);

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

/* Whether a plan that nothing holds takes something of leavers who were not announced: a block
 * is urgent, what follows it is routine, what is given back is beside both. */
static bool takes_of_leavers(const struct gen_world *g, const struct plan *plan)
{
	for (size_t i = 0; plan && !plan->held && i < plan->actions.n; i++) {
		const struct action *a = &plan->actions.v[i];

		if (a->class == PLAN_LEAVER && a->verdict == VERDICT_PASS &&
		    action_kinds[a->kind].destructive && !g->people[a->person - 1].expected)
			return true;
	}
	return false;
}

static void test_limits_are_kept(void **state)
{
	size_t held = 0, free_ones = 0;

	(void)state;
	for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
		struct gen_world g;
		struct outcome o;
		const struct plan *urgent;
		size_t leavers;
		bool over;

		gen_make(seed, &g);
		outcome_make(&g, 0, &o);
		urgent = o.result->plans[PLAN_URGENT];
		leavers = subjects_of(&o, &g, PLAN_LEAVER);
		/* shares of two dozen people are below the counts */
		over = leavers + past_leavers(&g, 1) > 3 || leavers + past_leavers(&g, 7) > 6;
		for (int u = 0; over && u < PLAN_URGENCY_COUNT; u++)
			if (takes_of_leavers(&g, o.result->plans[u]))
				fail_msg("seed %llu: %zu leavers in a free plan",
					 (unsigned long long)seed, leavers);
		held += urgent && urgent->held;
		free_ones += urgent && !urgent->held;
		outcome_done(&o);
	}
	if (last_seed - first_seed > 200 && (held < 20 || free_ones < 20))
		fail_msg("%zu plans held, %zu free: the worlds prove nothing", held, free_ones);
}

/* What a step told to the provisioning directory makes of a record. */
static void apply_told(struct gen_world *g, struct gen_record *r, const struct action_step *s)
{
	int team = s->name && s->name[0] == 't' ? s->name[1] - '0' : -1;

	switch (s->op) {
	case STEP_SCIM_CREATE:
		*r = (struct gen_record){ .there = true, .active = true, .account = -1 };
		break;
	case STEP_SCIM_UPDATE:
		r->drifted = r->without_id = false;
		break;
	case STEP_SCIM_ACTIVATE:
	case STEP_SCIM_DEACTIVATE:
		r->active = s->op == STEP_SCIM_ACTIVATE;
		if (r->account >= 0) {
			g->accounts[r->account].status = r->active ? "active" : "deactivated";
			g->accounts[r->account].status_ms = now_of(g);
		}
		break;
	case STEP_SCIM_MAKE_GROUP:
		g->team_there[team] = true;
		break;
	case STEP_SCIM_JOIN:
	case STEP_SCIM_LEAVE:
		r->in[team] = s->op == STEP_SCIM_JOIN;
		r->ceased_ms[team] = 0;
		break;
	default:
		break;
	}
}

static void apply_groups(struct gen_account *account, const struct action *a)
{
	for (size_t i = 0; i < a->step_count; i++) {
		unsigned bit = a->steps[i].group ? 1u << (a->steps[i].group[1] - '0') : 0;

		if (a->steps[i].op == STEP_ADD_GROUP)
			account->groups |= bit;
		else if (a->steps[i].op == STEP_REMOVE_GROUP)
			account->groups &= ~bit;
	}
}

static struct gen_record *record_of(struct gen_world *g, const struct action *a)
{
	for (size_t i = 0; i < g->person_count && !action_kinds[a->kind].provision; i++)
		if (g->records[i].there && g->records[i].account == (int)(a->account - 100))
			return &g->records[i];
	return action_kinds[a->kind].provision ? &g->records[a->person - 1] : NULL;
}

/* What the organisation looks like when all that passes was done, in the hour of the plan. */
static void apply_passing(void *ctx, const struct outcome *o, const struct action *a)
{
	struct gen_world *g = ctx;
	/* a record may be of no account yet */
	struct gen_account *account = a->account ? &g->accounts[a->account - 100] : NULL;
	struct gen_record *record = record_of(g, a);
	int product = a->product && strcmp(a->product, "confluence") == 0;

	(void)o;
	for (size_t i = 0; record && i < a->step_count; i++)
		apply_told(g, record, &a->steps[i]);
	for (size_t i = 0; a->account && i < a->step_count; i++)
		if (a->steps[i].op == STEP_RESTORE && action_kinds[a->kind].provision)
			account->status = "active";
	if (action_kinds[a->kind].provision)
		return;
	switch (a->kind) {
	case ACTION_WARN:
		account->warned_ms[product] = now_of(g);
		break;
	case ACTION_FREE_SEAT:
		account->seat[product] = false;
		apply_groups(account, a);
		break;
	case ACTION_ADD_GROUPS:
	case ACTION_REMOVE_GROUPS:
		apply_groups(account, a);
		break;
	case ACTION_WARN_ACCOUNT:
		account->told_ms = now_of(g);
		break;
	case ACTION_RESTORE:
	case ACTION_ENABLE:
		account->status = "active";
		account->status_ms = now_of(g);
		break;
	case ACTION_DELETE:
		account->status = "for_deletion";
		account->status_ms = now_of(g);
		break;
	case ACTION_SUSPEND:
	case ACTION_DEACTIVATE:
		account->status = a->kind == ACTION_SUSPEND ? "suspended" : "deactivated";
		account->status_ms = now_of(g);
		account->ours = true;
		(void)snprintf(account->took, sizeof(account->took), "%s", a->rule);
		break;
	case ACTION_REVOKE_TOKENS:
		account->tokens = "no";
		break;
	default:
		break;
	}
}

/* What a round remembers of those who stay in a group for its overlap. */
static void stays_keep(struct gen_world *g, const struct outcome *o)
{
	for (size_t i = 0; i < o->result->stays.n; i++) {
		const struct provision_stay *s = &o->result->stays.v[i];

		if (s->news)
			g->records[s->person - 1].ceased_ms[s->name[1] - '0'] = s->ceased_ms;
	}
}

struct leaving {
	uint64_t seed;
	const struct gen_world *g;    /* as it was */
	bool back[PEOPLE_MOST];       /* whose record was switched on */
	bool left[PEOPLE_MOST];       /* whose groups some were left of */
	bool restored[ACCOUNTS_MOST]; /* what was given back */
	bool freed[ACCOUNTS_MOST];    /* of what a seat was freed whose use was not known */
	bool limited; /* the directory was told nothing, for there was too much */
};

/* What a limit held may be few enough when others were seen to leave. */
static bool is_limited(const struct outcome *o)
{
	const struct plan *plan = o->result->plans[PLAN_ROUTINE];

	for (size_t i = 0; plan && i < plan->actions.n; i++)
		for (size_t k = 0; k < plan->actions.v[i].held_count; k++)
			if (strcmp(plan->actions.v[i].held_by[k], "provision-limit") == 0)
				return true;
	return false;
}

static void note_back(void *ctx, const struct outcome *o, const struct action *a)
{
	struct leaving *l = ctx;

	(void)o;
	if (a->kind == ACTION_REPROVISION)
		l->back[a->person - 1] = true;
	if (a->kind == ACTION_LEAVE_GROUPS)
		l->left[a->person - 1] = true;
	if (a->kind == ACTION_FREE_SEAT)
		l->freed[a->account - 100] |=
			l->g->accounts[a->account - 100]
				.last_days[strcmp(a->product, "confluence") == 0] == -2;
	if (a->account && (a->class == PLAN_RESTORE || a->kind == ACTION_REPROVISION))
		l->restored[a->account - 100] = true;
}

static void nothing_left(void *ctx, const struct outcome *o, const struct action *a)
{
	struct leaving *l = ctx;
	char due[STAMP_TEXT_BYTES];

	(void)o;
	/* of a record that is off only that it comes on is planned: its groups and attributes
	   are looked at when it is */
	if (action_kinds[a->kind].provision && (l->limited || l->back[a->person - 1]))
		return;
	/* groups whose overlap ends later are for a later plan */
	if (a->kind == ACTION_LEAVE_GROUPS && l->left[a->person - 1] &&
	    a->due_ms > now_of(l->g))
		return;
	/* with a seat goes what was not known of its use: the rest may be idle for long */
	if (a->kind == ACTION_WARN_ACCOUNT && l->freed[a->account - 100])
		return;
	/* who is back is looked at as everybody is, from a warning on */
	if (a->account && l->restored[a->account - 100] && !action_kinds[a->kind].destructive)
		return;
	stamp_text(a->due_ms, due);
	fail_msg("seed %llu: still wanted: %s of person %llu, account %llu %s by %s, due %s",
		 (unsigned long long)l->seed, action_kinds[a->kind].word,
		 (unsigned long long)a->person, (unsigned long long)a->account,
		 a->product ? a->product : "", a->rule, due);
}

static void test_a_world_with_its_plan_applied_wants_nothing_more(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
		struct gen_world g, after;
		struct leaving l = { .seed = seed, .g = &g };
		struct outcome o, again;

		gen_make(seed, &g);
		outcome_make(&g, 0, &o);
		after = g;
		l.limited = is_limited(&o);
		each_passing(&o, note_back, &l);
		stays_keep(&after, &o);
		each_passing(&o, apply_passing, &after);
		outcome_make(&after, 0, &again);
		each_passing(&again, nothing_left, &l);
		outcome_done(&o);
		outcome_done(&again);
	}
}

/* --- ten runs, one after the other --- */

static const struct {
	enum plan_class class;
	int64_t window_ms;
	size_t most; /* shares of two dozen people, and of their seats, are below the counts */
} windows[] = {
	{ PLAN_LEAVER, STAMP_DAY_MS, 3 },       { PLAN_LEAVER, 7 * STAMP_DAY_MS, 6 },
	{ PLAN_ABSENCE, STAMP_DAY_MS, 2 },      { PLAN_ORPHAN, 7 * STAMP_DAY_MS, 3 },
	{ PLAN_INACTIVE, 7 * STAMP_DAY_MS, 5 }, { PLAN_PROVISION, STAMP_DAY_MS, 4 },
};

/* Whom it counts as: the person where there is one, the account else, and of seats the seat. */
static uint64_t who_of(const struct gen_world *g, const struct gen_counted *c)
{
	int person = c->account >= 900 || c->person ? -1 : g->accounts[c->account - 100].person;

	if (c->person)
		return c->person;
	if (c->class == PLAN_INACTIVE)
		return c->account * 10 + (uint64_t)(c->product + 1);
	return person < 0 ? c->account + 1000 : (uint64_t)person;
}

static bool is_announced(const struct gen_world *g, const struct gen_counted *c)
{
	int person = c->account >= 900 || c->person ? -1 : g->accounts[c->account - 100].person;

	return person >= 0 && g->people[person].expected;
}

static size_t subjects_within(const struct gen_world *g, size_t w)
{
	uint64_t seen[COUNTED_MOST];
	size_t n = 0;

	for (size_t i = 0; i < g->counted_count; i++) {
		const struct gen_counted *c = &g->counted[i];
		bool again = c->class != windows[w].class || is_announced(g, c) ||
			     c->at_ms <= now_of(g) - windows[w].window_ms;

		for (size_t k = 0; k < n && !again; k++)
			again = seen[k] == who_of(g, c);
		if (!again)
			seen[n++] = who_of(g, c);
	}
	return n;
}

/* Does what passes of the plans that nothing holds whole, and counts it. */
static void run_apply(struct gen_world *g, const struct outcome *o)
{
	stays_keep(g, o);
	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		const struct plan *plan = o->result->plans[u];

		for (size_t i = 0; plan && !plan->held && i < plan->actions.n; i++) {
			const struct action *a = &plan->actions.v[i];

			if (a->verdict != VERDICT_PASS || a->due_ms > now_of(g))
				continue;
			apply_passing(g, o, a);
			if (!action_kinds[a->kind].destructive &&
			    !action_kinds[a->kind].provision)
				continue;
			assert_true(g->counted_count < COUNTED_MOST);
			g->counted[g->counted_count++] = (struct gen_counted){
				a->class, a->account,
				action_kinds[a->kind].provision ? a->person : 0,
				!a->product ? -1 : strcmp(a->product, "confluence") == 0,
				now_of(g)
			};
		}
	}
}

/* Three leave tonight and three in five days: as many as a week allows, and more than that
 * where others do as well. */
static void leavers_make(struct gen_world *g)
{
	for (size_t i = 0; i < 8 && i < g->person_count && i < g->account_count; i++) {
		struct gen_person *p = &g->people[i];
		struct gen_account *a = &g->accounts[i];

		*p = (struct gen_person){ .in = { i < 6, i >= 6 },
					  .state = { "active", "gone", "active" },
					  .since_days = { 5, 5, 5 },
					  .leave_days = i < 3 ? 10 : 5,
					  .start_days = -1 };
		g->records[i] = (struct gen_record){ .account = -1 };
		a->person = (int)i;
		a->status = "active";
		a->type = "atlassian";
		a->admin = "no";
		a->org_admin = a->doubtful = a->robot = false;
		a->adopted = true;
	}
	for (size_t i = 8; i < 13 && i < g->account_count; i++)
		g->accounts[i] = (struct gen_account){ .person = -1,
						       .status = "active",
						       .type = "atlassian",
						       .managed = "no",
						       .synced = "no",
						       .admin = "no",
						       .accepted = "yes",
						       .tokens = "no",
						       .paths = "yes",
						       .adopted = true,
						       .seat = { true },
						       .last_days = { 200 },
						       .added_days = { 300 },
						       .warned_days = { 20, -1 },
						       .status_days = 30,
						       .told_days = -1,
						       .groups = 1 };
	/* a record of an account that is somebody else's now is nobody's */
	for (size_t i = 8; i < g->person_count; i++)
		if (g->records[i].account >= 0 && g->records[i].account < 13)
			g->records[i] = (struct gen_record){ .account = -1 };
}

static void test_limits_are_kept_over_ten_runs(void **state)
{
	size_t done = 0, full[COUNT_OF(windows)] = { 0 };

	(void)state;
	for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
		struct gen_world g;

		gen_make(seed, &g);
		leavers_make(&g);
		for (size_t i = 0; i < 6 && i < g.person_count && seed % 3 == 0; i++)
			g.people[i].leave_days = -1;
		for (int i = 0; i < 4; i++) { /* only what these runs do */
			g.counted_days[i] = 9;
			g.whole[i % 3] = true;
		}
		for (int run = 0; run < RUNS; run++) {
			struct outcome o;

			/* in a third of the worlds HR says it of one after the other, and too
			   late: what was done before is all that holds the next */
			if (seed % 3 == 0 && run < 6 && (size_t)run < g.person_count)
				g.people[run].leave_days = 11;
			/* half of them within a day, the others over a week */
			g.later_ms += seed % 2 ? RUN_MS / 2 : 4 * RUN_MS;
			outcome_make(&g, 0, &o);
			run_apply(&g, &o);
			outcome_done(&o);
			for (size_t w = 0; w < COUNT_OF(windows); w++) {
				size_t n = subjects_within(&g, w);

				full[w] += n == windows[w].most;
				if (n > windows[w].most)
					fail_msg("seed %llu, run %d: %zu of class %s within "
						 "%lld "
						 "hours, %zu are allowed",
						 (unsigned long long)seed, run, n,
						 plan_class_word(windows[w].class),
						 (long long)(windows[w].window_ms /
							     STAMP_HOUR_MS),
						 windows[w].most);
			}
		}
		done += g.counted_count;
	}
	/* limits that nothing comes up to prove nothing */
	for (size_t w = 0; w < COUNT_OF(windows) && last_seed - first_seed > 100; w++)
		if (!full[w])
			fail_msg("no run ever came up to limit %zu (%zu were done)", w, done);
}

/* --- undo --- */

struct undoing {
	bool given[ACCOUNTS_MOST]; /* back, by a rule: undo takes access from nobody */
	struct undo_deed deeds[COUNTED_MOST];
	size_t n;
	int64_t at_ms;
};

static bool all_done[64] = { true, true, true, true, true, true, true, true };

static void undo_deed_add(void *ctx, const struct outcome *o, const struct action *a)
{
	struct undoing *u = ctx;

	(void)o;
	if (a->account && (a->class == PLAN_RESTORE || a->kind == ACTION_REPROVISION))
		u->given[a->account - 100] = true;
	assert_true(u->n < COUNTED_MOST && a->step_count <= 8);
	u->deeds[u->n++] = (struct undo_deed){ 1, a, all_done, u->at_ms };
}

static const char *status_text(enum account_status status)
{
	static const char *const words[] = { "?",           "active",      "suspended",
					     "not_invited", "deactivated", "for_deletion" };

	return words[status];
}

static void undo_action(struct gen_world *g, const struct action *a)
{
	struct gen_account *account = &g->accounts[a->account - 100];
	struct gen_record *record = record_of(g, a);

	for (size_t i = 0; record && i < a->step_count; i++)
		apply_told(g, record, &a->steps[i]);
	if (a->after.status != ACCOUNT_UNKNOWN)
		account->status = status_text(a->after.status);
	if (a->product)
		account->seat[strcmp(a->product, "confluence") == 0] = true;
	apply_groups(account, a);
}

static void test_undoing_what_was_applied_makes_the_world_of_before(void **state)
{
	uint64_t given = 0;

	(void)state;
	for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
		struct undo_request request = { .reason = "wrong", .by = "uid:ida" };
		CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
		struct undoing u = { .n = 0 };
		struct gen_world g, after;
		struct outcome o, done;
		struct err err;

		gen_make(seed, &g);
		outcome_make(&g, 0, &o);
		after = g;
		u.at_ms = now_of(&g);
		each_passing(&o, apply_passing, &after);
		each_passing(&o, undo_deed_add, &u);
		outcome_make(&after, 0, &done);
		request.deeds = u.deeds;
		request.n = u.n;
		assert_ok(reconcile_undo(done.facts, done.policy, &request, &result, &err),
			  &err);
		assert_null(result->plans[PLAN_ROUTINE]);
		for (size_t i = 0;
		     result->plans[PLAN_URGENT] && i < result->plans[PLAN_URGENT]->actions.n;
		     i++) {
			undo_action(&after, &result->plans[PLAN_URGENT]->actions.v[i]);
			given++;
		}
		for (size_t i = 0; i < g.account_count; i++) {
			const struct gen_account *a = &g.accounts[i], *b = &after.accounts[i];

			if ((strcmp(a->status, b->status) != 0 && !u.given[i]) ||
			    a->groups != b->groups || a->seat[0] != b->seat[0] ||
			    a->seat[1] != b->seat[1])
				fail_msg("seed %llu: account %zu was %s in groups %x, and is "
					 "%s in "
					 "%x after all was undone",
					 (unsigned long long)seed, 100 + i, a->status,
					 a->groups, b->status, b->groups);
		}
		outcome_done(&o);
		outcome_done(&done);
	}
	assert_true(given >= (last_seed - first_seed) / 4);
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
				      .steps = a->steps,
				      .step_count = a->step_count,
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
	if (action_kinds[a->kind].provision)
		return;
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
	for (c.seed = first_seed; c.seed <= last_seed; c.seed++) {
		struct gen_world g;
		struct outcome o;

		gen_make(c.seed, &g);
		outcome_make(&g, 0, &o);
		each_passing(&o, judge_passing, &c);
		outcome_done(&o);
	}
	assert_true(c.passing >= (last_seed - first_seed) / 4);
}

/* A number of the environment, or the preset. */
static uint64_t number_of(const char *name, uint64_t preset)
{
	const char *text = getenv(name);
	uint64_t n = preset;

	if (text && !str_uint64(str_of(text), &n))
		(void)fprintf(stderr, "%s is no number: %s\n", name, text);
	return n;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_order_of_rows_never_matters),
		cmocka_unit_test(test_what_forbids_is_never_passed),
		cmocka_unit_test(test_unknown_never_acts),
		cmocka_unit_test(test_limits_are_kept),
		cmocka_unit_test(test_limits_are_kept_over_ten_runs),
		cmocka_unit_test(test_undoing_what_was_applied_makes_the_world_of_before),
		cmocka_unit_test(test_a_world_with_its_plan_applied_wants_nothing_more),
		cmocka_unit_test(test_judging_one_agrees_with_the_round),
	};
	int r;

	policies_bind();
	first_seed = number_of("WORLD_FROM", 1);
	last_seed = first_seed + number_of("WORLD_SEEDS", SEEDS) - 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);

	for (int i = 0; i < POLICIES; i++)
		policy_free(policies[i]);
	zone_done();
	return r;
}
