#include "tests/rehearsal/people.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/jx.h"

#define LINE_MAX_BYTES 65536

/* --- the cases ------------------------------------------------------------------------- */

enum how {
	HOW_DEFAULT, /* default groups, project groups, a team */
	HOW_NONE,
	HOW_SYNCED,  /* groups of the identity provider only */
	HOW_SEVERAL, /* default and further granting groups */
	HOW_SUITE,   /* one group that grants two products */
	HOW_THREE,   /* synced group, default group and direct role in one product */
	HOW_DIRECT,  /* direct roles only */
	HOW_AGENT    /* agents of the service desk */
};

#define NEVER                                                                                  \
	{                                                                                      \
		-1, -1                                                                         \
	}

struct days {
	int least, most; /* -1: never */
};

/* clang-format off */
static const struct kind {
	const char *label;
	unsigned permille;
	struct days added, jira, confluence; /* how long ago */
	enum how how;
	enum account_life life;
	enum membership member;
	bool unverified, dying, no_account;
} kinds[] = {
	{ "ordinary",         0, {  30, 1500 }, {   0,  20 }, {   0,  30 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "never-active",     8, { 100,  500 }, NEVER,        NEVER,        HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "new-joiner",      10, {   2,   20 }, NEVER,        NEVER,        HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "long-inactive",    5, { 450, 1500 }, { 150, 400 }, { 150, 400 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "idle-jira",        3, { 250, 1500 }, { 110, 200 }, {   0,  20 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "idle-confluence",  3, { 350, 1500 }, {   0,  15 }, { 140, 300 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "idle-several",     3, { 450, 1500 }, { 150, 400 }, { 150, 400 }, HOW_SEVERAL, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "idle-direct",      6, { 450, 1500 }, { 150, 400 }, { 150, 400 }, HOW_DIRECT,  LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "idle-suite",       6, { 450, 1500 }, { 150, 400 }, { 150, 400 }, HOW_SUITE,   LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "synced-inactive",  4, { 450, 1500 }, { 150, 400 }, { 150, 400 }, HOW_SYNCED,  LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "invited",          5, {  45,   90 }, NEVER,        NEVER,        HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    1, 0, 0 },
	{ "new-invite",       3, {   3,   20 }, NEVER,        NEVER,        HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    1, 0, 0 },
	{ "suspended",        8, { 200, 1500 }, {  40,  90 }, {  40,  90 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_SUSPENDED, 0, 0, 0 },
	{ "deactivated",      8, { 200, 1500 }, {  60, 150 }, {  60, 150 }, HOW_DEFAULT, LIFE_INACTIVE, MEMBER_ACTIVE,    0, 0, 0 },
	{ "for-deletion",     1, { 200, 1500 }, {  60, 150 }, {  60, 150 }, HOW_DEFAULT, LIFE_INACTIVE, MEMBER_ACTIVE,    0, 1, 0 },
	{ "outside",          5, {  60, 1500 }, NEVER,        NEVER,        HOW_NONE,    LIFE_ACTIVE,   MEMBER_NONE,      0, 0, 0 },
	{ "several-groups",  40, {  60, 1500 }, {   0,  20 }, {   0,  20 }, HOW_SEVERAL, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "suite",           30, {  60, 1500 }, {   0,  20 }, {   0,  20 }, HOW_SUITE,   LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "synced",         120, {  60, 1500 }, {   0,  20 }, {   0,  20 }, HOW_SYNCED,  LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "three-paths",      5, {  60, 1500 }, {   0,  20 }, {   0,  20 }, HOW_THREE,   LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "direct",          10, {  60, 1500 }, {   0,  20 }, {   0,  20 }, HOW_DIRECT,  LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "agent",           40, {  60, 1500 }, {   0,  20 }, {   0,  20 }, HOW_AGENT,   LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "no-account",      20, {   1,    1 }, NEVER,        NEVER,        HOW_NONE,    LIFE_ACTIVE,   MEMBER_NONE,      0, 0, 1 },
	/* these are never drawn */
	{ "orphan",           0, {  60,  900 }, {   5,  60 }, {   5,  60 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "org-admin",        0, { 900, 1500 }, {   0,   5 }, {   0,   5 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "site-admin",       0, { 900, 1500 }, {   0,   5 }, {   0,   5 }, HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "product-admin",    0, { 900, 1500 }, {   0,   5 }, {   0,   5 }, HOW_DEFAULT, LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "external",         0, {  60,  900 }, {   0,  30 }, {   0,  30 }, HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "external-idle",    0, { 200,  900 }, {  80, 180 }, {  80, 180 }, HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "guest",            0, {  60,  900 }, NEVER,        {   0,  90 }, HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "help-seeker",      0, {  60,  900 }, {   0,  90 }, NEVER,        HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "customer",         0, {  60,  900 }, NEVER,        NEVER,        HOW_NONE,    LIFE_ACTIVE,   MEMBER_NONE,      0, 0, 0 },
	{ "app",              0, { 300,  900 }, NEVER,        NEVER,        HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
	{ "service",          0, { 300,  900 }, NEVER,        NEVER,        HOW_NONE,    LIFE_ACTIVE,   MEMBER_ACTIVE,    0, 0, 0 },
};
/* clang-format on */

static const struct kind *kind_by_label(struct str label)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (str_eq(label, str_of(kinds[i].label)))
			return &kinds[i];
	}
	return NULL;
}

/* --- names ----------------------------------------------------------------------------- */

static const char *const given[] = {
	"Ada",   "Amir",       "Astrid",       "Beatriz", "Bj\xc3\xb6rn", "Carla", "Chidi",
	"Dana",  "Ebba",       "Emil",         "Esra",    "Femi",         "Freya", "Goran",
	"Hana",  "Hugo",       "Ingrid",       "Jana",    "Kai",          "Karin", "Kofi",
	"Lars",  "Lei",        "Luz",          "Maja",    "Mira",         "Naomi", "Noah",
	"Olga",  "Oskar",      "Petra",        "Priya",   "Ravi",         "Rosa",  "Sami",
	"Sofia", "Tariq",      "Tom\xc3\xa1s", "Uma",     "Vera",         "Wen",   "Yara",
	"Yuki",  "Zo\xc3\xab",
};
static const char *const given_plain[] = {
	"ada",   "amir",  "astrid", "beatriz", "bjorn", "carla", "chidi", "dana",   "ebba",
	"emil",  "esra",  "femi",   "freya",   "goran", "hana",  "hugo",  "ingrid", "jana",
	"kai",   "karin", "kofi",   "lars",    "lei",   "luz",   "maja",  "mira",   "naomi",
	"noah",  "olga",  "oskar",  "petra",   "priya", "ravi",  "rosa",  "sami",   "sofia",
	"tariq", "tomas", "uma",    "vera",    "wen",   "yara",  "yuki",  "zoe",
};
static const char *const family[] = {
	"Abara",   "Bakker",   "Castell", "Dorn",    "Ekberg",   "Farrow",  "Grimaldi",
	"Holm",    "Ibarra",   "Janssen", "Kestrel", "Lindow",   "Marlowe", "Norrby",
	"Okoye",   "Palmgren", "Quist",   "Rask",    "Sandoval", "Thorne",  "Urbano",
	"Vantage", "Westra",   "Yardley", "Zeller",
};
static const char *const departments[] = { "Engineering", "Product", "Design",  "Sales",
					   "Marketing",   "Finance", "Support", "Security",
					   "Operations",  "Data",    "Legal",   "People" };
static const char *const jobs[] = { "Engineer", "Analyst",    "Designer",
				    "Manager",  "Consultant", "Technician" };

/* --- groups ---------------------------------------------------------------------------- */

#define GRANT(p, r)                                                                            \
	{                                                                                      \
		(p), ROLE_##r                                                                  \
	}
#define NO_GRANT                                                                               \
	{                                                                                      \
		-1, ROLE_USER                                                                  \
	}

enum { PRODUCT_JIRA, PRODUCT_JSM, PRODUCT_CONFLUENCE };

enum site_group {
	GROUP_JIRA,
	GROUP_JSM,
	GROUP_CONFLUENCE,
	GROUP_JIRA_ADMINS,
	GROUP_CONFLUENCE_ADMINS,
	GROUP_GUESTS,
	GROUP_CONTRACTORS,
	GROUP_WRITERS,
	GROUP_AGENTS,
	GROUP_SUITE,
	GROUP_STAKEHOLDERS,
	GROUP_IDP_EMPLOYEES,
	GROUP_IDP_ENGINEERING,
	GROUP_IDP_SUPPORT,
	SITE_GROUPS
};

/* clang-format off */
static const struct group_row {
	const char *name; /* before the name of the site */
	const char *description;
	struct { int product; enum role role; } grants[2];
	bool is_default, synced;
} group_rows[SITE_GROUPS] = {
	[GROUP_JIRA]              = { "jira-users", "Default access to Jira", { GRANT(PRODUCT_JIRA, USER), NO_GRANT }, 1, 0 },
	[GROUP_JSM]               = { "jira-servicemanagement-users", "Default access to Jira Service Management", { GRANT(PRODUCT_JSM, USER), NO_GRANT }, 1, 0 },
	[GROUP_CONFLUENCE]        = { "confluence-users", "Default access to Confluence", { GRANT(PRODUCT_CONFLUENCE, USER), NO_GRANT }, 1, 0 },
	[GROUP_JIRA_ADMINS]       = { "jira-admins", "Administers Jira", { GRANT(PRODUCT_JIRA, ADMIN), NO_GRANT }, 1, 0 },
	[GROUP_CONFLUENCE_ADMINS] = { "confluence-admins", "Administers Confluence", { GRANT(PRODUCT_CONFLUENCE, ADMIN), NO_GRANT }, 1, 0 },
	[GROUP_GUESTS]            = { "confluence-guests", "Guests of Confluence", { GRANT(PRODUCT_CONFLUENCE, GUEST), NO_GRANT }, 1, 0 },
	[GROUP_CONTRACTORS]       = { "jira-contractors", "Jira for contractors", { GRANT(PRODUCT_JIRA, USER), NO_GRANT }, 0, 0 },
	[GROUP_WRITERS]           = { "confluence-writers", "Who may write the handbook", { GRANT(PRODUCT_CONFLUENCE, USER), NO_GRANT }, 0, 0 },
	[GROUP_AGENTS]            = { "support-agents", "Agents of the service desk", { GRANT(PRODUCT_JSM, USER), NO_GRANT }, 0, 0 },
	[GROUP_SUITE]             = { "product-suite", "Jira and Confluence at once", { GRANT(PRODUCT_JIRA, USER), GRANT(PRODUCT_CONFLUENCE, USER) }, 0, 0 },
	[GROUP_STAKEHOLDERS]      = { "jsm-stakeholders", "Told about incidents", { GRANT(PRODUCT_JSM, STAKEHOLDER), NO_GRANT }, 0, 0 },
	[GROUP_IDP_EMPLOYEES]     = { "idp-employees", "All employees, from the identity provider", { GRANT(PRODUCT_JIRA, USER), NO_GRANT }, 0, 1 },
	[GROUP_IDP_ENGINEERING]   = { "idp-engineering", "Engineering, from the identity provider", { GRANT(PRODUCT_JIRA, USER), GRANT(PRODUCT_CONFLUENCE, USER) }, 0, 1 },
	[GROUP_IDP_SUPPORT]       = { "idp-support", "Support, from the identity provider", { GRANT(PRODUCT_JSM, USER), NO_GRANT }, 0, 1 },
};
/* clang-format on */

#define PROJECT_GROUPS 20

/* What the making needs to know of the groups it made. */
struct making {
	struct org *org;
	const struct people_options *options;
	int64_t now_ms;
	uint32_t site[ORG_SITES][SITE_GROUPS];
	uint32_t teams[COUNT_OF(departments)];
	uint32_t projects[PROJECT_GROUPS];
	uint32_t addons;
	uint64_t chance; /* of the account at work */
};

static int group_make(struct making *m, unsigned site, const struct group_row *row,
		      uint32_t *ret, struct err *err)
{
	struct org *org = m->org;
	struct usergroup *g;
	char name[96];
	int r;

	snprintf(name, sizeof(name), "%s-%s", row->name, org->sites[site].name);
	r = org_group_add(org, org->sites[site].directory, name, row->description, ret, err);
	if (r < 0)
		return r;
	g = org->groups.v[*ret];
	g->type = "USERBASE_GROUP";
	g->synced = row->synced;
	g->managed_by = row->synced ? "external" : "admins";
	g->modifiable = !row->synced;
	g->deletable = !row->synced && !row->is_default;
	for (size_t i = 0; i < COUNT_OF(row->grants); i++) {
		unsigned res = site * ORG_PRODUCTS + (unsigned)row->grants[i].product;

		if (row->grants[i].product < 0)
			continue;
		org_group_role(org, *ret, res, row->grants[i].role, true);
		if (row->is_default)
			g->defaults[res] = (int8_t)row->grants[i].role;
	}
	return 0;
}

/* Groups that grant nothing: permissions and mentions hang on them. */
static int groups_idle_make(struct making *m, struct err *err)
{
	char name[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(departments); i++) {
		snprintf(name, sizeof(name), "team-%s", departments[i]);
		r = org_group_add(m->org, 0, name, "A team", &m->teams[i], err);
		if (r < 0)
			return r;
		m->org->groups.v[m->teams[i]]->type = "TEAM";
		m->org->groups.v[m->teams[i]]->managed_by = i % 4 ? "team-members" : "open";
	}
	for (size_t i = 0; r == 0 && i < PROJECT_GROUPS; i++) {
		snprintf(name, sizeof(name), "project-%02zu", i + 1);
		r = org_group_add(m->org, 0, name, "Members of a project", &m->projects[i],
				  err);
	}
	return r;
}

static int groups_make(struct making *m, struct err *err)
{
	struct org *org = m->org;
	struct usergroup *admins;
	int r;

	for (unsigned s = 0; s < org->site_count; s++) {
		for (unsigned g = 0; g < SITE_GROUPS; g++) {
			r = group_make(m, s, &group_rows[g], &m->site[s][g], err);
			if (r < 0)
				return r;
		}
	}
	r = org_group_add(org, 0, "org-admins", "Organization administrators",
			  &org->admin_group, err);
	if (r < 0)
		return r;
	admins = org->groups.v[org->admin_group];
	admins->modifiable = admins->deletable = false;
	for (unsigned res = 0; res < org_resource_count(org); res++)
		org_group_role(org, org->admin_group, res, ROLE_USER, true);
	r = org_group_add(org, 0, "atlassian-addons-admin", "Rights of apps", &m->addons, err);
	if (r < 0)
		return r;
	org_group_role(org, m->addons, PRODUCT_JIRA, ROLE_ADMIN, true);
	return groups_idle_make(m, err);
}

/* --- one account ----------------------------------------------------------------------- */

static uint64_t text_hash(const char *text, uint64_t seed)
{
	uint64_t h = 14695981039346656037ULL ^ seed;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211ULL;
	return h;
}

/* Below `below`, from the account's own stream, so that neighbours do not change it. */
static unsigned dice(struct making *m, unsigned below)
{
	uint64_t z = (m->chance += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (unsigned)((z ^ (z >> 31)) % below);
}

static int64_t days_ago(struct making *m, struct days days)
{
	unsigned span = (unsigned)(days.most - days.least + 1);

	return m->now_ms - (days.least + (int64_t)dice(m, span)) * STAMP_DAY_MS -
	       (int64_t)dice(m, 86400) * STAMP_SECOND_MS;
}

static void groups_extra(struct making *m, uint32_t account)
{
	unsigned n = dice(m, 4);

	for (size_t i = 0; i < COUNT_OF(departments); i++) {
		if (strcmp(m->org->accounts.v[account]->department, departments[i]) == 0)
			org_join(m->org, account, m->teams[i], m->now_ms);
	}
	for (unsigned i = 0; i < n; i++)
		org_join(m->org, account, m->projects[dice(m, PROJECT_GROUPS)], m->now_ms);
}

/* The groups and roles of a case; the second site is for few. */
static void access_make(struct making *m, uint32_t account, enum how how)
{
	struct org *org = m->org;
	unsigned site =
		org->site_count > 1 && dice(m, 12) == 0 ? 1 + dice(m, org->site_count - 1) : 0;
	const uint32_t *g = m->site[site];
	int64_t now = m->now_ms;

	switch (how) {
	case HOW_NONE:
		return;
	case HOW_SYNCED:
		org_join(org, account, g[GROUP_IDP_EMPLOYEES], now);
		org_join(org, account,
			 g[dice(m, 4) ? GROUP_IDP_ENGINEERING : GROUP_IDP_SUPPORT], now);
		return;
	case HOW_SUITE:
		org_join(org, account, g[GROUP_SUITE], now);
		break;
	case HOW_THREE:
		org_join(org, account, g[GROUP_IDP_EMPLOYEES], now);
		org_join(org, account, g[GROUP_JIRA], now);
		org_role(org, account, site * ORG_PRODUCTS + PRODUCT_JIRA, ROLE_USER, true,
			 now);
		break;
	case HOW_DIRECT:
		org_role(org, account, site * ORG_PRODUCTS + PRODUCT_JIRA, ROLE_USER, true,
			 now);
		org_role(org, account, site * ORG_PRODUCTS + PRODUCT_CONFLUENCE, ROLE_USER,
			 true, now);
		return;
	case HOW_AGENT:
		org_join(org, account, g[dice(m, 2) ? GROUP_JSM : GROUP_AGENTS], now);
		org_join(org, account, g[GROUP_CONFLUENCE], now);
		break;
	case HOW_SEVERAL:
		org_join(org, account, g[GROUP_CONTRACTORS], now);
		org_join(org, account, g[GROUP_WRITERS], now);
		/* fall through */
	default:
		org_join(org, account, g[GROUP_JIRA], now);
		if (how == HOW_SEVERAL || dice(m, 10) < 8)
			org_join(org, account, g[GROUP_CONFLUENCE], now);
		break;
	}
	groups_extra(m, account);
}

/* Last activity wherever it may use the product. */
static void activity_make(struct making *m, uint32_t account, const struct kind *kind)
{
	struct account *a = m->org->accounts.v[account];
	struct view view;

	org_view(m->org, account, m->now_ms, &view);
	for (unsigned r = 0; r < org_resource_count(m->org); r++) {
		struct held held = org_held(m->org, &view, r);
		struct days days =
			r % ORG_PRODUCTS == PRODUCT_CONFLUENCE ? kind->confluence : kind->jira;

		if (!(held.direct | held.group | held.inferred) || days.least < 0)
			continue;
		a->last_ms[r] = days_ago(m, days);
		if (a->last_ms[r] < a->added_ms)
			a->last_ms[r] = a->added_ms + STAMP_HOUR_MS;
	}
	org_view_done(&view);
}

static int tokens_make(struct making *m, uint32_t account, unsigned count, struct err *err)
{
	static const char *const labels[] = { "laptop script", "reports", "build server",
					      "calendar" };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		int64_t made = days_ago(m, (struct days){ 10, 300 });
		int64_t used = dice(m, 3) ? days_ago(m, (struct days){ 0, 9 }) : 0;

		r = org_token_add(m->org, account, labels[(account + i) % COUNT_OF(labels)],
				  made, used, made + 365 * STAMP_DAY_MS, err);
	}
	return r;
}

/* Members of all directories that their seats need, and of the first in any case. */
static void directories_join(struct making *m, uint32_t account, enum membership member)
{
	struct org *org = m->org;
	uint16_t wanted = org_seats_wanted(org, org->accounts.v[account]);

	if (member == MEMBER_NONE)
		return;
	org_member_set(org, account, 0, member);
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		if (wanted & (1u << r))
			org_member_set(org, account, org_resource_directory(org, r), member);
	}
}

static int account_make(struct making *m, const char *email, const char *name,
			const char *department, const char *job, const struct kind *kind,
			uint32_t *ret, struct err *err)
{
	struct account *a;
	int r = org_account_add(m->org, email, name, m->now_ms, ret, err);

	if (r < 0)
		return r;
	m->chance = text_hash(email, m->options->seed);
	a = m->org->accounts.v[*ret];
	a->label = kind->label;
	a->department = department ? org_text(m->org, str_of(department))
				   : departments[dice(m, COUNT_OF(departments))];
	a->job = job ? org_text(m->org, str_of(job)) : jobs[dice(m, COUNT_OF(jobs))];
	if (!a->department || !a->job)
		return err_nomem(err);
	a->added_ms = days_ago(m, kind->added);
	a->source = kind->how == HOW_SYNCED ? SOURCE_SYNCED : SOURCE_INVITED;
	a->verified = !kind->unverified;
	a->mfa = a->managed && dice(m, 3) > 0;
	access_make(m, *ret, kind->how);
	activity_make(m, *ret, kind);
	directories_join(m, *ret, kind->member);
	if (kind->life != LIFE_ACTIVE)
		org_life_set(m->org, *ret, kind->life, days_ago(m, (struct days){ 20, 50 }));
	if (kind->dying)
		a->delete_ms = days_ago(m, (struct days){ 1, 8 });
	if (a->managed && kind->jira.least >= 0 && dice(m, 7) == 0)
		r = tokens_make(m, *ret, 1 + dice(m, 2), err);
	org_recount(m->org, *ret);
	return r;
}

/* --- a line ---------------------------------------------------------------------------- */

static const char *line_text(const json_t *line, const char *const *names)
{
	for (; *names; names++) {
		const char *text = json_string_value(json_object_get(line, *names));

		if (text && *text)
			return text;
	}
	return NULL;
}

static const char *line_email(const json_t *line)
{
	static const char *const names[] = { "email", "mail", "userName", NULL };
	const char *email = line_text(line, names);

	return email && strchr(email, '@') ? email : NULL;
}

static const char *line_name(const json_t *line, const char *otherwise)
{
	static const char *const names[] = { "name", "displayName", "cn", NULL };
	const char *name = line_text(line, names);

	return name ? name : otherwise;
}

/* --- all people ------------------------------------------------------------------------ */

struct person {
	const char *email, *name, *department,
		*job;            /* of line, or of the organisation's texts */
	const struct kind *kind; /* NULL: drawn */
	json_t *line;            /* NULL: invented */
};

VEC(vec_person, struct person);

static void persons_drop(struct vec_person *all)
{
	for (size_t i = 0; i < all->n; i++)
		json_decref(all->v[i].line);
	vec_person_done(all);
}

static int person_invent(struct making *m, uint64_t i, struct person *ret, struct err *err)
{
	uint64_t h = org_chance(m->org);
	size_t g = h % COUNT_OF(given), f = (h >> 20) % COUNT_OF(family);
	char email[192], name[96], plain[32];
	size_t n = 0;

	for (const char *p = family[f]; *p; p++)
		plain[n++] = (char)(*p | 0x20);
	plain[n] = '\0';
	snprintf(name, sizeof(name), "%s %s", given[g], family[f]);
	snprintf(email, sizeof(email), "%s.%s.%" PRIu64 "@%s", given_plain[g], plain, i + 1,
		 m->options->domain ? m->options->domain : "example.com");
	*ret = (struct person){ .email = org_text(m->org, str_of(email)),
				.name = org_text(m->org, str_of(name)) };
	return ret->email && ret->name ? 0 : err_nomem(err);
}

static int person_read(const struct people_options *options, size_t number, struct str text,
		       struct vec_person *into, struct err *err)
{
	static const char *const department[] = { "department", "departmentNumber", NULL };
	static const char *const job[] = { "title", "job", NULL };
	CLEANUP(json_decref_at) json_t *line = NULL;
	struct person p = { 0 };
	const char *label;
	int r;

	r = jx_parse(text, JX_LENIENT, &line, err);
	if (r < 0)
		return err_context(err, r, "people file %s line %zu", options->file, number);
	label = json_string_value(json_object_get(line, "case"));
	p.kind = label ? kind_by_label(str_of(label)) : NULL;
	if (label && !p.kind)
		return err_set(err, ERR_CONFIG, "people file %s line %zu: no case \"%s\"",
			       options->file, number, label);
	p.email = line_email(line);
	if (!p.email || json_is_false(json_object_get(line, "account")))
		return 0;
	p.name = line_name(line, p.email);
	p.department = line_text(line, department);
	p.job = line_text(line, job);
	p.line = line;
	if (vec_person_add(into, p) < 0)
		return err_nomem(err);
	line = NULL;
	return 0;
}

static int persons_read(const struct people_options *options, struct vec_person *into,
			struct err *err)
{
	FILE *f = fopen(options->file, "re");
	CLEANUP(free_at) char *text = NULL;
	size_t room = 0, number = 0;
	ssize_t len;
	int r = 0;

	if (!f)
		return err_errno(err, ERR_CONFIG, errno, "people file %s", options->file);
	while (r == 0 && (len = getline(&text, &room, f)) >= 0) {
		struct str line = str_trim(str_n(text, (size_t)len));

		number++;
		if (len > LINE_MAX_BYTES)
			r = err_set(err, ERR_CONFIG, "people file %s line %zu: over %d bytes",
				    options->file, number, LINE_MAX_BYTES);
		else if (line.len)
			r = person_read(options, number, line, into, err);
	}
	fclose(f);
	return r;
}

/* The domain most people have. */
static void domain_most(const struct vec_person *all, char *ret, size_t room)
{
	struct {
		struct str name;
		size_t n;
	} seen[64] = { 0 };
	size_t count = 0, best = 0;

	for (size_t i = 0; i < all->n; i++) {
		struct str user, domain;
		size_t k;

		str_cut(str_of(all->v[i].email), '@', &user, &domain);
		for (k = 0; k < count && !str_ieq(seen[k].name, domain); k++)
			;
		if (k == COUNT_OF(seen))
			continue;
		if (k == count)
			seen[count++].name = domain;
		seen[k].n++;
		if (seen[k].n > seen[best].n)
			best = k;
	}
	if (count)
		snprintf(ret, room, STR_FMT, STR_ARG(seen[best].name));
	else
		snprintf(ret, room, "example.com");
}

/* The share of a case: its own, or what --mix says. */
static int share_of(const struct kind *kind, const char *mix, unsigned *ret, struct err *err)
{
	struct str rest = str_of(mix), item, name, value;
	uint64_t n;

	*ret = kind->permille;
	while (rest.len) {
		str_cut(rest, ',', &item, &rest);
		if (!str_cut(item, '=', &name, &value) || !kind_by_label(name) ||
		    !str_uint64(value, &n) || n > 1000)
			return err_set(err, ERR_CONFIG,
				       "--mix " STR_FMT ": CASE=0..1000 of a known case",
				       STR_ARG(item));
		if (str_eq(name, str_of(kind->label)))
			*ret = (unsigned)n;
	}
	return 0;
}

static void shuffle(struct org *org, const struct kind **v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = org_chance(org) % i;
		const struct kind *t = v[i - 1];

		v[i - 1] = v[k];
		v[k] = t;
	}
}

/*
 * Gives each person a case by quota, not by chance alone: from 60 people on each case is there
 * at least once. The first are administrators unless the file names its own.
 */
static int kinds_deal(struct making *m, struct vec_person *all, struct err *err)
{
	static const char *const admins[] = { "org-admin", "org-admin", "site-admin",
					      "product-admin", "product-admin" };
	CLEANUP(free_at) const struct kind **dealt = calloc(all->n + 1, sizeof(*dealt));
	size_t at = 0, next = 0, admin = 0;
	bool named = false;

	if (!dealt)
		return err_nomem(err);
	for (size_t k = 1; k < COUNT_OF(kinds); k++) {
		unsigned share;
		size_t quota;
		int r = share_of(&kinds[k], m->options->mix, &share, err);

		if (r < 0)
			return r;
		if (kinds[k].no_account && !m->options->file)
			continue;
		quota = (all->n * share + 500) / 1000;
		if (quota == 0 && share && all->n >= 60)
			quota = 1;
		while (quota-- && at < all->n)
			dealt[at++] = &kinds[k];
	}
	while (at < all->n)
		dealt[at++] = &kinds[0];
	shuffle(m->org, dealt, all->n);
	for (size_t i = 0; i < all->n; i++)
		named |= all->v[i].line && json_object_get(all->v[i].line, "admin");
	for (size_t i = 0; i < all->n; i++) {
		if (all->v[i].kind)
			continue;
		if (!named && admin < COUNT_OF(admins) && (admin < 2 || all->n > 20))
			all->v[i].kind = kind_by_label(str_of(admins[admin++]));
		else
			all->v[i].kind = dealt[next++];
	}
	return 0;
}

static int admin_make(struct making *m, uint32_t account, struct err *err)
{
	struct account *a = m->org->accounts.v[account];
	const char *what = strcmp(a->label, "org-admin") == 0       ? "org"
			   : strcmp(a->label, "site-admin") == 0    ? "site"
			   : strcmp(a->label, "product-admin") == 0 ? "product"
								    : NULL;
	int r = what ? people_admin(m->org, account, what, m->now_ms, err) : 0;

	if (r == 0 && what)
		activity_make(m, account, kind_by_label(str_of(a->label)));
	if ((a->platform & PLATFORM_ORG_ADMIN) && m->org->key_owner == UINT32_MAX)
		m->org->key_owner = account;
	return r;
}

static int persons_make(struct making *m, struct vec_person *all, struct err *err)
{
	int r = kinds_deal(m, all, err);

	for (size_t i = 0; r == 0 && i < all->n; i++) {
		struct person *p = &all->v[i];
		uint32_t account, other;

		if (p->kind->no_account)
			continue;
		if (org_account_by_email(m->org, str_of(p->email), &other))
			continue; /* one address, one account */
		r = account_make(m, p->email, p->name, p->department, p->job, p->kind, &account,
				 err);
		if (r == 0 && p->line)
			r = people_apply(m->org, account, p->line, m->now_ms, err);
		if (r == 0)
			r = admin_make(m, account, err);
		if (p->line) {
			json_decref(p->line);
			p->line = NULL;
		}
	}
	return r;
}

/* --- everybody else -------------------------------------------------------------------- */

static int stranger_make(struct making *m, const char *label, const char *email,
			 const char *name, uint32_t *ret, struct err *err)
{
	return account_make(m, email, name, "", "", kind_by_label(str_of(label)), ret, err);
}

static int orphans_make(struct making *m, const char *domain, struct err *err)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < m->options->orphans; i++) {
		char email[160], name[64];
		uint32_t account;

		snprintf(email, sizeof(email), "former.%03" PRIu64 "@%s", i + 1, domain);
		snprintf(name, sizeof(name), "Former %s %" PRIu64, family[i % COUNT_OF(family)],
			 i + 1);
		r = stranger_make(m, "orphan", email, name, &account, err);
	}
	return r;
}

static int externals_make(struct making *m, struct err *err)
{
	size_t n = m->org->accounts.n / 40 + 4;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		bool idle = i % 20 == 1;
		char email[96], name[64];
		uint32_t account;

		snprintf(email, sizeof(email), "contractor.%zu@partner.example.net", i + 1);
		snprintf(name, sizeof(name), "Contractor %s %zu", family[i % COUNT_OF(family)],
			 i + 1);
		r = stranger_make(m, idle ? "external-idle" : "external", email, name, &account,
				  err);
		if (r < 0)
			return r;
		org_join(m->org, account, m->site[0][GROUP_CONTRACTORS], m->now_ms);
		activity_make(m, account,
			      kind_by_label(str_of(idle ? "external-idle" : "external")));
	}
	for (size_t i = 0; r == 0 && i < n / 4 + 2; i++) {
		char email[96];
		uint32_t account;

		snprintf(email, sizeof(email), "guest.%zu@visitor.example.org", i + 1);
		r = stranger_make(m, "guest", email, "Guest Visitor", &account, err);
		if (r < 0)
			return r;
		org_join(m->org, account, m->site[0][GROUP_GUESTS], m->now_ms);
		activity_make(m, account, kind_by_label(STR("guest")));
	}
	return r;
}

static int customers_make(struct making *m, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 8; i++) {
		char email[96];
		uint32_t account;

		snprintf(email, sizeof(email), "%s.%u@customer.example.org",
			 i < 3 ? "help" : "portal", i + 1);
		r = stranger_make(m, i < 3 ? "help-seeker" : "customer", email, "Customer",
				  &account, err);
		if (r < 0)
			return r;
		org_role(m->org, account, PRODUCT_JSM, ROLE_CUSTOMER, true, m->now_ms);
		if (i >= 3)
			m->org->accounts.v[account]->type = TYPE_CUSTOMER;
		org_recount(m->org, account);
	}
	return r;
}

static int machines_make(struct making *m, struct err *err)
{
	static const char *const names[] = { "Timesheets for Jira", "Diagrams for Confluence",
					     "Automation", "Chat Bridge" };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < COUNT_OF(names) + 2; i++) {
		bool app = i < COUNT_OF(names);
		char email[96];
		uint32_t account;

		snprintf(email, sizeof(email), "%s-%u@%s", app ? "app" : "robot", i + 1,
			 app ? "connect.atlassian.com" : "serviceaccount.atlassian.com");
		r = stranger_make(m, app ? "app" : "service", email,
				  app ? names[i] : "Build Robot", &account, err);
		if (r < 0)
			return r;
		m->org->accounts.v[account]->type = app ? TYPE_APP : TYPE_ATLASSIAN;
		org_join(m->org, account, app ? m->addons : m->site[0][GROUP_JIRA], m->now_ms);
	}
	return r;
}

/* A quarter above what is used, rounded up to hundreds: room for restores, an end in sight. */
static void licences_make(struct org *org)
{
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		struct resource *res = &org->resources[r];

		res->capacity = ((int64_t)res->used * 5 / 4 + 100) / 100 * 100;
	}
}

static int strangers_make(struct making *m, const char *domain, struct err *err)
{
	int r = orphans_make(m, domain, err);

	if (r == 0 && !m->options->plain)
		r = externals_make(m, err);
	if (r == 0 && !m->options->plain)
		r = customers_make(m, err);
	if (r == 0 && !m->options->plain)
		r = machines_make(m, err);
	if (r == 0)
		licences_make(m->org);
	return r;
}

int people_make(struct org *org, const struct people_options *options, int64_t now_ms,
		struct err *err)
{
	CLEANUP(persons_drop) struct vec_person all = { 0 };
	struct making m = { .org = org, .options = options, .now_ms = now_ms };
	char domain[128];
	int64_t lag_ms = org->lag_ms;
	int r = options->file ? persons_read(options, &all, err) : 0;

	for (uint64_t i = 0; r == 0 && !options->file && i < options->users; i++) {
		struct person p;

		r = person_invent(&m, i, &p, err);
		if (r == 0 && vec_person_add(&all, p) < 0)
			r = err_nomem(err);
	}
	if (r < 0)
		return r;
	if (options->domain)
		snprintf(domain, sizeof(domain), "%s", options->domain);
	else
		domain_most(&all, domain, sizeof(domain));
	org->lag_ms = 0;
	r = org_domain_add(org, domain, true, err);
	if (r == 0)
		r = org_domain_add(org, "unclaimed.example", false, err);
	if (r == 0)
		r = groups_make(&m, err);
	if (r == 0)
		r = persons_make(&m, &all, err);
	if (r == 0)
		r = strangers_make(&m, domain, err);
	org->lag_ms = lag_ms;
	return r;
}
